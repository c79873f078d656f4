#include "zone/kv.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "zone/kv_check.h"

#define TABLES_MAX 8u
#define GROUP_MAX 32u /* transactions that share a sync; the others wait for the next */
#define READERS_MAX 256u /* more at one time: CSN_EBUSY */
#define READERS_FILE_MAX 32768 /* a cache line for each of them, and LMDB's head */

/* Threads that write at the same time share LMDB's transaction and its sync: the first begins it; when it is done it lets
 * those that wait do their part, one after the other in a nested transaction, and commits for all. Who is alone pays nothing. */
struct group {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    MDB_txn *txn;          /* the first one's; NULL: none is open, or it is being committed */
    bool is_busy;          /* someone writes, or the first one commits */
    unsigned waiting;      /* to write */
    unsigned size;         /* transactions in this one */
    struct shared *shared; /* owns a reference; what becomes of it */
};

struct shared {
    unsigned refs;
    bool is_done;
    int rc;
};

/* The folder holds LMDB's data.mdb and lock.mdb, and `owner`: its flock keeps a second process out (LMDB would let it in), and
 * one octet in it says that data.mdb has been made. Without that, a data file that was lost or emptied would pass for a new
 * store, and the node would forget its votes without noticing. */
struct csn_kv {
    MDB_env *env; /* owns */
    struct group group;
    MDB_dbi tables[TABLES_MAX];
    unsigned table_count;
    bool is_readonly;
    int owner_fd; /* owns */
};

struct csn_kv_txn {
    MDB_txn *txn;          /* owns */
    struct csn_kv *kv;     /* borrows */
    struct shared *shared; /* owns a reference; NULL: it reads */
    bool is_first;         /* of its group */
};

struct csn_kv_cursor {
    MDB_cursor *cursor; /* owns */
};

static int code_of(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return CSN_OK;
    case MDB_NOTFOUND:
        return CSN_ENOTFOUND;
    case MDB_KEYEXIST:
        return CSN_EEXISTS;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return CSN_EFULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
        return CSN_EDAMAGED;
    case MDB_BAD_VALSIZE:
    case MDB_TXN_FULL:
        return CSN_ELIMIT;
    case MDB_READERS_FULL:
        return CSN_EBUSY;
    case EACCES:
    case EPERM:
    case EROFS:
        return CSN_EPERMISSION;
    default:
        return CSN_EIO;
    }
}

static int open_failed(const char *path, int rc, struct csn_reason *reason)
{
    return csn_reason_set(reason, code_of(rc), "%s: %s", path, mdb_strerror(rc));
}

static int make_folder(const char *folder, struct csn_reason *reason)
{
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof(copy), "%s", folder) >= (int)sizeof(copy) - 16) {
        return csn_reason_set(reason, CSN_ELIMIT, "%s: path too long", folder);
    }
    int code = csn_fs_mkdir(dirname(copy), reason);
    return code == CSN_OK ? csn_fs_mkdir(folder, reason) : code;
}

static int take_ownership(const char *folder, bool is_readonly, struct csn_reason *reason, int *ret_fd)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/owner", folder);
    int fd = open(path, is_readonly ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return open_failed(path, errno, reason);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int code = errno == EWOULDBLOCK ? CSN_EBUSY : CSN_EIO;
        csn_reason_set(reason, code, "%s: %s", path,
                       code == CSN_EBUSY ? "another process has this store open" : strerror(errno));
        close(fd);
        return code;
    }
    *ret_fd = fd;
    return CSN_OK;
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int bad = fsync(fd);
    close(fd);
    return bad;
}

static bool was_made(int owner_fd)
{
    char mark;
    return pread(owner_fd, &mark, 1, 0) == 1;
}

/* Written once the tables of a new store are durable. */
static int mark_made(const struct csn_kv *kv, const char *folder, struct csn_reason *reason)
{
    if (was_made(kv->owner_fd)) {
        return CSN_OK;
    }
    if (pwrite(kv->owner_fd, "1", 1, 0) != 1 || fsync(kv->owner_fd) != 0 || sync_folder(folder) != 0) {
        return open_failed(folder, errno, reason);
    }
    return CSN_OK;
}

