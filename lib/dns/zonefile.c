#include "dns/zonefile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <libknot/descriptor.h>
#include <libzscanner/scanner.h>

#include "base/text.h"
#include "dns/name.h"
#include "dns/rrset.h"
#include "zone/prepare.h"

/* What a record without a TTL gets while no $TTL was seen. */
#define TTL_NONE UINT32_MAX
#define TOKEN_MAX 32

struct reading {
    struct csn_bytes text;     /* borrows */
    const char *file;          /* borrows */
    csn_record_fn *fn;         /* borrows */
    void *arg;                 /* borrows */
    struct csn_reason *reason; /* borrows */
    zs_scanner_t *scanner;     /* owns */
};

static int refuse(const struct reading *reading, int code, uint64_t line, const char *word,
                  const char *text)
{
    return csn_reason_set(reading->reason, code, "%s:%" PRIu64 ": %s: %s", reading->file, line,
                          word, text);
}

/* A refusal by the scanner. */
static int refuse_scan(const struct reading *reading, int error)
{
    const char *word = error == ZS_LABEL_OVERFLOW   ? "label-length"
                       : error == ZS_DNAME_OVERFLOW ? "name-length"
                                                    : "syntax";
    const char *text = error == ZS_LABEL_OVERFLOW   ? "a label is longer than 63 octets"
                       : error == ZS_DNAME_OVERFLOW ? "a name is longer than 255 octets"
                                                    : zs_strerror(error);
    return refuse(reading, CSN_EFORMAT, reading->scanner->line_counter, word, text);
}

/* The scanner's record with this type and RDATA. */
static int hand_over(const struct reading *reading, uint16_t type, struct csn_bytes rdata)
{
    const zs_scanner_t *scanner = reading->scanner;
    const struct csn_record record = {
        .owner = csn_bytes(scanner->r_owner, scanner->r_owner_length),
        .rdata = rdata,
        .ttl = scanner->r_ttl,
        .class = scanner->r_class,
        .type = type,
        .line = scanner->line_counter < UINT32_MAX ? (uint32_t)scanner->line_counter : UINT32_MAX,
    };
    if (record.ttl == TTL_NONE && scanner->default_ttl == TTL_NONE) {
        return refuse(reading, CSN_EFORMAT, scanner->line_counter, "syntax",
                      "no TTL and no $TTL before");
    }
    struct csn_reason inner = {{0}};
    int code = reading->fn(reading->arg, &record, &inner);
    if (code != CSN_OK) {
        csn_reason_set(reading->reason, code, "%s:%" PRIu64 ": %s", reading->file,
                       scanner->line_counter, inner.text);
    }
    return code;
}

/* Obsolete types whose mnemonics the scanner does not know, read as RDATA of others put together:
 * as many tokens as the first takes, then the rest. The other obsolete ones (SIG, NXT, A6) are read
 * in the form of RFC 3597 only. */
static const struct old_type {
    const char *name;
    uint16_t type;
    const char *first, *rest;
    unsigned first_tokens;
} old_types[] = {{"MD", KNOT_RRTYPE_MD, NULL, "NS", 0}, {"MF", KNOT_RRTYPE_MF, NULL, "NS", 0},
                 {"MB", KNOT_RRTYPE_MB, NULL, "NS", 0}, {"MG", KNOT_RRTYPE_MG, NULL, "NS", 0},
                 {"MR", KNOT_RRTYPE_MR, NULL, "NS", 0}, {"PX", KNOT_RRTYPE_PX, "MX", "NS", 2}};

static const struct old_type *find_old_type(struct csn_bytes token)
{
    for (size_t i = 0; i < sizeof(old_types) / sizeof(old_types[0]); i++) {
        const char *name = old_types[i].name;
        if (strlen(name) == token.size &&
            strncasecmp((const char *)token.data, name, token.size) == 0) {
            return &old_types[i];
        }
    }
    return NULL;
}

/* Reads `text` as RDATA of `type` and appends it to `rdata`. */
static int scan_part(const struct reading *reading, const char *type, struct csn_bytes text,
                     struct csn_buf *rdata)
{
    char origin[CSN_NAME_TEXT_MAX];
    struct csn_buf line = {0};
    zs_scanner_t *scanner = csn_alloc(sizeof(*scanner));
    int code = CSN_OK;
    csn_name_text(reading->scanner->zone_origin, origin);
    csn_buf_put(&line, ". 0 IN ", 7);
    csn_buf_put(&line, type, strlen(type));
    csn_buf_put_u8(&line, ' ');
    csn_buf_put_bytes(&line, text);
    csn_buf_put_u8(&line, '\n');
    if (zs_init(scanner, origin, CSN_CLASS_IN, 0) != 0 ||
        zs_set_input_string(scanner, (const char *)line.data, line.size) != 0 ||
        zs_parse_record(scanner) != 0 || scanner->state != ZS_STATE_DATA) {
        code = refuse_scan(reading, scanner->error.code);
    } else {
        csn_buf_put(rdata, scanner->r_data, scanner->r_data_length);
        zs_parse_record(scanner); /* an open parenthesis shows at the end only */
        code = scanner->state == ZS_STATE_EOF ? CSN_OK : refuse_scan(reading, scanner->error.code);
    }
    zs_deinit(scanner);
    free(scanner);
    csn_buf_fini(&line);
    return code;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '(' || c == ')';
}

