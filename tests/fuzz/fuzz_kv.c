/* Goal: whatever was written over the pages of a store's file, opening it says so, or all of it can be read and written: LMDB, which
 * believes its file, is never led out of it. Method: a file of both kinds of tables with long values, branches and free pages, made
 * once; pieces of the octets (page u8, place u16, size u8, octets) are written over it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "fuzz/replay.h"
#include "zone/kv.h"

const char csn_fuzz_name[] = "kv";

#define PAGE 4096
#define SIZE_MAX_OF_STORE ((size_t)1 << 20)

static const char *const tables[] = {"one", "two"};

static struct {
    char folder[64], env[80], data[96];
    struct csn_buf whole; /* the file as it was made */
} store;

static void remove_store(void)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "owner"};
    for (size_t i = 0; i < 3; i++) {
        char path[96];
        snprintf(path, sizeof(path), "%s/%s", store.env, names[i]);
        unlink(path);
    }
    rmdir(store.env);
    rmdir(store.folder);
    csn_buf_fini(&store.whole);
}

static void put(struct csn_kv_txn *txn, unsigned table, unsigned number, size_t size)
{
    static const uint8_t zeros[3 * PAGE];
    char key[16];
    snprintf(key, sizeof(key), "%08u", number);
    (void)csn_kv_put(txn, table, csn_bytes(key, 8), csn_bytes(zeros, size));
}

/* Some 500 pairs of which every fiftieth has pages of its own; then free pages. */
static void make_store(void)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* each case is synced */
    struct csn_kv *kv;
    struct csn_kv_txn *txn;
    snprintf(store.folder, sizeof(store.folder), "%s/consign-fuzz-XXXXXX", base);
    INSIST(mkdtemp(store.folder) != NULL);
    snprintf(store.env, sizeof(store.env), "%s/env", store.folder);
    snprintf(store.data, sizeof(store.data), "%s/data.mdb", store.env);
    INSIST(csn_kv_open(store.env, SIZE_MAX_OF_STORE, tables, 2, &kv, NULL) == CSN_OK);
    for (unsigned round = 0; round < 2; round++) {
        INSIST(csn_kv_begin(kv, true, &txn) == CSN_OK);
        for (unsigned i = 0; i < 500; i += 1 + 6 * round) {
            put(txn, i % 5 == 0, i, i % 50 == 49 ? 5000 : 40 + round);
        }
        INSIST(csn_kv_commit(txn) == CSN_OK);
    }
    csn_kv_close(kv);
    INSIST(csn_fs_read(store.data, SIZE_MAX_OF_STORE, &store.whole, NULL) == CSN_OK);
    atexit(remove_store);
}

static void write_over(struct csn_bytes octets)
{
    struct csn_buf file = {0};
    struct csn_reader reader = csn_reader(octets);
    csn_buf_put_bytes(&file, csn_buf_view(&store.whole));
    while (csn_reader_left(&reader) > 4) {
        size_t page = csn_read_u8(&reader), at = csn_read_u16(&reader) % PAGE, size = csn_read_u8(&reader);
        size = size < csn_reader_left(&reader) ? size : csn_reader_left(&reader);
        size = size < PAGE - at ? size : PAGE - at;
        csn_read_copy(&reader, file.data + page % (file.size / PAGE) * PAGE + at, size);
    }
    int fd = open(store.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    INSIST(fd >= 0 && write(fd, file.data, file.size) == (ssize_t)file.size);
    close(fd);
    csn_buf_fini(&file);
}

static void read_table(struct csn_kv_txn *txn, unsigned table)
{
    struct csn_kv_cursor *cursor;
    struct csn_bytes key, value;
    uint64_t sum = 0;
    INSIST(csn_kv_cursor_open(txn, table, &cursor) == CSN_OK);
    for (int code = csn_kv_cursor_seek(cursor, csn_bytes(NULL, 0), &key, &value); code == CSN_OK;
         code = csn_kv_cursor_next(cursor, &key, &value)) {
        for (size_t i = 0; i < value.size; i++) {
            sum += value.data[i];
        }
    }
    csn_kv_cursor_close(cursor);
    INSIST(sum < UINT64_MAX); /* it was read */
}

/* An error is an answer too. */
static void use(struct csn_kv *kv)
{
    struct csn_kv_txn *txn;
    char key[16];
    INSIST(csn_kv_begin(kv, false, &txn) == CSN_OK);
    read_table(txn, 0);
    read_table(txn, 1);
    csn_kv_abort(txn);
    if (csn_kv_begin(kv, true, &txn) != CSN_OK) {
        return;
    }
    for (unsigned i = 0; i < 500; i += 3) {
        snprintf(key, sizeof(key), "%08u", i);
        (void)csn_kv_del(txn, i % 5 == 0, csn_bytes(key, 8));
        put(txn, i % 5 == 0, i + 1, i % 7 == 0 ? 4100 : i);
    }
    (void)csn_kv_commit(txn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csn_kv *kv;
    struct csn_reason reason = {""};
    if (store.whole.size == 0) {
        make_store();
    }
    write_over(csn_bytes(data, size));
    int code = csn_kv_open(store.env, SIZE_MAX_OF_STORE, tables, 2, &kv, &reason);
    INSIST(code == CSN_OK || (code == CSN_EDAMAGED && reason.text[0] != '\0'));
    if (code == CSN_OK) {
        use(kv);
        csn_kv_close(kv);
    }
    return 0;
}
