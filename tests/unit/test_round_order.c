/* Goal: operators' orders: only well-formed ones of this cluster are taken, the greatest number of a
 * register stands, one site hears of it through another, a restart forgets nothing, a held zone is
 * not voted for, a site in maintenance is no author while there is another.
 * Method: the codec by itself; then three sites and a leader in one process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "round/order.h"
#include "round_world.h"

#define OPERATOR 1
#define ROUND_MS 10000

static struct csn_order order_of(const struct world *world, enum csn_order_kind kind, uint64_t number)
{
    struct csn_order order = {
        .environment = world->cluster.environment, .kind = kind, .number = number, .reason = "a test"};
    memcpy(order.cluster, world->cluster.id, sizeof(order.cluster));
    memcpy(order.zone, world->zone.zone, sizeof(order.zone));
    return order;
}

static void give(struct world *world, unsigned site, const struct csn_order *order, uint16_t operator)
{
    struct csn_buf body = {0};
    csn_order_encode(order, &body);
    world_inject(world, site, CSN_STATEMENT_ORDER, operator, csn_buf_view(&body));
    csn_buf_fini(&body);
}

static void order(struct world *world, unsigned site, enum csn_order_kind kind, uint64_t number)
{
    struct csn_order order = order_of(world, kind, number);
    give(world, site, &order, OPERATOR);
}

static struct csn_row row_of(const struct world *world, unsigned site)
{
    struct csn_node_zone_status status;
    world_node_zone(world, site, &status);
    return status.row;
}

static struct world *make(void)
{
    struct world *world = csn_calloc(1, sizeof(*world));
    world_init(world);
    world_start_all(world);
    world_give_all(world, 1);
    assert_true(world_run_until(world, 1, ROUND_MS));
    return world;
}

static void drop(struct world *world)
{
    world_fini(world);
    free(world);
}

/* --- codec */

static void test_decode_takes_what_encode_writes_and_nothing_else(void **state)
{
    (void)state;
    struct csn_order order = {.environment = 1, .kind = CSN_ORDER_MAINTENANCE_ON, .site = 3, .number = 7, .reason = "why"}, back;
    struct csn_buf octets = {0}, again = {0};
    csn_order_encode(&order, &octets);
    assert_int_equal(csn_order_decode(csn_buf_view(&octets), &back), CSN_OK);
    csn_order_encode(&back, &again);
    assert_true(csn_bytes_equal(csn_buf_view(&octets), csn_buf_view(&again)));
    for (size_t size = 0; size < octets.size; size++) {
        assert_int_equal(csn_order_decode(csn_bytes(octets.data, size), &back), CSN_EFORMAT);
    }
    csn_buf_put_u8(&octets, 0);
    assert_int_equal(csn_order_decode(csn_buf_view(&octets), &back), CSN_EFORMAT);
    csn_buf_fini(&octets);
    csn_buf_fini(&again);
}

