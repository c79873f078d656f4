/* Goal: policies and key sets that could break a zone are refused, with the reason. Method: tables of one change each to a
 * policy and a key set that pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "keys/keyset.h"

#define DAY UINT64_C(86400)
#define HOUR UINT64_C(3600)
#define NOW (UINT64_C(20000) * DAY)
#define KEY_SIZE 36

struct lists {
    struct csn_timed validity[3], refresh[3], offset[3];
};

static const struct lists plain = {.validity = {{0, 0, 21 * DAY}}, .refresh = {{0, 0, 10 * DAY}}, .offset = {{0, 0, 5400}}};

static size_t count_of(const struct csn_timed events[3])
{
    size_t count = 0;
    while (count < 3 && events[count].value_s > 0) {
        count++;
    }
    return count;
}

static struct csn_policy policy_of(const struct lists *lists)
{
    return (struct csn_policy){.validity = {lists->validity, count_of(lists->validity)},
                               .refresh = {lists->refresh, count_of(lists->refresh)},
                               .offset = {lists->offset, count_of(lists->offset)},
                               .refresh_interval_s = HOUR,
                               .propagation_s = HOUR,
                               .hold_budget_s = 12 * HOUR,
                               .prepublication_s = 7 * DAY,
                               .postpublication_s = 7 * DAY,
                               .max_round_age_s = 1800};
}

/* A DNSKEY with a made-up public key; algorithm 15. */
static void make_key(struct csn_key *key, uint16_t flags, uint8_t seed, uint8_t ret_rdata[KEY_SIZE])
{
    csn_set_u16(ret_rdata, flags);
    ret_rdata[2] = 3;
    ret_rdata[3] = 15;
    memset(ret_rdata + 4, seed, KEY_SIZE - 4);
    *key = (struct csn_key){.is_published = true};
    key->name[0] = (char)('a' + seed % 26);
    assert_int_equal(csn_key_derive(key, csn_bytes(ret_rdata, KEY_SIZE)), CSN_OK);
}

struct fixture {
    uint8_t rdata[2][KEY_SIZE];
    struct csn_key_event events[2];
    struct csn_keyset keyset;
};

static struct fixture *make_fixture(void)
{
    struct fixture *f = csn_calloc(1, sizeof(*f));
    make_key(&f->keyset.keys[0], 257, 1, f->rdata[0]);
    make_key(&f->keyset.keys[1], 256, 2, f->rdata[1]);
    f->keyset.key_count = 2;
    f->keyset.dnskey_ttl = 3600;
    f->events[0] = (struct csn_key_event){.key = 0};
    f->events[1] = (struct csn_key_event){.key = 1};
    f->keyset.lists[0] = (struct csn_key_list){CSN_ROLE_KSK, 15, &f->events[0], 1};
    f->keyset.lists[1] = (struct csn_key_list){CSN_ROLE_ZSK, 15, &f->events[1], 1};
    f->keyset.list_count = 2;
    return f;
}

