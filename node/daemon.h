/* daemon.h: consign-node put together: one loop that owns all state, the round core that decides, and the parts that execute
 * its effects. Private to node/. Loop thread only. */
#ifndef CSN_NODE_DAEMON_H
#define CSN_NODE_DAEMON_H

#include <uv.h>

#include "agreement.h"
#include "config/node.h"
#include "dns/name_map.h"
#include "epochs.h"
#include "history.h"
#include "hsm/client.h"
#include "intake.h"
#include "job.h"
#include "lag.h"
#include "mesh/mesh.h"
#include "ops/control.h"
#include "round/node.h"
#include "trace.h"
#include "unwritable.h"
#include "xfr/source.h"
#include "zone/store.h"

struct csn_daemon;
struct csn_work;
struct csn_persister;
struct csn_second_copy;
struct csn_kept_tree;
struct csn_asked;
struct csn_keyring;
struct csn_tokens;
struct csn_xfr_server;
struct csn_notify;
struct csn_refused;
struct csn_quarantine;
struct csn_fetch_queue;
struct csn_fetch_list;

#define CSN_INPUTS_CACHED 4
#define CSN_FIRST_GENERATION 1 /* of inputs; an operator's order raises it */

/* What a zone's transfers answer with. */
struct csn_serving {
    bool is_ready;
    struct csn_digest full_root;
    uint32_t serial;
    uint64_t expiry_s; /* first signature to expire, Unix */
    uint32_t soa_expire_s; /* 0: its SOA could not be read */
    uint64_t checked_ms; /* when its root was last known to be right, CLOCK_BOOTTIME */
};

/* When every signature of the zone was verified last, and under which documents. */
struct csn_whole {
    uint64_t at_ms; /* CLOCK_BOOTTIME; 0: never in this process */
    struct csn_version_id policy, keyset;
};

/* Where this site's content differs from the quorum's, until it agrees again; see diff.h. */
struct csn_divergence {
    struct csn_work *work; /* owns a reference; its own content in the newest round in which it differed; NULL: none */
    bool is_computed_due, is_input_due; /* to be compared with a site of the quorum */
    bool is_running;
    unsigned tries;
    uint64_t retry_ms;
    struct csn_digest reported; /* SHA-384 of the records of the newest report: the same again are not reported again */
};

#define CSN_ASKED_MAX 4  /* operators' comparisons at a time; more are asked to come again */
#define CSN_TREES_KEPT 2 /* of a zone: two contents are compared at a time */

/* The edge of one zone. */
struct csn_zone_shell {
    struct csn_daemon *daemon;            /* borrows */
    const struct csn_zone_config *config; /* borrows */
    char name[CSN_NAME_TEXT_MAX];
    struct csn_intake *intake;   /* owns */
    struct csn_intake_orders orders;
    struct csn_keyring *keyring; /* owns; NULL without an HSM */
    struct csn_work *work;       /* owns a reference; the newest round's, or NULL */
    bool is_computing;           /* a content; one at a time, see work.c */
    struct csn_work *signing;    /* borrows; whose share is being signed: one at a time, see work.c */
    struct csn_input *inputs[CSN_INPUTS_CACHED]; /* own references; newest first, may be NULL */
    struct csn_digest verified;  /* full root of the version this process staged and verified last */
    struct csn_serving serving;
    uint64_t records; /* of its newest content here, about; 0: not known yet */
    bool was_lost; /* at the start: released here, and not here whole */
    struct csn_history history;
    uint64_t input_since_s; /* when the newest input was taken here, Unix; 0: none in this process */
    uint32_t input_serial;  /* and its serial */
    struct csn_whole whole;
    bool was_lead;             /* of this zone, at the last tick */
    struct csn_digest told; /* full root of the release that secondaries were told of last */
    unsigned told_sites;    /* that were heard and served it then; 0: one that was heard did not */
    struct csn_divergence divergence;
    struct csn_kept_tree *trees[CSN_TREES_KEPT]; /* own references; see trees.h; may be NULL */
    struct csn_since diverged[CSN_MEMBERS_MAX]; /* by place in the cluster document */
    struct csn_since parked[CSN_MEMBERS_MAX];   /* the same, by gate */
    struct csn_stale stale;
};

