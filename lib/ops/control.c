#include "ops/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ops/control_wire.h"

#define LENGTH_SIZE 4
#define BACKLOG 16
#define SOCKET_MASK 0117 /* leaves 0660 */

/* A connection: reading a request, or writing its answer. */
struct client {
    struct csn_control *control; /* borrows */
    struct client *next;
    uv_pipe_t pipe;
    uv_timer_t idle;
    unsigned handles_open;
    uint8_t input[LENGTH_SIZE + CSN_CONTROL_REQUEST_MAX];
    size_t input_size;
    struct csn_buf output; /* owns; empty: not writing */
    uv_write_t write;
};

struct csn_control {
    struct csn_control_handlers handlers;
    const struct csn_log *log; /* borrows */
    char *path;                /* owns */
    uv_pipe_t listener;
    struct client *clients; /* own; the one that asked last is first */
    size_t client_count;    /* that are not closing */
    bool is_closing, is_closed; /* asked to; the listener is */
};

static void free_if_done(struct csn_control *control)
{
    if (control->is_closed && control->clients == NULL) {
        free(control->path);
        free(control);
    }
}

static void unlink_client(struct client *client)
{
    for (struct client **at = &client->control->clients; *at != NULL; at = &(*at)->next) {
        if (*at == client) {
            *at = client->next;
            break;
        }
    }
}

static void put_first(struct client *client)
{
    client->next = client->control->clients;
    client->control->clients = client;
}

static void forget_client(struct client *client)
{
    struct csn_control *control = client->control;
    unlink_client(client);
    csn_buf_fini(&client->output);
    free(client);
    free_if_done(control);
}

static void client_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    if (--client->handles_open == 0) {
        forget_client(client);
    }
}

static void close_client(struct client *client)
{
    if (!uv_is_closing((uv_handle_t *)&client->pipe)) {
        client->control->client_count--;
        uv_close((uv_handle_t *)&client->pipe, client_closed);
        uv_close((uv_handle_t *)&client->idle, client_closed);
    }
}

static void idled(uv_timer_t *timer)
{
    close_client(timer->data);
}

static void answer_status(struct client *client, uint32_t first_zone, struct csn_buf *reply)
{
    const struct csn_control_handlers *handlers = &client->control->handlers;
    struct csn_status status = {.first_zone = first_zone};
    struct csn_reason reason;
    handlers->on_status(handlers->arg, &status);
    int code = csn_control_status_encode(&status, reply);
    csn_status_fini(&status);
    if (code != CSN_OK) {
        csn_reason_set(&reason, code, "the status does not fit into one answer");
        csn_control_error_encode(code, &reason, reply);
    }
}

static void answer_cert(struct client *client, const char *zone, struct csn_buf *reply)
{
    const struct csn_control_handlers *handlers = &client->control->handlers;
    struct csn_cert_view view = {0};
    struct csn_reason reason;
    int code = csn_reason_set(&reason, CSN_EREFUSED,
                              "this daemon keeps no certificates: ask the site's consign-node");
    if (handlers->on_cert_show != NULL) {
        code = handlers->on_cert_show(handlers->arg, zone, &view, &reason);
    }
    if (code == CSN_OK) {
        code = csn_control_cert_encode(&view, reply);
        csn_reason_set(&reason, code, "the certificate does not fit into one answer");
    }
    csn_cert_view_fini(&view);
    if (code != CSN_OK) {
        csn_control_error_encode(code, &reason, reply);
    }
}

static void answer_explain(struct client *client, const struct csn_control_explain *explain,
                           struct csn_buf *reply)
{
    const struct csn_control_handlers *handlers = &client->control->handlers;
    struct csn_explanation explanation = {0};
    struct csn_reason reason;
    int code = csn_reason_set(&reason, CSN_EREFUSED, "this daemon explains nothing");
    if (handlers->on_explain != NULL) {
        code = handlers->on_explain(handlers->arg, explain, &explanation, &reason);
    }
    if (code == CSN_OK) {
        code = csn_control_explain_encode(&explanation, reply);
        csn_reason_set(&reason, code, "the explanation does not fit into one answer; ask for one site");
    }
    csn_explanation_fini(&explanation);
    if (code != CSN_OK) {
        csn_control_error_encode(code, &reason, reply);
    }
}

static void answer_order(struct client *client, const struct csn_control_order *order,
                         struct csn_buf *reply)
{
    const struct csn_control_handlers *handlers = &client->control->handlers;
    struct csn_reason reason;
    int code = csn_reason_set(&reason, CSN_EREFUSED,
                              "this daemon takes no orders: give it to the site's consign-node");
    if (handlers->on_order != NULL) {
        code = handlers->on_order(handlers->arg, order, &reason);
    }
    if (code == CSN_OK) {
        csn_control_order_encode(reply);
    } else {
        csn_control_error_encode(code, &reason, reply);
    }
}

