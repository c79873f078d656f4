/* I3 and I4: what is served is certified and never older, and what was voted for is kept. */
#include "sim/checker_state.h"

#include "sim/seam.h"

bool checker_is_above_served(const struct sim_checker *checker, unsigned site, unsigned zone,
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

const struct sim_version *checker_version(const struct sim_checker *checker, unsigned site,
                                          unsigned zone, const struct layout_held *held)
{
    struct csn_digest root = digest_of(held->full_root);
    return sim_disk_version(&checker->world->actors[site].disk, zone, &root);
}

/* --- what is served, and kept */

/* The record of `released`: its value is a round, closed by 8 octets. */
static bool has_pointer(const struct sim_records *records, const uint8_t round[LAYOUT_ROUND])
{
    for (size_t i = 0; i < records->count; i++) {
        const struct csn_buf *value = &records->items[i].value;
        if (records->items[i].key.data[1] == 'R' && value->size == LAYOUT_ROUND + 8 &&
            memcmp(value->data, round, LAYOUT_ROUND) == 0) {
            return true;
        }
    }
    return false;
}

/* A site whose store is gone or damaged answers what its second copy says, which is written first. */
static bool is_pointer_durable(const struct sim_actor *actor, const uint8_t round[LAYOUT_ROUND])
{
    return has_pointer(&actor->disk.records, round) || has_pointer(&actor->disk.seconds, round);
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
    if (!checker_take_certificate(checker, actor, octets, &certificate, &zone)) {
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
                       checker_is_above_served(checker, actor->index, zone, &vote->held);
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
         i > votes->first && checker_is_above_served(checker, site, zone, &votes->items[i - 1].held); i--) {
        const struct vote *vote = &votes->items[i - 1];
        if ((vote->is_sent || vote->is_committed) && !vote->is_excused &&
            checker_version(checker, site, zone, &vote->held) == NULL) {
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

const struct sim_served *sim_checker_served(const struct sim_checker *checker,
                                            const struct sim_actor *actor, unsigned zone)
{
    return &checker->served[actor->index][zone];
}
