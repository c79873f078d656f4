/* What comes in: statements of sites, certificates (L4, L6) and documents. */
#include "round/leader_state.h"

#include <string.h>

static void count(struct csn_leader *leader, enum csn_count_reason reason)
{
    csn_effects_add(leader->effects, CSN_EFFECT_COUNT, NULL)->count = (uint8_t)reason;
}

/* The one whose round has this hash, or NULL. */
static struct csn_leader_zone *of_round(struct csn_leader *leader, const struct csn_digest *hash)
{
    for (size_t i = 0; i < leader->at_work_count; i++) {
        struct csn_leader_zone *zone = &leader->zones[leader->at_work[i]];
        if (csn_digest_equal(&zone->hash, hash)) {
            return zone;
        }
    }
    return NULL;
}

static void touch_round(struct csn_leader *leader, const struct csn_digest *hash)
{
    const struct csn_leader_zone *zone = of_round(leader, hash);
    if (zone != NULL) {
        csn_leader_touch(leader, zone);
    }
}

/* --- certificates */

struct csn_round csn_leader_newest(const struct csn_leader_zone *zone)
{
    return zone->has_newest ? zone->newest.held.proposal.round : (struct csn_round){0};
}

void csn_leader_broadcast(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    struct csn_bytes copy = csn_effects_copy(leader->effects, csn_buf_view(&zone->newest_octets));
    csn_effects_add(leader->effects, CSN_EFFECT_CERTIFICATE, csn_leader_config(leader, zone)->zone)
        ->certificate = copy;
    zone->answered_ms = leader->now.mono_ms;
}

void csn_leader_answer(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    if (leader->now.mono_ms - zone->answered_ms >= CSN_HEARTBEAT_MS) {
        csn_leader_broadcast(leader, zone);
    }
}

void csn_leader_certificate(struct csn_leader *leader, struct csn_leader_zone *zone,
                            const struct csn_certificate *certificate, struct csn_bytes octets)
{
    uint64_t counter = certificate->held.proposal.round.term.counter;
    leader->proven = counter > leader->proven ? counter : leader->proven;
    if (csn_round_compare(certificate->held.proposal.round, csn_leader_newest(zone)) <= 0) {
        return;
    }
    zone->newest = *certificate;
    zone->has_newest = true;
    zone->has_waited = false;
    csn_buf_clear(&zone->newest_octets);
    csn_buf_put_bytes(&zone->newest_octets, octets);
    csn_proposal_hash(&certificate->held.proposal, &zone->newest_hash);
    csn_tally_prune(&zone->tally, certificate->held.proposal.round);
    struct csn_trace *trace = csn_leader_trace(leader, CSN_TRACE_CERTIFIED, zone);
    trace->round = certificate->held.proposal.round;
    trace->digest = certificate->held.full_root;
    trace->number = certificate->held.proposal.serial;
    if (leader->state == CSN_LEADER_LEADING) {
        leader->rest_s = 1; /* L5: the wait starts over */
    }
}

/* L6. */
static void certify(struct csn_leader *leader, struct csn_leader_zone *zone,
                    const struct csn_tally_vote *vote)
{
    struct csn_certificate certificate;
    struct csn_buf octets = {0};
    if (!csn_tally_certify(&zone->tally, vote, leader->cluster.quorum, &certificate)) {
        return;
    }
    csn_certificate_encode(&certificate, &octets);
    csn_leader_certificate(leader, zone, &certificate, csn_buf_view(&octets));
    if (leader->state == CSN_LEADER_LEADING) {
        csn_leader_broadcast(leader, zone);
    }
    csn_buf_fini(&octets);
}

/* --- statements */

static bool is_of_epoch(const struct csn_leader *leader, const struct csn_proposal *proposal)
{
    return proposal->epoch == leader->cluster.epoch &&
           csn_digest_equal(&proposal->epoch_digest, &leader->cluster.digest);
}

