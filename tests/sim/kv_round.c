/* A round over the key-value seam: COMPUTE, SIGN, STAGE, RELEASE and SERVE as lib/sign and lib/kept do them, in virtual time. */
#include "sim/kv_store.h"

#include <stdlib.h>
#include <string.h>

#include "kept/inputs.h"
#include "kept/share.h"
#include "kept/staging.h"
#include "sim/checker.h"
#include "sim/kv_root.h"
#include "sim/round_job.h"

/* --- works */

void kv_work_fini(struct kv_work *work)
{
    csn_content_free(work->content);
    csn_input_unref(work->input);
    free(work->documents);
    *work = (struct kv_work){0};
}

static struct kv_work *work_new(struct sim_store *store, unsigned zone)
{
    struct kv_work *works = store->works[zone];
    kv_work_fini(&works[KV_WORKS - 1]);
    memmove(works + 1, works, (KV_WORKS - 1) * sizeof(*works));
    works[0] = (struct kv_work){0};
    return &works[0];
}

static struct kv_work *work_of(struct sim_store *store, unsigned zone, const struct csn_digest *hash)
{
    for (unsigned i = 0; i < KV_WORKS; i++) {
        struct kv_work *work = &store->works[zone][i];
        if (work->content != NULL && csn_digest_equal(&work->hash, hash)) {
            return work;
        }
    }
    return NULL;
}

/* --- COMPUTE */

static int make_content(struct csn_store *store, struct kv_work *work)
{
    const struct csn_proposal *p = &work->proposal;
    struct csn_content_params params = {.serial = p->serial, .time_s = p->time_s, .schedule_s = p->schedule_s};
    int code = csn_input_load(store, p->zone, &p->input.prepared, &work->input);
    if (code == CSN_EDAMAGED) {
        csn_table_delete(store, CSN_TABLE_INPUT, p->zone, &p->input.prepared);
    }
    if (code == CSN_OK) {
        code = csn_policy_check_input(&work->documents->policy, p->schedule_s, work->input->soa.expire, work->input->ttl_max,
                                      NULL);
    }
    if (code == CSN_OK) {
        code = csn_content_new(work->input, &work->documents->policy, &work->documents->keyset, &params, &work->content, NULL);
    }
    if (code == CSN_OK) {
        code = csn_content_plan(work->content, 0, work->content->zone->count, NULL);
    }
    if (code == CSN_OK) {
        code = csn_content_finish(work->content, NULL);
    }
    if (code == CSN_OK && !csn_round_is_none(p->parent.round)) {
        code = csn_version_carry(work->content, store, p->zone, &p->parent.full_root);
    }
    return code;
}

static void computed(struct sim_world *world, struct sim_task *task)
{
    const struct sim_round_job *job = task->data;
    struct sim_actor *actor = task->actor;
    struct csn_event event = {.kind = CSN_EVENT_COMPUTED, .corr = job->corr};
    struct kv_work *work = work_new(actor->store, job->zone);
    work->hash = job->hash;
    work->proposal = job->proposal;
    work->documents = kv_documents_new(&actor->configs[job->zone], job->zone, job->proposal.policy.number,
                                       job->proposal.keyset.number, actor->diverged);
    kv_risk(world, actor);
    event.code = sim_draw(world, SIM_COMPUTE_FAILED) ? CSN_EREFUSED : make_content(actor->store->store, work);
    if (kv_has_ended(world, actor, event.code)) {
        return;
    }
    if (event.code == CSN_OK) {
        csn_content_authors(work->content, job->proposal.author_count);
        event.computed = work->content->roots;
    } else {
        sim_log(world, actor, "no content: %s", csn_error_text(event.code));
        kv_work_fini(work);
    }
    sim_finish(world, actor, &event);
}

void sim_compute(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    sim_after_alive(world, sim_delay(world, world->options.compute_us), computed, actor, sim_round_job_new(world, effect));
}

/* --- SIGN */

