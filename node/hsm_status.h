/* hsm_status.h: what a site's status says of its own HSM: one line for all zones that one cause stops. Loop thread. */
#ifndef CSN_NODE_HSM_STATUS_H
#define CSN_NODE_HSM_STATUS_H

#include "daemon.h"

/* For the site's row: "ok", "none", or what is wrong, once. */
const char *csn_hsm_status_text(const struct csn_daemon *daemon, struct csn_status *status);

/* A key that is not the published one is critical; what else keeps the token from signing degrades, but in maintenance. */
void csn_hsm_status_blame(const struct csn_daemon *daemon, bool is_in_maintenance, struct csn_status *status);

#endif
