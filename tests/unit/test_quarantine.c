/* Goal: an input at which two processes fell is refused to the third; work that ends, a process that ends as it is told to,
 * another input, another zone and another kind of work count for themselves; marks outlive the process.
 * Method: a store in a private folder, closed and opened between begins as a process that fell, or ended, would leave it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "quarantine.h"
#include "store_fixture.h"

static const uint8_t other_zone[] = "\x05" "other";

/* What a process has. */
struct life {
    struct csn_store *store;
    struct csn_quarantine *quarantine;
};

static struct life begin(const char *folder)
{
    struct csn_store *store = open_store(folder);
    return (struct life){.store = store, .quarantine = csn_quarantine_new(store)};
}

static void fall(struct life life)
{
    csn_quarantine_free(life.quarantine);
    csn_store_close(life.store);
}

static void end(struct life life)
{
    csn_quarantine_end(life.quarantine);
    fall(life);
}

static int enter_as(struct life life, enum csn_risk risk, const uint8_t *zone, uint32_t input)
{
    struct csn_digest digest = name_of(input);
    struct csn_reason reason = {""};
    int code = csn_quarantine_enter(life.quarantine, risk, zone, &digest, &reason);
    assert_true(code != CSN_EREFUSED || strstr(reason.text, "quarantined: this node ended 2 times") != NULL);
    return code;
}

static int enter(struct life life, uint32_t input)
{
    return enter_as(life, CSN_RISK_READ, apex, input);
}

static int leave(struct life life, uint32_t input)
{
    struct csn_digest digest = name_of(input);
    return csn_quarantine_leave(life.quarantine, CSN_RISK_READ, apex, &digest);
}

static int enter_and(void (*go)(struct life life), const char *folder, uint32_t input)
{
    struct life life = begin(folder);
    int code = enter(life, input);
    go(life);
    return code;
}

static void test_third_begin_is_refused(void **state)
{
    assert_int_equal(enter_and(fall, *state, 1), CSN_OK);
    assert_int_equal(enter_and(fall, *state, 1), CSN_OK);
    assert_int_equal(enter_and(fall, *state, 1), CSN_EREFUSED);
    assert_int_equal(enter_and(end, *state, 1), CSN_EREFUSED); /* for good */
    assert_int_equal(enter_and(fall, *state, 1), CSN_EREFUSED);
    assert_int_equal(enter_and(fall, *state, 2), CSN_OK); /* but for another */
}

/* Falls count before, between and after ends; two of them and no fewer are needed. */
static void test_process_that_ends_as_it_is_told_to_does_not_count(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(enter_and(end, *state, 1), CSN_OK);
    }
    assert_int_equal(enter_and(fall, *state, 1), CSN_OK);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(enter_and(end, *state, 1), CSN_OK);
    }
    assert_int_equal(enter_and(fall, *state, 1), CSN_OK);
    assert_int_equal(enter_and(end, *state, 1), CSN_EREFUSED);
}

static void test_an_end_takes_back_what_is_at_work_and_nothing_else(void **state)
{
    struct life life = begin(*state);
    assert_int_equal(enter_as(life, CSN_RISK_COMPUTE, apex, 1), CSN_OK);
    fall(life);
    life = begin(*state);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(enter_as(life, CSN_RISK_STAGE, i == 0 ? apex : other_zone, i), CSN_OK); /* 2 over 1 */
    }
    end(life);
    life = begin(*state);
    assert_int_equal(enter_as(life, CSN_RISK_COMPUTE, apex, 1), CSN_OK);
    assert_int_equal(enter_as(life, CSN_RISK_STAGE, apex, 0), CSN_OK);
    assert_int_equal(enter_as(life, CSN_RISK_STAGE, other_zone, 2), CSN_OK);
    fall(life);
    life = begin(*state);
    assert_int_equal(enter_as(life, CSN_RISK_COMPUTE, apex, 1), CSN_EREFUSED);
    assert_int_equal(enter_as(life, CSN_RISK_STAGE, apex, 0), CSN_OK);
    assert_int_equal(enter_as(life, CSN_RISK_STAGE, other_zone, 2), CSN_OK);
    fall(life);
}

