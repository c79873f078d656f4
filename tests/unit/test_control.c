/* Goal: what a daemon says of the cluster reaches an operator unchanged, and the verdict follows from what it says. Method: fill,
 * encode, decode and compare; tables of pictures with one thing wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ops/control_wire.h"
#include "ops/status.h"
#include "status_fixture.h"

/* All that a status can say, beyond the usual one. */
static void fill_all(struct csn_status *status)
{
    fill(status);
    status->sites[2]->error = csn_status_text(status, "no answer for %d s", 47);
    status->sites[2]->has_last_seen = false;
    struct csn_status_parked parked = {.site = "zrh",
                                       .reason = "12 % fewer records",
                                       .gate = "shrink-records",
                                       .has_received = true,
                                       .has_serial = true,
                                       .serial = 9,
                                       .since_s = NOW};
    status->zones[0]->has_pending_input = true;
    status->zones[0]->pending_input = (struct csn_status_input){.generation = 1, .serial = 78};
    struct csn_status_diverged diverged = {.site = "sin",
                                           .classes = "N",
                                           .serial = 2026112104,
                                           .since_s = NOW,
                                           .detail = "example.ch. NSEC"};
    struct csn_status_order hold = {.order = CSN_STATUS_HOLD,
                                    .operator = "duty",
                                    .reason = "a lock is lifted",
                                    .number = NOW * 1000000};
    struct csn_status_order approve = {
        .order = "approve", .site = "sin", .operator = "duty", .reason = "agreed", .generation = 7};
    memset(parked.received.octets, 0xd1, CSN_DIGEST_SIZE);
    approve.received = parked.received;
    assert_true(csn_status_add_parked(status, status->zones[0], &parked));
    assert_true(csn_status_add_diverged(status, status->zones[0], &diverged));
    assert_true(csn_status_add_order(status, status->zones[0], &hold));
    assert_true(csn_status_add_order(status, status->zones[0], &approve));
    struct csn_status_documents documents = {
        .site = "sjc", .policy = 3, .policy_head = 0x9f9f9f9f, .keyset = 5, .keyset_head = 0x51515151};
    assert_true(csn_status_add_documents(status, status->zones[0], &documents));
    struct csn_status_serving serving = {.site = "sjc", .serial = 9, .first_expiry_s = NOW + 7, .fence_s = NOW + 5};
    assert_true(csn_status_add_serving(status, status->zones[0], &serving));
    status->zones[0]->soa_expire_s = 604800;
    assert_true(csn_status_add_stale(status, status->zones[0], "zrh"));
    assert_true(csn_status_add_stale(status, status->zones[0], "sin"));
    status->zones[0]->lead = "sjc";
    status->zones[0]->orders_known = 2;
    status->sites[1]->is_in_maintenance = true;
    assert_true(csn_status_add_coordinator(status, &(struct csn_status_coordinator){.name = "c1", .leads = true, .has_last_seen = true}));
    assert_true(csn_status_add_coordinator(
        status, &(struct csn_status_coordinator){.name = "c2", .is_missing = true, .has_last_seen = true, .last_seen_ms = 7000}));
    assert_true(csn_status_add_coordinator(status, &(struct csn_status_coordinator){.name = "c3"}));
    assert_true(csn_status_add_counter(status, "mesh_dropped_role", 3));
    assert_true(csn_status_add_counter(status, "xfr_octets", UINT64_C(1) << 40));
    status->store_used = 31;
    status->store_limit = 100;
    csn_status_judge(status);
}

