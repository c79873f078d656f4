#include "zone/walk.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "zone/rows.h"

/* A leaf's RRset as a side gave it. */
struct row {
    uint8_t class_place;
    struct csn_digest leaf;
    struct csn_rrset rrset; /* borrows from the side's arena */
};

struct side {
    unsigned classes;
    struct csn_tree_top tops[CSN_TREE_CLASSES];
    struct csn_tree_vector *buckets[CSN_TREE_CLASSES][CSN_TREE_CHILDREN]; /* own; NULL: not asked for */
    struct row *rows; /* owns */
    size_t row_count, row_count_max;
    size_t octets;
    struct csn_arena arena;
};

struct csn_walk {
    struct csn_hasher *hasher; /* owns */
    unsigned classes;          /* looked into */
    size_t buckets_max;
    struct side sides[2];
    struct csn_tree_place *places; /* owns; to ask for */
    size_t place_count, place_count_max;
    bool has_buckets; /* the places are buckets */
    size_t differing;
    struct csn_walk_difference *differences; /* owns */
};

struct csn_walk *csn_walk_new(unsigned classes, size_t buckets_max)
{
    struct csn_walk *walk = csn_calloc(1, sizeof(*walk));
    walk->classes = classes;
    walk->buckets_max = buckets_max;
    walk->hasher = csn_hasher_new();
    return walk;
}

static void side_fini(struct side *side)
{
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        for (unsigned branch = 0; branch < CSN_TREE_CHILDREN; branch++) {
            free(side->buckets[place][branch]);
        }
    }
    free(side->rows);
    csn_arena_fini(&side->arena);
}

void csn_walk_free(struct csn_walk *take_walk)
{
    if (take_walk == NULL) {
        return;
    }
    side_fini(&take_walk->sides[0]);
    side_fini(&take_walk->sides[1]);
    csn_hasher_free(take_walk->hasher);
    free(take_walk->places);
    free(take_walk->differences);
    free(take_walk);
}

/* --- tops */

void csn_walk_tops_put(const struct csn_tree *tree, struct csn_buf *buf)
{
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        if ((csn_tree_classes(tree) >> place & 1) != 0) {
            const struct csn_tree_top *top = csn_tree_top(tree, place);
            csn_buf_put_u8(buf, (uint8_t)csn_tree_class(place));
            csn_buf_put_u64(buf, top->leaves);
            csn_tree_vector_put(&top->branches, buf);
        }
    }
}

static bool is_empty(const struct csn_tree_vector *vector)
{
    for (unsigned i = 0; i < CSN_TREE_CHILDREN; i++) {
        if (!csn_digest_is_zero(&vector->hashes[i])) {
            return false;
        }
    }
    return true;
}

int csn_walk_take_tops(struct csn_walk *walk, unsigned side, struct csn_bytes octets)
{
    REQUIRE(side < 2);
    struct csn_reader reader = csn_reader(octets);
    struct side *of = &walk->sides[side];
    int last = -1;
    of->classes = 0;
    while (csn_reader_left(&reader) > 0) {
        int place = csn_tree_class_place(csn_read_u8(&reader));
        if (place <= last) {
            return CSN_EFORMAT;
        }
        struct csn_tree_top *top = &of->tops[place];
        top->leaves = csn_read_u64(&reader);
        if (csn_tree_vector_read(&reader, &top->branches) != CSN_OK || is_empty(&top->branches) != (top->leaves == 0)) {
            return CSN_EFORMAT;
        }
        of->classes |= 1u << place;
        last = place;
    }
    return of->classes != 0 ? CSN_OK : CSN_EFORMAT;
}

unsigned csn_walk_classes(const struct csn_walk *walk, unsigned side)
{
    REQUIRE(side < 2);
    return walk->sides[side].classes;
}

void csn_walk_root(const struct csn_walk *walk, unsigned side, unsigned place, struct csn_digest *ret_root)
{
    REQUIRE(side < 2 && place < CSN_TREE_CLASSES);
    csn_tree_top_root(walk->hasher, csn_tree_class(place), &walk->sides[side].tops[place], ret_root);
}

