/* Goal: the transfer server gives a whole zone in the right order to whom the rules allow, and says
 * no in the right way to all others; NOTIFY is sent until answered. Method: single requests
 * straight into the answerer; kdig and dig against a server in a child process; sockets of our own
 * on the server's loop, where the order of events matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libknot/libknot.h>

#include "xfr/answer.h"
#include "xfr/notify.h"
#include "xfr/server.h"

#define NAMES 300
#define BIG_NAMES 20000
#define SERIAL 2026112100u
#define CHANGES 2000 /* differences back from SERIAL that are known of "example." */
#define LARGE 20000 /* octets of one record: larger than a message is filled */
#define SECRET "0123456789abcdef0123456789abcdef"
#define SECRET64 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define OTHER64 "AAAAMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define KEY "-y hmac-sha256:transfer.key:" SECRET64
#define DEADLINE_MS 20000

/* --- zones */

struct fake_zone {
    uint8_t name[CSN_NAME_MAX];
    enum csn_xfr_state state;
    bool is_broken;            /* ready, but its reader fails in the middle */
    struct csn_entry *entries; /* owns */
    size_t count, count_max;
    struct csn_arena arena;
};

struct fake_source {
    struct fake_zone zones[4];
    size_t zone_count;
    unsigned open_readers;
    uint32_t left_s;
    struct csn_xfr_source source;
};

struct fake_reader {
    struct fake_source *source;
    const struct fake_zone *zone;
    size_t at;
    struct csn_arena arena; /* entries are copies that go with the reader */
};

static struct csn_rrset make_rrset(struct fake_zone *zone, const uint8_t *owner, uint16_t type,
                                   const void *rdata, size_t size, unsigned count)
{
    struct csn_buf packed = {0};
    for (unsigned i = 0; i < count; i++) {
        csn_buf_put_u16(&packed, (uint16_t)size);
        csn_buf_put(&packed, rdata, size);
        packed.data[packed.size - 1] = (uint8_t)(packed.data[packed.size - 1] + i);
    }
    const uint8_t *copy = csn_arena_copy(&zone->arena, packed.data, packed.size);
    struct csn_rrset rrset = {.owner = owner,
                              .rdatas = csn_bytes(copy, packed.size),
                              .ttl = 3600,
                              .type = type,
                              .count = (uint16_t)count};
    csn_buf_fini(&packed);
    return rrset;
}

static void add(struct fake_zone *zone, const char *owner, uint16_t type, const void *rdata,
                size_t size, unsigned count)
{
    uint8_t name[CSN_NAME_MAX],
        rrsig[200] = {
            (uint8_t)(type >> 8), (uint8_t)type, 13, 2, 0, 0, 14, 16, 0x70, 0, 0, 0, 0x60};
    if (zone->count == zone->count_max) {
        zone->count_max = 2 * zone->count_max + 100;
        zone->entries = csn_realloc(zone->entries, zone->count_max, sizeof *zone->entries);
    }
    assert_int_equal(csn_name_parse(owner, name), CSN_OK);
    const uint8_t *copy = csn_arena_copy(&zone->arena, name, csn_name_size(name));
    struct csn_entry *entry = &zone->entries[zone->count++];
    size_t head = 18 + csn_name_size(zone->name);
    memcpy(rrsig + 18, zone->name, csn_name_size(zone->name));
    entry->rrset = make_rrset(zone, copy, type, rdata, size, count);
    entry->rrsigs = make_rrset(zone, copy, CSN_TYPE_RRSIG, rrsig, head + 64, 1);
}

static struct fake_zone *add_zone(struct fake_source *source, const char *name,
                                  enum csn_xfr_state state)
{
    struct fake_zone *zone = &source->zones[source->zone_count++];
    zone->state = state;
    assert_int_equal(csn_name_parse(name, zone->name), CSN_OK);
    return zone;
}

static void fill_zone(struct fake_zone *zone, const char *name, unsigned names)
{
    static uint8_t large[LARGE];
    struct csn_buf soa = {0};
    char owner[300];
    csn_buf_put(&soa, "\x02ns", 3);
    csn_buf_put(&soa, zone->name, csn_name_size(zone->name));
    csn_buf_put(&soa, "\x04host", 5);
    csn_buf_put(&soa, zone->name, csn_name_size(zone->name));
    csn_buf_put_u32(&soa, SERIAL);
    csn_buf_put(&soa, "\0\0\x0e\x10\0\0\x03\x84\0\x12\x75\0\0\0\x01\x2c", 16);
    add(zone, name, CSN_TYPE_NS,
        "\x01"
        "a\x04test\0",
        8, 1);
    add(zone, name, CSN_TYPE_SOA, soa.data, soa.size, 1);
    csn_buf_fini(&soa);
    add(zone, name, CSN_TYPE_DNSKEY,
        "\x01\x01\x03\x0d"
        "0123456789012345678901234567890123456789012345678901234567890123",
        68, 1);
    add(zone, name, 65280, large, sizeof large, 1);
    for (unsigned i = 0; i < names; i++) {
        snprintf(owner, sizeof owner, "d%06u.%s", i, name);
        add(zone, owner, CSN_TYPE_A, "\xc0\0\x02\x01", 4, 2);
        add(zone, owner, CSN_TYPE_TXT, "\x04text", 5, 1);
    }
}

static void find_zone(void *arg, const uint8_t *name, struct csn_xfr_zone *ret_zone)
{
    const struct fake_source *source = arg;
    for (size_t i = 0; i < source->zone_count; i++) {
        if (csn_name_equal(source->zones[i].name, name)) {
            ret_zone->state = source->zones[i].state;
            ret_zone->left_s = source->left_s;
            snprintf(ret_zone->text, sizeof ret_zone->text, "behind serial 7");
        }
    }
}

static int open_zone(void *arg, const uint8_t *name, void **ret_reader)
{
    struct fake_source *source = arg;
    for (size_t i = 0; i < source->zone_count; i++) {
        if (csn_name_equal(source->zones[i].name, name)) {
            struct fake_reader *reader = csn_calloc(1, sizeof *reader);
            *reader = (struct fake_reader){.source = source, .zone = &source->zones[i]};
            source->open_readers++;
            *ret_reader = reader;
            return CSN_OK;
        }
    }
    return CSN_ENOTFOUND;
}

static void copy_rrset(struct fake_reader *reader, struct csn_rrset *rrset)
{
    rrset->owner = csn_arena_copy(&reader->arena, rrset->owner, csn_name_size(rrset->owner));
    rrset->rdatas.data = csn_arena_copy(&reader->arena, rrset->rdatas.data, rrset->rdatas.size);
}

static int next_entry(void *reader, struct csn_entry *ret_entry)
{
    struct fake_reader *at = reader;
    if (at->zone->is_broken && at->at > 200) {
        return CSN_EDAMAGED;
    }
    if (at->at == at->zone->count) {
        return CSN_ENOTFOUND;
    }
    *ret_entry = at->zone->entries[at->at++];
    copy_rrset(at, &ret_entry->rrset);
    copy_rrset(at, &ret_entry->rrsigs);
    return CSN_OK;
}

static void close_zone(void *take_reader)
{
    struct fake_reader *reader = take_reader;
    reader->source->open_readers--;
    csn_arena_fini(&reader->arena);
    free(reader);
}

/* Differences of one TXT each: old SOA, the TXT of one name, new SOA, that of the next. */
struct fake_changes {
    struct fake_source *source;
    uint32_t serial;
    unsigned part;
    uint8_t owner[CSN_NAME_MAX];
    struct csn_buf rdatas;
};

static int open_changes(void *arg, const uint8_t *zone, uint32_t serial, void **ret_changes)
{
    struct fake_source *source = arg;
    if (!csn_name_equal(zone, source->zones[0].name) || SERIAL - serial > CHANGES) {
        return CSN_ENOTFOUND;
    }
    struct fake_changes *changes = csn_calloc(1, sizeof *changes);
    *changes = (struct fake_changes){.source = source, .serial = serial};
    source->open_readers++;
    *ret_changes = changes;
    return CSN_OK;
}

