/* One entry through ldns: its records in canonical form, its signatures, and the DS over the keys.
 */
#include "sign/verify_ldns_own.h"

#include <stdlib.h>
#include <string.h>

/* RDATA fields of an RRSIG as ldns counts them. */
#define RRSIG_FIELDS 9

/* What stays the same for all signatures of one RRset. */
struct subject {
    const struct csn_rrset *rrset; /* borrows */
    ldns_rdf owner;                /* borrows its octets */
    bool is_carried;
    bool is_key_data; /* signed by key-signing keys, all of them and revoked ones too (signing.md 3)
                       */
    const struct csn_ldns_key *signers[CSN_LDNS_KEYS_MAX]; /* borrows */
    size_t signer_count;
};

static bool append(ldns_buffer *buffer, const ldns_buffer *more)
{
    if (!ldns_buffer_reserve(buffer, ldns_buffer_position(more))) {
        return false;
    }
    ldns_buffer_write(buffer, ldns_buffer_begin(more), ldns_buffer_position(more));
    return ldns_buffer_status_ok(buffer);
}

static const struct csn_ldns_key *find_key(const struct csn_ldns_check *check, unsigned tag,
                                           unsigned algorithm)
{
    for (size_t i = 0; i < check->key_count; i++) {
        if (check->keys[i].tag == tag && check->keys[i].algorithm == algorithm) {
            return &check->keys[i];
        }
    }
    return NULL;
}

/* --- signatures */

/* T and a time on the wire, placed by RFC 1982: seconds after T. */
static int64_t seconds_after(const ldns_rdf *time, uint64_t time_s)
{
    uint32_t difference = ldns_rdf2native_int32(time) - (uint32_t)(time_s & UINT32_MAX);
    return difference < UINT32_C(0x80000000) ? (int64_t)difference
                                             : (int64_t)difference - INT64_C(0x100000000);
}

static int check_times(const struct csn_ldns_check *check, const struct subject *subject,
                       const ldns_rr *rrsig)
{
    int64_t inception = seconds_after(ldns_rr_rrsig_inception(rrsig), check->job->time_s);
    int64_t expiration = seconds_after(ldns_rr_rrsig_expiration(rrsig), check->job->time_s);
    /* A difference of 2^31 has no order (RFC 1982 3.2). */
    if (inception > 0 || inception == -INT64_C(0x80000000)) {
        return csn_ldns_refuse(check, &subject->owner, subject->rrset->type,
                               "RRSIG is not yet valid: inception is %lld s after T",
                               (long long)inception);
    }
    if (expiration < 0 || (uint64_t)expiration < check->job->left_min_s) {
        return csn_ldns_refuse(check, &subject->owner, subject->rrset->type,
                               "RRSIG expires too early: %lld s after T, at least %llu s are due",
                               (long long)expiration, (unsigned long long)check->job->left_min_s);
    }
    return CSN_OK;
}

