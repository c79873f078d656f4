#include "zone/store.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zone/store_own.h"

#define SEAL_SIZE 16u
#define FORMAT 1u

/* `state` is the last one in both. */
static const char *const votes_tables[] = {[CSN_VOTES_RECORDS] = "records", [CSN_VOTES_STATE] = "state"};
static const char *const zones_tables[] = {[CSN_ZONES_INDEX] = "index",
                                           [CSN_ZONES_ROWS] = "rows",
                                           [CSN_ZONES_BLOBS] = "blobs",
                                           [CSN_ZONES_STATE] = "state"};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* --- sealed values */

static void seal_of(struct csn_hasher *hasher, struct csn_bytes key, struct csn_bytes value, uint8_t ret_seal[SEAL_SIZE])
{
    uint8_t size[2];
    struct csn_digest digest;
    csn_set_u16(size, (uint16_t)key.size);
    csn_hasher_start(hasher);
    csn_hasher_add(hasher, csn_bytes(size, sizeof(size)));
    csn_hasher_add(hasher, key);
    csn_hasher_add(hasher, value);
    csn_hasher_end(hasher, &digest);
    memcpy(ret_seal, digest.octets, SEAL_SIZE);
}

int csn_sealed_put(struct csn_kv_txn *txn, unsigned table, struct csn_hasher *hasher, struct csn_bytes key,
                   struct csn_bytes value)
{
    if (key.size == 0 || key.size > CSN_KV_KEY_MAX) {
        return CSN_ELIMIT;
    }
    struct csn_buf sealed = {0};
    seal_of(hasher, key, value, csn_buf_reserve(&sealed, SEAL_SIZE + value.size));
    sealed.size = SEAL_SIZE;
    csn_buf_put_bytes(&sealed, value);
    int code = csn_kv_put(txn, table, key, csn_buf_view(&sealed));
    csn_buf_fini(&sealed);
    return code;
}

int csn_sealed_open(struct csn_hasher *hasher, struct csn_bytes key, struct csn_bytes sealed, struct csn_bytes *ret_value)
{
    if (sealed.size < SEAL_SIZE) {
        return CSN_EDAMAGED;
    }
    uint8_t seal[SEAL_SIZE];
    struct csn_bytes value = csn_bytes(sealed.data + SEAL_SIZE, sealed.size - SEAL_SIZE);
    seal_of(hasher, key, value, seal);
    if (memcmp(seal, sealed.data, SEAL_SIZE) != 0) {
        return CSN_EDAMAGED;
    }
    *ret_value = value;
    return CSN_OK;
}

int csn_sealed_get(struct csn_kv_txn *txn, unsigned table, struct csn_hasher *hasher, struct csn_bytes key,
                   struct csn_bytes *ret_value)
{
    struct csn_bytes sealed;
    if (key.size == 0 || key.size > CSN_KV_KEY_MAX) {
        return CSN_ELIMIT;
    }
    int code = csn_kv_get(txn, table, key, &sealed);
    return code == CSN_OK ? csn_sealed_open(hasher, key, sealed, ret_value) : code;
}

/* --- all records of a table */

int csn_sealed_each(struct csn_kv *kv, unsigned table, struct csn_bytes prefix, csn_sealed_fn *fn, void *arg)
{
    struct csn_kv_txn *txn;
    struct csn_kv_cursor *cursor = NULL;
    struct csn_bytes key, sealed;
    int code = csn_kv_begin(kv, false, &txn);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_hasher *hasher = csn_hasher_new();
    code = csn_kv_cursor_open(txn, table, &cursor);
    if (code == CSN_OK) {
        code = csn_kv_cursor_seek(cursor, prefix, &key, &sealed);
    }
    while (code == CSN_OK && csn_has_prefix(key, prefix)) {
        code = fn(arg, hasher, key, sealed);
        if (code != CSN_OK) {
            goto out;
        }
        code = csn_kv_cursor_next(cursor, &key, &sealed);
    }
    code = code == CSN_ENOTFOUND ? CSN_OK : code;
out:
    csn_kv_cursor_close(cursor);
    csn_hasher_free(hasher);
    csn_kv_abort(txn);
    return code;
}

