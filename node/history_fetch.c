/* The part of the history that this site missed, from peers: the delta to the oldest version that is known here, then back over
 * the parents. Nothing of it needs anybody's word: a certificate names its version's parent, and the leaves of what is served,
 * taken back delta by delta, must have the full root of each. */
#include "history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "bulk.pb-c.h"
#include "daemon.h"
#include "history_check.h"
#include "job.h"
#include "progress.h"
#include "reply.h"

#define RETRY_MS 1000 /* doubling */
#define TRIES_MAX 8   /* then the next release or start asks again */

struct fetch {
    struct csn_zone_shell *zone; /* borrows */
    uint16_t sites[CSN_MEMBERS_MAX];
    unsigned site_count, site_at;
    struct csn_lineage_checker checker; /* owns */
    struct csn_past past;          /* owns */
    struct csn_progress progress;  /* of the site being asked */
    uint64_t octets;               /* of replies */
    Consign__BulkReply *reply;     /* owns; in a worker's hands */
    bool was_busy;            /* somebody could not be asked */
    int code;
};

static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct fetch *fetch = arg;
    struct csn_bytes piece = csn_bytes(fetch->reply->octets.data, fetch->reply->octets.len);
    fetch->code = csn_past_take(&fetch->checker, &fetch->past, piece);
}

/* --- asking */

static void ask(struct fetch *fetch);

static void end(struct fetch *fetch)
{
    struct csn_zone_shell *zone = fetch->zone;
    struct csn_history *history = &zone->history;
    history->fetch.is_running = false;
    /* A site that was faster than its peers finds nothing there yet. */
    bool is_again = fetch->was_busy || csn_lineage_to(&history->lineage, &zone->serving.full_root) == NULL;
    history->fetch.is_due = history->fetch.is_due || (is_again && history->fetch.tries < TRIES_MAX);
    history->fetch.retry_ms = csn_daemon_now(zone->daemon).mono_ms + ((uint64_t)RETRY_MS << history->fetch.tries);
    if (fetch->past.count > 0) {
        csn_log(&zone->daemon->log, CSN_INFO, "history.fetched",
                "zone %s: %zu differences between versions that this site missed, %" PRIu64 " octets", zone->name, fetch->past.count,
                fetch->octets);
        csn_history_prune(zone);
    }
    csn_past_fini(&fetch->past);
    csn_history_checker_fini(&fetch->checker);
    free(fetch);
}

/* Each time that it is tried there is more patience. */
static void begin_site(struct fetch *fetch)
{
    unsigned tries = fetch->zone->history.fetch.tries, patience = tries < CSN_PROGRESS_PATIENCE_MAX ? tries : CSN_PROGRESS_PATIENCE_MAX;
    csn_progress_begin(&fetch->progress, patience, UINT64_MAX);
}

/* A site that said something wrong spoiled the leaves, which are made anew from what is known. */
static void next_site(struct fetch *fetch, int code)
{
    if (code != CSN_ENOTFOUND) {
        csn_log(&fetch->zone->daemon->log, CSN_INFO, "fetch.failed", "zone %s: differences between versions not from site %u: %s",
                fetch->zone->name, fetch->sites[fetch->site_at], csn_error_text(code));
    }
    fetch->was_busy = fetch->was_busy || (code != CSN_ENOTFOUND && code != CSN_EMISMATCH && code != CSN_ESIGNATURE);
    csn_past_begin(&fetch->past, &fetch->zone->history.lineage);
    fetch->site_at++;
    begin_site(fetch);
    ask(fetch);
}

static void after_work(void *arg)
{
    struct fetch *fetch = arg;
    struct csn_daemon *daemon = fetch->zone->daemon;
    bool is_last = fetch->reply->is_last, has_more = fetch->reply->octets.len > 0;
    csn_reply_free(&fetch->reply);
    csn_lineage_join(&fetch->zone->history.lineage, &fetch->past.found);
    fetch->past.found.count = 0;
    if (fetch->code == CSN_EIO || fetch->code == CSN_EFULL) {
        csn_daemon_die(daemon, fetch->code, "differences that a peer sent cannot be kept");
    } else if (fetch->code != CSN_OK) {
        next_site(fetch, fetch->code);
    } else if (csn_past_is_enough(&fetch->past)) {
        end(fetch);
    } else if (is_last || !has_more) {
        next_site(fetch, CSN_ENOTFOUND); /* another may know what is further back */
    } else {
        ask(fetch);
    }
}

