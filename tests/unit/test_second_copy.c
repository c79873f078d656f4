/* Goal: what a write returned for is read back, whatever was torn off or garbled behind it; where a part of it is missing, or the
 * store is older than a part that cannot be read, that is told (the table of docs/adr/0035). Method: files made by the module, cut
 * at every length and with every octet flipped, and read by another instance beside a store that knows of every write, of all
 * but the last, or of fewer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "second_copy.h"

struct fixture {
    char folder[64], path[96];
    struct csn_second_copy *copy;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.folder = "/tmp/consign-test-second.XXXXXX"};
    assert_non_null(mkdtemp(fixture.folder));
    snprintf(fixture.path, sizeof(fixture.path), "%s/last-hold", fixture.folder);
    fixture.copy = csn_second_copy_new(fixture.path);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    csn_second_copy_free(fixture->copy);
    unlink(fixture->path);
    return rmdir(fixture->folder);
}

static void put(struct csn_second_copy *copy, const char *key, const char *value)
{
    csn_second_copy_put(copy, (struct csn_record_pair){csn_bytes(key, strlen(key)), csn_bytes(value, strlen(value))});
}

static size_t size_of(const struct fixture *fixture)
{
    struct stat st;
    assert_int_equal(stat(fixture->path, &st), 0);
    return (size_t)st.st_size;
}

static bool has(const struct csn_second_copy *copy, const char *key, const char *value)
{
    for (size_t i = 0; i < csn_second_copy_count(copy); i++) {
        struct csn_record_pair pair = csn_second_copy_get(copy, i);
        if (csn_bytes_equal(pair.key, csn_bytes(key, strlen(key)))) {
            return csn_bytes_equal(pair.value, csn_bytes(value, strlen(value)));
        }
    }
    return false;
}

/* What the store keeps of each write: [0] nothing. */
struct writes {
    size_t ends[5]; /* of the file after it */
    struct csn_buf stored[5];
};

static void put_and_write(struct fixture *fixture, struct writes *writes, size_t number, const char *key, const char *value)
{
    put(fixture->copy, key, value);
    assert_int_equal(csn_second_copy_write(fixture->copy, &writes->stored[number]), CSN_OK);
    assert_true(writes->stored[number].size > 0);
    writes->ends[number] = size_of(fixture);
}

static struct writes write_four(struct fixture *fixture)
{
    struct writes writes = {0};
    put(fixture->copy, "b", "b1");
    put_and_write(fixture, &writes, 1, "a", "a1");
    put(fixture->copy, "c", "c1");
    put_and_write(fixture, &writes, 2, "a", "a2");
    put_and_write(fixture, &writes, 3, "b", "b2");
    put_and_write(fixture, &writes, 4, "b", "b3");
    return writes;
}

static void writes_fini(struct writes *writes)
{
    for (size_t i = 0; i < 5; i++) {
        csn_buf_fini(&writes->stored[i]);
    }
}

static struct csn_second_copy *load(const struct fixture *fixture, const struct csn_buf *stored, int expected, bool is_ahead)
{
    struct csn_reason reason = {""};
    bool is_told_ahead;
    struct csn_second_copy *copy = csn_second_copy_new(fixture->path);
    int code = csn_second_copy_load(copy, csn_buf_view(stored), &is_told_ahead, &reason);
    if (code != expected || is_told_ahead != is_ahead) {
        fail_msg("%d %d, not %d %d: %s", code, is_told_ahead, expected, is_ahead, reason.text);
    }
    return copy;
}

static void expect(const struct fixture *fixture, const struct csn_buf *stored, int code, bool is_ahead)
{
    csn_second_copy_free(load(fixture, stored, code, is_ahead));
}

static struct csn_buf read_all(const struct fixture *fixture)
{
    struct csn_buf file = {0};
    assert_int_equal(csn_fs_read(fixture->path, 1 << 20, &file, NULL), CSN_OK);
    return file;
}

static void write_all(const struct fixture *fixture, const struct csn_buf *file)
{
    assert_int_equal(csn_fs_write(fixture->path, csn_buf_view(file), 0600, NULL), CSN_OK);
}

