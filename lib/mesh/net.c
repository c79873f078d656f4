#include "mesh/net.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/bus0/bus.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>

#include "base/fs.h"
#include "mesh/envelope.h"
#include "mesh/strangers.h"

#define PEM_MAX ((size_t)64 * 1024)
#define RECONNECT_MIN_MS 100
#define RECONNECT_MAX_MS 1000
#define BUFFERED 16            /* messages between our calls and the BUS's links */
#define PROBE_MS (3600 * 1000) /* longer than anyone waits for the reaper */
#define BULK_WIRE_MAX (CSN_MESH_REPLY_MAX + 4096)

struct bulk {
    struct csn_net *net; /* borrows */
    nng_socket socket;
    size_t peer;
};

/* One request to a peer. Written by the loop while idle, by nng's callback while busy. */
struct call {
    struct csn_net *net; /* borrows */
    nng_ctx context;
    nng_aio *aio; /* owns */
    size_t slot;
    bool is_busy;    /* the loop's: from csn_net_ask until csn_net_answered */
    bool is_sending; /* the callback's */
};

/* One request of another being served. */
struct server {
    struct csn_net *net; /* borrows */
    nng_ctx context;
    nng_aio *aio; /* owns */
    size_t slot;
    bool is_sending;
};

/* A link over which another asks. */
struct asker {
    uint32_t link;
    struct csn_endpoint remote;
};

struct csn_net {
    void (*wake)(void *arg);
    void *arg;
    nng_socket bus, rep;
    bool has_bus, has_rep;
    nng_aio *bus_aio; /* owns */
    struct bulk bulks[CSN_NET_PEERS_MAX];
    size_t bulk_count;
    size_t bulk_of[CSN_NET_PEERS_MAX]; /* peer to index in bulks, or SIZE_MAX */
    struct call calls[CSN_NET_SLOTS_MAX];
    size_t call_count; /* CSN_MESH_CALLS_MAX a bulk */
    struct server servers[CSN_MESH_SERVED_MAX];
    size_t server_count;
    uint64_t probed_ms;
    struct csn_strangers *strangers; /* owns; NULL: none are looked for */
    pthread_mutex_t lock;            /* guards the rest */
    pthread_cond_t probed;
    bool is_probing;
    struct asker askers[CSN_NET_ASKERS_MAX];
    size_t asker_count;
    struct csn_net_event *head, **tail; /* owns */
    size_t message_count;               /* MESSAGE events queued */
    bool is_paused;                     /* receiving from the BUS */
};

/* --- sending by nng */

/* A symbol of the program stands before libc's: what nng sends comes by here. EPIPE it takes for a socket that it has closed
 * itself (NNG_ECLOSED); a listener of whose handshakes one ends so lets nobody in any more, a dialer never dials again. Whoever
 * sent a ClientHello and was gone at once could do that (docs/adr/0043). */
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t sent = syscall(SYS_sendmsg, fd, message, flags);
    if (sent < 0 && errno == EPIPE) {
        errno = ECONNRESET;
    }
    return sent;
}

/* --- events */

void csn_net_event_free(struct csn_net_event *take_event)
{
    if (take_event->message != NULL) {
        nng_msg_free(take_event->message);
    }
    free(take_event);
}

/* False: the queue is full of messages; receiving pauses until csn_net_take resumes it. */
static bool post(struct csn_net *net, const struct csn_net_event *event)
{
    struct csn_net_event *copy = csn_alloc(sizeof(*copy));
    *copy = *event;
    copy->next = NULL;
    if (copy->message != NULL) {
        copy->octets = csn_bytes(nng_msg_body(copy->message), nng_msg_len(copy->message));
    }
    pthread_mutex_lock(&net->lock);
    *net->tail = copy;
    net->tail = &copy->next;
    net->message_count += event->what == CSN_NET_MESSAGE;
    net->is_paused = net->is_paused || net->message_count >= CSN_NET_QUEUED_MAX;
    bool goes_on = !net->is_paused;
    pthread_mutex_unlock(&net->lock);
    net->wake(net->arg);
    return goes_on;
}

struct csn_net_event *csn_net_take(struct csn_net *net)
{
    pthread_mutex_lock(&net->lock);
    struct csn_net_event *events = net->head;
    bool resume = net->is_paused;
    net->head = NULL;
    net->tail = &net->head;
    net->message_count = 0;
    net->is_paused = false;
    pthread_mutex_unlock(&net->lock);
    if (resume) {
        nng_recv_aio(net->bus, net->bus_aio);
    }
    return events;
}

