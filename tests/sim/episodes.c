#include "sim/episodes.h"

#define EPISODE_TRIES 6 /* to draw a kind that this seed has */

static struct sim_actor *any_site(struct sim_world *world)
{
    return &world->actors[sim_below(&world->random, world->options.sites)];
}

static struct sim_actor *any_actor(struct sim_world *world)
{
    return &world->actors[sim_below(&world->random, world->actor_count)];
}

static void hsm_good(struct sim_world *world, struct sim_task *task)
{
    sim_set_hsm(world, task->actor, SIM_HSM_GOOD);
}
static void clock_good(struct sim_world *world, struct sim_task *task)
{
    sim_set_clock(world, task->actor, 0);
}
static void disk_good(struct sim_world *world, struct sim_task *task)
{
    (void)world;
    task->actor->disk_factor = 1;
}
static void disk_empty(struct sim_world *world, struct sim_task *task)
{
    (void)world;
    task->actor->is_disk_full = false;
}
static void clock_runs(struct sim_world *world, struct sim_task *task)
{
    (void)world;
    task->actor->wall_frozen_us = 0;
}
static void rate_good(struct sim_world *world, struct sim_task *task)
{
    sim_set_rate(world, task->actor, 0);
}
static void converge(struct sim_world *world, struct sim_task *task)
{
    (void)world;
    task->actor->diverged = 0;
}

static uint64_t episode_length(struct sim_world *world)
{
    return sim_delay(world, sim_chance(&world->random, 500000) ? 5 * SIM_S : 40 * SIM_S);
}

static void crash(struct sim_world *world, struct sim_actor *actor)
{
    if (actor->is_up) {
        sim_crash(world, actor);
        sim_restart_later(world, actor);
    }
}

static void break_hsm(struct sim_world *world, enum sim_hsm_mode mode)
{
    struct sim_actor *actor = any_site(world);
    sim_set_hsm(world, actor, mode);
    sim_after(world, episode_length(world), hsm_good, actor, NULL);
}

/* One clock at a time is off by more than the rules forgive; T is the lower median, so the others
 * go on. */
static void clock_off(struct sim_world *world)
{
    struct sim_actor *actor = &world->actors[world->options.seed % world->actor_count];
    int64_t offset_s = (int64_t)sim_between(&world->random, 100, 7200);
    sim_set_clock(world, actor, sim_chance(&world->random, 500000) ? offset_s : -offset_s);
    sim_after(world, episode_length(world), clock_good, actor, NULL);
}

static void clock_step(struct sim_world *world)
{
    struct sim_actor *actor = any_actor(world);
    sim_set_clock(world, actor, (int64_t)sim_below(&world->random, 41) - 20);
}

static void slow_disk(struct sim_world *world)
{
    struct sim_actor *actor = any_site(world);
    actor->disk_factor = (uint32_t)sim_between(&world->random, 5, 100);
    sim_after(world, episode_length(world), disk_good, actor, NULL);
}

static void fill_disk(struct sim_world *world)
{
    struct sim_actor *actor = any_site(world);
    actor->is_disk_full = true;
    sim_after(world, episode_length(world), disk_empty, actor, NULL);
}

static void freeze(struct sim_world *world)
{
    struct sim_actor *actor = any_actor(world);
    uint64_t until_us = world->now_us + episode_length(world) / 2;
    bool is_longer = until_us > actor->frozen_until_us; /* what waits must not be overtaken */
    actor->frozen_until_us = is_longer ? until_us : actor->frozen_until_us;
    sim_log(world, actor, "frozen until %.1f",
            (double)actor->frozen_until_us / (double)SIM_S);
}

static void freeze_clock(struct sim_world *world)
{
    struct sim_actor *actor = any_actor(world);
    actor->wall_frozen_us = world->now_us;
    sim_log(world, actor, "clock stands still");
    sim_after(world, episode_length(world), clock_runs, actor, NULL);
}

static void change_rate(struct sim_world *world)
{
    struct sim_actor *actor = any_actor(world);
    sim_set_rate(world, actor, (int32_t)sim_below(&world->random, 400001) - 200000);
    sim_after(world, episode_length(world), rate_good, actor, NULL);
}

