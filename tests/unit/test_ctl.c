/* Goal: an operator sees what the daemon knows, within 112 columns and with the verdict last; scripts get the same in JSON.
 * Method: the rendering on made-up statuses, exact texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl_picture.h"
#include "ctl_render.h"
#include "ops/control.h"

/* What `render` writes; to be freed. */
static char *table_of(struct csn_status *status, bool has_colour)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct csn_ctl_page page = {.out = out, .columns = CSN_CTL_COLUMNS, .has_colour = has_colour};
    csn_ctl_table_status(&page, status);
    fclose(out);
    return text;
}

static void test_all_well_in_a_table(void **state)
{
    (void)state;
    static const char expected[] =
        "cluster tld-prod   term 42   leader c1   release policy 2 of 3   observed from zrh "
        "2026-11-21T19:40:07Z\n"
        "\n"
        "SITE  ROLE      STATE  SEEN  CLOCK  HSM  RELEASED\n"
        "zrh   signer *  ok     0.0s  <2s    ok   2026112104\n"
        "sjc   signer    ok     0.4s  <2s    ok   2026112104\n"
        "sin   signer    ok     0.8s  <2s    ok   2026112104\n"
        "\n"
        "ZONE  STATE     RELEASED    INPUT  VOTES  AGE  PENDING  CONTENT   SIGNED    FIRST EXPIRY\n"
        "ch.   released  2026112104  77     3/3    42s  -        9f9f9f9f  51515151  10d 8h\n"
        "\n"
        "OK  quorum 3/3, no divergence, first signature expires 2026-12-02T03:40:07Z (in 10d 8h)\n";
    struct csn_status status = {0};
    fill(&status, NOW);
    csn_status_judge(&status);
    char *text = table_of(&status, false);
    assert_string_equal(text, expected);
    free(text);
    csn_status_fini(&status);
}

static void test_a_bad_night_in_a_table(void **state)
{
    (void)state;
    static const char expected[] =
        "cluster tld-prod   term 42   leader none   release policy 2 of 3   observed from zrh "
        "2026-11-21T19:40:07Z\n"
        "\n"
        "SITE  ROLE      STATE        SEEN   CLOCK  HSM        RELEASED\n"
        "zrh   signer *  ok           0.0s   <2s    ok         2026112104\n"
        "sjc   signer    UNREACHABLE  never  <2s    ok         2026112104\n"
        "      error: not heard for 47s\n"
        "sin   signer    DIVERGED     0.8s   <2s    see below  2026112104\n"
        "      HSM: wrong key, zone ch.: the token's public key of zsk-1 is not the key set's; it "
        "signs nothing until\n"
        "      that is so\n"
        "\n"
        "ZONE  STATE     RELEASED    INPUT  VOTES  AGE  PENDING     CONTENT   SIGNED    FIRST "
        "EXPIRY\n"
        "ch.   released  2026112104  77     2/3 x  42s  2026112106  9f9f9f9f  51515151  10d 8h\n"
        "      pending: one more vote\n"
        "      sin DIVERGED since 2026-11-21T19:37:07Z in serial 2026112105, class N: example.ch. "
        "NSEC\n"
        "      input 7 PARKED at zrh since 2026-11-21T19:39:07Z: 12 % fewer records\n"
        "\n"
        "! ch. diverged at sin since 2026-11-21T19:37:07Z: class N of serial 2026112105\n"
        "! sjc: not heard for 47s\n"
        "! no coordinator leads: nothing new is released; start one of zrh-lead, sjc-lead\n"
        "! ch. input parked at zrh: 12 % fewer records\n"
        "\033[31mCRITICAL\033[0m  quorum 2/3, DIVERGENCE, first signature expires "
        "2026-12-02T03:40:07Z (in 10d 8h)\n";
    struct csn_status status = {0};
    fill(&status, NOW);
    spoil(&status);
    status.leader = NULL;
    status.may_lead = "zrh-lead, sjc-lead";
    csn_status_judge(&status);
    char *text = table_of(&status, true);
    assert_string_equal(text, expected);
    free(text);
    csn_status_fini(&status);
}

