#include "round/tests.h"

#include <string.h>

#include "round/node.h"

/* What is kept of a zone, CSN_CERTIFICATES_KEPT at most, spans less than 2^31 without such a step. */
#define SERIAL_LEAP (UINT32_C(1) << 28)

struct csn_value csn_value_u64(uint64_t value)
{
    struct csn_value octets = {.size = 8};
    csn_set_u64(octets.octets, value);
    return octets;
}

struct csn_value csn_value_digest(const struct csn_digest *digest)
{
    struct csn_value octets = {.size = CSN_DIGEST_SIZE};
    memcpy(octets.octets, digest->octets, CSN_DIGEST_SIZE);
    return octets;
}

struct csn_value csn_value_round(struct csn_round round)
{
    struct csn_value octets = {.size = CSN_ROUND_SIZE};
    csn_round_encode(round, octets.octets);
    return octets;
}

/* Each returns whether the case passes, and says what was wanted and what is. */
typedef bool test_fn(const struct csn_vote_case *vote, struct csn_value *want,
                     struct csn_value *is);

static bool numbers(bool passes, uint64_t wanted, uint64_t given, struct csn_value *want,
                    struct csn_value *is)
{
    *want = csn_value_u64(wanted);
    *is = csn_value_u64(given);
    return passes;
}

static bool digests(bool passes, const struct csn_digest *wanted, const struct csn_digest *given,
                    struct csn_value *want, struct csn_value *is)
{
    *want = csn_value_digest(wanted);
    *is = csn_value_digest(given);
    return passes;
}

static bool test_epoch(const struct csn_vote_case *vote, struct csn_value *want,
                       struct csn_value *is)
{
    bool passes = vote->proposal->epoch == vote->epoch &&
                  csn_digest_equal(&vote->proposal->epoch_digest, &vote->epoch_digest);
    return numbers(passes, vote->epoch, vote->proposal->epoch, want, is);
}

static bool test_sealed(const struct csn_vote_case *vote, struct csn_value *want,
                        struct csn_value *is)
{
    return numbers(!vote->is_sealed, 0, vote->is_sealed, want, is);
}

static bool test_halted(const struct csn_vote_case *vote, struct csn_value *want,
                        struct csn_value *is)
{
    return numbers(!vote->is_halted, 0, vote->is_halted, want, is);
}

static bool test_operator_hold(const struct csn_vote_case *vote, struct csn_value *want,
                               struct csn_value *is)
{
    return numbers(!vote->is_held, 0, vote->is_held, want, is);
}

static bool test_round(const struct csn_vote_case *vote, struct csn_value *want,
                       struct csn_value *is)
{
    *want = csn_value_round(vote->floor->round);
    *is = csn_value_round(vote->proposal->round);
    return csn_round_compare(vote->proposal->round, vote->floor->round) > 0;
}

static bool test_serial(const struct csn_vote_case *vote, struct csn_value *want,
                        struct csn_value *is)
{
    bool passes = !vote->floor->has_serial ||
                  csn_serial_is_after(vote->proposal->serial, vote->floor->serial);
    return numbers(passes, vote->floor->serial, vote->proposal->serial, want, is);
}

/* Exactly the serial that was approved, or one of the next where rounds that failed have spent it. */
static bool is_approved(const struct csn_approved_serial *approved, uint32_t serial)
{
    return approved != NULL && approved->is_set &&
           serial - approved->serial < CSN_SERIALS_SPENT_MAX;
}

static bool test_serial_step(const struct csn_vote_case *vote, struct csn_value *want,
                             struct csn_value *is)
{
    uint32_t step = vote->proposal->serial - vote->floor->serial;
    bool passes = !vote->floor->has_serial || step < CSN_SERIAL_FAR ||
                  is_approved(vote->approved, vote->proposal->serial);
    return numbers(passes, CSN_SERIAL_FAR, step, want, is);
}

static bool test_input(const struct csn_vote_case *vote, struct csn_value *want,
                       struct csn_value *is)
{
    const struct csn_input_id *floor = &vote->floor->input, *input = &vote->proposal->input;
    int order = csn_input_compare(input, floor);
    bool passes = order >= 0 && order != CSN_INPUT_UNORDERED;
    return numbers(passes, (uint64_t)floor->generation << 32 | floor->serial,
                   (uint64_t)input->generation << 32 | input->serial, want, is);
}

static bool test_input_same(const struct csn_vote_case *vote, struct csn_value *want,
                            struct csn_value *is)
{
    const struct csn_input_id *floor = &vote->floor->input, *input = &vote->proposal->input;
    bool passes = csn_input_compare(input, floor) != 0 ||
                  csn_digest_equal(&input->received, &floor->received);
    return digests(passes, &floor->received, &input->received, want, is);
}

