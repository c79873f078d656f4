/* trace.h: the round core's trace records in words: the fields that mean something for a record's
 * kind as `name value` pairs, states and ends by their names. For the logs of consign-node and
 * consign-coordinator. Pure; any thread. */
#ifndef CSN_NODE_TRACE_H
#define CSN_NODE_TRACE_H

#include "base/log.h"
#include "round/node.h"

#define CSN_TRACE_TEXT_SIZE 1536

/* "released zone ch. round 7.1.42 serial 2026112104 root 51d07e1000c0ffee". `zone` may be NULL, and
 * is left out of records that are of no zone. * Numbers that are no state or end are shown as `?`.
 */
void csn_trace_write(const struct csn_trace *trace, const char *zone,
                     char ret_text[CSN_TRACE_TEXT_SIZE]);

/* A site's state as operators see it. */
const char *csn_state_text(enum csn_node_state state, bool is_diverged);

/* Why a node is halted, and what to do; NULL: it is not. */
const char *csn_halt_text(enum csn_halt halt);

/* What the core dropped, by reason. What no healthy cluster shows is logged as a warning when it is
 * first seen, and from then on counted only. */
struct csn_dropped {
    uint64_t counts[CSN_COUNTS_MAX]; /* by enum csn_count_reason */
};
/* `cluster_path`: this process's cluster document, for the next step. */
void csn_dropped_count(struct csn_dropped *dropped, enum csn_count_reason reason,
                       const char *cluster_path, const struct csn_log *log);

#endif
