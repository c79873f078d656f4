/* The key-value seam (seam.h): a node's store is lib/zone over kv_map, and what a round makes goes through the production
 * code: lib/zone, lib/sign's content and lib/kept. Signatures are stubs, and jobs take virtual time. As in production a disk
 * that is full, fails or is damaged ends the process. */
#include "sim/seam.h"

#include <stdlib.h>
#include <string.h>

#include "kept/inputs.h"
#include "kept/staging.h"
#include "sim/checker.h"
#include "sim/kv_map.h"
#include "sim/kv_root.h"
#include "sim/kv_zone.h"
#include "zone/rows.h"
#include "zone/store_own.h"

#define SIZE_MAX_OF_ENVIRONMENT ((size_t)1 << 30)
#define SEAL_SIZE 16 /* before a record of the index; store.c */
#define WORKS 4        /* contents kept of a zone: what is older was cancelled long ago */
#define ARMED_COMMITS 3 /* the process ends at one of so many commits of a job */

/* A content at work. */
struct work {
    struct csn_digest hash; /* H(P) */
    struct csn_proposal proposal;
    struct kv_documents *documents; /* owns */
    struct csn_input *input;        /* owns a reference */
    struct csn_content *content;    /* owns; NULL: no work */
};

struct sim_store {
    struct kv_disk *disk;    /* owns; survives crashes */
    struct csn_store *store; /* owns; NULL while down */
    struct work works[SIM_ZONES_MAX][WORKS]; /* newest first */
    struct csn_digest verified[SIM_ZONES_MAX]; /* full root of the version staged last in this life */
};

void sim_seam_plan(struct sim_options *options)
{
    options->zones = options->zones > 2 ? 2 : options->zones;
    options->sites -= options->spare; /* members change over the core seam */
    options->spare = 0;
    options->change_us = 0;
    options->change_us = 0; /* machines keep their stores here */
    options->sites -= options->spare;
    options->spare = 0;
    for (unsigned zone = 0; zone < options->zones; zone++) {
        options->zone[zone].refresh_s = KV_REFRESH_S;
    }
}

/* --- names */

struct csn_input_id sim_input_id(unsigned zone, uint32_t generation, uint32_t serial, unsigned variant)
{
    struct csn_input *input = kv_input(zone, generation, serial, variant);
    struct csn_input_id id = kv_input_id(input, generation);
    csn_input_unref(input);
    return id;
}

struct csn_version_id sim_policy_id(unsigned zone, uint32_t number)
{
    return (struct csn_version_id){.number = number, .digest = sim_symbol("policy", zone, number, 0)};
}

struct csn_version_id sim_keyset_id(unsigned zone, uint32_t number)
{
    return (struct csn_version_id){.number = number, .digest = sim_symbol("keyset", zone, number, 0)};
}

/* --- the disk that the checker sees */

struct listing {
    struct sim_world *world;
    struct sim_actor *actor;
    struct sim_disk old;
};

static void list_version(struct listing *listing, unsigned zone, const struct csn_digest *name)
{
    const struct sim_version *old = sim_disk_version(&listing->old, zone, name);
    struct sim_version version = {.zone = zone, .full_root = *name, .is_rotten = old != NULL && old->is_rotten};
    sim_disk_put_version(&listing->actor->disk, &version);
}

static void list_input(struct listing *listing, unsigned zone, const struct csn_digest *name, struct csn_bytes octets)
{
    const struct sim_input *old = sim_disk_input(&listing->old, zone, name);
    struct csn_input_meta meta;
    struct csn_input_id id = {.prepared = *name};
    INSIST(csn_input_meta_decode(octets, &meta) == CSN_OK);
    id.generation = old != NULL ? old->id.generation : listing->actor->generation[zone];
    id.serial = meta.serial;
    id.received = meta.received;
    id.removed = meta.removed;
    id.removed_hash = meta.removed_hash;
    sim_disk_put_input(&listing->actor->disk, zone, &id, old != NULL && old->is_confirmed);
}

