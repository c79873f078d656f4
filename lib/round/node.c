#include "round/node.h"

#include <stdlib.h>
#include <string.h>

#include "round/node_state.h"

/* --- small doors */

const struct csn_round_zone *csn_node_config(const struct csn_node *node,
                                             const struct csn_node_zone *zone)
{
    return &node->configs[zone->index];
}

const uint8_t *csn_node_zone_name(const struct csn_node *node, const struct csn_node_zone *zone)
{
    return node->configs[zone->index].zone;
}

struct csn_effect *csn_node_effect(struct csn_node *node, enum csn_effect_kind kind,
                                   const struct csn_node_zone *zone)
{
    return csn_effects_add(node->effects, kind,
                           zone != NULL ? csn_node_zone_name(node, zone) : NULL);
}

struct csn_trace *csn_node_trace(struct csn_node *node, enum csn_trace_kind what,
                                 const struct csn_node_zone *zone)
{
    struct csn_effect *effect = csn_node_effect(node, CSN_EFFECT_TRACE, zone);
    effect->trace.what = (uint8_t)what;
    return &effect->trace;
}

void csn_node_count(struct csn_node *node, enum csn_count_reason reason)
{
    csn_node_effect(node, CSN_EFFECT_COUNT, NULL)->count = (uint8_t)reason;
}

void csn_node_send(struct csn_node *node, enum csn_statement_kind kind, struct csn_bytes body)
{
    struct csn_bytes copy = csn_effects_copy(node->effects, body);
    struct csn_effect *effect = csn_node_effect(node, CSN_EFFECT_SEND, NULL);
    effect->send.kind = kind;
    effect->send.body = copy;
}

void csn_node_cancel(struct csn_node *node, uint64_t *corr)
{
    if (*corr != 0) {
        csn_node_effect(node, CSN_EFFECT_CANCEL, NULL)->corr = *corr;
        *corr = 0;
    }
}

struct csn_effect *csn_node_fetch(struct csn_node *node, struct csn_node_zone *zone,
                                  struct csn_fetch *fetch, enum csn_object_kind object)
{
    if (fetch->corr != 0 || fetch->is_here || node->now.mono_ms < fetch->retry_ms) {
        return NULL;
    }
    struct csn_effect *effect = csn_node_effect(node, CSN_EFFECT_FETCH, zone);
    effect->corr = fetch->corr = ++node->next_corr;
    effect->fetch.object = object;
    return effect;
}

void csn_node_fetched(struct csn_node *node, struct csn_fetch *fetch, int code)
{
    fetch->corr = 0;
    fetch->is_here = code == CSN_OK;
    if (!fetch->is_here) {
        fetch->failed++;
        fetch->retry_ms = node->now.mono_ms + CSN_REPEAT_MS;
    }
}

void csn_node_prefer(const struct csn_node *node, const struct csn_node_zone *zone,
                     struct csn_effect *effect, csn_has_fn *has, const void *what)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < node->cluster.member_count; i++) {
            if (i != node->member && has(node, zone, i, what) == (pass == 0)) {
                effect->fetch.sites[effect->fetch.site_count++] = node->cluster.members[i].number;
            }
        }
    }
}

/* --- reports */

static bool is_newer_input(const struct csn_node_zone *zone, const struct csn_input_id *input)
{
    return zone->certificate_count == 0 ||
           csn_input_compare(
               input,
               &zone->certificates[zone->certificate_count - 1].certificate.held.proposal.input) ==
               1;
}

/* No work due, no new serial (signing.md 3): not before the refresh interval has passed, nor before
 * the schedule changes a signature of the newest version. */
static uint64_t refresh_due_s(const struct csn_node *node, const struct csn_node_zone *zone)
{
    if (zone->certificate_count == 0) {
        return UINT64_MAX;
    }
    const struct csn_body_held *newest =
        &zone->certificates[zone->certificate_count - 1].certificate.held;
    const struct csn_round_zone *config = csn_node_config(node, zone);
    uint64_t interval = newest->proposal.time_s + config->refresh_interval_s;
    uint64_t slot = newest->earliest_expiry_s > config->refresh_s
                        ? newest->earliest_expiry_s - config->refresh_s
                        : 0; /* until the shell has told */
    uint64_t due = csn_digest_equal(&zone->due_root, &newest->full_root) ? zone->due_s : slot;
    bool is_quiet = zone->diverged == 0; /* a later round lets it rejoin */
    return is_quiet && due > interval ? due : interval;
}

