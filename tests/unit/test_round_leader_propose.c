/* Goal: what a leader proposes is what reports and certificates bear out, and no one site drags the others along. Method: a
 * leader alone, fed by hand; its proposals are looked at. */
#include "leader_hand.h"

#include "round/tests.h"

static void test_fresh_proposal_is_built_from_the_floors(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    hand->rows[0].floor.has_serial = true;
    hand->rows[0].floor.serial = 4000000000u - 1;
    hand->world.zone.serial_rule = CSN_SERIAL_COUNTER;
    renew_leader(hand);
    hand->rows[1].floor.time_s = WORLD_START_S + hand->now_ms / 1000 + 40;
    hand->rows[1].floor.schedule_s = 77;
    hand->clock_ahead_s[0] = -5;
    hand->clock_ahead_s[2] = 20;
    hand->rows[2].hsm = CSN_HSM_BAD;
    first_proposal(hand, &body);
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
    struct csn_term own = last_lead(hand).term;
    assert_true(last_proposal(hand, &body));
    certify(hand, &body.proposal);
    csn_effects_clear(&hand->effects);
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
    first_proposal(hand, &body);
    *newest = body.proposal;
    newest->serial = unixtime + 100;
    struct csn_event event = event_of(hand, CSN_EVENT_CERTIFICATE);
    event.certificate.certificate = &certificate;
    csn_leader_step(hand->leader, &event, &hand->effects);
    csn_effects_clear(&hand->effects);
    confirm(hand, world_input(2, 'b'));
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
        1790000000u + 2 * CSN_SERIAL_FAR; /* a lone vote for a far serial */
    first_proposal(hand, &body);
    assert_true(body.proposal.serial < 1790000000u + CSN_SERIAL_FAR);
    assert_int_equal(body.proposal.author_count,
                     2); /* the far one would refuse, so it authors nothing */
    assert_int_equal(body.proposal.authors[0], 2);
    drop_hand(hand);
}

static enum csn_leader_alarm alarm_of(const struct hand *hand)
{
    struct csn_leader_zone_status status;
    csn_leader_get_zone(hand->leader, 0, &status);
    return status.alarm;
}

static void check_too_far(uint32_t live)
{
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    bool has_alarm = false;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].floor.has_serial =
            true; /* admitted with a live serial; unixtime is far above it */
        hand->rows[i].floor.serial = live;
    }
    first_proposal(hand, &body);
    assert_int_equal(body.proposal.serial, live + 1);
    for (size_t i = 0; i < hand->effects.count; i++) {
        const struct csn_effect *effect = hand->effects.items[i];
        has_alarm = has_alarm || (effect->kind == CSN_EFFECT_TRACE &&
                                  effect->trace.what == CSN_TRACE_SERIAL_JUMP);
    }
    assert_true(has_alarm);
    assert_int_equal(alarm_of(hand), CSN_ALARM_SERIAL_JUMP);
    drop_hand(hand);
}

/* However far: an emergency may step there too, which begins less far from here (R8). */
static void test_policy_serial_that_is_too_far_is_not_taken(void **state)
{
    (void)state;
    check_too_far(2024);
    check_too_far((uint32_t)WORLD_START_S - CSN_EMERGENCY_SERIAL_STEP);
    check_too_far((uint32_t)WORLD_START_S - CSN_SERIAL_NEAR);
}

static void test_zone_without_authors_is_said_until_one_can_sign(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].hsm = CSN_HSM_BAD;
    }
    elect(hand);
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
    elect(hand);
    run(hand, 2000);
    assert_false(last_proposal(hand, &body));
    hand->rows[0].inputs[0] = hand->rows[1].inputs[0];
    run(hand, 1000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.input.serial, 2);
    drop_hand(hand);
}

/* As a node reports them: the newest three. */
static void confirm_newest(struct hand *hand, uint32_t serial)
{
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].input_count = CSN_ROW_INPUTS_MAX;
        for (uint32_t k = 0; k < CSN_ROW_INPUTS_MAX; k++) {
            hand->rows[i].inputs[k] = world_input(serial - k, 'a');
        }
    }
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
        confirm_newest(hand, serial);
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

