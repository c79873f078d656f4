#include "coordinator_status.h"

#include <string.h>

#include "agreement.h"
#include "base/text.h"
#include "zone/input.h"

#define SILENT_MS 6000 /* a site not heard for longer is unreachable */
#define JUDGE_MS 1000  /* so often each zone is looked at for what must last to be said */
#define UNLED_MS 8000  /* so long without a leader is more than a change of leaders */

/* What the status is filled from. */
struct picture {
    const struct csn_coordinator *coordinator; /* borrows */
    const struct csn_cluster *cluster;         /* borrows */
    struct csn_now now;
    struct csn_leader_status core;
    struct csn_status *status; /* borrows */
};

/* Whom q sites that are heard promised to follow, and that leads as far as can be seen: a promise
 * outlives its holder, so this coordinator's own word counts for itself. 0: nobody. */
static uint16_t leader_of(const struct picture *picture)
{
    const struct csn_cluster *cluster = picture->cluster;
    uint16_t self = picture->coordinator->config->self->number;
    if (picture->core.state == CSN_LEADER_LEADING) {
        return self;
    }
    for (uint8_t i = 0; i < cluster->coordinator_count; i++) {
        uint16_t number = cluster->coordinators[i].number;
        unsigned followers = 0;
        for (uint8_t j = 0; j < cluster->member_count; j++) {
            struct csn_peer_status peer;
            followers += csn_leader_get_peer(picture->coordinator->core, cluster->members[j].number, &peer) &&
                         picture->now.mono_ms - peer.heard_ms <= SILENT_MS && peer.promised.coordinator == number;
        }
        if (number != self && followers >= cluster->quorum) {
            return number;
        }
    }
    return 0;
}

/* --- sites */

static bool fill_rows(const struct picture *picture, uint16_t site, struct csn_status_site *row)
{
    const struct csn_coordinator_config *config = picture->coordinator->config;
    bool is_diverged = false;
    for (size_t i = 0; i < config->zone_count; i++) {
        const struct csn_row *zone = csn_leader_peer_row(picture->coordinator->core, site, i);
        char name[CSN_NAME_TEXT_MAX];
        csn_name_text(config->zones[i].zone, name);
        if (csn_status_is_shown(picture->status, i) && zone != NULL && !csn_round_is_none(zone->released.round)) {
            csn_status_add_released(picture->status, row, csn_status_text(picture->status, "%s", name), zone->released_serial);
        }
        is_diverged |= zone != NULL && zone->diverged != 0;
    }
    return is_diverged;
}

static void fill_site(const struct picture *picture, const struct csn_member *member, struct csn_status_site *row)
{
    struct csn_peer_status peer;
    if (!csn_leader_get_peer(picture->coordinator->core, member->number, &peer)) {
        row->state = "unreachable";
        row->error = "not heard since this coordinator started";
        return;
    }
    bool is_diverged = fill_rows(picture, member->number, row);
    row->has_last_seen = true;
    row->last_seen_ms = picture->now.mono_ms - peer.heard_ms;
    if (row->last_seen_ms > SILENT_MS) { /* what it said of its clock and HSM is over */
        char ago[CSN_SPAN_TEXT_SIZE];
        csn_span_text(row->last_seen_ms / 1000, ago);
        row->state = "unreachable";
        row->error = csn_status_text(picture->status, "not heard for %s", ago);
        return;
    }
    row->state = csn_state_text(peer.state, is_diverged);
    row->has_clock_offset = true;
    row->clock_offset_us = ((int64_t)peer.clock_s - (int64_t)peer.heard_s) * 1000000;
    row->hsm = peer.hsm == CSN_HSM_GOOD ? "ok" : peer.hsm == CSN_HSM_ABSENT ? "none" : "bad";
    if (peer.hsm == CSN_HSM_BAD && !row->is_in_maintenance) {
        csn_status_blame(picture->status, CSN_HEALTH_DEGRADED, "%s: its HSM cannot sign; see consignctl status there", member->name);
    }
    if (peer.state == CSN_NODE_HALTED) {
        row->error = "halted: it votes no more; consignctl status there says why";
    }
}

static bool leads_any(const struct picture *picture, uint16_t site)
{
    for (size_t i = 0; i < picture->coordinator->config->zone_count; i++) {
        struct csn_leader_zone_status zone;
        csn_leader_get_zone(picture->coordinator->core, i, &zone);
        if (zone.lead_site == site) {
            return true;
        }
    }
    return false;
}

