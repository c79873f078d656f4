/* coordinator.h: consign-coordinator's own configuration with the documents it names. As node.h. */
#ifndef CSN_CONFIG_COORDINATOR_H
#define CSN_CONFIG_COORDINATOR_H

#include "config/node.h"

struct csn_coordinator_zone {
    uint8_t zone[CSN_NAME_MAX];
    const char *policy_path, *keyset_path;
    struct csn_document policy_document, keyset_document; /* own */
    struct csn_policy policy;                             /* owns */
    struct csn_keyset keyset;                             /* owns */
};

struct csn_coordinator_config {
    char name[CSN_SITE_NAME_MAX];
    const struct csn_coordinator_id *self; /* in `cluster` */
    const char *cluster_path;
    struct csn_document cluster_document; /* owns */
    struct csn_cluster cluster;
    struct csn_identity identity;
    const char *control; /* socket */
    struct csn_coordinator_zone *zones; /* those of the listings too, after the others */
    size_t zone_count;
    struct csn_zone_list_config *zone_lists; /* without input and token keys */
    size_t zone_list_count;
    enum csn_level log_level;
    struct csn_arena arena; /* owns the rest */
};

/* As csn_node_config_load. */
int csn_coordinator_config_load(const char *path, struct csn_coordinator_config **ret_config,
                                struct csn_reason *reason);
void csn_coordinator_config_free(struct csn_coordinator_config *take_config);

#endif