/* A near one every site would let through: that q approved it is the leader's to count. */
static void test_a_near_serial_that_fewer_approved_is_no_reason_for_a_round(void **state)
{
    (void)state;
    static const struct {
        uint32_t from;
        struct csn_approved_serial approved[WORLD_SITES];
        uint32_t proposed; /* the same: nothing is */
    } rows[] = {{100, {{true, 900}, {false, 0}, {false, 0}}, 100},
                {100, {{false, 0}, {false, 0}, {true, 900}}, 100},
                {100, {{true, 900}, {true, 901}, {true, 902}}, 100},
                {UINT32_MAX, {{true, 0}, {false, 0}, {false, 0}}, UINT32_MAX},
                {100, {{true, 100}, {true, 100}, {true, 100}}, 100}, /* it is there already */
                {100, {{true, 900}, {false, 0}, {true, 900}}, 900},
                {100, {{true, 901}, {true, 900}, {true, 900}}, 900},
                {UINT32_MAX, {{true, 0}, {false, 0}, {true, 0}}, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_proposal released;
        struct csn_body_proposal body;
        struct hand *hand = make_released(rows[i].from, &released);
        for (unsigned k = 0; k < WORLD_SITES; k++) {
            hand->rows[k].approved = rows[i].approved[k];
        }
        run(hand, 3000);
        bool is_proposed = last_proposal(hand, &body);
        assert_int_equal(is_proposed ? body.proposal.serial : rows[i].from, rows[i].proposed);
        drop_hand(hand);
    }
}

/* Nobody can have approved a step from what was never released. */
static void test_before_the_first_release_no_serial_is_approved(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].approved = (struct csn_approved_serial){true, 77};
    }
    first_proposal(hand, &body);
    assert_int_not_equal(body.proposal.serial, 77);
    drop_hand(hand);
}

/* A site voted for what is a little beyond it. */
static void test_an_approved_serial_goes_beyond_the_floors(void **state)
{
    (void)state;
    struct csn_proposal released;
    struct csn_body_proposal body;
    struct hand *hand = make_released(2040010100, &released);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].approved = (struct csn_approved_serial){true, 2040011100};
        hand->rows[i].floor.serial = 2040011102;
    }
    run(hand, 3000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.serial, 2040011103);
    drop_hand(hand);
}

/* Policy's serial is as far as before, but no operator needs to be called. */
static void test_a_far_serial_is_no_alarm_once_it_is_approved(void **state)
{
    (void)state;
    struct csn_proposal released;
    struct csn_body_proposal body;
    struct hand *hand = make_released(2024, &released);
    confirm(hand, world_input(60, 'b'));
    run(hand, 3000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.serial, 2025);
    assert_int_equal(alarm_of(hand), CSN_ALARM_SERIAL_JUMP);
    certify(hand, &body.proposal);
    csn_effects_clear(&hand->effects);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].approved = (struct csn_approved_serial){true, UINT32_C(1) << 30};
    }
    run(hand, 3000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.serial, UINT32_C(1) << 30);
    assert_int_equal(alarm_of(hand), CSN_ALARM_NONE);
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
    confirm(hand, world_input(60, 'b'));
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
    confirm(hand, world_input(60, 'b'));
    run(hand, 10000);
    assert_true(last_proposal(hand, &body));
    assert_int_equal(body.proposal.serial, 2026112301);
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

/* All sites diverged once: they author again, or they would never have a round to agree in. */
static void test_diverged_sites_author_when_no_other_can(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_proposal body;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].diverged = CSN_CLASS_BIT_D;
    }
    first_proposal(hand, &body);
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
    elect(hand);
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
    elect(hand);
    for (unsigned i = 0; i < 10; i++) {
        hand->rows[0].newest.round.seq++;
        run(hand, 500);
    }
    assert_true(last_proposal(hand, &body));
    drop_hand(hand);
}

/* A site votes alone, again and again, for the last policy's serials that are taken and those after them. There is always one
 * more that is not too far for the other, which has not voted: while the third is away there is no set but these two. */
static void test_lone_votes_at_the_end_of_what_is_near_stop_nothing(void **state)
{
    (void)state;
    struct csn_proposal proposal;
    uint32_t certified = WORLD_START_S + 100 - CSN_SERIAL_NEAR + 30;
    struct hand *hand = make_released(certified, &proposal);
    hand->is_silent[2] = true;
    confirm(hand, world_input(2, 'b'));
    next_fresh(hand, &proposal);
    for (unsigned i = 0; i < 60; i++) {
        hand->rows[0].floor = csn_floor_of(&proposal);
        refuse(hand, 1, &proposal, CSN_TEST_HOLDS);
        next_fresh(hand, &proposal);
        assert_true(proposal.serial - certified < CSN_SERIAL_FAR);
    }
    assert_true(proposal.serial - certified >= CSN_SERIAL_NEAR);
    drop_hand(hand);
}

