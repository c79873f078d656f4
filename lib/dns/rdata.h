/* rdata.h: the layout of RDATA by type: its syntax and its canonical form (signing.md 1). Pure; any
 * thread.
 *
 * A type without a layout here is octets (RFC 3597) and passes. Names are whole in RDATA: what can
 * be compressed was expanded before, so a pointer is an error. */
#ifndef CSN_DNS_RDATA_H
#define CSN_DNS_RDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

/* Types that no zone holds: 0, OPT and 128 to 255 (RFC 6895 3.1). */
bool csn_type_is_meta(uint16_t type);

/* Whether names in the RDATA of this type are lower-cased: RFC 4034 6.2 as amended by RFC 6840 5.1.
 */
bool csn_type_has_lower_names(uint16_t type);

/* The syntax of `rdata`: CSN_EREFUSED and a reason that begins with "rdata" or, for a name over 255
 * octets, "name-length". */
int csn_rdata_check(uint16_t type, struct csn_bytes rdata, struct csn_reason *reason);

/* Lower-cases the names in checked RDATA where its type asks for it. */
void csn_rdata_lower(uint16_t type, uint8_t *rdata, size_t size);

#endif
