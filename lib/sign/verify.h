/* verify.h: what a site checks before its vote, twice (signing.md 5). Two implementations share this header, the entries read
 * back from the store, and nothing else: verify_ldns*.c is ldns alone; verify_knot*.c is its own walk over the wire with
 * libknot's names and libdnssec. Neither links lib/dns, the chain builder, the schedule or the other (tests/lint).
 *
 * The work is cut in parts so that worker threads can share it: the union of all parts is the whole check. Any thread. */
#ifndef CSN_SIGN_VERIFY_H
#define CSN_SIGN_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "dns/rrset.h"

struct csn_verify_key {
    struct csn_bytes dnskey; /* RDATA; borrows */
};

struct csn_verify_job {
    const uint8_t *apex;              /* wire form */
    const struct csn_entry *entries;  /* the staged zone, canonical order, as read back from the store */
    size_t count;
    const bool *is_carried;           /* per entry: RRset and RRSIGs octet for octet those of the certified parent, whose keys
                                         are the same; its signatures are not verified again. NULL: verify all */
    const struct csn_bytes *dnskeys;  /* RDATA of the key set's published keys; the zone's DNSKEY RRset must be these */
    size_t dnskey_count;
    const struct csn_bytes *unpublished; /* RDATA of keys that sign without being published: an algorithm on its way in or out
                                            (signing.md 3). May be none */
    size_t unpublished_count;
    const struct csn_bytes *ds;       /* RDATA of the configured or observed DS; may be none */
    size_t ds_count;
    uint64_t time_s;                  /* T */
    uint64_t left_min_s;              /* expiration >= T + this (R/2) */
    unsigned part, parts;             /* this call's part of the work: 0 <= part < parts */
};

/* CSN_OK, or CSN_ESIGNATURE with a reason that names owner, type and cause. */
int csn_verify_ldns(const struct csn_verify_job *job, struct csn_reason *reason);
int csn_verify_knot(const struct csn_verify_job *job, struct csn_reason *reason);

#endif
