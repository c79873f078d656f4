/* history.h: the differences between the released versions of a zone, for IXFR: one from each version's parent (as its
 * certificate names it), and one from what this site served before, where that was another. They are made at RELEASE, durable
 * before it is answered, and kept as long as the way from the oldest to the newest is no larger than the zone: beyond that a
 * whole transfer is less. Loop thread; reading zones and writing is done in worker threads. */
#ifndef CSN_NODE_HISTORY_H
#define CSN_NODE_HISTORY_H

#include "round/certificate.h"
#include "zone/store.h"

struct csn_zone_shell;

#define CSN_HISTORY_COUNT_MAX 4096 /* versions back; older ones are forgotten */

struct csn_history_delta {
    struct csn_delta_name name;
    uint32_t from_serial;
    uint64_t size;  /* octets of its rows */
    bool is_parent; /* from the parent, not from what was served */
};

struct csn_history {
    struct csn_history_delta *deltas; /* owns; ascending by name: to, from */
    size_t count, count_max;
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

/* The deltas from a serial to the version served, in order, to be freed. CSN_ENOTFOUND: not that far back, or they are larger
 * than the zone. */
int csn_history_find(const struct csn_zone_shell *zone, uint32_t serial, struct csn_delta_name **ret_names, size_t *ret_count);

/* The one to `to` from its parent, or NULL. */
const struct csn_history_delta *csn_history_to(const struct csn_history *history, const struct csn_digest *to);
/* Those from there back over the parents, newest first, to be freed; how many. */
size_t csn_history_back(const struct csn_history *history, const struct csn_digest *to, struct csn_delta_name **ret_names);

/* A delta that is in the store now. CSN_EDAMAGED: its certificate or its ends are not its name's. */
int csn_history_note(struct csn_history *history, const struct csn_stored_delta *stored);
void csn_history_join(struct csn_history *history, const struct csn_history *more);
/* Forgets what does not lead to the version served, or is too far back. */
void csn_history_prune(struct csn_zone_shell *zone);

/* As deltas travel: size u16 | certificate | size u32 | delta. */
#define CSN_HISTORY_RECORD_EXTRA (CSN_CERTIFICATE_MAX + 1024u) /* octets of a record beside its rows, at most */
void csn_history_record_put(const struct csn_stored_delta *delta, struct csn_buf *buf);

#endif
