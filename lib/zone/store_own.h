/* store_own.h: what store.c and store_table.c share; nobody else includes it.
 *
 * A sealed value is a checksum, then the value: the first 16 octets of SHA-384 over key size u16, key, value. It covers the key,
 * so that a record cannot turn up under another name. Rows are not sealed: the roots above protect them. */
#ifndef CSN_ZONE_STORE_OWN_H
#define CSN_ZONE_STORE_OWN_H

#include "zone/store.h"

struct csn_store {
    struct csn_kv *votes;      /* owns; NULL: damaged, and cannot be read at all */
    struct csn_kv *zones;      /* owns */
    bool is_damaged;           /* the votes: what is damaged of them is left out */
    struct csn_reason damaged; /* of `zones`, and mended at the opening; empty: nothing */
};

/* Tables of the two environments. `state` is the store's own: format, probe, the last handle. */
enum csn_votes_table { CSN_VOTES_RECORDS, CSN_VOTES_STATE };
enum csn_zones_table { CSN_ZONES_INDEX, CSN_ZONES_ROWS, CSN_ZONES_BLOBS, CSN_ZONES_STATE };

int csn_sealed_put(struct csn_kv_txn *txn, unsigned table, struct csn_hasher *hasher, struct csn_bytes key,
                   struct csn_bytes value);
/* CSN_ENOTFOUND, CSN_EDAMAGED. */
int csn_sealed_get(struct csn_kv_txn *txn, unsigned table, struct csn_hasher *hasher, struct csn_bytes key,
                   struct csn_bytes *ret_value);
int csn_sealed_open(struct csn_hasher *hasher, struct csn_bytes key, struct csn_bytes sealed, struct csn_bytes *ret_value);
/* Each record whose key begins with the prefix, in order and not opened yet, in one transaction; what is not CSN_OK ends it. */
typedef int csn_sealed_fn(void *arg, struct csn_hasher *hasher, struct csn_bytes key, struct csn_bytes sealed);
int csn_sealed_each(struct csn_kv *kv, unsigned table, struct csn_bytes prefix, csn_sealed_fn *fn, void *arg);

/* Commits when `code` is CSN_OK, else aborts and returns it. */
static inline int csn_store_finish(struct csn_kv_txn *take_txn, int code)
{
    if (code != CSN_OK) {
        csn_kv_abort(take_txn);
        return code;
    }
    return csn_kv_commit(take_txn);
}

/* Deletes what was never marked complete, and what no index record that can be read names: `damaged` counts those that cannot. */
int csn_table_sweep(struct csn_store *store, size_t *ret_damaged);

static inline bool csn_has_prefix(struct csn_bytes bytes, struct csn_bytes prefix)
{
    return bytes.size >= prefix.size && csn_bytes_equal(csn_bytes(bytes.data, prefix.size), prefix);
}

#endif
