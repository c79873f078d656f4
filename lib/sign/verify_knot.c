/* Path 2: an own walk over the wire, with libknot's names and RDATA layouts; libdnssec (GnuTLS)
 * verifies octets, makes bitmaps and DS. Shares no code with path 1, with lib/dns, or with what
 * made the zone. */
#include "sign/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libdnssec/error.h>
#include <libdnssec/key.h>
#include <libdnssec/nsec.h>
#include <libdnssec/sign.h>
#include <libknot/descriptor.h>
#include <libknot/dname.h>
#include <libknot/rrtype/naptr.h>

/* Keys of one zone, unpublished ones included; more are refused. */
#define KEYS_MAX 64

#define DNSKEY_ZONE 0x0100   /* RFC 4034 2.1.1 */
#define DNSKEY_REVOKE 0x0080 /* RFC 5011 7 */

struct key {
    dnssec_key_t *key;          /* owns */
    dnssec_sign_ctx_t *context; /* owns */
    uint16_t tag;
    uint8_t algorithm;
    bool is_published;
    bool is_revoked;
    bool has_signed; /* the RRset at hand */
};

struct check {
    const struct csn_verify_job *job; /* borrows */
    struct csn_reason *reason;        /* borrows */
    struct key keys[KEYS_MAX];
    size_t key_count;
    uint8_t algorithms[KEYS_MAX]; /* each must sign every signed RRset */
    size_t algorithm_count;
    dnssec_nsec_bitmap_t *bitmap; /* owns */
    struct csn_buf covered;       /* owns; what a signature covers */
    struct csn_buf types;         /* owns; the bitmap that should be */
};

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

enum place { AUTHORITATIVE, CUT, BELOW_CUT };

/* Entries of one owner, and where it stands. */
struct group {
    const struct csn_entry *entries; /* borrows */
    size_t count;
    enum place place;
};

/* What the walk over the owners keeps between two. */
struct walk {
    const uint8_t *cut;           /* borrows; the last cut, or NULL */
    const uint8_t *dname;         /* borrows; the last authoritative DNAME's owner, or NULL */
    const struct csn_rrset *nsec; /* borrows; the last NSEC, or NULL */
    const uint8_t *next;          /* borrows; the name in it */
    uint32_t nsec_ttl;
};

static int refuse(const struct check *check, const struct csn_rrset *rrset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(const struct check *check, const struct csn_rrset *rrset, const char *format, ...)
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

static bool next_rdata(struct csn_reader *reader, struct csn_bytes *ret_rdata)
{
    if (csn_reader_left(reader) == 0) {
        return false;
    }
    size_t size = csn_read_u16(reader);
    *ret_rdata = csn_read_bytes(reader, size);
    return !reader->failed;
}

static const struct csn_rrset *find(const struct group *group, uint16_t type)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->entries[i].rrset.type == type) {
            return &group->entries[i].rrset;
        }
    }
    return NULL;
}

/* The only record of an RRset. */
static bool single_rdata(const struct csn_rrset *rrset, struct csn_bytes *ret_rdata)
{
    struct csn_reader reader = csn_reader(rrset->rdatas);
    return next_rdata(&reader, ret_rdata) && csn_reader_done(&reader);
}

/* --- keys */

