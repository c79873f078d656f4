/* Goal: each of the two verifiers, alone, accepts a right zone and refuses every mutant, for the
 * reason it was mutated. Method: a small zone with every kind of owner is chained and signed here
 * (OpenSSL), with a hook before the chain, before the signatures, in the fields of one signature
 * and after all. The golden vectors are accepted as they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ldns/ldns.h>
#include <libknot/libknot.h>
#include <libzscanner/scanner.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "base/fs.h"
#include "sign/verify.h"

#define RECORDS_MAX 400
#define T 1795262400u
#define VALID 1814400u
#define LEFT_MIN 432000u

enum kind { SIGNED, CUT_NS, UNSIGNED };

struct record {
    uint8_t owner[KNOT_DNAME_MAXLEN];
    uint16_t type;
    uint16_t covered; /* RRSIG only: sorts and packs with what it covers */
    uint32_t ttl;
    enum kind kind;
    uint8_t *rdata; /* owns */
    size_t size;
};

struct key {
    EVP_PKEY *pair; /* owns */
    uint8_t rdata[600];
    size_t size;
    uint16_t tag;
    uint8_t algorithm;
    bool is_ksk;
    bool is_hidden; /* signs, but is not in the DNSKEY RRset */
    bool is_idle;   /* published, does not sign */
};

/* RRSIG fields, open to a mutant before they are signed. */
struct fields {
    uint16_t covered;
    uint8_t algorithm, labels;
    uint32_t ttl, expiration, inception;
    uint16_t tag;
    const char *signer;
};

struct zone {
    struct record records[RECORDS_MAX];
    size_t count;
    uint64_t time_s;
    struct key keys[6];
    size_t key_count;
    const struct mutant *mutant; /* borrows; or NULL */
    struct csn_entry entries[RECORDS_MAX];
    struct csn_buf packs[RECORDS_MAX * 2]; /* owns */
    size_t entry_count;
};

struct mutant {
    const char *name;
    const char *cause; /* what both reasons must say */
    void (*data)(struct zone *zone);
    void (*denial)(struct zone *zone);
    const char *owner; /* whose signature `fields` changes */
    uint16_t type;
    void (*fields)(struct fields *fields);
    void (*end)(struct zone *zone);
};

/* --- building */

static void parse_name(const char *text, uint8_t *ret_name)
{
    assert_non_null(knot_dname_from_str(ret_name, text, KNOT_DNAME_MAXLEN));
}

static struct record *add(struct zone *zone, const uint8_t *owner, uint16_t type, uint32_t ttl,
                          enum kind kind, const void *rdata, size_t size)
{
    assert_true(zone->count < RECORDS_MAX);
    struct record *record = &zone->records[zone->count++];
    *record = (struct record){
        .type = type, .ttl = ttl, .kind = kind, .size = size, .rdata = csn_alloc(size + 1)};
    memcpy(record->owner, owner, knot_dname_size(owner));
    memcpy(record->rdata, rdata, size);
    if (type == KNOT_RRTYPE_RRSIG) {
        record->covered = csn_get_u16(record->rdata);
    }
    return record;
}

struct reading {
    struct zone *zone;
    enum kind kind;
};

static void take_record(zs_scanner_t *scanner)
{
    struct reading *reading = scanner->process.data;
    add(reading->zone, scanner->r_owner, scanner->r_type, scanner->r_ttl, reading->kind,
        scanner->r_data, scanner->r_data_length);
}

static void fail_record(zs_scanner_t *scanner)
{
    fail_msg("line %llu: %s", (unsigned long long)scanner->line_counter,
             zs_strerror(scanner->error.code));
}

static void read_text(struct zone *zone, enum kind kind, const char *origin, const char *text,
                      size_t size)
{
    static zs_scanner_t scanner;
    struct reading reading = {.zone = zone, .kind = kind};
    assert_int_equal(zs_init(&scanner, origin, KNOT_CLASS_IN, 3600), 0);
    assert_int_equal(zs_set_processing(&scanner, take_record, fail_record, &reading), 0);
    assert_int_equal(zs_set_input_string(&scanner, text, size), 0);
    assert_int_equal(zs_parse_all(&scanner), 0);
    zs_deinit(&scanner);
}

static int compare_records(const void *left, const void *right)
{
    const struct record *a = left, *b = right;
    int order = knot_dname_cmp(a->owner, b->owner);
    if (order == 0) {
        order = (a->covered ? a->covered : a->type) - (b->covered ? b->covered : b->type);
    }
    if (order == 0) {
        order = (a->covered != 0) - (b->covered != 0);
    }
    return order != 0
               ? order
               : csn_bytes_compare(csn_bytes(a->rdata, a->size), csn_bytes(b->rdata, b->size));
}

static void sort_records(struct zone *zone)
{
    qsort(zone->records, zone->count, sizeof zone->records[0], compare_records);
}

static struct record *find(struct zone *zone, const char *owner, uint16_t type, uint16_t covered)
{
    uint8_t name[KNOT_DNAME_MAXLEN];
    parse_name(owner, name);
    for (size_t i = 0; i < zone->count; i++) {
        struct record *record = &zone->records[i];
        if (record->type == type && record->covered == covered &&
            knot_dname_is_equal(record->owner, name)) {
            return record;
        }
    }
    fail_msg("%s has no such record", owner);
    return NULL;
}

static void drop(struct zone *zone, struct record *record)
{
    free(record->rdata);
    size_t index = (size_t)(record - zone->records);
    memmove(record, record + 1, (zone->count - index - 1) * sizeof *record);
    zone->count--;
}

static void zone_free(struct zone *zone)
{
    for (size_t i = 0; i < zone->count; i++) {
        free(zone->records[i].rdata);
    }
    for (size_t i = 0; i < zone->key_count; i++) {
        EVP_PKEY_free(zone->keys[i].pair);
    }
    for (size_t i = 0; i < RECORDS_MAX * 2; i++) {
        csn_buf_fini(&zone->packs[i]);
    }
    free(zone);
}

/* --- keys */

static uint16_t key_tag(const uint8_t *rdata, size_t size)
{
    uint32_t sum = 0; /* RFC 4034 appendix B */
    for (size_t i = 0; i < size; i++) {
        sum += i & 1 ? rdata[i] : (uint32_t)rdata[i] << 8;
    }
    return (uint16_t)(sum + (sum >> 16));
}

static size_t put_public_key(EVP_PKEY *pair, uint8_t algorithm, uint8_t *ret_octets)
{
    size_t size = 0;
    unsigned char *point = NULL;
    if (algorithm == 13 || algorithm == 14) { /* RFC 6605 4: without the leading 04 */
        size = EVP_PKEY_get1_encoded_public_key(pair, &point) - 1;
        memcpy(ret_octets, point + 1, size);
        OPENSSL_free(point);
    } else if (algorithm == 8) { /* RFC 3110 2 */
        BIGNUM *modulus = NULL;
        assert_int_equal(EVP_PKEY_get_bn_param(pair, OSSL_PKEY_PARAM_RSA_N, &modulus), 1);
        memcpy(ret_octets, "\x03\x01\x00\x01", 4);
        size = 4 + (size_t)BN_bn2bin(modulus, ret_octets + 4);
        BN_free(modulus);
    } else {
        size = 64;
        assert_int_equal(EVP_PKEY_get_raw_public_key(pair, ret_octets, &size), 1);
    }
    return size;
}