static void test_a_coordinators_own_row_is_no_alarm(void **state)
{
    (void)state;
    struct csn_status status = {0};
    fill(&status, NOW);
    struct csn_status_site *row = csn_status_add_site(&status);
    row->name = "zrh-lead";
    row->role = "coordinator";
    row->state = "standing by";
    row->has_last_seen = true;
    csn_status_judge(&status);
    char *text = table_of(&status, false);
    assert_non_null(strstr(text, "\nzrh-lead  coordinator  standing by  0.0s "));
    assert_non_null(strstr(text, "\nOK  quorum 3/3"));
    free(text);
    csn_status_fini(&status);
}

/* Reports carry whole seconds: no more is shown than they tell. */
static void test_a_clock_is_shown_in_seconds(void **state)
{
    (void)state;
    static const struct {
        int64_t offset_s;
        const char *shown;
    } rows[] = {{0, "0.4s  <2s "}, {1, "0.4s  <2s "}, {-1, "0.4s  <2s "}, {2, "0.4s  +2s "}, {-61, "0.4s  -61s "}, {86400, "0.4s  +86400s "}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_status status = {0};
        fill(&status, NOW);
        status.sites[1]->clock_offset_us = rows[i].offset_s * 1000000;
        char *text = table_of(&status, false);
        assert_non_null(strstr(text, rows[i].shown));
        free(text);
        csn_status_fini(&status);
    }
}

static void test_nothing_released_and_nothing_known_yet(void **state)
{
    (void)state;
    struct csn_status status = {0};
    fill(&status, NOW);
    status.zones[0]->has_released = false;
    status.zones[0]->state = "none";
    for (size_t i = 0; i < 3; i++) {
        status.sites[i]->hsm = NULL;
        status.sites[i]->has_last_seen = status.sites[i]->has_clock_offset = false;
        status.sites[i]->released_count = 0;
    }
    csn_status_judge(&status);
    char *text = table_of(&status, false);
    assert_non_null(strstr(text, "zrh   signer *  ok     never  -      -    -\n"));
    assert_non_null(
        strstr(text, "ch.   NONE   -         -      -      -    -        -        -       -\n"));
    assert_non_null(strstr(text, "DEGRADED  quorum 3/3, no divergence\n"));
    free(text);
    csn_status_fini(&status);
}

/* An input that waits for others stands in PENDING; a generation is shown where one was raised. */
static void test_a_waiting_input_is_pending(void **state)
{
    (void)state;
    struct csn_status status = {0};
    fill(&status, NOW);
    struct csn_status_zone *zone = status.zones[0];
    zone->input.generation = 2;
    zone->has_pending_input = true;
    zone->pending_input = (struct csn_status_input){.generation = 1, .serial = 78};
    zone->waiting_for = "input 78 here, confirmed by 1 sites, 2 needed";
    char *text = table_of(&status, false);
    assert_non_null(strstr(text, "ch.   released  2026112104  2:77   3/3    42s  input 78  9f"));
    assert_non_null(strstr(text, "\n      pending: input 78 here, confirmed by 1 sites, 2 needed\n"));
    free(text);
    csn_status_fini(&status);
}

/* What another site has parked has no serial here. */
static void test_an_input_parked_elsewhere_is_named_with_its_site(void **state)
{
    (void)state;
    struct csn_status status = {0};
    fill(&status, NOW);
    struct csn_status_parked parked = {.site = "sin",
                                       .reason = "fewer records (ask that site for the reason)",
                                       .since_s = NOW - 60};
    assert_true(csn_status_add_parked(&status, status.zones[0], &parked));
    csn_status_judge(&status);
    char *text = table_of(&status, false);
    assert_non_null(strstr(text,
                           "\n      input PARKED at sin since 2026-11-21T19:39:07Z: fewer records "
                           "(ask that site for the reason)\n"));
    assert_non_null(strstr(text,
                           "\n! ch. input parked at sin: fewer records (ask that site for the "
                           "reason)\nDEGRADED  "));
    free(text);
    csn_status_fini(&status);
}

/* Many zones: a site's column counts those at the newest release. No line passes the last column,
 * and no control character of a daemon reaches the terminal. */
static void test_many_zones_and_wild_texts_fit(void **state)
{
    (void)state;
    struct csn_status status = {0};
    fill(&status, NOW);
    add_zone(&status, "li.", 2026112102);
    csn_status_add_released(&status, status.sites[0], "li.", 2026112102);
    csn_status_add_released(&status, status.sites[1], "li.", 2026112101);
    char wild[400];
    memset(wild, 'x', sizeof(wild) - 1);
    wild[sizeof(wild) - 1] = '\0';
    memcpy(wild + 20, " a\033[2Jb\n", 8);
    status.sites[2]->error = wild;
    csn_status_judge(&status);
    char *text = table_of(&status, false);
    assert_non_null(strstr(text, "2/2 zones\n"));
    assert_non_null(strstr(text, "1/2 zones\n"));
    assert_null(strchr(text, '\033'));
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_true(strchr(line, '\n') - line <= CSN_CTL_COLUMNS);
    }
    free(text);
    csn_status_fini(&status);
}

