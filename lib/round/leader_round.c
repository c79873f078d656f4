#include "round/leader_state.h"

#include <string.h>

#define DEADLINE_FACTOR_MAX 8
#define AUTHOR_OUT_FIRST_MS 60000
#define AUTHOR_OUT_MINOR_MS 5000
#define REFUSALS_MS                                                                                \
    1000 /* the other sites' refusals are waited for before an author's ends the round */
#define AUTHOR_OUT_MAX_MS 600000

const char *csn_round_end_text(enum csn_round_end end)
{
    static const char *const texts[] = {
#define CSN_ROUND_END_TEXT(name, text) text,
        CSN_ROUND_ENDS(CSN_ROUND_END_TEXT)
#undef CSN_ROUND_END_TEXT
    };
    return texts[end];
}

static const struct csn_fact *fact_of(const struct csn_leader *leader,
                                      const struct csn_leader_zone *zone, unsigned member)
{
    return csn_facts_find(&leader->facts, member, &zone->hash);
}

static void send_proposal(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    struct csn_body_proposal body = {
        .term = leader->term, .seq = zone->sending_seq, .proposal = zone->proposal};
    struct csn_buf octets = {0};
    csn_body_proposal_encode(&body, &octets);
    csn_effects_send(leader->effects, CSN_STATEMENT_PROPOSAL, csn_buf_view(&octets));
    zone->repeat_ms = leader->now.mono_ms;
    csn_buf_fini(&octets);
}

/* Sites that can vote and know the newest certificate, as far as they have said. */
static unsigned knowers(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    unsigned found = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_row *row = csn_leader_ready(leader, zone, i);
        found += row != NULL && csn_round_compare(row->newest.round, csn_leader_newest(zone)) >= 0;
    }
    return found;
}

void csn_round_say_parent(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    if (zone->has_newest && knowers(leader, zone) < leader->cluster.quorum) {
        csn_leader_answer(leader, zone);
    }
}

/* The longer of policy's deadline and three times the last round, doubled after rounds that were
 * only slow. */
static uint64_t deadline_ms(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    uint64_t base_ms = csn_leader_config(leader, zone)->round_deadline_ms;
    uint64_t thrice_ms = 3 * zone->last_round_ms;
    return (base_ms > thrice_ms ? base_ms : thrice_ms) * zone->deadline_factor;
}

void csn_round_begin(struct csn_leader *leader, struct csn_leader_zone *zone,
                     const struct csn_proposal *proposal, uint32_t seq, bool is_fresh)
{
    zone->is_proposed = true;
    REQUIRE(leader->at_work_count < CSN_ROUNDS_AT_WORK_MAX);
    leader->at_work[leader->at_work_count++] = zone->index;
    zone->is_fresh = is_fresh;
    zone->has_waited = false;
    zone->proposal = *proposal;
    zone->sending_seq = seq;
    zone->began_ms = leader->now.mono_ms;
    zone->deadline_ms = leader->now.mono_ms + deadline_ms(leader, zone);
    csn_proposal_hash(proposal, &zone->hash);
    struct csn_trace *trace =
        csn_leader_trace(leader, is_fresh ? CSN_TRACE_PROPOSED : CSN_TRACE_REPROPOSED, zone);
    trace->round = proposal->round;
    trace->digest = zone->hash;
    trace->number = proposal->serial;
    csn_round_say_parent(leader, zone);
    send_proposal(leader, zone);
}

void csn_round_back_off(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    uint64_t pause_s = 2 * zone->retry_pause_s;
    zone->retry_pause_s = pause_s == 0 ? 1 : pause_s < CSN_RETRY_MAX_S ? pause_s : CSN_RETRY_MAX_S;
    zone->retry_ms = leader->now.mono_ms + 1000 * zone->retry_pause_s;
}

/* --- what is left of a round */

static bool may_hold(const struct csn_leader *leader, const struct csn_leader_zone *zone, unsigned member)
{
    const struct csn_fact *fact = fact_of(leader, zone, member);
    return csn_leader_ready(leader, zone, member) != NULL && (fact == NULL || (!fact->is_refused && !fact->has_held));
}

