/* Tree walks over the key-value seam: what a site computed other than the quorum is compared with a site that computed the same
 * proposal, by the code of lib/zone (walk.h, tree.h), an exchange a round trip. What it finds must be exactly the RRsets and RRSIGs
 * in which the two contents differ, by comparing all of them, and in three exchanges. */
#include "sim/kv_store.h"

#include <stdlib.h>

#include "zone/rows.h"
#include "zone/walk.h"

#define TRIES_MAX 20 /* a second apart: then nobody has that content any more, or is in reach */
#define EXCHANGES 3  /* tops, buckets, leaves */

struct kv_walk {
    struct csn_digest hash; /* H(P) */
    struct csn_walk *walk;  /* owns */
    uint16_t peer;
    unsigned exchanges, tries;
};

void kv_walk_free(struct kv_walk *take_walk)
{
    if (take_walk != NULL) {
        csn_walk_free(take_walk->walk);
        free(take_walk);
    }
}

static const struct csn_content *content_of(const struct sim_actor *actor, unsigned zone, const struct csn_digest *hash)
{
    for (unsigned i = 0; actor->is_up && actor->store != NULL && i < KV_WORKS; i++) {
        const struct kv_work *work = &actor->store->works[zone][i];
        if (work->content != NULL && csn_digest_equal(&work->hash, hash)) {
            return work->content;
        }
    }
    return NULL;
}

/* --- what a site answers, as node/trees.c does */

static struct csn_tree *tree_of(const struct csn_content *content, const uint8_t *apex)
{
    struct csn_tree *tree = csn_tree_new(apex, CSN_TREE_ALL & ~(1u << csn_tree_class_place(CSN_CLASS_B)));
    struct csn_buf buf = {0};
    for (size_t i = 0; i < content->zone->count; i++) {
        struct csn_entry entry;
        csn_content_heads(content, i, &buf, &entry);
        INSIST(csn_tree_add(tree, &entry) == CSN_OK);
    }
    csn_tree_finish(tree);
    csn_buf_fini(&buf);
    return tree;
}

static void put_rows(const struct csn_content *content, const struct csn_tree *tree, struct csn_tree_place place,
                     struct csn_buf *octets)
{
    size_t count;
    struct csn_buf rows = {0}, buf = {0}, heads = {0};
    const struct csn_tree_leaf *leaves = csn_tree_leaves(tree, place.class_place, place.branch, place.bucket, &count);
    for (size_t i = 0; i < count; i++) {
        struct csn_entry entry, row = {0};
        csn_content_heads(content, leaves[i].item / 2, &buf, &entry);
        INSIST(csn_tree_leaf_rrset(csn_tree_class(place.class_place), &entry, leaves[i].item % 2 != 0, &heads, &row.rrset) ==
               CSN_OK);
        csn_rows_put(&rows, &row);
    }
    csn_buf_put_u32(octets, (uint32_t)rows.size);
    csn_buf_put_bytes(octets, csn_buf_view(&rows));
    csn_buf_fini(&rows);
    csn_buf_fini(&buf);
    csn_buf_fini(&heads);
}

/* `exchange` 1: tops; 2: vectors of buckets; 3: leaves. False: the question is none. */
static bool answer(const struct csn_content *content, const uint8_t *apex, unsigned exchange, struct csn_bytes question,
                   struct csn_buf *octets)
{
    struct csn_tree *tree = tree_of(content, apex);
    struct csn_tree_place *places = csn_calloc(CSN_WALK_PLACES_MAX, sizeof(*places));
    struct csn_tree_vector *vector = csn_alloc(sizeof(*vector));
    struct csn_hasher *hasher = csn_hasher_new();
    size_t count = 0;
    bool is_good = exchange == 1 || csn_walk_places_read(tree, question, exchange == EXCHANGES, places, &count) == CSN_OK;
    if (exchange == 1) {
        csn_walk_tops_put(tree, octets);
    }
    for (size_t i = 0; is_good && i < count; i++) {
        if (exchange == EXCHANGES) {
            put_rows(content, tree, places[i], octets);
        } else {
            csn_tree_buckets(tree, hasher, places[i].class_place, places[i].branch, vector);
            csn_tree_vector_put(vector, octets);
        }
    }
    csn_hasher_free(hasher);
    free(vector);
    free(places);
    csn_tree_free(tree);
    return is_good;
}

