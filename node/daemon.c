#include "daemon.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/process.h"
#include "bulk.h"
#include "diff.h"
#include "fetch.h"
#include "job.h"
#include "kept/inputs.h"
#include "keyring.h"
#include "orders.h"
#include "persist.h"
#include "quarantine.h"
#include "refusal.h"
#include "refused.h"
#include "release.h"
#include "restore.h"
#include "status.h"
#include "trace.h"
#include "transfer.h"
#include "trees.h"
#include "work.h"

/* An own statement that goes back to the core as everyone else hears it. */
struct csn_looped {
    struct csn_looped *next; /* owns */
    enum csn_statement_kind kind;
    struct csn_buf body;
    uint8_t signature[CSN_SIGNATURE_SIZE];
};

struct csn_now csn_daemon_now(const struct csn_daemon *daemon)
{
    (void)daemon;
    struct timespec wall, mono;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &mono);
    return (struct csn_now){.wall_s = (uint64_t)wall.tv_sec,
                            .mono_ms = (uint64_t)mono.tv_sec * 1000 + (uint64_t)mono.tv_nsec / 1000000};
}

void csn_daemon_die(struct csn_daemon *daemon, int code, const char *what)
{
    csn_unwritable_begin_again(daemon, code, what);
}

void csn_daemon_begin_again(struct csn_daemon *daemon)
{
    csn_quarantine_end(daemon->quarantine);
    csn_process_again(daemon->argv);
}

struct csn_zone_shell *csn_daemon_zone(struct csn_daemon *daemon, const uint8_t *zone)
{
    size_t place = csn_name_map_find(&daemon->names, zone);
    return place != CSN_NAME_MAP_NONE ? &daemon->zones[place] : NULL;
}

struct csn_input *csn_shell_input(const struct csn_zone_shell *zone, const struct csn_digest *prepared)
{
    for (size_t i = 0; i < CSN_INPUTS_CACHED && zone->inputs[i] != NULL; i++) {
        if (csn_digest_equal(&zone->inputs[i]->prepared, prepared)) {
            return zone->inputs[i];
        }
    }
    return NULL;
}

void csn_shell_keep_input(struct csn_zone_shell *zone, struct csn_input *input)
{
    if (csn_shell_input(zone, &input->prepared) != NULL) {
        return;
    }
    csn_input_unref(zone->inputs[CSN_INPUTS_CACHED - 1]);
    memmove(&zone->inputs[1], &zone->inputs[0], (CSN_INPUTS_CACHED - 1) * sizeof(zone->inputs[0]));
    zone->inputs[0] = csn_input_ref(input);
}

/* --- work in threads */

#define BIG_RECORDS 1000    /* from here on a job on the zone is too long to stand before others' */
#define SLICE_RECORDS 4000  /* of a part, about: a second of verifying */
#define PARTS_MAX 64
#define THREADS_FOR_SMALL 14 /* beside the lane's: most wait for the disk, and those that do share a sync */

static bool is_big(const struct csn_zone_shell *zone)
{
    return zone->records > BIG_RECORDS;
}

struct csn_lane *csn_shell_lane(struct csn_zone_shell *zone)
{
    return is_big(zone) ? &zone->daemon->lane : NULL;
}

unsigned csn_shell_parts(const struct csn_zone_shell *zone)
{
    uint64_t slices = zone->records / SLICE_RECORDS;
    unsigned least = is_big(zone) ? zone->daemon->cores : 1;
    return slices < least ? least : slices < PARTS_MAX ? (unsigned)slices : PARTS_MAX;
}

void csn_shell_run(struct csn_zone_shell *zone, unsigned parts, csn_job_part_fn *work, csn_job_done_fn *done, void *arg)
{
    csn_job_run_in(csn_shell_lane(zone), zone->daemon->loop, parts, work, done, arg);
}

/* Before the first job: libuv reads the number once. */
static void open_lane(struct csn_daemon *daemon)
{
    char count[16];
    daemon->cores = uv_available_parallelism();
    snprintf(count, sizeof(count), "%u", daemon->cores + THREADS_FOR_SMALL);
    uv_os_setenv("UV_THREADPOOL_SIZE", count);
    csn_lane_init(&daemon->lane, daemon->cores);
}

