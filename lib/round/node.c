#include "round/node.h"

#include <stdlib.h>
#include <string.h>

#include "round/node_epoch.h"
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
    csn_effects_send(node->effects, kind, body);
}

void csn_node_cancel(struct csn_node *node, uint64_t *corr)
{
    if (*corr != 0) {
        csn_node_effect(node, CSN_EFFECT_CANCEL, NULL)->corr = *corr;
        *corr = 0;
    }
}

void csn_node_touch(struct csn_node *node, struct csn_node_zone *zone)
{
    zone->is_row_stale = true;
    if (!node->is_touched[zone->index]) {
        node->is_touched[zone->index] = true;
        node->touched[node->touched_count++] = zone->index;
    }
}

static void touch_all(struct csn_node *node)
{
    for (size_t i = 0; i < node->zone_count; i++) {
        csn_node_touch(node, &node->zones[i]);
    }
}

uint64_t csn_node_corr(struct csn_node *node, const struct csn_node_zone *zone)
{
    return ++node->next_corr * node->zone_count + (zone != NULL ? zone->index : 0);
}

#define ROUNDS_LEAST 1024 /* places for hashes of proposals; a power of 2 */
#define ROUNDS_SHARE 4    /* of them for each zone, so that few displace each other */

static size_t round_places(size_t zone_count)
{
    size_t places = ROUNDS_LEAST;
    while (places < ROUNDS_SHARE * zone_count) {
        places *= 2;
    }
    return places;
}

static uint32_t *round_place(struct csn_node *node, const struct csn_digest *hash)
{
    return &node->rounds[csn_get_u32(hash->octets) & (round_places(node->zone_count) - 1)];
}

void csn_node_note_round(struct csn_node *node, const struct csn_node_zone *zone,
                         const struct csn_digest *hash)
{
    *round_place(node, hash) = (uint32_t)zone->index + 1;
}

struct csn_node_zone *csn_node_of_round(struct csn_node *node, const struct csn_digest *hash)
{
    uint32_t place = *round_place(node, hash);
    struct csn_node_zone *zone = place > 0 ? &node->zones[place - 1] : NULL;
    return zone != NULL && zone->has_sending && csn_digest_equal(&zone->sending_hash, hash) ? zone
                                                                                          : NULL;
}

