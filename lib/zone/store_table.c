/* Tables: inputs and versions as rows in canonical order.
 *
 *     index   kind u8 | zone | name 48                  -> sealed: handle u32 | state u8 | count u64 | meta
 *     rows    handle u32 | RRset key (dns/name.h)       -> TTL u32 | n u16 | RDATA packed | m u16 | RRSIG RDATA packed
 *     state   "handle"                                  -> sealed: the last handle given, u32
 *
 * A handle is never given twice, so rows of different tables never meet, and the newest table's rows are the last in LMDB's
 * order: a load appends. A writer keeps entries in memory and holds a transaction only while it writes a batch: other writers
 * wait for a batch at most, and one thread may fill two tables in turn.
 *
 *     (absent) --first batch--> STAGING --complete--> COMPLETE --delete--> DYING --rows gone--> (absent)
 *                                  |                                         ^
 *                                  +--abandon, a later begin, next start-----+
 */
#include "zone/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "zone/store_own.h"

#define META_SIZE_MAX 1024u
/* A batch ends at whichever comes first; then it is written. */
#define BATCH_COUNT_MAX 65536u
#define BATCH_SIZE_MAX ((size_t)16 << 20)
#define DELETE_COUNT_MAX 16384u /* rows deleted in one transaction */

#define HANDLE_SIZE 4u
#define ROW_KEY_MAX (HANDLE_SIZE + CSN_KEY_MAX)
_Static_assert(ROW_KEY_MAX <= CSN_KV_KEY_MAX, "every RRset has a key");
#define INDEX_KEY_MAX (1 + CSN_NAME_MAX + CSN_DIGEST_SIZE)

enum table_state { STAGING = 1, COMPLETE = 2, DYING = 3 };

struct table_key {
    uint8_t octets[INDEX_KEY_MAX];
    size_t size;
};

struct table_record {
    uint32_t handle;
    uint8_t state; /* enum table_state */
    uint64_t count;
    struct csn_bytes meta; /* borrows */
};

struct csn_table_writer {
    struct csn_store *store;   /* borrows */
    struct csn_hasher *hasher; /* owns */
    struct table_key key;
    uint32_t handle; /* 0: nothing written yet */
    int failed;      /* the first error; sticky */
    uint64_t count;
    struct csn_buf batch; /* key size u16 | row key with room for the handle | value size u32 | value … */
    size_t batch_count;
    uint8_t last_key[CSN_KEY_MAX]; /* of the last entry added */
    size_t last_key_size; /* 0: no entry yet */
};

struct csn_table_reader {
    struct csn_kv_txn *txn;       /* owns */
    struct csn_kv_cursor *cursor; /* owns */
    struct csn_arena arena;       /* owns the owners handed out */
    struct table_record record;
    uint8_t from[ROW_KEY_MAX]; /* where the next call starts, while not `is_moving` */
    size_t from_size;
    bool is_moving;
    bool is_whole; /* from the start without a seek: the count must come out */
    uint64_t seen;
    struct csn_bytes last_name; /* key of the last owner without its type; borrows from the map */
    const uint8_t *last_owner;
};

/* --- the index */

static struct csn_bytes key_view(const struct table_key *key)
{
    return csn_bytes(key->octets, key->size);
}

static void key_make(enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name, struct table_key *ret_key)
{
    size_t zone_size = csn_name_size(zone);
    ret_key->octets[0] = (uint8_t)kind;
    memcpy(ret_key->octets + 1, zone, zone_size);
    memcpy(ret_key->octets + 1 + zone_size, name->octets, CSN_DIGEST_SIZE);
    ret_key->size = 1 + zone_size + CSN_DIGEST_SIZE;
}

static int key_parse(struct csn_bytes key, enum csn_table_kind *ret_kind, const uint8_t **ret_zone,
                     struct csn_digest *ret_name)
{
    if (key.size < 1 || (key.data[0] != CSN_TABLE_INPUT && key.data[0] != CSN_TABLE_VERSION)) {
        return CSN_EDAMAGED;
    }
    size_t zone_size = csn_name_check(csn_bytes(key.data + 1, key.size - 1));
    if (zone_size == 0 || key.size != 1 + zone_size + CSN_DIGEST_SIZE) {
        return CSN_EDAMAGED;
    }
    *ret_kind = (enum csn_table_kind)key.data[0];
    *ret_zone = key.data + 1;
    memcpy(ret_name->octets, key.data + 1 + zone_size, CSN_DIGEST_SIZE);
    return CSN_OK;
}

