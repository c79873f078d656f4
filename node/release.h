/* release.h: executes RELEASE and SERVE: a version is checked against its certificate before it answers a query, and what
 * transfers see is the newest release alone. Loop thread; the checks run in worker threads. */
#ifndef CSN_NODE_RELEASE_H
#define CSN_NODE_RELEASE_H

#include "daemon.h"

void csn_release_check(struct csn_zone_shell *zone, const struct csn_effect *effect);
void csn_release_serve(struct csn_zone_shell *zone, const struct csn_effect *effect);
/* Appends the certificate of the version that was released here last, or was about to be: it stands beside the version, in the
 * other environment than the votes. CSN_ENOTFOUND, CSN_EDAMAGED. */
int csn_release_certificate(struct csn_store *store, const uint8_t *zone, struct csn_buf *buf);
/* Recomputes the root of what is served once in a refresh interval: rot on this disk ends the process, and the next start fetches
 * the version again. */
void csn_release_tick(struct csn_zone_shell *zone);

#endif