static void answer_propose(struct client *client, const struct csn_control_request *request, struct csn_buf *reply)
{
    const struct csn_control_handlers *handlers = &client->control->handlers;
    struct csn_reason reason;
    int code = csn_reason_set(&reason, CSN_EREFUSED,
                              "this daemon takes no cluster documents: give it to the site's "
                              "consign-node");
    if (handlers->on_propose != NULL) {
        code = handlers->on_propose(handlers->arg, request->document, request->is_anyway, &reason);
    }
    if (code == CSN_OK) {
        csn_control_order_encode(reply);
    } else {
        csn_control_error_encode(code, &reason, reply);
    }
}

static void answer_membership(struct client *client, struct csn_buf *reply)
{
    const struct csn_control_handlers *handlers = &client->control->handlers;
    struct csn_membership membership = {.epoch = 0};
    struct csn_reason reason;
    int code = csn_reason_set(&reason, CSN_EREFUSED, "this daemon does not know that: ask the site's consign-node");
    if (handlers->on_membership != NULL) {
        code = handlers->on_membership(handlers->arg, &membership, &reason);
    }
    if (code == CSN_OK) {
        code = csn_control_membership_encode(&membership, reply);
        csn_reason_set(&reason, code, "the members do not fit into one answer");
    }
    csn_membership_fini(&membership);
    if (code != CSN_OK) {
        csn_control_error_encode(code, &reason, reply);
    }
}

static void answer_text(struct client *client, const struct csn_control_request *request,
                        struct csn_buf *reply)
{
    const struct csn_control_handlers *handlers = &client->control->handlers;
    struct csn_buf text = {0};
    struct csn_reason reason;
    int code = csn_reason_set(&reason, CSN_EREFUSED,
                              "this daemon does not know that: ask the site's consign-node");
    if (request->what == CSN_CONTROL_DIFF && handlers->on_diff != NULL) {
        code = handlers->on_diff(handlers->arg, &request->diff, &text, &reason);
    } else if (request->what == CSN_CONTROL_REPORTS && handlers->on_reports != NULL) {
        code = handlers->on_reports(handlers->arg, request->zone, request->report[0] != '\0' ? request->report : NULL,
                                    &text, &reason);
    } else if (request->what == CSN_CONTROL_MEMBERSHIP && handlers->on_chain != NULL) {
        code = handlers->on_chain(handlers->arg, &text, &reason);
    }
    if (code == CSN_OK && request->is_paged) {
        csn_control_text_page_encode(csn_buf_view(&text), request->from, reply);
    } else if (code == CSN_OK) {
        code = csn_control_text_encode(csn_buf_view(&text), reply);
        csn_reason_set(&reason, code, "the text does not fit into one answer");
    }
    if (code != CSN_OK) {
        csn_control_error_encode(code, &reason, reply);
    }
    csn_buf_fini(&text);
}

static void answer(struct client *client, struct csn_bytes message, struct csn_buf *reply)
{
    struct csn_control_request request;
    struct csn_reason reason;
    int code = csn_control_request_decode(message, &request);
    if (code != CSN_OK) {
        csn_reason_set(&reason, code, "the request is not understood: are versions mixed?");
        csn_control_error_encode(code, &reason, reply);
    } else if (request.what == CSN_CONTROL_STATUS) {
        answer_status(client, request.first_zone, reply);
    } else if (request.what == CSN_CONTROL_EXPLAIN) {
        answer_explain(client, &request.explain, reply);
    } else if (request.what == CSN_CONTROL_ORDER) {
        answer_order(client, &request.order, reply);
    } else if (request.what == CSN_CONTROL_PROPOSE) {
        answer_propose(client, &request, reply);
    } else if (request.what == CSN_CONTROL_MEMBERSHIP && !request.wants_chain) {
        answer_membership(client, reply);
    } else if (request.what != CSN_CONTROL_CERT_SHOW) {
        answer_text(client, &request, reply);
    } else {
        answer_cert(client, request.zone, reply);
    }
}

static void serve(struct client *client);

static void written(uv_write_t *write, int status)
{
    struct client *client = write->data;
    csn_buf_fini(&client->output);
    if (status != 0) {
        close_client(client);
    } else {
        serve(client); /* what came while this answer left */
    }
}

static void send_reply(struct client *client, const struct csn_buf *reply)
{
    csn_buf_put_u32(&client->output, (uint32_t)reply->size);
    csn_buf_put_bytes(&client->output, csn_buf_view(reply));
    uv_buf_t octets = uv_buf_init((char *)client->output.data, (unsigned)client->output.size);
    client->write.data = client;
    if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &octets, 1, written) != 0) {
        close_client(client);
    }
}

