#include "sim/liars.h"

#include <string.h>

static const enum sim_fault lies[] = {SIM_LIE_EARLY, SIM_LIE_VOTE, SIM_LIE_CLAIM, SIM_LIE_OFFER, SIM_LIE_OLD};
#define LIES (sizeof(lies) / sizeof(lies[0]))

void sim_plan_four(uint64_t seed, struct sim_options *options)
{
    struct sim_random random = {sim_mix64(seed ^ UINT64_C(0x666f7572))};
    bool is_four = options->change_us == 0 && options->emergency_us == 0 && sim_chance(&random, 150000);
    if (is_four) {
        options->sites = 4;
        options->quorum = 3;
        options->faults = 1;
        options->verifier = sim_chance(&random, 600000) ? (uint16_t)sim_between(&random, 1, 4) : 0;
        options->liar = sim_chance(&random, 600000) ? (uint16_t)sim_between(&random, 1, 4) : 0;
    }
    unsigned one = (unsigned)sim_below(&random, LIES);
    for (unsigned i = 0; i < LIES; i++) {
        bool is_more = sim_chance(&random, 300000);
        options->chance[lies[i]] = options->liar != 0 && (i == one || is_more) ? 1000000 : 0;
    }
}

bool sim_is_liar(const struct sim_world *world, const struct sim_actor *actor)
{
    return actor->is_node && actor->number == world->options.liar;
}

uint32_t sim_false_voters(const struct sim_world *world)
{
    const struct sim_options *options = &world->options;
    bool is_false = options->chance[SIM_LIE_EARLY] > 0 || options->chance[SIM_LIE_VOTE] > 0;
    return options->liar != 0 && is_false ? UINT32_C(1) << (options->liar - 1) : 0;
}

/* Also when the faults have stopped. */
static bool is_told(struct sim_world *world, enum sim_fault lie)
{
    if (world->options.chance[lie] == 0) {
        return false;
    }
    sim_count(world, lie);
    return true;
}

static void say_to_all(struct sim_world *world, struct sim_actor *from, enum csn_statement_kind kind, struct csn_bytes body)
{
    uint32_t all = (UINT32_C(1) << world->actor_count) - 1;
    sim_say(world, from, all & ~(UINT32_C(1) << from->index), kind, body);
}

/* --- votes for bytes that nobody has */