/* The newest certificate calls for another: its refresh, an input or a document it does not have. */
static bool is_due(const struct csn_node *node, const struct csn_node_zone *zone)
{
    bool is_due = refresh_due_s(node, zone) <= node->now.wall_s;
    if (zone->certificate_count > 0) {
        const struct csn_proposal *newest =
            &zone->certificates[zone->certificate_count - 1].certificate.held.proposal;
        is_due = is_due || zone->policies[0].number > newest->policy.number ||
                 zone->keysets[0].number > newest->keyset.number;
    }
    for (size_t i = 0; i < zone->input_count && !is_due; i++) {
        const struct csn_known_input *input = &zone->inputs[i];
        is_due = input->is_confirmed && is_newer_input(zone, &input->id);
    }
    return is_due;
}

static bool has_later_peer(const struct csn_node *node, const struct csn_node_zone *zone)
{
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        const struct csn_row *row = csn_peers_row(&node->peers, i, zone->index);
        if (i != node->member && row != NULL &&
            csn_round_compare(row->released.round, zone->released.round) > 0 &&
            csn_peers_is_fresh(&node->peers, i, node->now, CSN_SILENT_MS)) {
            return true;
        }
    }
    return false;
}

/* "Who answers": a newer certificate is known for longer than behind_max, or the first signature is
 * inside the fence of R/4 while another site has released something later. Never for the expiry
 * alone: an old answer is better than none. */
static bool is_behind(const struct csn_node *node, const struct csn_node_zone *zone)
{
    const struct csn_round_zone *config = csn_node_config(node, zone);
    const struct csn_known_certificate *released = csn_zone_certificate(zone, zone->released.round);
    uint64_t max_ms = 1000 * (uint64_t)config->behind_max_s;
    bool is_too_late = zone->is_late && node->now.mono_ms - zone->late_ms > max_ms;
    bool is_fenced = zone->is_serving && released != NULL &&
                     released->certificate.held.earliest_expiry_s <=
                         node->now.wall_s + config->refresh_s / 4;
    return is_too_late || (is_fenced && has_later_peer(node, zone));
}

/* The newest from the own source that are not below the floor. */
static void fill_inputs(const struct csn_node_zone *zone, struct csn_row *row)
{
    for (size_t i = zone->input_count; i > 0 && row->input_count < CSN_ROW_INPUTS_MAX; i--) {
        const struct csn_known_input *input = &zone->inputs[i - 1];
        int order = csn_input_compare(&input->id, &zone->floor.input);
        if (input->is_confirmed && order >= 0 && order != CSN_INPUT_UNORDERED) {
            row->inputs[row->input_count++] = input->id;
        }
    }
}

static void fill_holds(const struct csn_node *node, const struct csn_node_zone *zone, struct csn_row *row)
{
    size_t kept = csn_zone_holds_kept(zone);
    size_t count = kept < CSN_ROW_HOLDS_MAX ? kept : CSN_ROW_HOLDS_MAX;
    for (size_t i = zone->hold_count - count; i < zone->hold_count; i++) {
        const struct csn_hold *hold = &zone->holds[i];
        if (hold->held.proposal.epoch != node->cluster.epoch) {
            continue; /* dead: nobody votes in that epoch any more */
        }
        row->holds[row->hold_count++] = (struct csn_row_hold){
            .version = {.round = hold->held.proposal.round, .full_root = hold->held.full_root},
            .hash = hold->hash};
    }
}

