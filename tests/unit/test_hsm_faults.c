/* Goal: the client answers every call once and goes on, whatever the HSM does, and a worker ends by
 * itself. Method: SoftHSM2 behind a module that misbehaves on demand; the worker alone, its door in
 * the test's hand. */
#include "hsm_bench.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hsm.pb-c.h"

static void test_hanging_hsm_is_killed_and_comes_back(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(2, DEADLINE_MS);
    close_client(bench);
    open_token(bench, "zrh", 2, SHORT_MS);
    assert_int_equal(public_key(bench, "zsk"), CSN_OK);
    fault(bench, "hang");
    uint64_t start_ms = uv_hrtime() / 1000000;
    assert_int_equal(sign(bench, "zsk", 13, 1000), CSN_ETIMEOUT);
    assert_true(uv_hrtime() / 1000000 - start_ms >= SHORT_MS - 100);
    assert_int_equal(status_of(bench).state, CSN_HSM_DOWN);
    assert_int_equal(status_of(bench).timeouts, 1);
    fault(bench, "");
    wait_until_up(bench, "zsk");
    assert_int_equal(sign(bench, "zsk", 13, 20), CSN_OK);
    check_signatures(bench, 13, 20);
    assert_int_equal(status_of(bench).restarts, 1);
    bench_free(bench);
}

static void test_lost_session_is_found_again(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    assert_int_equal(sign(bench, "zsk", 13, 1), CSN_OK);
    size_t before = logins(bench);
    fault(bench, "session-lost");
    assert_int_equal(sign(bench, "zsk", 13, 300), CSN_OK);
    check_signatures(bench, 13, 300);
    assert_int_equal(status_of(bench).restarts, 0);
    assert_int_equal(logins(bench), before + 1);
    bench_free(bench);
}

static void test_dead_worker_is_started_again(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(2, DEADLINE_MS);
    fault(bench, "die");
    assert_int_equal(sign(bench, "zsk", 13, 1000), CSN_EHSM);
    assert_non_null(strstr(bench->reason.text, "HSM down"));
    fault(bench, "");
    wait_until_up(bench, "zsk");
    assert_int_equal(sign(bench, "zsk", 13, 10), CSN_OK);
    check_signatures(bench, 13, 10);
    bench_free(bench);
}

static void test_device_error_brings_the_hsm_down(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    fault(bench, "device-error");
    assert_int_equal(sign(bench, "zsk", 13, 3), CSN_EHSM);
    assert_non_null(strstr(bench->reason.text, "C_Sign"));
    assert_int_equal(status_of(bench).state, CSN_HSM_DOWN);
    fault(bench, "");
    wait_until_up(bench, "zsk");
    bench_free(bench);
}

static void test_wrong_signatures_are_seen_by_the_canary(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    struct csn_buf buf = {0};
    struct csn_hsm_key zsk = by_label("zsk");
    fault(bench, "wrong-signature");
    csn_hsm_canary(bench->hsm, &zsk, dnskey_of(bench, 13, &buf), on_done, bench);
    assert_int_equal(wait_answer(bench), CSN_ESIGNATURE);
    csn_buf_fini(&buf);
    bench_free(bench);
}

#define MESSAGES 9

struct counted {
    uv_loop_t *loop; /* borrows */
    unsigned left, good;
};

static void on_counted(void *arg, int code, const struct csn_bytes *signatures, size_t count,
                       const struct csn_reason *reason)
{
    struct counted *counted = arg;
    (void)signatures;
    (void)reason;
    counted->good += code == CSN_OK && count == 1;
    if (--counted->left == 0) {
        uv_stop(counted->loop);
    }
}

/* One signature a message and a second: more seconds than the deadline in all, and far less each. Many signatures a message
 * would each wait for the processor. */
static void test_slow_hsm_keeps_its_deadline_message_by_message(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    struct counted counted = {.loop = &bench->loop, .left = MESSAGES};
    struct csn_hsm_key key = by_label("zsk");
    uint8_t digest[32] = {0};
    struct csn_bytes input = csn_bytes(digest, sizeof(digest));
    close_client(bench);
    open_token(bench, "zrh", 1, SHORT_MS);
    fault(bench, "slow:1");
    for (unsigned i = 0; i < MESSAGES; i++) {
        csn_hsm_sign(bench->hsm, &key, 13, &input, 1, on_counted, &counted);
    }
    uint64_t start_ms = uv_hrtime() / 1000000;
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(counted.left, 0);
    assert_int_equal(counted.good, MESSAGES);
    assert_true(uv_hrtime() / 1000000 - start_ms > SHORT_MS - 1000);
    assert_int_equal(status_of(bench).timeouts, 0);
    bench_free(bench);
}

