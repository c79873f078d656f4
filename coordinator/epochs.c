#include "epochs.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "base/bounded.h"
#include "base/pack.h"
#include "base/process.h"
#include "bulk.pb-c.h"
#include "config/cluster.h"
#include "coordinator.h"

#define DEADLINE_MS 15000
#define AGAIN_MS 1000
#define KEEP_AGAIN_MS 5000
#define VAIN_MS 10000 /* between two requests to a site that gave nothing: who only claims to have links must not keep others from being asked */
#define REPLY_MEMORY_MAX ((size_t)8 * 1024 * 1024)

static const char *chain_path(const struct csn_coordinator_config *config, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s.chain", config->control);
    return path;
}

/* The newest document that names this coordinator. */
static const struct csn_cluster *find_present(const struct csn_chain *chain, const char *name)
{
    for (size_t i = chain->count; i > 0; i--) {
        if (csn_cluster_coordinator_named(&chain->epochs[i - 1]->cluster, name) != NULL) {
            return &chain->epochs[i - 1]->cluster;
        }
    }
    return NULL;
}

int csn_coordinator_epochs_load(struct csn_coordinator_epochs *epochs, struct csn_coordinator_config *config,
                                struct csn_reason *reason)
{
    char path[PATH_MAX];
    struct csn_reason why = {{0}};
    struct csn_bytes document = csn_buf_view(&config->cluster_document.octets);
    int code = csn_chain_open(chain_path(config, path), &config->cluster, document, config->cluster_path, &epochs->chain, &why);
    /* A new document in the configuration goes before what was only remembered. */
    if (code != CSN_OK || why.text[0] != '\0' || find_present(&epochs->chain, config->name) == NULL) {
        csn_chain_fini(&epochs->chain);
        code = csn_chain_begin(&epochs->chain, document, config->cluster_path, reason);
    }
    if (code == CSN_OK) {
        config->cluster = *find_present(&epochs->chain, config->name);
        config->self = csn_cluster_coordinator_named(&config->cluster, config->name);
    }
    return code;
}

static bool is_unconfirmed(const struct csn_coordinator *coordinator)
{
    const struct csn_chain *chain = &coordinator->epochs.chain;
    return chain->count == 1 && chain->epochs[0]->cluster.epoch > 1;
}

static int append(struct csn_chain *chain, const Consign__BulkReply *message, struct csn_reason *reason)
{
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < message->n_links; i++) {
        code = csn_chain_append(chain, csn_bytes(message->links[i].data, message->links[i].len), reason);
    }
    return code;
}

/* What is configured stands in the chain that a site gave. */
static int replace(struct csn_coordinator *coordinator, const Consign__BulkReply *message, struct csn_reason *reason)
{
    struct csn_chain chain = {0};
    int code = csn_chain_begin(&chain, csn_bytes(message->octets.data, message->octets.len), "a site's first document", reason);
    if (code == CSN_OK) {
        code = append(&chain, message, reason);
    }
    if (code == CSN_OK && !csn_chain_holds(&chain, &coordinator->config->cluster)) {
        code = csn_reason_set(reason, CSN_EMISMATCH, "the cluster went through another document of epoch %" PRIu32 " than %s",
                              coordinator->config->cluster.epoch, coordinator->config->cluster_path);
    }
    if (code != CSN_OK) {
        csn_chain_fini(&chain);
        return code;
    }
    csn_chain_fini(&coordinator->epochs.chain);
    coordinator->epochs.chain = chain;
    return CSN_OK;
}

static void keep_later(struct csn_coordinator *coordinator, uint32_t last, const struct csn_reason *reason)
{
    struct csn_coordinator_epochs *epochs = &coordinator->epochs;
    epochs->keep_ms = csn_coordinator_now().mono_ms + KEEP_AGAIN_MS;
    if (!epochs->is_unkept) {
        epochs->is_unkept = true;
        csn_log(&coordinator->log, CSN_ERROR, "epoch.begun",
                "epoch %" PRIu32 " has begun, and cannot be remembered: %s; this coordinator leads nothing until it can", last, reason->text);
    }
}

/* Nothing of the old document is left in memory. A process that began again without the file would ask for the links, and begin
 * again, for ever: so it waits for the file. */
