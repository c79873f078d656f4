#include "bulk.h"

#include <stdlib.h>
#include <string.h>

#include "base/bounded.h"
#include "base/pack.h"
#include "bulk.pb-c.h"
#include "job.h"
#include "kept/share.h"
#include "reply.h"
#include "round/signed_document.h"
#include "trees.h"
#include "zone/rows.h"

#define REQUEST_MEMORY_MAX ((size_t)16 * 1024) /* of a request taken apart; a larger one is refused */
#define LINKS_MAX (CSN_MESH_PIECE_MAX - CSN_CLUSTER_DOCUMENT_MAX) /* octets of links in one reply, beside a document */

/* A request being answered in a worker thread. */
struct answer {
    struct csn_daemon *daemon;      /* borrows */
    struct csn_mesh_asked *asked;   /* owns until responded */
    Consign__BulkRequest *request;  /* owns */
    Consign__BulkStatus status;
    struct csn_buf octets, meta;    /* own */
    bool is_last;
    struct csn_delta_name *names; /* owns; DELTAS: from the newest back */
    size_t name_count;
};

static bool is_zone(ProtobufCBinaryData name)
{
    return csn_name_check(csn_bytes(name.data, name.len)) == name.len && name.len > 0;
}

static void digest_of(const Consign__BulkRequest *request, struct csn_digest *ret_digest)
{
    memcpy(ret_digest->octets, request->digest.data, sizeof(ret_digest->octets));
}

/* Positions behind the row the peer has: `after` is its owner and type. */
static int seek_after(struct csn_table_reader *reader, const Consign__BulkRequest *request)
{
    ProtobufCBinaryData after = request->after;
    if (after.len == 0) {
        return csn_table_seek(reader, request->zone.data, 0);
    }
    size_t size = csn_name_check(csn_bytes(after.data, after.len));
    if (size == 0 || size + 2 != after.len) {
        return CSN_EFORMAT;
    }
    uint16_t type = csn_get_u16(after.data + size);
    return type == UINT16_MAX ? CSN_EFORMAT : csn_table_seek(reader, after.data, (uint16_t)(type + 1));
}

static void put_rows(struct answer *answer, struct csn_table_reader *reader)
{
    struct csn_entry entry;
    int code = CSN_OK;
    struct csn_buf row = {0};
    while ((code = csn_table_next(reader, &entry)) == CSN_OK) {
        csn_buf_clear(&row);
        csn_rows_put(&row, &entry);
        if (answer->octets.size > 0 && answer->octets.size + row.size > CSN_MESH_PIECE_MAX) {
            break;
        }
        csn_buf_put_bytes(&answer->octets, csn_buf_view(&row));
    }
    csn_buf_fini(&row);
    answer->is_last = code == CSN_ENOTFOUND;
    answer->status = code == CSN_OK || code == CSN_ENOTFOUND ? CONSIGN__BULK_STATUS__BULK_OK : CONSIGN__BULK_STATUS__BULK_NOT_HERE;
}

static void read_table(struct answer *answer, enum csn_table_kind kind)
{
    struct csn_digest digest;
    struct csn_table_reader *reader;
    digest_of(answer->request, &digest);
    if (csn_table_open(answer->daemon->store, kind, answer->request->zone.data, &digest, &reader) != CSN_OK) {
        return;
    }
    if (answer->request->after.len == 0) {
        csn_buf_put_bytes(&answer->meta, csn_table_meta(reader));
    }
    int code = seek_after(reader, answer->request);
    if (code == CSN_OK || code == CSN_ENOTFOUND) {
        put_rows(answer, reader);
    }
    csn_table_close(reader);
}

static void read_share(struct answer *answer)
{
    struct csn_digest digest;
    struct csn_buf key = {0}, share = {0};
    digest_of(answer->request, &digest);
    csn_share_key(answer->request->zone.data, &digest, (uint16_t)answer->request->site, &key);
    uint64_t offset = answer->request->offset;
    if (csn_store_get_blob(answer->daemon->store, csn_buf_view(&key), &share) == CSN_OK && offset <= share.size) {
        size_t left = share.size - (size_t)offset, size = left < CSN_MESH_PIECE_MAX ? left : CSN_MESH_PIECE_MAX;
        csn_buf_put(&answer->octets, share.data + offset, size);
        answer->is_last = size == left;
        answer->status = CONSIGN__BULK_STATUS__BULK_OK;
    }
    csn_buf_fini(&key);
    csn_buf_fini(&share);
}

