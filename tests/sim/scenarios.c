/* Goal: the schedules that once stopped a rule, or would have, end well: I1-I6 hold all the way
 * (the checker looks after every step) and a fresh serial is certified and served everywhere at the
 * end (I7). Method: a calm simulated cluster of three sites and one coordinator; each scenario
 * breaks one thing at the moment that matters, waits for what must happen, mends it, and settles.
 */
#include <string.h>

#include "round/order.h"
#include "sim/scenario.h"

/* --- scenarios */

static void test_a_calm_cluster_releases_each_input(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    for (uint32_t input = 1; input <= 5; input++) {
        give_input(world, input);
        wait_served(world, input);
    }
    assert_int_equal(sim_checker_certified(world->checker), 5);
    end_well(world);
}

/* One site votes and is cut off before anyone hears it: its vote must not wedge the others, nor its
 * own return. */
static void test_one_lone_old_vote(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    give_input(world, 2);
    wait_work(world, 1, CSN_WORK_VOTING);
    sim_isolate(world, sim_site(world, 1), LONG_US);
    for (uint16_t site = 2; site <= 3; site++) {
        sim_crash(world, sim_site(world, site)); /* what they had in work is gone */
        sim_start(world, sim_site(world, site));
    }
    give_input(world, 3);
    wait_certified(world, 2);
    run_for(world, 5 * SIM_S);
    end_well(world);
}

/* Eight lone votes must not wedge a site: each time the others lose theirs, and the round grows too
 * old to be proposed again. */
static void test_many_lone_votes(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    struct sim_actor *others[] = {sim_site(world, 2), sim_site(world, 3)};
    others[0]->disk_factor = others[1]->disk_factor = 400;
    for (uint32_t input = 2; input <= CSN_HOLDS_MANY + 3; input++) {
        give_input(world, input);
        wait_voted(world, 1, input);
        sim_crash(world, others[0]);
        sim_crash(world, others[1]);
        run_for(world, world->options.zone[0].max_round_age_s * SIM_S + 10 * SIM_S);
        sim_start(world, others[0]);
        sim_start(world, others[1]);
    }
    assert_int_equal(sim_checker_certified(world->checker), 1);
    assert_true(world->stats.traces[CSN_TRACE_HOLDS_MANY] > 0);
    end_well(world);
}

static void sign_slowly(struct sim_options *options)
{
    options->sign_us = 24 * SIM_S; /* the deadline is 5 s */
    options->settle_us = 600 * SIM_S;
}
static void test_signing_longer_than_the_deadline(void **state)
{
    (void)state;
    struct sim_world *world = make_served(sign_slowly);
    assert_true(world->stats.ends[CSN_ROUND_END_DEADLINE] > 0);
    end_well(world);
}

/* L6: nodes that see q equal holds assemble the certificate themselves. */
static void test_coordinator_dies_between_the_votes_and_the_release(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    give_input(world, 1);
    wait_work(world, 2, CSN_WORK_VOTING);
    sim_crash(world, sim_coordinator(world, 1));
    wait_served(world, 1);
    end_well(world);
}

static void test_late_joiner_catches_up(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    sim_crash(world, sim_site(world, 3));
    for (uint32_t input = 1; input <= 12; input++) {
        give_input(world, input);
        wait_certified(world, input);
    }
    sim_start(world, sim_site(world, 3));
    wait_served(world, 12);
    end_well(world);
}

/* A joiner that hears no heartbeat and no proposal still learns what is certified from its peers.
 */
static void test_late_joiner_that_heard_no_request(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    sim_crash(world, sim_site(world, 3));
    give_input(world, 1);
    wait_certified(world, 1);
    sim_start(world, sim_site(world, 3));
    sim_cut(world, sim_coordinator(world, 1), sim_site(world, 3), LONG_US);
    wait_served(world, 1);
    end_well(world);
}

/* Not shorter than the 2 s at which idle sites report: until then the row of one that had not looked
 * at its release yet names the interval. */
static void refresh_soon_but_quiet(struct sim_options *options)
{
    options->zone[0].refresh_interval_s = 5;
    options->quiet_s = UINT32_MAX;
}

