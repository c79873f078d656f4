/* Goal: a leader asks, leads, proposes and gives way as L1-L5 say. Method: a leader alone, fed with
 * reports of three sites made by hand; what it sends is looked at. */
#include "round/leader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "round/node.h"
#include "round/order.h"
#include "round/tests.h"
#include "round_world.h"

struct hand {
    struct world world; /* cluster and zone only */
    struct csn_leader *leader;
    struct csn_effects effects; /* since the last look */
    uint64_t now_ms;
    uint64_t report_seq;
    struct csn_row rows[WORLD_SITES];
    struct csn_term promised[WORLD_SITES];
    bool is_silent[WORLD_SITES];
    bool is_halted[WORLD_SITES];
    int64_t clock_ahead_s[WORLD_SITES];
};

static struct csn_event event_of(const struct hand *hand, enum csn_event_kind kind)
{
    return (struct csn_event){
        .kind = kind,
        .now = {.wall_s = WORLD_START_S + hand->now_ms / 1000, .mono_ms = hand->now_ms}};
}

static void statement(struct hand *hand, enum csn_statement_kind kind, uint16_t signer,
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
        .state = hand->is_halted[site] ? CSN_NODE_HALTED : CSN_NODE_OK,
        .hsm = CSN_HSM_GOOD,
        .epoch = 1,
        .table_count = 1,
        .row_count = 1,
        .rows = csn_buf_view(&rows)};
    csn_body_report_encode(&body, &octets);
    statement(hand, CSN_STATEMENT_REPORT, (uint16_t)(site + 1), csn_buf_view(&octets));
    csn_buf_fini(&rows);
    csn_buf_fini(&octets);
}

/* Ticks, and a report of each site that is not silent, every 250 ms. */
static void run(struct hand *hand, uint64_t span_ms)
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

/* The last LEAD or proposal since the effects were cleared; NULL: none. */
static const struct csn_effect *last_sent(const struct hand *hand, enum csn_statement_kind kind)
{
    for (size_t i = hand->effects.count; i > 0; i--) {
        const struct csn_effect *effect = &hand->effects.items[i - 1];
        if (effect->kind == CSN_EFFECT_SEND && effect->send.kind == kind) {
            return effect;
        }
    }
    return NULL;
}

static struct csn_body_lead last_lead(const struct hand *hand)
{
    struct csn_body_lead body;
    const struct csn_effect *sent = last_sent(hand, CSN_STATEMENT_LEAD);
    assert_non_null(sent);
    assert_int_equal(csn_body_lead_decode(sent->send.body, &body), CSN_OK);
    return body;
}

static bool last_proposal(const struct hand *hand, struct csn_body_proposal *ret_body)
{
    const struct csn_effect *sent = last_sent(hand, CSN_STATEMENT_PROPOSAL);
    if (sent != NULL) {
        assert_int_equal(csn_body_proposal_decode(sent->send.body, ret_body), CSN_OK);
    }
    return sent != NULL;
}

static enum csn_leader_alarm alarm_of(const struct hand *hand)
{
    struct csn_leader_zone_status status;
    csn_leader_get_zone(hand->leader, 0, &status);
    return status.alarm;
}

static void promise_all(struct hand *hand)
{
    struct csn_body_lead lead = last_lead(hand);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->promised[i] = lead.term;
    }
}

static struct hand *make_hand(void)
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

/* In LEADING, effects cleared before its first proposal. */
static struct hand *make_leading(void)
{
    struct hand *hand = make_hand();
    struct csn_leader_status status;
    run(hand, 500);
    promise_all(hand);
    csn_effects_clear(&hand->effects);
    run(hand, 500);
    csn_leader_get_status(hand->leader, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.state, CSN_LEADER_LEADING);
    return hand;
}

static void drop_hand(struct hand *hand)
{
    csn_effects_fini(&hand->effects);
    csn_leader_free(hand->leader);
    world_fini(&hand->world);
    free(hand);
}

static void test_leader_asks_only_after_a_quorum_of_reports(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    hand->is_silent[1] = hand->is_silent[2] = true;
    hand->promised[0] = (struct csn_term){.counter = 41, .coordinator = 2};
    hand->rows[1].floor.round.term = (struct csn_term){.counter = 50, .coordinator = 2};
    run(hand, 3000);
    assert_null(last_sent(hand, CSN_STATEMENT_LEAD));
    hand->is_silent[1] = false;
    run(hand, 500);
    struct csn_body_lead lead = last_lead(hand);
    assert_int_equal(lead.state, CSN_LEAD_ASKS);
    assert_int_equal(lead.term.counter, 51); /* above what was promised and what was in a round */
    drop_hand(hand);
}

