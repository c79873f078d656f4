#include "round/node_state.h"

#include <string.h>

/* Where other records have a round, that of an order has its register and site. */
static struct csn_record_key order_key(const struct csn_node *node,
                                       const struct csn_node_zone *zone,
                                       enum csn_order_register place, uint16_t site)
{
    struct csn_round at = {.term = {.counter = place, .coordinator = site}};
    return csn_record_key(CSN_RECORD_ORDER, csn_node_zone_name(node, zone), &at);
}

static void put_order(const struct csn_signed_order *signed_order, struct csn_buf *buf)
{
    csn_buf_put_u16(buf, signed_order->operator_number);
    csn_buf_put(buf, signed_order->signature, sizeof(signed_order->signature));
    csn_order_encode(&signed_order->order, buf);
}

/* Of two orders with the same place one stands. */
static uint16_t place_site(const struct csn_order *order)
{
    return csn_order_is_of_site(csn_order_register(order->kind)) ? order->site : 0;
}

struct csn_signed_order *csn_zone_order(const struct csn_node_zone *zone,
                                     enum csn_order_register place, uint16_t site)
{
    for (size_t i = 0; i < zone->order_count; i++) {
        struct csn_signed_order *known = &zone->orders[i];
        if (csn_order_register(known->order.kind) == place && place_site(&known->order) == site) {
            return known;
        }
    }
    return NULL;
}

static void keep(struct csn_node_zone *zone, const struct csn_signed_order *signed_order)
{
    enum csn_order_register place = csn_order_register(signed_order->order.kind);
    struct csn_signed_order *known = csn_zone_order(zone, place, place_site(&signed_order->order));
    if (known == NULL) {
        zone->orders = csn_realloc(zone->orders, zone->order_count + 1, sizeof(*zone->orders));
        known = &zone->orders[zone->order_count++];
    }
    *known = *signed_order;
}

static void tell_shell(struct csn_node *node, const struct csn_node_zone *zone,
                       const struct csn_signed_order *signed_order)
{
    csn_node_effect(node, CSN_EFFECT_ORDER, zone)->order = *signed_order;
}

const struct csn_signed_order *csn_node_orders(const struct csn_node *node, size_t index,
                                               size_t *ret_count)
{
    REQUIRE(index < node->zone_count);
    *ret_count = node->zones[index].order_count;
    return node->zones[index].orders;
}

/* A row's sum is of what is durable there, the own row's too: between an order's coming and its commit the own row still equals
 * the rows of all who have not heard of it. */
uint8_t csn_node_count_knowing(const struct csn_node *node, size_t index, struct csn_now now)
{
    REQUIRE(index < node->zone_count);
    const struct csn_node_zone *zone = &node->zones[index];
    uint64_t all = csn_zone_order_sum(zone);
    uint8_t count = zone->durable_order_sum == all;
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        const struct csn_row *row = csn_peers_row(&node->peers, i, index);
        bool is_knowing = i != node->member && row != NULL && row->order_sum == all &&
                          csn_peers_is_fresh(&node->peers, i, now, CSN_SILENT_MS);
        count = (uint8_t)(count + is_knowing);
    }
    return count;
}

bool csn_zone_is_held(const struct csn_node_zone *zone)
{
    const struct csn_signed_order *votes = csn_zone_order(zone, CSN_REGISTER_VOTES, 0);
    return votes != NULL && votes->order.kind == CSN_ORDER_HOLD;
}

uint8_t csn_zone_maintenance(const struct csn_node_zone *zone, uint16_t site)
{
    const struct csn_signed_order *of_zone = csn_zone_order(zone, CSN_REGISTER_MAINTENANCE, 0);
    const struct csn_signed_order *of_site = csn_zone_order(zone, CSN_REGISTER_MAINTENANCE, site);
    bool is_zone = of_zone != NULL && of_zone->order.kind == CSN_ORDER_MAINTENANCE_ON;
    bool is_site = of_site != NULL && of_site->order.kind == CSN_ORDER_MAINTENANCE_ON;
    return (uint8_t)((is_zone ? CSN_MAINTENANCE_ZONE : 0) | (is_site ? CSN_MAINTENANCE_SITE : 0));
}

uint16_t csn_zone_authority(const struct csn_node_zone *zone)
{
    const struct csn_signed_order *authority = csn_zone_order(zone, CSN_REGISTER_AUTHORITY, 0);
    return authority != NULL ? authority->order.site : 0;
}

uint64_t csn_zone_order_sum(const struct csn_node_zone *zone)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < zone->order_count; i++) {
        sum += zone->orders[i].order.number;
    }
    return sum;
}

void csn_expect_order(struct csn_node *node, struct csn_effect *persist,
                      const struct csn_node_zone *zone, enum csn_order_register place)
{
    const struct csn_signed_order *known = csn_zone_order(zone, place, 0);
    struct csn_record_key key = order_key(node, zone, place, 0);
    struct csn_buf value = {0};
    if (known != NULL) {
        put_order(known, &value);
        csn_record_close(csn_record_key_view(&key), &value);
    }
    csn_persist_expect(node, persist, csn_record_key_view(&key),
                       known != NULL ? csn_buf_view(&value) : csn_bytes(NULL, 0));
    csn_buf_fini(&value);
}

