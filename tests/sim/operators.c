/* Operators: orders, given at one node that is up and forwarded by the nodes, and old stores that are put back. */
#include "sim/seam.h"

#include <stdlib.h>
#include <string.h>

#include "round/order.h"
#include "sim/checker.h"
#include "sim/layout.h"
#include "sim/epochs.h"
#include "sim/liars.h"
#include "sim/serials.h"
#include "sim/workload.h"

#define BACK_UP_US (40 * SIM_S)
#define RECORD_CLOSE 8 /* octets that the core closes a record with */

/* --- orders */

static struct sim_actor *any_node(struct sim_world *world)
{
    unsigned first = (unsigned)sim_below(&world->random, world->options.sites);
    for (unsigned i = 0; i < world->options.sites; i++) {
        struct sim_actor *actor = &world->actors[(first + i) % world->options.sites];
        if (actor->is_up) {
            return actor;
        }
    }
    return NULL;
}

void sim_give_order(struct sim_world *world, struct sim_actor *actor, unsigned zone, struct csn_order *order)
{
    uint8_t signature[CSN_SIGNATURE_SIZE];
    struct csn_buf body = {0}, message = {0};
    struct csn_event event = {.kind = CSN_EVENT_STATEMENT};
    memcpy(order->cluster, world->cluster.id, sizeof(order->cluster));
    memcpy(order->zone, world->options.zone[zone].zone, sizeof(world->options.zone[zone].zone));
    order->environment = world->cluster.environment;
    memcpy(order->reason, "a seed", sizeof("a seed"));
    csn_order_encode(order, &body);
    csn_statement_signed(CSN_STATEMENT_ORDER, 1, 0, csn_buf_view(&body), &message);
    sim_sign(world->cluster.operators[0].key, csn_buf_view(&message), signature);
    event.statement.kind = CSN_STATEMENT_ORDER;
    event.statement.signer = 1;
    event.statement.body = csn_buf_view(&body);
    event.statement.signature = signature;
    sim_log(world, actor, "order %s z%u site %u serial %u", csn_order_text(order->kind), zone, order->site, order->serial.to);
    sim_checker_ordered(world->checker, zone, order);
    sim_step(world, actor, &event);
    csn_buf_fini(&body);
    csn_buf_fini(&message);
}

static void give_somewhere(struct sim_world *world, unsigned zone, struct csn_order order)
{
    struct sim_actor *actor = any_node(world);
    order.number = ++world->order_number;
    if (actor != NULL) {
        sim_give_order(world, actor, zone, &order);
    }
}

struct counter_order {
    unsigned zone;
    struct csn_order order;
};

static void end_order(struct sim_world *world, struct sim_task *task)
{
    const struct counter_order *counter = task->data;
    if (any_node(world) == NULL) {
        struct counter_order *copy = csn_alloc(sizeof(*copy));
        *copy = *counter;
        sim_after(world, SIM_S, end_order, NULL, copy);
        return;
    }
    give_somewhere(world, counter->zone, counter->order);
}

/* One order now, and the one that takes it back later. */
static void order_for(struct sim_world *world, unsigned zone, struct csn_order order, enum csn_order_kind back,
                      uint64_t for_us)
{
    struct counter_order *counter = csn_calloc(1, sizeof(*counter));
    *counter = (struct counter_order){.zone = zone, .order = order};
    counter->order.kind = back;
    sim_after(world, for_us, end_order, NULL, counter);
    give_somewhere(world, zone, order);
}

static void order_generation(struct sim_world *world, unsigned zone)
{
    struct csn_order order = {.kind = CSN_ORDER_GENERATION, .generation = ++world->generation[zone]};
    give_somewhere(world, zone, order);
    world->generation_number[zone] = world->order_number;
}

void sim_obey(struct sim_world *world, struct sim_actor *actor, const struct csn_order *order)
{
    unsigned zone = sim_zone_index(world, order->zone);
    if (order->kind == CSN_ORDER_GENERATION) {
        actor->generation[zone] = order->generation;
        sim_read_again_later(world, actor, zone);
    } else if (order->kind == CSN_ORDER_APPROVE) {
        actor->approved[zone] = order->received;
    } else if (order->kind == CSN_ORDER_REJECT) {
        actor->rejected[zone] = order->received;
    }
    sim_judge_later(world, actor, zone);
}

struct decision {
    unsigned zone;
    struct csn_digest received;
};

static void decide(struct sim_world *world, struct sim_task *task)
{
    const struct decision *decision = task->data;
    struct csn_order order = {.kind = sim_chance(&world->random, 700000) ? CSN_ORDER_APPROVE : CSN_ORDER_REJECT,
                              .received = decision->received};
    give_somewhere(world, decision->zone, order);
}

void sim_decide_later(struct sim_world *world, unsigned zone, const struct csn_digest *received)
{
    struct decision *decision = csn_calloc(1, sizeof(*decision));
    *decision = (struct decision){.zone = zone, .received = *received};
    sim_after(world, sim_delay(world, 20 * SIM_S), decide, NULL, decision);
}

