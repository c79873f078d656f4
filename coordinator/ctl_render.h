/* ctl_render.h: what consignctl shows: the status as a table of at most 112 columns on a terminal, with the
 * verdict last, the one line of `health` as monitoring plug-ins want it, a certificate; and each as
 * a JSON document. It writes to a stream and knows no socket and no clock. Control characters from
 * a daemon are shown as `?`. */
#ifndef CSN_CTL_RENDER_H
#define CSN_CTL_RENDER_H

#include <stdio.h>

#include "ops/explain.h"
#include "ops/membership.h"
#include "ops/status.h"

#define CSN_CTL_COLUMNS 112
/* Of the JSON documents; raised when a field changes its meaning or goes. */
#define CSN_CTL_SCHEMA 1
#define CSN_CTL_STALE_S 30 /* an older picture, or one from the future, is not judged */

/* The exit status of all but health: NOT_YET: an order is kept, and not in force yet. */
enum csn_ctl_exit { CSN_CTL_DONE, CSN_CTL_FAILED, CSN_CTL_USAGE, CSN_CTL_UNREACHABLE, CSN_CTL_REFUSED, CSN_CTL_NOT_YET };
/* What a code of a daemon ends with: nobody there, or nobody who answers, is no failure of what was asked. `is_order`: a
 * refusal is the cluster's word. */
int csn_ctl_exit(int code, bool is_order);

/* Makes the verdict unknown when the picture is stale. Before rendering. */
void csn_ctl_doubt(struct csn_status *status, uint64_t now_s);

/* Hides all zones but the one of this name (NULL: any; a final dot may be left out), and those of which nothing ill is said where
 * only the others are wanted. Which are left. The verdict stays that of all. */
uint32_t csn_ctl_select(struct csn_status *status, const char *zone, bool is_not_well);

/* What was shown once more, for one who watches: over the last one, or as one line. False: nobody takes it. */
bool csn_ctl_put_again(FILE *out, const char *text, bool is_over);

/* Where a table goes: a terminal is CSN_CTL_COLUMNS wide, to what reads a pipe a line is a line. */
struct csn_ctl_page {
    FILE *out;      /* borrows */
    size_t columns; /* 0: nothing is folded */
    bool has_colour;
};
/* The text, broken at spaces where it would pass the last column; later lines stand under the
 * first's text. */
void csn_ctl_put_wrapped(const struct csn_ctl_page *page, const char *lead, const char *text);

void csn_ctl_table_status(const struct csn_ctl_page *page, const struct csn_status *status);
void csn_ctl_table_cert(FILE *out, const struct csn_cert_view *view);
void csn_ctl_line_health(FILE *out, const struct csn_status *status);

/* An order that was given, and who knows it. */
struct csn_ctl_given {
    char *zone;        /* owns */
    const char *order; /* "hold", … */
    const char *site;  /* maintenance of a site; else NULL */
    uint64_t number;
    unsigned known, needed, sites; /* how many know it, until it is in force, of how many */
};
void csn_ctl_json_given(FILE *out, const struct csn_ctl_given *given, size_t count, uint64_t now_s);

/* ctl_explain.c: how a zone stands, with `is_whole` also the refusals, what comes next and what an
 * operator may do. */
void csn_ctl_table_explanation(const struct csn_ctl_page *page,
                               const struct csn_explanation *explanation, bool is_whole);
void csn_ctl_table_refusals(const struct csn_ctl_page *page, const struct csn_explanation *explanation);
void csn_ctl_json_explanation(FILE *out, const struct csn_explanation *explanation);
/* With the statements as they were signed. */
void csn_ctl_json_refusals(FILE *out, const struct csn_explanation *explanation);

struct csn_control_diff;
/* Of what a daemon answers in lines: a comparison, names of reports or (with a name) one; and how the members stand. */
void csn_ctl_json_diff(FILE *out, const struct csn_control_diff *diff, struct csn_bytes lines, uint64_t now_s);
void csn_ctl_json_reports(FILE *out, const char *zone, const char *name, struct csn_bytes lines, uint64_t now_s);
void csn_ctl_json_membership(FILE *out, const struct csn_membership *membership, uint64_t now_s);

void csn_ctl_json_status(FILE *out, const struct csn_status *status);
void csn_ctl_json_cert(FILE *out, const struct csn_cert_view *view, uint64_t now_s);
/* health alone. */
void csn_ctl_json_health(FILE *out, const struct csn_status *status);
/* The document when there is no picture: level unknown, with the reason. */
void csn_ctl_json_unknown(FILE *out, const char *reason, uint64_t now_s);

#endif
