/* text.h: hex, times and numbers as text. */
#ifndef CSN_BASE_TEXT_H
#define CSN_BASE_TEXT_H

#include <stdint.h>

#include "base/bytes.h"

/* Lower-case hex with a NUL: `ret_text` holds 2 * data.size + 1. */
void csn_hex_encode(struct csn_bytes data, char *ret_text);
/* Exactly `size` octets from 2 * size hex digits, else CSN_EFORMAT. */
int csn_hex_decode(const char *text, uint8_t *ret_data, size_t size);

#define CSN_TIME_TEXT_SIZE 48
/* Unix seconds as 2026-11-21T19:40:07Z (RFC 3339). */
void csn_time_text(uint64_t unix_s, char ret_text[CSN_TIME_TEXT_SIZE]);
/* The reverse; CSN_EFORMAT. */
int csn_time_parse(const char *text, uint64_t *ret_unix_s);

#define CSN_SPAN_TEXT_SIZE 48
/* Seconds as an operator reads them: 42s, 2m 10s, 3h 05m, 10d 8h. */
void csn_span_text(uint64_t span_s, char ret_text[CSN_SPAN_TEXT_SIZE]);
/* 90s, 15m, 2h, 21d, 4w, or a bare number of seconds; CSN_EFORMAT. */
int csn_span_parse(const char *text, uint64_t *ret_span_s);

/* One more than the newlines: the number of the last line. */
size_t csn_line_count(struct csn_bytes text);

/* Decimal, all of the text, at most `max`; CSN_EFORMAT. */
int csn_number_parse(const char *text, uint64_t max, uint64_t *ret_number);

#endif
