/* Goal: of two trees the walk finds exactly the RRsets that differ, in three exchanges, believes nothing that does not hash to
 * what stands above, and takes a sample where too much differs; the lines name the records. Method: trees of made-up zones, one
 * of them changed by a list or a seed; every answer spoiled octet by octet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dns/name.h"
#include "zone/lines.h"
#include "zone/patch.h"
#include "zone/rows.h"
#include "zone/walk.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const uint8_t apex[] = "\7example";

/* RRset i: a TXT with its number and `mark`, signed where i is even. */
struct rrset {
    uint8_t owner[CSN_NAME_MAX];
    uint8_t rdata[64], rrsig[64];
    struct csn_entry entry;
};

static void make(uint32_t i, uint8_t mark, struct rrset *ret)
{
    char text[64];
    snprintf(text, sizeof(text), "h%u.example.", (unsigned)i);
    assert_int_equal(csn_name_parse(text, ret->owner), CSN_OK);
    const uint8_t rdata[] = {0, 6, 5, (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, mark};
    memcpy(ret->rdata, rdata, sizeof(rdata));
    uint8_t rrsig[] = "\0\44\0\20\15\2\0\0\0\74\0\0\0\1\0\0\0\2\0\3\7example\0SIGNED";
    rrsig[1] = 18 + 9 + 6;
    memcpy(ret->rrsig, rrsig, sizeof(rrsig));
    ret->rrsig[2 + 18 + 9 + 5] = mark; /* the last octet of the signature */
    ret->entry = (struct csn_entry){
        .rrset = {.owner = ret->owner, .rdatas = csn_bytes(ret->rdata, 8), .ttl = 60, .type = CSN_TYPE_TXT, .count = 1},
        .rrsigs = {.owner = ret->owner, .ttl = 60, .type = CSN_TYPE_RRSIG}};
    if (i % 2 == 0) {
        ret->entry.rrsigs.rdatas = csn_bytes(ret->rrsig, 2u + rrsig[1]);
        ret->entry.rrsigs.count = 1;
    }
}

/* A zone of RRsets [0, count); `mark_of` gives the mark of each, 0xff: it is not there. */
typedef uint8_t mark_fn(uint32_t i);
struct zone {
    uint32_t count;
    mark_fn *mark_of;
    struct csn_tree *tree;
};

static void plant(struct zone *zone)
{
    struct rrset rrset;
    zone->tree = csn_tree_new(apex, CSN_TREE_ALL);
    for (uint32_t i = 0; i < zone->count; i++) {
        uint8_t mark = zone->mark_of(i);
        make(i, mark, &rrset);
        if (mark != 0xff) {
            assert_int_equal(csn_tree_add(zone->tree, &rrset.entry), CSN_OK);
        }
    }
    csn_tree_finish(zone->tree);
}

/* The i-th RRset that is there. */
static uint32_t number_of(const struct zone *zone, uint32_t nth)
{
    uint32_t i = 0;
    for (;; i++) {
        if (zone->mark_of(i) != 0xff && nth-- == 0) {
            return i;
        }
    }
}

/* What a site answers, as node/trees.c does from a store. */
static void answer_tops(const struct zone *zone, struct csn_buf *buf)
{
    csn_walk_tops_put(zone->tree, buf);
}

static void answer_rows(const struct zone *zone, struct csn_tree_place place, struct csn_buf *buf)
{
    size_t count;
    struct csn_buf rows = {0}, heads = {0};
    const struct csn_tree_leaf *leaves = csn_tree_leaves(zone->tree, place.class_place, place.branch, place.bucket, &count);
    for (size_t i = 0; i < count; i++) {
        struct rrset rrset;
        uint32_t number = number_of(zone, leaves[i].item / 2);
        struct csn_entry row = {0};
        make(number, zone->mark_of(number), &rrset);
        assert_int_equal(csn_tree_leaf_rrset(csn_tree_class(place.class_place), &rrset.entry, leaves[i].item % 2, &heads, &row.rrset),
                         CSN_OK);
        csn_rows_put(&rows, &row);
    }
    csn_buf_put_u32(buf, (uint32_t)rows.size);
    csn_buf_put_bytes(buf, csn_buf_view(&rows));
    csn_buf_fini(&rows);
    csn_buf_fini(&heads);
}

static void answer(const struct zone *zone, struct csn_bytes request, bool has_bucket, struct csn_buf *buf)
{
    static struct csn_tree_place places[CSN_WALK_PLACES_MAX];
    struct csn_hasher *hasher = csn_hasher_new();
    size_t count;
    assert_int_equal(csn_walk_places_read(zone->tree, request, has_bucket, places, &count), CSN_OK);
    for (size_t i = 0; i < count; i++) {
        if (has_bucket) {
            answer_rows(zone, places[i], buf);
        } else {
            struct csn_tree_vector vector;
            csn_tree_buckets(zone->tree, hasher, places[i].class_place, places[i].branch, &vector);
            csn_tree_vector_put(&vector, buf);
        }
    }
    csn_hasher_free(hasher);
}

/* One exchange with both sides, in pieces of 100 places. */
static void exchange(struct csn_walk *walk, const struct zone *zones, size_t count, bool has_bucket)
{
    for (unsigned side = 0; side < 2; side++) {
        for (size_t from = 0; from < count; from += 100) {
            size_t piece = count - from < 100 ? count - from : 100, taken;
            struct csn_buf request = {0}, reply = {0};
            csn_walk_places_put(walk, from, piece, &request);
            answer(&zones[side], csn_buf_view(&request), has_bucket, &reply);
            assert_int_equal(csn_walk_take(walk, side, from, piece, csn_buf_view(&reply), &taken), CSN_OK);
            assert_int_equal(taken, piece);
            csn_buf_fini(&request);
            csn_buf_fini(&reply);
        }
    }
}

static struct csn_walk *begin(const struct zone *zones)
{
    struct csn_walk *walk = csn_walk_new(CSN_TREE_ALL, CSN_WALK_BUCKETS_MAX);
    for (unsigned side = 0; side < 2; side++) {
        struct csn_buf tops = {0};
        answer_tops(&zones[side], &tops);
        assert_int_equal(csn_walk_take_tops(walk, side, csn_buf_view(&tops)), CSN_OK);
        csn_buf_fini(&tops);
    }
    return walk;
}

static struct csn_walk *walk_all(struct zone zones[2], size_t *ret_count, const struct csn_walk_difference **ret_differences)
{
    plant(&zones[0]);
    plant(&zones[1]);
    struct csn_walk *walk = begin(zones);
    exchange(walk, zones, csn_walk_find_branches(walk), false);
    exchange(walk, zones, csn_walk_find_buckets(walk), true);
    *ret_count = csn_walk_finish(walk, ret_differences);
    return walk;
}

static void uproot(struct zone zones[2])
{
    csn_tree_free(zones[0].tree);
    csn_tree_free(zones[1].tree);
}

static uint8_t plain(uint32_t i)
{
    (void)i;
    return 'a';
}

static uint8_t some_changed(uint32_t i)
{
    return i % 777 == 5 ? 'b' : i == 1234 ? 0xff : 'a';
}

static uint8_t all_changed(uint32_t i)
{
    (void)i;
    return 'b';
}

static void test_tree_has_the_roots_of_the_digest(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, 2, 300, 3000};
    struct csn_hasher *hasher = csn_hasher_new();
    for (size_t row = 0; row < COUNT(counts); row++) {
        struct zone zone = {.count = counts[row], .mark_of = plain};
        struct csn_leaves leaves = {0};
        struct csn_digest wanted, root, leaf;
        plant(&zone);
        for (uint32_t i = 0; i < zone.count; i++) {
            struct rrset rrset;
            make(i, 'a', &rrset);
            csn_leaf(hasher, &rrset.entry.rrset, &leaf);
            csn_leaves_add(&leaves, &leaf);
        }
        csn_class_root(hasher, CSN_CLASS_D, &leaves, &wanted);
        csn_tree_top_root(hasher, CSN_CLASS_D, csn_tree_top(zone.tree, 0), &root);
        assert_true(csn_digest_equal(&wanted, &root));
        csn_leaves_fini(&leaves);
        csn_tree_free(zone.tree);
    }
    csn_hasher_free(hasher);
}

