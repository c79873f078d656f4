/* node_state.h: the inside of a node: what is durable, what is only remembered, and the doors
 * between its files. Private.
 *
 *   node.c          the step, statements, reports, status
 *   node_report.c   reports: the table, which rows they carry
 *   node_start.c    from durable records to a running node; boot counter, second copies, halting
 *   node_persist.c  R7: one FIFO of persists; keys and values of durable records
 *   node_promise.c  R6
 *   node_accept.c   R2: from a proposal to work
 *   node_work.c     R3: from content to a staged version; the table of work states
 *   node_refused.c  what sites refuse, for operators
 *   node_vote.c     R4
 *   node_epoch*.c   R8: sealing an epoch, entering the next, joining one that has begun; what is durable of it; floors
 *                   of others
 *   node_adopt.c    R5: certificates, release, what is kept; the table of adoption states */
#ifndef CSN_ROUND_NODE_STATE_H
#define CSN_ROUND_NODE_STATE_H

#include "round/facts.h"
#include "round/node.h"
#include "round/peers.h"
#include "round/tally.h"
#include "round/tests.h"

/* An object that is asked for until it is here or the tries are over. */
struct csn_fetch {
    uint64_t corr; /* 0: not out */
    uint64_t retry_ms;
    uint8_t failed; /* tries that failed */
    bool is_here;
};

struct csn_hold {
    struct csn_body_held held;
    struct csn_digest hash; /* H(P) */
};

/* A refusal as it came, often before the proposal that it is about. */
#define CSN_EARLY_MAX 16 /* of a site; its oldest goes */
struct csn_early_refusal {
    struct csn_digest hash; /* H(P) */
    uint32_t incarnation;
    uint8_t signature[CSN_SIGNATURE_SIZE];
    struct csn_buf body; /* owns; empty: none */
};

struct csn_known_certificate {
    struct csn_certificate certificate;
    struct csn_digest hash; /* H(P) */
    struct csn_buf octets;  /* owns */
};

struct csn_known_input {
    struct csn_input_id id;
    bool is_confirmed;
};

/* A proposal that is not accepted yet: parts are missing. */
struct csn_pending {
    bool is_set;
    struct csn_proposal proposal;
    struct csn_digest hash;
    struct csn_fetch input;
    uint64_t since_ms;
    uint8_t parent_failed; /* fetches of certificates that failed since it came */
};

struct csn_work {
    enum csn_work_state state;
    struct csn_proposal proposal;
    struct csn_digest hash;
    uint64_t compute_corr, sign_corr, stage_corr;
    struct csn_roots roots; /* from COMPARING on */
    int author;             /* this site's index in the authors, or -1 */
    bool has_share;         /* own: durable and offered */
    struct csn_digest share_b;
    uint64_t share_count;
    struct csn_fetch shares[CSN_MEMBERS_MAX]; /* by author index */
    uint64_t repeat_ms;
};

struct csn_adopt {
    enum csn_adopt_state state;
    struct csn_round round; /* of the certificate being released */
    uint64_t corr;          /* of FETCH or RELEASE */
    uint64_t retry_ms, backoff_ms;
};

struct csn_node_zone {
    size_t index;
    struct csn_version_id policies[CSN_DOCUMENTS_KEPT],
        keysets[CSN_DOCUMENTS_KEPT]; /* approved, newest first */
    unsigned policy_count, keyset_count;

    /* durable; memory runs ahead of the disk by the persists that are out (R7) */
    struct csn_floor floor;
    bool has_floor; /* a record is there */
    /* The latest round certified here whose serial is far from the one before (csn_serial_is_leap);
     * zeros: none. What was approved before it is spent, and serials of before it are no measure for
     * those of now. */
    struct csn_round leap;
    /* The farthest serial that was announced or approved before the order about it that stands; zeros: none. */
    struct csn_serial_approval announced;
    struct csn_hold
        *holds; /* owns; ascending rounds; the last stays for ever, for the second copy's sake */
    size_t hold_count;
    struct csn_known_certificate *certificates; /* owns; ascending rounds */
    size_t certificate_count;
    struct csn_release released;
    uint8_t diverged; /* classes */
    struct csn_signed_order *orders; /* owns; one of each register and site */
    size_t order_count;
    uint64_t durable_order_sum; /* as csn_zone_order_sum, of what was persisted: others build on it */

