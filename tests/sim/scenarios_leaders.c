/* Goal: rounds go on whatever happens to coordinators: they crash, meet, hear nobody, are not heard,
 * have a wrong clock, or propose what reaches nobody; and without any the newest release is served.
 * Method: as in scenarios.c, with three coordinators, one at each site, at the real distances. */
#include "sim/scenario.h"

static struct sim_world *make_three(uint32_t released)
{
    struct sim_world *world = make(three_leaders);
    set_distances(world);
    for (uint32_t input = 1; input <= released; input++) {
        give_input(world, input);
        wait_served(world, input);
    }
    return world;
}

static void assert_comes(struct sim_world *world, uint64_t within_us, condition_fn *condition,
                         const void *what)
{
    uint64_t began_us = world->now_us;
    if (!comes_within(world, within_us, condition, what)) {
        print_message("not within %.1f s%s%s\n", (double)within_us / (double)SIM_S,
                      world->has_failed ? ": " : "", world->failure);
        fail();
    }
    print_message("    after %.2f s\n", (double)(world->now_us - began_us) / (double)SIM_S);
}

/* Another leads within 3 s, and what waited is served everywhere within 10 s. */
static void lose_leader(struct sim_world *world, uint16_t leader, uint32_t waiting)
{
    uint64_t lost_us = world->now_us;
    sim_crash(world, sim_coordinator(world, leader));
    assert_comes(world, 3 * SIM_S, has_another_leader, &leader);
    assert_comes(world, lost_us + 10 * SIM_S - world->now_us, is_served_by_all, &waiting);
    end_well(world);
}

static void test_another_leads_soon_after_the_leader_crashed(void **state)
{
    (void)state;
    struct sim_world *world = make_three(1);
    uint16_t leader = wait_leader(world);
    run_for(world, 7 * SIM_S);
    give_input(world, 2);
    lose_leader(world, leader, 2);
}

/* Whatever the sites were at when it happened. */
static void test_the_leader_crashes_in_the_middle_of_a_round(void **state)
{
    static const enum csn_work_state states[] = {CSN_WORK_COMPUTING, CSN_WORK_COMPARING,
                                                 CSN_WORK_GATHERING, CSN_WORK_STAGING,
                                                 CSN_WORK_VOTING,    CSN_WORK_HELD};
    (void)state;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct sim_world *world = make_three(1);
        uint16_t leader = wait_leader(world);
        give_input(world, 2);
        wait_work(world, 2, states[i]);
        lose_leader(world, leader, 2);
    }
}

/* One after the other, until the last of them leads. */
static void test_the_last_coordinator_leads_when_the_others_are_gone(void **state)
{
    (void)state;
    struct sim_world *world = make_three(1);
    for (uint32_t input = 2; input <= 3; input++) {
        uint16_t leader = wait_leader(world);
        sim_crash(world, sim_coordinator(world, leader));
        assert_comes(world, 3 * SIM_S, has_another_leader, &leader);
        give_input(world, input);
        wait_served(world, input);
    }
    end_well(world);
}

/* Without any coordinator: what is released is served, also by a site that starts, and what was
 * certified is adopted; a round comes with the first that is back. */
static void test_all_coordinators_gone(void **state)
{
    (void)state;
    struct sim_world *world = make_three(2);
    for (uint16_t number = 1; number <= 3; number++) {
        sim_crash(world, sim_coordinator(world, number));
    }
    give_input(world, 3);
    run_for(world, 300 * SIM_S);
    sim_crash(world, sim_site(world, 2));
    sim_start(world, sim_site(world, 2));
    run_for(world, 300 * SIM_S);
    for (uint16_t site = 1; site <= 3; site++) {
        struct csn_node_zone_status zone = zone_of(world, site);
        assert_true(zone.is_serving);
        assert_int_equal(zone.released->held.proposal.input.serial, 2);
    }
    sim_start(world, sim_coordinator(world, 3));
    wait_served(world, 3);
    end_well(world);
}

/* The old leader is cut off from the sites but one, which hears it on: two lead. */
static void test_two_leaders_at_once(void **state)
{
    (void)state;
    struct sim_world *world = make_three(1);
    uint16_t old = wait_leader(world), other;
    struct sim_actor *coordinator = sim_coordinator(world, old);
    unsigned most = 0;
    for (uint16_t site = 1; site <= 3; site++) {
        sim_cut(world, sim_site(world, site), coordinator, LONG_US);
        if (site != old) {
            sim_cut(world, coordinator, sim_site(world, site), LONG_US);
        }
    }
    give_input(world, 2);
    for (unsigned i = 0; i < 50; i++) {
        run_for(world, SIM_S / 5);
        unsigned now = leaders(world, &other);
        most = now > most ? now : most;
    }
    assert_int_equal(most, 2);
    wait_served(world, 2);
    give_input(world, 3);
    wait_served(world, 3);
    sim_heal(world);
    run_for(world, 20 * SIM_S);
    assert_int_equal(leaders(world, &other), 1);
    end_well(world);
}

