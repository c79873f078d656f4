#include "ops/alike.h"

#include <inttypes.h>
#include <string.h>

void csn_alikes_add(struct csn_alikes *alikes, const char *cause, const char *zone)
{
    uint32_t i = 0;
    while (i < alikes->count && strcmp(alikes->rows[i].cause, cause) != 0) {
        i++;
    }
    if (i == CSN_STATUS_ROWS_MAX) {
        return;
    }
    struct csn_alike *row = &alikes->rows[i];
    alikes->count += i == alikes->count;
    row->cause = cause;
    if (row->count < CSN_ALIKE_NAMES) {
        row->names[row->count] = zone;
    }
    row->count++;
}

const char *csn_alike_zones(const struct csn_alike *alike, struct csn_status *status)
{
    const char *names = alike->names[0];
    if (alike->count == 1) {
        return csn_status_text(status, "zone %s", names);
    }
    for (uint32_t i = 1; i < alike->count && i < CSN_ALIKE_NAMES; i++) {
        names = csn_status_text(status, "%s, %s", names, alike->names[i]);
    }
    return csn_status_text(status, "%" PRIu32 " zones (%s%s)", alike->count, names, alike->count > CSN_ALIKE_NAMES ? " and others" : "");
}