/* A halted site promises and votes no more: where a quorum could vote, its promise makes up for none of theirs. */
static void test_promise_of_a_halted_site_counts_where_too_few_can_vote(void **state)
{
    (void)state;
    for (unsigned is_silent = 0; is_silent < 2; is_silent++) {
        struct hand *hand = make_hand();
        hand->is_halted[0] = true;
        run(hand, 500);
        hand->is_silent[2] = is_silent == 1;
        run(hand, 10000);
        hand->promised[0] = hand->promised[1] = last_lead(hand).term;
        run(hand, 500);
        assert_int_equal(last_lead(hand).state, is_silent ? CSN_LEAD_LEADS : CSN_LEAD_ASKS);
        hand->promised[2] = last_lead(hand).term;
        run(hand, 500);
        assert_int_equal(last_lead(hand).state, CSN_LEAD_LEADS);
        drop_hand(hand);
    }
}

static void test_leader_leads_after_a_quorum_of_promises(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    run(hand, 500);
    hand->promised[0] = last_lead(hand).term;
    run(hand, 2000);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_ASKS);
    hand->promised[1] = last_lead(hand).term;
    run(hand, 1000);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_LEADS);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(csn_term_compare(body.proposal.round.term, last_lead(hand).term), 0);
    drop_hand(hand);
}

static void test_leader_gives_way_to_a_higher_term_and_asks_again(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    struct csn_term old = last_lead(hand).term;
    hand->promised[0] = hand->promised[1] = hand->promised[2] =
        (struct csn_term){.counter = old.counter + 7, .coordinator = 2};
    run(hand, 500);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_ASKS);
    assert_int_equal(last_lead(hand).term.counter, old.counter + 8);
    drop_hand(hand);
}

/* One site that lost sight of the leader and promised another does not unseat it; it is called back
 * with a new term when no round is under way, and not at once again. */
static void test_leader_followed_by_a_quorum_leads_on_and_calls_back(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    struct csn_term old = last_lead(hand).term;
    hand->promised[2] = (struct csn_term){.counter = old.counter + 7, .coordinator = 2};
    run(hand, CSN_CALL_BACK_MS / 2);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_LEADS);
    assert_int_equal(last_lead(hand).term.counter, old.counter);
    run(hand, CSN_CALL_BACK_MS);
    struct csn_body_proposal body;
    assert_true(last_proposal(hand, &body)); /* which nobody answers: its round is under way */
    assert_int_equal(last_lead(hand).term.counter, old.counter);
    run(hand, hand->world.zone.round_deadline_ms);
    assert_true(last_lead(hand).term.counter > old.counter + 7);
    drop_hand(hand);
}

/* A coordinator that was restarted and heard one stale report asked for a term it had led in before. */
static void test_leader_asks_again_when_its_term_has_rounds_it_never_proposed(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    struct csn_term old = last_lead(hand).term;
    hand->rows[1].floor.round = (struct csn_round){.term = old, .seq = 1000};
    run(hand, 500);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_ASKS);
    assert_true(last_lead(hand).term.counter > old.counter);
    drop_hand(hand);
}

static void test_leader_without_quorum_resigns_and_rests(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    hand->is_silent[1] = hand->is_silent[2] = true;
    run(hand, CSN_SILENT_MS + CSN_NO_QUORUM_MS + 500);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_RESIGNED);
    hand->is_silent[1] = false;
    run(hand, 2000);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_ASKS);
    drop_hand(hand);
}

static void test_fresh_proposal_is_built_from_the_floors(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    hand->rows[0].floor.has_serial = true;
    hand->rows[0].floor.serial = 4000000000u - 1;
    hand->world.zone.serial_rule = CSN_SERIAL_COUNTER;
    csn_leader_free(hand->leader);
    hand->leader = csn_leader_new(&hand->world.cluster, 1, &hand->world.zone, 1);
    hand->rows[1].floor.time_s = WORLD_START_S + hand->now_ms / 1000 + 40;
    hand->rows[1].floor.schedule_s = 77;
    hand->clock_ahead_s[0] = -5;
    hand->clock_ahead_s[2] = 20;
    hand->rows[2].hsm = CSN_HSM_BAD;
    run(hand, 500);
    promise_all(hand);
    run(hand, 1000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.serial, 4000000000u);
    assert_int_equal(body.proposal.time_s, hand->rows[1].floor.time_s);
    assert_int_equal(body.proposal.schedule_s, body.proposal.time_s);
    assert_int_equal(body.proposal.author_count, 2);
    drop_hand(hand);
}

