#include "round/node_state.h"

#include "round/fields.h"

struct csn_vote_case csn_node_case(const struct csn_node *node, const struct csn_node_zone *zone,
                                   const struct csn_proposal *proposal,
                                   const struct csn_approved_serial *approved)
{
    return (struct csn_vote_case){
        .proposal = proposal,
        .floor = &zone->floor,
        .epoch = node->cluster.epoch,
        .epoch_digest = node->cluster.digest,
        .is_sealed = node->is_sealed,
        .is_halted = csn_node_halted(node) != CSN_HALT_NONE,
        .is_held = csn_zone_is_held(zone),
        .clock_s = node->now.wall_s,
        .emergency = csn_cluster_emergency(&node->cluster),
        .approved = approved,
        .margin_s = csn_margin_s(csn_node_config(node, zone)),
    };
}

const struct csn_hold *csn_zone_hold(const struct csn_node_zone *zone, struct csn_round round)
{
    for (size_t i = 0; i < zone->hold_count; i++) {
        if (csn_round_compare(zone->holds[i].held.proposal.round, round) == 0) {
            return &zone->holds[i];
        }
    }
    return NULL;
}

size_t csn_zone_holds_kept(const struct csn_node_zone *zone)
{
    size_t kept = 0;
    for (size_t i = 0; i < zone->hold_count; i++) {
        kept += csn_round_compare(zone->holds[i].held.proposal.round, zone->released.round) > 0;
    }
    return kept;
}

void csn_node_send_held(struct csn_node *node, const struct csn_hold *hold)
{
    struct csn_buf body = {0};
    csn_put_held(&body, &hold->held);
    csn_node_send(node, CSN_STATEMENT_HELD, csn_buf_view(&body));
    csn_buf_fini(&body);
}

void csn_holds_repeat(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_round newest = csn_zone_newest(zone).round;
    size_t from = zone->hold_count > CSN_ROW_HOLDS_MAX ? zone->hold_count - CSN_ROW_HOLDS_MAX : 0;
    bool is_out = zone->persist_count > 0; /* R7: a vote that is not durable yet must not leave */
    if (is_out || node->halt != CSN_HALT_NONE ||
        node->now.mono_ms - zone->holds_repeat_ms < CSN_REPEAT_MS) {
        return;
    }
    zone->holds_repeat_ms = node->now.mono_ms;
    for (size_t i = from; i < zone->hold_count; i++) {
        if (zone->holds[i].held.proposal.epoch == node->cluster.epoch &&
            csn_round_compare(zone->holds[i].held.proposal.round, newest) > 0) {
            csn_node_send_held(node, &zone->holds[i]);
        }
    }
}

static struct csn_hold hold_of(const struct csn_work *work, const struct csn_event *staged)
{
    return (struct csn_hold){
        .held = {.proposal = work->proposal,
                 .roots = work->roots,
                 .b = staged->staged.b,
                 .full_root = staged->staged.full_root,
                 .records = staged->staged.records,
                 .signatures = staged->staged.signatures,
                 .earliest_expiry_s = staged->staged.earliest_expiry_s},
        .hash = work->hash,
    };
}

/* What the vote's transaction must find: the state the tests were made on. */
static void expect_state(struct csn_node *node, struct csn_effect *persist,
                         const struct csn_node_zone *zone, struct csn_bytes hold_key)
{
    const uint8_t *name = csn_node_zone_name(node, zone);
    struct csn_record_key floor_key = csn_record_key(CSN_RECORD_FLOOR, name, NULL);
    struct csn_record_key epoch_key = csn_record_key(CSN_RECORD_EPOCH, NULL, NULL);
    struct csn_buf floor = {0}, epoch = {0};
    csn_record_floor(node, zone, &floor);
    csn_record_epoch(node, &epoch);
    csn_persist_expect(node, persist, csn_record_key_view(&floor_key),
                       zone->has_floor ? csn_buf_view(&floor) : csn_bytes(NULL, 0));
    csn_persist_expect(node, persist, csn_record_key_view(&epoch_key), csn_buf_view(&epoch));
    csn_expect_order(node, persist, zone, CSN_REGISTER_VOTES);
    csn_expect_order(node, persist, zone, CSN_REGISTER_SERIAL);
    csn_persist_expect(node, persist, hold_key, csn_bytes(NULL, 0));
    csn_buf_fini(&floor);
    csn_buf_fini(&epoch);
}

