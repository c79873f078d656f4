/* How the members stand, on the control socket's wire. */
#include "ops/control_reply.h"

#include "base/pack.h"

int csn_control_membership_encode(const struct csn_membership *from, struct csn_buf *buf)
{
    Csn__Control__Reply reply = CSN__CONTROL__REPLY__INIT;
    Csn__Control__Membership message = CSN__CONTROL__MEMBERSHIP__INIT;
    Csn__Control__Member members[CSN_STATUS_SITES_MAX];
    Csn__Control__Member *rows[CSN_STATUS_SITES_MAX];
    reply.has_code = true;
    reply.what_case = CSN__CONTROL__REPLY__WHAT_MEMBERSHIP;
    reply.membership = &message;
    message.has_epoch = message.has_quorum = message.has_document = message.has_is_unconfirmed = true;
    message.has_emergency_until_s = message.has_begun_epoch = message.has_next_epoch = true;
    message.epoch = from->epoch;
    message.quorum = from->quorum;
    message.document = csn_pack_bytes(csn_bytes(from->document.octets, CSN_DIGEST_SIZE));
    message.is_unconfirmed = from->is_unconfirmed;
    message.emergency_until_s = from->emergency_until_s;
    message.emergency_reason = csn_pack_text(from->emergency_reason);
    message.begun_epoch = from->begun_epoch;
    message.next_epoch = from->next_epoch;
    message.change = csn_pack_text(from->change);
    message.why_not = csn_pack_text(from->why_not);
    for (uint32_t i = 0; i < from->member_count; i++) {
        csn__control__member__init(&members[i]);
        members[i].has_number = members[i].has_incarnation = true;
        members[i].number = from->members[i].number;
        members[i].incarnation = from->members[i].incarnation;
        members[i].name = csn_pack_text(from->members[i].name);
        members[i].role = csn_pack_text(from->members[i].role);
        rows[i] = &members[i];
    }
    message.n_members = from->member_count;
    message.members = rows;
    return csn_pack_within(&reply.base, CSN_CONTROL_FRAME_MAX, buf);
}

static bool take_members(const Csn__Control__Membership *message, struct csn_membership *membership)
{
    bool fits = message->n_members <= CSN_STATUS_SITES_MAX;
    for (size_t i = 0; fits && i < message->n_members; i++) {
        const Csn__Control__Member *from = message->members[i];
        struct csn_membership_row row = {.number = (uint16_t)from->number,
                                         .name = from->name != NULL ? from->name : "",
                                         .role = from->role != NULL ? from->role : "",
                                         .incarnation = from->incarnation};
        fits = csn_membership_add(membership, &row);
    }
    return fits;
}

static int take_membership(void *ret, const Csn__Control__Reply *reply)
{
    const Csn__Control__Membership *message = reply->membership;
    struct csn_membership membership = {.epoch = message->epoch,
                                        .quorum = (uint8_t)message->quorum,
                                        .is_unconfirmed = message->is_unconfirmed,
                                        .emergency_until_s = message->emergency_until_s,
                                        .begun_epoch = message->begun_epoch,
                                        .next_epoch = message->next_epoch};
    if (message->document.len != CSN_DIGEST_SIZE || !take_members(message, &membership)) {
        csn_membership_fini(&membership);
        return CSN_EFORMAT;
    }
    memcpy(membership.document.octets, message->document.data, CSN_DIGEST_SIZE);
    membership.emergency_reason = csn_control_copy(&membership.arena, message->emergency_reason);
    membership.change = csn_control_copy(&membership.arena, message->change);
    membership.why_not = csn_control_copy(&membership.arena, message->why_not);
    *(struct csn_membership *)ret = membership;
    return CSN_OK;
}

int csn_control_membership_decode(struct csn_bytes message, struct csn_membership *ret_membership, struct csn_reason *reason)
{
    return csn_control_reply_decode(message, CSN__CONTROL__REPLY__WHAT_MEMBERSHIP, take_membership, ret_membership, reason);
}
