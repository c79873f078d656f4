/* Goal: RDATA is cut into its fields exactly, and names become lower case where the rules say so
 * and nowhere else. Method: tables of RDATA, each with the verdict; every prefix of good RDATA of
 * types with fixed parts is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dns/rdata.h"
#include "dns/rrset.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define B(text) (text), sizeof(text) - 1
#define NAME "\3ABC\2Xy\0"
#define LOWERED "\3abc\2xy\0"
#define NUMBERS "AAAABBBBCCCCDDDDEEEE"

struct row {
    uint16_t type;
    const char *rdata;
    size_t size;
    const char *code; /* NULL: good */
};

static void check(const struct row *row)
{
    struct csn_reason reason = {{0}};
    /* A copy of the exact size, so that the address sanitizer sees a read past the end. */
    uint8_t *copy = malloc(row->size ? row->size : 1);
    memcpy(copy, row->rdata, row->size);
    int code = csn_rdata_check(row->type, csn_bytes(copy, row->size), &reason);
    free(copy);
    const char *expected = row->code != NULL ? row->code : "";
    if (code != (row->code == NULL ? CSN_OK : CSN_EREFUSED) ||
        strncmp(reason.text, expected, strlen(expected)) != 0) {
        fail_msg("type %u, %zu octets: '%s' instead of '%s'", row->type, row->size, reason.text,
                 expected);
    }
}

static void test_rdata_check_knows_each_layout(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {1, B("\300\0\2\1"), NULL},
        {1, B("\300\0\2"), "rdata"},
        {1, B("\300\0\2\1\1"), "rdata"},
        {2, B(NAME), NULL},
        {2, B(NAME "x"), "rdata"},
        {2, B("\3ABC\2Xy"), "rdata"},
        {2, B("\3ABC\300\0"), "rdata"},
        {2, B(""), "rdata"},
        {6, B(NAME NAME NUMBERS), NULL},
        {6, B(NAME NAME NUMBERS "x"), "rdata"},
        {6, B(NAME NUMBERS), "rdata"},
        {15, B("\0\12\300\0"), "rdata"},
        {15, B("\0\12" NAME), NULL},
        {16, B(""), "rdata"},
        {16, B("\0"), NULL},
        {16, B("\2ab\1c"), NULL},
        {16, B("\2ab\2c"), "rdata"},
        {13, B("\1a\1b"), NULL},
        {13, B("\1a\1b\1c"), "rdata"},
        {24,
         B("\0\1\15\2"
           "aaaabbbbcccc"
           "kk" NAME),
         NULL},
        {28, B("aaaabbbbccccdddd"), NULL},
        {28, B("aaaabbbbccccddd"), "rdata"},
        {29, B("\0\1\2\3aaaabbbbcccc"), NULL},
        {33, B("aabbcc" NAME), NULL},
        {35, B("aabb\1u\3E2U\0" NAME), NULL},
        {38, B("\0aaaabbbbccccdddd"), NULL},
        {38, B("\0aaaabbbbccccdddd\0"), "rdata"},
        {38, B("\170a" NAME), NULL},
        {38, B("\171a" NAME), NULL},
        {38, B("\201" NAME), "rdata"},
        {38, B(""), "rdata"},
        {42, B("\0\1\30\203abc"), NULL},
        {42, B("\0\1\30\203ab"), "rdata"},
        {43, B("\1\2\3"), "rdata"},
        {43, B("\1\2\3\4"), NULL},
        {45, B("\12\0\2key"), NULL},
        {45, B("\12\1\2abcdkey"), NULL},
        {45, B("\12\1\2abc"), "rdata"},
        {45, B("\12\3\2" NAME), NULL},
        {45, B("\12\4\2" NAME), "rdata"},
        {45, B("\12\3"), "rdata"},
        {47, B(NAME "\0\1\100\1\1\1"), NULL},
        {47, B(NAME "\0\1\0"), "rdata"},
        {47, B(NAME "\1\1\1\0\1\1"), "rdata"},
        {47, B(NAME "\1\1\1\1\1\1"), "rdata"},
        {47, B(NAME "\0\0"), "rdata"},
        {47, B(NAME "\0\2\1"), "rdata"},
        {50, B("\1\0\0\0\0\2ab\0\1\100"), NULL},
        {51, B("\1\0\0\0\0"), NULL},
        {51, B("\1\0\0\0\1"), "rdata"},
        {64, B("\0\1\0\0\1\0\3\2h2\0\3\0\2\1\273"), NULL},
        {64, B("\0\1\0\0\1\0\3\2h"), "rdata"},
        {65, B("\0\1\0\0\3\0\2ab\0\1\0\2ab"), "rdata"},
        {65, B("\0\1\0\0\3\0\2ab\0\3\0\2ab"), "rdata"},
        {65, B("\0\0" NAME), NULL},
        {104, B("aabbbbbbbb"), NULL},
        {108, B("aabbcc"), NULL},
        {108, B("aabbc"), "rdata"},
        {256, B("aabbhttps://example."), NULL},
        {257, B("\0\5issueca.example."), NULL},
        {257, B("\0\0ca.example."), "rdata"},
        {65280, B(""), NULL},
        {65280, B("anything"), NULL},
        {10, B(""), NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        check(&rows[i]);
    }
}

