/* Goal: an emergency and the return from it, whoever comes back: dead sites; a branch that was not dead and went on; a branch of
 * which one certificate was never heard. Nobody answers anything older than before, no serial is used twice, and what is
 * certified after the return is behind neither branch.
 * Method: three sites; sites 2 and 3 are lost to site 1, which goes on by the officers' word. The checker looks on. */
#include "sim/scenario.h"

#include "sim/epochs.h"

#define KEEP_FIRST (1u << 1)

/* One at site 1, one at the others. */
static void two_leaders(struct sim_options *options)
{
    options->coordinators = 2;
}

struct in_epoch {
    uint16_t site;
    uint32_t epoch;
};
static bool is_in_epoch(const struct sim_world *world, const void *what)
{
    const struct in_epoch *wanted = what;
    struct csn_node_status status = status_of(world, wanted->site);
    return status.epoch == wanted->epoch && status.state == CSN_NODE_OK;
}
static void wait_epoch(struct sim_world *world, uint16_t site, uint32_t epoch)
{
    wait_for(world, is_in_epoch, &(struct in_epoch){site, epoch});
}

static const struct sim_served *served_by(const struct sim_world *world, uint16_t site)
{
    return sim_checker_served(world->checker, &world->actors[site - 1], 0);
}

struct serving {
    uint16_t site;
    uint32_t serial, input; /* after this one; this one */
};
static bool is_serving(const struct sim_world *world, const void *what)
{
    const struct serving *wanted = what;
    const struct sim_served *served = served_by(world, wanted->site);
    uint32_t step = served->serial - wanted->serial;
    return served->is_set && step > 0 && step < UINT32_C(0x80000000) &&
           served->input_serial == wanted->input;
}
static void wait_serving(struct sim_world *world, uint16_t site, uint32_t after, uint32_t input)
{
    wait_for(world, is_serving, &(struct serving){site, after, input});
}

/* A new policy at site 1 and its coordinator makes a release due there. */
static void refresh_first(struct sim_world *world)
{
    world->policy[0]++;
    sim_approve(world, sim_site(world, 1), 0);
    sim_approve(world, sim_coordinator(world, 1), 0);
}

/* The serial with which the emergency begins. */
static uint32_t declare(struct sim_world *world)
{
    uint32_t serial = served_by(world, 1)->serial;
    uint64_t clock_s = sim_now(world, sim_site(world, 1)).wall_s;
    assert_true(sim_declare_emergency(world, KEEP_FIRST, clock_s + 3600));
    return serial;
}

/* Site 1 goes on alone, and releases. */
static void go_on_alone(struct sim_world *world)
{
    uint32_t serial = declare(world);
    wait_epoch(world, 1, 2);
    refresh_first(world);
    wait_serving(world, 1, serial + (CSN_EMERGENCY_SERIAL_STEP - 1), served_by(world, 1)->input_serial);
}

static void lose_others(struct sim_world *world)
{
    sim_crash(world, sim_site(world, 2));
    sim_crash(world, sim_site(world, 3));
}

static void part_first(struct sim_world *world)
{
    for (unsigned i = 0; i < world->actor_count; i++) {
        struct sim_actor *actor = &world->actors[i];
        for (uint16_t first = 0; first < 2 && actor->number != 1; first++) {
            part(world, first == 0 ? sim_site(world, 1) : sim_coordinator(world, 1), actor, 3600 * SIM_S);
        }
    }
}

/* The branch's rounds are far on: each start of a coordinator is another term. */
static void begin_terms(struct sim_world *world)
{
    for (unsigned i = 0; i < 5; i++) {
        sim_crash(world, sim_coordinator(world, 2));
        sim_start(world, sim_coordinator(world, 2));
        run_for(world, 15 * SIM_S);
    }
}

/* Site 1 is alone with a coordinator, the branch with the other. */
static struct sim_world *make_apart(void)
{
    struct sim_world *world = make_served(two_leaders);
    part_first(world);
    return world;
}

/* An input that site 1 never sees. */
static void release_in_branch(struct sim_world *world, uint32_t input)
{
    uint32_t before = served_by(world, 2)->serial;
    give_input_at(world, 2, input, 0);
    give_input_at(world, 3, input, 0);
    wait_serving(world, 2, before, input);
    wait_serving(world, 3, before, input);
}

static bool has_newest_of_first(const struct sim_world *world, const void *what)
{
    struct csn_round first = zone_of(world, 1).row.newest.round;
    return csn_round_compare(zone_of(world, *(const uint16_t *)what).row.newest.round, first) == 0;
}

static void test_dead_sites_return(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    lose_others(world);
    go_on_alone(world);
    uint32_t serial = served_by(world, 1)->serial;
    give_input_at(world, 1, 2, 0); /* refreshes only */
    refresh_first(world);
    wait_serving(world, 1, serial, 1);
    assert_true(sim_end_emergency(world));
    wait_epoch(world, 1, 3);
    sim_start(world, sim_site(world, 2));
    sim_start(world, sim_site(world, 3));
    wait_epoch(world, 2, 3);
    wait_epoch(world, 3, 3);
    end_well(world);
}

/* Sites 2 and 3 were never dead: they release before the emergency and after its beginning, inputs that site 1 never sees. Once
 * they hear of it they vote no more and go on answering what they have; after the return their input is everywhere. */
