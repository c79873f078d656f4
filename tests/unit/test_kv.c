/* Goal: the key-value seam over LMDB keeps what kv.h says, and a damaged file gives an error, not a crash.
 * Method: a private folder a test; damage is done to the file between close and open, and looked at from a child process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "zone/kv.h"

#define MIB ((size_t)1 << 20)
#define PATH_SIZE 256

static const char *const tables[] = {"one", "two"};

/* --- the private folder: parent/env */

static int make_folder(void **state)
{
    char *folder = malloc(PATH_SIZE);
    const char *base = getenv("TMPDIR");
    snprintf(folder, PATH_SIZE, "%s/consign-kv-XXXXXX", base ? base : "/tmp");
    *state = mkdtemp(folder);
    return *state == NULL;
}

static void path_of(const char *folder, const char *name, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%.128s/env%s%s", folder, *name ? "/" : "", name);
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "owner", ""};
    char path[PATH_SIZE];
    for (size_t i = 0; i < 4; i++) {
        path_of(*state, names[i], path);
        remove(path);
    }
    int bad = rmdir(*state);
    free(*state);
    return bad;
}

static int open_kv(const char *folder, size_t size_max, struct csn_kv **ret_kv)
{
    char path[PATH_SIZE];
    struct csn_reason reason;
    path_of(folder, "", path);
    return csn_kv_open(path, size_max, tables, 2, ret_kv, &reason);
}

static struct csn_bytes text(const char *chars)
{
    return csn_bytes(chars, strlen(chars));
}

static void put_one(struct csn_kv *kv, struct csn_bytes key, struct csn_bytes value)
{
    struct csn_kv_txn *txn;
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    assert_int_equal(csn_kv_put(txn, 0, key, value), CSN_OK);
    assert_int_equal(csn_kv_commit(txn), CSN_OK);
}

/* Keys "00000000".. in table 0, values of a size that makes some leave their page. */
static void fill(struct csn_kv *kv, unsigned from, unsigned count, size_t value_size)
{
    struct csn_kv_txn *txn;
    char key[16];
    uint8_t *value = calloc(1, value_size);
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    for (unsigned i = from; i < from + count; i++) {
        snprintf(key, sizeof(key), "%08u", i);
        size_t size = i % 50 == 49 ? value_size : value_size / 60;
        assert_int_equal(csn_kv_append(txn, 0, text(key), csn_bytes(value, size)), CSN_OK);
    }
    assert_int_equal(csn_kv_commit(txn), CSN_OK);
    free(value);
}

/* Reads all; the number of pairs, or a code. */
static int read_all(struct csn_kv *kv)
{
    struct csn_kv_txn *txn;
    struct csn_kv_cursor *cursor;
    struct csn_bytes key, value;
    volatile uint8_t sum = 0;
    int count = 0;
    int code = csn_kv_begin(kv, false, &txn);
    if (code != CSN_OK) {
        return code;
    }
    code = csn_kv_cursor_open(txn, 0, &cursor);
    if (code == CSN_OK) {
        code = csn_kv_cursor_seek(cursor, csn_bytes(NULL, 0), &key, &value);
        while (code == CSN_OK) {
            for (size_t i = 0; i < value.size; i++) {
                sum = (uint8_t)(sum + value.data[i]);
            }
            count++;
            code = csn_kv_cursor_next(cursor, &key, &value);
        }
        csn_kv_cursor_close(cursor);
    }
    csn_kv_abort(txn);
    return code == CSN_ENOTFOUND ? count : code;
}

/* --- tests */

static void test_pairs_come_back_in_order_after_reopen(void **state)
{
    static const char *const keys[] = {"m", "a", "zz", "z", "\x01", "mm"};
    static const char *const sorted[] = {"\x01", "a", "m", "mm", "z", "zz"};
    struct csn_kv *kv;
    struct csn_kv_txn *txn;
    struct csn_kv_cursor *cursor;
    struct csn_bytes key, value;
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    for (size_t i = 0; i < 6; i++) {
        put_one(kv, text(keys[i]), text(keys[i]));
    }
    csn_kv_close(kv);
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    assert_int_equal(csn_kv_begin(kv, false, &txn), CSN_OK);
    assert_int_equal(csn_kv_cursor_open(txn, 0, &cursor), CSN_OK);
    assert_int_equal(csn_kv_cursor_seek(cursor, csn_bytes(NULL, 0), &key, &value), CSN_OK);
    for (size_t i = 0; i < 6; i++) {
        assert_true(csn_bytes_equal(key, text(sorted[i])) && csn_bytes_equal(value, text(sorted[i])));
        assert_int_equal(csn_kv_cursor_next(cursor, &key, &value), i < 5 ? CSN_OK : CSN_ENOTFOUND);
    }
    assert_int_equal(csn_kv_cursor_seek(cursor, text("n"), &key, &value), CSN_OK);
    assert_true(csn_bytes_equal(key, text("z")));
    assert_int_equal(csn_kv_get(txn, 1, text("m"), &value), CSN_ENOTFOUND);
    csn_kv_cursor_close(cursor);
    csn_kv_abort(txn);
    csn_kv_close(kv);
}

