#include "compare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "bulk.pb-c.h"
#include "job.h"
#include "reply.h"

#define PIECES_MAX 6 /* under way to one site; its other 10 calls are left to fetches */
#define BRANCHES_A_PIECE 84  /* 256 hashes each: under 1 MiB */
#define BUCKETS_A_PIECE 1000 /* 3 octets each: a request has at most 4 KiB */
#define ROW_ESTIMATE 300     /* octets */

/* A request under way. */
struct piece {
    struct csn_compare_side *side; /* borrows */
    size_t from, count;
    unsigned depth; /* 1; more: what did not fit into the answer before */
};

const char *csn_compare_site_name(const struct csn_daemon *daemon, uint16_t site)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        if (cluster->members[i].number == site) {
            return cluster->members[i].name;
        }
    }
    return "?";
}

/* The first failure counts; what is still under way is waited for. */
static void fail(struct csn_compare_side *side, int code, const char *what)
{
    struct csn_compare *compare = side->compare;
    if (compare->code == CSN_OK) {
        compare->bad_side = side->number;
        compare->code = csn_reason_set(&compare->reason, code, "site %s: %s", csn_compare_site_name(compare->zone->daemon, side->site), what);
    }
}

/* --- one request */

static void advance(struct csn_compare *compare);
static void ask(struct csn_compare_side *side, size_t from, size_t count, unsigned depth);

static const char *fault(int code)
{
    return code == CSN_ELIMIT  ? "too much differs to be taken"
           : code == CSN_ESLOW ? "it is too slow"
                               : "what it says does not have the hash it should";
}

static void take(struct piece *piece, const struct csn_tree_answer *answer)
{
    struct csn_compare_side *side = piece->side;
    struct csn_compare *compare = side->compare;
    size_t taken = 0;
    int code;
    if (compare->part == CSN_TREE_TOPS) {
        side->name = answer->name;
        side->serial = answer->serial;
        side->time_s = answer->time_s;
        code = csn_walk_take_tops(compare->walk, side->number, answer->octets);
    } else {
        code = csn_walk_take(compare->walk, side->number, piece->from, piece->count, answer->octets, &taken);
    }
    if (code == CSN_OK && side->site != compare->zone->daemon->config->member->number) {
        code = csn_progress_take(&side->progress, answer->octets.size, taken == piece->count);
    }
    if (code != CSN_OK) {
        fail(side, code, fault(code));
    } else if (taken < piece->count) {
        ask(side, piece->from + taken, piece->count - taken, piece->depth + 1);
    }
}

static void on_answer(void *arg, const struct csn_tree_answer *answer)
{
    struct piece *piece = arg;
    struct csn_compare_side *side = piece->side;
    side->pieces--;
    if (side->compare->code != CSN_OK) {
        /* the comparison is over */
    } else if (answer->code == CSN_OK) {
        take(piece, answer);
    } else {
        fail(side, answer->code,
             answer->code == CSN_ENOTFOUND ? "it has nothing of that serial that could be compared" : csn_error_text(answer->code));
    }
    advance(side->compare);
    free(piece);
}

static void unpack_answer(const Consign__BulkReply *reply, struct csn_tree_answer *ret_answer)
{
    ret_answer->name.kind = (enum csn_tree_kind)reply->tree;
    ret_answer->serial = reply->serial;
    ret_answer->time_s = reply->time_s;
    ret_answer->octets = csn_bytes(reply->octets.data, reply->octets.len);
    if (reply->status != CONSIGN__BULK_STATUS__BULK_OK) {
        ret_answer->code = CSN_ENOTFOUND;
    } else if (reply->digest.len != CSN_DIGEST_SIZE || reply->tree > CONSIGN__BULK_TREE__BULK_TREE_COMPUTED) {
        ret_answer->code = CSN_EFORMAT;
    } else {
        memcpy(ret_answer->name.digest.octets, reply->digest.data, CSN_DIGEST_SIZE);
    }
}

static void on_reply(void *arg, int code, struct csn_bytes octets)
{
    struct piece *piece = arg;
    struct csn_compare_side *side = piece->side;
    struct csn_tree_answer answer = {.code = csn_progress_code(&side->progress, code)};
    Consign__BulkReply *reply = NULL;
    side->octets += octets.size;
    csn_progress_answered(&side->progress, csn_daemon_now(side->compare->zone->daemon).mono_ms);
    if (code == CSN_OK) {
        reply = csn_reply_unpack(octets);
        answer.code = reply != NULL ? CSN_OK : CSN_EFORMAT;
    }
    if (reply != NULL) {
        unpack_answer(reply, &answer);
    }
    on_answer(piece, &answer);
    csn_reply_free(&reply);
}

