/* Goal: an operator's approval takes a zone to one serial, however far it is, and to no other: from
 * the certificate that it names, in its epoch, once, never back (RFC 1982); nodes check it themselves
 * (R4); two of them bring a zone back to a serial before the present one, also at a site that missed
 * both. Method: the codec and the test by themselves; then three sites and a leader in one process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dns/serial.h"
#include "round/order.h"
#include "round/tests.h"
#include "round_world.h"

#define OPERATOR 1
#define ROUND_MS 10000
#define FAR (UINT32_C(1) << 30)
#define HALF (UINT32_C(1) << 31)
#define BIG (HALF - (UINT32_C(1) << 22))          /* from 1, near the farthest */
#define WRAPPED (UINT32_C(0) - (UINT32_C(1) << 23)) /* as far again: before the serial 1 that was first */

static struct csn_order approval_of(const struct world *world, uint64_t number, uint32_t from, uint32_t to)
{
    struct csn_order order = {.environment = world->cluster.environment,
                              .kind = CSN_ORDER_APPROVE_SERIAL,
                              .number = number,
                              .serial = {.epoch = world->cluster.epoch, .from = from, .to = to},
                              .reason = "a test"};
    struct csn_node_zone_status status;
    memcpy(order.cluster, world->cluster.id, sizeof(order.cluster));
    memcpy(order.zone, world->zone.zone, sizeof(order.zone));
    world_node_zone(world, 0, &status);
    order.serial.round = status.row.newest.round;
    return order;
}

static void give(struct world *world, unsigned site, const struct csn_order *order)
{
    struct csn_buf body = {0};
    csn_order_encode(order, &body);
    world_inject(world, site, CSN_STATEMENT_ORDER, OPERATOR, csn_buf_view(&body));
    csn_buf_fini(&body);
}

/* From the newest release, told to one site. */
static struct csn_order approve(struct world *world, uint64_t number, uint32_t to)
{
    struct csn_order order = approval_of(world, number, world->sites[0].serving_serial, to);
    give(world, 0, &order);
    return order;
}

static struct csn_row row_of(const struct world *world, unsigned site)
{
    struct csn_node_zone_status status;
    world_node_zone(world, site, &status);
    return status.row;
}

static bool has_approved(const struct world *world)
{
    bool has = false;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        has = has || (world->sites[i].node != NULL && row_of(world, i).approved.is_set);
    }
    return has;
}

/* One release, of serial 1. */
static struct world *make(void)
{
    struct world *world = csn_calloc(1, sizeof(*world));
    world_init(world);
    world->zone.serial_rule = CSN_SERIAL_COUNTER;
    world->zone.refresh_interval_s = 1000000;
    world_start_all(world);
    world_give_all(world, 1);
    assert_true(world_run_until(world, 1, ROUND_MS));
    assert_int_equal(world->sites[0].serving_serial, 1);
    return world;
}

static void drop(struct world *world)
{
    world_fini(world);
    free(world);
}

static void wait_serial(struct world *world, uint32_t serial)
{
    assert_true(world_run_until(world, world->certified_count + 1, 3 * ROUND_MS));
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        if (world->sites[i].node != NULL && !world->sites[i].is_cut_off) {
            assert_int_equal(world->sites[i].serving_serial, serial);
        }
    }
}

/* --- by themselves */

static void test_an_approval_decodes_to_what_was_encoded(void **state)
{
    (void)state;
    struct csn_order order = {.kind = CSN_ORDER_APPROVE_SERIAL,
                              .number = 7,
                              .reason = "why",
                              .serial = {.epoch = 3,
                                         .round = {.term = {.counter = 4, .coordinator = 2}, .seq = 9},
                                         .from = UINT32_C(0xfffffff0),
                                         .to = 5}};
    struct csn_order back;
    struct csn_buf octets = {0}, again = {0};
    csn_order_encode(&order, &octets);
    assert_int_equal(csn_order_decode(csn_buf_view(&octets), &back), CSN_OK);
    assert_int_equal(back.serial.epoch, 3);
    assert_int_equal(back.serial.round.seq, 9);
    assert_int_equal(back.serial.from, UINT32_C(0xfffffff0));
    assert_int_equal(back.serial.to, 5);
    csn_order_encode(&back, &again);
    assert_true(csn_bytes_equal(csn_buf_view(&octets), csn_buf_view(&again)));
    for (size_t size = 0; size < octets.size; size++) {
        assert_int_equal(csn_order_decode(csn_bytes(octets.data, size), &back), CSN_EFORMAT);
    }
    csn_buf_fini(&octets);
    csn_buf_fini(&again);
}

