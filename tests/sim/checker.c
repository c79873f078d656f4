#include "sim/checker.h"

#include <stdlib.h>
#include <string.h>

#include "sim/checker_floors.h"
#include "sim/epochs.h"
#include "sim/layout.h"
#include "sim/seam.h"
#include "sim/secondaries.h"

#define CLOCK_AHEAD_S 60

/* A vote of a site, from the moment its PERSIST is emitted. */
struct vote {
    struct layout_held held;
    struct csn_digest body;
    uint32_t incarnation;
    bool is_spent;     /* the second copy is durable: no other vote in this round */
    bool is_committed; /* so is the hold, or was until a release: its bytes stay until then */
    bool is_sent;
    bool is_excused; /* its bytes rotted */
};

struct votes {
    struct vote *items; /* owns; ascending rounds of each incarnation */
    size_t count;
    size_t first; /* of the machine that is the site now */
};

/* What a site must not vote below. */
struct floor {
    bool is_set;
    struct layout_held held; /* of the vote or certificate that set it */
    uint32_t serial;         /* the latest of all */
};

struct certified {
    struct layout_held held;
    struct csn_digest body;
};
struct chain {
    struct certified *items; /* owns; ascending rounds */
    size_t count;
};

struct sim_checker {
    struct sim_world *world; /* borrows */
    struct votes votes[SIM_SITES_MAX][SIM_ZONES_MAX];
    struct floor floors[SIM_SITES_MAX][SIM_ZONES_MAX];
    struct sim_served served[SIM_SITES_MAX][SIM_ZONES_MAX];
    struct chain chains[SIM_ZONES_MAX];
    bool shown[SIM_SITES_MAX]; /* a vote that it forgot */
    bool sealed[SIM_EPOCHS_MAX + 2][SIM_SITES_MAX];  /* by epoch: who said that it votes no more */
    bool entered[SIM_EPOCHS_MAX + 2][SIM_SITES_MAX]; /* who entered it */
    struct sim_sealed *seals;                        /* owns */
};

struct sim_checker *sim_checker_new(struct sim_world *world)
{
    struct sim_checker *checker = csn_calloc(1, sizeof(*checker));
    checker->world = world;
    checker->seals = sim_sealed_new();
    return checker;
}

void sim_checker_free(struct sim_checker *take_checker)
{
    for (unsigned zone = 0; zone < SIM_ZONES_MAX; zone++) {
        for (unsigned site = 0; site < SIM_SITES_MAX; site++) {
            free(take_checker->votes[site][zone].items);
        }
        free(take_checker->chains[zone].items);
    }
    sim_sealed_free(take_checker->seals);
    free(take_checker);
}

/* --- words of the page, in own code */

static int order(const uint8_t a[LAYOUT_ROUND], const uint8_t b[LAYOUT_ROUND])
{
    return memcmp(a, b, LAYOUT_ROUND);
}

static bool is_after(uint32_t a, uint32_t b)
{
    uint32_t step = a - b;
    return step != 0 && step < UINT32_C(0x80000000);
}

static struct csn_digest hash_of(struct csn_bytes body)
{
    struct sim_mixer mixer = sim_mixer("body");
    sim_mix(&mixer, body.data, body.size);
    return sim_mixed(&mixer);
}

static bool is_same(const uint8_t a[LAYOUT_DIGEST], const uint8_t b[LAYOUT_DIGEST])
{
    return memcmp(a, b, LAYOUT_DIGEST) == 0;
}

/* Not lower, and equal numbers mean equal documents. */
static bool may_follow(const struct layout_version *version, const struct layout_version *old)
{
    return version->number > old->number ||
           (version->number == old->number && is_same(version->digest, old->digest));
}

static bool may_input_follow(const struct layout_held *held, const struct layout_held *old)
{
    if (held->input_generation != old->input_generation) {
        return held->input_generation > old->input_generation;
    }
    return is_after(held->input_serial, old->input_serial) ||
           (held->input_serial == old->input_serial && is_same(held->received, old->received));
}

/* I2, and R4's tests of fields: NULL when `held` may come after `old`, else what goes back. */
static const char *goes_back(const struct layout_held *held, const struct layout_held *old)
{
    return !may_input_follow(held, old)               ? "input"
           : held->time_s < old->time_s               ? "T"
           : held->schedule_s < old->schedule_s       ? "S"
           : !may_follow(&held->policy, &old->policy) ? "policy"
           : !may_follow(&held->keyset, &old->keyset) ? "key set"
                                                      : NULL;
}