/* Threads go on until the process is gone. */
static void test_nothing_is_entered_after_the_end(void **state)
{
    struct life life = begin(*state);
    assert_int_equal(enter(life, 1), CSN_OK);
    csn_quarantine_end(life.quarantine);
    assert_int_equal(enter(life, 1), CSN_ECLOSED);
    assert_int_equal(enter(life, 2), CSN_ECLOSED);
    assert_int_equal(leave(life, 1), CSN_OK);
    fall(life);
}

static void test_work_that_ends_does_not_count(void **state)
{
    struct life life = begin(*state);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(enter(life, 1), CSN_OK);
        assert_int_equal(leave(life, 1), CSN_OK);
        fall(life);
        life = begin(*state);
    }
    assert_int_equal(leave(life, 1), CSN_OK); /* nothing to leave */
    fall(life);
}

static void test_one_that_leaves_late_does_not_erase_anothers_mark(void **state)
{
    struct life life = begin(*state);
    assert_int_equal(enter(life, 1), CSN_OK);
    assert_int_equal(enter(life, 2), CSN_OK);
    assert_int_equal(leave(life, 1), CSN_OK);
    fall(life);
    assert_int_equal(enter_and(fall, *state, 2), CSN_OK);
    assert_int_equal(enter_and(fall, *state, 2), CSN_EREFUSED);
}

/* Rounds of one input run side by side where the earlier was dropped. */
static void test_one_process_counts_once_until_it_has_left_as_often_as_it_entered(void **state)
{
    struct life life = begin(*state);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(enter(life, 1), CSN_OK);
    }
    assert_int_equal(leave(life, 1), CSN_OK);
    fall(life);
    assert_int_equal(enter_and(fall, *state, 1), CSN_OK);
    assert_int_equal(enter_and(fall, *state, 1), CSN_EREFUSED);
}

static void test_what_was_counted_before_stands_however_often_it_is_entered(void **state)
{
    assert_int_equal(enter_and(fall, *state, 1), CSN_OK);
    struct life life = begin(*state);
    assert_int_equal(enter(life, 1), CSN_OK);
    assert_int_equal(enter(life, 1), CSN_OK);
    fall(life);
    assert_int_equal(enter_and(fall, *state, 1), CSN_EREFUSED);
}

/* One file in two zones: who has left one of them is at the other still. */
static void test_leaving_one_zone_leaves_no_other(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct life life = begin(*state);
        assert_int_equal(enter(life, 1), CSN_OK);
        assert_int_equal(enter_as(life, CSN_RISK_READ, other_zone, 1), CSN_OK);
        assert_int_equal(leave(life, 1), CSN_OK);
        fall(life);
    }
    struct life life = begin(*state);
    assert_int_equal(enter(life, 1), CSN_OK);
    assert_int_equal(enter_as(life, CSN_RISK_READ, other_zone, 1), CSN_EREFUSED);
    fall(life);
}

static void test_zones_and_kinds_count_for_themselves(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct life life = begin(*state);
        assert_int_equal(enter(life, 1), CSN_OK);
        assert_int_equal(enter_as(life, CSN_RISK_COMPUTE, apex, 1), CSN_OK);
        assert_int_equal(enter_as(life, CSN_RISK_READ, other_zone, 1), CSN_OK);
        fall(life);
    }
    struct life life = begin(*state);
    assert_int_equal(enter_as(life, CSN_RISK_STAGE, apex, 1), CSN_OK);
    assert_int_equal(enter(life, 1), CSN_EREFUSED);
    fall(life);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_third_begin_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_process_that_ends_as_it_is_told_to_does_not_count, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_an_end_takes_back_what_is_at_work_and_nothing_else, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_nothing_is_entered_after_the_end, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_work_that_ends_does_not_count, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_one_that_leaves_late_does_not_erase_anothers_mark, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_one_process_counts_once_until_it_has_left_as_often_as_it_entered, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_what_was_counted_before_stands_however_often_it_is_entered, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_leaving_one_zone_leaves_no_other, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_zones_and_kinds_count_for_themselves, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
