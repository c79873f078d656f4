/* Goal: what has happened to others (the incidents that the project keeps) ends without a bad zone here. Method: as in
 * scenarios.c. What the core does not see - key tags, gates, transfers - is tested where it is seen (SCENARIOS.md). */
#include "sim/scenario.h"

/* APNIC 2012: a standby signer had other zone keys. Another document under the same number is refused, and signs nothing. */
static void test_another_key_set_at_one_site(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    struct sim_actor *site = sim_site(world, 3);
    struct csn_event event = {.kind = CSN_EVENT_DOCUMENTS, .documents = &site->configs[0]};
    world->keyset[0] = 2;
    sim_approve(world, sim_site(world, 1), 0);
    sim_approve(world, sim_site(world, 2), 0);
    site->configs[0].keyset = sim_keyset_id(0, 2);
    site->configs[0].keyset.digest.octets[0] ^= 1;
    sim_step(world, site, &event);
    wait_certified(world, 2);
    give_input(world, 2);
    wait_served(world, 2);
    struct csn_node_zone_status zone = zone_of(world, 3);
    assert_true(zone.refusal.is_set);
    assert_int_equal(zone.refusal.test, CSN_TEST_KEYSET_HERE);
    for (unsigned i = 0; i < zone.released->held.proposal.author_count; i++) {
        assert_int_not_equal(zone.released->held.proposal.authors[i], 3);
    }
    end_well(world);
}

/* .se 2022: the HSMs returned bad signatures. With one good one it signs everything; with none nothing comes out, and what was
 * certified before is served on. */
static void test_bad_signatures_at_several_hsms(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    sim_set_hsm(world, sim_site(world, 1), SIM_HSM_IS_WRONG);
    sim_set_hsm(world, sim_site(world, 2), SIM_HSM_IS_WRONG);
    give_input(world, 2);
    wait_served(world, 2);
    sim_set_hsm(world, sim_site(world, 3), SIM_HSM_IS_WRONG);
    give_input(world, 3);
    run_for(world, 300 * SIM_S);
    assert_int_equal(sim_checker_certified(world->checker), 2);
    assert_true(is_served_by_all(world, &(uint32_t){2}));
    sim_set_hsm(world, sim_site(world, 2), SIM_HSM_GOOD);
    wait_served(world, 3);
    end_well(world);
}

static void count_seconds(struct sim_options *options)
{
    options->zone[0].serial_rule = CSN_SERIAL_UNIXTIME;
    options->zone[0].has_live_serial = true;
    options->zone[0].live_serial = 1;
}

/* RIPE 2011: another format of serials wrapped the zone's twice. A value of the policy that is too far ahead is not taken: one
 * more than the last, at each release, and it is said. */
static void test_serial_of_another_format_is_not_jumped_to(void **state)
{
    (void)state;
    struct sim_world *world = make(count_seconds);
    for (uint32_t input = 1; input <= 5; input++) {
        give_input(world, input);
        wait_served(world, input);
        assert_int_equal(sim_checker_served(world->checker, sim_site(world, 1), 0)->serial, 1 + input);
    }
    assert_true(world->stats.traces[CSN_TRACE_SERIAL_JUMP] > 0);
    end_well(world);
}

/* Yeti's log 2022: one flipped bit was signed for ever. The site that computes it is alone, its share is never used, and the
 * others' version has not got it. */
static void test_a_flipped_bit_at_an_author(void **state)
{
    (void)state;
    for (uint16_t number = 1; number <= 3; number++) {
        struct sim_world *world = make(NULL);
        sim_site(world, number)->diverged = 1;
        give_input(world, 1);
        wait_served(world, 1);
        struct csn_release own = zone_of(world, number).row.released;
        struct csn_release good = zone_of(world, number == 1 ? 2 : 1).row.released;
        assert_true(csn_digest_equal(&own.full_root, &good.full_root));
        assert_int_not_equal(zone_of(world, number).row.diverged, 0);
        end_well(world);
    }
}

/* .mm 2016: the signer was silent, and signatures ran out unseen. With two sites silent what is due is known at the third, and
 * the first moment of two brings the refresh. */
static void refresh_soon(struct sim_options *options)
{
    options->zone[0].refresh_interval_s = 30;
}
static void test_refresh_comes_with_the_first_quorum(void **state)
{
    (void)state;
    struct sim_world *world = make_served(refresh_soon);
    sim_crash(world, sim_site(world, 1));
    sim_crash(world, sim_site(world, 2));
    size_t certified = sim_checker_certified(world->checker);
    run_for(world, 300 * SIM_S);
    assert_int_equal(sim_checker_certified(world->checker), certified);
    assert_true(zone_of(world, 3).row.due_s < sim_now(world, sim_site(world, 3)).wall_s);
    sim_start(world, sim_site(world, 1));
    wait_certified(world, certified + 1);
    end_well(world);
}

/* .de 2026: another key under the same name. The canary sees it before anything is signed; the site votes on. */
static void test_another_key_in_one_hsm(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    struct csn_node_zone_status status;
    sim_set_hsm(world, sim_site(world, 2), SIM_HSM_HAS_OTHER_KEY);
    run_for(world, 10 * SIM_S);
    give_input(world, 2);
    wait_served(world, 2);
    status = zone_of(world, 2);
    assert_int_equal(status.row.hsm, CSN_HSM_BAD);
    assert_int_equal(status.released->held.proposal.author_count, 2);
    assert_int_equal(world->stats.traces[CSN_TRACE_ABANDONED], 0);
    sim_crash(world, sim_site(world, 3));
    size_t certified = sim_checker_certified(world->checker);
    give_input(world, 3);
    wait_certified(world, certified + 1); /* by 1 and 2 */
    end_well(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_key_set_at_one_site),
        cmocka_unit_test(test_bad_signatures_at_several_hsms),
        cmocka_unit_test(test_serial_of_another_format_is_not_jumped_to),
        cmocka_unit_test(test_another_key_in_one_hsm),
        cmocka_unit_test(test_a_flipped_bit_at_an_author),
        cmocka_unit_test(test_refresh_comes_with_the_first_quorum),
    };
    return cmocka_run_group_tests_name("scenarios of the field", tests, NULL, NULL);
}
