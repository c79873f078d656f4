#include "dns/zonefile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libzscanner/scanner.h>

#include "dns/name.h"
#include "dns/rrset.h"
#include "zone/prepare.h"

/* What a record without a TTL gets while no $TTL was seen. */
#define TTL_NONE UINT32_MAX
#define TOKEN_MAX 32

struct reading {
    struct csn_bytes text;      /* borrows */
    const char *file;           /* borrows */
    csn_record_fn *fn;          /* borrows */
    void *arg;                  /* borrows */
    struct csn_reason *reason;  /* borrows */
    zs_scanner_t *scanner;      /* owns */
};

static int refuse(const struct reading *reading, int code, uint64_t line, const char *word, const char *text)
{
    return csn_reason_set(reading->reason, code, "%s:%" PRIu64 ": %s: %s", reading->file, line, word, text);
}

/* The token the scanner stopped at: it keeps the rest of the line, which may begin inside the token. */
static void failed_token(const struct reading *reading, char ret_token[TOKEN_MAX])
{
    const zs_scanner_t *scanner = reading->scanner;
    const char *text = (const char *)reading->text.data;
    const char *end = scanner->input.start == text ? scanner->input.current : text; /* else the scanner's own last line */
    size_t read_size = (size_t)(end - text);
    size_t rest_max = read_size < sizeof(scanner->buffer) ? read_size : sizeof(scanner->buffer);
    const char *at = end - strnlen((const char *)scanner->buffer, rest_max);
    while (at > text && strchr(" \t\r\n()", at[-1]) == NULL) {
        at--;
    }
    size_t size = 0;
    while (size + 1 < TOKEN_MAX && at + size < end && strchr(" \t\r\n()", at[size]) == NULL) {
        ret_token[size] = at[size];
        size++;
    }
    ret_token[size] = '\0';
}

/* The scanner knows class IN only and takes the name of another for a type. */
static bool is_class(const char *token)
{
    return strcasecmp(token, "CH") == 0 || strcasecmp(token, "HS") == 0 || strcasecmp(token, "CS") == 0 ||
           strncasecmp(token, "CLASS", 5) == 0;
}

static int refuse_type(const struct reading *reading)
{
    char token[TOKEN_MAX], text[TOKEN_MAX + 64];
    failed_token(reading, token);
    bool other_class = is_class(token);
    snprintf(text, sizeof(text), other_class ? "%s where only IN is signed" : "unknown type '%s' (TYPEnnn \\# works)",
             token);
    return refuse(reading, CSN_EFORMAT, reading->scanner->line_counter, other_class ? "class" : "syntax", text);
}

static int refuse_error(const struct reading *reading)
{
    int code = reading->scanner->error.code;
    const char *word = "syntax";
    if (code == ZS_UNSUPPORTED_TYPE) {
        return refuse_type(reading);
    }
    if (code == ZS_LABEL_OVERFLOW) {
        word = "label-length";
    }
    if (code == ZS_DNAME_OVERFLOW) {
        word = "name-length";
    }
    return refuse(reading, CSN_EFORMAT, reading->scanner->line_counter, word, zs_strerror(code));
}

static int hand_over(const struct reading *reading)
{
    const zs_scanner_t *scanner = reading->scanner;
    const struct csn_record record = {
        .owner = csn_bytes(scanner->r_owner, scanner->r_owner_length),
        .rdata = csn_bytes(scanner->r_data, scanner->r_data_length),
        .ttl = scanner->r_ttl,
        .class = scanner->r_class,
        .type = scanner->r_type,
        .line = scanner->line_counter < UINT32_MAX ? (uint32_t)scanner->line_counter : UINT32_MAX,
    };
    if (record.ttl == TTL_NONE && scanner->default_ttl == TTL_NONE) {
        return refuse(reading, CSN_EFORMAT, scanner->line_counter, "syntax", "no TTL and no $TTL before");
    }
    struct csn_reason inner = {{0}};
    int code = reading->fn(reading->arg, &record, &inner);
    if (code != CSN_OK) {
        csn_reason_set(reading->reason, code, "%s:%" PRIu64 ": %s", reading->file, scanner->line_counter, inner.text);
    }
    return code;
}

/* One step of the scanner. *ret_done at the end of the text. */
static int step(const struct reading *reading, bool *ret_done)
{
    zs_scanner_t *scanner = reading->scanner;
    if (zs_parse_record(scanner) != 0) {
        return refuse_error(reading);
    }
    switch (scanner->state) {
    case ZS_STATE_DATA:
        return hand_over(reading);
    case ZS_STATE_EOF:
        *ret_done = true;
        return CSN_OK;
    case ZS_STATE_INCLUDE:
        return refuse(reading, CSN_EFORMAT, scanner->line_counter, "syntax",
                      "$INCLUDE is refused: the zone must be one file");
    default:
        return refuse_error(reading);
    }
}

static int scan(const struct reading *reading, const uint8_t *origin)
{
    char text[CSN_NAME_TEXT_MAX];
    csn_name_text(origin, text);
    int code = CSN_OK;
    if (zs_init(reading->scanner, text, CSN_CLASS_IN, TTL_NONE) != 0 ||
        zs_set_input_string(reading->scanner, (const char *)reading->text.data, reading->text.size) != 0) {
        code = refuse_error(reading);
    }
    for (bool done = false; code == CSN_OK && !done;) {
        code = step(reading, &done);
    }
    zs_deinit(reading->scanner);
    return code;
}

static uint64_t count_lines(struct csn_bytes text)
{
    uint64_t lines = 1;
    for (size_t i = 0; i < text.size; i++) {
        lines += text.data[i] == '\n';
    }
    return lines;
}

int csn_zonefile_read(struct csn_bytes text, const char *file, const uint8_t *origin, csn_record_fn *fn, void *arg,
                      struct csn_reason *reason)
{
    struct reading reading = {.text = text, .file = file, .fn = fn, .arg = arg, .reason = reason};
    if (text.size == 0) {
        return refuse(&reading, CSN_EFORMAT, 1, "syntax", "the file is empty");
    }
    if (text.data[text.size - 1] != '\n') {
        return refuse(&reading, CSN_EFORMAT, count_lines(text), "syntax",
                      "the last line does not end: the file was cut or is still being written");
    }
    reading.scanner = csn_alloc(sizeof(*reading.scanner)); /* too large for a stack */
    int code = scan(&reading, origin);
    free(reading.scanner);
    return code;
}
