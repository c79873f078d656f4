/* unwritable.h: a store that takes no writes (full, read-only, failing; protocol.md, "after any I/O error the process exits; it
 * starts read-only if a write probe fails"). The process begins again by itself (docs/adr/0018). Where its disks still take
 * nothing, or took nothing a moment ago, it is read-only: its core is mute, what it released before stays served, nothing is
 * taken in; it tries the disks again and again, and begins once more when they take what they are given.
 *
 * How often that happened lately goes on to the process that follows, so that a disk which only seems well makes it wait longer
 * each time and never spin. Loop thread only, but for csn_unwritable_probe. */
#ifndef CSN_NODE_UNWRITABLE_H
#define CSN_NODE_UNWRITABLE_H

#include <uv.h>

#include "config/node.h"

struct csn_daemon;

struct csn_unwritable {
    bool is_set; /* read-only */
    bool is_damaged; /* for good: the votes are damaged (docs/adr/0015) */
    struct csn_reason cause;
    unsigned failures;  /* in a row, of the processes before this one */
    uint64_t until_s;   /* before this (since boot) nothing is tried again */
    uint64_t refused_write; /* the core's first write, which it is refused; 0: none yet */
    uv_timer_t again;
};

/* What the process before this one left; read-only at once while it asked to wait. */
void csn_unwritable_inherit(struct csn_daemon *daemon);

/* A file written, synced and removed in each folder that must take writes: both environments and the second copy's. The reason
 * names the folder and the cause. */
int csn_unwritable_probe(const struct csn_node_config *config, struct csn_reason *reason);

/* From now on read-only, for this cause; the loop tries again once it runs. */
void csn_unwritable_set(struct csn_daemon *daemon, const struct csn_reason *reason);

/* Read-only for good, because the votes are damaged: nothing is tried again. */
void csn_unwritable_damaged(struct csn_daemon *daemon, const struct csn_reason *reason);

/* Ends this process and begins again in its place, after a write failed (CSN_EIO, CSN_EFULL) or damage was found. */
_Noreturn void csn_unwritable_begin_again(struct csn_daemon *daemon, int code, const char *what);

#endif
