/* One entry over the wire: its records in canonical form, its signatures, and the DS over the keys.
 */
#include "sign/verify_knot_own.h"

#include <libknot/rrtype/naptr.h>

/* RRSIG RDATA, RFC 4034 3.1. */
struct rrsig {
    uint16_t covered;
    uint8_t algorithm;
    uint8_t labels;
    uint32_t ttl;
    uint32_t expiration;
    uint32_t inception;
    uint16_t tag;
    const uint8_t *signer;      /* borrows */
    struct csn_bytes head;      /* borrows; all before the signature */
    struct csn_bytes signature; /* borrows */
};

/* --- records */

/* The size of one block of RDATA (libknot's descriptors), or negative: malformed, or a name RFC
 * 4034 6.2 wants in lower case. */
static int block_size(int block, const uint8_t *at, const uint8_t *end, bool is_lower)
{
    int size;
    switch (block) {
    case KNOT_RDATA_WF_COMPRESSIBLE_DNAME:
    case KNOT_RDATA_WF_DECOMPRESSIBLE_DNAME:
    case KNOT_RDATA_WF_FIXED_DNAME:
        size = at < end ? knot_dname_wire_check(at, end, NULL) : -1;
        return size > 0 && !(is_lower && csn_knot_has_upper_case(at, (size_t)size)) ? size : -1;
    case KNOT_RDATA_WF_NAPTR_HEADER:
        size = at < end ? knot_naptr_header_size(at, end) : -1;
        return size > 0 ? size : -1;
    case KNOT_RDATA_WF_REMAINDER:
        return (int)(end - at);
    default:
        return block <= end - at ? block : -1;
    }
}

bool csn_knot_is_rdata_canonical(uint16_t type, struct csn_bytes rdata)
{
    const knot_rdata_descriptor_t *layout = knot_get_rdata_descriptor(type);
    if (layout->type_name == NULL) {
        layout = knot_get_obsolete_rdata_descriptor(type);
    }
    bool is_lower = knot_rrtype_should_be_lowercased(type);
    const uint8_t *at = rdata.data, *end = rdata.data + rdata.size;
    for (const int *block = layout->block_types; *block != KNOT_RDATA_WF_END; block++) {
        int size = block_size(*block, at, end, is_lower);
        if (size < 0) {
            return false;
        }
        at += size;
    }
    return at == end;
}

/* RFC 4034 6.3: ascending, no two equal; each of its type's form. */
static int check_records(const struct csn_knot_check *check, const struct csn_rrset *rrset)
{
    struct csn_reader reader = csn_reader(rrset->rdatas);
    struct csn_bytes rdata, last = {0};
    unsigned count = 0;
    for (; csn_knot_next_rdata(&reader, &rdata); count++) {
        if (count > 0 && csn_bytes_compare(last, rdata) >= 0) {
            return csn_knot_refuse(check, rrset, "records are not in canonical order");
        }
        if (!csn_knot_is_rdata_canonical(rrset->type, rdata)) {
            return csn_knot_refuse(check, rrset, "RDATA is malformed or not in lower case");
        }
        last = rdata;
    }
    if (!csn_reader_done(&reader) || count == 0 || count != rrset->count) {
        return csn_knot_refuse(check, rrset, "records are not packed as counted");
    }
    return CSN_OK;
}

/* --- signatures */

static struct csn_knot_key *find_key(struct csn_knot_check *check, const struct rrsig *rrsig)
{
    for (size_t i = 0; i < check->key_count; i++) {
        if (check->keys[i].tag == rrsig->tag && check->keys[i].algorithm == rrsig->algorithm) {
            return &check->keys[i];
        }
    }
    return NULL;
}

static bool read_rrsig(struct csn_bytes rdata, struct rrsig *ret_rrsig)
{
    struct csn_reader reader = csn_reader(rdata);
    ret_rrsig->covered = csn_read_u16(&reader);
    ret_rrsig->algorithm = csn_read_u8(&reader);
    ret_rrsig->labels = csn_read_u8(&reader);
    ret_rrsig->ttl = csn_read_u32(&reader);
    ret_rrsig->expiration = csn_read_u32(&reader);
    ret_rrsig->inception = csn_read_u32(&reader);
    ret_rrsig->tag = csn_read_u16(&reader);
    ret_rrsig->signer = reader.at;
    if (reader.failed || csn_reader_left(&reader) == 0) {
        return false;
    }
    int size = knot_dname_wire_check(reader.at, reader.end, NULL);
    if (size <= 0) {
        return false;
    }
    csn_read_bytes(&reader, (size_t)size);
    ret_rrsig->head = csn_bytes(rdata.data, (size_t)(reader.at - rdata.data));
    ret_rrsig->signature = csn_read_bytes(&reader, csn_reader_left(&reader));
    return ret_rrsig->signature.size > 0;
}

/* Seconds from T to a time on the wire, placed by RFC 1982; a difference of 2^31 has no order and
 * is far in the past, which check_times refuses for both ends. */
static int64_t seconds_after(uint32_t wire, uint64_t time_s)
{
    return (int32_t)(wire - (uint32_t)time_s);
}

