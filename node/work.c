#include "work.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hsm/input.h"
#include "job.h"
#include "kept/inputs.h"
#include "kept/staging.h"
#include "keyring.h"
#include "quarantine.h"
#include "sign/content.h"
#include "sign/verify.h"

#define SIGN_RETRY_MS 50  /* while the share of a dropped round is still being made */
#define COMPUTE_RETRY_MS 50 /* while the content of a dropped round is still being computed */
#define WHOLE_MS UINT64_C(86400000) /* every signature of the zone is verified again at least so often (signing.md 5) */

/* A proposal at work. One operation at a time; a newer proposal gets a work of its own, and this one runs out unheard. Of a zone
 * one content at a time is computed: what waits for its turn when a newer one comes is never begun, what is outdone ends early. */
struct csn_work {
    int refs;
    struct csn_zone_shell *zone; /* borrows */
    struct csn_proposal proposal;
    struct csn_digest hash;      /* H(P) */
    struct csn_input *input;     /* owns a reference */
    struct csn_content *content; /* owns */
    bool is_computed;            /* the content is whole; from then on only its signatures change */
};

/* An effect being executed. */
struct op {
    struct csn_work *work; /* owns a reference */
    uint64_t corr;
    struct csn_outcome outcome;
    bool is_risky, is_entered; /* COMPUTE and STAGE; see quarantine.h */
    /* SIGN and PROVE */
    uint16_t author;
    uint32_t *indices; /* owns; signatures to make */
    size_t index_count;
    bool has_share; /* the share was made before */
    struct csn_digest share_root;
    uint64_t share_count;
    /* STAGE */
    struct csn_staging order;
    struct csn_staged staged;
    struct csn_bytes published[CSN_KEYS_MAX], unpublished[CSN_KEYS_MAX]; /* DNSKEY RDATA; borrow from the key set */
    size_t published_count, unpublished_count;
};

static struct csn_daemon *daemon_of(const struct op *op)
{
    return op->work->zone->daemon;
}

void csn_work_unref(struct csn_work *take_work)
{
    if (take_work == NULL || --take_work->refs > 0) {
        return;
    }
    csn_content_free(take_work->content);
    csn_input_unref(take_work->input);
    free(take_work);
}

struct csn_work *csn_work_ref(struct csn_work *work)
{
    work->refs++;
    return work;
}

const struct csn_content *csn_work_content(const struct csn_work *work)
{
    return work != NULL && work->is_computed ? work->content : NULL;
}

const struct csn_proposal *csn_work_proposal(const struct csn_work *work)
{
    return &work->proposal;
}

const struct csn_digest *csn_work_hash(const struct csn_work *work)
{
    return &work->hash;
}

static struct op *op_new(struct csn_work *work, const struct csn_effect *effect)
{
    struct op *op = csn_calloc(1, sizeof(*op));
    work->refs++;
    op->work = work;
    op->corr = effect->corr;
    csn_outcome_init(&op->outcome);
    return op;
}

static void op_free(struct op *op)
{
    csn_version_close(&op->staged.view);
    csn_outcome_fini(&op->outcome);
    free(op->indices);
    csn_work_unref(op->work);
    free(op);
}

/* Answers with the operation's outcome; frees it. A full disk, an I/O error or damage ends the process instead: what is damaged
 * is found and fetched again at the next start. */
static void answer(struct op *op, struct csn_event *event)
{
    struct csn_work *work = op->work;
    struct csn_daemon *daemon = daemon_of(op);
    event->corr = op->corr;
    event->code = op->outcome.code;
    if (event->code == CSN_EIO || event->code == CSN_EFULL || event->code == CSN_EDAMAGED) {
        csn_daemon_die(daemon, event->code, op->outcome.reason.text);
    }
    if (event->code != CSN_OK) {
        csn_log(&daemon->log, CSN_ERROR, "round.failed", "zone %s serial %" PRIu32 ": %s", work->zone->name,
                work->proposal.serial, op->outcome.reason.text);
    }
    csn_daemon_event(daemon, event);
    op_free(op);
}

