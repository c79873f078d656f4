/* Goal: writes are answered in order and once, those that wait share a transaction, and after one that fails those before it
 * stand and nothing later is written. Method: a store in a private folder, writes queued at once and a loop run until it is
 * empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "persist.h"
#include "store_fixture.h"

#define WRITES 100

struct fixture {
    char *folder;
    char path[PATH_MAX];
    uv_loop_t loop;
    struct csn_store *store;
    struct csn_persister *persister;
    uint64_t ids[WRITES];
    int codes[WRITES];
    size_t told;
};

static void on_persisted(void *arg, uint64_t id, int code)
{
    struct fixture *fixture = arg;
    assert_in_range(fixture->told, 0, WRITES - 1);
    fixture->ids[fixture->told] = id;
    fixture->codes[fixture->told++] = code;
}

static int set_up(void **state)
{
    static struct fixture fixtures[16]; /* a persister lives as long as its process */
    static size_t count;
    assert_true(count < sizeof(fixtures) / sizeof(fixtures[0]));
    struct fixture *fixture = &fixtures[count++];
    assert_int_equal(make_folder((void **)&fixture->folder), 0);
    snprintf(fixture->path, sizeof(fixture->path), "%s/last-hold", fixture->folder);
    uv_loop_init(&fixture->loop);
    fixture->store = open_store(fixture->folder);
    fixture->persister =
        csn_persister_new(&fixture->loop, fixture->store, csn_second_copy_new(fixture->path), on_persisted, fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    csn_store_close(fixture->store);
    unlink(fixture->path);
    return remove_folder((void **)&fixture->folder);
}

/* A vote of zone `key`: expects `old`, writes `value`, here and in the second copy. */
static void add(struct fixture *fixture, uint64_t id, const char *key, const char *old, const char *value)
{
    struct csn_effect effect = {.kind = CSN_EFFECT_PERSIST};
    struct csn_bytes name = csn_bytes(key, strlen(key)), text = csn_bytes(value, strlen(value));
    effect.persist.id = id;
    effect.persist.expects[effect.persist.expect_count++] =
        (struct csn_record_pair){name, old != NULL ? csn_bytes(old, strlen(old)) : csn_bytes(NULL, 0)};
    effect.persist.writes[effect.persist.write_count++] = (struct csn_record_pair){name, text};
    effect.persist.second = (struct csn_record_pair){name, text};
    csn_persister_add(fixture->persister, &effect);
}

struct found {
    size_t count;
    char last[64];
};

static int count_record(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    struct found *found = arg;
    (void)key;
    found->count++;
    snprintf(found->last, sizeof(found->last), "%.*s", (int)value.size, (const char *)value.data);
    return CSN_OK;
}

static struct found stored(struct fixture *fixture, const char *prefix)
{
    struct found found = {0};
    assert_int_equal(csn_store_read_votes(fixture->store, csn_bytes(prefix, strlen(prefix)), count_record, &found), CSN_OK);
    return found;
}

static size_t second_count(const struct fixture *fixture)
{
    struct csn_second_copy *copy = csn_second_copy_new(fixture->path);
    struct csn_reason reason = {""};
    bool is_ahead;
    assert_int_equal(csn_second_copy_load(copy, csn_bytes(NULL, 0), &is_ahead, &reason), CSN_OK);
    size_t count = csn_second_copy_count(copy);
    csn_second_copy_free(copy);
    return count;
}

static int keep_value(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    (void)key;
    csn_buf_put_bytes(arg, value);
    return CSN_OK;
}

/* The store, as it stands, against the second copy. */
static int judge(struct fixture *fixture)
{
    struct csn_second_copy *copy = csn_second_copy_new(fixture->path);
    struct csn_buf stored = {0};
    struct csn_reason reason = {""};
    bool is_ahead;
    struct csn_bytes key = csn_bytes(CSN_SECOND_STORED_KEY, strlen(CSN_SECOND_STORED_KEY));
    assert_int_equal(csn_store_read_votes(fixture->store, key, keep_value, &stored), CSN_OK);
    assert_true(stored.size > 0);
    int code = csn_second_copy_load(copy, csn_buf_view(&stored), &is_ahead, &reason);
    csn_buf_fini(&stored);
    csn_second_copy_free(copy);
    return code;
}