static nng_aio *new_aio(void (*moved)(void *arg), void *arg)
{
    nng_aio *aio;
    INSIST(nng_aio_alloc(&aio, moved, arg) == 0);
    nng_aio_set_timeout(aio, NNG_DURATION_INFINITE);
    return aio;
}

/* --- strangers */

static bool to_endpoint(const nng_sockaddr *address, struct csn_endpoint *ret_end)
{
    if (address->s_family == NNG_AF_INET) {
        *ret_end = csn_endpoint_v4(&address->s_in.sa_addr, &address->s_in.sa_port);
        return true;
    }
    if (address->s_family == NNG_AF_INET6) {
        *ret_end = csn_endpoint_v6(address->s_in6.sa_addr, &address->s_in6.sa_port);
        return true;
    }
    return false;
}

/* nng asks the system for both ends: it fails only for a connection that is gone. */
static void note_link(struct csn_net *net, nng_pipe pipe, nng_pipe_ev event)
{
    nng_sockaddr address[2];
    struct csn_endpoint local, remote;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);
    if (net->strangers == NULL) {
        return;
    }
    if (event != NNG_PIPE_EV_ADD_POST) {
        csn_strangers_fell(net->strangers, id);
    } else if (nng_pipe_get_addr(pipe, NNG_OPT_LOCADDR, &address[0]) == 0 &&
               nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address[1]) == 0 &&
               to_endpoint(&address[0], &local) && to_endpoint(&address[1], &remote)) {
        csn_strangers_passed(net->strangers, id, local, remote);
    }
}

size_t csn_net_cut(struct csn_net *net, char ret_from[CSN_ENDPOINT_TEXT_MAX])
{
    return net->strangers != NULL ? csn_strangers_take(net->strangers, ret_from) : 0;
}

/* --- the BUS */

static void bus_received(void *arg)
{
    struct csn_net *net = arg;
    if (nng_aio_result(net->bus_aio) != 0) {
        return; /* the socket closes: nothing else ends a receive without a deadline */
    }
    nng_msg *message = nng_aio_get_msg(net->bus_aio);
    nng_aio_set_msg(net->bus_aio, NULL);
    uint32_t link = (uint32_t)nng_pipe_id(nng_msg_get_pipe(message));
    if (post(net,
             &(struct csn_net_event){.what = CSN_NET_MESSAGE, .link = link, .message = message})) {
        nng_recv_aio(net->bus, net->bus_aio);
    }
}

static void bus_link_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    note_link(arg, pipe, event);
    post(arg, &(struct csn_net_event){.what = event == NNG_PIPE_EV_ADD_POST ? CSN_NET_LINK_UP
                                                                            : CSN_NET_LINK_DOWN,
                                      .link = (uint32_t)nng_pipe_id(pipe)});
}

bool csn_net_publish(struct csn_net *net, struct csn_bytes octets)
{
    nng_msg *message;
    INSIST(nng_msg_alloc(&message, octets.size) == 0);
    memcpy(nng_msg_body(message), octets.data, octets.size);
    if (nng_sendmsg(net->bus, message, NNG_FLAG_NONBLOCK) != 0) {
        nng_msg_free(message);
        return false;
    }
    return true;
}

void csn_net_link_close(struct csn_net *net, uint32_t link)
{
    (void)net;
    nng_pipe_close((nng_pipe){.id = link});
}

/* --- asking */

static void bulk_link_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct bulk *bulk = arg;
    note_link(bulk->net, pipe, event);
    post(bulk->net, &(struct csn_net_event){
                        .what = event == NNG_PIPE_EV_ADD_POST ? CSN_NET_BULK_UP : CSN_NET_BULK_DOWN,
                        .link = (uint32_t)nng_pipe_id(pipe),
                        .peer = bulk->peer});
}

static void call_moved(void *arg)
{
    struct call *call = arg;
    int result = nng_aio_result(call->aio);
    nng_msg *message = nng_aio_get_msg(call->aio);
    nng_aio_set_msg(call->aio, NULL);
    if (result == 0 && call->is_sending) {
        call->is_sending = false;
        nng_ctx_recv(call->context, call->aio);
        return;
    }
    if (result != 0 && message != NULL && call->is_sending) {
        nng_msg_free(message); /* a send that failed gives its message back */
    }
    post(call->net, &(struct csn_net_event){.what = CSN_NET_ANSWERED,
                                            .slot = call->slot,
                                            .failed = result != 0,
                                            .message = result == 0 ? message : NULL});
}

