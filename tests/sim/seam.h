/* seam.h: where worlds differ. Over the core seam (zones.c) zones are symbols and a disk is what
 * world.h says of it. Over the key-value seam (kv_store.h) a zone is records, its store is lib/zone
 * over a map in memory (kv_map.h), and a round's content, shares and versions are made by the
 * production code; the disk in world.h then shows what the store holds, for the checker. A program
 * links one of the two. */
#ifndef SIM_SEAM_H
#define SIM_SEAM_H

#include "sim/layout.h"
#include "sim/world.h"

/* Changes of what a seed draws. */
void sim_seam_plan(struct sim_options *options);

/* --- names */
struct csn_input_id sim_input_id(unsigned zone, uint32_t generation, uint32_t serial,
                                 unsigned variant);
struct csn_version_id sim_policy_id(unsigned zone, uint32_t number);
struct csn_version_id sim_keyset_id(unsigned zone, uint32_t number);

/* --- the effects of a round */
void sim_compute(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect);
void sim_sign_share(struct sim_world *world, struct sim_actor *actor,
                    const struct csn_effect *effect);
void sim_stage(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect);
void sim_release(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect);
/* After SERVE: tells when the schedule of this version changes a signature: the same at every site. */
void sim_look_due(struct sim_world *world, struct sim_actor *actor,
                  const struct csn_effect *effect);

/* Its content of this H(P) is not the quorum's. */
void sim_seam_diverged(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                       const struct csn_digest *hash);

/* --- the store */

/* Of a node that starts: the disk shows what is durable. False: it cannot start now. */
bool sim_seam_open(struct sim_world *world, struct sim_actor *actor);
/* It crashed. */
void sim_seam_close(struct sim_actor *actor);
void sim_seam_free(struct sim_actor *actor);
/* Copies the store into the actor's backup, in place of the one before; puts the backup back: the node is down, the second copies
 * and the files of the zones stay as they are. */
void sim_seam_back_up(struct sim_actor *actor);
void sim_seam_put_back(struct sim_actor *actor);
/* One transaction: CSN_OK; CSN_EMISMATCH: not as expected; CSN_EFULL; CSN_EIO: the process ends now, and `ret_is_durable` says
 * whether the transaction came through. */
int sim_seam_commit(struct sim_world *world, struct sim_actor *actor,
                    const struct sim_persist *persist, bool *ret_is_durable);
/* An input from the own source; false: the process has ended. */
bool sim_seam_put_input(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                        const struct csn_input_id *id);
void sim_seam_delete_version(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                             const struct csn_digest *full_root);
void sim_seam_delete_input(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                           const struct csn_digest *prepared);
/* What this site has serves this body: its octets, read as a transfer reads them, have the body's full root. */
bool sim_seam_is_served(struct sim_world *world, const struct sim_actor *actor, unsigned zone,
                        const struct layout_held *held);

/* --- bulk requests, but for certificates */
struct sim_object {
    enum csn_object_kind kind;
    unsigned zone;
    struct csn_digest digest; /* D(prepared), full root or H(P) */
    uint16_t author;          /* SHARE */
    struct csn_input_id input; /* INPUT */
    struct csn_digest served;  /* VERSION: what the site that asks serves; zeros: nothing yet */
};
/* What a site serves, where that matters to what it is given; else zeros. */
struct csn_digest sim_seam_served(const struct sim_actor *actor, unsigned zone);
/* False: this site has none. */
bool sim_seam_give(struct sim_world *world, const struct sim_actor *actor,
                   const struct sim_object *object, struct csn_buf *octets);
/* Checked and durable: CSN_OK. CSN_EIO: the process has ended. */
int sim_seam_take(struct sim_world *world, struct sim_actor *actor,
                  const struct sim_object *object, struct csn_bytes octets);

#endif
