/* Goal: names, keys, serials and packed RRsets behave at the edges. Method: tables of texts, each
 * with what must come out; names in canonical order must have keys in memcmp order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dns/name.h"
#include "dns/rrset.h"
#include "dns/serial.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L61 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_name_check_refuses_what_is_no_name(void **state)
{
    (void)state;
    uint8_t longest[256] = {0};
    for (size_t at = 0; at < 252; at += 63) {
        longest[at] = 62;
    }
    longest[252] = 1;
    assert_int_equal(csn_name_check(csn_bytes(longest, 256)), 255);
    longest[252] = 2;
    assert_int_equal(csn_name_check(csn_bytes(longest, 256)), 0);
    static const struct {
        const char *data;
        size_t size, expected;
    } rows[] = {{"", 1, 1},          {"", 0, 0},          {"\1a", 3, 3},           {"\1a", 2, 0},
                {"\1a\0rest", 7, 3}, {"\1a\xc0\0", 4, 0}, {"\x40" L63 "a", 66, 0}, {"\3ab", 3, 0}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(csn_name_check(csn_bytes(rows[i].data, rows[i].size)), rows[i].expected);
    }
}

static void test_name_text_survives_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } rows[] = {{".", "."},
                {"Example.", "example."},
                {"[AZaz`{.", "[azaz`{."},
                {"a\\.b.example.", "a\\.b.example."},
                {"\\000\\255 \\065.", "\\000\\255\\032a."},
                {"\\\"x;y@.", "\\\"x\\;y\\@."},
                {L63 "." L63 "." L63 "." L61 ".", L63 "." L63 "." L63 "." L61 "."}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t name[CSN_NAME_MAX];
        char text[CSN_NAME_TEXT_MAX];
        assert_int_equal(csn_name_parse(rows[i].in, name), CSN_OK);
        assert_int_equal(csn_name_check(csn_bytes(name, sizeof(name))), csn_name_size(name));
        csn_name_text(name, text);
        assert_string_equal(text, rows[i].out);
    }
}

static void test_name_parse_refuses_bad_text(void **state)
{
    (void)state;
    static const char *const rows[] = {"",
                                       "a",
                                       "a..",
                                       ".a.",
                                       "..",
                                       "a.\\25.",
                                       "\\256.",
                                       "a\\",
                                       "a.\\1",
                                       L63 "a.",
                                       L63 "." L63 "." L63 "." L61 "a."};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t name[CSN_NAME_MAX];
        assert_int_equal(csn_name_parse(rows[i], name), CSN_EFORMAT);
    }
}

static void test_name_is_under_goes_by_whole_labels(void **state)
{
    (void)state;
    static const struct {
        const char *name, *ancestor;
        bool expected;
    } rows[] = {{"a.example.", "example.", true},
                {"example.", "example.", true},
                {"example.", "a.example.", false},
                {"a.anexample.", "example.", false},
                {"anexample.", "example.", false},
                {"example.", ".", true},
                {".", ".", true},
                {".", "example.", false},
                {"x\\007example.", "example.", false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t name[CSN_NAME_MAX], ancestor[CSN_NAME_MAX];
        assert_int_equal(csn_name_parse(rows[i].name, name), CSN_OK);
        assert_int_equal(csn_name_parse(rows[i].ancestor, ancestor), CSN_OK);
        assert_int_equal(csn_name_is_under(name, ancestor), rows[i].expected);
    }
}

static void test_labels_count_the_wildcard_only_where_asked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned labels, rrsig_labels;
    } rows[] = {{".", 0, 0},
                {"example.", 1, 1},
                {"*.example.", 2, 1},
                {"a.*.example.", 3, 3},
                {"*a.example.", 2, 2}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t name[CSN_NAME_MAX];
        assert_int_equal(csn_name_parse(rows[i].name, name), CSN_OK);
        assert_int_equal(csn_name_labels(name), rows[i].labels);
        assert_int_equal(csn_name_rrsig_labels(name), rows[i].rrsig_labels);
    }
    assert_null(csn_name_parent((const uint8_t *)""));
}

/* As RFC 4034 6.1's list, with the root before it, octets 00 and 01, and labels that are prefixes
 * of others. */
