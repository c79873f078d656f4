/* Goal: no octets make the decoder of operators' orders do anything but refuse them, or give an
 * order whose fields are in range and that encodes to the same octets. */
#include <string.h>

#include "fuzz/replay.h"
#include "round/order.h"

const char csn_fuzz_name[] = "order";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csn_order order;
    struct csn_buf again = {0};
    int code = csn_order_decode(csn_bytes(data, size), &order);
    INSIST(code == CSN_OK || code == CSN_EFORMAT);
    if (code == CSN_OK) {
        enum csn_order_register place = csn_order_register(order.kind);
        size_t reason_size = strlen(order.reason);
        INSIST(csn_order_text(order.kind) != NULL);
        INSIST(order.environment <= 1 && order.number > 0);
        INSIST(reason_size > 0 && reason_size <= CSN_ORDER_REASON_MAX);
        INSIST(order.site == 0 || place == CSN_REGISTER_MAINTENANCE || place == CSN_REGISTER_AUTHORITY);
        INSIST(csn_digest_is_zero(&order.received) == (place != CSN_REGISTER_INPUT));
        INSIST(place == CSN_REGISTER_GENERATION ? order.generation >= 2 : order.generation == 0);
        uint32_t step = order.serial.to - order.serial.from;
        INSIST(order.kind != CSN_ORDER_APPROVE_SERIAL || (step > 0 && step <= CSN_APPROVED_STEP_MAX));
        csn_order_encode(&order, &again);
        INSIST(csn_bytes_equal(csn_buf_view(&again), csn_bytes(data, size)));
    }
    csn_buf_fini(&again);
    return 0;
}
