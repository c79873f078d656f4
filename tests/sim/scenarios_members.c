/* Goal: whatever happens while members change, exactly one epoch follows, nobody votes in one that it sealed, no floor is
 * lost, and a fresh serial is certified and served by all members at the end. Method: as in scenarios.c, with documents that
 * officers issue; cuts, crashes, lost disks and backups fall on each moment of a change. */
#include "sim/scenario.h"

#include "sim/epochs.h"

#define CUT_US (1000 * SIM_S)

/* Sites 1 to 3 are members, 4 has no place yet. */
static void one_spare(struct sim_options *options)
{
    options->sites = 4;
    options->spare = 1;
    options->coordinators = 3;
    options->settle_us = 400 * SIM_S;
}

static void four_members(struct sim_options *options)
{
    options->sites = 5;
    options->spare = 1;
    options->quorum = 3;
    options->coordinators = 3;
    options->settle_us = 400 * SIM_S;
}

static bool is_served_by_members(const struct sim_world *world, const void *what)
{
    const uint32_t *input = what;
    for (unsigned i = 0; i < world->options.sites; i++) {
        const struct sim_served *served = sim_checker_served(world->checker, &world->actors[i], 0);
        if (sim_is_newest_member(world, &world->actors[i]) && (!served->is_set || served->input_serial != *input)) {
            return false;
        }
    }
    return true;
}
static void wait_members_serve(struct sim_world *world, uint32_t input)
{
    wait_for(world, is_served_by_members, &input);
}

static struct sim_world *make_members(void (*change)(struct sim_options *options))
{
    struct sim_world *world = make(change);
    give_input(world, 1);
    wait_members_serve(world, 1);
    return world;
}

static bool is_whole(const struct sim_world *world, const void *what)
{
    return world->epoch_count == *(const uint32_t *)what && sim_is_chain_whole(world);
}
/* This epoch is in force at all its members. */
static void wait_epoch(struct sim_world *world, uint32_t epoch)
{
    wait_for(world, is_whole, &epoch);
}

static bool has_begun(const struct sim_world *world, uint32_t epoch)
{
    return world->epoch_count >= epoch && world->epochs[epoch - 1].has_link;
}
static bool has_begun_for(const struct sim_world *world, const void *what)
{
    return has_begun(world, *(const uint32_t *)what);
}
static void wait_begun(struct sim_world *world, uint32_t epoch)
{
    wait_for(world, has_begun_for, &epoch);
}

struct times {
    enum csn_trace_kind what;
    uint64_t count;
};
static bool has_traces(const struct sim_world *world, const void *what)
{
    const struct times *times = what;
    return world->stats.traces[times->what] >= times->count;
}
static void wait_traces(struct sim_world *world, enum csn_trace_kind what, uint64_t count)
{
    wait_for(world, has_traces, &(struct times){what, count});
}

/* An input is certified while this site is down: with the votes of all that are needed then. */
static void certify_without(struct sim_world *world, uint16_t site, uint32_t input)
{
    size_t certified = sim_checker_certified(world->checker);
    sim_crash(world, sim_site(world, site));
    give_input(world, input);
    wait_certified(world, certified + 1);
    sim_start(world, sim_site(world, site));
    wait_members_serve(world, input);
}

/* These actors (bits of indices) and the others hear nothing of each other. */
static void split(struct sim_world *world, uint32_t side)
{
    for (unsigned i = 0; i < world->actor_count; i++) {
        for (unsigned k = 0; k < world->actor_count; k++) {
            if (((side >> i ^ side >> k) & 1) != 0) {
                sim_cut(world, &world->actors[i], &world->actors[k], CUT_US);
            }
        }
    }
}

static void muffle(struct sim_world *world, enum csn_statement_kind kind)
{
    world->muffle = (struct sim_muffle){.is_set = true, .kind = kind, .from = UINT32_MAX, .to = UINT32_MAX};
}

static void assert_sound(const struct sim_world *world)
{
    if (world->has_failed) {
        print_message("%s\n", world->failure);
        fail();
    }
}

/* --- partitions */

/* Where a change stands when the links are cut. */
static const struct times moments[] = {
    {CSN_TRACE_SEALED, 0}, {CSN_TRACE_SEALED, 1}, {CSN_TRACE_SEALED, 2},
    {CSN_TRACE_SEALED, 3}, {CSN_TRACE_ENTERED, 1}, {CSN_TRACE_ENTERED, 2},
};
#define MOMENTS (sizeof(moments) / sizeof(moments[0]))

