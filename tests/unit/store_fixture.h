/* store_fixture.h: private folders, tables made from (table, row), and looks into a store's files, for the tests of the store. */
#ifndef CSN_TESTS_STORE_FIXTURE_H
#define CSN_TESTS_STORE_FIXTURE_H

#include "zone/store.h"

#define MIB ((size_t)1 << 20)

static const uint8_t apex[] = "\x07" "example";

/* Set-up and tear-down of cmocka: *state is a private folder. */
int make_folder(void **state);
int remove_folder(void **state);

/* Opens or fails the test; only opens and closes, for the code. */
struct csn_store *open_store(const char *folder);
int try_open(const char *folder);
/* One environment behind the closed store: votes has tables records, state; zones has index, rows, blobs, state. */
struct csn_kv *open_env(const char *folder, bool is_votes);
/* Rows in the file, of whichever table; the store is closed. */
uint64_t rows_in_file(const char *folder);

struct csn_bytes text(const char *chars);
struct csn_digest name_of(uint32_t number);

/* An entry made from (table, row): two types an owner, some with signatures, some too long for a page. Zeros at first. */
struct sample {
    uint8_t owner[CSN_NAME_MAX];
    struct csn_buf rdatas, rrsigs;
    struct csn_entry entry;
};
void sample_make(uint32_t table, uint32_t row, struct sample *sample);
void sample_fini(struct sample *sample);
bool entry_equal(const struct csn_entry *a, const struct csn_entry *b);
int add_row(struct csn_table_writer *writer, uint32_t table, uint32_t row, struct sample *sample);

/* A whole version table; meta is the number of rows. `step` (may be NULL) is called now and then. */
int load(struct csn_store *store, const uint8_t *zone, uint32_t table, uint32_t rows, void (*step)(void));
/* The table is there with every row as load made it. */
void assert_whole(struct csn_store *store, const uint8_t *zone, uint32_t table);
/* Reads version table 1 of `apex` to its end: CSN_ENOTFOUND when all is well. */
int read_table(struct csn_store *store);
/* For csn_table_list: adds each table's rows to the uint64_t behind `arg`. */
int count_table(void *arg, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name,
                struct csn_bytes meta);

/* `value` NULL: delete. */
int write_one_vote(struct csn_store *store, const char *key, const char *value);

#endif