/* Of this epoch, or a certificate of an earlier one, which the shell has checked along the chain. */
static bool is_of_chain(const struct csn_leader *leader, const struct csn_proposal *proposal)
{
    return memcmp(proposal->cluster, leader->cluster.id, sizeof(proposal->cluster)) == 0 &&
           proposal->environment == leader->cluster.environment &&
           (proposal->epoch < leader->cluster.epoch || is_of_epoch(leader, proposal));
}

/* What is held may be proposed again here, and its authors be judged: no site votes for others than members (R2, form). */
static bool has_known_authors(const struct csn_leader *leader, const struct csn_proposal *proposal)
{
    bool is_known = true;
    for (unsigned i = 0; i < proposal->author_count; i++) {
        is_known = is_known && csn_member_index(&leader->cluster, proposal->authors[i]) >= 0;
    }
    return is_known;
}

static struct csn_leader_zone *find_zone(struct csn_leader *leader,
                                         const struct csn_proposal *proposal)
{
    int index = csn_zone_index(&leader->peers, proposal->zone);
    if (index < 0 || !is_of_chain(leader, proposal)) {
        count(leader, index < 0 ? CSN_COUNT_UNKNOWN_ZONE : CSN_COUNT_OTHER_CLUSTER);
        return NULL;
    }
    csn_leader_touch(leader, &leader->zones[index]);
    return &leader->zones[index];
}

static int take_held(struct csn_leader *leader, unsigned member, const struct csn_event *event)
{
    struct csn_body_held body;
    struct csn_certificate_vote vote = {.site = event->statement.signer,
                                        .incarnation = event->statement.incarnation};
    struct csn_digest hash;
    if (csn_body_held_decode(event->statement.body, &body) != CSN_OK) {
        return CSN_EFORMAT;
    }
    struct csn_leader_zone *zone = find_zone(leader, &body.proposal);
    if (zone == NULL) {
        return CSN_OK;
    }
    if (!is_of_epoch(leader, &body.proposal)) {
        count(leader, CSN_COUNT_OTHER_CLUSTER);
        return CSN_OK;
    }
    if (!has_known_authors(leader, &body.proposal)) {
        return CSN_EFORMAT;
    }
    memcpy(vote.signature, event->statement.signature, sizeof(vote.signature));
    csn_leader_see_proposed(leader, member, body.proposal.round.term);
    csn_proposal_hash(&body.proposal, &hash);
    csn_facts_held(&leader->facts, member, &hash, &body);
    if (csn_round_compare(body.proposal.round, csn_leader_newest(zone)) > 0) {
        const struct csn_tally_vote *kept = csn_tally_add(&zone->tally, member, &body, &vote);
        if (kept != NULL) {
            certify(leader, zone, kept);
        }
    }
    return CSN_OK;
}

/* L4: merged into what is known of the node; one for the parent is answered with the certificate.
 */
static void merge_refusal(struct csn_leader *leader, unsigned member,
                          const struct csn_body_refused *body)
{
    struct csn_leader_zone *zone = of_round(leader, &body->hash);
    if (zone == NULL) {
        return;
    }
    struct csn_peer *peer = &leader->peers.peers[member];
    if (peer->has_row[zone->index] && body->test != CSN_TEST_SEALED) { /* its floor may be the next epoch's */
        struct csn_row *row = &peer->rows[zone->index];
        row->floor = body->floor;
        row->newest = body->newest;
        csn_leader_see_row(leader, member, row);
    }
    bool is_behind =
        zone->has_newest && csn_round_compare(body->newest.round, csn_leader_newest(zone)) < 0;
    if (is_behind) {
        csn_leader_answer(leader, zone);
    }
    csn_leader_touch(leader, zone);
}

static int take_refused(struct csn_leader *leader, unsigned member, const struct csn_event *event)
{
    struct csn_body_refused body;
    if (csn_body_refused_decode(event->statement.body, &body) != CSN_OK) {
        return CSN_EFORMAT;
    }
    struct csn_fact *fact = csn_facts_claim(&leader->facts, member, &body.hash);
    fact->is_refused = true;
    fact->rule = body.rule;
    fact->test = body.test;
    fact->want = body.want;
    merge_refusal(leader, member, &body);
    return CSN_OK;
}

