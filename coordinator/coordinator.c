#include "coordinator.h"

#include "base/process.h"
#include "config/round_zone.h"
#include "coordinator_status.h"
#include "trace.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct csn_now csn_coordinator_now(void)
{
    struct timespec wall, mono;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &mono);
    return (struct csn_now){.wall_s = (uint64_t)wall.tv_sec,
                            .mono_ms = (uint64_t)mono.tv_sec * 1000 + (uint64_t)mono.tv_nsec / 1000000};
}

static enum csn_level level_of(uint8_t what)
{
    switch (what) {
    case CSN_TRACE_PROPOSED:
    case CSN_TRACE_REPROPOSED:
        return CSN_INFO;
    case CSN_TRACE_ABANDONED:
    case CSN_TRACE_AUTHOR_OUT:
    case CSN_TRACE_NO_AUTHORS:
    case CSN_TRACE_NO_AGREEABLE_SET:
    case CSN_TRACE_SERIAL_JUMP: /* L3: else an alarm */
        return CSN_WARNING;
    default:
        return CSN_DEBUG;
    }
}

static void say_move(struct csn_coordinator *coordinator, const struct csn_trace *move)
{
    static const char *const words[CSN_LEADER_RESTING + 1][CSN_LEADER_RESTING + 1] = {
        [CSN_LEADER_LISTENING] = {[CSN_LEADER_ASKING] = "hears enough sites: asks to lead, and stands by while another does"},
        [CSN_LEADER_ASKING] = {[CSN_LEADER_ASKING] = "another leads or asks: stands by, and asks on",
                               [CSN_LEADER_LEADING] = "leads: enough sites follow",
                               [CSN_LEADER_LISTENING] = "hears too few sites to ask"},
        [CSN_LEADER_LEADING] = {[CSN_LEADER_ASKING] = "leads no more, or calls back a site that follows another: asks again",
                                [CSN_LEADER_RESTING] = "leads no more: hears too few sites, or its rounds failed; rests"},
        [CSN_LEADER_RESTING] = {[CSN_LEADER_LISTENING] = "has rested: listens"}};
    const char *text = words[move->from][move->to];
    csn_log(&coordinator->log, CSN_INFO, "coordinator.move", "term %" PRIu64 ": %s", move->round.term.counter, text);
}

static void trace(struct csn_coordinator *coordinator, const struct csn_effect *effect)
{
    char zone[CSN_NAME_TEXT_MAX], text[CSN_TRACE_TEXT_SIZE];
    if (effect->trace.what == CSN_TRACE_LEADER) {
        say_move(coordinator, &effect->trace);
    }
    csn_name_text(effect->zone, zone);
    csn_trace_write(&effect->trace, zone, text);
    csn_log(&coordinator->log, level_of(effect->trace.what), "trace", "%s", text);
}

static void send_statement(struct csn_coordinator *coordinator, const struct csn_effect *effect)
{
    struct csn_mesh_statement statement;
    int code = csn_mesh_sign(coordinator->mesh, effect->send.kind, effect->send.body, &statement);
    if (code != CSN_OK) {
        csn_log(&coordinator->log, CSN_ERROR, "mesh.sign", "a %s cannot be signed: %s", csn_statement_text(effect->send.kind),
                csn_error_text(code));
        return;
    }
    csn_mesh_send(coordinator->mesh, &statement);
}

static void execute(struct csn_coordinator *coordinator, const struct csn_effect *effect)
{
    switch (effect->kind) {
    case CSN_EFFECT_SEND:
        send_statement(coordinator, effect);
        break;
    case CSN_EFFECT_CERTIFICATE:
        csn_mesh_send_certificate(coordinator->mesh, effect->certificate);
        break;
    case CSN_EFFECT_TRACE:
        trace(coordinator, effect);
        break;
    case CSN_EFFECT_COUNT:
        csn_dropped_count(&coordinator->dropped, effect->count, coordinator->config->cluster_path, &coordinator->log);
        break;
    default:
        INSIST(effect->kind == CSN_EFFECT_SEND); /* a leader has no other effects */
    }
}

static void step(struct csn_coordinator *coordinator, struct csn_event *event)
{
    struct csn_effects effects = {0};
    INSIST(!coordinator->is_stepping);
    coordinator->is_stepping = true;
    event->now = csn_coordinator_now();
    csn_leader_step(coordinator->core, event, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        execute(coordinator, effects.items[i]);
    }
    csn_effects_fini(&effects);
    coordinator->is_stepping = false;
}

static void on_statement(void *arg, const struct csn_mesh_statement *statement)
{
    struct csn_coordinator *coordinator = arg;
    if (statement->kind == CSN_STATEMENT_REPORT || statement->kind == CSN_STATEMENT_PROMISE) {
        csn_coordinator_heard(coordinator, statement->signer.number, statement->body);
    }
    struct csn_event event = csn_mesh_event(statement);
    step(coordinator, &event);
}

