/* Goal: one node adopts what was certified step by step (R5), knows when it is behind, and stands by
 * its own votes. Method: a node alone, fed by hand; the effects of each step are looked at. */
#include "round/node.h"

#include "round_hand.h"

/* R5: fetched by full root, checked, written, and only then served. */
static void test_certificate_is_adopted_step_by_step(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal certified = proposal_of(hand, 1);
    struct csn_body_held held = held_of(&certified, 0x77);
    certificate(hand, &held);
    const struct csn_effect *fetch = find(hand, CSN_EFFECT_FETCH);
    uint64_t note = find(hand, CSN_EFFECT_PERSIST)->persist.id;
    assert_int_equal(fetch->fetch.object, CSN_OBJECT_VERSION);
    struct csn_event fetched = event_of(hand, CSN_EVENT_FETCHED);
    fetched.corr = fetch->corr;
    step(hand, &fetched);
    struct csn_event released = event_of(hand, CSN_EVENT_RELEASED);
    released.corr = find(hand, CSN_EFFECT_RELEASE)->corr;
    persisted(hand, note, CSN_OK);
    step(hand, &released);
    assert_null(find(hand, CSN_EFFECT_SERVE));
    persisted(hand, find(hand, CSN_EFFECT_PERSIST)->persist.id, CSN_OK);
    assert_non_null(find(hand, CSN_EFFECT_SERVE));
    drop_hand(hand);
}

/* Serves what `held` certifies; its effects are the last step's. */
static void release(struct hand *hand, const struct csn_body_held *held)
{
    certificate(hand, held);
    uint64_t note = find(hand, CSN_EFFECT_PERSIST)->persist.id;
    struct csn_event fetched = event_of(hand, CSN_EVENT_FETCHED);
    fetched.corr = find(hand, CSN_EFFECT_FETCH)->corr;
    step(hand, &fetched);
    struct csn_event released = event_of(hand, CSN_EVENT_RELEASED);
    released.corr = find(hand, CSN_EFFECT_RELEASE)->corr;
    persisted(hand, note, CSN_OK);
    step(hand, &released);
    persisted(hand, find(hand, CSN_EFFECT_PERSIST)->persist.id, CSN_OK);
    assert_non_null(find(hand, CSN_EFFECT_SERVE));
}

static bool is_behind(const struct hand *hand)
{
    struct csn_node_zone_status status;
    csn_node_get_zone(hand->node, 0, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.is_behind, status.row.is_behind);
    return status.is_behind;
}

static void test_site_that_lacks_the_newest_release_is_behind_after_a_while(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal first = proposal_of(hand, 1), second = proposal_of(hand, 2);
    struct csn_body_held held = held_of(&first, 0x77);
    release(hand, &held);
    pass(hand, 400000);
    assert_false(is_behind(hand));
    held = held_of(&second, 0x78);
    certificate(hand, &held);
    pass(hand, 299000);
    assert_false(is_behind(hand));
    pass(hand, 2000);
    assert_true(is_behind(hand));
    drop_hand(hand);
}

/* Near its end an answer is given up only where another site has a later one. */
static void test_site_inside_the_fence_is_behind_where_another_has_later(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1), later = proposal_of(hand, 2);
    struct csn_body_held held = held_of(&proposal, 0x77);
    uint64_t fence_s = hand->world.zone.refresh_s / 4;
    held.earliest_expiry_s = event_of(hand, CSN_EVENT_TICK).now.wall_s + fence_s + 100;
    release(hand, &held);
    hear(hand, 2, 1, later.round, NULL);
    assert_false(is_behind(hand));
    pass(hand, 101000);
    assert_false(is_behind(hand)); /* the other one is silent */
    hear(hand, 2, 2, proposal.round, NULL);
    assert_false(is_behind(hand)); /* it has the same */
    hear(hand, 2, 3, later.round, NULL);
    assert_true(is_behind(hand));
    drop_hand(hand);
}

/* Two equal votes of others are a certificate (L6); votes for other bytes are not. */
static void test_node_assembles_a_certificate_from_equal_votes_only(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_body_held held = held_of(&proposal, 0x77), other = held_of(&proposal, 0x78);
    say_held(hand, 2, &held);
    say_held(hand, 3, &other);
    assert_null(find(hand, CSN_EFFECT_CERTIFICATE));
    say_held(hand, 2, &held);
    assert_null(find(hand, CSN_EFFECT_CERTIFICATE)); /* twice the same site */
    say_held(hand, 3, &held);
    assert_non_null(find(hand, CSN_EFFECT_CERTIFICATE));
    drop_hand(hand);
}

/* A certificate above an own lone vote does not take its serial back (a model found that it must
 * not). */
static void test_certificate_does_not_lower_the_floor_below_an_own_vote(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_node_zone_status status;
    struct csn_proposal lone = proposal_of(hand, 1), later = proposal_of(hand, 2);
    lone.serial = 500;
    persisted(hand, work_to_vote(hand, &lone, 1), CSN_OK);
    struct csn_body_held held = held_of(&later, 0x77);
    certificate(hand, &held);
    csn_node_get_zone(hand->node, 0, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.row.floor.round.seq, 2);
    assert_int_equal(status.row.floor.serial, 500);
    drop_hand(hand);
}

/* A certificate with this site's vote in it says the same (its own HELD may never be heard again).
 */
static void test_certificate_with_an_own_vote_that_the_store_does_not_know_halts(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_body_held held = held_of(&proposal, 0x77);
    struct csn_node_status status;
    certificate_of(hand, &held, 1, 2);
    csn_node_get_status(hand->node, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.halt, CSN_HALT_AMNESIA);
    assert_non_null(find(hand, CSN_EFFECT_FETCH)); /* it adopts all the same */
    drop_hand(hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate_is_adopted_step_by_step),
        cmocka_unit_test(test_site_that_lacks_the_newest_release_is_behind_after_a_while),
        cmocka_unit_test(test_site_inside_the_fence_is_behind_where_another_has_later),
        cmocka_unit_test(test_node_assembles_a_certificate_from_equal_votes_only),
        cmocka_unit_test(test_certificate_does_not_lower_the_floor_below_an_own_vote),
        cmocka_unit_test(test_certificate_with_an_own_vote_that_the_store_does_not_know_halts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
