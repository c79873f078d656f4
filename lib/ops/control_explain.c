/* The reply to ExplainRequest, to and from the wire: see control_wire.h. */
#include "ops/control_reply.h"

#include "base/pack.h"

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

static struct csn_bytes keep_bytes(struct csn_explanation *to, ProtobufCBinaryData octets)
{
    return octets.len == 0 ? csn_bytes(NULL, 0)
                           : csn_bytes(csn_arena_copy(&to->arena, octets.data, octets.len), octets.len);
}

static void take_steps(const Csn__Control__Explanation *from, struct csn_explanation *to)
{
    for (size_t i = 0; i < from->n_next; i++) {
        csn_explanation_next(to, csn_control_copy_or_empty(&to->arena, from->next[i]->text), from->next[i]->at_s);
    }
    for (size_t i = 0; i < from->n_may; i++) {
        csn_explanation_may(to, csn_control_copy_or_empty(&to->arena, from->may[i]->text),
                            csn_control_copy(&to->arena, from->may[i]->command));
    }
}

static void take_refusal(const Csn__Control__Refusal *from, struct csn_explanation *to)
{
    struct csn_explained_refusal row = {.site = csn_control_copy_or_empty(&to->arena, from->site),
                                        .rule = (uint8_t)from->rule,
                                        .test = (uint8_t)from->test,
                                        .question = csn_control_copy_or_empty(&to->arena, from->question),
                                        .want = csn_control_copy(&to->arena, from->want),
                                        .is = csn_control_copy(&to->arena, from->is),
                                        .next = csn_control_copy_or_empty(&to->arena, from->next),
                                        .round = csn_control_copy_or_empty(&to->arena, from->round),
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

static int take(void *ret, const Csn__Control__Reply *reply)
{
    struct csn_explanation *ret_explanation = ret;
    const Csn__Control__Explanation *from = reply->explanation;
    struct csn_explanation to = {.observed_at_s = from->observed_at_s};
    to.zone = csn_control_copy_or_empty(&to.arena, from->zone);
    to.observed_from = csn_control_copy_or_empty(&to.arena, from->observed_from);
    to.state = csn_control_copy_or_empty(&to.arena, from->state);
    to.text = csn_control_copy_or_empty(&to.arena, from->text);
    for (size_t i = 0; i < from->n_votes; i++) {
        const Csn__Control__Vote *vote = from->votes[i];
        csn_explanation_vote(&to, &(struct csn_explained_vote){.site = csn_control_copy_or_empty(&to.arena, vote->site),
                                                               .vote = csn_control_copy_or_empty(&to.arena, vote->vote),
                                                               .why = csn_control_copy(&to.arena, vote->why),
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
    return csn_control_reply_decode(message, CSN__CONTROL__REPLY__WHAT_EXPLANATION, take, ret_explanation, reason);
}