static void test_only_a_step_forward_can_be_said(void **state)
{
    (void)state;
    static const struct {
        uint32_t epoch, seq, from, to;
        int code;
    } rows[] = {
        {1, 1, 10, 11, CSN_OK},
        {1, 1, 10, 10 + CSN_APPROVED_STEP_MAX, CSN_OK},
        {1, 1, 10, 11 + CSN_APPROVED_STEP_MAX, CSN_EFORMAT},
        {1, 1, 10, 10 + HALF, CSN_EFORMAT},
        {1, 1, 10, 9, CSN_EFORMAT},
        {1, 1, 10, 10, CSN_EFORMAT},
        {0, 1, 10, 11, CSN_EFORMAT},
        {1, 0, 10, 11, CSN_EFORMAT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_order back, order = {.kind = CSN_ORDER_APPROVE_SERIAL,
                                        .number = 1,
                                        .reason = "r",
                                        .serial = {.epoch = rows[i].epoch,
                                                   .round = {.seq = rows[i].seq},
                                                   .from = rows[i].from,
                                                   .to = rows[i].to}};
        struct csn_buf octets = {0};
        csn_order_encode(&order, &octets);
        if (csn_order_decode(csn_buf_view(&octets), &back) != rows[i].code) {
            fail_msg("row %zu", i);
        }
        csn_buf_fini(&octets);
    }
    assert_int_equal(csn_order_register(CSN_ORDER_REJECT_SERIAL), CSN_REGISTER_SERIAL);
}

static void test_the_rule_lets_the_approved_serial_through_and_no_other(void **state)
{
    (void)state;
    static const struct {
        uint32_t floor, serial, approved;
        uint8_t test;
    } rows[] = {
        {1000, 999 + CSN_SERIAL_FAR, 0, 0}, /* no approval is asked for */
        {1000, 1000 + CSN_SERIAL_FAR, 0, CSN_TEST_SERIAL_STEP},
        {1000, 1000 + FAR, 1000 + FAR, 0},
        {1000, 1000 + FAR, 1001 + FAR, CSN_TEST_SERIAL_STEP},
        {1000, 1001 + FAR, 1000 + FAR, 0}, /* spent by a round that failed */
        {1000, 999 + FAR + CSN_SERIALS_SPENT_MAX, 1000 + FAR, 0},
        {1000, 1000 + FAR + CSN_SERIALS_SPENT_MAX, 1000 + FAR, CSN_TEST_SERIAL_STEP},
        {1000, 999 + HALF, 999 + HALF, 0},
        {1000, 1000 + HALF, 999 + HALF, CSN_TEST_SERIAL}, /* never back, whatever is approved */
        {1000, 999, 999, CSN_TEST_SERIAL},
        {1000, 1000, 1000, CSN_TEST_SERIAL},
        {UINT32_C(0xfffffff0), FAR, FAR, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_floor floor = {.has_serial = true, .serial = rows[i].floor};
        struct csn_proposal proposal = {.serial = rows[i].serial, .round = {.seq = 1}};
        struct csn_approved_serial approved = {rows[i].approved != 0, rows[i].approved};
        struct csn_vote_case tested = {.proposal = &proposal, .floor = &floor, .approved = &approved};
        struct csn_value want, is;
        if (csn_vote_test(&tested, CSN_ASK_LEADER, &want, &is) != rows[i].test) {
            fail_msg("row %zu", i);
        }
    }
}

/* --- nodes */

static void test_the_zone_goes_to_the_approved_serial_at_once_and_on_from_there(void **state)
{
    (void)state;
    struct world *world = make();
    approve(world, 10, 7 + FAR); /* nothing else is due */
    wait_serial(world, 7 + FAR);
    assert_int_equal(world->certified_count, 2);
    assert_false(has_approved(world));
    world_give_all(world, 2);
    wait_serial(world, 8 + FAR);
    drop(world);
}

static void test_without_an_approval_serials_go_on_by_one(void **state)
{
    (void)state;
    struct world *world = make();
    struct csn_order order = approve(world, 10, 7 + FAR);
    order.kind = CSN_ORDER_REJECT_SERIAL;
    order.number = 11;
    order.serial = (struct csn_serial_approval){0};
    give(world, 0, &order); /* before anybody heard of the other */
    world_run(world, ROUND_MS);
    world_give_all(world, 2);
    wait_serial(world, 2);
    assert_false(has_approved(world));
    drop(world);
}

/* Nodes check it themselves: what fewer than q know does not come to be, whoever leads. */
static void test_one_site_that_knows_moves_nobody(void **state)
{
    (void)state;
    struct world *world = make();
    world->is_deaf_to[CSN_STATEMENT_ORDER] = true;
    approve(world, 10, 7 + FAR);
    world_run(world, ROUND_MS);
    assert_true(row_of(world, 0).approved.is_set);
    assert_false(row_of(world, 1).approved.is_set);
    world_give_all(world, 2);
    wait_serial(world, 2);
    drop(world);
}

static void test_of_another_epoch_or_certificate_it_counts_for_nothing(void **state)
{
    (void)state;
    struct world *world = make();
    struct csn_order order = approval_of(world, 10, 1, 7 + FAR);
    order.serial.epoch++;
    give(world, 0, &order);
    assert_false(row_of(world, 0).approved.is_set);
    order = approval_of(world, 11, 1, 7 + FAR);
    order.serial.round.seq += 1000; /* of a later certificate than this site knows */
    give(world, 0, &order);
    assert_false(row_of(world, 0).approved.is_set);
    order = approval_of(world, 12, 2, 7 + FAR); /* the floor is before it */
    give(world, 0, &order);
    assert_false(row_of(world, 0).approved.is_set);
    order = approval_of(world, 13, UINT32_C(0xfffffff0), 1); /* the floor is there */
    give(world, 0, &order);
    assert_false(row_of(world, 0).approved.is_set);
    order = approval_of(world, 14, 1, 7 + FAR);
    give(world, 0, &order);
    assert_true(row_of(world, 0).approved.is_set);
    drop(world);
}

static void issue_emergency(struct world *world, uint32_t offset)
{
    world->next = world->cluster;
    world->next.epoch = 2;
    world->next.previous = world->cluster.digest;
    memset(&world->next.digest, 0xd1, sizeof(world->next.digest));
    world->next.is_emergency = true;
    world->next.emergency = (struct csn_emergency){.issued_s = WORLD_START_S,
                                                   .not_after_s = WORLD_START_S + 3600,
                                                   .serial_offset = offset};
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world_give_next(world, i);
    }
    world_run(world, 6 * ROUND_MS);
}

static void declare_emergency(struct world *world, uint32_t offset)
{
    issue_emergency(world, offset);
    assert_true(world->sites[0].is_next);
}

/* The serials of both branches of an emergency must stay apart. */
static void test_in_an_emergency_it_counts_for_nothing(void **state)
{
    (void)state;
    struct world *world = make();
    declare_emergency(world, CSN_EMERGENCY_SERIAL_STEP);
    struct csn_order order = approval_of(world, 10, 1, 7 + FAR);
    order.serial.epoch = world->next.epoch;
    give(world, 0, &order);
    world_run(world, ROUND_MS);
    assert_int_equal(row_of(world, 0).order_sum, 10);
    assert_false(row_of(world, 0).approved.is_set);
    drop(world);
}

/* --- emergencies */

static struct csn_order announce(struct world *world, uint64_t number, uint32_t to)
{
    struct csn_order order = approval_of(world, number, world->sites[0].serving_serial, to);
    order.kind = CSN_ORDER_ANNOUNCE_SERIAL;
    give(world, 0, &order);
    world_run(world, ROUND_MS);
    return order;
}

static int check(const struct world *world, unsigned site, struct csn_order order)
{
    order.kind = CSN_ORDER_APPROVE_SERIAL;
    return csn_node_check_serial(world->sites[site].node, 0, &order, NULL);
}

/* Or those who are left out of an emergency could go where those who go on in it do not expect them. */
static void test_a_serial_is_approved_when_every_member_knows_of_it(void **state)
{
    (void)state;
    struct world *world = make();
    struct csn_order other, order = approval_of(world, 10, 1, 7 + FAR);
    assert_int_equal(check(world, 0, order), CSN_EREFUSED); /* it was not announced */
    world->sites[2].is_cut_off = true;
    order = announce(world, 10, 7 + FAR);
    assert_false(has_approved(world)); /* it approves nothing */
    assert_int_equal(check(world, 0, order), CSN_EBUSY);
    world->sites[2].is_cut_off = false;
    world_run(world, ROUND_MS);
    assert_int_equal(check(world, 0, order), CSN_OK);
    assert_int_equal(check(world, 2, order), CSN_OK);
    other = order;
    other.serial.to++;
    assert_int_equal(check(world, 0, other), CSN_EREFUSED);
    other = order;
    other.serial.epoch++;
    assert_int_equal(check(world, 0, other), CSN_EREFUSED);
    order = announce(world, 11, 8 + FAR);
    world_stop_site(world, 2); /* what it knew it knows */
    world_run(world, ROUND_MS);
    assert_int_equal(check(world, 0, order), CSN_OK);
    give(world, 1, &order);
    order.kind = CSN_ORDER_REJECT_SERIAL;
    order.number = 12;
    order.serial = (struct csn_serial_approval){0};
    give(world, 0, &order);
    world_run(world, ROUND_MS);
    order = approval_of(world, 13, 1, 8 + FAR);
    assert_int_equal(check(world, 0, order), CSN_EREFUSED);
    drop(world);
}

/* What it hears after it has sealed for an emergency it will not pass. */
static void test_a_sealed_site_knows_too_late(void **state)
{
    (void)state;
    struct world *world = make();
    world->is_deaf_to[CSN_STATEMENT_ENTRY] = true;
    issue_emergency(world, CSN_EMERGENCY_SERIAL_STEP);
    assert_false(world->sites[0].is_next);
    struct csn_order order = announce(world, 10, 7 + FAR);
    assert_int_equal(row_of(world, 0).order_sum, 10);
    assert_int_equal(row_of(world, 1).order_sum, 10);
    assert_int_equal(check(world, 0, order), CSN_EBUSY);
    drop(world);
}

/* What was announced before counts as well, after a restart and after it was withdrawn: not all may have heard that. */
static void test_an_emergency_passes_what_was_announced(void **state)
{
    (void)state;
    struct world *world = make();
    announce(world, 10, 7 + FAR);
    announce(world, 11, 5000);
    struct csn_order order = approval_of(world, 12, 1, 2);
    order.kind = CSN_ORDER_REJECT_SERIAL;
    order.serial = (struct csn_serial_approval){0};
    give(world, 0, &order);
    world_run(world, ROUND_MS);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world_stop_site(world, i);
        world_start_site(world, i);
    }
    world_run(world, ROUND_MS);
    declare_emergency(world, CSN_EMERGENCY_SERIAL_STEP);
    assert_int_equal(row_of(world, 0).floor.serial, 7 + FAR + CSN_SERIALS_SPENT_MAX - 1 + CSN_EMERGENCY_SERIAL_STEP);
    drop(world);
}

