/* keyset.h: the key-set document, YAML to struct csn_keyset; what it may hold is checked by csn_keyset_check. */
#ifndef CSN_CONFIG_KEYSET_H
#define CSN_CONFIG_KEYSET_H

#include "keys/keyset.h"

/* `file` is for messages. CSN_EFORMAT; CSN_EREFUSED: an event of a key that is not in the document, a name or a list twice. The
 * caller ends it with csn_keyset_fini. */
int csn_keyset_parse(struct csn_bytes text, const char *file, struct csn_keyset *ret_keyset, struct csn_reason *reason);

/* RDATA from its presentation form, appended to `buf`: DNSKEY and CDNSKEY ("257 3 13 base64"), DS and CDS ("12345 13 2 hex");
 * spaces may stand inside base64 and hex. CSN_EFORMAT. */
int csn_rdata_parse_key(const char *text, struct csn_buf *buf);
int csn_rdata_parse_ds(const char *text, struct csn_buf *buf);

#endif