static int check_fields(const struct csn_ldns_check *check, const struct subject *subject,
                        const ldns_rr *rrsig)
{
    const struct csn_rrset *rrset = subject->rrset;
    unsigned covered = (unsigned)ldns_rdf2rr_type(ldns_rr_rrsig_typecovered(rrsig));
    unsigned labels = ldns_rdf2native_int8(ldns_rr_rrsig_labels(rrsig));
    unsigned labels_due = ldns_dname_label_count(&subject->owner) -
                          (ldns_dname_is_wildcard(&subject->owner) ? 1u : 0u);
    uint32_t ttl = ldns_rdf2native_int32(ldns_rr_rrsig_origttl(rrsig));
    if (covered != rrset->type) {
        return csn_ldns_refuse(check, &subject->owner, rrset->type, "RRSIG covers type %u",
                               covered);
    }
    if (labels != labels_due) {
        return csn_ldns_refuse(check, &subject->owner, rrset->type,
                               "RRSIG has the labels field %u, not %u", labels, labels_due);
    }
    if (ttl != rrset->ttl) {
        return csn_ldns_refuse(check, &subject->owner, rrset->type,
                               "RRSIG has the original TTL %u, not %u", ttl, rrset->ttl);
    }
    if (ldns_dname_compare(ldns_rr_rrsig_signame(rrsig), &check->apex) != 0) {
        return csn_ldns_refuse(check, &subject->owner, rrset->type,
                               "RRSIG's signer is not the zone");
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

static ldns_status verify(const struct csn_ldns_check *check, const struct csn_ldns_key *key)
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
static int check_octets(const struct csn_ldns_check *check, const struct subject *subject,
                        const ldns_rr *rrsig, const struct csn_ldns_key *key)
{
    ldns_buffer_clear(check->covered);
    if (ldns_rrsig2buffer_wire(check->covered, rrsig) != LDNS_STATUS_OK ||
        !append(check->covered, check->records) ||
        !put_signature(check->signature, ldns_rr_rrsig_sig(rrsig), key->algorithm)) {
        return csn_ldns_refuse(check, &subject->owner, subject->rrset->type,
                               "RRSIG by key %u is malformed", key->tag);
    }
    if (verify(check, key) != LDNS_STATUS_OK) {
        return csn_ldns_refuse(check, &subject->owner, subject->rrset->type,
                               "RRSIG by key %u of algorithm %u does not verify", key->tag,
                               key->algorithm);
    }
    return CSN_OK;
}

static int check_rrsig(const struct csn_ldns_check *check, struct subject *subject,
                       const ldns_rr *rrsig)
{
    unsigned tag = ldns_rdf2native_int16(ldns_rr_rrsig_keytag(rrsig));
    unsigned algorithm = ldns_rdf2native_int8(ldns_rr_rrsig_algorithm(rrsig));
    const struct csn_ldns_key *key = find_key(check, tag, algorithm);
    int rc = check_fields(check, subject, rrsig);
    if (rc != CSN_OK) {
        return rc;
    }
    if (key == NULL) {
        return csn_ldns_refuse(check, &subject->owner, subject->rrset->type,
                               "RRSIG by tag %u, algorithm %u, which is no key of the zone", tag,
                               algorithm);
    }
    if (key->is_revoked && !subject->is_key_data) {
        return csn_ldns_refuse(check, &subject->owner, subject->rrset->type,
                               "RRSIG by the revoked key %u", tag);
    }
    for (size_t i = 0; i < subject->signer_count; i++) {
        if (subject->signers[i] == key) {
            return csn_ldns_refuse(check, &subject->owner, subject->rrset->type,
                                   "two RRSIGs by key %u", tag);
        }
        if (subject->signers[i]->algorithm == algorithm && !subject->is_key_data) {
            return csn_ldns_refuse(check, &subject->owner, subject->rrset->type,
                                   "more than one RRSIG of algorithm %u", algorithm);
        }
    }
    subject->signers[subject->signer_count++] = key;
    return subject->is_carried ? CSN_OK : check_octets(check, subject, rrsig, key);
}

/* Validators of each algorithm of the zone find a signature they can use. */
static int check_algorithms(const struct csn_ldns_check *check, const struct subject *subject)
{
    for (unsigned algorithm = 0; algorithm < 256; algorithm++) {
        bool has = !check->is_due[algorithm];
        for (size_t i = 0; i < subject->signer_count && !has; i++) {
            const struct csn_ldns_key *key = subject->signers[i];
            has = key->algorithm == algorithm && key->is_published && !key->is_revoked;
        }
        if (!has) {
            return csn_ldns_refuse(check, &subject->owner, subject->rrset->type,
                                   "no RRSIG of algorithm %u by a published key", algorithm);
        }
    }
    return CSN_OK;
}

/* --- DS */

/* The RDATA of a DS made by ldns from the key, with the digest that `ds` uses, is `ds`. */
static bool is_ds_of(const struct csn_ldns_check *check, struct csn_bytes ds,
                     const struct csn_ldns_key *key)
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
static bool is_algorithm_anchored(const struct csn_ldns_check *check, const struct subject *dnskey,
                                  uint8_t algorithm)
{
    for (size_t i = 0; i < check->job->ds_count; i++) {
        struct csn_bytes ds = check->job->ds[i];
        for (size_t j = 0; j < dnskey->signer_count && ds.size > 4 && ds.data[2] == algorithm;
             j++) {
            const struct csn_ldns_key *key = dnskey->signers[j];
            if (key->is_published && !key->is_revoked && is_ds_of(check, ds, key)) {
                return true;
            }
        }
    }
    return false;
}

/* RFC 6840 5.11. */
static int check_ds(const struct csn_ldns_check *check, const struct subject *dnskey)
{
    for (size_t i = 0; i < check->job->ds_count; i++) {
        struct csn_bytes ds = check->job->ds[i];
        if (ds.size < 5) {
            return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_DS, "a DS is too short");
        }
        if (!is_algorithm_anchored(check, dnskey, ds.data[2])) {
            return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                                   "not signed by a key that a DS of algorithm %u names",
                                   ds.data[2]);
        }
    }
    return CSN_OK;
}