/* Emergency: fewer than a quorum vouch for what they have, so nothing new comes in. */
static bool test_refresh_only(const struct csn_vote_case *vote, struct csn_value *want,
                              struct csn_value *is)
{
    const struct csn_input_id *floor = &vote->floor->input, *input = &vote->proposal->input;
    return digests(vote->emergency == NULL || csn_input_equal(input, floor), &floor->received,
                   &input->received, want, is);
}

static bool test_emergency_over(const struct csn_vote_case *vote, struct csn_value *want,
                                struct csn_value *is)
{
    uint64_t end_s = vote->emergency != NULL ? vote->emergency->not_after_s : UINT64_MAX;
    return numbers(vote->proposal->time_s <= end_s, end_s, vote->proposal->time_s, want, is);
}

static bool test_time(const struct csn_vote_case *vote, struct csn_value *want,
                      struct csn_value *is)
{
    return numbers(vote->proposal->time_s >= vote->floor->time_s, vote->floor->time_s,
                   vote->proposal->time_s, want, is);
}

static bool test_schedule(const struct csn_vote_case *vote, struct csn_value *want,
                          struct csn_value *is)
{
    return numbers(vote->proposal->schedule_s >= vote->floor->schedule_s, vote->floor->schedule_s,
                   vote->proposal->schedule_s, want, is);
}

static bool test_policy(const struct csn_vote_case *vote, struct csn_value *want,
                        struct csn_value *is)
{
    const struct csn_version_id *floor = &vote->floor->policy, *policy = &vote->proposal->policy;
    return numbers(policy->number >= floor->number, floor->number, policy->number, want, is);
}

static bool is_same_or_other(const struct csn_version_id *floor, const struct csn_version_id *given)
{
    return given->number != floor->number || csn_digest_equal(&given->digest, &floor->digest);
}

static bool test_policy_same(const struct csn_vote_case *vote, struct csn_value *want,
                             struct csn_value *is)
{
    const struct csn_version_id *floor = &vote->floor->policy, *policy = &vote->proposal->policy;
    return digests(is_same_or_other(floor, policy), &floor->digest, &policy->digest, want, is);
}

static bool test_keyset(const struct csn_vote_case *vote, struct csn_value *want,
                        struct csn_value *is)
{
    const struct csn_version_id *floor = &vote->floor->keyset, *keyset = &vote->proposal->keyset;
    return numbers(keyset->number >= floor->number, floor->number, keyset->number, want, is);
}

static bool test_keyset_same(const struct csn_vote_case *vote, struct csn_value *want,
                             struct csn_value *is)
{
    const struct csn_version_id *floor = &vote->floor->keyset, *keyset = &vote->proposal->keyset;
    return digests(is_same_or_other(floor, keyset), &floor->digest, &keyset->digest, want, is);
}

static bool test_staged(const struct csn_vote_case *vote, struct csn_value *want,
                        struct csn_value *is)
{
    return numbers(vote->is_complete, 1, vote->is_complete, want, is);
}

static bool test_clock(const struct csn_vote_case *vote, struct csn_value *want,
                       struct csn_value *is)
{
    uint64_t latest = vote->clock_s + CSN_CLOCK_AHEAD_S;
    return numbers(vote->proposal->time_s <= latest, latest, vote->proposal->time_s, want, is);
}

static bool test_expiry(const struct csn_vote_case *vote, struct csn_value *want,
                        struct csn_value *is)
{
    uint64_t earliest = vote->clock_s + vote->margin_s;
    return numbers(vote->earliest_expiry_s >= earliest, earliest, vote->earliest_expiry_s, want,
                   is);
}

#define ASK_FLOOR (CSN_ASK_LEADER | CSN_ASK_PROPOSAL | CSN_ASK_VOTE)
#define ASK_NODE (CSN_ASK_PROPOSAL | CSN_ASK_VOTE)

