#include "transfer.h"

#include <stdio.h>
#include <stdlib.h>

#include "round/node.h"
#include "xfr/notify.h"
#include "xfr/server.h"
#include "zone/delta.h"

static bool is_behind(const struct csn_zone_shell *zone)
{
    struct csn_node_zone_status core;
    const struct csn_daemon *daemon = zone->daemon;
    csn_node_get_zone(daemon->core, (size_t)(zone - daemon->zones), csn_daemon_now(daemon), &core);
    return core.is_behind;
}

static void find(void *arg, const uint8_t *name, struct csn_xfr_zone *ret_zone)
{
    struct csn_daemon *daemon = arg;
    const struct csn_zone_shell *zone = csn_daemon_zone(daemon, name);
    *ret_zone = (struct csn_xfr_zone){.state = CSN_XFR_UNKNOWN};
    if (zone == NULL) {
        return;
    }
    ret_zone->state = CSN_XFR_HELD;
    if (!zone->serving.is_ready) {
        snprintf(ret_zone->text, sizeof(ret_zone->text), "no release is here yet");
    } else if (is_behind(zone)) {
        snprintf(ret_zone->text, sizeof(ret_zone->text), "behind: other sites serve a newer release");
    } else {
        uint64_t now_s = csn_daemon_now(daemon).wall_s;
        ret_zone->state = CSN_XFR_READY;
        ret_zone->left_s = zone->serving.expiry_s > now_s ? (uint32_t)(zone->serving.expiry_s - now_s) : 0;
    }
}

static int open_reader(void *arg, const uint8_t *name, void **ret_reader)
{
    struct csn_daemon *daemon = arg;
    const struct csn_zone_shell *zone = csn_daemon_zone(daemon, name);
    struct csn_table_reader *reader;
    if (zone == NULL || !zone->serving.is_ready) {
        return CSN_ENOTFOUND;
    }
    int code = csn_table_open(daemon->store, CSN_TABLE_VERSION, name, &zone->serving.full_root, &reader);
    if (code == CSN_OK) {
        *ret_reader = reader;
    }
    return code;
}

static int next_entry(void *reader, struct csn_entry *ret_entry)
{
    return csn_table_next(reader, ret_entry);
}

static void close_reader(void *take_reader)
{
    csn_table_close(take_reader);
}

/* --- changes */

struct changes {
    struct csn_deltas_reader *reader; /* owns */
    const uint8_t *zone;              /* borrows */
    struct csn_delta_name *names;     /* owns */
    size_t count, next;
    struct csn_delta delta;            /* borrows from the reader */
    struct csn_delta_records records;
    bool is_in_delta;
};

static void close_changes(void *take_changes)
{
    struct changes *changes = take_changes;
    csn_delta_records_fini(&changes->records);
    csn_deltas_close(changes->reader);
    free(changes->names);
    free(changes);
}

static int open_changes(void *arg, const uint8_t *name, uint32_t serial, void **ret_changes)
{
    struct csn_daemon *daemon = arg;
    const struct csn_zone_shell *zone = csn_daemon_zone(daemon, name);
    const struct csn_history *history = zone != NULL ? &zone->history : NULL;
    struct csn_delta_name *names;
    size_t count;
    if (history == NULL || !zone->serving.is_ready ||
        csn_lineage_find(&history->lineage, &zone->serving.full_root, history->zone_size, serial, &names, &count) != CSN_OK) {
        return CSN_ENOTFOUND;
    }
    struct changes *changes = csn_calloc(1, sizeof(*changes));
    *changes = (struct changes){.zone = zone->config->zone, .names = names, .count = count};
    int code = csn_deltas_open(daemon->store, &changes->reader);
    if (code != CSN_OK) {
        close_changes(changes);
        return code;
    }
    *ret_changes = changes;
    return CSN_OK;
}

static int enter_delta(struct changes *changes)
{
    struct csn_stored_delta stored;
    int code = csn_deltas_get(changes->reader, changes->zone, &changes->names[changes->next++], &stored);
    if (code == CSN_OK && csn_delta_decode(changes->zone, stored.octets, &changes->delta) != CSN_OK) {
        code = CSN_EDAMAGED;
    }
    if (code == CSN_OK) {
        csn_delta_records_begin(&changes->records, &changes->delta);
        changes->is_in_delta = true;
    }
    return code == CSN_ENOTFOUND ? CSN_EDAMAGED : code;
}

static int next_change(void *arg, struct csn_rrset *ret_rrset)
{
    struct changes *changes = arg;
    int code = changes->is_in_delta ? csn_delta_records_next(&changes->records, ret_rrset) : CSN_ENOTFOUND;
    while (code == CSN_ENOTFOUND && changes->next < changes->count) {
        code = enter_delta(changes);
        code = code == CSN_OK ? csn_delta_records_next(&changes->records, ret_rrset) : code;
    }
    return code;
}

