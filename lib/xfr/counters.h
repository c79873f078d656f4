/* counters.h: what the transfer server counts. */
#ifndef CSN_XFR_COUNTERS_H
#define CSN_XFR_COUNTERS_H

#include <stdint.h>

struct csn_xfr_counters {
    uint64_t queries;     /* that could be read */
    uint64_t dropped;     /* not a query, or a reply that could not be sent */
    uint64_t refused;     /* by address or key */
    uint64_t tsig_failed; /* unknown key, bad signature, bad time */
    uint64_t not_ready;   /* SERVFAIL because the zone is held */
    uint64_t transfers;   /* sent whole */
    uint64_t transfers_failed;
    uint64_t octets;              /* of transfers */
    uint64_t connections_refused;   /* over a maximum */
    uint64_t connections_displaced; /* idle ones, closed for a newer one over a maximum */
    uint64_t connections;           /* open now */
};

#endif
