/* I6 and R4: what a site may vote for, and what must be durable before a vote leaves. */
#include "sim/checker_state.h"

#define CLOCK_AHEAD_S 60

static void check_own_votes(struct sim_checker *checker, const struct sim_actor *actor,
                            const struct votes *votes, const struct vote *vote)
{
    const struct vote *last = votes->count > votes->first ? &votes->items[votes->count - 1] : NULL;
    if (last == NULL) {
        return;
    }
    for (size_t i = votes->first; i < votes->count; i++) {
        if (order(votes->items[i].held.round, vote->held.round) == 0 &&
            !csn_digest_equal(&votes->items[i].body, &vote->body)) {
            sim_fail(checker->world, "I6: site %u votes for a second body in round %llu.%u",
                     actor->number, counter_of(vote->held.round), seq_of(vote->held.round));
        }
    }
    if (order(vote->held.round, last->held.round) <= 0) {
        sim_fail(checker->world,
                 "I6: site %u votes in round %llu.%u, not above its vote in %llu.%u", actor->number,
                 counter_of(vote->held.round), seq_of(vote->held.round),
                 counter_of(last->held.round), seq_of(last->held.round));
    }
    bool has_jumped = sim_serials_has_jumped(&checker->serials, sim_zone_index(checker->world, vote->held.zone), last->held.round);
    if (!has_jumped && !is_after(vote->held.serial, last->held.serial)) {
        sim_fail(checker->world, "I6: site %u votes for serial %u after its vote for %u",
                 actor->number, vote->held.serial, last->held.serial);
    }
}

static void check_floor(struct sim_checker *checker, const struct sim_actor *actor,
                        const struct floor *floor, const struct layout_held *held)
{
    const char *what = floor->is_set ? checker_goes_back(held, &floor->held) : NULL;
    if (floor->is_set && order(held->round, floor->held.round) <= 0) {
        sim_fail(checker->world, "I6: site %u votes in round %llu.%u, its floor is %llu.%u",
                 actor->number, counter_of(held->round), seq_of(held->round),
                 counter_of(floor->held.round), seq_of(floor->held.round));
    } else if (floor->is_set && !is_after(held->serial, floor->serial)) {
        sim_fail(checker->world, "I6: site %u votes for serial %u, its floor is %u", actor->number,
                 held->serial, floor->serial);
    } else if (what != NULL) {
        sim_fail(checker->world, "I6: site %u votes in round %llu.%u with %s below its floor",
                 actor->number, counter_of(held->round), seq_of(held->round), what);
    }
    if (floor->is_set) {
        const struct sim_floor_serial serial = {floor->serial, floor->held.epoch,
                                                floor->has_certified ? floor->certified.round : NULL};
        sim_serials_check_vote(&checker->serials, checker->world, actor, &serial, held);
    }
}

/* I5, as far as a site can see it: margin and clock. */
static void check_times(struct sim_checker *checker, const struct sim_actor *actor, unsigned zone,
                        const struct layout_held *held)
{
    const struct csn_round_zone *config = &checker->world->options.zone[zone];
    uint64_t clock_s = sim_now(checker->world, actor).wall_s;
    uint64_t margin_s = config->refresh_s / 2 - config->max_round_age_s;
    if (held->time_s > clock_s + CLOCK_AHEAD_S) {
        sim_fail(checker->world, "R4: site %u votes for T %llu s ahead of its clock", actor->number,
                 (unsigned long long)(held->time_s - clock_s));
    }
    if (held->earliest_expiry_s < clock_s + margin_s) {
        sim_fail(checker->world, "I5: site %u votes for a version inside the margin",
                 actor->number);
    }
}

