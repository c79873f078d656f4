/* Goal: the base types keep their promises at the edges. Method: tables of inputs, each with what must come out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/process.h"
#include "base/sha.h"
#include "base/text.h"

static void test_reader_fails_for_good_when_data_ends(void **state)
{
    (void)state;
    struct csn_reader reader = csn_reader(csn_bytes("\x01\x02\x03", 3));
    assert_int_equal(csn_read_u16(&reader), 0x0102);
    assert_int_equal(csn_read_u16(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(csn_read_u8(&reader), 0);
    assert_false(csn_reader_done(&reader));
}

static void test_buf_grows_and_reads_back(void **state)
{
    (void)state;
    struct csn_buf buf = {0};
    for (uint32_t i = 0; i < 1000; i++) {
        csn_buf_put_u32(&buf, i);
    }
    csn_buf_put_u64(&buf, UINT64_C(0x0102030405060708));
    struct csn_reader reader = csn_reader(csn_buf_view(&buf));
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(csn_read_u32(&reader), i);
    }
    assert_true(csn_read_u64(&reader) == UINT64_C(0x0102030405060708));
    assert_true(csn_reader_done(&reader));
    csn_buf_fini(&buf);
}

static void test_times_survive_both_ways(void **state)
{
    (void)state;
    static const struct {
        uint64_t unix_s;
        const char *text;
    } rows[] = {{0, "1970-01-01T00:00:00Z"},
                {951782400, "2000-02-29T00:00:00Z"},
                {1795262400, "2026-11-21T12:00:00Z"},
                {2147483648, "2038-01-19T03:14:08Z"},
                {4294967296, "2106-02-07T06:28:16Z"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[CSN_TIME_TEXT_SIZE];
        uint64_t back;
        csn_time_text(rows[i].unix_s, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(csn_time_parse(text, &back), CSN_OK);
        assert_true(back == rows[i].unix_s);
    }
}

static void test_day_outside_the_calendar_is_no_time(void **state)
{
    (void)state;
    static const char *const texts[] = {"2026-02-30T00:00:00Z", "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
                                        "2100-02-29T00:00:00Z", "2026-2-01T00:00:00Z",  "2026-11-21T12:00:00Z "};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t unix_s = 1;
        assert_int_equal(csn_time_parse(texts[i], &unix_s), CSN_EFORMAT);
        assert_true(unix_s == 1);
    }
}

static void test_spans_parse_or_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        uint64_t span_s;
    } rows[] = {{"90s", 0, 90}, {"15m", 0, 900},     {"2h", 0, 7200},         {"21d", 0, 1814400}, {"60", 0, 60},
                {"", CSN_EFORMAT, 0}, {"d", CSN_EFORMAT, 0}, {"-1", CSN_EFORMAT, 0}, {"9999999999999d", CSN_EFORMAT, 0},
                {"1 d", CSN_EFORMAT, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t span = 0;
        assert_int_equal(csn_span_parse(rows[i].text, &span), rows[i].code);
        assert_true(span == rows[i].span_s);
    }
}

static void test_hex_refuses_half_octets(void **state)
{
    (void)state;
    uint8_t data[2];
    assert_int_equal(csn_hex_decode("0aFf", data, 2), CSN_OK);
    assert_int_equal(data[1], 0xff);
    assert_int_equal(csn_hex_decode("0aF", data, 2), CSN_EFORMAT);
    assert_int_equal(csn_hex_decode("0aFg", data, 2), CSN_EFORMAT);
}

static void test_sha384_streams_as_in_one_go(void **state)
{
    (void)state;
    struct csn_hasher *hasher = csn_hasher_new();
    struct csn_digest whole, stream;
    csn_sha384(csn_bytes("abc", 3), &whole);
    csn_hasher_start(hasher);
    csn_hasher_add(hasher, csn_bytes("a", 1));
    csn_hasher_add(hasher, csn_bytes("bc", 2));
    csn_hasher_end(hasher, &stream);
    assert_true(csn_digest_equal(&whole, &stream));
    char text[2 * CSN_DIGEST_SIZE + 1];
    csn_hex_encode(csn_bytes(whole.octets, CSN_DIGEST_SIZE), text);
    /* FIPS 180-4 example */
    assert_string_equal(text, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                              "8086072ba1e7cc2358baeca134c825a7");
    csn_hasher_free(hasher);
}

static void test_arena_gives_aligned_and_large_blocks(void **state)
{
    (void)state;
    struct csn_arena arena = {0};
    csn_arena_copy(&arena, "x", 1);
    uint64_t *number = csn_arena_alloc(&arena, sizeof(*number), _Alignof(uint64_t));
    assert_true(((uintptr_t)number & (_Alignof(uint64_t) - 1)) == 0);
    uint8_t *large = csn_arena_alloc(&arena, 1 << 20, 1);
    memset(large, 7, 1 << 20);
    csn_arena_fini(&arena);
}

/* --- files that others put in place */

#define PATIENCE_S 60 /* a read that hangs ends the program */
#define ZONE_SIZE 200000
#define READS 200

struct place {
    char folder[64], path[80], aside[80];
    atomic_bool is_over;
};

