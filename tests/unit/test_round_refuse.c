/* Goal: one node refuses what it must, with the rule and both values, and takes an input only from
 * sites enough (R2, R3). Method: a node alone, fed by hand; the effects of each step are looked at. */
#include "round/node.h"

#include "round/tests.h"
#include "round_hand.h"

/* Each way a proposal can be wrong, and what it is refused for (R2). */
static void test_proposal_is_refused_with_rule_and_values(void **state)
{
    (void)state;
    enum { AGE, AHEAD, FORM, STRANGER, POLICY, KEYSET, EPOCH, ROWS };
    static const uint8_t wanted[ROWS] = {CSN_TEST_AGE,  CSN_TEST_CLOCK,       CSN_TEST_FORM,
                                         CSN_TEST_FORM, CSN_TEST_POLICY_HERE, CSN_TEST_KEYSET_HERE,
                                         CSN_TEST_EPOCH};
    struct hand *hand = make_hand();
    for (uint32_t i = 0; i < ROWS; i++) {
        struct csn_proposal proposal = proposal_of(hand, 1 + i);
        struct csn_body_refused refused;
        proposal.time_s -= i == AGE ? 1801 : 0;
        proposal.time_s += i == AHEAD ? 61 : 0;
        proposal.schedule_s = i == AGE ? proposal.time_s : proposal.schedule_s + (i == FORM);
        proposal.authors[0] = i == STRANGER ? 9 : 2;
        proposal.policy.number += i == POLICY;
        proposal.keyset.number += i == KEYSET;
        proposal.epoch += i == EPOCH;
        propose(hand, &proposal, 5, 1 + i);
        const struct csn_effect *sent = find_sent(hand, CSN_STATEMENT_REFUSED);
        assert_non_null(sent);
        assert_int_equal(csn_body_refused_decode(sent->send.body, &refused), CSN_OK);
        assert_int_equal(refused.rule, CSN_RULE_R2);
        assert_int_equal(refused.test, wanted[i]);
        propose(hand, &proposal, 5, 1 + i); /* the refusal may have been lost */
        assert_non_null(find_sent(hand, CSN_STATEMENT_REFUSED));
        assert_null(find(hand, CSN_EFFECT_COMPUTE));
    }
    drop_hand(hand);
}

static void say_refused(struct hand *hand, uint16_t site, const struct csn_proposal *proposal, uint64_t want)
{
    struct csn_body_refused refused = {
        .rule = CSN_RULE_R2, .test = CSN_TEST_POLICY_HERE, .want = csn_value_u64(want), .is = csn_value_u64(2)};
    struct csn_buf body = {0};
    csn_proposal_hash(proposal, &refused.hash);
    csn_body_refused_encode(&refused, &body);
    statement(hand, CSN_STATEMENT_REFUSED, site, csn_buf_view(&body));
    csn_buf_fini(&body);
}

/* For operators: the statement as it came, and once, however often it is said again. */
static void test_a_refusal_that_is_heard_is_told_once(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1), next = proposal_of(hand, 2);
    struct csn_body_refused told;
    propose(hand, &proposal, 5, 1);
    say_refused(hand, 2, &proposal, 1);
    const struct csn_effect *effect = find(hand, CSN_EFFECT_REFUSED);
    assert_non_null(effect);
    assert_int_equal(effect->refused.site, 2);
    assert_int_equal(effect->refused.incarnation, 1);
    assert_int_equal(effect->refused.round.seq, 1);
    assert_true(csn_name_equal(effect->zone, hand->world.zone.zone));
    assert_int_equal(csn_body_refused_decode(effect->refused.body, &told), CSN_OK);
    assert_int_equal(told.test, CSN_TEST_POLICY_HERE);
    say_refused(hand, 2, &proposal, 1);
    assert_null(find(hand, CSN_EFFECT_REFUSED));
    say_refused(hand, 2, &proposal, 3); /* other values are news */
    assert_non_null(find(hand, CSN_EFFECT_REFUSED));
    say_refused(hand, 3, &next, 7); /* of a proposal that has not come here yet */
    assert_null(find(hand, CSN_EFFECT_REFUSED));
    propose(hand, &next, 5, 2);
    effect = find(hand, CSN_EFFECT_REFUSED);
    assert_non_null(effect);
    assert_int_equal(effect->refused.site, 3);
    assert_int_equal(effect->refused.round.seq, 2);
    assert_int_equal(csn_body_refused_decode(effect->refused.body, &told), CSN_OK);
    assert_int_equal(csn_get_u64(told.want.octets), 7);
    say_refused(hand, 3, &next, 7);
    assert_null(find(hand, CSN_EFFECT_REFUSED));
    say_refused(hand, 2, &next, 3);
    assert_non_null(find(hand, CSN_EFFECT_REFUSED));
    drop_hand(hand);
}

static void confirm(struct hand *hand, uint16_t site, const struct csn_input_id *input)
{
    hear(hand, site, 1, (struct csn_round){0}, input);
}

