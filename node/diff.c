#include "diff.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounded.h"
#include "base/text.h"
#include "bulk.pb-c.h"
#include "job.h"
#include "reports.h"
#include "sign/content.h"
#include "work.h"
#include "zone/lines.h"
#include "zone/walk.h"

#define PIECE_DEADLINE_MS 15000
#define PIECES_MAX 6 /* under way to one site; its other 10 calls are left to fetches */
#define REPLY_MEMORY_MAX ((size_t)4 * 1024 * 1024)
#define BRANCHES_A_PIECE 84  /* 256 hashes each: under 1 MiB */
#define BUCKETS_A_PIECE 1000 /* 3 octets each: a request has at most 4 KiB */
#define ROW_ESTIMATE 300     /* octets */
#define RETRY_MS 1000
#define TRIES_MAX 20
#define LINES_LOGGED 5

struct diff;

struct side {
    struct diff *diff; /* borrows */
    unsigned number;   /* 0, 1 */
    struct csn_diff_side wanted;
    struct csn_tree_name name;
    uint32_t serial;
    uint64_t time_s;
    bool is_sure;    /* what it is was signed, or certified */
    size_t next;     /* place to ask for */
    unsigned pieces; /* under way */
};

struct diff {
    struct csn_zone_shell *zone; /* borrows */
    uint32_t serial;
    struct side sides[2];
    struct csn_walk *walk; /* owns */
    enum csn_tree_part part;
    size_t place_count;
    unsigned trips, depth; /* exchanges so far, and in this part */
    struct csn_diff_result result;
    struct csn_buf text; /* owns */
    csn_diff_fn *done;
    void *arg;
};

/* A request under way. */
struct piece {
    struct side *side; /* borrows */
    size_t from, count;
    unsigned depth; /* 1; more: what did not fit into the answer before */
};

static const char *site_name(const struct csn_daemon *daemon, uint16_t site)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        if (cluster->members[i].number == site) {
            return cluster->members[i].name;
        }
    }
    return "?";
}

static const char *name_of(const struct side *side)
{
    return site_name(side->diff->zone->daemon, side->wanted.site);
}

/* The first failure counts; what is still under way is waited for. */
static void fail(struct side *side, int code, const char *what)
{
    struct csn_diff_result *result = &side->diff->result;
    if (result->code == CSN_OK) {
        result->code = csn_reason_set(&result->reason, code, "site %s: %s", name_of(side), what);
    }
}

/* --- one request */

static void advance(struct diff *diff);
static void ask(struct side *side, size_t from, size_t count, unsigned depth);

static void take(struct piece *piece, const struct csn_tree_answer *answer)
{
    struct side *side = piece->side;
    struct diff *diff = side->diff;
    size_t taken = 0;
    int code;
    if (diff->part == CSN_TREE_TOPS) {
        side->name = answer->name;
        side->serial = answer->serial;
        side->time_s = answer->time_s;
        code = csn_walk_take_tops(diff->walk, side->number, answer->octets);
    } else {
        code = csn_walk_take(diff->walk, side->number, piece->from, piece->count, answer->octets, &taken);
    }
    if (code != CSN_OK) {
        fail(side, code, code == CSN_ELIMIT ? "too much differs to be taken" : "what it says does not have the hash it should");
    } else if (taken < piece->count) {
        ask(side, piece->from + taken, piece->count - taken, piece->depth + 1);
    }
}

