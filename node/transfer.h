/* transfer.h: the outgoing transfer server and NOTIFY, given this node's zones: what is asked is answered with the newest release, or
 * with why not. Loop thread. */
#ifndef CSN_NODE_TRANSFER_H
#define CSN_NODE_TRANSFER_H

#include "daemon.h"

/* Opens the addresses of the configuration. Until a zone is served, it is answered SERVFAIL with an extended error. */
int csn_transfer_start(struct csn_daemon *daemon, struct csn_reason *reason);

/* A new release answers from now on: its secondaries are told, if this site is the lead. */
void csn_transfer_released(struct csn_zone_shell *zone);
/* A site that has just become the lead tells them too: the one before may have died between release and NOTIFY. */
void csn_transfer_tick(struct csn_zone_shell *zone);

#endif
