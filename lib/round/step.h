/* step.h: what goes into a step of a round machine and what comes out: events and effects.
 *
 * The machines (node.h, leader.h) are pure: every event carries the time, every outcome is an
 * effect. The shell - libuv in production, the simulator in tests - executes the effects of a step
 * in their order before the next step of that machine, without waiting for completions: those come
 * back as events. Nothing here is signed or verified: the shell signs what SEND says with its own
 * key, and verifies what it hands in. */
#ifndef CSN_ROUND_STEP_H
#define CSN_ROUND_STEP_H

#include "base/arena.h"
#include "dns/serial.h"
#include "round/certificate.h"
#include "round/epoch.h"
#include "round/order.h"

struct csn_now {
    uint64_t wall_s;  /* Unix seconds */
    uint64_t mono_ms; /* since some fixed point; never back */
};

#define CSN_SILENT_MS 6000 /* a node not heard for so long does not count */

/* A TICK at least so often; more often does no harm. */
#define CSN_TICK_MS 50

/* What both machines know of a zone's policy. Given when the machine is made; DOCUMENTS replaces
 * it. */
struct csn_round_zone {
    uint8_t zone[CSN_NAME_MAX];
    enum csn_serial_rule serial_rule;
    uint32_t refresh_interval_s; /* a refresh at most so often, when a signature is due */
    uint32_t round_deadline_ms;
    uint32_t max_round_age_s;
    uint32_t behind_max_s; /* without the newest release for longer: this site answers no more */
    uint64_t refresh_s;   /* R in force: the margin is R/2 - max_round_age */
    bool has_live_serial; /* the zone came to us with this serial: the first floor */
    uint32_t live_serial;
    /* Newest approved. A node remembers the last CSN_DOCUMENTS_KEPT of each. */
    struct csn_version_id policy, keyset;
};
#define CSN_DOCUMENTS_KEPT 4

/* ---------------------------------------------------------------- events */

/* A durable record of the votes environment, as PERSIST wrote it. */
struct csn_record_pair {
    struct csn_bytes key, value; /* borrows */
};
struct csn_version_name {
    const uint8_t *zone; /* borrows */
    struct csn_digest full_root;
};

enum csn_event_kind {
    CSN_EVENT_START, /* first, once */
    CSN_EVENT_TICK,
    CSN_EVENT_STATEMENT,   /* both machines */
    CSN_EVENT_CERTIFICATE, /* both machines */
    CSN_EVENT_DOCUMENTS,   /* both machines */
    CSN_EVENT_INPUT,       /* the rest: nodes only */
    CSN_EVENT_PARKED,
    CSN_EVENT_DUE,
    CSN_EVENT_HSM,
    CSN_EVENT_COMPUTED,
    CSN_EVENT_SIGNED,
    CSN_EVENT_FETCHED,
    CSN_EVENT_STAGED,
    CSN_EVENT_RELEASED,
    CSN_EVENT_PERSISTED,
    CSN_EVENT_NEXT,
    CSN_EVENT_EPOCH,
};

/* Completions (COMPUTED to RELEASED) carry the corr of their effect and come exactly once for each,
 * `code` CSN_OK or why not; a CANCELled one need not come, and is dropped when it does. Views are
 * borrowed for the step. */
