#include "round/node_state.h"

#include <string.h>

#define BIT(state) (1u << (state))
#define TO_DROP BIT(CSN_WORK_IDLE)

/* From each state: where it may go. COMPUTING is reachable from all: accepting another proposal
 * drops the old work. */
static const struct {
    const char *name;
    unsigned next;
} states[] = {
    [CSN_WORK_IDLE] = {"idle", BIT(CSN_WORK_COMPUTING)},
    [CSN_WORK_COMPUTING] = {"computing", TO_DROP | BIT(CSN_WORK_COMPARING)},
    [CSN_WORK_COMPARING] = {"comparing", TO_DROP | BIT(CSN_WORK_GATHERING)},
    [CSN_WORK_GATHERING] = {"gathering", TO_DROP | BIT(CSN_WORK_STAGING)},
    [CSN_WORK_STAGING] = {"staging", TO_DROP | BIT(CSN_WORK_VOTING)},
    [CSN_WORK_VOTING] = {"voting", TO_DROP | BIT(CSN_WORK_HELD)},
    [CSN_WORK_HELD] = {"held", TO_DROP},
};

const char *csn_work_text(enum csn_work_state state)
{
    return states[state].name;
}

bool csn_work_may_move(enum csn_work_state from, enum csn_work_state to)
{
    return (states[from].next & BIT(to)) != 0;
}

/* Content known from COMPARING on; a proposal known but when idle. */
static bool invariant(const struct csn_work *work, enum csn_work_state state)
{
    bool is_waiting_for_one = state != CSN_WORK_COMPUTING || work->compute_corr != 0;
    bool is_staging = state != CSN_WORK_STAGING || work->stage_corr != 0;
    return is_waiting_for_one && is_staging &&
           (state == CSN_WORK_IDLE || work->proposal.author_count > 0);
}

void csn_work_move(struct csn_node *node, struct csn_node_zone *zone, enum csn_work_state to)
{
    enum csn_work_state from = zone->work.state;
    INSIST(csn_work_may_move(from, to));
    INSIST(invariant(&zone->work, to));
    zone->work.state = to;
    struct csn_trace *trace = csn_node_trace(node, CSN_TRACE_WORK, zone);
    trace->from = (uint8_t)from;
    trace->to = (uint8_t)to;
    trace->round = zone->work.proposal.round;
    trace->digest = zone->work.hash;
}

void csn_work_drop(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_work *work = &zone->work;
    csn_node_cancel(node, &work->compute_corr);
    csn_node_cancel(node, &work->sign_corr);
    csn_node_cancel(node, &work->stage_corr);
    for (unsigned i = 0; i < CSN_MEMBERS_MAX; i++) {
        csn_node_cancel(node, &work->shares[i].corr);
    }
    if (work->state != CSN_WORK_IDLE) {
        csn_work_move(node, zone, CSN_WORK_IDLE);
    }
}

static struct csn_effect *work_effect(struct csn_node *node, struct csn_node_zone *zone,
                                      enum csn_effect_kind kind, uint64_t *ret_corr)
{
    struct csn_work *work = &zone->work;
    struct csn_effect *effect = csn_node_effect(node, kind, zone);
    effect->corr = *ret_corr = csn_node_corr(node, zone);
    effect->work.hash = work->hash;
    struct csn_proposal *proposal =
        csn_arena_alloc(&node->effects->arena, sizeof(*proposal), _Alignof(struct csn_proposal));
    *proposal = work->proposal;
    effect->work.proposal = proposal;
    return effect;
}

static int author_index(const struct csn_proposal *proposal, uint16_t site)
{
    for (unsigned i = 0; i < proposal->author_count; i++) {
        if (proposal->authors[i] == site) {
            return (int)i;
        }
    }
    return -1;
}

