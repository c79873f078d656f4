/* Goal: records of a signed zone become entries, and what is no signed zone is refused. Method: tables of records in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sign/signed.h"

#define APEX "\x07" "example"

struct row {
    const char *owner; /* wire form; NULL ends the list */
    uint16_t type, class;
    uint32_t ttl;
    const char *rdata;
    size_t size;
};

#define ROW(owner, type, ttl, rdata) {owner, type, CSN_CLASS_IN, ttl, rdata, sizeof(rdata) - 1}

static struct csn_signed *read_rows(const struct row *rows, int *ret_code)
{
    struct csn_signed *zone = csn_signed_new((const uint8_t *)APEX);
    *ret_code = CSN_OK;
    for (size_t i = 0; *ret_code == CSN_OK && rows[i].owner != NULL; i++) {
        const struct csn_record record = {.owner = csn_bytes(rows[i].owner, strlen(rows[i].owner) + 1),
                                          .rdata = csn_bytes(rows[i].rdata, rows[i].size),
                                          .ttl = rows[i].ttl,
                                          .class = rows[i].class,
                                          .type = rows[i].type};
        *ret_code = csn_signed_add(zone, &record, NULL);
    }
    if (*ret_code == CSN_OK) {
        *ret_code = csn_signed_finish(zone, NULL);
    }
    return zone;
}

/* Any order in; owners in lower case, types ascending, RDATA ascending, RRSIGs at what they cover, equal records once. */
static void test_records_become_entries(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("\x01" "b" APEX, CSN_TYPE_TXT, 5, "\x01y"),
        ROW(APEX, CSN_TYPE_RRSIG, 7, "\x00\x02sig"),
        ROW("\x01" "B" APEX, CSN_TYPE_TXT, 5, "\x01x"),
        ROW(APEX, CSN_TYPE_SOA, 9, "soa"),
        ROW(APEX, CSN_TYPE_NS, 7, "ns"),
        ROW("\x01" "b" "\x07" "EXAMPLE", CSN_TYPE_RRSIG, 5, "\x00\x10sig"),
        ROW(APEX, CSN_TYPE_SOA, 9, "soa"),
        {NULL, 0, 0, 0, NULL, 0}};
    int code;
    struct csn_signed *zone = read_rows(rows, &code);
    assert_int_equal(code, CSN_OK);
    assert_int_equal(zone->count, 3);
    assert_int_equal(zone->entries[0].rrset.type, CSN_TYPE_NS);
    assert_int_equal(zone->entries[0].rrsigs.count, 1);
    assert_int_equal(zone->entries[0].rrsigs.type, CSN_TYPE_RRSIG);
    assert_int_equal(zone->entries[1].rrset.type, CSN_TYPE_SOA);
    assert_int_equal(zone->entries[1].rrset.count, 1);
    assert_int_equal(zone->entries[1].rrsigs.count, 0);
    const struct csn_rrset *txt = &zone->entries[2].rrset;
    assert_string_equal(txt->owner, "\x01" "b" APEX);
    assert_int_equal(txt->count, 2);
    assert_int_equal(txt->ttl, 5);
    assert_int_equal(txt->rdatas.size, 8);
    assert_memory_equal(txt->rdatas.data, "\x00\x02\x01x\x00\x02\x01y", 8);
    assert_int_equal(zone->entries[2].rrsigs.rdatas.size, 7);
    csn_signed_free(zone);
}

static void test_what_is_no_signed_zone_is_refused(void **state)
{
    (void)state;
    static const struct {
        struct row rows[3];
        int code;
    } cases[] = {
        {{{APEX, CSN_TYPE_TXT, 3, 5, "x", 1}}, CSN_EREFUSED},                                     /* class CH */
        {{ROW("\x04" "test", CSN_TYPE_TXT, 5, "x")}, CSN_EREFUSED},                               /* out of zone */
        {{ROW("\x03" "ab" APEX, CSN_TYPE_TXT, 5, "x")}, CSN_EFORMAT},                             /* no name */
        {{ROW(APEX, CSN_TYPE_RRSIG, 5, "\x00")}, CSN_EFORMAT},                                    /* covers half a type */
        {{ROW(APEX, CSN_TYPE_RRSIG, 5, "\x00\x10sig")}, CSN_EFORMAT},                             /* covers nothing */
        {{ROW(APEX, CSN_TYPE_TXT, 5, "x"), ROW(APEX, CSN_TYPE_TXT, 6, "y")}, CSN_EFORMAT},        /* two TTLs */
        {{ROW(APEX, CSN_TYPE_TXT, 5, "x"), ROW(APEX, CSN_TYPE_RRSIG, 5, "\x00\x01s")}, CSN_EFORMAT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int code;
        csn_signed_free(read_rows(cases[i].rows, &code));
        if (code != cases[i].code) {
            fail_msg("case %zu: %d", i, code);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_become_entries),
        cmocka_unit_test(test_what_is_no_signed_zone_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
