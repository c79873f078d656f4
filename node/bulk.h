/* bulk.h: what this site gives its peers on request: inputs, versions, shares and certificates, in pieces of at most 1 MiB. Reads run in
 * worker threads; everything asked for is named by its digest, so that nobody needs to believe us. Loop thread. */
#ifndef CSN_NODE_BULK_H
#define CSN_NODE_BULK_H

#include "daemon.h"

#define CSN_BULK_CERTIFICATES_MAX 64 /* in one reply; the rest is asked for again, and more are refused */

/* Answers through csn_mesh_respond, now or later, exactly once. A site that is no member any more gets links alone. */
void csn_bulk_answer(struct csn_daemon *daemon, bool is_former, struct csn_bytes request, struct csn_mesh_asked *asked);

#endif