/* The change is proposed, the links are cut when it stands there, both halves go on as they can, the links heal: one epoch
 * has followed, and it goes on in it. */
static void change_in_two_halves(void (*options)(struct sim_options *), enum sim_change change, uint16_t site,
                                 const struct times *moment, uint32_t side)
{
    struct sim_world *world = make_members(options);
    give_input(world, 2);
    assert_true(sim_change_members(world, change, site));
    wait_traces(world, moment->what, moment->count);
    split(world, side);
    give_input(world, 3);
    run_for(world, 40 * SIM_S);
    sim_heal(world);
    wait_epoch(world, 2);
    give_input(world, 4);
    wait_members_serve(world, 4);
    end_well(world);
}

/* One of three members is cut off, with each of the leaders on each side: the index of a site, and of coordinators. */
static void test_members_change_while_one_is_cut_off(void **state)
{
    static const enum sim_change changes[] = {SIM_CHANGE_NOBODY, SIM_CHANGE_MACHINE, SIM_CHANGE_SPARE, SIM_CHANGE_MORE};
    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        for (size_t moment = 0; moment < MOMENTS; moment++) {
            bool is_two = changes[i] == SIM_CHANGE_MACHINE; /* the third has no votes yet, nor a seal */
            if (is_two && moments[moment].what == CSN_TRACE_SEALED && moments[moment].count > 2) {
                continue;
            }
            for (unsigned cut = 0; cut < 4; cut++) {
                uint32_t leaders = cut % 2 == 0 ? UINT32_C(0x10) : UINT32_C(0x60);
                change_in_two_halves(one_spare, changes[i], 3, &moments[moment], UINT32_C(1) << cut | leaders);
            }
        }
    }
}

/* Two and two of four members: neither half is a quorum of the epoch; the next one may need no more than two of those that
 * stay. */
static void test_members_change_in_two_halves(void **state)
{
    static const enum sim_change changes[] = {SIM_CHANGE_FEWER, SIM_CHANGE_NOBODY, SIM_CHANGE_MORE};
    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        for (size_t moment = 0; moment < MOMENTS; moment++) {
            change_in_two_halves(four_members, changes[i], 4, &moments[moment], 0x03 | 0x20);
            change_in_two_halves(four_members, changes[i], 4, &moments[moment], 0x09 | 0x60);
        }
    }
}

/* Only the smaller half is handed the document: nothing seals before the others have heard of it. */
static void test_a_document_at_one_half_only(void **state)
{
    (void)state;
    struct sim_world *world = make_members(one_spare);
    split(world, 0x01 | 0x10);
    assert_true(sim_change_members_at(world, SIM_CHANGE_NOBODY, 0, 0x01));
    give_input(world, 2);
    wait_certified(world, 2);
    run_for(world, 30 * SIM_S);
    assert_int_equal(world->stats.traces[CSN_TRACE_SEALED], 0);
    give_input(world, 3);
    wait_certified(world, 3);
    sim_heal(world);
    wait_epoch(world, 2);
    end_well(world);
}

/* Two documents for one epoch, against the officers' rules: what a quorum has begins; the site that had the other follows. */
static void test_two_documents_for_one_epoch(void **state)
{
    (void)state;
    struct sim_world *world = make_members(one_spare);
    struct csn_cluster rival = world->epochs[0].document;
    rival.epoch = 2;
    rival.previous = world->epochs[0].document.digest;
    rival.digest = sim_symbol("rival", 0, 0, 0);
    struct csn_event event = {.kind = CSN_EVENT_NEXT, .next = &rival};
    sim_step(world, sim_site(world, 1), &event);
    run_for(world, 10 * SIM_S);
    assert_int_equal(world->stats.traces[CSN_TRACE_SEALED], 0);
    assert_true(sim_change_members_at(world, SIM_CHANGE_NOBODY, 0, 0x06));
    wait_epoch(world, 2);
    give_input(world, 2);
    wait_members_serve(world, 2);
    end_well(world);
}

/* --- seals */

