/* Records, second copies and PERSIST: a FIFO of transactions, each with its second copy first. */
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#include "sim/checker.h"
#include "sim/seam.h"

/* --- records */

static struct sim_record *find(const struct sim_records *records, struct csn_bytes key)
{
    for (size_t i = 0; i < records->count; i++) {
        if (csn_bytes_equal(csn_buf_view(&records->items[i].key), key)) {
            return &records->items[i];
        }
    }
    return NULL;
}

struct csn_bytes sim_records_get(const struct sim_records *records, struct csn_bytes key)
{
    const struct sim_record *record = find(records, key);
    return record != NULL ? csn_buf_view(&record->value) : csn_bytes(NULL, 0);
}

static void record_fini(struct sim_record *record)
{
    csn_buf_fini(&record->key);
    csn_buf_fini(&record->value);
}

void sim_records_put(struct sim_records *records, struct csn_bytes key, struct csn_bytes value)
{
    struct sim_record *record = find(records, key);
    if (value.data == NULL) {
        if (record != NULL) {
            record_fini(record);
            *record = records->items[--records->count];
        }
        return;
    }
    if (record == NULL) {
        records->items = csn_realloc(records->items, records->count + 1, sizeof(*records->items));
        record = &records->items[records->count++];
        *record = (struct sim_record){0};
        csn_buf_put_bytes(&record->key, key);
    }
    csn_buf_clear(&record->value);
    csn_buf_put_bytes(&record->value, value);
}

struct csn_bytes sim_record_value(const struct sim_record *record)
{
    return record->value.size > 0 ? csn_buf_view(&record->value) : csn_bytes(NULL, 0);
}

void sim_records_apply(struct sim_records *records, const struct sim_records *writes)
{
    for (size_t i = 0; i < writes->count; i++) {
        sim_records_put(records, csn_buf_view(&writes->items[i].key),
                        sim_record_value(&writes->items[i]));
    }
}

static void records_copy(struct sim_records *ret_records, const struct sim_records *records)
{
    *ret_records = (struct sim_records){0};
    for (size_t i = 0; i < records->count; i++) {
        sim_records_put(ret_records, csn_buf_view(&records->items[i].key),
                        csn_buf_view(&records->items[i].value));
    }
}

void sim_records_fini(struct sim_records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        record_fini(&records->items[i]);
    }
    free(records->items);
    *records = (struct sim_records){0};
}

/* --- versions, inputs, shares */

struct sim_version *sim_disk_version(const struct sim_disk *disk, unsigned zone,
                                     const struct csn_digest *full_root)
{
    for (size_t i = 0; i < disk->version_count; i++) {
        if (disk->versions[i].zone == zone &&
            csn_digest_equal(&disk->versions[i].full_root, full_root)) {
            return &disk->versions[i];
        }
    }
    return NULL;
}

void sim_disk_put_version(struct sim_disk *disk, const struct sim_version *version)
{
    struct sim_version *old = sim_disk_version(disk, version->zone, &version->full_root);
    if (old == NULL) {
        disk->versions =
            csn_realloc(disk->versions, disk->version_count + 1, sizeof(*disk->versions));
        old = &disk->versions[disk->version_count++];
    }
    *old = *version;
}

void sim_disk_delete_version(struct sim_disk *disk, unsigned zone,
                             const struct csn_digest *full_root)
{
    struct sim_version *version = sim_disk_version(disk, zone, full_root);
    if (version != NULL) {
        *version = disk->versions[--disk->version_count];
    }
}

struct sim_input *sim_disk_input(const struct sim_disk *disk, unsigned zone,
                                 const struct csn_digest *prepared)
{
    for (size_t i = 0; i < disk->input_count; i++) {
        if (disk->inputs[i].zone == zone &&
            csn_digest_equal(&disk->inputs[i].id.prepared, prepared)) {
            return &disk->inputs[i];
        }
    }
    return NULL;
}

