/* serial.h: serial number arithmetic, RFC 1982, and the serial rule of signing.md 3. Pure. */
#ifndef CSN_DNS_SERIAL_H
#define CSN_DNS_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

/* a after b; false where RFC 1982 leaves it undefined (a difference of 2^31). */
static inline bool csn_serial_is_after(uint32_t a, uint32_t b)
{
    return (uint32_t)(a - b) - 1u < UINT32_C(0x7fffffff);
}

enum csn_serial_rule { CSN_SERIAL_UNIXTIME, CSN_SERIAL_COUNTER, CSN_SERIAL_DATE };

/* The later of the policy's value at T (Unix seconds) and `last` + 1; `last` + 1 where the order is undefined. */
uint32_t csn_serial_next(enum csn_serial_rule rule, uint64_t time_s, uint32_t last);

/* R4: this and more is for operators to approve. */
#define CSN_SERIAL_FAR (UINT32_C(1) << 20)
/* L3: a leader goes less far to the policy's value. More than a year of YYYYMMDDnn, 11 days of seconds. What is left to
 * CSN_SERIAL_FAR is for rounds that fail after it: where a site has voted alone for the last serial that is not far, no other is
 * after its and not far for who has not voted. */
#define CSN_SERIAL_NEAR UINT32_C(1010000)
/* Whether the policy's value at T is after `last` and not near. */
bool csn_serial_is_far_off(enum csn_serial_rule rule, uint64_t time_s, uint32_t last,
                           uint32_t *ret_value);

/* A 32-bit time from the wire, placed by RFC 1982 around `around_s`, in 64 bits (RFC 4034 3.1.5). */
uint64_t csn_time_near(uint32_t wire, uint64_t around_s);

#endif
