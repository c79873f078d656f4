/* Goal: csn_schedule_due never lets a signature come near its end, and names no time at which nothing
 * changes, but inside the window of an event.
 * Method: a small zone's signatures are planned as its rounds would be, each at the time the last
 * said, under documents whose events are still to come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sign/schedule.h"

#define DAY UINT64_C(86400)
#define HOUR UINT64_C(3600)
#define NOW (UINT64_C(20000) * DAY)
#define KEY_SIZE 36
#define OWNERS 4

struct fixture {
    struct csn_timed validity[2], refresh, offset;
    struct csn_policy policy;
    uint8_t rdata[3][KEY_SIZE];
    struct csn_key_event ksk, zsks[2];
    struct csn_keyset keyset;
    struct csn_schedule schedule;
    struct csn_hasher *hasher;
};

static void make_key(struct fixture *f, unsigned at, uint16_t flags)
{
    memset(f->rdata[at], (int)at + 1, KEY_SIZE);
    csn_set_u16(f->rdata[at], flags);
    f->rdata[at][2] = 3;
    f->rdata[at][3] = 15;
    f->keyset.keys[at].is_published = true;
    assert_int_equal(csn_key_derive(&f->keyset.keys[at], csn_bytes(f->rdata[at], KEY_SIZE)), CSN_OK);
}

/* Another ZSK from NOW + 16 d over 5 d, a longer validity from NOW + 40 d over 3 d. */
static void setup(struct fixture *f, size_t events)
{
    *f = (struct fixture){.validity = {{.value_s = 21 * DAY},
                                       {.value_s = 28 * DAY, .at_s = NOW + 40 * DAY, .window_s = 3 * DAY}},
                          .refresh.value_s = 10 * DAY,
                          .offset.value_s = 5400,
                          .ksk = {.key = 0},
                          .zsks = {{.key = 1}, {.key = 2, .at_s = NOW + 16 * DAY, .window_s = 5 * DAY}}};
    f->policy.validity = (struct csn_timed_list){f->validity, events};
    f->policy.refresh = (struct csn_timed_list){&f->refresh, 1};
    f->policy.offset = (struct csn_timed_list){&f->offset, 1};
    memcpy(f->keyset.zone, "\x07" "example", 9);
    for (unsigned i = 0; i < 3; i++) {
        make_key(f, i, i < 1 ? 257 : 256);
    }
    f->keyset.key_count = 3;
    f->keyset.lists[0] = (struct csn_key_list){CSN_ROLE_KSK, 15, &f->ksk, 1};
    f->keyset.lists[1] = (struct csn_key_list){CSN_ROLE_ZSK, 15, f->zsks, events};
    f->keyset.list_count = 2;
    f->schedule = (struct csn_schedule){.policy = &f->policy, .keyset = &f->keyset};
    f->hasher = csn_hasher_new();
}

/* The signatures of DNSKEY and some NS; the first expiration. */
static uint64_t plan(struct fixture *f, uint64_t at_s, struct csn_planned ret_planned[OWNERS + 1])
{
    uint64_t first_s = UINT64_MAX;
    size_t count;
    f->schedule.time_s = f->schedule.schedule_s = at_s;
    for (unsigned i = 0; i <= OWNERS; i++) {
        struct csn_planned planned[CSN_SIGNATURES_MAX];
        uint8_t owner[16];
        snprintf((char *)owner, sizeof(owner), "\x03" "a%02u" "\x07" "example", i);
        assert_int_equal(csn_schedule_rrset(&f->schedule, f->hasher, i < OWNERS ? owner : f->keyset.zone,
                                            i < OWNERS ? CSN_TYPE_NS : CSN_TYPE_DNSKEY, planned, &count, NULL),
                         CSN_OK);
        assert_int_equal(count, 1);
        ret_planned[i] = planned[0];
        first_s = planned[0].expiration_s < first_s ? planned[0].expiration_s : first_s;
    }
    return first_s;
}

static bool is_changed(const struct csn_planned *a, const struct csn_planned *b)
{
    for (unsigned i = 0; i <= OWNERS; i++) {
        if (a[i].key != b[i].key || a[i].expiration_s != b[i].expiration_s) {
            return true;
        }
    }
    return false;
}

/* A year of rounds. Returns at how many of them nothing had changed. */
static unsigned follow(struct fixture *f, unsigned *ret_rounds)
{
    struct csn_planned old[OWNERS + 1], new[OWNERS + 1];
    unsigned idle = 0;
    uint64_t at_s = NOW, first_s = plan(f, at_s, old);
    for (*ret_rounds = 0; at_s < NOW + 365 * DAY; ++*ret_rounds) {
        uint64_t due_s = csn_schedule_due(&f->schedule, first_s);
        assert_true(first_s - due_s >= f->refresh.value_s);
        at_s = due_s > at_s + HOUR ? due_s : at_s + HOUR; /* the refresh interval */
        first_s = plan(f, at_s, new);
        idle += !is_changed(old, new);
        memcpy(old, new, sizeof(old));
    }
    return idle;
}

static void test_each_round_changes_something(void **state)
{
    (void)state;
    struct fixture f;
    unsigned rounds;
    setup(&f, 1);
    assert_int_equal(follow(&f, &rounds), 0);
    assert_in_range(rounds, 100, (OWNERS + 1) * (365 / 11 + 1)); /* P = 11 d */
    csn_hasher_free(f.hasher);
}

static void test_events_are_seen(void **state)
{
    (void)state;
    struct fixture f;
    struct csn_planned planned[OWNERS + 1];
    unsigned rounds;
    setup(&f, 2);
    assert_in_range(follow(&f, &rounds), 1, 8 * 24); /* an idle one each hour of the two windows at most */
    uint64_t first_s = plan(&f, NOW + 15 * DAY, planned);
    assert_true(csn_schedule_due(&f.schedule, first_s + 90 * DAY) == NOW + 16 * DAY);
    first_s = plan(&f, NOW + 18 * DAY, planned);
    assert_true(csn_schedule_due(&f.schedule, first_s + 90 * DAY) == NOW + 18 * DAY);
    first_s = plan(&f, NOW + 21 * DAY, planned);
    assert_true(csn_schedule_due(&f.schedule, first_s + 90 * DAY) == NOW + 40 * DAY);
    csn_hasher_free(f.hasher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_round_changes_something),
        cmocka_unit_test(test_events_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
