/* Goal: no octets make the reader of a chain of epochs do anything but refuse it with a reason, or give one that encodes to
 * the same octets. */
#include "config/chain.h"
#include "fuzz/replay.h"

const char csn_fuzz_name[] = "chain";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csn_chain chain = {0};
    struct csn_reason reason = {.text = ""};
    struct csn_buf again = {0};
    int code = csn_chain_decode(csn_bytes(data, size), "in.chain", &chain, &reason);
    INSIST(code == CSN_OK || reason.text[0] != '\0');
    if (code == CSN_OK) {
        struct csn_chain back = {0};
        INSIST(chain.count > 0 && csn_chain_find(&chain, csn_chain_last(&chain)->cluster.epoch) != NULL);
        csn_chain_encode(&chain, &again);
        INSIST(csn_chain_decode(csn_buf_view(&again), "again", &back, &reason) == CSN_OK && back.count == chain.count);
        csn_chain_fini(&back);
    }
    csn_chain_fini(&chain);
    csn_buf_fini(&again);
    return 0;
}
