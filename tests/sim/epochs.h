/* epochs.h: the members of a simulated cluster change: officers issue documents, machines take a place or lose it,
 * and links of the chain go from one shell to another. Who is in which epoch is durable beside the store. */
#ifndef SIM_EPOCHS_H
#define SIM_EPOCHS_H

#include "sim/world.h"

/* X(name, words): what a document changes. */
#define SIM_CHANGES(X)                                                                             \
    X(NOBODY, "the same members again")                                                            \
    X(MACHINE, "a lost disk: the same site with another key")                                      \
    X(SPARE, "another site in a member's place")                                                   \
    X(FEWER, "a member leaves")                                                                    \
    X(MORE, "a member joins")

enum sim_change {
#define SIM_CHANGE_ENUM(name, text) SIM_CHANGE_##name,
    SIM_CHANGES(SIM_CHANGE_ENUM)
#undef SIM_CHANGE_ENUM
        SIM_CHANGE_COUNT,
};

/* X(name, words): where a node stands in its epoch. */
#define SIM_STANDINGS(X)                                                                           \
    X(BEGINS, "begins")                                                                            \
    X(JOINS, "joins")                                                                              \
    X(VOTES, "may vote")                                                                           \
    X(SEALED, "sealed")                                                                            \
    X(ENTERED, "entered the next")                                                                 \
    X(LEAVES, "leaves")                                                                            \
    X(HALTED, "halted")

enum sim_standing {
#define SIM_STANDING_ENUM(name, text) SIM_STANDING_##name,
    SIM_STANDINGS(SIM_STANDING_ENUM)
#undef SIM_STANDING_ENUM
        SIM_STANDING_COUNT,
};
/* Counts where the step has brought the node. */
void sim_look_standing(struct sim_world *world, struct sim_actor *actor);

const struct csn_cluster *sim_document(const struct sim_world *world, const struct sim_actor *actor);
/* By epoch number; NULL: none. */
const struct csn_cluster *sim_document_of(const struct sim_world *world, uint32_t epoch);
/* In the document of the epoch that it lives in. */
bool sim_is_member(const struct sim_world *world, const struct sim_actor *actor);
/* Of the newest document. */
bool sim_is_newest_member(const struct sim_world *world, const struct sim_actor *actor);
/* The newest document is in force at all its members. */
bool sim_is_chain_whole(const struct sim_world *world);
/* Without these sites (bits of indices) the epoch in force has a quorum, and a change that is on its way comes to an end. */
bool sim_is_quorum_sound(const struct sim_world *world, uint32_t unsound);
struct csn_digest sim_member_key(const struct sim_world *world, uint16_t site, uint32_t incarnation);

/* Officers issue the next document, if the last is in force and this change is possible; `site` is the member that
 * goes (MACHINE, SPARE, FEWER). */
bool sim_change_members(struct sim_world *world, enum sim_change change, uint16_t site);
/* As before, but only these sites (bits of indices) are handed the document; the others may hear of it. */
bool sim_change_members_at(struct sim_world *world, enum sim_change change, uint16_t site, uint32_t sites);
/* Officers let some of the members go on alone (bits: 1 << site), whom the document reaches first: from what these know as
 * newest, until a wall clock's second. False: not possible now. */
bool sim_declare_emergency(struct sim_world *world, uint32_t keep, uint64_t not_after_s);
/* One that nobody seals for, because its base is not what they know, is issued anew. */
void sim_renew_emergency(struct sim_world *world);
/* The members of before are all taken back. */
bool sim_end_emergency(struct sim_world *world);
bool sim_is_emergency(const struct sim_world *world);
/* Changes that the seed draws, while the workload lasts, where the options have any. */
void sim_changes_begin(struct sim_world *world);
/* The next document reaches a site. */
void sim_give_next(struct sim_world *world, struct sim_actor *actor);

/* A verified report: of a later epoch, or of a document that this shell does not have. */
void sim_hear_epoch(struct sim_world *world, struct sim_actor *actor, uint16_t from,
                    struct csn_bytes body);
/* EFFECT_EPOCH. */
void sim_begin_epoch(struct sim_world *world, struct sim_actor *actor,
                     const struct csn_effect *effect);

#endif
