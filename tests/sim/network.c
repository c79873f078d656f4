/* Links: latency, loss, duplication, reordering, garbling, one-way cuts. Coordinators do not talk
 * to each other. */
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#include "sim/checker.h"
#include "sim/epochs.h"
#include "sim/liars.h"
#include "sim/rogue.h"

#define LATE_MOST_US (60 * SIM_S) /* how late the second of two may be */

struct message {
    bool is_certificate;
    bool is_garbled; /* the others verify: that is not computed again at each of their receivers */
    enum csn_statement_kind kind; /* 0: a certificate */
    uint16_t signer;
    uint32_t incarnation;
    uint8_t signature[CSN_SIGNATURE_SIZE];
    size_t size;
    uint8_t octets[];
};

static struct message *message_new(struct csn_bytes octets)
{
    struct message *message = csn_calloc(1, sizeof(*message) + octets.size);
    message->size = octets.size;
    memcpy(message->octets, octets.data, octets.size);
    return message;
}

static struct message *message_copy(const struct message *message)
{
    struct message *copy = csn_alloc(sizeof(*copy) + message->size);
    memcpy(copy, message, sizeof(*copy) + message->size);
    return copy;
}

static struct csn_digest key_of(const struct sim_world *world, enum csn_statement_kind kind,
                                uint16_t signer, uint32_t incarnation)
{
    struct csn_digest key = sim_member_key(world, signer, incarnation);
    if (csn_statement_is_coordinators(kind)) {
        memcpy(key.octets, csn_cluster_coordinator(&world->cluster, signer)->key, CSN_ED25519_SIZE);
    }
    if (kind == CSN_STATEMENT_ORDER) {
        memcpy(key.octets, world->cluster.operators[signer - 1].key, CSN_ED25519_SIZE);
    }
    return key;
}

static bool is_signed(const struct sim_world *world, const struct message *message)
{
    struct csn_buf buf = {0};
    csn_statement_signed(message->kind, message->signer, message->incarnation,
                         csn_bytes(message->octets, message->size), &buf);
    struct csn_digest key =
        key_of(world, message->kind, message->signer, message->incarnation);
    bool is_good = sim_verify(NULL, key.octets, csn_buf_view(&buf), message->signature);
    csn_buf_fini(&buf);
    return is_good;
}

/* Against the document of its epoch, as far as this shell has the chain. */
bool sim_take_certificate(const struct sim_world *world, const struct sim_actor *actor,
                          struct csn_bytes octets, struct csn_certificate *ret_certificate)
{
    if (csn_certificate_decode(octets, ret_certificate) != CSN_OK) {
        return false;
    }
    uint32_t epoch = ret_certificate->held.proposal.epoch;
    const struct csn_cluster *document =
        epoch <= actor->epoch ? sim_document_of(world, epoch) : NULL;
    return document != NULL && csn_certificate_check(ret_certificate, document, sim_verify, NULL,
                                                     NULL) == CSN_OK;
}

static void deliver_certificate(struct sim_world *world, struct sim_actor *to,
                                const struct message *message)
{
    struct csn_certificate certificate;
    struct csn_event event = {.kind = CSN_EVENT_CERTIFICATE};
    if (!sim_take_certificate(world, to, csn_bytes(message->octets, message->size), &certificate)) {
        return;
    }
    event.certificate.certificate = &certificate;
    event.certificate.octets = csn_bytes(message->octets, message->size);
    sim_step(world, to, &event);
}

/* The shell verifies before it hands in. */
static void deliver(struct sim_world *world, struct sim_task *task)
{
    const struct message *message = task->data;
    struct csn_event event = {.kind = CSN_EVENT_STATEMENT};
    world->stats.messages++;
    if (message->is_certificate) {
        deliver_certificate(world, task->actor, message);
    } else if (!message->is_garbled || is_signed(world, message)) {
        event.statement.kind = message->kind;
        event.statement.signer = message->signer;
        event.statement.incarnation = message->incarnation;
        event.statement.body = csn_bytes(message->octets, message->size);
        event.statement.signature = message->signature;
        unsigned life = task->actor->life;
        sim_step(world, task->actor, &event);
        if (message->kind == CSN_STATEMENT_REPORT && task->actor->is_up &&
            task->actor->life == life) {
            sim_hear_epoch(world, task->actor, message->signer, event.statement.body);
        }
    }
}

