/* document.h: files that are read whole: at most 1 MiB, and for the cluster's documents the digest
 * that every round names. */
#ifndef CSN_CONFIG_DOCUMENT_H
#define CSN_CONFIG_DOCUMENT_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/sha.h"

/* A document as it stood in its file: what a node copies into its store. */
struct csn_document {
    struct csn_buf octets;    /* owns */
    struct csn_digest digest; /* SHA-384 of the octets */
};

/* "path: cannot be read: …" with CSN_ENOTFOUND, CSN_EPERMISSION, CSN_EIO or CSN_ELIMIT. */
int csn_document_load(const char *path, struct csn_document *ret_document,
                      struct csn_reason *reason);
void csn_document_fini(struct csn_document *document);

#endif