static void test_equal_trees_have_nothing_to_ask_for(void **state)
{
    (void)state;
    struct zone zones[2] = {{.count = 2000, .mark_of = plain}, {.count = 2000, .mark_of = plain}};
    plant(&zones[0]);
    plant(&zones[1]);
    struct csn_walk *walk = begin(zones);
    assert_int_equal(csn_walk_find_branches(walk), 0);
    csn_walk_free(walk);
    uproot(zones);
}

static void test_walk_finds_exactly_what_was_changed_added_and_removed(void **state)
{
    (void)state;
    struct zone zones[2] = {{.count = 5000, .mark_of = plain}, {.count = 5003, .mark_of = some_changed}};
    const struct csn_walk_difference *differences;
    size_t count, in_class[CSN_TREE_CLASSES] = {0};
    struct csn_walk *walk = walk_all(zones, &count, &differences);
    assert_false(csn_walk_is_systematic(walk));
    for (size_t i = 0; i < count; i++) {
        const struct csn_rrset *of = differences[i].sides[0] ? differences[i].sides[0] : differences[i].sides[1];
        char text[CSN_NAME_TEXT_MAX];
        csn_name_text(of->owner, text);
        uint32_t number = (uint32_t)strtoul(text + 1, NULL, 10);
        in_class[csn_tree_class_place((uint8_t)differences[i].class)]++;
        assert_true(number >= 5000 || some_changed(number) != 'a');
        assert_int_equal(differences[i].sides[0] != NULL, number < 5000);
        assert_int_equal(differences[i].sides[1] != NULL, number >= 5000 || some_changed(number) != 0xff);
    }
    /* i = 5, 782, … 4667: 7 changed, 3 of them signed: B, not R, for their signatures' fields are the same. 1234 went, signed;
     * 5000 to 5002 came, two of them signed. */
    assert_int_equal(in_class[0], 7 + 1 + 3);
    assert_int_equal(in_class[1], 0);
    assert_int_equal(in_class[2], 0);
    assert_int_equal(in_class[3], 1 + 2);
    assert_int_equal(in_class[4], 3 + 1 + 2);
    csn_walk_free(walk);
    uproot(zones);
}

