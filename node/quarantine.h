/* quarantine.h: an input that ends the process may do so at each start, for ever. So before one is worked on, that is written
 * down, and erased when the work is over; an input whose mark was found so twice is not worked on again (protocol.md, "Rules
 * for nodes"). A process that is killed meanwhile counts as well: it cannot be told from one that fell. Worker threads. */
#ifndef CSN_NODE_QUARANTINE_H
#define CSN_NODE_QUARANTINE_H

#include "zone/store.h"

/* Work of each kind has a mark of its own for a zone. */
enum csn_risk { CSN_RISK_READ = 'r', CSN_RISK_COMPUTE = 'c', CSN_RISK_STAGE = 's' };

/* `digest` names the input: of the file's octets, or D(prepared). CSN_EREFUSED and a reason: quarantined; else CSN_OK, or what
 * the store says. */
int csn_quarantine_enter(struct csn_store *store, enum csn_risk risk, const uint8_t *zone, const struct csn_digest *digest,
                         struct csn_reason *reason);
/* Erases the mark of this input; another's stays. */
int csn_quarantine_leave(struct csn_store *store, enum csn_risk risk, const uint8_t *zone, const struct csn_digest *digest);

#endif
