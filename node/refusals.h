/* refusals.h: the refusals that sites signed, as they came, for operators: the newest CSN_REFUSALS_MAX of each zone and
 * site, and CSN_REFUSALS_TOTAL of all. What a site refuses again for the same reason, with the same two values, is one entry
 * with a count. Only zones in which something was refused cost anything. No rule reads them. Pure; loop thread. */
#ifndef CSN_NODE_REFUSALS_H
#define CSN_NODE_REFUSALS_H

#include "round/node.h"

#define CSN_REFUSALS_MAX 100     /* of a zone and site; the oldest goes */
#define CSN_REFUSALS_TOTAL 65536 /* some 50 MB; the one least lately heard goes */

struct csn_kept_refusal {
    uint16_t site;
    uint32_t incarnation;
    struct csn_buf body; /* owns; the newest statement: csn_body_refused */
    uint8_t signature[CSN_SIGNATURE_SIZE];
    struct csn_round round; /* the sending that it refused */
    uint32_t count;         /* proposals refused so */
    uint64_t first_s, last_s; /* Unix */
};

struct csn_refusals;

struct csn_refusals *csn_refusals_new(void);
void csn_refusals_free(struct csn_refusals *take_refusals);

/* A statement that was heard; `octets` are copied. CSN_EFORMAT: not one. */
int csn_refusals_add(struct csn_refusals *refusals, const uint8_t *zone, uint16_t site, uint32_t incarnation,
                     struct csn_bytes body, const uint8_t *signature, struct csn_round round, uint64_t now_s);

/* The i-th of a zone and site, the newest first; NULL: no more. Borrowed until the next add. */
const struct csn_kept_refusal *csn_refusals_get(const struct csn_refusals *refusals, const uint8_t *zone, uint16_t site,
                                                size_t i);
size_t csn_refusals_count(const struct csn_refusals *refusals);

/* The file: "CSNF" | u8 1 | entries | SHA-384 of all before. An entry: zone | site u16 | incarnation u32 | signature 64 |
 * round 14 | count u32 | first u64 | last u64 | size u16 | body. */
void csn_refusals_encode(const struct csn_refusals *refusals, struct csn_buf *buf);
/* Into an empty one. CSN_EFORMAT: anything but what encode writes; then it is empty still. */
int csn_refusals_decode(struct csn_bytes octets, struct csn_refusals *refusals);

#endif
