/* history.h: the differences between the released versions of a zone, for IXFR: one from each version's parent (as its
 * certificate names it), and one from what this site served before, where that was another. They are made at RELEASE, durable
 * before it is answered, and kept as long as the way from the oldest to the newest is no larger than the zone: beyond that a
 * whole transfer is less. Loop thread; reading zones and writing is done in worker threads. */
#ifndef CSN_NODE_HISTORY_H
#define CSN_NODE_HISTORY_H

#include "kept/lineage.h"

struct csn_zone_shell;

struct csn_history {
    struct csn_lineage lineage; /* owns */
    uint64_t zone_size; /* octets of the rows of the version served; 0: not known yet */
    bool is_loading, is_loaded;
    bool has_parent; /* the version served is not the first */
    struct {         /* history_fetch.c */
        bool is_due, is_running;
        unsigned tries;
        uint64_t retry_ms;
    } fetch;
};

/* RELEASE: makes what leads to the version of this certificate, which is complete here. `done` once, later: CSN_OK, also where
 * no older version is here; or CSN_EIO, CSN_EFULL. */
typedef void csn_history_fn(void *arg, int code);
void csn_history_make(struct csn_zone_shell *zone, const struct csn_certificate *certificate, struct csn_bytes octets,
                      csn_history_fn *done, void *arg);

/* SERVE: forgets what does not lead to the version served; the first time in a process reads what the store has. */
void csn_history_serve(struct csn_zone_shell *zone, const struct csn_certificate *certificate);

/* Asks peers for what is missing on the way back, when it is due: once in a process, and when a version was released whose
 * parent is not here. Each is believed when its certificate verifies and names both ends, and, taken back from what is served,
 * it leads to the older one's full root. */
void csn_history_tick(struct csn_zone_shell *zone);
void csn_history_want(struct csn_zone_shell *zone); /* from the next tick on */

/* Forgets what does not lead to the version served, or is too far back. */
void csn_history_prune(struct csn_zone_shell *zone);

#endif
