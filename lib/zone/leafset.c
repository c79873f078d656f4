#include "zone/leafset.h"

#include <stdlib.h>
#include <string.h>

#include "dns/name.h"
#include "zone/tree.h"

#define BUCKETS (CSN_TREE_CHILDREN * CSN_TREE_CHILDREN)

struct bucket {
    struct csn_digest *leaves; /* owns; ascending */
    uint32_t count, count_max;
};

struct class_set {
    struct bucket buckets[BUCKETS];
    struct csn_digest hashes[BUCKETS]; /* zeros: empty */
    struct csn_tree_top top;
    bool is_stale[CSN_TREE_CHILDREN]; /* branches whose hash is to be made anew */
};

struct csn_leafset {
    uint8_t apex[CSN_NAME_MAX];
    struct csn_hasher *hasher; /* owns */
    struct csn_buf heads;      /* owns */
    struct class_set *of[CSN_TREE_CLASSES]; /* own */
};

struct csn_leafset *csn_leafset_new(const uint8_t *apex)
{
    struct csn_leafset *set = csn_calloc(1, sizeof(*set));
    memcpy(set->apex, apex, csn_name_size(apex));
    set->hasher = csn_hasher_new();
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        set->of[place] = csn_calloc(1, sizeof(*set->of[place]));
    }
    return set;
}

void csn_leafset_free(struct csn_leafset *take_set)
{
    if (take_set == NULL) {
        return;
    }
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        for (unsigned i = 0; i < BUCKETS; i++) {
            free(take_set->of[place]->buckets[i].leaves);
        }
        free(take_set->of[place]);
    }
    csn_buf_fini(&take_set->heads);
    csn_hasher_free(take_set->hasher);
    free(take_set);
}

/* --- one leaf */

/* Where the leaf stands, or would. */
static uint32_t find(const struct bucket *bucket, const struct csn_digest *leaf, bool *ret_is_there)
{
    uint32_t at = 0;
    int order = -1;
    while (at < bucket->count && (order = memcmp(bucket->leaves[at].octets, leaf->octets, CSN_DIGEST_SIZE)) < 0) {
        at++;
    }
    *ret_is_there = at < bucket->count && order == 0;
    return at;
}

static void insert(struct bucket *bucket, uint32_t at, const struct csn_digest *leaf)
{
    if (bucket->count == bucket->count_max) {
        bucket->count_max = bucket->count_max > 0 ? bucket->count_max * 2 : 2;
        bucket->leaves = csn_realloc(bucket->leaves, bucket->count_max, sizeof(*bucket->leaves));
    }
    memmove(bucket->leaves + at + 1, bucket->leaves + at, (bucket->count - at) * sizeof(*bucket->leaves));
    bucket->leaves[at] = *leaf;
    bucket->count++;
}

static void delete(struct bucket *bucket, uint32_t at)
{
    bucket->count--;
    memmove(bucket->leaves + at, bucket->leaves + at + 1, (bucket->count - at) * sizeof(*bucket->leaves));
}

/* What comes must not be there, what goes must be. */
static int change(struct csn_leafset *set, enum csn_class class, const struct csn_rrset *rrset, bool is_new)
{
    struct class_set *of = set->of[csn_tree_class_place((uint8_t)class)];
    struct csn_digest leaf;
    bool is_there;
    csn_tree_leaf_hash(set->hasher, class, rrset, &leaf);
    unsigned place = (unsigned)leaf.octets[0] << 8 | leaf.octets[1];
    uint32_t at = find(&of->buckets[place], &leaf, &is_there);
    if (is_there == is_new) {
        return CSN_EMISMATCH;
    }
    if (is_new) {
        insert(&of->buckets[place], at, &leaf);
        of->top.leaves++;
    } else {
        delete(&of->buckets[place], at);
        of->top.leaves--;
    }
    of->hashes[place] = (struct csn_digest){{0}};
    of->is_stale[leaf.octets[0]] = true;
    return CSN_OK;
}

