/* node.h: a site's voter as a pure machine: rules R1-R8 of protocol.md. It promises I1-I6 of this
 * site as long as its shell executes effects as step.h says. It lives in one epoch: the next begins with
 * another machine on the same records. One thread; all memory is the machine's.
 *
 *   work of a zone:  IDLE -> COMPUTING -> COMPARING -> GATHERING -> STAGING -> VOTING -> HELD
 *                    (any -> IDLE: dropped)
 *
 *   newest release:  CURRENT -> FETCHING -> RELEASING -> SWITCHING -> CURRENT
 *                    (WAITING: a pause after a failure, or work will bring it) */
#ifndef CSN_ROUND_NODE_H
#define CSN_ROUND_NODE_H

#include "round/step.h"

#define CSN_RECORD_PREFIX "r" /* of every key this machine writes */

#define CSN_HOLDS_MANY 8        /* more kept for a zone: alarm, and one vote a minute */
#define CSN_VERSIONS_KEPT 4     /* released ones, the newest included */
#define CSN_CERTIFICATES_KEPT 8 /* records of a zone */
#define CSN_INPUTS_KEPT 8       /* of a zone, beside those in use */
#define CSN_FETCH_TRIES 3       /* then REFUSED */
#define CSN_REPORT_PENDING_MS 250
#define CSN_REPORT_IDLE_MS 2000
#define CSN_REPEAT_MS 1000 /* own facts of the round at work, and holds not certified */
#define CSN_ELECTION_MS 1500
#define CSN_ELECTION_STEP_MS 250 /* x coordinator number */
#define CSN_CLOCK_AHEAD_S 60
#define CSN_CLOCK_LEAP_S 3600 /* so long signatures are valid before T, at least: what is less ahead is bogus nowhere */

enum csn_work_state {
    CSN_WORK_IDLE,
    CSN_WORK_COMPUTING, /* COMPUTE is out */
    CSN_WORK_COMPARING, /* own COMPUTED sent; fewer than q agree yet */
    CSN_WORK_GATHERING, /* own share being signed, others' fetched */
    CSN_WORK_STAGING,   /* STAGE is out */
    CSN_WORK_VOTING,    /* the vote's PERSIST is out */
    CSN_WORK_HELD,      /* own HELD sent; no certificate yet */
};
enum csn_adopt_state {
    CSN_ADOPT_CURRENT,   /* newest certificate is released, or there is none */
    CSN_ADOPT_WAITING,   /* work will bring its bytes, or a fetch failed a moment ago */
    CSN_ADOPT_FETCHING,  /* the version is fetched from a peer */
    CSN_ADOPT_RELEASING, /* RELEASE is out */
    CSN_ADOPT_SWITCHING, /* PERSIST of `released` is out */
};
const char *csn_work_text(enum csn_work_state state);
const char *csn_adopt_text(enum csn_adopt_state state);
bool csn_work_may_move(enum csn_work_state from, enum csn_work_state to);
bool csn_adopt_may_move(enum csn_adopt_state from, enum csn_adopt_state to);

/* Why a node votes no more. */
enum csn_halt {
    CSN_HALT_NONE,
    CSN_HALT_DAMAGED, /* a durable record does not decode */
    CSN_HALT_EPOCH,   /* the store is of another epoch than the cluster document */
    CSN_HALT_AMNESIA, /* a vote of this site exists that its store does not know: return as a new
                         member with a new key */
    CSN_HALT_PERSIST, /* a write failed or found another state */
    CSN_HALT_REMOVED, /* a later epoch has begun in which this site is no member */
    CSN_HALT_CLOCK,   /* its wall clock leapt forward, and is not back */
};

struct csn_node;

/* Copies all it needs. `site` is a member of `cluster`. */
struct csn_node *csn_node_new(const struct csn_cluster *cluster, uint16_t site,
                              const struct csn_round_zone *zones, size_t zone_count);
void csn_node_free(struct csn_node *take_node);

/* Appends to `effects`. */
void csn_node_step(struct csn_node *node, const struct csn_event *event,
                   struct csn_effects *effects);

/* --- for status; views live until the next step */

/* R8: why the floors of a site do not count for a change of members, here. */
struct csn_odd_zone {
    uint16_t site;  /* 0: nothing is odd */
    bool is_sealed; /* it has sealed so, and cannot take it back */
    bool is_there;  /* the zone is configured there and not here; else here and not there */
    const uint8_t *zone; /* NULL: it is not known by name. Borrows */
};

struct csn_node_status {
    uint16_t site;
    enum csn_node_state state;
    enum csn_halt halt;
    struct csn_term promised;
    uint16_t leader;    /* coordinator with a fresh heartbeat in the promised term; 0: none */
    uint64_t unled_ms;  /* since the last heartbeat of any leader; 0 while there is one */
    uint16_t lead_site; /* who notifies of most zones; 0: none named yet */
    uint32_t boot;
    uint32_t epoch;
    bool is_deaf; /* halted for good: it listens to nobody, and promises nothing */
    bool is_sealed;
    bool is_joining;            /* the epoch has begun, the floors are not raised yet */
    struct csn_version_id next; /* the next epoch's document, when it is here; zeros: none */
    struct csn_odd_zone odd;
};
void csn_node_get_status(const struct csn_node *node, struct csn_now now,
                         struct csn_node_status *ret_status);

