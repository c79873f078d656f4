/* Goal: every test of R4 refuses what it is there for, and nothing else; floors rise and never
 * fall. Method: one case that passes; each row spoils one thing and names the test that must fail.
 */
#include "round/tests.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct csn_floor floor_value;
static struct csn_proposal proposal_value;

static struct csn_vote_case good_case(void)
{
    memset(&floor_value, 0, sizeof(floor_value));
    floor_value.round = (struct csn_round){.term = {.counter = 3, .coordinator = 1}, .seq = 7};
    floor_value.has_serial = true;
    floor_value.serial = 1000;
    floor_value.input.generation = 2;
    floor_value.input.serial = 50;
    memset(&floor_value.input.received, 1, CSN_DIGEST_SIZE);
    floor_value.time_s = 5000;
    floor_value.schedule_s = 4900;
    floor_value.policy.number = 4;
    memset(&floor_value.policy.digest, 2, CSN_DIGEST_SIZE);
    floor_value.keyset.number = 5;
    memset(&floor_value.keyset.digest, 3, CSN_DIGEST_SIZE);

    memset(&proposal_value, 0, sizeof(proposal_value));
    proposal_value.epoch = 1;
    proposal_value.round = (struct csn_round){.term = {.counter = 3, .coordinator = 1}, .seq = 8};
    proposal_value.serial = 1001;
    proposal_value.input = floor_value.input;
    proposal_value.time_s = 5000;
    proposal_value.schedule_s = 4900;
    proposal_value.policy = floor_value.policy;
    proposal_value.keyset = floor_value.keyset;
    return (struct csn_vote_case){.proposal = &proposal_value,
                                  .floor = &floor_value,
                                  .epoch = 1,
                                  .clock_s = 5010,
                                  .is_complete = true,
                                  .earliest_expiry_s = 6010,
                                  .margin_s = 1000};
}

typedef void spoil_fn(struct csn_vote_case *vote);
#define SPOIL(name, statement)                                                                     \
    static void spoil_##name(struct csn_vote_case *vote)                                           \
    {                                                                                              \
        (void)vote;                                                                                \
        statement;                                                                                 \
    }
SPOIL(nothing, )
SPOIL(epoch, proposal_value.epoch = 2)
SPOIL(epoch_digest, proposal_value.epoch_digest.octets[0] = 1)
SPOIL(sealed, vote->is_sealed = true)
SPOIL(halted, vote->is_halted = true)
SPOIL(held, vote->is_held = true)
SPOIL(same_round, proposal_value.round.seq = 7)
SPOIL(older_term, proposal_value.round.term.counter = 2)
SPOIL(later_round, proposal_value.round = ((struct csn_round){
                       .term = {.counter = 4, .coordinator = 1}, .seq = 1}))
SPOIL(same_serial, proposal_value.serial = 1000)
SPOIL(older_serial, proposal_value.serial = 999)
SPOIL(undefined_serial, proposal_value.serial = 1000 + (UINT32_C(1) << 31))
SPOIL(wrapped_serial, (floor_value.serial = UINT32_MAX, proposal_value.serial = 0))
SPOIL(first_serial, (floor_value.has_serial = false, proposal_value.serial = 3000000000u))
SPOIL(far_serial, proposal_value.serial = 1000 + CSN_SERIAL_FAR)
SPOIL(farthest_serial, proposal_value.serial = 1000 + CSN_SERIAL_FAR - 1)
SPOIL(older_input, proposal_value.input.serial = 49)
SPOIL(older_generation, (proposal_value.input.generation = 1, proposal_value.input.serial = 90))
SPOIL(newer_generation, (proposal_value.input.generation = 3, proposal_value.input.serial = 1))
SPOIL(undefined_input, proposal_value.input.serial = 50 + (UINT32_C(1) << 31))
SPOIL(other_input, proposal_value.input.received.octets[3] = 9)
SPOIL(newer_input, (proposal_value.input.serial = 51, proposal_value.input.received.octets[3] = 9))
static struct csn_emergency emergency = {.not_after_s = 5000};
SPOIL(emergency, vote->emergency = &emergency)
SPOIL(emergency_newer_input, (vote->emergency = &emergency, proposal_value.input.serial = 51))
SPOIL(emergency_over, (vote->emergency = &emergency, proposal_value.time_s = 5001))
SPOIL(older_time, proposal_value.time_s = 4999)
SPOIL(older_schedule, proposal_value.schedule_s = 4899)
SPOIL(older_policy, proposal_value.policy.number = 3)
SPOIL(other_policy, proposal_value.policy.digest.octets[0] = 9)
SPOIL(newer_policy, (proposal_value.policy.number = 5, proposal_value.policy.digest.octets[0] = 9))
SPOIL(older_keyset, proposal_value.keyset.number = 4)
SPOIL(other_keyset, proposal_value.keyset.digest.octets[0] = 9)
SPOIL(incomplete, vote->is_complete = false)
SPOIL(clock_behind, vote->clock_s = 4939)
SPOIL(clock_just_behind, (vote->clock_s = 4940))
SPOIL(expiring, vote->earliest_expiry_s = 6009)