uint64_t csn_walk_leaves(const struct csn_walk *walk, unsigned side, unsigned place)
{
    REQUIRE(side < 2 && place < CSN_TREE_CLASSES);
    return walk->sides[side].tops[place].leaves;
}

/* --- what to ask for */

static void add_place(struct csn_walk *walk, struct csn_tree_place place)
{
    if (walk->place_count == walk->place_count_max) {
        walk->place_count_max = walk->place_count_max > 0 ? walk->place_count_max * 2 : 256;
        walk->places = csn_realloc(walk->places, walk->place_count_max, sizeof(*walk->places));
    }
    walk->places[walk->place_count++] = place;
}

size_t csn_walk_find_branches(struct csn_walk *walk)
{
    unsigned common = walk->sides[0].classes & walk->sides[1].classes & walk->classes;
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        uint8_t branches[CSN_TREE_CHILDREN];
        size_t count = 0;
        if ((common >> place & 1) != 0) {
            count = csn_tree_vector_differ(&walk->sides[0].tops[place].branches, &walk->sides[1].tops[place].branches, branches);
        }
        for (size_t i = 0; i < count; i++) {
            add_place(walk, (struct csn_tree_place){.class_place = (uint8_t)place, .branch = branches[i]});
        }
    }
    return walk->place_count;
}

static size_t differ_in(const struct csn_walk *walk, struct csn_tree_place place, uint8_t ret_buckets[CSN_TREE_CHILDREN])
{
    const struct csn_tree_vector *a = walk->sides[0].buckets[place.class_place][place.branch];
    const struct csn_tree_vector *b = walk->sides[1].buckets[place.class_place][place.branch];
    REQUIRE(a != NULL && b != NULL);
    return csn_tree_vector_differ(a, b, ret_buckets);
}

size_t csn_walk_find_buckets(struct csn_walk *walk)
{
    uint8_t buckets[CSN_TREE_CHILDREN];
    struct csn_tree_place *branches = walk->places;
    size_t branch_count = walk->place_count;
    walk->places = NULL;
    walk->place_count = walk->place_count_max = 0;
    walk->has_buckets = true;
    for (size_t i = 0; i < branch_count; i++) {
        walk->differing += differ_in(walk, branches[i], buckets);
    }
    for (size_t i = 0; i < branch_count; i++) {
        size_t count = differ_in(walk, branches[i], buckets);
        count = csn_walk_is_systematic(walk) && count > 1 ? 1 : count;
        for (size_t j = 0; j < count; j++) {
            branches[i].bucket = buckets[j];
            add_place(walk, branches[i]);
        }
    }
    free(branches);
    return walk->place_count;
}

size_t csn_walk_differing(const struct csn_walk *walk)
{
    return walk->differing;
}

bool csn_walk_is_systematic(const struct csn_walk *walk)
{
    return walk->differing > walk->buckets_max;
}

uint64_t csn_walk_leaves_asked(const struct csn_walk *walk, unsigned side)
{
    uint64_t asked = 0;
    for (size_t i = 0; i < walk->place_count; i++) {
        asked += csn_walk_leaves(walk, side, walk->places[i].class_place) / (CSN_TREE_CHILDREN * CSN_TREE_CHILDREN) + 1;
    }
    return asked;
}

void csn_walk_places_put(const struct csn_walk *walk, size_t from, size_t count, struct csn_buf *buf)
{
    REQUIRE(from <= walk->place_count && count <= walk->place_count - from);
    for (size_t i = from; i < from + count; i++) {
        csn_buf_put_u8(buf, (uint8_t)csn_tree_class(walk->places[i].class_place));
        csn_buf_put_u8(buf, walk->places[i].branch);
        if (walk->has_buckets) {
            csn_buf_put_u8(buf, walk->places[i].bucket);
        }
    }
}

