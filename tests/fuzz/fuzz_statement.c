/* Goal: no octets make the decoders of statements and certificates do anything but refuse them, or give values that encode to
 * the same octets. Method: the first octet chooses the decoder. */
#include <stdlib.h>

#include "base/text.h"
#include "fuzz/replay.h"
#include "round/certificate.h"

const char csn_fuzz_name[] = "statement";

/* try_X(octets, again): decodes a body and encodes it again; false: refused. */
#define DEFINE(name)                                                                               \
    static bool try_##name(struct csn_bytes octets, struct csn_buf *again)                         \
    {                                                                                              \
        struct csn_body_##name body;                                                               \
        int code = csn_body_##name##_decode(octets, &body);                                        \
        INSIST(code == CSN_OK || code == CSN_EFORMAT);                                             \
        if (code == CSN_OK) {                                                                      \
            csn_body_##name##_encode(&body, again);                                                \
        }                                                                                          \
        return code == CSN_OK;                                                                     \
    }
DEFINE(proposal)
DEFINE(computed)
DEFINE(offer)
DEFINE(held)
DEFINE(refused)
DEFINE(lead)

/* And every row of it. */
static bool try_report(struct csn_bytes octets, struct csn_buf *again)
{
    struct csn_body_report body;
    struct csn_row row;
    struct csn_buf rows = {0};
    int code = csn_body_report_decode(octets, &body);
    INSIST(code == CSN_OK || code == CSN_EFORMAT);
    if (code != CSN_OK) {
        return false;
    }
    struct csn_reader reader = csn_reader(body.rows);
    unsigned count = 0;
    while (csn_row_next(&reader, &row)) {
        INSIST(row.input_count <= CSN_ROW_INPUTS_MAX && row.hold_count <= CSN_ROW_HOLDS_MAX);
        csn_row_encode(&row, &rows);
        count++;
    }
    INSIST(count == body.row_count && csn_bytes_equal(csn_buf_view(&rows), body.rows));
    csn_body_report_encode(&body, again);
    csn_buf_fini(&rows);
    return true;
}

/* As a file: its octets, or what people send each other. */
static void read_files(struct csn_bytes octets, int expected)
{
    struct csn_certificate certificate;
    struct csn_reason reason = {.text = ""};
    char *hex = csn_alloc(2 * octets.size + 1);
    csn_hex_encode(octets, hex);
    INSIST(csn_certificate_read(csn_bytes(hex, 2 * octets.size), &certificate, &reason) == expected);
    INSIST(expected == CSN_OK || reason.text[0] != '\0');
    int code = csn_certificate_read(octets, &certificate, &reason);
    INSIST(expected == CSN_OK ? code == CSN_OK : code == CSN_OK || code == CSN_EFORMAT); /* it may be hex itself */
    free(hex);
}

static bool try_certificate(struct csn_bytes octets, struct csn_buf *again)
{
    struct csn_certificate certificate;
    struct csn_cluster cluster = {.quorum = 1, .member_count = 1};
    struct csn_reason reason;
    int code = csn_certificate_decode(octets, &certificate);
    INSIST(code == CSN_OK || code == CSN_EFORMAT);
    read_files(octets, code);
    if (code != CSN_OK) {
        return false;
    }
    INSIST(octets.size <= CSN_CERTIFICATE_MAX && certificate.vote_count <= CSN_MEMBERS_MAX);
    INSIST(csn_certificate_check(&certificate, &cluster, csn_ed25519_verify, NULL, &reason) != CSN_OK);
    csn_certificate_encode(&certificate, again);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool (*const decoders[])(struct csn_bytes, struct csn_buf *) = {
        try_certificate, try_proposal, try_computed, try_offer, try_held, try_refused, try_lead, try_report};
    struct csn_buf again = {0};
    if (size > 0) {
        struct csn_bytes octets = csn_bytes(data + 1, size - 1);
        if (decoders[data[0] % (sizeof decoders / sizeof decoders[0])](octets, &again)) {
            INSIST(csn_bytes_equal(csn_buf_view(&again), octets));
        }
    }
    csn_buf_fini(&again);
    return 0;
}
