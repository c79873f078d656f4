/* agreement.h: which sites have which input, from the rows of their reports: how many confirm one,
 * and what to say when files under one serial differ. Pure; any thread. */
#ifndef CSN_NODE_AGREEMENT_H
#define CSN_NODE_AGREEMENT_H

#include "ops/status.h"
#include "round/statement.h"

/* What each site says of one zone. Borrows. */
struct csn_agreement {
    const char *names[CSN_MEMBERS_MAX];
    const struct csn_row *rows[CSN_MEMBERS_MAX]; /* NULL: silent */
    uint8_t count, quorum;
};

/* The newest input that a site confirms; NULL: none. Borrows from the row. */
const struct csn_input_id *csn_agreement_newest(const struct csn_row *row);

/* Sites that confirm exactly this input. */
uint8_t csn_agreement_count(const struct csn_agreement *sites, const struct csn_input_id *input);

/* Blames sites whose newest inputs have one (generation, serial) and other content: critical where
 * no quorum agrees on one of them, else degraded with the odd sites' names, but for those already
 * shown as diverged. Inputs older than `released` (NULL: none) are over. True: something differs.
 */
bool csn_agreement_judge(const struct csn_agreement *sites, const char *zone,
                         const struct csn_input_id *released, struct csn_status *status);

/* Sites, as bits by their place, that are heard and whose own source has nothing as new as what was released, and no gate says
 * why: while the others have it nothing is amiss but that one feed. Not those in maintenance. `released` may be NULL: none. */
uint32_t csn_agreement_stale(const struct csn_agreement *sites, const struct csn_input_id *released);

/* Since when, Unix, each site is stale, by its place; 0: it is not. Zeros to begin with, one a zone. */
struct csn_stale {
    uint64_t since_s[CSN_MEMBERS_MAX];
};
void csn_agreement_tick_stale(const struct csn_agreement *sites, const struct csn_input_id *released, uint64_t now_s,
                              struct csn_stale *stale);

/* Blames as degraded those that have been stale for longer than `patience_s`, and are, and names them in the zone's row: files
 * come to the sites at their own times, and how new the release is does not matter. `released` may be NULL: nothing to say. */
void csn_agreement_blame_stale(const struct csn_agreement *sites, const struct csn_stale *stale, uint64_t patience_s,
                               const struct csn_input_id *released, struct csn_status *status, struct csn_status_zone *zone);

/* Since when a site has said of itself what it says (0: nothing is wrong). Zeros to begin with. */
struct csn_since {
    bool is_heard; /* it has said something */
    uint8_t said;
    uint64_t since_s; /* Unix; 0: nothing is wrong, or it was so already when it was first heard: since when is not known */
};
void csn_since_tick(struct csn_since *since, uint8_t says, uint64_t now_s);

/* An input that another site has parked, by the gate of its row: "fewer records (ask that site for
 * the reason)". */
const char *csn_agreement_gate_text(uint8_t gate);

#endif
