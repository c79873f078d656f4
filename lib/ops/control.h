/* control.h: the Unix socket between a daemon and the operators of its own site: consignctl asks,
 * the daemon answers for the cluster from what it knows. proto/control.proto in frames of u32
 * length; who may use it is the socket's mode, 0660.
 *
 * The server runs on the daemon's loop and answers at once from memory. A client that is slow,
 * silent or wrong is closed; it can cost the daemon nothing else. The client calls block, with a
 * deadline. */
#ifndef CSN_OPS_CONTROL_H
#define CSN_OPS_CONTROL_H

#include <uv.h>

#include "base/log.h"
#include "ops/explain.h"
#include "ops/membership.h"
#include "ops/status.h"

#define CSN_CONTROL_CLIENTS_MAX 16   /* connected at a time; for one more, the one idle longest is closed */
#define CSN_CONTROL_DOCUMENT_MAX (36 * 1024) /* octets of a signed cluster document */
/* Octets of a request; a longer one closes the connection. */
#define CSN_CONTROL_REQUEST_MAX (CSN_CONTROL_DOCUMENT_MAX + 4096)
/* Without a whole request, or with an answer not taken, for so long: closed. */
#define CSN_CONTROL_IDLE_MS 10000

/* An operator's statement, as he signed it: round/order.h. */
#define CSN_CONTROL_SIGNATURE_SIZE 64
struct csn_control_order {
    uint16_t signer;
    struct csn_bytes body; /* borrows */
    uint8_t signature[CSN_CONTROL_SIGNATURE_SIZE];
};

/* Which sites are to be compared over which serial of a zone; names as text. */
struct csn_control_diff {
    const char *zone, *first, *second; /* borrow */
    uint32_t serial;
};

/* Why a zone is as it is; or the refusals kept of a site, or of all, as they were signed. */
struct csn_control_explain {
    const char *zone, *site; /* borrow; site may be NULL */
    bool is_all;
};

/* Loop thread. All must answer at once. */
struct csn_control_handlers {
    void *arg;
    /* Fills an empty status, with its verdict (csn_status_judge): of its zones those that csn_status_is_shown tells. */
    void (*on_status)(void *arg, struct csn_status *ret_status);
    /* The newest certificate of a zone by its name as text ("ch.", "."); CSN_ENOTFOUND and a
     * reason. NULL: CSN_EREFUSED. */
    int (*on_cert_show)(void *arg, const char *zone, struct csn_cert_view *ret_view,
                        struct csn_reason *reason);
    /* CSN_ENOTFOUND and a reason: no such zone or site. NULL: CSN_EREFUSED. */
    int (*on_explain)(void *arg, const struct csn_control_explain *explain,
                      struct csn_explanation *ret_explanation, struct csn_reason *reason);
    /* CSN_OK: taken; else the reason says why not and what to do. NULL: CSN_EREFUSED. */
    int (*on_order)(void *arg, const struct csn_control_order *order, struct csn_reason *reason);
    /* Lines, appended; none: equal. CSN_EBUSY: it is being found out, ask again. NULL: CSN_EREFUSED. */
    int (*on_diff)(void *arg, const struct csn_control_diff *diff, struct csn_buf *ret_text,
                   struct csn_reason *reason);
    /* Names of a zone's kept reports, newest first, appended as lines; or the text of the one of this name. NULL:
     * CSN_EREFUSED. */
    int (*on_reports)(void *arg, const char *zone, const char *name, struct csn_buf *ret_text,
                      struct csn_reason *reason);
    /* CSN_OK: kept, or here already; else the reason says why not. `is_anyway`: also where the newest release of a zone would be
     * at too few sites. NULL: CSN_EREFUSED. */
    int (*on_propose)(void *arg, struct csn_bytes document, bool is_anyway, struct csn_reason *reason);
    /* How the members stand; the chain of epochs in hex, appended. NULL: CSN_EREFUSED. */
    int (*on_membership)(void *arg, struct csn_membership *ret_membership, struct csn_reason *reason);
    int (*on_chain)(void *arg, struct csn_buf *ret_text, struct csn_reason *reason);
};

struct csn_control;

/* A socket left by a daemon that died is replaced; CSN_EBUSY when one answers there. CSN_ELIMIT:
 * the path is too long for a socket; CSN_EIO. */
int csn_control_new(uv_loop_t *loop, const char *path, const struct csn_control_handlers *handlers,
                    const struct csn_log *log, struct csn_control **ret_control,
                    struct csn_reason *reason);
/* Removes the socket and closes every client; memory goes when the loop has turned. */
void csn_control_free(struct csn_control *take_control);

/* For consignctl: asks and waits at most `timeout_ms`. CSN_ECLOSED: nobody listens there, or it
 * hung up; CSN_EPERMISSION; CSN_ETIMEOUT; CSN_EFORMAT; or what the daemon answered. The reason says
 * what to do next. */
/* All pages, one after the other. */
int csn_control_ask_status(const char *path, uint32_t timeout_ms, struct csn_status *ret_status,
                           struct csn_reason *reason);
int csn_control_ask_cert(const char *path, uint32_t timeout_ms, const char *zone,
                         struct csn_cert_view *ret_view, struct csn_reason *reason);
int csn_control_ask_explain(const char *path, uint32_t timeout_ms,
                            const struct csn_control_explain *explain,
                            struct csn_explanation *ret_explanation, struct csn_reason *reason);
int csn_control_give_order(const char *path, uint32_t timeout_ms,
                           const struct csn_control_order *order, struct csn_reason *reason);
/* Asks again for as long as the daemon is at work on it; the text is appended, empty: equal. */
int csn_control_ask_diff(const char *path, uint32_t timeout_ms, const struct csn_control_diff *diff,
                         struct csn_buf *ret_text, struct csn_reason *reason);
int csn_control_ask_reports(const char *path, uint32_t timeout_ms, const char *zone, const char *name,
                            struct csn_buf *ret_text, struct csn_reason *reason);
int csn_control_propose(const char *path, uint32_t timeout_ms, struct csn_bytes document,
                        bool is_anyway, struct csn_reason *reason);
int csn_control_ask_membership(const char *path, uint32_t timeout_ms, struct csn_membership *ret_membership,
                               struct csn_reason *reason);
int csn_control_ask_chain(const char *path, uint32_t timeout_ms, struct csn_buf *ret_text, struct csn_reason *reason);

#endif
