/* What a seed draws: the cluster, the zones, which faults and how often; then the work and the
 * fault episodes of the run, the mending, and the wait for I7. */
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#include "sim/checker.h"
#include "sim/emergency.h"
#include "sim/epochs.h"
#include "sim/liars.h"
#include "sim/seam.h"
#include "sim/secondaries.h"

#define SETTLE_US (900 * SIM_S)
#define GATE_OF_GARBAGE 1
#define GATE_OF_PARKED 4
#define EPISODE_TRIES 6 /* to draw a kind that this seed has */

/* --- options */

static void plan_zone(struct sim_random *random, unsigned index, struct csn_round_zone *ret_zone)
{
    static const uint32_t serials[] = {1, 2026112100, UINT32_C(0xfffffff0), UINT32_C(0x7ffffff8),
                                       1799999990};
    struct csn_round_zone *zone = ret_zone;
    *zone = (struct csn_round_zone){.serial_rule = (enum csn_serial_rule)sim_below(random, 3)};
    zone->zone[0] = 2;
    zone->zone[1] = 'z';
    zone->zone[2] = (uint8_t)('0' + index);
    zone->refresh_interval_s = (uint32_t)sim_between(random, 2, 20);
    zone->round_deadline_ms = (uint32_t)sim_between(random, 2000, 6000);
    zone->max_round_age_s = (uint32_t)sim_between(random, 30, 120);
    zone->behind_max_s = 300;
    zone->refresh_s = 864000;
    zone->has_live_serial = sim_chance(random, 500000);
    zone->live_serial = serials[sim_below(random, sizeof(serials) / sizeof(serials[0]))];
    zone->policy = sim_policy_id(index, 1);
    zone->keyset = sim_keyset_id(index, 1);
}

static void plan_base(struct sim_random *random, uint64_t seed, struct sim_options *ret_options)
{
    *ret_options = (struct sim_options){.seed = seed,
                                        .sites = 3,
                                        .coordinators = 1,
                                        .zones = 1,
                                        .quorum = 2,
                                        .settle_us = SETTLE_US,
                                        .latency_us = 90 * SIM_MS,
                                        .compute_us = 100 * SIM_MS,
                                        .sign_us = 200 * SIM_MS,
                                        .stage_us = 100 * SIM_MS,
                                        .disk_us = 10 * SIM_MS};
    for (unsigned zone = 0; zone < SIM_ZONES_MAX; zone++) {
        plan_zone(random, zone, &ret_options->zone[zone]);
    }
}

void sim_plan_calm(uint64_t seed, struct sim_options *ret_options)
{
    struct sim_random random = {sim_mix64(seed)};
    plan_base(&random, seed, ret_options);
    for (unsigned zone = 0; zone < SIM_ZONES_MAX; zone++) {
        ret_options->zone[zone].serial_rule = CSN_SERIAL_COUNTER;
        ret_options->zone[zone].has_live_serial = false;
        ret_options->zone[zone].refresh_interval_s = 3600;
        ret_options->zone[zone].round_deadline_ms = 5000;
        ret_options->zone[zone].max_round_age_s = 60;
    }
}

/* How often a fault of one operation strikes, per million, at most. Episodes are on or off. */
static const uint32_t chance_most[SIM_FAULT_COUNT] = {
    [SIM_LOSS] = 300000,          [SIM_LOSS_OF_KIND] = 900000,   [SIM_DUPLICATE] = 200000,
    [SIM_REORDER] = 200000,       [SIM_GARBLE] = 20000,          [SIM_CRASH_INSIDE] = 3000,
    [SIM_CRASH_DISK] = 150000,    [SIM_COMPUTE_FAILED] = 50000,  [SIM_STAGE_FAILED] = 50000,
    [SIM_ROT] = 100000,           [SIM_FETCH_FAILED] = 300000,   [SIM_INPUT_LATE] = 400000,
    [SIM_INPUT_MISSING] = 200000, [SIM_INPUT_CONFLICT] = 100000, [SIM_DOCUMENT_LATE] = 500000,
    [SIM_ROGUE] = 300000,         [SIM_INPUT_GARBAGE] = 200000,  [SIM_INPUT_RETRACTED] = 300000,
    [SIM_INPUT_PARKED] = 200000,
};

/* In a part of the seeds; drawn apart, so that the others stay what they were. */
static void plan_changes(uint64_t seed, struct sim_options *options)
{
    struct sim_random random = {sim_mix64(seed ^ UINT64_C(0x65706f6368))};
    if (sim_chance(&random, 300000)) {
        options->change_us = sim_between(&random, 5, 40) * SIM_S;
        options->spare = options->sites < SIM_SITES_MAX;
        options->sites += options->spare;
        options->quorum = (options->sites - options->spare) / 2 + 1;
    }
}