/* What of a record lies behind the first `skip` octets, as far as it fits; false: not all of it did. */
static bool put_delta(struct answer *answer, const struct csn_stored_delta *delta, uint64_t *skip)
{
    struct csn_buf record = {0};
    csn_lineage_record_put(delta, &record);
    size_t skipped = *skip < record.size ? (size_t)*skip : record.size, left = record.size - skipped;
    size_t room = CSN_MESH_PIECE_MAX - answer->octets.size, size = left < room ? left : room;
    csn_buf_put(&answer->octets, record.data + skipped, size);
    csn_buf_fini(&record);
    *skip -= skipped;
    return size == left;
}

static void read_deltas(struct answer *answer)
{
    struct csn_deltas_reader *reader;
    struct csn_stored_delta delta;
    uint64_t skip = answer->request->offset;
    bool has_all = true;
    if (answer->name_count == 0 || csn_deltas_open(answer->daemon->store, &reader) != CSN_OK) {
        return;
    }
    for (size_t i = 0; i < answer->name_count && has_all; i++) {
        if (csn_deltas_get(reader, answer->request->zone.data, &answer->names[i], &delta) != CSN_OK) {
            break;
        }
        has_all = put_delta(answer, &delta, &skip);
        answer->status = CONSIGN__BULK_STATUS__BULK_OK;
    }
    answer->is_last = has_all;
    csn_deltas_close(reader);
}

static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct answer *answer = arg;
    switch (answer->request->kind) {
    case CONSIGN__BULK_KIND__BULK_DELTAS:
        read_deltas(answer);
        break;
    case CONSIGN__BULK_KIND__BULK_INPUT:
        read_table(answer, CSN_TABLE_INPUT);
        break;
    case CONSIGN__BULK_KIND__BULK_VERSION:
        read_table(answer, CSN_TABLE_VERSION);
        break;
    default:
        read_share(answer);
        break;
    }
}

static ProtobufCBinaryData view(const struct csn_buf *buf)
{
    return (ProtobufCBinaryData){.len = buf->size, .data = buf->data};
}

/* A code other than CSN_OK goes without a reply. The answer is gone. */
static void respond_code(struct answer *answer, int code, struct csn_bytes reply)
{
    csn_mesh_respond(answer->asked, code, reply);
    csn_buf_fini(&answer->octets);
    csn_buf_fini(&answer->meta);
    free(answer->names);
    consign__bulk_request__free_unpacked(answer->request, NULL);
    free(answer);
}

/* `digest`: of what the answer is. One row may be more than an answer holds. */
static void respond(struct answer *answer, Consign__BulkReply *reply, ProtobufCBinaryData digest)
{
    struct csn_buf packed = {0};
    reply->status = answer->status;
    reply->digest = digest;
    reply->after = answer->request->after;
    reply->offset = answer->request->offset;
    bool is_small = consign__bulk_reply__get_packed_size(reply) <= CSN_MESH_REPLY_MAX;
    if (is_small) {
        csn_reply_pack(reply, answer->request->takes_zstd, &packed);
    }
    respond_code(answer, is_small ? CSN_OK : CSN_ELIMIT, csn_buf_view(&packed));
    csn_buf_fini(&packed);
}

static void done(void *arg)
{
    struct answer *answer = arg;
    Consign__BulkReply reply = CONSIGN__BULK_REPLY__INIT;
    reply.octets = view(&answer->octets);
    reply.meta = view(&answer->meta);
    reply.is_last = answer->is_last;
    respond(answer, &reply, answer->request->digest);
}

/* Certificates come from the core's memory: no thread needed. */
static void answer_certificates(struct answer *answer)
{
    Consign__BulkReply reply = CONSIGN__BULK_REPLY__INIT;
    ProtobufCBinaryData views[CSN_BULK_CERTIFICATES_MAX];
    struct csn_round above = csn_round_decode(answer->request->round.data);
    struct csn_certificate certificate;
    size_t count = 0, size = 0;
    for (struct csn_bytes octets; count < CSN_BULK_CERTIFICATES_MAX; count++) {
        octets = csn_node_certificate_above(answer->daemon->core, answer->request->zone.data, above);
        size += octets.size;
        if (octets.size == 0 || size > CSN_MESH_PIECE_MAX || csn_certificate_decode(octets, &certificate) != CSN_OK) {
            break;
        }
        views[count] = csn_pack_bytes(octets);
        above = certificate.held.proposal.round;
    }
    answer->status = CONSIGN__BULK_STATUS__BULK_OK;
    reply.n_certificates = count;
    reply.certificates = views;
    reply.is_last = count < CSN_BULK_CERTIFICATES_MAX;
    respond(answer, &reply, answer->request->digest);
}

/* --- epochs: of no zone, from memory */