void sim_disk_put_input(struct sim_disk *disk, unsigned zone, const struct csn_input_id *id,
                        bool is_confirmed)
{
    struct sim_input *input = sim_disk_input(disk, zone, &id->prepared);
    if (input == NULL) {
        disk->inputs = csn_realloc(disk->inputs, disk->input_count + 1, sizeof(*disk->inputs));
        input = &disk->inputs[disk->input_count++];
        *input = (struct sim_input){.zone = zone, .id = *id};
    }
    input->is_confirmed = input->is_confirmed || is_confirmed;
}

void sim_disk_delete_input(struct sim_disk *disk, unsigned zone, const struct csn_digest *prepared)
{
    struct sim_input *input = sim_disk_input(disk, zone, prepared);
    if (input != NULL) {
        size_t after = (size_t)(disk->inputs + disk->input_count - (input + 1));
        memmove(input, input + 1, after * sizeof(*input));
        disk->input_count--;
    }
}

struct sim_share *sim_disk_share(const struct sim_disk *disk, const struct csn_digest *hash,
                                 uint16_t author)
{
    for (size_t i = 0; i < disk->share_count; i++) {
        if (disk->shares[i].author == author && csn_digest_equal(&disk->shares[i].hash, hash)) {
            return &disk->shares[i];
        }
    }
    return NULL;
}

void sim_disk_put_share(struct sim_disk *disk, const struct sim_share *share)
{
    if (sim_disk_share(disk, &share->hash, share->author) != NULL) {
        return;
    }
    if (disk->share_count == SIM_SHARES_MAX) {
        memmove(disk->shares, disk->shares + 1, --disk->share_count * sizeof(*disk->shares));
    }
    disk->shares = csn_realloc(disk->shares, disk->share_count + 1, sizeof(*disk->shares));
    disk->shares[disk->share_count++] = *share;
}

static void *copy_of(const void *items, size_t count, size_t size)
{
    void *copy = csn_calloc(count + 1, size);
    if (count > 0) {
        memcpy(copy, items, count * size);
    }
    return copy;
}

void sim_disk_copy(struct sim_disk *ret_disk, const struct sim_disk *disk)
{
    *ret_disk = *disk;
    records_copy(&ret_disk->records, &disk->records);
    records_copy(&ret_disk->seconds, &disk->seconds);
    ret_disk->versions = copy_of(disk->versions, disk->version_count, sizeof(*disk->versions));
    ret_disk->inputs = copy_of(disk->inputs, disk->input_count, sizeof(*disk->inputs));
    ret_disk->shares = copy_of(disk->shares, disk->share_count, sizeof(*disk->shares));
}

void sim_disk_back_up(struct sim_actor *actor)
{
    if (actor->backup == NULL) {
        actor->backup = csn_calloc(1, sizeof(*actor->backup));
    }
    sim_disk_fini(actor->backup);
    sim_disk_copy(actor->backup, &actor->disk);
    actor->backup_epoch = actor->epoch;
    actor->backup_incarnation = actor->incarnation;
    actor->backup_has_link = actor->has_link;
}

static void swap_records(struct sim_records *a, struct sim_records *b)
{
    struct sim_records kept = *a;
    *a = *b;
    *b = kept;
}

void sim_disk_put_back(struct sim_actor *actor)
{
    struct sim_disk lost = actor->disk;
    sim_disk_copy(&actor->disk, actor->backup);
    swap_records(&actor->disk.seconds, &lost.seconds);
    actor->epoch = actor->backup_epoch; /* the chain is beside the votes */
    actor->has_link = actor->backup_has_link;
    actor->next_known = 0;
    for (size_t i = 0; i < lost.input_count; i++) {
        sim_disk_put_input(&actor->disk, lost.inputs[i].zone, &lost.inputs[i].id, lost.inputs[i].is_confirmed);
    }
    sim_disk_fini(&lost);
}

