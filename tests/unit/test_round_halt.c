/* Goal: a site that was shown own words which its store does not have never votes again as this member, whatever is
 * restarted, adopted or put back meanwhile (PROTOCOL.md 5, amnesia). Method: a cluster in one process; the words are made
 * by the test, the site's two copies looked at and cut between its lives. */
#include "round/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "round_world.h"

static struct csn_node_status status_of(const struct world *world)
{
    struct csn_node_status status;
    csn_node_get_status(world->sites[0].node, world_now(world, 0), &status);
    return status;
}

/* A vote of site 1 that its store does not know, from one that looped back or came another way. */
static void show_vote(struct world *world)
{
    struct csn_body_held held = {.proposal = world->proposal, .earliest_expiry_s = 2ULL * WORLD_START_S};
    struct csn_buf body = {0};
    held.proposal.round.seq += 1000;
    held.proposal.serial += 1000;
    csn_body_held_encode(&held, &body);
    world_inject(world, 0, CSN_STATEMENT_HELD, 1, csn_buf_view(&body));
    csn_buf_fini(&body);
}

static void show_seal(struct world *world)
{
    struct csn_body_seal seal = {.environment = 1,
                                 .epoch = csn_epoch_version(&world->cluster),
                                 .next = {.number = 2}};
    struct csn_buf body = {0};
    memcpy(seal.cluster, world->cluster.id, sizeof(seal.cluster));
    csn_body_seal_encode(&seal, &body);
    world_inject(world, 0, CSN_STATEMENT_SEAL, 1, csn_buf_view(&body));
    csn_buf_fini(&body);
}

static bool is_kept(const struct world_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        if (map->items[i].key.data[1] == 'A') {
            return true;
        }
    }
    return false;
}

static void lose(struct world_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        if (map->items[i].key.data[1] == 'A') {
            csn_buf_fini(&map->items[i].key);
            csn_buf_fini(&map->items[i].value);
            map->items[i] = map->items[--map->count];
            return;
        }
    }
    fail();
}

static void restart(struct world *world)
{
    world_stop_site(world, 0);
    world_start_site(world, 0);
}

/* It still adopts and serves what the others release, and votes for nothing. */
static void expect_halted_for_good(struct world *world)
{
    struct csn_node_zone_status zone;
    size_t certified = world->certified_count;
    assert_int_equal(status_of(world).halt, CSN_HALT_AMNESIA);
    world_give_all(world, (uint32_t)certified + 1);
    assert_true(world_run_until(world, certified + 1, 20000));
    world_node_zone(world, 0, &zone);
    assert_int_equal(zone.row.hold_count, 0);
    assert_int_equal(status_of(world).state, CSN_NODE_HALTED);
}

static void test_a_halt_outlives_every_start(void **state)
{
    static void (*const shows[])(struct world *world) = {show_vote, show_seal};
    (void)state;
    for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
        struct world *world = world_new_released();
        assert_int_equal(status_of(world).halt, CSN_HALT_NONE);
        shows[i](world);
        expect_halted_for_good(world);
        assert_true(is_kept(&world->sites[0].disk.records) && is_kept(&world->sites[0].disk.seconds));
        for (unsigned k = 0; k < 3; k++) {
            restart(world);
            expect_halted_for_good(world);
        }
        world_free(world);
    }
}

/* One of the two was put back from before it, or the process ended between them. */
static void test_either_copy_is_enough(void **state)
{
    (void)state;
    for (unsigned second = 0; second < 2; second++) {
        struct world *world = world_new_released();
        show_vote(world);
        world_run(world, 1000);
        world_stop_site(world, 0);
        lose(second ? &world->sites[0].disk.seconds : &world->sites[0].disk.records);
        world_start_site(world, 0);
        expect_halted_for_good(world);
        world_free(world);
    }
}

/* The store is older by a release too, which the second copy knows: nothing older is answered, halted or not. */
static void test_a_halted_site_answers_nothing_older_than_before(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    struct csn_node_zone_status zone;
    struct world_map backup = {0};
    world_copy_records(&world->sites[0].disk, &backup);
    show_vote(world);
    expect_halted_for_good(world);
    world_stop_site(world, 0);
    world_put_back(world, 0, &backup);
    world_start_site(world, 0);
    world_node_zone(world, 0, &zone);
    assert_false(zone.is_serving);
    expect_halted_for_good(world);
    world_free(world);
}