static void test_rdata_cut_anywhere_is_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {{6, B(NAME NAME NUMBERS), "rdata"},
                                      {26, B("\0\1" NAME NAME), "rdata"},
                                      {14, B(NAME NAME), "rdata"},
                                      {33, B("aabbcc" NAME), "rdata"},
                                      {35, B("aabb\1u\3E2U\0" NAME), "rdata"},
                                      {38, B("\170a" NAME), "rdata"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t size = 0; size < rows[i].size; size++) {
            check(&(struct row){rows[i].type, rows[i].rdata, size, "rdata"});
        }
    }
}

static void test_name_over_255_octets_has_its_own_code(void **state)
{
    (void)state;
    char name[257];
    for (size_t at = 0; at < 256; at += 64) {
        name[at] = 63;
        memset(name + at + 1, 'a', 63);
    }
    name[256] = 0;
    check(&(struct row){2, name, 257, "name-length"});
    name[192] = 61;
    name[254] = 0;
    check(&(struct row){2, name, 255, NULL});
}

static void test_names_are_lowered_where_the_rules_say(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        const char *in;
        size_t size;
        const char *out;
    } rows[] = {
        {2, B(NAME), LOWERED},
        {6, B(NAME NAME NUMBERS), LOWERED LOWERED NUMBERS},
        {15, B("AA" NAME), "AA" LOWERED},
        {24,
         B("\0\1\15\2"
           "AAAABBBBCCCC"
           "KK" NAME "SIG"),
         "\0\1\15\2"
         "AAAABBBBCCCC"
         "KK" LOWERED "SIG"},
        {30, B(NAME "BITS"), LOWERED "BITS"},
        {33, B("AABBCC" NAME), "AABBCC" LOWERED},
        {35, B("AABB\1U\3E2U\0" NAME), "AABB\1U\3E2U\0" LOWERED},
        {38, B("\170A" NAME), "\170A" LOWERED},
        {38, B("\0AAAABBBBCCCCDDDD"), "\0AAAABBBBCCCCDDDD"},
        {39, B(NAME), LOWERED},
        {16, B("\3ABC"), "\3ABC"},
        {46,
         B("\0\1\15\2"
           "AAAABBBBCCCC"
           "KK" NAME "SIG"),
         "\0\1\15\2"
         "AAAABBBBCCCC"
         "KK" NAME "SIG"},
        {47, B(NAME), NAME},
        {64, B("\0\1" NAME), "\0\1" NAME},
        {107, B("\0\1" NAME), "\0\1" NAME},
        {65280, B(NAME), NAME},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t copy[64];
        memcpy(copy, rows[i].in, rows[i].size);
        assert_int_equal(csn_rdata_check(rows[i].type, csn_bytes(copy, rows[i].size), NULL),
                         CSN_OK);
        csn_rdata_lower(rows[i].type, copy, rows[i].size);
        assert_memory_equal(copy, rows[i].out, rows[i].size);
    }
}

static void test_lower_list_is_that_of_the_rfcs(void **state)
{
    (void)state;
    static const uint16_t listed[] = {2,  3,  4,  5,  6,  7,  8,  9,  12, 14, 15,
                                      17, 18, 21, 24, 26, 30, 33, 35, 36, 38, 39};
    size_t found = 0;
    for (uint32_t type = 0; type <= 65535; type++) {
        bool is_listed = found < COUNT(listed) && listed[found] == type;
        assert_int_equal(csn_type_has_lower_names((uint16_t)type), is_listed);
        found += is_listed;
    }
    assert_int_equal(found, COUNT(listed));
}

static void test_meta_types(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        bool is_meta;
    } rows[] = {{0, true},   {1, false},  {41, true},  {127, false},
                {128, true}, {250, true}, {255, true}, {256, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(csn_type_is_meta(rows[i].type), rows[i].is_meta);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rdata_check_knows_each_layout),
        cmocka_unit_test(test_rdata_cut_anywhere_is_refused),
        cmocka_unit_test(test_name_over_255_octets_has_its_own_code),
        cmocka_unit_test(test_names_are_lowered_where_the_rules_say),
        cmocka_unit_test(test_lower_list_is_that_of_the_rfcs),
        cmocka_unit_test(test_meta_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
