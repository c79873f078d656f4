/* Goal: every statement comes back as it went out, and no other octets pass for one. Method: bodies
 * filled with distinct octets are encoded, decoded and encoded again; then every truncation, every
 * octet too many and chosen damage must be refused. */
#include "round/statement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t counter;

static void fill(void *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)data)[i] = counter++ & 0x7f; /* a term beyond 2^63 does not decode */
    }
}

static struct csn_round some_round(void)
{
    return (struct csn_round){.term = {.counter = 0x0102030405060708 + counter++, .coordinator = 7},
                              .seq = 9};
}

static void some_floor(struct csn_floor *floor)
{
    fill(floor, sizeof(*floor));
    floor->has_serial = true;
}

static void some_proposal(struct csn_proposal *proposal)
{
    memset(proposal, 0, sizeof(*proposal));
    fill(proposal->cluster, sizeof(proposal->cluster));
    proposal->environment = 1;
    proposal->epoch = 3;
    fill(&proposal->epoch_digest, sizeof(proposal->epoch_digest));
    assert_int_equal(csn_name_parse("example.", proposal->zone), CSN_OK);
    proposal->round = some_round();
    proposal->serial = 2026112100;
    fill(&proposal->input, sizeof(proposal->input));
    proposal->time_s = 1795000000;
    proposal->schedule_s = 1794999999;
    proposal->semantics = CSN_SEMANTICS;
    fill(&proposal->policy, sizeof(proposal->policy));
    fill(&proposal->keyset, sizeof(proposal->keyset));
    proposal->parent.round = some_round();
    fill(&proposal->parent.full_root, sizeof(proposal->parent.full_root));
    proposal->author_count = 3;
    proposal->authors[0] = 1;
    proposal->authors[1] = 2;
    proposal->authors[2] = 300;
}

static void some_row(struct csn_row *row, unsigned holds)
{
    memset(row, 0, sizeof(*row));
    assert_int_equal(csn_name_parse("example.", row->zone), CSN_OK);
    row->is_held = true;
    row->maintenance = CSN_MAINTENANCE_SITE;
    row->order_sum = 1795000000000000;
    row->gate = 3;
    row->is_behind = true;
    row->hsm = CSN_HSM_BAD;
    row->diverged = CSN_CLASS_BIT_R;
    some_floor(&row->floor);
    row->released = (struct csn_release){.round = some_round()};
    row->released_serial = 12;
    row->newest = (struct csn_release){.round = some_round()};
    fill(&row->policy, sizeof(row->policy));
    row->due_s = UINT64_MAX;
    fill(&row->work, sizeof(row->work));
    row->input_count = CSN_ROW_INPUTS_MAX;
    fill(row->inputs, sizeof(row->inputs));
    row->hold_count = (uint8_t)holds;
    fill(row->holds, holds * sizeof(row->holds[0]));
}

/* Each kind: octets of a body, and decode followed by encode. */
static void encode_proposal(struct csn_buf *buf)
{
    struct csn_body_proposal body = {.term = {.counter = 5, .coordinator = 2}, .seq = 77};
    some_proposal(&body.proposal);
    csn_body_proposal_encode(&body, buf);
}

static void encode_computed(struct csn_buf *buf)
{
    struct csn_body_computed body;
    fill(&body, sizeof(body));
    csn_body_computed_encode(&body, buf);
}

static void encode_offer(struct csn_buf *buf)
{
    struct csn_body_offer body;
    fill(&body, sizeof(body));
    csn_body_offer_encode(&body, buf);
}

static void encode_held(struct csn_buf *buf)
{
    struct csn_body_held body;
    fill(&body, sizeof(body));
    some_proposal(&body.proposal);
    csn_body_held_encode(&body, buf);
}

static void encode_refused(struct csn_buf *buf)
{
    struct csn_body_refused body = {
        .rule = 4, .test = 18, .want = {.size = 8}, .is = {.size = CSN_VALUE_MAX}};
    fill(body.want.octets, 8);
    fill(body.is.octets, CSN_VALUE_MAX);
    some_floor(&body.floor);
    csn_body_refused_encode(&body, buf);
}

