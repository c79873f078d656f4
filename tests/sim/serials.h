/* serials.h: an operator approves a far serial (R4). */
#ifndef SIM_SERIALS_H
#define SIM_SERIALS_H

#include "sim/world.h"

void sim_plan_serials(uint64_t seed, struct sim_options *options);
void sim_serials_begin(struct sim_world *world);
/* What was approved and is not released is approved again, everywhere. */
void sim_serials_end(struct sim_world *world);

/* From the newest release to this serial, at the site that has it. False: it is no step forward that can be approved, or nothing
 * is released. */
bool sim_announce_serial(struct sim_world *world, unsigned zone, uint32_t to);
/* What was announced last, once a site sees that all know of it; else false. */
bool sim_approve_serial(struct sim_world *world, unsigned zone);

#endif