    /* remembered */
    uint16_t lead_site; /* where it is not the node's; 0: it is */
    enum csn_hsm_state hsm;
    uint8_t gate;
    struct csn_digest due_root; /* the version that due_s is of; zeros: not told yet */
    uint64_t due_s;
    bool is_serving;
    /* The round last released by the second copy, of which the store knows nothing: it is an older
     * one that was put back. Zeros: it is not. The latest round: one of which the copy lost what it
     * knew. */
    struct csn_round forgotten;
    uint64_t serving_since_s;
    bool is_late; /* a newer certificate than `released` is known */
    uint64_t late_ms;
    struct csn_known_input *inputs; /* owns; in order of arrival */
    size_t input_count;
    struct csn_digest *versions; /* owns; full roots that are complete here */
    size_t version_count;
    struct csn_tally tally;
    bool has_sending;
    struct csn_round sending; /* (term, seq) of the proposal taken last */
    struct csn_digest sending_hash;
    struct csn_pending pending;
    struct csn_work work;
    struct csn_adopt adopt;
    struct csn_fetch gap; /* certificates above the newest here */
    uint64_t accepted_ms; /* when the P in work was */
    bool has_voted;       /* in this life */
    uint64_t voted_ms;    /* when the P voted for last was accepted */
    struct csn_refusal refusal;                /* the own, said again when P comes again */
    struct csn_refusal heard[CSN_MEMBERS_MAX]; /* each site's last, this one's too, until it votes */
    uint64_t holds_repeat_ms, orders_repeat_ms, branch_repeat_ms;
    size_t persist_count; /* that are out and concern this zone */

    /* its row in reports */
    struct csn_digest row_digest; /* of the row as it was looked at last */
    bool is_row_stale;            /* something may have changed since */
    uint8_t row_left;             /* times that it is still to be said, at once or after a pause */
    uint64_t row_ms;              /* not before */
    uint64_t row_seq;             /* of the report that carried it last */
};

#define CSN_RECORD_KEY_MAX (2 + CSN_NAME_MAX + CSN_ROUND_SIZE)
struct csn_record_key {
    uint8_t octets[CSN_RECORD_KEY_MAX];
    size_t size;
};

/* R8: a seal, and the floors that it names once they are here. */
struct csn_epoch_part {
    struct csn_epoch_seal seal;
    struct csn_fetch fetch; /* of the floors */
    struct csn_buf octets;  /* owns; the floors */
    uint8_t odd_zone[CSN_NAME_MAX]; /* why they do not count: sealed there and not configured here (is_odd_there), or the
                                       other way round; empty: none */
    bool is_odd_there;
};
struct csn_epoch_parts {
    struct csn_epoch_part items[CSN_MEMBERS_MAX];
    unsigned count;
};
struct csn_known_entry {
    bool is_set;
    struct csn_body_entry body;
    uint8_t signature[CSN_SIGNATURE_SIZE];
};

struct csn_node_epochs {
    /* durable */
    struct csn_version_id stored; /* the epoch's record, while has_epoch */
    bool has_own;
    struct csn_body_seal own; /* the last seal; of an earlier epoch too */
    struct csn_buf own_floors; /* owns */
    bool has_entry;
    struct csn_body_entry entry; /* the last */
    struct csn_record_key stale[CSN_MEMBERS_MAX]; /* of floors of earlier epochs: deleted at the next start */
    unsigned stale_count;
    struct csn_epoch_parts last; /* what this epoch's floors were, or are to be, raised to */

    /* towards the next epoch */
    bool has_next;
    struct csn_cluster next;
    bool is_said;     /* the own seal is durable: it may leave */
    bool is_entering; /* persists are out after which the entry leaves, or the site has joined */
    bool is_over;     /* EPOCH is out */
    uint64_t repeat_ms;
    struct csn_epoch_parts seals;                    /* some with floors that are durable */
    struct csn_known_entry entries[CSN_MEMBERS_MAX]; /* by member */

