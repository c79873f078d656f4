/* leader_state.h: the inside of a leader. Private.
 *
 *   leader.c          the step: which zones it looks at, and what is known of nodes
 *   leader_take.c     statements, certificates (L6) and documents that come in
 *   leader_term.c     terms (L1, L5)
 *   leader_lead.c     who notifies
 *   leader_propose.c  what to propose next (L2, L3)
 *   leader_round.c    a round from proposal to certificate or end (L2, L4, L5, L6) */
#ifndef CSN_ROUND_LEADER_STATE_H
#define CSN_ROUND_LEADER_STATE_H

#include "round/facts.h"
#include "round/leader.h"
#include "round/node.h"
#include "round/peers.h"
#include "round/tally.h"
#include "round/tests.h"

/* An author that failed is left out for a while that doubles. */
struct csn_author_out {
    uint64_t until_ms, pause_ms;
    uint32_t boot; /* of the site when it failed; a later one clears it */
    bool is_minor; /* it refused P for a reason that says nothing of its HSM; its next vote clears
                      it */
    bool is_proven; /* alone it gave sites different signatures: one that lies starts anew whenever it likes */
};

/* Who notifies secondaries of a zone. */
struct csn_lead {
    uint16_t site;     /* 0: nobody was ever fit */
    uint64_t fit_ms;   /* when it was fit last */
    uint64_t moved_ms; /* when it was named */
    uint16_t ordered;  /* whom q sites know as ordered; 0: nobody */
    bool is_ordered_fit;
    uint64_t ordered_fit_ms; /* since when it is */
};

struct csn_leader_zone {
    size_t index;
    struct csn_lead lead;
    struct csn_tally tally;

    bool has_newest;
    struct csn_certificate newest;
    struct csn_digest newest_hash;
    struct csn_buf newest_octets; /* owns */
    uint64_t answered_ms;         /* the last broadcast of it as an answer */

    /* the round at work */
    bool is_proposed, is_fresh;
    struct csn_proposal proposal;
    struct csn_digest hash;
    uint32_t sending_seq;
    uint64_t began_ms, deadline_ms, repeat_ms;

    /* what former rounds taught */
    struct csn_round tried; /* the highest round proposed again in this term */
    uint64_t last_round_ms; /* how long the last certified one took */
    unsigned deadline_factor;
    uint64_t retry_ms, retry_pause_s;
    unsigned failures;
    uint64_t first_failure_ms;
    bool is_disagreed; /* contents differed: only on something new, or after a long pause */
    struct csn_input_id disagreed_input;
    struct csn_version_id disagreed_policy, disagreed_keyset;
    uint64_t disagreed_orders; /* the highest order_sum of a row then */
    uint64_t disagreed_until_ms, disagreed_pause_s;
    enum csn_leader_alarm alarm;
    struct csn_author_out authors_out[CSN_MEMBERS_MAX];
    /* Votes for different bytes: one author alone, in turn, until a round is certified, and for a while after */
    bool is_split;
    unsigned turn;
    uint64_t alone_until_ms, alone_pause_ms;
    bool has_ended;
    enum csn_round_end last_end;

    /* something newer was claimed, its octets are not here: waited for a little, once between two rounds */
    struct csn_round claimed;
    bool has_waited; /* or waits, since claimed_ms */
    uint64_t claimed_ms;
};

/* Rounds at a time: what more is due waits for one to end, so that queues and memory of all sites stay small. */
#define CSN_ROUNDS_AT_WORK_MAX 256

struct csn_leader {
    struct csn_cluster cluster;
    uint16_t coordinator;
    struct csn_round_zone *configs; /* owns */
    struct csn_leader_zone *zones;  /* owns */
    size_t zone_count;
    /* Which zones a step looks at: those an event touched; at a tick the rounds at work, and of the others those that were
     * touched lately and some more in turn. */
    size_t *touched; /* owns; in this step */
    size_t touched_count;
    bool *is_touched, *is_hot; /* own; hot: to be proposed for at the next tick, if there is something to propose */
    size_t hot_cursor, scan_cursor;
    size_t at_work[CSN_ROUNDS_AT_WORK_MAX]; /* zones with a round */
    size_t at_work_count;

