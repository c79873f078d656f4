/* net.h: the mesh's sockets. Only here, and in strangers.h, nng (1.5.2) and its faults are known.
 *
 * nng's threads only queue events here and call `wake`; all functions are for the loop thread.
 * Sockets open once and close in csn_net_close: closing is where 1.5.2 has its use-after-frees. No
 * aio is ever cancelled before that (REQ crashes when sending): a call that took too long keeps its
 * slot until an answer comes or its link falls (with an infinite resend time nng then gives the
 * call up). BUS0 drops the newest message silently when a link's 16 places are full.
 *
 * A link that closes between two parts of a message can be lost in nng: a part that is resubmitted
 * after the close is discarded without a word (nni_aio_begin), and the one thread that buries links
 * waits for it for ever. From then on no link of the process is dialled again. It cannot be healed
 * from outside, only seen: csn_net_is_stuck.
 *
 * A handshake that meets EPIPE ends its listener or dialer for good: a sendmsg of this module's own keeps EPIPE from it. */
#ifndef CSN_MESH_NET_H
#define CSN_MESH_NET_H

#include "base/log.h"
#include "mesh/mesh.h"
#include "mesh/strangers.h"

#define CSN_NET_PEERS_MAX CSN_MEMBERS_MAX
#define CSN_NET_SLOTS_MAX (CSN_NET_PEERS_MAX * CSN_MESH_CALLS_MAX)
/* Links over which others ask us; more are turned away: a link is memory and a file for as long as its other end likes. From one
 * address more than all members and coordinators on one machine need. */
#define CSN_NET_ASKERS_MAX 512
#define CSN_NET_ASKERS_AT_MAX 64
/* Messages of the BUS not yet taken; above it receiving pauses until they are. */
#define CSN_NET_QUEUED_MAX 256

enum csn_net_what {
    CSN_NET_MESSAGE,   /* link, octets: a BUS message */
    CSN_NET_LINK_UP,   /* link: a BUS link stands; nothing is known of who is there */
    CSN_NET_LINK_DOWN, /* link */
    CSN_NET_BULK_UP,   /* peer, link: requests to the peer will be sent */
    CSN_NET_BULK_DOWN, /* peer, link */
    CSN_NET_ASKED,     /* slot of the server, octets */
    CSN_NET_ANSWERED   /* slot of a call, octets */
};

struct csn_net_event {
    struct csn_net_event *next;
    enum csn_net_what what;
    uint32_t link;
    size_t peer; /* index in the settings */
    size_t slot;
    bool failed;             /* ANSWERED: no octets, nng gave up */
    struct csn_bytes octets; /* of `message` */
    void *message;           /* owns */
};

struct csn_net_peer {
    const char *name; /* in its certificate */
    const char *mesh; /* dialled for statements; NULL: it dials us */
    const char *bulk; /* dialled for bulk; NULL: never asked */
};

struct csn_net_settings {
    const char *listen_mesh, *listen_bulk; /* NULL: none */
    const char *tls_path, *ca_path;
    bool is_alone; /* no other TCP connection is made by this process */
    struct csn_net_peer peers[CSN_NET_PEERS_MAX];
    size_t peer_count;
    void (*wake)(
        void *arg); /* from any thread; several calls may be answered by one csn_net_take */
    void *arg;
};

struct csn_net;

/* Reads the files, listens and dials; the settings are needed for the call alone. CSN_EIO, or as csn_fs_read; the reason names the
 * file or the address. */
int csn_net_open(const struct csn_net_settings *settings, struct csn_net **ret_net,
                 struct csn_reason *reason);
/* After it no callback runs. Events not taken are freed. */
void csn_net_close(struct csn_net *take_net);

/* All events so far, oldest first, or NULL; free each. */
struct csn_net_event *csn_net_take(struct csn_net *net);
void csn_net_event_free(struct csn_net_event *take_event);

/* To every link. False: nng had no room. */
bool csn_net_publish(struct csn_net *net, struct csn_bytes octets);
void csn_net_link_close(struct csn_net *net, uint32_t link);

/* Sends to a peer in a free slot, whose answer comes as an event. CSN_EBUSY: none is free. */
int csn_net_ask(struct csn_net *net, size_t peer, struct csn_bytes octets, size_t *ret_slot);
/* The ANSWERED of this slot is being handled: the slot is free. Not before, or the answer that
 * still waits behind others would be taken for that of the slot's next request. */
void csn_net_answered(struct csn_net *net, size_t slot);
/* Answers what was ASKED in the slot, which then serves the next. */
void csn_net_answer(struct csn_net *net, size_t slot, struct csn_bytes octets);

/* To be asked about once a second: the thread that buries links has not answered for
 * CSN_MESH_STUCK_MS. */
bool csn_net_is_stuck(struct csn_net *net, uint64_t now_ms);

/* Handshakes cut since it was asked last (strangers.h), and where the first came from. */
size_t csn_net_cut(struct csn_net *net, char ret_from[CSN_ENDPOINT_TEXT_MAX]);

/* Handshakes that our listeners refused so far: nng tells only their number. */
uint64_t csn_net_refused(const struct csn_net *net);

#endif
