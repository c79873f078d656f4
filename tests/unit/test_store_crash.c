/* Goal: tables are whole or absent and votes all or nothing through kill -9, full disks and loads beside votes.
 * Method: a private folder a test; a process killed at points drawn from its own progress. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit/store_fixture.h"

static double now_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

/* --- limits and load */

static void test_a_full_map_is_said_and_recovered_from(void **state)
{
    struct csn_store *store;
    uint64_t used, size_max;
    assert_int_equal(csn_store_open(*state, MIB, 24 * MIB, &store, NULL), CSN_OK);
    assert_int_equal(load(store, apex, 1, 50000, NULL), CSN_OK);
    assert_int_equal(load(store, apex, 2, 1000000, NULL), CSN_EFULL);
    assert_int_equal(write_one_vote(store, "v", "still"), CSN_OK);
    assert_whole(store, apex, 1);
    csn_store_usage(store, &used, &size_max);
    assert_true(size_max == 24 * MIB && used > 4 * MIB && used < 12 * MIB);
    assert_int_equal(load(store, apex, 3, 50000, NULL), CSN_OK); /* what was abandoned is free again */
    assert_whole(store, apex, 3);
    csn_store_close(store);
    assert_true(rows_in_file(*state) == 100000);
}

/* In a child, because the limit stays: no file may grow past its first page. */
static int child_without_space(const char *folder)
{
    struct csn_store *store;
    struct csn_reason reason = {0};
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || csn_store_open(folder, 16 * MIB, 1024 * MIB, &store, &reason) != CSN_OK) {
        return 100;
    }
    int code = csn_store_probe(store, &reason);
    bool is_read = read_table(store) == CSN_ENOTFOUND;
    csn_store_close(store);
    return is_read && reason.text[0] != 0 ? -code : 101;
}

static void test_on_a_full_disk_the_store_opens_and_the_probe_says_so(void **state)
{
    struct csn_store *store = open_store(*state);
    assert_int_equal(load(store, apex, 1, 1000, NULL), CSN_OK);
    csn_store_close(store);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(child_without_space(*state));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), -CSN_EFULL);
    store = open_store(*state);
    assert_int_equal(csn_store_probe(store, NULL), CSN_OK);
    csn_store_close(store);
}

/* LMDB's file of readers has its blocks from the first open on: a disk that fills up later cannot kill a reader (SIGBUS). */
static void test_readers_have_their_blocks_before_the_disk_is_full(void **state)
{
    char path[PATH_MAX];
    struct stat st;
    csn_store_close(open_store(*state));
    snprintf(path, sizeof(path), "%s/zones/lock.mdb", (char *)*state);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_blocks * 512 >= st.st_size);
}

static void test_a_store_that_cannot_be_written_is_read(void **state)
{
    char path[PATH_MAX];
    struct stat before, after;
    struct csn_store *store = open_store(*state), *second;
    struct csn_digest name = name_of(1);
    assert_int_equal(load(store, apex, 1, 1000, NULL), CSN_OK);
    assert_int_equal(write_one_vote(store, "rone", "1"), CSN_OK);
    csn_store_close(store);
    snprintf(path, sizeof(path), "%s/zones/lock.mdb", (char *)*state);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/zones", (char *)*state);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(csn_store_open_readonly(*state, 16 * MIB, 1024 * MIB, &store, NULL), CSN_OK);
    assert_whole(store, apex, 1);
    assert_int_equal(write_one_vote(store, "rone", "2"), CSN_EPERMISSION);
    assert_int_equal(csn_store_put_blob(store, text("b"), text("v")), CSN_EPERMISSION);
    assert_int_equal(csn_table_delete(store, CSN_TABLE_VERSION, apex, &name), CSN_EPERMISSION);
    assert_int_equal(csn_store_probe(store, NULL), CSN_EPERMISSION);
    assert_int_equal(csn_store_open(*state, 16 * MIB, 1024 * MIB, &second, NULL), CSN_EBUSY);
    csn_store_close(store);
    assert_int_equal(stat(path, &after), 0);
    assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(after.st_mtim)); /* nothing came or went */
}

