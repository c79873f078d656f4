#include "status.h"

#include <inttypes.h>
#include <string.h>

#include "agreement.h"
#include "asked.h"
#include "counters.h"
#include "explain.h"
#include "explained.h"
#include "base/text.h"
#include "hsm_status.h"
#include "leading.h"
#include "orders.h"
#include "ops/status.h"
#include "refusal.h"
#include "trace.h"

#define SILENT_MS 6000 /* a site not heard for longer is unreachable */

static const char *role_of(const struct csn_member *member)
{
    return member->role == CSN_MEMBER_SIGNER ? "signer" : "verifier";
}

/* --- this site */

#define RETURN "check its disk, and let it return as a new member with a new key"

/* Read-only, or damaged. */
static void show_store(const struct csn_daemon *daemon, struct csn_status *status, struct csn_status_site *site)
{
    const char *cause = daemon->unwritable.cause.text;
    if (daemon->unwritable.is_damaged) {
        site->error = csn_status_text(status, "%s; votes stopped for good; what was surely released last stays served; %s", cause, RETURN);
        csn_status_blame(status, CSN_HEALTH_CRITICAL, "%s: its votes are damaged: %s; %s", daemon->config->site, cause, RETURN);
        return;
    }
    site->state = "read-only";
    site->error = csn_status_text(status, "%s; votes stopped; what was released stays served; mend that: the node begins again by itself",
                                  cause);
    csn_status_blame(status, CSN_HEALTH_CRITICAL, "%s: its store cannot be written: %s", daemon->config->site, cause);
}

/* What a zone was certified under last; NULL: nothing is released. */
static const struct csn_proposal *last_certified(const struct csn_daemon *daemon, struct csn_now now)
{
    const struct csn_proposal *last = NULL;
    for (size_t i = 0; i < daemon->zone_count; i++) {
        struct csn_node_zone_status zone;
        csn_node_get_zone(daemon->core, i, now, &zone);
        const struct csn_proposal *proposal = zone.released != NULL ? &zone.released->held.proposal : NULL;
        last = proposal != NULL && (last == NULL || proposal->epoch > last->epoch) ? proposal : last;
    }
    return last;
}

/* Why this site is halted; NULL: it is not. Which document the store goes with is told by its last release. */
static const char *own_halt(const struct csn_daemon *daemon, struct csn_now now, const struct csn_node_status *core,
                            struct csn_status *status)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    char here[9], there[9] = "";
    if (core->halt != CSN_HALT_EPOCH) {
        return csn_halt_text(core->halt);
    }
    const struct csn_proposal *certified = last_certified(daemon, now);
    if (certified != NULL && certified->epoch > cluster->epoch) {
        return csn_status_text(status,
                               "%s: its releases are of epoch %" PRIu32 ", its chain of documents ends with %" PRIu32 "; the links are "
                               "asked of the other sites, and it begins again with them",
                               csn_halt_text(core->halt), certified->epoch, cluster->epoch);
    }
    csn_hex_encode(csn_bytes(cluster->digest.octets, 4), here);
    if (certified != NULL) {
        csn_hex_encode(csn_bytes(certified->epoch_digest.octets, 4), there);
    }
    return csn_status_text(status,
                           "%s: %s is not the document it was made with: its SHA-384 begins with %s%s%s; put that one back, octet "
                           "for octet, and restart this node",
                           csn_halt_text(core->halt), daemon->config->cluster_path, here,
                           certified != NULL ? ", that of the last release's with " : "", there);
}

/* While this site is sealed nothing is signed anew. */
static void blame_odd_zone(const struct csn_daemon *daemon, const struct csn_node_status *core, struct csn_status *status)
{
    const struct csn_member *member = csn_cluster_member(&daemon->config->cluster, core->odd.site);
    struct csn_reason text;
    if (member != NULL) {
        csn_explain_odd(&core->odd, member->name, &text);
        csn_status_blame(status, core->is_sealed ? CSN_HEALTH_CRITICAL : CSN_HEALTH_DEGRADED, "%s: %s", daemon->config->site,
                         text.text);
    }
}

