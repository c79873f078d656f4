/* Goal: files that differ under one serial are named with their sites, critical only where no
 * quorum agrees on one of them. Method: rows as sites report them, exact words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agreement.h"
#include "zone/input.h"

#define SITES 3
#define CRITICAL(where, serial)                                                                    \
    "zone ch.: input serial " serial " is not the same file at " where                             \
    ", and no 2 sites agree: nothing new is released; put the same file with a higher serial at "  \
    "all sites"
#define DEGRADED(where, serial)                                                                    \
    "zone ch.: input serial " serial " at " where                                                  \
    " is not the file on which the others agree; put the same file with a higher serial at all "   \
    "sites"

static struct csn_input_id input(uint32_t serial, uint8_t content)
{
    struct csn_input_id id = {.generation = 1, .serial = serial};
    memset(id.received.octets, content, sizeof(id.received.octets));
    memset(id.prepared.octets, content, sizeof(id.prepared.octets));
    return id;
}

static void test_other_files_under_one_serial_are_told_by_name(void **state)
{
    (void)state;
    static const struct {
        struct {
            uint32_t serial; /* 0: the site is silent */
            uint8_t content, diverged;
        } sites[SITES];
        uint32_t released;
        uint8_t released_content;
        bool differs;
        enum csn_health level;
        const char *reason;
    } rows[] = {
        {{{5, 'a', 0}, {5, 'a', 0}, {5, 'a', 0}}, 4, 'x', false, CSN_HEALTH_OK, NULL},
        {{{5, 'a', 0}, {5, 'b', 0}, {5, 'c', 0}},
         4,
         'x',
         true,
         CSN_HEALTH_CRITICAL,
         CRITICAL("zrh, sjc, sin", "5")},
        {{{5, 'a', 0}, {5, 'b', 0}, {5, 'c', 0}},
         0,
         0,
         true,
         CSN_HEALTH_CRITICAL,
         CRITICAL("zrh, sjc, sin", "5")},
        {{{5, 'a', 0}, {5, 'b', 0}, {0, 0, 0}},
         4,
         'x',
         true,
         CSN_HEALTH_CRITICAL,
         CRITICAL("zrh, sjc", "5")},
        {{{5, 'a', 0}, {4, 'x', 0}, {5, 'c', 0}},
         4,
         'x',
         true,
         CSN_HEALTH_CRITICAL,
         CRITICAL("zrh, sin", "5")},
        {{{5, 'a', 0}, {5, 'b', 0}, {5, 'a', 0}},
         4,
         'x',
         true,
         CSN_HEALTH_DEGRADED,
         DEGRADED("sjc", "5")},
        {{{5, 'a', 0}, {5, 'b', CSN_CLASS_BIT_D}, {5, 'a', 0}}, 5, 'a', true, CSN_HEALTH_OK, NULL},
        {{{5, 'a', 0}, {5, 'b', 0}, {0, 0, 0}},
         5,
         'a',
         true,
         CSN_HEALTH_DEGRADED,
         DEGRADED("sjc", "5")},
        {{{6, 'a', 0}, {5, 'b', 0}, {4, 'c', 0}}, 4, 'c', false, CSN_HEALTH_OK, NULL},
        {{{5, 'a', 0}, {5, 'b', 0}, {5, 'c', 0}}, 6, 'x', false, CSN_HEALTH_OK, NULL},
        {{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}, 0, 0, false, CSN_HEALTH_OK, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_row row[SITES] = {0};
        struct csn_agreement sites = {.names = {"zrh", "sjc", "sin"}, .count = SITES, .quorum = 2};
        struct csn_input_id released = input(rows[i].released, rows[i].released_content);
        struct csn_status status = {0};
        for (size_t j = 0; j < SITES; j++) {
            row[j].input_count = 1;
            row[j].inputs[0] = input(rows[i].sites[j].serial, rows[i].sites[j].content);
            row[j].diverged = rows[i].sites[j].diverged;
            sites.rows[j] = rows[i].sites[j].serial != 0 ? &row[j] : NULL;
        }
        bool differs =
            csn_agreement_judge(&sites, "ch.", rows[i].released ? &released : NULL, &status);
        assert_int_equal(differs, rows[i].differs);
        assert_int_equal(status.level, rows[i].level);
        assert_int_equal(status.reason_count, rows[i].reason != NULL);
        if (rows[i].reason != NULL) {
            assert_string_equal(status.reasons[0], rows[i].reason);
        }
        csn_status_fini(&status);
    }
}

/* A row holds up to three inputs in the order in which they were taken. */
static void test_the_newest_input_counts_and_each_confirmation(void **state)
{
    (void)state;
    struct csn_row one = {.input_count = 3,
                          .inputs = {input(7, 'a'), input(9, 'b'), input(8, 'c')}};
    struct csn_row other = {.input_count = 1, .inputs = {input(8, 'c')}};
    struct csn_row none = {0};
    struct csn_agreement sites = {.names = {"zrh", "sjc", "sin", "gru"},
                                  .rows = {&one, &other, &none, NULL},
                                  .count = 4,
                                  .quorum = 3};
    assert_ptr_equal(csn_agreement_newest(&one), &one.inputs[1]);
    assert_null(csn_agreement_newest(&none));
    assert_null(csn_agreement_newest(NULL));
    assert_int_equal(csn_agreement_count(&sites, &one.inputs[1]), 1);
    assert_int_equal(csn_agreement_count(&sites, &other.inputs[0]), 2);
}

