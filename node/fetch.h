/* fetch.h: executes FETCH: gets an input, a share, a version or certificates from the sites named, one after the other until one
 * has it. What comes is believed only for its digest, and is durable before FETCHED. Loop thread. */
#ifndef CSN_NODE_FETCH_H
#define CSN_NODE_FETCH_H

#include "daemon.h"

/* Before the first. */
void csn_fetch_start(struct csn_daemon *daemon);
/* Asks for what waited until a site had room for it. */
void csn_fetch_tick(struct csn_daemon *daemon);
void csn_fetch(struct csn_zone_shell *zone, const struct csn_effect *effect);

#endif
