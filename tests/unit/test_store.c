/* Goal: the store keeps what store.h says of votes, tables and blobs, and says what is damaged.
 * Method: a private folder a test; damage written through kv.h behind the closed store. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/store_fixture.h"

static const uint8_t other_apex[] = "\x05" "other";

/* --- votes */

static int gather(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    struct csn_buf *buf = arg;
    csn_buf_put_bytes(buf, key);
    csn_buf_put_u8(buf, '=');
    csn_buf_put_bytes(buf, value);
    csn_buf_put_u8(buf, ' ');
    return CSN_OK;
}

static void assert_votes(struct csn_store *store, const char *prefix, const char *expected)
{
    struct csn_buf buf = {0};
    assert_int_equal(csn_store_read_votes(store, text(prefix), gather, &buf), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&buf), text(expected)));
    csn_buf_fini(&buf);
}

static int stop_at_once(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    (void)key, (void)value;
    ++*(int *)arg;
    return CSN_ELIMIT;
}

static void test_votes_survive_reopen_and_come_by_prefix(void **state)
{
    struct csn_store *store = open_store(*state);
    assert_int_equal(write_one_vote(store, "h/2", "two"), CSN_OK);
    assert_int_equal(write_one_vote(store, "h/1", "one"), CSN_OK);
    assert_int_equal(write_one_vote(store, "floor", ""), CSN_OK);
    assert_int_equal(write_one_vote(store, "h/3", "three"), CSN_OK);
    assert_int_equal(write_one_vote(store, "i", "after"), CSN_OK);
    assert_int_equal(write_one_vote(store, "h/3", NULL), CSN_OK);
    assert_int_equal(write_one_vote(store, "absent", NULL), CSN_OK);
    csn_store_close(store);
    store = open_store(*state);
    assert_votes(store, "h/", "h/1=one h/2=two ");
    assert_votes(store, "", "floor= h/1=one h/2=two i=after ");
    assert_votes(store, "j", "");
    int calls = 0;
    assert_int_equal(csn_store_read_votes(store, text("h"), stop_at_once, &calls), CSN_ELIMIT);
    assert_int_equal(calls, 1);
    csn_store_close(store);
}

static void test_votes_are_not_written_when_the_state_differs(void **state)
{
    static const struct {
        const char *key, *value;
        int code;
    } rows[] = {{"floor", "1", CSN_OK},    {"floor", "2", CSN_EMISMATCH}, {"floor", NULL, CSN_EMISMATCH},
                {"hold", NULL, CSN_OK},    {"hold", "", CSN_EMISMATCH},   {"floor", "", CSN_EMISMATCH}};
    struct csn_store *store = open_store(*state);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(write_one_vote(store, "floor", "1"), CSN_OK);
        assert_int_equal(write_one_vote(store, "new", NULL), CSN_OK);
        struct csn_vote_expect expects[2] = {
            {.key = text("floor"), .value = text("1")},
            {.key = text(rows[i].key), .value = rows[i].value ? text(rows[i].value) : csn_bytes(NULL, 0)}};
        struct csn_vote_write writes[2] = {{.key = text("new"), .value = text("x")},
                                           {.key = text("floor"), .value = text("9")}};
        assert_int_equal(csn_store_write_votes(store, expects, 2, writes, 2), rows[i].code);
        assert_votes(store, "", rows[i].code == CSN_OK ? "floor=9 new=x " : "floor=1 ");
    }
    /* A write that cannot be takes the whole step with it. */
    static const uint8_t long_key[CSN_KV_KEY_MAX + 1];
    struct csn_vote_write writes[2] = {{.key = text("floor"), .value = text("7")},
                                       {.key = csn_bytes(long_key, sizeof(long_key)), .value = text("x")}};
    assert_int_equal(csn_store_write_votes(store, NULL, 0, writes, 2), CSN_ELIMIT);
    assert_votes(store, "", "floor=1 ");
    csn_store_close(store);
}