    enum csn_leader_state state;
    struct csn_term term;
    /* The highest counter each site has shown, promised or in a round; and in a round alone. */
    uint64_t seen[CSN_MEMBERS_MAX], proposed[CSN_MEMBERS_MAX];
    uint64_t proven; /* highest in a certificate, the own, and those of sites that are called back */
    uint32_t lead_seq, proposal_seq;
    uint64_t heartbeat_ms;
    uint64_t since_ms; /* when it asked for its term, or began to lead */
    uint64_t call_back_ms; /* so long it leads before it calls back as few as may lie */
    uint64_t quorum_ms; /* when q reports were fresh last */
    uint64_t rest_until_ms, rest_s;
    uint64_t success_ms;
    bool has_success;
    size_t lead_cursor; /* the zone whose lead is said next, where one statement does not take all */
    struct csn_peers peers;
    struct csn_facts facts;

    /* of the step */
    struct csn_now now;
    struct csn_effects *effects; /* borrows */
};

/* --- leader.c */
const struct csn_round_zone *csn_leader_config(const struct csn_leader *leader,
                                               const struct csn_leader_zone *zone);
struct csn_trace *csn_leader_trace(struct csn_leader *leader, enum csn_trace_kind what,
                                   const struct csn_leader_zone *zone);
bool csn_leader_is_fresh(const struct csn_leader *leader, unsigned member);
/* Promised this term: one that promised another drops this leader's proposals without a word. */
bool csn_leader_is_followed(const struct csn_leader *leader, unsigned member);
/* A site that can vote on this zone now: its row, or NULL. */
const struct csn_row *csn_leader_ready(const struct csn_leader *leader,
                                       const struct csn_leader_zone *zone, unsigned member);
unsigned csn_leader_ready_count(const struct csn_leader *leader,
                                const struct csn_leader_zone *zone);
/* What a site's clock shows now. */
uint64_t csn_leader_clock_s(const struct csn_leader *leader, unsigned member);

/* Its round ended, in whatever way. */
void csn_leader_not_at_work(struct csn_leader *leader, const struct csn_leader_zone *zone);

/* To be looked at in this step, and to be proposed for at the next tick. */
void csn_leader_touch(struct csn_leader *leader, const struct csn_leader_zone *zone);

/* --- leader_take.c */
/* Into what is known; a vote that makes enough is certified at once. */
void csn_leader_take(struct csn_leader *leader, const struct csn_event *event);
struct csn_round csn_leader_newest(const struct csn_leader_zone *zone);
/* A certificate of this zone, own or found. */
void csn_leader_certificate(struct csn_leader *leader, struct csn_leader_zone *zone,
                            const struct csn_certificate *certificate, struct csn_bytes octets);
void csn_leader_broadcast(struct csn_leader *leader, struct csn_leader_zone *zone);
/* The same, to who is behind: not when it was said a moment ago. */
void csn_leader_answer(struct csn_leader *leader, struct csn_leader_zone *zone);

/* --- leader_term.c */
/* The site knows a term of which there was a round, by this row, by its last report. */
void csn_leader_see_proposed(struct csn_leader *leader, unsigned member, struct csn_term term);
void csn_leader_see_row(struct csn_leader *leader, unsigned member, const struct csn_row *row);
void csn_leader_see_report(struct csn_leader *leader, unsigned member);
/* By what is known now. */
void csn_leader_advance_term(struct csn_leader *leader);
void csn_leader_resign(struct csn_leader *leader);
/* Says that it asks or leads, when that is due. */
void csn_leader_heartbeat(struct csn_leader *leader);

/* --- leader_lead.c */
/* Names the lead of each zone, at a heartbeat. */
void csn_leads_name(struct csn_leader *leader);
/* Into the body of a statement; the octets of its zones into `zones`, to be freed. */
void csn_leads_say(struct csn_leader *leader, struct csn_body_lead *body, struct csn_buf *zones);

/* --- leader_propose.c */
/* Proposes if there is something to propose. */
void csn_leader_propose(struct csn_leader *leader, struct csn_leader_zone *zone);

/* --- leader_round.c */
void csn_round_begin(struct csn_leader *leader, struct csn_leader_zone *zone,
                     const struct csn_proposal *proposal, uint32_t seq, bool is_fresh);
void csn_round_advance(struct csn_leader *leader, struct csn_leader_zone *zone);
void csn_round_abandon(struct csn_leader *leader, struct csn_leader_zone *zone,
                       enum csn_round_end end);
/* L4: where disks failed and stores were put back, the leader alone may know the parent; a site that looks for it in vain says so
 * when the round may be over, or is asked for none. */
void csn_round_say_parent(struct csn_leader *leader, struct csn_leader_zone *zone);
/* Pauses 1, 2, 4 .. 60 s before the next try. */
void csn_round_back_off(struct csn_leader *leader, struct csn_leader_zone *zone);

#endif
