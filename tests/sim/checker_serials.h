/* checker_serials.h: how far a serial may go, as the page says it (R4, L3), for the checker: no step of 2^20 or more but one
 * that an operator approved, in the epoch and from where he did, once; and what was announced there is passed by an emergency that
 * follows, lest the others go there (R8). No code of lib/round. Of a violation it tells the world. */
#ifndef SIM_CHECKER_SERIALS_H
#define SIM_CHECKER_SERIALS_H

#include "sim/layout.h"
#include "sim/world.h"

#define SIM_APPROVALS_MAX 16 /* of a run; more fail it */

struct sim_approval {
    unsigned zone;
    uint32_t epoch, from, to;
    bool is_approved; /* else announced alone */
    bool has_vote; /* in its epoch: a floor, which the next ones may take over (R8) */
    bool is_used;
    uint8_t used[LAYOUT_ROUND]; /* the certified round that did */
};

struct sim_serials {
    struct sim_approval items[SIM_APPROVALS_MAX];
    unsigned count;
};

/* The same again, and what its form forbids, is nothing new. */
void sim_serials_given(struct sim_serials *serials, struct sim_world *world, unsigned zone, const struct csn_order *order);
struct sim_floor_serial {
    uint32_t serial, epoch;
    const uint8_t *known; /* the round of a certificate that the site knows; NULL: of none */
};
void sim_serials_check_vote(struct sim_serials *serials, struct sim_world *world, const struct sim_actor *actor,
                            const struct sim_floor_serial *floor, const struct layout_held *held);
/* Since this round: serials of before it are no measure any more. */
bool sim_serials_has_jumped(const struct sim_serials *serials, unsigned zone, const uint8_t round[LAYOUT_ROUND]);
/* Certified next after the one before. */
void sim_serials_certified(struct sim_serials *serials, struct sim_world *world, unsigned zone,
                           const struct layout_held *before, const struct layout_held *held);

#endif
