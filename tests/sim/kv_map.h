/* kv_map.h: what stands behind lib/zone/kv.h in the simulator: a disk in memory with its environments, each a few ordered maps.
 * It outlives the process that opens it, and does to a transaction what disks and crashes do: a commit that never came
 * through, one that came through though nobody heard of it, a disk that is full, a bit that has turned. Commits that were
 * said to be durable are never lost: kv.h promises that they are synced, and the replay of LMDB's writes holds LMDB to it.
 *
 * A transaction sees one state; views live as long as it does. One thread. */
#ifndef SIM_KV_MAP_H
#define SIM_KV_MAP_H

#include "zone/kv.h"

struct kv_disk;
struct kv_disk *kv_disk_new(void);
void kv_disk_free(struct kv_disk *take_disk);
/* What is committed, as a backup copies it. */
struct kv_disk *kv_disk_copy(const struct kv_disk *disk);

/* The folder to open a store in. */
#define KV_FOLDER_SIZE 32
void kv_disk_folder(const struct kv_disk *disk, char ret_folder[KV_FOLDER_SIZE]);

/* The process ends at the `commits`-th commit from now, which is lost, or comes through and is not heard of: from then on all
 * calls end with CSN_EIO, until the next open. */
enum kv_fate { KV_FATE_NONE, KV_FATE_LOST, KV_FATE_DURABLE };
void kv_disk_arm(struct kv_disk *disk, enum kv_fate fate, unsigned commits);
/* The fate has struck. */
bool kv_disk_is_dead(const struct kv_disk *disk);
/* Commits that write something end with CSN_EFULL. */
void kv_disk_set_full(struct kv_disk *disk, bool is_full);

/* The value there, borrowed until the next commit. False: no such key. */
bool kv_disk_value(const struct kv_disk *disk, unsigned table, struct csn_bytes key, struct csn_bytes *ret_value);
/* Turns one bit, chosen by `random`, in a value of a table of the zones' environment (enum csn_zones_table) whose key begins
 * with `prefix`. False: there is none. */
bool kv_disk_rot(struct kv_disk *disk, unsigned table, struct csn_bytes prefix, uint64_t random);

#endif
