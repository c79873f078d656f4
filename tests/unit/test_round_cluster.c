/* Goal: three nodes and a leader release, and go on releasing after each fault of the rules' list.
 * Method: the world of round_world.h; every scenario states what was certified, by whom it is
 * served, and what was said on the way. */
#include "round_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The third never up. */
static struct world *make_released_by_two(void)
{
    struct world *world = world_new();
    world_start_site(world, 0);
    world_start_site(world, 1);
    world_start_leader(world);
    struct csn_input_id id = world_input(1, 'a');
    world_give_input(world, 0, &id);
    world_give_input(world, 1, &id);
    assert_true(world_run_until(world, 1, 20000));
    return world;
}

static void assert_serving_same(const struct world *world, unsigned a, unsigned b)
{
    const struct csn_release *of_a = &world->sites[a].serving, *of_b = &world->sites[b].serving;
    assert_int_equal(csn_round_compare(of_a->round, of_b->round), 0);
    assert_true(csn_digest_equal(&of_a->full_root, &of_b->full_root));
}

static void test_three_sites_release(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    assert_int_equal(world->certified_count, 1);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        assert_memory_equal(&world->sites[i].serving.full_root, &world->certified[0].full_root,
                            CSN_DIGEST_SIZE);
        assert_int_equal(world->sites[i].serve_count, 1);
    }
    assert_int_equal(world->proposal.author_count, 3);
    assert_true(world->now_ms < 105000); /* election, and well under a second of work */
    world_free(world);
}

static void test_no_work_due_means_no_new_serial(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    world_run(world, 3000 * 1000);
    assert_int_equal(world->proposals, 1);
    assert_true(world_run_until(world, 2, 1000 * 1000)); /* the refresh interval is an hour */
    assert_int_equal(world->proposals, 2);
    world_free(world);
}

static void test_new_input_is_released_when_a_quorum_confirms_it(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    struct csn_input_id id = world_input(2, 'a');
    world_give_input(world, 0, &id);
    world_run(world, 10000);
    assert_int_equal(world->certified_count, 1);
    world_give_input(world, 1, &id); /* the third fetches it from a peer */
    assert_true(world_run_until(world, 2, 10000));
    assert_int_equal(world->proposal.input.serial, 2);
    assert_true(csn_serial_is_after(world->certified_serials[1], world->certified_serials[0]));
    world_free(world);
}

static void test_two_of_three_release(void **state)
{
    (void)state;
    struct world *world = make_released_by_two();
    assert_int_equal(world->proposal.author_count, 2);
    world_free(world);
}

static void test_one_of_three_waits(void **state)
{
    (void)state;
    struct world *world = world_new();
    world_start_site(world, 0);
    world_start_leader(world);
    struct csn_input_id id = world_input(1, 'a');
    world_give_input(world, 0, &id);
    world_run(world, 60000);
    assert_int_equal(world->certified_count, 0);
    world_start_site(world, 1);
    world_give_input(world, 1, &id);
    assert_true(world_run_until(world, 1, 20000));
    world_free(world);
}

static void test_late_joiner_adopts_by_certificate(void **state)
{
    (void)state;
    struct world *world = make_released_by_two();
    world_start_site(world, 2);
    assert_true(world_run_until(world, 1, 10000));
    assert_serving_same(world, 2, 0);
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 10000));
    assert_int_equal(world->proposal.author_count, 3);
    world_free(world);
}

static void test_diverged_site_serves_the_certified_version(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct csn_node_zone_status status;
    world->sites[2].flavour = 'K'; /* .de 2026: another key under the same tag */
    world_start_all(world);
    world_give_all(world, 1);
    assert_true(world_run_until(world, 1, 30000));
    world_node_zone(world, 2, &status);
    assert_int_equal(status.row.diverged, CSN_CLASS_BIT_K);
    assert_serving_same(world, 2, 0);
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 10000));
    assert_int_equal(world->proposal.author_count, 2); /* it authors nothing */
    assert_int_equal(world->proposal.authors[1], 2);
    assert_int_equal(world->proposals, 3); /* first with it, then without */

    /* Still diverged after a restart; until its own content agrees in a later round. */
    world_stop_site(world, 2);
    world_start_site(world, 2);
    world_run(world, 3000);
    world_node_zone(world, 2, &status);
    assert_int_equal(status.row.diverged, CSN_CLASS_BIT_K);
    world->sites[2].flavour = 0;
    world_give_all(world, 3);
    assert_true(world_run_until(world, 3, 10000));
    world_run(world, 3000);
    world_node_zone(world, 2, &status);
    assert_int_equal(status.row.diverged, 0);
    world_give_all(world, 4);
    assert_true(world_run_until(world, 4, 10000));
    assert_int_equal(world->proposal.author_count, 3);
    world_free(world);
}

