#include "round_world.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* --- maps */

static struct world_blob *map_find(struct world_map *map, struct csn_bytes key)
{
    for (size_t i = 0; i < map->count; i++) {
        if (csn_bytes_equal(csn_buf_view(&map->items[i].key), key)) {
            return &map->items[i];
        }
    }
    return NULL;
}

static void map_put(struct world_map *map, struct csn_bytes key, struct csn_bytes value)
{
    struct world_blob *blob = map_find(map, key);
    if (blob == NULL) {
        map->items = csn_realloc(map->items, map->count + 1, sizeof(*map->items));
        blob = &map->items[map->count++];
        *blob = (struct world_blob){0};
        csn_buf_put_bytes(&blob->key, key);
    }
    csn_buf_clear(&blob->value);
    csn_buf_put_bytes(&blob->value, value);
}

static void map_delete(struct world_map *map, struct csn_bytes key)
{
    struct world_blob *blob = map_find(map, key);
    if (blob != NULL) {
        csn_buf_fini(&blob->key);
        csn_buf_fini(&blob->value);
        *blob = map->items[--map->count];
    }
}

static void map_fini(struct world_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        csn_buf_fini(&map->items[i].key);
        csn_buf_fini(&map->items[i].value);
    }
    free(map->items);
    *map = (struct world_map){0};
}

static struct csn_bytes digest_view(const struct csn_digest *digest)
{
    return csn_bytes(digest->octets, sizeof(digest->octets));
}

/* --- events under way */

struct world_item {
    uint64_t due_ms;
    unsigned target, boot;
    struct csn_event event;
    struct csn_buf octets; /* body or certificate */
    uint8_t signature[CSN_SIGNATURE_SIZE];
    struct csn_certificate certificate;
    struct world_map writes; /* PERSISTED: applied when due; value empty: delete */
    struct world_map second;
};

static void item_free(struct world_item *item)
{
    csn_buf_fini(&item->octets);
    map_fini(&item->writes);
    map_fini(&item->second);
    free(item);
}

static struct world_item *post(struct world *world, unsigned target, enum csn_event_kind kind,
                               uint64_t delay_ms)
{
    struct world_item *item = csn_calloc(1, sizeof(*item));
    item->due_ms = world->now_ms + delay_ms;
    item->target = target;
    item->boot = target == WORLD_LEADER ? world->leader_boot : world->sites[target].boot;
    item->event.kind = kind;
    world->queue = csn_realloc(world->queue, world->queue_count + 1, sizeof(struct world_item *));
    size_t at = world->queue_count++;
    for (; at > 0 && world->queue[at - 1]->due_ms > item->due_ms; at--) {
        world->queue[at] = world->queue[at - 1];
    }
    world->queue[at] = item;
    return item;
}

struct csn_now world_now(const struct world *world, unsigned target)
{
    uint64_t wall_s = WORLD_START_S + world->now_ms / 1000;
    if (target < WORLD_SITES) {
        wall_s = (uint64_t)((int64_t)wall_s + world->sites[target].clock_ahead_s);
    }
    return (struct csn_now){.wall_s = wall_s, .mono_ms = world->now_ms};
}

/* --- symbols instead of zones */

static void hash_parts(char letter, struct csn_bytes a, struct csn_bytes b,
                       struct csn_digest *ret_digest)
{
    struct csn_buf buf = {0};
    csn_buf_put_u8(&buf, (uint8_t)letter);
    csn_buf_put_bytes(&buf, a);
    csn_buf_put_bytes(&buf, b);
    csn_sha384(csn_buf_view(&buf), ret_digest);
    csn_buf_fini(&buf);
}

static void compute_roots(const struct csn_proposal *proposal, char flavour,
                          struct csn_roots *ret_roots)
{
    struct csn_bytes d = csn_bytes(&flavour, flavour == 'D'),
                     k = csn_bytes(&flavour, flavour == 'K');
    struct csn_bytes n = csn_bytes(&flavour, flavour == 'N'),
                     r = csn_bytes(&flavour, flavour == 'R');
    hash_parts('D', digest_view(&proposal->input.prepared), d, &ret_roots->d);
    hash_parts('K', digest_view(&proposal->keyset.digest), k, &ret_roots->k);
    hash_parts('N', digest_view(&proposal->input.prepared), n, &ret_roots->n);
    hash_parts('R', csn_bytes(&proposal->time_s, 8), r, &ret_roots->r);
}