/* R4, in the order of the rule. */
static const struct {
    uint8_t test;
    unsigned ask;
    test_fn *passes;
} tests[] = {
    {CSN_TEST_EPOCH, ASK_NODE, test_epoch},
    {CSN_TEST_SEALED, ASK_NODE, test_sealed},
    {CSN_TEST_HALTED, ASK_NODE, test_halted},
    {CSN_TEST_OPERATOR_HOLD, ASK_NODE, test_operator_hold},
    {CSN_TEST_ROUND, ASK_FLOOR, test_round},
    {CSN_TEST_SERIAL, ASK_FLOOR, test_serial},
    {CSN_TEST_SERIAL_STEP, ASK_FLOOR, test_serial_step},
    {CSN_TEST_INPUT, ASK_FLOOR, test_input},
    {CSN_TEST_INPUT_SAME, ASK_FLOOR, test_input_same},
    {CSN_TEST_REFRESH_ONLY, ASK_FLOOR, test_refresh_only},
    {CSN_TEST_EMERGENCY_OVER, ASK_FLOOR, test_emergency_over},
    {CSN_TEST_TIME, ASK_FLOOR, test_time},
    {CSN_TEST_SCHEDULE, ASK_FLOOR, test_schedule},
    {CSN_TEST_POLICY, ASK_FLOOR, test_policy},
    {CSN_TEST_POLICY_SAME, ASK_FLOOR, test_policy_same},
    {CSN_TEST_KEYSET, ASK_FLOOR, test_keyset},
    {CSN_TEST_KEYSET_SAME, ASK_FLOOR, test_keyset_same},
    {CSN_TEST_STAGED, CSN_ASK_VOTE, test_staged},
    {CSN_TEST_CLOCK, ASK_FLOOR, test_clock},
    {CSN_TEST_EXPIRY, CSN_ASK_VOTE, test_expiry},
};

uint8_t csn_vote_test(const struct csn_vote_case *vote, unsigned ask, struct csn_value *ret_want,
                      struct csn_value *ret_is)
{
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if ((tests[i].ask & ask) != 0 && !tests[i].passes(vote, ret_want, ret_is)) {
            return tests[i].test;
        }
    }
    return 0;
}

uint64_t csn_margin_s(const struct csn_round_zone *zone)
{
    uint64_t half = zone->refresh_s / 2;
    return half > zone->max_round_age_s ? half - zone->max_round_age_s : 0;
}

uint32_t csn_serial_later(uint32_t a, uint32_t b)
{
    return csn_serial_is_after(a, b) ? a : b;
}

bool csn_serial_is_leap(uint32_t from, uint32_t to)
{
    return to - from >= SERIAL_LEAP;
}

struct csn_floor csn_floor_of(const struct csn_proposal *proposal)
{
    return (struct csn_floor){
        .round = proposal->round,
        .has_serial = true,
        .serial = proposal->serial,
        .input = proposal->input,
        .time_s = proposal->time_s,
        .schedule_s = proposal->schedule_s,
        .policy = proposal->policy,
        .keyset = proposal->keyset,
    };
}

bool csn_proposal_goes_back(const struct csn_proposal *proposal, const struct csn_proposal *old)
{
    int order = csn_input_compare(&proposal->input, &old->input);
    bool is_input_good =
        order == 1 ||
        (order == 0 && csn_digest_equal(&proposal->input.received, &old->input.received));
    return !csn_serial_is_after(proposal->serial, old->serial) || !is_input_good ||
           proposal->time_s < old->time_s || proposal->schedule_s < old->schedule_s ||
           proposal->policy.number < old->policy.number ||
           !is_same_or_other(&old->policy, &proposal->policy) ||
           proposal->keyset.number < old->keyset.number ||
           !is_same_or_other(&old->keyset, &proposal->keyset);
}

bool csn_proposal_is_of_branch(const struct csn_proposal *proposal, const struct csn_proposal *old)
{
    return !csn_digest_equal(&proposal->epoch_digest, &old->epoch_digest);
}

static bool has_gone_round(const struct csn_proposal *before, const struct csn_proposal *proposal)
{
    return before != NULL && !csn_proposal_is_of_branch(proposal, before) &&
           !csn_serial_is_after(proposal->serial, before->serial);
}

bool csn_floor_binds_serial(const struct csn_floor *floor)
{
    return floor->has_serial && !csn_round_is_none(floor->round);
}

void csn_floor_adopt(struct csn_floor *floor, const struct csn_proposal *before,
                     const struct csn_proposal *proposal)
{
    struct csn_floor old = *floor;
    *floor = csn_floor_of(proposal);
    if (csn_floor_binds_serial(&old) && !has_gone_round(before, proposal)) {
        floor->serial = csn_serial_later(proposal->serial, old.serial);
    }
}

void csn_floor_merge(struct csn_floor *floor, const struct csn_floor *other)
{
    if (csn_round_compare(other->round, floor->round) > 0) {
        floor->round = other->round;
    }
    if (other->has_serial) {
        floor->serial =
            floor->has_serial ? csn_serial_later(other->serial, floor->serial) : other->serial;
        floor->has_serial = true;
    }
    if (csn_input_compare(&other->input, &floor->input) == 1) {
        floor->input = other->input;
    }
    floor->time_s = other->time_s > floor->time_s ? other->time_s : floor->time_s;
    floor->schedule_s =
        other->schedule_s > floor->schedule_s ? other->schedule_s : floor->schedule_s;
    if (other->policy.number > floor->policy.number) {
        floor->policy = other->policy;
    }
    if (other->keyset.number > floor->keyset.number) {
        floor->keyset = other->keyset;
    }
}
