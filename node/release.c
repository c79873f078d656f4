#include "release.h"

#include <inttypes.h>
#include <stdlib.h>

#include "job.h"
#include "kept/inputs.h"
#include "kept/share.h"
#include "kept/version.h"
#include "sign/verify.h"
#include "transfer.h"

/* A version against its certificate. */
struct check {
    struct csn_zone_shell *zone; /* borrows */
    uint64_t corr;
    struct csn_certificate certificate;
    struct csn_buf octets; /* owns; of the certificate */
    struct csn_version_view view;
    struct csn_bytes dnskeys[CSN_KEYS_MAX]; /* borrow from the view */
    struct csn_bytes unpublished[CSN_KEYS_MAX]; /* borrow from the key set */
    size_t dnskey_count, unpublished_count;
    struct csn_outcome outcome;
};

/* The keys in the zone itself: the certificate's roots bind them, and an older release may have others than today's key set. */
static void collect_keys(struct check *check)
{
    for (size_t i = 0; i < check->view.count; i++) {
        const struct csn_rrset *rrset = &check->view.entries[i].rrset;
        if (rrset->type == CSN_TYPE_DNSKEY && csn_name_equal(rrset->owner, check->zone->config->zone)) {
            struct csn_reader reader = csn_rdata_first(rrset);
            while (check->dnskey_count < CSN_KEYS_MAX && csn_rdata_next(&reader, &check->dnskeys[check->dnskey_count])) {
                check->dnskey_count++;
            }
            return;
        }
    }
}

static void check_roots(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct check *check = arg;
    const struct csn_body_held *held = &check->certificate.held;
    struct csn_reason reason = {0};
    int code = csn_version_open_held(check->zone->daemon->store, held, &check->view, &reason);
    if (code == CSN_OK) {
        collect_keys(check);
        check->unpublished_count = csn_keyset_rdatas(&check->zone->config->keyset, false, check->unpublished);
    }
    csn_outcome_add(&check->outcome, code, &reason);
}

/* Valid at the certificate's T (R5), not now: an old release is better than none. */
static void verify_part(void *arg, unsigned part, unsigned parts)
{
    struct check *check = arg;
    struct csn_verify_job job = {.apex = check->zone->config->zone,
                                 .entries = check->view.entries,
                                 .count = check->view.count,
                                 .dnskeys = check->dnskeys,
                                 .dnskey_count = check->dnskey_count,
                                 .unpublished = check->unpublished,
                                 .unpublished_count = check->unpublished_count,
                                 .time_s = check->certificate.held.proposal.time_s,
                                 .part = part / 2,
                                 .parts = parts / 2};
    struct csn_reason reason = {0};
    int code = part % 2 == 0 ? csn_verify_ldns(&job, &reason) : csn_verify_knot(&job, &reason);
    csn_outcome_add(&check->outcome, code, &reason);
}

/* Key of a certificate's blob: "c" | zone. */
static void put_key(const uint8_t *zone, struct csn_buf *key)
{
    csn_buf_put_u8(key, 'c');
    csn_buf_put(key, zone, csn_name_size(zone));
}

/* Beside the version, before anything answers with it: should the votes be damaged, it says what was served and proves it. */
static void keep_certificate(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct check *check = arg;
    struct csn_buf key = {0}, octets = {0};
    put_key(check->zone->config->zone, &key);
    csn_certificate_encode(&check->certificate, &octets);
    int code = csn_store_put_blob(check->zone->daemon->store, csn_buf_view(&key), csn_buf_view(&octets));
    if (code != CSN_OK) {
        struct csn_reason reason;
        csn_reason_set(&reason, code, "its certificate cannot be kept beside it: %s", csn_error_text(code));
        csn_outcome_add(&check->outcome, code, &reason);
    }
    csn_buf_fini(&key);
    csn_buf_fini(&octets);
}

int csn_release_certificate(struct csn_store *store, const uint8_t *zone, struct csn_buf *buf)
{
    struct csn_buf key = {0};
    put_key(zone, &key);
    int code = csn_store_get_blob(store, csn_buf_view(&key), buf);
    csn_buf_fini(&key);
    return code;
}