/* Each site by what it has itself, the first of its zones; a site of which nothing is known shows none. */
static void test_how_long_each_site_can_serve_is_shown(void **state)
{
    (void)state;
    struct csn_status status = {0};
    fill(&status, NOW);
    add_zone(&status, "li.", 2026112102);
    const struct csn_status_serving rows[] = {
        {.site = "zrh", .serial = 2026112104, .first_expiry_s = NOW + 10 * 86400, .fence_s = NOW + 7 * 86400},
        {.site = "sjc", .serial = 2026112103, .first_expiry_s = NOW + 3600, .fence_s = NOW - 1},
        {.site = "sin", .serial = 2026112001}};
    for (size_t i = 0; i < 3; i++) {
        assert_true(csn_status_add_serving(&status, status.zones[0], &rows[i]));
    }
    struct csn_status_serving other = {.site = "zrh", .serial = 7, .first_expiry_s = NOW + 2 * 86400};
    assert_true(csn_status_add_serving(&status, status.zones[1], &other));
    status.zones[0]->soa_expire_s = 604800;
    csn_status_judge(&status);
    char *text = table_of(&status, false);
    assert_non_null(strstr(text, "RELEASED   SERVES FOR\n"));
    assert_non_null(strstr(text, "  2d 0h\n"));
    assert_non_null(strstr(text, "  1h 00m\n"));
    assert_non_null(strstr(text, "  -\n"));
    free(text);
    size_t size;
    FILE *out = open_memstream(&text, &size);
    csn_ctl_json_status(out, &status);
    fclose(out);
    json_t *json = json_loads(text, 0, NULL);
    json_t *zone = json_array_get(json_object_get(json, "zones"), 0);
    json_t *serving = json_object_get(zone, "serving");
    assert_int_equal(json_array_size(serving), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(serving, 1), "left_s")), 3600);
    assert_string_equal(json_string_value(json_object_get(json_array_get(serving, 0), "fence")), "2026-11-28T19:40:07Z");
    assert_true(json_is_null(json_object_get(json_array_get(serving, 2), "first_expiry")));
    assert_int_equal(json_integer_value(json_object_get(zone, "soa_expire_s")), 604800);
    json_decref(json);
    free(text);
    csn_status_fini(&status);
}

/* One line at the top, a number for a plug-in, rows in JSON. */
static void test_coordinators_are_shown_as_they_are_heard(void **state)
{
    (void)state;
    static const struct csn_status_coordinator rows[] = {
        {.name = "c1", .leads = true, .has_last_seen = true, .last_seen_ms = 400},
        {.name = "c2", .has_last_seen = true, .last_seen_ms = 1900},
        {.name = "c3", .is_missing = true, .has_last_seen = true, .last_seen_ms = 83000},
        {.name = "c4", .is_missing = true},
        {.name = "c5"}};
    struct csn_status status = {0};
    fill(&status, NOW);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(csn_status_add_coordinator(&status, &rows[i]));
    }
    assert_true(csn_status_add_counter(&status, "xfr_refused", 7));
    status.store_used = 5;
    status.store_limit = 16;
    csn_status_judge(&status);
    char *text = table_of(&status, false);
    assert_non_null(strstr(text, "19:40:07Z\ncoordinators c1 leads, c2 heard, c3 NOT HEARD for 1m 23s, c4 NOT HEARD yet, c5 awaited\n\n"));
    free(text);
    size_t size;
    FILE *out = open_memstream(&text, &size);
    csn_ctl_line_health(out, &status);
    fclose(out);
    assert_non_null(strstr(text, " | sites=3 quorum=2 diverged=0 parked=0 stale=0 coordinators=3 store=31% expiry="));
    free(text);
    out = open_memstream(&text, &size);
    csn_ctl_json_status(out, &status);
    fclose(out);
    json_t *json = json_loads(text, 0, NULL);
    json_t *shown = json_object_get(json, "coordinators"), *gone = json_array_get(shown, 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "counters"), "xfr_refused")), 7);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "store"), "limit")), 16);
    assert_int_equal(json_array_size(shown), 5);
    assert_string_equal(json_string_value(json_object_get(gone, "name")), "c3");
    assert_true(json_is_true(json_object_get(gone, "missing")));
    assert_int_equal(json_integer_value(json_object_get(gone, "last_seen_ms")), 83000);
    assert_true(json_is_null(json_object_get(json_array_get(shown, 3), "last_seen_ms")));
    assert_true(json_is_true(json_object_get(json_array_get(shown, 0), "leads")));
    json_decref(json);
    free(text);
    csn_status_fini(&status);
}