enum each {
    EACH,         /* the first damaged one ends it */
    EACH_KEY,     /* values are neither read nor checked; `fn` gets none */
    EACH_GOOD,    /* damaged ones are left out */
    EACH_DAMAGED, /* only those; `fn` gets no value */
};

struct each_arg {
    enum each how;
    csn_vote_fn *fn;
    void *arg;
};

static int one_record(void *arg, struct csn_hasher *hasher, struct csn_bytes key, struct csn_bytes sealed)
{
    const struct each_arg *each = arg;
    struct csn_bytes value = csn_bytes(NULL, 0);
    int code = each->how == EACH_KEY ? CSN_OK : csn_sealed_open(hasher, key, sealed, &value);
    bool is_wanted = (code == CSN_OK) != (each->how == EACH_DAMAGED);
    if (is_wanted) {
        return each->fn(each->arg, key, value);
    }
    return each->how != EACH ? CSN_OK : code;
}

static int each_record(struct csn_kv *kv, unsigned table, struct csn_bytes prefix, enum each how, csn_vote_fn *fn, void *arg)
{
    struct each_arg each = {.how = how, .fn = fn, .arg = arg};
    return csn_sealed_each(kv, table, prefix, one_record, &each);
}

static int ignore_record(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    (void)arg;
    (void)key;
    (void)value;
    return CSN_OK;
}

/* --- one environment's own records */

typedef int state_fn(struct csn_kv_txn *txn, unsigned table, struct csn_hasher *hasher);

static int write_state(struct csn_kv *kv, unsigned table, state_fn *fn)
{
    struct csn_kv_txn *txn;
    int code = csn_kv_begin(kv, true, &txn);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_hasher *hasher = csn_hasher_new();
    code = fn(txn, table, hasher);
    csn_hasher_free(hasher);
    return csn_store_finish(txn, code);
}

/* A store of another format is not read: CSN_EFORMAT. */
static int settle_format(struct csn_kv_txn *txn, unsigned table, struct csn_hasher *hasher)
{
    struct csn_bytes key = csn_bytes("format", 6), value;
    uint8_t format[4];
    csn_set_u32(format, FORMAT);
    int code = csn_sealed_get(txn, table, hasher, key, &value);
    if (code == CSN_ENOTFOUND) {
        return csn_sealed_put(txn, table, hasher, key, csn_bytes(format, sizeof(format)));
    }
    if (code == CSN_OK && !csn_bytes_equal(value, csn_bytes(format, sizeof(format)))) {
        return CSN_EFORMAT;
    }
    return code;
}

/* A value that differs from the last one, or LMDB would have nothing to write. */
static int write_probe(struct csn_kv_txn *txn, unsigned table, struct csn_hasher *hasher)
{
    struct csn_bytes key = csn_bytes("probe", 5), value;
    uint8_t count[8] = {0};
    int code = csn_sealed_get(txn, table, hasher, key, &value);
    if (code == CSN_OK && value.size == sizeof(count)) {
        csn_set_u64(count, csn_get_u64(value.data) + 1);
    } else if (code != CSN_ENOTFOUND) {
        return code == CSN_OK ? CSN_EDAMAGED : code;
    }
    return csn_sealed_put(txn, table, hasher, key, csn_bytes(count, sizeof(count)));
}

/* As settle_format, where nothing can be written. */
static int check_format(struct csn_kv *kv, unsigned table)
{
    struct csn_kv_txn *txn;
    struct csn_bytes value;
    uint8_t format[4];
    csn_set_u32(format, FORMAT);
    int code = csn_kv_begin(kv, false, &txn);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_hasher *hasher = csn_hasher_new();
    code = csn_sealed_get(txn, table, hasher, csn_bytes("format", 6), &value);
    if (code == CSN_OK && !csn_bytes_equal(value, csn_bytes(format, sizeof(format)))) {
        code = CSN_EFORMAT;
    }
    csn_hasher_free(hasher);
    csn_kv_abort(txn);
    return code;
}

/* --- the store */

typedef int open_fn(const char *folder, size_t size_max, const char *const *tables, unsigned table_count, struct csn_kv **ret_kv,
                    struct csn_reason *reason);