/* What a record becomes: a bit of it flipped, or its value under another key. */
static void spoil(struct csn_kv *kv, unsigned table, struct csn_bytes key, const char *move_to, size_t bit)
{
    struct csn_kv_txn *txn;
    struct csn_bytes value;
    struct csn_buf copy = {0};
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    assert_int_equal(csn_kv_get(txn, table, key, &value), CSN_OK);
    csn_buf_put_bytes(&copy, value);
    if (move_to != NULL) {
        assert_int_equal(csn_kv_del(txn, table, key), CSN_OK);
        key = text(move_to);
    } else {
        copy.data[bit / 8 % copy.size] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(csn_kv_put(txn, table, key, csn_buf_view(&copy)), CSN_OK);
    assert_int_equal(csn_kv_commit(txn), CSN_OK);
    csn_buf_fini(&copy);
}

static void test_a_flipped_bit_in_a_vote_is_damage(void **state)
{
    for (size_t bit = 0; bit < 8 * 19; bit += 5) { /* checksum and value */
        struct csn_store *store = open_store(*state);
        assert_int_equal(write_one_vote(store, "v", "abc"), CSN_OK);
        csn_store_close(store);
        struct csn_kv *kv = open_env(*state, true);
        spoil(kv, 0, text("v"), NULL, bit);
        csn_kv_close(kv);
        assert_int_equal(try_open(*state), CSN_EDAMAGED);
        kv = open_env(*state, true);
        spoil(kv, 0, text("v"), NULL, bit);
        csn_kv_close(kv);
    }
    assert_int_equal(try_open(*state), CSN_OK);
}

static void test_what_is_whole_of_damaged_votes_can_be_read(void **state)
{
    struct csn_buf buf = {0};
    struct csn_store *store = open_store(*state);
    assert_int_equal(write_one_vote(store, "a", "abc"), CSN_OK);
    assert_int_equal(write_one_vote(store, "b", "def"), CSN_OK);
    csn_store_close(store);
    struct csn_kv *kv = open_env(*state, true);
    spoil(kv, 0, text("a"), NULL, 8 * 17);
    csn_kv_close(kv);
    assert_int_equal(csn_store_open_damaged(*state, 16 * MIB, 1024 * MIB, &store, NULL), CSN_OK);
    assert_int_equal(csn_store_read_votes(store, text(""), gather, &buf), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&buf), text("b=def ")));
    assert_int_equal(write_one_vote(store, "c", "ghi"), CSN_EPERMISSION);
    csn_store_close(store);
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/votes/data.mdb", (const char *)*state);
    assert_int_equal(truncate(path, 5000), 0);
    csn_buf_clear(&buf);
    assert_int_equal(csn_store_open_damaged(*state, 16 * MIB, 1024 * MIB, &store, NULL), CSN_OK);
    assert_int_equal(csn_store_read_votes(store, text(""), gather, &buf), CSN_OK);
    assert_int_equal(buf.size, 0);
    csn_store_close(store);
    csn_buf_fini(&buf);
}

static void test_zones_that_cannot_be_read_are_begun_anew(void **state)
{
    char path[PATH_MAX], aside[PATH_MAX];
    struct csn_store *store = open_store(*state);
    assert_int_equal(write_one_vote(store, "a", "abc"), CSN_OK);
    assert_int_equal(csn_store_put_blob(store, text("blob"), text("x")), CSN_OK);
    csn_store_close(store);
    snprintf(path, sizeof(path), "%s/zones/data.mdb", (const char *)*state);
    snprintf(aside, sizeof(aside), "%s/zones/data.mdb.damaged", (const char *)*state);
    for (int i = 0; i < 3; i++) { /* cut, gone, cut once more with one aside */
        struct csn_buf buf = {0};
        assert_int_equal(i == 1 ? unlink(path) : truncate(path, 5000), 0);
        store = open_store(*state);
        assert_non_null(csn_store_damage(store));
        assert_int_equal(csn_store_get_blob(store, text("blob"), &buf), CSN_ENOTFOUND);
        assert_int_equal(access(aside, F_OK), 0);
        assert_int_equal(write_one_vote(store, "a", "abc"), CSN_OK);
        csn_store_close(store);
        store = open_store(*state);
        assert_null(csn_store_damage(store));
        csn_store_close(store);
    }
    assert_int_equal(unlink(aside), 0);
}

static void test_a_vote_under_another_key_is_damage(void **state)
{
    struct csn_store *store = open_store(*state);
    assert_int_equal(write_one_vote(store, "v", "abc"), CSN_OK);
    csn_store_close(store);
    struct csn_kv *kv = open_env(*state, true);
    spoil(kv, 0, text("v"), "w", 0);
    csn_kv_close(kv);
    assert_int_equal(try_open(*state), CSN_EDAMAGED);
}

