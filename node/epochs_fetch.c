#include <stdlib.h>
#include <string.h>

#include "base/bounded.h"
#include "base/pack.h"
#include "bulk.pb-c.h"
#include "daemon.h"
#include "epochs.h"
#include "job.h"
#include "progress.h"
#include "reply.h"

#define DEADLINE_MS 15000
#define LONELY_MS 5000 /* between two requests of a site that hears nobody */
#define AGAIN_MS 1000 /* between two requests for links or documents */
#define VAIN_MS 10000 /* between two to one site that gave nothing of use: who only claims to have it must not keep the others from being asked */
#define REPLY_MEMORY_MAX ((size_t)8 * 1024 * 1024) /* of a reply taken apart */
#define FLOORS_PATIENCE 1 /* of progress.h: what is asked is small, and asked again by the core */
#define FLOORS_MAX ((size_t)CSN_ZONES_MAX * 1024) /* octets of a site's floors; more are not of zones that are configured here */

/* A request for links or for the next document to one site. */
struct csn_epochs_call {
    struct csn_daemon *daemon; /* borrows */
    uint16_t site;
    Consign__BulkKind kind;
    uint32_t above;
    struct csn_digest digest;
    bool is_claimed; /* the site said that it has it */
};

static int send_request(struct csn_daemon *daemon, uint16_t site, const Consign__BulkRequest *request, csn_mesh_reply_fn *reply,
                        void *arg)
{
    struct csn_buf octets = {0};
    csn_pack(&request->base, &octets);
    int code = csn_mesh_request(daemon->mesh, site, csn_buf_view(&octets), DEADLINE_MS, reply, arg);
    csn_buf_fini(&octets);
    return code;
}

/* NULL: not here, or no answer to what was asked. */
static Consign__BulkReply *unpack(int code, struct csn_bytes reply)
{
    struct csn_bounded bounded;
    csn_bounded_init(&bounded, REPLY_MEMORY_MAX);
    Consign__BulkReply *message =
        code == CSN_OK ? consign__bulk_reply__unpack(&bounded.allocator, reply.size, reply.data) : NULL;
    if (message != NULL && message->status != CONSIGN__BULK_STATUS__BULK_OK) {
        consign__bulk_reply__free_unpacked(message, NULL);
        return NULL;
    }
    return message;
}

static struct csn_bytes view(ProtobufCBinaryData data)
{
    return csn_bytes(data.data, data.len);
}

/* --- links and documents */

static int take_links(struct csn_daemon *daemon, const Consign__BulkReply *message, struct csn_reason *reason)
{
    struct csn_bytes *links = csn_calloc(message->n_links + 1, sizeof(links[0]));
    for (size_t i = 0; i < message->n_links; i++) {
        links[i] = view(message->links[i]);
    }
    int code = csn_epochs_take_links(daemon, view(message->octets), links, message->n_links, reason);
    free(links);
    return code;
}

/* When it may be asked again, if it was in vain. */
static uint64_t *vain_ms(struct csn_daemon *daemon, uint16_t site)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    return &daemon->epochs.vain_ms[csn_cluster_member(cluster, site) - cluster->members];
}

static int take(const struct csn_epochs_call *call, int code, const Consign__BulkReply *message, struct csn_reason *reason)
{
    char from[32];
    snprintf(from, sizeof(from), "from site %u", call->site);
    if (message == NULL) {
        code = code != CSN_OK ? code : CSN_ENOTFOUND;
        return csn_reason_set(reason, code, "%s", csn_error_text(code));
    }
    return call->kind == CONSIGN__BULK_KIND__BULK_LINKS ? take_links(call->daemon, message, reason)
                                                        : csn_epochs_take_next(call->daemon, view(message->octets), from, reason);
}