static bool decode_zone(const struct sim_checker *checker, const struct layout_held *held,
                        unsigned *ret_zone)
{
    *ret_zone = sim_zone_index(checker->world, held->zone);
    return *ret_zone < checker->world->options.zones;
}

static unsigned long long counter_of(const uint8_t round[LAYOUT_ROUND])
{
    return csn_get_u64(round);
}

static unsigned seq_of(const uint8_t round[LAYOUT_ROUND])
{
    return csn_get_u32(round + 10);
}

/* --- floors */

static void raise_floor(struct floor *floor, const struct layout_held *held)
{
    if (floor->is_set && order(held->round, floor->held.round) < 0) {
        return;
    }
    floor->serial =
        !floor->is_set || is_after(held->serial, floor->serial) ? held->serial : floor->serial;
    floor->held = *held;
    floor->is_set = true;
}

/* What a disk holds is what the floor begins with: own votes, and certificates wherever they are
 * among the records. */
static void load_floor(struct sim_checker *checker, const struct sim_actor *actor, unsigned zone)
{
    struct floor *floor = &checker->floors[actor->index][zone];
    const struct votes *votes = &checker->votes[actor->index][zone];
    struct floor latest = {0};
    *floor = (struct floor){0};
    for (size_t i = votes->first; i < votes->count; i++) {
        raise_floor(floor, &votes->items[i].held);
    }
    for (size_t i = 0; i < actor->disk.records.count; i++) {
        struct layout_certificate certificate;
        unsigned of_zone;
        if (layout_certificate(csn_buf_view(&actor->disk.records.items[i].value), &certificate) &&
            decode_zone(checker, &certificate.held, &of_zone) && of_zone == zone) {
            raise_floor(&latest, &certificate.held);
        }
    }
    if (latest.is_set) {
        raise_floor(floor, &latest.held);
    }
}

void sim_checker_started(struct sim_checker *checker, const struct sim_actor *actor)
{
    for (unsigned zone = 0; zone < checker->world->options.zones; zone++) {
        struct votes *votes = &checker->votes[actor->index][zone];
        while (votes->count > votes->first && !votes->items[votes->count - 1].is_spent) {
            votes->count--;
        }
        load_floor(checker, actor, zone);
    }
}

void sim_checker_restored(struct sim_checker *checker, const struct sim_actor *actor)
{
    sim_secondaries_forget(checker->world->secondaries, actor);
    for (unsigned zone = 0; zone < checker->world->options.zones; zone++) {
        struct votes *votes = &checker->votes[actor->index][zone];
        checker->served[actor->index][zone] = (struct sim_served){0};
        for (size_t i = 0; i < votes->count; i++) {
            votes->items[i].is_excused = true;
        }
    }
}

void sim_checker_shown(struct sim_checker *checker, const struct sim_actor *actor)
{
    checker->shown[actor->index] = true;
}

void sim_checker_renewed(struct sim_checker *checker, const struct sim_actor *actor)
{
    checker->shown[actor->index] = false;
    sim_checker_restored(checker, actor);
    for (unsigned zone = 0; zone < checker->world->options.zones; zone++) {
        struct votes *votes = &checker->votes[actor->index][zone];
        votes->first = votes->count;
        checker->floors[actor->index][zone] = (struct floor){0};
    }
}

/* --- epochs: R8, as the page says it */

static unsigned count_of(const bool said[SIM_SITES_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < SIM_SITES_MAX; i++) {
        count += said[i];
    }
    return count;
}

static bool begins_with(const struct csn_buf *value, struct csn_bytes octets)
{
    return value->size >= octets.size && memcmp(value->data, octets.data, octets.size) == 0;
}

static bool is_recorded(const struct sim_records *records, struct csn_bytes body)
{
    for (size_t i = 0; i < records->count; i++) {
        if (begins_with(&records->items[i].value, body)) {
            return true;
        }
    }
    return false;
}

/* The quorum of the epoch before this one; in an emergency that of those who go on. */
static unsigned seals_needed(const struct sim_checker *checker, uint32_t epoch)
{
    const struct csn_cluster *now = sim_document_of(checker->world, epoch);
    return now->is_emergency ? now->quorum : sim_document_of(checker->world, epoch - 1)->quorum;
}

