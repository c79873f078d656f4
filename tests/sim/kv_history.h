/* kv_history.h: the lineage of each zone over the key-value seam (kept/lineage.h): deltas are made at RELEASE, pruned at SERVE,
 * lead a site that was away forward, and are fetched back from the others, all by the production code over the site's own store. Each
 * delta that comes to stand in a store is judged: it has the octets that every other site has for the same step, and taken back
 * from its version it leads to the root of its parent, by code of the checker's own. */
#ifndef SIM_KV_HISTORY_H
#define SIM_KV_HISTORY_H

#include "kept/lineage.h"
#include "sim/world.h"

struct kv_line {
    struct csn_lineage lineage; /* owns */
    struct csn_digest served;   /* zeros: nothing yet in this life */
    uint64_t zone_size;
    bool has_parent; /* the version served is not the first */
    unsigned tries;  /* to fetch what is missing, since the last SERVE */
};

/* What the store has. CSN_EFULL, CSN_EIO. */
int kv_history_open(struct sim_world *world, struct sim_actor *actor);
void kv_history_close(struct sim_actor *actor);
/* While nobody has the store open. */
void kv_history_rot(struct sim_world *world, struct sim_actor *actor);

/* RELEASE of what is complete here; CSN_OK, CSN_EIO or CSN_EFULL. */
int kv_history_make(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_body_held *held,
                    struct csn_bytes certificate);
/* SERVE. CSN_EIO, CSN_EFULL: what is too far back cannot be deleted. */
int kv_history_serve(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_body_held *held);

/* The records from a version back to `from`, or all of them (NULL); false: the lineage does not reach. Where peers lie, a bit has
 * turned in them. */
bool kv_history_give(struct sim_world *world, const struct sim_actor *actor, unsigned zone, const struct csn_digest *root,
                     const struct csn_digest *from, struct csn_buf *records);
/* The version `root` from what is served, by records of another. */
int kv_history_take(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_digest *root,
                    struct csn_bytes records);

#endif