static struct csn_bytes share_key(const struct csn_digest *hash, uint16_t site,
                                  uint8_t ret_key[CSN_DIGEST_SIZE + 2])
{
    memcpy(ret_key, hash->octets, CSN_DIGEST_SIZE);
    csn_set_u16(ret_key + CSN_DIGEST_SIZE, site);
    return csn_bytes(ret_key, CSN_DIGEST_SIZE + 2);
}

/* --- effects */

static void on_work(struct world *world, unsigned site, const struct csn_effect *effect)
{
    struct world_site *self = &world->sites[site];
    uint8_t key[CSN_DIGEST_SIZE + 2];
    if (effect->kind == CSN_EFFECT_COMPUTE) {
        struct world_item *item = post(world, site, CSN_EVENT_COMPUTED, 20 + site);
        item->event.corr = effect->corr;
        compute_roots(effect->work.proposal, self->flavour, &item->event.computed);
    } else if (effect->kind == CSN_EFFECT_SIGN && !self->is_sign_silent) {
        struct world_item *item = post(world, site, CSN_EVENT_SIGNED, 30 + site);
        item->event.corr = effect->corr;
        item->event.code = self->is_sign_failing ? CSN_EHSM : CSN_OK;
        item->event.share.count = 7;
        struct csn_bytes name = share_key(&effect->work.hash, (uint16_t)(site + 1), key);
        hash_parts('S', name, csn_bytes("", 0), &item->event.share.b);
        if (!self->is_sign_failing) {
            map_put(&self->disk.shares, name, digest_view(&item->event.share.b));
        }
    }
}

static void on_stage(struct world *world, unsigned site, const struct csn_effect *effect)
{
    struct world_site *self = &world->sites[site];
    struct world_item *item = post(world, site, CSN_EVENT_STAGED, 20 + site);
    struct csn_buf all = {0};
    struct csn_roots roots;
    uint8_t key[CSN_DIGEST_SIZE + 2];
    item->event.corr = effect->corr;
    for (unsigned i = 0; i < effect->work.proposal->author_count; i++) {
        struct world_blob *share = map_find(
            &self->disk.shares, share_key(&effect->work.hash, effect->work.offers[i].site, key));
        INSIST(share != NULL);
        INSIST(
            !effect->work.offers[i].has_root ||
            csn_bytes_equal(csn_buf_view(&share->value), digest_view(&effect->work.offers[i].b)));
        csn_buf_put_bytes(&all, csn_buf_view(&share->value));
    }
    compute_roots(effect->work.proposal, self->flavour, &roots);
    csn_buf_put(&all, &roots, sizeof(roots));
    csn_sha384(csn_buf_view(&all), &item->event.staged.b);
    hash_parts('F', digest_view(&item->event.staged.b), csn_bytes(&roots, sizeof(roots)),
               &item->event.staged.full_root);
    item->event.staged.records = 100;
    item->event.staged.signatures = 21;
    item->event.staged.earliest_expiry_s = effect->work.proposal->time_s + world->zone.refresh_s;
    item->event.code = self->is_stage_failing ? CSN_ESIGNATURE : CSN_OK;
    bool is_expected = csn_digest_is_zero(&effect->work.full_root) ||
                       csn_digest_equal(&effect->work.full_root, &item->event.staged.full_root);
    item->event.code = is_expected ? item->event.code : CSN_EMISMATCH;
    if (item->event.code == CSN_OK) {
        map_put(&self->disk.versions, digest_view(&item->event.staged.full_root), csn_bytes("", 0));
    }
    csn_buf_fini(&all);
}

static bool is_reachable(const struct world *world, unsigned a, unsigned b)
{
    return world->sites[a].node != NULL && world->sites[b].node != NULL &&
           !world->sites[a].is_cut_off && !world->sites[b].is_cut_off;
}

static bool copy_blob(struct world_map *from, struct world_map *to, struct csn_bytes key)
{
    struct world_blob *blob = map_find(from, key);
    if (blob != NULL) {
        map_put(to, key, csn_buf_view(&blob->value));
    }
    return blob != NULL;
}