static bool is_sealed(const struct sim_checker *checker, uint32_t epoch)
{
    const struct csn_cluster *now = sim_document_of(checker->world, epoch);
    unsigned counted = 0;
    for (unsigned i = 0; now != NULL && i < SIM_SITES_MAX; i++) {
        bool counts = !now->is_emergency || csn_cluster_member(now, (uint16_t)(i + 1)) != NULL;
        counted += counts && checker->sealed[epoch - 1][i];
    }
    return now != NULL && counted >= seals_needed(checker, epoch);
}

/* Enough entered it: its quorum, or all that were left by the emergency before. */
static bool has_begun(const struct sim_checker *checker, uint32_t epoch)
{
    const struct csn_cluster *now = sim_document_of(checker->world, epoch);
    const struct csn_cluster *old = sim_document_of(checker->world, epoch - 1);
    unsigned needed = now->quorum;
    if (old != NULL && old->is_emergency && !now->is_emergency && old->member_count < needed) {
        needed = old->member_count;
    }
    return epoch == 1 || count_of(checker->entered[epoch]) >= needed;
}

/* Both bodies: cluster id 16 | environment u8 | epoch u32; the seal's is the one that ends. */
void sim_checker_change(struct sim_checker *checker, const struct sim_actor *actor, bool is_seal,
                        struct csn_bytes body)
{
    uint32_t epoch = body.size > 21 ? csn_get_u32(body.data + 17) : 0;
    if (epoch < 1 || epoch > SIM_EPOCHS_MAX) {
        sim_fail(checker->world, "R8: site %u speaks of epoch %u", actor->number, epoch);
        return;
    }
    if (!is_recorded(&actor->disk.records, body) ||
        (is_seal && !is_recorded(&actor->disk.seconds, body))) {
        sim_fail(checker->world, "R8: site %u speaks of epoch %u before it is durable",
                 actor->number, epoch);
    }
    if (is_seal) {
        checker->sealed[epoch][actor->index] = true;
        sim_sealed_take(checker->seals, checker->world, actor, epoch, body);
        return;
    }
    if (epoch == 1 || !is_sealed(checker, epoch)) {
        sim_fail(checker->world, "R8: site %u enters epoch %u, whose last is not sealed",
                 actor->number, epoch);
    }
    checker->entered[epoch][actor->index] = true;
    sim_sealed_check_entry(checker->seals, checker->world, actor, epoch, body);
}

/* Nobody votes in an epoch that it sealed, nor in one that has not begun, nor where it is no member. */
static void check_epoch(struct sim_checker *checker, const struct sim_actor *actor,
                        const struct layout_held *held)
{
    const struct csn_cluster *document = sim_document_of(checker->world, held->epoch);
    const struct csn_member *member =
        document != NULL ? csn_cluster_member(document, actor->number) : NULL;
    if (member == NULL || member->incarnation != actor->incarnation) {
        sim_fail(checker->world, "R8: site %u votes in epoch %u, where it is no member",
                 actor->number, held->epoch);
        return;
    }
    if (checker->sealed[held->epoch][actor->index]) {
        sim_fail(checker->world, "R8: site %u votes in epoch %u, which it has sealed",
                 actor->number, held->epoch);
    }
    if (!has_begun(checker, held->epoch)) {
        sim_fail(checker->world, "R8: site %u votes in epoch %u, which has not begun",
                 actor->number, held->epoch);
    }
    if (held->epoch > 1) {
        sim_sealed_check_vote(checker->seals, checker->world, actor, held->epoch, held->zone,
                              seals_needed(checker, held->epoch));
    }
}

/* --- votes */

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
    if (!is_after(vote->held.serial, last->held.serial)) {
        sim_fail(checker->world, "I6: site %u votes for serial %u after its vote for %u",
                 actor->number, vote->held.serial, last->held.serial);
    }
}

