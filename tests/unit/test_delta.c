/* Goal: a delta follows from its two versions alone, its records turn the old one into the new one, taken back it leads to the
 * old full root and no other; nothing else passes. Method: made-up zones from a seed, changed step by step; records applied to a
 * plain set; every octet of a delta spoiled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "dns/name.h"
#include "zone/leafset.h"

#define NAMES 40
#define RECORDS_MAX 4096

static const uint8_t apex[] = "\7example";

/* A version: for each name a mark; 0: not there. RRset i is a TXT of 1 + mark % 3 records, some of which stay when the mark
 * changes; signed where i is even, with a signature of its own mark; the TTL changes at marks over 200. */
struct version {
    uint32_t serial;
    uint8_t marks[NAMES], signatures[NAMES];
    struct csn_digest root;
};

static struct csn_bytes pack(struct csn_arena *arena, const struct csn_buf *buf)
{
    return csn_bytes(csn_arena_copy(arena, buf->data, buf->size), buf->size);
}

static void put_rdata(struct csn_buf *buf, const void *octets, size_t size)
{
    csn_buf_put_u16(buf, (uint16_t)size);
    csn_buf_put(buf, octets, size);
}

static struct csn_rrset rrsigs_of(struct csn_arena *arena, const struct csn_rrset *covered, uint8_t mark)
{
    struct csn_buf buf = {0};
    uint8_t rdata[18 + 9 + 2] = {(uint8_t)(covered->type >> 8), (uint8_t)covered->type, 13, 2};
    memcpy(rdata + 18, apex, 9);
    rdata[27] = mark;
    put_rdata(&buf, rdata, sizeof(rdata));
    struct csn_rrset rrsigs = {.owner = covered->owner, .rdatas = pack(arena, &buf), .ttl = covered->ttl, .type = CSN_TYPE_RRSIG, .count = 1};
    csn_buf_fini(&buf);
    return rrsigs;
}

static struct csn_entry soa_of(struct csn_arena *arena, const struct version *version)
{
    uint8_t rdata[22] = {0};
    struct csn_buf buf = {0};
    csn_set_u32(rdata + 2, version->serial);
    put_rdata(&buf, rdata, sizeof(rdata));
    struct csn_entry entry = {.rrset = {.owner = apex, .rdatas = pack(arena, &buf), .ttl = 60, .type = CSN_TYPE_SOA, .count = 1}};
    entry.rrsigs = rrsigs_of(arena, &entry.rrset, (uint8_t)version->serial);
    csn_buf_fini(&buf);
    return entry;
}

/* Place 0 is the SOA. */
static bool entry_of(struct csn_arena *arena, const struct version *version, uint32_t place, struct csn_entry *ret_entry)
{
    uint8_t owner[CSN_NAME_MAX], mark = place > 0 ? version->marks[place - 1] : 0;
    char name[64];
    struct csn_buf buf = {0};
    if (place == 0) {
        *ret_entry = soa_of(arena, version);
        return true;
    }
    if (mark == 0) {
        return false;
    }
    snprintf(name, sizeof(name), "n%03u.example.", (unsigned)place);
    assert_int_equal(csn_name_parse(name, owner), CSN_OK);
    for (uint8_t i = 0; i < 1 + mark % 3; i++) {
        const uint8_t rdata[] = {2, i, i == 0 ? 7 : mark};
        put_rdata(&buf, rdata, sizeof(rdata));
    }
    *ret_entry = (struct csn_entry){.rrset = {.owner = csn_arena_copy(arena, owner, csn_name_size(owner)),
                                              .rdatas = pack(arena, &buf),
                                              .ttl = mark > 200 ? 61 : 60,
                                              .type = CSN_TYPE_TXT,
                                              .count = (uint16_t)(1 + mark % 3)}};
    if (place % 2 == 0) {
        ret_entry->rrsigs = rrsigs_of(arena, &ret_entry->rrset, version->signatures[place - 1]);
    }
    csn_buf_fini(&buf);
    return true;
}

static struct csn_leafset *leaves_of(struct csn_arena *arena, const struct version *version)
{
    struct csn_leafset *set = csn_leafset_new(apex);
    struct csn_entry entry;
    for (uint32_t i = 0; i <= NAMES; i++) {
        if (entry_of(arena, version, i, &entry)) {
            assert_int_equal(csn_leafset_add(set, &entry), CSN_OK);
        }
    }
    return set;
}

static void set_root(struct version *version)
{
    struct csn_arena arena = {0};
    struct csn_leafset *set = leaves_of(&arena, version);
    csn_leafset_full_root(set, version->serial, version->serial + 1000, &version->root);
    csn_leafset_free(set);
    csn_arena_fini(&arena);
}

static struct csn_delta_end end_of(const struct version *version)
{
    return (struct csn_delta_end){.serial = version->serial, .time_s = version->serial + 1000, .full_root = version->root};
}