/* By its own last word: in each zone. */
static bool is_in_maintenance(const struct picture *picture, uint16_t site)
{
    bool is_in = picture->coordinator->config->zone_count > 0;
    for (size_t i = 0; is_in && i < picture->coordinator->config->zone_count; i++) {
        const struct csn_row *row = csn_leader_peer_row(picture->coordinator->core, site, i);
        is_in = row != NULL && (row->maintenance & CSN_MAINTENANCE_SITE) != 0;
    }
    return is_in;
}

static void fill_sites(const struct picture *picture)
{
    for (uint8_t i = 0; i < picture->cluster->member_count; i++) {
        const struct csn_member *member = &picture->cluster->members[i];
        struct csn_status_site *row = csn_status_add_site(picture->status);
        if (row == NULL) {
            return;
        }
        row->number = member->number;
        row->name = csn_status_text(picture->status, "%s", member->name);
        row->role = member->role == CSN_MEMBER_SIGNER ? "signer" : "verifier";
        row->leads = leads_any(picture, member->number);
        row->is_in_maintenance = is_in_maintenance(picture, member->number);
        fill_site(picture, member, row);
    }
}

static void fill_self(const struct picture *picture)
{
    struct csn_status_site *row = csn_status_add_site(picture->status);
    if (row == NULL) {
        return;
    }
    bool stands_by = picture->core.state == CSN_LEADER_ASKING && picture->status->leader != NULL;
    row->number = picture->coordinator->config->self->number;
    row->name = csn_status_text(picture->status, "%s", picture->coordinator->config->name);
    row->role = "coordinator";
    row->state = stands_by ? "standing by" : csn_leader_text(picture->core.state);
    row->leads = picture->core.state == CSN_LEADER_LEADING;
    row->has_last_seen = true;
}

static bool is_heard(const struct picture *picture, uint16_t site)
{
    struct csn_peer_status peer;
    return csn_leader_get_peer(picture->coordinator->core, site, &peer) &&
           picture->now.mono_ms - peer.heard_ms <= SILENT_MS;
}

/* --- the other coordinators */

/* More sites than may lie say that they hear it, of those that are heard. */
static bool is_told_of(const struct picture *picture, uint8_t place)
{
    unsigned found = 0;
    for (uint8_t i = 0; i < picture->cluster->member_count; i++) {
        uint16_t site = picture->cluster->members[i].number;
        found += is_heard(picture, site) && (csn_mesh_heard_by(picture->coordinator->mesh, site) & UINT32_C(1) << place) != 0;
    }
    return found > picture->cluster->faults;
}

static void fill_agreement(const struct picture *picture, size_t index, struct csn_agreement *ret_sites)
{
    *ret_sites = (struct csn_agreement){.count = picture->cluster->member_count, .quorum = picture->cluster->quorum};
    for (uint8_t i = 0; i < picture->cluster->member_count; i++) {
        const struct csn_member *member = &picture->cluster->members[i];
        ret_sites->names[i] = member->name;
        ret_sites->rows[i] = is_heard(picture, member->number)
                                 ? csn_leader_peer_row(picture->coordinator->core, member->number, index)
                                 : NULL;
    }
}

static void tick_stale(const struct picture *picture, size_t index)
{
    struct csn_agreement sites;
    struct csn_leader_zone_status core;
    fill_agreement(picture, index, &sites);
    csn_leader_get_zone(picture->coordinator->core, index, &core);
    const struct csn_input_id *released = core.certificate != NULL ? &core.certificate->held.proposal.input : NULL;
    csn_agreement_tick_stale(&sites, released, picture->now.wall_s, &picture->coordinator->stale[index]);
}

void csn_coordinator_status_tick(struct csn_coordinator *coordinator)
{
    struct picture picture = {.coordinator = coordinator, .cluster = &coordinator->config->cluster, .now = csn_coordinator_now()};
    for (uint8_t i = 0; i < picture.cluster->coordinator_count; i++) {
        coordinator->heard_ms[i] = is_told_of(&picture, i) ? picture.now.mono_ms : coordinator->heard_ms[i];
    }
    if (picture.now.mono_ms - coordinator->judged_ms < JUDGE_MS) {
        return;
    }
    coordinator->judged_ms = picture.now.mono_ms;
    for (size_t i = 0; i < coordinator->config->zone_count; i++) {
        tick_stale(&picture, i);
    }
}

