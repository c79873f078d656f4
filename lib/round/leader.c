#include "round/leader.h"

#include <stdlib.h>
#include <string.h>

#include "round/leader_state.h"

#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next;
} states[] = {
    [CSN_LEADER_LISTENING] = {"listening", BIT(CSN_LEADER_ASKING)},
    [CSN_LEADER_ASKING] = {"asking", BIT(CSN_LEADER_ASKING) | BIT(CSN_LEADER_LEADING) |
                                         BIT(CSN_LEADER_LISTENING)},
    [CSN_LEADER_LEADING] = {"leading", BIT(CSN_LEADER_ASKING) | BIT(CSN_LEADER_RESTING)},
    [CSN_LEADER_RESTING] = {"resting", BIT(CSN_LEADER_LISTENING)},
};

const char *csn_leader_text(enum csn_leader_state state)
{
    return states[state].name;
}

bool csn_leader_may_move(enum csn_leader_state from, enum csn_leader_state to)
{
    return (states[from].next & BIT(to)) != 0;
}

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

static void count(struct csn_leader *leader, enum csn_count_reason reason)
{
    csn_effects_add(leader->effects, CSN_EFFECT_COUNT, NULL)->count = (uint8_t)reason;
}

static void move(struct csn_leader *leader, enum csn_leader_state to)
{
    INSIST(csn_leader_may_move(leader->state, to));
    struct csn_trace *trace = csn_leader_trace(leader, CSN_TRACE_LEADER, NULL);
    trace->from = (uint8_t)leader->state;
    trace->to = (uint8_t)to;
    trace->round.term = leader->term;
    leader->state = to;
}

/* --- zones of a step */

static void touch(struct csn_leader *leader, const struct csn_leader_zone *zone)
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
        touch(leader, zone);
    }
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

static unsigned fresh_count(const struct csn_leader *leader)
{
    unsigned fresh = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        fresh += csn_leader_is_fresh(leader, i);
    }
    return fresh;
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

/* One that claims a term far above all that is proven is not believed. */
static bool is_credible(const struct csn_leader *leader, struct csn_term term)
{
    return term.counter <= leader->proven + CSN_TERM_STEP_MAX;
}

static void see_term(struct csn_leader *leader, unsigned member, struct csn_term term)
{
    if (!is_credible(leader, term)) {
        return;
    }
    leader->seen[member] =
        term.counter > leader->seen[member] ? term.counter : leader->seen[member];
}

static void see_proposed(struct csn_leader *leader, unsigned member, struct csn_term term)
{
    if (!is_credible(leader, term)) {
        return;
    }
    leader->proposed[member] =
        term.counter > leader->proposed[member] ? term.counter : leader->proposed[member];
    see_term(leader, member, term);
}

/* A round of the own term that was never proposed in this life is an earlier life's: the term was
 * led in before, and its rounds would be used twice (R1). It counts as a term above. */
static void see_round(struct csn_leader *leader, unsigned member, struct csn_round round)
{
    struct csn_term term = round.term;
    bool is_reused = csn_term_compare(term, leader->term) == 0 && round.seq > leader->proposal_seq;
    term.counter += is_reused;
    see_proposed(leader, member, term);
}

static void see_row(struct csn_leader *leader, unsigned member, const struct csn_row *row)
{
    see_round(leader, member, row->floor.round);
    see_round(leader, member, row->newest.round);
    see_round(leader, member, row->released.round);
    for (unsigned i = 0; i < row->hold_count; i++) {
        see_round(leader, member, row->holds[i].version.round);
    }
}

/* What was said before was seen when it was said. */
static void see_report(struct csn_leader *leader, unsigned member)
{
    see_term(leader, member, leader->peers.peers[member].report.promised);
    for (size_t i = 0; i < leader->peers.taken_count; i++) {
        size_t zone = leader->peers.taken[i];
        see_row(leader, member, csn_peers_row(&leader->peers, member, zone));
        touch(leader, &leader->zones[zone]);
    }
}

/* The highest counter that more sites than may lie have reached: a term that was led in was
 * promised by so many of any q. */