static void test_probe_writes_every_time(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_reason reason;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(csn_store_probe(store, &reason), CSN_OK);
    }
    assert_votes(store, "", "");
    assert_int_equal(try_open(*state), CSN_EBUSY);
    csn_store_close(store);
    for (int is_votes = 0; is_votes < 2; is_votes++) {
        struct csn_kv *kv = open_env(*state, is_votes);
        struct csn_kv_txn *txn;
        struct csn_bytes value;
        assert_int_equal(csn_kv_begin(kv, false, &txn), CSN_OK);
        assert_int_equal(csn_kv_get(txn, is_votes ? 1 : 3, text("probe"), &value), CSN_OK);
        assert_int_equal(value.data[value.size - 1], 2); /* from 0 */
        csn_kv_abort(txn);
        csn_kv_close(kv);
    }
}

static void test_another_format_is_refused(void **state)
{
    /* The seal by its definition: 16 octets of SHA-384 over key size, key, value; then the value. */
    static const uint8_t sealed[] = "\0\x06" "format\0\0\0\2";
    struct csn_digest digest;
    uint8_t stored[20];
    csn_sha384(csn_bytes(sealed, 12), &digest);
    memcpy(stored, digest.octets, 16);
    memcpy(stored + 16, sealed + 8, 4);
    struct csn_store *store = open_store(*state);
    csn_store_close(store);
    struct csn_kv *kv = open_env(*state, true);
    struct csn_kv_txn *txn;
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    assert_int_equal(csn_kv_put(txn, 1, text("format"), csn_bytes(stored, sizeof(stored))), CSN_OK);
    assert_int_equal(csn_kv_commit(txn), CSN_OK);
    csn_kv_close(kv);
    assert_int_equal(try_open(*state), CSN_EFORMAT);
}

/* --- tables */

static void test_a_table_comes_back_as_it_was(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_digest name = name_of(1), absent = name_of(2);
    assert_int_equal(load(store, apex, 1, 5000, NULL), CSN_OK);
    assert_int_equal(load(store, apex, 3, 0, NULL), CSN_OK);
    csn_store_close(store);
    store = open_store(*state);
    assert_whole(store, apex, 1);
    assert_whole(store, apex, 3);
    assert_true(csn_table_exists(store, CSN_TABLE_VERSION, apex, &name));
    assert_false(csn_table_exists(store, CSN_TABLE_INPUT, apex, &name));
    assert_false(csn_table_exists(store, CSN_TABLE_VERSION, other_apex, &name));
    assert_false(csn_table_exists(store, CSN_TABLE_VERSION, apex, &absent));
    struct csn_table_writer *writer;
    assert_int_equal(csn_table_begin(store, CSN_TABLE_VERSION, apex, &name, &writer), CSN_EEXISTS);
    csn_store_close(store);
}

static void test_entries_live_until_the_reader_is_closed(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_digest name = name_of(1);
    struct csn_table_reader *reader;
    struct sample sample = {0};
    struct csn_entry *entries = calloc(20000, sizeof(*entries));
    assert_int_equal(load(store, apex, 1, 20000, NULL), CSN_OK);
    assert_int_equal(csn_table_open(store, CSN_TABLE_VERSION, apex, &name, &reader), CSN_OK);
    for (size_t i = 0; i < 20000; i++) {
        assert_int_equal(csn_table_next(reader, &entries[i]), CSN_OK);
    }
    assert_int_equal(csn_table_delete(store, CSN_TABLE_VERSION, apex, &name), CSN_OK);
    assert_int_equal(load(store, apex, 2, 20000, NULL), CSN_OK);
    for (uint32_t i = 0; i < 20000; i++) {
        sample_make(1, i, &sample);
        assert_true(entry_equal(&entries[i], &sample.entry));
    }
    assert_ptr_equal(entries[0].rrset.owner, entries[1].rrset.owner);
    csn_table_close(reader);
    sample_fini(&sample);
    free(entries);
    csn_store_close(store);
}

