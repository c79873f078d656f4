/* leader.h: a coordinator as a pure machine: rules L1-L6 of protocol.md. It decides nothing that
 * matters for safety: a bad one wastes serials. It stores nothing. It handles START, TICK,
 * STATEMENT, CERTIFICATE and DOCUMENTS and gives SEND, CERTIFICATE, TRACE and COUNT. One thread;
 * all memory is the machine's.
 *
 *   LISTENING -> ASKING -> LEADING -> RESTING -> LISTENING
 *   ASKING, LEADING -> ASKING when a higher term is seen */
#ifndef CSN_ROUND_LEADER_H
#define CSN_ROUND_LEADER_H

#include "round/node.h"
#include "round/step.h"

#define CSN_HEARTBEAT_MS 500
#define CSN_ASK_MS 250
#define CSN_CALL_BACK_MS 10000 /* between two new terms for a site that follows another */
#define CSN_CALL_BACK_MAX_MS 600000 /* the longest, where no more of them do than may lie */
#define CSN_NO_QUORUM_MS 10000 /* no q reports for so long: resign */
#define CSN_RETRY_MAX_S 60     /* L4: 1, 2, 4 .. 60 s */
#define CSN_REST_MAX_S 8       /* L5 */
#define CSN_DIVERGED_RETRY_MAX_S 600
#define CSN_FAILED_MAX 3 /* fresh rounds in a row, then resign */

enum csn_leader_state {
    CSN_LEADER_LISTENING, /* fewer than q reports since START */
    CSN_LEADER_ASKING,    /* for promises */
    CSN_LEADER_LEADING,
    CSN_LEADER_RESTING, /* resigned, waits */
};
const char *csn_leader_text(enum csn_leader_state state);
bool csn_leader_may_move(enum csn_leader_state from, enum csn_leader_state to);

/* How a round ended for its leader. */
#define CSN_ROUND_ENDS(X)                                                                          \
    X(CERTIFIED, "certified")                                                                      \
    X(DEADLINE, "deadline passed")                                                                 \
    X(UNREACHABLE, "too few sites left that can vote")                                             \
    X(DISAGREED, "no quorum computed the same content")                                            \
    X(AUTHOR, "an author failed or is silent")                                                     \
    X(OBSOLETE, "a newer certificate surfaced")                                                    \
    X(RESIGNED, "the leader resigned")

enum csn_round_end {
#define CSN_ROUND_END_ENUM(name, text) CSN_ROUND_END_##name,
    CSN_ROUND_ENDS(CSN_ROUND_END_ENUM)
#undef CSN_ROUND_END_ENUM
};
const char *csn_round_end_text(enum csn_round_end end);

struct csn_leader;

/* Copies all it needs. `coordinator` is one of `cluster`. */
struct csn_leader *csn_leader_new(const struct csn_cluster *cluster, uint16_t coordinator,
                                  const struct csn_round_zone *zones, size_t zone_count);
void csn_leader_free(struct csn_leader *take_leader);

/* Appends to `effects`. */
void csn_leader_step(struct csn_leader *leader, const struct csn_event *event,
                     struct csn_effects *effects);

struct csn_leader_status {
    enum csn_leader_state state;
    struct csn_term term; /* asked for or led in */
    uint8_t reporting; /* sites heard within CSN_SILENT_MS */
    uint64_t rest_until_ms; /* RESTING: mono */
};
void csn_leader_get_status(const struct csn_leader *leader, struct csn_now now,
                           struct csn_leader_status *ret_status);

/* What keeps fresh rounds of a zone back, or their serial, and needs a hand. */
enum csn_leader_alarm {
    CSN_ALARM_NONE,
    CSN_ALARM_NO_AGREEABLE_SET, /* no q sites would let one and the same P through */
    CSN_ALARM_NO_AUTHORS,       /* no site's HSM is good */
    CSN_ALARM_SERIAL_JUMP       /* the policy's serial is too far from the last one: last + 1 is taken */
};

struct csn_leader_zone_status {
    const uint8_t *zone;                 /* borrows */
    const struct csn_proposal *proposal; /* in work; NULL: none. Borrows */
    uint8_t computed_count, held_count, refused_count;
    enum csn_round_end last_end;
    bool has_ended;
    uint64_t deadline_ms; /* of the one in work, mono */
    uint64_t retry_ms;    /* nothing is proposed before; mono */
    bool is_disagreed;    /* contents differed: the same again not before: */
    uint64_t disagreed_until_ms;
    enum csn_leader_alarm alarm;
    struct csn_round newest; /* certificate known */
    uint16_t lead_site;      /* who notifies, as this one named it; 0: it has not */
    const struct csn_certificate *certificate; /* that one; NULL: none. Borrows until the next step */
};
void csn_leader_get_zone(const struct csn_leader *leader, size_t index,
                         struct csn_leader_zone_status *ret_status);

/* As csn_node_get_share; false: nothing is proposed. */
bool csn_leader_get_share(const struct csn_leader *leader, size_t zone, uint16_t site,
                          struct csn_round_share *ret_share);

/* What a site last reported, and its row of a zone, as csn_node_get_peer and csn_node_peer_row. */
bool csn_leader_get_peer(const struct csn_leader *leader, uint16_t site,
                         struct csn_peer_status *ret_status);
const struct csn_row *csn_leader_peer_row(const struct csn_leader *leader, uint16_t site,
                                          size_t zone);

#endif