static void fail(struct op *op, int code, const char *what)
{
    struct csn_reason reason;
    csn_reason_set(&reason, code, "%s: %s", what, csn_error_text(code));
    csn_outcome_add(&op->outcome, code, &reason);
}

/* --- COMPUTE */

/* What is certified is never quarantined: two other sites survived it, and it is what must be served. */
static bool is_certified(const struct csn_zone_shell *zone, const struct csn_input_id *input)
{
    struct csn_node_zone_status core;
    csn_node_get_zone(zone->daemon->core, (size_t)(zone - zone->daemon->zones), csn_daemon_now(zone->daemon), &core);
    return core.released != NULL && csn_digest_equal(&core.released->held.proposal.input.prepared, &input->prepared);
}

static void enter(struct op *op, enum csn_risk risk)
{
    const struct csn_proposal *p = &op->work->proposal;
    struct csn_reason reason = {0};
    if (op->is_risky) {
        int code = csn_quarantine_enter(daemon_of(op)->quarantine, risk, p->zone, &p->input.prepared, &reason);
        csn_outcome_add(&op->outcome, code, &reason);
        op->is_entered = code == CSN_OK;
    }
}

/* Outlives the operation that it is made for. */
struct leaving {
    struct csn_quarantine *quarantine;
    enum csn_risk risk;
    uint8_t zone[CSN_NAME_MAX];
    struct csn_digest prepared;
};

static void leave_work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct leaving *leaving = arg;
    csn_quarantine_leave(leaving->quarantine, leaving->risk, leaving->zone, &leaving->prepared);
}

static void leave(struct op *op, enum csn_risk risk)
{
    const struct csn_proposal *p = &op->work->proposal;
    if (!op->is_entered) {
        return;
    }
    struct leaving *leaving = csn_calloc(1, sizeof(*leaving));
    *leaving = (struct leaving){.quarantine = daemon_of(op)->quarantine, .risk = risk, .prepared = p->input.prepared};
    memcpy(leaving->zone, p->zone, sizeof(leaving->zone));
    csn_job_run(daemon_of(op)->loop, 1, leave_work, free, leaving);
}

static void load_and_new(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct op *op = arg;
    struct csn_work *work = op->work;
    const struct csn_zone_config *config = work->zone->config;
    const struct csn_proposal *p = &work->proposal;
    int code = CSN_OK;
    enter(op, CSN_RISK_COMPUTE);
    if (op->outcome.code != CSN_OK) {
        return;
    }
    if (work->input == NULL) {
        code = csn_input_load(daemon_of(op)->store, p->zone, &p->input.prepared, &work->input);
    }
    if (code == CSN_EDAMAGED) {
        csn_table_delete(daemon_of(op)->store, CSN_TABLE_INPUT, p->zone, &p->input.prepared);
    }
    if (code != CSN_OK) {
        fail(op, code, "the input cannot be read from the store");
        return;
    }
    /* SIGNING.md 6: of each input, and of the one in force when the policy changes under it. */
    struct csn_reason why = {0};
    code = csn_policy_check_input(&config->policy, p->schedule_s, work->input->soa.expire, work->input->ttl_max, &why);
    if (code != CSN_OK) {
        struct csn_reason reason;
        csn_reason_set(&reason, code, "%s: %.400s; put a policy with a higher version in place", config->policy_path, why.text);
        csn_outcome_add(&op->outcome, code, &reason);
        return;
    }
    struct csn_content_params params = {.serial = p->serial, .time_s = p->time_s, .schedule_s = p->schedule_s};
    struct csn_reason reason = {0};
    code = csn_content_new(work->input, &config->policy, &config->keyset, &params, &work->content, &reason);
    csn_outcome_add(&op->outcome, code, &reason);
}