/* Members that hold the same bytes as this one does. */
static unsigned holders_with(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                             const struct csn_fact *held)
{
    unsigned found = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_fact *fact = fact_of(leader, zone, i);
        found += fact != NULL && fact->has_held && csn_digest_equal(&fact->full_root, &held->full_root);
    }
    return found;
}

/* Sites that held the same bytes, or still may. */
static unsigned possible_votes(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    unsigned open = 0, most = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_fact *fact = fact_of(leader, zone, i);
        unsigned holders = fact != NULL && fact->has_held ? holders_with(leader, zone, fact) : 0;
        most = holders > most ? holders : most;
        open += may_hold(leader, zone, i);
    }
    return most + open;
}

/* The most sites that computed the same, and those that may still join them. */
static unsigned possible_agreement(const struct csn_leader *leader,
                                   const struct csn_leader_zone *zone)
{
    struct csn_roots roots;
    unsigned possible = csn_facts_most(&leader->facts, &zone->hash, &roots);
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_fact *fact = fact_of(leader, zone, i);
        bool is_open = fact == NULL || (!fact->has_computed && !fact->is_refused);
        possible += is_open && csn_leader_ready(leader, zone, i) != NULL;
    }
    return possible;
}

/* By a site that does not lie: its author's bytes can be had there. */
static bool is_held_by_any(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    unsigned holders = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_fact *fact = fact_of(leader, zone, i);
        holders += fact != NULL && fact->has_held;
    }
    return holders > leader->cluster.faults;
}

/* An author whose bytes nobody has. */
static bool is_missing(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                       unsigned member)
{
    const struct csn_fact *fact = fact_of(leader, zone, member);
    return fact == NULL || !fact->has_offer;
}

/* A halted author reports, but answers no proposal; nor does one that promised another meanwhile. */
static bool has_failed(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                       unsigned member)
{
    const struct csn_fact *fact = fact_of(leader, zone, member);
    bool is_halted = leader->peers.peers[member].report.state == CSN_NODE_HALTED;
    return is_missing(leader, zone, member) && (!csn_leader_is_followed(leader, member) || is_halted ||
                                                (fact != NULL && fact->is_refused));
}

/* The sites that say this author's signatures failed when they were verified. */
static unsigned accusers(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                         uint16_t site)
{
    struct csn_value named = csn_value_u64(site);
    unsigned found = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_fact *fact = fact_of(leader, zone, i);
        bool is_stage = fact != NULL && fact->is_refused && fact->rule == CSN_RULE_R3 &&
                        fact->test == CSN_TEST_STAGE;
        found += is_stage && fact->want.size == named.size &&
                 memcmp(fact->want.octets, named.octets, named.size) == 0;
    }
    return found;
}

/* What takes an author out says nothing of its HSM. */
static bool is_minor(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                     unsigned member)
{
    const struct csn_fact *fact = fact_of(leader, zone, member);
    bool is_lured = csn_leader_is_fresh(leader, member) && !csn_leader_is_followed(leader, member);
    return is_lured || (fact != NULL && fact->is_refused && fact->test != CSN_TEST_SIGN);
}

static void leave_out(struct csn_leader *leader, struct csn_leader_zone *zone, unsigned member,
                      bool is_accused)
{
    struct csn_author_out *out = &zone->authors_out[member];
    out->is_minor = !is_accused && is_minor(leader, zone, member);
    uint64_t first_ms = out->is_minor ? AUTHOR_OUT_MINOR_MS : AUTHOR_OUT_FIRST_MS;
    uint64_t pause_ms = 2 * out->pause_ms > first_ms ? 2 * out->pause_ms : first_ms;
    out->pause_ms = pause_ms < AUTHOR_OUT_MAX_MS ? pause_ms : AUTHOR_OUT_MAX_MS;
    out->until_ms = leader->now.mono_ms + out->pause_ms;
    out->boot = leader->peers.peers[member].report.boot;
    csn_leader_trace(leader, CSN_TRACE_AUTHOR_OUT, zone)->site =
        leader->cluster.members[member].number;
}

/* L3: the last failed are left out: those that are silent or refused; those whose bytes did not
 * verify; and those that only were slow, if any author was not (if all were, it is the deadline
 * that is wrong). */