/* A round after the last, as a leader proposes it that knows of no seal: nothing else speaks against it. */
static void propose_more(struct sim_world *world, struct sim_actor *coordinator, const struct csn_body_proposal *last)
{
    struct csn_body_proposal body = *last;
    struct csn_buf octets = {0};
    body.seq += 1000;
    body.proposal.round.seq += 1000;
    body.proposal.parent = zone_of(world, 1).row.newest;
    body.proposal.serial = zone_of(world, 1).row.floor.serial + 1;
    body.proposal.author_count = 1;
    csn_body_proposal_encode(&body, &octets);
    sim_say(world, coordinator, 0x07, CSN_STATEMENT_PROPOSAL, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

static struct csn_body_proposal proposal_of(struct sim_world *world, const struct sim_actor *coordinator)
{
    struct csn_leader_zone_status zone;
    struct csn_leader_status leader;
    csn_leader_get_zone(coordinator->leader, 0, &zone);
    csn_leader_get_status(coordinator->leader, sim_now(world, coordinator), &leader);
    assert_non_null(zone.proposal);
    struct csn_body_proposal body = {.term = leader.term, .seq = zone.proposal->round.seq, .proposal = *zone.proposal};
    return body;
}

/* A round begins for input 2, and its leader dies: what it said last. */
static struct csn_body_proposal interrupt_round(struct sim_world *world, struct sim_actor *coordinator)
{
    give_input(world, 2);
    wait_work(world, 1, CSN_WORK_COMPUTING);
    struct csn_body_proposal last = proposal_of(world, coordinator);
    sim_crash(world, coordinator);
    return last;
}

static void slow_leader(struct sim_options *options)
{
    one_spare(options);
    options->coordinators = 1;
}

/* All have sealed, nobody can enter: what a leader proposes then is refused by all, whoever sends it. */
static void test_sealed_sites_vote_for_nothing(void **state)
{
    (void)state;
    struct sim_world *world = make_members(slow_leader);
    struct sim_actor *coordinator = sim_coordinator(world, 1);
    struct csn_body_proposal last = interrupt_round(world, coordinator);
    muffle(world, CSN_STATEMENT_SEAL);
    assert_true(sim_change_members(world, SIM_CHANGE_NOBODY, 0));
    wait_traces(world, CSN_TRACE_SEALED, 3);
    size_t certified = sim_checker_certified(world->checker);
    uint64_t refused = world->stats.refused[CSN_TEST_SEALED];
    propose_more(world, coordinator, &last);
    run_for(world, 10 * SIM_S);
    assert_sound(world);
    assert_int_equal(sim_checker_certified(world->checker), certified);
    assert_int_equal(world->stats.refused[CSN_TEST_SEALED], refused + 3);
    world->muffle.is_set = false;
    sim_start(world, coordinator);
    wait_epoch(world, 2);
    end_well(world);
}

/* --- disks, and who comes back */

/* What a machine is, apart from what it keeps. */
struct machine {
    struct sim_disk disk;
    uint32_t epoch, incarnation, next_known;
    bool has_link;
};

static struct machine take_out(const struct sim_actor *site)
{
    struct machine machine = {.epoch = site->epoch,
                              .incarnation = site->incarnation,
                              .next_known = site->next_known,
                              .has_link = site->has_link};
    sim_disk_copy(&machine.disk, &site->disk);
    return machine;
}

/* In the place of whatever stands there. */
static void put_in(struct sim_world *world, struct sim_actor *site, struct machine *take_machine)
{
    sim_crash(world, site);
    sim_disk_fini(&site->disk);
    site->disk = take_machine->disk;
    site->epoch = take_machine->epoch;
    site->incarnation = take_machine->incarnation;
    site->next_known = take_machine->next_known;
    site->has_link = take_machine->has_link;
    sim_checker_renewed(world->checker, site);
    sim_start(world, site);
}

/* The disk is lost while another site votes; a new machine with a new key takes the place. The old one, its disk found again,
 * is started beside it: it learns that its key has no place any more, and nothing counts its votes. */
static void test_a_lost_disk_is_replaced_while_another_votes(void **state)
{
    (void)state;
    struct sim_world *world = make_members(one_spare);
    struct sim_actor *site = sim_site(world, 3);
    give_input(world, 2);
    wait_work(world, 1, CSN_WORK_VOTING);
    struct machine old = take_out(site);
    assert_true(sim_change_members(world, SIM_CHANGE_MACHINE, 3));
    wait_epoch(world, 2);
    assert_int_equal(site->incarnation, 2);
    give_input(world, 3);
    wait_members_serve(world, 3);
    certify_without(world, 1, 4); /* the new key votes */
    struct machine now = take_out(site);
    put_in(world, site, &old);
    give_input(world, 5);
    wait_trace(world, CSN_TRACE_HALTED);
    run_for(world, 60 * SIM_S);
    assert_int_equal(status_of(world, 3).halt, CSN_HALT_REMOVED);
    assert_int_equal(sim_site(world, 3)->epoch, 1);
    put_in(world, site, &now);
    wait_members_serve(world, 5);
    end_well(world);
}

/* Both at once: a site and the one that leads. */
static void test_a_lost_disk_at_the_leaders_site(void **state)
{
    (void)state;
    for (uint16_t number = 1; number <= 3; number++) {
        struct sim_world *world = make_members(one_spare);
        uint16_t leader = wait_leader(world);
        give_input(world, 2);
        wait_work(world, number, CSN_WORK_GATHERING);
        sim_crash(world, sim_coordinator(world, leader));
        assert_true(sim_change_members(world, SIM_CHANGE_MACHINE, number));
        wait_epoch(world, 2);
        give_input(world, 3);
        wait_members_serve(world, 3);
        end_well(world);
    }
}

/* Down, or merely cut off. */
static void send_away(struct sim_world *world, struct sim_actor *site, bool is_down)
{
    if (is_down) {
        sim_crash(world, site);
    } else {
        split(world, UINT32_C(1) << site->index);
    }
}

static void bring_back(struct sim_world *world, struct sim_actor *site)
{
    sim_heal(world);
    sim_start(world, site);
}

/* Away while two epochs begin, down or merely cut off: it follows the chain and votes in the last. */
static void test_late_joiner_of_two_epochs(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sim_world *world = make_members(one_spare);
        struct sim_actor *site = sim_site(world, 3);
        send_away(world, site, i == 0);
        assert_true(sim_change_members_at(world, SIM_CHANGE_NOBODY, 0, ~UINT32_C(0x04)));
        wait_begun(world, 2);
        give_input(world, 2);
        wait_certified(world, 2);
        run_for(world, 5 * SIM_S); /* both that are there live in it */
        assert_true(sim_change_members_at(world, SIM_CHANGE_NOBODY, 0, ~UINT32_C(0x04)));
        wait_begun(world, 3);
        assert_int_equal(site->epoch, 1);
        bring_back(world, site);
        wait_epoch(world, 3);
        certify_without(world, 1, 3);
        end_well(world);
    }
}

/* Another has its place since; it hears of it when it is back, and votes no more. */
static void test_a_removed_site_comes_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sim_world *world = make_members(one_spare);
        struct sim_actor *site = sim_site(world, 3);
        send_away(world, site, i == 0);
        assert_true(sim_change_members(world, SIM_CHANGE_SPARE, 3));
        wait_epoch(world, 2);
        give_input(world, 2);
        wait_members_serve(world, 2);
        bring_back(world, site);
        give_input(world, 3);
        wait_members_serve(world, 3);
        run_for(world, 20 * SIM_S);
        assert_int_equal(status_of(world, 3).halt, CSN_HALT_REMOVED);
        assert_int_equal(site->epoch, 1);
        end_well(world);
    }
}

