/* Goal: a peer's rows are read back as sent, and nothing malformed passes. Method: one row, then every cut of it and single
 * faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zone/rows.h"

static const uint8_t owner[] = "\3www\7example";
static const uint8_t two[] = "\0\4\1\2\3\4\0\4\1\2\3\5";
static const uint8_t one_sig[] = "\0\3abc";

static void make_row(struct csn_buf *buf)
{
    struct csn_entry entry = {
        .rrset = {.owner = owner, .rdatas = csn_bytes(two, 12), .ttl = 60, .type = CSN_TYPE_A, .count = 2},
        .rrsigs = {.owner = owner, .rdatas = csn_bytes(one_sig, 5), .ttl = 60, .type = CSN_TYPE_RRSIG, .count = 1}};
    csn_rows_put(buf, &entry);
}

static void test_row_comes_back_as_sent(void **state)
{
    (void)state;
    struct csn_buf buf = {0};
    make_row(&buf);
    make_row(&buf);
    struct csn_reader rows = csn_reader(csn_buf_view(&buf));
    struct csn_entry entry;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(csn_rows_next(&rows, &entry), CSN_OK);
        assert_int_equal(entry.rrset.count, 2);
        assert_int_equal(entry.rrsigs.count, 1);
        assert_true(csn_bytes_equal(entry.rrset.rdatas, csn_bytes(two, 12)));
        assert_true(csn_name_equal(entry.rrset.owner, owner));
    }
    assert_int_equal(csn_rows_next(&rows, &entry), CSN_ENOTFOUND);
    csn_buf_fini(&buf);
}

static void test_row_is_refused_when_cut_anywhere(void **state)
{
    (void)state;
    struct csn_buf buf = {0};
    make_row(&buf);
    for (size_t cut = 1; cut < buf.size; cut++) {
        struct csn_reader rows = csn_reader(csn_bytes(buf.data, cut));
        struct csn_entry entry;
        assert_int_equal(csn_rows_next(&rows, &entry), CSN_EFORMAT);
    }
    csn_buf_fini(&buf);
}

static void test_row_is_refused_when_order_case_or_count_is_wrong(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t octet;
    } faults[] = {{1, 'W'}, {0, 64}, {20, 3}, {36, 3}};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct csn_buf buf = {0};
        make_row(&buf);
        assert_int_not_equal(buf.data[faults[i].at], faults[i].octet);
        buf.data[faults[i].at] = faults[i].octet;
        struct csn_reader rows = csn_reader(csn_buf_view(&buf));
        struct csn_entry entry;
        assert_int_equal(csn_rows_next(&rows, &entry), CSN_EFORMAT);
        csn_buf_fini(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_comes_back_as_sent),
        cmocka_unit_test(test_row_is_refused_when_cut_anywhere),
        cmocka_unit_test(test_row_is_refused_when_order_case_or_count_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
