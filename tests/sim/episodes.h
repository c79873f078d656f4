/* episodes.h: faults that last: of links, clocks, disks, HSMs and whole actors, one kind after another as the seed draws them.
 * Faults of one operation are drawn where it is done. */
#ifndef SIM_EPISODES_H
#define SIM_EPISODES_H

#include "sim/world.h"

/* Until the faults stop, where the options have any. */
void sim_episodes_begin(struct sim_world *world);

#endif