/* signing.md 3: no work due and no new input, no new serial, however short the interval. */
static void test_no_serial_without_work(void **state)
{
    (void)state;
    struct sim_world *world = make_served(refresh_soon_but_quiet);
    size_t certified = sim_checker_certified(world->checker);
    run_for(world, 10 * SIM_S);
    sim_crash(world, sim_site(world, 2));
    sim_start(world, sim_site(world, 2));
    run_for(world, 60 * SIM_S);
    assert_int_equal(sim_checker_certified(world->checker), certified);
    give_input(world, 2);
    wait_served(world, 2);
    sim_world_free(world);
}

static void test_diverged_site_serves_the_certified_version_and_rejoins(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    sim_site(world, 2)->diverged = 2;
    give_input(world, 1);
    wait_served(world, 1);
    assert_int_not_equal(zone_of(world, 2).row.diverged, 0);
    sim_site(world, 2)->diverged = 0;
    give_input(world, 2);
    wait_trace(world, CSN_TRACE_REJOINED);
    wait_served(world, 2);
    assert_int_equal(zone_of(world, 2).row.diverged, 0);
    end_well(world);
}

/* No author is left that never diverged; still they must find together again. */
static void test_all_sites_diverged_rejoin(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    for (uint16_t site = 1; site <= 3; site++) {
        give_input_at(world, site, 2, site);
    }
    run_for(world, 10 * SIM_S);
    assert_int_equal(sim_checker_certified(world->checker),
                     1); /* nothing that q sites do not confirm */
    end_well(world);
}

static void test_hsm_dead_at_one_site(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    sim_set_hsm(world, sim_site(world, 1), SIM_HSM_IS_DEAD);
    give_input(world, 1);
    wait_served(world, 1);
    give_input(world, 2);
    wait_served(world, 2);
    end_well(world);
}

/* .se 2022: bad signatures never get out; the site is left out, and taken back when its HSM is
 * good. */
static void test_hsm_signs_wrongly_at_one_site(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    sim_set_hsm(world, sim_site(world, 2), SIM_HSM_IS_WRONG);
    give_input(world, 1);
    wait_served(world, 1);
    assert_true(world->stats.refused[CSN_TEST_STAGE] > 0);
    end_well(world);
}

/* Different content under one serial: two sites confirm, the third is shown as diverged; a new
 * serial heals. */
static void test_input_conflict_at_one_site(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    give_input_at(world, 3, 1, 7);
    give_input_at(world, 1, 1, 0);
    give_input_at(world, 2, 1, 0);
    wait_served(world, 1);
    assert_int_not_equal(zone_of(world, 3).row.diverged & CSN_CLASS_BIT_D, 0);
    end_well(world);
}

static void test_input_missing_at_one_site_is_fetched(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    give_input_at(world, 1, 1, 0);
    give_input_at(world, 2, 1, 0);
    wait_served(world, 1);
    assert_non_null(sim_disk_input(&sim_site(world, 3)->disk, 0, &world->inputs[0].prepared));
    end_well(world);
}

static void test_documents_at_one_site_only(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    world->policy[0] = 2;
    sim_approve(world, sim_site(world, 1), 0);
    give_input(world, 2);
    wait_served(world, 2);
    sim_approve(world, sim_site(world, 2), 0);
    wait_certified(world, 3); /* q have it: a round of its own */
    end_well(world);
}

/* 1 h off at a site: it refuses, the others go on; T is never its. */
static void test_clock_off_at_one_site(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    sim_set_clock(world, sim_site(world, 2), 3600);
    give_input(world, 1);
    wait_served(world, 1);
    sim_set_clock(world, sim_site(world, 2), -3600);
    give_input(world, 2);
    wait_served(world, 2);
    end_well(world);
}

/* No T of the future, which nothing could follow when the clocks are mended. */
static void test_clocks_of_a_quorum_that_leap_together(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    run_for(world, 10 * SIM_S);
    sim_set_clock(world, sim_site(world, 1), 365 * 86400);
    sim_set_clock(world, sim_site(world, 2), 365 * 86400);
    give_input(world, 2);
    run_for(world, 60 * SIM_S);
    assert_int_equal(sim_checker_certified(world->checker), 1);
    sim_set_clock(world, sim_site(world, 1), 0);
    sim_set_clock(world, sim_site(world, 2), 0);
    wait_served(world, 2);
    end_well(world);
}

