/* Goal: a far serial comes to be when an operator approves it, and leads a zone back round to one before (RFC 1982), with all
 * secondaries following; neither who was away nor who voted for it alone is left behind. Method: as in scenarios.c. */
#include "sim/scenario.h"

#include "sim/epochs.h"
#include "sim/secondaries.h"
#include "sim/serials.h"

#define HALF (UINT32_C(1) << 31)
#define TOO_HIGH UINT32_C(2040010100) /* was published for */
#define MEANT UINT32_C(2026112300)
#define HALFWAY (TOO_HIGH + HALF - 7000000)

static bool is_served_so(const struct sim_world *world, const void *what)
{
    const uint32_t *serial = what;
    for (uint16_t site = 1; site <= world->options.sites; site++) {
        const struct sim_actor *actor = &world->actors[site - 1];
        const struct sim_served *served = sim_checker_served(world->checker, actor, 0);
        if (actor->is_up && (!served->is_set || served->serial != *serial)) {
            return false;
        }
    }
    return true;
}

static bool have_secondaries(const struct sim_world *world, const void *what)
{
    const uint32_t *serial = what;
    bool have = true;
    for (unsigned i = 0; i < SIM_SECONDARIES; i++) {
        const struct sim_served *served = sim_secondaries_have(world->secondaries, i, 0);
        have = have && served->is_set && served->serial == *serial;
    }
    return have;
}

/* At the sites that are up, and what an operator waits for before the next step: at all secondaries. */
static void wait_serial(struct sim_world *world, uint32_t serial)
{
    wait_for(world, is_served_so, &serial);
    wait_for(world, have_secondaries, &serial);
}

static bool can_approve(const struct sim_world *world, const void *what)
{
    const struct csn_order order = {.kind = CSN_ORDER_APPROVE_SERIAL, .serial = world->announced};
    (void)what;
    return csn_node_check_serial(world->actors[0].node, 0, &order, NULL) == CSN_OK;
}

static void announce(struct sim_world *world, uint32_t serial)
{
    assert_true(sim_announce_serial(world, 0, serial));
    wait_for(world, can_approve, NULL);
}

static void step_to(struct sim_world *world, uint32_t serial)
{
    announce(world, serial);
    assert_true(sim_approve_serial(world, 0));
    wait_serial(world, serial);
}

static bool is_whole(const struct sim_world *world, const void *what)
{
    return world->epoch_count == *(const uint32_t *)what && sim_is_chain_whole(world);
}

static void published_too_high(struct sim_options *options)
{
    options->zone[0].has_live_serial = true;
    options->zone[0].live_serial = TOO_HIGH - 1;
}

static void test_two_steps_lead_back(void **state)
{
    (void)state;
    struct sim_world *world = make(published_too_high);
    give_input(world, 1);
    wait_serial(world, TOO_HIGH);
    assert_false(sim_announce_serial(world, 0, MEANT)); /* it is before */
    step_to(world, HALFWAY);
    give_input(world, 2);
    wait_serial(world, HALFWAY + 1);
    step_to(world, MEANT);
    give_input(world, 3);
    wait_serial(world, MEANT + 1);
    assert_int_equal(world->stats.jumps, 2);
    end_well(world);
}

/* It takes the serial over, and the next step waits for that (node/orders.c asks); then it is needed. */
static void test_a_site_misses_the_first_step(void **state)
{
    (void)state;
    struct sim_world *world = make(published_too_high);
    give_input(world, 1);
    wait_serial(world, TOO_HIGH);
    announce(world, HALFWAY); /* it knows where the zone goes */
    sim_crash(world, sim_site(world, 3));
    assert_true(sim_approve_serial(world, 0));
    wait_serial(world, HALFWAY);
    assert_true(sim_announce_serial(world, 0, MEANT));
    run_for(world, 10 * SIM_S);
    assert_false(sim_approve_serial(world, 0)); /* and not of this */
    sim_start(world, sim_site(world, 3));
    wait_serial(world, HALFWAY);
    announce(world, MEANT);
    sim_crash(world, sim_site(world, 2));
    assert_true(sim_approve_serial(world, 0));
    wait_serial(world, MEANT);
    give_input(world, 2);
    wait_serial(world, MEANT + 1);
    end_well(world);
}

