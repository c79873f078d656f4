/* Goal: one node keeps its promises step by step: nothing leaves before it is durable, wrong
 * leaders and old sendings are not followed, what was held is said again. Method: a node alone, fed
 * by hand; the effects of each step are looked at. */
#include "round/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "round/tests.h"
#include "round_world.h"

/* A node of site 1 among three, with q = 2, driven by hand. */
struct hand {
    struct world world; /* cluster and zone only */
    struct csn_node *node;
    struct csn_effects effects; /* of the last step */
    uint64_t now_ms;
};

static struct csn_event event_of(const struct hand *hand, enum csn_event_kind kind)
{
    return (struct csn_event){
        .kind = kind,
        .now = {.wall_s = WORLD_START_S + hand->now_ms / 1000, .mono_ms = hand->now_ms}};
}

static void step(struct hand *hand, const struct csn_event *event)
{
    csn_effects_clear(&hand->effects);
    csn_node_step(hand->node, event, &hand->effects);
}

static unsigned count(const struct hand *hand, enum csn_effect_kind kind)
{
    unsigned found = 0;
    for (size_t i = 0; i < hand->effects.count; i++) {
        found += hand->effects.items[i].kind == kind;
    }
    return found;
}

/* The first effect of a kind; NULL: none. */
static const struct csn_effect *find(const struct hand *hand, enum csn_effect_kind kind)
{
    for (size_t i = 0; i < hand->effects.count; i++) {
        if (hand->effects.items[i].kind == kind) {
            return &hand->effects.items[i];
        }
    }
    return NULL;
}

static const struct csn_effect *find_sent(const struct hand *hand, enum csn_statement_kind kind)
{
    for (size_t i = 0; i < hand->effects.count; i++) {
        if (hand->effects.items[i].kind == CSN_EFFECT_SEND &&
            hand->effects.items[i].send.kind == kind) {
            return &hand->effects.items[i];
        }
    }
    return NULL;
}

static void statement(struct hand *hand, enum csn_statement_kind kind, uint16_t signer,
                      struct csn_bytes body)
{
    static const uint8_t signature[CSN_SIGNATURE_SIZE];
    struct csn_event event = event_of(hand, CSN_EVENT_STATEMENT);
    event.statement.kind = kind;
    event.statement.signer = signer;
    event.statement.incarnation = csn_statement_is_coordinators(kind) ? 0 : 1;
    event.statement.body = body;
    event.statement.signature = signature;
    step(hand, &event);
}

static void persisted(struct hand *hand, uint64_t id, int code)
{
    struct csn_event event = event_of(hand, CSN_EVENT_PERSISTED);
    event.persist_id = id;
    event.code = code;
    step(hand, &event);
}

