#include "history_check.h"

#include <stdlib.h>

void csn_history_checker_init(const struct csn_zone_shell *zone, struct csn_lineage_checker *ret_checker)
{
    const struct csn_chain *chain = &zone->daemon->epochs.chain;
    *ret_checker = (struct csn_lineage_checker){.store = zone->daemon->store,
                                                .zone = zone->config->zone,
                                                .clusters = csn_calloc(chain->count, sizeof(struct csn_cluster)),
                                                .cluster_count = chain->count,
                                                .verify = csn_ed25519_verify};
    for (size_t i = 0; i < chain->count; i++) {
        ret_checker->clusters[i] = chain->epochs[i]->cluster;
    }
}

void csn_history_checker_fini(struct csn_lineage_checker *checker)
{
    free(checker->clusters);
    *checker = (struct csn_lineage_checker){.store = NULL};
}
