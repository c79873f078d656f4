#include "counters.h"

#include "xfr/server.h"

static void put_mesh(const struct csn_daemon *daemon, struct csn_status *status)
{
    static const char *const names[CSN_MESH_DROP_COUNT] = {[CSN_MESH_DROP_STRANGER] = "mesh_dropped_stranger",
                                                           [CSN_MESH_DROP_SIGNATURE] = "mesh_dropped_signature",
                                                           [CSN_MESH_DROP_CLUSTER] = "mesh_dropped_cluster",
                                                           [CSN_MESH_DROP_INCARNATION] = "mesh_dropped_incarnation",
                                                           [CSN_MESH_DROP_ROLE] = "mesh_dropped_role",
                                                           [CSN_MESH_DROP_OVERSIZED] = "mesh_dropped_oversized",
                                                           [CSN_MESH_DROP_MALFORMED] = "mesh_dropped_malformed",
                                                           [CSN_MESH_DROP_DUPLICATE] = "mesh_dropped_duplicate",
                                                           [CSN_MESH_DROP_HANDSHAKE] = "mesh_dropped_handshake",
                                                           [CSN_MESH_DROP_BACKLOG] = "mesh_dropped_backlog"};
    for (unsigned i = 0; i < CSN_MESH_DROP_COUNT; i++) {
        csn_status_add_counter(status, names[i], csn_mesh_dropped(daemon->mesh, (enum csn_mesh_drop)i));
    }
}

static void put_transfers(const struct csn_daemon *daemon, struct csn_status *status)
{
    struct csn_xfr_counters counters;
    csn_xfr_server_counters(daemon->xfr, &counters);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {{"xfr_queries", counters.queries},
                {"xfr_dropped", counters.dropped},
                {"xfr_refused", counters.refused},
                {"xfr_tsig_failed", counters.tsig_failed},
                {"xfr_not_ready", counters.not_ready},
                {"xfr_transfers", counters.transfers},
                {"xfr_transfers_failed", counters.transfers_failed},
                {"xfr_octets", counters.octets},
                {"xfr_connections_refused", counters.connections_refused},
                {"xfr_connections_displaced", counters.connections_displaced},
                {"xfr_connections", counters.connections}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        csn_status_add_counter(status, rows[i].name, rows[i].value);
    }
}

void csn_counters_fill(const struct csn_daemon *daemon, struct csn_status *status)
{
    if (daemon->mesh != NULL) { /* a read-only site hears nobody */
        put_mesh(daemon, status);
    }
    if (daemon->xfr != NULL) {
        put_transfers(daemon, status);
    }
    if (daemon->store != NULL) {
        csn_store_usage(daemon->store, &status->store_used, &status->store_limit);
    }
}
