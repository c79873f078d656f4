/* transfer.h: the outgoing transfer server and NOTIFY, given this node's zones: what is asked is answered with the newest release, or
 * with why not. Loop thread. */
#ifndef CSN_NODE_TRANSFER_H
#define CSN_NODE_TRANSFER_H

#include "daemon.h"

/* Opens the addresses of the configuration. Until a zone is served, it is answered SERVFAIL with an extended error. */
int csn_transfer_start(struct csn_daemon *daemon, struct csn_reason *reason);

/* Tells the secondaries of a new release, if this site is the lead. */
void csn_transfer_notify(struct csn_zone_shell *zone);

#endif