static void test_site_with_a_changed_record_is_diverged_in_d(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    struct csn_node_zone_status status;
    struct csn_input_id good = world_input(2, 'a'), bad = world_input(2, 'b');
    world_give_input(world, 0, &good);
    world_give_input(world, 1, &good);
    world_give_input(world, 2, &bad);
    assert_true(world_run_until(world, 2, 20000));
    world_run(world, 2000);
    world_node_zone(world, 2, &status);
    assert_int_equal(status.row.diverged, CSN_CLASS_BIT_D);
    assert_int_equal(world->sites[2].serving_serial, world->sites[0].serving_serial);
    /* A refresh of the certified input is not blocked by the conflict, and does not end the
     * divergence. */
    world_stop_site(world, 1);
    assert_true(world_run_until(world, 3, 4000 * 1000));
    world_node_zone(world, 2, &status);
    assert_int_equal(status.row.diverged, CSN_CLASS_BIT_D);
    world_start_site(world, 1);
    world_give_all(world, 3);
    assert_true(world_run_until(world, 4, 20000));
    world_run(world, 2000);
    world_node_zone(world, 2, &status);
    assert_int_equal(status.row.diverged, 0);
    world_free(world);
}

/* A refresh would change nothing at a site whose own file is another: it asks for none before the signatures do. One that
 * computed another chain may have mended it, and does. */
static void test_a_site_beside_its_own_other_file_asks_for_no_early_refresh(void **state)
{
    (void)state;
    static const char flavours[] = {0, 'N'};
    for (size_t i = 0; i < sizeof(flavours); i++) {
        struct world *world = world_new_released();
        struct csn_node_zone_status status;
        struct csn_input_id good = world_input(2, 'a'), bad = world_input(2, 'b');
        world->zone.refresh_s += 6 * 86400; /* signatures last so much longer than the sites' policy asks for */
        world->sites[2].flavour = flavours[i];
        world_give_input(world, 0, &good);
        world_give_input(world, 1, &good);
        world_give_input(world, 2, flavours[i] == 0 ? &bad : &good);
        assert_true(world_run_until(world, 2, 20000));
        world_run(world, 2000);
        world_node_zone(world, 2, &status);
        assert_int_equal(status.row.diverged, flavours[i] == 0 ? CSN_CLASS_BIT_D : CSN_CLASS_BIT_N);
        uint64_t time_s = status.released->held.proposal.time_s;
        assert_int_equal(status.row.due_s, time_s + (flavours[i] == 0 ? 6 * 86400 : 3600));
        world_free(world);
    }
}

static void test_contents_that_all_differ_are_not_repeated(void **state)
{
    (void)state;
    struct world *world = world_new();
    world->sites[1].flavour = 'N';
    world->sites[2].flavour = 'R';
    world_start_all(world);
    world_give_all(world, 1);
    world_run(world, 600 * 1000);
    assert_int_equal(world->certified_count, 0);
    assert_in_range(world->proposals, 4, 14); /* 1, 2, 4 .. 600 s apart */
    world->sites[1].flavour = 0;
    world_give_all(world, 2); /* something new: at once */
    assert_true(world_run_until(world, 1, 70000));
    world_free(world);
}

static void test_restart_with_a_hold_sends_it_again(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    world->is_deaf_to[CSN_STATEMENT_HELD] = true;
    world_give_all(world, 2);
    world_run(world, 3000);
    assert_int_equal(world->certified_count, 1);
    world_stop_leader(world);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world_stop_site(world, i);
    }
    unsigned accepted = world->traces[CSN_TRACE_ACCEPTED];
    world->is_deaf_to[CSN_STATEMENT_HELD] = false;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world_start_site(world, i); /* without a leader: the nodes assemble the certificate */
    }
    assert_true(world_run_until(world, 2, 5000));
    assert_int_equal(world->traces[CSN_TRACE_ACCEPTED], accepted);
    world_free(world);
}