/* A site that is behind for so long answers no more. */
static void plan_behind(uint64_t seed, struct sim_options *options)
{
    struct sim_random random = {sim_mix64(seed ^ UINT64_C(0x626568696e64))};
    bool is_short = sim_chance(&random, 500000);
    for (unsigned zone = 0; zone < SIM_ZONES_MAX && is_short; zone++) {
        options->zone[zone].behind_max_s = (uint32_t)sim_between(&random, 2, 60);
    }
}

void sim_plan(uint64_t seed, struct sim_options *ret_options)
{
    struct sim_random random = {sim_mix64(seed)};
    plan_base(&random, seed, ret_options);
    ret_options->zones =
        sim_chance(&random, 700000) ? 1 : (unsigned)sim_between(&random, 2, SIM_ZONES_MAX);
    ret_options->sites =
        sim_chance(&random, 800000) ? 3 : (unsigned)sim_between(&random, 4, SIM_SITES_MAX);
    ret_options->quorum = ret_options->sites / 2 + 1;
    ret_options->coordinators = (unsigned)sim_between(&random, 1, SIM_COORDINATORS_MAX);
    ret_options->duration_us = sim_between(&random, 80, 240) * SIM_S;
    ret_options->episode_us = sim_between(&random, 1, 10) * SIM_S;
    ret_options->input_us = sim_between(&random, 2, 15) * SIM_S;
    ret_options->document_us = sim_between(&random, 10, 60) * SIM_S;
    ret_options->quiet_s = (uint32_t)sim_between(&random, 0, 60);
    ret_options->latency_us = sim_between(&random, 1, 150) * SIM_MS;
    ret_options->compute_us = sim_between(&random, 1, 500) * SIM_MS;
    ret_options->sign_us = sim_between(&random, 1, 800) * SIM_MS;
    ret_options->stage_us = sim_between(&random, 1, 400) * SIM_MS;
    ret_options->disk_us = sim_between(&random, 1, 60) * SIM_MS;
    ret_options->lossy_kind =
        sim_chance(&random, 500000)
            ? CSN_STATEMENT_HELD
            : (enum csn_statement_kind)sim_below(&random, CSN_STATEMENT_PROMISE + 1);
    /* Few kinds at a time find more than all at once. */
    for (unsigned fault = 0; fault < SIM_FAULT_COUNT; fault++) {
        bool is_on = sim_chance(&random, 400000);
        uint32_t most = chance_most[fault] > 0 ? chance_most[fault] : 1000000;
        uint32_t least = chance_most[fault] > 0 ? most / 20 + 1 : most;
        ret_options->chance[fault] = is_on ? (uint32_t)sim_between(&random, least, most) : 0;
    }
    if (ret_options->lossy_kind == CSN_STATEMENT_HELD && sim_chance(&random, 150000)) {
        ret_options->chance[SIM_LOSS_OF_KIND] = 1000000; /* lone votes pile up */
    }
    plan_behind(seed, ret_options);
    plan_changes(seed, ret_options);
    sim_plan_emergency(seed, ret_options);
    sim_plan_four(seed, ret_options);
    sim_seam_plan(ret_options);
}

/* --- inputs and documents */

void sim_arrive(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                const struct csn_input_id *id)
{
    struct csn_event event = {.kind = CSN_EVENT_INPUT};
    struct csn_input_id *newest = &actor->newest_input[zone];
    if (newest->generation > 0 && csn_input_compare(id, newest) != 1) {
        return;
    }
    *newest = *id;
    sim_log(world, actor, "input %u of z%u arrives", id->serial, zone);
    if (!sim_seam_put_input(world, actor, zone, id)) {
        return;
    }
    event.input.zone = world->options.zone[zone].zone;
    event.input.id = *id;
    event.input.is_confirmed = true;
    if (actor->is_up) {
        sim_step(world, actor, &event);
    }
}

struct arrival {
    unsigned zone;
    uint32_t serial;
    unsigned variant;
    uint64_t issued;
    bool is_garbage, is_parked;
};

static void tell_parked(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                        uint8_t gate)
{
    struct csn_event event = {.kind = CSN_EVENT_PARKED};
    event.parked.zone = world->options.zone[zone].zone;
    event.parked.gate = gate;
    if (actor->is_up) {
        sim_step(world, actor, &event);
    }
}

