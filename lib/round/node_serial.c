/* A far serial (R4): what operators announced and approved, what counts of it, and how an emergency passes it (R8). */
#include "round/node_state.h"

#include <inttypes.h>

#include "dns/serial.h"

/* R8: 2^31 - 2^21. So far an emergency may be ahead of a floor: what comes in it is after the floor too (RFC 1982). It is past
 * what was approved, which is CSN_APPROVED_STEP_MAX ahead at most, by 2^21. */
#define EMERGENCY_STEP_MAX (UINT32_C(0x80000000) - CSN_EMERGENCY_SERIAL_STEP)

/* Only in the epoch in which it was given, never in an emergency (the serials of both branches must
 * stay apart), from the certificate that it names on, and once: no leap has been certified since.
 * By the last two it cannot be used again when the numbers have gone round (RFC 1982). */
static bool counts(const struct csn_node *node, const struct csn_node_zone *zone,
                   const struct csn_serial_approval *approval)
{
    const struct csn_floor *floor = &zone->floor;
    bool is_on_its_way =
        floor->has_serial && floor->serial - approval->from < approval->to - approval->from;
    return approval->epoch == node->cluster.epoch && !node->cluster.is_emergency && is_on_its_way &&
           csn_round_compare(floor->round, approval->round) >= 0 &&
           csn_round_compare(zone->leap, approval->round) <= 0;
}

/* What counts of it: how far the zone may go from its floor; 0: it counts for nothing. */
static uint32_t reach(const struct csn_node *node, const struct csn_node_zone *zone,
                      const struct csn_serial_approval *approval)
{
    return counts(node, zone, approval) ? approval->to - zone->floor.serial : 0;
}

/* The farther of what was announced or approved before and of what is now. */
static const struct csn_serial_approval *farthest(const struct csn_node *node,
                                                  const struct csn_node_zone *zone)
{
    const struct csn_signed_order *known = csn_zone_order(zone, CSN_REGISTER_SERIAL, 0);
    bool is_known = known != NULL && csn_order_has_serial(known->order.kind) &&
                    reach(node, zone, &known->order.serial) > reach(node, zone, &zone->announced);
    return is_known ? &known->order.serial : &zone->announced;
}

void csn_zone_pass_announced(const struct csn_node *node, const struct csn_node_zone *zone,
                             uint32_t offset, struct csn_floor *floor)
{
    uint32_t farthest_step = EMERGENCY_STEP_MAX - offset;
    uint32_t step = reach(node, zone, farthest(node, zone));
    if (step > 0) {
        step += CSN_SERIALS_SPENT_MAX - 1;
        floor->serial += step < farthest_step ? step : farthest_step;
    }
}

struct csn_approved_serial csn_zone_approved_serial(const struct csn_node *node,
                                                    const struct csn_node_zone *zone)
{
    const struct csn_signed_order *known = csn_zone_order(zone, CSN_REGISTER_SERIAL, 0);
    bool is_approved = known != NULL && known->order.kind == CSN_ORDER_APPROVE_SERIAL &&
                       counts(node, zone, &known->order.serial);
    return is_approved ? (struct csn_approved_serial){true, known->order.serial.to}
                       : (struct csn_approved_serial){0};
}

void csn_zone_keep_announced(struct csn_node *node, struct csn_effect *persist, struct csn_node_zone *zone)
{
    struct csn_record_key key =
        csn_record_key(CSN_RECORD_ANNOUNCED, csn_node_zone_name(node, zone), NULL);
    const struct csn_serial_approval *now = farthest(node, zone);
    struct csn_buf value = {0};
    if (now == &zone->announced) {
        return;
    }
    zone->announced = *now;
    csn_serial_approval_put(&value, now);
    csn_record_close(csn_record_key_view(&key), &value);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(&value));
    csn_buf_fini(&value);
}

bool csn_announced_load(struct csn_node *node, struct csn_node_zone *zone, struct csn_reader *reader,
                        struct csn_round at)
{
    (void)node;
    (void)at;
    csn_serial_approval_read(reader, &zone->announced);
    return csn_reader_done(reader);
}

/* --- whether it may be ordered */

struct asked {
    const struct csn_node *node;
    const struct csn_node_zone *zone;
    const struct csn_order *order;
    struct csn_reason *reason;
};

