/* Goal: no octets make the decoders of seals, entries, epoch certificates and floors do anything but refuse them, or
 * give values in range that encode to the same octets. */
#include "fuzz/replay.h"
#include "round/epoch.h"

const char csn_fuzz_name[] = "epoch";

static void try_bodies(struct csn_bytes octets)
{
    struct csn_body_seal seal;
    struct csn_body_entry entry;
    struct csn_buf again = {0};
    if (csn_body_seal_decode(octets, &seal) == CSN_OK) {
        INSIST(seal.next.number == seal.epoch.number + 1);
        csn_body_seal_encode(&seal, &again);
        INSIST(csn_bytes_equal(csn_buf_view(&again), octets));
        again.size = 0;
    }
    if (csn_body_entry_decode(octets, &entry) == CSN_OK) {
        INSIST(entry.seal_count >= 1 && entry.seal_count <= CSN_MEMBERS_MAX);
        csn_body_entry_encode(&entry, &again);
        INSIST(csn_bytes_equal(csn_buf_view(&again), octets));
    }
    csn_buf_fini(&again);
}

static void try_certificate(struct csn_bytes octets)
{
    struct csn_epoch_certificate certificate;
    struct csn_buf again = {0};
    if (csn_epoch_certificate_decode(octets, &certificate) == CSN_OK) {
        struct csn_cluster cluster = {.quorum = 1};
        INSIST(certificate.seal_count >= 1 && certificate.entry_count >= 1);
        INSIST(csn_epoch_certificate_check(&certificate, &cluster, &cluster, csn_ed25519_verify,
                                           NULL, NULL) != CSN_OK);
        csn_epoch_certificate_encode(&certificate, &again);
        INSIST(csn_bytes_equal(csn_buf_view(&again), octets));
    }
    csn_buf_fini(&again);
}

static void try_floors(struct csn_bytes octets)
{
    struct csn_reader reader = csn_reader(octets);
    uint8_t zone[CSN_NAME_MAX];
    struct csn_floor floor;
    struct csn_buf again = {0};
    while (csn_floors_next(&reader, zone, &floor)) {
        csn_floors_put(&again, zone, &floor);
    }
    INSIST(reader.failed || csn_bytes_equal(csn_buf_view(&again), octets));
    csn_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csn_bytes octets = csn_bytes(data, size);
    try_bodies(octets);
    try_certificate(octets);
    try_floors(octets);
    return 0;
}
