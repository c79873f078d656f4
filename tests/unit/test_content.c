/* Goal: what the golden vectors do not touch: refusals of schedule and content, shares, roots of entries that a peer sends.
 * Method: a small zone put together in memory, with signatures of made-up octets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sign/content.h"

#define DAY UINT64_C(86400)
#define NOW (UINT64_C(20000) * DAY)
#define APEX "\x07" "example"
#define KEY_SIZE 36
#define AUTHORS 3
#define OCTETS_SIZE 64

struct fixture {
    struct csn_timed validity, refresh, offset;
    struct csn_policy policy;
    uint8_t rdata[2][KEY_SIZE];
    struct csn_key_event events[3];
    struct csn_keyset keyset;
    struct csn_content_params params;
    struct csn_input *input;
    struct csn_content *content;
};

/* Packed: length, ns.example., hm., serial to minimum. */
static const char soa_rdatas[] = "\x00\x24" "\x02" "ns" "\x07" "example\0" "\x02" "hm\0" "\x00\x00\x00\x01"
                                 "\x00\x00\x0e\x10" "\x00\x00\x03\x84" "\x00\x12\x75\x00" "\x00\x00\x01\x2c";
static const char ns_rdatas[] = "\x00\x0c" "\x02" "ns" "\x07" "example";

static void add(struct csn_zone *zone, const char *owner, uint16_t type, const void *rdatas, size_t size)
{
    csn_zone_add(zone, &(struct csn_rrset){.owner = (const uint8_t *)owner,
                                           .rdatas = csn_bytes(rdatas, size),
                                           .ttl = 3600,
                                           .type = type,
                                           .count = 1});
}

/* SOA, NS, and a TXT at a0 to a9. */
static struct csn_zone *make_zone(void)
{
    struct csn_zone *zone = csn_zone_new((const uint8_t *)APEX);
    add(zone, APEX, CSN_TYPE_SOA, soa_rdatas, sizeof(soa_rdatas) - 1);
    add(zone, APEX, CSN_TYPE_NS, ns_rdatas, sizeof(ns_rdatas));
    for (char i = '0'; i <= '9'; i++) {
        char owner[] = "\x02" "a0" APEX;
        owner[2] = i;
        add(zone, owner, CSN_TYPE_TXT, "\x00\x02\x01x", 4);
    }
    csn_zone_seal(zone);
    return zone;
}

static void make_key(struct fixture *f, unsigned at, uint16_t flags)
{
    memset(f->rdata[at], (int)at + 1, KEY_SIZE);
    csn_set_u16(f->rdata[at], flags);
    f->rdata[at][2] = 3;
    f->rdata[at][3] = 15;
    f->keyset.keys[at].is_published = true;
    assert_int_equal(csn_key_derive(&f->keyset.keys[at], csn_bytes(f->rdata[at], KEY_SIZE)), CSN_OK);
    f->events[at] = (struct csn_key_event){.key = (uint16_t)at};
}

static int setup(void **state)
{
    struct fixture *f = csn_calloc(1, sizeof(*f));
    f->validity.value_s = 21 * DAY;
    f->refresh.value_s = 10 * DAY;
    f->offset.value_s = 5400;
    f->policy.validity = (struct csn_timed_list){&f->validity, 1};
    f->policy.refresh = (struct csn_timed_list){&f->refresh, 1};
    f->policy.offset = (struct csn_timed_list){&f->offset, 1};
    memcpy(f->keyset.zone, APEX, sizeof(APEX));
    f->keyset.dnskey_ttl = 3600;
    make_key(f, 0, 257);
    make_key(f, 1, 256);
    f->keyset.key_count = 2;
    f->keyset.lists[0] = (struct csn_key_list){CSN_ROLE_KSK, 15, &f->events[0], 1};
    f->keyset.lists[1] = (struct csn_key_list){CSN_ROLE_ZSK, 15, &f->events[1], 1};
    f->keyset.list_count = 2;
    f->params = (struct csn_content_params){.serial = 7, .time_s = NOW, .schedule_s = NOW};
    struct csn_zone *zone = make_zone();
    assert_int_equal(csn_input_new(zone, NULL, 0, &f->input), CSN_OK);
    csn_zone_unref(zone);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    csn_content_free(f->content);
    csn_input_unref(f->input);
    free(f);
    return 0;
}