static int move_aside(const char *path, struct csn_reason *reason)
{
    char aside[PATH_MAX + sizeof(".damaged")];
    snprintf(aside, sizeof(aside), "%s.damaged", path);
    return rename(path, aside) == 0 ? CSN_OK : open_failed(path, errno, reason);
}

/* Checks what is there, and clears away what a crash left while a store was first made: LMDB syncs its first two pages together
 * with what it writes first, so that a file of any size may have holes in their place. Nothing was promised before the mark;
 * lest it was the mark that got lost, the file is kept aside. */
static int check_data(const char *folder, int owner_fd, struct csn_reason *reason)
{
    char path[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof(path), "%s/data.mdb", folder);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return was_made(owner_fd) ? csn_reason_set(reason, CSN_EDAMAGED, "%s: is gone: the store is damaged", path)
                                  : CSN_OK;
    }
    if (fd < 0) {
        return open_failed(path, errno, reason);
    }
    int code = CSN_OK;
    if (fstat(fd, &st) != 0) {
        code = open_failed(path, errno, reason);
    } else if (!was_made(owner_fd) && st.st_size < 2 * sysconf(_SC_PAGESIZE)) {
        code = unlink(path) == 0 ? CSN_OK : open_failed(path, errno, reason);
    } else {
        code = csn_kv_check(fd, path, reason);
    }
    if (code == CSN_EDAMAGED && !was_made(owner_fd)) {
        code = move_aside(path, reason);
    }
    close(fd);
    return code;
}

/* LMDB maps its file of readers sparse: on a disk that filled up meanwhile the first use of a page would kill the process
 * (SIGBUS). Its size stays LMDB's to set. Blocks that are there are not asked for again, for where the disk is full now that
 * can fail. */
static int reserve_readers(const char *folder, struct csn_reason *reason)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/lock.mdb", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return open_failed(path, errno, reason);
    }
    struct stat st;
    bool has_blocks = fstat(fd, &st) == 0 && (uint64_t)st.st_blocks * 512 >= READERS_FILE_MAX;
    int rc = has_blocks || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, READERS_FILE_MAX) == 0 ? 0 : errno;
    close(fd);
    return rc == 0 || rc == EOPNOTSUPP ? CSN_OK : open_failed(path, rc, reason);
}

/* NOTLS: a reader belongs to its transaction, not to the thread that began it. NOLOCK where nobody writes: the file of readers
 * could not be written either. */
static int open_env(struct csn_kv *kv, const char *folder, size_t size_max, struct csn_reason *reason)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int rc = mdb_env_create(&kv->env);
    if (rc == 0) {
        rc = mdb_env_set_mapsize(kv->env, size_max - size_max % page);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(kv->env, TABLES_MAX);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxreaders(kv->env, READERS_MAX);
    }
    if (rc == 0) {
        rc = mdb_env_open(kv->env, folder, kv->is_readonly ? MDB_NOTLS | MDB_RDONLY | MDB_NOLOCK : MDB_NOTLS, 0600);
    }
    if (rc == 0) {
        rc = mdb_reader_check(kv->env, NULL);
    }
    return rc == 0 ? CSN_OK : open_failed(folder, rc, reason);
}

static int open_tables(struct csn_kv *kv, const char *folder, const char *const *tables, struct csn_reason *reason)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(kv->env, NULL, kv->is_readonly ? MDB_RDONLY : 0, &txn);
    if (rc != 0) {
        return open_failed(folder, rc, reason);
    }
    for (unsigned i = 0; rc == 0 && i < kv->table_count; i++) {
        rc = mdb_dbi_open(txn, tables[i], kv->is_readonly ? 0 : MDB_CREATE, &kv->tables[i]);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return open_failed(folder, rc, reason);
    }
    rc = mdb_txn_commit(txn);
    return rc == 0 ? CSN_OK : open_failed(folder, rc, reason);
}

static int open_for_write(struct csn_kv *kv, const char *folder, size_t size_max, const char *const *tables,
                          struct csn_reason *reason)
{
    int code = make_folder(folder, reason);
    if (code == CSN_OK) {
        code = take_ownership(folder, false, reason, &kv->owner_fd);
    }
    if (code == CSN_OK) {
        code = check_data(folder, kv->owner_fd, reason);
    }
    if (code == CSN_OK) {
        code = reserve_readers(folder, reason);
    }
    if (code == CSN_OK) {
        code = open_env(kv, folder, size_max, reason);
    }
    if (code == CSN_OK) {
        code = open_tables(kv, folder, tables, reason);
    }
    return code == CSN_OK ? mark_made(kv, folder, reason) : code;
}