int csn_net_ask(struct csn_net *net, size_t peer, struct csn_bytes octets, size_t *ret_slot)
{
    REQUIRE(net->bulk_of[peer] != SIZE_MAX);
    size_t first = net->bulk_of[peer] * CSN_MESH_CALLS_MAX;
    for (size_t i = first; i < first + CSN_MESH_CALLS_MAX; i++) {
        struct call *call = &net->calls[i];
        if (!call->is_busy) {
            nng_msg *message;
            INSIST(nng_msg_alloc(&message, octets.size) == 0);
            memcpy(nng_msg_body(message), octets.data, octets.size);
            call->is_busy = true;
            call->is_sending = true;
            nng_aio_set_msg(call->aio, message);
            nng_ctx_send(call->context, call->aio);
            *ret_slot = i;
            return CSN_OK;
        }
    }
    return CSN_EBUSY;
}

void csn_net_answered(struct csn_net *net, size_t slot)
{
    net->calls[slot].is_busy = false;
}

/* --- serving */

/* The lock is held. */
static size_t count_askers(const struct csn_net *net, const struct csn_endpoint *remote)
{
    size_t count = 0;
    for (size_t i = 0; i < net->asker_count; i++) {
        count += memcmp(net->askers[i].remote.address, remote->address, sizeof(remote->address)) == 0;
    }
    return count;
}

/* False: there are too many. */
static bool admit_asker(struct csn_net *net, nng_pipe pipe)
{
    nng_sockaddr address;
    struct asker asker = {.link = (uint32_t)nng_pipe_id(pipe)};
    if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address) != 0 || !to_endpoint(&address, &asker.remote)) {
        return false; /* it is gone */
    }
    pthread_mutex_lock(&net->lock);
    bool is_admitted = net->asker_count < CSN_NET_ASKERS_MAX && count_askers(net, &asker.remote) < CSN_NET_ASKERS_AT_MAX;
    if (is_admitted) {
        net->askers[net->asker_count++] = asker;
    }
    pthread_mutex_unlock(&net->lock);
    return is_admitted;
}

static void forget_asker(struct csn_net *net, uint32_t link)
{
    pthread_mutex_lock(&net->lock);
    for (size_t i = 0; i < net->asker_count; i++) {
        if (net->askers[i].link == link) {
            net->askers[i] = net->askers[--net->asker_count];
            break;
        }
    }
    pthread_mutex_unlock(&net->lock);
}

static void asker_comes(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)event;
    if (!admit_asker(arg, pipe)) {
        nng_pipe_close(pipe);
    }
}

static void asker_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    note_link(arg, pipe, event);
    if (event == NNG_PIPE_EV_REM_POST) {
        forget_asker(arg, (uint32_t)nng_pipe_id(pipe));
    }
}

static void server_moved(void *arg)
{
    struct server *server = arg;
    int result = nng_aio_result(server->aio);
    nng_msg *message = nng_aio_get_msg(server->aio);
    nng_aio_set_msg(server->aio, NULL);
    if (result == NNG_ECLOSED) {
        if (message != NULL && server->is_sending) {
            nng_msg_free(message);
        }
        return;
    }
    if (server->is_sending || result != 0) {
        if (result != 0 && message != NULL) {
            nng_msg_free(message); /* the asker is gone; it will ask again */
        }
        server->is_sending = false;
        nng_ctx_recv(server->context, server->aio);
        return;
    }
    post(server->net,
         &(struct csn_net_event){.what = CSN_NET_ASKED, .slot = server->slot, .message = message});
}

void csn_net_answer(struct csn_net *net, size_t slot, struct csn_bytes octets)
{
    struct server *server = &net->servers[slot];
    nng_msg *message;
    INSIST(nng_msg_alloc(&message, octets.size) == 0);
    memcpy(nng_msg_body(message), octets.data, octets.size);
    server->is_sending = true;
    nng_aio_set_msg(server->aio, message);
    nng_ctx_send(server->context, server->aio);
}

/* --- statistics */

static uint64_t sum_refused(nng_stat *stat)
{
    uint64_t sum = 0;
    for (; stat != NULL; stat = nng_stat_next(stat)) {
        if (nng_stat_type(stat) == NNG_STAT_SCOPE) {
            sum += sum_refused(nng_stat_child(stat));
        } else if (strcmp(nng_stat_name(stat), "auth") == 0) {
            sum += nng_stat_value(stat);
        }
    }
    return sum;
}