static void fill_row(const struct csn_node *node, const struct csn_node_zone *zone,
                     struct csn_row *ret_row)
{
    const struct csn_known_certificate *released = csn_zone_certificate(zone, zone->released.round);
    *ret_row = (struct csn_row){
        .is_held = csn_zone_is_held(zone),
        .maintenance = csn_zone_maintenance(zone, node->site),
        .order_sum = csn_zone_order_sum(zone),
        .authority = csn_zone_authority(zone),
        .hsm = (uint8_t)zone->hsm,
        .diverged = zone->diverged,
        .is_behind = is_behind(node, zone),
        .gate = zone->gate,
        .floor = zone->floor,
        .newest = csn_zone_newest(zone),
        .policy = zone->policies[0],
        .keyset = zone->keysets[0],
        .due_s = refresh_due_s(node, zone),
    };
    memcpy(ret_row->zone, csn_node_zone_name(node, zone), CSN_NAME_MAX);
    if (zone->is_serving && released != NULL) {
        ret_row->released = zone->released;
        ret_row->released_serial = released->certificate.held.proposal.serial;
    }
    if (zone->work.state != CSN_WORK_IDLE) {
        ret_row->work = zone->work.hash;
    }
    fill_inputs(zone, ret_row);
    fill_holds(node, zone, ret_row);
}

static bool is_zone_pending(const struct csn_node *node, const struct csn_node_zone *zone)
{
    return zone->pending.is_set || zone->work.state != CSN_WORK_IDLE ||
           zone->adopt.state != CSN_ADOPT_CURRENT || csn_zone_holds_kept(zone) > 0 ||
           is_due(node, zone);
}

static bool is_pending(const struct csn_node *node)
{
    for (size_t i = 0; i < node->zone_count; i++) {
        if (is_zone_pending(node, &node->zones[i])) {
            return true;
        }
    }
    return false;
}

/* One row of the table: hashed, and carried where it is wanted and fits. */
static bool put_row(const struct csn_node *node, const struct csn_node_zone *zone, size_t size_max,
                    struct csn_buf *rows)
{
    struct csn_row row;
    size_t before = rows->size;
    fill_row(node, zone, &row);
    csn_row_encode(&row, rows);
    if (rows->size > size_max) {
        rows->size = before;
        return false;
    }
    return true;
}

/* Zones with something pending first; the rest takes turns, so that every row is heard in time. */
static uint16_t put_rows(struct csn_node *node, size_t size_max, struct csn_buf *rows)
{
    uint16_t count = 0;
    bool fits = true;
    for (size_t i = 0; i < node->zone_count && fits; i++) {
        const struct csn_node_zone *zone = &node->zones[(node->row_cursor + i) % node->zone_count];
        if (is_zone_pending(node, zone)) {
            fits = put_row(node, zone, size_max, rows);
            count = (uint16_t)(count + fits);
        }
    }
    for (size_t i = 0; i < node->zone_count && fits; i++) {
        const struct csn_node_zone *zone = &node->zones[node->row_cursor % node->zone_count];
        if (!is_zone_pending(node, zone)) {
            fits = put_row(node, zone, size_max, rows);
            count = (uint16_t)(count + fits);
        }
        node->row_cursor += fits;
    }
    node->row_cursor += !fits;
    return count;
}

static enum csn_hsm_state worst_hsm(const struct csn_node *node)
{
    enum csn_hsm_state worst = CSN_HSM_ABSENT;
    for (size_t i = 0; i < node->zone_count; i++) {
        worst = node->zones[i].hsm > worst ? node->zones[i].hsm : worst;
    }
    return worst;
}

static void table_digest(const struct csn_node *node, struct csn_digest *ret_digest)
{
    struct csn_buf all = {0};
    for (size_t i = 0; i < node->zone_count; i++) {
        put_row(node, &node->zones[i], SIZE_MAX, &all);
    }
    csn_sha384(csn_buf_view(&all), ret_digest);
    csn_buf_fini(&all);
}

#define REPORT_HEAD_MAX 192 /* octets of a report before its rows */

