/* Goal: a leader asks for its term, leads in it, moves its lead and gives way as L1-L3 say. Method: a leader alone, fed with
 * reports of three sites made by hand; what it sends is looked at. */
#include "leader_hand.h"

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

/* R8: a branch of an emergency leads in terms of its own. */
static void test_terms_of_another_epoch_are_not_taken_over(void **state)
{
    (void)state;
    for (unsigned is_ahead = 0; is_ahead < 2; is_ahead++) {
        struct hand *hand = make_hand();
        hand->is_ahead[0] = is_ahead == 1;
        hand->promised[0] = (struct csn_term){.counter = 70, .coordinator = 2};
        run(hand, 3000);
        assert_int_equal(last_lead(hand).epoch, 1);
        assert_int_equal(last_lead(hand).term.counter, is_ahead == 1 ? 1 : 71);
        drop_hand(hand);
    }
}

/* R8: it may have entered an emergency, whose rounds are above all of this epoch. What it promised counts. */
static void test_no_term_is_taken_from_the_floor_of_a_sealed_site(void **state)
{
    (void)state;
    for (unsigned is_sealed = 0; is_sealed < 2; is_sealed++) {
        struct hand *hand = make_hand();
        hand->is_sealed[0] = is_sealed == 1;
        hand->promised[0] = (struct csn_term){.counter = 7, .coordinator = 2};
        hand->rows[0].floor.round = (struct csn_round){.term = {.counter = 900, .coordinator = 1}, .seq = 3};
        run(hand, 3000);
        assert_int_equal(last_lead(hand).term.counter, is_sealed == 1 ? 8 : 901);
        drop_hand(hand);
    }
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

/* One that lies (f = 1) cannot drive the term away, nor up to the end of its numbers. */
static void test_term_of_one_liar_does_not_count(void **state)
{
    (void)state;
    struct hand *hand = make_hand_beside_a_liar();
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
    struct hand *hand = make_hand_beside_a_liar();
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].input_count = 0; /* nothing to propose: it has time */
    }
    elect(hand);
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
    struct hand *hand = make_hand_beside_a_liar();
    struct csn_body_proposal body;
    hand->rows[0].hsm = hand->rows[2].hsm = CSN_HSM_BAD; /* site 2 alone authors: the round goes on without the others */
    elect(hand);
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

/* One that asks: a halted site promises too, and with it there are q, but only the one that follows another can make them q that
 * vote. As few as may lie are outbid when they were waited for, more at once. */
static void test_stray_is_outbid_when_those_left_cannot_vote(void **state)
{
    (void)state;
    for (unsigned faults = 0; faults <= 1; faults++) {
        struct hand *hand = faults == 0 ? make_hand() : make_hand_beside_a_liar();
        hand->is_silent[2] = true;
        hand->is_halted[0] = true;
        run(hand, 1000);
        struct csn_term old = last_lead(hand).term;
        assert_int_equal(last_lead(hand).state, CSN_LEAD_ASKS);
        hand->is_silent[2] = false;
        hand->promised[2] = (struct csn_term){.counter = old.counter + 1, .coordinator = 2};
        run(hand, 250);
        hand->promised[0] = hand->promised[1] = old;
        run(hand, CSN_CALL_BACK_MS / 2);
        assert_int_equal(last_lead(hand).term.counter, faults == 0 ? old.counter + 2 : old.counter);
        run(hand, CSN_CALL_BACK_MS);
        assert_int_equal(last_lead(hand).state, CSN_LEAD_ASKS);
        assert_int_equal(last_lead(hand).term.counter, old.counter + 2);
        promise_all(hand);
        run(hand, 1000);
        assert_int_equal(last_lead(hand).state, CSN_LEAD_LEADS);
        drop_hand(hand);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leader_asks_only_after_a_quorum_of_reports),
        cmocka_unit_test(test_terms_of_another_epoch_are_not_taken_over),
        cmocka_unit_test(test_no_term_is_taken_from_the_floor_of_a_sealed_site),
        cmocka_unit_test(test_promise_of_a_halted_site_counts_where_too_few_can_vote),
        cmocka_unit_test(test_leader_leads_after_a_quorum_of_promises),
        cmocka_unit_test(test_leader_gives_way_to_a_higher_term_and_asks_again),
        cmocka_unit_test(test_leader_followed_by_a_quorum_leads_on_and_calls_back),
        cmocka_unit_test(test_leader_asks_again_when_its_term_has_rounds_it_never_proposed),
        cmocka_unit_test(test_leader_without_quorum_resigns_and_rests),
        cmocka_unit_test(test_lead_moves_when_its_site_is_behind),
        cmocka_unit_test(test_term_of_one_liar_does_not_count),
        cmocka_unit_test(test_as_few_as_may_lie_are_called_back),
        cmocka_unit_test(test_stray_is_called_back_when_those_left_cannot_vote),
        cmocka_unit_test(test_stray_is_outbid_when_those_left_cannot_vote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
