/* verify_knot_own.h: what the files of path 2 (verify.h) share: verify_knot.c has the keys and the
 * whole, verify_knot_entry.c all that can be said of one entry without its neighbours,
 * verify_knot_zone.c the walk over the owners. */
#ifndef CSN_SIGN_VERIFY_KNOT_OWN_H
#define CSN_SIGN_VERIFY_KNOT_OWN_H

#include <libdnssec/error.h>
#include <libdnssec/key.h>
#include <libdnssec/nsec.h>
#include <libdnssec/sign.h>
#include <libknot/descriptor.h>
#include <libknot/dname.h>

#include "base/bytes.h"
#include "sign/verify.h"

/* Keys of one zone, unpublished ones included; more are refused. */
#define CSN_KNOT_KEYS_MAX 64

struct csn_knot_key {
    dnssec_key_t *key;          /* owns */
    dnssec_sign_ctx_t *context; /* owns */
    uint16_t tag;
    uint8_t algorithm;
    bool is_published;
    bool is_revoked;
    bool has_signed; /* the RRset at hand */
};

struct csn_knot_check {
    const struct csn_verify_job *job; /* borrows */
    struct csn_reason *reason;        /* borrows */
    struct csn_knot_key keys[CSN_KNOT_KEYS_MAX];
    size_t key_count;
    uint8_t algorithms[CSN_KNOT_KEYS_MAX]; /* each must sign every signed RRset */
    size_t algorithm_count;
    dnssec_nsec_bitmap_t *bitmap; /* owns */
    struct csn_buf covered;       /* owns; what a signature covers */
    struct csn_buf types;         /* owns; the bitmap that should be */
};

/* CSN_ESIGNATURE, with the cause in check->reason. */
int csn_knot_refuse(const struct csn_knot_check *check, const struct csn_rrset *rrset,
                    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* No malformed block, no name in upper case where RFC 4034 6.2 wants it lower, nothing left over.
 */
bool csn_knot_is_rdata_canonical(uint16_t type, struct csn_bytes rdata);

/* CSN_ESIGNATURE at the first fault. */
int csn_knot_check_entry(struct csn_knot_check *check, const struct csn_entry *entry,
                         bool is_carried);
int csn_knot_check_zone(struct csn_knot_check *check);

/* Of an RRset's packed RDATA; false: the end, or malformed. */
static inline bool csn_knot_next_rdata(struct csn_reader *reader, struct csn_bytes *ret_rdata)
{
    if (csn_reader_left(reader) == 0) {
        return false;
    }
    size_t size = csn_read_u16(reader);
    *ret_rdata = csn_read_bytes(reader, size);
    return !reader->failed;
}

static inline bool csn_knot_has_upper_case(const uint8_t *octets, size_t size)
{
    /* Label lengths are below 'A', so octets may be scanned without parsing. */
    for (size_t i = 0; i < size; i++) {
        if (octets[i] >= 'A' && octets[i] <= 'Z') {
            return true;
        }
    }
    return false;
}

#endif
