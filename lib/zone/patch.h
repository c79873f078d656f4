/* patch.h: the entries of a version from those of an older one and the RRsets in which they differ (walk.h): what a site that
 * was away has and what a peer has told it. Nothing is believed here: the roots of what comes out decide. Pure. */
#ifndef CSN_ZONE_PATCH_H
#define CSN_ZONE_PATCH_H

#include "zone/walk.h"

/* An entry of the newer version, in canonical order; borrowed for the call. Another code than CSN_OK ends and is returned. */
typedef int csn_patch_fn(void *arg, const struct csn_entry *entry);

/* Side 0 of the differences is the older version, side 1 the newer; class R is not needed. Borrows the differences. */
struct csn_patch;
struct csn_patch *csn_patch_new(const uint8_t *apex, uint32_t serial, const struct csn_walk_difference *differences, size_t count,
                                csn_patch_fn *fn, void *arg);
void csn_patch_free(struct csn_patch *take_patch);
/* Every entry of the older version, ascending; then NULL once. The SOA gets the serial, which no leaf binds. CSN_EFORMAT: what
 * comes out is no entry. */
int csn_patch_add(struct csn_patch *patch, const struct csn_entry *entry);

#endif
