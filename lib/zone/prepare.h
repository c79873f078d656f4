/* prepare.h: records as received -> the prepared zone, or a refusal (signing.md 1). Pure. */
#ifndef CSN_ZONE_PREPARE_H
#define CSN_ZONE_PREPARE_H

#include "base/error.h"
#include "base/sha.h"
#include "zone/zone.h"

/* A record as read, before anything is done to it. */
struct csn_record {
    struct csn_bytes owner; /* borrows; wire form, any case */
    struct csn_bytes rdata; /* borrows; uncompressed */
    uint32_t ttl;
    uint16_t class;
    uint16_t type;
    uint32_t line; /* of the file, for refusals; 0: none */
};

/* An input: immutable, shared. */
struct csn_input {
    struct csn_zone *zone; /* owns a reference; the prepared zone */
    uint32_t serial;       /* the SOA's */
    struct csn_digest received;     /* D(received) */
    struct csn_digest prepared;     /* D(prepared) */
    uint32_t removed;               /* records dropped after D(received) was taken */
    struct csn_digest removed_hash; /* class root, letter X, of their RRsets */
    uint32_t records, delegations;  /* of the prepared zone: for the gates */
    uint32_t ttl_max;               /* greatest TTL of what will be signed */
    struct csn_soa soa;
    uint32_t ttl_warnings;          /* RRsets that came with unequal TTLs */
    uint32_t unnamed_addresses;     /* address records outside cuts that nothing names */
    int refs;                       /* atomic */
};
struct csn_input *csn_input_ref(struct csn_input *input);
void csn_input_unref(struct csn_input *take_input);

/* `drop`: owners (lower-case wire form, count of them) whose address records policy drops where no NS names them.
 * `apex` is lower-cased. Refusals give CSN_EREFUSED and a reason that begins with a code of the oracle ("class", "soa",
 * "out-of-zone", "cname-other", …), a colon, the owner, and the line where known. */
struct csn_prepare;
struct csn_prepare *csn_prepare_new(const uint8_t *apex, const uint8_t *const *drop, size_t drop_count);
int csn_prepare_add(struct csn_prepare *prepare, const struct csn_record *record, struct csn_reason *reason);
int csn_prepare_finish(struct csn_prepare *prepare, struct csn_input **ret_input, struct csn_reason *reason);
void csn_prepare_free(struct csn_prepare *take_prepare);

/* An input again from its prepared zone as the store or a peer has it, with the digests it is said to have: D(prepared) is
 * recomputed and must match (CSN_EMISMATCH). Takes a reference of its own to `zone`. */
int csn_input_from_prepared(struct csn_zone *zone, const struct csn_digest *received, uint32_t removed,
                            const struct csn_digest *removed_hash, const struct csn_digest *prepared,
                            struct csn_input **ret_input);

/* The gates (an input that fails is parked): `old` is the input of the newest release, NULL at first. More than
 * `shrink_percent` fewer records or delegations, a changed apex NS, a serial going back, the same serial with other content.
 * CSN_OK or CSN_EREFUSED with a reason. */
int csn_input_gate(const struct csn_input *new, const struct csn_input *old, unsigned shrink_percent, struct csn_reason *reason);

#endif