/* A site's machine is lost, and one with an empty store comes; twice. */
static void replace_machines(bool is_forgotten)
{
    struct sim_world *world = make(published_too_high);
    uint32_t serial = HALFWAY + HALF / 2, input = 3;
    give_input(world, 1);
    wait_serial(world, TOO_HIGH);
    step_to(world, HALFWAY);
    give_input(world, 2);
    wait_serial(world, HALFWAY + 1);
    step_to(world, serial);
    for (; is_forgotten && input < 3 + CSN_CERTIFICATES_KEPT; input++) {
        give_input(world, input);
        wait_serial(world, ++serial);
    }
    for (uint32_t epoch = 2; epoch <= 3; epoch++) {
        assert_true(sim_change_members(world, SIM_CHANGE_MACHINE, (uint16_t)epoch));
        wait_for(world, is_whole, &epoch);
        give_input(world, input++);
        wait_serial(world, ++serial);
    }
    end_well(world);
}

/* Sites keep the live serial in their configuration: who comes with an empty store begins with it, half a round ahead by now. It
 * answers nothing from before the numbers went round, whether it gets those certificates or not. */
static void test_a_new_machine_begins_where_the_zone_is(void **state)
{
    (void)state;
    replace_machines(true);
    replace_machines(false);
}

static void by_time(struct sim_options *options)
{
    options->zone[0].serial_rule = CSN_SERIAL_UNIXTIME;
    options->zone[0].has_live_serial = true;
    options->zone[0].live_serial = 1;
}

/* The policy counts in another way than the zone did: by one until an operator approves, then by the policy. */
static void test_the_policys_serial_is_approved(void **state)
{
    (void)state;
    struct sim_world *world = make(by_time);
    give_input(world, 1);
    wait_serial(world, 2);
    assert_true(world->stats.traces[CSN_TRACE_SERIAL_JUMP] > 0);
    uint32_t now = (uint32_t)sim_now(world, sim_site(world, 1)).wall_s;
    step_to(world, now);
    give_input(world, 2);
    wait_served(world, 2);
    const struct sim_served *served = sim_checker_served(world->checker, sim_site(world, 1), 0);
    assert_true(served->serial - now < 1000);
    assert_int_equal(zone_of(world, 1).row.approved.is_set, false);
    end_well(world);
}

static bool is_writing(const struct sim_world *world, const void *what)
{
    (void)what;
    return zone_of(world, 1).work >= CSN_WORK_STAGING;
}

static bool has_voted_far(const struct sim_world *world, const void *what)
{
    return zone_of(world, 1).row.floor.serial == *(const uint32_t *)what && zone_of(world, 1).work == CSN_WORK_HELD;
}

/* One votes for the approved serial and is alone; with another that has not it goes on, past the serial that is spent, while the
 * third stays away. */
static void test_a_lone_vote_for_an_approved_serial(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    uint32_t far = 1 + (UINT32_C(1) << 30);
    give_input(world, 1);
    wait_serial(world, 1);
    announce(world, far);
    assert_true(sim_approve_serial(world, 0));
    wait_work(world, 1, CSN_WORK_COMPUTING);
    sim_crash(world, sim_site(world, 3));
    wait_for(world, is_writing, NULL);
    sim_crash(world, sim_site(world, 2));
    wait_for(world, has_voted_far, &far);
    run_for(world, 70 * SIM_S); /* too old to be proposed again */
    sim_start(world, sim_site(world, 3));
    give_input(world, 2);
    wait_serial(world, far + 1);
    end_well(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_steps_lead_back),
        cmocka_unit_test(test_a_site_misses_the_first_step),
        cmocka_unit_test(test_a_new_machine_begins_where_the_zone_is),
        cmocka_unit_test(test_the_policys_serial_is_approved),
        cmocka_unit_test(test_a_lone_vote_for_an_approved_serial),
    };
    return cmocka_run_group_tests_name("scenarios of serials", tests, NULL, NULL);
}
