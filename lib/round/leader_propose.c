#include "round/leader_state.h"

#include <string.h>

#define CLAIM_WAIT_MS                                                                              \
    3000 /* for octets of a certificate or hold that a report names; they are sent again and again \
          */

/* A set of sites as bits of member indices. */
typedef uint32_t member_set;

static bool in_set(member_set set, unsigned member)
{
    return (set >> member & 1u) != 0;
}

static unsigned set_size(member_set set)
{
    unsigned size = 0;
    for (; set != 0; set &= set - 1) {
        size++;
    }
    return size;
}

static member_set ready_set(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    member_set set = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        set |= csn_leader_ready(leader, zone, i) != NULL ? (member_set)1 << i : 0;
    }
    return set;
}

/* Of the clocks of a set: the median, the lower of two. */
static uint64_t median_clock_s(const struct csn_leader *leader, member_set set)
{
    uint64_t clocks[CSN_MEMBERS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        if (in_set(set, i)) {
            uint64_t clock = csn_leader_clock_s(leader, i);
            unsigned at = count++;
            for (; at > 0 && clocks[at - 1] > clock; at--) {
                clocks[at] = clocks[at - 1];
            }
            clocks[at] = clock;
        }
    }
    return clocks[(count - 1) / 2];
}

/* --- L3, field by field, from the floors of a set */

/* What a report says of a floor above the newest certificate is believed with the vote that made
 * it, which its site says again each second: one that lies must not drag the others along. */
static bool is_floor_proven(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                            unsigned member)
{
    struct csn_round round = csn_leader_ready(leader, zone, member)->floor.round;
    return csn_round_compare(round, csn_leader_newest(zone)) <= 0 ||
           csn_tally_has(&zone->tally, member, round);
}

static member_set proven_set(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                             member_set ready)
{
    member_set set = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        bool is_in = in_set(ready, i) && is_floor_proven(leader, zone, i);
        set |= is_in ? (member_set)1 << i : 0;
    }
    return set;
}

/* A site that has released a serial that the newest certificate's is not after: the numbers went
 * round by approved steps, and it has missed that. Its floor is from before. */
static bool is_from_before(const struct csn_row *row, uint32_t newest)
{
    return !csn_round_is_none(row->released.round) && newest != row->released_serial &&
           !csn_serial_is_after(newest, row->released_serial);
}

/* Far beyond what is certified a serial is believed of more sites than may lie: a lone vote for an approved one, that a later
 * certificate passed over, or that an epoch carried into all floors. */
static bool is_believed(const struct csn_leader *leader, const struct csn_leader_zone *zone, uint32_t base, uint32_t serial)
{
    unsigned found = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_row *row = csn_leader_ready(leader, zone, i);
        found += row != NULL && row->floor.has_serial && !csn_serial_is_after(serial, row->floor.serial);
    }
    return csn_serial_is_after(serial, base) && (serial - base < CSN_SERIAL_FAR || found > leader->cluster.faults);
}

/* A floor that is not above the newest certificate is the certificate's, but for a serial that was
 * spent since. */
static struct csn_floor bounded_floor(const struct csn_leader *leader,
                                      const struct csn_leader_zone *zone, unsigned member)
{
    const struct csn_row *row = csn_leader_ready(leader, zone, member);
    struct csn_floor floor = row->floor;
    if (!zone->has_newest || csn_round_compare(floor.round, csn_leader_newest(zone)) > 0) {
        return floor;
    }
    struct csn_floor bounded = csn_floor_of(&zone->newest.held.proposal);
    bool is_spent = floor.has_serial && is_believed(leader, zone, bounded.serial, floor.serial) &&
                    !is_from_before(row, bounded.serial);
    bounded.serial = is_spent ? floor.serial : bounded.serial;
    return bounded;
}

