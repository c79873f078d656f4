/* swarm: runs seeds and judges them. A run that fails prints its seed, and how to see it again.
 *
 *   swarm [--first N] [--count N] [--kept FILE] [--seed N [--trace]] [--hunt]
 *
 * --kept: seeds that failed once, one a line (# begins a comment), run first. --hunt: success is a
 * violation of safety (not of I7), as the mutants want it. Exit 0: good (or found); 1: not; 2: wrong
 * arguments. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world.h"

#define FIRST 1
#define COUNT 500
#define TWICE_EVERY 25 /* seeds between two that are run twice for the trace hash */

struct arguments {
    uint64_t first, count;
    const char *kept;
    bool has_seed, is_traced, is_hunt;
    uint64_t seed;
};

static int usage(void)
{
    fprintf(stderr,
            "usage: swarm [--first N] [--count N] [--kept FILE] [--seed N [--trace]] [--hunt]\n");
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
    *arguments = (struct arguments){.first = FIRST, .count = COUNT};
    for (char **at = argv + 1; *at != NULL; at++) {
        if (strcmp(*at, "--trace") == 0) {
            arguments->is_traced = true;
        } else if (strcmp(*at, "--hunt") == 0) {
            arguments->is_hunt = true;
        } else if (strcmp(*at, "--kept") == 0 && at[1] != NULL) {
            arguments->kept = *++at;
        } else if (strcmp(*at, "--seed") == 0 && parse_number(at[1], &arguments->seed)) {
            arguments->has_seed = true;
            at++;
        } else if (strcmp(*at, "--first") == 0 && parse_number(at[1], &arguments->first)) {
            at++;
        } else if (strcmp(*at, "--count") == 0 && parse_number(at[1], &arguments->count)) {
            at++;
        } else {
            return false;
        }
    }
    return true;
}

struct result {
    bool is_good;
    uint64_t hash;
    char failure[512];
};

static struct result run_seed(uint64_t seed, FILE *trace, struct sim_stats *stats)
{
    struct sim_options options;
    sim_plan(seed, &options);
    struct sim_world *world = sim_world_new(&options, trace);
    struct result result = {.is_good = sim_run(world), .hash = world->hash.state};
    memcpy(result.failure, world->failure, sizeof(result.failure));
    sim_stats_add(stats, &world->stats);
    sim_world_free(world);
    return result;
}

struct swarm {
    struct arguments arguments;
    const char *program;
    struct sim_stats stats;
    uint64_t run_count, failed_count;
};

/* The same seed again must give the same trace. */
static void run_again(struct swarm *swarm, uint64_t seed, uint64_t hash)
{
    struct sim_stats unused = {0};
    struct result again = run_seed(seed, NULL, &unused);
    if (again.hash != hash) {
        swarm->failed_count++;
        printf("seed %" PRIu64 ": run twice, two trace hashes: %016" PRIx64 " and %016" PRIx64 "\n",
               seed, hash, again.hash);
    }
}

static void run(struct swarm *swarm, uint64_t seed)
{
    struct result result =
        run_seed(seed, swarm->arguments.is_traced ? stdout : NULL, &swarm->stats);
    swarm->run_count++;
    bool is_late = strncmp(result.failure, "I7", 2) == 0;
    if (!result.is_good && !(swarm->arguments.is_hunt && is_late)) {
        swarm->failed_count++;
        printf("seed %" PRIu64 ": %s\n    again: %s --seed %" PRIu64 " --trace\n", seed,
               result.failure, swarm->program, seed);
    }
    if (seed % TWICE_EVERY == 0 && !swarm->arguments.is_hunt) {
        run_again(swarm, seed, result.hash);
    }
    if (swarm->arguments.has_seed) {
        printf("seed %" PRIu64 ": trace hash %016" PRIx64 "\n", seed, result.hash);
    }
    fflush(stdout);
}

static bool is_over(const struct swarm *swarm)
{
    return swarm->arguments.is_hunt && swarm->failed_count > 0;
}

