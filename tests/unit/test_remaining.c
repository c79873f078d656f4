/* Goal: before members leave it is known at how many of the others the newest release is. Method: rows as sites report them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "remaining.h"

#define SITES 3

static struct csn_release release(uint32_t number)
{
    struct csn_release release = {.round = {.seq = number}};
    release.full_root.octets[0] = (uint8_t)number;
    return release;
}

static void test_who_stays_and_has_the_newest_counts(void **state)
{
    (void)state;
    static const struct {
        struct {
            bool is_silent, leaves;
            uint32_t newest, released, held; /* 0: none */
        } sites[SITES];
        uint32_t certified; /* here, with the votes of sites 1 and 2; 0: nothing is released here */
        bool is_released;
        uint8_t count;
    } rows[] = {
        {{{false, false, 7, 7, 0}, {false, false, 7, 7, 0}, {false, true, 7, 7, 0}}, 0, true, 2},
        /* one has not caught up; one knows the certificate alone; one is silent */
        {{{false, false, 7, 7, 0}, {false, false, 6, 6, 0}, {false, true, 7, 7, 0}}, 0, true, 1},
        {{{false, false, 7, 7, 0}, {false, false, 7, 6, 0}, {false, true, 7, 7, 0}}, 0, true, 1},
        {{{false, false, 7, 7, 0}, {true, false, 0, 0, 0}, {false, true, 7, 7, 0}}, 7, true, 1},
        /* only who leaves has it */
        {{{false, false, 6, 6, 0}, {false, false, 6, 6, 0}, {false, true, 7, 7, 0}}, 6, true, 0},
        /* its hold, or its vote in the certificate, says that it has it */
        {{{false, false, 7, 7, 0}, {false, false, 7, 6, 7}, {false, true, 7, 7, 0}}, 0, true, 2},
        {{{false, false, 7, 7, 0}, {false, false, 6, 6, 0}, {false, true, 7, 7, 0}}, 7, true, 2},
        {{{false, false, 7, 7, 0}, {false, false, 6, 6, 0}, {false, true, 7, 7, 0}}, 6, true, 1},
        /* nothing was released */
        {{{false, false, 0, 0, 3}, {false, false, 0, 0, 0}, {false, true, 0, 0, 0}}, 0, false, 99},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct csn_row said[SITES];
        static struct csn_member member[SITES];
        static struct csn_certificate certificate;
        struct csn_remaining members = {.count = SITES, .released = rows[i].certified > 0 ? &certificate : NULL};
        uint8_t count = 99;
        certificate.held.full_root = release(rows[i].certified).full_root;
        certificate.vote_count = 2;
        certificate.votes[0].site = 1;
        certificate.votes[1].site = 2;
        for (uint8_t j = 0; j < SITES; j++) {
            said[j] = (struct csn_row){.newest = release(rows[i].sites[j].newest),
                                       .released = release(rows[i].sites[j].released),
                                       .hold_count = rows[i].sites[j].held > 0,
                                       .holds = {{.version = release(rows[i].sites[j].held)}}};
            members.rows[j] = rows[i].sites[j].is_silent ? NULL : &said[j];
            member[j].number = (uint16_t)(j + 1);
            members.members[j] = &member[j];
            members.stays[j] = !rows[i].sites[j].leaves;
        }
        assert_int_equal(csn_remaining_count(&members, &count), rows[i].is_released);
        assert_int_equal(count, rows[i].count);
    }
}

/* Its store is empty, whatever it voted for in its earlier life. */
static void test_who_returned_anew_has_nothing(void **state)
{
    (void)state;
    struct csn_row there = {.newest = release(7), .released = release(7)}, none = {.input_count = 0};
    struct csn_certificate certificate = {.held = {.full_root = release(7).full_root}, .vote_count = 2};
    struct csn_member first = {.number = 1, .incarnation = 1}, second = {.number = 2, .incarnation = 1};
    struct csn_remaining members = {.rows = {&there, &none}, .members = {&first, &second}, .stays = {true, true}, .count = 2,
                                    .released = &certificate};
    uint8_t count;
    certificate.votes[0] = (struct csn_certificate_vote){.site = 1, .incarnation = 1};
    certificate.votes[1] = (struct csn_certificate_vote){.site = 2, .incarnation = 1};
    assert_true(csn_remaining_count(&members, &count));
    assert_int_equal(count, 2);
    second.incarnation = 2;
    assert_true(csn_remaining_count(&members, &count));
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_stays_and_has_the_newest_counts),
                                       cmocka_unit_test(test_who_returned_anew_has_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
