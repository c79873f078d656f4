/* kv.h: the seam under lib/zone: an ordered key-value environment with one writer and many readers. LMDB stands behind it in
 * production; the simulator puts a map with crash semantics there. After CSN_EIO or CSN_EFULL from a write the caller stops the
 * process: nothing is retried. */
#ifndef CSN_ZONE_KV_H
#define CSN_ZONE_KV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define CSN_KV_KEY_MAX 511

struct csn_kv;        /* an environment; any thread */
struct csn_kv_txn;    /* one thread at a time; read transactions see one state */
struct csn_kv_cursor; /* closed before its transaction ends */

/* A folder with one LMDB environment, made with its parent if need be (mode 0700); `tables` named databases, at most 8.
 * `size_max` is LMDB's map size. CSN_EBUSY: open already, here or in another process. CSN_EDAMAGED: a page is damaged or cut
 * off, or the file is gone though it was made. What happens to the file while it is open is not noticed: a truncation then
 * ends the process (SIGBUS). */
int csn_kv_open(const char *folder, size_t size_max, const char *const *tables, unsigned table_count, struct csn_kv **ret_kv,
                struct csn_reason *reason);
/* The same on a disk that takes no writes (full, read-only, failing): what was made is checked and can be read; nothing in the
 * folder is touched. Write transactions begin with CSN_EPERMISSION. CSN_ENOTFOUND: it has never been made whole. */
int csn_kv_open_readonly(const char *folder, size_t size_max, const char *const *tables, unsigned table_count,
                         struct csn_kv **ret_kv, struct csn_reason *reason);
/* Moves what cannot be read out of the way, as data.mdb.damaged in place of the one before; the next open makes a new one. */
int csn_kv_set_aside(const char *folder, struct csn_reason *reason);
void csn_kv_close(struct csn_kv *take_kv);

/* A write transaction waits for the one before, and ends on the thread that began it, before that thread begins another.
 * CSN_EBUSY: over 256 read transactions at once. */
int csn_kv_begin(struct csn_kv *kv, bool is_write, struct csn_kv_txn **ret_txn);
/* Durable when it returns CSN_OK. The transaction is gone either way. What several threads write at a time may share one sync:
 * then all of it is there after a crash, or none. */
int csn_kv_commit(struct csn_kv_txn *take_txn);
void csn_kv_abort(struct csn_kv_txn *take_txn);

/* Views live until the transaction ends, or its next write. CSN_ENOTFOUND. */
int csn_kv_get(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key, struct csn_bytes *ret_value);
/* Key and value are copied; what is there under the key is replaced. CSN_ELIMIT: an empty key, or one above CSN_KV_KEY_MAX. */
int csn_kv_put(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key, struct csn_bytes value);
/* Key after every key of the table: no search (falls back to put when it is not). */
int csn_kv_append(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key, struct csn_bytes value);
/* CSN_ENOTFOUND: it is not there; nothing else is lost by that. */
int csn_kv_del(struct csn_kv_txn *txn, unsigned table, struct csn_bytes key);

int csn_kv_cursor_open(struct csn_kv_txn *txn, unsigned table, struct csn_kv_cursor **ret_cursor);
void csn_kv_cursor_close(struct csn_kv_cursor *take_cursor);
/* The first pair at or after `key` (empty: of all); then each next. CSN_ENOTFOUND at the end. */
int csn_kv_cursor_seek(struct csn_kv_cursor *cursor, struct csn_bytes key, struct csn_bytes *ret_key, struct csn_bytes *ret_value);
int csn_kv_cursor_next(struct csn_kv_cursor *cursor, struct csn_bytes *ret_key, struct csn_bytes *ret_value);

/* Octets in use and the limit, for metrics and the early warning. */
void csn_kv_usage(struct csn_kv *kv, uint64_t *ret_used, uint64_t *ret_size_max);

#endif