static int build(struct fixture *f, struct csn_content **ret_content, struct csn_reason *reason)
{
    struct csn_content *content = NULL;
    int code = csn_content_new(f->input, &f->policy, &f->keyset, &f->params, &content, reason);
    if (code != CSN_OK) {
        return code;
    }
    code = csn_content_plan(content, 0, content->zone->count, reason);
    if (code == CSN_OK) {
        code = csn_content_finish(content, reason);
    }
    if (code != CSN_OK) {
        csn_content_free(content);
        return code;
    }
    *ret_content = content;
    return CSN_OK;
}

static void sign(struct csn_content *content, uint8_t seed)
{
    for (size_t i = 0; i < content->signature_count; i++) {
        uint8_t octets[OCTETS_SIZE];
        memset(octets, seed + (int)i, sizeof(octets));
        csn_signature_set(content, &content->signatures[i], csn_bytes(octets, sizeof(octets)));
    }
}

/* --- refusals */

static void set_s_after_t(struct fixture *f)
{
    f->params.schedule_s = NOW + 1;
}
static void set_s_long_ago(struct fixture *f)
{
    f->params.schedule_s = NOW - 12 * DAY;
}
static void set_s_at_start(struct fixture *f)
{
    f->params.time_s = f->params.schedule_s = 1;
}
static void set_no_zsk_yet(struct fixture *f)
{
    f->events[1].at_s = NOW + 1;
}
static void set_zsk_ended(struct fixture *f)
{
    f->events[2] = (struct csn_key_event){.key = CSN_KEY_NONE, .at_s = NOW};
    f->keyset.lists[1].count = 2;
}
static void set_ksk_retired(struct fixture *f)
{
    f->keyset.keys[0].is_retired = true;
}
static void set_no_validity_yet(struct fixture *f)
{
    f->validity.at_s = NOW + 1;
}
static void set_validity_short(struct fixture *f)
{
    f->validity.value_s = f->refresh.value_s;
}
static void set_other_zone(struct fixture *f)
{
    f->keyset.zone[1] = 'f';
}
static void set_other_input(struct fixture *f)
{
    f->input->prepared.octets[0] ^= 1;
}

static void test_content_is_refused(void **state)
{
    const struct {
        void (*change)(struct fixture *f);
        int code;
        const char *reason;
    } rows[] = {
        {set_s_after_t, CSN_EREFUSED, "after the signing time"},
        {set_s_long_ago, CSN_EREFUSED, "half of the refresh period"},
        {set_s_at_start, CSN_EREFUSED, "before the first slot"},
        {set_no_zsk_yet, CSN_EREFUSED, "no key signs it"},
        {set_zsk_ended, CSN_EREFUSED, "no key signs it"},
        {set_ksk_retired, CSN_EREFUSED, "DNSKEY: no key signs it"},
        {set_no_validity_yet, CSN_EREFUSED, "in force at S"},
        {set_validity_short, CSN_EREFUSED, "not above its refresh"},
        {set_other_zone, CSN_EREFUSED, "another zone"},
        {set_other_input, CSN_EMISMATCH, "D(prepared)"},
    };
    struct fixture *unchanged = *state;
    assert_int_equal(build(unchanged, &unchanged->content, NULL), CSN_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *changed;
        struct csn_reason reason = {""};
        struct csn_content *content = NULL;
        setup(&changed);
        rows[i].change(changed);
        int code = build(changed, &content, &reason);
        if (code != rows[i].code || strstr(reason.text, rows[i].reason) == NULL) {
            fail_msg("row %zu: %d \"%s\"", i, code, reason.text);
        }
        teardown(&changed);
    }
}

/* The remaining validity is never under R where S = T, whatever the time. */
static void test_remaining_validity_is_never_under_refresh(void **state)
{
    struct fixture *f = *state;
    for (unsigned hour = 0; hour < 24 * 30; hour += 7) {
        struct csn_content *content = NULL;
        f->params.time_s = f->params.schedule_s = NOW + hour * 3600;
        assert_int_equal(build(f, &content, NULL), CSN_OK);
        for (size_t i = 0; i < content->signature_count; i++) {
            uint64_t left_s = content->signatures[i].expiration_s - f->params.time_s;
            assert_true(left_s > f->refresh.value_s && left_s <= f->validity.value_s);
        }
        csn_content_free(content);
    }
}