static bool stat_is(nng_stat *listener, const char *name, uint64_t value)
{
    for (nng_stat *stat = nng_stat_child(listener); stat != NULL; stat = nng_stat_next(stat)) {
        if (strcmp(nng_stat_name(stat), name) == 0) {
            return nng_stat_value(stat) == value;
        }
    }
    return false;
}

uint64_t csn_net_refused(const struct csn_net *net)
{
    nng_stat *all;
    uint64_t sum = 0;
    if (nng_stats_get(&all) != 0) {
        return 0;
    }
    for (nng_stat *stat = nng_stat_child(all); stat != NULL; stat = nng_stat_next(stat)) {
        bool is_ours =
            (net->has_bus && stat_is(stat, "socket", (uint64_t)nng_socket_id(net->bus))) ||
            (net->has_rep && stat_is(stat, "socket", (uint64_t)nng_socket_id(net->rep)));
        if (is_ours && strncmp(nng_stat_name(stat), "listener", 8) == 0) {
            sum += sum_refused(nng_stat_child(stat));
        }
    }
    nng_stats_free(all);
    return sum;
}

/* --- the reaper */

static void probe_buried(void *arg)
{
    struct csn_net *net = arg;
    pthread_mutex_lock(&net->lock);
    net->is_probing = false;
    pthread_cond_signal(&net->probed);
    pthread_mutex_unlock(&net->lock);
}

/* A sleeping aio handed to the thread that buries links: when it comes to it, the sleep ends. */
static void send_probe(struct csn_net *net)
{
    nng_aio *aio = new_aio(probe_buried, net);
    nng_sleep_aio(PROBE_MS, aio);
    nng_aio_reap(aio);
}

bool csn_net_is_stuck(struct csn_net *net, uint64_t now_ms)
{
    pthread_mutex_lock(&net->lock);
    bool was_probing = net->is_probing;
    net->is_probing = true;
    pthread_mutex_unlock(&net->lock);
    if (!was_probing) {
        net->probed_ms = now_ms;
        send_probe(net);
    }
    return was_probing && now_ms >= net->probed_ms + CSN_MESH_STUCK_MS;
}

/* --- opening */

struct credentials {
    struct csn_buf own; /* certificate and key, NUL-terminated; wiped */
    struct csn_buf ca;  /* NUL-terminated */
};

static int failed(struct csn_reason *reason, int result, const char *what, const char *where)
{
    return csn_reason_set(reason, CSN_EIO, "mesh: %s %s: %s", what, where, nng_strerror(result));
}

static int tls_config(const struct credentials *credentials, const char *server_name,
                      nng_tls_config **ret_config)
{
    nng_tls_config *config;
    int result = nng_tls_config_alloc(&config, server_name != NULL ? NNG_TLS_MODE_CLIENT
                                                                   : NNG_TLS_MODE_SERVER);
    if (result != 0) {
        return result;
    }
    const char *own = (const char *)credentials->own.data;
    if ((result = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED)) != 0 ||
        (result = nng_tls_config_ca_chain(config, (const char *)credentials->ca.data, NULL)) != 0 ||
        (result = nng_tls_config_own_cert(config, own, own, NULL)) != 0 ||
        (server_name != NULL && (result = nng_tls_config_server_name(config, server_name)) != 0)) {
        nng_tls_config_free(config);
        return result;
    }
    *ret_config = config;
    return 0;
}

static int listen_at(struct csn_net *net, nng_socket socket, const char *address,
                     const struct credentials *credentials, struct csn_reason *reason)
{
    nng_listener listener;
    nng_sockaddr bound;
    struct csn_endpoint end;
    nng_tls_config *config = NULL;
    int result = tls_config(credentials, NULL, &config);
    if (result != 0) {
        return failed(reason, result, "tls.pem or ca.pem cannot be used for", address);
    }
    if ((result = nng_listener_create(&listener, socket, address)) == 0 &&
        (result = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config)) == 0) {
        result = nng_listener_start(listener, 0);
    }
    if (result == 0 && (result = nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &bound)) == 0 &&
        to_endpoint(&bound, &end)) {
        csn_strangers_watch(net->strangers, end);
    }
    nng_tls_config_free(config);
    return result == 0 ? CSN_OK : failed(reason, result, "cannot listen at", address);
}