static int check_times(const struct csn_knot_check *check, const struct csn_rrset *rrset,
                       const struct rrsig *rrsig)
{
    int64_t inception = seconds_after(rrsig->inception, check->job->time_s);
    int64_t expiration = seconds_after(rrsig->expiration, check->job->time_s);
    if (inception > 0 || inception == INT32_MIN) {
        return csn_knot_refuse(check, rrset, "RRSIG is not yet valid: inception is %lld s after T",
                               (long long)inception);
    }
    if (expiration < 0 || (uint64_t)expiration < check->job->left_min_s) {
        return csn_knot_refuse(check, rrset,
                               "RRSIG expires too early: %lld s after T, at least %llu s are due",
                               (long long)expiration, (unsigned long long)check->job->left_min_s);
    }
    return CSN_OK;
}

static int check_fields(const struct csn_knot_check *check, const struct csn_rrset *rrset,
                        const struct rrsig *rrsig)
{
    size_t labels =
        knot_dname_labels(rrset->owner, NULL) - (knot_dname_is_wildcard(rrset->owner) ? 1 : 0);
    if (rrsig->covered != rrset->type) {
        return csn_knot_refuse(check, rrset, "RRSIG covers type %u", rrsig->covered);
    }
    if (rrsig->labels != labels) {
        return csn_knot_refuse(check, rrset, "RRSIG has the labels field %u, not %zu",
                               rrsig->labels, labels);
    }
    if (rrsig->ttl != rrset->ttl) {
        return csn_knot_refuse(check, rrset, "RRSIG has the original TTL %u, not %u", rrsig->ttl,
                               rrset->ttl);
    }
    if (!knot_dname_is_equal(rrsig->signer, check->job->apex)) {
        return csn_knot_refuse(check, rrset, "RRSIG's signer is not the zone");
    }
    return check_times(check, rrset, rrsig);
}

/* RFC 4034 3.1.8.1. The records are in canonical form: check_records saw to it. */
static void put_covered(struct csn_buf *buf, const struct csn_rrset *rrset,
                        const struct rrsig *rrsig)
{
    size_t owner_size = knot_dname_size(rrset->owner);
    struct csn_reader reader = csn_reader(rrset->rdatas);
    struct csn_bytes rdata;
    csn_buf_clear(buf);
    csn_buf_put_bytes(buf, rrsig->head);
    while (csn_knot_next_rdata(&reader, &rdata)) {
        csn_buf_put(buf, rrset->owner, owner_size);
        csn_buf_put_u16(buf, rrset->type);
        csn_buf_put_u16(buf, KNOT_CLASS_IN);
        csn_buf_put_u32(buf, rrsig->ttl);
        csn_buf_put_u16(buf, (uint16_t)rdata.size);
        csn_buf_put_bytes(buf, rdata);
    }
}

/* Nettle does not read the last octet of an Ed448 signature, which is zero in every one (RFC
 * 8032 5.2.5): bytes that OpenSSL refuses would pass. */
static bool is_well_formed(const struct rrsig *rrsig)
{
    const struct csn_bytes *octets = &rrsig->signature;
    return rrsig->algorithm != DNSSEC_KEY_ALGORITHM_ED448 || octets->data[octets->size - 1] == 0;
}

static int check_octets(struct csn_knot_check *check, const struct csn_rrset *rrset,
                        const struct rrsig *rrsig, const struct csn_knot_key *key)
{
    put_covered(&check->covered, rrset, rrsig);
    dnssec_binary_t octets = {.size = check->covered.size, .data = check->covered.data};
    dnssec_binary_t signature = {.size = rrsig->signature.size,
                                 .data = (uint8_t *)rrsig->signature.data};
    if (!is_well_formed(rrsig) || dnssec_sign_init(key->context) != DNSSEC_EOK ||
        dnssec_sign_add(key->context, &octets) != DNSSEC_EOK ||
        dnssec_sign_verify(key->context, false, &signature) != DNSSEC_EOK) {
        return csn_knot_refuse(check, rrset, "RRSIG by key %u of algorithm %u does not verify",
                               key->tag, key->algorithm);
    }
    return CSN_OK;
}

/* What the key-signing keys sign, all of them and revoked ones too (signing.md 3, roles). */
static bool is_key_data(const struct csn_knot_check *check, const struct csn_rrset *rrset)
{
    return (rrset->type == KNOT_RRTYPE_DNSKEY || rrset->type == KNOT_RRTYPE_CDS ||
            rrset->type == KNOT_RRTYPE_CDNSKEY) &&
           knot_dname_is_equal(rrset->owner, check->job->apex);
}

