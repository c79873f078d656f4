/* Goal: operators are answered over the control socket, and nothing that comes by it can hurt the daemon. Method: a real server
 * on a private socket, in a thread with a loop of its own, as a daemon would run it; hostile frames. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "ops/control.h"
#include "ops/control_wire.h"
#include "cert_fixture.h"
#include "status_fixture.h"

#define PATH_SIZE 256
#define TIMEOUT_MS 20000
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, make_server, end_server)

struct server {
    char folder[PATH_SIZE];
    char path[PATH_SIZE + 16];
    struct csn_log log;
    struct csn_control *control;
    uv_loop_t loop;
    uv_async_t stop;
    uv_thread_t thread;
    unsigned diffs_asked;
    size_t zones; /* of its status; 0: one */
};

/* The page that is asked for: each zone's place is its serial, and the last one has no release. */
static void fill_page(struct csn_status *status, size_t zones)
{
    status->all_zones = (uint32_t)zones;
    for (size_t i = status->first_zone; i < zones && csn_status_is_shown(status, i); i++) {
        struct csn_status_zone *zone = csn_status_add_zone(status);
        zone->zone = csn_status_text(status, "z%zu.", i);
        zone->has_released = i + 1 < zones;
        zone->released = (uint32_t)i;
        csn_status_add_released(status, status->sites[0], zone->zone, zone->released);
    }
}

static void on_status(void *arg, struct csn_status *ret_status)
{
    const struct server *server = arg;
    fill(ret_status);
    if (server->zones > 0) {
        ret_status->zones = NULL;
        ret_status->zone_count = ret_status->sites[0]->released_count = 0;
        ret_status->sites[0]->released = NULL;
        fill_page(ret_status, server->zones);
    }
    csn_status_judge(ret_status);
}

static void stop(uv_async_t *async)
{
    struct server *server = async->data;
    csn_control_free(server->control);
    uv_close((uv_handle_t *)async, NULL);
}

static void run(void *arg)
{
    struct server *server = arg;
    uv_run(&server->loop, UV_RUN_DEFAULT);
}

static int on_order(void *arg, const struct csn_control_order *order, struct csn_reason *reason)
{
    (void)arg;
    bool is_good = order->signer == 3 && csn_bytes_equal(order->body, csn_bytes("body", 4)) &&
                   order->signature[0] == 0x51 && order->signature[63] == 0x52;
    return is_good ? CSN_OK : csn_reason_set(reason, CSN_ESIGNATURE, "a forged order");
}

/* At work twice for each question that it can answer. */
static int on_diff(void *arg, const struct csn_control_diff *diff, struct csn_buf *ret_text,
                   struct csn_reason *reason)
{
    struct server *server = arg;
    if (strcmp(diff->zone, "ch.") != 0 || strcmp(diff->first, "zrh") != 0 || diff->serial != 7) {
        return csn_reason_set(reason, CSN_ENOTFOUND, "zone ch., serial 7 and zrh are here");
    }
    if (++server->diffs_asked % 3 != 0) {
        return csn_reason_set(reason, CSN_EBUSY, "at work");
    }
    bool is_large = strcmp(diff->second, "large") == 0;
    for (size_t i = 0; i <= (is_large ? CSN_CONTROL_FRAME_MAX : 0); i++) {
        csn_buf_put(ret_text, "- a\n", strcmp(diff->second, "zrh") == 0 ? 0 : 4);
    }
    return CSN_OK;
}

static int on_reports(void *arg, const char *zone, const char *name, struct csn_buf *ret_text,
                      struct csn_reason *reason)
{
    (void)arg;
    (void)reason;
    csn_buf_put(ret_text, zone, strlen(zone));
    csn_buf_put(ret_text, name, name != NULL ? strlen(name) : 0);
    return CSN_OK;
}

/* The longest that may be, and nothing else. */
static int on_propose(void *arg, struct csn_bytes document, bool is_anyway, struct csn_reason *reason)
{
    (void)arg;
    bool is_it = document.size == CSN_CONTROL_DOCUMENT_MAX && document.data[0] == 0xd0 &&
                 document.data[document.size - 1] == 0xd0;
    return is_it || is_anyway ? CSN_OK : csn_reason_set(reason, CSN_EREFUSED, "another document");
}