static void persist_order(struct csn_node *node, struct csn_effect *persist,
                          struct csn_node_zone *zone, const struct csn_signed_order *signed_order)
{
    const struct csn_order *order = &signed_order->order;
    struct csn_record_key key =
        order_key(node, zone, csn_order_register(order->kind), place_site(order));
    struct csn_buf value = {0};
    put_order(signed_order, &value);
    csn_record_close(csn_record_key_view(&key), &value);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(&value));
    csn_buf_fini(&value);
}

bool csn_order_load(struct csn_node *node, struct csn_node_zone *zone, struct csn_reader *reader,
                    struct csn_round at)
{
    struct csn_signed_order signed_order = {.operator_number = csn_read_u16(reader)};
    csn_read_copy(reader, signed_order.signature, sizeof(signed_order.signature));
    struct csn_bytes body = csn_read_bytes(reader, csn_reader_left(reader));
    if (reader->failed || csn_order_decode(body, &signed_order.order) != CSN_OK ||
        csn_order_register(signed_order.order.kind) != at.term.counter ||
        place_site(&signed_order.order) != at.term.coordinator) {
        return false;
    }
    keep(zone, &signed_order);
    zone->durable_order_sum = csn_zone_order_sum(zone);
    tell_shell(node, zone, &signed_order);
    return true;
}

/* For this cluster, and of a site that is a member. */
static bool is_ours(const struct csn_node *node, const struct csn_order *order)
{
    return memcmp(order->cluster, node->cluster.id, sizeof(order->cluster)) == 0 &&
           order->environment == node->cluster.environment &&
           (order->site == 0 || csn_member_index(&node->cluster, order->site) >= 0);
}

int csn_node_order(struct csn_node *node, const struct csn_event *event)
{
    struct csn_signed_order signed_order = {.operator_number = event->statement.signer};
    if (csn_order_decode(event->statement.body, &signed_order.order) != CSN_OK) {
        return CSN_EFORMAT;
    }
    const struct csn_order *order = &signed_order.order;
    int index = csn_zone_index(&node->peers, order->zone);
    if (!is_ours(node, order) || index < 0) {
        csn_node_count(node, index < 0 ? CSN_COUNT_UNKNOWN_ZONE : CSN_COUNT_OTHER_CLUSTER);
        return CSN_OK;
    }
    struct csn_node_zone *zone = &node->zones[index];
    csn_node_touch(node, zone);
    const struct csn_signed_order *known =
        csn_zone_order(zone, csn_order_register(order->kind), place_site(order));
    if (known != NULL && known->order.number >= order->number) {
        csn_node_count(node, CSN_COUNT_OLD);
        return CSN_OK;
    }
    memcpy(signed_order.signature, event->statement.signature, sizeof(signed_order.signature));
    struct csn_effect *persist = csn_node_persist(node, CSN_PERSIST_NOTE, zone);
    if (csn_order_register(order->kind) == CSN_REGISTER_SERIAL) {
        csn_zone_keep_announced(node, persist, zone);
    }
    keep(zone, &signed_order);
    persist_order(node, persist, zone, &signed_order);
    tell_shell(node, zone, &signed_order);
    struct csn_trace *trace = csn_node_trace(node, CSN_TRACE_ORDERED, zone);
    trace->to = (uint8_t)order->kind;
    trace->site = order->site;
    trace->number = order->number;
    return CSN_OK;
}

static void forward(struct csn_node *node, const struct csn_signed_order *signed_order)
{
    struct csn_effect *effect = csn_effects_add(node->effects, CSN_EFFECT_FORWARD, NULL);
    struct csn_buf body = {0};
    csn_order_encode(&signed_order->order, &body);
    effect->forward.kind = CSN_STATEMENT_ORDER;
    effect->forward.signer = signed_order->operator_number;
    memcpy(effect->forward.signature, signed_order->signature, sizeof(effect->forward.signature));
    effect->forward.body = csn_effects_copy(node->effects, csn_buf_view(&body));
    csn_buf_fini(&body);
}

/* To whoever has not all of them: numbers of a register only rise, so unequal sums tell. */
void csn_orders_repeat(struct csn_node *node, struct csn_node_zone *zone)
{
    uint64_t own = csn_zone_order_sum(zone);
    bool is_wanted = false;
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        const struct csn_row *row = csn_peers_row(&node->peers, i, zone->index);
        is_wanted = is_wanted || (i != node->member && row != NULL && row->order_sum < own &&
                                  csn_peers_is_fresh(&node->peers, i, node->now, CSN_SILENT_MS));
    }
    bool is_out = zone->persist_count > 0; /* R7 */
    if (!is_wanted || is_out || node->now.mono_ms - zone->orders_repeat_ms < CSN_REPEAT_MS) {
        return;
    }
    zone->orders_repeat_ms = node->now.mono_ms;
    for (size_t i = 0; i < zone->order_count; i++) {
        forward(node, &zone->orders[i]);
    }
}
