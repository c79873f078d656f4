/* Goal: R8 at the nodes: members change with no vote on both sides of the change, whatever restarts in between;
 * who was not there raises its floors before it votes; what was sealed is never forgotten.
 * Method: three sites and a leader in one process; site 3 of epoch 1 is replaced by another machine in epoch 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "round_world.h"

#define ROUND_MS 10000
#define CHANGE_MS 20000

static void prepare_next(struct world *world)
{
    world->next = world->cluster;
    world->next.epoch = 2;
    world->next.previous = world->cluster.digest;
    memset(&world->next.digest, 0xd1, sizeof(world->next.digest));
}

static void begin(struct world *world)
{
    world_start_all(world);
    world_give_all(world, 1);
    assert_true(world_run_until(world, 1, ROUND_MS));
}

static struct world *make(void)
{
    struct world *world = world_new();
    prepare_next(world);
    begin(world);
    return world;
}

/* Site 3 is another machine in epoch 2. */
static struct world *make_replacing(void)
{
    struct world *world = make();
    world->next.members[2].incarnation = 2;
    world->next.members[2].key[0] = 1;
    return world;
}

static void give_next(struct world *world)
{
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        if (world->sites[i].node != NULL) {
            world_give_next(world, i);
        }
    }
}

static struct csn_node_status status_of(const struct world *world, unsigned site)
{
    struct csn_node_status status;
    csn_node_get_status(world->sites[site].node, world_now(world, site), &status);
    return status;
}

static struct csn_row row_of(const struct world *world, unsigned site)
{
    struct csn_node_zone_status status;
    world_node_zone(world, site, &status);
    return status.row;
}

static void new_leader(struct world *world)
{
    world_stop_leader(world);
    world->is_leader_next = true;
    world_start_leader(world);
}

/* A round of epoch 2 that all sites of it serve. */
static void expect_round(struct world *world, uint32_t serial)
{
    new_leader(world);
    world_give_all(world, serial);
    assert_true(world_run_until(world, world->certified_count + 1, 6 * ROUND_MS));
    assert_int_equal(world->proposal.epoch, 2);
    assert_true(csn_digest_equal(&world->proposal.epoch_digest, &world->next.digest));
}

static void test_site_is_replaced_and_the_new_one_serves(void **state)
{
    (void)state;
    struct world *world = make_replacing();
    give_next(world);
    world_run(world, CHANGE_MS);
    assert_true(world->has_link);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(status_of(world, i).epoch, 2);
        assert_int_equal(status_of(world, i).state, CSN_NODE_OK);
    }
    assert_int_equal(status_of(world, 2).halt, CSN_HALT_REMOVED);
    assert_int_equal(world->sites[2].serving_serial, world->certified_serials[0]);
    world_replace_site(world, 2);
    world_start_site(world, 2);
    world_run(world, CHANGE_MS);
    assert_int_equal(status_of(world, 2).state, CSN_NODE_STARTING);
    assert_true(status_of(world, 2).is_joining);
    world_give_link(world, 2);
    world_run(world, CHANGE_MS);
    assert_int_equal(status_of(world, 2).state, CSN_NODE_OK);
    assert_true(csn_round_compare(row_of(world, 2).floor.round, world->certified[0].round) >= 0);
    expect_round(world, 2);
    world_free(world);
}

/* Its live serial is of when the zone came: ahead of all by now, for the numbers went round since. */
static void join_with_a_live_serial(uint8_t faults)
{
    struct world *world = make_replacing();
    give_next(world);
    world_run(world, CHANGE_MS);
    world_stop_leader(world);
    world->next.faults = faults;
    world->zone.has_live_serial = true;
    world->zone.live_serial = world->certified_serials[0] + (UINT32_C(1) << 30);
    world_replace_site(world, 2);
    world_start_site(world, 2);
    world_give_link(world, 2);
    assert_int_equal(row_of(world, 2).floor.serial, world->zone.live_serial);
    while (status_of(world, 2).state != CSN_NODE_OK) {
        world_run(world, 1);
    }
    assert_true(csn_round_is_none(row_of(world, 2).newest.round)); /* no certificate, but floors */
    assert_int_equal(row_of(world, 2).floor.serial, world->certified_serials[0]);
    if (faults == 0) {
        expect_round(world, 2);
    }
    world_free(world);
}

