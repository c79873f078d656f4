/* Path 2: an own walk over the wire, with libknot's names and RDATA layouts; libdnssec (GnuTLS)
 * verifies octets, makes bitmaps and DS. Shares no code with path 1, with lib/dns, or with what
 * made the zone. */
#include "sign/verify_knot_own.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DNSKEY_ZONE 0x0100   /* RFC 4034 2.1.1 */
#define DNSKEY_REVOKE 0x0080 /* RFC 5011 7 */

int csn_knot_refuse(const struct csn_knot_check *check, const struct csn_rrset *rrset,
                    const char *format, ...)
{
    char owner[KNOT_DNAME_TXT_MAXLEN + 1] = "";
    char type[32] = "";
    char cause[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cause, sizeof cause, format, arguments);
    va_end(arguments);
    knot_dname_to_str(owner, rrset->owner, sizeof owner);
    knot_rrtype_to_string(rrset->type, type, sizeof type);
    return csn_reason_set(check->reason, CSN_ESIGNATURE, "%s %s: %s", owner, type, cause);
}

/* --- keys */

static int load_key(struct csn_knot_check *check, struct csn_bytes rdata, bool is_published)
{
    struct csn_knot_key *key = &check->keys[check->key_count];
    dnssec_binary_t octets = {.size = rdata.size, .data = (uint8_t *)rdata.data};
    if (rdata.size < 5 || (csn_get_u16(rdata.data) & DNSKEY_ZONE) == 0 || rdata.data[2] != 3 ||
        dnssec_key_new(&key->key) != DNSSEC_EOK) {
        return csn_reason_set(check->reason, CSN_ESIGNATURE,
                              "a DNSKEY of the key set is no zone key");
    }
    check->key_count++;
    if (dnssec_key_set_rdata(key->key, &octets) != DNSSEC_EOK ||
        dnssec_key_set_dname(key->key, check->job->apex) != DNSSEC_EOK ||
        dnssec_sign_new(&key->context, key->key) != DNSSEC_EOK) {
        return csn_reason_set(check->reason, CSN_ESIGNATURE,
                              "libdnssec cannot use the key set's DNSKEY of algorithm %u",
                              rdata.data[3]);
    }
    key->tag = dnssec_key_get_keytag(key->key);
    key->algorithm = dnssec_key_get_algorithm(key->key);
    key->is_published = is_published;
    key->is_revoked = (csn_get_u16(rdata.data) & DNSKEY_REVOKE) != 0;
    for (const struct csn_knot_key *other = check->keys; other < key; other++) {
        if (other->tag == key->tag && other->algorithm == key->algorithm) {
            return csn_reason_set(check->reason, CSN_ESIGNATURE,
                                  "two DNSKEYs of algorithm %u share the tag %u", key->algorithm,
                                  key->tag);
        }
    }
    return CSN_OK;
}

/* The zone's algorithms: those of published keys that a validator may use (a revoked key is for RFC
 * 5011 alone). */
static void note_algorithm(struct csn_knot_check *check, const struct csn_knot_key *key)
{
    if (!key->is_published || key->is_revoked ||
        memchr(check->algorithms, key->algorithm, check->algorithm_count) != NULL) {
        return;
    }
    check->algorithms[check->algorithm_count++] = key->algorithm;
}

static int load_keys(struct csn_knot_check *check)
{
    const struct csn_verify_job *job = check->job;
    if (job->dnskey_count + job->unpublished_count > CSN_KNOT_KEYS_MAX) {
        return csn_reason_set(check->reason, CSN_ESIGNATURE, "more than %d keys",
                              CSN_KNOT_KEYS_MAX);
    }
    int rc = CSN_OK;
    for (size_t i = 0; i < job->dnskey_count && rc == CSN_OK; i++) {
        rc = load_key(check, job->dnskeys[i], true);
    }
    for (size_t i = 0; i < job->unpublished_count && rc == CSN_OK; i++) {
        rc = load_key(check, job->unpublished[i], false);
    }
    for (size_t i = 0; i < check->key_count && rc == CSN_OK; i++) {
        note_algorithm(check, &check->keys[i]);
    }
    if (rc == CSN_OK && check->algorithm_count == 0) {
        return csn_reason_set(check->reason, CSN_ESIGNATURE, "no published key can sign");
    }
    return rc;
}

/* --- the whole */

static void fini(struct csn_knot_check *check)
{
    for (size_t i = 0; i < check->key_count; i++) {
        dnssec_sign_free(check->keys[i].context);
        dnssec_key_free(check->keys[i].key);
    }
    dnssec_nsec_bitmap_free(check->bitmap);
    csn_buf_fini(&check->covered);
    csn_buf_fini(&check->types);
}

int csn_verify_knot(const struct csn_verify_job *job, struct csn_reason *reason)
{
    REQUIRE(job->part < job->parts);
    struct csn_knot_check check = {
        .job = job, .reason = reason, .bitmap = dnssec_nsec_bitmap_new()};
    int rc = load_keys(&check);
    if (rc == CSN_OK && job->part == 0) {
        rc = csn_knot_check_zone(&check);
    }
    for (size_t i = job->part; i < job->count && rc == CSN_OK; i += job->parts) {
        rc = csn_knot_check_entry(&check, &job->entries[i],
                                  job->is_carried != NULL && job->is_carried[i]);
    }
    fini(&check);
    return rc;
}