static void test_quorum_lost_and_back(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    sim_crash(world, sim_site(world, 1));
    sim_crash(world, sim_site(world, 2));
    give_input(world, 2);
    run_for(world, 60 * SIM_S);
    assert_int_equal(sim_checker_certified(world->checker), 1);
    sim_start(world, sim_site(world, 1));
    sim_start(world, sim_site(world, 2));
    wait_served(world, 2);
    end_well(world);
}

static void test_leader_cut_off_from_its_promisers(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    sim_isolate(world, sim_coordinator(world, 1), 30 * SIM_S);
    give_input(world, 2);
    wait_served(world, 2);
    end_well(world);
}

/* The release that the leader never heard of: its next proposal is refused for the parent, and the
 * refusal brings it (L4). */
static void test_leader_missed_the_newest_certificate(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    give_input(world, 1);
    wait_work(world, 1, CSN_WORK_VOTING);
    for (uint16_t site = 1; site <= 3; site++) {
        sim_cut(world, sim_site(world, site), sim_coordinator(world, 1), 5 * SIM_S);
    }
    wait_served(world, 1);
    run_for(world, 5 * SIM_S);
    give_input(world, 2);
    wait_served(world, 2);
    end_well(world);
}

static void vote_again_on_a_backup(bool is_second_too, enum csn_halt *ret_halt)
{
    struct sim_world *world = make_served(NULL);
    struct sim_actor *site = sim_site(world, 2);
    struct sim_disk backup;
    sim_disk_copy(&backup, &site->disk);
    sim_crash(world, sim_site(world, 3)); /* so that the certificate has this site's vote */
    give_input(world, 2);
    wait_certified(world, 2);
    sim_start(world, sim_site(world, 3));
    wait_served(world, 2);
    sim_crash(world, site);
    restore(world, site, &backup, is_second_too);
    sim_start(world, site);
    struct csn_floor floor = zone_of(world, 2).row.floor; /* before it has heard anybody */
    struct csn_proposal forgotten = zone_of(world, 1).released->held.proposal;
    assert_int_equal(csn_round_compare(floor.round, forgotten.round) == 0, !is_second_too);
    assert_int_equal(floor.serial == forgotten.serial, !is_second_too);
    assert_int_equal(floor.input.serial, is_second_too ? 1 : 2);
    run_for(world, 10 * SIM_S);
    give_input(world, 3);
    wait_certified(world, 3);
    run_for(world, 10 * SIM_S);
    *ret_halt = status_of(world, 2).halt;
    assert_false(world->has_failed);
    sim_world_free(world);
}

/* The second copy knows of the vote that the store forgot: its round and serial stay spent. It knows of the release too, and
 * so halts the site. */
static void test_restored_backup_keeps_its_floor(void **state)
{
    (void)state;
    enum csn_halt halt;
    vote_again_on_a_backup(false, &halt);
    assert_int_equal(halt, CSN_HALT_AMNESIA);
}

/* Neither copy knows of it, but the others show it: the site votes no more. */
static void test_restored_disk_halts(void **state)
{
    (void)state;
    enum csn_halt halt;
    vote_again_on_a_backup(true, &halt);
    assert_int_equal(halt, CSN_HALT_AMNESIA);
}

/* Its clock was an hour ahead when it began last, and so was its boot counter; the store put back knows of neither, the second
 * copy does: what it reports is not taken for that of an earlier life. */
static void test_a_restored_site_is_heard_again(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    struct sim_actor *site = sim_site(world, 2), *coordinator = sim_coordinator(world, 1);
    struct csn_leader_status status;
    struct sim_disk backup;
    sim_disk_copy(&backup, &site->disk);
    sim_crash(world, site);
    sim_set_clock(world, site, 3600);
    sim_start(world, site);
    run_for(world, 10 * SIM_S);
    sim_crash(world, site);
    sim_set_clock(world, site, 0);
    restore(world, site, &backup, false);
    run_for(world, 10 * SIM_S); /* nobody counts it any more */
    sim_start(world, site);
    run_for(world, 10 * SIM_S);
    csn_leader_get_status(coordinator->leader, sim_now(world, coordinator), &status);
    assert_int_equal(status.reporting, 3);
    end_well(world);
}