/* A report that names a floor whose vote nobody has heard drags nobody along. */
static void test_unproven_floor_does_not_bind_the_others(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    struct csn_floor *floor = &hand->rows[2].floor;
    run(hand, 500);
    *floor = (struct csn_floor){.round = {.term = {.counter = 1, .coordinator = 2}, .seq = 1},
                                .input = world_input(9, 'x'),
                                .has_serial = true,
                                .serial = UINT32_C(1) << 30};
    promise_all(hand);
    run(hand, 1000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.input.serial, 1);
    assert_int_equal(body.proposal.author_count, 2);
    assert_int_equal(body.proposal.authors[1], 2);
    drop_hand(hand);
}

/* One site that asks for a round each second, or says that it promised a term without end. */
static void test_what_one_site_claims_is_bounded(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    struct csn_body_proposal body;
    struct csn_certificate certificate = {0};
    struct csn_term own = last_lead(hand).term;
    assert_true(last_proposal(hand, &body));
    certificate.held.proposal = body.proposal;
    struct csn_event event = event_of(hand, CSN_EVENT_CERTIFICATE);
    event.certificate.certificate = &certificate;
    csn_leader_step(hand->leader, &event, &hand->effects);
    csn_effects_clear(&hand->effects);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].newest.round = body.proposal.round;
        hand->rows[i].due_s = UINT64_MAX;
    }
    hand->rows[2].due_s = 0;
    hand->promised[2] = (struct csn_term){.counter = CSN_TERM_COUNTER_MAX, .coordinator = 2};
    uint64_t interval_ms = 1000 * (uint64_t)hand->world.zone.refresh_interval_s;
    run(hand, interval_ms - 60000);
    assert_false(last_proposal(hand, &body));
    assert_int_equal(csn_term_compare(last_lead(hand).term, own), 0);
    run(hand, 120000);
    assert_true(last_proposal(hand, &body)); /* f = 0: it is believed, once an interval */
    drop_hand(hand);
}

/* Seen with real processes: the next input came 30 ms after a certificate that no report told of
 * yet, and was proposed with the serial just certified; every site refused. */
static void test_newest_certificate_counts_before_the_sites_report_it(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    struct csn_certificate certificate = {0};
    struct csn_proposal *newest = &certificate.held.proposal;
    uint32_t unixtime = (uint32_t)(WORLD_START_S + hand->now_ms / 1000);
    run(hand, 500);
    promise_all(hand);
    run(hand, 1000);
    assert_true(last_proposal(hand, &body));
    *newest = body.proposal;
    newest->serial = unixtime + 100;
    struct csn_event event = event_of(hand, CSN_EVENT_CERTIFICATE);
    event.certificate.certificate = &certificate;
    csn_leader_step(hand->leader, &event, &hand->effects);
    csn_effects_clear(&hand->effects);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].inputs[0] = world_input(2, 'b');
    }
    run(hand, 3000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.serial, unixtime + 101);
    assert_int_equal(body.proposal.input.serial, 2);
    drop_hand(hand);
}

static void test_site_with_a_far_serial_does_not_drag_the_others_along(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].floor.has_serial = true;
        hand->rows[i].floor.serial = 1790000000;
    }
    hand->rows[0].floor.serial =
        1790000000u + (UINT32_C(1) << 30) + 5; /* a lone vote for a far serial */
    run(hand, 500);
    promise_all(hand);
    run(hand, 1000);
    assert_true(last_proposal(hand, &body));
    assert_true(body.proposal.serial < 1790000000u + (UINT32_C(1) << 29));
    assert_int_equal(body.proposal.author_count,
                     2); /* the far one would refuse, so it authors nothing */
    assert_int_equal(body.proposal.authors[0], 2);
    drop_hand(hand);
}

static void test_policy_serial_that_is_too_far_is_not_taken(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    bool has_alarm = false;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].floor.has_serial =
            true; /* admitted with a live serial; unixtime is far above it */
        hand->rows[i].floor.serial = 2024;
    }
    run(hand, 500);
    promise_all(hand);
    run(hand, 1000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.serial, 2025);
    for (size_t i = 0; i < hand->effects.count; i++) {
        const struct csn_effect *effect = &hand->effects.items[i];
        has_alarm = has_alarm || (effect->kind == CSN_EFFECT_TRACE &&
                                  effect->trace.what == CSN_TRACE_SERIAL_JUMP);
    }
    assert_true(has_alarm);
    assert_int_equal(alarm_of(hand), CSN_ALARM_SERIAL_JUMP);
    drop_hand(hand);
}

