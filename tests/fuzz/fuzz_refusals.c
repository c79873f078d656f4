/* Goal: no octets in the file of kept refusals make its reader do anything but refuse it, or give what, once written,
 * comes back as it was. Method: the octets as they are, and behind the digest that they should have. */
#include "base/sha.h"
#include "fuzz/replay.h"
#include "refusals.h"

const char csn_fuzz_name[] = "refusals";

/* What it keeps of a file, once written, comes back as it was. */
static void try_kept(const struct csn_refusals *refusals)
{
    struct csn_refusals *back = csn_refusals_new();
    struct csn_buf octets = {0}, again = {0};
    csn_refusals_encode(refusals, &octets);
    INSIST(csn_refusals_decode(csn_buf_view(&octets), back) == CSN_OK);
    csn_refusals_encode(back, &again);
    INSIST(csn_refusals_count(back) == csn_refusals_count(refusals));
    INSIST(csn_bytes_equal(csn_buf_view(&octets), csn_buf_view(&again)));
    csn_buf_fini(&octets);
    csn_buf_fini(&again);
    csn_refusals_free(back);
}

static void try_file(struct csn_bytes octets)
{
    struct csn_refusals *refusals = csn_refusals_new();
    int code = csn_refusals_decode(octets, refusals);
    INSIST(code == CSN_OK || (code == CSN_EFORMAT && csn_refusals_count(refusals) == 0));
    try_kept(refusals);
    csn_refusals_free(refusals);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csn_buf closed = {0};
    struct csn_digest digest;
    try_file(csn_bytes(data, size));
    csn_buf_put(&closed, data, size);
    csn_sha384(csn_buf_view(&closed), &digest);
    csn_buf_put(&closed, digest.octets, sizeof(digest.octets));
    try_file(csn_buf_view(&closed));
    csn_buf_fini(&closed);
    return 0;
}
