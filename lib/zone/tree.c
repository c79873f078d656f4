#include "zone/tree.h"

#include <stdlib.h>
#include <string.h>

#include "dns/name.h"

#define RRSIG_FIXED 18
#define EXISTS_SIZE (CSN_TREE_CHILDREN / 8)
#define ITEMS_MAX ((size_t)1 << 31)

static const char letters[] = "DKNRB";

struct class_tree {
    struct csn_tree_leaf *leaves; /* owns; sorted when finished */
    size_t count, count_max;
    size_t starts[CSN_TREE_CHILDREN + 1]; /* of branches */
    struct csn_tree_top top;
};

struct csn_tree {
    uint8_t apex[CSN_NAME_MAX];
    unsigned classes;
    size_t entries;
    struct csn_hasher *hasher; /* owns; until finished */
    struct csn_buf heads;      /* owns; until finished */
    struct class_tree of[CSN_TREE_CLASSES];
};

enum csn_class csn_tree_class(unsigned place)
{
    REQUIRE(place < CSN_TREE_CLASSES);
    return (enum csn_class)letters[place];
}

int csn_tree_class_place(uint8_t letter)
{
    const char *found = letter != 0 ? strchr(letters, letter) : NULL;
    return found != NULL ? (int)(found - letters) : -1;
}

/* --- vectors */

void csn_tree_vector_hash(struct csn_hasher *hasher, const struct csn_tree_vector *vector, struct csn_digest *ret_hash)
{
    bool is_empty = true;
    csn_hasher_start(hasher);
    for (unsigned i = 0; i < CSN_TREE_CHILDREN; i++) {
        if (!csn_digest_is_zero(&vector->hashes[i])) {
            csn_hasher_add(hasher, csn_bytes(vector->hashes[i].octets, CSN_DIGEST_SIZE));
            is_empty = false;
        }
    }
    csn_hasher_end(hasher, ret_hash);
    if (is_empty) {
        *ret_hash = (struct csn_digest){{0}};
    }
}

void csn_tree_vector_put(const struct csn_tree_vector *vector, struct csn_buf *buf)
{
    uint8_t exists[EXISTS_SIZE] = {0};
    for (unsigned i = 0; i < CSN_TREE_CHILDREN; i++) {
        if (!csn_digest_is_zero(&vector->hashes[i])) {
            exists[i / 8] |= (uint8_t)(1u << i % 8);
        }
    }
    csn_buf_put(buf, exists, sizeof(exists));
    for (unsigned i = 0; i < CSN_TREE_CHILDREN; i++) {
        if (!csn_digest_is_zero(&vector->hashes[i])) {
            csn_buf_put(buf, vector->hashes[i].octets, CSN_DIGEST_SIZE);
        }
    }
}

int csn_tree_vector_read(struct csn_reader *reader, struct csn_tree_vector *ret_vector)
{
    uint8_t exists[EXISTS_SIZE];
    csn_read_copy(reader, exists, sizeof(exists));
    for (unsigned i = 0; i < CSN_TREE_CHILDREN; i++) {
        ret_vector->hashes[i] = (struct csn_digest){{0}};
        if ((exists[i / 8] >> i % 8 & 1) != 0) {
            csn_read_copy(reader, ret_vector->hashes[i].octets, CSN_DIGEST_SIZE);
            if (reader->failed || csn_digest_is_zero(&ret_vector->hashes[i])) {
                return CSN_EFORMAT;
            }
        }
    }
    return reader->failed ? CSN_EFORMAT : CSN_OK;
}

size_t csn_tree_vector_differ(const struct csn_tree_vector *a, const struct csn_tree_vector *b,
                              uint8_t ret_places[CSN_TREE_CHILDREN])
{
    size_t count = 0;
    for (unsigned i = 0; i < CSN_TREE_CHILDREN; i++) {
        if (!csn_digest_equal(&a->hashes[i], &b->hashes[i])) {
            ret_places[count++] = (uint8_t)i;
        }
    }
    return count;
}