static void test_seek_finds_the_entry_or_the_next(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_digest name = name_of(1);
    struct csn_table_reader *reader;
    struct sample sample = {0};
    struct csn_entry entry;
    assert_int_equal(load(store, apex, 1, 100, NULL), CSN_OK);
    assert_int_equal(load(store, apex, 2, 100, NULL), CSN_OK); /* rows after the end of table 1 */
    assert_int_equal(csn_table_open(store, CSN_TABLE_VERSION, apex, &name, &reader), CSN_OK);
    for (uint32_t row = 0; row < 100; row += 7) {
        sample_make(1, row, &sample);
        assert_int_equal(csn_table_seek(reader, sample.owner, (uint16_t)(sample.entry.rrset.type - 1)), CSN_OK);
        for (uint32_t i = row; i < 100; i++) {
            sample_make(1, i, &sample);
            assert_int_equal(csn_table_next(reader, &entry), CSN_OK);
            assert_true(entry_equal(&entry, &sample.entry));
        }
        assert_int_equal(csn_table_next(reader, &entry), CSN_ENOTFOUND);
    }
    assert_int_equal(csn_table_seek(reader, apex, 0), CSN_OK);
    sample_make(1, 0, &sample);
    assert_int_equal(csn_table_next(reader, &entry), CSN_OK);
    assert_true(entry_equal(&entry, &sample.entry));
    assert_int_equal(csn_table_seek(reader, sample.owner, 65281), CSN_OK);
    sample_make(1, 2, &sample);
    assert_int_equal(csn_table_next(reader, &entry), CSN_OK);
    assert_true(entry_equal(&entry, &sample.entry));
    csn_table_close(reader);
    sample_fini(&sample);
    csn_store_close(store);
}

static void test_entries_out_of_order_are_refused(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_digest name = name_of(1);
    struct csn_table_writer *writer;
    struct sample sample = {0};
    static const uint32_t second[] = {4, 5}; /* the one before, the same */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(csn_table_begin(store, CSN_TABLE_VERSION, apex, &name, &writer), CSN_OK);
        assert_int_equal(add_row(writer, 1, 5, &sample), CSN_OK);
        assert_int_equal(add_row(writer, 1, second[i], &sample), CSN_EFORMAT);
        assert_int_equal(add_row(writer, 1, 6, &sample), CSN_EFORMAT);
        assert_int_equal(csn_table_complete(writer, text("")), CSN_EFORMAT);
        assert_false(csn_table_exists(store, CSN_TABLE_VERSION, apex, &name));
    }
    assert_int_equal(csn_table_begin(store, CSN_TABLE_VERSION, apex, &name, &writer), CSN_OK);
    static const uint8_t meta[1025];
    assert_int_equal(csn_table_complete(writer, csn_bytes(meta, sizeof(meta))), CSN_ELIMIT);
    assert_false(csn_table_exists(store, CSN_TABLE_VERSION, apex, &name));
    sample_fini(&sample);
    csn_store_close(store);
}

/* 255 octets of 00 and 01: each doubles in the key. */
static void test_the_longest_name_fits_a_key(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_digest name = name_of(1);
    struct csn_table_writer *writer;
    struct csn_table_reader *reader;
    struct csn_entry entry;
    uint8_t owner[CSN_NAME_MAX];
    static const uint8_t sizes[] = {63, 63, 63, 61};
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) {
        owner[at++] = sizes[i];
        for (uint8_t j = 0; j < sizes[i]; j++) {
            owner[at++] = j & 1;
        }
    }
    owner[at++] = 0;
    assert_int_equal(at, CSN_NAME_MAX);
    struct csn_rrset rrset = {.owner = owner, .rdatas = csn_bytes("\0\1x", 3), .ttl = 1, .type = 65535, .count = 1};
    struct csn_entry given = {.rrset = rrset, .rrsigs = {.owner = owner, .type = CSN_TYPE_RRSIG, .ttl = 1}};
    assert_int_equal(csn_table_begin(store, CSN_TABLE_INPUT, owner, &name, &writer), CSN_OK);
    assert_int_equal(csn_table_add(writer, &given), CSN_OK);
    assert_int_equal(csn_table_complete(writer, text("m")), CSN_OK);
    assert_int_equal(csn_table_open(store, CSN_TABLE_INPUT, owner, &name, &reader), CSN_OK);
    assert_int_equal(csn_table_next(reader, &entry), CSN_OK);
    assert_true(entry_equal(&entry, &given));
    csn_table_close(reader);
    csn_store_close(store);
}

