#include "sim/kv_zone.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dns/zonefile.h"
#include "sim/world.h"
#include "zone/prepare.h"

#define DELEGATIONS 14
#define TTL 300

void kv_apex(unsigned zone, uint8_t ret_apex[4])
{
    memcpy(ret_apex, (const uint8_t[]){2, 'z', (uint8_t)('0' + zone), 0}, 4);
}

static void line(struct csn_buf *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(struct csn_buf *text, const char *format, ...)
{
    char octets[256];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(octets, sizeof(octets), format, arguments);
    va_end(arguments);
    REQUIRE(size > 0 && (size_t)size < sizeof(octets));
    csn_buf_put(text, octets, (size_t)size);
}

/* One delegation: cut with glue, and a DS for every third. */
static void delegate(struct csn_buf *text, unsigned number, uint32_t serial)
{
    line(text, "d%u NS ns.d%u\nns.d%u A 192.0.2.%u\n", number, number, number, 1 + (number + serial / 7) % 250);
    if (number % 2 == 0) {
        line(text, "d%u NS ns\n", number);
    }
    if (number % 3 == 0) {
        line(text, "d%u DS %u 15 2 %064x\n", number, 1000 + number, number + serial / 5);
    }
}

static void write_zone(struct csn_buf *text, uint32_t generation, uint32_t serial, unsigned variant)
{
    line(text, "$TTL %d\n@ SOA ns hostmaster %u 600 300 1200 300\n", TTL, serial);
    line(text, "@ NS ns\n@ NS ns2\nns A 192.0.2.1\nns AAAA 2001:db8::1\nns2 A 192.0.2.2\n");
    line(text, "@ MX 10 mail\nmail A 192.0.2.3\nmail A 192.0.2.4\nwww CNAME mail\n*.wild TXT \"any\"\n");
    line(text, "@ TXT \"input %u %u %u\"\n", generation, serial, variant);
    for (unsigned i = 0; i < DELEGATIONS; i++) {
        if (i != serial % DELEGATIONS) {
            delegate(text, i, serial);
        }
    }
    line(text, "n%u TXT \"new\"\n", serial % 23);
}

static int add_record(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    return csn_prepare_add(arg, record, reason);
}

struct csn_input *kv_input(unsigned zone, uint32_t generation, uint32_t serial, unsigned variant)
{
    uint8_t apex[4];
    struct csn_buf text = {0};
    struct csn_reason reason;
    struct csn_input *input = NULL;
    kv_apex(zone, apex);
    write_zone(&text, generation, serial, variant);
    struct csn_prepare *prepare = csn_prepare_new(apex, NULL, 0);
    int code = csn_zonefile_read(csn_buf_view(&text), "zone", apex, add_record, prepare, &reason);
    if (code == CSN_OK) {
        code = csn_prepare_finish(prepare, &input, &reason);
    }
    INSIST(code == CSN_OK);
    csn_prepare_free(prepare);
    csn_buf_fini(&text);
    return input;
}

struct csn_input_id kv_input_id(const struct csn_input *input, uint32_t generation)
{
    return (struct csn_input_id){.generation = generation,
                                 .serial = input->serial,
                                 .received = input->received,
                                 .prepared = input->prepared,
                                 .removed = input->removed,
                                 .removed_hash = input->removed_hash};
}

struct csn_input *kv_input_again(unsigned zone, const struct csn_input_id *id)
{
    for (unsigned variant = 0; variant <= SIM_SITES_MAX; variant++) {
        struct csn_input *input = kv_input(zone, id->generation, id->serial, variant);
        if (csn_digest_equal(&input->prepared, &id->prepared)) {
            return input;
        }
        csn_input_unref(input);
    }
    return NULL;
}

/* --- documents */

static void make_key(struct kv_documents *documents, unsigned at, uint16_t flags, uint32_t number)
{
    struct csn_key *key = &documents->keyset.keys[at];
    uint8_t *rdata = documents->rdata[at];
    csn_set_u16(rdata, flags);
    rdata[2] = 3;
    rdata[3] = 15;
    for (unsigned i = 4; i < sizeof(documents->rdata[at]); i++) {
        rdata[i] = (uint8_t)(sim_mix64((uint64_t)flags << 32 | number) >> (i % 8 * 8));
    }
    key->is_published = true;
    INSIST(csn_key_derive(key, csn_bytes(rdata, sizeof(documents->rdata[at]))) == CSN_OK);
    documents->events[at] = (struct csn_key_event){.key = (uint16_t)at};
    documents->keyset.lists[at] = (struct csn_key_list){
        .role = at == 0 ? CSN_ROLE_KSK : CSN_ROLE_ZSK, .algorithm = 15, .events = &documents->events[at], .count = 1};
}

static struct csn_timed_list always(struct csn_timed *timed, uint64_t value_s)
{
    *timed = (struct csn_timed){.value_s = value_s};
    return (struct csn_timed_list){.events = timed, .count = 1};
}

struct kv_documents *kv_documents_new(const struct csn_round_zone *config, unsigned zone, uint32_t policy, uint32_t keyset,
                                      unsigned diverged)
{
    struct kv_documents *documents = csn_calloc(1, sizeof(*documents));
    documents->policy.validity = always(&documents->validity, KV_VALIDITY_S);
    documents->policy.refresh = always(&documents->refresh, KV_REFRESH_S);
    documents->policy.offset = always(&documents->offset, 3600 + policy % 8 * 60 + (diverged % 2 == 0 ? diverged : 0));
    documents->policy.refresh_interval_s = config->refresh_interval_s;
    documents->policy.postpublication_s = 2 * TTL;
    documents->keyset.dnskey_ttl = TTL + (diverged % 2 == 1 ? diverged : 0);
    kv_apex(zone, documents->keyset.zone);
    make_key(documents, 0, 257, zone);
    make_key(documents, 1, 256, keyset);
    documents->keyset.key_count = documents->keyset.list_count = 2;
    return documents;
}