void csn_tree_top_root(struct csn_hasher *hasher, enum csn_class class, const struct csn_tree_top *top,
                       struct csn_digest *ret_root)
{
    struct csn_digest node;
    csn_tree_vector_hash(hasher, &top->branches, &node);
    csn_class_node_root(hasher, class, top->leaves, &node, ret_root);
}

/* --- leaves */

/* The octets of RRSIG RDATA before the signature field; 0: malformed. */
static size_t head_size(struct csn_bytes rdata)
{
    if (rdata.size <= RRSIG_FIXED) {
        return 0;
    }
    size_t name_size = csn_name_check(csn_bytes(rdata.data + RRSIG_FIXED, rdata.size - RRSIG_FIXED));
    return name_size > 0 ? RRSIG_FIXED + name_size : 0;
}

int csn_tree_leaf_rrset(enum csn_class class, const struct csn_entry *entry, bool is_rrsigs, struct csn_buf *buf,
                        struct csn_rrset *ret_rrset)
{
    *ret_rrset = is_rrsigs ? entry->rrsigs : entry->rrset;
    if (!is_rrsigs) {
        return CSN_OK;
    }
    ret_rrset->owner = entry->rrset.owner;
    ret_rrset->type = CSN_TYPE_RRSIG;
    if (class != CSN_CLASS_R) {
        return CSN_OK;
    }
    struct csn_reader reader = csn_rdata_first(&entry->rrsigs);
    struct csn_bytes rdata;
    csn_buf_clear(buf);
    while (csn_rdata_next(&reader, &rdata)) {
        size_t size = head_size(rdata);
        if (size == 0) {
            return CSN_EFORMAT;
        }
        csn_buf_put_u16(buf, (uint16_t)size);
        csn_buf_put(buf, rdata.data, size);
    }
    ret_rrset->rdatas = csn_buf_view(buf);
    return CSN_OK;
}

void csn_tree_leaf_hash(struct csn_hasher *hasher, enum csn_class class, const struct csn_rrset *rrset,
                        struct csn_digest *ret_hash)
{
    if (class == CSN_CLASS_D) {
        csn_leaf_data(hasher, rrset, ret_hash);
    } else {
        csn_leaf(hasher, rrset, ret_hash);
    }
}

/* --- building */

struct csn_tree *csn_tree_new(const uint8_t *apex, unsigned classes)
{
    struct csn_tree *tree = csn_calloc(1, sizeof(*tree));
    memcpy(tree->apex, apex, csn_name_size(apex));
    tree->classes = classes;
    tree->hasher = csn_hasher_new();
    return tree;
}

static int add_leaf(struct csn_tree *tree, enum csn_class class, const struct csn_entry *entry, bool is_rrsigs)
{
    struct csn_rrset rrset;
    int place = csn_tree_class_place((uint8_t)class);
    if ((tree->classes >> place & 1) == 0) {
        return CSN_OK;
    }
    int code = csn_tree_leaf_rrset(class, entry, is_rrsigs, &tree->heads, &rrset);
    if (code != CSN_OK) {
        return code;
    }
    struct class_tree *of = &tree->of[place];
    if (of->count == of->count_max) {
        of->count_max = of->count_max > 0 ? of->count_max * 2 : 256;
        of->leaves = csn_realloc(of->leaves, of->count_max, sizeof(*of->leaves));
    }
    struct csn_tree_leaf *leaf = &of->leaves[of->count++];
    csn_tree_leaf_hash(tree->hasher, class, &rrset, &leaf->hash);
    leaf->item = (uint32_t)(2 * tree->entries + is_rrsigs);
    return CSN_OK;
}

int csn_tree_add(struct csn_tree *tree, const struct csn_entry *entry)
{
    if (tree->entries == ITEMS_MAX) {
        return CSN_ELIMIT;
    }
    int code = add_leaf(tree, csn_class_of(tree->apex, &entry->rrset), entry, false);
    if (code == CSN_OK && entry->rrsigs.count > 0) {
        code = add_leaf(tree, CSN_CLASS_R, entry, true);
        code = code == CSN_OK ? add_leaf(tree, CSN_CLASS_B, entry, true) : code;
    }
    tree->entries++;
    return code;
}

