/* refused.h: keeps the refusals that this node hears (refusals.h) in the file `refusals` of the store, apart from the votes
 * and never waited for: written by a worker thread when something is new, at most once a second and a MiB. What was heard
 * since is lost with the process, nothing else. Loop thread. */
#ifndef CSN_NODE_REFUSED_H
#define CSN_NODE_REFUSED_H

#include "daemon.h"
#include "refusals.h"

/* Reads the file; one that is damaged is said and begun anew. */
void csn_refused_start(struct csn_daemon *daemon);
/* CSN_EFFECT_REFUSED. */
void csn_refused_heard(struct csn_daemon *daemon, const struct csn_effect *effect);
void csn_refused_tick(struct csn_daemon *daemon);
/* Before the process ends on purpose. */
void csn_refused_stop(struct csn_daemon *daemon);
/* Borrowed. */
const struct csn_refusals *csn_refused_all(const struct csn_daemon *daemon);

#endif