static void on_certificate(void *arg, struct csn_bytes octets)
{
    struct csn_coordinator *coordinator = arg;
    struct csn_certificate certificate;
    struct csn_reason reason = {"malformed"};
    if (csn_certificate_decode(octets, &certificate) != CSN_OK ||
        csn_chain_check_certificate(&coordinator->epochs.chain, &certificate, &reason) != CSN_OK) {
        if (coordinator->bad_certificates++ == 0) {
            csn_log(&coordinator->log, CSN_WARNING, "certificate.bad", "a certificate was dropped (others will be counted only): %s",
                    reason.text);
        }
        return;
    }
    struct csn_event event = {.kind = CSN_EVENT_CERTIFICATE, .certificate = {.certificate = &certificate, .octets = octets}};
    step(coordinator, &event);
}

/* The mesh's library waits for ever; a coordinator keeps nothing. */
static void on_stuck(void *arg)
{
    struct csn_coordinator *coordinator = arg;
    csn_process_again(coordinator->argv);
}

static void on_tick(uv_timer_t *timer)
{
    struct csn_event event = {.kind = CSN_EVENT_TICK};
    csn_coordinator_status_tick(timer->data);
    csn_coordinator_epochs_tick(timer->data);
    step(timer->data, &event);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct csn_coordinator *coordinator = handle->data;
    csn_log(&coordinator->log, CSN_INFO, "coordinator.stop", "signal %d", number);
    _Exit(0);
}

static void make_core(struct csn_coordinator *coordinator)
{
    const struct csn_coordinator_config *config = coordinator->config;
    struct csn_round_zone *zones = csn_calloc(config->zone_count, sizeof(zones[0]));
    uint64_t now_s = csn_coordinator_now().wall_s;
    for (size_t i = 0; i < config->zone_count; i++) {
        const struct csn_coordinator_zone *zone = &config->zones[i];
        zones[i] = csn_round_zone_of(zone->zone, &zone->policy, &zone->keyset, now_s);
    }
    coordinator->core = csn_leader_new(&config->cluster, config->self->number, zones, config->zone_count);
    free(zones);
}

static int open_mesh(struct csn_coordinator *coordinator, struct csn_reason *reason)
{
    const struct csn_coordinator_config *config = coordinator->config;
    int code = csn_identity_load(config->identity.key, &coordinator->key, reason);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_mesh_settings settings = {
        .loop = coordinator->loop,
        .log = &coordinator->log,
        .cluster = &config->cluster,
        .key = coordinator->key,
        .self = {.number = config->self->number, .incarnation = 0},
        .tls_path = config->identity.tls,
        .ca_path = config->identity.ca,
        .is_alone = true,
        .callbacks = {.arg = coordinator, .on_statement = on_statement, .on_certificate = on_certificate, .on_stuck = on_stuck}};
    return csn_mesh_new(&settings, &coordinator->mesh, reason);
}

static void start_timers(struct csn_coordinator *coordinator)
{
    uv_timer_init(coordinator->loop, &coordinator->tick);
    uv_signal_init(coordinator->loop, &coordinator->terminate);
    uv_signal_init(coordinator->loop, &coordinator->interrupt);
    coordinator->tick.data = coordinator->terminate.data = coordinator->interrupt.data = coordinator;
    uv_timer_start(&coordinator->tick, on_tick, CSN_TICK_MS, CSN_TICK_MS);
    uv_signal_start(&coordinator->terminate, on_signal, SIGTERM);
    uv_signal_start(&coordinator->interrupt, on_signal, SIGINT);
}

int csn_coordinator_start(struct csn_coordinator *coordinator, uv_loop_t *loop, const struct csn_coordinator_config *config,
                          struct csn_reason *reason)
{
    coordinator->loop = loop;
    coordinator->config = config;
    make_core(coordinator);
    coordinator->stale = csn_calloc(config->zone_count, sizeof(coordinator->stale[0]));
    coordinator->started_ms = csn_coordinator_now().mono_ms;
    int code = csn_coordinator_status_start(coordinator, reason);
    if (code == CSN_OK) {
        code = open_mesh(coordinator, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    struct csn_event event = {.kind = CSN_EVENT_START};
    step(coordinator, &event);
    start_timers(coordinator);
    csn_log(&coordinator->log, CSN_INFO, "coordinator.start", "coordinator %s with %zu zones", config->name, config->zone_count);
    for (size_t i = 0; i < config->zone_count; i++) {
        char name[CSN_NAME_TEXT_MAX];
        csn_name_text(config->zones[i].zone, name);
        csn_log(&coordinator->log, CSN_INFO, "zone.start", "zone %s: policy %" PRIu32 ", key set %" PRIu32, name,
                config->zones[i].policy.version.number, config->zones[i].keyset.version.number);
    }
    return CSN_OK;
}