/* One whole request, if it is there and no answer is on its way. */
static void serve(struct client *client)
{
    if (client->output.size > 0 || client->input_size < LENGTH_SIZE ||
        uv_is_closing((uv_handle_t *)&client->pipe)) {
        return;
    }
    size_t size = csn_get_u32(client->input);
    if (size > CSN_CONTROL_REQUEST_MAX) {
        close_client(client);
        return;
    }
    if (client->input_size < LENGTH_SIZE + size) {
        return;
    }
    struct csn_buf reply = {0};
    answer(client, csn_bytes(client->input + LENGTH_SIZE, size), &reply);
    client->input_size -= LENGTH_SIZE + size;
    memmove(client->input, client->input + LENGTH_SIZE + size, client->input_size);
    uv_timer_start(&client->idle, idled, CSN_CONTROL_IDLE_MS, 0);
    unlink_client(client);
    put_first(client);
    send_reply(client, &reply);
    csn_buf_fini(&reply);
}

/* No room left means a client that talks on before its answer left; libuv then reports UV_ENOBUFS.
 */
static void make_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct client *client = handle->data;
    (void)suggested;
    *ret_buf = uv_buf_init((char *)client->input + client->input_size,
                           (unsigned)(sizeof(client->input) - client->input_size));
}

static void heard(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct client *client = stream->data;
    (void)buf;
    if (size < 0) {
        close_client(client);
        return;
    }
    client->input_size += (size_t)size;
    serve(client);
}

/* The newest always gets in: an operator must, however many sit here and ask nothing. */
static void make_place(struct csn_control *control)
{
    struct client *idlest = NULL;
    if (control->client_count < CSN_CONTROL_CLIENTS_MAX) {
        return;
    }
    for (struct client *client = control->clients; client != NULL; client = client->next) {
        if (!uv_is_closing((uv_handle_t *)&client->pipe)) {
            idlest = client;
        }
    }
    close_client(idlest);
}

static void connected(uv_stream_t *stream, int status)
{
    struct csn_control *control = stream->data;
    if (status != 0) {
        return;
    }
    make_place(control);
    struct client *client = csn_calloc(1, sizeof(*client));
    client->control = control;
    put_first(client);
    control->client_count++;
    uv_pipe_init(stream->loop, &client->pipe, 0);
    uv_timer_init(stream->loop, &client->idle);
    client->pipe.data = client->idle.data = client;
    client->handles_open = 2;
    if (uv_accept(stream, (uv_stream_t *)&client->pipe) != 0 ||
        uv_read_start((uv_stream_t *)&client->pipe, make_room, heard) != 0) {
        close_client(client);
        return;
    }
    uv_timer_start(&client->idle, idled, CSN_CONTROL_IDLE_MS, 0);
}

/* A socket file whose daemon is gone refuses connections; only that is removed. */
static int remove_stale(const char *path, struct csn_reason *reason)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    if (strlen(path) >= sizeof(address.sun_path)) {
        return csn_reason_set(reason, CSN_ELIMIT, "%s: a socket's path has at most %zu octets",
                              path, sizeof(address.sun_path) - 1);
    }
    if (lstat(path, &st) != 0) {
        return CSN_OK;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return csn_reason_set(reason, CSN_EEXISTS, "%s: exists and is no socket; move it away",
                              path);
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return csn_reason_set(reason, CSN_EIO, "%s: %s", path, strerror(errno));
    }
    int result = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    bool is_dead = result != 0 && errno == ECONNREFUSED;
    close(fd);
    if (!is_dead) {
        return csn_reason_set(reason, CSN_EBUSY, "%s: another daemon answers there; stop it first",
                              path);
    }
    unlink(path);
    return CSN_OK;
}

static void listener_closed(uv_handle_t *handle)
{
    struct csn_control *control = handle->data;
    control->is_closed = true;
    free_if_done(control);
}

int csn_control_new(uv_loop_t *loop, const char *path, const struct csn_control_handlers *handlers,
                    const struct csn_log *log, struct csn_control **ret_control,
                    struct csn_reason *reason)
{
    int code = remove_stale(path, reason);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_control *control = csn_calloc(1, sizeof(*control));
    control->handlers = *handlers;
    control->log = log;
    control->path = csn_strdup(path);
    uv_pipe_init(loop, &control->listener, 0);
    control->listener.data = control;
    mode_t mask = umask(SOCKET_MASK);
    int result = uv_pipe_bind(&control->listener, path);
    umask(mask);
    if (result == 0) {
        result = uv_listen((uv_stream_t *)&control->listener, BACKLOG, connected);
    }
    if (result != 0) {
        uv_close((uv_handle_t *)&control->listener, listener_closed);
        return csn_reason_set(reason, CSN_EIO, "%s: cannot listen: %s", path, uv_strerror(result));
    }
    csn_log(log, CSN_INFO, "control.listen", "operators may ask at %s", path);
    *ret_control = control;
    return CSN_OK;
}

void csn_control_free(struct csn_control *take_control)
{
    unlink(take_control->path);
    for (struct client *client = take_control->clients; client != NULL; client = client->next) {
        close_client(client);
    }
    uv_close((uv_handle_t *)&take_control->listener, listener_closed);
}
