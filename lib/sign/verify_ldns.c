/* Path 1: ldns alone: its names, records, canonical form, bitmaps, DS and signatures (OpenSSL).
 * Times are ours, in 64 bits: ldns 1.8.3 calls a validity that spans 2038-01-19 bad.
 *
 * ldns_verify_rrsig_keylist_notime does per signature what is done here once per key or per RRset:
 * it clones the RRset and makes the OpenSSL key anew, half as long again as the verification
 * itself. So its parts are called one by one. */
#include "sign/verify_ldns_own.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLAG_ZONE 0x0100   /* RFC 4034 2.1.1 */
#define FLAG_REVOKE 0x0080 /* RFC 5011 7 */

int csn_ldns_refuse(const struct csn_ldns_check *check, const ldns_rdf *owner, unsigned type,
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

ldns_rr *csn_ldns_make_rr(const struct csn_ldns_check *check, const ldns_rdf *owner, unsigned type,
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

static int load_key(struct csn_ldns_check *check, struct csn_bytes rdata, bool is_published)
{
    ldns_rr *rr = csn_ldns_make_rr(check, &check->apex, LDNS_RR_TYPE_DNSKEY, 0, rdata);
    if (rr == NULL) {
        return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                               "a key of the key set is malformed");
    }
    struct csn_ldns_key *key = &check->keys[check->key_count++];
    uint16_t flags = ldns_rdf2native_int16(ldns_rr_dnskey_flags(rr));
    *key =
        (struct csn_ldns_key){.rr = rr, .tag = ldns_calc_keytag(rr), .is_published = is_published};
    key->algorithm = ldns_rdf2native_int8(ldns_rr_dnskey_algorithm(rr));
    key->is_revoked = (flags & FLAG_REVOKE) != 0;
    key->public = convert_key(rr, key->algorithm);
    if ((flags & FLAG_ZONE) == 0 || ldns_rdf2native_int8(ldns_rr_dnskey_protocol(rr)) != 3) {
        return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY, "key %u is no zone key",
                               key->tag);
    }
    if (key->public == NULL && !is_rsa(key->algorithm)) {
        return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                               "ldns cannot use key %u of algorithm %u", key->tag, key->algorithm);
    }
    for (size_t i = 0; i + 1 < check->key_count; i++) {
        if (check->keys[i].tag == key->tag && check->keys[i].algorithm == key->algorithm) {
            return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                                   "two keys of algorithm %u share the tag %u", key->algorithm,
                                   key->tag);
        }
    }
    /* A revoked key is for RFC 5011 alone: validators do not use it, so it brings no algorithm into
     * the zone. */
    check->is_due[key->algorithm] =
        check->is_due[key->algorithm] || (is_published && !key->is_revoked);
    return CSN_OK;
}

static int load_keys(struct csn_ldns_check *check)
{
    const struct csn_verify_job *job = check->job;
    if (job->dnskey_count > CSN_LDNS_KEYS_MAX ||
        job->unpublished_count > CSN_LDNS_KEYS_MAX - job->dnskey_count) {
        return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY, "more than %d keys",
                               CSN_LDNS_KEYS_MAX);
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
        return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                               "no published key can sign");
    }
    return CSN_OK;
}

/* --- the whole */

static ldns_buffer *new_buffer(void)
{
    ldns_buffer *buffer = ldns_buffer_new(LDNS_MIN_BUFLEN);
    INSIST(buffer != NULL); /* out of memory ends the process, here as everywhere */
    return buffer;
}

static void fini(struct csn_ldns_check *check)
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
    struct csn_ldns_check check = {.job = job,
                                   .reason = reason,
                                   .apex = csn_ldns_borrow_name(job->apex),
                                   .record = new_buffer(),
                                   .canonical = new_buffer(),
                                   .records = new_buffer(),
                                   .covered = new_buffer(),
                                   .signature = new_buffer()};
    int rc = load_keys(&check);
    if (rc == CSN_OK && job->part == 0) {
        rc = csn_ldns_check_zone(&check);
    }
    for (size_t i = job->part; i < job->count && rc == CSN_OK; i += job->parts) {
        rc = csn_ldns_check_entry(&check, i);
    }
    fini(&check);
    return rc;
}
