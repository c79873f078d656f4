#include "mesh/links.h"

void csn_links_init(struct csn_links *links, const struct csn_cluster *cluster)
{
    *links = (struct csn_links){0};
    for (size_t i = 0; i < cluster->member_count; i++) {
        links->peers[i].id = (struct csn_mesh_peer){.number = cluster->members[i].number,
                                                    .incarnation = cluster->members[i].incarnation};
    }
    for (size_t i = 0; i < cluster->coordinator_count; i++) {
        links->peers[CSN_MEMBERS_MAX + i].id =
            (struct csn_mesh_peer){.number = cluster->coordinators[i].number};
    }
}

size_t csn_links_peer(const struct csn_links *links, struct csn_mesh_peer peer)
{
    size_t first = peer.incarnation == 0 ? CSN_MEMBERS_MAX : 0;
    for (size_t i = first; peer.number != 0 && i < first + CSN_MEMBERS_MAX; i++) {
        if (links->peers[i].id.number == peer.number &&
            links->peers[i].id.incarnation == peer.incarnation) {
            return i;
        }
    }
    return CSN_LINKS_NOBODY;
}

struct csn_link *csn_links_find(struct csn_links *links, uint32_t id)
{
    for (size_t i = 0; i < links->link_count; i++) {
        if (links->links[i].id == id) {
            return &links->links[i];
        }
    }
    return NULL;
}

struct csn_link *csn_links_add(struct csn_links *links, uint32_t id, uint64_t now_ms)
{
    if (links->link_count == CSN_LINKS_MAX) {
        return NULL;
    }
    struct csn_link *link = &links->links[links->link_count++];
    *link = (struct csn_link){.id = id, .peer = CSN_LINKS_NOBODY, .heard_ms = now_ms};
    return link;
}

size_t csn_links_remove(struct csn_links *links, uint32_t id)
{
    struct csn_link *link = csn_links_find(links, id);
    if (link == NULL) {
        return CSN_LINKS_NOBODY;
    }
    size_t peer = link->peer;
    *link = links->links[--links->link_count];
    return peer != CSN_LINKS_NOBODY && --links->peers[peer].link_count == 0 ? peer
                                                                            : CSN_LINKS_NOBODY;
}

bool csn_links_bind(struct csn_links *links, struct csn_link *link, size_t peer)
{
    REQUIRE(link->peer == CSN_LINKS_NOBODY);
    link->peer = peer;
    return links->peers[peer].link_count++ == 0;
}

void csn_links_heard(struct csn_links *links, struct csn_link *link, uint64_t now_ms)
{
    struct csn_links_peer *peer = &links->peers[link->peer];
    link->heard_ms = now_ms;
    peer->was_heard = true;
    peer->heard_ms = now_ms;
}

const struct csn_link *csn_links_silent(struct csn_links *links, uint64_t now_ms)
{
    bool has_stalled = now_ms > links->asked_ms + CSN_LINKS_STALL_MS;
    links->asked_ms = now_ms;
    for (size_t i = 0; has_stalled && i < links->link_count; i++) {
        links->links[i].heard_ms = now_ms;
    }
    for (size_t i = 0; i < links->link_count; i++) {
        if (now_ms >= links->links[i].heard_ms + CSN_MESH_SILENT_MS) {
            return &links->links[i];
        }
    }
    return NULL;
}

static size_t count_at(const struct csn_links *links, size_t peer)
{
    size_t count = 0;
    for (size_t i = 0; i < links->link_count; i++) {
        count += links->links[i].peer == peer;
    }
    return count;
}

const struct csn_link *csn_links_crowding(const struct csn_links *links)
{
    const struct csn_link *found = NULL;
    size_t most = 0;
    for (size_t i = 0; links->link_count == CSN_LINKS_MAX && i < links->link_count; i++) {
        const struct csn_link *link = &links->links[i];
        size_t count = count_at(links, link->peer);
        if (count > most || (link->peer == found->peer && link->heard_ms < found->heard_ms)) {
            found = link;
            most = count;
        }
    }
    return found;
}