static int record_parse(struct csn_bytes value, struct table_record *ret_record)
{
    struct csn_reader reader = csn_reader(value);
    struct table_record record = {.handle = csn_read_u32(&reader)};
    record.state = csn_read_u8(&reader);
    record.count = csn_read_u64(&reader);
    record.meta = csn_read_bytes(&reader, csn_reader_left(&reader));
    if (reader.failed || record.handle == 0 || record.state < STAGING || record.state > DYING) {
        return CSN_EDAMAGED;
    }
    *ret_record = record;
    return CSN_OK;
}

static int record_get(struct csn_kv_txn *txn, struct csn_hasher *hasher, const struct table_key *key,
                      struct table_record *ret_record)
{
    struct csn_bytes value;
    int code = csn_sealed_get(txn, CSN_ZONES_INDEX, hasher, key_view(key), &value);
    return code == CSN_OK ? record_parse(value, ret_record) : code;
}

static int record_put(struct csn_kv_txn *txn, struct csn_hasher *hasher, const struct table_key *key,
                      const struct table_record *record)
{
    struct csn_buf buf = {0};
    csn_buf_put_u32(&buf, record->handle);
    csn_buf_put_u8(&buf, record->state);
    csn_buf_put_u64(&buf, record->count);
    csn_buf_put_bytes(&buf, record->meta);
    int code = csn_sealed_put(txn, CSN_ZONES_INDEX, hasher, key_view(key), csn_buf_view(&buf));
    csn_buf_fini(&buf);
    return code;
}

static int handle_new(struct csn_kv_txn *txn, struct csn_hasher *hasher, uint32_t *ret_handle)
{
    struct csn_bytes key = csn_bytes("handle", 6), value;
    uint32_t last = 0;
    int code = csn_sealed_get(txn, CSN_ZONES_STATE, hasher, key, &value);
    if (code == CSN_OK && value.size == 4) {
        last = csn_get_u32(value.data);
    } else if (code != CSN_ENOTFOUND) {
        return code == CSN_OK ? CSN_EDAMAGED : code;
    }
    if (last == UINT32_MAX) {
        return CSN_ELIMIT;
    }
    uint8_t next[4];
    csn_set_u32(next, last + 1);
    code = csn_sealed_put(txn, CSN_ZONES_STATE, hasher, key, csn_bytes(next, sizeof(next)));
    if (code == CSN_OK) {
        *ret_handle = last + 1;
    }
    return code;
}

/* --- deleting: the record says DYING, then rows go batch by batch, then the record; a crash between is swept at start */

/* Keys of the first rows of a table, each after its size u16: copied, because views end with the first deletion. */
static int first_rows(struct csn_kv_txn *txn, uint32_t handle, struct csn_buf *keys)
{
    struct csn_kv_cursor *cursor;
    uint8_t octets[HANDLE_SIZE];
    struct csn_bytes prefix = csn_bytes(octets, sizeof(octets)), key, value;
    csn_set_u32(octets, handle);
    int code = csn_kv_cursor_open(txn, CSN_ZONES_ROWS, &cursor);
    if (code != CSN_OK) {
        return code;
    }
    code = csn_kv_cursor_seek(cursor, prefix, &key, &value);
    for (unsigned i = 0; code == CSN_OK && csn_has_prefix(key, prefix) && i < DELETE_COUNT_MAX; i++) {
        csn_buf_put_u16(keys, (uint16_t)key.size);
        csn_buf_put_bytes(keys, key);
        code = csn_kv_cursor_next(cursor, &key, &value);
    }
    csn_kv_cursor_close(cursor);
    return code == CSN_ENOTFOUND ? CSN_OK : code;
}

/* CSN_ENOTFOUND when no row is left. */
static int delete_some_rows(struct csn_kv_txn *txn, uint32_t handle)
{
    struct csn_buf keys = {0};
    int code = first_rows(txn, handle, &keys);
    if (code == CSN_OK && keys.size == 0) {
        code = CSN_ENOTFOUND;
    }
    struct csn_reader reader = csn_reader(csn_buf_view(&keys));
    while (code == CSN_OK && !csn_reader_done(&reader)) {
        code = csn_kv_del(txn, CSN_ZONES_ROWS, csn_read_bytes(&reader, csn_read_u16(&reader)));
    }
    csn_buf_fini(&keys);
    return code;
}

