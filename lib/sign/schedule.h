/* schedule.h: which key signs an RRset, from when, until when: a pure function of (RRset, T, S, policy, key set)
 * (signing.md 3). */
#ifndef CSN_SIGN_SCHEDULE_H
#define CSN_SIGN_SCHEDULE_H

#include "keys/keyset.h"
#include "keys/policy.h"

struct csn_schedule {
    const struct csn_policy *policy; /* borrows */
    const struct csn_keyset *keyset; /* borrows */
    uint64_t time_s;                 /* T */
    uint64_t schedule_s;             /* S */
};

/* One signature to be: 64-bit times; the wire has their low 32 bits. */
struct csn_planned {
    uint64_t inception_s, expiration_s;
    uint64_t slot_hash; /* h(r) */
    uint16_t key;       /* index in the key set */
};

#define CSN_SIGNATURES_MAX CSN_KEYS_MAX

/* h(r): decides slot and author. */
uint64_t csn_slot_hash(struct csn_hasher *hasher, const uint8_t *zone, const uint8_t *owner, uint16_t type);

/* The signatures of an RRset, ordered by algorithm, tag, id; CSN_EREFUSED: nothing signs it, no slot yet, less than R/2 left. */
int csn_schedule_rrset(const struct csn_schedule *schedule, struct csn_hasher *hasher, const uint8_t *owner, uint16_t type,
                       struct csn_planned ret_planned[CSN_SIGNATURES_MAX], size_t *ret_count, struct csn_reason *reason);

/* When a version that was made at T and S is to be signed anew, with the first of its signatures to expire: an expiration is
 * b + V, so P after its b it has R left; or an event of policy or key set changes signatures first. At that time none has less
 * than R left. (A slot that comes sooner after a key's switch time waits for it.) */
uint64_t csn_schedule_due(const struct csn_schedule *schedule, uint64_t earliest_expiry_s);

/* RRSIG RDATA up to the signature, in the field order of RFC 4034 3.1. */
void csn_rrsig_head(const struct csn_keyset *keyset, const struct csn_planned *planned, const uint8_t *owner, uint16_t type,
                    uint32_t ttl, struct csn_buf *buf);

#endif