static const struct {
    const char *name;
    spoil_fn *spoil;
    uint8_t test; /* 0: passes */
} rows[] = {
    {"nothing", spoil_nothing, 0},
    {"epoch", spoil_epoch, CSN_TEST_EPOCH},
    {"epoch digest", spoil_epoch_digest, CSN_TEST_EPOCH},
    {"sealed", spoil_sealed, CSN_TEST_SEALED},
    {"halted", spoil_halted, CSN_TEST_HALTED},
    {"operator's hold", spoil_held, CSN_TEST_OPERATOR_HOLD},
    {"same round", spoil_same_round, CSN_TEST_ROUND},
    {"older term", spoil_older_term, CSN_TEST_ROUND},
    {"later round", spoil_later_round, 0},
    {"same serial", spoil_same_serial, CSN_TEST_SERIAL},
    {"older serial", spoil_older_serial, CSN_TEST_SERIAL},
    {"undefined serial", spoil_undefined_serial, CSN_TEST_SERIAL},
    {"wrapped serial", spoil_wrapped_serial, 0},
    {"first serial", spoil_first_serial, 0},
    {"far serial", spoil_far_serial, CSN_TEST_SERIAL_STEP},
    {"farthest serial", spoil_farthest_serial, 0},
    {"older input", spoil_older_input, CSN_TEST_INPUT},
    {"older generation", spoil_older_generation, CSN_TEST_INPUT},
    {"newer generation", spoil_newer_generation, 0},
    {"undefined input", spoil_undefined_input, CSN_TEST_INPUT},
    {"other input", spoil_other_input, CSN_TEST_INPUT_SAME},
    {"newer input", spoil_newer_input, 0},
    {"emergency", spoil_emergency, 0},
    {"emergency, newer input", spoil_emergency_newer_input, CSN_TEST_REFRESH_ONLY},
    {"emergency is over", spoil_emergency_over, CSN_TEST_EMERGENCY_OVER},
    {"older T", spoil_older_time, CSN_TEST_TIME},
    {"older S", spoil_older_schedule, CSN_TEST_SCHEDULE},
    {"older policy", spoil_older_policy, CSN_TEST_POLICY},
    {"other policy", spoil_other_policy, CSN_TEST_POLICY_SAME},
    {"newer policy", spoil_newer_policy, 0},
    {"older key set", spoil_older_keyset, CSN_TEST_KEYSET},
    {"other key set", spoil_other_keyset, CSN_TEST_KEYSET_SAME},
    {"incomplete", spoil_incomplete, CSN_TEST_STAGED},
    {"clock behind", spoil_clock_behind, CSN_TEST_CLOCK},
    {"clock just behind", spoil_clock_just_behind, 0},
    {"expiring", spoil_expiring, CSN_TEST_EXPIRY},
};

static void test_vote_refuses_when_one_thing_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_value want = {0}, is = {0};
        struct csn_vote_case vote = good_case();
        rows[i].spoil(&vote);
        if (csn_vote_test(&vote, CSN_ASK_VOTE, &want, &is) != rows[i].test) {
            fail_msg("%s", rows[i].name);
        }
        assert_true(rows[i].test == 0 || csn_test_text(rows[i].test) != NULL);
    }
}

/* R2 asks all but what is known only when the version is staged; a leader asks only what a report
 * tells. */