/* Reports lag behind: the newest certificate binds the sites of the set before they say so. */
static struct csn_floor highest_floor(const struct csn_leader *leader,
                                      const struct csn_leader_zone *zone, member_set set)
{
    struct csn_floor highest =
        zone->has_newest ? csn_floor_of(&zone->newest.held.proposal) : (struct csn_floor){0};
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        if (in_set(set, i)) {
            struct csn_floor floor = bounded_floor(leader, zone, i);
            csn_floor_merge(&highest, &floor);
        }
    }
    return highest;
}

static unsigned confirmations(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                              const struct csn_input_id *input)
{
    unsigned count = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_row *row = csn_leader_ready(leader, zone, i);
        for (unsigned k = 0; row != NULL && k < row->input_count; k++) {
            if (csn_input_equal(&row->inputs[k], input)) {
                count++;
                break;
            }
        }
    }
    return count;
}

/* The newest that q sites confirmed from their own source and that is not below the floor; else, and
 * always in an emergency, the floor's own. */
static struct csn_input_id choose_input(const struct csn_leader *leader,
                                        const struct csn_leader_zone *zone,
                                        const struct csn_input_id *floor)
{
    struct csn_input_id best = *floor;
    for (unsigned i = 0; !leader->cluster.is_emergency && i < leader->cluster.member_count; i++) {
        const struct csn_row *row = csn_leader_ready(leader, zone, i);
        for (unsigned k = 0; row != NULL && k < row->input_count; k++) {
            bool is_later = csn_input_compare(&row->inputs[k], &best) == 1;
            if (is_later &&
                confirmations(leader, zone, &row->inputs[k]) >= leader->cluster.quorum) {
                best = row->inputs[k];
            }
        }
    }
    return best;
}

/* The newest version that q of the ready sites have approved, or a later one beside it. */
typedef const struct csn_version_id *version_fn(const struct csn_row *row);
static const struct csn_version_id *policy_of(const struct csn_row *row)
{
    return &row->policy;
}
static const struct csn_version_id *keyset_of(const struct csn_row *row)
{
    return &row->keyset;
}
static struct csn_version_id choose_version(const struct csn_leader *leader,
                                            const struct csn_leader_zone *zone, version_fn *version,
                                            const struct csn_version_id *floor)
{
    struct csn_version_id best = *floor;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_row *row = csn_leader_ready(leader, zone, i);
        unsigned approved = 0;
        for (unsigned k = 0; row != NULL && k < leader->cluster.member_count; k++) {
            const struct csn_row *other = csn_leader_ready(leader, zone, k);
            approved += other != NULL && (version(other)->number > version(row)->number ||
                                          csn_version_equal(version(other), version(row)));
        }
        if (approved >= leader->cluster.quorum && version(row)->number > best.number) {
            best = *version(row);
        }
    }
    return best;
}

/* The serial after the newest certificate's that operators approved, as q ready sites say. */
static struct csn_approved_serial approved_serial(const struct csn_leader *leader,
                                                  const struct csn_leader_zone *zone)
{
    for (unsigned i = 0; zone->has_newest && i < leader->cluster.member_count; i++) {
        const struct csn_row *row = csn_leader_ready(leader, zone, i);
        unsigned count = 0;
        if (row == NULL || !row->approved.is_set ||
            !csn_serial_is_after(row->approved.serial, zone->newest.held.proposal.serial)) {
            continue;
        }
        for (unsigned k = 0; k < leader->cluster.member_count; k++) {
            const struct csn_row *other = csn_leader_ready(leader, zone, k);
            count += other != NULL && other->approved.is_set &&
                     other->approved.serial == row->approved.serial;
        }
        if (count >= leader->cluster.quorum) {
            return row->approved;
        }
    }
    return (struct csn_approved_serial){0};
}

/* L3. What is approved; else policy's value where it is near what is certified (or, lacking that, the
 * floor): one too far waits for an operator. */