static void test_policy_is_checked(void **state)
{
    (void)state;
    const struct {
        struct lists lists;
        const char *refused, *at; /* a part of the reason, and the place; NULL: accepted */
    } rows[] = {
        {plain, NULL, NULL},
        {{{{0}}, {{0, 0, 10 * DAY}}, {{0, 0, 5400}}}, "validity: no value", "validity"},
        {{{{0, 0, 10 * DAY}}, {{0, 0, 10 * DAY}}, {{0, 0, 5400}}},
         "validity is 10d 0h, must be more than 10d 0h = refresh", "validity.0.value"},
        {{{{0, 0, 21 * DAY}}, {{0, 0, 10 * DAY}}, {{0, 0, HOUR - 1}}}, "must be at least 1h", "inception-offset.0.value"},
        {{{{0, 0, 21 * DAY}}, {{0, 0, 10 * DAY}}, {{0, 0, HOUR}}}, NULL, NULL},
        {{{{0, 0, 21 * DAY}}, {{0, 0, HOUR}}, {{0, 0, 5400}}}, "must be more than 1h 00m = twice max-round-age",
         "refresh.0.value"},
        {{{{0, 0, 21 * DAY}}, {{0, 0, HOUR + 1}}, {{0, 0, 5400}}}, NULL, NULL},
        /* W < P */
        {{{{0, 11 * DAY, 21 * DAY}}, {{0, 0, 10 * DAY}}, {{0, 0, 5400}}}, "is 11d 0h, must be more than 11d 0h = a window",
         "validity.0.window"},
        {{{{0, 11 * DAY + 60, 21 * DAY}}, {{0, 0, 10 * DAY}}, {{0, 0, 5400}}}, "is 950400s, must be more than 950460s = a window",
         "validity.0.window"},
        {{{{0, 11 * DAY - 1, 21 * DAY}}, {{0, 0, 10 * DAY}}, {{0, 0, 5400}}}, NULL, NULL},
        {{{{0, 0, 21 * DAY}}, {{0, 0, 10 * DAY}}, {{0, 11 * DAY, 5400}}}, "window", "inception-offset.0.window"},
        /* V and R go down together: the new V never meets the old R */
        {{{{0, 0, 28 * DAY}, {NOW, DAY, 14 * DAY}}, {{0, 0, 14 * DAY}, {NOW, DAY, 7 * DAY}}, {{0, 0, 5400}}}, NULL, NULL},
        /* or up together: the old V never meets the new R */
        {{{{0, 0, 14 * DAY}, {NOW, DAY, 28 * DAY}}, {{0, 0, 7 * DAY}, {NOW, DAY, 14 * DAY}}, {{0, 0, 5400}}}, NULL, NULL},
        /* in windows of their own they do */
        {{{{0, 0, 28 * DAY}, {NOW, DAY, 14 * DAY}}, {{0, 0, 14 * DAY}, {NOW, 2 * DAY, 7 * DAY}}, {{0, 0, 5400}}}, "validity is",
         "validity.1.value"},
        /* R first, V after its window: they do not meet */
        {{{{0, 0, 28 * DAY}, {NOW + DAY, 0, 14 * DAY}}, {{0, 0, 14 * DAY}, {NOW, DAY, 7 * DAY}}, {{0, 0, 5400}}}, NULL, NULL},
        {{{{0, 0, (uint64_t)1 << 31}}, {{0, 0, 10 * DAY}}, {{0, 0, 5400}}}, "out of range", "validity.0"},
        {{{{UINT64_MAX, 0, 21 * DAY}}, {{0, 0, 10 * DAY}}, {{0, 0, 5400}}}, "out of range", "validity.0"},
        /* a value that would never come into force, and one that is taken back */
        {{{{0, 0, 21 * DAY}, {NOW, 0, 28 * DAY}, {NOW - DAY, DAY, 25 * DAY}}, {{0, 0, 10 * DAY}}, {{0, 0, 5400}}},
         "validity: value 2 of the list would never come into force", "validity.2.from"},
        {{{{0, 0, 21 * DAY}, {NOW, 0, 28 * DAY}, {NOW - DAY, DAY + 1, 25 * DAY}}, {{0, 0, 10 * DAY}}, {{0, 0, 5400}}}, NULL, NULL},
        {{{{0, 0, 21 * DAY}, {NOW, 0, 28 * DAY}, {NOW - DAY, 0, 21 * DAY}}, {{0, 0, 10 * DAY}}, {{0, 0, 5400}}}, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_policy policy = policy_of(&rows[i].lists);
        struct csn_fault fault = {.at = ""};
        int code = csn_policy_check(&policy, NULL, &fault);
        if (code != (rows[i].refused ? CSN_EREFUSED : CSN_OK) ||
            (rows[i].refused && (strstr(fault.reason.text, rows[i].refused) == NULL || strcmp(fault.at, rows[i].at) != 0))) {
            fail_msg("row %zu: code %d, \"%s\" at %s", i, code, fault.reason.text, fault.at);
        }
    }
}

static void test_policy_is_checked_with_key_set(void **state)
{
    (void)state;
    struct fixture *f = make_fixture();
    struct csn_policy policy = policy_of(&plain);
    struct csn_fault fault = {.at = ""};
    assert_int_equal(csn_policy_check(&policy, &f->keyset, NULL), CSN_OK);
    f->events[1].window_s = 11 * DAY; /* W = P */
    assert_int_equal(csn_policy_check(&policy, &f->keyset, &fault), CSN_EREFUSED);
    assert_non_null(strstr(fault.reason.text, "is 11d 0h, must be more than 11d 0h = a roll window"));
    assert_string_equal(fault.at, "events.1.list.0.window");
    assert_true(fault.is_in_keyset);
    f->events[1].window_s = DAY;
    assert_int_equal(csn_policy_check(&policy, &f->keyset, NULL), CSN_OK);
    policy.prepublication_s = 14 * HOUR; /* DNSKEY TTL 1 h + propagation 1 h + hold budget 12 h */
    assert_int_equal(csn_policy_check(&policy, &f->keyset, NULL), CSN_OK);
    policy.prepublication_s = 14 * HOUR - 1;
    assert_int_equal(csn_policy_check(&policy, &f->keyset, &fault), CSN_EREFUSED);
    assert_non_null(strstr(fault.reason.text, "must be at least 14h"));
    assert_string_equal(fault.at, "pre-publication");
    assert_false(fault.is_in_keyset);
    free(f);
}

/* The real root: SOA EXPIRE 7 d, greatest TTL 6 d. */
static void test_root_refuses_default_refresh(void **state)
{
    (void)state;
    const struct lists root = {.validity = {{0, 0, 28 * DAY}}, .refresh = {{0, 0, 14 * DAY}}, .offset = {{0, 0, 5400}}};
    struct csn_policy policy = policy_of(&plain);
    struct csn_reason reason = {""};
    assert_int_equal(csn_policy_check_input(&policy, NOW, 604800, 518400, &reason), CSN_EREFUSED);
    assert_non_null(strstr(reason.text, "refresh is 10d"));
    policy = policy_of(&root);
    assert_int_equal(csn_policy_check(&policy, NULL, NULL), CSN_OK);
    assert_int_equal(csn_policy_check_input(&policy, NOW, 604800, 518400, &reason), CSN_OK);
}

static void test_input_is_checked_against_policy(void **state)
{
    (void)state;
    struct csn_policy policy = policy_of(&plain);
    uint32_t expire_s = (uint32_t)(10 * DAY - 2 * HOUR); /* with TTL 1 h and refresh interval 1 h: just R */
    assert_int_equal(csn_policy_check_input(&policy, NOW, expire_s, HOUR, NULL), CSN_OK);
    assert_int_equal(csn_policy_check_input(&policy, NOW, expire_s + 1, HOUR, NULL), CSN_EREFUSED);
    memcpy(policy.accept_risk, "ours", 5);
    assert_int_equal(csn_policy_check_input(&policy, NOW, expire_s + 1, HOUR, NULL), CSN_OK);
    policy.postpublication_s = 14 * HOUR;
    assert_int_equal(csn_policy_check_input(&policy, NOW, 0, HOUR, NULL), CSN_OK);
    assert_int_equal(csn_policy_check_input(&policy, NOW, 0, HOUR + 1, NULL), CSN_EREFUSED);
}

static void test_input_is_checked_against_refresh_in_force(void **state)
{
    (void)state;
    const struct lists raised = {.validity = {{0, 0, 28 * DAY}},
                                 .refresh = {{0, 0, 10 * DAY}, {NOW, DAY, 14 * DAY}},
                                 .offset = {{0, 0, 5400}}};
    struct csn_policy policy = policy_of(&raised);
    assert_int_equal(csn_policy_check_input(&policy, NOW + DAY - 1, 604800, 518400, NULL), CSN_EREFUSED);
    assert_int_equal(csn_policy_check_input(&policy, NOW + DAY, 604800, 518400, NULL), CSN_OK);
}

/* RFC 4034 5.4: key tag 60485. */
static void test_key_tag_of_rfc_4034(void **state)
{
    (void)state;
    static const uint8_t dnskey[] = {
        0x01, 0x00, 0x03, 0x05, 0x01, 0x03, 0x9e, 0x8a, 0x24, 0x74, 0x18, 0xe3, 0x18, 0x90, 0x3b, 0x21, 0x5a, 0x84, 0x8a, 0xcf,
        0xd5, 0xf3, 0x7f, 0x02, 0x6b, 0xd4, 0x06, 0x2d, 0xb2, 0x6c, 0x77, 0x4c, 0x69, 0x09, 0x68, 0xd5, 0xd5, 0x6d, 0xf8, 0xbf,
        0xda, 0x91, 0xe6, 0xf3, 0x6d, 0x9a, 0x27, 0x98, 0x88, 0xf4, 0x13, 0x33, 0x35, 0x7c, 0x5e, 0x60, 0x29, 0x99, 0x0d, 0x10,
        0xfd, 0xf5, 0x66, 0x30, 0x62, 0xa5, 0x12, 0x76, 0x33, 0x26, 0x98, 0x0a, 0x61, 0x5d, 0xdb, 0xf1, 0x7a, 0x05, 0xdd, 0xfc,
        0xce, 0x7e, 0x5f, 0xb3, 0xab, 0xcc, 0xa0, 0x5a, 0x31, 0xb0, 0x95, 0x74, 0x52, 0xd4, 0x52, 0x1e, 0x83, 0x87, 0x07, 0x89,
        0x06, 0x31, 0x15, 0xbf, 0x97, 0xf6, 0xc3, 0x08, 0xcc, 0xf5, 0x7c, 0xdc, 0x9c, 0xe7, 0xfe, 0x10, 0xf6, 0xed, 0x1b, 0xd0,
        0xcc, 0x06, 0x60, 0x03, 0x8c, 0x50, 0xdc, 0xdb, 0x0f, 0xeb, 0x96, 0x3c, 0x2f, 0x17};
    struct csn_key key = {.name = "x"};
    assert_int_equal(csn_key_tag(csn_bytes(dnskey, sizeof(dnskey))), 60485);
    assert_int_equal(csn_key_derive(&key, csn_bytes(dnskey, sizeof(dnskey))), CSN_OK);
    assert_int_equal(key.algorithm, 5);
    assert_int_equal(key.flags, 256);
    assert_int_equal(csn_key_derive(&key, csn_bytes(dnskey, 4)), CSN_EFORMAT);
    uint8_t protocol_2[8] = {1, 0, 2, 15, 1, 2, 3, 4};
    assert_int_equal(csn_key_derive(&key, csn_bytes(protocol_2, 8)), CSN_EFORMAT);
}

/* The tag of a key when REVOKE is set: RFC 5011 7 makes it another one. */
static uint16_t revoked_tag(const uint8_t rdata[KEY_SIZE])
{
    uint8_t copy[KEY_SIZE];
    memcpy(copy, rdata, KEY_SIZE);
    copy[1] |= 0x80;
    return csn_key_tag(csn_bytes(copy, KEY_SIZE));
}

/* Makes the second key's tag (as it stands, or revoked) equal to `tag` by its last two octets. */
static void force_tag(struct fixture *f, uint16_t flags, uint16_t tag)
{
    make_key(&f->keyset.keys[1], flags, 2, f->rdata[1]);
    for (unsigned i = 0; i <= UINT16_MAX; i++) {
        csn_set_u16(f->rdata[1] + KEY_SIZE - 2, (uint16_t)i);
        if (csn_key_tag(csn_bytes(f->rdata[1], KEY_SIZE)) == tag) {
            assert_int_equal(csn_key_derive(&f->keyset.keys[1], csn_bytes(f->rdata[1], KEY_SIZE)), CSN_OK);
            return;
        }
    }
    fail_msg("no key with tag %u", tag);
}

/* .ru 2024: two keys, one tag. */
static void test_key_tag_collision_is_refused(void **state)
{
    (void)state;
    struct fixture *f = make_fixture();
    struct csn_fault fault = {.at = ""};
    assert_int_equal(csn_keyset_check(&f->keyset, &fault), CSN_OK);
    force_tag(f, 256, f->keyset.keys[0].tag);
    assert_int_equal(csn_keyset_check(&f->keyset, &fault), CSN_EREFUSED);
    assert_non_null(strstr(fault.reason.text, "collide"));
    assert_string_equal(fault.at, "keys.1.dnskey");
    f->keyset.keys[1].is_published = false; /* it will be one day */
    assert_int_equal(csn_keyset_check(&f->keyset, NULL), CSN_EREFUSED);
    free(f);
}

static void test_key_tag_collision_of_revoked_form_is_refused(void **state)
{
    (void)state;
    struct fixture *f = make_fixture();
    force_tag(f, 256, revoked_tag(f->rdata[0]));
    assert_int_not_equal(f->keyset.keys[0].tag, f->keyset.keys[1].tag);
    assert_int_equal(csn_keyset_check(&f->keyset, NULL), CSN_EREFUSED);
    free(f);
}

static void test_revoked_form_of_one_key_is_accepted(void **state)
{
    (void)state;
    struct fixture *f = make_fixture();
    make_key(&f->keyset.keys[2], 257 | 0x80, 1, f->rdata[0]);
    uint8_t rdata[KEY_SIZE];
    make_key(&f->keyset.keys[0], 257, 1, rdata);
    f->keyset.key_count = 3;
    assert_int_equal(csn_keyset_check(&f->keyset, NULL), CSN_OK);
    make_key(&f->keyset.keys[2], 257, 1, f->rdata[0]); /* the very same key twice */
    assert_int_equal(csn_keyset_check(&f->keyset, NULL), CSN_EREFUSED);
    free(f);
}

static void set_ksk_window(struct fixture *f)
{
    f->events[0].window_s = 1;
}
static void set_other_algorithm(struct fixture *f)
{
    f->keyset.lists[1].algorithm = 13;
}
static void set_key_out_of_range(struct fixture *f)
{
    f->events[1].key = 2;
}
static void set_zsk_ended(struct fixture *f)
{
    f->events[1].key = CSN_KEY_NONE;
}
static void set_ksk_ended(struct fixture *f)
{
    f->events[0].key = CSN_KEY_NONE;
}
static void set_sep_on_zsk(struct fixture *f)
{
    make_key(&f->keyset.keys[1], 257, 2, f->rdata[1]);
}
static void set_ksk_without_sep(struct fixture *f)
{
    make_key(&f->keyset.keys[0], 256, 1, f->rdata[0]);
}
static void set_ksk_unpublished(struct fixture *f)
{
    f->keyset.keys[0].is_published = false;
}
static void set_ksk_retired(struct fixture *f)
{
    f->keyset.keys[0].is_retired = true;
}
static void set_no_zone_key(struct fixture *f)
{
    make_key(&f->keyset.keys[1], 0, 2, f->rdata[1]);
}
static void set_list_twice(struct fixture *f)
{
    f->keyset.lists[2] = f->keyset.lists[1];
    f->keyset.list_count = 3;
}
static void set_far_event(struct fixture *f)
{
    f->events[1].at_s = UINT64_MAX;
}

static void test_key_set_is_checked(void **state)
{
    (void)state;
    const struct {
        void (*change)(struct fixture *f);
        const char *refused, *at;
    } rows[] = {
        {set_ksk_window, "window is always 0", "events.0.list.0.window"},
        {set_other_algorithm, "has algorithm 15", "events.1.list.0.key"},
        {set_key_out_of_range, "no such key", "events.1.list.0.key"},
        {set_zsk_ended, "nothing would sign the zone", "events"},
        {set_ksk_ended, "'none' ends nothing", "events.0.list.0.key"},
        {set_ksk_unpublished, "nothing would sign DNSKEY", "events"},
        {set_ksk_retired, "nothing would sign DNSKEY", "events"},
        {set_no_zone_key, "not a zone key", "keys.1.dnskey"},
        {set_list_twice, "two event lists", "events.2"},
        {set_far_event, "out of range", "events.1.list.0"},
        {set_sep_on_zsk, "ZSK events: key c has flags 257, a KSK's", "events.1.list.0.key"},
        {set_ksk_without_sep, "KSK events: key b has flags 256, a ZSK's", "events.0.list.0.key"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture *f = make_fixture();
        struct csn_fault fault = {.at = ""};
        rows[i].change(f);
        if (csn_keyset_check(&f->keyset, &fault) != CSN_EREFUSED || strstr(fault.reason.text, rows[i].refused) == NULL ||
            strcmp(fault.at, rows[i].at) != 0) {
            fail_msg("row %zu: \"%s\" at %s", i, fault.reason.text, fault.at);
        }
        free(f);
    }
}

/* signing.md 3: a CSK is in both roles. */
static void test_key_in_both_roles_may_have_either_flag(void **state)
{
    (void)state;
    for (uint16_t flags = 256; flags <= 257; flags++) {
        struct fixture *f = make_fixture();
        make_key(&f->keyset.keys[0], flags, 1, f->rdata[0]);
        f->events[1].key = 0;
        assert_int_equal(csn_keyset_check(&f->keyset, NULL), CSN_OK);
        free(f);
    }
}

#define EVENTS_MAX 4
/* Key 0 is a KSK, 1 to 3 are ZSKs. A list ends before the first event with an empty `at_s` behind the first. */
struct plan {
    enum csn_role role;
    struct csn_key_event events[EVENTS_MAX];
};

static struct fixture *make_planned(const struct plan *plan, uint8_t ret_rdata[2][KEY_SIZE])
{
    struct fixture *f = make_fixture();
    make_key(&f->keyset.keys[2], 256, 3, ret_rdata[0]);
    make_key(&f->keyset.keys[3], 256, 4, ret_rdata[1]);
    f->keyset.key_count = 4;
    size_t count = 1;
    while (count < EVENTS_MAX && plan->events[count].at_s > 0) {
        count++;
    }
    f->keyset.lists[plan->role] = (struct csn_key_list){plan->role, 15, plan->events, count};
    return f;
}

static void test_event_that_never_takes_effect_is_refused(void **state)
{
    (void)state;
    const struct {
        struct plan plan;
        const char *at; /* NULL: accepted */
    } rows[] = {
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW, DAY}, {3, NOW + 30 * DAY, DAY}}}, NULL},
        /* last year's date */
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW, DAY}, {3, NOW - 300 * DAY, DAY}}}, "events.1.list.2.at"},
        /* two at one time */
        {{CSN_ROLE_ZSK, {{1, NOW, 0}, {2, NOW, 0}}}, "events.1.list.1.at"},
        {{CSN_ROLE_ZSK, {{1, NOW, 0}, {2, NOW, 1}}}, NULL},
        /* windows may overlap: both take effect somewhere */
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW, DAY}, {3, NOW - DAY, DAY + 1}}}, NULL},
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW, DAY}, {3, NOW - DAY, DAY}}}, "events.1.list.2.at"},
        /* an abort before the roll, at its time, in its window; with a window it is none */
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW, DAY}, {1, NOW - DAY, 0}}}, NULL},
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW, DAY}, {1, NOW, 0}}}, NULL},
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW, DAY}, {1, NOW + HOUR, 0}}}, NULL},
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW, DAY}, {1, NOW - DAY, HOUR}}}, "events.1.list.2.at"},
        /* back to a key that was not there before */
        {{CSN_ROLE_ZSK, {{1, NOW, 0}, {2, NOW - DAY, 0}}}, "events.1.list.1.at"},
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {CSN_KEY_NONE, NOW, DAY}, {1, NOW - DAY, 0}}}, NULL},
        /* KSKs count each for itself, from its last event on */
        {{CSN_ROLE_KSK, {{0, NOW, 0}, {0, NOW + DAY, 0}}}, NULL},
        {{CSN_ROLE_KSK, {{0, NOW, 0}, {0, NOW - DAY, 0}}}, "events.0.list.1.at"},
        {{CSN_ROLE_KSK, {{0, NOW, 0}, {1, NOW - DAY, 0}}}, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t rdata[2][KEY_SIZE];
        struct fixture *f = make_planned(&rows[i].plan, rdata);
        struct csn_fault fault = {.at = ""};
        int code = csn_keyset_check(&f->keyset, &fault);
        if (code != (rows[i].at ? CSN_EREFUSED : CSN_OK) ||
            (rows[i].at && (strcmp(fault.at, rows[i].at) != 0 || strstr(fault.reason.text, "would never take effect") == NULL))) {
            fail_msg("row %zu: code %d, \"%s\" at %s", i, code, fault.reason.text, fault.at);
        }
        free(f);
    }
}