static void on_answer(void *arg, const struct csn_tree_answer *answer)
{
    struct piece *piece = arg;
    struct side *side = piece->side;
    side->pieces--;
    if (side->diff->result.code != CSN_OK) {
        /* the comparison is over */
    } else if (answer->code == CSN_OK) {
        take(piece, answer);
    } else {
        fail(side, answer->code,
             answer->code == CSN_ENOTFOUND ? "it has nothing of that serial that could be compared" : csn_error_text(answer->code));
    }
    advance(side->diff);
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
    struct csn_tree_answer answer = {.code = code};
    struct csn_bounded bounded;
    Consign__BulkReply *reply = NULL;
    csn_bounded_init(&bounded, REPLY_MEMORY_MAX);
    if (code == CSN_OK) {
        reply = consign__bulk_reply__unpack(&bounded.allocator, octets.size, octets.data);
        answer.code = reply != NULL ? CSN_OK : CSN_EFORMAT;
    }
    if (reply != NULL) {
        unpack_answer(reply, &answer);
    }
    on_answer(piece, &answer);
    if (reply != NULL) {
        consign__bulk_reply__free_unpacked(reply, &bounded.allocator);
    }
}

static void pack_question(const struct csn_zone_shell *zone, const struct csn_tree_question *question, struct csn_buf *buf)
{
    static const Consign__BulkKind kinds[] = {[CSN_TREE_TOPS] = CONSIGN__BULK_KIND__BULK_TOPS,
                                              [CSN_TREE_BUCKETS] = CONSIGN__BULK_KIND__BULK_BUCKETS,
                                              [CSN_TREE_LEAVES] = CONSIGN__BULK_KIND__BULK_LEAVES};
    Consign__BulkRequest request = CONSIGN__BULK_REQUEST__INIT;
    const uint8_t *name = zone->config->zone;
    request.kind = kinds[question->part];
    request.zone = (ProtobufCBinaryData){.len = csn_name_size(name), .data = (uint8_t *)(uintptr_t)name};
    request.tree = (Consign__BulkTree)question->name.kind;
    if (question->name.kind != CSN_TREE_NONE) {
        request.digest = (ProtobufCBinaryData){.len = CSN_DIGEST_SIZE, .data = (uint8_t *)(uintptr_t)question->name.digest.octets};
    }
    request.serial = question->serial;
    request.places = (ProtobufCBinaryData){.len = question->places.size, .data = (uint8_t *)(uintptr_t)question->places.data};
    size_t size = consign__bulk_request__get_packed_size(&request);
    consign__bulk_request__pack(&request, csn_buf_reserve(buf, size));
    buf->size += size;
}

static void send_piece(struct side *side, const struct csn_tree_question *question, struct piece *piece)
{
    struct csn_daemon *daemon = side->diff->zone->daemon;
    struct csn_buf request = {0};
    int code = CSN_OK;
    if (side->wanted.site == daemon->config->member->number) {
        csn_trees_ask(side->diff->zone, question, on_answer, piece);
    } else {
        pack_question(side->diff->zone, question, &request);
        code = csn_mesh_request(daemon->mesh, side->wanted.site, csn_buf_view(&request), PIECE_DEADLINE_MS, on_reply, piece);
    }
    if (code != CSN_OK) {
        side->pieces--;
        fail(side, code, "it cannot be asked now");
        free(piece);
    }
    csn_buf_fini(&request);
}

/* A round trip is what leaves without waiting for an answer to its like. */
static void count_trip(struct diff *diff, unsigned depth)
{
    static const char *const parts[] = {"branches", "buckets", "leaves"};
    if (depth > diff->depth) {
        diff->depth = depth;
        diff->trips++;
        csn_log(&diff->zone->daemon->log, CSN_DEBUG, "diff.trip", "zone %s serial %" PRIu32 ": round trip %u: %s", diff->zone->name,
                diff->serial, diff->trips, parts[diff->part]);
    }
}

static void ask(struct side *side, size_t from, size_t count, unsigned depth)
{
    struct diff *diff = side->diff;
    struct csn_buf places = {0};
    struct piece *piece = csn_calloc(1, sizeof(*piece));
    *piece = (struct piece){.side = side, .from = from, .count = count, .depth = depth};
    csn_walk_places_put(diff->walk, from, count, &places);
    struct csn_tree_question question = {.part = diff->part,
                                         .name = diff->part == CSN_TREE_TOPS ? side->wanted.name : side->name,
                                         .serial = diff->serial,
                                         .places = csn_buf_view(&places)};
    count_trip(diff, depth);
    side->pieces++;
    send_piece(side, &question, piece);
    csn_buf_fini(&places);
}