static void end_check(void *arg)
{
    struct check *check = arg;
    struct csn_daemon *daemon = check->zone->daemon;
    struct csn_event event = {.kind = CSN_EVENT_RELEASED, .corr = check->corr, .code = check->outcome.code};
    if (event.code == CSN_EIO || event.code == CSN_EFULL) {
        csn_daemon_die(daemon, event.code, check->outcome.reason.text);
    }
    if (event.code != CSN_OK) {
        csn_log(&daemon->log, CSN_ERROR, "release.refused", "zone %s serial %" PRIu32 ": %s", check->zone->name,
                check->certificate.held.proposal.serial, check->outcome.reason.text);
    }
    csn_buf_fini(&check->octets);
    csn_outcome_fini(&check->outcome);
    free(check);
    csn_daemon_event(daemon, &event);
}

static void after_history(void *arg, int code)
{
    struct check *check = arg;
    if (code != CSN_OK) {
        csn_daemon_die(check->zone->daemon, code, "the difference to the new version cannot be kept");
    }
    csn_shell_run(check->zone, 1, keep_certificate, end_check, check);
}

/* A version is released with its delta (step.h). */
static void after_check(void *arg)
{
    struct check *check = arg;
    csn_version_close(&check->view);
    if (check->outcome.code != CSN_OK) {
        end_check(check);
        return;
    }
    csn_history_make(check->zone, &check->certificate, csn_buf_view(&check->octets), after_history, check);
}

static void after_roots(void *arg)
{
    struct check *check = arg;
    if (check->outcome.code != CSN_OK) {
        after_check(check);
        return;
    }
    csn_shell_run(check->zone, 2 * csn_shell_parts(check->zone), verify_part, after_check, check);
}

void csn_release_check(struct csn_zone_shell *zone, const struct csn_effect *effect)
{
    struct check *check = csn_calloc(1, sizeof(*check));
    check->zone = zone;
    check->corr = effect->corr;
    check->certificate = *effect->release.certificate;
    csn_buf_put_bytes(&check->octets, effect->release.octets);
    csn_outcome_init(&check->outcome);
    zone->records = check->certificate.held.records;
    if (csn_digest_equal(&zone->verified, &check->certificate.held.full_root)) {
        /* Staged here: read back, its roots recomputed and verified by both paths a moment ago. */
        csn_job_later(zone->daemon->loop, 0, after_check, check);
        return;
    }
    csn_shell_run(zone, 1, check_roots, after_roots, check);
}

/* --- SERVE */

/* Looks for the input of a release, so that the gates can compare new ones with it. */
struct remember {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_digest prepared;
    uint32_t generation, serial;
    struct csn_input *input; /* owns a reference */
};

static void load_input(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct remember *remember = arg;
    csn_input_load(remember->zone->daemon->store, remember->zone->config->zone, &remember->prepared, &remember->input);
}

/* From now on new inputs are compared with this one. */
static void set_released(struct csn_zone_shell *zone, struct csn_input *input, uint32_t generation, uint32_t serial)
{
    struct csn_reason reason;
    int code = csn_shell_start_intake(zone, &reason);
    if (code != CSN_OK) {
        csn_daemon_die(zone->daemon, code, reason.text);
    }
    if (input != NULL) {
        csn_intake_set_released(zone->intake, input, generation, serial);
    }
}

static void keep_input(void *arg)
{
    struct remember *remember = arg;
    set_released(remember->zone, remember->input, remember->generation, remember->serial);
    csn_input_unref(remember->input);
    free(remember);
}

static void remember_input(struct csn_zone_shell *zone, const struct csn_input_id *id)
{
    struct csn_input *input = csn_shell_input(zone, &id->prepared);
    if (input != NULL) {
        set_released(zone, input, id->generation, id->serial);
        return;
    }
    struct remember *remember = csn_calloc(1, sizeof(*remember));
    remember->zone = zone;
    remember->prepared = id->prepared;
    remember->generation = id->generation;
    remember->serial = id->serial;
    csn_shell_run(zone, 1, load_input, keep_input, remember);
}

struct sweep {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_round round;
};

static void sweep_work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct sweep *sweep = arg;
    csn_share_prune(sweep->zone->daemon->store, sweep->zone->config->zone, sweep->round);
}

