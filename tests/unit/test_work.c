/* Goal: however often a leader proposes, one content of a zone at a time is computed, and the newest proposal is. Method: work.c
 * alone; jobs and timers are kept in lists until the test runs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon.h"
#include "job.h"
#include "keyring.h"
#include "quarantine.h"
#include "work.h"

#define TASKS_MAX 1000

struct task {
    csn_job_part_fn *work; /* NULL: a timer */
    csn_job_done_fn *done;
    void *arg;
};

struct bench {
    struct csn_daemon daemon; /* first, so that one leads to the other */
    struct csn_zone_config config;
    struct csn_zone_shell zone;
    struct task tasks[TASKS_MAX];
    size_t count;
    size_t begun;    /* contents */
    size_t answered; /* operations */
    uint64_t corr;   /* of the one answered last */
};

static struct bench *the_bench; /* of the test that runs: a job says only what it is for */

static void keep(struct task task)
{
    assert_true(the_bench->count < TASKS_MAX);
    the_bench->tasks[the_bench->count++] = task;
}

/* What is there now; what comes of it waits for the next call. */
static void run_tasks(void)
{
    size_t count = the_bench->count;
    struct task *tasks = csn_calloc(count + 1, sizeof(*tasks));
    memcpy(tasks, the_bench->tasks, count * sizeof(*tasks));
    the_bench->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].work != NULL) {
            tasks[i].work(tasks[i].arg, 0, 1);
        }
        tasks[i].done(tasks[i].arg);
    }
    free(tasks);
}

/* --- what work.c asks for */

struct csn_now csn_daemon_now(const struct csn_daemon *daemon)
{
    (void)daemon;
    return (struct csn_now){.mono_ms = 1};
}

void csn_daemon_event(struct csn_daemon *daemon, struct csn_event *event)
{
    (void)daemon;
    assert_int_equal(event->kind, CSN_EVENT_COMPUTED);
    the_bench->answered++;
    the_bench->corr = event->corr;
}

void csn_daemon_die(struct csn_daemon *daemon, int code, const char *what)
{
    (void)daemon;
    fail_msg("%s: %s", what, csn_error_text(code));
    abort();
}

struct csn_input *csn_shell_input(const struct csn_zone_shell *zone, const struct csn_digest *prepared)
{
    (void)zone, (void)prepared;
    return NULL;
}

void csn_shell_keep_input(struct csn_zone_shell *zone, struct csn_input *input)
{
    (void)zone, (void)input;
}

unsigned csn_shell_parts(const struct csn_zone_shell *zone)
{
    (void)zone;
    return 1;
}

struct csn_lane *csn_shell_lane(struct csn_zone_shell *zone)
{
    (void)zone;
    return NULL;
}

void csn_shell_run(struct csn_zone_shell *zone, unsigned parts, csn_job_part_fn *work, csn_job_done_fn *done, void *arg)
{
    (void)zone, (void)parts;
    keep((struct task){.work = work, .done = done, .arg = arg});
}

void csn_job_run(uv_loop_t *loop, unsigned parts, csn_job_part_fn *work, csn_job_done_fn *done, void *arg)
{
    (void)loop;
    work(arg, 0, parts);
    done(arg);
}

void csn_job_later(uv_loop_t *loop, uint64_t delay_ms, csn_job_done_fn *fn, void *arg)
{
    (void)loop, (void)delay_ms;
    keep((struct task){.done = fn, .arg = arg});
}

void csn_outcome_init(struct csn_outcome *outcome)
{
    *outcome = (struct csn_outcome){.code = CSN_OK};
}

void csn_outcome_fini(struct csn_outcome *outcome)
{
    (void)outcome;
}

void csn_outcome_add(struct csn_outcome *outcome, int code, const struct csn_reason *reason)
{
    if (code != CSN_OK) {
        outcome->code = code;
        outcome->reason = *reason;
    }
}

void csn_job_range(size_t count, unsigned part, unsigned parts, size_t *ret_from, size_t *ret_to)
{
    (void)part, (void)parts;
    *ret_from = 0;
    *ret_to = count;
}

/* The first step of a content: it ends there. */
int csn_quarantine_enter(struct csn_quarantine *quarantine, enum csn_risk risk, const uint8_t *zone, const struct csn_digest *digest,
                         struct csn_reason *reason)
{
    (void)quarantine, (void)risk, (void)zone, (void)digest;
    the_bench->begun++;
    return csn_reason_set(reason, CSN_EREFUSED, "quarantined");
}

int csn_quarantine_leave(struct csn_quarantine *quarantine, enum csn_risk risk, const uint8_t *zone, const struct csn_digest *digest)
{
    (void)quarantine, (void)risk, (void)zone, (void)digest;
    return CSN_OK;
}

void csn_node_get_zone(const struct csn_node *node, size_t index, struct csn_now now, struct csn_node_zone_status *ret_status)
{
    (void)node, (void)index, (void)now;
    *ret_status = (struct csn_node_zone_status){.released = NULL};
}

void csn_keyring_check(struct csn_keyring *keyring)
{
    (void)keyring;
}

void csn_keyring_sign(struct csn_keyring *keyring, struct csn_content *content, const uint32_t *indices, size_t count,
                      struct csn_lane *lane, unsigned parts, csn_keyring_signed_fn *done, void *arg)
{
    (void)keyring, (void)content, (void)indices, (void)count, (void)lane, (void)parts, (void)done, (void)arg;
}

void csn_keyring_prove(struct csn_keyring *keyring, struct csn_content *content, const uint32_t *indices, size_t count,
                       csn_keyring_signed_fn *done, void *arg)
{
    (void)keyring, (void)content, (void)indices, (void)count, (void)done, (void)arg;
}

/* --- */

static void propose(uint64_t corr)
{
    struct csn_proposal proposal = {.serial = (uint32_t)corr};
    struct csn_effect effect = {.kind = CSN_EFFECT_COMPUTE, .corr = corr};
    effect.work.proposal = &proposal;
    csn_set_u64(effect.work.hash.octets, corr);
    csn_work_compute(&the_bench->zone, &effect);
}

static int make_bench(void **state)
{
    struct bench *bench = csn_calloc(1, sizeof(*bench));
    bench->daemon.log = (struct csn_log){.program = "test_work", .least = CSN_ERROR};
    bench->daemon.zones = &bench->zone;
    bench->zone = (struct csn_zone_shell){.daemon = &bench->daemon, .config = &bench->config, .name = "example."};
    *state = the_bench = bench;
    return 0;
}

static int drop_bench(void **state)
{
    csn_work_unref(the_bench->zone.work);
    free(*state);
    return 0;
}

static void test_one_content_at_a_time_is_computed(void **state)
{
    (void)state;
    for (uint64_t corr = 1; corr <= 100; corr++) {
        propose(corr);
    }
    run_tasks(); /* the first, and nothing for those that were outdone before their turn */
    assert_int_equal(the_bench->begun, 1);
    run_tasks();
    assert_int_equal(the_bench->begun, 2);
    assert_int_equal(the_bench->corr, 100);
    assert_int_equal(the_bench->count, 0);
}

static void test_the_next_content_is_computed_at_once(void **state)
{
    (void)state;
    for (uint64_t corr = 1; corr <= 3; corr++) {
        propose(corr);
        run_tasks();
        assert_int_equal(the_bench->corr, corr);
        assert_int_equal(the_bench->answered, corr);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_content_at_a_time_is_computed, make_bench, drop_bench),
        cmocka_unit_test_setup_teardown(test_the_next_content_is_computed_at_once, make_bench, drop_bench),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