static int delete_record(struct csn_kv_txn *txn, struct csn_hasher *hasher, const struct table_key *key, uint32_t handle)
{
    struct table_record record;
    int code = record_get(txn, hasher, key, &record);
    if (code == CSN_ENOTFOUND || (code == CSN_OK && record.handle != handle)) {
        return CSN_OK; /* another thread finished it */
    }
    return code == CSN_OK ? csn_kv_del(txn, CSN_ZONES_INDEX, key_view(key)) : code;
}

static int delete_rows(struct csn_store *store, struct csn_hasher *hasher, const struct table_key *key, uint32_t handle)
{
    for (bool is_last = false; !is_last;) {
        struct csn_kv_txn *txn;
        int code = csn_kv_begin(store->zones, true, &txn);
        if (code != CSN_OK) {
            return code;
        }
        code = delete_some_rows(txn, handle);
        is_last = code == CSN_ENOTFOUND;
        if (is_last) {
            code = delete_record(txn, hasher, key, handle);
        }
        code = csn_store_finish(txn, code);
        if (code != CSN_OK) {
            return code;
        }
    }
    return CSN_OK;
}

/* Marks the table DYING if it is in the state `from` (or DYING already) and, unless 0, has this handle; else
 * CSN_ENOTFOUND. */
static int mark_dying(struct csn_store *store, struct csn_hasher *hasher, const struct table_key *key, uint8_t from,
                      uint32_t handle, uint32_t *ret_handle)
{
    struct csn_kv_txn *txn;
    struct table_record record;
    int code = csn_kv_begin(store->zones, true, &txn);
    if (code != CSN_OK) {
        return code;
    }
    code = record_get(txn, hasher, key, &record);
    if (code == CSN_OK && ((record.state != from && record.state != DYING) || (handle != 0 && record.handle != handle))) {
        code = CSN_ENOTFOUND;
    }
    if (code == CSN_OK) {
        uint32_t found = record.handle;
        record = (struct table_record){.handle = found, .state = DYING};
        code = record_put(txn, hasher, key, &record);
        *ret_handle = found;
    }
    return csn_store_finish(txn, code);
}

static int table_delete(struct csn_store *store, struct csn_hasher *hasher, const struct table_key *key, uint8_t from,
                        uint32_t handle)
{
    int code = mark_dying(store, hasher, key, from, handle, &handle);
    return code == CSN_OK ? delete_rows(store, hasher, key, handle) : code;
}

int csn_table_delete(struct csn_store *store, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name)
{
    struct table_key key;
    struct csn_hasher *hasher = csn_hasher_new();
    key_make(kind, zone, name, &key);
    int code = table_delete(store, hasher, &key, COMPLETE, 0);
    csn_hasher_free(hasher);
    return code;
}

/* --- writing */

int csn_table_begin(struct csn_store *store, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name,
                    struct csn_table_writer **ret_writer)
{
    struct csn_table_writer *writer = csn_calloc(1, sizeof(*writer));
    writer->store = store;
    writer->hasher = csn_hasher_new();
    key_make(kind, zone, name, &writer->key);
    int code = csn_table_exists(store, kind, zone, name) ? CSN_EEXISTS : CSN_OK;
    if (code == CSN_OK) {
        code = table_delete(store, writer->hasher, &writer->key, STAGING, 0);
        code = code == CSN_ENOTFOUND ? CSN_OK : code;
    }
    if (code != CSN_OK) {
        csn_table_abandon(writer);
        return code;
    }
    *ret_writer = writer;
    return CSN_OK;
}

