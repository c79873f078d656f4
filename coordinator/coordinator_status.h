/* coordinator_status.h: what a coordinator tells its operators: the sites as their last reports show
 * them, its own state as a row behind them, each zone's newest certificate, and what a round waits
 * for. It answers on the control socket as a node does; certificates and orders are a node's. Loop
 * thread only. */
#ifndef CSN_COORDINATOR_STATUS_H
#define CSN_COORDINATOR_STATUS_H

#include "coordinator.h"

/* Opens the control socket of the configuration. As csn_control_new. */
int csn_coordinator_status_start(struct csn_coordinator *coordinator, struct csn_reason *reason);

#endif
