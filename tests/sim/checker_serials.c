#include "sim/checker_serials.h"

#include <string.h>

#include "sim/epochs.h"

#define FAR (UINT32_C(1) << 20)
#define SPENT 1024 /* serials after the approved one, which rounds that failed may have spent */
#define WINDOW (UINT32_C(1) << 21) /* of the documents that are drawn */

/* What nobody has to approve: less than a far step; each emergency on the way adds its window, and where epochs follow floors of
 * others may have been taken over, which a lone vote had raised (R8). */
static uint32_t free_step(const struct sim_world *world, uint32_t since, const struct layout_held *held)
{
    uint32_t step = held->epoch > since ? 2 * FAR : FAR;
    for (uint32_t epoch = since + 1; epoch <= held->epoch; epoch++) {
        step += sim_document_of(world, epoch)->is_emergency ? WINDOW : 0;
    }
    return step;
}

static bool covers(const struct sim_approval *approval, unsigned zone, const struct layout_held *held)
{
    bool is_of_epoch = approval->epoch == held->epoch || (approval->has_vote && approval->epoch < held->epoch);
    return approval->zone == zone && approval->is_approved && is_of_epoch && held->serial - approval->to < SPENT;
}

/* An emergency's, and after it what begins there. */
static bool passes(const struct sim_world *world, const struct sim_approval *approval, unsigned zone, const struct layout_held *held)
{
    return approval->zone == zone && approval->epoch < held->epoch && sim_document_of(world, approval->epoch + 1)->is_emergency &&
           held->serial - approval->to - WINDOW < WINDOW;
}

void sim_serials_given(struct sim_serials *serials, struct sim_world *world, unsigned zone, const struct csn_order *order)
{
    const struct sim_approval approval = {
        .zone = zone, .epoch = order->serial.epoch, .from = order->serial.from, .to = order->serial.to,
        .is_approved = order->kind == CSN_ORDER_APPROVE_SERIAL};
    for (unsigned i = 0; i < serials->count; i++) {
        struct sim_approval *known = &serials->items[i];
        if (known->zone == zone && known->epoch == approval.epoch && known->from == approval.from && known->to == approval.to) {
            known->is_approved = known->is_approved || approval.is_approved;
            return;
        }
    }
    if (serials->count == SIM_APPROVALS_MAX) {
        sim_fail(world, "more than %u approvals of serials in a run", SIM_APPROVALS_MAX);
        return;
    }
    serials->items[serials->count++] = approval;
}

void sim_serials_check_vote(struct sim_serials *serials, struct sim_world *world, const struct sim_actor *actor,
                            const struct sim_floor_serial *floor, const struct layout_held *held)
{
    unsigned zone = sim_zone_index(world, held->zone);
    bool is_approved = held->serial - floor->serial < free_step(world, floor->epoch, held);
    for (unsigned i = 0; i < serials->count && !is_approved; i++) {
        struct sim_approval *approval = &serials->items[i];
        bool is_between = floor->serial - approval->from < approval->to - approval->from;
        bool is_spent = approval->is_used && floor->known != NULL && memcmp(floor->known, approval->used, LAYOUT_ROUND) >= 0;
        bool is_passing = passes(world, approval, zone, held) && is_between;
        is_approved = (covers(approval, zone, held) && is_between && !is_spent) || is_passing;
        approval->has_vote = approval->has_vote || (is_approved && !is_passing);
    }
    if (!is_approved) {
        sim_fail(world, "R4: site %u votes for serial %u from %u, which nobody approved", actor->number, held->serial, floor->serial);
    }
}

bool sim_serials_has_jumped(const struct sim_serials *serials, unsigned zone, const uint8_t round[LAYOUT_ROUND])
{
    bool has_jumped = false;
    for (unsigned i = 0; i < serials->count; i++) {
        const struct sim_approval *approval = &serials->items[i];
        has_jumped = has_jumped || (approval->zone == zone && approval->is_used && memcmp(approval->used, round, LAYOUT_ROUND) > 0);
    }
    return has_jumped;
}

void sim_serials_certified(struct sim_serials *serials, struct sim_world *world, unsigned zone,
                           const struct layout_held *before, const struct layout_held *held)
{
    if (held->serial - before->serial < free_step(world, before->epoch, held) + SPENT) { /* steps are counted from floors, which a lone vote may have raised */
        return;
    }
    for (unsigned i = 0; i < serials->count; i++) {
        struct sim_approval *approval = &serials->items[i];
        bool is_earlier = approval->is_used && memcmp(held->round, approval->used, LAYOUT_ROUND) < 0; /* an orphan surfaced */
        bool is_passing = passes(world, approval, zone, held);
        if ((covers(approval, zone, held) || is_passing) && (!approval->is_used || is_earlier)) {
            world->stats.jumps += !approval->is_used;
            approval->is_used = true;
            memcpy(approval->used, held->round, LAYOUT_ROUND);
            return;
        }
        if (is_passing) {
            return; /* as the others did */
        }
    }
    sim_fail(world, "R4: serial %u is certified after %u, which nobody approved", held->serial, before->serial);
}
