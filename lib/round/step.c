#include "round/step.h"

#include <stdlib.h>
#include <string.h>

void csn_effects_clear(struct csn_effects *effects)
{
    effects->count = 0;
    csn_arena_fini(&effects->arena);
}

void csn_effects_fini(struct csn_effects *effects)
{
    csn_arena_fini(&effects->arena);
    free(effects->items);
    *effects = (struct csn_effects){0};
}

struct csn_effect *csn_effects_add(struct csn_effects *effects, enum csn_effect_kind kind,
                                   const uint8_t *zone)
{
    if (effects->count == effects->count_max) {
        effects->count_max = effects->count_max ? 2 * effects->count_max : 16;
        effects->items = csn_realloc(effects->items, effects->count_max, sizeof(*effects->items));
    }
    struct csn_effect *effect = csn_arena_alloc(&effects->arena, sizeof(*effect), _Alignof(struct csn_effect));
    effects->items[effects->count++] = effect;
    memset(effect, 0, sizeof(*effect));
    effect->kind = kind;
    if (zone != NULL) {
        memcpy(effect->zone, zone, csn_name_size(zone));
    }
    return effect;
}

struct csn_bytes csn_effects_copy(struct csn_effects *effects, struct csn_bytes octets)
{
    return csn_bytes(csn_arena_copy(&effects->arena, octets.data, octets.size), octets.size);
}

void csn_effects_send(struct csn_effects *effects, enum csn_statement_kind kind, struct csn_bytes body)
{
    struct csn_bytes copy = csn_effects_copy(effects, body);
    struct csn_effect *effect = csn_effects_add(effects, CSN_EFFECT_SEND, NULL);
    effect->send.kind = kind;
    effect->send.body = copy;
}

const char *csn_test_text(uint8_t test)
{
    switch (test) {
#define CSN_TEST_CASE(name, number, text)                                                          \
    case CSN_TEST_##name:                                                                          \
        return text;
        CSN_TESTS(CSN_TEST_CASE)
#undef CSN_TEST_CASE
    default:
        return NULL;
    }
}

const char *csn_trace_text(enum csn_trace_kind what)
{
    static const char *const texts[] = {
#define CSN_TRACE_TEXT(name, text) text,
        CSN_TRACES(CSN_TRACE_TEXT)
#undef CSN_TRACE_TEXT
    };
    return texts[what];
}

const char *csn_count_text(enum csn_count_reason reason)
{
    static const char *const texts[] = {
#define CSN_COUNT_TEXT(name, text) text,
        CSN_COUNTS(CSN_COUNT_TEXT)
#undef CSN_COUNT_TEXT
    };
    return texts[reason];
}
