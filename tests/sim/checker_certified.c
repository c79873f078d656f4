/* I1, I2 and I4: what q sites have voted for; certificates are of such votes. */
#include "sim/checker_state.h"

#include "sim/epochs.h"

static bool has_vote(const struct votes *votes, const struct certified *certified)
{
    for (size_t i = 0; i < votes->count; i++) {
        if (csn_digest_equal(&votes->items[i].body, &certified->body)) {
            return true;
        }
    }
    return false;
}

/* What an emergency may bend: what was certified without the vote of one who sealed for it may be ahead of it in all but rounds and
 * serials. So those who are left out may have done, also with one who is kept, had not heard of it, and joins later: it takes what
 * the emergency certifies for its floor (R5). What is certified after the return is behind neither. */
static bool is_of_one_line(const struct sim_checker *checker, unsigned zone, const struct certified *old,
                           const struct certified *certified)
{
    const struct csn_cluster *document = sim_document_of(checker->world, certified->held.epoch);
    bool is_one = old->held.epoch == certified->held.epoch || !document->is_emergency;
    for (unsigned i = 0; !is_one && i < document->member_count; i++) {
        const struct votes *votes = &checker->votes[document->members[i].number - 1][zone];
        is_one = checker->sealed[document->epoch - 1][document->members[i].number - 1] && has_vote(votes, old);
    }
    return is_one;
}

/* Serials are ordered from one to the next: a few steps that were approved go round (RFC 1982). */
static void check_pair(struct sim_checker *checker, unsigned zone, const struct certified *first,
                       const struct certified *second, bool is_next)
{
    const struct layout_held *old = &first->held, *held = &second->held;
    bool is_one = is_of_one_line(checker, zone, first, second);
    const char *what = is_one ? checker_goes_back(held, old) : NULL;
    checker->world->stats.apart += !is_one;
    if (held->epoch < old->epoch) {
        sim_fail(checker->world, "I2: round %llu.%u of epoch %u is above %llu.%u of epoch %u",
                 counter_of(held->round), seq_of(held->round), held->epoch, counter_of(old->round),
                 seq_of(old->round), old->epoch);
    }
    if (is_next && !is_after(held->serial, old->serial)) {
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
                   i < at ? certified : &chain->items[i], i + 1 == at || i == at);
    }
    if (at > 0) {
        sim_serials_certified(&checker->serials, checker->world, zone, &chain->items[at - 1].held, &certified->held);
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

void checker_tally(struct sim_checker *checker, unsigned zone, const struct vote *vote)
{
    struct certified certified = {.held = vote->held, .body = vote->body};
    const struct csn_cluster *document = sim_document_of(checker->world, vote->held.epoch);
    unsigned sent = 0;
    for (unsigned site = 0; site < checker->world->options.sites; site++) {
        const struct vote *other = checker_find_vote(&checker->votes[site][zone], &vote->held, &vote->body);
        const struct csn_member *member = csn_cluster_member(document, (uint16_t)(site + 1));
        sent += other != NULL && other->is_sent && member != NULL &&
                member->incarnation == other->incarnation;
    }
    if (sent >= document->quorum && !is_certified(checker, zone, &vote->body)) {
        certify(checker, zone, &certified);
    }
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

bool checker_take_certificate(struct sim_checker *checker, const struct sim_actor *actor,
                              struct csn_bytes octets, struct layout_certificate *ret_certificate,
                              unsigned *ret_zone)
{
    bool is_good = layout_certificate(octets, ret_certificate) &&
                   checker_zone(checker, &ret_certificate->held, ret_zone) &&
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
    struct csn_digest body = checker_hash(ret_certificate->body);
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
    if (checker_take_certificate(checker, actor, octets, &certificate, &zone) && actor->is_node) {
        checker_adopt_floor(&checker->floors[actor->index][zone], &certificate.held);
    }
}

/* --- for I7 */

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
