#include "forward.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "bulk.pb-c.h"
#include "history_check.h"
#include "job.h"
#include "progress.h"
#include "reply.h"

struct forward {
    struct csn_zone_shell *zone; /* borrows */
    uint16_t site;
    struct csn_digest from, to;
    struct csn_lineage_checker checker; /* owns */
    uint64_t octets_max;           /* of rows */
    uint64_t octets;               /* of replies */
    struct csn_progress progress;
    struct csn_buf records;        /* owns */
    size_t count;                  /* of deltas */
    uint32_t serial;               /* of the version */
    struct csn_lineage found;      /* owns; kept in the store */
    int code;
    csn_difference_fn *done;
    void *arg;
};

static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct forward *forward = arg;
    forward->code = csn_lineage_forward(&forward->checker, &forward->from, &forward->to, csn_buf_view(&forward->records),
                                        &forward->found, &forward->count, &forward->serial);
}

/* --- asking */

static void end(void *arg)
{
    struct forward *forward = arg;
    struct csn_zone_shell *zone = forward->zone;
    csn_lineage_join(&zone->history.lineage, &forward->found);
    if (forward->code == CSN_OK) {
        csn_log(&zone->daemon->log, CSN_INFO, "fetch.forward",
                "zone %s serial %" PRIu32 " from site %u: by %zu differences from version to version, %" PRIu64 " octets", zone->name,
                forward->serial, forward->site, forward->count, forward->octets);
    }
    forward->done(forward->arg, forward->code, csn_error_text(forward->code));
    csn_history_checker_fini(&forward->checker);
    csn_buf_fini(&forward->records);
    csn_lineage_fini(&forward->found);
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
                   forward->records.size > forward->octets_max + (uint64_t)CSN_LINEAGE_COUNT_MAX * CSN_LINEAGE_RECORD_EXTRA;
    return is_much ? CSN_ELIMIT : csn_progress_take(&forward->progress, reply->octets.len, reply->is_last);
}

static void on_reply(void *arg, int code, struct csn_bytes octets)
{
    struct forward *forward = arg;
    bool is_last = false;
    csn_progress_answered(&forward->progress, csn_daemon_now(forward->zone->daemon).mono_ms);
    forward->octets += octets.size;
    if (code == CSN_OK) {
        Consign__BulkReply *reply = csn_reply_unpack(octets);
        code = reply != NULL ? take_reply(forward, reply) : CSN_EFORMAT;
        is_last = reply != NULL && reply->is_last;
        csn_reply_free(&reply);
    }
    forward->code = csn_progress_code(&forward->progress, code);
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
    request.zone = csn_pack_bytes(csn_bytes(name, csn_name_size(name)));
    request.digest = (ProtobufCBinaryData){.len = CSN_DIGEST_SIZE, .data = forward->to.octets};
    request.after = (ProtobufCBinaryData){.len = CSN_DIGEST_SIZE, .data = forward->from.octets};
    request.offset = forward->records.size;
    request.takes_zstd = true;
    csn_pack(&request.base, &packed);
    int code = csn_mesh_request(forward->zone->daemon->mesh, forward->site, csn_buf_view(&packed),
                                csn_progress_deadline_ms(&forward->progress), on_reply, forward);
    csn_buf_fini(&packed);
    if (code == CSN_OK) {
        csn_progress_asked(&forward->progress, csn_daemon_now(forward->zone->daemon).mono_ms);
    } else {
        forward->code = code;
        csn_job_later(forward->zone->daemon->loop, 0, end, forward);
    }
}

void csn_forward_fetch(struct csn_zone_shell *zone, uint16_t site, const struct csn_digest *full_root, unsigned patience,
                       csn_difference_fn *done, void *arg)
{
    struct forward *forward = csn_calloc(1, sizeof(*forward));
    *forward = (struct forward){.zone = zone,
                                .site = site,
                                .from = zone->serving.full_root,
                                .to = *full_root,
                                .octets_max = zone->history.zone_size,
                                .done = done,
                                .arg = arg};
    csn_progress_begin(&forward->progress, patience, UINT64_MAX);
    csn_history_checker_init(zone, &forward->checker);
    if (!zone->serving.is_ready || zone->history.zone_size == 0 || csn_digest_equal(&forward->from, full_root)) {
        forward->code = CSN_ENOTFOUND;
        csn_job_later(zone->daemon->loop, 0, end, forward);
        return;
    }
    ask(forward);
}
