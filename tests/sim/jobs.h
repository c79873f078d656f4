/* jobs.h: seeds on several processes. Worker w of n runs the seeds at w, w + n, w + 2n .. and writes
 * what came of each into its pipe; the results are taken in the order of the seeds, so that the
 * output does not depend on who was faster. */
#ifndef SIM_JOBS_H
#define SIM_JOBS_H

#include <sys/types.h>

#include "sim/world.h"

struct sim_result {
    uint64_t seed, hash;
    bool is_good;
    bool is_repeatable; /* the same trace hash when it was run twice */
    char failure[512];
    struct sim_stats stats;
};

#define SIM_JOBS_MAX 64
struct sim_jobs {
    unsigned count;
    pid_t pids[SIM_JOBS_MAX];
    int pipes[SIM_JOBS_MAX];
    uint64_t next; /* index of the seed whose result is taken next */
};

/* The seed at an index; false: there is none any more. */
typedef bool sim_seed_fn(const void *arg, uint64_t index, uint64_t *ret_seed);
typedef void sim_job_fn(const void *arg, uint64_t seed, struct sim_result *ret_result);

/* 0, or -1 with errno. */
int sim_jobs_start(struct sim_jobs *ret_jobs, unsigned count, sim_seed_fn *seed_at, sim_job_fn *run,
                   const void *arg);
/* The result of the next seed; false: the worker has ended: there are no more, or it died. */
bool sim_jobs_take(struct sim_jobs *jobs, struct sim_result *ret_result);
/* Ends the workers. */
void sim_jobs_end(struct sim_jobs *jobs);

#endif
