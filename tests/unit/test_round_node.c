/* Goal: one node keeps its promises step by step: nothing leaves before it is durable, wrong
 * leaders and old sendings are not followed, what was held is said again. Method: a node alone, fed
 * by hand; the effects of each step are looked at. */
#include "round/node.h"

#include "round_hand.h"

/* What STAGE is to yield, when site 3 holds the round for full root 7 before the author's bytes are here; 0: anything. */
static uint8_t expected_beside(uint8_t faults)
{
    struct hand *hand = make_hand_beside_liars(faults);
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_body_held held = held_of(&proposal, 7);
    struct csn_digest hash;
    csn_proposal_hash(&proposal, &hash);
    propose(hand, &proposal, 5, 1);
    struct csn_event computed = event_of(hand, CSN_EVENT_COMPUTED);
    computed.corr = find(hand, CSN_EFFECT_COMPUTE)->corr;
    computed.computed = some_roots(9);
    step(hand, &computed);
    struct csn_event fetched = event_of(hand, CSN_EVENT_FETCHED);
    say_held(hand, 3, &held);
    const struct csn_effect *fetch = find(hand, CSN_EFFECT_FETCH);
    fetched.corr = fetch != NULL ? fetch->corr : 0;
    say_offer(hand, 2, &hash);
    fetch = find(hand, CSN_EFFECT_FETCH);
    fetched.corr = fetch != NULL ? fetch->corr : fetched.corr;
    step(hand, &fetched);
    uint8_t octet = find(hand, CSN_EFFECT_STAGE)->work.full_root.octets[0];
    drop_hand(hand);
    return octet;
}

/* Were it believed, one liar's vote would have each honest site refuse its own right bytes. */
static void test_bytes_are_expected_only_where_more_sites_say_so_than_may_lie(void **state)
{
    (void)state;
    assert_int_equal(expected_beside(1), 0);
    assert_int_equal(expected_beside(0), 7);
}

static void test_held_leaves_only_when_it_is_durable(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    uint64_t id = work_to_vote(hand, &proposal, 1);
    for (unsigned i = 0; i < 100; i++) { /* however long the disk takes */
        hand->now_ms += CSN_TICK_MS;
        struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
        step(hand, &tick);
        assert_null(find_sent(hand, CSN_STATEMENT_HELD));
    }
    persisted(hand, id, CSN_OK);
    assert_non_null(find_sent(hand, CSN_STATEMENT_HELD));
    drop_hand(hand);
}

static void test_failed_write_halts_and_nothing_leaves(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_node_status status;
    persisted(hand, work_to_vote(hand, &proposal, 1), CSN_EMISMATCH);
    assert_null(find_sent(hand, CSN_STATEMENT_HELD));
    csn_node_get_status(hand->node, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.halt, CSN_HALT_PERSIST);
    hand->now_ms += 10000;
    struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
    step(hand, &tick);
    assert_int_equal(hand->effects.count, 0);
    drop_hand(hand);
}

static void test_held_round_is_answered_without_work(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    persisted(hand, work_to_vote(hand, &proposal, 1), CSN_OK);
    hand->now_ms += 100;
    propose(hand, &proposal, 5, 2);
    assert_non_null(find_sent(hand, CSN_STATEMENT_HELD));
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    /* Another body for the round: the same answer. */
    proposal.serial++;
    propose(hand, &proposal, 5, 3);
    assert_non_null(find_sent(hand, CSN_STATEMENT_HELD));
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    drop_hand(hand);
}

static void test_proposals_of_other_terms_and_old_sendings_are_not_followed(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 4), older = proposal_of(hand, 3);
    propose(hand, &proposal, 4, 9);
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    propose(hand, &proposal, 6, 1);
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    propose(hand, &proposal, 5, 4);
    uint64_t corr = find(hand, CSN_EFFECT_COMPUTE)->corr;
    propose(hand, &older, 5, 3);
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    propose(hand, &proposal, 5, 5); /* sent again: the work goes on */
    assert_null(find(hand, CSN_EFFECT_CANCEL));
    struct csn_proposal next = proposal_of(hand, 6);
    propose(hand, &next, 5, 6); /* displaced: its completion comes too late */
    assert_int_equal(find(hand, CSN_EFFECT_CANCEL)->corr, corr);
    struct csn_event computed = event_of(hand, CSN_EVENT_COMPUTED);
    computed.corr = corr;
    step(hand, &computed);
    assert_null(find_sent(hand, CSN_STATEMENT_COMPUTED));
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_STALE_COMPLETION);
    drop_hand(hand);
}

