/* difference.h: gets a version from a peer by what differs from the version this site serves: three exchanges, and octets in
 * proportion to the difference. What a peer says is believed only as far as it hashes to the full root that was asked for; what
 * comes out is kept only when its own roots are right. Loop thread. */
#ifndef CSN_NODE_DIFFERENCE_H
#define CSN_NODE_DIFFERENCE_H

#include "daemon.h"

/* `done` once, later. CSN_OK: the version is complete in the store. CSN_ELIMIT: this way is not worth it (nothing is served yet,
 * too much differs, what is here is not what it should be): ask the same site for the whole. CSN_ESLOW: for this much patience
 * (progress.h). Else: the site does not have it, or lied. */
typedef void csn_difference_fn(void *arg, int code, const char *why);
void csn_difference_fetch(struct csn_zone_shell *zone, uint16_t site, const struct csn_digest *full_root, unsigned patience,
                          csn_difference_fn *done, void *arg);

#endif
