/* round_hand.h: one node, of site 1 among three with q = 2, driven by hand: each function is one step of it, whose effects can
 * then be looked at. Of the world (round_world.h) only the cluster and the zone are there. */
#ifndef CSN_TESTS_ROUND_HAND_H
#define CSN_TESTS_ROUND_HAND_H

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
    struct csn_node *node;
    struct csn_effects effects; /* of the last step */
    uint64_t now_ms;
};

/* Started, with an input, and promised to (5, 1). */
struct hand *make_hand(void);
/* And `faults` sites may lie. */
struct hand *make_hand_beside_liars(uint8_t faults);
void drop_hand(struct hand *hand);

/* --- one step */

/* Of this kind, at the hand's time; the caller fills in the rest. */
struct csn_event event_of(const struct hand *hand, enum csn_event_kind kind);
void step(struct hand *hand, const struct csn_event *event);
void statement(struct hand *hand, enum csn_statement_kind kind, uint16_t signer,
               struct csn_bytes body);
void persisted(struct hand *hand, uint64_t id, int code);
/* A tick so much later. */
void pass(struct hand *hand, uint64_t span_ms);
void lead(struct hand *hand, uint16_t coordinator, uint64_t counter, uint32_t seq,
          enum csn_lead_state state);
void give_input(struct hand *hand, const struct csn_input_id *id);
/* By coordinator 1 in this term, the proposal's own or not. */
void propose(struct hand *hand, const struct csn_proposal *proposal, uint64_t counter,
             uint32_t seq);
void say_computed(struct hand *hand, uint16_t site, const struct csn_digest *hash,
                  const struct csn_roots *roots);
void say_offer(struct hand *hand, uint16_t site, const struct csn_digest *hash);
void say_held(struct hand *hand, uint16_t site, const struct csn_body_held *held);
/* A site's report: what it has released, and the input that it confirmed from its own source; NULL: none. */
void hear(struct hand *hand, uint16_t site, uint64_t seq, struct csn_round released,
          const struct csn_input_id *input);
/* With the votes of these sites. */
void certificate_of(struct hand *hand, const struct csn_body_held *held, uint16_t first,
                    uint16_t second);
/* With those of sites 2 and 3. */
void certificate(struct hand *hand, const struct csn_body_held *held);
/* From the proposal to the step that emits the vote's persist; the id of that persist. */
uint64_t work_to_vote(struct hand *hand, const struct csn_proposal *proposal, uint32_t sending);

/* --- what came of it */

unsigned count(const struct hand *hand, enum csn_effect_kind kind);
/* The first effect of a kind; NULL: none. */
const struct csn_effect *find(const struct hand *hand, enum csn_effect_kind kind);
/* The first statement of a kind that it sends; NULL: none. */
const struct csn_effect *find_sent(const struct hand *hand, enum csn_statement_kind kind);

/* --- values */

/* Of round (5, 1).`seq`, as a leader would make it now; site 2 is its author. */
struct csn_proposal proposal_of(const struct hand *hand, uint32_t seq);
/* All octets alike. */
struct csn_roots some_roots(uint8_t octet);
/* A full root of `root` octets. */
struct csn_body_held held_of(const struct csn_proposal *proposal, uint8_t root);

#endif
