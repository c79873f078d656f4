/* due.h: when the schedule changes the first signature of what is served, so that no round is made
 * only to give the same signatures a new serial (signing.md 3). */
#ifndef CSN_NODE_DUE_H
#define CSN_NODE_DUE_H

#include "daemon.h"

/* Looks through the version of this certificate in a worker thread; the core hears of it as DUE.
 * A version that cannot be read is not told of: the refresh interval alone decides then. */
void csn_due_look(struct csn_zone_shell *zone, const struct csn_body_held *held);

#endif