static void check_floor(struct sim_checker *checker, const struct sim_actor *actor,
                        const struct floor *floor, const struct layout_held *held)
{
    const char *what = floor->is_set ? goes_back(held, &floor->held) : NULL;
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
    if (!layout_held(second, &vote.held) || !decode_zone(checker, &vote.held, &zone)) {
        sim_fail(checker->world, "site %u: a second copy that is no body of held", actor->number);
        return;
    }
    struct votes *votes = &checker->votes[actor->index][zone];
    struct floor *floor = &checker->floors[actor->index][zone];
    vote.body = hash_of(csn_bytes(second.data, vote.held.size));
    vote.incarnation = actor->incarnation;
    if (checker->shown[actor->index]) { /* others may be as forgotten as that one */
        sim_fail(checker->world, "I6: site %u votes after it was shown a vote that it forgot", actor->number);
    }
    check_epoch(checker, actor, &vote.held);
    check_own_votes(checker, actor, votes, &vote);
    check_floor(checker, actor, floor, &vote.held);
    check_times(checker, actor, zone, &vote.held);
    raise_floor(floor, &vote.held);
    votes->items = csn_realloc(votes->items, votes->count + 1, sizeof(*votes->items));
    votes->items[votes->count++] = vote;
}

static struct vote *find_vote(struct votes *votes, const struct layout_held *held,
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
    if (!layout_held(second, &held) || !decode_zone(checker, &held, &zone)) {
        return NULL;
    }
    struct csn_digest body = hash_of(csn_bytes(second.data, held.size));
    return find_vote(&checker->votes[actor->index][zone], &held, &body);
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
        is_recorded(&actor->disk.records, csn_bytes(second.data, vote->held.size))) {
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

/* --- certified versions */

static bool is_above_served(const struct sim_checker *checker, unsigned site, unsigned zone,
                            const struct layout_held *held)
{
    const struct sim_served *served = &checker->served[site][zone];
    return !served->is_set || order(held->round, served->round) > 0;
}

static struct csn_digest digest_of(const uint8_t octets[LAYOUT_DIGEST])
{
    struct csn_digest digest;
    memcpy(digest.octets, octets, LAYOUT_DIGEST);
    return digest;
}

static const struct sim_version *version_of(const struct sim_checker *checker, unsigned site,
                                            unsigned zone, const struct layout_held *held)
{
    struct csn_digest root = digest_of(held->full_root);
    return sim_disk_version(&checker->world->actors[site].disk, zone, &root);
}

/* What an emergency may bend: what those who are left out certified, without the vote of one who went on, may be ahead of it in
 * all but rounds and serials. What is certified after the return is behind neither. */
static bool is_of_one_line(const struct sim_checker *checker, unsigned zone, const struct certified *old,
                           const struct certified *certified)
{
    const struct csn_cluster *document = sim_document_of(checker->world, certified->held.epoch);
    bool is_one = old->held.epoch == certified->held.epoch || !document->is_emergency;
    for (unsigned i = 0; !is_one && i < document->member_count; i++) {
        const struct votes *votes = &checker->votes[document->members[i].number - 1][zone];
        for (size_t k = 0; k < votes->count; k++) {
            is_one = is_one || csn_digest_equal(&votes->items[k].body, &old->body);
        }
    }
    return is_one;
}

static void check_pair(struct sim_checker *checker, unsigned zone, const struct certified *first,
                       const struct certified *second)
{
    const struct layout_held *old = &first->held, *held = &second->held;
    bool is_one = is_of_one_line(checker, zone, first, second);
    const char *what = is_one ? goes_back(held, old) : NULL;
    checker->world->stats.apart += !is_one;
    if (held->epoch < old->epoch) {
        sim_fail(checker->world, "I2: round %llu.%u of epoch %u is above %llu.%u of epoch %u",
                 counter_of(held->round), seq_of(held->round), held->epoch, counter_of(old->round),
                 seq_of(old->round), old->epoch);
    }
    if (!is_after(held->serial, old->serial)) {
        sim_fail(checker->world, "I2: serial %u is certified in round %llu.%u after %u in %llu.%u",
                 held->serial, counter_of(held->round), seq_of(held->round), old->serial,
                 counter_of(old->round), seq_of(old->round));
    }
    if (what != NULL) {
        sim_fail(checker->world, "I2: %s goes back from round %llu.%u to %llu.%u", what,
                 counter_of(old->round), seq_of(old->round), counter_of(held->round),
                 seq_of(held->round));
    }
}

static void check_unique(struct sim_checker *checker, const struct chain *chain,
                         const struct certified *certified)
{
    for (size_t i = 0; i < chain->count; i++) {
        const struct certified *other = &chain->items[i];
        if (other->held.serial == certified->held.serial &&
            !is_same(other->held.full_root, certified->held.full_root)) {
            sim_fail(checker->world,
                     "I1: two full roots are certified for serial %u: rounds %llu.%u and %llu.%u",
                     other->held.serial, counter_of(other->held.round), seq_of(other->held.round),
                     counter_of(certified->held.round), seq_of(certified->held.round));
        }
        if (order(other->held.round, certified->held.round) == 0) {
            sim_fail(checker->world, "I1: two bodies are certified in round %llu.%u",
                     counter_of(other->held.round), seq_of(other->held.round));
        }
    }
}

static void certify(struct sim_checker *checker, unsigned zone, const struct certified *certified)
{
    struct chain *chain = &checker->chains[zone];
    size_t at = chain->count;
    check_unique(checker, chain, certified);
    while (at > 0 && order(chain->items[at - 1].held.round, certified->held.round) > 0) {
        at--;
    }
    for (size_t i = 0; i < chain->count; i++) {
        check_pair(checker, zone, i < at ? &chain->items[i] : certified,
                   i < at ? certified : &chain->items[i]);
    }
    chain->items = csn_realloc(chain->items, chain->count + 1, sizeof(*chain->items));
    memmove(chain->items + at + 1, chain->items + at, (chain->count - at) * sizeof(*chain->items));
    chain->items[at] = *certified;
    chain->count++;
    checker->world->stats.certified++;
    sim_log(checker->world, NULL, "certified %.2s serial %u round %llu.%u",
            (const char *)certified->held.zone + 1, certified->held.serial,
            counter_of(certified->held.round), seq_of(certified->held.round));
}

static bool is_certified(const struct sim_checker *checker, unsigned zone,
                         const struct csn_digest *body)
{
    for (size_t i = 0; i < checker->chains[zone].count; i++) {
        if (csn_digest_equal(&checker->chains[zone].items[i].body, body)) {
            return true;
        }
    }
    return false;
}

static void tally(struct sim_checker *checker, unsigned zone, const struct vote *vote)
{
    struct certified certified = {.held = vote->held, .body = vote->body};
    const struct csn_cluster *document = sim_document_of(checker->world, vote->held.epoch);
    unsigned sent = 0;
    for (unsigned site = 0; site < checker->world->options.sites; site++) {
        const struct vote *other = find_vote(&checker->votes[site][zone], &vote->held, &vote->body);
        const struct csn_member *member = csn_cluster_member(document, (uint16_t)(site + 1));
        sent += other != NULL && other->is_sent && member != NULL &&
                member->incarnation == other->incarnation;
    }
    if (sent >= document->quorum && !is_certified(checker, zone, &vote->body)) {
        certify(checker, zone, &certified);
    }
}

void sim_checker_held(struct sim_checker *checker, const struct sim_actor *actor,
                      struct csn_bytes body)
{
    struct layout_held held;
    unsigned zone;
    if (!layout_held(body, &held) || !decode_zone(checker, &held, &zone)) {
        sim_fail(checker->world, "site %u sends a HELD that is none", actor->number);
        return;
    }
    struct csn_digest hash = hash_of(body);
    struct vote *vote = find_vote(&checker->votes[actor->index][zone], &held, &hash);
    const struct sim_version *version = version_of(checker, actor->index, zone, &held);
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
        is_above_served(checker, actor->index, zone, &held)) {
        sim_fail(checker->world, "I3: site %u sends HELD without the bytes", actor->number);
    }
    if (version != NULL && version->has_bad_share) {
        sim_fail(checker->world, "I5: site %u votes for signatures that do not verify",
                 actor->number);
    }
    vote->is_sent = true;
    tally(checker, zone, vote);
}

