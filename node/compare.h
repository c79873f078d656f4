/* compare.h: walks the trees of two sites, or of this one and another, to what differs (zone/walk.h), in three exchanges: the
 * pieces of one leave together. Every answer hashes to what stands above it; the asker judges the roots. Loop thread. */
#ifndef CSN_NODE_COMPARE_H
#define CSN_NODE_COMPARE_H

#include "progress.h"
#include "trees.h"
#include "zone/walk.h"

struct csn_compare;

struct csn_compare_side {
    struct csn_compare *compare; /* borrows; private */
    unsigned number;             /* 0, 1 */
    uint16_t site;
    struct csn_tree_name wanted; /* of kind NONE: asked for by serial */
    /* as it said: */
    struct csn_tree_name name;
    uint32_t serial;
    uint64_t time_s;
    uint64_t octets; /* of its replies over the mesh */
    struct csn_progress progress; /* private */
    size_t next;     /* private: place to ask for */
    unsigned pieces; /* private: under way */
};

struct csn_compare_settings {
    uint32_t serial;
    unsigned classes; /* of walk.h */
    size_t buckets_max;
    unsigned patience; /* of progress.h */
    /* Whether what a side says it is, with the roots of its tops, is what it should be. */
    bool (*is_believed)(void *arg, struct csn_compare *compare, unsigned side);
    /* Before the leaves are asked for; false ends it with CSN_ELIMIT. NULL: always. */
    bool (*is_worth)(void *arg, const struct csn_compare *compare);
    /* Once, later; the comparison lives for the call. */
    void (*done)(void *arg, struct csn_compare *compare);
    void *arg;
};

struct csn_compare {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_compare_settings settings;
    struct csn_compare_side sides[2];
    struct csn_walk *walk; /* owns */
    int code;
    struct csn_reason reason; /* beside a code: which site, and why */
    unsigned bad_side;        /* beside a code: whose fault it is */
    bool is_equal;
    unsigned trips;
    enum csn_tree_part part; /* private, as all below */
    size_t place_count;
    unsigned depth; /* exchanges in this part */
};

void csn_compare_run(struct csn_zone_shell *zone, const uint16_t sites[2], const struct csn_tree_name names[2],
                     const struct csn_compare_settings *settings);

/* The roots of a side's classes, once its tops are there; of a class that it has not, that of an empty one. */
void csn_compare_roots(const struct csn_compare *compare, unsigned side, struct csn_roots *ret_roots, struct csn_digest *ret_b);
/* VERSION: the roots of a side, with the serial and T that it said, are those of its full root. */
bool csn_compare_has_full_root(const struct csn_compare *compare, unsigned side);

const char *csn_compare_site_name(const struct csn_daemon *daemon, uint16_t site);

#endif