static int next_change(void *arg, struct csn_rrset *ret_rrset)
{
    struct fake_changes *changes = arg;
    char name[64];
    if (changes->serial == SERIAL) {
        return CSN_ENOTFOUND;
    }
    uint32_t serial = changes->serial + changes->part / 2;
    csn_buf_clear(&changes->rdatas);
    if (changes->part % 2 == 0) {
        *ret_rrset = changes->source->zones[0].entries[1].rrset;
        csn_buf_put_bytes(&changes->rdatas, ret_rrset->rdatas);
        csn_set_u32(changes->rdatas.data + changes->rdatas.size - 20, serial);
    } else {
        snprintf(name, sizeof name, "c%u.example.", (unsigned)serial);
        assert_int_equal(csn_name_parse(name, changes->owner), CSN_OK);
        csn_buf_put(&changes->rdatas, "\0\7\6change", 9);
        *ret_rrset = (struct csn_rrset){
            .owner = changes->owner, .ttl = 3600, .type = CSN_TYPE_TXT, .count = 1};
    }
    ret_rrset->rdatas = csn_buf_view(&changes->rdatas);
    changes->part = (changes->part + 1) % 4;
    changes->serial += changes->part == 0;
    return CSN_OK;
}

static void close_changes(void *take_changes)
{
    struct fake_changes *changes = take_changes;
    changes->source->open_readers--;
    csn_buf_fini(&changes->rdatas);
    free(changes);
}

static struct fake_source *source_new(void)
{
    struct fake_source *source = csn_calloc(1, sizeof *source);
    source->source = (struct csn_xfr_source){source,     find_zone,    open_zone,   next_entry,
                                             close_zone, open_changes, next_change, close_changes};
    source->left_s = 1000000;
    fill_zone(add_zone(source, "example.", CSN_XFR_READY), "example.", NAMES);
    add_zone(source, "held.", CSN_XFR_HELD);
    fill_zone(add_zone(source, "big.", CSN_XFR_READY), "big.", BIG_NAMES);
    fill_zone(add_zone(source, "broken.", CSN_XFR_READY), "broken.", NAMES);
    source->zones[3].is_broken = true;
    return source;
}

static void source_free(struct fake_source *source)
{
    for (size_t i = 0; i < source->zone_count; i++) {
        free(source->zones[i].entries);
        csn_arena_fini(&source->zones[i].arena);
    }
    free(source);
}

/* --- configuration: 127.0.0.1 with the key, 127.0.0.2 without, no other */

struct setup {
    struct csn_endpoint listen;
    struct csn_tsig_config tsig[3];
    struct csn_allow_config allow[3];
    struct csn_notify_config notify[2];
    struct csn_transfer_config config;
    struct fake_source *source;
    struct csn_xfr_counters counters;
    struct csn_answerer answerer;
    struct csn_log log;
};

static void set_key(struct csn_tsig_config *key, const char *name,
                    enum csn_tsig_algorithm algorithm)
{
    assert_int_equal(csn_name_parse(name, key->name), CSN_OK);
    key->algorithm = algorithm;
    csn_buf_put(&key->secret, SECRET, strlen(SECRET));
}

static void set_address(struct csn_endpoint *endpoint, const char *address, uint16_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&endpoint->address;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    inet_pton(AF_INET, address, &v4->sin_addr);
    snprintf(endpoint->text, sizeof endpoint->text, "%s@%u", address, port);
}

/* A port that is free for UDP and TCP both. */
static uint16_t free_port(void)
{
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        int tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
        assert_int_equal(bind(tcp, (struct sockaddr *)&address, size), 0);
        getsockname(tcp, (struct sockaddr *)&address, &size);
        int code = bind(udp, (struct sockaddr *)&address, size);
        close(tcp);
        close(udp);
        if (code == 0) {
            return ntohs(address.sin_port);
        }
    }
    fail_msg("no free port");
    return 0;
}

static void setup_init(struct setup *setup)
{
    memset(setup, 0, sizeof *setup);
    set_address(&setup->listen, "127.0.0.1", free_port());
    set_key(&setup->tsig[0], "transfer.key.", CSN_TSIG_SHA256);
    set_key(&setup->tsig[1], "other.key.", CSN_TSIG_SHA256);
    set_key(&setup->tsig[2], "sha512.key.", CSN_TSIG_SHA512);
    setup->allow[0] =
        (struct csn_allow_config){.prefix = {.octets = {127, 0, 0, 1}, .bits = 32}, .key = 0};
    setup->allow[1] = (struct csn_allow_config){.prefix = {.octets = {127, 0, 0, 2}, .bits = 32},
                                                .key = CSN_INDEX_NONE};
    setup->allow[2] =
        (struct csn_allow_config){.prefix = {.octets = {127, 0, 0, 1}, .bits = 32}, .key = 2};
    setup->config = (struct csn_transfer_config){.listen = &setup->listen,
                                                 .listen_count = 1,
                                                 .tsig = setup->tsig,
                                                 .tsig_count = 3,
                                                 .allow = setup->allow,
                                                 .allow_count = 3,
                                                 .notify = setup->notify};
    setup->source = source_new();
    setup->answerer =
        (struct csn_answerer){&setup->config, "zrh", &setup->source->source, &setup->counters};
    setup->log = (struct csn_log){.program = "test", .least = CSN_ERROR};
}

static void setup_fini(struct setup *setup)
{
    for (size_t i = 0; i < 3; i++) {
        csn_buf_fini(&setup->tsig[i].secret);
    }
    assert_int_equal(setup->source->open_readers, 0);
    source_free(setup->source);
}

/* --- single requests */

static const knot_tsig_key_t transfer_key = {.algorithm = DNSSEC_TSIG_HMAC_SHA256,
                                             .name = (uint8_t *)"\x08transfer\x03key",
                                             .secret = {.size = 32, .data = (uint8_t *)SECRET}};

struct asked {
    const char *name, *from;
    uint16_t type;
    uint16_t class; /* 0: IN */
    bool is_tcp, is_signed, has_edns, is_dnssec, has_no_question;
    uint8_t edns_version;
    uint16_t payload;
    const knot_tsig_key_t *key; /* NULL: transfer_key */
    uint64_t time_signed;       /* not 0: this time, by a valid MAC */
};

static size_t make_query(const struct asked *asked, uint8_t ret_octets[4096], uint8_t ret_mac[64],
                         size_t *ret_mac_size)
{
    uint8_t name[CSN_NAME_MAX];
    assert_non_null(knot_dname_from_str(name, asked->name, sizeof name));
    knot_pkt_t *pkt = knot_pkt_new(ret_octets, 4096, NULL);
    knot_pkt_clear(pkt);
    knot_wire_set_id(pkt->wire, 0x1234);
    if (!asked->has_no_question) {
        uint16_t class = asked->class != 0 ? asked->class : KNOT_CLASS_IN;
        assert_int_equal(knot_pkt_put_question(pkt, name, class, asked->type), KNOT_EOK);
    }
    if (asked->has_edns) {
        knot_rrset_t opt;
        assert_int_equal(knot_edns_init(&opt, asked->payload, 0, asked->edns_version, NULL),
                         KNOT_EOK);
        knot_edns_add_option(&opt, KNOT_EDNS_OPTION_NSID, 0, (const uint8_t *)"", NULL);
        knot_edns_add_option(&opt, KNOT_EDNS_OPTION_EXPIRE, 0, (const uint8_t *)"", NULL);
        if (asked->is_dnssec) {
            knot_edns_set_do(&opt);
        }
        knot_pkt_begin(pkt, KNOT_ADDITIONAL);
        assert_int_equal(knot_pkt_put(pkt, KNOT_COMPR_HINT_NONE, &opt, 0), KNOT_EOK);
        knot_rrset_clear(&opt, NULL);
    }
    size_t size = pkt->size;
    *ret_mac_size = 64;
    if (asked->is_signed) {
        const knot_tsig_key_t *key = asked->key != NULL ? asked->key : &transfer_key;
        uint16_t error = asked->time_signed != 0 ? KNOT_RCODE_BADTIME : 0;
        assert_int_equal(knot_tsig_sign(ret_octets, &size, 4096, NULL, 0, ret_mac, ret_mac_size,
                                        key, error, asked->time_signed),
                         KNOT_EOK);
    }
    knot_pkt_free(pkt);
    return size;
}

/* Asks, and parses the reply; `ret_answer` says what was answered. The caller frees the packet. */
static knot_pkt_t *ask(struct setup *setup, const struct asked *asked, struct csn_buf *buf,
                       struct csn_answer *ret_answer)
{
    uint8_t octets[4096], mac[64];
    size_t mac_size;
    struct sockaddr_in from = {.sin_family = AF_INET};
    inet_pton(AF_INET, asked->from != NULL ? asked->from : "127.0.0.1", &from.sin_addr);
    size_t size = make_query(asked, octets, mac, &mac_size);
    csn_buf_clear(buf);
    csn_answer_query(&setup->answerer, (struct sockaddr *)&from, asked->is_tcp,
                     csn_bytes(octets, size), buf, ret_answer);
    if (ret_answer->kind != CSN_ANSWER_REPLY) {
        return NULL;
    }
    knot_pkt_t *pkt = knot_pkt_new(buf->data, (uint16_t)buf->size, NULL);
    assert_int_equal(knot_pkt_parse(pkt, 0), KNOT_EOK);
    assert_int_equal(knot_wire_get_id(pkt->wire), 0x1234);
    assert_true(knot_wire_get_qr(pkt->wire));
    if (asked->is_signed && ret_answer->tsig.error == 0) {
        assert_int_equal(knot_tsig_client_check(pkt->tsig_rr, pkt->wire, pkt->size, mac, mac_size,
                                                asked->key != NULL ? asked->key : &transfer_key, 0),
                         KNOT_EOK);
    }
    return pkt;
}