static void post_certificate(struct world *world, unsigned target, struct csn_bytes octets,
                             uint64_t delay_ms)
{
    struct world_item *item = post(world, target, CSN_EVENT_CERTIFICATE, delay_ms);
    csn_buf_put_bytes(&item->octets, octets);
    INSIST(csn_certificate_decode(octets, &item->certificate) == CSN_OK);
}

static bool fetch_from(struct world *world, unsigned site, unsigned peer,
                       const struct csn_effect *effect)
{
    struct world_disk *from = &world->sites[peer].disk, *to = &world->sites[site].disk;
    uint8_t key[CSN_DIGEST_SIZE + 2];
    struct csn_bytes octets;
    switch (effect->fetch.object) {
    case CSN_OBJECT_INPUT:
        return copy_blob(&from->inputs, &to->inputs,
                         csn_bytes(&effect->fetch.input, sizeof(effect->fetch.input)));
    case CSN_OBJECT_SHARE:
        return copy_blob(&from->shares, &to->shares,
                         share_key(&effect->fetch.digest, effect->fetch.author, key));
    case CSN_OBJECT_VERSION:
        return copy_blob(&from->versions, &to->versions, digest_view(&effect->fetch.digest));
    case CSN_OBJECT_CERTIFICATES:
        octets =
            csn_node_certificate_above(world->sites[peer].node, effect->zone, effect->fetch.above);
        if (octets.size > 0) {
            post_certificate(world, site, octets, 10);
        }
        return octets.size > 0;
    case CSN_OBJECT_FLOORS:
        break; /* on_fetch: they are carried by the event */
    }
    return false;
}

static void on_fetch(struct world *world, unsigned site, const struct csn_effect *effect)
{
    struct world_item *item = post(world, site, CSN_EVENT_FETCHED, 20);
    item->event.corr = effect->corr;
    item->event.code = CSN_ENOTFOUND;
    for (unsigned i = 0; i < effect->fetch.site_count && item->event.code != CSN_OK; i++) {
        unsigned peer = effect->fetch.sites[i] - 1u;
        bool is_near = is_reachable(world, site, peer);
        if (is_near && effect->fetch.object == CSN_OBJECT_FLOORS) {
            csn_buf_put_bytes(&item->octets,
                              csn_node_floors(world->sites[peer].node, &effect->fetch.digest));
            item->event.code = item->octets.size > 0 ? CSN_OK : CSN_ENOTFOUND;
        } else if (is_near && fetch_from(world, site, peer, effect)) {
            item->event.code = CSN_OK;
        }
    }
}

static void on_persist(struct world *world, unsigned site, const struct csn_effect *effect)
{
    struct world_item *item = post(world, site, CSN_EVENT_PERSISTED, 5);
    item->event.persist_id = effect->persist.id;
    for (size_t i = 0; i < effect->persist.write_count; i++) {
        map_put(&item->writes, effect->persist.writes[i].key, effect->persist.writes[i].value);
    }
    if (effect->persist.second.key.data != NULL) {
        map_put(&item->second, effect->persist.second.key, effect->persist.second.value);
    }
    /* Expected state is checked against what will be on disk by then: persists in the queue come
     * before. */
    struct world_map state = {0};
    struct world_disk *disk = &world->sites[site].disk;
    for (size_t i = 0; i < disk->records.count; i++) {
        map_put(&state, csn_buf_view(&disk->records.items[i].key),
                csn_buf_view(&disk->records.items[i].value));
    }
    for (size_t q = 0; q < world->queue_count; q++) {
        struct world_item *other = world->queue[q];
        bool is_before = other != item && other->target == site && other->boot == item->boot;
        for (size_t i = 0; is_before && i < other->writes.count; i++) {
            map_put(&state, csn_buf_view(&other->writes.items[i].key),
                    csn_buf_view(&other->writes.items[i].value));
        }
    }
    for (size_t i = 0; i < effect->persist.expect_count; i++) {
        const struct csn_record_pair *expect = &effect->persist.expects[i];
        struct world_blob *blob = map_find(&state, expect->key);
        struct csn_bytes found = blob != NULL ? csn_buf_view(&blob->value) : csn_bytes(NULL, 0);
        if (!csn_bytes_equal(found, expect->value)) {
            item->event.code = CSN_EMISMATCH;
        }
    }
    map_fini(&state);
}