/* --- effects */

/* Signs, sends to all, and queues it for this node's own core. */
static void send_statement(struct csn_daemon *daemon, const struct csn_effect *effect)
{
    struct csn_mesh_statement statement;
    if (csn_mesh_sign(daemon->mesh, effect->send.kind, effect->send.body, &statement) != CSN_OK) {
        csn_log(&daemon->log, CSN_ERROR, "mesh.sign", "a %s cannot be signed with the site key",
                csn_statement_text(effect->send.kind));
        return;
    }
    if (effect->send.kind == CSN_STATEMENT_HELD) {
        csn_log(&daemon->log, CSN_DEBUG, "trace.held", "a vote leaves");
    }
    csn_mesh_send(daemon->mesh, &statement);
    struct csn_looped *looped = csn_calloc(1, sizeof(*looped));
    looped->kind = statement.kind;
    csn_buf_put_bytes(&looped->body, effect->send.body);
    memcpy(looped->signature, statement.signature, sizeof(looped->signature));
    *daemon->looped_end = looped;
    daemon->looped_end = &looped->next;
}

/* Another's, as it came: an operator's order. */
static void forward(struct csn_daemon *daemon, const struct csn_effect *effect)
{
    struct csn_mesh_statement statement = {.kind = effect->forward.kind,
                                           .signer = {.number = effect->forward.signer,
                                                      .incarnation = effect->forward.incarnation},
                                           .body = effect->forward.body};
    memcpy(statement.signature, effect->forward.signature, sizeof(statement.signature));
    csn_mesh_send(daemon->mesh, &statement);
}

/* Every refusal names the rule and both values (R2, R4). */
static void log_refusal(struct csn_daemon *daemon, const struct csn_zone_shell *zone)
{
    struct csn_node_zone_status core;
    char text[CSN_REFUSAL_TEXT_SIZE];
    csn_node_get_zone(daemon->core, (size_t)(zone - daemon->zones), csn_daemon_now(daemon), &core);
    csn_refusal_write(&core.refusal, text);
    csn_log(&daemon->log, CSN_WARNING, "round.refused", "zone %s: %s", zone->name, text);
}

/* R6: a promise to a coordinator is to follow it. */
static void say_promise(struct csn_daemon *daemon, struct csn_term term)
{
    const struct csn_coordinator_id *leader = csn_cluster_coordinator(&daemon->config->cluster, term.coordinator);
    csn_log(&daemon->log, CSN_INFO, "leader.follow", "follows %s from term %" PRIu64 " on", leader != NULL ? leader->name : "?",
            term.counter);
}

static void trace(struct csn_daemon *daemon, const struct csn_effect *effect)
{
    struct csn_zone_shell *zone = csn_daemon_zone(daemon, effect->zone);
    bool is_loud = effect->trace.what == CSN_TRACE_DIVERGED || effect->trace.what == CSN_TRACE_HALTED ||
                   effect->trace.what == CSN_TRACE_HOLDS_MANY;
    char text[CSN_TRACE_TEXT_SIZE];
    csn_trace_write(&effect->trace, zone ? zone->name : NULL, text);
    csn_log(&daemon->log, is_loud ? CSN_WARNING : CSN_DEBUG, "trace", "%s", text);
    if (effect->trace.what == CSN_TRACE_PROMISED) {
        say_promise(daemon, effect->trace.round.term);
    }
    if (effect->trace.what == CSN_TRACE_REFUSED && zone != NULL) {
        log_refusal(daemon, zone);
        if (effect->trace.test == CSN_TEST_DIVERGED) {
            csn_diff_refused(zone, &effect->trace.digest);
        }
    }
    if (effect->trace.what == CSN_TRACE_REJOINED && zone != NULL) {
        csn_diff_rejoined(zone);
    }
    if (effect->trace.what == CSN_TRACE_DIVERGED && zone != NULL) {
        char classes[5];
        csn_classes_text((uint8_t)effect->trace.number, classes);
        csn_log(&daemon->log, CSN_ERROR, "site.diverged",
                "zone %s: this site computed other content than a quorum (class %s); it serves the certified version and authors "
                "nothing until it agrees again; what differs follows when it is found (diff.report)",
                zone->name, classes);
        csn_diff_diverged(zone, (uint8_t)effect->trace.number);
    }
}

