/* Goal: what a write returned for is read back, whatever was torn off or garbled behind it; damage before the last batch is
 * told. Method: files made by the module, cut at every length and with every octet flipped, and read by another instance. */
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

static struct csn_second_copy *load(const struct fixture *fixture, int expected)
{
    struct csn_reason reason = {""};
    struct csn_second_copy *copy = csn_second_copy_new(fixture->path);
    assert_int_equal(csn_second_copy_load(copy, &reason), expected);
    return copy;
}

/* Three batches; returns where each ends. */
static void write_three(struct fixture *fixture, size_t ends[3])
{
    put(fixture->copy, "a", "a1");
    put(fixture->copy, "b", "b1");
    assert_int_equal(csn_second_copy_write(fixture->copy), CSN_OK);
    ends[0] = size_of(fixture);
    put(fixture->copy, "a", "a2");
    put(fixture->copy, "c", "c1");
    assert_int_equal(csn_second_copy_write(fixture->copy), CSN_OK);
    ends[1] = size_of(fixture);
    put(fixture->copy, "b", "b2");
    assert_int_equal(csn_second_copy_write(fixture->copy), CSN_OK);
    ends[2] = size_of(fixture);
}

static void test_newest_value_of_each_key_is_read_back(void **state)
{
    size_t ends[3];
    write_three(*state, ends);
    struct csn_second_copy *copy = load(*state, CSN_OK);
    assert_int_equal(csn_second_copy_count(copy), 3);
    assert_true(has(copy, "a", "a2") && has(copy, "b", "b2") && has(copy, "c", "c1"));
    csn_second_copy_free(copy);
}

static void test_no_file_is_no_copy(void **state)
{
    struct csn_second_copy *copy = load(*state, CSN_OK);
    assert_int_equal(csn_second_copy_count(copy), 0);
    csn_second_copy_free(copy);
}

/* A crash while a batch was appended: what was written before it stands, at whatever length it was cut. */
static void test_torn_tail_loses_nothing_that_was_returned_for(void **state)
{
    struct fixture *fixture = *state;
    size_t ends[3];
    write_three(fixture, ends);
    for (size_t size = ends[2]; size-- > ends[0];) {
        assert_int_equal(truncate(fixture->path, (off_t)size), 0);
        struct csn_second_copy *copy = load(fixture, CSN_OK);
        assert_true(has(copy, "b", "b1"));
        assert_true(has(copy, "a", size >= ends[1] ? "a2" : "a1"));
        assert_int_equal(has(copy, "c", "c1"), size >= ends[1]);
        csn_second_copy_free(copy);
    }
    assert_int_equal(truncate(fixture->path, (off_t)ends[0] - 1), 0); /* came whole with the file */
    csn_second_copy_free(load(fixture, CSN_EDAMAGED));
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

/* Pages of a batch reach the disk in any order: the last one may be garbled anywhere. The others never: that is damage, or at
 * least never taken for newer than it is (a size that reaches beyond the end looks like a torn tail; the store then knows a
 * later hold, and the site halts). */
static void test_garbled_octet_is_never_believed(void **state)
{
    struct fixture *fixture = *state;
    size_t ends[3];
    write_three(fixture, ends);
    for (size_t at = 0; at < ends[2]; at++) {
        struct csn_reason reason = {""};
        flip(fixture, at);
        struct csn_second_copy *copy = csn_second_copy_new(fixture->path);
        int code = csn_second_copy_load(copy, &reason);
        bool is_in_size = at >= ends[0] && at < ends[0] + sizeof(uint32_t);
        assert_true(code == CSN_OK || code == CSN_EDAMAGED);
        assert_true(code == CSN_EDAMAGED || at >= ends[1] || is_in_size);
        assert_true(code == CSN_EDAMAGED || !has(copy, "b", "b2"));
        csn_second_copy_free(copy);
        flip(fixture, at);
    }
}

static void test_process_after_a_torn_tail_goes_on(void **state)
{
    struct fixture *fixture = *state;
    size_t ends[3];
    write_three(fixture, ends);
    assert_int_equal(truncate(fixture->path, (off_t)ends[2] - 1), 0);
    struct csn_second_copy *copy = load(fixture, CSN_OK);
    put(copy, "b", "b3");
    assert_int_equal(csn_second_copy_write(copy), CSN_OK);
    put(copy, "d", "d1");
    assert_int_equal(csn_second_copy_write(copy), CSN_OK);
    csn_second_copy_free(copy);
    copy = load(fixture, CSN_OK);
    assert_int_equal(csn_second_copy_count(copy), 4);
    assert_true(has(copy, "a", "a2") && has(copy, "b", "b3") && has(copy, "c", "c1") && has(copy, "d", "d1"));
    csn_second_copy_free(copy);
}

static void test_file_stays_small(void **state)
{
    struct fixture *fixture = *state;
    char value[1024] = {0};
    memset(value, 'v', sizeof(value) - 1);
    for (unsigned i = 0; i < 5000; i++) { /* 5 MB of one key */
        snprintf(value, 8, "%07u", i);
        put(fixture->copy, "key", value);
        assert_int_equal(csn_second_copy_write(fixture->copy), CSN_OK);
    }
    assert_in_range(size_of(fixture), 1, 1200 * 1024);
    struct csn_second_copy *copy = load(fixture, CSN_OK);
    assert_true(has(copy, "key", value));
    csn_second_copy_free(copy);
}

static void test_other_file_is_refused(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(csn_fs_write(fixture->path, csn_bytes("something else", 14), 0600, NULL), CSN_OK);
    csn_second_copy_free(load(fixture, CSN_EDAMAGED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_newest_value_of_each_key_is_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_file_is_no_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_torn_tail_loses_nothing_that_was_returned_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_garbled_octet_is_never_believed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_process_after_a_torn_tail_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_stays_small, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_other_file_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
