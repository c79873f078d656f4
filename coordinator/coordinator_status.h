/* coordinator_status.h: what a coordinator tells its operators: the sites as their last reports show
 * them, its own state as a row behind them, each zone's newest certificate, and what a round waits
 * for. It answers on the control socket as a node does; certificates and orders are a node's. Loop
 * thread only. */
#ifndef CSN_COORDINATOR_STATUS_H
#define CSN_COORDINATOR_STATUS_H

#include "coordinator.h"

/* Opens the control socket of the configuration. As csn_control_new. */
int csn_coordinator_status_start(struct csn_coordinator *coordinator, struct csn_reason *reason);

/* At each tick: which coordinators the sites hear. */
void csn_coordinator_status_tick(struct csn_coordinator *coordinator);

/* Whom q sites that are heard follow, as far as can be seen; 0: nobody. */
uint16_t csn_coordinator_leader(const struct csn_coordinator *coordinator, struct csn_now now);

/* Why a zone is as it is; CSN_ENOTFOUND, CSN_EREFUSED and a reason. */
int csn_coordinator_explain(const struct csn_coordinator *coordinator, const struct csn_control_explain *explain,
                            struct csn_explanation *ret_explanation, struct csn_reason *reason);

#endif