static void test_zone_without_authors_is_said_until_one_can_sign(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].hsm = CSN_HSM_BAD;
    }
    run(hand, 500);
    promise_all(hand);
    run(hand, 1000);
    assert_false(last_proposal(hand, &body));
    assert_int_equal(alarm_of(hand), CSN_ALARM_NO_AUTHORS);
    hand->rows[1].hsm = CSN_HSM_GOOD;
    run(hand, 3000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(alarm_of(hand), CSN_ALARM_NONE);
    drop_hand(hand);
}

static void test_input_that_one_site_confirms_is_not_proposed(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    hand->rows[1].inputs[0] = world_input(2, 'a');
    hand->rows[2].inputs[0] = world_input(3, 'a');
    run(hand, 500);
    promise_all(hand);
    run(hand, 2000);
    assert_false(last_proposal(hand, &body));
    hand->rows[0].inputs[0] = hand->rows[1].inputs[0];
    run(hand, 1000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.input.serial, 2);
    drop_hand(hand);
}

/* The newest certificate is this proposal's, and every site has it. */
static void certify(struct hand *hand, const struct csn_proposal *proposal)
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

/* As a node reports them: the newest three. */
static void confirm(struct hand *hand, uint32_t serial)
{
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].input_count = CSN_ROW_INPUTS_MAX;
        for (uint32_t k = 0; k < CSN_ROW_INPUTS_MAX; k++) {
            hand->rows[i].inputs[k] = world_input(serial - k, 'a');
        }
    }
}

/* One release, of this serial. */
static struct hand *make_released(uint32_t serial, struct csn_proposal *ret_released)
{
    struct hand *hand = make_leading();
    struct csn_body_proposal body;
    assert_true(last_proposal(hand, &body));
    *ret_released = body.proposal;
    ret_released->serial = serial;
    certify(hand, ret_released);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].floor = csn_floor_of(ret_released);
    }
    csn_effects_clear(&hand->effects);
    return hand;
}

static void test_a_serial_that_a_quorum_approved_is_proposed_at_once(void **state)
{
    (void)state;
    struct csn_proposal released;
    struct csn_body_proposal body;
    struct hand *hand = make_released(2040010100, &released);
    hand->rows[0].approved = (struct csn_approved_serial){true, 4180493748};
    run(hand, 3000);
    assert_false(last_proposal(hand, &body)); /* one site alone */
    hand->rows[2].approved = hand->rows[0].approved;
    run(hand, 3000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.serial, 4180493748);
    assert_int_equal(body.proposal.author_count, 2); /* the third would refuse it */
    certify(hand, &body.proposal);
    csn_effects_clear(&hand->effects); /* reports lag behind: it is not done again */
    run(hand, 3000);
    assert_false(last_proposal(hand, &body));
    drop_hand(hand);
}

/* Of two that approved it one has voted for what is beyond: rounds go on with the others. */
static void test_an_approved_serial_that_no_set_takes_holds_nothing_up(void **state)
{
    (void)state;
    struct csn_proposal released;
    struct csn_body_proposal body;
    struct hand *hand = make_released(2040010100, &released);
    for (unsigned i = 0; i < 2; i++) {
        hand->rows[i].approved = (struct csn_approved_serial){true, 4180493748};
    }
    hand->rows[0].floor.serial = 4180493748 + 2 * CSN_SERIALS_SPENT_MAX;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].inputs[0] = world_input(60, 'b');
    }
    run(hand, 10000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.serial, 2040010101);
    drop_hand(hand);
}

/* The floor of a site that missed both steps of a way back is later than all (RFC 1982). */
static void test_a_floor_from_before_the_numbers_went_round_is_left_aside(void **state)
{
    (void)state;
    struct csn_proposal released;
    struct csn_body_proposal body;
    struct hand *hand = make_released(2026112300, &released);
    struct csn_row *row = &hand->rows[2];
    row->floor.serial = row->released_serial = 2040010100;
    row->floor.round.seq--;
    row->newest.round = row->released.round = row->floor.round;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].inputs[0] = world_input(60, 'b');
    }
    run(hand, 10000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.serial, 2026112301);
    drop_hand(hand);
}

