/* statement.h: what nodes and coordinators say to each other: the fixed big-endian layouts of
 * protocol.md, and what of them is signed. Decoders refuse every octet too many, too few or out of
 * range with CSN_EFORMAT and never assert; decode then encode gives the same octets. Pure; any
 * thread; structs hold their values, nothing to free. */
#ifndef CSN_ROUND_STATEMENT_H
#define CSN_ROUND_STATEMENT_H

#include "base/error.h"
#include "dns/name.h"
#include "keys/policy.h"
#include "round/cluster.h"
#include "zone/digest.h"

#define CSN_STATEMENT_MAX 4096 /* octets of a body; a longer one is refused */
#define CSN_SIGNATURE_SIZE 64
#define CSN_SEMANTICS 1 /* of signing.md */

/* Facts are idempotent, told apart by (kind, signer, digest of the body); reports replace older
 * ones. The number travels. */
#define CSN_STATEMENTS(X)                                                                          \
    X(PROPOSAL, 1, "proposal")                                                                     \
    X(COMPUTED, 2, "computed")                                                                     \
    X(OFFER, 3, "offer")                                                                           \
    X(HELD, 4, "held")                                                                             \
    X(REFUSED, 5, "refused")                                                                       \
    X(LEAD, 6, "lead")                                                                             \
    X(REPORT, 7, "report")                                                                         \
    X(PROMISE, 8, "promise")                                                                       \
    X(ORDER, 9, "order")                                                                           \
    X(SEAL, 10, "seal")                                                                            \
    X(ENTRY, 11, "entry")

enum csn_statement_kind {
#define CSN_STATEMENT_ENUM(name, value, text) CSN_STATEMENT_##name = (value),
    CSN_STATEMENTS(CSN_STATEMENT_ENUM)
#undef CSN_STATEMENT_ENUM
};
/* The word that is signed; NULL for a number that is no kind. */
const char *csn_statement_text(enum csn_statement_kind kind);
/* Proposal and lead: signed by a coordinator's key, order: by an operator's, both with incarnation
 * 0. All else: by a site's. */
bool csn_statement_is_coordinators(enum csn_statement_kind kind);
bool csn_statement_is_operators(enum csn_statement_kind kind);

/* "consign <word> v1" | 00 | signer u16 | incarnation u32 | SHA-384(body): what every signature of
 * this protocol is over. Appended. */
void csn_signed_put(const char *word, uint16_t signer, uint32_t incarnation, struct csn_bytes body,
                    struct csn_buf *buf);
/* The same, of a statement. */
void csn_statement_signed(enum csn_statement_kind kind, uint16_t signer, uint32_t incarnation,
                          struct csn_bytes body, struct csn_buf *buf);

/* --- R1. Zeros: none, before every other. */
struct csn_term {
    uint64_t counter;
    uint16_t coordinator;
};
/* Terms rise by one at a time. A greater one does not decode, and a step that is no step is not
 * followed: one liar must not use them up. */
#define CSN_TERM_COUNTER_MAX (UINT64_MAX >> 1)
#define CSN_TERM_STEP_MAX (UINT64_C(1) << 32)
struct csn_round {
    struct csn_term term;
    uint32_t seq;
};
#define CSN_ROUND_SIZE 14
int csn_term_compare(struct csn_term a, struct csn_term b);
int csn_round_compare(struct csn_round a, struct csn_round b);
bool csn_round_is_none(struct csn_round round);
void csn_round_encode(struct csn_round round, uint8_t ret_octets[CSN_ROUND_SIZE]);
struct csn_round csn_round_decode(const uint8_t octets[CSN_ROUND_SIZE]);

/* --- values inside statements */

/* Ordered by generation, then serial (RFC 1982); then equal means the same content. */
struct csn_input_id {
    uint32_t generation, serial;
    struct csn_digest received, prepared; /* D(received), D(prepared) */
    uint32_t removed;                     /* records dropped between the two */
    struct csn_digest removed_hash;       /* class root X of their RRsets */
};
/* Of (generation, serial): < 0, 0, > 0; CSN_INPUT_UNORDERED where RFC 1982 leaves it undefined. */
#define CSN_INPUT_UNORDERED 2
int csn_input_compare(const struct csn_input_id *a, const struct csn_input_id *b);
bool csn_input_equal(const struct csn_input_id *a, const struct csn_input_id *b);

bool csn_version_equal(const struct csn_version_id *a, const struct csn_version_id *b);

