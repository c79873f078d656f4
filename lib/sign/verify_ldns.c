/* Path 1: ldns alone: its names, records, canonical form, bitmaps, DS and signatures (OpenSSL).
 * Times are ours, in 64 bits: ldns 1.8.3 calls a validity that spans 2038-01-19 bad.
 *
 * ldns_verify_rrsig_keylist_notime does per signature what is done here once per key or per RRset:
 * it clones the RRset and makes the OpenSSL key anew, half as long again as the verification
 * itself. So its parts are called one by one. */
#include "sign/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ldns/ldns.h>
#include <openssl/evp.h>

/* Keys of one zone, unpublished ones included; more are refused. */
#define KEYS_MAX 64

#define FLAG_ZONE 0x0100   /* RFC 4034 2.1.1 */
#define FLAG_REVOKE 0x0080 /* RFC 5011 7 */

/* RDATA fields of an RRSIG as ldns counts them. */
#define RRSIG_FIELDS 9

struct key {
    ldns_rr *rr;      /* owns */
    EVP_PKEY *public; /* owns; NULL for RSA, which ldns reads per signature at little cost */
    uint16_t tag;
    uint8_t algorithm;
    bool is_published;
    bool is_revoked;
};

struct check {
    const struct csn_verify_job *job; /* borrows */
    struct csn_reason *reason;        /* borrows */
    ldns_rdf apex;                    /* borrows its octets */
    struct key keys[KEYS_MAX];
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

/* Where the walk stands. Entries [first, last) are one owner's. */
struct walk {
    size_t first, last;
    ldns_rdf owner; /* borrows its octets */
    bool is_apex;
    bool is_cut;
    bool is_below_cut;
    ldns_rdf cut;   /* the last cut; no data: none */
    ldns_rdf dname; /* the last authoritative DNAME; no data: none */
    ldns_rr *nsec;  /* owns; the last NSEC */
    uint32_t nsec_ttl;
};

static int refuse(const struct check *check, const ldns_rdf *owner, unsigned type,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

static int refuse(const struct check *check, const ldns_rdf *owner, unsigned type,
                  const char *format, ...)
{
    char cause[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cause, sizeof cause, format, arguments);
    va_end(arguments);
    char *owner_text = ldns_rdf2str(owner);
    char *type_text = ldns_rr_type2str((ldns_rr_type)type);
    csn_reason_set(check->reason, CSN_ESIGNATURE, "%s %s: %s",
                   owner_text != NULL ? owner_text : "?", type_text != NULL ? type_text : "?",
                   cause);
    free(owner_text);
    free(type_text);
    return CSN_ESIGNATURE;
}

/* A name as ldns sees it, without a copy. */
static ldns_rdf borrow_name(const uint8_t *name)
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

static bool is_lower(const ldns_rdf *name)
{
    const uint8_t *octets = ldns_rdf_data(name);
    /* A label's length is below 'A'. */
    for (size_t i = 0; i < ldns_rdf_size(name); i++) {
        if (octets[i] >= 'A' && octets[i] <= 'Z') {
            return false;
        }
    }
    return true;
}

static bool is_below(const ldns_rdf *name, const ldns_rdf *ancestor)
{
    return ldns_rdf_data(ancestor) != NULL && ldns_dname_is_subdomain(name, ancestor);
}

/* The record at `*at` of packed RDATA; false at the end or when the packing is wrong, with `*at`
 * left before the end. */
static bool next_record(const struct csn_rrset *rrset, size_t *at, struct csn_bytes *ret_rdata)
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

/* One record as an ldns_rr, its wire form left in check->record. NULL: ldns cannot read all of it,
 * or would write it otherwise, which is: it is not in canonical form. */
static ldns_rr *make_rr(const struct check *check, const ldns_rdf *owner, unsigned type,
                        uint32_t ttl, struct csn_bytes rdata)
{
    ldns_buffer *wire = check->record;
    size_t at = 0;
    ldns_rr *rr = NULL;
    ldns_buffer_clear(wire);
    ldns_buffer_clear(check->canonical);
    if (!ldns_buffer_reserve(wire, ldns_rdf_size(owner) + 10 + rdata.size)) {
        return NULL;
    }
    ldns_buffer_write(wire, ldns_rdf_data(owner), ldns_rdf_size(owner));
    ldns_buffer_write_u16(wire, (uint16_t)type);
    ldns_buffer_write_u16(wire, LDNS_RR_CLASS_IN);
    ldns_buffer_write_u32(wire, ttl);
    ldns_buffer_write_u16(wire, (uint16_t)rdata.size);
    ldns_buffer_write(wire, rdata.data, rdata.size);
    size_t size = ldns_buffer_position(wire);
    if (ldns_wire2rr(&rr, ldns_buffer_begin(wire), size, &at, LDNS_SECTION_ANSWER) !=
        LDNS_STATUS_OK) {
        return NULL;
    }
    if (ldns_rr_rd_count(rr) < ldns_rr_descriptor_minimum(ldns_rr_descript((uint16_t)type)) ||
        ldns_rr2buffer_wire_canonical(check->canonical, rr, LDNS_SECTION_ANSWER) !=
            LDNS_STATUS_OK ||
        ldns_buffer_position(check->canonical) != size ||
        memcmp(ldns_buffer_begin(check->canonical), ldns_buffer_begin(wire), size) != 0) {
        ldns_rr_free(rr);
        return NULL;
    }
    return rr;
}

static bool append(ldns_buffer *buffer, const ldns_buffer *more)
{
    if (!ldns_buffer_reserve(buffer, ldns_buffer_position(more))) {
        return false;
    }
    ldns_buffer_write(buffer, ldns_buffer_begin(more), ldns_buffer_position(more));
    return ldns_buffer_status_ok(buffer);
}

/* --- keys */

/* The OpenSSL key, made once. ECDSA and EdDSA only. */
static EVP_PKEY *convert_key(const ldns_rr *rr, uint8_t algorithm)
{
    const ldns_rdf *octets = ldns_rr_dnskey_key(rr);
    switch (algorithm) {
    case LDNS_ECDSAP256SHA256:
    case LDNS_ECDSAP384SHA384:
        return ldns_ecdsa2pkey_raw(ldns_rdf_data(octets), ldns_rdf_size(octets), algorithm);
    case LDNS_ED25519:
        return ldns_ed255192pkey_raw(ldns_rdf_data(octets), ldns_rdf_size(octets));
    case LDNS_ED448:
        return ldns_ed4482pkey_raw(ldns_rdf_data(octets), ldns_rdf_size(octets));
    default:
        return NULL;
    }
}

static bool is_rsa(uint8_t algorithm)
{
    return algorithm == LDNS_RSASHA1 || algorithm == LDNS_RSASHA1_NSEC3 ||
           algorithm == LDNS_RSASHA256 || algorithm == LDNS_RSASHA512;
}

static int load_key(struct check *check, struct csn_bytes rdata, bool is_published)
{
    ldns_rr *rr = make_rr(check, &check->apex, LDNS_RR_TYPE_DNSKEY, 0, rdata);
    if (rr == NULL) {
        return refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                      "a key of the key set is malformed");
    }
    struct key *key = &check->keys[check->key_count++];
    uint16_t flags = ldns_rdf2native_int16(ldns_rr_dnskey_flags(rr));
    *key = (struct key){.rr = rr, .tag = ldns_calc_keytag(rr), .is_published = is_published};
    key->algorithm = ldns_rdf2native_int8(ldns_rr_dnskey_algorithm(rr));
    key->is_revoked = (flags & FLAG_REVOKE) != 0;
    key->public = convert_key(rr, key->algorithm);
    if ((flags & FLAG_ZONE) == 0 || ldns_rdf2native_int8(ldns_rr_dnskey_protocol(rr)) != 3) {
        return refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY, "key %u is no zone key", key->tag);
    }
    if (key->public == NULL && !is_rsa(key->algorithm)) {
        return refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                      "ldns cannot use key %u of algorithm %u", key->tag, key->algorithm);
    }
    for (size_t i = 0; i + 1 < check->key_count; i++) {
        if (check->keys[i].tag == key->tag && check->keys[i].algorithm == key->algorithm) {
            return refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                          "two keys of algorithm %u share the tag %u", key->algorithm, key->tag);
        }
    }
    /* A revoked key is for RFC 5011 alone: validators do not use it, so it brings no algorithm into
     * the zone. */
    check->is_due[key->algorithm] =
        check->is_due[key->algorithm] || (is_published && !key->is_revoked);
    return CSN_OK;
}

