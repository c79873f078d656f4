/* refusal.h: why a site refuses a round, in words for its operators: the rule and the test's
 * number, what the test asks, both values with what they are, and the next step. Pure; any
 * thread. */
#ifndef CSN_NODE_REFUSAL_H
#define CSN_NODE_REFUSAL_H

#include "round/node.h"

#define CSN_REFUSAL_TEXT_SIZE 512

/* The parts of what csn_refusal_write says. */
struct csn_refusal_words {
    const char *question; /* what the test asks; "" for a number that is none */
    char want[128], is[128]; /* "here version 1"; empty: the test has no such value */
    const char *next;     /* what to do */
};
void csn_refusal_words(const struct csn_refusal *refusal, struct csn_refusal_words *ret_words);

/* Whether the site that refused for its policy or key set has put right since what the round asked; NULL rows and releases are
 * of no help. The refusal itself stands until it votes, and where little changes that may be days. */
bool csn_refusal_is_mended(const struct csn_refusal *refusal, const struct csn_row *row, const struct csn_proposal *released);

/* "refused (R2, 22): policy approved here? here version 1, in the round version 2; put the same
 * policy file at this site and restart it". */
void csn_refusal_write(const struct csn_refusal *refusal, char ret_text[CSN_REFUSAL_TEXT_SIZE]);

#endif