static int list_table(void *arg, enum csn_table_kind kind, const uint8_t *apex, const struct csn_digest *name,
                      struct csn_bytes meta)
{
    struct listing *listing = arg;
    unsigned zone = sim_zone_index(listing->world, apex);
    if (kind == CSN_TABLE_VERSION) {
        list_version(listing, zone, name);
    } else {
        list_input(listing, zone, name, meta);
    }
    return CSN_OK;
}

/* After everything that may have changed the tables. */
static void show_tables(struct sim_world *world, struct sim_actor *actor)
{
    struct listing listing = {.world = world, .actor = actor, .old = actor->disk};
    actor->disk.versions = NULL;
    actor->disk.inputs = NULL;
    actor->disk.version_count = actor->disk.input_count = 0;
    int code = csn_table_list(actor->store->store, list_table, &listing);
    if (code != CSN_OK && !kv_disk_is_dead(actor->store->disk)) {
        sim_fail(world, "site %u: the index of its tables cannot be read: %s", actor->number, csn_error_text(code));
    }
    if (code != CSN_OK) { /* what came through shows at the next start */
        free(actor->disk.versions);
        free(actor->disk.inputs);
        actor->disk = listing.old;
        return;
    }
    free(listing.old.versions);
    free(listing.old.inputs);
}

/* --- how a process ends */

/* Before a job: it may be the last of this process. */
static void risk(struct sim_world *world, struct sim_actor *actor)
{
    bool is_armed = sim_draw(world, SIM_CRASH_DISK);
    bool is_durable = is_armed && sim_chance(&world->random, 500000);
    unsigned commits = is_armed ? (unsigned)sim_between(&world->random, 1, ARMED_COMMITS) : 0;
    kv_disk_arm(actor->store->disk, !is_armed ? KV_FATE_NONE : is_durable ? KV_FATE_DURABLE : KV_FATE_LOST, commits);
    kv_disk_set_full(actor->store->disk, actor->is_disk_full);
}

/* After it: whether the process is gone. */
static bool has_ended(struct sim_world *world, struct sim_actor *actor, int code)
{
    bool is_dead = kv_disk_is_dead(actor->store->disk);
    kv_disk_arm(actor->store->disk, KV_FATE_NONE, 0);
    if (!is_dead && code != CSN_EIO && code != CSN_EFULL && code != CSN_EDAMAGED) {
        show_tables(world, actor);
        return false;
    }
    sim_log(world, actor, "a job ends the process: %s", csn_error_text(code));
    if (code == CSN_EFULL) {
        sim_count(world, SIM_DISK_FULL);
    }
    sim_crash(world, actor);
    sim_restart_later(world, actor);
    return true;
}

/* --- works */

static void work_fini(struct work *work)
{
    csn_content_free(work->content);
    csn_input_unref(work->input);
    free(work->documents);
    *work = (struct work){0};
}

static struct work *work_new(struct sim_store *store, unsigned zone)
{
    struct work *works = store->works[zone];
    work_fini(&works[WORKS - 1]);
    memmove(works + 1, works, (WORKS - 1) * sizeof(*works));
    works[0] = (struct work){0};
    return &works[0];
}

static struct work *work_of(struct sim_store *store, unsigned zone, const struct csn_digest *hash)
{
    for (unsigned i = 0; i < WORKS; i++) {
        struct work *work = &store->works[zone][i];
        if (work->content != NULL && csn_digest_equal(&work->hash, hash)) {
            return work;
        }
    }
    return NULL;
}

/* What a job needs of its effect. */
struct job {
    uint64_t corr;
    unsigned zone;
    uint16_t author;
    struct csn_digest hash;
    struct csn_proposal proposal;
    struct csn_digest full_root;
    struct csn_share_offer offers[CSN_MEMBERS_MAX];
};

static struct job *job_new(const struct sim_world *world, const struct csn_effect *effect)
{
    struct job *job = csn_calloc(1, sizeof(*job));
    job->corr = effect->corr;
    job->zone = sim_zone_index(world, effect->zone);
    job->author = effect->work.author;
    job->hash = effect->work.hash;
    job->proposal = *effect->work.proposal;
    job->full_root = effect->work.full_root;
    for (unsigned i = 0; effect->work.offers != NULL && i < job->proposal.author_count; i++) {
        job->offers[i] = effect->work.offers[i];
    }
    return job;
}

