#include "round/node_state.h"

/* Seconds that the wall clock is before time that only passes. Both run alike when NTP slews; a suspended machine's are both late. */
static int64_t ahead_s(struct csn_now now)
{
    return (int64_t)now.wall_s - (int64_t)(now.mono_ms / 1000);
}

/* With this clock as it is now: it may have been set since that was heard. */
static bool agrees(const struct csn_node *node, const struct csn_peer *peer)
{
    int64_t off_s = (int64_t)peer->report.clock_s - (int64_t)(peer->heard.mono_ms / 1000) - ahead_s(node->now);
    return off_s >= -CSN_CLOCK_AHEAD_S && off_s <= CSN_CLOCK_AHEAD_S;
}

/* Whether this clock is one of a quorum that agree; as before where too few are heard to tell. A site alone has nobody to be
 * believed by: the first step of NTP after a boot is no leap. */
static bool is_believed(const struct csn_node *node)
{
    unsigned heard = 1, alike = 1, needed = node->cluster.quorum > 1 ? node->cluster.quorum : 2;
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        if (i != node->member && csn_peers_is_fresh(&node->peers, i, node->now, CSN_SILENT_MS)) {
            heard++;
            alike += agrees(node, &node->peers.peers[i]);
        }
    }
    return heard >= needed ? alike >= needed : node->clock.is_believed;
}

void csn_clock_watch(struct csn_node *node, bool is_tick)
{
    struct csn_node_clock *clock = &node->clock;
    bool was_leapt = clock->has_leapt;
    clock->has_leapt = clock->is_believed && ahead_s(node->now) - clock->ahead_s > CSN_CLOCK_LEAP_S;
    if (clock->has_leapt && !was_leapt) {
        csn_node_trace(node, CSN_TRACE_HALTED, NULL)->number = CSN_HALT_CLOCK;
    }
    if (is_tick && !clock->has_leapt) { /* set back, it is another clock: its way forward again is no leap */
        clock->is_believed = clock->is_believed && ahead_s(node->now) >= clock->ahead_s - CSN_CLOCK_AHEAD_S;
        clock->is_believed = is_believed(node);
        clock->ahead_s = ahead_s(node->now);
    }
}

enum csn_halt csn_node_halted(const struct csn_node *node)
{
    return node->halt == CSN_HALT_NONE && node->clock.has_leapt ? CSN_HALT_CLOCK : node->halt;
}

enum csn_node_state csn_node_said_state(const struct csn_node *node)
{
    return csn_node_halted(node) != CSN_HALT_NONE ? CSN_NODE_HALTED : node->state;
}