void sim_disk_put_back_seconds(struct sim_actor *actor)
{
    sim_records_fini(&actor->disk.seconds);
    records_copy(&actor->disk.seconds, &actor->backup->seconds);
}

void sim_disk_fini(struct sim_disk *disk)
{
    sim_records_fini(&disk->records);
    sim_records_fini(&disk->seconds);
    free(disk->versions);
    free(disk->inputs);
    free(disk->shares);
    *disk = (struct sim_disk){0};
}

/* --- PERSIST */

static void pairs_copy(struct sim_records *ret_records, const struct csn_record_pair *pairs,
                       size_t count)
{
    *ret_records = (struct sim_records){.items = csn_calloc(count + 1, sizeof(struct sim_record)),
                                        .count = count};
    for (size_t i = 0; i < count; i++) {
        csn_buf_put_bytes(&ret_records->items[i].key, pairs[i].key);
        csn_buf_put_bytes(&ret_records->items[i].value, pairs[i].value);
    }
}

static void persist_fini(struct sim_persist *persist)
{
    sim_records_fini(&persist->expects);
    sim_records_fini(&persist->writes);
    record_fini(&persist->second);
}

struct persisted {
    uint64_t id;
    int code;
};

static void tell_persisted(struct sim_world *world, struct sim_task *task)
{
    const struct persisted *persisted = task->data;
    struct csn_event event = {
        .kind = CSN_EVENT_PERSISTED, .code = persisted->code, .persist_id = persisted->id};
    task->actor->persisted_out--;
    sim_step(world, task->actor, &event);
}

/* PERSISTED events come in order, some time after their commits. */
static void schedule_persisted(struct sim_world *world, struct sim_actor *actor, uint64_t id,
                               int code)
{
    struct persisted *persisted = csn_calloc(1, sizeof(*persisted));
    uint64_t at_us =
        world->now_us + sim_delay(world, actor->disk_factor * world->options.disk_us / 2 + 8);
    *persisted = (struct persisted){.id = id, .code = code};
    actor->persisted_us = at_us > actor->persisted_us ? at_us : actor->persisted_us;
    actor->persisted_out++;
    sim_after_alive(world, actor->persisted_us - world->now_us, tell_persisted, actor, persisted);
}

static void begin_first(struct sim_world *world, struct sim_actor *actor);

static void drop_first(struct sim_actor *actor)
{
    persist_fini(&actor->persists[0]);
    actor->persist_count--;
    memmove(actor->persists, actor->persists + 1, actor->persist_count * sizeof(*actor->persists));
}

static void crash_now(struct sim_world *world, struct sim_actor *actor)
{
    sim_crash(world, actor);
    sim_restart_later(world, actor);
}

/* Around votes, where it matters: with every small record it would hardly come to votes. */
static void maybe_crash(struct sim_world *world, struct sim_actor *actor, bool is_vote)
{
    if (is_vote && sim_draw(world, SIM_CRASH_DISK)) {
        crash_now(world, actor);
    }
}

static void end_process(struct sim_world *world, struct sim_task *task)
{
    crash_now(world, task->actor);
}

/* The write fails, and nothing is written after it (R7); the process ends soon and begins again. */
static void refuse_writes(struct sim_world *world, struct sim_actor *actor)
{
    sim_log(world, actor, "disk full");
    actor->is_refused = true;
    schedule_persisted(world, actor, actor->persists[0].id, CSN_EFULL);
    for (size_t i = 0; i < actor->persist_count; i++) {
        persist_fini(&actor->persists[i]);
    }
    actor->persist_count = 0;
    sim_after_alive(world, SIM_S, end_process, actor, NULL);
}

/* The process ends inside the transaction. */
static void end_inside(struct sim_world *world, struct sim_actor *actor, bool is_durable)
{
    const struct sim_record *second = &actor->persists[0].second;
    sim_log(world, actor, "ends in a commit: %s", is_durable ? "durable" : "lost");
    if (is_durable && second->key.size > 0) {
        sim_checker_committed(world->checker, actor, csn_buf_view(&second->value));
    }
    if (is_durable) {
        drop_first(actor);
        sim_count(world, SIM_EVENT_LOST);
    }
    crash_now(world, actor);
}