static void test_tables_of_two_zones_may_be_filled_in_turn(void **state)
{
    enum { ROWS = 150000 }; /* several batches each */
    struct csn_store *store = open_store(*state);
    struct csn_digest names[2] = {name_of(1), name_of(2)};
    struct csn_table_writer *writers[2];
    struct sample sample = {0};
    uint8_t meta[4];
    csn_set_u32(meta, ROWS);
    assert_int_equal(csn_table_begin(store, CSN_TABLE_VERSION, apex, &names[0], &writers[0]), CSN_OK);
    assert_int_equal(csn_table_begin(store, CSN_TABLE_VERSION, other_apex, &names[1], &writers[1]), CSN_OK);
    for (uint32_t row = 0; row < ROWS; row++) {
        assert_int_equal(add_row(writers[0], 1, row, &sample), CSN_OK);
        assert_int_equal(add_row(writers[1], 2, row, &sample), CSN_OK);
    }
    assert_int_equal(csn_table_complete(writers[0], csn_bytes(meta, 4)), CSN_OK);
    assert_int_equal(csn_table_complete(writers[1], csn_bytes(meta, 4)), CSN_OK);
    sample_fini(&sample);
    assert_whole(store, apex, 1);
    assert_whole(store, other_apex, 2);
    assert_int_equal(csn_table_delete(store, CSN_TABLE_VERSION, apex, &names[0]), CSN_OK);
    assert_whole(store, other_apex, 2);
    csn_store_close(store);
    assert_true(rows_in_file(*state) == ROWS);
}

static void test_an_unfinished_table_is_replaced_and_its_writer_told(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_digest name = name_of(1);
    struct csn_table_writer *old;
    struct sample sample = {0};
    assert_int_equal(csn_table_begin(store, CSN_TABLE_VERSION, apex, &name, &old), CSN_OK);
    for (uint32_t row = 0; row < 70000; row++) { /* the first batch is in the file */
        assert_int_equal(add_row(old, 9, row, &sample), CSN_OK);
    }
    assert_int_equal(load(store, apex, 1, 100, NULL), CSN_OK);
    assert_int_equal(csn_table_complete(old, text("late")), CSN_ECLOSED);
    assert_whole(store, apex, 1);
    sample_fini(&sample);
    csn_store_close(store);
    assert_true(rows_in_file(*state) == 100);
}

static void test_abandoned_tables_leave_nothing(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_digest name = name_of(1);
    struct csn_table_writer *writer;
    struct sample sample = {0};
    assert_int_equal(csn_table_begin(store, CSN_TABLE_VERSION, apex, &name, &writer), CSN_OK);
    for (uint32_t row = 0; row < 70000; row++) {
        assert_int_equal(add_row(writer, 1, row, &sample), CSN_OK);
    }
    uint64_t listed = 0;
    assert_int_equal(csn_table_list(store, count_table, &listed), CSN_OK);
    assert_true(listed == 0 && !csn_table_exists(store, CSN_TABLE_VERSION, apex, &name));
    csn_table_abandon(writer);
    sample_fini(&sample);
    csn_store_close(store);
    assert_true(rows_in_file(*state) == 0);
}

struct listed {
    unsigned count;
    uint32_t last;
};

static int list_numbers(void *arg, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name,
                        struct csn_bytes meta)
{
    struct listed *listed = arg;
    assert_int_equal(kind, CSN_TABLE_VERSION);
    assert_true(csn_name_equal(zone, apex));
    assert_int_equal(meta.size, 4);
    listed->count++;
    listed->last = csn_get_u32(name->octets);
    return listed->last == 7 ? CSN_EREFUSED : CSN_OK;
}

static void test_list_and_delete(void **state)
{
    struct csn_store *store = open_store(*state);
    for (uint32_t i = 1; i <= 4; i++) {
        assert_int_equal(load(store, apex, i, 50 * i, NULL), CSN_OK);
    }
    struct listed listed = {0};
    assert_int_equal(csn_table_list(store, list_numbers, &listed), CSN_OK);
    assert_true(listed.count == 4 && listed.last == 4);
    struct csn_digest name = name_of(2);
    assert_int_equal(csn_table_delete(store, CSN_TABLE_VERSION, apex, &name), CSN_OK);
    assert_int_equal(csn_table_delete(store, CSN_TABLE_VERSION, apex, &name), CSN_ENOTFOUND);
    assert_int_equal(load(store, apex, 7, 10, NULL), CSN_OK);
    assert_int_equal(load(store, apex, 8, 10, NULL), CSN_OK);
    listed = (struct listed){0};
    assert_int_equal(csn_table_list(store, list_numbers, &listed), CSN_EREFUSED);
    assert_true(listed.count == 4 && listed.last == 7);
    assert_whole(store, apex, 1);
    assert_whole(store, apex, 3);
    csn_store_close(store);
    assert_true(rows_in_file(*state) == 50 + 150 + 200 + 20);
}

