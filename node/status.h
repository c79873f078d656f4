/* status.h: the picture this node has of the cluster, for consignctl: from its own state and the others' last reports, so that
 * it works with every coordinator dead. Loop thread. */
#ifndef CSN_NODE_STATUS_H
#define CSN_NODE_STATUS_H

#include "daemon.h"

/* Opens the control socket. */
int csn_status_start(struct csn_daemon *daemon, struct csn_reason *reason);
/* Notes since when sites are diverged. */
void csn_status_tick(struct csn_zone_shell *zone);

#endif