/* Finds that the staging is still this writer's, or makes it. A later begin of the same name took it: CSN_ECLOSED. */
static int claim(struct csn_table_writer *writer, struct csn_kv_txn *txn, uint32_t *ret_handle)
{
    struct table_record record;
    int code = record_get(txn, writer->hasher, &writer->key, &record);
    if (writer->handle != 0) {
        bool is_ours = code == CSN_OK && record.handle == writer->handle && record.state == STAGING;
        *ret_handle = writer->handle;
        return is_ours ? CSN_OK : code == CSN_OK || code == CSN_ENOTFOUND ? CSN_ECLOSED : code;
    }
    if (code == CSN_OK) {
        return record.state == COMPLETE ? CSN_EEXISTS : CSN_EBUSY;
    }
    if (code != CSN_ENOTFOUND) {
        return code;
    }
    code = handle_new(txn, writer->hasher, ret_handle);
    if (code != CSN_OK) {
        return code;
    }
    record = (struct table_record){.handle = *ret_handle, .state = STAGING};
    return record_put(txn, writer->hasher, &writer->key, &record);
}

static int put_batch(struct csn_table_writer *writer, struct csn_kv_txn *txn, uint32_t handle)
{
    int code = CSN_OK;
    for (size_t at = 0; code == CSN_OK && at < writer->batch.size;) {
        uint8_t *row = writer->batch.data + at;
        struct csn_bytes key = csn_bytes(row + 2, csn_get_u16(row));
        struct csn_bytes value = csn_bytes(row + 2 + key.size + 4, csn_get_u32(row + 2 + key.size));
        csn_set_u32(row + 2, handle);
        code = csn_kv_append(txn, CSN_ZONES_ROWS, key, value);
        at += 2 + key.size + 4 + value.size;
    }
    return code;
}

/* One transaction: the batch and, with `meta`, the mark that nothing follows. */
static int flush(struct csn_table_writer *writer, const struct csn_bytes *meta)
{
    struct csn_kv_txn *txn;
    uint32_t handle = 0;
    int code = csn_kv_begin(writer->store->zones, true, &txn);
    if (code != CSN_OK) {
        return code;
    }
    code = claim(writer, txn, &handle);
    if (code == CSN_OK) {
        code = put_batch(writer, txn, handle);
    }
    if (code == CSN_OK && meta != NULL) {
        struct table_record record = {.handle = handle, .state = COMPLETE, .count = writer->count, .meta = *meta};
        code = record_put(txn, writer->hasher, &writer->key, &record);
    }
    code = csn_store_finish(txn, code);
    if (code == CSN_OK) {
        writer->handle = handle;
        writer->batch_count = 0;
        csn_buf_clear(&writer->batch);
    }
    return code;
}

static int add(struct csn_table_writer *writer, const struct csn_entry *entry)
{
    uint8_t octets[CSN_KEY_MAX];
    const struct csn_rrset *rrset = &entry->rrset, *rrsigs = &entry->rrsigs;
    struct csn_bytes key = csn_bytes(octets, csn_key_encode(rrset->owner, rrset->type, octets));
    uint64_t size = UINT64_C(8) + rrset->rdatas.size + rrsigs->rdatas.size;
    if (rrset->count == 0 || csn_bytes_compare(key, csn_bytes(writer->last_key, writer->last_key_size)) <= 0) {
        return CSN_EFORMAT;
    }
    if (size > UINT32_MAX) {
        return CSN_ELIMIT;
    }
    csn_buf_put_u16(&writer->batch, (uint16_t)(HANDLE_SIZE + key.size));
    csn_buf_put_u32(&writer->batch, 0); /* the handle; known when the batch is written */
    csn_buf_put_bytes(&writer->batch, key);
    csn_buf_put_u32(&writer->batch, (uint32_t)size);
    csn_buf_put_u32(&writer->batch, rrset->ttl);
    csn_buf_put_u16(&writer->batch, rrset->count);
    csn_buf_put_bytes(&writer->batch, rrset->rdatas);
    csn_buf_put_u16(&writer->batch, rrsigs->count);
    csn_buf_put_bytes(&writer->batch, rrsigs->rdatas);
    memcpy(writer->last_key, octets, key.size);
    writer->last_key_size = key.size;
    writer->count++;
    writer->batch_count++;
    bool is_full = writer->batch_count >= BATCH_COUNT_MAX || writer->batch.size >= BATCH_SIZE_MAX;
    return is_full ? flush(writer, NULL) : CSN_OK;
}

int csn_table_add(struct csn_table_writer *writer, const struct csn_entry *entry)
{
    if (writer->failed == CSN_OK) {
        writer->failed = add(writer, entry);
    }
    return writer->failed;
}

