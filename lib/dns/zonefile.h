/* zonefile.h: zone-file text -> records, with libzscanner, from memory (a scanner that maps files follows $INCLUDE anywhere).
 * $INCLUDE is refused; the last line must end in a newline; errors name file and line. */
#ifndef CSN_DNS_ZONEFILE_H
#define CSN_DNS_ZONEFILE_H

#include "base/bytes.h"
#include "base/error.h"

struct csn_record;

/* Called for each record, which lives for the call; not CSN_OK stops the reading with that code. */
typedef int csn_record_fn(void *arg, const struct csn_record *record, struct csn_reason *reason);

/* `file` is for messages; `origin` wire form. CSN_EFORMAT on syntax, with "file:line: code: …"; a refusal of `fn` gets the same
 * prefix. Codes of the scanner's refusals are label-length, name-length, class (it knows IN only) and syntax for all else,
 * meta-types by mnemonic among them; other codes come from `fn`. The line is that on which a record ends. A TTL is needed: on
 * the record or by $TTL before it. */
int csn_zonefile_read(struct csn_bytes text, const char *file, const uint8_t *origin, csn_record_fn *fn, void *arg,
                      struct csn_reason *reason);

#endif
