/* digest.h: leaves, the fixed 256-ary tree of depth 3, class, content and full roots (signing.md 4). Pure. */
#ifndef CSN_ZONE_DIGEST_H
#define CSN_ZONE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/sha.h"
#include "dns/rrset.h"

/* D, K, N, R, B, and X for what preparation removed. Letters are ASCII. */
enum csn_class { CSN_CLASS_D = 'D', CSN_CLASS_K = 'K', CSN_CLASS_N = 'N', CSN_CLASS_R = 'R', CSN_CLASS_B = 'B', CSN_CLASS_X = 'X' };

/* Where the RRset belongs: K, N, B (ZONEMD) or D. RRSIGs are not asked for: their heads are R, their whole is B. */
enum csn_class csn_class_of(const uint8_t *apex, const struct csn_rrset *rrset);

struct csn_roots {
    struct csn_digest d, k, n, r;
};

/* A growing set of leaves of one class. An array of zeros is empty. */
struct csn_leaves {
    struct csn_digest *leaves; /* owns */
    size_t count, count_max;
};
void csn_leaves_add(struct csn_leaves *leaves, const struct csn_digest *leaf);
void csn_leaves_fini(struct csn_leaves *leaves);

/* The leaf of an RRset (of RRSIGs too: type 46, RDATA whole or cut before the signature). */
void csn_leaf(struct csn_hasher *hasher, const struct csn_rrset *rrset, struct csn_digest *ret_leaf);
/* As csn_leaf, with the serial of a SOA zeroed (class D). */
void csn_leaf_data(struct csn_hasher *hasher, const struct csn_rrset *rrset, struct csn_digest *ret_leaf);

/* The root of a class; sorts `leaves` in place. */
void csn_class_root(struct csn_hasher *hasher, enum csn_class class, struct csn_leaves *leaves, struct csn_digest *ret_root);

/* The same from the count of leaves and the top node (48 zero octets for an empty class). */
void csn_class_node_root(struct csn_hasher *hasher, enum csn_class class, uint64_t leaves, const struct csn_digest *top,
                         struct csn_digest *ret_root);

void csn_content_root(const uint8_t *zone, uint32_t serial, uint64_t time_s, const struct csn_roots *roots,
                      struct csn_digest *ret_root);
void csn_full_root(const struct csn_digest *content, const struct csn_digest *b, struct csn_digest *ret_root);

#endif
