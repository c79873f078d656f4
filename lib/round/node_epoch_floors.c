#include "round/node_epoch.h"

#include <stdlib.h>
#include <string.h>

#define FLOORS_WRITES 16 /* floors of one PERSIST: raising them one after the other only forbids more */

/* --- floors of others */

static void note_odd(struct csn_epoch_part *part, const uint8_t *zone, bool is_there)
{
    memcpy(part->odd_zone, zone, csn_name_size(zone));
    part->is_odd_there = is_there;
}

/* What was sealed, all of it configured here, and of all that is configured here: a floor could not be raised, or one that
 * the sealer has kept since it had the zone would be missing. */
bool csn_epoch_are_floors_whole(struct csn_node *node, struct csn_epoch_part *part,
                                struct csn_bytes octets)
{
    struct csn_reader reader = csn_reader(octets);
    bool *is_sealed = csn_calloc(node->zone_count, sizeof(*is_sealed));
    uint8_t zone[CSN_NAME_MAX];
    struct csn_floor floor;
    struct csn_digest digest;
    uint32_t zones = 0;
    part->odd_zone[0] = 0;
    while (csn_floors_next(&reader, zone, &floor)) {
        int index = csn_zone_index(&node->peers, zone);
        zones++;
        if (index >= 0) {
            is_sealed[index] = true;
        } else {
            note_odd(part, zone, true);
        }
    }
    for (size_t i = 0; i < node->zone_count && part->odd_zone[0] == 0; i++) {
        if (!is_sealed[i]) {
            note_odd(part, node->configs[i].zone, false);
        }
    }
    free(is_sealed);
    csn_sha384(octets, &digest);
    return !reader.failed && part->odd_zone[0] == 0 && zones == part->seal.zones &&
           csn_digest_equal(&digest, &part->seal.floors);
}

/* --- zones that are not the same at two sites */

bool csn_epoch_has_same_zones(const struct csn_node *node, unsigned member, const uint8_t **ret_missing)
{
    size_t i = 0;
    while (i < node->zone_count && csn_peers_row(&node->peers, member, i) != NULL) {
        i++;
    }
    *ret_missing = i < node->zone_count ? node->configs[i].zone : NULL;
    return i == node->zone_count && node->peers.peers[member].report.table_count == node->zone_count;
}

static void find_odd_part(const struct csn_epoch_parts *parts, struct csn_odd_zone *ret_odd)
{
    for (unsigned i = 0; i < parts->count && ret_odd->site == 0; i++) {
        const struct csn_epoch_part *part = &parts->items[i];
        if (part->odd_zone[0] != 0 && !part->fetch.is_here) {
            *ret_odd = (struct csn_odd_zone){part->seal.site, true, part->is_odd_there, part->odd_zone};
        }
    }
}

static void find_odd_member(const struct csn_node *node, struct csn_now now, struct csn_odd_zone *ret_odd)
{
    struct csn_version_id version = csn_epoch_version(&node->epochs.next);
    for (unsigned i = 0; i < node->cluster.member_count && ret_odd->site == 0; i++) {
        const struct csn_body_report *report = &node->peers.peers[i].report;
        const uint8_t *missing;
        bool is_odd = i != node->member && csn_peers_is_fresh(&node->peers, i, now, CSN_SILENT_MS) &&
                      csn_version_equal(&report->next, &version) &&
                      !csn_epoch_has_same_zones(node, i, &missing);
        if (is_odd) {
            *ret_odd = (struct csn_odd_zone){node->cluster.members[i].number, false, missing == NULL, missing};
        }
    }
}

void csn_epoch_find_odd(const struct csn_node *node, struct csn_now now, struct csn_odd_zone *ret_odd)
{
    *ret_odd = (struct csn_odd_zone){0};
    if (node->halt != CSN_HALT_NONE) {
        return;
    }
    if (node->epochs.is_joining) {
        find_odd_part(&node->epochs.last, ret_odd);
    } else if (node->epochs.has_next && node->is_sealed && !csn_epoch_is_entered(node, csn_epoch_version(&node->epochs.next))) {
        find_odd_part(&node->epochs.seals, ret_odd);
    } else if (node->epochs.has_next && !node->is_sealed) {
        find_odd_member(node, now, ret_odd);
    }
}

/* --- fetching */

void csn_epoch_fetch_floors(struct csn_node *node, struct csn_epoch_part *part)
{
    if (csn_digest_equal(&part->seal.floors, &node->epochs.own.floors) && node->epochs.has_own &&
        !part->fetch.is_here && part->fetch.corr == 0) {
        if (node->now.mono_ms >= part->fetch.retry_ms) {
            csn_buf_clear(&part->octets);
            csn_buf_put_bytes(&part->octets, csn_buf_view(&node->epochs.own_floors));
            bool is_whole = csn_epoch_are_floors_whole(node, part, csn_buf_view(&part->octets));
            csn_node_fetched(node, &part->fetch, is_whole ? CSN_OK : CSN_ENOTFOUND);
        }
        return;
    }
    struct csn_effect *effect = csn_node_fetch(node, NULL, &part->fetch, CSN_OBJECT_FLOORS);
    if (effect == NULL) {
        return;
    }
    effect->fetch.digest = part->seal.floors;
    for (unsigned pass = 0; pass < 2; pass++) { /* the one that sealed them first */
        for (unsigned i = 0; i < node->cluster.member_count; i++) {
            uint16_t site = node->cluster.members[i].number;
            if (i != node->member && (site == part->seal.site) == (pass == 0)) {
                effect->fetch.sites[effect->fetch.site_count++] = site;
            }
        }
    }
}

