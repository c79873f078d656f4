#include "sim/checker_serials.h"

#include <string.h>

#define FAR UINT32_C(0x40000000)
#define SPENT 1024 /* serials after the approved one, which rounds that failed may have spent */

static bool is_far(uint32_t from, uint32_t to)
{
    return to - from >= FAR;
}

static bool covers(const struct sim_approval *approval, unsigned zone, const struct layout_held *held)
{
    bool is_of_epoch = approval->epoch == held->epoch || (approval->has_vote && approval->epoch < held->epoch);
    return approval->zone == zone && is_of_epoch && held->serial - approval->to < SPENT;
}

void sim_serials_given(struct sim_serials *serials, struct sim_world *world, unsigned zone, const struct csn_order *order)
{
    const struct sim_approval approval = {
        .zone = zone, .epoch = order->serial.epoch, .from = order->serial.from, .to = order->serial.to};
    for (unsigned i = 0; i < serials->count; i++) {
        const struct sim_approval *known = &serials->items[i];
        if (known->zone == zone && known->epoch == approval.epoch && known->from == approval.from && known->to == approval.to) {
            return;
        }
    }
    if (serials->count == SIM_APPROVALS_MAX) {
        sim_fail(world, "more than %u approvals of serials in a run", SIM_APPROVALS_MAX);
        return;
    }
    serials->items[serials->count++] = approval;
}

void sim_serials_check_vote(struct sim_serials *serials, struct sim_world *world, const struct sim_actor *actor, unsigned zone,
                            uint32_t floor, const struct layout_held *held)
{
    bool is_approved = !is_far(floor, held->serial);
    for (unsigned i = 0; i < serials->count && !is_approved; i++) {
        struct sim_approval *approval = &serials->items[i];
        bool is_between = floor - approval->from < approval->to - approval->from;
        bool is_spent = approval->is_used && memcmp(held->round, approval->used, LAYOUT_ROUND) > 0;
        is_approved = covers(approval, zone, held) && is_between && !is_spent;
        approval->has_vote = approval->has_vote || is_approved;
    }
    if (!is_approved) {
        sim_fail(world, "R4: site %u votes for serial %u from %u, which nobody approved", actor->number, held->serial, floor);
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

void sim_serials_certified(struct sim_serials *serials, struct sim_world *world, unsigned zone, uint32_t before,
                           const struct layout_held *held)
{
    if (!is_far(before, held->serial)) {
        return;
    }
    for (unsigned i = 0; i < serials->count; i++) {
        struct sim_approval *approval = &serials->items[i];
        bool is_earlier = approval->is_used && memcmp(held->round, approval->used, LAYOUT_ROUND) < 0; /* an orphan surfaced */
        if (covers(approval, zone, held) && (!approval->is_used || is_earlier)) {
            world->stats.jumps += !approval->is_used;
            approval->is_used = true;
            memcpy(approval->used, held->round, LAYOUT_ROUND);
            return;
        }
    }
    sim_fail(world, "R4: serial %u is certified after %u, which nobody approved", held->serial, before);
}