static void encode_lead(struct csn_buf *buf)
{
    struct csn_body_lead body = {
        .epoch = 6, .term = {.counter = 5, .coordinator = 2}, .seq = 1, .state = CSN_LEAD_LEADS, .site = 3};
    struct csn_buf zones = {0};
    csn_lead_put(&zones, (const uint8_t *)"\2ch", 2);
    csn_lead_put(&zones, (const uint8_t *)"", 1);
    body.is_whole = true;
    body.zone_count = 2;
    body.zones = csn_buf_view(&zones);
    csn_body_lead_encode(&body, buf);
    csn_buf_fini(&zones);
}

static void encode_report(struct csn_buf *buf)
{
    struct csn_buf rows = {0};
    struct csn_row row;
    some_row(&row, CSN_ROW_HOLDS_MAX);
    csn_row_encode(&row, &rows);
    some_row(&row, 0);
    csn_row_encode(&row, &rows);
    struct csn_body_report body = {.boot = 4,
                                   .seq = 5,
                                   .clock_s = 6,
                                   .promised = {.counter = 5},
                                   .state = CSN_NODE_OK,
                                   .hsm = CSN_HSM_GOOD,
                                   .epoch = 10,
                                   .next = {.number = 11, .digest.octets = {12}},
                                   .table_count = 9,
                                   .row_count = 2,
                                   .rows = csn_buf_view(&rows)};
    csn_body_report_encode(&body, buf);
    csn_buf_fini(&rows);
}

#define AGAIN(name)                                                                                \
    static int again_##name(struct csn_bytes octets, struct csn_buf *buf)                          \
    {                                                                                              \
        struct csn_body_##name body;                                                               \
        int code = csn_body_##name##_decode(octets, &body);                                        \
        if (code == CSN_OK) {                                                                      \
            csn_body_##name##_encode(&body, buf);                                                  \
        }                                                                                          \
        return code;                                                                               \
    }
AGAIN(proposal)
AGAIN(computed)
AGAIN(offer)
AGAIN(held)
AGAIN(refused)
AGAIN(lead)
AGAIN(report)

static const struct {
    const char *name;
    void (*encode)(struct csn_buf *buf);
    int (*again)(struct csn_bytes octets, struct csn_buf *buf);
} kinds[] = {
    {"proposal", encode_proposal, again_proposal}, {"computed", encode_computed, again_computed},
    {"offer", encode_offer, again_offer},          {"held", encode_held, again_held},
    {"refused", encode_refused, again_refused},    {"lead", encode_lead, again_lead},
    {"report", encode_report, again_report},
};

static void test_body_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct csn_buf first = {0}, second = {0};
        kinds[i].encode(&first);
        assert_true(first.size <= CSN_STATEMENT_MAX);
        assert_int_equal(kinds[i].again(csn_buf_view(&first), &second), CSN_OK);
        assert_true(csn_bytes_equal(csn_buf_view(&first), csn_buf_view(&second)));
        csn_buf_fini(&first);
        csn_buf_fini(&second);
    }
}

/* A copy of its own on the heap, so that the sanitizer sees a read past the end. */
static int decode_copy(size_t kind, const uint8_t *data, size_t size)
{
    struct csn_buf out = {0};
    uint8_t *copy = csn_alloc(size);
    memcpy(copy, data, size);
    int code = kinds[kind].again(csn_bytes(copy, size), &out);
    free(copy);
    csn_buf_fini(&out);
    return code;
}

static void test_cut_or_longer_body_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct csn_buf buf = {0};
        kinds[i].encode(&buf);
        for (size_t size = 0; size < buf.size; size++) {
            assert_int_equal(decode_copy(i, buf.data, size), CSN_EFORMAT);
        }
        csn_buf_put_u8(&buf, 0);
        assert_int_equal(decode_copy(i, buf.data, buf.size), CSN_EFORMAT);
        csn_buf_fini(&buf);
    }
}

/* Whatever single octet is changed: refused, or exactly what encode writes. */
static void test_damaged_body_is_refused_or_another_body(void **state)
{
    (void)state;
    static const uint8_t flips[] = {0x01, 0x20, 0x80, 0xff};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct csn_buf buf = {0};
        kinds[i].encode(&buf);
        for (size_t at = 0; at < buf.size * sizeof(flips); at++) {
            struct csn_buf out = {0};
            buf.data[at / sizeof(flips)] ^= flips[at % sizeof(flips)];
            if (kinds[i].again(csn_buf_view(&buf), &out) == CSN_OK) {
                assert_true(csn_bytes_equal(csn_buf_view(&buf), csn_buf_view(&out)));
            }
            buf.data[at / sizeof(flips)] ^= flips[at % sizeof(flips)];
            csn_buf_fini(&out);
        }
        csn_buf_fini(&buf);
    }
}