static void wrap(struct sim_options *options)
{
    options->zone[0].has_live_serial = true;
    options->zone[0].live_serial = UINT32_C(0xfffffffd);
}
static void test_serial_wraps(void **state)
{
    (void)state;
    struct sim_world *world = make(wrap);
    for (uint32_t input = 1; input <= 6; input++) {
        give_input(world, input);
        wait_served(world, input);
    }
    assert_true(sim_checker_served(world->checker, sim_site(world, 1), 0)->serial < 10);
    end_well(world);
}

/* An author dies with the only copy of its share after COMPUTED: left out, the others sign its
 * part. */
static void test_author_dies_with_the_only_copy_of_its_bytes(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    give_input(world, 1);
    wait_work(world, 3, CSN_WORK_GATHERING);
    sim_crash(world, sim_site(world, 3));
    wait_certified(world, 1);
    end_well(world);
}

static void test_disk_as_slow_as_a_round(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    sim_site(world, 1)->disk_factor = 200;
    for (uint32_t input = 1; input <= 4; input++) {
        give_input(world, input);
        wait_certified(world, input);
    }
    end_well(world);
}

static void expire_soon(struct sim_options *options)
{
    options->zone[0].refresh_s = 400; /* a version expires 200 s after its T, the margin is 140 s */
}

/* R5 looks at C's T, not at the clock: what was certified and has expired since is better than
 * nothing for a site that has nothing. */
static void test_a_release_older_than_the_margin(void **state)
{
    (void)state;
    struct sim_world *world = make(expire_soon);
    sim_crash(world, sim_site(world, 3));
    give_input(world, 1);
    wait_certified(world, 1);
    sim_crash(world, sim_coordinator(world, 1));
    run_for(world, 300 * SIM_S);
    sim_start(world, sim_site(world, 3));
    wait_served(world, 1);
    assert_int_equal(sim_checker_certified(world->checker), 1);
    end_well(world);
}

static void test_a_rotten_version_is_fetched_again(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    sim_cut(world, sim_site(world, 1), sim_site(world, 3), 5 * SIM_S);
    give_input(world, 1);
    wait_voted(world, 2, 1);
    struct sim_disk *disk = &sim_site(world, 2)->disk;
    disk->versions[disk->version_count - 1].is_rotten = true;
    wait_served(world, 1);
    assert_int_not_equal(world->stats.adopt[CSN_ADOPT_RELEASING][CSN_ADOPT_WAITING], 0);
    end_well(world);
}

/* The source gives something to one site and takes it back; then it goes back to what it had, and
 * at last forward. What q sites never confirmed is not released, and nothing goes back. */
static void test_input_regresses_and_is_retracted(void **state)
{
    (void)state;
    struct sim_world *world = make(NULL);
    give_input(world, 5);
    wait_served(world, 5);
    give_input_at(world, 1, 6, 0);
    run_for(world, 20 * SIM_S);
    give_input(world, 3);
    run_for(world, 20 * SIM_S);
    assert_true(is_served_by_all(world, &(uint32_t){5}));
    assert_int_equal(sim_checker_certified(world->checker), 1);
    give_input(world, 7);
    wait_served(world, 7);
    assert_int_equal(sim_checker_certified(world->checker), 2);
    end_well(world);
}

/* signing.md 3: signatures are made anew although no input comes, one HSM dead or not. */
static void refresh_soon(struct sim_options *options)
{
    options->zone[0].refresh_interval_s = 5;
}
static void test_refresh_without_input(void **state)
{
    (void)state;
    struct sim_world *world = make_served(refresh_soon);
    sim_set_hsm(world, sim_site(world, 2), SIM_HSM_IS_DEAD);
    wait_certified(world, 6);
    end_well(world);
}

