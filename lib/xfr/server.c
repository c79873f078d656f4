#include "xfr/server.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <libknot/codes.h>

#include "xfr/answer.h"

#define BACKLOG 128
#define LENGTH_SIZE 2     /* before each message by TCP, RFC 1035 4.2.2 */
#define LOG_PAUSE_MS 1000 /* between two lines on refusals, which strangers cause */
#define PEER_TEXT_MAX 64

struct csn_xfr_server;

/* One address: a socket of each kind. */
struct listener {
    struct csn_xfr_server *server; /* borrows */
    uv_udp_t udp;
    uv_tcp_t tcp;
};

/* A TCP connection: reading requests, or writing the answer to one. Requests are answered in the
 * order they came in. */
struct connection {
    struct csn_xfr_server *server; /* borrows */
    struct connection *next, **at; /* in the server's list */
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    unsigned handles_open;
    struct sockaddr_storage peer;
    bool is_stranger, is_writing, is_closing;
    uint64_t asked_ms; /* when its last request was whole; before one, when it came */
    uint8_t input[LENGTH_SIZE + CSN_XFR_REQUEST_MAX];
    size_t input_size;
    struct csn_buf output;         /* owns */
    struct csn_transfer *transfer; /* owns; or NULL */
    struct csn_answer asked;       /* what the transfer answers; for the log */
    uint64_t start_ms;             /* of the transfer */
};

struct csn_xfr_server {
    uv_loop_t *loop;           /* borrows */
    const struct csn_log *log; /* borrows */
    struct csn_answerer answerer;
    struct csn_xfr_counters counters;
    struct listener *listeners; /* own */
    size_t listener_count;
    unsigned handles_open; /* of listeners */
    bool is_closing;
    struct connection *connections; /* own */
    unsigned stranger_count;
    uint64_t logged_ms;   /* the last line on a refusal */
    unsigned unlogged;    /* refusals since */
    struct csn_buf reply; /* owns; by UDP */
    char datagram[CSN_XFR_REQUEST_MAX];
};

static void peer_text(const struct sockaddr *peer, char ret_text[PEER_TEXT_MAX])
{
    char name[PEER_TEXT_MAX - 8] = "?";
    unsigned port = 0;
    if (peer->sa_family == AF_INET6) {
        port = ntohs(((const struct sockaddr_in6 *)(const void *)peer)->sin6_port);
    } else if (peer->sa_family == AF_INET) {
        port = ntohs(((const struct sockaddr_in *)(const void *)peer)->sin_port);
    }
    uv_ip_name(peer, name, sizeof name);
    snprintf(ret_text, PEER_TEXT_MAX, "%s@%u", name, port);
}

static void free_if_done(struct csn_xfr_server *server)
{
    if (server->is_closing && server->handles_open == 0 && server->connections == NULL) {
        csn_buf_fini(&server->reply);
        free(server->listeners);
        free(server);
    }
}

/* --- log */

/* "REFUSED", "BADSIG": of a TSIG error 16 has another name than of an answer (RFC 8945 3). */
static const char *code_text(uint16_t code, bool is_tsig)
{
    const knot_lookup_t *row = is_tsig ? knot_lookup_by_id(knot_tsig_rcode_names, code) : NULL;
    row = row != NULL ? row : knot_lookup_by_id(knot_rcode_names, code);
    return row != NULL ? row->name : "an unknown code";
}

