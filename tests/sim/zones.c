/* The core seam (seam.h), symbolic zones: a content root is a hash of what a content depends on, a
 * share is a random number that is drawn once for each (H(P), author), a version is the list of its
 * shares; the disk is what world.h says of it. */
#include "sim/seam.h"

#include <string.h>

#include "sim/checker.h"
#include "sim/epochs.h"
#include "sim/round_job.h"

#define RECORDS 50
#define SIGNATURES_OF_SHARE 20

struct csn_input_id sim_input_id(unsigned zone, uint32_t generation, uint32_t serial,
                                 unsigned variant)
{
    uint64_t place = (uint64_t)generation << 32 | serial;
    return (struct csn_input_id){
        .generation = generation,
        .serial = serial,
        .received = sim_symbol("received", zone, place, variant),
        .prepared = sim_symbol("prepared", zone, place, variant),
        .removed_hash = sim_symbol("removed", zone, place, variant),
    };
}

struct csn_version_id sim_policy_id(unsigned zone, uint32_t number)
{
    return (struct csn_version_id){.number = number,
                                   .digest = sim_symbol("policy", zone, number, 0)};
}

struct csn_version_id sim_keyset_id(unsigned zone, uint32_t number)
{
    return (struct csn_version_id){.number = number,
                                   .digest = sim_symbol("keyset", zone, number, 0)};
}

/* --- content */

static struct csn_digest class_root(const char *letter, const struct csn_proposal *proposal,
                                    unsigned diverged)
{
    struct sim_mixer mixer = sim_mixer(letter);
    sim_mix(&mixer, proposal->zone, csn_name_size(proposal->zone));
    sim_mix_digest(&mixer, &proposal->input.prepared);
    sim_mix_u64(&mixer, proposal->time_s);
    sim_mix_u64(&mixer, proposal->schedule_s);
    sim_mix_u64(&mixer, proposal->serial);
    sim_mix_digest(&mixer, &proposal->policy.digest);
    sim_mix_digest(&mixer, &proposal->keyset.digest);
    sim_mix_u64(&mixer, diverged);
    return sim_mixed(&mixer);
}

static struct csn_roots roots_of(const struct csn_proposal *proposal, unsigned diverged)
{
    return (struct csn_roots){
        .d = class_root("D", proposal, diverged % 4 == 1 ? diverged : 0),
        .k = class_root("K", proposal, diverged % 4 == 2 ? diverged : 0),
        .n = class_root("N", proposal, diverged % 4 == 3 ? diverged : 0),
        .r = class_root("R", proposal, diverged > 0 && diverged % 4 == 0 ? diverged : 0),
    };
}

static struct csn_digest content_of(const struct csn_proposal *proposal,
                                    const struct csn_roots *roots)
{
    struct sim_mixer mixer = sim_mixer("content");
    sim_mix(&mixer, proposal->zone, csn_name_size(proposal->zone));
    sim_mix_u64(&mixer, proposal->serial);
    sim_mix_u64(&mixer, proposal->time_s);
    sim_mix_digest(&mixer, &roots->d);
    sim_mix_digest(&mixer, &roots->k);
    sim_mix_digest(&mixer, &roots->n);
    sim_mix_digest(&mixer, &roots->r);
    return sim_mixed(&mixer);
}

static void computed(struct sim_world *world, struct sim_task *task)
{
    const struct sim_round_job *job = task->data;
    struct sim_actor *actor = task->actor;
    struct csn_event event = {.kind = CSN_EVENT_COMPUTED, .corr = job->corr};
    struct sim_computed *result = &actor->computed[job->zone];
    if (sim_draw(world, SIM_COMPUTE_FAILED)) {
        event.code = CSN_EREFUSED;
    } else {
        result->hash = job->hash;
        result->roots = event.computed = roots_of(&job->proposal, actor->diverged);
    }
    sim_finish(world, actor, &event);
}

void sim_compute(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    struct sim_round_job *job = sim_round_job_new(world, effect);
    if (sim_disk_input(&actor->disk, job->zone, &job->proposal.input.prepared) == NULL) {
        sim_fail(world, "site %u computes with an input that is not in its store", actor->number);
    }
    sim_after_alive(world, sim_delay(world, world->options.compute_us), computed, actor, job);
}

/* --- shares */