static void test_every_gate_has_its_words(void **state)
{
    (void)state;
    static const uint8_t gates[] = {
#define GATE(name, number, text) number,
        CSN_GATES(GATE)
#undef GATE
    };
    const char *unknown = csn_agreement_gate_text(UINT8_MAX);
    assert_string_equal(unknown, "kept back (ask that site for the reason)");
    for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
        bool is_unknown = strcmp(csn_agreement_gate_text(gates[i]), unknown) == 0;
        assert_int_equal(is_unknown, gates[i] == CSN_GATE_NONE);
    }
    assert_string_equal(csn_agreement_gate_text(CSN_GATE_SHRINK_RECORDS),
                        "fewer records (ask that site for the reason)");
}

/* One whose feed has stopped; not one that a gate or an operator explains, and none that is silent. */
static void test_a_site_whose_file_is_older_than_the_release_is_named(void **state)
{
    (void)state;
    struct csn_row rows[SITES] = {{.input_count = 1}, {.input_count = 1}, {.input_count = 0}};
    struct csn_agreement sites = {.names = {"zrh", "sjc", "sin"}, .rows = {&rows[0], &rows[1], &rows[2]}, .count = SITES, .quorum = 2};
    struct csn_input_id released = input(5, 'a');
    struct csn_stale stale = {{0}};
    struct csn_status status = {.observed_at_s = 1000};
    rows[0].inputs[0] = input(6, 'b');
    rows[1].inputs[0] = input(5, 'a');
    struct csn_status_zone *zone = csn_status_add_zone(&status);
    zone->zone = "ch.";
    assert_int_equal(csn_agreement_stale(&sites, &released), 4);
    csn_agreement_blame_stale(&sites, &stale, 60, &released, &status, zone);
    csn_agreement_tick_stale(&sites, &released, 940, &stale);
    csn_agreement_blame_stale(&sites, &stale, 60, &released, &status, zone);
    assert_int_equal(status.reason_count, 0);
    status.observed_at_s = 1001;
    csn_agreement_tick_stale(&sites, &released, 1001, &stale);
    csn_agreement_blame_stale(&sites, &stale, 60, &released, &status, zone);
    assert_int_equal(status.reason_count, 1);
    assert_int_equal(status.level, CSN_HEALTH_DEGRADED);
    assert_int_equal(zone->stale_count, 1);
    assert_string_equal(zone->stale[0], "sin");
    assert_string_equal(status.reasons[0], "zone ch.: the newest file at sin is older than the release's (input serial 5); does "
                                           "its feed still come?");
    rows[2].gate = CSN_GATE_UNREAD;
    rows[1].inputs[0] = input(4, 'a');
    rows[1].maintenance = CSN_MAINTENANCE_SITE;
    sites.rows[0] = NULL;
    assert_int_equal(csn_agreement_stale(&sites, &released), 0);
    assert_int_equal(csn_agreement_stale(&sites, NULL), 0);
    csn_status_fini(&status);
}

/* A site that has just started has no file until it has read its own, however old the release is. */
static void test_a_file_that_comes_back_in_time_is_not_missed(void **state)
{
    (void)state;
    struct csn_row row = {.input_count = 0};
    struct csn_agreement sites = {.names = {"zrh"}, .rows = {&row}, .count = 1, .quorum = 1};
    struct csn_input_id released = input(5, 'a');
    struct csn_stale stale = {{0}};
    struct csn_status status = {.observed_at_s = 2000};
    struct csn_status_zone *zone = csn_status_add_zone(&status);
    csn_agreement_tick_stale(&sites, &released, 1000, &stale);
    row = (struct csn_row){.input_count = 1, .inputs = {input(5, 'a')}};
    csn_agreement_blame_stale(&sites, &stale, 60, &released, &status, zone);
    csn_agreement_tick_stale(&sites, &released, 1030, &stale);
    row.input_count = 0;
    csn_agreement_tick_stale(&sites, &released, 1960, &stale);
    csn_agreement_blame_stale(&sites, &stale, 60, &released, &status, zone);
    csn_agreement_blame_stale(&sites, &stale, 60, NULL, &status, zone);
    assert_int_equal(status.reason_count, 0);
    csn_status_fini(&status);
}

/* Who is first heard when something is wrong may have been so for days. */
static void test_since_when_is_said_only_where_it_was_seen(void **state)
{
    (void)state;
    static const struct {
        uint8_t says;
        uint64_t since_s;
    } rows[] = {{2, 0}, {2, 0}, {0, 0}, {2, 1003}, {2, 1003}, {3, 1005}, {0, 0}, {3, 1007}};
    struct csn_since since = {.is_heard = false};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        csn_since_tick(&since, rows[i].says, 1000 + i);
        assert_int_equal(since.since_s, rows[i].since_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_site_whose_file_is_older_than_the_release_is_named),
        cmocka_unit_test(test_a_file_that_comes_back_in_time_is_not_missed),
        cmocka_unit_test(test_since_when_is_said_only_where_it_was_seen),
        cmocka_unit_test(test_other_files_under_one_serial_are_told_by_name),
        cmocka_unit_test(test_the_newest_input_counts_and_each_confirmation),
        cmocka_unit_test(test_every_gate_has_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
