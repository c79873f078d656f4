/* Goal: what others' fuzzers and test suites found does no harm to the transfer server either.
 * Method: the packets of the folder of real data, each from a friend and a stranger, by UDP and
 * TCP, to the target of fuzz_xfr_query.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/replay.h"
#include "support/zones.h"

#define BLOCK 512 /* of tar */

static size_t packets;

static void feed(const uint8_t *data, size_t size)
{
    for (uint8_t how = 0; how < 4; how++) {
        uint8_t *copy = csn_alloc(size + 1);
        copy[0] = how;
        memcpy(copy + 1, data, size);
        LLVMFuzzerTestOneInput(copy, size + 1);
        free(copy);
    }
    packets++;
}

/* Each member of a tar archive. */
static void feed_archive(const struct csn_buf *archive)
{
    for (size_t at = 0; at + BLOCK <= archive->size;) {
        char octal[13] = "";
        memcpy(octal, archive->data + at + 124, 12);
        size_t size = strtoul(octal, NULL, 8);
        at += BLOCK;
        if (size > archive->size - at) {
            return;
        }
        if (size > 0) {
            feed(archive->data + at, size);
        }
        at += (size + BLOCK - 1) / BLOCK * BLOCK;
    }
}

/* Messages behind their lengths, as by TCP. */
static void feed_stream(const struct csn_buf *stream)
{
    struct csn_reader reader = csn_reader(csn_buf_view(stream));
    while (csn_reader_left(&reader) > 2) {
        size_t size = csn_read_u16(&reader);
        struct csn_bytes message = csn_read_bytes(&reader, size);
        if (message.size > 0) {
            feed(message.data, message.size);
        }
    }
}

static void feed_file(const char *name, void (*feed_all)(const struct csn_buf *octets))
{
    char path[1024], command[1200];
    struct csn_buf octets = {0};
    if (!csn_test_data("fuzz_xfr_packets", name, path, sizeof path)) {
        return;
    }
    snprintf(command, sizeof command, "zstd -dc '%s'", path);
    csn_test_command(command, &octets);
    feed_all(&octets);
    csn_buf_fini(&octets);
}

int main(void)
{
    feed_file("fuzz-dns-packets.tar.zst", feed_archive);
    feed_file("dns-messages.zst", feed_stream);
    printf("%zu packets\n", packets);
    return 0;
}