static uint64_t highest_counter(const struct csn_leader *leader)
{
    uint64_t highest = leader->proven;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        unsigned reached = 0;
        for (unsigned k = 0; k < leader->cluster.member_count; k++) {
            reached += leader->seen[k] >= leader->seen[i];
        }
        bool is_vouched = reached > leader->cluster.faults;
        highest = is_vouched && leader->seen[i] > highest ? leader->seen[i] : highest;
    }
    return highest;
}

/* Sites that promised a higher term, and those that know a round of one, which refuse the rounds of
 * this one. */
static unsigned higher_count(const struct csn_leader *leader)
{
    unsigned higher = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        struct csn_term promised = leader->peers.peers[i].report.promised;
        bool is_higher =
            is_credible(leader, promised) && csn_term_compare(promised, leader->term) > 0;
        higher += csn_leader_is_fresh(leader, i) &&
                  (is_higher || leader->seen[i] > leader->term.counter);
    }
    return higher;
}

/* At so many that one of them does not lie. */
static bool is_outbid(const struct csn_leader *leader)
{
    return higher_count(leader) > leader->cluster.faults;
}

/* One that asks asks on while q sites may still promise this term: were it to outbid each that
 * another got, two would share the sites for ever, and whose time is shortest would lead again. */
static bool is_beaten(const struct csn_leader *leader)
{
    return is_outbid(leader) &&
           fresh_count(leader) < leader->cluster.quorum + higher_count(leader);
}

static bool is_overtaken(const struct csn_leader *leader)
{
    unsigned higher = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        higher += csn_leader_is_fresh(leader, i) && leader->proposed[i] > leader->term.counter;
    }
    return higher > leader->cluster.faults;
}

bool csn_leader_is_followed(const struct csn_leader *leader, unsigned member)
{
    return csn_leader_is_fresh(leader, member) &&
           csn_term_compare(leader->peers.peers[member].report.promised, leader->term) == 0;
}

static unsigned promise_count(const struct csn_leader *leader)
{
    unsigned promises = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        promises += csn_leader_is_followed(leader, i);
    }
    return promises;
}

static bool can_vote(const struct csn_leader *leader, unsigned member)
{
    return csn_leader_is_fresh(leader, member) && leader->peers.peers[member].report.state == CSN_NODE_OK;
}

/* Of those the sites that can vote: a halted one follows, and is of no use to a round. */
static unsigned able_count(const struct csn_leader *leader)
{
    unsigned able = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        able += csn_leader_is_followed(leader, i) && can_vote(leader, i);
    }
    return able;
}

/* Sites that could vote, whomever they follow. */
static unsigned voter_count(const struct csn_leader *leader)
{
    unsigned voters = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        voters += can_vote(leader, i);
    }
    return voters;
}

/* L1: a promise of one that is halted brings no round about: where q can vote, q of those must follow. */
static bool is_elected(const struct csn_leader *leader)
{
    unsigned quorum = leader->cluster.quorum;
    return promise_count(leader) >= quorum && (able_count(leader) >= quorum || voter_count(leader) < quorum);
}

static bool is_idle(const struct csn_leader *leader)
{
    return leader->at_work_count == 0;
}

/* L1: a leader that q sites still follow is not unseated by one that lost sight of it and promised
 * another; that one is called back with a new term, but not in the middle of a round, and not again
 * and again. */
static bool is_outdone(const struct csn_leader *leader)
{
    bool has_led = leader->now.mono_ms - leader->leading_ms >= CSN_CALL_BACK_MS;
    return is_overtaken(leader) ||
           (is_outbid(leader) && (able_count(leader) < leader->cluster.quorum ||
                                  (has_led && is_idle(leader))));
}

/* So far above the own term the next one still goes to bring a site back. One that lies cannot make
 * the numbers leap, so every coordinator goes on believing them. */
#define CSN_STRAY_STEP 16

/* No more sites than may lie show a higher term: their word moves nobody's numbers, but a site that
 * promised one that does not lead takes no part in rounds, so it is called back. 0: none. */