/* --- COMPUTE */

static int make_content(struct csn_store *store, struct work *work)
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
    const struct job *job = task->data;
    struct sim_actor *actor = task->actor;
    struct csn_event event = {.kind = CSN_EVENT_COMPUTED, .corr = job->corr};
    struct work *work = work_new(actor->store, job->zone);
    work->hash = job->hash;
    work->proposal = job->proposal;
    work->documents = kv_documents_new(&actor->configs[job->zone], job->zone, job->proposal.policy.number,
                                       job->proposal.keyset.number, actor->diverged);
    risk(world, actor);
    event.code = sim_draw(world, SIM_COMPUTE_FAILED) ? CSN_EREFUSED : make_content(actor->store->store, work);
    if (has_ended(world, actor, event.code)) {
        return;
    }
    if (event.code == CSN_OK) {
        csn_content_authors(work->content, job->proposal.author_count);
        event.computed = work->content->roots;
    } else {
        sim_log(world, actor, "no content: %s", csn_error_text(event.code));
        work_fini(work);
    }
    sim_finish(world, actor, &event);
}

void sim_compute(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    sim_after_alive(world, sim_delay(world, world->options.compute_us), computed, actor, job_new(world, effect));
}

/* --- SIGN */

static void sign(struct sim_world *world, const struct sim_actor *actor, struct work *work, uint16_t author)
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
        octets[KV_SIGNATURE_SIZE - 1] ^= actor->hsm == SIM_HSM_IS_WRONG;
        csn_signature_set(content, signature, csn_bytes(octets, sizeof(octets)));
    }
    csn_buf_fini(&data);
}

/* Once for each H(P), for ever. */
static int make_share(struct sim_world *world, struct sim_actor *actor, const struct job *job, struct csn_event *event)
{
    struct work *work = work_of(actor->store, job->zone, &job->hash);
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
    const struct job *job = task->data;
    struct csn_event event = {.kind = CSN_EVENT_SIGNED, .corr = job->corr};
    risk(world, task->actor);
    event.code = make_share(world, task->actor, job, &event);
    if (!has_ended(world, task->actor, event.code)) {
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
    sim_after_alive(world, sim_delay(world, most_us), is_signed, actor, job_new(world, effect));
}

/* --- STAGE */

static const struct csn_rrset *dnskeys_of(const struct csn_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (entries[i].rrset.type == CSN_TYPE_DNSKEY) {
            return &entries[i].rrset;
        }
    }
    return NULL;
}

/* In place of the two verifiers: the octets of what is not carried. */
static int verify(const struct csn_version_view *view)
{
    const struct csn_rrset *dnskeys = dnskeys_of(view->entries, view->count);
    for (size_t i = 0; i < view->count; i++) {
        bool is_carried = view->is_carried != NULL && view->is_carried[i];
        if (dnskeys == NULL || (!is_carried && !kv_entry_verifies(&view->entries[i], dnskeys))) {
            return CSN_ESIGNATURE;
        }
    }
    return CSN_OK;
}

static uint16_t find_bad_site(const struct work *work)
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

static int stage(struct sim_world *world, struct sim_actor *actor, const struct job *job, struct csn_staged *staged)
{
    struct csn_store *store = actor->store->store;
    struct work *work = work_of(actor->store, job->zone, &job->hash);
    struct csn_reason reason = {0};
    *staged = (struct csn_staged){0};
    if (work == NULL) {
        return CSN_ECLOSED;
    }
    struct csn_staging staging = {.proposal = &work->proposal, .hash = &work->hash, .expected = job->full_root};
    memcpy(staging.offers, job->offers, sizeof(staging.offers));
    int code = csn_staging_make(store, &staging, work->content, staged, &reason);
    if (code == CSN_OK) {
        code = verify(&staged->view);
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
    const struct job *job = task->data;
    struct sim_actor *actor = task->actor;
    struct csn_event event = {.kind = CSN_EVENT_STAGED, .corr = job->corr};
    struct csn_staged made;
    risk(world, actor);
    int code = stage(world, actor, job, &made);
    if (has_ended(world, actor, code)) {
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
    sim_after_alive(world, sim_delay(world, world->options.stage_us), staged, actor, job_new(world, effect));
}

/* --- RELEASE and SERVE */

struct release {
    uint64_t corr;
    unsigned zone;
    struct csn_body_held held;
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
            event.code = verify(&view);
            csn_version_close(&view);
        }
    }
    sim_finish(world, actor, &event);
}

