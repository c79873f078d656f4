#include "sim/run.h"

#include <string.h>

#include "sim/checker.h"
#include "sim/emergency.h"
#include "sim/episodes.h"
#include "sim/epochs.h"
#include "sim/liars.h"
#include "sim/secondaries.h"
#include "sim/serials.h"
#include "sim/workload.h"

void sim_begin(struct sim_world *world)
{
    world->is_faulty = true;
    for (unsigned i = 0; i < world->actor_count; i++) {
        sim_start(world, &world->actors[i]);
    }
    sim_workload_begin(world);
    sim_episodes_begin(world);
    sim_changes_begin(world);
    sim_emergency_begin(world);
    sim_serials_begin(world);
    sim_back_up_begin(world);
    sim_secondaries_begin(world->secondaries);
}

void sim_mend(struct sim_world *world)
{
    sim_log(world, NULL, "faults stop");
    world->is_faulty = false;
    world->is_last_input = true;
    sim_heal(world);
    world->muffle.is_set = false;
    for (unsigned i = 0; i < world->actor_count && !world->has_failed; i++) {
        struct sim_actor *actor = &world->actors[i];
        actor->diverged = 0;
        actor->disk_factor = 1;
        actor->is_disk_full = false;
        actor->wall_frozen_us = 0;
        sim_set_rate(world, actor, 0);
        sim_set_clock(world, actor, 0);
        if (actor->is_node) {
            sim_set_hsm(world, actor, SIM_HSM_GOOD);
        }
        sim_start(world, actor);
        for (unsigned zone = 0; zone < world->options.zones; zone++) {
            sim_approve(world, actor, zone);
        }
    }
    sim_orders_end(world);
}

/* --- I7 */

struct goal {
    bool has_certified;
    uint8_t round[SIM_ROUND_SIZE]; /* the highest certified before */
};

/* Of the last input, and made since. */
static bool is_fresh(const struct sim_world *world, const struct goal *goals, unsigned zone, const struct sim_served *served)
{
    return served != NULL && served->is_set && served->input_generation == world->inputs[zone].generation &&
           served->input_serial == world->inputs[zone].serial &&
           (!goals[zone].has_certified || memcmp(served->round, goals[zone].round, SIM_ROUND_SIZE) > 0);
}

/* All members answer with it, and the secondaries have it. */
static bool is_reached(const struct sim_world *world, const struct goal *goals)
{
    bool is = sim_is_chain_whole(world);
    for (unsigned zone = 0; zone < world->options.zones && is; zone++) {
        for (unsigned i = 0; i < world->options.sites && is; i++) {
            const struct sim_actor *actor = &world->actors[i];
            is = !sim_is_newest_member(world, actor) || sim_is_liar(world, actor) ||
                 (is_fresh(world, goals, zone, sim_checker_served(world->checker, actor, zone)) &&
                  is_fresh(world, goals, zone, sim_secondaries_ask(world->secondaries, actor, zone)));
        }
        for (unsigned i = 0; i < SIM_SECONDARIES && is; i++) {
            is = is_fresh(world, goals, zone, sim_secondaries_have(world->secondaries, i, zone));
        }
    }
    return is;
}

static void log_row(struct sim_world *world, const struct sim_actor *actor, unsigned index)
{
    struct csn_node_zone_status zone = {0};
    csn_node_get_zone(actor->node, index, sim_now(world, actor), &zone);
    const struct csn_row *row = &zone.row;
    sim_log(world, actor,
            "z%u: work %s, adopt %s, refusal %u; floor %llu.%u serial %u input %u.%u T %llu policy %u "
            "key set %u; newest %llu.%u;"
            " released %llu.%u; hsm %u diverged %u, %u inputs from %u.%u, %u holds; clock %llu",
            index, csn_work_text(zone.work), csn_adopt_text(zone.adopt),
            zone.refusal.is_set ? zone.refusal.test : 0,
            (unsigned long long)row->floor.round.term.counter, row->floor.round.seq,
            row->floor.serial, row->floor.input.generation, row->floor.input.serial,
            (unsigned long long)row->floor.time_s,
            row->floor.policy.number, row->floor.keyset.number,
            (unsigned long long)row->newest.round.term.counter, row->newest.round.seq,
            (unsigned long long)row->released.round.term.counter, row->released.round.seq, row->hsm,
            row->diverged, row->input_count, row->input_count > 0 ? row->inputs[0].generation : 0,
            row->input_count > 0 ? row->inputs[0].serial : 0,
            row->hold_count, (unsigned long long)sim_now(world, actor).wall_s);
}

static void log_leader(struct sim_world *world, const struct sim_actor *actor, unsigned index)
{
    struct csn_leader_status status;
    struct csn_leader_zone_status zone;
    csn_leader_get_status(actor->leader, sim_now(world, actor), &status);
    csn_leader_get_zone(actor->leader, index, &zone);
    sim_log(world, actor, "z%u: %s term %llu, %u reporting, newest %llu.%u, last end %s", index,
            csn_leader_text(status.state), (unsigned long long)status.term.counter,
            status.reporting, (unsigned long long)zone.newest.term.counter, zone.newest.seq,
            zone.has_ended ? csn_round_end_text(zone.last_end) : "none");
}

static void report_stuck(struct sim_world *world)
{
    unsigned halted = 0;
    for (unsigned i = 0; i < world->actor_count; i++) {
        const struct sim_actor *actor = &world->actors[i];
        struct csn_node_status status = {0};
        if (!actor->is_up) {
            sim_log(world, actor, "is down");
            continue;
        }
        for (unsigned zone = 0; zone < world->options.zones && actor->is_node; zone++) {
            log_row(world, actor, zone);
        }
        for (unsigned zone = 0; zone < world->options.zones && !actor->is_node; zone++) {
            log_leader(world, actor, zone);
        }
        if (actor->is_node) {
            csn_node_get_status(actor->node, sim_now(world, actor), &status);
            halted += status.halt != CSN_HALT_NONE;
        }
    }
    sim_fail(world, "I7: no fresh serial at all sites and secondaries within %llu s; %u sites are halted",
             (unsigned long long)(world->options.settle_us / SIM_S), halted);
}

bool sim_settle(struct sim_world *world)
{
    struct goal goals[SIM_ZONES_MAX] = {{0}};
    uint64_t began_us = world->now_us, until_us = world->now_us + world->options.settle_us;
    for (unsigned zone = 0; zone < world->options.zones; zone++) {
        struct sim_served newest;
        goals[zone].has_certified = sim_checker_newest(world->checker, zone, &newest);
        if (goals[zone].has_certified) {
            memcpy(goals[zone].round, newest.round, SIM_ROUND_SIZE);
        }
        sim_issue_next(world, zone);
    }
    while (!is_reached(world, goals) && world->now_us < until_us && !world->has_failed) {
        sim_run_until(world, world->now_us + SIM_S / 10);
    }
    if (!world->has_failed && !is_reached(world, goals)) {
        report_stuck(world);
    }
    world->stats.settle_us_max = world->now_us - began_us;
    return !world->has_failed;
}

bool sim_run(struct sim_world *world)
{
    sim_begin(world);
    sim_run_until(world, world->options.duration_us);
    if (!world->has_failed) {
        sim_mend(world);
    }
    bool is_good = !world->has_failed && sim_settle(world);
    world->stats.virtual_us = world->now_us;
    return is_good;
}
