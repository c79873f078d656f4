/* liars.h: a member that lies, where the cluster is made for one (four voters, quorum three, f = 1). Its node is the production
 * code and keeps the rules; what leaves it is changed or added to here, signed with its key. */
#ifndef SIM_LIARS_H
#define SIM_LIARS_H

#include "sim/world.h"

/* In a part of the seeds: such a cluster, with a verifier that has no HSM, or a liar, or both. */
void sim_plan_four(uint64_t seed, struct sim_options *options);

bool sim_is_liar(const struct sim_world *world, const struct sim_actor *actor);
/* Bits of those whose votes are of no use to a round. */
uint32_t sim_false_voters(const struct sim_world *world);
/* What a liar says to the others in place of this; true: and nothing else. */
bool sim_lie(struct sim_world *world, struct sim_actor *from, enum csn_statement_kind kind, struct csn_bytes body);
/* A share that `from` made, on its way to `to`. */
void sim_lie_share(struct sim_world *world, const struct sim_actor *from, const struct sim_actor *to, struct csn_buf *octets);

#endif
