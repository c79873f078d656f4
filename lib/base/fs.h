/* fs.h: the few file operations Consign needs, each with a reason that names the path. */
#ifndef CSN_BASE_FS_H
#define CSN_BASE_FS_H

#include "base/bytes.h"
#include "base/error.h"

/* The whole file, appended to `buf`; CSN_ENOTFOUND, CSN_EIO, CSN_ELIMIT above `size_max`. */
int csn_fs_read(const char *path, size_t size_max, struct csn_buf *buf, struct csn_reason *reason);

/* As csn_fs_read, of a file that others replace or write at any moment: waits for none, CSN_ENOTFOUND where there is no regular
 * file, CSN_EBUSY when its size or time changed while it was read. One that another took the place of meanwhile is read whole. */
int csn_fs_read_still(const char *path, size_t size_max, struct csn_buf *buf, struct csn_reason *reason);

/* As csn_fs_read, but refuses a file that group or others may read or write, or that is not ours (CSN_EPERMISSION): PINs and
 * private keys. */
int csn_fs_read_secret(const char *path, size_t size_max, struct csn_buf *buf, struct csn_reason *reason);

/* Writes beside the path, syncs, renames into place, syncs the folder. `mode` as for open(2). */
int csn_fs_write(const char *path, struct csn_bytes data, unsigned mode, struct csn_reason *reason);

/* Makes the folder (mode 0700) unless it is there. */
int csn_fs_mkdir(const char *path, struct csn_reason *reason);

/* Files that only the functions here can open: in a process whose others (connections of strangers) have filled the table up to
 * the soft limit, a vote still gets its file, since for the instant of opening it the limit is raised to the hard one. */
#define CSN_FS_RESERVED 32
/* Sets the soft limit of files that far below the hard one; before threads start. */
void csn_fs_reserve(void);

#endif
