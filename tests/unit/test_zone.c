/* Goal: a sealed zone is in canonical order whatever way it was put together, finds its RRsets, and
 * knows where each owner stands; inputs refuse a zone without one SOA. Method: seeded shuffles of
 * generated RRsets; a table of owners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "zone/input.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define RRSETS 500

static const uint8_t example[] = "\7example";

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

static void parse(const char *text, uint8_t name[CSN_NAME_MAX])
{
    assert_int_equal(csn_name_parse(text, name), CSN_OK);
}

/* RRset i of a made-up zone: three types an owner, TTL i. */
static struct csn_rrset rrset_at(uint32_t i, uint8_t owner[CSN_NAME_MAX])
{
    char text[64];
    snprintf(text, sizeof(text), "h%u.d%u.example.", i / 3 % 7, i / 21);
    parse(text, owner);
    return (struct csn_rrset){.owner = owner,
                              .rdatas = csn_bytes("\0\1x", 3),
                              .ttl = i,
                              .type = (uint16_t)(1 + i % 3 * 300),
                              .count = 1};
}

static void shuffle(uint32_t *order, uint32_t count, uint32_t swaps, uint32_t *seed)
{
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
    }
    while (swaps-- > 0) {
        uint32_t a = next_random(seed) % count, b = next_random(seed) % count;
        uint32_t old = order[a];
        order[a] = order[b];
        order[b] = old;
    }
}

static void check_sealed(const struct csn_zone *zone, uint32_t count)
{
    assert_int_equal(zone->count, count);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t owner[CSN_NAME_MAX];
        struct csn_rrset wanted = rrset_at(i, owner);
        const struct csn_rrset *found = csn_zone_find(zone, owner, wanted.type);
        assert_non_null(found);
        assert_true(csn_rrset_equal(found, &wanted));
        assert_null(csn_zone_find(zone, owner, 2));
        assert_true(i == 0 || csn_rrset_compare(&zone->rrsets[i - 1], &zone->rrsets[i]) < 0);
    }
}

static void test_seal_brings_any_order_into_canonical_order(void **state)
{
    (void)state;
    static const uint32_t swaps[] = {0, 1, 2, 5, 50, 5000};
    uint32_t seed = 1, order[RRSETS];
    for (size_t row = 0; row < COUNT(swaps); row++) {
        struct csn_zone *zone = csn_zone_new(example);
        shuffle(order, RRSETS, swaps[row], &seed);
        for (uint32_t i = 0; i < RRSETS; i++) {
            uint8_t owner[CSN_NAME_MAX];
            struct csn_rrset rrset = rrset_at(order[i], owner);
            csn_zone_add(zone, &rrset);
        }
        csn_zone_seal(zone);
        check_sealed(zone, RRSETS);
        csn_zone_unref(csn_zone_ref(zone));
        csn_zone_unref(zone);
    }
}

static void test_empty_zone_finds_nothing(void **state)
{
    (void)state;
    struct csn_zone *zone = csn_zone_new(example);
    struct csn_input *input;
    csn_zone_seal(zone);
    assert_null(csn_zone_find(zone, example, CSN_TYPE_SOA));
    assert_int_equal(csn_input_new(zone, NULL, 0, &input), CSN_EFORMAT);
    csn_zone_unref(zone);
}

static void test_placer_knows_cuts_and_what_is_below(void **state)
{
    (void)state;
    static const struct {
        const char *owner;
        bool has_ns, has_dname;
        enum csn_place place;
    } rows[] = {
        {"example.", true, false, CSN_PLACE_AUTHORITATIVE},
        {"a.example.", false, false, CSN_PLACE_AUTHORITATIVE},
        {"b.example.", true, false, CSN_PLACE_CUT},
        {"x.b.example.", false, false, CSN_PLACE_BELOW_CUT},
        {"y.b.example.", true, false, CSN_PLACE_BELOW_CUT},
        {"z.y.b.example.", false, false, CSN_PLACE_BELOW_CUT},
        {"zz.b.example.", false, true, CSN_PLACE_BELOW_CUT},
        {"bb.example.", false, false, CSN_PLACE_AUTHORITATIVE},
        {"d.example.", false, true, CSN_PLACE_AUTHORITATIVE},
        {"x.d.example.", true, false, CSN_PLACE_BELOW_DNAME},
        {"e.example.", true, false, CSN_PLACE_CUT},
    };
    uint8_t names[COUNT(rows)][CSN_NAME_MAX];
    struct csn_placer placer = {.apex = example};
    for (size_t i = 0; i < COUNT(rows); i++) {
        parse(rows[i].owner, names[i]);
        assert_int_equal(csn_placer_next(&placer, names[i], rows[i].has_ns, rows[i].has_dname),
                         rows[i].place);
    }
}

/* As a peer may send it: the digest would match, the form does not. */
static void test_input_refuses_what_has_not_one_soa(void **state)
{
    (void)state;
#define SOA_RDATA "\0\26\0\0AAAABBBBCCCCDDDDEEEE"
#define SHORT_RDATA "\0\25\0\0AAAABBBBCCCCDDDDEEE"
    static const struct {
        struct csn_bytes rdatas;
        uint16_t count;
        int code;
    } rows[] = {
        {{(const uint8_t *)SOA_RDATA, 24}, 1, CSN_OK},
        {{(const uint8_t *)SOA_RDATA SOA_RDATA, 48}, 2, CSN_EFORMAT},
        {{(const uint8_t *)SHORT_RDATA, 23}, 1, CSN_EFORMAT},
        {{(const uint8_t *)"\0\0", 2}, 1, CSN_EFORMAT},
        {{NULL, 0}, 0, CSN_EFORMAT},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_zone *zone = csn_zone_new(example);
        struct csn_input *input = NULL;
        csn_zone_add(zone, &(struct csn_rrset){.owner = example,
                                               .rdatas = rows[i].rdatas,
                                               .type = CSN_TYPE_SOA,
                                               .count = rows[i].count});
        csn_zone_seal(zone);
        assert_int_equal(csn_input_new(zone, NULL, 0, &input), rows[i].code);
        csn_input_unref(input);
        csn_zone_unref(zone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seal_brings_any_order_into_canonical_order),
        cmocka_unit_test(test_empty_zone_finds_nothing),
        cmocka_unit_test(test_placer_knows_cuts_and_what_is_below),
        cmocka_unit_test(test_input_refuses_what_has_not_one_soa),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