#define LONG_TEXT (3 * 1000 * 1000) /* octets of a chain: several answers */

static int on_membership(void *arg, struct csn_membership *ret_membership, struct csn_reason *reason)
{
    (void)arg;
    (void)reason;
    *ret_membership = (struct csn_membership){.epoch = 7, .quorum = 3, .is_unconfirmed = true, .emergency_until_s = 99,
                                              .emergency_reason = "flood", .begun_epoch = 8, .next_epoch = 9,
                                              .change = "  5 fra, signer, incarnation 1\n", .why_not = "its base is unknown"};
    memset(ret_membership->document.octets, 0x84, CSN_DIGEST_SIZE);
    assert_true(csn_membership_add(ret_membership, &(struct csn_membership_row){1, "zrh", "signer", 1}));
    assert_true(csn_membership_add(ret_membership, &(struct csn_membership_row){4, "gru", "verifier", 2}));
    return CSN_OK;
}

static int on_chain(void *arg, struct csn_buf *ret_text, struct csn_reason *reason)
{
    (void)arg;
    (void)reason;
    for (unsigned i = 0; i < LONG_TEXT / 5; i++) {
        char line[6];
        snprintf(line, sizeof(line), "%04x\n", i % 0x10000);
        csn_buf_put(ret_text, line, 5);
    }
    csn_buf_put(ret_text, "chain", 5);
    return CSN_OK;
}

static int listen_at(struct server *server, struct csn_control **ret_control,
                     struct csn_reason *reason)
{
    const struct csn_control_handlers handlers = {.arg = server,
                                                  .on_status = on_status,
                                                  .on_cert_show = show_cert,
                                                  .on_order = on_order,
                                                  .on_diff = on_diff,
                                                  .on_reports = on_reports,
                                                  .on_propose = on_propose,
                                                  .on_membership = on_membership,
                                                  .on_chain = on_chain};
    return csn_control_new(&server->loop, server->path, &handlers, &server->log, ret_control,
                           reason);
}

static int make_server(void **state)
{
    struct server *server = csn_calloc(1, sizeof(*server));
    const char *base = getenv("TMPDIR");
    snprintf(server->folder, sizeof(server->folder), "%s/consign-control-XXXXXX",
             base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->path, sizeof(server->path), "%s/control.sock", server->folder);
    server->log = (struct csn_log){.program = "test_control", .least = CSN_ERROR};
    uv_loop_init(&server->loop);
    uv_async_init(&server->loop, &server->stop, stop);
    server->stop.data = server;
    assert_int_equal(listen_at(server, &server->control, NULL), CSN_OK);
    assert_int_equal(uv_thread_create(&server->thread, run, server), 0);
    *state = server;
    return 0;
}

static int end_server(void **state)
{
    struct server *server = *state;
    uv_async_send(&server->stop);
    uv_thread_join(&server->thread);
    assert_int_equal(uv_loop_close(&server->loop), 0);
    assert_int_not_equal(access(server->path, F_OK), 0);
    assert_int_equal(rmdir(server->folder), 0);
    free(server);
    return 0;
}