static void pack_question(const struct csn_zone_shell *zone, const struct csn_tree_question *question, struct csn_buf *buf)
{
    static const Consign__BulkKind kinds[] = {[CSN_TREE_TOPS] = CONSIGN__BULK_KIND__BULK_TOPS,
                                              [CSN_TREE_BUCKETS] = CONSIGN__BULK_KIND__BULK_BUCKETS,
                                              [CSN_TREE_LEAVES] = CONSIGN__BULK_KIND__BULK_LEAVES};
    Consign__BulkRequest request = CONSIGN__BULK_REQUEST__INIT;
    const uint8_t *name = zone->config->zone;
    request.kind = kinds[question->part];
    request.zone = csn_pack_bytes(csn_bytes(name, csn_name_size(name)));
    request.tree = (Consign__BulkTree)question->name.kind;
    if (question->name.kind != CSN_TREE_NONE) {
        request.digest = csn_pack_bytes(csn_bytes(question->name.digest.octets, CSN_DIGEST_SIZE));
    }
    request.serial = question->serial;
    request.places = csn_pack_bytes(question->places);
    request.takes_zstd = true;
    csn_pack(&request.base, buf);
}

static void send_piece(struct csn_compare_side *side, const struct csn_tree_question *question, struct piece *piece)
{
    struct csn_daemon *daemon = side->compare->zone->daemon;
    struct csn_buf request = {0};
    int code = CSN_OK;
    if (side->site == daemon->config->member->number) {
        csn_trees_ask(side->compare->zone, question, on_answer, piece);
    } else {
        pack_question(side->compare->zone, question, &request);
        code = csn_mesh_request(daemon->mesh, side->site, csn_buf_view(&request), csn_progress_deadline_ms(&side->progress), on_reply,
                                piece);
        if (code == CSN_OK) {
            csn_progress_asked(&side->progress, csn_daemon_now(daemon).mono_ms);
        }
    }
    if (code != CSN_OK) {
        side->pieces--;
        fail(side, code, "it cannot be asked now");
        free(piece);
    }
    csn_buf_fini(&request);
}

/* A round trip is what leaves without waiting for an answer to its like. */
static void count_trip(struct csn_compare *compare, unsigned depth)
{
    static const char *const parts[] = {"branches", "buckets", "leaves"};
    if (depth > compare->depth) {
        compare->depth = depth;
        compare->trips++;
        csn_log(&compare->zone->daemon->log, CSN_DEBUG, "diff.trip", "zone %s serial %" PRIu32 ": round trip %u: %s", compare->zone->name,
                compare->settings.serial, compare->trips, parts[compare->part]);
    }
}

static void ask(struct csn_compare_side *side, size_t from, size_t count, unsigned depth)
{
    struct csn_compare *compare = side->compare;
    struct csn_buf places = {0};
    struct piece *piece = csn_calloc(1, sizeof(*piece));
    *piece = (struct piece){.side = side, .from = from, .count = count, .depth = depth};
    csn_walk_places_put(compare->walk, from, count, &places);
    struct csn_tree_question question = {.part = compare->part,
                                         .name = compare->part == CSN_TREE_TOPS ? side->wanted : side->name,
                                         .serial = compare->settings.serial,
                                         .places = csn_buf_view(&places)};
    count_trip(compare, depth);
    side->pieces++;
    send_piece(side, &question, piece);
    csn_buf_fini(&places);
}

/* --- roots */

void csn_compare_roots(const struct csn_compare *compare, unsigned side, struct csn_roots *ret_roots, struct csn_digest *ret_b)
{
    struct csn_digest *const roots[CSN_TREE_CLASSES] = {&ret_roots->d, &ret_roots->k, &ret_roots->n, &ret_roots->r, ret_b};
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        csn_walk_root(compare->walk, side, place, roots[place]);
    }
}

bool csn_compare_has_full_root(const struct csn_compare *compare, unsigned side)
{
    const struct csn_compare_side *of = &compare->sides[side];
    struct csn_roots roots;
    struct csn_digest b, content, full;
    csn_compare_roots(compare, side, &roots, &b);
    csn_content_root(compare->zone->config->zone, of->serial, of->time_s, &roots, &content);
    csn_full_root(&content, &b, &full);
    return csn_digest_equal(&full, &of->name.digest);
}

/* --- part by part */

