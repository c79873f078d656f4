/* The shell: one step, then its effects in their order, as step.h promises the machines. */
#include "sim/world.h"

#include "sim/checker.h"
#include "sim/epochs.h"
#include "sim/seam.h"
#include "sim/secondaries.h"

static void cover(struct sim_world *world, const struct csn_trace *trace)
{
    struct sim_stats *stats = &world->stats;
    stats->traces[trace->what]++;
    if (trace->what == CSN_TRACE_WORK) {
        stats->work[trace->from][trace->to]++;
    } else if (trace->what == CSN_TRACE_ADOPT) {
        stats->adopt[trace->from][trace->to]++;
    } else if (trace->what == CSN_TRACE_LEADER) {
        stats->leader[trace->from][trace->to]++;
    } else if (trace->what == CSN_TRACE_REFUSED) {
        stats->refused[trace->test]++;
    } else if (trace->what == CSN_TRACE_ABANDONED) {
        stats->ends[trace->number]++;
    }
}

static void log_trace(struct sim_world *world, const struct sim_actor *actor,
                      const struct csn_effect *effect)
{
    const struct csn_trace *trace = &effect->trace;
    char text[17];
    const char *words = "";
    if (world->trace == NULL) {
        return;
    }
    if (trace->what == CSN_TRACE_REFUSED) {
        words = csn_test_text(trace->test);
    } else if (trace->what == CSN_TRACE_ABANDONED) {
        words = csn_round_end_text((enum csn_round_end)trace->number);
    } else if (trace->what == CSN_TRACE_WORK) {
        words = csn_work_text((enum csn_work_state)trace->to);
    } else if (trace->what == CSN_TRACE_ADOPT) {
        words = csn_adopt_text((enum csn_adopt_state)trace->to);
    } else if (trace->what == CSN_TRACE_LEADER) {
        words = csn_leader_text((enum csn_leader_state)trace->to);
    }
    sim_log(world, actor, "%s %.2s round %llu.%u.%u %s number %llu site %u %s",
            csn_trace_text((enum csn_trace_kind)trace->what),
            effect->zone[0] ? (const char *)effect->zone + 1 : "-",
            (unsigned long long)trace->round.term.counter, trace->round.term.coordinator,
            trace->round.seq, sim_hex(trace->digest.octets, text),
            (unsigned long long)trace->number, trace->site, words);
}

static void log_effect(struct sim_world *world, const struct sim_actor *actor,
                       const struct csn_effect *effect)
{
    static const char *const names[] = {
        [CSN_EFFECT_COMPUTE] = "COMPUTE",
        [CSN_EFFECT_SIGN] = "SIGN",
        [CSN_EFFECT_PROVE] = "PROVE",
        [CSN_EFFECT_FETCH] = "FETCH",
        [CSN_EFFECT_STAGE] = "STAGE",
        [CSN_EFFECT_RELEASE] = "RELEASE",
        [CSN_EFFECT_CANCEL] = "CANCEL",
        [CSN_EFFECT_PERSIST] = "PERSIST",
        [CSN_EFFECT_SEND] = "SEND",
        [CSN_EFFECT_FORWARD] = "FORWARD",
        [CSN_EFFECT_ORDER] = "ORDER",
        [CSN_EFFECT_REFUSED] = "REFUSED",
        [CSN_EFFECT_CERTIFICATE] = "CERTIFICATE",
        [CSN_EFFECT_SERVE] = "SERVE",
        [CSN_EFFECT_DELETE_VERSION] = "DELETE_VERSION",
        [CSN_EFFECT_DELETE_INPUT] = "DELETE_INPUT",
        [CSN_EFFECT_EPOCH] = "EPOCH",
        [CSN_EFFECT_TRACE] = "TRACE",
        [CSN_EFFECT_COUNT] = "COUNT",
    };
    if (world->trace == NULL) {
        return;
    }
    if (effect->kind == CSN_EFFECT_SEND) {
        enum csn_statement_kind kind = effect->send.kind;
        if (kind != CSN_STATEMENT_REPORT && kind != CSN_STATEMENT_LEAD) {
            sim_log(world, actor, "SEND %s", csn_statement_text(kind));
        }
    } else if (effect->kind == CSN_EFFECT_PERSIST) {
        sim_log(world, actor, "PERSIST %llu%s", (unsigned long long)effect->persist.id,
                effect->persist.second.key.data != NULL ? " copied" : "");
    } else if (effect->kind == CSN_EFFECT_FETCH) {
        sim_log(world, actor, "FETCH %d corr %llu", (int)effect->fetch.object,
                (unsigned long long)effect->corr);
    } else if (effect->kind == CSN_EFFECT_COUNT) {
        sim_log(world, actor, "count %s", csn_count_text((enum csn_count_reason)effect->count));
    } else if (effect->kind == CSN_EFFECT_TRACE) {
        log_trace(world, actor, effect);
    } else {
        sim_log(world, actor, "%s corr %llu", names[effect->kind],
                (unsigned long long)effect->corr);
    }
}

