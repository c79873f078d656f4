/* An operator who lets a zone go to a far serial: in a part of the seeds, drawn apart, so that the others stay what they were. */
#include "sim/serials.h"


#include "round/order.h"
#include "sim/seam.h"

#define PAUSE_US (5 * SIM_S)
#define FAR (UINT32_C(1) << 30)

void sim_plan_serials(uint64_t seed, struct sim_options *options)
{
    struct sim_random random = {sim_mix64(seed ^ UINT64_C(0x73657269616c))};
    bool is_emergency = options->emergency_us > 0; /* orders have the other seeds */
    if (!is_emergency && sim_chance(&random, 150000)) {
        options->serial_us = sim_between(&random, 10 * SIM_S, options->duration_us * 3 / 4);
        options->serial_zone = (unsigned)sim_below(&random, options->zones);
        options->serial_step = (uint32_t)sim_between(&random, FAR, CSN_APPROVED_STEP_MAX);
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

bool sim_approve_serial(struct sim_world *world, unsigned zone, uint32_t to, bool is_everywhere)
{
    const struct csn_proposal *released;
    struct sim_actor *newest = newest_node(world, zone, &released);
    if (newest == NULL || to - released->serial - 1 >= CSN_APPROVED_STEP_MAX) {
        return false;
    }
    struct csn_order order = {.kind = CSN_ORDER_APPROVE_SERIAL,
                              .number = ++world->order_number,
                              .serial = {.epoch = newest->epoch,
                                         .round = released->round,
                                         .from = released->serial,
                                         .to = to}};
    sim_give_order(world, newest, zone, &order);
    for (unsigned i = 0; i < world->options.sites && is_everywhere && !world->has_failed; i++) {
        if (world->actors[i].is_up) {
            sim_give_order(world, &world->actors[i], zone, &order);
        }
    }
    return true;
}

static void approve(struct sim_world *world, struct sim_task *task)
{
    const struct csn_proposal *released;
    unsigned zone = world->options.serial_zone;
    (void)task;
    if (world->is_last_input) {
        return;
    }
    if (newest_node(world, zone, &released) != NULL) {
        world->approved_serial = released->serial + world->options.serial_step;
        world->has_approved_serial = sim_approve_serial(world, zone, world->approved_serial, false);
    } else {
        sim_after(world, PAUSE_US, approve, NULL, NULL);
    }
}

void sim_serials_begin(struct sim_world *world)
{
    if (world->options.serial_us > 0) {
        sim_after(world, world->options.serial_us, approve, NULL, NULL);
    }
}

/* Who voted alone for it may be needed by those who have not: an operator sees that it is not released, and says it again. */
void sim_serials_end(struct sim_world *world)
{
    if (world->has_approved_serial) {
        sim_approve_serial(world, world->options.serial_zone, world->approved_serial, true);
    }
}