static uint64_t stray_counter(const struct csn_leader *leader)
{
    uint64_t highest = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        struct csn_term promised = leader->peers.peers[i].report.promised;
        bool is_stray = csn_leader_is_fresh(leader, i) &&
                        csn_term_compare(promised, leader->term) > 0 &&
                        promised.counter - leader->term.counter <= CSN_STRAY_STEP;
        highest = is_stray && promised.counter > highest ? promised.counter : highest;
    }
    return highest;
}

/* In the middle of a round only when too few are left for it. */
static bool may_call_back(const struct csn_leader *leader)
{
    return leader->now.mono_ms - leader->leading_ms >= leader->call_back_ms &&
           (is_idle(leader) || able_count(leader) < leader->cluster.quorum) &&
           stray_counter(leader) > 0;
}

/* --- terms */

static void send_lead(struct csn_leader *leader, enum csn_lead_state state)
{
    struct csn_body_lead body = {.term = leader->term, .seq = ++leader->lead_seq, .state = state};
    struct csn_buf octets = {0}, zones = {0};
    if (state == CSN_LEAD_LEADS) {
        csn_leads_say(leader, &body, &zones);
    }
    csn_body_lead_encode(&body, &octets);
    struct csn_bytes copy = csn_effects_copy(leader->effects, csn_buf_view(&octets));
    struct csn_effect *effect = csn_effects_add(leader->effects, CSN_EFFECT_SEND, NULL);
    effect->send.kind = CSN_STATEMENT_LEAD;
    effect->send.body = copy;
    leader->heartbeat_ms = leader->now.mono_ms;
    csn_buf_fini(&octets);
    csn_buf_fini(&zones);
}

static void ask(struct csn_leader *leader)
{
    leader->term = (struct csn_term){.counter = highest_counter(leader) + 1,
                                     .coordinator = leader->coordinator};
    leader->proven = leader->term.counter;
    leader->lead_seq = 0;
    leader->proposal_seq = 0;
    move(leader, CSN_LEADER_ASKING);
    send_lead(leader, CSN_LEAD_ASKS);
}

static void abandon_all(struct csn_leader *leader)
{
    while (leader->at_work_count > 0) {
        csn_round_abandon(leader, &leader->zones[leader->at_work[0]], CSN_ROUND_END_RESIGNED);
    }
}

void csn_leader_resign(struct csn_leader *leader)
{
    abandon_all(leader);
    send_lead(leader, CSN_LEAD_RESIGNED);
    leader->rest_until_ms = leader->now.mono_ms + 1000 * leader->rest_s;
    leader->rest_s = 2 * leader->rest_s < CSN_REST_MAX_S ? 2 * leader->rest_s : CSN_REST_MAX_S;
    move(leader, CSN_LEADER_RESTING);
}

static void begin_leading(struct csn_leader *leader)
{
    move(leader, CSN_LEADER_LEADING);
    leader->leading_ms = leader->now.mono_ms;
    for (size_t i = 0; i < leader->zone_count; i++) {
        struct csn_leader_zone *zone = &leader->zones[i];
        zone->tried = (struct csn_round){0};
        zone->has_waited = false;
        zone->failures = 0;
        zone->retry_ms = leader->now.mono_ms;
        zone->retry_pause_s = 0;
    }
    send_lead(leader, CSN_LEAD_LEADS);
}

/* When the last of the q sites heard last was heard. */
static uint64_t quorum_heard_ms(const struct csn_leader *leader)
{
    uint64_t best_ms = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        uint64_t heard_ms = leader->peers.peers[i].heard.mono_ms;
        unsigned later = 0;
        for (unsigned k = 0; k < leader->cluster.member_count; k++) {
            const struct csn_peer *peer = &leader->peers.peers[k];
            later += peer->is_heard && peer->heard.mono_ms >= heard_ms;
        }
        bool is_quorum = leader->peers.peers[i].is_heard && later >= leader->cluster.quorum;
        best_ms = is_quorum && heard_ms > best_ms ? heard_ms : best_ms;
    }
    return best_ms;
}

static bool has_quorum_lately(const struct csn_leader *leader)
{
    return leader->now.mono_ms - leader->quorum_ms < CSN_NO_QUORUM_MS;
}