/* A store from before the seal is put back, the chain with it. With the second copy: sealed still, with the floors of then.
 * Without: it has forgotten a seal, and votes no more. Neither votes in the epoch again. */
static void test_a_backup_from_before_a_seal(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sim_world *world = make_members(slow_leader);
        struct sim_actor *coordinator = sim_coordinator(world, 1), *site = sim_site(world, 2);
        bool has_second = i == 0;
        struct machine backup = take_out(site);
        struct csn_body_proposal last = interrupt_round(world, coordinator);
        muffle(world, CSN_STATEMENT_ENTRY);
        assert_true(sim_change_members(world, SIM_CHANGE_NOBODY, 0));
        wait_traces(world, CSN_TRACE_ENTERED, 3);
        sim_crash(world, site);
        restore(world, site, &backup.disk, !has_second);
        size_t certified = sim_checker_certified(world->checker);
        sim_start(world, site);
        run_for(world, 3 * SIM_S);
        assert_true(status_of(world, 2).is_sealed || status_of(world, 2).halt == CSN_HALT_AMNESIA);
        assert_int_equal(status_of(world, 2).halt, has_second ? CSN_HALT_NONE : CSN_HALT_AMNESIA);
        propose_more(world, coordinator, &last);
        run_for(world, 10 * SIM_S);
        assert_sound(world);
        assert_int_equal(sim_checker_certified(world->checker), certified);
        world->muffle.is_set = false;
        sim_start(world, coordinator);
        wait_epoch(world, 2);
        give_input(world, 3);
        wait_members_serve(world, 3);
        end_well(world);
    }
}

