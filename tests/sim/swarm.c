/* swarm: runs seeds and judges them. A run that fails prints its seed, and how to see it again.
 *
 *   swarm [--first N] [--count N | --hours H] [--jobs N] [--kept FILE] [--hunt]
 *   swarm --seed N [--trace]
 *
 * --kept: seeds that failed once, one a line (# begins a comment), run first. --hours: as many seeds
 * as that takes, of the clock on the wall. --jobs: processes (as many as there are processors).
 * --hunt: success is a violation of safety (not of I7), as the mutants want it. A run of 1,000 seeds
 * or more must also have seen all that there is (coverage.h). Exit 0: good (or found); 1: not; 2:
 * wrong arguments. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/coverage.h"
#include "sim/jobs.h"
#include "sim/plan.h"
#include "sim/run.h"

#define FIRST 1
#define COUNT 500
#define TWICE_EVERY 25      /* seeds between two that are run twice for the trace hash */
#define COVERAGE_COUNT 1000 /* seeds from which on all must have been seen */
#define PROGRESS_COUNT 2000 /* seeds between two lines of progress, with --hours */
#define KEPT_MAX 1000       /* kept seeds; a file with more is refused */

struct arguments {
    uint64_t first, count, hours, jobs;
    const char *kept;
    bool has_seed, is_traced, is_hunt;
    uint64_t seed;
};

static int usage(void)
{
    fprintf(stderr, "usage: swarm [--first N] [--count N | --hours H] [--jobs N] [--kept FILE] "
                    "[--hunt]\n       swarm --seed N [--trace]\n");
    return 2;
}

