/* The reply to ExplainRequest, to and from the wire: see control_wire.h. */
#include "ops/control_wire.h"

#include <string.h>

#include "base/bounded.h"
#include "base/pack.h"
#include "control.pb-c.h"

static void *row_of(struct csn_arena *arena, size_t size)
{
    return csn_arena_alloc(arena, size, _Alignof(max_align_t));
}

static void put_votes(struct csn_arena *arena, const struct csn_explanation *from,
                      Csn__Control__Explanation *to)
{
    to->n_votes = from->vote_count;
    to->votes = row_of(arena, (from->vote_count + 1) * sizeof(*to->votes));
    for (uint32_t i = 0; i < from->vote_count; i++) {
        Csn__Control__Vote *vote = to->votes[i] = row_of(arena, sizeof(*vote));
        csn__control__vote__init(vote);
        vote->site = csn_pack_text(from->votes[i].site);
        vote->vote = csn_pack_text(from->votes[i].vote);
        vote->why = csn_pack_text(from->votes[i].why);
        vote->has_released = from->votes[i].has_released;
        vote->released = from->votes[i].released;
        vote->has_first_expiry_s = from->votes[i].first_expiry_s != 0;
        vote->first_expiry_s = from->votes[i].first_expiry_s;
        vote->has_fence_s = from->votes[i].fence_s != 0;
        vote->fence_s = from->votes[i].fence_s;
    }
}

static Csn__Control__Step **put_steps(struct csn_arena *arena, const struct csn_explained_step *from,
                                      uint32_t count)
{
    Csn__Control__Step **steps = row_of(arena, (count + 1) * sizeof(*steps));
    for (uint32_t i = 0; i < count; i++) {
        Csn__Control__Step *step = steps[i] = row_of(arena, sizeof(*step));
        csn__control__step__init(step);
        step->text = csn_pack_text(from[i].text);
        step->has_at_s = from[i].at_s != 0;
        step->at_s = from[i].at_s;
        step->command = csn_pack_text(from[i].command);
    }
    return steps;
}

static Csn__Control__Refusal *put_refusal(struct csn_arena *arena,
                                          const struct csn_explained_refusal *from)
{
    Csn__Control__Refusal *to = row_of(arena, sizeof(*to));
    csn__control__refusal__init(to);
    to->has_rule = to->has_test = to->has_count = to->has_first_s = to->has_last_s = true;
    to->has_incarnation = to->has_hash = true;
    to->site = csn_pack_text(from->site);
    to->rule = from->rule;
    to->test = from->test;
    to->question = csn_pack_text(from->question);
    to->want = csn_pack_text(from->want);
    to->is = csn_pack_text(from->is);
    to->next = csn_pack_text(from->next);
    to->round = csn_pack_text(from->round);
    to->hash = csn_pack_bytes(csn_bytes(from->hash.octets, CSN_DIGEST_SIZE));
    to->count = from->count;
    to->first_s = from->first_s;
    to->last_s = from->last_s;
    to->incarnation = from->incarnation;
    to->has_body = to->has_signature = from->body.size > 0;
    to->body = csn_pack_bytes(from->body);
    to->signature = csn_pack_bytes(from->signature);
    return to;
}

int csn_control_explain_encode(const struct csn_explanation *explanation, struct csn_buf *buf)
{
    Csn__Control__Reply reply = CSN__CONTROL__REPLY__INIT;
    Csn__Control__Explanation message = CSN__CONTROL__EXPLANATION__INIT;
    struct csn_arena arena = {0};
    reply.has_code = true;
    reply.what_case = CSN__CONTROL__REPLY__WHAT_EXPLANATION;
    reply.explanation = &message;
    message.zone = csn_pack_text(explanation->zone);
    message.observed_from = csn_pack_text(explanation->observed_from);
    message.has_observed_at_s = true;
    message.observed_at_s = explanation->observed_at_s;
    message.state = csn_pack_text(explanation->state);
    message.text = csn_pack_text(explanation->text);
    message.has_has_more = true;
    message.has_more = explanation->has_more;
    put_votes(&arena, explanation, &message);
    message.n_next = explanation->next_count;
    message.next = put_steps(&arena, explanation->next, explanation->next_count);
    message.n_may = explanation->may_count;
    message.may = put_steps(&arena, explanation->may, explanation->may_count);
    message.n_refusals = explanation->refusal_count;
    message.refusals = row_of(&arena, (explanation->refusal_count + 1) * sizeof(*message.refusals));
    for (uint32_t i = 0; i < explanation->refusal_count; i++) {
        message.refusals[i] = put_refusal(&arena, &explanation->refusals[i]);
    }
    int code = csn_pack_within(&reply.base, CSN_CONTROL_FRAME_MAX, buf);
    csn_arena_fini(&arena);
    return code;
}

