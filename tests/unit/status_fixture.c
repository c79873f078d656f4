#include "status_fixture.h"

#include <string.h>

void fill_site(struct csn_status *status, uint16_t number, const char *name)
{
    struct csn_status_site *site = csn_status_add_site(status);
    site->number = number;
    site->name = name;
    site->role = "signer";
    site->state = "ok";
    site->has_last_seen = true;
    site->last_seen_ms = 100u * number;
    site->has_clock_offset = true;
    site->clock_offset_us = -1100;
    site->hsm = "ok";
    csn_status_add_released(status, site, "ch.", 2026112104);
    csn_status_add_released(status, site, "li.", 2026112102);
    csn_status_add_released(status, site, "nu.", 2026112117);
}

static struct csn_status_zone *fill_zone(struct csn_status *status)
{
    struct csn_status_zone *zone = csn_status_add_zone(status);
    zone->zone = "ch.";
    zone->state = "released";
    zone->has_released = true;
    zone->released = 2026112104;
    zone->input = (struct csn_status_input){.generation = 1, .serial = 77};
    zone->votes = zone->voters = 3;
    zone->released_at_s = NOW - 42;
    memset(zone->content.octets, 0x9f, CSN_DIGEST_SIZE);
    memset(zone->full.octets, 0x51, CSN_DIGEST_SIZE);
    zone->first_expiry_s = NOW + 10 * 86400;
    zone->expiry_warning_s = 5 * 86400;
    zone->expiry_critical_s = 3 * 86400;
    return zone;
}

void fill(struct csn_status *status)
{
    status->cluster = "tld-prod";
    memset(status->cluster_id, 0xc1, sizeof(status->cluster_id));
    status->epoch = 7;
    status->quorum = 2;
    status->members = 3;
    status->term = 42;
    status->leader = "c1";
    status->observed_from = "zrh";
    status->observed_at_s = NOW;
    fill_site(status, 1, "zrh");
    fill_site(status, 2, "sjc");
    fill_site(status, 3, "sin");
    fill_zone(status);
}
