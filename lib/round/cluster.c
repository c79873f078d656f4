#include "round/cluster.h"

#include <stddef.h>

const struct csn_member *csn_cluster_member(const struct csn_cluster *cluster, uint16_t number)
{
    for (unsigned i = 0; i < cluster->member_count; i++) {
        if (cluster->members[i].number == number) {
            return &cluster->members[i];
        }
    }
    return NULL;
}

const struct csn_coordinator_id *csn_cluster_coordinator(const struct csn_cluster *cluster,
                                                         uint16_t number)
{
    for (unsigned i = 0; i < cluster->coordinator_count; i++) {
        if (cluster->coordinators[i].number == number) {
            return &cluster->coordinators[i];
        }
    }
    return NULL;
}

const struct csn_operator_id *csn_cluster_operator(const struct csn_cluster *cluster, uint16_t number)
{
    return number >= 1 && number <= cluster->operator_count ? &cluster->operators[number - 1] : NULL;
}