static void is_signed(struct sim_world *world, struct sim_task *task)
{
    const struct sim_round_job *job = task->data;
    struct sim_actor *actor = task->actor;
    struct csn_event event = {.kind = CSN_EVENT_SIGNED, .corr = job->corr};
    const struct sim_share *old = sim_disk_share(&actor->disk, &job->hash, actor->number);
    struct sim_share share = {
        .hash = job->hash,
        .author = actor->number,
        .is_good = actor->hsm != SIM_HSM_IS_WRONG && actor->hsm != SIM_HSM_HAS_OTHER_KEY};
    if (old == NULL && actor->hsm == SIM_HSM_IS_DEAD) {
        event.code = CSN_EHSM;
    } else {
        share.b = sim_symbol("share", sim_next(&world->random), actor->number,
                             0); /* signing twice gives other bytes */
        event.share.b = old != NULL ? old->b : share.b;
        event.share.count = SIGNATURES_OF_SHARE;
        sim_disk_put_share(&actor->disk, &share);
    }
    sim_finish(world, actor, &event);
}

void sim_sign_share(struct sim_world *world, struct sim_actor *actor,
                    const struct csn_effect *effect)
{
    uint64_t most_us = world->options.sign_us;
    if (actor->is_verifier || effect->work.proposal->authors[effect->work.author] != actor->number) {
        sim_fail(world, "site %u signs as author %u", actor->number, effect->work.author);
    }
    if (actor->hsm == SIM_HSM_IS_SLOW || actor->hsm == SIM_HSM_IS_DEAD) {
        most_us = 2 * SIM_MS * effect->work.proposal->author_count *
                  world->options.zone[0].round_deadline_ms;
    }
    sim_after_alive(world, sim_delay(world, most_us), is_signed, actor, sim_round_job_new(world, effect));
}

/* --- versions */

static struct csn_digest b_of(const struct sim_version *version)
{
    struct sim_mixer mixer = sim_mixer("B");
    sim_mix_digest(&mixer, &version->parent);
    for (unsigned i = 0; i < version->share_count; i++) {
        sim_mix_digest(&mixer, &version->shares[i]);
    }
    sim_mix_u64(&mixer, version->is_rotten);
    return sim_mixed(&mixer);
}

static struct csn_digest root_of(const struct sim_version *version)
{
    struct csn_digest b = b_of(version);
    struct sim_mixer mixer = sim_mixer("full");
    sim_mix_digest(&mixer, &version->content);
    sim_mix_digest(&mixer, &b);
    sim_mix_u64(&mixer, version->earliest_expiry_s);
    return sim_mixed(&mixer);
}

/* Own and fetched shares put together; CSN_OK, or why not and whose fault it is. */
static int combine(const struct sim_actor *actor, const struct sim_round_job *job,
                   struct sim_version *version, uint16_t *ret_bad_site)
{
    *ret_bad_site = 0;
    version->share_count = job->proposal.author_count;
    for (unsigned i = 0; i < version->share_count; i++) {
        uint16_t author = job->proposal.authors[i];
        const struct sim_share *share = sim_disk_share(&actor->disk, &job->hash, author);
        if (share == NULL) {
            return CSN_ENOTFOUND;
        }
        version->has_bad_share = version->has_bad_share || !share->is_good;
        bool is_offered =
            !job->offers[i].has_root || csn_digest_equal(&job->offers[i].b, &share->b);
        if (!is_offered || !share->is_good) {
            *ret_bad_site = author;
            return is_offered ? CSN_ESIGNATURE : CSN_EMISMATCH;
        }
        version->shares[i] = share->b;
    }
    return CSN_OK;
}

static int stage(const struct sim_world *world, const struct sim_actor *actor,
                 const struct sim_round_job *job, struct sim_version *version, uint16_t *ret_bad_site)
{
    const struct csn_proposal *proposal = &job->proposal;
    bool has_parent =
        csn_round_is_none(proposal->parent.round) ||
        sim_disk_version(&actor->disk, job->zone, &proposal->parent.full_root) != NULL;
    *version = (struct sim_version){.zone = job->zone, .parent = proposal->parent.full_root};
    version->content = content_of(proposal, &actor->computed[job->zone].roots);
    version->earliest_expiry_s = proposal->time_s + world->options.zone[job->zone].refresh_s / 2;
    int code = combine(actor, job, version, ret_bad_site);
    version->full_root = root_of(version);
    bool is_wanted = csn_digest_is_zero(&job->full_root) ||
                     csn_digest_equal(&job->full_root, &version->full_root);
    return !has_parent ? CSN_ENOTFOUND : code == CSN_OK && !is_wanted ? CSN_EMISMATCH : code;
}