static uint32_t choose_serial(struct csn_leader *leader, const struct csn_leader_zone *zone,
                              const struct csn_floor *floor, uint64_t time_s,
                              const struct csn_approved_serial *approved, bool *ret_is_jump)
{
    uint32_t last = floor->has_serial ? floor->serial : 0;
    uint32_t serial = csn_serial_next(csn_leader_config(leader, zone)->serial_rule, time_s, last);
    uint32_t base = zone->has_newest ? zone->newest.held.proposal.serial : last;
    bool is_jump = (zone->has_newest || floor->has_serial) && serial != last + 1 &&
                   serial - base >= CSN_SERIAL_NEAR;
    *ret_is_jump = is_jump && !approved->is_set;
    return approved->is_set ? csn_serial_later(approved->serial, last + 1)
           : is_jump        ? last + 1
                            : serial;
}

/* How far down the choice of authors had to go. Even the last is safe: an author signs only what a
 * quorum computed (R3), so a wrong choice costs a round; no choice would leave a zone whose sites
 * all differed once without authors for ever. */
enum author_tier { AUTHORS_GOOD, AUTHORS_DIVERGED_TOO, AUTHORS_FAILED_TOO, AUTHOR_TIERS };

static bool may_author(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                       unsigned member, enum author_tier tier)
{
    const struct csn_row *row = csn_leader_ready(leader, zone, member);
    const struct csn_author_out *out = &zone->authors_out[member];
    bool is_out =
        out->until_ms > leader->now.mono_ms &&
        (out->is_proven || out->boot == leader->peers.peers[member].report.boot);
    bool is_odd = row != NULL && (row->diverged != 0 || row->is_behind || (row->maintenance & CSN_MAINTENANCE_SITE) != 0);
    return row != NULL && csn_leader_is_followed(leader, member) &&
           leader->cluster.members[member].role == CSN_MEMBER_SIGNER &&
           row->hsm == CSN_HSM_GOOD && (!is_odd || tier >= AUTHORS_DIVERGED_TOO) &&
           (!is_out || tier >= AUTHORS_FAILED_TOO);
}

static void choose_authors(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                           member_set set, enum author_tier tier, struct csn_proposal *proposal)
{
    proposal->author_count = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        if (in_set(set, i) && may_author(leader, zone, i, tier)) {
            proposal->authors[proposal->author_count++] = leader->cluster.members[i].number;
        }
    }
    bool is_one = zone->is_split || leader->now.mono_ms < zone->alone_until_ms;
    if (is_one && proposal->author_count > 0) {
        proposal->authors[0] = proposal->authors[zone->turn % proposal->author_count];
        proposal->author_count = 1;
    }
}

struct draft {
    struct csn_approved_serial approved; /* that P goes to */
    struct csn_proposal proposal;
    uint64_t clock_s; /* median of the set */
    bool is_jump;     /* policy's serial was too far */
};

static void compose(struct csn_leader *leader, const struct csn_leader_zone *zone, member_set set,
                    struct draft *draft)
{
    struct csn_floor floor = highest_floor(leader, zone, set);
    struct csn_proposal *proposal = &draft->proposal;
    draft->clock_s = median_clock_s(leader, set);
    *proposal = (struct csn_proposal){
        .environment = leader->cluster.environment,
        .epoch = leader->cluster.epoch,
        .epoch_digest = leader->cluster.digest,
        .round = {.term = leader->term, .seq = leader->proposal_seq + 1},
        .input = choose_input(leader, zone, &floor.input),
        .time_s = draft->clock_s > floor.time_s ? draft->clock_s : floor.time_s,
        .semantics = CSN_SEMANTICS,
        .policy = choose_version(leader, zone, policy_of, &floor.policy),
        .keyset = choose_version(leader, zone, keyset_of, &floor.keyset),
    };
    memcpy(proposal->cluster, leader->cluster.id, sizeof(proposal->cluster));
    memcpy(proposal->zone, csn_leader_config(leader, zone)->zone, sizeof(proposal->zone));
    proposal->schedule_s = proposal->time_s; /* S = T: signing.md 3 */
    proposal->serial = choose_serial(leader, zone, &floor, proposal->time_s, &draft->approved,
                                     &draft->is_jump);
    if (zone->has_newest) {
        proposal->parent = csn_certificate_release(&zone->newest);
    }
    for (int tier = AUTHORS_GOOD; tier < AUTHOR_TIERS && proposal->author_count == 0; tier++) {
        choose_authors(leader, zone, set, (enum author_tier)tier, proposal);
    }
}

