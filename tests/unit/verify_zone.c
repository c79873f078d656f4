#include "unit/verify_zone.h"

#include <libzscanner/scanner.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

/* --- building */

void parse_name(const char *text, uint8_t *ret_name)
{
    assert_non_null(knot_dname_from_str(ret_name, text, KNOT_DNAME_MAXLEN));
}

struct record *add(struct zone *zone, const uint8_t *owner, uint16_t type, uint32_t ttl,
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

void read_text(struct zone *zone, enum kind kind, const char *origin, const char *text, size_t size)
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

void sort_records(struct zone *zone)
{
    qsort(zone->records, zone->count, sizeof zone->records[0], compare_records);
}

struct record *find(struct zone *zone, const char *owner, uint16_t type, uint16_t covered)
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

void drop(struct zone *zone, struct record *record)
{
    free(record->rdata);
    size_t index = (size_t)(record - zone->records);
    memmove(record, record + 1, (zone->count - index - 1) * sizeof *record);
    zone->count--;
}

void zone_free(struct zone *zone)
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

EVP_PKEY *new_pair(uint8_t algorithm)
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

struct key *add_key(struct zone *zone, uint16_t flags, uint8_t algorithm)
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

void add_nsec(struct zone *zone, const uint8_t *owner, const uint8_t *next, const bool has[512])
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

void sign_rrset(struct zone *zone, const struct record *first, size_t count, const struct key *key)
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

struct csn_rrset pack(struct csn_buf *buf, const struct record *first, size_t count)
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

void make_entries(struct zone *zone)
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

const struct verifier verifiers[2] = {{"ldns", csn_verify_ldns}, {"knot", csn_verify_knot}};

void make_job(const struct zone *zone, struct setup *setup)
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

void assert_accepted(const struct csn_verify_job *job, const char *what)
{
    for (size_t i = 0; i < 2; i++) {
        struct csn_reason reason = {{0}};
        if (verifiers[i].verify(job, &reason) != CSN_OK) {
            fail_msg("%s: %s refuses: %s", what, verifiers[i].name, reason.text);
        }
    }
}

void assert_refused(const struct csn_verify_job *job, const char *what, const char *cause)
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

struct zone *zone_new(uint64_t time_s)
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

void finish(struct zone *zone, const struct mutant *mutant)
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

struct zone *usual_zone(uint64_t time_s, const struct mutant *mutant)
{
    struct zone *zone = zone_new(time_s);
    add_key(zone, 257, 13);
    add_key(zone, 256, 13);
    add_key(zone, 256, 13)->is_idle = true;
    finish(zone, mutant);
    return zone;
}

void flip_signature(struct zone *zone)
{
    struct record *record = find(zone, "*.wild.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_MX);
    record->rdata[record->size - 1] ^= 1;
}

void shorten_signature(struct zone *zone)
{
    find(zone, "*.wild.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_MX)->size -= 2;
}

void drop_rrsig(struct zone *zone)
{
    drop(zone, find(zone, "ns1.example.", KNOT_RRTYPE_RRSIG, KNOT_RRTYPE_AAAA));
}
