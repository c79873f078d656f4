/* staging.h: from a computed content to a version that can be voted for (R3): the authors' shares are put together, the version
 * is written as a whole, read back, and its roots are recomputed from what was read. Verifying comes after. Any thread; reads
 * and writes whole zones, so it belongs into worker threads. */
#ifndef CSN_KEPT_STAGING_H
#define CSN_KEPT_STAGING_H

#include "kept/share.h"
#include "kept/version.h"

/* What is to be staged. */
struct csn_staging {
    const struct csn_proposal *proposal; /* borrows */
    const struct csn_digest *hash;       /* borrows; H(P) */
    struct csn_share_offer offers[CSN_MEMBERS_MAX]; /* of P's authors, in their order */
    struct csn_digest expected; /* the full root that others hold; zeros: none known */
    bool is_whole;              /* nothing counts as carried: every signature is to be verified again */
};
/* What came of it. */
struct csn_staged {
    struct csn_zone_roots roots;  /* of what was read back */
    struct csn_version_view view; /* open after CSN_OK: for the verifiers; the caller closes it */
    uint16_t bad_site;            /* whose share is not what it offered; 0: nobody's fault */
};
/* The content carries the parent's signatures already; the shares are in the store. */
int csn_staging_make(struct csn_store *store, const struct csn_staging *staging, struct csn_content *content,
                     struct csn_staged *ret_staged, struct csn_reason *reason);

#endif