static bool run_kept(struct swarm *swarm)
{
    char line[256];
    FILE *file = fopen(swarm->arguments.kept, "re");
    if (file == NULL) {
        fprintf(stderr, "swarm: %s: %s\n", swarm->arguments.kept, strerror(errno));
        return false;
    }
    while (fgets(line, sizeof(line), file) != NULL && !is_over(swarm)) {
        uint64_t seed;
        line[strcspn(line, "# \t\r\n")] = '\0';
        if (parse_number(line, &seed)) {
            run(swarm, seed);
        }
    }
    fclose(file);
    return true;
}

/* --- what the runs have seen */

static unsigned count_edges(const uint64_t *edges, unsigned states)
{
    unsigned seen = 0;
    for (unsigned i = 0; i < states * states; i++) {
        seen += edges[i] > 0;
    }
    return seen;
}

static void print_faults(const struct sim_stats *stats)
{
    printf("faults injected:\n");
    for (unsigned fault = 0; fault < SIM_FAULT_COUNT; fault++) {
        printf("  %10" PRIu64 "  %s\n", stats->faults[fault],
               sim_fault_text((enum sim_fault)fault));
    }
}

static void print_refusals(const struct sim_stats *stats)
{
    unsigned seen = 0, all = 0;
    printf("refusals by test:\n");
    for (unsigned test = 1; test < SIM_TESTS_MAX; test++) {
        const char *text = csn_test_text((uint8_t)test);
        if (text != NULL) {
            all++;
            seen += stats->refused[test] > 0;
            printf("  %10" PRIu64 "  %2u %s\n", stats->refused[test], test, text);
        }
    }
    printf("  %u of %u tests have refused\n", seen, all);
}

static void print_coverage(const struct sim_stats *stats)
{
    printf("state edges taken: work %u, adoption %u, leader %u\n",
           count_edges(&stats->work[0][0], SIM_WORK_STATES),
           count_edges(&stats->adopt[0][0], SIM_ADOPT_STATES),
           count_edges(&stats->leader[0][0], SIM_LEADER_STATES));
    printf("ends of rounds:");
#define PRINT_END(name, text) printf(" %s %" PRIu64 ";", text, stats->ends[CSN_ROUND_END_##name]);
    CSN_ROUND_ENDS(PRINT_END)
#undef PRINT_END
    printf("\n");
}

static void print_stats(const struct swarm *swarm)
{
    const struct sim_stats *stats = &swarm->stats;
    print_faults(stats);
    print_refusals(stats);
    print_coverage(stats);
    printf("%" PRIu64 " seeds, %.1f simulated hours, %" PRIu64 " steps, %" PRIu64
           " messages, %" PRIu64 " versions certified, %" PRIu64
           " times served, slowest recovery %.1f s\n",
           swarm->run_count, (double)stats->virtual_us / 3600e6, stats->steps, stats->messages,
           stats->certified, stats->served, (double)stats->settle_us_max / 1e6);
}

/* A kind that never struck tests nothing. */
static void check_faults(struct swarm *swarm)
{
    for (unsigned fault = 0; fault < SIM_FAULT_COUNT; fault++) {
        if (swarm->stats.faults[fault] == 0) {
            printf("no seed injected: %s\n", sim_fault_text((enum sim_fault)fault));
            swarm->failed_count++;
        }
    }
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
    if (!swarm->arguments.has_seed) {
        check_faults(swarm);
        print_stats(swarm);
    }
    printf("%" PRIu64 " failed\n", swarm->failed_count);
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
        run(&swarm, swarm.arguments.seed);
        return conclude(&swarm);
    }
    if (swarm.arguments.kept != NULL && !run_kept(&swarm)) {
        return 2;
    }
    for (uint64_t i = 0; i < swarm.arguments.count && !is_over(&swarm); i++) {
        run(&swarm, swarm.arguments.first + i);
    }
    return conclude(&swarm);
}
