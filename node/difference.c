#include "difference.h"

#include <inttypes.h>
#include <stdlib.h>

#include "compare.h"
#include "job.h"
#include "kept/version.h"

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
    size_t count; /* RRsets that differ */
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

/* The peer's words hashed to the root: if this does not come out, it is what is here that is wrong. */
static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct difference *difference = arg;
    const struct csn_walk_difference *differences;
    difference->count = csn_walk_finish(difference->walk, &differences);
    int code = csn_version_patch(difference->zone->daemon->store, difference->zone->config->zone, &difference->from, &difference->to,
                                 &difference->meta, differences, difference->count);
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
        csn_shell_run(difference->zone, 1, work, end, difference);
        return;
    }
    /* A fault of this side is no reason to ask another site. */
    difference->reason = compare->reason;
    difference->code = compare->bad_side == 0 ? CSN_ELIMIT : compare->code;
    end(difference);
}

void csn_difference_fetch(struct csn_zone_shell *zone, uint16_t site, const struct csn_digest *full_root, unsigned patience,
                          csn_difference_fn *done, void *arg)
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
                                            .patience = patience,
                                            .is_believed = is_believed,
                                            .is_worth = is_worth,
                                            .done = on_compared,
                                            .arg = difference};
    csn_compare_run(zone, sites, names, &settings);
}
