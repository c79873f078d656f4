/* store.h: what a node keeps (design.md 6): two environments, `votes` (small, durable promises) and `zones` (inputs, versions,
 * deltas, shares, documents). A version is complete and synced in `zones` before its vote is written in `votes`.
 *
 * Whole copies or base plus deltas is this module's secret behind handles. Loads may run beside votes: they are two
 * environments. Any thread; one writer at a time an environment (LMDB blocks the second). After CSN_EIO, CSN_EFULL or
 * CSN_EDAMAGED the caller stops voting; after CSN_EIO and CSN_EFULL its process begins again. */
#ifndef CSN_ZONE_STORE_H
#define CSN_ZONE_STORE_H

#include "base/error.h"
#include "base/sha.h"
#include "zone/kv.h"
#include "zone/zone.h"

struct csn_store;

/* Opens or makes `folder`/votes and `folder`/zones (mode 0700), reads and checks every page and vote once (about 1 s a GiB),
 * deletes staging not marked complete. CSN_EDAMAGED: the votes cannot be read, or are gone though they were made; CSN_EBUSY:
 * another process has it; CSN_EFORMAT: written by another version.
 *
 * Damage of `zones` is mended here, for peers have all of it: a data file that cannot be read is set aside (data.mdb.damaged, in
 * place of the one before) and begun anew, a damaged record of a table goes with its rows, a damaged blob is emptied. */
int csn_store_open(const char *folder, size_t votes_size_max, size_t zones_size_max, struct csn_store **ret_store,
                   struct csn_reason *reason);
/* The same where nothing can be written (protocol.md: "starts read-only if a write probe fails"): every write and delete below
 * ends with CSN_EPERMISSION, and staging stays. CSN_ENOTFOUND: no store was ever made there. */
int csn_store_open_readonly(const char *folder, size_t votes_size_max, size_t zones_size_max, struct csn_store **ret_store,
                            struct csn_reason *reason);
/* What can still be read of a store whose votes are damaged, read-only: csn_store_read_votes leaves out what is damaged, all of
 * it where the environment cannot be opened. */
int csn_store_open_damaged(const char *folder, size_t votes_size_max, size_t zones_size_max, struct csn_store **ret_store,
                           struct csn_reason *reason);
/* What was found damaged in `zones` when it was opened, and was mended; NULL: nothing. */
const char *csn_store_damage(const struct csn_store *store);
void csn_store_close(struct csn_store *take_store);
/* A write and a sync in both environments; at start and when asked. The reason names the environment. */
int csn_store_probe(struct csn_store *store, struct csn_reason *reason);
/* Octets in use and the limit, of the environment that is fuller in proportion. */
void csn_store_usage(struct csn_store *store, uint64_t *ret_used, uint64_t *ret_size_max);

/* --- votes: records of the round core, opaque here. Keys begin with the core's own prefix. */
struct csn_vote_write {
    struct csn_bytes key, value; /* value.data NULL: delete */
};
/* What a write transaction must find, else CSN_EMISMATCH and nothing is written (R4: the vote reads the durable state). */
struct csn_vote_expect {
    struct csn_bytes key, value; /* value.data NULL: absent */
};
/* One transaction, durable when it returns CSN_OK. CSN_ELIMIT: a key is too long. */
int csn_store_write_votes(struct csn_store *store, const struct csn_vote_expect *expects, size_t expect_count,
                          const struct csn_vote_write *writes, size_t write_count);
/* Many of these in one transaction, each judged on what those before it wrote. CSN_OK: all are durable. Else the first
 * `ret_done` are, the one after them failed with this code, and nothing of it or of the rest was written. */
struct csn_vote_batch {
    const struct csn_vote_expect *expects;
    size_t expect_count;
    const struct csn_vote_write *writes;
    size_t write_count;
};
int csn_store_write_batch(struct csn_store *store, const struct csn_vote_batch *batches, size_t count, size_t *ret_done);
typedef int csn_vote_fn(void *arg, struct csn_bytes key, struct csn_bytes value);
/* Every record with this prefix, ascending; a code of `fn` other than CSN_OK stops and is returned. */
int csn_store_read_votes(struct csn_store *store, struct csn_bytes prefix, csn_vote_fn *fn, void *arg);

/* --- tables: an input (named by D(prepared)) or a version (named by full root) of a zone. */
enum csn_table_kind { CSN_TABLE_INPUT = 1, CSN_TABLE_VERSION = 2 };