static int load_keys(struct check *check)
{
    const struct csn_verify_job *job = check->job;
    if (job->dnskey_count > KEYS_MAX || job->unpublished_count > KEYS_MAX - job->dnskey_count) {
        return refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY, "more than %d keys", KEYS_MAX);
    }
    for (size_t i = 0; i < job->dnskey_count + job->unpublished_count; i++) {
        bool is_published = i < job->dnskey_count;
        int rc = load_key(check,
                          is_published ? job->dnskeys[i] : job->unpublished[i - job->dnskey_count],
                          is_published);
        if (rc != CSN_OK) {
            return rc;
        }
    }
    if (memchr(check->is_due, true, sizeof check->is_due) == NULL) {
        return refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY, "no published key can sign");
    }
    return CSN_OK;
}

static const struct key *find_key(const struct check *check, unsigned tag, unsigned algorithm)
{
    for (size_t i = 0; i < check->key_count; i++) {
        if (check->keys[i].tag == tag && check->keys[i].algorithm == algorithm) {
            return &check->keys[i];
        }
    }
    return NULL;
}

/* --- signatures. What stays the same for all signatures of one RRset: */
struct subject {
    const struct csn_rrset *rrset; /* borrows */
    ldns_rdf owner;                /* borrows its octets */
    bool is_carried;
    bool is_key_data; /* signed by key-signing keys, all of them and revoked ones too (signing.md 3)
                       */
    const struct key *signers[KEYS_MAX]; /* borrows */
    size_t signer_count;
};

