#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ops/control.h"
#include "ops/control_wire.h"

#define LENGTH_SIZE 4
#define ASK_AGAIN_MS 100 /* while the daemon is at work */

struct caller {
    const char *path; /* borrows */
    int fd;
    uint64_t deadline_ms;
    struct csn_reason *reason; /* borrows */
};

static uint64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int fail(const struct caller *caller, int code, const char *what)
{
    return csn_reason_set(caller->reason, code, "%s: %s", caller->path, what);
}

static int wait_until(const struct caller *caller, short events)
{
    for (;;) {
        uint64_t now_ms = monotonic_ms();
        struct pollfd poller = {.fd = caller->fd, .events = events};
        int left_ms = now_ms < caller->deadline_ms ? (int)(caller->deadline_ms - now_ms) : 0;
        int result = poll(&poller, 1, left_ms);
        if (result > 0) {
            return CSN_OK;
        }
        if (result == 0) {
            return fail(caller, CSN_ETIMEOUT,
                        "the daemon does not answer in time; it hangs or is overloaded");
        }
        if (errno != EINTR) {
            return fail(caller, CSN_EIO, strerror(errno));
        }
    }
}

static int open_socket(struct caller *caller)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(caller->path) >= sizeof(address.sun_path)) {
        return fail(caller, CSN_ELIMIT, "too long for a socket's path");
    }
    memcpy(address.sun_path, caller->path, strlen(caller->path) + 1);
    caller->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (caller->fd < 0) {
        return fail(caller, CSN_EIO, strerror(errno));
    }
    /* On a Unix socket EAGAIN is a full backlog, not a connection under way. */
    while (connect(caller->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        switch (errno) {
        case EINTR:
            break;
        case EACCES:
        case EPERM:
            return fail(caller, CSN_EPERMISSION,
                        "not permitted; operators are in the socket's group");
        case ENOENT:
        case ECONNREFUSED:
        case ENOTDIR:
            return fail(
                caller, CSN_ECLOSED,
                "no daemon listens there; is consign-node (or consign-coordinator) running, and is this its socket?");
        case EAGAIN:
            return fail(caller, CSN_ECLOSED, "the daemon takes no more connections now");
        default:
            return fail(caller, CSN_EIO, strerror(errno));
        }
    }
    return CSN_OK;
}

static int send_all(const struct caller *caller, struct csn_bytes octets)
{
    size_t at = 0;
    while (at < octets.size) {
        int code = wait_until(caller, POLLOUT);
        if (code != CSN_OK) {
            return code;
        }
        ssize_t sent = send(caller->fd, octets.data + at, octets.size - at, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return fail(caller, CSN_ECLOSED, "the daemon closed the connection");
        }
        at += sent > 0 ? (size_t)sent : 0;
    }
    return CSN_OK;
}

/* Appends exactly `size` octets. */
static int receive(const struct caller *caller, size_t size, struct csn_buf *buf)
{
    while (size > 0) {
        int code = wait_until(caller, POLLIN);
        if (code != CSN_OK) {
            return code;
        }
        ssize_t got = recv(caller->fd, csn_buf_reserve(buf, size), size, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            return fail(caller, CSN_ECLOSED, "the daemon closed the connection");
        }
        if (got > 0) {
            buf->size += (size_t)got;
            size -= (size_t)got;
        }
    }
    return CSN_OK;
}

static int exchange(const struct caller *caller, const struct csn_control_request *request,
                    struct csn_buf *ret_reply)
{
    struct csn_buf message = {0}, frame = {0};
    int code = csn_control_request_encode(request, &message);
    INSIST(code == CSN_OK);
    csn_buf_put_u32(&frame, (uint32_t)message.size);
    csn_buf_put_bytes(&frame, csn_buf_view(&message));
    code = send_all(caller, csn_buf_view(&frame));
    csn_buf_fini(&message);
    csn_buf_fini(&frame);
    if (code == CSN_OK) {
        code = receive(caller, LENGTH_SIZE, ret_reply);
    }
    if (code != CSN_OK) {
        return code;
    }
    size_t size = csn_get_u32(ret_reply->data);
    if (size > CSN_CONTROL_FRAME_MAX) {
        return fail(caller, CSN_EFORMAT, "the answer is too large: is it a Consign daemon?");
    }
    csn_buf_clear(ret_reply);
    return receive(caller, size, ret_reply);
}