/* --- certificates */

/* "consign held v1" | 00 | signer | incarnation | SHA-384(body) */
static bool verify_vote(const struct csn_cluster *cluster, const struct csn_digest *body,
                        const struct layout_vote *vote)
{
    static const char word[] = "consign held v1";
    const struct csn_member *member = csn_cluster_member(cluster, vote->site);
    uint8_t message[sizeof(word) + 6 + CSN_DIGEST_SIZE];
    if (member == NULL || vote->incarnation != member->incarnation) {
        return false;
    }
    memcpy(message, word, sizeof(word));
    csn_set_u16(message + sizeof(word), vote->site);
    csn_set_u32(message + sizeof(word) + 2, vote->incarnation);
    memcpy(message + sizeof(word) + 6, body->octets, CSN_DIGEST_SIZE);
    return sim_verify(NULL, member->key, csn_bytes(message, sizeof(message)), vote->signature);
}

/* Decoded, and of q votes that verify and have left their sites; else a violation. */
static bool take_certificate(struct sim_checker *checker, const struct sim_actor *actor,
                             struct csn_bytes octets, struct layout_certificate *ret_certificate,
                             unsigned *ret_zone)
{
    bool is_good = layout_certificate(octets, ret_certificate) &&
                   decode_zone(checker, &ret_certificate->held, ret_zone) &&
                   sim_document_of(checker->world, ret_certificate->held.epoch) != NULL;
    const struct csn_cluster *document =
        is_good ? sim_document_of(checker->world, ret_certificate->held.epoch) : NULL;
    is_good = is_good && ret_certificate->vote_count == document->quorum;
    struct csn_digest digest = {{0}};
    if (is_good) {
        csn_sha384(ret_certificate->body, &digest);
    }
    for (unsigned i = 0; is_good && i < ret_certificate->vote_count; i++) {
        bool is_ascending =
            i == 0 || ret_certificate->votes[i].site > ret_certificate->votes[i - 1].site;
        is_good = is_ascending && verify_vote(document, &digest, &ret_certificate->votes[i]);
    }
    struct csn_digest body = hash_of(ret_certificate->body);
    if (!is_good || !is_certified(checker, *ret_zone, &body)) {
        sim_fail(checker->world,
                 "I4: a certificate at %s %u does not verify, or its votes were never sent",
                 actor->is_node ? "site" : "coordinator", actor->number);
        return false;
    }
    return true;
}