static void fill_coordinators(const struct picture *picture)
{
    const struct csn_coordinator *coordinator = picture->coordinator;
    uint16_t leader = leader_of(picture);
    for (uint8_t i = 0; i < picture->cluster->coordinator_count; i++) {
        const struct csn_coordinator_id *id = &picture->cluster->coordinators[i];
        bool is_self = id->number == coordinator->config->self->number;
        uint64_t heard_ms = is_self ? picture->now.mono_ms : coordinator->heard_ms[i];
        uint64_t silent_ms = picture->now.mono_ms - (heard_ms != 0 ? heard_ms : coordinator->started_ms);
        struct csn_status_coordinator row = {.name = csn_status_text(picture->status, "%s", id->name),
                                             .leads = id->number == leader,
                                             .is_missing = silent_ms > UNLED_MS,
                                             .has_last_seen = heard_ms != 0,
                                             .last_seen_ms = heard_ms != 0 ? silent_ms : 0};
        csn_status_add_coordinator(picture->status, &row);
    }
}

/* --- zones */

/* The newest release that a site tells of; NULL: none. Borrows. */
static const struct csn_row *newest_row(const struct picture *picture, size_t index)
{
    const struct csn_row *newest = NULL;
    for (uint8_t i = 0; i < picture->cluster->member_count; i++) {
        const struct csn_row *row =
            csn_leader_peer_row(picture->coordinator->core, picture->cluster->members[i].number, index);
        bool has_released = row != NULL && !csn_round_is_none(row->released.round);
        if (has_released && (newest == NULL || csn_round_compare(row->released.round, newest->released.round) > 0)) {
            newest = row;
        }
    }
    return newest;
}

/* Sites that are heard and hold or serve this release: by the certificate, or by their word. As a node counts. */
static uint8_t count_holders(const struct picture *picture, size_t index, const struct csn_certificate *certificate)
{
    uint8_t count = 0;
    for (uint8_t i = 0; i < picture->cluster->member_count; i++) {
        const struct csn_member *member = &picture->cluster->members[i];
        const struct csn_row *row = csn_leader_peer_row(picture->coordinator->core, member->number, index);
        bool serves = row != NULL && csn_digest_equal(&row->released.full_root, &certificate->held.full_root);
        bool has_it = serves || csn_certificate_has_vote(certificate, member);
        count = (uint8_t)(count + (is_heard(picture, member->number) && has_it));
    }
    return count;
}

/* A standby may have missed votes and certificate: then only the serial is known, from the sites. */
static void fill_released(const struct picture *picture, size_t index, const struct csn_row *newest,
                          const struct csn_certificate *certificate, struct csn_status_zone *zone)
{
    bool is_known = certificate != NULL &&
                    (newest == NULL ||
                     csn_round_compare(certificate->held.proposal.round, newest->released.round) >= 0);
    zone->state = newest != NULL || is_known ? "released" : "none";
    if (!is_known) {
        zone->waiting_for = newest == NULL ? NULL
                                           : csn_status_text(picture->status, "serial %u is released; its certificate is not known here",
                                                             (unsigned)newest->released_serial);
        return;
    }

    const struct csn_body_held *held = &certificate->held;
    zone->has_released = true;
    zone->released = held->proposal.serial;
    zone->votes = count_holders(picture, index, certificate);
    zone->input = (struct csn_status_input){held->proposal.input.generation, held->proposal.input.serial};
    zone->released_at_s = held->proposal.time_s;
    csn_content_root(held->proposal.zone, held->proposal.serial, held->proposal.time_s, &held->roots, &zone->content);
    zone->full = held->full_root;
    zone->first_expiry_s = held->earliest_expiry_s;
}

static void fill_pending(const struct picture *picture, const struct csn_leader_zone_status *core,
                         struct csn_status_zone *zone)
{
    if (core->proposal != NULL) {
        zone->has_pending = true;
        zone->pending = core->proposal->serial;
        zone->waiting_for = csn_status_text(picture->status,
                                            "proposed: %u of %u sites computed it, %u of %u votes, %u refused",
                                            core->computed_count, picture->cluster->quorum, core->held_count,
                                            picture->cluster->quorum, core->refused_count);
    } else if (core->has_ended && core->last_end != CSN_ROUND_END_CERTIFIED) {
        zone->waiting_for = csn_status_text(picture->status, "the last round here was abandoned: %s",
                                            csn_round_end_text(core->last_end));
    }
}

static void add_documents(const struct picture *picture, const char *site, const struct csn_version_id *policy,
                          const struct csn_version_id *keyset, struct csn_status_zone *zone)
{
    struct csn_status_documents row = {.site = csn_status_text(picture->status, "%s", site),
                                       .policy = policy->number,
                                       .policy_head = csn_get_u32(policy->digest.octets),
                                       .keyset = keyset->number,
                                       .keyset_head = csn_get_u32(keyset->digest.octets)};
    csn_status_add_documents(picture->status, zone, &row);
}

