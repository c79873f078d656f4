/* The part of the history that this site missed, from peers: the delta to the oldest version that is known here, then back over
 * the parents. Nothing of it needs anybody's word: a certificate names its version's parent, and the leaves of what is served,
 * taken back delta by delta, must have the full root of each. */
#include "history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bulk.pb-c.h"
#include "daemon.h"
#include "history_check.h"
#include "job.h"
#include "reply.h"

#define PIECE_DEADLINE_MS 15000
#define RETRY_MS 1000 /* doubling */
#define TRIES_MAX 8   /* then the next release or start asks again */

struct fetch {
    struct csn_zone_shell *zone; /* borrows */
    uint16_t sites[CSN_MEMBERS_MAX];
    unsigned site_count, site_at;
    struct csn_history_checker checker; /* owns */
    struct csn_digest served;      /* what all of it leads to */
    uint64_t zone_size;
    struct csn_digest at;          /* the delta to this one is wanted */
    uint64_t size;                 /* octets of rows on the way from there to what is served */
    size_t count;                  /* deltas fetched */
    uint64_t octets;               /* of replies */
    struct csn_leafset *leaves;    /* owns; those of `at`; NULL: not made yet */
    struct csn_delta_name *known;  /* owns; on the way from what is served to `at` */
    size_t known_count;
    Consign__BulkReply *reply;     /* owns; in a worker's hands */
    struct csn_buf record;         /* owns; of what has not come whole yet */
    struct csn_stored_delta *taken; /* owns; of this reply: they borrow from `record` */
    size_t taken_count;
    struct csn_history found; /* owns its deltas; kept in the store, not yet in the index */
    bool was_busy;            /* somebody could not be asked */
    int code;
};

/* --- what is taken, in a worker thread */

/* The leaves of the oldest version that is known here. */
static int take_known(struct fetch *fetch)
{
    struct csn_deltas_reader *reader;
    struct csn_stored_delta stored;
    struct csn_delta delta;
    int code = csn_deltas_open(fetch->zone->daemon->store, &reader);
    if (code != CSN_OK) {
        return code;
    }
    for (size_t i = 0; code == CSN_OK && i < fetch->known_count; i++) {
        code = csn_deltas_get(reader, fetch->zone->config->zone, &fetch->known[i], &stored);
        code = code == CSN_OK ? csn_delta_decode(fetch->zone->config->zone, stored.octets, &delta) : code;
        code = code == CSN_OK ? csn_leafset_take_back(fetch->leaves, &delta) : code;
    }
    csn_deltas_close(reader);
    return code;
}

static int take_record(struct fetch *fetch, struct csn_stored_delta *stored)
{
    struct csn_delta delta;
    int code = csn_history_check(&fetch->checker, &fetch->at, stored, &delta);
    code = code == CSN_OK ? csn_leafset_take_back(fetch->leaves, &delta) : code;
    if (code == CSN_OK) {
        stored->name = (struct csn_delta_name){.from = delta.from.full_root, .to = delta.to.full_root};
        fetch->taken = csn_realloc(fetch->taken, fetch->taken_count + 1, sizeof(fetch->taken[0]));
        fetch->taken[fetch->taken_count++] = *stored;
        fetch->at = delta.from.full_root;
        fetch->size += delta.gone.size + delta.added.size;
    }
    return code;
}

static bool is_enough(const struct fetch *fetch)
{
    return fetch->size > fetch->zone_size || fetch->known_count + fetch->count + fetch->taken_count >= CSN_HISTORY_COUNT_MAX;
}

/* Every record that is whole; ret_used octets of them. What was good before a bad one stays good. */
static int take_records(struct fetch *fetch, size_t *ret_used)
{
    struct csn_reader reader = csn_reader(csn_buf_view(&fetch->record));
    int code = CSN_OK;
    while (code == CSN_OK && !is_enough(fetch)) {
        struct csn_stored_delta stored;
        stored.certificate = csn_read_bytes(&reader, csn_read_u16(&reader));
        stored.octets = csn_read_bytes(&reader, csn_read_u32(&reader));
        if (reader.failed) {
            break;
        }
        code = take_record(fetch, &stored);
        *ret_used = (size_t)(reader.at - fetch->record.data);
    }
    return code == CSN_OK && fetch->record.size - *ret_used > fetch->zone_size + CSN_HISTORY_RECORD_EXTRA ? CSN_ELIMIT : code;
}