struct csn_event {
    enum csn_event_kind kind;
    struct csn_now now;
    uint64_t corr; /* completions */
    int code;      /* completions and PERSISTED: CSN_OK, or a code of error.h */
    union {
        /* Nodes; a leader's START has no content. Records: all with CSN_RECORD_PREFIX. Seconds: the
         * second copies, the newest of each key. Versions: all that are complete in the store. Then
         * DOCUMENTS of older versions still approved, if any, INPUT for each input in the store,
         * HSM; in any order. */
        struct {
            const struct csn_record_pair *records;
            size_t record_count;
            const struct csn_record_pair *seconds;
            size_t second_count;
            const struct csn_version_name *versions;
            size_t version_count;
            /* How the epoch of the cluster document began, checked (csn_epoch_certificate_check);
             * NULL: not known, or it is the first. */
            const struct csn_epoch_certificate *link;
            bool is_damaged;        /* records are missing: they could not be read */
            bool is_second_damaged; /* second copies are missing, or none can be believed */
            bool is_second_ahead;   /* then: the store is older than what is missing */
            /* Of the versions that were released last or were about to be, as they stand beside
             * them. */
            const struct csn_bytes *certificates;
            size_t certificate_count;
        } start;
        /* Its signature has been verified against the member's or coordinator's key of the cluster
         * document. What this machine sent comes back to it too, signed, like any other's: the
         * shell loops it. */
        struct {
            enum csn_statement_kind kind;
            uint16_t signer;
            uint32_t incarnation;
            struct csn_bytes body;
            const uint8_t *signature; /* CSN_SIGNATURE_SIZE octets: certificates are made of them */
        } statement;
        /* Decoded and checked (csn_certificate_check) against the cluster document. */
        struct {
            const struct csn_certificate *certificate;
            struct csn_bytes octets;
        } certificate;
        const struct csn_round_zone *documents;
        /* An input is complete and durable here and passed the gates. */
        struct {
            const uint8_t *zone;
            struct csn_input_id id;
            bool is_confirmed; /* from this site's own source, not from a peer */
        } input;
        /* What keeps this site's newest input back; 0: nothing does any more. Told to the others. */
        struct {
            const uint8_t *zone;
            uint8_t gate; /* enum csn_gate of zone/input.h */
        } parked;
        /* On SERVE: when the schedule changes a signature of this version. */
        struct {
            const uint8_t *zone;
            struct csn_digest full_root;
            uint64_t due_s;
        } due;
        /* How this site's HSM can sign for a zone: ABSENT, GOOD (the last canary verified with the
         * published keys), BAD. */
        struct {
            const uint8_t *zone;
            enum csn_hsm_state state;
        } hsm;
        struct csn_roots computed;
        /* This site's share: durable before the event, one for each H(P) for ever. */
        struct {
            struct csn_digest b;
            uint64_t count;
        } share;
        /* The version: durable and complete, recomputed from what is staged, verified by both
         * paths. On failure `bad_site` is the author whose signatures failed, 0 where it is
         * nobody's. */
        struct {
            struct csn_digest b, full_root;
            uint64_t records, signatures, earliest_expiry_s;
            uint16_t bad_site;
        } staged;
        /* FETCHED of FLOORS: as csn_floors_encode wrote them. */
        struct csn_bytes floors;
        uint64_t persist_id;
        /* The next epoch's document: durable here, signed by the officers that the present one
         * names, passed by csn_epoch_check_next. Each start says it anew. */
        const struct csn_cluster *next;
        /* A later epoch than the cluster document's has begun, or that one's own has, of which START
         * knew nothing: the certificate is checked along the chain and durable here, with the
         * documents. */
        struct {
            const struct csn_epoch_certificate *certificate;
            const struct csn_cluster *next;
        } epoch;
    };
};

/* ---------------------------------------------------------------- effects */

enum csn_object_kind {
    CSN_OBJECT_INPUT,        /* by D(prepared); durable when FETCHED, no INPUT event needed */
    CSN_OBJECT_SHARE,        /* by (H(P), author); durable, so that others may fetch it here */
    CSN_OBJECT_VERSION,      /* by full root, whole; root recomputed, durable and complete */
    CSN_OBJECT_CERTIFICATES, /* all above a round; they come as CERTIFICATE events before FETCHED */
    CSN_OBJECT_FLOORS,       /* by digest: what a site sealed; FETCHED carries them. Of no zone */
};

struct csn_share_offer {
    uint16_t site; /* author */
    bool has_root; /* false: the offer was not seen, only a HELD that covers it */
    struct csn_digest b;
    uint64_t count;
};

