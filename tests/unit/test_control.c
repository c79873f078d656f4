/* Goal: what a daemon says of the cluster reaches an operator unchanged, and nothing on the socket
 * can hurt the daemon. Method: fill, encode, decode and compare; hostile frames; a real server on a
 * private socket. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "ops/control.h"
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
    csn_status_add_released(status, site, "ch.", 2026112104);
    csn_status_add_released(status, site, "li.", 2026112102);
    csn_status_add_released(status, site, "nu.", 2026112117);
}

static struct csn_status_zone *fill_zone(struct csn_status *status)
{
    struct csn_status_zone *zone = csn_status_add_zone(status);
    zone->zone = "ch.";
    zone->state = "released";
    zone->has_released = true;
    zone->released = 2026112104;
    zone->input = (struct csn_status_input){.generation = 1, .serial = 77};
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
    struct csn_status status = {0}, back = {0};
    struct csn_buf buf = {0}, again = {0};
    fill(&status);
    status.sites[2]->error = csn_status_text(&status, "no answer for %d s", 47);
    status.sites[2]->has_last_seen = false;
    struct csn_status_parked parked = {.site = "zrh",
                                       .reason = "12 % fewer records",
                                       .gate = "shrink-records",
                                       .has_received = true,
                                       .has_serial = true,
                                       .serial = 9,
                                       .since_s = NOW};
    status.zones[0]->has_pending_input = true;
    status.zones[0]->pending_input = (struct csn_status_input){.generation = 1, .serial = 78};
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
    assert_true(csn_status_add_parked(&status, status.zones[0], &parked));
    assert_true(csn_status_add_diverged(&status, status.zones[0], &diverged));
    assert_true(csn_status_add_order(&status, status.zones[0], &hold));
    assert_true(csn_status_add_order(&status, status.zones[0], &approve));
    struct csn_status_documents documents = {
        .site = "sjc", .policy = 3, .policy_head = 0x9f9f9f9f, .keyset = 5, .keyset_head = 0x51515151};
    assert_true(csn_status_add_documents(&status, status.zones[0], &documents));
    struct csn_status_serving serving = {.site = "sjc", .serial = 9, .first_expiry_s = NOW + 7, .fence_s = NOW + 5};
    assert_true(csn_status_add_serving(&status, status.zones[0], &serving));
    status.zones[0]->soa_expire_s = 604800;
    status.zones[0]->lead = "sjc";
    status.zones[0]->orders_known = 2;
    status.sites[1]->is_in_maintenance = true;
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
    assert_string_equal(back.zones[0]->parked[0].site, "zrh");
    assert_string_equal(back.zones[0]->parked[0].gate, "shrink-records");
    assert_true(csn_digest_equal(&back.zones[0]->parked[0].received, &parked.received));
    assert_int_equal(back.zones[0]->order_count, 2);
    assert_string_equal(back.zones[0]->orders[0].reason, "a lock is lifted");
    assert_true(back.zones[0]->orders[0].number == NOW * 1000000);
    assert_null(back.zones[0]->orders[0].site);
    assert_string_equal(back.zones[0]->orders[1].site, "sin");
    assert_true(csn_digest_equal(&back.zones[0]->orders[1].received, &parked.received));
    assert_int_equal(back.zones[0]->orders[1].generation, 7);
    assert_int_equal(back.zones[0]->orders_known, 2);
    assert_string_equal(back.zones[0]->lead, "sjc");
    assert_int_equal(back.zones[0]->soa_expire_s, 604800);
    assert_int_equal(back.zones[0]->serving_count, 1);
    assert_string_equal(back.zones[0]->serving[0].site, "sjc");
    assert_int_equal(back.zones[0]->serving[0].first_expiry_s, NOW + 7);
    assert_int_equal(back.zones[0]->serving[0].fence_s, NOW + 5);
    assert_int_equal(back.zones[0]->documents_count, 1);
    assert_string_equal(back.zones[0]->documents[0].site, "sjc");
    assert_int_equal(back.zones[0]->documents[0].policy, 3);
    assert_int_equal(back.zones[0]->documents[0].keyset_head, 0x51515151);
    assert_true(back.sites[1]->is_in_maintenance);
    assert_int_equal(back.zones[0]->input.serial, 77);
    assert_true(back.zones[0]->has_pending_input);
    assert_int_equal(back.zones[0]->pending_input.serial, 78);
    assert_memory_equal(back.zones[0]->full.octets, status.zones[0]->full.octets, CSN_DIGEST_SIZE);
    assert_int_equal(back.level, CSN_HEALTH_CRITICAL);
    assert_int_equal(back.reason_count, 4);
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
                {coordinator_silent, CSN_HEALTH_DEGRADED, "c1: no answer"}};
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
    csn_status_judge(&status);
    assert_int_equal(status.reason_count, 5);
    assert_non_null(strstr(status.reasons[0], "no quorum: 1 of 3"));
    assert_string_equal(status.reasons[1], "sjc: no answer");
    assert_string_equal(status.reasons[2], "sin: no answer");
    assert_string_equal(status.reasons[3], "ch. input parked at zrh, sjc, fra: apex-ns: a.nic.ch. is gone");
    assert_string_equal(status.reasons[4], "ch. input parked at sin: fewer records");
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

/* --- a real server, in a thread with a loop of its own, as a daemon would run it */