static int extended_error(const knot_pkt_t *pkt)
{
    uint8_t *option = knot_pkt_edns_option(pkt, KNOT_EDNS_OPTION_EDE);
    return option == NULL ? -1 : knot_wire_read_u16(knot_edns_opt_get_data(option));
}

static void test_refusals_say_why(void **state)
{
    (void)state;
    static const knot_tsig_key_t unknown = {.algorithm = DNSSEC_TSIG_HMAC_SHA256,
                                            .name = (uint8_t *)"\x07unknown\x03key",
                                            .secret = {.size = 32, .data = (uint8_t *)SECRET}};
    static const knot_tsig_key_t wrong = {
        .algorithm = DNSSEC_TSIG_HMAC_SHA256,
        .name = (uint8_t *)"\x08transfer\x03key",
        .secret = {.size = 32, .data = (uint8_t *)"x123456789abcdef0123456789abcdef"}};
    static const knot_tsig_key_t md5 = {.algorithm = DNSSEC_TSIG_HMAC_MD5,
                                        .name = (uint8_t *)"\x08transfer\x03key",
                                        .secret = {.size = 32, .data = (uint8_t *)SECRET}};
    static const knot_tsig_key_t other = {.algorithm = DNSSEC_TSIG_HMAC_SHA256,
                                          .name = (uint8_t *)"\x05other\x03key",
                                          .secret = {.size = 32, .data = (uint8_t *)SECRET}};
    static const struct {
        const char *what;
        struct asked asked;
        uint16_t rcode;
        int error;
        uint16_t tsig_error;
    } cases[] = {
        {"no key",
         {.name = "example.", .type = KNOT_RRTYPE_AXFR, .is_tcp = true},
         KNOT_RCODE_REFUSED,
         18,
         0},
        {"another key",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .key = &other},
         KNOT_RCODE_REFUSED,
         18,
         0},
        {"unknown key",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .key = &unknown},
         KNOT_RCODE_NOTAUTH,
         18,
         17},
        {"wrong secret",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .key = &wrong},
         KNOT_RCODE_NOTAUTH,
         18,
         16},
        {"MD5",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .key = &md5},
         KNOT_RCODE_NOTAUTH,
         18,
         17},
        {"old",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .time_signed = 1000},
         KNOT_RCODE_NOTAUTH,
         18,
         18},
        {"wrong address",
         {.name = "example.", .from = "127.0.0.3", .type = KNOT_RRTYPE_SOA, .is_signed = true},
         KNOT_RCODE_REFUSED,
         18,
         0},
        {"held",
         {.name = "held.", .type = KNOT_RRTYPE_SOA, .is_signed = true},
         KNOT_RCODE_SERVFAIL,
         14,
         0},
        {"held, AXFR",
         {.name = "held.", .type = KNOT_RRTYPE_AXFR, .is_tcp = true, .is_signed = true},
         KNOT_RCODE_SERVFAIL,
         14,
         0},
        {"name in a held zone",
         {.name = "www.held.", .type = KNOT_RRTYPE_A, .is_signed = true},
         KNOT_RCODE_SERVFAIL,
         14,
         0},
        {"unknown zone",
         {.name = "unknown.", .type = KNOT_RRTYPE_SOA, .is_signed = true},
         KNOT_RCODE_REFUSED,
         20,
         0},
        {"root",
         {.name = ".", .type = KNOT_RRTYPE_SOA, .is_signed = true},
         KNOT_RCODE_REFUSED,
         20,
         0},
        {"name in a zone",
         {.name = "nowhere.example.", .type = KNOT_RRTYPE_A, .is_signed = true},
         KNOT_RCODE_REFUSED,
         21,
         0},
        {"SOA of a name",
         {.name = "nowhere.example.", .type = KNOT_RRTYPE_SOA, .is_signed = true},
         KNOT_RCODE_REFUSED,
         21,
         0},
        {"type",
         {.name = "example.", .type = KNOT_RRTYPE_A, .is_signed = true},
         KNOT_RCODE_REFUSED,
         21,
         0},
        {"ANY",
         {.name = "example.", .type = KNOT_RRTYPE_ANY, .is_signed = true},
         KNOT_RCODE_REFUSED,
         21,
         0},
        {"AXFR by UDP",
         {.name = "example.", .type = KNOT_RRTYPE_AXFR, .is_signed = true},
         KNOT_RCODE_FORMERR,
         21,
         0},
        {"IXFR without SOA",
         {.name = "example.", .type = KNOT_RRTYPE_IXFR, .is_signed = true},
         KNOT_RCODE_FORMERR,
         0,
         0},
        {"class",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .class = KNOT_CLASS_ANY, .is_signed = true},
         KNOT_RCODE_REFUSED,
         21,
         0},
        {"no question",
         {.name = ".", .has_no_question = true, .is_signed = true},
         KNOT_RCODE_FORMERR,
         0,
         0},
        {"EDNS version",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .edns_version = 1},
         KNOT_RCODE_BADVERS,
         -1,
         0},
    };
    struct setup setup;
    struct csn_buf buf = {0};
    setup_init(&setup);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct csn_answer answer;
        struct asked asked = cases[i].asked;
        for (unsigned edns = 0; edns < 2; edns++) {
            asked.has_edns = edns > 0 || asked.edns_version > 0;
            asked.payload = 1232;
            knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
            if (pkt == NULL || answer.rcode != cases[i].rcode ||
                answer.tsig.error != cases[i].tsig_error) {
                fail_msg("%s: kind %d rcode %u TSIG %u", cases[i].what, answer.kind, answer.rcode,
                         answer.tsig.error);
            }
            assert_true(strlen(answer.why) > 0);
            assert_int_equal(knot_pkt_has_edns(pkt) ? knot_edns_get_ext_rcode(pkt->opt_rr) : 0,
                             cases[i].rcode >> 4);
            /* TSIG errors stand above the header's in knot_pkt_ext_rcode. */
            assert_int_equal(knot_wire_get_rcode(pkt->wire), cases[i].rcode & 0xf);
            assert_int_equal(knot_wire_get_ancount(pkt->wire), 0);
            assert_int_equal(extended_error(pkt), asked.has_edns ? cases[i].error : -1);
            if (cases[i].tsig_error != 0) {
                assert_int_equal(knot_tsig_rdata_error(pkt->tsig_rr), cases[i].tsig_error);
                /* BADTIME alone is signed, and brings the server's time. */
                bool is_badtime = cases[i].tsig_error == KNOT_RCODE_BADTIME;
                assert_int_equal(knot_tsig_rdata_mac_length(pkt->tsig_rr), is_badtime ? 32 : 0);
                assert_int_equal(knot_tsig_rdata_other_data_length(pkt->tsig_rr),
                                 is_badtime ? 6 : 0);
            }
            knot_pkt_free(pkt);
        }
    }
    assert_int_equal(setup.counters.queries, 2 * sizeof cases / sizeof cases[0]);
    assert_int_equal(setup.counters.tsig_failed, 2 * 4);
    assert_int_equal(setup.counters.refused, 2 * 3);
    assert_int_equal(setup.counters.not_ready, 2 * 3);
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