/* As many links as one reply holds; a peer that knows none also needs the document that they begin with. */
static void answer_links(struct answer *answer)
{
    const struct csn_chain *chain = &answer->daemon->epochs.chain;
    Consign__BulkReply reply = CONSIGN__BULK_REPLY__INIT;
    ProtobufCBinaryData *views = csn_calloc(chain->count, sizeof(views[0]));
    size_t size = 0;
    reply.is_last = true;
    for (size_t i = 1; i < chain->count; i++) {
        const struct csn_buf *link = &chain->epochs[i]->link;
        if (chain->epochs[i]->cluster.epoch > answer->request->epoch) {
            size += link->size;
            reply.is_last = size <= LINKS_MAX;
            if (!reply.is_last) {
                break;
            }
            views[reply.n_links++] = view(link);
        }
    }
    if (answer->request->epoch == 0) {
        reply.octets = view(&chain->epochs[0]->document);
    }
    reply.links = views;
    answer->status = CONSIGN__BULK_STATUS__BULK_OK;
    respond(answer, &reply, answer->request->digest);
    free(views);
}

static struct csn_bytes find_document(const struct csn_epochs *epochs, const struct csn_digest *digest)
{
    bool is_here = epochs->next.size > 0 && csn_digest_equal(digest, &epochs->next_cluster.digest);
    return is_here ? csn_buf_view(&epochs->next) : csn_bytes(NULL, 0);
}

/* Floors of thousands of zones are more than one reply holds. */
static void answer_epoch_object(struct answer *answer)
{
    Consign__BulkReply reply = CONSIGN__BULK_REPLY__INIT;
    struct csn_digest digest;
    digest_of(answer->request, &digest);
    struct csn_bytes octets = answer->request->kind == CONSIGN__BULK_KIND__BULK_FLOORS
                                  ? csn_node_floors(answer->daemon->core, &digest)
                                  : find_document(&answer->daemon->epochs, &digest);
    uint64_t offset = answer->request->offset;
    if (offset < octets.size) {
        size_t left = octets.size - (size_t)offset, size = left < CSN_MESH_PIECE_MAX ? left : CSN_MESH_PIECE_MAX;
        answer->status = CONSIGN__BULK_STATUS__BULK_OK;
        reply.octets = csn_pack_bytes(csn_bytes(octets.data + offset, size));
        reply.is_last = size == left;
    }
    respond(answer, &reply, answer->request->digest);
}

/* --- trees */

static void answer_tree(void *arg, const struct csn_tree_answer *from)
{
    struct answer *answer = arg;
    Consign__BulkReply reply = CONSIGN__BULK_REPLY__INIT;
    struct csn_digest digest = from->name.digest;
    if (from->code != CSN_OK && from->code != CSN_ENOTFOUND) {
        respond_code(answer, from->code, csn_bytes(NULL, 0));
        return;
    }
    answer->status = from->code == CSN_OK ? CONSIGN__BULK_STATUS__BULK_OK : CONSIGN__BULK_STATUS__BULK_NOT_HERE;
    reply.tree = (Consign__BulkTree)from->name.kind;
    reply.serial = from->serial;
    reply.time_s = from->time_s;
    reply.octets = csn_pack_bytes(from->octets);
    respond(answer, &reply, (ProtobufCBinaryData){.len = sizeof(digest.octets), .data = digest.octets});
}

static enum csn_tree_part part_of(Consign__BulkKind kind)
{
    return kind == CONSIGN__BULK_KIND__BULK_TOPS      ? CSN_TREE_TOPS
           : kind == CONSIGN__BULK_KIND__BULK_BUCKETS ? CSN_TREE_BUCKETS
                                                      : CSN_TREE_LEAVES;
}

static void ask_tree(struct answer *answer, struct csn_zone_shell *zone)
{
    const Consign__BulkRequest *request = answer->request;
    struct csn_tree_question question = {.part = part_of(request->kind),
                                         .name.kind = (enum csn_tree_kind)request->tree,
                                         .serial = request->serial,
                                         .places = csn_bytes(request->places.data, request->places.len)};
    if (question.name.kind != CSN_TREE_NONE) {
        digest_of(request, &question.name.digest);
    }
    csn_trees_ask(zone, &question, answer_tree, answer);
}

/* Only tops may be asked for without knowing of what. */
static bool is_tree_question(const Consign__BulkRequest *request)
{
    bool is_named = request->tree >= CONSIGN__BULK_TREE__BULK_TREE_INPUT && request->tree <= CONSIGN__BULK_TREE__BULK_TREE_COMPUTED &&
                    request->digest.len == CSN_DIGEST_SIZE;
    bool is_by_serial = request->kind == CONSIGN__BULK_KIND__BULK_TOPS && request->tree == CONSIGN__BULK_TREE__BULK_TREE_NONE;
    return is_zone(request->zone) && (is_named || is_by_serial);
}