static void test_keys_that_sign_now_or_later(void **state)
{
    (void)state;
    const struct {
        struct plan plan;
        unsigned signs; /* bit of each key */
    } rows[] = {
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW - DAY, DAY - 1}, {3, NOW + DAY, 0}}}, 1 << 0 | 1 << 2 | 1 << 3},
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW - DAY, DAY + 1}}}, 1 << 0 | 1 << 1 | 1 << 2}, /* in its window */
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW + DAY, DAY}, {1, NOW + HOUR, 0}}}, 1 << 0 | 1 << 1}, /* aborted */
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {CSN_KEY_NONE, NOW, 0}}}, 1 << 0},
        {{CSN_ROLE_KSK, {{0, NOW + DAY, 0}}}, 1 << 0 | 1 << 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t rdata[2][KEY_SIZE];
        struct fixture *f = make_planned(&rows[i].plan, rdata);
        unsigned signs = 0;
        for (uint16_t key = 0; key < 4; key++) {
            signs |= csn_keyset_signs(&f->keyset, key, NOW) ? 1u << key : 0;
        }
        if (signs != rows[i].signs) {
            fail_msg("row %zu: %x", i, signs);
        }
        f->keyset.keys[0].is_published = false;
        assert_false(csn_keyset_signs(&f->keyset, 0, NOW));
        f->keyset.keys[0].is_published = true;
        f->keyset.keys[0].is_retired = true;
        assert_false(csn_keyset_signs(&f->keyset, 0, NOW));
        free(f);
    }
}