static void sign(struct sim_world *world, const struct sim_actor *actor, struct kv_work *work, uint16_t author)
{
    struct csn_content *content = work->content;
    struct csn_buf data = {0};
    for (size_t i = 0; i < content->signature_count; i++) {
        struct csn_signature *signature = &content->signatures[i];
        uint8_t octets[KV_SIGNATURE_SIZE];
        if (signature->is_carried || signature->author != author) {
            continue;
        }
        csn_buf_clear(&data);
        csn_signature_input(content, signature, &data);
        kv_sign(content->keyset->keys[signature->key].dnskey, csn_buf_view(&data), sim_next(&world->random), octets);
        octets[KV_SIGNATURE_SIZE - 1] ^= actor->hsm == SIM_HSM_IS_WRONG || actor->hsm == SIM_HSM_HAS_OTHER_KEY;
        csn_signature_set(content, signature, csn_bytes(octets, sizeof(octets)));
    }
    csn_buf_fini(&data);
}

/* Once for each H(P), for ever. */
static int make_share(struct sim_world *world, struct sim_actor *actor, const struct sim_round_job *job, struct csn_event *event)
{
    struct kv_work *work = work_of(actor->store, job->zone, &job->hash);
    if (work == NULL) {
        return CSN_ECLOSED;
    }
    struct csn_share_name name = {
        .proposal = &work->proposal, .hash = &work->hash, .site = actor->number, .author = job->author};
    int code = csn_share_load(actor->store->store, &name, work->content);
    if (code == CSN_ENOTFOUND && actor->hsm == SIM_HSM_IS_DEAD) {
        return CSN_EHSM;
    }
    if (code == CSN_ENOTFOUND) {
        sign(world, actor, work, job->author);
        code = csn_share_store(actor->store->store, &name, work->content);
    }
    if (code == CSN_OK) {
        csn_share_root(work->content, job->author, &event->share.b, &event->share.count);
    }
    return code;
}

static void is_signed(struct sim_world *world, struct sim_task *task)
{
    const struct sim_round_job *job = task->data;
    struct csn_event event = {.kind = CSN_EVENT_SIGNED, .corr = job->corr};
    kv_risk(world, task->actor);
    event.code = make_share(world, task->actor, job, &event);
    if (!kv_has_ended(world, task->actor, event.code)) {
        sim_finish(world, task->actor, &event);
    }
}

void sim_sign_share(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    uint64_t most_us = world->options.sign_us;
    if (effect->work.proposal->authors[effect->work.author] != actor->number) {
        sim_fail(world, "site %u signs as author %u", actor->number, effect->work.author);
    }
    if (actor->hsm == SIM_HSM_IS_SLOW || actor->hsm == SIM_HSM_IS_DEAD) {
        most_us = 2 * SIM_MS * effect->work.proposal->author_count * world->options.zone[0].round_deadline_ms;
    }
    sim_after_alive(world, sim_delay(world, most_us), is_signed, actor, sim_round_job_new(world, effect));
}

/* --- in place of the two verifiers */

const struct csn_rrset *kv_dnskeys_of(const struct csn_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (entries[i].rrset.type == CSN_TYPE_DNSKEY) {
            return &entries[i].rrset;
        }
    }
    return NULL;
}

/* The octets of what is not carried. */
static int verify_view(const struct csn_version_view *view)
{
    const struct csn_rrset *dnskeys = kv_dnskeys_of(view->entries, view->count);
    for (size_t i = 0; i < view->count; i++) {
        bool is_carried = view->is_carried != NULL && view->is_carried[i];
        if (dnskeys == NULL || (!is_carried && !kv_entry_verifies(&view->entries[i], dnskeys))) {
            return CSN_ESIGNATURE;
        }
    }
    return CSN_OK;
}

/* --- STAGE */

static uint16_t find_bad_site(const struct kv_work *work)
{
    const struct csn_content *content = work->content;
    struct csn_buf data = {0};
    uint16_t bad = 0;
    for (size_t i = 0; bad == 0 && i < content->signature_count; i++) {
        const struct csn_signature *signature = &content->signatures[i];
        csn_buf_clear(&data);
        csn_signature_input(content, signature, &data);
        bool is_good =
            signature->is_carried ||
            kv_verify(content->keyset->keys[signature->key].dnskey, csn_buf_view(&data), signature->octets);
        bad = is_good ? 0 : work->proposal.authors[signature->author];
    }
    csn_buf_fini(&data);
    return bad;
}

