/* mesh.h: how sites and coordinators hear each other: signed statements to all, bulk requests to
 * one.
 *
 * It promises: what on_statement gives was signed by a member or coordinator of the cluster
 * document in its incarnation; everything else is dropped, counted by reason and logged once.
 * Nothing more: statements may be lost, repeated, late and out of order (receivers are idempotent,
 * senders repeat, gaps are fetched by digest), and bulk octets prove themselves by digest.
 *
 * Shape: a full mesh over mutual TLS. The lower site number dials the higher, coordinators dial all
 * sites and not each other, so every pair has one link and nothing is forwarded by the links
 * themselves. For bulk everyone dials every site.
 *
 * Certificates: tls.pem holds an EC P-256 (or RSA) certificate and its key, mode 0600; ca.pem the
 * cluster's CA. A site's certificate must carry the member's name from the cluster document as SAN
 * dNSName (and CN): that is the server name that dialers expect. Extended key usage is absent or
 * allows both server and client authentication. TLS only keeps strangers off; identity comes from
 * Ed25519 signatures, of statements and of each sender's proof.
 *
 * One libuv loop thread calls everything and gets every callback; the network's own threads only
 * queue and wake the loop. Callbacks may call any function here except csn_mesh_free. Sockets close
 * only in csn_mesh_free: at exit. */
#ifndef CSN_MESH_MESH_H
#define CSN_MESH_MESH_H

#include <uv.h>

#include "base/log.h"
#include "mesh/identity.h"
#include "round/cluster.h"
#include "round/step.h"

/* Octets of a reply's payload in a bulk exchange. */
#define CSN_MESH_PIECE_MAX ((size_t)1024 * 1024)
#define CSN_MESH_REQUEST_MAX 4096 /* octets of a bulk request; a longer one is refused */
#define CSN_MESH_REPLY_MAX (CSN_MESH_PIECE_MAX + 4096)
#define CSN_MESH_CALLS_MAX 16 /* requests under way to one site; above: CSN_EBUSY */
/* Requests of others answered at a time; more wait in the network. */
#define CSN_MESH_SERVED_MAX 8
/* Statements waiting to be sent; above, the newest is dropped and counted. */
#define CSN_MESH_OUT_MAX 4096
/* A link without a word for this long is closed, and dialled again. */
#define CSN_MESH_SILENT_MS 6000
#define CSN_MESH_STUCK_MS 10000 /* nng has not buried a closed link for this long: on_stuck */

/* Why something was not let through. */
#define CSN_MESH_DROPS(X)                                                                          \
    X(STRANGER, "is not in the cluster document")                                                  \
    X(SIGNATURE, "has a signature that does not verify")                                           \
    X(CLUSTER, "belongs to another cluster or environment")                                        \
    X(INCARNATION, "speaks in another incarnation than the cluster document's")                    \
    X(ROLE, "says what its role may not say")                                                      \
    X(OVERSIZED, "sends more than fits")                                                           \
    X(MALFORMED, "sends what is no message")                                                       \
    X(DUPLICATE, "is heard twice")                                                                 \
    X(HANDSHAKE, "did not pass the TLS handshake")                                                 \
    X(BACKLOG, "says more than can be sent")

enum csn_mesh_drop {
#define CSN_MESH_DROP_ENUM(name, text) CSN_MESH_DROP_##name,
    CSN_MESH_DROPS(CSN_MESH_DROP_ENUM)
#undef CSN_MESH_DROP_ENUM
        CSN_MESH_DROP_COUNT
};
const char *csn_mesh_drop_text(enum csn_mesh_drop reason);

/* A site or, with incarnation 0, a coordinator. */
struct csn_mesh_peer {
    uint16_t number;
    uint32_t incarnation;
};

struct csn_mesh_statement {
    enum csn_statement_kind kind;
    struct csn_mesh_peer signer;
    struct csn_bytes body; /* borrows */
    uint8_t signature[CSN_SIGNATURE_SIZE];
};
/* For a machine; borrows from the statement. */
struct csn_event csn_mesh_event(const struct csn_mesh_statement *statement);

struct csn_mesh;
struct csn_mesh_asked; /* a request of another, until it is answered */

