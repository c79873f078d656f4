#include "sim/checker_floors.h"

#include <stdlib.h>
#include <string.h>

#define SEAL_SIZE 173        /* octets of its body; in the record the floors follow */
#define ENTRY_SEALS 69       /* where an entry counts the seals that it names */
#define ENTRY_SEAL_SIZE 50
#define RECORD_CLOSE 8       /* octets that close a record */

struct sealed {
    bool is_set;
    uint32_t incarnation;
    struct csn_buf body;
    struct layout_floor floors[SIM_ZONES_MAX];
};

struct sim_sealed {
    struct sealed of[SIM_EPOCHS_MAX + 2][SIM_SITES_MAX];
};

struct sim_sealed *sim_sealed_new(void)
{
    return csn_calloc(1, sizeof(struct sim_sealed));
}

void sim_sealed_free(struct sim_sealed *take_sealed)
{
    for (unsigned epoch = 0; epoch < SIM_EPOCHS_MAX + 2; epoch++) {
        for (unsigned site = 0; site < SIM_SITES_MAX; site++) {
            csn_buf_fini(&take_sealed->of[epoch][site].body);
        }
    }
    free(take_sealed);
}

static bool begins_with(struct csn_bytes octets, struct csn_bytes with)
{
    return octets.size >= with.size && memcmp(octets.data, with.data, with.size) == 0;
}

/* The floors of the seal's record: of each zone in turn. */
static void read_floors(const struct sim_world *world, struct csn_bytes octets, struct sealed *sealed)
{
    struct layout_floor floor;
    size_t size;
    while ((size = layout_floor(octets, true, &floor)) > 0) {
        unsigned zone = sim_zone_index(world, floor.zone);
        if (zone < world->options.zones) {
            sealed->floors[zone] = floor;
        }
        octets = csn_bytes(octets.data + size, octets.size - size);
    }
}

void sim_sealed_take(struct sim_sealed *sealed, struct sim_world *world, const struct sim_actor *actor, uint32_t epoch,
                     struct csn_bytes body)
{
    struct sealed *own = &sealed->of[epoch][actor->index];
    if (own->is_set && own->incarnation == actor->incarnation) {
        if (!csn_bytes_equal(csn_buf_view(&own->body), body)) {
            sim_fail(world, "R8: site %u seals epoch %u twice", actor->number, epoch);
        }
        return;
    }
    own->is_set = true;
    own->incarnation = actor->incarnation;
    csn_buf_clear(&own->body);
    csn_buf_put_bytes(&own->body, body);
    for (size_t i = 0; i < actor->disk.records.count; i++) {
        struct csn_bytes value = csn_buf_view(&actor->disk.records.items[i].value);
        if (begins_with(value, body)) {
            read_floors(world, csn_bytes(value.data + SEAL_SIZE, value.size - SEAL_SIZE - RECORD_CLOSE), own);
        }
    }
}

/* --- floors */

/* The record of the zone's floor; none: nothing was ever below. */
static struct layout_floor durable_floor(const struct sim_actor *actor, const uint8_t *zone)
{
    struct layout_floor floor = {0};
    uint8_t key[2 + 255] = {'r', 'F'};
    size_t size = 0;
    while (zone[size] != 0) {
        size += 1u + zone[size];
    }
    memcpy(key + 2, zone, size + 1);
    struct csn_bytes value = sim_records_get(&actor->disk.records, csn_bytes(key, size + 3));
    if (value.data != NULL) {
        layout_floor(value, false, &floor);
    }
    return floor;
}

/* A live serial, with which a zone was admitted, counts until the first release. */
static bool is_serial_below(const struct layout_floor *floor, const struct layout_floor *other)
{
    static const uint8_t no_round[LAYOUT_ROUND];
    uint32_t ahead = other->serial - floor->serial;
    bool is_admitted = memcmp(other->round, no_round, LAYOUT_ROUND) == 0 && memcmp(floor->round, no_round, LAYOUT_ROUND) != 0;
    return other->has_serial && !is_admitted && (!floor->has_serial || (ahead != 0 && ahead < UINT32_C(0x80000000)));
}

static bool is_input_below(const struct layout_floor *floor, const struct layout_floor *other)
{
    uint32_t ahead = other->input_serial - floor->input_serial;
    return floor->input_generation < other->input_generation ||
           (floor->input_generation == other->input_generation && ahead != 0 && ahead < UINT32_C(0x80000000));
}

/* The field that is below the other's; NULL: none. */
static const char *below(const struct layout_floor *floor, const struct layout_floor *other)
{
    return memcmp(floor->round, other->round, LAYOUT_ROUND) < 0   ? "round"
           : is_serial_below(floor, other)                        ? "serial"
           : is_input_below(floor, other)                         ? "input"
           : floor->time_s < other->time_s                        ? "T"
           : floor->schedule_s < other->schedule_s                ? "S"
           : floor->policy.number < other->policy.number          ? "policy"
           : floor->keyset.number < other->keyset.number          ? "key set"
                                                                  : NULL;
}

void sim_sealed_check_entry(const struct sim_sealed *sealed, struct sim_world *world, const struct sim_actor *actor,
                            uint32_t epoch, struct csn_bytes body)
{
    unsigned count = body.size > ENTRY_SEALS ? body.data[ENTRY_SEALS] : 0;
    if (body.size != ENTRY_SEALS + 1 + (size_t)count * ENTRY_SEAL_SIZE) {
        sim_fail(world, "R8: site %u sends an entry that is none", actor->number);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        uint16_t site = csn_get_u16(body.data + ENTRY_SEALS + 1 + (size_t)i * ENTRY_SEAL_SIZE);
        const struct sealed *other = site >= 1 && site <= SIM_SITES_MAX ? &sealed->of[epoch - 1][site - 1] : NULL;
        if (other == NULL || !other->is_set) {
            sim_fail(world, "R8: site %u enters epoch %u by a seal that site %u never said", actor->number, epoch, site);
            return;
        }
        for (unsigned zone = 0; zone < world->options.zones; zone++) {
            struct layout_floor floor = durable_floor(actor, world->options.zone[zone].zone);
            const char *what = below(&floor, &other->floors[zone]);
            if (what != NULL) {
                sim_fail(world, "R8: site %u enters epoch %u with %s below the floor that site %u sealed", actor->number,
                         epoch, what, site);
            }
        }
    }
}

void sim_sealed_check_vote(const struct sim_sealed *sealed, struct sim_world *world, const struct sim_actor *actor,
                           uint32_t epoch, const uint8_t *zone, unsigned needed)
{
    struct layout_floor floor = durable_floor(actor, zone);
    unsigned index = sim_zone_index(world, zone), covered = 0;
    for (unsigned site = 0; site < SIM_SITES_MAX; site++) {
        const struct sealed *other = &sealed->of[epoch - 1][site];
        covered += other->is_set && below(&floor, &other->floors[index]) == NULL;
    }
    if (covered < needed) {
        sim_fail(world, "R8: site %u votes in epoch %u, its floor at those of %u sealed sites only", actor->number, epoch,
                 covered);
    }
}