struct doomed {
    struct csn_daemon *daemon; /* borrows */
    enum csn_table_kind kind;
    uint8_t zone[CSN_NAME_MAX];
    struct csn_digest name;
    int code;
};

static void delete_work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct doomed *doomed = arg;
    doomed->code = csn_table_delete(doomed->daemon->store, doomed->kind, doomed->zone, &doomed->name);
}

static void delete_done(void *arg)
{
    struct doomed *doomed = arg;
    if (doomed->code == CSN_EIO || doomed->code == CSN_EFULL) {
        csn_daemon_die(doomed->daemon, doomed->code, "an old version cannot be deleted");
    }
    free(doomed);
}

static void delete_table(struct csn_zone_shell *zone, enum csn_table_kind kind, const struct csn_digest *name)
{
    struct doomed *doomed = csn_calloc(1, sizeof(*doomed));
    doomed->daemon = zone->daemon;
    doomed->kind = kind;
    memcpy(doomed->zone, zone->config->zone, sizeof(doomed->zone));
    doomed->name = *name;
    csn_shell_run(zone, 1, delete_work, delete_done, doomed);
}

static void execute_zone(struct csn_zone_shell *zone, const struct csn_effect *effect)
{
    switch (effect->kind) {
    case CSN_EFFECT_COMPUTE:
        csn_work_compute(zone, effect);
        break;
    case CSN_EFFECT_SIGN:
        csn_work_sign(zone, effect);
        break;
    case CSN_EFFECT_PROVE:
        csn_work_prove(zone, effect);
        break;
    case CSN_EFFECT_STAGE:
        csn_work_stage(zone, effect);
        break;
    case CSN_EFFECT_FETCH:
        csn_fetch(zone, effect);
        break;
    case CSN_EFFECT_RELEASE:
        csn_release_check(zone, effect);
        break;
    case CSN_EFFECT_SERVE:
        csn_release_serve(zone, effect);
        break;
    case CSN_EFFECT_DELETE_VERSION:
        delete_table(zone, CSN_TABLE_VERSION, &effect->version);
        break;
    case CSN_EFFECT_DELETE_INPUT:
        delete_table(zone, CSN_TABLE_INPUT, &effect->input);
        break;
    default:
        break;
    }
}

static void execute(struct csn_daemon *daemon, const struct csn_effect *effect)
{
    if (effect->kind == CSN_EFFECT_FETCH && effect->fetch.object == CSN_OBJECT_FLOORS) { /* of no zone */
        csn_epochs_fetch_floors(daemon, effect);
        return;
    }
    switch (effect->kind) {
    case CSN_EFFECT_PERSIST:
        if (daemon->unwritable.is_set) { /* the core is told at the end of its start, and is mute from then on */
            daemon->unwritable.refused_write = daemon->unwritable.refused_write ? daemon->unwritable.refused_write : effect->persist.id;
            break;
        }
        csn_log(&daemon->log, CSN_DEBUG, "trace.persist", "write %" PRIu64 " begins", effect->persist.id);
        csn_persister_add(daemon->persister, effect);
        break;
    case CSN_EFFECT_SEND:
        send_statement(daemon, effect);
        break;
    case CSN_EFFECT_FORWARD:
        forward(daemon, effect);
        break;
    case CSN_EFFECT_EPOCH:
        csn_epochs_begun(daemon, effect);
        break;
    case CSN_EFFECT_ORDER:
        csn_orders_obey(daemon, &effect->order);
        break;
    case CSN_EFFECT_REFUSED:
        csn_refused_heard(daemon, effect);
        break;
    case CSN_EFFECT_CERTIFICATE:
        csn_mesh_send_certificate(daemon->mesh, effect->certificate);
        break;
    case CSN_EFFECT_TRACE:
        trace(daemon, effect);
        break;
    case CSN_EFFECT_COUNT:
        csn_dropped_count(&daemon->dropped, effect->count, daemon->config->cluster_path, &daemon->log);
        break;
    case CSN_EFFECT_CANCEL: /* completions nobody waits for are dropped by the core */
        break;
    default: {
        struct csn_zone_shell *zone = csn_daemon_zone(daemon, effect->zone);
        INSIST(zone != NULL);
        execute_zone(zone, effect);
    }
    }
}