struct csn_refusal {
    bool is_set;
    uint8_t rule, test;
    struct csn_digest hash;
    struct csn_value want, is;
    uint64_t at_s;
    struct csn_round round; /* of a site that was heard: the sending it refused */
};
struct csn_node_zone_status {
    const uint8_t *zone; /* borrows */
    struct csn_row row;  /* as reported: floor, released, newest, inputs, holds, diverged classes */
    enum csn_work_state work;
    enum csn_adopt_state adopt;
    const struct csn_proposal *proposal; /* in work or waiting for parts; NULL: none. Borrows */
    uint8_t computed_count; /* sites whose roots for the P in work are this node's, itself too */
    uint8_t held_count;     /* sites whose HELD of the P in work was seen */
    struct csn_refusal refusal; /* this node's last */
    bool is_serving;
    const struct csn_certificate *released; /* NULL: nothing released. Borrows */
    struct csn_bytes released_octets;
    uint64_t released_at_s;  /* this process's clock when it began to serve it */
    bool is_behind; /* others have a good answer and this site has not: it must not answer */
    uint64_t accepted_ms; /* mono, when the P in work was accepted */
    size_t lone_votes;    /* votes of this site that nothing was released of yet; more than CSN_HOLDS_MANY are too many (R5) */
};
/* Who notifies of a zone, as the leader named it last; 0: none named since START. */
uint16_t csn_node_zone_lead(const struct csn_node *node, size_t index);
void csn_node_get_zone(const struct csn_node *node, size_t index, struct csn_now now,
                       struct csn_node_zone_status *ret_status);

/* What a site, this one too, refused last in a zone and has not voted since; NULL: nothing. Borrowed
 * until the next step. */
const struct csn_refusal *csn_node_get_refusal(const struct csn_node *node, size_t zone, uint16_t site);

/* What is known of a site in the round that was proposed last and is not over. */
struct csn_round_share {
    bool has_voted, has_computed;
    bool agrees; /* with what this machine computed, or (of a leader) with most */
    bool is_refused;
};
/* False: there is no such round. */
bool csn_node_get_share(const struct csn_node *node, size_t zone, uint16_t site,
                        struct csn_round_share *ret_share);

/* What another site last reported. False: nothing heard since START. */
struct csn_peer_status {
    uint16_t site;
    uint64_t heard_ms; /* mono, when it arrived */
    uint32_t boot;
    uint64_t clock_s, heard_s;
    enum csn_node_state state;
    enum csn_hsm_state hsm;
    struct csn_term promised;
    uint32_t epoch;
    struct csn_version_id next; /* the next epoch's document that it has; zeros: none */
};
bool csn_node_get_peer(const struct csn_node *node, uint16_t site,
                       struct csn_peer_status *ret_status);
/* Its row of a zone; NULL: none. Borrows. */
const struct csn_row *csn_node_peer_row(const struct csn_node *node, uint16_t site,
                                        const uint8_t *zone);

/* The roots that a site, this one included, signed for H(P) in COMPUTED or HELD. False: not known, or not any more. */
bool csn_node_computed(const struct csn_node *node, uint16_t site, const struct csn_digest *hash,
                       struct csn_roots *ret_roots);

/* The operators' orders that stand in a zone, in the order of arrival. Borrows. */
const struct csn_signed_order *csn_node_orders(const struct csn_node *node, size_t index,
                                               size_t *ret_count);
/* The sites heard lately, this one too, that hold just these orders and have them on disk. */
uint8_t csn_node_count_knowing(const struct csn_node *node, size_t index, struct csn_now now);

/* Whether an order about serials may be given here, as far as this node knows: an announcement where no member answers what is
 * after its serial, an approval where also all members vote, and know of just that announcement and the release it starts from: so
 * whoever goes on in an emergency passes it (R8). CSN_OK for any other order; with a reason CSN_EBUSY: not all know yet; CSN_EREFUSED. Nodes that hear of an
 * approval do not ask this again: the operator's signature says it. */
int csn_node_check_serial(const struct csn_node *node, size_t index, const struct csn_order *order, struct csn_reason *reason);

/* When the first signature of a release expires, by its round; 0: its certificate is not known here, or not any more. */
uint64_t csn_node_expiry(const struct csn_node *node, size_t zone, struct csn_round round);

/* Certificates above a round, for peers that ask: the next one after `above`, its octets; empty:
 * none. */
struct csn_bytes csn_node_certificate_above(const struct csn_node *node, const uint8_t *zone,
                                            struct csn_round above);
/* Whether an emergency's document begins at what this node knows as the newest certificates: CSN_EREFUSED with a
 * reason; until it does the node does not seal for it. CSN_OK for any other document. */
int csn_node_check_base(const struct csn_node *node, const struct csn_cluster *next, struct csn_reason *reason);
/* Floors that a site sealed, for peers that ask; empty: not here. */
struct csn_bytes csn_node_floors(const struct csn_node *node, const struct csn_digest *digest);

#endif