static void test_fields_of_another_kind_are_refused(void **state)
{
    (void)state;
    struct csn_order rows[] = {
        {.kind = CSN_ORDER_HOLD, .number = 1, .reason = "r", .site = 1},
        {.kind = CSN_ORDER_HOLD, .number = 1, .reason = "r", .generation = 2},
        {.kind = CSN_ORDER_HOLD, .number = 1, .reason = "r", .received = {{1}}},
        {.kind = CSN_ORDER_HOLD, .number = 0, .reason = "r"},
        {.kind = CSN_ORDER_HOLD, .number = 1, .reason = ""},
        {.kind = CSN_ORDER_HOLD, .number = 1, .reason = "a\nb"},
        {.kind = CSN_ORDER_HOLD, .number = 1, .reason = "r", .environment = 2},
        {.kind = CSN_ORDER_APPROVE, .number = 1, .reason = "r"},
        {.kind = CSN_ORDER_GENERATION, .number = 1, .reason = "r"},
        {.kind = CSN_ORDER_GENERATION, .number = 1, .reason = "r", .generation = 1},
        {.kind = (enum csn_order_kind)0, .number = 1, .reason = "r"},
        {.kind = CSN_ORDER_AUTHORITY, .number = 1, .reason = "r", .generation = 2},
        {.kind = CSN_ORDER_APPROVE_SERIAL, .number = 1, .reason = "r"},
        {.kind = CSN_ORDER_REJECT_SERIAL, .number = 1, .reason = "r", .site = 1},
        {.kind = CSN_ORDER_REJECT_SERIAL, .number = 1, .reason = "r", .generation = 2},
        {.kind = CSN_ORDER_REJECT_SERIAL, .number = 1, .reason = "r", .received = {{1}}},
        {.kind = (enum csn_order_kind)(CSN_ORDER_REJECT_SERIAL + 1), .number = 1, .reason = "r"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_order back;
        struct csn_buf octets = {0};
        csn_order_encode(&rows[i], &octets);
        if (csn_order_decode(csn_buf_view(&octets), &back) != CSN_EFORMAT) {
            fail_msg("row %zu was taken", i);
        }
        csn_buf_fini(&octets);
    }
}

/* --- nodes */

static void test_a_held_zone_waits_everywhere_and_goes_on(void **state)
{
    (void)state;
    struct world *world = make();
    order(world, 0, CSN_ORDER_HOLD, 10); /* told to one: the others hear of it */
    world_run(world, ROUND_MS);
    world_give_all(world, 2);
    assert_false(world_run_until(world, 2, 3 * ROUND_MS));
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        assert_true(row_of(world, i).is_held);
    }
    order(world, 2, CSN_ORDER_RESUME, 11);
    assert_true(world_run_until(world, 2, 3 * ROUND_MS));
    drop(world);
}

/* n - q + 1 = 2 of three must hold: one that does keeps nobody. */
static void test_one_site_that_holds_keeps_nobody(void **state)
{
    (void)state;
    struct world *world = make();
    world->is_deaf_to[CSN_STATEMENT_ORDER] = true;
    order(world, 0, CSN_ORDER_HOLD, 10);
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 3 * ROUND_MS));
    assert_true(row_of(world, 0).is_held);
    assert_false(row_of(world, 1).is_held);
    drop(world);
}

static void test_the_greatest_number_stands(void **state)
{
    (void)state;
    struct world *world = make();
    order(world, 0, CSN_ORDER_HOLD, 10);
    order(world, 0, CSN_ORDER_RESUME, 12);
    order(world, 0, CSN_ORDER_HOLD, 10);
    order(world, 0, CSN_ORDER_HOLD, 11);
    assert_false(row_of(world, 0).is_held);
    assert_int_equal(row_of(world, 0).order_sum, 0); /* others build on it: only what is durable is told */
    world_run(world, ROUND_MS);
    assert_int_equal(row_of(world, 0).order_sum, 12);
    drop(world);
}

static uint8_t count_knowing(const struct world *world, unsigned site)
{
    return csn_node_count_knowing(world->sites[site].node, 0, world_now(world, site));
}

/* Before an order is written every row still shows the same sum, that of the site that took it too. */
static void test_an_order_is_known_where_it_is_durable(void **state)
{
    (void)state;
    struct world *world = make();
    world_run(world, ROUND_MS);
    assert_int_equal(count_knowing(world, 0), 3); /* of none */
    world->is_deaf_to[CSN_STATEMENT_ORDER] = true;
    order(world, 0, CSN_ORDER_HOLD, 10);
    assert_int_equal(count_knowing(world, 0), 0);
    world_run(world, ROUND_MS);
    assert_int_equal(count_knowing(world, 0), 1);
    assert_int_equal(count_knowing(world, 1), 2); /* who knows of no hold */
    world->is_deaf_to[CSN_STATEMENT_ORDER] = false;
    world_run(world, ROUND_MS);
    assert_int_equal(count_knowing(world, 0), 3);
    world_stop_site(world, 2);
    assert_int_equal(count_knowing(world, 0), 3);
    world_run(world, CSN_SILENT_MS);
    assert_int_equal(count_knowing(world, 0), 2);
    drop(world);
}

static void test_an_order_outlives_a_restart(void **state)
{
    (void)state;
    struct world *world = make();
    order(world, 0, CSN_ORDER_HOLD, 10);
    world_run(world, ROUND_MS);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world_stop_site(world, i);
        world_start_site(world, i);
    }
    world_run(world, ROUND_MS);
    world_give_all(world, 2);
    assert_false(world_run_until(world, 2, 3 * ROUND_MS));
    assert_true(row_of(world, 1).is_held);
    order(world, 1, CSN_ORDER_RESUME, 11);
    assert_true(world_run_until(world, 2, 3 * ROUND_MS)); /* votes after a resume are written too */
    drop(world);
}

