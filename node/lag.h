/* lag.h: says in the log when the loop's thread worked for long without looking up: for as long no vote moved, of any zone. It
 * counts the thread's own time, so that a busy machine is not blamed on a callback. Loop thread. */
#ifndef CSN_NODE_LAG_H
#define CSN_NODE_LAG_H

#include <uv.h>

#include "base/log.h"

struct csn_lag {
    uv_prepare_t prepare;
    const struct csn_log *log; /* borrows */
    uint64_t used_ns;          /* by the thread, when the loop looked up last */
};

/* Watches until the loop ends; does not keep it alive. */
void csn_lag_start(struct csn_lag *lag, uv_loop_t *loop, const struct csn_log *log);

#endif