static int change_rrsigs(struct csn_leafset *set, const struct csn_rrset *rrsigs, bool is_new)
{
    struct csn_entry entry = {.rrset.owner = rrsigs->owner, .rrsigs = *rrsigs};
    struct csn_rrset heads;
    int code = csn_tree_leaf_rrset(CSN_CLASS_R, &entry, true, &set->heads, &heads);
    code = code == CSN_OK ? change(set, CSN_CLASS_R, &heads, is_new) : code;
    return code == CSN_OK ? change(set, CSN_CLASS_B, rrsigs, is_new) : code;
}

static int change_rrset(struct csn_leafset *set, const struct csn_rrset *rrset, bool is_new)
{
    return rrset->type == CSN_TYPE_RRSIG ? change_rrsigs(set, rrset, is_new)
                                         : change(set, csn_class_of(set->apex, rrset), rrset, is_new);
}

int csn_leafset_add(struct csn_leafset *set, const struct csn_entry *entry)
{
    int code = change_rrset(set, &entry->rrset, true);
    struct csn_rrset rrsigs = entry->rrsigs;
    rrsigs.owner = entry->rrset.owner;
    rrsigs.type = CSN_TYPE_RRSIG;
    return code == CSN_OK && rrsigs.count > 0 ? change_rrsigs(set, &rrsigs, true) : code;
}

/* --- roots */

static void renew_branch(struct csn_hasher *hasher, struct class_set *of, unsigned branch)
{
    struct csn_tree_vector vector;
    for (unsigned i = 0; i < CSN_TREE_CHILDREN; i++) {
        unsigned place = branch << 8 | i;
        const struct bucket *bucket = &of->buckets[place];
        if (csn_digest_is_zero(&of->hashes[place]) && bucket->count > 0) {
            csn_hasher_sha384(hasher, csn_bytes(bucket->leaves, bucket->count * sizeof(*bucket->leaves)), &of->hashes[place]);
        }
        vector.hashes[i] = of->hashes[place];
    }
    csn_tree_vector_hash(hasher, &vector, &of->top.branches.hashes[branch]);
    of->is_stale[branch] = false;
}

void csn_leafset_full_root(struct csn_leafset *set, uint32_t serial, uint64_t time_s, struct csn_digest *ret_root)
{
    struct csn_roots roots;
    struct csn_digest b, content;
    struct csn_digest *const of_class[CSN_TREE_CLASSES] = {&roots.d, &roots.k, &roots.n, &roots.r, &b};
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        struct class_set *of = set->of[place];
        for (unsigned branch = 0; branch < CSN_TREE_CHILDREN; branch++) {
            if (of->is_stale[branch]) {
                renew_branch(set->hasher, of, branch);
            }
        }
        csn_tree_top_root(set->hasher, csn_tree_class(place), &of->top, of_class[place]);
    }
    csn_content_root(set->apex, serial, time_s, &roots, &content);
    csn_full_root(&content, &b, ret_root);
}

/* --- deltas */

static int change_rows(struct csn_leafset *set, struct csn_bytes rows, bool is_new)
{
    struct csn_reader reader = csn_reader(rows);
    struct csn_rrset row;
    int code;
    while ((code = csn_delta_row(&reader, &row)) == CSN_OK) {
        code = change_rrset(set, &row, is_new);
        if (code != CSN_OK) {
            return CSN_EMISMATCH;
        }
    }
    return code == CSN_ENOTFOUND ? CSN_OK : code;
}

static int move(struct csn_leafset *set, struct csn_bytes gone, struct csn_bytes added, const struct csn_delta_end *to)
{
    struct csn_digest root;
    int code = change_rows(set, gone, false);
    code = code == CSN_OK ? change_rows(set, added, true) : code;
    if (code == CSN_OK) {
        csn_leafset_full_root(set, to->serial, to->time_s, &root);
        code = csn_digest_equal(&root, &to->full_root) ? CSN_OK : CSN_EMISMATCH;
    }
    return code;
}

int csn_leafset_take_back(struct csn_leafset *set, const struct csn_delta *delta)
{
    return move(set, delta->added, delta->gone, &delta->from);
}

int csn_leafset_take(struct csn_leafset *set, const struct csn_delta *delta)
{
    return move(set, delta->gone, delta->added, &delta->to);
}