/* Refusals, by whomever: one line a second at most, with the number of those that went unsaid. */
static void log_refusal(struct csn_xfr_server *server, const struct sockaddr *peer,
                        const struct csn_answer *answer)
{
    char name[CSN_NAME_TEXT_MAX], type[16], from[PEER_TEXT_MAX], clocks[80] = "";
    if (answer->rcode == KNOT_RCODE_NOERROR) {
        return;
    }
    if (server->logged_ms != 0 && uv_now(server->loop) - server->logged_ms < LOG_PAUSE_MS) {
        server->unlogged++;
        return;
    }
    csn_name_text(answer->name, name);
    csn_type_text(answer->type, type);
    peer_text(peer, from);
    if (answer->tsig.error == KNOT_RCODE_BADTIME) {
        uv_timeval64_t now;
        uv_gettimeofday(&now);
        snprintf(clocks, sizeof clocks, ": its clock says %" PRIu64 ", ours %" PRId64,
                 answer->tsig.time_signed, now.tv_sec);
    }
    csn_log(server->log, CSN_INFO, "xfr.refused",
            "zone %s type %s from %s: %s%s%s, %s%s; %u more unsaid", name, type, from,
            code_text(answer->rcode, false), answer->tsig.error != 0 ? ", TSIG " : "",
            answer->tsig.error != 0 ? code_text(answer->tsig.error, true) : "",
            answer->why, clocks, server->unlogged);
    server->logged_ms = uv_now(server->loop);
    server->unlogged = 0;
}

/* A transfer, whole or not; `ms` that it took. */
static void log_transfer(struct csn_xfr_server *server, const struct sockaddr *peer,
                         const struct csn_answer *asked, const struct csn_transfer_progress *done,
                         uint64_t ms, const char *failure)
{
    char name[CSN_NAME_TEXT_MAX], to[PEER_TEXT_MAX], key[CSN_NAME_TEXT_MAX] = "none";
    char what[32] = "AXFR";
    const struct csn_tsig_config *signer = asked->tsig.key;
    csn_name_text(done->zone, name);
    peer_text(peer, to);
    if (signer != NULL) {
        csn_name_text(signer->name, key);
    }
    if (done->is_changes) {
        snprintf(what, sizeof what, "IXFR from %" PRIu32, done->from_serial);
    } else if (asked->type == KNOT_RRTYPE_IXFR) {
        snprintf(what, sizeof what, "IXFR answered as AXFR");
    }
    csn_log(server->log, failure == NULL ? CSN_INFO : CSN_WARNING,
            failure == NULL ? "xfr.sent" : "xfr.failed",
            "zone %s serial %" PRIu32 " to %s key %s: %s, %" PRIu64 " records, %" PRIu64
            " messages, %" PRIu64 " octets, %" PRIu64 " ms%s%s",
            name, done->serial, to, key, what, done->records, done->messages, done->octets, ms,
            failure == NULL ? "" : ": ", failure == NULL ? "" : failure);
}

/* --- connections */

static void end_transfer(struct connection *connection, const char *failure)
{
    struct csn_xfr_counters *counters = &connection->server->counters;
    if (connection->transfer == NULL) {
        return;
    }
    struct csn_transfer_progress done = csn_transfer_progress(connection->transfer);
    log_transfer(connection->server, (const struct sockaddr *)&connection->peer, &connection->asked,
                 &done, uv_now(connection->server->loop) - connection->start_ms, failure);
    counters->octets += done.octets;
    if (failure == NULL) {
        counters->transfers++;
    } else {
        counters->transfers_failed++;
    }
    csn_transfer_free(connection->transfer);
    connection->transfer = NULL;
}

static void on_connection_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct csn_xfr_server *server = connection->server;
    if (--connection->handles_open > 0) {
        return;
    }
    *connection->at = connection->next;
    if (connection->next != NULL) {
        connection->next->at = connection->at;
    }
    csn_buf_fini(&connection->output);
    free(connection);
    free_if_done(server);
}

static void close_connection(struct connection *connection, const char *why)
{
    if (connection->is_closing) {
        return;
    }
    connection->is_closing = true;
    connection->server->counters.connections--;
    connection->server->stranger_count -= connection->is_stranger;
    end_transfer(connection, why);
    uv_close((uv_handle_t *)&connection->tcp, on_connection_closed);
    uv_close((uv_handle_t *)&connection->timer, on_connection_closed);
}

static void on_timer(uv_timer_t *timer)
{
    close_connection(timer->data, "not taken in time");
}

static void start_timer(struct connection *connection, uint64_t timeout_ms)
{
    uv_timer_start(&connection->timer, on_timer, timeout_ms, 0);
}

static void proceed(struct connection *connection);