static void staged(struct sim_world *world, struct sim_task *task)
{
    const struct sim_round_job *job = task->data;
    struct sim_actor *actor = task->actor;
    struct sim_version version;
    struct csn_event event = {.kind = CSN_EVENT_STAGED, .corr = job->corr};
    event.code = sim_draw(world, SIM_STAGE_FAILED)
                     ? CSN_EIO
                     : stage(world, actor, job, &version, &event.staged.bad_site);
    if (event.code == CSN_OK) {
        sim_disk_put_version(&actor->disk, &version);
        event.staged.b = b_of(&version);
        event.staged.full_root = version.full_root;
        event.staged.records = RECORDS;
        event.staged.signatures = (uint64_t)SIGNATURES_OF_SHARE * version.share_count;
        event.staged.earliest_expiry_s = version.earliest_expiry_s;
    }
    sim_finish(world, actor, &event);
}

void sim_stage(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    struct sim_round_job *job = sim_round_job_new(world, effect);
    sim_after_alive(world, sim_delay(world, world->options.stage_us), staged, actor, job);
}

struct release {
    uint64_t corr;
    unsigned zone;
    struct csn_digest full_root;
};

static void released(struct sim_world *world, struct sim_task *task)
{
    const struct release *release = task->data;
    struct csn_event event = {.kind = CSN_EVENT_RELEASED, .corr = release->corr};
    const struct sim_version *version =
        sim_disk_version(&task->actor->disk, release->zone, &release->full_root);
    struct csn_digest root = {{0}};
    if (version != NULL) {
        root = root_of(version);
    }
    event.code = csn_digest_equal(&root, &release->full_root) ? CSN_OK : CSN_EDAMAGED;
    sim_finish(world, task->actor, &event);
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
    struct look *look = csn_calloc(1, sizeof(*look));
    *look = (struct look){.zone = sim_zone_index(world, effect->zone), .full_root = held->full_root};
    look->due_s = held->proposal.time_s +
                  csn_get_u64(held->full_root.octets) % ((uint64_t)world->options.quiet_s + 1);
    sim_after_alive(world, 0, looked_due, actor, look);
}

/* One copy of a version may rot where another site has it whole, and stays: a second would be a loss
 * that no rule promises to survive. */
static bool may_rot(const struct sim_world *world, const struct sim_actor *actor,
                    const struct sim_version *version)
{
    bool is_elsewhere = false;
    for (unsigned i = 0; i < world->options.sites; i++) {
        const struct sim_version *other =
            sim_disk_version(&world->actors[i].disk, version->zone, &version->full_root);
        is_elsewhere = is_elsewhere || (i != actor->index && other != NULL && sim_is_newest_member(world, &world->actors[i]));
    }
    for (unsigned i = 0; i < world->rotten_count; i++) {
        is_elsewhere = is_elsewhere && !csn_digest_equal(&world->rotten[i], &version->full_root);
    }
    return is_elsewhere && world->rotten_count < SIM_ROTTEN_MAX;
}

void sim_release(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    struct release *release = csn_calloc(1, sizeof(*release));
    *release = (struct release){.corr = effect->corr,
                                .zone = sim_zone_index(world, effect->zone),
                                .full_root = effect->release.certificate->held.full_root};
    struct sim_version *version =
        sim_disk_version(&actor->disk, release->zone, &release->full_root);
    if (version == NULL) {
        sim_fail(world, "site %u releases a version that is not in its store", actor->number);
    } else if (may_rot(world, actor, version) && sim_draw(world, SIM_ROT)) {
        version->is_rotten = true;
        world->rotten[world->rotten_count++] = version->full_root;
    }
    sim_after_alive(world, sim_delay(world, world->options.stage_us / 4 + 8), released, actor,
                    release);
}

/* --- the store: the disk itself */

void sim_seam_plan(struct sim_options *options)
{
    (void)options;
}

struct csn_digest sim_seam_served(const struct sim_actor *actor, unsigned zone)
{
    (void)actor;
    (void)zone;
    return (struct csn_digest){{0}};
}

bool sim_seam_open(struct sim_world *world, struct sim_actor *actor)
{
    (void)world;
    (void)actor;
    return true;
}

