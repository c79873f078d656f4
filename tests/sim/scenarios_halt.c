/* Goal: a site that forgot votes and was shown one never votes again, and nothing that a crash, a restart or a cut of links does
 * afterwards makes it. Method: the calm cluster of scenario.h, with backups put back at the moment that matters. */

#include "sim/scenario.h"

#define FOREVER_US (100000 * SIM_S)

/* Store and second copy, both as they were. */
static void put_back(struct sim_world *world, struct sim_actor *site, const struct sim_disk *backup)
{
    sim_disk_fini(&site->disk);
    sim_disk_copy(&site->disk, backup);
    sim_checker_restored(world->checker, site);
}

/* Two versions are certified with site 2's vote, both while site 3 is away; the second is known to sites 1 and 2 alone. */
static void certify_two(struct sim_world *world, struct sim_disk *ret_backup)
{
    struct sim_actor *one = sim_site(world, 1), *two = sim_site(world, 2), *three = sim_site(world, 3);
    struct sim_actor *leader = sim_coordinator(world, 1);
    give_input(world, 1);
    wait_served(world, 1);
    sim_disk_copy(ret_backup, &two->disk);
    sim_crash(world, three);
    give_input(world, 2);
    wait_certified(world, 2);
    sim_start(world, three);
    wait_served(world, 2);
    run_for(world, 10 * SIM_S);
    sim_crash(world, three);
    give_input(world, 3);
    wait_work(world, 2, CSN_WORK_STAGING);
    sim_cut(world, one, leader, FOREVER_US);
    sim_cut(world, two, leader, FOREVER_US);
    wait_certified(world, 3);
    run_for(world, 3 * SIM_S);
}

/* Site 2 forgets both votes and hears of the first alone, from site 3: it must not help to certify the second's serial again
 * while site 1, which serves it, is away. `crashes`: the site's process ends after it halted, once or several times. */
static void forget_both(unsigned crashes)
{
    struct sim_world *world = make(NULL);
    struct sim_actor *two = sim_site(world, 2);
    struct sim_disk backup;
    certify_two(world, &backup);
    assert_int_equal(zone_of(world, 1).released->held.proposal.input.serial, 3);
    sim_crash(world, two);
    sim_heal(world);
    sim_isolate(world, sim_site(world, 1), FOREVER_US);
    put_back(world, two, &backup);
    sim_start(world, sim_site(world, 3));
    sim_start(world, two);
    run_for(world, 20 * SIM_S);
    assert_int_equal(status_of(world, 2).halt, CSN_HALT_AMNESIA);
    for (unsigned i = 0; i < crashes; i++) {
        sim_crash(world, two);
        sim_start(world, two);
        assert_int_equal(status_of(world, 2).halt, CSN_HALT_AMNESIA);
        run_for(world, 5 * SIM_S);
    }
    give_input(world, 4);
    run_for(world, 100 * SIM_S);
    assert_false(world->has_failed);
    assert_int_equal(sim_checker_certified(world->checker), 3);
    sim_heal(world);
    wait_served(world, 4); /* by sites 1 and 3; site 2 adopts */
    assert_int_equal(status_of(world, 2).halt, CSN_HALT_AMNESIA);
    assert_false(world->has_failed);
    sim_disk_fini(&backup);
    sim_world_free(world);
}

static void test_a_site_that_forgot_votes_halts(void **state)
{
    (void)state;
    forget_both(0);
}

static void test_it_is_halted_after_a_crash_still(void **state)
{
    (void)state;
    forget_both(1);
    forget_both(3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_site_that_forgot_votes_halts),
        cmocka_unit_test(test_it_is_halted_after_a_crash_still),
    };
    return cmocka_run_group_tests_name("scenarios of halts", tests, NULL, NULL);
}