/* One copy of a table may rot where another site has it whole: a second would be a loss that no rule promises to survive. */
static bool may_rot(const struct sim_world *world, const struct sim_actor *actor, unsigned zone, const struct csn_digest *name)
{
    bool is_elsewhere = false;
    for (unsigned i = 0; i < world->options.sites; i++) {
        const struct sim_disk *disk = &world->actors[i].disk;
        is_elsewhere = is_elsewhere || (i != actor->index && (sim_disk_version(disk, zone, name) != NULL ||
                                                             sim_disk_input(disk, zone, name) != NULL));
    }
    for (unsigned i = 0; i < world->rotten_count; i++) {
        is_elsewhere = is_elsewhere && !csn_digest_equal(&world->rotten[i], name);
    }
    return is_elsewhere && world->rotten_count < SIM_ROTTEN_MAX;
}

/* A table's rows begin with its handle, which stands first in its record in the index, behind the seal (store_table.c). */
static bool rot_rows(struct sim_world *world, struct sim_actor *actor, struct csn_bytes key)
{
    struct csn_bytes record;
    uint8_t handle[4];
    if (!kv_disk_value(actor->store->disk, CSN_ZONES_INDEX, key, &record)) {
        return false;
    }
    memcpy(handle, record.data + SEAL_SIZE, sizeof(handle));
    return kv_disk_rot(actor->store->disk, CSN_ZONES_ROWS, csn_bytes(handle, sizeof(handle)), sim_next(&world->random));
}

/* In its rows, or, while nobody has the store open, in its record. */
static bool rot_table(struct sim_world *world, struct sim_actor *actor, enum csn_table_kind kind, unsigned zone,
                      const struct csn_digest *name)
{
    struct csn_buf key = {0};
    const uint8_t *apex = world->options.zone[zone].zone;
    if (!may_rot(world, actor, zone, name) || !sim_draw(world, SIM_ROT)) {
        return false;
    }
    csn_buf_put_u8(&key, (uint8_t)kind);
    csn_buf_put(&key, apex, csn_name_size(apex));
    csn_buf_put(&key, name->octets, sizeof(name->octets));
    bool is_record = actor->store->store == NULL && sim_chance(&world->random, 300000);
    bool is_rotten = is_record ? kv_disk_rot(actor->store->disk, CSN_ZONES_INDEX, csn_buf_view(&key), sim_next(&world->random))
                               : rot_rows(world, actor, csn_buf_view(&key));
    csn_buf_fini(&key);
    if (is_rotten) {
        sim_log(world, actor, "a bit turns in the %s of a table", is_record ? "record" : "rows");
        world->rotten[world->rotten_count++] = *name;
    }
    return is_rotten;
}

void sim_release(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    struct release *release = csn_calloc(1, sizeof(*release));
    *release = (struct release){.corr = effect->corr,
                                .zone = sim_zone_index(world, effect->zone),
                                .held = effect->release.certificate->held};
    const struct csn_digest *root = &release->held.full_root;
    struct sim_version *version = sim_disk_version(&actor->disk, release->zone, root);
    if (version == NULL) {
        sim_fail(world, "site %u releases a version that is not in its store", actor->number);
    } else if (!csn_digest_equal(&actor->store->verified[release->zone], root) &&
               rot_table(world, actor, CSN_TABLE_VERSION, release->zone, root)) {
        version->is_rotten = true;
    }
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
    risk(world, actor);
    int code = csn_share_prune(actor->store->store, effect->zone, held->proposal.round);
    if (code != CSN_OK && code != CSN_EFULL && !kv_disk_is_dead(actor->store->disk)) {
        sim_fail(world, "site %u: old shares cannot be deleted: %s", actor->number, csn_error_text(code));
    }
    has_ended(world, actor, CSN_OK);
}