static void sweep_shares(struct csn_zone_shell *zone, struct csn_round round)
{
    struct sweep *sweep = csn_calloc(1, sizeof(*sweep));
    sweep->zone = zone;
    sweep->round = round;
    csn_shell_run(zone, 1, sweep_work, free, sweep);
}

struct due {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_digest full_root;
    uint64_t due_s;
};

static void tell_due(void *arg)
{
    struct due *due = arg;
    struct csn_event event = {
        .kind = CSN_EVENT_DUE,
        .due = {.zone = due->zone->config->zone, .full_root = due->full_root, .due_s = due->due_s}};
    csn_daemon_event(due->zone->daemon, &event);
    free(due);
}

/* No work due, no new serial (signing.md 3). */
static void look_due(struct csn_zone_shell *zone, const struct csn_body_held *held)
{
    struct csn_schedule schedule = {.policy = &zone->config->policy,
                                    .keyset = &zone->config->keyset,
                                    .time_s = held->proposal.time_s,
                                    .schedule_s = held->proposal.schedule_s};
    struct due *due = csn_calloc(1, sizeof(*due));
    due->zone = zone;
    due->full_root = held->full_root;
    due->due_s = csn_schedule_due(&schedule, held->earliest_expiry_s);
    csn_job_later(zone->daemon->loop, 0, tell_due, due);
}

void csn_release_serve(struct csn_zone_shell *zone, const struct csn_effect *effect)
{
    struct csn_daemon *daemon = zone->daemon;
    const struct csn_body_held *held = &effect->release.certificate->held;
    struct csn_reason reason;
    /* I4, also for what came back from the store. */
    int code = csn_epochs_check(daemon, effect->release.certificate, &reason);
    if (code != CSN_OK) {
        csn_log(&daemon->log, CSN_ERROR, "release.refused", "zone %s serial %" PRIu32 ": its certificate does not verify: %s",
                zone->name, held->proposal.serial, reason.text);
        return;
    }
    zone->serving = (struct csn_serving){.is_ready = true, .full_root = held->full_root, .serial = held->proposal.serial,
                                         .expiry_s = held->earliest_expiry_s,
                                         .checked_ms = csn_daemon_now(daemon).mono_ms};
    zone->records = zone->records > held->records ? zone->records : held->records;
    remember_input(zone, &held->proposal.input);
    csn_log(&daemon->log, CSN_INFO, "round.released", "zone %s serial %" PRIu32 ": %u votes, %" PRIu64 " records", zone->name,
            held->proposal.serial, effect->release.certificate->vote_count, held->records);
    csn_history_serve(zone, effect->release.certificate);
    sweep_shares(zone, held->proposal.round);
    look_due(zone, held);
    csn_transfer_released(zone);
}

/* --- rot */

struct rot {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_digest full_root;
    int code;
};

static void look_for_rot(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct rot *rot = arg;
    struct csn_version_view view;
    struct csn_zone_roots roots;
    rot->code = csn_version_open(rot->zone->daemon->store, rot->zone->config->zone, &rot->full_root, &view);
    if (rot->code == CSN_OK) {
        rot->code = csn_version_check(&view, rot->zone->config->zone, &rot->full_root, &roots, NULL);
        csn_version_close(&view);
    }
}

static void rot_looked_for(void *arg)
{
    struct rot *rot = arg;
    bool is_served = csn_digest_equal(&rot->full_root, &rot->zone->serving.full_root);
    if (rot->code != CSN_OK && is_served) {
        csn_daemon_die(rot->zone->daemon, CSN_EDAMAGED, "the version that is served does not have its root any more; check this site's disk");
    }
    free(rot);
}

void csn_release_tick(struct csn_zone_shell *zone)
{
    uint64_t now_ms = csn_daemon_now(zone->daemon).mono_ms, pause_ms = (uint64_t)zone->config->policy.refresh_interval_s * 1000;
    if (!zone->serving.is_ready || now_ms < zone->serving.checked_ms + pause_ms) {
        return;
    }
    struct rot *rot = csn_calloc(1, sizeof(*rot));
    rot->zone = zone;
    rot->full_root = zone->serving.full_root;
    zone->serving.checked_ms = now_ms;
    csn_shell_run(zone, 1, look_for_rot, rot_looked_for, rot);
}
