/* intake.h: a zone's unsigned zone file, from the folder it is put in to an input in the store:
 * watched, read into memory, parsed, prepared, gated, stored. What is refused or kept back by a gate,
 * and a file that is gone or cannot be read, is parked with its reason until a new input comes; the
 * released zone goes on. Loop thread; the heavy part runs in a worker thread. */
#ifndef CSN_NODE_INTAKE_H
#define CSN_NODE_INTAKE_H

#include <uv.h>

#include "base/log.h"
#include "config/node.h"
#include "job.h"
#include "quarantine.h"
#include "watch.h"
#include "zone/prepare.h"
#include "zone/store.h"

/* An input that is not taken. */
struct csn_parked {
    enum csn_gate gate; /* CSN_GATE_NONE: nothing is parked */
    struct csn_reason reason;
    bool has_serial; /* it is a zone: D(received) is known too */
    uint32_t serial;
    struct csn_digest received;
    uint64_t since_s; /* Unix */
};

/* What operators ordered about inputs (round/order.h). */
struct csn_intake_orders {
    uint32_t generation;        /* of inputs read from now on */
    struct csn_digest approved; /* D(received) that passes the gates but those of the serial; zeros: none */
    struct csn_digest rejected; /* D(received) that is not shown when it is parked; zeros: none */
};

/* A new input, borrowed; durable in the store. */
typedef void csn_intake_fn(void *arg, struct csn_input *input, uint32_t generation);
/* What is parked has changed: csn_intake_parked tells. */
typedef void csn_intake_parked_fn(void *arg, enum csn_gate gate);
/* The store failed with this code: the caller stops the process. */
typedef void csn_intake_failed_fn(void *arg, int code, const struct csn_reason *reason);

struct csn_intake_settings { /* borrows, for the intake's life */
    uv_loop_t *loop;
    struct csn_lane *lane; /* for big files */
    struct csn_watcher *watcher;
    const struct csn_log *log;
    const struct csn_zone_config *zone;
    struct csn_store *store;
    struct csn_quarantine *quarantine; /* of this store */
    struct csn_intake_orders orders; /* known so far */
    csn_intake_fn *on_input;
    csn_intake_parked_fn *on_parked;
    csn_intake_failed_fn *on_failed;
    void *arg;
};

struct csn_intake;

int csn_intake_new(const struct csn_intake_settings *settings, struct csn_intake **ret_intake, struct csn_reason *reason);
/* The input of the newest release, against which the gates compare; takes a reference of its own. Generation and serial are
 * given apart: inputs are kept by their data, which may have come again under others. No intake (NULL): nothing to do. */
void csn_intake_set_released(struct csn_intake *intake, struct csn_input *input, uint32_t generation, uint32_t serial);
/* These are in force from now on: the file is read again where that may matter, never from inside this call. No intake (NULL):
 * nothing to do. */
void csn_intake_obey(struct csn_intake *intake, const struct csn_intake_orders *orders);
/* Borrowed until the loop runs again. */
const struct csn_parked *csn_intake_parked(const struct csn_intake *intake);
/* The same, of what a gate keeps back and an operator rejected: still the newest file, and it may be approved yet. No intake
 * (NULL), or nothing rejected: NULL. */
const struct csn_parked *csn_intake_rejected(const struct csn_intake *intake);

#endif
