/* Goal: no octets of a bulk request, of a reply or of the deltas in it make who is asked or who asked do anything but refuse them;
 * each request is answered once, with a reply that can be taken apart; and no frame is unpacked to more than a reply holds. Method:
 * the first octet chooses: requests of a member and of a former one to bulk.c with a store, replies with their rows, records of
 * deltas whose signatures all verify. */
#include <stdlib.h>
#include <string.h>

#include "bulk.h"
#include "bulk.pb-c.h"
#include "fuzz/replay.h"
#include "kept/inputs.h"
#include "kept/lineage_take.h"
#include "kept/share.h"
#include "kept/version.h"
#include "reply.h"
#include "trees.h"
#include "unit/store_fixture.h"
#include "zone/rows.h"

const char csn_fuzz_name[] = "bulk";

#define VERSION 1 /* there whole, with a share of the same name */
#define ROWS 40

static struct bench {
    void *folder;
    struct csn_daemon daemon;
    struct csn_zone_shell zone;
    struct csn_chain_epoch epochs[2], *chain[2];
    unsigned responses;
} *bench;

static void close_bench(void)
{
    csn_store_close(bench->daemon.store);
    remove_folder(&bench->folder);
    csn_buf_fini(&bench->epochs[0].document);
    csn_buf_fini(&bench->epochs[1].link);
    free(bench);
}

static void open_bench(void)
{
    struct csn_digest name = name_of(VERSION);
    struct csn_buf key = {0};
    bench = csn_calloc(1, sizeof(*bench));
    INSIST(make_folder(&bench->folder) == 0);
    bench->daemon.store = open_store(bench->folder);
    bench->zone.daemon = &bench->daemon;
    bench->chain[0] = &bench->epochs[0];
    bench->chain[1] = &bench->epochs[1];
    bench->epochs[1].cluster.epoch = 1;
    csn_buf_put(&bench->epochs[0].document, "document", 8);
    csn_buf_put(&bench->epochs[1].link, "link", 4);
    bench->daemon.epochs.chain = (struct csn_chain){.epochs = bench->chain, .count = 2};
    INSIST(load(bench->daemon.store, apex, VERSION, ROWS, NULL) == CSN_OK);
    csn_share_key(apex, &name, 1, &key);
    INSIST(csn_store_put_blob(bench->daemon.store, csn_buf_view(&key), csn_bytes((const uint8_t *)"0123456789", 10)) == CSN_OK);
    csn_buf_fini(&key);
    atexit(close_bench);
}

/* --- what bulk.c asks for */

void csn_mesh_respond(struct csn_mesh_asked *take_asked, int code, struct csn_bytes reply)
{
    INSIST((void *)take_asked == (void *)bench && code <= 0 && reply.size <= CSN_MESH_REPLY_MAX);
    if (code == CSN_OK) {
        Consign__BulkReply *message = csn_reply_unpack(reply);
        INSIST(message != NULL && message->octets.len <= CSN_MESH_PIECE_MAX);
        consign__bulk_reply__free_unpacked(message, NULL);
    }
    bench->responses++;
}

struct csn_zone_shell *csn_daemon_zone(struct csn_daemon *daemon, const uint8_t *zone)
{
    INSIST(daemon == &bench->daemon);
    return csn_name_equal(zone, apex) ? &bench->zone : NULL;
}

void csn_job_run(uv_loop_t *loop, unsigned parts, csn_job_part_fn *work, csn_job_done_fn *done, void *arg)
{
    (void)loop;
    work(arg, 0, parts);
    done(arg);
}

/* An empty tree of whatever it is. */
void csn_trees_ask(struct csn_zone_shell *zone, const struct csn_tree_question *question, csn_tree_fn *answered, void *arg)
{
    static struct csn_tree_place places[CSN_WALK_PLACES_MAX];
    struct csn_tree *tree = csn_tree_new(apex, CSN_TREE_ALL);
    struct csn_buf octets = {0};
    size_t count;
    struct csn_tree_answer answer = {.code = CSN_OK, .name = question->name, .serial = question->serial};
    INSIST(zone == &bench->zone);
    csn_tree_finish(tree);
    if (question->part == CSN_TREE_TOPS) {
        csn_walk_tops_put(tree, &octets);
    } else {
        answer.code = csn_walk_places_read(tree, question->places, question->part == CSN_TREE_LEAVES, places, &count);
    }
    answer.octets = csn_buf_view(&octets);
    answered(arg, &answer);
    csn_buf_fini(&octets);
    csn_tree_free(tree);
}

