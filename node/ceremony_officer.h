/* ceremony_officer.h: what officers do with consign-ceremony: their keys, their signatures under the next cluster document, and an
 * emergency's document. Reads and writes files, tells what it did on `out`; no token, no network. */
#ifndef CSN_NODE_CEREMONY_OFFICER_H
#define CSN_NODE_CEREMONY_OFFICER_H

#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

#define CSN_OFFICER_FILES_MAX 64

/* All borrow from argv; NULL or 0: not given. */
struct csn_officer_arguments {
    const char *name, *out, *key, *document, *cluster, *before;
    const char *files[CSN_OFFICER_FILES_MAX]; /* --signature, --base */
    size_t file_count;
    const char *keep, *reason, *fenced, *chain;
    uint64_t hours, serial_offset;
};

/* officer new|sign|combine, emergency new|end. */
int csn_officer_new(const struct csn_officer_arguments *arguments, FILE *out, struct csn_reason *reason);
int csn_officer_sign(const struct csn_officer_arguments *arguments, FILE *out, struct csn_reason *reason);
int csn_officer_combine(const struct csn_officer_arguments *arguments, FILE *out, struct csn_reason *reason);
int csn_officer_emergency(const struct csn_officer_arguments *arguments, FILE *out, struct csn_reason *reason);
int csn_officer_end_emergency(const struct csn_officer_arguments *arguments, FILE *out, struct csn_reason *reason);

#endif