static void step(struct csn_daemon *daemon, struct csn_event *event)
{
    struct csn_effects effects = {0};
    INSIST(!daemon->is_stepping);
    daemon->is_stepping = true;
    event->now = csn_daemon_now(daemon);
    csn_node_step(daemon->core, event, &effects);
    for (size_t i = 0; i < effects.count; i++) {
        execute(daemon, effects.items[i]);
    }
    csn_effects_fini(&effects);
    daemon->is_stepping = false;
}

void csn_daemon_event(struct csn_daemon *daemon, struct csn_event *event)
{
    step(daemon, event);
    while (daemon->looped != NULL) {
        struct csn_looped *looped = daemon->looped;
        daemon->looped = looped->next;
        if (daemon->looped == NULL) {
            daemon->looped_end = &daemon->looped;
        }
        struct csn_event own = {.kind = CSN_EVENT_STATEMENT,
                                .statement = {.kind = looped->kind,
                                              .signer = daemon->config->member->number,
                                              .incarnation = daemon->config->member->incarnation,
                                              .body = csn_buf_view(&looped->body),
                                              .signature = looped->signature}};
        step(daemon, &own);
        csn_buf_fini(&looped->body);
        free(looped);
    }
}

/* --- what the parts report */

static void on_persisted(void *arg, uint64_t id, int code)
{
    struct csn_daemon *daemon = arg;
    if (code == CSN_EIO || code == CSN_EFULL) {
        csn_daemon_die(daemon, code, "a vote cannot be made durable");
    }
    csn_log(&daemon->log, CSN_DEBUG, "trace.persisted", "write %" PRIu64 " is durable", id);
    struct csn_event event = {.kind = CSN_EVENT_PERSISTED, .code = code, .persist_id = id};
    csn_daemon_event(daemon, &event);
}

static void on_statement(void *arg, const struct csn_mesh_statement *statement)
{
    struct csn_daemon *daemon = arg;
    if (statement->kind == CSN_STATEMENT_REPORT || statement->kind == CSN_STATEMENT_PROMISE) {
        csn_epochs_heard(daemon, statement->signer.number, statement->body);
    }
    struct csn_event event = csn_mesh_event(statement);
    csn_daemon_event(daemon, &event);
}

static void on_certificate(void *arg, struct csn_bytes octets)
{
    struct csn_daemon *daemon = arg;
    struct csn_certificate certificate;
    struct csn_reason reason = {"malformed"};
    if (csn_certificate_decode(octets, &certificate) != CSN_OK ||
        csn_epochs_check(daemon, &certificate, &reason) != CSN_OK) {
        if (daemon->bad_certificates++ == 0) {
            csn_log(&daemon->log, CSN_WARNING, "certificate.bad", "a certificate was dropped (others will be counted only): %s",
                    reason.text);
        }
        return;
    }
    struct csn_event event = {.kind = CSN_EVENT_CERTIFICATE, .certificate = {.certificate = &certificate, .octets = octets}};
    csn_daemon_event(daemon, &event);
}

static void on_request(void *arg, struct csn_mesh_peer from, struct csn_bytes request, struct csn_mesh_asked *asked)
{
    (void)from;
    csn_bulk_answer(arg, false, request, asked);
}

static const uint8_t *former_key(void *arg, struct csn_mesh_peer peer)
{
    return csn_epochs_former_key(arg, peer);
}

static void on_former(void *arg, struct csn_bytes request, struct csn_mesh_asked *asked)
{
    csn_bulk_answer(arg, true, request, asked);
}

/* The mesh's library waits for ever: nothing that matters is only in memory. */
static void on_stuck(void *arg)
{
    csn_daemon_begin_again(arg);
}

static void on_input(void *arg, struct csn_input *input, uint32_t generation)
{
    struct csn_zone_shell *zone = arg;
    csn_shell_keep_input(zone, input);
    zone->input_since_s = csn_daemon_now(zone->daemon).wall_s;
    zone->input_serial = input->serial;
    zone->records = input->records;
    struct csn_event event = {.kind = CSN_EVENT_INPUT,
                              .input = {.zone = zone->config->zone,
                                        .id = {.generation = generation,
                                               .serial = input->serial,
                                               .received = input->received,
                                               .prepared = input->prepared,
                                               .removed = input->removed,
                                               .removed_hash = input->removed_hash},
                                        .is_confirmed = true}};
    csn_daemon_event(zone->daemon, &event);
}

