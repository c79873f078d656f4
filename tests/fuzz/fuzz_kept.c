/* Goal: no octets of a share, or of what the store says of an input or a version, make their readers do anything but refuse
 * them, or give what encodes to the same octets. Method: the first octet chooses the reader; shares for a content of four
 * signatures, of which two are the author's own and not carried. */
#include "fuzz/replay.h"
#include "kept/inputs.h"
#include "kept/version.h"
#include "sign/work.h"

const char csn_fuzz_name[] = "kept";

#define AUTHOR 1

static void try_share(struct csn_bytes octets)
{
    struct csn_signature signatures[] = {
        {.author = AUTHOR}, {.author = 0}, {.author = AUTHOR, .is_carried = true}, {.author = AUTHOR}};
    struct csn_content_work work = {0};
    struct csn_content content = {.signatures = signatures, .signature_count = 4, .work = &work};
    struct csn_buf again = {0};
    int code = csn_share_decode(&content, AUTHOR, octets);
    INSIST(code == CSN_OK || code == CSN_EFORMAT || code == CSN_EMISMATCH);
    INSIST((signatures[0].octets.size > 0) == (code == CSN_OK) && (signatures[3].octets.size > 0) == (code == CSN_OK));
    INSIST(signatures[1].octets.size == 0 && signatures[2].octets.size == 0);
    if (code == CSN_OK) {
        csn_share_encode(&content, AUTHOR, &again);
        INSIST(csn_bytes_equal(csn_buf_view(&again), octets));
    }
    csn_buf_fini(&again);
    csn_arena_fini(&work.octets);
}

static void try_input_meta(struct csn_bytes octets)
{
    struct csn_input_meta meta;
    int code = csn_input_meta_decode(octets, &meta);
    INSIST(code == CSN_OK || code == CSN_EFORMAT);
}

static void try_version_meta(struct csn_bytes octets)
{
    struct csn_version_meta meta;
    struct csn_buf again = {0};
    if (csn_version_meta_decode(octets, &meta) == CSN_OK) {
        csn_version_meta_encode(&meta, &again);
        INSIST(csn_bytes_equal(csn_buf_view(&again), octets));
    }
    csn_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct csn_bytes) = {try_share, try_input_meta, try_version_meta};
    if (size > 0) {
        readers[data[0] % 3](csn_bytes(data + 1, size - 1));
    }
    return 0;
}