#define PATH_SIZE 256
#define TIMEOUT_MS 20000

struct server {
    char folder[PATH_SIZE];
    char path[PATH_SIZE + 16];
    struct csn_log log;
    struct csn_control *control;
    uv_loop_t loop;
    uv_async_t stop;
    uv_thread_t thread;
    unsigned diffs_asked;
    size_t zones; /* of its status; 0: one */
};

/* The page that is asked for: each zone's place is its serial, and the last one has no release. */
static void fill_page(struct csn_status *status, size_t zones)
{
    status->all_zones = (uint32_t)zones;
    for (size_t i = status->first_zone; i < zones && csn_status_is_shown(status, i); i++) {
        struct csn_status_zone *zone = csn_status_add_zone(status);
        zone->zone = csn_status_text(status, "z%zu.", i);
        zone->has_released = i + 1 < zones;
        zone->released = (uint32_t)i;
        csn_status_add_released(status, status->sites[0], zone->zone, zone->released);
    }
}

static void on_status(void *arg, struct csn_status *ret_status)
{
    const struct server *server = arg;
    fill(ret_status);
    if (server->zones > 0) {
        ret_status->zones = NULL;
        ret_status->zone_count = ret_status->sites[0]->released_count = 0;
        ret_status->sites[0]->released = NULL;
        fill_page(ret_status, server->zones);
    }
    csn_status_judge(ret_status);
}

static int on_cert_show(void *arg, const char *zone, struct csn_cert_view *ret_view,
                        struct csn_reason *reason)
{
    (void)arg;
    if (strcmp(zone, "ch.") != 0) {
        return csn_reason_set(reason, CSN_ENOTFOUND, "zone %s is not configured here", zone);
    }
    ret_view->zone = "ch.";
    ret_view->serial = 2026112104;
    ret_view->input = (struct csn_status_input){.generation = 1, .serial = 77};
    ret_view->round_counter = UINT64_MAX;
    ret_view->signer_count = 2;
    ret_view->signers[0] = (struct csn_cert_signer){.number = 1, .name = "zrh", .incarnation = 1};
    ret_view->signers[1] = (struct csn_cert_signer){.number = 3, .name = "sin", .incarnation = 2};
    ret_view->certificate = csn_bytes("CSNC", 4);
    return CSN_OK;
}

static void stop(uv_async_t *async)
{
    struct server *server = async->data;
    csn_control_free(server->control);
    uv_close((uv_handle_t *)async, NULL);
}