static void judge(struct sim_world *world, struct sim_task *task)
{
    struct sim_actor *actor = task->actor;
    unsigned zone = (unsigned)task->number, life = actor->life;
    struct csn_input_id parked = actor->parked[zone];
    bool is_approved = csn_digest_equal(&actor->approved[zone], &parked.received);
    bool is_rejected = csn_digest_equal(&actor->rejected[zone], &parked.received);
    if (parked.generation == 0 || (!is_approved && !is_rejected)) {
        return;
    }
    actor->parked[zone] = (struct csn_input_id){0};
    tell_parked(world, actor, zone, 0);
    if (is_approved && actor->is_up && actor->life == life) {
        sim_arrive(world, actor, zone, &parked);
    }
}

void sim_judge_later(struct sim_world *world, struct sim_actor *actor, unsigned zone)
{
    sim_after_alive(world, 0, judge, actor, NULL)->number = zone;
}

static void read_again(struct sim_world *world, struct sim_task *task)
{
    unsigned zone = (unsigned)task->number;
    const struct sim_file *file = &task->actor->file[zone];
    if (file->serial != 0) {
        struct csn_input_id id =
            sim_input_id(zone, task->actor->generation[zone], file->serial, file->variant);
        sim_arrive(world, task->actor, zone, &id);
    }
}

void sim_read_again_later(struct sim_world *world, struct sim_actor *actor, unsigned zone)
{
    sim_after(world, 0, read_again, actor, NULL)->number = zone;
}

static void arrive(struct sim_world *world, struct sim_task *task)
{
    const struct arrival *arrival = task->data;
    struct sim_actor *actor = task->actor;
    unsigned zone = arrival->zone;
    if (arrival->serial == world->retracted[zone]) {
        return;
    }
    struct csn_input_id id =
        sim_input_id(zone, actor->generation[zone], arrival->serial, arrival->variant);
    actor->parked[zone] = arrival->is_parked ? id : (struct csn_input_id){0};
    tell_parked(world, actor, zone,
                arrival->is_garbage  ? GATE_OF_GARBAGE
                : arrival->is_parked ? GATE_OF_PARKED
                                     : 0);
    if (arrival->is_parked && actor->is_up) {
        sim_judge_later(world, actor, zone);
    } else if (!arrival->is_garbage) {
        if (arrival->issued > actor->file[zone].issued) { /* one that is late changes nothing any more */
            actor->file[zone] =
                (struct sim_file){arrival->serial, arrival->variant, arrival->issued};
        }
        sim_arrive(world, actor, zone, &id);
    }
}

static void send_input(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                       const struct csn_input_id *id, bool is_parked)
{
    struct arrival *arrival = csn_calloc(1, sizeof(*arrival));
    uint64_t delay_us = sim_delay(world, SIM_S);
    *arrival = (struct arrival){.zone = zone,
                                .serial = id->serial,
                                .issued = world->issued,
                                .is_parked = is_parked};
    if (sim_draw(world, SIM_INPUT_LATE)) {
        delay_us += sim_delay(world, 40 * SIM_S);
    }
    arrival->is_garbage = !is_parked && sim_draw(world, SIM_INPUT_GARBAGE);
    if (sim_draw(world, SIM_INPUT_CONFLICT)) {
        arrival->variant = actor->number;
    }
    sim_after(world, delay_us, arrive, actor, arrival);
}

void sim_issue_input(struct sim_world *world, unsigned zone, const struct csn_input_id *id)
{
    bool is_parked = sim_draw(world, SIM_INPUT_PARKED);
    world->inputs[zone] = *id;
    world->issued++;
    world->retracted[zone] = world->retracted[zone] == id->serial ? 0 : world->retracted[zone];
    if (is_parked) {
        sim_decide_later(world, zone, &id->received);
    }
    for (unsigned i = 0; i < world->options.sites; i++) {
        if (!sim_draw(world, SIM_INPUT_MISSING)) {
            send_input(world, &world->actors[i], zone, id, is_parked);
        }
    }
}

/* Above all that any site has read: a file of the generation before may have been read as one of this. */
static uint32_t serial_above_all(const struct sim_world *world, unsigned zone, uint32_t serial)
{
    for (unsigned i = 0; i < world->options.sites; i++) {
        uint32_t read = world->actors[i].newest_input[zone].serial;
        serial = read > serial ? read : serial;
    }
    return serial;
}

