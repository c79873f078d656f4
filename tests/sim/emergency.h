/* emergency.h: a seed's emergency. Some sites are lost for long: dead, or only out of the others' sight, or not even that;
 * officers let the others go on, and take all back. */
#ifndef SIM_EMERGENCY_H
#define SIM_EMERGENCY_H

#include "sim/world.h"

/* In a part of the seeds, of those whose members do not change otherwise. */
void sim_plan_emergency(uint64_t seed, struct sim_options *options);
/* What the options ask for; it ends by itself, at the latest when the faults stop. */
void sim_emergency_begin(struct sim_world *world);

#endif