/* `reply` is to be freed whatever is returned. */
static int ask(const char *path, uint32_t timeout_ms, const struct csn_control_request *request,
               struct csn_buf *reply, struct csn_reason *reason)
{
    struct caller caller = {
        .path = path, .fd = -1, .deadline_ms = monotonic_ms() + timeout_ms, .reason = reason};
    int code = open_socket(&caller);
    if (code == CSN_OK) {
        code = exchange(&caller, request, reply);
    }
    if (caller.fd >= 0) {
        close(caller.fd);
    }
    return code;
}

static int ask_page(const char *path, uint32_t timeout_ms, struct csn_status *status, struct csn_reason *reason)
{
    struct csn_control_request request = {.what = CSN_CONTROL_STATUS, .first_zone = status->zone_count};
    struct csn_buf reply = {0};
    int code = ask(path, timeout_ms, &request, &reply, reason);
    if (code == CSN_OK) {
        code = csn_control_status_decode(csn_buf_view(&reply), status, reason);
    }
    csn_buf_fini(&reply);
    return code;
}

int csn_control_ask_status(const char *path, uint32_t timeout_ms, struct csn_status *ret_status,
                           struct csn_reason *reason)
{
    uint64_t deadline_ms = monotonic_ms() + timeout_ms;
    struct csn_status status = {0};
    int code = ask_page(path, timeout_ms, &status, reason);
    while (code == CSN_OK && status.zone_count < status.all_zones) {
        uint64_t now_ms = monotonic_ms();
        code = ask_page(path, now_ms < deadline_ms ? (uint32_t)(deadline_ms - now_ms) : 0, &status, reason);
    }
    if (code == CSN_OK) {
        *ret_status = status;
    } else {
        csn_status_fini(&status);
    }
    return code;
}

int csn_control_ask_explain(const char *path, uint32_t timeout_ms,
                            const struct csn_control_explain *explain,
                            struct csn_explanation *ret_explanation, struct csn_reason *reason)
{
    struct csn_control_request request = {.what = CSN_CONTROL_EXPLAIN, .explain = *explain};
    struct csn_buf reply = {0};
    int code = ask(path, timeout_ms, &request, &reply, reason);
    if (code == CSN_OK) {
        code = csn_control_explain_decode(csn_buf_view(&reply), ret_explanation, reason);
    }
    csn_buf_fini(&reply);
    return code;
}

int csn_control_give_order(const char *path, uint32_t timeout_ms,
                           const struct csn_control_order *order, struct csn_reason *reason)
{
    struct csn_control_request request = {.what = CSN_CONTROL_ORDER, .order = *order};
    struct csn_buf reply = {0};
    int code = ask(path, timeout_ms, &request, &reply, reason);
    if (code == CSN_OK) {
        code = csn_control_order_decode(csn_buf_view(&reply), reason);
    }
    csn_buf_fini(&reply);
    return code;
}

int csn_control_ask_cert(const char *path, uint32_t timeout_ms, const char *zone,
                         struct csn_cert_view *ret_view, struct csn_reason *reason)
{
    struct csn_control_request request = {.what = CSN_CONTROL_CERT_SHOW};
    struct csn_buf reply = {0};
    if (strlen(zone) >= sizeof(request.zone)) {
        return csn_reason_set(reason, CSN_ELIMIT, "the zone's name is too long");
    }
    memcpy(request.zone, zone, strlen(zone) + 1);
    int code = ask(path, timeout_ms, &request, &reply, reason);
    if (code == CSN_OK) {
        code = csn_control_cert_decode(csn_buf_view(&reply), ret_view, reason);
    }
    csn_buf_fini(&reply);
    return code;
}

static int ask_text(const char *path, uint32_t timeout_ms,
                    const struct csn_control_request *request, struct csn_buf *ret_text,
                    uint64_t *ret_all_size, struct csn_reason *reason)
{
    struct csn_buf reply = {0};
    int code = ask(path, timeout_ms, request, &reply, reason);
    if (code == CSN_OK) {
        code = csn_control_text_decode(csn_buf_view(&reply), ret_text, ret_all_size, reason);
    }
    csn_buf_fini(&reply);
    return code;
}