static void on_parked(void *arg, enum csn_gate gate)
{
    struct csn_zone_shell *zone = arg;
    struct csn_event event = {.kind = CSN_EVENT_PARKED,
                              .parked = {.zone = zone->config->zone, .gate = (uint8_t)gate}};
    csn_daemon_event(zone->daemon, &event);
}

static void on_input_failed(void *arg, int code, const struct csn_reason *reason)
{
    struct csn_zone_shell *zone = arg;
    csn_daemon_die(zone->daemon, code, reason->text);
}

static void on_keyring(void *arg, bool is_good)
{
    struct csn_zone_shell *zone = arg;
    struct csn_event event = {.kind = CSN_EVENT_HSM,
                              .hsm = {.zone = zone->config->zone, .state = is_good ? CSN_HSM_GOOD : CSN_HSM_BAD}};
    csn_daemon_event(zone->daemon, &event);
}

/* A token that went or came back is no matter for the next minute's check. */
static void watch_hsm(struct csn_daemon *daemon)
{
    struct csn_hsm_status status = {.state = CSN_HSM_DOWN};
    if (daemon->hsm != NULL) {
        csn_hsm_status_get(daemon->hsm, &status);
    }
    bool is_up = status.state == CSN_HSM_UP;
    for (size_t i = 0; daemon->hsm != NULL && is_up != daemon->was_hsm_up && i < daemon->zone_count; i++) {
        csn_keyring_check(daemon->zones[i].keyring);
    }
    daemon->was_hsm_up = is_up;
}

#define TICK_LEAST 64 /* zones looked at in a tick */
#define TICK_SHARE 32 /* of more, this part beside: each within 1.6 s */

