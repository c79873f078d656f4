/* HSMs: slow, dead, signing wrongly, and the canary that finds it; and completions. */
#include "sim/world.h"

static void tell_completion(struct sim_world *world, struct sim_task *task)
{
    sim_step(world, task->actor, task->data);
}

void sim_complete(struct sim_world *world, struct sim_actor *actor, uint64_t delay_us,
                  const struct csn_event *event)
{
    struct csn_event *copy = csn_alloc(sizeof(*copy));
    *copy = *event;
    sim_after_alive(world, delay_us, tell_completion, actor, copy);
}

void sim_finish(struct sim_world *world, struct sim_actor *actor, const struct csn_event *event)
{
    sim_complete(world, actor, sim_delay(world, 2 * SIM_MS), event);
}

enum csn_hsm_state sim_hsm_state(const struct sim_actor *actor)
{
    bool is_bad = actor->hsm_seen != SIM_HSM_GOOD && actor->hsm_seen != SIM_HSM_IS_SLOW;
    return actor->is_verifier ? CSN_HSM_ABSENT : is_bad ? CSN_HSM_BAD : CSN_HSM_GOOD;
}

static void canary(struct sim_world *world, struct sim_task *task)
{
    struct sim_actor *actor = task->actor;
    actor->hsm_seen = actor->hsm;
    for (unsigned zone = 0; zone < world->options.zones && actor->is_up; zone++) {
        struct csn_event event = {.kind = CSN_EVENT_HSM};
        event.hsm.zone = world->options.zone[zone].zone;
        event.hsm.state = sim_hsm_state(actor);
        sim_step(world, actor, &event);
    }
}

void sim_set_hsm(struct sim_world *world, struct sim_actor *actor, enum sim_hsm_mode mode)
{
    sim_log(world, actor, "HSM mode %d", (int)mode);
    actor->hsm = mode;
    uint64_t most_us = mode == SIM_HSM_HAS_OTHER_KEY ? SIM_MS : 10 * SIM_S;
    sim_after(world, sim_delay(world, most_us), canary, actor, NULL);
}

void sim_prove(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    (void)effect;
    if (actor->hsm != actor->hsm_seen) {
        sim_after(world, sim_delay(world, world->options.sign_us), canary, actor, NULL);
    }
}
