/* leading.h: who leads, as this site hears it, and whom it hears at all: for its status. Loop thread. */
#ifndef CSN_NODE_LEADING_H
#define CSN_NODE_LEADING_H

#include "daemon.h"
#include "ops/status.h"

/* Whether a site has said something lately. */
bool csn_leading_is_heard(const struct csn_daemon *daemon, struct csn_now now, uint16_t site);

/* The leader and the coordinators' rows; where none leads here, why. */
void csn_leading_fill(const struct csn_daemon *daemon, struct csn_now now, const struct csn_node_status *core, struct csn_status *status);

#endif