/* Of many zones one, or those that are not well; the verdict stays that of all. */
static void test_zones_are_picked(void **state)
{
    (void)state;
    static const struct {
        const char *zone;
        bool is_not_well;
        uint32_t shown;
        const char *line; /* NULL: none at the end */
    } rows[] = {{NULL, false, 3, NULL},         {"li", false, 1, "1 of 3 zones"}, {"li.", false, 1, "1 of 3 zones"},
                {"l", false, 0, "0 of 3 zones"}, {NULL, true, 1, "1 of 3 zones"},  {"ch.", true, 0, "0 of 3 zones"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_status status = {0};
        fill(&status, NOW);
        add_zone(&status, "li.", 2026112102);
        add_zone(&status, "nu.", 2026112117)->state = "none";
        status.zones[2]->has_released = false;
        csn_status_add_released(&status, status.sites[0], "li.", 2026112102);
        csn_status_judge(&status);
        assert_int_equal(csn_ctl_select(&status, rows[i].zone, rows[i].is_not_well), rows[i].shown);
        char *text = table_of(&status, false);
        assert_int_equal(rows[i].line != NULL, strstr(text, " of 3 zones\n\n") != NULL);
        assert_true(rows[i].line == NULL || strstr(text, rows[i].line) != NULL);
        assert_int_equal(strstr(text, "\nnu.") != NULL, rows[i].zone == NULL);
        assert_int_equal(strstr(text, "  2026112102\n") != NULL, rows[i].zone != NULL && rows[i].shown == 1 && !rows[i].is_not_well);
        assert_non_null(strstr(text, "! nu. has no release yet"));
        free(text);
        csn_status_fini(&status);
    }
}

static void test_one_who_watches_gets_lines_or_a_new_page(void **state)
{
    (void)state;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_true(csn_ctl_put_again(out, "{\n  \"a\": [\n    1,\n    \"b  c\"\n  ]\n}\n", false));
    assert_true(csn_ctl_put_again(out, "page\n", true));
    fclose(out);
    assert_string_equal(text, "{\"a\": [1,\"b  c\"]}\n\033[H\033[2Jpage\n");
    free(text);
}

/* What is only at either side apart, and what is said about it apart from both. */
static void test_lines_of_a_daemon_are_a_document_in_json(void **state)
{
    (void)state;
    static const char diff_lines[] = "# class D\n- a.ch. 60 IN TXT \"x\"\n+ a.ch. 60 IN TXT \"y\"\n+ b.ch. 60 IN A 192.0.2.1\n";
    struct csn_control_diff diff = {.zone = "ch.", .first = "zrh", .second = "sin", .serial = 7};
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    csn_ctl_json_diff(out, &diff, csn_bytes((const uint8_t *)diff_lines, strlen(diff_lines)), NOW);
    fclose(out);
    json_t *json = parsed(text);
    assert_true(json_is_false(json_object_get(json, "equal")));
    assert_int_equal(json_array_size(json_object_get(json, "notes")), 1);
    json_t *second = json_object_get(json_object_get(json, "second"), "only");
    assert_int_equal(json_array_size(second), 2);
    assert_string_equal(json_string_value(json_array_get(second, 1)), "b.ch. 60 IN A 192.0.2.1");
    json_decref(json);
    out = open_memstream(&text, &size);
    struct csn_membership membership = {.epoch = 2, .quorum = 2, .is_unconfirmed = true, .next_epoch = 3,
                                        .change = "  5 fra, signer, incarnation 1\n"};
    memset(membership.document.octets, 0x84, CSN_DIGEST_SIZE);
    csn_membership_add(&membership, &(struct csn_membership_row){1, "zrh", "signer", 1});
    csn_membership_add(&membership, &(struct csn_membership_row){4, "gru, the \"second\"", "verifier", 2});
    csn_ctl_json_membership(out, &membership, NOW);
    csn_membership_fini(&membership);
    fclose(out);
    json = parsed(text);
    assert_int_equal(json_integer_value(json_object_get(json, "epoch")), 2);
    assert_int_equal(strlen(json_string_value(json_object_get(json, "document"))), 96);
    assert_int_equal(json_integer_value(json_object_get(json, "next_epoch")), 3);
    assert_true(json_is_null(json_object_get(json, "emergency_until")));
    assert_true(json_is_false(json_object_get(json, "confirmed")));
    assert_int_equal(json_array_size(json_object_get(json, "members")), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(json, "members"), 1), "role")), "verifier");
    assert_int_equal(json_array_size(json_object_get(json, "notes")), 3);
    json_decref(json);
    out = open_memstream(&text, &size);
    csn_ctl_json_reports(out, "ch.", NULL, csn_bytes((const uint8_t *)"b.txt\na.txt\n", 12), NOW);
    fclose(out);
    json = parsed(text);
    assert_int_equal(json_array_size(json_object_get(json, "reports")), 2);
    json_decref(json);
}