/* The RRsets of a zone in canonical order. */
static int compare_rrsets(const void *a, const void *b)
{
    const struct rrset *x = a, *y = b;
    return csn_name_compare(x->owner, y->owner);
}

static struct rrset *in_order(const struct zone *zone, size_t *ret_count)
{
    struct rrset *rrsets = csn_calloc(zone->count, sizeof(*rrsets));
    size_t count = 0;
    for (uint32_t i = 0; i < zone->count; i++) {
        if (zone->mark_of(i) != 0xff) {
            make(i, zone->mark_of(i), &rrsets[count++]);
        }
    }
    qsort(rrsets, count, sizeof(*rrsets), compare_rrsets);
    for (size_t i = 0; i < count; i++) {
        struct csn_entry *entry = &rrsets[i].entry; /* sorting moved what it points to */
        entry->rrset.owner = entry->rrsigs.owner = rrsets[i].owner;
        entry->rrset.rdatas.data = rrsets[i].rdata;
        entry->rrsigs.rdatas.data = rrsets[i].rrsig;
    }
    *ret_count = count;
    return rrsets;
}

struct wanted {
    const struct rrset *rrsets;
    size_t count, next;
};

static int compare_next(void *arg, const struct csn_entry *entry)
{
    struct wanted *wanted = arg;
    assert_true(wanted->next < wanted->count);
    const struct csn_entry *next = &wanted->rrsets[wanted->next++].entry;
    assert_true(csn_rrset_equal(&next->rrset, &entry->rrset));
    assert_int_equal(next->rrsigs.count, entry->rrsigs.count);
    assert_true(next->rrsigs.count == 0 || csn_rrset_equal(&next->rrsigs, &entry->rrsigs));
    return CSN_OK;
}

static uint8_t others_changed(uint32_t i)
{
    return i % 50 == 0 ? 0xff : i % 7 == 0 ? 'c' : 'a';
}

/* Either way, for any pair: nothing, some, all of it another. */
static void test_a_version_patched_with_what_differs_is_the_other(void **state)
{
    (void)state;
    static mark_fn *const marks[] = {plain, some_changed, all_changed, others_changed};
    for (size_t i = 0; i < COUNT(marks) * COUNT(marks); i++) {
        struct zone zones[2] = {{.count = 1300, .mark_of = marks[i / COUNT(marks)]},
                                {.count = 1300 + (uint32_t)i, .mark_of = marks[i % COUNT(marks)]}};
        const struct csn_walk_difference *differences;
        size_t count, from_count;
        struct csn_walk *walk = walk_all(zones, &count, &differences);
        struct rrset *from = in_order(&zones[0], &from_count);
        struct wanted wanted = {0};
        struct rrset *to = in_order(&zones[1], &wanted.count);
        wanted.rrsets = to;
        struct csn_patch *patch = csn_patch_new(apex, 7, differences, count, compare_next, &wanted);
        for (size_t j = 0; j < from_count; j++) {
            assert_int_equal(csn_patch_add(patch, &from[j].entry), CSN_OK);
        }
        assert_int_equal(csn_patch_add(patch, NULL), CSN_OK);
        assert_int_equal(wanted.next, wanted.count);
        csn_patch_free(patch);
        free(from);
        free(to);
        csn_walk_free(walk);
        uproot(zones);
    }
}