static bool take_floors(struct csn_node *node, struct csn_epoch_parts *parts,
                        const struct csn_event *event)
{
    for (unsigned i = 0; i < parts->count; i++) {
        struct csn_epoch_part *part = &parts->items[i];
        if (part->fetch.corr != event->corr) {
            continue;
        }
        bool is_good =
            event->code == CSN_OK && csn_epoch_are_floors_whole(node, part, event->floors);
        if (is_good) {
            csn_buf_clear(&part->octets);
            csn_buf_put_bytes(&part->octets, event->floors);
        } else if (event->code == CSN_OK) {
            csn_node_count(node, CSN_COUNT_UNKNOWN_ZONE);
        }
        csn_node_fetched(node, &part->fetch, is_good ? CSN_OK : CSN_ENOTFOUND);
        return true;
    }
    return false;
}

bool csn_epoch_completed(struct csn_node *node, const struct csn_event *event)
{
    return event->kind == CSN_EVENT_FETCHED && (take_floors(node, &node->epochs.seals, event) ||
                                                take_floors(node, &node->epochs.last, event));
}

/* What the floors of several say of one zone. */
struct merged {
    struct csn_floor floor;  /* the field-wise maximum */
    struct csn_floor begins; /* of those that have no round yet */
    uint8_t beginning;       /* how many these are */
    uint8_t bound;           /* the others */
};

static void merge_one(struct merged *merged, const struct csn_floor *floor)
{
    bool is_bound = !csn_round_is_none(floor->round);
    merged->bound = (uint8_t)(merged->bound + is_bound);
    merged->beginning = (uint8_t)(merged->beginning + !is_bound);
    csn_floor_merge(is_bound ? &merged->floor : &merged->begins, floor);
}

/* Floors for each zone; one pass, for there may be thousands. */
static struct merged *merge_floors(const struct csn_node *node, const struct csn_epoch_parts *parts,
                                   const bool used[CSN_MEMBERS_MAX])
{
    struct merged *merged = csn_calloc(node->zone_count, sizeof(merged[0]));
    struct csn_floor floor;
    uint8_t name[CSN_NAME_MAX];
    for (unsigned i = 0; i < parts->count; i++) {
        struct csn_reader reader = csn_reader(csn_buf_view(&parts->items[i].octets));
        while (used[i] && csn_floors_next(&reader, name, &floor)) {
            int index = csn_zone_index(&node->peers, name);
            if (index >= 0) {
                merge_one(&merged[index], &floor);
            }
        }
    }
    return merged;
}

/* R8. Once more than may lie have voted or released, live serials of sites that had not count no more, the own neither: what was
 * voted for first came after them, and may have gone round since. Who joins knows how many may lie in the epoch that it joins:
 * all that sealed are more than may have lied in theirs. */
static void raise_to(const struct csn_node *node, struct csn_node_zone *zone, struct merged *merged, const struct csn_cluster *epoch)
{
    bool has_begun = merged->bound > node->cluster.faults || (merged->bound > 0 && merged->beginning == 0);
    merged->begins.has_serial = merged->begins.has_serial && !has_begun;
    zone->floor.has_serial = has_begun ? csn_floor_binds_serial(&zone->floor) : zone->floor.has_serial;
    csn_floor_merge(&merged->floor, &merged->begins);
    csn_epoch_move_on(epoch, &merged->floor);
    csn_floor_merge(&zone->floor, &merged->floor);
}

void csn_epoch_persist_raised(struct csn_node *node, struct csn_epoch_parts *parts,
                              const bool used[CSN_MEMBERS_MAX], const struct csn_cluster *epoch)
{
    struct merged *merged = merge_floors(node, parts, used);
    struct csn_effect *persist = NULL;
    for (size_t i = 0; i < node->zone_count; i++) {
        raise_to(node, &node->zones[i], &merged[i], epoch);
        if (i % FLOORS_WRITES == 0) {
            persist = csn_node_persist(node, CSN_PERSIST_NOTE, NULL);
        }
        csn_persist_floor(node, persist, &node->zones[i]);
    }
    free(merged);
    for (unsigned i = 0; i < parts->count; i++) {
        struct csn_round place = csn_epoch_part_place(epoch->epoch, parts->items[i].seal.site);
        struct csn_buf value = {0};
        if (used[i]) {
            csn_epoch_put_part(&value, &parts->items[i]);
            csn_epoch_write_record(node, csn_node_persist(node, CSN_PERSIST_NOTE, NULL),
                                   CSN_RECORD_PART, &place, &value);
        }
    }
}

static struct csn_bytes find_floors(const struct csn_epoch_parts *parts,
                                    const struct csn_digest *digest)
{
    for (unsigned i = 0; i < parts->count; i++) {
        if (parts->items[i].fetch.is_here &&
            csn_digest_equal(&parts->items[i].seal.floors, digest)) {
            return csn_buf_view(&parts->items[i].octets);
        }
    }
    return csn_bytes(NULL, 0);
}

struct csn_bytes csn_node_floors(const struct csn_node *node, const struct csn_digest *digest)
{
    const struct csn_node_epochs *epochs = &node->epochs;
    if (epochs->has_own && csn_digest_equal(&epochs->own.floors, digest)) {
        return csn_buf_view(&epochs->own_floors);
    }
    struct csn_bytes octets = find_floors(&epochs->seals, digest);
    return octets.size > 0 ? octets : find_floors(&epochs->last, digest);
}
