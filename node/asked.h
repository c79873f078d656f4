/* asked.h: comparisons of two sites that operators ask for over the control socket (diff.h). An answer there must be given at
 * once, so the first question begins one and each further one learns whether it is done. Loop thread. */
#ifndef CSN_NODE_ASKED_H
#define CSN_NODE_ASKED_H

#include "daemon.h"

/* The text, appended; empty: equal. CSN_EBUSY: at work, ask again; CSN_ENOTFOUND: no such zone or site, or one of them has nothing
 * of that serial. What nobody came back for in a minute is forgotten. */
int csn_asked_diff(struct csn_daemon *daemon, const struct csn_control_diff *diff, struct csn_buf *ret_text,
                   struct csn_reason *reason);
/* The names of the kept reports of a zone, or the text of the one of this name. */
int csn_asked_reports(struct csn_daemon *daemon, const char *zone, const char *name, struct csn_buf *ret_text,
                      struct csn_reason *reason);

#endif