/* T and a time on the wire, placed by RFC 1982: seconds after T. */
static int64_t seconds_after(const ldns_rdf *time, uint64_t time_s)
{
    uint32_t difference = ldns_rdf2native_int32(time) - (uint32_t)(time_s & UINT32_MAX);
    return difference < UINT32_C(0x80000000) ? (int64_t)difference
                                             : (int64_t)difference - INT64_C(0x100000000);
}

static int check_times(const struct check *check, const struct subject *subject,
                       const ldns_rr *rrsig)
{
    int64_t inception = seconds_after(ldns_rr_rrsig_inception(rrsig), check->job->time_s);
    int64_t expiration = seconds_after(ldns_rr_rrsig_expiration(rrsig), check->job->time_s);
    /* A difference of 2^31 has no order (RFC 1982 3.2). */
    if (inception > 0 || inception == -INT64_C(0x80000000)) {
        return refuse(check, &subject->owner, subject->rrset->type,
                      "RRSIG is not yet valid: inception is %lld s after T", (long long)inception);
    }
    if (expiration < 0 || (uint64_t)expiration < check->job->left_min_s) {
        return refuse(check, &subject->owner, subject->rrset->type,
                      "RRSIG expires too early: %lld s after T, at least %llu s are due",
                      (long long)expiration, (unsigned long long)check->job->left_min_s);
    }
    return CSN_OK;
}

static int check_fields(const struct check *check, const struct subject *subject,
                        const ldns_rr *rrsig)
{
    const struct csn_rrset *rrset = subject->rrset;
    unsigned covered = (unsigned)ldns_rdf2rr_type(ldns_rr_rrsig_typecovered(rrsig));
    unsigned labels = ldns_rdf2native_int8(ldns_rr_rrsig_labels(rrsig));
    unsigned labels_due = ldns_dname_label_count(&subject->owner) -
                          (ldns_dname_is_wildcard(&subject->owner) ? 1u : 0u);
    uint32_t ttl = ldns_rdf2native_int32(ldns_rr_rrsig_origttl(rrsig));
    if (covered != rrset->type) {
        return refuse(check, &subject->owner, rrset->type, "RRSIG covers type %u", covered);
    }
    if (labels != labels_due) {
        return refuse(check, &subject->owner, rrset->type, "RRSIG has the labels field %u, not %u",
                      labels, labels_due);
    }
    if (ttl != rrset->ttl) {
        return refuse(check, &subject->owner, rrset->type, "RRSIG has the original TTL %u, not %u",
                      ttl, rrset->ttl);
    }
    if (ldns_dname_compare(ldns_rr_rrsig_signame(rrsig), &check->apex) != 0) {
        return refuse(check, &subject->owner, rrset->type, "RRSIG's signer is not the zone");
    }
    return check_times(check, subject, rrsig);
}

/* RFC 6605 and 8080 fix the size; ldns would take others for ECDSA. */
static bool put_signature(ldns_buffer *buffer, const ldns_rdf *octets, uint8_t algorithm)
{
    ldns_buffer_clear(buffer);
    switch (algorithm) {
    case LDNS_ECDSAP256SHA256:
        return ldns_rdf_size(octets) == 64 &&
               ldns_convert_ecdsa_rrsig_rdf2asn1(buffer, octets) == LDNS_STATUS_OK;
    case LDNS_ECDSAP384SHA384:
        return ldns_rdf_size(octets) == 96 &&
               ldns_convert_ecdsa_rrsig_rdf2asn1(buffer, octets) == LDNS_STATUS_OK;
    default:
        return ldns_rdf2buffer_wire(buffer, octets) == LDNS_STATUS_OK;
    }
}