/* In the place of a signature. */
static void sign(enum csn_statement_kind kind, uint16_t signer, uint32_t incarnation,
                 struct csn_bytes body, uint8_t ret_signature[CSN_SIGNATURE_SIZE])
{
    struct csn_buf message = {0};
    struct csn_digest digest;
    csn_statement_signed(kind, signer, incarnation, body, &message);
    csn_sha384(csn_buf_view(&message), &digest);
    memset(ret_signature, 0, CSN_SIGNATURE_SIZE);
    memcpy(ret_signature, digest.octets, sizeof(digest.octets));
    csn_buf_fini(&message);
}

static bool verify(void *arg, const uint8_t key[CSN_ED25519_SIZE], struct csn_bytes message,
                   const uint8_t signature[CSN_SIGNATURE_SIZE])
{
    struct csn_digest digest;
    (void)arg;
    (void)key;
    csn_sha384(message, &digest);
    return memcmp(digest.octets, signature, sizeof(digest.octets)) == 0;
}

static const struct csn_cluster *cluster_of(const struct world *world, unsigned target)
{
    bool is_next = target == WORLD_LEADER ? world->is_leader_next : world->sites[target].is_next;
    return is_next ? &world->next : &world->cluster;
}

static void broadcast(struct world *world, unsigned from, uint16_t signer, uint32_t incarnation,
                      enum csn_statement_kind kind, struct csn_bytes body)
{
    for (unsigned target = 0; target <= WORLD_LEADER; target++) {
        bool is_cut = (from < WORLD_SITES && world->sites[from].is_cut_off) ||
                      (target < WORLD_SITES && world->sites[target].is_cut_off);
        if (world->is_deaf_to[kind] || (is_cut && from != target)) {
            continue;
        }
        struct world_item *item = post(world, target, CSN_EVENT_STATEMENT, 10 + target);
        item->event.statement.kind = kind;
        item->event.statement.signer = signer;
        item->event.statement.incarnation = incarnation;
        csn_buf_put_bytes(&item->octets, body);
        sign(kind, signer, incarnation, body, item->signature);
    }
}

static void on_send(struct world *world, unsigned from, const struct csn_effect *effect)
{
    enum csn_statement_kind kind = effect->send.kind;
    world->sent[kind]++;
    if (kind == CSN_STATEMENT_PROPOSAL) {
        struct csn_body_proposal body;
        INSIST(csn_body_proposal_decode(effect->send.body, &body) == CSN_OK);
        world->proposals += csn_round_compare(body.proposal.round, world->proposal.round) != 0;
        world->proposal = body.proposal;
    } else if (kind == CSN_STATEMENT_REFUSED) {
        INSIST(csn_body_refused_decode(effect->send.body, &world->refused) == CSN_OK);
    }
    uint16_t signer = from == WORLD_LEADER ? 1 : (uint16_t)(from + 1);
    const struct csn_member *member = csn_cluster_member(cluster_of(world, from), signer);
    broadcast(world, from, signer, from == WORLD_LEADER ? 0 : member->incarnation, kind,
              effect->send.body);
}

static void on_forward(struct world *world, unsigned from, const struct csn_effect *effect)
{
    world->sent[effect->forward.kind]++;
    broadcast(world, from, effect->forward.signer, effect->forward.incarnation,
              effect->forward.kind, effect->forward.body);
}

/* The link is durable before the site begins again; one that is no member any more stays. */
static void on_epoch(struct world *world, unsigned site, const struct csn_effect *effect)
{
    struct world_site *self = &world->sites[site];
    if (effect->epoch.certificate.size > 0) {
        struct csn_epoch_certificate link;
        INSIST(csn_epoch_certificate_decode(effect->epoch.certificate, &link) == CSN_OK);
        INSIST(csn_epoch_certificate_check(&link, &world->cluster, &world->next, verify, NULL,
                                           NULL) == CSN_OK);
        world->link = world->has_link ? world->link : link;
        world->has_link = true;
    }
    self->has_link = true;
    self->wants_restart =
        csn_epoch_stays(&world->cluster, &world->next, (uint16_t)(site + 1));
}