/* At every node that is up: the one asked may be about to end, its disk full, and nobody else would have heard. */
static void give_everywhere(struct sim_world *world, unsigned zone, struct csn_order order)
{
    for (unsigned i = 0; i < world->options.sites && !world->has_failed; i++) {
        if (world->actors[i].is_up) {
            sim_give_order(world, &world->actors[i], zone, &order);
        }
    }
}

void sim_orders_end(struct sim_world *world)
{
    for (unsigned zone = 0; zone < world->options.zones; zone++) {
        struct csn_order order = {.kind = CSN_ORDER_RESUME, .number = ++world->order_number};
        give_everywhere(world, zone, order);
        for (uint16_t site = 0; site <= world->options.sites; site++) {
            order = (struct csn_order){
                .kind = CSN_ORDER_MAINTENANCE_OFF, .site = site, .number = ++world->order_number};
            give_everywhere(world, zone, order);
        }
        order = (struct csn_order){.kind = CSN_ORDER_GENERATION,
                                   .generation = world->generation[zone],
                                   .number = world->generation_number[zone]};
        if (order.number > 0) {
            give_everywhere(world, zone, order);
        }
    }
    sim_serials_end(world);
}

/* --- backups */

static void back_up(struct sim_world *world, struct sim_task *task)
{
    if (!world->is_faulty) {
        return;
    }
    for (unsigned i = 0; i < world->options.sites; i++) {
        if (world->actors[i].is_up && sim_chance(&world->random, 500000)) {
            sim_seam_back_up(&world->actors[i]);
        }
    }
    sim_after(world, sim_delay(world, BACK_UP_US), back_up, task->actor, NULL);
}

void sim_back_up_begin(struct sim_world *world)
{
    if (world->options.chance[SIM_RESTORED] > 0 || world->options.chance[SIM_RESTORED_ALONE] > 0) {
        sim_after(world, sim_delay(world, BACK_UP_US), back_up, NULL, NULL);
    }
}

static bool is_rotten(const struct sim_world *world, const struct csn_digest *root)
{
    bool is = false;
    for (unsigned i = 0; i < world->rotten_count; i++) {
        is = is || csn_digest_equal(&world->rotten[i], root);
    }
    return is;
}

/* What the backup lacks is whole at another site: the last copy of a version is lost only where more sites lose their disks than
 * the rules promise to survive. */
static bool is_affordable(const struct sim_world *world, const struct sim_actor *actor)
{
    for (size_t i = 0; i < actor->disk.version_count; i++) {
        const struct sim_version *version = &actor->disk.versions[i];
        bool is_safe = sim_disk_version(actor->backup, version->zone, &version->full_root) != NULL;
        for (unsigned k = 0; k < world->options.sites && !is_safe; k++) {
            is_safe = k != actor->index && !is_rotten(world, &version->full_root) &&
                      sim_disk_version(&world->actors[k].disk, version->zone, &version->full_root) != NULL;
        }
        if (!is_safe) {
            return false;
        }
    }
    return true;
}

/* How many votes the store remembers. */
static size_t holds(const struct sim_records *records)
{
    size_t count = 0;
    for (size_t i = 0; i < records->count; i++) {
        const struct csn_buf *key = &records->items[i].key;
        count += key->size > 1 && key->data[1] == 'H';
    }
    return count;
}

/* Neither the store nor the second copy of the backup knows this round, nor a later one. */
static bool is_forgotten(const struct sim_actor *actor, const struct layout_held *held)
{
    const struct sim_records *both[] = {&actor->backup->records, &actor->backup->seconds};
    for (size_t i = 0; i < 2; i++) {
        for (size_t k = 0; k < both[i]->count; k++) {
            struct csn_bytes value = csn_buf_view(&both[i]->items[k].value);
            struct layout_certificate certificate;
            struct layout_held own;
            bool is_read = layout_held(value, &own);
            if (layout_certificate(value, &certificate)) {
                own = certificate.held;
                is_read = true;
            }
            if (is_read && memcmp(own.zone, held->zone, sizeof(own.zone)) == 0 &&
                memcmp(own.round, held->round, LAYOUT_ROUND) >= 0) {
                return false;
            }
        }
    }
    return true;
}

static bool has_vote(const struct sim_actor *actor, const struct layout_certificate *certificate)
{
    for (unsigned i = 0; i < certificate->vote_count; i++) {
        if (certificate->votes[i].site == actor->number && certificate->votes[i].incarnation == actor->incarnation) {
            return true;
        }
    }
    return false;
}

/* What others can show of what the backup has forgotten: the earliest, so that a later vote stays hidden. Of the first epoch,
 * where floors are those of votes and certificates. */
