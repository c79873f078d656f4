#include "round/node_epoch.h"

#include <stdlib.h>
#include <string.h>

#include "round/fields.h"

#define FLOORS_WRITES 16 /* floors of one PERSIST: raising them one after the other only forbids more */

/* --- floors of others */

/* As many zones as were sealed, all of them configured here: else it waits until they are. */
static bool are_floors_whole(const struct csn_node *node, const struct csn_epoch_part *part,
                             struct csn_bytes octets)
{
    struct csn_reader reader = csn_reader(octets);
    uint8_t zone[CSN_NAME_MAX];
    struct csn_floor floor;
    struct csn_digest digest;
    uint32_t zones = 0;
    csn_sha384(octets, &digest);
    while (csn_floors_next(&reader, zone, &floor)) {
        zones++;
        reader.failed |= csn_zone_index(&node->peers, zone) < 0;
    }
    return !reader.failed && zones == part->seal.zones &&
           csn_digest_equal(&digest, &part->seal.floors);
}

void csn_epoch_fetch_floors(struct csn_node *node, struct csn_epoch_part *part)
{
    if (csn_digest_equal(&part->seal.floors, &node->epochs.own.floors) && node->epochs.has_own &&
        !part->fetch.is_here && part->fetch.corr == 0) {
        csn_buf_clear(&part->octets);
        csn_buf_put_bytes(&part->octets, csn_buf_view(&node->epochs.own_floors));
        part->fetch.is_here = are_floors_whole(node, part, csn_buf_view(&part->octets));
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
            event->code == CSN_OK && are_floors_whole(node, part, event->floors);
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

/* The field-wise maximum of these floors for each zone; one pass, for there may be thousands. */
static struct csn_floor *merge_floors(const struct csn_node *node, const struct csn_epoch_parts *parts,
                                      const bool used[CSN_MEMBERS_MAX])
{
    struct csn_floor *merged = csn_calloc(node->zone_count, sizeof(merged[0])), floor;
    uint8_t name[CSN_NAME_MAX];
    for (unsigned i = 0; i < parts->count; i++) {
        struct csn_reader reader = csn_reader(csn_buf_view(&parts->items[i].octets));
        while (used[i] && csn_floors_next(&reader, name, &floor)) {
            int index = csn_zone_index(&node->peers, name);
            if (index >= 0) {
                csn_floor_merge(&merged[index], &floor);
            }
        }
    }
    return merged;
}

void csn_epoch_persist_raised(struct csn_node *node, struct csn_epoch_parts *parts,
                              const bool used[CSN_MEMBERS_MAX], const struct csn_cluster *epoch)
{
    struct csn_floor *merged = merge_floors(node, parts, used);
    struct csn_effect *persist = NULL;
    for (size_t i = 0; i < node->zone_count; i++) { /* R8 */
        csn_epoch_move_on(epoch, &merged[i]);
        csn_floor_merge(&node->zones[i].floor, &merged[i]);
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
