/* coordinator.h: consign-coordinator put together: the leader machine on one loop, and the mesh. It keeps nothing but its keys and the chain of epochs; when
 * it dies nothing is lost and nothing stops being served. Loop thread only. */
#ifndef CSN_COORDINATOR_COORDINATOR_H
#define CSN_COORDINATOR_COORDINATOR_H

#include <uv.h>

#include "agreement.h"
#include "config/coordinator.h"
#include "epochs.h"
#include "mesh/mesh.h"
#include "ops/control.h"
#include "round/leader.h"
#include "trace.h"

struct csn_coordinator {
    uv_loop_t *loop; /* borrows */
    char **argv;     /* borrows; to begin again with */
    struct csn_log log;
    const struct csn_coordinator_config *config; /* borrows */
    struct csn_site_key *key;                    /* owns, as all below */
    struct csn_mesh *mesh;
    struct csn_leader *core;
    struct csn_coordinator_epochs epochs;
    struct csn_control *control;
    uint64_t started_ms; /* mono */
    uint64_t heard_ms[CSN_MEMBERS_MAX]; /* mono; when sites heard each coordinator last, by place; 0: never */
    struct csn_stale *stale; /* owns; by zone */
    uint64_t judged_ms;      /* mono; when that was looked at last */
    bool is_stepping;
    struct csn_dropped dropped;
    uint64_t bad_certificates; /* dropped; the first is logged */
    uv_timer_t tick;
    uv_signal_t terminate, interrupt;
};

/* Opens what the configuration names and starts. */
int csn_coordinator_start(struct csn_coordinator *coordinator, uv_loop_t *loop, const struct csn_coordinator_config *config,
                          struct csn_reason *reason);

struct csn_now csn_coordinator_now(void);

#endif