static EVP_PKEY *new_pair(uint8_t algorithm)
{
    switch (algorithm) {
    case 8:
        return EVP_RSA_gen(2048);
    case 13:
        return EVP_EC_gen("P-256");
    case 14:
        return EVP_EC_gen("P-384");
    case 15:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    default:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
    }
}

static struct key *add_key(struct zone *zone, uint16_t flags, uint8_t algorithm)
{
    struct key *key = &zone->keys[zone->key_count++];
    *key = (struct key){.pair = new_pair(algorithm), .algorithm = algorithm, .is_ksk = flags & 1};
    assert_non_null(key->pair);
    csn_set_u16(key->rdata, flags);
    key->rdata[2] = 3;
    key->rdata[3] = algorithm;
    key->size = 4 + put_public_key(key->pair, algorithm, key->rdata + 4);
    key->tag = key_tag(key->rdata, key->size);
    return key;
}

static size_t sign_octets(const struct key *key, const struct csn_buf *octets,
                          uint8_t *ret_signature)
{
    const EVP_MD *digest = key->algorithm >= 15   ? NULL
                           : key->algorithm == 14 ? EVP_sha384()
                                                  : EVP_sha256();
    uint8_t raw[600];
    size_t size = sizeof raw;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, digest, NULL, key->pair), 1);
    assert_int_equal(EVP_DigestSign(context, raw, &size, octets->data, octets->size), 1);
    EVP_MD_CTX_free(context);
    if (key->algorithm != 13 && key->algorithm != 14) {
        memcpy(ret_signature, raw, size);
        return size;
    }
    const unsigned char *at = raw;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)size);
    int half = key->algorithm == 13 ? 32 : 48;
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), ret_signature, half);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), ret_signature + half, half);
    ECDSA_SIG_free(pair);
    return 2 * (size_t)half;
}

/* --- chain and signatures */

static void put_bitmap(struct csn_buf *buf, const bool has[512])
{
    for (unsigned window = 0; window < 2; window++) {
        uint8_t bits[32] = {0};
        uint8_t size = 0;
        for (unsigned low = 0; low < 256; low++) {
            if (has[window * 256 + low]) {
                bits[low / 8] = (uint8_t)(bits[low / 8] | 0x80 >> low % 8);
                size = (uint8_t)(low / 8 + 1);
            }
        }
        if (size > 0) {
            csn_buf_put_u8(buf, (uint8_t)window);
            csn_buf_put_u8(buf, size);
            csn_buf_put(buf, bits, size);
        }
    }
}

static void add_nsec(struct zone *zone, const uint8_t *owner, const uint8_t *next,
                     const bool has[512])
{
    struct csn_buf rdata = {0};
    csn_buf_put(&rdata, next, knot_dname_size(next));
    put_bitmap(&rdata, has);
    add(zone, owner, KNOT_RRTYPE_NSEC, 300, SIGNED, rdata.data, rdata.size);
    csn_buf_fini(&rdata);
}

static void chain(struct zone *zone)
{
    sort_records(zone);
    uint8_t apex[KNOT_DNAME_MAXLEN], owner[KNOT_DNAME_MAXLEN] = "";
    bool has[512] = {0}, is_open = false;
    parse_name("example.", apex);
    size_t count = zone->count;
    for (size_t i = 0; i < count; i++) {
        const struct record *record = &zone->records[i];
        if (record->kind == UNSIGNED) {
            continue;
        }
        if (is_open && !knot_dname_is_equal(owner, record->owner)) {
            add_nsec(zone, owner, record->owner, has);
            memset(has, 0, sizeof has);
        }
        memcpy(owner, record->owner, sizeof owner);
        has[record->type] = has[KNOT_RRTYPE_RRSIG] = has[KNOT_RRTYPE_NSEC] = is_open = true;
    }
    add_nsec(zone, owner, apex, has);
    sort_records(zone);
}

static void put_fields(struct csn_buf *buf, const struct fields *fields)
{
    uint8_t signer[KNOT_DNAME_MAXLEN];
    parse_name(fields->signer, signer);
    csn_buf_put_u16(buf, fields->covered);
    csn_buf_put_u8(buf, fields->algorithm);
    csn_buf_put_u8(buf, fields->labels);
    csn_buf_put_u32(buf, fields->ttl);
    csn_buf_put_u32(buf, fields->expiration);
    csn_buf_put_u32(buf, fields->inception);
    csn_buf_put_u16(buf, fields->tag);
    csn_buf_put(buf, signer, knot_dname_size(signer));
}

static void sign_rrset(struct zone *zone, const struct record *first, size_t count,
                       const struct key *key)
{
    struct fields fields = {.covered = first->type,
                            .algorithm = key->algorithm,
                            .labels = (uint8_t)(knot_dname_labels(first->owner, NULL) -
                                                (size_t)knot_dname_is_wildcard(first->owner)),
                            .ttl = first->ttl,
                            .expiration = (uint32_t)(zone->time_s - 3600 + VALID),
                            .inception = (uint32_t)(zone->time_s - 3600 - 5400),
                            .tag = key->tag,
                            .signer = "example."};
    uint8_t owner[KNOT_DNAME_MAXLEN], signature[600];
    const struct mutant *mutant = zone->mutant;
    if (mutant != NULL && mutant->fields != NULL && mutant->type == first->type) {
        parse_name(mutant->owner, owner);
        if (knot_dname_is_equal(owner, first->owner)) {
            mutant->fields(&fields);
        }
    }
    struct csn_buf rdata = {0}, octets = {0};
    put_fields(&rdata, &fields);
    csn_buf_put(&octets, rdata.data, rdata.size);
    for (size_t i = 0; i < count; i++) {
        csn_buf_put(&octets, first->owner, knot_dname_size(first->owner));
        csn_buf_put_u16(&octets, first->type);
        csn_buf_put_u16(&octets, 1);
        csn_buf_put_u32(&octets, fields.ttl);
        csn_buf_put_u16(&octets, (uint16_t)first[i].size);
        csn_buf_put(&octets, first[i].rdata, first[i].size);
    }
    csn_buf_put(&rdata, signature, sign_octets(key, &octets, signature));
    memcpy(owner, first->owner, sizeof owner);
    add(zone, owner, KNOT_RRTYPE_RRSIG, first->ttl, SIGNED, rdata.data, rdata.size);
    csn_buf_fini(&rdata);
    csn_buf_fini(&octets);
}

static size_t rrset_size(const struct zone *zone, size_t first, size_t end)
{
    const struct record *record = &zone->records[first];
    size_t count = 1;
    while (first + count < end && record[count].type == record->type &&
           record[count].covered == record->covered &&
           knot_dname_is_equal(record[count].owner, record->owner)) {
        count++;
    }
    return count;
}