static void say_vote(struct sim_world *world, struct sim_actor *from, const struct csn_body_held *held)
{
    struct csn_body_held lie = *held;
    struct csn_buf octets = {0};
    lie.b.octets[0] ^= 1;
    lie.full_root.octets[0] ^= 1;
    csn_body_held_encode(&lie, &octets);
    say_to_all(world, from, CSN_STATEMENT_HELD, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

/* Before there are bytes, with the roots that all compute. */
static void vote_early(struct sim_world *world, struct sim_actor *from, const struct csn_body_computed *computed)
{
    for (unsigned zone = 0; zone < world->options.zones; zone++) {
        struct csn_node_zone_status status;
        struct csn_digest hash = {{0}};
        csn_node_get_zone(from->node, zone, sim_now(world, from), &status);
        if (status.proposal != NULL) {
            csn_proposal_hash(status.proposal, &hash);
        }
        if (csn_digest_equal(&hash, &computed->hash)) {
            struct csn_body_held held = {
                .proposal = *status.proposal, .roots = computed->roots, .records = 1, .signatures = 1};
            held.earliest_expiry_s = held.proposal.time_s + world->options.zone[zone].refresh_s / 2;
            say_vote(world, from, &held);
        }
    }
}

static bool lie_vote(struct sim_world *world, struct sim_actor *from, struct csn_bytes body)
{
    struct csn_body_held held;
    bool has_voted = world->options.chance[SIM_LIE_EARLY] > 0; /* so already, and stays with it */
    if (csn_body_held_decode(body, &held) != CSN_OK || (!has_voted && !is_told(world, SIM_LIE_VOTE))) {
        return false;
    }
    say_vote(world, from, &held);
    return true;
}

/* --- claims of ever newer certificates and holds, or of none */

static void raise(struct csn_round *round, const struct csn_body_report *report)
{
    round->term = csn_term_compare(report->promised, round->term) > 0 ? report->promised : round->term;
    round->seq += (uint32_t)report->seq + 1;
}

static void put_claims(const struct csn_body_report *report, struct csn_row *row)
{
    raise(&row->newest.round, report);
    row->newest.full_root.octets[0] ^= 1;
    if (report->seq % 2 == 0 && row->hold_count < CSN_ROW_HOLDS_MAX) {
        struct csn_row_hold *hold = &row->holds[row->hold_count++];
        *hold = (struct csn_row_hold){.version = row->newest, .hash = row->newest.full_root};
        raise(&hold->version.round, report);
    }
}

static void put_nothing(const struct csn_body_report *report, struct csn_row *row)
{
    (void)report;
    row->newest = row->released = (struct csn_release){0};
    row->hold_count = 0;
}

static bool lie_report(struct sim_world *world, struct sim_actor *from, enum csn_statement_kind kind, struct csn_bytes body)
{
    struct csn_body_report report;
    struct csn_buf rows = {0}, octets = {0};
    struct csn_row row;
    bool is_read = csn_body_report_decode(body, &report) == CSN_OK && report.promised.counter > 0;
    bool is_claim = is_read && is_told(world, SIM_LIE_CLAIM);
    if (!is_claim && (!is_read || !is_told(world, SIM_LIE_OLD))) {
        return false;
    }
    struct csn_reader reader = csn_reader(report.rows);
    while (csn_row_next(&reader, &row)) {
        (is_claim ? put_claims : put_nothing)(&report, &row);
        csn_row_encode(&row, &rows);
    }
    report.rows = csn_buf_view(&rows);
    csn_body_report_encode(&report, &octets);
    say_to_all(world, from, kind, csn_buf_view(&octets));
    csn_buf_fini(&rows);
    csn_buf_fini(&octets);
    return true;
}

/* --- other signatures for each site */

static void spoil_for(struct csn_digest *b, const struct sim_actor *to)
{
    b->octets[1] ^= (uint8_t)(to->index + 1);
}

static bool lie_offer(struct sim_world *world, struct sim_actor *from, struct csn_bytes body)
{
    struct csn_body_offer offer;
    if (csn_body_offer_decode(body, &offer) != CSN_OK || !is_told(world, SIM_LIE_OFFER)) {
        return false;
    }
    for (unsigned i = 0; i < world->actor_count; i++) {
        struct csn_body_offer lie = offer;
        struct csn_buf octets = {0};
        spoil_for(&lie.b, &world->actors[i]);
        csn_body_offer_encode(&lie, &octets);
        if (i != from->index) {
            sim_say(world, from, UINT32_C(1) << i, CSN_STATEMENT_OFFER, csn_buf_view(&octets));
        }
        csn_buf_fini(&octets);
    }
    return true;
}

void sim_lie_share(struct sim_world *world, const struct sim_actor *from, const struct sim_actor *to, struct csn_buf *octets)
{
    struct sim_share share;
    if (!sim_is_liar(world, from) || world->options.chance[SIM_LIE_OFFER] == 0 || octets->size != sizeof(share)) {
        return;
    }
    memcpy(&share, octets->data, sizeof(share));
    if (share.author == from->number) {
        spoil_for(&share.b, to);
        memcpy(octets->data, &share, sizeof(share));
    }
}

bool sim_lie(struct sim_world *world, struct sim_actor *from, enum csn_statement_kind kind, struct csn_bytes body)
{
    struct csn_body_computed computed;
    if (!sim_is_liar(world, from)) {
        return false;
    }
    if (kind == CSN_STATEMENT_COMPUTED && csn_body_computed_decode(body, &computed) == CSN_OK &&
        is_told(world, SIM_LIE_EARLY)) {
        vote_early(world, from, &computed);
    }
    return (kind == CSN_STATEMENT_HELD && lie_vote(world, from, body)) ||
           ((kind == CSN_STATEMENT_REPORT || kind == CSN_STATEMENT_PROMISE) && lie_report(world, from, kind, body)) ||
           (kind == CSN_STATEMENT_OFFER && lie_offer(world, from, body));
}