/* The second copy of the last own hold, under the zone alone: a store restored from a backup is
 * known by it. */
static void second_copy(struct csn_node *node, struct csn_effect *persist,
                        const struct csn_node_zone *zone, struct csn_bytes body)
{
    struct csn_record_key key =
        csn_record_key(CSN_RECORD_HOLD, csn_node_zone_name(node, zone), NULL);
    struct csn_buf value = {0};
    csn_buf_put_bytes(&value, body);
    csn_record_close(csn_record_key_view(&key), &value);
    persist->persist.second =
        (struct csn_record_pair){csn_effects_copy(node->effects, csn_record_key_view(&key)),
                                 csn_effects_copy(node->effects, csn_buf_view(&value))};
    csn_buf_fini(&value);
}

/* R4: the hold, and floor := P, in one transaction; the HELD leaves when it has come back. */
static void persist_vote(struct csn_node *node, struct csn_node_zone *zone,
                         const struct csn_hold *hold)
{
    struct csn_record_key key =
        csn_record_key(CSN_RECORD_HOLD, csn_node_zone_name(node, zone), &hold->held.proposal.round);
    struct csn_buf value = {0};
    struct csn_effect *effect = csn_node_persist(node, CSN_PERSIST_VOTE, zone);
    struct csn_persist *persist = csn_node_last_persist(node);
    persist->round = hold->held.proposal.round;
    csn_put_held(&persist->held, &hold->held);
    second_copy(node, effect, zone, csn_buf_view(&persist->held));
    expect_state(node, effect, zone, csn_record_key_view(&key));
    csn_buf_put_bytes(&value, csn_buf_view(&persist->held));
    csn_record_close(csn_record_key_view(&key), &value);
    csn_persist_write(node, effect, csn_record_key_view(&key), csn_buf_view(&value));
    zone->floor = csn_floor_of(&hold->held.proposal);
    csn_persist_floor(node, effect, zone);
    csn_buf_fini(&value);
}

static void add_hold(struct csn_node *node, struct csn_node_zone *zone, const struct csn_hold *hold)
{
    zone->holds = csn_realloc(zone->holds, zone->hold_count + 1, sizeof(*zone->holds));
    zone->holds[zone->hold_count++] =
        *hold; /* its round is above the floor's, so above all others */
    size_t kept = csn_zone_holds_kept(zone);
    if (kept > CSN_HOLDS_MANY) {
        csn_node_trace(node, CSN_TRACE_HOLDS_MANY, zone)->number = kept;
    }
}

static void vote(struct csn_node *node, struct csn_node_zone *zone, const struct csn_hold *hold)
{
    zone->has_voted = true;
    zone->voted_ms = zone->accepted_ms; /* all sites' minutes begin with the same proposal */
    persist_vote(node, zone, hold);
    add_hold(node, zone, hold);
    struct csn_trace *trace = csn_node_trace(node, CSN_TRACE_VOTED, zone);
    trace->round = hold->held.proposal.round;
    trace->digest = hold->held.full_root;
    trace->number = hold->held.proposal.serial;
    csn_work_move(node, zone, CSN_WORK_VOTING);
}

static bool is_same_body(const struct csn_body_held *a, const struct csn_body_held *b)
{
    struct csn_buf first = {0}, second = {0};
    csn_put_held(&first, a);
    csn_put_held(&second, b);
    bool is_same = csn_bytes_equal(csn_buf_view(&first), csn_buf_view(&second));
    csn_buf_fini(&first);
    csn_buf_fini(&second);
    return is_same;
}

