/* signed.h: records of a signed zone, as a file or a transfer has them -> entries in canonical order, for the roots. What comes
 * in is a stranger's word: a record of another class, out of zone, or of another TTL than its RRset's is refused; nothing is
 * lower-cased but owners, nothing is verified. Pure. */
#ifndef CSN_SIGN_SIGNED_H
#define CSN_SIGN_SIGNED_H

#include "base/error.h"
#include "dns/name.h"
#include "dns/rrset.h"
#include "zone/prepare.h"

struct csn_signed {
    struct csn_entry *entries; /* owns; after finish: canonical order of (owner, type) */
    size_t count;
    struct csn_signed_work *work; /* owns; private */
};

/* `apex` is copied. */
struct csn_signed *csn_signed_new(const uint8_t *apex);
/* CSN_EREFUSED: class, out of zone; CSN_EFORMAT: an owner that is no name, RDATA of an impossible size. */
int csn_signed_add(struct csn_signed *zone, const struct csn_record *record, struct csn_reason *reason);
/* Groups what was added; equal records are one (the SOA that closes a transfer). CSN_EFORMAT: unequal TTLs in an RRset; an
 * RRset without records but with RRSIGs. */
int csn_signed_finish(struct csn_signed *zone, struct csn_reason *reason);
void csn_signed_free(struct csn_signed *take_zone);

#endif