static void fill_own(const struct csn_daemon *daemon, struct csn_now now, const struct csn_node_status *core,
                     struct csn_status *status, struct csn_status_site *site)
{
    bool is_diverged = false;
    for (size_t i = 0; i < daemon->zone_count; i++) {
        struct csn_node_zone_status zone;
        csn_node_get_zone(daemon->core, i, now, &zone);
        is_diverged |= zone.row.diverged != 0;
        if (csn_status_is_shown(status, i) && daemon->zones[i].serving.is_ready) {
            csn_status_add_released(status, site, csn_status_text(status, "%s", daemon->zones[i].name),
                                    daemon->zones[i].serving.serial);
        }
    }
    site->state = csn_status_text(status, "%s", csn_state_text(core->state, is_diverged));
    site->has_last_seen = true;
    site->hsm = csn_hsm_status_text(daemon, status);
    site->error = own_halt(daemon, now, core, status);
    if (daemon->unwritable.is_set) {
        show_store(daemon, status, site);
    } else if (core->halt == CSN_HALT_DAMAGED || core->halt == CSN_HALT_AMNESIA || core->halt == CSN_HALT_CLOCK) {
        csn_status_blame(status, CSN_HEALTH_CRITICAL, "%s: halted: %s", daemon->config->site, csn_halt_text(core->halt));
    } else if (core->halt == CSN_HALT_REMOVED) {
        csn_status_blame(status, CSN_HEALTH_CRITICAL, "%s: %s: stop it", daemon->config->site, csn_halt_text(core->halt));
    }
    if (daemon->epochs.other.text[0] != '\0') {
        csn_status_blame(status, CSN_HEALTH_DEGRADED, "%s: %s", daemon->config->site, daemon->epochs.other.text);
    }
    blame_odd_zone(daemon, core, status);
    csn_hsm_status_blame(daemon, site->is_in_maintenance, status);
}

/* --- the others */

static const char *peer_hsm(enum csn_hsm_state hsm)
{
    return hsm == CSN_HSM_GOOD ? "ok" : hsm == CSN_HSM_ABSENT ? "none" : "bad";
}

static void fill_peer(const struct csn_daemon *daemon, struct csn_now now, const struct csn_member *member,
                      struct csn_status *status, struct csn_status_site *site)
{
    struct csn_peer_status peer;
    if (status->deaf_why != NULL || !csn_node_get_peer(daemon->core, member->number, &peer)) {
        site->state = "unreachable";
        site->error = status->deaf_why == NULL ? "not heard since this node started"
                                               : csn_status_text(status, "not listened to: this node %s; ask another site", status->deaf_why);
        return;
    }
    bool is_diverged = false;
    for (size_t i = 0; i < daemon->zone_count; i++) {
        const struct csn_row *row = csn_node_peer_row(daemon->core, member->number, daemon->zones[i].config->zone);
        if (csn_status_is_shown(status, i) && row != NULL && !csn_round_is_none(row->released.round)) {
            csn_status_add_released(status, site, csn_status_text(status, "%s", daemon->zones[i].name), row->released_serial);
        }
        is_diverged |= row != NULL && row->diverged != 0;
    }
    uint64_t ago_ms = now.mono_ms - peer.heard_ms;
    site->has_last_seen = true;
    site->last_seen_ms = ago_ms;
    if (ago_ms > SILENT_MS) { /* what it said of its clock and HSM is over */
        char ago[CSN_SPAN_TEXT_SIZE];
        csn_span_text(ago_ms / 1000, ago);
        site->state = "unreachable";
        site->error = csn_status_text(status, "not heard for %s", ago);
        return;
    }
    site->has_clock_offset = true;
    int64_t offset_s = (int64_t)peer.clock_s - (int64_t)peer.heard_s;
    site->clock_offset_us = offset_s * 1000000;
    if (offset_s > CSN_CLOCK_AHEAD_S || offset_s < -CSN_CLOCK_AHEAD_S) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED, "%s: its clock is %lld s off this site's; mend NTP at one of them", member->name,
                         (long long)offset_s);
    }
    site->hsm = csn_status_text(status, "%s", peer_hsm(peer.hsm));
    site->state = csn_status_text(status, "%s", csn_state_text(peer.state, is_diverged));
    if (peer.state == CSN_NODE_HALTED) {
        site->error = csn_status_text(status, "halted: it votes no more; consignctl status there says why");
    }
    if (peer.hsm == CSN_HSM_BAD && !site->is_in_maintenance) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED, "%s: its HSM cannot sign; see consignctl status there", member->name);
    }
}

