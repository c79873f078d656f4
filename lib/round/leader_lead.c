/* Who notifies the secondaries of a zone: the site that operators ordered, if it is fit, else the first
 * fit one in the cluster document's order; a lead stays while it is fit. */
#include "round/leader_state.h"

#define DAMP_MS 3000 /* a lead goes when it was unfit for so long; an ordered one comes when it was fit */
#define NEWS_MS 5000 /* a move is said first for so long, where not all leads fit into one statement */
#define ZONES_MAX (CSN_STATEMENT_MAX - 64) /* octets of zones; the head of a body is shorter */

/* Current, reachable, and not taken out. All that are fit have released the same, so that none of them
 * is inside the fence with a better one at hand. */
static bool is_fit(const struct csn_leader *leader, const struct csn_leader_zone *zone, int member)
{
    const struct csn_row *row =
        member >= 0 ? csn_peers_row(&leader->peers, (unsigned)member, zone->index) : NULL;
    return row != NULL && row->diverged == 0 && !row->is_behind &&
           (row->maintenance & CSN_MAINTENANCE_SITE) == 0 &&
           csn_round_compare(row->released.round, csn_leader_newest(zone)) >= 0 &&
           csn_leader_is_fresh(leader, (unsigned)member);
}

/* An order is in force when q sites know it; until others know another, it stays so. */
static uint16_t ordered(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        const struct csn_row *first = csn_peers_row(&leader->peers, i, zone->index);
        unsigned knowing = 0;
        for (unsigned k = 0; first != NULL && k < leader->cluster.member_count; k++) {
            const struct csn_row *row = csn_peers_row(&leader->peers, k, zone->index);
            knowing += row != NULL && row->authority == first->authority;
        }
        if (knowing >= leader->cluster.quorum) {
            return first->authority;
        }
    }
    return zone->lead.ordered;
}

static int index_of(const struct csn_leader *leader, uint16_t site)
{
    return csn_member_index(&leader->cluster, site);
}

static void see_ordered(const struct csn_leader *leader, struct csn_leader_zone *zone)
{
    struct csn_lead *lead = &zone->lead;
    uint16_t before = lead->ordered;
    bool was_fit = lead->is_ordered_fit;
    lead->ordered = ordered(leader, zone);
    lead->is_ordered_fit = is_fit(leader, zone, index_of(leader, lead->ordered));
    if (!was_fit || before != lead->ordered) {
        lead->ordered_fit_ms = leader->now.mono_ms;
    }
}

/* The ordered one, else the first; 0: nobody. */
static uint16_t first_fit(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    if (zone->lead.is_ordered_fit) {
        return zone->lead.ordered;
    }
    for (unsigned i = 0; i < leader->cluster.member_count; i++) {
        if (is_fit(leader, zone, (int)i)) {
            return leader->cluster.members[i].number;
        }
    }
    return 0;
}

static void name(const struct csn_leader *leader, struct csn_leader_zone *zone)
{
    struct csn_lead *lead = &zone->lead;
    uint64_t now_ms = leader->now.mono_ms;
    see_ordered(leader, zone);
    if (is_fit(leader, zone, index_of(leader, lead->site))) {
        lead->fit_ms = now_ms;
    }
    bool is_stale = lead->site == 0 || now_ms - lead->fit_ms >= DAMP_MS;
    bool is_order_due = lead->is_ordered_fit && now_ms - lead->ordered_fit_ms >= DAMP_MS;
    uint16_t next = is_stale ? first_fit(leader, zone) : is_order_due ? lead->ordered : lead->site;
    if (next != 0 && next != lead->site) {
        lead->site = next;
        lead->fit_ms = lead->moved_ms = now_ms;
    }
}

void csn_leads_name(struct csn_leader *leader)
{
    for (size_t i = 0; i < leader->zone_count; i++) {
        name(leader, &leader->zones[i]);
    }
}

/* The lead of most zones; 0: of none. */
static uint16_t most_common(const struct csn_leader *leader)
{
    size_t counts[CSN_MEMBERS_MAX] = {0};
    unsigned best = 0;
    for (size_t i = 0; i < leader->zone_count; i++) {
        int member = index_of(leader, leader->zones[i].lead.site);
        counts[member >= 0 ? member : 0] += member >= 0;
    }
    for (unsigned i = 1; i < leader->cluster.member_count; i++) {
        best = counts[i] > counts[best] ? i : best;
    }
    return counts[best] > 0 ? leader->cluster.members[best].number : 0;
}

/* False: it does not fit any more. */
static bool put(const struct csn_leader *leader, const struct csn_leader_zone *zone,
                struct csn_body_lead *body, struct csn_buf *zones)
{
    size_t before = zones->size;
    csn_lead_put(zones, csn_leader_config(leader, zone)->zone, zone->lead.site);
    bool fits = zones->size <= ZONES_MAX;
    zones->size = fits ? zones->size : before;
    body->zone_count = (uint16_t)(body->zone_count + fits);
    return fits;
}

/* All that have another lead than most; false: they do not fit. */
static bool say_others(const struct csn_leader *leader, struct csn_body_lead *body,
                       struct csn_buf *zones)
{
    bool fits = true;
    for (size_t i = 0; i < leader->zone_count && fits; i++) {
        const struct csn_leader_zone *zone = &leader->zones[i];
        bool is_other = zone->lead.site != 0 && zone->lead.site != body->site;
        fits = !is_other || put(leader, zone, body, zones);
    }
    return fits;
}

static bool is_news(const struct csn_leader *leader, const struct csn_leader_zone *zone)
{
    return leader->now.mono_ms - zone->lead.moved_ms < NEWS_MS;
}

/* Every zone by name: what moved lately first, the rest takes turns. A site that has heard no turn of a
 * zone yet takes the lead of most for its lead. */
static void say_in_turns(struct csn_leader *leader, struct csn_body_lead *body,
                         struct csn_buf *zones)
{
    bool fits = true;
    for (size_t i = 0; i < leader->zone_count && fits; i++) {
        const struct csn_leader_zone *zone =
            &leader->zones[(leader->lead_cursor + i) % leader->zone_count];
        if (zone->lead.site != 0 && is_news(leader, zone)) {
            fits = put(leader, zone, body, zones);
            leader->lead_cursor += fits ? 0 : i; /* more news than fit: they take turns too */
        }
    }
    for (size_t i = 0; i < leader->zone_count && fits; i++) {
        const struct csn_leader_zone *zone =
            &leader->zones[leader->lead_cursor % leader->zone_count];
        if (zone->lead.site != 0 && !is_news(leader, zone)) {
            fits = put(leader, zone, body, zones);
        }
        leader->lead_cursor += fits;
    }
}

void csn_leads_say(struct csn_leader *leader, struct csn_body_lead *body, struct csn_buf *zones)
{
    body->site = most_common(leader);
    body->is_whole = say_others(leader, body, zones);
    if (!body->is_whole) {
        csn_buf_clear(zones);
        body->zone_count = 0;
        say_in_turns(leader, body, zones);
    }
    body->zones = csn_buf_view(zones);
}
