#include "due.h"

#include <stdlib.h>

#include "job.h"
#include "version.h"

struct look {
    struct csn_zone_shell *zone; /* borrows */
    struct csn_digest full_root;
    struct csn_schedule schedule;
    uint64_t due_s;
    int code;
};

static uint64_t first_change_s(const struct look *look, const struct csn_version_view *view)
{
    struct csn_hasher *hasher = csn_hasher_new();
    uint64_t first_s = UINT64_MAX;
    for (size_t i = 0; i < view->count; i++) {
        const struct csn_entry *entry = &view->entries[i];
        if (entry->rrsigs.count > 0) {
            uint64_t next_s =
                csn_schedule_next(&look->schedule, hasher, entry->rrset.owner, entry->rrset.type);
            first_s = next_s < first_s ? next_s : first_s;
        }
    }
    csn_hasher_free(hasher);
    return first_s;
}

static void work(void *arg, unsigned part, unsigned parts)
{
    (void)part;
    (void)parts;
    struct look *look = arg;
    struct csn_version_view view;
    look->code = csn_version_open(look->zone->daemon->store, look->zone->config->zone,
                                  &look->full_root, &view);
    if (look->code == CSN_OK) {
        look->due_s = first_change_s(look, &view);
        csn_version_close(&view);
    }
}

static void done(void *arg)
{
    struct look *look = arg;
    struct csn_event event = {.kind = CSN_EVENT_DUE,
                              .due = {.zone = look->zone->config->zone,
                                      .full_root = look->full_root,
                                      .due_s = look->due_s}};
    if (look->code == CSN_OK) {
        csn_daemon_event(look->zone->daemon, &event);
    }
    free(look);
}

void csn_due_look(struct csn_zone_shell *zone, const struct csn_body_held *held)
{
    struct look *look = csn_calloc(1, sizeof(*look));
    look->zone = zone;
    look->full_root = held->full_root;
    look->schedule = (struct csn_schedule){.policy = &zone->config->policy,
                                           .keyset = &zone->config->keyset,
                                           .time_s = held->proposal.time_s,
                                           .schedule_s = held->proposal.schedule_s};
    csn_job_run(zone->daemon->loop, 1, work, done, look);
}