/* One transaction; then what they borrow from may go. */
static int keep(struct fetch *fetch)
{
    int code = CSN_OK;
    if (fetch->taken_count > 0) {
        code = csn_store_put_deltas(fetch->zone->daemon->store, fetch->zone->config->zone, fetch->taken, fetch->taken_count);
    }
    for (size_t i = 0; code == CSN_OK && i < fetch->taken_count; i++) {
        code = csn_history_note(&fetch->found, &fetch->taken[i]);
    }
    fetch->count += code == CSN_OK ? fetch->taken_count : 0;
    fetch->taken_count = 0;
    return code;
}

static void keep_rest(struct fetch *fetch, size_t used)
{
    if (used == 0) {
        return;
    }
    memmove(fetch->record.data, fetch->record.data + used, fetch->record.size - used);
    fetch->record.size -= used;
}

static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct fetch *fetch = arg;
    size_t used = 0;
    int code = CSN_OK;
    if (fetch->leaves == NULL) {
        code = csn_history_leaves(fetch->zone, &fetch->served, &fetch->leaves);
        code = code == CSN_OK ? take_known(fetch) : code;
    }
    if (code == CSN_OK) {
        csn_buf_put(&fetch->record, fetch->reply->octets.data, fetch->reply->octets.len);
        code = take_records(fetch, &used);
    }
    int kept = keep(fetch);
    keep_rest(fetch, used);
    fetch->code = kept != CSN_OK ? kept : code;
}

/* --- asking */

static void ask(struct fetch *fetch);

static void end(struct fetch *fetch)
{
    struct csn_zone_shell *zone = fetch->zone;
    struct csn_history *history = &zone->history;
    history->fetch.is_running = false;
    /* A site that was faster than its peers finds nothing there yet. */
    bool is_again = fetch->was_busy || csn_history_to(history, &zone->serving.full_root) == NULL;
    history->fetch.is_due = history->fetch.is_due || (is_again && history->fetch.tries < TRIES_MAX);
    history->fetch.retry_ms = csn_daemon_now(zone->daemon).mono_ms + ((uint64_t)RETRY_MS << history->fetch.tries);
    if (fetch->count > 0) {
        csn_log(&zone->daemon->log, CSN_INFO, "history.fetched",
                "zone %s: %zu differences between versions that this site missed, %" PRIu64 " octets", zone->name, fetch->count,
                fetch->octets);
        csn_history_prune(zone);
    }
    csn_leafset_free(fetch->leaves);
    csn_buf_fini(&fetch->record);
    free(fetch->found.deltas);
    csn_history_checker_fini(&fetch->checker);
    free(fetch->known);
    free(fetch->taken);
    free(fetch);
}

/* Where the way back ends here. */
static void survey(struct fetch *fetch)
{
    const struct csn_history *history = &fetch->zone->history;
    free(fetch->known);
    csn_buf_clear(&fetch->record);
    fetch->known_count = csn_history_back(history, &fetch->served, &fetch->known);
    fetch->at = fetch->known_count > 0 ? fetch->known[fetch->known_count - 1].from : fetch->served;
    fetch->size = 0;
    for (size_t i = 0; i < fetch->known_count; i++) {
        fetch->size += csn_history_to(history, &fetch->known[i].to)->size;
    }
}

/* A site that said something wrong spoiled the leaves, which are made anew from what is known. */
static void next_site(struct fetch *fetch, int code)
{
    if (code != CSN_ENOTFOUND) {
        csn_log(&fetch->zone->daemon->log, CSN_INFO, "fetch.failed", "zone %s: differences between versions not from site %u: %s",
                fetch->zone->name, fetch->sites[fetch->site_at], csn_error_text(code));
    }
    fetch->was_busy = fetch->was_busy || (code != CSN_ENOTFOUND && code != CSN_EMISMATCH && code != CSN_ESIGNATURE);
    csn_leafset_free(fetch->leaves);
    fetch->leaves = NULL;
    survey(fetch);
    fetch->site_at++;
    ask(fetch);
}