void csn_node_report(struct csn_node *node, enum csn_statement_kind kind)
{
    struct csn_buf rows = {0}, octets = {0};
    struct csn_body_report body = {
        .boot = node->boot,
        .seq = ++node->report_seq,
        .clock_s = node->now.wall_s,
        .promised = node->promised_durable,
        .state = node->state,
        .hsm = worst_hsm(node),
        .epoch = node->cluster.epoch,
        .next = node->epochs.has_next ? csn_epoch_version(&node->epochs.next)
                                      : (struct csn_version_id){0},
        .table_count = (uint32_t)node->zone_count,
    };
    table_digest(node, &body.table_digest);
    body.row_count = put_rows(node, CSN_STATEMENT_MAX - REPORT_HEAD_MAX, &rows);
    body.rows = csn_buf_view(&rows);
    csn_body_report_encode(&body, &octets);
    csn_node_send(node, kind, csn_buf_view(&octets));
    node->report_ms = node->now.mono_ms;
    csn_buf_fini(&rows);
    csn_buf_fini(&octets);
}

/* --- events */

static bool is_of_cluster(const struct csn_node *node, const struct csn_proposal *proposal)
{
    return memcmp(proposal->cluster, node->cluster.id, sizeof(proposal->cluster)) == 0 &&
           proposal->environment == node->cluster.environment;
}

static int take_proposal(struct csn_node *node, const struct csn_event *event)
{
    struct csn_body_proposal body;
    if (csn_body_proposal_decode(event->statement.body, &body) != CSN_OK ||
        body.term.coordinator != event->statement.signer) {
        return CSN_EFORMAT;
    }
    if (!is_of_cluster(node, &body.proposal)) {
        csn_node_count(node, CSN_COUNT_OTHER_CLUSTER);
    } else if (node->state == CSN_NODE_OK || node->state == CSN_NODE_SEALED) {
        csn_node_proposal(node, &body);
    }
    return CSN_OK;
}

static int take_lead(struct csn_node *node, const struct csn_event *event)
{
    struct csn_body_lead body;
    if (csn_body_lead_decode(event->statement.body, &body) != CSN_OK ||
        body.term.coordinator != event->statement.signer) {
        return CSN_EFORMAT;
    }
    if (node->state != CSN_NODE_STARTING) {
        csn_node_lead(node, &body);
    }
    return CSN_OK;
}

static int take_held(struct csn_node *node, unsigned member, const struct csn_event *event)
{
    struct csn_body_held body;
    struct csn_certificate_vote vote = {.site = event->statement.signer,
                                        .incarnation = event->statement.incarnation};
    if (csn_body_held_decode(event->statement.body, &body) != CSN_OK) {
        return CSN_EFORMAT;
    }
    bool is_epoch = body.proposal.epoch == node->cluster.epoch &&
                    csn_digest_equal(&body.proposal.epoch_digest, &node->cluster.digest);
    memcpy(vote.signature, event->statement.signature, sizeof(vote.signature));
    if (!is_of_cluster(node, &body.proposal) || !is_epoch) {
        csn_node_count(node, CSN_COUNT_OTHER_CLUSTER);
    } else {
        csn_node_seen_held(node, member, &body, &vote);
    }
    return CSN_OK;
}

static int take_report(struct csn_node *node, unsigned member, const struct csn_event *event)
{
    int code = csn_peers_take(&node->peers, member, event->statement.body, node->now);
    if (code == CSN_EEXISTS || code == CSN_EREFUSED) {
        csn_node_count(node, code == CSN_EEXISTS ? CSN_COUNT_OLD : CSN_COUNT_OLD_BOOT);
        code = CSN_OK;
    }
    return code;
}

/* Own COMPUTED and OFFER are booked when they are sent: what loops back of them says nothing new,
 * and what an earlier life of this site sent must not count for this one. */
