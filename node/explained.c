#include "explained.h"

#include <string.h>

#include "agreement.h"
#include "config/cluster.h"
#include "explain.h"
#include "leading.h"
#include "refusal.h"
#include "refused.h"

#define SHOWN 5 /* refusals of a site, unless all are asked for */

struct gathering {
    const struct csn_daemon *daemon; /* borrows */
    size_t index;
    struct csn_now now;
    struct csn_node_status node;
    struct csn_node_zone_status core;
    struct csn_explain_facts facts;
};

/* --- facts */

/* The newest of an input and those of a row, after the release's. Borrows. */
static const struct csn_input_id *newer_input(const struct gathering *gathering, const struct csn_input_id *than, const struct csn_row *row)
{
    const struct csn_certificate *released = gathering->core.released;
    const struct csn_input_id *input = csn_agreement_newest(row);
    const struct csn_input_id *before = than != NULL ? than : released != NULL ? &released->held.proposal.input : NULL;
    return input != NULL && (before == NULL || csn_input_compare(input, before) == 1) ? input : than;
}

/* The newest that waits: of this site's own source, or, where that has none, of another's. Borrows; NULL: none. */
static const struct csn_input_id *waiting_input(const struct gathering *gathering)
{
    const struct csn_daemon *daemon = gathering->daemon;
    const struct csn_cluster *cluster = &daemon->config->cluster;
    const struct csn_input_id *own = newer_input(gathering, NULL, &gathering->core.row), *input = own;
    for (uint8_t i = 0; own == NULL && i < cluster->member_count; i++) {
        uint16_t site = cluster->members[i].number;
        if (csn_leading_is_heard(daemon, gathering->now, site)) {
            input = newer_input(gathering, input, csn_node_peer_row(daemon->core, site, gathering->core.zone));
        }
    }
    return input;
}

static void see_site(const struct gathering *gathering, const struct csn_member *member, struct csn_explain_site *site)
{
    const struct csn_daemon *daemon = gathering->daemon;
    struct csn_peer_status peer;
    *site = (struct csn_explain_site){.name = member->name, .is_self = member == daemon->config->member, .silent_s = UINT64_MAX};
    const struct csn_row *row =
        site->is_self ? &gathering->core.row : csn_node_peer_row(daemon->core, member->number, gathering->core.zone);
    if (site->is_self) {
        site->is_heard = true;
        site->is_halted = gathering->node.halt != CSN_HALT_NONE;
    } else if (csn_node_get_peer(daemon->core, member->number, &peer)) {
        csn_explain_see_peer(&peer, gathering->now.mono_ms, site);
    }
    if (row != NULL) {
        csn_explain_see_row(row, gathering->core.row.newest.round, waiting_input(gathering), site);
        site->first_expiry_s = csn_node_expiry(daemon->core, gathering->index, row->released.round);
    }
    site->has_share = csn_node_get_share(daemon->core, gathering->index, member->number, &site->share);
    const struct csn_refusal *refusal = csn_node_get_refusal(daemon->core, gathering->index, member->number);
    const struct csn_certificate *released = gathering->core.released;
    bool is_mended = refusal != NULL && csn_refusal_is_mended(refusal, row, released != NULL ? &released->held.proposal : NULL);
    site->refusal = is_mended ? NULL : refusal;
}

static const char *site_name(const struct csn_daemon *daemon, uint16_t number)
{
    const struct csn_member *member = csn_cluster_member(&daemon->config->cluster, number);
    return member != NULL ? member->name : NULL;
}

static void see_release(struct gathering *gathering)
{
    const struct csn_daemon *daemon = gathering->daemon;
    const struct csn_zone_shell *shell = &daemon->zones[gathering->index];
    const struct csn_node_zone_status *core = &gathering->core;
    struct csn_explain_facts *facts = &gathering->facts;
    facts->refresh_s = csn_policy_refresh_at(&shell->config->policy, gathering->now.wall_s);
    facts->due_s = core->row.due_s;
    if (core->released != NULL) {
        facts->has_released = true;
        facts->released = core->released->held.proposal.serial;
        facts->signed_s = core->released->held.proposal.time_s;
        facts->first_expiry_s = core->released->held.earliest_expiry_s;
        facts->is_far_off = csn_serial_is_far_off(shell->config->policy.serial_rule, gathering->now.wall_s,
                                                  facts->released, &facts->policy_serial);
    }
    facts->approved = core->row.approved;
    const struct csn_input_id *input = waiting_input(gathering);
    facts->has_input = input != NULL;
    facts->generation = shell->orders.generation;
    facts->input = input != NULL ? input->serial : 0;
    const struct csn_parked *parked = shell->intake != NULL ? csn_intake_parked(shell->intake) : NULL;
    if (parked != NULL && parked->reason.text[0] != '\0') {
        facts->parked = parked->reason.text;
        facts->parked_gate = parked->gate;
        facts->parked_has_serial = parked->has_serial;
        facts->parked_serial = parked->serial;
    }
}

