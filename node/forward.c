#include "forward.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bulk.pb-c.h"
#include "history_check.h"
#include "job.h"
#include "kept/version.h"
#include "reply.h"
#include "zone/walk.h"

#define PIECE_DEADLINE_MS 15000

/* A row of one of the deltas: what becomes of an RRset, or of the RRSIGs of one. */
struct change {
    struct csn_rrset row;
    size_t order; /* of its delta; twice, and one more where it is new */
};

struct forward {
    struct csn_zone_shell *zone; /* borrows */
    uint16_t site;
    struct csn_digest from, to;
    struct csn_history_checker checker; /* owns */
    uint64_t octets_max;           /* of rows */
    uint64_t octets;               /* of replies */
    struct csn_buf records;        /* owns */
    struct csn_stored_delta *deltas; /* owns; newest first; borrow from `records` */
    struct csn_delta *decoded;     /* owns; the same */
    size_t count;
    struct csn_digest at;          /* the delta to this one is the next */
    struct csn_history found;      /* owns its deltas; kept in the store */
    int code;
    csn_difference_fn *done;
    void *arg;
};

/* --- in a worker thread */

/* The records, newest first, down to what is served. */
static int read_records(struct forward *forward)
{
    struct csn_reader reader = csn_reader(csn_buf_view(&forward->records));
    int code = CSN_OK;
    forward->at = forward->to;
    while (code == CSN_OK && csn_reader_left(&reader) > 0 && !csn_digest_equal(&forward->at, &forward->from)) {
        forward->deltas = csn_realloc(forward->deltas, forward->count + 1, sizeof(forward->deltas[0]));
        forward->decoded = csn_realloc(forward->decoded, forward->count + 1, sizeof(forward->decoded[0]));
        struct csn_stored_delta *stored = &forward->deltas[forward->count];
        struct csn_delta *delta = &forward->decoded[forward->count];
        stored->certificate = csn_read_bytes(&reader, csn_read_u16(&reader));
        stored->octets = csn_read_bytes(&reader, csn_read_u32(&reader));
        code = reader.failed ? CSN_EFORMAT : csn_history_check(&forward->checker, &forward->at, stored, delta);
        if (code == CSN_OK) {
            stored->name = (struct csn_delta_name){.from = delta->from.full_root, .to = delta->to.full_root};
            forward->at = delta->from.full_root;
            forward->count++;
        }
    }
    return code == CSN_OK && !csn_digest_equal(&forward->at, &forward->from) ? CSN_EMISMATCH : code;
}

/* Every one of them from root to root, oldest first. */
static int check_roots(struct forward *forward)
{
    struct csn_leafset *leaves;
    int code = csn_history_leaves(forward->zone, &forward->from, &leaves);
    for (size_t i = forward->count; code == CSN_OK && i > 0; i--) {
        code = csn_leafset_take(leaves, &forward->decoded[i - 1]);
    }
    csn_leafset_free(leaves);
    return code;
}

static int compare_changes(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    int order = csn_delta_compare_rows(&x->row, &y->row);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static void add_rows(struct change **changes, size_t *count, struct csn_bytes rows, size_t order)
{
    struct csn_reader reader = csn_reader(rows);
    struct csn_rrset row;
    while (csn_delta_row(&reader, &row) == CSN_OK) {
        if ((*count & (*count - 1)) == 0) { /* full at each power of two */
            *changes = csn_realloc(*changes, *count > 0 ? 2 * *count : 1, sizeof((*changes)[0]));
        }
        (*changes)[(*count)++] = (struct change){.row = row, .order = order};
    }
}

/* What all of them come to: the last word on each RRset. */
struct sum {
    struct csn_rrset *rows;                  /* owns */
    struct csn_walk_difference *differences; /* owns; side 0 is the older version's, which only its place is taken from */
    size_t count;
};

static void sum_up(const struct forward *forward, struct sum *ret_sum)
{
    struct change *changes = NULL;
    size_t count = 0;
    for (size_t i = 0; i < forward->count; i++) {
        const struct csn_delta *delta = &forward->decoded[forward->count - 1 - i];
        add_rows(&changes, &count, delta->gone, 2 * i);
        add_rows(&changes, &count, delta->added, 2 * i + 1);
    }
    if (count > 0) {
        qsort(changes, count, sizeof(changes[0]), compare_changes);
    }
    struct sum sum = {.rows = csn_calloc(count + 1, sizeof(sum.rows[0])),
                      .differences = csn_calloc(count + 1, sizeof(sum.differences[0]))};
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || csn_delta_compare_rows(&changes[i].row, &changes[i + 1].row) != 0) {
            struct csn_rrset *row = &sum.rows[sum.count];
            *row = changes[i].row;
            sum.differences[sum.count++] =
                (struct csn_walk_difference){.class = CSN_CLASS_D, .sides = {row, changes[i].order % 2 != 0 ? row : NULL}};
        }
    }
    free(changes);
    *ret_sum = sum;
}

static int keep(struct forward *forward)
{
    int code = csn_store_put_deltas(forward->zone->daemon->store, forward->zone->config->zone, forward->deltas, forward->count);
    for (size_t i = 0; code == CSN_OK && i < forward->count; i++) {
        code = csn_history_note(&forward->found, &forward->deltas[i]);
    }
    return code;
}