static int take_fact(struct csn_node *node, unsigned member, const struct csn_event *event)
{
    struct csn_body_computed computed;
    struct csn_body_offer offer;
    struct csn_body_refused refused;
    int code = CSN_OK;
    if (event->statement.kind == CSN_STATEMENT_COMPUTED) {
        code = csn_body_computed_decode(event->statement.body, &computed);
        if (code == CSN_OK && member != node->member) {
            csn_facts_computed(&node->facts, member, &computed);
        }
    } else if (event->statement.kind == CSN_STATEMENT_OFFER) {
        code = csn_body_offer_decode(event->statement.body, &offer);
        if (code == CSN_OK && member != node->member) {
            csn_facts_offer(&node->facts, member, &offer);
        }
    } else {
        code = csn_body_refused_decode(event->statement.body, &refused);
        if (code == CSN_OK) {
            /* for operators; leaders act on it */
            csn_node_heard_refused(node, member, &refused, event);
        }
    }
    return code;
}

static int take_of_site(struct csn_node *node, unsigned member, const struct csn_event *event)
{
    switch (event->statement.kind) {
    case CSN_STATEMENT_HELD:
        return take_held(node, member, event);
    case CSN_STATEMENT_REPORT:
    case CSN_STATEMENT_PROMISE:
        return take_report(node, member, event);
    case CSN_STATEMENT_COMPUTED:
    case CSN_STATEMENT_OFFER:
    case CSN_STATEMENT_REFUSED:
        return take_fact(node, member, event);
    case CSN_STATEMENT_SEAL:
        return csn_epoch_take_seal(node, member, event);
    case CSN_STATEMENT_ENTRY:
        return csn_epoch_take_entry(node, member, event);
    case CSN_STATEMENT_PROPOSAL:
    case CSN_STATEMENT_LEAD:
    case CSN_STATEMENT_ORDER:
        break;
    }
    return CSN_EFORMAT;
}

static void take_statement(struct csn_node *node, const struct csn_event *event)
{
    int code = CSN_OK;
    uint16_t signer = event->statement.signer;
    int member = csn_member_index(&node->cluster, signer);
    if (csn_statement_is_coordinators(event->statement.kind)) {
        if (csn_cluster_coordinator(&node->cluster, signer) == NULL ||
            event->statement.incarnation != 0) {
            csn_node_count(node, CSN_COUNT_STRANGER);
            return;
        }
        code = event->statement.kind == CSN_STATEMENT_LEAD ? take_lead(node, event)
                                                           : take_proposal(node, event);
    } else if (csn_statement_is_operators(event->statement.kind)) {
        bool is_known = csn_cluster_operator(&node->cluster, signer) != NULL;
        code = is_known ? csn_node_order(node, event) : CSN_OK;
        if (!is_known) {
            csn_node_count(node, CSN_COUNT_STRANGER);
        }
    } else if (member < 0 ||
               node->cluster.members[member].incarnation != event->statement.incarnation) {
        csn_node_count(node, CSN_COUNT_STRANGER);
    } else {
        code = take_of_site(node, (unsigned)member, event);
    }
    if (code != CSN_OK) {
        csn_node_count(node, CSN_COUNT_MALFORMED);
    }
}

static struct csn_node_zone *find_zone(struct csn_node *node, const uint8_t *name)
{
    int index = csn_zone_index(node->configs, node->zone_count, name);
    if (index < 0) {
        csn_node_count(node, CSN_COUNT_UNKNOWN_ZONE);
        return NULL;
    }
    return &node->zones[index];
}

/* An older version that is still approved is remembered; only a newer or equal one is the zone's
 * configuration. */
static void take_documents(struct csn_node *node, const struct csn_round_zone *config)
{
    struct csn_node_zone *zone = find_zone(node, config->zone);
    if (zone == NULL) {
        return;
    }
    csn_zone_approve(zone, config);
    struct csn_round_zone *current = &node->configs[zone->index];
    if (config->policy.number >= current->policy.number &&
        config->keyset.number >= current->keyset.number) {
        *current = *config;
    }
}

static void take_completion(struct csn_node *node, const struct csn_event *event)
{
    if (event->corr != 0 && csn_epoch_completed(node, event)) {
        return;
    }
    for (size_t i = 0; i < node->zone_count && event->corr != 0; i++) {
        struct csn_node_zone *zone = &node->zones[i];
        if (csn_work_completed(node, zone, event) || csn_pending_completed(node, zone, event) ||
            csn_adopt_completed(node, zone, event) || csn_gap_completed(node, zone, event)) {
            return;
        }
    }
    csn_node_count(node, CSN_COUNT_STALE_COMPLETION);
}

