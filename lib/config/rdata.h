/* rdata.h: base64 and the few record types that stand in documents, from presentation form to
 * octets. Pure. */
#ifndef CSN_CONFIG_RDATA_H
#define CSN_CONFIG_RDATA_H

#include <stdbool.h>

#include "base/bytes.h"

/* Appends the octets. White space may stand anywhere; padding is asked for (RFC 4648 4).
 * CSN_EFORMAT. */
int csn_base64_decode(const char *text, struct csn_buf *buf);

/* RDATA appended to `buf`, which is as before on failure: DNSKEY and CDNSKEY ("257 3 13 base64",
 * RFC 4034 2.2), DS and CDS
 * ("12345 13 2 hex", RFC 4034 5.3); white space may stand inside base64 and hex. CSN_EFORMAT. */
int csn_rdata_parse_key(const char *text, struct csn_buf *buf);
int csn_rdata_parse_ds(const char *text, struct csn_buf *buf);

/* Whether the public key in a DNSKEY's RDATA is as long as its algorithm says: 13 and 14 (RFC 6605
 * 4), 15 and 16 (RFC 8080 3); 8 and 10 in the form of RFC 3110 2 with a modulus of 1024 to 4096 bits (RFC
 * 5702 2). Any other algorithm may have any length. */
bool csn_rdata_key_fits(struct csn_bytes dnskey);

#endif