static void run(void *arg)
{
    struct server *server = arg;
    uv_run(&server->loop, UV_RUN_DEFAULT);
}

static int on_order(void *arg, const struct csn_control_order *order, struct csn_reason *reason)
{
    (void)arg;
    bool is_good = order->signer == 3 && csn_bytes_equal(order->body, csn_bytes("body", 4)) &&
                   order->signature[0] == 0x51 && order->signature[63] == 0x52;
    return is_good ? CSN_OK : csn_reason_set(reason, CSN_ESIGNATURE, "a forged order");
}

/* At work twice for each question that it can answer. */
static int on_diff(void *arg, const struct csn_control_diff *diff, struct csn_buf *ret_text,
                   struct csn_reason *reason)
{
    struct server *server = arg;
    if (strcmp(diff->zone, "ch.") != 0 || strcmp(diff->first, "zrh") != 0 || diff->serial != 7) {
        return csn_reason_set(reason, CSN_ENOTFOUND, "zone ch., serial 7 and zrh are here");
    }
    if (++server->diffs_asked % 3 != 0) {
        return csn_reason_set(reason, CSN_EBUSY, "at work");
    }
    bool is_large = strcmp(diff->second, "large") == 0;
    for (size_t i = 0; i <= (is_large ? CSN_CONTROL_FRAME_MAX : 0); i++) {
        csn_buf_put(ret_text, "- a\n", strcmp(diff->second, "zrh") == 0 ? 0 : 4);
    }
    return CSN_OK;
}

static int on_reports(void *arg, const char *zone, struct csn_buf *ret_text,
                      struct csn_reason *reason)
{
    (void)arg;
    (void)reason;
    csn_buf_put(ret_text, zone, strlen(zone));
    return CSN_OK;
}

/* The longest that may be, and nothing else. */
static int on_propose(void *arg, struct csn_bytes document, struct csn_reason *reason)
{
    (void)arg;
    bool is_it = document.size == CSN_CONTROL_DOCUMENT_MAX && document.data[0] == 0xd0 &&
                 document.data[document.size - 1] == 0xd0;
    return is_it ? CSN_OK : csn_reason_set(reason, CSN_EREFUSED, "another document");
}

static int on_membership(void *arg, bool wants_chain, struct csn_buf *ret_text,
                         struct csn_reason *reason)
{
    (void)arg;
    (void)reason;
    csn_buf_put(ret_text, wants_chain ? "chain" : "lines", 5);
    return CSN_OK;
}

static int listen_at(struct server *server, struct csn_control **ret_control,
                     struct csn_reason *reason)
{
    const struct csn_control_handlers handlers = {.arg = server,
                                                  .on_status = on_status,
                                                  .on_cert_show = on_cert_show,
                                                  .on_order = on_order,
                                                  .on_diff = on_diff,
                                                  .on_reports = on_reports,
                                                  .on_propose = on_propose,
                                                  .on_membership = on_membership};
    return csn_control_new(&server->loop, server->path, &handlers, &server->log, ret_control,
                           reason);
}

static int make_server(void **state)
{
    struct server *server = csn_calloc(1, sizeof(*server));
    const char *base = getenv("TMPDIR");
    snprintf(server->folder, sizeof(server->folder), "%s/consign-control-XXXXXX",
             base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->path, sizeof(server->path), "%s/control.sock", server->folder);
    server->log = (struct csn_log){.program = "test_control", .least = CSN_ERROR};
    uv_loop_init(&server->loop);
    uv_async_init(&server->loop, &server->stop, stop);
    server->stop.data = server;
    assert_int_equal(listen_at(server, &server->control, NULL), CSN_OK);
    assert_int_equal(uv_thread_create(&server->thread, run, server), 0);
    *state = server;
    return 0;
}