/* LMDB leaves a value in the pages of its own that it got earlier in the transaction, also where it needs fewer of them now, or
 * none; others' transactions are in the same. */
static void test_a_value_made_smaller_in_one_transaction_is_whole(void **state)
{
    static const size_t sizes[] = {9000, 5000, 100, 0};
    static const uint8_t octets[20000];
    struct csn_kv *kv;
    struct csn_kv_txn *txn;
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
        assert_int_equal(csn_kv_put(txn, 0, text("a"), csn_bytes(octets, 20000)), CSN_OK);
        assert_int_equal(csn_kv_put(txn, 0, text("a"), csn_bytes(octets, sizes[i])), CSN_OK);
        assert_int_equal(csn_kv_commit(txn), CSN_OK);
        csn_kv_close(kv);
        assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    }
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    assert_int_equal(csn_kv_del(txn, 0, text("a")), CSN_OK);
    assert_int_equal(csn_kv_commit(txn), CSN_OK);
    csn_kv_close(kv);
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    csn_kv_close(kv);
}

static void test_append_falls_back_when_the_key_is_not_the_last(void **state)
{
    struct csn_kv *kv;
    struct csn_kv_txn *txn;
    struct csn_bytes value;
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    assert_int_equal(csn_kv_append(txn, 0, text("b"), text("1")), CSN_OK);
    assert_int_equal(csn_kv_append(txn, 0, text("a"), text("2")), CSN_OK);
    assert_int_equal(csn_kv_append(txn, 0, text("b"), text("3")), CSN_OK);
    assert_int_equal(csn_kv_append(txn, 0, text("c"), text("4")), CSN_OK);
    assert_int_equal(csn_kv_commit(txn), CSN_OK);
    assert_int_equal(csn_kv_begin(kv, false, &txn), CSN_OK);
    assert_int_equal(csn_kv_get(txn, 0, text("a"), &value), CSN_OK);
    assert_true(csn_bytes_equal(value, text("2")));
    assert_int_equal(csn_kv_get(txn, 0, text("b"), &value), CSN_OK);
    assert_true(csn_bytes_equal(value, text("3")));
    csn_kv_abort(txn);
    assert_int_equal(read_all(kv), 3);
    csn_kv_close(kv);
}

static void test_abort_leaves_nothing_and_readers_see_one_state(void **state)
{
    struct csn_kv *kv;
    struct csn_kv_txn *txn, *old;
    struct csn_bytes value;
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    put_one(kv, text("k"), text("before"));
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    assert_int_equal(csn_kv_put(txn, 0, text("k"), text("never")), CSN_OK);
    assert_int_equal(csn_kv_del(txn, 0, text("absent")), CSN_ENOTFOUND);
    csn_kv_abort(txn);
    assert_int_equal(csn_kv_begin(kv, false, &old), CSN_OK);
    put_one(kv, text("k"), text("after"));
    assert_int_equal(csn_kv_get(old, 0, text("k"), &value), CSN_OK);
    assert_true(csn_bytes_equal(value, text("before")));
    csn_kv_abort(old);
    assert_int_equal(csn_kv_begin(kv, false, &old), CSN_OK);
    assert_int_equal(csn_kv_get(old, 0, text("k"), &value), CSN_OK);
    assert_true(csn_bytes_equal(value, text("after")));
    csn_kv_abort(old);
    csn_kv_close(kv);
}

static void test_impossible_keys_are_refused(void **state)
{
    static const uint8_t long_key[CSN_KV_KEY_MAX + 1] = {1};
    struct csn_kv *kv;
    struct csn_kv_txn *txn;
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    put_one(kv, csn_bytes(long_key, CSN_KV_KEY_MAX), text("fits"));
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    assert_int_equal(csn_kv_put(txn, 0, csn_bytes(long_key, sizeof(long_key)), text("")), CSN_ELIMIT);
    assert_int_equal(csn_kv_put(txn, 0, csn_bytes(NULL, 0), text("")), CSN_ELIMIT);
    csn_kv_abort(txn);
    csn_kv_close(kv);
}

