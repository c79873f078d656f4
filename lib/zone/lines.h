/* lines.h: RRsets as lines of presentation format, RDATA in libknot's words. What it is given may be a peer's: RDATA that libknot
 * cannot read is shown in the form of RFC 3597. Pure. */
#ifndef CSN_ZONE_LINES_H
#define CSN_ZONE_LINES_H

#include "dns/rrset.h"

/* "- owner TTL IN type RDATA" and a newline for each record of `a` that `b` has not, then with `+` those of `b` that `a` has not;
 * either may be NULL. With another TTL it is another record. RRSIGs that are cut before their signature (`is_cut`) end with
 * "[omitted]". */
void csn_lines_differ(struct csn_buf *buf, const struct csn_rrset *a, const struct csn_rrset *b, bool is_cut);

#endif
