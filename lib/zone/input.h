/* input.h: a prepared zone with its digests and what the gates and the timing checks need to know
 * of it. Pure; any thread. */
#ifndef CSN_ZONE_INPUT_H
#define CSN_ZONE_INPUT_H

#include "base/error.h"
#include "base/sha.h"
#include "zone/zone.h"

/* An input: immutable, shared. */
struct csn_input {
    struct csn_zone *zone;          /* owns a reference; the prepared zone */
    uint32_t serial;                /* the SOA's */
    struct csn_digest received;     /* D(received) */
    struct csn_digest prepared;     /* D(prepared) */
    uint32_t removed;               /* records dropped after D(received) was taken */
    struct csn_digest removed_hash; /* class root, letter X, of their RRsets */
    uint32_t records, delegations;  /* of the prepared zone: for the gates */
    uint32_t ttl_max;               /* greatest TTL of what will be signed */
    struct csn_soa soa;
    /* Warnings, 0 in an input that came prepared: RRsets that came with unequal TTLs, and address
     * records outside cuts that nothing names, dropped or not. */
    uint32_t ttl_warnings, unnamed_addresses;
    int refs; /* atomic */
};
struct csn_input *csn_input_ref(struct csn_input *input);
void csn_input_unref(struct csn_input *take_input);

/* The input of a sealed prepared zone and the RRsets that were removed from it; warnings are left
 * 0. Takes a reference of its own to `zone`. CSN_EFORMAT when the zone has not one well-formed SOA
 * at its apex. */
int csn_input_new(struct csn_zone *zone, const struct csn_rrset *removed, size_t removed_count,
                  struct csn_input **ret_input);

/* An input again from its prepared zone as the store or a peer has it, with the digests it is said
 * to have: D(prepared) is recomputed and must match (CSN_EMISMATCH). Takes a reference of its own
 * to `zone`. */
int csn_input_from_prepared(struct csn_zone *zone, const struct csn_digest *received,
                            uint32_t removed, const struct csn_digest *removed_hash,
                            const struct csn_digest *prepared, struct csn_input **ret_input);

/* What keeps an input back. The numbers travel in reports. X(name, number, words). */
#define CSN_GATES(X)                                                                               \
    X(NONE, 0, "nothing")                                                                          \
    X(SERIAL_BACK, 1, "serial-back")                                                               \
    X(SERIAL_SAME, 2, "serial-same")                                                               \
    X(APEX_NS, 3, "apex-ns")                                                                       \
    X(SHRINK_RECORDS, 4, "shrink-records")                                                         \
    X(SHRINK_DELEGATIONS, 5, "shrink-delegations")                                                 \
    X(REFUSED, 6, "refused") /* not a zone, or not with this policy's times */                     \
    X(UNREAD, 7, "unread")   /* gone, or cannot be read */                                         \
    X(QUARANTINED, 8, "quarantined") /* it ended the node twice */

enum csn_gate {
#define CSN_GATE_ENUM(name, number, text) CSN_GATE_##name = (number),
    CSN_GATES(CSN_GATE_ENUM)
#undef CSN_GATE_ENUM
};
/* NULL for a number that is none. */
const char *csn_gate_text(unsigned gate);

/* What the gates go by, beside the two inputs. */
struct csn_gates {
    unsigned shrink_percent;
    bool is_other_generation; /* than the release's: an operator ordered it, serials begin anew */
    bool is_approved;         /* by an operator, by D(received): only serials are compared */
};

/* The gates (an input that fails is parked): `old` is the input of the newest release, NULL at
 * first. More than `shrink_percent` fewer records or delegations, a changed apex NS (its records;
 * the TTL may change), a serial going back, the same serial with other content. CSN_GATE_NONE when
 * it passes, else a reason that begins with the gate's word. */
enum csn_gate csn_input_gate(const struct csn_input *new, const struct csn_input *old,
                             const struct csn_gates *gates, struct csn_reason *reason);

#endif
