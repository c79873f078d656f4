/* kv_store.h: what the parts of the key-value seam share (seam.h): a node's store is lib/zone over kv_map, and what a round makes
 * goes through the production code: lib/zone, lib/sign's content and lib/kept. Signatures are stubs, and jobs take virtual time.
 * As in production a disk that is full, fails or is damaged ends the process.
 *
 *   kv_store.c   opening and closing, commits, backups, rot      kv_round.c  COMPUTE, SIGN, STAGE, RELEASE and SERVE
 *   kv_names.c   what numbers and digests name; what is drawn     kv_bulk.c   bulk requests
 *   kv_history.h the differences between versions                kv_walk.c   in what contents differ
 */
#ifndef SIM_KV_STORE_H
#define SIM_KV_STORE_H

#include "kept/version.h"
#include "sim/kv_history.h"
#include "sim/kv_map.h"
#include "sim/kv_zone.h"
#include "sim/seam.h"
#include "sign/content.h"

#define KV_WORKS 4 /* contents kept of a zone: what is older was cancelled long ago */

/* A content at work. */
struct kv_work {
    struct csn_digest hash; /* H(P) */
    struct csn_proposal proposal;
    struct kv_documents *documents; /* owns */
    struct csn_input *input;        /* owns a reference */
    struct csn_content *content;    /* owns; NULL: no work */
};

struct kv_walk; /* kv_walk.c */

struct sim_store {
    struct kv_disk *disk;    /* owns; survives crashes */
    struct csn_store *store; /* owns; NULL while down */
    struct kv_work works[SIM_ZONES_MAX][KV_WORKS]; /* newest first */
    struct csn_digest verified[SIM_ZONES_MAX]; /* full root of the version staged last in this life */
    struct kv_line lines[SIM_ZONES_MAX];
    struct kv_walk *walks[SIM_ZONES_MAX]; /* own; NULL: none under way */
    unsigned rotten_deltas; /* found at the next start */
};

/* The disk in world.h shows the tables: after everything that may have changed them. */
void kv_show_tables(struct sim_world *world, struct sim_actor *actor);

/* Before a job: it may be the last of this process. After it: whether the process is gone. */
void kv_risk(struct sim_world *world, struct sim_actor *actor);
bool kv_has_ended(struct sim_world *world, struct sim_actor *actor, int code);

/* A bit may turn in a table, where that is a loss the rules promise to survive. */
bool kv_rot_table(struct sim_world *world, struct sim_actor *actor, enum csn_table_kind kind, unsigned zone,
                  const struct csn_digest *name);

void kv_work_fini(struct kv_work *work);
void kv_walk_free(struct kv_walk *take_walk);
/* NULL: there is none. */
const struct csn_rrset *kv_dnskeys_of(const struct csn_entry *entries, size_t count);

#endif
