/* rows.h: entries as octets on the mesh, for inputs and versions that one site sends to another. What comes in is a peer's
 * word: every length, name and order is checked here, and the roots decide whether the content is believed. Pure. */
#ifndef CSN_ZONE_ROWS_H
#define CSN_ZONE_ROWS_H

#include "base/error.h"
#include "dns/name.h"
#include "dns/rrset.h"

/* Row: owner | type u16 | TTL u32 | n u16 | size u32 | RDATA packed | m u16 | size u32 | RRSIG RDATA packed. */
void csn_rows_put(struct csn_buf *buf, const struct csn_entry *entry);

/* The next row, borrowed from the reader's octets. CSN_EFORMAT: cut short, a name that is no lower-case name, RDATA not
 * ascending or not count of them, RRSIGs of another TTL. CSN_ENOTFOUND at the end. */
int csn_rows_next(struct csn_reader *rows, struct csn_entry *ret_entry);

#endif
