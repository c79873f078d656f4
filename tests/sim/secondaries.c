#include "sim/secondaries.h"

#include <stdlib.h>
#include <string.h>

#include "sim/seam.h"

#define PAUSE_US (20 * SIM_S) /* between two questions, at most */

/* What a site answers since it began to serve it, in that life. */
struct answer {
    unsigned life; /* 0: nothing yet */
    struct sim_served served;
    struct layout_held held;
};

struct seen {
    uint32_t serial;
    uint8_t full_root[LAYOUT_DIGEST];
};
struct seen_list {
    struct seen *items; /* owns */
    size_t count;
};

struct secondary {
    unsigned next; /* site to be asked */
    struct sim_served have[SIM_ZONES_MAX];
};

struct sim_secondaries {
    struct sim_world *world;  /* borrows */
    struct sim_random random; /* their own: the rest of a seed stays what it was without them */
    struct answer answers[SIM_SITES_MAX][SIM_ZONES_MAX];
    struct sim_served latest[SIM_SITES_MAX][SIM_ZONES_MAX]; /* that a secondary was answered */
    struct seen_list seen[SIM_ZONES_MAX];
    struct secondary items[SIM_SECONDARIES];
};

struct sim_secondaries *sim_secondaries_new(struct sim_world *world)
{
    struct sim_secondaries *secondaries = csn_calloc(1, sizeof(*secondaries));
    secondaries->world = world;
    secondaries->random.state = sim_mix64(world->options.seed ^ UINT64_C(0x7365636f6e64));
    return secondaries;
}

void sim_secondaries_free(struct sim_secondaries *take_secondaries)
{
    for (unsigned zone = 0; zone < SIM_ZONES_MAX; zone++) {
        free(take_secondaries->seen[zone].items);
    }
    free(take_secondaries);
}

static bool is_later(uint32_t a, uint32_t b)
{
    uint32_t step = a - b; /* RFC 1982 3.2 */
    return step != 0 && step < UINT32_C(0x80000000);
}

/* --- what sites answer */

void sim_secondaries_serve(struct sim_secondaries *secondaries, const struct sim_actor *actor, struct csn_bytes octets)
{
    struct layout_certificate certificate;
    if (!layout_certificate(octets, &certificate)) {
        return; /* the checker has said so */
    }
    const struct layout_held *held = &certificate.held;
    unsigned zone = sim_zone_index(secondaries->world, held->zone);
    if (zone == secondaries->world->options.zones) {
        return;
    }
    struct answer *answer = &secondaries->answers[actor->index][zone];
    *answer = (struct answer){.life = actor->life, .held = *held};
    answer->served = (struct sim_served){.is_set = true,
                                         .serial = held->serial,
                                         .input_generation = held->input_generation,
                                         .input_serial = held->input_serial,
                                         .time_s = held->time_s};
    memcpy(answer->served.round, held->round, SIM_ROUND_SIZE);
    memcpy(answer->served.full_root, held->full_root, LAYOUT_DIGEST);
}

void sim_secondaries_forget(struct sim_secondaries *secondaries, const struct sim_actor *actor)
{
    for (unsigned zone = 0; zone < SIM_ZONES_MAX; zone++) {
        secondaries->answers[actor->index][zone].life = 0;
        secondaries->latest[actor->index][zone] = (struct sim_served){0};
    }
}

const struct sim_served *sim_secondaries_ask(const struct sim_secondaries *secondaries, const struct sim_actor *actor,
                                             unsigned zone)
{
    const struct sim_world *world = secondaries->world;
    const struct answer *answer = &secondaries->answers[actor->index][zone];
    struct csn_node_zone_status status;
    if (!actor->is_up || actor->frozen_until_us > world->now_us || answer->life != actor->life) {
        return NULL;
    }
    csn_node_get_zone(actor->node, zone, sim_now(world, actor), &status);
    return status.is_behind ? NULL : &answer->served;
}