static void make_delta(const struct version *from, const struct version *to, struct csn_buf *buf)
{
    struct csn_arena arena = {0};
    struct csn_delta_maker maker = {0};
    struct csn_delta_end ends[2] = {end_of(from), end_of(to)};
    for (uint32_t i = 0; i <= NAMES; i++) {
        struct csn_entry a, b;
        bool has_a = entry_of(&arena, from, i, &a), has_b = entry_of(&arena, to, i, &b);
        csn_delta_differ(&maker, has_a ? &a : NULL, has_b ? &b : NULL);
    }
    assert_int_equal(csn_delta_finish(&maker, &ends[0], &ends[1], buf), CSN_OK);
    csn_arena_fini(&arena);
}

static struct version first_version(unsigned *seed)
{
    struct version version = {.serial = 7};
    for (uint32_t i = 0; i < NAMES; i++) {
        version.marks[i] = (uint8_t)rand_r(seed);
        version.signatures[i] = (uint8_t)rand_r(seed);
    }
    set_root(&version);
    return version;
}

static struct version next_version(const struct version *last, unsigned *seed)
{
    struct version version = *last;
    version.serial++;
    for (unsigned changes = (unsigned)rand_r(seed) % 6; changes > 0; changes--) {
        unsigned i = (unsigned)rand_r(seed) % NAMES;
        version.marks[i] = rand_r(seed) % 3 == 0 ? 0 : (uint8_t)rand_r(seed);
        version.signatures[i] = (uint8_t)rand_r(seed);
        version.signatures[(i + 1) % NAMES] = (uint8_t)rand_r(seed);
    }
    set_root(&version);
    return version;
}

/* --- a plain set of records */

struct record {
    uint8_t octets[512];
    size_t size;
};

struct records {
    struct record items[RECORDS_MAX];
    size_t count;
};

static void record_of(const struct csn_rrset *rrset, struct csn_bytes rdata, struct record *ret)
{
    struct csn_buf buf = {0};
    csn_buf_put(&buf, rrset->owner, csn_name_size(rrset->owner));
    csn_buf_put_u16(&buf, rrset->type);
    csn_buf_put_u32(&buf, rrset->ttl);
    csn_buf_put_bytes(&buf, rdata);
    assert_true(buf.size <= sizeof(ret->octets));
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->octets, buf.data, buf.size);
    ret->size = buf.size;
    csn_buf_fini(&buf);
}

static size_t find_record(const struct records *records, const struct record *record)
{
    size_t i = 0;
    while (i < records->count && memcmp(&records->items[i], record, sizeof(*record)) != 0) {
        i++;
    }
    return i;
}

static void add_rrset(struct records *records, const struct csn_rrset *rrset)
{
    struct csn_reader reader = csn_rdata_first(rrset);
    struct csn_bytes rdata;
    struct record record;
    while (csn_rdata_next(&reader, &rdata)) {
        record_of(rrset, rdata, &record);
        assert_true(find_record(records, &record) == records->count); /* nothing is added that is there */
        assert_true(records->count < RECORDS_MAX);
        records->items[records->count++] = record;
    }
}

static void drop_rrset(struct records *records, const struct csn_rrset *rrset)
{
    struct csn_reader reader = csn_rdata_first(rrset);
    struct csn_bytes rdata;
    struct record record;
    while (csn_rdata_next(&reader, &rdata)) {
        record_of(rrset, rdata, &record);
        size_t at = find_record(records, &record);
        assert_true(at < records->count); /* nothing goes that is not there */
        records->items[at] = records->items[--records->count];
    }
}

static int compare_records(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct record));
}

static void sort(struct records *records)
{
    qsort(records->items, records->count, sizeof(records->items[0]), compare_records);
}

static struct records *records_of(const struct version *version)
{
    struct csn_arena arena = {0};
    struct records *records = csn_calloc(1, sizeof(*records));
    struct csn_entry entry;
    for (uint32_t i = 0; i <= NAMES; i++) {
        if (entry_of(&arena, version, i, &entry)) {
            add_rrset(records, &entry.rrset);
            if (entry.rrsigs.count > 0) {
                add_rrset(records, &entry.rrsigs);
            }
        }
    }
    csn_arena_fini(&arena);
    sort(records);
    return records;
}

/* RFC 1995 4: the old SOA begins what goes, the new one what comes. */
static void apply(const struct csn_delta *delta, struct records *records)
{
    struct csn_delta_records reader = {0};
    struct csn_rrset rrset;
    unsigned soas = 0;
    int code;
    csn_delta_records_begin(&reader, delta);
    while ((code = csn_delta_records_next(&reader, &rrset)) == CSN_OK) {
        soas += rrset.type == CSN_TYPE_SOA;
        assert_true(soas == 1 || soas == 2);
        if (soas == 1) {
            drop_rrset(records, &rrset);
        } else {
            add_rrset(records, &rrset);
        }
    }
    assert_int_equal(code, CSN_ENOTFOUND);
    assert_int_equal(soas, 2);
    csn_delta_records_fini(&reader);
}

