/* recorder.c: for LD_PRELOAD into a program that has a store open: writes down every write, sync and truncation of the files of
 * recorder.h to the file RECORDER_FILE. The store's folder is the value of RECORDER_FOLDER. Reading and mapping is not written
 * down: LMDB, as we open it, changes its data file by these calls alone. One thread. */
#include "support/recorder.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* The file behind a descriptor, or -1. */
static int file_of(int fd)
{
    static const char *const names[] = {
#define RECORDED_FILE_PATH(name, path) path,
        RECORDED_FILES(RECORDED_FILE_PATH)
#undef RECORDED_FILE_PATH
    };
    char link[64], path[PATH_MAX];
    const char *folder = getenv("RECORDER_FOLDER");
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof(path) - 1);
    size_t folder_size = folder != NULL ? strlen(folder) : 0;
    path[size > 0 ? size : 0] = '\0';
    if (folder_size == 0 || strncmp(path, folder, folder_size) != 0 || path[folder_size] != '/') {
        return -1;
    }
    for (int i = 0; i < RECORDED_FILE_COUNT; i++) {
        if (strcmp(path + folder_size + 1, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static void put(const struct recorded *record, const void *octets)
{
    struct iovec parts[2] = {{.iov_base = (void *)(uintptr_t)record, .iov_len = sizeof(*record)},
                             {.iov_base = (void *)(uintptr_t)octets, .iov_len = record->size}};
    const char *path = getenv("RECORDER_FILE");
    int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || syscall(SYS_writev, fd, parts, 2) != (long)(sizeof(*record) + record->size)) {
        abort(); /* a recording with a hole is none */
    }
    close(fd);
}

static void record_write(int fd, const void *octets, ssize_t size, off_t offset)
{
    int file = size > 0 ? file_of(fd) : -1;
    if (file >= 0) {
        struct recorded record = {.kind = RECORDED_WRITE,
                                  .file = (uint8_t)file,
                                  .is_durable = (fcntl(fd, F_GETFL) & O_DSYNC) != 0,
                                  .size = (uint32_t)size,
                                  .offset = (uint64_t)offset};
        put(&record, octets);
    }
}

static void record_call(int fd, enum recorded_kind kind, off_t offset)
{
    int file = file_of(fd);
    if (file >= 0) {
        struct recorded record = {.kind = (uint8_t)kind, .file = (uint8_t)file, .offset = (uint64_t)offset};
        put(&record, NULL);
    }
}

ssize_t write(int fd, const void *octets, size_t size)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t written = syscall(SYS_write, fd, octets, size);
    record_write(fd, octets, written, at);
    return written;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t written = syscall(SYS_writev, fd, parts, count), left = written;
    for (int i = 0; i < count && left > 0; i++) {
        ssize_t size = (ssize_t)parts[i].iov_len < left ? (ssize_t)parts[i].iov_len : left;
        record_write(fd, parts[i].iov_base, size, at);
        at += size;
        left -= size;
    }
    return written;
}

ssize_t pwrite(int fd, const void *octets, size_t size, off_t at)
{
    ssize_t written = syscall(SYS_pwrite64, fd, octets, size, at);
    record_write(fd, octets, written, at);
    return written;
}

ssize_t pwrite64(int fd, const void *octets, size_t size, off64_t at)
{
    return pwrite(fd, octets, size, at);
}

int fdatasync(int fd)
{
    int bad = (int)syscall(SYS_fdatasync, fd);
    if (bad == 0) {
        record_call(fd, RECORDED_SYNC, 0);
    }
    return bad;
}

int fsync(int fd)
{
    int bad = (int)syscall(SYS_fsync, fd);
    if (bad == 0) {
        record_call(fd, RECORDED_SYNC, 0);
    }
    return bad;
}

int ftruncate(int fd, off_t size)
{
    int bad = (int)syscall(SYS_ftruncate, fd, size);
    if (bad == 0) {
        record_call(fd, RECORDED_TRUNCATE, size);
    }
    return bad;
}