/* Runs `fn` in a child: its exit code, or minus the signal that ended it. */
static int in_child(int (*fn)(const char *folder), const char *folder)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2);
        _exit(fn(folder));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int child_open(const char *folder)
{
    struct csn_kv *kv;
    int code = open_kv(folder, 64 * MIB, &kv);
    if (code == CSN_OK) {
        code = read_all(kv) < 0 ? CSN_EDAMAGED : CSN_OK;
        csn_kv_close(kv);
    }
    return -code;
}

static void test_a_second_process_is_refused(void **state)
{
    struct csn_kv *kv, *again;
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    assert_int_equal(open_kv(*state, MIB, &again), CSN_EBUSY);
    assert_int_equal(in_child(child_open, *state), -CSN_EBUSY);
    csn_kv_close(kv);
    assert_int_equal(in_child(child_open, *state), CSN_OK);
}

static void test_folders_are_private(void **state)
{
    char path[PATH_SIZE];
    struct stat st;
    struct csn_kv *kv;
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    csn_kv_close(kv);
    path_of(*state, "", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    path_of(*state, "data.mdb", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
}

static void test_full_is_said_and_what_was_there_stays(void **state)
{
    static const uint8_t value[4000];
    struct csn_kv *kv;
    struct csn_kv_txn *txn;
    uint64_t used, size_max;
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    put_one(kv, text("k"), text("v"));
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    int code = CSN_OK;
    for (uint32_t i = 0; code == CSN_OK && i < 1000; i++) {
        code = csn_kv_put(txn, 1, csn_bytes(&i, sizeof(i)), csn_bytes(value, sizeof(value)));
    }
    assert_int_equal(code, CSN_EFULL);
    csn_kv_abort(txn);
    assert_int_equal(read_all(kv), 1);
    put_one(kv, text("l"), text("v"));
    csn_kv_usage(kv, &used, &size_max);
    assert_true(size_max == MIB && used > 0 && used < MIB / 8);
    csn_kv_close(kv);
}

static void test_usage_falls_when_pages_are_freed(void **state)
{
    struct csn_kv *kv;
    struct csn_kv_txn *txn;
    uint64_t before, full, after, size_max;
    char key[16];
    assert_int_equal(open_kv(*state, 16 * MIB, &kv), CSN_OK);
    csn_kv_usage(kv, &before, &size_max);
    fill(kv, 0, 2000, 9000);
    csn_kv_usage(kv, &full, &size_max);
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(key, sizeof(key), "%08u", i);
        assert_int_equal(csn_kv_del(txn, 0, text(key)), CSN_OK);
    }
    assert_int_equal(csn_kv_commit(txn), CSN_OK);
    csn_kv_usage(kv, &after, &size_max);
    assert_true(full > before + 600000);
    assert_true(after < before + 65536);
    csn_kv_close(kv);
}

static void test_two_environments_do_not_block_each_other(void **state)
{
    char path[PATH_SIZE];
    struct csn_kv *kv, *other;
    struct csn_kv_txn *txn, *other_txn;
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    snprintf(path, sizeof(path), "%s/other/env", (char *)*state);
    assert_int_equal(csn_kv_open(path, MIB, tables, 2, &other, NULL), CSN_OK);
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    assert_int_equal(csn_kv_begin(other, true, &other_txn), CSN_OK);
    assert_int_equal(csn_kv_put(other_txn, 0, text("k"), text("v")), CSN_OK);
    assert_int_equal(csn_kv_commit(other_txn), CSN_OK);
    csn_kv_abort(txn);
    csn_kv_close(other);
    csn_kv_close(kv);
    snprintf(path, sizeof(path), "%s/other", (char *)*state);
    char *other_folder = strdup(path);
    void *other_state = other_folder;
    assert_int_equal(remove_folder(&other_state), 0);
}

static void *read_in_thread(void *arg)
{
    struct csn_bytes value;
    int code = csn_kv_get(arg, 0, text("k"), &value);
    csn_kv_abort(arg);
    return code == CSN_OK && csn_bytes_equal(value, text("v")) ? arg : NULL;
}

static void test_readers_move_between_threads_and_are_many(void **state)
{
    struct csn_kv *kv;
    struct csn_kv_txn *txns[200];
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    put_one(kv, text("k"), text("v"));
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(csn_kv_begin(kv, false, &txns[i]), CSN_OK);
    }
    for (size_t i = 0; i < 200; i++) {
        pthread_t thread;
        void *result;
        assert_int_equal(pthread_create(&thread, NULL, read_in_thread, txns[i]), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_non_null(result);
    }
    csn_kv_close(kv);
}

/* --- damage */

static off_t make_victim(const char *folder)
{
    char path[PATH_SIZE];
    struct stat st;
    struct csn_kv *kv;
    assert_int_equal(open_kv(folder, 64 * MIB, &kv), CSN_OK);
    for (unsigned i = 0; i < 10; i++) {
        fill(kv, 300 * i, 300, 20000);
    }
    csn_kv_close(kv);
    path_of(folder, "data.mdb", path);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void test_a_file_cut_short_is_refused(void **state)
{
    char path[PATH_SIZE];
    off_t size = make_victim(*state);
    path_of(*state, "data.mdb", path);
    off_t cuts[] = {size - 1, size - 4096, size / 2, 8193, 8192, 4096, 100, 0};
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        assert_int_equal(truncate(path, cuts[i]), 0);
        assert_int_equal(in_child(child_open, *state), -CSN_EDAMAGED);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(in_child(child_open, *state), -CSN_EDAMAGED);
}

/* A crash while the first file is written: no promise can be in it. */
static void test_a_half_made_store_is_made_again(void **state)
{
    char path[PATH_SIZE];
    path_of(*state, "", path);
    assert_int_equal(mkdir(path, 0700), 0);
    path_of(*state, "data.mdb", path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "half", 4), 4);
    close(fd);
    assert_int_equal(in_child(child_open, *state), CSN_OK);
}

static void test_garbage_is_refused(void **state)
{
    char path[PATH_SIZE];
    uint8_t page[4096];
    off_t size = make_victim(*state);
    memset(page, 0xA5, sizeof(page));
    path_of(*state, "data.mdb", path);
    int fd = open(path, O_WRONLY);
    for (off_t at = 0; at < size; at += 4096) {
        assert_int_equal(pwrite(fd, page, sizeof(page), at), sizeof(page));
    }
    close(fd);
    assert_int_equal(in_child(child_open, *state), -CSN_EDAMAGED);
}

/* xorshift64: the same damage in every run. */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void damage_page(uint8_t page[4096], unsigned how, uint64_t *seed)
{
    switch (how) {
    case 0: /* a bit of the header and the offsets */
        page[next_random(seed) % 64] ^= (uint8_t)(1u << next_random(seed) % 8);
        break;
    case 1: /* a bit anywhere */
        page[next_random(seed) % 4096] ^= (uint8_t)(1u << next_random(seed) % 8);
        break;
    case 2:
        memset(page, 0, 4096);
        break;
    default:
        for (size_t i = 16; i < 4096; i++) {
            page[i] = (uint8_t)next_random(seed);
        }
    }
}

/* Damage where nothing depends on it (a free page, a value) may go unseen here; a crash may not happen. */
static void test_no_damage_to_a_page_ends_the_process(void **state)
{
    char path[PATH_SIZE];
    uint8_t whole[4096], page[4096];
    uint64_t seed = 88172645463325252u;
    unsigned refused = 0;
    uint64_t pages = (uint64_t)make_victim(*state) / 4096;
    path_of(*state, "data.mdb", path);
    int fd = open(path, O_RDWR);
    for (unsigned i = 0; i < 240; i++) {
        uint64_t number = i < 24 ? i / 4 : next_random(&seed) % pages;
        assert_int_equal(pread(fd, whole, sizeof(whole), (off_t)(number * 4096)), 4096);
        memcpy(page, whole, sizeof(page));
        damage_page(page, i % 4, &seed);
        assert_int_equal(pwrite(fd, page, sizeof(page), (off_t)(number * 4096)), 4096);
        int result = in_child(child_open, *state);
        assert_true(result == CSN_OK || result == -CSN_EDAMAGED);
        refused += result != CSN_OK;
        assert_int_equal(pwrite(fd, whole, sizeof(whole), (off_t)(number * 4096)), 4096);
    }
    close(fd);
    print_message("refused %u of 240\n", refused);
    assert_true(refused > 60);
    assert_int_equal(in_child(child_open, *state), CSN_OK);
}

/* Damage that LMDB would follow without noticing: each kind is done to every page of the kind it fits. */
static void swap_nodes(uint8_t *page)
{
    uint8_t first[2];
    memcpy(first, page + 16, 2);
    memcpy(page + 16, page + 18, 2);
    memcpy(page + 18, first, 2);
}

static void drop_node(uint8_t *page)
{
    page[12] = (uint8_t)(page[12] - 2); /* lower bound; counts of nodes here stay within its low octet */
}

/* In a branch the second child becomes the first: its page is then used twice. */
static void repeat_child(uint8_t *page)
{
    uint16_t first, second;
    memcpy(&first, page + 16, 2);
    memcpy(&second, page + 18, 2);
    memcpy(page + second, page + first, 6);
}

/* A separator above its place: searches would miss what is there. */
static void raise_separator(uint8_t *page)
{
    uint16_t second;
    memcpy(&second, page + 18, 2);
    page[second + 8 + 7] = 'z';
}

static bool is_page(const uint8_t *page, unsigned kind)
{
    uint16_t flags, lower;
    memcpy(&flags, page + 10, 2);
    memcpy(&lower, page + 12, 2);
    return flags == kind && lower > 22 && lower < 250;
}

static void test_damage_that_lmdb_would_follow_is_refused(void **state)
{
    enum { BRANCH = 1, LEAF = 2 };
    static const struct {
        void (*damage)(uint8_t *page);
        unsigned kind, least;
    } rows[] = {{swap_nodes, LEAF, 20}, {drop_node, LEAF, 20}, {repeat_child, BRANCH, 1}, {raise_separator, BRANCH, 1}};
    char path[PATH_SIZE];
    uint8_t whole[4096], page[4096];
    off_t size = make_victim(*state);
    path_of(*state, "data.mdb", path);
    int fd = open(path, O_RDWR);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned tried = 0, refused = 0;
        for (off_t at = 8192; at < size && tried < 60; at += 4096) {
            assert_int_equal(pread(fd, whole, sizeof(whole), at), 4096);
            if (!is_page(whole, rows[i].kind)) {
                continue;
            }
            memcpy(page, whole, sizeof(page));
            rows[i].damage(page);
            tried++;
            assert_int_equal(pwrite(fd, page, sizeof(page), at), 4096);
            refused += in_child(child_open, *state) == -CSN_EDAMAGED;
            assert_int_equal(pwrite(fd, whole, sizeof(whole), at), 4096);
        }
        print_message("damage %zu: refused %u of %u\n", i, refused, tried);
        assert_true(refused >= rows[i].least);
    }
    close(fd);
    assert_int_equal(in_child(child_open, *state), CSN_OK);
}