static void test_missing_input_is_fetched_then_refused(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    proposal.input = world_input(2, 'a');
    confirm(hand, 2, &proposal.input);
    confirm(hand, 3, &proposal.input);
    propose(hand, &proposal, 5, 1);
    for (unsigned i = 0; i < CSN_FETCH_TRIES; i++) {
        const struct csn_effect *fetch = find(hand, CSN_EFFECT_FETCH);
        assert_non_null(fetch);
        assert_int_equal(fetch->fetch.object, CSN_OBJECT_INPUT);
        struct csn_event fetched = event_of(hand, CSN_EVENT_FETCHED);
        fetched.corr = fetch->corr;
        fetched.code = CSN_ENOTFOUND;
        step(hand, &fetched);
        if (i + 1 < CSN_FETCH_TRIES) {
            assert_null(find_sent(hand, CSN_STATEMENT_REFUSED));
            hand->now_ms += CSN_REPEAT_MS;
            struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
            step(hand, &tick);
        }
    }
    assert_non_null(find_sent(hand, CSN_STATEMENT_REFUSED));
    drop_hand(hand);
}

/* What one site alone says it has read is not taken: no gate of this site has seen it. */
static void test_input_of_one_site_alone_is_not_taken(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    proposal.input = world_input(2, 'a');
    confirm(hand, 2, &proposal.input);
    propose(hand, &proposal, 5, 1);
    assert_null(find(hand, CSN_EFFECT_FETCH));
    assert_null(find_sent(hand, CSN_STATEMENT_REFUSED));
    hand->now_ms += CSN_REPORT_IDLE_MS;
    struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
    step(hand, &tick);
    assert_null(find(hand, CSN_EFFECT_FETCH));
    assert_non_null(find_sent(hand, CSN_STATEMENT_REFUSED));
    drop_hand(hand);
}

/* A vote stands for it where no site lies (f = 0): its voter can follow no other. */
static void test_input_that_a_site_voted_for_is_fetched(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal voted = proposal_of(hand, 1), proposal = proposal_of(hand, 2);
    voted.input = proposal.input = world_input(2, 'a');
    struct csn_body_held held = held_of(&voted, 0x77);
    struct csn_buf body = {0};
    csn_body_held_encode(&held, &body);
    statement(hand, CSN_STATEMENT_HELD, 2, csn_buf_view(&body));
    csn_buf_fini(&body);
    propose(hand, &proposal, 5, 2);
    assert_non_null(find(hand, CSN_EFFECT_FETCH));
    drop_hand(hand);
}

/* L4 from the node's side: whoever names an old parent is told the newest certificate. */
static void test_old_parent_is_refused_and_answered_with_the_certificate(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal certified = proposal_of(hand, 1), next = proposal_of(hand, 2);
    struct csn_body_held held = held_of(&certified, 0x77);
    struct csn_body_refused refused;
    certificate(hand, &held);
    propose(hand, &next, 5, 2);
    const struct csn_effect *sent = find_sent(hand, CSN_STATEMENT_REFUSED);
    assert_non_null(sent);
    assert_int_equal(csn_body_refused_decode(sent->send.body, &refused), CSN_OK);
    assert_int_equal(refused.test, CSN_TEST_PARENT);
    assert_memory_equal(&refused.newest.full_root, &held.full_root, CSN_DIGEST_SIZE);
    assert_non_null(find(hand, CSN_EFFECT_CERTIFICATE));
    drop_hand(hand);
}

/* Eight lone votes must not wedge a zone, nor may they grow fast. */
static void test_with_many_holds_one_fresh_proposal_a_minute_is_accepted(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_refused refused;
    uint32_t seq = 1;
    for (; seq <= CSN_HOLDS_MANY + 1; seq++) {
        struct csn_proposal proposal = proposal_of(hand, seq);
        persisted(hand, work_to_vote(hand, &proposal, seq), CSN_OK);
    }
    struct csn_proposal proposal = proposal_of(hand, seq);
    propose(hand, &proposal, 5, seq);
    const struct csn_effect *sent = find_sent(hand, CSN_STATEMENT_REFUSED);
    assert_non_null(sent);
    assert_int_equal(csn_body_refused_decode(sent->send.body, &refused), CSN_OK);
    assert_int_equal(refused.test, CSN_TEST_HOLDS);
    hand->now_ms += 60000;
    proposal = proposal_of(hand, seq + 1);
    propose(hand, &proposal, 5, seq + 1); /* one that comes to no vote costs no minute: */
    assert_non_null(find(hand, CSN_EFFECT_COMPUTE));
    proposal = proposal_of(hand, seq + 2);
    persisted(hand, work_to_vote(hand, &proposal, seq + 2), CSN_OK); /* sites would each have their own */
    proposal = proposal_of(hand, seq + 3);
    propose(hand, &proposal, 5, seq + 3);
    assert_non_null(find_sent(hand, CSN_STATEMENT_REFUSED));
    drop_hand(hand);
}

static void test_round_from_the_future_is_dropped(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    proposal.round.term.counter = 6;
    propose(hand, &proposal, 5, 1);
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_MALFORMED);
    drop_hand(hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proposal_is_refused_with_rule_and_values),
        cmocka_unit_test(test_a_refusal_that_is_heard_is_told_once),
        cmocka_unit_test(test_missing_input_is_fetched_then_refused),
        cmocka_unit_test(test_input_of_one_site_alone_is_not_taken),
        cmocka_unit_test(test_input_that_a_site_voted_for_is_fetched),
        cmocka_unit_test(test_old_parent_is_refused_and_answered_with_the_certificate),
        cmocka_unit_test(test_with_many_holds_one_fresh_proposal_a_minute_is_accepted),
        cmocka_unit_test(test_round_from_the_future_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