static void test_a_store_that_was_never_made_is_not_read(void **state)
{
    struct csn_store *store;
    struct csn_reason reason = {0};
    assert_int_not_equal(csn_store_open_readonly(*state, 16 * MIB, 1024 * MIB, &store, &reason), CSN_OK);
    assert_true(reason.text[0] != 0);
}

static void test_a_big_zone(void **state)
{
    enum { ROWS = 300000 };
    struct csn_store *store = open_store(*state);
    struct csn_digest name = name_of(1);
    struct csn_table_reader *reader;
    struct csn_entry entry;
    double start = now_s();
    assert_int_equal(load(store, apex, 1, ROWS, NULL), CSN_OK);
    double loaded = now_s();
    assert_int_equal(csn_table_open(store, CSN_TABLE_VERSION, apex, &name, &reader), CSN_OK);
    uint64_t count = 0;
    while (csn_table_next(reader, &entry) == CSN_OK) {
        count++;
    }
    csn_table_close(reader);
    double scanned = now_s();
    assert_true(count == ROWS);
    csn_store_close(store);
    double closed = now_s();
    store = open_store(*state);
    double opened = now_s();
    assert_int_equal(csn_table_delete(store, CSN_TABLE_VERSION, apex, &name), CSN_OK);
    double deleted = now_s();
    csn_store_close(store);
    print_message("load %.2f, scan %.2f, delete %.2f million entries/s; open with check %.0f ms\n",
                  ROWS / (loaded - start) / 1e6, ROWS / (scanned - loaded) / 1e6, ROWS / (deleted - opened) / 1e6,
                  (opened - closed) * 1e3);
    assert_true(rows_in_file(*state) == 0);
}

struct loader {
    struct csn_store *store;
    atomic_bool is_done;
};

static void *load_in_thread(void *arg)
{
    struct loader *loader = arg;
    int code = load(loader->store, apex, 1, 300000, NULL);
    atomic_store(&loader->is_done, true);
    return code == CSN_OK ? loader : NULL;
}

static void test_votes_and_readers_go_on_beside_a_load(void **state)
{
    struct loader loader = {.store = open_store(*state)};
    pthread_t thread;
    void *result;
    unsigned votes = 0;
    double worst = 0;
    assert_int_equal(load(loader.store, apex, 2, 1000, NULL), CSN_OK);
    assert_int_equal(pthread_create(&thread, NULL, load_in_thread, &loader), 0);
    while (!atomic_load(&loader.is_done)) {
        double before = now_s();
        assert_int_equal(write_one_vote(loader.store, "v", votes % 2 ? "odd" : "even"), CSN_OK);
        double took = now_s() - before;
        worst = took > worst ? took : worst;
        votes++;
        assert_whole(loader.store, apex, 2);
    }
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_non_null(result);
    print_message("%u votes beside a load, the slowest %.1f ms\n", votes, worst * 1e3);
    assert_true(votes > 1);
    assert_whole(loader.store, apex, 1);
    csn_store_close(loader.store);
}

/* --- kill -9 */

static int progress_fd = -1; /* in the child: one octet a step, so that the parent can kill after a step of its choice */

static void step(void)
{
    if (write(progress_fd, ".", 1) != 1) {
        _exit(1);
    }
}

static void done(void)
{
    if (write(progress_fd, "D", 1) != 1) {
        _exit(1);
    }
}

enum { KILL_ROWS = 70000, STEPS_A_TABLE = (KILL_ROWS + 1023) / 1024 + 1 };

/* Tables for ever; only the last two are kept. */
static int child_loads(struct csn_store *store, uint32_t first)
{
    for (uint32_t i = first;; i++) {
        struct csn_digest old = name_of(i - 2);
        int code = csn_table_delete(store, CSN_TABLE_VERSION, apex, &old);
        if (code == CSN_OK || code == CSN_ENOTFOUND) {
            code = load(store, apex, i, KILL_ROWS, step);
        }
        if (code != CSN_OK) {
            return code;
        }
        done();
    }
}