/* Handle 1, row 3: its key in the table of rows. */
static struct csn_bytes row_key(uint8_t key[CSN_KV_KEY_MAX])
{
    struct sample sample = {0};
    sample_make(1, 3, &sample);
    csn_set_u32(key, 1);
    size_t size = 4 + csn_key_encode(sample.owner, sample.entry.rrset.type, key + 4);
    sample_fini(&sample);
    return csn_bytes(key, size);
}

static void test_damaged_rows_are_said(void **state)
{
    static const struct {
        size_t size;
        const char *value;
    } rows[] = {{0, ""},
                {5, "\0\0\0\1\0"},                                    /* cut in the count */
                {8, "\0\0\0\1\0\0\0\0"},                              /* no RDATA */
                {11, "\0\0\0\1\0\1\0\5abc"},                          /* RDATA longer than the value */
                {11, "\0\0\0\1\0\1\0\1a\0\1"},                        /* a signature too many */
                {12, "\0\0\0\1\0\1\0\1a\0\0x"},                       /* something left */
                {9, "\0\0\0\1\xff\xff\0\1a"}};
    struct csn_store *store = open_store(*state);
    uint8_t octets[CSN_KV_KEY_MAX];
    struct csn_bytes key = row_key(octets);
    assert_int_equal(load(store, apex, 1, 10, NULL), CSN_OK);
    for (size_t i = 0; i <= sizeof(rows) / sizeof(rows[0]); i++) {
        csn_store_close(store);
        struct csn_kv *kv = open_env(*state, false);
        struct csn_kv_txn *txn;
        assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
        if (i < sizeof(rows) / sizeof(rows[0])) {
            assert_int_equal(csn_kv_put(txn, 1, key, csn_bytes(rows[i].value, rows[i].size)), CSN_OK);
        } else { /* at last no row at all: the count says so */
            assert_int_equal(csn_kv_del(txn, 1, key), CSN_OK);
        }
        assert_int_equal(csn_kv_commit(txn), CSN_OK);
        csn_kv_close(kv);
        store = open_store(*state);
        assert_int_equal(read_table(store), CSN_EDAMAGED);
    }
    csn_store_close(store);
}

static void test_damaged_row_keys_and_index_are_said(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_digest name = name_of(1);
    assert_int_equal(load(store, apex, 1, 10, NULL), CSN_OK);
    csn_store_close(store);
    struct csn_kv *kv = open_env(*state, false);
    struct csn_kv_txn *txn;
    assert_int_equal(csn_kv_begin(kv, true, &txn), CSN_OK);
    assert_int_equal(csn_kv_put(txn, 1, csn_bytes("\0\0\0\1a", 5), text("x")), CSN_OK);
    assert_int_equal(csn_kv_commit(txn), CSN_OK);
    csn_kv_close(kv);
    store = open_store(*state);
    assert_int_equal(read_table(store), CSN_EDAMAGED);
    csn_store_close(store);
    uint8_t key[1 + sizeof(apex) + CSN_DIGEST_SIZE] = {CSN_TABLE_VERSION};
    memcpy(key + 1, apex, sizeof(apex));
    memcpy(key + 1 + sizeof(apex), name.octets, CSN_DIGEST_SIZE);
    kv = open_env(*state, false);
    spoil(kv, 0, csn_bytes(key, sizeof(key)), NULL, 8 * 20);
    csn_kv_close(kv);
    store = open_store(*state);
    assert_string_equal(strrchr(csn_store_damage(store), '/'), "/zones: 1 of its records");
    assert_int_equal(read_table(store), CSN_ENOTFOUND);
    csn_store_close(store);
    kv = open_env(*state, false); /* its rows went with it */
    struct csn_kv_cursor *cursor;
    struct csn_bytes at, value;
    assert_int_equal(csn_kv_begin(kv, false, &txn), CSN_OK);
    assert_int_equal(csn_kv_cursor_open(txn, 1, &cursor), CSN_OK);
    assert_int_equal(csn_kv_cursor_seek(cursor, csn_bytes(NULL, 0), &at, &value), CSN_ENOTFOUND);
    csn_kv_cursor_close(cursor);
    csn_kv_abort(txn);
    csn_kv_close(kv);
    store = open_store(*state);
    assert_null(csn_store_damage(store));
    csn_store_close(store);
}

