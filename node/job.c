#include "job.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"

struct part {
    uv_work_t work;
    struct csn_job *job; /* borrows */
    unsigned number;
};

struct csn_job {
    struct csn_job *next;  /* owns; in the lane */
    uv_loop_t *loop;       /* borrows */
    struct csn_lane *lane; /* borrows; NULL: none */
    csn_job_part_fn *work;
    csn_job_done_fn *done;
    void *arg; /* borrows */
    unsigned parts, started, left;
    struct part part[]; /* owns */
};

static void on_work(uv_work_t *work)
{
    struct part *part = work->data;
    part->job->work(part->job->arg, part->number, part->job->parts);
}

static void on_done(uv_work_t *work, int status);

static void start_part(struct csn_job *job)
{
    struct part *part = &job->part[job->started];
    part->job = job;
    part->number = job->started++;
    part->work.data = part;
    INSIST(uv_queue_work(job->loop, &part->work, on_work, on_done) == 0);
}

static void wait_in(struct csn_lane *lane, struct csn_job *job)
{
    job->next = NULL;
    *lane->end = job;
    lane->end = &job->next;
}

static struct csn_job *take_first(struct csn_lane *lane)
{
    struct csn_job *job = lane->first;
    lane->first = job->next;
    lane->end = lane->first == NULL ? &lane->first : lane->end;
    return job;
}

static void start_next(struct csn_lane *lane)
{
    while (lane->room > 0 && lane->first != NULL) {
        struct csn_job *job = take_first(lane);
        lane->room--;
        start_part(job);
        if (job->started < job->parts) {
            wait_in(lane, job);
        }
    }
}

static void on_done(uv_work_t *work, int status)
{
    (void)status; /* never cancelled */
    struct csn_job *job = ((struct part *)work->data)->job;
    if (job->lane != NULL) {
        job->lane->room++;
        start_next(job->lane);
    }
    if (--job->left == 0) {
        csn_job_done_fn *done = job->done;
        void *arg = job->arg;
        free(job);
        done(arg);
    }
}

void csn_lane_init(struct csn_lane *lane, unsigned room)
{
    REQUIRE(room > 0);
    *lane = (struct csn_lane){.room = room, .end = &lane->first};
}

void csn_job_run_in(struct csn_lane *lane, uv_loop_t *loop, unsigned parts, csn_job_part_fn *work, csn_job_done_fn *done,
                    void *arg)
{
    REQUIRE(parts > 0);
    struct csn_job *job = csn_calloc(1, sizeof(*job) + parts * sizeof(job->part[0]));
    *job = (struct csn_job){.loop = loop, .lane = lane, .work = work, .done = done, .arg = arg, .parts = parts, .left = parts};
    if (lane != NULL) {
        wait_in(lane, job);
        start_next(lane);
        return;
    }
    while (job->started < job->parts) {
        start_part(job);
    }
}

void csn_job_run(uv_loop_t *loop, unsigned parts, csn_job_part_fn *work, csn_job_done_fn *done, void *arg)
{
    csn_job_run_in(NULL, loop, parts, work, done, arg);
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
