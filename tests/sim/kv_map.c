#include "sim/kv_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TABLES_MAX 8
enum { VOTES, ZONES, ENVIRONMENTS };

struct pair {
    unsigned refs;
    size_t key_size, value_size;
    uint8_t octets[]; /* key, value */
};

/* A table as one transaction sees it: ascending keys. */
struct state {
    unsigned refs;
    size_t count, count_max;
    struct pair **pairs; /* owns references */
};

struct environment {
    const char *name;
    bool is_open;
    struct state *tables[TABLES_MAX]; /* own references; committed */
};

struct kv_disk {
    struct environment environments[ENVIRONMENTS];
    enum kv_fate fate;
    unsigned commits_left;
    bool is_dead, is_full;
};

struct csn_kv {
    struct kv_disk *disk;            /* borrows */
    struct environment *environment; /* borrows */
    unsigned table_count;
    struct csn_kv_txn *writer; /* borrows; open */
    bool is_readonly;
};

struct csn_kv_txn {
    struct csn_kv *kv; /* borrows */
    bool is_write;
    struct state *tables[TABLES_MAX]; /* own references */
    bool is_own[TABLES_MAX];          /* copied for writing */
};

struct csn_kv_cursor {
    const struct csn_kv_txn *txn; /* borrows */
    unsigned table;
    size_t at;
};

/* --- pairs and states */

static struct csn_bytes key_of(const struct pair *pair)
{
    return csn_bytes(pair->octets, pair->key_size);
}

static struct csn_bytes value_of(const struct pair *pair)
{
    return csn_bytes(pair->octets + pair->key_size, pair->value_size);
}

static void copy_in(uint8_t *to, struct csn_bytes octets)
{
    if (octets.size > 0) {
        memcpy(to, octets.data, octets.size);
    }
}

static struct pair *pair_new(struct csn_bytes key, struct csn_bytes value)
{
    struct pair *pair = csn_alloc(sizeof(*pair) + key.size + value.size);
    *pair = (struct pair){.refs = 1, .key_size = key.size, .value_size = value.size};
    copy_in(pair->octets, key);
    copy_in(pair->octets + key.size, value);
    return pair;
}

static void pair_unref(struct pair *take_pair)
{
    if (--take_pair->refs == 0) {
        free(take_pair);
    }
}

static void state_unref(struct state *take_state)
{
    if (take_state == NULL || --take_state->refs > 0) {
        return;
    }
    for (size_t i = 0; i < take_state->count; i++) {
        pair_unref(take_state->pairs[i]);
    }
    free(take_state->pairs);
    free(take_state);
}

static struct state *state_copy(const struct state *state)
{
    struct state *copy = csn_calloc(1, sizeof(*copy));
    copy->refs = 1;
    copy->count = copy->count_max = state != NULL ? state->count : 0;
    copy->pairs = csn_calloc(copy->count + 1, sizeof(struct pair *));
    for (size_t i = 0; i < copy->count; i++) {
        copy->pairs[i] = state->pairs[i];
        copy->pairs[i]->refs++;
    }
    return copy;
}

