/* explain.h: from what a daemon knows of a zone to words for its operators: what the round waits for, the votes, the next
 * automatic step, what an operator may do. Pure; any thread. */
#ifndef CSN_NODE_EXPLAIN_H
#define CSN_NODE_EXPLAIN_H

#include "ops/explain.h"
#include "round/leader.h"
#include "zone/input.h"

/* X(name, word). The first that holds. */
#define CSN_EXPLAIN_STATES(X)                                                                                          \
    X(READ_ONLY, "read-only")           /* this site keeps nothing */                                                  \
    X(HALTED, "halted")                 /* this site votes no more */                                                  \
    X(NO_QUORUM, "no quorum")           /* fewer than q sites are heard */                                             \
    X(AHEAD, "signed ahead")            /* of the clocks of a quorum */                                                \
    X(HELD, "held")                     /* by an operator */                                                           \
    X(NO_LEADER, "no leader")                                                                                          \
    X(ROUND, "round")                   /* a proposal is at work here */                                               \
    X(REFUSED, "refused here")          /* what is proposed, this site refuses */                                      \
    X(RESTING, "resting")               /* of a coordinator: it resigned */                                            \
    X(FETCHING, "taking over")          /* a certified version is on its way here */                                   \
    X(DISAGREED, "contents differ")     /* of a coordinator */                                                         \
    X(RETRYING, "tried again")          /* of a coordinator: the last round failed */                                  \
    X(INPUT_WAITS, "input waits")       /* not confirmed by q sites yet, or proposed next */                           \
    X(NOTHING, "nothing released")                                                                                     \
    X(IDLE, "idle")

enum csn_explain_state {
#define CSN_EXPLAIN_ENUM(name, word) CSN_EXPLAIN_##name,
    CSN_EXPLAIN_STATES(CSN_EXPLAIN_ENUM)
#undef CSN_EXPLAIN_ENUM
};
const char *csn_explain_state_text(enum csn_explain_state state);

struct csn_explain_site {
    const char *name; /* borrows, as all below */
    bool is_self, cannot_sign, is_heard, is_halted, is_held, is_diverged, is_behind, is_in_maintenance, has_gate;
    bool has_row;       /* what stands behind is known */
    bool has_released;
    uint32_t released;
    uint64_t first_expiry_s; /* of what it serves; 0: not known */
    bool serves_newest; /* the newest release that is known */
    bool has_newest;    /* or voted for it, and so has its octets */
    bool has_input;     /* the input that waits, from its own source */
    bool has_other_input; /* under that one's number, but not the same file */
    bool has_due;       /* it has that release, and says: */
    uint64_t due_s;     /* when it is to be signed anew; UINT64_MAX: never */
    uint64_t silent_s;  /* since it was heard; UINT64_MAX: never */
    int64_t clock_s;    /* its clock minus this process's, when it was heard */
    int64_t clock_off_s; /* its clock minus ours, when it was heard */
    bool has_share;     /* there is a round */
    struct csn_round_share share;
    const struct csn_refusal *refusal; /* its last, where it stands; NULL: none */
};

struct csn_explain_facts {
    const char *zone, *self;
    uint64_t now_s;
    uint8_t quorum, faults;
    struct csn_explain_site sites[CSN_MEMBERS_MAX];
    uint8_t site_count;
    bool is_coordinator; /* who is asked */

    /* of this process */
    const char *readonly; /* why; NULL: it is not */
    const char *halt;     /* the same */
    const char *leader;   /* NULL: none */
    const char *may_lead;
    bool is_resting;
    uint64_t rest_until_s;

    /* the zone */
    bool has_released;
    uint32_t released;
    uint64_t signed_s; /* its T */
    uint64_t first_expiry_s, refresh_s; /* R: the fence is R/4 */
    uint64_t due_s; /* of the next refresh, as far as this process says alone; UINT64_MAX: never */
    const char *lead, *ordered_lead;    /* NULL: none */
    const char *parked;                 /* why this site's newest input is kept back; NULL: it is not */
    enum csn_gate parked_gate;
    bool parked_has_serial;
    uint32_t parked_serial, generation; /* of inputs read from now on */
    const char *odd; /* what a change of members waits for (csn_explain_odd); NULL: for nothing of that kind */
    uint64_t emergency_until_s;         /* the end of the emergency; 0: there is none */
    bool is_far_off;         /* the policy's serial is too far from the released one (L3): */
    uint32_t policy_serial;
    struct csn_approved_serial approved; /* by an operator: the next release has it */
    bool has_input; /* newer than the release */
    uint32_t input;

    /* the round */
    bool has_round;
    uint32_t serial;
    struct csn_round round;
    enum csn_work_state work; /* of a node; IDLE: parts of the proposal are missing */
    enum csn_adopt_state adopt;
    uint64_t deadline_s; /* 0: not known */

    /* of a coordinator */
    bool has_failed;
    enum csn_round_end last_end;
    uint64_t retry_s;
    bool is_disagreed;
    uint64_t disagreed_until_s;
};

/* Fills what the document says: quorum, count of sites, emergency, the coordinator that leads (a number; 0: none) and those that
 * may. Texts are the document's or in the explanation's memory. */
void csn_explain_see_cluster(const struct csn_cluster *cluster, uint16_t leader, struct csn_explain_facts *facts,
                             struct csn_explanation *explanation);

/* Fills of `site` whether another site is heard, and halted; `now_ms` by the same clock as the peer's `heard_ms`. */
void csn_explain_see_peer(const struct csn_peer_status *peer, uint64_t now_ms, struct csn_explain_site *site);

/* Fills of `site` what its row says: `newest` is the newest round that is known to be certified, `input` the one that waits (NULL:
 * none). What the site serves expires, the caller knows. */
void csn_explain_see_row(const struct csn_row *row, struct csn_round newest, const struct csn_input_id *input,
                         struct csn_explain_site *site);

/* Fills all but the refusals that are kept and where it was seen from. */
enum csn_explain_state csn_explain(const struct csn_explain_facts *facts, struct csn_explanation *ret_explanation);

/* Why the floors of that site, which is `site`, do not count for a change of members, and what to do. */
void csn_explain_odd(const struct csn_odd_zone *odd, const char *site, struct csn_reason *ret_text);

/* A refusal in words; its texts in the explanation's memory. */
void csn_explain_refusal(const struct csn_refusal *refusal, struct csn_explanation *explanation,
                         struct csn_explained_refusal *ret_row);

#endif