static int load_key(struct check *check, struct csn_bytes rdata, bool is_published)
{
    struct key *key = &check->keys[check->key_count];
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
    for (const struct key *other = check->keys; other < key; other++) {
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
static void note_algorithm(struct check *check, const struct key *key)
{
    if (!key->is_published || key->is_revoked ||
        memchr(check->algorithms, key->algorithm, check->algorithm_count) != NULL) {
        return;
    }
    check->algorithms[check->algorithm_count++] = key->algorithm;
}

static int load_keys(struct check *check)
{
    const struct csn_verify_job *job = check->job;
    if (job->dnskey_count + job->unpublished_count > KEYS_MAX) {
        return csn_reason_set(check->reason, CSN_ESIGNATURE, "more than %d keys", KEYS_MAX);
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

static struct key *find_key(struct check *check, const struct rrsig *rrsig)
{
    for (size_t i = 0; i < check->key_count; i++) {
        if (check->keys[i].tag == rrsig->tag && check->keys[i].algorithm == rrsig->algorithm) {
            return &check->keys[i];
        }
    }
    return NULL;
}

/* --- records */

static bool has_upper_case(const uint8_t *octets, size_t size)
{
    /* Label lengths are below 'A', so octets may be scanned without parsing. */
    for (size_t i = 0; i < size; i++) {
        if (octets[i] >= 'A' && octets[i] <= 'Z') {
            return true;
        }
    }
    return false;
}

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
        return size > 0 && !(is_lower && has_upper_case(at, (size_t)size)) ? size : -1;
    case KNOT_RDATA_WF_NAPTR_HEADER:
        size = at < end ? knot_naptr_header_size(at, end) : -1;
        return size > 0 ? size : -1;
    case KNOT_RDATA_WF_REMAINDER:
        return (int)(end - at);
    default:
        return block <= end - at ? block : -1;
    }
}

static bool is_rdata_canonical(uint16_t type, struct csn_bytes rdata)
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
static int check_records(const struct check *check, const struct csn_rrset *rrset)
{
    struct csn_reader reader = csn_reader(rrset->rdatas);
    struct csn_bytes rdata, last = {0};
    unsigned count = 0;
    for (; next_rdata(&reader, &rdata); count++) {
        if (count > 0 && csn_bytes_compare(last, rdata) >= 0) {
            return refuse(check, rrset, "records are not in canonical order");
        }
        if (!is_rdata_canonical(rrset->type, rdata)) {
            return refuse(check, rrset, "RDATA is malformed or not in lower case");
        }
        last = rdata;
    }
    if (!csn_reader_done(&reader) || count == 0 || count != rrset->count) {
        return refuse(check, rrset, "records are not packed as counted");
    }
    return CSN_OK;
}

/* --- signatures */

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

static int check_times(const struct check *check, const struct csn_rrset *rrset,
                       const struct rrsig *rrsig)
{
    int64_t inception = seconds_after(rrsig->inception, check->job->time_s);
    int64_t expiration = seconds_after(rrsig->expiration, check->job->time_s);
    if (inception > 0 || inception == INT32_MIN) {
        return refuse(check, rrset, "RRSIG is not yet valid: inception is %lld s after T",
                      (long long)inception);
    }
    if (expiration < 0 || (uint64_t)expiration < check->job->left_min_s) {
        return refuse(check, rrset,
                      "RRSIG expires too early: %lld s after T, at least %llu s are due",
                      (long long)expiration, (unsigned long long)check->job->left_min_s);
    }
    return CSN_OK;
}

static int check_fields(const struct check *check, const struct csn_rrset *rrset,
                        const struct rrsig *rrsig)
{
    size_t labels =
        knot_dname_labels(rrset->owner, NULL) - (knot_dname_is_wildcard(rrset->owner) ? 1 : 0);
    if (rrsig->covered != rrset->type) {
        return refuse(check, rrset, "RRSIG covers type %u", rrsig->covered);
    }
    if (rrsig->labels != labels) {
        return refuse(check, rrset, "RRSIG has the labels field %u, not %zu", rrsig->labels,
                      labels);
    }
    if (rrsig->ttl != rrset->ttl) {
        return refuse(check, rrset, "RRSIG has the original TTL %u, not %u", rrsig->ttl,
                      rrset->ttl);
    }
    if (!knot_dname_is_equal(rrsig->signer, check->job->apex)) {
        return refuse(check, rrset, "RRSIG's signer is not the zone");
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
    while (next_rdata(&reader, &rdata)) {
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

static int check_octets(struct check *check, const struct csn_rrset *rrset,
                        const struct rrsig *rrsig, const struct key *key)
{
    put_covered(&check->covered, rrset, rrsig);
    dnssec_binary_t octets = {.size = check->covered.size, .data = check->covered.data};
    dnssec_binary_t signature = {.size = rrsig->signature.size,
                                 .data = (uint8_t *)rrsig->signature.data};
    if (!is_well_formed(rrsig) || dnssec_sign_init(key->context) != DNSSEC_EOK ||
        dnssec_sign_add(key->context, &octets) != DNSSEC_EOK ||
        dnssec_sign_verify(key->context, false, &signature) != DNSSEC_EOK) {
        return refuse(check, rrset, "RRSIG by key %u of algorithm %u does not verify", key->tag,
                      key->algorithm);
    }
    return CSN_OK;
}

/* What the key-signing keys sign, all of them and revoked ones too (signing.md 3, roles). */
static bool is_key_data(const struct check *check, const struct csn_rrset *rrset)
{
    return (rrset->type == KNOT_RRTYPE_DNSKEY || rrset->type == KNOT_RRTYPE_CDS ||
            rrset->type == KNOT_RRTYPE_CDNSKEY) &&
           knot_dname_is_equal(rrset->owner, check->job->apex);
}

static int check_signature(struct check *check, const struct csn_rrset *rrset,
                           struct csn_bytes rdata, bool is_carried)
{
    struct rrsig rrsig;
    if (!read_rrsig(rdata, &rrsig)) {
        return refuse(check, rrset, "RRSIG is malformed");
    }
    int rc = check_fields(check, rrset, &rrsig);
    if (rc != CSN_OK) {
        return rc;
    }
    struct key *key = find_key(check, &rrsig);
    if (key == NULL) {
        return refuse(check, rrset, "RRSIG by tag %u, algorithm %u, which is no key of the zone",
                      rrsig.tag, rrsig.algorithm);
    }
    if (key->is_revoked && !is_key_data(check, rrset)) {
        return refuse(check, rrset, "RRSIG by the revoked key %u", key->tag);
    }
    if (key->has_signed) {
        return refuse(check, rrset, "two RRSIGs by key %u", key->tag);
    }
    key->has_signed = true;
    return is_carried ? CSN_OK : check_octets(check, rrset, &rrsig, key);
}

static unsigned count_signed(const struct check *check, uint8_t algorithm)
{
    unsigned count = 0;
    for (size_t i = 0; i < check->key_count; i++) {
        const struct key *key = &check->keys[i];
        count += key->has_signed && !key->is_revoked && key->algorithm == algorithm;
    }
    return count;
}

/* One valid signature for each algorithm; several only over key data. */
static int check_algorithms(const struct check *check, const struct csn_rrset *rrset)
{
    bool is_single = !is_key_data(check, rrset);
    for (size_t i = 0; i < check->key_count; i++) {
        if (is_single && count_signed(check, check->keys[i].algorithm) > 1) {
            return refuse(check, rrset, "more than one RRSIG of algorithm %u",
                          check->keys[i].algorithm);
        }
    }
    for (size_t i = 0; i < check->algorithm_count; i++) {
        bool has = false;
        for (const struct key *key = check->keys; key < check->keys + check->key_count; key++) {
            has = has || (key->has_signed && key->is_published && !key->is_revoked &&
                          key->algorithm == check->algorithms[i]);
        }
        if (!has) {
            return refuse(check, rrset, "no RRSIG of algorithm %u by a published key",
                          check->algorithms[i]);
        }
    }
    return CSN_OK;
}

/* True when a key that has signed the DNSKEY RRset is the one this DS names. */
static bool is_ds_met(const struct check *check, struct csn_bytes ds)
{
    bool is_met = false;
    for (size_t i = 0; i < check->key_count && !is_met; i++) {
        const struct key *key = &check->keys[i];
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
static int check_ds(const struct check *check, const struct csn_rrset *dnskey)
{
    const struct csn_verify_job *job = check->job;
    for (size_t i = 0; i < job->ds_count; i++) {
        bool is_met = false;
        if (job->ds[i].size < 5) {
            return refuse(check, dnskey, "a DS is too short");
        }
        for (size_t j = 0; j < job->ds_count && !is_met; j++) {
            is_met = job->ds[j].size >= 5 && job->ds[j].data[2] == job->ds[i].data[2] &&
                     is_ds_met(check, job->ds[j]);
        }
        if (!is_met) {
            return refuse(check, dnskey, "not signed by a key that a DS of algorithm %u names",
                          job->ds[i].data[2]);
        }
    }
    return CSN_OK;
}

/* All that can be said of one entry without its neighbours. */
static int check_entry(struct check *check, const struct csn_entry *entry, bool is_carried)
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
        return refuse(check, rrset, "RRSIGs have another owner or TTL");
    }
    for (size_t i = 0; i < check->key_count; i++) {
        check->keys[i].has_signed = false;
    }
    struct csn_reader reader = csn_reader(entry->rrsigs.rdatas);
    struct csn_bytes rdata;
    while (rc == CSN_OK && next_rdata(&reader, &rdata)) {
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

/* --- the walk over the owners */

static bool is_below(const uint8_t *owner, const uint8_t *ancestor)
{
    return ancestor != NULL && knot_dname_in_bailiwick(owner, ancestor) > 0;
}

/* RFC 4034 6.1, and names as the whole system keeps them: inside the zone, lower case. */
static int check_owner(const struct check *check, size_t index)
{
    const struct csn_rrset *rrset = &check->job->entries[index].rrset;
    if (has_upper_case(rrset->owner, knot_dname_size(rrset->owner))) {
        return refuse(check, rrset, "owner is not in lower case");
    }
    if (knot_dname_in_bailiwick(rrset->owner, check->job->apex) < 0) {
        return refuse(check, rrset, "owner is outside the zone");
    }
    if (index == 0) {
        return CSN_OK;
    }
    const struct csn_rrset *last = &check->job->entries[index - 1].rrset;
    int order = knot_dname_cmp(last->owner, rrset->owner);
    if (order > 0 || (order == 0 && last->type >= rrset->type)) {
        return refuse(check, rrset, "not in canonical order");
    }
    return CSN_OK;
}

/* The entries of one owner, from `first`, each checked as an owner. */
static int take_group(const struct check *check, size_t first, struct group *ret_group)
{
    const struct csn_entry *entries = check->job->entries + first;
    size_t count = 0;
    do {
        int rc = check_owner(check, first + count);
        if (rc != CSN_OK) {
            return rc;
        }
        count++;
    } while (first + count < check->job->count &&
             knot_dname_is_equal(entries[count].rrset.owner, entries->rrset.owner));
    *ret_group = (struct group){.entries = entries, .count = count};
    return CSN_OK;
}

/* Cuts, and what they occlude (signing.md 1). */
static int place_group(const struct check *check, struct walk *walk, struct group *group)
{
    const uint8_t *owner = group->entries->rrset.owner;
    if (is_below(owner, walk->dname)) {
        return refuse(check, &group->entries->rrset, "below a DNAME"); /* RFC 6672 2.4 */
    }
    if (is_below(owner, walk->cut)) {
        group->place = BELOW_CUT;
        return CSN_OK;
    }
    if (find(group, KNOT_RRTYPE_NS) != NULL && !knot_dname_is_equal(owner, check->job->apex)) {
        group->place = CUT;
        walk->cut = owner;
        return CSN_OK;
    }
    group->place = AUTHORITATIVE;
    if (find(group, KNOT_RRTYPE_DNAME) != NULL) {
        walk->dname = owner;
    }
    return CSN_OK;
}

static bool is_to_be_signed(const struct group *group, uint16_t type)
{
    switch (group->place) {
    case AUTHORITATIVE:
        return true;
    case CUT:
        return type == KNOT_RRTYPE_DS || type == KNOT_RRTYPE_NSEC; /* RFC 4035 2.2 */
    default:
        return false;
    }
}

static int check_type(const struct check *check, const struct csn_rrset *rrset)
{
    bool is_apex = knot_dname_is_equal(rrset->owner, check->job->apex);
    switch (rrset->type) {
    case KNOT_RRTYPE_NSEC3:
    case KNOT_RRTYPE_NSEC3PARAM:
        return refuse(check, rrset, "NSEC3 is not verified by this version");
    case KNOT_RRTYPE_SOA:
    case KNOT_RRTYPE_DNSKEY:
        return is_apex ? CSN_OK : refuse(check, rrset, "only the apex may have this type");
    case KNOT_RRTYPE_RRSIG:
        return refuse(check, rrset, "RRSIG that covers no RRset of the zone");
    default:
        return knot_rrtype_is_metatype(rrset->type)
                   ? refuse(check, rrset, "not a type of zone data")
                   : CSN_OK;
    }
}

/* None missing, none over what is not ours to sign. */
static int check_signed(const struct check *check, const struct group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct csn_entry *entry = &group->entries[i];
        bool is_due = is_to_be_signed(group, entry->rrset.type);
        int rc = check_type(check, &entry->rrset);
        if (rc != CSN_OK) {
            return rc;
        }
        if (is_due && entry->rrsigs.count == 0) {
            return refuse(check, &entry->rrset, "RRSIG is missing");
        }
        if (!is_due && (entry->rrsigs.count != 0 || entry->rrsigs.rdatas.size != 0)) {
            return refuse(check, &entry->rrset, "RRSIG over %s",
                          group->place == CUT ? "data of a cut" : "data below a cut");
        }
    }
    return CSN_OK;
}

/* RFC 4035 2.3: at a cut NS, DS, RRSIG, NSEC; elsewhere all that is there. */
static int check_bitmap(struct check *check, const struct group *group,
                        const struct csn_rrset *nsec, struct csn_bytes bitmap)
{
    dnssec_nsec_bitmap_clear(check->bitmap);
    dnssec_nsec_bitmap_add(check->bitmap, KNOT_RRTYPE_RRSIG);
    for (size_t i = 0; i < group->count; i++) {
        uint16_t type = group->entries[i].rrset.type;
        if (group->place == AUTHORITATIVE || type == KNOT_RRTYPE_NS ||
            is_to_be_signed(group, type)) {
            dnssec_nsec_bitmap_add(check->bitmap, type);
        }
    }
    size_t size = dnssec_nsec_bitmap_size(check->bitmap);
    csn_buf_clear(&check->types);
    dnssec_nsec_bitmap_write(check->bitmap, csn_buf_reserve(&check->types, size));
    if (!csn_bytes_equal(bitmap, csn_bytes(check->types.data, size))) {
        return refuse(check, nsec, "type bitmap is not that of the owner");
    }
    return CSN_OK;
}

static int check_next(const struct check *check, const struct walk *walk,
                      const struct csn_rrset *here, const uint8_t *owner)
{
    if (walk->nsec == NULL || knot_dname_is_equal(walk->next, owner)) {
        return CSN_OK;
    }
    char text[KNOT_DNAME_TXT_MAXLEN + 1] = "";
    knot_dname_to_str(text, owner, sizeof text);
    return refuse(check, here, "the chain is broken: the next name should be %s", text);
}

static int check_nsec(struct check *check, struct walk *walk, const struct group *group)
{
    const struct csn_rrset *nsec = find(group, KNOT_RRTYPE_NSEC);
    struct csn_bytes rdata;
    if (group->place == BELOW_CUT) {
        return nsec == NULL ? CSN_OK : refuse(check, nsec, "NSEC below a cut");
    }
    if (nsec == NULL) {
        return refuse(check, &group->entries->rrset, "the owner has no NSEC");
    }
    int rc = check_next(check, walk, walk->nsec, nsec->owner);
    if (rc != CSN_OK) {
        return rc;
    }
    if (!single_rdata(nsec, &rdata)) {
        return refuse(check, nsec, "not exactly one NSEC");
    }
    if (nsec->ttl != walk->nsec_ttl) { /* RFC 9077 */
        return refuse(check, nsec, "TTL is %u, not %u", nsec->ttl, walk->nsec_ttl);
    }
    int size =
        rdata.size > 0 ? knot_dname_wire_check(rdata.data, rdata.data + rdata.size, NULL) : -1;
    if (size <= 0) {
        return refuse(check, nsec, "next name is malformed");
    }
    walk->nsec = nsec;
    walk->next = rdata.data;
    return check_bitmap(check, group, nsec,
                        csn_bytes(rdata.data + size, rdata.size - (size_t)size));
}

static bool has_record(const struct csn_rrset *rrset, struct csn_bytes wanted)
{
    struct csn_reader reader = csn_reader(rrset->rdatas);
    struct csn_bytes rdata;
    while (next_rdata(&reader, &rdata)) {
        if (csn_bytes_equal(rdata, wanted)) {
            return true;
        }
    }
    return false;
}

static int check_dnskeys(const struct check *check, const struct csn_rrset *dnskey)
{
    if (dnskey->count != check->job->dnskey_count) {
        return refuse(check, dnskey, "%u keys, %zu in the key set", dnskey->count,
                      check->job->dnskey_count);
    }
    for (size_t i = 0; i < check->job->dnskey_count; i++) {
        if (!has_record(dnskey, check->job->dnskeys[i])) {
            return refuse(check, dnskey, "key %u of the key set is missing", check->keys[i].tag);
        }
    }
    return CSN_OK;
}

/* SOA, NS and DNSKEY stand at the apex, which comes first. */
static int check_apex(const struct check *check, struct walk *walk, const struct group *apex)
{
    const struct csn_rrset *soa = find(apex, KNOT_RRTYPE_SOA);
    const struct csn_rrset *dnskey = find(apex, KNOT_RRTYPE_DNSKEY);
    struct csn_bytes rdata;
    if (!knot_dname_is_equal(apex->entries->rrset.owner, check->job->apex) || soa == NULL ||
        find(apex, KNOT_RRTYPE_NS) == NULL || dnskey == NULL) {
        return refuse(check, &apex->entries->rrset, "the apex lacks SOA, NS or DNSKEY");
    }
    if (!single_rdata(soa, &rdata) || !is_rdata_canonical(KNOT_RRTYPE_SOA, rdata)) {
        return refuse(check, soa, "not exactly one well-formed SOA");
    }
    uint32_t minimum = csn_get_u32(rdata.data + rdata.size - 4);
    walk->nsec_ttl = minimum < soa->ttl ? minimum : soa->ttl;
    return check_dnskeys(check, dnskey);
}

static int check_zone(struct check *check)
{
    struct walk walk = {0};
    if (check->job->count == 0) {
        return csn_reason_set(check->reason, CSN_ESIGNATURE, "the zone is empty");
    }
    for (size_t i = 0; i < check->job->count;) {
        struct group group;
        int rc = take_group(check, i, &group);
        if (rc == CSN_OK && i == 0) {
            rc = check_apex(check, &walk, &group);
        }
        if (rc == CSN_OK) {
            rc = place_group(check, &walk, &group);
        }
        if (rc == CSN_OK) {
            rc = check_signed(check, &group);
        }
        if (rc == CSN_OK) {
            rc = check_nsec(check, &walk, &group);
        }
        if (rc != CSN_OK) {
            return rc;
        }
        i += group.count;
    }
    return check_next(check, &walk, walk.nsec, check->job->apex);
}

static void fini(struct check *check)
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
    struct check check = {.job = job, .reason = reason, .bitmap = dnssec_nsec_bitmap_new()};
    int rc = load_keys(&check);
    if (rc == CSN_OK && job->part == 0) {
        rc = check_zone(&check);
    }
    for (size_t i = job->part; i < job->count && rc == CSN_OK; i += job->parts) {
        rc = check_entry(&check, &job->entries[i], job->is_carried != NULL && job->is_carried[i]);
    }
    fini(&check);
    return rc;
}