static void test_freed_client_answers_what_is_pending(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    fault(bench, "hang");
    start_sign(bench, "zsk", 13, 2000);
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    csn_hsm_free(bench->hsm);
    assert_true(bench->is_answered);
    assert_int_equal(bench->code, CSN_ECLOSED);
    bench->is_answered = false;
    bench->hsm = NULL;
    run_empty(bench);
    bench_free(bench);
}

/* libuv's writes to a worker that died a moment ago would otherwise end the node. */
static void test_client_makes_the_process_ignore_sigpipe(void **state)
{
    (void)state;
    struct sigaction now;
    signal(SIGPIPE, SIG_DFL);
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    assert_int_equal(sigaction(SIGPIPE, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_IGN);
    bench_free(bench);
}

/* --- the worker alone */

struct lone_worker {
    pid_t pid;
    int door;
};

static struct lone_worker start_worker(const void *octets, size_t size)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid_t child = fork();
    if (child == 0) {
        if (pair[1] != 3) {
            dup2(pair[1], 3);
        }
        close(2);
        execl(CONSIGN_HSM, CONSIGN_HSM, NULL);
        _exit(99);
    }
    close(pair[1]);
    assert_int_equal(write(pair[0], octets, size), (ssize_t)size);
    return (struct lone_worker){child, pair[0]};
}

static int close_door(struct lone_worker worker)
{
    int status = -1;
    shutdown(worker.door, SHUT_WR);
    assert_int_equal(waitpid(worker.pid, &status, 0), worker.pid);
    close(worker.door);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int worker_status_after(const void *octets, size_t size)
{
    return close_door(start_worker(octets, size));
}

static void test_worker_leaves_when_its_door_closes(void **state)
{
    (void)state;
    assert_int_equal(worker_status_after("", 0), 0);
    assert_int_equal(worker_status_after("\0\0", 2), 0);
}

/* A token in files is lost when its process ends in the middle of a login, which rewrites one. */
static void test_worker_leaves_after_a_login_under_way(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    Csn__Hsm__Configure configure = {PROTOBUF_C_MESSAGE_INIT(&csn__hsm__configure__descriptor),
                                     .module = P11WRAP,
                                     .token = "pkcs11:token=zrh",
                                     .pin_file = bench->box.pin_file,
                                     .sessions = 1};
    Csn__Hsm__Request request = {PROTOBUF_C_MESSAGE_INIT(&csn__hsm__request__descriptor),
                                 .id = 1,
                                 .what_case = CSN__HSM__REQUEST__WHAT_CONFIGURE,
                                 .configure = &configure};
    uint8_t frame[4 + 3 * PATH_MAX];
    size_t size = csn__hsm__request__get_packed_size(&request), before = logins(bench);
    assert_true(size <= sizeof(frame) - 4);
    csn_set_u32(frame, (uint32_t)size);
    csn__hsm__request__pack(&request, frame + 4);
    fault(bench, "slow-login");
    putenv(bench->box.environment);
    putenv(bench->control_environment);
    putenv(bench->trace_environment);
    setenv("P11WRAP_MODULE", TOKEN_MODULE, 1);
    struct lone_worker worker = start_worker(frame, 4 + size);
    while (logins(bench) == before) {
        usleep(1000); /* the login has begun, and ends half a second later */
    }
    assert_int_equal(close_door(worker), 0);
    assert_int_equal(logins(bench), before + 2);
    unsetenv("P11WRAP_MODULE");
    unsetenv("P11WRAP_TRACE");
    unsetenv("P11WRAP_CONTROL");
    unsetenv("SOFTHSM2_CONF");
    bench_free(bench);
}

static void test_worker_leaves_on_malformed_requests(void **state)
{
    (void)state;
    static const uint8_t too_long[] = {0, 0x10, 0, 1};
    static const uint8_t nonsense[] = {0, 0, 0, 3, 0xff, 0xff, 0xff};
    static const uint8_t not_configure[] = {0, 0, 0, 4, 8, 1, 0x32, 0}; /* Mechanisms first */
    assert_int_equal(worker_status_after(too_long, sizeof(too_long)), 1);
    assert_int_equal(worker_status_after(nonsense, sizeof(nonsense)), 1);
    assert_int_equal(worker_status_after(not_configure, sizeof(not_configure)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hanging_hsm_is_killed_and_comes_back),
        cmocka_unit_test(test_lost_session_is_found_again),
        cmocka_unit_test(test_dead_worker_is_started_again),
        cmocka_unit_test(test_device_error_brings_the_hsm_down),
        cmocka_unit_test(test_wrong_signatures_are_seen_by_the_canary),
        cmocka_unit_test(test_slow_hsm_keeps_its_deadline_message_by_message),
        cmocka_unit_test(test_freed_client_answers_what_is_pending),
        cmocka_unit_test(test_client_makes_the_process_ignore_sigpipe),
        cmocka_unit_test(test_worker_leaves_when_its_door_closes),
        cmocka_unit_test(test_worker_leaves_after_a_login_under_way),
        cmocka_unit_test(test_worker_leaves_on_malformed_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