/* It hears nobody, all hear it: its heartbeats keep the others from leading until it resigns. */
static void test_a_leader_that_hears_nobody_but_is_heard(void **state)
{
    (void)state;
    struct sim_world *world = make_three(1);
    uint16_t old = wait_leader(world);
    for (uint16_t site = 1; site <= 3; site++) {
        sim_cut(world, sim_site(world, site), sim_coordinator(world, old), LONG_US);
    }
    give_input(world, 2);
    assert_comes(world, 15 * SIM_S, has_another_leader, &old);
    wait_served(world, 2);
    give_input(world, 3);
    wait_served(world, 3);
    end_well(world);
}

/* T is the median of the sites' clocks: the leader's own does not matter. */
static void test_a_coordinator_with_a_clock_an_hour_off(void **state)
{
    (void)state;
    struct sim_world *world = make_three(1);
    uint16_t leader = wait_leader(world);
    sim_set_clock(world, sim_coordinator(world, leader), 3600);
    give_input(world, 2);
    wait_served(world, 2);
    sim_set_clock(world, sim_coordinator(world, leader), -3600);
    give_input(world, 3);
    wait_served(world, 3);
    assert_int_equal(world->stats.refused[CSN_TEST_CLOCK] + world->stats.refused[CSN_TEST_AGE], 0);
    assert_int_equal(wait_leader(world), leader);
    end_well(world);
}

static void test_the_leaders_site_and_its_coordinator_an_hour_off(void **state)
{
    static const int64_t offsets_s[] = {3600, -3600};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sim_world *world = make_three(1);
        uint16_t leader = wait_leader(world);
        sim_set_clock(world, sim_coordinator(world, leader), offsets_s[i]);
        sim_set_clock(world, sim_site(world, leader), offsets_s[i]);
        give_input(world, 2);
        wait_served(world, 2);
        give_input(world, 3);
        wait_served(world, 3);
        end_well(world);
    }
}

/* Its heartbeats reach all, its proposals only the site it stands at: its rounds fail, it resigns,
 * and each time it leads again others have had their turn. */
static void test_one_coordinator_whose_rounds_always_fail(void **state)
{
    (void)state;
    struct sim_world *world = make_three(1);
    uint16_t leader = wait_leader(world);
    world->muffle =
        (struct sim_muffle){.is_set = true,
                            .kind = CSN_STATEMENT_PROPOSAL,
                            .from = 1u << sim_coordinator(world, leader)->index,
                            .to = ~(1u << sim_site(world, leader)->index)};
    for (uint32_t input = 2; input <= 5; input++) {
        give_input(world, input);
        wait_served(world, input);
    }
    assert_int_not_equal(wait_leader(world), leader);
    end_well(world);
}

/* Two sites are up, each has promised another candidate; nobody leads, nobody has resigned. */
static void test_two_candidates_with_one_promise_each(void **state)
{
    (void)state;
    struct sim_world *world = make_three(1);
    sim_crash(world, sim_site(world, 3));
    for (uint16_t number = 1; number <= 3; number++) {
        sim_crash(world, sim_coordinator(world, number));
    }
    for (uint16_t number = 1; number <= 2; number++) {
        sim_cut(world, sim_coordinator(world, number), sim_site(world, (uint16_t)(3 - number)),
                LONG_US);
        sim_start(world, sim_coordinator(world, number));
    }
    run_for(world, 10 * SIM_S);
    for (uint16_t site = 1; site <= 2; site++) {
        struct csn_node_status status;
        csn_node_get_status(sim_site(world, site)->node, sim_now(world, sim_site(world, site)),
                            &status);
        assert_int_equal(status.promised.coordinator, site);
    }
    sim_heal(world);
    give_input(world, 2);
    wait_certified(world, 2);
    end_well(world);
}

/* All three ask at once, again and again, over links that lose much. */
static void test_candidates_that_start_at_once(void **state)
{
    uint16_t none = 0;
    (void)state;
    for (unsigned times = 0; times < 10; times++) {
        struct sim_world *world = make_three(0);
        run_for(world, times * SIM_S / 10);
        for (uint16_t number = 1; number <= 3; number++) {
            sim_crash(world, sim_coordinator(world, number));
        }
        run_for(world, 3 * SIM_S);
        for (uint16_t number = 1; number <= 3; number++) {
            sim_start(world, sim_coordinator(world, number));
        }
        if (!comes_within(world, 8 * SIM_S, has_another_leader, &none)) {
            fail_msg("nobody leads after 8 s (try %u)", times);
        }
        end_well(world);
    }
}