/* --- blobs */

static int gather_keys(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    assert_int_equal(value.size, 0);
    return gather(arg, key, value);
}

static void test_blobs(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_buf buf = {0}, big = {0};
    memset(csn_buf_reserve(&big, 3 * MIB), 7, 3 * MIB);
    big.size = 3 * MIB;
    assert_int_equal(csn_store_put_blob(store, text("share/1"), csn_buf_view(&big)), CSN_OK);
    assert_int_equal(csn_store_put_blob(store, text("share/2"), text("two")), CSN_OK);
    assert_int_equal(csn_store_put_blob(store, text("document"), text("")), CSN_OK);
    assert_int_equal(csn_store_del_blob(store, text("share/3")), CSN_ENOTFOUND);
    csn_store_close(store);
    store = open_store(*state);
    csn_buf_put(&buf, "kept:", 5);
    assert_int_equal(csn_store_get_blob(store, text("share/2"), &buf), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&buf), text("kept:two")));
    csn_buf_clear(&buf);
    assert_int_equal(csn_store_get_blob(store, text("share/1"), &buf), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&buf), csn_buf_view(&big)));
    assert_int_equal(csn_store_get_blob(store, text("share"), &buf), CSN_ENOTFOUND);
    csn_buf_clear(&buf);
    assert_int_equal(csn_store_list_blobs(store, text("share/"), gather_keys, &buf), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&buf), text("share/1= share/2= ")));
    assert_int_equal(csn_store_del_blob(store, text("share/2")), CSN_OK);
    assert_int_equal(csn_store_get_blob(store, text("share/2"), &buf), CSN_ENOTFOUND);
    csn_store_close(store);
    struct csn_kv *kv = open_env(*state, false);
    spoil(kv, 2, text("share/1"), NULL, 8 * 1000000);
    csn_kv_close(kv);
    store = open_store(*state);
    assert_non_null(csn_store_damage(store));
    csn_buf_clear(&buf);
    assert_int_equal(csn_store_get_blob(store, text("share/1"), &buf), CSN_OK);
    assert_int_equal(buf.size, 0); /* in its place, and of no use */
    csn_store_close(store);
    csn_buf_fini(&buf);
    csn_buf_fini(&big);
}

/* --- deltas */

static struct csn_stored_delta delta_of(uint32_t from, uint32_t to, const char *octets)
{
    return (struct csn_stored_delta){
        .name = {.from = name_of(from), .to = name_of(to)}, .certificate = text("cert"), .octets = text(octets)};
}

/* "from<to ...=octets", or "!" where one is damaged. */
static int gather_delta(void *arg, int code, const struct csn_stored_delta *delta)
{
    struct csn_buf *buf = arg;
    csn_buf_put(buf, code == CSN_OK ? "" : "!", code == CSN_OK ? 0 : 1);
    csn_buf_put_bytes(buf, delta->certificate);
    csn_buf_put_bytes(buf, delta->octets);
    csn_buf_put_u8(buf, ' ');
    return code == CSN_OK || code == CSN_EDAMAGED ? CSN_OK : code;
}

static void assert_deltas(struct csn_store *store, const uint8_t *zone, const char *expected)
{
    struct csn_buf buf = {0};
    assert_int_equal(csn_store_list_deltas(store, zone, gather_delta, &buf), CSN_OK);
    csn_buf_put_u8(&buf, 0);
    assert_string_equal((const char *)buf.data, expected);
    csn_buf_fini(&buf);
}

