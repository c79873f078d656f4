/* reply.h: bulk requests and replies as they travel: packed, replies compressed (RFC 8878) where the peer takes that and it is less.
 * Rows, certificates and deltas repeat most of each other: what a site that was away fetches comes to a third. Any thread. */
#ifndef CSN_NODE_REPLY_H
#define CSN_NODE_REPLY_H

#include "base/bytes.h"
#include "bulk.pb-c.h"

/* Appended to `buf`; `reply` takes no more than CSN_MESH_REPLY_MAX packed. */
void csn_reply_pack(const Consign__BulkReply *reply, bool takes_zstd, struct csn_buf *buf);

/* To be given to csn_reply_free. NULL: malformed, more than 4 MiB of memory, or compressed from more than
 * CSN_MESH_REPLY_MAX; nothing larger is ever unpacked. */
Consign__BulkReply *csn_reply_unpack(struct csn_bytes octets);
/* `take_reply` is NULL then; it may be before. */
void csn_reply_free(Consign__BulkReply **take_reply);

#endif
