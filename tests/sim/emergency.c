#include "sim/emergency.h"

#include "sim/epochs.h"

#define LONG_S 100000

/* How the sites are lost. The officers believe the first. */
enum loss { LOSS_DEAD, LOSS_OUT_OF_SIGHT, LOSS_OF_NOTHING, LOSS_COUNT };

void sim_plan_emergency(uint64_t seed, struct sim_options *options)
{
    struct sim_random random = {sim_mix64(seed ^ UINT64_C(0x656d657267))};
    if (options->change_us > 0 || !sim_chance(&random, 150000)) {
        return;
    }
    options->emergency_us = sim_between(&random, 10 * SIM_S, options->duration_us / 2);
    options->chance[SIM_CLOCK_OFF] = 0; /* of one site alone, a wrong clock is the median */
    for (unsigned fault = SIM_RESTORED; fault < SIM_FAULT_COUNT; fault++) {
        options->chance[fault] = 0; /* orders and backups have the other seeds */
    }
}

/* Some, not all: bits of site numbers. */
static uint32_t draw_kept(struct sim_world *world)
{
    uint32_t all = ((UINT32_C(1) << world->options.sites) - 1) << 1;
    uint32_t kept = (uint32_t)sim_below(&world->random, all + 1) & all;
    if (kept == 0 || kept == all) {
        kept = UINT32_C(1) << sim_between(&world->random, 1, world->options.sites);
    }
    return kept;
}

static bool is_kept(const struct sim_task *task, uint16_t site)
{
    return (task->number >> site & 1u) != 0;
}

static void kill_lost(struct sim_world *world, const struct sim_task *task)
{
    for (unsigned i = 0; i < world->options.sites; i++) {
        if (!is_kept(task, world->actors[i].number) && world->actors[i].is_up) {
            sim_crash(world, &world->actors[i]);
        }
    }
}

/* Each coordinator is on one side. */
static void part_lost(struct sim_world *world, const struct sim_task *task)
{
    uint32_t sides = (uint32_t)sim_below(&world->random, UINT32_C(1) << world->options.coordinators);
    for (unsigned i = 0; i < world->actor_count; i++) {
        for (unsigned k = 0; k < world->actor_count; k++) {
            const struct sim_actor *a = &world->actors[i], *b = &world->actors[k];
            bool is_first = a->is_node ? is_kept(task, a->number) : (sides >> (a->number - 1) & 1u) != 0;
            bool is_second = b->is_node ? is_kept(task, b->number) : (sides >> (b->number - 1) & 1u) != 0;
            if (is_first != is_second) {
                sim_cut(world, &world->actors[i], &world->actors[k], LONG_S * SIM_S);
            }
        }
    }
}

static void end(struct sim_world *world, struct sim_task *task)
{
    sim_renew_emergency(world);
    if (sim_end_emergency(world) || !sim_is_emergency(world)) {
        return;
    }
    sim_after(world, 5 * SIM_S, end, NULL, NULL)->number = task->number;
}

/* The lost are in sight again, some time before or after the document that takes them back. */
static void find(struct sim_world *world, struct sim_task *task)
{
    (void)task;
    sim_heal(world);
    for (unsigned i = 0; i < world->options.sites; i++) {
        if (!world->actors[i].is_up) {
            sim_restart_later(world, &world->actors[i]);
        }
    }
}

static void declare(struct sim_world *world, struct sim_task *task)
{
    uint64_t clock_s = sim_now(world, &world->actors[0]).wall_s;
    uint64_t lasts_s = sim_between(&world->random, 1, 200);
    if (sim_declare_emergency(world, (uint32_t)task->number, clock_s + lasts_s)) {
        sim_after(world, sim_delay(world, 80 * SIM_S), find, NULL, NULL);
        sim_after(world, sim_delay(world, 80 * SIM_S), end, NULL, NULL);
    }
}

static void lose(struct sim_world *world, struct sim_task *task)
{
    enum loss loss = (enum loss)sim_below(&world->random, LOSS_COUNT);
    task->number = draw_kept(world);
    sim_log(world, NULL, "sites are lost (%u), %llx are left", (unsigned)loss, (unsigned long long)task->number);
    if (loss == LOSS_DEAD) {
        kill_lost(world, task);
    } else if (loss == LOSS_OUT_OF_SIGHT) {
        part_lost(world, task);
    }
    sim_after(world, sim_delay(world, 60 * SIM_S), declare, NULL, NULL)->number = task->number;
}

void sim_emergency_begin(struct sim_world *world)
{
    if (world->options.emergency_us > 0) {
        sim_after(world, world->options.emergency_us, lose, NULL, NULL);
    }
}
