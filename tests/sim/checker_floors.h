/* checker_floors.h: R8 as the page says it, for the checker: a site seals an epoch once, and whoever enters the next one, or
 * votes in it, has its floors at those of a quorum of sealed sites. Reads records by the layouts of the page; no code of
 * lib/round. Of a violation it tells the world. */
#ifndef SIM_CHECKER_FLOORS_H
#define SIM_CHECKER_FLOORS_H

#include "sim/layout.h"
#include "sim/world.h"

struct sim_sealed; /* what each site sealed, by epoch */

struct sim_sealed *sim_sealed_new(void);
void sim_sealed_free(struct sim_sealed *take_sealed);

/* A seal leaves, and is durable: it is the site's only one of this epoch. */
void sim_sealed_take(struct sim_sealed *sealed, struct sim_world *world, const struct sim_actor *actor, uint32_t epoch,
                     struct csn_bytes body);
/* An entry leaves: the site's durable floors are at those of each seal that it names. */
void sim_sealed_check_entry(const struct sim_sealed *sealed, struct sim_world *world, const struct sim_actor *actor,
                            uint32_t epoch, struct csn_bytes body);
/* A vote in this epoch is about to be written: the site's durable floor of the zone is at those of enough sealed sites of the
 * epoch before. */
void sim_sealed_check_vote(const struct sim_sealed *sealed, struct sim_world *world, const struct sim_actor *actor,
                           uint32_t epoch, const uint8_t *zone, unsigned needed);

#endif