static void judge_authors(struct csn_leader *leader, struct csn_leader_zone *zone,
                          enum csn_round_end end)
{
    bool is_any_offered = false;
    for (unsigned i = 0; i < zone->proposal.author_count; i++) {
        int member = csn_member_index(&leader->cluster, zone->proposal.authors[i]);
        is_any_offered = is_any_offered || !is_missing(leader, zone, (unsigned)member);
    }
    for (unsigned i = 0; i < zone->proposal.author_count; i++) {
        uint16_t site = zone->proposal.authors[i];
        unsigned member = (unsigned)csn_member_index(&leader->cluster, site);
        bool is_slow =
            end == CSN_ROUND_END_DEADLINE && is_any_offered && is_missing(leader, zone, member);
        bool is_accused = accusers(leader, zone, site) > leader->cluster.faults;
        if (has_failed(leader, zone, member) || is_slow || is_accused) {
            leave_out(leader, zone, member, is_accused);
        }
    }
}

/* Votes for the content of most sites but for other bytes than most of these. Where more than may lie differ, an author gave
 * sites different signatures; where fewer do, it did, or they lie. */
static unsigned strays(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    struct csn_roots roots;
    unsigned holders = 0, most = 0, computed = csn_facts_most(&leader->facts, &zone->hash, &roots);
    for (unsigned i = 0; i < leader->cluster.member_count && computed > 0; i++) {
        const struct csn_fact *fact = fact_of(leader, zone, i);
        if (fact != NULL && fact->has_held && csn_roots_equal(&fact->roots, &roots)) {
            unsigned same = holders_with(leader, zone, fact);
            holders++;
            most = same > most ? same : most;
        }
    }
    return holders - most;
}

/* Which author it was, rounds with one author show. */
static void judge_split(struct csn_leader *leader, struct csn_leader_zone *zone, unsigned astray)
{
    if (zone->proposal.author_count > 1 || astray <= leader->cluster.faults) {
        zone->is_split = true;
        return;
    }
    unsigned member = (unsigned)csn_member_index(&leader->cluster, zone->proposal.authors[0]);
    struct csn_author_out *out = &zone->authors_out[member];
    out->pause_ms = AUTHOR_OUT_MAX_MS;
    leave_out(leader, zone, member, true);
    out->is_proven = true;
    zone->is_split = false;
    zone->alone_until_ms = 0;
}

static bool has_failed_author(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    for (unsigned i = 0; i < zone->proposal.author_count; i++) {
        int member = csn_member_index(&leader->cluster, zone->proposal.authors[i]);
        if (has_failed(leader, zone, (unsigned)member) && !is_held_by_any(leader, zone)) {
            return true;
        }
    }
    return false;
}

/* --- how it ends */

/* Work was going on at q sites when the deadline came: the next one is longer. */
static bool was_only_slow(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    unsigned busy = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_row *row = csn_leader_ready(leader, zone, i);
        const struct csn_fact *fact = fact_of(leader, zone, i);
        bool is_at_work = row != NULL && csn_digest_equal(&row->work, &zone->hash);
        busy += row != NULL &&
                (is_at_work || (fact != NULL && fact->has_computed && !fact->is_refused));
    }
    return busy >= leader->cluster.quorum;
}

static bool is_clock_test(uint8_t test)
{
    return test == CSN_TEST_CLOCK || test == CSN_TEST_AGE || test == CSN_TEST_TIME;
}

/* L5: refusals that say nothing against the leader. */
static bool is_excused_test(uint8_t test)
{
    return test == CSN_TEST_OPERATOR_HOLD || test == CSN_TEST_HOLDS ||
           test == CSN_TEST_OTHER_HOLD || test == CSN_TEST_INPUT || test == CSN_TEST_INPUT_SAME ||
           test == CSN_TEST_INPUT_HERE || test == CSN_TEST_INPUT_VOUCHED || test == CSN_TEST_INPUT_CONFLICT ||
           test == CSN_TEST_REFRESH_ONLY || test == CSN_TEST_EMERGENCY_OVER ||
           test == CSN_TEST_POLICY || test == CSN_TEST_POLICY_SAME ||
           test == CSN_TEST_POLICY_HERE || test == CSN_TEST_KEYSET ||
           test == CSN_TEST_KEYSET_SAME || test == CSN_TEST_KEYSET_HERE ||
           test == CSN_TEST_PARENT || test == CSN_TEST_PARENT_HERE;
}