    /* an epoch that began without this site */
    bool is_joining, has_link;
    struct csn_epoch_certificate link;
};

enum csn_persist_what {
    CSN_PERSIST_BOOT,
    CSN_PERSIST_PROMISE,
    CSN_PERSIST_VOTE,
    CSN_PERSIST_RELEASE,
    CSN_PERSIST_SEAL,
    CSN_PERSIST_ENTRY,
    CSN_PERSIST_JOIN,
    CSN_PERSIST_NOTE
};

/* What leaves when a persist has come back. */
struct csn_persist {
    uint64_t id;
    enum csn_persist_what what;
    size_t zone; /* SIZE_MAX: of none */
    struct csn_round round; /* VOTE, RELEASE; PROMISE: its term */
    struct csn_buf held;    /* owns; VOTE: the body to send */
};

/* The wall clock against time that only passes (node_clock.c). */
struct csn_node_clock {
    bool is_believed; /* a quorum's clocks agreed with it when the last tick could tell */
    int64_t ahead_s;  /* of time that passes, at that tick */
    bool has_leapt;   /* since then, and it is not back */
};

struct csn_node {
    struct csn_cluster cluster;
    uint16_t site;
    unsigned member;                /* index of the site */
    struct csn_round_zone *configs; /* owns; zone_count */
    struct csn_node_zone *zones;    /* owns */
    size_t zone_count;

    enum csn_node_state state;
    enum csn_halt halt;
    struct csn_node_clock clock;
    bool is_started; /* the boot is durable, or there is none: its store is gone */
    bool is_sealed;
    bool has_epoch; /* a record is there, of this epoch */
    struct csn_node_epochs epochs;
    struct csn_term promised, promised_durable; /* reports carry the durable one */
    uint32_t boot;
    bool has_boot; /* a record is there */
    bool has_forgotten; /* it was shown an own statement that its store does not have; a record is there, or on its way */

    /* of the promised leader */
    uint64_t election_ms; /* when the timer began */
    bool has_heartbeat;
    struct csn_body_lead heartbeat; /* the last of its statements */
    uint64_t heartbeat_ms;          /* when it last said that it leads */
    uint16_t lead_site;

    uint64_t next_corr, next_persist, report_seq, report_ms;
    struct csn_digest table_digest;
    bool is_table_stale, has_more_news;
    size_t row_cursor, news_cursor; /* whose turn it is to be said anyway; where news are looked for first */
    size_t hsm_counts[CSN_HSM_BAD + 1]; /* zones by state */
    struct csn_persist *persists; /* owns; FIFO, from persist_first on */
    size_t persist_first, persist_count;

    /* Which zones a step looks at: those an event touched, at a tick those with something pending and some of the others, so
     * that a zone in thousands costs what it does and not what there is. */
    size_t *touched; /* owns; in this step */
    size_t touched_count;
    bool *is_touched, *is_busy; /* own */
    size_t busy_count;
    size_t scan_cursor;     /* of the quiet ones */
    uint32_t *rounds;       /* owns; by H(P), of the proposal sent last: zone + 1; one that another displaced is found at ticks */
    size_t newest_cursor;   /* the next zone whose certificate is told to a new leader; zone_count: all were */
    struct csn_peers peers;
    struct csn_facts facts;
    struct csn_early_refusal early[CSN_MEMBERS_MAX][CSN_EARLY_MAX];
    unsigned early_next[CSN_MEMBERS_MAX];

    /* of the step */
    struct csn_now now;
    struct csn_effects *effects; /* borrows */
};

/* --- node.c */
struct csn_effect *csn_node_effect(struct csn_node *node, enum csn_effect_kind kind,
                                   const struct csn_node_zone *zone);
const uint8_t *csn_node_zone_name(const struct csn_node *node, const struct csn_node_zone *zone);
const struct csn_round_zone *csn_node_config(const struct csn_node *node,
                                             const struct csn_node_zone *zone);
struct csn_trace *csn_node_trace(struct csn_node *node, enum csn_trace_kind what,
                                 const struct csn_node_zone *zone);
