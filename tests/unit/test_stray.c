/* Goal: a site that follows no coordinator knows whether the others do. Method: what the others promised, in rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stray.h"

#define OTHERS_MAX 4

static void test_a_stray_is_one_while_a_quorum_of_the_others_follows_another(void **state)
{
    (void)state;
    static const struct csn_term none = {.counter = 0}, theirs = {.counter = 42, .coordinator = 1}, own = {.counter = 43, .coordinator = 2};
    static const struct csn_term rival = {.counter = 42, .coordinator = 2};
    const struct {
        struct csn_stray_other others[OTHERS_MAX];
        uint8_t count, quorum;
        bool is_stray;
    } rows[] = {
        {{{true, theirs}, {true, theirs}}, 2, 2, true},
        {{{true, own}, {true, theirs}, {true, theirs}}, 3, 2, true},
        /* too few of them, or not heard any more: what they promised long ago says nothing */
        {{{true, theirs}}, 1, 2, false},
        {{{true, theirs}, {false, theirs}}, 2, 2, false},
        {{{true, theirs}, {true, theirs}, {false, theirs}}, 3, 3, false},
        {{{true, theirs}, {true, theirs}, {true, theirs}}, 3, 3, true},
        /* split: nobody can lead, which is another matter; the same counter is not the same term */
        {{{true, theirs}, {true, own}}, 2, 2, false},
        {{{true, theirs}, {true, rival}}, 2, 2, false},
        {{{true, theirs}, {true, rival}, {true, none}}, 3, 2, false},
        /* all promised the same: its coordinator has gone */
        {{{true, own}, {true, own}}, 2, 2, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_term term = none;
        assert_int_equal(csn_stray_find(rows[i].others, rows[i].count, rows[i].quorum, own, &term), rows[i].is_stray);
        assert_int_equal(csn_term_compare(term, rows[i].is_stray ? theirs : none), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_stray_is_one_while_a_quorum_of_the_others_follows_another)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