static int compare_leaves(const void *a, const void *b)
{
    const struct csn_tree_leaf *x = a, *y = b;
    return memcmp(x->hash.octets, y->hash.octets, CSN_DIGEST_SIZE);
}

/* The hashes of a branch's buckets; its leaves are sorted. */
static void hash_buckets(struct csn_hasher *hasher, const struct csn_tree_leaf *leaves, size_t count,
                         struct csn_tree_vector *ret_vector)
{
    memset(ret_vector, 0, sizeof(*ret_vector));
    for (size_t i = 0; i < count;) {
        uint8_t bucket = leaves[i].hash.octets[1];
        csn_hasher_start(hasher);
        for (; i < count && leaves[i].hash.octets[1] == bucket; i++) {
            csn_hasher_add(hasher, csn_bytes(leaves[i].hash.octets, CSN_DIGEST_SIZE));
        }
        csn_hasher_end(hasher, &ret_vector->hashes[bucket]);
    }
}

static void finish_class(struct csn_hasher *hasher, struct class_tree *of)
{
    struct csn_tree_vector buckets;
    if (of->count > 0) {
        qsort(of->leaves, of->count, sizeof(*of->leaves), compare_leaves);
    }
    of->top.leaves = of->count;
    size_t at = 0;
    for (unsigned branch = 0; branch < CSN_TREE_CHILDREN; branch++) {
        of->starts[branch] = at;
        while (at < of->count && of->leaves[at].hash.octets[0] == branch) {
            at++;
        }
        if (at > of->starts[branch]) {
            hash_buckets(hasher, of->leaves + of->starts[branch], at - of->starts[branch], &buckets);
            csn_tree_vector_hash(hasher, &buckets, &of->top.branches.hashes[branch]);
        }
    }
    of->starts[CSN_TREE_CHILDREN] = at;
}

void csn_tree_finish(struct csn_tree *tree)
{
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        finish_class(tree->hasher, &tree->of[place]);
    }
    csn_hasher_free(tree->hasher);
    tree->hasher = NULL;
    csn_buf_fini(&tree->heads);
}

void csn_tree_free(struct csn_tree *take_tree)
{
    if (take_tree == NULL) {
        return;
    }
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        free(take_tree->of[place].leaves);
    }
    if (take_tree->hasher != NULL) {
        csn_hasher_free(take_tree->hasher);
    }
    csn_buf_fini(&take_tree->heads);
    free(take_tree);
}

/* --- reading */

unsigned csn_tree_classes(const struct csn_tree *tree)
{
    return tree->classes;
}

const struct csn_tree_top *csn_tree_top(const struct csn_tree *tree, unsigned place)
{
    REQUIRE(place < CSN_TREE_CLASSES);
    return &tree->of[place].top;
}

void csn_tree_buckets(const struct csn_tree *tree, struct csn_hasher *hasher, unsigned place, uint8_t branch,
                      struct csn_tree_vector *ret_vector)
{
    REQUIRE(place < CSN_TREE_CLASSES);
    const struct class_tree *of = &tree->of[place];
    hash_buckets(hasher, of->leaves + of->starts[branch], of->starts[branch + 1] - of->starts[branch], ret_vector);
}

const struct csn_tree_leaf *csn_tree_leaves(const struct csn_tree *tree, unsigned place, uint8_t branch, uint8_t bucket,
                                            size_t *ret_count)
{
    REQUIRE(place < CSN_TREE_CLASSES);
    const struct class_tree *of = &tree->of[place];
    size_t from = of->starts[branch], end = of->starts[branch + 1];
    while (from < end && of->leaves[from].hash.octets[1] < bucket) {
        from++;
    }
    size_t to = from;
    while (to < end && of->leaves[to].hash.octets[1] == bucket) {
        to++;
    }
    *ret_count = to - from;
    return of->leaves + from;
}
