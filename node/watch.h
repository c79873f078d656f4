/* watch.h: says when a zone file is ready to be read: it was renamed into place, or its inode, size and mtime stood still for
 * two seconds. It never reads. Loop thread only. */
#ifndef CSN_NODE_WATCH_H
#define CSN_NODE_WATCH_H

#include <uv.h>

#include "base/error.h"

struct csn_watch;

/* Called when there is something new to read; at the start too, when the file is there. */
typedef void csn_watch_fn(void *arg);

/* The folder must exist; the file may come later. */
int csn_watch_new(uv_loop_t *loop, const char *path, csn_watch_fn *fn, void *arg, struct csn_watch **ret_watch,
                  struct csn_reason *reason);
/* The file changed while it was read: wait again until it stands still. */
void csn_watch_again(struct csn_watch *watch);
void csn_watch_close(struct csn_watch *take_watch);

#endif
