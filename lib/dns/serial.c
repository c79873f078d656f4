#include "dns/serial.h"

#include "base/text.h"

/* YYYYMMDD00 of the day in UTC, mod 2^32. */
static uint32_t date_serial(uint64_t time_s)
{
    char text[CSN_TIME_TEXT_SIZE];
    uint32_t digits = 0;
    csn_time_text(time_s, text);
    for (const char *at = text; *at != 'T'; at++) {
        if (*at != '-') {
            digits = digits * 10 + (uint32_t)(*at - '0');
        }
    }
    return digits * 100;
}

static uint32_t rule_value(enum csn_serial_rule rule, uint64_t time_s, uint32_t last)
{
    switch (rule) {
    case CSN_SERIAL_UNIXTIME:
        return (uint32_t)time_s;
    case CSN_SERIAL_DATE:
        return date_serial(time_s);
    case CSN_SERIAL_COUNTER:
        break;
    }
    return last + 1;
}

uint32_t csn_serial_next(enum csn_serial_rule rule, uint64_t time_s, uint32_t last)
{
    uint32_t value = rule_value(rule, time_s, last);
    return csn_serial_is_after(value, last + 1) ? value : last + 1;
}

bool csn_serial_is_far_off(enum csn_serial_rule rule, uint64_t time_s, uint32_t last,
                           uint32_t *ret_value)
{
    *ret_value = csn_serial_next(rule, time_s, last);
    return *ret_value - last >= CSN_SERIAL_NEAR;
}

uint64_t csn_time_near(uint32_t wire, uint64_t around_s)
{
    uint32_t ahead_s = wire - (uint32_t)around_s;
    uint32_t behind_s = (uint32_t)around_s - wire;
    if (ahead_s < UINT32_C(0x80000000)) {
        return around_s + ahead_s;
    }
    /* There is no time before 1970: what would lie there lies ahead. */
    return behind_s <= around_s ? around_s - behind_s : around_s + ahead_s;
}
