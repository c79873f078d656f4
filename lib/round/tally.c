#include "round/tally.h"

#include <stdlib.h>

#include "round/fields.h"

void csn_tally_init(struct csn_tally *tally, unsigned member_count)
{
    *tally = (struct csn_tally){.member_count = member_count};
}

void csn_tally_fini(struct csn_tally *tally)
{
    free(tally->votes);
}

/* Where a vote goes: where the same body is, a free place, or that of the lowest round if it is
 * lower. */
static struct csn_tally_vote *place(struct csn_tally_vote *of_site,
                                    const struct csn_digest *body_digest, struct csn_round round)
{
    struct csn_tally_vote *lowest = of_site;
    for (unsigned i = 0; i < CSN_TALLY_MAX; i++) {
        struct csn_tally_vote *vote = &of_site[i];
        if (vote->is_set && csn_digest_equal(&vote->body_digest, body_digest)) {
            return vote;
        }
        if (lowest->is_set &&
            (!vote->is_set ||
             csn_round_compare(vote->held.proposal.round, lowest->held.proposal.round) < 0)) {
            lowest = vote;
        }
    }
    return !lowest->is_set || csn_round_compare(lowest->held.proposal.round, round) < 0 ? lowest
                                                                                        : NULL;
}

const struct csn_tally_vote *csn_tally_add(struct csn_tally *tally, unsigned member,
                                           const struct csn_body_held *held,
                                           const struct csn_certificate_vote *vote)
{
    struct csn_digest body_digest;
    struct csn_buf body = {0};
    csn_put_held(&body, held);
    csn_sha384(csn_buf_view(&body), &body_digest);
    csn_buf_fini(&body);
    if (tally->votes == NULL) { /* few of many zones have votes that are not certified */
        tally->votes = csn_calloc(tally->member_count * CSN_TALLY_MAX, sizeof(*tally->votes));
    }
    struct csn_tally_vote *kept =
        place(tally->votes + member * CSN_TALLY_MAX, &body_digest, held->proposal.round);
    if (kept != NULL) {
        *kept = (struct csn_tally_vote){
            .is_set = true, .body_digest = body_digest, .held = *held, .vote = *vote};
        csn_proposal_hash(&held->proposal, &kept->hash);
    }
    return kept;
}

/* Votes kept, of none while there are no places. */
static unsigned place_count(const struct csn_tally *tally)
{
    return tally->votes != NULL ? tally->member_count * CSN_TALLY_MAX : 0;
}

static unsigned places_of_site(const struct csn_tally *tally)
{
    return tally->votes != NULL ? CSN_TALLY_MAX : 0;
}

static const struct csn_tally_vote *votes_of(const struct csn_tally *tally, unsigned member)
{
    return tally->votes != NULL ? tally->votes + member * CSN_TALLY_MAX : NULL;
}

void csn_tally_prune(struct csn_tally *tally, struct csn_round round)
{
    bool is_empty = true;
    for (unsigned i = 0; i < place_count(tally); i++) {
        if (csn_round_compare(tally->votes[i].held.proposal.round, round) <= 0) {
            tally->votes[i].is_set = false;
        }
        is_empty = is_empty && !tally->votes[i].is_set;
    }
    if (is_empty) {
        free(tally->votes);
        tally->votes = NULL;
    }
}

bool csn_tally_has(const struct csn_tally *tally, unsigned member, struct csn_round round)
{
    const struct csn_tally_vote *of_site = votes_of(tally, member);
    bool has = false;
    for (unsigned i = 0; i < places_of_site(tally); i++) {
        has = has || (of_site[i].is_set &&
                      csn_round_compare(of_site[i].held.proposal.round, round) == 0);
    }
    return has;
}

unsigned csn_tally_input(const struct csn_tally *tally, const struct csn_input_id *input)
{
    unsigned sites = 0;
    for (unsigned member = 0; member < tally->member_count; member++) {
        const struct csn_tally_vote *of_site = votes_of(tally, member);
        bool has = false;
        for (unsigned i = 0; i < places_of_site(tally); i++) {
            has = has ||
                  (of_site[i].is_set && csn_input_equal(&of_site[i].held.proposal.input, input));
        }
        sites += has;
    }
    return sites;
}

static const struct csn_tally_vote *find(const struct csn_tally *tally, unsigned member,
                                         const struct csn_digest *body_digest)
{
    const struct csn_tally_vote *of_site = votes_of(tally, member);
    for (unsigned i = 0; i < places_of_site(tally); i++) {
        if (of_site[i].is_set && csn_digest_equal(&of_site[i].body_digest, body_digest)) {
            return &of_site[i];
        }
    }
    return NULL;
}

bool csn_tally_certify(const struct csn_tally *tally, const struct csn_tally_vote *like,
                       unsigned quorum, struct csn_certificate *ret_certificate)
{
    struct csn_certificate certificate = {.held = like->held};
    /* Members stand in ascending order in the cluster document, so sites ascend here. */
    for (unsigned i = 0; i < tally->member_count && certificate.vote_count < quorum; i++) {
        const struct csn_tally_vote *vote = find(tally, i, &like->body_digest);
        if (vote != NULL) {
            certificate.votes[certificate.vote_count++] = vote->vote;
        }
    }
    if (certificate.vote_count < quorum) {
        return false;
    }
    *ret_certificate = certificate;
    return true;
}

const struct csn_tally_vote *csn_tally_highest(const struct csn_tally *tally,
                                               struct csn_round above)
{
    const struct csn_tally_vote *highest = NULL;
    for (unsigned i = 0; i < place_count(tally); i++) {
        const struct csn_tally_vote *vote = &tally->votes[i];
        if (vote->is_set && csn_round_compare(vote->held.proposal.round, above) > 0) {
            above = vote->held.proposal.round;
            highest = vote;
        }
    }
    return highest;
}

unsigned csn_tally_count(const struct csn_tally *tally, const struct csn_digest *hash)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tally->member_count; i++) {
        for (unsigned k = 0; k < places_of_site(tally); k++) {
            const struct csn_tally_vote *vote = &tally->votes[i * CSN_TALLY_MAX + k];
            if (vote->is_set && csn_digest_equal(&vote->hash, hash)) {
                count++;
                break;
            }
        }
    }
    return count;
}
