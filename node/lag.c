#include "lag.h"

#include <inttypes.h>
#include <time.h>

#define LONG_NS UINT64_C(50000000)

static uint64_t used_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct csn_lag *lag = prepare->data;
    uint64_t now_ns = used_ns();
    if (now_ns - lag->used_ns >= LONG_NS) {
        csn_log(lag->log, CSN_DEBUG, "loop.long", "%" PRIu64 " ms in one turn", (now_ns - lag->used_ns) / 1000000);
    }
    lag->used_ns = now_ns;
}

void csn_lag_start(struct csn_lag *lag, uv_loop_t *loop, const struct csn_log *log)
{
    lag->log = log;
    lag->used_ns = used_ns();
    uv_prepare_init(loop, &lag->prepare);
    lag->prepare.data = lag;
    uv_prepare_start(&lag->prepare, on_prepare);
    uv_unref((uv_handle_t *)&lag->prepare);
}
