/* Linked into a consign-node of the tests in place of the real function (ld --wrap): a site that never stops. To whom asks for the
 * differences since a version it gives one piece of nothing after the other and says that they are few octets; where it has a
 * certificate to give, it gives thirty thousand. */
#include "reply.h"

#include <stdlib.h>

#define PIECE_SIZE 1000000
#define CERTIFICATES 30000

void __real_csn_reply_pack(const Consign__BulkReply *reply, bool takes_zstd, struct csn_buf *buf);
void __wrap_csn_reply_pack(const Consign__BulkReply *reply, bool takes_zstd, struct csn_buf *buf);

static void flood_deltas(Consign__BulkReply reply, bool takes_zstd, struct csn_buf *buf)
{
    static const uint8_t few[8] = {0};
    uint8_t *octets = csn_calloc(PIECE_SIZE, 1);
    reply.status = CONSIGN__BULK_STATUS__BULK_OK;
    reply.octets = (ProtobufCBinaryData){.len = PIECE_SIZE, .data = octets};
    reply.meta.data = (uint8_t *)(uintptr_t)few;
    reply.is_last = false;
    __real_csn_reply_pack(&reply, takes_zstd, buf);
    free(octets);
}

static void flood_certificates(Consign__BulkReply reply, bool takes_zstd, struct csn_buf *buf)
{
    static uint8_t octet;
    ProtobufCBinaryData *views = csn_calloc(CERTIFICATES, sizeof(views[0]));
    for (size_t i = 0; i < CERTIFICATES; i++) {
        views[i] = (ProtobufCBinaryData){.len = 1, .data = &octet};
    }
    reply.certificates = views;
    reply.n_certificates = CERTIFICATES;
    __real_csn_reply_pack(&reply, takes_zstd, buf);
    free(views);
}

/* Only deltas down to a version have a meta of 8 octets. */
void __wrap_csn_reply_pack(const Consign__BulkReply *reply, bool takes_zstd, struct csn_buf *buf)
{
    if (reply->meta.len == 8) {
        flood_deltas(*reply, takes_zstd, buf);
    } else if (reply->n_certificates > 0) {
        flood_certificates(*reply, takes_zstd, buf);
    } else {
        __real_csn_reply_pack(reply, takes_zstd, buf);
    }
}