static void test_operators_are_answered(void **state)
{
    struct server *server = *state;
    struct csn_status status;
    struct csn_cert_view view;
    struct csn_reason reason;
    struct stat st;
    assert_int_equal(stat(server->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(csn_control_ask_status(server->path, TIMEOUT_MS, &status, &reason), CSN_OK);
    assert_int_equal(status.level, CSN_HEALTH_OK);
    assert_string_equal(status.sites[1]->name, "sjc");
    csn_status_fini(&status);
    assert_int_equal(csn_control_ask_cert(server->path, TIMEOUT_MS, "ch.", &view, &reason), CSN_OK);
    assert_true(view.round_counter == UINT64_MAX);
    assert_int_equal(view.input.generation, 1);
    assert_int_equal(view.input.serial, 77);
    assert_string_equal(view.signers[1].name, "sin");
    assert_true(csn_bytes_equal(view.certificate, csn_bytes("CSNC", 4)));
    csn_cert_view_fini(&view);
    assert_int_equal(csn_control_ask_cert(server->path, TIMEOUT_MS, "li.", &view, &reason),
                     CSN_ENOTFOUND);
    assert_string_equal(reason.text, "zone li. is not configured here");
}

static void test_all_zones_come_page_by_page(void **state)
{
    struct server *server = *state;
    struct csn_status status;
    struct csn_reason reason;
    server->zones = 2 * CSN_STATUS_PAGE + 10;
    assert_int_equal(csn_control_ask_status(server->path, TIMEOUT_MS, &status, &reason), CSN_OK);
    assert_int_equal(status.zone_count, server->zones);
    assert_int_equal(status.sites[0]->released_count, server->zones);
    assert_int_equal(status.sites[1]->released_count, 3 * 3); /* of each page, as it is filled here */
    for (uint32_t i = 0; i < status.zone_count; i++) {
        assert_int_equal(status.zones[i]->released, status.zones[i]->has_released ? i : 0);
        assert_string_equal(status.sites[0]->released[i].zone, status.zones[i]->zone);
    }
    assert_int_equal(status.level, CSN_HEALTH_DEGRADED);
    assert_int_equal(status.reason_count, 1);
    assert_string_equal(status.reasons[0], "z1033. has no release yet");
    csn_status_fini(&status);
}

static void test_orders_are_taken_or_refused_with_a_reason(void **state)
{
    struct server *server = *state;
    struct csn_reason reason;
    static const uint8_t long_body[CSN_CONTROL_ORDER_MAX + 1] = {0};
    struct csn_control_order order = {
        .signer = 3, .body = csn_bytes("body", 4), .signature = {[0] = 0x51, [63] = 0x52}};
    assert_int_equal(csn_control_give_order(server->path, TIMEOUT_MS, &order, &reason), CSN_OK);
    order.signer = 4;
    assert_int_equal(csn_control_give_order(server->path, TIMEOUT_MS, &order, &reason),
                     CSN_ESIGNATURE);
    assert_string_equal(reason.text, "a forged order");
    order.body = csn_bytes(long_body, sizeof(long_body));
    assert_int_equal(csn_control_give_order(server->path, TIMEOUT_MS, &order, &reason),
                     CSN_EFORMAT);
    order.body = csn_bytes(long_body, 0);
    assert_int_equal(csn_control_give_order(server->path, TIMEOUT_MS, &order, &reason),
                     CSN_EFORMAT);
}

static void test_a_comparison_is_asked_for_until_it_is_done(void **state)
{
    struct server *server = *state;
    struct csn_reason reason;
    struct csn_buf text = {0};
    char long_name[CSN_CONTROL_SITE_MAX + 1] = {0};
    struct csn_control_diff diff = {.zone = "ch.", .first = "zrh", .second = "sin", .serial = 7};
    assert_int_equal(csn_control_ask_diff(server->path, TIMEOUT_MS, &diff, &text, &reason), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&text), csn_bytes("- a\n", 4)));
    assert_int_equal(server->diffs_asked, 3);
    csn_buf_clear(&text);
    diff.second = "zrh";
    assert_int_equal(csn_control_ask_diff(server->path, TIMEOUT_MS, &diff, &text, &reason), CSN_OK);
    assert_int_equal(text.size, 0);
    assert_int_equal(csn_control_ask_diff(server->path, 50, &diff, &text, &reason), CSN_EBUSY);
    server->diffs_asked = 0;
    diff.second = "large";
    assert_int_equal(csn_control_ask_diff(server->path, TIMEOUT_MS, &diff, &text, &reason),
                     CSN_ELIMIT);
    memset(long_name, 'x', sizeof(long_name) - 1);
    diff.second = long_name;
    assert_int_equal(csn_control_ask_diff(server->path, TIMEOUT_MS, &diff, &text, &reason),
                     CSN_EFORMAT);
    diff.serial = 8;
    diff.second = "sin";
    assert_int_equal(csn_control_ask_diff(server->path, TIMEOUT_MS, &diff, &text, &reason),
                     CSN_ENOTFOUND);
    assert_int_equal(csn_control_ask_reports(server->path, TIMEOUT_MS, "li.", NULL, &text, &reason),
                     CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&text), csn_bytes("li.", 3)));
    assert_int_equal(csn_control_ask_reports(server->path, TIMEOUT_MS, "ch.", "x.txt", &text, &reason), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&text), csn_bytes("li.ch.x.txt", 11)));
    csn_buf_fini(&text);
}

