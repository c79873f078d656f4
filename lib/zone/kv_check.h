/* kv_check.h: is an LMDB data file whole? LMDB 0.9 believes its own file: a page of garbage makes it end the process, a file cut
 * short makes it die of SIGBUS. So csn_kv_open reads every page in use once, with pread, before LMDB maps the file.
 *
 * Checked: the newer meta page; of every tree the page numbers, kinds, bounds of nodes, order of keys, counts; that no page is
 * used twice and none in use is on the free list. Not checked: what values say (checksums and roots do that), and damage that
 * comes after the check. */
#ifndef CSN_ZONE_KV_CHECK_H
#define CSN_ZONE_KV_CHECK_H

#include "base/error.h"

/* CSN_EDAMAGED with the page and what is wrong with it; CSN_EIO. The file is open for reading and nobody writes it. `path` is
 * for the reason only. */
int csn_kv_check(int fd, const char *path, struct csn_reason *reason);

#endif