/* `meta` is the caller's, opaque here (an input's numbers; a version's serial, T, counts), at most 1 KiB. */
struct csn_table_writer;
/* CSN_EEXISTS when a complete table of that name is there. An incomplete one is replaced, and its writer, if one is alive, gets
 * CSN_ECLOSED. One thread at a time; a writer holds no lock between calls, so any number may be filled in turn. */
int csn_table_begin(struct csn_store *store, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name,
                    struct csn_table_writer **ret_writer);
/* Entries in canonical order, else CSN_EFORMAT; takes any number of transactions. The first error stays: complete says it too. */
int csn_table_add(struct csn_table_writer *writer, const struct csn_entry *entry);
/* The last transaction marks the table complete and is durable when this returns. Frees the writer in any case. */
int csn_table_complete(struct csn_table_writer *take_writer, struct csn_bytes meta);
void csn_table_abandon(struct csn_table_writer *take_writer);

/* A reader sees one state and pins old pages until closed: keep it short (`deadline` is the caller's). One thread at a time;
 * entries borrow from the map and live until close. CSN_ENOTFOUND, CSN_EDAMAGED. */
struct csn_table_reader;
int csn_table_open(struct csn_store *store, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name,
                   struct csn_table_reader **ret_reader);
struct csn_bytes csn_table_meta(const struct csn_table_reader *reader);
uint64_t csn_table_count(const struct csn_table_reader *reader);
/* From the first entry at or after (owner, type); the start is (apex, 0). */
int csn_table_seek(struct csn_table_reader *reader, const uint8_t *owner, uint16_t type);
/* CSN_OK, or CSN_ENOTFOUND at the end. Every length inside a stored value is checked: CSN_EDAMAGED. */
int csn_table_next(struct csn_table_reader *reader, struct csn_entry *ret_entry);
void csn_table_close(struct csn_table_reader *take_reader);

bool csn_table_exists(struct csn_store *store, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name);
int csn_table_delete(struct csn_store *store, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name);
typedef int csn_table_fn(void *arg, enum csn_table_kind kind, const uint8_t *zone, const struct csn_digest *name,
                         struct csn_bytes meta);
/* Every complete table. */
int csn_table_list(struct csn_store *store, csn_table_fn *fn, void *arg);

/* --- blobs: shares (by H(P) and site), documents (by digest). Durable when put returns. */
int csn_store_put_blob(struct csn_store *store, struct csn_bytes key, struct csn_bytes value);
/* Appended to `buf`. CSN_ENOTFOUND. */
int csn_store_get_blob(struct csn_store *store, struct csn_bytes key, struct csn_buf *buf);
/* CSN_ENOTFOUND. */
int csn_store_del_blob(struct csn_store *store, struct csn_bytes key);
/* Keys with this prefix, ascending; `fn` gets an empty value. */
int csn_store_list_blobs(struct csn_store *store, struct csn_bytes prefix, csn_vote_fn *fn, void *arg);

/* --- deltas (delta.h) between versions, each beside the certificate of the version that it leads to. Both opaque here. */
struct csn_delta_name {
    struct csn_digest from, to; /* full roots */
};
struct csn_stored_delta {
    struct csn_delta_name name;
    struct csn_bytes certificate, octets; /* borrow */
};
/* All or none; durable when it returns CSN_OK. What is there under a name is replaced. */
int csn_store_put_deltas(struct csn_store *store, const uint8_t *zone, const struct csn_stored_delta *deltas, size_t count);
/* In one transaction; those that are not there are passed over. */
int csn_store_del_deltas(struct csn_store *store, const uint8_t *zone, const struct csn_delta_name *names, size_t count);
/* Every delta of a zone; `code` CSN_EDAMAGED where one is damaged: then only its name is given. Any other code of `fn` than
 * CSN_OK stops and is returned. */
typedef int csn_delta_fn(void *arg, int code, const struct csn_stored_delta *delta);
int csn_store_list_deltas(struct csn_store *store, const uint8_t *zone, csn_delta_fn *fn, void *arg);

/* Several deltas as they are at one time; like a table's reader it pins old pages. One thread at a time. */
struct csn_deltas_reader;
int csn_deltas_open(struct csn_store *store, struct csn_deltas_reader **ret_reader);
/* Views live until close. CSN_ENOTFOUND, CSN_EDAMAGED. */
int csn_deltas_get(struct csn_deltas_reader *reader, const uint8_t *zone, const struct csn_delta_name *name,
                   struct csn_stored_delta *ret_delta);
void csn_deltas_close(struct csn_deltas_reader *take_reader);

#endif