static void test_new_leader_proposes_a_lone_hold_again(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    struct csn_node_zone_status status;
    world->is_deaf_to[CSN_STATEMENT_HELD] = true;
    world->sites[1].is_stage_failing = world->sites[2].is_stage_failing = true;
    world_give_all(world, 2);
    world_run(world, 900); /* site 1 holds alone */
    world_stop_leader(world);
    world_node_zone(world, 0, &status);
    assert_int_equal(status.row.hold_count, 1);
    struct csn_release hold = status.row.holds[0].version;
    world->is_deaf_to[CSN_STATEMENT_HELD] = false;
    world->sites[1].is_stage_failing = world->sites[2].is_stage_failing = false;
    world_run(world, 10000);
    world_start_leader(world);
    assert_true(world_run_until(world, 2, 20000));
    assert_true(world->traces[CSN_TRACE_REPROPOSED] >= 1);
    assert_memory_equal(&world->certified[1].full_root, &hold.full_root, CSN_DIGEST_SIZE);
    world_free(world);
}

/* A round that only site 1 ever voted for; the site then goes away, with its vote. */
static void make_lone_vote(struct world *world, uint32_t input)
{
    struct csn_node_zone_status status;
    world->is_deaf_to[CSN_STATEMENT_HELD] = true;
    world->sites[1].is_stage_failing = world->sites[2].is_stage_failing = true;
    world_give_all(world, input);
    world_run(world, 900);
    world_node_zone(world, 0, &status);
    assert_true(status.row.hold_count > 0);
    world_stop_site(world, 0);
    world->is_deaf_to[CSN_STATEMENT_HELD] = false;
    world->sites[1].is_stage_failing = world->sites[2].is_stage_failing = false;
}

static void test_lone_vote_of_an_absent_site_does_not_wedge(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    make_lone_vote(world, 2);
    assert_true(world_run_until(world, 2, 60000)); /* the two others go on */
    world_start_site(world, 0);
    world_give_all(world, 3);
    assert_true(world_run_until(world, 3, 60000));
    assert_int_equal(world->sites[0].serving_serial, world->certified_serials[2]);
    world_free(world);
}

static void test_many_lone_votes_do_not_wedge(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    /* Every vote is lost, and every leader forgets: all sites gather holds. */
    world->is_deaf_to[CSN_STATEMENT_HELD] = true;
    for (uint32_t i = 0; i < 10; i++) {
        world_give_all(world, 2 + i);
        world_stop_leader(world);
        world_start_leader(world);
        world_run(world, 20 * 1000);
    }
    struct csn_node_zone_status status;
    world_node_zone(world, 0, &status);
    assert_int_equal(status.row.hold_count, CSN_ROW_HOLDS_MAX);
    assert_true(world->traces[CSN_TRACE_HOLDS_MANY] > 0);
    world->is_deaf_to[CSN_STATEMENT_HELD] = false;
    assert_true(world_run_until(world, 2, 300 * 1000));
    world_give_all(world, 20);
    assert_true(world_run_until(world, world->certified_count + 1, 300 * 1000));
    world_node_zone(world, 0, &status);
    assert_int_equal(status.row.hold_count, 0);
    world_free(world);
}

static void test_new_leader_learns_the_parent_from_refusals(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    world_stop_leader(world);
    world_start_leader(world);
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 20000));
    assert_memory_equal(&world->proposal.parent.full_root, &world->certified[0].full_root,
                        CSN_DIGEST_SIZE);
    world_free(world);
}

static void test_author_that_fails_to_sign_is_left_out(void **state)
{
    (void)state;
    struct world *world = world_new();
    world->sites[1].is_sign_failing = true;
    world_start_all(world);
    world_give_all(world, 1);
    assert_true(world_run_until(world, 1, 20000));
    assert_int_equal(world->proposals, 2);
    assert_int_equal(world->proposal.author_count, 2);
    assert_int_equal(world->proposal.authors[0], 1);
    assert_int_equal(world->proposal.authors[1], 3);
    world_free(world);
}

