#include "sim/world.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "sim/checker.h"
#include "sim/epochs.h"
#include "sim/seam.h"
#include "sim/secondaries.h"

#define EPOCH_S UINT64_C(1800000000) /* when virtual time begins */

const char *sim_fault_text(enum sim_fault fault)
{
    static const char *const texts[] = {
#define SIM_FAULT_TEXT(name, text) text,
        SIM_FAULTS(SIM_FAULT_TEXT)
#undef SIM_FAULT_TEXT
    };
    return texts[fault];
}

/* --- queue: a binary heap */

static bool is_before(const struct sim_task *a, const struct sim_task *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void swap(struct sim_task **a, struct sim_task **b)
{
    struct sim_task *kept = *a;
    *a = *b;
    *b = kept;
}

static void push(struct sim_world *world, struct sim_task *task)
{
    if (world->task_count == world->task_max) {
        world->task_max = world->task_max ? 2 * world->task_max : 256;
        world->heap = csn_realloc(world->heap, world->task_max, sizeof(struct sim_task *));
    }
    size_t at = world->task_count++;
    world->heap[at] = task;
    for (; at > 0 && is_before(world->heap[at], world->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        swap(&world->heap[at], &world->heap[(at - 1) / 2]);
    }
}

static struct sim_task *pop(struct sim_world *world)
{
    struct sim_task *first = world->heap[0];
    size_t at = 0, count = --world->task_count;
    world->heap[0] = world->heap[count];
    for (;;) {
        size_t least = at, left = 2 * at + 1, right = left + 1;
        least = left < count && is_before(world->heap[left], world->heap[least]) ? left : least;
        least = right < count && is_before(world->heap[right], world->heap[least]) ? right : least;
        if (least == at) {
            return first;
        }
        swap(&world->heap[at], &world->heap[least]);
        at = least;
    }
}

static void task_free(struct sim_task *take_task)
{
    free(take_task->data);
    free(take_task);
}

struct sim_task *sim_after(struct sim_world *world, uint64_t delay_us, sim_task_fn *run,
                           struct sim_actor *actor, void *take_data)
{
    struct sim_task *task = csn_calloc(1, sizeof(*task));
    *task = (struct sim_task){.at_us = world->now_us + delay_us,
                              .order = ++world->task_order,
                              .run = run,
                              .actor = actor,
                              .data = take_data};
    push(world, task);
    return task;
}

struct sim_task *sim_after_alive(struct sim_world *world, uint64_t delay_us, sim_task_fn *run,
                                 struct sim_actor *actor, void *take_data)
{
    struct sim_task *task = sim_after(world, delay_us, run, actor, take_data);
    task->life = actor->life;
    return task;
}

/* Within one virtual second; more means that machines answer each other without end. */
#define TASKS_MAX 200000

static void guard(struct sim_world *world)
{
    if (world->now_us / SIM_S != world->busy_second) {
        world->busy_second = world->now_us / SIM_S;
        world->busy_count = 0;
    }
    if (++world->busy_count > TASKS_MAX) {
        sim_fail(world, "more than %d steps in one second", TASKS_MAX);
    }
}

/* What was to happen in a frozen process happens when it goes on, all at once. */
static bool is_frozen(const struct sim_world *world, const struct sim_task *task)
{
    return task->life != 0 && task->actor->life == task->life &&
           task->actor->frozen_until_us > world->now_us;
}

bool sim_run_one(struct sim_world *world)
{
    if (world->has_failed || world->task_count == 0) {
        return false;
    }
    struct sim_task *task = pop(world);
    world->now_us = task->at_us;
    if (is_frozen(world, task)) {
        task->at_us = task->actor->frozen_until_us;
        task->order = ++world->task_order;
        push(world, task);
        return true;
    }
    if (task->life == 0 || (task->actor->is_up && task->actor->life == task->life)) {
        task->run(world, task);
    }
    task_free(task);
    guard(world);
    return true;
}

void sim_run_until(struct sim_world *world, uint64_t at_us)
{
    while (world->task_count > 0 && world->heap[0]->at_us <= at_us && sim_run_one(world)) {
    }
    world->now_us = world->now_us < at_us && !world->has_failed ? at_us : world->now_us;
}

/* --- words */

void sim_fail(struct sim_world *world, const char *format, ...)
{
    va_list arguments;
    if (world->has_failed) {
        return;
    }
    world->has_failed = true;
    va_start(arguments, format);
    vsnprintf(world->failure, sizeof(world->failure), format, arguments);
    va_end(arguments);
    sim_log(world, NULL, "VIOLATION: %s", world->failure);
}

void sim_log(struct sim_world *world, const struct sim_actor *actor, const char *format, ...)
{
    va_list arguments;
    if (world->trace == NULL) {
        return;
    }
    fprintf(world->trace, "%10.4f ", (double)world->now_us / (double)SIM_S);
    if (actor != NULL) {
        fprintf(world->trace, "%s%u.%u ", actor->is_node ? "site" : "coord", actor->number,
                actor->life);
    }
    va_start(arguments, format);
    vfprintf(world->trace, format, arguments);
    va_end(arguments);
    fputc('\n', world->trace);
}

const char *sim_hex(const void *octets, char ret_text[17])
{
    const uint8_t *at = octets;
    for (unsigned i = 0; i < 8; i++) {
        snprintf(ret_text + 2 * i, 3, "%02x", at[i]);
    }
    ret_text[8] = '\0';
    return ret_text;
}

void sim_count(struct sim_world *world, enum sim_fault fault)
{
    world->stats.faults[fault]++;
    sim_mix_u64(&world->hash, fault);
}

bool sim_draw(struct sim_world *world, enum sim_fault fault)
{
    bool is_drawn = world->is_faulty && sim_chance(&world->random, world->options.chance[fault]);
    if (is_drawn) {
        sim_count(world, fault);
    }
    return is_drawn;
}

uint64_t sim_delay(struct sim_world *world, uint64_t most_us)
{
    return sim_between(&world->random, most_us / 8, most_us);
}

static void add_all(uint64_t *sum, const uint64_t *more, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sum[i] += more[i];
    }
}

void sim_stats_add(struct sim_stats *stats, const struct sim_stats *more)
{
    uint64_t settle_us =
        more->settle_us_max > stats->settle_us_max ? more->settle_us_max : stats->settle_us_max;
    _Static_assert(sizeof(*stats) % sizeof(uint64_t) == 0, "all fields are counters");
    add_all((uint64_t *)stats, (const uint64_t *)more, sizeof(*stats) / sizeof(uint64_t));
    stats->settle_us_max = settle_us;
}

/* --- actors */

struct sim_actor *sim_site(struct sim_world *world, uint16_t site)
{
    return site >= 1 && site <= world->options.sites ? &world->actors[site - 1] : NULL;
}

struct sim_actor *sim_coordinator(struct sim_world *world, uint16_t number)
{
    return number >= 1 && number <= world->options.coordinators
               ? &world->actors[world->options.sites + number - 1]
               : NULL;
}

unsigned sim_zone_index(const struct sim_world *world, const uint8_t *zone)
{
    unsigned index = 0;
    while (index < world->options.zones && !csn_name_equal(world->options.zone[index].zone, zone)) {
        index++;
    }
    return index;
}

static uint64_t mono_ms(const struct sim_world *world, const struct sim_actor *actor)
{
    int64_t since_us = (int64_t)(world->now_us - actor->mono_since_us);
    return actor->mono_base_ms +
           (uint64_t)(since_us + since_us / 1000000 * actor->mono_ppm) / SIM_MS;
}

struct csn_now sim_now(const struct sim_world *world, const struct sim_actor *actor)
{
    int64_t drift_us = (int64_t)(world->now_us / SIM_S) * actor->clock_drift_ppm;
    uint64_t now_us = actor->wall_frozen_us > 0 ? actor->wall_frozen_us : world->now_us;
    int64_t wall_us = (int64_t)(EPOCH_S * SIM_S + now_us) + drift_us +
                      actor->clock_offset_s * (int64_t)SIM_S;
    return (struct csn_now){
        .wall_s = (uint64_t)wall_us / SIM_S,
        .mono_ms = mono_ms(world, actor),
    };
}

void sim_set_rate(struct sim_world *world, struct sim_actor *actor, int32_t ppm)
{
    actor->mono_base_ms = mono_ms(world, actor);
    actor->mono_since_us = world->now_us;
    actor->mono_ppm = ppm;
}

void sim_set_clock(struct sim_world *world, struct sim_actor *actor, int64_t offset_s)
{
    sim_log(world, actor, "clock offset %lld s", (long long)offset_s);
    actor->clock_offset_s = offset_s;
}

static void tick(struct sim_world *world, struct sim_task *task)
{
    struct csn_event event = {.kind = CSN_EVENT_TICK};
    sim_after_alive(world, CSN_TICK_MS * SIM_MS, tick, task->actor, NULL);
    sim_step(world, task->actor, &event);
}

static struct csn_record_pair *pairs_of(const struct sim_records *records)
{
    struct csn_record_pair *pairs = csn_calloc(records->count + 1, sizeof(*pairs));
    for (size_t i = 0; i < records->count; i++) {
        pairs[i] = (struct csn_record_pair){csn_buf_view(&records->items[i].key),
                                            csn_buf_view(&records->items[i].value)};
    }
    return pairs;
}

static struct csn_version_name *names_of(const struct sim_world *world, const struct sim_disk *disk)
{
    struct csn_version_name *names = csn_calloc(disk->version_count + 1, sizeof(*names));
    for (size_t i = 0; i < disk->version_count; i++) {
        names[i] =
            (struct csn_version_name){.zone = world->options.zone[disk->versions[i].zone].zone,
                                      .full_root = disk->versions[i].full_root};
    }
    return names;
}

/* What step.h promises after START; in an order of the seed. */
static void tell_inputs(struct sim_world *world, struct sim_actor *actor)
{
    unsigned life = actor->life;
    size_t count = actor->disk.input_count;
    struct sim_input *inputs = csn_calloc(count + 1, sizeof(*inputs));
    if (count > 0) {
        memcpy(inputs, actor->disk.inputs, count * sizeof(*inputs));
    }
    for (size_t i = 0; i < count && actor->is_up && actor->life == life; i++) {
        struct csn_event event = {.kind = CSN_EVENT_INPUT};
        event.input.zone = world->options.zone[inputs[i].zone].zone;
        event.input.id = inputs[i].id;
        event.input.is_confirmed = inputs[i].is_confirmed;
        sim_step(world, actor, &event);
    }
    free(inputs);
}

static void tell_documents(struct sim_world *world, struct sim_actor *actor, unsigned zone)
{
    struct csn_round_zone older = actor->configs[zone];
    unsigned life = actor->life;
    for (unsigned i = 1; i < CSN_DOCUMENTS_KEPT && actor->is_up && actor->life == life; i++) {
        uint32_t policy = actor->configs[zone].policy.number,
                 keyset = actor->configs[zone].keyset.number;
        older.policy = sim_policy_id(zone, policy > i ? policy - i : 1);
        older.keyset = sim_keyset_id(zone, keyset > i ? keyset - i : 1);
        struct csn_event event = {.kind = CSN_EVENT_DOCUMENTS, .documents = &older};
        sim_step(world, actor, &event);
    }
}

static void tell_hsm(struct sim_world *world, struct sim_actor *actor, unsigned zone)
{
    struct csn_event event = {.kind = CSN_EVENT_HSM};
    event.hsm.zone = world->options.zone[zone].zone;
    event.hsm.state = sim_hsm_state(actor);
    sim_step(world, actor, &event);
}

static void start_node(struct sim_world *world, struct sim_actor *actor)
{
    struct csn_record_pair *records = pairs_of(&actor->disk.records),
                           *seconds = pairs_of(&actor->disk.seconds);
    struct csn_version_name *versions = names_of(world, &actor->disk);
    struct csn_event event = {.kind = CSN_EVENT_START};
    unsigned life = actor->life;
    event.start.records = records;
    event.start.record_count = actor->disk.records.count;
    event.start.seconds = seconds;
    event.start.second_count = actor->disk.seconds.count;
    event.start.versions = versions;
    event.start.version_count = actor->disk.version_count;
    event.start.link = actor->has_link ? &world->epochs[actor->epoch - 1].link : NULL;
    actor->node =
        csn_node_new(sim_document(world, actor), actor->number, actor->configs, world->options.zones);
    sim_checker_started(world->checker, actor);
    sim_step(world, actor, &event);
    if (actor->is_up && actor->life == life) {
        sim_show(world, actor);
    }
    for (unsigned zone = 0; zone < world->options.zones; zone++) {
        if (actor->is_up && actor->life == life) {
            tell_documents(world, actor, zone);
        }
        if (actor->is_up && actor->life == life) {
            tell_hsm(world, actor, zone);
        }
    }
    if (actor->is_up && actor->life == life) {
        tell_inputs(world, actor);
    }
    if (actor->is_up && actor->life == life && actor->next_known > actor->epoch) {
        sim_give_next(world, actor);
    }
    free(records);
    free(seconds);
    free(versions);
}

static void start_leader(struct sim_world *world, struct sim_actor *actor)
{
    struct csn_event event = {.kind = CSN_EVENT_START};
    actor->leader =
        csn_leader_new(sim_document(world, actor), actor->number, actor->configs, world->options.zones);
    sim_step(world, actor, &event);
}

void sim_start(struct sim_world *world, struct sim_actor *actor)
{
    if (actor->is_up || (actor->is_node && !sim_is_member(world, actor))) {
        return;
    }
    actor->life++;
    actor->is_up = true;
    actor->is_refused = false;
    actor->standing = SIM_STANDING_BEGINS;
    actor->has_entered = actor->has_left = false;
    actor->mono_since_us = world->now_us;
    actor->frozen_until_us = 0;
    actor->mono_base_ms = sim_between(&world->random, 1000, 10000000);
    sim_log(world, actor, "starts");
    if (actor->is_node && !sim_seam_open(world, actor)) {
        sim_crash(world, actor);
        sim_restart_later(world, actor);
        return;
    }
    sim_after_alive(world, sim_below(&world->random, CSN_TICK_MS * SIM_MS), tick, actor, NULL);
    if (actor->is_node) {
        start_node(world, actor);
    } else {
        start_leader(world, actor);
    }
}

void sim_crash(struct sim_world *world, struct sim_actor *actor)
{
    if (!actor->is_up) {
        return;
    }
    sim_log(world, actor, "crashes");
    actor->is_up = false;
    csn_node_free(actor->node);
    csn_leader_free(actor->leader);
    actor->node = NULL;
    actor->leader = NULL;
    sim_persist_crash(world, actor);
    sim_seam_close(actor);
}

static void restart(struct sim_world *world, struct sim_task *task)
{
    sim_start(world, task->actor);
}

void sim_restart_later(struct sim_world *world, struct sim_actor *actor)
{
    bool is_quick = sim_chance(&world->random, 500000);
    sim_after(world, sim_delay(world, is_quick ? SIM_S / 2 : 30 * SIM_S), restart, actor, NULL);
}

/* --- life of a world */

static void make_cluster(struct sim_world *world)
{
    struct csn_cluster *cluster = &world->cluster;
    const struct sim_options *options = &world->options;
    struct csn_digest id = sim_symbol("cluster", options->seed, 0, 0);
    memcpy(cluster->id, id.octets, sizeof(cluster->id));
    cluster->environment = 1;
    cluster->epoch = 1;
    cluster->digest = sim_symbol("document", options->seed, 0, 0);
    cluster->quorum = (uint8_t)options->quorum;
    cluster->faults = (uint8_t)options->faults;
    cluster->member_count = (uint8_t)(options->sites - options->spare);
    cluster->coordinator_count = (uint8_t)options->coordinators;
    for (unsigned i = 0; i < options->sites - options->spare; i++) {
        struct csn_member *member = &cluster->members[i];
        struct csn_digest key = sim_member_key(world, (uint16_t)(i + 1), 1);
        member->number = (uint16_t)(i + 1);
        member->incarnation = 1;
        member->role = member->number == options->verifier ? CSN_MEMBER_VERIFIER : CSN_MEMBER_SIGNER;
        memcpy(member->key, key.octets, sizeof(member->key));
    }
    cluster->operator_count = 1; /* its orders are handed in as verified ones */
    snprintf(cluster->operators[0].name, sizeof(cluster->operators[0].name), "operator");
    for (unsigned i = 0; i < options->coordinators; i++) {
        struct csn_digest key = sim_symbol("coordinator", options->seed, i, 0);
        cluster->coordinators[i].number = (uint16_t)(i + 1);
        memcpy(cluster->coordinators[i].key, key.octets, sizeof(cluster->coordinators[i].key));
    }
}

static void make_actors(struct sim_world *world)
{
    const struct sim_options *options = &world->options;
    world->actor_count = options->sites + options->coordinators;
    for (unsigned i = 0; i < world->actor_count; i++) {
        struct sim_actor *actor = &world->actors[i];
        bool is_node = i < options->sites;
        bool is_spare = is_node && i >= options->sites - options->spare;
        *actor = (struct sim_actor){.index = i, .is_node = is_node, .disk_factor = 1, .epoch = 1};
        actor->incarnation = is_node && !is_spare ? 1 : 0;
        actor->number = (uint16_t)(is_node ? i + 1 : i + 1 - options->sites);
        actor->is_verifier = is_node && actor->number == options->verifier;
        actor->clock_drift_ppm = (int32_t)sim_below(&world->random, 100) - 50;
        memcpy(actor->configs, options->zone, sizeof(actor->configs));
        for (unsigned zone = 0; zone < SIM_ZONES_MAX; zone++) {
            actor->generation[zone] = 1;
        }
    }
}

static void make_links(struct sim_world *world)
{
    for (unsigned i = 0; i < world->actor_count; i++) {
        for (unsigned k = 0; k < world->actor_count; k++) {
            world->links[i][k].latency_us =
                sim_between(&world->random, 200, world->options.latency_us);
            world->links[i][k].jitter_us = 1 + world->links[i][k].latency_us / 4;
        }
    }
}

struct sim_world *sim_world_new(const struct sim_options *options, FILE *trace)
{
    struct sim_world *world = csn_calloc(1, sizeof(*world));
    REQUIRE(options->sites <= SIM_SITES_MAX && options->coordinators <= SIM_COORDINATORS_MAX);
    world->options = *options;
    world->random.state = options->seed;
    world->hash = sim_mixer("run");
    world->trace = trace;
    make_cluster(world);
    world->epochs[world->epoch_count++].document = world->cluster;
    make_actors(world);
    make_links(world);
    for (unsigned zone = 0; zone < options->zones; zone++) {
        world->policy[zone] = world->keyset[zone] = world->generation[zone] = 1;
    }
    world->checker = sim_checker_new(world);
    world->secondaries = sim_secondaries_new(world);
    return world;
}

void sim_world_free(struct sim_world *take_world)
{
    take_world->trace = NULL;
    for (unsigned i = 0; i < take_world->actor_count; i++) {
        struct sim_actor *actor = &take_world->actors[i];
        sim_crash(take_world, actor);
        free(actor->persists);
        csn_effects_fini(&actor->effects);
        sim_disk_fini(&actor->disk);
        csn_buf_fini(&actor->shown);
        if (actor->backup != NULL) {
            sim_disk_fini(actor->backup);
            free(actor->backup);
        }
        sim_seam_free(actor);
    }
    while (take_world->task_count > 0) {
        task_free(pop(take_world));
    }
    free(take_world->heap);
    sim_checker_free(take_world->checker);
    sim_secondaries_free(take_world->secondaries);
    free(take_world);
}