/* --- the store */

static int compare_record(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    struct sim_records *records = arg;
    sim_records_put(records, key, value);
    return CSN_OK;
}

static bool are_equal(const struct sim_records *a, const struct sim_records *b)
{
    bool are = a->count == b->count;
    for (size_t i = 0; i < a->count && are; i++) {
        struct csn_bytes value = sim_records_get(b, csn_buf_view(&a->items[i].key));
        are = value.data != NULL && csn_bytes_equal(value, csn_buf_view(&a->items[i].value));
    }
    return are;
}

/* Every record that was durable is there as it was, and no other. */
static void read_records(struct sim_world *world, struct sim_actor *actor)
{
    struct sim_records records = {0};
    int code = csn_store_read_votes(actor->store->store, csn_bytes(NULL, 0), compare_record, &records);
    if (code != CSN_OK || !are_equal(&records, &actor->disk.records)) {
        sim_fail(world, "site %u starts with other records than were durable: %s, %zu for %zu", actor->number,
                 csn_error_text(code), records.count, actor->disk.records.count);
    }
    sim_records_fini(&records);
}

/* What rotted is found by its root before the core hears of it, and nothing else is. CSN_EFULL: it cannot be deleted; production
 * would serve the others and write nothing. */
static int check_versions(struct sim_world *world, struct sim_actor *actor)
{
    int code = CSN_OK;
    for (size_t i = actor->disk.version_count; i > 0 && code == CSN_OK; i--) {
        struct sim_version version = actor->disk.versions[i - 1];
        const uint8_t *apex = world->options.zone[version.zone].zone;
        bool is_whole = csn_version_is_whole(actor->store->store, apex, &version.full_root);
        if (is_whole == version.is_rotten) {
            sim_fail(world, "site %u: a version that %s is taken for %s", actor->number,
                     version.is_rotten ? "rotted" : "is whole", is_whole ? "whole" : "damaged");
        }
        if (!is_whole) {
            code = csn_table_delete(actor->store->store, CSN_TABLE_VERSION, apex, &version.full_root);
        }
        if (!is_whole && code == CSN_OK) {
            sim_disk_delete_version(&actor->disk, version.zone, &version.full_root);
        }
    }
    return code;
}

static int put_input(struct sim_actor *actor, unsigned zone, const struct csn_input_id *id)
{
    struct csn_input *input = kv_input_again(zone, id);
    INSIST(input != NULL);
    int code = csn_input_store(actor->store->store, input);
    csn_input_unref(input);
    return code;
}

static void confirm(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_input_id *id)
{
    show_tables(world, actor);
    struct sim_input *input = sim_disk_input(&actor->disk, zone, &id->prepared);
    if (input != NULL) {
        input->id = *id;
        input->is_confirmed = true;
    }
}

/* A node takes the files of its zones in again when it starts. */
static int read_files(struct sim_world *world, struct sim_actor *actor)
{
    int code = CSN_OK;
    for (unsigned zone = 0; zone < world->options.zones && code == CSN_OK; zone++) {
        const struct csn_input_id *id = &actor->newest_input[zone];
        if (id->generation > 0) {
            code = put_input(actor, zone, id);
            confirm(world, actor, zone, id);
        }
    }
    for (unsigned zone = 0; zone < world->options.zones && code == CSN_OK; zone++) {
        const struct csn_input_id *id = &actor->newest_input[zone];
        if (sim_disk_input(&actor->disk, zone, &id->prepared) != NULL) { /* the core hears of it last */
            sim_disk_delete_input(&actor->disk, zone, &id->prepared);
            sim_disk_put_input(&actor->disk, zone, id, true);
        }
    }
    return code;
}

