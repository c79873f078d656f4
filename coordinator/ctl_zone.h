/* ctl_zone.h: the commands of consignctl that look into a zone's contents: what two sites have for one serial, compared, and
 * the reports that were kept. They write to standard output and say what failed on standard error. */
#ifndef CSN_COORDINATOR_CTL_ZONE_H
#define CSN_COORDINATOR_CTL_ZONE_H

#include "ctl_render.h"

struct csn_ctl_zone_call {
    const char *socket; /* borrows */
    const char *site;   /* --site; NULL: all. Borrows */
    bool is_json, is_explained;
    struct csn_ctl_page page;
};

/* status ZONE | refusals ZONE | diff ZONE SERIAL SITE SITE | reports ZONE [NAME]; without the word `zone`. `ret_wrong` says what is wrong with the words beside
 * CSN_CTL_USAGE. The exit status; of a comparison DONE: equal, FAILED: different, UNREACHABLE: cannot be told. */
int csn_ctl_zone(const struct csn_ctl_zone_call *call, int count, char **words, const char **ret_wrong);

#endif