static int open_for_read(struct csn_kv *kv, const char *folder, size_t size_max, const char *const *tables,
                         struct csn_reason *reason)
{
    kv->is_readonly = true;
    int code = take_ownership(folder, true, reason, &kv->owner_fd);
    if (code == CSN_OK && !was_made(kv->owner_fd)) {
        code = csn_reason_set(reason, CSN_ENOTFOUND, "%s: has never been written in full", folder);
    }
    if (code == CSN_OK) {
        code = check_data(folder, kv->owner_fd, reason);
    }
    if (code == CSN_OK) {
        code = open_env(kv, folder, size_max, reason);
    }
    return code == CSN_OK ? open_tables(kv, folder, tables, reason) : code;
}

typedef int open_fn(struct csn_kv *kv, const char *folder, size_t size_max, const char *const *tables, struct csn_reason *reason);

static int open_by(open_fn *fn, const char *folder, size_t size_max, const char *const *tables, unsigned table_count,
                   struct csn_kv **ret_kv, struct csn_reason *reason)
{
    REQUIRE(table_count <= TABLES_MAX);
    struct csn_kv *kv = csn_calloc(1, sizeof(*kv));
    kv->table_count = table_count;
    kv->owner_fd = -1;
    INSIST(pthread_mutex_init(&kv->group.mutex, NULL) == 0 && pthread_cond_init(&kv->group.changed, NULL) == 0);
    int code = fn(kv, folder, size_max, tables, reason);
    if (code != CSN_OK) {
        csn_kv_close(kv);
        return code;
    }
    *ret_kv = kv;
    return CSN_OK;
}

int csn_kv_open(const char *folder, size_t size_max, const char *const *tables, unsigned table_count, struct csn_kv **ret_kv,
                struct csn_reason *reason)
{
    return open_by(open_for_write, folder, size_max, tables, table_count, ret_kv, reason);
}

int csn_kv_open_readonly(const char *folder, size_t size_max, const char *const *tables, unsigned table_count,
                         struct csn_kv **ret_kv, struct csn_reason *reason)
{
    return open_by(open_for_read, folder, size_max, tables, table_count, ret_kv, reason);
}

int csn_kv_set_aside(const char *folder, struct csn_reason *reason)
{
    char path[PATH_MAX], aside[PATH_MAX];
    int fd = -1;
    if (snprintf(aside, sizeof(aside), "%s/data.mdb.damaged", folder) >= (int)sizeof(aside)) {
        return csn_reason_set(reason, CSN_ELIMIT, "%s: path too long", folder);
    }
    snprintf(path, sizeof(path), "%.*s", (int)(strlen(aside) - strlen(".damaged")), aside);
    int code = take_ownership(folder, false, reason, &fd);
    if (code == CSN_OK && rename(path, aside) != 0 && errno != ENOENT) {
        code = open_failed(path, errno, reason);
    }
    /* Last: until then a data file that is gone is damage. */
    if (code == CSN_OK && (sync_folder(folder) != 0 || ftruncate(fd, 0) != 0 || fsync(fd) != 0)) {
        code = open_failed(folder, errno, reason);
    }
    if (fd >= 0) {
        close(fd);
    }
    return code;
}

void csn_kv_close(struct csn_kv *take_kv)
{
    if (take_kv == NULL) {
        return;
    }
    if (take_kv->env != NULL) {
        mdb_env_close(take_kv->env);
    }
    if (take_kv->owner_fd >= 0) {
        close(take_kv->owner_fd);
    }
    pthread_mutex_destroy(&take_kv->group.mutex);
    pthread_cond_destroy(&take_kv->group.changed);
    free(take_kv);
}

/* --- write transactions, in groups */

static void shared_unref(struct shared *shared)
{
    if (--shared->refs == 0) {
        free(shared);
    }
}

/* Nobody else writes from here on. */
static void enter(struct group *group)
{
    pthread_mutex_lock(&group->mutex);
    group->waiting++;
    while (group->is_busy || (group->txn != NULL && group->size == GROUP_MAX)) {
        pthread_cond_wait(&group->changed, &group->mutex);
    }
    group->waiting--;
    group->is_busy = true;
    pthread_mutex_unlock(&group->mutex);
}