static void lead(struct hand *hand, uint16_t coordinator, uint64_t counter, uint32_t seq,
                 enum csn_lead_state state)
{
    struct csn_body_lead body = {.term = {.counter = counter, .coordinator = coordinator},
                                 .seq = seq,
                                 .state = state,
                                 .site = 2};
    struct csn_buf octets = {0};
    csn_body_lead_encode(&body, &octets);
    statement(hand, CSN_STATEMENT_LEAD, coordinator, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

static void give_input(struct hand *hand, const struct csn_input_id *id)
{
    struct csn_event event = event_of(hand, CSN_EVENT_INPUT);
    event.input.zone = hand->world.zone.zone;
    event.input.id = *id;
    event.input.is_confirmed = true;
    step(hand, &event);
}

static struct csn_proposal proposal_of(const struct hand *hand, uint32_t seq)
{
    struct csn_proposal proposal = {
        .environment = 1, .epoch = 1, .semantics = CSN_SEMANTICS, .author_count = 1};
    memcpy(proposal.cluster, hand->world.cluster.id, sizeof(proposal.cluster));
    proposal.epoch_digest = hand->world.cluster.digest;
    memcpy(proposal.zone, hand->world.zone.zone, CSN_NAME_MAX);
    proposal.round = (struct csn_round){.term = {.counter = 5, .coordinator = 1}, .seq = seq};
    proposal.serial = 100 + seq;
    proposal.input = world_input(1, 'a');
    proposal.time_s = proposal.schedule_s = WORLD_START_S + hand->now_ms / 1000;
    proposal.policy = hand->world.zone.policy;
    proposal.keyset = hand->world.zone.keyset;
    proposal.authors[0] = 2;
    return proposal;
}

static void propose(struct hand *hand, const struct csn_proposal *proposal, uint64_t counter,
                    uint32_t seq)
{
    struct csn_body_proposal body = {
        .term = {.counter = counter, .coordinator = 1}, .seq = seq, .proposal = *proposal};
    struct csn_buf octets = {0};
    csn_body_proposal_encode(&body, &octets);
    statement(hand, CSN_STATEMENT_PROPOSAL, 1, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

/* Started, with an input, and promised to (5, 1); `faults` sites may lie. */
static struct hand *make_hand_beside_liars(uint8_t faults)
{
    struct hand *hand = csn_calloc(1, sizeof(*hand));
    struct csn_input_id id = world_input(1, 'a');
    world_init(&hand->world);
    hand->world.cluster.faults = faults;
    hand->now_ms = 100000;
    hand->node = csn_node_new(&hand->world.cluster, 1, &hand->world.zone, 1);
    struct csn_event start = event_of(hand, CSN_EVENT_START);
    step(hand, &start);
    assert_int_equal(count(hand, CSN_EFFECT_SEND), 0); /* the boot counter is not durable yet */
    persisted(hand, find(hand, CSN_EFFECT_PERSIST)->persist.id, CSN_OK);
    assert_non_null(find_sent(hand, CSN_STATEMENT_REPORT));
    give_input(hand, &id);
    hand->now_ms += 5000;
    lead(hand, 1, 5, 1, CSN_LEAD_ASKS);
    assert_null(find_sent(hand, CSN_STATEMENT_PROMISE));
    persisted(hand, find(hand, CSN_EFFECT_PERSIST)->persist.id, CSN_OK);
    assert_non_null(find_sent(hand, CSN_STATEMENT_PROMISE));
    return hand;
}

static struct hand *make_hand(void)
{
    return make_hand_beside_liars(0);
}

static void drop_hand(struct hand *hand)
{
    csn_effects_fini(&hand->effects);
    csn_node_free(hand->node);
    world_fini(&hand->world);
    free(hand);
}

static struct csn_roots some_roots(uint8_t octet)
{
    struct csn_roots roots;
    memset(&roots, octet, sizeof(roots));
    return roots;
}

static void say_computed(struct hand *hand, uint16_t site, const struct csn_digest *hash,
                         const struct csn_roots *roots)
{
    struct csn_body_computed body = {.hash = *hash, .roots = *roots};
    struct csn_buf octets = {0};
    csn_body_computed_encode(&body, &octets);
    statement(hand, CSN_STATEMENT_COMPUTED, site, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

static void say_offer(struct hand *hand, uint16_t site, const struct csn_digest *hash)
{
    struct csn_body_offer body = {.hash = *hash, .count = 3};
    struct csn_buf octets = {0};
    csn_body_offer_encode(&body, &octets);
    statement(hand, CSN_STATEMENT_OFFER, site, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

static struct csn_body_held held_of(const struct csn_proposal *proposal, uint8_t root)
{
    struct csn_body_held held = {
        .proposal = *proposal, .roots = some_roots(9), .earliest_expiry_s = WORLD_START_S * 2ULL};
    memset(&held.full_root, root, CSN_DIGEST_SIZE);
    return held;
}

static void say_held(struct hand *hand, uint16_t site, const struct csn_body_held *held)
{
    struct csn_buf octets = {0};
    csn_body_held_encode(held, &octets);
    statement(hand, CSN_STATEMENT_HELD, site, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

/* From the proposal to the step that emits the vote's persist; the id of that persist. */
static uint64_t work_to_vote(struct hand *hand, const struct csn_proposal *proposal,
                             uint32_t sending)
{
    struct csn_digest hash;
    struct csn_roots roots = some_roots(9);
    csn_proposal_hash(proposal, &hash);
    propose(hand, proposal, 5, sending);
    struct csn_event computed = event_of(hand, CSN_EVENT_COMPUTED);
    computed.corr = find(hand, CSN_EFFECT_COMPUTE)->corr;
    computed.computed = roots;
    step(hand, &computed);
    assert_non_null(find_sent(hand, CSN_STATEMENT_COMPUTED));
    assert_null(find(hand, CSN_EFFECT_FETCH)); /* q sites must agree first */
    say_computed(hand, 2, &hash, &roots);
    say_offer(hand, 2, &hash);
    const struct csn_effect *fetch = find(hand, CSN_EFFECT_FETCH);
    assert_int_equal(fetch->fetch.object, CSN_OBJECT_SHARE);
    assert_int_equal(fetch->fetch.sites[0], 2);
    struct csn_event fetched = event_of(hand, CSN_EVENT_FETCHED);
    fetched.corr = fetch->corr;
    step(hand, &fetched);
    struct csn_event staged = event_of(hand, CSN_EVENT_STAGED);
    staged.corr = find(hand, CSN_EFFECT_STAGE)->corr;
    staged.staged.earliest_expiry_s = WORLD_START_S * 2ULL;
    memset(&staged.staged.full_root, (int)proposal->round.seq, CSN_DIGEST_SIZE);
    step(hand, &staged);
    assert_null(find_sent(hand, CSN_STATEMENT_HELD));
    const struct csn_effect *persist = find(hand, CSN_EFFECT_PERSIST);
    assert_non_null(persist);
    assert_non_null(persist->persist.second.key.data);
    return persist->persist.id;
}

/* What STAGE is to yield, when site 3 holds the round for full root 7 before the author's bytes are here; 0: anything. */
static uint8_t expected_beside(uint8_t faults)
{
    struct hand *hand = make_hand_beside_liars(faults);
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_body_held held = held_of(&proposal, 7);
    struct csn_digest hash;
    csn_proposal_hash(&proposal, &hash);
    propose(hand, &proposal, 5, 1);
    struct csn_event computed = event_of(hand, CSN_EVENT_COMPUTED);
    computed.corr = find(hand, CSN_EFFECT_COMPUTE)->corr;
    computed.computed = some_roots(9);
    step(hand, &computed);
    struct csn_event fetched = event_of(hand, CSN_EVENT_FETCHED);
    say_held(hand, 3, &held);
    const struct csn_effect *fetch = find(hand, CSN_EFFECT_FETCH);
    fetched.corr = fetch != NULL ? fetch->corr : 0;
    say_offer(hand, 2, &hash);
    fetch = find(hand, CSN_EFFECT_FETCH);
    fetched.corr = fetch != NULL ? fetch->corr : fetched.corr;
    step(hand, &fetched);
    uint8_t octet = find(hand, CSN_EFFECT_STAGE)->work.full_root.octets[0];
    drop_hand(hand);
    return octet;
}

/* Were it believed, one liar's vote would have each honest site refuse its own right bytes. */
static void test_bytes_are_expected_only_where_more_sites_say_so_than_may_lie(void **state)
{
    (void)state;
    assert_int_equal(expected_beside(1), 0);
    assert_int_equal(expected_beside(0), 7);
}

static void test_held_leaves_only_when_it_is_durable(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    uint64_t id = work_to_vote(hand, &proposal, 1);
    for (unsigned i = 0; i < 100; i++) { /* however long the disk takes */
        hand->now_ms += CSN_TICK_MS;
        struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
        step(hand, &tick);
        assert_null(find_sent(hand, CSN_STATEMENT_HELD));
    }
    persisted(hand, id, CSN_OK);
    assert_non_null(find_sent(hand, CSN_STATEMENT_HELD));
    drop_hand(hand);
}

static void test_failed_write_halts_and_nothing_leaves(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_node_status status;
    persisted(hand, work_to_vote(hand, &proposal, 1), CSN_EMISMATCH);
    assert_null(find_sent(hand, CSN_STATEMENT_HELD));
    csn_node_get_status(hand->node, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.halt, CSN_HALT_PERSIST);
    hand->now_ms += 10000;
    struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
    step(hand, &tick);
    assert_int_equal(hand->effects.count, 0);
    drop_hand(hand);
}

static void test_held_round_is_answered_without_work(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    persisted(hand, work_to_vote(hand, &proposal, 1), CSN_OK);
    hand->now_ms += 100;
    propose(hand, &proposal, 5, 2);
    assert_non_null(find_sent(hand, CSN_STATEMENT_HELD));
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    /* Another body for the round: the same answer. */
    proposal.serial++;
    propose(hand, &proposal, 5, 3);
    assert_non_null(find_sent(hand, CSN_STATEMENT_HELD));
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    drop_hand(hand);
}

static void test_proposals_of_other_terms_and_old_sendings_are_not_followed(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 4), older = proposal_of(hand, 3);
    propose(hand, &proposal, 4, 9);
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    propose(hand, &proposal, 6, 1);
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    propose(hand, &proposal, 5, 4);
    uint64_t corr = find(hand, CSN_EFFECT_COMPUTE)->corr;
    propose(hand, &older, 5, 3);
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    propose(hand, &proposal, 5, 5); /* sent again: the work goes on */
    assert_null(find(hand, CSN_EFFECT_CANCEL));
    struct csn_proposal next = proposal_of(hand, 6);
    propose(hand, &next, 5, 6); /* displaced: its completion comes too late */
    assert_int_equal(find(hand, CSN_EFFECT_CANCEL)->corr, corr);
    struct csn_event computed = event_of(hand, CSN_EVENT_COMPUTED);
    computed.corr = corr;
    step(hand, &computed);
    assert_null(find_sent(hand, CSN_STATEMENT_COMPUTED));
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_STALE_COMPLETION);
    drop_hand(hand);
}

/* Each way a proposal can be wrong, and what it is refused for (R2). */
static void test_proposal_is_refused_with_rule_and_values(void **state)
{
    (void)state;
    enum { AGE, AHEAD, FORM, STRANGER, POLICY, KEYSET, EPOCH, ROWS };
    static const uint8_t wanted[ROWS] = {CSN_TEST_AGE,  CSN_TEST_CLOCK,       CSN_TEST_FORM,
                                         CSN_TEST_FORM, CSN_TEST_POLICY_HERE, CSN_TEST_KEYSET_HERE,
                                         CSN_TEST_EPOCH};
    struct hand *hand = make_hand();
    for (uint32_t i = 0; i < ROWS; i++) {
        struct csn_proposal proposal = proposal_of(hand, 1 + i);
        struct csn_body_refused refused;
        proposal.time_s -= i == AGE ? 1801 : 0;
        proposal.time_s += i == AHEAD ? 61 : 0;
        proposal.schedule_s = i == AGE ? proposal.time_s : proposal.schedule_s + (i == FORM);
        proposal.authors[0] = i == STRANGER ? 9 : 2;
        proposal.policy.number += i == POLICY;
        proposal.keyset.number += i == KEYSET;
        proposal.epoch += i == EPOCH;
        propose(hand, &proposal, 5, 1 + i);
        const struct csn_effect *sent = find_sent(hand, CSN_STATEMENT_REFUSED);
        assert_non_null(sent);
        assert_int_equal(csn_body_refused_decode(sent->send.body, &refused), CSN_OK);
        assert_int_equal(refused.rule, CSN_RULE_R2);
        assert_int_equal(refused.test, wanted[i]);
        propose(hand, &proposal, 5, 1 + i); /* the refusal may have been lost */
        assert_non_null(find_sent(hand, CSN_STATEMENT_REFUSED));
        assert_null(find(hand, CSN_EFFECT_COMPUTE));
    }
    drop_hand(hand);
}

static void say_refused(struct hand *hand, uint16_t site, const struct csn_proposal *proposal, uint64_t want)
{
    struct csn_body_refused refused = {
        .rule = CSN_RULE_R2, .test = CSN_TEST_POLICY_HERE, .want = csn_value_u64(want), .is = csn_value_u64(2)};
    struct csn_buf body = {0};
    csn_proposal_hash(proposal, &refused.hash);
    csn_body_refused_encode(&refused, &body);
    statement(hand, CSN_STATEMENT_REFUSED, site, csn_buf_view(&body));
    csn_buf_fini(&body);
}

/* For operators: the statement as it came, and once, however often it is said again. */
static void test_a_refusal_that_is_heard_is_told_once(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1), next = proposal_of(hand, 2);
    struct csn_body_refused told;
    propose(hand, &proposal, 5, 1);
    say_refused(hand, 2, &proposal, 1);
    const struct csn_effect *effect = find(hand, CSN_EFFECT_REFUSED);
    assert_non_null(effect);
    assert_int_equal(effect->refused.site, 2);
    assert_int_equal(effect->refused.incarnation, 1);
    assert_int_equal(effect->refused.round.seq, 1);
    assert_true(csn_name_equal(effect->zone, hand->world.zone.zone));
    assert_int_equal(csn_body_refused_decode(effect->refused.body, &told), CSN_OK);
    assert_int_equal(told.test, CSN_TEST_POLICY_HERE);
    say_refused(hand, 2, &proposal, 1);
    assert_null(find(hand, CSN_EFFECT_REFUSED));
    say_refused(hand, 2, &proposal, 3); /* other values are news */
    assert_non_null(find(hand, CSN_EFFECT_REFUSED));
    say_refused(hand, 3, &next, 7); /* of a proposal that has not come here yet */
    assert_null(find(hand, CSN_EFFECT_REFUSED));
    propose(hand, &next, 5, 2);
    effect = find(hand, CSN_EFFECT_REFUSED);
    assert_non_null(effect);
    assert_int_equal(effect->refused.site, 3);
    assert_int_equal(effect->refused.round.seq, 2);
    assert_int_equal(csn_body_refused_decode(effect->refused.body, &told), CSN_OK);
    assert_int_equal(csn_get_u64(told.want.octets), 7);
    say_refused(hand, 3, &next, 7);
    assert_null(find(hand, CSN_EFFECT_REFUSED));
    say_refused(hand, 2, &next, 3);
    assert_non_null(find(hand, CSN_EFFECT_REFUSED));
    drop_hand(hand);
}

/* A site's report: what it has released, and the input that it confirmed from its own source. */
static void hear(struct hand *hand, uint16_t site, uint64_t seq, struct csn_round released,
                 const struct csn_input_id *input)
{
    struct csn_row row = {.due_s = UINT64_MAX, .released = {.round = released}};
    struct csn_body_report report = {
        .boot = 1, .seq = seq, .state = CSN_NODE_OK, .epoch = 1, .table_count = 1, .row_count = 1};
    struct csn_buf rows = {0}, body = {0};
    memcpy(row.zone, hand->world.zone.zone, sizeof(row.zone));
    if (input != NULL) {
        row.inputs[row.input_count++] = *input;
    }
    csn_row_encode(&row, &rows);
    report.rows = csn_buf_view(&rows);
    csn_body_report_encode(&report, &body);
    statement(hand, CSN_STATEMENT_REPORT, site, csn_buf_view(&body));
    csn_buf_fini(&rows);
    csn_buf_fini(&body);
}

static void confirm(struct hand *hand, uint16_t site, const struct csn_input_id *input)
{
    hear(hand, site, 1, (struct csn_round){0}, input);
}

static void test_missing_input_is_fetched_then_refused(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    proposal.input = world_input(2, 'a');
    confirm(hand, 2, &proposal.input);
    confirm(hand, 3, &proposal.input);
    propose(hand, &proposal, 5, 1);
    for (unsigned i = 0; i < CSN_FETCH_TRIES; i++) {
        const struct csn_effect *fetch = find(hand, CSN_EFFECT_FETCH);
        assert_non_null(fetch);
        assert_int_equal(fetch->fetch.object, CSN_OBJECT_INPUT);
        struct csn_event fetched = event_of(hand, CSN_EVENT_FETCHED);
        fetched.corr = fetch->corr;
        fetched.code = CSN_ENOTFOUND;
        step(hand, &fetched);
        if (i + 1 < CSN_FETCH_TRIES) {
            assert_null(find_sent(hand, CSN_STATEMENT_REFUSED));
            hand->now_ms += CSN_REPEAT_MS;
            struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
            step(hand, &tick);
        }
    }
    assert_non_null(find_sent(hand, CSN_STATEMENT_REFUSED));
    drop_hand(hand);
}

/* What one site alone says it has read is not taken: no gate of this site has seen it. */
static void test_input_of_one_site_alone_is_not_taken(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    proposal.input = world_input(2, 'a');
    confirm(hand, 2, &proposal.input);
    propose(hand, &proposal, 5, 1);
    assert_null(find(hand, CSN_EFFECT_FETCH));
    assert_null(find_sent(hand, CSN_STATEMENT_REFUSED));
    hand->now_ms += CSN_REPORT_IDLE_MS;
    struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
    step(hand, &tick);
    assert_null(find(hand, CSN_EFFECT_FETCH));
    assert_non_null(find_sent(hand, CSN_STATEMENT_REFUSED));
    drop_hand(hand);
}

/* A vote stands for it where no site lies (f = 0): its voter can follow no other. */
static void test_input_that_a_site_voted_for_is_fetched(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal voted = proposal_of(hand, 1), proposal = proposal_of(hand, 2);
    voted.input = proposal.input = world_input(2, 'a');
    struct csn_body_held held = held_of(&voted, 0x77);
    struct csn_buf body = {0};
    csn_body_held_encode(&held, &body);
    statement(hand, CSN_STATEMENT_HELD, 2, csn_buf_view(&body));
    csn_buf_fini(&body);
    propose(hand, &proposal, 5, 2);
    assert_non_null(find(hand, CSN_EFFECT_FETCH));
    drop_hand(hand);
}

/* The step of terms is bounded, or one statement would use them all up. */
static void test_term_far_above_is_not_promised(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_lead lead = {.seq = 1, .state = CSN_LEAD_ASKS};
    struct csn_node_status status;
    hand->now_ms += 60000;
    for (unsigned i = 0; i < 2; i++) {
        struct csn_buf body = {0};
        csn_node_get_status(hand->node, event_of(hand, CSN_EVENT_TICK).now, &status);
        lead.term = (struct csn_term){.counter = status.promised.counter + CSN_TERM_STEP_MAX + 1 - i,
                                      .coordinator = 1};
        csn_body_lead_encode(&lead, &body);
        statement(hand, CSN_STATEMENT_LEAD, 1, csn_buf_view(&body));
        csn_buf_fini(&body);
        assert_int_equal(find(hand, CSN_EFFECT_PERSIST) != NULL, i == 1);
    }
    drop_hand(hand);
}

static void test_report_of_an_earlier_life_is_dropped_and_counted(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    const uint32_t boots[] = {5, 4, 5};
    const int counted[] = {-1, CSN_COUNT_OLD_BOOT, CSN_COUNT_OLD};
    for (size_t i = 0; i < 3; i++) {
        struct csn_body_report report = {.boot = boots[i], .seq = 1, .clock_s = 7, .state = CSN_NODE_OK};
        struct csn_peer_status peer;
        struct csn_buf body = {0};
        csn_body_report_encode(&report, &body);
        statement(hand, CSN_STATEMENT_REPORT, 2, csn_buf_view(&body));
        csn_buf_fini(&body);
        const struct csn_effect *count = find(hand, CSN_EFFECT_COUNT);
        assert_int_equal(count != NULL ? count->count : -1, counted[i]);
        assert_true(csn_node_get_peer(hand->node, 2, &peer));
        assert_int_equal(peer.boot, 5);
    }
    drop_hand(hand);
}

static void certificate_of(struct hand *hand, const struct csn_body_held *held, uint16_t first,
                           uint16_t second)
{
    struct csn_certificate made = {.held = *held, .vote_count = 2};
    struct csn_buf octets = {0};
    made.votes[0] = (struct csn_certificate_vote){.site = first, .incarnation = 1};
    made.votes[1] = (struct csn_certificate_vote){.site = second, .incarnation = 1};
    csn_certificate_encode(&made, &octets);
    struct csn_event event = event_of(hand, CSN_EVENT_CERTIFICATE);
    event.certificate.certificate = &made;
    event.certificate.octets = csn_buf_view(&octets);
    step(hand, &event);
    csn_buf_fini(&octets);
}

static void certificate(struct hand *hand, const struct csn_body_held *held)
{
    certificate_of(hand, held, 2, 3);
}

/* L4 from the node's side: whoever names an old parent is told the newest certificate. */
static void test_old_parent_is_refused_and_answered_with_the_certificate(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal certified = proposal_of(hand, 1), next = proposal_of(hand, 2);
    struct csn_body_held held = held_of(&certified, 0x77);
    struct csn_body_refused refused;
    certificate(hand, &held);
    propose(hand, &next, 5, 2);
    const struct csn_effect *sent = find_sent(hand, CSN_STATEMENT_REFUSED);
    assert_non_null(sent);
    assert_int_equal(csn_body_refused_decode(sent->send.body, &refused), CSN_OK);
    assert_int_equal(refused.test, CSN_TEST_PARENT);
    assert_memory_equal(&refused.newest.full_root, &held.full_root, CSN_DIGEST_SIZE);
    assert_non_null(find(hand, CSN_EFFECT_CERTIFICATE));
    drop_hand(hand);
}

/* R5: fetched by full root, checked, written, and only then served. */
static void test_certificate_is_adopted_step_by_step(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal certified = proposal_of(hand, 1);
    struct csn_body_held held = held_of(&certified, 0x77);
    certificate(hand, &held);
    const struct csn_effect *fetch = find(hand, CSN_EFFECT_FETCH);
    uint64_t note = find(hand, CSN_EFFECT_PERSIST)->persist.id;
    assert_int_equal(fetch->fetch.object, CSN_OBJECT_VERSION);
    struct csn_event fetched = event_of(hand, CSN_EVENT_FETCHED);
    fetched.corr = fetch->corr;
    step(hand, &fetched);
    struct csn_event released = event_of(hand, CSN_EVENT_RELEASED);
    released.corr = find(hand, CSN_EFFECT_RELEASE)->corr;
    persisted(hand, note, CSN_OK);
    step(hand, &released);
    assert_null(find(hand, CSN_EFFECT_SERVE));
    persisted(hand, find(hand, CSN_EFFECT_PERSIST)->persist.id, CSN_OK);
    assert_non_null(find(hand, CSN_EFFECT_SERVE));
    drop_hand(hand);
}

/* Serves what `held` certifies; its effects are the last step's. */
static void release(struct hand *hand, const struct csn_body_held *held)
{
    certificate(hand, held);
    uint64_t note = find(hand, CSN_EFFECT_PERSIST)->persist.id;
    struct csn_event fetched = event_of(hand, CSN_EVENT_FETCHED);
    fetched.corr = find(hand, CSN_EFFECT_FETCH)->corr;
    step(hand, &fetched);
    struct csn_event released = event_of(hand, CSN_EVENT_RELEASED);
    released.corr = find(hand, CSN_EFFECT_RELEASE)->corr;
    persisted(hand, note, CSN_OK);
    step(hand, &released);
    persisted(hand, find(hand, CSN_EFFECT_PERSIST)->persist.id, CSN_OK);
    assert_non_null(find(hand, CSN_EFFECT_SERVE));
}

static bool is_behind(const struct hand *hand)
{
    struct csn_node_zone_status status;
    csn_node_get_zone(hand->node, 0, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.is_behind, status.row.is_behind);
    return status.is_behind;
}

static void pass(struct hand *hand, uint64_t span_ms)
{
    hand->now_ms += span_ms;
    struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
    step(hand, &tick);
}

static void test_site_that_lacks_the_newest_release_is_behind_after_a_while(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal first = proposal_of(hand, 1), second = proposal_of(hand, 2);
    struct csn_body_held held = held_of(&first, 0x77);
    release(hand, &held);
    pass(hand, 400000);
    assert_false(is_behind(hand));
    held = held_of(&second, 0x78);
    certificate(hand, &held);
    pass(hand, 299000);
    assert_false(is_behind(hand));
    pass(hand, 2000);
    assert_true(is_behind(hand));
    drop_hand(hand);
}

/* Near its end an answer is given up only where another site has a later one. */
static void test_site_inside_the_fence_is_behind_where_another_has_later(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1), later = proposal_of(hand, 2);
    struct csn_body_held held = held_of(&proposal, 0x77);
    uint64_t fence_s = hand->world.zone.refresh_s / 4;
    held.earliest_expiry_s = event_of(hand, CSN_EVENT_TICK).now.wall_s + fence_s + 100;
    release(hand, &held);
    hear(hand, 2, 1, later.round, NULL);
    assert_false(is_behind(hand));
    pass(hand, 101000);
    assert_false(is_behind(hand)); /* the other one is silent */
    hear(hand, 2, 2, proposal.round, NULL);
    assert_false(is_behind(hand)); /* it has the same */
    hear(hand, 2, 3, later.round, NULL);
    assert_true(is_behind(hand));
    drop_hand(hand);
}

/* Two equal votes of others are a certificate (L6); votes for other bytes are not. */
static void test_node_assembles_a_certificate_from_equal_votes_only(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_body_held held = held_of(&proposal, 0x77), other = held_of(&proposal, 0x78);
    say_held(hand, 2, &held);
    say_held(hand, 3, &other);
    assert_null(find(hand, CSN_EFFECT_CERTIFICATE));
    say_held(hand, 2, &held);
    assert_null(find(hand, CSN_EFFECT_CERTIFICATE)); /* twice the same site */
    say_held(hand, 3, &held);
    assert_non_null(find(hand, CSN_EFFECT_CERTIFICATE));
    drop_hand(hand);
}

/* A certificate above an own lone vote does not take its serial back (a model found that it must
 * not). */
static void test_certificate_does_not_lower_the_floor_below_an_own_vote(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_node_zone_status status;
    struct csn_proposal lone = proposal_of(hand, 1), later = proposal_of(hand, 2);
    lone.serial = 500;
    persisted(hand, work_to_vote(hand, &lone, 1), CSN_OK);
    struct csn_body_held held = held_of(&later, 0x77);
    certificate(hand, &held);
    csn_node_get_zone(hand->node, 0, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.row.floor.round.seq, 2);
    assert_int_equal(status.row.floor.serial, 500);
    drop_hand(hand);
}

/* R3: COMPUTED of q sites before any HSM work. */
static void test_hsm_is_not_used_before_a_quorum_agrees(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_digest hash;
    struct csn_roots roots = some_roots(9), other = some_roots(8);
    proposal.authors[0] = 1;
    csn_proposal_hash(&proposal, &hash);
    propose(hand, &proposal, 5, 1);
    struct csn_event computed = event_of(hand, CSN_EVENT_COMPUTED);
    computed.corr = find(hand, CSN_EFFECT_COMPUTE)->corr;
    computed.computed = roots;
    step(hand, &computed);
    assert_null(find(hand, CSN_EFFECT_SIGN));
    say_computed(hand, 2, &hash, &other);
    assert_null(find(hand, CSN_EFFECT_SIGN));
    say_computed(hand, 3, &hash, &roots);
    const struct csn_effect *sign = find(hand, CSN_EFFECT_SIGN);
    assert_non_null(sign);
    struct csn_event is_signed = event_of(hand, CSN_EVENT_SIGNED);
    is_signed.corr = sign->corr;
    step(hand, &is_signed);
    assert_non_null(find_sent(hand, CSN_STATEMENT_OFFER));
    assert_non_null(find(hand, CSN_EFFECT_STAGE));
    drop_hand(hand);
}

/* Eight lone votes must not wedge a zone, nor may they grow fast. */
static void test_with_many_holds_one_fresh_proposal_a_minute_is_accepted(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_body_refused refused;
    uint32_t seq = 1;
    for (; seq <= CSN_HOLDS_MANY + 1; seq++) {
        struct csn_proposal proposal = proposal_of(hand, seq);
        persisted(hand, work_to_vote(hand, &proposal, seq), CSN_OK);
    }
    struct csn_proposal proposal = proposal_of(hand, seq);
    propose(hand, &proposal, 5, seq);
    const struct csn_effect *sent = find_sent(hand, CSN_STATEMENT_REFUSED);
    assert_non_null(sent);
    assert_int_equal(csn_body_refused_decode(sent->send.body, &refused), CSN_OK);
    assert_int_equal(refused.test, CSN_TEST_HOLDS);
    hand->now_ms += 60000;
    proposal = proposal_of(hand, seq + 1);
    persisted(hand, work_to_vote(hand, &proposal, seq + 1), CSN_OK);
    drop_hand(hand);
}

static void test_own_vote_that_the_store_does_not_know_halts(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_body_held held = held_of(&proposal, 0x77);
    struct csn_node_status status;
    say_held(hand, 1, &held);
    csn_node_get_status(hand->node, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.halt, CSN_HALT_AMNESIA);
    propose(hand, &proposal, 5, 2);
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    drop_hand(hand);
}

/* A certificate with this site's vote in it says the same (its own HELD may never be heard again).
 */
static void test_certificate_with_an_own_vote_that_the_store_does_not_know_halts(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    struct csn_body_held held = held_of(&proposal, 0x77);
    struct csn_node_status status;
    certificate_of(hand, &held, 1, 2);
    csn_node_get_status(hand->node, event_of(hand, CSN_EVENT_TICK).now, &status);
    assert_int_equal(status.halt, CSN_HALT_AMNESIA);
    assert_non_null(find(hand, CSN_EFFECT_FETCH)); /* it adopts all the same */
    drop_hand(hand);
}

static void test_round_from_the_future_is_dropped(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    struct csn_proposal proposal = proposal_of(hand, 1);
    proposal.round.term.counter = 6;
    propose(hand, &proposal, 5, 1);
    assert_null(find(hand, CSN_EFFECT_COMPUTE));
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_MALFORMED);
    drop_hand(hand);
}

/* R6: while the promised leader is heard, nobody else is promised; then the lower number first. */
static void test_promise_waits_for_silence(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    for (uint32_t i = 0; i < 10; i++) {
        hand->now_ms += 500;
        lead(hand, 1, 5, 10 + i, CSN_LEAD_LEADS);
        lead(hand, 2, 9, 10 + i, CSN_LEAD_ASKS);
        assert_null(find(hand, CSN_EFFECT_PERSIST));
    }
    hand->now_ms += CSN_ELECTION_MS + 2 * CSN_ELECTION_STEP_MS - 1;
    lead(hand, 2, 9, 30, CSN_LEAD_ASKS);
    assert_null(find(hand, CSN_EFFECT_PERSIST));
    hand->now_ms += 1;
    lead(hand, 2, 9, 31,
         CSN_LEAD_LEADS); /* a heartbeat is a request too: it may have been missed */
    assert_non_null(find(hand, CSN_EFFECT_PERSIST));
    lead(hand, 1, 5, 99, CSN_LEAD_LEADS); /* the old one is not heard any more */
    hand->now_ms += 100;
    lead(hand, 2, 9, 33, CSN_LEAD_RESIGNED);
    lead(hand, 1, 10, 1, CSN_LEAD_ASKS); /* resigned: at once */
    assert_non_null(find(hand, CSN_EFFECT_PERSIST));
    drop_hand(hand);
}

static void test_strangers_and_malformed_are_counted(void **state)
{
    (void)state;
    struct hand *hand = make_hand();
    statement(hand, CSN_STATEMENT_COMPUTED, 9, csn_bytes("x", 1));
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_STRANGER);
    statement(hand, CSN_STATEMENT_LEAD, 9, csn_bytes("x", 1));
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_STRANGER);
    for (int kind = CSN_STATEMENT_PROPOSAL; kind <= CSN_STATEMENT_PROMISE; kind++) {
        statement(hand, (enum csn_statement_kind)kind, 2, csn_bytes("x", 1));
        assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_MALFORMED);
    }
    statement(hand, (enum csn_statement_kind)77, 2, csn_bytes("x", 1));
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_MALFORMED);
    struct csn_proposal proposal = proposal_of(hand, 1);
    proposal.cluster[0] ^= 1;
    propose(hand, &proposal, 5, 1);
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_OTHER_CLUSTER);
    proposal = proposal_of(hand, 1);
    proposal.zone[1] = 'x';
    propose(hand, &proposal, 5, 1);
    assert_int_equal(find(hand, CSN_EFFECT_COUNT)->count, CSN_COUNT_UNKNOWN_ZONE);
    drop_hand(hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_are_expected_only_where_more_sites_say_so_than_may_lie),
        cmocka_unit_test(test_held_leaves_only_when_it_is_durable),
        cmocka_unit_test(test_failed_write_halts_and_nothing_leaves),
        cmocka_unit_test(test_held_round_is_answered_without_work),
        cmocka_unit_test(test_proposals_of_other_terms_and_old_sendings_are_not_followed),
        cmocka_unit_test(test_proposal_is_refused_with_rule_and_values),
        cmocka_unit_test(test_a_refusal_that_is_heard_is_told_once),
        cmocka_unit_test(test_term_far_above_is_not_promised),
        cmocka_unit_test(test_report_of_an_earlier_life_is_dropped_and_counted),
        cmocka_unit_test(test_missing_input_is_fetched_then_refused),
        cmocka_unit_test(test_input_of_one_site_alone_is_not_taken),
        cmocka_unit_test(test_input_that_a_site_voted_for_is_fetched),
        cmocka_unit_test(test_old_parent_is_refused_and_answered_with_the_certificate),
        cmocka_unit_test(test_certificate_is_adopted_step_by_step),
        cmocka_unit_test(test_site_that_lacks_the_newest_release_is_behind_after_a_while),
        cmocka_unit_test(test_site_inside_the_fence_is_behind_where_another_has_later),
        cmocka_unit_test(test_node_assembles_a_certificate_from_equal_votes_only),
        cmocka_unit_test(test_certificate_does_not_lower_the_floor_below_an_own_vote),
        cmocka_unit_test(test_hsm_is_not_used_before_a_quorum_agrees),
        cmocka_unit_test(test_with_many_holds_one_fresh_proposal_a_minute_is_accepted),
        cmocka_unit_test(test_own_vote_that_the_store_does_not_know_halts),
        cmocka_unit_test(test_certificate_with_an_own_vote_that_the_store_does_not_know_halts),
        cmocka_unit_test(test_round_from_the_future_is_dropped),
        cmocka_unit_test(test_promise_waits_for_silence),
        cmocka_unit_test(test_strangers_and_malformed_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