/* A schedule that fell behind is refused when a signature would have less than R/2 left at T; R is odd here. */
static void test_half_of_refresh_must_be_left(void **state)
{
    struct fixture *f = *state;
    struct csn_planned planned[CSN_SIGNATURES_MAX];
    struct csn_hasher *hasher = csn_hasher_new();
    struct csn_schedule schedule = {.policy = &f->policy, .keyset = &f->keyset, .time_s = NOW, .schedule_s = NOW};
    size_t count;
    f->refresh.value_s = 10 * DAY + 1;
    const uint8_t *owner = f->keyset.zone;
    assert_int_equal(csn_schedule_rrset(&schedule, hasher, owner, CSN_TYPE_NS, planned, &count, NULL), CSN_OK);
    assert_int_equal(count, 1);
    schedule.time_s = planned[0].expiration_s - (5 * DAY + 1);
    assert_int_equal(csn_schedule_rrset(&schedule, hasher, owner, CSN_TYPE_NS, planned, &count, NULL), CSN_OK);
    schedule.time_s++;
    assert_int_equal(csn_schedule_rrset(&schedule, hasher, owner, CSN_TYPE_NS, planned, &count, NULL), CSN_EREFUSED);
    csn_hasher_free(hasher);
}

/* --- shares */

static void test_shares_of_all_authors_make_the_full_root(void **state)
{
    struct fixture *f = *state;
    struct csn_content *mine = NULL;
    struct csn_digest b, full, b_mine, full_mine;
    uint64_t sum = 0;
    assert_int_equal(build(f, &f->content, NULL), CSN_OK);
    assert_int_equal(build(f, &mine, NULL), CSN_OK);
    csn_content_authors(f->content, AUTHORS);
    csn_content_authors(mine, AUTHORS);
    sign(f->content, 1);
    csn_content_full_root(f->content, &b, &full);
    for (uint16_t author = 0; author < AUTHORS; author++) {
        struct csn_buf share = {0};
        struct csn_digest root, root_mine;
        uint64_t count, count_mine;
        csn_share_encode(f->content, author, &share);
        assert_int_equal(csn_share_decode(mine, author, csn_buf_view(&share)), CSN_OK);
        csn_share_root(f->content, author, &root, &count);
        csn_share_root(mine, author, &root_mine, &count_mine);
        assert_memory_equal(&root, &root_mine, sizeof(root));
        assert_int_equal(count, count_mine);
        assert_int_equal(share.size, count * (6 + OCTETS_SIZE));
        assert_true(count > 0);
        sum += count;
        csn_buf_fini(&share);
    }
    assert_int_equal(sum, mine->signature_count);
    csn_content_full_root(mine, &b_mine, &full_mine);
    assert_memory_equal(&full, &full_mine, sizeof(full));
    csn_content_free(mine);
}

static void carry_all(const struct csn_content *parent, struct csn_content *content)
{
    struct csn_buf buf = {0};
    for (size_t i = 0; i < parent->zone->count; i++) {
        struct csn_entry entry;
        csn_content_entry(parent, i, &buf, &entry);
        csn_content_carry(content, &entry);
    }
    csn_buf_fini(&buf);
}

/* In the next round only the SOA's signature is not carried: the share of its author has one, the others none. */
static void test_share_holds_what_is_not_carried(void **state)
{
    struct fixture *f = *state;
    struct csn_content *next = NULL;
    uint64_t count, sum = 0;
    struct csn_digest root;
    assert_int_equal(build(f, &f->content, NULL), CSN_OK);
    sign(f->content, 1);
    f->params.serial++;
    assert_int_equal(build(f, &next, NULL), CSN_OK);
    carry_all(f->content, next);
    csn_content_authors(next, AUTHORS);
    for (size_t i = 0; i < next->signature_count; i++) {
        const struct csn_rrset *rrset = &next->zone->rrsets[next->signatures[i].rrset];
        assert_int_equal(next->signatures[i].is_carried, rrset->type != CSN_TYPE_SOA);
    }
    for (uint16_t author = 0; author < AUTHORS; author++) {
        csn_share_root(next, author, &root, &count);
        sum += count;
        if (count == 0) {
            assert_int_equal(csn_share_decode(next, author, csn_bytes("", 0)), CSN_OK);
        }
    }
    assert_int_equal(sum, 1);
    csn_content_free(next);
}