typedef bool is_test_fn(uint8_t test);
static unsigned count_refusals(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                               is_test_fn *is_test)
{
    unsigned found = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_fact *fact = fact_of(leader, zone, i);
        found += fact != NULL && fact->is_refused && is_test(fact->test);
    }
    return found;
}

/* L5: counted per zone, and only where the leader may be to blame. */
static void blame_leader(struct csn_leader *leader, struct csn_leader_zone *zone,
                         enum csn_round_end end)
{
    bool may_blame = zone->is_fresh &&
                     (end == CSN_ROUND_END_DEADLINE || end == CSN_ROUND_END_UNREACHABLE) &&
                     csn_leader_ready_count(leader, zone) >= leader->cluster.quorum &&
                     count_refusals(leader, zone, is_excused_test) == 0;
    if (may_blame && zone->failures++ == 0) {
        zone->first_failure_ms = leader->now.mono_ms;
    }
    bool has_succeeded = leader->has_success && leader->success_ms >= zone->first_failure_ms;
    bool is_clock =
        zone->is_fresh && count_refusals(leader, zone, is_clock_test) >= leader->cluster.quorum;
    if (is_clock || (zone->failures >= CSN_FAILED_MAX && !has_succeeded)) {
        csn_leader_resign(leader);
    }
}

/* Contents differ: the same again would differ again. */
static void remember_disagreement(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    uint64_t pause_s = 2 * zone->disagreed_pause_s;
    zone->disagreed_pause_s = pause_s == 0                         ? 1
                              : pause_s < CSN_DIVERGED_RETRY_MAX_S ? pause_s
                                                                   : CSN_DIVERGED_RETRY_MAX_S;
    zone->is_disagreed = true;
    zone->disagreed_input = zone->proposal.input;
    zone->disagreed_policy = zone->proposal.policy;
    zone->disagreed_keyset = zone->proposal.keyset;
    zone->disagreed_orders = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_row *row = csn_leader_ready(leader, zone, i);
        uint64_t known = row != NULL ? row->order_sum : 0;
        zone->disagreed_orders = known > zone->disagreed_orders ? known : zone->disagreed_orders;
    }
    zone->disagreed_until_ms = leader->now.mono_ms + 1000 * zone->disagreed_pause_s;
}

static void end_trace(struct csn_leader *leader, struct csn_leader_zone *zone,
                      enum csn_round_end end)
{
    zone->is_proposed = false;
    csn_leader_not_at_work(leader, zone);
    zone->has_ended = true;
    zone->last_end = end;
    if (end != CSN_ROUND_END_CERTIFIED) {
        struct csn_trace *trace = csn_leader_trace(leader, CSN_TRACE_ABANDONED, zone);
        trace->round = zone->proposal.round;
        trace->digest = zone->hash;
        trace->number = end;
    }
}

/* Those whose bytes were certified, and those that could vote again. */
static void forgive_authors(const struct csn_leader *leader, struct csn_leader_zone *zone)
{
    for (unsigned i = 0; i < zone->proposal.author_count; i++) {
        zone->authors_out[csn_member_index(&leader->cluster, zone->proposal.authors[i])] =
            (struct csn_author_out){0};
    }
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_fact *fact = fact_of(leader, zone, i);
        if (zone->authors_out[i].is_minor && fact != NULL && fact->has_held) {
            zone->authors_out[i] = (struct csn_author_out){0};
        }
    }
}