/* --- what is believed */

static void roots_of(const struct diff *diff, const struct side *side, struct csn_roots *ret_roots, struct csn_digest *ret_b)
{
    struct csn_digest *const roots[CSN_TREE_CLASSES] = {&ret_roots->d, &ret_roots->k, &ret_roots->n, &ret_roots->r, ret_b};
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        csn_walk_root(diff->walk, side->number, place, roots[place]);
    }
}

/* The full root binds everything; is it the certified one? */
struct certified {
    uint32_t serial;
    const struct csn_digest *full_root;
};
static bool is_certified(const void *arg, const struct csn_certificate *certificate)
{
    const struct certified *certified = arg;
    return certificate->held.proposal.serial == certified->serial &&
           csn_digest_equal(&certificate->held.full_root, certified->full_root);
}

static bool has_version_root(const struct diff *diff, struct side *side, const struct csn_roots *roots, const struct csn_digest *b)
{
    struct csn_digest content, full;
    struct csn_certificate certificate;
    struct certified certified = {.serial = side->serial, .full_root = &side->name.digest};
    csn_content_root(diff->zone->config->zone, side->serial, side->time_s, roots, &content);
    csn_full_root(&content, b, &full);
    side->is_sure = csn_trees_certificate(diff->zone, is_certified, &certified, &certificate);
    return csn_digest_equal(&full, &side->name.digest) && side->serial == diff->serial;
}

static bool has_signed_roots(const struct diff *diff, struct side *side, const struct csn_roots *roots)
{
    struct csn_roots own = side->wanted.roots;
    side->is_sure = side->wanted.has_roots ||
                    csn_node_computed(diff->zone->daemon->core, side->wanted.site, &side->name.digest, &own);
    return (!side->is_sure || csn_roots_equal(roots, &own)) && side->serial == diff->serial;
}

/* A site that reported this input as its own signed the report. */
static bool is_reported_input(const struct diff *diff, const struct side *side)
{
    struct csn_node_zone_status core;
    const struct csn_daemon *daemon = diff->zone->daemon;
    csn_node_get_zone(daemon->core, (size_t)(diff->zone - daemon->zones), csn_daemon_now(daemon), &core);
    const struct csn_row *row = side->wanted.site == daemon->config->member->number
                                    ? &core.row
                                    : csn_node_peer_row(daemon->core, side->wanted.site, diff->zone->config->zone);
    for (unsigned i = 0; row != NULL && i < row->input_count; i++) {
        if (csn_digest_equal(&row->inputs[i].prepared, &side->name.digest)) {
            return true;
        }
    }
    return false;
}

static bool is_believed(struct diff *diff, struct side *side)
{
    struct csn_roots roots;
    struct csn_digest b;
    const struct csn_tree_name *wanted = &side->wanted.name;
    roots_of(diff, side, &roots, &b);
    if (wanted->kind != CSN_TREE_NONE && (wanted->kind != side->name.kind || !csn_digest_equal(&wanted->digest, &side->name.digest))) {
        return false;
    }
    switch (side->name.kind) {
    case CSN_TREE_INPUT:
        side->is_sure = is_reported_input(diff, side);
        return csn_digest_equal(&roots.d, &side->name.digest);
    case CSN_TREE_VERSION:
        return has_version_root(diff, side, &roots, &b);
    case CSN_TREE_COMPUTED:
        return has_signed_roots(diff, side, &roots);
    default:
        return false;
    }
}

/* --- the text */

__attribute__((format(printf, 2, 3))) static void put(struct csn_buf *buf, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    csn_buf_put(buf, line, size < (int)sizeof(line) ? (size_t)size : sizeof(line) - 1);
}