static void flip(const struct fixture *fixture, size_t at)
{
    FILE *file = fopen(fixture->path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    int octet = fgetc(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    fputc(octet ^ 1, file);
    assert_int_equal(fclose(file), 0);
}

/* The marks as they are on disk until the next sync: of the batch before. */
static void forget_last_mark(const struct fixture *fixture, const struct csn_buf *before)
{
    struct csn_buf file = read_all(fixture);
    memcpy(file.data, before->data, 8192);
    write_all(fixture, &file);
    csn_buf_fini(&file);
}

static void test_newest_value_of_each_key_is_read_back(void **state)
{
    struct writes writes = write_four(*state);
    struct csn_second_copy *copy = load(*state, &writes.stored[4], CSN_OK, false);
    assert_int_equal(csn_second_copy_count(copy), 3);
    assert_true(has(copy, "a", "a2") && has(copy, "b", "b3") && has(copy, "c", "c1"));
    csn_second_copy_free(copy);
    writes_fini(&writes);
}

static void test_no_file(void **state)
{
    struct fixture *fixture = *state;
    struct csn_buf none = {0};
    expect(fixture, &none, CSN_OK, false);
    struct writes writes = write_four(fixture);
    unlink(fixture->path);
    for (size_t i = 1; i < 5; i++) {
        expect(fixture, &writes.stored[i], CSN_EDAMAGED, false); /* nothing tells how old the store is */
    }
    writes_fini(&writes);
}

/* Each store against the whole copy: one that is older is the core's to judge, by what is in both. */
static void test_whole_copy(void **state)
{
    struct fixture *fixture = *state;
    struct writes writes = write_four(fixture);
    for (size_t i = 0; i < 5; i++) {
        expect(fixture, &writes.stored[i], CSN_OK, false);
    }
    writes.stored[4].data[20] ^= 1; /* as much, but not the same */
    expect(fixture, &writes.stored[4], CSN_EDAMAGED, false);
    writes_fini(&writes);
}

/* An older copy was put back: the store is newer, as old, or older still. */
static void test_older_copy(void **state)
{
    struct fixture *fixture = *state;
    struct writes writes = {0};
    put_and_write(fixture, &writes, 1, "a", "a1");
    put_and_write(fixture, &writes, 2, "a", "a2");
    struct csn_buf older = read_all(fixture);
    put_and_write(fixture, &writes, 3, "a", "a3");
    write_all(fixture, &older);
    expect(fixture, &writes.stored[3], CSN_EDAMAGED, false);
    expect(fixture, &writes.stored[2], CSN_OK, false);
    expect(fixture, &writes.stored[1], CSN_OK, false);
    csn_buf_fini(&older);
    writes_fini(&writes);
}

/* The power fails while the fourth batch is appended: what was written before it stands, at whatever length it was cut, and the
 * site begins as ever. Its mark and its transaction come later; that of the third has ended. */
static void test_torn_batch_loses_nothing_that_was_returned_for(void **state)
{
    struct fixture *fixture = *state;
    struct writes writes = {0};
    put_and_write(fixture, &writes, 1, "a", "a1");
    put_and_write(fixture, &writes, 2, "a", "a2");
    struct csn_buf before = read_all(fixture);
    put_and_write(fixture, &writes, 3, "b", "b1"); /* 4: torn */
    put_and_write(fixture, &writes, 4, "b", "b2");
    for (size_t size = writes.ends[4]; size-- > writes.ends[3];) {
        assert_int_equal(truncate(fixture->path, (off_t)size), 0);
        struct csn_buf torn = read_all(fixture);
        for (unsigned marks = 0; marks < 2; marks++) { /* that of the third may be on disk or not */
            if (marks == 1) {
                memcpy(torn.data, before.data, 8192);
            } else {
                memset(torn.data, 0, 4096); /* the fourth's place, torn or not yet written again */
            }
            write_all(fixture, &torn);
            struct csn_second_copy *copy = load(fixture, &writes.stored[3], CSN_OK, false);
            assert_true(has(copy, "a", "a2") && has(copy, "b", "b1"));
            csn_second_copy_free(copy);
        }
        csn_buf_fini(&torn);
    }
    csn_buf_fini(&before);
    writes_fini(&writes);
}

/* It crashed between the sync of the fourth batch and its transaction, or began none. */
static void test_batch_without_its_transaction(void **state)
{
    struct fixture *fixture = *state;
    struct writes writes = {0};
    put_and_write(fixture, &writes, 1, "a", "a1");
    put_and_write(fixture, &writes, 2, "a", "a2");
    struct csn_buf before = read_all(fixture);
    put_and_write(fixture, &writes, 3, "a", "a3");
    for (unsigned i = 0; i < 2; i++) {
        struct csn_second_copy *copy = load(fixture, &writes.stored[2], CSN_OK, false);
        assert_true(has(copy, "a", "a3"));
        csn_second_copy_free(copy);
        forget_last_mark(fixture, &before);
    }
    csn_buf_fini(&before);
    writes_fini(&writes);
}

/* The last batch, cut away or garbled long after it was synced: never taken for torn, whatever the store knows. */
static void test_rotten_last_batch(void **state)
{
    struct fixture *fixture = *state;
    struct writes writes = write_four(fixture);
    struct csn_buf whole = read_all(fixture);
    for (size_t at = writes.ends[3]; at < writes.ends[4]; at++) {
        for (unsigned how = 0; how < 2; how++) {
            write_all(fixture, &whole);
            if (how == 0) {
                flip(fixture, at);
            } else {
                assert_int_equal(truncate(fixture->path, (off_t)at), 0);
            }
            for (size_t i = 0; i < 5; i++) {
                expect(fixture, &writes.stored[i], CSN_EDAMAGED, i < 4);
            }
        }
    }
    csn_buf_fini(&whole);
    writes_fini(&writes);
}

/* The same before the mark of it was durable: the store alone knows that it was synced; one that is older tells that something
 * is missing, but where it is older by that batch and no more. */
static void test_rotten_last_batch_without_its_mark(void **state)
{
    struct fixture *fixture = *state;
    struct writes writes = {0};
    put_and_write(fixture, &writes, 1, "a", "a1");
    put_and_write(fixture, &writes, 2, "a", "a2");
    put_and_write(fixture, &writes, 3, "a", "a3");
    struct csn_buf before = read_all(fixture);
    put_and_write(fixture, &writes, 4, "a", "a4");
    forget_last_mark(fixture, &before);
    flip(fixture, writes.ends[4] - 1);
    expect(fixture, &writes.stored[4], CSN_EDAMAGED, false);
    expect(fixture, &writes.stored[3], CSN_OK, false);
    for (size_t i = 0; i < 3; i++) {
        expect(fixture, &writes.stored[i], CSN_EDAMAGED, true);
    }
    csn_buf_fini(&before);
    writes_fini(&writes);
}

/* Any octet of a batch before the last, and of the first, which came with the file. */
static void test_garbled_octet_is_never_believed(void **state)
{
    struct fixture *fixture = *state;
    struct writes writes = write_four(fixture);
    for (size_t at = 8192; at < writes.ends[3]; at++) {
        flip(fixture, at);
        for (size_t i = 0; i < 5; i++) {
            expect(fixture, &writes.stored[i], CSN_EDAMAGED, i < 4);
        }
        flip(fixture, at);
    }
    writes_fini(&writes);
}

/* One mark is enough; without both the file is not believed, as without its head. */
static void test_damaged_marks(void **state)
{
    struct fixture *fixture = *state;
    struct writes writes = write_four(fixture);
    for (size_t at = 0; at < 20; at++) {
        flip(fixture, at);
        expect(fixture, &writes.stored[4], CSN_OK, false);
        flip(fixture, 4096 + at);
        expect(fixture, &writes.stored[4], CSN_EDAMAGED, false);
        expect(fixture, &writes.stored[3], CSN_EDAMAGED, true);
        flip(fixture, at);
        expect(fixture, &writes.stored[4], CSN_OK, false);
        flip(fixture, 4096 + at);
    }
    flip(fixture, 0); /* the third's is the other */
    assert_int_equal(truncate(fixture->path, (off_t)writes.ends[3]), 0);
    expect(fixture, &writes.stored[3], CSN_OK, false);
    assert_int_equal(truncate(fixture->path, (off_t)writes.ends[2]), 0);
    expect(fixture, &writes.stored[2], CSN_EDAMAGED, true);
    assert_int_equal(truncate(fixture->path, 8192), 0);
    expect(fixture, &writes.stored[4], CSN_EDAMAGED, false);
    assert_int_equal(truncate(fixture->path, 0), 0);
    expect(fixture, &writes.stored[4], CSN_EDAMAGED, false);
    writes_fini(&writes);
}

static void test_process_after_a_torn_batch_goes_on(void **state)
{
    struct fixture *fixture = *state;
    struct writes writes = {0};
    put_and_write(fixture, &writes, 1, "a", "a1");
    put_and_write(fixture, &writes, 2, "b", "b1");
    FILE *file = fopen(fixture->path, "ab");
    assert_non_null(file);
    fputs("torn", file);
    assert_int_equal(fclose(file), 0);
    csn_second_copy_free(fixture->copy);
    fixture->copy = load(fixture, &writes.stored[2], CSN_OK, false);
    put_and_write(fixture, &writes, 3, "b", "b2");
    put_and_write(fixture, &writes, 4, "c", "c1");
    struct csn_second_copy *copy = load(fixture, &writes.stored[4], CSN_OK, false);
    assert_int_equal(csn_second_copy_count(copy), 3);
    assert_true(has(copy, "a", "a1") && has(copy, "b", "b2") && has(copy, "c", "c1"));
    csn_second_copy_free(copy);
    expect(fixture, &writes.stored[2], CSN_OK, false); /* crashes between batch and transaction, in two processes */
    writes_fini(&writes);
}

/* What cannot be believed stays, for the next start to see. */
static void test_lost_copy_is_never_written(void **state)
{
    struct fixture *fixture = *state;
    struct writes writes = write_four(fixture);
    struct csn_buf stored = {0};
    assert_int_equal(truncate(fixture->path, (off_t)writes.ends[3]), 0);
    struct csn_second_copy *copy = load(fixture, &writes.stored[4], CSN_EDAMAGED, false);
    csn_second_copy_lose(copy);
    put(copy, "a", "a3");
    assert_int_equal(csn_second_copy_write(copy, &stored), CSN_OK);
    assert_int_equal(stored.size, 0);
    csn_second_copy_free(copy);
    expect(fixture, &writes.stored[4], CSN_EDAMAGED, false);
    csn_buf_fini(&stored);
    writes_fini(&writes);
}

static void test_file_stays_small(void **state)
{
    struct fixture *fixture = *state;
    char value[1024] = {0};
    struct csn_buf stored = {0};
    memset(value, 'v', sizeof(value) - 1);
    for (unsigned i = 0; i < 5000; i++) { /* 5 MB of one key */
        snprintf(value, 8, "%07u", i);
        put(fixture->copy, "key", value);
        assert_int_equal(csn_second_copy_write(fixture->copy, &stored), CSN_OK);
    }
    assert_in_range(size_of(fixture), 1, 1200 * 1024);
    struct csn_second_copy *copy = load(fixture, &stored, CSN_OK, false);
    assert_true(has(copy, "key", value));
    csn_second_copy_free(copy);
    csn_buf_fini(&stored);
}

static void test_other_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct csn_buf none = {0};
    assert_int_equal(csn_fs_write(fixture->path, csn_bytes("something else", 14), 0600, NULL), CSN_OK);
    expect(fixture, &none, CSN_EDAMAGED, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_newest_value_of_each_key_is_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_whole_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_older_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_torn_batch_loses_nothing_that_was_returned_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_batch_without_its_transaction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rotten_last_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rotten_last_batch_without_its_mark, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_garbled_octet_is_never_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_marks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_process_after_a_torn_batch_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lost_copy_is_never_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_stays_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_file_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