/* While nobody looks. */
static void rot_something(struct sim_world *world, struct sim_actor *actor)
{
    struct sim_disk *disk = &actor->disk;
    if (disk->version_count > 0) {
        struct sim_version *version = &disk->versions[sim_below(&world->random, disk->version_count)];
        if (rot_table(world, actor, CSN_TABLE_VERSION, version->zone, &version->full_root)) {
            version->is_rotten = true;
        }
    }
    if (disk->input_count > 0) {
        const struct sim_input *input = &disk->inputs[sim_below(&world->random, disk->input_count)];
        rot_table(world, actor, CSN_TABLE_INPUT, input->zone, &input->id.prepared);
    }
    if (sim_draw(world, SIM_ROT)) {
        kv_disk_rot(actor->store->disk, CSN_ZONES_BLOBS, csn_bytes("s", 1), sim_next(&world->random));
    }
}

/* The checker hears of what has rotted: it goes in the opening or after it. */
static void excuse_rotten(struct sim_world *world, struct sim_actor *actor)
{
    for (size_t i = 0; i < actor->disk.version_count; i++) {
        const struct sim_version *version = &actor->disk.versions[i];
        if (version->is_rotten) {
            sim_checker_delete_version(world->checker, actor, version->zone, &version->full_root);
        }
    }
}

bool sim_seam_open(struct sim_world *world, struct sim_actor *actor)
{
    char folder[KV_FOLDER_SIZE];
    struct csn_reason reason = {0};
    if (actor->store == NULL) {
        actor->store = csn_calloc(1, sizeof(*actor->store));
        actor->store->disk = kv_disk_new();
    }
    rot_something(world, actor);
    kv_disk_arm(actor->store->disk, KV_FATE_NONE, 0);
    kv_disk_set_full(actor->store->disk, actor->is_disk_full);
    kv_disk_folder(actor->store->disk, folder);
    int code =
        csn_store_open(folder, SIZE_MAX_OF_ENVIRONMENT, SIZE_MAX_OF_ENVIRONMENT, &actor->store->store, &reason);
    if (code == CSN_EFULL) {
        sim_count(world, SIM_DISK_FULL);
        return false;
    }
    if (code != CSN_OK) {
        sim_fail(world, "site %u: its store does not open: %s", actor->number, reason.text);
        return false;
    }
    excuse_rotten(world, actor);
    show_tables(world, actor);
    read_records(world, actor);
    code = check_versions(world, actor);
    if (code == CSN_OK) {
        code = read_files(world, actor);
    }
    /* Damage is not mended on a full disk: production reads what is whole, and waits. */
    if (code != CSN_OK && !actor->is_disk_full) {
        sim_fail(world, "site %u: its store cannot be written: %s", actor->number, csn_error_text(code));
    }
    return code == CSN_OK;
}

void sim_seam_close(struct sim_actor *actor)
{
    struct sim_store *store = actor->store;
    if (store == NULL) {
        return;
    }
    for (unsigned i = 0; i < SIM_ZONES_MAX * WORKS; i++) {
        work_fini(&store->works[i / WORKS][i % WORKS]);
    }
    memset(store->verified, 0, sizeof(store->verified));
    csn_store_close(store->store);
    store->store = NULL;
}

void sim_seam_free(struct sim_actor *actor)
{
    if (actor->store != NULL) {
        sim_seam_close(actor);
        kv_disk_free(actor->store->disk);
        free(actor->store);
        actor->store = NULL;
    }
    if (actor->backup_store != NULL) {
        kv_disk_free(actor->backup_store->disk);
        free(actor->backup_store);
        actor->backup_store = NULL;
    }
}

void sim_seam_back_up(struct sim_actor *actor)
{
    if (actor->backup_store == NULL) {
        actor->backup_store = csn_calloc(1, sizeof(*actor->backup_store));
    }
    kv_disk_free(actor->backup_store->disk);
    actor->backup_store->disk = kv_disk_copy(actor->store->disk);
    sim_disk_back_up(actor);
}

/* Inputs of today are not in it: their files are read again. */
void sim_seam_put_back(struct sim_actor *actor)
{
    kv_disk_free(actor->store->disk);
    actor->store->disk = kv_disk_copy(actor->backup_store->disk);
    sim_disk_put_back(actor);
}

