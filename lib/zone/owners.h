/* owners.h: a walk over a sealed zone, one owner a step, with where it stands. Pure. */
#ifndef CSN_ZONE_OWNERS_H
#define CSN_ZONE_OWNERS_H

#include "zone/zone.h"

struct csn_owners {
    const struct csn_rrset *rrsets; /* of this owner, by type; borrows from the zone */
    size_t count;
    enum csn_place place;
    const struct csn_rrset *end; /* private, as all that follows */
    struct csn_placer placer;
};

/* Before the first owner. */
struct csn_owners csn_owners_first(const struct csn_zone *zone);
/* False at the end. */
bool csn_owners_next(struct csn_owners *owners);

/* What is authoritative and gets signatures: all types at an authoritative owner, DS and the denial at a cut (signing.md 2). */
bool csn_owners_is_signed(enum csn_place place, uint16_t type);

#endif
