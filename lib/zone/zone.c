#include "zone/zone.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define COUNT_MAX_FIRST 64

struct csn_zone *csn_zone_new(const uint8_t *apex)
{
    struct csn_zone *zone = csn_calloc(1, sizeof(*zone));
    memcpy(zone->apex, apex, csn_name_size(apex));
    zone->count_max = COUNT_MAX_FIRST;
    zone->rrsets = csn_alloc(zone->count_max * sizeof(*zone->rrsets));
    zone->refs = 1;
    return zone;
}

void csn_zone_add_borrowed(struct csn_zone *zone, const struct csn_rrset *rrset)
{
    if (zone->count == zone->count_max) {
        zone->count_max *= 2;
        zone->rrsets = csn_realloc(zone->rrsets, zone->count_max, sizeof(*zone->rrsets));
    }
    zone->rrsets[zone->count++] = *rrset;
}

void csn_zone_add(struct csn_zone *zone, const struct csn_rrset *rrset)
{
    const uint8_t *last = zone->count ? zone->rrsets[zone->count - 1].owner : NULL;
    struct csn_rrset copy = *rrset;
    copy.owner = last != NULL && csn_name_equal(last, rrset->owner)
                     ? last
                     : csn_arena_copy(&zone->arena, rrset->owner, csn_name_size(rrset->owner));
    copy.rdatas.data = csn_arena_copy(&zone->arena, rrset->rdatas.data, rrset->rdatas.size);
    csn_zone_add_borrowed(zone, &copy);
}

static bool is_strictly_ascending(const struct csn_zone *zone)
{
    for (size_t i = 1; i < zone->count; i++) {
        if (csn_rrset_compare(&zone->rrsets[i - 1], &zone->rrsets[i]) >= 0) {
            return false;
        }
    }
    return true;
}

/* The end of the run in order that begins at `from`. */
static size_t run_end(const struct csn_zone *zone, size_t from)
{
    size_t at = from + 1;
    while (at < zone->count && csn_rrset_compare(&zone->rrsets[at - 1], &zone->rrsets[at]) <= 0) {
        at++;
    }
    return at < zone->count ? at : zone->count;
}

/* Merges the runs [from, middle) and [middle, to) into the same place of `out`. */
static void merge(const struct csn_rrset *rrsets, size_t from, size_t middle, size_t to,
                  struct csn_rrset *out)
{
    size_t a = from, b = middle;
    for (size_t at = from; at < to; at++) {
        bool is_a = b == to || (a < middle && csn_rrset_compare(&rrsets[a], &rrsets[b]) <= 0);
        out[at] = is_a ? rrsets[a++] : rrsets[b++];
    }
}

/* Merges neighbouring runs pair by pair into `*spare`, which becomes the zone's array; the runs
 * that are left. */
static size_t merge_pairs(struct csn_zone *zone, struct csn_rrset **spare)
{
    size_t runs = 0;
    for (size_t from = 0, to; from < zone->count; from = to) {
        size_t middle = run_end(zone, from);
        to = middle < zone->count ? run_end(zone, middle) : middle;
        merge(zone->rrsets, from, middle, to, *spare);
        runs++;
    }
    struct csn_rrset *old = zone->rrsets;
    zone->rrsets = *spare;
    *spare = old;
    return runs;
}

/* A natural merge sort: zones are put together from a few parts that are in order already, and
 * those cost one pass. */
void csn_zone_seal(struct csn_zone *zone)
{
    if (is_strictly_ascending(zone)) {
        return;
    }
    struct csn_rrset *spare = csn_alloc(zone->count_max * sizeof(*spare));
    while (merge_pairs(zone, &spare) > 1) {
    }
    free(spare);
    /* Fails when two RRsets have one owner and type: the caller's fault. */
    REQUIRE(is_strictly_ascending(zone));
}

struct csn_zone *csn_zone_ref(struct csn_zone *zone)
{
    __atomic_add_fetch(&zone->refs, 1, __ATOMIC_RELAXED);
    return zone;
}

void csn_zone_unref(struct csn_zone *take_zone)
{
    if (take_zone == NULL || __atomic_sub_fetch(&take_zone->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    free(take_zone->rrsets);
    csn_arena_fini(&take_zone->arena);
    free(take_zone);
}

const struct csn_rrset *csn_zone_find(const struct csn_zone *zone, const uint8_t *owner,
                                      uint16_t type)
{
    const struct csn_rrset wanted = {.owner = owner, .type = type};
    size_t from = 0, to = zone->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = csn_rrset_compare(&wanted, &zone->rrsets[middle]);
        if (order == 0) {
            return &zone->rrsets[middle];
        }
        if (order < 0) {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    return NULL;
}

static bool is_below(const uint8_t *owner, const uint8_t *above)
{
    return above != NULL && csn_name_is_under(owner, above) && !csn_name_equal(owner, above);
}

enum csn_place csn_placer_next(struct csn_placer *placer, const uint8_t *owner, bool has_ns,
                               bool has_dname)
{
    if (is_below(owner, placer->cut)) {
        return CSN_PLACE_BELOW_CUT;
    }
    if (is_below(owner, placer->dname)) {
        return CSN_PLACE_BELOW_DNAME;
    }
    if (has_dname) {
        placer->dname = owner;
    }
    if (has_ns && !csn_name_equal(owner, placer->apex)) {
        placer->cut = owner;
        return CSN_PLACE_CUT;
    }
    return CSN_PLACE_AUTHORITATIVE;
}