static bool leads_any(const struct csn_daemon *daemon, uint16_t site)
{
    for (size_t i = 0; i < daemon->zone_count; i++) {
        if (csn_node_zone_lead(daemon->core, i) == site) {
            return true;
        }
    }
    return false;
}

static void fill_sites(const struct csn_daemon *daemon, struct csn_now now, const struct csn_node_status *core,
                       struct csn_status *status)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        const struct csn_member *member = &cluster->members[i];
        struct csn_status_site *site = csn_status_add_site(status);
        if (site == NULL) {
            return;
        }
        site->number = member->number;
        site->name = csn_status_text(status, "%s", member->name);
        site->role = role_of(member);
        site->leads = leads_any(daemon, member->number);
        site->is_in_maintenance = csn_orders_is_in_maintenance(daemon, member->number);
        if (member == daemon->config->member) {
            fill_own(daemon, now, core, status, site);
        } else {
            fill_peer(daemon, now, member, status, site);
        }
    }
}

/* --- zones */

static void fill_released(const struct csn_node_zone_status *core, struct csn_status_zone *zone)
{
    const struct csn_body_held *held = &core->released->held;
    zone->has_released = true;
    zone->released = held->proposal.serial;
    zone->input = (struct csn_status_input){held->proposal.input.generation, held->proposal.input.serial};
    zone->released_at_s = held->proposal.time_s;
    csn_content_root(held->proposal.zone, held->proposal.serial, held->proposal.time_s, &held->roots, &zone->content);
    zone->full = held->full_root;
    zone->first_expiry_s = held->earliest_expiry_s;
}

/* How many sites that are heard, and this one, hold or serve what this node serves: by the certificate, or by their word. */
static uint8_t count_holders(const struct csn_daemon *daemon, struct csn_now now, const struct csn_node_zone_status *core)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    uint8_t count = 1;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        const struct csn_member *member = &cluster->members[i];
        const struct csn_row *row = csn_node_peer_row(daemon->core, member->number, core->zone);
        bool serves = row != NULL && csn_digest_equal(&row->released.full_root, &core->released->held.full_root);
        bool has_it = serves || csn_certificate_has_vote(core->released, member);
        if (member != daemon->config->member && csn_leading_is_heard(daemon, now, member->number) && has_it) {
            count++;
        }
    }
    return count;
}

static const struct csn_row *row_of(const struct csn_daemon *daemon, const struct csn_node_zone_status *core, uint8_t member)
{
    const struct csn_member *site = &daemon->config->cluster.members[member];
    return site == daemon->config->member ? &core->row : csn_node_peer_row(daemon->core, site->number, core->zone);
}

/* What every site that is heard says of the zone. */
static void fill_agreement(const struct csn_daemon *daemon, struct csn_now now, const struct csn_node_zone_status *core,
                           struct csn_agreement *ret_sites)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    *ret_sites = (struct csn_agreement){.count = cluster->member_count, .quorum = cluster->quorum};
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        bool is_heard_of = &cluster->members[i] == daemon->config->member || csn_leading_is_heard(daemon, now, cluster->members[i].number);
        ret_sites->names[i] = cluster->members[i].name;
        ret_sites->rows[i] = is_heard_of ? row_of(daemon, core, i) : NULL;
    }
}

static void tick_stale(struct csn_zone_shell *zone, const struct csn_node_zone_status *core, struct csn_now now)
{
    struct csn_agreement sites;
    fill_agreement(zone->daemon, now, core, &sites);
    csn_agreement_tick_stale(&sites, core->released != NULL ? &core->released->held.proposal.input : NULL, now.wall_s, &zone->stale);
}