static int dial_to(nng_socket socket, const char *address, const char *name,
                   const struct credentials *credentials, struct csn_reason *reason)
{
    nng_dialer dialer;
    nng_tls_config *config = NULL;
    int result = tls_config(credentials, name, &config);
    if (result != 0) {
        return failed(reason, result, "tls.pem or ca.pem cannot be used for", address);
    }
    if ((result = nng_dialer_create(&dialer, socket, address)) == 0 &&
        (result = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config)) == 0 &&
        (result = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) == 0 &&
        (result = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) == 0) {
        result = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
    }
    nng_tls_config_free(config);
    return result == 0 ? CSN_OK : failed(reason, result, "cannot dial", address);
}

static void watch_links(nng_socket socket, nng_pipe_cb changed, void *arg)
{
    INSIST(nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, changed, arg) == 0);
    INSIST(nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, changed, arg) == 0);
}

static int open_bus(struct csn_net *net, const struct csn_net_settings *settings,
                    const struct credentials *credentials, struct csn_reason *reason)
{
    int result = nng_bus0_open(&net->bus);
    if (result != 0) {
        return failed(reason, result, "cannot open", "BUS0");
    }
    net->has_bus = true;
    if ((result = nng_socket_set_size(net->bus, NNG_OPT_RECVMAXSZ, CSN_ENVELOPE_WIRE_MAX)) != 0 ||
        (result = nng_socket_set_int(net->bus, NNG_OPT_SENDBUF, BUFFERED)) != 0 ||
        (result = nng_socket_set_int(net->bus, NNG_OPT_RECVBUF, BUFFERED)) != 0) {
        return failed(reason, result, "cannot bound", "BUS0");
    }
    watch_links(net->bus, bus_link_changed, net);
    net->bus_aio = new_aio(bus_received, net);
    nng_recv_aio(net->bus, net->bus_aio);
    int code = settings->listen_mesh != NULL
                   ? listen_at(net, net->bus, settings->listen_mesh, credentials, reason)
                   : CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < settings->peer_count; i++) {
        const struct csn_net_peer *peer = &settings->peers[i];
        code = peer->mesh != NULL ? dial_to(net->bus, peer->mesh, peer->name, credentials, reason)
                                  : CSN_OK;
    }
    return code;
}

static int open_servers(struct csn_net *net, const char *address,
                        const struct credentials *credentials, struct csn_reason *reason)
{
    int result = nng_rep0_open(&net->rep);
    if (result != 0) {
        return failed(reason, result, "cannot open", "REP0");
    }
    net->has_rep = true;
    if ((result = nng_socket_set_size(net->rep, NNG_OPT_RECVMAXSZ, BULK_WIRE_MAX)) != 0) {
        return failed(reason, result, "cannot bound", "REP0");
    }
    for (size_t i = 0; i < CSN_MESH_SERVED_MAX; i++) {
        struct server *server = &net->servers[i];
        *server = (struct server){.net = net, .slot = i};
        if ((result = nng_ctx_open(&server->context, net->rep)) != 0) {
            return failed(reason, result, "cannot open a context of", "REP0");
        }
        server->aio = new_aio(server_moved, server);
        net->server_count++;
        nng_ctx_recv(server->context, server->aio);
    }
    INSIST(nng_pipe_notify(net->rep, NNG_PIPE_EV_ADD_PRE, asker_comes, net) == 0);
    watch_links(net->rep, asker_changed, net);
    return listen_at(net, net->rep, address, credentials, reason);
}

