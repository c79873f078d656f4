/* strangers.h: connections at our listening addresses, and those that we dial, that do not become links. nng 1.5.2 waits for
 * the end of a TLS handshake for ever, and each wait holds a file, or the only dialer to a peer; here they are found among the
 * files of the process and shut down, upon which nng frees them, or dials again.
 *
 * It promises: no connection that `passed` is ever cut; one that has not passed for
 * CSN_STRANGERS_WAIT_MS is; above CSN_STRANGERS_MAX of them, and when they leave fewer than
 * CSN_STRANGERS_FREE_MIN files free, the oldest are cut at once (the newest may be a peer amid its
 * handshake, which takes some round trips; the oldest is none). It needs no free file for that.
 *
 * A thread of its own does it: when files run out the loop itself may be what waits for one (libuv
 * asks accept again and again, without end, and no timer runs). The others are for any thread once
 * it has started. Knows sockets, but not nng. */
#ifndef CSN_MESH_STRANGERS_H
#define CSN_MESH_STRANGERS_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

#define CSN_STRANGERS_WAIT_MS 5000
#define CSN_STRANGERS_DIAL_MS 8000 /* the same of what we dialled; a slow peer has cut it before */
#define CSN_STRANGERS_MAX 64
#define CSN_STRANGERS_FREE_MIN 32
#define CSN_STRANGERS_LISTENERS_MAX 2
/* Every file of the process is looked at once a second, and as soon as they are seen to run out. */
#define CSN_STRANGERS_LOOK_MS 1000
#define CSN_STRANGERS_CHECK_MS 100
#define CSN_STRANGERS_SHORT_MS 20 /* while they do */
#define CSN_ENDPOINT_TEXT_MAX 64

/* IPv4 as ::ffff:a.b.c.d. Compared octet by octet: no padding. */
struct csn_endpoint {
    uint8_t address[16];
    uint8_t port[2]; /* network order */
};
struct csn_endpoint csn_endpoint_v4(const void *address, const void *port);
struct csn_endpoint csn_endpoint_v6(const void *address, const void *port);

struct csn_strangers;

/* CSN_EIO: /proc/self/fd cannot be read. */
int csn_strangers_new(struct csn_strangers **ret_strangers, struct csn_reason *reason);
void csn_strangers_free(struct csn_strangers *take_strangers);

/* We listen there; the address may be the unspecified one. Before the start. */
void csn_strangers_watch(struct csn_strangers *strangers, struct csn_endpoint listener);
/* All TCP connections that this process makes are to become links. Before the start. */
void csn_strangers_watch_dials(struct csn_strangers *strangers);
/* CSN_EIO: no thread can be had. Freeing ends it. */
int csn_strangers_start(struct csn_strangers *strangers, struct csn_reason *reason);

/* The connection with these ends is the link `id`; the link is gone. */
void csn_strangers_passed(struct csn_strangers *strangers, uint32_t id, struct csn_endpoint local,
                          struct csn_endpoint remote);
void csn_strangers_fell(struct csn_strangers *strangers, uint32_t id);

/* How many were cut since it was asked last, and where the first came from when there was one. */
size_t csn_strangers_take(struct csn_strangers *strangers, char ret_from[CSN_ENDPOINT_TEXT_MAX]);

/* What the thread does, for tests without one. Files run out: cut now. Cheap. */
bool csn_strangers_is_short(const struct csn_strangers *strangers);
/* Looks at every file of the process, and cuts. */
void csn_strangers_cut(struct csn_strangers *strangers, uint64_t now_ms);

#endif