static void take_event(struct csn_node *node, const struct csn_event *event)
{
    struct csn_node_zone *zone;
    switch (event->kind) {
    case CSN_EVENT_START:
        csn_node_start(node, event);
        break;
    case CSN_EVENT_TICK:
        break;
    case CSN_EVENT_STATEMENT:
        take_statement(node, event);
        break;
    case CSN_EVENT_CERTIFICATE:
        csn_node_certificate(node, event->certificate.certificate, event->certificate.octets);
        break;
    case CSN_EVENT_DOCUMENTS:
        take_documents(node, event->documents);
        break;
    case CSN_EVENT_INPUT:
        zone = find_zone(node, event->input.zone);
        if (zone != NULL) {
            csn_zone_add_input(node, zone, &event->input.id, event->input.is_confirmed);
        }
        break;
    case CSN_EVENT_PARKED:
        zone = find_zone(node, event->parked.zone);
        if (zone != NULL) {
            zone->gate = event->parked.gate;
        }
        break;
    case CSN_EVENT_DUE:
        zone = find_zone(node, event->due.zone);
        if (zone != NULL) {
            zone->due_root = event->due.full_root;
            zone->due_s = event->due.due_s;
        }
        break;
    case CSN_EVENT_HSM:
        zone = find_zone(node, event->hsm.zone);
        if (zone != NULL) {
            zone->hsm = event->hsm.state;
        }
        break;
    case CSN_EVENT_PERSISTED:
        csn_node_persisted(node, event);
        break;
    case CSN_EVENT_NEXT:
        csn_epoch_take_next(node, event->next);
        break;
    case CSN_EVENT_EPOCH:
        csn_epoch_take_link(node, event);
        break;
    case CSN_EVENT_COMPUTED:
    case CSN_EVENT_SIGNED:
    case CSN_EVENT_FETCHED:
    case CSN_EVENT_STAGED:
    case CSN_EVENT_RELEASED:
        take_completion(node, event);
        break;
    }
}

/* What follows from the state, whatever the event was. */
static void advance(struct csn_node *node)
{
    for (size_t i = 0; i < node->zone_count; i++) {
        struct csn_node_zone *zone = &node->zones[i];
        csn_work_advance(node, zone);
        csn_adopt_advance(node, zone);
        csn_pending_advance(node, zone);
        csn_gap_advance(node, zone);
    }
    csn_epoch_advance(node);
}

static void repeat(struct csn_node *node)
{
    uint64_t pause_ms = is_pending(node) ? CSN_REPORT_PENDING_MS : CSN_REPORT_IDLE_MS;
    for (size_t i = 0; i < node->zone_count; i++) {
        csn_work_repeat(node, &node->zones[i]);
        csn_holds_repeat(node, &node->zones[i]);
        csn_orders_repeat(node, &node->zones[i]);
    }
    csn_epoch_repeat(node);
    if (node->now.mono_ms - node->report_ms >= pause_ms) {
        csn_node_report(node, CSN_STATEMENT_REPORT);
    }
}

void csn_node_step(struct csn_node *node, const struct csn_event *event,
                   struct csn_effects *effects)
{
    node->now = event->now;
    node->effects = effects;
    if (!csn_node_is_mute(node)) {
        take_event(node, event);
    }
    if (node->is_started && !csn_node_is_mute(node)) {
        advance(node);
    }
    if (node->is_started && !csn_node_is_mute(node) && event->kind == CSN_EVENT_TICK) {
        repeat(node);
    }
    node->effects = NULL;
}

/* --- life */