static void on_written(uv_write_t *write, int status)
{
    struct connection *connection = write->data;
    connection->is_writing = false;
    if (status != 0) {
        close_connection(connection, uv_strerror(status));
    } else if (!connection->is_closing) {
        proceed(connection);
    }
}

/* What stands in `output` behind the place for its length. Nothing else is written or read before
 * it is taken. */
static void write_message(struct connection *connection)
{
    struct csn_buf *output = &connection->output;
    csn_set_u16(output->data, (uint16_t)(output->size - LENGTH_SIZE));
    uv_buf_t octets = uv_buf_init((char *)output->data, (unsigned)output->size);
    connection->is_writing = true;
    start_timer(connection, CSN_XFR_WRITE_MS);
    if (uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &octets, 1, on_written) !=
        0) {
        connection->is_writing = false;
        close_connection(connection, "cannot write");
    }
}

static void begin_message(struct connection *connection)
{
    csn_buf_clear(&connection->output);
    csn_buf_put_u16(&connection->output, 0);
}

static void continue_transfer(struct connection *connection)
{
    begin_message(connection);
    if (uv_now(connection->server->loop) - connection->start_ms > CSN_XFR_TRANSFER_MS) {
        close_connection(connection, "took too long");
        return;
    }
    int code = csn_transfer_next(connection->transfer, &connection->output);
    if (code == CSN_OK) {
        write_message(connection);
    } else if (code == CSN_ENOTFOUND) {
        end_transfer(connection, NULL);
    } else {
        close_connection(connection, csn_error_text(code));
    }
}

static void answer_request(struct connection *connection, struct csn_bytes request)
{
    struct csn_xfr_server *server = connection->server;
    const struct sockaddr *peer = (const struct sockaddr *)&connection->peer;
    begin_message(connection);
    csn_answer_query(&server->answerer, peer, true, request, &connection->output,
                     &connection->asked);
    switch (connection->asked.kind) {
    case CSN_ANSWER_NONE:
        close_connection(connection, NULL);
        break;
    case CSN_ANSWER_REPLY:
        log_refusal(server, peer, &connection->asked);
        write_message(connection);
        break;
    case CSN_ANSWER_TRANSFER:
        connection->transfer = connection->asked.transfer;
        connection->start_ms = uv_now(server->loop);
        break;
    }
}

/* Answers the first request of the input, if it is there whole. */
static bool take_request(struct connection *connection)
{
    if (connection->input_size < LENGTH_SIZE) {
        return false;
    }
    size_t size = csn_get_u16(connection->input);
    if (size > CSN_XFR_REQUEST_MAX) {
        close_connection(connection, NULL);
        return false;
    }
    if (connection->input_size < LENGTH_SIZE + size) {
        return false;
    }
    connection->asked_ms = uv_now(connection->server->loop);
    answer_request(connection, csn_bytes(connection->input + LENGTH_SIZE, size));
    connection->input_size -= LENGTH_SIZE + size;
    memmove(connection->input, connection->input + LENGTH_SIZE + size, connection->input_size);
    return true;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void)suggested;
    struct connection *connection = handle->data;
    *ret_buf = uv_buf_init((char *)connection->input + connection->input_size,
                           (unsigned)(sizeof connection->input - connection->input_size));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    (void)buf;
    struct connection *connection = stream->data;
    if (size < 0) {
        close_connection(connection, NULL);
    } else if (size > 0) {
        connection->input_size += (size_t)size;
        proceed(connection);
    }
}

/* Works until it waits for the other side: for a message to be taken, or for a request. A whole
 * request fits into the input, so there is room whenever none is there. */
static void proceed(struct connection *connection)
{
    bool has_work = true;
    uv_read_stop((uv_stream_t *)&connection->tcp);
    while (has_work && !connection->is_closing && !connection->is_writing) {
        if (connection->transfer != NULL) {
            continue_transfer(connection);
        } else {
            has_work = take_request(connection);
        }
    }
    if (connection->is_closing || connection->is_writing) {
        return;
    }
    start_timer(connection, connection->is_stranger ? CSN_XFR_STRANGER_IDLE_MS : CSN_XFR_IDLE_MS);
    if (uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read) != 0) {
        close_connection(connection, NULL);
    }
}