void csn_status_tick(struct csn_zone_shell *zone)
{
    struct csn_daemon *daemon = zone->daemon;
    struct csn_now now = csn_daemon_now(daemon);
    struct csn_node_zone_status core;
    csn_node_get_zone(daemon->core, (size_t)(zone - daemon->zones), now, &core);
    for (uint8_t i = 0; i < daemon->config->cluster.member_count; i++) {
        const struct csn_row *row = row_of(daemon, &core, i);
        if (row != NULL) {
            csn_since_tick(&zone->diverged[i], row->diverged != 0, now.wall_s);
            csn_since_tick(&zone->parked[i], row->gate, now.wall_s); /* another gate is another input */
        }
    }
    tick_stale(zone, &core, now);
}

static void add_diverged(struct csn_status *status, struct csn_status_zone *zone,
                         const struct csn_member *member, const struct csn_row *row, uint64_t since_s)
{
    char classes[5];
    if (row == NULL || row->diverged == 0) {
        return;
    }
    csn_classes_text(row->diverged, classes);
    struct csn_status_diverged diverged = {.site = csn_status_text(status, "%s", member->name),
                                           .classes = csn_status_text(status, "%s", classes),
                                           .serial = row->released_serial,
                                           .since_s = since_s};
    csn_status_add_diverged(status, zone, &diverged);
}

static void fill_diverged(const struct csn_daemon *daemon, const struct csn_zone_shell *shell,
                          const struct csn_node_zone_status *core, struct csn_status *status, struct csn_status_zone *zone)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        add_diverged(status, zone, &cluster->members[i], row_of(daemon, core, i), shell->diverged[i].since_s);
    }
}

static void fill_own_parked(const struct csn_zone_shell *shell, struct csn_status *status, struct csn_status_zone *zone)
{
    const struct csn_parked *parked = shell->intake ? csn_intake_parked(shell->intake) : NULL;
    if (parked == NULL || parked->reason.text[0] == '\0') {
        return;
    }
    struct csn_status_parked row = {.site = csn_status_text(status, "%s", shell->daemon->config->site),
                                    .reason = csn_status_text(status, "%s", parked->reason.text),
                                    .gate = csn_gate_text(parked->gate),
                                    .has_received = parked->has_serial,
                                    .received = parked->received,
                                    .has_serial = parked->has_serial,
                                    .serial = parked->serial,
                                    .since_s = parked->since_s};
    csn_status_add_parked(status, zone, &row);
}

/* The own one first, with its reason; the others tell by which gate. */
static void fill_parked(const struct csn_zone_shell *shell, const struct csn_agreement *sites, struct csn_status *status,
                        struct csn_status_zone *zone)
{
    const struct csn_cluster *cluster = &shell->daemon->config->cluster;
    fill_own_parked(shell, status, zone);
    for (uint8_t i = 0; i < sites->count; i++) {
        if (sites->rows[i] == NULL || sites->rows[i]->gate == 0 || &cluster->members[i] == shell->daemon->config->member) {
            continue;
        }
        struct csn_status_parked row = {.site = csn_status_text(status, "%s", sites->names[i]),
                                        .reason = csn_agreement_gate_text(sites->rows[i]->gate),
                                        .gate = csn_gate_text(sites->rows[i]->gate),
                                        .since_s = shell->parked[i].since_s};
        csn_status_add_parked(status, zone, &row);
    }
}

static uint32_t head_of(const struct csn_version_id *version)
{
    return csn_get_u32(version->digest.octets);
}

static void fill_documents(const struct csn_agreement *sites, struct csn_status *status, struct csn_status_zone *zone)
{
    for (uint8_t i = 0; i < sites->count; i++) {
        const struct csn_row *row = sites->rows[i];
        if (row != NULL) {
            struct csn_status_documents documents = {.site = csn_status_text(status, "%s", sites->names[i]),
                                                     .policy = row->policy.number,
                                                     .policy_head = head_of(&row->policy),
                                                     .keyset = row->keyset.number,
                                                     .keyset_head = head_of(&row->keyset)};
            csn_status_add_documents(status, zone, &documents);
        }
    }
}