static bool parse_number(const char *text, uint64_t *ret_number)
{
    char *end;
    if (text == NULL || *text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    *ret_number = strtoull(text, &end, 0);
    return errno == 0 && *end == '\0';
}

static bool parse(char **argv, struct arguments *ret_arguments)
{
    struct arguments *arguments = ret_arguments;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *arguments = (struct arguments){
        .first = FIRST, .count = COUNT, .jobs = processors > 0 ? (uint64_t)processors : 1};
    const struct {
        const char *name;
        uint64_t *number;
    } numbers[] = {{"--seed", &arguments->seed},
                   {"--first", &arguments->first},
                   {"--count", &arguments->count},
                   {"--hours", &arguments->hours},
                   {"--jobs", &arguments->jobs}};
    for (char **at = argv + 1; *at != NULL; at++) {
        size_t i = 0;
        while (i < sizeof(numbers) / sizeof(numbers[0]) && strcmp(*at, numbers[i].name) != 0) {
            i++;
        }
        arguments->has_seed = arguments->has_seed || i == 0;
        if (i < sizeof(numbers) / sizeof(numbers[0])) {
            if (!parse_number(*++at, numbers[i].number)) {
                return false;
            }
        } else if (strcmp(*at, "--trace") == 0) {
            arguments->is_traced = true;
        } else if (strcmp(*at, "--hunt") == 0) {
            arguments->is_hunt = true;
        } else if (strcmp(*at, "--kept") == 0 && at[1] != NULL) {
            arguments->kept = *++at;
        } else {
            return false;
        }
    }
    arguments->count = arguments->hours > 0 ? UINT64_MAX : arguments->count;
    return arguments->jobs >= 1 && arguments->jobs <= SIM_JOBS_MAX;
}

struct swarm {
    struct arguments arguments;
    const char *program;
    uint64_t kept[KEPT_MAX];
    size_t kept_count;
    struct sim_stats stats;
    uint64_t run_count, failed_count;
    uint64_t slowest_seed; /* of the longest recovery */
};

static uint64_t run_once(uint64_t seed, FILE *trace, struct sim_result *ret_result)
{
    struct sim_options options;
    sim_plan(seed, &options);
    struct sim_world *world = sim_world_new(&options, trace);
    *ret_result = (struct sim_result){.seed = seed, .is_repeatable = true};
    ret_result->is_good = sim_run(world);
    ret_result->hash = world->hash.state;
    ret_result->stats = world->stats;
    memcpy(ret_result->failure, world->failure, sizeof(ret_result->failure));
    sim_world_free(world);
    return ret_result->hash;
}

static void run_seed(const void *arg, uint64_t seed, struct sim_result *ret_result)
{
    const struct swarm *swarm = arg;
    run_once(seed, NULL, ret_result);
    if (seed % TWICE_EVERY == 0 && !swarm->arguments.is_hunt) {
        struct sim_result again;
        ret_result->is_repeatable = run_once(seed, NULL, &again) == ret_result->hash;
    }
}

static bool seed_at(const void *arg, uint64_t index, uint64_t *ret_seed)
{
    const struct swarm *swarm = arg;
    bool is_kept = index < swarm->kept_count;
    uint64_t number = is_kept ? 0 : index - swarm->kept_count;
    *ret_seed = is_kept ? swarm->kept[index] : swarm->arguments.first + number;
    return is_kept || number < swarm->arguments.count;
}

static void judge(struct swarm *swarm, const struct sim_result *result)
{
    bool is_late = strncmp(result->failure, "I7", 2) == 0;
    swarm->run_count++;
    if (result->stats.settle_us_max > swarm->stats.settle_us_max) {
        swarm->slowest_seed = result->seed;
    }
    sim_stats_add(&swarm->stats, &result->stats);
    if (!result->is_good && !(swarm->arguments.is_hunt && is_late)) {
        swarm->failed_count++;
        printf("seed %" PRIu64 ": %s\n    again: %s --seed %" PRIu64 " --trace\n", result->seed,
               result->failure, swarm->program, result->seed);
    }
    if (!result->is_repeatable) {
        swarm->failed_count++;
        printf("seed %" PRIu64 ": run twice, two trace hashes\n", result->seed);
    }
    fflush(stdout);
}

static bool read_kept(struct swarm *swarm)
{
    char line[256];
    FILE *file = fopen(swarm->arguments.kept, "re");
    if (file == NULL) {
        fprintf(stderr, "swarm: %s: %s\n", swarm->arguments.kept, strerror(errno));
        return false;
    }
    while (fgets(line, sizeof(line), file) != NULL && swarm->kept_count < KEPT_MAX) {
        line[strcspn(line, "# \t\r\n")] = '\0';
        swarm->kept_count += parse_number(line, &swarm->kept[swarm->kept_count]);
    }
    fclose(file);
    return swarm->kept_count < KEPT_MAX;
}

static bool is_over(const struct swarm *swarm, time_t began)
{
    uint64_t spent_s = (uint64_t)(time(NULL) - began);
    bool is_late = swarm->arguments.hours > 0 && spent_s >= 3600 * swarm->arguments.hours;
    return is_late || (swarm->arguments.is_hunt && swarm->failed_count > 0);
}

static void print_progress(const struct swarm *swarm)
{
    if (swarm->arguments.hours > 0 && swarm->run_count % PROGRESS_COUNT == 0) {
        printf("%" PRIu64 " seeds, %.0f simulated hours, %" PRIu64 " failed\n", swarm->run_count,
               (double)swarm->stats.virtual_us / 3600e6, swarm->failed_count);
        fflush(stdout);
    }
}

static bool run_all(struct swarm *swarm)
{
    struct sim_jobs jobs;
    struct sim_result *result = csn_alloc(sizeof(*result));
    time_t began = time(NULL);
    uint64_t seed;
    bool is_started =
        sim_jobs_start(&jobs, (unsigned)swarm->arguments.jobs, seed_at, run_seed, swarm) == 0;
    if (!is_started) {
        fprintf(stderr, "swarm: cannot start the workers: %s\n", strerror(errno));
    }
    for (uint64_t i = 0; is_started && seed_at(swarm, i, &seed) && !is_over(swarm, began); i++) {
        if (!sim_jobs_take(&jobs, result)) {
            printf("seed %" PRIu64 ": its process has ended\n    again: %s --seed %" PRIu64 "\n",
                   seed, swarm->program, seed);
            swarm->failed_count++;
            break;
        }
        judge(swarm, result);
        print_progress(swarm);
    }
    sim_jobs_end(&jobs);
    free(result);
    return is_started;
}

static void print_sums(const struct swarm *swarm)
{
    const struct sim_stats *stats = &swarm->stats;
    printf("%" PRIu64 " seeds, %.1f simulated hours, %" PRIu64 " steps, %" PRIu64
           " messages, %" PRIu64 " versions certified, %" PRIu64
           " times served, %" PRIu64 " taken by secondaries, slowest recovery %.1f s (seed %" PRIu64 ")\n",
           swarm->run_count, (double)stats->virtual_us / 3600e6, stats->steps, stats->messages,
           stats->certified, stats->served, stats->transfers, (double)stats->settle_us_max / 1e6,
           swarm->slowest_seed);
}

static int conclude(struct swarm *swarm)
{
    if (swarm->arguments.is_hunt) {
        printf(swarm->failed_count > 0 ? "found after %" PRIu64 " seeds\n"
                                       : "not found in %" PRIu64
                                         " seeds: does the patch still apply?\n",
               swarm->run_count);
        return swarm->failed_count > 0 ? 0 : 1;
    }
    sim_coverage_print(&swarm->stats);
    unsigned missing =
        swarm->run_count >= COVERAGE_COUNT ? sim_coverage_missing(&swarm->stats) : 0;
    print_sums(swarm);
    printf("%" PRIu64 " failed, %u not covered\n", swarm->failed_count, missing);
    return swarm->failed_count + missing > 0 ? 1 : 0;
}

static int show_one(struct swarm *swarm)
{
    struct sim_result *result = csn_alloc(sizeof(*result));
    run_once(swarm->arguments.seed, swarm->arguments.is_traced ? stdout : NULL, result);
    judge(swarm, result);
    printf("seed %" PRIu64 ": trace hash %016" PRIx64 "\n", result->seed, result->hash);
    free(result);
    return swarm->failed_count > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct swarm swarm = {.program = argv[0]};
    (void)argc;
    if (!parse(argv, &swarm.arguments)) {
        return usage();
    }
    if (swarm.arguments.has_seed) {
        return show_one(&swarm);
    }
    if (swarm.arguments.kept != NULL && !read_kept(&swarm)) {
        return 2;
    }
    return run_all(&swarm) ? conclude(&swarm) : 1;
}
