/* Terms: which counters the sites have shown, and when this leader asks for a term, leads in it, gives way and rests (L1, L5). */
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

static void move(struct csn_leader *leader, enum csn_leader_state to)
{
    INSIST(csn_leader_may_move(leader->state, to));
    struct csn_trace *trace = csn_leader_trace(leader, CSN_TRACE_LEADER, NULL);
    trace->from = (uint8_t)leader->state;
    trace->to = (uint8_t)to;
    trace->round.term = leader->term;
    leader->state = to;
}

/* --- what sites have shown */

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

void csn_leader_see_proposed(struct csn_leader *leader, unsigned member, struct csn_term term)
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
    csn_leader_see_proposed(leader, member, term);
}

/* A sealed site's floor may be raised for the next epoch already, by the terms that keep an emergency apart from a branch of this
 * one (R8). */
void csn_leader_see_row(struct csn_leader *leader, unsigned member, const struct csn_row *row)
{
    if (leader->peers.peers[member].report.state != CSN_NODE_SEALED) {
        see_round(leader, member, row->floor.round);
    }
    see_round(leader, member, row->newest.round);
    see_round(leader, member, row->released.round);
    for (unsigned i = 0; i < row->hold_count; i++) {
        see_round(leader, member, row->holds[i].version.round);
    }
}

/* What was said before was seen when it was said. */
void csn_leader_see_report(struct csn_leader *leader, unsigned member)
{
    see_term(leader, member, leader->peers.peers[member].report.promised);
    for (size_t i = 0; i < leader->peers.taken_count; i++) {
        size_t zone = leader->peers.taken[i];
        csn_leader_see_row(leader, member, csn_peers_row(&leader->peers, member, zone));
        csn_leader_touch(leader, &leader->zones[zone]);
    }
}

/* --- who follows */

static unsigned fresh_count(const struct csn_leader *leader)
{
    unsigned fresh = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        fresh += csn_leader_is_fresh(leader, i);
    }
    return fresh;
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

/* It promised a higher term, or knows a round of one, and then refuses the rounds of this one. */
static bool is_higher(const struct csn_leader *leader, unsigned member)
{
    struct csn_term promised = leader->peers.peers[member].report.promised;
    bool has_promised = is_credible(leader, promised) && csn_term_compare(promised, leader->term) > 0;
    return csn_leader_is_fresh(leader, member) && (has_promised || leader->seen[member] > leader->term.counter);
}

static unsigned higher_count(const struct csn_leader *leader)
{
    unsigned higher = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        higher += is_higher(leader, i);
    }
    return higher;
}

/* At so many that one of them does not lie. */
static bool is_outbid(const struct csn_leader *leader)
{
    return higher_count(leader) > leader->cluster.faults;
}

static bool is_overtaken(const struct csn_leader *leader)
{
    unsigned higher = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        higher += csn_leader_is_fresh(leader, i) && leader->proposed[i] > leader->term.counter;
    }
    return higher > leader->cluster.faults;
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

/* Sites that may still promise this term and, where q can, vote. */
static unsigned left_count(const struct csn_leader *leader)
{
    bool must_vote = voter_count(leader) >= leader->cluster.quorum;
    unsigned left = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        left += csn_leader_is_fresh(leader, i) && !is_higher(leader, i) && (!must_vote || can_vote(leader, i));
    }
    return left;
}

/* One that asks asks on while q sites may still promise this term: were it to outbid each that
 * another got, two would share the sites for ever, and whose time is shortest would lead again. */
static bool can_be_elected(const struct csn_leader *leader)
{
    return left_count(leader) >= leader->cluster.quorum;
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
    bool has_led = leader->now.mono_ms - leader->since_ms >= CSN_CALL_BACK_MS;
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
    return leader->now.mono_ms - leader->since_ms >= leader->call_back_ms &&
           (is_idle(leader) || able_count(leader) < leader->cluster.quorum) &&
           stray_counter(leader) > 0;
}

/* --- asking, leading, resting */

static void send_lead(struct csn_leader *leader, enum csn_lead_state state)
{
    struct csn_body_lead body = {.epoch = leader->cluster.epoch,
                                 .term = leader->term,
                                 .seq = ++leader->lead_seq,
                                 .state = state};
    struct csn_buf octets = {0}, zones = {0};
    if (state == CSN_LEAD_LEADS) {
        csn_leads_say(leader, &body, &zones);
    }
    csn_body_lead_encode(&body, &octets);
    csn_effects_send(leader->effects, CSN_STATEMENT_LEAD, csn_buf_view(&octets));
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
    leader->since_ms = leader->now.mono_ms;
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
    leader->since_ms = leader->now.mono_ms;
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

/* The next term is above those that strays promised. Ever more rarely, while it happens again and again: one that lies always
 * shows a higher term. */
static void pass_strays(struct csn_leader *leader)
{
    uint64_t stray = stray_counter(leader);
    bool has_led_long = leader->now.mono_ms - leader->since_ms >= CSN_CALL_BACK_MAX_MS;
    uint64_t twice = 2 * leader->call_back_ms;
    leader->call_back_ms = has_led_long                   ? CSN_CALL_BACK_MS
                           : twice < CSN_CALL_BACK_MAX_MS ? twice
                                                          : CSN_CALL_BACK_MAX_MS;
    leader->proven = stray > leader->proven ? stray : leader->proven;
}

static void advance_asking(struct csn_leader *leader)
{
    if (!has_quorum_lately(leader)) {
        move(leader, CSN_LEADER_LISTENING);
    } else if (is_elected(leader)) {
        begin_leading(leader);
    } else if (can_be_elected(leader)) {
        return;
    } else if (is_outbid(leader)) {
        ask(leader);
    } else if (may_call_back(leader)) {
        pass_strays(leader);
        ask(leader);
    }
}

static void ask_anew(struct csn_leader *leader)
{
    abandon_all(leader);
    send_lead(leader, CSN_LEAD_RESIGNED);
    ask(leader);
}

static void advance_leading(struct csn_leader *leader)
{
    if (is_outdone(leader)) {
        ask_anew(leader);
    } else if (may_call_back(leader)) {
        pass_strays(leader);
        ask_anew(leader);
    } else if (!has_quorum_lately(leader)) {
        csn_leader_resign(leader);
    }
}

void csn_leader_advance_term(struct csn_leader *leader)
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

void csn_leader_heartbeat(struct csn_leader *leader)
{
    uint64_t since_ms = leader->now.mono_ms - leader->heartbeat_ms;
    if (leader->state == CSN_LEADER_ASKING && since_ms >= CSN_ASK_MS) {
        send_lead(leader, CSN_LEAD_ASKS);
    } else if (leader->state == CSN_LEADER_LEADING && since_ms >= CSN_HEARTBEAT_MS) {
        csn_leads_name(leader);
        send_lead(leader, CSN_LEAD_LEADS);
    }
}
