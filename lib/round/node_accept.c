#include "round/node_state.h"

#include <string.h>

#define MANY_HOLDS_PAUSE_MS                                                                        \
    60000 /* R5: with too many holds a vote for a fresh proposal a minute, never none */

enum verdict { ACCEPT, WAIT, REFUSE };

/* What R2 looks at, and the first test that fails. */
struct acceptance {
    struct csn_node *node;
    struct csn_node_zone *zone;
    const struct csn_pending *pending;
    enum csn_test test;
    struct csn_value want, is;
};

static enum verdict refuse(struct acceptance *acceptance, enum csn_test test, struct csn_value want,
                           struct csn_value is)
{
    acceptance->test = test;
    acceptance->want = want;
    acceptance->is = is;
    return REFUSE;
}

static bool is_signing_member(const struct csn_cluster *cluster, uint16_t site)
{
    const struct csn_member *member = csn_cluster_member(cluster, site);
    return member != NULL && member->role == CSN_MEMBER_SIGNER;
}

static enum verdict judge_fields(struct acceptance *acceptance)
{
    const struct csn_proposal *proposal = &acceptance->pending->proposal;
    struct csn_approved_serial approved =
        csn_zone_approved_serial(acceptance->node, acceptance->zone);
    struct csn_vote_case tested =
        csn_node_case(acceptance->node, acceptance->zone, proposal, &approved);
    struct csn_value want, is;
    uint8_t failed = csn_vote_test(&tested, CSN_ASK_PROPOSAL, &want, &is);
    return failed != 0 ? refuse(acceptance, (enum csn_test)failed, want, is) : ACCEPT;
}

static enum verdict judge_form(struct acceptance *acceptance)
{
    const struct csn_proposal *proposal = &acceptance->pending->proposal;
    bool is_good = proposal->semantics == CSN_SEMANTICS && proposal->schedule_s <= proposal->time_s;
    for (unsigned i = 0; i < proposal->author_count; i++) {
        is_good = is_good && is_signing_member(&acceptance->node->cluster, proposal->authors[i]);
    }
    return is_good ? ACCEPT
                   : refuse(acceptance, CSN_TEST_FORM, csn_value_u64(CSN_SEMANTICS),
                            csn_value_u64(proposal->semantics));
}

static enum verdict judge_age(struct acceptance *acceptance)
{
    uint64_t clock_s = acceptance->node->now.wall_s;
    uint64_t age_s = csn_node_config(acceptance->node, acceptance->zone)->max_round_age_s;
    uint64_t oldest_s = clock_s > age_s ? clock_s - age_s : 0;
    uint64_t time_s = acceptance->pending->proposal.time_s;
    return time_s >= oldest_s
               ? ACCEPT
               : refuse(acceptance, CSN_TEST_AGE, csn_value_u64(oldest_s), csn_value_u64(time_s));
}

static bool has_version(const struct csn_version_id *versions, unsigned count,
                        const struct csn_version_id *wanted)
{
    for (unsigned i = 0; i < count; i++) {
        if (csn_version_equal(&versions[i], wanted)) {
            return true;
        }
    }
    return false;
}

static enum verdict judge_documents(struct acceptance *acceptance)
{
    const struct csn_proposal *proposal = &acceptance->pending->proposal;
    const struct csn_node_zone *zone = acceptance->zone;
    if (!has_version(zone->policies, zone->policy_count, &proposal->policy)) {
        return refuse(acceptance, CSN_TEST_POLICY_HERE, csn_value_u64(zone->policies[0].number),
                      csn_value_u64(proposal->policy.number));
    }
    if (!has_version(zone->keysets, zone->keyset_count, &proposal->keyset)) {
        return refuse(acceptance, CSN_TEST_KEYSET_HERE, csn_value_u64(zone->keysets[0].number),
                      csn_value_u64(proposal->keyset.number));
    }
    return ACCEPT;
}

static enum verdict judge_holds(struct acceptance *acceptance)
{
    const struct csn_node_zone *zone = acceptance->zone;
    size_t kept = csn_zone_holds_kept(zone);
    bool is_pausing = zone->has_voted &&
                      acceptance->node->now.mono_ms - zone->voted_ms < MANY_HOLDS_PAUSE_MS;
    return kept <= CSN_HOLDS_MANY || !is_pausing
               ? ACCEPT
               : refuse(acceptance, CSN_TEST_HOLDS, csn_value_u64(CSN_HOLDS_MANY),
                        csn_value_u64(kept));
}

