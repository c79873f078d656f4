/* Goal: the base types keep their promises at the edges. Method: tables of inputs, each with what must come out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
