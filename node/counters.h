/* counters.h: what this node has counted since its start, and how full its store is, for its status. Loop thread. */
#ifndef CSN_NODE_COUNTERS_H
#define CSN_NODE_COUNTERS_H

#include "daemon.h"

void csn_counters_fill(const struct csn_daemon *daemon, struct csn_status *status);

#endif
