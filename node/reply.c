#include "reply.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/bounded.h"
#include "base/pack.h"
#include "mesh/mesh.h"

#define LEVEL 1 /* as small as the next ones to a few parts in a hundred, and some milliseconds a piece: the loop may do it */
#define WORTH 512 /* octets; what is smaller goes as it is */
#define MEMORY_MAX ((size_t)4 * 1024 * 1024) /* of a reply taken apart */

/* False: it would not be less. */
static bool pack_compressed(struct csn_bytes packed, struct csn_buf *buf)
{
    Consign__BulkReply outer = CONSIGN__BULK_REPLY__INIT;
    size_t size_max = packed.size - packed.size / 16;
    uint8_t *octets = csn_alloc(size_max);
    size_t size = ZSTD_compress(octets, size_max, packed.data, packed.size, LEVEL);
    bool is_less = !ZSTD_isError(size); /* else it did not fit */
    if (is_less) {
        outer.zstd = (ProtobufCBinaryData){.len = size, .data = octets};
        csn_pack(&outer.base, buf);
    }
    free(octets);
    return is_less;
}

void csn_reply_pack(const Consign__BulkReply *reply, bool takes_zstd, struct csn_buf *buf)
{
    struct csn_buf packed = {0};
    csn_pack(&reply->base, &packed);
    if (!takes_zstd || packed.size < WORTH || !pack_compressed(csn_buf_view(&packed), buf)) {
        csn_buf_put_bytes(buf, csn_buf_view(&packed));
    }
    csn_buf_fini(&packed);
}

static Consign__BulkReply *unpack(struct csn_bytes octets)
{
    struct csn_bounded bounded;
    csn_bounded_init(&bounded, MEMORY_MAX);
    return consign__bulk_reply__unpack(&bounded.allocator, octets.size, octets.data);
}

/* The size is what the frame says of itself; a frame that holds more than it says does not fit, and one that says nothing is
 * not from csn_reply_pack. */
static Consign__BulkReply *unpack_compressed(ProtobufCBinaryData zstd)
{
    unsigned long long size = ZSTD_getFrameContentSize(zstd.data, zstd.len);
    if (size > CSN_MESH_REPLY_MAX) { /* or one of its two errors, which are larger */
        return NULL;
    }
    uint8_t *octets = csn_alloc((size_t)size + 1);
    size_t found = ZSTD_decompress(octets, (size_t)size, zstd.data, zstd.len);
    Consign__BulkReply *reply = ZSTD_isError(found) ? NULL : unpack(csn_bytes(octets, found));
    free(octets);
    return reply;
}

Consign__BulkReply *csn_reply_unpack(struct csn_bytes octets)
{
    Consign__BulkReply *reply = unpack(octets), *inner = reply;
    if (reply != NULL && reply->zstd.len > 0) {
        inner = unpack_compressed(reply->zstd);
        consign__bulk_reply__free_unpacked(reply, NULL);
    }
    if (inner != NULL && inner->zstd.len > 0) { /* once, not twice */
        consign__bulk_reply__free_unpacked(inner, NULL);
        inner = NULL;
    }
    return inner;
}

void csn_reply_free(Consign__BulkReply **take_reply)
{
    consign__bulk_reply__free_unpacked(*take_reply, NULL);
    *take_reply = NULL;
}