/* Key 2 is not published. */
static void test_key_that_signs_soon_must_be_published(void **state)
{
    (void)state;
    const struct {
        struct plan plan;
        bool is_refused;
    } rows[] = {
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW + 7 * DAY, DAY}}}, true},
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW + 7 * DAY + 1, DAY}}}, false}, /* there is time */
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW - DAY, 0}}}, true},
        {{CSN_ROLE_ZSK, {{2, 0, 0}, {1, NOW - DAY, DAY}}}, false}, /* gone */
        {{CSN_ROLE_ZSK, {{2, 0, 0}, {1, NOW - DAY, DAY + 1}}}, true},
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {2, NOW + DAY, DAY}, {1, NOW, 0}}}, false}, /* aborted */
    };
    const struct csn_policy policy = policy_of(&plain);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t rdata[2][KEY_SIZE];
        struct fixture *f = make_planned(&rows[i].plan, rdata);
        struct csn_fault fault = {.at = ""};
        assert_int_equal(csn_keyset_check_publication(&f->keyset, &policy, NOW, NULL), CSN_OK);
        f->keyset.keys[2].is_published = false;
        int code = csn_keyset_check_publication(&f->keyset, &policy, NOW, &fault);
        if (code != (rows[i].is_refused ? CSN_EREFUSED : CSN_OK) ||
            (code != CSN_OK && strcmp(fault.at, "keys.2.published") != 0)) {
            fail_msg("row %zu: code %d, \"%s\" at %s", i, code, fault.reason.text, fault.at);
        }
        /* a new algorithm signs before any key of it is published, an old one after */
        f->keyset.keys[0].is_published = f->keyset.keys[1].is_published = f->keyset.keys[3].is_published = false;
        assert_int_equal(csn_keyset_check_publication(&f->keyset, &policy, NOW, NULL), CSN_OK);
        free(f);
    }
}

