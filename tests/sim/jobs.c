#include "sim/jobs.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static bool write_all(int file, const void *data, size_t size)
{
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t written = write(file, at, size);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        at += written;
        size -= (size_t)written;
    }
    return true;
}

static bool read_all(int file, void *data, size_t size)
{
    uint8_t *at = data;
    while (size > 0) {
        ssize_t got = read(file, at, size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        at += got;
        size -= (size_t)got;
    }
    return true;
}

/* Ends when the pipe is closed at the other side: the results are not wanted any more. */
static void work(unsigned worker, unsigned count, int pipe_end, sim_seed_fn *seed_at,
                 sim_job_fn *run, const void *arg)
{
    struct sim_result *result = csn_alloc(sizeof(*result));
    uint64_t seed;
    bool is_wanted = true;
    signal(SIGPIPE, SIG_IGN);
    for (uint64_t index = worker; is_wanted && seed_at(arg, index, &seed); index += count) {
        run(arg, seed, result);
        is_wanted = write_all(pipe_end, result, sizeof(*result));
    }
    _exit(0);
}

int sim_jobs_start(struct sim_jobs *ret_jobs, unsigned count, sim_seed_fn *seed_at, sim_job_fn *run,
                   const void *arg)
{
    *ret_jobs = (struct sim_jobs){0};
    fflush(stdout);
    for (unsigned worker = 0; worker < count; worker++) {
        int ends[2];
        if (pipe(ends) != 0) {
            return -1;
        }
        pid_t pid = fork();
        if (pid == 0) {
            close(ends[0]);
            work(worker, count, ends[1], seed_at, run, arg);
        }
        close(ends[1]);
        if (pid < 0) {
            close(ends[0]);
            return -1;
        }
        ret_jobs->pids[worker] = pid;
        ret_jobs->pipes[worker] = ends[0];
        ret_jobs->count++;
    }
    return 0;
}

bool sim_jobs_take(struct sim_jobs *jobs, struct sim_result *ret_result)
{
    int pipe_end = jobs->pipes[jobs->next % jobs->count];
    jobs->next++;
    return read_all(pipe_end, ret_result, sizeof(*ret_result));
}

void sim_jobs_end(struct sim_jobs *jobs)
{
    for (unsigned worker = 0; worker < jobs->count; worker++) {
        close(jobs->pipes[worker]);
        kill(jobs->pids[worker], SIGKILL);
        waitpid(jobs->pids[worker], NULL, 0);
    }
    jobs->count = 0;
}
