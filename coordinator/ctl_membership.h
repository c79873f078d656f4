/* ctl_membership.h: the commands of consignctl about who the members are: the next document is handed in, and what has been
 * said of it shown. They write to standard output and say what failed on standard error. */
#ifndef CSN_COORDINATOR_CTL_MEMBERSHIP_H
#define CSN_COORDINATOR_CTL_MEMBERSHIP_H

#include <stdbool.h>

#include "base/error.h"

/* propose FILE | show | chain; without the word `membership`. `is_anyway`: propose also where the
 * newest release would be at too few sites. `ret_wrong` says what is wrong with the words, and then nothing was
 * done; else CSN_OK, or what failed, which has been said. */
int csn_ctl_membership(const char *socket, bool is_json, bool is_anyway, int count, char **words, const char **ret_wrong);

#endif