static void test_deadline_is_no_longer_than_a_round_may_live(void **state)
{
    (void)state;
    struct fixture *f = make_fixture();
    struct csn_policy policy = policy_of(&plain);
    struct csn_fault fault = {.at = ""};
    policy.round_deadline_ms = 1800 * 1000;
    assert_int_equal(csn_policy_check(&policy, &f->keyset, &fault), CSN_OK);
    policy.round_deadline_ms++;
    assert_int_equal(csn_policy_check(&policy, &f->keyset, &fault), CSN_EREFUSED);
    assert_string_equal(fault.at, "round-deadline");
    assert_non_null(strstr(fault.reason.text, "at most 30m 00s = max-round-age"));
    free(f);
}

/* Keys 0 and 3 are in no ZSK list. */
static void test_each_role_has_a_key_that_signs_now(void **state)
{
    (void)state;
    const struct {
        struct plan plan;
        bool is_refused;
    } rows[] = {
        {{CSN_ROLE_ZSK, {{1, 0, 0}}}, false},
        {{CSN_ROLE_ZSK, {{1, NOW, 0}}}, false},
        {{CSN_ROLE_ZSK, {{1, NOW + 1, 0}}}, true},
        {{CSN_ROLE_ZSK, {{1, NOW - DAY, DAY + 1}}}, true}, /* not yet for every RRset */
        {{CSN_ROLE_ZSK, {{1, NOW - DAY, DAY}, {2, NOW + DAY, 0}}}, false},
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {CSN_KEY_NONE, NOW, 0}}}, true},
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {CSN_KEY_NONE, NOW - DAY, DAY + 1}}}, false},
        {{CSN_ROLE_ZSK, {{1, 0, 0}, {CSN_KEY_NONE, NOW - DAY, 0}, {2, NOW, 0}}}, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t rdata[2][KEY_SIZE];
        struct fixture *f = make_planned(&rows[i].plan, rdata);
        struct csn_fault fault = {.at = ""};
        int code = csn_keyset_check_in_force(&f->keyset, NOW, &fault);
        if (code != (rows[i].is_refused ? CSN_EREFUSED : CSN_OK) ||
            (code != CSN_OK && strstr(fault.reason.text, "nothing signs the zone's data at ") == NULL)) {
            fail_msg("row %zu: code %d, \"%s\" at %s", i, code, fault.reason.text, fault.at);
        }
        for (size_t j = 0; j < f->keyset.key_count; j++) {
            f->keyset.keys[j].is_retired = true;
        }
        assert_int_equal(csn_keyset_check_in_force(&f->keyset, NOW, &fault), CSN_EREFUSED);
        assert_non_null(strstr(fault.reason.text, "nothing signs the zone's DNSKEY at "));
        free(f);
    }
}

