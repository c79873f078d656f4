/* second_copy.h: the newest value of each key, kept a second time in one file outside the store (PROTOCOL.md, 4 and amnesia).
 * What a batch of writes adds is appended and synced at once, whatever their number and the number of keys: a vote of one zone
 * in thousands writes its own octets. Grown to twice what is in force, the file is written anew beside and renamed.
 *
 *   2 x mark, each in 4096 octets of its own | n x batch
 *   mark:  "CSN3" | count u64 | first 8 octets of SHA-384("CSN3" | count) | zeros
 *   batch: count u64 | size u32 | SHA-384(the batch before's, or zeros | count | size | rest) | rest
 *   rest:  n x (key size u16 | key | value size u32 | value); the later of a key counts
 *
 * Batches are counted from 1 on, through all files. The count of one that was synced is written into the marks in turn, and kept
 * by the store in the batch's own transaction. So a last batch that is not whole is known for what it is: one that a crash cut
 * off, on which nothing depends, or one that rotted (docs/adr/0035). Each process begins with a file of its own. One thread at a
 * time. */
#ifndef CSN_NODE_SECOND_COPY_H
#define CSN_NODE_SECOND_COPY_H

#include "base/bytes.h"
#include "base/error.h"
#include "round/step.h"

struct csn_second_copy;

/* Empty; reads and writes nothing yet. */
struct csn_second_copy *csn_second_copy_new(const char *path);
void csn_second_copy_free(struct csn_second_copy *take_copy);
/* `stored`: what the store keeps of the last write, empty if it keeps nothing. CSN_OK: all that this site has promised is in the
 * copy, as far as copy and store can tell. CSN_EDAMAGED: something is missing, or the file is another's or gone; what could be
 * read is there all the same. `ret_is_ahead`: then the store is older than what is missing. CSN_EIO. */
int csn_second_copy_load(struct csn_second_copy *copy, struct csn_bytes stored, bool *ret_is_ahead, struct csn_reason *reason);
/* Every key's newest pair; they borrow from the copy until the next put. */
size_t csn_second_copy_count(const struct csn_second_copy *copy);
struct csn_record_pair csn_second_copy_get(const struct csn_second_copy *copy, size_t index);
/* The file cannot be believed: it stays as it is, so that no later start takes a new one for whole. Writes do nothing. */
void csn_second_copy_lose(struct csn_second_copy *copy);
/* Pairs of the next write. */
void csn_second_copy_put(struct csn_second_copy *copy, struct csn_record_pair pair);
/* CSN_OK: all that was put is durable; `ret_stored` is what the store must keep in the transaction that follows, empty when
 * nothing was put. After another code the file must not be written again by this process. */
int csn_second_copy_write(struct csn_second_copy *copy, struct csn_buf *ret_stored);

#endif