static void test_live_branch_returns(void **state)
{
    (void)state;
    struct sim_world *world = make_apart();
    begin_terms(world);
    release_in_branch(world, 2);
    go_on_alone(world);
    release_in_branch(world, 3);
    sim_heal(world);
    run_for(world, 20 * SIM_S);
    assert_int_equal(served_by(world, 1)->input_serial, 1);
    assert_int_equal(served_by(world, 2)->input_serial, 3);
    uint32_t tip = served_by(world, 1)->serial;
    assert_true(sim_end_emergency(world));
    wait_epoch(world, 2, 3);
    sim_approve(world, sim_site(world, 2), 0); /* the policy that site 1 has used meanwhile */
    sim_approve(world, sim_site(world, 3), 0);
    for (uint16_t site = 1; site <= 3; site++) {
        wait_serving(world, site, tip, 3);
    }
    end_well(world);
}

/* Of the branch one site comes back, and what it released was confirmed by nobody else who is left. */
static void test_last_witness_of_a_branch_returns(void **state)
{
    (void)state;
    struct sim_world *world = make_apart();
    begin_terms(world);
    release_in_branch(world, 2);
    go_on_alone(world);
    for (unsigned i = 0; i < CSN_CERTIFICATES_KEPT; i++) { /* more than site 1 keeps */
        uint32_t serial = served_by(world, 1)->serial;
        refresh_first(world);
        wait_serving(world, 1, serial, 1);
    }
    uint32_t tip = served_by(world, 1)->serial;
    sim_crash(world, sim_site(world, 2));
    sim_crash(world, sim_coordinator(world, 1));
    sim_crash(world, sim_coordinator(world, 2));
    sim_heal(world);
    assert_true(sim_end_emergency(world));
    wait_epoch(world, 3, 3);
    wait_for(world, has_newest_of_first, &(uint16_t){3});
    sim_start(world, sim_coordinator(world, 1));
    sim_approve(world, sim_site(world, 3), 0);
    wait_serving(world, 1, tip, 2);
    wait_serving(world, 3, tip, 2);
    end_well(world);
}

/* What sites 2 and 3 certified last was heard by nobody else. It surfaces in the emergency: then site 1 goes back behind it no
 * more, and waits for its input. */
static void test_orphaned_certificate_surfaces(void **state)
{
    (void)state;
    struct sim_world *world = make_apart();
    release_in_branch(world, 2);
    lose_others(world);
    go_on_alone(world);
    sim_heal(world);
    uint32_t serial = served_by(world, 1)->serial;
    sim_start(world, sim_site(world, 2));
    run_for(world, SIM_S);
    struct csn_bytes octets = csn_node_certificate_above(
        sim_site(world, 2)->node, world->options.zone[0].zone, zone_of(world, 1).row.floor.round);
    assert_int_equal(octets.size, 0); /* its rounds are all below those of the emergency */
    octets = csn_node_certificate_above(sim_site(world, 2)->node, world->options.zone[0].zone,
                                        (struct csn_round){.term.counter = 1, .seq = 1});
    assert_true(octets.size > 0);
    while (octets.size > 0) { /* all that it has */
        struct csn_certificate certificate;
        assert_int_equal(csn_certificate_decode(octets, &certificate), CSN_OK);
        sim_broadcast_certificate(world, sim_site(world, 2), octets);
        octets = csn_node_certificate_above(sim_site(world, 2)->node, world->options.zone[0].zone,
                                            certificate.held.proposal.round);
    }
    run_for(world, 5 * SIM_S);
    assert_int_equal(zone_of(world, 1).row.floor.input.serial, 2);
    assert_int_equal(served_by(world, 1)->serial, serial); /* an orphan is never served */
    refresh_first(world);
    run_for(world, 60 * SIM_S);
    assert_int_equal(served_by(world, 1)->serial, serial);
    give_input_at(world, 1, 2, 0); /* its own source brings it */
    wait_serving(world, 1, serial, 2);
    assert_true(sim_end_emergency(world));
    wait_epoch(world, 1, 3);
    sim_start(world, sim_site(world, 3));
    wait_epoch(world, 3, 3);
    end_well(world);
}

/* Officers that know too little, or more than the site, are not followed. */
static void test_emergency_begins_at_its_base_only(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    lose_others(world);
    declare(world);
    struct csn_emergency_base *base = &world->epochs[1].document.emergency.bases[0], good = *base;
    assert_int_equal(world->epochs[1].document.emergency.base_count, 1);
    for (unsigned wrong = 0; wrong < 3; wrong++) {
        struct csn_round round = csn_round_decode(good.round);
        *base = good;
        base->full_root.octets[0] ^= wrong == 0;
        round.seq = round.seq + (wrong == 1) - (wrong == 2);
        csn_round_encode(round, base->round);
        sim_give_next(world, sim_site(world, 1));
        run_for(world, 10 * SIM_S);
        assert_int_equal(world->stats.traces[CSN_TRACE_SEALED], 0);
    }
    *base = good;
    sim_give_next(world, sim_site(world, 1));
    wait_epoch(world, 1, 2);
    assert_true(sim_end_emergency(world));
    end_well(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dead_sites_return),
        cmocka_unit_test(test_live_branch_returns),
        cmocka_unit_test(test_last_witness_of_a_branch_returns),
        cmocka_unit_test(test_orphaned_certificate_surfaces),
        cmocka_unit_test(test_emergency_begins_at_its_base_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