static bool has_share_at_hand(const struct sim_world *world, const void *what)
{
    (void)what;
    return zone_of(world, 1).work >= CSN_WORK_STAGING;
}

/* A leader says a serial far ahead to two sites; one votes for it and is alone, for the other has
 * forgotten it. Releases go on, whatever they make of its floor. */
static void lone_far_vote(uint32_t step)
{
    struct sim_world *world = make_served(NULL);
    struct sim_actor *coordinator = sim_coordinator(world, 1);
    struct csn_leader_zone_status zone;
    struct csn_leader_status leader;
    struct csn_buf octets = {0};
    give_input(world, 2);
    wait_work(world, 1, CSN_WORK_COMPUTING);
    csn_leader_get_zone(coordinator->leader, 0, &zone);
    csn_leader_get_status(coordinator->leader, sim_now(world, coordinator), &leader);
    struct csn_body_proposal body = {.term = leader.term, .seq = zone.proposal->round.seq + 1};
    body.proposal = *zone.proposal;
    body.proposal.round.seq++;
    body.proposal.serial += step;
    body.proposal.author_count = 1;
    csn_body_proposal_encode(&body, &octets);
    sim_say(world, coordinator, 3, CSN_STATEMENT_PROPOSAL, csn_buf_view(&octets));
    csn_buf_fini(&octets);
    sim_crash(world, coordinator);
    sim_crash(world, sim_site(world, 3));
    wait_for(world, has_share_at_hand, NULL);
    sim_crash(world, sim_site(world, 2));
    wait_voted(world, 1, 2);
    assert_int_equal(zone_of(world, 1).row.floor.serial, 2 + step);
    run_for(world, 70 * SIM_S); /* too old to be proposed again */
    for (uint16_t site = 2; site <= 3; site++) {
        sim_start(world, sim_site(world, site));
    }
    sim_start(world, coordinator);
    give_input(world, 3);
    wait_served(world, 3);
    give_input(world, 4);
    wait_served(world, 4);
    end_well(world);
}

static void test_a_lone_vote_for_a_far_serial(void **state)
{
    (void)state;
    lone_far_vote(CSN_SERIAL_FAR - 10);
    lone_far_vote(CSN_SERIAL_FAR / 2);
    lone_far_vote(1000);
}

static void order(struct sim_world *world, enum csn_order_kind kind, uint16_t about, uint64_t number)
{
    struct csn_order order = {.environment = world->cluster.environment,
                              .kind = kind,
                              .site = about,
                              .number = number,
                              .reason = "a scenario"};
    static const uint8_t signature[CSN_SIGNATURE_SIZE];
    struct csn_buf octets = {0};
    memcpy(order.cluster, world->cluster.id, sizeof(order.cluster));
    memcpy(order.zone, world->options.zone[0].zone, sizeof(order.zone));
    csn_order_encode(&order, &octets);
    struct csn_event event = {.kind = CSN_EVENT_STATEMENT};
    event.statement.kind = CSN_STATEMENT_ORDER;
    event.statement.signer = 1;
    event.statement.body = csn_buf_view(&octets);
    event.statement.signature = signature;
    for (uint16_t site = 1; site <= 3; site++) {
        sim_step(world, sim_site(world, site), &event);
    }
    csn_buf_fini(&octets);
}

/* Nothing is voted for while it stands, restarts or not; the leader neither fails nor resigns for
 * it, and the newest input is released when it ends. */
static void test_a_long_hold_by_an_operator(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    order(world, CSN_ORDER_HOLD, 0, 1);
    for (uint32_t input = 2; input <= 10; input++) {
        give_input(world, input);
        run_for(world, 100 * SIM_S);
    }
    sim_crash(world, sim_site(world, 2));
    sim_start(world, sim_site(world, 2));
    run_for(world, 100 * SIM_S);
    assert_int_equal(sim_checker_certified(world->checker), 1);
    order(world, CSN_ORDER_RESUME, 0, 2);
    wait_served(world, 10);
    assert_int_equal(sim_checker_certified(world->checker), 2);
    end_well(world);
}