static void test_soa_is_answered_with_authority(void **state)
{
    (void)state;
    static const uint16_t types[] = {KNOT_RRTYPE_SOA, KNOT_RRTYPE_NS, KNOT_RRTYPE_DNSKEY};
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    for (size_t i = 0; i < 6; i++) {
        struct asked asked = {.name = "eXAMPLe.",
                              .type = types[i / 2],
                              .is_signed = true,
                              .has_edns = true,
                              .payload = 4096};
        asked.is_dnssec = i % 2 == 1;
        knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
        const knot_pktsection_t *section = knot_pkt_section(pkt, KNOT_ANSWER);
        assert_int_equal(knot_wire_get_rcode(pkt->wire), 0);
        assert_true(knot_wire_get_aa(pkt->wire));
        assert_int_equal(section->count, asked.is_dnssec ? 2 : 1);
        assert_int_equal(knot_pkt_rr(section, 0)->type, types[i / 2]);
        assert_int_equal(knot_pkt_has_dnssec(pkt), asked.is_dnssec);
        assert_memory_equal(knot_pkt_wire_qname(pkt),
                            "\x07"
                            "eXAMPLe",
                            9); /* as asked */
        uint8_t *nsid = knot_pkt_edns_option(pkt, KNOT_EDNS_OPTION_NSID);
        assert_memory_equal(knot_edns_opt_get_data(nsid), "zrh", 3);
        uint8_t *expire = knot_pkt_edns_option(pkt, KNOT_EDNS_OPTION_EXPIRE);
        assert_int_equal(expire != NULL, types[i / 2] == KNOT_RRTYPE_SOA);
        knot_pkt_free(pkt);
    }
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

static void test_udp_answer_that_does_not_fit_is_truncated(void **state)
{
    (void)state;
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    /* Three keys of 500 octets; 1232 is the most by UDP whatever the client offers. */
    static const uint8_t octets[500];
    struct csn_entry *entry = &setup.source->zones[0].entries[2];
    entry->rrset = make_rrset(&setup.source->zones[0], entry->rrset.owner, CSN_TYPE_DNSKEY, octets,
                              sizeof octets, 3);
    struct asked asked = {.name = "example.",
                          .type = KNOT_RRTYPE_DNSKEY,
                          .is_signed = true,
                          .has_edns = true,
                          .payload = 65000};
    knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
    assert_true(knot_wire_get_tc(pkt->wire));
    assert_int_equal(knot_wire_get_ancount(pkt->wire), 0);
    knot_pkt_free(pkt);
    asked.is_tcp = true;
    pkt = ask(&setup, &asked, &buf, &answer);
    assert_false(knot_wire_get_tc(pkt->wire));
    assert_int_equal(knot_wire_get_ancount(pkt->wire), 3);
    knot_pkt_free(pkt);
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

/* By UDP: 512 without EDNS, what the client offers up to 1232 with it. */
static void test_udp_answer_keeps_to_the_clients_size(void **state)
{
    (void)state;
    static const struct {
        uint16_t payload; /* 0: no EDNS */
        size_t size;      /* of one key */
        bool is_truncated;
    } cases[] = {{0, 300, false},   {0, 500, true},   {100, 500, true},
                 {900, 500, false}, {900, 900, true}, {1232, 1000, false}};
    static const uint8_t octets[1000];
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    struct csn_entry *entry = &setup.source->zones[0].entries[2];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        entry->rrset = make_rrset(&setup.source->zones[0], entry->rrset.owner, CSN_TYPE_DNSKEY,
                                  octets, cases[i].size, 1);
        struct asked asked = {.name = "example.", .type = KNOT_RRTYPE_DNSKEY, .is_signed = true};
        asked.has_edns = cases[i].payload != 0;
        asked.payload = cases[i].payload;
        knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
        assert_int_equal(knot_wire_get_tc(pkt->wire) != 0, cases[i].is_truncated);
        assert_true(buf.size <= (cases[i].payload > 512 ? cases[i].payload : 512));
        knot_pkt_free(pkt);
    }
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

#define LONG_LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."

/* The longest question signed by the longest key: the texts of the OPT record give way. */
static void test_refusal_with_long_names_fits_into_512(void **state)
{
    (void)state;
    static uint8_t name[CSN_NAME_MAX];
    knot_tsig_key_t key = {
        .algorithm = DNSSEC_TSIG_HMAC_SHA256, .name = name, .secret = transfer_key.secret};
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    assert_int_equal(csn_name_parse(LONG_LABEL LONG_LABEL, name), CSN_OK);
    memcpy(setup.tsig[1].name, name, csn_name_size(name));
    setup.allow[1].key = 1;
    struct asked asked = {.name = LONG_LABEL LONG_LABEL LONG_LABEL "example.",
                          .from = "127.0.0.2",
                          .type = KNOT_RRTYPE_SOA,
                          .is_signed = true,
                          .key = &key,
                          .has_edns = true,
                          .payload = 512};
    knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
    assert_int_equal(answer.rcode, KNOT_RCODE_REFUSED);
    assert_int_equal(extended_error(pkt), 21);
    assert_true(buf.size <= 512);
    knot_pkt_free(pkt);
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

static void test_what_cannot_be_read_is_no_query(void **state)
{
    (void)state;
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    struct sockaddr_in from = {.sin_family = AF_INET};
    uint8_t octets[4096], mac[64];
    size_t mac_size;
    setup_init(&setup);
    inet_pton(AF_INET, "127.0.0.1", &from.sin_addr);
    struct asked asked = {.name = "example.",
                          .type = KNOT_RRTYPE_SOA,
                          .is_signed = true,
                          .has_edns = true,
                          .payload = 1232};
    size_t size = make_query(&asked, octets, mac, &mac_size);
    for (size_t cut = 0; cut < size; cut++) {
        csn_buf_clear(&buf);
        csn_answer_query(&setup.answerer, (struct sockaddr *)&from, false, csn_bytes(octets, cut),
                         &buf, &answer);
        assert_int_equal(answer.kind, cut < 12 ? CSN_ANSWER_NONE : CSN_ANSWER_REPLY);
        assert_int_equal(answer.rcode, cut < 12 ? 0 : KNOT_RCODE_FORMERR);
        assert_int_equal(buf.size, cut < 12 ? 0 : 12);
    }
    octets[2] |= 0x80; /* a reply: answering it could go on for ever */
    csn_buf_clear(&buf);
    csn_answer_query(&setup.answerer, (struct sockaddr *)&from, false, csn_bytes(octets, size),
                     &buf, &answer);
    assert_int_equal(answer.kind, CSN_ANSWER_NONE);
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

/* --- transfers, message by message */

struct seen {
    size_t records, messages, largest;
    struct csn_buf octets; /* owns; the records in canonical form, one behind the other */
};

/* Parses one message of a transfer; its records are appended. */
static void see_message(struct seen *seen, uint8_t *octets, size_t size)
{
    knot_pkt_t *pkt = knot_pkt_new(octets, (uint16_t)size, NULL);
    assert_int_equal(knot_pkt_parse(pkt, 0), KNOT_EOK);
    assert_int_equal(knot_wire_get_rcode(pkt->wire), 0);
    const knot_pktsection_t *section = knot_pkt_section(pkt, KNOT_ANSWER);
    for (uint16_t i = 0; i < section->count; i++) {
        const knot_rrset_t *rrset = knot_pkt_rr(section, i);
        uint8_t *room = csn_buf_reserve(&seen->octets, UINT16_MAX);
        int written = knot_rrset_to_wire(rrset, room, UINT16_MAX, NULL);
        assert_true(written > 0);
        seen->octets.size += (size_t)written;
        seen->records++;
    }
    seen->messages++;
    seen->largest = size > seen->largest ? size : seen->largest;
    knot_pkt_free(pkt);
}

static void put_expected(struct seen *seen, const struct csn_rrset *rrset)
{
    struct csn_reader reader = csn_rdata_first(rrset);
    struct csn_bytes rdata;
    while (csn_rdata_next(&reader, &rdata)) {
        csn_buf_put(&seen->octets, rrset->owner, csn_name_size(rrset->owner));
        csn_buf_put_u16(&seen->octets, rrset->type);
        csn_buf_put_u16(&seen->octets, 1);
        csn_buf_put_u32(&seen->octets, rrset->ttl);
        csn_buf_put_u16(&seen->octets, (uint16_t)rdata.size);
        csn_buf_put_bytes(&seen->octets, rdata);
        seen->records++;
    }
}

/* SOA, the zone with each RRset before its RRSIGs and without the SOA, SOA. */
static void expect_zone(struct seen *seen, const struct fake_zone *zone)
{
    const struct csn_rrset *soa = &zone->entries[1].rrset;
    put_expected(seen, soa);
    for (size_t i = 0; i < zone->count; i++) {
        if (&zone->entries[i].rrset != soa) {
            put_expected(seen, &zone->entries[i].rrset);
        }
        put_expected(seen, &zone->entries[i].rrsigs);
    }
    put_expected(seen, soa);
}

static void assert_seen(struct seen *seen, const struct fake_zone *zone)
{
    struct seen expected = {0};
    expect_zone(&expected, zone);
    assert_int_equal(seen->records, expected.records);
    assert_true(csn_bytes_equal(csn_buf_view(&seen->octets), csn_buf_view(&expected.octets)));
    csn_buf_fini(&seen->octets);
    csn_buf_fini(&expected.octets);
}

static void test_transfer_gives_the_zone_in_order(void **state)
{
    (void)state;
    static const char *const spellings[] = {"example.", "EXAMPLE."};
    struct setup setup;
    struct csn_buf buf = {0};
    uint64_t octets[2];
    setup_init(&setup);
    for (size_t i = 0; i < 2; i++) {
        struct csn_answer answer;
        struct seen seen = {0};
        struct asked asked = {
            .name = spellings[i], .from = "127.0.0.2", .type = KNOT_RRTYPE_AXFR, .is_tcp = true};
        assert_null(ask(&setup, &asked, &buf, &answer));
        assert_int_equal(answer.kind, CSN_ANSWER_TRANSFER);
        int code;
        while (csn_buf_clear(&buf), (code = csn_transfer_next(answer.transfer, &buf)) == CSN_OK) {
            see_message(&seen, buf.data, buf.size);
        }
        assert_int_equal(code, CSN_ENOTFOUND);
        /* Filled, but for the one record that is larger than a full message. */
        assert_in_range(seen.largest, LARGE, LARGE + 100);
        assert_int_equal(csn_transfer_progress(answer.transfer).records, seen.records);
        octets[i] = csn_transfer_progress(answer.transfer).octets;
        assert_true(octets[i] < seen.octets.size);
        assert_seen(&seen, &setup.source->zones[0]);
        csn_transfer_free(answer.transfer);
    }
    assert_true(octets[0] < octets[1]); /* names point to a question that is spelled as ours */
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

/* RFC 7314: as long as the signatures last, and the SOA allows. */
static void test_expire_is_the_least_of_soa_and_signatures(void **state)
{
    (void)state;
    static const uint32_t left[] = {1000000, 2000000, 0}, expected[] = {1000000, 1209600, 0};
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    for (size_t i = 0; i < 6; i++) {
        struct asked asked = {.name = "example.",
                              .from = "127.0.0.2",
                              .is_tcp = true,
                              .has_edns = true,
                              .payload = 1232};
        asked.type = i < 3 ? KNOT_RRTYPE_SOA : KNOT_RRTYPE_AXFR;
        setup.source->left_s = left[i % 3];
        knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
        if (pkt == NULL) {
            assert_int_equal(csn_transfer_next(answer.transfer, &buf), CSN_OK);
            csn_transfer_free(answer.transfer);
            pkt = knot_pkt_new(buf.data, (uint16_t)buf.size, NULL);
            assert_int_equal(knot_pkt_parse(pkt, 0), KNOT_EOK);
        }
        uint8_t *expire = knot_pkt_edns_option(pkt, KNOT_EDNS_OPTION_EXPIRE);
        assert_int_equal(expire != NULL, expected[i % 3] != 0);
        if (expire != NULL) {
            assert_int_equal(knot_wire_read_u32(knot_edns_opt_get_data(expire)), expected[i % 3]);
        }
        knot_pkt_free(pkt);
    }
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

static void test_transfer_of_damaged_data_does_not_end_as_if_whole(void **state)
{
    (void)state;
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    struct asked asked = {
        .name = "broken.", .from = "127.0.0.2", .type = KNOT_RRTYPE_AXFR, .is_tcp = true};
    assert_null(ask(&setup, &asked, &buf, &answer));
    int code;
    while ((code = csn_transfer_next(answer.transfer, &buf)) == CSN_OK) {
    }
    assert_int_equal(code, CSN_EDAMAGED);
    csn_transfer_free(answer.transfer);
    setup.source->zones[3].count = 1; /* no SOA */
    for (unsigned i = 0; i < 2; i++) {
        asked.type = i == 0 ? KNOT_RRTYPE_AXFR : KNOT_RRTYPE_SOA;
        knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
        assert_int_equal(answer.rcode, KNOT_RCODE_SERVFAIL);
        assert_int_equal(knot_wire_get_rcode(pkt->wire), KNOT_RCODE_SERVFAIL);
        knot_pkt_free(pkt);
    }
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

/* --- kdig and dig against a server in a child */

static void on_terminate(uv_signal_t *handle, int number)
{
    (void)number;
    uv_stop(handle->loop);
}

static _Noreturn void run_child(struct setup *setup, int ready)
{
    uv_loop_t loop;
    uv_signal_t terminate;
    struct csn_xfr_server *server;
    struct csn_reason reason;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    uv_loop_init(&loop);
    uv_signal_init(&loop, &terminate);
    uv_signal_start(&terminate, on_terminate, SIGTERM);
    if (csn_xfr_server_new(&loop, &setup->config, "zrh", &setup->source->source, &setup->log,
                           &server, &reason) != CSN_OK ||
        write(ready, "r", 1) != 1) {
        _exit(1);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    csn_xfr_server_free(server);
    uv_close((uv_handle_t *)&terminate, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(uv_loop_close(&loop) == 0 && setup->source->open_readers == 0 ? 0 : 1);
}

static pid_t start_child(struct setup *setup)
{
    int ready[2];
    char octet;
    assert_int_equal(pipe(ready), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        run_child(setup, ready[1]);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &octet, 1), 1);
    close(ready[0]);
    return child;
}

static void stop_child(pid_t child)
{
    int status;
    kill(child, SIGTERM);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* What the client printed; the caller frees it. */
static char *run_client(const struct setup *setup, const char *program, const char *arguments)
{
    char command[512];
    struct csn_buf text = {0};
    size_t size;
    const char *port = strchr(setup->listen.text, '@') + 1;
    snprintf(command, sizeof command, "%s @127.0.0.1 -p %s %s 2>&1", program, port, arguments);
    FILE *pipe_end = popen(command, "r");
    assert_non_null(pipe_end);
    while ((size = fread(csn_buf_reserve(&text, 65536), 1, 65536, pipe_end)) > 0) {
        text.size += size;
    }
    pclose(pipe_end);
    csn_buf_put_u8(&text, 0);
    return (char *)text.data;
}

static void assert_client_says(const struct setup *setup, const char *program,
                               const char *arguments, const char *const *phrases)
{
    char *text = run_client(setup, program, arguments);
    for (; *phrases != NULL; phrases++) {
        bool is_unwanted = **phrases == '!';
        if ((strstr(text, *phrases + is_unwanted) == NULL) != is_unwanted) {
            fail_msg("%s %s: not \"%s\" in:\n%s", program, arguments, *phrases, text);
        }
    }
    free(text);
}

static unsigned count_lines(const char *text, const char *phrase)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, phrase)) != NULL; at++) {
        count++;
    }
    return count;
}

static void test_real_clients_are_answered(void **state)
{
    (void)state;
    static const struct {
        const char *program, *arguments;
        const char *phrases[6];
    } cases[] = {
        {"kdig",
         KEY " +notcp +nsid +expire example. SOA",
         {"status: NOERROR", "Flags: qr aa", "zrh", "2026112100", ";; EXPIRE: 1000000"}},
        {"kdig",
         KEY " +tcp +dnssec example. SOA",
         {"status: NOERROR", "RRSIG\tSOA 13", "2026112100"}},
        {"dig", KEY " example. SOA", {"status: NOERROR", "flags: qr aa", "!WARNING: Some TSIG"}},
        {"dig",
         "-y hmac-sha512:sha512.key:" SECRET64 " +tcp example. SOA",
         {"status: NOERROR", "!WARNING: Some TSIG"}},
        {"kdig",
         "-b 127.0.0.2 +notcp CH TXT id.server.",
         {"status: NOERROR", "Flags: qr aa", "\"zrh\""}},
        {"kdig", KEY " +notcp +dnssec example. IXFR=7", {"SOA", "!RRSIG", "!NS\t"}},
        {"kdig", "-b 127.0.0.2 +notcp CH TXT version.bind.", {"status: REFUSED"}},
        {"kdig", "+edns +notcp example. SOA", {"status: REFUSED", "EDE: 18 (Prohibited)"}},
        {"kdig",
         "-b 127.0.0.3 +edns +tcp example. SOA",
         {"status: REFUSED", "EDE: 18 (Prohibited)"}},
        {"kdig",
         "-y hmac-sha256:transfer.key:" OTHER64 " +notcp example. SOA",
         {"BADSIG", "!ANSWER SECTION"}},
        {"dig", "-y hmac-md5:transfer.key:" SECRET64 " +tcp example. SOA", {"NOTAUTH", "BADKEY"}},
        {"kdig", KEY " +edns unknown. SOA", {"status: REFUSED", "EDE: 20 (Not Authoritative)"}},
        {"kdig",
         KEY " +edns held. SOA",
         {"status: SERVFAIL", "EDE: 14 (Not Ready)", "behind serial 7"}},
        {"kdig", KEY " +edns nx.example. A", {"status: REFUSED", "EDE: 21 (Not Supported)"}},
        {"kdig", KEY " +edns example. NOTIFY", {"status: NOTIMPL"}},
        {"dig", "example. AXFR", {"Transfer failed", "!SOA\t"}},
        {"dig", "-y hmac-sha256:transfer.key:" OTHER64 " example. AXFR", {"Transfer failed"}},
        {"dig", KEY " unknown. AXFR", {"Transfer failed"}},
    };
    struct setup setup;
    setup_init(&setup);
    pid_t child = start_child(&setup);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_client_says(&setup, cases[i].program, cases[i].arguments, cases[i].phrases);
    }
    stop_child(child);
    setup_fini(&setup);
}

static void test_real_clients_transfer_the_zone(void **state)
{
    (void)state;
    static const struct {
        const char *program, *arguments;
        unsigned soas, texts; /* SOA, not its RRSIG */
    } cases[] = {
        {"dig", KEY " example. AXFR", 2, NAMES},
        {"kdig", KEY " example. AXFR", 2, NAMES},
        {"dig", "-b 127.0.0.2 example. AXFR", 2, NAMES},
        {"dig", KEY " example. IXFR=7", 2, NAMES},
        {"dig", KEY " +tcp example. IXFR=2026112100", 1, 0},
        {"dig", KEY " +tcp example. IXFR=2026112101", 1, 0},
        {"dig", KEY " +notcp example. IXFR=7", 1, 0},
        {"kdig", KEY " big. AXFR", 2, BIG_NAMES},
    };
    struct setup setup;
    setup_init(&setup);
    pid_t child = start_child(&setup);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = run_client(&setup, cases[i].program, cases[i].arguments);
        unsigned soas = count_lines(text, "\tSOA\tns.") + count_lines(text, " SOA ns.");
        unsigned texts = count_lines(text, "TXT\t\"text\"");
        if (soas != cases[i].soas || texts != cases[i].texts || strstr(text, "WARNING") != NULL) {
            fail_msg("%s %s: %u SOA, %u TXT in:\n%.3000s", cases[i].program, cases[i].arguments,
                     soas, texts, text);
        }
        free(text);
    }
    stop_child(child);
    setup_fini(&setup);
}

/* RFC 1995 4: the newest SOA, of each difference the old SOA, what is gone, the new SOA, what is new, the newest SOA; by UDP
 * where all of it fits, else the SOA alone. Signed over many messages (RFC 8945 5.3.1), which the clients check. */
static void test_real_clients_get_the_differences(void **state)
{
    (void)state;
    static const struct {
        const char *program, *arguments;
        unsigned soas, changes;
    } cases[] = {
        {"dig", KEY " +tcp example. IXFR=2026112099", 4, 2},
        {"kdig", KEY " +tcp example. IXFR=2026112099", 4, 2},
        {"kdig", KEY " +tcp example. IXFR=2026112098", 6, 4},
        {"dig", KEY " +notcp example. IXFR=2026112099", 4, 2},
        {"kdig", KEY " +notcp example. IXFR=2026112099", 4, 2},
        {"kdig", KEY " +notcp example. IXFR=2026112000", 1, 0},
        {"dig", KEY " +tcp example. IXFR=2026110100", 2 + 2 * CHANGES, 2 * CHANGES},
        {"kdig", KEY " +tcp example. IXFR=2026110100", 2 + 2 * CHANGES, 2 * CHANGES},
        {"kdig", KEY " +tcp example. IXFR=2026110099", 2, 0}, /* further back: the zone */
        {"kdig", KEY " +tcp big. IXFR=2026112099", 2, 0},
    };
    struct setup setup;
    setup_init(&setup);
    pid_t child = start_child(&setup);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = run_client(&setup, cases[i].program, cases[i].arguments);
        unsigned soas = count_lines(text, "\tSOA\tns.") + count_lines(text, " SOA ns.");
        unsigned changes = count_lines(text, "\"change\"");
        if (soas != cases[i].soas || changes != cases[i].changes || strstr(text, "WARNING") != NULL) {
            fail_msg("%s %s: %u SOA, %u TXT in:\n%.3000s", cases[i].program, cases[i].arguments,
                     soas, changes, text);
        }
        free(text);
    }
    stop_child(child);
    setup_fini(&setup);
}

/* --- sockets of our own on the server's loop */

struct bench {
    struct setup setup;
    uv_loop_t loop;
    uv_timer_t deadline;
    struct csn_xfr_server *server;
};

static void on_deadline(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("deadline passed");
}

static void bench_init(struct bench *bench)
{
    struct csn_reason reason = {{0}};
    setup_init(&bench->setup);
    uv_loop_init(&bench->loop);
    uv_timer_init(&bench->loop, &bench->deadline);
    uv_timer_start(&bench->deadline, on_deadline, DEADLINE_MS, 0);
    if (csn_xfr_server_new(&bench->loop, &bench->setup.config, "zrh", &bench->setup.source->source,
                           &bench->setup.log, &bench->server, &reason) != CSN_OK) {
        fail_msg("%s", reason.text);
    }
}

static void bench_fini(struct bench *bench)
{
    csn_xfr_server_free(bench->server);
    uv_close((uv_handle_t *)&bench->deadline, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    setup_fini(&bench->setup);
}

static struct csn_xfr_counters counters_of(const struct bench *bench)
{
    struct csn_xfr_counters counters;
    csn_xfr_server_counters(bench->server, &counters);
    return counters;
}

static int connect_from(const struct bench *bench, const char *address)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    inet_pton(AF_INET, address, &from.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    assert_true(connect(fd, (const struct sockaddr *)&bench->setup.listen.address, sizeof from) ==
                    0 ||
                errno == EINPROGRESS);
    return fd;
}

static void put_request(struct csn_buf *buf, const char *name, uint16_t type)
{
    uint8_t octets[4096], mac[64];
    size_t mac_size;
    struct asked asked = {.name = name, .type = type};
    size_t size = make_query(&asked, octets, mac, &mac_size);
    csn_buf_put_u16(buf, (uint16_t)size);
    csn_buf_put(buf, octets, size);
}

/* Turns the loop and reads what has come; false at the end of the stream. */
static bool turn(struct bench *bench, int fd, struct csn_buf *input)
{
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    ssize_t size = recv(fd, csn_buf_reserve(input, 65536), 65536, MSG_DONTWAIT);
    if (size > 0) {
        input->size += (size_t)size;
    }
    return !(size == 0 ||
             (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOTCONN));
}

static void send_all(struct bench *bench, int fd, const struct csn_buf *octets)
{
    size_t done = 0;
    while (done < octets->size) {
        ssize_t size = send(fd, octets->data + done, octets->size - done, MSG_NOSIGNAL);
        done += size > 0 ? (size_t)size : 0;
        uv_run(&bench->loop, UV_RUN_NOWAIT);
    }
}

/* One whole message from the front of `input`. */
static bool take_message(struct csn_buf *input, struct csn_buf *message)
{
    if (input->size < 2 || input->size < 2 + (size_t)csn_get_u16(input->data)) {
        return false;
    }
    size_t size = csn_get_u16(input->data);
    csn_buf_clear(message);
    csn_buf_put(message, input->data + 2, size);
    memmove(input->data, input->data + 2 + size, input->size - 2 - size);
    input->size -= 2 + size;
    return true;
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_buf requests = {0}, input = {0}, message = {0};
    bench_init(&bench);
    int fd = connect_from(&bench, "127.0.0.2");
    put_request(&requests, "example.", KNOT_RRTYPE_AXFR);
    put_request(&requests, "held.", KNOT_RRTYPE_SOA);
    put_request(&requests, "example.", KNOT_RRTYPE_AXFR);
    put_request(&requests, "example.", KNOT_RRTYPE_SOA);
    send_all(&bench, fd, &requests);
    for (unsigned transfer = 0; transfer < 2; transfer++) {
        struct seen seen = {0}, expected = {0};
        expect_zone(&expected, &bench.setup.source->zones[0]);
        while (seen.records < expected.records) {
            if (take_message(&input, &message)) {
                see_message(&seen, message.data, message.size);
            } else {
                assert_true(turn(&bench, fd, &input));
            }
        }
        csn_buf_fini(&expected.octets);
        assert_seen(&seen, &bench.setup.source->zones[0]);
        while (!take_message(&input, &message)) {
            assert_true(turn(&bench, fd, &input));
        }
        assert_int_equal(knot_wire_get_rcode(message.data),
                         transfer == 0 ? KNOT_RCODE_SERVFAIL : KNOT_RCODE_NOERROR);
    }
    assert_int_equal(counters_of(&bench).transfers, 2);
    assert_int_equal(counters_of(&bench).connections, 1);
    close(fd);
    while (counters_of(&bench).connections > 0) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    csn_buf_fini(&requests);
    csn_buf_fini(&input);
    csn_buf_fini(&message);
    bench_fini(&bench);
}

/* A client that takes nothing holds one message and the kernel's buffers, not the zone; when it
 * goes, so does the reader. */
static void test_a_client_that_does_not_read_holds_one_message(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_buf requests = {0};
    bench_init(&bench);
    int size = 4096;
    int fd = connect_from(&bench, "127.0.0.2");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    put_request(&requests, "big.", KNOT_RRTYPE_AXFR);
    send_all(&bench, fd, &requests);
    while (bench.setup.source->open_readers == 0) {
        uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
    for (unsigned i = 0; i < 2000; i++) {
        uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(bench.setup.source->open_readers, 1);
    assert_int_equal(counters_of(&bench).transfers, 0);
    close(fd);
    while (counters_of(&bench).connections > 0) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    assert_int_equal(bench.setup.source->open_readers, 0);
    assert_int_equal(counters_of(&bench).transfers_failed, 1);
    assert_in_range(counters_of(&bench).octets, 1, 6000000); /* the zone has more */
    csn_buf_fini(&requests);
    bench_fini(&bench);
}

static void test_a_damaged_zone_ends_the_connection(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_buf requests = {0}, input = {0};
    bench_init(&bench);
    int fd = connect_from(&bench, "127.0.0.2");
    put_request(&requests, "broken.", KNOT_RRTYPE_AXFR);
    send_all(&bench, fd, &requests);
    while (turn(&bench, fd, &input)) {
    }
    assert_int_equal(counters_of(&bench).transfers_failed, 1);
    close(fd);
    csn_buf_fini(&requests);
    csn_buf_fini(&input);
    bench_fini(&bench);
}

static void test_strangers_cannot_take_all_connections(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_buf requests = {0}, input = {0};
    int fds[CSN_XFR_STRANGERS_MAX + 4];
    bench_init(&bench);
    for (size_t i = 0; i < CSN_XFR_STRANGERS_MAX + 4; i++) {
        fds[i] = connect_from(&bench, "127.0.0.9");
    }
    while (counters_of(&bench).connections_refused < 4) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    int fd = connect_from(&bench, "127.0.0.2");
    put_request(&requests, "example.", KNOT_RRTYPE_SOA);
    send_all(&bench, fd, &requests);
    while (input.size == 0) {
        assert_true(turn(&bench, fd, &input));
    }
    assert_int_equal(counters_of(&bench).connections_refused, 4);
    /* Silent strangers are closed after CSN_XFR_STRANGER_IDLE_MS; the friend stays. */
    while (counters_of(&bench).connections > 1) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    for (size_t i = 0; i < CSN_XFR_STRANGERS_MAX + 4; i++) {
        close(fds[i]);
    }
    close(fd);
    csn_buf_fini(&requests);
    csn_buf_fini(&input);
    bench_fini(&bench);
}

/* Connected, and known to the server. */
static int join(struct bench *bench, const char *address)
{
    uint64_t before = counters_of(bench).connections + counters_of(bench).connections_displaced +
                      counters_of(bench).connections_refused;
    int fd = connect_from(bench, address);
    while (counters_of(bench).connections + counters_of(bench).connections_displaced +
               counters_of(bench).connections_refused ==
           before) {
        uv_run(&bench->loop, UV_RUN_ONCE);
    }
    return fd;
}

/* Joins and begins a transfer that it does not read to its end. */
static int join_busy(struct bench *bench, const char *address)
{
    struct csn_buf request = {0};
    int size = 4096, fd = join(bench, address);
    unsigned readers = bench->setup.source->open_readers;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    put_request(&request, "big.", KNOT_RRTYPE_AXFR);
    send_all(bench, fd, &request);
    while (bench->setup.source->open_readers == readers) {
        uv_run(&bench->loop, UV_RUN_NOWAIT);
    }
    csn_buf_fini(&request);
    return fd;
}

static bool is_open(int fd)
{
    uint8_t octet;
    return recv(fd, &octet, 1, MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static void assert_answered(struct bench *bench, int fd)
{
    struct csn_buf request = {0}, input = {0};
    put_request(&request, "example.", KNOT_RRTYPE_SOA);
    send_all(bench, fd, &request);
    while (input.size == 0) {
        assert_true(turn(bench, fd, &input));
    }
    csn_buf_fini(&request);
    csn_buf_fini(&input);
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        close(fds[i]);
    }
}

static void test_one_address_cannot_take_all_connections(void **state)
{
    (void)state;
    static struct bench bench;
    int fds[CSN_XFR_ADDRESS_MAX + 2];
    bench_init(&bench);
    int other = join(&bench, "127.0.0.1"); /* idle for longer than any, but of another address */
    fds[0] = join_busy(&bench, "127.0.0.2");
    for (size_t i = 1; i < CSN_XFR_ADDRESS_MAX; i++) {
        fds[i] = join(&bench, "127.0.0.2");
    }
    assert_int_equal(counters_of(&bench).connections_displaced, 0);
    fds[CSN_XFR_ADDRESS_MAX] = join(&bench, "127.0.0.2");
    assert_int_equal(counters_of(&bench).connections_displaced, 1);
    assert_int_equal(counters_of(&bench).connections, CSN_XFR_ADDRESS_MAX + 1);
    assert_int_equal(bench.setup.source->open_readers, 1);
    assert_false(is_open(fds[1]));
    assert_true(is_open(fds[2]));
    fds[CSN_XFR_ADDRESS_MAX + 1] = join(&bench, "127.0.0.2");
    assert_false(is_open(fds[2]));
    assert_true(is_open(fds[3]) && is_open(other));
    assert_answered(&bench, fds[CSN_XFR_ADDRESS_MAX + 1]);
    close_all(fds, CSN_XFR_ADDRESS_MAX + 2);
    close(other);
    bench_fini(&bench);
}

static void test_transfers_under_way_are_not_displaced(void **state)
{
    (void)state;
    static struct bench bench;
    int fds[CSN_XFR_ADDRESS_MAX + 1];
    bench_init(&bench);
    for (size_t i = 0; i < CSN_XFR_ADDRESS_MAX; i++) {
        fds[i] = join_busy(&bench, "127.0.0.2");
    }
    fds[CSN_XFR_ADDRESS_MAX] = connect_from(&bench, "127.0.0.2");
    while (counters_of(&bench).connections_refused == 0) {
        uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(counters_of(&bench).connections_displaced, 0);
    assert_int_equal(bench.setup.source->open_readers, CSN_XFR_ADDRESS_MAX);
    close_all(fds, CSN_XFR_ADDRESS_MAX + 1);
    bench_fini(&bench);
}

static void test_idle_connections_do_not_shut_a_secondary_out(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_allow_config allow[] = {
        {.prefix = {.octets = {127, 0, 0, 2}, .bits = 32}, .key = CSN_INDEX_NONE},
        {.prefix = {.octets = {127, 0, 1, 0}, .bits = 24}, .key = CSN_INDEX_NONE}};
    int fds[CSN_XFR_CONNECTIONS_MAX];
    char address[32];
    bench_init(&bench);
    bench.setup.config.allow = allow;
    bench.setup.config.allow_count = 2;
    for (size_t i = 0; i < CSN_XFR_CONNECTIONS_MAX; i++) {
        snprintf(address, sizeof address, "127.0.1.%zu", i / CSN_XFR_ADDRESS_MAX + 1);
        fds[i] = join(&bench, address);
    }
    assert_answered(&bench, fds[0]); /* now the second is idle for longest */
    int secondary = join(&bench, "127.0.0.2"), stranger = join(&bench, "127.0.0.9");
    assert_answered(&bench, secondary);
    assert_int_equal(counters_of(&bench).connections, CSN_XFR_CONNECTIONS_MAX);
    assert_int_equal(counters_of(&bench).connections_displaced, 1);
    assert_int_equal(counters_of(&bench).connections_refused, 1);
    assert_false(is_open(fds[1]));
    assert_true(is_open(fds[0]) && is_open(fds[2]) && !is_open(stranger));
    close_all(fds, CSN_XFR_CONNECTIONS_MAX);
    close(secondary);
    close(stranger);
    bench_fini(&bench);
}

static void test_a_request_that_is_too_long_closes(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_buf request = {0}, input = {0};
    bench_init(&bench);
    int fd = connect_from(&bench, "127.0.0.2");
    csn_buf_put_u16(&request, CSN_XFR_REQUEST_MAX + 1);
    send_all(&bench, fd, &request);
    while (turn(&bench, fd, &input)) {
    }
    assert_int_equal(input.size, 0);
    close(fd);
    csn_buf_fini(&request);
    csn_buf_fini(&input);
    bench_fini(&bench);
}

static void test_an_address_in_use_is_named(void **state)
{
    (void)state;
    static struct bench bench;
    struct csn_xfr_server *second;
    struct csn_reason reason;
    bench_init(&bench);
    assert_int_equal(csn_xfr_server_new(&bench.loop, &bench.setup.config, "zrh",
                                        &bench.setup.source->source, &bench.setup.log, &second,
                                        &reason),
                     CSN_EIO);
    assert_non_null(strstr(reason.text, bench.setup.listen.text));
    bench_fini(&bench);
}

/* --- NOTIFY */

/* A secondary: answers the n-th request with the n-th code; 255: stays silent. */
struct secondary {
    uv_udp_t udp;
    const uint8_t *codes;
    unsigned heard;
    bool is_forger; /* signs with another key */
    uint32_t serial;
    char datagram[4096];
};

static void on_secondary_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void)suggested;
    struct secondary *secondary = handle->data;
    *ret_buf = uv_buf_init(secondary->datagram, sizeof secondary->datagram);
}

static void on_notify(uv_udp_t *udp, ssize_t size, const uv_buf_t *buf, const struct sockaddr *from,
                      unsigned flags)
{
    (void)flags;
    struct secondary *secondary = udp->data;
    uint8_t mac[64], octets[4096];
    size_t mac_size = sizeof mac;
    if (from == NULL) {
        return;
    }
    knot_pkt_t *pkt = knot_pkt_new(buf->base, (uint16_t)size, NULL);
    assert_int_equal(knot_pkt_parse(pkt, 0), KNOT_EOK);
    assert_int_equal(knot_wire_get_opcode(pkt->wire), KNOT_OPCODE_NOTIFY);
    assert_false(knot_wire_get_qr(pkt->wire));
    assert_int_equal(knot_pkt_qtype(pkt), KNOT_RRTYPE_SOA);
    assert_int_equal(knot_tsig_server_check(pkt->tsig_rr, pkt->wire, pkt->size, &transfer_key),
                     KNOT_EOK);
    const knot_pktsection_t *section = knot_pkt_section(pkt, KNOT_ANSWER);
    assert_int_equal(section->count, 1);
    secondary->serial = knot_soa_serial(knot_pkt_rr(section, 0)->rrs.rdata);
    uint8_t code = secondary->codes[secondary->heard++];
    if (code != 255) {
        size_t answer_size = 12 + knot_pkt_question_size(pkt);
        memcpy(octets, pkt->wire, answer_size);
        knot_wire_set_qr(octets);
        knot_wire_set_rcode(octets, code);
        knot_wire_set_ancount(octets, 0);
        knot_wire_set_arcount(octets, 0);
        memcpy(mac, knot_tsig_rdata_mac(pkt->tsig_rr), 32);
        knot_tsig_key_t key = transfer_key;
        key.secret.size -= secondary->is_forger;
        assert_int_equal(knot_tsig_sign(octets, &answer_size, sizeof octets, mac, 32, mac,
                                        &mac_size, &key, 0, 0),
                         KNOT_EOK);
        uv_buf_t reply = uv_buf_init((char *)octets, (unsigned)answer_size);
        assert_true(uv_udp_try_send(udp, &reply, 1, from) > 0);
    }
    knot_pkt_free(pkt);
}

static void start_secondary(struct bench *bench, struct secondary *secondary, const uint8_t *codes)
{
    struct csn_notify_config *target = &bench->setup.notify[bench->setup.config.notify_count++];
    *secondary = (struct secondary){.codes = codes};
    target->key = 0;
    set_address(&target->to, "127.0.0.1", free_port());
    uv_udp_init(&bench->loop, &secondary->udp);
    secondary->udp.data = secondary;
    assert_int_equal(uv_udp_bind(&secondary->udp, (const struct sockaddr *)&target->to.address, 0),
                     0);
    assert_int_equal(uv_udp_recv_start(&secondary->udp, on_secondary_alloc, on_notify), 0);
}

static struct csn_notify_counters notify_counters(const struct csn_notify *notify)
{
    struct csn_notify_counters counters;
    csn_notify_counters(notify, &counters);
    return counters;
}

static void test_notify_is_sent_until_answered(void **state)
{
    (void)state;
    static struct bench bench;
    static struct secondary first, second;
    struct csn_notify *notify;
    struct csn_reason reason;
    bench_init(&bench);
    start_secondary(&bench, &first, (const uint8_t[]){0, 255, 0});
    start_secondary(&bench, &second, (const uint8_t[]){255, KNOT_RCODE_REFUSED, 0});
    assert_int_equal(
        csn_notify_new(&bench.loop, &bench.setup.config, &bench.setup.log, &notify, &reason),
        CSN_OK);
    const struct fake_zone *zone = &bench.setup.source->zones[0];
    csn_notify_zone(notify, zone->name, &zone->entries[1].rrset);
    while (notify_counters(notify).pending > 0) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    struct csn_notify_counters counters = notify_counters(notify);
    assert_int_equal(first.heard, 1);
    assert_int_equal(second.heard, 3);
    assert_int_equal(first.serial, SERIAL);
    assert_int_equal(second.serial, SERIAL);
    assert_int_equal(counters.sent, 4);
    assert_int_equal(counters.answered, 2);
    assert_int_equal(counters.refused, 1);
    assert_int_equal(counters.given_up, 0);
    csn_notify_free(notify);
    uv_close((uv_handle_t *)&first.udp, NULL);
    uv_close((uv_handle_t *)&second.udp, NULL);
    bench_fini(&bench);
}

static void test_answers_with_a_wrong_signature_are_ignored(void **state)
{
    (void)state;
    static struct bench bench;
    static struct secondary forger;
    struct csn_notify *notify;
    struct csn_reason reason;
    bench_init(&bench);
    start_secondary(&bench, &forger, (const uint8_t[]){0, 0, 0, 0, 0, 0, 0});
    forger.is_forger = true;
    assert_int_equal(
        csn_notify_new(&bench.loop, &bench.setup.config, &bench.setup.log, &notify, &reason),
        CSN_OK);
    const struct fake_zone *zone = &bench.setup.source->zones[0];
    csn_notify_zone(notify, zone->name, &zone->entries[1].rrset);
    while (notify_counters(notify).ignored == 0) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    assert_int_equal(notify_counters(notify).answered, 0);
    assert_int_equal(notify_counters(notify).pending, 1);
    /* A newer release takes the older one's place. */
    csn_notify_zone(notify, zone->name, &zone->entries[1].rrset);
    assert_int_equal(notify_counters(notify).pending, 1);
    csn_notify_free(notify);
    uv_close((uv_handle_t *)&forger.udp, NULL);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_soa_is_answered_with_authority),
        cmocka_unit_test(test_udp_answer_that_does_not_fit_is_truncated),
        cmocka_unit_test(test_udp_answer_keeps_to_the_clients_size),
        cmocka_unit_test(test_refusal_with_long_names_fits_into_512),
        cmocka_unit_test(test_what_cannot_be_read_is_no_query),
        cmocka_unit_test(test_transfer_gives_the_zone_in_order),
        cmocka_unit_test(test_expire_is_the_least_of_soa_and_signatures),
        cmocka_unit_test(test_transfer_of_damaged_data_does_not_end_as_if_whole),
        cmocka_unit_test(test_real_clients_are_answered),
        cmocka_unit_test(test_real_clients_transfer_the_zone),
        cmocka_unit_test(test_real_clients_get_the_differences),
        cmocka_unit_test(test_pipelined_requests_are_answered_in_order),
        cmocka_unit_test(test_a_client_that_does_not_read_holds_one_message),
        cmocka_unit_test(test_a_damaged_zone_ends_the_connection),
        cmocka_unit_test(test_strangers_cannot_take_all_connections),
        cmocka_unit_test(test_one_address_cannot_take_all_connections),
        cmocka_unit_test(test_transfers_under_way_are_not_displaced),
        cmocka_unit_test(test_idle_connections_do_not_shut_a_secondary_out),
        cmocka_unit_test(test_a_request_that_is_too_long_closes),
        cmocka_unit_test(test_an_address_in_use_is_named),
        cmocka_unit_test(test_notify_is_sent_until_answered),
        cmocka_unit_test(test_answers_with_a_wrong_signature_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
