#include "round/peers.h"

#include <stdlib.h>
#include <string.h>

void csn_peers_init(struct csn_peers *peers, const struct csn_cluster *cluster,
                    const struct csn_round_zone *zones, size_t zone_count)
{
    *peers = (struct csn_peers){.cluster = cluster, .zones = zones, .zone_count = zone_count};
    for (size_t i = 0; i < zone_count; i++) {
        REQUIRE(csn_name_map_add(&peers->names, zones[i].zone));
    }
    for (unsigned i = 0; i < cluster->member_count; i++) {
        peers->peers[i].rows = csn_calloc(zone_count, sizeof(struct csn_row));
        peers->peers[i].has_row = csn_calloc(zone_count, sizeof(bool));
    }
}

void csn_peers_fini(struct csn_peers *peers)
{
    for (unsigned i = 0; i < peers->cluster->member_count; i++) {
        free(peers->peers[i].rows);
        free(peers->peers[i].has_row);
    }
    csn_name_map_fini(&peers->names);
}

int csn_member_index(const struct csn_cluster *cluster, uint16_t site)
{
    for (unsigned i = 0; i < cluster->member_count; i++) {
        if (cluster->members[i].number == site) {
            return (int)i;
        }
    }
    return -1;
}

int csn_zone_index(const struct csn_peers *peers, const uint8_t *zone)
{
    size_t place = csn_name_map_find(&peers->names, zone);
    return place != CSN_NAME_MAP_NONE ? (int)place : -1;
}

static bool is_later(const struct csn_body_report *a, const struct csn_body_report *b)
{
    return a->boot != b->boot ? a->boot > b->boot : a->seq > b->seq;
}

static void take_rows(struct csn_peers *peers, struct csn_peer *peer, struct csn_bytes rows)
{
    struct csn_reader reader = csn_reader(rows);
    struct csn_row row;
    peers->taken_count = 0;
    while (csn_row_next(&reader, &row) && peers->taken_count < CSN_REPORT_ROWS_MAX) {
        int zone = csn_zone_index(peers, row.zone);
        if (zone >= 0) {
            peer->rows[zone] = row;
            peer->has_row[zone] = true;
            peers->taken[peers->taken_count++] = (size_t)zone;
        }
    }
}

int csn_peers_take(struct csn_peers *peers, unsigned member, struct csn_bytes body,
                   struct csn_now now)
{
    struct csn_peer *peer = &peers->peers[member];
    struct csn_body_report report;
    peers->taken_count = 0;
    if (csn_body_report_decode(body, &report) != CSN_OK) {
        return CSN_EFORMAT;
    }
    if (peer->is_heard && !is_later(&report, &peer->report)) {
        return report.boot < peer->report.boot ? CSN_EREFUSED : CSN_EEXISTS;
    }
    if (peer->is_heard && report.boot != peer->report.boot) {
        memset(peer->has_row, 0, peers->zone_count * sizeof(bool));
    }
    if (report.epoch == peers->cluster->epoch) {
        take_rows(peers, peer, report.rows);
    } else { /* its rows are of another epoch's rounds */
        memset(peer->has_row, 0, peers->zone_count * sizeof(bool));
    }
    report.rows = csn_bytes(NULL, 0);
    peer->report = report;
    peer->heard = now;
    peer->is_heard = true;
    return CSN_OK;
}

const struct csn_row *csn_peers_row(const struct csn_peers *peers, unsigned member, size_t zone)
{
    const struct csn_peer *peer = &peers->peers[member];
    return peer->has_row[zone] ? &peer->rows[zone] : NULL;
}

bool csn_peers_is_fresh(const struct csn_peers *peers, unsigned member, struct csn_now now,
                        uint64_t silent_ms)
{
    const struct csn_peer *peer = &peers->peers[member];
    return peer->is_heard && peer->report.epoch == peers->cluster->epoch &&
           now.mono_ms - peer->heard.mono_ms < silent_ms;
}

struct csn_peer_status csn_peers_status(const struct csn_peer *peer, uint16_t site)
{
    return (struct csn_peer_status){
        .site = site,
        .heard_ms = peer->heard.mono_ms,
        .boot = peer->report.boot,
        .clock_s = peer->report.clock_s,
        .heard_s = peer->heard.wall_s,
        .state = peer->report.state,
        .hsm = peer->report.hsm,
        .promised = peer->report.promised,
        .epoch = peer->report.epoch,
        .next = peer->report.next,
    };
}