/* A registry that writes a file every quarter of a second, for longer than a round takes. */
static void test_inputs_that_come_during_a_round_are_one_round_more(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    struct csn_body_proposal body;
    assert_true(last_proposal(hand, &body));
    struct csn_round first = body.proposal.round;
    for (uint32_t serial = 4; serial <= 50; serial++) {
        confirm(hand, serial);
        run(hand, 250);
        assert_true(last_proposal(hand, &body));
        assert_int_equal(csn_round_compare(body.proposal.round, first), 0);
    }
    certify(hand, &body.proposal);
    run(hand, 1000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.input.serial, 50);
    certify(hand, &body.proposal);
    csn_effects_clear(&hand->effects);
    run(hand, 10000);
    assert_false(last_proposal(hand, &body));
    drop_hand(hand);
}

static void refuse(struct hand *hand, unsigned site, const struct csn_proposal *proposal,
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

static void test_refusals_of_a_quorum_for_the_clock_end_the_term(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    struct csn_body_proposal body;
    assert_true(last_proposal(hand, &body));
    for (unsigned i = 0; i < 2; i++) {
        refuse(hand, i, &body.proposal, CSN_TEST_CLOCK);
    }
    assert_int_equal(last_lead(hand).state, CSN_LEAD_RESIGNED);
    drop_hand(hand);
}

static void test_failed_rounds_back_off_then_end_the_term(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    struct csn_body_proposal body, next;
    assert_true(last_proposal(hand, &body));
    for (unsigned i = 0; i < CSN_FAILED_MAX; i++) {
        assert_int_equal(last_lead(hand).state, CSN_LEAD_LEADS);
        refuse(hand, 0, &body.proposal, CSN_TEST_SERIAL);
        refuse(hand, 1, &body.proposal, CSN_TEST_SERIAL);
        if (i + 1 < CSN_FAILED_MAX) {
            run(hand, 900ULL << i);
            assert_true(last_proposal(hand, &next));
            assert_int_equal(next.seq, body.seq); /* pauses 1 s, then 2 s */
            run(hand, (200ULL << i) + 100);
            assert_true(last_proposal(hand, &next));
            assert_true(next.seq > body.seq);
            body = next;
        }
    }
    assert_int_equal(last_lead(hand).state, CSN_LEAD_RESIGNED);
    drop_hand(hand);
}

/* It reports, votes for nobody here, and would keep its share from the others until the deadline. */
static void test_site_that_follows_another_authors_nothing(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    run(hand, 500);
    hand->promised[0] = hand->promised[1] = last_lead(hand).term;
    hand->promised[2] = (struct csn_term){.counter = 1, .coordinator = 2};
    run(hand, 1000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.author_count, 2);
    assert_int_equal(body.proposal.authors[1], 2);
    drop_hand(hand);
}

static void test_round_ends_soon_after_an_author_follows_another(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    struct csn_body_proposal body;
    run(hand, 500);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.author_count, 3);
    hand->promised[0].counter++;
    run(hand, 3000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.author_count, 2);
    assert_int_equal(body.proposal.authors[0], 2);
    drop_hand(hand);
}

/* It reports and is silent about the round: the deadline, two minutes, is not waited for. */
static void test_round_ends_soon_after_an_author_halts(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    struct csn_body_proposal body;
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.author_count, 3);
    hand->is_halted[2] = true;
    run(hand, 5000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.author_count, 2);
    assert_int_equal(body.proposal.authors[1], 2);
    drop_hand(hand);
}

static void next_fresh(struct hand *hand, struct csn_proposal *proposal)
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

/* Nor does it wait for bytes that one site which may lie says it has (f = 1). */
static void test_vote_of_one_liar_does_not_stand_for_an_authors_bytes(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = {0};
    struct csn_buf octets = {0};
    hand->world.cluster.faults = 1;
    csn_leader_free(hand->leader);
    hand->leader = csn_leader_new(&hand->world.cluster, 1, &hand->world.zone, 1);
    run(hand, 500);
    promise_all(hand);
    next_fresh(hand, &proposal);
    struct csn_body_held held = {.proposal = proposal, .earliest_expiry_s = proposal.time_s + 1000000};
    csn_body_held_encode(&held, &octets);
    statement(hand, CSN_STATEMENT_HELD, 3, csn_buf_view(&octets));
    hand->is_halted[2] = true;
    next_fresh(hand, &proposal);
    assert_int_equal(proposal.author_count, 2);
    csn_buf_fini(&octets);
    drop_hand(hand);
}

static void test_refusals_for_policy_do_not_end_the_term(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    struct csn_body_proposal body;
    for (unsigned i = 0; i < 6; i++) {
        assert_true(last_proposal(hand, &body));
        refuse(hand, 0, &body.proposal, CSN_TEST_POLICY_HERE);
        refuse(hand, 1, &body.proposal, CSN_TEST_POLICY_HERE);
        run(hand, 61000);
        assert_int_equal(last_lead(hand).state, CSN_LEAD_LEADS);
    }
    drop_hand(hand);
}

