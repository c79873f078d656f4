/* Goal: no octets in the second copy's file make its reader do anything but call it damaged, or give pairs. Method: the octets
 * as they are, behind the marks of a file, closed as its first batch, and behind two: a file in memory; the same as what the
 * store keeps. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/sha.h"
#include "fuzz/replay.h"
#include "second_copy.h"

#define MARK_ROOM 4096

const char csn_fuzz_name[] = "second";

static void try_file(struct csn_bytes octets, struct csn_bytes stored)
{
    char path[64];
    bool is_ahead;
    struct csn_reason reason;
    int fd = memfd_create("second", MFD_CLOEXEC);
    INSIST(fd >= 0 && write(fd, octets.data, octets.size) == (ssize_t)octets.size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct csn_second_copy *copy = csn_second_copy_new(path);
    int code = csn_second_copy_load(copy, stored, &is_ahead, &reason);
    INSIST(code == CSN_OK || code == CSN_EDAMAGED);
    INSIST(!is_ahead || code == CSN_EDAMAGED);
    size_t sum = 0;
    for (size_t i = 0; i < csn_second_copy_count(copy); i++) {
        struct csn_record_pair pair = csn_second_copy_get(copy, i);
        sum += pair.key.size + pair.value.size;
    }
    INSIST(sum <= octets.size);
    csn_second_copy_free(copy);
    close(fd);
}

static void try_both(const struct csn_buf *file, struct csn_bytes octets)
{
    try_file(csn_buf_view(file), csn_bytes(NULL, 0));
    try_file(csn_buf_view(file), octets);
}

/* Both marks name batch 1. */
static void put_marks(struct csn_buf *file)
{
    static const uint8_t zeros[MARK_ROOM];
    struct csn_digest digest;
    for (unsigned i = 0; i < 2; i++) {
        struct csn_buf mark = {0};
        csn_buf_put(&mark, "CSN3", 4);
        csn_buf_put_u64(&mark, 1);
        csn_sha384(csn_buf_view(&mark), &digest);
        csn_buf_put(&mark, digest.octets, 8);
        csn_buf_put_bytes(file, csn_buf_view(&mark));
        csn_buf_put(file, zeros, sizeof(zeros) - mark.size);
        csn_buf_fini(&mark);
    }
}

static void put_batch(struct csn_buf *file, struct csn_digest *chain, uint64_t number, struct csn_bytes rest)
{
    struct csn_buf all = {0};
    csn_buf_put(&all, chain->octets, sizeof(chain->octets));
    csn_buf_put_u64(&all, number);
    csn_buf_put_u32(&all, (uint32_t)rest.size);
    csn_buf_put_bytes(&all, rest);
    csn_sha384(csn_buf_view(&all), chain);
    csn_buf_put_u64(file, number);
    csn_buf_put_u32(file, (uint32_t)rest.size);
    csn_buf_put(file, chain->octets, sizeof(chain->octets));
    csn_buf_put_bytes(file, rest);
    csn_buf_fini(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csn_buf file = {0};
    struct csn_digest chain = {{0}};
    struct csn_bytes octets = csn_bytes(data, size);
    csn_buf_put_bytes(&file, octets);
    try_both(&file, octets);
    csn_buf_clear(&file);
    put_marks(&file);
    csn_buf_put_bytes(&file, octets);
    try_both(&file, octets);
    csn_buf_clear(&file);
    put_marks(&file);
    put_batch(&file, &chain, 1, octets);
    try_both(&file, octets);
    put_batch(&file, &chain, 2, octets);
    csn_buf_put_bytes(&file, octets);
    try_both(&file, octets);
    csn_buf_fini(&file);
    return 0;
}