/* Of the sites that are heard, and the own ones, with which this coordinator proposes. */
static void fill_documents(const struct picture *picture, size_t index, struct csn_status_zone *zone)
{
    const struct csn_coordinator *coordinator = picture->coordinator;
    const struct csn_coordinator_zone *own = &coordinator->config->zones[index];
    for (uint8_t i = 0; i < picture->cluster->member_count; i++) {
        const struct csn_member *member = &picture->cluster->members[i];
        const struct csn_row *row = csn_leader_peer_row(coordinator->core, member->number, index);
        if (row != NULL && is_heard(picture, member->number)) {
            add_documents(picture, member->name, &row->policy, &row->keyset, zone);
        }
    }
    add_documents(picture, coordinator->config->name, &own->policy.version, &own->keyset.version, zone);
}

/* --- what the sites say of their files */

/* As a site judges them; a standby that does not know the certificate does not know what was released. */
static void judge_files(const struct picture *picture, const struct csn_agreement *sites, size_t index,
                        const struct csn_certificate *certificate, struct csn_status_zone *zone)
{
    const struct csn_stale *stale = &picture->coordinator->stale[index];
    const struct csn_input_id *released = certificate != NULL ? &certificate->held.proposal.input : NULL;
    uint64_t patience_s = 2 * (uint64_t)picture->coordinator->config->zones[index].policy.round_deadline_ms / 1000;
    csn_agreement_judge(sites, zone->zone, released, picture->status);
    csn_agreement_blame_stale(sites, stale, patience_s, released, picture->status, zone);
}

/* Since when, sites know. */
static void add_parked(const struct picture *picture, const char *site, const struct csn_row *row, struct csn_status_zone *zone)
{
    struct csn_status_parked parked = {.site = csn_status_text(picture->status, "%s", site),
                                       .reason = csn_agreement_gate_text(row->gate),
                                       .gate = csn_gate_text(row->gate)};
    if (row->gate != CSN_GATE_NONE) {
        csn_status_add_parked(picture->status, zone, &parked);
    }
}

static void add_diverged(const struct picture *picture, const char *site, const struct csn_row *row, struct csn_status_zone *zone)
{
    char classes[5];
    csn_classes_text(row->diverged, classes);
    struct csn_status_diverged diverged = {.site = csn_status_text(picture->status, "%s", site),
                                           .classes = csn_status_text(picture->status, "%s", classes),
                                           .serial = row->released_serial};
    if (row->diverged != 0) {
        csn_status_add_diverged(picture->status, zone, &diverged);
    }
}

static void fill_files(const struct picture *picture, size_t index, const struct csn_certificate *certificate,
                       struct csn_status_zone *zone)
{
    struct csn_agreement sites;
    unsigned holds = 0;
    fill_agreement(picture, index, &sites);
    judge_files(picture, &sites, index, certificate, zone);
    for (uint8_t i = 0; i < sites.count; i++) {
        if (sites.rows[i] != NULL) {
            add_parked(picture, sites.names[i], sites.rows[i], zone);
            add_diverged(picture, sites.names[i], sites.rows[i], zone);
            holds += sites.rows[i]->is_held;
        }
    }
    if (holds > (unsigned)(sites.count - sites.quorum)) {
        zone->state = "held";
        csn_status_blame(picture->status, CSN_HEALTH_DEGRADED,
                         "%s held by an operator: it stays served, nothing new is released; who and why says a site's status", zone->zone);
    }
}

/* L3: what it cannot mend by proposing again. */
static void blame_alarm(const struct picture *picture, enum csn_leader_alarm alarm, const char *zone)
{
    static const char *const texts[] = {
        [CSN_ALARM_NO_AGREEABLE_SET] = "no round is proposed: no quorum of the sites that are heard would let the same one through; see "
                                       "policy, key set and floors (consignctl zone status --explain)",
        [CSN_ALARM_NO_AUTHORS] = "no round is proposed: no site that is heard can sign; see their HSMs",
        [CSN_ALARM_SERIAL_JUMP] = "the policy's serial is 1010000 or more after the last one: serials go on by one; if it is meant so, "
                                  "consignctl zone approve-serial (consignctl zone status --explain names the serial)"};
    if (picture->core.state == CSN_LEADER_LEADING && alarm != CSN_ALARM_NONE) {
        csn_status_blame(picture->status, CSN_HEALTH_DEGRADED, "zone %s: %s", zone, texts[alarm]);
    }
}

