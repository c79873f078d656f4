/* leafset.h: the leaves of a version as a set that can change, so that a delta is checked without the zone: taken back from a
 * version whose full root is known it must lead to the full root that it names. Takes about 110 octets a signed RRset. Pure. */
#ifndef CSN_ZONE_LEAFSET_H
#define CSN_ZONE_LEAFSET_H

#include "zone/delta.h"

struct csn_leafset;
/* Empty; `apex` is copied. */
struct csn_leafset *csn_leafset_new(const uint8_t *apex);
void csn_leafset_free(struct csn_leafset *take_set);
/* An entry of the version. CSN_EFORMAT: malformed RRSIGs. CSN_EMISMATCH: it is there already. */
int csn_leafset_add(struct csn_leafset *set, const struct csn_entry *entry);
void csn_leafset_full_root(struct csn_leafset *set, uint32_t serial, uint64_t time_s, struct csn_digest *ret_root);

/* From the version that the delta leads to, back to the one it comes from. CSN_EMISMATCH: it does not lead to that full root;
 * then the set is of no use any more. */
int csn_leafset_take_back(struct csn_leafset *set, const struct csn_delta *delta);
/* The other way: from the version that it comes from to the one it leads to. */
int csn_leafset_take(struct csn_leafset *set, const struct csn_delta *delta);

#endif