/* The epoch has begun; a store from before is put back at a member: it follows the chain again, and its floors with it. */
static void test_a_backup_from_an_epoch_before(void **state)
{
    (void)state;
    struct sim_world *world = make_members(one_spare);
    struct sim_actor *site = sim_site(world, 2);
    struct machine backup = take_out(site);
    assert_true(sim_change_members(world, SIM_CHANGE_NOBODY, 0));
    wait_epoch(world, 2);
    sim_crash(world, site);
    struct sim_records seconds = backup.disk.seconds;
    backup.disk.seconds = site->disk.seconds;
    site->disk.seconds = seconds;
    put_in(world, site, &backup);
    wait_epoch(world, 2);
    certify_without(world, 3, 2);
    end_well(world);
}

/* --- coordinators */

/* Whatever the change stands at; members need no coordinator to change. */
static bool is_removed(const struct sim_world *world, const void *what)
{
    return status_of(world, *(const uint16_t *)what).halt == CSN_HALT_REMOVED;
}

/* Who knows that the epoch has begun is the one that it removed, and one whose store of before is put back alone. The others,
 * one of them sealed, are no quorum of the epoch that was: the last one seals for those whose seals it hears, and they go on. */
static void test_a_link_is_lost_with_those_who_made_it(void **state)
{
    (void)state;
    struct sim_world *world = make_members(four_members);
    uint16_t removed = 2;
    struct sim_actor *entered = sim_site(world, 1), *forgetful = sim_site(world, 3), *late = sim_site(world, 4);
    struct machine backup = take_out(forgetful);
    sim_crash(world, late);
    world->muffle = (struct sim_muffle){
        .is_set = true, .kind = CSN_STATEMENT_ENTRY, .from = UINT32_C(1) << forgetful->index, .to = UINT32_C(1) << entered->index};
    assert_true(sim_change_members(world, SIM_CHANGE_FEWER, removed));
    wait_traces(world, CSN_TRACE_ENTERED, 2);
    sim_crash(world, entered);
    wait_for(world, is_removed, &removed);
    sim_crash(world, forgetful);
    forgetful->epoch = backup.epoch;
    forgetful->has_link = backup.has_link;
    restore(world, forgetful, &backup.disk, true);
    world->muffle.is_set = false;
    sim_start(world, forgetful);
    sim_start(world, entered);
    run_for(world, 10 * SIM_S);
    assert_int_equal(status_of(world, 3).halt, CSN_HALT_AMNESIA);
    assert_int_equal(status_of(world, 1).state, CSN_NODE_SEALED);
    sim_start(world, late);
    wait_epoch(world, 2);
    give_input(world, 2);
    wait_members_serve(world, 2);
    end_well(world);
}

static void test_the_coordinator_dies_in_the_middle_of_a_change(void **state)
{
    (void)state;
    for (size_t moment = 0; moment < MOMENTS; moment++) {
        for (unsigned alone = 0; alone < 2; alone++) {
            struct sim_world *world = make_members(alone != 0 ? slow_leader : one_spare);
            uint16_t leader = wait_leader(world);
            give_input(world, 2);
            assert_true(sim_change_members(world, SIM_CHANGE_SPARE, 3));
            wait_traces(world, moments[moment].what, moments[moment].count);
            sim_crash(world, sim_coordinator(world, leader));
            wait_epoch(world, 2);
            if (alone != 0) {
                sim_start(world, sim_coordinator(world, leader));
            }
            give_input(world, 3);
            wait_members_serve(world, 3);
            end_well(world);
        }
    }
}