/* In a new generation serials may begin below, but for the last. */
static void issue_next(struct sim_world *world, unsigned zone)
{
    const struct csn_input_id *last = &world->inputs[zone];
    uint32_t generation = world->generation[zone];
    uint32_t back = world->is_faulty && generation > last->generation ? 9 : 0;
    uint32_t serial = world->is_faulty ? last->serial : serial_above_all(world, zone, last->serial);
    serial += (uint32_t)sim_between(&world->random, 1, 5);
    serial = serial > back ? serial - back : serial;
    struct csn_input_id id = sim_input_id(zone, generation, serial, 0);
    sim_issue_input(world, zone, &id);
}

static void retract(struct sim_world *world, struct sim_task *task)
{
    if (!world->is_last_input) {
        world->retracted[task->number] = world->inputs[task->number].serial;
    }
}

static void issue_inputs(struct sim_world *world, struct sim_task *task)
{
    unsigned zone = (unsigned)task->number;
    if (!world->is_last_input) {
        issue_next(world, zone);
        if (sim_draw(world, SIM_INPUT_RETRACTED)) {
            sim_after(world, sim_delay(world, SIM_S), retract, NULL, NULL)->number = zone;
        }
        sim_after(world, sim_delay(world, 2 * world->options.input_us), issue_inputs, NULL, NULL)
            ->number = zone;
    }
}

void sim_approve(struct sim_world *world, struct sim_actor *actor, unsigned zone)
{
    struct csn_event event = {.kind = CSN_EVENT_DOCUMENTS, .documents = &actor->configs[zone]};
    actor->configs[zone].policy = sim_policy_id(zone, world->policy[zone]);
    actor->configs[zone].keyset = sim_keyset_id(zone, world->keyset[zone]);
    sim_log(world, actor, "documents %u and %u of z%u", world->policy[zone], world->keyset[zone],
            zone);
    if (actor->is_up) {
        sim_step(world, actor, &event);
    }
}

static void approve(struct sim_world *world, struct sim_task *task)
{
    sim_approve(world, task->actor, (unsigned)task->number);
}

static void issue_documents(struct sim_world *world, struct sim_task *task)
{
    unsigned zone = (unsigned)task->number;
    if (world->is_last_input) {
        return;
    }
    bool is_policy = sim_chance(&world->random, 500000);
    world->policy[zone] += is_policy;
    world->keyset[zone] += !is_policy;
    for (unsigned i = 0; i < world->actor_count; i++) {
        uint64_t delay_us = sim_delay(world, SIM_S) +
                            (sim_draw(world, SIM_DOCUMENT_LATE) ? sim_delay(world, 40 * SIM_S) : 0);
        sim_after(world, delay_us, approve, &world->actors[i], NULL)->number = zone;
    }
    sim_after(world, sim_delay(world, 2 * world->options.document_us), issue_documents, NULL, NULL)
        ->number = zone;
}

/* --- episodes */

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

static void change_members(struct sim_world *world, struct sim_task *task)
{
    (void)task;
    if (!world->is_last_input) {
        sim_change_any(world);
        sim_after(world, sim_delay(world, 2 * world->options.change_us), change_members, NULL, NULL);
    }
}

