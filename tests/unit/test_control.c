/* Goal: what a daemon says of the cluster reaches an operator unchanged, and nothing on the socket can hurt the daemon.
 * Method: fill, encode, decode and compare; hostile frames; a real server on a private socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ops/control_wire.h"
#include "ops/status.h"

#define NOW UINT64_C(1795290007) /* 2026-11-21T19:40:07Z */

static void fill_site(struct csn_status *status, uint16_t number, const char *name)
{
    struct csn_status_site *site = csn_status_add_site(status);
    site->number = number;
    site->name = name;
    site->role = "signer";
    site->state = "ok";
    site->has_last_seen = true;
    site->last_seen_ms = 100u * number;
    site->has_clock_offset = true;
    site->clock_offset_us = -1100;
    site->hsm = "ok";
    assert_true(csn_status_add_released(status, site, "ch.", 2026112104));
    assert_true(csn_status_add_released(status, site, "li.", 2026112102));
    assert_true(csn_status_add_released(status, site, "nu.", 2026112117));
}

static struct csn_status_zone *fill_zone(struct csn_status *status)
{
    struct csn_status_zone *zone = csn_status_add_zone(status);
    zone->zone = "ch.";
    zone->state = "released";
    zone->has_released = true;
    zone->released = 2026112104;
    zone->votes = zone->voters = 3;
    zone->released_at_s = NOW - 42;
    memset(zone->content.octets, 0x9f, CSN_DIGEST_SIZE);
    memset(zone->full.octets, 0x51, CSN_DIGEST_SIZE);
    zone->first_expiry_s = NOW + 10 * 86400;
    zone->expiry_warning_s = 5 * 86400;
    zone->expiry_critical_s = 3 * 86400;
    return zone;
}

static void fill(struct csn_status *status)
{
    status->cluster = "tld-prod";
    memset(status->cluster_id, 0xc1, sizeof(status->cluster_id));
    status->epoch = 7;
    status->quorum = 2;
    status->members = 3;
    status->term = 42;
    status->leader = "c1";
    status->observed_from = "zrh";
    status->observed_at_s = NOW;
    fill_site(status, 1, "zrh");
    fill_site(status, 2, "sjc");
    fill_site(status, 3, "sin");
    fill_zone(status);
}

static void test_status_survives_the_wire(void **state)
{
    (void)state;
    struct csn_status status = {0}, back;
    struct csn_buf buf = {0}, again = {0};
    fill(&status);
    status.sites[2]->error = csn_status_text(&status, "no answer for %d s", 47);
    status.sites[2]->has_last_seen = false;
    struct csn_status_parked parked = {.reason = "12 % fewer records", .has_serial = true, .serial = 9, .since_s = NOW};
    struct csn_status_diverged diverged = {
        .site = "sin", .classes = "N", .serial = 2026112104, .since_s = NOW, .detail = "example.ch. NSEC"};
    assert_true(csn_status_add_parked(&status, status.zones[0], &parked));
    assert_true(csn_status_add_diverged(&status, status.zones[0], &diverged));
    csn_status_judge(&status);
    assert_int_equal(csn_control_status_encode(&status, &buf), CSN_OK);
    assert_int_equal(csn_control_status_decode(csn_buf_view(&buf), &back, NULL), CSN_OK);
    /* Equal octets mean equal fields: every field is written from the struct. */
    assert_int_equal(csn_control_status_encode(&back, &again), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&buf), csn_buf_view(&again)));
    assert_string_equal(back.sites[2]->error, "no answer for 47 s");
    assert_false(back.sites[2]->has_last_seen);
    assert_int_equal(back.sites[0]->clock_offset_us, -1100);
    assert_int_equal(back.sites[1]->released[2].serial, 2026112117);
    assert_string_equal(back.zones[0]->diverged[0].classes, "N");
    assert_memory_equal(back.zones[0]->full.octets, status.zones[0]->full.octets, CSN_DIGEST_SIZE);
    assert_int_equal(back.level, CSN_HEALTH_CRITICAL);
    assert_int_equal(back.reason_count, 3);
    csn_status_fini(&status);
    csn_status_fini(&back);
    csn_buf_fini(&buf);
    csn_buf_fini(&again);
}

