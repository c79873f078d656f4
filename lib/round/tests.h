/* tests.h: R4's tests as one table: a vote, the acceptance of a proposal (R2) and a leader's choice
 * (L3) ask the same rows. Pure, private to lib/round. */
#ifndef CSN_ROUND_TESTS_H
#define CSN_ROUND_TESTS_H

#include "round/step.h"

/* What the tests look at. */
struct csn_vote_case {
    const struct csn_proposal *proposal;
    const struct csn_floor *floor;
    uint32_t epoch;
    struct csn_digest epoch_digest;
    bool is_sealed, is_halted, is_held;
    uint64_t clock_s;
    const struct csn_emergency *emergency; /* of the epoch; NULL: none. Borrows */
    const struct csn_approved_serial *approved; /* by operators; NULL: none. Borrows */
    bool is_complete;           /* staged, with the full root that will be voted for */
    uint64_t earliest_expiry_s; /* of what is staged */
    uint64_t margin_s;
};

/* Who asks: each row of the table says for whom it stands. */
#define CSN_ASK_LEADER 1u   /* fields against the floor */
#define CSN_ASK_PROPOSAL 2u /* these, and the node's state: R2 */
#define CSN_ASK_VOTE 4u     /* all: R4 */

/* The first test that fails, with the limit and the value; 0: none. */
uint8_t csn_vote_test(const struct csn_vote_case *vote, unsigned ask, struct csn_value *ret_want,
                      struct csn_value *ret_is);

struct csn_value csn_value_u64(uint64_t value);
struct csn_value csn_value_digest(const struct csn_digest *digest);
struct csn_value csn_value_round(struct csn_round round);

/* R/2 - max_round_age; 0 where policy leaves none. */
uint64_t csn_margin_s(const struct csn_round_zone *zone);

/* The later by RFC 1982; `b` where it is undefined. */
uint32_t csn_serial_later(uint32_t a, uint32_t b);

/* R4: the floor of a vote for P. */
struct csn_floor csn_floor_of(const struct csn_proposal *proposal);
/* I2: whether P, certified after the old one, is behind it in serial, input, T, S, policy or key set. */
bool csn_proposal_goes_back(const struct csn_proposal *proposal, const struct csn_proposal *old);
/* Of another cluster document than the old one: perhaps of a branch that went on without the other. */
bool csn_proposal_is_of_branch(const struct csn_proposal *proposal, const struct csn_proposal *old);
/* Its serial was voted for or certified. Without a round it is the live serial that the zone was admitted with, which counts
 * until the first release: the numbers may have gone round since, and then it would be ahead of all. */
bool csn_floor_binds_serial(const struct csn_floor *floor);
/* R5: raised by a certificate whose round is not below: its fields, but the later serial. Under one document certified serials
 * only go on: where this one's is not after that of the certificate before it (NULL: none is known), the numbers have gone round
 * by approved steps that this site missed, and its own serial of then says nothing. */
void csn_floor_adopt(struct csn_floor *floor, const struct csn_proposal *before,
                     const struct csn_proposal *proposal);
/* A step of the serial so long that a few more leave nothing to compare with what was before it. */
bool csn_serial_is_leap(uint32_t from, uint32_t to);
/* Field by field the later of both. */
void csn_floor_merge(struct csn_floor *floor, const struct csn_floor *other);

#endif