static void test_an_emergency_is_never_half_round_ahead(void **state)
{
    (void)state;
    struct world *world = make();
    announce(world, 10, 1 + CSN_APPROVED_STEP_MAX);
    declare_emergency(world, CSN_EMERGENCY_SERIAL_MAX);
    uint32_t serial = row_of(world, 0).floor.serial;
    assert_int_equal(serial, 1 + HALF - CSN_EMERGENCY_SERIAL_STEP);
    assert_int_equal(serial - (1 + CSN_APPROVED_STEP_MAX), 2 * CSN_SERIAL_FAR);
    drop(world);
}

/* Where the zone is past it, it is nothing to pass. */
static void test_an_emergency_goes_on_from_where_the_zone_is(void **state)
{
    (void)state;
    struct world *world = make();
    struct csn_order order = announce(world, 10, 7 + FAR);
    order.kind = CSN_ORDER_APPROVE_SERIAL;
    order.number = 11;
    give(world, 0, &order);
    wait_serial(world, 7 + FAR);
    declare_emergency(world, CSN_EMERGENCY_SERIAL_STEP);
    assert_int_equal(row_of(world, 0).floor.serial, 7 + FAR + CSN_EMERGENCY_SERIAL_STEP);
    drop(world);
}

/* --- again and again */

