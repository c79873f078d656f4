/* documents.h: copies of the cluster documents this node has run with, in its store. A release is checked against the document it was
 * certified under, so that an edited file stops votes but darkens nothing. Loop thread; small reads and writes. */
#ifndef CSN_NODE_DOCUMENTS_H
#define CSN_NODE_DOCUMENTS_H

#include "daemon.h"

/* At start: keeps the document of the configuration. */
int csn_documents_keep(struct csn_daemon *daemon, struct csn_reason *reason);

/* The certificate against the document that it names. CSN_ENOTFOUND: no such copy is here; else as csn_certificate_check. */
int csn_documents_check(struct csn_daemon *daemon, const struct csn_certificate *certificate, struct csn_reason *reason);

#endif
