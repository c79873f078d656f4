#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE ((size_t)65536)
/* A FIFO without a writer, or a terminal, keeps no one who opens it. */
#define AT_ONCE (O_NONBLOCK | O_NOCTTY)

void csn_fs_reserve(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max > 2 * CSN_FS_RESERVED) {
        limit.rlim_cur = limit.rlim_max - CSN_FS_RESERVED;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* One thread at a time, or a raised limit would be taken for the one to go back to. */
static int open_reserved(const char *path, int flags, mode_t mode)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct rlimit limit, raised;
    int fd = -1, error = EMFILE;
    pthread_mutex_lock(&lock);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max - limit.rlim_cur == CSN_FS_RESERVED) {
        raised = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        setrlimit(RLIMIT_NOFILE, &raised);
        fd = open(path, flags, mode);
        error = errno;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

static int open_file(const char *path, int flags, mode_t mode)
{
    int fd = open(path, flags, mode);
    return fd < 0 && errno == EMFILE ? open_reserved(path, flags, mode) : fd;
}

/* To the end of the file, but no more than `count_max` octets. */
static int read_up_to(int fd, const char *path, size_t count_max, struct csn_buf *buf, struct csn_reason *reason)
{
    while (count_max > 0) {
        size_t wanted = count_max < READ_SIZE ? count_max : READ_SIZE;
        ssize_t got = read(fd, csn_buf_reserve(buf, wanted), wanted);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return csn_reason_set(reason, CSN_EIO, "%s: %s", path, strerror(errno));
        }
        if (got == 0) {
            return CSN_OK;
        }
        buf->size += (size_t)got;
        count_max -= (size_t)got;
    }
    return CSN_OK;
}

static int too_long(const char *path, size_t size_max, struct csn_reason *reason)
{
    return csn_reason_set(reason, CSN_ELIMIT, "%s: longer than %zu octets", path, size_max);
}

static int read_all(int fd, const char *path, size_t size_max, struct csn_buf *buf, struct csn_reason *reason)
{
    size_t before = buf->size;
    int code = read_up_to(fd, path, size_max < SIZE_MAX ? size_max + 1 : SIZE_MAX, buf, reason);
    return code == CSN_OK && buf->size - before > size_max ? too_long(path, size_max, reason) : code;
}

static int open_for_read(const char *path, int flags, struct csn_reason *reason, int *ret_fd)
{
    int fd = open_file(path, O_RDONLY | O_CLOEXEC | flags, 0);
    if (fd < 0) {
        int code = errno == ENOENT ? CSN_ENOTFOUND : errno == EACCES ? CSN_EPERMISSION : CSN_EIO;
        return csn_reason_set(reason, code, "%s: %s", path, strerror(errno));
    }
    *ret_fd = fd;
    return CSN_OK;
}

int csn_fs_read(const char *path, size_t size_max, struct csn_buf *buf, struct csn_reason *reason)
{
    int fd = -1;
    int code = open_for_read(path, 0, reason, &fd);
    if (code != CSN_OK) {
        return code;
    }
    code = read_all(fd, path, size_max, buf, reason);
    close(fd);
    return code;
}

static bool is_unchanged(int fd, const struct stat *before)
{
    struct stat after;
    return fstat(fd, &after) == 0 && before->st_size == after.st_size &&
           before->st_mtim.tv_sec == after.st_mtim.tv_sec &&
           before->st_mtim.tv_nsec == after.st_mtim.tv_nsec;
}

/* All is asked of the descriptor: whoever may write to the folder can put another file there at any moment, and one that is put
 * there whole, by rename, does not change what is being read. */
static int read_still(int fd, const char *path, size_t size_max, struct csn_buf *buf, struct csn_reason *reason)
{
    struct stat st;
    size_t before = buf->size;
    if (fstat(fd, &st) != 0) {
        return csn_reason_set(reason, CSN_EIO, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return csn_reason_set(reason, CSN_ENOTFOUND, "%s: no file there, but a folder or a device", path);
    }
    if ((size_t)st.st_size > size_max) {
        return too_long(path, size_max, reason);
    }
    int code = read_up_to(fd, path, (size_t)st.st_size + 1, buf, reason);
    if (code == CSN_OK && (!is_unchanged(fd, &st) || buf->size - before != (size_t)st.st_size)) {
        return csn_reason_set(reason, CSN_EBUSY, "%s: changed while it was read", path);
    }
    return code;
}

int csn_fs_read_still(const char *path, size_t size_max, struct csn_buf *buf, struct csn_reason *reason)
{
    int fd = -1;
    int code = open_for_read(path, AT_ONCE, reason, &fd);
    if (code == CSN_ENOTFOUND) {
        return csn_reason_set(reason, code, "%s: no file there: %s", path, strerror(ENOENT));
    }
    if (code != CSN_OK) {
        return code;
    }
    code = read_still(fd, path, size_max, buf, reason);
    close(fd);
    return code;
}

int csn_fs_read_secret(const char *path, size_t size_max, struct csn_buf *buf, struct csn_reason *reason)
{
    int fd = -1;
    int code = open_for_read(path, AT_ONCE, reason, &fd);
    if (code != CSN_OK) {
        return code;
    }
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0 ||
        (st.st_uid != geteuid() && st.st_uid != 0)) {
        code = csn_reason_set(reason, CSN_EPERMISSION,
                              "%s: must be a file of this user with mode 0600; run: chmod 600 %s", path, path);
    } else {
        code = read_all(fd, path, size_max, buf, reason);
    }
    close(fd);
    return code;
}

static int write_all(int fd, struct csn_bytes data)
{
    while (data.size > 0) {
        ssize_t put = write(fd, data.data, data.size);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return -1;
        }
        data = csn_bytes(data.data + put, data.size - (size_t)put);
    }
    return fsync(fd);
}

static int sync_folder_of(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof(copy), "%s", path);
    int fd = open_file(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int bad = fsync(fd);
    close(fd);
    return bad;
}

static int code_of_write(int error)
{
    return error == ENOSPC || error == EDQUOT ? CSN_EFULL : CSN_EIO;
}

int csn_fs_write(const char *path, struct csn_bytes data, unsigned mode, struct csn_reason *reason)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside)) {
        return csn_reason_set(reason, CSN_ELIMIT, "%s: path too long", path);
    }
    unlink(beside);
    int fd = open_file(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0) {
        return csn_reason_set(reason, code_of_write(errno), "%s: %s", beside, strerror(errno));
    }
    int bad = write_all(fd, data);
    if (close(fd) != 0 || bad != 0 || rename(beside, path) != 0 || sync_folder_of(path) != 0) {
        return csn_reason_set(reason, code_of_write(errno), "%s: %s", path, strerror(errno));
    }
    return CSN_OK;
}

int csn_fs_mkdir(const char *path, struct csn_reason *reason)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return csn_reason_set(reason, CSN_EIO, "%s: %s", path, strerror(errno));
    }
    return CSN_OK;
}
