/* Goal: how long and how much a site may give is what the header promises, at each patience and room. Method: pieces and times in
 * rows; a clock that is a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "progress.h"

#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)
#define SLOW 60000 /* for whatever there is */

static void test_room_grows_fourfold_up_to_all(void **state)
{
    (void)state;
    static const struct {
        uint64_t known, octets[CSN_PROGRESS_ROOM_MAX + 1];
    } rows[] = {{0, {GIB, 4 * GIB, 8 * GIB, 8 * GIB}},
                {1, {64 * MIB + 2, 256 * MIB + 8, GIB + 32, 8 * GIB}},
                {GIB, {2 * GIB + 64 * MIB, 8 * GIB, 8 * GIB, 8 * GIB}},
                {5 * GIB, {8 * GIB, 8 * GIB, 8 * GIB, 8 * GIB}}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned room = 0; room <= CSN_PROGRESS_ROOM_MAX; room++) {
            assert_true(csn_progress_octets_max(rows[i].known, room) == rows[i].octets[room]);
        }
    }
}

static void test_each_patience_has_a_deadline_and_a_rate(void **state)
{
    (void)state;
    static const struct {
        uint32_t deadline_ms, mib_ms;
    } rows[CSN_PROGRESS_PATIENCE_MAX + 1] = {{15000, 2000}, {30000, 8000}, {60000, 32000}, {120000, 128000}};
    for (unsigned patience = 0; patience <= CSN_PROGRESS_PATIENCE_MAX; patience++) {
        for (int is_late = 0; is_late < 2; is_late++) {
            struct csn_progress progress;
            csn_progress_begin(&progress, patience, UINT64_MAX);
            assert_int_equal(csn_progress_deadline_ms(&progress), rows[patience].deadline_ms);
            csn_progress_asked(&progress, 1000);
            csn_progress_answered(&progress, 1000 + SLOW + 3 * rows[patience].mib_ms + (uint64_t)is_late);
            assert_int_equal(csn_progress_take(&progress, 3 * MIB, false), is_late ? CSN_ESLOW : CSN_OK);
            assert_int_equal(csn_progress_take(&progress, 0, true), CSN_OK); /* late or not, it is whole */
        }
    }
}

/* What waits here for its turn, or is worked on here, is no fault of the site's; two requests at once take the time of one. */
static void test_only_time_with_a_request_under_way_counts(void **state)
{
    (void)state;
    struct csn_progress progress;
    csn_progress_begin(&progress, 0, UINT64_MAX);
    csn_progress_asked(&progress, 1000);
    csn_progress_asked(&progress, 21000);
    csn_progress_answered(&progress, 31000);
    csn_progress_answered(&progress, 41000);
    csn_progress_asked(&progress, 9000000);
    csn_progress_answered(&progress, 9020000);
    assert_int_equal(csn_progress_take(&progress, 1, false), CSN_OK); /* 60 s */
    csn_progress_asked(&progress, 9900000);
    csn_progress_answered(&progress, 9900001);
    assert_int_equal(csn_progress_take(&progress, 1, false), CSN_ESLOW);
}

static void test_what_is_too_much_or_nothing_is_told_apart(void **state)
{
    (void)state;
    struct csn_progress progress;
    csn_progress_begin(&progress, 0, 10);
    assert_int_equal(csn_progress_take(&progress, 0, false), CSN_EFORMAT);
    assert_int_equal(csn_progress_take(&progress, 10, false), CSN_OK);
    assert_int_equal(csn_progress_take(&progress, 0, true), CSN_OK);
    assert_int_equal(csn_progress_take(&progress, 1, true), CSN_ELIMIT);
}

/* One that never said anything is silent; one that stops in the middle is slow, and asked again. */
static void test_who_stops_in_the_middle_is_slow(void **state)
{
    (void)state;
    static const struct {
        int code, after;
    } rows[] = {{CSN_ETIMEOUT, CSN_ESLOW}, {CSN_ECLOSED, CSN_ESLOW}, {CSN_ENOTFOUND, CSN_ENOTFOUND}, {CSN_OK, CSN_OK}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_progress progress;
        csn_progress_begin(&progress, 0, 10);
        assert_int_equal(csn_progress_code(&progress, rows[i].code), rows[i].code);
        csn_progress_take(&progress, 1, false);
        assert_int_equal(csn_progress_code(&progress, rows[i].code), rows[i].after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_grows_fourfold_up_to_all),
        cmocka_unit_test(test_each_patience_has_a_deadline_and_a_rate),
        cmocka_unit_test(test_only_time_with_a_request_under_way_counts),
        cmocka_unit_test(test_what_is_too_much_or_nothing_is_told_apart),
        cmocka_unit_test(test_who_stops_in_the_middle_is_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
