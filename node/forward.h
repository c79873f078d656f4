/* forward.h: gets a version from a peer by the deltas that lead to it from the version this site serves, which its history needs
 * anyway: nothing else travels. Each is checked as those of history_fetch.c are, but forward: from the leaves of what is served
 * to the full root that each certificate names. Loop thread. */
#ifndef CSN_NODE_FORWARD_H
#define CSN_NODE_FORWARD_H

#include "difference.h"

/* As csn_difference_fetch. CSN_ENOTFOUND: the site's history does not reach what is served here; CSN_ELIMIT: it is more than
 * the zone; CSN_ESLOW. */
void csn_forward_fetch(struct csn_zone_shell *zone, uint16_t site, const struct csn_digest *full_root, unsigned patience,
                       csn_difference_fn *done, void *arg);

#endif