/* The own newest input, if it is newer than the release; NULL: none. Borrows. */
static const struct csn_input_id *waiting_input(const struct csn_node_zone_status *core)
{
    const struct csn_input_id *input = csn_agreement_newest(&core->row);
    bool is_newer = input != NULL &&
                    (core->released == NULL || csn_input_compare(input, &core->released->held.proposal.input) == 1);
    return is_newer ? input : NULL;
}

static void fill_pending(const struct csn_agreement *sites, const struct csn_node_zone_status *core, struct csn_status *status,
                         struct csn_status_zone *zone)
{
    const struct csn_input_id *input = waiting_input(core);
    bool is_released = core->released != NULL && core->proposal != NULL &&
                       core->proposal->serial == core->released->held.proposal.serial;
    if (core->proposal != NULL && !is_released) {
        zone->has_pending = true;
        zone->pending = core->proposal->serial;
        zone->waiting_for = csn_status_text(status, "%s: %u of %u sites computed it, %u of %u votes", csn_work_text(core->work),
                                            core->computed_count, sites->quorum, core->held_count, sites->quorum);
    } else if (input != NULL) {
        zone->has_pending_input = true;
        zone->pending_input = (struct csn_status_input){input->generation, input->serial};
        zone->waiting_for = csn_status_text(status, "input %u here, confirmed by %u sites, %u needed",
                                            (unsigned)input->serial, csn_agreement_count(sites, input), sites->quorum);
    }
}

/* What needs a hand at that site: a document, a clock, an input. The others pass with the next round. */
static bool is_lasting(const struct csn_refusal *refusal)
{
    return refusal->test == CSN_TEST_EPOCH || refusal->test == CSN_TEST_CLOCK || refusal->test == CSN_TEST_POLICY_HERE ||
           refusal->test == CSN_TEST_KEYSET_HERE || refusal->test == CSN_TEST_COMPUTE;
}

/* A site that refuses what the others certify goes on serving by adoption; its operator must hear of it. But not of a round whose
 * certificate came before the proposal: its floor is that round. */
static bool blame_refusal(const struct csn_node_zone_status *core, const struct csn_zone_shell *shell, struct csn_status *status)
{
    struct csn_digest certified;
    if (core->released == NULL || !core->refusal.is_set) {
        return false;
    }
    csn_proposal_hash(&core->released->held.proposal, &certified);
    bool is_of_it = csn_digest_equal(&certified, &core->refusal.hash);
    if (!is_of_it || core->refusal.test == CSN_TEST_DIVERGED || core->refusal.test == CSN_TEST_ROUND) {
        return false;
    }
    char text[CSN_REFUSAL_TEXT_SIZE];
    csn_refusal_write(&core->refusal, text);
    csn_status_blame(status, CSN_HEALTH_DEGRADED, "%s: zone %s: the others certified a round that this site %s",
                     shell->daemon->config->site, shell->name, text);
    return true;
}

/* Said at every site: one that refuses each round goes on serving by adoption, but its vote is gone. The own
 * one is told of already where the others certified what it refused. */
static void blame_refusals(const struct csn_node_zone_status *core, const struct csn_zone_shell *shell, struct csn_status *status)
{
    const struct csn_proposal *released = core->released != NULL ? &core->released->held.proposal : NULL;
    const struct csn_daemon *daemon = shell->daemon;
    const struct csn_cluster *cluster = &daemon->config->cluster;
    bool is_own_told = blame_refusal(core, shell, status);
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        const struct csn_refusal *refusal =
            csn_node_get_refusal(daemon->core, (size_t)(shell - daemon->zones), cluster->members[i].number);
        bool is_told = is_own_told && &cluster->members[i] == daemon->config->member;
        if (refusal != NULL && !is_told && is_lasting(refusal) && !csn_refusal_is_mended(refusal, row_of(daemon, core, i), released)) {
            char text[CSN_REFUSAL_TEXT_SIZE];
            csn_refusal_write(refusal, text);
            csn_status_blame(status, CSN_HEALTH_DEGRADED, "zone %s: %s has %s", shell->name, cluster->members[i].name, text);
        }
    }
}

