/* Goal: no octets on the mesh make its decoders do anything but refuse them, or give messages within their limits that come
 * back when they are encoded and decoded again. Method: the first octet chooses the message. */

#include "fuzz/replay.h"
#include "mesh/envelope.h"

const char csn_fuzz_name[] = "envelope";

static void encode_again(const struct csn_envelope *envelope)
{
    struct csn_envelope back;
    struct csn_buf octets = {0}, again = {0};
    csn_envelope_encode(envelope, &octets);
    INSIST(csn_envelope_decode(csn_buf_view(&octets), &back) == CSN_OK);
    csn_envelope_encode(&back, &again);
    INSIST(csn_bytes_equal(csn_buf_view(&octets), csn_buf_view(&again)));
    csn_envelope_fini(&back);
    csn_buf_fini(&octets);
    csn_buf_fini(&again);
}

static void try_envelope(struct csn_bytes octets)
{
    struct csn_envelope envelope;
    int code = csn_envelope_decode(octets, &envelope);
    INSIST(code == CSN_OK || code == CSN_EFORMAT || code == CSN_ELIMIT);
    if (code == CSN_OK) {
        INSIST(envelope.statement_count <= CSN_ENVELOPE_STATEMENTS_MAX);
        INSIST(envelope.certificate_count <= CSN_ENVELOPE_CERTIFICATES_MAX);
        encode_again(&envelope);
        csn_envelope_fini(&envelope);
    }
}

static void try_ask(struct csn_bytes octets)
{
    struct csn_ask ask;
    struct csn_buf again = {0};
    if (csn_ask_decode(octets, &ask) == CSN_OK) {
        csn_ask_encode(&ask, &again);
        csn_ask_fini(&ask);
        INSIST(csn_ask_decode(csn_buf_view(&again), &ask) == CSN_OK);
        csn_ask_fini(&ask);
    }
    csn_buf_fini(&again);
}

static void try_answer(struct csn_bytes octets)
{
    struct csn_answer answer;
    struct csn_buf again = {0};
    if (csn_answer_decode(octets, &answer) == CSN_OK) {
        csn_answer_encode(&answer, &again);
        csn_answer_fini(&answer);
        INSIST(csn_answer_decode(csn_buf_view(&again), &answer) == CSN_OK);
        csn_answer_fini(&answer);
    }
    csn_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const decoders[])(struct csn_bytes) = {try_envelope, try_ask, try_answer};
    if (size > 0) {
        decoders[data[0] % 3](csn_bytes(data + 1, size - 1));
    }
    return 0;
}