static void test_who_joins_takes_the_serials_of_those_that_sealed(void **state)
{
    (void)state;
    join_with_a_live_serial(0);
    join_with_a_live_serial(2); /* as many as sealed, as after an emergency of few */
}

/* One that sealed had heard of no release; another had: the live serial of the first raises nobody. */
static void test_a_live_serial_that_was_sealed_raises_nobody(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct csn_input_id input = world_input(1, 'a');
    prepare_next(world);
    for (unsigned i = 1; i < WORLD_SITES; i++) {
        world_start_site(world, i);
        world_give_input(world, i, &input);
    }
    world_start_leader(world);
    assert_true(world_run_until(world, 1, ROUND_MS));
    world_stop_leader(world);
    world_stop_site(world, 2);
    world->zone.has_live_serial = true;
    world->zone.live_serial = world->certified_serials[0] + (UINT32_C(1) << 30);
    world->sites[0].is_cut_off = true;
    world_start_site(world, 0);
    give_next(world);
    while (!status_of(world, 0).is_sealed) {
        world->sites[0].is_cut_off = false;
        world_run(world, 1);
    }
    assert_true(csn_round_is_none(row_of(world, 0).newest.round));
    world_run(world, CHANGE_MS);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(status_of(world, i).epoch, 2);
        assert_int_equal(row_of(world, i).floor.serial, world->certified_serials[0]);
    }
    world_free(world);
}

/* Nobody seals before a quorum of those that stay has the document. */
static void test_document_at_one_site_changes_nothing(void **state)
{
    (void)state;
    struct world *world = make_replacing();
    world_give_next(world, 0);
    world_give_next(world, 2);
    world_run(world, CHANGE_MS);
    assert_int_equal(world->sent[CSN_STATEMENT_SEAL], 0);
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 6 * ROUND_MS));
    world_give_next(world, 1);
    world_run(world, CHANGE_MS);
    assert_true(world->has_link);
    world_free(world);
}

/* One has sealed; the others, who do not hear that they know the document too, are a quorum still. */
static void test_seals_of_as_few_as_leave_a_quorum_are_not_followed(void **state)
{
    (void)state;
    struct world *world = make();
    world_give_next(world, 0);
    world_run(world, CHANGE_MS);
    world_give_next(world, 2);
    while (!status_of(world, 2).is_sealed) {
        world_run(world, 1);
    }
    assert_false(status_of(world, 0).is_sealed);
    world->is_deaf_to[CSN_STATEMENT_REPORT] = true;
    world_run(world, CHANGE_MS);
    assert_int_equal(status_of(world, 0).state, CSN_NODE_OK);
    assert_false(world->has_link);
    world->is_deaf_to[CSN_STATEMENT_REPORT] = false;
    world_run(world, CHANGE_MS);
    assert_true(world->has_link);
    world_free(world);
}

static void test_sealed_sites_do_not_vote(void **state)
{
    (void)state;
    struct world *world = make_replacing();
    world->is_deaf_to[CSN_STATEMENT_ENTRY] = true;
    give_next(world);
    world_run(world, CHANGE_MS);
    unsigned held = world->sent[CSN_STATEMENT_HELD];
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        assert_int_equal(status_of(world, i).state, CSN_NODE_SEALED);
        assert_true(status_of(world, i).is_sealed);
    }
    world_give_all(world, 2);
    world_run(world, CHANGE_MS);
    assert_int_equal(world->sent[CSN_STATEMENT_HELD], held);
    world->is_deaf_to[CSN_STATEMENT_ENTRY] = false;
    world_run(world, CHANGE_MS);
    assert_true(world->has_link);
    world_free(world);
}

/* Of three that sealed one is enough to be lost. */
static void test_change_goes_on_without_a_site(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < WORLD_SITES; lost++) {
        struct world *world = make();
        give_next(world);
        world_stop_site(world, lost);
        world_run(world, CHANGE_MS);
        assert_true(world->has_link);
        world->sites[lost].is_next = world->sites[lost].has_link = true;
        world_start_site(world, lost);
        world_run(world, CHANGE_MS);
        assert_int_equal(status_of(world, lost).state, CSN_NODE_OK);
        expect_round(world, 2);
        world_free(world);
    }
}