static void test_cut_replies_are_refused_or_read_in_part_without_harm(void **state)
{
    (void)state;
    struct csn_status status = {0}, back;
    struct csn_reason reason;
    struct csn_buf buf = {0};
    fill(&status);
    assert_int_equal(csn_control_status_encode(&status, &buf), CSN_OK);
    for (size_t size = 0; size < buf.size; size++) {
        assert_int_equal(csn_control_status_decode(csn_bytes(buf.data, size), &back, &reason), CSN_EFORMAT);
    }
    csn_status_fini(&status);
    csn_buf_fini(&buf);
}

static void no_change(struct csn_status *status)
{
    (void)status;
}
static void one_site_silent(struct csn_status *status)
{
    status->sites[2]->error = "no answer";
}
static void two_sites_silent(struct csn_status *status)
{
    status->sites[1]->error = status->sites[2]->error = "no answer";
}
static void no_leader(struct csn_status *status)
{
    status->leader = NULL;
}
static void diverged_site(struct csn_status *status)
{
    struct csn_status_diverged row = {.site = "sin", .classes = "D", .serial = 1, .since_s = NOW};
    csn_status_add_diverged(status, status->zones[0], &row);
}
static void parked_input(struct csn_status *status)
{
    struct csn_status_parked row = {.reason = "no final newline", .since_s = NOW};
    csn_status_add_parked(status, status->zones[0], &row);
}
static void expiry_in_four_days(struct csn_status *status)
{
    status->zones[0]->first_expiry_s = NOW + 4 * 86400;
}
static void expiry_passed(struct csn_status *status)
{
    status->zones[0]->first_expiry_s = NOW - 1;
}
static void nothing_released(struct csn_status *status)
{
    status->zones[0]->has_released = false;
}
static void coordinator_silent(struct csn_status *status)
{
    fill_site(status, 1, "c1");
    status->sites[3]->role = "coordinator";
    status->sites[3]->error = "no answer";
}

static void test_verdict_follows_from_the_rows(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct csn_status *);
        enum csn_health level;
        const char *reason;
    } rows[] = {{no_change, CSN_HEALTH_OK, NULL},
                {one_site_silent, CSN_HEALTH_DEGRADED, "sin: no answer"},
                {two_sites_silent, CSN_HEALTH_CRITICAL, "no quorum: 1 of 3"},
                {no_leader, CSN_HEALTH_DEGRADED, "no leader"},
                {diverged_site, CSN_HEALTH_CRITICAL, "ch. diverged at sin since 2026-11-21T19:40:07Z: class D"},
                {parked_input, CSN_HEALTH_DEGRADED, "ch. input parked: no final newline"},
                {expiry_in_four_days, CSN_HEALTH_DEGRADED, "ch. first signature expires 2026-11-25T19:40:07Z"},
                {expiry_passed, CSN_HEALTH_CRITICAL, "ch. first signature expires"},
                {nothing_released, CSN_HEALTH_DEGRADED, "ch. has no release yet"},
                {coordinator_silent, CSN_HEALTH_DEGRADED, "c1: no answer"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_status status = {0};
        fill(&status);
        rows[i].change(&status);
        csn_status_judge(&status);
        assert_int_equal(status.level, rows[i].level);
        assert_int_equal(status.reason_count > 0, rows[i].reason != NULL);
        if (rows[i].reason != NULL) {
            assert_non_null(strstr(status.reasons[status.reason_count - 1], rows[i].reason));
        }
        csn_status_fini(&status);
    }
}

static void test_rows_above_the_maximum_are_refused_and_said(void **state)
{
    (void)state;
    struct csn_status status = {0};
    for (int i = 0; i < CSN_STATUS_SITES_MAX; i++) {
        assert_non_null(csn_status_add_site(&status));
    }
    assert_null(csn_status_add_site(&status));
    assert_int_equal(status.level, CSN_HEALTH_DEGRADED);
    csn_status_fini(&status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_survives_the_wire),
        cmocka_unit_test(test_cut_replies_are_refused_or_read_in_part_without_harm),
        cmocka_unit_test(test_verdict_follows_from_the_rows),
        cmocka_unit_test(test_rows_above_the_maximum_are_refused_and_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