static const char *const ordered[] = {".",
                                      "example.",
                                      "\\000.example.",
                                      "\\000\\000.example.",
                                      "\\000a.example.",
                                      "\\001.example.",
                                      "\\001\\000.example.",
                                      "\\002.example.",
                                      "a.example.",
                                      "\\000.a.example.",
                                      "yljkjljk.a.example.",
                                      "z.a.example.",
                                      "a\\000.example.",
                                      "aa.example.",
                                      "z.example.",
                                      "\\001.z.example.",
                                      "*.z.example.",
                                      "\\200.z.example.",
                                      "examplf."};

static void test_key_order_is_canonical_order(void **state)
{
    (void)state;
    static const uint16_t types[] = {1, 2, 255, 256, 257, 65280};
    uint8_t last_name[CSN_NAME_MAX], last_key[CSN_KEY_MAX];
    size_t last_size = 0;
    for (size_t i = 0; i < COUNT(ordered); i++) {
        uint8_t name[CSN_NAME_MAX];
        assert_int_equal(csn_name_parse(ordered[i], name), CSN_OK);
        assert_true(i == 0 || (csn_name_compare(last_name, name) < 0 &&
                               csn_name_compare(name, last_name) > 0));
        assert_int_equal(csn_name_compare(name, name), 0);
        memcpy(last_name, name, sizeof(name));
        for (size_t j = 0; j < COUNT(types); j++) {
            uint8_t key[CSN_KEY_MAX], back[CSN_NAME_MAX];
            uint16_t type;
            size_t size = csn_key_encode(name, types[j], key);
            assert_true(last_size == 0 || csn_bytes_compare(csn_bytes(last_key, last_size),
                                                            csn_bytes(key, size)) < 0);
            assert_int_equal(csn_key_decode(csn_bytes(key, size), back, &type), CSN_OK);
            assert_true(csn_name_equal(back, name) && type == types[j]);
            memcpy(last_key, key, size);
            last_size = size;
        }
    }
}

static void test_longest_name_fits_a_key(void **state)
{
    (void)state;
    uint8_t name[CSN_NAME_MAX] = {0}, key[CSN_KEY_MAX], back[CSN_NAME_MAX];
    uint16_t type;
    name[0] = name[64] = name[128] = 63;
    name[192] = 61;
    assert_int_equal(csn_name_check(csn_bytes(name, sizeof(name))), 255);
    size_t size = csn_key_encode(name, 65535, key);
    assert_int_equal(size, 507);
    assert_int_equal(csn_key_decode(csn_bytes(key, size), back, &type), CSN_OK);
    assert_true(csn_name_equal(back, name));
}

static void test_key_decode_refuses_what_encode_does_not_write(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        size_t size;
    } rows[] = {{"", 0},           {"\0\0", 2},          {"a\0\0\1", 4},
                {"a\0\0\0\1x", 6}, {"a\1\3\0\0\0\1", 7}, {"a\1\0\0\0\1", 6},
                {"a", 1},          {L63 "a\0\0\0\1", 68}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t name[CSN_NAME_MAX];
        uint16_t type;
        assert_int_equal(csn_key_decode(csn_bytes(rows[i].key, rows[i].size), name, &type),
                         CSN_EDAMAGED);
    }
    uint8_t long_key[300], name[CSN_NAME_MAX];
    uint16_t type;
    memset(long_key, 0, sizeof(long_key));
    for (size_t i = 0; i < 256; i += 2) {
        long_key[i] = 'a'; /* 128 labels of one octet: 257 octets */
    }
    assert_int_equal(csn_key_decode(csn_bytes(long_key, 259), name, &type), CSN_EDAMAGED);
}

static void test_serials_go_round(void **state)
{
    (void)state;
    static const struct {
        uint32_t a, b;
        bool expected;
    } rows[] = {{1, 0, true},          {0, 1, false},          {5, 5, false},
                {0, 0xffffffff, true}, {0x80000000, 0, false}, {0, 0x80000000, false},
                {0x7fffffff, 0, true}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(csn_serial_is_after(rows[i].a, rows[i].b), rows[i].expected);
    }
}