static bool find_shown(const struct sim_world *world, const struct sim_actor *actor, struct csn_bytes *ret_octets)
{
    struct layout_held earliest = {0};
    bool is_found = false;
    for (unsigned site = 0; site < world->options.sites && actor->backup_epoch == 1; site++) {
        const struct sim_records *records = &world->actors[site].disk.records;
        for (size_t i = 0; site != actor->index && i < records->count; i++) {
            struct csn_bytes value = csn_buf_view(&records->items[i].value);
            struct layout_certificate certificate;
            if (layout_certificate(value, &certificate) && certificate.held.epoch == 1 &&
                has_vote(actor, &certificate) && is_forgotten(actor, &certificate.held) &&
                (!is_found || memcmp(certificate.held.round, earliest.round, LAYOUT_ROUND) < 0)) {
                is_found = true;
                earliest = certificate.held;
                *ret_octets = csn_bytes(value.data, value.size - RECORD_CLOSE);
            }
        }
    }
    return is_found;
}

/* With the second copy of then nothing at the site tells that it forgot: what another shows comes first, in each life. */
static void restore_whole(struct sim_world *world, struct sim_actor *actor)
{
    struct csn_bytes octets = {0};
    if (find_shown(world, actor, &octets) && sim_chance(&world->random, 500000)) {
        sim_log(world, actor, "so is its second copy");
        sim_disk_put_back_seconds(actor);
        csn_buf_clear(&actor->shown);
        csn_buf_put_bytes(&actor->shown, octets);
    }
}

void sim_show(struct sim_world *world, struct sim_actor *actor)
{
    struct csn_event event = {.kind = CSN_EVENT_CERTIFICATE};
    struct csn_certificate certificate;
    unsigned life = actor->life;
    if (actor->shown.size == 0 ||
        !sim_take_certificate(world, actor, csn_buf_view(&actor->shown), &certificate)) {
        return;
    }
    event.certificate.certificate = &certificate;
    event.certificate.octets = csn_buf_view(&actor->shown);
    sim_step(world, actor, &event);
    if (actor->is_up && actor->life == life) {
        sim_checker_shown(world->checker, actor);
    }
}

static void restore(struct sim_world *world, struct sim_actor *actor, bool is_alone)
{
    if (actor->is_up) {
        sim_crash(world, actor);
        sim_restart_later(world, actor);
    }
    sim_log(world, actor, "an old store is put back%s", is_alone ? ", without its second copy" : "");
    sim_count(world, is_alone ? SIM_RESTORED_ALONE : SIM_RESTORED);
    sim_seam_put_back(actor);
    if (is_alone) {
        sim_records_fini(&actor->disk.seconds);
    } else {
        restore_whole(world, actor);
    }
    world->restored |= UINT32_C(1) << actor->index;
    sim_checker_restored(world->checker, actor);
}

/* Whoever was restored votes no more once it knows that it forgot something: a quorum of others must stay, also where members
 * change. So beside a liar (f = 1) only where its votes count: one of four is forgiven, not two. The key is that of the copy. */
static bool may_restore(const struct sim_world *world, const struct sim_actor *actor)
{
    uint32_t unsound = world->restored | UINT32_C(1) << actor->index | sim_false_voters(world);
    return actor->backup != NULL && actor->backup_incarnation == actor->incarnation && is_affordable(world, actor) &&
           sim_is_quorum_sound(world, unsound);
}

/* A store that remembers no vote and has no second copy is that of a new member, who would come with a new key. */
static void restore_some(struct sim_world *world, bool is_alone)
{
    struct sim_actor *actor = &world->actors[sim_below(&world->random, world->options.sites)];
    if (may_restore(world, actor) && (!is_alone || holds(&actor->backup->records) > 0)) {
        restore(world, actor, is_alone);
    }
}

void sim_operate(struct sim_world *world, enum sim_fault fault, uint64_t for_us)
{
    unsigned zone = (unsigned)sim_below(&world->random, world->options.zones);
    uint16_t site = (uint16_t)sim_below(&world->random, world->options.sites + 1);
    switch (fault) {
    case SIM_ORDER_HOLD:
        order_for(world, zone, (struct csn_order){.kind = CSN_ORDER_HOLD}, CSN_ORDER_RESUME, for_us);
        break;
    case SIM_ORDER_MAINTENANCE:
        order_for(world, zone, (struct csn_order){.kind = CSN_ORDER_MAINTENANCE_ON, .site = site},
                  CSN_ORDER_MAINTENANCE_OFF, for_us);
        break;
    case SIM_ORDER_AUTHORITY:
        give_somewhere(world, zone, (struct csn_order){.kind = CSN_ORDER_AUTHORITY, .site = site});
        break;
    case SIM_ORDER_GENERATION:
        order_generation(world, zone);
        break;
    case SIM_RESTORED:
        restore_some(world, false);
        break;
    case SIM_RESTORED_ALONE:
        restore_some(world, true);
        break;
    default:
        break;
    }
}
