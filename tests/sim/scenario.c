#include "sim/scenario.h"

#include <stdlib.h>

#include "sim/plan.h"
#include "sim/run.h"

struct sim_world *make(void (*change)(struct sim_options *options))
{
    struct sim_options options;
    sim_plan_calm(42, &options);
    options.settle_us = 200 * SIM_S;
    if (change != NULL) {
        change(&options);
    }
    FILE *trace = getenv("SIM_TRACE") != NULL ? stdout : NULL;
    struct sim_world *world = sim_world_new(&options, trace);
    sim_begin(world);
    world->is_faulty = false;
    return world;
}

struct sim_world *make_served(void (*change)(struct sim_options *options))
{
    struct sim_world *world = make(change);
    give_input(world, 1);
    wait_served(world, 1);
    return world;
}

/* --- what a scenario waits for */

bool comes_within(struct sim_world *world, uint64_t within_us, condition_fn *condition,
                  const void *what)
{
    uint64_t until_us = world->now_us + within_us;
    while (!condition(world, what) && world->now_us < until_us && sim_run_one(world)) {
    }
    return !world->has_failed && condition(world, what);
}

void wait_for(struct sim_world *world, condition_fn *condition, const void *what)
{
    if (!comes_within(world, LONG_US, condition, what)) {
        print_message("%s\n",
                      world->has_failed ? world->failure : "what was waited for never came");
        fail();
    }
}

static bool is_certified(const struct sim_world *world, const void *what)
{
    return sim_checker_certified(world->checker) >= *(const size_t *)what;
}
void wait_certified(struct sim_world *world, size_t count)
{
    wait_for(world, is_certified, &count);
}

bool is_served_by_all(const struct sim_world *world, const void *what)
{
    const uint32_t *input = what;
    for (unsigned i = 0; i < world->options.sites; i++) {
        const struct sim_served *served = sim_checker_served(world->checker, &world->actors[i], 0);
        if (!served->is_set || served->input_serial != *input) {
            return false;
        }
    }
    return true;
}
void wait_served(struct sim_world *world, uint32_t input)
{
    wait_for(world, is_served_by_all, &input);
}

struct at_work {
    uint16_t site;
    enum csn_work_state state;
};
static bool is_at_work(const struct sim_world *world, const void *what)
{
    const struct at_work *at_work = what;
    struct csn_node_zone_status status;
    const struct sim_actor *actor = &world->actors[at_work->site - 1];
    csn_node_get_zone(actor->node, 0, sim_now(world, actor), &status);
    return status.work == at_work->state;
}
void wait_work(struct sim_world *world, uint16_t site, enum csn_work_state state)
{
    wait_for(world, is_at_work, &(struct at_work){site, state});
}

struct vote_for {
    uint16_t site;
    uint32_t input;
};
static bool has_voted(const struct sim_world *world, const void *what)
{
    const struct vote_for *vote = what;
    struct csn_node_zone_status status;
    const struct sim_actor *actor = &world->actors[vote->site - 1];
    csn_node_get_zone(actor->node, 0, sim_now(world, actor), &status);
    return status.work == CSN_WORK_HELD && status.row.floor.input.serial == vote->input;
}
void wait_voted(struct sim_world *world, uint16_t site, uint32_t input)
{
    wait_for(world, has_voted, &(struct vote_for){site, input});
}

static bool has_trace(const struct sim_world *world, const void *what)
{
    return world->stats.traces[*(const enum csn_trace_kind *)what] > 0;
}
void wait_trace(struct sim_world *world, enum csn_trace_kind what)
{
    wait_for(world, has_trace, &what);
}

void give_input(struct sim_world *world, uint32_t serial)
{
    struct csn_input_id id = sim_input_id(0, 1, serial, 0);
    sim_issue_input(world, 0, &id);
}

void give_input_at(struct sim_world *world, uint16_t site, uint32_t serial, unsigned variant)
{
    struct csn_input_id id = sim_input_id(0, 1, serial, variant);
    sim_arrive(world, sim_site(world, site), 0, &id);
    world->inputs[0] = sim_input_id(0, 1, serial, 0);
}

void run_for(struct sim_world *world, uint64_t for_us)
{
    sim_run_until(world, world->now_us + for_us);
}

void end_well(struct sim_world *world)
{
    sim_mend(world);
    if (!sim_settle(world)) {
        print_message("%s\n", world->failure);
        fail();
    }
    sim_world_free(world);
}

struct csn_node_zone_status zone_of(const struct sim_world *world, uint16_t site)
{
    struct csn_node_zone_status status;
    const struct sim_actor *actor = &world->actors[site - 1];
    csn_node_get_zone(actor->node, 0, sim_now(world, actor), &status);
    return status;
}

struct csn_node_status status_of(const struct sim_world *world, uint16_t site)
{
    struct csn_node_status status = {0};
    const struct sim_actor *actor = &world->actors[site - 1];
    if (actor->is_up) {
        csn_node_get_status(actor->node, sim_now(world, actor), &status);
    }
    return status;
}

void restore(struct sim_world *world, struct sim_actor *site, struct sim_disk *take_backup, bool is_second_too)
{
    struct sim_disk lost = site->disk;
    site->disk = *take_backup;
    if (!is_second_too) {
        struct sim_records seconds = site->disk.seconds;
        site->disk.seconds = lost.seconds;
        lost.seconds = seconds;
    }
    sim_disk_fini(&lost);
    sim_checker_restored(world->checker, site);
}

/* --- several coordinators */

void three_leaders(struct sim_options *options)
{
    options->coordinators = 3;
}

static uint64_t distance_us(uint16_t a, uint16_t b)
{
    static const uint64_t tenth_ms[3][3] = {{5, 750, 825}, {750, 5, 875}, {825, 875, 5}};
    return tenth_ms[a - 1][b - 1] * SIM_MS / 10;
}

void set_distances(struct sim_world *world)
{
    for (unsigned i = 0; i < world->actor_count; i++) {
        for (unsigned k = 0; k < world->actor_count; k++) {
            struct sim_link *link = &world->links[i][k];
            link->latency_us = distance_us(world->actors[i].number, world->actors[k].number);
            link->jitter_us = 1 + link->latency_us / 50;
        }
    }
}

static bool is_leading(const struct sim_world *world, const struct sim_actor *actor)
{
    struct csn_leader_status status;
    if (actor->leader == NULL) {
        return false;
    }
    csn_leader_get_status(actor->leader, sim_now(world, actor), &status);
    return status.state == CSN_LEADER_LEADING;
}

unsigned leaders(const struct sim_world *world, uint16_t *ret_number)
{
    unsigned found = 0;
    *ret_number = 0;
    for (unsigned i = world->options.sites; i < world->actor_count; i++) {
        if (is_leading(world, &world->actors[i])) {
            *ret_number = world->actors[i].number;
            found++;
        }
    }
    return found;
}

bool has_another_leader(const struct sim_world *world, const void *what)
{
    const uint16_t *old = what;
    for (unsigned i = world->options.sites; i < world->actor_count; i++) {
        if (world->actors[i].number != *old && is_leading(world, &world->actors[i])) {
            return true;
        }
    }
    return false;
}

uint16_t wait_leader(struct sim_world *world)
{
    uint16_t number = 0;
    wait_for(world, has_another_leader, &number);
    leaders(world, &number);
    return number;
}

void part(struct sim_world *world, struct sim_actor *a, struct sim_actor *b, uint64_t for_us)
{
    sim_cut(world, a, b, for_us);
    sim_cut(world, b, a, for_us);
}