static void commit(struct sim_world *world, struct sim_task *task)
{
    struct sim_actor *actor = task->actor;
    const struct sim_persist *first = &actor->persists[0];
    bool is_durable, is_vote = first->second.key.size > 0;
    int code = sim_seam_commit(world, actor, first, &is_durable);
    if (code == CSN_EFULL) {
        refuse_writes(world, actor);
        return;
    }
    if (code == CSN_EIO) {
        end_inside(world, actor, is_durable);
        return;
    }
    sim_log(world, actor, "commit %llu%s", (unsigned long long)first->id,
            code == CSN_OK ? "" : ": not as expected");
    schedule_persisted(world, actor, first->id, code);
    if (code == CSN_OK && is_vote) {
        sim_checker_committed(world->checker, actor, csn_buf_view(&first->second.value));
    }
    drop_first(actor);
    if (code != CSN_OK) {
        sim_fail(world, "site %u: a transaction found another state than it expects: %s",
                 actor->number, csn_error_text(code));
    }
    if (actor->persist_count > 0) {
        begin_first(world, actor);
    }
    maybe_crash(world, actor, is_vote);
}

static void write_second(struct sim_world *world, struct sim_task *task)
{
    struct sim_actor *actor = task->actor;
    struct sim_persist *first = &actor->persists[0];
    if (first->second.key.size > 0) {
        sim_records_put(&actor->disk.seconds, csn_buf_view(&first->second.key),
                        csn_buf_view(&first->second.value));
        first->has_second_written = true;
        sim_checker_second_written(world->checker, actor, csn_buf_view(&first->second.value));
    }
    sim_after_alive(world, sim_delay(world, actor->disk_factor * world->options.disk_us + 8),
                    commit, actor, NULL);
    maybe_crash(world, actor, actor->persists[0].second.key.size > 0);
}

static void begin_first(struct sim_world *world, struct sim_actor *actor)
{
    uint64_t most_us = actor->persists[0].second.key.size > 0 ? world->options.disk_us : 0;
    sim_after_alive(world, sim_delay(world, actor->disk_factor * most_us + 8), write_second, actor,
                    NULL);
}

void sim_persist_begin(struct sim_world *world, struct sim_actor *actor,
                       const struct csn_effect *effect)
{
    struct sim_persist persist = {.id = effect->persist.id};
    if (actor->is_refused) {
        return; /* nor its second copy */
    }
    pairs_copy(&persist.expects, effect->persist.expects, effect->persist.expect_count);
    pairs_copy(&persist.writes, effect->persist.writes, effect->persist.write_count);
    if (effect->persist.second.key.data != NULL) {
        csn_buf_put_bytes(&persist.second.key, effect->persist.second.key);
        csn_buf_put_bytes(&persist.second.value, effect->persist.second.value);
    }
    actor->persists =
        csn_realloc(actor->persists, actor->persist_count + 1, sizeof(*actor->persists));
    actor->persists[actor->persist_count++] = persist;
    if (actor->persist_count == 1) {
        begin_first(world, actor);
    }
}

void sim_persist_crash(struct sim_world *world, struct sim_actor *actor)
{
    for (size_t i = 0; i < actor->persist_count; i++) {
        sim_count(world,
                  actor->persists[i].has_second_written ? SIM_SECOND_ONLY : SIM_PERSIST_LOST);
        persist_fini(&actor->persists[i]);
    }
    for (unsigned i = 0; i < actor->persisted_out; i++) {
        sim_count(world, SIM_EVENT_LOST);
    }
    actor->persist_count = 0;
    actor->persisted_out = 0;
    actor->persisted_us = 0;
}