static void plan_part(void *arg, unsigned part, unsigned parts)
{
    struct op *op = arg;
    struct csn_work *work = op->work;
    size_t from, to;
    struct csn_reason reason = {0};
    csn_job_range(work->content->zone->count, part, parts, &from, &to);
    csn_outcome_add(&op->outcome, csn_content_plan(work->content, from, to, &reason), &reason);
}

static bool has_parent(const struct csn_proposal *proposal)
{
    return !csn_round_is_none(proposal->parent.round);
}

static void finish_and_carry(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct op *op = arg;
    struct csn_work *work = op->work;
    struct csn_reason reason = {0};
    int code = csn_content_finish(work->content, &reason);
    csn_outcome_add(&op->outcome, code, &reason);
    if (code == CSN_OK && has_parent(&work->proposal)) {
        code = csn_version_carry(work->content, daemon_of(op)->store, work->proposal.zone, &work->proposal.parent.full_root);
        if (code != CSN_OK) {
            fail(op, code, "the parent version cannot be read");
        }
    }
    csn_content_authors(work->content, work->proposal.author_count);
}

/* A newer proposal is at work: nobody waits for this one. */
static bool is_outdone(const struct op *op)
{
    return op->work->zone->work != op->work;
}

static void end_compute(void *arg)
{
    struct op *op = arg;
    struct csn_work *work = op->work;
    struct csn_event event = {.kind = CSN_EVENT_COMPUTED};
    leave(op, CSN_RISK_COMPUTE);
    work->zone->is_computing = false;
    if (op->outcome.code == CSN_OK && is_outdone(op)) {
        op_free(op);
        return;
    }
    if (op->outcome.code == CSN_OK) {
        event.computed = work->content->roots;
        work->is_computed = true;
        csn_shell_keep_input(work->zone, work->input);
    }
    answer(op, &event);
}

static void after_plan(void *arg)
{
    struct op *op = arg;
    if (op->outcome.code != CSN_OK || is_outdone(op)) {
        end_compute(op);
        return;
    }
    csn_shell_run(op->work->zone, 1, finish_and_carry, end_compute, op);
}

static void after_new(void *arg)
{
    struct op *op = arg;
    if (op->outcome.code != CSN_OK || is_outdone(op)) {
        end_compute(op);
        return;
    }
    op->work->zone->records = op->work->content->zone->count;
    csn_shell_run(op->work->zone, csn_shell_parts(op->work->zone), plan_part, after_plan, op);
}

static struct csn_work *work_new(struct csn_zone_shell *zone, const struct csn_effect *effect)
{
    struct csn_work *work = csn_calloc(1, sizeof(*work));
    work->refs = 1;
    work->zone = zone;
    work->proposal = *effect->work.proposal;
    work->hash = effect->work.hash;
    struct csn_input *input = csn_shell_input(zone, &work->proposal.input.prepared);
    work->input = input ? csn_input_ref(input) : NULL;
    return work;
}

/* A leader may propose as often as it likes, and a content may be gigabytes. */
static void start_compute(void *arg)
{
    struct op *op = arg;
    struct csn_zone_shell *zone = op->work->zone;
    if (is_outdone(op)) {
        op_free(op);
    } else if (zone->is_computing) {
        csn_job_later(zone->daemon->loop, COMPUTE_RETRY_MS, start_compute, op);
    } else {
        zone->is_computing = true;
        csn_shell_run(zone, 1, load_and_new, after_new, op);
    }
}

void csn_work_compute(struct csn_zone_shell *zone, const struct csn_effect *effect)
{
    csn_work_unref(zone->work);
    zone->work = work_new(zone, effect);
    struct op *op = op_new(zone->work, effect);
    op->is_risky = !is_certified(zone, &zone->work->proposal.input);
    csn_log(&zone->daemon->log, CSN_INFO, "round.compute", "zone %s serial %" PRIu32 " input %" PRIu32, zone->name,
            zone->work->proposal.serial, zone->work->proposal.input.serial);
    if (zone->keyring != NULL) {
        csn_keyring_check(zone->keyring); /* the round's canary */
    }
    start_compute(op);
}