static int open_env(open_fn *fn, const char *folder, const char *name, size_t size_max, const char *const *tables, unsigned count,
                    struct csn_kv **ret_kv, struct csn_reason *reason)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path)) {
        return csn_reason_set(reason, CSN_ELIMIT, "%s: path too long", folder);
    }
    int code = fn(path, size_max, tables, count, ret_kv, reason);
    if (code != CSN_OK) {
        return code;
    }
    /* On a full disk a store still opens: what is released must be served. The probe says that it cannot be written. */
    code = fn == csn_kv_open ? write_state(*ret_kv, count - 1, settle_format) : check_format(*ret_kv, count - 1);
    if (code == CSN_OK) {
        code = each_record(*ret_kv, count - 1, csn_bytes(NULL, 0), EACH, ignore_record, NULL);
    }
    if (code != CSN_OK) {
        csn_kv_close(*ret_kv);
        *ret_kv = NULL;
        return csn_reason_set(reason, code, "%s: cannot read the store's own records: %s", path, csn_error_text(code));
    }
    return CSN_OK;
}

/* Every vote is read once before any is believed: one that lost its place would look absent. */
static int check_votes(struct csn_store *store, const char *folder, struct csn_reason *reason)
{
    int code = csn_store_read_votes(store, csn_bytes(NULL, 0), ignore_record, NULL);
    return code == CSN_OK ? CSN_OK : csn_reason_set(reason, code, "%s/votes: a record: %s", folder, csn_error_text(code));
}

static int open_votes(struct csn_store *store, open_fn *fn, const char *folder, size_t size_max, struct csn_reason *reason)
{
    int code = open_env(fn, folder, "votes", size_max, votes_tables, COUNT_OF(votes_tables), &store->votes, reason);
    return code == CSN_OK ? check_votes(store, folder, reason) : code;
}

static int gather_key(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    struct csn_buf *keys = arg;
    (void)value;
    csn_buf_put_u16(keys, (uint16_t)key.size);
    csn_buf_put_bytes(keys, key);
    return CSN_OK;
}

/* A damaged blob is emptied, not deleted: what stood there once must not be decided anew (one share for each H(P)). */
static int empty_blobs(struct csn_store *store, size_t *count)
{
    struct csn_buf keys = {0};
    int code = each_record(store->zones, CSN_ZONES_BLOBS, csn_bytes(NULL, 0), EACH_DAMAGED, gather_key, &keys);
    struct csn_reader reader = csn_reader(csn_buf_view(&keys));
    while (code == CSN_OK && csn_reader_left(&reader) > 0) {
        code = csn_store_put_blob(store, csn_read_bytes(&reader, csn_read_u16(&reader)), csn_bytes(NULL, 0));
        (*count)++;
    }
    csn_buf_fini(&keys);
    return code;
}

/* Reads every record of `zones`: what is damaged goes, for all of it can be made or fetched again. */
static int mend_records(struct csn_store *store, const char *folder, struct csn_reason *reason)
{
    size_t count = 0;
    int code = csn_table_sweep(store, &count);
    if (code == CSN_OK) {
        code = empty_blobs(store, &count);
    }
    if (code == CSN_EDAMAGED) {
        return csn_reason_set(reason, code, "%s/zones: its records are out of place", folder);
    }
    if (count > 0) {
        csn_reason_set(&store->damaged, CSN_EDAMAGED, "%s/zones: %zu of its records", folder, count);
    }
    return code == CSN_OK || code == CSN_EFULL
               ? CSN_OK
               : csn_reason_set(reason, code, "%s/zones: its records: %s", folder, csn_error_text(code));
}

/* What is here can be had from peers again, the votes cannot: so zones that cannot be read are begun anew. */
static int begin_zones(struct csn_store *store, const char *folder, size_t size_max, struct csn_reason *reason)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/zones", folder); /* open_env found room for it */
    csn_kv_close(store->zones);
    store->zones = NULL;
    int code = csn_kv_set_aside(path, reason);
    return code == CSN_OK ? open_env(csn_kv_open, folder, "zones", size_max, zones_tables, COUNT_OF(zones_tables), &store->zones, reason)
                          : code;
}

static int open_zones(struct csn_store *store, open_fn *fn, const char *folder, size_t size_max, struct csn_reason *reason)
{
    struct csn_reason why = {0};
    int code = open_env(fn, folder, "zones", size_max, zones_tables, COUNT_OF(zones_tables), &store->zones, &why);
    if (code == CSN_OK && fn == csn_kv_open) {
        code = mend_records(store, folder, &why);
    }
    if (code == CSN_EDAMAGED) {
        store->damaged = why;
        return begin_zones(store, folder, size_max, reason);
    }
    return csn_reason_set(code == CSN_OK ? NULL : reason, code, "%s", why.text);
}