static void test_next_serial_is_the_later_of_rule_and_last(void **state)
{
    (void)state;
    static const struct {
        enum csn_serial_rule rule;
        uint64_t time_s;
        uint32_t last, expected;
    } rows[] = {{CSN_SERIAL_COUNTER, 0, 0xffffffff, 0},
                {CSN_SERIAL_UNIXTIME, 1795262400, 1, 1795262400},
                {CSN_SERIAL_UNIXTIME, 1795262400, 1795262400, 1795262401},
                {CSN_SERIAL_UNIXTIME, UINT64_C(0x100000000) + 60, 0xffffff00, 60},
                {CSN_SERIAL_UNIXTIME, 0x80000001, 0, 1},
                {CSN_SERIAL_DATE, 1795262400, 2026112023, 2026112100},
                {CSN_SERIAL_DATE, 1795262400, 2026112123, 2026112124}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(csn_serial_next(rows[i].rule, rows[i].time_s, rows[i].last),
                         rows[i].expected);
    }
}

static void test_a_policy_serial_far_off_is_known(void **state)
{
    (void)state;
    static const struct {
        enum csn_serial_rule rule;
        uint32_t last;
        bool is_far;
    } rows[] = {{CSN_SERIAL_UNIXTIME, 1795262400, false},
                {CSN_SERIAL_UNIXTIME, 1795262400 - CSN_SERIAL_NEAR + 1, false},
                {CSN_SERIAL_UNIXTIME, 1795262400 - CSN_SERIAL_NEAR, true},
                {CSN_SERIAL_UNIXTIME, 2026112100, false}, /* before the last: they go on by one */
                {CSN_SERIAL_DATE, 1795262400, true}, /* of a zone that had seconds before */
                {CSN_SERIAL_DATE, 2025123100, false}, /* of the year before */
                {CSN_SERIAL_DATE, 2025111900, false}, /* a year ago */
                {CSN_SERIAL_DATE, 7, true},
                {CSN_SERIAL_COUNTER, 7, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint32_t value;
        assert_int_equal(csn_serial_is_far_off(rows[i].rule, 1795262400, rows[i].last, &value), rows[i].is_far);
        assert_int_equal(value, csn_serial_next(rows[i].rule, 1795262400, rows[i].last));
    }
}

static void test_wire_time_lies_near(void **state)
{
    (void)state;
    const uint64_t era = UINT64_C(0x100000000);
    const struct {
        uint32_t wire;
        uint64_t around_s, expected_s;
    } rows[] = {{1795262400, 1795262500, 1795262400},
                {60, era - 60, era + 60},
                {0xffffffff, era + 5, era - 1},
                {0xffffffff, 100, 0xffffffff},
                {5, 5, 5},
                {5, 3 * era + 7, 3 * era + 5}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(csn_time_near(rows[i].wire, rows[i].around_s) == rows[i].expected_s);
    }
}

static void test_rdata_walk_gives_each_record(void **state)
{
    (void)state;
    const struct csn_rrset rrset = {.rdatas = csn_bytes("\0\1a\0\0\0\3bcd", 10), .count = 3};
    static const char *const expected[] = {"a", "", "bcd"};
    struct csn_reader reader = csn_rdata_first(&rrset);
    struct csn_bytes rdata;
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_true(csn_rdata_next(&reader, &rdata));
        assert_true(csn_bytes_equal(rdata, csn_bytes(expected[i], strlen(expected[i]))));
    }
    assert_false(csn_rdata_next(&reader, &rdata));
}

static void test_types_have_names(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        const char *text;
    } rows[] = {{1, "A"}, {51, "NSEC3PARAM"}, {63, "ZONEMD"}, {65280, "TYPE65280"}, {250, "TSIG"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[16];
        csn_type_text(rows[i].type, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_check_refuses_what_is_no_name),
        cmocka_unit_test(test_name_text_survives_both_ways),
        cmocka_unit_test(test_name_parse_refuses_bad_text),
        cmocka_unit_test(test_name_is_under_goes_by_whole_labels),
        cmocka_unit_test(test_labels_count_the_wildcard_only_where_asked),
        cmocka_unit_test(test_key_order_is_canonical_order),
        cmocka_unit_test(test_longest_name_fits_a_key),
        cmocka_unit_test(test_key_decode_refuses_what_encode_does_not_write),
        cmocka_unit_test(test_serials_go_round),
        cmocka_unit_test(test_next_serial_is_the_later_of_rule_and_last),
        cmocka_unit_test(test_a_policy_serial_far_off_is_known),
        cmocka_unit_test(test_wire_time_lies_near),
        cmocka_unit_test(test_rdata_walk_gives_each_record),
        cmocka_unit_test(test_types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
