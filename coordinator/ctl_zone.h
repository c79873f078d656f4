/* ctl_zone.h: the commands of consignctl that look into a zone's contents: what two sites have for one serial, compared, and
 * the reports that were kept. They write to standard output and say what failed on standard error. */
#ifndef CSN_COORDINATOR_CTL_ZONE_H
#define CSN_COORDINATOR_CTL_ZONE_H

#include "ctl_render.h"

/* What a comparison ends with; also the exit status. */
enum { CSN_CTL_EQUAL, CSN_CTL_DIFFERENT, CSN_CTL_MISUSED, CSN_CTL_UNKNOWN };

struct csn_ctl_zone_call {
    const char *socket; /* borrows */
    const char *site;   /* --site; NULL: all. Borrows */
    bool is_json, is_explained;
    struct csn_ctl_page page;
};

/* status ZONE | refusals ZONE | diff ZONE SERIAL SITE SITE | reports ZONE; without the word `zone`. `ret_wrong` says what is wrong with the words beside
 * CSN_CTL_MISUSED. What was only shown is CSN_CTL_EQUAL. */
int csn_ctl_zone(const struct csn_ctl_zone_call *call, int count, char **words, const char **ret_wrong);

#endif