static void test_only_common_classes_are_compared(void **state)
{
    (void)state;
    struct zone zones[2] = {{.count = 100, .mark_of = plain}, {.count = 100, .mark_of = all_changed}};
    struct rrset rrset;
    plant(&zones[0]);
    zones[1].tree = csn_tree_new(apex, 1); /* D */
    for (uint32_t i = 0; i < 100; i++) {
        make(i, 'a', &rrset);
        assert_int_equal(csn_tree_add(zones[1].tree, &rrset.entry), CSN_OK);
    }
    csn_tree_finish(zones[1].tree);
    struct csn_walk *walk = begin(zones);
    assert_int_equal(csn_walk_classes(walk, 1), 1);
    assert_int_equal(csn_walk_find_branches(walk), 0);
    csn_walk_free(walk);
    uproot(zones);
}

static void test_above_the_limit_the_first_bucket_of_each_branch_is_a_sample(void **state)
{
    (void)state;
    struct zone zones[2] = {{.count = 4000, .mark_of = plain}, {.count = 4000, .mark_of = all_changed}};
    plant(&zones[0]);
    plant(&zones[1]);
    struct csn_walk *walk = begin(zones);
    size_t branches = csn_walk_find_branches(walk);
    exchange(walk, zones, branches, false);
    size_t asked = csn_walk_find_buckets(walk);
    assert_true(csn_walk_is_systematic(walk));
    assert_true(csn_walk_differing(walk) > CSN_WALK_BUCKETS_MAX);
    assert_int_equal(asked, branches);
    csn_walk_free(walk);
    uproot(zones);
}

/* Every octet of an answer spoiled in turn, every cut: nothing of it is taken. */
static void test_spoiled_answers_are_refused(void **state)
{
    (void)state;
    struct zone zones[2] = {{.count = 40, .mark_of = plain}, {.count = 40, .mark_of = all_changed}};
    plant(&zones[0]);
    plant(&zones[1]);
    for (unsigned phase = 0; phase < 2; phase++) {
        struct csn_walk *walk = begin(zones);
        size_t count = csn_walk_find_branches(walk), taken;
        if (phase == 1) {
            exchange(walk, zones, count, false);
            count = csn_walk_find_buckets(walk);
        }
        struct csn_buf request = {0}, reply = {0};
        csn_walk_places_put(walk, 0, 2, &request);
        answer(&zones[0], csn_buf_view(&request), phase == 1, &reply);
        for (size_t i = 0; i < reply.size; i++) {
            reply.data[i] ^= 0x10;
            assert_true(csn_walk_take(walk, 0, 0, 2, csn_buf_view(&reply), &taken) < 0);
            reply.data[i] ^= 0x10;
        }
        for (size_t i = 0; i < reply.size; i++) { /* a cut at the end of the first place is an answer to one */
            int code = csn_walk_take(walk, 0, 0, 2, csn_bytes(reply.data, i), &taken);
            assert_true(code < 0 || taken == 1);
        }
        csn_buf_put_u8(&reply, 0);
        assert_true(csn_walk_take(walk, 0, 0, 2, csn_buf_view(&reply), &taken) < 0);
        csn_buf_fini(&request);
        csn_buf_fini(&reply);
        csn_walk_free(walk);
    }
    uproot(zones);
}