static void test_a_leader_cut_off_from_its_promisers(void **state)
{
    (void)state;
    struct sim_world *world = make_three(1);
    uint16_t leader = wait_leader(world);
    give_input(world, 2);
    wait_work(world, leader, CSN_WORK_GATHERING);
    for (uint16_t site = 1; site <= 3; site++) {
        if (site != leader) {
            part(world, sim_coordinator(world, leader), sim_site(world, site), LONG_US);
        }
    }
    assert_comes(world, 5 * SIM_S, has_another_leader, &leader);
    wait_served(world, 2);
    end_well(world);
}

/* Leader and site fall together, as one data centre does. */
static void test_the_leaders_site_is_lost_with_it(void **state)
{
    (void)state;
    struct sim_world *world = make_three(1);
    uint16_t leader = wait_leader(world);
    give_input(world, 2);
    wait_work(world, leader, CSN_WORK_GATHERING);
    sim_crash(world, sim_site(world, leader));
    sim_crash(world, sim_coordinator(world, leader));
    assert_comes(world, 3 * SIM_S, has_another_leader, &leader);
    wait_certified(world, 2);
    end_well(world);
}

/* Only the leader has seen the votes of two sites when it dies: its certificate is on its way, for
 * very long. One of the two is lost with it; the round has grown too old to be proposed again. When
 * the certificate comes, newer ones are released: it is kept and never served. */
static void test_orphan_certificate_surfaces(void **state)
{
    (void)state;
    struct sim_world *world = make_three(1);
    uint16_t leader = wait_leader(world);
    uint16_t first = leader, second = leader == 1 ? 2 : 1, third = (uint16_t)(6 - first - second);
    struct sim_actor *coordinator = sim_coordinator(world, leader);
    sim_crash(world, sim_site(world, third));
    give_input(world, 2);
    wait_work(world, first, CSN_WORK_VOTING);
    for (uint16_t site = 1; site <= 3; site++) {
        world->links[coordinator->index][sim_site(world, site)->index].latency_us = 150 * SIM_S;
    }
    for (uint16_t number = 1; number <= 3; number++) {
        part(world, sim_site(world, first), sim_site(world, number), 1000 * SIM_S);
        part(world, sim_site(world, second), sim_site(world, number), 1000 * SIM_S);
        if (number != leader) {
            part(world, sim_site(world, first), sim_coordinator(world, number), 1000 * SIM_S);
            part(world, sim_site(world, second), sim_coordinator(world, number), 1000 * SIM_S);
        }
    }
    wait_certified(world, 2);
    run_for(world, 2 * SIM_S);
    struct csn_row row = zone_of(world, second).row;
    assert_int_equal(csn_round_compare(row.newest.round, row.released.round), 0);
    sim_crash(world, coordinator);
    sim_crash(world, sim_site(world, first));
    run_for(world, 70 * SIM_S); /* max_round_age is 60 s */
    sim_heal(world);
    sim_start(world, sim_site(world, third));
    give_input(world, 3);
    wait_certified(world, 3);
    wait_trace(world, CSN_TRACE_ORPHAN);
    assert_int_equal(zone_of(world, second).released->held.proposal.input.serial, 3);
    set_distances(world);
    end_well(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_leads_soon_after_the_leader_crashed),
        cmocka_unit_test(test_the_leader_crashes_in_the_middle_of_a_round),
        cmocka_unit_test(test_the_last_coordinator_leads_when_the_others_are_gone),
        cmocka_unit_test(test_all_coordinators_gone),
        cmocka_unit_test(test_two_leaders_at_once),
        cmocka_unit_test(test_a_leader_that_hears_nobody_but_is_heard),
        cmocka_unit_test(test_a_coordinator_with_a_clock_an_hour_off),
        cmocka_unit_test(test_the_leaders_site_and_its_coordinator_an_hour_off),
        cmocka_unit_test(test_one_coordinator_whose_rounds_always_fail),
        cmocka_unit_test(test_two_candidates_with_one_promise_each),
        cmocka_unit_test(test_candidates_that_start_at_once),
        cmocka_unit_test(test_a_leader_cut_off_from_its_promisers),
        cmocka_unit_test(test_the_leaders_site_is_lost_with_it),
        cmocka_unit_test(test_orphan_certificate_surfaces),
    };
    return cmocka_run_group_tests_name("scenarios of leaders", tests, NULL, NULL);
}
