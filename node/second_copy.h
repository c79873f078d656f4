/* second_copy.h: the newest value of each key, kept a second time in one file outside the store (PROTOCOL.md, 4 and amnesia).
 * What a batch of writes adds is appended and synced at once, whatever their number and the number of keys: a vote of one zone
 * in thousands writes its own octets. Grown to twice what is in force, the file is written anew beside and renamed.
 *
 *   "CSN2" | n x batch;  batch: size u32 | SHA-384(the batch before's, or zeros | size | rest) | rest
 *   rest: n x (key size u16 | key | value size u32 | value); the later of a key counts
 *
 * A last batch that is not whole is what a crash left: its write never returned, so nothing depends on it. Anything else that
 * does not fit is damage. Each process begins with a file of its own. One thread at a time. */
#ifndef CSN_NODE_SECOND_COPY_H
#define CSN_NODE_SECOND_COPY_H

#include "base/bytes.h"
#include "base/error.h"
#include "round/step.h"

struct csn_second_copy;

/* Empty; reads and writes nothing yet. */
struct csn_second_copy *csn_second_copy_new(const char *path);
void csn_second_copy_free(struct csn_second_copy *take_copy);
/* CSN_OK also when there is no file; CSN_EDAMAGED, CSN_EIO. */
int csn_second_copy_load(struct csn_second_copy *copy, struct csn_reason *reason);
/* Every key's newest pair; they borrow from the copy until the next put. */
size_t csn_second_copy_count(const struct csn_second_copy *copy);
struct csn_record_pair csn_second_copy_get(const struct csn_second_copy *copy, size_t index);
/* The file cannot be read: it stays as it is, so that no later start takes a new one for whole. Writes do nothing. */
void csn_second_copy_lose(struct csn_second_copy *copy);
/* Pairs of the next write. */
void csn_second_copy_put(struct csn_second_copy *copy, struct csn_record_pair pair);
/* CSN_OK: all that was put is durable. After another code the file must not be written again by this process. */
int csn_second_copy_write(struct csn_second_copy *copy);

#endif
