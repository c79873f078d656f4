/* persist.h: the one queue of durable writes of the round core (R7): in order, one transaction at a time, in a worker thread.
 * Where a write has a second copy, that is synced to its own file first (protocol.md, amnesia). Loop thread. */
#ifndef CSN_NODE_PERSIST_H
#define CSN_NODE_PERSIST_H

#include <uv.h>

#include "round/step.h"
#include "zone/store.h"

struct csn_persister;

/* `code` CSN_OK: durable. After another code nothing later was written, nor ever will be. */
typedef void csn_persisted_fn(void *arg, uint64_t id, int code);

/* `second_path`: the file that holds the newest second copy of each key. */
struct csn_persister *csn_persister_new(uv_loop_t *loop, struct csn_store *store, const char *second_path, csn_persisted_fn *fn,
                                        void *arg);
/* Reads the second copies back: pairs borrow from `buf`. CSN_OK also when there is no file; CSN_EDAMAGED. */
int csn_persister_load(const char *second_path, struct csn_buf *buf, struct csn_record_pair *ret_pairs, size_t pairs_max,
                       size_t *ret_count, struct csn_reason *reason);
/* Makes the loaded pairs part of what is written next time. */
void csn_persister_keep(struct csn_persister *persister, const struct csn_record_pair *pairs, size_t count);
/* The file cannot be read: it stays as it is, so that no later start takes a new one for whole. */
void csn_persister_lose_second(struct csn_persister *persister);
/* Copies the effect. */
void csn_persister_add(struct csn_persister *persister, const struct csn_effect *effect);

#endif
