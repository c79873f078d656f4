/* The store of a node over the key-value seam: it outlives its process, with what crashes, full disks and rot leave of it. */
#include "sim/kv_store.h"

#include <stdlib.h>
#include <string.h>

#include "kept/inputs.h"
#include "sim/checker.h"
#include "sim/epochs.h"
#include "zone/store_own.h"

#define SIZE_MAX_OF_ENVIRONMENT ((size_t)1 << 30)
#define SEAL_SIZE 16 /* before a record of the index; store.c */
#define ARMED_COMMITS 3 /* the process ends at one of so many commits of a job */

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

/* The core hears of them in the order of the disk, and of what the source has last: its file is read when the store was. */
static void put_newest_last(struct sim_world *world, struct sim_actor *actor)
{
    for (unsigned zone = 0; zone < world->options.zones; zone++) {
        const struct csn_input_id *id = &actor->newest_input[zone];
        const struct sim_input *input = sim_disk_input(&actor->disk, zone, &id->prepared);
        if (input != NULL && input->is_confirmed && csn_input_equal(&input->id, id)) {
            sim_disk_delete_input(&actor->disk, zone, &id->prepared);
            sim_disk_put_input(&actor->disk, zone, id, true);
        }
    }
}

void kv_show_tables(struct sim_world *world, struct sim_actor *actor)
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
    put_newest_last(world, actor);
}

/* --- how a process ends */

void kv_risk(struct sim_world *world, struct sim_actor *actor)
{
    bool is_armed = sim_draw(world, SIM_CRASH_DISK);
    bool is_durable = is_armed && sim_chance(&world->random, 500000);
    unsigned commits = is_armed ? (unsigned)sim_between(&world->random, 1, ARMED_COMMITS) : 0;
    kv_disk_arm(actor->store->disk, !is_armed ? KV_FATE_NONE : is_durable ? KV_FATE_DURABLE : KV_FATE_LOST, commits);
    kv_disk_set_full(actor->store->disk, actor->is_disk_full);
}

bool kv_has_ended(struct sim_world *world, struct sim_actor *actor, int code)
{
    bool is_dead = kv_disk_is_dead(actor->store->disk);
    kv_disk_arm(actor->store->disk, KV_FATE_NONE, 0);
    if (!is_dead && code != CSN_EIO && code != CSN_EFULL && code != CSN_EDAMAGED) {
        kv_show_tables(world, actor);
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

/* --- rot */

/* One copy of a table may rot where another site has it whole, and stays: a second would be a loss that no rule promises to survive. */
static bool may_rot(const struct sim_world *world, const struct sim_actor *actor, unsigned zone, const struct csn_digest *name)
{
    bool is_elsewhere = false;
    for (unsigned i = 0; i < world->options.sites; i++) {
        const struct sim_disk *disk = &world->actors[i].disk;
        is_elsewhere = is_elsewhere || (i != actor->index && sim_is_newest_member(world, &world->actors[i]) &&
                                        (sim_disk_version(disk, zone, name) != NULL ||
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
bool kv_rot_table(struct sim_world *world, struct sim_actor *actor, enum csn_table_kind kind, unsigned zone,
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
    kv_show_tables(world, actor);
    struct sim_input *input = sim_disk_input(&actor->disk, zone, &id->prepared);
    if (input != NULL) {
        input->id = *id;
        input->is_confirmed = true;
        put_newest_last(world, actor);
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
    return code;
}

/* While nobody looks. */
static void rot_something(struct sim_world *world, struct sim_actor *actor)
{
    struct sim_disk *disk = &actor->disk;
    if (disk->version_count > 0) {
        struct sim_version *version = &disk->versions[sim_below(&world->random, disk->version_count)];
        if (kv_rot_table(world, actor, CSN_TABLE_VERSION, version->zone, &version->full_root)) {
            version->is_rotten = true;
        }
    }
    if (disk->input_count > 0) {
        const struct sim_input *input = &disk->inputs[sim_below(&world->random, disk->input_count)];
        kv_rot_table(world, actor, CSN_TABLE_INPUT, input->zone, &input->id.prepared);
    }
    if (sim_draw(world, SIM_ROT)) {
        kv_disk_rot(actor->store->disk, CSN_ZONES_BLOBS, csn_bytes("s", 1), sim_next(&world->random));
    }
    kv_history_rot(world, actor);
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
    kv_show_tables(world, actor);
    read_records(world, actor);
    code = check_versions(world, actor);
    if (code == CSN_OK) {
        code = read_files(world, actor);
    }
    if (code == CSN_OK) {
        code = kv_history_open(world, actor);
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
    for (unsigned i = 0; i < SIM_ZONES_MAX * KV_WORKS; i++) {
        kv_work_fini(&store->works[i / KV_WORKS][i % KV_WORKS]);
    }
    for (unsigned i = 0; i < SIM_ZONES_MAX; i++) {
        kv_walk_free(store->walks[i]);
        store->walks[i] = NULL;
    }
    memset(store->verified, 0, sizeof(store->verified));
    kv_history_close(actor);
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
    actor->backup_store->rotten_deltas = actor->store->rotten_deltas;
    sim_disk_back_up(actor);
}

/* Inputs of today are not in it: their files are read again. */
void sim_seam_put_back(struct sim_actor *actor)
{
    kv_disk_free(actor->store->disk);
    actor->store->disk = kv_disk_copy(actor->backup_store->disk);
    actor->store->rotten_deltas = actor->backup_store->rotten_deltas;
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
    kv_risk(world, actor);
    int code = put_input(actor, zone, id);
    if (kv_has_ended(world, actor, code)) {
        return false;
    }
    confirm(world, actor, zone, id);
    return true;
}

void sim_seam_delete_version(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                             const struct csn_digest *full_root)
{
    kv_risk(world, actor);
    int code = csn_table_delete(actor->store->store, CSN_TABLE_VERSION, world->options.zone[zone].zone, full_root);
    kv_has_ended(world, actor, code);
}

void sim_seam_delete_input(struct sim_world *world, struct sim_actor *actor, unsigned zone,
                           const struct csn_digest *prepared)
{
    kv_risk(world, actor);
    int code = csn_table_delete(actor->store->store, CSN_TABLE_INPUT, world->options.zone[zone].zone, prepared);
    kv_has_ended(world, actor, code);
}