static int open_by(open_fn *fn, const char *folder, size_t votes_size_max, size_t zones_size_max, struct csn_store **ret_store,
                   struct csn_reason *reason)
{
    struct csn_store *store = csn_calloc(1, sizeof(*store));
    int code = open_votes(store, fn, folder, votes_size_max, reason);
    if (code == CSN_OK) {
        code = open_zones(store, fn, folder, zones_size_max, reason);
    }
    if (code != CSN_OK) {
        csn_store_close(store);
        return code;
    }
    *ret_store = store;
    return CSN_OK;
}

int csn_store_open(const char *folder, size_t votes_size_max, size_t zones_size_max, struct csn_store **ret_store,
                   struct csn_reason *reason)
{
    return open_by(csn_kv_open, folder, votes_size_max, zones_size_max, ret_store, reason);
}

int csn_store_open_readonly(const char *folder, size_t votes_size_max, size_t zones_size_max, struct csn_store **ret_store,
                            struct csn_reason *reason)
{
    return open_by(csn_kv_open_readonly, folder, votes_size_max, zones_size_max, ret_store, reason);
}

int csn_store_open_damaged(const char *folder, size_t votes_size_max, size_t zones_size_max, struct csn_store **ret_store,
                           struct csn_reason *reason)
{
    struct csn_store *store = csn_calloc(1, sizeof(*store));
    store->is_damaged = true;
    int code = open_votes(store, csn_kv_open_readonly, folder, votes_size_max, reason);
    if (code != CSN_OK && code != CSN_EBUSY) {
        csn_kv_close(store->votes);
        store->votes = NULL;
        code = CSN_OK;
    }
    if (code == CSN_OK) {
        code = open_zones(store, csn_kv_open_readonly, folder, zones_size_max, reason);
    }
    if (code != CSN_OK) {
        csn_store_close(store);
        return code;
    }
    *ret_store = store;
    return CSN_OK;
}

const char *csn_store_damage(const struct csn_store *store)
{
    return store->damaged.text[0] != '\0' ? store->damaged.text : NULL;
}

void csn_store_close(struct csn_store *take_store)
{
    if (take_store != NULL) {
        csn_kv_close(take_store->zones);
        csn_kv_close(take_store->votes);
        free(take_store);
    }
}

int csn_store_probe(struct csn_store *store, struct csn_reason *reason)
{
    int code = write_state(store->votes, CSN_VOTES_STATE, write_probe);
    if (code != CSN_OK) {
        return csn_reason_set(reason, code, "store: votes cannot be written: %s", csn_error_text(code));
    }
    code = write_state(store->zones, CSN_ZONES_STATE, write_probe);
    if (code != CSN_OK) {
        return csn_reason_set(reason, code, "store: zones cannot be written: %s", csn_error_text(code));
    }
    return CSN_OK;
}

void csn_store_usage(struct csn_store *store, uint64_t *ret_used, uint64_t *ret_size_max)
{
    uint64_t votes_used = 0, votes_max = 1, zones_used, zones_max;
    if (store->votes != NULL) {
        csn_kv_usage(store->votes, &votes_used, &votes_max);
    }
    csn_kv_usage(store->zones, &zones_used, &zones_max);
    bool votes_fuller = (double)votes_used / (double)votes_max > (double)zones_used / (double)zones_max;
    *ret_used = votes_fuller ? votes_used : zones_used;
    *ret_size_max = votes_fuller ? votes_max : zones_max;
}

/* --- votes */

static int check_expect(struct csn_kv_txn *txn, struct csn_hasher *hasher, const struct csn_vote_expect *expect)
{
    struct csn_bytes value;
    int code = csn_sealed_get(txn, CSN_VOTES_RECORDS, hasher, expect->key, &value);
    if (code == CSN_ENOTFOUND) {
        return expect->value.data == NULL ? CSN_OK : CSN_EMISMATCH;
    }
    if (code != CSN_OK) {
        return code;
    }
    return expect->value.data != NULL && csn_bytes_equal(value, expect->value) ? CSN_OK : CSN_EMISMATCH;
}