static void test_malformed_tops_and_places_are_refused(void **state)
{
    (void)state;
    struct zone zone = {.count = 40, .mark_of = plain};
    plant(&zone);
    struct csn_walk *walk = csn_walk_new(CSN_TREE_ALL, CSN_WALK_BUCKETS_MAX);
    struct csn_buf tops = {0};
    static struct csn_tree_place places[CSN_WALK_PLACES_MAX];
    size_t count;
    answer_tops(&zone, &tops);
    assert_int_equal(csn_walk_take_tops(walk, 0, csn_bytes(NULL, 0)), CSN_EFORMAT);
    for (size_t i = 1; i < tops.size; i++) {
        int code = csn_walk_take_tops(walk, 0, csn_bytes(tops.data, i));
        assert_true(code == CSN_EFORMAT || i > 41); /* whole classes are well-formed: roots say what is missing */
    }
    tops.data[0] = 'X';
    assert_int_equal(csn_walk_take_tops(walk, 0, csn_buf_view(&tops)), CSN_EFORMAT);
    tops.data[0] = 'D';
    csn_set_u64(tops.data + 1, 0);
    assert_int_equal(csn_walk_take_tops(walk, 0, csn_buf_view(&tops)), CSN_EFORMAT);
    static const struct {
        const char *octets;
        size_t size;
        bool has_bucket;
    } rows[] = {{"", 0, false}, {"D", 1, false}, {"Z1", 2, false}, {"D1", 2, true}, {"D1D", 3, false}, {"\0001", 2, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(csn_walk_places_read(zone.tree, csn_bytes(rows[i].octets, rows[i].size), rows[i].has_bucket, places, &count),
                         CSN_EFORMAT);
    }
    csn_buf_fini(&tops);
    csn_buf_clear(&tops);
    for (size_t i = 0; i <= CSN_WALK_PLACES_MAX; i++) {
        csn_buf_put(&tops, "D1", 2);
    }
    assert_int_equal(csn_walk_places_read(zone.tree, csn_buf_view(&tops), false, places, &count), CSN_EFORMAT);
    csn_buf_fini(&tops);
    csn_walk_free(walk);
    csn_tree_free(zone.tree);
}

static void test_a_row_in_another_bucket_than_its_leafs_is_refused(void **state)
{
    (void)state;
    /* A top node does not bind where its children stand: a site that moves a branch is found out by the rows. */
    struct zone zones[2] = {{.count = 3, .mark_of = plain}, {.count = 3, .mark_of = all_changed}};
    plant(&zones[0]);
    plant(&zones[1]);
    struct csn_tree_top moved = *csn_tree_top(zones[0].tree, 0);
    unsigned from = 0;
    while (csn_digest_is_zero(&moved.branches.hashes[from]) || !csn_digest_is_zero(&moved.branches.hashes[(from + 1) % 256])) {
        from = (from + 1) % 256;
    }
    moved.branches.hashes[(from + 1) % 256] = moved.branches.hashes[from];
    memset(&moved.branches.hashes[from], 0, sizeof(moved.branches.hashes[from]));
    struct csn_walk *walk = begin(zones);
    struct csn_buf tops = {0}, vector = {0}, rows = {0};
    csn_buf_put_u8(&tops, 'D');
    csn_buf_put_u64(&tops, moved.leaves);
    csn_tree_vector_put(&moved.branches, &tops);
    assert_int_equal(csn_walk_take_tops(walk, 0, csn_buf_view(&tops)), CSN_OK);
    size_t count = csn_walk_find_branches(walk), taken, lies = 0;
    struct csn_hasher *hasher = csn_hasher_new();
    for (size_t i = 0; i < count; i++) {
        for (unsigned side = 0; side < 2; side++) {
            struct csn_buf request = {0};
            struct csn_tree_vector buckets;
            csn_walk_places_put(walk, i, 1, &request);
            uint8_t branch = side == 0 && request.data[1] == (from + 1) % 256 ? (uint8_t)from : request.data[1];
            bool is_gone = side == 0 && request.data[1] == from;
            csn_tree_buckets(zones[side].tree, hasher, 0, branch, &buckets);
            if (is_gone) {
                memset(&buckets, 0, sizeof(buckets));
            }
            csn_buf_clear(&vector);
            csn_tree_vector_put(&buckets, &vector);
            assert_int_equal(csn_walk_take(walk, side, i, 1, csn_buf_view(&vector), &taken), CSN_OK);
            csn_buf_fini(&request);
        }
    }
    count = csn_walk_find_buckets(walk);
    for (size_t i = 0; i < count; i++) {
        struct csn_buf request = {0};
        csn_walk_places_put(walk, i, 1, &request);
        if (request.data[1] == (from + 1) % 256) {
            csn_buf_clear(&rows);
            answer_rows(&zones[0], (struct csn_tree_place){.branch = (uint8_t)from, .bucket = request.data[2]}, &rows);
            if (rows.size > 4) {
                assert_int_equal(csn_walk_take(walk, 0, i, 1, csn_buf_view(&rows), &taken), CSN_EMISMATCH);
                lies++;
            }
        }
        csn_buf_fini(&request);
    }
    assert_int_equal(lies, 1);
    csn_hasher_free(hasher);
    csn_buf_fini(&tops);
    csn_buf_fini(&vector);
    csn_buf_fini(&rows);
    csn_walk_free(walk);
    uproot(zones);
}

static void assert_lines(const struct csn_rrset *a, const struct csn_rrset *b, bool is_cut, const char *wanted)
{
    struct csn_buf buf = {0};
    csn_lines_differ(&buf, a, b, is_cut);
    csn_buf_put_u8(&buf, 0);
    assert_string_equal((const char *)buf.data, wanted);
    csn_buf_fini(&buf);
}

static void test_lines_show_the_records_that_one_side_has_alone(void **state)
{
    (void)state;
    static const uint8_t owner[] = "\3w\001w\7example";
    const struct csn_rrset one = {.owner = owner, .rdatas = csn_bytes("\0\4\300\0\2\1\0\4\300\0\2\2", 12), .ttl = 60, .type = CSN_TYPE_A, .count = 2};
    const struct csn_rrset two = {.owner = owner, .rdatas = csn_bytes("\0\4\300\0\2\2\0\4\300\0\2\3", 12), .ttl = 60, .type = CSN_TYPE_A, .count = 2};
    const struct csn_rrset other_ttl = {.owner = owner, .rdatas = csn_bytes("\0\4\300\0\2\1", 6), .ttl = 61, .type = CSN_TYPE_A, .count = 1};
    const struct csn_rrset broken = {.owner = owner, .rdatas = csn_bytes("\0\3\1\2\3", 5), .ttl = 60, .type = CSN_TYPE_A, .count = 1};
    const struct csn_rrset unknown = {.owner = owner, .rdatas = csn_bytes("\0\1\7", 3), .ttl = 60, .type = 65280, .count = 1};
    assert_lines(&one, &two, false, "- w\\001w.example. 60 IN A 192.0.2.1\n+ w\\001w.example. 60 IN A 192.0.2.3\n");
    assert_lines(&one, NULL, false, "- w\\001w.example. 60 IN A 192.0.2.1\n- w\\001w.example. 60 IN A 192.0.2.2\n");
    assert_lines(&one, &other_ttl, false, "- w\\001w.example. 60 IN A 192.0.2.1\n- w\\001w.example. 60 IN A 192.0.2.2\n"
                                          "+ w\\001w.example. 61 IN A 192.0.2.1\n");
    assert_lines(NULL, &other_ttl, false, "+ w\\001w.example. 61 IN A 192.0.2.1\n");
    assert_lines(&other_ttl, &other_ttl, false, "");
    assert_lines(&broken, &unknown, false, "- w\\001w.example. 60 IN A \\# 3 010203\n+ w\\001w.example. 60 IN TYPE65280 \\# 1 07\n");
}

static void test_lines_show_signatures_whole_and_cut(void **state)
{
    (void)state;
    struct rrset rrset;
    struct csn_buf heads = {0};
    struct csn_rrset cut;
    make(2, 'x', &rrset);
    assert_int_equal(csn_tree_leaf_rrset(CSN_CLASS_R, &rrset.entry, true, &heads, &cut), CSN_OK);
    assert_lines(&cut, NULL, true, "- h2.example. 60 IN RRSIG TXT 13 2 60 19700101000001 19700101000002 3 example. [omitted]\n");
    assert_lines(NULL, &rrset.entry.rrsigs, false, "+ h2.example. 60 IN RRSIG TXT 13 2 60 19700101000001 19700101000002 3 example. U0lHTkV4\n");
    csn_buf_fini(&heads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_has_the_roots_of_the_digest),
        cmocka_unit_test(test_equal_trees_have_nothing_to_ask_for),
        cmocka_unit_test(test_walk_finds_exactly_what_was_changed_added_and_removed),
        cmocka_unit_test(test_a_version_patched_with_what_differs_is_the_other),
        cmocka_unit_test(test_only_common_classes_are_compared),
        cmocka_unit_test(test_above_the_limit_the_first_bucket_of_each_branch_is_a_sample),
        cmocka_unit_test(test_spoiled_answers_are_refused),
        cmocka_unit_test(test_malformed_tops_and_places_are_refused),
        cmocka_unit_test(test_a_row_in_another_bucket_than_its_leafs_is_refused),
        cmocka_unit_test(test_lines_show_the_records_that_one_side_has_alone),
        cmocka_unit_test(test_lines_show_signatures_whole_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