/* The same authors together would fail again: ever more rarely, while one splits the votes again and again. */
static void author_alone_for_a_while(const struct csn_leader *leader, struct csn_leader_zone *zone)
{
    uint64_t twice_ms = 2 * zone->alone_pause_ms;
    if (zone->is_split) {
        zone->is_split = false;
        zone->alone_pause_ms = twice_ms < AUTHOR_OUT_FIRST_MS ? AUTHOR_OUT_FIRST_MS
                               : twice_ms < AUTHOR_OUT_MAX_MS ? twice_ms
                                                              : AUTHOR_OUT_MAX_MS;
        zone->alone_until_ms = leader->now.mono_ms + zone->alone_pause_ms;
    } else if (zone->proposal.author_count > 1) {
        zone->alone_pause_ms = 0;
    }
}

static void succeed(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    end_trace(leader, zone, CSN_ROUND_END_CERTIFIED);
    zone->last_round_ms = leader->now.mono_ms - zone->began_ms;
    zone->deadline_factor = 1;
    zone->retry_pause_s = 0;
    zone->retry_ms = leader->now.mono_ms;
    zone->failures = 0;
    zone->is_disagreed = false;
    zone->disagreed_pause_s = 0;
    leader->has_success = true;
    leader->success_ms = leader->now.mono_ms;
    author_alone_for_a_while(leader, zone);
    forgive_authors(leader, zone);
}

void csn_round_abandon(struct csn_leader *leader, struct csn_leader_zone *zone,
                       enum csn_round_end end)
{
    end_trace(leader, zone, end);
    csn_round_back_off(leader, zone);
}

static void fail(struct csn_leader *leader, struct csn_leader_zone *zone, enum csn_round_end end)
{
    if (end == CSN_ROUND_END_DEADLINE && was_only_slow(leader, zone) &&
        zone->deadline_factor < DEADLINE_FACTOR_MAX) {
        zone->deadline_factor *= 2;
    }
    if (end == CSN_ROUND_END_DISAGREED) {
        remember_disagreement(leader, zone);
    }
    bool is_judged = zone->is_fresh && end != CSN_ROUND_END_OBSOLETE && end != CSN_ROUND_END_DISAGREED;
    unsigned astray = is_judged ? strays(leader, zone) : 0;
    zone->turn += zone->is_fresh;
    if (astray > 0) {
        judge_split(leader, zone, astray);
    } else if (is_judged) {
        judge_authors(leader, zone, end);
    }
    csn_round_abandon(leader, zone, end);
    blame_leader(leader, zone, end);
}

/* Some site computed other roots than most did. */
static bool is_disagreed(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    struct csn_roots roots;
    unsigned computed = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_fact *fact = fact_of(leader, zone, i);
        computed += fact != NULL && fact->has_computed;
    }
    return computed > csn_facts_most(&leader->facts, &zone->hash, &roots);
}

/* CERTIFIED: not over yet. */
static enum csn_round_end judge(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    unsigned quorum = leader->cluster.quorum;
    if (csn_round_compare(csn_leader_newest(zone), zone->proposal.parent.round) > 0) {
        return CSN_ROUND_END_OBSOLETE;
    }
    if (leader->now.mono_ms >= zone->deadline_ms) {
        return CSN_ROUND_END_DEADLINE;
    }
    if (possible_agreement(leader, zone) < quorum) {
        return is_disagreed(leader, zone) ? CSN_ROUND_END_DISAGREED : CSN_ROUND_END_UNREACHABLE;
    }
    if (possible_votes(leader, zone) < quorum) {
        return CSN_ROUND_END_UNREACHABLE;
    }
    bool is_early = leader->now.mono_ms - zone->began_ms < REFUSALS_MS;
    return !is_early && has_failed_author(leader, zone) ? CSN_ROUND_END_AUTHOR
                                                        : CSN_ROUND_END_CERTIFIED;
}

void csn_round_advance(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    bool is_certified = zone->has_newest && csn_digest_equal(&zone->newest_hash, &zone->hash);
    enum csn_round_end end = is_certified ? CSN_ROUND_END_CERTIFIED : judge(leader, zone);
    if (is_certified) {
        succeed(leader, zone);
    } else if (end != CSN_ROUND_END_CERTIFIED) {
        fail(leader, zone, end);
    } else if (leader->now.mono_ms - zone->repeat_ms >= CSN_REPEAT_MS) {
        csn_round_say_parent(leader, zone);
        send_proposal(leader, zone);
    }
}