static ldns_status verify(const struct check *check, const struct key *key)
{
    switch (key->algorithm) {
    case LDNS_ECDSAP256SHA256:
        return ldns_verify_rrsig_evp(check->signature, check->covered, key->public, EVP_sha256());
    case LDNS_ECDSAP384SHA384:
        return ldns_verify_rrsig_evp(check->signature, check->covered, key->public, EVP_sha384());
    case LDNS_ED25519:
    case LDNS_ED448:
        return ldns_verify_rrsig_evp(check->signature, check->covered, key->public, NULL);
    default: {
        const ldns_rdf *octets = ldns_rr_dnskey_key(key->rr);
        return ldns_verify_rrsig_buffers_raw(
            ldns_buffer_begin(check->signature), ldns_buffer_position(check->signature),
            check->covered, ldns_rdf_data(octets), ldns_rdf_size(octets), key->algorithm);
    }
    }
}

/* RFC 4034 3.1.8.1: RRSIG fields, then the RRset. */
static int check_octets(const struct check *check, const struct subject *subject,
                        const ldns_rr *rrsig, const struct key *key)
{
    ldns_buffer_clear(check->covered);
    if (ldns_rrsig2buffer_wire(check->covered, rrsig) != LDNS_STATUS_OK ||
        !append(check->covered, check->records) ||
        !put_signature(check->signature, ldns_rr_rrsig_sig(rrsig), key->algorithm)) {
        return refuse(check, &subject->owner, subject->rrset->type, "RRSIG by key %u is malformed",
                      key->tag);
    }
    if (verify(check, key) != LDNS_STATUS_OK) {
        return refuse(check, &subject->owner, subject->rrset->type,
                      "RRSIG by key %u of algorithm %u does not verify", key->tag, key->algorithm);
    }
    return CSN_OK;
}

static int check_rrsig(const struct check *check, struct subject *subject, const ldns_rr *rrsig)
{
    unsigned tag = ldns_rdf2native_int16(ldns_rr_rrsig_keytag(rrsig));
    unsigned algorithm = ldns_rdf2native_int8(ldns_rr_rrsig_algorithm(rrsig));
    const struct key *key = find_key(check, tag, algorithm);
    int rc = check_fields(check, subject, rrsig);
    if (rc != CSN_OK) {
        return rc;
    }
    if (key == NULL) {
        return refuse(check, &subject->owner, subject->rrset->type,
                      "RRSIG by tag %u, algorithm %u, which is no key of the zone", tag, algorithm);
    }
    if (key->is_revoked && !subject->is_key_data) {
        return refuse(check, &subject->owner, subject->rrset->type, "RRSIG by the revoked key %u",
                      tag);
    }
    for (size_t i = 0; i < subject->signer_count; i++) {
        if (subject->signers[i] == key) {
            return refuse(check, &subject->owner, subject->rrset->type, "two RRSIGs by key %u",
                          tag);
        }
        if (subject->signers[i]->algorithm == algorithm && !subject->is_key_data) {
            return refuse(check, &subject->owner, subject->rrset->type,
                          "more than one RRSIG of algorithm %u", algorithm);
        }
    }
    subject->signers[subject->signer_count++] = key;
    return subject->is_carried ? CSN_OK : check_octets(check, subject, rrsig, key);
}

/* Validators of each algorithm of the zone find a signature they can use. */
static int check_algorithms(const struct check *check, const struct subject *subject)
{
    for (unsigned algorithm = 0; algorithm < 256; algorithm++) {
        bool has = !check->is_due[algorithm];
        for (size_t i = 0; i < subject->signer_count && !has; i++) {
            const struct key *key = subject->signers[i];
            has = key->algorithm == algorithm && key->is_published && !key->is_revoked;
        }
        if (!has) {
            return refuse(check, &subject->owner, subject->rrset->type,
                          "no RRSIG of algorithm %u by a published key", algorithm);
        }
    }
    return CSN_OK;
}

/* --- DS */

/* The RDATA of a DS made by ldns from the key, with the digest that `ds` uses, is `ds`. */
static bool is_ds_of(const struct check *check, struct csn_bytes ds, const struct key *key)
{
    ldns_rr *made = ldns_key_rr2ds(key->rr, (ldns_hash)ds.data[3]);
    if (made == NULL) {
        return false;
    }
    ldns_buffer_clear(check->canonical);
    bool is_equal = ldns_rr_rdata2buffer_wire(check->canonical, made) == LDNS_STATUS_OK &&
                    ldns_buffer_position(check->canonical) == ds.size &&
                    memcmp(ldns_buffer_begin(check->canonical), ds.data, ds.size) == 0;
    ldns_rr_free(made);
    return is_equal;
}