/* Whether a site would let P through, as far as its last report tells. */
static bool would_pass(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                       unsigned member, const struct csn_proposal *proposal)
{
    const struct csn_row *row = csn_leader_ready(leader, zone, member);
    uint64_t clock_s = csn_leader_clock_s(leader, member);
    struct csn_value want, is;
    struct csn_vote_case tested = {.proposal = proposal,
                                   .floor = &row->floor,
                                   .clock_s = clock_s,
                                   .emergency = csn_cluster_emergency(&leader->cluster),
                                   .approved = &row->approved};
    bool is_young = proposal->time_s + csn_leader_config(leader, zone)->max_round_age_s >= clock_s;
    bool has_policy = row->policy.number > proposal->policy.number ||
                      csn_version_equal(&row->policy, &proposal->policy);
    bool has_keyset = row->keyset.number > proposal->keyset.number ||
                      csn_version_equal(&row->keyset, &proposal->keyset);
    return is_young && has_policy && has_keyset &&
           csn_vote_test(&tested, CSN_ASK_LEADER, &want, &is) == 0;
}

/* A leader that missed the newest certificate proposes on the old parent all the same: the refusal
 * brings what it lacks (L4). */
static bool is_parent_newest(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                             unsigned member, const struct csn_proposal *proposal)
{
    return csn_round_compare(csn_leader_ready(leader, zone, member)->newest.round,
                             proposal->parent.round) <= 0;
}

static bool would_all_pass(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                           member_set set, const struct csn_proposal *proposal)
{
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        if (in_set(set, i) && !would_pass(leader, zone, i, proposal)) {
            return false;
        }
    }
    return true;
}

/* The largest set of ready sites, at least q, whose floors one P can satisfy: a site that voted
 * alone for something far off does not drag the others along. At most 2^16 sets, and only when the
 * sites do not agree. */
static bool find_agreeable_in(struct csn_leader *leader, const struct csn_leader_zone *zone,
                              member_set ready, struct draft *ret_draft)
{
    for (unsigned size = set_size(ready); size >= leader->cluster.quorum && size > 0; size--) {
        for (member_set set = ready; set != 0; set = (set - 1) & ready) {
            if (set_size(set) != size) {
                continue;
            }
            compose(leader, zone, set, ret_draft);
            if (would_all_pass(leader, zone, set, &ret_draft->proposal)) {
                return true;
            }
        }
    }
    return false;
}

/* Where those with proven floors are too few, this leader may have missed a certificate: the refusals
 * bring it. Where no set goes to the serial that was approved, rounds go on without. */
static bool find_agreeable(struct csn_leader *leader, const struct csn_leader_zone *zone,
                           struct draft *ret_draft)
{
    member_set ready = ready_set(leader, zone), proven = proven_set(leader, zone, ready);
    struct csn_approved_serial approved = approved_serial(leader, zone);
    ret_draft->approved = approved;
    if (approved.is_set && (find_agreeable_in(leader, zone, proven, ret_draft) ||
                            find_agreeable_in(leader, zone, ready, ret_draft))) {
        return true;
    }
    ret_draft->approved = (struct csn_approved_serial){0};
    return find_agreeable_in(leader, zone, proven, ret_draft) ||
           find_agreeable_in(leader, zone, ready, ret_draft);
}

/* Nothing is signed anew before more sites than may lie, of those that have the newest version, say
 * so, and never before the refresh interval has passed; where too few are ready it decides alone. */