int csn_control_ask_diff(const char *path, uint32_t timeout_ms, const struct csn_control_diff *diff,
                         struct csn_buf *ret_text, struct csn_reason *reason)
{
    static const struct timespec pause = {.tv_nsec = ASK_AGAIN_MS * 1000000L};
    struct csn_control_request request = {.what = CSN_CONTROL_DIFF, .diff = *diff};
    uint64_t deadline_ms = monotonic_ms() + timeout_ms, all_size;
    for (;;) {
        uint64_t now_ms = monotonic_ms();
        uint32_t left_ms = now_ms < deadline_ms ? (uint32_t)(deadline_ms - now_ms) : 0;
        int code = ask_text(path, left_ms, &request, ret_text, &all_size, reason);
        if (code != CSN_EBUSY || left_ms <= ASK_AGAIN_MS) {
            return code;
        }
        nanosleep(&pause, NULL);
    }
}

int csn_control_ask_reports(const char *path, uint32_t timeout_ms, const char *zone, const char *name,
                            struct csn_buf *ret_text, struct csn_reason *reason)
{
    struct csn_control_request request = {.what = CSN_CONTROL_REPORTS};
    uint64_t all_size;
    if (strlen(zone) >= sizeof(request.zone) || (name != NULL && strlen(name) >= sizeof(request.report))) {
        return csn_reason_set(reason, CSN_ELIMIT, "the zone's or the report's name is too long");
    }
    memcpy(request.zone, zone, strlen(zone) + 1);
    if (name != NULL) {
        memcpy(request.report, name, strlen(name) + 1);
    }
    return ask_text(path, timeout_ms, &request, ret_text, &all_size, reason);
}

int csn_control_propose(const char *path, uint32_t timeout_ms, struct csn_bytes document,
                        bool is_anyway, struct csn_reason *reason)
{
    struct csn_control_request request = {
        .what = CSN_CONTROL_PROPOSE, .document = document, .is_anyway = is_anyway};
    struct csn_buf reply = {0};
    if (document.size == 0 || document.size > CSN_CONTROL_DOCUMENT_MAX) {
        return csn_reason_set(reason, CSN_ELIMIT, "a signed document has 1 to %d octets",
                              CSN_CONTROL_DOCUMENT_MAX);
    }
    int code = ask(path, timeout_ms, &request, &reply, reason);
    if (code == CSN_OK) {
        code = csn_control_order_decode(csn_buf_view(&reply), reason);
    }
    csn_buf_fini(&reply);
    return code;
}

int csn_control_ask_membership(const char *path, uint32_t timeout_ms, struct csn_membership *ret_membership,
                               struct csn_reason *reason)
{
    struct csn_control_request request = {.what = CSN_CONTROL_MEMBERSHIP};
    struct csn_buf reply = {0};
    int code = ask(path, timeout_ms, &request, &reply, reason);
    if (code == CSN_OK) {
        code = csn_control_membership_decode(csn_buf_view(&reply), ret_membership, reason);
    }
    csn_buf_fini(&reply);
    return code;
}

int csn_control_ask_chain(const char *path, uint32_t timeout_ms, struct csn_buf *ret_text, struct csn_reason *reason)
{
    struct csn_control_request request = {.what = CSN_CONTROL_MEMBERSHIP, .wants_chain = true, .is_paged = true};
    uint64_t deadline_ms = monotonic_ms() + timeout_ms, all_size = 0;
    size_t before = ret_text->size;
    int code;
    do { /* what is there already never changes: a chain only grows */
        uint64_t now_ms = monotonic_ms();
        uint32_t left_ms = now_ms < deadline_ms ? (uint32_t)(deadline_ms - now_ms) : 0;
        request.from = ret_text->size - before;
        code = ask_text(path, left_ms, &request, ret_text, &all_size, reason);
        if (code == CSN_OK && ret_text->size - before == request.from && all_size > request.from) {
            code = csn_reason_set(reason, CSN_EFORMAT, "the daemon's answer is not understood: are versions mixed?");
        }
    } while (code == CSN_OK && ret_text->size - before < all_size);
    return code;
}