/* True when a DS of this algorithm names a key that has signed the DNSKEY RRset. */
static bool is_algorithm_anchored(const struct check *check, const struct subject *dnskey,
                                  uint8_t algorithm)
{
    for (size_t i = 0; i < check->job->ds_count; i++) {
        struct csn_bytes ds = check->job->ds[i];
        for (size_t j = 0; j < dnskey->signer_count && ds.size > 4 && ds.data[2] == algorithm;
             j++) {
            const struct key *key = dnskey->signers[j];
            if (key->is_published && !key->is_revoked && is_ds_of(check, ds, key)) {
                return true;
            }
        }
    }
    return false;
}

/* RFC 6840 5.11. */
static int check_ds(const struct check *check, const struct subject *dnskey)
{
    for (size_t i = 0; i < check->job->ds_count; i++) {
        struct csn_bytes ds = check->job->ds[i];
        if (ds.size < 5) {
            return refuse(check, &check->apex, LDNS_RR_TYPE_DS, "a DS is too short");
        }
        if (!is_algorithm_anchored(check, dnskey, ds.data[2])) {
            return refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                          "not signed by a key that a DS of algorithm %u names", ds.data[2]);
        }
    }
    return CSN_OK;
}

/* --- one entry */

/* Every record through ldns and into check->records; in order, no two equal (RFC 4034 6.3). */
static int read_records(const struct check *check, const struct subject *subject)
{
    const struct csn_rrset *rrset = subject->rrset;
    struct csn_bytes rdata, last = {0};
    unsigned count = 0;
    size_t at = 0;
    ldns_buffer_clear(check->records);
    for (; next_record(rrset, &at, &rdata); count++) {
        if (count > 0 && csn_bytes_compare(last, rdata) >= 0) {
            return refuse(check, &subject->owner, rrset->type,
                          "records are not in canonical order");
        }
        ldns_rr *rr = make_rr(check, &subject->owner, rrset->type, rrset->ttl, rdata);
        if (rr == NULL || !append(check->records, check->record)) {
            ldns_rr_free(rr);
            return refuse(check, &subject->owner, rrset->type,
                          "RDATA is malformed or not in lower case");
        }
        ldns_rr_free(rr);
        last = rdata;
    }
    if (at != rrset->rdatas.size || count == 0 || count != rrset->count) {
        return refuse(check, &subject->owner, rrset->type, "records are not packed as counted");
    }
    return CSN_OK;
}

static int check_rrsigs(const struct check *check, struct subject *subject,
                        const struct csn_rrset *rrsigs)
{
    struct csn_bytes rdata;
    unsigned count = 0;
    size_t at = 0;
    int rc = CSN_OK;
    for (; rc == CSN_OK && next_record(rrsigs, &at, &rdata); count++) {
        ldns_rr *rr = make_rr(check, &subject->owner, LDNS_RR_TYPE_RRSIG, rrsigs->ttl, rdata);
        if (rr == NULL || ldns_rr_rd_count(rr) != RRSIG_FIELDS) {
            rc = refuse(check, &subject->owner, subject->rrset->type, "RRSIG is malformed");
        } else {
            rc = check_rrsig(check, subject, rr);
        }
        ldns_rr_free(rr);
    }
    if (rc == CSN_OK && (at != rrsigs->rdatas.size || count != rrsigs->count)) {
        return refuse(check, &subject->owner, subject->rrset->type,
                      "RRSIGs are not packed as counted");
    }
    return rc;
}

static bool is_key_data(const struct check *check, const struct csn_rrset *rrset,
                        const ldns_rdf *owner)
{
    return (rrset->type == LDNS_RR_TYPE_DNSKEY || rrset->type == LDNS_RR_TYPE_CDS ||
            rrset->type == LDNS_RR_TYPE_CDNSKEY) &&
           ldns_dname_compare(owner, &check->apex) == 0;
}

/* All that can be said of one entry without its neighbours. */
static int check_entry(const struct check *check, size_t index)
{
    const struct csn_entry *entry = &check->job->entries[index];
    struct subject subject = {.rrset = &entry->rrset, .owner = borrow_name(entry->rrset.owner)};
    int rc = read_records(check, &subject);
    if (rc != CSN_OK || entry->rrsigs.count == 0) {
        return rc;
    }
    ldns_rdf owner = borrow_name(entry->rrsigs.owner);
    if (entry->rrsigs.type != LDNS_RR_TYPE_RRSIG || entry->rrsigs.ttl != entry->rrset.ttl ||
        ldns_dname_compare(&owner, &subject.owner) != 0) {
        return refuse(check, &subject.owner, entry->rrset.type, "RRSIGs have another owner or TTL");
    }
    subject.is_carried = check->job->is_carried != NULL && check->job->is_carried[index];
    subject.is_key_data = is_key_data(check, &entry->rrset, &subject.owner);
    rc = check_rrsigs(check, &subject, &entry->rrsigs);
    if (rc == CSN_OK) {
        rc = check_algorithms(check, &subject);
    }
    if (rc == CSN_OK && entry->rrset.type == LDNS_RR_TYPE_DNSKEY) {
        rc = check_ds(check, &subject);
    }
    return rc;
}