void csn_work_begin(struct csn_node *node, struct csn_node_zone *zone,
                    const struct csn_proposal *proposal, const struct csn_digest *hash)
{
    csn_work_drop(node, zone);
    zone->work = (struct csn_work){
        .proposal = *proposal, .hash = *hash, .author = author_index(proposal, node->site)};
    struct csn_trace *trace = csn_node_trace(node, CSN_TRACE_ACCEPTED, zone);
    trace->round = proposal->round;
    trace->digest = *hash;
    trace->number = proposal->serial;
    work_effect(node, zone, CSN_EFFECT_COMPUTE, &zone->work.compute_corr);
    csn_work_move(node, zone, CSN_WORK_COMPUTING);
}

void csn_node_send_refusal(struct csn_node *node, struct csn_node_zone *zone)
{
    const struct csn_refusal *refusal = &zone->refusal;
    struct csn_body_refused body = {.hash = refusal->hash,
                                    .rule = refusal->rule,
                                    .test = refusal->test,
                                    .want = refusal->want,
                                    .is = refusal->is,
                                    .floor = zone->floor,
                                    .newest = csn_zone_newest(zone)};
    struct csn_buf octets = {0};
    csn_body_refused_encode(&body, &octets);
    csn_node_send(node, CSN_STATEMENT_REFUSED, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

void csn_node_refuse(struct csn_node *node, struct csn_node_zone *zone,
                     const struct csn_digest *hash, enum csn_rule rule, enum csn_test test,
                     struct csn_value want, struct csn_value is)
{
    zone->refusal = (struct csn_refusal){.is_set = true,
                                         .rule = (uint8_t)rule,
                                         .test = (uint8_t)test,
                                         .hash = *hash,
                                         .want = want,
                                         .is = is,
                                         .at_s = node->now.wall_s};
    struct csn_trace *trace = csn_node_trace(node, CSN_TRACE_REFUSED, zone);
    trace->rule = (uint8_t)rule;
    trace->test = (uint8_t)test;
    trace->digest = *hash;
    csn_node_send_refusal(node, zone);
    if (zone->pending.is_set && csn_digest_equal(&zone->pending.hash, &zone->refusal.hash)) {
        csn_pending_drop(node, zone);
    }
    if (zone->work.state != CSN_WORK_IDLE &&
        csn_digest_equal(&zone->work.hash, &zone->refusal.hash)) {
        csn_work_drop(node, zone);
    }
}

static void refuse_work(struct csn_node *node, struct csn_node_zone *zone, enum csn_test test,
                        struct csn_value want, struct csn_value is)
{
    struct csn_digest hash = zone->work.hash;
    csn_node_refuse(node, zone, &hash, CSN_RULE_R3, test, want, is);
}

void csn_zone_set_diverged(struct csn_node *node, struct csn_node_zone *zone, uint8_t classes)
{
    if (zone->diverged == classes) {
        return;
    }
    struct csn_record_key key =
        csn_record_key(CSN_RECORD_DIVERGED, csn_node_zone_name(node, zone), NULL);
    struct csn_buf value = {0};
    struct csn_effect *persist = csn_node_persist(node, CSN_PERSIST_NOTE, zone);
    csn_buf_put_u8(&value, classes);
    csn_record_close(csn_record_key_view(&key), &value);
    csn_persist_write(node, persist, csn_record_key_view(&key), csn_buf_view(&value));
    csn_buf_fini(&value);
    zone->diverged = classes;
    struct csn_trace *trace =
        csn_node_trace(node, classes != 0 ? CSN_TRACE_DIVERGED : CSN_TRACE_REJOINED, zone);
    trace->number = classes;
    trace->digest = zone->work.hash;
}

static void diverge(struct csn_node *node, struct csn_node_zone *zone,
                    const struct csn_roots *theirs)
{
    uint8_t classes = csn_roots_differ(&zone->work.roots, theirs);
    csn_zone_set_diverged(node, zone, classes);
    refuse_work(node, zone, CSN_TEST_DIVERGED, csn_value_u64(0), csn_value_u64(classes));
}

/* q sites, this one included, agree (or a certificate says so): bytes may be made. Content computed
 * from a peer's input does not end a divergence of this site's own source. */
static void agree(struct csn_node *node, struct csn_node_zone *zone, unsigned count)
{
    struct csn_work *work = &zone->work;
    if (!csn_zone_conflicts(zone, &work->proposal.input)) {
        csn_zone_set_diverged(node, zone, 0);
    }
    struct csn_trace *trace = csn_node_trace(node, CSN_TRACE_AGREED, zone);
    trace->round = work->proposal.round;
    trace->number = count;
    csn_work_move(node, zone, CSN_WORK_GATHERING);
    if (work->author >= 0) {
        work_effect(node, zone, CSN_EFFECT_SIGN, &work->sign_corr)->work.author =
            (uint8_t)work->author;
    } else if (zone->hsm == CSN_HSM_GOOD) {
        uint64_t unused;
        work_effect(node, zone, CSN_EFFECT_PROVE, &unused);
    }
}

/* R3: compares own content with what others computed. */
static void compare(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_work *work = &zone->work;
    const struct csn_known_certificate *known = csn_zone_certificate_of(zone, &work->hash);
    struct csn_roots most;
    unsigned count = csn_facts_agree(&node->facts, &work->hash, &work->roots);
    if (known != NULL) {
        count = csn_roots_equal(&known->certificate.held.roots, &work->roots) ? node->cluster.quorum
                                                                              : 0;
        most = known->certificate.held.roots;
    }
    if (count >= node->cluster.quorum) {
        agree(node, zone, count);
    } else if (known != NULL ||
               csn_facts_most(&node->facts, &work->hash, &most) >= node->cluster.quorum) {
        diverge(node, zone, &most);
    }
}

static void send_computed(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_body_computed body = {.hash = zone->work.hash, .roots = zone->work.roots};
    struct csn_buf octets = {0};
    csn_body_computed_encode(&body, &octets);
    csn_node_send(node, CSN_STATEMENT_COMPUTED, csn_buf_view(&octets));
    csn_facts_computed(&node->facts, node->member, &body);
    csn_buf_fini(&octets);
}

static void send_offer(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_body_offer body = {
        .hash = zone->work.hash, .b = zone->work.share_b, .count = zone->work.share_count};
    struct csn_buf octets = {0};
    csn_body_offer_encode(&body, &octets);
    csn_node_send(node, CSN_STATEMENT_OFFER, csn_buf_view(&octets));
    csn_facts_offer(&node->facts, node->member, &body);
    csn_buf_fini(&octets);
}

/* Members that hold this content with this full root. */
static unsigned holders_of(const struct csn_node *node, const struct csn_node_zone *zone,
                           const struct csn_digest *full_root)
{
    unsigned found = 0;
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        const struct csn_fact *fact = csn_facts_find(&node->facts, i, &zone->work.hash);
        found += fact != NULL && fact->has_held && csn_roots_equal(&fact->roots, &zone->work.roots) &&
                 csn_digest_equal(&fact->full_root, full_root);
    }
    return found;
}

/* A certificate, or HELDs of the same content by more sites than may lie, say which bytes must come out; NULL: none yet. */
static const struct csn_digest *expected_root(const struct csn_node *node,
                                              const struct csn_node_zone *zone)
{
    const struct csn_known_certificate *known = csn_zone_certificate_of(zone, &zone->work.hash);
    if (known != NULL) {
        return &known->certificate.held.full_root;
    }
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        const struct csn_fact *fact = csn_facts_find(&node->facts, i, &zone->work.hash);
        if (fact != NULL && fact->has_held &&
            holders_of(node, zone, &fact->full_root) > node->cluster.faults) {
            return &fact->full_root;
        }
    }
    return NULL;
}