/* The DS by BIND's dnssec-dsfromkey. */
static void test_ds_names_its_key(void **state)
{
    (void)state;
    static const char sha256[] = "74800f020ab1372c1d31410336c1e68685c152c8e5e61f5daf3036a28b2432fec9041598";
    static const char sha384[] = "74800f04d4e4424ce731d66bf13367779bba282e817c72562ebf94658cf2ebe20dd7"
                                 "8ab25dc72310095c670a06cab6b91a654a2a";
    static const struct {
        const char *zone, *ds;
        size_t size, changed; /* an octet to change; 0: none */
        bool is_ds;
    } rows[] = {
        {"\7example\3net", sha256, 36, 0, true},
        {"\7example\3net", sha384, 52, 0, true},
        {"\7example\3org", sha256, 36, 0, false},
        {"\7example\3net", sha256, 36, 1, false},
        {"\7example\3net", sha256, 36, 2, false},
        {"\7example\3net", sha256, 36, 3, false}, /* another digest type */
        {"\7example\3net", sha256, 36, 35, false},
        {"\7example\3net", sha256, 35, 0, false},
        {"\7example\3net", "74800f020ab1372c1d31410336c1e68685c152c8e5e61f5daf3036a28b2432fec904159800", 37, 0, false},
        {"\7example\3net", sha384, 52, 51, false},
        {"\7example\3net", "74800f0124aaff396850d852100906997881ba76bdb5deab", 24, 0, true},
        {"\7example\3net", "74810f0124aaff396850d852100906997881ba76bdb5deab", 24, 0, false},
        {"\7example\3net", sha256, 4, 0, false},
    };
    struct csn_key key;
    uint8_t rdata[KEY_SIZE], ds[52];
    make_key(&key, 257, 7, rdata);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[2 * sizeof(ds) + 1] = "";
        memcpy(text, rows[i].ds, 2 * rows[i].size);
        assert_int_equal(csn_hex_decode(text, ds, rows[i].size), CSN_OK);
        ds[rows[i].changed] ^= rows[i].changed > 0 ? 1 : 0;
        if (csn_key_is_ds(&key, (const uint8_t *)rows[i].zone, csn_bytes(ds, rows[i].size)) != rows[i].is_ds) {
            fail_msg("row %zu", i);
        }
    }
}