static void tick_zones(struct csn_daemon *daemon)
{
    size_t count = TICK_LEAST + daemon->zone_count / TICK_SHARE;
    for (size_t i = 0; i < count && i < daemon->zone_count; i++) {
        struct csn_zone_shell *zone = &daemon->zones[daemon->tick_cursor];
        daemon->tick_cursor = (daemon->tick_cursor + 1) % daemon->zone_count;
        csn_transfer_tick(zone);
        csn_status_tick(zone);
        csn_release_tick(zone);
        csn_history_tick(zone);
        csn_diff_tick(zone);
        csn_trees_tick(zone);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct csn_daemon *daemon = timer->data;
    struct csn_event event = {.kind = CSN_EVENT_TICK};
    csn_daemon_event(daemon, &event);
    watch_hsm(daemon);
    csn_fetch_tick(daemon);
    csn_refused_tick(daemon);
    csn_epochs_tick(daemon);
    tick_zones(daemon);
}

/* A kill at any point is safe, so that stopping needs little ceremony: the worker goes with its socket. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct csn_daemon *daemon = handle->data;
    csn_log(&daemon->log, CSN_INFO, "node.stop", "signal %d", number);
    csn_refused_stop(daemon);
    csn_quarantine_end(daemon->quarantine);
    _Exit(0);
}

/* --- start */

static int open_mesh(struct csn_daemon *daemon, struct csn_reason *reason)
{
    const struct csn_node_config *config = daemon->config;
    int code = csn_identity_load(config->identity.key, &daemon->key, reason);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_mesh_settings settings = {.loop = daemon->loop,
                                         .log = &daemon->log,
                                         .cluster = &config->cluster,
                                         .key = daemon->key,
                                         .self = {config->member->number, config->member->incarnation},
                                         .listen_mesh = config->member->mesh,
                                         .listen_bulk = config->member->bulk,
                                         .tls_path = config->identity.tls,
                                         .ca_path = config->identity.ca,
                                         .is_alone = true,
                                         .callbacks = {.arg = daemon,
                                                       .on_statement = on_statement,
                                                       .on_certificate = on_certificate,
                                                       .on_request = on_request,
                                                       .former_key = former_key,
                                                       .on_former = on_former,
                                                       .on_stuck = on_stuck}};
    return csn_mesh_new(&settings, &daemon->mesh, reason);
}

static void open_hsm(struct csn_daemon *daemon)
{
    const struct csn_hsm_config *config = &daemon->config->hsm;
    if (!config->is_present) {
        return;
    }
    const char **environment = csn_calloc(config->environment_count + 1, sizeof(environment[0]));
    memcpy(environment, config->environment, config->environment_count * sizeof(environment[0]));
    struct csn_hsm_settings settings = {.worker = config->worker,
                                        .module = config->module,
                                        .token = config->token,
                                        .pin_file = config->pin_file,
                                        .sessions = config->sessions,
                                        .deadline_ms = config->deadline_ms,
                                        .environment = environment,
                                        .folder = config->folder,
                                        .log = &daemon->log};
    daemon->hsm = csn_hsm_new(daemon->loop, &settings);
    daemon->tokens = csn_tokens_new(daemon->hsm);
    free(environment);
}

static void add_zones(struct csn_daemon *daemon)
{
    daemon->zone_count = daemon->config->zone_count;
    daemon->zones = csn_calloc(daemon->zone_count, sizeof(daemon->zones[0]));
    for (size_t i = 0; i < daemon->zone_count; i++) {
        daemon->zones[i].daemon = daemon;
        daemon->zones[i].config = &daemon->config->zones[i];
        daemon->zones[i].orders.generation = CSN_FIRST_GENERATION;
        csn_name_text(daemon->config->zones[i].zone, daemon->zones[i].name);
        INSIST(csn_name_map_add(&daemon->names, daemon->config->zones[i].zone));
    }
}

int csn_shell_start_intake(struct csn_zone_shell *zone, struct csn_reason *reason)
{
    struct csn_intake_settings settings = {.loop = zone->daemon->loop,
                                           .lane = &zone->daemon->lane,
                                           .watcher = zone->daemon->watcher,
                                           .log = &zone->daemon->log,
                                           .zone = zone->config,
                                           .store = zone->daemon->store,
                                           .quarantine = zone->daemon->quarantine,
                                           .orders = zone->orders,
                                           .on_input = on_input,
                                           .on_parked = on_parked,
                                           .on_failed = on_input_failed,
                                           .arg = zone};
    return zone->intake || zone->daemon->unwritable.is_set ? CSN_OK : csn_intake_new(&settings, &zone->intake, reason);
}

/* The edges of the zones, once the core knows what was released: gates compare with it. */
static int start_zones(struct csn_daemon *daemon, struct csn_reason *reason)
{
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < daemon->zone_count; i++) {
        struct csn_zone_shell *zone = &daemon->zones[i];
        if (daemon->hsm != NULL) {
            zone->keyring = csn_keyring_new(daemon->loop, &daemon->log, zone->config, daemon->hsm, daemon->tokens,
                                            on_keyring, zone);
        }
        if (!zone->serving.is_ready) {
            struct csn_node_zone_status core;
            csn_node_get_zone(daemon->core, i, csn_daemon_now(daemon), &core);
            zone->was_lost = core.released != NULL;
            code = csn_shell_start_intake(zone, reason);
        }
    }
    return code;
}

static void start_timers(struct csn_daemon *daemon)
{
    uv_timer_init(daemon->loop, &daemon->tick);
    uv_signal_init(daemon->loop, &daemon->terminate);
    uv_signal_init(daemon->loop, &daemon->interrupt);
    daemon->tick.data = daemon->terminate.data = daemon->interrupt.data = daemon;
    uv_timer_start(&daemon->tick, on_tick, CSN_TICK_MS, CSN_TICK_MS);
    uv_signal_start(&daemon->terminate, on_signal, SIGTERM);
    uv_signal_start(&daemon->interrupt, on_signal, SIGINT);
}

static int open_for_write(struct csn_daemon *daemon, struct csn_reason *reason)
{
    const struct csn_node_config *config = daemon->config;
    int code = csn_store_open(config->store, config->votes_size, config->zones_size, &daemon->store, reason);
    if (code == CSN_OK) {
        code = csn_store_probe(daemon->store, reason);
    }
    if (code == CSN_OK) {
        code = csn_unwritable_probe(config, reason);
    }
    return code;
}