int sim_seam_commit(struct sim_world *world, struct sim_actor *actor, const struct sim_persist *persist, bool *ret_is_durable)
{
    struct csn_vote_expect *expects = csn_calloc(persist->expects.count + 1, sizeof(*expects));
    struct csn_vote_write *writes = csn_calloc(persist->writes.count + 1, sizeof(*writes));
    for (size_t i = 0; i < persist->expects.count; i++) {
        expects[i].key = csn_buf_view(&persist->expects.items[i].key);
        expects[i].value = sim_record_value(&persist->expects.items[i]);
    }
    for (size_t i = 0; i < persist->writes.count; i++) {
        writes[i].key = csn_buf_view(&persist->writes.items[i].key);
        writes[i].value = sim_record_value(&persist->writes.items[i]);
    }
    bool is_armed = persist->second.key.size > 0 && sim_draw(world, SIM_CRASH_DISK);
    *ret_is_durable = is_armed && sim_chance(&world->random, 500000);
    kv_disk_arm(actor->store->disk, !is_armed ? KV_FATE_NONE : *ret_is_durable ? KV_FATE_DURABLE : KV_FATE_LOST, 1);
    kv_disk_set_full(actor->store->disk, actor->is_disk_full);
    int code = csn_store_write_votes(actor->store->store, expects, persist->expects.count, writes, persist->writes.count);
    kv_disk_arm(actor->store->disk, KV_FATE_NONE, 0);
    *ret_is_durable = code == CSN_OK || (code == CSN_EIO && *ret_is_durable);
    if (*ret_is_durable) {
        sim_records_apply(&actor->disk.records, &persist->writes);
    }
    if (code == CSN_EFULL) {
        sim_count(world, SIM_DISK_FULL);
    }
    free(expects);
    free(writes);
    return code;
}

bool sim_seam_put_input(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_input_id *id)
{
    if (!actor->is_up) {
        return true; /* its file is read at the next start */
    }
    risk(world, actor);
    int code = put_input(actor, zone, id);
    if (has_ended(world, actor, code)) {
        return false;
    }
    confirm(world, actor, zone, id);
    return true;
}

void sim_seam_delete_version(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                             const struct csn_digest *full_root)
{
    risk(world, actor);
    int code = csn_table_delete(actor->store->store, CSN_TABLE_VERSION, world->options.zone[zone].zone, full_root);
    has_ended(world, actor, code);
}

void sim_seam_delete_input(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                           const struct csn_digest *prepared)
{
    risk(world, actor);
    int code = csn_table_delete(actor->store->store, CSN_TABLE_INPUT, world->options.zone[zone].zone, prepared);
    has_ended(world, actor, code);
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
    const struct csn_rrset *dnskeys = dnskeys_of(entries, count);
    bool is_good = count == count_max && dnskeys != NULL &&
                   kv_root(apex, entries, count, held->serial, held->time_s, &root) && csn_digest_equal(&root, &full_root);
    for (size_t i = 0; i < count && is_good; i++) {
        is_good = kv_entry_verifies(&entries[i], dnskeys);
    }
    free(entries);
    csn_table_close(reader);
    return is_good;
}

/* --- bulk requests: size of the meta u32 | meta | rows, as they travel; or a share */

static bool give_table(const struct sim_actor *actor, enum csn_table_kind kind, const uint8_t *apex,
                       const struct csn_digest *name, struct csn_buf *octets)
{
    struct csn_table_reader *reader;
    struct csn_entry entry;
    int code = csn_table_open(actor->store->store, kind, apex, name, &reader);
    if (code != CSN_OK) {
        return false;
    }
    csn_buf_put_u32(octets, (uint32_t)csn_table_meta(reader).size);
    csn_buf_put_bytes(octets, csn_table_meta(reader));
    while ((code = csn_table_next(reader, &entry)) == CSN_OK) {
        csn_rows_put(octets, &entry);
    }
    csn_table_close(reader);
    return code == CSN_ENOTFOUND;
}

static void share_key(const struct sim_world *world, const struct sim_object *object, struct csn_buf *key)
{
    csn_share_key(world->options.zone[object->zone].zone, &object->digest, object->author, key);
}