static int stage(struct sim_world *world, struct sim_actor *actor, const struct sim_round_job *job, struct csn_staged *staged)
{
    struct csn_store *store = actor->store->store;
    struct kv_work *work = work_of(actor->store, job->zone, &job->hash);
    struct csn_reason reason = {0};
    *staged = (struct csn_staged){0};
    if (work == NULL) {
        return CSN_ECLOSED;
    }
    struct csn_staging staging = {.proposal = &work->proposal, .hash = &work->hash, .expected = job->full_root};
    memcpy(staging.offers, job->offers, sizeof(staging.offers));
    int code = csn_staging_make(store, &staging, work->content, staged, &reason);
    if (code == CSN_OK) {
        code = verify_view(&staged->view);
        csn_version_close(&staged->view);
    }
    if (code == CSN_ESIGNATURE) {
        staged->bad_site = find_bad_site(work);
        csn_table_delete(store, CSN_TABLE_VERSION, job->proposal.zone, &staged->roots.full);
    }
    if (code != CSN_OK) {
        sim_log(world, actor, "not staged: %s %s", csn_error_text(code), reason.text);
    }
    return code;
}

static void staged(struct sim_world *world, struct sim_task *task)
{
    const struct sim_round_job *job = task->data;
    struct sim_actor *actor = task->actor;
    struct csn_event event = {.kind = CSN_EVENT_STAGED, .corr = job->corr};
    struct csn_staged made;
    kv_risk(world, actor);
    int code = stage(world, actor, job, &made);
    if (kv_has_ended(world, actor, code)) {
        return;
    }
    event.code = sim_draw(world, SIM_STAGE_FAILED) ? CSN_EIO : code;
    event.staged.bad_site = made.bad_site;
    if (event.code == CSN_OK) {
        event.staged.b = made.roots.b;
        event.staged.full_root = made.roots.full;
        event.staged.records = made.roots.records;
        event.staged.signatures = made.roots.signatures;
        event.staged.earliest_expiry_s = made.roots.earliest_expiry_s;
        actor->store->verified[job->zone] = made.roots.full;
    }
    sim_finish(world, actor, &event);
}

void sim_stage(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    sim_after_alive(world, sim_delay(world, world->options.stage_us), staged, actor, sim_round_job_new(world, effect));
}

/* --- RELEASE and SERVE */

struct release {
    uint64_t corr;
    unsigned zone;
    struct csn_body_held held;
    size_t size;
    uint8_t certificate[CSN_CERTIFICATE_MAX];
};

static void released(struct sim_world *world, struct sim_task *task)
{
    const struct release *release = task->data;
    struct sim_actor *actor = task->actor;
    struct csn_event event = {.kind = CSN_EVENT_RELEASED, .corr = release->corr};
    struct csn_version_view view;
    if (!csn_digest_equal(&actor->store->verified[release->zone], &release->held.full_root)) {
        event.code = csn_version_open_held(actor->store->store, &release->held, &view, NULL);
        if (event.code == CSN_OK) {
            event.code = verify_view(&view);
            csn_version_close(&view);
        }
    }
    kv_risk(world, actor);
    int code = event.code == CSN_OK ? kv_history_make(world, actor, release->zone, &release->held,
                                                      csn_bytes(release->certificate, release->size))
                                    : CSN_OK;
    if (!kv_has_ended(world, actor, code)) {
        sim_finish(world, actor, &event);
    }
}

/* What is served now rots too: it is what the differences to the new version come from. */
static void rot_served(struct sim_world *world, struct sim_actor *actor, unsigned zone)
{
    const struct csn_digest *served = &actor->store->lines[zone].served;
    struct sim_version *version = sim_disk_version(&actor->disk, zone, served);
    if (version != NULL && !version->is_rotten && kv_rot_table(world, actor, CSN_TABLE_VERSION, zone, served)) {
        version->is_rotten = true;
    }
}