/* While it has not been used, releases go on; it outlives a restart. */
static void test_it_stands_while_others_are_released(void **state)
{
    (void)state;
    struct world *world = make();
    world->is_deaf_to[CSN_STATEMENT_ORDER] = true;
    struct csn_order order = approve(world, 10, 7 + FAR);
    world_give_all(world, 2);
    wait_serial(world, 2);
    world_stop_site(world, 0);
    world_start_site(world, 0);
    world_run(world, ROUND_MS);
    assert_true(row_of(world, 0).approved.is_set);
    give(world, 1, &order);
    wait_serial(world, 7 + FAR);
    drop(world);
}

/* A registry that published a serial far too high goes back in two steps; the first approval, given
 * anew, opens nothing a second time, not after a restart either. */
static void test_two_steps_lead_back_and_the_first_is_spent(void **state)
{
    (void)state;
    struct world *world = make();
    struct csn_order first = approve(world, 10, BIG);
    wait_serial(world, BIG);
    approve(world, 11, WRAPPED);
    wait_serial(world, WRAPPED);
    approve(world, 12, 3); /* a near one: what lies before the first approval's target again */
    wait_serial(world, 3);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world_stop_site(world, i);
        world_start_site(world, i);
    }
    first.number = 20;
    give(world, 0, &first);
    world_run(world, ROUND_MS);
    assert_int_equal(row_of(world, 2).order_sum, 20);
    assert_false(has_approved(world));
    world_give_all(world, 2);
    wait_serial(world, 4);
    drop(world);
}