static void test_proposal_and_leader_ask_fewer_tests(void **state)
{
    (void)state;
    struct csn_value want, is;
    struct csn_vote_case vote = good_case();
    vote.is_complete = false;
    vote.earliest_expiry_s = 0;
    assert_int_equal(csn_vote_test(&vote, CSN_ASK_PROPOSAL, &want, &is), 0);
    vote.is_held = true;
    assert_int_equal(csn_vote_test(&vote, CSN_ASK_PROPOSAL, &want, &is), CSN_TEST_OPERATOR_HOLD);
    assert_int_equal(csn_vote_test(&vote, CSN_ASK_LEADER, &want, &is), 0);
    proposal_value.serial = 1;
    assert_int_equal(csn_vote_test(&vote, CSN_ASK_LEADER, &want, &is), CSN_TEST_SERIAL);
    assert_int_equal(want.size, 8);
    assert_int_equal(csn_get_u64(want.octets), 1000);
    assert_int_equal(csn_get_u64(is.octets), 1);
}

/* R5: a certificate below an own hold must not take its serial back. */
static void test_floor_keeps_the_later_serial_when_it_adopts(void **state)
{
    (void)state;
    (void)good_case();
    struct csn_floor floor = floor_value;
    proposal_value.serial = 900;
    proposal_value.round.seq = 20;
    proposal_value.time_s = 4000;
    csn_floor_adopt(&floor, NULL, &proposal_value);
    assert_int_equal(floor.serial, 1000);
    assert_int_equal(floor.round.seq, 20);
    assert_int_equal(floor.time_s, 4000);
    proposal_value.serial = 1001;
    csn_floor_adopt(&floor, NULL, &proposal_value);
    assert_int_equal(floor.serial, 1001);
}

/* R5: what a zone was admitted with counts until the first release, and numbers may have gone round since. */
static void test_floor_without_a_round_takes_the_certified_serial(void **state)
{
    (void)state;
    (void)good_case();
    struct csn_floor floor = {.has_serial = true, .serial = 1000};
    proposal_value.serial = 900;
    csn_floor_adopt(&floor, NULL, &proposal_value);
    assert_int_equal(floor.serial, 900);
}

/* R5: where certified serials have gone round; a branch's, under another document, takes nothing back. */
static void test_floor_goes_round_with_what_is_certified(void **state)
{
    (void)state;
    (void)good_case();
    struct csn_floor floor = floor_value;
    struct csn_proposal before = proposal_value;
    before.serial = 900;
    proposal_value.serial = 5;
    before.epoch_digest.octets[0] ^= 1;
    csn_floor_adopt(&floor, &before, &proposal_value);
    assert_int_equal(floor.serial, 1000);
    before.epoch_digest = proposal_value.epoch_digest;
    csn_floor_adopt(&floor, &before, &proposal_value);
    assert_int_equal(floor.serial, 5);
}

static void test_floor_merge_takes_the_later_of_each_field(void **state)
{
    (void)state;
    (void)good_case();
    struct csn_floor floor = floor_value, other = floor_value;
    other.round.seq = 3;
    other.serial = 2000;
    other.input.serial = 60;
    other.time_s = 1;
    other.schedule_s = 4950;
    other.keyset.number = 9;
    csn_floor_merge(&floor, &other);
    assert_int_equal(floor.round.seq, 7);
    assert_int_equal(floor.serial, 2000);
    assert_int_equal(floor.input.serial, 60);
    assert_int_equal(floor.time_s, 5000);
    assert_int_equal(floor.schedule_s, 4950);
    assert_int_equal(floor.policy.number, 4);
    assert_int_equal(floor.keyset.number, 9);
}

static void test_margin_is_half_of_refresh_less_the_oldest_round(void **state)
{
    (void)state;
    struct csn_round_zone zone = {.refresh_s = 14 * 86400, .max_round_age_s = 1800};
    assert_int_equal(csn_margin_s(&zone), 7 * 86400 - 1800);
    zone.refresh_s = 3000;
    assert_int_equal(csn_margin_s(&zone), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vote_refuses_when_one_thing_is_wrong),
        cmocka_unit_test(test_proposal_and_leader_ask_fewer_tests),
        cmocka_unit_test(test_floor_keeps_the_later_serial_when_it_adopts),
        cmocka_unit_test(test_floor_without_a_round_takes_the_certified_serial),
        cmocka_unit_test(test_floor_goes_round_with_what_is_certified),
        cmocka_unit_test(test_floor_merge_takes_the_later_of_each_field),
        cmocka_unit_test(test_margin_is_half_of_refresh_less_the_oldest_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
