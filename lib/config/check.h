/* check.h: what --check asks beyond loading, since a start must not depend on it: the hour, and
 * files that others bring. Reads files, no clock; any thread. */
#ifndef CSN_CONFIG_CHECK_H
#define CSN_CONFIG_CHECK_H

#include "config/coordinator.h"
#include "config/node.h"

/* Of the configuration as loaded from `path`: the PIN's file is not
 * empty, the input is no folder, every key that signs at
 * `now_s` or later has a token key (where there is an HSM), and is published in time; a KSK and a
 * ZSK sign at `now_s`. CSN_EREFUSED with the place. */
int csn_check_node(const char *path, const struct csn_node_config *config, uint64_t now_s,
                   struct csn_reason *reason);
/* Keys are published in time, and of each role one signs. */
int csn_check_coordinator(const struct csn_coordinator_config *config, uint64_t now_s,
                          struct csn_reason *reason);

#endif
