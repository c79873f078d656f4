/* watch.h: says when a zone file is ready to be read: it was renamed into place, or its inode, size and mtime stood still for
 * two seconds, gone ones too. It never reads. Watches last as long as the process. Loop thread only. */
#ifndef CSN_NODE_WATCH_H
#define CSN_NODE_WATCH_H

#include <uv.h>

#include "base/error.h"

/* One inotify instance for all files: a user has few of them, and there may be thousands of zones. */
struct csn_watcher;
struct csn_watch;

/* CSN_EIO: a user may have no more inotify instances. */
int csn_watcher_new(uv_loop_t *loop, struct csn_watcher **ret_watcher, struct csn_reason *reason);

/* Called when there is something new to read, or what was there is gone; at the start too, when the
 * file is there. */
typedef void csn_watch_fn(void *arg);

/* The folder must exist, or CSN_EIO; the file may come later. `path` is copied. */
int csn_watch_new(struct csn_watcher *watcher, const char *path, csn_watch_fn *fn, void *arg, struct csn_watch **ret_watch,
                  struct csn_reason *reason);
/* It could not be read, or changed meanwhile: call again when it has stood still. */
void csn_watch_again(struct csn_watch *watch);
/* Octets of the file when it was looked at last. */
uint64_t csn_watch_size(const struct csn_watch *watch);

#endif
