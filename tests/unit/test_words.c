/* Goal: an operator who reads a log line or a verdict understands what a site did or refused, and
 * what to do next. Method: exact texts of records of every shape; every kind and every test, none
 * without its words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "refusal.h"
#include "round/leader.h"
#include "round/tests.h"
#include "trace.h"

static const struct csn_round round_at = {.term = {.counter = 7, .coordinator = 2}, .seq = 42};

static void test_a_record_says_what_means_something_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        uint8_t what, from, to, rule, test;
        uint16_t site;
        uint64_t number;
        const char *text;
    } rows[] = {
        {.what = CSN_TRACE_RELEASED,
         .number = 2026112104,
         .text = "released zone ch. round 7.2.42 serial 2026112104 root 5151515151515151"},
        {.what = CSN_TRACE_ADOPT,
         .from = CSN_ADOPT_CURRENT,
         .to = CSN_ADOPT_RELEASING,
         .text = "adopt zone ch. round 7.2.42 from current to releasing"},
        {.what = CSN_TRACE_WORK,
         .from = CSN_WORK_VOTING,
         .to = CSN_WORK_HELD,
         .text = "work zone ch. round 7.2.42 proposal 5151515151515151 from voting to held"},
        {.what = CSN_TRACE_LEADER,
         .from = CSN_LEADER_LISTENING,
         .to = CSN_LEADER_ASKING,
         .text = "leader term 7.2 from listening to asking"},
        {.what = CSN_TRACE_PROMISED, .text = "promised term 7.2"},
        {.what = CSN_TRACE_ABANDONED,
         .number = CSN_ROUND_END_DISAGREED,
         .text = "abandoned zone ch. round 7.2.42 proposal 5151515151515151: no quorum computed "
                 "the same content"},
        {.what = CSN_TRACE_DIVERGED,
         .number = CSN_CLASS_BIT_D | CSN_CLASS_BIT_N,
         .text = "diverged zone ch. proposal 5151515151515151 classes DN"},
        {.what = CSN_TRACE_AUTHOR_OUT, .site = 3, .text = "author-out zone ch. site 3"},
        {.what = CSN_TRACE_NO_AUTHORS, .text = "no-authors zone ch."},
        {.what = CSN_TRACE_REFUSED,
         .rule = 2,
         .test = CSN_TEST_POLICY_HERE,
         .text = "refused zone ch. proposal 5151515151515151 rule R2 test 22: policy approved "
                 "here?"},
        {.what = CSN_TRACE_HALTED,
         .number = CSN_HALT_PERSIST,
         .text = "halted: a vote could not be made durable"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[CSN_TRACE_TEXT_SIZE];
        struct csn_trace trace = {.what = rows[i].what,
                                  .from = rows[i].from,
                                  .to = rows[i].to,
                                  .rule = rows[i].rule,
                                  .test = rows[i].test,
                                  .site = rows[i].site,
                                  .number = rows[i].number,
                                  .round = round_at};
        memset(trace.digest.octets, 0x51, sizeof(trace.digest.octets));
        csn_trace_write(&trace, "ch.", text);
        assert_string_equal(text, rows[i].text);
    }
}

/* Every kind begins with its word; a number that is nothing's does no harm; a long zone is cut. */
static void test_every_kind_is_written_whatever_its_fields_hold(void **state)
{
    (void)state;
    static const enum csn_trace_kind kinds[] = {
#define KIND(name, text) CSN_TRACE_##name,
        CSN_TRACES(KIND)
#undef KIND
    };
    char zone[2 * CSN_TRACE_TEXT_SIZE];
    memset(zone, 'x', sizeof(zone) - 1);
    zone[sizeof(zone) - 1] = '\0';
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char text[CSN_TRACE_TEXT_SIZE];
        const char *word = csn_trace_text(kinds[i]);
        struct csn_trace trace = {.what = (uint8_t)kinds[i],
                                  .from = UINT8_MAX,
                                  .to = UINT8_MAX,
                                  .test = UINT8_MAX,
                                  .number = UINT64_MAX};
        csn_trace_write(&trace, NULL, text);
        assert_memory_equal(text, word, strlen(word));
        assert_null(strstr(text, "zone"));
        csn_trace_write(&trace, zone, text);
        assert_true(strlen(text) < CSN_TRACE_TEXT_SIZE);
    }
}