static void on_reply(void *arg, int code, struct csn_bytes reply)
{
    struct csn_epochs_call *call = arg;
    struct csn_daemon *daemon = call->daemon;
    struct csn_epochs *epochs = &daemon->epochs;
    struct csn_reason reason = {{0}};
    size_t links_before = epochs->chain.count;
    struct csn_digest next_before = epochs->next_cluster.digest;
    Consign__BulkReply *message = unpack(code, reply);
    epochs->call = NULL;
    code = take(call, code, message, &reason);
    if (code != CSN_OK) {
        csn_log(&daemon->log, CSN_WARNING, "epoch.fetch", "%s from site %u: %s",
                call->kind == CONSIGN__BULK_KIND__BULK_LINKS ? "links of the chain" : "next document", call->site, reason.text);
    }
    if (code != CSN_OK && call->kind == CONSIGN__BULK_KIND__BULK_DOCUMENT && message != NULL) {
        epochs->strange = call->digest; /* asked for no more */
    }
    if (call->is_claimed && epochs->chain.count == links_before && csn_digest_equal(&epochs->next_cluster.digest, &next_before)) {
        *vain_ms(daemon, call->site) = csn_daemon_now(daemon).mono_ms + VAIN_MS;
    }
    if (message != NULL) {
        consign__bulk_reply__free_unpacked(message, NULL);
    }
    free(call);
}

static void ask(struct csn_daemon *daemon, uint16_t site, Consign__BulkKind kind, uint32_t above, const struct csn_digest *digest,
                bool is_claimed)
{
    struct csn_epochs *epochs = &daemon->epochs;
    uint64_t now_ms = csn_daemon_now(daemon).mono_ms;
    if (epochs->call != NULL || now_ms < epochs->again_ms || now_ms < *vain_ms(daemon, site) || daemon->unwritable.is_set) {
        return;
    }
    struct csn_epochs_call *call = csn_calloc(1, sizeof(*call));
    *call = (struct csn_epochs_call){.daemon = daemon, .site = site, .kind = kind, .above = above, .digest = *digest, .is_claimed = is_claimed};
    Consign__BulkRequest request = CONSIGN__BULK_REQUEST__INIT;
    request.kind = kind;
    request.epoch = above;
    request.digest = (ProtobufCBinaryData){.len = CSN_DIGEST_SIZE, .data = call->digest.octets};
    if (send_request(daemon, site, &request, on_reply, call) == CSN_OK) {
        epochs->call = call;
        epochs->again_ms = now_ms + AGAIN_MS;
    } else {
        free(call);
    }
}

void csn_epochs_heard(struct csn_daemon *daemon, uint16_t site, struct csn_bytes report)
{
    const struct csn_epochs *epochs = &daemon->epochs;
    uint32_t last = csn_chain_last(&epochs->chain)->cluster.epoch;
    struct csn_body_report body;
    if (site == daemon->config->member->number || csn_body_report_decode(report, &body) != CSN_OK) {
        return;
    }
    bool is_unconfirmed = csn_epochs_is_unconfirmed(daemon);
    if (is_unconfirmed ? body.epoch >= last : body.epoch > last) {
        ask(daemon, site, CONSIGN__BULK_KIND__BULK_LINKS, is_unconfirmed ? 0 : last, &(struct csn_digest){{0}}, true);
    } else if (!is_unconfirmed && body.next.number == last + 1 && !csn_digest_equal(&body.next.digest, &epochs->strange) &&
               (epochs->next.size == 0 || !csn_digest_equal(&body.next.digest, &epochs->next_cluster.digest))) {
        ask(daemon, site, CONSIGN__BULK_KIND__BULK_DOCUMENT, 0, &body.next.digest, true);
    }
}

static unsigned count_heard(const struct csn_daemon *daemon)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    unsigned count = 1; /* this site */
    uint64_t ago_ms;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        const struct csn_member *member = &cluster->members[i];
        count += member != daemon->config->member && csn_mesh_is_up(daemon->mesh, (struct csn_mesh_peer){member->number, member->incarnation}) &&
                 csn_mesh_heard(daemon->mesh, (struct csn_mesh_peer){member->number, member->incarnation}, &ago_ms) && ago_ms <= CSN_SILENT_MS;
    }
    return count;
}

/* The others dial a former member no more, and drop what it says; but each answers how the chain goes on. */
void csn_epochs_tick(struct csn_daemon *daemon)
{
    struct csn_epochs *epochs = &daemon->epochs;
    const struct csn_cluster *cluster = &daemon->config->cluster;
    uint64_t now_ms = csn_daemon_now(daemon).mono_ms;
    bool is_unconfirmed = csn_epochs_is_unconfirmed(daemon);
    uint32_t last = csn_chain_last(&epochs->chain)->cluster.epoch;
    if (now_ms < epochs->lonely_ms || (!is_unconfirmed && last > cluster->epoch)) {
        return; /* or it knows that it is none */
    }
    epochs->lonely_ms = now_ms + LONELY_MS;
    const struct csn_member *member = &cluster->members[epochs->lonely_next++ % cluster->member_count];
    if (count_heard(daemon) < cluster->quorum && member != daemon->config->member) {
        ask(daemon, member->number, CONSIGN__BULK_KIND__BULK_LINKS, is_unconfirmed ? 0 : last, &(struct csn_digest){{0}}, false);
    }
}