static int check_signature(struct csn_knot_check *check, const struct csn_rrset *rrset,
                           struct csn_bytes rdata, bool is_carried)
{
    struct rrsig rrsig;
    if (!read_rrsig(rdata, &rrsig)) {
        return csn_knot_refuse(check, rrset, "RRSIG is malformed");
    }
    int rc = check_fields(check, rrset, &rrsig);
    if (rc != CSN_OK) {
        return rc;
    }
    struct csn_knot_key *key = find_key(check, &rrsig);
    if (key == NULL) {
        return csn_knot_refuse(check, rrset,
                               "RRSIG by tag %u, algorithm %u, which is no key of the zone",
                               rrsig.tag, rrsig.algorithm);
    }
    if (key->is_revoked && !is_key_data(check, rrset)) {
        return csn_knot_refuse(check, rrset, "RRSIG by the revoked key %u", key->tag);
    }
    if (key->has_signed) {
        return csn_knot_refuse(check, rrset, "two RRSIGs by key %u", key->tag);
    }
    key->has_signed = true;
    return is_carried ? CSN_OK : check_octets(check, rrset, &rrsig, key);
}

static unsigned count_signed(const struct csn_knot_check *check, uint8_t algorithm)
{
    unsigned count = 0;
    for (size_t i = 0; i < check->key_count; i++) {
        const struct csn_knot_key *key = &check->keys[i];
        count += key->has_signed && !key->is_revoked && key->algorithm == algorithm;
    }
    return count;
}

/* One valid signature for each algorithm; several only over key data. */
static int check_algorithms(const struct csn_knot_check *check, const struct csn_rrset *rrset)
{
    bool is_single = !is_key_data(check, rrset);
    for (size_t i = 0; i < check->key_count; i++) {
        if (is_single && count_signed(check, check->keys[i].algorithm) > 1) {
            return csn_knot_refuse(check, rrset, "more than one RRSIG of algorithm %u",
                                   check->keys[i].algorithm);
        }
    }
    for (size_t i = 0; i < check->algorithm_count; i++) {
        bool has = false;
        for (const struct csn_knot_key *key = check->keys; key < check->keys + check->key_count;
             key++) {
            has = has || (key->has_signed && key->is_published && !key->is_revoked &&
                          key->algorithm == check->algorithms[i]);
        }
        if (!has) {
            return csn_knot_refuse(check, rrset, "no RRSIG of algorithm %u by a published key",
                                   check->algorithms[i]);
        }
    }
    return CSN_OK;
}

/* True when a key that has signed the DNSKEY RRset is the one this DS names. */
static bool is_ds_met(const struct csn_knot_check *check, struct csn_bytes ds)
{
    bool is_met = false;
    for (size_t i = 0; i < check->key_count && !is_met; i++) {
        const struct csn_knot_key *key = &check->keys[i];
        dnssec_binary_t made = {0};
        if (key->has_signed && key->is_published && !key->is_revoked &&
            key->algorithm == ds.data[2] &&
            dnssec_key_create_ds(key->key, (dnssec_key_digest_t)ds.data[3], &made) == DNSSEC_EOK) {
            is_met = csn_bytes_equal(ds, csn_bytes(made.data, made.size));
        }
        dnssec_binary_free(&made);
    }
    return is_met;
}

/* RFC 6840 5.11: every algorithm among the DS is one by which the DNSKEY RRset can be validated. */
static int check_ds(const struct csn_knot_check *check, const struct csn_rrset *dnskey)
{
    const struct csn_verify_job *job = check->job;
    for (size_t i = 0; i < job->ds_count; i++) {
        bool is_met = false;
        if (job->ds[i].size < 5) {
            return csn_knot_refuse(check, dnskey, "a DS is too short");
        }
        for (size_t j = 0; j < job->ds_count && !is_met; j++) {
            is_met = job->ds[j].size >= 5 && job->ds[j].data[2] == job->ds[i].data[2] &&
                     is_ds_met(check, job->ds[j]);
        }
        if (!is_met) {
            return csn_knot_refuse(check, dnskey,
                                   "not signed by a key that a DS of algorithm %u names",
                                   job->ds[i].data[2]);
        }
    }
    return CSN_OK;
}

int csn_knot_check_entry(struct csn_knot_check *check, const struct csn_entry *entry,
                         bool is_carried)
{
    const struct csn_rrset *rrset = &entry->rrset;
    int rc = check_records(check, rrset);
    if (rc != CSN_OK || entry->rrsigs.count == 0) {
        return rc;
    }
    rc = check_records(check, &entry->rrsigs);
    if (rc == CSN_OK &&
        (entry->rrsigs.type != KNOT_RRTYPE_RRSIG || entry->rrsigs.ttl != rrset->ttl ||
         !knot_dname_is_equal(entry->rrsigs.owner, rrset->owner))) {
        return csn_knot_refuse(check, rrset, "RRSIGs have another owner or TTL");
    }
    for (size_t i = 0; i < check->key_count; i++) {
        check->keys[i].has_signed = false;
    }
    struct csn_reader reader = csn_reader(entry->rrsigs.rdatas);
    struct csn_bytes rdata;
    while (rc == CSN_OK && csn_knot_next_rdata(&reader, &rdata)) {
        rc = check_signature(check, rrset, rdata, is_carried);
    }
    if (rc == CSN_OK) {
        rc = check_algorithms(check, rrset);
    }
    if (rc == CSN_OK && rrset->type == KNOT_RRTYPE_DNSKEY) {
        rc = check_ds(check, rrset);
    }
    return rc;
}
