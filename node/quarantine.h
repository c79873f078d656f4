/* quarantine.h: an input that ends the process may do so at each start, for ever. So before one is worked on, that is written
 * down, and erased when the work is over; an input whose mark was found so twice is not worked on again (protocol.md, "Rules
 * for nodes"). A process that ends by itself, as it is told to, takes back the marks of what it is at; one that is killed
 * cannot be told from one that fell, so that counts. Any thread. */
#ifndef CSN_NODE_QUARANTINE_H
#define CSN_NODE_QUARANTINE_H

#include "zone/store.h"

/* Work of each kind has a mark of its own for a zone. */
enum csn_risk { CSN_RISK_READ = 'r', CSN_RISK_COMPUTE = 'c', CSN_RISK_STAGE = 's' };

struct csn_quarantine;

/* Borrows the store. */
struct csn_quarantine *csn_quarantine_new(struct csn_store *store);
void csn_quarantine_free(struct csn_quarantine *take_quarantine);
/* `digest` names the input: of the file's octets, or D(prepared). CSN_EREFUSED and a reason: quarantined; else CSN_OK, or what
 * the store says. Entered as often as it is left: one process counts once, however often it is at the same input. */
int csn_quarantine_enter(struct csn_quarantine *quarantine, enum csn_risk risk, const uint8_t *zone,
                         const struct csn_digest *digest, struct csn_reason *reason);
/* Erases the mark of this input; another's stays. */
int csn_quarantine_leave(struct csn_quarantine *quarantine, enum csn_risk risk, const uint8_t *zone,
                         const struct csn_digest *digest);
/* This process is about to end, and not because of an input: what it is at shall count as if it had never been begun. What
 * cannot be written counts. From now on nothing is entered (CSN_ECLOSED). */
void csn_quarantine_end(struct csn_quarantine *quarantine);

#endif
