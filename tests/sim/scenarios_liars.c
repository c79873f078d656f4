/* Four members, quorum three, f = 1: what one of them says binds nobody. It lies from the start, about everything of one kind. */
#include "sim/scenario.h"

#define RELEASES 4
#define SOON_US (30 * SIM_S) /* far below what it costs to be held up at every round */
#define PILED_US (900 * SIM_S)
#define FOUND_US (240 * SIM_S) /* the pause, all together, the liar alone, the others: a minute each */

static void four(struct sim_options *options)
{
    options->sites = 4;
    options->quorum = 3;
    options->faults = 1;
}
static void three_leaders_of_four(struct sim_options *options)
{
    four(options);
    options->coordinators = 3;
}

static bool is_served_by_honest(const struct sim_world *world, const void *what)
{
    const uint32_t *input = what;
    for (uint16_t i = 0; i < world->options.sites; i++) {
        const struct sim_served *served = sim_checker_served(world->checker, &world->actors[i], 0);
        if (i + 1 != world->options.liar && (!served->is_set || served->input_serial != *input)) {
            return false;
        }
    }
    return true;
}

/* Release after release comes to all the others, whichever of them it is. */
static void releases_come(void (*change)(struct sim_options *options), enum sim_fault lie)
{
    for (uint16_t liar = 1; liar <= 4; liar++) {
        struct sim_world *world = make(change);
        world->options.liar = liar;
        world->options.chance[lie] = 1000000;
        for (uint32_t input = 1; input <= RELEASES; input++) {
            give_input(world, input);
            assert_true(comes_within(world, SOON_US, is_served_by_honest, &input));
        }
        assert_true(world->stats.faults[lie] > 0);
        end_well(world);
    }
}

static void test_early_votes_for_bytes_that_nobody_has(void **state)
{
    (void)state;
    releases_come(four, SIM_LIE_EARLY);
}

static void test_votes_for_other_bytes(void **state)
{
    (void)state;
    releases_come(four, SIM_LIE_VOTE);
}

static void test_claims_of_ever_newer_rounds(void **state)
{
    (void)state;
    releases_come(three_leaders_of_four, SIM_LIE_CLAIM);
}

static void test_other_signatures_for_each_site(void **state)
{
    (void)state;
    releases_come(four, SIM_LIE_OFFER);
}

static bool have_many_lone_votes(const struct sim_world *world, const void *what)
{
    bool have = true;
    (void)what;
    for (uint16_t site = 1; site <= world->options.sites; site++) {
        have = have && (site == world->options.liar || zone_of(world, site).lone_votes > CSN_HOLDS_MANY);
    }
    return have;
}

/* Votes were lost for so long that each site has many that nothing came of, and the leader its longest pause. One that votes
 * before there are bytes makes each failed round look like its own: who splits the votes is found nevertheless, with one vote
 * a minute. */
static void test_a_liar_is_found_after_many_lone_votes(void **state)
{
    (void)state;
    for (uint16_t liar = 1; liar <= 4; liar++) {
        struct sim_world *world = make(four);
        world->options.liar = liar;
        world->options.chance[SIM_LIE_EARLY] = world->options.chance[SIM_LIE_OFFER] = 1000000;
        world->muffle = (struct sim_muffle){.is_set = true, .kind = CSN_STATEMENT_HELD, .from = UINT32_MAX, .to = UINT32_MAX};
        uint32_t input = 1;
        give_input(world, input);
        assert_true(comes_within(world, PILED_US, have_many_lone_votes, NULL));
        world->muffle.is_set = false;
        assert_true(comes_within(world, FOUND_US, is_served_by_honest, &input));
        end_well(world);
    }
}

/* Of two others that know of nothing newer one may lie: a site whose store is older than what it answered takes their word for
 * nothing, and answers when one comes back that knows better. */
static void test_a_restored_site_does_not_take_a_liars_word(void **state)
{
    (void)state;
    struct sim_world *world = make(four);
    struct sim_actor *two = sim_site(world, 2);
    struct sim_disk backup;
    world->options.liar = 4;
    world->options.chance[SIM_LIE_OLD] = 1000000;
    give_input(world, 1);
    wait_served(world, 1);
    sim_disk_copy(&backup, &two->disk);
    sim_crash(world, sim_site(world, 3));
    give_input(world, 2);
    wait_certified(world, 2);
    run_for(world, 5 * SIM_S);
    assert_int_equal(sim_checker_served(world->checker, two, 0)->input_serial, 2);
    sim_crash(world, sim_coordinator(world, 1));
    sim_crash(world, sim_site(world, 1));
    sim_crash(world, two);
    restore(world, two, &backup, false);
    sim_start(world, sim_site(world, 3));
    sim_start(world, two);
    run_for(world, 30 * SIM_S);
    assert_int_equal(status_of(world, 2).halt, CSN_HALT_AMNESIA);
    assert_false(sim_checker_served(world->checker, two, 0)->is_set);
    sim_start(world, sim_site(world, 1));
    run_for(world, 30 * SIM_S);
    assert_int_equal(sim_checker_served(world->checker, two, 0)->input_serial, 2);
    end_well(world);
}

/* A member without HSM votes, and serves, and is never an author. */
static void verifier_is_4(struct sim_options *options)
{
    four(options);
    options->verifier = 4;
}
static void test_a_verifier_is_the_third_vote(void **state)
{
    (void)state;
    struct sim_world *world = make(verifier_is_4);
    give_input(world, 1);
    wait_served(world, 1);
    sim_crash(world, sim_site(world, 2));
    uint32_t input = 2;
    world->options.liar = 2; /* is not waited for */
    give_input(world, input);
    wait_for(world, is_served_by_honest, &input);
    world->options.liar = 0;
    end_well(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_early_votes_for_bytes_that_nobody_has),
        cmocka_unit_test(test_votes_for_other_bytes),
        cmocka_unit_test(test_claims_of_ever_newer_rounds),
        cmocka_unit_test(test_other_signatures_for_each_site),
        cmocka_unit_test(test_a_liar_is_found_after_many_lone_votes),
        cmocka_unit_test(test_a_restored_site_does_not_take_a_liars_word),
        cmocka_unit_test(test_a_verifier_is_the_third_vote),
    };
    return cmocka_run_group_tests_name("scenarios of liars", tests, NULL, NULL);
}
