#include "round_world_own.h"

#include <string.h>

#include "base/error.h"

static struct csn_bytes digest_view(const struct csn_digest *digest)
{
    return csn_bytes(digest->octets, sizeof(digest->octets));
}

/* --- symbols instead of zones */

void world_hash(char letter, struct csn_bytes a, struct csn_bytes b, struct csn_digest *ret_digest)
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
    world_hash('D', digest_view(&proposal->input.prepared), d, &ret_roots->d);
    world_hash('K', digest_view(&proposal->keyset.digest), k, &ret_roots->k);
    world_hash('N', digest_view(&proposal->input.prepared), n, &ret_roots->n);
    world_hash('R', csn_bytes(&proposal->time_s, 8), r, &ret_roots->r);
}

static struct csn_bytes share_key(const struct csn_digest *hash, uint16_t site,
                                  uint8_t ret_key[CSN_DIGEST_SIZE + 2])
{
    memcpy(ret_key, hash->octets, CSN_DIGEST_SIZE);
    csn_set_u16(ret_key + CSN_DIGEST_SIZE, site);
    return csn_bytes(ret_key, CSN_DIGEST_SIZE + 2);
}

/* --- what the machines ask for */

static void on_work(struct world *world, unsigned site, const struct csn_effect *effect)
{
    struct world_site *self = &world->sites[site];
    uint8_t key[CSN_DIGEST_SIZE + 2];
    if (effect->kind == CSN_EFFECT_COMPUTE) {
        struct world_item *item = world_post(world, site, CSN_EVENT_COMPUTED, 20 + site);
        item->event.corr = effect->corr;
        compute_roots(effect->work.proposal, self->flavour, &item->event.computed);
    } else if (effect->kind == CSN_EFFECT_SIGN && !self->is_sign_silent) {
        struct world_item *item = world_post(world, site, CSN_EVENT_SIGNED, 30 + site);
        item->event.corr = effect->corr;
        item->event.code = self->is_sign_failing ? CSN_EHSM : CSN_OK;
        item->event.share.count = 7;
        struct csn_bytes name = share_key(&effect->work.hash, (uint16_t)(site + 1), key);
        world_hash('S', name, csn_bytes("", 0), &item->event.share.b);
        if (!self->is_sign_failing) {
            world_map_put(&self->disk.shares, name, digest_view(&item->event.share.b));
        }
    }
}

static void on_stage(struct world *world, unsigned site, const struct csn_effect *effect)
{
    struct world_site *self = &world->sites[site];
    struct world_item *item = world_post(world, site, CSN_EVENT_STAGED, 20 + site);
    struct csn_buf all = {0};
    struct csn_roots roots;
    uint8_t key[CSN_DIGEST_SIZE + 2];
    item->event.corr = effect->corr;
    for (unsigned i = 0; i < effect->work.proposal->author_count; i++) {
        struct world_blob *share = world_map_find(
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
    world_hash('F', digest_view(&item->event.staged.b), csn_bytes(&roots, sizeof(roots)),
               &item->event.staged.full_root);
    item->event.staged.records = 100;
    item->event.staged.signatures = 21;
    item->event.staged.earliest_expiry_s = effect->work.proposal->time_s + world->zone.refresh_s;
    item->event.code = self->is_stage_failing ? CSN_ESIGNATURE : CSN_OK;
    bool is_expected = csn_digest_is_zero(&effect->work.full_root) ||
                       csn_digest_equal(&effect->work.full_root, &item->event.staged.full_root);
    item->event.code = is_expected ? item->event.code : CSN_EMISMATCH;
    if (item->event.code == CSN_OK) {
        world_map_put(&self->disk.versions, digest_view(&item->event.staged.full_root),
                      csn_bytes("", 0));
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
    struct world_blob *blob = world_map_find(from, key);
    if (blob != NULL) {
        world_map_put(to, key, csn_buf_view(&blob->value));
    }
    return blob != NULL;
}

static void post_certificate(struct world *world, unsigned target, struct csn_bytes octets,
                             uint64_t delay_ms)
{
    struct world_item *item = world_post(world, target, CSN_EVENT_CERTIFICATE, delay_ms);
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
    struct world_item *item = world_post(world, site, CSN_EVENT_FETCHED, 20);
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
    struct world_item *item = world_post(world, site, CSN_EVENT_PERSISTED, 5);
    item->event.persist_id = effect->persist.id;
    for (size_t i = 0; i < effect->persist.write_count; i++) {
        world_map_put(&item->writes, effect->persist.writes[i].key,
                      effect->persist.writes[i].value);
    }
    if (effect->persist.second.key.data != NULL) {
        world_map_put(&item->second, effect->persist.second.key, effect->persist.second.value);
    }
    /* Expected state is checked against what will be on disk by then: persists in the queue come
     * before. */
    struct world_map state = {0};
    struct world_disk *disk = &world->sites[site].disk;
    for (size_t i = 0; i < disk->records.count; i++) {
        world_map_put(&state, csn_buf_view(&disk->records.items[i].key),
                      csn_buf_view(&disk->records.items[i].value));
    }
    for (size_t q = 0; q < world->queue_count; q++) {
        struct world_item *other = world->queue[q];
        bool is_before = other != item && other->target == site && other->boot == item->boot;
        for (size_t i = 0; is_before && i < other->writes.count; i++) {
            world_map_put(&state, csn_buf_view(&other->writes.items[i].key),
                          csn_buf_view(&other->writes.items[i].value));
        }
    }
    for (size_t i = 0; i < effect->persist.expect_count; i++) {
        const struct csn_record_pair *expect = &effect->persist.expects[i];
        struct world_blob *blob = world_map_find(&state, expect->key);
        struct csn_bytes found = blob != NULL ? csn_buf_view(&blob->value) : csn_bytes(NULL, 0);
        if (!csn_bytes_equal(found, expect->value)) {
            item->event.code = CSN_EMISMATCH;
        }
    }
    world_map_fini(&state);
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

static void broadcast(struct world *world, unsigned from, uint16_t signer, uint32_t incarnation,
                      enum csn_statement_kind kind, struct csn_bytes body)
{
    for (unsigned target = 0; target <= WORLD_LEADER; target++) {
        bool is_cut = (from < WORLD_SITES && world->sites[from].is_cut_off) ||
                      (target < WORLD_SITES && world->sites[target].is_cut_off);
        if (world->is_deaf_to[kind] || (is_cut && from != target)) {
            continue;
        }
        struct world_item *item = world_post(world, target, CSN_EVENT_STATEMENT, 10 + target);
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
    const struct csn_member *member = csn_cluster_member(world_cluster(world, from), signer);
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
    self->wants_restart = csn_epoch_stays(&world->cluster, &world->next, (uint16_t)(site + 1));
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
        struct world_item *item = world_post(world, site, CSN_EVENT_RELEASED, 5);
        item->event.corr = effect->corr;
        item->event.code =
            world_map_find(&self->disk.versions, digest_view(&held->full_root)) != NULL
                ? CSN_OK
                : CSN_EDAMAGED;
    } else {
        self->serving = csn_certificate_release(effect->release.certificate);
        self->serving_serial = held->proposal.serial;
        self->serve_count++;
    }
}

void world_execute(struct world *world, unsigned from, const struct csn_effect *effect)
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
        world_map_delete(&world->sites[from].disk.versions, digest_view(&effect->version));
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