static void place_init(struct place *place)
{
    snprintf(place->folder, sizeof(place->folder), "/tmp/consign-base-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof(place->path), "%s/in", place->folder);
    snprintf(place->aside, sizeof(place->aside), "%s/in.aside", place->folder);
    atomic_init(&place->is_over, false);
    alarm(PATIENCE_S);
}

static void place_fini(struct place *place)
{
    alarm(0);
    remove(place->path);
    remove(place->aside);
    assert_int_equal(rmdir(place->folder), 0);
}

static void assert_refused(const char *path, int code, const char *word)
{
    struct csn_buf buf = {0};
    struct csn_reason reason = {""};
    assert_int_equal(csn_fs_read_still(path, 1000, &buf, &reason), code);
    assert_non_null(strstr(reason.text, word));
    assert_in_range(buf.size, 0, 1000);
    csn_buf_fini(&buf);
}

static void test_what_is_no_file_is_refused_at_once(void **state)
{
    (void)state;
    struct place place;
    struct csn_buf buf = {0};
    place_init(&place);
    assert_refused(place.path, CSN_ENOTFOUND, "no file there: No such");
    assert_int_equal(mkfifo(place.path, 0600), 0);
    assert_refused(place.path, CSN_ENOTFOUND, "a folder or a device");
    assert_int_equal(csn_fs_read_secret(place.path, 1000, &buf, NULL), CSN_EPERMISSION);
    assert_int_equal(unlink(place.path), 0);
    assert_int_equal(symlink("/dev/zero", place.path), 0);
    assert_refused(place.path, CSN_ENOTFOUND, "a folder or a device");
    assert_refused(place.folder, CSN_ENOTFOUND, "a folder or a device");
    place_fini(&place);
}

static void test_file_is_read_to_its_size(void **state)
{
    (void)state;
    struct place place;
    struct csn_buf buf = {0};
    char text[1001];
    place_init(&place);
    memset(text, 'x', sizeof(text));
    for (size_t size = 999; size <= 1001; size++) {
        assert_int_equal(csn_fs_write(place.path, csn_bytes(text, size), 0600, NULL), CSN_OK);
        csn_buf_clear(&buf);
        assert_int_equal(csn_fs_read_still(place.path, 1000, &buf, NULL), size > 1000 ? CSN_ELIMIT : CSN_OK);
        assert_int_equal(buf.size, size > 1000 ? 0 : size);
        csn_buf_clear(&buf);
        assert_int_equal(csn_fs_read(place.path, 1000, &buf, NULL), size > 1000 ? CSN_ELIMIT : CSN_OK);
        assert_int_equal(buf.size, size);
    }
    csn_buf_fini(&buf);
    /* A file of size 0 for fstat, in which there is something: it has grown. */
    assert_refused("/proc/self/status", CSN_EBUSY, "changed");
    place_fini(&place);
}

static void *replace_again_and_again(void *arg)
{
    struct place *place = arg;
    static char text[ZONE_SIZE];
    for (char letter = 'a'; !atomic_load(&place->is_over); letter = letter == 'z' ? 'a' : (char)(letter + 1)) {
        memset(text, letter, sizeof(text));
        int fd = open(place->aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, text, sizeof(text)) != sizeof(text) || close(fd) != 0 ||
            rename(place->aside, place->path) != 0) {
            abort();
        }
    }
    return NULL;
}

static void test_file_is_read_whole_however_often_it_is_replaced(void **state)
{
    (void)state;
    struct place place;
    struct csn_buf buf = {0};
    pthread_t thread;
    place_init(&place);
    assert_int_equal(csn_fs_write(place.path, csn_bytes("", 0), 0600, NULL), CSN_OK);
    assert_int_equal(pthread_create(&thread, NULL, replace_again_and_again, &place), 0);
    for (unsigned i = 0; i < READS || buf.size == 0; i++) {
        csn_buf_clear(&buf);
        assert_int_equal(csn_fs_read_still(place.path, ZONE_SIZE, &buf, NULL), CSN_OK);
        assert_true(buf.size == 0 || buf.size == ZONE_SIZE);
        assert_true(buf.size == 0 || memcmp(buf.data, buf.data + 1, ZONE_SIZE - 1) == 0);
    }
    atomic_store(&place.is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    csn_buf_fini(&buf);
    place_fini(&place);
}

#define AGAIN_STATUS 42

static void test_process_begins_again_with_its_files_closed(void **state)
{
    (void)state;
    static char *again[] = {"test_base", "again", NULL};
    pid_t child = fork();
    if (child == 0) {
        dup2(STDERR_FILENO, 77);
        csn_process_again(again);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), AGAIN_STATUS);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "again") == 0) {
        return fcntl(77, F_GETFD) == -1 ? AGAIN_STATUS : 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader_fails_for_good_when_data_ends),
        cmocka_unit_test(test_buf_grows_and_reads_back),
        cmocka_unit_test(test_times_survive_both_ways),
        cmocka_unit_test(test_day_outside_the_calendar_is_no_time),
        cmocka_unit_test(test_spans_parse_or_are_refused),
        cmocka_unit_test(test_hex_refuses_half_octets),
        cmocka_unit_test(test_sha384_streams_as_in_one_go),
        cmocka_unit_test(test_process_begins_again_with_its_files_closed),
        cmocka_unit_test(test_arena_gives_aligned_and_large_blocks),
        cmocka_unit_test(test_what_is_no_file_is_refused_at_once),
        cmocka_unit_test(test_file_is_read_to_its_size),
        cmocka_unit_test(test_file_is_read_whole_however_often_it_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