void csn_node_count(struct csn_node *node, enum csn_count_reason reason);
void csn_node_send(struct csn_node *node, enum csn_statement_kind kind, struct csn_bytes body);
void csn_node_cancel(struct csn_node *node, uint64_t *corr);
/* What an event is about: this zone is looked at in the step. */
void csn_node_touch(struct csn_node *node, struct csn_node_zone *zone);
/* The next correlation id, which tells the zone (NULL: of none). */
uint64_t csn_node_corr(struct csn_node *node, const struct csn_node_zone *zone);
/* Remembers whose proposal has this hash; finds it again, or NULL. */
void csn_node_note_round(struct csn_node *node, const struct csn_node_zone *zone, const struct csn_digest *hash);
struct csn_node_zone *csn_node_of_round(struct csn_node *node, const struct csn_digest *hash);

/* One try of a fetch when it is due; NULL when nothing is to be sent. The effect's fetch fields but
 * `sites` are to be filled; csn_node_prefer fills those. */
struct csn_effect *csn_node_fetch(struct csn_node *node, struct csn_node_zone *zone,
                                  struct csn_fetch *fetch, enum csn_object_kind object);
/* Books the completion: here, or a failed try and a pause. */
void csn_node_fetched(struct csn_node *node, struct csn_fetch *fetch, int code);
/* All other members, those for which `has` says yes first. */
typedef bool csn_has_fn(const struct csn_node *node, const struct csn_node_zone *zone,
                        unsigned member, const void *what);
void csn_node_prefer(const struct csn_node *node, const struct csn_node_zone *zone,
                     struct csn_effect *effect, csn_has_fn *has, const void *what);

/* --- node_report.c */
/* At once, with the rows that are news. */
void csn_node_report(struct csn_node *node, enum csn_statement_kind kind);
/* When it is time, as many as the news ask for. */
void csn_node_reports(struct csn_node *node);
/* Somebody who knows none of the rows listens: every row is news again. */
void csn_node_tell_all(struct csn_node *node);
bool csn_zone_is_pending(const struct csn_node *node, const struct csn_node_zone *zone);
bool csn_zone_is_behind(const struct csn_node *node, const struct csn_node_zone *zone);
void csn_zone_fill_row(const struct csn_node *node, const struct csn_node_zone *zone, struct csn_row *ret_row);

/* --- node_start.c */
void csn_node_start(struct csn_node *node, const struct csn_event *event);
void csn_node_started(struct csn_node *node);
void csn_node_halt(struct csn_node *node, enum csn_halt why);
/* Own words were shown that the store does not have: halted for amnesia, in this life and all that follow. */
void csn_node_forgot(struct csn_node *node);
/* Halted in a way that it does nothing any more but answer with what it serves. One that only lost
 * its memory still adopts. */
bool csn_node_is_mute(const struct csn_node *node);

/* --- node_clock.c */
/* At each step: sees a wall clock that leaps forward. */
void csn_clock_watch(struct csn_node *node, bool is_tick);
/* Why it votes no more, for good or as long as its clock is not back. */
enum csn_halt csn_node_halted(const struct csn_node *node);
/* As reports and status say it. */
enum csn_node_state csn_node_said_state(const struct csn_node *node);

/* --- node_persist.c */
struct csn_effect *csn_node_persist(struct csn_node *node, enum csn_persist_what what,
                                    const struct csn_node_zone *zone);
/* The one begun last. */
struct csn_persist *csn_node_last_persist(struct csn_node *node);
void csn_persist_write(struct csn_node *node, struct csn_effect *persist, struct csn_bytes key,
                       struct csn_bytes value);
void csn_persist_expect(struct csn_node *node, struct csn_effect *persist, struct csn_bytes key,
                        struct csn_bytes value);
void csn_persist_delete(struct csn_node *node, struct csn_effect *persist, struct csn_bytes key);
void csn_node_persisted(struct csn_node *node, const struct csn_event *event);
void csn_persists_fini(struct csn_node *node);

