/* secondaries.h: name servers outside that transfer the zones. Each is configured with all sites and asks them in turn, at drawn
 * moments, for the SOA that they would answer now; what is later than its own (RFC 1982) it takes. What they see is judged:
 * I1-I6 as the outside meets them, whatever the sites believe of themselves. */
#ifndef SIM_SECONDARIES_H
#define SIM_SECONDARIES_H

#include "sim/checker.h"

struct sim_secondaries;
struct sim_secondaries *sim_secondaries_new(struct sim_world *world);
void sim_secondaries_free(struct sim_secondaries *take_secondaries);
/* They begin to ask, and never end. */
void sim_secondaries_begin(struct sim_secondaries *secondaries);

/* A site begins to answer with this. */
void sim_secondaries_serve(struct sim_secondaries *secondaries, const struct sim_actor *actor, struct csn_bytes octets);
/* Its store was lost, or an old one put back: what it answered before binds it no more. */
void sim_secondaries_forget(struct sim_secondaries *secondaries, const struct sim_actor *actor);

/* What a site answers now; NULL: nothing, or that it must not. */
const struct sim_served *sim_secondaries_ask(const struct sim_secondaries *secondaries, const struct sim_actor *actor,
                                             unsigned zone);
/* What each of them has; `index` below their count. */
#define SIM_SECONDARIES 2
const struct sim_served *sim_secondaries_have(const struct sim_secondaries *secondaries, unsigned index, unsigned zone);

#endif