static void leave(struct group *group)
{
    pthread_mutex_lock(&group->mutex);
    group->is_busy = false;
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->mutex);
}

static int begin_write(struct csn_kv *kv, struct csn_kv_txn *txn)
{
    struct group *group = &kv->group;
    enter(group);
    int rc = mdb_txn_begin(kv->env, group->txn, 0, &txn->txn);
    if (rc != 0) {
        leave(group);
        return rc;
    }
    pthread_mutex_lock(&group->mutex);
    txn->is_first = group->txn == NULL;
    if (txn->is_first) {
        group->txn = txn->txn;
        group->size = 0;
        group->shared = csn_calloc(1, sizeof(*group->shared));
        group->shared->refs = 1; /* the group's */
    }
    group->size++;
    txn->shared = group->shared;
    txn->shared->refs++;
    pthread_mutex_unlock(&group->mutex);
    return 0;
}

/* Lets those that wait do their part, then commits. */
static int commit_group(struct group *group)
{
    struct shared *shared = group->shared;
    pthread_mutex_lock(&group->mutex);
    group->is_busy = false;
    pthread_cond_broadcast(&group->changed);
    while (group->is_busy || (group->waiting > 0 && group->size < GROUP_MAX)) {
        pthread_cond_wait(&group->changed, &group->mutex);
    }
    group->is_busy = true;
    MDB_txn *txn = group->txn;
    group->txn = NULL;
    pthread_mutex_unlock(&group->mutex);
    int rc = mdb_txn_commit(txn);
    pthread_mutex_lock(&group->mutex);
    shared->rc = rc;
    shared->is_done = true;
    group->is_busy = false;
    group->shared = NULL;
    shared_unref(shared); /* the group's; the caller has its own */
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->mutex);
    return rc;
}

/* Into the group's transaction; waits until that is durable. */
static int commit_member(struct group *group, struct csn_kv_txn *txn)
{
    int rc = mdb_txn_commit(txn->txn);
    leave(group);
    pthread_mutex_lock(&group->mutex);
    while (rc == 0 && !txn->shared->is_done) {
        pthread_cond_wait(&group->changed, &group->mutex);
    }
    rc = rc == 0 ? txn->shared->rc : rc;
    pthread_mutex_unlock(&group->mutex);
    return rc;
}

static void abort_write(struct group *group, struct csn_kv_txn *txn)
{
    mdb_txn_abort(txn->txn);
    pthread_mutex_lock(&group->mutex);
    if (txn->is_first) { /* nobody has joined it: they still wait */
        group->txn = NULL;
        shared_unref(group->shared);
        group->shared = NULL;
    }
    pthread_mutex_unlock(&group->mutex);
    leave(group);
}

static void free_write(struct group *group, struct csn_kv_txn *take_txn)
{
    pthread_mutex_lock(&group->mutex);
    shared_unref(take_txn->shared);
    pthread_mutex_unlock(&group->mutex);
    free(take_txn);
}

int csn_kv_begin(struct csn_kv *kv, bool is_write, struct csn_kv_txn **ret_txn)
{
    struct csn_kv_txn txn = {.kv = kv};
    int rc = is_write ? begin_write(kv, &txn) : mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &txn.txn);
    if (rc != 0) {
        return code_of(rc);
    }
    *ret_txn = csn_alloc(sizeof(**ret_txn));
    **ret_txn = txn;
    return CSN_OK;
}

int csn_kv_commit(struct csn_kv_txn *take_txn)
{
    struct group *group = &take_txn->kv->group;
    if (take_txn->shared == NULL) {
        int read = mdb_txn_commit(take_txn->txn);
        free(take_txn);
        return code_of(read);
    }
    int rc = take_txn->is_first ? commit_group(group) : commit_member(group, take_txn);
    free_write(group, take_txn);
    return code_of(rc);
}

void csn_kv_abort(struct csn_kv_txn *take_txn)
{
    if (take_txn == NULL) {
        return;
    }
    if (take_txn->shared == NULL) {
        mdb_txn_abort(take_txn->txn);
        free(take_txn);
        return;
    }
    struct group *group = &take_txn->kv->group;
    abort_write(group, take_txn);
    free_write(group, take_txn);
}

