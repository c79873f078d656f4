/* history_check.h: against what a peer's deltas are checked (kept/lineage_take.h): the documents of all epochs, copied for worker
 * threads. Loop thread. Private to the history's files. */
#ifndef CSN_NODE_HISTORY_CHECK_H
#define CSN_NODE_HISTORY_CHECK_H

#include "daemon.h"
#include "kept/lineage_take.h"

void csn_history_checker_init(const struct csn_zone_shell *zone, struct csn_lineage_checker *ret_checker);
void csn_history_checker_fini(struct csn_lineage_checker *checker);

#endif
