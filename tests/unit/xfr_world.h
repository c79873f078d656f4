/* xfr_world.h: zones from memory behind the transfer server, for its unit tests: "example." with
 * differences, "held.", a big and a broken one; 127.0.0.1 may transfer with a key, 127.0.0.2
 * without, nobody else. */
#ifndef CSN_TESTS_XFR_WORLD_H
#define CSN_TESTS_XFR_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libknot/libknot.h>

#include "xfr/answer.h"
#include "xfr/server.h"

#define NAMES 300
#define BIG_NAMES 20000
#define SERIAL 2026112100u
#define CHANGES 2000 /* differences back from SERIAL that are known of "example." */
#define LARGE 20000  /* octets of one record: larger than a message is filled */
#define SECRET "0123456789abcdef0123456789abcdef"
#define SECRET64 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define OTHER64 "AAAAMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define KEY "-y hmac-sha256:transfer.key:" SECRET64

extern const knot_tsig_key_t transfer_key;

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

struct bench {
    struct setup setup;
    uv_loop_t loop;
    uv_timer_t deadline;
    struct csn_xfr_server *server;
};

struct seen {
    size_t records, messages, largest;
    struct csn_buf octets; /* owns; the records in canonical form, one behind the other */
};

/* `setup` does not move while it is used: the answerer points into it. */
void setup_init(struct setup *setup);
void setup_fini(struct setup *setup); /* no reader may be left open */

void set_address(struct csn_endpoint *endpoint, const char *address, uint16_t port);
uint16_t free_port(void); /* free for UDP and TCP both */

/* Writes a query, signed if `asked` says so; gives its MAC for checking the answer. */
size_t make_query(const struct asked *asked, uint8_t ret_octets[4096], uint8_t ret_mac[64],
                  size_t *ret_mac_size);

/* Parses one message of a transfer; its records are appended. */
void see_message(struct seen *seen, uint8_t *octets, size_t size);
/* SOA, the zone with each RRset before its RRSIGs and without the SOA, SOA. */
void expect_zone(struct seen *seen, const struct fake_zone *zone);
void assert_seen(struct seen *seen, const struct fake_zone *zone); /* releases what `seen` owns */

/* `count` records that differ in the last octet; lives as long as the zone. */
struct csn_rrset make_rrset(struct fake_zone *zone, const uint8_t *owner, uint16_t type,
                            const void *rdata, size_t size, unsigned count);

/* A server on a loop of our own; a test that takes 20 s fails. */
void bench_init(struct bench *bench);
void bench_fini(struct bench *bench);

#endif