static uint64_t refresh_due_s(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    uint64_t interval_s = zone->newest.held.proposal.time_s +
                          csn_leader_config(leader, zone)->refresh_interval_s;
    uint64_t dues[CSN_MEMBERS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_row *row = csn_leader_ready(leader, zone, i);
        if (row != NULL && csn_round_compare(row->newest.round, csn_leader_newest(zone)) == 0) {
            unsigned at = count++;
            for (; at > 0 && dues[at - 1] > row->due_s; at--) {
                dues[at] = dues[at - 1];
            }
            dues[at] = row->due_s;
        }
    }
    uint64_t due_s = count > leader->cluster.faults ? dues[leader->cluster.faults] : interval_s;
    return due_s > interval_s ? due_s : interval_s;
}

static bool is_work_due(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                        const struct draft *draft)
{
    const struct csn_proposal *proposal = &draft->proposal, *newest = &zone->newest.held.proposal;
    if (proposal->input.generation == 0) {
        return false; /* nothing was ever confirmed by q sites */
    }
    if (!zone->has_newest) {
        return true;
    }
    return csn_input_compare(&proposal->input, &newest->input) == 1 ||
           proposal->policy.number > newest->policy.number ||
           proposal->keyset.number > newest->keyset.number || draft->approved.is_set ||
           draft->clock_s >= refresh_due_s(leader, zone);
}

/* More sites than may lie know an operator's order that none knew then. */
static bool has_new_order(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    unsigned found = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_row *row = csn_leader_ready(leader, zone, i);
        found += row != NULL && row->order_sum > zone->disagreed_orders;
    }
    return found > leader->cluster.faults;
}

/* L5: contents differed last time; the same again only after its pause, or when a hand did something. */
static bool is_resting(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                       const struct draft *draft)
{
    return zone->is_disagreed && leader->now.mono_ms < zone->disagreed_until_ms &&
           csn_input_equal(&draft->proposal.input, &zone->disagreed_input) &&
           csn_version_equal(&draft->proposal.policy, &zone->disagreed_policy) &&
           csn_version_equal(&draft->proposal.keyset, &zone->disagreed_keyset) && !has_new_order(leader, zone);
}

static void propose_fresh(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    struct draft draft;
    if (set_size(ready_set(leader, zone)) < leader->cluster.quorum) {
        return;
    }
    if (!find_agreeable(leader, zone, &draft)) {
        zone->alarm = CSN_ALARM_NO_AGREEABLE_SET;
        csn_leader_trace(leader, CSN_TRACE_NO_AGREEABLE_SET, zone);
        csn_round_say_parent(leader, zone);
        csn_round_back_off(leader, zone);
        return;
    }
    zone->alarm = zone->alarm == CSN_ALARM_NO_AGREEABLE_SET ? CSN_ALARM_NONE : zone->alarm;
    if (!is_work_due(leader, zone, &draft) || is_resting(leader, zone, &draft)) {
        return;
    }
    if (draft.proposal.author_count == 0) {
        zone->alarm = CSN_ALARM_NO_AUTHORS;
        csn_leader_trace(leader, CSN_TRACE_NO_AUTHORS, zone);
        csn_round_back_off(leader, zone);
        return;
    }
    zone->alarm = draft.is_jump ? CSN_ALARM_SERIAL_JUMP : CSN_ALARM_NONE;
    if (draft.is_jump) {
        csn_leader_trace(leader, CSN_TRACE_SERIAL_JUMP, zone)->number =
            csn_serial_next(csn_leader_config(leader, zone)->serial_rule, draft.proposal.time_s,
                            draft.proposal.serial - 1);
    }
    leader->proposal_seq++;
    csn_round_begin(leader, zone, &draft.proposal, leader->proposal_seq, true);
}

/* --- L2 */