/* All but on_statement may be NULL; `arg` goes to each. Views live for the call. */
struct csn_mesh_callbacks {
    void *arg;
    void (*on_statement)(void *arg, const struct csn_mesh_statement *statement);
    /* As it came: the receiver checks it (round/certificate.h). */
    void (*on_certificate)(void *arg, struct csn_bytes certificate);
    /* Owes exactly one csn_mesh_respond, now or later. `from` is proven. Without this:
     * CSN_EREFUSED. */
    void (*on_request)(void *arg, struct csn_mesh_peer from, struct csn_bytes request,
                       struct csn_mesh_asked *asked);
    /* The key of a site that was a member in that incarnation and is none now, or NULL; what it asks comes to on_former, as
     * above. Without these: refused as any stranger's. */
    const uint8_t *(*former_key)(void *arg, struct csn_mesh_peer peer);
    void (*on_former)(void *arg, struct csn_bytes request, struct csn_mesh_asked *asked);
    /* A link to it stands (its proof was good), or the last one fell. */
    void (*on_peer)(void *arg, struct csn_mesh_peer peer, bool is_up);
    /* Once: nng 1.5.2 hangs in closing a link (see net.h), or the wall clock, which it goes by, was set back. Links that stand
     * go on, those that are down are not dialled again: the process must be restarted. Without this: only logged. */
    void (*on_stuck)(void *arg);
};

struct csn_mesh_settings {
    uv_loop_t *loop; /* borrows, as all below, until csn_mesh_free's callback */
    const struct csn_log *log;
    const struct csn_cluster *cluster;
    const struct csn_site_key *key; /* must be the cluster document's for `self` */
    struct csn_mesh_peer self;
    /* tls+tcp://host:port of this process; NULL: it only dials (coordinators). */
    const char *listen_mesh, *listen_bulk;
    const char *tls_path; /* tls.pem */
    const char *ca_path;  /* ca.pem */
    /* This process makes no other TCP connections: those that do not become links in time are ended, and dialled again. */
    bool is_alone;
    struct csn_mesh_callbacks callbacks;
};

/* Opens, listens and starts to dial; returns before any peer is reached. CSN_EMISMATCH: not in the
 * document, another incarnation, or the key is not the document's; CSN_EIO: an address or file
 * cannot be used. */
int csn_mesh_new(const struct csn_mesh_settings *settings, struct csn_mesh **ret_mesh,
                 struct csn_reason *reason);
/* Closes the sockets and gives all requests under way CSN_ECLOSED; the loop must run on until
 * `on_freed` (may be NULL). A daemon may as well just exit: nng 1.5.2 is known to hang in closing.
 */
void csn_mesh_free(struct csn_mesh *take_mesh, void (*on_freed)(void *arg), void *arg);

/* Signs with this process's key; the statement borrows `body`. CSN_ELIMIT above CSN_STATEMENT_MAX,
 * CSN_ECRYPTO. */
int csn_mesh_sign(const struct csn_mesh *mesh, enum csn_statement_kind kind, struct csn_bytes body,
                  struct csn_mesh_statement *ret_statement);
/* To everyone linked, at the end of this turn of the loop: own statements, and others' as they
 * came. Copies. */
void csn_mesh_send(struct csn_mesh *mesh, const struct csn_mesh_statement *statement);
void csn_mesh_send_certificate(struct csn_mesh *mesh, struct csn_bytes certificate);

/* Exactly once for each request that csn_mesh_request took: CSN_OK and the reply (lives for the
 * call), the code that the site answered, CSN_ETIMEOUT, CSN_ECLOSED, or CSN_EFORMAT when the answer
 * is not one. */
typedef void csn_mesh_reply_fn(void *arg, int code, struct csn_bytes reply);
/* Asks a site; copies. CSN_ENOTFOUND: no such site; CSN_ECLOSED: not linked now; CSN_EBUSY;
 * CSN_ELIMIT. The callback never runs inside this call. */
int csn_mesh_request(struct csn_mesh *mesh, uint16_t site, struct csn_bytes request,
                     uint32_t deadline_ms, csn_mesh_reply_fn *reply, void *arg);
/* Answers: CSN_OK with at most CSN_MESH_REPLY_MAX octets (copied), or a negative code without.
 * `take_asked` is gone. */
void csn_mesh_respond(struct csn_mesh_asked *take_asked, int code, struct csn_bytes reply);

/* Milliseconds since the peer was last heard; false: never. */
bool csn_mesh_heard(const struct csn_mesh *mesh, struct csn_mesh_peer peer, uint64_t *ret_ago_ms);
/* What a site said last of the coordinators that it hears: bits by their place in the document. Its word alone: to be shown. */
uint32_t csn_mesh_heard_by(const struct csn_mesh *mesh, uint16_t site);
/* A link for statements stands. */
bool csn_mesh_is_up(const struct csn_mesh *mesh, struct csn_mesh_peer peer);
/* What was dropped since the start. */
uint64_t csn_mesh_dropped(const struct csn_mesh *mesh, enum csn_mesh_drop reason);

#endif