static void expect(uint8_t rule, uint8_t test, struct csn_value want, struct csn_value is,
                   const char *expected)
{
    char text[CSN_REFUSAL_TEXT_SIZE];
    struct csn_refusal refusal = {
        .is_set = true, .rule = rule, .test = test, .want = want, .is = is};
    csn_refusal_write(&refusal, text);
    assert_string_equal(text, expected);
}

static void test_a_refusal_names_rule_values_and_next_step(void **state)
{
    (void)state;
    struct csn_digest digest, other;
    memset(digest.octets, 0x1a, sizeof(digest.octets));
    memset(other.octets, 0x2b, sizeof(other.octets));
    expect(2, CSN_TEST_POLICY_HERE, csn_value_u64(1), csn_value_u64(2),
           "refused (R2, 22): policy approved here? here version 1, in the round version 2; put "
           "the same policy file at the site that refused and restart it");
    expect(2, CSN_TEST_KEYSET_HERE, csn_value_u64(3), csn_value_u64(3),
           "refused (R2, 23): key set approved here? here version 3, in the round version 3 with "
           "other content; put the same key set file at the site that refused and restart it");
    expect(
        4, CSN_TEST_CLOCK, csn_value_u64(1795290007), csn_value_u64(1795290127),
        "refused (R4, 17): T at most 60 s ahead of the clock? at most 2026-11-21T19:40:07Z, in the "
        "round 2026-11-21T19:42:07Z; check the clock (NTP) at the site that refused, then at the others");
    expect(
        2, CSN_TEST_INPUT, csn_value_u64(UINT64_C(1) << 32 | 9),
        csn_value_u64(UINT64_C(1) << 32 | 5),
        "refused (R2, 8): input at or after the floor's? here generation 1 serial 9, in the round "
        "generation 1 serial 5; put one and the same file with a higher serial at all sites");
    expect(2, CSN_TEST_INPUT_CONFLICT, csn_value_digest(&digest), csn_value_digest(&other),
           "refused (R2, 25): own source has the same content under this serial? here D "
           "1a1a1a1a1a1a1a1a, in the round D 2b2b2b2b2b2b2b2b; compare the files at the sites; put one and the same file "
           "with a higher serial at all sites");
    expect(2, CSN_TEST_PARENT, csn_value_round(round_at), csn_value_round((struct csn_round){0}),
           "refused (R2, 26): parent is the newest certificate? newest here round 7.2.42, the "
           "parent's round 0.0.0; nothing to do: the coordinator hears of it and proposes another "
           "round");
    expect(3, CSN_TEST_COMPUTE, csn_value_u64(0), csn_value_u64((uint64_t)(int64_t)CSN_EFORMAT),
           "refused (R3, 29): content can be computed? error malformed; see round.failed in the "
           "log of the site that refused");
    expect(3, CSN_TEST_SHARE, csn_value_u64(2), csn_value_u64(0),
           "refused (R3, 32): shares of the authors are at hand? author site 2; check that the "
           "site that refused reaches that site's bulk address");
    expect(2, 200, csn_value_u64(0), csn_value_u64(0),
           "refused (R2, 200): ?; see docs/PROTOCOL.md, 6");
}

/* Whatever sizes the values have: the words never run over. */
static void test_every_refusal_has_a_next_step(void **state)
{
    (void)state;
    static const uint8_t tests[] = {
#define TEST(name, number, text) number,
        CSN_TESTS(TEST)
#undef TEST
    };
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        for (uint8_t size = 0; size <= CSN_VALUE_MAX; size++) {
            char text[CSN_REFUSAL_TEXT_SIZE];
            struct csn_refusal refusal = {.rule = 2, .test = tests[i], .want.size = size};
            memset(&refusal.want.octets, 0xff, sizeof(refusal.want.octets));
            refusal.is = refusal.want;
            csn_refusal_write(&refusal, text);
            assert_non_null(strstr(text, csn_test_text(tests[i])));
            const char *next = strstr(text, "; ");
            assert_non_null(next);
            assert_null(strstr(next, "PROTOCOL.md")); /* words[] has a row for it */
            assert_true(strlen(text) < CSN_REFUSAL_TEXT_SIZE - 1);
        }
    }
}

