#include "unit/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#define PATH_SIZE 256

/* The tables of the two environments, as store_table.c draws them. */
static const char *const votes_tables[] = {"records", "state"};
static const char *const zones_tables[] = {"index", "rows", "blobs", "state"};

/* --- the private folder */

int make_folder(void **state)
{
    char *folder = malloc(PATH_SIZE);
    const char *base = getenv("TMPDIR");
    snprintf(folder, PATH_SIZE, "%s/consign-store-XXXXXX", base ? base : "/tmp");
    *state = mkdtemp(folder);
    return *state == NULL;
}

int remove_folder(void **state)
{
    static const char *const names[] = {"votes/data.mdb", "votes/lock.mdb", "votes/owner", "votes", "zones/data.mdb",
                                        "zones/lock.mdb", "zones/owner",    "zones", ""};
    char path[PATH_SIZE];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%.128s/%s", (char *)*state, names[i]);
        remove(path);
    }
    int bad = access(*state, F_OK) == 0;
    free(*state);
    return bad;
}

struct csn_store *open_store(const char *folder)
{
    struct csn_store *store;
    struct csn_reason reason = {0};
    int code = csn_store_open(folder, 16 * MIB, 1024 * MIB, &store, &reason);
    if (code != CSN_OK) {
        fail_msg("%s", reason.text);
    }
    return store;
}

int try_open(const char *folder)
{
    struct csn_store *store;
    struct csn_reason reason = {0};
    int code = csn_store_open(folder, 16 * MIB, 1024 * MIB, &store, &reason);
    if (code == CSN_OK) {
        csn_store_close(store);
    } else {
        assert_true(reason.text[0] != 0);
    }
    return code;
}

struct csn_kv *open_env(const char *folder, bool is_votes)
{
    char path[PATH_SIZE];
    struct csn_kv *kv;
    snprintf(path, sizeof(path), "%.128s/%s", folder, is_votes ? "votes" : "zones");
    assert_int_equal(csn_kv_open(path, (is_votes ? 16 : 1024) * MIB, is_votes ? votes_tables : zones_tables,
                                 is_votes ? 2 : 4, &kv, NULL),
                     CSN_OK);
    return kv;
}

struct csn_bytes text(const char *chars)
{
    return csn_bytes(chars, strlen(chars));
}

struct csn_digest name_of(uint32_t number)
{
    struct csn_digest name = {{0}};
    csn_set_u32(name.octets, number);
    return name;
}

/* --- entries made from (table, row): two types an owner, some with signatures, some too long for a page */

void sample_make(uint32_t table, uint32_t row, struct sample *sample)
{
    char label[16];
    snprintf(label, sizeof(label), "d%08u", row / 2);
    sample->owner[0] = 9;
    memcpy(sample->owner + 1, label, 9);
    memcpy(sample->owner + 10, apex, sizeof(apex));
    csn_buf_clear(&sample->rdatas);
    csn_buf_clear(&sample->rrsigs);
    uint16_t count = row % 1000 == 7 ? 600 : (uint16_t)(1 + row % 3);
    for (uint16_t i = 0; i < count; i++) {
        csn_buf_put_u16(&sample->rdatas, 10);
        csn_buf_put_u16(&sample->rdatas, i);
        csn_buf_put_u32(&sample->rdatas, table);
        csn_buf_put_u32(&sample->rdatas, row);
    }
    uint16_t signature_count = row % 4 == 0;
    for (uint16_t i = 0; i < signature_count; i++) {
        csn_buf_put_u16(&sample->rrsigs, 80);
        memset(csn_buf_reserve(&sample->rrsigs, 80), (int)(row & 0xff), 80);
        sample->rrsigs.size += 80;
    }
    sample->entry.rrset = (struct csn_rrset){.owner = sample->owner,
                                             .rdatas = csn_buf_view(&sample->rdatas),
                                             .ttl = 3600 + row % 7,
                                             .type = row % 2 == 0 ? CSN_TYPE_NS : 65280,
                                             .count = count};
    sample->entry.rrsigs = sample->entry.rrset;
    sample->entry.rrsigs.type = CSN_TYPE_RRSIG;
    sample->entry.rrsigs.count = signature_count;
    sample->entry.rrsigs.rdatas = csn_buf_view(&sample->rrsigs);
}