/* A live page on the free list would be overwritten by the next writer. */
static void test_a_free_list_with_a_page_in_use_is_refused(void **state)
{
    char path[PATH_SIZE];
    uint8_t page[4096];
    unsigned refused = 0;
    off_t size = make_victim(*state);
    struct csn_kv *kv;
    struct csn_kv_txn *txn;
    assert_int_equal(open_kv(*state, 64 * MIB, &kv), CSN_OK); /* frees some pages */
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    assert_int_equal(csn_kv_del(txn, 0, text("00000049")), CSN_OK);
    assert_int_equal(csn_kv_commit(txn), CSN_OK);
    csn_kv_close(kv);
    path_of(*state, "data.mdb", path);
    int fd = open(path, O_RDWR);
    /* The root of the free tree stands in both metas; the last number of its first list is set to 2. */
    for (off_t meta = 0; meta < 8192; meta += 4096) {
        uint64_t root, count;
        uint16_t node;
        assert_int_equal(pread(fd, &root, 8, meta + 16 + 24 + 40), 8);
        if (root > (uint64_t)size / 4096) {
            continue;
        }
        assert_int_equal(pread(fd, page, sizeof(page), (off_t)root * 4096), 4096);
        memcpy(&node, page + 16, 2);
        memcpy(&count, page + node + 16, 8);
        for (uint64_t number = 2; number < 12; number++) {
            off_t at = (off_t)(root * 4096 + node + 16 + 8 * count);
            assert_int_equal(pwrite(fd, &number, 8, at), 8);
            refused += in_child(child_open, *state) == -CSN_EDAMAGED;
        }
        assert_int_equal(pwrite(fd, page, sizeof(page), (off_t)root * 4096), 4096);
    }
    close(fd);
    assert_true(refused >= 8);
    assert_int_equal(in_child(child_open, *state), CSN_OK);
}