enum csn_effect_kind {
    CSN_EFFECT_COMPUTE, /* content of P -> COMPUTED */
    CSN_EFFECT_SIGN,    /* own share of P, or the one made before for this H(P) -> SIGNED */
    CSN_EFFECT_PROVE,   /* canary and proofs for P, thrown away; nothing waits -> HSM if it fails */
    CSN_EFFECT_FETCH,   /* -> FETCHED */
    CSN_EFFECT_STAGE,   /* shares and carried signatures to a durable version, both verifiers ->
                           STAGED */
    CSN_EFFECT_RELEASE, /* the complete version against its certificate at T, and its delta, durable
                           -> RELEASED. Answers nothing yet */
    CSN_EFFECT_CANCEL,  /* nobody waits for corr any more */
    CSN_EFFECT_PERSIST, /* -> PERSISTED, in order */
    CSN_EFFECT_SEND,    /* sign and broadcast, and loop back */
    CSN_EFFECT_FORWARD, /* broadcast another's statement as it came */
    CSN_EFFECT_ORDER,   /* an operator's order is in force: of inputs, the shell obeys it */
    CSN_EFFECT_REFUSED, /* a site, this one too, refuses what is proposed: for operators */
    CSN_EFFECT_CERTIFICATE, /* broadcast; it proves itself */
    CSN_EFFECT_SERVE,       /* answer with this version from now on; NOTIFY if this site leads. The
                               pointer is durable. Shares of older rounds are needed no more */
    CSN_EFFECT_DELETE_VERSION, /* its delta stays as long as the shell's history is */
    CSN_EFFECT_DELETE_INPUT,
    CSN_EFFECT_EPOCH, /* a later epoch has begun in which this site has a part: make certificate and
                         document durable, then begin again with that document */
    CSN_EFFECT_TRACE,
    CSN_EFFECT_COUNT,
};

#define CSN_WRITES_MAX 24 /* of one PERSIST */

/* Octets live in the effects' arena until csn_effects_clear. */
struct csn_effect {
    enum csn_effect_kind kind;
    uint64_t corr;              /* COMPUTE to CANCEL */
    uint8_t zone[CSN_NAME_MAX]; /* of all but CANCEL, PERSIST, SEND */
    union {
        /* COMPUTE, SIGN, PROVE, STAGE. */
        struct {
            const struct csn_proposal *proposal;
            struct csn_digest hash; /* H(P) */
            uint8_t author;         /* SIGN: this site's index in the authors */
            /* STAGE: an offer for each author, in order; zeros unless a HELD of this content was
             * seen: then the full root that must come out, else STAGED fails with CSN_EMISMATCH. */
            const struct csn_share_offer *offers;
            struct csn_digest full_root;
        } work;
        struct {
            enum csn_object_kind object;
            struct csn_digest digest;
            struct csn_input_id input;                 /* INPUT */
            uint16_t author;                           /* SHARE */
            struct csn_round above;                    /* CERTIFICATES */
            const struct csn_certificate *certificate; /* VERSION: of it, else NULL */
            uint16_t sites[CSN_MEMBERS_MAX];           /* to ask, best first */
            uint8_t site_count;
        } fetch;
        /* RELEASE, SERVE. */
        struct {
            const struct csn_certificate *certificate;
            struct csn_bytes octets; /* of the certificate */
        } release;
        /* One transaction in the votes environment: expects hold, else CSN_EMISMATCH and nothing is
         * written. Where `second` has a key, this pair is written and synced to the second place,
         * outside the store, BEFORE the transaction begins (a crash between the two must find the
         * second copy newer, never older). PERSISTED follows the commit. */
        struct {
            uint64_t id;
            struct csn_record_pair expects[CSN_WRITES_MAX]; /* value.data NULL: absent */
            size_t expect_count;
            struct csn_record_pair writes[CSN_WRITES_MAX]; /* value.data NULL: delete */
            size_t write_count;
            struct csn_record_pair second; /* key.data NULL: none */
        } persist;
        struct {
            enum csn_statement_kind kind;
            struct csn_bytes body;
        } send;
        struct {
            enum csn_statement_kind kind;
            uint16_t signer;
            uint32_t incarnation;
            struct csn_bytes body;
            uint8_t signature[CSN_SIGNATURE_SIZE];
        } forward;
        struct csn_signed_order order;
        /* The statement as it came. */
        struct {
            uint16_t site;
            uint32_t incarnation;
            struct csn_bytes body;
            uint8_t signature[CSN_SIGNATURE_SIZE];
            struct csn_round round; /* the sending of the proposal */
        } refused;
        struct csn_bytes certificate;
        /* EPOCH; no octets where an EPOCH event brought them. */
        struct {
            struct csn_version_id next;
            struct csn_bytes certificate;
        } epoch;
        struct csn_digest version; /* DELETE_VERSION: full root */
        struct csn_digest input;   /* DELETE_INPUT: D(prepared) */
        struct csn_trace {
            uint8_t what;       /* enum csn_trace_kind */
            uint16_t site;      /* whom it is about; 0: this machine */
            uint8_t rule, test; /* refusals */
            uint8_t from, to;   /* state changes */
            struct csn_round round;
            struct csn_digest digest;
            uint64_t number;
        } trace;
        uint8_t count; /* enum csn_count_reason */
    };
};

