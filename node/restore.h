/* restore.h: a node's start: what the store holds is checked and handed to the round core. A version whose roots are not its
 * name is deleted and said so: it can be fetched again, and never is served. At start only. */
#ifndef CSN_NODE_RESTORE_H
#define CSN_NODE_RESTORE_H

#include "daemon.h"

/* CSN_EDAMAGED: records or the second copy cannot be believed; the node must not run. */
int csn_restore(struct csn_daemon *daemon, struct csn_reason *reason);

#endif