/* Parent = newest certificate known, complete here. */
static enum verdict judge_parent(struct acceptance *acceptance)
{
    const struct csn_release *parent = &acceptance->pending->proposal.parent;
    struct csn_release newest = csn_zone_newest(acceptance->zone);
    int order = csn_round_compare(parent->round, newest.round);
    if (order < 0 || (order == 0 && !csn_digest_equal(&parent->full_root, &newest.full_root))) {
        csn_node_broadcast_newest(acceptance->node,
                                  acceptance->zone); /* L4: whoever leads may not know it */
        return refuse(acceptance, CSN_TEST_PARENT, csn_value_round(newest.round),
                      csn_value_round(parent->round));
    }
    if (order > 0) {
        return acceptance->pending->parent_failed < CSN_FETCH_TRIES
                   ? WAIT
                   : refuse(acceptance, CSN_TEST_PARENT_HERE, csn_value_round(newest.round),
                            csn_value_round(parent->round));
    }
    return csn_round_is_none(newest.round) ||
                   csn_zone_is_complete(acceptance->zone, &newest.full_root)
               ? ACCEPT
               : WAIT;
}

static bool has_input(const struct csn_node *node, const struct csn_node_zone *zone,
                      unsigned member, const void *what)
{
    const struct csn_row *row = csn_peers_row(&node->peers, member, zone->index);
    const struct csn_input_id *wanted = what;
    bool has = row != NULL && csn_input_equal(&row->floor.input, wanted);
    for (unsigned i = 0; row != NULL && i < row->input_count; i++) {
        has = has || csn_input_equal(&row->inputs[i], wanted);
    }
    return has;
}

static void fetch_input(struct acceptance *acceptance)
{
    struct csn_pending *pending = &acceptance->zone->pending;
    struct csn_effect *effect =
        csn_node_fetch(acceptance->node, acceptance->zone, &pending->input, CSN_OBJECT_INPUT);
    if (effect != NULL) {
        effect->fetch.digest = pending->proposal.input.prepared;
        effect->fetch.input = pending->proposal.input;
        csn_node_prefer(acceptance->node, acceptance->zone, effect, has_input,
                        &pending->proposal.input);
    }
}

/* How many sites confirmed an input from their own source, as far as their signed reports told. */
static unsigned confirmations(const struct csn_node *node, const struct csn_node_zone *zone,
                              const struct csn_input_id *input)
{
    unsigned sites = 0;
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        const struct csn_row *row = csn_peers_row(&node->peers, i, zone->index);
        bool has = false;
        for (unsigned k = 0; row != NULL && k < row->input_count; k++) {
            has = has || csn_input_equal(&row->inputs[k], input);
        }
        sites += has;
    }
    return sites;
}

/* Gates and sources are each site's own: what this site has not read itself it takes when a quorum
 * did, when it is certified or in the own floor, or when more sites than may lie have voted for it. */
static bool is_vouched(const struct csn_node *node, const struct csn_node_zone *zone,
                       const struct csn_input_id *input)
{
    const struct csn_known_input *known = csn_zone_input(zone, input);
    return (known != NULL && known->is_confirmed) || csn_input_equal(input, &zone->floor.input) ||
           confirmations(node, zone, input) >= node->cluster.quorum ||
           csn_tally_input(&zone->tally, input) > node->cluster.faults;
}

/* A site whose own source says otherwise does not take a new input from a peer; what is certified,
 * or in its floor, passes (a refresh is never blocked by a conflict). */
static enum verdict judge_input(struct acceptance *acceptance)
{
    const struct csn_input_id *input = &acceptance->pending->proposal.input;
    struct csn_node_zone *zone = acceptance->zone;
    bool is_vouched_for = is_vouched(acceptance->node, zone, input);
    if (csn_zone_input(zone, input) != NULL && is_vouched_for) {
        return ACCEPT;
    }
    const struct csn_input_id *own = csn_zone_conflicting(zone, input);
    if (own != NULL && !csn_input_equal(input, &zone->floor.input)) {
        csn_zone_set_diverged(acceptance->node, zone, zone->diverged | CSN_CLASS_BIT_D);
        return refuse(acceptance, CSN_TEST_INPUT_CONFLICT, csn_value_digest(&own->received),
                      csn_value_digest(&input->received));
    }
    if (!is_vouched_for) { /* reports that say more come within this time */
        bool is_early =
            acceptance->node->now.mono_ms - acceptance->pending->since_ms < CSN_REPORT_IDLE_MS;
        return is_early ? WAIT
                        : refuse(acceptance, CSN_TEST_INPUT_VOUCHED,
                                 csn_value_digest(&input->received), csn_value_u64(input->serial));
    }
    if (acceptance->pending->input.failed >= CSN_FETCH_TRIES) {
        return refuse(acceptance, CSN_TEST_INPUT_HERE, csn_value_digest(&input->prepared),
                      csn_value_u64(input->serial));
    }
    fetch_input(acceptance);
    return WAIT;
}