static void test_deltas_survive_reopen_each_zone_its_own(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_stored_delta two[2] = {delta_of(1, 2, "12"), delta_of(2, 3, "23")}, other = delta_of(1, 2, "other"), read;
    struct csn_deltas_reader *reader;
    assert_int_equal(csn_store_put_deltas(store, apex, two, 2), CSN_OK);
    assert_int_equal(csn_store_put_deltas(store, other_apex, &other, 1), CSN_OK);
    csn_store_close(store);
    store = open_store(*state);
    assert_deltas(store, other_apex, "certother ");
    assert_int_equal(csn_deltas_open(store, &reader), CSN_OK);
    assert_int_equal(csn_store_del_deltas(store, apex, &two[0].name, 1), CSN_OK);
    assert_int_equal(csn_deltas_get(reader, apex, &two[0].name, &read), CSN_OK); /* as it was when the reader began */
    assert_true(csn_bytes_equal(read.octets, text("12")) && csn_bytes_equal(read.certificate, text("cert")));
    csn_deltas_close(reader);
    assert_int_equal(csn_deltas_open(store, &reader), CSN_OK);
    assert_int_equal(csn_deltas_get(reader, apex, &two[0].name, &read), CSN_ENOTFOUND);
    csn_deltas_close(reader);
    assert_int_equal(csn_store_del_deltas(store, apex, &two[0].name, 1), CSN_OK); /* gone already */
    assert_deltas(store, apex, "cert23 ");
    csn_store_close(store);
}

static void test_a_damaged_delta_is_named_and_the_others_are_given(void **state)
{
    struct csn_store *store = open_store(*state);
    struct csn_stored_delta two[2] = {delta_of(1, 2, "12"), delta_of(2, 3, "23")};
    assert_int_equal(csn_store_put_deltas(store, apex, two, 2), CSN_OK);
    csn_store_close(store);
    struct csn_kv *env = open_env(*state, false);
    struct csn_kv_txn *txn;
    struct csn_kv_cursor *cursor;
    struct csn_bytes key, value;
    struct csn_buf copy = {0}, spoiled = {0};
    assert_int_equal(csn_kv_begin(env, true, &txn), CSN_OK);
    assert_int_equal(csn_kv_cursor_open(txn, 2, &cursor), CSN_OK);
    assert_int_equal(csn_kv_cursor_seek(cursor, text("d"), &key, &value), CSN_OK);
    csn_buf_put_bytes(&copy, key);
    csn_buf_put_bytes(&spoiled, value);
    csn_kv_cursor_close(cursor);
    spoiled.data[spoiled.size - 1] ^= 1;
    assert_int_equal(csn_kv_put(txn, 2, csn_buf_view(&copy), csn_buf_view(&spoiled)), CSN_OK);
    assert_int_equal(csn_kv_commit(txn), CSN_OK);
    csn_kv_close(env);
    csn_buf_fini(&copy);
    csn_buf_fini(&spoiled);
    store = open_store(*state);
    bool is_first = memcmp(two[0].name.to.octets, two[1].name.to.octets, CSN_DIGEST_SIZE) < 0;
    assert_deltas(store, apex, is_first ? "! cert23 " : "! cert12 ");
    csn_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(test_votes_survive_reopen_and_come_by_prefix),
        TEST(test_votes_are_not_written_when_the_state_differs),
        TEST(test_a_flipped_bit_in_a_vote_is_damage),
        TEST(test_what_is_whole_of_damaged_votes_can_be_read),
        TEST(test_zones_that_cannot_be_read_are_begun_anew),
        TEST(test_a_vote_under_another_key_is_damage),
        TEST(test_probe_writes_every_time),
        TEST(test_another_format_is_refused),
        TEST(test_a_table_comes_back_as_it_was),
        TEST(test_entries_live_until_the_reader_is_closed),
        TEST(test_seek_finds_the_entry_or_the_next),
        TEST(test_entries_out_of_order_are_refused),
        TEST(test_the_longest_name_fits_a_key),
        TEST(test_tables_of_two_zones_may_be_filled_in_turn),
        TEST(test_an_unfinished_table_is_replaced_and_its_writer_told),
        TEST(test_abandoned_tables_leave_nothing),
        TEST(test_list_and_delete),
        TEST(test_damaged_rows_are_said),
        TEST(test_damaged_row_keys_and_index_are_said),
        TEST(test_blobs),
        TEST(test_deltas_survive_reopen_each_zone_its_own),
        TEST(test_a_damaged_delta_is_named_and_the_others_are_given),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
