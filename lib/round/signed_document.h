/* signed_document.h: a cluster document with its officers' signatures, as it travels and as it is
 * kept; and a link of the chain of epochs: such a document with the certificate that made it the
 * one in force. Pure; any thread; decoded values borrow from the octets.
 *
 * Signed document: `CSND` | u8 1 | u32 length | document | u8 k | k x (officer u16, signature 64),
 * ascending officers. Link: `CSNL` | u8 1 | u32 length | signed document | u32 length | epoch
 * certificate. A document is signed by officers of the document before it; an officer's number is
 * its place there, from 1. */
#ifndef CSN_ROUND_SIGNED_DOCUMENT_H
#define CSN_ROUND_SIGNED_DOCUMENT_H

#include "round/certificate.h"

#define CSN_CLUSTER_DOCUMENT_MAX ((size_t)32 * 1024)
#define CSN_SIGNED_DOCUMENT_MAX                                                                    \
    (CSN_CLUSTER_DOCUMENT_MAX + 10 + CSN_MEMBERS_MAX * (2 + CSN_SIGNATURE_SIZE))
#define CSN_LINK_MAX (CSN_SIGNED_DOCUMENT_MAX + 16 * 1024)

struct csn_officer_signature {
    uint16_t officer; /* from 1 */
    uint8_t signature[CSN_SIGNATURE_SIZE];
};

struct csn_signed_document {
    struct csn_bytes document;                                /* borrows */
    uint8_t count;                                            /* k */
    struct csn_officer_signature signatures[CSN_MEMBERS_MAX]; /* ascending officers */
};

/* What an officer signs: "consign document v1" | 00 | officer u16 | 0 u32 | SHA-384(document). */
void csn_document_signed(uint16_t officer, struct csn_bytes document, struct csn_buf *buf);

void csn_signed_document_encode(const struct csn_signed_document *document, struct csn_buf *buf);
/* The form only: CSN_EFORMAT for anything but what encode writes. */
int csn_signed_document_decode(struct csn_bytes octets, struct csn_signed_document *ret_document);
/* Enough of `officers`, those of the document before, signed it, and every signature is good.
 * CSN_EREFUSED, CSN_ESIGNATURE with a reason. */
int csn_signed_document_check(const struct csn_signed_document *document,
                              const struct csn_officers *officers, csn_verify_fn *verify, void *arg,
                              struct csn_reason *reason);

struct csn_link {
    struct csn_bytes document;    /* borrows; signed */
    struct csn_bytes certificate; /* borrows; of the epoch */
};
void csn_link_encode(const struct csn_link *link, struct csn_buf *buf);
/* The form of the frame only. */
int csn_link_decode(struct csn_bytes octets, struct csn_link *ret_link);

#endif