static unsigned certificates_said(const struct hand *hand)
{
    unsigned count = 0;
    for (size_t i = 0; i < hand->effects.count; i++) {
        count += hand->effects.items[i]->kind == CSN_EFFECT_CERTIFICATE;
    }
    return count;
}

/* The leader alone knows the parent, or too few do: it is said with the proposal and with each repetition, before any site has
 * found out that it is nowhere to be fetched. Where q know it, the others fetch it. */
static void test_parent_that_too_few_know_is_said_with_the_proposal(void **state)
{
    (void)state;
    for (unsigned knowing = 0; knowing <= WORLD_SITES; knowing++) {
        struct csn_proposal released;
        struct csn_body_proposal body;
        struct hand *hand = make_released(2040010100, &released);
        for (unsigned i = knowing; i < WORLD_SITES; i++) {
            hand->rows[i].newest = (struct csn_release){0};
            hand->rows[i].due_s = 0;
        }
        confirm(hand, (struct csn_input_id){.generation = 1, .serial = 900});
        csn_effects_clear(&hand->effects);
        run(hand, 3000);
        assert_true(last_proposal(hand, &body));
        assert_int_equal(csn_round_compare(body.proposal.parent.round, released.round), 0);
        assert_int_equal(certificates_said(hand) >= 2, knowing < 2);
        assert_int_equal(certificates_said(hand) == 0, knowing >= 2);
        drop_hand(hand);
    }
}

/* Its serial was approved, and that was withdrawn: who does not have it lets nothing after it through, and no refusal tells. */
static void test_parent_that_too_few_know_is_said_without_a_proposal(void **state)
{
    (void)state;
    struct csn_proposal released;
    struct csn_body_proposal body;
    struct hand *hand = make_released(2040010100, &released);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        hand->rows[i].floor.serial -= i > 0 ? CSN_SERIAL_FAR : 0;
        hand->rows[i].newest = (struct csn_release){0};
    }
    hand->is_silent[2] = true;
    confirm(hand, world_input(2, 'b'));
    run(hand, 10000);
    csn_effects_clear(&hand->effects);
    run(hand, 20000);
    assert_false(last_proposal(hand, &body));
    assert_int_equal(alarm_of(hand), CSN_ALARM_NO_AGREEABLE_SET);
    assert_true(certificates_said(hand) > 0);
    drop_hand(hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fresh_proposal_is_built_from_the_floors),
        cmocka_unit_test(test_unproven_floor_does_not_bind_the_others),
        cmocka_unit_test(test_what_one_site_claims_is_bounded),
        cmocka_unit_test(test_newest_certificate_counts_before_the_sites_report_it),
        cmocka_unit_test(test_site_with_a_far_serial_does_not_drag_the_others_along),
        cmocka_unit_test(test_policy_serial_that_is_too_far_is_not_taken),
        cmocka_unit_test(test_zone_without_authors_is_said_until_one_can_sign),
        cmocka_unit_test(test_input_that_one_site_confirms_is_not_proposed),
        cmocka_unit_test(test_inputs_that_come_during_a_round_are_one_round_more),
        cmocka_unit_test(test_a_serial_that_a_quorum_approved_is_proposed_at_once),
        cmocka_unit_test(test_a_near_serial_that_fewer_approved_is_no_reason_for_a_round),
        cmocka_unit_test(test_before_the_first_release_no_serial_is_approved),
        cmocka_unit_test(test_an_approved_serial_goes_beyond_the_floors),
        cmocka_unit_test(test_a_far_serial_is_no_alarm_once_it_is_approved),
        cmocka_unit_test(test_an_approved_serial_that_no_set_takes_holds_nothing_up),
        cmocka_unit_test(test_a_floor_from_before_the_numbers_went_round_is_left_aside),
        cmocka_unit_test(test_site_that_follows_another_authors_nothing),
        cmocka_unit_test(test_diverged_sites_author_when_no_other_can),
        cmocka_unit_test(test_claim_that_is_never_shown_holds_nothing_up),
        cmocka_unit_test(test_claims_without_end_hold_nothing_up),
        cmocka_unit_test(test_lone_votes_at_the_end_of_what_is_near_stop_nothing),
        cmocka_unit_test(test_parent_that_too_few_know_is_said_with_the_proposal),
        cmocka_unit_test(test_parent_that_too_few_know_is_said_without_a_proposal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