static void test_many_writes_are_answered_in_order(void **state)
{
    struct fixture *fixture = *state;
    char key[16];
    for (uint64_t i = 0; i < WRITES; i++) {
        snprintf(key, sizeof(key), "rzone%03u", (unsigned)i);
        add(fixture, i + 1, key, NULL, "vote");
    }
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture->told, WRITES);
    for (size_t i = 0; i < WRITES; i++) {
        assert_int_equal(fixture->ids[i], i + 1);
        assert_int_equal(fixture->codes[i], CSN_OK);
    }
    assert_int_equal(stored(fixture, "rzone").count, WRITES);
    assert_int_equal(judge(fixture), CSN_OK);
    assert_int_equal(second_count(fixture), WRITES);
}

/* Each write is judged on what the one before it wrote, in the same transaction or not. */
static void test_writes_build_on_each_other(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, 1, "rz", NULL, "one");
    add(fixture, 2, "rz", "one", "two");
    add(fixture, 3, "rz", "two", "three");
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture->told, 3);
    assert_int_equal(fixture->codes[2], CSN_OK);
    assert_string_equal(stored(fixture, "rz").last, "three");
    assert_int_equal(second_count(fixture), 1);
}

/* The store knows how much of the second copy was synced: a batch that is gone is missed. */
static void test_a_second_copy_that_lost_its_end_is_older_than_the_store(void **state)
{
    struct fixture *fixture = *state;
    struct stat st;
    add(fixture, 1, "rz", NULL, "one");
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(judge(fixture), CSN_OK);
    assert_int_equal(stat(fixture->path, &st), 0);
    add(fixture, 2, "rz", "one", "two");
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(judge(fixture), CSN_OK);
    assert_int_equal(truncate(fixture->path, st.st_size), 0);
    assert_int_equal(judge(fixture), CSN_EDAMAGED);
}

static void test_nothing_is_written_after_one_that_failed(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, 1, "ra", NULL, "one");
    add(fixture, 2, "rb", NULL, "two");
    add(fixture, 3, "rb", "other", "three"); /* not what is there */
    add(fixture, 4, "rc", NULL, "four");
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture->told, 3);
    assert_int_equal(fixture->codes[0], CSN_OK);
    assert_int_equal(fixture->codes[1], CSN_OK);
    assert_int_equal(fixture->ids[2], 3);
    assert_int_equal(fixture->codes[2], CSN_EMISMATCH);
    assert_string_equal(stored(fixture, "rb").last, "two");
    assert_int_equal(stored(fixture, "rc").count, 0);
    assert_int_equal(judge(fixture), CSN_OK); /* what failed is ahead, as after a crash */
    add(fixture, 5, "rd", NULL, "five");
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture->told, 3);
    assert_int_equal(stored(fixture, "rd").count, 0);
}

/* The second copy of a release must not be there before the certificate it builds on: here the transaction of the certificate
 * fails, after one that makes both wait for it together. */
static void test_a_second_copy_waits_for_what_it_builds_on(void **state)
{
    struct fixture *fixture = *state;
    add(fixture, 1, "rHx", NULL, "vote");
    add(fixture, 2, "rCz", "not there", "certificate");
    add(fixture, 3, "rRz", NULL, "released");
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    assert_int_equal(fixture->told, 2);
    assert_int_equal(fixture->codes[0], CSN_OK);
    assert_int_equal(fixture->codes[1], CSN_EMISMATCH);
    assert_int_equal(stored(fixture, "rR").count, 0);
    assert_int_equal(second_count(fixture), 2); /* of the vote and of what the failed one had itself, not of the release */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_writes_are_answered_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_writes_build_on_each_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_second_copy_that_lost_its_end_is_older_than_the_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_written_after_one_that_failed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_second_copy_waits_for_what_it_builds_on, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