/* No file may grow past its first page: what a full disk does to LMDB. */
static int child_without_space(const char *folder)
{
    struct csn_kv *kv;
    struct csn_kv_txn *txn;
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || open_kv(folder, 64 * MIB, &kv) != CSN_OK) {
        return 100;
    }
    if (csn_kv_begin(kv, true, &txn) != CSN_OK || csn_kv_put(txn, 0, text("k"), text("v")) != CSN_OK) {
        return 101;
    }
    int code = csn_kv_commit(txn);
    int count = read_all(kv);
    csn_kv_close(kv);
    return count == 3000 ? -code : 102;
}

static void test_a_full_disk_is_said_and_reading_goes_on(void **state)
{
    make_victim(*state);
    assert_int_equal(in_child(child_without_space, *state), -CSN_EFULL);
    assert_int_equal(in_child(child_open, *state), CSN_OK);
}

/* The first pages may be missing though later ones came through; what the mark vouches for is not given up. */
static void test_a_half_made_store_with_holes_is_made_again(void **state)
{
    char path[PATH_SIZE];
    make_victim(*state);
    path_of(*state, "data.mdb", path);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    static const uint8_t zeros[8192];
    assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 0), sizeof(zeros));
    close(fd);
    assert_int_equal(in_child(child_open, *state), -CSN_EDAMAGED);
    path_of(*state, "owner", path);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(in_child(child_open, *state), CSN_OK);
    path_of(*state, "data.mdb.damaged", path);
    assert_int_equal(unlink(path), 0);
}