void sim_checker_certificate(struct sim_checker *checker, const struct sim_actor *actor,
                             struct csn_bytes octets)
{
    struct layout_certificate certificate;
    unsigned zone;
    if (take_certificate(checker, actor, octets, &certificate, &zone) && actor->is_node) {
        raise_floor(&checker->floors[actor->index][zone], &certificate.held);
    }
}

/* --- what is served, and kept */

/* The record of `released`: its value is a round, closed by 8 octets. */
static bool is_pointer_durable(const struct sim_actor *actor, const uint8_t round[LAYOUT_ROUND])
{
    for (size_t i = 0; i < actor->disk.records.count; i++) {
        const struct csn_buf *value = &actor->disk.records.items[i].value;
        if (value->size == LAYOUT_ROUND + 8 && memcmp(value->data, round, LAYOUT_ROUND) == 0) {
            return true;
        }
    }
    return false;
}

static void check_served_bytes(struct sim_checker *checker, const struct sim_actor *actor,
                               unsigned zone, const struct layout_held *held)
{
    if (!sim_seam_is_served(checker->world, actor, zone, held)) {
        sim_fail(checker->world,
                 "I4: site %u serves serial %u with bytes that are not those of its certificate",
                 actor->number, held->serial);
    }
}

void sim_checker_serve(struct sim_checker *checker, const struct sim_actor *actor,
                       struct csn_bytes octets)
{
    struct layout_certificate certificate;
    const struct layout_held *held = &certificate.held;
    unsigned zone;
    if (!take_certificate(checker, actor, octets, &certificate, &zone)) {
        return;
    }
    struct sim_served *served = &checker->served[actor->index][zone];
    if (served->is_set &&
        (order(held->round, served->round) < 0 || is_after(served->serial, held->serial))) {
        sim_fail(checker->world, "site %u serves serial %u after %u", actor->number, held->serial,
                 served->serial);
    }
    bool is_older = held->input_generation < served->input_generation ||
                    (held->input_generation == served->input_generation &&
                     is_after(served->input_serial, held->input_serial));
    if (served->is_set && (is_older || held->time_s < served->time_s)) {
        sim_fail(checker->world, "site %u serves input %u of T %llu after input %u of T %llu",
                 actor->number, held->input_serial, (unsigned long long)held->time_s,
                 served->input_serial, (unsigned long long)served->time_s);
    }
    if (!is_pointer_durable(actor, held->round)) {
        sim_fail(checker->world, "R5: site %u serves serial %u before the pointer is durable",
                 actor->number, held->serial);
    }
    check_served_bytes(checker, actor, zone, held);
    *served = (struct sim_served){.is_set = true,
                                  .serial = held->serial,
                                  .input_generation = held->input_generation,
                                  .input_serial = held->input_serial,
                                  .time_s = held->time_s};
    memcpy(served->round, held->round, LAYOUT_ROUND);
    memcpy(served->full_root, held->full_root, LAYOUT_DIGEST);
}