static void test_author_that_never_answers_is_left_out(void **state)
{
    (void)state;
    struct world *world = world_new();
    world->sites[1].is_sign_silent = true;
    world_start_all(world);
    world_give_all(world, 1);
    assert_true(world_run_until(world, 1, 200 * 1000)); /* one deadline */
    assert_int_equal(world->proposals, 2);
    assert_int_equal(world->proposal.author_count, 2);
    world_free(world);
}

static void test_author_that_dies_is_left_out_without_a_deadline(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    world->sites[1].is_sign_silent = true;
    world_give_all(world, 2);
    world_run(world, 500);
    world_stop_site(world, 1);
    assert_true(world_run_until(world, 2, 15000));
    assert_int_equal(world->proposal.author_count, 2);
    world_free(world);
}

static void test_site_with_a_bad_hsm_verifies_and_votes(void **state)
{
    (void)state;
    struct world *world = world_new();
    world->sites[1].hsm = CSN_HSM_BAD;
    world_start_all(world);
    world_give_all(world, 1);
    world_run(world, 5000);
    assert_int_equal(world->proposal.author_count, 2);
    world_stop_site(world, 2); /* now its vote is needed */
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 20000));
    assert_int_equal(world->proposal.author_count, 1);
    world_free(world);
}

static void test_site_that_was_cut_off_catches_up(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    world->sites[2].is_cut_off = true;
    for (uint32_t i = 0; i < 5; i++) {
        world_give_all(world, 2 + i);
        assert_true(world_run_until(world, 2 + i, 30000));
    }
    world->sites[2].is_cut_off = false;
    assert_true(world_run_until(world, 6, 20000));
    assert_int_equal(world->sites[2].serving_serial, world->certified_serials[5]);
    world_free(world);
}

static void
test_leader_with_a_wrong_clock_does_no_harm_and_a_node_with_one_is_outvoted(void **state)
{
    (void)state;
    struct world *world = world_new();
    world->sites[2].clock_ahead_s = 86400;
    world_start_all(world);
    world_give_all(world, 1);
    assert_true(world_run_until(world, 1, 60000));
    assert_true(world->proposal.time_s < WORLD_START_S + 3600);
    world_free(world);
}

static void test_documents_at_one_site_only_do_not_wedge(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    struct csn_round_zone zone = world->zone;
    zone.policy.number = 2;
    memset(&zone.policy.digest, 0x24, sizeof(zone.policy.digest));
    world_set_documents(world, 0, &zone);
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 20000));
    assert_int_equal(world->proposal.policy.number, 1);
    world_set_documents(world, 1, &zone); /* two: newer documents are work that is due */
    world_set_documents(world, 2, &zone);
    assert_true(world_run_until(world, 3, 20000));
    assert_int_equal(world->proposal.policy.number, 2);
    world_free(world);
}

static struct world_map copy_map(const struct world_map *from)
{
    struct world_map map = {.items = csn_calloc(from->count, sizeof(struct world_blob)),
                            .count = from->count};
    for (size_t i = 0; i < from->count; i++) {
        csn_buf_put_bytes(&map.items[i].key, csn_buf_view(&from->items[i].key));
        csn_buf_put_bytes(&map.items[i].value, csn_buf_view(&from->items[i].value));
    }
    return map;
}

static void free_map(struct world_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        csn_buf_fini(&map->items[i].key);
        csn_buf_fini(&map->items[i].value);
    }
    free(map->items);
}

static void expect_halt(struct world *world, const struct world_map *records,
                        const struct world_map *seconds, enum csn_halt halt)
{
    struct csn_node_status status;
    struct world_disk *disk = &world->sites[0].disk;
    free_map(&disk->records);
    free_map(&disk->seconds);
    disk->records = copy_map(records);
    disk->seconds = copy_map(seconds);
    world_start_site(world, 0);
    csn_node_get_status(world->sites[0].node, world_now(world, 0), &status);
    assert_int_equal(status.halt, halt);
}