static void put_side(const struct side *side, struct csn_buf *buf)
{
    char digest[2 * 8 + 1];
    csn_hex_encode(csn_bytes(side->name.digest.octets, 8), digest);
    const char *what = side->name.kind == CSN_TREE_INPUT     ? "the input of its own source, D"
                       : side->name.kind == CSN_TREE_VERSION ? "the version with full root"
                                                             : "its own content for proposal";
    const char *doubt = side->is_sure                             ? ""
                        : side->name.kind == CSN_TREE_VERSION     ? " (no certificate of it is known here)"
                                                                  : " (it signed that too long ago to be compared)";
    put(buf, "# %c %s: %s %s%s\n", side->number == 0 ? '-' : '+', name_of(side), what, digest, doubt);
}

static void put_counts(const struct diff *diff, const struct csn_walk_difference *differences, size_t count, struct csn_buf *buf)
{
    unsigned common = csn_walk_classes(diff->walk, 0) & csn_walk_classes(diff->walk, 1);
    size_t counts[CSN_TREE_CLASSES] = {0};
    bool is_systematic = csn_walk_is_systematic(diff->walk);
    for (size_t i = 0; i < count; i++) {
        counts[csn_tree_class_place((uint8_t)differences[i].class)]++;
    }
    for (unsigned place = 0; place < CSN_TREE_CLASSES; place++) {
        if ((common >> place & 1) != 0) {
            put(buf, "# class %c: %zu RRset%s differ%s%s\n", csn_tree_class(place), counts[place], counts[place] == 1 ? "" : "s",
                counts[place] == 1 ? "s" : "", is_systematic ? " in the sample" : "");
        }
    }
    if (is_systematic) {
        put(buf, "# systematic: %zu buckets differ; one in each branch was looked into\n", csn_walk_differing(diff->walk));
    }
}

/* Lines of whole records until one of the limits; true: all are there. */
static bool put_lines(const struct csn_walk_difference *differences, size_t count, struct csn_buf *buf)
{
    size_t lines = 0;
    struct csn_buf one = {0};
    bool has_all = true;
    for (size_t i = 0; has_all && i < count; i++) {
        csn_buf_clear(&one);
        csn_lines_differ(&one, differences[i].sides[0], differences[i].sides[1], differences[i].class == CSN_CLASS_R);
        for (size_t at = 0, end; has_all && at < one.size; at = end) {
            end = (size_t)((const uint8_t *)memchr(one.data + at, '\n', one.size - at) - one.data) + 1;
            has_all = lines++ < CSN_DIFF_LINES_MAX && buf->size + (end - at) <= CSN_DIFF_TEXT_MAX;
            if (has_all) {
                csn_buf_put(buf, one.data + at, end - at);
            }
        }
    }
    csn_buf_fini(&one);
    return has_all;
}

static void write_text(struct diff *diff)
{
    const struct csn_walk_difference *differences;
    struct csn_buf lines = {0};
    size_t count = csn_walk_finish(diff->walk, &differences);
    put(&diff->text, "# zone %s serial %" PRIu32 "\n", diff->zone->name, diff->serial);
    put_side(&diff->sides[0], &diff->text);
    put_side(&diff->sides[1], &diff->text);
    put_counts(diff, differences, count, &diff->text);
    if (!put_lines(differences, count, &lines)) {
        put(&diff->text, "# only the first lines are shown\n");
    }
    diff->result.summary_size = diff->text.size;
    csn_buf_put_bytes(&diff->text, csn_buf_view(&lines));
    csn_buf_fini(&lines);
}

/* --- part by part */

static void finish(struct diff *diff)
{
    csn_log(&diff->zone->daemon->log, CSN_DEBUG, "diff.done", "zone %s serial %" PRIu32 ": %s after %u round trips", diff->zone->name,
            diff->serial, diff->result.code != CSN_OK ? "failed" : diff->result.is_equal ? "equal" : "different", diff->trips);
    diff->result.text = csn_buf_view(&diff->text);
    diff->done(diff->arg, &diff->result);
    csn_walk_free(diff->walk);
    csn_buf_fini(&diff->text);
    free(diff);
}