#define WRITERS 8
#define WRITES 40

struct writer {
    struct csn_kv *kv;
    unsigned number;
};

/* Every fifth is given up after it wrote: nothing of it stays, whoever shared its transaction. */
static void *write_many(void *arg)
{
    const struct writer *writer = arg;
    for (unsigned i = 0; i < WRITES; i++) {
        struct csn_kv_txn *txn;
        struct csn_bytes value;
        char key[32];
        int size = snprintf(key, sizeof(key), "%u.%u", writer->number, i);
        struct csn_bytes view = csn_bytes(key, (size_t)size);
        INSIST(csn_kv_begin(writer->kv, true, &txn) == CSN_OK && csn_kv_put(txn, 0, view, view) == CSN_OK);
        if (i % 5 == 4) {
            csn_kv_abort(txn);
        } else {
            INSIST(csn_kv_commit(txn) == CSN_OK);
        }
        INSIST(csn_kv_begin(writer->kv, false, &txn) == CSN_OK);
        INSIST(csn_kv_get(txn, 0, view, &value) == (i % 5 == 4 ? CSN_ENOTFOUND : CSN_OK));
        csn_kv_abort(txn);
    }
    return NULL;
}

static void test_writers_at_the_same_time_lose_nothing(void **state)
{
    struct csn_kv *kv;
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){kv, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    csn_kv_close(kv);
    assert_int_equal(open_kv(*state, MIB, &kv), CSN_OK);
    assert_int_equal(read_all(kv), WRITERS * WRITES * 4 / 5);
    csn_kv_close(kv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(test_pairs_come_back_in_order_after_reopen),
        TEST(test_a_value_made_smaller_in_one_transaction_is_whole),
        TEST(test_append_falls_back_when_the_key_is_not_the_last),
        TEST(test_abort_leaves_nothing_and_readers_see_one_state),
        TEST(test_impossible_keys_are_refused),
        TEST(test_a_second_process_is_refused),
        TEST(test_folders_are_private),
        TEST(test_full_is_said_and_what_was_there_stays),
        TEST(test_usage_falls_when_pages_are_freed),
        TEST(test_two_environments_do_not_block_each_other),
        TEST(test_writers_at_the_same_time_lose_nothing),
        TEST(test_readers_move_between_threads_and_are_many),
        TEST(test_a_file_cut_short_is_refused),
        TEST(test_a_half_made_store_is_made_again),
        TEST(test_a_half_made_store_with_holes_is_made_again),
        TEST(test_garbage_is_refused),
        TEST(test_no_damage_to_a_page_ends_the_process),
        TEST(test_damage_that_lmdb_would_follow_is_refused),
        TEST(test_a_free_list_with_a_page_in_use_is_refused),
        TEST(test_a_full_disk_is_said_and_reading_goes_on),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
