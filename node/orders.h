/* orders.h: operators' orders at one site: those given over its own control socket are checked as
 * strictly as what comes by the mesh, with a word on what is wrong; those about inputs are obeyed
 * here (the round core obeys the others); all are shown in the status. Loop thread. */
#ifndef CSN_NODE_ORDERS_H
#define CSN_NODE_ORDERS_H

#include "daemon.h"

/* CSN_EFFECT_ORDER: an order came, or comes back from the store. */
void csn_orders_obey(struct csn_daemon *daemon, const struct csn_signed_order *order);

/* An order by the control socket: to the core, and to all. CSN_OK also when it was known already.
 * CSN_EREFUSED, CSN_ESIGNATURE, CSN_EFORMAT, CSN_EMISMATCH, CSN_ENOTFOUND: why not, and what to do.
 */
int csn_orders_take(struct csn_daemon *daemon, const struct csn_control_order *order,
                    struct csn_reason *reason);

/* The orders of a zone, and how many of the sites heard lately know all of them. */
void csn_orders_fill(const struct csn_daemon *daemon, size_t zone_index, struct csn_status *status,
                     struct csn_status_zone *zone);

/* Maintenance of this site is ordered, in each zone of this node. */
bool csn_orders_is_in_maintenance(const struct csn_daemon *daemon, uint16_t site);

/* The generation of an input in the store: its release's, or the present one. */
uint32_t csn_orders_generation(const struct csn_zone_shell *zone, const struct csn_digest *prepared);

#endif
