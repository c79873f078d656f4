#include "asked.h"

#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "reports.h"

#define FORGET_MS 60000

/* A comparison at work, or its result until it is taken. */
struct csn_asked {
    struct csn_daemon *daemon; /* borrows */
    struct csn_zone_shell *zone; /* borrows */
    uint32_t serial;
    uint16_t sites[2];
    bool is_done;
    uint64_t done_ms;
    int code;
    struct csn_reason reason;
    struct csn_buf text; /* owns */
};

static void on_done(void *arg, const struct csn_diff_result *result)
{
    struct csn_asked *asked = arg;
    asked->is_done = true;
    asked->done_ms = csn_daemon_now(asked->daemon).mono_ms;
    asked->code = result->code;
    asked->reason = result->reason;
    csn_buf_put_bytes(&asked->text, result->text);
}

static int find_zone(struct csn_daemon *daemon, const char *text, struct csn_zone_shell **ret_zone, struct csn_reason *reason)
{
    uint8_t name[CSN_NAME_MAX];
    if (csn_name_parse(text, name) != CSN_OK) {
        return csn_reason_set(reason, CSN_EFORMAT, "%.300s: not a fully qualified name", text);
    }
    *ret_zone = csn_daemon_zone(daemon, name);
    return *ret_zone != NULL ? CSN_OK : csn_reason_set(reason, CSN_ENOTFOUND, "%.300s: not a zone of this node", text);
}

static int find_site(const struct csn_daemon *daemon, const char *name, uint16_t *ret_site, struct csn_reason *reason)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        if (strcmp(cluster->members[i].name, name) == 0) {
            *ret_site = cluster->members[i].number;
            return CSN_OK;
        }
    }
    return csn_reason_set(reason, CSN_ENOTFOUND, "%s: no site of this cluster", name);
}

static void forget(struct csn_asked **place)
{
    csn_buf_fini(&(*place)->text);
    free(*place);
    *place = NULL;
}

/* The place of this question, or a free one; NULL: all are at work. */
static struct csn_asked **find_place(struct csn_daemon *daemon, const struct csn_asked *like)
{
    struct csn_asked **is_free = NULL;
    for (size_t i = 0; i < CSN_ASKED_MAX; i++) {
        struct csn_asked **place = &daemon->asked[i];
        if (*place != NULL && (*place)->zone == like->zone && (*place)->serial == like->serial &&
            memcmp((*place)->sites, like->sites, sizeof(like->sites)) == 0) {
            return place;
        }
        if (*place != NULL && (*place)->is_done && csn_daemon_now(daemon).mono_ms > (*place)->done_ms + FORGET_MS) {
            forget(place);
        }
        is_free = *place == NULL ? place : is_free;
    }
    return is_free;
}

static void start(struct csn_asked **place, const struct csn_asked *like)
{
    *place = csn_calloc(1, sizeof(**place));
    **place = *like;
    struct csn_diff_side sides[2] = {{.site = like->sites[0]}, {.site = like->sites[1]}};
    csn_diff_run(like->zone, like->serial, sides, on_done, *place);
}

int csn_asked_diff(struct csn_daemon *daemon, const struct csn_control_diff *diff, struct csn_buf *ret_text,
                   struct csn_reason *reason)
{
    struct csn_asked like = {.daemon = daemon, .serial = diff->serial};
    int code = find_zone(daemon, diff->zone, &like.zone, reason);
    code = code == CSN_OK ? find_site(daemon, diff->first, &like.sites[0], reason) : code;
    code = code == CSN_OK ? find_site(daemon, diff->second, &like.sites[1], reason) : code;
    if (code != CSN_OK) {
        return code;
    }
    struct csn_asked **place = find_place(daemon, &like);
    if (place == NULL) {
        return csn_reason_set(reason, CSN_EBUSY, "this node is at work on other comparisons");
    }
    if (*place == NULL) {
        start(place, &like);
    }
    if (!(*place)->is_done) {
        return csn_reason_set(reason, CSN_EBUSY, "the sites are still being compared");
    }
    code = (*place)->code;
    csn_reason_set(reason, code, "%s", (*place)->reason.text);
    csn_buf_put_bytes(ret_text, csn_buf_view(&(*place)->text));
    forget(place);
    return code;
}

int csn_asked_reports(struct csn_daemon *daemon, const char *zone, const char *name, struct csn_buf *ret_text,
                      struct csn_reason *reason)
{
    struct csn_zone_shell *shell;
    int code = find_zone(daemon, zone, &shell, reason);
    if (code == CSN_OK && name != NULL) {
        code = csn_reports_read(daemon->config->store, shell->config->zone, name, ret_text, reason);
    } else if (code == CSN_OK) {
        csn_reports_list(daemon->config->store, shell->config->zone, ret_text);
    }
    return code;
}