/* A site that was away meanwhile has a floor from before: what is certified since counts. */
static void test_a_site_that_missed_both_steps_votes_again(void **state)
{
    (void)state;
    struct world *world = make();
    world->sites[2].is_cut_off = true;
    approve(world, 10, BIG);
    wait_serial(world, BIG);
    approve(world, 11, WRAPPED);
    wait_serial(world, WRAPPED);
    for (uint32_t input = 2; input < 12; input++) { /* nobody keeps the certificates of the steps */
        world_give_all(world, input);
        wait_serial(world, WRAPPED + input - 1);
    }
    world->sites[2].is_cut_off = false;
    assert_true(world_run_until(world, world->certified_count, 3 * ROUND_MS));
    assert_int_equal(row_of(world, 2).floor.serial, world->sites[0].serving_serial);
    world_stop_site(world, 1); /* now it is needed */
    world_give_all(world, 12);
    wait_serial(world, WRAPPED + 11);
    drop(world);
}

/* What it said before the steps comes back to a site, when its record has been cleared: no amnesia. */
static void test_an_own_vote_from_before_the_steps_halts_nobody(void **state)
{
    (void)state;
    struct world *world = make();
    struct csn_node_zone_status status;
    struct csn_buf body = {0};
    world_node_zone(world, 0, &status);
    csn_body_held_encode(&status.released->held, &body);
    approve(world, 10, BIG);
    wait_serial(world, BIG);
    approve(world, 11, WRAPPED);
    wait_serial(world, WRAPPED);
    world_give_all(world, 2);
    wait_serial(world, WRAPPED + 1);
    world_inject(world, 0, CSN_STATEMENT_HELD, 1, csn_buf_view(&body));
    world_give_all(world, 3);
    wait_serial(world, WRAPPED + 2);
    assert_int_equal(world->traces[CSN_TRACE_HALTED], 0);
    csn_buf_fini(&body);
    drop(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_approval_decodes_to_what_was_encoded),
        cmocka_unit_test(test_only_a_step_forward_can_be_said),
        cmocka_unit_test(test_the_rule_lets_the_approved_serial_through_and_no_other),
        cmocka_unit_test(test_the_zone_goes_to_the_approved_serial_at_once_and_on_from_there),
        cmocka_unit_test(test_without_an_approval_serials_go_on_by_one),
        cmocka_unit_test(test_one_site_that_knows_moves_nobody),
        cmocka_unit_test(test_of_another_epoch_or_certificate_it_counts_for_nothing),
        cmocka_unit_test(test_in_an_emergency_it_counts_for_nothing),
        cmocka_unit_test(test_a_serial_is_approved_when_every_member_knows_of_it),
        cmocka_unit_test(test_a_sealed_site_knows_too_late),
        cmocka_unit_test(test_an_emergency_passes_what_was_announced),
        cmocka_unit_test(test_an_emergency_is_never_half_round_ahead),
        cmocka_unit_test(test_an_emergency_goes_on_from_where_the_zone_is),
        cmocka_unit_test(test_it_stands_while_others_are_released),
        cmocka_unit_test(test_two_steps_lead_back_and_the_first_is_spent),
        cmocka_unit_test(test_a_site_that_missed_both_steps_votes_again),
        cmocka_unit_test(test_an_own_vote_from_before_the_steps_halts_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
