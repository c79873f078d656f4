/* epochs.h: which cluster document is in force at this site, and how it got there (R8). It keeps the chain of epochs in the file
 * `chain` of the store's folder and the next document, signed by officers, in `next`; takes both from operators and peers, checks
 * them, and tells the round core. What is told is durable. When an epoch has begun here, the process begins again with its
 * document: nothing of the old one is left in memory. Loop thread, but for csn_epochs_load. */
#ifndef CSN_NODE_EPOCHS_H
#define CSN_NODE_EPOCHS_H

#include "config/chain.h"
#include "config/node.h"
#include "mesh/mesh.h"
#include "ops/membership.h"
#include "round/step.h"

struct csn_daemon;
struct csn_epochs_call;

struct csn_epochs {
    struct csn_chain chain;  /* owns */
    struct csn_buf next;     /* owns; the signed document that is durable here; empty: none */
    struct csn_cluster next_cluster;
    struct csn_reason other;      /* the configured document is not what is in force; empty: it is */
    struct csn_epochs_call *call; /* owns; a request for links or a document under way, or NULL */
    uint64_t again_ms;            /* no other before this; CLOCK_BOOTTIME */
    uint64_t vain_ms[CSN_MEMBERS_MAX]; /* nor of this site, by its place in the document: it gave nothing the last time; CLOCK_BOOTTIME */
    uint64_t lonely_ms;           /* when it is looked at next whether enough sites are heard; CLOCK_BOOTTIME */
    unsigned lonely_next;         /* whom: index of a member */
    struct csn_digest strange;    /* of the last document of another site that cannot be the next here */
};

/* Before the daemon starts: the chain of this store, and the configuration's cluster document and member set to those of the newest
 * epoch of which the site is a member. CSN_EMISMATCH where the configured document is of another cluster. CSN_OK with a reason: it is not what is in force, or
 * what was kept is damaged. */
int csn_epochs_load(struct csn_epochs *epochs, struct csn_node_config *config, struct csn_reason *reason);
/* Of one that no daemon runs with. */
void csn_epochs_unload(struct csn_epochs *epochs);

/* How the present epoch began; NULL: it is the first, or nobody told yet. Borrowed. */
const struct csn_epoch_certificate *csn_epochs_link(const struct csn_daemon *daemon);
/* After START: the next document, and a later epoch, as far as they are durable here. */
void csn_epochs_start(struct csn_daemon *daemon);

/* Report or promise of a site: links and documents that it has and this site has not are fetched. */
void csn_epochs_heard(struct csn_daemon *daemon, uint16_t site, struct csn_bytes report);
/* Who hears fewer sites than a quorum may be a member no more: it asks one after the other. */
void csn_epochs_tick(struct csn_daemon *daemon);
/* The key of a site that an epoch before the present one had in this incarnation; NULL: none had it. Borrowed. */
const uint8_t *csn_epochs_former_key(const struct csn_daemon *daemon, struct csn_mesh_peer peer);
/* CSN_EFFECT_EPOCH: makes the link durable and begins again. */
void csn_epochs_begun(struct csn_daemon *daemon, const struct csn_effect *effect);
/* CSN_EFFECT_FETCH of CSN_OBJECT_FLOORS. */
void csn_epochs_fetch_floors(struct csn_daemon *daemon, const struct csn_effect *effect);

/* The next document, from an operator or a peer; `from` is for messages. CSN_OK: kept, or here already. */
int csn_epochs_take_next(struct csn_daemon *daemon, struct csn_bytes document, const char *from, struct csn_reason *reason);
/* The same from an operator, who is told at once when an emergency's base is not what this site knows, and, unless it is to be
 * taken anyway, when members leave and the newest release of a zone is at fewer than the next quorum of the others (remaining.h). */
int csn_epochs_propose(struct csn_daemon *daemon, struct csn_bytes document, bool is_anyway, const char *from,
                       struct csn_reason *reason);
/* Links from a peer, the first of them behind the last one here; with `first` (may be empty) the chain from its beginning. */
int csn_epochs_take_links(struct csn_daemon *daemon, struct csn_bytes first, const struct csn_bytes *links, size_t count,
                          struct csn_reason *reason);
/* The present document came with the configuration, and no link says yet that its epoch has begun. */
bool csn_epochs_is_unconfirmed(const struct csn_daemon *daemon);

/* A certificate against the document of its epoch. */
int csn_epochs_check(const struct csn_daemon *daemon, const struct csn_certificate *certificate, struct csn_reason *reason);

/* For operators: how the members stand; the chain in hex, appended. */
void csn_epochs_membership(const struct csn_daemon *daemon, struct csn_membership *ret_membership);
void csn_epochs_show_chain(const struct csn_daemon *daemon, struct csn_buf *text);
void csn_epochs_fill(const struct csn_daemon *daemon, struct csn_status *status);

#endif
