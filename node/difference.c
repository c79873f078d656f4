#include "difference.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "job.h"
#include "kept/version.h"
#include "zone/patch.h"

#define BUCKETS_MAX 40000 /* differing ones; their rows must fit into CSN_WALK_ROWS_MAX */
#define SMALL ((uint64_t)128 * 1024) /* octets of a zone: the hashes of branches and buckets would be as much */
#define WORTH 2           /* less than one part in this many of the zone is asked for */
#define CLASSES (CSN_TREE_ALL & ~(1u << 3)) /* not R, whose leaves are cut from those of B */

struct difference {
    struct csn_zone_shell *zone; /* borrows */
    uint16_t site;
    struct csn_digest from, to;
    /* while the new version is written */
    struct csn_walk *walk; /* owns */
    struct csn_version_meta meta;
    struct csn_table_writer *writer; /* owns */
    struct csn_rooter *rooter;       /* owns */
    size_t count;                    /* RRsets that differ */
    uint64_t octets;
    unsigned trips;
    int code;
    struct csn_reason reason;
    csn_difference_fn *done;
    void *arg;
};

static void end(void *arg)
{
    struct difference *difference = arg;
    struct csn_zone_shell *zone = difference->zone;
    if (difference->code == CSN_OK) {
        csn_log(&zone->daemon->log, CSN_INFO, "fetch.difference",
                "zone %s serial %" PRIu32 " from site %u: %zu RRsets differ, %" PRIu64 " octets in %u round trips", zone->name,
                difference->meta.serial, difference->site, difference->count, difference->octets, difference->trips);
    }
    difference->done(difference->arg, difference->code, difference->reason.text);
    csn_walk_free(difference->walk);
    free(difference);
}

/* --- the new version, in a worker thread */

static int write_entry(void *arg, const struct csn_entry *entry)
{
    struct difference *difference = arg;
    int code = csn_rooter_add(difference->rooter, entry, NULL);
    return code == CSN_OK ? csn_table_add(difference->writer, entry) : code;
}

static int patch_all(struct difference *difference, struct csn_table_reader *reader)
{
    const struct csn_walk_difference *differences;
    struct csn_entry entry;
    difference->count = csn_walk_finish(difference->walk, &differences);
    struct csn_patch *patch = csn_patch_new(difference->zone->config->zone, difference->meta.serial, differences,
                                            difference->count, write_entry, difference);
    int code = CSN_OK;
    while (code == CSN_OK && (code = csn_table_next(reader, &entry)) == CSN_OK) {
        code = csn_patch_add(patch, &entry);
    }
    code = code == CSN_ENOTFOUND ? csn_patch_add(patch, NULL) : code;
    csn_patch_free(patch);
    return code;
}

/* Complete only with the root that was asked for. */
static int complete(struct difference *difference)
{
    struct csn_zone_roots roots;
    struct csn_buf meta = {0};
    int code = csn_rooter_finish(difference->rooter, difference->meta.serial, &roots, NULL);
    if (code == CSN_OK && !csn_digest_equal(&roots.full, &difference->to)) {
        code = CSN_EMISMATCH;
    }
    if (code == CSN_OK) {
        csn_version_meta_encode(&difference->meta, &meta);
        code = csn_table_complete(difference->writer, csn_buf_view(&meta));
        difference->writer = NULL;
        csn_buf_fini(&meta);
    }
    return code == CSN_EEXISTS ? CSN_OK : code;
}

static int write_version(struct difference *difference)
{
    struct csn_store *store = difference->zone->daemon->store;
    const uint8_t *zone = difference->zone->config->zone;
    struct csn_table_reader *reader;
    int code = csn_table_begin(store, CSN_TABLE_VERSION, zone, &difference->to, &difference->writer);
    if (code != CSN_OK) {
        return code == CSN_EEXISTS ? CSN_OK : code;
    }
    difference->rooter = csn_rooter_new(zone, difference->meta.time_s);
    code = csn_table_open(store, CSN_TABLE_VERSION, zone, &difference->from, &reader);
    if (code == CSN_OK) {
        code = patch_all(difference, reader);
        csn_table_close(reader);
    }
    code = code == CSN_OK ? complete(difference) : code;
    csn_rooter_free(difference->rooter);
    if (difference->writer != NULL) {
        csn_table_abandon(difference->writer);
        difference->writer = NULL;
    }
    return code;
}

/* The peer's words hashed to the root: if this does not come out, it is what is here that is wrong. */
static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct difference *difference = arg;
    int code = write_version(difference);
    if (code != CSN_OK && code != CSN_EIO && code != CSN_EFULL && code != CSN_EPERMISSION) {
        code = csn_reason_set(&difference->reason, CSN_ELIMIT, "what was patched does not have its root: %s", csn_error_text(code));
    }
    difference->code = code;
}

/* --- the walk */

static bool is_believed(void *arg, struct csn_compare *compare, unsigned side)
{
    const struct difference *difference = arg;
    const struct csn_digest *wanted = side == 0 ? &difference->from : &difference->to;
    const struct csn_tree_name *name = &compare->sides[side].name;
    return name->kind == CSN_TREE_VERSION && csn_digest_equal(&name->digest, wanted) && csn_compare_has_full_root(compare, side);
}

static bool is_worth(void *arg, const struct csn_compare *compare)
{
    (void)arg;
    uint64_t all = 0;
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        all += (CLASSES >> place & 1) != 0 ? csn_walk_leaves(compare->walk, 1, place) : 0;
    }
    return !csn_walk_is_systematic(compare->walk) && csn_walk_leaves_asked(compare->walk, 1) < all / WORTH;
}

static void on_compared(void *arg, struct csn_compare *compare)
{
    struct difference *difference = arg;
    difference->octets = compare->sides[1].octets;
    difference->trips = compare->trips;
    difference->meta = (struct csn_version_meta){.serial = compare->sides[1].serial, .time_s = compare->sides[1].time_s};
    if (compare->code == CSN_OK) {
        difference->walk = compare->walk;
        compare->walk = NULL;
        csn_job_run(difference->zone->daemon->loop, 1, work, end, difference);
        return;
    }
    /* A fault of this side is no reason to ask another site. */
    difference->reason = compare->reason;
    difference->code = compare->bad_side == 0 ? CSN_ELIMIT : compare->code;
    end(difference);
}

void csn_difference_fetch(struct csn_zone_shell *zone, uint16_t site, const struct csn_digest *full_root, csn_difference_fn *done,
                          void *arg)
{
    struct difference *difference = csn_calloc(1, sizeof(*difference));
    *difference = (struct difference){
        .zone = zone, .site = site, .from = zone->serving.full_root, .to = *full_root, .done = done, .arg = arg};
    bool is_small = zone->history.is_loaded && zone->history.zone_size < SMALL;
    if (!zone->serving.is_ready || is_small) {
        difference->code = csn_reason_set(&difference->reason, CSN_ELIMIT, "%s",
                                          is_small ? "the zone is small" : "nothing is served here yet");
        csn_job_later(zone->daemon->loop, 0, end, difference);
        return;
    }
    const uint16_t sites[2] = {zone->daemon->config->member->number, site};
    const struct csn_tree_name names[2] = {{.kind = CSN_TREE_VERSION, .digest = difference->from},
                                           {.kind = CSN_TREE_VERSION, .digest = *full_root}};
    struct csn_compare_settings settings = {.classes = CLASSES,
                                            .buckets_max = BUCKETS_MAX,
                                            .is_believed = is_believed,
                                            .is_worth = is_worth,
                                            .done = on_compared,
                                            .arg = difference};
    csn_compare_run(zone, sites, names, &settings);
}