/* R5: they are kept, for each may be certified yet, and fresh rounds are slowed down. */
static void blame_lone_votes(const struct csn_node_zone_status *core, const struct csn_zone_shell *shell, struct csn_status *status)
{
    if (core->lone_votes > CSN_HOLDS_MANY) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED,
                         "%s: zone %s: %zu votes of this site never became a release, so it votes only once a minute; see what the "
                         "other sites refuse (consignctl zone refusals)",
                         shell->daemon->config->site, shell->name, core->lone_votes);
    }
}

/* L3: rounds go on, but not with the policy's serials. */
static void blame_serial(const struct csn_node_zone_status *core, const struct csn_zone_shell *shell, uint64_t now_s,
                         struct csn_status *status)
{
    uint32_t serial, released = core->released != NULL ? core->released->held.proposal.serial : 0;
    bool is_emergency = shell->daemon->config->cluster.is_emergency;
    if (core->released != NULL && !core->row.approved.is_set && !is_emergency &&
        csn_serial_is_far_off(shell->config->policy.serial_rule, now_s, released, &serial)) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED,
                         "zone %s: the policy's serial %u is 1010000 or more after the released %u: serials go on by one; if it is meant "
                         "so, consignctl zone approve-serial %s %u",
                         shell->name, (unsigned)serial, (unsigned)released, shell->name, (unsigned)serial);
    }
}

/* An input that nobody releases, and a release that nobody refreshes: all sites may be well and yet nothing moves. */
static void blame_standstill(const struct csn_agreement *sites, const struct csn_node_zone_status *core,
                             const struct csn_zone_shell *shell, uint64_t now_s, struct csn_status *status)
{
    const struct csn_input_id *input = waiting_input(core);
    uint64_t patience_s = 2 * (uint64_t)shell->config->policy.round_deadline_ms / 1000;
    if (core->row.is_held) {
        return; /* that is said, and by whom */
    }
    if (input != NULL && shell->input_since_s != 0 && now_s > shell->input_since_s + patience_s) {
        uint8_t count = csn_agreement_count(sites, input);
        csn_status_blame(status, CSN_HEALTH_DEGRADED,
                         "zone %s: input serial %u is here and not released, confirmed by %u sites, %u needed; %s", shell->name,
                         (unsigned)input->serial, count, sites->quorum,
                         count < sites->quorum ? "put the same file at the other sites" : "see the coordinator's log");
    } else if (core->row.due_s < now_s && now_s - core->row.due_s > patience_s) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED, "zone %s: no refresh since it was due; see the coordinator's log", shell->name);
    }
}

/* Of the sites that are not heard too: secondaries may ask them still. */
static void fill_serving(const struct csn_daemon *daemon, size_t index, const struct csn_node_zone_status *core,
                         struct csn_status *status, struct csn_status_zone *zone)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        const struct csn_row *row = row_of(daemon, core, i);
        if (row == NULL || csn_round_is_none(row->released.round)) {
            continue;
        }
        uint64_t expiry_s = csn_node_expiry(daemon->core, index, row->released.round);
        struct csn_status_serving serving = {
            .site = csn_status_text(status, "%s", cluster->members[i].name),
            .serial = row->released_serial,
            .first_expiry_s = expiry_s,
            .fence_s = expiry_s > zone->expiry_critical_s ? expiry_s - zone->expiry_critical_s : 0};
        csn_status_add_serving(status, zone, &serving);
    }
    zone->soa_expire_s = daemon->zones[index].serving.soa_expire_s;
}