static void test_a_document_is_handed_in_and_the_members_are_shown(void **state)
{
    struct server *server = *state;
    struct csn_reason reason;
    struct csn_buf text = {0}, whole = {0};
    static uint8_t document[CSN_CONTROL_DOCUMENT_MAX + 1];
    memset(document, 0xd0, sizeof(document));
    struct csn_bytes longest = csn_bytes(document, CSN_CONTROL_DOCUMENT_MAX);
    assert_int_equal(csn_control_propose(server->path, TIMEOUT_MS, longest, false, &reason), CSN_OK);
    assert_int_equal(
        csn_control_propose(server->path, TIMEOUT_MS, csn_bytes(document, 7), false, &reason),
        CSN_EREFUSED);
    assert_string_equal(reason.text, "another document");
    assert_int_equal(csn_control_propose(server->path, TIMEOUT_MS, csn_bytes(document, 7), true, &reason), CSN_OK);
    longest.size++;
    assert_int_equal(csn_control_propose(server->path, TIMEOUT_MS, longest, false, &reason), CSN_ELIMIT);
    csn_buf_put(&text, "lines", 5);
    on_chain(NULL, &whole, NULL);
    assert_int_equal(whole.size, LONG_TEXT + 5);
    assert_int_equal(csn_control_ask_chain(server->path, TIMEOUT_MS, &text, &reason),
                     CSN_OK); /* behind the lines that are there */
    assert_int_equal(text.size, 5 + whole.size);
    assert_true(csn_bytes_equal(csn_bytes(text.data + 5, text.size - 5), csn_buf_view(&whole)));
    csn_buf_fini(&whole);
    csn_buf_fini(&text);
}

static void test_how_the_members_stand_survives_the_wire(void **state)
{
    const struct server *server = *state;
    static const char expected[] =
        "epoch 7, 3 of 2 members agree; SHA-384 of its document: 84848484848484848484848484848484848484848484848484848484848484848484848484"
        "8484848484848484848484\n"
        "it has not begun as far as this site knows\n"
        "EMERGENCY until 1970-01-01T00:01:39Z: flood\n"
        "  1 zrh, signer, incarnation 1\n"
        "  4 gru, verifier, incarnation 2\n"
        "epoch 8 has begun without this site: it votes no more\n"
        "next, when a quorum has it:\n"
        "  5 fra, signer, incarnation 1\n"
        "it cannot begin here: its base is unknown\n";
    struct csn_membership membership = {.epoch = 0};
    struct csn_reason reason;
    struct csn_buf text = {0};
    assert_int_equal(csn_control_ask_membership(server->path, TIMEOUT_MS, &membership, &reason), CSN_OK);
    csn_membership_write(&membership, &text);
    csn_buf_put_u8(&text, 0);
    assert_string_equal((const char *)text.data, expected);
    csn_buf_fini(&text);
    csn_membership_fini(&membership);
}