/* Three records that always say the same number, of changing length. */
static int child_votes(struct csn_store *store, uint32_t first)
{
    static const char *const keys[] = {"a", "b", "c"};
    uint8_t old[4], value[600] = {0};
    for (uint32_t i = first;; i++) {
        csn_set_u32(old, i - 1);
        csn_set_u32(value, i);
        struct csn_vote_expect expect = {.key = text("n"), .value = i > 1 ? csn_bytes(old, 4) : csn_bytes(NULL, 0)};
        struct csn_vote_write writes[4] = {{.key = text("n"), .value = csn_bytes(value, 4)}};
        for (size_t k = 0; k < 3; k++) {
            writes[1 + k] = (struct csn_vote_write){.key = text(keys[k]), .value = csn_bytes(value, 4 + i % 500)};
        }
        int code = csn_store_write_votes(store, &expect, 1, writes, 4);
        if (code != CSN_OK) {
            return code;
        }
        done();
    }
}

/* Starts `work`, kills it after `steps` octets of progress and a random while of spinning; how often it was done. */
static uint32_t run_and_kill(const char *folder, int (*work)(struct csn_store *, uint32_t), uint32_t first, unsigned steps)
{
    int ends[2];
    char octet;
    uint32_t count = 0;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct csn_store *store;
        close(ends[0]);
        progress_fd = ends[1];
        if (csn_store_open(folder, 16 * MIB, 1024 * MIB, &store, NULL) != CSN_OK) {
            _exit(2);
        }
        _exit(work(store, first) != CSN_OK ? 3 : 0);
    }
    close(ends[1]);
    for (unsigned i = 0; i < steps; i++) {
        assert_int_equal(read(ends[0], &octet, 1), 1);
        count += octet == 'D';
    }
    for (volatile int spin = rand() % 10000000; spin > 0; spin--) {
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(ends[0], &octet, 1) == 1) {
        count += octet == 'D';
    }
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return count;
}

static int assert_listed_whole(void *arg, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name,
                               struct csn_bytes meta)
{
    (void)kind, (void)meta;
    assert_whole(arg, zone, csn_get_u32(name->octets));
    return CSN_OK;
}

static void test_kill_in_a_bulk_load_leaves_whole_tables(void **state)
{
    uint32_t next = 1;
    srand(1);
    for (unsigned i = 0; i < 24; i++) {
        /* In a load, or just after one: there the deletion of an older table begins. */
        unsigned steps = i % 3 ? STEPS_A_TABLE * (1 + (unsigned)rand() % 2) : 1 + (unsigned)rand() % 150;
        uint32_t completed = run_and_kill(*state, child_loads, next, steps);
        struct csn_store *store = open_store(*state);
        next += completed;
        if (next > 1) {
            assert_whole(store, apex, next - 1);
        }
        struct csn_digest name = name_of(next);
        next += csn_table_exists(store, CSN_TABLE_VERSION, apex, &name); /* complete, killed before it could say so */
        uint64_t rows = 0;
        assert_int_equal(csn_table_list(store, assert_listed_whole, store), CSN_OK);
        assert_int_equal(csn_table_list(store, count_table, &rows), CSN_OK);
        csn_store_close(store);
        assert_true(rows_in_file(*state) == rows);
    }
    assert_true(next > 5);
}

static int read_number(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    (void)key;
    uint32_t *number = arg;
    uint32_t found = csn_get_u32(value.data);
    assert_true(*number == 0 || *number == found);
    *number = found;
    return CSN_OK;
}

static void test_kill_in_votes_leaves_all_or_nothing(void **state)
{
    uint32_t last = 0;
    srand(2);
    for (unsigned i = 0; i < 30; i++) {
        uint32_t completed = run_and_kill(*state, child_votes, last + 1, 1 + (unsigned)rand() % 20);
        struct csn_store *store = open_store(*state);
        uint32_t number = 0;
        assert_int_equal(csn_store_read_votes(store, text(""), read_number, &number), CSN_OK);
        assert_true(number == last + completed || number == last + completed + 1);
        last = number;
        csn_store_close(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(test_a_full_map_is_said_and_recovered_from),
        TEST(test_on_a_full_disk_the_store_opens_and_the_probe_says_so),
        TEST(test_readers_have_their_blocks_before_the_disk_is_full),
        TEST(test_a_store_that_cannot_be_written_is_read),
        TEST(test_a_store_that_was_never_made_is_not_read),
        TEST(test_a_big_zone),
        TEST(test_votes_and_readers_go_on_beside_a_load),
        TEST(test_kill_in_a_bulk_load_leaves_whole_tables),
        TEST(test_kill_in_votes_leaves_all_or_nothing),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