static void test_lead_moves_when_its_site_is_behind(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    run(hand, 1000);
    assert_int_equal(last_lead(hand).site, 1);
    hand->rows[0].diverged = CSN_CLASS_BIT_K;
    run(hand, 2000);
    assert_int_equal(last_lead(hand).site, 1); /* moves are damped */
    run(hand, 3000);
    assert_int_equal(last_lead(hand).site, 2);
    hand->rows[0].diverged = 0;
    run(hand, 10000);
    assert_int_equal(last_lead(hand).site, 2); /* and not back without need */
    drop_hand(hand);
}

/* All sites diverged once: they author again, or they would never have a round to agree in. */
static void test_diverged_sites_author_when_no_other_can(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].diverged = CSN_CLASS_BIT_D;
    }
    run(hand, 500);
    promise_all(hand);
    run(hand, 1000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.author_count, 3);
    drop_hand(hand);
}

/* A certificate that was never heard: proposed on the old parent after a while, for the refusal
 * brings what is missing. */
static void test_claim_that_is_never_shown_holds_nothing_up(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].newest.round.seq = 4;
    }
    run(hand, 500);
    promise_all(hand);
    run(hand, 2500);
    assert_false(last_proposal(hand, &body));
    run(hand, 1500);
    assert_true(last_proposal(hand, &body));
    drop_hand(hand);
}

/* One that claims ever more delays a round by one wait. */
static void test_claims_without_end_hold_nothing_up(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    run(hand, 500);
    promise_all(hand);
    for (unsigned i = 0; i < 10; i++) {
        hand->rows[0].newest.round.seq++;
        run(hand, 500);
    }
    assert_true(last_proposal(hand, &body));
    drop_hand(hand);
}