/* The leader's deadline may be longer: it knows how long the last round took. */
static uint64_t deadline_s(const struct gathering *gathering)
{
    const struct csn_policy *policy = &gathering->daemon->zones[gathering->index].config->policy;
    uint64_t left_ms = gathering->core.accepted_ms + policy->round_deadline_ms;
    bool is_known = gathering->core.work != CSN_WORK_IDLE && left_ms > gathering->now.mono_ms;
    return is_known ? gathering->now.wall_s + (left_ms - gathering->now.mono_ms) / 1000 : 0;
}

static void see_round(struct gathering *gathering)
{
    const struct csn_node_zone_status *core = &gathering->core;
    struct csn_explain_facts *facts = &gathering->facts;
    facts->work = core->work;
    facts->adopt = core->adopt;
    bool is_released = core->proposal != NULL && core->released != NULL &&
                       csn_round_compare(core->proposal->round, core->released->held.proposal.round) == 0;
    if (core->proposal != NULL && !is_released) {
        facts->has_round = true;
        facts->serial = core->proposal->serial;
        facts->round = core->proposal->round;
        facts->deadline_s = deadline_s(gathering);
    }
}

static void gather(struct gathering *gathering, struct csn_explanation *explanation)
{
    const struct csn_daemon *daemon = gathering->daemon;
    const struct csn_cluster *cluster = &daemon->config->cluster;
    struct csn_explain_facts *facts = &gathering->facts;
    *facts = (struct csn_explain_facts){.zone = daemon->zones[gathering->index].name,
                                        .self = daemon->config->site,
                                        .now_s = gathering->now.wall_s};
    csn_explain_see_cluster(cluster, gathering->node.leader, facts, explanation);
    facts->readonly = daemon->unwritable.is_set ? daemon->unwritable.cause.text : NULL;
    facts->halt = csn_halt_text(gathering->node.halt);
    if (gathering->node.odd.site != 0) {
        struct csn_reason text;
        csn_explain_odd(&gathering->node.odd, site_name(daemon, gathering->node.odd.site), &text);
        facts->odd = csn_explanation_text(explanation, "%s", text.text);
    }
    facts->lead = site_name(daemon, csn_node_zone_lead(daemon->core, gathering->index));
    facts->ordered_lead = site_name(daemon, gathering->core.row.authority);
    see_release(gathering);
    see_round(gathering);
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        see_site(gathering, &cluster->members[i], &facts->sites[i]);
    }
}

/* --- refusals */

static void add_kept(const struct csn_kept_refusal *kept, const char *site, bool is_whole, struct csn_explanation *to)
{
    struct csn_body_refused body;
    struct csn_explained_refusal row;
    int code = csn_body_refused_decode(csn_buf_view(&kept->body), &body);
    INSIST(code == CSN_OK); /* it was decoded when it was taken */
    struct csn_refusal refusal = {.is_set = true, .rule = body.rule, .test = body.test, .hash = body.hash,
                                  .want = body.want, .is = body.is, .round = kept->round};
    csn_explain_refusal(&refusal, to, &row);
    row.site = site;
    row.count = kept->count;
    row.first_s = kept->first_s;
    row.last_s = kept->last_s;
    row.incarnation = kept->incarnation;
    if (is_whole) { /* until the answer is made */
        row.body = csn_buf_view(&kept->body);
        row.signature = csn_bytes(kept->signature, sizeof(kept->signature));
    }
    csn_explanation_refusal(to, &row);
}

static void add_refusals(const struct gathering *gathering, const struct csn_control_explain *explain, struct csn_explanation *to)
{
    const struct csn_daemon *daemon = gathering->daemon;
    const struct csn_cluster *cluster = &daemon->config->cluster;
    bool is_whole = explain->is_all || explain->site != NULL;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        const struct csn_member *member = &cluster->members[i];
        bool is_asked = explain->site == NULL || strcmp(explain->site, member->name) == 0;
        const struct csn_kept_refusal *kept;
        for (size_t k = 0; is_asked && (is_whole || k < SHOWN) &&
                           (kept = csn_refusals_get(csn_refused_all(daemon), gathering->core.zone, member->number, k)) != NULL;
             k++) {
            add_kept(kept, member->name, is_whole, to);
        }
    }
}

/* --- */

int csn_explained_answer(const struct csn_daemon *daemon, const struct csn_control_explain *explain,
                         struct csn_explanation *ret_explanation, struct csn_reason *reason)
{
    struct gathering gathering = {.daemon = daemon, .now = csn_daemon_now(daemon)};
    if (explain->site != NULL && csn_cluster_member_named(&daemon->config->cluster, explain->site) == NULL) {
        return csn_reason_set(reason, CSN_ENOTFOUND, "%s: no site of the cluster", explain->site);
    }
    while (gathering.index < daemon->zone_count && strcmp(daemon->zones[gathering.index].name, explain->zone) != 0) {
        gathering.index++;
    }
    if (gathering.index == daemon->zone_count) {
        return csn_reason_set(reason, CSN_ENOTFOUND, "%s: not a zone of this node", explain->zone);
    }
    csn_node_get_status(daemon->core, gathering.now, &gathering.node);
    csn_node_get_zone(daemon->core, gathering.index, gathering.now, &gathering.core);
    gather(&gathering, ret_explanation);
    csn_explain(&gathering.facts, ret_explanation);
    add_refusals(&gathering, explain, ret_explanation);
    return CSN_OK;
}
