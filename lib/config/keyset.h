/* keyset.h: the key-set document, YAML to struct csn_keyset; what it may hold is checked by
 * csn_keyset_check. */
#ifndef CSN_CONFIG_KEYSET_H
#define CSN_CONFIG_KEYSET_H

#include "keys/keyset.h"

/* `file` is for messages. CSN_EFORMAT; CSN_EREFUSED: an event of a key that is not in the document,
 * a name or a list twice. The caller ends it with csn_keyset_fini. */
int csn_keyset_parse(struct csn_bytes text, const char *file, struct csn_keyset *ret_keyset,
                     struct csn_reason *reason);

#endif