bool sim_is_cut(const struct sim_world *world, const struct sim_actor *from,
                const struct sim_actor *to)
{
    return world->links[from->index][to->index].cut_until_us > world->now_us;
}

void sim_cut(struct sim_world *world, struct sim_actor *from, struct sim_actor *to, uint64_t for_us)
{
    sim_log(world, from, "cut towards actor %u for %.1f s", to->index,
            (double)for_us / (double)SIM_S);
    world->links[from->index][to->index].cut_until_us = world->now_us + for_us;
}

void sim_isolate(struct sim_world *world, struct sim_actor *actor, uint64_t for_us)
{
    for (unsigned i = 0; i < world->actor_count; i++) {
        if (i != actor->index) {
            sim_cut(world, actor, &world->actors[i], for_us);
            sim_cut(world, &world->actors[i], actor, for_us);
        }
    }
}

void sim_heal(struct sim_world *world)
{
    for (unsigned i = 0; i < world->actor_count; i++) {
        for (unsigned k = 0; k < world->actor_count; k++) {
            world->links[i][k].cut_until_us = world->links[i][k].clogged_until_us = 0;
        }
    }
}

static bool is_muffled(const struct sim_world *world, const struct sim_actor *from,
                       const struct sim_actor *to, const struct message *message)
{
    const struct sim_muffle *muffle = &world->muffle;
    return muffle->is_set && !message->is_certificate && message->kind == muffle->kind &&
           (muffle->from >> from->index & 1u) != 0 && (muffle->to >> to->index & 1u) != 0;
}

/* What is on its way dies with the connection when the receiver does. */
static void send(struct sim_world *world, uint64_t delay_us, struct sim_actor *to,
                 struct message *take_message)
{
    sim_after(world, delay_us, deliver, to, take_message)->life =
        to->is_up ? to->life : to->life + 1;
}

static void transmit(struct sim_world *world, const struct sim_actor *from, struct sim_actor *to,
                     const struct message *message)
{
    const struct sim_link *link = &world->links[from->index][to->index];
    uint64_t delay_us = link->latency_us + sim_below(&world->random, link->jitter_us);
    bool is_lossy = message->kind == world->options.lossy_kind;
    if (sim_is_cut(world, from, to) || is_muffled(world, from, to, message) ||
        sim_draw(world, SIM_LOSS) ||
        (is_lossy && sim_draw(world, SIM_LOSS_OF_KIND))) {
        return;
    }
    if (link->clogged_until_us > world->now_us) {
        delay_us += link->clogged_until_us - world->now_us;
    }
    struct message *copy = message_copy(message);
    if (sim_draw(world, SIM_GARBLE)) {
        copy->octets[sim_below(&world->random, copy->size)] ^=
            (uint8_t)(1u << sim_below(&world->random, 8));
        copy->is_garbled = true;
    }
    if (sim_draw(world, SIM_REORDER)) {
        delay_us += sim_below(&world->random, 2 * SIM_S);
    }
    if (sim_draw(world, SIM_DUPLICATE)) {
        uint64_t late_us = sim_chance(&world->random, 500000) ? SIM_S / 10 : LATE_MOST_US;
        send(world, delay_us + sim_below(&world->random, late_us), to, message_copy(copy));
    }
    send(world, delay_us, to, copy);
}

static void broadcast(struct sim_world *world, struct sim_actor *from,
                      const struct message *message)
{
    for (unsigned i = 0; i < world->actor_count; i++) {
        struct sim_actor *to = &world->actors[i];
        if (to != from && (from->is_node || to->is_node)) {
            transmit(world, from, to, message);
        }
    }
}

