/* verify_ldns_own.h: what the files of path 1 (verify.h) share: verify_ldns.c has the keys and the
 * whole, verify_ldns_entry.c all that can be said of one entry without its neighbours,
 * verify_ldns_zone.c the walk over the owners. */
#ifndef CSN_SIGN_VERIFY_LDNS_OWN_H
#define CSN_SIGN_VERIFY_LDNS_OWN_H

#include <ldns/ldns.h>
#include <openssl/evp.h>

#include "sign/verify.h"

/* Keys of one zone, unpublished ones included; more are refused. */
#define CSN_LDNS_KEYS_MAX 64

struct csn_ldns_key {
    ldns_rr *rr;      /* owns */
    EVP_PKEY *public; /* owns; NULL for RSA, which ldns reads per signature at little cost */
    uint16_t tag;
    uint8_t algorithm;
    bool is_published;
    bool is_revoked;
};

struct csn_ldns_check {
    const struct csn_verify_job *job; /* borrows */
    struct csn_reason *reason;        /* borrows */
    ldns_rdf apex;                    /* borrows its octets */
    struct csn_ldns_key keys[CSN_LDNS_KEYS_MAX];
    size_t key_count;
    bool is_due[256];       /* by algorithm: must sign every signed RRset */
    ldns_buffer *record;    /* owns; one record in wire form */
    ldns_buffer *canonical; /* owns; the same by ldns */
    ldns_buffer *records;   /* owns; the RRset as signed */
    ldns_buffer *covered;   /* owns; RRSIG fields and RRset */
    ldns_buffer *signature; /* owns; as OpenSSL wants it */
    ldns_rr_type *types;    /* owns; the types of one owner */
    size_t types_max;
};

/* CSN_ESIGNATURE, with the cause in check->reason. */
int csn_ldns_refuse(const struct csn_ldns_check *check, const ldns_rdf *owner, unsigned type,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* One record as an ldns_rr, its wire form left in check->record. NULL: ldns cannot read all of it,
 * or would write it otherwise, which is: it is not in canonical form. */
ldns_rr *csn_ldns_make_rr(const struct csn_ldns_check *check, const ldns_rdf *owner, unsigned type,
                          uint32_t ttl, struct csn_bytes rdata);

/* CSN_ESIGNATURE at the first fault. */
int csn_ldns_check_entry(const struct csn_ldns_check *check, size_t index);
int csn_ldns_check_zone(struct csn_ldns_check *check);

/* A name as ldns sees it, without a copy. */
static inline ldns_rdf csn_ldns_borrow_name(const uint8_t *name)
{
    size_t size = 1;
    for (const uint8_t *label = name; *label != 0; label += 1 + *label) {
        size += 1u + *label;
    }
    ldns_rdf rdf;
    ldns_rdf_set_type(&rdf, LDNS_RDF_TYPE_DNAME);
    ldns_rdf_set_size(&rdf, size);
    ldns_rdf_set_data(&rdf, (uint8_t *)name);
    return rdf;
}

/* The record at `*at` of packed RDATA; false at the end or when the packing is wrong, with `*at`
 * left before the end. */
static inline bool csn_ldns_next_record(const struct csn_rrset *rrset, size_t *at,
                                        struct csn_bytes *ret_rdata)
{
    size_t left = rrset->rdatas.size - *at;
    if (left < 2) {
        return false;
    }
    size_t size = ldns_read_uint16(rrset->rdatas.data + *at);
    if (size > left - 2) {
        return false;
    }
    *ret_rdata = csn_bytes(rrset->rdatas.data + *at + 2, size);
    *at += 2 + size;
    return true;
}

#endif
