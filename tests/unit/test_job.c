/* Goal: long work never takes the threads that short work needs, and jobs in a lane take turns. Method: parts that wait for a
 * semaphore in libuv's own four threads, which would wait for ever if they took all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "job.h"

#define PARTS 6
#define STEPS_MAX 16

struct bench {
    uv_loop_t loop;
    struct csn_lane lane;
    uv_sem_t gate;
    uv_mutex_t mutex;
    char steps[STEPS_MAX + 1]; /* which jobs' parts ran, in order */
    unsigned count, done;
};

struct job {
    struct bench *bench;
    char name;
};

static struct bench *bench_new(unsigned room)
{
    struct bench *bench = csn_calloc(1, sizeof(*bench));
    uv_loop_init(&bench->loop);
    csn_lane_init(&bench->lane, room);
    assert_int_equal(uv_sem_init(&bench->gate, 0), 0);
    assert_int_equal(uv_mutex_init(&bench->mutex), 0);
    return bench;
}

static void bench_free(struct bench *bench)
{
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    uv_sem_destroy(&bench->gate);
    uv_mutex_destroy(&bench->mutex);
    free(bench);
}

static void note(struct job *job)
{
    uv_mutex_lock(&job->bench->mutex);
    assert_true(job->bench->count < STEPS_MAX);
    job->bench->steps[job->bench->count++] = job->name;
    uv_mutex_unlock(&job->bench->mutex);
}

static void wait_at_gate(void *arg, unsigned part, unsigned parts)
{
    struct job *job = arg;
    assert_true(part < parts);
    uv_sem_wait(&job->bench->gate);
    note(job);
}

static void run_through(void *arg, unsigned part, unsigned parts)
{
    assert_true(part < parts);
    note(arg);
}

static void count_done(void *arg)
{
    struct job *job = arg;
    job->bench->done++;
}

static void open_gate(void *arg)
{
    struct job *job = arg;
    job->bench->done++;
    for (unsigned i = 0; i < PARTS; i++) {
        uv_sem_post(&job->bench->gate);
    }
}

static void test_short_job_runs_beside_a_lane_that_is_full(void **state)
{
    (void)state;
    struct bench *bench = bench_new(2);
    struct job long_job = {bench, 'L'}, short_job = {bench, 's'};
    csn_job_run_in(&bench->lane, &bench->loop, PARTS, wait_at_gate, count_done, &long_job);
    csn_job_run(&bench->loop, 1, run_through, open_gate, &short_job);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(bench->done, 2);
    assert_string_equal(bench->steps, "sLLLLLL");
    bench_free(bench);
}

static void test_jobs_in_a_lane_take_turns(void **state)
{
    (void)state;
    struct bench *bench = bench_new(1);
    struct job a = {bench, 'a'}, b = {bench, 'b'}, c = {bench, 'c'};
    csn_job_run_in(&bench->lane, &bench->loop, 4, run_through, count_done, &a);
    csn_job_run_in(&bench->lane, &bench->loop, 1, run_through, count_done, &b);
    csn_job_run_in(&bench->lane, &bench->loop, 2, run_through, count_done, &c);
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(bench->done, 3);
    assert_string_equal(bench->steps, "aabcaca");
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_job_runs_beside_a_lane_that_is_full),
        cmocka_unit_test(test_jobs_in_a_lane_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