struct csn_effects {
    struct csn_effect **items; /* owns the places */
    size_t count, count_max;
    struct csn_arena arena; /* owns the effects and their octets */
};
/* Effects of zeros are empty and ready. clear keeps the places. */
void csn_effects_clear(struct csn_effects *effects);
void csn_effects_fini(struct csn_effects *effects);
/* The next effect, zeroed, with kind and zone (NULL: none) set. Lives until clear. */
struct csn_effect *csn_effects_add(struct csn_effects *effects, enum csn_effect_kind kind,
                                   const uint8_t *zone);
struct csn_bytes csn_effects_copy(struct csn_effects *effects, struct csn_bytes octets);
/* A statement to all; copies. */
void csn_effects_send(struct csn_effects *effects, enum csn_statement_kind kind, struct csn_bytes body);

/* ---------------------------------------------------------------- words of traces, refusals,
 * counts */

enum csn_rule { CSN_RULE_R2 = 2, CSN_RULE_R3 = 3, CSN_RULE_R4 = 4 };

/* Numbers travel in REFUSED. X(name, number, words for operators). */
#define CSN_TESTS(X)                                                                               \
    X(EPOCH, 1, "cluster and epoch are this node's")                                               \
    X(SEALED, 2, "the epoch is not sealed")                                                        \
    X(HALTED, 3, "the node may vote")                                                              \
    X(OPERATOR_HOLD, 4, "no operator's hold")                                                      \
    X(ROUND, 5, "round after the floor's")                                                         \
    X(SERIAL, 6, "serial after the floor's")                                                       \
    X(SERIAL_STEP, 7, "serial step below 2^20")                                                    \
    X(INPUT, 8, "input at or after the floor's")                                                   \
    X(INPUT_SAME, 9, "the floor's input has the same content")                                     \
    X(TIME, 10, "T at or after the floor's")                                                       \
    X(SCHEDULE, 11, "S at or after the floor's")                                                   \
    X(POLICY, 12, "policy at or after the floor's")                                                \
    X(POLICY_SAME, 13, "the floor's policy version has the same digest")                           \
    X(KEYSET, 14, "key set at or after the floor's")                                               \
    X(KEYSET_SAME, 15, "the floor's key-set version has the same digest")                          \
    X(STAGED, 16, "complete with this full root")                                                  \
    X(CLOCK, 17, "T at most 60 s ahead of the clock")                                              \
    X(EXPIRY, 18, "earliest expiry beyond the margin")                                             \
    X(OTHER_HOLD, 19, "no other body held for the round")                                          \
    X(FORM, 20, "S at most T, known semantics, authors are signing members")                       \
    X(AGE, 21, "T not older than max_round_age")                                                   \
    X(POLICY_HERE, 22, "policy approved here")                                                     \
    X(KEYSET_HERE, 23, "key set approved here")                                                    \
    X(INPUT_HERE, 24, "input here or at a peer")                                                   \
    X(INPUT_CONFLICT, 25, "own source has the same content under this serial")                     \
    X(PARENT, 26, "parent is the newest certificate")                                              \
    X(PARENT_HERE, 27, "parent complete here or at a peer")                                        \
    X(HOLDS, 28, "not too many holds kept: one fresh proposal a minute")                           \
    X(COMPUTE, 29, "content can be computed")                                                      \
    X(DIVERGED, 30, "content roots are those of a quorum")                                         \
    X(SIGN, 31, "own share can be signed")                                                         \
    X(SHARE, 32, "shares of the authors are at hand")                                              \
    X(STAGE, 33, "the version verifies by both paths")                                             \
    X(INPUT_VOUCHED, 34, "input confirmed here or by a quorum, certified, or voted for")           \
    X(REFRESH_ONLY, 35, "in an emergency: the floor's input and no other")                         \
    X(EMERGENCY_OVER, 36, "T at most the end of the emergency")