static size_t piece_size(const struct diff *diff)
{
    uint64_t leaves = 0;
    if (diff->part == CSN_TREE_BUCKETS) {
        return BRANCHES_A_PIECE;
    }
    for (unsigned i = 0; i < 2 * CSN_TREE_CLASSES; i++) {
        uint64_t of_class = csn_walk_leaves(diff->walk, i / CSN_TREE_CLASSES, i % CSN_TREE_CLASSES);
        leaves = of_class > leaves ? of_class : leaves;
    }
    uint64_t a_bucket = (leaves / (CSN_TREE_CHILDREN * CSN_TREE_CHILDREN) + 1) * ROW_ESTIMATE;
    uint64_t size = CSN_MESH_PIECE_MAX / 2 / a_bucket;
    return size < 1 ? 1 : size > BUCKETS_A_PIECE ? BUCKETS_A_PIECE : (size_t)size;
}

static void pump(struct side *side)
{
    struct diff *diff = side->diff;
    size_t most = piece_size(diff);
    while (diff->result.code == CSN_OK && side->pieces < PIECES_MAX && side->next < diff->place_count) {
        size_t left = diff->place_count - side->next, count = left < most ? left : most, from = side->next;
        side->next += count;
        ask(side, from, count, 1);
    }
}

static void begin_part(struct diff *diff, enum csn_tree_part part, size_t place_count)
{
    diff->part = part;
    diff->place_count = place_count;
    diff->depth = 0;
    diff->sides[0].next = diff->sides[1].next = 0;
}

static void next_part(struct diff *diff)
{
    if (diff->part == CSN_TREE_TOPS) {
        for (unsigned i = 0; i < 2; i++) {
            if (!is_believed(diff, &diff->sides[i])) {
                fail(&diff->sides[i], CSN_EMISMATCH, "what it says does not have the roots it should");
                return;
            }
        }
        begin_part(diff, CSN_TREE_BUCKETS, csn_walk_find_branches(diff->walk));
        diff->result.is_equal = diff->place_count == 0;
    } else {
        begin_part(diff, CSN_TREE_LEAVES, csn_walk_find_buckets(diff->walk));
    }
}

/* After every answer. */
static void advance(struct diff *diff)
{
    if (diff->part != CSN_TREE_TOPS) {
        pump(&diff->sides[0]);
        pump(&diff->sides[1]);
    }
    if (diff->sides[0].pieces + diff->sides[1].pieces > 0) {
        return;
    }
    bool was_last = diff->part == CSN_TREE_LEAVES;
    if (diff->result.code == CSN_OK && was_last) {
        write_text(diff);
    } else if (diff->result.code == CSN_OK) {
        next_part(diff);
    }
    if (diff->result.code != CSN_OK || was_last || diff->result.is_equal) {
        finish(diff);
    } else {
        advance(diff);
    }
}

static void begin(void *arg)
{
    struct diff *diff = arg;
    ask(&diff->sides[0], 0, 0, 1);
    ask(&diff->sides[1], 0, 0, 1);
    if (diff->result.code != CSN_OK) {
        advance(diff);
    }
}

void csn_diff_run(struct csn_zone_shell *zone, uint32_t serial, const struct csn_diff_side sides[2], csn_diff_fn *done, void *arg)
{
    struct diff *diff = csn_calloc(1, sizeof(*diff));
    diff->zone = zone;
    diff->serial = serial;
    diff->walk = csn_walk_new();
    diff->done = done;
    diff->arg = arg;
    for (unsigned i = 0; i < 2; i++) {
        diff->sides[i] = (struct side){.diff = diff, .number = i, .wanted = sides[i]};
    }
    csn_job_later(zone->daemon->loop, 0, begin, diff);
}

/* --- by itself */

