/* outbox.h: statements and certificates waiting to be sent, and their packing into envelopes. No
 * sockets, no clock. */
#ifndef CSN_MESH_OUTBOX_H
#define CSN_MESH_OUTBOX_H

#include "mesh/envelope.h"
#include "round/certificate.h"

struct csn_outbox_row;

/* An outbox of zeros is empty and ready. */
struct csn_outbox {
    struct csn_outbox_row *first, *last; /* owns */
    size_t count;
};

/* Copies. False: CSN_MESH_OUT_MAX wait already; it is not taken. */
bool csn_outbox_put(struct csn_outbox *outbox, const struct csn_mesh_statement *statement);
bool csn_outbox_put_certificate(struct csn_outbox *outbox, struct csn_bytes certificate);
/* One envelope of at most CSN_ENVELOPE_MAX with as many of the oldest as fit, appended to `buf`;
 * with none if none wait. */
void csn_outbox_pack(struct csn_outbox *outbox, const struct csn_sender *sender,
                     struct csn_buf *buf);
void csn_outbox_fini(struct csn_outbox *outbox);

#endif