/* Log lines of this call, into `ret_text`. */
static size_t log_of(struct csn_dropped *dropped, enum csn_count_reason reason, char *ret_text, size_t size)
{
    const struct csn_log log = {.program = "test", .least = CSN_INFO};
    FILE *file = tmpfile();
    int old = dup(2);
    assert_true(dup2(fileno(file), 2) == 2);
    csn_dropped_count(dropped, reason, "/etc/consign/cluster.yaml", &log);
    assert_true(dup2(old, 2) == 2);
    close(old);
    rewind(file);
    size_t got = fread(ret_text, 1, size - 1, file);
    ret_text[got] = '\0';
    fclose(file);
    return got;
}

static void test_what_is_dropped_is_said_once_and_counted(void **state)
{
    (void)state;
    struct csn_dropped dropped = {{0}};
    char text[1024];
    assert_true(log_of(&dropped, CSN_COUNT_OLD_BOOT, text, sizeof(text)) > 0);
    assert_non_null(strstr(text, "old-boot"));
    assert_non_null(strstr(text, "/etc/consign/cluster.yaml"));
    assert_int_equal(log_of(&dropped, CSN_COUNT_OLD_BOOT, text, sizeof(text)), 0);
    assert_true(log_of(&dropped, CSN_COUNT_STRANGER, text, sizeof(text)) > 0);
    assert_int_equal(log_of(&dropped, CSN_COUNT_OLD, text, sizeof(text)), 0); /* healthy clusters have those */
    assert_int_equal(dropped.counts[CSN_COUNT_OLD_BOOT], 2);
    assert_int_equal(dropped.counts[CSN_COUNT_OLD], 1);
}

/* By its number, or, of another file of one number, by the release's digest. */
static void test_a_refusal_for_a_document_ends_when_that_is_put_right(void **state)
{
    (void)state;
    static const struct {
        uint64_t had, asked; /* of the refusal */
        uint32_t here;       /* now, with a digest of ones */
        uint32_t number;     /* the release's, with this digest; 0: nothing is released */
        uint8_t digest;
        bool is_mended;
    } rows[] = {{2, 1, 2, 0, 0, false}, {2, 1, 1, 0, 0, true},  {2, 1, 3, 0, 0, false}, {2, 1, 2, 1, 1, false}, {2, 1, 2, 2, 1, false},
                {1, 1, 1, 0, 0, false}, {1, 1, 1, 1, 1, true},  {1, 1, 1, 1, 2, false}, {1, 1, 2, 2, 1, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int is_policy = 0; is_policy < 2; is_policy++) {
            struct csn_refusal refusal = {.test = is_policy ? CSN_TEST_POLICY_HERE : CSN_TEST_KEYSET_HERE,
                                          .want = csn_value_u64(rows[i].had), .is = csn_value_u64(rows[i].asked)};
            struct csn_row row = {.policy.number = 99};
            struct csn_proposal released = {.policy.number = 98, .keyset.number = 97}; /* of the other document */
            struct csn_version_id *there = is_policy ? &released.policy : &released.keyset;
            *there = (struct csn_version_id){.number = rows[i].number, .digest.octets = {rows[i].digest}};
            *(is_policy ? &row.policy : &row.keyset) = (struct csn_version_id){.number = rows[i].here, .digest.octets = {1}};
            assert_int_equal(csn_refusal_is_mended(&refusal, &row, rows[i].number != 0 ? &released : NULL), rows[i].is_mended);
            assert_false(csn_refusal_is_mended(&refusal, NULL, &released));
            refusal.test = CSN_TEST_COMPUTE;
            assert_false(csn_refusal_is_mended(&refusal, &row, &released));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_says_what_means_something_and_nothing_else),
        cmocka_unit_test(test_every_kind_is_written_whatever_its_fields_hold),
        cmocka_unit_test(test_a_refusal_names_rule_values_and_next_step),
        cmocka_unit_test(test_every_refusal_has_a_next_step),
        cmocka_unit_test(test_a_refusal_for_a_document_ends_when_that_is_put_right),
        cmocka_unit_test(test_what_is_dropped_is_said_once_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