/* R4. */
void csn_node_vote(struct csn_node *node, struct csn_node_zone *zone,
                   const struct csn_event *staged)
{
    struct csn_hold hold = hold_of(&zone->work, staged);
    const struct csn_hold *old = csn_zone_hold(zone, hold.held.proposal.round);
    struct csn_approved_serial approved = csn_zone_approved_serial(node, zone);
    struct csn_vote_case tested = csn_node_case(node, zone, &hold.held.proposal, &approved);
    struct csn_value want = {0}, is = {0};
    tested.is_complete = csn_zone_is_complete(zone, &hold.held.full_root);
    tested.earliest_expiry_s = hold.held.earliest_expiry_s;
    uint8_t failed =
        old != NULL ? CSN_TEST_OTHER_HOLD : csn_vote_test(&tested, CSN_ASK_VOTE, &want, &is);
    if (old != NULL && is_same_body(&old->held, &hold.held)) {
        csn_work_drop(node, zone);
        zone->holds_repeat_ms = 0;
        csn_holds_repeat(node, zone);
    } else if (failed != 0) {
        csn_node_refuse(node, zone, &hold.hash, CSN_RULE_R4, (enum csn_test)failed, want, is);
    } else {
        vote(node, zone, &hold);
    }
}

void csn_node_voted(struct csn_node *node, struct csn_node_zone *zone,
                    const struct csn_persist *persist)
{
    const struct csn_hold *hold = csn_zone_hold(zone, persist->round);
    if (hold == NULL || node->halt != CSN_HALT_NONE) {
        return; /* the disk was so slow that a later release has cleared it, and nobody waits for this
                   vote any more; or the site learnt meanwhile that it must not vote */
    }
    csn_node_send(node, CSN_STATEMENT_HELD, csn_buf_view(&persist->held));
    struct csn_trace *trace = csn_node_trace(node, CSN_TRACE_HELD, zone);
    trace->round = persist->round;
    trace->digest = hold->held.full_root;
    if (zone->work.state == CSN_WORK_VOTING &&
        csn_round_compare(zone->work.proposal.round, persist->round) == 0) {
        csn_work_move(node, zone, CSN_WORK_HELD);
        zone->holds_repeat_ms = node->now.mono_ms;
    }
}

/* One at or below the floor may be of a hold whose record has been cleared after a release. Before a
 * leap its serial says nothing any more. */
void csn_node_judge_own(struct csn_node *node, struct csn_node_zone *zone,
                        const struct csn_body_held *held)
{
    const struct csn_hold *hold = csn_zone_hold(zone, held->proposal.round);
    bool is_known = hold != NULL && is_same_body(&hold->held, held);
    bool is_cleared = hold == NULL && zone->floor.has_serial &&
                      csn_round_compare(held->proposal.round, zone->floor.round) <= 0 &&
                      (!csn_serial_is_after(held->proposal.serial, zone->floor.serial) ||
                       csn_round_compare(held->proposal.round, zone->leap) < 0);
    if (!is_known && !is_cleared) {
        csn_node_forgot(node);
    }
}

static void certify(struct csn_node *node, const struct csn_node_zone *zone,
                    const struct csn_tally_vote *vote)
{
    struct csn_certificate certificate;
    if (!csn_tally_certify(&zone->tally, vote, node->cluster.quorum, &certificate)) {
        return;
    }
    struct csn_buf octets = {0};
    csn_certificate_encode(&certificate, &octets);
    struct csn_effect *effect = csn_node_effect(node, CSN_EFFECT_CERTIFICATE, zone);
    effect->certificate = csn_effects_copy(node->effects, csn_buf_view(&octets));
    csn_node_certificate(node, &certificate, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

void csn_node_seen_held(struct csn_node *node, unsigned member, const struct csn_body_held *held,
                        const struct csn_certificate_vote *vote)
{
    int index = csn_zone_index(&node->peers, held->proposal.zone);
    if (index < 0) {
        csn_node_count(node, CSN_COUNT_UNKNOWN_ZONE);
        return;
    }
    struct csn_node_zone *zone = &node->zones[index];
    struct csn_digest hash;
    csn_node_touch(node, zone);
    csn_proposal_hash(&held->proposal, &hash);
    csn_facts_held(&node->facts, member, &hash, held);
    csn_zone_heard_vote(zone, member, held->proposal.round);
    if (member == node->member) {
        csn_node_judge_own(node, zone, held);
    }
    if (csn_round_compare(held->proposal.round, csn_zone_newest(zone).round) > 0) {
        const struct csn_tally_vote *kept = csn_tally_add(&zone->tally, member, held, vote);
        if (kept != NULL) {
            certify(node, zone, kept);
        }
    }
}
