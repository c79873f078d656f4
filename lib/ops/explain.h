/* explain.h: why a zone is as it is, as `consignctl zone status ZONE --explain` shows it: what its round waits for, who has
 * voted and who has not and why, what sites refused, what happens next by itself and when, and what an operator may do.
 *
 * A daemon fills one when it is asked; consignctl gets it back from the control socket. Texts and octets live in the
 * explanation's own arena. One thread. */
#ifndef CSN_OPS_EXPLAIN_H
#define CSN_OPS_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/sha.h"

#define CSN_EXPLAIN_SITES_MAX 32
#define CSN_EXPLAIN_STEPS_MAX 16
#define CSN_EXPLAIN_REFUSALS_MAX 400 /* of one answer: they keep it under 1 MiB */

struct csn_explained_vote {
    const char *site;
    const char *vote; /* "held", "refused", "missing", … */
    const char *why;  /* NULL: nothing more to say */
    bool has_released;
    uint32_t released;
    uint64_t first_expiry_s; /* Unix, of what it serves; 0: not known */
    uint64_t fence_s;        /* from then on it answers SERVFAIL where another has later; 0: not known */
};

/* What happens by itself, or what an operator may do. */
struct csn_explained_step {
    const char *text;
    uint64_t at_s;       /* Unix; 0: no time */
    const char *command; /* NULL: none */
};

struct csn_explained_refusal {
    const char *site;
    uint8_t rule, test;
    const char *question;        /* what the test asks */
    const char *want, *is;       /* both values with what they are; NULL: the test has none */
    const char *next;            /* what to do */
    const char *round;           /* "7.1.42" */
    struct csn_digest hash;      /* H(P) of the newest proposal refused so */
    uint32_t count;              /* proposals refused so */
    uint64_t first_s, last_s;    /* Unix */
    uint32_t incarnation;        /* of the signing site */
    struct csn_bytes body, signature; /* the newest statement; empty: not asked for */
};

struct csn_explanation {
    struct csn_arena arena; /* owns every text and octet */
    const char *zone;
    const char *observed_from;
    uint64_t observed_at_s; /* Unix */
    const char *state;      /* "idle", "round", "no leader", … */
    const char *text;       /* the state in a sentence */
    struct csn_explained_vote votes[CSN_EXPLAIN_SITES_MAX];
    uint32_t vote_count;
    struct csn_explained_step next[CSN_EXPLAIN_STEPS_MAX];
    uint32_t next_count;
    struct csn_explained_step may[CSN_EXPLAIN_STEPS_MAX];
    uint32_t may_count;
    struct csn_explained_refusal *refusals; /* owns; newest first of each site */
    uint32_t refusal_count;
    bool has_more; /* refusals than fit */
};

/* One of zeros is empty and ready. */
void csn_explanation_fini(struct csn_explanation *explanation);
/* A text kept by it, cut at CSN_REASON_MAX. */
const char *csn_explanation_text(struct csn_explanation *explanation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Above the maximum nothing is added. Texts must be constants or the explanation's own. */
void csn_explanation_vote(struct csn_explanation *explanation, const struct csn_explained_vote *vote);
void csn_explanation_next(struct csn_explanation *explanation, const char *text, uint64_t at_s);
void csn_explanation_may(struct csn_explanation *explanation, const char *text, const char *command);
void csn_explanation_refusal(struct csn_explanation *explanation,
                             const struct csn_explained_refusal *refusal);

#endif
