/* Goal: a zone file is taken when it is there and whole; when it is gone, no file, or not to be
 * read, that is said once, and forgotten when it is back. Method: a real folder, store and loop;
 * the file is put, moved and replaced, and the loop runs until what must come has come. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "config/policy.h"
#include "intake.h"
#include "unit/store_fixture.h"

#define PATIENCE_MS 30000

static const struct csn_log log_all = {.program = "test_intake", .least = CSN_DEBUG};

struct inbox {
    char *folder;
    char file[256], aside[256], said[256];
    uv_loop_t loop;
    uv_timer_t timer;
    struct csn_watcher *watcher;
    struct csn_store *store;
    struct csn_quarantine *quarantine;
    struct csn_zone_config zone;
    struct csn_intake *intake; /* like all that it borrows: lives as long as the process */
    enum csn_gate gate;
    unsigned taken;
    uint32_t generation, serial; /* taken last */
    bool is_late;
};

static void on_input(void *arg, struct csn_input *input, uint32_t generation)
{
    struct inbox *inbox = arg;
    inbox->generation = generation;
    inbox->serial = input->serial;
    csn_intake_set_released(inbox->intake, input, generation, input->serial);
    inbox->taken++;
}

static void on_failed(void *arg, int code, const struct csn_reason *reason)
{
    (void)arg, (void)code;
    fail_msg("%s", reason->text);
}

static void on_late(uv_timer_t *timer)
{
    struct inbox *inbox = timer->data;
    inbox->is_late = true;
}

static const char *parked(const struct inbox *inbox)
{
    return csn_intake_parked(inbox->intake)->reason.text;
}

static void on_parked(void *arg, enum csn_gate gate)
{
    struct inbox *inbox = arg;
    inbox->gate = gate;
}

static bool has_come(const struct inbox *inbox, unsigned taken, const char *word)
{
    bool is_parked = parked(inbox)[0] != '\0';
    assert_int_equal(inbox->gate, csn_intake_parked(inbox->intake)->gate);
    assert_int_equal(is_parked, inbox->gate != CSN_GATE_NONE);
    return inbox->taken >= taken &&
           (word == NULL ? !is_parked : strstr(parked(inbox), word) != NULL);
}

/* Runs the loop until `taken` inputs were taken and the parked reason holds `word` (NULL: none is
 * parked). Log lines go to the file `said`. Starved: this process may open no file meanwhile. */
