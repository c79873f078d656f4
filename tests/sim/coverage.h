/* coverage.h: what the runs of a swarm have seen, in words, and what they had to see: every kind of
 * fault, every edge of the state tables, every refusal that can occur. */
#ifndef SIM_COVERAGE_H
#define SIM_COVERAGE_H

#include "sim/world.h"

void sim_coverage_print(const struct sim_stats *stats);
/* Prints what is missing; how much it is. */
unsigned sim_coverage_missing(const struct sim_stats *stats);

#endif