/* Of the first key at or after this one. */
static size_t search(const struct state *state, struct csn_bytes key)
{
    size_t from = 0, to = state != NULL ? state->count : 0;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (csn_bytes_compare(key_of(state->pairs[middle]), key) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static bool is_at(const struct state *state, size_t at, struct csn_bytes key)
{
    return state != NULL && at < state->count && csn_bytes_equal(key_of(state->pairs[at]), key);
}

static void state_put(struct state *state, struct csn_bytes key, struct csn_bytes value)
{
    size_t at = search(state, key);
    if (is_at(state, at, key)) {
        struct pair *old = state->pairs[at];
        state->pairs[at] = pair_new(key, value);
        pair_unref(old);
        return;
    }
    if (state->count == state->count_max) {
        state->count_max = 2 * state->count_max + 16;
        state->pairs = csn_realloc(state->pairs, state->count_max, sizeof(struct pair *));
    }
    memmove(state->pairs + at + 1, state->pairs + at, (state->count - at) * sizeof(struct pair *));
    state->pairs[at] = pair_new(key, value);
    state->count++;
}

/* --- the disk */

struct kv_disk *kv_disk_new(void)
{
    struct kv_disk *disk = csn_calloc(1, sizeof(*disk));
    disk->environments[VOTES].name = "votes";
    disk->environments[ZONES].name = "zones";
    return disk;
}

void kv_disk_free(struct kv_disk *take_disk)
{
    for (unsigned i = 0; take_disk != NULL && i < ENVIRONMENTS * TABLES_MAX; i++) {
        state_unref(take_disk->environments[i / TABLES_MAX].tables[i % TABLES_MAX]);
    }
    free(take_disk);
}

struct kv_disk *kv_disk_copy(const struct kv_disk *disk)
{
    struct kv_disk *copy = kv_disk_new();
    for (unsigned i = 0; i < ENVIRONMENTS; i++) {
        for (unsigned k = 0; k < TABLES_MAX; k++) {
            struct state *state = disk->environments[i].tables[k];
            copy->environments[i].tables[k] = state != NULL ? state_copy(state) : NULL;
        }
    }
    return copy;
}

void kv_disk_folder(const struct kv_disk *disk, char ret_folder[KV_FOLDER_SIZE])
{
    snprintf(ret_folder, KV_FOLDER_SIZE, "%" PRIxPTR, (uintptr_t)disk);
}

void kv_disk_arm(struct kv_disk *disk, enum kv_fate fate, unsigned commits)
{
    disk->fate = fate;
    disk->commits_left = commits;
}

bool kv_disk_is_dead(const struct kv_disk *disk)
{
    return disk->is_dead;
}

void kv_disk_set_full(struct kv_disk *disk, bool is_full)
{
    disk->is_full = is_full;
}

bool kv_disk_value(const struct kv_disk *disk, unsigned table, struct csn_bytes key, struct csn_bytes *ret_value)
{
    const struct state *state = disk->environments[ZONES].tables[table];
    size_t at = search(state, key);
    bool is_there = is_at(state, at, key);
    if (is_there) {
        *ret_value = value_of(state->pairs[at]);
    }
    return is_there;
}

bool kv_disk_rot(struct kv_disk *disk, unsigned at, struct csn_bytes prefix, uint64_t random)
{
    struct state **table = &disk->environments[ZONES].tables[at];
    size_t from = search(*table, prefix), count = 0;
    while (*table != NULL && from + count < (*table)->count && prefix.size <= (*table)->pairs[from + count]->key_size &&
           memcmp((*table)->pairs[from + count]->octets, prefix.data, prefix.size) == 0) {
        count++;
    }
    if (count == 0) {
        return false;
    }
    struct state *state = state_copy(*table);
    struct pair **pair = &state->pairs[from + random % count], *whole = *pair;
    *pair = pair_new(key_of(whole), value_of(whole));
    pair_unref(whole);
    random /= count;
    (*pair)->octets[(*pair)->key_size + random / 8 % (*pair)->value_size] ^= (uint8_t)(1u << random % 8);
    state_unref(*table);
    *table = state;
    return true;
}

/* --- kv.h */

static struct environment *environment_at(const char *folder, struct kv_disk **ret_disk)
{
    char *end;
    *ret_disk = (struct kv_disk *)(uintptr_t)strtoull(folder, &end, 16);
    for (unsigned i = 0; i < ENVIRONMENTS; i++) {
        if (*end == '/' && strcmp(end + 1, (*ret_disk)->environments[i].name) == 0) {
            return &(*ret_disk)->environments[i];
        }
    }
    return NULL;
}

static int open_kv(const char *folder, unsigned table_count, bool is_readonly, struct csn_kv **ret_kv,
                   struct csn_reason *reason)
{
    struct kv_disk *disk;
    struct environment *environment = environment_at(folder, &disk);
    REQUIRE(environment != NULL && table_count <= TABLES_MAX);
    if (environment->is_open) {
        return csn_reason_set(reason, CSN_EBUSY, "%s: open already", folder);
    }
    environment->is_open = true;
    disk->is_dead = false;
    *ret_kv = csn_calloc(1, sizeof(**ret_kv));
    **ret_kv = (struct csn_kv){
        .disk = disk, .environment = environment, .table_count = table_count, .is_readonly = is_readonly};
    return CSN_OK;
}

int csn_kv_open(const char *folder, size_t size_max, const char *const *tables, unsigned table_count, struct csn_kv **ret_kv,
                struct csn_reason *reason)
{
    (void)size_max;
    (void)tables;
    return open_kv(folder, table_count, false, ret_kv, reason);
}

int csn_kv_open_readonly(const char *folder, size_t size_max, const char *const *tables, unsigned table_count,
                         struct csn_kv **ret_kv, struct csn_reason *reason)
{
    (void)size_max;
    (void)tables;
    return open_kv(folder, table_count, true, ret_kv, reason);
}

int csn_kv_set_aside(const char *folder, struct csn_reason *reason)
{
    struct kv_disk *disk;
    struct environment *environment = environment_at(folder, &disk);
    (void)reason;
    for (unsigned i = 0; i < TABLES_MAX; i++) {
        state_unref(environment->tables[i]);
        environment->tables[i] = NULL;
    }
    return CSN_OK;
}

void csn_kv_close(struct csn_kv *take_kv)
{
    if (take_kv != NULL) {
        INSIST(take_kv->writer == NULL);
        take_kv->environment->is_open = false;
        free(take_kv);
    }
}

int csn_kv_begin(struct csn_kv *kv, bool is_write, struct csn_kv_txn **ret_txn)
{
    if (kv->disk->is_dead) {
        return CSN_EIO;
    }
    if (is_write && kv->is_readonly) {
        return CSN_EPERMISSION;
    }
    INSIST(!is_write || kv->writer == NULL); /* LMDB would wait for it for ever */
    struct csn_kv_txn *txn = csn_calloc(1, sizeof(*txn));
    txn->kv = kv;
    txn->is_write = is_write;
    for (unsigned i = 0; i < kv->table_count; i++) {
        txn->tables[i] = kv->environment->tables[i];
        if (txn->tables[i] != NULL) {
            txn->tables[i]->refs++;
        }
    }
    kv->writer = is_write ? txn : kv->writer;
    *ret_txn = txn;
    return CSN_OK;
}

void csn_kv_abort(struct csn_kv_txn *take_txn)
{
    if (take_txn == NULL) {
        return;
    }
    for (unsigned i = 0; i < TABLES_MAX; i++) {
        state_unref(take_txn->tables[i]);
    }
    if (take_txn->is_write) {
        take_txn->kv->writer = NULL;
    }
    free(take_txn);
}

static void apply(struct csn_kv_txn *txn)
{
    for (unsigned i = 0; i < txn->kv->table_count; i++) {
        if (txn->is_own[i]) {
            struct state *old = txn->kv->environment->tables[i];
            txn->kv->environment->tables[i] = txn->tables[i];
            txn->tables[i] = old;
        }
    }
}

static bool has_written(const struct csn_kv_txn *txn)
{
    bool has = false;
    for (unsigned i = 0; i < TABLES_MAX; i++) {
        has = has || txn->is_own[i];
    }
    return has;
}

int csn_kv_commit(struct csn_kv_txn *take_txn)
{
    struct kv_disk *disk = take_txn->kv->disk;
    bool is_write = take_txn->is_write && has_written(take_txn);
    int code = disk->is_dead ? CSN_EIO : is_write && disk->is_full ? CSN_EFULL : CSN_OK;
    bool is_last = code == CSN_OK && is_write && disk->fate != KV_FATE_NONE && --disk->commits_left == 0;
    if (code == CSN_OK && !(is_last && disk->fate == KV_FATE_LOST)) {
        apply(take_txn);
    }
    if (is_last) {
        disk->is_dead = true;
        disk->fate = KV_FATE_NONE;
        code = CSN_EIO;
    }
    csn_kv_abort(take_txn);
    return code;
}

int csn_kv_get(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key, struct csn_bytes *ret_value)
{
    REQUIRE(table < txn->kv->table_count);
    size_t at = search(txn->tables[table], key);
    if (!is_at(txn->tables[table], at, key)) {
        return CSN_ENOTFOUND;
    }
    *ret_value = value_of(txn->tables[table]->pairs[at]);
    return CSN_OK;
}

/* The transaction's own copy of the table, to write to. */
static struct state *own(struct csn_kv_txn *txn, unsigned table)
{
    REQUIRE(txn->is_write && table < txn->kv->table_count);
    if (!txn->is_own[table]) {
        struct state *shared = txn->tables[table];
        txn->tables[table] = state_copy(shared);
        txn->is_own[table] = true;
        state_unref(shared);
    }
    return txn->tables[table];
}

int csn_kv_put(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key, struct csn_bytes value)
{
    if (key.size == 0 || key.size > CSN_KV_KEY_MAX) {
        return CSN_ELIMIT;
    }
    state_put(own(txn, table), key, value);
    return CSN_OK;
}

int csn_kv_append(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key, struct csn_bytes value)
{
    return csn_kv_put(txn, table, key, value);
}

int csn_kv_del(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key)
{
    size_t at = search(txn->tables[table], key);
    if (!is_at(txn->tables[table], at, key)) {
        return CSN_ENOTFOUND;
    }
    struct state *state = own(txn, table);
    pair_unref(state->pairs[at]);
    state->count--;
    memmove(state->pairs + at, state->pairs + at + 1, (state->count - at) * sizeof(struct pair *));
    return CSN_OK;
}

int csn_kv_cursor_open(struct csn_kv_txn *txn, unsigned table, struct csn_kv_cursor **ret_cursor)
{
    REQUIRE(table < txn->kv->table_count);
    *ret_cursor = csn_calloc(1, sizeof(**ret_cursor));
    **ret_cursor = (struct csn_kv_cursor){.txn = txn, .table = table};
    return CSN_OK;
}

void csn_kv_cursor_close(struct csn_kv_cursor *take_cursor)
{
    free(take_cursor);
}

static int show(struct csn_kv_cursor *cursor, struct csn_bytes *ret_key, struct csn_bytes *ret_value)
{
    const struct state *state = cursor->txn->tables[cursor->table];
    if (state == NULL || cursor->at >= state->count) {
        return CSN_ENOTFOUND;
    }
    *ret_key = key_of(state->pairs[cursor->at]);
    *ret_value = value_of(state->pairs[cursor->at]);
    return CSN_OK;
}

int csn_kv_cursor_seek(struct csn_kv_cursor *cursor, struct csn_bytes key, struct csn_bytes *ret_key, struct csn_bytes *ret_value)
{
    cursor->at = search(cursor->txn->tables[cursor->table], key);
    return show(cursor, ret_key, ret_value);
}

int csn_kv_cursor_next(struct csn_kv_cursor *cursor, struct csn_bytes *ret_key, struct csn_bytes *ret_value)
{
    cursor->at++;
    return show(cursor, ret_key, ret_value);
}

void csn_kv_usage(struct csn_kv *kv, uint64_t *ret_used, uint64_t *ret_size_max)
{
    *ret_used = 0;
    *ret_size_max = UINT64_MAX;
    for (unsigned i = 0; i < kv->table_count; i++) {
        const struct state *state = kv->environment->tables[i];
        for (size_t k = 0; state != NULL && k < state->count; k++) {
            *ret_used += state->pairs[k]->key_size + state->pairs[k]->value_size;
        }
    }
}