static void run_until(struct inbox *inbox, unsigned taken, const char *word, bool is_starved)
{
    struct rlimit limit, none;
    int old = dup(2), fd = open(inbox->said, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(dup2(fd, 2) == 2);
    close(fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = (rlim_t)fd, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, is_starved ? &none : &limit);
    uv_update_time(&inbox->loop);
    uv_timer_start(&inbox->timer, on_late, PATIENCE_MS, 0);
    while (!inbox->is_late && !has_come(inbox, taken, word)) {
        uv_run(&inbox->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&inbox->timer);
    setrlimit(RLIMIT_NOFILE, &limit);
    dup2(old, 2);
    close(old);
    if (inbox->is_late) {
        fail_msg("taken %u, parked '%s'", inbox->taken, parked(inbox));
    }
}

/* By rename, as operators should. */
static void put_zone_of(const struct inbox *inbox, const char *ns, unsigned serial, unsigned expire)
{
    char text[512];
    snprintf(text, sizeof(text),
             "example. 3600 IN SOA ns1.example. hostmaster.example. %u 3600 900 %u 300\n"
             "example. 3600 IN NS %s.example.\n%s.example. 3600 IN A 192.0.2.1\n",
             serial, expire, ns, ns);
    assert_int_equal(csn_fs_write(inbox->aside, csn_bytes(text, strlen(text)), 0644, NULL), CSN_OK);
    assert_int_equal(rename(inbox->aside, inbox->file), 0);
}

static void put_zone(const struct inbox *inbox, unsigned serial, unsigned expire)
{
    put_zone_of(inbox, "ns1", serial, expire);
}

static unsigned times_said(const struct inbox *inbox, const char *word)
{
    struct csn_buf buf = {0};
    unsigned count = 0;
    assert_int_equal(csn_fs_read(inbox->said, 1u << 20, &buf, NULL), CSN_OK);
    csn_buf_put_u8(&buf, 0);
    for (const char *at = (char *)buf.data; (at = strstr(at, word)) != NULL; at++) {
        count++;
    }
    csn_buf_fini(&buf);
    return count;
}

static int set_up(void **state)
{
    static struct inbox inbox;
    static const char policy[] = "name: d\nversion: 1\n";
    struct csn_reason reason = {""};
    assert_int_equal(make_folder((void **)&inbox.folder), 0);
    snprintf(inbox.file, sizeof(inbox.file), "%s/in.zone", inbox.folder);
    snprintf(inbox.aside, sizeof(inbox.aside), "%s/in.new", inbox.folder);
    snprintf(inbox.said, sizeof(inbox.said), "%s/said", inbox.folder);
    uv_loop_init(&inbox.loop);
    uv_timer_init(&inbox.loop, &inbox.timer);
    inbox.timer.data = &inbox;
    inbox.store = open_store(inbox.folder);
    inbox.quarantine = csn_quarantine_new(inbox.store);
    inbox.zone.input = inbox.file;
    inbox.zone.policy_path = "policy.yaml";
    memcpy(inbox.zone.zone, apex, sizeof(apex));
    assert_int_equal(csn_policy_parse(csn_bytes(policy, sizeof(policy) - 1), "policy.yaml",
                                      &inbox.zone.policy, &reason),
                     CSN_OK);
    assert_int_equal(csn_watcher_new(&inbox.loop, &inbox.watcher, &reason), CSN_OK);
    struct csn_intake_settings settings = {.loop = &inbox.loop,
                                           .watcher = inbox.watcher,
                                           .log = &log_all,
                                           .zone = &inbox.zone,
                                           .store = inbox.store,
                                           .quarantine = inbox.quarantine,
                                           .orders = {.generation = 1},
                                           .on_input = on_input,
                                           .on_parked = on_parked,
                                           .on_failed = on_failed,
                                           .arg = &inbox};
    assert_int_equal(csn_intake_new(&settings, &inbox.intake, &reason), CSN_OK);
    *state = &inbox;
    return 0;
}

static int tear_down(void **state)
{
    struct inbox *inbox = *state;
    csn_policy_fini(&inbox->zone.policy);
    csn_quarantine_free(inbox->quarantine);
    csn_store_close(inbox->store);
    remove(inbox->file);
    remove(inbox->said);
    return remove_folder((void **)&inbox->folder);
}

static void test_file_that_goes_is_said_once_and_forgotten_when_it_is_back(void **state)
{
    struct inbox *inbox = *state;
    put_zone(inbox, 1, 12096000);
    run_until(inbox, 0, "policy.yaml: ", false);
    assert_int_equal(times_said(inbox, "; nothing is released yet; put a corrected file in place"), 1);
    put_zone(inbox, 1, 1209600 / 2);
    run_until(inbox, 1, NULL, false);

    assert_int_equal(rename(inbox->file, inbox->aside), 0);
    run_until(inbox, 1, "in.zone: no file there: No such file", false);
    assert_int_equal(times_said(inbox, "input.gone"), 1);
    assert_int_equal(mkdir(inbox->file, 0700), 0);
    run_until(inbox, 1, "in.zone: no file there, but a folder", false);
    assert_int_equal(times_said(inbox, "input.gone"), 2);
    assert_int_equal(rmdir(inbox->file), 0);
    assert_int_equal(rename(inbox->aside, inbox->file), 0);
    run_until(inbox, 2, NULL, false);

    assert_int_equal(rename(inbox->file, inbox->aside), 0);
    assert_int_equal(mkdir(inbox->file, 0700), 0);
    run_until(inbox, 2, "in.zone: no file there, but a folder", false);
    assert_int_equal(rmdir(inbox->file), 0);
    assert_int_equal(rename(inbox->aside, inbox->file), 0);
    run_until(inbox, 3, NULL, false);
    assert_int_equal(times_said(inbox, "input.gone"), 3);
    assert_int_equal(times_said(inbox, "; the released zone stays served; it is taken when "), 3);
    assert_int_equal(times_said(inbox, "input.parked"), 1);
}

/* Whoever may write to the folder cannot hang the reader, nor feed it for ever. */
static void test_what_is_no_file_is_not_waited_for(void **state)
{
    struct inbox *inbox = *state;
    unsigned taken = inbox->taken;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(i == 0 ? mkfifo(inbox->aside, 0600) : symlink("/dev/zero", inbox->aside), 0);
        assert_int_equal(rename(inbox->aside, inbox->file), 0);
        run_until(inbox, taken, "in.zone: no file there, but a folder or a device", false);
        put_zone(inbox, 1, 1209600 / 2);
        run_until(inbox, ++taken, NULL, false);
    }
}

static void test_file_that_cannot_be_read_is_read_when_it_can(void **state)
{
    struct inbox *inbox = *state;
    unsigned before = inbox->taken, gone = times_said(inbox, "input.gone");
    put_zone(inbox, 2, 1209600 / 2);
    run_until(inbox, before, "in.zone: Too many open files", true);
    assert_int_equal(times_said(inbox, "input.gone"), gone + 1);
    run_until(inbox, before + 1, NULL, false); /* though nobody touches the file */
}

static void test_policy_is_named_when_it_refuses(void **state)
{
    struct inbox *inbox = *state;
    unsigned before = times_said(inbox, "input.parked");
    put_zone(inbox, 3, 1209600);
    run_until(inbox, 0, "policy.yaml: refresh is 10d 0h, must be at least 14d", false);
    assert_int_equal(csn_intake_parked(inbox->intake)->serial, 3);
    assert_int_equal(times_said(inbox, "input.parked"), before + 1);
}

static void test_operators_orders_are_obeyed_at_once(void **state)
{
    struct inbox *inbox = *state;
    struct csn_intake_orders orders = {.generation = 1};
    unsigned before = inbox->taken;
    put_zone_of(inbox, "ns2", 4, 604800);
    run_until(inbox, before, "apex-ns", false);
    struct csn_digest parked = csn_intake_parked(inbox->intake)->received;

    orders.approved = (struct csn_digest){.octets = {1}}; /* another */
    csn_intake_obey(inbox->intake, &orders);
    orders.rejected = parked;
    csn_intake_obey(inbox->intake, &orders);
    assert_int_equal(csn_intake_parked(inbox->intake)->gate, CSN_GATE_APEX_NS); /* not in the call */
    run_until(inbox, before, NULL, false);
    assert_int_equal(inbox->taken, before);

    orders.rejected = (struct csn_digest){0};
    orders.approved = parked;
    csn_intake_obey(inbox->intake, &orders);
    run_until(inbox, before + 1, NULL, false); /* it is read again, though nobody touched it */
    assert_int_equal(inbox->serial, 4);
    put_zone_of(inbox, "ns2", 5, 604800); /* the same content passes whatever its serial, ... */
    run_until(inbox, before + 2, NULL, false);
    assert_int_equal(inbox->serial, 5);
    put_zone_of(inbox, "ns2", 3, 604800); /* but back it may not go, ... */
    run_until(inbox, before + 2, "serial-back", false);

    orders.generation = 2; /* without a new generation */
    csn_intake_obey(inbox->intake, &orders);
    run_until(inbox, before + 3, NULL, false);
    assert_int_equal(inbox->generation, 2);
    assert_int_equal(inbox->serial, 3);
    put_zone_of(inbox, "ns2", 2, 604800);
    run_until(inbox, before + 3, "serial-back", false);
}

#define THREADS 4

static void stand(void *arg, unsigned part, unsigned parts)
{
    (void)part, (void)parts;
    uv_barrier_wait(arg);
}

static void on_gone_on(void *arg)
{
    (void)arg;
}

/* No thread reads until the barrier falls; before it does, everything that was begun earlier is done. */
static void hold_threads(struct inbox *inbox, uv_barrier_t *barrier)
{
    assert_int_equal(uv_barrier_init(barrier, THREADS + 1), 0);
    csn_job_run(&inbox->loop, THREADS, stand, on_gone_on, barrier);
}

static void test_burst_of_files_is_read_twice_at_most(void **state)
{
    struct inbox *inbox = *state;
    unsigned before = inbox->taken;
    uint32_t serial = inbox->serial;
    uv_barrier_t reading, after;
    hold_threads(inbox, &reading);
    for (unsigned i = 1; i <= 50; i++) {
        put_zone_of(inbox, "ns2", serial + i, 604800);
        uv_run(&inbox->loop, UV_RUN_NOWAIT); /* the watcher sees each */
    }
    uv_barrier_wait(&reading);
    run_until(inbox, before + 1, NULL, false);
    hold_threads(inbox, &after);
    uv_barrier_wait(&after);
    for (unsigned i = 0; i < 100; i++) {
        uv_run(&inbox->loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(inbox->serial, serial + 50);
    assert_in_range(inbox->taken, before + 1, before + 2);
    uv_barrier_destroy(&reading);
    uv_barrier_destroy(&after);
}

int main(void)
{
    setenv("UV_THREADPOOL_SIZE", "4", 1); /* THREADS */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_that_goes_is_said_once_and_forgotten_when_it_is_back),
        cmocka_unit_test(test_what_is_no_file_is_not_waited_for),
        cmocka_unit_test(test_file_that_cannot_be_read_is_read_when_it_can),
        cmocka_unit_test(test_policy_is_named_when_it_refuses),
        cmocka_unit_test(test_operators_orders_are_obeyed_at_once),
        cmocka_unit_test(test_burst_of_files_is_read_twice_at_most),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