/* A store from a backup, with its second copy missing, old or current. */
static void test_restored_store_halts(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    const struct world_map none = {0};
    world_stop_site(world, 0);
    struct world_map old = copy_map(&world->sites[0].disk.records);
    struct world_map old_seconds = copy_map(&world->sites[0].disk.seconds);
    world_start_site(world, 0);
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 20000));
    world_stop_site(world, 0);
    struct world_map current = copy_map(&world->sites[0].disk.records);
    struct world_map seconds = copy_map(&world->sites[0].disk.seconds);

    expect_halt(world, &current, &none, CSN_HALT_AMNESIA);
    world_stop_site(world, 0);
    expect_halt(world, &current, &old_seconds, CSN_HALT_AMNESIA);
    world_stop_site(world, 0);
    expect_halt(world, &old, &none, CSN_HALT_AMNESIA);
    assert_true(world_run_until(world, 2, 20000)); /* no vote any more, but it adopts */
    world_stop_site(world, 0);
    expect_halt(world, &old, &seconds, CSN_HALT_AMNESIA);
    struct csn_node_zone_status zone;
    world_node_zone(world, 0, &zone);
    assert_false(zone.is_serving); /* never older than it answered before */
    assert_true(world_run_until(world, 2, 20000));
    world_node_zone(world, 0, &zone);
    assert_true(zone.is_serving);
    world_give_all(world, 3);
    assert_true(world_run_until(world, 3, 20000));
    free_map(&old);
    free_map(&old_seconds);
    free_map(&current);
    free_map(&seconds);
    world_free(world);
}

static void test_damaged_record_halts_and_goes_on_serving(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    struct csn_node_status status;
    struct world_map *records = &world->sites[0].disk.records;
    world_stop_site(world, 0);
    size_t damaged = 0;
    for (size_t i = 0; i < records->count; i++) {
        if (records->items[i].key.data[1] == 'F') {
            records->items[i].value.data[20] ^= 1;
            damaged++;
        }
    }
    assert_int_equal(damaged, 1);
    unsigned sent = world->sent[CSN_STATEMENT_HELD];
    world_start_site(world, 0);
    csn_node_get_status(world->sites[0].node, world_now(world, 0), &status);
    assert_int_equal(status.halt, CSN_HALT_DAMAGED);
    assert_int_equal(world->sites[0].serving_serial, world->certified_serials[0]);
    assert_int_equal(world->sent[CSN_STATEMENT_HELD], sent);
    world_free(world);
}

static void test_release_is_kept_and_older_versions_go(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    for (uint32_t i = 0; i < 12; i++) {
        world_give_all(world, 2 + i);
        assert_true(world_run_until(world, 2 + i, 20000));
    }
    world_run(world, 3000);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        assert_int_equal(world->sites[i].disk.versions.count, CSN_VERSIONS_KEPT);
    }
    world_free(world);
}

/* Serials alone were raised: the data, stored once, outlive the names they came under. */
static void test_data_under_many_serials_are_deleted_with_the_last(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    struct csn_input_id first = world_input(1, 'a');
    for (uint32_t serial = 2; serial <= 12; serial++) {
        struct csn_input_id id = first;
        id.serial = serial;
        for (unsigned i = 0; i < WORLD_SITES; i++) {
            world_give_input(world, i, &id);
        }
        assert_true(world_run_until(world, serial, 30000));
    }
    assert_int_equal(world->deleted_inputs, 0);
    for (uint32_t serial = 13; serial <= 40 && world->deleted_inputs == 0; serial++) {
        world_give_all(world, serial);
        assert_true(world_run_until(world, serial, 30000));
    }
    assert_int_equal(world->deleted_inputs, WORLD_SITES);
    world_free(world);
}

static void test_refresh_goes_on_with_a_site_away(void **state)
{
    (void)state;
    struct world *world = world_new();
    world_start_site(world, 0);
    world_start_site(world, 1);
    world_start_leader(world);
    struct csn_input_id id = world_input(1, 'a');
    world_give_input(world, 0, &id);
    world_give_input(world, 1, &id);
    assert_true(world_run_until(world, 8, 8 * 3700ULL * 1000));
    assert_int_equal(world->proposals, 8);
    world_free(world);
}

/* What keeps a site from voting is known at the others, until it votes again. */
static void test_a_refusal_is_heard_until_the_site_votes(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    struct csn_round_zone newer = world->zone;
    newer.policy.number = 2;
    memset(&newer.policy.digest, 0x24, sizeof(newer.policy.digest));
    world_set_documents(world, 0, &newer);
    world_set_documents(world, 1, &newer);
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 20000));
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        const struct csn_refusal *refusal = csn_node_get_refusal(world->sites[i].node, 0, 3);
        assert_non_null(refusal);
        assert_int_equal(refusal->test, CSN_TEST_POLICY_HERE);
        assert_null(csn_node_get_refusal(world->sites[i].node, 0, 1));
    }
    world_set_documents(world, 2, &newer);
    world_give_all(world, 3);
    assert_true(world_run_until(world, 3, 20000));
    world_run(world, 3000);
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        assert_null(csn_node_get_refusal(world->sites[i].node, 0, 3));
    }
    world_free(world);
}