/* A site that begins again at any moment of the change. */
static void test_change_survives_a_restart_at_every_point(void **state)
{
    (void)state;
    for (unsigned at_ms = 0; at_ms < 2400; at_ms += 7) {
        struct world *world = make_replacing();
        unsigned site = at_ms % 2;
        give_next(world);
        world_run(world, at_ms);
        world_stop_site(world, site);
        world_run(world, 15);
        world_start_site(world, site);
        world_run(world, CHANGE_MS);
        assert_true(world->has_link);
        if (status_of(world, site).epoch == 1) { /* the others began without it */
            world_give_link(world, site);
            world_run(world, CHANGE_MS);
        }
        assert_int_equal(status_of(world, 0).epoch, 2);
        assert_int_equal(status_of(world, 1).epoch, 2);
        assert_int_equal(status_of(world, site).halt, CSN_HALT_NONE);
        world_stop_site(world, 2);
        if (at_ms % 70 == 0) {
            expect_round(world, 2);
        }
        world_free(world);
    }
}

/* ADR 0019: a store from before the seal. Without the copy in the second place it would vote in epoch 1. */
static void test_store_put_back_is_sealed_still(void **state)
{
    (void)state;
    struct world *world = make_replacing();
    struct world_map backup = {0};
    world_copy_records(&world->sites[1].disk, &backup);
    world->is_deaf_to[CSN_STATEMENT_ENTRY] = true;
    give_next(world);
    world_run(world, CHANGE_MS);
    assert_true(status_of(world, 1).is_sealed);
    world_stop_site(world, 1);
    world_put_back(world, 1, &backup);
    world_start_site(world, 1);
    world_run(world, CHANGE_MS);
    assert_int_equal(status_of(world, 1).state, CSN_NODE_SEALED);
    assert_int_equal(status_of(world, 1).halt, CSN_HALT_NONE);
    world->is_deaf_to[CSN_STATEMENT_ENTRY] = false;
    world_run(world, CHANGE_MS);
    assert_true(world->has_link);
    assert_int_equal(status_of(world, 1).state, CSN_NODE_OK);
    world_free(world);
}

static void test_own_seal_that_nobody_remembers_halts(void **state)
{
    (void)state;
    struct world *world = make_replacing();
    struct csn_body_seal seal = {.environment = 1,
                                 .epoch = csn_epoch_version(&world->cluster),
                                 .next = csn_epoch_version(&world->next)};
    struct csn_buf body = {0};
    memcpy(seal.cluster, world->cluster.id, sizeof(seal.cluster));
    csn_body_seal_encode(&seal, &body);
    world_inject(world, 1, CSN_STATEMENT_SEAL, 1, csn_buf_view(&body));
    assert_int_equal(status_of(world, 1).halt, CSN_HALT_NONE);
    world_inject(world, 1, CSN_STATEMENT_SEAL, 2, csn_buf_view(&body));
    assert_int_equal(status_of(world, 1).halt, CSN_HALT_AMNESIA);
    csn_buf_fini(&body);
    world_free(world);
}

/* The two that change everything go on; the third hears of it long after. */
static void test_late_site_raises_its_floors_first(void **state)
{
    (void)state;
    struct world *world = make();
    world->sites[2].is_cut_off = true;
    give_next(world);
    world_run(world, CHANGE_MS);
    assert_true(world->has_link);
    expect_round(world, 2);
    assert_int_equal(status_of(world, 2).epoch, 1);
    world_give_link(world, 2);
    world_run(world, CHANGE_MS);
    assert_int_equal(status_of(world, 2).epoch, 2);
    assert_int_equal(status_of(world, 2).state, CSN_NODE_STARTING); /* nobody gives it their floors */
    world->sites[2].is_cut_off = false;
    world_run(world, CHANGE_MS);
    assert_int_equal(status_of(world, 2).state, CSN_NODE_OK);
    expect_round(world, 3);
    assert_true(csn_round_compare(row_of(world, 2).floor.round, row_of(world, 0).floor.round) == 0);
    world_free(world);
}

