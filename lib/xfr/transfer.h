/* transfer.h: one zone on its way out: SOA, the zone in canonical order or its changes, SOA, cut into
 * messages one at a time (RFC 5936 2.2, RFC 1995 4). The reader is open from new to free. Loop
 * thread; private to lib/xfr. */
#ifndef CSN_XFR_TRANSFER_H
#define CSN_XFR_TRANSFER_H

#include "xfr/message.h"
#include "xfr/source.h"
#include "xfr/tsig.h"

/* Messages are filled up to this, so that pointers reach all of it; a record that alone is larger
 * has its own. */
#define CSN_TRANSFER_MESSAGE_SIZE 16384

/* What was asked, and how the answer is to look. */
struct csn_transfer_request {
    const struct csn_xfr_source *source; /* borrows for the transfer's life */
    const uint8_t *zone;
    uint8_t header[CSN_DNS_HEADER_SIZE];
    struct csn_bytes question;
    struct csn_edns edns; /* for the first message; texts are borrowed for the transfer's life;
                             expire_s is cut to the SOA's */
    struct csn_tsig tsig;
    bool is_changes;      /* since from_serial; else the whole zone */
    uint32_t from_serial; /* the client's */
};

struct csn_transfer;

/* Copies the request. CSN_EDAMAGED when the zone has no SOA, or what the source says (of changes
 * CSN_ENOTFOUND: send the whole zone). */
int csn_transfer_new(const struct csn_transfer_request *request,
                     struct csn_transfer **ret_transfer);
void csn_transfer_free(struct csn_transfer *take_transfer);

/* Appends the next message to `buf`; CSN_ENOTFOUND after the last. Anything else: the other side
 * must not take the transfer for whole, so the connection is closed. */
int csn_transfer_next(struct csn_transfer *transfer, struct csn_buf *buf);
/* Appends all of it to `buf` as one message of at most `size_max` octets, before any other was made.
 * CSN_ELIMIT: it is more; then nothing is appended. */
int csn_transfer_whole(struct csn_transfer *transfer, size_t size_max, struct csn_buf *buf);

struct csn_transfer_progress {
    const uint8_t *zone; /* borrows */
    uint32_t serial;
    bool is_changes;
    uint32_t from_serial;
    uint64_t messages, records, octets;
};
struct csn_transfer_progress csn_transfer_progress(const struct csn_transfer *transfer);

/* The entry of the zone's apex with this type, or CSN_ENOTFOUND; it lives until the reader is
 * closed. For queries as well. */
int csn_apex_entry(const struct csn_xfr_source *source, void *reader, const uint8_t *zone,
                   uint16_t type, struct csn_entry *ret_entry);

#endif
