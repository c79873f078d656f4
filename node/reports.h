/* reports.h: what was found out about differences between sites is kept as text: files in the folder `reports` of the store,
 * ZONE-xxxxxxxx-TIME-SERIAL.txt (escaped name, eight hex digits of its hash, Unix seconds, serial), the newest
 * CSN_REPORTS_MAX of each zone. Any thread; these calls read and write files. */
#ifndef CSN_NODE_REPORTS_H
#define CSN_NODE_REPORTS_H

#include "base/bytes.h"
#include "base/error.h"

#define CSN_REPORTS_MAX 100   /* of a zone; the oldest goes */
#define CSN_REPORT_PATH_MAX 4096

/* Keeps a report; its path. CSN_EIO and the like with a reason: nothing is lost but the text. */
int csn_reports_keep(const char *store, const uint8_t *zone, uint32_t serial, uint64_t time_s, struct csn_bytes text,
                     char ret_path[CSN_REPORT_PATH_MAX], struct csn_reason *reason);

/* The names of a zone's reports, newest first, each with a newline. */
void csn_reports_list(const char *store, const uint8_t *zone, struct csn_buf *buf);

/* The text of one, appended. CSN_ENOTFOUND: no report of that zone has this name. */
int csn_reports_read(const char *store, const uint8_t *zone, const char *name, struct csn_buf *buf, struct csn_reason *reason);

#endif
