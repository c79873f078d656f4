/* notify.h: tells secondaries of a new serial (RFC 1996): by UDP, with the new SOA in the answer
 * section, signed where a key is configured, again with growing pauses until answered or given up.
 * The lead calls it after a release. Loop thread only. */
#ifndef CSN_XFR_NOTIFY_H
#define CSN_XFR_NOTIFY_H

#include <uv.h>

#include "base/log.h"
#include "config/node.h"
#include "dns/rrset.h"

#define CSN_NOTIFY_ATTEMPTS_MAX                                                                    \
    7 /* then the target is given up until the next release, and a warning says so */
#define CSN_NOTIFY_FIRST_MS                                                                        \
    1000 /* pause after the first; doubled each time: about two minutes in all */

struct csn_notify_counters {
    uint64_t sent;
    uint64_t answered; /* with NOERROR */
    uint64_t refused;  /* with another code; tried again */
    uint64_t ignored;  /* datagrams that answer nothing, or with a bad signature */
    uint64_t given_up;
    uint64_t pending; /* targets not done with now */
};

struct csn_notify;

/* To config->notify; config and log are borrowed until free. CSN_EIO. */
int csn_notify_new(uv_loop_t *loop, const struct csn_transfer_config *config,
                   const struct csn_log *log, struct csn_notify **ret_notify,
                   struct csn_reason *reason);
/* The memory goes when the loop has run the close callbacks. */
void csn_notify_free(struct csn_notify *take_notify);

/* Begins with every target; what is pending for this zone is forgotten. `soa` is the release's,
 * borrowed for the call. */
void csn_notify_zone(struct csn_notify *notify, const uint8_t *zone, const struct csn_rrset *soa);

void csn_notify_counters(const struct csn_notify *notify, struct csn_notify_counters *ret_counters);

#endif