/* --- SIGN: one share for each H(P), for ever: what was made once is used again, and two never are made side by side. */

static struct csn_share_name own_share(const struct op *op)
{
    return (struct csn_share_name){.proposal = &op->work->proposal,
                                   .hash = &op->work->hash,
                                   .site = daemon_of(op)->config->member->number,
                                   .author = op->author};
}

static void find_share(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct op *op = arg;
    struct csn_work *work = op->work;
    struct csn_share_name name = own_share(op);
    int code = csn_share_load(daemon_of(op)->store, &name, work->content);
    op->has_share = code == CSN_OK;
    if (code != CSN_OK && code != CSN_ENOTFOUND) {
        fail(op, code, "the share made before cannot be used");
        return;
    }
    op->indices = csn_calloc(work->content->signature_count, sizeof(op->indices[0]));
    for (size_t i = 0; i < work->content->signature_count; i++) {
        if (work->content->signatures[i].author == op->author && !work->content->signatures[i].is_carried) {
            op->indices[op->index_count++] = (uint32_t)i;
        }
    }
}

static void keep_share(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct op *op = arg;
    struct csn_work *work = op->work;
    if (!op->has_share) {
        struct csn_share_name name = own_share(op);
        int code = csn_share_store(daemon_of(op)->store, &name, work->content);
        if (code != CSN_OK) {
            fail(op, code, "the share cannot be kept");
        }
    }
    csn_share_root(work->content, op->author, &op->share_root, &op->share_count);
}

static void end_sign(void *arg)
{
    struct op *op = arg;
    op->work->zone->signing = NULL;
    struct csn_event event = {.kind = CSN_EVENT_SIGNED, .share = {.b = op->share_root, .count = op->share_count}};
    csn_log(&daemon_of(op)->log, CSN_INFO, "round.signed", "zone %s serial %" PRIu32 ": %" PRIu64 " signatures of this site%s",
            op->work->zone->name, op->work->proposal.serial, op->share_count, op->has_share ? ", made before" : "");
    answer(op, &event);
}

static void after_signing(void *arg, int code, const struct csn_reason *reason)
{
    struct op *op = arg;
    csn_outcome_add(&op->outcome, code, reason);
    if (op->outcome.code != CSN_OK) {
        end_sign(op);
        return;
    }
    csn_shell_run(op->work->zone, 1, keep_share, end_sign, op);
}

static void after_find(void *arg)
{
    struct op *op = arg;
    static const struct csn_reason no_hsm = {"this site has no HSM"};
    static const struct csn_reason none;
    struct csn_keyring *keyring = op->work->zone->keyring;
    if (op->outcome.code != CSN_OK || op->has_share) {
        after_signing(op, CSN_OK, &none);
    } else if (keyring == NULL) {
        after_signing(op, CSN_EHSM, &no_hsm);
    } else {
        csn_log(&daemon_of(op)->log, CSN_INFO, "round.sign", "zone %s serial %" PRIu32 ": %zu signatures to make",
                op->work->zone->name, op->work->proposal.serial, op->index_count);
        struct csn_zone_shell *zone = op->work->zone;
        csn_keyring_sign(keyring, op->work->content, op->indices, op->index_count, csn_shell_lane(zone), csn_shell_parts(zone),
                         after_signing, op);
    }
}

static void start_sign(void *arg)
{
    struct op *op = arg;
    struct csn_zone_shell *zone = op->work->zone;
    if (zone->signing != NULL) {
        /* The share of a dropped round is still being made, perhaps for this very H(P). */
        csn_job_later(zone->daemon->loop, SIGN_RETRY_MS, start_sign, op);
        return;
    }
    zone->signing = op->work;
    csn_shell_run(zone, 1, find_share, after_find, op);
}

