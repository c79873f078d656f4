/* What a coordinator knows of a zone, for explain.h: it alone knows when it proposes again. */
#include "coordinator_status.h"

#include <string.h>

#include "explain.h"

struct gathering {
    const struct csn_coordinator *coordinator; /* borrows */
    size_t index;
    struct csn_now now;
    struct csn_leader_status leader;
    struct csn_leader_zone_status core;
    const struct csn_input_id *input; /* the newest that a site has, after the release's; NULL: none */
    struct csn_explain_facts facts;
};

/* 0: not in the future. */
static uint64_t wall_of(const struct gathering *gathering, uint64_t at_ms)
{
    return at_ms > gathering->now.mono_ms ? gathering->now.wall_s + (at_ms - gathering->now.mono_ms) / 1000 : 0;
}

static const struct csn_row *row_of(const struct gathering *gathering, uint16_t site)
{
    return csn_leader_peer_row(gathering->coordinator->core, site, gathering->index);
}

static bool is_newer(const struct gathering *gathering, const struct csn_input_id *input)
{
    const struct csn_certificate *newest = gathering->core.certificate;
    const struct csn_input_id *before = gathering->input != NULL ? gathering->input
                                        : newest != NULL         ? &newest->held.proposal.input
                                                                 : NULL;
    return before == NULL || csn_input_compare(input, before) == 1;
}

static void find_input(struct gathering *gathering)
{
    const struct csn_cluster *cluster = &gathering->coordinator->config->cluster;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        const struct csn_row *row = row_of(gathering, cluster->members[i].number);
        for (uint8_t k = 0; row != NULL && k < row->input_count; k++) {
            gathering->input = is_newer(gathering, &row->inputs[k]) ? &row->inputs[k] : gathering->input;
        }
    }
    gathering->facts.has_input = gathering->input != NULL;
    gathering->facts.input = gathering->input != NULL ? gathering->input->serial : 0;
}

static void see_row(struct gathering *gathering, const struct csn_row *row, struct csn_explain_site *site)
{
    const struct csn_certificate *newest = gathering->core.certificate;
    csn_explain_see_row(row, gathering->core.newest, gathering->input, site);
    bool is_known = newest != NULL && csn_round_compare(row->released.round, newest->held.proposal.round) == 0;
    site->first_expiry_s = is_known ? newest->held.earliest_expiry_s : 0;
    gathering->facts.approved = row->approved.is_set ? row->approved : gathering->facts.approved;
}

static void see_site(struct gathering *gathering, const struct csn_member *member, struct csn_explain_site *site)
{
    struct csn_peer_status peer;
    const struct csn_row *row = row_of(gathering, member->number);
    *site = (struct csn_explain_site){.name = member->name, .silent_s = UINT64_MAX};
    if (csn_leader_get_peer(gathering->coordinator->core, member->number, &peer)) {
        csn_explain_see_peer(&peer, gathering->now.mono_ms, site);
    }
    if (row != NULL) {
        see_row(gathering, row, site);
    }
    site->has_share =
        csn_leader_get_share(gathering->coordinator->core, gathering->index, member->number, &site->share);
}

static void see_round(struct gathering *gathering)
{
    const struct csn_leader_zone_status *core = &gathering->core;
    struct csn_explain_facts *facts = &gathering->facts;
    if (core->proposal != NULL) {
        facts->has_round = true;
        facts->serial = core->proposal->serial;
        facts->round = core->proposal->round;
        facts->deadline_s = wall_of(gathering, core->deadline_ms);
    }
    facts->has_failed = core->has_ended && core->last_end != CSN_ROUND_END_CERTIFIED;
    facts->last_end = core->last_end;
    facts->retry_s = wall_of(gathering, core->retry_ms);
    facts->is_disagreed = core->is_disagreed;
    facts->disagreed_until_s = wall_of(gathering, core->disagreed_until_ms);
}

static void gather(struct gathering *gathering, const char *zone, struct csn_explanation *explanation)
{
    const struct csn_coordinator *coordinator = gathering->coordinator;
    const struct csn_coordinator_zone *config = &coordinator->config->zones[gathering->index];
    const struct csn_cluster *cluster = &coordinator->config->cluster;
    struct csn_explain_facts *facts = &gathering->facts;
    *facts = (struct csn_explain_facts){.zone = zone,
                                        .self = coordinator->config->name,
                                        .now_s = gathering->now.wall_s,
                                        .is_coordinator = true,
                                        .due_s = UINT64_MAX};
    csn_explain_see_cluster(cluster, csn_coordinator_leader(coordinator, gathering->now), facts, explanation);
    facts->is_resting = gathering->leader.state == CSN_LEADER_RESTING;
    facts->rest_until_s = wall_of(gathering, gathering->leader.rest_until_ms);
    facts->refresh_s = csn_policy_refresh_at(&config->policy, gathering->now.wall_s);
    if (gathering->core.certificate != NULL) {
        facts->has_released = true;
        facts->released = gathering->core.certificate->held.proposal.serial;
        facts->signed_s = gathering->core.certificate->held.proposal.time_s;
        facts->first_expiry_s = gathering->core.certificate->held.earliest_expiry_s;
        facts->is_far_off = csn_serial_is_far_off(config->policy.serial_rule, gathering->now.wall_s,
                                                  facts->released, &facts->policy_serial);
    }
    find_input(gathering);
    see_round(gathering);
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        see_site(gathering, &cluster->members[i], &facts->sites[i]);
    }
}

int csn_coordinator_explain(const struct csn_coordinator *coordinator, const struct csn_control_explain *explain,
                            struct csn_explanation *ret_explanation, struct csn_reason *reason)
{
    struct gathering gathering = {.coordinator = coordinator, .now = csn_coordinator_now()};
    char name[CSN_NAME_TEXT_MAX] = "";
    if (explain->is_all || explain->site != NULL) {
        return csn_reason_set(reason, CSN_EREFUSED, "a coordinator keeps no refusals: ask the site's consign-node");
    }
    for (; gathering.index < coordinator->config->zone_count; gathering.index++) {
        csn_name_text(coordinator->config->zones[gathering.index].zone, name);
        if (strcmp(name, explain->zone) == 0) {
            csn_leader_get_status(coordinator->core, gathering.now, &gathering.leader);
            csn_leader_get_zone(coordinator->core, gathering.index, &gathering.core);
            gather(&gathering, name, ret_explanation);
            csn_explain(&gathering.facts, ret_explanation);
            return CSN_OK;
        }
    }
    return csn_reason_set(reason, CSN_ENOTFOUND, "%s: not a zone of this coordinator", explain->zone);
}
