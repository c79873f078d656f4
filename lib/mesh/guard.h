/* guard.h: who may speak on the mesh. It lets through the words of members and coordinators of one
 * cluster document, in their incarnation, with a signature that verifies; all else is counted by
 * reason and logged once for each (reason, signer).
 *
 * It knows no sockets: octets and times come in, verdicts go out. One thread. */
#ifndef CSN_MESH_GUARD_H
#define CSN_MESH_GUARD_H

#include "base/log.h"
#include "mesh/mesh.h"
#include "round/cluster.h"

/* Statements remembered; above it the oldest of four is forgotten and verified again. */
#define CSN_GUARD_SEEN_MAX 4096
#define CSN_GUARD_LOGGED_MAX 256 /* (reason, signer) logged; above it only counted */
/* The same statement again within this time is a duplicate, later a repeat. */
#define CSN_GUARD_REPEAT_MS 100

/* Who sent an envelope or asks for bulk, and how it proves that. */
struct csn_sender {
    uint8_t cluster_id[16];
    uint8_t environment;
    struct csn_mesh_peer peer;
    uint8_t proof[CSN_SIGNATURE_SIZE];
    uint32_t heard; /* coordinators, as bits by their place in the document; not proven */
};

struct csn_guard;

struct csn_guard *csn_guard_new(const struct csn_cluster *cluster, const struct csn_log *log);
void csn_guard_free(struct csn_guard *take_guard);

/* The octets that a sender's proof signs (proto/mesh.proto), appended. */
void csn_guard_proof_octets(const struct csn_sender *sender, struct csn_buf *buf);

/* Of this cluster, known, in its incarnation, its proof good. False: counted, logged once. */
bool csn_guard_admits_sender(struct csn_guard *guard, const struct csn_sender *sender,
                             uint64_t now_ms);

/* The same of a site that is no member any more, by the key that it had. */
bool csn_guard_admits_former(struct csn_guard *guard, const struct csn_sender *sender, const uint8_t *key,
                             uint64_t now_ms);

/* To be delivered. False: counted, logged once. A statement seen before is not verified again. */
bool csn_guard_admits(struct csn_guard *guard, const struct csn_mesh_statement *statement,
                      uint64_t now_ms);

/* Counts, and logs the first of (reason, peer). `format` says what was wrong. */
void csn_guard_drop(struct csn_guard *guard, enum csn_mesh_drop reason, struct csn_mesh_peer peer,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));
uint64_t csn_guard_dropped(const struct csn_guard *guard, enum csn_mesh_drop reason);

#endif