void csn_diff_refused(struct csn_zone_shell *zone, const struct csn_digest *hash)
{
    struct csn_divergence *own = &zone->divergence;
    if (csn_work_content(zone->work) == NULL || !csn_digest_equal(csn_work_hash(zone->work), hash)) {
        return;
    }
    if (own->work != zone->work) {
        csn_work_unref(own->work);
        own->work = csn_work_ref(zone->work);
    }
    own->is_computed_due = true;
    own->tries = 0;
    own->retry_ms = 0;
}

void csn_diff_diverged(struct csn_zone_shell *zone, uint8_t classes)
{
    struct csn_divergence *own = &zone->divergence;
    own->is_input_due = own->is_input_due || (classes & CSN_CLASS_BIT_D) != 0;
    own->tries = 0;
    own->retry_ms = 0;
}

void csn_diff_rejoined(struct csn_zone_shell *zone)
{
    struct csn_divergence *own = &zone->divergence;
    csn_work_unref(own->work);
    own->work = NULL;
    own->is_computed_due = own->is_input_due = false;
    own->reported = (struct csn_digest){{0}};
}

/* The text under the time, as a file; and its first lines in the log. */
static void report(struct csn_zone_shell *zone, uint32_t serial, const struct csn_diff_result *result)
{
    const struct csn_log *log = &zone->daemon->log;
    char path[CSN_REPORT_PATH_MAX];
    struct csn_reason reason;
    const uint8_t *at = result->text.data + result->summary_size, *end = result->text.data + result->text.size;
    int code = csn_reports_keep(zone->daemon->config->store, zone->config->zone, serial, csn_daemon_now(zone->daemon).wall_s,
                                result->text, path, &reason);
    csn_log(log, CSN_ERROR, "diff.report", "zone %s serial %" PRIu32 ": what differs here (+) from the quorum (-): %s%s", zone->name,
            serial, code == CSN_OK ? path : "no file: ", code == CSN_OK ? "" : reason.text);
    for (unsigned i = 0; i < LINES_LOGGED && at < end; i++) {
        const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));
        int size = line_end - at < 400 ? (int)(line_end - at) : 400;
        csn_log(log, CSN_ERROR, "diff.line", "zone %s: %.*s", zone->name, size, (const char *)at);
        at = line_end + 1;
    }
}

/* What was being compared by itself. */
struct own {
    struct csn_zone_shell *zone; /* borrows */
    uint32_t serial;
    bool is_input;
};

static void on_own_done(void *arg, const struct csn_diff_result *result)
{
    struct own *own = arg;
    struct csn_zone_shell *zone = own->zone;
    struct csn_divergence *divergence = &zone->divergence;
    bool *is_due = own->is_input ? &divergence->is_input_due : &divergence->is_computed_due;
    divergence->is_running = false;
    divergence->retry_ms = csn_daemon_now(zone->daemon).mono_ms + RETRY_MS;
    if (result->code == CSN_OK) {
        struct csn_digest lines;
        csn_sha384(csn_bytes(result->is_equal ? NULL : result->text.data + result->summary_size,
                             result->text.size - result->summary_size),
                   &lines);
        *is_due = false;
        if (!result->is_equal && !csn_digest_equal(&lines, &divergence->reported)) {
            divergence->reported = lines;
            report(zone, own->serial, result);
        }
    } else if (++divergence->tries >= TRIES_MAX) {
        *is_due = false;
        csn_log(&zone->daemon->log, CSN_WARNING, "diff.failed", "zone %s serial %" PRIu32 ": what differs could not be found out: %s",
                zone->name, own->serial, result->reason.text);
    }
    free(own);
}

static void run_own(struct csn_zone_shell *zone, uint32_t serial, const struct csn_diff_side sides[2])
{
    struct own *own = csn_calloc(1, sizeof(*own));
    own->zone = zone;
    own->serial = serial;
    own->is_input = sides[1].name.kind == CSN_TREE_INPUT;
    zone->divergence.is_running = true;
    csn_diff_run(zone, serial, sides, on_own_done, own);
}