int csn_walk_places_read(const struct csn_tree *tree, struct csn_bytes octets, bool has_bucket,
                         struct csn_tree_place ret_places[CSN_WALK_PLACES_MAX], size_t *ret_count)
{
    struct csn_reader reader = csn_reader(octets);
    size_t count = 0;
    while (csn_reader_left(&reader) > 0) {
        int place = csn_tree_class_place(csn_read_u8(&reader));
        if (place < 0 || (csn_tree_classes(tree) >> place & 1) == 0 || count == CSN_WALK_PLACES_MAX) {
            return CSN_EFORMAT;
        }
        ret_places[count].class_place = (uint8_t)place;
        ret_places[count].branch = csn_read_u8(&reader);
        ret_places[count++].bucket = has_bucket ? csn_read_u8(&reader) : 0;
    }
    *ret_count = count;
    return reader.failed || count == 0 ? CSN_EFORMAT : CSN_OK;
}

/* --- what they say */

static int take_vector(struct csn_walk *walk, struct side *side, struct csn_tree_place place, struct csn_reader *reader)
{
    struct csn_tree_vector vector;
    struct csn_digest hash;
    if (csn_tree_vector_read(reader, &vector) != CSN_OK) {
        return CSN_EFORMAT;
    }
    csn_tree_vector_hash(walk->hasher, &vector, &hash);
    if (!csn_digest_equal(&hash, &side->tops[place.class_place].branches.hashes[place.branch])) {
        return CSN_EMISMATCH;
    }
    struct csn_tree_vector **kept = &side->buckets[place.class_place][place.branch];
    if (*kept == NULL) {
        *kept = csn_alloc(sizeof(**kept));
    }
    **kept = vector;
    return CSN_OK;
}

static void keep_row(struct side *side, uint8_t class_place, const struct csn_digest *leaf, const struct csn_rrset *rrset)
{
    if (side->row_count == side->row_count_max) {
        side->row_count_max = side->row_count_max > 0 ? side->row_count_max * 2 : 256;
        side->rows = csn_realloc(side->rows, side->row_count_max, sizeof(*side->rows));
    }
    struct row *row = &side->rows[side->row_count++];
    *row = (struct row){.class_place = class_place, .leaf = *leaf, .rrset = *rrset};
    row->rrset.owner = csn_arena_copy(&side->arena, rrset->owner, csn_name_size(rrset->owner));
    row->rrset.rdatas.data = csn_arena_copy(&side->arena, rrset->rdatas.data, rrset->rdatas.size);
}

/* The rows of one bucket: in their place, ascending, and together the bucket's hash. */
static int read_bucket(struct csn_walk *walk, struct side *side, struct csn_tree_place place, struct csn_bytes octets,
                       struct csn_leaves *leaves)
{
    struct csn_reader rows = csn_reader(octets);
    struct csn_entry entry;
    struct csn_digest leaf;
    int code;
    while ((code = csn_rows_next(&rows, &entry)) == CSN_OK) {
        csn_tree_leaf_hash(walk->hasher, csn_tree_class(place.class_place), &entry.rrset, &leaf);
        bool is_after = leaves->count == 0 || memcmp(leaves->leaves[leaves->count - 1].octets, leaf.octets, CSN_DIGEST_SIZE) < 0;
        if (entry.rrsigs.count > 0 || leaf.octets[0] != place.branch || leaf.octets[1] != place.bucket || !is_after) {
            return CSN_EMISMATCH;
        }
        csn_leaves_add(leaves, &leaf);
        keep_row(side, place.class_place, &leaf, &entry.rrset);
    }
    struct csn_digest hash = {{0}};
    if (leaves->count > 0) {
        csn_hasher_sha384(walk->hasher, csn_bytes(leaves->leaves, leaves->count * sizeof(leaves->leaves[0])), &hash);
    }
    const struct csn_tree_vector *buckets = side->buckets[place.class_place][place.branch];
    return code != CSN_ENOTFOUND ? code : csn_digest_equal(&hash, &buckets->hashes[place.bucket]) ? CSN_OK : CSN_EMISMATCH;
}

static int take_bucket(struct csn_walk *walk, struct side *side, struct csn_tree_place place, struct csn_reader *reader)
{
    struct csn_bytes rows = csn_read_bytes(reader, csn_read_u32(reader));
    struct csn_leaves leaves = {0};
    if (reader->failed) {
        return CSN_EFORMAT;
    }
    side->octets += rows.size;
    if (side->octets > CSN_WALK_ROWS_MAX) {
        return CSN_ELIMIT;
    }
    int code = read_bucket(walk, side, place, rows, &leaves);
    csn_leaves_fini(&leaves);
    return code;
}

