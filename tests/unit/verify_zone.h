/* verify_zone.h: a small zone with every kind of owner, chained and signed here (OpenSSL), for the
 * verifiers' tests; hooks before the chain, before the signatures, in the fields of one signature
 * and after all. */
#ifndef CSN_TESTS_VERIFY_ZONE_H
#define CSN_TESTS_VERIFY_ZONE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libknot/libknot.h>
#include <openssl/evp.h>

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

struct setup {
    struct csn_bytes dnskeys[8], unpublished[8], ds[4];
    bool is_carried[RECORDS_MAX];
    uint8_t apex[KNOT_DNAME_MAXLEN];
    struct csn_verify_job job;
};

typedef int verify_fn(const struct csn_verify_job *job, struct csn_reason *reason);
extern const struct verifier {
    const char *name;
    verify_fn *verify;
} verifiers[2];

void parse_name(const char *text, uint8_t *ret_name);

struct record *add(struct zone *zone, const uint8_t *owner, uint16_t type, uint32_t ttl,
                   enum kind kind, const void *rdata, size_t size);

void read_text(struct zone *zone, enum kind kind, const char *origin, const char *text,
               size_t size);

void sort_records(struct zone *zone);

struct record *find(struct zone *zone, const char *owner, uint16_t type, uint16_t covered);

void drop(struct zone *zone, struct record *record);

void zone_free(struct zone *zone);

EVP_PKEY *new_pair(uint8_t algorithm);

struct key *add_key(struct zone *zone, uint16_t flags, uint8_t algorithm);

void add_nsec(struct zone *zone, const uint8_t *owner, const uint8_t *next, const bool has[512]);

void sign_rrset(struct zone *zone, const struct record *first, size_t count, const struct key *key);

struct csn_rrset pack(struct csn_buf *buf, const struct record *first, size_t count);

/* Sorted records to entries: RRSIGs follow what they cover. */
void make_entries(struct zone *zone);

void make_job(const struct zone *zone, struct setup *setup);

void assert_accepted(const struct csn_verify_job *job, const char *what);

void assert_refused(const struct csn_verify_job *job, const char *what, const char *cause);

struct zone *zone_new(uint64_t time_s);

/* Keys stand; data, chain and signatures follow, with the mutant's hooks. */
void finish(struct zone *zone, const struct mutant *mutant);

struct zone *usual_zone(uint64_t time_s, const struct mutant *mutant);

void flip_signature(struct zone *zone);

void shorten_signature(struct zone *zone);

void drop_rrsig(struct zone *zone);

#endif
