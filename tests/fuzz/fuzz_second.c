/* Goal: no octets in the second copy's file make its reader do anything but call it damaged, or give pairs. Method: the octets
 * as they are, behind the head of a file, and closed as its first batch and as its second: a file in memory. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sha.h"
#include "fuzz/replay.h"
#include "second_copy.h"

const char csn_fuzz_name[] = "second";

static void try_file(struct csn_bytes octets)
{
    char path[64];
    struct csn_reason reason;
    int fd = memfd_create("second", MFD_CLOEXEC);
    INSIST(fd >= 0 && write(fd, octets.data, octets.size) == (ssize_t)octets.size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct csn_second_copy *copy = csn_second_copy_new(path);
    int code = csn_second_copy_load(copy, &reason);
    INSIST(code == CSN_OK || code == CSN_EDAMAGED);
    size_t sum = 0;
    for (size_t i = 0; i < csn_second_copy_count(copy); i++) {
        struct csn_record_pair pair = csn_second_copy_get(copy, i);
        sum += pair.key.size + pair.value.size;
    }
    INSIST(sum <= octets.size);
    csn_second_copy_free(copy);
    close(fd);
}

static void put_batch(struct csn_buf *file, struct csn_digest *chain, struct csn_bytes rest)
{
    struct csn_buf all = {0};
    csn_buf_put(&all, chain->octets, sizeof(chain->octets));
    csn_buf_put_u32(&all, (uint32_t)rest.size);
    csn_buf_put_bytes(&all, rest);
    csn_sha384(csn_buf_view(&all), chain);
    csn_buf_put_u32(file, (uint32_t)rest.size);
    csn_buf_put(file, chain->octets, sizeof(chain->octets));
    csn_buf_put_bytes(file, rest);
    csn_buf_fini(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csn_buf file = {0};
    struct csn_digest chain = {{0}};
    try_file(csn_bytes(data, size));
    csn_buf_put(&file, "CSN2", 4);
    csn_buf_put(&file, data, size);
    try_file(csn_buf_view(&file));
    csn_buf_clear(&file);
    csn_buf_put(&file, "CSN2", 4);
    put_batch(&file, &chain, csn_bytes(data, size));
    try_file(csn_buf_view(&file));
    put_batch(&file, &chain, csn_bytes(data, size));
    try_file(csn_buf_view(&file));
    csn_buf_fini(&file);
    return 0;
}
