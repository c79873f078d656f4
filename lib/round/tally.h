/* tally.h: the HELD statements seen of one zone: q equal ones are a certificate (L6). Bounded for
 * each site: the lowest rounds go. Pure, private to lib/round. */
#ifndef CSN_ROUND_TALLY_H
#define CSN_ROUND_TALLY_H

#include "round/certificate.h"

#define CSN_TALLY_MAX 8 /* votes kept for each site */

struct csn_tally_vote {
    bool is_set;
    struct csn_digest body_digest, hash; /* of the body, H(P) */
    struct csn_body_held held;
    struct csn_certificate_vote vote;
};

struct csn_tally {
    struct csn_tally_vote *votes; /* owns; member_count x CSN_TALLY_MAX; NULL: none is kept */
    unsigned member_count;
};

void csn_tally_init(struct csn_tally *tally, unsigned member_count);
void csn_tally_fini(struct csn_tally *tally);

/* The vote as kept; NULL when it is older than all that are kept of its site. */
const struct csn_tally_vote *csn_tally_add(struct csn_tally *tally, unsigned member,
                                           const struct csn_body_held *held,
                                           const struct csn_certificate_vote *vote);
/* Forgets rounds up to this one. */
void csn_tally_prune(struct csn_tally *tally, struct csn_round round);
/* True with a certificate of the quorum's lowest sites, when so many equal bodies are there. */
bool csn_tally_certify(const struct csn_tally *tally, const struct csn_tally_vote *like,
                       unsigned quorum, struct csn_certificate *ret_certificate);
/* The vote of the highest round above `above`; NULL: none. */
const struct csn_tally_vote *csn_tally_highest(const struct csn_tally *tally,
                                               struct csn_round above);
/* The site's vote for this round is among those kept. */
bool csn_tally_has(const struct csn_tally *tally, unsigned member, struct csn_round round);
/* Sites with a vote kept for this input. */
unsigned csn_tally_input(const struct csn_tally *tally, const struct csn_input_id *input);
unsigned csn_tally_count(const struct csn_tally *tally, const struct csn_digest *hash);

#endif
