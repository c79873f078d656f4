/* node_own.h: a node's configuration while it is read: the table of its keys, and what is loaded and checked beyond it. For
 * node*.c alone. One thread. */
#ifndef CSN_CONFIG_NODE_OWN_H
#define CSN_CONFIG_NODE_OWN_H

#include "config/node.h"
#include "config/site.h"
#include "dns/name_map.h"

struct csn_node_loader {
    struct csn_node_config *config;         /* borrows, as all here but the names */
    const struct csn_schema_reader *reader;
    const struct csn_yaml_node *root;
    struct csn_name_map names; /* owns; of the zones, to find doubles */
};

extern const struct csn_schema csn_node_config_schema;

/* Policy, key set, DS and token keys of each zone, those of listings too. Errors as csn_node_config_load. */
int csn_node_config_load_zones(struct csn_node_loader *loader);
/* TSIG secrets, and the keys that rules name. */
int csn_node_config_load_transfer(struct csn_node_loader *loader);

#endif