/* --- all of both contents, compared one by one */

/* Where an RRset, or its RRSIGs, stands as it is. */
static bool has(const struct csn_content *content, const struct csn_rrset *rrset)
{
    struct csn_buf buf = {0};
    bool is_there = false;
    for (size_t i = 0; !is_there && i < content->zone->count; i++) {
        struct csn_entry entry;
        csn_content_heads(content, i, &buf, &entry);
        is_there = csn_rrset_equal(&entry.rrset, rrset) || (entry.rrsigs.count > 0 && csn_rrset_equal(&entry.rrsigs, rrset));
    }
    csn_buf_fini(&buf);
    return is_there;
}

/* How many RRsets and RRSIGs of one are not in the other as they are. */
static size_t missing(const struct csn_content *from, const struct csn_content *in)
{
    struct csn_buf buf = {0};
    size_t count = 0;
    for (size_t i = 0; i < from->zone->count; i++) {
        struct csn_entry entry;
        csn_content_heads(from, i, &buf, &entry);
        count += !has(in, &entry.rrset);
        count += entry.rrsigs.count > 0 && !has(in, &entry.rrsigs);
    }
    csn_buf_fini(&buf);
    return count;
}

static void judge(struct sim_world *world, const struct sim_actor *actor, struct kv_walk *walk,
                  const struct csn_content *const contents[2])
{
    const struct csn_walk_difference *differences;
    size_t count = csn_walk_finish(walk->walk, &differences), sides[2] = {0};
    for (size_t i = 0; i < count; i++) {
        for (unsigned side = 0; side < 2; side++) {
            const struct csn_rrset *rrset = differences[i].sides[side];
            sides[side] += rrset != NULL;
            if (rrset != NULL && (!has(contents[side], rrset) || has(contents[1 - side], rrset))) {
                sim_fail(world, "walk: site %u finds a difference to site %u that is none", actor->number, walk->peer);
            }
        }
    }
    for (unsigned side = 0; side < 2; side++) {
        size_t expected = missing(contents[side], contents[1 - side]);
        if (sides[side] != expected) {
            sim_fail(world, "walk: site %u finds %zu of %zu RRsets that differ from site %u", actor->number, sides[side], expected,
                     walk->peer);
        }
    }
    world->stats.walks++;
    world->stats.walked += count;
}

/* --- the walk */

/* The next question, with the number of its places; none: it is over. */
static size_t question(struct kv_walk *walk, struct csn_buf *octets)
{
    size_t count = walk->exchanges == 1   ? csn_walk_find_branches(walk->walk)
                   : walk->exchanges == 2 ? csn_walk_find_buckets(walk->walk)
                                          : 0;
    if (count > 0) {
        csn_walk_places_put(walk->walk, 0, count, octets);
    }
    return count;
}

static bool take(struct kv_walk *walk, unsigned side, size_t count, struct csn_bytes octets)
{
    size_t taken = 0;
    return walk->exchanges == 1 ? csn_walk_take_tops(walk->walk, side, octets) == CSN_OK
                                : csn_walk_take(walk->walk, side, 0, count, octets, &taken) == CSN_OK && taken == count;
}

static void step(struct sim_world *world, struct sim_task *task);

static void go_on(struct sim_world *world, struct sim_actor *actor, unsigned zone, uint64_t delay_us)
{
    sim_after_alive(world, delay_us, step, actor, NULL)->number = zone;
}