static void sign(struct zone *zone)
{
    sort_records(zone);
    size_t end = zone->count;
    for (size_t i = 0, size; i < end; i += size) {
        const struct record *first = &zone->records[i];
        size = rrset_size(zone, i, end);
        for (size_t k = 0; k < zone->key_count && first->kind == SIGNED; k++) {
            const struct key *key = &zone->keys[k];
            bool is_for_ksk = first->type == KNOT_RRTYPE_DNSKEY || first->type == KNOT_RRTYPE_CDS;
            if (key->is_ksk == is_for_ksk && !key->is_idle) {
                sign_rrset(zone, first, size, key);
            }
        }
    }
    sort_records(zone);
}

static struct csn_rrset pack(struct csn_buf *buf, const struct record *first, size_t count)
{
    csn_buf_clear(buf);
    for (size_t i = 0; i < count; i++) {
        csn_buf_put_u16(buf, (uint16_t)first[i].size);
        csn_buf_put(buf, first[i].rdata, first[i].size);
    }
    return (struct csn_rrset){.owner = first->owner,
                              .rdatas = csn_buf_view(buf),
                              .ttl = first->ttl,
                              .type = first->type,
                              .count = (uint16_t)count};
}

/* Sorted records to entries: RRSIGs follow what they cover. */
static void make_entries(struct zone *zone)
{
    zone->entry_count = 0;
    for (size_t i = 0, size; i < zone->count; i += size) {
        size = rrset_size(zone, i, zone->count);
        const struct record *first = &zone->records[i];
        struct csn_entry *last =
            zone->entry_count > 0 ? &zone->entries[zone->entry_count - 1] : NULL;
        size_t slot = 2 * zone->entry_count;
        if (first->covered != 0 && last != NULL && last->rrset.type == first->covered &&
            knot_dname_is_equal(last->rrset.owner, first->owner)) {
            last->rrsigs = pack(&zone->packs[slot - 1], first, size);
        } else {
            zone->entries[zone->entry_count++] =
                (struct csn_entry){.rrset = pack(&zone->packs[slot], first, size)};
        }
    }
}

/* --- running */

typedef int verify_fn(const struct csn_verify_job *job, struct csn_reason *reason);
static const struct {
    const char *name;
    verify_fn *verify;
} verifiers[] = {{"ldns", csn_verify_ldns}, {"knot", csn_verify_knot}};

struct setup {
    struct csn_bytes dnskeys[8], unpublished[8], ds[4];
    bool is_carried[RECORDS_MAX];
    uint8_t apex[KNOT_DNAME_MAXLEN];
    struct csn_verify_job job;
};

static void make_job(const struct zone *zone, struct setup *setup)
{
    memset(setup, 0, sizeof *setup);
    parse_name("example.", setup->apex);
    setup->job = (struct csn_verify_job){.apex = setup->apex,
                                         .entries = zone->entries,
                                         .count = zone->entry_count,
                                         .dnskeys = setup->dnskeys,
                                         .unpublished = setup->unpublished,
                                         .ds = setup->ds,
                                         .time_s = zone->time_s,
                                         .left_min_s = LEFT_MIN,
                                         .parts = 1};
    for (size_t i = 0; i < zone->key_count; i++) {
        struct csn_bytes rdata = csn_bytes(zone->keys[i].rdata, zone->keys[i].size);
        if (zone->keys[i].is_hidden) {
            setup->unpublished[setup->job.unpublished_count++] = rdata;
        } else {
            setup->dnskeys[setup->job.dnskey_count++] = rdata;
        }
    }
}

static void assert_accepted(const struct csn_verify_job *job, const char *what)
{
    for (size_t i = 0; i < 2; i++) {
        struct csn_reason reason = {{0}};
        if (verifiers[i].verify(job, &reason) != CSN_OK) {
            fail_msg("%s: %s refuses: %s", what, verifiers[i].name, reason.text);
        }
    }
}

static void assert_refused(const struct csn_verify_job *job, const char *what, const char *cause)
{
    for (size_t i = 0; i < 2; i++) {
        struct csn_reason reason = {{0}};
        int rc = verifiers[i].verify(job, &reason);
        if (rc != CSN_ESIGNATURE || strstr(reason.text, cause) == NULL) {
            fail_msg("%s: %s gives %d \"%s\", not \"%s\"", what, verifiers[i].name, rc, reason.text,
                     cause);
        }
    }
}

/* --- the small zone */

static const char signed_text[] =
    "example. 3600 SOA ns1.example. host.example. 1 3600 900 1209600 300\n"
    "example. 3600 NS ns1.example.\n"
    "example. 3600 NS ns.cut.example.\n"
    "example. 3600 CDS 0 0 0 00\n"
    "example. 3600 TYPE300 \\# 2 abcd\n"
    "ns1.example. 3600 A 192.0.2.1\n"
    "ns1.example. 3600 A 192.0.2.2\n"
    "ns1.example. 3600 AAAA 2001:db8::1\n"
    "a.b.ent.example. 60 TXT \"below two empty non-terminals\"\n"
    "*.wild.example. 600 MX 10 ns1.example.\n"
    "x.*.wild.example. 600 A 192.0.2.3\n"
    "\\000\\001odd\\.name.example. 600 A 192.0.2.4\n"
    "dn.example. 600 DNAME elsewhere.test.\n"
    "cut.example. 600 DS 12345 13 2 "
    "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB\n";
static const char cut_text[] = "cut.example. 900 NS ns.cut.example.\n"
                               "insecure.example. 900 NS ns1.example.\n";
static const char unsigned_text[] =
    "ns.cut.example. 900 A 192.0.2.9\n"
    "cut.example. 900 A 192.0.2.10\n"
    "cut.example. 900 TXT \"occluded\"\n"
    "deep.below.cut.example. 900 TXT \"occluded\"\n"
    "inner.cut.example. 900 NS ns.cut.example.\n"
    "inner.cut.example. 900 DS 12345 13 2 "
    "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB\n";

static struct zone *zone_new(uint64_t time_s)
{
    struct zone *zone = csn_calloc(1, sizeof *zone);
    zone->time_s = time_s;
    read_text(zone, SIGNED, "example.", signed_text, strlen(signed_text));
    read_text(zone, CUT_NS, "example.", cut_text, strlen(cut_text));
    read_text(zone, UNSIGNED, "example.", unsigned_text, strlen(unsigned_text));
    return zone;
}

static void add_dnskeys(struct zone *zone)
{
    uint8_t apex[KNOT_DNAME_MAXLEN];
    parse_name("example.", apex);
    for (size_t i = 0; i < zone->key_count; i++) {
        if (!zone->keys[i].is_hidden) {
            add(zone, apex, KNOT_RRTYPE_DNSKEY, 3600, SIGNED, zone->keys[i].rdata,
                zone->keys[i].size);
        }
    }
}

/* Keys stand; data, chain and signatures follow, with the mutant's hooks. */
static void finish(struct zone *zone, const struct mutant *mutant)
{
    zone->mutant = mutant;
    add_dnskeys(zone);
    if (mutant != NULL && mutant->data != NULL) {
        mutant->data(zone);
    }
    chain(zone);
    if (mutant != NULL && mutant->denial != NULL) {
        mutant->denial(zone);
    }
    sign(zone);
    if (mutant != NULL && mutant->end != NULL) {
        mutant->end(zone);
    }
    make_entries(zone);
}