struct csn_daemon {
    struct csn_dropped dropped;
    uv_loop_t *loop; /* borrows */
    char **argv;     /* borrows; to begin again with */
    struct csn_log log;
    const struct csn_node_config *config; /* borrows */
    uint64_t started_ms; /* mono */
    unsigned cores;
    struct csn_lane lane;                 /* for work on big zones; see csn_shell_run */
    struct csn_store *store;              /* owns, as all below */
    struct csn_quarantine *quarantine;
    struct csn_node *core;
    struct csn_second_copy *second; /* borrows; the persister's */
    struct csn_persister *persister;
    struct csn_site_key *key;
    struct csn_mesh *mesh;
    struct csn_fetch_queue *fetches; /* what waits for each member, in the cluster document's order */
    struct csn_fetch_list *input_fetches; /* inputs under way */
    struct csn_hsm *hsm; /* NULL: a verifier */
    struct csn_tokens *tokens; /* NULL as well then */
    struct csn_xfr_server *xfr;
    struct csn_xfr_source source;
    struct csn_notify *notify;
    struct csn_refused *refused; /* see refused.h */
    struct csn_control *control;
    struct csn_asked *asked[CSN_ASKED_MAX]; /* own; operators' comparisons, see asked.h; may be NULL */
    struct csn_watcher *watcher;
    struct csn_zone_shell *zones;
    size_t zone_count;
    struct csn_name_map names; /* of the zones */
    struct csn_looped *looped; /* own statements on their way back to the core; first in, first out */
    struct csn_looped **looped_end;
    struct csn_epochs epochs;
    struct csn_unwritable unwritable;
    bool is_stepping;
    bool was_hsm_up;
    uint64_t bad_certificates; /* dropped; the first is logged */
    struct csn_lag lag;
    uv_timer_t tick;
    size_t tick_cursor; /* the zone that is looked at next */
    uv_signal_t terminate, interrupt;
};

/* Opens everything named by the configuration and starts; runs until the loop stops. CSN_OK, or what failed. */
int csn_daemon_start(struct csn_daemon *daemon, uv_loop_t *loop, const struct csn_node_config *config, struct csn_reason *reason);

/* One step of the core: sets the event's time, executes the effects. */
void csn_daemon_event(struct csn_daemon *daemon, struct csn_event *event);

/* The store can no longer be trusted to keep what it is given: says so, ends the process and begins again (unwritable.h).
 * Nothing is retried in a process. */
_Noreturn void csn_daemon_die(struct csn_daemon *daemon, int code, const char *what);
/* Becomes the same program anew for a reason that no input has part in: what is being worked on does not count against it. */
_Noreturn void csn_daemon_begin_again(struct csn_daemon *daemon);

/* Borrowed, or NULL. */
struct csn_zone_shell *csn_daemon_zone(struct csn_daemon *daemon, const uint8_t *zone);

/* Begins to take this zone's file in, once, unless the store is read-only: gates need the input of the newest release first. */
int csn_shell_start_intake(struct csn_zone_shell *zone, struct csn_reason *reason);

/* The cached input with this D(prepared), borrowed, or NULL. */
struct csn_input *csn_shell_input(const struct csn_zone_shell *zone, const struct csn_digest *prepared);
/* Remembers it; takes a reference of its own. */
void csn_shell_keep_input(struct csn_zone_shell *zone, struct csn_input *input);

/* Work on this zone's data: that of a big zone goes in the daemon's lane, so that it never takes the threads that the others'
 * rounds and all votes need. csn_shell_parts: in how many parts work that can be cut is best cut. */
void csn_shell_run(struct csn_zone_shell *zone, unsigned parts, csn_job_part_fn *work, csn_job_done_fn *done, void *arg);
unsigned csn_shell_parts(const struct csn_zone_shell *zone);
struct csn_lane *csn_shell_lane(struct csn_zone_shell *zone); /* NULL: no lane */

struct csn_now csn_daemon_now(const struct csn_daemon *daemon);

#endif
