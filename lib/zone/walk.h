/* walk.h: finds the RRsets in which the trees of two sites differ, in three exchanges with each: tops, buckets of the branches
 * that differ, rows of the buckets that differ. Both sites' words are octets checked against the hash above them, up to the
 * class roots, which the caller compares with what is signed. Above a number of differing buckets only a sample is
 * asked for: the first of each branch; the difference is systematic, and its first few records say as much as all. Pure. */
#ifndef CSN_ZONE_WALK_H
#define CSN_ZONE_WALK_H

#include "zone/tree.h"

#define CSN_WALK_BUCKETS_MAX 5000 /* for people; a site that wants all of it sets another */
/* Octets of rows taken from one site; more ends the walk with CSN_ELIMIT. */
#define CSN_WALK_ROWS_MAX ((size_t)64 << 20)

struct csn_walk;
/* Looks for differences in these classes (bits by place) alone. */
struct csn_walk *csn_walk_new(unsigned classes, size_t buckets_max);
void csn_walk_free(struct csn_walk *take_walk);

/* Sides are 0 and 1. Tops: for each class its letter u8 | leaves u64 | vector of branches, in the order DKNRB. CSN_EFORMAT. */
void csn_walk_tops_put(const struct csn_tree *tree, struct csn_buf *buf);
int csn_walk_take_tops(struct csn_walk *walk, unsigned side, struct csn_bytes octets);
/* Classes of a side, as bits; and the root of one. */
unsigned csn_walk_classes(const struct csn_walk *walk, unsigned side);
void csn_walk_root(const struct csn_walk *walk, unsigned side, unsigned place, struct csn_digest *ret_root);
uint64_t csn_walk_leaves(const struct csn_walk *walk, unsigned side, unsigned place);

/* The places to ask for next: branches once both sides' tops are there, buckets once both sides' buckets are. 0: none differ. */
size_t csn_walk_find_branches(struct csn_walk *walk);
size_t csn_walk_find_buckets(struct csn_walk *walk);
/* How many buckets differ, those not asked for too. */
size_t csn_walk_differing(const struct csn_walk *walk);
/* Leaves that one side has, about, in the places to ask for. */
uint64_t csn_walk_leaves_asked(const struct csn_walk *walk, unsigned side);
bool csn_walk_is_systematic(const struct csn_walk *walk);

/* Places [from, from + count) as a request names them: letter, branch; and the bucket, once buckets were found. */
void csn_walk_places_put(const struct csn_walk *walk, size_t from, size_t count, struct csn_buf *buf);
/* What one side says of the first places of [from, from + count), at least one: vectors of buckets, or for each bucket size u32
 * | rows ascending by leaf. CSN_EFORMAT; CSN_EMISMATCH: not what the hash above says; CSN_ELIMIT. */
int csn_walk_take(struct csn_walk *walk, unsigned side, size_t from, size_t count, struct csn_bytes octets, size_t *ret_taken);

/* When all was taken: the RRsets in which the sides differ, ascending by class, owner, type and covered type; NULL where a side
 * has none. They live as long as the walk. */
struct csn_walk_difference {
    enum csn_class class;
    const struct csn_rrset *sides[2]; /* borrow */
};
size_t csn_walk_finish(struct csn_walk *walk, const struct csn_walk_difference **ret_differences);

/* For the site that is asked: the places that a request names. CSN_EFORMAT: none, malformed, too many, or not of this tree. */
#define CSN_WALK_PLACES_MAX 2048 /* in one request */
int csn_walk_places_read(const struct csn_tree *tree, struct csn_bytes octets, bool has_bucket,
                         struct csn_tree_place ret_places[CSN_WALK_PLACES_MAX], size_t *ret_count);

#endif