static struct zone *usual_zone(uint64_t time_s, const struct mutant *mutant)
{
    struct zone *zone = zone_new(time_s);
    add_key(zone, 257, 13);
    add_key(zone, 256, 13);
    add_key(zone, 256, 13)->is_idle = true;
    finish(zone, mutant);
    return zone;
}

/* --- mutants: after signing */

static void drop_rrsig(struct zone *zone)
{
    drop(zone, find(zone, "ns1.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_AAAA));
}
static void drop_nsec_rrsig(struct zone *zone)
{
    drop(zone, find(zone, "insecure.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_NSEC));
}
static void drop_ds_rrsig(struct zone *zone)
{
    drop(zone, find(zone, "cut.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_DS));
}
static void flip_signature(struct zone *zone)
{
    struct record *record = find(zone, "*.wild.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_MX);
    record->rdata[record->size - 1] ^= 1;
}
static void flip_data(struct zone *zone)
{
    find(zone, "a.b.ent.example.", KNOT_RRTYPE_TXT, 0)->rdata[3] ^= 1;
}
static void flip_denial_signature(struct zone *zone)
{
    struct record *record = find(zone, "cut.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_NSEC);
    record->rdata[record->size - 40] ^= 0x80;
}
static void cut_signature(struct zone *zone)
{
    find(zone, "*.wild.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_MX)->size -= 64;
}
static void shorten_signature(struct zone *zone)
{
    find(zone, "*.wild.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_MX)->size -= 2;
}
static void cut_rrsig(struct zone *zone)
{
    find(zone, "*.wild.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_MX)->size = 17;
}
static void sign_twice(struct zone *zone)
{
    zone->keys[1].is_idle = true;
    zone->keys[2].is_idle = false;
    struct record *record = find(zone, "dn.example.", KNOT_RRTYPE_DNAME, 0);
    sign_rrset(zone, record, 1, &zone->keys[2]);
    sort_records(zone);
}
static void sign_twice_one_key(struct zone *zone)
{
    struct record *record = find(zone, "dn.example.", KNOT_RRTYPE_DNAME, 0);
    sign_rrset(zone, record, 1, &zone->keys[1]);
    sort_records(zone);
}
static void change_rrsig_ttl(struct zone *zone)
{
    find(zone, "ns1.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_A)->ttl = 3599;
}
static void change_ttl(struct zone *zone)
{
    find(zone, "a.b.ent.example.", KNOT_RRTYPE_TXT, 0)->ttl = 61;
    find(zone, "a.b.ent.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_TXT)->ttl = 61;
}
static void swap_entries(struct zone *zone)
{
    struct record swap = zone->records[zone->count - 1];
    zone->records[zone->count - 1] = zone->records[zone->count - 3];
    zone->records[zone->count - 3] = swap;
}
static void swap_owners(struct zone *zone)
{
    parse_name("ns.cut.example.", find(zone, "deep.below.cut.example.", KNOT_RRTYPE_TXT, 0)->owner);
    parse_name("deep.below.cut.example.", find(zone, "ns.cut.example.", KNOT_RRTYPE_A, 0)->owner);
}
static void swap_records(struct zone *zone)
{
    struct record *record = find(zone, "ns1.example.", KNOT_RRTYPE_A, 0);
    struct record swap = record[0];
    record[0] = record[1];
    record[1] = swap;
}
static void raise_owner(struct zone *zone)
{
    find(zone, "deep.below.cut.example.", KNOT_RRTYPE_TXT, 0)->owner[1] = 'D';
}
static void cover_another_type(struct zone *zone)
{
    struct record *record = find(zone, "ns1.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_A);
    record->rdata[1] = KNOT_RRTYPE_AAAA; /* and packed with A all the same */
}
static void detach_rrsig(struct zone *zone)
{
    const struct record *record = find(zone, "ns1.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_A);
    add(zone, record->owner, KNOT_RRTYPE_RRSIG, record->ttl, SIGNED, record->rdata, record->size)
        ->covered = 0;
    sort_records(zone);
}
static void drop_record(struct zone *zone)
{
    drop(zone, find(zone, "example.", KNOT_RRTYPE_DNSKEY, 0));
}

/* --- mutants: data that is to be signed otherwise than it may be */

static void sign_over(struct zone *zone, const char *owner, uint16_t type)
{
    const struct record *record = find(zone, owner, type, 0);
    sign_rrset(zone, record, 1, &zone->keys[1]);
    sort_records(zone);
}
static void sign_glue(struct zone *zone)
{
    sign_over(zone, "ns.cut.example.", KNOT_RRTYPE_A);
}
static void sign_glue_at_cut(struct zone *zone)
{
    sign_over(zone, "cut.example.", KNOT_RRTYPE_A);
}
static void sign_cut_ns(struct zone *zone)
{
    sign_over(zone, "insecure.example.", KNOT_RRTYPE_NS);
}
static void sign_occluded(struct zone *zone)
{
    sign_over(zone, "deep.below.cut.example.", KNOT_RRTYPE_TXT);
}
static void sign_occluded_at_cut(struct zone *zone)
{
    sign_over(zone, "cut.example.", KNOT_RRTYPE_TXT);
}
static void sign_occluded_ds(struct zone *zone)
{
    sign_over(zone, "inner.cut.example.", KNOT_RRTYPE_DS);
}
static void drop_soa(struct zone *zone)
{
    drop(zone, find(zone, "example.", KNOT_RRTYPE_SOA, 0));
}
static void drop_apex_ns(struct zone *zone)
{
    drop(zone, find(zone, "example.", KNOT_RRTYPE_NS, 0));
    drop(zone, find(zone, "example.", KNOT_RRTYPE_NS, 0));
}
static void drop_dnskeys(struct zone *zone)
{
    for (size_t i = 0; i < zone->key_count; i++) {
        drop(zone, find(zone, "example.", KNOT_RRTYPE_DNSKEY, 0));
    }
}
static void drop_dnskey(struct zone *zone)
{
    drop(zone, find(zone, "example.", KNOT_RRTYPE_DNSKEY, 0));
}
static void change_dnskey(struct zone *zone)
{
    find(zone, "example.", KNOT_RRTYPE_DNSKEY, 0)->rdata[10] ^= 1;
}
static void second_soa(struct zone *zone)
{
    struct record *soa = find(zone, "example.", KNOT_RRTYPE_SOA, 0);
    struct record *copy =
        add(zone, soa->owner, KNOT_RRTYPE_SOA, 3600, SIGNED, soa->rdata, soa->size);
    copy->rdata[copy->size - 1] ^= 1;
}
static void add_text(struct zone *zone, const char *text)
{
    read_text(zone, SIGNED, "example.", text, strlen(text));
}
static void stray_soa(struct zone *zone)
{
    add_text(zone, "ns1.example. 3600 SOA ns1.example. host.example. 1 3600 900 1209600 300\n");
}
static void outside(struct zone *zone)
{
    add_text(zone, "zexample. 3600 A 192.0.2.1\n");
}
static void below_dname(struct zone *zone)
{
    add_text(zone, "below.dn.example. 3600 A 192.0.2.1\n");
}
static void nsec3param(struct zone *zone)
{
    add_text(zone, "example. 300 NSEC3PARAM 1 0 0 -\n");
}
static void meta_type(struct zone *zone)
{
    add_text(zone, "example. 300 TYPE249 \\# 1 00\n");
}
static void upper_rdata(struct zone *zone)
{
    find(zone, "*.wild.example.", KNOT_RRTYPE_MX, 0)->rdata[3] = 'N';
}
static void malformed_rdata(struct zone *zone)
{
    find(zone, "ns1.example.", KNOT_RRTYPE_AAAA, 0)->size = 15;
}
static void pointer_in_rdata(struct zone *zone)
{
    struct record *record = find(zone, "*.wild.example.", KNOT_RRTYPE_MX, 0);
    memcpy(record->rdata + 2, "\xc0\x00", 2);
    record->size = 4;
}

/* --- mutants: denial, signed like the rest */

static struct record *nsec_of(struct zone *zone, const char *owner)
{
    return find(zone, owner, KNOT_RRTYPE_NSEC, 0);
}
static void flip_bit(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "ns1.example.");
    nsec->rdata[nsec->size - 1] ^= 0x08; /* TYPE44 */
}
static void flip_bit_at_cut(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "insecure.example.");
    nsec->rdata[knot_dname_size(nsec->rdata) + 2] ^= 0x40; /* A: it is glue */
}
static void flip_bit_high(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "example.");
    nsec->rdata[nsec->size - 1] ^= 0x01;
}
static void trailing_zeros(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "ns1.example.");
    nsec->rdata = csn_realloc(nsec->rdata, nsec->size + 1, 1);
    nsec->rdata[nsec->size++] = 0;
    nsec->rdata[knot_dname_size(nsec->rdata) + 1]++;
}
static void skip_link(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "insecure.example.");
    struct record *previous = nsec_of(zone, "a.b.ent.example.");
    assert_memory_equal(previous->rdata, nsec->owner, knot_dname_size(nsec->owner));
    size_t head = knot_dname_size(previous->rdata), next = knot_dname_size(nsec->rdata);
    struct csn_buf rdata = {0};
    csn_buf_put(&rdata, nsec->rdata, next);
    csn_buf_put(&rdata, previous->rdata + head, previous->size - head);
    free(previous->rdata);
    previous->size = rdata.size;
    previous->rdata = rdata.data;
}
static void drop_link(struct zone *zone)
{
    skip_link(zone);
    drop(zone, nsec_of(zone, "insecure.example."));
}
static void open_chain(struct zone *zone)
{
    struct record *last = nsec_of(zone, "x.*.wild.example.");
    last->rdata[1] = 'f'; /* "fxample." */
}
static void upper_next(struct zone *zone)
{
    nsec_of(zone, "a.b.ent.example.")->rdata[1] = 'I';
}
static void extra_nsec(struct zone *zone)
{
    uint8_t owner[KNOT_DNAME_MAXLEN], next[KNOT_DNAME_MAXLEN];
    bool has[512] = {[KNOT_RRTYPE_RRSIG] = true, [KNOT_RRTYPE_NSEC] = true};
    parse_name("ent.example.", owner);
    parse_name("a.b.ent.example.", next);
    add_nsec(zone, owner, next, has);
}
static void nsec_below_cut(struct zone *zone)
{
    uint8_t owner[KNOT_DNAME_MAXLEN], next[KNOT_DNAME_MAXLEN];
    bool has[512] = {[KNOT_RRTYPE_A] = true, [KNOT_RRTYPE_RRSIG] = true, [KNOT_RRTYPE_NSEC] = true};
    parse_name("ns.cut.example.", owner);
    parse_name("dn.example.", next);
    add_nsec(zone, owner, next, has);
    find(zone, "ns.cut.example.", KNOT_RRTYPE_NSEC, 0)->kind = UNSIGNED;
}
static void second_nsec(struct zone *zone)
{
    struct record *nsec = nsec_of(zone, "dn.example.");
    struct record *copy =
        add(zone, nsec->owner, KNOT_RRTYPE_NSEC, 300, SIGNED, nsec->rdata, nsec->size);
    copy->rdata[copy->size - 1] ^= 0x08;
}
static void nsec_ttl(struct zone *zone)
{
    nsec_of(zone, "dn.example.")->ttl = 301;
}
static void cut_nsec(struct zone *zone)
{
    nsec_of(zone, "dn.example.")->size = 3;
}

/* --- mutants: one field of one signature, signed as it then is */

static void wrong_signer(struct fields *fields)
{
    fields->signer = "other.";
}
static void signer_below(struct fields *fields)
{
    fields->signer = "wild.example.";
}
static void more_labels(struct fields *fields)
{
    fields->labels++;
}
static void fewer_labels(struct fields *fields)
{
    fields->labels--;
}
static void wrong_ttl(struct fields *fields)
{
    fields->ttl++;
}
static void expired_at_margin(struct fields *fields)
{
    fields->expiration = T + LEFT_MIN - 1;
}
static void expired(struct fields *fields)
{
    fields->expiration = T - 1;
}
static void no_order(struct fields *fields)
{
    fields->expiration = T + UINT32_C(0x80000000);
}
static void early_no_order(struct fields *fields)
{
    fields->inception = T + UINT32_C(0x80000000);
}
static void incepted_after(struct fields *fields)
{
    fields->inception = T + 1;
}
static void wrong_tag(struct fields *fields)
{
    fields->tag++;
}
static void wrong_algorithm(struct fields *fields)
{
    fields->algorithm = 14;
}

static const struct mutant mutants[] = {
    {.name = "one RRSIG dropped", .cause = "AAAA: RRSIG is missing", .end = drop_rrsig},
    {.name = "RRSIG of an NSEC dropped", .cause = "NSEC: RRSIG is missing", .end = drop_nsec_rrsig},
    {.name = "RRSIG of a DS dropped", .cause = "DS: RRSIG is missing", .end = drop_ds_rrsig},
    {.name = "RRSIG over glue", .cause = "A: RRSIG over", .end = sign_glue},
    {.name = "RRSIG over glue at a cut", .cause = "A: RRSIG over", .end = sign_glue_at_cut},
    {.name = "RRSIG over cut NS", .cause = "NS: RRSIG over", .end = sign_cut_ns},
    {.name = "RRSIG over occluded data", .cause = "TXT: RRSIG over", .end = sign_occluded},
    {.name = "RRSIG over occluded data at a cut",
     .cause = "TXT: RRSIG over",
     .end = sign_occluded_at_cut},
    {.name = "RRSIG over an occluded DS", .cause = "DS: RRSIG over", .end = sign_occluded_ds},
    {.name = "one bitmap bit wrong", .cause = "bitmap", .denial = flip_bit},
    {.name = "glue in the bitmap of a cut", .cause = "bitmap", .denial = flip_bit_at_cut},
    {.name = "bitmap bit of a high window wrong", .cause = "bitmap", .denial = flip_bit_high},
    {.name = "bitmap with trailing zeros", .cause = "bitmap", .denial = trailing_zeros},
    {.name = "one chain link missing", .cause = "has no NSEC", .denial = drop_link},
    {.name = "the chain skips a name", .cause = "chain is broken", .denial = skip_link},
    {.name = "the chain is open", .cause = "chain is broken", .denial = open_chain},
    {.name = "next name in upper case", .cause = "chain is broken", .denial = upper_next},
    {.name = "NSEC at an empty non-terminal", .cause = "chain is broken", .denial = extra_nsec},
    {.name = "NSEC below a cut", .cause = "NSEC below a cut", .denial = nsec_below_cut},
    {.name = "two NSEC at an owner", .cause = "not exactly one", .denial = second_nsec},
    {.name = "TTL of an NSEC", .cause = "TTL is 301, not 300", .denial = nsec_ttl},
    {.name = "NSEC cut inside its next name", .cause = "dn.example. NSEC", .denial = cut_nsec},
    {.name = "signature bit flipped", .cause = "does not verify", .end = flip_signature},
    {.name = "signature bit of an NSEC flipped",
     .cause = "does not verify",
     .end = flip_denial_signature},
    {.name = "data bit flipped", .cause = "does not verify", .end = flip_data},
    {.name = "empty signature", .cause = "RRSIG is malformed", .end = cut_signature},
    {.name = "short signature", .cause = "MX: RRSIG by key", .end = shorten_signature},
    {.name = "RRSIG cut inside its fields", .cause = "malformed", .end = cut_rrsig},
    {.name = "two RRSIGs of one algorithm", .cause = "more than one RRSIG", .end = sign_twice},
    {.name = "two RRSIGs by one key", .cause = "two RRSIGs by key", .end = sign_twice_one_key},
    {.name = "TTL of an RRSIG", .cause = "another owner or TTL", .end = change_rrsig_ttl},
    {.name = "TTL of an RRset and its RRSIG", .cause = "original TTL", .end = change_ttl},
    {.name = "entries out of order", .cause = "canonical order", .end = swap_entries},
    {.name = "owners out of order", .cause = "canonical order", .end = swap_owners},
    {.name = "records out of order", .cause = "canonical order", .end = swap_records},
    {.name = "upper-case owner", .cause = "lower case", .end = raise_owner},
    {.name = "DNSKEY dropped after signing", .cause = "key set", .end = drop_record},
    {.name = "no SOA", .cause = "the apex lacks", .data = drop_soa},
    {.name = "two SOA", .cause = "not exactly one", .data = second_soa},
    {.name = "SOA below the apex", .cause = "only the apex", .data = stray_soa},
    {.name = "no apex NS", .cause = "the apex lacks", .data = drop_apex_ns},
    {.name = "no DNSKEY", .cause = "the apex lacks", .data = drop_dnskeys},
    {.name = "a DNSKEY is missing", .cause = "key set", .data = drop_dnskey},
    {.name = "another DNSKEY", .cause = "key set", .data = change_dnskey},
    {.name = "owner outside the zone", .cause = "outside the zone", .data = outside},
    {.name = "data below a DNAME", .cause = "below a DNAME", .data = below_dname},
    {.name = "NSEC3PARAM", .cause = "NSEC3 is not verified", .data = nsec3param},
    {.name = "meta-type", .cause = "not a type of zone data", .data = meta_type},
    {.name = "RRSIG over another type",
     .cause = "A: RRSIG covers type 28",
     .end = cover_another_type},
    {.name = "RRSIG that stands alone", .cause = "RRSIG that covers no RRset", .end = detach_rrsig},
    {.name = "RDATA in upper case", .cause = "RDATA is malformed", .data = upper_rdata},
    {.name = "RDATA too short", .cause = "RDATA is malformed", .data = malformed_rdata},
    {.name = "compression pointer in RDATA",
     .cause = "RDATA is malformed",
     .data = pointer_in_rdata},
    {"wrong signer", "signer is not the zone", NULL, NULL, "ns1.example.", KNOT_RRTYPE_A,
     wrong_signer, NULL},
    {"signer below the apex", "signer is not the zone", NULL, NULL, "*.wild.example.",
     KNOT_RRTYPE_MX, signer_below, NULL},
    {"one label too many", "labels field", NULL, NULL, "*.wild.example.", KNOT_RRTYPE_MX,
     more_labels, NULL},
    {"one label too few", "labels field", NULL, NULL, "a.b.ent.example.", KNOT_RRTYPE_TXT,
     fewer_labels, NULL},
    {"wrong original TTL", "original TTL", NULL, NULL, "ns1.example.", KNOT_RRTYPE_A, wrong_ttl,
     NULL},
    {"expires inside the margin", "expires too early", NULL, NULL, "ns1.example.", KNOT_RRTYPE_A,
     expired_at_margin, NULL},
    {"expired", "expires too early", NULL, NULL, "dn.example.", KNOT_RRTYPE_NSEC, expired, NULL},
    {"expiration without order", "expires too early", NULL, NULL, "ns1.example.", KNOT_RRTYPE_A,
     no_order, NULL},
    {"inception without order", "not yet valid", NULL, NULL, "ns1.example.", KNOT_RRTYPE_A,
     early_no_order, NULL},
    {"inception after T", "not yet valid", NULL, NULL, "example.", KNOT_RRTYPE_DNSKEY,
     incepted_after, NULL},
    {"tag of no key", "no key of the zone", NULL, NULL, "example.", KNOT_RRTYPE_SOA, wrong_tag,
     NULL},
    {"algorithm of no key", "no key of the zone", NULL, NULL, "cut.example.", KNOT_RRTYPE_DS,
     wrong_algorithm, NULL},
};

static void test_each_verifier_refuses_every_mutant(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mutants / sizeof mutants[0]; i++) {
        struct setup setup;
        struct zone *zone = usual_zone(T, &mutants[i]);
        make_job(zone, &setup);
        assert_refused(&setup.job, mutants[i].name, mutants[i].cause);
        zone_free(zone);
    }
}

static void test_dates_are_compared_in_64_bits(void **state)
{
    (void)state;
    static const uint64_t times[] = {T,           2147483647u,      2147483648u,
                                     4294967295u, 4294967296u + 60, 4294967296u + T};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct setup setup;
        struct zone *zone = usual_zone(times[i], NULL);
        make_job(zone, &setup);
        assert_accepted(&setup.job, "good zone");
        setup.job.left_min_s = VALID - 3600;
        assert_accepted(&setup.job, "exactly the margin left");
        setup.job.left_min_s++;
        assert_refused(&setup.job, "margin", "expires too early");
        setup.job.left_min_s = 0;
        setup.job.time_s = times[i] - 9000;
        assert_accepted(&setup.job, "T at the inception");
        setup.job.time_s--;
        assert_refused(&setup.job, "T before the inception", "not yet valid");
        setup.job.time_s = times[i] + VALID - 3599;
        assert_refused(&setup.job, "T after the expiration", "expires too early");
        zone_free(zone);
    }
}

static void test_all_algorithms_verify(void **state)
{
    (void)state;
    static const uint8_t algorithms[] = {8, 13, 14, 15, 16};
    for (size_t i = 0; i < sizeof algorithms; i++) {
        struct setup setup;
        struct zone *zone = zone_new(T);
        add_key(zone, 257, algorithms[i]);
        add_key(zone, 256, algorithms[i]);
        finish(zone, NULL);
        make_job(zone, &setup);
        assert_accepted(&setup.job, "algorithm");
        flip_signature(zone);
        make_entries(zone);
        assert_refused(&setup.job, "algorithm", "does not verify");
        shorten_signature(zone);
        make_entries(zone);
        assert_refused(&setup.job, "algorithm", "MX: RRSIG by key");
        zone_free(zone);
    }
}

/* A key pair of another site under the same label, the fault of .de 2026: same algorithm, other
 * key. */
static void test_signature_by_a_key_that_is_not_published_is_refused(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 13);
    struct key *key = add_key(zone, 256, 13);
    EVP_PKEY *published = key->pair;
    key->pair = new_pair(13);
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_refused(&setup.job, "other key pair", "does not verify");
    EVP_PKEY_free(published);
    zone_free(zone);
}

static void test_two_algorithms_each_sign_everything(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 13);
    add_key(zone, 256, 13);
    add_key(zone, 257, 15);
    add_key(zone, 256, 15);
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_accepted(&setup.job, "two algorithms");
    drop(zone, find(zone, "dn.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_DNAME));
    make_entries(zone);
    assert_refused(&setup.job, "one of two algorithms",
                   "dn.example. DNAME: no RRSIG of algorithm 13");
    zone_free(zone);
}

static void test_incoming_algorithm_signs_unpublished(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 13);
    add_key(zone, 256, 13);
    struct key *incoming = add_key(zone, 256, 15);
    incoming->is_hidden = true;
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_accepted(&setup.job, "incoming algorithm");
    flip_signature(zone);
    make_entries(zone);
    assert_refused(&setup.job, "incoming algorithm", "does not verify");
    setup.job.unpublished_count = 0;
    assert_refused(&setup.job, "incoming algorithm that the job does not name",
                   "no key of the zone");
    zone_free(zone);
}

/* A signature by an unpublished key does not stand in for one that validators can use. */
static void test_unpublished_key_of_a_published_algorithm_is_refused(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 13);
    add_key(zone, 256, 13)->is_idle = true;
    add_key(zone, 256, 13)->is_hidden = true;
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_refused(&setup.job, "unpublished ZSK", "by a published key");
    zone_free(zone);
}

static void test_several_ksks_and_a_revoked_one_sign_key_data(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 13);
    add_key(zone, 257, 13);
    add_key(zone, 257 | 0x80, 13);
    add_key(zone, 256, 13);
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_accepted(&setup.job, "three KSKs");
    zone_free(zone);

    zone = zone_new(T);
    add_key(zone, 257, 13)->is_idle = true;
    add_key(zone, 257 | 0x80, 13);
    add_key(zone, 256, 13);
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_refused(&setup.job, "only the revoked KSK signs", "by a published key");
    zone_free(zone);

    zone = zone_new(T);
    add_key(zone, 257, 13);
    add_key(zone, 256 | 0x80, 13);
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_refused(&setup.job, "a revoked ZSK signs", "revoked key");
    zone_free(zone);
}

/* .ru 2024: two keys of one algorithm and one tag. */
static void test_keys_that_share_a_tag_are_refused(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = zone_new(T);
    add_key(zone, 257, 8);
    add_key(zone, 256, 8);
    zone->keys[2] = zone->keys[1];
    EVP_PKEY_up_ref(zone->keys[2].pair);
    zone->key_count = 3;
    /* The tag is a sum: two octets that change places leave it as it is. */
    uint8_t *octets = zone->keys[2].rdata + zone->keys[2].size - 8;
    octets[0] = (uint8_t)(octets[2] + 1);
    octets[2] = (uint8_t)(zone->keys[1].rdata[zone->keys[1].size - 8]);
    zone->keys[1].rdata[zone->keys[1].size - 6] = octets[0];
    zone->keys[2].is_idle = true;
    finish(zone, NULL);
    make_job(zone, &setup);
    assert_refused(&setup.job, "two keys", "share the tag");
    zone_free(zone);
}

static void test_keys_that_cannot_sign_a_zone_are_refused(void **state)
{
    (void)state;
    struct setup setup;
    struct csn_bytes many[65];
    struct zone *zone = usual_zone(T, NULL);
    make_job(zone, &setup);
    for (size_t i = 0; i < 65; i++) {
        many[i] = setup.dnskeys[0];
    }
    setup.job.dnskeys = many;
    setup.job.dnskey_count = 65;
    assert_refused(&setup.job, "65 keys", "more than");
    setup.job.dnskey_count = 0;
    assert_refused(&setup.job, "no key", "no published key");
    setup.job.dnskeys = setup.dnskeys;
    setup.job.dnskey_count = 3;
    for (size_t size = 0; size < zone->keys[2].size; size++) {
        setup.dnskeys[2].size = size;
        assert_refused(&setup.job, "cut key", "");
    }
    setup.dnskeys[2].size = zone->keys[2].size;
    zone->keys[2].rdata[0] = 0;
    assert_refused(&setup.job, "ZONE flag", "no zone key");
    zone->keys[2].rdata[0] = 1;
    zone->keys[2].rdata[2] = 2;
    assert_refused(&setup.job, "protocol", "no zone key");
    zone->keys[2].rdata[2] = 3;
    zone->keys[2].rdata[3] = 99;
    assert_refused(&setup.job, "algorithm", "of algorithm 99");
    zone_free(zone);
}

/* What the store would have refused already. */
static void test_wrong_packing_is_refused(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = usual_zone(T, NULL);
    make_job(zone, &setup);
    for (size_t i = 0; i < zone->entry_count; i++) {
        struct csn_entry saved = zone->entries[i];
        zone->entries[i].rrset.count++;
        assert_refused(&setup.job, "one record too few", "");
        zone->entries[i] = saved;
        zone->entries[i].rrset.rdatas.size--;
        assert_refused(&setup.job, "a record cut", "");
        zone->entries[i] = saved;
        if (saved.rrsigs.count > 0) {
            zone->entries[i].rrsigs.count++;
            assert_refused(&setup.job, "one RRSIG too few", "packed as counted");
            zone->entries[i] = saved;
        }
    }
    zone_free(zone);
}

static size_t make_ds(const struct key *key, uint8_t digest, uint8_t ret_ds[64])
{
    uint8_t octets[700];
    unsigned size = 0;
    parse_name("example.", octets);
    size_t name = knot_dname_size(octets);
    memcpy(octets + name, key->rdata, key->size);
    csn_set_u16(ret_ds, key->tag);
    ret_ds[2] = key->algorithm;
    ret_ds[3] = digest;
    const EVP_MD *md = digest == 4 ? EVP_sha384() : digest == 1 ? EVP_sha1() : EVP_sha256();
    EVP_Digest(octets, name + key->size, ret_ds + 4, &size, md, NULL);
    return 4 + size;
}

static void test_ds_must_name_a_key_that_signs_the_dnskeys(void **state)
{
    (void)state;
    uint8_t ds[4][64];
    struct setup setup;
    struct zone *zone = usual_zone(T, NULL);
    make_job(zone, &setup);
    static const uint8_t digests[] = {1, 4, 2};
    for (size_t i = 0; i < 3; i++) {
        setup.ds[0] = csn_bytes(ds[0], make_ds(&zone->keys[0], digests[i], ds[0]));
        setup.job.ds_count = 1;
        assert_accepted(&setup.job, "DS of the KSK");
    }
    setup.ds[1] = csn_bytes(ds[1], make_ds(&zone->keys[1], 2, ds[1]));
    setup.job.ds_count = 2;
    assert_accepted(&setup.job, "one of two DS");
    ds[0][20] ^= 1;
    assert_refused(&setup.job, "DS of a key that does not sign, and one that fits none",
                   "a DS of algorithm 13 names");
    make_ds(&zone->keys[0], 2, ds[0]);
    ds[1][2] = 8;
    assert_refused(&setup.job, "DS of an algorithm without a key", "a DS of algorithm 8 names");
    setup.ds[1].size = 4;
    assert_refused(&setup.job, "cut DS", "DS is too short");
    zone_free(zone);
}

static void test_parts_together_are_the_whole(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = usual_zone(T, NULL);
    flip_signature(zone);
    make_entries(zone);
    make_job(zone, &setup);
    setup.job.parts = 3;
    for (size_t i = 0; i < 2; i++) {
        unsigned refused = 0;
        for (setup.job.part = 0; setup.job.part < 3; setup.job.part++) {
            refused += verifiers[i].verify(&setup.job, NULL) == CSN_ESIGNATURE;
        }
        assert_int_equal(refused, 1);
    }
    zone_free(zone);
}

static void test_carried_entries_skip_the_octets_only(void **state)
{
    (void)state;
    struct setup setup;
    struct zone *zone = usual_zone(T, NULL);
    flip_signature(zone);
    make_entries(zone);
    make_job(zone, &setup);
    memset(setup.is_carried, true, sizeof setup.is_carried);
    setup.job.is_carried = setup.is_carried;
    assert_accepted(&setup.job, "carried");
    drop_rrsig(zone);
    make_entries(zone);
    assert_refused(&setup.job, "carried, one RRSIG dropped", "RRSIG is missing");
    setup.job.count = 0;
    assert_refused(&setup.job, "empty zone", "empty");
    setup.job.count = zone->entry_count;
    setup.job.time_s += VALID;
    assert_refused(&setup.job, "carried, expired", "");
    zone_free(zone);
}

/* --- golden vectors */

static uint64_t plan_number(const char *folder, const char *name)
{
    char path[1024], pattern[32];
    struct csn_buf text = {0};
    struct csn_reason reason = {{0}};
    snprintf(path, sizeof path, "%s/plan.json", folder);
    snprintf(pattern, sizeof pattern, "\"%s\": ", name);
    if (csn_fs_read(path, 1 << 20, &text, &reason) != CSN_OK) {
        fail_msg("%s", reason.text);
    }
    csn_buf_put_u8(&text, 0);
    const char *at = strstr((const char *)text.data, pattern);
    assert_non_null(at);
    uint64_t number = strtoull(at + strlen(pattern), NULL, 10);
    csn_buf_fini(&text);
    return number;
}

/* By ldns: libzscanner does not know PX. */
static void read_vector_text(struct zone *zone, char *text)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        ldns_rr *rr = NULL;
        ldns_buffer *rdata = ldns_buffer_new(100);
        if (ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) != LDNS_STATUS_OK) {
            fail_msg("ldns cannot read %s", line);
        }
        assert_int_equal(ldns_rr_rdata2buffer_wire(rdata, rr), LDNS_STATUS_OK);
        add(zone, ldns_rdf_data(ldns_rr_owner(rr)), (uint16_t)ldns_rr_get_type(rr), ldns_rr_ttl(rr),
            SIGNED, ldns_buffer_begin(rdata), ldns_buffer_position(rdata));
        ldns_buffer_free(rdata);
        ldns_rr_free(rr);
    }
}

static struct zone *read_vector(const char *folder)
{
    char path[1024];
    struct csn_buf text = {0};
    struct csn_reason reason = {{0}};
    struct zone *zone = csn_calloc(1, sizeof *zone);
    snprintf(path, sizeof path, "%s/signed.zone", folder);
    if (csn_fs_read(path, 1 << 20, &text, &reason) != CSN_OK) {
        fail_msg("%s", reason.text);
    }
    csn_buf_put_u8(&text, 0);
    read_vector_text(zone, (char *)text.data);
    csn_buf_fini(&text);
    sort_records(zone);
    make_entries(zone);
    zone->time_s = plan_number(folder, "T");
    return zone;
}

static void take_dnskeys(const struct zone *zone, struct setup *setup)
{
    for (size_t i = 0; i < zone->count; i++) {
        if (zone->records[i].type == KNOT_RRTYPE_DNSKEY) {
            setup->dnskeys[setup->job.dnskey_count++] =
                csn_bytes(zone->records[i].rdata, zone->records[i].size);
        }
    }
}

static void test_golden_vectors_are_accepted(void **state)
{
    (void)state;
    static const char *const names[] = {
        "01-minimal",        "02-ent-nsec",        "05-delegations-nsec", "09-occluded-dname",
        "12-ttl-duplicates", "14-types",           "15-roll-window",      "16-roll-emergency",
        "17-roll-aborted",   "19-ksk-zsk-revoked", "20-policy-switch",    "21-s-behind-t",
        "22-2038-before",    "23-2038-after",      "24-2106-before",      "25-2106-after"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char folder[512];
        struct setup setup;
        snprintf(folder, sizeof folder, "%s/data/oracle/%s", CONSIGN_TESTS, names[i]);
        struct zone *zone = read_vector(folder);
        make_job(zone, &setup);
        memcpy(setup.apex, zone->entries[0].rrset.owner,
               knot_dname_size(zone->entries[0].rrset.owner));
        setup.job.left_min_s = plan_number(folder, "R") / 2;
        take_dnskeys(zone, &setup);
        assert_accepted(&setup.job, names[i]);
        drop(zone, find(zone, "example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_SOA));
        make_entries(zone);
        setup.job.count = zone->entry_count;
        assert_refused(&setup.job, names[i], "SOA: RRSIG is missing");
        zone_free(zone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_verifier_refuses_every_mutant),
        cmocka_unit_test(test_dates_are_compared_in_64_bits),
        cmocka_unit_test(test_all_algorithms_verify),
        cmocka_unit_test(test_signature_by_a_key_that_is_not_published_is_refused),
        cmocka_unit_test(test_two_algorithms_each_sign_everything),
        cmocka_unit_test(test_incoming_algorithm_signs_unpublished),
        cmocka_unit_test(test_unpublished_key_of_a_published_algorithm_is_refused),
        cmocka_unit_test(test_several_ksks_and_a_revoked_one_sign_key_data),
        cmocka_unit_test(test_keys_that_share_a_tag_are_refused),
        cmocka_unit_test(test_keys_that_cannot_sign_a_zone_are_refused),
        cmocka_unit_test(test_wrong_packing_is_refused),
        cmocka_unit_test(test_ds_must_name_a_key_that_signs_the_dnskeys),
        cmocka_unit_test(test_parts_together_are_the_whole),
        cmocka_unit_test(test_carried_entries_skip_the_octets_only),
        cmocka_unit_test(test_golden_vectors_are_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
