/* links.h: which links stand, who is known to be at the other end, and when they were last heard.
 * No sockets, no clock. */
#ifndef CSN_MESH_LINKS_H
#define CSN_MESH_LINKS_H

#include "mesh/mesh.h"

#define CSN_LINKS_MAX 64 /* four a member; above it one of who has the most is closed */
#define CSN_LINKS_PEERS_MAX (2 * CSN_MEMBERS_MAX)
#define CSN_LINKS_NOBODY SIZE_MAX
#define CSN_LINKS_STALL_MS 1000

struct csn_link {
    uint32_t id;
    size_t peer; /* index; CSN_LINKS_NOBODY until its proof was good */
    uint64_t heard_ms;
};

struct csn_links_peer {
    struct csn_mesh_peer id; /* number 0: no such peer */
    size_t link_count;
    bool was_heard;
    uint64_t heard_ms;
};

/* Members at their index in the document, coordinators at CSN_MEMBERS_MAX + theirs. */
struct csn_links {
    struct csn_links_peer peers[CSN_LINKS_PEERS_MAX];
    struct csn_link links[CSN_LINKS_MAX];
    size_t link_count;
    uint64_t asked_ms; /* for silent links */
};

void csn_links_init(struct csn_links *links, const struct csn_cluster *cluster);
/* CSN_LINKS_NOBODY: not in the document in this incarnation. */
size_t csn_links_peer(const struct csn_links *links, struct csn_mesh_peer peer);

/* Borrowed until the next add or remove; find gives NULL for an unknown id, add NULL when full. */
struct csn_link *csn_links_find(struct csn_links *links, uint32_t id);
struct csn_link *csn_links_add(struct csn_links *links, uint32_t id, uint64_t now_ms);
/* The peer whose last link this was, or CSN_LINKS_NOBODY. */
size_t csn_links_remove(struct csn_links *links, uint32_t id);
/* Its proof was good. True: it is the peer's first link. */
bool csn_links_bind(struct csn_links *links, struct csn_link *link, size_t peer);
/* A word came from the peer the link is bound to. */
void csn_links_heard(struct csn_links *links, struct csn_link *link, uint64_t now_ms);
/* What goes when there is no room for one more: of whoever has the most links - those who have not proved who they are count as
 * one - the link that was heard longest ago. NULL: there is room. So one that opens links without end keeps out nobody but himself. */
const struct csn_link *csn_links_crowding(const struct csn_links *links);
/* A link that is silent for too long, or NULL. To be asked at least every CSN_LINKS_STALL_MS: a
 * longer gap means that this process itself stood still and could hear nobody, so that every link
 * gets its time again. */
const struct csn_link *csn_links_silent(struct csn_links *links, uint64_t now_ms);

#endif