/* R2, in this order; the last two may wait. */
static enum verdict judge(struct acceptance *acceptance)
{
    static enum verdict (*const judges[])(struct acceptance *) = {
        judge_fields, judge_form,   judge_age,  judge_documents,
        judge_holds,  judge_parent, judge_input};
    enum verdict worst = ACCEPT;
    for (size_t i = 0; i < sizeof(judges) / sizeof(judges[0]) && worst != REFUSE; i++) {
        enum verdict verdict = judges[i](acceptance);
        worst = verdict > worst ? verdict : worst;
    }
    return worst;
}

void csn_pending_drop(struct csn_node *node, struct csn_node_zone *zone)
{
    csn_node_cancel(node, &zone->pending.input.corr);
    zone->pending = (struct csn_pending){0};
}

static void accept(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_proposal proposal = zone->pending.proposal;
    struct csn_digest hash = zone->pending.hash;
    csn_pending_drop(node, zone);
    zone->accepted_ms = node->now.mono_ms;
    csn_work_begin(node, zone, &proposal, &hash);
}

void csn_pending_advance(struct csn_node *node, struct csn_node_zone *zone)
{
    if (!zone->pending.is_set) {
        return;
    }
    struct acceptance acceptance = {.node = node, .zone = zone, .pending = &zone->pending};
    enum verdict verdict = judge(&acceptance);
    if (verdict == ACCEPT) {
        accept(node, zone);
    } else if (verdict == REFUSE) {
        struct csn_digest hash = zone->pending.hash;
        csn_node_refuse(node, zone, &hash, CSN_RULE_R2, acceptance.test, acceptance.want,
                        acceptance.is);
    }
}

bool csn_pending_completed(struct csn_node *node, struct csn_node_zone *zone,
                           const struct csn_event *event)
{
    struct csn_pending *pending = &zone->pending;
    if (event->kind != CSN_EVENT_FETCHED || !pending->is_set ||
        pending->input.corr != event->corr) {
        return false;
    }
    csn_node_fetched(node, &pending->input, event->code);
    if (pending->input.is_here) {
        csn_zone_add_input(node, zone, &pending->proposal.input, false);
    }
    return true;
}

/* The same proposal again, in this or a later sending: what was said of it is said again. */
static void repeat(struct csn_node *node, struct csn_node_zone *zone, const struct csn_digest *hash)
{
    if (zone->refusal.is_set && csn_digest_equal(&zone->refusal.hash, hash)) {
        csn_node_send_refusal(node, zone);
    }
}

static void consider(struct csn_node *node, struct csn_node_zone *zone,
                     const struct csn_body_proposal *body)
{
    struct csn_round sending = {.term = body->term, .seq = body->seq};
    struct csn_digest hash;
    int order = zone->has_sending ? csn_round_compare(sending, zone->sending) : 1;
    csn_proposal_hash(&body->proposal, &hash);
    if (order < 0) {
        csn_node_count(node, CSN_COUNT_OLD);
        return;
    }
    if (order == 0) {
        repeat(node, zone, &hash);
        return;
    }
    zone->has_sending = true;
    zone->sending = sending;
    zone->sending_hash = hash;
    csn_node_note_round(node, zone, &hash);
    csn_zone_proposed(node, zone);
    csn_pending_drop(node, zone);
    bool is_at_work =
        zone->work.state != CSN_WORK_IDLE && csn_digest_equal(&zone->work.hash, &hash);
    if (!is_at_work) {
        zone->pending =
            (struct csn_pending){.is_set = true,
                                 .proposal = body->proposal,
                                 .hash = hash,
                                 .since_ms = node->now.mono_ms};
    }
}

