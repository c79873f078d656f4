/* status.h: the picture of the cluster that a daemon shows to its operators: plain rows, and the
 * verdict on them.
 *
 * A node (or a coordinator) fills one from its last reports each time it is asked; consignctl gets
 * it back from the control socket. A site that cannot be reached is a row with `error`, never a
 * missing row. All texts and rows live in the status's own arena. One thread. Fill order is show
 * order: sites by number, coordinators after members, zones by name. */
#ifndef CSN_OPS_STATUS_H
#define CSN_OPS_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/sha.h"

/* As monitoring plug-ins count: the exit codes of `consignctl health`. */
enum csn_health { CSN_HEALTH_OK, CSN_HEALTH_DEGRADED, CSN_HEALTH_CRITICAL, CSN_HEALTH_UNKNOWN };

/* "ok", "degraded", "critical", "unknown". */
const char *csn_health_text(enum csn_health level);

/* Above these, adding a row is refused and the verdict says so. With the page they keep a reply under 1 MiB. */
#define CSN_STATUS_SITES_MAX 32
#define CSN_STATUS_ROWS_MAX 16 /* parked, diverged a row; reasons */
#define CSN_STATUS_PAGE 512    /* zones that a daemon fills in at a time; consignctl asks on until it has all */

/* A coordinator of the cluster document, as the observer hears it. */
struct csn_status_coordinator {
    const char *name;
    bool leads;
    bool is_missing; /* it should be heard and is not, for long enough to be judged */
    bool has_last_seen;
    uint64_t last_seen_ms; /* ago */
};

/* What the observer has counted since its start. */
struct csn_status_counter {
    const char *name; /* "xfr_refused" */
    uint64_t value;
};
#define CSN_STATUS_COUNTERS_MAX 64

/* What one site has released of one zone. */
struct csn_status_released {
    const char *zone; /* "ch." */
    uint32_t serial;
};

struct csn_status_site {
    uint16_t number;
    const char *name;
    const char *role;  /* "signer", "verifier", "coordinator" */
    const char *state; /* "ok", "diverged", "held", "halted", "catching up", "unreachable", … */
    bool leads;        /* this coordinator leads, or this site is the lead that notifies */
    bool has_last_seen;
    uint64_t last_seen_ms; /* ago; 0 for the observer itself */
    bool has_clock_offset;
    int64_t clock_offset_us; /* its clock minus the observer's; of whole seconds, for reports carry no more */
    const char *hsm;         /* "ok", "down: …", "wrong key ch. 34505", "none"; NULL: not known */
    const struct csn_status_released *released;
    uint32_t released_count;
    const char *error; /* NULL: none */
    /* Ordered in every zone: what is wrong at it is shown, and not alarmed at. */
    bool is_in_maintenance;
};

/* An input of a zone, as its file calls itself. */
struct csn_status_input {
    uint32_t generation, serial;
};

/* An input that a gate keeps back at one site. */
struct csn_status_parked {
    const char *site;
    const char *reason;
    const char *gate; /* its word: "apex-ns"; NULL: not known */
    bool has_serial;
    uint32_t serial;
    bool has_received; /* the observer's own, when it was a zone */
    struct csn_digest received;
    uint64_t since_s; /* Unix; 0: not known */
};

/* An operator's order: the newest about one question, as the observer keeps it. */
struct csn_status_order {
    const char *order; /* CSN_STATUS_HOLD, CSN_STATUS_MAINTENANCE, "resume", "approve", … */
    const char *site;  /* maintenance of one site; NULL: of the zone. authority: the lead; NULL: who is fit */
    const char *operator; /* his name */
    const char *reason;
    uint64_t number;            /* microseconds since 1970 when it was given */
    struct csn_digest received; /* approve, reject; else zeros */
    uint32_t generation;        /* generation; else 0 */
    /* reject: it is the observer's newest file, which is not shown as parked. approve-serial, announce-serial:
     * the zone has not gone there yet */
    bool has_serial;
    uint32_t serial; /* of that file; that is approved */
};
#define CSN_STATUS_HOLD "hold"
#define CSN_STATUS_MAINTENANCE "maintenance on"
#define CSN_STATUS_AUTHORITY "authority"
#define CSN_STATUS_REJECT "reject"
#define CSN_STATUS_SERIAL "approve-serial"
#define CSN_STATUS_ANNOUNCED "announce-serial" /* by consignctl, before it */
#define CSN_STATUS_ORDERS_MAX 32 /* of a zone */