static bool is_unwritable(int code)
{
    return code == CSN_EIO || code == CSN_EFULL || code == CSN_EPERMISSION;
}

/* Read-only where it must be, and where the votes are damaged. What has nothing to serve yet ends the start. */
static int open_store(struct csn_daemon *daemon, struct csn_reason *reason)
{
    const struct csn_node_config *config = daemon->config;
    struct csn_reason why;
    csn_unwritable_inherit(daemon);
    int code = daemon->unwritable.is_set ? CSN_OK : open_for_write(daemon, reason);
    if (is_unwritable(code)) {
        csn_store_close(daemon->store);
        daemon->store = NULL;
        /* Names the place and the cause where the store cannot. */
        csn_unwritable_set(daemon, csn_unwritable_probe(config, &why) != CSN_OK ? &why : reason);
        code = CSN_OK;
    }
    if (code == CSN_OK && daemon->unwritable.is_set) {
        code = csn_store_open_readonly(config->store, config->votes_size, config->zones_size, &daemon->store, reason);
    }
    if (code == CSN_EDAMAGED) { /* the votes: zones are mended or begun anew */
        csn_store_close(daemon->store);
        daemon->store = NULL;
        csn_unwritable_damaged(daemon, reason);
        code = csn_store_open_damaged(config->store, config->votes_size, config->zones_size, &daemon->store, reason);
    }
    if (code == CSN_OK && csn_store_damage(daemon->store) != NULL) {
        csn_log(&daemon->log, CSN_ERROR, "store.damaged",
                "%s; what was damaged is %s; check this site's disk", csn_store_damage(daemon->store),
                daemon->unwritable.is_damaged ? "not served" : "fetched from the other sites");
    }
    return code;
}

/* Operators must be able to ask; but where not even a socket can be made, what is served matters more. */
static int open_control(struct csn_daemon *daemon, struct csn_reason *reason)
{
    int code = csn_status_start(daemon, reason);
    if (code != CSN_OK && daemon->unwritable.is_set) {
        csn_log(&daemon->log, CSN_ERROR, "control.failed", "%s; nobody can ask this site until it begins again", reason->text);
        return CSN_OK;
    }
    return code;
}

int csn_daemon_start(struct csn_daemon *daemon, uv_loop_t *loop, const struct csn_node_config *config, struct csn_reason *reason)
{
    daemon->loop = loop;
    daemon->config = config;
    daemon->started_ms = csn_daemon_now(daemon).mono_ms;
    open_lane(daemon);
    daemon->looped_end = &daemon->looped;
    int code = open_store(daemon, reason);
    if (code != CSN_OK) {
        return code;
    }
    daemon->quarantine = csn_quarantine_new(daemon->store);
    add_zones(daemon);
    csn_refused_start(daemon);
    csn_fetch_start(daemon);
    if ((code = csn_watcher_new(loop, &daemon->watcher, reason)) != CSN_OK) {
        return code;
    }
    daemon->second = csn_second_copy_new(config->second_copy);
    daemon->persister = csn_persister_new(loop, daemon->store, daemon->second, on_persisted, daemon);
    if ((code = open_mesh(daemon, reason)) != CSN_OK || (code = csn_transfer_start(daemon, reason)) != CSN_OK ||
        (code = open_control(daemon, reason)) != CSN_OK) {
        return code;
    }
    if (!daemon->unwritable.is_set) {
        open_hsm(daemon);
    }
    if ((code = csn_restore(daemon, reason)) != CSN_OK || (code = start_zones(daemon, reason)) != CSN_OK) {
        return code;
    }
    csn_epochs_start(daemon);
    start_timers(daemon);
    csn_lag_start(&daemon->lag, loop, &daemon->log);
    csn_log(&daemon->log, CSN_INFO, "node.start", "site %s with %zu zones", config->site, daemon->zone_count);
    for (size_t i = 0; i < config->zone_count; i++) {
        csn_log(&daemon->log, CSN_INFO, "zone.start", "zone %s: policy %" PRIu32 ", key set %" PRIu32, daemon->zones[i].name,
                config->zones[i].policy.version.number, config->zones[i].keyset.version.number);
    }
    return CSN_OK;
}