void sim_begin(struct sim_world *world)
{
    world->is_faulty = true;
    for (unsigned i = 0; i < world->actor_count; i++) {
        sim_start(world, &world->actors[i]);
    }
    for (unsigned zone = 0; zone < world->options.zones; zone++) {
        if (world->options.input_us > 0) {
            sim_after(world, sim_delay(world, SIM_S), issue_inputs, NULL, NULL)->number = zone;
        }
        if (world->options.document_us > 0) {
            sim_after(world, sim_delay(world, world->options.document_us), issue_documents, NULL,
                      NULL)
                ->number = zone;
        }
    }
    if (world->options.episode_us > 0) {
        sim_after(world, 0, episodes, NULL, NULL);
    }
    if (world->options.change_us > 0) {
        sim_after(world, sim_delay(world, 2 * world->options.change_us), change_members, NULL, NULL);
    }
    sim_emergency_begin(world);
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
        issue_next(world, zone);
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

/* --- a rogue coordinator */

/* Into the window of serials that officers keep for an emergency it steps only where none is drawn: a branch that is there
 * already would have to be fenced. */
static void spoil_serial(struct sim_world *world, struct csn_proposal *proposal)
{
    static const uint32_t steps[] = {UINT32_MAX,        UINT32_MAX - 2,       1,      3, 100,
                                     UINT32_C(1) << 30, UINT32_C(0x80000000), 1 << 20};
    uint32_t step = steps[sim_below(&world->random, sizeof(steps) / sizeof(steps[0]))];
    bool is_window = step == 1 << 20 && world->options.emergency_us > 0;
    proposal->serial += is_window ? 1000 : step;
}

static void spoil_time(struct sim_random *random, struct csn_proposal *proposal)
{
    static const int32_t steps[] = {-1, 1, -10, 20, 50, 70, 500, -200, -5000};
    int32_t step = steps[sim_below(random, sizeof(steps) / sizeof(steps[0]))];
    proposal->time_s += (uint64_t)(int64_t)step;
    proposal->schedule_s =
        proposal->schedule_s > proposal->time_s ? proposal->time_s : proposal->schedule_s;
}

static void spoil_authors(struct sim_random *random, struct csn_proposal *proposal)
{
    if (proposal->author_count > 1 && sim_chance(random, 600000)) {
        unsigned gone = (unsigned)sim_below(random, proposal->author_count);
        proposal->author_count--;
        memmove(proposal->authors + gone, proposal->authors + gone + 1,
                (proposal->author_count - gone) * sizeof(proposal->authors[0]));
    } else if (sim_chance(random, 300000)) {
        proposal->authors[proposal->author_count - 1] = 99; /* no member */
    }
}

static void spoil_input(struct sim_world *world, struct csn_proposal *proposal)
{
    unsigned zone = sim_zone_index(world, proposal->zone);
    uint32_t serial = proposal->input.serial + (uint32_t)sim_below(&world->random, 9) - 6;
    unsigned variant = (unsigned)sim_below(&world->random, 2) *
                       (unsigned)sim_between(&world->random, 1, world->options.sites);
    proposal->input = sim_input_id(zone, proposal->input.generation, serial, variant);
}

static void spoil_document(struct sim_random *random, struct csn_version_id *version, unsigned zone,
                           bool is_policy)
{
    uint32_t number = version->number + (uint32_t)sim_below(random, 4) - 2;
    *version = is_policy ? sim_policy_id(zone, number) : sim_keyset_id(zone, number);
    version->digest.octets[0] ^= sim_chance(random, 200000); /* another document under the number */
}

/* An older round, the same one with another content, or one from the future. */
static void spoil_round(struct sim_random *random, struct csn_proposal *proposal)
{
    if (sim_chance(random, 200000)) {
        proposal->round.seq = UINT32_MAX; /* would leave no round after it */
        proposal->round.term.counter += sim_below(random, 2) * (UINT64_MAX / 2);
        return;
    }
    uint32_t back = (uint32_t)sim_below(random, 3);
    proposal->round.seq =
        proposal->round.seq > back ? proposal->round.seq - back : proposal->round.seq;
    proposal->schedule_s = sim_chance(random, 500000) ? proposal->time_s + 1 : proposal->schedule_s;
}

static void spoil_rest(struct sim_random *random, struct csn_proposal *proposal)
{
    switch (sim_below(random, 5)) {
    case 0:
        proposal->epoch++;
        break;
    case 1:
        proposal->semantics++;
        break;
    case 2:
        proposal->parent = (struct csn_release){0};
        break;
    case 3:
        proposal->parent.full_root.octets[5] ^= 1;
        break;
    default:
        proposal->schedule_s -= proposal->schedule_s > 20 ? sim_below(random, 20) : 0;
        break;
    }
}

static void spoil(struct sim_world *world, struct csn_proposal *proposal)
{
    struct sim_random *random = &world->random;
    unsigned zone = sim_zone_index(world, proposal->zone);
    switch (sim_below(random, 8)) {
    case 0:
        spoil_serial(world, proposal);
        break;
    case 1:
        spoil_time(random, proposal);
        break;
    case 2:
        spoil_authors(random, proposal);
        break;
    case 3:
        spoil_input(world, proposal);
        break;
    case 4:
        spoil_document(random, &proposal->policy, zone, true);
        break;
    case 5:
        spoil_document(random, &proposal->keyset, zone, false);
        break;
    case 6:
        spoil_round(random, proposal);
        break;
    default:
        spoil_rest(random, proposal);
        break;
    }
}

bool sim_rogue(struct sim_world *world, struct csn_bytes body, struct csn_buf *ret_body)
{
    struct csn_body_proposal decoded;
    if (!sim_draw(world, SIM_ROGUE) || csn_body_proposal_decode(body, &decoded) != CSN_OK) {
        return false;
    }
    decoded.seq += (uint32_t)sim_below(&world->random, 3); /* before its own next one */
    spoil(world, &decoded.proposal);
    if (sim_chance(&world->random, 300000)) {
        spoil_serial(world, &decoded.proposal);
    }
    csn_body_proposal_encode(&decoded, ret_body);
    return true;
}
