#include "round/leader.h"

#include <stdlib.h>
#include <string.h>

#include "round/leader_state.h"

const struct csn_round_zone *csn_leader_config(const struct csn_leader *leader,
                                               const struct csn_leader_zone *zone)
{
    return &leader->configs[zone->index];
}

struct csn_trace *csn_leader_trace(struct csn_leader *leader, enum csn_trace_kind what,
                                   const struct csn_leader_zone *zone)
{
    const uint8_t *name = zone != NULL ? csn_leader_config(leader, zone)->zone : NULL;
    struct csn_effect *effect = csn_effects_add(leader->effects, CSN_EFFECT_TRACE, name);
    effect->trace.what = (uint8_t)what;
    return &effect->trace;
}

/* --- zones of a step */

void csn_leader_touch(struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    leader->is_hot[zone->index] = true;
    if (!leader->is_touched[zone->index]) {
        leader->is_touched[zone->index] = true;
        leader->touched[leader->touched_count++] = zone->index;
    }
}

static void forget_touched(struct csn_leader *leader)
{
    for (size_t i = 0; i < leader->touched_count; i++) {
        leader->is_touched[leader->touched[i]] = false;
    }
    leader->touched_count = 0;
}

void csn_leader_not_at_work(struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    size_t at = 0;
    while (leader->at_work[at] != zone->index) {
        at++;
    }
    leader->at_work[at] = leader->at_work[--leader->at_work_count];
    leader->is_hot[zone->index] = true;
}

/* --- what is known of nodes */

bool csn_leader_is_fresh(const struct csn_leader *leader, unsigned member)
{
    return csn_peers_is_fresh(&leader->peers, member, leader->now, CSN_SILENT_MS);
}

const struct csn_row *csn_leader_ready(const struct csn_leader *leader,
                                       const struct csn_leader_zone *zone, unsigned member)
{
    const struct csn_row *row = csn_peers_row(&leader->peers, member, zone->index);
    bool is_ready = csn_leader_is_fresh(leader, member) &&
                    leader->peers.peers[member].report.state == CSN_NODE_OK && row != NULL &&
                    !row->is_held;
    return is_ready ? row : NULL;
}

unsigned csn_leader_ready_count(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    unsigned ready = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        ready += csn_leader_ready(leader, zone, i) != NULL;
    }
    return ready;
}

uint64_t csn_leader_clock_s(const struct csn_leader *leader, unsigned member)
{
    const struct csn_peer *peer = &leader->peers.peers[member];
    return peer->report.clock_s + (leader->now.mono_ms - peer->heard.mono_ms) / 1000;
}

bool csn_leader_is_followed(const struct csn_leader *leader, unsigned member)
{
    return csn_leader_is_fresh(leader, member) &&
           csn_term_compare(leader->peers.peers[member].report.promised, leader->term) == 0;
}

/* --- step */

/* Rounds at work: those touched, at a tick all. */
static void advance_rounds(struct csn_leader *leader, bool is_tick)
{
    size_t zones[CSN_ROUNDS_AT_WORK_MAX];
    size_t count = leader->at_work_count;
    memcpy(zones, leader->at_work, count * sizeof(zones[0]));
    for (size_t i = 0; i < count && leader->state == CSN_LEADER_LEADING; i++) {
        struct csn_leader_zone *zone = &leader->zones[zones[i]];
        if (zone->is_proposed && (is_tick || leader->is_touched[zones[i]])) {
            csn_round_advance(leader, zone);
        }
    }
}

#define SCAN_LEAST 64 /* zones looked at in a tick though nothing was heard of them */
#define SCAN_SHARE 32 /* of more, this part: each within 1.6 s */

static void propose(struct csn_leader *leader, size_t index)
{
    struct csn_leader_zone *zone = &leader->zones[index];
    if (!zone->is_proposed && leader->now.mono_ms >= zone->retry_ms) {
        leader->is_hot[index] = false;
        csn_leader_propose(leader, zone);
    }
}

static bool may_begin(const struct csn_leader *leader)
{
    return leader->state == CSN_LEADER_LEADING && leader->at_work_count < CSN_ROUNDS_AT_WORK_MAX;
}

/* One more is begun where there is room: for what is hot at this tick, for the others in time. Who found no room is next. */
static void propose_by_turns(struct csn_leader *leader)
{
    for (size_t i = 0; i < leader->zone_count && may_begin(leader); i++) {
        size_t index = leader->hot_cursor;
        leader->hot_cursor = (index + 1) % leader->zone_count;
        if (leader->is_hot[index]) {
            propose(leader, index);
        }
    }
    size_t cold = leader->zone_count / SCAN_SHARE + SCAN_LEAST;
    for (size_t i = 0; i < cold && i < leader->zone_count && may_begin(leader); i++) {
        size_t index = leader->scan_cursor;
        leader->scan_cursor = (index + 1) % leader->zone_count;
        propose(leader, index);
    }
}

static void advance_zones(struct csn_leader *leader, bool is_tick)
{
    advance_rounds(leader, is_tick);
    if (is_tick) {
        propose_by_turns(leader);
    }
}

void csn_leader_step(struct csn_leader *leader, const struct csn_event *event,
                     struct csn_effects *effects)
{
    leader->now = event->now;
    leader->effects = effects;
    csn_leader_take(leader, event);
    csn_leader_advance_term(leader);
    advance_zones(leader, event->kind == CSN_EVENT_TICK);
    csn_leader_heartbeat(leader);
    forget_touched(leader);
    leader->effects = NULL;
}

struct csn_leader *csn_leader_new(const struct csn_cluster *cluster, uint16_t coordinator,
                                  const struct csn_round_zone *zones, size_t zone_count)
{
    struct csn_leader *leader = csn_calloc(1, sizeof(*leader));
    REQUIRE(csn_cluster_coordinator(cluster, coordinator) != NULL);
    leader->cluster = *cluster;
    leader->coordinator = coordinator;
    leader->zone_count = zone_count;
    leader->configs = csn_calloc(zone_count, sizeof(*leader->configs));
    leader->zones = csn_calloc(zone_count, sizeof(*leader->zones));
    leader->touched = csn_calloc(zone_count, sizeof(*leader->touched));
    leader->is_touched = csn_calloc(zone_count, sizeof(*leader->is_touched));
    leader->is_hot = csn_calloc(zone_count, sizeof(*leader->is_hot));
    leader->rest_s = 1;
    leader->call_back_ms = CSN_CALL_BACK_MS;
    for (size_t i = 0; i < zone_count; i++) {
        leader->configs[i] = zones[i];
        leader->zones[i].index = i;
        leader->zones[i].deadline_factor = 1;
        csn_tally_init(&leader->zones[i].tally, cluster->member_count);
    }
    csn_peers_init(&leader->peers, &leader->cluster, leader->configs, zone_count);
    csn_facts_init(&leader->facts, cluster->member_count, zone_count);
    return leader;
}

void csn_leader_free(struct csn_leader *take_leader)
{
    if (take_leader == NULL) {
        return;
    }
    for (size_t i = 0; i < take_leader->zone_count; i++) {
        csn_tally_fini(&take_leader->zones[i].tally);
        csn_buf_fini(&take_leader->zones[i].newest_octets);
    }
    csn_peers_fini(&take_leader->peers);
    csn_facts_fini(&take_leader->facts);
    free(take_leader->configs);
    free(take_leader->zones);
    free(take_leader->touched);
    free(take_leader->is_touched);
    free(take_leader->is_hot);
    free(take_leader);
}