/* A version of a zone by what certifies it. Zeros: none. */
struct csn_release {
    struct csn_round round;
    struct csn_digest full_root;
};

/* The node's floor of a zone: no vote at or below (I6). */
struct csn_floor {
    struct csn_round round;
    bool has_serial; /* false: nothing was ever voted, certified or live */
    uint32_t serial;
    struct csn_input_id input; /* generation 0: none */
    uint64_t time_s, schedule_s;
    struct csn_version_id policy, keyset;
};

/* P: what to sign, by which rules, on which parent, whose bytes. */
struct csn_proposal {
    uint8_t cluster[16];
    uint8_t environment;
    uint32_t epoch;
    struct csn_digest epoch_digest; /* of the cluster document */
    uint8_t zone[CSN_NAME_MAX];
    struct csn_round round;
    uint32_t serial;
    struct csn_input_id input;
    uint64_t time_s, schedule_s; /* T, S */
    uint16_t semantics;
    struct csn_version_id policy, keyset;
    struct csn_release parent;
    uint8_t author_count;              /* 1.. */
    uint16_t authors[CSN_MEMBERS_MAX]; /* ascending sites; share i is authors[i]'s */
};
void csn_proposal_encode(const struct csn_proposal *proposal, struct csn_buf *buf);
/* H(P) */
void csn_proposal_hash(const struct csn_proposal *proposal, struct csn_digest *ret_hash);

bool csn_roots_equal(const struct csn_roots *a, const struct csn_roots *b);
/* The letters of D, K, N, R whose roots differ, as bits. */
#define CSN_CLASS_BIT_D 1u
#define CSN_CLASS_BIT_K 2u
#define CSN_CLASS_BIT_N 4u
#define CSN_CLASS_BIT_R 8u
uint8_t csn_roots_differ(const struct csn_roots *a, const struct csn_roots *b);
/* "DKNR" of the bits; `ret_text` holds 5 octets. */
void csn_classes_text(uint8_t classes, char ret_text[5]);

/* --- bodies. encode appends to `buf`. */

struct csn_body_proposal {
    struct csn_term term; /* it is sent in; P.round keeps that of its first sending */
    uint32_t seq;
    struct csn_proposal proposal;
};

struct csn_body_computed {
    struct csn_digest hash; /* H(P) */
    struct csn_roots roots;
};

struct csn_body_offer {
    struct csn_digest hash;
    struct csn_digest b; /* root of class B over the author's share */
    uint64_t count;      /* signatures in it */
};

struct csn_body_held {
    struct csn_proposal proposal;
    struct csn_roots roots;
    struct csn_digest b, full_root;
    uint64_t records, signatures, earliest_expiry_s;
};

/* One of the two values of a refusal, as octets: integers big-endian, digests whole. */
#define CSN_VALUE_MAX 64
struct csn_value {
    uint8_t size;
    uint8_t octets[CSN_VALUE_MAX];
};
struct csn_body_refused {
    struct csn_digest hash;
    uint8_t rule, test;        /* enum csn_rule, enum csn_test of step.h */
    struct csn_value want, is; /* the limit, what P or this node has */
    struct csn_floor floor;
    struct csn_release newest; /* certificate */
};

enum csn_lead_state { CSN_LEAD_ASKS = 1, CSN_LEAD_LEADS = 2, CSN_LEAD_RESIGNED = 3 };
struct csn_body_lead {
    uint32_t epoch; /* only its members promise and listen */
    struct csn_term term;
    uint32_t seq;
    enum csn_lead_state state;
    uint16_t site; /* the lead, who notifies, of all zones not named below; 0: none yet */
    /* Each zone that has another lead is named, and no other has; else those named alone. */
    bool is_whole;
    uint16_t zone_count;
    struct csn_bytes zones; /* borrows; csn_lead_next walks it */
};
void csn_lead_put(struct csn_buf *zones, const uint8_t *zone, uint16_t site);
/* The next one of a view that csn_body_lead_decode let through; false at the end. */
bool csn_lead_next(struct csn_reader *zones, uint8_t ret_zone[CSN_NAME_MAX], uint16_t *ret_site);

enum csn_node_state {
    CSN_NODE_STARTING = 1,
    CSN_NODE_OK = 2,
    CSN_NODE_SEALED = 3,
    CSN_NODE_HALTED = 4
};
enum csn_hsm_state { CSN_HSM_ABSENT, CSN_HSM_GOOD, CSN_HSM_BAD };