/* --- the zone */

static const struct csn_rrset *find(const struct check *check, const struct walk *walk,
                                    unsigned type)
{
    for (size_t i = walk->first; i < walk->last; i++) {
        if (check->job->entries[i].rrset.type == type) {
            return &check->job->entries[i].rrset;
        }
    }
    return NULL;
}

/* The only record of `rrset` as ldns reads it, or NULL. */
static ldns_rr *single_rr(const struct check *check, const struct walk *walk,
                          const struct csn_rrset *rrset)
{
    struct csn_bytes rdata;
    size_t at = 0;
    if (!next_record(rrset, &at, &rdata) || at != rrset->rdatas.size) {
        return NULL;
    }
    return make_rr(check, &walk->owner, rrset->type, rrset->ttl, rdata);
}

/* Moves on to the next owner: canonical order (RFC 4034 6.1), inside the zone, lower case. */
static int next_owner(const struct check *check, struct walk *walk)
{
    const struct csn_entry *entries = check->job->entries;
    ldns_rdf last = walk->owner;
    walk->first = walk->last++;
    walk->owner = borrow_name(entries[walk->first].rrset.owner);
    if (!is_lower(&walk->owner)) {
        return refuse(check, &walk->owner, entries[walk->first].rrset.type,
                      "owner is not in lower case");
    }
    walk->is_apex = ldns_dname_compare(&walk->owner, &check->apex) == 0;
    if (!walk->is_apex && !ldns_dname_is_subdomain(&walk->owner, &check->apex)) {
        return refuse(check, &walk->owner, entries[walk->first].rrset.type,
                      "owner is outside the zone");
    }
    if (walk->first > 0 && ldns_dname_compare(&last, &walk->owner) >= 0) {
        return refuse(check, &walk->owner, entries[walk->first].rrset.type,
                      "not in canonical order");
    }
    for (; walk->last < check->job->count; walk->last++) {
        ldns_rdf name = borrow_name(entries[walk->last].rrset.owner);
        if (ldns_dname_compare(&name, &walk->owner) != 0) {
            break;
        }
        if (!is_lower(&name) ||
            entries[walk->last].rrset.type <= entries[walk->last - 1].rrset.type) {
            return refuse(check, &walk->owner, entries[walk->last].rrset.type,
                          "not in canonical order");
        }
    }
    return CSN_OK;
}

/* Authoritative, a cut, or below one (signing.md 1). */
static int place_owner(const struct check *check, struct walk *walk)
{
    if (is_below(&walk->owner, &walk->dname)) { /* RFC 6672 2.4 */
        return refuse(check, &walk->owner, check->job->entries[walk->first].rrset.type,
                      "below a DNAME");
    }
    walk->is_below_cut = is_below(&walk->owner, &walk->cut);
    walk->is_cut =
        !walk->is_below_cut && !walk->is_apex && find(check, walk, LDNS_RR_TYPE_NS) != NULL;
    if (walk->is_cut) {
        walk->cut = walk->owner;
    } else if (!walk->is_below_cut && find(check, walk, LDNS_RR_TYPE_DNAME) != NULL) {
        walk->dname = walk->owner;
    }
    return CSN_OK;
}

static bool is_authoritative(const struct walk *walk, unsigned type)
{
    if (walk->is_cut) {
        return type == LDNS_RR_TYPE_DS || type == LDNS_RR_TYPE_NSEC; /* RFC 4035 2.2 */
    }
    return !walk->is_below_cut;
}

/* Types that have no place in the zone, or not here. 0, 41 and 128 to 255 are meta-types (RFC
 * 6895 3.1). */