static void hash_effect(struct sim_world *world, const struct csn_effect *effect)
{
    sim_mix_u64(&world->hash, (uint64_t)effect->kind << 32 | (uint32_t)effect->corr);
    if (effect->kind == CSN_EFFECT_SEND) {
        sim_mix(&world->hash, effect->send.body.data, effect->send.body.size);
    } else if (effect->kind == CSN_EFFECT_CERTIFICATE) {
        sim_mix(&world->hash, effect->certificate.data, effect->certificate.size);
    } else if (effect->kind == CSN_EFFECT_PERSIST) {
        for (size_t i = 0; i < effect->persist.write_count; i++) {
            sim_mix(&world->hash, effect->persist.writes[i].value.data,
                    effect->persist.writes[i].value.size);
        }
    } else if (effect->kind == CSN_EFFECT_TRACE) {
        sim_mix_u64(&world->hash, (uint64_t)effect->trace.what << 16 |
                                      (uint64_t)effect->trace.from << 8 | effect->trace.to);
        sim_mix_u64(&world->hash, effect->trace.number);
    }
}

/* Of the second copies the checker wants those of votes. */
static struct csn_bytes second_hold(const struct csn_effect *effect)
{
    const struct csn_record_pair *second = &effect->persist.second;
    bool is_hold = second->key.size > 1 && second->key.data[1] == 'H';
    return is_hold ? second->value : csn_bytes(NULL, 0);
}

static void execute(struct sim_world *world, struct sim_actor *actor,
                    const struct csn_effect *effect)
{
    unsigned zone = sim_zone_index(world, effect->zone);
    switch (effect->kind) {
    case CSN_EFFECT_COMPUTE:
        sim_compute(world, actor, effect);
        break;
    case CSN_EFFECT_SIGN:
        sim_sign_share(world, actor, effect);
        break;
    case CSN_EFFECT_PROVE:
        sim_prove(world, actor, effect);
        break;
    case CSN_EFFECT_FETCH:
        sim_fetch(world, actor, effect);
        break;
    case CSN_EFFECT_STAGE:
        sim_stage(world, actor, effect);
        break;
    case CSN_EFFECT_RELEASE:
        sim_release(world, actor, effect);
        break;
    case CSN_EFFECT_CANCEL: /* completions of cancelled corrs come all the same: the machine must
                               drop them */
    case CSN_EFFECT_COUNT:
        break;
    case CSN_EFFECT_PERSIST:
        sim_checker_persist(world->checker, actor, second_hold(effect));
        sim_persist_begin(world, actor, effect);
        break;
    case CSN_EFFECT_SEND:
        sim_broadcast_statement(world, actor, effect->send.kind, effect->send.body);
        break;
    case CSN_EFFECT_FORWARD:
        sim_forward(world, actor, effect);
        break;
    case CSN_EFFECT_ORDER:
        sim_obey(world, actor, &effect->order.order);
        break;
    case CSN_EFFECT_REFUSED:
        break;
    case CSN_EFFECT_EPOCH:
        sim_begin_epoch(world, actor, effect);
        break;
    case CSN_EFFECT_CERTIFICATE:
        sim_checker_certificate(world->checker, actor, effect->certificate);
        sim_broadcast_certificate(world, actor, effect->certificate);
        break;
    case CSN_EFFECT_SERVE:
        world->stats.served++;
        sim_checker_serve(world->checker, actor, effect->release.octets);
        sim_secondaries_serve(world->secondaries, actor, effect->release.octets);
        sim_look_due(world, actor, effect);
        break;
    case CSN_EFFECT_DELETE_VERSION:
        sim_checker_delete_version(world->checker, actor, zone, &effect->version);
        sim_seam_delete_version(world, actor, zone, &effect->version);
        break;
    case CSN_EFFECT_DELETE_INPUT:
        sim_seam_delete_input(world, actor, zone, &effect->input);
        break;
    case CSN_EFFECT_TRACE:
        cover(world, &effect->trace);
        if (effect->trace.what == CSN_TRACE_DIVERGED) {
            sim_seam_diverged(world, actor, zone, &effect->trace.digest);
        }
        break;
    }
}

static void hash_event(struct sim_world *world, const struct sim_actor *actor,
                       const struct csn_event *event)
{
    sim_mix_u64(&world->hash, world->now_us);
    sim_mix_u64(&world->hash, (uint64_t)actor->index << 32 | (uint32_t)event->kind);
    sim_mix_u64(&world->hash, event->corr);
}

/* A crash may come between any two effects. */
static bool is_crashing(struct sim_world *world, struct sim_actor *actor, size_t done)
{
    return done > 0 && actor->is_up && sim_draw(world, SIM_CRASH_INSIDE);
}

void sim_step(struct sim_world *world, struct sim_actor *actor, struct csn_event *event)
{
    struct csn_effects *effects = &actor->effects;
    event->now = sim_now(world, actor);
    csn_effects_clear(effects);
    world->stats.steps++;
    hash_event(world, actor, event);
    if (actor->is_node) {
        if (event->kind == CSN_EVENT_CERTIFICATE) {
            sim_checker_certificate(world->checker, actor, event->certificate.octets);
        }
        csn_node_step(actor->node, event, effects);
        sim_look_standing(world, actor);
    } else {
        csn_leader_step(actor->leader, event, effects);
    }
    for (size_t i = 0; i < effects->count && !world->has_failed; i++) {
        if (effects->items[i]->kind != CSN_EFFECT_TRACE && is_crashing(world, actor, i)) {
            sim_crash(world, actor);
            sim_restart_later(world, actor);
            return;
        }
        log_effect(world, actor, effects->items[i]);
        hash_effect(world, effects->items[i]);
        execute(world, actor, effects->items[i]);
        if (!actor->is_up) {
            return; /* its disk has ended the process */
        }
    }
    sim_checker_stepped(world->checker);
}
