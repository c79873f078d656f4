#include "sim/checker.h"

#include <stdlib.h>

#include "sim/checker_state.h"
#include "sim/secondaries.h"

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

struct csn_digest checker_hash(struct csn_bytes body)
{
    struct sim_mixer mixer = sim_mixer("body");
    sim_mix(&mixer, body.data, body.size);
    return sim_mixed(&mixer);
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

const char *checker_goes_back(const struct layout_held *held, const struct layout_held *old)
{
    return !may_input_follow(held, old)               ? "input"
           : held->time_s < old->time_s               ? "T"
           : held->schedule_s < old->schedule_s       ? "S"
           : !may_follow(&held->policy, &old->policy) ? "policy"
           : !may_follow(&held->keyset, &old->keyset) ? "key set"
                                                      : NULL;
}

bool checker_zone(const struct sim_checker *checker, const struct layout_held *held,
                  unsigned *ret_zone)
{
    *ret_zone = sim_zone_index(checker->world, held->zone);
    return *ret_zone < checker->world->options.zones;
}

/* --- floors */

void checker_raise_floor(struct floor *floor, const struct layout_held *held)
{
    if (floor->is_set && order(held->round, floor->held.round) < 0) {
        return;
    }
    floor->serial =
        !floor->is_set || is_after(held->serial, floor->serial) ? held->serial : floor->serial;
    floor->held = *held;
    floor->is_set = true;
}

/* Certified serials only go on, also where they have gone round. */
void checker_adopt_floor(struct floor *floor, const struct layout_held *held)
{
    bool is_newer = !floor->has_certified || order(held->round, floor->certified.round) > 0;
    bool is_turned = is_newer && floor->has_certified && !is_after(held->serial, floor->certified.serial);
    checker_raise_floor(floor, held);
    if (is_turned && order(held->round, floor->held.round) == 0) {
        floor->serial = held->serial;
        memcpy(floor->turned, held->round, sizeof(floor->turned));
    }
    if (is_newer) {
        floor->has_certified = true;
        floor->certified = *held;
    }
}

/* What a disk holds is what the floor begins with: own votes, and certificates wherever they are
 * among the records. */
static void load_floor(struct sim_checker *checker, const struct sim_actor *actor, unsigned zone)
{
    struct floor *floor = &checker->floors[actor->index][zone];
    const struct votes *votes = &checker->votes[actor->index][zone];
    struct floor latest = {0}, begin = {0};
    memcpy(begin.turned, floor->turned, sizeof(begin.turned));
    *floor = begin;
    for (size_t i = votes->first; i < votes->count; i++) {
        if (order(votes->items[i].held.round, floor->turned) >= 0) {
            checker_raise_floor(floor, &votes->items[i].held);
        }
    }
    for (size_t i = 0; i < actor->disk.records.count; i++) {
        struct layout_certificate certificate;
        unsigned of_zone;
        if (layout_certificate(csn_buf_view(&actor->disk.records.items[i].value), &certificate) &&
            checker_zone(checker, &certificate.held, &of_zone) && of_zone == zone &&
            order(certificate.held.round, floor->turned) >= 0) {
            checker_raise_floor(&latest, &certificate.held);
        }
    }
    if (latest.is_set) {
        checker_adopt_floor(floor, &latest.held);
    }
}

void sim_checker_ordered(struct sim_checker *checker, unsigned zone, const struct csn_order *order)
{
    if (csn_order_has_serial(order->kind)) {
        sim_serials_given(&checker->serials, checker->world, zone, order);
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
