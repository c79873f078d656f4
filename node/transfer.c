#include "transfer.h"

int csn_transfer_start(struct csn_daemon *daemon, struct csn_reason *reason)
{
    (void)daemon;
    (void)reason;
    return CSN_OK;
}

void csn_transfer_notify(struct csn_zone_shell *zone)
{
    (void)zone;
}