int csn_transfer_start(struct csn_daemon *daemon, struct csn_reason *reason)
{
    daemon->source = (struct csn_xfr_source){
        .arg = daemon, .find = find, .open = open_reader, .next = next_entry, .close = close_reader,
        .open_changes = open_changes, .next_change = next_change, .close_changes = close_changes};
    const struct csn_transfer_config *config = &daemon->config->transfer;
    int code = csn_notify_new(daemon->loop, config, &daemon->log, &daemon->notify, reason);
    return code != CSN_OK ? code
                          : csn_xfr_server_new(daemon->loop, config, daemon->config->site, &daemon->source, &daemon->log,
                                               &daemon->xfr, reason);
}

typedef void soa_fn(struct csn_zone_shell *zone, const struct csn_rrset *soa);

static void notify(struct csn_zone_shell *zone, const struct csn_rrset *soa)
{
    csn_notify_zone(zone->daemon->notify, zone->config->zone, soa);
}

/* So long a secondary serves that hears of nobody. */
static void keep_expire(struct csn_zone_shell *zone, const struct csn_rrset *soa)
{
    struct csn_reader rdatas = csn_rdata_first(soa);
    struct csn_bytes rdata;
    struct csn_soa fields;
    if (csn_rdata_next(&rdatas, &rdata)) {
        csn_soa_fields(rdata, &fields);
        zone->serving.soa_expire_s = fields.expire;
    }
}

static void with_soa(struct csn_zone_shell *zone, soa_fn *fn)
{
    struct csn_table_reader *reader;
    struct csn_entry soa;
    if (!zone->serving.is_ready || csn_table_open(zone->daemon->store, CSN_TABLE_VERSION, zone->config->zone,
                                                  &zone->serving.full_root, &reader) != CSN_OK) {
        return;
    }
    if (csn_table_seek(reader, zone->config->zone, CSN_TYPE_SOA) == CSN_OK && csn_table_next(reader, &soa) == CSN_OK &&
        soa.rrset.type == CSN_TYPE_SOA) {
        fn(zone, &soa.rrset);
    }
    csn_table_close(reader);
}

static bool leads(const struct csn_zone_shell *zone)
{
    const struct csn_daemon *daemon = zone->daemon;
    return csn_node_zone_lead(daemon->core, (size_t)(zone - daemon->zones)) == daemon->config->member->number;
}

/* Sites that are heard and serve what this one does, itself too; 0: one that is heard does not. */
static unsigned served_at(const struct csn_zone_shell *zone)
{
    const struct csn_daemon *daemon = zone->daemon;
    const struct csn_cluster *cluster = &daemon->config->cluster;
    uint64_t now_ms = csn_daemon_now(daemon).mono_ms;
    unsigned found = 1;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        uint16_t site = cluster->members[i].number;
        const struct csn_row *row = csn_node_peer_row(daemon->core, site, zone->config->zone);
        struct csn_peer_status peer;
        bool is_heard = csn_node_get_peer(daemon->core, site, &peer) && now_ms - peer.heard_ms < CSN_SILENT_MS;
        if (site != daemon->config->member->number && is_heard) {
            if (row == NULL || !csn_digest_equal(&row->released.full_root, &zone->serving.full_root)) {
                return 0;
            }
            found++;
        }
    }
    return found;
}

/* Told at once, and again when every site serves it that is heard, and when one more does that was not heard: a secondary may
 * ask another of its primaries than the one that told it, find nothing newer there, and wait for its refresh. */
static void tell(struct csn_zone_shell *zone)
{
    zone->told = zone->serving.full_root;
    zone->told_sites = served_at(zone);
    with_soa(zone, notify);
}

static bool is_news(const struct csn_zone_shell *zone)
{
    bool is_told = csn_digest_equal(&zone->told, &zone->serving.full_root);
    unsigned sites = served_at(zone);
    return zone->serving.is_ready && sites > (is_told ? zone->told_sites : 0);
}

void csn_transfer_released(struct csn_zone_shell *zone)
{
    with_soa(zone, keep_expire);
    if (leads(zone)) {
        tell(zone);
    }
}

void csn_transfer_tick(struct csn_zone_shell *zone)
{
    bool is_lead = leads(zone);
    if (is_lead && !zone->was_lead) {
        csn_log(&zone->daemon->log, CSN_INFO, "notify.lead", "zone %s: this site notifies the secondaries from now on", zone->name);
    }
    if (is_lead && (!zone->was_lead || is_news(zone))) {
        tell(zone);
    }
    zone->was_lead = is_lead;
}
