#include "ops/control_wire.h"

#include "base/bounded.h"
#include "base/pack.h"
#include "ops/control_reply.h"

void csn_control_error_encode(int code, const struct csn_reason *reason, struct csn_buf *buf)
{
    Csn__Control__Reply reply = CSN__CONTROL__REPLY__INIT;
    reply.has_code = true;
    reply.code = code;
    reply.reason = csn_pack_text(reason->text);
    int packed = csn_pack_within(&reply.base, CSN_CONTROL_FRAME_MAX, buf);
    INSIST(packed == CSN_OK);
}

void csn_control_order_encode(struct csn_buf *buf)
{
    Csn__Control__Reply reply = CSN__CONTROL__REPLY__INIT;
    Csn__Control__OrderTaken taken = CSN__CONTROL__ORDER_TAKEN__INIT;
    reply.has_code = true;
    reply.what_case = CSN__CONTROL__REPLY__WHAT_ORDER;
    reply.order = &taken;
    int packed = csn_pack_within(&reply.base, CSN_CONTROL_FRAME_MAX, buf);
    INSIST(packed == CSN_OK);
}

/* `all_size` 0: this is all. */
static int put_text(struct csn_bytes text, uint64_t all_size, struct csn_buf *buf)
{
    Csn__Control__Reply reply = CSN__CONTROL__REPLY__INIT;
    Csn__Control__Text message = CSN__CONTROL__TEXT__INIT;
    struct csn_buf copy = {0};
    csn_buf_put_bytes(&copy, text);
    csn_buf_put_u8(&copy, 0);
    reply.has_code = true;
    reply.what_case = CSN__CONTROL__REPLY__WHAT_TEXT;
    reply.text = &message;
    message.text = (char *)copy.data;
    message.has_all_size = all_size > 0;
    message.all_size = all_size;
    int code = csn_pack_within(&reply.base, CSN_CONTROL_FRAME_MAX, buf);
    csn_buf_fini(&copy);
    return code;
}

int csn_control_text_encode(struct csn_bytes text, struct csn_buf *buf)
{
    return put_text(text, 0, buf);
}

void csn_control_text_page_encode(struct csn_bytes text, uint64_t from, struct csn_buf *buf)
{
    size_t at = from < text.size ? (size_t)from : text.size, left = text.size - at;
    struct csn_bytes page = csn_bytes(at > 0 ? text.data + at : text.data, left < CSN_CONTROL_TEXT_PAGE ? left : CSN_CONTROL_TEXT_PAGE);
    int packed = put_text(page, text.size, buf);
    INSIST(packed == CSN_OK);
}

/* --- and back */

static int take_reply(const Csn__Control__Reply *reply, Csn__Control__Reply__WhatCase what,
                      csn_control_take_fn *take, void *ret, struct csn_reason *reason)
{
    if (reply->has_code && reply->code < 0) {
        return csn_reason_set(reason, reply->code, "%s",
                              reply->reason ? reply->reason : csn_error_text(reply->code));
    }
    int code = reply->what_case == what ? take(ret, reply) : CSN_EFORMAT;
    return code == CSN_OK
               ? code
               : csn_reason_set(reason, code,
                                "the daemon's answer is not understood: are versions mixed?");
}

int csn_control_reply_decode(struct csn_bytes message, Csn__Control__Reply__WhatCase what,
                             csn_control_take_fn *take, void *ret, struct csn_reason *reason)
{
    struct csn_bounded bounded;
    csn_bounded_init(&bounded, CSN_CONTROL_DECODED_MAX);
    Csn__Control__Reply *reply =
        csn__control__reply__unpack(&bounded.allocator, message.size, message.data);
    if (reply == NULL) {
        return csn_reason_set(reason, CSN_EFORMAT,
                              "the daemon's answer is malformed: are versions mixed?");
    }
    int code = take_reply(reply, what, take, ret, reason);
    csn__control__reply__free_unpacked(reply, &bounded.allocator);
    return code;
}

static int take_order(void *ret, const Csn__Control__Reply *reply)
{
    (void)ret;
    (void)reply;
    return CSN_OK;
}

int csn_control_order_decode(struct csn_bytes message, struct csn_reason *reason)
{
    return csn_control_reply_decode(message, CSN__CONTROL__REPLY__WHAT_ORDER, take_order, NULL, reason);
}

struct text {
    struct csn_buf *text; /* borrows */
    uint64_t all_size;
};

static int take_text(void *ret, const Csn__Control__Reply *reply)
{
    struct text *text = ret;
    const char *octets = reply->text->text != NULL ? reply->text->text : "";
    csn_buf_put(text->text, octets, strlen(octets));
    text->all_size = reply->text->all_size;
    return CSN_OK;
}

int csn_control_text_decode(struct csn_bytes message, struct csn_buf *ret_text, uint64_t *ret_all_size,
                            struct csn_reason *reason)
{
    struct text text = {.text = ret_text};
    int code = csn_control_reply_decode(message, CSN__CONTROL__REPLY__WHAT_TEXT, take_text, &text, reason);
    if (code == CSN_OK) {
        *ret_all_size = text.all_size;
    }
    return code;
}