/* --- what secondaries make of it */

/* A serial has one content for ever, whoever answered it and when. */
static void check_seen(struct sim_secondaries *secondaries, const struct sim_actor *actor, unsigned zone,
                       const struct sim_served *served)
{
    struct seen_list *list = &secondaries->seen[zone];
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].serial == served->serial) {
            if (memcmp(list->items[i].full_root, served->full_root, LAYOUT_DIGEST) != 0) {
                sim_fail(secondaries->world, "I1: secondaries saw serial %u with two full roots, one at site %u",
                         served->serial, actor->number);
            }
            return;
        }
    }
    list->items = csn_realloc(list->items, list->count + 1, sizeof(*list->items));
    list->items[list->count].serial = served->serial;
    memcpy(list->items[list->count++].full_root, served->full_root, LAYOUT_DIGEST);
    if (!sim_checker_is_certified(secondaries->world->checker, zone, served->serial, served->full_root)) {
        sim_fail(secondaries->world, "I4: site %u answers a secondary serial %u, which is not certified", actor->number,
                 served->serial);
    }
}

static void check_order(struct sim_secondaries *secondaries, const struct sim_actor *actor, unsigned zone,
                        const struct sim_served *served)
{
    struct sim_served *latest = &secondaries->latest[actor->index][zone];
    if (latest->is_set && is_later(latest->serial, served->serial)) {
        sim_fail(secondaries->world, "I4: site %u answers a secondary serial %u after %u", actor->number, served->serial,
                 latest->serial);
    }
    *latest = *served;
}

static void take(struct sim_secondaries *secondaries, struct secondary *secondary, const struct sim_actor *actor,
                 unsigned zone, const struct sim_served *served)
{
    if (!sim_seam_is_served(secondaries->world, actor, zone, &secondaries->answers[actor->index][zone].held)) {
        sim_fail(secondaries->world, "I4: site %u transfers serial %u with bytes that are not those of its certificate",
                 actor->number, served->serial);
    }
    secondary->have[zone] = *served;
    secondaries->world->stats.transfers++;
}

static void ask_one(struct sim_secondaries *secondaries, struct secondary *secondary, const struct sim_actor *actor)
{
    for (unsigned zone = 0; zone < secondaries->world->options.zones; zone++) {
        const struct sim_served *served = sim_secondaries_ask(secondaries, actor, zone);
        if (served == NULL) {
            continue;
        }
        check_seen(secondaries, actor, zone, served);
        check_order(secondaries, actor, zone, served);
        if (!secondary->have[zone].is_set || is_later(served->serial, secondary->have[zone].serial)) {
            take(secondaries, secondary, actor, zone, served);
        }
    }
}

/* The sites in turn, each secondary in another order; more often once the faults have stopped. */
static void ask(struct sim_world *world, struct sim_task *task)
{
    struct sim_secondaries *secondaries = world->secondaries;
    struct secondary *secondary = &secondaries->items[task->number];
    unsigned sites = world->options.sites;
    ask_one(secondaries, secondary, &world->actors[secondary->next]);
    secondary->next = (secondary->next + (task->number == 0 ? 1 : sites - 1)) % sites;
    uint64_t most_us = world->is_faulty ? PAUSE_US / sites : SIM_S;
    sim_after(world, sim_between(&secondaries->random, 1, most_us), ask, NULL, NULL)->number = task->number;
}

void sim_secondaries_begin(struct sim_secondaries *secondaries)
{
    for (unsigned i = 0; i < SIM_SECONDARIES; i++) {
        uint64_t delay_us = sim_between(&secondaries->random, 1, PAUSE_US);
        sim_after(secondaries->world, delay_us, ask, NULL, NULL)->number = i;
    }
}

const struct sim_served *sim_secondaries_have(const struct sim_secondaries *secondaries, unsigned index, unsigned zone)
{
    return &secondaries->items[index].have[zone];
}
