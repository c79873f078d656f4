/* Bulk requests: site after site until one gives what is asked for; checked and durable before
 * FETCHED. */
#include "sim/world.h"

#include <string.h>

#define CERTIFICATES_SIZE_MAX 16384 /* of one answer; what does not fit is asked for again */

struct fetch {
    uint64_t corr;
    unsigned zone;
    enum csn_object_kind object;
    struct csn_digest digest;
    struct csn_input_id input;
    uint16_t author;
    struct csn_round above;
    uint16_t sites[CSN_MEMBERS_MAX];
    unsigned site_count, next;

    /* the answer */
    struct sim_version version;
    struct sim_share share;
    size_t certificates_size;
    uint8_t certificates[CERTIFICATES_SIZE_MAX]; /* each: size u32, octets */
};

static void fetch_end(struct sim_world *world, struct sim_actor *actor, const struct fetch *fetch,
                      int code)
{
    struct csn_event event = {.kind = CSN_EVENT_FETCHED, .corr = fetch->corr, .code = code};
    sim_complete(world, actor, sim_delay(world, SIM_MS), &event);
}

static bool answer_certificates(const struct sim_world *world, const struct sim_actor *peer,
                                struct fetch *fetch)
{
    const uint8_t *zone = world->options.zone[fetch->zone].zone;
    struct csn_bytes octets = csn_node_certificate_above(peer->node, zone, fetch->above);
    while (octets.size > 0 && fetch->certificates_size + 4 + octets.size <= CERTIFICATES_SIZE_MAX) {
        struct csn_certificate certificate;
        uint8_t *at = fetch->certificates + fetch->certificates_size;
        csn_set_u32(at, (uint32_t)octets.size);
        memcpy(at + 4, octets.data, octets.size);
        fetch->certificates_size += 4 + octets.size;
        REQUIRE(csn_certificate_decode(octets, &certificate) == CSN_OK);
        octets = csn_node_certificate_above(peer->node, zone, certificate.held.proposal.round);
    }
    return fetch->certificates_size > 0;
}

/* What the peer has; false: nothing. */
static bool answer(const struct sim_world *world, const struct sim_actor *peer, struct fetch *fetch)
{
    const struct sim_version *version;
    const struct sim_share *share;
    switch (fetch->object) {
    case CSN_OBJECT_INPUT:
        return sim_disk_input(&peer->disk, fetch->zone, &fetch->digest) != NULL;
    case CSN_OBJECT_SHARE:
        share = sim_disk_share(&peer->disk, &fetch->digest, fetch->author);
        fetch->share = share != NULL ? *share : fetch->share;
        return share != NULL;
    case CSN_OBJECT_VERSION:
        version = sim_disk_version(&peer->disk, fetch->zone, &fetch->digest);
        fetch->version = version != NULL ? *version : fetch->version;
        return version != NULL && !version->is_rotten; /* the root is recomputed on arrival */
    case CSN_OBJECT_CERTIFICATES:
        return answer_certificates(world, peer, fetch);
    case CSN_OBJECT_FLOORS:
        break;
    }
    return false;
}

static void store(struct sim_actor *actor, const struct fetch *fetch)
{
    if (fetch->object == CSN_OBJECT_INPUT) {
        sim_disk_put_input(&actor->disk, fetch->zone, &fetch->input, false);
    } else if (fetch->object == CSN_OBJECT_SHARE) {
        sim_disk_put_share(&actor->disk, &fetch->share);
    } else if (fetch->object == CSN_OBJECT_VERSION) {
        sim_disk_put_version(&actor->disk, &fetch->version);
    }
}

static void give_certificates(struct sim_world *world, struct sim_actor *actor,
                              const struct fetch *fetch)
{
    unsigned life = actor->life;
    struct csn_reader reader = csn_reader(csn_bytes(fetch->certificates, fetch->certificates_size));
    while (csn_reader_left(&reader) > 0 && actor->is_up && actor->life == life) {
        struct csn_certificate certificate;
        struct csn_event event = {.kind = CSN_EVENT_CERTIFICATE};
        uint32_t size = csn_read_u32(&reader);
        event.certificate.certificate = &certificate;
        event.certificate.octets = csn_read_bytes(&reader, size);
        if (sim_take_certificate(world, event.certificate.octets, &certificate)) {
            sim_step(world, actor, &event);
        }
    }
}

static void arrived(struct sim_world *world, struct sim_task *task)
{
    const struct fetch *fetch = task->data;
    struct sim_actor *actor = task->actor;
    unsigned life = actor->life;
    store(actor, fetch);
    give_certificates(world, actor, fetch);
    if (actor->is_up && actor->life == life) {
        fetch_end(world, actor, fetch, CSN_OK);
    }
}

static struct fetch *fetch_copy(const struct fetch *fetch)
{
    struct fetch *copy = csn_alloc(sizeof(*copy));
    *copy = *fetch;
    return copy;
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
    if (is_reached && answer(world, peer, fetch)) {
        uint64_t transfer_us = sim_delay(world, world->options.compute_us);
        sim_after_alive(world, round_trip_us + transfer_us, arrived, actor, fetch_copy(fetch));
    } else {
        sim_after_alive(world, is_reached ? round_trip_us : sim_delay(world, 2 * SIM_S), ask, actor,
                        fetch_copy(fetch));
    }
}

void sim_fetch(struct sim_world *world, struct sim_actor *actor, const struct csn_effect *effect)
{
    struct fetch *fetch = csn_calloc(1, sizeof(*fetch));
    fetch->corr = effect->corr;
    fetch->zone = sim_zone_index(world, effect->zone);
    fetch->object = effect->fetch.object;
    fetch->digest = effect->fetch.digest;
    fetch->input = effect->fetch.input;
    fetch->author = effect->fetch.author;
    fetch->above = effect->fetch.above;
    fetch->site_count = effect->fetch.site_count;
    memcpy(fetch->sites, effect->fetch.sites, sizeof(fetch->sites));
    sim_after_alive(world, sim_delay(world, 2 * SIM_MS), ask, actor, fetch);
}