static int end_server(void **state)
{
    struct server *server = *state;
    uv_async_send(&server->stop);
    uv_thread_join(&server->thread);
    assert_int_equal(uv_loop_close(&server->loop), 0);
    assert_int_not_equal(access(server->path, F_OK), 0);
    assert_int_equal(rmdir(server->folder), 0);
    free(server);
    return 0;
}

static void test_operators_are_answered(void **state)
{
    struct server *server = *state;
    struct csn_status status;
    struct csn_cert_view view;
    struct csn_reason reason;
    struct stat st;
    assert_int_equal(stat(server->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(csn_control_ask_status(server->path, TIMEOUT_MS, &status, &reason), CSN_OK);
    assert_int_equal(status.level, CSN_HEALTH_OK);
    assert_string_equal(status.sites[1]->name, "sjc");
    csn_status_fini(&status);
    assert_int_equal(csn_control_ask_cert(server->path, TIMEOUT_MS, "ch.", &view, &reason), CSN_OK);
    assert_true(view.round_counter == UINT64_MAX);
    assert_int_equal(view.input.generation, 1);
    assert_int_equal(view.input.serial, 77);
    assert_string_equal(view.signers[1].name, "sin");
    assert_true(csn_bytes_equal(view.certificate, csn_bytes("CSNC", 4)));
    csn_cert_view_fini(&view);
    assert_int_equal(csn_control_ask_cert(server->path, TIMEOUT_MS, "li.", &view, &reason),
                     CSN_ENOTFOUND);
    assert_string_equal(reason.text, "zone li. is not configured here");
}

static void test_all_zones_come_page_by_page(void **state)
{
    struct server *server = *state;
    struct csn_status status;
    struct csn_reason reason;
    server->zones = 2 * CSN_STATUS_PAGE + 10;
    assert_int_equal(csn_control_ask_status(server->path, TIMEOUT_MS, &status, &reason), CSN_OK);
    assert_int_equal(status.zone_count, server->zones);
    assert_int_equal(status.sites[0]->released_count, server->zones);
    assert_int_equal(status.sites[1]->released_count, 3 * 3); /* of each page, as it is filled here */
    for (uint32_t i = 0; i < status.zone_count; i++) {
        assert_int_equal(status.zones[i]->released, status.zones[i]->has_released ? i : 0);
        assert_string_equal(status.sites[0]->released[i].zone, status.zones[i]->zone);
    }
    assert_int_equal(status.level, CSN_HEALTH_DEGRADED);
    assert_int_equal(status.reason_count, 1);
    assert_string_equal(status.reasons[0], "z1033. has no release yet");
    csn_status_fini(&status);
}

static void test_orders_are_taken_or_refused_with_a_reason(void **state)
{
    struct server *server = *state;
    struct csn_reason reason;
    static const uint8_t long_body[CSN_CONTROL_ORDER_MAX + 1] = {0};
    struct csn_control_order order = {
        .signer = 3, .body = csn_bytes("body", 4), .signature = {[0] = 0x51, [63] = 0x52}};
    assert_int_equal(csn_control_give_order(server->path, TIMEOUT_MS, &order, &reason), CSN_OK);
    order.signer = 4;
    assert_int_equal(csn_control_give_order(server->path, TIMEOUT_MS, &order, &reason),
                     CSN_ESIGNATURE);
    assert_string_equal(reason.text, "a forged order");
    order.body = csn_bytes(long_body, sizeof(long_body));
    assert_int_equal(csn_control_give_order(server->path, TIMEOUT_MS, &order, &reason),
                     CSN_EFORMAT);
    order.body = csn_bytes(long_body, 0);
    assert_int_equal(csn_control_give_order(server->path, TIMEOUT_MS, &order, &reason),
                     CSN_EFORMAT);
}

static void test_a_comparison_is_asked_for_until_it_is_done(void **state)
{
    struct server *server = *state;
    struct csn_reason reason;
    struct csn_buf text = {0};
    char long_name[CSN_CONTROL_SITE_MAX + 1] = {0};
    struct csn_control_diff diff = {.zone = "ch.", .first = "zrh", .second = "sin", .serial = 7};
    assert_int_equal(csn_control_ask_diff(server->path, TIMEOUT_MS, &diff, &text, &reason), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&text), csn_bytes("- a\n", 4)));
    assert_int_equal(server->diffs_asked, 3);
    csn_buf_clear(&text);
    diff.second = "zrh";
    assert_int_equal(csn_control_ask_diff(server->path, TIMEOUT_MS, &diff, &text, &reason), CSN_OK);
    assert_int_equal(text.size, 0);
    assert_int_equal(csn_control_ask_diff(server->path, 50, &diff, &text, &reason), CSN_EBUSY);
    server->diffs_asked = 0;
    diff.second = "large";
    assert_int_equal(csn_control_ask_diff(server->path, TIMEOUT_MS, &diff, &text, &reason),
                     CSN_ELIMIT);
    memset(long_name, 'x', sizeof(long_name) - 1);
    diff.second = long_name;
    assert_int_equal(csn_control_ask_diff(server->path, TIMEOUT_MS, &diff, &text, &reason),
                     CSN_EFORMAT);
    diff.serial = 8;
    diff.second = "sin";
    assert_int_equal(csn_control_ask_diff(server->path, TIMEOUT_MS, &diff, &text, &reason),
                     CSN_ENOTFOUND);
    assert_int_equal(csn_control_ask_reports(server->path, TIMEOUT_MS, "li.", &text, &reason),
                     CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&text), csn_bytes("li.", 3)));
    csn_buf_fini(&text);
}

