#include "ctl_picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct csn_status_site *add_site(struct csn_status *status, uint16_t number, const char *name)
{
    struct csn_status_site *site = csn_status_add_site(status);
    site->number = number;
    site->name = name;
    site->role = "signer";
    site->state = "ok";
    site->hsm = "ok";
    site->has_last_seen = true;
    site->last_seen_ms = (uint64_t)(number - 1) * 400;
    site->has_clock_offset = true;
    site->clock_offset_us = number == 2 ? -1000000 : 0;
    csn_status_add_released(status, site, "ch.", 2026112104);
    return site;
}

struct csn_status_zone *add_zone(struct csn_status *status, const char *name, uint32_t serial)
{
    struct csn_status_zone *zone = csn_status_add_zone(status);
    zone->zone = name;
    zone->state = "released";
    zone->has_released = true;
    zone->released = serial;
    zone->input = (struct csn_status_input){.generation = 1, .serial = 77};
    zone->votes = zone->voters = 3;
    zone->released_at_s = status->observed_at_s - 42;
    memset(zone->content.octets, 0x9f, CSN_DIGEST_SIZE);
    memset(zone->full.octets, 0x51, CSN_DIGEST_SIZE);
    zone->first_expiry_s = status->observed_at_s + 10 * 86400 + 8 * 3600;
    return zone;
}

void fill(struct csn_status *status, uint64_t now_s)
{
    status->cluster = "tld-prod";
    status->quorum = 2;
    status->members = 3;
    status->term = 42;
    status->leader = "c1";
    status->observed_from = "zrh";
    status->observed_at_s = now_s;
    add_site(status, 1, "zrh")->leads = true;
    add_site(status, 2, "sjc");
    add_site(status, 3, "sin");
    add_zone(status, "ch.", 2026112104);
}

void spoil(struct csn_status *status)
{
    status->sites[1]->state = "unreachable";
    status->sites[1]->error = csn_status_text(status, "not heard for 47s");
    status->sites[1]->has_last_seen = false;
    status->sites[2]->state = "diverged";
    status->sites[2]->hsm = "wrong key, zone ch.: the token's public key of zsk-1 is not the key "
                            "set's; it signs nothing until that is so";
    struct csn_status_diverged diverged = {.site = "sin",
                                           .classes = "N",
                                           .serial = 2026112105,
                                           .since_s = NOW - 180,
                                           .detail = "example.ch. NSEC"};
    struct csn_status_parked parked = {.site = "zrh",
                                       .reason = "12 % fewer records",
                                       .has_serial = true,
                                       .serial = 7,
                                       .since_s = NOW - 60};
    struct csn_status_zone *zone = status->zones[0];
    assert_true(csn_status_add_diverged(status, zone, &diverged));
    assert_true(csn_status_add_parked(status, zone, &parked));
    zone->votes = 2;
    zone->has_pending = true;
    zone->pending = 2026112106;
    zone->waiting_for = "one more vote";
}

json_t *parsed(char *take_text)
{
    json_error_t error;
    json_t *json = json_loads(take_text, 0, &error);
    assert_non_null(json);
    free(take_text);
    return json;
}