/* Letters of record keys: prefix, letter, zone, round. */
enum csn_record_letter {
    CSN_RECORD_AMNESIA = 'A',
    CSN_RECORD_BOOT = 'B',
    CSN_RECORD_CERTIFICATE = 'C',
    CSN_RECORD_DIVERGED = 'D',
    CSN_RECORD_EPOCH = 'E',
    CSN_RECORD_FLOOR = 'F',
    CSN_RECORD_HOLD = 'H',
    CSN_RECORD_LEAP = 'J',
    CSN_RECORD_ANNOUNCED = 'K',
    CSN_RECORD_ENTRY = 'N',
    CSN_RECORD_ORDER = 'O',
    CSN_RECORD_PART = 'P',
    CSN_RECORD_RELEASED = 'R',
    CSN_RECORD_SEAL = 'S',
    CSN_RECORD_TERM = 'T',
};
/* `zone` and `round` may be NULL. */
struct csn_record_key csn_record_key(enum csn_record_letter letter, const uint8_t *zone,
                                     const struct csn_round *round);
static inline struct csn_bytes csn_record_key_view(const struct csn_record_key *key)
{
    return csn_bytes(key->octets, key->size);
}
/* A value is closed by octets of a digest over key and value, so that damage is seen. */
void csn_record_close(struct csn_bytes key, struct csn_buf *value);
/* The value inside; false when it is damaged. */
bool csn_record_open(struct csn_bytes key, struct csn_bytes octets, struct csn_bytes *ret_value);
/* Octets of records, closed. */
void csn_record_floor(const struct csn_node *node, const struct csn_node_zone *zone,
                      struct csn_buf *buf);
void csn_record_epoch(const struct csn_node *node, struct csn_buf *buf);
void csn_persist_floor(struct csn_node *node, struct csn_effect *persist,
                       struct csn_node_zone *zone);
/* A certificate of P comes after one of serial `from`: remembers a leap. */
void csn_persist_step(struct csn_node *node, struct csn_effect *persist, struct csn_node_zone *zone,
                      uint32_t from, const struct csn_proposal *proposal);

/* --- node_promise.c */
void csn_node_lead(struct csn_node *node, const struct csn_body_lead *lead);
void csn_node_promised(struct csn_node *node, struct csn_term term);

/* --- node_accept.c */
void csn_node_proposal(struct csn_node *node, const struct csn_body_proposal *body);
void csn_pending_advance(struct csn_node *node, struct csn_node_zone *zone);
void csn_pending_drop(struct csn_node *node, struct csn_node_zone *zone);
bool csn_pending_completed(struct csn_node *node, struct csn_node_zone *zone,
                           const struct csn_event *event);
const struct csn_known_input *csn_zone_input(const struct csn_node_zone *zone,
                                             const struct csn_input_id *id);
/* An input from this site's own source with P's (generation, serial) and other content. */
bool csn_zone_conflicts(const struct csn_node_zone *zone, const struct csn_input_id *input);
/* The own one with which it does; NULL: none. */
const struct csn_input_id *csn_zone_conflicting(const struct csn_node_zone *zone,
                                                const struct csn_input_id *input);
void csn_zone_add_input(struct csn_node *node, struct csn_node_zone *zone,
                        const struct csn_input_id *id, bool is_confirmed);
void csn_zone_approve(struct csn_node_zone *zone, const struct csn_round_zone *config);

/* --- node_work.c */
void csn_work_begin(struct csn_node *node, struct csn_node_zone *zone,
                    const struct csn_proposal *proposal, const struct csn_digest *hash);
void csn_work_advance(struct csn_node *node, struct csn_node_zone *zone);
void csn_work_move(struct csn_node *node, struct csn_node_zone *zone, enum csn_work_state to);
void csn_work_drop(struct csn_node *node, struct csn_node_zone *zone);
/* True when the completion was this zone's. */
bool csn_work_completed(struct csn_node *node, struct csn_node_zone *zone,
                        const struct csn_event *event);
void csn_work_repeat(struct csn_node *node, struct csn_node_zone *zone);
/* REFUSED for a proposal; it leaves work and pending. */
void csn_node_refuse(struct csn_node *node, struct csn_node_zone *zone,
                     const struct csn_digest *hash, enum csn_rule rule, enum csn_test test,
                     struct csn_value want, struct csn_value is);
/* --- node_refused.c */
/* REFUSED of a site, and a later vote of it that ends it. */
void csn_node_heard_refused(struct csn_node *node, unsigned member,
                            const struct csn_body_refused *body, const struct csn_event *event);
