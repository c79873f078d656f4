/* pack.h: what is handed to protobuf-c for packing. Its texts and octets are not const, and it only reads them: what is lent here
 * stays the caller's, which keeps it until the message is packed. */
#ifndef CSN_BASE_PACK_H
#define CSN_BASE_PACK_H

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"
#include "base/error.h"

static inline char *csn_pack_text(const char *text)
{
    return (char *)(uintptr_t)text;
}

static inline ProtobufCBinaryData csn_pack_bytes(struct csn_bytes bytes)
{
    return (ProtobufCBinaryData){.len = bytes.size, .data = (uint8_t *)(uintptr_t)bytes.data};
}

static inline void csn_pack(const ProtobufCMessage *message, struct csn_buf *buf)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    protobuf_c_message_pack(message, csn_buf_reserve(buf, size));
    buf->size += size;
}

/* CSN_ELIMIT, and nothing is appended, above `size_max` octets. */
static inline int csn_pack_within(const ProtobufCMessage *message, size_t size_max, struct csn_buf *buf)
{
    if (protobuf_c_message_get_packed_size(message) > size_max) {
        return CSN_ELIMIT;
    }
    csn_pack(message, buf);
    return CSN_OK;
}

#endif
