/* cluster_text.h: a cluster document as text for people and for files: written out whole, and what
 * changes from one to the next. Any thread. */
#ifndef CSN_CONFIG_CLUSTER_TEXT_H
#define CSN_CONFIG_CLUSTER_TEXT_H

#include "base/bytes.h"
#include "round/cluster.h"

/* The document as YAML, appended: csn_cluster_parse reads the same values from it. Texts are
 * printable ASCII, as that function lets through. */
void csn_cluster_write(const struct csn_cluster *cluster, struct csn_buf *buf);

/* What changes, a line each that ends with a newline: epoch, quorum, members, coordinators, officers,
 * emergency. Appended. */
void csn_cluster_write_change(const struct csn_cluster *now, const struct csn_cluster *next,
                              struct csn_buf *buf);

#endif