static void go_on(struct csn_coordinator *coordinator)
{
    const struct csn_chain *chain = &coordinator->epochs.chain;
    uint32_t last = csn_chain_last(chain)->cluster.epoch;
    struct csn_reason reason;
    char path[PATH_MAX];
    int code = csn_chain_keep(chain, chain_path(coordinator->config, path), &reason);
    if (find_present(chain, coordinator->config->name)->epoch == coordinator->config->cluster.epoch) {
        csn_log(&coordinator->log, CSN_WARNING, "epoch.begun", "epoch %" PRIu32 " has begun, and names no coordinator %s", last,
                coordinator->config->name);
    } else if (code != CSN_OK) {
        keep_later(coordinator, last, &reason);
    } else {
        csn_log(&coordinator->log, CSN_INFO, "epoch.begun", "epoch %" PRIu32 " has begun; this coordinator begins again with its document",
                last);
        csn_process_again(coordinator->argv);
    }
}

void csn_coordinator_epochs_tick(struct csn_coordinator *coordinator)
{
    const struct csn_coordinator_epochs *epochs = &coordinator->epochs;
    if (epochs->is_unkept && csn_coordinator_now().mono_ms >= epochs->keep_ms) {
        go_on(coordinator);
    }
}

static void take(struct csn_coordinator *coordinator, const Consign__BulkReply *message)
{
    struct csn_reason reason = {{0}};
    size_t before = coordinator->epochs.chain.count;
    int code = is_unconfirmed(coordinator) ? replace(coordinator, message, &reason)
                                           : append(&coordinator->epochs.chain, message, &reason);
    if (code != CSN_OK) {
        csn_log(&coordinator->log, CSN_WARNING, "epoch.fetch", "links of the chain from a site: %s", reason.text);
    }
    if (coordinator->epochs.chain.count > before) {
        go_on(coordinator);
    }
}

static uint64_t *vain_ms(struct csn_coordinator *coordinator, uint16_t site)
{
    const struct csn_cluster *cluster = &coordinator->config->cluster;
    return &coordinator->epochs.vain_ms[csn_cluster_member(cluster, site) - cluster->members];
}

static void on_reply(void *arg, int code, struct csn_bytes reply)
{
    struct csn_coordinator *coordinator = arg;
    struct csn_bounded bounded;
    size_t before = coordinator->epochs.chain.count;
    csn_bounded_init(&bounded, REPLY_MEMORY_MAX);
    Consign__BulkReply *message =
        code == CSN_OK ? consign__bulk_reply__unpack(&bounded.allocator, reply.size, reply.data) : NULL;
    coordinator->epochs.is_asking = false;
    if (message != NULL) {
        if (message->status == CONSIGN__BULK_STATUS__BULK_OK) {
            take(coordinator, message);
        }
        consign__bulk_reply__free_unpacked(message, NULL);
    }
    if (coordinator->epochs.chain.count == before) {
        *vain_ms(coordinator, coordinator->epochs.asked) = csn_coordinator_now().mono_ms + VAIN_MS;
    }
}

static void ask(struct csn_coordinator *coordinator, uint16_t site, uint32_t above)
{
    struct csn_coordinator_epochs *epochs = &coordinator->epochs;
    uint64_t now_ms = csn_coordinator_now().mono_ms;
    if (epochs->is_asking || now_ms < epochs->again_ms || now_ms < *vain_ms(coordinator, site)) {
        return;
    }
    Consign__BulkRequest request = CONSIGN__BULK_REQUEST__INIT;
    struct csn_buf octets = {0};
    request.kind = CONSIGN__BULK_KIND__BULK_LINKS;
    request.epoch = above;
    csn_pack(&request.base, &octets);
    if (csn_mesh_request(coordinator->mesh, site, csn_buf_view(&octets), DEADLINE_MS, on_reply, coordinator) == CSN_OK) {
        epochs->is_asking = true;
        epochs->asked = site;
        epochs->again_ms = now_ms + AGAIN_MS;
    }
    csn_buf_fini(&octets);
}

void csn_coordinator_heard(struct csn_coordinator *coordinator, uint16_t site, struct csn_bytes report)
{
    uint32_t last = csn_chain_last(&coordinator->epochs.chain)->cluster.epoch;
    struct csn_body_report body;
    if (csn_body_report_decode(report, &body) != CSN_OK) {
        return;
    }
    if (is_unconfirmed(coordinator) ? body.epoch >= last : body.epoch > last) {
        ask(coordinator, site, is_unconfirmed(coordinator) ? 0 : last);
    }
}