static MDB_val val_of(struct csn_bytes bytes)
{
    return (MDB_val){.mv_size = bytes.size, .mv_data = (void *)(uintptr_t)bytes.data};
}

static MDB_dbi table_of(const struct csn_kv_txn *txn, unsigned table)
{
    REQUIRE(table < txn->kv->table_count);
    return txn->kv->tables[table];
}

int csn_kv_get(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key, struct csn_bytes *ret_value)
{
    MDB_val k = val_of(key), v;
    int rc = mdb_get(txn->txn, table_of(txn, table), &k, &v);
    if (rc == 0) {
        *ret_value = csn_bytes(v.mv_data, v.mv_size);
    }
    return code_of(rc);
}

int csn_kv_put(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key, struct csn_bytes value)
{
    MDB_val k = val_of(key), v = val_of(value);
    return code_of(mdb_put(txn->txn, table_of(txn, table), &k, &v, 0));
}

int csn_kv_append(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key, struct csn_bytes value)
{
    MDB_val k = val_of(key), v = val_of(value);
    int rc = mdb_put(txn->txn, table_of(txn, table), &k, &v, MDB_APPEND);
    return rc == MDB_KEYEXIST ? csn_kv_put(txn, table, key, value) : code_of(rc);
}

int csn_kv_del(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key)
{
    MDB_val k = val_of(key);
    return code_of(mdb_del(txn->txn, table_of(txn, table), &k, NULL));
}

int csn_kv_cursor_open(struct csn_kv_txn *txn, unsigned table, struct csn_kv_cursor **ret_cursor)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn->txn, table_of(txn, table), &cursor);
    if (rc != 0) {
        return code_of(rc);
    }
    *ret_cursor = csn_alloc(sizeof(**ret_cursor));
    (*ret_cursor)->cursor = cursor;
    return CSN_OK;
}

void csn_kv_cursor_close(struct csn_kv_cursor *take_cursor)
{
    if (take_cursor != NULL) {
        mdb_cursor_close(take_cursor->cursor);
        free(take_cursor);
    }
}

static int move(struct csn_kv_cursor *cursor, MDB_cursor_op op, MDB_val *key, struct csn_bytes *ret_key,
                struct csn_bytes *ret_value)
{
    MDB_val value;
    int rc = mdb_cursor_get(cursor->cursor, key, &value, op);
    if (rc == 0) {
        *ret_key = csn_bytes(key->mv_data, key->mv_size);
        *ret_value = csn_bytes(value.mv_data, value.mv_size);
    }
    return code_of(rc);
}

int csn_kv_cursor_seek(struct csn_kv_cursor *cursor, struct csn_bytes key, struct csn_bytes *ret_key, struct csn_bytes *ret_value)
{
    MDB_val at = val_of(key);
    return move(cursor, key.size > 0 ? MDB_SET_RANGE : MDB_FIRST, &at, ret_key, ret_value);
}

int csn_kv_cursor_next(struct csn_kv_cursor *cursor, struct csn_bytes *ret_key, struct csn_bytes *ret_value)
{
    MDB_val at = {0};
    return move(cursor, MDB_NEXT, &at, ret_key, ret_value);
}

/* Octets of the pages on LMDB's free list (database 0: each value is a count, then page numbers). */
static uint64_t free_octets(struct csn_kv *kv, size_t page_size)
{
    struct csn_kv_txn *txn = NULL;
    MDB_cursor *cursor;
    uint64_t pages = 0;
    if (csn_kv_begin(kv, false, &txn) != CSN_OK) {
        return 0;
    }
    if (mdb_cursor_open(txn->txn, 0, &cursor) == 0) {
        MDB_val key, value;
        while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
            size_t count;
            memcpy(&count, value.mv_data, sizeof(count));
            pages += count;
        }
        mdb_cursor_close(cursor);
    }
    csn_kv_abort(txn);
    return pages * page_size;
}

void csn_kv_usage(struct csn_kv *kv, uint64_t *ret_used, uint64_t *ret_size_max)
{
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(kv->env, &info);
    mdb_env_stat(kv->env, &stat);
    uint64_t taken = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
    uint64_t unused = free_octets(kv, stat.ms_psize);
    *ret_used = taken > unused ? taken - unused : 0;
    *ret_size_max = info.me_mapsize;
}
