/* Goal: what sites refused is kept as it came, a hundred of each zone and site, once with a count where the reason is the
 * same, through a file that is read as it was written and otherwise not at all. Method: many made-up refusals; every octet of
 * a small file changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "refusals.h"
#include "round/tests.h"

#define NOW UINT64_C(1795290007)

static const uint8_t ch[CSN_NAME_MAX] = {2, 'c', 'h', 0}, li[CSN_NAME_MAX] = {2, 'l', 'i', 0};
static const uint8_t signature[CSN_SIGNATURE_SIZE] = {7, 7, 7};

/* Refused by policy: `want` is this site's version, `proposal` tells proposals apart. */
static void add(struct csn_refusals *refusals, const uint8_t *zone, uint16_t site, uint64_t want, uint8_t proposal, uint64_t now_s)
{
    struct csn_body_refused refused = {.rule = CSN_RULE_R2, .test = CSN_TEST_POLICY_HERE, .want = csn_value_u64(want),
                                       .is = csn_value_u64(2)};
    struct csn_round round = {.term = {.counter = 5, .coordinator = 1}, .seq = proposal};
    struct csn_buf body = {0};
    memset(refused.hash.octets, proposal, sizeof(refused.hash.octets));
    csn_body_refused_encode(&refused, &body);
    assert_int_equal(csn_refusals_add(refusals, zone, site, 1, csn_buf_view(&body), signature, round, now_s), CSN_OK);
    csn_buf_fini(&body);
}

static uint64_t want_of(const struct csn_kept_refusal *entry)
{
    struct csn_body_refused refused;
    assert_non_null(entry);
    assert_int_equal(csn_body_refused_decode(csn_buf_view(&entry->body), &refused), CSN_OK);
    return csn_get_u64(refused.want.octets);
}

static void test_the_same_reason_is_one_entry_with_a_count(void **state)
{
    (void)state;
    struct csn_refusals *refusals = csn_refusals_new();
    add(refusals, ch, 2, 1, 1, NOW);
    add(refusals, ch, 2, 9, 2, NOW + 1);
    add(refusals, ch, 2, 1, 3, NOW + 2); /* another proposal, refused for the same */
    add(refusals, ch, 2, 1, 3, NOW + 5); /* the same one once more: no proposal more */
    const struct csn_kept_refusal *entry = csn_refusals_get(refusals, ch, 2, 0);
    assert_int_equal(want_of(entry), 1);
    assert_int_equal(entry->count, 2);
    assert_int_equal(entry->first_s, NOW);
    assert_int_equal(entry->last_s, NOW + 5);
    assert_int_equal(entry->round.seq, 3);
    assert_memory_equal(entry->signature, signature, sizeof(signature));
    assert_int_equal(want_of(csn_refusals_get(refusals, ch, 2, 1)), 9);
    assert_null(csn_refusals_get(refusals, ch, 2, 2));
    assert_null(csn_refusals_get(refusals, ch, 3, 0));
    assert_null(csn_refusals_get(refusals, li, 2, 0));
    csn_refusals_free(refusals);
}

static void test_a_hundred_of_each_zone_and_site_are_kept(void **state)
{
    (void)state;
    struct csn_refusals *refusals = csn_refusals_new();
    add(refusals, li, 2, 1, 1, NOW);
    add(refusals, ch, 3, 1, 1, NOW);
    for (uint64_t i = 0; i <= CSN_REFUSALS_MAX; i++) {
        add(refusals, ch, 2, i, 1, NOW + i);
    }
    assert_int_equal(csn_refusals_count(refusals), CSN_REFUSALS_MAX + 2);
    assert_int_equal(want_of(csn_refusals_get(refusals, ch, 2, 0)), CSN_REFUSALS_MAX);
    assert_int_equal(want_of(csn_refusals_get(refusals, ch, 2, CSN_REFUSALS_MAX - 1)), 1);
    assert_null(csn_refusals_get(refusals, ch, 2, CSN_REFUSALS_MAX));
    assert_non_null(csn_refusals_get(refusals, li, 2, 0));
    assert_non_null(csn_refusals_get(refusals, ch, 3, 0));
    csn_refusals_free(refusals);
}

/* Of ten thousand zones each may be refused, but memory is not theirs. */
static void test_of_all_the_one_least_lately_heard_goes(void **state)
{
    (void)state;
    struct csn_refusals *refusals = csn_refusals_new();
    uint8_t zone[CSN_NAME_MAX] = {4};
    size_t zones = CSN_REFUSALS_TOTAL / CSN_REFUSALS_MAX + 1;
    for (size_t i = 0; i < zones * CSN_REFUSALS_MAX; i++) {
        csn_set_u32(zone + 1, (uint32_t)(i / CSN_REFUSALS_MAX));
        add(refusals, zone, 2, i % CSN_REFUSALS_MAX, 1, NOW + i);
    }
    assert_int_equal(csn_refusals_count(refusals), CSN_REFUSALS_TOTAL);
    csn_set_u32(zone + 1, 0);
    size_t gone = zones * CSN_REFUSALS_MAX - CSN_REFUSALS_TOTAL;
    assert_non_null(csn_refusals_get(refusals, zone, 2, CSN_REFUSALS_MAX - gone - 1));
    assert_null(csn_refusals_get(refusals, zone, 2, CSN_REFUSALS_MAX - gone));
    csn_refusals_free(refusals);
}

static void test_the_file_is_read_as_it_was_written_or_not_at_all(void **state)
{
    (void)state;
    struct csn_refusals *refusals = csn_refusals_new(), *back = csn_refusals_new();
    struct csn_buf octets = {0}, again = {0};
    add(refusals, ch, 2, 1, 1, NOW);
    add(refusals, ch, 2, 2, 2, NOW + 3);
    add(refusals, li, 3, 2, 2, NOW + 4);
    csn_refusals_encode(refusals, &octets);
    for (size_t i = 0; i < octets.size; i++) {
        octets.data[i] ^= 0x20;
        assert_int_equal(csn_refusals_decode(csn_buf_view(&octets), back), CSN_EFORMAT);
        assert_int_equal(csn_refusals_decode(csn_bytes(octets.data, i), back), CSN_EFORMAT);
        assert_int_equal(csn_refusals_count(back), 0);
        octets.data[i] ^= 0x20;
    }
    assert_int_equal(csn_refusals_decode(csn_buf_view(&octets), back), CSN_OK);
    csn_refusals_encode(back, &again);
    assert_true(csn_bytes_equal(csn_buf_view(&octets), csn_buf_view(&again)));
    assert_int_equal(want_of(csn_refusals_get(back, ch, 2, 0)), 2);
    assert_int_equal(csn_refusals_get(back, li, 3, 0)->last_s, NOW + 4);
    csn_buf_fini(&octets);
    csn_buf_fini(&again);
    csn_refusals_free(refusals);
    csn_refusals_free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_reason_is_one_entry_with_a_count),
        cmocka_unit_test(test_a_hundred_of_each_zone_and_site_are_kept),
        cmocka_unit_test(test_of_all_the_one_least_lately_heard_goes),
        cmocka_unit_test(test_the_file_is_read_as_it_was_written_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