int csn_walk_take(struct csn_walk *walk, unsigned side, size_t from, size_t count, struct csn_bytes octets, size_t *ret_taken)
{
    REQUIRE(side < 2 && from <= walk->place_count && count <= walk->place_count - from);
    struct csn_reader reader = csn_reader(octets);
    size_t taken = 0;
    int code = CSN_OK;
    for (; code == CSN_OK && taken < count && csn_reader_left(&reader) > 0; taken++) {
        struct csn_tree_place place = walk->places[from + taken];
        code = walk->has_buckets ? take_bucket(walk, &walk->sides[side], place, &reader)
                                 : take_vector(walk, &walk->sides[side], place, &reader);
    }
    if (code == CSN_OK && (taken == 0 || csn_reader_left(&reader) > 0)) {
        code = CSN_EFORMAT;
    }
    if (code == CSN_OK) {
        *ret_taken = taken;
    }
    return code;
}

/* --- the differences */

static int compare_leaves(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return x->class_place != y->class_place ? x->class_place - y->class_place
                                            : memcmp(x->leaf.octets, y->leaf.octets, CSN_DIGEST_SIZE);
}

/* Drops the rows that both sides have. */
static void drop_equal(struct side *a, struct side *b)
{
    size_t i = 0, j = 0, kept_a = 0, kept_b = 0;
    while (i < a->row_count || j < b->row_count) {
        int order = i == a->row_count ? 1 : j == b->row_count ? -1 : compare_leaves(&a->rows[i], &b->rows[j]);
        if (order < 0) {
            a->rows[kept_a++] = a->rows[i++];
        } else if (order > 0) {
            b->rows[kept_b++] = b->rows[j++];
        } else {
            i++;
            j++;
        }
    }
    a->row_count = kept_a;
    b->row_count = kept_b;
}

/* 0: no RRSIG. The RDATA of a row is at least of the size its length says. */
static uint16_t covered_type(const struct csn_rrset *rrset)
{
    bool is_rrsig = rrset->type == CSN_TYPE_RRSIG && rrset->rdatas.size >= 4 && csn_get_u16(rrset->rdatas.data) >= 2;
    return is_rrsig ? csn_get_u16(rrset->rdatas.data + 2) : 0;
}

static int compare_places(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->class_place != y->class_place) {
        return x->class_place - y->class_place;
    }
    int order = csn_rrset_compare(&x->rrset, &y->rrset);
    return order != 0 ? order : covered_type(&x->rrset) - covered_type(&y->rrset);
}

static void sort_rows(struct side *side, int (*compare)(const void *a, const void *b))
{
    if (side->row_count > 0) {
        qsort(side->rows, side->row_count, sizeof(*side->rows), compare);
    }
}

size_t csn_walk_finish(struct csn_walk *walk, const struct csn_walk_difference **ret_differences)
{
    struct side *a = &walk->sides[0], *b = &walk->sides[1];
    sort_rows(a, compare_leaves);
    sort_rows(b, compare_leaves);
    drop_equal(a, b);
    sort_rows(a, compare_places);
    sort_rows(b, compare_places);
    walk->differences = csn_realloc(walk->differences, a->row_count + b->row_count + 1, sizeof(*walk->differences));
    size_t count = 0;
    for (size_t i = 0, j = 0; i < a->row_count || j < b->row_count; count++) {
        int order = i == a->row_count ? 1 : j == b->row_count ? -1 : compare_places(&a->rows[i], &b->rows[j]);
        const struct row *first = order <= 0 ? &a->rows[i++] : NULL, *second = order >= 0 ? &b->rows[j++] : NULL;
        walk->differences[count] =
            (struct csn_walk_difference){.class = csn_tree_class((first ? first : second)->class_place),
                                         .sides = {first ? &first->rrset : NULL, second ? &second->rrset : NULL}};
    }
    *ret_differences = walk->differences;
    return count;
}