static int write_version(struct forward *forward)
{
    struct sum sum;
    struct csn_version_meta meta = {.serial = forward->decoded[0].to.serial, .time_s = forward->decoded[0].to.time_s};
    sum_up(forward, &sum);
    int code = csn_version_patch(forward->zone->daemon->store, forward->zone->config->zone, &forward->from, &forward->to, &meta,
                                 sum.differences, sum.count);
    free(sum.rows);
    free(sum.differences);
    return code;
}

static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct forward *forward = arg;
    int code = read_records(forward);
    code = code == CSN_OK ? check_roots(forward) : code;
    code = code == CSN_OK ? write_version(forward) : code;
    forward->code = code == CSN_OK ? keep(forward) : code;
}

/* --- asking */

static void end(void *arg)
{
    struct forward *forward = arg;
    struct csn_zone_shell *zone = forward->zone;
    csn_history_join(&zone->history, &forward->found);
    if (forward->code == CSN_OK) {
        csn_log(&zone->daemon->log, CSN_INFO, "fetch.forward",
                "zone %s serial %" PRIu32 " from site %u: by %zu differences from version to version, %" PRIu64 " octets", zone->name,
                forward->decoded[0].to.serial, forward->site, forward->count, forward->octets);
    }
    forward->done(forward->arg, forward->code, csn_error_text(forward->code));
    csn_history_checker_fini(&forward->checker);
    csn_buf_fini(&forward->records);
    free(forward->deltas);
    free(forward->decoded);
    free(forward->found.deltas);
    free(forward);
}

static void ask(struct forward *forward);

static int take_reply(struct forward *forward, const Consign__BulkReply *reply)
{
    if (reply->status != CONSIGN__BULK_STATUS__BULK_OK) {
        return CSN_ENOTFOUND;
    }
    if (reply->digest.len != CSN_DIGEST_SIZE || memcmp(reply->digest.data, forward->to.octets, CSN_DIGEST_SIZE) != 0 ||
        reply->offset != forward->records.size || reply->meta.len != sizeof(uint64_t) || reply->octets.len == 0) {
        return CSN_EFORMAT;
    }
    csn_buf_put(&forward->records, reply->octets.data, reply->octets.len);
    bool is_much = csn_get_u64(reply->meta.data) > forward->octets_max ||
                   forward->records.size > forward->octets_max + (uint64_t)CSN_HISTORY_COUNT_MAX * CSN_HISTORY_RECORD_EXTRA;
    return is_much ? CSN_ELIMIT : CSN_OK;
}

static void on_reply(void *arg, int code, struct csn_bytes octets)
{
    struct forward *forward = arg;
    bool is_last = false;
    forward->octets += octets.size;
    if (code == CSN_OK) {
        Consign__BulkReply *reply = csn_reply_unpack(octets);
        code = reply != NULL ? take_reply(forward, reply) : CSN_EFORMAT;
        is_last = reply != NULL && reply->is_last;
        if (reply != NULL) {
            consign__bulk_reply__free_unpacked(reply, NULL);
        }
    }
    forward->code = code;
    if (code != CSN_OK) {
        end(forward);
    } else if (is_last) {
        csn_shell_run(forward->zone, 1, work, end, forward);
    } else {
        ask(forward);
    }
}

static void ask(struct forward *forward)
{
    const uint8_t *name = forward->zone->config->zone;
    struct csn_buf packed = {0};
    Consign__BulkRequest request = CONSIGN__BULK_REQUEST__INIT;
    request.kind = CONSIGN__BULK_KIND__BULK_DELTAS;
    request.zone = (ProtobufCBinaryData){.len = csn_name_size(name), .data = (uint8_t *)(uintptr_t)name};
    request.digest = (ProtobufCBinaryData){.len = CSN_DIGEST_SIZE, .data = forward->to.octets};
    request.after = (ProtobufCBinaryData){.len = CSN_DIGEST_SIZE, .data = forward->from.octets};
    request.offset = forward->records.size;
    request.takes_zstd = true;
    size_t size = consign__bulk_request__get_packed_size(&request);
    consign__bulk_request__pack(&request, csn_buf_reserve(&packed, size));
    packed.size = size;
    int code = csn_mesh_request(forward->zone->daemon->mesh, forward->site, csn_buf_view(&packed), PIECE_DEADLINE_MS, on_reply, forward);
    csn_buf_fini(&packed);
    if (code != CSN_OK) {
        forward->code = code;
        csn_job_later(forward->zone->daemon->loop, 0, end, forward);
    }
}

void csn_forward_fetch(struct csn_zone_shell *zone, uint16_t site, const struct csn_digest *full_root, csn_difference_fn *done,
                       void *arg)
{
    struct forward *forward = csn_calloc(1, sizeof(*forward));
    *forward = (struct forward){.zone = zone,
                                .site = site,
                                .from = zone->serving.full_root,
                                .to = *full_root,
                                .octets_max = zone->history.zone_size,
                                .done = done,
                                .arg = arg};
    csn_history_checker_init(zone, &forward->checker);
    if (!zone->serving.is_ready || zone->history.zone_size == 0 || csn_digest_equal(&forward->from, full_root)) {
        forward->code = CSN_ENOTFOUND;
        csn_job_later(zone->daemon->loop, 0, end, forward);
        return;
    }
    ask(forward);
}