static void assert_zone(const struct csn_status_zone *zone, const struct csn_status_zone *sent)
{
    assert_string_equal(zone->diverged[0].classes, "N");
    assert_string_equal(zone->parked[0].site, "zrh");
    assert_string_equal(zone->parked[0].gate, "shrink-records");
    assert_true(csn_digest_equal(&zone->parked[0].received, &sent->parked[0].received));
    assert_int_equal(zone->order_count, 2);
    assert_string_equal(zone->orders[0].reason, "a lock is lifted");
    assert_true(zone->orders[0].number == NOW * 1000000);
    assert_null(zone->orders[0].site);
    assert_string_equal(zone->orders[1].site, "sin");
    assert_true(csn_digest_equal(&zone->orders[1].received, &sent->parked[0].received));
    assert_int_equal(zone->orders[1].generation, 7);
    assert_int_equal(zone->orders_known, 2);
    assert_string_equal(zone->lead, "sjc");
    assert_int_equal(zone->soa_expire_s, 604800);
    assert_int_equal(zone->stale_count, 2);
    assert_string_equal(zone->stale[1], "sin");
    assert_int_equal(zone->level, CSN_HEALTH_CRITICAL);
    assert_int_equal(zone->serving_count, 1);
    assert_string_equal(zone->serving[0].site, "sjc");
    assert_int_equal(zone->serving[0].first_expiry_s, NOW + 7);
    assert_int_equal(zone->serving[0].fence_s, NOW + 5);
    assert_int_equal(zone->documents_count, 1);
    assert_string_equal(zone->documents[0].site, "sjc");
    assert_int_equal(zone->documents[0].policy, 3);
    assert_int_equal(zone->documents[0].keyset_head, 0x51515151);
    assert_int_equal(zone->input.serial, 77);
    assert_true(zone->has_pending_input);
    assert_int_equal(zone->pending_input.serial, 78);
    assert_memory_equal(zone->full.octets, sent->full.octets, CSN_DIGEST_SIZE);
}

static void assert_status(const struct csn_status *back)
{
    assert_string_equal(back->sites[2]->error, "no answer for 47 s");
    assert_false(back->sites[2]->has_last_seen);
    assert_int_equal(back->sites[0]->clock_offset_us, -1100);
    assert_int_equal(back->sites[1]->released[2].serial, 2026112117);
    assert_int_equal(back->counter_count, 2);
    assert_string_equal(back->counters[1].name, "xfr_octets");
    assert_true(back->counters[1].value == UINT64_C(1) << 40);
    assert_true(back->store_used == 31 && back->store_limit == 100);
    assert_true(back->sites[1]->is_in_maintenance);
    assert_int_equal(back->level, CSN_HEALTH_CRITICAL);
    assert_int_equal(back->reason_count, 5);
    assert_int_equal(back->coordinator_count, 3);
    assert_string_equal(back->coordinators[1].name, "c2");
    assert_int_equal(back->coordinators[1].last_seen_ms, 7000);
    assert_true(back->coordinators[0].has_last_seen);
    assert_false(back->coordinators[2].has_last_seen);
}

static void test_status_survives_the_wire(void **state)
{
    (void)state;
    struct csn_status status = {0}, back = {0};
    struct csn_buf buf = {0}, again = {0};
    fill_all(&status);
    assert_int_equal(csn_control_status_encode(&status, &buf), CSN_OK);
    assert_int_equal(csn_control_status_decode(csn_buf_view(&buf), &back, NULL), CSN_OK);
    /* Equal octets mean equal fields: every field is written from the struct. */
    assert_int_equal(csn_control_status_encode(&back, &again), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&buf), csn_buf_view(&again)));
    assert_status(&back);
    assert_zone(back.zones[0], status.zones[0]);
    csn_status_fini(&status);
    csn_status_fini(&back);
    csn_buf_fini(&buf);
    csn_buf_fini(&again);
}