static bool is_same_address(const struct connection *a, const struct connection *b)
{
    const struct sockaddr_in *a4 = (const void *)&a->peer, *b4 = (const void *)&b->peer;
    const struct sockaddr_in6 *a6 = (const void *)&a->peer, *b6 = (const void *)&b->peer;
    if (a->peer.ss_family != b->peer.ss_family) {
        return false;
    }
    return a->peer.ss_family == AF_INET
               ? a4->sin_addr.s_addr == b4->sin_addr.s_addr
               : memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
}

static unsigned count_address(const struct connection *newest)
{
    unsigned count = 0;
    for (const struct connection *at = newest->server->connections; at != NULL; at = at->next) {
        count += !at->is_closing && is_same_address(at, newest);
    }
    return count;
}

/* Closes the connection without a request for longest, of those (from the newest one's address
 * only) that have no transfer under way: a client that takes a zone is at work. False: all are. */
static bool displace(const struct connection *newest, bool is_of_address)
{
    struct connection *idlest = NULL;
    for (struct connection *at = newest->server->connections; at != NULL; at = at->next) {
        bool is_idle = at != newest && !at->is_closing && at->transfer == NULL &&
                       (!is_of_address || is_same_address(at, newest));
        if (is_idle && (idlest == NULL || at->asked_ms <= idlest->asked_ms)) {
            idlest = at; /* of two in the same millisecond, the one that came first */
        }
    }
    if (idlest == NULL) {
        return false;
    }
    newest->server->counters.connections_displaced++;
    close_connection(idlest, NULL);
    return true;
}

/* Strangers displace nobody, or they could close what secondaries have open. */
static bool take_place(const struct connection *newest)
{
    const struct csn_xfr_server *server = newest->server;
    if (newest->is_stranger) {
        return server->counters.connections <= CSN_XFR_CONNECTIONS_MAX &&
               server->stranger_count <= CSN_XFR_STRANGERS_MAX;
    }
    if (count_address(newest) > CSN_XFR_ADDRESS_MAX && !displace(newest, true)) {
        return false;
    }
    return server->counters.connections <= CSN_XFR_CONNECTIONS_MAX || displace(newest, false);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;
    struct csn_xfr_server *server = listener->server;
    if (status != 0 || server->is_closing) {
        return;
    }
    struct connection *connection = csn_calloc(1, sizeof *connection);
    *connection = (struct connection){.server = server,
                                      .next = server->connections,
                                      .at = &server->connections,
                                      .handles_open = 2};
    if (connection->next != NULL) {
        connection->next->at = &connection->next;
    }
    server->connections = connection;
    server->counters.connections++;
    connection->tcp.data = connection->timer.data = connection->write.data = connection;
    uv_tcp_init(server->loop, &connection->tcp);
    uv_timer_init(server->loop, &connection->timer);
    int size = sizeof connection->peer;
    if (uv_accept(stream, (uv_stream_t *)&connection->tcp) != 0 ||
        uv_tcp_getpeername(&connection->tcp, (struct sockaddr *)&connection->peer, &size) != 0) {
        close_connection(connection, NULL);
        return;
    }
    connection->is_stranger =
        !csn_answer_knows(&server->answerer, (const struct sockaddr *)&connection->peer);
    server->stranger_count += connection->is_stranger;
    connection->asked_ms = uv_now(server->loop);
    if (!take_place(connection)) {
        server->counters.connections_refused++;
        close_connection(connection, NULL);
        return;
    }
    proceed(connection);
}

/* --- UDP */

static void on_datagram_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void)suggested;
    const struct listener *listener = handle->data;
    *ret_buf = uv_buf_init(listener->server->datagram, sizeof listener->server->datagram);
}