static void advance_asking(struct csn_leader *leader)
{
    if (!has_quorum_lately(leader)) {
        move(leader, CSN_LEADER_LISTENING);
    } else if (is_elected(leader)) {
        begin_leading(leader);
    } else if (is_beaten(leader)) {
        ask(leader);
    }
}

static void ask_anew(struct csn_leader *leader)
{
    abandon_all(leader);
    send_lead(leader, CSN_LEAD_RESIGNED);
    ask(leader);
}

/* Ever more rarely, while it happens again and again: one that lies always shows a higher term. */
static void call_back(struct csn_leader *leader)
{
    uint64_t stray = stray_counter(leader);
    bool has_led_long = leader->now.mono_ms - leader->leading_ms >= CSN_CALL_BACK_MAX_MS;
    uint64_t twice = 2 * leader->call_back_ms;
    leader->call_back_ms = has_led_long                   ? CSN_CALL_BACK_MS
                           : twice < CSN_CALL_BACK_MAX_MS ? twice
                                                          : CSN_CALL_BACK_MAX_MS;
    leader->proven = stray > leader->proven ? stray : leader->proven;
    ask_anew(leader);
}

static void advance_leading(struct csn_leader *leader)
{
    if (is_outdone(leader)) {
        ask_anew(leader);
    } else if (may_call_back(leader)) {
        call_back(leader);
    } else if (!has_quorum_lately(leader)) {
        csn_leader_resign(leader);
    }
}

static void advance_term(struct csn_leader *leader)
{
    bool has_quorum = fresh_count(leader) >= leader->cluster.quorum;
    if (has_quorum) {
        leader->quorum_ms = quorum_heard_ms(leader);
    }
    switch (leader->state) {
    case CSN_LEADER_LISTENING:
        if (has_quorum) {
            ask(leader);
        }
        break;
    case CSN_LEADER_ASKING:
        advance_asking(leader);
        break;
    case CSN_LEADER_LEADING:
        advance_leading(leader);
        break;
    case CSN_LEADER_RESTING:
        if (leader->now.mono_ms >= leader->rest_until_ms) {
            move(leader, CSN_LEADER_LISTENING);
        }
        break;
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
    touch(leader, &leader->zones[index]);
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
    see_proposed(leader, member, body.proposal.round.term);
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
    if (peer->has_row[zone->index]) {
        struct csn_row *row = &peer->rows[zone->index];
        row->floor = body->floor;
        row->newest = body->newest;
        see_row(leader, member, row);
    }
    bool is_behind =
        zone->has_newest && csn_round_compare(body->newest.round, csn_leader_newest(zone)) < 0;
    if (is_behind && leader->now.mono_ms - zone->answered_ms >= CSN_HEARTBEAT_MS) {
        csn_leader_broadcast(leader, zone);
    }
    touch(leader, zone);
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
    if (code == CSN_OK) {
        see_report(leader, member);
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
        touch(leader, &leader->zones[index]);
    }
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

static void heartbeat(struct csn_leader *leader)
{
    uint64_t since_ms = leader->now.mono_ms - leader->heartbeat_ms;
    if (leader->state == CSN_LEADER_ASKING && since_ms >= CSN_ASK_MS) {
        send_lead(leader, CSN_LEAD_ASKS);
    } else if (leader->state == CSN_LEADER_LEADING && since_ms >= CSN_HEARTBEAT_MS) {
        csn_leads_name(leader);
        send_lead(leader, CSN_LEAD_LEADS);
    }
}

void csn_leader_step(struct csn_leader *leader, const struct csn_event *event,
                     struct csn_effects *effects)
{
    leader->now = event->now;
    leader->effects = effects;
    if (event->kind == CSN_EVENT_STATEMENT) {
        take_statement(leader, event);
    } else if (event->kind == CSN_EVENT_CERTIFICATE) {
        take_certificate(leader, event);
    } else if (event->kind == CSN_EVENT_DOCUMENTS) {
        take_documents(leader, event->documents);
    }
    advance_term(leader);
    advance_zones(leader, event->kind == CSN_EVENT_TICK);
    heartbeat(leader);
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