static void test_orders_of_strangers_change_nothing(void **state)
{
    (void)state;
    struct world *world = make();
    struct csn_order hold = order_of(world, CSN_ORDER_HOLD, 10);
    give(world, 0, &hold, 2); /* no such operator */
    hold.cluster[0] ^= 1;
    give(world, 0, &hold, OPERATOR);
    hold = order_of(world, CSN_ORDER_HOLD, 10);
    hold.environment ^= 1;
    give(world, 0, &hold, OPERATOR);
    hold = order_of(world, CSN_ORDER_HOLD, 10);
    assert_int_equal(csn_name_parse("other.", hold.zone), CSN_OK);
    give(world, 0, &hold, OPERATOR);
    hold = order_of(world, CSN_ORDER_MAINTENANCE_ON, 10);
    hold.site = 9;
    give(world, 0, &hold, OPERATOR);
    assert_int_equal(row_of(world, 0).order_sum, 0);
    assert_false(row_of(world, 0).is_held);
    drop(world);
}

static void test_a_site_in_maintenance_is_no_author_while_there_is_another(void **state)
{
    (void)state;
    struct world *world = make();
    struct csn_order on = order_of(world, CSN_ORDER_MAINTENANCE_ON, 10);
    for (on.site = 1; on.site <= 3; on.site++) {
        give(world, 0, &on, OPERATOR);
        world_run(world, ROUND_MS);
        world_give_all(world, 1u + on.site);
        assert_true(world_run_until(world, 1u + on.site, 3 * ROUND_MS));
        if (on.site < 3) {
            assert_int_equal(world->proposal.author_count, 3 - on.site);
            assert_int_equal(world->proposal.authors[0], on.site + 1);
        } else {
            assert_int_equal(world->proposal.author_count, 3); /* none is left: all of them */
        }
    }
    drop(world);
}

/* One order about the lead stands in a zone, whichever site it names; sites tell each other and it
 * outlives a restart. */
static void test_one_lead_is_ordered_in_a_zone(void **state)
{
    (void)state;
    struct world *world = make();
    struct csn_order authority = order_of(world, CSN_ORDER_AUTHORITY, 10);
    authority.site = 3;
    give(world, 0, &authority, OPERATOR);
    authority.number = 11;
    authority.site = 2;
    give(world, 0, &authority, OPERATOR);
    authority.number = 9;
    authority.site = 1;
    give(world, 0, &authority, OPERATOR);
    assert_int_equal(row_of(world, 0).authority, 2);
    world_run(world, ROUND_MS);
    assert_int_equal(row_of(world, 0).order_sum, 11);
    world_stop_site(world, 1);
    world_start_site(world, 1);
    world_run(world, ROUND_MS);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        assert_int_equal(row_of(world, i).authority, 2);
        assert_int_equal(csn_node_zone_lead(world->sites[i].node, 0), 2);
    }
    authority.number = 12;
    authority.site = 0;
    give(world, 2, &authority, OPERATOR);
    world_run(world, ROUND_MS);
    assert_int_equal(row_of(world, 0).authority, 0);
    assert_int_equal(row_of(world, 0).order_sum, 12);
    drop(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_takes_what_encode_writes_and_nothing_else),
        cmocka_unit_test(test_fields_of_another_kind_are_refused),
        cmocka_unit_test(test_a_held_zone_waits_everywhere_and_goes_on),
        cmocka_unit_test(test_one_site_that_holds_keeps_nobody),
        cmocka_unit_test(test_the_greatest_number_stands),
        cmocka_unit_test(test_an_order_is_known_where_it_is_durable),
        cmocka_unit_test(test_an_order_outlives_a_restart),
        cmocka_unit_test(test_orders_of_strangers_change_nothing),
        cmocka_unit_test(test_a_site_in_maintenance_is_no_author_while_there_is_another),
        cmocka_unit_test(test_one_lead_is_ordered_in_a_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
