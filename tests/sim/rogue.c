#include "sim/rogue.h"

#include <string.h>

#include "dns/serial.h"
#include "sim/seam.h"

/* Into the window of serials that officers keep for an emergency it steps only where none is drawn: a branch that is there
 * already would have to be fenced. Nor does a zone begin far off: with no floor any serial passes, and who voted alone for one
 * that is half round ahead of the others waits for an epoch or an approval. */
static void spoil_serial(struct sim_world *world, struct csn_proposal *proposal)
{
    static const uint32_t steps[] = {UINT32_MAX,        UINT32_MAX - 2,       1,      3, 100,
                                     CSN_SERIAL_FAR,    UINT32_C(0x80000000), 1 << 18};
    uint32_t step = steps[sim_below(&world->random, sizeof(steps) / sizeof(steps[0]))];
    bool is_window = step == 1 << 18 && world->options.emergency_us > 0;
    bool is_beginning = csn_round_is_none(proposal->parent.round);
    proposal->serial += is_window || is_beginning ? 1000 : step;
}

static void spoil_time(struct sim_random *random, struct csn_proposal *proposal)
{
    static const int32_t steps[] = {-1, 1, -10, 20, 50, 70, 500, -200, -5000};
    int32_t step = steps[sim_below(random, sizeof(steps) / sizeof(steps[0]))];
    proposal->time_s += (uint64_t)(int64_t)step;
    proposal->schedule_s =
        proposal->schedule_s > proposal->time_s ? proposal->time_s : proposal->schedule_s;
}

static void spoil_authors(struct sim_random *random, struct csn_proposal *proposal)
{
    if (proposal->author_count > 1 && sim_chance(random, 600000)) {
        unsigned gone = (unsigned)sim_below(random, proposal->author_count);
        proposal->author_count--;
        memmove(proposal->authors + gone, proposal->authors + gone + 1,
                (proposal->author_count - gone) * sizeof(proposal->authors[0]));
    } else if (sim_chance(random, 300000)) {
        proposal->authors[proposal->author_count - 1] = 99; /* no member */
    }
}

static void spoil_input(struct sim_world *world, struct csn_proposal *proposal)
{
    unsigned zone = sim_zone_index(world, proposal->zone);
    uint32_t serial = proposal->input.serial + (uint32_t)sim_below(&world->random, 9) - 6;
    unsigned variant = (unsigned)sim_below(&world->random, 2) *
                       (unsigned)sim_between(&world->random, 1, world->options.sites);
    proposal->input = sim_input_id(zone, proposal->input.generation, serial, variant);
}

static void spoil_document(struct sim_random *random, struct csn_version_id *version, unsigned zone,
                           bool is_policy)
{
    uint32_t number = version->number + (uint32_t)sim_below(random, 4) - 2;
    *version = is_policy ? sim_policy_id(zone, number) : sim_keyset_id(zone, number);
    version->digest.octets[0] ^= sim_chance(random, 200000); /* another document under the number */
}

/* An older round, the same one with another content, or one from the future. */
static void spoil_round(struct sim_random *random, struct csn_proposal *proposal)
{
    if (sim_chance(random, 200000)) {
        proposal->round.seq = UINT32_MAX; /* would leave no round after it */
        proposal->round.term.counter += sim_below(random, 2) * (UINT64_MAX / 2);
        return;
    }
    uint32_t back = (uint32_t)sim_below(random, 3);
    proposal->round.seq =
        proposal->round.seq > back ? proposal->round.seq - back : proposal->round.seq;
    proposal->schedule_s = sim_chance(random, 500000) ? proposal->time_s + 1 : proposal->schedule_s;
}

static void spoil_rest(struct sim_random *random, struct csn_proposal *proposal)
{
    switch (sim_below(random, 5)) {
    case 0:
        proposal->epoch++;
        break;
    case 1:
        proposal->semantics++;
        break;
    case 2:
        proposal->parent = (struct csn_release){0};
        break;
    case 3:
        proposal->parent.full_root.octets[5] ^= 1;
        break;
    default:
        proposal->schedule_s -= proposal->schedule_s > 20 ? sim_below(random, 20) : 0;
        break;
    }
}

static void spoil(struct sim_world *world, struct csn_proposal *proposal)
{
    struct sim_random *random = &world->random;
    unsigned zone = sim_zone_index(world, proposal->zone);
    switch (sim_below(random, 8)) {
    case 0:
        spoil_serial(world, proposal);
        break;
    case 1:
        spoil_time(random, proposal);
        break;
    case 2:
        spoil_authors(random, proposal);
        break;
    case 3:
        spoil_input(world, proposal);
        break;
    case 4:
        spoil_document(random, &proposal->policy, zone, true);
        break;
    case 5:
        spoil_document(random, &proposal->keyset, zone, false);
        break;
    case 6:
        spoil_round(random, proposal);
        break;
    default:
        spoil_rest(random, proposal);
        break;
    }
}

bool sim_rogue(struct sim_world *world, struct csn_bytes body, struct csn_buf *ret_body)
{
    struct csn_body_proposal decoded;
    if (!sim_draw(world, SIM_ROGUE) || csn_body_proposal_decode(body, &decoded) != CSN_OK) {
        return false;
    }
    decoded.seq += (uint32_t)sim_below(&world->random, 3); /* before its own next one */
    spoil(world, &decoded.proposal);
    if (sim_chance(&world->random, 300000)) {
        spoil_serial(world, &decoded.proposal);
    }
    csn_body_proposal_encode(&decoded, ret_body);
    return true;
}
