/* zone.h: a zone in memory: RRsets in canonical order, immutable once sealed, shared by reference count between threads. */
#ifndef CSN_ZONE_ZONE_H
#define CSN_ZONE_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "dns/name.h"
#include "dns/rrset.h"

struct csn_zone {
    uint8_t apex[CSN_NAME_MAX];
    struct csn_rrset *rrsets; /* owns; canonical order of (owner, type), no two equal */
    size_t count;
    size_t count_max;
    struct csn_arena arena; /* owns owners and RDATA */
    int refs;               /* atomic */
};

/* A new, unsealed zone with one reference. Add in any order, then seal; nothing may be added after. */
struct csn_zone *csn_zone_new(const uint8_t *apex);
/* Copies the RRset; the owner pointer of the previous RRset is shared when the names are equal. */
void csn_zone_add(struct csn_zone *zone, const struct csn_rrset *rrset);
/* Adds without copying: owner and RDATA must live as long as the zone (another zone it holds a reference to, its arena). */
void csn_zone_add_borrowed(struct csn_zone *zone, const struct csn_rrset *rrset);
void csn_zone_seal(struct csn_zone *zone);

struct csn_zone *csn_zone_ref(struct csn_zone *zone);
void csn_zone_unref(struct csn_zone *take_zone);

/* Borrowed, or NULL. O(log n). */
const struct csn_rrset *csn_zone_find(const struct csn_zone *zone, const uint8_t *owner, uint16_t type);

/* Where an owner stands (signing.md 1). Fed with the owners of a sealed zone in order, with whether each has NS or DNAME. */
enum csn_place { CSN_PLACE_AUTHORITATIVE, CSN_PLACE_CUT, CSN_PLACE_BELOW_CUT, CSN_PLACE_BELOW_DNAME };
struct csn_placer {
    const uint8_t *apex;   /* borrows */
    const uint8_t *cut;    /* borrows; the last cut seen, or NULL */
    const uint8_t *dname;  /* borrows; the last DNAME owner seen, or NULL */
};
enum csn_place csn_placer_next(struct csn_placer *placer, const uint8_t *owner, bool has_ns, bool has_dname);

#endif