static bool is_of_epochs(const Consign__BulkRequest *request)
{
    return request->kind >= CONSIGN__BULK_KIND__BULK_LINKS && request->kind <= CONSIGN__BULK_KIND__BULK_FLOORS;
}

static bool is_well_formed(const Consign__BulkRequest *request)
{
    switch (request->kind) {
    case CONSIGN__BULK_KIND__BULK_INPUT:
    case CONSIGN__BULK_KIND__BULK_VERSION:
    case CONSIGN__BULK_KIND__BULK_SHARE:
    case CONSIGN__BULK_KIND__BULK_DELTAS:
        return is_zone(request->zone) && request->digest.len == CSN_DIGEST_SIZE && request->site <= UINT16_MAX;
    case CONSIGN__BULK_KIND__BULK_CERTIFICATES:
        return is_zone(request->zone) && request->round.len == CSN_ROUND_SIZE;
    case CONSIGN__BULK_KIND__BULK_TOPS:
    case CONSIGN__BULK_KIND__BULK_BUCKETS:
    case CONSIGN__BULK_KIND__BULK_LEAVES:
        return is_tree_question(request);
    case CONSIGN__BULK_KIND__BULK_LINKS:
        return true;
    case CONSIGN__BULK_KIND__BULK_DOCUMENT:
    case CONSIGN__BULK_KIND__BULK_FLOORS:
        return request->digest.len == CSN_DIGEST_SIZE;
    default:
        return false;
    }
}

/* Where the peer names the full root that it has: down to that one, or nothing. The octets of rows on the way, first. */
static void end_at_after(struct answer *answer, const struct csn_lineage *lineage)
{
    struct csn_bytes after = csn_bytes(answer->request->after.data, answer->request->after.len);
    uint64_t size = 0;
    size_t count = 0;
    bool is_reached = after.size == 0;
    while (after.size > 0 && !is_reached && count < answer->name_count) {
        const struct csn_delta_name *name = &answer->names[count++];
        size += csn_lineage_to(lineage, &name->to)->size;
        is_reached = csn_bytes_equal(after, csn_bytes(name->from.octets, CSN_DIGEST_SIZE));
    }
    if (after.size > 0) {
        answer->name_count = is_reached ? count : 0;
        csn_buf_put_u64(&answer->meta, size);
    }
}

static bool is_answered(struct csn_daemon *daemon, const Consign__BulkRequest *request, bool is_former)
{
    return is_well_formed(request) && (is_former ? request->kind == CONSIGN__BULK_KIND__BULK_LINKS
                                                 : is_of_epochs(request) || csn_daemon_zone(daemon, request->zone.data) != NULL);
}

void csn_bulk_answer(struct csn_daemon *daemon, bool is_former, struct csn_bytes request, struct csn_mesh_asked *asked)
{
    struct csn_bounded bounded;
    csn_bounded_init(&bounded, REQUEST_MEMORY_MAX);
    Consign__BulkRequest *decoded = consign__bulk_request__unpack(&bounded.allocator, request.size, request.data);
    if (decoded == NULL || !is_answered(daemon, decoded, is_former)) {
        if (decoded != NULL) {
            consign__bulk_request__free_unpacked(decoded, NULL);
        }
        csn_mesh_respond(asked, CSN_EFORMAT, csn_bytes(NULL, 0));
        return;
    }
    struct answer *answer = csn_calloc(1, sizeof(*answer));
    answer->daemon = daemon;
    answer->asked = asked;
    answer->request = decoded;
    answer->status = CONSIGN__BULK_STATUS__BULK_NOT_HERE;
    if (decoded->kind == CONSIGN__BULK_KIND__BULK_CERTIFICATES) {
        answer_certificates(answer);
    } else if (decoded->kind == CONSIGN__BULK_KIND__BULK_LINKS) {
        answer_links(answer);
    } else if (is_of_epochs(decoded)) {
        answer_epoch_object(answer);
    } else if (decoded->kind == CONSIGN__BULK_KIND__BULK_DELTAS) {
        struct csn_digest to;
        digest_of(decoded, &to);
        answer->name_count = csn_lineage_back(&csn_daemon_zone(daemon, decoded->zone.data)->history.lineage, &to, &answer->names);
        end_at_after(answer, &csn_daemon_zone(daemon, decoded->zone.data)->history.lineage);
        csn_job_run(daemon->loop, 1, work, done, answer);
    } else if (decoded->kind >= CONSIGN__BULK_KIND__BULK_TOPS) {
        ask_tree(answer, csn_daemon_zone(daemon, decoded->zone.data));
    } else {
        csn_job_run(daemon->loop, 1, work, done, answer);
    }
}
