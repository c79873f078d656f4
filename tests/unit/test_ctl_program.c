/* Goal: consignctl tells by its exit status and its output what a script asks. Method: the program itself against a server with
 * made-up statuses, and without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "cert_fixture.h"
#include "ctl_picture.h"
#include "ctl_render.h"
#include "ops/control.h"

#define OUTPUT_MAX 16384

struct server {
    char folder[64];
    char path[80];
    struct csn_log log;
    uv_loop_t loop;
    uint64_t off_s; /* of the picture's time */
    void (*change)(struct csn_status *status);
};

static void on_status(void *arg, struct csn_status *ret_status)
{
    const struct server *server = arg;
    fill(ret_status, (uint64_t)time(NULL) - server->off_s);
    if (server->change != NULL) {
        server->change(ret_status);
    }
    csn_status_judge(ret_status);
}

struct run {
    char output[OUTPUT_MAX];
    size_t size;
    int64_t status;
    unsigned open; /* process, output */
};

static void exited(uv_process_t *process, int64_t status, int signal)
{
    struct run *run = process->data;
    run->status = signal == 0 ? status : 128 + signal;
    run->open--;
    uv_close((uv_handle_t *)process, NULL);
}

static void make_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct run *run = handle->data;
    (void)suggested;
    *ret_buf = uv_buf_init(run->output + run->size, (unsigned)(OUTPUT_MAX - 1 - run->size));
}

static void printed(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct run *run = stream->data;
    (void)buf;
    if (size < 0) {
        run->open--;
        uv_close((uv_handle_t *)stream, NULL);
        return;
    }
    run->size += (size_t)size;
}

/* Runs consignctl with the words; its exit status and standard output. */
static void ctl(uv_loop_t *loop, struct run *run, const char *const *words)
{
    char *arguments[12] = {(char *)(uintptr_t)CONSIGNCTL};
    for (size_t i = 0; words[i] != NULL; i++) {
        arguments[i + 1] = (char *)(uintptr_t)words[i];
    }
    uv_process_t process;
    uv_pipe_t pipe;
    uv_pipe_init(loop, &pipe, 0);
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                     {.flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE),
                                      .data.stream = (uv_stream_t *)&pipe},
                                     {.flags = UV_IGNORE}};
    uv_process_options_t options = {
        .file = CONSIGNCTL, .args = arguments, .exit_cb = exited, .stdio = stdio, .stdio_count = 3};
    *run = (struct run){.open = 2};
    process.data = pipe.data = run;
    assert_int_equal(uv_spawn(loop, &process, &options), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&pipe, make_room, printed), 0);
    while (run->open > 0) {
        uv_run(loop, UV_RUN_ONCE);
    }
    uv_run(loop, UV_RUN_NOWAIT); /* the closed handles leave the stack */
}

static void degraded(struct csn_status *status)
{
    status->sites[2]->error = "no answer";
}
static void diverged(struct csn_status *status)
{
    spoil(status);
}

static void test_exit_status_tells_the_verdict(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct csn_status *status);
        uint64_t off_s;
        int64_t health;
        const char *word;
    } rows[] = {{NULL, 0, 0, "CONSIGN OK - "},
                {degraded, 0, 1, "CONSIGN DEGRADED - "},
                {diverged, 0, 2, "CONSIGN CRITICAL - "},
                {NULL, 2 * CSN_CTL_STALE_S, 3, "CONSIGN UNKNOWN - "}};
    struct server server = {.folder = "/tmp/consign-ctl-XXXXXX",
                            .log = {.program = "test_ctl", .least = CSN_ERROR}};
    struct csn_control_handlers handlers = {
        .arg = &server, .on_status = on_status, .on_cert_show = show_cert};
    struct csn_control *control;
    struct run *run = csn_alloc(sizeof(*run));
    assert_non_null(mkdtemp(server.folder));
    snprintf(server.path, sizeof(server.path), "%s/s", server.folder);
    uv_loop_init(&server.loop);
    assert_int_equal(
        csn_control_new(&server.loop, server.path, &handlers, &server.log, &control, NULL), CSN_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        server.change = rows[i].change;
        server.off_s = rows[i].off_s;
        ctl(&server.loop, run, (const char *[]){"-s", server.path, "health", NULL});
        assert_int_equal(run->status, rows[i].health);
        assert_memory_equal(run->output, rows[i].word, strlen(rows[i].word));
        ctl(&server.loop, run, (const char *[]){"-s", server.path, "status", NULL});
        assert_int_equal(run->status, 0);
        assert_non_null(strstr(run->output, "SITE  ROLE"));
        assert_null(strchr(run->output, '\033')); /* a pipe is no terminal */
        ctl(&server.loop, run, (const char *[]){"-s", server.path, "-o", "json", "health", NULL});
        assert_int_equal(run->status, rows[i].health);
        json_t *json = parsed(csn_strdup(run->output));
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(json, "health"), "level")),
            rows[i].health);
        json_decref(json);
    }
    server.change = NULL;
    ctl(&server.loop, run, (const char *[]){"-s", server.path, "cert", "show", "ch", NULL});
    assert_int_equal(run->status, 0);
    assert_non_null(strstr(run->output, "serial        2026112104\n"));
    assert_non_null(strstr(run->output, "input         generation 1 serial 77\n"));
    assert_non_null(strstr(run->output, "policy        version 3\nkey set       version 5\n"));
    assert_non_null(strstr(run->output, "held by       1 zrh (incarnation 1)\n"));
    ctl(&server.loop, run,
        (const char *[]){"-s", server.path, "-o", "json", "cert", "show", "ch.", NULL});
    json_t *json = parsed(csn_strdup(run->output));
    assert_string_equal(json_string_value(json_object_get(json, "certificate")), "43534e43");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "input"), "serial")),
                     77);
    json_decref(json);
    ctl(&server.loop, run, (const char *[]){"-s", server.path, "cert", "show", "li.", NULL});
    assert_int_equal(run->status, 1);
    csn_control_free(control);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&server.loop), 0);
    rmdir(server.folder);
    free(run);
}

static void test_without_a_daemon_it_cannot_tell(void **state)
{
    (void)state;
    static const struct {
        const char *words[6];
        int64_t status;
    } rows[] = {{{"-s", "/nonexistent/s", "status", NULL}, 3},
                {{"-s", "/nonexistent/s", "health", NULL}, 3},
                {{"-s", "/nonexistent/s", "cert", "show", ".", NULL}, 3},
                {{"status", "ch.", "more", NULL}, 2},
                {{"-o", "xml", "status", NULL}, 2},
                {{"-x", NULL}, 2},
                {{NULL}, 2},
                {{"cert", "show", NULL}, 2},
                {{"zone", "hold", NULL}, 2},
                {{"zone", "hold", "ch.", "--reason", "no key", NULL}, 2},
                {{"zone", "approve", "ch.", "x", NULL}, 2},
                {{"maintenance", "up", "zrh", NULL}, 2},
                {{"-h", NULL}, 0}};
    uv_loop_t loop;
    struct run *run = csn_alloc(sizeof(*run));
    uv_loop_init(&loop);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ctl(&loop, run, rows[i].words);
        assert_int_equal(run->status, rows[i].status);
    }
    ctl(&loop, run, (const char *[]){"-s", "/nonexistent/s", "-o", "json", "status", NULL});
    json_t *json = parsed(csn_strdup(run->output));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "health"), "level")),
                     CSN_HEALTH_UNKNOWN);
    json_decref(json);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_status_tells_the_verdict),
        cmocka_unit_test(test_without_a_daemon_it_cannot_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