struct csn_effect *csn_node_fetch(struct csn_node *node, struct csn_node_zone *zone,
                                  struct csn_fetch *fetch, enum csn_object_kind object)
{
    if (fetch->corr != 0 || fetch->is_here || node->now.mono_ms < fetch->retry_ms) {
        return NULL;
    }
    struct csn_effect *effect = csn_node_effect(node, CSN_EFFECT_FETCH, zone);
    effect->corr = fetch->corr = csn_node_corr(node, zone);
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
    if (body.epoch != node->cluster.epoch) { /* R6: or a branch of an emergency would go on in the other's terms (R8) */
        csn_node_count(node, CSN_COUNT_OTHER_CLUSTER);
    } else if (node->state != CSN_NODE_STARTING) {
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

/* A site that begins anew knows none of the rows. */
static void hear_boot(struct csn_node *node, unsigned member, uint32_t boot_before)
{
    if (member != node->member && node->peers.peers[member].report.boot != boot_before) {
        csn_node_tell_all(node);
    }
}

static int take_report(struct csn_node *node, unsigned member, const struct csn_event *event)
{
    uint32_t boot = node->peers.peers[member].report.boot;
    int code = csn_peers_take(&node->peers, member, event->statement.body, node->now);
    hear_boot(node, member, boot);
    for (size_t i = 0; code == CSN_OK && i < node->peers.taken_count; i++) {
        csn_node_touch(node, &node->zones[node->peers.taken[i]]);
    }
    if (code == CSN_EEXISTS || code == CSN_EREFUSED) {
        csn_node_count(node, code == CSN_EEXISTS ? CSN_COUNT_OLD : CSN_COUNT_OLD_BOOT);
        code = CSN_OK;
    }
    return code;
}

static void touch_round(struct csn_node *node, const struct csn_digest *hash)
{
    struct csn_node_zone *zone = csn_node_of_round(node, hash);
    if (zone != NULL) {
        csn_node_touch(node, zone);
    }
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
            touch_round(node, &computed.hash);
        }
    } else if (event->statement.kind == CSN_STATEMENT_OFFER) {
        code = csn_body_offer_decode(event->statement.body, &offer);
        if (code == CSN_OK && member != node->member) {
            csn_facts_offer(&node->facts, member, &offer);
            touch_round(node, &offer.hash);
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
    int index = csn_zone_index(&node->peers, name);
    if (index < 0) {
        csn_node_count(node, CSN_COUNT_UNKNOWN_ZONE);
        return NULL;
    }
    csn_node_touch(node, &node->zones[index]);
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
    struct csn_node_zone *zone = &node->zones[event->corr % node->zone_count];
    if (event->corr != 0 &&
        (csn_work_completed(node, zone, event) || csn_pending_completed(node, zone, event) ||
         csn_adopt_completed(node, zone, event) || csn_gap_completed(node, zone, event))) {
        csn_node_touch(node, zone);
    } else {
        csn_node_count(node, CSN_COUNT_STALE_COMPLETION);
    }
}

static void set_hsm(struct csn_node *node, struct csn_node_zone *zone, enum csn_hsm_state state)
{
    node->hsm_counts[zone->hsm]--;
    zone->hsm = state;
    node->hsm_counts[zone->hsm]++;
}

static void take_event(struct csn_node *node, const struct csn_event *event)
{
    struct csn_node_zone *zone;
    switch (event->kind) {
    case CSN_EVENT_START:
        csn_node_start(node, event);
        touch_all(node);
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
            set_hsm(node, zone, event->hsm.state);
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
static void advance(struct csn_node *node, struct csn_node_zone *zone)
{
    csn_work_advance(node, zone);
    csn_adopt_advance(node, zone);
    csn_pending_advance(node, zone);
    csn_gap_advance(node, zone);
    bool is_busy = csn_zone_is_pending(node, zone);
    node->busy_count = node->busy_count + is_busy - node->is_busy[zone->index];
    node->is_busy[zone->index] = is_busy;
}

#define SCAN_LEAST 64 /* quiet zones looked at in a tick */
#define SCAN_SHARE 32 /* of more, this part: each within 1.6 s */

static size_t scan_count(const struct csn_node *node)
{
    size_t share = node->zone_count / SCAN_SHARE + 1;
    size_t count = share > SCAN_LEAST ? share : SCAN_LEAST;
    return count < node->zone_count ? count : node->zone_count;
}

/* Zones with something pending, and the next of those without: time passes for them too. */
static void touch_by_turns(struct csn_node *node)
{
    for (size_t i = 0; i < node->zone_count && node->busy_count > 0; i++) {
        if (node->is_busy[i]) {
            csn_node_touch(node, &node->zones[i]);
        }
    }
    for (size_t i = scan_count(node); i > 0; i--) {
        csn_node_touch(node, &node->zones[node->scan_cursor]);
        node->scan_cursor = (node->scan_cursor + 1) % node->zone_count;
    }
}

static void repeat(struct csn_node *node)
{
    for (size_t i = 0; i < node->touched_count; i++) {
        struct csn_node_zone *zone = &node->zones[node->touched[i]];
        csn_work_repeat(node, zone);
        csn_holds_repeat(node, zone);
        csn_orders_repeat(node, zone);
        csn_branch_repeat(node, zone);
    }
    csn_epoch_repeat(node);
    csn_node_tell_newest(node);
    csn_node_reports(node);
}

static void forget_touched(struct csn_node *node)
{
    for (size_t i = 0; i < node->touched_count; i++) {
        node->is_touched[node->touched[i]] = false;
    }
    node->touched_count = 0;
}

void csn_node_step(struct csn_node *node, const struct csn_event *event,
                   struct csn_effects *effects)
{
    node->now = event->now;
    node->effects = effects;
    csn_clock_watch(node, event->kind == CSN_EVENT_TICK);
    /* One that was left out may be told that it is taken back. */
    bool may_come_back = node->halt == CSN_HALT_REMOVED && event->kind == CSN_EVENT_EPOCH;
    if (!csn_node_is_mute(node) || may_come_back) {
        take_event(node, event);
    }
    bool is_up = node->is_started && !csn_node_is_mute(node);
    if (is_up && event->kind == CSN_EVENT_TICK) {
        touch_by_turns(node);
    }
    for (size_t i = 0; is_up && i < node->touched_count; i++) { /* one may touch another */
        advance(node, &node->zones[node->touched[i]]);
    }
    if (is_up) {
        csn_epoch_advance(node);
    }
    if (node->is_started && !csn_node_is_mute(node) && event->kind == CSN_EVENT_TICK) {
        repeat(node);
    }
    forget_touched(node);
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
    node->touched = csn_calloc(zone_count, sizeof(*node->touched));
    node->is_touched = csn_calloc(zone_count, sizeof(*node->is_touched));
    node->is_busy = csn_calloc(zone_count, sizeof(*node->is_busy));
    node->rounds = csn_calloc(round_places(zone_count), sizeof(*node->rounds));
    node->newest_cursor = zone_count;
    node->hsm_counts[CSN_HSM_ABSENT] = zone_count;
    node->is_table_stale = true;
    for (size_t i = 0; i < zone_count; i++) {
        node->configs[i] = zones[i];
        node->zones[i].index = i;
        node->zones[i].is_row_stale = true;
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
    csn_node_epochs_fini(take_node);
    csn_peers_fini(&take_node->peers);
    csn_facts_fini(&take_node->facts);
    csn_early_fini(take_node);
    free(take_node->configs);
    free(take_node->zones);
    free(take_node->touched);
    free(take_node->is_touched);
    free(take_node->is_busy);
    free(take_node->rounds);
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
        .state = csn_node_said_state(node),
        .halt = csn_node_halted(node),
        .promised = node->promised_durable,
        .leader = is_led ? node->promised.coordinator : 0,
        .unled_ms = is_led ? 0 : now.mono_ms - node->heartbeat_ms,
        .lead_site = node->lead_site,
        .boot = node->boot,
        .epoch = node->cluster.epoch,
        .is_deaf = csn_node_is_mute(node),
        .is_sealed = node->is_sealed,
        .is_joining = node->epochs.is_joining,
    };
    if (node->epochs.has_next) {
        ret_status->next = csn_epoch_version(&node->epochs.next);
    }
    csn_epoch_find_odd(node, now, &ret_status->odd);
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
        .is_behind = csn_zone_is_behind(node, zone),
        .accepted_ms = zone->accepted_ms,
        .lone_votes = csn_zone_holds_kept(zone),
    };
    csn_zone_fill_row(node, zone, &ret_status->row);
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
    int index = csn_zone_index(&node->peers, zone);
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
    int index = csn_zone_index(&node->peers, zone);
    for (size_t i = 0; index >= 0 && i < node->zones[index].certificate_count; i++) {
        const struct csn_known_certificate *known = &node->zones[index].certificates[i];
        if (csn_round_compare(known->certificate.held.proposal.round, above) > 0) {
            return csn_buf_view(&known->octets);
        }
    }
    return csn_bytes(NULL, 0);
}
