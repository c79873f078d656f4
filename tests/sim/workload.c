#include "sim/workload.h"

#include "sim/seam.h"

#define GATE_OF_GARBAGE 1
#define GATE_OF_PARKED 4

/* --- inputs */

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

/* Under way still when the last was issued, and above it: of a generation before, but it would be read as one of this. */
static bool is_above_last(const struct sim_world *world, const struct arrival *arrival)
{
    return world->is_last_input && arrival->serial > world->inputs[arrival->zone].serial;
}

static void arrive(struct sim_world *world, struct sim_task *task)
{
    const struct arrival *arrival = task->data;
    struct sim_actor *actor = task->actor;
    unsigned zone = arrival->zone;
    if (arrival->serial == world->retracted[zone] || is_above_last(world, arrival)) {
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
void sim_issue_next(struct sim_world *world, unsigned zone)
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
        sim_issue_next(world, zone);
        if (sim_draw(world, SIM_INPUT_RETRACTED)) {
            sim_after(world, sim_delay(world, SIM_S), retract, NULL, NULL)->number = zone;
        }
        sim_after(world, sim_delay(world, 2 * world->options.input_us), issue_inputs, NULL, NULL)
            ->number = zone;
    }
}

/* --- documents */

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

void sim_workload_begin(struct sim_world *world)
{
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
}
