/* config_fixture.h: what the tests of documents and of daemons' configuration look at. */
#ifndef CSN_TESTS_CONFIG_FIXTURE_H
#define CSN_TESTS_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/error.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline struct csn_bytes text_bytes(const char *text)
{
    return csn_bytes(text, strlen(text));
}

/* The reason begins with `place` and holds `word`. */
static inline void assert_reason(const struct csn_reason *reason, const char *place, const char *word)
{
    if (strncmp(reason->text, place, strlen(place)) != 0 || strstr(reason->text, word) == NULL) {
        fail_msg("'%s' instead of '%s … %s'", reason->text, place, word);
    }
}

#endif