struct csn_node *csn_node_new(const struct csn_cluster *cluster, uint16_t site,
                              const struct csn_round_zone *zones, size_t zone_count)
{
    struct csn_node *node = csn_calloc(1, sizeof(*node));
    int member = csn_member_index(cluster, site);
    REQUIRE(member >= 0);
    node->cluster = *cluster;
    node->site = site;
    node->member = (unsigned)member;
    node->state = CSN_NODE_STARTING;
    node->zone_count = zone_count;
    node->configs = csn_calloc(zone_count, sizeof(*node->configs));
    node->zones = csn_calloc(zone_count, sizeof(*node->zones));
    for (size_t i = 0; i < zone_count; i++) {
        node->configs[i] = zones[i];
        node->zones[i].index = i;
        csn_zone_approve(&node->zones[i], &zones[i]);
        csn_tally_init(&node->zones[i].tally, cluster->member_count);
    }
    csn_peers_init(&node->peers, &node->cluster, node->configs, zone_count);
    csn_facts_init(&node->facts, cluster->member_count, zone_count);
    return node;
}

static void zone_fini(struct csn_node_zone *zone)
{
    for (size_t i = 0; i < zone->certificate_count; i++) {
        csn_buf_fini(&zone->certificates[i].octets);
    }
    free(zone->certificates);
    free(zone->holds);
    free(zone->inputs);
    free(zone->orders);
    free(zone->versions);
    csn_tally_fini(&zone->tally);
}

void csn_node_free(struct csn_node *take_node)
{
    if (take_node == NULL) {
        return;
    }
    for (size_t i = 0; i < take_node->zone_count; i++) {
        zone_fini(&take_node->zones[i]);
    }
    csn_persists_fini(take_node);
    csn_epochs_fini(take_node);
    csn_peers_fini(&take_node->peers);
    csn_facts_fini(&take_node->facts);
    csn_early_fini(take_node);
    free(take_node->configs);
    free(take_node->zones);
    free(take_node);
}

/* --- status */

#define HEARTBEAT_FRESH_MS 3000

void csn_node_get_status(const struct csn_node *node, struct csn_now now,
                         struct csn_node_status *ret_status)
{
    bool is_led = node->has_heartbeat && node->heartbeat.state == CSN_LEAD_LEADS &&
                  now.mono_ms - node->heartbeat_ms < HEARTBEAT_FRESH_MS;
    *ret_status = (struct csn_node_status){
        .site = node->site,
        .state = node->state,
        .halt = node->halt,
        .promised = node->promised_durable,
        .leader = is_led ? node->promised.coordinator : 0,
        .unled_ms = is_led ? 0 : now.mono_ms - node->heartbeat_ms,
        .lead_site = node->lead_site,
        .boot = node->boot,
        .epoch = node->cluster.epoch,
        .is_sealed = node->is_sealed,
        .is_joining = node->epochs.is_joining,
    };
    if (node->epochs.has_next) {
        ret_status->next = csn_epoch_version(&node->epochs.next);
    }
}

size_t csn_node_zone_count(const struct csn_node *node)
{
    return node->zone_count;
}

uint16_t csn_node_zone_lead(const struct csn_node *node, size_t index)
{
    REQUIRE(index < node->zone_count);
    const struct csn_node_zone *zone = &node->zones[index];
    return zone->lead_site != 0 ? zone->lead_site : node->lead_site;
}

void csn_node_get_zone(const struct csn_node *node, size_t index, struct csn_now now,
                       struct csn_node_zone_status *ret_status)
{
    REQUIRE(index < node->zone_count);
    const struct csn_node_zone *zone = &node->zones[index];
    const struct csn_known_certificate *released = csn_zone_certificate(zone, zone->released.round);
    (void)now;
    *ret_status = (struct csn_node_zone_status){
        .zone = csn_node_zone_name(node, zone),
        .work = zone->work.state,
        .adopt = zone->adopt.state,
        .refusal = zone->refusal,
        .is_serving = zone->is_serving,
        .released_at_s = zone->serving_since_s,
        .is_behind = is_behind(node, zone),
        .accepted_ms = zone->accepted_ms,
    };
    fill_row(node, zone, &ret_status->row);
    if (released != NULL) {
        ret_status->released = &released->certificate;
        ret_status->released_octets = csn_buf_view(&released->octets);
    }
    if (zone->work.state != CSN_WORK_IDLE) {
        ret_status->proposal = &zone->work.proposal;
        ret_status->computed_count =
            zone->work.state >= CSN_WORK_COMPARING
                ? (uint8_t)csn_facts_agree(&node->facts, &zone->work.hash, &zone->work.roots)
                : 0;
        ret_status->held_count = (uint8_t)csn_tally_count(&zone->tally, &zone->work.hash);
    } else if (zone->pending.is_set) {
        ret_status->proposal = &zone->pending.proposal;
    }
}