struct csn_bytes csn_node_certificate_above(const struct csn_node *node, const uint8_t *zone, struct csn_round round)
{
    (void)node, (void)zone, (void)round;
    return csn_bytes(NULL, 0);
}

struct csn_bytes csn_node_floors(const struct csn_node *node, const struct csn_digest *digest)
{
    static const uint8_t floors[] = "floors";
    (void)node;
    return digest->octets[0] == 0 ? csn_bytes(floors, sizeof(floors)) : csn_bytes(NULL, 0);
}

/* --- who is asked */

static void answer(struct csn_bytes octets, bool is_former)
{
    bench->responses = 0;
    csn_bulk_answer(&bench->daemon, is_former, octets, (struct csn_mesh_asked *)(void *)bench);
    INSIST(bench->responses == 1);
}

static void try_request(struct csn_bytes octets)
{
    answer(octets, false);
}

static void try_former(struct csn_bytes octets)
{
    answer(octets, true);
}

/* --- who asks */

static void try_content(const Consign__BulkReply *reply)
{
    struct csn_bytes meta = csn_bytes(reply->meta.data, reply->meta.len), octets = csn_bytes(reply->octets.data, reply->octets.len);
    struct csn_version_meta numbers;
    struct csn_input *input;
    struct csn_digest digest = {{0}};
    (void)csn_version_meta_decode(meta, &numbers);
    if (csn_input_from_rows(apex, &digest, meta, octets, &input) == CSN_OK) {
        csn_input_unref(input);
    }
}

static void try_reply(struct csn_bytes octets)
{
    struct csn_buf again = {0};
    Consign__BulkReply *reply = csn_reply_unpack(octets);
    if (reply == NULL) {
        return;
    }
    INSIST(reply->zstd.len == 0 && reply->octets.len <= CSN_MESH_REPLY_MAX + octets.size);
    bool is_ours = reply->base.n_unknown_fields == 0; /* those need not come back: protobuf-c takes a field 0 with a long tag alone */
    if (is_ours && consign__bulk_reply__get_packed_size(reply) <= CSN_MESH_REPLY_MAX) {
        csn_reply_pack(reply, true, &again);
        Consign__BulkReply *back = csn_reply_unpack(csn_buf_view(&again));
        INSIST(back != NULL && back->octets.len == reply->octets.len && back->n_certificates == reply->n_certificates);
        consign__bulk_reply__free_unpacked(back, NULL);
    }
    try_content(reply);
    csn_buf_fini(&again);
    consign__bulk_reply__free_unpacked(reply, NULL);
}

static bool verify_all(void *arg, const uint8_t *key, struct csn_bytes octets, const uint8_t *signature)
{
    (void)arg, (void)key, (void)octets, (void)signature;
    return true;
}

/* The way forward; the way back reads records with the same function, but only once all leaves of a zone are there. */
static void try_records(struct csn_bytes octets)
{
    struct csn_cluster *cluster = csn_calloc(1, sizeof(*cluster));
    struct csn_lineage_checker checker = {
        .store = bench->daemon.store, .zone = apex, .clusters = cluster, .cluster_count = 1, .verify = verify_all};
    struct csn_lineage found = {0};
    struct csn_digest from = name_of(VERSION), to = name_of(2);
    size_t count;
    uint32_t serial;
    cluster->epoch = 1;
    (void)csn_lineage_forward(&checker, &from, &to, octets, &found, &count, &serial);
    csn_lineage_fini(&found);
    free(cluster);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct csn_bytes) = {try_request, try_former, try_reply, try_records};
    if (bench == NULL) {
        open_bench();
    }
    if (size > 0) {
        readers[data[0] % 4](csn_bytes(data + 1, size - 1));
    }
    return 0;
}