static void on_certificate(struct world *world, unsigned from, const struct csn_effect *effect)
{
    struct csn_certificate certificate;
    bool is_known = false;
    INSIST(csn_certificate_decode(effect->certificate, &certificate) == CSN_OK);
    world->certificates++;
    struct csn_release release = csn_certificate_release(&certificate);
    for (size_t i = 0; i < world->certified_count; i++) {
        is_known = is_known || csn_round_compare(world->certified[i].round, release.round) == 0;
    }
    if (!is_known) {
        world->certified_serials[world->certified_count] = certificate.held.proposal.serial;
        world->certified[world->certified_count++] = release;
    }
    for (unsigned target = 0; target <= WORLD_LEADER; target++) {
        bool is_cut = (from < WORLD_SITES && world->sites[from].is_cut_off) ||
                      (target < WORLD_SITES && world->sites[target].is_cut_off);
        if (target != from && !is_cut) {
            post_certificate(world, target, effect->certificate, 10 + target);
        }
    }
}

static void on_release(struct world *world, unsigned site, const struct csn_effect *effect)
{
    struct world_site *self = &world->sites[site];
    const struct csn_body_held *held = &effect->release.certificate->held;
    if (effect->kind == CSN_EFFECT_RELEASE) {
        struct world_item *item = post(world, site, CSN_EVENT_RELEASED, 5);
        item->event.corr = effect->corr;
        item->event.code = map_find(&self->disk.versions, digest_view(&held->full_root)) != NULL
                               ? CSN_OK
                               : CSN_EDAMAGED;
    } else {
        self->serving = csn_certificate_release(effect->release.certificate);
        self->serving_serial = held->proposal.serial;
        self->serve_count++;
    }
}

static void execute(struct world *world, unsigned from, const struct csn_effect *effect)
{
    switch (effect->kind) {
    case CSN_EFFECT_COMPUTE:
    case CSN_EFFECT_SIGN:
    case CSN_EFFECT_PROVE:
        on_work(world, from, effect);
        break;
    case CSN_EFFECT_FETCH:
        on_fetch(world, from, effect);
        break;
    case CSN_EFFECT_STAGE:
        on_stage(world, from, effect);
        break;
    case CSN_EFFECT_RELEASE:
    case CSN_EFFECT_SERVE:
        on_release(world, from, effect);
        break;
    case CSN_EFFECT_PERSIST:
        on_persist(world, from, effect);
        break;
    case CSN_EFFECT_SEND:
        on_send(world, from, effect);
        break;
    case CSN_EFFECT_FORWARD:
        on_forward(world, from, effect);
        break;
    case CSN_EFFECT_ORDER:
    case CSN_EFFECT_REFUSED:
        break;
    case CSN_EFFECT_EPOCH:
        on_epoch(world, from, effect);
        break;
    case CSN_EFFECT_CERTIFICATE:
        on_certificate(world, from, effect);
        break;
    case CSN_EFFECT_DELETE_VERSION:
        map_delete(&world->sites[from].disk.versions, digest_view(&effect->version));
        break;
    case CSN_EFFECT_TRACE:
        world->traces[effect->trace.what]++;
        world->last[effect->trace.what] = effect->trace;
        break;
    case CSN_EFFECT_COUNT:
        world->counts[effect->count]++;
        break;
    case CSN_EFFECT_DELETE_INPUT:
        world->deleted_inputs++;
        break;
    case CSN_EFFECT_CANCEL:
        break;
    }
}

static void step(struct world *world, unsigned target, const struct csn_event *event)
{
    struct csn_effects effects = {0};
    if (target == WORLD_LEADER) {
        csn_leader_step(world->leader, event, &effects);
    } else {
        csn_node_step(world->sites[target].node, event, &effects);
    }
    for (size_t i = 0; i < effects.count; i++) {
        execute(world, target, &effects.items[i]);
    }
    csn_effects_fini(&effects);
}

static bool is_up(const struct world *world, unsigned target)
{
    return target == WORLD_LEADER ? world->leader != NULL : world->sites[target].node != NULL;
}