/* The old leader hears nobody but one site, and proposes on; another leads the others. */
static void test_two_leaders_propose_during_a_change(void **state)
{
    (void)state;
    for (size_t moment = 0; moment < MOMENTS; moment++) {
        struct sim_world *world = make_members(one_spare);
        uint16_t old = wait_leader(world), other;
        struct sim_actor *coordinator = sim_coordinator(world, old);
        unsigned most = 0;
        for (uint16_t site = 1; site <= 4; site++) {
            sim_cut(world, sim_site(world, site), coordinator, CUT_US);
            if (site != 1) {
                sim_cut(world, coordinator, sim_site(world, site), CUT_US);
            }
        }
        for (unsigned i = 0; i < 50 && most < 2; i++) {
            run_for(world, SIM_S / 5);
            unsigned now = leaders(world, &other);
            most = now > most ? now : most;
        }
        assert_int_equal(most, 2);
        give_input(world, 2);
        assert_true(sim_change_members(world, SIM_CHANGE_MORE, 0));
        wait_traces(world, moments[moment].what, moments[moment].count);
        give_input(world, 3);
        wait_epoch(world, 2);
        wait_members_serve(world, 3);
        sim_heal(world);
        end_well(world);
    }
}

/* --- floors */

static bool is_floor_everywhere(const struct sim_world *world, const void *what)
{
    bool is_everywhere = true;
    for (uint16_t site = 1; site <= 3; site++) {
        bool is_up = world->actors[site - 1].is_up;
        is_everywhere = is_everywhere && is_up && zone_of(world, site).row.floor.serial == *(const uint32_t *)what;
    }
    return is_everywhere;
}

/* One site has voted alone, for a serial far ahead, and nobody has heard of it but by its seal: no member of the next epoch
 * votes at or below it. */
static void test_floors_of_the_sealed_bind_the_next_epoch(void **state)
{
    (void)state;
    struct sim_world *world = make_members(slow_leader);
    struct sim_actor *coordinator = sim_coordinator(world, 1);
    struct csn_buf octets = {0};
    give_input(world, 2);
    wait_work(world, 1, CSN_WORK_COMPUTING);
    struct csn_body_proposal body = proposal_of(world, coordinator);
    body.seq++;
    body.proposal.round.seq++;
    body.proposal.serial += 1000;
    body.proposal.author_count = 1;
    csn_body_proposal_encode(&body, &octets);
    muffle(world, CSN_STATEMENT_HELD);
    sim_say(world, coordinator, 0x03, CSN_STATEMENT_PROPOSAL, csn_buf_view(&octets));
    csn_buf_fini(&octets);
    sim_crash(world, coordinator);
    wait_voted(world, 1, 2);
    uint32_t alone = zone_of(world, 1).row.floor.serial;
    assert_int_equal(alone, body.proposal.serial);
    assert_true(sim_change_members(world, SIM_CHANGE_MACHINE, 3));
    wait_epoch(world, 2);
    wait_for(world, is_floor_everywhere, &alone);
    world->muffle.is_set = false;
    sim_start(world, coordinator);
    give_input(world, 3);
    wait_members_serve(world, 3);
    assert_true(sim_checker_served(world->checker, sim_site(world, 3), 0)->serial > alone);
    end_well(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_change_while_one_is_cut_off),
        cmocka_unit_test(test_members_change_in_two_halves),
        cmocka_unit_test(test_a_document_at_one_half_only),
        cmocka_unit_test(test_two_documents_for_one_epoch),
        cmocka_unit_test(test_sealed_sites_vote_for_nothing),
        cmocka_unit_test(test_a_lost_disk_is_replaced_while_another_votes),
        cmocka_unit_test(test_a_lost_disk_at_the_leaders_site),
        cmocka_unit_test(test_late_joiner_of_two_epochs),
        cmocka_unit_test(test_a_removed_site_comes_back),
        cmocka_unit_test(test_a_backup_from_before_a_seal),
        cmocka_unit_test(test_a_backup_from_an_epoch_before),
        cmocka_unit_test(test_a_link_is_lost_with_those_who_made_it),
        cmocka_unit_test(test_the_coordinator_dies_in_the_middle_of_a_change),
        cmocka_unit_test(test_two_leaders_propose_during_a_change),
        cmocka_unit_test(test_floors_of_the_sealed_bind_the_next_epoch),
    };
    return cmocka_run_group_tests_name("scenarios of members", tests, NULL, NULL);
}