static void assert_share(struct fixture *f, struct csn_bytes share, int code)
{
    assert_int_equal(csn_share_decode(f->content, 0, share), code);
    for (size_t i = 0; i < f->content->signature_count; i++) {
        assert_int_equal(f->content->signatures[i].octets.size, 0);
    }
}

static void test_share_of_a_peer_is_checked(void **state)
{
    struct fixture *f = *state;
    struct csn_content *peer = NULL;
    struct csn_buf share = {0}, other = {0};
    assert_int_equal(build(f, &f->content, NULL), CSN_OK);
    assert_int_equal(build(f, &peer, NULL), CSN_OK);
    csn_content_authors(f->content, AUTHORS);
    csn_content_authors(peer, AUTHORS);
    sign(peer, 1);
    csn_share_encode(peer, 0, &share);
    csn_share_encode(peer, 1, &other);
    size_t item = 6 + OCTETS_SIZE;
    assert_true(share.size >= 2 * item);
    assert_share(f, csn_bytes("", 0), CSN_EMISMATCH);
    assert_share(f, csn_buf_view(&other), CSN_EMISMATCH);
    assert_share(f, csn_bytes(share.data, share.size - item), CSN_EMISMATCH); /* one missing */
    for (size_t size = 1; size < item; size++) {
        assert_share(f, csn_bytes(share.data, size), CSN_EFORMAT);
    }
    csn_buf_put(&share, share.data, item); /* one too many */
    assert_share(f, csn_buf_view(&share), CSN_EMISMATCH);
    share.size -= item;
    csn_set_u16(share.data + 4, 0); /* empty octets; what follows no longer fits */
    assert_share(f, csn_buf_view(&share), CSN_EFORMAT);
    csn_set_u16(share.data + 4, OCTETS_SIZE);
    csn_set_u32(share.data, csn_get_u32(share.data) + 1);
    assert_share(f, csn_buf_view(&share), CSN_EMISMATCH);
    csn_content_free(peer);
    csn_buf_fini(&share);
    csn_buf_fini(&other);
}

/* --- roots of entries */

static int root_of(const struct csn_entry *entries, size_t count, uint32_t serial, struct csn_zone_roots *ret_roots)
{
    struct csn_rooter *rooter = csn_rooter_new((const uint8_t *)APEX, NOW);
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < count; i++) {
        code = csn_rooter_add(rooter, &entries[i], NULL);
    }
    if (code == CSN_OK) {
        code = csn_rooter_finish(rooter, serial, ret_roots, NULL);
    }
    csn_rooter_free(rooter);
    return code;
}

#define ENTRIES_MAX 64
struct entries {
    struct csn_entry entries[ENTRIES_MAX];
    struct csn_buf bufs[ENTRIES_MAX];
    size_t count;
};

static void make_entries(struct fixture *f, struct entries *ret_entries)
{
    assert_int_equal(build(f, &f->content, NULL), CSN_OK);
    sign(f->content, 1);
    *ret_entries = (struct entries){.count = f->content->zone->count};
    assert_true(ret_entries->count <= ENTRIES_MAX);
    for (size_t i = 0; i < ret_entries->count; i++) {
        csn_content_entry(f->content, i, &ret_entries->bufs[i], &ret_entries->entries[i]);
    }
}

static void free_entries(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        csn_buf_fini(&entries->bufs[i]);
    }
}

static void turn_round(struct entries *entries)
{
    for (size_t i = 0; i < entries->count / 2; i++) {
        struct csn_entry entry = entries->entries[i];
        entries->entries[i] = entries->entries[entries->count - 1 - i];
        entries->entries[entries->count - 1 - i] = entry;
    }
}

