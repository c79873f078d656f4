#include "sim/coverage.h"

#include <inttypes.h>

#include "sim/epochs.h"

static const char *const change_texts[] = {
#define SIM_CHANGE_TEXT(name, text) text,
    SIM_CHANGES(SIM_CHANGE_TEXT)
#undef SIM_CHANGE_TEXT
};

static const char *const standing_texts[] = {
#define SIM_STANDING_TEXT(name, text) text,
    SIM_STANDINGS(SIM_STANDING_TEXT)
#undef SIM_STANDING_TEXT
};

/* R8: the moves of a node in its epoch. */
static const struct {
    enum sim_standing from, to;
} standing_edges[] = {
    {SIM_STANDING_BEGINS, SIM_STANDING_JOINS},    {SIM_STANDING_BEGINS, SIM_STANDING_VOTES},
    {SIM_STANDING_BEGINS, SIM_STANDING_SEALED},   {SIM_STANDING_BEGINS, SIM_STANDING_HALTED},
    {SIM_STANDING_JOINS, SIM_STANDING_VOTES},     {SIM_STANDING_JOINS, SIM_STANDING_LEAVES},
    {SIM_STANDING_JOINS, SIM_STANDING_HALTED},    {SIM_STANDING_VOTES, SIM_STANDING_SEALED},
    {SIM_STANDING_VOTES, SIM_STANDING_LEAVES},    {SIM_STANDING_VOTES, SIM_STANDING_HALTED},
    {SIM_STANDING_SEALED, SIM_STANDING_ENTERED},  {SIM_STANDING_SEALED, SIM_STANDING_LEAVES},
    {SIM_STANDING_SEALED, SIM_STANDING_HALTED},   {SIM_STANDING_ENTERED, SIM_STANDING_LEAVES},
    {SIM_STANDING_ENTERED, SIM_STANDING_HALTED},  {SIM_STANDING_HALTED, SIM_STANDING_LEAVES},
};

/* Why a node halts: those that can be seen here; at this seam records do not rot, and a store comes back with its chain. */
static const struct {
    enum csn_halt halt;
    const char *text;
} halts[] = {
    {CSN_HALT_AMNESIA, "a vote or a seal is forgotten"},
    {CSN_HALT_PERSIST, "a write failed"},
    {CSN_HALT_REMOVED, "no member any more"},
    {CSN_HALT_CLOCK, "its clock leapt forward"},
};

/* What cannot be seen, and why. An edge or a test of these that does occur is no fault. */
static const struct {
    uint8_t test;
    const char *why;
} impossible_tests[] = {
    {CSN_TEST_REFRESH_ONLY, "the leader asks it first; few rogues step there"},
    {CSN_TEST_STAGED, "a vote follows a version that was staged whole"},
    {CSN_TEST_OTHER_HOLD, "the floor is at the round of a hold, and is tested before"},
};

static const char *why_impossible(unsigned test)
{
    for (size_t i = 0; i < sizeof(impossible_tests) / sizeof(impossible_tests[0]); i++) {
        if (impossible_tests[i].test == test) {
            return impossible_tests[i].why;
        }
    }
    return NULL;
}

/* A table of states: its edges, and how often each was taken. */
struct table {
    const char *name;
    unsigned states;
    const uint64_t *taken; /* states x row */
    unsigned row;
    bool (*may_move)(unsigned from, unsigned to);
    const char *(*text)(unsigned state);
};

static bool may_work(unsigned from, unsigned to)
{
    return csn_work_may_move((enum csn_work_state)from, (enum csn_work_state)to);
}
static const char *work_text(unsigned state)
{
    return csn_work_text((enum csn_work_state)state);
}
static bool may_adopt(unsigned from, unsigned to)
{
    return csn_adopt_may_move((enum csn_adopt_state)from, (enum csn_adopt_state)to);
}
static const char *adopt_text(unsigned state)
{
    return csn_adopt_text((enum csn_adopt_state)state);
}
static bool may_lead(unsigned from, unsigned to)
{
    return csn_leader_may_move((enum csn_leader_state)from, (enum csn_leader_state)to);
}
static bool may_stand(unsigned from, unsigned to)
{
    for (size_t i = 0; i < sizeof(standing_edges) / sizeof(standing_edges[0]); i++) {
        if (standing_edges[i].from == from && standing_edges[i].to == to) {
            return true;
        }
    }
    return false;
}
static const char *standing_text(unsigned standing)
{
    return standing_texts[standing];
}
static const char *lead_text(unsigned state)
{
    return csn_leader_text((enum csn_leader_state)state);
}