/* The highest round that a ready site reports as certified or held, above what is here. */
static struct csn_round highest_claim(const struct csn_leader *leader,
                                      const struct csn_leader_zone *zone)
{
    const struct csn_tally_vote *held = csn_tally_highest(&zone->tally, csn_leader_newest(zone));
    struct csn_round known = held != NULL ? held->held.proposal.round : csn_leader_newest(zone);
    struct csn_round claimed = {0};
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_row *row = csn_leader_ready(leader, zone, i);
        if (row != NULL && csn_round_compare(row->newest.round, csn_leader_newest(zone)) > 0 &&
            csn_round_compare(row->newest.round, claimed) > 0) {
            claimed = row->newest.round;
        }
        for (unsigned k = 0; row != NULL && k < row->hold_count; k++) {
            struct csn_round round = row->holds[k].version.round;
            if (csn_round_compare(round, known) > 0 && csn_round_compare(round, claimed) > 0) {
                claimed = round;
            }
        }
    }
    return claimed;
}

/* Each claim is waited for at most once, and all of them at most once between two rounds: neither one that is never shown nor a
 * site that claims ever more holds anything up. */
static bool is_waiting_for_claim(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    struct csn_round claimed = highest_claim(leader, zone);
    if (csn_round_is_none(claimed)) {
        return false;
    }
    if (csn_round_compare(claimed, zone->claimed) > 0) {
        zone->claimed = claimed;
        zone->claimed_ms = zone->has_waited ? zone->claimed_ms : leader->now.mono_ms;
        zone->has_waited = true;
    }
    return zone->has_waited && leader->now.mono_ms - zone->claimed_ms < CLAIM_WAIT_MS;
}

/* Ready sites that hold it with these bytes. */
static unsigned holders(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                        const struct csn_digest *hash, const struct csn_digest *full_root)
{
    unsigned found = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_fact *fact = csn_facts_find(&leader->facts, i, hash);
        found += csn_leader_ready(leader, zone, i) != NULL && fact != NULL && fact->has_held &&
                 csn_digest_equal(&fact->full_root, full_root);
    }
    return found;
}

/* The most of them with the same bytes, and those without a vote that would let it through. */
static unsigned supporters(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                           const struct csn_tally_vote *vote, unsigned *ret_holders)
{
    unsigned open = 0;
    *ret_holders = 0;
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_fact *fact = csn_facts_find(&leader->facts, i, &vote->hash);
        bool has_held = fact != NULL && fact->has_held;
        unsigned same = has_held ? holders(leader, zone, &vote->hash, &fact->full_root) : 0;
        *ret_holders = same > *ret_holders ? same : *ret_holders;
        open += !has_held && csn_leader_ready(leader, zone, i) != NULL &&
                is_parent_newest(leader, zone, i, &vote->held.proposal) &&
                would_pass(leader, zone, i, &vote->held.proposal);
    }
    return *ret_holders + open;
}

/* The highest hold above the newest certificate is proposed again, unchanged, once, if it can still
 * pass. */
static bool propose_again(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    const struct csn_tally_vote *vote = csn_tally_highest(&zone->tally, csn_leader_newest(zone));
    unsigned most;
    if (vote == NULL || csn_round_compare(vote->held.proposal.round, zone->tried) <= 0) {
        return false;
    }
    zone->tried = vote->held.proposal.round;
    const struct csn_release *parent = &vote->held.proposal.parent;
    bool is_parent = csn_round_compare(parent->round, csn_leader_newest(zone)) == 0;
    unsigned found = supporters(leader, zone, vote, &most);
    if (!is_parent || most <= leader->cluster.faults || found < leader->cluster.quorum) {
        return false;
    }
    struct csn_proposal proposal = vote->held.proposal;
    leader->proposal_seq++;
    csn_round_begin(leader, zone, &proposal, leader->proposal_seq, false);
    return true;
}

void csn_leader_propose(struct csn_leader *leader, struct csn_leader_zone *zone)
{
    if (!is_waiting_for_claim(leader, zone) && !propose_again(leader, zone)) {
        propose_fresh(leader, zone);
    }
}
