/* persist.h: the one queue of durable writes of the round core (R7): in order, in a worker thread. Writes that wait while one
 * transaction is on its way share the next: one commit, however many zones vote. Where they have second copies, those are
 * synced to their own file first (protocol.md, amnesia), all of the batch in one go. Loop thread. */
#ifndef CSN_NODE_PERSIST_H
#define CSN_NODE_PERSIST_H

#include <uv.h>

#include "round/step.h"
#include "second_copy.h"
#include "zone/store.h"

/* Record of the votes beside the core's: what the second copy gave the store to keep (docs/PROTOCOL.md, 4). */
#define CSN_SECOND_STORED_KEY "second"

struct csn_persister;

/* `code` CSN_OK: durable. After another code nothing later was written, nor ever will be. */
typedef void csn_persisted_fn(void *arg, uint64_t id, int code);

/* `second` holds the newest second copy of each key. */
struct csn_persister *csn_persister_new(uv_loop_t *loop, struct csn_store *store, struct csn_second_copy *take_second,
                                        csn_persisted_fn *fn, void *arg);
/* Copies the effect. */
void csn_persister_add(struct csn_persister *persister, const struct csn_effect *effect);

#endif