static int open_calls(struct csn_net *net, nng_socket socket, struct csn_reason *reason)
{
    for (size_t i = 0; i < CSN_MESH_CALLS_MAX; i++) {
        struct call *call = &net->calls[net->call_count];
        *call = (struct call){.net = net, .slot = net->call_count};
        int result = nng_ctx_open(&call->context, socket);
        if (result == 0) {
            result = nng_ctx_set_ms(call->context, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
        }
        if (result != 0) {
            return failed(reason, result, "cannot open a context of", "REQ0");
        }
        call->aio = new_aio(call_moved, call);
        net->call_count++;
    }
    return CSN_OK;
}

/* One REQ socket a peer: one for all would spread requests over whoever is there. */
static int open_bulk(struct csn_net *net, size_t peer, const struct csn_net_peer *settings,
                     const struct credentials *credentials, struct csn_reason *reason)
{
    struct bulk *bulk = &net->bulks[net->bulk_count];
    *bulk = (struct bulk){.net = net, .peer = peer};
    int result = nng_req0_open(&bulk->socket);
    if (result != 0) {
        return failed(reason, result, "cannot open", "REQ0");
    }
    net->bulk_of[peer] = net->bulk_count++;
    if ((result = nng_socket_set_size(bulk->socket, NNG_OPT_RECVMAXSZ, BULK_WIRE_MAX)) != 0) {
        return failed(reason, result, "cannot bound", "REQ0");
    }
    watch_links(bulk->socket, bulk_link_changed, bulk);
    int code = open_calls(net, bulk->socket, reason);
    return code == CSN_OK
               ? dial_to(bulk->socket, settings->bulk, settings->name, credentials, reason)
               : code;
}

static int read_credentials(const struct csn_net_settings *settings,
                            struct credentials *ret_credentials, struct csn_reason *reason)
{
    *ret_credentials = (struct credentials){0};
    int code = csn_fs_read_secret(settings->tls_path, PEM_MAX, &ret_credentials->own, reason);
    if (code == CSN_OK) {
        code = csn_fs_read(settings->ca_path, PEM_MAX, &ret_credentials->ca, reason);
    }
    csn_buf_put_u8(&ret_credentials->own, 0);
    csn_buf_put_u8(&ret_credentials->ca, 0);
    return code;
}

int csn_net_open(const struct csn_net_settings *settings, struct csn_net **ret_net,
                 struct csn_reason *reason)
{
    struct credentials credentials;
    struct csn_net *net = csn_calloc(1, sizeof(*net));
    net->wake = settings->wake;
    net->arg = settings->arg;
    net->tail = &net->head;
    pthread_mutex_init(&net->lock, NULL);
    pthread_cond_init(&net->probed, NULL);
    for (size_t i = 0; i < CSN_NET_PEERS_MAX; i++) {
        net->bulk_of[i] = SIZE_MAX;
    }
    int code = read_credentials(settings, &credentials, reason);
    if (code == CSN_OK && (settings->listen_mesh != NULL || settings->listen_bulk != NULL || settings->is_alone)) {
        code = csn_strangers_new(&net->strangers, reason);
    }
    if (code == CSN_OK && settings->is_alone) {
        csn_strangers_watch_dials(net->strangers);
    }
    if (code == CSN_OK) {
        code = open_bus(net, settings, &credentials, reason);
    }
    if (code == CSN_OK && settings->listen_bulk != NULL) {
        code = open_servers(net, settings->listen_bulk, &credentials, reason);
    }
    for (size_t i = 0; code == CSN_OK && i < settings->peer_count; i++) {
        if (settings->peers[i].bulk != NULL) {
            code = open_bulk(net, i, &settings->peers[i], &credentials, reason);
        }
    }
    if (code == CSN_OK && net->strangers != NULL) {
        code = csn_strangers_start(net->strangers, reason);
    }
    csn_wipe(credentials.own.data, credentials.own.size);
    csn_buf_fini(&credentials.own);
    csn_buf_fini(&credentials.ca);
    if (code != CSN_OK) {
        csn_net_close(net);
        return code;
    }
    *ret_net = net;
    return CSN_OK;
}

/* --- closing */

void csn_net_close(struct csn_net *take_net)
{
    struct csn_net *net = take_net;
    if (net->has_bus) {
        nng_close(net->bus);
    }
    if (net->has_rep) {
        nng_close(net->rep);
    }
    for (size_t i = 0; i < net->bulk_count; i++) {
        nng_close(net->bulks[i].socket);
    }
    /* Freeing an aio waits for its callback. */
    if (net->bus_aio != NULL) {
        nng_aio_free(net->bus_aio);
    }
    for (size_t i = 0; i < net->server_count; i++) {
        nng_aio_free(net->servers[i].aio);
    }
    for (size_t i = 0; i < net->call_count; i++) {
        nng_aio_free(net->calls[i].aio);
    }
    pthread_mutex_lock(&net->lock);
    while (net->is_probing) {
        pthread_cond_wait(&net->probed, &net->lock);
    }
    net->is_paused = false; /* nothing to resume */
    pthread_mutex_unlock(&net->lock);
    struct csn_net_event *event = csn_net_take(net);
    while (event != NULL) {
        struct csn_net_event *next = event->next;
        csn_net_event_free(event);
        event = next;
    }
    csn_strangers_free(net->strangers);
    pthread_cond_destroy(&net->probed);
    pthread_mutex_destroy(&net->lock);
    free(net);
}