bool sim_seam_give(struct sim_world *world, const struct sim_actor *actor, const struct sim_object *object,
                   struct csn_buf *octets)
{
    const uint8_t *apex = world->options.zone[object->zone].zone;
    struct csn_buf key = {0};
    bool is_there = false;
    switch (object->kind) {
    case CSN_OBJECT_INPUT:
        return give_table(actor, CSN_TABLE_INPUT, apex, &object->digest, octets);
    case CSN_OBJECT_VERSION:
        return give_table(actor, CSN_TABLE_VERSION, apex, &object->digest, octets);
    case CSN_OBJECT_SHARE:
        share_key(world, object, &key);
        is_there = csn_store_get_blob(actor->store->store, csn_buf_view(&key), octets) == CSN_OK;
        csn_buf_fini(&key);
        return is_there;
    default:
        return false;
    }
}

static int add_rows(struct csn_table_writer *writer, struct csn_rooter *rooter, struct csn_bytes octets)
{
    struct csn_reader rows = csn_reader(octets);
    struct csn_entry entry;
    int code;
    while ((code = csn_rows_next(&rows, &entry)) == CSN_OK) {
        code = csn_rooter_add(rooter, &entry, NULL);
        code = code == CSN_OK ? csn_table_add(writer, &entry) : code;
        if (code != CSN_OK) {
            return code;
        }
    }
    return code == CSN_ENOTFOUND ? CSN_OK : code;
}

/* Complete only when the whole of it has the root that was asked for, as in node/fetch.c. */
static int take_version(struct csn_store *store, const uint8_t *apex, const struct csn_digest *name, struct csn_bytes meta,
                        struct csn_bytes rows)
{
    struct csn_version_meta numbers;
    struct csn_zone_roots roots;
    struct csn_table_writer *writer;
    int code = csn_version_meta_decode(meta, &numbers);
    if (code == CSN_OK) {
        code = csn_table_begin(store, CSN_TABLE_VERSION, apex, name, &writer);
    }
    if (code != CSN_OK) {
        return code == CSN_EEXISTS ? CSN_OK : code;
    }
    struct csn_rooter *rooter = csn_rooter_new(apex, numbers.time_s);
    code = add_rows(writer, rooter, rows);
    code = code == CSN_OK ? csn_rooter_finish(rooter, numbers.serial, &roots, NULL) : code;
    code = code == CSN_OK && !csn_digest_equal(&roots.full, name) ? CSN_EMISMATCH : code;
    csn_rooter_free(rooter);
    if (code != CSN_OK) {
        csn_table_abandon(writer);
        return code;
    }
    return csn_table_complete(writer, meta);
}

static int take(const struct sim_world *world, struct csn_store *store, const struct sim_object *object,
                struct csn_bytes octets)
{
    const uint8_t *apex = world->options.zone[object->zone].zone;
    struct csn_reader reader = csn_reader(octets);
    if (object->kind == CSN_OBJECT_SHARE) {
        struct csn_buf key = {0};
        share_key(world, object, &key);
        int code = csn_store_put_blob(store, csn_buf_view(&key), octets);
        csn_buf_fini(&key);
        return code;
    }
    struct csn_bytes meta = csn_read_bytes(&reader, csn_read_u32(&reader));
    struct csn_bytes rows = csn_read_bytes(&reader, csn_reader_left(&reader));
    if (object->kind == CSN_OBJECT_VERSION) {
        return take_version(store, apex, &object->digest, meta, rows);
    }
    struct csn_input *input;
    int code = csn_input_from_rows(apex, &object->digest, meta, rows, &input);
    if (code == CSN_OK) {
        code = csn_input_store(store, input);
        csn_input_unref(input);
    }
    return code;
}

int sim_seam_take(struct sim_world *world, struct sim_actor *actor, const struct sim_object *object, struct csn_bytes octets)
{
    risk(world, actor);
    int code = take(world, actor->store->store, object, octets);
    if (has_ended(world, actor, code == CSN_EDAMAGED ? CSN_EMISMATCH : code)) {
        return CSN_EIO;
    }
    if (code == CSN_OK && object->kind == CSN_OBJECT_INPUT) {
        sim_disk_input(&actor->disk, object->zone, &object->digest)->id = object->input;
    }
    return code;
}
