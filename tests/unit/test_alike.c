/* Goal: what stops many zones alike is one line with their number and the first names, and no cause is told for a zone that
 * has another. Method: zones with causes, exact words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "ops/alike.h"

static void test_zones_of_one_cause_are_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *zones[8], *causes[8], *lines[3];
    } rows[] = {
        {{NULL}, {NULL}, {NULL}},
        {{"ch."}, {"PIN refused"}, {"zone ch.: PIN refused"}},
        {{"ch.", "li."}, {"PIN refused", "PIN refused"}, {"2 zones (ch., li.): PIN refused"}},
        {{"ch.", "li.", "nu.", "se.", "xc."},
         {"PIN refused", "PIN refused", "no key", "PIN refused", "PIN refused"},
         {"4 zones (ch., li., se. and others): PIN refused", "zone nu.: no key"}},
        {{"ch.", "li.", "nu."}, {"a", "a", "a"}, {"3 zones (ch., li., nu.): a"}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_status status = {0};
        struct csn_alikes alikes = {0};
        uint32_t count = 0;
        for (size_t j = 0; rows[i].zones[j] != NULL; j++) {
            csn_alikes_add(&alikes, rows[i].causes[j], rows[i].zones[j]);
        }
        for (; rows[i].lines[count] != NULL; count++) {
            const struct csn_alike *row = &alikes.rows[count];
            assert_string_equal(csn_status_text(&status, "%s: %s", csn_alike_zones(row, &status), row->cause), rows[i].lines[count]);
        }
        assert_int_equal(alikes.count, count);
        csn_status_fini(&status);
    }
}

static void test_more_causes_than_are_shown_are_left_out(void **state)
{
    (void)state;
    struct csn_alikes alikes = {0};
    char causes[CSN_STATUS_ROWS_MAX + 4][8];
    for (unsigned i = 0; i < CSN_STATUS_ROWS_MAX + 4; i++) {
        snprintf(causes[i], sizeof(causes[i]), "%u", i);
        csn_alikes_add(&alikes, causes[i], "ch.");
        csn_alikes_add(&alikes, causes[0], "li.");
    }
    assert_int_equal(alikes.count, CSN_STATUS_ROWS_MAX);
    assert_int_equal(alikes.rows[0].count, CSN_STATUS_ROWS_MAX + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zones_of_one_cause_are_one_line),
        cmocka_unit_test(test_more_causes_than_are_shown_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
