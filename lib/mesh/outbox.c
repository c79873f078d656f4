#include "mesh/outbox.h"

#include <stdlib.h>
#include <string.h>

#define SENDER_SIZE_MAX 256 /* of an envelope without rows */

struct csn_outbox_row {
    struct csn_outbox_row *next; /* owns */
    bool is_certificate;
    struct csn_mesh_statement statement; /* its body, or the certificate, is `octets` */
    size_t size;
    uint8_t octets[];
};

static struct csn_outbox_row *put(struct csn_outbox *outbox, struct csn_bytes octets)
{
    if (outbox->count == CSN_MESH_OUT_MAX) {
        return NULL;
    }
    struct csn_outbox_row *row = csn_alloc(sizeof(*row) + octets.size);
    *row = (struct csn_outbox_row){.size = octets.size};
    if (octets.size > 0) {
        memcpy(row->octets, octets.data, octets.size);
    }
    if (outbox->last != NULL) {
        outbox->last->next = row;
    } else {
        outbox->first = row;
    }
    outbox->last = row;
    outbox->count++;
    return row;
}

bool csn_outbox_put(struct csn_outbox *outbox, const struct csn_mesh_statement *statement)
{
    REQUIRE(statement->body.size <= CSN_STATEMENT_MAX);
    struct csn_outbox_row *row = put(outbox, statement->body);
    if (row == NULL) {
        return false;
    }
    row->statement = *statement;
    row->statement.body = csn_bytes(row->octets, row->size);
    return true;
}

bool csn_outbox_put_certificate(struct csn_outbox *outbox, struct csn_bytes certificate)
{
    REQUIRE(certificate.size <= CSN_CERTIFICATE_MAX);
    struct csn_outbox_row *row = put(outbox, certificate);
    if (row == NULL) {
        return false;
    }
    row->is_certificate = true;
    return true;
}

static void drop_first(struct csn_outbox *outbox)
{
    struct csn_outbox_row *row = outbox->first;
    outbox->first = row->next;
    outbox->count--;
    if (outbox->first == NULL) {
        outbox->last = NULL;
    }
    free(row);
}

void csn_outbox_pack(struct csn_outbox *outbox, const struct csn_sender *sender,
                     struct csn_buf *buf)
{
    struct csn_envelope envelope = {.sender = *sender};
    size_t size = SENDER_SIZE_MAX;
    for (const struct csn_outbox_row *row = outbox->first; row != NULL; row = row->next) {
        size += row->size + CSN_ENVELOPE_ROW_OVERHEAD;
        if (size > CSN_ENVELOPE_MAX || envelope.statement_count == CSN_ENVELOPE_STATEMENTS_MAX ||
            envelope.certificate_count == CSN_ENVELOPE_CERTIFICATES_MAX) {
            break;
        }
        if (row->is_certificate) {
            envelope.certificates[envelope.certificate_count++] = csn_bytes(row->octets, row->size);
        } else {
            envelope.statements[envelope.statement_count++] = row->statement;
        }
    }
    csn_envelope_encode(&envelope, buf);
    for (size_t i = envelope.statement_count + envelope.certificate_count; i > 0; i--) {
        drop_first(outbox);
    }
}

void csn_outbox_fini(struct csn_outbox *outbox)
{
    while (outbox->first != NULL) {
        drop_first(outbox);
    }
}