static void expect_proposal_refused(const struct csn_proposal *proposal)
{
    struct csn_buf buf = {0};
    struct csn_body_proposal body = {.proposal = *proposal}, out;
    csn_body_proposal_encode(&body, &buf);
    assert_int_equal(csn_body_proposal_decode(csn_buf_view(&buf), &out), CSN_EFORMAT);
    csn_buf_fini(&buf);
}

static void test_proposal_with_bad_authors_or_name_is_refused(void **state)
{
    (void)state;
    struct csn_proposal good, bad;
    some_proposal(&good);
    bad = good;
    bad.author_count = 0;
    expect_proposal_refused(&bad);
    bad = good;
    bad.authors[1] = bad.authors[0];
    expect_proposal_refused(&bad);
    bad = good;
    bad.authors[0] = 0;
    expect_proposal_refused(&bad);
    bad = good;
    bad.authors[2] = 1;
    expect_proposal_refused(&bad);
    bad = good;
    bad.zone[1] = 'E';
    expect_proposal_refused(&bad);
    bad = good;
    bad.environment = 2;
    expect_proposal_refused(&bad);
}

static void test_oversized_report_is_refused(void **state)
{
    (void)state;
    struct csn_buf rows = {0}, buf = {0}, out = {0};
    struct csn_row row;
    uint16_t count = 0;
    while (rows.size <= CSN_STATEMENT_MAX) {
        some_row(&row, 1);
        csn_row_encode(&row, &rows);
        count++;
    }
    struct csn_body_report body = {
        .state = CSN_NODE_OK, .row_count = count, .rows = csn_buf_view(&rows)};
    csn_body_report_encode(&body, &buf);
    assert_int_equal(again_report(csn_buf_view(&buf), &out), CSN_EFORMAT);
    csn_buf_fini(&rows);
    csn_buf_fini(&buf);
    csn_buf_fini(&out);
}

static void test_signed_octets_are_those_of_the_protocol(void **state)
{
    (void)state;
    struct csn_buf buf = {0};
    struct csn_digest digest;
    csn_statement_signed(CSN_STATEMENT_HELD, 0x0102, 0x03040506, csn_bytes("body", 4), &buf);
    csn_sha384(csn_bytes("body", 4), &digest);
    assert_int_equal(buf.size, 16 + 6 + 48);
    assert_memory_equal(buf.data, "consign held v1\0\1\2\3\4\5\6", 22);
    assert_memory_equal(buf.data + 22, digest.octets, 48);
    assert_null(csn_statement_text((enum csn_statement_kind)99));
    csn_buf_fini(&buf);
}

static void test_rounds_and_inputs_are_ordered(void **state)
{
    (void)state;
    const struct csn_round ascending[] = {{{0, 0}, 0}, {{1, 1}, 0}, {{1, 1}, 1},
                                          {{1, 2}, 0}, {{2, 1}, 0}, {{UINT64_MAX, 0}, 0}};
    for (size_t i = 0; i + 1 < sizeof(ascending) / sizeof(ascending[0]); i++) {
        assert_true(csn_round_compare(ascending[i], ascending[i + 1]) < 0);
        assert_true(csn_round_compare(ascending[i + 1], ascending[i]) > 0);
    }
    const struct csn_input_id old = {.generation = 1, .serial = UINT32_MAX},
                              wrapped = {.generation = 1, .serial = 3};
    const struct csn_input_id next = {.generation = 2, .serial = 1},
                              far = {.generation = 1, .serial = 0x7fffffff};
    assert_true(csn_input_compare(&old, &wrapped) < 0);
    assert_true(csn_input_compare(&wrapped, &old) > 0 &&
                csn_input_compare(&wrapped, &old) != CSN_INPUT_UNORDERED);
    assert_true(csn_input_compare(&next, &old) > 0);
    assert_int_equal(csn_input_compare(&old, &far), CSN_INPUT_UNORDERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_comes_back),
        cmocka_unit_test(test_cut_or_longer_body_is_refused),
        cmocka_unit_test(test_damaged_body_is_refused_or_another_body),
        cmocka_unit_test(test_proposal_with_bad_authors_or_name_is_refused),
        cmocka_unit_test(test_oversized_report_is_refused),
        cmocka_unit_test(test_signed_octets_are_those_of_the_protocol),
        cmocka_unit_test(test_rounds_and_inputs_are_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
