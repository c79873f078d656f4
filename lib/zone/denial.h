/* denial.h: the denial chain of a prepared zone (signing.md 2). NSEC here; NSEC3 stands behind the same function. Pure. */
#ifndef CSN_ZONE_DENIAL_H
#define CSN_ZONE_DENIAL_H

#include "zone/zone.h"

/* Adds one NSEC an authoritative owner and cut to `out` (unsealed), from the sealed `zone` that holds everything but denial:
 * prepared zone, apex DNSKEY, CDS, CDNSKEY. `apex_types` adds bits at the apex for what comes later (ZONEMD), count of them.
 * TTL = min(SOA TTL, SOA MINIMUM) (RFC 9077). The owners are borrowed: what `zone` borrows from must outlive `out`. */
void csn_nsec_chain(const struct csn_zone *zone, const uint16_t *apex_types, size_t apex_types_count, struct csn_zone *out);

/* Type bitmaps (RFC 4034 4.1.2): `types` ascending, no two equal. */
void csn_bitmap_put(struct csn_buf *buf, const uint16_t *types, size_t count);

#endif