static void fill_zone(const struct csn_daemon *daemon, struct csn_now now, size_t index, struct csn_status *status)
{
    const struct csn_zone_shell *shell = &daemon->zones[index];
    struct csn_status_zone *zone = csn_status_add_zone(status);
    struct csn_node_zone_status core;
    struct csn_agreement sites;
    csn_node_get_zone(daemon->core, index, now, &core);
    zone->zone = csn_status_text(status, "%s", shell->name);
    status->about = zone;
    zone->voters = daemon->config->cluster.member_count;
    const struct csn_member *lead = csn_cluster_member(&daemon->config->cluster, csn_node_zone_lead(daemon->core, index));
    zone->lead = lead != NULL ? csn_status_text(status, "%s", lead->name) : NULL;
    zone->state = core.row.is_held ? "held" : core.is_behind ? "behind" : shell->serving.is_ready ? "released" : "none";
    uint64_t refresh_s = csn_policy_refresh_at(&shell->config->policy, now.wall_s);
    zone->expiry_warning_s = refresh_s / 2;
    zone->expiry_critical_s = refresh_s / 4; /* the fence */
    if (core.released != NULL) {
        fill_released(&core, zone);
        zone->votes = count_holders(daemon, now, &core);
    }
    if (core.released != NULL && !shell->serving.is_ready && shell->was_lost) {
        csn_status_blame(status, CSN_HEALTH_CRITICAL,
                         "%s: zone %s: serial %u was released here and is not here whole; SERVFAIL until another site has given it; "
                         "check this site's disk",
                         daemon->config->site, shell->name, (unsigned)core.released->held.proposal.serial);
    }
    fill_serving(daemon, index, &core, status, zone);
    blame_refusals(&core, shell, status);
    blame_lone_votes(&core, shell, status);
    blame_serial(&core, shell, now.wall_s, status);
    fill_agreement(daemon, now, &core, &sites);
    const struct csn_input_id *released = core.released ? &core.released->held.proposal.input : NULL;
    if (status->deaf_why == NULL) { /* else what the others have is not known here */
        if (!csn_agreement_judge(&sites, shell->name, released, status)) {
            blame_standstill(&sites, &core, shell, now.wall_s, status);
        }
        uint64_t patience_s = 2 * (uint64_t)shell->config->policy.round_deadline_ms / 1000;
        csn_agreement_blame_stale(&sites, &shell->stale, patience_s, released, status, zone);
    }
    fill_pending(&sites, &core, status, zone);
    fill_documents(&sites, status, zone);
    fill_parked(shell, &sites, status, zone);
    fill_diverged(daemon, shell, &core, status, zone);
    csn_orders_fill(daemon, index, status, zone);
    status->about = NULL;
}

static void fill(const struct csn_daemon *daemon, struct csn_status *status)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    struct csn_now now = csn_daemon_now(daemon);
    struct csn_node_status core;
    char id[33];
    csn_node_get_status(daemon->core, now, &core);
    csn_hex_encode(csn_bytes(cluster->id, sizeof(cluster->id)), id);
    status->cluster = csn_status_text(status, "%.8s", id);
    memcpy(status->cluster_id, cluster->id, sizeof(status->cluster_id));
    csn_epochs_fill(daemon, status);
    status->quorum = cluster->quorum;
    status->members = cluster->member_count;
    status->term = core.promised.counter;
    status->observed_from = csn_status_text(status, "%s", daemon->config->site);
    status->observed_at_s = now.wall_s;
    csn_leading_fill(daemon, now, &core, status);
    csn_counters_fill(daemon, status);
    fill_sites(daemon, now, &core, status);
    status->all_zones = (uint32_t)daemon->zone_count;
    for (size_t i = status->first_zone; i < daemon->zone_count && csn_status_is_shown(status, i); i++) {
        fill_zone(daemon, now, i, status);
    }
    csn_status_judge(status);
}

/* --- the socket */

static int on_order(void *arg, const struct csn_control_order *order, struct csn_reason *reason)
{
    return csn_orders_take(arg, order, reason);
}

static void on_status(void *arg, struct csn_status *ret_status)
{
    fill(arg, ret_status);
}