struct csn_status_diverged {
    const char *site;
    const char *classes; /* letters of D, K, N, R, B that differ */
    uint32_t serial;
    uint64_t since_s;   /* Unix; 0: not known */
    const char *detail; /* the first difference; NULL: not located */
};

/* Versions of the documents that a site works with. One number with two heads is two contents. */
struct csn_status_documents {
    const char *site;
    uint32_t policy, policy_head; /* head: the first four octets of the digest */
    uint32_t keyset, keyset_head;
};

/* How long a site can still serve what it has released of a zone. */
struct csn_status_serving {
    const char *site;
    uint32_t serial;
    uint64_t first_expiry_s; /* Unix; 0: not known */
    uint64_t fence_s;        /* from then on it is behind where another has later; 0: not known */
};

struct csn_status_zone {
    const char *zone;
    const char *state; /* "released", "waiting", "held", "behind", "none" */
    enum csn_health level; /* the worst that is said of it */
    bool is_hidden;        /* another was asked for; not sent */
    bool has_released; /* serial, input, votes, released_at, roots, first_expiry are known */
    uint32_t released;
    struct csn_status_input input; /* that the release was made of */
    uint8_t votes;                 /* sites heard from lately that hold or serve it */
    uint8_t voters;                /* n */
    uint64_t released_at_s;        /* Unix */
    struct csn_digest content;
    struct csn_digest full;
    uint64_t first_expiry_s; /* Unix */
    /* Left until first_expiry: below these the zone is degraded, critical. 0: not judged. */
    uint64_t expiry_warning_s;
    uint64_t expiry_critical_s;
    bool has_pending;
    uint32_t pending;
    bool has_pending_input; /* the observer's own newest input is newer, and in no round yet */
    struct csn_status_input pending_input;
    const char *waiting_for; /* what the pending serial or input waits for; NULL: nothing */
    const struct csn_status_parked *parked;
    uint32_t parked_count;
    const struct csn_status_diverged *diverged;
    uint32_t diverged_count;
    const char *const *stale; /* sites whose own newest file is older than the release's for long */
    uint32_t stale_count;
    const struct csn_status_order *orders;
    uint32_t order_count;
    const struct csn_status_serving *serving; /* of sites that released something */
    uint32_t serving_count;
    uint32_t soa_expire_s; /* of the release: so long a secondary serves that hears of nobody; 0: not known */
    const char *lead;     /* the site that notifies secondaries; NULL: not known */
    uint8_t orders_known; /* sites that know all of them, the observer too */
    const struct csn_status_documents *documents; /* of sites that are heard */
    uint32_t documents_count;
};

struct csn_status {
    struct csn_arena arena; /* owns every text and row */
    const char *cluster;    /* name */
    uint8_t cluster_id[16];
    uint32_t epoch;
    uint32_t next_epoch; /* whose document is here and has not begun; 0: none */
    bool is_sealed;      /* the observer votes in `epoch` no more */
    uint64_t emergency_until_s; /* Unix; 0: no emergency */
    uint8_t quorum;  /* q */
    uint8_t members; /* n */
    uint64_t term;
    const char *leader; /* coordinator's name; NULL: none known */
    /* Not sent to consignctl: whom to start when none leads; NULL: not known. */
    const char *may_lead;
    bool is_electing; /* none leads, but not for long enough to be judged; not sent either */
    /* Nor sent: why the observer listens to nobody, so that it cannot know of the others; why it follows no coordinator
     * though the others do. In a clause after "it"; NULL: it does. */
    const char *deaf_why, *stray_why;
    const char *waits_why; /* nor sent: why it takes no part yet; NULL: it does */
    const char *observed_from;
    uint64_t observed_at_s; /* Unix */
    struct csn_status_site *sites[CSN_STATUS_SITES_MAX];
    uint32_t site_count;
    const struct csn_status_coordinator *coordinators; /* that the observer can hear: sites can */
    uint32_t coordinator_count;
    const struct csn_status_counter *counters;
    uint32_t counter_count;
    uint64_t store_used, store_limit; /* octets, of the environment that is fuller; limit 0: it has no store */
    struct csn_status_zone **zones; /* in the arena */
    uint32_t zone_count;
    uint32_t first_zone; /* of the page: its place among all that the daemon has */
    uint32_t all_zones;
    enum csn_health level;
    struct csn_status_zone *about; /* the zone whose level a blame raises too; NULL: none. Not sent */
    /* The worst first, else in the order of csn_status_blame. */
    const char *reasons[CSN_STATUS_ROWS_MAX];
    enum csn_health reason_levels[CSN_STATUS_ROWS_MAX]; /* beside them */
    uint32_t reason_count;
};