static void apply_persist(struct world *world, const struct world_item *item)
{
    struct world_disk *disk = &world->sites[item->target].disk;
    for (size_t i = 0; i < item->second.count; i++) {
        map_put(&disk->seconds, csn_buf_view(&item->second.items[i].key),
                csn_buf_view(&item->second.items[i].value));
    }
    for (size_t i = 0; i < item->writes.count && item->event.code == CSN_OK; i++) {
        struct csn_bytes key = csn_buf_view(&item->writes.items[i].key);
        if (item->writes.items[i].value.size == 0) {
            map_delete(&disk->records, key);
        } else {
            map_put(&disk->records, key, csn_buf_view(&item->writes.items[i].value));
        }
    }
}

static void deliver(struct world *world, struct world_item *item)
{
    unsigned boot =
        item->target == WORLD_LEADER ? world->leader_boot : world->sites[item->target].boot;
    if (!is_up(world, item->target) || boot != item->boot) {
        return;
    }
    item->event.now = world_now(world, item->target);
    if (item->event.kind == CSN_EVENT_STATEMENT) {
        item->event.statement.body = csn_buf_view(&item->octets);
        item->event.statement.signature = item->signature;
    } else if (item->event.kind == CSN_EVENT_CERTIFICATE) {
        item->event.certificate.octets = csn_buf_view(&item->octets);
        item->event.certificate.certificate = &item->certificate;
    } else if (item->event.kind == CSN_EVENT_FETCHED) {
        item->event.floors = csn_buf_view(&item->octets);
    } else if (item->event.kind == CSN_EVENT_PERSISTED) {
        apply_persist(world, item);
    }
    step(world, item->target, &item->event);
}

static void tick(struct world *world)
{
    for (unsigned target = 0; target <= WORLD_LEADER; target++) {
        if (is_up(world, target)) {
            struct csn_event event = {.kind = CSN_EVENT_TICK, .now = world_now(world, target)};
            step(world, target, &event);
        }
    }
}

/* To the next event or tick. */
static void advance(struct world *world)
{
    uint64_t tick_ms = world->ticked_ms + CSN_TICK_MS;
    if (world->queue_count > 0 && world->queue[0]->due_ms <= tick_ms) {
        struct world_item *item = world->queue[0];
        world->queue_count--;
        memmove(world->queue, world->queue + 1, world->queue_count * sizeof(struct world_item *));
        world->now_ms = item->due_ms > world->now_ms ? item->due_ms : world->now_ms;
        deliver(world, item);
        item_free(item);
    } else {
        world->now_ms = world->ticked_ms = tick_ms;
        tick(world);
    }
}

static void restart(struct world *world)
{
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        if (world->sites[i].wants_restart) {
            world_stop_site(world, i);
            world->sites[i].wants_restart = false;
            world->sites[i].is_next = true;
            world_start_site(world, i);
        }
    }
}

void world_run(struct world *world, uint64_t span_ms)
{
    uint64_t end_ms = world->now_ms + span_ms;
    while (world->now_ms < end_ms) {
        advance(world);
        restart(world);
    }
}

static bool all_serve_newest(const struct world *world)
{
    const struct csn_release *newest = &world->certified[world->certified_count - 1];
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        const struct world_site *site = &world->sites[i];
        if (site->node != NULL && !site->is_cut_off &&
            csn_round_compare(site->serving.round, newest->round) < 0) {
            return false;
        }
    }
    return true;
}

bool world_run_until(struct world *world, size_t certified, uint64_t span_ms)
{
    uint64_t end_ms = world->now_ms + span_ms;
    while (world->now_ms < end_ms) {
        if (world->certified_count >= certified && all_serve_newest(world)) {
            return true;
        }
        advance(world);
        restart(world);
    }
    return false;
}

/* --- set-up */

struct csn_input_id world_input(uint32_t serial, char content)
{
    struct csn_input_id id;
    memset(&id, 0, sizeof(id)); /* padding too: its octets are a key */
    id.generation = 1;
    id.serial = serial;
    hash_parts('r', csn_bytes(&serial, 4), csn_bytes(&content, 1), &id.received);
    hash_parts('p', csn_bytes(&serial, 4), csn_bytes(&content, 1), &id.prepared);
    return id;
}

static void send_input(struct world *world, unsigned site, const struct csn_input_id *id,
                       bool is_confirmed)
{
    struct csn_event event = {.kind = CSN_EVENT_INPUT, .now = world_now(world, site)};
    event.input.zone = world->zone.zone;
    event.input.id = *id;
    event.input.is_confirmed = is_confirmed;
    step(world, site, &event);
}