void sample_fini(struct sample *sample)
{
    csn_buf_fini(&sample->rdatas);
    csn_buf_fini(&sample->rrsigs);
}

int add_row(struct csn_table_writer *writer, uint32_t table, uint32_t row, struct sample *sample)
{
    sample_make(table, row, sample);
    return csn_table_add(writer, &sample->entry);
}

/* `step` is called now and then, for tests that kill. */
int load(struct csn_store *store, const uint8_t *zone, uint32_t table, uint32_t rows, void (*step)(void))
{
    struct csn_table_writer *writer;
    struct csn_digest name = name_of(table);
    struct sample sample = {0};
    uint8_t meta[4];
    csn_set_u32(meta, rows);
    int code = csn_table_begin(store, CSN_TABLE_VERSION, zone, &name, &writer);
    if (code != CSN_OK) {
        return code;
    }
    for (uint32_t i = 0; i < rows; i++) {
        (void)add_row(writer, table, i, &sample); /* complete says the first error */
        if (step != NULL && i % 1024 == 0) {
            step();
        }
    }
    sample_fini(&sample);
    return csn_table_complete(writer, csn_bytes(meta, sizeof(meta)));
}

bool entry_equal(const struct csn_entry *a, const struct csn_entry *b)
{
    return csn_rrset_equal(&a->rrset, &b->rrset) && csn_rrset_equal(&a->rrsigs, &b->rrsigs);
}

/* The table is there with every row as load made it. */
void assert_whole(struct csn_store *store, const uint8_t *zone, uint32_t table)
{
    struct csn_table_reader *reader;
    struct csn_digest name = name_of(table);
    struct sample sample = {0};
    struct csn_entry entry;
    assert_int_equal(csn_table_open(store, CSN_TABLE_VERSION, zone, &name, &reader), CSN_OK);
    assert_int_equal(csn_table_meta(reader).size, 4);
    uint32_t rows = csn_get_u32(csn_table_meta(reader).data);
    assert_true(csn_table_count(reader) == rows);
    for (uint32_t i = 0; i < rows; i++) {
        assert_int_equal(csn_table_next(reader, &entry), CSN_OK);
        sample_make(table, i, &sample);
        assert_true(entry_equal(&entry, &sample.entry));
    }
    assert_int_equal(csn_table_next(reader, &entry), CSN_ENOTFOUND);
    csn_table_close(reader);
    sample_fini(&sample);
}

int count_table(void *arg, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name,
                struct csn_bytes meta)
{
    (void)kind, (void)zone, (void)name;
    uint64_t *rows = arg;
    assert_int_equal(meta.size, 4);
    *rows += csn_get_u32(meta.data);
    return CSN_OK;
}

/* Rows in the file, of whichever table; the store is closed. */
uint64_t rows_in_file(const char *folder)
{
    struct csn_kv *kv = open_env(folder, false);
    struct csn_kv_txn *txn;
    struct csn_kv_cursor *cursor;
    struct csn_bytes key, value;
    uint64_t count = 0;
    assert_int_equal(csn_kv_begin(kv, false, &txn), CSN_OK);
    assert_int_equal(csn_kv_cursor_open(txn, 1, &cursor), CSN_OK);
    for (int code = csn_kv_cursor_seek(cursor, csn_bytes(NULL, 0), &key, &value); code == CSN_OK;
         code = csn_kv_cursor_next(cursor, &key, &value)) {
        count++;
    }
    csn_kv_cursor_close(cursor);
    csn_kv_abort(txn);
    csn_kv_close(kv);
    return count;
}

int write_one_vote(struct csn_store *store, const char *key, const char *value)
{
    struct csn_vote_write write = {.key = text(key), .value = value ? text(value) : csn_bytes(NULL, 0)};
    return csn_store_write_votes(store, NULL, 0, &write, 1);
}

int read_table(struct csn_store *store)
{
    struct csn_table_reader *reader;
    struct csn_digest name = name_of(1);
    struct csn_entry entry;
    int code = csn_table_open(store, CSN_TABLE_VERSION, apex, &name, &reader);
    if (code != CSN_OK) {
        return code;
    }
    do {
        code = csn_table_next(reader, &entry);
    } while (code == CSN_OK);
    csn_table_close(reader);
    return code;
}