/* A row of the zone table: what a node says of one zone. It carries all that L1-L3 build on, so
 * that a leader stores nothing. */
#define CSN_ROW_INPUTS_MAX 3 /* the newest own-source inputs at or above the floor */
#define CSN_ROW_HOLDS_MAX 8  /* the newest above `released` */
struct csn_row_hold {
    struct csn_release version; /* P.round, full root */
    struct csn_digest hash;     /* H(P) */
};
/* The serial that operators let a zone go to, however far it is (R4). */
struct csn_approved_serial {
    bool is_set;
    uint32_t serial; /* else 0 */
};
#define CSN_MAINTENANCE_ZONE 1 /* ordered by an operator: of this zone */
#define CSN_MAINTENANCE_SITE 2 /* and of this site: no author, no lead */
struct csn_row {
    uint8_t zone[CSN_NAME_MAX];
    bool is_held;     /* by an operator: no votes */
    uint8_t maintenance; /* CSN_MAINTENANCE_* */
    uint64_t order_sum;  /* of the numbers of the orders known: whoever has less is sent them */
    uint16_t authority;  /* the site that operators want as lead of this zone; 0: none */
    struct csn_approved_serial approved; /* from this floor */
    uint8_t hsm;      /* enum csn_hsm_state: the canary of this zone's keys */
    uint8_t diverged; /* CSN_CLASS_BIT_*; 0: not diverged */
    bool is_behind;   /* has no good answer while others do: no author, no lead */
    uint8_t gate;     /* what keeps the newest input back: enum csn_gate of zone/input.h; 0: nothing */
    struct csn_floor floor;
    struct csn_release released;
    uint32_t released_serial;
    struct csn_release newest;            /* certificate known */
    struct csn_version_id policy, keyset; /* newest approved here */
    uint64_t due_s; /* when `newest` is to be signed anew, T and schedule alone; UINT64_MAX: never */
    struct csn_digest work;               /* H(P) in work; zeros: none */
    uint8_t input_count;                  /* confirmed from the node's own source */
    struct csn_input_id inputs[CSN_ROW_INPUTS_MAX];
    uint8_t hold_count;
    struct csn_row_hold holds[CSN_ROW_HOLDS_MAX]; /* ascending rounds */
};
void csn_row_encode(const struct csn_row *row, struct csn_buf *buf);

/* Report and promise. `rows` is a view of row_count encoded rows, as many as fit; csn_row_next
 * walks it. The digest is of all rows of the table, those not carried too. */
struct csn_body_report {
    uint32_t boot;
    uint64_t seq;
    uint64_t clock_s;
    struct csn_term promised;
    enum csn_node_state state;
    enum csn_hsm_state hsm;
    uint32_t epoch;
    struct csn_version_id next; /* the next epoch's document, durable here; zeros: none (R8) */
    uint32_t table_count;
    struct csn_digest table_digest;
    uint16_t row_count;
    struct csn_bytes rows; /* borrows from the octets decoded */
};
/* The next row of a view that csn_body_report_decode let through; false at the end. */
bool csn_row_next(struct csn_reader *rows, struct csn_row *ret_row);

void csn_body_proposal_encode(const struct csn_body_proposal *body, struct csn_buf *buf);
int csn_body_proposal_decode(struct csn_bytes octets, struct csn_body_proposal *ret_body);
void csn_body_computed_encode(const struct csn_body_computed *body, struct csn_buf *buf);
int csn_body_computed_decode(struct csn_bytes octets, struct csn_body_computed *ret_body);
void csn_body_offer_encode(const struct csn_body_offer *body, struct csn_buf *buf);
int csn_body_offer_decode(struct csn_bytes octets, struct csn_body_offer *ret_body);
void csn_body_held_encode(const struct csn_body_held *body, struct csn_buf *buf);
int csn_body_held_decode(struct csn_bytes octets, struct csn_body_held *ret_body);
void csn_body_refused_encode(const struct csn_body_refused *body, struct csn_buf *buf);
int csn_body_refused_decode(struct csn_bytes octets, struct csn_body_refused *ret_body);
void csn_body_lead_encode(const struct csn_body_lead *body, struct csn_buf *buf);
int csn_body_lead_decode(struct csn_bytes octets, struct csn_body_lead *ret_body);
void csn_body_report_encode(const struct csn_body_report *body, struct csn_buf *buf);
/* Every row inside is checked too. */
int csn_body_report_decode(struct csn_bytes octets, struct csn_body_report *ret_body);

#endif
