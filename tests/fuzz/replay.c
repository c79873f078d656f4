/* Replays a fuzz target's corpus as a test: each file of tests/fuzz/corpus/NAME as it is, cut at
 * every length, and with seeded single-octet changes. The same target links with libFuzzer (clang
 * -fsanitize=fuzzer) in place of this file. */
#include "fuzz/replay.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"

#define CHANGES 400
#define PREFIXES_MAX 2000

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* A copy of exactly this size, so that a sanitizer sees a read past its end. */
static void feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = csn_alloc(size > 0 ? size : 1);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void feed_variants(struct csn_buf *file)
{
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15) ^ file->size;
    size_t step = file->size / PREFIXES_MAX + 1;
    for (size_t size = 0; size <= file->size; size += step) {
        feed(file->data, size);
    }
    for (size_t i = 0; i < CHANGES && file->size > 0; i++) {
        uint8_t *at = &file->data[next_random(&seed) % file->size];
        uint8_t old = *at;
        *at = (uint8_t)next_random(&seed);
        feed(file->data, file->size);
        *at = old;
    }
}

int main(void)
{
    char folder[512];
    size_t count = 0;
    snprintf(folder, sizeof(folder), "%s/fuzz/corpus/%s", CONSIGN_TESTS, csn_fuzz_name);
    DIR *dir = opendir(folder);
    for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL;
         entry = readdir(dir)) {
        char path[1024];
        struct csn_buf file = {0};
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && csn_fs_read(path, SIZE_MAX, &file, NULL) == CSN_OK) {
            feed(file.data, file.size);
            feed_variants(&file);
            count++;
        }
        csn_buf_fini(&file);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    printf("%s: %zu files of %s\n", csn_fuzz_name, count, folder);
    return count > 0 ? 0 : 1;
}