void sim_release(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    struct release *release = csn_calloc(1, sizeof(*release));
    *release = (struct release){.corr = effect->corr,
                                .zone = sim_zone_index(world, effect->zone),
                                .held = effect->release.certificate->held,
                                .size = effect->release.octets.size};
    memcpy(release->certificate, effect->release.octets.data, release->size);
    const struct csn_digest *root = &release->held.full_root;
    struct sim_version *version = sim_disk_version(&actor->disk, release->zone, root);
    if (version == NULL) {
        sim_fail(world, "site %u releases a version that is not in its store", actor->number);
    } else if (!csn_digest_equal(&actor->store->verified[release->zone], root) &&
               kv_rot_table(world, actor, CSN_TABLE_VERSION, release->zone, root)) {
        version->is_rotten = true;
    }
    rot_served(world, actor, release->zone);
    sim_after_alive(world, sim_delay(world, world->options.stage_us / 4 + 8), released, actor, release);
}

struct look {
    unsigned zone;
    struct csn_digest full_root;
    uint64_t due_s;
};

static void looked_due(struct sim_world *world, struct sim_task *task)
{
    const struct look *look = task->data;
    struct csn_event event = {.kind = CSN_EVENT_DUE,
                              .due = {.zone = world->options.zone[look->zone].zone,
                                      .full_root = look->full_root,
                                      .due_s = look->due_s}};
    sim_finish(world, task->actor, &event);
}

void sim_look_due(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    const struct csn_body_held *held = &effect->release.certificate->held;
    unsigned zone = sim_zone_index(world, effect->zone);
    const struct csn_round_zone *config = &actor->configs[zone];
    struct kv_documents *documents =
        kv_documents_new(config, zone, config->policy.number, config->keyset.number, 0);
    struct csn_schedule schedule = {.policy = &documents->policy,
                                    .keyset = &documents->keyset,
                                    .time_s = held->proposal.time_s,
                                    .schedule_s = held->proposal.schedule_s};
    struct look *look = csn_calloc(1, sizeof(*look));
    *look = (struct look){.zone = zone,
                          .full_root = held->full_root,
                          .due_s = csn_schedule_due(&schedule, held->earliest_expiry_s)};
    free(documents);
    sim_after_alive(world, 0, looked_due, actor, look);
    kv_risk(world, actor);
    int code = csn_share_prune(actor->store->store, effect->zone, held->proposal.round);
    if (code != CSN_OK && code != CSN_EFULL && !kv_disk_is_dead(actor->store->disk)) {
        sim_fail(world, "site %u: old shares cannot be deleted: %s", actor->number, csn_error_text(code));
    }
    code = kv_disk_is_dead(actor->store->disk) ? CSN_EIO : kv_history_serve(world, actor, zone, held);
    kv_has_ended(world, actor, code);
}

/* --- what is served */

bool sim_seam_is_served(struct sim_world *world, const struct sim_actor *actor, unsigned zone,
                        const struct layout_held *held)
{
    struct csn_digest full_root, root = {{0}};
    struct csn_table_reader *reader;
    const uint8_t *apex = world->options.zone[zone].zone;
    memcpy(full_root.octets, held->full_root, sizeof(full_root.octets));
    if (csn_table_open(actor->store->store, CSN_TABLE_VERSION, apex, &full_root, &reader) != CSN_OK) {
        return false;
    }
    size_t count = 0, count_max = (size_t)csn_table_count(reader);
    struct csn_entry *entries = csn_calloc(count_max + 1, sizeof(*entries));
    while (count < count_max && csn_table_next(reader, &entries[count]) == CSN_OK) {
        count++;
    }
    const struct csn_rrset *dnskeys = kv_dnskeys_of(entries, count);
    bool is_good = count == count_max && dnskeys != NULL &&
                   kv_root(apex, entries, count, held->serial, held->time_s, &root) && csn_digest_equal(&root, &full_root);
    for (size_t i = 0; i < count && is_good; i++) {
        is_good = kv_entry_verifies(&entries[i], dnskeys);
    }
    free(entries);
    csn_table_close(reader);
    return is_good;
}
