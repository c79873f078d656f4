/* Goal: an input whose work was begun twice and never ended is refused the third time; work that ends, another input, another
 * zone and another kind of work count for themselves; marks outlive the process.
 * Method: a store in a private folder, closed and opened between begins as a process that fell would leave it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "quarantine.h"
#include "store_fixture.h"

static const uint8_t other_zone[] = "\x05" "other";

static int enter(struct csn_store *store, enum csn_risk risk, const uint8_t *zone, uint32_t input)
{
    struct csn_digest digest = name_of(input);
    struct csn_reason reason = {""};
    int code = csn_quarantine_enter(store, risk, zone, &digest, &reason);
    assert_true(code == CSN_OK || strstr(reason.text, "quarantined: this node ended 2 times") != NULL);
    return code;
}

static int leave(struct csn_store *store, uint32_t input)
{
    struct csn_digest digest = name_of(input);
    return csn_quarantine_leave(store, CSN_RISK_READ, apex, &digest);
}

static int enter_and_fall(const char *folder, uint32_t input)
{
    struct csn_store *store = open_store(folder);
    int code = enter(store, CSN_RISK_READ, apex, input);
    csn_store_close(store);
    return code;
}

static void test_third_begin_is_refused(void **state)
{
    assert_int_equal(enter_and_fall(*state, 1), CSN_OK);
    assert_int_equal(enter_and_fall(*state, 1), CSN_OK);
    assert_int_equal(enter_and_fall(*state, 1), CSN_EREFUSED);
    assert_int_equal(enter_and_fall(*state, 1), CSN_EREFUSED); /* for good */
    assert_int_equal(enter_and_fall(*state, 2), CSN_OK);       /* but for another */
}

static void test_work_that_ends_does_not_count(void **state)
{
    struct csn_store *store = open_store(*state);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(enter(store, CSN_RISK_READ, apex, 1), CSN_OK);
        assert_int_equal(leave(store, 1), CSN_OK);
    }
    assert_int_equal(leave(store, 1), CSN_OK); /* nothing to leave */
    csn_store_close(store);
}

static void test_one_that_leaves_late_does_not_erase_anothers_mark(void **state)
{
    struct csn_store *store = open_store(*state);
    assert_int_equal(enter(store, CSN_RISK_READ, apex, 1), CSN_OK);
    assert_int_equal(enter(store, CSN_RISK_READ, apex, 2), CSN_OK);
    assert_int_equal(leave(store, 1), CSN_OK);
    assert_int_equal(enter(store, CSN_RISK_READ, apex, 2), CSN_OK);
    assert_int_equal(enter(store, CSN_RISK_READ, apex, 2), CSN_EREFUSED);
    csn_store_close(store);
}

static void test_zones_and_kinds_count_for_themselves(void **state)
{
    struct csn_store *store = open_store(*state);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(enter(store, CSN_RISK_READ, apex, 1), CSN_OK);
        assert_int_equal(enter(store, CSN_RISK_COMPUTE, apex, 1), CSN_OK);
        assert_int_equal(enter(store, CSN_RISK_READ, other_zone, 1), CSN_OK);
    }
    assert_int_equal(enter(store, CSN_RISK_STAGE, apex, 1), CSN_OK);
    assert_int_equal(enter(store, CSN_RISK_READ, apex, 1), CSN_EREFUSED);
    csn_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_third_begin_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_work_that_ends_does_not_count, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_one_that_leaves_late_does_not_erase_anothers_mark, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_zones_and_kinds_count_for_themselves, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