void csn_node_proposal(struct csn_node *node, const struct csn_body_proposal *body)
{
    int index = csn_zone_index(&node->peers, body->proposal.zone);
    if (index < 0) {
        csn_node_count(node, CSN_COUNT_UNKNOWN_ZONE);
        return;
    }
    struct csn_node_zone *zone = &node->zones[index];
    csn_node_touch(node, zone);
    struct csn_round sending = {.term = body->term, .seq = body->seq};
    const struct csn_hold *hold = csn_zone_hold(zone, body->proposal.round);
    if (csn_round_compare(body->proposal.round, sending) > 0) {
        csn_node_count(
            node, CSN_COUNT_MALFORMED); /* a round from the future would leave no round after it */
    } else if (csn_term_compare(body->term, node->promised) != 0) {
        csn_node_count(node, CSN_COUNT_NOT_PROMISED);
    } else if (hold != NULL &&
               csn_round_compare(body->proposal.round, csn_zone_newest(zone).round) > 0) {
        zone->holds_repeat_ms = 0; /* R2: answered with its HELD, nothing more is tested */
        csn_holds_repeat(node, zone);
    } else {
        consider(node, zone, body);
    }
}

const struct csn_known_input *csn_zone_input(const struct csn_node_zone *zone,
                                             const struct csn_input_id *id)
{
    for (size_t i = 0; i < zone->input_count; i++) {
        if (csn_input_equal(&zone->inputs[i].id, id)) {
            return &zone->inputs[i];
        }
    }
    return NULL;
}

static bool is_other_content(const struct csn_input_id *a, const struct csn_input_id *b)
{
    return a->generation == b->generation && a->serial == b->serial && !csn_input_equal(a, b);
}

const struct csn_input_id *csn_zone_conflicting(const struct csn_node_zone *zone,
                                                const struct csn_input_id *input)
{
    for (size_t i = 0; i < zone->input_count; i++) {
        if (zone->inputs[i].is_confirmed && is_other_content(&zone->inputs[i].id, input)) {
            return &zone->inputs[i].id;
        }
    }
    return NULL;
}

bool csn_zone_conflicts(const struct csn_node_zone *zone, const struct csn_input_id *input)
{
    return csn_zone_conflicting(zone, input) != NULL;
}

/* A source that was mended gives other content under the same serial: the newest word counts. */
static void forget_confirmed(struct csn_node_zone *zone, const struct csn_input_id *id)
{
    for (size_t i = 0; i < zone->input_count; i++) {
        if (is_other_content(&zone->inputs[i].id, id)) {
            zone->inputs[i].is_confirmed = false;
        }
    }
}

void csn_zone_add_input(struct csn_node *node, struct csn_node_zone *zone,
                        const struct csn_input_id *id, bool is_confirmed)
{
    struct csn_known_input *known = NULL;
    for (size_t i = 0; i < zone->input_count; i++) {
        known = csn_input_equal(&zone->inputs[i].id, id) ? &zone->inputs[i] : known;
    }
    if (is_confirmed) {
        forget_confirmed(zone, id);
    }
    if (known == NULL) {
        zone->inputs = csn_realloc(zone->inputs, zone->input_count + 1, sizeof(*zone->inputs));
        known = &zone->inputs[zone->input_count++];
        *known = (struct csn_known_input){.id = *id};
    }
    known->is_confirmed = known->is_confirmed || is_confirmed;
    size_t certificates = zone->certificate_count;
    if (certificates > 0 &&
        csn_zone_conflicts(zone,
                           &zone->certificates[certificates - 1].certificate.held.proposal.input)) {
        csn_zone_set_diverged(node, zone, zone->diverged | CSN_CLASS_BIT_D);
    }
}

static void approve(struct csn_version_id *versions, unsigned *count,
                    const struct csn_version_id *version)
{
    if (has_version(versions, *count, version)) {
        return;
    }
    unsigned at = 0;
    while (at < *count && versions[at].number > version->number) {
        at++;
    }
    if (at == CSN_DOCUMENTS_KEPT) {
        return; /* older than all that are kept */
    }
    unsigned kept = *count < CSN_DOCUMENTS_KEPT ? *count : CSN_DOCUMENTS_KEPT - 1;
    memmove(versions + at + 1, versions + at, (kept - at) * sizeof(*versions));
    versions[at] = *version;
    *count = kept + 1;
}

void csn_zone_approve(struct csn_node_zone *zone, const struct csn_round_zone *config)
{
    approve(zone->policies, &zone->policy_count, &config->policy);
    approve(zone->keysets, &zone->keyset_count, &config->keyset);
}