static void test_records_turn_one_version_into_the_next(void **state)
{
    (void)state;
    unsigned seed = 20261122;
    struct version version = first_version(&seed);
    for (unsigned i = 0; i < 100; i++) {
        struct version next = next_version(&version, &seed);
        struct csn_buf octets = {0};
        struct csn_delta delta;
        make_delta(&version, &next, &octets);
        assert_int_equal(csn_delta_decode(apex, csn_buf_view(&octets), &delta), CSN_OK);
        assert_int_equal(delta.from.serial, version.serial);
        struct records *records = records_of(&version), *expected = records_of(&next);
        apply(&delta, records);
        sort(records);
        assert_int_equal(records->count, expected->count);
        assert_memory_equal(records->items, expected->items, records->count * sizeof(records->items[0]));
        free(records);
        free(expected);
        csn_buf_fini(&octets);
        version = next;
    }
}

static void test_taken_back_deltas_lead_to_every_older_root(void **state)
{
    (void)state;
    unsigned seed = 7;
    struct version versions[50];
    struct csn_arena arena = {0};
    versions[0] = first_version(&seed);
    for (unsigned i = 1; i < 50; i++) {
        versions[i] = next_version(&versions[i - 1], &seed);
    }
    struct csn_leafset *set = leaves_of(&arena, &versions[49]);
    for (unsigned i = 49; i > 0; i--) {
        struct csn_buf octets = {0};
        struct csn_delta delta;
        make_delta(&versions[i - 1], &versions[i], &octets);
        assert_int_equal(csn_delta_decode(apex, csn_buf_view(&octets), &delta), CSN_OK);
        assert_int_equal(csn_leafset_take_back(set, &delta), CSN_OK);
        assert_int_equal(csn_leafset_take(set, &delta), CSN_OK);
        assert_int_equal(csn_leafset_take_back(set, &delta), CSN_OK);
        csn_buf_fini(&octets);
    }
    csn_leafset_free(set);
    csn_arena_fini(&arena);
}

/* Whatever octet is another: malformed, or it does not lead to the root. T and serial of the newer end alone are its
 * certificate's to check. */
static void test_no_spoiled_delta_is_believed(void **state)
{
    (void)state;
    unsigned seed = 99;
    struct version from = first_version(&seed), to = next_version(&from, &seed);
    struct csn_buf octets = {0};
    struct csn_arena arena = {0};
    make_delta(&from, &to, &octets);
    for (size_t i = 0; i < octets.size; i++) {
        struct csn_delta delta;
        octets.data[i] ^= 1;
        int code = csn_delta_decode(apex, csn_buf_view(&octets), &delta);
        if (code == CSN_OK) {
            struct csn_leafset *set = leaves_of(&arena, &to);
            struct csn_digest root = to.root;
            code = csn_leafset_take_back(set, &delta);
            bool is_newer_end = delta.to.time_s != to.serial + 1000 || !csn_digest_equal(&delta.to.full_root, &root);
            assert_true(code == CSN_EMISMATCH || is_newer_end);
            csn_leafset_free(set);
        }
        octets.data[i] ^= 1;
    }
    for (size_t size = 0; size < octets.size; size++) {
        struct csn_delta delta;
        assert_int_equal(csn_delta_decode(apex, csn_bytes(octets.data, size), &delta), CSN_EFORMAT);
    }
    csn_arena_fini(&arena);
    csn_buf_fini(&octets);
}

/* A row that is in both lists leads to the same root, and would not be the octets that every other site has. */
static void test_what_did_not_change_has_no_place_in_a_delta(void **state)
{
    (void)state;
    unsigned seed = 3;
    struct version from = first_version(&seed), to = from;
    struct csn_arena arena = {0};
    struct csn_buf octets = {0};
    struct csn_delta_maker maker = {0};
    struct csn_delta delta;
    struct csn_entry entry, old_soa = soa_of(&arena, &from);
    to.serial++;
    set_root(&to);
    struct csn_entry new_soa = soa_of(&arena, &to);
    struct csn_delta_end ends[2] = {end_of(&from), end_of(&to)};
    assert_true(entry_of(&arena, &to, 1, &entry));
    csn_delta_differ(&maker, &old_soa, &new_soa);
    csn_delta_differ(&maker, &entry, NULL);
    csn_delta_differ(&maker, NULL, &entry);
    assert_int_equal(csn_delta_finish(&maker, &ends[0], &ends[1], &octets), CSN_OK);
    assert_int_equal(csn_delta_decode(apex, csn_buf_view(&octets), &delta), CSN_EFORMAT);
    csn_buf_fini(&octets);
    csn_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_turn_one_version_into_the_next),
        cmocka_unit_test(test_taken_back_deltas_lead_to_every_older_root),
        cmocka_unit_test(test_no_spoiled_delta_is_believed),
        cmocka_unit_test(test_what_did_not_change_has_no_place_in_a_delta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