static void writer_free(struct csn_table_writer *take_writer)
{
    csn_buf_fini(&take_writer->batch);
    csn_hasher_free(take_writer->hasher);
    free(take_writer);
}

int csn_table_complete(struct csn_table_writer *take_writer, struct csn_bytes meta)
{
    int code = take_writer->failed;
    if (code == CSN_OK) {
        code = meta.size > META_SIZE_MAX ? CSN_ELIMIT : flush(take_writer, &meta);
    }
    if (code != CSN_OK) {
        csn_table_abandon(take_writer);
        return code;
    }
    writer_free(take_writer);
    return CSN_OK;
}

void csn_table_abandon(struct csn_table_writer *take_writer)
{
    if (take_writer == NULL) {
        return;
    }
    if (take_writer->handle != 0) {
        /* What cannot be deleted now is invisible, and swept at the next start. */
        (void)table_delete(take_writer->store, take_writer->hasher, &take_writer->key, STAGING, take_writer->handle);
    }
    writer_free(take_writer);
}

/* --- reading */

int csn_table_open(struct csn_store *store, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name,
                   struct csn_table_reader **ret_reader)
{
    struct table_key key;
    struct csn_hasher *hasher = csn_hasher_new();
    struct csn_table_reader *reader = csn_calloc(1, sizeof(*reader));
    key_make(kind, zone, name, &key);
    int code = csn_kv_begin(store->zones, false, &reader->txn);
    if (code == CSN_OK) {
        code = record_get(reader->txn, hasher, &key, &reader->record);
    }
    if (code == CSN_OK && reader->record.state != COMPLETE) {
        code = CSN_ENOTFOUND;
    }
    if (code == CSN_OK) {
        code = csn_kv_cursor_open(reader->txn, CSN_ZONES_ROWS, &reader->cursor);
    }
    csn_hasher_free(hasher);
    if (code != CSN_OK) {
        csn_table_close(reader);
        return code;
    }
    csn_set_u32(reader->from, reader->record.handle);
    reader->from_size = HANDLE_SIZE;
    reader->is_whole = true;
    *ret_reader = reader;
    return CSN_OK;
}

struct csn_bytes csn_table_meta(const struct csn_table_reader *reader)
{
    return reader->record.meta;
}

uint64_t csn_table_count(const struct csn_table_reader *reader)
{
    return reader->record.count;
}

int csn_table_seek(struct csn_table_reader *reader, const uint8_t *owner, uint16_t type)
{
    reader->from_size = HANDLE_SIZE + csn_key_encode(owner, type, reader->from + HANDLE_SIZE);
    reader->is_moving = false;
    reader->is_whole = false;
    return CSN_OK;
}

/* n x (length u16 | RDATA), as one view. */
static struct csn_bytes read_rdatas(struct csn_reader *reader, uint16_t *ret_count)
{
    *ret_count = csn_read_u16(reader);
    const uint8_t *start = reader->at;
    for (unsigned i = 0; i < *ret_count && !reader->failed; i++) {
        csn_read_bytes(reader, csn_read_u16(reader));
    }
    return csn_bytes(start, reader->failed ? 0 : (size_t)(reader->at - start));
}

static int row_parse(struct csn_bytes value, struct csn_entry *entry)
{
    struct csn_reader reader = csn_reader(value);
    entry->rrset.ttl = entry->rrsigs.ttl = csn_read_u32(&reader);
    entry->rrset.rdatas = read_rdatas(&reader, &entry->rrset.count);
    entry->rrsigs.rdatas = read_rdatas(&reader, &entry->rrsigs.count);
    entry->rrsigs.type = CSN_TYPE_RRSIG;
    return csn_reader_done(&reader) && entry->rrset.count > 0 ? CSN_OK : CSN_EDAMAGED;
}

/* The owner in the reader's arena; types of one owner share it. */
static int row_owner(struct csn_table_reader *reader, struct csn_bytes key, struct csn_entry *entry)
{
    if (key.size < HANDLE_SIZE + 3) {
        return CSN_EDAMAGED;
    }
    struct csn_bytes name = csn_bytes(key.data, key.size - 2);
    entry->rrset.type = csn_get_u16(key.data + name.size);
    if (reader->last_owner == NULL || !csn_bytes_equal(name, reader->last_name)) {
        uint8_t owner[CSN_NAME_MAX];
        int code = csn_key_decode(csn_bytes(key.data + HANDLE_SIZE, key.size - HANDLE_SIZE), owner, &entry->rrset.type);
        if (code != CSN_OK) {
            return code;
        }
        reader->last_owner = csn_arena_copy(&reader->arena, owner, csn_name_size(owner));
        reader->last_name = name;
    }
    entry->rrset.owner = entry->rrsigs.owner = reader->last_owner;
    return CSN_OK;
}