/* A proposal has come: what was said of it before counts. */
void csn_zone_proposed(struct csn_node *node, struct csn_node_zone *zone);
void csn_early_fini(struct csn_node *node);
void csn_zone_heard_vote(struct csn_node_zone *zone, unsigned member, struct csn_round round);
void csn_node_send_refusal(struct csn_node *node, struct csn_node_zone *zone);
void csn_zone_set_diverged(struct csn_node *node, struct csn_node_zone *zone, uint8_t classes);
/* The newest certificate settles what is in work. */
void csn_work_certified(struct csn_node *node, struct csn_node_zone *zone,
                        const struct csn_known_certificate *known);

/* --- node_vote.c */
/* `approved` is csn_zone_approved_serial's, and is lent to the case. */
struct csn_vote_case csn_node_case(const struct csn_node *node, const struct csn_node_zone *zone,
                                   const struct csn_proposal *proposal,
                                   const struct csn_approved_serial *approved);
/* What was staged for the work: tests, and the vote's persist. */
void csn_node_vote(struct csn_node *node, struct csn_node_zone *zone,
                   const struct csn_event *staged);
void csn_node_voted(struct csn_node *node, struct csn_node_zone *zone,
                    const struct csn_persist *persist);
const struct csn_hold *csn_zone_hold(const struct csn_node_zone *zone, struct csn_round round);
void csn_node_send_held(struct csn_node *node, const struct csn_hold *hold);
/* Holds above the newest certificate, again. */
void csn_holds_repeat(struct csn_node *node, struct csn_node_zone *zone);
/* Amnesia: a HELD of this site, alone or in a certificate, that its store does not know was made by
 * a store that is gone. */
void csn_node_judge_own(struct csn_node *node, struct csn_node_zone *zone,
                        const struct csn_body_held *held);
/* A HELD was seen: tallied, certified with q, and judged if it is this site's own. */
void csn_node_seen_held(struct csn_node *node, unsigned member, const struct csn_body_held *held,
                        const struct csn_certificate_vote *vote);
size_t csn_zone_holds_kept(const struct csn_node_zone *zone);

/* --- node_order.c */
/* A statement of an operator; CSN_EFORMAT: not an order. */
int csn_node_order(struct csn_node *node, const struct csn_event *event);
bool csn_order_load(struct csn_node *node, struct csn_node_zone *zone, struct csn_reader *reader,
                    struct csn_round at);
bool csn_zone_is_held(const struct csn_node_zone *zone);
uint8_t csn_zone_maintenance(const struct csn_node_zone *zone, uint16_t site);
/* The site that operators want as lead; 0: none. */
uint16_t csn_zone_authority(const struct csn_node_zone *zone);
uint64_t csn_zone_order_sum(const struct csn_node_zone *zone);
void csn_orders_repeat(struct csn_node *node, struct csn_node_zone *zone);
/* The order that stands in a register; of a site, where each has its own. NULL: none. Borrows. */
struct csn_signed_order *csn_zone_order(const struct csn_node_zone *zone, enum csn_order_register place,
                                        uint16_t site);
/* R4: the vote's transaction finds no other order in this register. */
void csn_expect_order(struct csn_node *node, struct csn_effect *persist,
                      const struct csn_node_zone *zone, enum csn_order_register place);

/* --- node_serial.c */
/* R4: the serial that operators approved, if that counts from this floor. */
struct csn_approved_serial csn_zone_approved_serial(const struct csn_node *node,
                                                    const struct csn_node_zone *zone);
/* Before another order takes the place of the one about serials that stands: what it let others do is not forgotten. */
void csn_zone_keep_announced(struct csn_node *node, struct csn_effect *persist, struct csn_node_zone *zone);
bool csn_announced_load(struct csn_node *node, struct csn_node_zone *zone, struct csn_reader *reader,
                        struct csn_round at);
/* R8: raises a floor that is sealed for an emergency past every serial to which operators let those who are left out go. With
 * `offset`, the document's, it stays less than 2^31 after this node's floor. */
