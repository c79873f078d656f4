/* run.h: the life of a run: it begins, faults strike, they stop, and then all must be well (I7). */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "sim/world.h"

/* Everything starts; workload, fault episodes, changes. */
void sim_begin(struct sim_world *world);
/* Faults stop: everything is mended and started. */
void sim_mend(struct sim_world *world);
/* I7: every healthy site serves a version of the last input with a round made after this call,
 * within settle_us. */
bool sim_settle(struct sim_world *world);
/* A whole run: faults, then I7. False: a violation; see failure. */
bool sim_run(struct sim_world *world);

#endif