static void test_roots_of_entries_in_any_order(void **state)
{
    struct fixture *f = *state;
    struct entries entries;
    struct csn_zone_roots roots;
    struct csn_digest b, full;
    uint64_t earliest_s = UINT64_MAX;
    make_entries(f, &entries);
    csn_content_full_root(f->content, &b, &full);
    for (size_t i = 0; i < f->content->signature_count; i++) {
        uint64_t expiration_s = f->content->signatures[i].expiration_s;
        earliest_s = expiration_s < earliest_s ? expiration_s : earliest_s;
    }
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(root_of(entries.entries, entries.count, 7, &roots), CSN_OK);
        assert_memory_equal(&roots.full, &full, sizeof(full));
        assert_memory_equal(&roots.content, &f->content->content_root, sizeof(roots.content));
        assert_int_equal(roots.earliest_expiry_s, earliest_s);
        assert_int_equal(roots.signatures, f->content->signature_count);
        assert_int_equal(roots.records, entries.count + 1 + f->content->signature_count); /* the DNSKEY RRset has two */
        turn_round(&entries);
    }
    assert_int_equal(root_of(entries.entries, entries.count, 8, &roots), CSN_EMISMATCH);
    assert_int_equal(root_of(entries.entries, 0, 0, &roots), CSN_EMISMATCH);
    free_entries(&entries);
}

static size_t index_of(const struct entries *entries, uint16_t type)
{
    for (size_t i = 0; i < entries->count; i++) {
        if (entries->entries[i].rrset.type == type) {
            return i;
        }
    }
    fail_msg("no entry of type %u", type);
    return 0;
}

static void test_entries_that_no_class_holds_are_refused(void **state)
{
    struct fixture *f = *state;
    struct entries entries;
    struct csn_zone_roots roots;
    make_entries(f, &entries);
    struct csn_entry *txt = &entries.entries[index_of(&entries, CSN_TYPE_TXT)];
    struct csn_entry *soa = &entries.entries[index_of(&entries, CSN_TYPE_SOA)];
    const struct csn_entry txt_good = *txt, soa_good = *soa;
    static const uint16_t types[] = {CSN_TYPE_RRSIG, CSN_TYPE_NSEC3PARAM, CSN_TYPE_ZONEMD, CSN_TYPE_SOA};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        txt->rrset.type = types[i]; /* below the apex */
        txt->rrsigs.count = 0;
        assert_int_equal(root_of(entries.entries, entries.count, 7, &roots), CSN_EFORMAT);
        *txt = txt_good;
    }
    txt->rrset.count = 0;
    assert_int_equal(root_of(entries.entries, entries.count, 7, &roots), CSN_EFORMAT);
    *txt = txt_good;
    txt->rrsigs = soa_good.rrsigs; /* another covered type */
    assert_int_equal(root_of(entries.entries, entries.count, 7, &roots), CSN_EFORMAT);
    *txt = txt_good;
    soa->rrset.rdatas.size = 10;
    assert_int_equal(root_of(entries.entries, entries.count, 7, &roots), CSN_EFORMAT);
    *soa = soa_good;
    free_entries(&entries);
}

/* RRSIG RDATA cut at every place: refused or, where only the signature is shorter, another root; never a crash. */
static void test_rrsig_cut_short_is_refused(void **state)
{
    struct fixture *f = *state;
    struct entries entries;
    struct csn_zone_roots roots, good;
    make_entries(f, &entries);
    struct csn_entry *txt = &entries.entries[index_of(&entries, CSN_TYPE_TXT)];
    assert_int_equal(root_of(entries.entries, entries.count, 7, &good), CSN_OK);
    size_t size = txt->rrsigs.rdatas.size - 2;
    for (uint16_t cut = 0; cut < size; cut++) {
        uint8_t *copy = csn_alloc(cut + 2u);
        csn_set_u16(copy, cut);
        memcpy(copy + 2, txt->rrsigs.rdatas.data + 2, cut);
        struct csn_bytes whole = txt->rrsigs.rdatas;
        txt->rrsigs.rdatas = csn_bytes(copy, cut + 2u);
        int code = root_of(entries.entries, entries.count, 7, &roots);
        assert_int_equal(code, cut <= size - OCTETS_SIZE ? CSN_EFORMAT : CSN_OK);
        assert_true(code != CSN_OK || memcmp(&roots.full, &good.full, sizeof(good.full)) != 0);
        txt->rrsigs.rdatas = whole;
        free(copy);
    }
    free_entries(&entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_content_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remaining_validity_is_never_under_refresh, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_of_refresh_must_be_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shares_of_all_authors_make_the_full_root, setup, teardown),
        cmocka_unit_test_setup_teardown(test_share_holds_what_is_not_carried, setup, teardown),
        cmocka_unit_test_setup_teardown(test_share_of_a_peer_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_roots_of_entries_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entries_that_no_class_holds_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rrsig_cut_short_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