static int dial(const struct server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = TIMEOUT_MS / 1000};
    assert_true(strlen(server->path) < sizeof(address.sun_path));
    memcpy(address.sun_path, server->path, strlen(server->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void frame(struct csn_buf *buf, struct csn_bytes message)
{
    csn_buf_put_u32(buf, (uint32_t)message.size);
    csn_buf_put_bytes(buf, message);
}

static void read_exactly(int fd, void *data, size_t size)
{
    assert_int_equal(recv(fd, data, size, MSG_WAITALL), size);
}

/* The code of the next reply. */
static int read_code(int fd)
{
    uint8_t length[4];
    struct csn_reason reason;
    struct csn_status status = {0};
    read_exactly(fd, length, sizeof(length));
    size_t size = csn_get_u32(length);
    uint8_t *octets = csn_alloc(size);
    read_exactly(fd, octets, size);
    int code = csn_control_status_decode(csn_bytes(octets, size), &status, &reason);
    if (code == CSN_OK) {
        csn_status_fini(&status);
    }
    free(octets);
    return code;
}

/* Closed by the server, not ended by our own patience. */
static bool is_closed_within(int fd, time_t seconds)
{
    struct timeval patience = {.tv_sec = seconds};
    uint8_t octet;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    ssize_t size = recv(fd, &octet, 1, 0);
    return size == 0 || (size < 0 && errno == ECONNRESET);
}

static void test_requests_in_one_write_are_answered_in_order(void **state)
{
    const struct server *server = *state;
    struct csn_control_request request = {.what = CSN_CONTROL_STATUS};
    struct csn_buf message = {0}, octets = {0};
    assert_int_equal(csn_control_request_encode(&request, &message), CSN_OK);
    frame(&octets, csn_buf_view(&message));
    frame(&octets, csn_bytes("\xff\xff", 2));
    frame(&octets, csn_bytes(NULL, 0));
    frame(&octets, csn_buf_view(&message));
    int fd = dial(server);
    assert_int_equal(send(fd, octets.data, octets.size, 0), octets.size);
    assert_int_equal(read_code(fd), CSN_OK);
    assert_int_equal(read_code(fd), CSN_EFORMAT);
    assert_int_equal(read_code(fd), CSN_EFORMAT);
    assert_int_equal(read_code(fd), CSN_OK);
    close(fd);
    csn_buf_fini(&message);
    csn_buf_fini(&octets);
}

static void test_requests_of_another_version_are_refused(void **state)
{
    const struct server *server = *state;
    static const uint8_t version_2[] = {0x08, 0x02, 0x12,
                                        0x00}; /* field 1: 2, field 2: StatusRequest */
    struct csn_buf octets = {0};
    frame(&octets, csn_bytes(version_2, sizeof(version_2)));
    int fd = dial(server);
    assert_int_equal(send(fd, octets.data, octets.size, 0), octets.size);
    assert_int_equal(read_code(fd), CSN_EFORMAT);
    close(fd);
    csn_buf_fini(&octets);
}

static void test_a_frame_above_the_limit_closes_the_connection(void **state)
{
    const struct server *server = *state;
    uint8_t length[4];
    int fd = dial(server);
    csn_set_u32(length, CSN_CONTROL_REQUEST_MAX + 1);
    assert_int_equal(send(fd, length, sizeof(length), 0), sizeof(length));
    assert_true(is_closed_within(fd, CSN_CONTROL_IDLE_MS / 2000));
    close(fd);
}

static void ask_nothing_known(int fd)
{
    assert_int_equal(send(fd, (uint8_t[4]){0}, 4, MSG_NOSIGNAL), 4);
    assert_int_equal(read_code(fd), CSN_EFORMAT);
}

static void test_idle_clients_do_not_lock_operators_out(void **state)
{
    const struct server *server = *state;
    struct csn_status status;
    struct csn_reason reason;
    int fds[CSN_CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < CSN_CONTROL_CLIENTS_MAX; i++) {
        fds[i] = dial(server);
    }
    assert_int_equal(csn_control_ask_status(server->path, TIMEOUT_MS, &status, &reason), CSN_OK);
    csn_status_fini(&status);
    for (size_t i = 0; i < CSN_CONTROL_CLIENTS_MAX; i++) {
        close(fds[i]);
    }
}

static void test_the_client_idle_longest_makes_place(void **state)
{
    const struct server *server = *state;
    int fds[CSN_CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < CSN_CONTROL_CLIENTS_MAX; i++) {
        fds[i] = dial(server);
        ask_nothing_known(fds[i]);
    }
    ask_nothing_known(fds[0]);
    int extra = dial(server);
    ask_nothing_known(extra);
    assert_true(is_closed_within(fds[1], CSN_CONTROL_IDLE_MS / 2000));
    ask_nothing_known(fds[0]);
    ask_nothing_known(fds[2]);
    close(extra);
    for (size_t i = 0; i < CSN_CONTROL_CLIENTS_MAX; i++) {
        close(fds[i]);
    }
}

static void test_a_silent_client_is_closed(void **state)
{
    const struct server *server = *state;
    uint8_t half[] = {0, 0, 0, 4, 1};
    int fd = dial(server);
    assert_int_equal(send(fd, half, sizeof(half), 0), sizeof(half));
    assert_true(is_closed_within(fd, 2 * CSN_CONTROL_IDLE_MS / 1000));
    close(fd);
}

static void test_a_socket_in_use_is_not_taken_over(void **state)
{
    struct server *server = *state;
    struct csn_control *second;
    struct csn_reason reason;
    assert_int_equal(listen_at(server, &second, &reason), CSN_EBUSY);
    assert_non_null(strstr(reason.text, "another daemon"));
}

/* --- without a server */

/* What a dead daemon left is replaced; what is no socket is left alone. */
static void test_a_place_that_is_taken_is_left_or_replaced(void **state)
{
    (void)state;
    struct server server = {.log = {.program = "test_control", .least = CSN_ERROR}};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct csn_reason reason;
    snprintf(server.folder, sizeof(server.folder), "/tmp/consign-control-XXXXXX");
    assert_non_null(mkdtemp(server.folder));
    snprintf(server.path, sizeof(server.path), "%s/s", server.folder);
    uv_loop_init(&server.loop);
    memcpy(address.sun_path, server.path, strlen(server.path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    assert_int_equal(listen_at(&server, &server.control, &reason), CSN_OK);
    csn_control_free(server.control);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    FILE *file = fopen(server.path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(listen_at(&server, &server.control, &reason), CSN_EEXISTS);
    assert_int_equal(access(server.path, F_OK), 0);
    unlink(server.path);
    rmdir(server.folder);
    memset(server.path, 'x', sizeof(server.path) - 1);
    assert_int_equal(listen_at(&server, &server.control, &reason), CSN_ELIMIT);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&server.loop), 0);
}

static void test_the_client_says_why_nobody_answers(void **state)
{
    (void)state;
    char folder[] = "/tmp/consign-control-XXXXXX", path[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct csn_status status;
    struct csn_reason reason;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    assert_int_equal(csn_control_ask_status(path, 1000, &status, &reason), CSN_ECLOSED);
    /* Listens and never answers. */
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(csn_control_ask_status(path, 50, &status, &reason), CSN_ETIMEOUT);
    /* A socket file that nobody listens at. */
    close(fd);
    assert_int_equal(csn_control_ask_status(path, 1000, &status, &reason), CSN_ECLOSED);
    assert_non_null(strstr(reason.text, path));
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_operators_are_answered),
        WITH_SERVER(test_all_zones_come_page_by_page),
        WITH_SERVER(test_orders_are_taken_or_refused_with_a_reason),
        WITH_SERVER(test_a_comparison_is_asked_for_until_it_is_done),
        WITH_SERVER(test_a_document_is_handed_in_and_the_members_are_shown),
        WITH_SERVER(test_requests_in_one_write_are_answered_in_order),
        WITH_SERVER(test_requests_of_another_version_are_refused),
        WITH_SERVER(test_a_frame_above_the_limit_closes_the_connection),
        WITH_SERVER(test_idle_clients_do_not_lock_operators_out),
        WITH_SERVER(test_the_client_idle_longest_makes_place),
        WITH_SERVER(test_a_silent_client_is_closed),
        WITH_SERVER(test_a_socket_in_use_is_not_taken_over),
        WITH_SERVER(test_how_the_members_stand_survives_the_wire),
        cmocka_unit_test(test_a_place_that_is_taken_is_left_or_replaced),
        cmocka_unit_test(test_the_client_says_why_nobody_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
