/* rogue.h: a coordinator that proposes what it should not: one field or another of a proposal is spoilt on its way out. */
#ifndef SIM_ROGUE_H
#define SIM_ROGUE_H

#include "sim/world.h"

/* Another P in place of this one, when a rogue is drawn; false: left as it is. */
bool sim_rogue(struct sim_world *world, struct csn_bytes body, struct csn_buf *ret_body);

#endif