static int check_type(const struct check *check, const struct walk *walk, unsigned type)
{
    if (type == LDNS_RR_TYPE_NSEC3 || type == LDNS_RR_TYPE_NSEC3PARAM) {
        return refuse(check, &walk->owner, type, "NSEC3 is not verified by this version");
    }
    if (type == LDNS_RR_TYPE_RRSIG) {
        return refuse(check, &walk->owner, type, "RRSIG that covers no RRset of the zone");
    }
    if (type == 0 || type == LDNS_RR_TYPE_OPT || (type >= 128 && type <= 255)) {
        return refuse(check, &walk->owner, type, "not a type of zone data");
    }
    if ((type == LDNS_RR_TYPE_SOA || type == LDNS_RR_TYPE_DNSKEY) && !walk->is_apex) {
        return refuse(check, &walk->owner, type, "only the apex may have this type");
    }
    return CSN_OK;
}

static int check_types(const struct check *check, const struct walk *walk)
{
    int rc = CSN_OK;
    for (size_t i = walk->first; i < walk->last && rc == CSN_OK; i++) {
        const struct csn_entry *entry = &check->job->entries[i];
        bool is_signed = entry->rrsigs.count > 0 || entry->rrsigs.rdatas.size > 0;
        unsigned type = entry->rrset.type;
        rc = check_type(check, walk, type);
        if (rc == CSN_OK && is_authoritative(walk, type) && !is_signed) {
            rc = refuse(check, &walk->owner, type, "RRSIG is missing");
        } else if (rc == CSN_OK && !is_authoritative(walk, type) && is_signed) {
            rc = refuse(check, &walk->owner, type, "RRSIG over %s",
                        walk->is_cut ? "data of a cut" : "data below a cut");
        }
    }
    return rc;
}

/* --- the chain */

/* The bitmap that the owner should have, by ldns; NULL without memory. The caller frees it. RFC
 * 4035 2.3. */
static ldns_rdf *make_bitmap(struct check *check, const struct walk *walk)
{
    size_t count = 0, count_max = walk->last - walk->first + 1;
    if (count_max > check->types_max) {
        check->types = csn_realloc(check->types, count_max, sizeof *check->types);
        check->types_max = count_max;
    }
    check->types[count++] = LDNS_RR_TYPE_RRSIG;
    for (size_t i = walk->first; i < walk->last; i++) {
        unsigned type = check->job->entries[i].rrset.type;
        if (is_authoritative(walk, type) || type == LDNS_RR_TYPE_NS) {
            check->types[count++] = (ldns_rr_type)type;
        }
    }
    return ldns_dnssec_create_nsec_bitmap(check->types, count, LDNS_RR_TYPE_NSEC);
}

static int check_bitmap(struct check *check, const struct walk *walk, const ldns_rr *nsec)
{
    ldns_rdf *due = make_bitmap(check, walk);
    const ldns_rdf *bitmap = ldns_nsec_get_bitmap(nsec);
    bool is_equal = due != NULL && bitmap != NULL && ldns_rdf_compare(due, bitmap) == 0;
    ldns_rdf_deep_free(due);
    return is_equal ? CSN_OK
                    : refuse(check, &walk->owner, LDNS_RR_TYPE_NSEC,
                             "type bitmap is not that of the owner");
}

/* The last NSEC names `next`. */
static int check_link(const struct check *check, const struct walk *walk, const ldns_rdf *next)
{
    if (walk->nsec == NULL) {
        return CSN_OK;
    }
    const ldns_rdf *named = ldns_rr_rdf(walk->nsec, 0);
    if (is_lower(named) && ldns_dname_compare(named, next) == 0) {
        return CSN_OK;
    }
    char *text = ldns_rdf2str(next);
    int rc = refuse(check, ldns_rr_owner(walk->nsec), LDNS_RR_TYPE_NSEC,
                    "the chain is broken: the next name should be %s", text != NULL ? text : "?");
    free(text);
    return rc;
}

static int check_nsec(struct check *check, struct walk *walk)
{
    const struct csn_rrset *rrset = find(check, walk, LDNS_RR_TYPE_NSEC);
    if (walk->is_below_cut) {
        return rrset == NULL ? CSN_OK
                             : refuse(check, &walk->owner, LDNS_RR_TYPE_NSEC, "NSEC below a cut");
    }
    if (rrset == NULL) {
        return refuse(check, &walk->owner, check->job->entries[walk->first].rrset.type,
                      "the owner has no NSEC");
    }
    int rc = check_link(check, walk, &walk->owner);
    if (rc != CSN_OK) {
        return rc;
    }
    if (rrset->ttl != walk->nsec_ttl) { /* RFC 9077 */
        return refuse(check, &walk->owner, LDNS_RR_TYPE_NSEC, "TTL is %u, not %u", rrset->ttl,
                      walk->nsec_ttl);
    }
    ldns_rr_free(walk->nsec);
    walk->nsec = single_rr(check, walk, rrset);
    if (walk->nsec == NULL || ldns_rr_rd_count(walk->nsec) != 2) {
        return refuse(check, &walk->owner, LDNS_RR_TYPE_NSEC, "not exactly one well-formed NSEC");
    }
    return check_bitmap(check, walk, walk->nsec);
}

