/* membership.h: how the members of the cluster stand, as a site shows it: the document in force, its members, and what waits to
 * follow it. A node fills one, consignctl gets it back and writes it. All texts live in its own arena. One thread. */
#ifndef CSN_OPS_MEMBERSHIP_H
#define CSN_OPS_MEMBERSHIP_H

#include "ops/status.h"

struct csn_membership_row {
    uint16_t number;
    const char *name;
    const char *role; /* "signer", "verifier" */
    uint32_t incarnation;
};

struct csn_membership {
    struct csn_arena arena;
    uint32_t epoch;
    uint8_t quorum;
    struct csn_digest document; /* its SHA-384 */
    bool is_unconfirmed;        /* it is configured, and has not begun as far as this site knows */
    uint64_t emergency_until_s; /* Unix; 0: no emergency */
    const char *emergency_reason;
    struct csn_membership_row members[CSN_STATUS_SITES_MAX];
    uint32_t member_count;
    uint32_t begun_epoch; /* has begun without this site; 0: none has */
    uint32_t next_epoch;  /* whose document is here and has not begun; 0: none */
    const char *change;   /* what that one changes, in lines */
    const char *why_not;  /* why it cannot begin here; NULL: it can, as far as is known */
};

/* One of zeros is empty. */
void csn_membership_fini(struct csn_membership *membership);

/* False above CSN_STATUS_SITES_MAX. The texts are copied. */
bool csn_membership_add(struct csn_membership *membership, const struct csn_membership_row *row);

/* Lines for operators; appended. The notes alone are what is beside document and members. */
void csn_membership_write(const struct csn_membership *membership, struct csn_buf *text);
void csn_membership_write_notes(const struct csn_membership *membership, struct csn_buf *text);

#endif