/* A status of zeros is empty and ready. */
void csn_status_fini(struct csn_status *status);

/* A text kept by the status, cut at CSN_REASON_MAX. */
const char *csn_status_text(struct csn_status *status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether the zone at this place among all is on the page. */
bool csn_status_is_shown(const struct csn_status *status, size_t place);

/* A new row of zeros at the end, where it stays; a site: NULL above the maximum (then the verdict is at
 * least degraded). */
struct csn_status_site *csn_status_add_site(struct csn_status *status);
struct csn_status_zone *csn_status_add_zone(struct csn_status *status);
void csn_status_add_released(struct csn_status *status, struct csn_status_site *site,
                             const char *zone, uint32_t serial);
/* False above CSN_STATUS_SITES_MAX. */
bool csn_status_add_coordinator(struct csn_status *status, const struct csn_status_coordinator *row);
/* False above CSN_STATUS_COUNTERS_MAX. */
bool csn_status_add_counter(struct csn_status *status, const char *name, uint64_t value);
/* Rows of rows; false above CSN_STATUS_ROWS_MAX (orders: CSN_STATUS_ORDERS_MAX; documents, serving:
 * CSN_STATUS_SITES_MAX). Texts must be the status's own. */
bool csn_status_add_parked(struct csn_status *status, struct csn_status_zone *zone,
                           const struct csn_status_parked *row);
bool csn_status_add_diverged(struct csn_status *status, struct csn_status_zone *zone,
                             const struct csn_status_diverged *row);
bool csn_status_add_stale(struct csn_status *status, struct csn_status_zone *zone, const char *site);
bool csn_status_add_order(struct csn_status *status, struct csn_status_zone *zone,
                          const struct csn_status_order *row);
bool csn_status_add_serving(struct csn_status *status, struct csn_status_zone *zone,
                            const struct csn_status_serving *row);
bool csn_status_add_documents(struct csn_status *status, struct csn_status_zone *zone,
                              const struct csn_status_documents *row);

#define CSN_STATUS_CLOCK_AHEAD_S 60 /* as sites refuse a T (PROTOCOL.md, test 17) */
#define CSN_STATUS_NOT_YET_S 3600   /* a signature begins to be valid so long before T, or earlier: inception-offset */

/* Raises the verdict to at least `level` and gives the reason, once: cause and what to do next. Above
 * CSN_STATUS_ROWS_MAX the last of the mildest is dropped. */
void csn_status_blame(struct csn_status *status, enum csn_health level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* " since 2026-…Z"; nothing where that is not known. */
#define CSN_STATUS_SINCE_SIZE 64
void csn_status_since(uint64_t since_s, char ret_text[CSN_STATUS_SINCE_SIZE]);

/* Adds to the verdict what follows from the rows: fewer sites without error than the quorum, a site
 * with an error that is not in maintenance, no leader, a coordinator that is missing, a diverged site, a parked input, a zone held
 * by an operator or without release, an expiry inside a window. Call once, after filling. */
void csn_status_judge(struct csn_status *status);

/* How many sites must know an order until it is in force: without a quorum of the others what it
 * forbids cannot be done (n-q+1), what it allows needs a quorum. */
unsigned csn_status_needed(const struct csn_status *status, const char *order);

/* The newest certificate of a zone, taken apart. The daemon has verified it. */
struct csn_cert_signer {
    uint16_t number;
    const char *name;
    uint32_t incarnation;
};
struct csn_cert_view {
    struct csn_arena arena; /* owns every text */
    const char *zone;
    uint32_t serial;
    struct csn_status_input input;
    uint32_t epoch;
    uint64_t round_counter;
    uint16_t round_coordinator;
    uint32_t round_seq;
    uint32_t policy, keyset; /* versions */
    uint64_t time_s;         /* T */
    uint64_t schedule_s;     /* S */
    uint64_t records, signatures;
    uint64_t first_expiry_s;
    struct csn_digest content;
    struct csn_digest full;
    struct csn_cert_signer signers[CSN_STATUS_SITES_MAX]; /* ascending */
    uint32_t signer_count;
    struct csn_bytes certificate; /* as distributed; in the arena */
};
void csn_cert_view_fini(struct csn_cert_view *view);

#endif