static void on_datagram(uv_udp_t *udp, ssize_t size, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    const struct listener *listener = udp->data;
    struct csn_xfr_server *server = listener->server;
    struct csn_answer answer;
    if (from == NULL) {
        return; /* nothing more to read */
    }
    if (size <= 0 || (flags & UV_UDP_PARTIAL) != 0) {
        server->counters.dropped++;
        return;
    }
    csn_buf_clear(&server->reply);
    csn_answer_query(&server->answerer, from, false, csn_bytes(buf->base, (size_t)size),
                     &server->reply, &answer);
    if (answer.kind != CSN_ANSWER_REPLY) {
        return;
    }
    log_refusal(server, from, &answer);
    uv_buf_t octets = uv_buf_init((char *)server->reply.data, (unsigned)server->reply.size);
    if (uv_udp_try_send(udp, &octets, 1, from) < 0) {
        server->counters.dropped++;
    } else if (answer.sent.messages > 0) {
        log_transfer(server, from, &answer, &answer.sent, 0, NULL);
        server->counters.transfers++;
        server->counters.octets += answer.sent.octets;
    }
}

/* --- the server */

static int listen_on(struct listener *listener, const struct csn_endpoint *endpoint)
{
    const struct sockaddr *address = (const struct sockaddr *)&endpoint->address;
    bool is_ipv6 = address->sa_family == AF_INET6;
    int code = uv_udp_bind(&listener->udp, address, is_ipv6 ? UV_UDP_IPV6ONLY : 0);
    if (code == 0) {
        code = uv_tcp_bind(&listener->tcp, address, is_ipv6 ? UV_TCP_IPV6ONLY : 0);
    }
    if (code == 0) {
        code = uv_udp_recv_start(&listener->udp, on_datagram_alloc, on_datagram);
    }
    if (code == 0) {
        code = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
    }
    return code;
}

static int add_listener(struct csn_xfr_server *server, const struct csn_endpoint *endpoint,
                        struct csn_reason *reason)
{
    struct listener *listener = &server->listeners[server->listener_count++];
    listener->server = server;
    uv_udp_init(server->loop, &listener->udp);
    uv_tcp_init(server->loop, &listener->tcp);
    server->handles_open += 2;
    listener->udp.data = listener->tcp.data = listener;
    int code = listen_on(listener, endpoint);
    if (code != 0) {
        return csn_reason_set(reason, CSN_EIO, "cannot listen on %s: %s", endpoint->text,
                              uv_strerror(code));
    }
    return CSN_OK;
}

int csn_xfr_server_new(uv_loop_t *loop, const struct csn_transfer_config *config, const char *site,
                       const struct csn_xfr_source *source, const struct csn_log *log,
                       struct csn_xfr_server **ret_server, struct csn_reason *reason)
{
    struct csn_xfr_server *server = csn_calloc(1, sizeof *server);
    server->loop = loop;
    server->log = log;
    server->answerer = (struct csn_answerer){
        .config = config, .site = site, .source = source, .counters = &server->counters};
    server->listeners = csn_calloc(config->listen_count, sizeof *server->listeners);
    for (size_t i = 0; i < config->listen_count; i++) {
        int code = add_listener(server, &config->listen[i], reason);
        if (code != CSN_OK) {
            csn_xfr_server_free(server);
            return code;
        }
    }
    *ret_server = server;
    return CSN_OK;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    struct csn_xfr_server *server = listener->server;
    server->handles_open--;
    free_if_done(server);
}

void csn_xfr_server_free(struct csn_xfr_server *take_server)
{
    if (take_server == NULL) {
        return;
    }
    take_server->is_closing = true;
    for (struct connection *connection = take_server->connections; connection != NULL;
         connection = connection->next) {
        close_connection(connection, "the server stops");
    }
    for (size_t i = 0; i < take_server->listener_count; i++) {
        uv_close((uv_handle_t *)&take_server->listeners[i].udp, on_listener_closed);
        uv_close((uv_handle_t *)&take_server->listeners[i].tcp, on_listener_closed);
    }
    free_if_done(take_server);
}

void csn_xfr_server_counters(const struct csn_xfr_server *server,
                             struct csn_xfr_counters *ret_counters)
{
    *ret_counters = server->counters;
}
