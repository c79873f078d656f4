/* peers.h: the last report of each member, and its rows: what both machines know of others. Pure,
 * private to lib/round. */
#ifndef CSN_ROUND_PEERS_H
#define CSN_ROUND_PEERS_H

#include "dns/name_map.h"
#include "round/node.h"
#include "round/step.h"

#define CSN_REPORT_ROWS_MAX 16 /* more do not fit: a row has 600 octets and more */

struct csn_peer {
    bool is_heard;
    struct csn_now heard;
    struct csn_body_report report; /* `rows` is not kept */
    struct csn_row *rows;          /* owns; one a zone, in the zones' order; those with has_row */
    bool *has_row;                 /* owns */
};

struct csn_peers {
    const struct csn_cluster *cluster;  /* borrows */
    const struct csn_round_zone *zones; /* borrows; fixed in number and names */
    size_t zone_count;
    struct csn_name_map names; /* owns; of the zones */
    size_t taken[CSN_REPORT_ROWS_MAX]; /* zones whose rows the last report brought */
    size_t taken_count;
    struct csn_peer peers[CSN_MEMBERS_MAX]; /* in the cluster document's order */
};

void csn_peers_init(struct csn_peers *peers, const struct csn_cluster *cluster,
                    const struct csn_round_zone *zones, size_t zone_count);
void csn_peers_fini(struct csn_peers *peers);

/* The index of a site among the members, or -1. */
int csn_member_index(const struct csn_cluster *cluster, uint16_t site);
/* The index of a zone, or -1. */
int csn_zone_index(const struct csn_peers *peers, const uint8_t *zone);

/* Takes a report or promise in: CSN_EFORMAT; CSN_EEXISTS when one of this (boot, seq) or a later
 * one of this boot is known; CSN_EREFUSED when one of a later boot is. Rows of an older boot are forgotten. */
int csn_peers_take(struct csn_peers *peers, unsigned member, struct csn_bytes body,
                   struct csn_now now);

/* A site's row of a zone; NULL: none. */
const struct csn_row *csn_peers_row(const struct csn_peers *peers, unsigned member, size_t zone);
/* Of one that is heard, for status. */
struct csn_peer_status csn_peers_status(const struct csn_peer *peer, uint16_t site);
/* And of this epoch. */
bool csn_peers_is_fresh(const struct csn_peers *peers, unsigned member, struct csn_now now,
                        uint64_t silent_ms);

#endif