/* The step of terms is bounded, or one statement would use them all up. */
static void test_term_far_above_is_not_promised(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_lead lead = {.epoch = hand->world.cluster.epoch, .seq = 1, .state = CSN_LEAD_ASKS};
    struct csn_node_status status;
    hand->now_ms += 60000;
    for (unsigned i = 0; i < 2; i++) {
        struct csn_buf body = {0};
        csn_node_get_status(hand->node, event_of(hand, CSN_EVENT_TICK).now, &status);
        lead.term = (struct csn_term){.counter = status.promised.counter + CSN_TERM_STEP_MAX + 1 - i,
                                      .coordinator = 1};
        csn_body_lead_encode(&lead, &body);
        statement(hand, CSN_STATEMENT_LEAD, 1, csn_buf_view(&body));
        csn_buf_fini(&body);
        assert_int_equal(find(hand, CSN_EFFECT_PERSIST) != NULL, i == 1);
    }
    drop_hand(hand);
}

/* R6, R8: by its terms a branch of an emergency would come above the other. */
static void test_term_of_another_epoch_is_not_promised(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    hand->now_ms += 60000;
    for (uint32_t epoch = hand->world.cluster.epoch + 1; epoch >= hand->world.cluster.epoch; epoch--) {
        struct csn_body_lead lead = {
            .epoch = epoch, .term = {.counter = 9, .coordinator = 1}, .seq = 1, .state = CSN_LEAD_ASKS};
        struct csn_buf body = {0};
        csn_body_lead_encode(&lead, &body);
        statement(hand, CSN_STATEMENT_LEAD, 1, csn_buf_view(&body));
        csn_buf_fini(&body);
        assert_int_equal(find(hand, CSN_EFFECT_PERSIST) != NULL, epoch == hand->world.cluster.epoch);
    }
    drop_hand(hand);
}

static void test_report_of_an_earlier_life_is_dropped_and_counted(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    const uint32_t boots[] = {5, 4, 5};
    const int counted[] = {-1, CSN_COUNT_OLD_BOOT, CSN_COUNT_OLD};
    for (size_t i = 0; i < 3; i++) {
        struct csn_body_report report = {.boot = boots[i], .seq = 1, .clock_s = 7, .state = CSN_NODE_OK};
        struct csn_peer_status peer;
        struct csn_buf body = {0};
        csn_body_report_encode(&report, &body);
        statement(hand, CSN_STATEMENT_REPORT, 2, csn_buf_view(&body));
        csn_buf_fini(&body);
        const struct csn_effect *count = find(hand, CSN_EFFECT_COUNT);
        assert_int_equal(count != NULL ? count->count : -1, counted[i]);
        assert_true(csn_node_get_peer(hand->node, 2, &peer));
        assert_int_equal(peer.boot, 5);
    }
    drop_hand(hand);
}

/* R3: COMPUTED of q sites before any HSM work. */
static void test_hsm_is_not_used_before_a_quorum_agrees(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_digest hash;
    struct csn_roots roots = some_roots(9), other = some_roots(8);
    proposal.authors[0] = 1;
    csn_proposal_hash(&proposal, &hash);
    propose(hand, &proposal, 5, 1);
    struct csn_event computed = event_of(hand, CSN_EVENT_COMPUTED);
    computed.corr = find(hand, CSN_EFFECT_COMPUTE)->corr;
    computed.computed = roots;
    step(hand, &computed);
    assert_null(find(hand, CSN_EFFECT_SIGN));
    say_computed(hand, 2, &hash, &other);
    assert_null(find(hand, CSN_EFFECT_SIGN));
    say_computed(hand, 3, &hash, &roots);
    const struct csn_effect *sign = find(hand, CSN_EFFECT_SIGN);
    assert_non_null(sign);
    struct csn_event is_signed = event_of(hand, CSN_EVENT_SIGNED);
    is_signed.corr = sign->corr;
    step(hand, &is_signed);
    assert_non_null(find_sent(hand, CSN_STATEMENT_OFFER));
    assert_non_null(find(hand, CSN_EFFECT_STAGE));
    drop_hand(hand);
}

