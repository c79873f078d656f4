#include "unit/xfr_world.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 20000

/* --- zones */

struct fake_reader {
    struct fake_source *source;
    const struct fake_zone *zone;
    size_t at;
    struct csn_arena arena; /* entries are copies that go with the reader */
};

struct csn_rrset make_rrset(struct fake_zone *zone, const uint8_t *owner, uint16_t type,
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

static void set_key(struct csn_tsig_config *key, const char *name,
                    enum csn_tsig_algorithm algorithm)
{
    assert_int_equal(csn_name_parse(name, key->name), CSN_OK);
    key->algorithm = algorithm;
    csn_buf_put(&key->secret, SECRET, strlen(SECRET));
}

void set_address(struct csn_endpoint *endpoint, const char *address, uint16_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&endpoint->address;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    inet_pton(AF_INET, address, &v4->sin_addr);
    snprintf(endpoint->text, sizeof endpoint->text, "%s@%u", address, port);
}

uint16_t free_port(void)
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

void setup_init(struct setup *setup)
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

void setup_fini(struct setup *setup)
{
    for (size_t i = 0; i < 3; i++) {
        csn_buf_fini(&setup->tsig[i].secret);
    }
    assert_int_equal(setup->source->open_readers, 0);
    source_free(setup->source);
}

const knot_tsig_key_t transfer_key = {.algorithm = DNSSEC_TSIG_HMAC_SHA256,
                                      .name = (uint8_t *)"\x08transfer\x03key",
                                      .secret = {.size = 32, .data = (uint8_t *)SECRET}};

size_t make_query(const struct asked *asked, uint8_t ret_octets[4096], uint8_t ret_mac[64],
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

/* --- sockets of our own on the server's loop */

static void on_deadline(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("deadline passed");
}

void bench_init(struct bench *bench)
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

void bench_fini(struct bench *bench)
{
    csn_xfr_server_free(bench->server);
    uv_close((uv_handle_t *)&bench->deadline, NULL);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    setup_fini(&bench->setup);
}

/* --- transfers, message by message */

void see_message(struct seen *seen, uint8_t *octets, size_t size)
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

void expect_zone(struct seen *seen, const struct fake_zone *zone)
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

void assert_seen(struct seen *seen, const struct fake_zone *zone)
{
    struct seen expected = {0};
    expect_zone(&expected, zone);
    assert_int_equal(seen->records, expected.records);
    assert_true(csn_bytes_equal(csn_buf_view(&seen->octets), csn_buf_view(&expected.octets)));
    csn_buf_fini(&seen->octets);
    csn_buf_fini(&expected.octets);
}
