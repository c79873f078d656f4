/* An operator who lets a zone go to a far serial: in a part of the seeds, drawn apart, so that the others stay what they were. */
#include "sim/serials.h"

#include "dns/serial.h"
#include "round/node.h"
#include "round/order.h"
#include "sim/seam.h"

#define PAUSE_US (5 * SIM_S)
#define TRIES 6 /* before it is announced again, from where the zone is then */
#define FAR (UINT32_C(1) << 30)

void sim_plan_serials(uint64_t seed, struct sim_options *options)
{
    struct sim_random random = {sim_mix64(seed ^ UINT64_C(0x73657269616c))};
    if (sim_chance(&random, options->emergency_us > 0 ? 500000 : 150000)) {
        options->serial_us = sim_between(&random, 10 * SIM_S, options->duration_us * 3 / 4);
        options->serial_zone = (unsigned)sim_below(&random, options->zones);
        options->serial_step = (uint32_t)sim_between(&random, FAR, CSN_APPROVED_STEP_MAX);
        if (sim_chance(&random, 200000)) {
            options->serial_step = (uint32_t)sim_between(&random, CSN_SERIAL_FAR, 4 * CSN_EMERGENCY_SERIAL_STEP);
        }
    }
}

/* That is up and knows the newest release; NULL: none has one. */
static struct sim_actor *newest_node(struct sim_world *world, unsigned zone, const struct csn_proposal **ret_released)
{
    struct sim_actor *newest = NULL;
    *ret_released = NULL;
    for (unsigned i = 0; i < world->options.sites; i++) {
        struct sim_actor *actor = &world->actors[i];
        struct csn_node_zone_status status;
        if (!actor->is_up) {
            continue;
        }
        csn_node_get_zone(actor->node, zone, sim_now(world, actor), &status);
        if (status.released != NULL && (newest == NULL || csn_round_compare(status.released->held.proposal.round,
                                                                            (*ret_released)->round) > 0)) {
            newest = actor;
            *ret_released = &status.released->held.proposal;
        }
    }
    return newest;
}

static void give(struct sim_world *world, struct sim_actor *actor, unsigned zone, enum csn_order_kind kind)
{
    struct csn_order order = {.kind = kind, .number = ++world->order_number, .serial = world->announced};
    sim_give_order(world, actor, zone, &order);
}

bool sim_announce_serial(struct sim_world *world, unsigned zone, uint32_t to)
{
    const struct csn_proposal *released;
    struct sim_actor *newest = newest_node(world, zone, &released);
    if (newest == NULL || to - released->serial - 1 >= CSN_APPROVED_STEP_MAX) {
        return false;
    }
    world->announced =
        (struct csn_serial_approval){.epoch = newest->epoch, .round = released->round, .from = released->serial, .to = to};
    give(world, newest, zone, CSN_ORDER_ANNOUNCE_SERIAL);
    return true;
}

/* Where a node takes it, as consignctl asks one. */
bool sim_approve_serial(struct sim_world *world, unsigned zone)
{
    const struct csn_order order = {.kind = CSN_ORDER_APPROVE_SERIAL, .serial = world->announced};
    for (unsigned i = 0; i < world->options.sites; i++) {
        struct sim_actor *actor = &world->actors[i];
        if (actor->is_up && csn_node_check_serial(actor->node, zone, &order, NULL) == CSN_OK) {
            give(world, actor, zone, CSN_ORDER_APPROVE_SERIAL);
            return true;
        }
    }
    return false;
}

/* The operator's task: again until it is done. */
static void order_serial(struct sim_world *world, struct sim_task *task)
{
    const struct csn_proposal *released;
    unsigned zone = world->options.serial_zone;
    (void)task;
    if (world->is_last_input || world->has_failed) {
        return;
    }
    bool is_released = newest_node(world, zone, &released) != NULL;
    bool is_past = is_released && world->serial_tries > 0 && released->serial - world->announced.to < FAR; /* in an emergency */
    world->has_approved_serial = !is_past && world->serial_tries > 0 && sim_approve_serial(world, zone);
    if (is_past || world->has_approved_serial) {
        return;
    }
    if (world->serial_tries % TRIES == 0 && is_released) {
        sim_announce_serial(world, zone, released->serial + world->options.serial_step);
    }
    world->serial_tries++;
    sim_after(world, PAUSE_US, order_serial, NULL, NULL);
}

void sim_serials_begin(struct sim_world *world)
{
    if (world->options.serial_us > 0) {
        sim_after(world, world->options.serial_us, order_serial, NULL, NULL);
    }
}

static void give_everywhere(struct sim_world *world, unsigned zone, enum csn_order_kind kind)
{
    struct csn_order order = {.kind = kind, .number = ++world->order_number, .serial = world->announced};
    for (unsigned i = 0; i < world->options.sites && !world->has_failed; i++) {
        if (world->actors[i].is_up) {
            sim_give_order(world, &world->actors[i], zone, &order);
        }
    }
}

/* Who voted alone for it may be needed by those who have not: an operator sees that it is not released, and says it again. */
void sim_serials_end(struct sim_world *world)
{
    unsigned zone = world->options.serial_zone;
    if (world->has_approved_serial && sim_announce_serial(world, zone, world->announced.to)) {
        give_everywhere(world, zone, CSN_ORDER_ANNOUNCE_SERIAL);
        give_everywhere(world, zone, CSN_ORDER_APPROVE_SERIAL);
    }
}
