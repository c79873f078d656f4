/* What a coordinator that is asked says of its machine. */
#include "round/leader_state.h"

void csn_leader_get_status(const struct csn_leader *leader, struct csn_now now,
                           struct csn_leader_status *ret_status)
{
    *ret_status = (struct csn_leader_status){
        .state = leader->state, .term = leader->term, .rest_until_ms = leader->rest_until_ms};
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        ret_status->reporting =
            (uint8_t)(ret_status->reporting +
                      csn_peers_is_fresh(&leader->peers, i, now, CSN_SILENT_MS));
    }
}

void csn_leader_get_zone(const struct csn_leader *leader, size_t index,
                         struct csn_leader_zone_status *ret_status)
{
    REQUIRE(index < leader->zone_count);
    const struct csn_leader_zone *zone = &leader->zones[index];
    *ret_status = (struct csn_leader_zone_status){.zone = leader->configs[index].zone,
                                                  .last_end = zone->last_end,
                                                  .has_ended = zone->has_ended,
                                                  .newest = csn_leader_newest(zone),
                                                  .lead_site = zone->lead.site,
                                                  .deadline_ms = zone->deadline_ms,
                                                  .retry_ms = zone->retry_ms,
                                                  .is_disagreed = zone->is_disagreed,
                                                  .alarm = zone->alarm,
                                                  .disagreed_until_ms = zone->disagreed_until_ms,
                                                  .certificate = zone->has_newest ? &zone->newest : NULL};
    if (!zone->is_proposed) {
        return;
    }
    ret_status->proposal = &zone->proposal;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_fact *fact = csn_facts_find(&leader->facts, i, &zone->hash);
        if (fact != NULL) {
            ret_status->computed_count = (uint8_t)(ret_status->computed_count + fact->has_computed);
            ret_status->held_count = (uint8_t)(ret_status->held_count + fact->has_held);
            ret_status->refused_count = (uint8_t)(ret_status->refused_count + fact->is_refused);
        }
    }
}

bool csn_leader_get_share(const struct csn_leader *leader, size_t index, uint16_t site,
                          struct csn_round_share *ret_share)
{
    REQUIRE(index < leader->zone_count);
    const struct csn_leader_zone *zone = &leader->zones[index];
    int member = csn_member_index(&leader->cluster, site);
    struct csn_roots most;
    if (member < 0 || !zone->is_proposed) {
        return false;
    }
    const struct csn_fact *fact = csn_facts_find(&leader->facts, (unsigned)member, &zone->hash);
    bool is_any = csn_facts_most(&leader->facts, &zone->hash, &most) > 0;
    *ret_share = (struct csn_round_share){0};
    if (fact != NULL) {
        *ret_share = (struct csn_round_share){
            .has_voted = fact->has_held,
            .has_computed = fact->has_computed,
            .agrees = fact->has_computed && is_any && csn_roots_equal(&fact->roots, &most),
            .is_refused = fact->is_refused};
    }
    return true;
}

bool csn_leader_get_peer(const struct csn_leader *leader, uint16_t site,
                         struct csn_peer_status *ret_status)
{
    int member = csn_member_index(&leader->cluster, site);
    if (member < 0 || !leader->peers.peers[member].is_heard) {
        return false;
    }
    *ret_status = csn_peers_status(&leader->peers.peers[member], site);
    return true;
}

const struct csn_row *csn_leader_peer_row(const struct csn_leader *leader, uint16_t site,
                                          size_t zone)
{
    int member = csn_member_index(&leader->cluster, site);
    return member >= 0 ? csn_peers_row(&leader->peers, (unsigned)member, zone) : NULL;
}
