/* tree.h: the tree of the digest (signing.md 4) kept whole, so that two sites find the RRsets in which they differ: the hashes
 * of branches, then of buckets, then the rows of leaves. What a site says of its tree is octets that the reader checks against
 * the hash above, up to a class root. Pure; a finished tree may be read by any thread, each with a hasher of its own. */
#ifndef CSN_ZONE_TREE_H
#define CSN_ZONE_TREE_H

#include "base/error.h"
#include "zone/digest.h"

#define CSN_TREE_CLASSES 5 /* places of "DKNRB" */
#define CSN_TREE_CHILDREN 256
#define CSN_TREE_ALL 0x1fu /* classes as bits by place */

/* The letter at a place, and back: -1 for what is no class of a tree. */
enum csn_class csn_tree_class(unsigned place);
int csn_tree_class_place(uint8_t letter);

/* The children of a node by octet; zeros where there is none. Its hash is over those that exist, in order. */
struct csn_tree_vector {
    struct csn_digest hashes[CSN_TREE_CHILDREN];
};
/* Zeros for a node without children. */
void csn_tree_vector_hash(struct csn_hasher *hasher, const struct csn_tree_vector *vector, struct csn_digest *ret_hash);
/* Octets: 32 with a bit for each child that exists (octet i / 8, 1 << i % 8) | their hashes, ascending. Read: CSN_EFORMAT. */
void csn_tree_vector_put(const struct csn_tree_vector *vector, struct csn_buf *buf);
int csn_tree_vector_read(struct csn_reader *reader, struct csn_tree_vector *ret_vector);
/* Where the two differ, ascending. */
size_t csn_tree_vector_differ(const struct csn_tree_vector *a, const struct csn_tree_vector *b,
                              uint8_t ret_places[CSN_TREE_CHILDREN]);

/* What stands above a class: its root follows from it. */
struct csn_tree_top {
    uint64_t leaves;
    struct csn_tree_vector branches;
};
void csn_tree_top_root(struct csn_hasher *hasher, enum csn_class class, const struct csn_tree_top *top,
                       struct csn_digest *ret_root);

/* A branch, or a bucket, of a class. */
struct csn_tree_place {
    uint8_t class_place, branch, bucket;
};

/* A leaf, and what it is of: entry / 2 in the order of adding, odd for the RRSIGs of that entry. */
struct csn_tree_leaf {
    struct csn_digest hash;
    uint32_t item;
};

/* A tree of the classes asked for (bits). `apex` is copied. */
struct csn_tree;
struct csn_tree *csn_tree_new(const uint8_t *apex, unsigned classes);
/* RRSIGs may be whole or cut before their signature (then without class B). CSN_EFORMAT: malformed RRSIGs; CSN_ELIMIT: more
 * than 2^31 entries. */
int csn_tree_add(struct csn_tree *tree, const struct csn_entry *entry);
/* Once, after the last; then it only is read. */
void csn_tree_finish(struct csn_tree *tree);
void csn_tree_free(struct csn_tree *take_tree);

unsigned csn_tree_classes(const struct csn_tree *tree);
const struct csn_tree_top *csn_tree_top(const struct csn_tree *tree, unsigned place);
void csn_tree_buckets(const struct csn_tree *tree, struct csn_hasher *hasher, unsigned place, uint8_t branch,
                      struct csn_tree_vector *ret_vector);
/* Borrowed, ascending. */
const struct csn_tree_leaf *csn_tree_leaves(const struct csn_tree *tree, unsigned place, uint8_t branch, uint8_t bucket,
                                            size_t *ret_count);

/* The RRset behind a leaf of a class: the entry's, or its RRSIGs whole (B) or cut before the signature (R; packed into `buf`,
 * which is cleared and which the RRset borrows). CSN_EFORMAT: malformed RRSIGs. */
int csn_tree_leaf_rrset(enum csn_class class, const struct csn_entry *entry, bool is_rrsigs, struct csn_buf *buf,
                        struct csn_rrset *ret_rrset);
/* The hash of such an RRset in its class (the SOA's serial zeroed in D). */
void csn_tree_leaf_hash(struct csn_hasher *hasher, enum csn_class class, const struct csn_rrset *rrset,
                        struct csn_digest *ret_hash);

#endif