static void fill_cert(const struct csn_daemon *daemon, const struct csn_node_zone_status *core, struct csn_cert_view *view)
{
    const struct csn_body_held *held = &core->released->held;
    const struct csn_proposal *p = &held->proposal;
    const struct csn_chain_epoch *epoch = csn_chain_find(&daemon->epochs.chain, p->epoch);
    const struct csn_cluster *cluster = epoch != NULL ? &epoch->cluster : &daemon->config->cluster;
    char zone[CSN_NAME_TEXT_MAX];
    csn_name_text(p->zone, zone);
    *view = (struct csn_cert_view){.serial = p->serial,
                                   .input = {p->input.generation, p->input.serial},
                                   .epoch = p->epoch,
                                   .round_counter = p->round.term.counter,
                                   .round_coordinator = p->round.term.coordinator,
                                   .round_seq = p->round.seq,
                                   .policy = p->policy.number,
                                   .keyset = p->keyset.number,
                                   .time_s = p->time_s,
                                   .schedule_s = p->schedule_s,
                                   .records = held->records,
                                   .signatures = held->signatures,
                                   .first_expiry_s = held->earliest_expiry_s,
                                   .full = held->full_root};
    view->zone = csn_arena_copy(&view->arena, zone, strlen(zone) + 1);
    csn_content_root(p->zone, p->serial, p->time_s, &held->roots, &view->content);
    for (uint8_t i = 0; i < core->released->vote_count; i++) {
        const struct csn_certificate_vote *vote = &core->released->votes[i];
        const struct csn_member *member = csn_cluster_member(cluster, vote->site);
        const char *name = member ? member->name : "?";
        view->signers[view->signer_count++] = (struct csn_cert_signer){
            .number = vote->site,
            .name = csn_arena_copy(&view->arena, name, strlen(name) + 1),
            .incarnation = vote->incarnation};
    }
    view->certificate = csn_bytes(csn_arena_copy(&view->arena, core->released_octets.data, core->released_octets.size),
                                  core->released_octets.size);
}

static int on_cert_show(void *arg, const char *zone, struct csn_cert_view *ret_view, struct csn_reason *reason)
{
    struct csn_daemon *daemon = arg;
    uint8_t name[CSN_NAME_MAX];
    struct csn_node_zone_status core;
    if (csn_name_parse(zone, name) != CSN_OK) {
        return csn_reason_set(reason, CSN_EFORMAT, "%s: not a fully qualified name", zone);
    }
    for (size_t i = 0; i < daemon->zone_count; i++) {
        if (csn_name_equal(daemon->zones[i].config->zone, name)) {
            csn_node_get_zone(daemon->core, i, csn_daemon_now(daemon), &core);
            if (core.released == NULL) {
                return csn_reason_set(reason, CSN_ENOTFOUND, "%s: nothing is released yet", zone);
            }
            fill_cert(daemon, &core, ret_view);
            return CSN_OK;
        }
    }
    return csn_reason_set(reason, CSN_ENOTFOUND, "%s: not a zone of this node", zone);
}

static int on_diff(void *arg, const struct csn_control_diff *diff, struct csn_buf *ret_text, struct csn_reason *reason)
{
    return csn_asked_diff(arg, diff, ret_text, reason);
}

static int on_reports(void *arg, const char *zone, const char *name, struct csn_buf *ret_text, struct csn_reason *reason)
{
    return csn_asked_reports(arg, zone, name, ret_text, reason);
}

static int on_propose(void *arg, struct csn_bytes document, bool is_anyway, struct csn_reason *reason)
{
    return csn_epochs_propose(arg, document, is_anyway, "the document", reason);
}

static int on_membership(void *arg, struct csn_membership *ret_membership, struct csn_reason *reason)
{
    (void)reason;
    csn_epochs_membership(arg, ret_membership);
    return CSN_OK;
}

static int on_chain(void *arg, struct csn_buf *ret_text, struct csn_reason *reason)
{
    (void)reason;
    csn_epochs_show_chain(arg, ret_text);
    return CSN_OK;
}

static int on_explain(void *arg, const struct csn_control_explain *explain, struct csn_explanation *ret_explanation,
                      struct csn_reason *reason)
{
    return csn_explained_answer(arg, explain, ret_explanation, reason);
}

int csn_status_start(struct csn_daemon *daemon, struct csn_reason *reason)
{
    struct csn_control_handlers handlers = {.arg = daemon, .on_status = on_status, .on_cert_show = on_cert_show,
                                            .on_diff = on_diff, .on_reports = on_reports, .on_order = on_order,
                                            .on_explain = on_explain, .on_propose = on_propose, .on_membership = on_membership, .on_chain = on_chain};
    return csn_control_new(daemon->loop, daemon->config->control, &handlers, &daemon->log, &daemon->control, reason);
}