/* --- and back */

static const char *keep(struct csn_explanation *to, const char *text)
{
    return text != NULL ? csn_arena_copy(&to->arena, text, strlen(text) + 1) : NULL;
}

static const char *keep_or_empty(struct csn_explanation *to, const char *text)
{
    return keep(to, text != NULL ? text : "");
}

static struct csn_bytes keep_bytes(struct csn_explanation *to, ProtobufCBinaryData octets)
{
    return octets.len == 0 ? csn_bytes(NULL, 0)
                           : csn_bytes(csn_arena_copy(&to->arena, octets.data, octets.len), octets.len);
}

static void take_steps(const Csn__Control__Explanation *from, struct csn_explanation *to)
{
    for (size_t i = 0; i < from->n_next; i++) {
        csn_explanation_next(to, keep_or_empty(to, from->next[i]->text), from->next[i]->at_s);
    }
    for (size_t i = 0; i < from->n_may; i++) {
        csn_explanation_may(to, keep_or_empty(to, from->may[i]->text), keep(to, from->may[i]->command));
    }
}

static void take_refusal(const Csn__Control__Refusal *from, struct csn_explanation *to)
{
    struct csn_explained_refusal row = {.site = keep_or_empty(to, from->site),
                                        .rule = (uint8_t)from->rule,
                                        .test = (uint8_t)from->test,
                                        .question = keep_or_empty(to, from->question),
                                        .want = keep(to, from->want),
                                        .is = keep(to, from->is),
                                        .next = keep_or_empty(to, from->next),
                                        .round = keep_or_empty(to, from->round),
                                        .count = from->count,
                                        .first_s = from->first_s,
                                        .last_s = from->last_s,
                                        .incarnation = from->incarnation,
                                        .body = keep_bytes(to, from->body),
                                        .signature = keep_bytes(to, from->signature)};
    if (from->hash.len == CSN_DIGEST_SIZE) {
        memcpy(row.hash.octets, from->hash.data, CSN_DIGEST_SIZE);
    }
    csn_explanation_refusal(to, &row);
}

static int take(const Csn__Control__Reply *reply, struct csn_explanation *ret_explanation,
                struct csn_reason *reason)
{
    if (reply->has_code && reply->code < 0) {
        return csn_reason_set(reason, reply->code, "%s",
                              reply->reason ? reply->reason : csn_error_text(reply->code));
    }
    if (reply->what_case != CSN__CONTROL__REPLY__WHAT_EXPLANATION) {
        return csn_reason_set(reason, CSN_EFORMAT,
                              "the daemon's answer is not understood: are versions mixed?");
    }
    const Csn__Control__Explanation *from = reply->explanation;
    struct csn_explanation to = {.observed_at_s = from->observed_at_s};
    to.zone = keep_or_empty(&to, from->zone);
    to.observed_from = keep_or_empty(&to, from->observed_from);
    to.state = keep_or_empty(&to, from->state);
    to.text = keep_or_empty(&to, from->text);
    for (size_t i = 0; i < from->n_votes; i++) {
        const Csn__Control__Vote *vote = from->votes[i];
        csn_explanation_vote(&to, &(struct csn_explained_vote){.site = keep_or_empty(&to, vote->site),
                                                               .vote = keep_or_empty(&to, vote->vote),
                                                               .why = keep(&to, vote->why),
                                                               .has_released = vote->has_released,
                                                               .released = vote->released,
                                                               .first_expiry_s = vote->first_expiry_s,
                                                               .fence_s = vote->fence_s});
    }
    take_steps(from, &to);
    for (size_t i = 0; i < from->n_refusals; i++) {
        take_refusal(from->refusals[i], &to);
    }
    to.has_more = to.has_more || from->has_more;
    *ret_explanation = to;
    return CSN_OK;
}

int csn_control_explain_decode(struct csn_bytes message, struct csn_explanation *ret_explanation,
                               struct csn_reason *reason)
{
    struct csn_bounded bounded;
    csn_bounded_init(&bounded, CSN_CONTROL_DECODED_MAX);
    Csn__Control__Reply *reply =
        csn__control__reply__unpack(&bounded.allocator, message.size, message.data);
    if (reply == NULL) {
        return csn_reason_set(reason, CSN_EFORMAT,
                              "the daemon's answer is malformed: are versions mixed?");
    }
    int code = take(reply, ret_explanation, reason);
    csn__control__reply__free_unpacked(reply, &bounded.allocator);
    return code;
}