#define TABLES 4
static void tables_of(const struct sim_stats *stats, struct table ret_tables[TABLES])
{
    ret_tables[0] =
        (struct table){"work", SIM_WORK_STATES, &stats->work[0][0], SIM_WORK_STATES, may_work, work_text};
    ret_tables[1] =
        (struct table){"adoption", SIM_ADOPT_STATES, &stats->adopt[0][0], SIM_ADOPT_STATES, may_adopt, adopt_text};
    ret_tables[2] =
        (struct table){"leader", SIM_LEADER_STATES, &stats->leader[0][0], SIM_LEADER_STATES, may_lead, lead_text};
    ret_tables[3] = (struct table){"member",  SIM_STANDING_COUNT, &stats->standings[0][0], SIM_STANDINGS_MAX,
                                   may_stand, standing_text};
}

/* Of each edge: is it taken? */
static unsigned walk(const struct table *table, bool is_printing_all)
{
    unsigned missing = 0;
    for (unsigned from = 0; from < table->states; from++) {
        for (unsigned to = 0; to < table->states; to++) {
            uint64_t taken = table->taken[from * table->row + to];
            bool is_edge = table->may_move(from, to);
            if (is_edge && is_printing_all) {
                printf("  %10" PRIu64 "  %s: %s -> %s\n", taken, table->name, table->text(from),
                       table->text(to));
            } else if (is_edge && taken == 0) {
                printf("never taken: %s: %s -> %s\n", table->name, table->text(from),
                       table->text(to));
            }
            missing += is_edge && taken == 0;
        }
    }
    return missing;
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
    printf("refusals by test:\n");
    for (unsigned test = 1; test < SIM_TESTS_MAX; test++) {
        const char *text = csn_test_text((uint8_t)test), *why = why_impossible(test);
        if (text != NULL) {
            printf("  %10" PRIu64 "  %2u %s%s%s%s\n", stats->refused[test], test, text,
                   why != NULL ? " (cannot occur: " : "", why != NULL ? why : "",
                   why != NULL ? ")" : "");
        }
    }
}

void sim_coverage_print(const struct sim_stats *stats)
{
    struct table tables[TABLES];
    tables_of(stats, tables);
    print_faults(stats);
    print_refusals(stats);
    printf("state edges taken:\n");
    for (unsigned i = 0; i < TABLES; i++) {
        walk(&tables[i], true);
    }
    printf("changes of members:\n");
    for (unsigned change = 0; change < SIM_CHANGE_COUNT; change++) {
        printf("  %10" PRIu64 "  %s\n", stats->changes[change], change_texts[change]);
    }
    printf("  %10" PRIu64 "  emergencies\n  %10" PRIu64 "  returns from one\n  %10" PRIu64
           "  pairs of versions certified apart\n  %10" PRIu64 "  approved jumps of a serial\n  %10" PRIu64
           "  contents compared, different in %" PRIu64 " RRsets\n",
           stats->emergencies, stats->returns, stats->apart, stats->jumps, stats->walks, stats->walked);
    printf("halts of nodes:\n");
    for (size_t i = 0; i < sizeof(halts) / sizeof(halts[0]); i++) {
        printf("  %10" PRIu64 "  %s\n", stats->halts[halts[i].halt], halts[i].text);
    }
    printf("ends of rounds without a certificate:\n");
#define PRINT_END(name, text)                                                                      \
    if (CSN_ROUND_END_##name != CSN_ROUND_END_CERTIFIED) {                                         \
        printf("  %10" PRIu64 "  %s\n", stats->ends[CSN_ROUND_END_##name], text);                  \
    }
    CSN_ROUND_ENDS(PRINT_END)
#undef PRINT_END
}

unsigned sim_coverage_missing(const struct sim_stats *stats)
{
    struct table tables[TABLES];
    unsigned missing = 0;
    tables_of(stats, tables);
    for (unsigned fault = 0; fault < SIM_FAULT_COUNT; fault++) {
        if (stats->faults[fault] == 0) {
            printf("never injected: %s\n", sim_fault_text((enum sim_fault)fault));
            missing++;
        }
    }
    for (unsigned test = 1; test < SIM_TESTS_MAX; test++) {
        bool can_occur = csn_test_text((uint8_t)test) != NULL && why_impossible(test) == NULL;
        if (can_occur && stats->refused[test] == 0) {
            printf("never refused: %u %s\n", test, csn_test_text((uint8_t)test));
            missing++;
        }
    }
    for (unsigned i = 0; i < TABLES; i++) {
        missing += walk(&tables[i], false);
    }
    for (unsigned change = 0; change < SIM_CHANGE_COUNT; change++) {
        if (stats->changes[change] == 0) {
            printf("never changed: %s\n", change_texts[change]);
            missing++;
        }
    }
    if (stats->jumps == 0) {
        printf("no jump of a serial that was approved\n");
        missing++;
    }
    if (stats->emergencies == 0 || stats->returns == 0 || stats->apart == 0) {
        printf("no emergency from which a branch returned\n");
        missing++;
    }
    for (size_t i = 0; i < sizeof(halts) / sizeof(halts[0]); i++) {
        if (stats->halts[halts[i].halt] == 0) {
            printf("never halted: %s\n", halts[i].text);
            missing++;
        }
    }
    return missing;
}
