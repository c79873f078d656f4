/* Goal: no text makes the reader of a ceremony's transport files do anything but refuse it with a line, or give what encodes to
 * a text of the same meaning (hex digits may be capitals). Method: the same text to both readers; one whose last line is not its
 * digest is also read with the right one. */
#include <string.h>

#include "base/text.h"
#include "fuzz/replay.h"
#include "hsm/transport.h"

const char csn_fuzz_name[] = "transport";

static void try_request(struct csn_bytes text, struct csn_arena *arena, unsigned times)
{
    struct csn_transport_request request;
    struct csn_reason reason = {.text = ""};
    struct csn_buf again = {0};
    int code = csn_transport_request_decode(text, arena, &request, &reason);
    INSIST(code == CSN_OK || (reason.text[0] != '\0' && times > 0));
    if (code == CSN_OK) {
        csn_transport_request_encode(&request, &again);
        INSIST(times > 0 || csn_bytes_equal(csn_buf_view(&again), text));
    }
    if (code == CSN_OK && times > 0) {
        try_request(csn_buf_view(&again), arena, times - 1);
    }
    csn_buf_fini(&again);
}

static void try_keys(struct csn_bytes text, struct csn_arena *arena, unsigned times)
{
    struct csn_transport_keys keys;
    struct csn_reason reason = {.text = ""};
    struct csn_buf again = {0};
    int code = csn_transport_keys_decode(text, arena, &keys, &reason);
    INSIST(code == CSN_OK || (reason.text[0] != '\0' && times > 0));
    if (code == CSN_OK) {
        csn_transport_keys_encode(&keys, &again);
        INSIST(times > 0 || csn_bytes_equal(csn_buf_view(&again), text));
    }
    if (code == CSN_OK && times > 0) {
        try_keys(csn_buf_view(&again), arena, times - 1);
    }
    csn_buf_fini(&again);
}

static void try_both(struct csn_bytes text)
{
    struct csn_arena arena = {0};
    try_request(text, &arena, 1);
    try_keys(text, &arena, 1);
    csn_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char last[] = "sha256: ";
    uint8_t digest[CSN_SHA256_SIZE];
    char hex[2 * CSN_SHA256_SIZE + 1];
    struct csn_buf closed = {0};
    try_both(csn_bytes(data, size));
    csn_buf_put(&closed, data, size);
    csn_sha256(csn_buf_view(&closed), digest);
    csn_hex_encode(csn_bytes(digest, sizeof(digest)), hex);
    csn_buf_put(&closed, last, strlen(last));
    csn_buf_put(&closed, hex, strlen(hex));
    csn_buf_put_u8(&closed, '\n');
    try_both(csn_buf_view(&closed));
    csn_buf_fini(&closed);
    return 0;
}
