/* leader_hand.h: one leader, of coordinator 1 above three sites with q = 2, driven by hand: reports of the sites are fed to it, and
 * what it sends is looked at. Of the world (round_world.h) only the cluster and the zone are there. */
#ifndef CSN_TESTS_LEADER_HAND_H
#define CSN_TESTS_LEADER_HAND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "round_world.h"

struct hand {
    struct world world; /* cluster and zone only */
    struct csn_leader *leader;
    struct csn_effects effects; /* since the last look */
    uint64_t now_ms;
    uint64_t report_seq;
    /* what the sites report */
    struct csn_row rows[WORLD_SITES];
    struct csn_term promised[WORLD_SITES];
    bool is_silent[WORLD_SITES];
    bool is_halted[WORLD_SITES];
    bool is_sealed[WORLD_SITES];
    bool is_ahead[WORLD_SITES]; /* in the next epoch */
    int64_t clock_ahead_s[WORLD_SITES];
};

/* Started; each site has one input, the same. */
struct hand *make_hand(void);
/* And one site may lie: f = 1. */
struct hand *make_hand_beside_a_liar(void);
/* In LEADING, effects cleared before its first proposal. */
struct hand *make_leading(void);
void drop_hand(struct hand *hand);
/* Another leader, of the cluster and the zone as they are now. */
void renew_leader(struct hand *hand);

/* --- steps */

/* Of this kind, at the hand's time; the caller fills in the rest. */
struct csn_event event_of(const struct hand *hand, enum csn_event_kind kind);
void statement(struct hand *hand, enum csn_statement_kind kind, uint16_t signer,
               struct csn_bytes body);
/* Ticks, and a report of each site that is not silent, every 250 ms. */
void run(struct hand *hand, uint64_t span_ms);
/* The sites promise the term that it asked for last. */
void promise_all(struct hand *hand);
/* Until it asks and the sites have promised, from their next reports on. */
void elect(struct hand *hand);
/* And until it has proposed. */
void first_proposal(struct hand *hand, struct csn_body_proposal *ret_body);
/* Until it proposes a round above `proposal`'s, which replaces it. */
void next_fresh(struct hand *hand, struct csn_proposal *proposal);
void refuse(struct hand *hand, unsigned site, const struct csn_proposal *proposal,
            enum csn_test test);
/* The newest certificate is this proposal's, and every site has it. */
void certify(struct hand *hand, const struct csn_proposal *proposal);
/* All sites confirm this input, from their next reports on. */
void confirm(struct hand *hand, struct csn_input_id input);

/* --- what came of it */

/* The last statement of this kind since the effects were cleared; NULL: none. */
const struct csn_effect *last_sent(const struct hand *hand, enum csn_statement_kind kind);
struct csn_body_lead last_lead(const struct hand *hand);
/* False: none. */
bool last_proposal(const struct hand *hand, struct csn_body_proposal *ret_body);

#endif
