/* diff.h: what two sites have for one serial of a zone, compared record by record in three exchanges (zone/walk.h). By itself
 * when this site diverges: its own content against that of a site of the quorum, as a report that is kept (reports.h). And for
 * operators, any two sites. What a site says is believed only as far as it hashes to the roots that it signed. Loop thread. */
#ifndef CSN_NODE_DIFF_H
#define CSN_NODE_DIFF_H

#include "trees.h"

#define CSN_DIFF_LINES_MAX 1000                 /* of records in one report; more are said to be there */
#define CSN_DIFF_TEXT_MAX ((size_t)512 * 1024) /* octets of lines */

/* What is compared at a site. A name of kind NONE is asked for by serial: what that site made of it itself. */
struct csn_diff_side {
    uint16_t site;
    struct csn_tree_name name;
    bool has_roots; /* COMPUTED: these are signed */
    struct csn_roots roots;
};

struct csn_diff_result {
    int code;
    struct csn_reason reason; /* beside a code: which site, and why */
    bool is_equal;
    struct csn_bytes text; /* empty when equal; `#` lines say what was compared, `-` is only at the first site, `+` at the second */
    size_t summary_size;   /* of the text: its `#` lines */
};

/* `done` once, later, with views that live for the call. */
typedef void csn_diff_fn(void *arg, const struct csn_diff_result *result);
void csn_diff_run(struct csn_zone_shell *zone, uint32_t serial, const struct csn_diff_side sides[2], csn_diff_fn *done, void *arg);

/* This site became diverged in these classes; it refused H(P) because its own content is not the quorum's; it agrees again. */
void csn_diff_diverged(struct csn_zone_shell *zone, uint8_t classes);
void csn_diff_refused(struct csn_zone_shell *zone, const struct csn_digest *hash);
void csn_diff_rejoined(struct csn_zone_shell *zone);
void csn_diff_tick(struct csn_zone_shell *zone);

#endif
