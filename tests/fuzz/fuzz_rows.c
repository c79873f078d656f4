/* Goal: no octets of a peer's input, version, tree or delta make their readers do anything but refuse them, or give rows that
 * are in order and encode to the same octets. Method: the first octet chooses the reader. */
#include "dns/name.h"
#include "fuzz/replay.h"
#include "zone/delta.h"
#include "zone/rows.h"
#include "zone/walk.h"

const char csn_fuzz_name[] = "rows";

static const uint8_t apex[] = "\7example";

static void try_rows(struct csn_bytes octets)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_tree *tree = csn_tree_new(apex, CSN_TREE_ALL);
    struct csn_buf again = {0};
    struct csn_entry entry;
    int code;
    bool is_grown = true;
    while ((code = csn_rows_next(&reader, &entry)) == CSN_OK) {
        csn_rows_put(&again, &entry);
        is_grown = is_grown && csn_tree_add(tree, &entry) == CSN_OK;
    }
    INSIST(code == CSN_ENOTFOUND || code == CSN_EFORMAT);
    INSIST(code != CSN_ENOTFOUND || csn_bytes_equal(csn_buf_view(&again), octets));
    if (is_grown) {
        csn_tree_finish(tree);
    }
    csn_tree_free(tree);
    csn_buf_fini(&again);
}

static void try_vector(struct csn_bytes octets)
{
    static struct csn_tree_vector vector;
    struct csn_reader reader = csn_reader(octets);
    struct csn_buf again = {0};
    if (csn_tree_vector_read(&reader, &vector) == CSN_OK) {
        csn_tree_vector_put(&vector, &again);
        INSIST(csn_bytes_equal(csn_buf_view(&again), csn_bytes(octets.data, again.size)));
    }
    csn_buf_fini(&again);
}

/* Both sides' tops, then whatever follows as the answer to what is asked for. */
static void try_walk(struct csn_bytes octets)
{
    struct csn_walk *walk = csn_walk_new(CSN_TREE_ALL, CSN_WALK_BUCKETS_MAX);
    struct csn_reader reader = csn_reader(octets);
    struct csn_bytes sides[2];
    bool is_good = true;
    for (unsigned i = 0; i < 2; i++) {
        size_t size = csn_read_u16(&reader), left = csn_reader_left(&reader);
        sides[i] = csn_read_bytes(&reader, size < left ? size : left);
        is_good = is_good && csn_walk_take_tops(walk, i, sides[i]) == CSN_OK;
    }
    size_t count = is_good ? csn_walk_find_branches(walk) : 0, taken = 0;
    struct csn_bytes rest = csn_bytes(reader.at, csn_reader_left(&reader));
    for (unsigned i = 0; i < 2 && count > 0; i++) {
        is_good = csn_walk_take(walk, i, 0, count, rest, &taken) == CSN_OK && taken == count && is_good;
    }
    if (is_good && count > 0) {
        (void)csn_walk_find_buckets(walk);
    }
    csn_walk_free(walk);
}

static void try_places(struct csn_bytes octets)
{
    static struct csn_tree_place places[CSN_WALK_PLACES_MAX];
    struct csn_tree *tree = csn_tree_new(apex, CSN_TREE_ALL);
    size_t count;
    csn_tree_finish(tree);
    (void)csn_walk_places_read(tree, octets, false, places, &count);
    (void)csn_walk_places_read(tree, octets, true, places, &count);
    csn_tree_free(tree);
}

static void try_delta(struct csn_bytes octets)
{
    struct csn_delta delta;
    struct csn_delta_end from, to;
    struct csn_delta_records records = {0};
    struct csn_rrset rrset;
    (void)csn_delta_decode_ends(octets, &from, &to);
    int code = csn_delta_decode(apex, octets, &delta);
    INSIST(code == CSN_OK || code == CSN_EFORMAT);
    if (code == CSN_OK) {
        unsigned soas = 0;
        csn_delta_records_begin(&records, &delta);
        while ((code = csn_delta_records_next(&records, &rrset)) == CSN_OK) {
            INSIST(rrset.count > 0);
            soas += rrset.type == CSN_TYPE_SOA;
        }
        INSIST(code == CSN_ENOTFOUND && soas == 2);
        csn_delta_records_fini(&records);
    }
}

static void try_key(struct csn_bytes octets)
{
    uint8_t owner[CSN_NAME_MAX], again[CSN_KEY_MAX];
    uint16_t type;
    if (csn_key_decode(octets, owner, &type) == CSN_OK) {
        size_t size = csn_key_encode(owner, type, again);
        INSIST(csn_bytes_equal(csn_bytes(again, size), octets));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct csn_bytes) = {try_rows, try_vector, try_walk, try_places, try_delta, try_key};
    if (size > 0) {
        readers[data[0] % 6](csn_bytes(data + 1, size - 1));
    }
    return 0;
}