static void after_work(void *arg)
{
    struct fetch *fetch = arg;
    struct csn_daemon *daemon = fetch->zone->daemon;
    bool is_last = fetch->reply->is_last, has_more = fetch->reply->octets.len > 0;
    consign__bulk_reply__free_unpacked(fetch->reply, NULL);
    fetch->reply = NULL;
    csn_history_join(&fetch->zone->history, &fetch->found);
    fetch->found.count = 0;
    if (fetch->code == CSN_EIO || fetch->code == CSN_EFULL) {
        csn_daemon_die(daemon, fetch->code, "differences that a peer sent cannot be kept");
    } else if (fetch->code != CSN_OK) {
        next_site(fetch, fetch->code);
    } else if (is_enough(fetch)) {
        end(fetch);
    } else if (is_last || !has_more) {
        next_site(fetch, CSN_ENOTFOUND); /* another may know what is further back */
    } else {
        ask(fetch);
    }
}

static bool is_answer_to(const struct fetch *fetch, const Consign__BulkReply *reply)
{
    return reply->digest.len == CSN_DIGEST_SIZE && memcmp(reply->digest.data, fetch->at.octets, CSN_DIGEST_SIZE) == 0 &&
           reply->offset == fetch->record.size;
}

static void on_reply(void *arg, int code, struct csn_bytes octets)
{
    struct fetch *fetch = arg;
    fetch->octets += octets.size;
    if (code != CSN_OK) {
        next_site(fetch, code);
        return;
    }
    fetch->reply = csn_reply_unpack(octets);
    bool is_good = fetch->reply != NULL && is_answer_to(fetch, fetch->reply);
    if (!is_good || fetch->reply->status != CONSIGN__BULK_STATUS__BULK_OK) {
        if (fetch->reply != NULL) {
            consign__bulk_reply__free_unpacked(fetch->reply, NULL);
            fetch->reply = NULL;
        }
        next_site(fetch, is_good ? CSN_ENOTFOUND : CSN_EFORMAT);
        return;
    }
    csn_shell_run(fetch->zone, 1, work, after_work, fetch);
}

static void pack_request(struct fetch *fetch, struct csn_buf *buf)
{
    const uint8_t *name = fetch->zone->config->zone;
    Consign__BulkRequest request = CONSIGN__BULK_REQUEST__INIT;
    request.kind = CONSIGN__BULK_KIND__BULK_DELTAS;
    request.zone = (ProtobufCBinaryData){.len = csn_name_size(name), .data = (uint8_t *)(uintptr_t)name};
    request.digest = (ProtobufCBinaryData){.len = CSN_DIGEST_SIZE, .data = fetch->at.octets};
    request.offset = fetch->record.size;
    request.takes_zstd = true;
    size_t size = consign__bulk_request__get_packed_size(&request);
    consign__bulk_request__pack(&request, csn_buf_reserve(buf, size));
    buf->size += size;
}

static void ask(struct fetch *fetch)
{
    struct csn_buf request = {0};
    if (fetch->site_at == fetch->site_count) {
        end(fetch);
        return;
    }
    pack_request(fetch, &request);
    int code = csn_mesh_request(fetch->zone->daemon->mesh, fetch->sites[fetch->site_at], csn_buf_view(&request), PIECE_DEADLINE_MS,
                                on_reply, fetch);
    csn_buf_fini(&request);
    if (code != CSN_OK) {
        fetch->was_busy = true;
        fetch->site_at++;
        ask(fetch);
    }
}

static void begin(struct csn_zone_shell *zone)
{
    const struct csn_cluster *cluster = &zone->daemon->config->cluster;
    struct fetch *fetch = csn_calloc(1, sizeof(*fetch));
    fetch->zone = zone;
    fetch->served = zone->serving.full_root;
    fetch->zone_size = zone->history.zone_size;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        if (cluster->members[i].number != zone->daemon->config->member->number) {
            fetch->sites[fetch->site_count++] = cluster->members[i].number;
        }
    }
    zone->history.fetch.is_running = true;
    zone->history.fetch.is_due = false;
    zone->history.fetch.tries++;
    csn_history_checker_init(zone, &fetch->checker);
    survey(fetch);
    if (is_enough(fetch)) {
        fetch->site_at = fetch->site_count;
    }
    ask(fetch);
}

void csn_history_want(struct csn_zone_shell *zone)
{
    zone->history.fetch.is_due = zone->history.has_parent;
    zone->history.fetch.tries = 0;
    zone->history.fetch.retry_ms = 0;
}

void csn_history_tick(struct csn_zone_shell *zone)
{
    const struct csn_history *history = &zone->history;
    bool is_due = history->fetch.is_due && !history->fetch.is_running && history->zone_size > 0;
    if (is_due && csn_daemon_now(zone->daemon).mono_ms >= history->fetch.retry_ms && !zone->daemon->unwritable.is_set) {
        begin(zone);
    }
}