static char *explained(const struct csn_explanation *explanation, bool is_whole, size_t columns)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    csn_ctl_table_explanation(&(struct csn_ctl_page){.out = out, .columns = columns}, explanation, is_whole);
    fclose(out);
    return text;
}

static void fill_explanation(struct csn_explanation *explanation)
{
    static const uint8_t octets[] = {1, 2, 3};
    *explanation = (struct csn_explanation){
        .zone = "ch.", .observed_from = "zrh", .observed_at_s = NOW, .state = "round", .text = "serial 8 is proposed"};
    csn_explanation_vote(explanation, &(struct csn_explained_vote){.site = "zrh", .vote = "voted", .has_released = true,
                                                                   .released = 7, .first_expiry_s = NOW + 86400, .fence_s = NOW + 3600});
    csn_explanation_vote(explanation, &(struct csn_explained_vote){.site = "sin", .vote = "missing", .why = "not heard for 9s"});
    csn_explanation_next(explanation, "one more vote makes it certain", 0);
    csn_explanation_next(explanation, "the deadline", NOW + 130);
    csn_explanation_may(explanation, "bring sin back", "consignctl maintenance on sin");
    struct csn_explained_refusal refusal = {.site = "sjc", .rule = 2, .test = 22, .question = "policy approved here",
                                            .want = "here version 1", .is = "in the round version 2", .next = "put the same file",
                                            .round = "7.1.42", .count = 3, .first_s = NOW - 60, .last_s = NOW - 1, .incarnation = 1,
                                            .body = csn_bytes(octets, 3), .signature = csn_bytes(octets, 2)};
    memset(refusal.hash.octets, 0x9f, CSN_DIGEST_SIZE);
    csn_explanation_refusal(explanation, &refusal);
}

static void test_an_explanation_is_shown_as_a_page(void **state)
{
    (void)state;
    static const char expected[] =
        "zone ch.   round   observed from zrh 2026-11-21T19:40:07Z\n"
        "serial 8 is proposed\n"
        "\n"
        "SITE  RELEASED    SERVES FOR  TO FENCE   STATE\n"
        "zrh   7           1d 0h       1h 00m     voted\n"
        "sin   -           -           -          missing\n"
        "      not heard for 9s\n"
        "\n"
        "REFUSALS (kept, also of what is over)\n"
        "  sjc refused (R2, 22): policy approved here? here version 1, in the round version 2\n"
        "      3 proposals, first 2026-11-21T19:39:07Z, last 2026-11-21T19:40:06Z in round 7.1.42 (proposal 9f9f9f9f)\n"
        "      put the same file\n"
        "\n"
        "NEXT, BY ITSELF\n"
        "  one more vote makes it certain\n"
        "  2026-11-21T19:42:17Z (in 2m 10s): the deadline\n"
        "\n"
        "AN OPERATOR MAY\n"
        "  bring sin back\n"
        "      consignctl maintenance on sin\n";
    struct csn_explanation explanation;
    fill_explanation(&explanation);
    char *whole = explained(&explanation, true, CSN_CTL_COLUMNS), *part = explained(&explanation, false, 0);
    assert_string_equal(whole, expected);
    assert_memory_equal(part, expected, strlen(part));
    assert_null(strstr(part, "REFUSALS"));
    free(whole);
    free(part);
    csn_explanation_fini(&explanation);
}