/* --- the apex */

static bool is_in_key_set(const struct check *check, struct csn_bytes rdata)
{
    for (size_t i = 0; i < check->job->dnskey_count; i++) {
        if (csn_bytes_equal(check->job->dnskeys[i], rdata)) {
            return true;
        }
    }
    return false;
}

/* As many as the key set has, each one of them; check_entry sees that no two are equal. */
static int check_dnskeys(const struct check *check, const struct csn_rrset *rrset)
{
    struct csn_bytes rdata;
    size_t at = 0, count = 0;
    for (; next_record(rrset, &at, &rdata); count++) {
        if (!is_in_key_set(check, rdata)) {
            return refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                          "a key that is not in the key set");
        }
    }
    if (count != check->job->dnskey_count) {
        return refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY, "%zu keys, %zu in the key set",
                      count, check->job->dnskey_count);
    }
    return CSN_OK;
}

static int check_apex(const struct check *check, struct walk *walk)
{
    const struct csn_rrset *soa = find(check, walk, LDNS_RR_TYPE_SOA);
    const struct csn_rrset *dnskey = find(check, walk, LDNS_RR_TYPE_DNSKEY);
    if (!walk->is_apex || soa == NULL || dnskey == NULL ||
        find(check, walk, LDNS_RR_TYPE_NS) == NULL) {
        return refuse(check, &check->apex, LDNS_RR_TYPE_SOA, "the apex lacks SOA, NS or DNSKEY");
    }
    ldns_rr *rr = single_rr(check, walk, soa);
    if (rr == NULL) {
        return refuse(check, &check->apex, LDNS_RR_TYPE_SOA, "not exactly one well-formed SOA");
    }
    uint32_t minimum = ldns_rdf2native_int32(ldns_rr_rdf(rr, 6));
    ldns_rr_free(rr);
    walk->nsec_ttl = minimum < soa->ttl ? minimum : soa->ttl;
    return check_dnskeys(check, dnskey);
}

static int check_owner(struct check *check, struct walk *walk)
{
    int rc = next_owner(check, walk);
    if (rc == CSN_OK && walk->first == 0) {
        rc = check_apex(check, walk);
    }
    if (rc == CSN_OK) {
        rc = place_owner(check, walk);
    }
    if (rc == CSN_OK) {
        rc = check_types(check, walk);
    }
    if (rc == CSN_OK) {
        rc = check_nsec(check, walk);
    }
    return rc;
}

static int check_zone(struct check *check)
{
    struct walk walk = {0};
    int rc = CSN_OK;
    if (check->job->count == 0) {
        return refuse(check, &check->apex, LDNS_RR_TYPE_SOA, "the zone is empty");
    }
    while (rc == CSN_OK && walk.last < check->job->count) {
        rc = check_owner(check, &walk);
    }
    if (rc == CSN_OK) {
        rc = check_link(check, &walk, &check->apex);
    }
    ldns_rr_free(walk.nsec);
    return rc;
}

static ldns_buffer *new_buffer(void)
{
    ldns_buffer *buffer = ldns_buffer_new(LDNS_MIN_BUFLEN);
    INSIST(buffer != NULL); /* out of memory ends the process, here as everywhere */
    return buffer;
}

static void fini(struct check *check)
{
    for (size_t i = 0; i < check->key_count; i++) {
        ldns_rr_free(check->keys[i].rr);
        EVP_PKEY_free(check->keys[i].public);
    }
    ldns_buffer_free(check->record);
    ldns_buffer_free(check->canonical);
    ldns_buffer_free(check->records);
    ldns_buffer_free(check->covered);
    ldns_buffer_free(check->signature);
    free(check->types);
}

int csn_verify_ldns(const struct csn_verify_job *job, struct csn_reason *reason)
{
    REQUIRE(job->part < job->parts);
    struct check check = {.job = job,
                          .reason = reason,
                          .apex = borrow_name(job->apex),
                          .record = new_buffer(),
                          .canonical = new_buffer(),
                          .records = new_buffer(),
                          .covered = new_buffer(),
                          .signature = new_buffer()};
    int rc = load_keys(&check);
    if (rc == CSN_OK && job->part == 0) {
        rc = check_zone(&check);
    }
    for (size_t i = job->part; i < job->count && rc == CSN_OK; i += job->parts) {
        rc = check_entry(&check, i);
    }
    fini(&check);
    return rc;
}