void sim_checker_delete_version(struct sim_checker *checker, const struct sim_actor *actor,
                                unsigned zone, const struct csn_digest *full_root)
{
    const struct sim_version *version = sim_disk_version(&actor->disk, zone, full_root);
    const struct sim_served *served = &checker->served[actor->index][zone];
    struct votes *votes = &checker->votes[actor->index][zone];
    bool is_rotten = version != NULL && version->is_rotten;
    if (served->is_set && is_same(served->full_root, full_root->octets) && !is_rotten) {
        sim_fail(checker->world, "I3: site %u deletes the version that it serves", actor->number);
    }
    for (size_t i = 0; i < votes->count; i++) {
        struct vote *vote = &votes->items[i];
        bool is_its = is_same(vote->held.full_root, full_root->octets);
        bool is_kept = (vote->is_committed || vote->is_sent) &&
                       is_above_served(checker, actor->index, zone, &vote->held);
        vote->is_excused = vote->is_excused || (is_its && is_rotten);
        if (is_its && is_kept && !vote->is_excused) {
            sim_fail(checker->world, "I3: site %u deletes the bytes of its vote in round %llu.%u",
                     actor->number, counter_of(vote->held.round), seq_of(vote->held.round));
        }
    }
}

static void check_kept(struct sim_checker *checker, unsigned site, unsigned zone)
{
    const struct votes *votes = &checker->votes[site][zone];
    for (size_t i = votes->count;
         i > votes->first && is_above_served(checker, site, zone, &votes->items[i - 1].held); i--) {
        const struct vote *vote = &votes->items[i - 1];
        if ((vote->is_sent || vote->is_committed) && !vote->is_excused &&
            version_of(checker, site, zone, &vote->held) == NULL) {
            sim_fail(checker->world, "I3: the bytes of site %u's vote in round %llu.%u are gone",
                     site + 1, counter_of(vote->held.round), seq_of(vote->held.round));
        }
    }
}

void sim_checker_stepped(struct sim_checker *checker)
{
    for (unsigned site = 0; site < checker->world->options.sites; site++) {
        for (unsigned zone = 0; zone < checker->world->options.zones; zone++) {
            check_kept(checker, site, zone);
        }
    }
}

/* --- for I7 */

const struct sim_served *sim_checker_served(const struct sim_checker *checker,
                                            const struct sim_actor *actor, unsigned zone)
{
    return &checker->served[actor->index][zone];
}

bool sim_checker_newest(const struct sim_checker *checker, unsigned zone,
                        struct sim_served *ret_newest)
{
    const struct chain *chain = &checker->chains[zone];
    if (chain->count == 0) {
        return false;
    }
    const struct layout_held *held = &chain->items[chain->count - 1].held;
    *ret_newest = (struct sim_served){.is_set = true,
                                      .serial = held->serial,
                                      .input_generation = held->input_generation,
                                      .input_serial = held->input_serial,
                                      .time_s = held->time_s};
    memcpy(ret_newest->round, held->round, LAYOUT_ROUND);
    memcpy(ret_newest->full_root, held->full_root, LAYOUT_DIGEST);
    return true;
}

bool sim_checker_is_certified(const struct sim_checker *checker, unsigned zone, uint32_t serial,
                              const uint8_t full_root[48])
{
    const struct chain *chain = &checker->chains[zone];
    for (size_t i = chain->count; i > 0; i--) {
        const struct layout_held *held = &chain->items[i - 1].held;
        if (held->serial == serial && is_same(held->full_root, full_root)) {
            return true;
        }
    }
    return false;
}

size_t sim_checker_certified(const struct sim_checker *checker)
{
    size_t count = 0;
    for (unsigned zone = 0; zone < checker->world->options.zones; zone++) {
        count += checker->chains[zone].count;
    }
    return count;
}