static int write_vote(struct csn_kv_txn *txn, struct csn_hasher *hasher, const struct csn_vote_write *write)
{
    if (write->value.data != NULL) {
        return csn_sealed_put(txn, CSN_VOTES_RECORDS, hasher, write->key, write->value);
    }
    int code = csn_kv_del(txn, CSN_VOTES_RECORDS, write->key);
    return code == CSN_ENOTFOUND ? CSN_OK : code;
}

/* `ret_is_clean` as long as it has written nothing. */
static int write_one(struct csn_kv_txn *txn, struct csn_hasher *hasher, const struct csn_vote_batch *batch, bool *ret_is_clean)
{
    int code = CSN_OK;
    *ret_is_clean = true;
    for (size_t i = 0; code == CSN_OK && i < batch->expect_count; i++) {
        code = check_expect(txn, hasher, &batch->expects[i]);
    }
    for (size_t i = 0; code == CSN_OK && i < batch->write_count; i++) {
        *ret_is_clean = false;
        code = write_vote(txn, hasher, &batch->writes[i]);
    }
    return code;
}

int csn_store_write_batch(struct csn_store *store, const struct csn_vote_batch *batches, size_t count, size_t *ret_done)
{
    struct csn_kv_txn *txn;
    *ret_done = 0;
    int code = store->is_damaged ? CSN_EPERMISSION : csn_kv_begin(store->votes, true, &txn);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_hasher *hasher = csn_hasher_new();
    size_t done = 0;
    bool is_clean = true;
    while (code == CSN_OK && done < count) {
        code = write_one(txn, hasher, &batches[done], &is_clean);
        done += code == CSN_OK;
    }
    csn_hasher_free(hasher);
    /* Those before one that was not what it expected stand; one that could not be written takes them with it. */
    int finished = csn_store_finish(txn, is_clean || code == CSN_OK ? CSN_OK : code);
    if (finished == CSN_OK) {
        *ret_done = done;
        return code;
    }
    return finished;
}

int csn_store_write_votes(struct csn_store *store, const struct csn_vote_expect *expects, size_t expect_count,
                          const struct csn_vote_write *writes, size_t write_count)
{
    struct csn_vote_batch batch = {expects, expect_count, writes, write_count};
    size_t done;
    return csn_store_write_batch(store, &batch, 1, &done);
}

int csn_store_read_votes(struct csn_store *store, struct csn_bytes prefix, csn_vote_fn *fn, void *arg)
{
    return store->votes == NULL ? CSN_OK
                                : each_record(store->votes, CSN_VOTES_RECORDS, prefix, store->is_damaged ? EACH_GOOD : EACH, fn, arg);
}

/* --- blobs */

int csn_store_put_blob(struct csn_store *store, struct csn_bytes key, struct csn_bytes value)
{
    struct csn_kv_txn *txn;
    int code = csn_kv_begin(store->zones, true, &txn);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_hasher *hasher = csn_hasher_new();
    code = csn_sealed_put(txn, CSN_ZONES_BLOBS, hasher, key, value);
    csn_hasher_free(hasher);
    return csn_store_finish(txn, code);
}

int csn_store_get_blob(struct csn_store *store, struct csn_bytes key, struct csn_buf *buf)
{
    struct csn_kv_txn *txn;
    struct csn_bytes value;
    int code = csn_kv_begin(store->zones, false, &txn);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_hasher *hasher = csn_hasher_new();
    code = csn_sealed_get(txn, CSN_ZONES_BLOBS, hasher, key, &value);
    if (code == CSN_OK) {
        csn_buf_put_bytes(buf, value);
    }
    csn_hasher_free(hasher);
    csn_kv_abort(txn);
    return code;
}

int csn_store_del_blob(struct csn_store *store, struct csn_bytes key)
{
    struct csn_kv_txn *txn;
    int code = csn_kv_begin(store->zones, true, &txn);
    return code == CSN_OK ? csn_store_finish(txn, csn_kv_del(txn, CSN_ZONES_BLOBS, key)) : code;
}

int csn_store_list_blobs(struct csn_store *store, struct csn_bytes prefix, csn_vote_fn *fn, void *arg)
{
    return each_record(store->zones, CSN_ZONES_BLOBS, prefix, EACH_KEY, fn, arg);
}