static void test_cut_replies_are_refused_or_read_in_part_without_harm(void **state)
{
    (void)state;
    struct csn_status status = {0}, back = {0};
    struct csn_reason reason;
    struct csn_buf buf = {0};
    fill(&status);
    assert_int_equal(csn_control_status_encode(&status, &buf), CSN_OK);
    for (size_t size = 0; size < buf.size; size++) {
        assert_int_equal(csn_control_status_decode(csn_bytes(buf.data, size), &back, &reason),
                         CSN_EFORMAT);
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
static void no_leader_yet(struct csn_status *status)
{
    status->leader = NULL;
    status->is_electing = true;
}
static void diverged_site(struct csn_status *status)
{
    struct csn_status_diverged row = {.site = "sin", .classes = "D", .serial = 1, .since_s = NOW};
    csn_status_add_diverged(status, status->zones[0], &row);
}
static void parked_input(struct csn_status *status)
{
    struct csn_status_parked row = {.site = "zrh", .reason = "no final newline", .since_s = NOW};
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
    status->zones[0]->state = "none";
}
static void released_by_others_word(struct csn_status *status)
{
    status->zones[0]->has_released = false;
}
static void hold(struct csn_status *status)
{
    struct csn_status_order row = {.order = CSN_STATUS_HOLD,
                                   .operator = "duty",
                                   .reason = "a lock is lifted",
                                   .number = NOW * 1000000};
    csn_status_add_order(status, status->zones[0], &row);
}
static void maintenance_of_a_silent_site(struct csn_status *status)
{
    one_site_silent(status);
    status->sites[2]->is_in_maintenance = true;
}
static void maintenance_of_two_silent_sites(struct csn_status *status)
{
    two_sites_silent(status);
    status->sites[1]->is_in_maintenance = status->sites[2]->is_in_maintenance = true;
}
static void resume_and_maintenance(struct csn_status *status)
{
    struct csn_status_order row = {
        .order = "resume", .operator = "duty", .reason = "done", .number = NOW * 1000000};
    csn_status_add_order(status, status->zones[0], &row);
    row.order = CSN_STATUS_MAINTENANCE;
    csn_status_add_order(status, status->zones[0], &row);
}
static void coordinator_silent(struct csn_status *status)
{
    fill_site(status, 1, "c1");
    status->sites[3]->role = "coordinator";
    status->sites[3]->error = "no answer";
}

static void add_coordinator(struct csn_status *status, const char *name, bool is_missing, uint64_t last_seen_ms)
{
    struct csn_status_coordinator row = {
        .name = name, .is_missing = is_missing, .has_last_seen = last_seen_ms > 0, .last_seen_ms = last_seen_ms};
    assert_true(csn_status_add_coordinator(status, &row));
}
static void standbys_heard(struct csn_status *status)
{
    add_coordinator(status, "c1", false, 400);
    add_coordinator(status, "c2", false, 0); /* this site has just begun */
}
static void standby_gone(struct csn_status *status)
{
    add_coordinator(status, "c1", false, 400);
    add_coordinator(status, "c2", true, 7000);
}
static void standby_never_there(struct csn_status *status)
{
    add_coordinator(status, "c1", false, 400);
    add_coordinator(status, "c2", true, 0);
}

static void signed_ahead(struct csn_status *status)
{
    status->zones[0]->released_at_s = NOW + 365 * 86400;
    status->sites[2]->clock_offset_us = INT64_C(365) * 86400 * 1000000; /* not mended there */
}
static void signed_ahead_of_this_clock_alone(struct csn_status *status)
{
    signed_ahead(status);
    status->sites[1]->clock_offset_us = status->sites[2]->clock_offset_us;
}
static void signed_half_an_hour_ahead(struct csn_status *status)
{
    status->zones[0]->released_at_s = NOW + 1800;
}
static void signed_a_minute_ahead(struct csn_status *status)
{
    status->zones[0]->released_at_s = NOW + 60;
}

static void deaf_observer(struct csn_status *status)
{
    no_leader(status);
    two_sites_silent(status);
    status->deaf_why = "is halted";
}
static void observer_of_a_later_epoch(struct csn_status *status)
{
    no_leader(status);
    two_sites_silent(status);
    status->waits_why = "waits for epoch 2";
}
static void stray_observer(struct csn_status *status)
{
    no_leader(status);
    status->stray_why = "promised term 43 to c2; the others follow c1, which calls it back by itself";
}
static void stray_for_a_moment(struct csn_status *status)
{
    stray_observer(status);
    status->is_electing = true;
}

static void emergency_on(struct csn_status *status)
{
    status->emergency_until_s = NOW + 1;
}
static void emergency_over(struct csn_status *status)
{
    status->emergency_until_s = NOW;
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
                {no_leader, CSN_HEALTH_DEGRADED, "no coordinator leads: nothing new is released; start one"},
                {no_leader_yet, CSN_HEALTH_OK, NULL},
                {diverged_site, CSN_HEALTH_CRITICAL,
                 "ch. diverged at sin since 2026-11-21T19:40:07Z: class D"},
                {parked_input, CSN_HEALTH_DEGRADED, "ch. input parked at zrh: no final newline"},
                {expiry_in_four_days, CSN_HEALTH_DEGRADED,
                 "ch. first signature expires 2026-11-25T19:40:07Z"},
                {expiry_passed, CSN_HEALTH_CRITICAL, "ch. first signature expires"},
                {nothing_released, CSN_HEALTH_DEGRADED, "ch. has no release yet"},
                {released_by_others_word, CSN_HEALTH_OK, NULL},
                {hold, CSN_HEALTH_DEGRADED,
                 "ch. held by duty since 2026-11-21T19:40:07Z: a lock is lifted; "},
                {maintenance_of_a_silent_site, CSN_HEALTH_OK, NULL},
                {maintenance_of_two_silent_sites, CSN_HEALTH_CRITICAL, "no quorum: 1 of 3"},
                {resume_and_maintenance, CSN_HEALTH_OK, NULL},
                {coordinator_silent, CSN_HEALTH_DEGRADED, "c1: no answer"},
                {standbys_heard, CSN_HEALTH_OK, NULL},
                {signed_ahead, CSN_HEALTH_CRITICAL,
                 "ch. release 2026112104 was signed 365d 0h ahead of the clocks: nothing newer is released before "
                 "2027-11-21T19:39:07Z, and to validators its signatures are not valid yet; OPERATING.md, Signed ahead of the clocks"},
                {signed_half_an_hour_ahead, CSN_HEALTH_DEGRADED,
                 "ch. release 2026112104 was signed 30m 00s ahead of the clocks: nothing newer is released before 2026-11-21T20:09:07Z"},
                {signed_a_minute_ahead, CSN_HEALTH_OK, NULL},
                {signed_ahead_of_this_clock_alone, CSN_HEALTH_OK, NULL},
                {deaf_observer, CSN_HEALTH_CRITICAL, "zrh follows no coordinator and hears nobody: it is halted; "},
                {observer_of_a_later_epoch, CSN_HEALTH_DEGRADED, "zrh waits for epoch 2"},
                {stray_observer, CSN_HEALTH_DEGRADED, "zrh follows no coordinator: it promised term 43 to c2; the others follow c1"},
                {stray_for_a_moment, CSN_HEALTH_OK, NULL},
                {standby_gone, CSN_HEALTH_DEGRADED, "coordinator c2 not heard since 2026-11-21T19:40:00Z: start it"},
                {standby_never_there, CSN_HEALTH_DEGRADED, "coordinator c2 not heard yet: start it"},
                {emergency_on, CSN_HEALTH_DEGRADED, "EMERGENCY until 2026-11-21T19:40:08Z: refreshes only"},
                {emergency_over, CSN_HEALTH_CRITICAL, "the EMERGENCY ended 2026-11-21T19:40:07Z: nothing is signed any more"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_status status = {0};
        fill(&status);
        rows[i].change(&status);
        csn_status_judge(&status);
        assert_int_equal(status.level, rows[i].level);
        assert_int_equal(status.reason_count > 0, rows[i].reason != NULL);
        if (rows[i].reason != NULL) {
            assert_non_null(strstr(status.reasons[0], rows[i].reason));
        }
        csn_status_fini(&status);
    }
}

/* One bad file at all sites is one reason; another coordinator would not make a quorum. */
static void test_one_cause_is_said_once(void **state)
{
    (void)state;
    struct csn_status status = {0};
    fill(&status);
    const struct csn_status_parked parked[] = {
        {.site = "zrh", .gate = "apex-ns", .reason = "apex-ns: a.nic.ch. is gone"},
        {.site = "sjc", .gate = "apex-ns", .reason = "another apex NS set"},
        {.site = "sin", .gate = "shrink-records", .reason = "fewer records"},
        {.site = "fra", .gate = "apex-ns", .reason = "another apex NS set"}};
    for (size_t i = 0; i < sizeof(parked) / sizeof(parked[0]); i++) {
        assert_true(csn_status_add_parked(&status, status.zones[0], &parked[i]));
    }
    status.sites[1]->error = status.sites[2]->error = "no answer";
    status.leader = NULL;
    add_coordinator(&status, "c1", true, 7000);
    csn_status_judge(&status);
    assert_int_equal(status.reason_count, 5);
    assert_non_null(strstr(status.reasons[0], "no quorum: 1 of 3"));
    assert_string_equal(status.reasons[1], "sjc: no answer");
    assert_string_equal(status.reasons[2], "sin: no answer");
    assert_string_equal(status.reasons[3], "ch. input parked at zrh, sjc, fra: apex-ns: a.nic.ch. is gone");
    assert_string_equal(status.reasons[4], "ch. input parked at sin: fewer records");
    csn_status_fini(&status);
}

/* What a halted site cannot know is neither said of the others nor of the coordinators. */
static void test_a_site_that_hears_nobody_speaks_of_itself_alone(void **state)
{
    (void)state;
    struct csn_status status = {0};
    fill(&status);
    status.sites[0]->error = "a vote could not be made durable";
    deaf_observer(&status);
    add_coordinator(&status, "c1", true, 9000);
    csn_status_judge(&status);
    assert_int_equal(status.reason_count, 2);
    assert_non_null(strstr(status.reasons[0], "zrh follows no coordinator and hears nobody: it is halted; whether the others go on"));
    assert_string_equal(status.reasons[1], "zrh: a vote could not be made durable");
    csn_status_fini(&status);
}

/* Where none is heard that none leads names them all; one that is heard and does not lead is no reason to hide the other. Right
 * after the leader's end it is still followed: then each is named. */
static void test_coordinators_that_are_all_gone_are_named_once(void **state)
{
    (void)state;
    static const struct {
        const char *leader, *first, *last;
        bool is_heard;
        uint32_t reasons;
    } rows[] = {{NULL, "no coordinator leads: nothing new is released; start one of c1, c2", NULL, false, 1},
                {NULL, "no coordinator leads: nothing new is released; start one of c1, c2", "coordinator c2 not heard since ", true, 2},
                {"c1", "coordinator c1 not heard since ", "coordinator c2 not heard since ", false, 2}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_status status = {0};
        fill(&status);
        status.leader = rows[i].leader;
        status.may_lead = "c1, c2";
        add_coordinator(&status, "c1", !rows[i].is_heard, 9000);
        add_coordinator(&status, "c2", true, 7000);
        csn_status_judge(&status);
        assert_int_equal(status.reason_count, rows[i].reasons);
        assert_ptr_equal(strstr(status.reasons[0], rows[i].first), status.reasons[0]);
        if (rows[i].last != NULL) {
            assert_ptr_equal(strstr(status.reasons[1], rows[i].last), status.reasons[1]);
        }
        csn_status_fini(&status);
    }
}

/* The worst of what is said of it, and of nothing else. */
static void test_each_zone_has_the_level_of_its_own_reasons(void **state)
{
    (void)state;
    struct csn_status status = {0};
    fill(&status);
    struct csn_status_zone *other = csn_status_add_zone(&status);
    *other = *status.zones[0];
    other->zone = "li.";
    status.sites[2]->error = "no answer";
    parked_input(&status);
    diverged_site(&status);
    hold(&status);
    status.about = status.zones[0];
    csn_status_blame(&status, CSN_HEALTH_DEGRADED, "ch. is old");
    csn_status_judge(&status);
    csn_status_blame(&status, CSN_HEALTH_CRITICAL, "of no zone");
    assert_int_equal(status.zones[0]->level, CSN_HEALTH_CRITICAL);
    assert_int_equal(other->level, CSN_HEALTH_OK);
    csn_status_fini(&status);
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

static void test_the_worst_reason_stands_first(void **state)
{
    (void)state;
    struct csn_status status = {0};
    for (int i = 0; i < CSN_STATUS_ROWS_MAX; i++) {
        csn_status_blame(&status, CSN_HEALTH_DEGRADED, "mild %d", i);
    }
    csn_status_blame(&status, CSN_HEALTH_CRITICAL, "bad 1");
    csn_status_blame(&status, CSN_HEALTH_CRITICAL, "bad 2");
    csn_status_blame(&status, CSN_HEALTH_DEGRADED, "one more");
    assert_int_equal(status.reason_count, CSN_STATUS_ROWS_MAX);
    assert_string_equal(status.reasons[0], "bad 1");
    assert_string_equal(status.reasons[1], "bad 2");
    assert_string_equal(status.reasons[2], "mild 0");
    assert_string_equal(status.reasons[CSN_STATUS_ROWS_MAX - 1], "mild 13");
    assert_int_equal(status.level, CSN_HEALTH_CRITICAL);
    csn_status_fini(&status);
}

static void test_explanation_survives_the_wire(void **state)
{
    (void)state;
    static const uint8_t octets[] = {1, 2, 3};
    struct csn_explanation explanation = {.zone = "ch.", .observed_from = "zrh", .observed_at_s = NOW, .state = "round", .text = "why"};
    struct csn_explanation back;
    struct csn_buf buf = {0}, again = {0};
    csn_explanation_vote(&explanation, &(struct csn_explained_vote){.site = "zrh", .vote = "voted", .has_released = true, .released = 7,
                                                                    .first_expiry_s = NOW + 9, .fence_s = NOW + 3});
    csn_explanation_vote(&explanation, &(struct csn_explained_vote){.site = "sin", .vote = "missing", .why = "silent"});
    csn_explanation_next(&explanation, "the deadline", NOW + 5);
    csn_explanation_may(&explanation, "bring it back", "consignctl");
    for (unsigned i = 0; i <= CSN_EXPLAIN_REFUSALS_MAX; i++) {
        struct csn_explained_refusal refusal = {.site = "sjc", .rule = 2, .test = 22, .question = "policy", .want = "here 1",
                                                .next = "put it", .round = "7.1.42", .count = i, .first_s = NOW, .last_s = NOW + i,
                                                .incarnation = 1, .body = csn_bytes(octets, 3), .signature = csn_bytes(octets, 2)};
        refusal.hash.octets[0] = (uint8_t)i;
        csn_explanation_refusal(&explanation, &refusal);
    }
    assert_true(explanation.has_more);
    assert_int_equal(csn_control_explain_encode(&explanation, &buf), CSN_OK);
    assert_int_equal(csn_control_explain_decode(csn_buf_view(&buf), &back, NULL), CSN_OK);
    assert_int_equal(back.refusal_count, CSN_EXPLAIN_REFUSALS_MAX);
    assert_string_equal(back.votes[1].why, "silent");
    assert_int_equal(back.votes[0].released, 7);
    assert_int_equal(back.votes[0].first_expiry_s, NOW + 9);
    assert_int_equal(back.votes[0].fence_s, NOW + 3);
    assert_false(back.votes[1].has_released);
    assert_int_equal(back.next[0].at_s, NOW + 5);
    assert_string_equal(back.may[0].command, "consignctl");
    assert_true(back.has_more);
    const struct csn_explained_refusal *last = &back.refusals[9];
    assert_string_equal(last->want, "here 1");
    assert_null(last->is);
    assert_int_equal(last->count, 9);
    assert_int_equal(last->last_s, NOW + 9);
    assert_int_equal(last->hash.octets[0], 9);
    assert_int_equal(last->body.size, 3);
    assert_int_equal(last->signature.size, 2);
    assert_int_equal(csn_control_explain_encode(&back, &again), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&buf), csn_buf_view(&again)));
    for (size_t size = 1; size < 200; size++) {
        struct csn_explanation cut = {0};
        if (csn_control_explain_decode(csn_bytes(buf.data, size), &cut, NULL) == CSN_OK) {
            csn_explanation_fini(&cut);
        }
    }
    struct csn_control_request request = {.what = CSN_CONTROL_EXPLAIN, .explain = {.zone = "ch.", .site = "sjc", .is_all = true}}, got;
    csn_buf_clear(&buf);
    assert_int_equal(csn_control_request_encode(&request, &buf), CSN_OK);
    assert_int_equal(csn_control_request_decode(csn_buf_view(&buf), &got), CSN_OK);
    assert_int_equal(got.what, CSN_CONTROL_EXPLAIN);
    assert_string_equal(got.explain.zone, "ch.");
    assert_string_equal(got.explain.site, "sjc");
    assert_true(got.explain.is_all);
    csn_buf_fini(&buf);
    csn_buf_fini(&again);
    csn_explanation_fini(&explanation);
    csn_explanation_fini(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_survives_the_wire),
        cmocka_unit_test(test_explanation_survives_the_wire),
        cmocka_unit_test(test_cut_replies_are_refused_or_read_in_part_without_harm),
        cmocka_unit_test(test_verdict_follows_from_the_rows),
        cmocka_unit_test(test_one_cause_is_said_once),
        cmocka_unit_test(test_coordinators_that_are_all_gone_are_named_once),
        cmocka_unit_test(test_a_site_that_hears_nobody_speaks_of_itself_alone),
        cmocka_unit_test(test_rows_above_the_maximum_are_refused_and_said),
        cmocka_unit_test(test_each_zone_has_the_level_of_its_own_reasons),
        cmocka_unit_test(test_the_worst_reason_stands_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