static void test_an_explanation_in_json_has_the_statements(void **state)
{
    (void)state;
    struct csn_explanation explanation;
    char *text;
    size_t size;
    fill_explanation(&explanation);
    FILE *out = open_memstream(&text, &size);
    csn_ctl_json_explanation(out, &explanation);
    fclose(out);
    json_t *json = json_loads(text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json, "state")), "round");
    json_t *refusal = json_array_get(json_object_get(json, "refusals"), 0);
    assert_string_equal(json_string_value(json_object_get(refusal, "statement")), "010203");
    assert_string_equal(json_string_value(json_object_get(refusal, "signature")), "0102");
    assert_int_equal(json_integer_value(json_object_get(refusal, "count")), 3);
    assert_int_equal(json_array_size(json_object_get(json, "sites")), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(json, "next"), 1), "at")),
                        "2026-11-21T19:42:17Z");
    json_decref(json);
    free(text);
    csn_explanation_fini(&explanation);
}

/* What reads a pipe - grep, a test - must find each text in one line. */
static void test_nothing_is_folded_where_no_terminal_is(void **state)
{
    (void)state;
    struct csn_status status = {0};
    char *text, longer[300];
    size_t size;
    memset(longer, 'y', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    longer[60] = longer[200] = ' ';
    fill(&status, NOW);
    status.sites[2]->error = longer;
    csn_status_judge(&status);
    FILE *out = open_memstream(&text, &size);
    csn_ctl_table_status(&(struct csn_ctl_page){.out = out}, &status);
    fclose(out);
    assert_non_null(strstr(text, longer));
    free(text);
    csn_status_fini(&status);
}

static void test_health_is_one_line_for_plug_ins(void **state)
{
    (void)state;
    static const char expected[] =
        "CONSIGN CRITICAL - ch. diverged at sin since 2026-11-21T19:37:07Z: class N of serial "
        "2026112105; "
        "sjc: not heard for 47s; a/b; ch. input parked at zrh: 12 % fewer records; "
        "quorum 2/3, DIVERGENCE, first signature expires 2026-12-02T03:40:07Z (in 10d 8h)"
        " | sites=2 quorum=2 diverged=1 parked=1 stale=0 expiry=892800s\n";
    struct csn_status status = {0};
    char *text;
    size_t size;
    fill(&status, NOW);
    spoil(&status);
    csn_status_judge(&status);
    status.reasons[3] = status.reasons[2];
    status.reasons[2] = "a|b";
    status.reason_count = 4;
    FILE *out = open_memstream(&text, &size);
    csn_ctl_line_health(out, &status);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
    csn_status_fini(&status);
}

static void test_a_stale_picture_is_not_judged(void **state)
{
    (void)state;
    static const struct {
        int64_t off_s;
        enum csn_health level;
    } rows[] = {{0, CSN_HEALTH_OK},
                {CSN_CTL_STALE_S, CSN_HEALTH_OK},
                {CSN_CTL_STALE_S + 1, CSN_HEALTH_UNKNOWN},
                {-CSN_CTL_STALE_S - 1, CSN_HEALTH_UNKNOWN}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_status status = {0};
        fill(&status, NOW);
        csn_ctl_doubt(&status, (uint64_t)((int64_t)NOW + rows[i].off_s));
        assert_int_equal(status.level, rows[i].level);
        csn_status_fini(&status);
    }
}

static void test_json_has_what_every_document_has_and_silent_sites(void **state)
{
    (void)state;
    struct csn_status status = {0};
    char *text;
    size_t size;
    fill(&status, NOW);
    spoil(&status);
    status.sites[0]->hsm = "\xff\x01";
    status.zones[0]->has_pending_input = true;
    status.zones[0]->pending_input.serial = 78;
    csn_status_judge(&status);
    FILE *out = open_memstream(&text, &size);
    csn_ctl_json_status(out, &status);
    fclose(out);
    json_t *json = parsed(text);
    const char *at, *from, *verdict, *silent, *content, *classes, *hsm;
    int schema, level, serial, input, pending;
    const char *parked_at;
    json_t *never, *waiting, *rtt;
    assert_int_equal(
        json_unpack(json,
                    "{s:i, s:s, s:s, s:{s:i, s:s}, s:[{s:s}, {s:s, s:o, s:o, s:{s:i}}], "
                    "s:[{s:s, s:i, s:o, s:{s:i}, s:{s:i}, s:[{s:s}], s:[{s:s}]}]}",
                    "schema", &schema, "observed_at", &at, "observed_from", &from, "health",
                    "level", &level, "verdict", &verdict, "sites", "hsm", &hsm, "error", &silent,
                    "last_seen_ms", &never, "rtt_us", &rtt, "released", "ch.", &serial, "zones",
                    "content_root", &content, "pending", &level, "waiting_for", &waiting, "input",
                    "serial", &input, "pending_input", "serial", &pending, "parked", "site",
                    &parked_at, "diverged", "classes", &classes),
        0);
    assert_int_equal(schema, CSN_CTL_SCHEMA);
    assert_string_equal(at, "2026-11-21T19:40:07Z");
    assert_string_equal(from, "zrh");
    assert_string_equal(verdict, "critical");
    assert_string_equal(silent, "not heard for 47s");
    assert_string_equal(hsm, "??");
    assert_true(json_is_null(never));
    assert_true(json_is_null(rtt)); /* a field of schema 1 that stays */
    assert_int_equal(input, 77);
    assert_int_equal(pending, 78);
    assert_string_equal(parked_at, "zrh");
    assert_int_equal(serial, 2026112104);
    assert_int_equal(strlen(content), 2 * CSN_DIGEST_SIZE);
    assert_string_equal(classes, "N");
    json_decref(json);
    csn_status_fini(&status);
}

static void add_order(struct csn_status *status, const char *order, const char *site,
                      uint64_t number)
{
    struct csn_status_order row = {.order = order,
                                   .site = site,
                                   .operator = "duty",
                                   .reason = "new disks",
                                   .number = number,
                                   .generation = strcmp(order, "generation") == 0 ? 2 : 0};
    assert_true(csn_status_add_order(status, status->zones[0], &row));
}

static void test_orders_stand_under_their_zone_until_they_are_taken_back(void **state)
{
    (void)state;
    struct csn_status status = {0};
    char *text;
    size_t size;
    fill(&status, NOW);
    status.sites[2]->state = "unreachable";
    status.sites[2]->is_in_maintenance = true;
    status.zones[0]->orders_known = 1;
    add_order(&status, CSN_STATUS_HOLD, NULL, NOW * 1000000 + 999999);
    add_order(&status, CSN_STATUS_MAINTENANCE, "sin", NOW * 1000000);
    add_order(&status, "maintenance off", NULL, NOW * 1000000);
    add_order(&status, "generation", NULL, NOW * 1000000);
    text = table_of(&status, false);
    assert_non_null(strstr(text, "\n      HELD by duty since 2026-11-21T19:40:07Z: new disks (known "
                                 "at 1 of 3 sites, not in force yet)\n"));
    assert_non_null(strstr(text, "\n      MAINTENANCE of sin by duty since"));
    assert_null(strstr(text, "MAINTENANCE by"));
    assert_non_null(strstr(text, "sin   signer    UNREACHABLE (maintenance)  "));
    free(text);
    status.zones[0]->orders_known = 2;
    text = table_of(&status, false);
    assert_non_null(strstr(text, "new disks (known at 2 of 3 sites, in force)\n"));
    free(text);
    FILE *out = open_memstream(&text, &size);
    csn_ctl_json_status(out, &status);
    fclose(out);
    json_t *json = parsed(text);
    json_t *zone = json_array_get(json_object_get(json, "zones"), 0);
    json_t *orders = json_object_get(zone, "orders"), *hold = json_array_get(orders, 0);
    assert_int_equal(json_array_size(orders), 4);
    assert_string_equal(json_string_value(json_object_get(hold, "operator")), "duty");
    assert_true(json_integer_value(json_object_get(hold, "number")) == NOW * 1000000 + 999999);
    assert_true(json_is_true(json_object_get(hold, "in_force")));
    assert_true(json_is_null(json_object_get(hold, "generation")));
    assert_true(json_is_true(json_object_get(
        json_array_get(json_object_get(json, "sites"), 2), "maintenance")));
    json_decref(json);
    csn_status_fini(&status);
}

/* A roll-out goes site by site: which site has which is told, without a verdict. */
static void test_documents_of_each_site_are_named(void **state)
{
    (void)state;
    static const struct {
        struct csn_status_documents sites[3];
        const char *line;
    } rows[] = {
        {{{"zrh", 3, 1, 5, 2}, {"sjc", 3, 1, 5, 2}, {"sin", 3, 1, 5, 2}},
         "\n      policy 3, key set 5 at zrh, sjc, sin\n"},
        {{{"zrh", 3, 1, 5, 2}, {"sjc", 4, 9, 5, 2}, {"sin", 3, 1, 5, 2}},
         "\n      policy 3, key set 5 at zrh, sin; policy 4, key set 5 at sjc\n"},
        {{{"zrh", 3, 1, 5, 2}, {"sjc", 3, 1, 5, 2}, {"sin", 3, 1, 5, 0xabc}},
         "\n      policy 3, key set 5 (contents 00000001, 00000002) at zrh, sjc; "
         "policy 3, key set 5 (contents 00000001,\n      00000abc) at sin\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_status status = {0};
        fill(&status, NOW);
        for (size_t j = 0; j < 3; j++) {
            assert_true(csn_status_add_documents(&status, status.zones[0], &rows[i].sites[j]));
        }
        csn_status_judge(&status);
        char *text = table_of(&status, false);
        if (strstr(text, rows[i].line) == NULL) {
            fail_msg("row %zu: no '%s' in: %s", i, rows[i].line, text);
        }
        assert_int_equal(status.level, CSN_HEALTH_OK);
        free(text);
        size_t size;
        FILE *out = open_memstream(&text, &size);
        csn_ctl_json_status(out, &status);
        fclose(out);
        json_t *json = parsed(text);
        const char *site, *head;
        int policy, keyset;
        assert_int_equal(json_unpack(json, "{s:[{s:[{s:s, s:{s:i, s:s}, s:{s:i}}]}]}", "zones",
                                     "documents", "site", &site, "policy", "version", &policy,
                                     "digest", &head, "keyset", "version", &keyset),
                         0);
        assert_string_equal(site, "zrh");
        assert_string_equal(head, "00000001");
        assert_int_equal(policy, 3);
        assert_int_equal(keyset, 5);
        json_decref(json);
        csn_status_fini(&status);
    }
}

/* What allows needs a quorum, what forbids leaves none: 4 of 5 is where they differ. */
static void test_orders_are_in_force_where_they_can_be_kept(void **state)
{
    (void)state;
    struct csn_status status = {.members = 5, .quorum = 4};
    assert_int_equal(csn_status_needed(&status, CSN_STATUS_HOLD), 2);
    assert_int_equal(csn_status_needed(&status, CSN_STATUS_MAINTENANCE), 2);
    assert_int_equal(csn_status_needed(&status, "reject"), 2);
    assert_int_equal(csn_status_needed(&status, "resume"), 4);
    assert_int_equal(csn_status_needed(&status, "approve"), 4);
    assert_int_equal(csn_status_needed(&status, "generation"), 4);
}

/* --- the program against a server */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_well_in_a_table),
        cmocka_unit_test(test_a_bad_night_in_a_table),
        cmocka_unit_test(test_a_coordinators_own_row_is_no_alarm),
        cmocka_unit_test(test_a_clock_is_shown_in_seconds),
        cmocka_unit_test(test_nothing_released_and_nothing_known_yet),
        cmocka_unit_test(test_a_waiting_input_is_pending),
        cmocka_unit_test(test_an_input_parked_elsewhere_is_named_with_its_site),
        cmocka_unit_test(test_orders_stand_under_their_zone_until_they_are_taken_back),
        cmocka_unit_test(test_orders_are_in_force_where_they_can_be_kept),
        cmocka_unit_test(test_documents_of_each_site_are_named),
        cmocka_unit_test(test_many_zones_and_wild_texts_fit),
        cmocka_unit_test(test_nothing_is_folded_where_no_terminal_is),
        cmocka_unit_test(test_how_long_each_site_can_serve_is_shown),
        cmocka_unit_test(test_coordinators_are_shown_as_they_are_heard),
        cmocka_unit_test(test_zones_are_picked),
        cmocka_unit_test(test_one_who_watches_gets_lines_or_a_new_page),
        cmocka_unit_test(test_lines_of_a_daemon_are_a_document_in_json),
        cmocka_unit_test(test_an_explanation_is_shown_as_a_page),
        cmocka_unit_test(test_an_explanation_in_json_has_the_statements),
        cmocka_unit_test(test_health_is_one_line_for_plug_ins),
        cmocka_unit_test(test_a_stale_picture_is_not_judged),
        cmocka_unit_test(test_json_has_what_every_document_has_and_silent_sites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
