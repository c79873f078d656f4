#include "round_hand.h"

struct csn_event event_of(const struct hand *hand, enum csn_event_kind kind)
{
    return (struct csn_event){
        .kind = kind,
        .now = {.wall_s = WORLD_START_S + hand->now_ms / 1000, .mono_ms = hand->now_ms}};
}

void step(struct hand *hand, const struct csn_event *event)
{
    csn_effects_clear(&hand->effects);
    csn_node_step(hand->node, event, &hand->effects);
}

unsigned count(const struct hand *hand, enum csn_effect_kind kind)
{
    unsigned found = 0;
    for (size_t i = 0; i < hand->effects.count; i++) {
        found += hand->effects.items[i]->kind == kind;
    }
    return found;
}

const struct csn_effect *find(const struct hand *hand, enum csn_effect_kind kind)
{
    for (size_t i = 0; i < hand->effects.count; i++) {
        if (hand->effects.items[i]->kind == kind) {
            return hand->effects.items[i];
        }
    }
    return NULL;
}

const struct csn_effect *find_sent(const struct hand *hand, enum csn_statement_kind kind)
{
    for (size_t i = 0; i < hand->effects.count; i++) {
        if (hand->effects.items[i]->kind == CSN_EFFECT_SEND &&
            hand->effects.items[i]->send.kind == kind) {
            return hand->effects.items[i];
        }
    }
    return NULL;
}

void statement(struct hand *hand, enum csn_statement_kind kind, uint16_t signer,
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

void persisted(struct hand *hand, uint64_t id, int code)
{
    struct csn_event event = event_of(hand, CSN_EVENT_PERSISTED);
    event.persist_id = id;
    event.code = code;
    step(hand, &event);
}

void pass(struct hand *hand, uint64_t span_ms)
{
    hand->now_ms += span_ms;
    struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
    step(hand, &tick);
}

void lead(struct hand *hand, uint16_t coordinator, uint64_t counter, uint32_t seq,
          enum csn_lead_state state)
{
    struct csn_body_lead body = {.epoch = hand->world.cluster.epoch,
                                 .term = {.counter = counter, .coordinator = coordinator},
                                 .seq = seq,
                                 .state = state,
                                 .site = 2};
    struct csn_buf octets = {0};
    csn_body_lead_encode(&body, &octets);
    statement(hand, CSN_STATEMENT_LEAD, coordinator, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

void give_input(struct hand *hand, const struct csn_input_id *id)
{
    struct csn_event event = event_of(hand, CSN_EVENT_INPUT);
    event.input.zone = hand->world.zone.zone;
    event.input.id = *id;
    event.input.is_confirmed = true;
    step(hand, &event);
}

struct csn_proposal proposal_of(const struct hand *hand, uint32_t seq)
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

void propose(struct hand *hand, const struct csn_proposal *proposal, uint64_t counter, uint32_t seq)
{
    struct csn_body_proposal body = {
        .term = {.counter = counter, .coordinator = 1}, .seq = seq, .proposal = *proposal};
    struct csn_buf octets = {0};
    csn_body_proposal_encode(&body, &octets);
    statement(hand, CSN_STATEMENT_PROPOSAL, 1, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

struct hand *make_hand_beside_liars(uint8_t faults)
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

struct hand *make_hand(void)
{
    return make_hand_beside_liars(0);
}

void drop_hand(struct hand *hand)
{
    csn_effects_fini(&hand->effects);
    csn_node_free(hand->node);
    world_fini(&hand->world);
    free(hand);
}

struct csn_roots some_roots(uint8_t octet)
{
    struct csn_roots roots;
    memset(&roots, octet, sizeof(roots));
    return roots;
}

void say_computed(struct hand *hand, uint16_t site, const struct csn_digest *hash,
                  const struct csn_roots *roots)
{
    struct csn_body_computed body = {.hash = *hash, .roots = *roots};
    struct csn_buf octets = {0};
    csn_body_computed_encode(&body, &octets);
    statement(hand, CSN_STATEMENT_COMPUTED, site, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

void say_offer(struct hand *hand, uint16_t site, const struct csn_digest *hash)
{
    struct csn_body_offer body = {.hash = *hash, .count = 3};
    struct csn_buf octets = {0};
    csn_body_offer_encode(&body, &octets);
    statement(hand, CSN_STATEMENT_OFFER, site, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

struct csn_body_held held_of(const struct csn_proposal *proposal, uint8_t root)
{
    struct csn_body_held held = {
        .proposal = *proposal, .roots = some_roots(9), .earliest_expiry_s = WORLD_START_S * 2ULL};
    memset(&held.full_root, root, CSN_DIGEST_SIZE);
    return held;
}

void say_held(struct hand *hand, uint16_t site, const struct csn_body_held *held)
{
    struct csn_buf octets = {0};
    csn_body_held_encode(held, &octets);
    statement(hand, CSN_STATEMENT_HELD, site, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

uint64_t work_to_vote(struct hand *hand, const struct csn_proposal *proposal, uint32_t sending)
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

void certificate_of(struct hand *hand, const struct csn_body_held *held, uint16_t first,
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

void certificate(struct hand *hand, const struct csn_body_held *held)
{
    certificate_of(hand, held, 2, 3);
}

void hear(struct hand *hand, uint16_t site, uint64_t seq, struct csn_round released,
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
