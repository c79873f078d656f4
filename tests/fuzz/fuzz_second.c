/* Goal: no octets in the second copy's file make its reader do anything but call it damaged, or give pairs inside the file.
 * Method: the octets as they are, and behind the digest that they should have, as a file in memory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sha.h"
#include "fuzz/replay.h"
#include "persist.h"

const char csn_fuzz_name[] = "second";

#define PAIRS_MAX 8

static void try_file(struct csn_bytes octets)
{
    char path[64];
    struct csn_record_pair pairs[PAIRS_MAX];
    struct csn_buf buf = {0};
    struct csn_reason reason;
    size_t count;
    int fd = memfd_create("second", MFD_CLOEXEC);
    INSIST(fd >= 0 && write(fd, octets.data, octets.size) == (ssize_t)octets.size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int code = csn_persister_load(path, &buf, pairs, PAIRS_MAX, &count, &reason);
    INSIST(code == CSN_OK || (code == CSN_EDAMAGED && count == 0));
    for (size_t i = 0; code == CSN_OK && i < count; i++) {
        INSIST(pairs[i].value.data + pairs[i].value.size <= buf.data + buf.size);
    }
    csn_buf_fini(&buf);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csn_buf closed = {0};
    struct csn_digest digest;
    try_file(csn_bytes(data, size));
    csn_sha384(csn_bytes(data, size), &digest);
    csn_buf_put(&closed, digest.octets, sizeof(digest.octets));
    csn_buf_put(&closed, data, size);
    try_file(csn_buf_view(&closed));
    csn_buf_fini(&closed);
    return 0;
}