enum csn_test {
#define CSN_TEST_ENUM(name, number, text) CSN_TEST_##name = (number),
    CSN_TESTS(CSN_TEST_ENUM)
#undef CSN_TEST_ENUM
};
/* NULL for a number that is none. */
const char *csn_test_text(uint8_t test);

#define CSN_TRACES(X)                                                                              \
    X(WORK, "work")             /* from, to: enum csn_work_state */                                \
    X(ADOPT, "adopt")           /* from, to: enum csn_adopt_state */                               \
    X(REFUSED, "refused")       /* this node refuses: rule, test */                                \
    X(ACCEPTED, "accepted")     /* digest: H(P) */                                                 \
    X(AGREED, "agreed")         /* number: sites */                                                \
    X(DIVERGED, "diverged")     /* number: classes; the content of digest (H(P)) differs */        \
    X(REJOINED, "rejoined")     /* content agrees again */                                         \
    X(VOTED, "voted")           /* digest: full root; the vote's PERSIST is out */                 \
    X(HELD, "held")             /* the vote is durable and leaves */                               \
    X(CERTIFIED, "certified")   /* a newer certificate is known. number: serial */                 \
    X(ORPHAN, "orphan")         /* a certificate at or below `released` */                         \
    X(ORDERED, "ordered")       /* an operator's order. to: its kind; site; number: its own */     \
    X(RELEASED, "released")     /* number: serial */                                               \
    X(PROMISED, "promised")     /* round.term; site: coordinator */                                \
    X(HALTED, "halted")         /* number: enum csn_halt */                                        \
    X(SEALED, "sealed")         /* R8: no votes in this epoch any more. number: the next */        \
    X(ENTERED, "entered")       /* R8: floors are raised for the next epoch. number: seals */      \
    X(EPOCH, "epoch")           /* R8: the epoch `number` has begun here */                        \
    X(HOLDS_MANY, "holds-many") /* number: holds kept */                                           \
    X(LEADER, "leader")         /* from, to: enum csn_leader_state; round.term */                  \
    X(PROPOSED, "proposed")     /* number: serial */                                               \
    X(REPROPOSED, "re-proposed")                                                                   \
    X(ABANDONED, "abandoned")   /* number: enum csn_round_end */                                   \
    X(AUTHOR_OUT, "author-out") /* site is left out of the next proposals */                       \
    X(SERIAL_JUMP,                                                                                 \
      "serial-jump") /* policy's serial is too far: last + 1 taken; number: policy's */            \
    X(NO_AUTHORS, "no-authors")                                                                    \
    X(NO_AGREEABLE_SET, "no-agreeable-set") /* no q floors that one P passes */

enum csn_trace_kind {
#define CSN_TRACE_ENUM(name, text) CSN_TRACE_##name,
    CSN_TRACES(CSN_TRACE_ENUM)
#undef CSN_TRACE_ENUM
};
const char *csn_trace_text(enum csn_trace_kind what);

#define CSN_COUNTS(X)                                                                              \
    X(MALFORMED, "malformed")         /* a body that does not decode */                            \
    X(STRANGER, "stranger")           /* signer not of the cluster, or other incarnation */        \
    X(OTHER_CLUSTER, "other-cluster") /* cluster, environment or epoch of another */               \
    X(UNKNOWN_ZONE, "unknown-zone")                                                                \
    X(OLD, "old")           /* displaced by a later report or term */                              \
    X(OLD_BOOT, "old-boot") /* of an earlier life of its site */                                   \
    X(STALE_COMPLETION, "stale-completion")                                                        \
    X(NOT_PROMISED, "not-promised") /* proposal of a term not promised */
#define CSN_COUNTS_MAX 16

enum csn_count_reason {
#define CSN_COUNT_ENUM(name, text) CSN_COUNT_##name,
    CSN_COUNTS(CSN_COUNT_ENUM)
#undef CSN_COUNT_ENUM
};
const char *csn_count_text(enum csn_count_reason reason);

#endif