static int move(struct csn_table_reader *reader, struct csn_bytes *ret_key, struct csn_bytes *ret_value)
{
    if (reader->is_moving) {
        return csn_kv_cursor_next(reader->cursor, ret_key, ret_value);
    }
    reader->is_moving = true;
    return csn_kv_cursor_seek(reader->cursor, csn_bytes(reader->from, reader->from_size), ret_key, ret_value);
}

int csn_table_next(struct csn_table_reader *reader, struct csn_entry *ret_entry)
{
    struct csn_bytes key, value;
    struct csn_entry entry = {0};
    int code = move(reader, &key, &value);
    if (code == CSN_OK && !csn_has_prefix(key, csn_bytes(reader->from, HANDLE_SIZE))) {
        code = CSN_ENOTFOUND;
    }
    if (code == CSN_ENOTFOUND) {
        bool is_short = reader->is_whole && reader->seen != reader->record.count;
        return is_short ? CSN_EDAMAGED : CSN_ENOTFOUND;
    }
    if (code == CSN_OK) {
        code = row_owner(reader, key, &entry);
    }
    if (code == CSN_OK) {
        code = row_parse(value, &entry);
    }
    if (code == CSN_OK) {
        reader->seen++;
        *ret_entry = entry;
    }
    return code;
}

void csn_table_close(struct csn_table_reader *take_reader)
{
    if (take_reader == NULL) {
        return;
    }
    csn_kv_cursor_close(take_reader->cursor);
    csn_kv_abort(take_reader->txn);
    csn_arena_fini(&take_reader->arena);
    free(take_reader);
}

bool csn_table_exists(struct csn_store *store, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name)
{
    struct csn_table_reader *reader;
    if (csn_table_open(store, kind, zone, name, &reader) != CSN_OK) {
        return false;
    }
    csn_table_close(reader);
    return true;
}

/* --- the list, and what a crash left */

/* `record` NULL: it is damaged. */
typedef int record_fn(void *arg, struct csn_bytes key, const struct table_record *record);

struct each_arg {
    record_fn *fn;
    void *arg;
};

static int one_table(void *arg, struct csn_hasher *hasher, struct csn_bytes key, struct csn_bytes sealed)
{
    const struct each_arg *each = arg;
    struct table_record record;
    struct csn_bytes value;
    bool is_good = csn_sealed_open(hasher, key, sealed, &value) == CSN_OK && record_parse(value, &record) == CSN_OK;
    return each->fn(each->arg, key, is_good ? &record : NULL);
}

static int each_table(struct csn_store *store, record_fn *fn, void *arg)
{
    struct each_arg each = {.fn = fn, .arg = arg};
    return csn_sealed_each(store->zones, CSN_ZONES_INDEX, csn_bytes(NULL, 0), one_table, &each);
}

struct list_arg {
    csn_table_fn *fn;
    void *arg;
};

static int list_one(void *arg, struct csn_bytes key, const struct table_record *record)
{
    const struct list_arg *list = arg;
    enum csn_table_kind kind;
    const uint8_t *zone;
    struct csn_digest name;
    int code = record != NULL ? key_parse(key, &kind, &zone, &name) : CSN_OK;
    if (record == NULL || code != CSN_OK || record->state != COMPLETE) {
        return code;
    }
    return list->fn(list->arg, kind, zone, &name, record->meta);
}

int csn_table_list(struct csn_store *store, csn_table_fn *fn, void *arg)
{
    struct list_arg list = {.fn = fn, .arg = arg};
    return each_table(store, list_one, &list);
}

/* What must go, collected first, because nothing can be deleted under a cursor. */
struct swept {
    struct csn_buf unmarked; /* owns; struct table_key … */
    struct csn_buf damaged;  /* owns; size u16 | key … */
    size_t damaged_count;
    uint32_t *handles; /* owns; in use */
    size_t handle_count;
};

