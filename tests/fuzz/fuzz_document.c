/* Goal: no octets make the decoders of signed documents and links do anything but refuse them, or
 * give values in range that encode to the same octets. */
#include "fuzz/replay.h"
#include "round/signed_document.h"

const char csn_fuzz_name[] = "document";

static void try_document(struct csn_bytes octets)
{
    struct csn_signed_document document;
    struct csn_buf again = {0};
    int code = csn_signed_document_decode(octets, &document);
    INSIST(code == CSN_OK || code == CSN_EFORMAT);
    if (code == CSN_OK) {
        INSIST(document.count >= 1 && document.count <= CSN_MEMBERS_MAX);
        INSIST(document.document.size >= 1 && document.document.size <= CSN_CLUSTER_DOCUMENT_MAX);
        for (unsigned i = 0; i < document.count; i++) {
            INSIST(document.signatures[i].officer > (i > 0 ? document.signatures[i - 1].officer : 0));
        }
        csn_signed_document_encode(&document, &again);
        INSIST(csn_bytes_equal(csn_buf_view(&again), octets));
    }
    csn_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csn_bytes octets = csn_bytes(data, size);
    struct csn_link link;
    struct csn_buf again = {0};
    try_document(octets);
    int code = csn_link_decode(octets, &link);
    INSIST(code == CSN_OK || code == CSN_EFORMAT);
    if (code == CSN_OK) {
        try_document(link.document);
        csn_link_encode(&link, &again);
        INSIST(csn_bytes_equal(csn_buf_view(&again), octets));
    }
    csn_buf_fini(&again);
    return 0;
}