void sim_seam_close(struct sim_actor *actor)
{
    (void)actor;
}

void sim_seam_free(struct sim_actor *actor)
{
    (void)actor;
}

void sim_seam_back_up(struct sim_actor *actor)
{
    sim_disk_back_up(actor);
}

void sim_seam_put_back(struct sim_actor *actor)
{
    sim_disk_put_back(actor);
}

static bool is_as_expected(const struct sim_persist *persist, const struct sim_records *records)
{
    for (size_t i = 0; i < persist->expects.count; i++) {
        struct csn_bytes wanted = sim_record_value(&persist->expects.items[i]);
        struct csn_bytes is =
            sim_records_get(records, csn_buf_view(&persist->expects.items[i].key));
        if ((wanted.data == NULL) != (is.data == NULL) || !csn_bytes_equal(wanted, is)) {
            return false;
        }
    }
    return true;
}

int sim_seam_commit(struct sim_world *world, struct sim_actor *actor,
                    const struct sim_persist *persist, bool *ret_is_durable)
{
    *ret_is_durable = false;
    if (actor->is_disk_full) {
        sim_count(world, SIM_DISK_FULL);
        return CSN_EFULL;
    }
    if (!is_as_expected(persist, &actor->disk.records)) {
        return CSN_EMISMATCH;
    }
    sim_records_apply(&actor->disk.records, &persist->writes);
    *ret_is_durable = true;
    return CSN_OK;
}

bool sim_seam_put_input(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                        const struct csn_input_id *id)
{
    (void)world;
    sim_disk_put_input(&actor->disk, zone, id, true);
    return true;
}

void sim_seam_delete_version(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                             const struct csn_digest *full_root)
{
    (void)world;
    sim_disk_delete_version(&actor->disk, zone, full_root);
}

void sim_seam_diverged(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                       const struct csn_digest *hash)
{
    (void)world, (void)actor, (void)zone, (void)hash; /* symbols have no RRsets to differ in */
}

void sim_seam_delete_input(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                           const struct csn_digest *prepared)
{
    (void)world;
    sim_disk_delete_input(&actor->disk, zone, prepared);
}

bool sim_seam_is_served(struct sim_world *world, const struct sim_actor *actor, unsigned zone,
                        const struct layout_held *held)
{
    (void)world;
    struct csn_digest full_root;
    memcpy(full_root.octets, held->full_root, sizeof(full_root.octets));
    const struct sim_version *version = sim_disk_version(&actor->disk, zone, &full_root);
    struct csn_digest root = {{0}};
    if (version != NULL) {
        root = root_of(version);
    }
    return csn_digest_equal(&root, &full_root);
}

/* --- bulk requests: the symbols themselves */

bool sim_seam_give(struct sim_world *world, const struct sim_actor *actor,
                   const struct sim_object *object, struct csn_buf *octets)
{
    const struct sim_version *version =
        sim_disk_version(&actor->disk, object->zone, &object->digest);
    const struct sim_share *share = sim_disk_share(&actor->disk, &object->digest, object->author);
    (void)world;
    switch (object->kind) {
    case CSN_OBJECT_INPUT:
        return sim_disk_input(&actor->disk, object->zone, &object->digest) != NULL;
    case CSN_OBJECT_SHARE:
        csn_buf_put(octets, share, share != NULL ? sizeof(*share) : 0);
        return share != NULL;
    case CSN_OBJECT_VERSION:
        if (version == NULL || version->is_rotten) {
            return false; /* the root is recomputed on arrival */
        }
        csn_buf_put(octets, version, sizeof(*version));
        return true;
    default:
        return false;
    }
}

int sim_seam_take(struct sim_world *world, struct sim_actor *actor,
                  const struct sim_object *object, struct csn_bytes octets)
{
    struct sim_version version;
    struct sim_share share;
    (void)world;
    if (object->kind == CSN_OBJECT_INPUT) {
        sim_disk_put_input(&actor->disk, object->zone, &object->input, false);
    } else if (object->kind == CSN_OBJECT_SHARE) {
        memcpy(&share, octets.data, sizeof(share));
        sim_disk_put_share(&actor->disk, &share);
    } else {
        memcpy(&version, octets.data, sizeof(version));
        sim_disk_put_version(&actor->disk, &version);
    }
    return CSN_OK;
}
