/* checker.h: the judge of a run: I1-I4 and I6 of the protocol over the whole cluster after every
 * step, and I5 as far as symbols go. It shares no code with lib/round: it decodes held bodies and
 * certificates by the layouts of docs/PROTOCOL.md itself, keeps floors of its own, and calls a
 * version certified as soon as q sites have let equal votes go, whoever assembles them. Of a
 * violation it tells the world (sim_fail). */
#ifndef SIM_CHECKER_H
#define SIM_CHECKER_H

#include "sim/world.h"

struct sim_checker *sim_checker_new(struct sim_world *world);
void sim_checker_free(struct sim_checker *take_checker);

/* An operator's order is about to be handed in. */
void sim_checker_ordered(struct sim_checker *checker, unsigned zone, const struct csn_order *order);
/* A node begins a life with what its disk holds. */
void sim_checker_started(struct sim_checker *checker, const struct sim_actor *actor);
/* An old store was put back: what it kept and served is gone (I3 is for sites that keep their
 * store); its votes still count. */
void sim_checker_restored(struct sim_checker *checker, const struct sim_actor *actor);
/* A site whose store and second copy were put back together has taken a certificate with a vote that it forgot: it votes no more. */
void sim_checker_shown(struct sim_checker *checker, const struct sim_actor *actor);
/* A PERSIST was emitted; `second` is the value of its second copy, empty where there is none: then
 * it is no vote. */
void sim_checker_persist(struct sim_checker *checker, const struct sim_actor *actor,
                         struct csn_bytes second);
/* The second copy is durable. */
void sim_checker_second_written(struct sim_checker *checker, const struct sim_actor *actor,
                                struct csn_bytes second);
/* So is the transaction with this second copy. */
void sim_checker_committed(struct sim_checker *checker, const struct sim_actor *actor,
                           struct csn_bytes second);
/* Another machine, with nothing, has this site's number: old votes count still, but bind it no more. */
void sim_checker_renewed(struct sim_checker *checker, const struct sim_actor *actor);
/* A seal, or an entry, leaves. */
void sim_checker_change(struct sim_checker *checker, const struct sim_actor *actor, bool is_seal,
                        struct csn_bytes body);
/* A HELD leaves. */
void sim_checker_held(struct sim_checker *checker, const struct sim_actor *actor,
                      struct csn_bytes body);
/* A certificate was handed in, or comes out. */
void sim_checker_certificate(struct sim_checker *checker, const struct sim_actor *actor,
                             struct csn_bytes octets);
void sim_checker_serve(struct sim_checker *checker, const struct sim_actor *actor,
                       struct csn_bytes octets);
/* Before it is deleted. */
void sim_checker_delete_version(struct sim_checker *checker, const struct sim_actor *actor,
                                unsigned zone, const struct csn_digest *full_root);
/* After every step. */
void sim_checker_stepped(struct sim_checker *checker);

/* What a site serves; round zeros: nothing yet. Rounds are 14 octets, big-endian: memcmp orders
 * them. */
#define SIM_ROUND_SIZE 14
struct sim_served {
    bool is_set;
    uint8_t round[SIM_ROUND_SIZE];
    uint32_t serial;
    uint32_t input_generation, input_serial;
    uint64_t time_s;
    uint8_t full_root[48];
};
const struct sim_served *sim_checker_served(const struct sim_checker *checker,
                                            const struct sim_actor *actor, unsigned zone);
/* The highest round that is certified. */
bool sim_checker_newest(const struct sim_checker *checker, unsigned zone,
                        struct sim_served *ret_newest);
/* q equal votes have left for this. */
bool sim_checker_is_certified(const struct sim_checker *checker, unsigned zone, uint32_t serial,
                              const uint8_t full_root[48]);
size_t sim_checker_certified(const struct sim_checker *checker);

#endif