/* A site that voted for it; another one at each try. */
static uint16_t pick_voter(const struct csn_zone_shell *zone, const struct csn_certificate *certificate)
{
    uint16_t self = zone->daemon->config->member->number;
    for (unsigned i = 0; i < certificate->vote_count; i++) {
        uint16_t site = certificate->votes[(zone->divergence.tries + i) % certificate->vote_count].site;
        if (site != self) {
            return site;
        }
    }
    return 0;
}

static bool is_of_hash(const void *arg, const struct csn_certificate *certificate)
{
    struct csn_digest hash;
    csn_proposal_hash(&certificate->held.proposal, &hash);
    return csn_digest_equal(arg, &hash);
}

/* A site whose signed roots are not this site's: while nothing is certified. */
static bool pick_other(const struct csn_zone_shell *zone, const struct csn_work *work, struct csn_diff_side *ret_side)
{
    const struct csn_cluster *cluster = &zone->daemon->config->cluster;
    const struct csn_roots *own = &csn_work_content(work)->roots;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        uint16_t site = cluster->members[(zone->divergence.tries + i) % cluster->member_count].number;
        struct csn_diff_side side = {.site = site, .name = {.kind = CSN_TREE_COMPUTED, .digest = *csn_work_hash(work)}, .has_roots = true};
        if (csn_node_computed(zone->daemon->core, site, csn_work_hash(work), &side.roots) && !csn_roots_equal(&side.roots, own)) {
            *ret_side = side;
            return true;
        }
    }
    return false;
}

static void compare_computed(struct csn_zone_shell *zone)
{
    struct csn_work *work = zone->divergence.work;
    struct csn_certificate certificate;
    struct csn_diff_side sides[2] = {{.site = 0}, {.site = zone->daemon->config->member->number}};
    sides[1].name = (struct csn_tree_name){.kind = CSN_TREE_COMPUTED, .digest = *csn_work_hash(work)};
    sides[1].has_roots = true;
    sides[1].roots = csn_work_content(work)->roots;
    if (csn_trees_certificate(zone, is_of_hash, csn_work_hash(work), &certificate)) {
        sides[0].site = pick_voter(zone, &certificate);
        sides[0].name = (struct csn_tree_name){.kind = CSN_TREE_VERSION, .digest = certificate.held.full_root};
    } else if (!pick_other(zone, work, &sides[0])) {
        return; /* not known any more, or not yet */
    }
    run_own(zone, csn_work_proposal(work)->serial, sides);
}

static bool has_conflict(const void *arg, const struct csn_certificate *certificate)
{
    struct csn_digest own;
    return csn_trees_conflict(arg, &certificate->held.proposal.input, &own);
}

/* Nothing was computed here: the input that the others certified is refused for this site's own. */
static void compare_input(struct csn_zone_shell *zone)
{
    struct csn_certificate certificate;
    struct csn_diff_side sides[2] = {{.site = 0}, {.site = zone->daemon->config->member->number}};
    if (!csn_trees_certificate(zone, has_conflict, zone, &certificate)) {
        return; /* until it is certified */
    }
    sides[1].name.kind = CSN_TREE_INPUT;
    csn_trees_conflict(zone, &certificate.held.proposal.input, &sides[1].name.digest);
    sides[0].site = pick_voter(zone, &certificate);
    sides[0].name = (struct csn_tree_name){.kind = CSN_TREE_VERSION, .digest = certificate.held.full_root};
    run_own(zone, certificate.held.proposal.serial, sides);
}

void csn_diff_tick(struct csn_zone_shell *zone)
{
    struct csn_divergence *own = &zone->divergence;
    uint64_t now_ms = csn_daemon_now(zone->daemon).mono_ms;
    if (own->is_running || now_ms < own->retry_ms || (!own->is_computed_due && !own->is_input_due)) {
        return;
    }
    own->retry_ms = now_ms + RETRY_MS;
    if (own->is_computed_due) {
        compare_computed(zone);
    } else {
        compare_input(zone);
    }
}