/* A clock beyond all sense must not use up the boot counter, by which reports are ordered. */
static void test_boot_does_not_follow_a_clock_gone_mad(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct csn_node_status status;
    world->sites[0].clock_ahead_s = INT64_C(200) * 365 * 86400;
    for (unsigned i = 0; i < 3; i++) {
        world_start_all(world);
        world_run(world, 3000);
        csn_node_get_status(world->sites[0].node, world_now(world, 0), &status);
        assert_in_range(status.boot, 1 + i, 10);
        assert_int_equal(status.halt, CSN_HALT_NONE);
        for (unsigned k = 0; k < WORLD_SITES; k++) {
            world_stop_site(world, k);
        }
        world_stop_leader(world);
    }
    world_free(world);
}

/* Versions without votes: the store of the votes is gone, whatever the second copy says. */
static void test_lost_votes_beside_versions_halt(void **state)
{
    (void)state;
    struct world *world = world_new_released();
    struct csn_node_status status;
    world_stop_site(world, 0);
    free_map(&world->sites[0].disk.records);
    free_map(&world->sites[0].disk.seconds);
    world->sites[0].disk.records = world->sites[0].disk.seconds = (struct world_map){0};
    world_start_site(world, 0); /* at once, before any other site shows its vote */
    csn_node_get_status(world->sites[0].node, world_now(world, 0), &status);
    assert_int_equal(status.halt, CSN_HALT_AMNESIA);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_sites_release),
        cmocka_unit_test(test_no_work_due_means_no_new_serial),
        cmocka_unit_test(test_new_input_is_released_when_a_quorum_confirms_it),
        cmocka_unit_test(test_two_of_three_release),
        cmocka_unit_test(test_one_of_three_waits),
        cmocka_unit_test(test_late_joiner_adopts_by_certificate),
        cmocka_unit_test(test_diverged_site_serves_the_certified_version),
        cmocka_unit_test(test_site_with_a_changed_record_is_diverged_in_d),
        cmocka_unit_test(test_a_site_beside_its_own_other_file_asks_for_no_early_refresh),
        cmocka_unit_test(test_contents_that_all_differ_are_not_repeated),
        cmocka_unit_test(test_restart_with_a_hold_sends_it_again),
        cmocka_unit_test(test_new_leader_proposes_a_lone_hold_again),
        cmocka_unit_test(test_lone_vote_of_an_absent_site_does_not_wedge),
        cmocka_unit_test(test_many_lone_votes_do_not_wedge),
        cmocka_unit_test(test_new_leader_learns_the_parent_from_refusals),
        cmocka_unit_test(test_author_that_fails_to_sign_is_left_out),
        cmocka_unit_test(test_author_that_never_answers_is_left_out),
        cmocka_unit_test(test_author_that_dies_is_left_out_without_a_deadline),
        cmocka_unit_test(test_site_with_a_bad_hsm_verifies_and_votes),
        cmocka_unit_test(test_site_that_was_cut_off_catches_up),
        cmocka_unit_test(
            test_leader_with_a_wrong_clock_does_no_harm_and_a_node_with_one_is_outvoted),
        cmocka_unit_test(test_documents_at_one_site_only_do_not_wedge),
        cmocka_unit_test(test_restored_store_halts),
        cmocka_unit_test(test_damaged_record_halts_and_goes_on_serving),
        cmocka_unit_test(test_release_is_kept_and_older_versions_go),
        cmocka_unit_test(test_data_under_many_serials_are_deleted_with_the_last),
        cmocka_unit_test(test_a_refusal_is_heard_until_the_site_votes),
        cmocka_unit_test(test_boot_does_not_follow_a_clock_gone_mad),
        cmocka_unit_test(test_lost_votes_beside_versions_halt),
        cmocka_unit_test(test_refresh_goes_on_with_a_site_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