static void clog_link(struct sim_world *world)
{
    struct sim_actor *from = any_actor(world), *to = any_actor(world);
    world->links[from->index][to->index].clogged_until_us =
        world->now_us + episode_length(world);
    sim_log(world, from, "clogged towards actor %u", to->index);
}

static void diverge(struct sim_world *world)
{
    struct sim_actor *actor = any_site(world);
    sim_log(world, actor, "diverges");
    actor->diverged = (unsigned)sim_between(&world->random, 1, 4) + 4 * actor->number;
    sim_after(world, episode_length(world), converge, actor, NULL);
}

static void cut(struct sim_world *world)
{
    struct sim_actor *from = any_actor(world), *to = any_actor(world);
    if (from != to) {
        sim_cut(world, from, to, episode_length(world));
    }
}

static void begin_episode(struct sim_world *world, enum sim_fault fault)
{
    switch (fault) {
    case SIM_CUT:
        cut(world);
        break;
    case SIM_CLOG:
        clog_link(world);
        break;
    case SIM_DISK_FULL:
        fill_disk(world);
        break;
    case SIM_FREEZE:
        freeze(world);
        break;
    case SIM_CLOCK_FROZEN:
        freeze_clock(world);
        break;
    case SIM_CLOCK_RATE:
        change_rate(world);
        break;
    case SIM_ISOLATE:
        sim_isolate(world, any_actor(world), episode_length(world));
        break;
    case SIM_CRASH_NODE:
        crash(world, any_site(world));
        break;
    case SIM_CRASH_LEADER:
        crash(world, &world->actors[world->options.sites +
                                    sim_below(&world->random, world->options.coordinators)]);
        break;
    case SIM_DISK_SLOW:
        slow_disk(world);
        break;
    case SIM_CLOCK_STEP:
        clock_step(world);
        break;
    case SIM_CLOCK_OFF:
        clock_off(world);
        break;
    case SIM_HSM_SLOW:
        break_hsm(world, SIM_HSM_IS_SLOW);
        break;
    case SIM_HSM_DEAD:
        break_hsm(world, SIM_HSM_IS_DEAD);
        break;
    case SIM_HSM_WRONG:
        break_hsm(world, SIM_HSM_IS_WRONG);
        break;
    case SIM_HSM_KEY:
        break_hsm(world, SIM_HSM_HAS_OTHER_KEY);
        break;
    case SIM_DIVERGED:
        diverge(world);
        break;
    default:
        sim_operate(world, fault, episode_length(world));
        break;
    }
}

static void episodes(struct sim_world *world, struct sim_task *task)
{
    static const enum sim_fault kinds[] = {
        SIM_CUT,          SIM_CLOG,         SIM_ISOLATE,    SIM_CRASH_NODE, SIM_CRASH_LEADER,
        SIM_DISK_SLOW,    SIM_DISK_FULL,    SIM_FREEZE,     SIM_CLOCK_STEP, SIM_CLOCK_OFF,
        SIM_CLOCK_FROZEN, SIM_CLOCK_RATE,   SIM_HSM_SLOW,   SIM_HSM_DEAD,   SIM_HSM_WRONG,
        SIM_DIVERGED,     SIM_RESTORED,     SIM_RESTORED_ALONE, SIM_ORDER_HOLD, SIM_ORDER_MAINTENANCE,
        SIM_ORDER_AUTHORITY, SIM_ORDER_GENERATION, SIM_HSM_KEY};
    (void)task;
    if (!world->is_faulty) {
        return;
    }
    for (unsigned tries = 0; tries < EPISODE_TRIES; tries++) {
        enum sim_fault fault = kinds[sim_below(&world->random, sizeof(kinds) / sizeof(kinds[0]))];
        bool is_restore = fault == SIM_RESTORED || fault == SIM_RESTORED_ALONE; /* not always possible */
        if (is_restore ? sim_chance(&world->random, world->options.chance[fault])
                       : sim_draw(world, fault)) {
            begin_episode(world, fault);
            break;
        }
    }
    sim_after(world, sim_delay(world, world->options.episode_us), episodes, NULL, NULL);
}

void sim_episodes_begin(struct sim_world *world)
{
    if (world->options.episode_us > 0) {
        sim_after(world, 0, episodes, NULL, NULL);
    }
}
