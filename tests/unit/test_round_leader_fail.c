/* Goal: rounds that fail cost little and put the blame where it belongs. Method: a leader alone, fed by hand with refusals and
 * votes that differ; what it proposes next is looked at. */
#include "leader_hand.h"

#include "round/tests.h"

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

/* Nor does it wait for bytes that one site which may lie says it has (f = 1). */
static void test_vote_of_one_liar_does_not_stand_for_an_authors_bytes(void **state)
{
    (void)state;
    struct hand *hand = make_hand_beside_a_liar();
    struct csn_proposal proposal = {0};
    struct csn_buf octets = {0};
    elect(hand);
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
    struct hand *hand = make_hand_beside_a_liar();
    struct csn_proposal proposal = {0};
    uint16_t seen = 0;
    elect(hand);
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
    struct hand *hand = make_hand_beside_a_liar();
    struct csn_proposal proposal = {0};
    elect(hand);
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
        const struct csn_effect *effect = hand->effects.items[i];
        struct csn_body_proposal body;
        if (effect->kind == CSN_EFFECT_SEND && effect->send.kind == CSN_STATEMENT_PROPOSAL) {
            assert_int_equal(csn_body_proposal_decode(effect->send.body, &body), CSN_OK);
            csn_proposal_hash(&body.proposal, &asked);
            assert_false(csn_digest_equal(&asked, &hash));
        }
    }
    drop_hand(hand);
}

/* Who is no member authors nothing, whatever one that lies says it voted for (f = 0: one hold is enough to be proposed again). */
static void test_hold_with_a_strange_author_is_malformed(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = {0};
    run(hand, 500);
    promise_all(hand);
    next_fresh(hand, &proposal);
    struct csn_proposal made_up = proposal;
    made_up.author_count = 2;
    made_up.authors[0] = 1;
    made_up.authors[1] = 999;
    hold(hand, &made_up, 3, 1);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        refuse(hand, i, &proposal, CSN_TEST_POLICY_HERE);
    }
    run(hand, 5000);
    next_fresh(hand, &proposal);
    drop_hand(hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals_of_a_quorum_for_the_clock_end_the_term),
        cmocka_unit_test(test_failed_rounds_back_off_then_end_the_term),
        cmocka_unit_test(test_refusals_for_policy_do_not_end_the_term),
        cmocka_unit_test(test_round_ends_soon_after_an_author_follows_another),
        cmocka_unit_test(test_round_ends_soon_after_an_author_halts),
        cmocka_unit_test(test_vote_of_one_liar_does_not_stand_for_an_authors_bytes),
        cmocka_unit_test(test_order_or_policy_ends_the_pause_after_divergence),
        cmocka_unit_test(test_author_that_splits_the_votes_is_left_out),
        cmocka_unit_test(test_authors_take_turns_while_votes_of_a_liar_differ),
        cmocka_unit_test(test_hold_of_one_liar_is_not_proposed_again),
        cmocka_unit_test(test_hold_with_a_strange_author_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