static struct message *statement_new(const struct sim_world *world, const struct sim_actor *from,
                                     enum csn_statement_kind kind, struct csn_bytes body)
{
    struct message *message = message_new(body);
    struct csn_buf buf = {0};
    message->kind = kind;
    message->signer = from->number;
    message->incarnation = from->is_node ? from->incarnation : 0;
    csn_statement_signed(kind, message->signer, message->incarnation, body, &buf);
    struct csn_digest key = key_of(world, kind, message->signer, message->incarnation);
    sim_sign(key.octets, csn_buf_view(&buf), message->signature);
    csn_buf_fini(&buf);
    return message;
}

void sim_say(struct sim_world *world, struct sim_actor *from, uint32_t to,
             enum csn_statement_kind kind, struct csn_bytes body)
{
    struct message *message = statement_new(world, from, kind, body);
    for (unsigned i = 0; i < world->actor_count; i++) {
        if ((to >> i & 1u) != 0) {
            transmit(world, from, &world->actors[i], message);
        }
    }
    free(message);
}

/* A rogue coordinator says one thing to some and another to others. */
static void transmit_two(struct sim_world *world, struct sim_actor *from,
                         const struct message *real, const struct message *other)
{
    for (unsigned i = 0; i < world->options.sites; i++) {
        bool is_other = sim_chance(&world->random, 600000);
        transmit(world, from, &world->actors[i], is_other ? other : real);
    }
}

static void say_late(struct sim_world *world, struct sim_task *task)
{
    broadcast(world, task->actor, task->data);
}

/* Or first one thing and then another. */
static void transmit_rogue(struct sim_world *world, struct sim_actor *from,
                           const struct message *real, struct csn_bytes body)
{
    struct message *other = statement_new(world, from, CSN_STATEMENT_PROPOSAL, body);
    if (sim_chance(&world->random, 500000)) {
        transmit_two(world, from, real, other);
        free(other);
    } else {
        broadcast(world, from, real);
        sim_after_alive(world, sim_delay(world, 5 * SIM_S), say_late, from, other);
    }
}

void sim_broadcast_statement(struct sim_world *world, struct sim_actor *from,
                             enum csn_statement_kind kind, struct csn_bytes body)
{
    struct message *message = statement_new(world, from, kind, body);
    struct csn_buf rogue = {0};
    if (kind == CSN_STATEMENT_HELD) {
        sim_checker_held(world->checker, from, body);
    } else if (kind == CSN_STATEMENT_SEAL || kind == CSN_STATEMENT_ENTRY) {
        sim_checker_change(world->checker, from, kind == CSN_STATEMENT_SEAL, body);
    }
    if (kind == CSN_STATEMENT_PROPOSAL && sim_rogue(world, body, &rogue)) {
        transmit_rogue(world, from, message, csn_buf_view(&rogue));
    } else if (!sim_lie(world, from, kind, body)) {
        broadcast(world, from, message);
    }
    csn_buf_fini(&rogue);
    /* The loop back; nothing of this is lost while the machine lives. */
    sim_after_alive(world, sim_below(&world->random, 2 * SIM_MS), deliver, from, message);
}

void sim_forward(struct sim_world *world, struct sim_actor *from, const struct csn_effect *effect)
{
    struct message *message = message_new(effect->forward.body);
    message->kind = effect->forward.kind;
    message->signer = effect->forward.signer;
    message->incarnation = effect->forward.incarnation;
    memcpy(message->signature, effect->forward.signature, sizeof(message->signature));
    message->is_garbled = true; /* it is verified by whoever hears it */
    broadcast(world, from, message);
    free(message);
}

void sim_broadcast_certificate(struct sim_world *world, struct sim_actor *from,
                               struct csn_bytes octets)
{
    struct message *message = message_new(octets);
    message->is_certificate = true;
    broadcast(world, from, message);
    free(message);
}
