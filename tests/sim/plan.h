/* plan.h: what a seed draws before a run begins: the cluster, the zones, which faults and how often. */
#ifndef SIM_PLAN_H
#define SIM_PLAN_H

#include "sim/world.h"

void sim_plan(uint64_t seed, struct sim_options *ret_options);
/* A calm cluster of three sites and one coordinator, for scenarios. */
void sim_plan_calm(uint64_t seed, struct sim_options *ret_options);

#endif