void world_give_input(struct world *world, unsigned site, const struct csn_input_id *id)
{
    uint8_t confirmed = 1;
    map_put(&world->sites[site].disk.inputs, csn_bytes(id, sizeof(*id)), csn_bytes(&confirmed, 1));
    if (is_up(world, site)) {
        send_input(world, site, id, true);
    }
}

void world_give_all(struct world *world, uint32_t serial)
{
    struct csn_input_id id = world_input(serial, 'a');
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world_give_input(world, i, &id);
    }
}

void world_set_hsm(struct world *world, unsigned site, enum csn_hsm_state hsm)
{
    world->sites[site].hsm = hsm;
    if (is_up(world, site)) {
        struct csn_event event = {.kind = CSN_EVENT_HSM, .now = world_now(world, site)};
        event.hsm.zone = world->zone.zone;
        event.hsm.state = hsm;
        step(world, site, &event);
    }
}

void world_set_documents(struct world *world, unsigned site, const struct csn_round_zone *zone)
{
    struct csn_event event = {.kind = CSN_EVENT_DOCUMENTS, .now = world_now(world, site)};
    event.documents = zone;
    step(world, site, &event);
}

static void pairs_of(const struct world_map *map, struct csn_record_pair *pairs)
{
    for (size_t i = 0; i < map->count; i++) {
        pairs[i] = (struct csn_record_pair){csn_buf_view(&map->items[i].key),
                                            csn_buf_view(&map->items[i].value)};
    }
}

void world_start_site(struct world *world, unsigned site)
{
    struct world_site *self = &world->sites[site];
    struct csn_event event = {.kind = CSN_EVENT_START, .now = world_now(world, site)};
    struct csn_record_pair *records = csn_calloc(self->disk.records.count, sizeof(*records));
    struct csn_record_pair *seconds = csn_calloc(self->disk.seconds.count, sizeof(*seconds));
    struct csn_version_name *versions = csn_calloc(self->disk.versions.count, sizeof(*versions));
    pairs_of(&self->disk.records, records);
    pairs_of(&self->disk.seconds, seconds);
    for (size_t i = 0; i < self->disk.versions.count; i++) {
        versions[i].zone = world->zone.zone;
        memcpy(versions[i].full_root.octets, self->disk.versions.items[i].key.data,
               CSN_DIGEST_SIZE);
    }
    event.start.records = records;
    event.start.record_count = self->disk.records.count;
    event.start.seconds = seconds;
    event.start.second_count = self->disk.seconds.count;
    event.start.versions = versions;
    event.start.version_count = self->disk.versions.count;
    event.start.link = self->is_next && self->has_link ? &world->link : NULL;
    self->serving = (struct csn_release){0};
    const struct csn_round_zone zones[] = {world->zone, world->other};
    self->node = csn_node_new(cluster_of(world, site), (uint16_t)(site + 1), zones, self->has_other ? 2 : 1);
    self->boot++;
    step(world, site, &event);
    world_set_hsm(world, site, self->hsm);
    for (size_t i = 0; i < self->disk.inputs.count; i++) {
        struct csn_input_id id;
        memcpy(&id, self->disk.inputs.items[i].key.data, sizeof(id));
        send_input(world, site, &id, self->disk.inputs.items[i].value.data[0] != 0);
    }
    if (self->has_next && !self->is_next) {
        world_give_next(world, site);
    }
    free(records);
    free(seconds);
    free(versions);
}

void world_give_next(struct world *world, unsigned site)
{
    struct csn_event event = {
        .kind = CSN_EVENT_NEXT, .now = world_now(world, site), .next = &world->next};
    world->sites[site].has_next = true;
    step(world, site, &event);
}

void world_give_link(struct world *world, unsigned site)
{
    struct csn_event event = {.kind = CSN_EVENT_EPOCH, .now = world_now(world, site)};
    event.epoch.certificate = &world->link;
    event.epoch.next = &world->next;
    world->sites[site].has_link = true;
    step(world, site, &event);
}

static void disk_fini(struct world_disk *disk)
{
    map_fini(&disk->records);
    map_fini(&disk->seconds);
    map_fini(&disk->versions);
    map_fini(&disk->shares);
    map_fini(&disk->inputs);
}

