/* rdata.h: base64 and the few record types that stand in documents, from presentation form to
 * octets. Pure. */
#ifndef CSN_CONFIG_RDATA_H
#define CSN_CONFIG_RDATA_H

#include "base/bytes.h"

/* Appends the octets. White space may stand anywhere; padding is asked for (RFC 4648 4).
 * CSN_EFORMAT. */
int csn_base64_decode(const char *text, struct csn_buf *buf);

/* RDATA appended to `buf`, which is as before on failure: DNSKEY and CDNSKEY ("257 3 13 base64",
 * RFC 4034 2.2), DS and CDS
 * ("12345 13 2 hex", RFC 4034 5.3); white space may stand inside base64 and hex. CSN_EFORMAT. */
int csn_rdata_parse_key(const char *text, struct csn_buf *buf);
int csn_rdata_parse_ds(const char *text, struct csn_buf *buf);

#endif