static const struct csn_fact *offer_of(const struct csn_node *node,
                                       const struct csn_node_zone *zone, uint16_t site)
{
    int member = csn_member_index(&node->cluster, site);
    const struct csn_fact *fact = csn_facts_find(&node->facts, (unsigned)member, &zone->work.hash);
    return fact != NULL && fact->has_offer ? fact : NULL;
}

/* The author has it, and whoever holds the round. */
struct share_name {
    uint16_t author;
    const struct csn_digest *hash;
};
static bool has_share(const struct csn_node *node, const struct csn_node_zone *zone,
                      unsigned member, const void *what)
{
    const struct share_name *share = what;
    const struct csn_fact *fact = csn_facts_find(&node->facts, member, share->hash);
    (void)zone;
    return node->cluster.members[member].number == share->author ||
           (fact != NULL && fact->has_held);
}

static void fetch_share(struct csn_node *node, struct csn_node_zone *zone, unsigned author)
{
    struct csn_work *work = &zone->work;
    struct csn_effect *effect = csn_node_fetch(node, zone, &work->shares[author], CSN_OBJECT_SHARE);
    if (effect != NULL) {
        struct share_name share = {.author = work->proposal.authors[author], .hash = &work->hash};
        effect->fetch.digest = work->hash;
        effect->fetch.author = share.author;
        csn_node_prefer(node, zone, effect, has_share, &share);
    }
}