static int take_report(struct csn_leader *leader, unsigned member, const struct csn_event *event)
{
    int code = csn_peers_take(&leader->peers, member, event->statement.body, leader->now);
    bool is_ours = leader->peers.peers[member].report.epoch == leader->cluster.epoch; /* R8: terms of a branch are its own */
    if (code == CSN_OK && is_ours) {
        csn_leader_see_report(leader, member);
    } else if (code == CSN_EEXISTS || code == CSN_EREFUSED) {
        count(leader, code == CSN_EEXISTS ? CSN_COUNT_OLD : CSN_COUNT_OLD_BOOT);
        code = CSN_OK;
    }
    return code;
}

static int take_fact(struct csn_leader *leader, unsigned member, const struct csn_event *event)
{
    struct csn_body_computed computed;
    struct csn_body_offer offer;
    int code;
    if (event->statement.kind == CSN_STATEMENT_COMPUTED) {
        code = csn_body_computed_decode(event->statement.body, &computed);
        if (code == CSN_OK) {
            csn_facts_computed(&leader->facts, member, &computed);
            touch_round(leader, &computed.hash);
        }
    } else {
        code = csn_body_offer_decode(event->statement.body, &offer);
        if (code == CSN_OK) {
            csn_facts_offer(&leader->facts, member, &offer);
            touch_round(leader, &offer.hash);
        }
    }
    return code;
}

static int take_of_site(struct csn_leader *leader, unsigned member, const struct csn_event *event)
{
    switch (event->statement.kind) {
    case CSN_STATEMENT_HELD:
        return take_held(leader, member, event);
    case CSN_STATEMENT_REFUSED:
        return take_refused(leader, member, event);
    case CSN_STATEMENT_REPORT:
    case CSN_STATEMENT_PROMISE:
        return take_report(leader, member, event);
    case CSN_STATEMENT_COMPUTED:
    case CSN_STATEMENT_OFFER:
        return take_fact(leader, member, event);
    case CSN_STATEMENT_SEAL:
    case CSN_STATEMENT_ENTRY:
        return CSN_OK; /* for nodes */
    case CSN_STATEMENT_PROPOSAL:
    case CSN_STATEMENT_LEAD:
    case CSN_STATEMENT_ORDER:
        break;
    }
    return CSN_EFORMAT;
}

/* What coordinators say, this one's own loop too, and operators, is for nodes. */
static void take_statement(struct csn_leader *leader, const struct csn_event *event)
{
    int member = csn_member_index(&leader->cluster, event->statement.signer);
    if (csn_statement_is_coordinators(event->statement.kind) ||
        csn_statement_is_operators(event->statement.kind)) {
        return;
    }
    if (member < 0 || leader->cluster.members[member].incarnation != event->statement.incarnation) {
        count(leader, CSN_COUNT_STRANGER);
    } else if (take_of_site(leader, (unsigned)member, event) != CSN_OK) {
        count(leader, CSN_COUNT_MALFORMED);
    }
}

static void take_certificate(struct csn_leader *leader, const struct csn_event *event)
{
    struct csn_leader_zone *zone =
        find_zone(leader, &event->certificate.certificate->held.proposal);
    if (zone != NULL) {
        csn_leader_certificate(leader, zone, event->certificate.certificate,
                               event->certificate.octets);
    }
}

static void take_documents(struct csn_leader *leader, const struct csn_round_zone *config)
{
    int index = csn_zone_index(&leader->peers, config->zone);
    if (index < 0) {
        count(leader, CSN_COUNT_UNKNOWN_ZONE);
    } else {
        leader->configs[index] = *config;
        csn_leader_touch(leader, &leader->zones[index]);
    }
}

void csn_leader_take(struct csn_leader *leader, const struct csn_event *event)
{
    if (event->kind == CSN_EVENT_STATEMENT) {
        take_statement(leader, event);
    } else if (event->kind == CSN_EVENT_CERTIFICATE) {
        take_certificate(leader, event);
    } else if (event->kind == CSN_EVENT_DOCUMENTS) {
        take_documents(leader, event->documents);
    }
}