/* A site that still answers what is after the serial approved would bring secondaries there that ask it later: they would take
 * what comes next for older (RFC 1982). One that has not been heard may. */
static int check_answer(const struct asked *asked, const char *site, const struct csn_row *row)
{
    const struct csn_serial_approval *approval = &asked->order->serial;
    if (row == NULL) {
        return csn_reason_set(asked->reason, CSN_EREFUSED,
                              "%s was not heard since this process started, so that nobody knows what serial it would answer; "
                              "bring it back, or give the order at a site that has heard it",
                              site);
    }
    bool is_later = !csn_round_is_none(row->released.round) && csn_serial_is_after(row->released_serial, approval->to);
    return !is_later ? CSN_OK
                     : csn_reason_set(asked->reason, CSN_EREFUSED,
                                      "%s has released serial %" PRIu32 ", which is after %" PRIu32
                                      " (RFC 1982): secondaries that ask it would not take that; wait until it has %" PRIu32
                                      ", bring it back or replace it first",
                                      site, row->released_serial, approval->to, approval->from);
}

/* Equal sums are the same orders. What a site knew when it did not vote, it may have heard after it sealed for an emergency; what
 * it knew when it voted is in its seal, even if nothing was heard of it since. */
static int check_known(const struct asked *asked, const char *site, unsigned member, const struct csn_row *row)
{
    const struct csn_node *node = asked->node;
    bool is_own = member == node->member;
    enum csn_node_state state = is_own ? node->state : node->peers.peers[member].report.state;
    bool is_known = row->order_sum == csn_zone_order_sum(asked->zone) &&
                    csn_round_compare(row->released.round, asked->order->serial.round) >= 0;
    return is_known && state == CSN_NODE_OK
               ? CSN_OK
               : csn_reason_set(asked->reason, CSN_EBUSY,
                                "%s %s; every site must know of a far serial before one goes there, or an emergency could go "
                                "on behind it: bring it back or replace it, and give the order again",
                                site,
                                state != CSN_NODE_OK ? "does not vote now"
                                                     : "does not know of this serial, or has not the release it starts from");
}

static int check_members(const struct asked *asked)
{
    const struct csn_node *node = asked->node;
    struct csn_row own;
    int code = CSN_OK;
    csn_zone_fill_row(node, asked->zone, &own);
    for (unsigned i = 0; code == CSN_OK && i < node->cluster.member_count; i++) {
        const char *site = node->cluster.members[i].name;
        const struct csn_row *row = i == node->member ? &own : csn_peers_row(&node->peers, i, asked->zone->index);
        code = check_answer(asked, site, row);
        if (code == CSN_OK && asked->order->kind == CSN_ORDER_APPROVE_SERIAL) {
            code = check_known(asked, site, i, row);
        }
    }
    return code;
}

static bool is_same(const struct csn_serial_approval *a, const struct csn_serial_approval *b)
{
    return a->epoch == b->epoch && csn_round_compare(a->round, b->round) == 0 && a->from == b->from && a->to == b->to;
}

static bool is_announced(const struct asked *asked)
{
    const struct csn_signed_order *known = csn_zone_order(asked->zone, CSN_REGISTER_SERIAL, 0);
    return asked->order->kind != CSN_ORDER_APPROVE_SERIAL ||
           (known != NULL && csn_order_has_serial(known->order.kind) && is_same(&known->order.serial, &asked->order->serial));
}

int csn_node_check_serial(const struct csn_node *node, size_t index, const struct csn_order *order, struct csn_reason *reason)
{
    REQUIRE(index < node->zone_count);
    const struct asked asked = {node, &node->zones[index], order, reason};
    if (!csn_order_has_serial(order->kind)) {
        return CSN_OK;
    }
    if (node->cluster.is_emergency) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "no serial is approved in an emergency: serials are the document's; "
                              "order it again when the emergency is over");
    }
    if (order->serial.epoch != node->cluster.epoch) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "the order is of epoch %" PRIu32 ", this site is in epoch %" PRIu32 "; sign it anew",
                              order->serial.epoch, node->cluster.epoch);
    }
    return is_announced(&asked) ? check_members(&asked)
                                : csn_reason_set(reason, CSN_EREFUSED,
                                                 "serial %" PRIu32 " was not announced, or another order came since; give the order again",
                                                 order->serial.to);
}