static void stage(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_work *work = &zone->work;
    const struct csn_digest *expected = expected_root(node, zone);
    unsigned count = work->proposal.author_count;
    struct csn_share_offer *offers = csn_arena_alloc(&node->effects->arena, count * sizeof(*offers),
                                                     _Alignof(struct csn_share_offer));
    for (unsigned i = 0; i < count; i++) {
        uint16_t site = work->proposal.authors[i];
        const struct csn_fact *offer = offer_of(node, zone, site);
        memset(&offers[i], 0, sizeof(offers[i]));
        offers[i].site = site;
        if (offer != NULL) {
            offers[i].has_root = true;
            offers[i].b = offer->b;
            offers[i].count = offer->count;
        }
    }
    struct csn_effect *effect = work_effect(node, zone, CSN_EFFECT_STAGE, &work->stage_corr);
    effect->work.offers = offers;
    if (expected != NULL) {
        effect->work.full_root = *expected;
    }
    csn_work_move(node, zone, CSN_WORK_STAGING);
}

/* A share that cannot be had: a round that is certified comes whole from a peer instead. */
static void give_up_share(struct csn_node *node, struct csn_node_zone *zone, uint16_t site)
{
    if (csn_zone_certificate_of(zone, &zone->work.hash) != NULL) {
        csn_work_drop(node, zone);
    } else {
        refuse_work(node, zone, CSN_TEST_SHARE, csn_value_u64(site), csn_value_u64(0));
    }
}

/* The author is gone: who holds the round has its bytes too, and it is the only one who may. */
static bool is_left_to_holders(const struct csn_node *node, const struct csn_node_zone *zone, uint16_t author)
{
    bool is_held = false;
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        const struct csn_fact *fact = csn_facts_find(&node->facts, i, &zone->work.hash);
        is_held = is_held || (fact != NULL && fact->has_held);
    }
    unsigned member = (unsigned)csn_member_index(&node->cluster, author);
    return is_held && !csn_peers_is_fresh(&node->peers, member, node->now, CSN_SILENT_MS);
}

static void gather(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_work *work = &zone->work;
    bool is_expected = expected_root(node, zone) != NULL;
    unsigned here = 0;
    for (unsigned i = 0; i < work->proposal.author_count; i++) {
        struct csn_fetch *share = &work->shares[i];
        uint16_t site = work->proposal.authors[i];
        if ((int)i == work->author) {
            here += work->has_share;
        } else if (share->is_here) {
            here++;
        } else if (share->failed >= CSN_FETCH_TRIES) {
            give_up_share(node, zone, site);
            return;
        } else if (is_expected || offer_of(node, zone, site) != NULL || is_left_to_holders(node, zone, site)) {
            fetch_share(node, zone, i);
        }
    }
    if (here == work->proposal.author_count) {
        stage(node, zone);
    }
}

void csn_work_advance(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_work *work = &zone->work;
    if (work->state == CSN_WORK_COMPARING) {
        compare(node, zone);
    }
    if (work->state == CSN_WORK_GATHERING) {
        gather(node, zone);
    }
    if (work->state == CSN_WORK_HELD &&
        csn_round_compare(work->proposal.round, csn_zone_newest(zone).round) <= 0) {
        csn_work_move(node, zone, CSN_WORK_IDLE);
    }
}