static void fill_zone(const struct picture *picture, size_t index)
{
    const struct csn_coordinator_zone *config = &picture->coordinator->config->zones[index];
    struct csn_status_zone *zone = csn_status_add_zone(picture->status);
    struct csn_leader_zone_status core;
    char name[CSN_NAME_TEXT_MAX];
    csn_leader_get_zone(picture->coordinator->core, index, &core);
    csn_name_text(config->zone, name);
    zone->zone = csn_status_text(picture->status, "%s", name);
    picture->status->about = zone;
    zone->voters = picture->cluster->member_count;
    uint64_t refresh_s = csn_policy_refresh_at(&config->policy, picture->now.wall_s);
    zone->expiry_warning_s = refresh_s / 2;
    zone->expiry_critical_s = refresh_s / 4;
    const struct csn_member *lead = csn_cluster_member(picture->cluster, core.lead_site);
    zone->lead = lead != NULL ? csn_status_text(picture->status, "%s", lead->name) : NULL;
    fill_released(picture, index, newest_row(picture, index), core.certificate, zone);
    fill_pending(picture, &core, zone);
    fill_documents(picture, index, zone);
    fill_files(picture, index, zone->has_released ? core.certificate : NULL, zone);
    blame_alarm(picture, core.alarm, zone->zone);
    picture->status->about = NULL;
}

/* --- all */

static const char *coordinator_names(const struct picture *picture)
{
    const char *names = picture->cluster->coordinators[0].name;
    for (uint8_t i = 1; i < picture->cluster->coordinator_count; i++) {
        names = csn_status_text(picture->status, "%s, %s", names, picture->cluster->coordinators[i].name);
    }
    return names;
}

static void fill_head(const struct picture *picture)
{
    const struct csn_cluster *cluster = picture->cluster;
    struct csn_status *status = picture->status;
    const struct csn_coordinator_id *leader = csn_cluster_coordinator(cluster, leader_of(picture));
    char id[2 * sizeof(cluster->id) + 1];
    csn_hex_encode(csn_bytes(cluster->id, sizeof(cluster->id)), id);
    status->cluster = csn_status_text(status, "%.8s", id);
    memcpy(status->cluster_id, cluster->id, sizeof(status->cluster_id));
    status->epoch = cluster->epoch;
    status->emergency_until_s = cluster->is_emergency ? cluster->emergency.not_after_s : 0;
    status->quorum = cluster->quorum;
    status->members = cluster->member_count;
    status->term = picture->core.term.counter;
    status->leader = leader != NULL ? csn_status_text(status, "%s", leader->name) : NULL;
    status->may_lead = coordinator_names(picture);
    status->is_electing = picture->now.mono_ms - picture->coordinator->started_ms < UNLED_MS;
    status->observed_from = csn_status_text(status, "%s", picture->coordinator->config->name);
    status->observed_at_s = picture->now.wall_s;
}

static void on_status(void *arg, struct csn_status *ret_status)
{
    const struct csn_coordinator *coordinator = arg;
    struct picture picture = {.coordinator = coordinator,
                              .cluster = &coordinator->config->cluster,
                              .now = csn_coordinator_now(),
                              .status = ret_status};
    csn_leader_get_status(coordinator->core, picture.now, &picture.core);
    fill_head(&picture);
    fill_coordinators(&picture);
    fill_sites(&picture);
    fill_self(&picture);
    ret_status->all_zones = (uint32_t)coordinator->config->zone_count;
    for (size_t i = ret_status->first_zone; i < coordinator->config->zone_count && csn_status_is_shown(ret_status, i); i++) {
        fill_zone(&picture, i);
    }
    csn_status_judge(ret_status);
}

uint16_t csn_coordinator_leader(const struct csn_coordinator *coordinator, struct csn_now now)
{
    struct picture picture = {.coordinator = coordinator, .cluster = &coordinator->config->cluster, .now = now};
    csn_leader_get_status(coordinator->core, now, &picture.core);
    return leader_of(&picture);
}

static int on_explain(void *arg, const struct csn_control_explain *explain, struct csn_explanation *ret_explanation,
                      struct csn_reason *reason)
{
    return csn_coordinator_explain(arg, explain, ret_explanation, reason);
}

int csn_coordinator_status_start(struct csn_coordinator *coordinator, struct csn_reason *reason)
{
    struct csn_control_handlers handlers = {.arg = coordinator, .on_status = on_status, .on_explain = on_explain};
    return csn_control_new(coordinator->loop, coordinator->config->control, &handlers, &coordinator->log,
                           &coordinator->control, reason);
}
