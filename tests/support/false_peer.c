/* Linked into a consign-node of the tests in place of the real function (ld --wrap): a site that votes as the others do, and
 * changes one bit in every long answer that it gives to a peer. */
#include "reply.h"

#define LONG_SIZE 4096

void __real_csn_reply_pack(const Consign__BulkReply *reply, bool takes_zstd, struct csn_buf *buf);
void __wrap_csn_reply_pack(const Consign__BulkReply *reply, bool takes_zstd, struct csn_buf *buf);

void __wrap_csn_reply_pack(const Consign__BulkReply *reply, bool takes_zstd, struct csn_buf *buf)
{
    (void)takes_zstd;
    __real_csn_reply_pack(reply, false, buf);
    if (buf->size > LONG_SIZE) {
        buf->data[buf->size * 3 / 4] ^= 4;
    }
}
