#include "refused.h"

#include <stdio.h>

#include "base/fs.h"
#include "job.h"

#define PATH_SIZE 4096
#define FILE_MAX ((size_t)256 * 1024 * 1024)
#define PAUSE_MS 1000 /* and as long again for each MiB */

struct csn_refused {
    struct csn_refusals *all; /* owns */
    char path[PATH_SIZE];
    bool is_new, is_writing;
    uint64_t next_ms;
    /* of the write under way; the worker's until it is done */
    struct csn_daemon *daemon; /* borrows */
    struct csn_buf octets;
    int code;
    struct csn_reason reason;
};

void csn_refused_start(struct csn_daemon *daemon)
{
    struct csn_refused *refused = csn_calloc(1, sizeof(*refused));
    struct csn_buf octets = {0};
    struct csn_reason reason;
    refused->all = csn_refusals_new();
    refused->daemon = daemon;
    daemon->refused = refused;
    snprintf(refused->path, sizeof(refused->path), "%s/refusals", daemon->config->store);
    int code = csn_fs_read(refused->path, FILE_MAX, &octets, &reason);
    if (code == CSN_OK) {
        code = csn_refusals_decode(csn_buf_view(&octets), refused->all);
        csn_reason_set(&reason, code, "%s: malformed", refused->path);
    }
    if (code != CSN_OK && code != CSN_ENOTFOUND) {
        csn_log(&daemon->log, CSN_WARNING, "refusals.lost", "%s; refusals kept so far are forgotten, nothing else", reason.text);
    }
    csn_buf_fini(&octets);
}

void csn_refused_heard(struct csn_daemon *daemon, const struct csn_effect *effect)
{
    struct csn_refused *refused = daemon->refused;
    int code = csn_refusals_add(refused->all, effect->zone, effect->refused.site, effect->refused.incarnation,
                                effect->refused.body, effect->refused.signature, effect->refused.round,
                                csn_daemon_now(daemon).wall_s);
    INSIST(code == CSN_OK); /* the core has decoded it */
    refused->is_new = true;
}

static void write_file(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct csn_refused *refused = arg;
    refused->code = csn_fs_write(refused->path, csn_buf_view(&refused->octets), 0640, &refused->reason);
}

/* A disk that fails is the store's matter too, and found there; tried again with the next refusal. */
static void written(void *arg)
{
    struct csn_refused *refused = arg;
    if (refused->code != CSN_OK) {
        csn_log(&refused->daemon->log, CSN_WARNING, "refusals.lost", "%s; refusals are kept in memory alone", refused->reason.text);
    }
    refused->next_ms = csn_daemon_now(refused->daemon).mono_ms + PAUSE_MS + refused->octets.size * PAUSE_MS / (1024 * 1024);
    csn_buf_fini(&refused->octets);
    refused->is_writing = false;
}

static bool is_due(const struct csn_daemon *daemon)
{
    return daemon->refused->is_new && !daemon->refused->is_writing && !daemon->unwritable.is_set;
}

void csn_refused_tick(struct csn_daemon *daemon)
{
    struct csn_refused *refused = daemon->refused;
    if (is_due(daemon) && csn_daemon_now(daemon).mono_ms >= refused->next_ms) {
        refused->is_new = false;
        refused->is_writing = true;
        csn_refusals_encode(refused->all, &refused->octets);
        csn_job_run(daemon->loop, 1, write_file, written, refused);
    }
}

void csn_refused_stop(struct csn_daemon *daemon)
{
    if (daemon->refused != NULL && is_due(daemon)) {
        csn_refusals_encode(daemon->refused->all, &daemon->refused->octets);
        write_file(daemon->refused, 0, 1);
    }
}

const struct csn_refusals *csn_refused_all(const struct csn_daemon *daemon)
{
    return daemon->refused->all;
}
