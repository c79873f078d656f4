/* node_epoch.h: R8 in a node, between its files. Private.
 *
 *   node_epoch.c         seal, entry, epoch certificate, joining; statements of others
 *   node_epoch_start.c   records, and what a start makes of them
 *   node_epoch_floors.c  floors of others: fetched, raised to, handed on */
#ifndef CSN_ROUND_NODE_EPOCH_H
#define CSN_ROUND_NODE_EPOCH_H

#include "round/node_state.h"

/* --- node_epoch_start.c */
/* Where the record of a part is. */
struct csn_round csn_epoch_part_place(uint32_t epoch, uint16_t site);
void csn_epoch_put_part(struct csn_buf *buf, const struct csn_epoch_part *part);
/* `place` may be NULL; the value is closed and freed. */
void csn_epoch_write_record(struct csn_node *node, struct csn_effect *persist,
                            enum csn_record_letter letter, const struct csn_round *place,
                            struct csn_buf *value);
/* The record of the epoch that the node lives in. */
void csn_epoch_write(struct csn_node *node, struct csn_effect *persist);
/* The seal's record, and its second copy: body | floors. */
void csn_epoch_put_seal(const struct csn_node *node, struct csn_buf *buf);
/* Of a site; NULL: none. */
struct csn_epoch_part *csn_epoch_part_of(struct csn_epoch_parts *parts, uint16_t site);
/* The same, made if it is not there; NULL: too many. */
struct csn_epoch_part *csn_epoch_add_part(struct csn_epoch_parts *parts, uint16_t site);
/* None, and none of their memory, is left. */
void csn_epoch_parts_fini(struct csn_epoch_parts *parts);
bool csn_epoch_is_same_seal(const struct csn_body_seal *a, const struct csn_body_seal *b);
/* The own entry into this epoch is durable. */
bool csn_epoch_is_entered(const struct csn_node *node, struct csn_version_id version);
/* The link by which the node's own epoch began; another's, or NULL, is ignored. */
void csn_epoch_keep_link(struct csn_node *node, const struct csn_epoch_certificate *link);

/* --- node_epoch_floors.c */
/* The floors that the part's seal names, of exactly the zones that are configured here; else notes what is odd. */
bool csn_epoch_are_floors_whole(struct csn_node *node, struct csn_epoch_part *part,
                                struct csn_bytes octets);
/* As far as its reports tell; `ret_missing` is one that only this site has, or NULL. */
bool csn_epoch_has_same_zones(const struct csn_node *node, unsigned member, const uint8_t **ret_missing);
/* What a change of members waits for, where it waits for that. */
void csn_epoch_find_odd(const struct csn_node *node, struct csn_now now, struct csn_odd_zone *ret_odd);
/* One try when it is due, until they are here. */
void csn_epoch_fetch_floors(struct csn_node *node, struct csn_epoch_part *part);
/* All that must be durable before the word that follows: the floors, raised to those of the parts that are used,
 * and what they were raised to, for others. `epoch` is the one that is entered. */
void csn_epoch_persist_raised(struct csn_node *node, struct csn_epoch_parts *parts,
                              const bool used[CSN_MEMBERS_MAX], const struct csn_cluster *epoch);

#endif