/* A vote of which the store has nothing, nor of the certificate after which it came, which went with the same write: beside it the
 * live serial with which the zone was admitted says nothing, though the vote's is not after it. */
static void test_a_vote_in_the_second_copy_outweighs_a_live_serial(void **state)
{
    (void)state;
    struct world *before = world_new(), *world = world_new();
    struct csn_node_zone_status zone;
    struct world_map backup = {0};
    before->zone.has_live_serial = true;
    before->zone.live_serial = WORLD_START_S + (UINT32_C(1) << 30);
    world_start_all(before);
    world_run(before, 1000);
    world_copy_records(&before->sites[0].disk, &backup);
    world_free(before);
    world_start_all(world);
    world->is_deaf_to[CSN_STATEMENT_HELD] = true;
    world_give_all(world, 1);
    world_run(world, 20000);
    world_node_zone(world, 0, &zone);
    struct csn_floor voted = zone.row.floor;
    assert_false(csn_round_is_none(voted.round));
    assert_int_equal(world->certified_count, 0);
    world_stop_site(world, 0);
    world_put_back(world, 0, &backup);
    world_start_site(world, 0);
    world_node_zone(world, 0, &zone);
    assert_int_equal(status_of(world).halt, CSN_HALT_NONE);
    assert_int_equal(csn_round_compare(zone.row.floor.round, voted.round), 0);
    assert_int_equal(zone.row.floor.serial, voted.serial);
    world_free(world);
}

/* What the second copy knows more than the store is known to both once the site has adopted what the others released: the
 * next start would find nothing. */
static void test_a_store_put_back_beside_its_second_copy_halts_for_good(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    struct world_map backup = {0};
    world_copy_records(&world->sites[0].disk, &backup);
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 20000));
    world_run(world, 2000); /* released here too, and durable */
    world_stop_site(world, 0);
    world_put_back(world, 0, &backup);
    world_start_site(world, 0);
    expect_halted_for_good(world);
    restart(world);
    expect_halted_for_good(world);
    world_free(world);
}

/* The words were those of a member that is gone; its successor has another key. */
static void test_the_next_incarnation_is_not_halted(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    show_vote(world);
    world_run(world, 1000);
    world_stop_site(world, 0);
    world->cluster.members[0].incarnation++;
    world_start_site(world, 0);
    assert_int_equal(status_of(world).halt, CSN_HALT_NONE);
    world_free(world);
}

/* A vote that is on its way to the disk when the site learns that it forgot another never leaves. */
static void test_a_vote_under_way_does_not_leave(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    unsigned votes = world->traces[CSN_TRACE_VOTED], sent = world->traces[CSN_TRACE_HELD];
    world_stop_site(world, 1); /* so that this site's vote matters */
    world_give_all(world, 2);
    for (unsigned i = 0; i < 20000 && world->traces[CSN_TRACE_VOTED] == votes; i++) {
        world_run(world, 1);
    }
    assert_true(world->traces[CSN_TRACE_VOTED] > votes);
    assert_int_equal(world->traces[CSN_TRACE_HELD], sent);
    show_vote(world);
    world_run(world, 20000);
    assert_int_equal(status_of(world).halt, CSN_HALT_AMNESIA);
    assert_int_equal(world->certified_count, 1);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_halt_outlives_every_start),
        cmocka_unit_test(test_either_copy_is_enough),
        cmocka_unit_test(test_a_halted_site_answers_nothing_older_than_before),
        cmocka_unit_test(test_a_vote_in_the_second_copy_outweighs_a_live_serial),
        cmocka_unit_test(test_a_store_put_back_beside_its_second_copy_halts_for_good),
        cmocka_unit_test(test_the_next_incarnation_is_not_halted),
        cmocka_unit_test(test_a_vote_under_way_does_not_leave),
    };
    return cmocka_run_group_tests_name("round halt", tests, NULL, NULL);
}