void csn_zone_pass_announced(const struct csn_node *node, const struct csn_node_zone *zone,
                             uint32_t offset, struct csn_floor *floor);

/* --- node_epoch.c */
bool csn_epoch_load_seal(struct csn_node *node, struct csn_node_zone *zone,
                         struct csn_reader *reader, struct csn_round at);
bool csn_epoch_load_entry(struct csn_node *node, struct csn_node_zone *zone,
                          struct csn_reader *reader, struct csn_round at);
bool csn_epoch_load_part(struct csn_node *node, struct csn_node_zone *zone,
                         struct csn_reader *reader, struct csn_round at);
/* At start, in this order: the store's epoch, the second copy of the seal (NULL: none), what both say. */
void csn_epoch_check_store(struct csn_node *node, const struct csn_epoch_certificate *link);
void csn_epoch_check_copy(struct csn_node *node, const struct csn_bytes *copy);
void csn_epoch_check_sealed(struct csn_node *node);
void csn_epoch_delete_stale(struct csn_node *node, struct csn_effect *persist);
void csn_node_epochs_fini(struct csn_node *node);
void csn_epoch_take_next(struct csn_node *node, const struct csn_cluster *next);
void csn_epoch_take_link(struct csn_node *node, const struct csn_event *event);
int csn_epoch_take_seal(struct csn_node *node, unsigned member, const struct csn_event *event);
int csn_epoch_take_entry(struct csn_node *node, unsigned member, const struct csn_event *event);
bool csn_epoch_completed(struct csn_node *node, const struct csn_event *event);
void csn_epoch_sealed(struct csn_node *node);
void csn_epoch_entered(struct csn_node *node);
void csn_epoch_joined(struct csn_node *node);
void csn_epoch_advance(struct csn_node *node);
void csn_epoch_repeat(struct csn_node *node);

/* --- node_adopt.c */
void csn_node_certificate(struct csn_node *node, const struct csn_certificate *certificate,
                          struct csn_bytes octets);
/* An older store was put back, and nothing tells yet that what it knows is the newest: a certificate as
 * late as what it forgot, or n - q + 1 other sites, one of which has every certificate, that know no
 * later one. */
bool csn_zone_has_forgotten(const struct csn_node *node, const struct csn_node_zone *zone);
void csn_adopt_advance(struct csn_node *node, struct csn_node_zone *zone);
/* While the newest certificate is of a branch that is behind what is answered here, that is said again. */
void csn_branch_repeat(struct csn_node *node, struct csn_node_zone *zone);
bool csn_adopt_completed(struct csn_node *node, struct csn_node_zone *zone,
                         const struct csn_event *event);
void csn_node_released(struct csn_node *node, struct csn_node_zone *zone, struct csn_round round);
/* Answers come from the released version from now on, if its bytes are here. */
void csn_node_serve(struct csn_node *node, struct csn_node_zone *zone);
/* Fetches certificates that a peer reports, or a proposal names as parent, and this node lacks. */
void csn_gap_advance(struct csn_node *node, struct csn_node_zone *zone);
bool csn_gap_completed(struct csn_node *node, struct csn_node_zone *zone,
                       const struct csn_event *event);
struct csn_release csn_zone_newest(const struct csn_node_zone *zone);
const struct csn_known_certificate *csn_zone_certificate(const struct csn_node_zone *zone,
                                                         struct csn_round round);
const struct csn_known_certificate *csn_zone_certificate_of(const struct csn_node_zone *zone,
                                                            const struct csn_digest *hash);
struct csn_known_certificate *csn_zone_insert_certificate(struct csn_node_zone *zone,
                                                          const struct csn_certificate *certificate,
                                                          struct csn_bytes octets);
bool csn_zone_is_complete(const struct csn_node_zone *zone, const struct csn_digest *full_root);
void csn_zone_add_version(struct csn_node_zone *zone, const struct csn_digest *full_root);
void csn_node_sweep(struct csn_node *node, struct csn_node_zone *zone);
void csn_node_broadcast_newest(struct csn_node *node, const struct csn_node_zone *zone);
/* Of the zones whose turn it is, after a promise. */
void csn_node_tell_newest(struct csn_node *node);

#endif