static int collect_swept(void *arg, struct csn_bytes key, const struct table_record *record)
{
    struct swept *swept = arg;
    if (record == NULL || key.size > INDEX_KEY_MAX) {
        csn_buf_put_u16(&swept->damaged, (uint16_t)key.size);
        csn_buf_put_bytes(&swept->damaged, key);
        swept->damaged_count++;
        return CSN_OK;
    }
    swept->handles = csn_realloc(swept->handles, swept->handle_count + 1, sizeof(swept->handles[0]));
    swept->handles[swept->handle_count++] = record->handle;
    if (record->state != COMPLETE) {
        struct table_key copy = {.size = key.size};
        memcpy(copy.octets, key.data, key.size);
        csn_buf_put(&swept->unmarked, &copy, sizeof(copy));
    }
    return CSN_OK;
}

static int delete_damaged(struct csn_store *store, const struct swept *swept)
{
    struct csn_kv_txn *txn;
    struct csn_reader reader = csn_reader(csn_buf_view(&swept->damaged));
    int code = csn_kv_begin(store->zones, true, &txn);
    if (code != CSN_OK) {
        return code;
    }
    while (code == CSN_OK && csn_reader_left(&reader) > 0) {
        code = csn_kv_del(txn, CSN_ZONES_INDEX, csn_read_bytes(&reader, csn_read_u16(&reader)));
    }
    return csn_store_finish(txn, code);
}

/* The first handle at or above `from` that has rows; CSN_ENOTFOUND. */
static int next_handle(struct csn_store *store, uint32_t from, uint32_t *ret_handle)
{
    struct csn_kv_txn *txn;
    struct csn_kv_cursor *cursor = NULL;
    struct csn_bytes key, value;
    uint8_t octets[HANDLE_SIZE];
    int code = csn_kv_begin(store->zones, false, &txn);
    if (code != CSN_OK) {
        return code;
    }
    csn_set_u32(octets, from);
    code = csn_kv_cursor_open(txn, CSN_ZONES_ROWS, &cursor);
    if (code == CSN_OK) {
        code = csn_kv_cursor_seek(cursor, csn_bytes(octets, sizeof(octets)), &key, &value);
    }
    if (code == CSN_OK && key.size < HANDLE_SIZE) {
        code = CSN_EDAMAGED;
    }
    if (code == CSN_OK) {
        *ret_handle = csn_get_u32(key.data);
    }
    csn_kv_cursor_close(cursor);
    csn_kv_abort(txn);
    return code;
}

static bool is_in_use(const struct swept *swept, uint32_t handle)
{
    for (size_t i = 0; i < swept->handle_count; i++) {
        if (swept->handles[i] == handle) {
            return true;
        }
    }
    return false;
}

/* Rows whose index record was damaged. */
static int delete_orphans(struct csn_store *store, struct csn_hasher *hasher, const struct swept *swept)
{
    static const struct table_key no_record = {.octets = {0}, .size = 1};
    uint32_t handle = 0;
    int code;
    while ((code = next_handle(store, handle, &handle)) == CSN_OK) {
        if (!is_in_use(swept, handle)) {
            code = delete_rows(store, hasher, &no_record, handle);
        }
        if (code != CSN_OK || handle++ == UINT32_MAX) {
            break;
        }
    }
    return code == CSN_ENOTFOUND ? CSN_OK : code;
}

int csn_table_sweep(struct csn_store *store, size_t *ret_damaged)
{
    struct swept swept = {0};
    struct csn_hasher *hasher = csn_hasher_new();
    int code = each_table(store, collect_swept, &swept);
    for (size_t at = 0; code == CSN_OK && at < swept.unmarked.size; at += sizeof(struct table_key)) {
        struct table_key key;
        memcpy(&key, swept.unmarked.data + at, sizeof(key));
        code = table_delete(store, hasher, &key, STAGING, 0);
    }
    if (code == CSN_OK && swept.damaged_count > 0) {
        code = delete_damaged(store, &swept);
        code = code == CSN_OK ? delete_orphans(store, hasher, &swept) : code;
    }
    *ret_damaged = swept.damaged_count;
    csn_hasher_free(hasher);
    csn_buf_fini(&swept.unmarked);
    csn_buf_fini(&swept.damaged);
    free(swept.handles);
    return code;
}