/* What the site says of who notifies. */
struct named_lead {
    uint16_t at, lead;
};
static bool is_lead(const struct sim_world *world, const void *what)
{
    const struct named_lead *named = what;
    for (unsigned i = 0; i < SIM_ACTORS_MAX; i++) {
        const struct sim_actor *actor = &world->actors[i];
        if (actor->node != NULL && actor->number == named->at) {
            return csn_node_zone_lead(actor->node, 0) == named->lead;
        }
    }
    return false;
}

static void wait_lead(struct sim_world *world, uint16_t at, uint16_t lead)
{
    wait_for(world, is_lead, &(struct named_lead){at, lead});
}

/* Its site is lost: another notifies. Back again, it leads only if it was ordered to. */
static void test_the_lead_follows_fitness_and_orders(void **state)
{
    (void)state;
    struct sim_world *world = make_served(NULL);
    wait_lead(world, 3, 1);
    sim_crash(world, sim_site(world, 1));
    wait_lead(world, 3, 2);
    sim_start(world, sim_site(world, 1));
    run_for(world, 60 * SIM_S);
    wait_lead(world, 1, 2);
    order(world, CSN_ORDER_AUTHORITY, 3, 1);
    wait_lead(world, 1, 3);
    sim_crash(world, sim_site(world, 3));
    wait_lead(world, 2, 1);
    give_input(world, 2);
    wait_certified(world, 2);
    sim_start(world, sim_site(world, 3));
    wait_served(world, 2);
    wait_lead(world, 2, 3);
    order(world, CSN_ORDER_AUTHORITY, 0, 2);
    sim_crash(world, sim_coordinator(world, 1)); /* the last named remains */
    run_for(world, 60 * SIM_S);
    wait_lead(world, 1, 3);
    end_well(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_calm_cluster_releases_each_input),
        cmocka_unit_test(test_one_lone_old_vote),
        cmocka_unit_test(test_many_lone_votes),
        cmocka_unit_test(test_signing_longer_than_the_deadline),
        cmocka_unit_test(test_coordinator_dies_between_the_votes_and_the_release),
        cmocka_unit_test(test_late_joiner_catches_up),
        cmocka_unit_test(test_late_joiner_that_heard_no_request),
        cmocka_unit_test(test_no_serial_without_work),
        cmocka_unit_test(test_diverged_site_serves_the_certified_version_and_rejoins),
        cmocka_unit_test(test_all_sites_diverged_rejoin),
        cmocka_unit_test(test_hsm_dead_at_one_site),
        cmocka_unit_test(test_hsm_signs_wrongly_at_one_site),
        cmocka_unit_test(test_input_conflict_at_one_site),
        cmocka_unit_test(test_input_missing_at_one_site_is_fetched),
        cmocka_unit_test(test_documents_at_one_site_only),
        cmocka_unit_test(test_clock_off_at_one_site),
        cmocka_unit_test(test_clocks_of_a_quorum_that_leap_together),
        cmocka_unit_test(test_quorum_lost_and_back),
        cmocka_unit_test(test_leader_cut_off_from_its_promisers),
        cmocka_unit_test(test_leader_missed_the_newest_certificate),
        cmocka_unit_test(test_restored_backup_keeps_its_floor),
        cmocka_unit_test(test_restored_disk_halts),
        cmocka_unit_test(test_a_restored_site_is_heard_again),
        cmocka_unit_test(test_serial_wraps),
        cmocka_unit_test(test_author_dies_with_the_only_copy_of_its_bytes),
        cmocka_unit_test(test_disk_as_slow_as_a_round),
        cmocka_unit_test(test_a_release_older_than_the_margin),
        cmocka_unit_test(test_a_rotten_version_is_fetched_again),
        cmocka_unit_test(test_input_regresses_and_is_retracted),
        cmocka_unit_test(test_refresh_without_input),
        cmocka_unit_test(test_a_lone_vote_for_a_far_serial),
        cmocka_unit_test(test_a_long_hold_by_an_operator),
        cmocka_unit_test(test_the_lead_follows_fitness_and_orders),
    };
    return cmocka_run_group_tests_name("scenarios", tests, NULL, NULL);
}