/* Of what was proposed last; work on something else is over. */
bool csn_node_get_share(const struct csn_node *node, size_t index, uint16_t site,
                        struct csn_round_share *ret_share)
{
    REQUIRE(index < node->zone_count);
    const struct csn_node_zone *zone = &node->zones[index];
    int member = csn_member_index(&node->cluster, site);
    bool is_at_work = zone->work.state != CSN_WORK_IDLE;
    bool is_over = !zone->has_sending ||
                   (!is_at_work && csn_zone_certificate_of(zone, &zone->sending_hash) != NULL);
    if (member < 0 || is_over) {
        return false;
    }
    const struct csn_digest *hash = is_at_work ? &zone->work.hash : &zone->sending_hash;
    const struct csn_fact *fact = csn_facts_find(&node->facts, (unsigned)member, hash);
    const struct csn_refusal *heard = &zone->heard[member];
    bool has_computed = fact != NULL && fact->has_computed;
    *ret_share = (struct csn_round_share){
        .has_voted = is_at_work && csn_tally_has(&zone->tally, (unsigned)member, zone->work.proposal.round),
        .has_computed = has_computed,
        .agrees = has_computed && is_at_work && zone->work.state >= CSN_WORK_COMPARING &&
                  csn_roots_equal(&fact->roots, &zone->work.roots),
        .is_refused = heard->is_set && csn_digest_equal(&heard->hash, hash)};
    return true;
}

bool csn_node_get_peer(const struct csn_node *node, uint16_t site,
                       struct csn_peer_status *ret_status)
{
    int member = csn_member_index(&node->cluster, site);
    const struct csn_peer *peer = member >= 0 ? &node->peers.peers[member] : NULL;
    if (peer == NULL || !peer->is_heard) {
        return false;
    }
    *ret_status = csn_peers_status(peer, site);
    return true;
}

const struct csn_row *csn_node_peer_row(const struct csn_node *node, uint16_t site,
                                        const uint8_t *zone)
{
    int member = csn_member_index(&node->cluster, site);
    int index = csn_zone_index(node->configs, node->zone_count, zone);
    return member >= 0 && index >= 0 ? csn_peers_row(&node->peers, (unsigned)member, (size_t)index)
                                     : NULL;
}

bool csn_node_computed(const struct csn_node *node, uint16_t site, const struct csn_digest *hash,
                       struct csn_roots *ret_roots)
{
    int member = csn_member_index(&node->cluster, site);
    const struct csn_fact *fact =
        member >= 0 ? csn_facts_find(&node->facts, (unsigned)member, hash) : NULL;
    if (fact == NULL || !fact->has_computed) {
        return false;
    }
    *ret_roots = fact->roots;
    return true;
}

uint64_t csn_node_expiry(const struct csn_node *node, size_t index, struct csn_round round)
{
    REQUIRE(index < node->zone_count);
    const struct csn_known_certificate *known = csn_zone_certificate(&node->zones[index], round);
    return known != NULL ? known->certificate.held.earliest_expiry_s : 0;
}

struct csn_bytes csn_node_certificate_above(const struct csn_node *node, const uint8_t *zone,
                                            struct csn_round above)
{
    int index = csn_zone_index(node->configs, node->zone_count, zone);
    for (size_t i = 0; index >= 0 && i < node->zones[index].certificate_count; i++) {
        const struct csn_known_certificate *known = &node->zones[index].certificates[i];
        if (csn_round_compare(known->certificate.held.proposal.round, above) > 0) {
            return csn_buf_view(&known->octets);
        }
    }
    return csn_bytes(NULL, 0);
}