static size_t token_end(struct csn_bytes text, size_t at)
{
    while (at < text.size && is_blank(text.data[at])) {
        at++;
    }
    while (at < text.size && !is_blank(text.data[at])) {
        at++;
    }
    return at;
}

static int read_old_type(const struct reading *reading, const struct old_type *old,
                         struct csn_bytes text)
{
    struct csn_buf rdata = {0};
    size_t at = 0;
    int code = CSN_OK;
    for (unsigned i = 0; i < old->first_tokens; i++) {
        at = token_end(text, at);
    }
    if (old->first != NULL) {
        code = scan_part(reading, old->first, csn_bytes(text.data, at), &rdata);
    }
    if (code == CSN_OK) {
        code = scan_part(reading, old->rest, csn_bytes(text.data + at, text.size - at), &rdata);
    }
    if (code == CSN_OK) {
        code = hand_over(reading, old->type, csn_buf_view(&rdata));
    }
    csn_buf_fini(&rdata);
    return code;
}

/* The token the scanner stopped in, and what follows it on the line. The scanner keeps the rest of
 * the line from where it stopped. */
static struct csn_bytes failed_token(const struct reading *reading, struct csn_bytes *ret_rest)
{
    const zs_scanner_t *scanner = reading->scanner;
    const uint8_t *text = reading->text.data;
    const uint8_t *end = (const uint8_t *)scanner->input.current;
    if (scanner->input.start != (const char *)text) { /* the scanner's own last line */
        *ret_rest = csn_bytes(text, 0);
        return *ret_rest;
    }
    size_t left = (size_t)(end - text);
    const uint8_t *from =
        end - strnlen((const char *)scanner->buffer,
                      left < sizeof(scanner->buffer) ? left : sizeof(scanner->buffer));
    while (from > text && !is_blank(from[-1])) {
        from--;
    }
    size_t size = token_end(csn_bytes(from, (size_t)(end - from)), 0);
    *ret_rest = csn_bytes(from + size, (size_t)(end - from) - size);
    return csn_bytes(from, size);
}

/* The scanner knows class IN only and takes the name of another for a type. */
static bool is_class(const char *token)
{
    return strcasecmp(token, "CH") == 0 || strcasecmp(token, "HS") == 0 ||
           strcasecmp(token, "CS") == 0 || strncasecmp(token, "CLASS", 5) == 0;
}

static int take_unknown_type(const struct reading *reading)
{
    struct csn_bytes rest, token = failed_token(reading, &rest);
    const struct old_type *old = find_old_type(token);
    if (old != NULL) {
        return read_old_type(reading, old, rest);
    }
    char name[TOKEN_MAX], text[TOKEN_MAX + 64];
    snprintf(name, sizeof(name), "%.*s", token.size < TOKEN_MAX ? (int)token.size : TOKEN_MAX - 1,
             (const char *)token.data);
    bool other_class = is_class(name);
    snprintf(text, sizeof(text),
             other_class ? "%s where only IN is signed" : "unknown type '%s' (TYPEnnn \\# works)",
             name);
    return refuse(reading, CSN_EFORMAT, reading->scanner->line_counter,
                  other_class ? "class" : "syntax", text);
}

/* One step of the scanner. *ret_done at the end of the text. */
static int step(const struct reading *reading, bool *ret_done)
{
    zs_scanner_t *scanner = reading->scanner;
    if (zs_parse_record(scanner) != 0) {
        return refuse_scan(reading, scanner->error.code);
    }
    switch (scanner->state) {
    case ZS_STATE_DATA:
        return hand_over(reading, scanner->r_type,
                         csn_bytes(scanner->r_data, scanner->r_data_length));
    case ZS_STATE_EOF:
        *ret_done = true;
        return CSN_OK;
    case ZS_STATE_INCLUDE:
        return refuse(reading, CSN_EFORMAT, scanner->line_counter, "syntax",
                      "$INCLUDE is refused: the zone must be one file");
    default:
        return scanner->error.code == ZS_UNSUPPORTED_TYPE
                   ? take_unknown_type(reading)
                   : refuse_scan(reading, scanner->error.code);
    }
}

static int scan(const struct reading *reading, const uint8_t *origin)
{
    char text[CSN_NAME_TEXT_MAX];
    csn_name_text(origin, text);
    int code = CSN_OK;
    if (zs_init(reading->scanner, text, CSN_CLASS_IN, TTL_NONE) != 0 ||
        zs_set_input_string(reading->scanner, (const char *)reading->text.data,
                            reading->text.size) != 0) {
        code = refuse_scan(reading, reading->scanner->error.code);
    }
    for (bool done = false; code == CSN_OK && !done;) {
        code = step(reading, &done);
    }
    zs_deinit(reading->scanner);
    return code;
}

int csn_zonefile_read(struct csn_bytes text, const char *file, const uint8_t *origin,
                      csn_record_fn *fn, void *arg, struct csn_reason *reason)
{
    struct reading reading = {.text = text, .file = file, .fn = fn, .arg = arg, .reason = reason};
    if (text.size == 0) {
        return refuse(&reading, CSN_EFORMAT, 1, "syntax", "the file is empty");
    }
    if (text.data[text.size - 1] != '\n') {
        return refuse(&reading, CSN_EFORMAT, csn_line_count(text), "syntax",
                      "the last line does not end: the file was cut or is still being written");
    }
    reading.scanner = csn_alloc(sizeof(*reading.scanner)); /* too large for a stack */
    int code = scan(&reading, origin);
    free(reading.scanner);
    return code;
}