/* --- one entry */

/* Every record through ldns and into check->records; in order, no two equal (RFC 4034 6.3). */
static int read_records(const struct csn_ldns_check *check, const struct subject *subject)
{
    const struct csn_rrset *rrset = subject->rrset;
    struct csn_bytes rdata, last = {0};
    unsigned count = 0;
    size_t at = 0;
    ldns_buffer_clear(check->records);
    for (; csn_ldns_next_record(rrset, &at, &rdata); count++) {
        if (count > 0 && csn_bytes_compare(last, rdata) >= 0) {
            return csn_ldns_refuse(check, &subject->owner, rrset->type,
                                   "records are not in canonical order");
        }
        ldns_rr *rr = csn_ldns_make_rr(check, &subject->owner, rrset->type, rrset->ttl, rdata);
        if (rr == NULL || !append(check->records, check->record)) {
            ldns_rr_free(rr);
            return csn_ldns_refuse(check, &subject->owner, rrset->type,
                                   "RDATA is malformed or not in lower case");
        }
        ldns_rr_free(rr);
        last = rdata;
    }
    if (at != rrset->rdatas.size || count == 0 || count != rrset->count) {
        return csn_ldns_refuse(check, &subject->owner, rrset->type,
                               "records are not packed as counted");
    }
    return CSN_OK;
}

static int check_rrsigs(const struct csn_ldns_check *check, struct subject *subject,
                        const struct csn_rrset *rrsigs)
{
    struct csn_bytes rdata;
    unsigned count = 0;
    size_t at = 0;
    int rc = CSN_OK;
    for (; rc == CSN_OK && csn_ldns_next_record(rrsigs, &at, &rdata); count++) {
        ldns_rr *rr =
            csn_ldns_make_rr(check, &subject->owner, LDNS_RR_TYPE_RRSIG, rrsigs->ttl, rdata);
        if (rr == NULL || ldns_rr_rd_count(rr) != RRSIG_FIELDS) {
            rc =
                csn_ldns_refuse(check, &subject->owner, subject->rrset->type, "RRSIG is malformed");
        } else {
            rc = check_rrsig(check, subject, rr);
        }
        ldns_rr_free(rr);
    }
    if (rc == CSN_OK && (at != rrsigs->rdatas.size || count != rrsigs->count)) {
        return csn_ldns_refuse(check, &subject->owner, subject->rrset->type,
                               "RRSIGs are not packed as counted");
    }
    return rc;
}

static bool is_key_data(const struct csn_ldns_check *check, const struct csn_rrset *rrset,
                        const ldns_rdf *owner)
{
    return (rrset->type == LDNS_RR_TYPE_DNSKEY || rrset->type == LDNS_RR_TYPE_CDS ||
            rrset->type == LDNS_RR_TYPE_CDNSKEY) &&
           ldns_dname_compare(owner, &check->apex) == 0;
}

int csn_ldns_check_entry(const struct csn_ldns_check *check, size_t index)
{
    const struct csn_entry *entry = &check->job->entries[index];
    struct subject subject = {.rrset = &entry->rrset,
                              .owner = csn_ldns_borrow_name(entry->rrset.owner)};
    int rc = read_records(check, &subject);
    if (rc != CSN_OK || entry->rrsigs.count == 0) {
        return rc;
    }
    ldns_rdf owner = csn_ldns_borrow_name(entry->rrsigs.owner);
    if (entry->rrsigs.type != LDNS_RR_TYPE_RRSIG || entry->rrsigs.ttl != entry->rrset.ttl ||
        ldns_dname_compare(&owner, &subject.owner) != 0) {
        return csn_ldns_refuse(check, &subject.owner, entry->rrset.type,
                               "RRSIGs have another owner or TTL");
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
