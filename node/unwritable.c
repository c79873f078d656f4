#include "unwritable.h"

#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/process.h"
#include "daemon.h"
#include "job.h"

#define VARIABLE "CONSIGN_STORE_FAILED" /* failures, space, until, space, cause */
#define TRY_MS 10000
#define WAIT_S 10
#define WAIT_DOUBLINGS 5
#define LATELY_S 600 /* a process that lasted so long beyond its wait starts the count anew */

/* A probe leaves room for a version of a small zone; for others the waits grow. */
#define ZONES_ROOM ((size_t)1 << 20)
#define VOTES_ROOM ((size_t)64 << 10)

static uint64_t seconds(const struct csn_daemon *daemon)
{
    return csn_daemon_now(daemon).mono_ms / 1000;
}

/* HSM workers of the processes before this one are its children too; its own are yet to come. */
static void bury_workers(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

void csn_unwritable_inherit(struct csn_daemon *daemon)
{
    struct csn_unwritable *unwritable = &daemon->unwritable;
    const char *left = getenv(VARIABLE);
    int cause_at = 0;
    bury_workers();
    if (left == NULL || sscanf(left, "%u %" SCNu64 " %n", &unwritable->failures, &unwritable->until_s, &cause_at) != 2) {
        return;
    }
    if (seconds(daemon) < unwritable->until_s) {
        struct csn_reason cause;
        csn_reason_set(&cause, CSN_EIO, "%s", left + cause_at);
        csn_unwritable_set(daemon, &cause);
    }
    unsetenv(VARIABLE);
}

/* --- the disks */

static int try_folder(const char *folder, size_t size, struct csn_reason *reason)
{
    char path[PATH_MAX], beside[PATH_MAX];
    if (snprintf(path, sizeof(path), "%s/probe", folder) >= (int)sizeof(path) - 4) {
        return csn_reason_set(reason, CSN_ELIMIT, "%s: path too long", folder);
    }
    snprintf(beside, sizeof(beside), "%.*s.new", PATH_MAX - 5, path);
    uint8_t *octets = csn_calloc(1, size);
    int code = csn_fs_write(path, csn_bytes(octets, size), 0600, reason);
    free(octets);
    unlink(beside);
    unlink(path);
    if (code == CSN_OK || code == CSN_EFULL) {
        return csn_reason_set(reason, code, "no space left in %s", folder);
    }
    struct csn_reason write = *reason;
    const char *cause = strrchr(write.text, ':');
    return csn_reason_set(reason, code, "%s cannot be written%s", folder, cause ? cause : "");
}

int csn_unwritable_probe(const struct csn_node_config *config, struct csn_reason *reason)
{
    char votes[PATH_MAX], zones[PATH_MAX], second[PATH_MAX];
    snprintf(votes, sizeof(votes), "%s/votes", config->store);
    snprintf(zones, sizeof(zones), "%s/zones", config->store);
    snprintf(second, sizeof(second), "%s", config->second_copy);
    int code = try_folder(votes, VOTES_ROOM, reason);
    if (code == CSN_OK) {
        code = try_folder(zones, ZONES_ROOM, reason);
    }
    return code == CSN_OK ? try_folder(dirname(second), VOTES_ROOM, reason) : code;
}

/* --- read-only */

struct trial {
    struct csn_daemon *daemon; /* borrows */
    int code;
    struct csn_reason reason;
};

static void try_disks(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct trial *trial = arg;
    trial->code = csn_unwritable_probe(trial->daemon->config, &trial->reason);
}

/* The process that follows learns of the failures before it. */
static _Noreturn void follow(struct csn_daemon *daemon)
{
    const struct csn_unwritable *unwritable = &daemon->unwritable;
    char left[CSN_REASON_MAX + 64];
    snprintf(left, sizeof(left), "%u %" PRIu64 " %s", unwritable->failures, unwritable->until_s, unwritable->cause.text);
    setenv(VARIABLE, left, 1);
    csn_process_again(daemon->argv);
}

static void tried(void *arg)
{
    struct trial *trial = arg;
    struct csn_daemon *daemon = trial->daemon;
    if (trial->code != CSN_OK) {
        daemon->unwritable.cause = trial->reason;
    } else if (seconds(daemon) >= daemon->unwritable.until_s) {
        csn_log(&daemon->log, CSN_INFO, "store.writable", "the disks take writes again: this site begins again");
        follow(daemon);
    }
    free(trial);
}

static void on_again(uv_timer_t *timer)
{
    struct trial *trial = csn_calloc(1, sizeof(*trial));
    bury_workers();
    trial->daemon = timer->data;
    csn_job_run(trial->daemon->loop, 1, try_disks, tried, trial);
}

void csn_unwritable_set(struct csn_daemon *daemon, const struct csn_reason *reason)
{
    struct csn_unwritable *unwritable = &daemon->unwritable;
    unwritable->is_set = true;
    unwritable->cause = *reason;
    uv_timer_init(daemon->loop, &unwritable->again);
    unwritable->again.data = daemon;
    uv_timer_start(&unwritable->again, on_again, TRY_MS, TRY_MS);
    csn_log(&daemon->log, CSN_ERROR, "store.readonly",
            "%s; votes stop, what was released stays served; mend that, and this site begins again by itself", reason->text);
}

void csn_unwritable_damaged(struct csn_daemon *daemon, const struct csn_reason *reason)
{
    daemon->unwritable.is_set = daemon->unwritable.is_damaged = true;
    daemon->unwritable.cause = *reason;
    csn_log(&daemon->log, CSN_ERROR, "store.damaged",
            "%s; the votes of this site cannot be believed: it votes no more, what was surely released last stays served; check its "
            "disk, and let it return as a new member with a new key", reason->text);
}

/* --- the end */

static bool is_lately(const struct csn_daemon *daemon)
{
    return daemon->unwritable.failures > 0 && seconds(daemon) < daemon->unwritable.until_s + LATELY_S;
}

/* What rotted is deleted by the next start: no need to wait, unless it comes again. */
static uint64_t wait_s(unsigned failures, int code)
{
    unsigned doublings = failures - 1 < WAIT_DOUBLINGS ? failures - 1 : WAIT_DOUBLINGS;
    return code == CSN_EDAMAGED && failures == 1 ? 0 : (uint64_t)WAIT_S << doublings;
}

_Noreturn void csn_unwritable_begin_again(struct csn_daemon *daemon, int code, const char *what)
{
    struct csn_unwritable *unwritable = &daemon->unwritable;
    struct csn_reason disks;
    /* LMDB takes a write cut short by a full disk for an I/O error: a file says what it is. */
    bool is_known = code != CSN_EDAMAGED && csn_unwritable_probe(daemon->config, &disks) != CSN_OK;
    if (is_known) {
        unwritable->cause = disks;
    } else {
        csn_reason_set(&unwritable->cause, code, "%s (%s%s)", what, csn_error_text(code),
                       code == CSN_EFULL ? "; its disk has room: is votes-size or zones-size reached?" : "");
    }
    unwritable->failures = is_lately(daemon) ? unwritable->failures + 1 : 1;
    unwritable->until_s = seconds(daemon) + wait_s(unwritable->failures, code);
    csn_log(&daemon->log, CSN_ERROR, "store.failed", "%s%s%s; this site begins again %s", is_known ? what : "", is_known ? ": " : "",
            unwritable->cause.text,
            code == CSN_EDAMAGED ? "and fetches from a peer what is damaged"
                                 : "read-only: votes stop, what was released stays served");
    follow(daemon);
}