static void hold(struct hand *hand, const struct csn_proposal *proposal, uint16_t site, int root)
{
    struct csn_body_held held = {.proposal = *proposal, .earliest_expiry_s = proposal->time_s + 1000000};
    struct csn_buf octets = {0};
    memset(held.full_root.octets, root, CSN_DIGEST_SIZE);
    csn_body_held_encode(&held, &octets);
    statement(hand, CSN_STATEMENT_HELD, site, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

/* Each site holds the same content with other bytes. */
static void hold_apart(struct hand *hand, const struct csn_proposal *proposal)
{
    for (uint16_t site = 1; site <= WORLD_SITES; site++) {
        hold(hand, proposal, site, site);
    }
}

/* Contents that differ at each site, so often that the next try is two minutes away. */
static void disagree(struct hand *hand, struct csn_proposal *proposal)
{
    for (unsigned k = 0; k < 8; k++) {
        next_fresh(hand, proposal);
        for (unsigned i = 0; i < WORLD_SITES; i++) {
            struct csn_body_computed body = {0};
            struct csn_buf octets = {0};
            csn_proposal_hash(proposal, &body.hash);
            memset(&body.roots, (int)i + 1, sizeof(body.roots));
            csn_body_computed_encode(&body, &octets);
            statement(hand, CSN_STATEMENT_COMPUTED, (uint16_t)(i + 1), csn_buf_view(&octets));
            csn_buf_fini(&octets);
        }
    }
}

/* L5: whoever mended what made contents differ need not wait for the pause to end. */
static void test_order_or_policy_ends_the_pause_after_divergence(void **state)
{
    (void)state;
    for (unsigned by_order = 0; by_order < 2; by_order++) {
        struct hand *hand = make_leading();
        struct csn_proposal proposal = {0};
        struct csn_body_proposal body;
        disagree(hand, &proposal);
        run(hand, 30000);
        assert_true(last_proposal(hand, &body));
        assert_int_equal(csn_round_compare(body.proposal.round, proposal.round), 0);
        for (unsigned i = 0; i < WORLD_SITES; i++) {
            hand->rows[i].order_sum += by_order;
            hand->rows[i].policy.number += 1 - by_order;
        }
        run(hand, 35000); /* rounds themselves wait at most 60 s, from the last failure on */
        assert_true(last_proposal(hand, &body));
        assert_int_equal(csn_round_compare(body.proposal.round, proposal.round), 1);
        drop_hand(hand);
    }
}

/* An author that gives each site other signatures is found: the authors take turns alone, the one whose round splits again is
 * left out, the others author on. */
static void test_author_that_splits_the_votes_is_left_out(void **state)
{
    (void)state;
    struct hand *hand = make_leading();
    struct csn_proposal proposal = {0};
    next_fresh(hand, &proposal);
    assert_int_equal(proposal.author_count, 3);
    hold_apart(hand, &proposal);
    next_fresh(hand, &proposal);
    assert_int_equal(proposal.author_count, 1);
    uint16_t liar = proposal.authors[0];
    hold_apart(hand, &proposal);
    next_fresh(hand, &proposal);
    assert_int_equal(proposal.author_count, 2);
    assert_true(proposal.authors[0] != liar && proposal.authors[1] != liar);
    drop_hand(hand);
}

/* As few as may lie voted apart, and another refused: nobody is to blame, the next author signs alone. What is certified ends
 * it, after a while. */
static void test_authors_take_turns_while_votes_of_a_liar_differ(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = {0};
    uint16_t seen = 0;
    hand->world.cluster.faults = 1;
    csn_leader_free(hand->leader);
    hand->leader = csn_leader_new(&hand->world.cluster, 1, &hand->world.zone, 1);
    run(hand, 500);
    promise_all(hand);
    for (unsigned round = 0; round < 4; round++) {
        next_fresh(hand, &proposal);
        assert_int_equal(proposal.author_count, round == 0 ? 3 : 1);
        seen |= (uint16_t)(1u << proposal.authors[0]);
        hold(hand, &proposal, 1, 1);
        hold(hand, &proposal, 2, 2);
        refuse(hand, 2, &proposal, CSN_TEST_HOLDS);
    }
    assert_int_equal(seen, 1u << 1 | 1u << 2 | 1u << 3);
    drop_hand(hand);
}

/* One that may lie votes for a round that it made up: nobody is asked to work on it. */
static void test_hold_of_one_liar_is_not_proposed_again(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = {0};
    hand->world.cluster.faults = 1;
    csn_leader_free(hand->leader);
    hand->leader = csn_leader_new(&hand->world.cluster, 1, &hand->world.zone, 1);
    run(hand, 500);
    promise_all(hand);
    next_fresh(hand, &proposal);
    struct csn_proposal made_up = proposal;
    made_up.author_count = 1;
    made_up.authors[0] = 3;
    hold(hand, &made_up, 3, 1);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        refuse(hand, i, &proposal, CSN_TEST_POLICY_HERE);
    }
    next_fresh(hand, &proposal);
    struct csn_digest hash, asked;
    csn_proposal_hash(&made_up, &hash);
    for (size_t i = 0; i < hand->effects.count; i++) {
        const struct csn_effect *effect = &hand->effects.items[i];
        struct csn_body_proposal body;
        if (effect->kind == CSN_EFFECT_SEND && effect->send.kind == CSN_STATEMENT_PROPOSAL) {
            assert_int_equal(csn_body_proposal_decode(effect->send.body, &body), CSN_OK);
            csn_proposal_hash(&body.proposal, &asked);
            assert_false(csn_digest_equal(&asked, &hash));
        }
    }
    drop_hand(hand);
}

/* One that lies (f = 1) cannot drive the term away, nor up to the end of its numbers. */
static void test_term_of_one_liar_does_not_count(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    hand->world.cluster.faults = 1;
    csn_leader_free(hand->leader);
    hand->leader = csn_leader_new(&hand->world.cluster, 1, &hand->world.zone, 1);
    hand->rows[0].floor.round.term.counter = UINT64_MAX;
    hand->promised[0].counter = UINT64_MAX;
    run(hand, 500);
    assert_int_equal(last_lead(hand).term.counter, 1);
    hand->promised[1] = hand->promised[2] = last_lead(hand).term;
    run(hand, 1000);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_LEADS);
    drop_hand(hand);
}

/* As many as may lie follow another coordinator, honestly: they are called back too, above the term
 * that they promised; and one that shows it again and again is called ever more rarely. */
static void test_as_few_as_may_lie_are_called_back(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    hand->world.cluster.faults = 1;
    csn_leader_free(hand->leader);
    hand->leader = csn_leader_new(&hand->world.cluster, 1, &hand->world.zone, 1);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].input_count = 0; /* nothing to propose: it has time */
    }
    run(hand, 500);
    promise_all(hand);
    run(hand, 1000);
    struct csn_term old = last_lead(hand).term;
    assert_int_equal(last_lead(hand).state, CSN_LEAD_LEADS);
    hand->promised[2] = (struct csn_term){.counter = old.counter + 1, .coordinator = 2};
    run(hand, CSN_CALL_BACK_MS / 2);
    assert_int_equal(last_lead(hand).term.counter, old.counter);
    run(hand, CSN_CALL_BACK_MS / 2);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_ASKS);
    assert_int_equal(last_lead(hand).term.counter, old.counter + 2);
    promise_all(hand);
    run(hand, 1000);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_LEADS);
    hand->promised[2].counter++;
    run(hand, CSN_CALL_BACK_MS);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_LEADS);
    run(hand, CSN_CALL_BACK_MS);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_ASKS);
    drop_hand(hand);
}

