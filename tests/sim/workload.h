/* workload.h: what a run works on: inputs that come to each site's own source at its own time, garbage, parked or retracted ones
 * among them, and documents that officers approve. */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include "sim/world.h"

/* The inputs and documents of the whole run, where the options have any. */
void sim_workload_begin(struct sim_world *world);
/* The next input of a zone, to every site. */
void sim_issue_next(struct sim_world *world, unsigned zone);
/* This input, to every site, as the faults let it. */
void sim_issue_input(struct sim_world *world, unsigned zone, const struct csn_input_id *id);
/* It has passed the gates of a site, unless that has one as new. */
void sim_arrive(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                const struct csn_input_id *id);
/* The file is read again, under the generation that is ordered now. */
void sim_read_again_later(struct sim_world *world, struct sim_actor *actor, unsigned zone);
/* The parked input is taken or given up, if an order says so. */
void sim_judge_later(struct sim_world *world, struct sim_actor *actor, unsigned zone);
/* The newest documents of a zone are approved at an actor. */
void sim_approve(struct sim_world *world, struct sim_actor *actor, unsigned zone);

#endif