/* --- floors */

struct floors {
    struct csn_daemon *daemon; /* borrows */
    uint64_t corr;
    struct csn_digest digest;
    struct csn_buf octets; /* owns; of the pieces so far */
    struct csn_progress progress; /* of the site being asked */
    uint16_t sites[CSN_MEMBERS_MAX];
    uint8_t site_count, site_at;
};

static void ask_floors(struct floors *floors);

static void begin_site(struct floors *floors)
{
    csn_buf_clear(&floors->octets);
    csn_progress_begin(&floors->progress, FLOORS_PATIENCE, FLOORS_MAX);
}

static void end_floors(struct floors *floors, int code)
{
    struct csn_event event = {
        .kind = CSN_EVENT_FETCHED, .corr = floors->corr, .code = code, .floors = csn_buf_view(&floors->octets)};
    csn_daemon_event(floors->daemon, &event);
    csn_buf_fini(&floors->octets);
    free(floors);
}

static void give_up(void *arg)
{
    end_floors(arg, CSN_ENOTFOUND);
}

/* False: nothing that belongs there. */
static bool take_piece(struct floors *floors, const Consign__BulkReply *reply)
{
    bool is_next = reply->digest.len == CSN_DIGEST_SIZE && memcmp(reply->digest.data, floors->digest.octets, CSN_DIGEST_SIZE) == 0 &&
                   reply->offset == floors->octets.size && reply->octets.len > 0 &&
                   csn_progress_take(&floors->progress, reply->octets.len, reply->is_last) == CSN_OK;
    if (is_next) {
        csn_buf_put_bytes(&floors->octets, view(reply->octets));
    }
    return is_next;
}

static bool has_digest(const struct floors *floors)
{
    struct csn_digest digest;
    csn_sha384(csn_buf_view(&floors->octets), &digest);
    return csn_digest_equal(&digest, &floors->digest);
}

static void on_floors(void *arg, int code, struct csn_bytes reply)
{
    struct floors *floors = arg;
    csn_progress_answered(&floors->progress, csn_daemon_now(floors->daemon).mono_ms);
    Consign__BulkReply *message = unpack(code, reply);
    bool is_good = message != NULL && take_piece(floors, message);
    bool is_last = message != NULL && message->is_last;
    if (message != NULL) {
        consign__bulk_reply__free_unpacked(message, NULL);
    }
    if (is_good && is_last && has_digest(floors)) {
        end_floors(floors, CSN_OK);
        return;
    }
    if (!is_good || is_last) {
        floors->site_at++;
        begin_site(floors);
    }
    ask_floors(floors);
}

static void ask_floors(struct floors *floors)
{
    Consign__BulkRequest request = CONSIGN__BULK_REQUEST__INIT;
    request.kind = CONSIGN__BULK_KIND__BULK_FLOORS;
    request.digest = (ProtobufCBinaryData){.len = CSN_DIGEST_SIZE, .data = floors->digest.octets};
    request.offset = floors->octets.size;
    for (; floors->site_at < floors->site_count; floors->site_at++) {
        if (send_request(floors->daemon, floors->sites[floors->site_at], &request, on_floors, floors) == CSN_OK) {
            csn_progress_asked(&floors->progress, csn_daemon_now(floors->daemon).mono_ms);
            return;
        }
        begin_site(floors);
        request.offset = 0;
    }
    csn_job_later(floors->daemon->loop, 0, give_up, floors);
}

void csn_epochs_fetch_floors(struct csn_daemon *daemon, const struct csn_effect *effect)
{
    struct floors *floors = csn_calloc(1, sizeof(*floors));
    floors->daemon = daemon;
    floors->corr = effect->corr;
    floors->digest = effect->fetch.digest;
    begin_site(floors);
    floors->site_count = effect->fetch.site_count;
    memcpy(floors->sites, effect->fetch.sites, sizeof(floors->sites));
    ask_floors(floors);
}
