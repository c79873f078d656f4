#include "leading.h"

#include <inttypes.h>

#include "epochs.h"
#include "mesh/mesh.h"
#include "stray.h"

#define UNLED_MS 8000 /* so long without a leader is more than a change of leaders */

bool csn_leading_is_heard(const struct csn_daemon *daemon, struct csn_now now, uint16_t site)
{
    struct csn_peer_status peer;
    return csn_node_get_peer(daemon->core, site, &peer) && now.mono_ms - peer.heard_ms <= CSN_SILENT_MS;
}

static const char *leader_name(const struct csn_cluster *cluster, uint16_t number, struct csn_status *status)
{
    const struct csn_coordinator_id *leader = number ? csn_cluster_coordinator(cluster, number) : NULL;
    return leader ? csn_status_text(status, "%s", leader->name) : NULL;
}

static const char *coordinator_names(const struct csn_cluster *cluster, struct csn_status *status)
{
    const char *names = NULL;
    for (uint8_t i = 0; i < cluster->coordinator_count; i++) {
        names = names == NULL ? csn_status_text(status, "%s", cluster->coordinators[i].name)
                              : csn_status_text(status, "%s, %s", names, cluster->coordinators[i].name);
    }
    return names;
}

/* One that was left out of the cluster, or knows another document, is dialled by none of them. */
static bool is_coordinator_due(const struct csn_daemon *daemon, struct csn_now now, const struct csn_node_status *core)
{
    return core->halt != CSN_HALT_REMOVED && core->halt != CSN_HALT_EPOCH && now.mono_ms - daemon->started_ms > UNLED_MS;
}

/* NULL: it listens. */
static const char *why_deaf(const struct csn_daemon *daemon, const struct csn_node_status *core)
{
    return daemon->unwritable.is_damaged     ? "has damaged votes"
           : daemon->unwritable.is_set       ? "is read-only"
           : !core->is_deaf                  ? NULL
           : core->halt == CSN_HALT_REMOVED ? "is no member any more"
                                             : "is halted";
}

static bool find_others_term(const struct csn_daemon *daemon, struct csn_now now, struct csn_term own, struct csn_term *ret_term)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    struct csn_stray_other others[CSN_MEMBERS_MAX];
    for (uint8_t i = 0; i < cluster->member_count; i++) {
        struct csn_peer_status peer = {.site = 0};
        others[i].is_heard = csn_leading_is_heard(daemon, now, cluster->members[i].number) &&
                             csn_node_get_peer(daemon->core, cluster->members[i].number, &peer);
        others[i].promised = peer.promised;
    }
    return csn_stray_find(others, cluster->member_count, cluster->quorum, own, ret_term);
}

/* NULL: it follows one, or nobody else follows one that is heard either. */
static const char *why_stray(const struct csn_daemon *daemon, struct csn_now now, const struct csn_node_status *core,
                             struct csn_status *status)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    struct csn_term term;
    uint64_t ago_ms;
    if (core->leader != 0 || core->is_deaf || !find_others_term(daemon, now, core->promised, &term)) {
        return NULL;
    }
    const struct csn_coordinator_id *theirs = csn_cluster_coordinator(cluster, term.coordinator);
    const struct csn_coordinator_id *own = csn_cluster_coordinator(cluster, core->promised.coordinator);
    bool is_there = theirs != NULL && csn_mesh_heard(daemon->mesh, (struct csn_mesh_peer){.number = theirs->number}, &ago_ms) &&
                    ago_ms <= CSN_MESH_SILENT_MS;
    return is_there ? csn_status_text(status, "promised term %" PRIu64 " to %s; the others follow %s, which calls it back by itself",
                                      core->promised.counter, own != NULL ? own->name : "nobody", theirs->name)
                    : NULL;
}

/* Those who are members already need not know it; NULL: its document is in force. */
static const char *why_waits(const struct csn_daemon *daemon, struct csn_status *status)
{
    return csn_epochs_is_unconfirmed(daemon)
               ? csn_status_text(status,
                                 "waits for epoch %" PRIu32 ", which has not begun as far as this site knows: it takes part when officers "
                                 "have signed that document and a quorum of its members entered it; consignctl membership show at "
                                 "another site says how far that is",
                                 daemon->config->cluster.epoch)
               : NULL;
}

/* They dial every site, and say something every few seconds, those that stand by too. */
static void fill_coordinators(const struct csn_daemon *daemon, struct csn_now now, const struct csn_node_status *core,
                              struct csn_status *status)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    bool is_due = is_coordinator_due(daemon, now, core);
    for (uint8_t i = 0; i < cluster->coordinator_count; i++) {
        struct csn_status_coordinator row = {.name = csn_status_text(status, "%s", cluster->coordinators[i].name),
                                             .leads = cluster->coordinators[i].number == core->leader};
        struct csn_mesh_peer peer = {.number = cluster->coordinators[i].number};
        row.has_last_seen = csn_mesh_heard(daemon->mesh, peer, &row.last_seen_ms);
        row.is_missing = is_due && (!row.has_last_seen || row.last_seen_ms > CSN_MESH_SILENT_MS);
        csn_status_add_coordinator(status, &row);
    }
}

void csn_leading_fill(const struct csn_daemon *daemon, struct csn_now now, const struct csn_node_status *core, struct csn_status *status)
{
    const struct csn_cluster *cluster = &daemon->config->cluster;
    status->leader = leader_name(cluster, core->leader, status);
    status->may_lead = coordinator_names(cluster, status);
    status->deaf_why = why_deaf(daemon, core);
    status->waits_why = why_waits(daemon, status);
    status->stray_why = why_stray(daemon, now, core, status);
    status->is_electing = core->unled_ms < UNLED_MS;
    fill_coordinators(daemon, now, core, status);
}