/* The effects after COMPUTE are for the content computed last; another's can only be one that was cancelled. */
static struct csn_work *work_of(struct csn_zone_shell *zone, const struct csn_effect *effect)
{
    struct csn_work *work = zone->work;
    return work != NULL && work->content != NULL && csn_digest_equal(&work->hash, &effect->work.hash) ? work : NULL;
}

void csn_work_sign(struct csn_zone_shell *zone, const struct csn_effect *effect)
{
    struct csn_work *work = work_of(zone, effect);
    INSIST(work != NULL);
    struct op *op = op_new(work, effect);
    op->author = effect->work.author;
    start_sign(op);
}

/* --- PROVE */

static void end_prove(void *arg, int code, const struct csn_reason *reason)
{
    struct op *op = arg;
    struct csn_daemon *daemon = daemon_of(op);
    if (code != CSN_OK) {
        csn_log(&daemon->log, CSN_ERROR, "hsm.proof", "zone %s: %s", op->work->zone->name, reason->text);
        struct csn_event event = {.kind = CSN_EVENT_HSM, .hsm = {.zone = op->work->proposal.zone, .state = CSN_HSM_BAD}};
        csn_daemon_event(daemon, &event);
    }
    op_free(op);
}

void csn_work_prove(struct csn_zone_shell *zone, const struct csn_effect *effect)
{
    struct csn_work *work = work_of(zone, effect);
    if (work == NULL || zone->keyring == NULL) {
        return;
    }
    struct op *op = op_new(work, effect);
    size_t count = work->content->signature_count, wanted = zone->config->policy.proof_count;
    wanted = wanted < count ? wanted : count;
    op->indices = csn_calloc(wanted, sizeof(op->indices[0]));
    for (size_t i = 0; i < wanted; i++) {
        op->indices[i] = (uint32_t)(count * i / wanted);
    }
    csn_keyring_prove(zone->keyring, work->content, op->indices, wanted, end_prove, op);
}

/* --- STAGE */

/* The first site whose new signatures do not verify, by one more look at each; only after the verifiers have refused. */
static uint16_t find_bad_site(const struct op *op)
{
    const struct csn_content *content = op->work->content;
    struct csn_buf data = {0};
    uint16_t bad = 0;
    for (size_t i = 0; bad == 0 && i < content->signature_count; i++) {
        const struct csn_signature *signature = &content->signatures[i];
        if (!signature->is_carried) {
            csn_buf_clear(&data);
            csn_signature_input(content, signature, &data);
            int code = csn_hsm_verify(content->keyset->keys[signature->key].dnskey, csn_buf_view(&data), signature->octets);
            bad = code == CSN_OK ? 0 : op->work->proposal.authors[signature->author];
        }
    }
    csn_buf_fini(&data);
    return bad;
}

static void gather(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct op *op = arg;
    struct csn_reason reason = {0};
    enter(op, CSN_RISK_STAGE);
    if (op->outcome.code == CSN_OK) {
        int code = csn_staging_make(daemon_of(op)->store, &op->order, op->work->content, &op->staged, &reason);
        csn_outcome_add(&op->outcome, code, &reason);
    }
}

/* Even parts take the one path, odd parts the other. */
static void verify_part(void *arg, unsigned part, unsigned parts)
{
    struct op *op = arg;
    struct csn_work *work = op->work;
    const struct csn_zone_config *config = work->zone->config;
    struct csn_verify_job job = {.apex = work->proposal.zone,
                                 .entries = op->staged.view.entries,
                                 .count = op->staged.view.count,
                                 .is_carried = op->staged.view.is_carried,
                                 .dnskeys = op->published,
                                 .dnskey_count = op->published_count,
                                 .unpublished = op->unpublished,
                                 .unpublished_count = op->unpublished_count,
                                 .ds = config->ds,
                                 .ds_count = config->ds_count,
                                 .time_s = work->proposal.time_s,
                                 .left_min_s = csn_policy_refresh_at(&config->policy, work->proposal.schedule_s) / 2,
                                 .part = part / 2,
                                 .parts = parts / 2};
    struct csn_reason reason = {0};
    int code = part % 2 == 0 ? csn_verify_ldns(&job, &reason) : csn_verify_knot(&job, &reason);
    csn_outcome_add(&op->outcome, code, &reason);
}

