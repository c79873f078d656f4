/* ctl_order.h: an operator's order from consignctl: made from words, signed with his key, given to
 * the daemon of this site, and watched until enough sites know it. */
#ifndef CSN_CTL_ORDER_H
#define CSN_CTL_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct csn_ctl_order_call { /* borrows */
    const char *socket;
    const char *reason, *cluster, *key; /* --reason, --cluster, --key; NULL: not given */
    bool is_json;
};

/* "maintenance", or "zone" with hold, resume, approve, reject or generation. */
bool csn_ctl_is_order(int count, char **words);

/* consignctl's exit status (enum csn_ctl_exit): DONE when it is in force. When the words or options are wrong nothing is done and `ret_wrong` says what; else it is NULL. */
int csn_ctl_order(const struct csn_ctl_order_call *call, int count, char **words,
                  const char **ret_wrong);

#endif
