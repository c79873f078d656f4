#include "leader_hand.h"

struct csn_event event_of(const struct hand *hand, enum csn_event_kind kind)
{
    return (struct csn_event){
        .kind = kind,
        .now = {.wall_s = WORLD_START_S + hand->now_ms / 1000, .mono_ms = hand->now_ms}};
}

void statement(struct hand *hand, enum csn_statement_kind kind, uint16_t signer,
                      struct csn_bytes body)
{
    static const uint8_t signature[CSN_SIGNATURE_SIZE];
    struct csn_event event = event_of(hand, CSN_EVENT_STATEMENT);
    event.statement.kind = kind;
    event.statement.signer = signer;
    event.statement.incarnation = 1;
    event.statement.body = body;
    event.statement.signature = signature;
    csn_leader_step(hand->leader, &event, &hand->effects);
}

static void report(struct hand *hand, unsigned site)
{
    struct csn_buf rows = {0}, octets = {0};
    csn_row_encode(&hand->rows[site], &rows);
    struct csn_body_report body = {
        .boot = 1,
        .seq = ++hand->report_seq,
        .clock_s =
            (uint64_t)((int64_t)(WORLD_START_S + hand->now_ms / 1000) + hand->clock_ahead_s[site]),
        .promised = hand->promised[site],
        .state = hand->is_halted[site]   ? CSN_NODE_HALTED
                 : hand->is_sealed[site] ? CSN_NODE_SEALED
                                         : CSN_NODE_OK,
        .hsm = CSN_HSM_GOOD,
        .epoch = 1u + hand->is_ahead[site],
        .table_count = 1,
        .row_count = 1,
        .rows = csn_buf_view(&rows)};
    csn_body_report_encode(&body, &octets);
    statement(hand, CSN_STATEMENT_REPORT, (uint16_t)(site + 1), csn_buf_view(&octets));
    csn_buf_fini(&rows);
    csn_buf_fini(&octets);
}

void run(struct hand *hand, uint64_t span_ms)
{
    for (uint64_t end_ms = hand->now_ms + span_ms; hand->now_ms < end_ms;
         hand->now_ms += CSN_TICK_MS) {
        struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
        csn_leader_step(hand->leader, &tick, &hand->effects);
        for (unsigned i = 0; i < WORLD_SITES && hand->now_ms % 250 == 0; i++) {
            if (!hand->is_silent[i]) {
                report(hand, i);
            }
        }
    }
}

const struct csn_effect *last_sent(const struct hand *hand, enum csn_statement_kind kind)
{
    for (size_t i = hand->effects.count; i > 0; i--) {
        const struct csn_effect *effect = hand->effects.items[i - 1];
        if (effect->kind == CSN_EFFECT_SEND && effect->send.kind == kind) {
            return effect;
        }
    }
    return NULL;
}

struct csn_body_lead last_lead(const struct hand *hand)
{
    struct csn_body_lead body;
    const struct csn_effect *sent = last_sent(hand, CSN_STATEMENT_LEAD);
    assert_non_null(sent);
    assert_int_equal(csn_body_lead_decode(sent->send.body, &body), CSN_OK);
    return body;
}

bool last_proposal(const struct hand *hand, struct csn_body_proposal *ret_body)
{
    const struct csn_effect *sent = last_sent(hand, CSN_STATEMENT_PROPOSAL);
    if (sent != NULL) {
        assert_int_equal(csn_body_proposal_decode(sent->send.body, ret_body), CSN_OK);
    }
    return sent != NULL;
}

void promise_all(struct hand *hand)
{
    struct csn_body_lead lead = last_lead(hand);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->promised[i] = lead.term;
    }
}

struct hand *make_hand(void)
{
    struct hand *hand = csn_calloc(1, sizeof(*hand));
    world_init(&hand->world);
    hand->now_ms = 100000;
    hand->leader = csn_leader_new(&hand->world.cluster, 1, &hand->world.zone, 1);
    struct csn_event start = event_of(hand, CSN_EVENT_START);
    csn_leader_step(hand->leader, &start, &hand->effects);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        struct csn_row *row = &hand->rows[i];
        memcpy(row->zone, hand->world.zone.zone, CSN_NAME_MAX);
        row->hsm = CSN_HSM_GOOD;
        row->policy = hand->world.zone.policy;
        row->keyset = hand->world.zone.keyset;
        row->input_count = 1;
        row->inputs[0] = world_input(1, 'a');
    }
    return hand;
}

void renew_leader(struct hand *hand)
{
    csn_leader_free(hand->leader);
    hand->leader = csn_leader_new(&hand->world.cluster, 1, &hand->world.zone, 1);
}

struct hand *make_hand_beside_a_liar(void)
{
    struct hand *hand = make_hand();
    hand->world.cluster.faults = 1;
    renew_leader(hand);
    return hand;
}

void elect(struct hand *hand)
{
    run(hand, 500);
    promise_all(hand);
}

void first_proposal(struct hand *hand, struct csn_body_proposal *ret_body)
{
    elect(hand);
    run(hand, 1000);
    assert_true(last_proposal(hand, ret_body));
}

void next_fresh(struct hand *hand, struct csn_proposal *proposal)
{
    struct csn_body_proposal body;
    for (unsigned i = 0; i < 400; i++) {
        run(hand, 250);
        if (last_proposal(hand, &body) && csn_round_compare(body.proposal.round, proposal->round) > 0) {
            *proposal = body.proposal;
            return;
        }
    }
    fail_msg("no fresh proposal");
}

struct hand *make_leading(void)
{
    struct hand *hand = make_hand();
    struct csn_leader_status status;
    elect(hand);
    csn_effects_clear(&hand->effects);
    run(hand, 500);
    csn_leader_get_status(hand->leader, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.state, CSN_LEADER_LEADING);
    return hand;
}

void drop_hand(struct hand *hand)
{
    csn_effects_fini(&hand->effects);
    csn_leader_free(hand->leader);
    world_fini(&hand->world);
    free(hand);
}

void refuse(struct hand *hand, unsigned site, const struct csn_proposal *proposal,
                   enum csn_test test)
{
    struct csn_body_refused body = {
        .rule = CSN_RULE_R2, .test = (uint8_t)test, .floor = hand->rows[site].floor};
    struct csn_buf octets = {0};
    csn_proposal_hash(proposal, &body.hash);
    csn_body_refused_encode(&body, &octets);
    statement(hand, CSN_STATEMENT_REFUSED, (uint16_t)(site + 1), csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

void certify(struct hand *hand, const struct csn_proposal *proposal)
{
    struct csn_certificate certificate = {.held.proposal = *proposal};
    struct csn_event event = event_of(hand, CSN_EVENT_CERTIFICATE);
    event.certificate.certificate = &certificate;
    csn_leader_step(hand->leader, &event, &hand->effects);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].newest.round = proposal->round;
        hand->rows[i].due_s = UINT64_MAX;
    }
}

void confirm(struct hand *hand, struct csn_input_id input)
{
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].inputs[0] = input;
    }
}
