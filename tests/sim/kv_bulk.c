/* Bulk requests over the key-value seam: an input: size of the meta u32 | meta | rows, as they travel; a share; a version: u8 0 |
 * as an input, or u8 1 | the records from what the asker serves. */
#include "sim/kv_store.h"

#include "kept/inputs.h"
#include "kept/share.h"
#include "zone/rows.h"

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

struct csn_digest sim_seam_served(const struct sim_actor *actor, unsigned zone)
{
    return actor->store != NULL ? actor->store->lines[zone].served : (struct csn_digest){{0}};
}

/* By its lineage where that reaches, but not always: what serves nothing yet is not the only one that needs the whole. */
static bool give_version(struct sim_world *world, const struct sim_actor *actor, const struct sim_object *object,
                         struct csn_buf *octets)
{
    bool is_forward = !csn_digest_is_zero(&object->served) && sim_chance(&world->random, 800000);
    csn_buf_put_u8(octets, 1);
    if (is_forward && kv_history_give(world, actor, object->zone, &object->digest, &object->served, octets)) {
        return true;
    }
    csn_buf_clear(octets);
    csn_buf_put_u8(octets, 0);
    return give_table(actor, CSN_TABLE_VERSION, world->options.zone[object->zone].zone, &object->digest, octets);
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
        return give_version(world, actor, object, octets);
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

static int take(struct sim_world *world, struct sim_actor *actor, const struct sim_object *object, struct csn_bytes octets)
{
    struct csn_store *store = actor->store->store;
    const uint8_t *apex = world->options.zone[object->zone].zone;
    struct csn_reader reader = csn_reader(octets);
    if (object->kind == CSN_OBJECT_SHARE) {
        struct csn_buf key = {0};
        share_key(world, object, &key);
        int code = csn_store_put_blob(store, csn_buf_view(&key), octets);
        csn_buf_fini(&key);
        return code;
    }
    if (object->kind == CSN_OBJECT_VERSION && csn_read_u8(&reader) == 1) {
        return kv_history_take(world, actor, object->zone, &object->digest, csn_read_bytes(&reader, csn_reader_left(&reader)));
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
    kv_risk(world, actor);
    int code = take(world, actor, object, octets);
    if (kv_has_ended(world, actor, code == CSN_EDAMAGED ? CSN_EMISMATCH : code)) {
        return CSN_EIO;
    }
    if (code == CSN_OK && object->kind == CSN_OBJECT_INPUT) {
        sim_disk_input(&actor->disk, object->zone, &object->digest)->id = object->input;
    }
    return code;
}
