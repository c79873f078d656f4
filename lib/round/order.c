#include "round/order.h"

#include <string.h>

#include "round/fields.h"

const char *csn_order_text(unsigned kind)
{
    switch (kind) {
#define CSN_ORDER_TEXT(name, number, word, place)                                                  \
    case number:                                                                                   \
        return word;
        CSN_ORDERS(CSN_ORDER_TEXT)
#undef CSN_ORDER_TEXT
    }
    return NULL;
}

enum csn_order_register csn_order_register(enum csn_order_kind kind)
{
    switch (kind) {
#define CSN_ORDER_REGISTER(name, number, word, place)                                              \
    case CSN_ORDER_##name:                                                                         \
        return CSN_REGISTER_##place;
        CSN_ORDERS(CSN_ORDER_REGISTER)
#undef CSN_ORDER_REGISTER
    }
    INSIST(csn_order_text(kind) != NULL);
    return CSN_REGISTER_VOTES;
}

bool csn_order_is_of_site(enum csn_order_register place)
{
    return place == CSN_REGISTER_MAINTENANCE;
}

bool csn_order_has_serial(enum csn_order_kind kind)
{
    return kind == CSN_ORDER_ANNOUNCE_SERIAL || kind == CSN_ORDER_APPROVE_SERIAL;
}

void csn_serial_approval_put(struct csn_buf *buf, const struct csn_serial_approval *approval)
{
    csn_buf_put_u32(buf, approval->epoch);
    csn_put_round(buf, approval->round);
    csn_buf_put_u32(buf, approval->from);
    csn_buf_put_u32(buf, approval->to);
}

void csn_serial_approval_read(struct csn_reader *reader, struct csn_serial_approval *ret_approval)
{
    ret_approval->epoch = csn_read_u32(reader);
    ret_approval->round = csn_read_round(reader);
    ret_approval->from = csn_read_u32(reader);
    ret_approval->to = csn_read_u32(reader);
}

void csn_order_encode(const struct csn_order *order, struct csn_buf *buf)
{
    size_t reason_size = strlen(order->reason);
    csn_buf_put(buf, order->cluster, sizeof(order->cluster));
    csn_buf_put_u8(buf, order->environment);
    csn_buf_put_u8(buf, (uint8_t)order->kind);
    csn_put_name(buf, order->zone);
    csn_buf_put_u16(buf, order->site);
    csn_buf_put_u64(buf, order->number);
    csn_put_digest(buf, &order->received);
    csn_buf_put_u32(buf, order->generation);
    if (csn_order_has_serial(order->kind)) {
        csn_serial_approval_put(buf, &order->serial);
    }
    csn_buf_put_u8(buf, (uint8_t)reason_size);
    csn_buf_put(buf, order->reason, reason_size);
}

static bool is_printable(const char *text)
{
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            return false;
        }
    }
    return size > 0;
}

static bool has_approval(const struct csn_serial_approval *approval)
{
    uint32_t step = approval->to - approval->from;
    return approval->epoch > 0 && !csn_round_is_none(approval->round) && step > 0 &&
           step <= CSN_APPROVED_STEP_MAX;
}

/* Fields of other kinds are zeros. */
static bool has_form(const struct csn_order *order)
{
    enum csn_order_register place = csn_order_register(order->kind);
    bool has_input = !csn_digest_is_zero(&order->received);
    bool may_name_site = place == CSN_REGISTER_MAINTENANCE || place == CSN_REGISTER_AUTHORITY;
    return order->number > 0 && (order->site == 0 || may_name_site) &&
           has_input == (place == CSN_REGISTER_INPUT) &&
           (order->generation > 1) == (place == CSN_REGISTER_GENERATION) &&
           order->generation != 1 &&
           (!csn_order_has_serial(order->kind) || has_approval(&order->serial)) &&
           is_printable(order->reason);
}

int csn_order_decode(struct csn_bytes octets, struct csn_order *ret_order)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_order order = {0};
    struct csn_bytes cluster = csn_read_bytes(&reader, sizeof(order.cluster));
    order.environment = csn_read_range(&reader, 0, 1);
    order.kind = (enum csn_order_kind)csn_read_range(&reader, CSN_ORDER_HOLD, CSN_ORDER_ANNOUNCE_SERIAL);
    csn_read_name(&reader, order.zone);
    order.site = csn_read_u16(&reader);
    order.number = csn_read_u64(&reader);
    csn_read_digest(&reader, &order.received);
    order.generation = csn_read_u32(&reader);
    if (csn_order_has_serial(order.kind)) {
        csn_serial_approval_read(&reader, &order.serial);
    }
    uint8_t reason_size = csn_read_range(&reader, 1, CSN_ORDER_REASON_MAX);
    struct csn_bytes reason = csn_read_bytes(&reader, reason_size);
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    memcpy(order.cluster, cluster.data, sizeof(order.cluster));
    memcpy(order.reason, reason.data, reason.size);
    if (strlen(order.reason) != reason.size || !has_form(&order)) {
        return CSN_EFORMAT;
    }
    *ret_order = order;
    return CSN_OK;
}
