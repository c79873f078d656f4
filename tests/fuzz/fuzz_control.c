/* Goal: no octets on the control socket make either end do anything but refuse them, or give values that encode again. Method:
 * the first octet chooses the decoder: requests at the daemon, replies at consignctl. */
#include "fuzz/replay.h"
#include "ops/control_wire.h"

const char csn_fuzz_name[] = "control";

static void try_request(struct csn_bytes octets)
{
    static struct csn_control_request request; /* as its reader has it: too large for a stack with a sanitizer */
    struct csn_buf again = {0};
    request = (struct csn_control_request){0};
    int code = csn_control_request_decode(octets, &request);
    INSIST(code == CSN_OK || code == CSN_EFORMAT || code == CSN_ELIMIT);
    if (code == CSN_OK) {
        INSIST(csn_control_request_encode(&request, &again) == CSN_OK);
        INSIST(csn_control_request_decode(csn_buf_view(&again), &request) == CSN_OK);
    }
    csn_buf_fini(&again);
}

static void try_status(struct csn_bytes octets)
{
    struct csn_status status = {0};
    struct csn_reason reason;
    struct csn_buf again = {0};
    if (csn_control_status_decode(octets, &status, &reason) == CSN_OK) {
        (void)csn_control_status_encode(&status, &again);
        csn_status_fini(&status);
    }
    csn_buf_fini(&again);
}

static void try_cert(struct csn_bytes octets)
{
    struct csn_cert_view view;
    struct csn_reason reason;
    struct csn_buf again = {0};
    if (csn_control_cert_decode(octets, &view, &reason) == CSN_OK) {
        (void)csn_control_cert_encode(&view, &again);
        csn_cert_view_fini(&view);
    }
    csn_buf_fini(&again);
}

static void try_rest(struct csn_bytes octets)
{
    struct csn_buf text = {0};
    struct csn_reason reason;
    uint64_t all_size;
    (void)csn_control_order_decode(octets, &reason);
    (void)csn_control_text_decode(octets, &text, &all_size, &reason);
    csn_buf_fini(&text);
}

static void try_explanation(struct csn_bytes octets)
{
    struct csn_explanation explanation, back;
    struct csn_reason reason;
    struct csn_buf buf = {0}, again = {0};
    if (csn_control_explain_decode(octets, &explanation, &reason) == CSN_OK) {
        if (csn_control_explain_encode(&explanation, &buf) == CSN_OK) {
            INSIST(csn_control_explain_decode(csn_buf_view(&buf), &back, &reason) == CSN_OK);
            INSIST(csn_control_explain_encode(&back, &again) == CSN_OK);
            INSIST(csn_bytes_equal(csn_buf_view(&buf), csn_buf_view(&again)));
            csn_explanation_fini(&back);
        }
        csn_explanation_fini(&explanation);
    }
    csn_buf_fini(&buf);
    csn_buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const decoders[])(struct csn_bytes) = {try_request, try_status, try_cert, try_rest, try_explanation};
    if (size > 0) {
        decoders[data[0] % 5](csn_bytes(data + 1, size - 1));
    }
    return 0;
}
