#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

void csn_hex_encode(struct csn_bytes data, char *ret_text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < data.size; i++) {
        ret_text[2 * i] = digits[data.data[i] >> 4];
        ret_text[2 * i + 1] = digits[data.data[i] & 15];
    }
    ret_text[2 * data.size] = '\0';
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int csn_hex_decode(const char *text, uint8_t *ret_data, size_t size)
{
    if (strlen(text) != 2 * size) {
        return CSN_EFORMAT;
    }
    for (size_t i = 0; i < 2 * size; i++) {
        if (digit(text[i]) < 0) {
            return CSN_EFORMAT;
        }
    }
    for (size_t i = 0; i < size; i++) {
        ret_data[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    }
    return CSN_OK;
}

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar (Howard Hinnant's algorithm, years from March). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = days / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    *ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

void csn_time_text(uint64_t unix_s, char ret_text[CSN_TIME_TEXT_SIZE])
{
    int year, month, day;
    date_of((int64_t)(unix_s / 86400 % 3652425), &year, &month, &day);
    unsigned of_day = (unsigned)(unix_s % 86400);
    snprintf(ret_text, CSN_TIME_TEXT_SIZE, "%04d-%02d-%02dT%02u:%02u:%02uZ", year, month, day,
             of_day / 3600, of_day / 60 % 60, of_day % 60);
}

int csn_time_parse(const char *text, uint64_t *ret_unix_s)
{
    int year, month, day, hour, minute, second, used = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &year, &month, &day, &hour, &minute, &second, &used) != 6 ||
        used == 0 || text[used] != '\0' || year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 ||
        hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) {
        return CSN_EFORMAT;
    }
    uint64_t unix_s = (uint64_t)days_of(year, month, day) * 86400 +
                      (uint64_t)(hour * 3600 + minute * 60 + second);
    char back[CSN_TIME_TEXT_SIZE];
    csn_time_text(unix_s, back); /* 30 February is another day */
    if (strcmp(back, text) != 0) {
        return CSN_EFORMAT;
    }
    *ret_unix_s = unix_s;
    return CSN_OK;
}

void csn_span_text(uint64_t span_s, char ret_text[CSN_SPAN_TEXT_SIZE])
{
    uint64_t minutes = span_s / 60, hours = minutes / 60, days = hours / 24;
    if (minutes == 0) {
        snprintf(ret_text, CSN_SPAN_TEXT_SIZE, "%" PRIu64 "s", span_s);
    } else if (hours == 0) {
        snprintf(ret_text, CSN_SPAN_TEXT_SIZE, "%" PRIu64 "m %02" PRIu64 "s", minutes, span_s % 60);
    } else if (days == 0) {
        snprintf(ret_text, CSN_SPAN_TEXT_SIZE, "%" PRIu64 "h %02" PRIu64 "m", hours, minutes % 60);
    } else {
        snprintf(ret_text, CSN_SPAN_TEXT_SIZE, "%" PRIu64 "d %" PRIu64 "h", days, hours % 24);
    }
}

size_t csn_line_count(struct csn_bytes text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.size; i++) {
        count += text.data[i] == '\n';
    }
    return count;
}

int csn_number_parse(const char *text, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (*text == '\0') {
        return CSN_EFORMAT;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || number > (UINT64_MAX - 9) / 10) {
            return CSN_EFORMAT;
        }
        number = number * 10 + (uint64_t)(*text - '0');
    }
    if (number > max) {
        return CSN_EFORMAT;
    }
    *ret_number = number;
    return CSN_OK;
}

int csn_span_parse(const char *text, uint64_t *ret_span_s)
{
    static const struct {
        char unit;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    char number[24];
    size_t size = strlen(text);
    uint64_t factor = 1;
    for (size_t i = 0; size > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
        if (text[size - 1] == units[i].unit) {
            factor = units[i].seconds;
            size--;
            break;
        }
    }
    if (size == 0 || size >= sizeof(number)) {
        return CSN_EFORMAT;
    }
    memcpy(number, text, size);
    number[size] = '\0';
    uint64_t value;
    if (csn_number_parse(number, UINT64_C(100) * 366 * 86400 / factor, &value) != CSN_OK) {
        return CSN_EFORMAT;
    }
    *ret_span_s = value * factor;
    return CSN_OK;
}