static void test_own_vote_that_the_store_does_not_know_halts(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_body_held held = held_of(&proposal, 0x77);
    struct csn_node_status status;
    say_held(hand, 1, &held);
    csn_node_get_status(hand->node, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.halt, CSN_HALT_AMNESIA);
    propose(hand, &proposal, 5, 2);
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    drop_hand(hand);
}

/* R6: while the promised leader is heard, nobody else is promised; then the lower number first. */
static void test_promise_waits_for_silence(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    for (uint32_t i = 0; i < 10; i++) {
        hand->now_ms += 500;
        lead(hand, 1, 5, 10 + i, CSN_LEAD_LEADS);
        lead(hand, 2, 9, 10 + i, CSN_LEAD_ASKS);
        assert_null(find(hand, CSN_EFFECT_PERSIST));
    }
    hand->now_ms += CSN_ELECTION_MS + 2 * CSN_ELECTION_STEP_MS - 1;
    lead(hand, 2, 9, 30, CSN_LEAD_ASKS);
    assert_null(find(hand, CSN_EFFECT_PERSIST));
    hand->now_ms += 1;
    lead(hand, 2, 9, 31,
         CSN_LEAD_LEADS); /* a heartbeat is a request too: it may have been missed */
    assert_non_null(find(hand, CSN_EFFECT_PERSIST));
    lead(hand, 1, 5, 99, CSN_LEAD_LEADS); /* the old one is not heard any more */
    hand->now_ms += 100;
    lead(hand, 2, 9, 33, CSN_LEAD_RESIGNED);
    lead(hand, 1, 10, 1, CSN_LEAD_ASKS); /* resigned: at once */
    assert_non_null(find(hand, CSN_EFFECT_PERSIST));
    drop_hand(hand);
}

static void test_strangers_and_malformed_are_counted(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    statement(hand, CSN_STATEMENT_COMPUTED, 9, csn_bytes("x", 1));
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_STRANGER);
    statement(hand, CSN_STATEMENT_LEAD, 9, csn_bytes("x", 1));
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_STRANGER);
    for (int kind = CSN_STATEMENT_PROPOSAL; kind <= CSN_STATEMENT_PROMISE; kind++) {
        statement(hand, (enum csn_statement_kind)kind, 2, csn_bytes("x", 1));
        assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_MALFORMED);
    }
    statement(hand, (enum csn_statement_kind)77, 2, csn_bytes("x", 1));
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_MALFORMED);
    struct csn_proposal proposal = proposal_of(hand, 1);
    proposal.cluster[0] ^= 1;
    propose(hand, &proposal, 5, 1);
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_OTHER_CLUSTER);
    proposal = proposal_of(hand, 1);
    proposal.zone[1] = 'x';
    propose(hand, &proposal, 5, 1);
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_UNKNOWN_ZONE);
    drop_hand(hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_expected_only_where_more_sites_say_so_than_may_lie),
        cmocka_unit_test(test_held_leaves_only_when_it_is_durable),
        cmocka_unit_test(test_failed_write_halts_and_nothing_leaves),
        cmocka_unit_test(test_held_round_is_answered_without_work),
        cmocka_unit_test(test_proposals_of_other_terms_and_old_sendings_are_not_followed),
        cmocka_unit_test(test_term_far_above_is_not_promised),
        cmocka_unit_test(test_term_of_another_epoch_is_not_promised),
        cmocka_unit_test(test_report_of_an_earlier_life_is_dropped_and_counted),
        cmocka_unit_test(test_hsm_is_not_used_before_a_quorum_agrees),
        cmocka_unit_test(test_own_vote_that_the_store_does_not_know_halts),
        cmocka_unit_test(test_promise_waits_for_silence),
        cmocka_unit_test(test_strangers_and_malformed_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