/* One exchange: what both sides say of the same question. Its answer is on its way in the same moment. */
static void exchange(struct sim_world *world, struct sim_actor *actor, unsigned zone, struct kv_walk *walk,
                     const struct csn_content *const contents[2])
{
    const uint8_t *apex = world->options.zone[zone].zone;
    struct csn_buf asked = {0};
    size_t count = question(walk, &asked);
    bool is_over = walk->exchanges > 0 && count == 0, is_good = true;
    walk->exchanges += !is_over;
    for (unsigned side = 0; !is_over && side < 2; side++) {
        struct csn_buf octets = {0};
        is_good = is_good && answer(contents[side], apex, walk->exchanges, csn_buf_view(&asked), &octets) &&
                  take(walk, side, count, csn_buf_view(&octets));
        csn_buf_fini(&octets);
    }
    if (!is_good) {
        sim_fail(world, "walk: site %u cannot take what site %u says in exchange %u", actor->number, walk->peer, walk->exchanges);
    } else if (is_over) {
        judge(world, actor, walk, contents);
    }
    csn_buf_fini(&asked);
}

static uint64_t round_trip_us(const struct sim_world *world, const struct sim_actor *actor, const struct sim_actor *peer)
{
    return world->links[actor->index][peer->index].latency_us + world->links[peer->index][actor->index].latency_us;
}

/* Whom it asks: the one it began with, else one in reach that computed the same proposal to other roots. */
static struct sim_actor *peer_of(struct sim_world *world, const struct sim_actor *actor, unsigned zone, const struct kv_walk *walk)
{
    const struct csn_content *own = content_of(actor, zone, &walk->hash);
    for (unsigned i = 0; own != NULL && i < world->actor_count; i++) {
        struct sim_actor *peer = &world->actors[i];
        const struct csn_content *other = peer != actor ? content_of(peer, zone, &walk->hash) : NULL;
        bool is_asked = walk->exchanges == 0 || peer->number == walk->peer;
        if (other != NULL && is_asked && !csn_digest_equal(&own->content_root, &other->content_root) &&
            !sim_is_cut(world, actor, peer) && !sim_is_cut(world, peer, actor)) {
            return peer;
        }
    }
    return NULL;
}

static void drop(struct sim_actor *actor, unsigned zone)
{
    kv_walk_free(actor->store->walks[zone]);
    actor->store->walks[zone] = NULL;
}

static void step(struct sim_world *world, struct sim_task *task)
{
    struct sim_actor *actor = task->actor;
    unsigned zone = (unsigned)task->number;
    struct kv_walk *walk = actor->store->walks[zone];
    struct sim_actor *peer = walk != NULL ? peer_of(world, actor, zone, walk) : NULL;
    if (walk == NULL) {
        return;
    }
    if (peer == NULL) {
        bool is_waiting = walk->exchanges == 0 && walk->tries++ < TRIES_MAX;
        if (is_waiting) {
            go_on(world, actor, zone, SIM_S);
        } else {
            drop(actor, zone);
        }
        return;
    }
    unsigned before = walk->exchanges;
    const struct csn_content *const contents[2] = {content_of(actor, zone, &walk->hash), content_of(peer, zone, &walk->hash)};
    walk->peer = peer->number;
    exchange(world, actor, zone, walk, contents);
    if (walk->exchanges > before) {
        go_on(world, actor, zone, round_trip_us(world, actor, peer));
    } else {
        drop(actor, zone);
    }
}

void sim_seam_diverged(struct sim_world *world, struct sim_actor *actor, unsigned zone, const struct csn_digest *hash)
{
    if (actor->store->walks[zone] != NULL || content_of(actor, zone, hash) == NULL) {
        return; /* one at a time; or it is its input that is another */
    }
    struct kv_walk *walk = csn_calloc(1, sizeof(*walk));
    walk->hash = *hash;
    walk->walk = csn_walk_new(CSN_TREE_ALL, CSN_WALK_BUCKETS_MAX);
    actor->store->walks[zone] = walk;
    go_on(world, actor, zone, 0);
}