static void test_dnskey_rrset_holds_published_keys_in_order(void **state)
{
    (void)state;
    struct fixture *f = make_fixture();
    struct csn_buf buf = {0};
    struct csn_rrset rrset;
    csn_keyset_dnskey(&f->keyset, &buf, &rrset);
    assert_int_equal(rrset.count, 2);
    assert_int_equal(rrset.type, CSN_TYPE_DNSKEY);
    struct csn_reader rdatas = csn_rdata_first(&rrset);
    struct csn_bytes rdata;
    assert_true(csn_rdata_next(&rdatas, &rdata));
    assert_true(csn_bytes_equal(rdata, f->keyset.keys[1].dnskey)); /* 256 before 257 */
    assert_true(csn_rdata_next(&rdatas, &rdata));
    assert_true(csn_bytes_equal(rdata, f->keyset.keys[0].dnskey));
    assert_false(csn_rdata_next(&rdatas, &rdata));
    f->keyset.keys[0].is_published = false;
    csn_keyset_dnskey(&f->keyset, &buf, &rrset);
    assert_int_equal(rrset.count, 1);
    csn_buf_fini(&buf);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_is_checked),
        cmocka_unit_test(test_policy_is_checked_with_key_set),
        cmocka_unit_test(test_root_refuses_default_refresh),
        cmocka_unit_test(test_input_is_checked_against_policy),
        cmocka_unit_test(test_input_is_checked_against_refresh_in_force),
        cmocka_unit_test(test_key_tag_of_rfc_4034),
        cmocka_unit_test(test_key_tag_collision_is_refused),
        cmocka_unit_test(test_key_tag_collision_of_revoked_form_is_refused),
        cmocka_unit_test(test_revoked_form_of_one_key_is_accepted),
        cmocka_unit_test(test_key_set_is_checked),
        cmocka_unit_test(test_key_in_both_roles_may_have_either_flag),
        cmocka_unit_test(test_event_that_never_takes_effect_is_refused),
        cmocka_unit_test(test_keys_that_sign_now_or_later),
        cmocka_unit_test(test_key_that_signs_soon_must_be_published),
        cmocka_unit_test(test_each_role_has_a_key_that_signs_now),
        cmocka_unit_test(test_deadline_is_no_longer_than_a_round_may_live),
        cmocka_unit_test(test_ds_names_its_key),
        cmocka_unit_test(test_dnskey_rrset_holds_published_keys_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
