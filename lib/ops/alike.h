/* alike.h: causes that many zones share, so that each is told in one line with its zones: one bad PIN stops them all. Pure;
 * borrows causes and names. One thread. */
#ifndef CSN_OPS_ALIKE_H
#define CSN_OPS_ALIKE_H

#include "ops/status.h"

#define CSN_ALIKE_NAMES 3 /* zones that are named of many */

struct csn_alike {
    const char *cause;
    const char *names[CSN_ALIKE_NAMES];
    uint32_t count;
};

/* Of zeros: empty. More causes than reasons are shown are left out. */
struct csn_alikes {
    struct csn_alike rows[CSN_STATUS_ROWS_MAX];
    uint32_t count;
};

void csn_alikes_add(struct csn_alikes *alikes, const char *cause, const char *zone);

/* "zone ch.", "2 zones (ch., li.)", "200 zones (ch., li., nu. and others)"; the status's own. */
const char *csn_alike_zones(const struct csn_alike *alike, struct csn_status *status);

#endif