static void computed(struct csn_node *node, struct csn_node_zone *zone,
                     const struct csn_event *event)
{
    zone->work.compute_corr = 0;
    if (event->code != CSN_OK) {
        refuse_work(node, zone, CSN_TEST_COMPUTE, csn_value_u64(0),
                    csn_value_u64((uint64_t)(int64_t)event->code));
        return;
    }
    zone->work.roots = event->computed;
    zone->work.repeat_ms = node->now.mono_ms;
    csn_work_move(node, zone, CSN_WORK_COMPARING);
    send_computed(node, zone); /* before any HSM work */
}

static void is_signed(struct csn_node *node, struct csn_node_zone *zone,
                      const struct csn_event *event)
{
    zone->work.sign_corr = 0;
    if (event->code != CSN_OK) {
        refuse_work(node, zone, CSN_TEST_SIGN, csn_value_u64(node->site),
                    csn_value_u64((uint64_t)(int64_t)event->code));
        return;
    }
    zone->work.has_share = true;
    zone->work.share_b = event->share.b;
    zone->work.share_count = event->share.count;
    send_offer(node, zone);
}

static void staged(struct csn_node *node, struct csn_node_zone *zone, const struct csn_event *event)
{
    zone->work.stage_corr = 0;
    bool is_certified = csn_zone_certificate_of(zone, &zone->work.hash) != NULL;
    if (event->code == CSN_OK) {
        csn_zone_add_version(zone, &event->staged.full_root);
    }
    if (is_certified) {
        csn_work_drop(node, zone); /* too late to vote; R5 releases what was staged, or fetches */
    } else if (event->code != CSN_OK) {
        refuse_work(node, zone, CSN_TEST_STAGE, csn_value_u64(event->staged.bad_site),
                    csn_value_u64((uint64_t)(int64_t)event->code));
    } else {
        csn_node_vote(node, zone, event);
    }
}

static bool share_fetched(struct csn_node *node, struct csn_node_zone *zone,
                          const struct csn_event *event)
{
    for (unsigned i = 0; i < zone->work.proposal.author_count; i++) {
        if (zone->work.shares[i].corr == event->corr) {
            csn_node_fetched(node, &zone->work.shares[i], event->code);
            return true;
        }
    }
    return false;
}

bool csn_work_completed(struct csn_node *node, struct csn_node_zone *zone,
                        const struct csn_event *event)
{
    struct csn_work *work = &zone->work;
    if (event->kind == CSN_EVENT_COMPUTED && work->compute_corr == event->corr) {
        computed(node, zone, event);
    } else if (event->kind == CSN_EVENT_SIGNED && work->sign_corr == event->corr) {
        is_signed(node, zone, event);
    } else if (event->kind == CSN_EVENT_STAGED && work->stage_corr == event->corr) {
        staged(node, zone, event);
    } else {
        return event->kind == CSN_EVENT_FETCHED && share_fetched(node, zone, event);
    }
    return true;
}

/* BUS is a hint: what was said in a round at work is said again until it is over. */
void csn_work_repeat(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_work *work = &zone->work;
    bool is_said = work->state >= CSN_WORK_COMPARING && work->state <= CSN_WORK_VOTING;
    if (!is_said || node->now.mono_ms - work->repeat_ms < CSN_REPEAT_MS) {
        return;
    }
    work->repeat_ms = node->now.mono_ms;
    send_computed(node, zone);
    if (work->has_share) {
        send_offer(node, zone);
    }
}

void csn_work_certified(struct csn_node *node, struct csn_node_zone *zone,
                        const struct csn_known_certificate *known)
{
    struct csn_work *work = &zone->work;
    const struct csn_body_held *held = &known->certificate.held;
    bool is_same = csn_digest_equal(&work->hash, &known->hash);
    if (work->state == CSN_WORK_IDLE || work->state == CSN_WORK_VOTING) {
        return;
    }
    if (is_same && work->state >= CSN_WORK_COMPARING &&
        !csn_roots_equal(&work->roots, &held->roots)) {
        diverge(node, zone, &held->roots);
    } else if (is_same ? work->state == CSN_WORK_HELD
                       : csn_round_compare(work->proposal.round, held->proposal.round) < 0) {
        csn_work_drop(node, zone);
    }
}
