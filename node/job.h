/* job.h: work on immutable inputs, spread over libuv's worker threads in parts; the loop hears of it when the last part is
 * done. What may take long runs in a lane, so that some threads stay free for the rest. Loop thread only, but for the parts
 * themselves. */
#ifndef CSN_NODE_JOB_H
#define CSN_NODE_JOB_H

#include <uv.h>

#include "base/error.h"

typedef void csn_job_part_fn(void *arg, unsigned part, unsigned parts); /* in a worker thread */
typedef void csn_job_done_fn(void *arg);                                /* in the loop thread */

/* `arg` must live until `done` was called; there is no cancelling: a job whose result nobody wants is let run out. */
void csn_job_run(uv_loop_t *loop, unsigned parts, csn_job_part_fn *work, csn_job_done_fn *done, void *arg);

/* At most `room` parts run in a lane at a time. The jobs in it take turns, a part each, and take no thread while they wait. */
struct csn_lane {
    unsigned room;
    struct csn_job *first, **end; /* own; jobs with parts that wait */
};
void csn_lane_init(struct csn_lane *lane, unsigned room);
/* As csn_job_run; `lane` NULL: no lane. A lane outlives its jobs. */
void csn_job_run_in(struct csn_lane *lane, uv_loop_t *loop, unsigned parts, csn_job_part_fn *work, csn_job_done_fn *done,
                    void *arg);

/* `fn` from the loop after `delay_ms`, never from inside this call. */
void csn_job_later(uv_loop_t *loop, uint64_t delay_ms, csn_job_done_fn *fn, void *arg);

/* What the parts of a job came to: the first failure, whichever part had it. */
struct csn_outcome {
    uv_mutex_t mutex;
    int code;
    struct csn_reason reason;
};
void csn_outcome_init(struct csn_outcome *outcome);
void csn_outcome_fini(struct csn_outcome *outcome);
/* Any thread; CSN_OK changes nothing. */
void csn_outcome_add(struct csn_outcome *outcome, int code, const struct csn_reason *reason);

/* The share [from, to) of `count` things that falls to a part. */
void csn_job_range(size_t count, unsigned part, unsigned parts, size_t *ret_from, size_t *ret_to);

#endif
