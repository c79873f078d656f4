/* cluster.h: the cluster document, YAML to struct csn_cluster, with the arithmetic of quorums
 * (protocol: n, q, f). */
#ifndef CSN_CONFIG_CLUSTER_H
#define CSN_CONFIG_CLUSTER_H

#include "base/error.h"
#include "round/cluster.h"

/* `file` is for messages. CSN_EFORMAT: not such a document; CSN_EREFUSED: numbers not ascending, a
 * name, key or address used twice, q > n, 2q <= n + f, officers of whom half or fewer are needed,
 * an epoch after the first without `previous`, an emergency of more than 72 hours. */
int csn_cluster_parse(struct csn_bytes text, const char *file, struct csn_cluster *ret_cluster,
                      struct csn_reason *reason);

/* Lower-case letters, digits and hyphens, not too long: a name of a site or of anyone with a key. */
bool csn_site_name_is_good(const char *name);

/* The member or coordinator with this name, or NULL. Borrowed. */
const struct csn_member *csn_cluster_member_named(const struct csn_cluster *cluster,
                                                  const char *name);
const struct csn_coordinator_id *csn_cluster_coordinator_named(const struct csn_cluster *cluster,
                                                               const char *name);

#endif