/* A halted site follows, but is of no use to the round that another's straying holds up. */
static void test_stray_is_called_back_when_those_left_cannot_vote(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    hand->world.cluster.faults = 1;
    csn_leader_free(hand->leader);
    hand->leader = csn_leader_new(&hand->world.cluster, 1, &hand->world.zone, 1);
    hand->rows[0].hsm = hand->rows[2].hsm = CSN_HSM_BAD; /* site 2 alone authors: the round goes on without the others */
    run(hand, 500);
    promise_all(hand);
    run(hand, 1000);
    struct csn_term old = last_lead(hand).term;
    assert_true(last_proposal(hand, &body));
    hand->is_halted[0] = true;
    hand->promised[2] = (struct csn_term){.counter = old.counter + 1, .coordinator = 2};
    run(hand, CSN_CALL_BACK_MS + 1000);
    assert_int_equal(last_lead(hand).state, CSN_LEAD_ASKS);
    assert_int_equal(last_lead(hand).term.counter, old.counter + 2);
    drop_hand(hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leader_asks_only_after_a_quorum_of_reports),
        cmocka_unit_test(test_promise_of_a_halted_site_counts_where_too_few_can_vote),
        cmocka_unit_test(test_leader_leads_after_a_quorum_of_promises),
        cmocka_unit_test(test_leader_gives_way_to_a_higher_term_and_asks_again),
        cmocka_unit_test(test_leader_followed_by_a_quorum_leads_on_and_calls_back),
        cmocka_unit_test(test_leader_asks_again_when_its_term_has_rounds_it_never_proposed),
        cmocka_unit_test(test_leader_without_quorum_resigns_and_rests),
        cmocka_unit_test(test_fresh_proposal_is_built_from_the_floors),
        cmocka_unit_test(test_unproven_floor_does_not_bind_the_others),
        cmocka_unit_test(test_what_one_site_claims_is_bounded),
        cmocka_unit_test(test_newest_certificate_counts_before_the_sites_report_it),
        cmocka_unit_test(test_site_with_a_far_serial_does_not_drag_the_others_along),
        cmocka_unit_test(test_policy_serial_that_is_too_far_is_not_taken),
        cmocka_unit_test(test_input_that_one_site_confirms_is_not_proposed),
        cmocka_unit_test(test_a_serial_that_a_quorum_approved_is_proposed_at_once),
        cmocka_unit_test(test_an_approved_serial_that_no_set_takes_holds_nothing_up),
        cmocka_unit_test(test_a_floor_from_before_the_numbers_went_round_is_left_aside),
        cmocka_unit_test(test_inputs_that_come_during_a_round_are_one_round_more),
        cmocka_unit_test(test_refusals_of_a_quorum_for_the_clock_end_the_term),
        cmocka_unit_test(test_failed_rounds_back_off_then_end_the_term),
        cmocka_unit_test(test_refusals_for_policy_do_not_end_the_term),
        cmocka_unit_test(test_lead_moves_when_its_site_is_behind),
        cmocka_unit_test(test_site_that_follows_another_authors_nothing),
        cmocka_unit_test(test_round_ends_soon_after_an_author_follows_another),
        cmocka_unit_test(test_round_ends_soon_after_an_author_halts),
        cmocka_unit_test(test_vote_of_one_liar_does_not_stand_for_an_authors_bytes),
        cmocka_unit_test(test_diverged_sites_author_when_no_other_can),
        cmocka_unit_test(test_claim_that_is_never_shown_holds_nothing_up),
        cmocka_unit_test(test_claims_without_end_hold_nothing_up),
        cmocka_unit_test(test_zone_without_authors_is_said_until_one_can_sign),
        cmocka_unit_test(test_order_or_policy_ends_the_pause_after_divergence),
        cmocka_unit_test(test_author_that_splits_the_votes_is_left_out),
        cmocka_unit_test(test_authors_take_turns_while_votes_of_a_liar_differ),
        cmocka_unit_test(test_hold_of_one_liar_is_not_proposed_again),
        cmocka_unit_test(test_term_of_one_liar_does_not_count),
        cmocka_unit_test(test_as_few_as_may_lie_are_called_back),
        cmocka_unit_test(test_stray_is_called_back_when_those_left_cannot_vote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