static void blame(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct op *op = arg;
    op->staged.bad_site = find_bad_site(op);
    csn_version_close(&op->staged.view);
    csn_table_delete(daemon_of(op)->store, CSN_TABLE_VERSION, op->work->proposal.zone, &op->staged.roots.full);
}

static void end_stage(void *arg)
{
    struct op *op = arg;
    struct csn_work *work = op->work;
    struct csn_event event = {.kind = CSN_EVENT_STAGED};
    leave(op, CSN_RISK_STAGE);
    event.staged.bad_site = op->staged.bad_site;
    if (op->outcome.code == CSN_OK) {
        event.staged.b = op->staged.roots.b;
        event.staged.full_root = op->staged.roots.full;
        event.staged.records = op->staged.roots.records;
        event.staged.signatures = op->staged.roots.signatures;
        event.staged.earliest_expiry_s = op->staged.roots.earliest_expiry_s;
        work->zone->verified = op->staged.roots.full;
        if (op->order.is_whole) {
            work->zone->whole = (struct csn_whole){.at_ms = csn_daemon_now(daemon_of(op)).mono_ms,
                                                   .policy = work->proposal.policy,
                                                   .keyset = work->proposal.keyset};
        }
        csn_log(&daemon_of(op)->log, CSN_INFO, "round.verified",
                "zone %s serial %" PRIu32 ": %" PRIu64 " records, %" PRIu64 " signatures, both verifiers accept", work->zone->name,
                work->proposal.serial, op->staged.roots.records, op->staged.roots.signatures);
    }
    answer(op, &event);
}

static void after_verify(void *arg)
{
    struct op *op = arg;
    if (op->outcome.code == CSN_ESIGNATURE) {
        csn_shell_run(op->work->zone, 1, blame, end_stage, op);
        return;
    }
    end_stage(op);
}

static void after_gather(void *arg)
{
    struct op *op = arg;
    if (op->outcome.code != CSN_OK) {
        end_stage(op);
        return;
    }
    csn_log(&daemon_of(op)->log, CSN_DEBUG, "round.staged", "zone %s serial %" PRIu32 ": written, read back, being verified",
            op->work->zone->name, op->work->proposal.serial);
    csn_shell_run(op->work->zone, 2 * csn_shell_parts(op->work->zone), verify_part, after_verify, op);
}

/* At the first round of this process, on a change of policy or keys, and daily. */
static bool is_whole_due(const struct csn_zone_shell *zone, const struct csn_proposal *proposal)
{
    const struct csn_whole *last = &zone->whole;
    return last->at_ms == 0 || csn_daemon_now(zone->daemon).mono_ms >= last->at_ms + WHOLE_MS ||
           !csn_version_equal(&last->policy, &proposal->policy) || !csn_version_equal(&last->keyset, &proposal->keyset);
}

void csn_work_stage(struct csn_zone_shell *zone, const struct csn_effect *effect)
{
    struct csn_work *work = work_of(zone, effect);
    INSIST(work != NULL);
    struct op *op = op_new(work, effect);
    op->order = (struct csn_staging){.proposal = &work->proposal, .hash = &work->hash, .expected = effect->work.full_root};
    memcpy(op->order.offers, effect->work.offers, work->proposal.author_count * sizeof(op->order.offers[0]));
    op->order.is_whole = is_whole_due(zone, &work->proposal);
    op->is_risky = !is_certified(zone, &work->proposal.input);
    op->published_count = csn_keyset_rdatas(&zone->config->keyset, true, op->published);
    op->unpublished_count = csn_keyset_rdatas(&zone->config->keyset, false, op->unpublished);
    csn_shell_run(zone, 1, gather, after_gather, op);
}