/* A lone vote that no certificate tells of binds those that enter, and whoever joins after. */
static void test_floors_are_raised_to_a_lone_vote(void **state)
{
    (void)state;
    struct world *world = make();
    world->sites[0].is_stage_failing = world->sites[1].is_stage_failing = true;
    world_give_all(world, 2);
    world_run(world, CHANGE_MS);
    world_stop_leader(world);
    struct csn_floor lone = row_of(world, 2).floor;
    assert_true(csn_round_compare(lone.round, row_of(world, 0).floor.round) > 0);
    assert_int_equal(world->certified_count, 1);
    world_stop_site(world, 1);
    give_next(world);
    world_run(world, CHANGE_MS);
    assert_int_equal(status_of(world, 0).epoch, 2);
    world->sites[1].is_next = world->sites[1].has_link = true;
    world_start_site(world, 1);
    world_run(world, CHANGE_MS);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        struct csn_floor floor = row_of(world, i).floor;
        assert_int_equal(status_of(world, i).state, CSN_NODE_OK);
        assert_int_equal(csn_round_compare(floor.round, lone.round), 0);
        assert_int_equal(floor.serial, lone.serial);
        assert_int_equal(floor.time_s, lone.time_s);
        assert_true(csn_input_equal(&floor.input, &lone.input));
    }
    world_free(world);
}

/* One seal for each number: what was sealed for stays. */
static void test_other_document_for_the_same_number_is_dropped(void **state)
{
    (void)state;
    struct world *world = make();
    world->is_deaf_to[CSN_STATEMENT_ENTRY] = true;
    give_next(world);
    world_run(world, CHANGE_MS);
    struct csn_version_id was = status_of(world, 0).next;
    world->next.digest.octets[0] ^= 1;
    world_give_next(world, 0);
    assert_true(csn_version_equal(&was, &(struct csn_version_id){status_of(world, 0).next.number,
                                                                 status_of(world, 0).next.digest}));
    world_free(world);
}

/* In an emergency that is over nothing would be signed: nobody seals for it, unless somebody did. */
static void test_emergency_that_is_over_is_not_sealed_for(void **state)
{
    (void)state;
    struct world *world = make();
    world->next.is_emergency = true;
    world->next.emergency = (struct csn_emergency){
        .issued_s = WORLD_START_S - 3600, .not_after_s = WORLD_START_S, .serial_offset = CSN_EMERGENCY_SERIAL_STEP};
    give_next(world);
    world_run(world, CHANGE_MS);
    assert_int_equal(world->sent[CSN_STATEMENT_SEAL], 0);
    world_stop_site(world, 0);
    world->sites[0].clock_ahead_s = -24 * 3600;
    world_start_site(world, 0);
    world_give_next(world, 0);
    world_run(world, CHANGE_MS);
    assert_true(world->has_link);
    world_free(world);
}

/* --- zones that are not the same everywhere */

static void give_other(struct world *world, unsigned site, bool has_other)
{
    world->sites[site].has_other = has_other;
    if (world->sites[site].node != NULL) {
        world_stop_site(world, site);
    }
    world_start_site(world, site);
}

static void expect_odd(const struct world *world, unsigned site, uint16_t odd, bool is_sealed, bool is_there)
{
    struct csn_odd_zone is = status_of(world, site).odd;
    assert_int_equal(is.site, odd);
    assert_int_equal(is.is_sealed, is_sealed);
    assert_int_equal(is.is_there, is_there);
    assert_int_equal(is.zone != NULL, odd != 0 && (is_sealed || !is_there));
    if (is.zone != NULL) {
        assert_true(csn_name_equal(is.zone, world->other.zone));
    }
}

/* One that has a zone less counts for nobody, nor seals; once it has it, all goes on. */
static void test_a_site_with_other_zones_is_not_counted(void **state)
{
    (void)state;
    struct world *world = make();
    give_other(world, 1, true);
    world_stop_site(world, 2);
    world_run(world, CHANGE_MS);
    give_next(world);
    world_run(world, CHANGE_MS);
    assert_int_equal(world->sent[CSN_STATEMENT_SEAL], 0);
    expect_odd(world, 0, 2, false, true);
    expect_odd(world, 1, 1, false, false);
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 6 * ROUND_MS)); /* releases go on meanwhile */
    give_other(world, 0, true);
    world_run(world, CHANGE_MS);
    assert_true(world->has_link);
    expect_odd(world, 0, 0, false, false);
    world_free(world);
}

