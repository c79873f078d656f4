/* history_check.h: what a delta from a peer must be, whichever way it is used. It needs nobody's word: its certificate verifies
 * against the document of its epoch and is of the version that is wanted, and the delta leads to that version from the parent
 * that the certificate names. That it leads there is for the leaves to show. Private to the history's files. */
#ifndef CSN_NODE_HISTORY_CHECK_H
#define CSN_NODE_HISTORY_CHECK_H

#include "daemon.h"
#include "zone/leafset.h"

struct csn_history_checker {
    const uint8_t *zone;          /* borrows */
    struct csn_cluster *clusters; /* owns; copies of the documents of all epochs, for worker threads */
    size_t cluster_count;
};
/* Loop thread. */
void csn_history_checker_init(const struct csn_zone_shell *zone, struct csn_history_checker *ret_checker);
void csn_history_checker_fini(struct csn_history_checker *checker);

/* Any thread. CSN_ESIGNATURE; CSN_EMISMATCH: not a delta to `to`, or not from its parent. */
int csn_history_check(const struct csn_history_checker *checker, const struct csn_digest *to, const struct csn_stored_delta *stored,
                      struct csn_delta *ret_delta);

/* The leaves of a version that is complete here. Worker threads. */
int csn_history_leaves(const struct csn_zone_shell *zone, const struct csn_digest *root, struct csn_leafset **ret_leaves);

#endif
