#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *csn_error_text(int code)
{
    switch (code) {
    case CSN_OK:
        return "ok";
#define CSN_ERROR_CASE(name, value, text)                                                          \
    case value:                                                                                    \
        return text;
        CSN_ERRORS(CSN_ERROR_CASE)
#undef CSN_ERROR_CASE
    default:
        return "unknown error";
    }
}

int csn_reason_set(struct csn_reason *reason, int code, const char *format, ...)
{
    if (reason != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(reason->text, sizeof(reason->text), format, args);
        va_end(args);
    }
    return code;
}

void csn_assert_failed(const char *kind, const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s(%s) failed\n", file, line, kind, what);
    abort();
}