void sim_checker_persist(struct sim_checker *checker, const struct sim_actor *actor,
                         struct csn_bytes second)
{
    struct vote vote = {0};
    unsigned zone;
    if (second.data == NULL) {
        return;
    }
    if (!layout_held(second, &vote.held) || !checker_zone(checker, &vote.held, &zone)) {
        sim_fail(checker->world, "site %u: a second copy that is no body of held", actor->number);
        return;
    }
    struct votes *votes = &checker->votes[actor->index][zone];
    struct floor *floor = &checker->floors[actor->index][zone];
    vote.body = checker_hash(csn_bytes(second.data, vote.held.size));
    vote.incarnation = actor->incarnation;
    if (checker->shown[actor->index]) { /* others may be as forgotten as that one */
        sim_fail(checker->world, "I6: site %u votes after it was shown a vote that it forgot", actor->number);
    }
    checker_check_epoch(checker, actor, &vote.held);
    check_own_votes(checker, actor, votes, &vote);
    check_floor(checker, actor, floor, &vote.held);
    check_times(checker, actor, zone, &vote.held);
    checker_raise_floor(floor, &vote.held);
    votes->items = csn_realloc(votes->items, votes->count + 1, sizeof(*votes->items));
    votes->items[votes->count++] = vote;
}

struct vote *checker_find_vote(struct votes *votes, const struct layout_held *held,
                               const struct csn_digest *body)
{
    for (size_t i = 0; i < votes->count; i++) {
        if (order(votes->items[i].held.round, held->round) == 0 &&
            csn_digest_equal(&votes->items[i].body, body)) {
            return &votes->items[i];
        }
    }
    return NULL;
}

static struct vote *vote_of_copy(struct sim_checker *checker, const struct sim_actor *actor,
                                 struct csn_bytes second)
{
    struct layout_held held;
    unsigned zone;
    if (!layout_held(second, &held) || !checker_zone(checker, &held, &zone)) {
        return NULL;
    }
    struct csn_digest body = checker_hash(csn_bytes(second.data, held.size));
    return checker_find_vote(&checker->votes[actor->index][zone], &held, &body);
}

void sim_checker_second_written(struct sim_checker *checker, const struct sim_actor *actor,
                                struct csn_bytes second)
{
    struct vote *vote = vote_of_copy(checker, actor, second);
    if (vote != NULL) {
        vote->is_spent = true;
    }
}

void sim_checker_committed(struct sim_checker *checker, const struct sim_actor *actor,
                           struct csn_bytes second)
{
    struct vote *vote = vote_of_copy(checker, actor, second);
    if (vote != NULL &&
        checker_is_recorded(&actor->disk.records, csn_bytes(second.data, vote->held.size))) {
        vote->is_committed = true;
    }
}

/* The second copy of the zone's last vote is not older than this one. */
static bool is_second_there(const struct sim_actor *actor, const struct layout_held *held)
{
    for (size_t i = 0; i < actor->disk.seconds.count; i++) {
        struct layout_held second;
        if (layout_held(csn_buf_view(&actor->disk.seconds.items[i].value), &second) &&
            memcmp(second.zone, held->zone, sizeof(second.zone)) == 0 &&
            order(second.round, held->round) >= 0) {
            return true;
        }
    }
    return false;
}

void sim_checker_held(struct sim_checker *checker, const struct sim_actor *actor,
                      struct csn_bytes body)
{
    struct layout_held held;
    unsigned zone;
    if (!layout_held(body, &held) || !checker_zone(checker, &held, &zone)) {
        sim_fail(checker->world, "site %u sends a HELD that is none", actor->number);
        return;
    }
    struct csn_digest hash = checker_hash(body);
    struct vote *vote = checker_find_vote(&checker->votes[actor->index][zone], &held, &hash);
    const struct sim_version *version = checker_version(checker, actor->index, zone, &held);
    if (vote == NULL || !vote->is_committed) {
        sim_fail(checker->world,
                 "R4: site %u sends HELD in round %llu.%u before its hold is durable",
                 actor->number, counter_of(held.round), seq_of(held.round));
        return;
    }
    if (!is_second_there(actor, &held)) {
        sim_fail(checker->world, "R4: site %u sends HELD before its second copy is durable",
                 actor->number);
    }
    if (version == NULL && !vote->is_excused &&
        checker_is_above_served(checker, actor->index, zone, &held)) {
        sim_fail(checker->world, "I3: site %u sends HELD without the bytes", actor->number);
    }
    if (version != NULL && version->has_bad_share) {
        sim_fail(checker->world, "I5: site %u votes for signatures that do not verify",
                 actor->number);
    }
    vote->is_sent = true;
    checker_tally(checker, zone, vote);
}