static bool is_answer_to(const struct fetch *fetch, const Consign__BulkReply *reply)
{
    return reply->digest.len == CSN_DIGEST_SIZE && memcmp(reply->digest.data, fetch->past.at.octets, CSN_DIGEST_SIZE) == 0 &&
           reply->offset == fetch->past.record.size;
}

static int judge(struct fetch *fetch)
{
    const Consign__BulkReply *reply = fetch->reply;
    if (reply == NULL || !is_answer_to(fetch, reply)) {
        return CSN_EFORMAT;
    }
    return reply->status == CONSIGN__BULK_STATUS__BULK_OK ? csn_progress_take(&fetch->progress, reply->octets.len, reply->is_last)
                                                          : CSN_ENOTFOUND;
}

static void on_reply(void *arg, int code, struct csn_bytes octets)
{
    struct fetch *fetch = arg;
    fetch->octets += octets.size;
    csn_progress_answered(&fetch->progress, csn_daemon_now(fetch->zone->daemon).mono_ms);
    if (code != CSN_OK) {
        next_site(fetch, csn_progress_code(&fetch->progress, code));
        return;
    }
    fetch->reply = csn_reply_unpack(octets);
    code = judge(fetch);
    if (code != CSN_OK) {
        csn_reply_free(&fetch->reply);
        next_site(fetch, code);
        return;
    }
    csn_shell_run(fetch->zone, 1, work, after_work, fetch);
}

static void pack_request(struct fetch *fetch, struct csn_buf *buf)
{
    const uint8_t *name = fetch->zone->config->zone;
    Consign__BulkRequest request = CONSIGN__BULK_REQUEST__INIT;
    request.kind = CONSIGN__BULK_KIND__BULK_DELTAS;
    request.zone = csn_pack_bytes(csn_bytes(name, csn_name_size(name)));
    request.digest = (ProtobufCBinaryData){.len = CSN_DIGEST_SIZE, .data = fetch->past.at.octets};
    request.offset = fetch->past.record.size;
    request.takes_zstd = true;
    csn_pack(&request.base, buf);
}

static void ask(struct fetch *fetch)
{
    struct csn_buf request = {0};
    if (fetch->site_at == fetch->site_count) {
        end(fetch);
        return;
    }
    pack_request(fetch, &request);
    int code = csn_mesh_request(fetch->zone->daemon->mesh, fetch->sites[fetch->site_at], csn_buf_view(&request),
                                csn_progress_deadline_ms(&fetch->progress), on_reply, fetch);
    csn_buf_fini(&request);
    if (code == CSN_OK) {
        csn_progress_asked(&fetch->progress, csn_daemon_now(fetch->zone->daemon).mono_ms);
    } else {
        fetch->was_busy = true;
        fetch->site_at++;
        begin_site(fetch);
        ask(fetch);
    }
}

static void begin(struct csn_zone_shell *zone)
{
    const struct csn_cluster *cluster = &zone->daemon->config->cluster;
    struct fetch *fetch = csn_calloc(1, sizeof(*fetch));
    fetch->zone = zone;
    fetch->past.served = zone->serving.full_root;
    fetch->past.zone_size = zone->history.zone_size;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        if (cluster->members[i].number != zone->daemon->config->member->number) {
            fetch->sites[fetch->site_count++] = cluster->members[i].number;
        }
    }
    zone->history.fetch.is_running = true;
    zone->history.fetch.is_due = false;
    begin_site(fetch);
    zone->history.fetch.tries++;
    csn_history_checker_init(zone, &fetch->checker);
    csn_past_begin(&fetch->past, &zone->history.lineage);
    if (csn_past_is_enough(&fetch->past)) {
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
