/* stray.h: whether the others follow a coordinator that this site does not, from what they promised. Pure; any thread. */
#ifndef CSN_NODE_STRAY_H
#define CSN_NODE_STRAY_H

#include <stdbool.h>

#include "round/statement.h"

/* Another member. */
struct csn_stray_other {
    bool is_heard;
    struct csn_term promised;
};

/* What `quorum` of the others that are heard promised, where it is not `own`: a coordinator that hears them may well lead.
 * False: there is no such thing. */
bool csn_stray_find(const struct csn_stray_other *others, uint8_t count, uint8_t quorum, struct csn_term own, struct csn_term *ret_term);

#endif
