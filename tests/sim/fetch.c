/* Bulk requests: site after site until one gives what is asked for; checked and durable before
 * FETCHED. */
#include "sim/liars.h"
#include "sim/seam.h"

#include <string.h>

#define CERTIFICATES_SIZE_MAX 16384 /* of one answer; what does not fit is asked for again */

struct fetch {
    uint64_t corr;
    struct sim_object object;
    struct csn_round above;
    uint16_t sites[CSN_MEMBERS_MAX];
    unsigned site_count, next;

    /* the answer */
    size_t size;
    uint8_t octets[]; /* of CERTIFICATES each: size u32, octets */
};

static void fetch_end(struct sim_world *world, struct sim_actor *actor, const struct fetch *fetch,
                      int code)
{
    struct csn_event event = {.kind = CSN_EVENT_FETCHED, .corr = fetch->corr, .code = code};
    sim_complete(world, actor, sim_delay(world, SIM_MS), &event);
}

static bool answer_certificates(const struct sim_world *world, const struct sim_actor *peer,
                                const struct fetch *fetch, struct csn_buf *buf)
{
    const uint8_t *zone = world->options.zone[fetch->object.zone].zone;
    struct csn_bytes octets = csn_node_certificate_above(peer->node, zone, fetch->above);
    while (octets.size > 0 && buf->size + 4 + octets.size <= CERTIFICATES_SIZE_MAX) {
        struct csn_certificate certificate;
        csn_buf_put_u32(buf, (uint32_t)octets.size);
        csn_buf_put_bytes(buf, octets);
        REQUIRE(csn_certificate_decode(octets, &certificate) == CSN_OK);
        octets = csn_node_certificate_above(peer->node, zone, certificate.held.proposal.round);
    }
    return buf->size > 0;
}

/* What the peer has; false: nothing. */
static bool answer(struct sim_world *world, const struct sim_actor *peer,
                   const struct fetch *fetch, struct csn_buf *buf)
{
    if (fetch->object.kind == CSN_OBJECT_FLOORS) {
        csn_buf_put_bytes(buf, csn_node_floors(peer->node, &fetch->object.digest));
        return buf->size > 0;
    }
    return fetch->object.kind == CSN_OBJECT_CERTIFICATES
               ? answer_certificates(world, peer, fetch, buf)
               : sim_seam_give(world, peer, &fetch->object, buf);
}

static void give_certificates(struct sim_world *world, struct sim_actor *actor,
                              const struct fetch *fetch)
{
    unsigned life = actor->life;
    struct csn_reader reader = csn_reader(csn_bytes(fetch->octets, fetch->size));
    while (csn_reader_left(&reader) > 0 && actor->is_up && actor->life == life) {
        struct csn_certificate certificate;
        struct csn_event event = {.kind = CSN_EVENT_CERTIFICATE};
        uint32_t size = csn_read_u32(&reader);
        event.certificate.certificate = &certificate;
        event.certificate.octets = csn_read_bytes(&reader, size);
        if (sim_take_certificate(world, actor, event.certificate.octets, &certificate)) {
            sim_step(world, actor, &event);
        }
    }
}

static struct fetch *fetch_copy(const struct fetch *fetch, struct csn_bytes octets)
{
    struct fetch *copy = csn_alloc(sizeof(*copy) + octets.size);
    *copy = *fetch;
    copy->size = octets.size;
    if (octets.size > 0) {
        memcpy(copy->octets, octets.data, octets.size);
    }
    return copy;
}

static void ask(struct sim_world *world, struct sim_task *task);

static void arrived(struct sim_world *world, struct sim_task *task)
{
    const struct fetch *fetch = task->data;
    struct sim_actor *actor = task->actor;
    unsigned life = actor->life;
    int code = CSN_OK;
    if (fetch->object.kind == CSN_OBJECT_FLOORS) {
        struct csn_event event = {.kind = CSN_EVENT_FETCHED, .corr = fetch->corr};
        event.floors = csn_bytes(fetch->octets, fetch->size);
        sim_step(world, actor, &event);
        return;
    }
    if (fetch->object.kind == CSN_OBJECT_CERTIFICATES) {
        give_certificates(world, actor, fetch);
    } else {
        code = sim_seam_take(world, actor, &fetch->object, csn_bytes(fetch->octets, fetch->size));
    }
    if (actor->is_up && actor->life == life && code == CSN_OK) {
        fetch_end(world, actor, fetch, CSN_OK);
    } else if (actor->is_up && actor->life == life) {
        sim_after_alive(world, 0, ask, actor, fetch_copy(fetch, csn_bytes(NULL, 0)));
    }
}

/* Asks the next site; what it answers is on its way in the same moment. */
static void ask(struct sim_world *world, struct sim_task *task)
{
    struct sim_actor *actor = task->actor;
    struct fetch *fetch = task->data;
    if (fetch->next == fetch->site_count) {
        fetch_end(world, actor, fetch, CSN_ENOTFOUND);
        return;
    }
    struct sim_actor *peer = sim_site(world, fetch->sites[fetch->next++]);
    uint64_t round_trip_us = 2 * world->links[actor->index][peer->index].latency_us;
    bool is_reached = peer->is_up && !sim_is_cut(world, actor, peer) &&
                      !sim_is_cut(world, peer, actor) && !sim_draw(world, SIM_FETCH_FAILED);
    struct csn_buf octets = {0};
    fetch->object.served = sim_seam_served(actor, fetch->object.zone);
    if (is_reached && answer(world, peer, fetch, &octets)) {
        if (fetch->object.kind == CSN_OBJECT_SHARE) {
            sim_lie_share(world, peer, actor, &octets);
        }
        uint64_t transfer_us = sim_delay(world, world->options.compute_us);
        sim_after_alive(world, round_trip_us + transfer_us, arrived, actor,
                        fetch_copy(fetch, csn_buf_view(&octets)));
    } else {
        sim_after_alive(world, is_reached ? round_trip_us : sim_delay(world, 2 * SIM_S), ask, actor,
                        fetch_copy(fetch, csn_bytes(NULL, 0)));
    }
    csn_buf_fini(&octets);
}

void sim_fetch(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    struct fetch *fetch = csn_calloc(1, sizeof(*fetch));
    fetch->corr = effect->corr;
    fetch->object.zone = sim_zone_index(world, effect->zone);
    fetch->object.kind = effect->fetch.object;
    fetch->object.digest = effect->fetch.digest;
    fetch->object.input = effect->fetch.input;
    fetch->object.author = effect->fetch.author;
    fetch->above = effect->fetch.above;
    fetch->site_count = effect->fetch.site_count;
    memcpy(fetch->sites, effect->fetch.sites, sizeof(fetch->sites));
    sim_after_alive(world, sim_delay(world, 2 * SIM_MS), ask, actor, fetch);
}