static void test_a_document_is_handed_in_and_the_members_are_shown(void **state)
{
    struct server *server = *state;
    struct csn_reason reason;
    struct csn_buf text = {0};
    static uint8_t document[CSN_CONTROL_DOCUMENT_MAX + 1];
    memset(document, 0xd0, sizeof(document));
    struct csn_bytes longest = csn_bytes(document, CSN_CONTROL_DOCUMENT_MAX);
    assert_int_equal(csn_control_propose(server->path, TIMEOUT_MS, longest, &reason), CSN_OK);
    assert_int_equal(
        csn_control_propose(server->path, TIMEOUT_MS, csn_bytes(document, 7), &reason),
        CSN_EREFUSED);
    assert_string_equal(reason.text, "another document");
    longest.size++;
    assert_int_equal(csn_control_propose(server->path, TIMEOUT_MS, longest, &reason), CSN_ELIMIT);
    assert_int_equal(
        csn_control_ask_membership(server->path, TIMEOUT_MS, false, &text, &reason), CSN_OK);
    assert_int_equal(csn_control_ask_membership(server->path, TIMEOUT_MS, true, &text, &reason),
                     CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&text), csn_bytes("lineschain", 10)));
    csn_buf_fini(&text);
}

static int dial(const struct server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = TIMEOUT_MS / 1000};
    assert_true(strlen(server->path) < sizeof(address.sun_path));
    memcpy(address.sun_path, server->path, strlen(server->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void frame(struct csn_buf *buf, struct csn_bytes message)
{
    csn_buf_put_u32(buf, (uint32_t)message.size);
    csn_buf_put_bytes(buf, message);
}

static void read_exactly(int fd, void *data, size_t size)
{
    assert_int_equal(recv(fd, data, size, MSG_WAITALL), size);
}

/* The code of the next reply. */
static int read_code(int fd)
{
    uint8_t length[4];
    struct csn_reason reason;
    struct csn_status status = {0};
    read_exactly(fd, length, sizeof(length));
    size_t size = csn_get_u32(length);
    uint8_t *octets = csn_alloc(size);
    read_exactly(fd, octets, size);
    int code = csn_control_status_decode(csn_bytes(octets, size), &status, &reason);
    if (code == CSN_OK) {
        csn_status_fini(&status);
    }
    free(octets);
    return code;
}

/* Closed by the server, not ended by our own patience. */
static bool is_closed_within(int fd, time_t seconds)
{
    struct timeval patience = {.tv_sec = seconds};
    uint8_t octet;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    ssize_t size = recv(fd, &octet, 1, 0);
    return size == 0 || (size < 0 && errno == ECONNRESET);
}

static void test_requests_in_one_write_are_answered_in_order(void **state)
{
    const struct server *server = *state;
    struct csn_control_request request = {.what = CSN_CONTROL_STATUS};
    struct csn_buf message = {0}, octets = {0};
    assert_int_equal(csn_control_request_encode(&request, &message), CSN_OK);
    frame(&octets, csn_buf_view(&message));
    frame(&octets, csn_bytes("\xff\xff", 2));
    frame(&octets, csn_bytes(NULL, 0));
    frame(&octets, csn_buf_view(&message));
    int fd = dial(server);
    assert_int_equal(send(fd, octets.data, octets.size, 0), octets.size);
    assert_int_equal(read_code(fd), CSN_OK);
    assert_int_equal(read_code(fd), CSN_EFORMAT);
    assert_int_equal(read_code(fd), CSN_EFORMAT);
    assert_int_equal(read_code(fd), CSN_OK);
    close(fd);
    csn_buf_fini(&message);
    csn_buf_fini(&octets);
}

static void test_requests_of_another_version_are_refused(void **state)
{
    const struct server *server = *state;
    static const uint8_t version_2[] = {0x08, 0x02, 0x12,
                                        0x00}; /* field 1: 2, field 2: StatusRequest */
    struct csn_buf octets = {0};
    frame(&octets, csn_bytes(version_2, sizeof(version_2)));
    int fd = dial(server);
    assert_int_equal(send(fd, octets.data, octets.size, 0), octets.size);
    assert_int_equal(read_code(fd), CSN_EFORMAT);
    close(fd);
    csn_buf_fini(&octets);
}

static void test_a_frame_above_the_limit_closes_the_connection(void **state)
{
    const struct server *server = *state;
    uint8_t length[4];
    int fd = dial(server);
    csn_set_u32(length, CSN_CONTROL_REQUEST_MAX + 1);
    assert_int_equal(send(fd, length, sizeof(length), 0), sizeof(length));
    assert_true(is_closed_within(fd, CSN_CONTROL_IDLE_MS / 2000));
    close(fd);
}

static void ask_nothing_known(int fd)
{
    assert_int_equal(send(fd, (uint8_t[4]){0}, 4, MSG_NOSIGNAL), 4);
    assert_int_equal(read_code(fd), CSN_EFORMAT);
}

static void test_idle_clients_do_not_lock_operators_out(void **state)
{
    const struct server *server = *state;
    struct csn_status status;
    struct csn_reason reason;
    int fds[CSN_CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < CSN_CONTROL_CLIENTS_MAX; i++) {
        fds[i] = dial(server);
    }
    assert_int_equal(csn_control_ask_status(server->path, TIMEOUT_MS, &status, &reason), CSN_OK);
    csn_status_fini(&status);
    for (size_t i = 0; i < CSN_CONTROL_CLIENTS_MAX; i++) {
        close(fds[i]);
    }
}

static void test_the_client_idle_longest_makes_place(void **state)
{
    const struct server *server = *state;
    int fds[CSN_CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < CSN_CONTROL_CLIENTS_MAX; i++) {
        fds[i] = dial(server);
        ask_nothing_known(fds[i]);
    }
    ask_nothing_known(fds[0]);
    int extra = dial(server);
    ask_nothing_known(extra);
    assert_true(is_closed_within(fds[1], CSN_CONTROL_IDLE_MS / 2000));
    ask_nothing_known(fds[0]);
    ask_nothing_known(fds[2]);
    close(extra);
    for (size_t i = 0; i < CSN_CONTROL_CLIENTS_MAX; i++) {
        close(fds[i]);
    }
}

static void test_a_silent_client_is_closed(void **state)
{
    const struct server *server = *state;
    uint8_t half[] = {0, 0, 0, 4, 1};
    int fd = dial(server);
    assert_int_equal(send(fd, half, sizeof(half), 0), sizeof(half));
    assert_true(is_closed_within(fd, 2 * CSN_CONTROL_IDLE_MS / 1000));
    close(fd);
}

static void test_a_socket_in_use_is_not_taken_over(void **state)
{
    struct server *server = *state;
    struct csn_control *second;
    struct csn_reason reason;
    assert_int_equal(listen_at(server, &second, &reason), CSN_EBUSY);
    assert_non_null(strstr(reason.text, "another daemon"));
}

/* --- without a server */

/* What a dead daemon left is replaced; what is no socket is left alone. */
static void test_a_place_that_is_taken_is_left_or_replaced(void **state)
{
    (void)state;
    struct server server = {.log = {.program = "test_control", .least = CSN_ERROR}};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct csn_reason reason;
    snprintf(server.folder, sizeof(server.folder), "/tmp/consign-control-XXXXXX");
    assert_non_null(mkdtemp(server.folder));
    snprintf(server.path, sizeof(server.path), "%s/s", server.folder);
    uv_loop_init(&server.loop);
    memcpy(address.sun_path, server.path, strlen(server.path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    assert_int_equal(listen_at(&server, &server.control, &reason), CSN_OK);
    csn_control_free(server.control);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    FILE *file = fopen(server.path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(listen_at(&server, &server.control, &reason), CSN_EEXISTS);
    assert_int_equal(access(server.path, F_OK), 0);
    unlink(server.path);
    rmdir(server.folder);
    memset(server.path, 'x', sizeof(server.path) - 1);
    assert_int_equal(listen_at(&server, &server.control, &reason), CSN_ELIMIT);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&server.loop), 0);
}

static void test_the_client_says_why_nobody_answers(void **state)
{
    (void)state;
    char folder[] = "/tmp/consign-control-XXXXXX", path[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct csn_status status;
    struct csn_reason reason;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/s", folder);
    assert_int_equal(csn_control_ask_status(path, 1000, &status, &reason), CSN_ECLOSED);
    /* Listens and never answers. */
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(csn_control_ask_status(path, 50, &status, &reason), CSN_ETIMEOUT);
    /* A socket file that nobody listens at. */
    close(fd);
    assert_int_equal(csn_control_ask_status(path, 1000, &status, &reason), CSN_ECLOSED);
    assert_non_null(strstr(reason.text, path));
    unlink(path);
    rmdir(folder);
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

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, make_server, end_server)

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
        cmocka_unit_test(test_rows_above_the_maximum_are_refused_and_said),
        cmocka_unit_test(test_the_worst_reason_stands_first),
        WITH_SERVER(test_operators_are_answered),
        WITH_SERVER(test_all_zones_come_page_by_page),
        WITH_SERVER(test_orders_are_taken_or_refused_with_a_reason),
        WITH_SERVER(test_a_comparison_is_asked_for_until_it_is_done),
        WITH_SERVER(test_a_document_is_handed_in_and_the_members_are_shown),
        WITH_SERVER(test_requests_in_one_write_are_answered_in_order),
        WITH_SERVER(test_requests_of_another_version_are_refused),
        WITH_SERVER(test_a_frame_above_the_limit_closes_the_connection),
        WITH_SERVER(test_idle_clients_do_not_lock_operators_out),
        WITH_SERVER(test_the_client_idle_longest_makes_place),
        WITH_SERVER(test_a_silent_client_is_closed),
        WITH_SERVER(test_a_socket_in_use_is_not_taken_over),
        cmocka_unit_test(test_a_place_that_is_taken_is_left_or_replaced),
        cmocka_unit_test(test_the_client_says_why_nobody_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
