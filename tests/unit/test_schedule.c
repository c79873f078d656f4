/* Goal: csn_schedule_next names the first S at which an RRset's signatures change, neither later nor
 * far too early.
 * Method: the plan is compared at S, in the second before the time named, and at that time, for many
 * owners and times, under a policy and a key set whose events are still to come, with windows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sign/schedule.h"

#define DAY UINT64_C(86400)
#define NOW (UINT64_C(20000) * DAY)
#define KEY_SIZE 36
#define OWNERS 40

struct fixture {
    struct csn_timed validity[2], refresh, offset;
    struct csn_policy policy;
    uint8_t rdata[4][KEY_SIZE];
    struct csn_key_event ksks[2], zsks[2];
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

/* A longer validity from NOW + 30 d over 3 d, another ZSK from NOW + 16 d over 5 d, a second KSK from
 * NOW + 20 d. */
static void setup(struct fixture *f)
{
    *f = (struct fixture){.validity = {{.value_s = 21 * DAY},
                                       {.value_s = 28 * DAY, .at_s = NOW + 30 * DAY, .window_s = 3 * DAY}},
                          .refresh.value_s = 10 * DAY,
                          .offset.value_s = 5400,
                          .ksks = {{.key = 0}, {.key = 1, .at_s = NOW + 20 * DAY}},
                          .zsks = {{.key = 2}, {.key = 3, .at_s = NOW + 16 * DAY, .window_s = 5 * DAY}}};
    f->policy.validity = (struct csn_timed_list){f->validity, 2};
    f->policy.refresh = (struct csn_timed_list){&f->refresh, 1};
    f->policy.offset = (struct csn_timed_list){&f->offset, 1};
    memcpy(f->keyset.zone, "\x07" "example", 9);
    for (unsigned i = 0; i < 4; i++) {
        make_key(f, i, i < 2 ? 257 : 256);
    }
    f->keyset.key_count = 4;
    f->keyset.lists[0] = (struct csn_key_list){CSN_ROLE_KSK, 15, f->ksks, 2};
    f->keyset.lists[1] = (struct csn_key_list){CSN_ROLE_ZSK, 15, f->zsks, 2};
    f->keyset.list_count = 2;
    f->schedule = (struct csn_schedule){.policy = &f->policy, .keyset = &f->keyset};
    f->hasher = csn_hasher_new();
}

struct plan {
    struct csn_planned planned[CSN_SIGNATURES_MAX];
    size_t count;
};

static struct plan plan_at(struct fixture *f, uint64_t at_s, const uint8_t *owner, uint16_t type)
{
    struct plan plan;
    memset(&plan, 0, sizeof(plan));
    f->schedule.time_s = f->schedule.schedule_s = at_s;
    assert_int_equal(csn_schedule_rrset(&f->schedule, f->hasher, owner, type, plan.planned, &plan.count, NULL), CSN_OK);
    return plan;
}

static bool plans_equal(const struct plan *a, const struct plan *b)
{
    bool is_equal = a->count == b->count;
    for (size_t i = 0; is_equal && i < a->count; i++) {
        is_equal = a->planned[i].key == b->planned[i].key && a->planned[i].inception_s == b->planned[i].inception_s &&
                   a->planned[i].expiration_s == b->planned[i].expiration_s;
    }
    return is_equal;
}

/* Follows one RRset for 60 days. Returns at how many of the times named nothing changed. */
static unsigned follow(struct fixture *f, const uint8_t *owner, uint16_t type)
{
    unsigned idle = 0;
    for (uint64_t at_s = NOW; at_s < NOW + 60 * DAY;) {
        struct plan now = plan_at(f, at_s, owner, type);
        uint64_t next_s = csn_schedule_next(&f->schedule, f->hasher, owner, type);
        assert_true(next_s > at_s && next_s <= at_s + 18 * DAY);
        struct plan before = plan_at(f, next_s - 1, owner, type), then = plan_at(f, next_s, owner, type);
        assert_true(plans_equal(&now, &before));
        idle += plans_equal(&now, &then);
        at_s = next_s;
    }
    return idle;
}

static void test_next_is_the_first_change(void **state)
{
    (void)state;
    struct fixture f;
    unsigned idle = 0;
    setup(&f);
    for (unsigned i = 0; i < OWNERS; i++) {
        uint8_t owner[16];
        snprintf((char *)owner, sizeof(owner), "\x03" "a%02u" "\x07" "example", i);
        idle += follow(&f, owner, CSN_TYPE_NS);
    }
    idle += follow(&f, f.keyset.zone, CSN_TYPE_DNSKEY);
    assert_int_equal(idle, 0); /* each event here does change what is signed */
    csn_hasher_free(f.hasher);
}

static void test_nothing_in_force_is_never_due(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    f.policy.validity.count = 0;
    f.keyset.list_count = 0;
    f.schedule.schedule_s = NOW;
    assert_true(csn_schedule_next(&f.schedule, f.hasher, f.keyset.zone, CSN_TYPE_NS) == UINT64_MAX);
    csn_hasher_free(f.hasher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next_is_the_first_change),
        cmocka_unit_test(test_nothing_in_force_is_never_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