static void finish(struct csn_compare *compare)
{
    csn_log(&compare->zone->daemon->log, CSN_DEBUG, "diff.done", "zone %s serial %" PRIu32 ": %s after %u round trips",
            compare->zone->name, compare->settings.serial,
            compare->code != CSN_OK ? "failed" : compare->is_equal ? "equal" : "different", compare->trips);
    compare->settings.done(compare->settings.arg, compare);
    csn_walk_free(compare->walk);
    free(compare);
}

static size_t piece_size(const struct csn_compare *compare)
{
    uint64_t leaves = 0;
    if (compare->part == CSN_TREE_BUCKETS) {
        return BRANCHES_A_PIECE;
    }
    for (unsigned i = 0; i < 2 * CSN_TREE_CLASSES; i++) {
        uint64_t of_class = csn_walk_leaves(compare->walk, i / CSN_TREE_CLASSES, i % CSN_TREE_CLASSES);
        leaves = of_class > leaves ? of_class : leaves;
    }
    uint64_t a_bucket = (leaves / (CSN_TREE_CHILDREN * CSN_TREE_CHILDREN) + 1) * ROW_ESTIMATE;
    uint64_t size = CSN_MESH_PIECE_MAX / 2 / a_bucket;
    return size < 1 ? 1 : size > BUCKETS_A_PIECE ? BUCKETS_A_PIECE : (size_t)size;
}

static void pump(struct csn_compare_side *side)
{
    struct csn_compare *compare = side->compare;
    size_t most = piece_size(compare);
    while (compare->code == CSN_OK && side->pieces < PIECES_MAX && side->next < compare->place_count) {
        size_t left = compare->place_count - side->next, count = left < most ? left : most, from = side->next;
        side->next += count;
        ask(side, from, count, 1);
    }
}

static void begin_part(struct csn_compare *compare, enum csn_tree_part part, size_t place_count)
{
    compare->part = part;
    compare->place_count = place_count;
    compare->depth = 0;
    compare->sides[0].next = compare->sides[1].next = 0;
}

static void next_part(struct csn_compare *compare)
{
    if (compare->part == CSN_TREE_TOPS) {
        for (unsigned i = 0; i < 2; i++) {
            if (!compare->settings.is_believed(compare->settings.arg, compare, i)) {
                fail(&compare->sides[i], CSN_EMISMATCH, "what it says does not have the roots it should");
                return;
            }
        }
        begin_part(compare, CSN_TREE_BUCKETS, csn_walk_find_branches(compare->walk));
        compare->is_equal = compare->place_count == 0;
    } else {
        begin_part(compare, CSN_TREE_LEAVES, csn_walk_find_buckets(compare->walk));
        if (compare->settings.is_worth != NULL && !compare->settings.is_worth(compare->settings.arg, compare)) {
            fail(&compare->sides[1], CSN_ELIMIT, "too much differs");
        }
    }
}

/* After every answer. */
static void advance(struct csn_compare *compare)
{
    if (compare->part != CSN_TREE_TOPS) {
        pump(&compare->sides[0]);
        pump(&compare->sides[1]);
    }
    if (compare->sides[0].pieces + compare->sides[1].pieces > 0) {
        return;
    }
    bool was_last = compare->part == CSN_TREE_LEAVES;
    if (compare->code == CSN_OK && !was_last) {
        next_part(compare);
    }
    if (compare->code != CSN_OK || was_last || compare->is_equal) {
        finish(compare);
    } else {
        advance(compare);
    }
}

static void begin(void *arg)
{
    struct csn_compare *compare = arg;
    ask(&compare->sides[0], 0, 0, 1);
    ask(&compare->sides[1], 0, 0, 1);
    if (compare->code != CSN_OK) {
        advance(compare);
    }
}


void csn_compare_run(struct csn_zone_shell *zone, const uint16_t sites[2], const struct csn_tree_name names[2],
                     const struct csn_compare_settings *settings)
{
    struct csn_compare *compare = csn_calloc(1, sizeof(*compare));
    compare->zone = zone;
    compare->settings = *settings;
    compare->walk = csn_walk_new(settings->classes, settings->buckets_max);
    for (unsigned i = 0; i < 2; i++) {
        compare->sides[i] = (struct csn_compare_side){.compare = compare, .number = i, .site = sites[i], .wanted = names[i]};
        csn_progress_begin(&compare->sides[i].progress, settings->patience, UINT64_MAX);
    }
    csn_job_later(zone->daemon->loop, 0, begin, compare);
}
