#include "job.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"

struct job;

struct part {
    uv_work_t work;
    struct job *job; /* borrows */
    unsigned number;
};

struct job {
    csn_job_part_fn *work;
    csn_job_done_fn *done;
    void *arg; /* borrows */
    unsigned parts, left;
    struct part part[]; /* owns */
};

static void on_work(uv_work_t *work)
{
    struct part *part = work->data;
    part->job->work(part->job->arg, part->number, part->job->parts);
}

static void on_done(uv_work_t *work, int status)
{
    (void)status; /* never cancelled */
    struct part *part = work->data;
    struct job *job = part->job;
    if (--job->left == 0) {
        csn_job_done_fn *done = job->done;
        void *arg = job->arg;
        free(job);
        done(arg);
    }
}

void csn_job_run(uv_loop_t *loop, unsigned parts, csn_job_part_fn *work, csn_job_done_fn *done, void *arg)
{
    REQUIRE(parts > 0);
    struct job *job = csn_calloc(1, sizeof(*job) + parts * sizeof(job->part[0]));
    job->work = work;
    job->done = done;
    job->arg = arg;
    job->parts = job->left = parts;
    for (unsigned i = 0; i < parts; i++) {
        struct part *part = &job->part[i];
        part->job = job;
        part->number = i;
        part->work.data = part;
        INSIST(uv_queue_work(loop, &part->work, on_work, on_done) == 0);
    }
}

void csn_job_range(size_t count, unsigned part, unsigned parts, size_t *ret_from, size_t *ret_to)
{
    *ret_from = count * part / parts;
    *ret_to = count * (part + 1) / parts;
}

struct later {
    uv_timer_t timer;
    csn_job_done_fn *fn;
    void *arg; /* borrows */
};

static void on_later_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_later(uv_timer_t *timer)
{
    struct later *later = timer->data;
    csn_job_done_fn *fn = later->fn;
    void *arg = later->arg;
    uv_close((uv_handle_t *)timer, on_later_closed);
    fn(arg);
}

void csn_job_later(uv_loop_t *loop, uint64_t delay_ms, csn_job_done_fn *fn, void *arg)
{
    struct later *later = csn_calloc(1, sizeof(*later));
    later->fn = fn;
    later->arg = arg;
    later->timer.data = later;
    uv_timer_init(loop, &later->timer);
    uv_timer_start(&later->timer, on_later, delay_ms, 0);
}

void csn_outcome_init(struct csn_outcome *outcome)
{
    *outcome = (struct csn_outcome){0};
    INSIST(uv_mutex_init(&outcome->mutex) == 0);
}

void csn_outcome_fini(struct csn_outcome *outcome)
{
    uv_mutex_destroy(&outcome->mutex);
}

void csn_outcome_add(struct csn_outcome *outcome, int code, const struct csn_reason *reason)
{
    if (code == CSN_OK) {
        return;
    }
    uv_mutex_lock(&outcome->mutex);
    if (outcome->code == CSN_OK) {
        outcome->code = code;
        outcome->reason = *reason;
    }
    uv_mutex_unlock(&outcome->mutex);
}