void world_replace_site(struct world *world, unsigned site)
{
    world_stop_site(world, site);
    disk_fini(&world->sites[site].disk);
    world->sites[site].is_next = true;
    world->sites[site].has_link = false;
}

void world_copy_records(const struct world_disk *disk, struct world_map *ret_copy)
{
    for (size_t i = 0; i < disk->records.count; i++) {
        map_put(ret_copy, csn_buf_view(&disk->records.items[i].key),
                csn_buf_view(&disk->records.items[i].value));
    }
}

void world_put_back(struct world *world, unsigned site, struct world_map *take_records)
{
    map_fini(&world->sites[site].disk.records);
    world->sites[site].disk.records = *take_records;
    *take_records = (struct world_map){0};
}

void world_stop_site(struct world *world, unsigned site)
{
    csn_node_free(world->sites[site].node);
    world->sites[site].node = NULL;
}

void world_start_leader(struct world *world)
{
    struct csn_event event = {.kind = CSN_EVENT_START, .now = world_now(world, WORLD_LEADER)};
    world->leader = csn_leader_new(cluster_of(world, WORLD_LEADER), 1, &world->zone, 1);
    world->leader_boot++;
    step(world, WORLD_LEADER, &event);
}

void world_stop_leader(struct world *world)
{
    csn_leader_free(world->leader);
    world->leader = NULL;
}

void world_start_all(struct world *world)
{
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        world_start_site(world, i);
    }
    world_start_leader(world);
}

void world_init(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->now_ms = world->ticked_ms = 100000;
    struct csn_cluster *cluster = &world->cluster;
    memset(cluster->id, 0xc1, sizeof(cluster->id));
    cluster->environment = 1;
    cluster->epoch = 1;
    memset(&cluster->digest, 0xd0, sizeof(cluster->digest));
    cluster->quorum = 2;
    cluster->member_count = WORLD_SITES;
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        cluster->members[i] =
            (struct csn_member){.number = (uint16_t)(i + 1), .name = "site", .incarnation = 1};
        world->sites[i].hsm = CSN_HSM_GOOD;
    }
    cluster->operator_count = 1;
    cluster->coordinator_count = 2;
    cluster->coordinators[0].number = 1;
    cluster->coordinators[1].number = 2;
    struct csn_round_zone *zone = &world->zone;
    INSIST(csn_name_parse("example.", zone->zone) == CSN_OK);
    zone->serial_rule = CSN_SERIAL_UNIXTIME;
    zone->refresh_interval_s = 3600;
    zone->round_deadline_ms = 120000;
    zone->behind_max_s = 300;
    zone->max_round_age_s = 1800;
    zone->refresh_s = 14 * 86400;
    zone->policy.number = zone->keyset.number = 1;
    memset(&zone->policy.digest, 0x14, sizeof(zone->policy.digest));
    memset(&zone->keyset.digest, 0x15, sizeof(zone->keyset.digest));
    world->other = *zone;
    INSIST(csn_name_parse("other.", world->other.zone) == CSN_OK);
}

void world_fini(struct world *world)
{
    for (unsigned i = 0; i < WORLD_SITES; i++) {
        csn_node_free(world->sites[i].node);
        disk_fini(&world->sites[i].disk);
    }
    csn_leader_free(world->leader);
    for (size_t i = 0; i < world->queue_count; i++) {
        item_free(world->queue[i]);
    }
    free(world->queue);
}

void world_inject(struct world *world, unsigned target, enum csn_statement_kind kind,
                  uint16_t signer, struct csn_bytes body)
{
    uint8_t signature[CSN_SIGNATURE_SIZE] = {0};
    struct csn_event event = {.kind = CSN_EVENT_STATEMENT, .now = world_now(world, target)};
    event.statement.kind = kind;
    event.statement.signer = signer;
    event.statement.incarnation =
        csn_statement_is_coordinators(kind) || csn_statement_is_operators(kind) ? 0 : 1;
    event.statement.body = body;
    event.statement.signature = signature;
    step(world, target, &event);
}

void world_node_zone(const struct world *world, unsigned site,
                     struct csn_node_zone_status *ret_status)
{
    csn_node_get_zone(world->sites[site].node, 0, world_now(world, site), ret_status);
}