/* Whoever is without it when the epoch begins joins when it has it. */
static void test_a_late_site_joins_with_the_zones_that_were_sealed(void **state)
{
    (void)state;
    struct world *world = make();
    give_other(world, 1, true);
    give_other(world, 2, true);
    world_run(world, CHANGE_MS);
    give_next(world);
    world_run(world, CHANGE_MS);
    assert_true(world->has_link);
    world_give_link(world, 0);
    world_run(world, CHANGE_MS);
    assert_int_equal(status_of(world, 0).epoch, 2);
    assert_true(status_of(world, 0).is_joining);
    expect_odd(world, 0, status_of(world, 0).odd.site, true, true);
    assert_true(status_of(world, 0).odd.site >= 2);
    give_other(world, 0, true);
    world_run(world, CHANGE_MS);
    assert_int_equal(status_of(world, 0).state, CSN_NODE_OK);
    world_free(world);
}

/* R8: the sealers may have voted in a zone that was not in their lists when they sealed: their floors lack it. */
static void test_floors_that_lack_a_zone_do_not_count(void **state)
{
    (void)state;
    struct world *world = make();
    world->is_deaf_to[CSN_STATEMENT_SEAL] = true;
    give_next(world);
    world_run(world, CHANGE_MS);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        assert_int_equal(status_of(world, i).state, CSN_NODE_SEALED);
        give_other(world, i, true);
    }
    world->is_deaf_to[CSN_STATEMENT_SEAL] = false;
    world_run(world, CHANGE_MS);
    assert_int_equal(world->sent[CSN_STATEMENT_ENTRY], 0);
    expect_odd(world, 0, status_of(world, 0).odd.site, true, false);
    for (unsigned i = 0; i < 2; i++) { /* the third cannot use their floors, and is not needed */
        give_other(world, i, false);
    }
    world_run(world, CHANGE_MS);
    assert_true(world->has_link);
    world_free(world);
}

/* All three are needed, and two have sealed. What the third seals counts nowhere while it has another zone in the place of one of
 * theirs, and it could never seal again: it waits for its operator though no quorum of the epoch is left. */
static void test_a_site_with_another_zone_does_not_seal_after_the_others(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct csn_round_zone third = world->other, other = world->other;
    assert_int_equal(csn_name_parse("third.", third.zone), CSN_OK);
    world->cluster.quorum = 3;
    prepare_next(world);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world->sites[i].has_other = true;
    }
    begin(world);
    world_give_next(world, 0);
    world_give_next(world, 1);
    world_run(world, CHANGE_MS);
    world_give_next(world, 2);
    while (!status_of(world, 2).is_sealed) {
        world_run(world, 1);
    }
    assert_false(status_of(world, 0).is_sealed);
    world_stop_site(world, 0);
    world_run(world, CHANGE_MS);
    world->other = third;
    world_start_site(world, 0);
    world_run(world, CHANGE_MS);
    assert_int_equal(status_of(world, 0).state, CSN_NODE_OK);
    world_stop_site(world, 0);
    world->other = other;
    world_start_site(world, 0);
    world_run(world, CHANGE_MS);
    assert_true(world->has_link);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_site_is_replaced_and_the_new_one_serves),
        cmocka_unit_test(test_who_joins_takes_the_serials_of_those_that_sealed),
        cmocka_unit_test(test_a_live_serial_that_was_sealed_raises_nobody),
        cmocka_unit_test(test_document_at_one_site_changes_nothing),
        cmocka_unit_test(test_seals_of_as_few_as_leave_a_quorum_are_not_followed),
        cmocka_unit_test(test_sealed_sites_do_not_vote),
        cmocka_unit_test(test_change_goes_on_without_a_site),
        cmocka_unit_test(test_change_survives_a_restart_at_every_point),
        cmocka_unit_test(test_store_put_back_is_sealed_still),
        cmocka_unit_test(test_own_seal_that_nobody_remembers_halts),
        cmocka_unit_test(test_late_site_raises_its_floors_first),
        cmocka_unit_test(test_floors_are_raised_to_a_lone_vote),
        cmocka_unit_test(test_other_document_for_the_same_number_is_dropped),
        cmocka_unit_test(test_emergency_that_is_over_is_not_sealed_for),
        cmocka_unit_test(test_a_site_with_other_zones_is_not_counted),
        cmocka_unit_test(test_a_late_site_joins_with_the_zones_that_were_sealed),
        cmocka_unit_test(test_floors_that_lack_a_zone_do_not_count),
        cmocka_unit_test(test_a_site_with_another_zone_does_not_seal_after_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
