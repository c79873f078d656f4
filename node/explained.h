/* explained.h: what this node knows of a zone, for explain.h, and the refusals that it keeps. Loop thread. */
#ifndef CSN_NODE_EXPLAINED_H
#define CSN_NODE_EXPLAINED_H

#include "daemon.h"
#include "ops/control.h"

/* CSN_ENOTFOUND and a reason: not a zone, or not a site. */
int csn_explained_answer(const struct csn_daemon *daemon, const struct csn_control_explain *explain,
                         struct csn_explanation *ret_explanation, struct csn_reason *reason);

#endif
