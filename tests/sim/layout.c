#include "sim/layout.h"

#include <string.h>

struct cursor {
    const uint8_t *at, *end;
    bool is_short;
};

static const uint8_t *take(struct cursor *cursor, size_t size)
{
    static const uint8_t nothing[LAYOUT_SIGNATURE];
    if (cursor->is_short || (size_t)(cursor->end - cursor->at) < size) {
        cursor->is_short = true;
        return nothing;
    }
    const uint8_t *at = cursor->at;
    cursor->at += size;
    return at;
}

static uint64_t number(struct cursor *cursor, size_t size)
{
    const uint8_t *at = take(cursor, size);
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static void copy(struct cursor *cursor, void *to, size_t size)
{
    memcpy(to, take(cursor, size), size);
}

static void name(struct cursor *cursor, uint8_t to[255])
{
    size_t size = 0;
    uint8_t length;
    do {
        length = (uint8_t)number(cursor, 1);
        cursor->is_short = cursor->is_short || length > 63 || size + 1 + length > 255;
        if (cursor->is_short) {
            return;
        }
        to[size++] = length;
        copy(cursor, to + size, length);
        size += length;
    } while (length > 0 && !cursor->is_short);
}

static void version(struct cursor *cursor, struct layout_version *to)
{
    to->number = (uint32_t)number(cursor, 4);
    copy(cursor, to->digest, LAYOUT_DIGEST);
}

static void proposal(struct cursor *cursor, struct layout_held *held)
{
    copy(cursor, held->cluster, 16);
    held->environment = (uint8_t)number(cursor, 1);
    held->epoch = (uint32_t)number(cursor, 4);
    take(cursor, LAYOUT_DIGEST);
    name(cursor, held->zone);
    copy(cursor, held->round, LAYOUT_ROUND);
    held->serial = (uint32_t)number(cursor, 4);
    held->input_generation = (uint32_t)number(cursor, 4);
    held->input_serial = (uint32_t)number(cursor, 4);
    copy(cursor, held->received, LAYOUT_DIGEST);
    take(cursor, LAYOUT_DIGEST); /* D(prepared) */
    number(cursor, 4);           /* removed */
    take(cursor, LAYOUT_DIGEST);
    held->time_s = number(cursor, 8);
    held->schedule_s = number(cursor, 8);
    number(cursor, 2); /* semantics */
    version(cursor, &held->policy);
    version(cursor, &held->keyset);
    copy(cursor, held->parent_round, LAYOUT_ROUND);
    copy(cursor, held->parent_root, LAYOUT_DIGEST);
    uint64_t authors = number(cursor, 1);
    for (uint64_t i = 0; i < authors; i++) {
        number(cursor, 2);
    }
}

bool layout_held(struct csn_bytes octets, struct layout_held *ret_held)
{
    struct cursor cursor = {.at = octets.data, .end = octets.data + octets.size};
    memset(ret_held, 0, sizeof(*ret_held));
    proposal(&cursor, ret_held);
    for (unsigned i = 0; i < 5; i++) {
        take(&cursor, LAYOUT_DIGEST); /* D, K, N, R, B */
    }
    copy(&cursor, ret_held->full_root, LAYOUT_DIGEST);
    number(&cursor, 8);
    number(&cursor, 8);
    ret_held->earliest_expiry_s = number(&cursor, 8);
    ret_held->size = (size_t)(cursor.at - octets.data);
    return !cursor.is_short;
}

bool layout_certificate(struct csn_bytes octets, struct layout_certificate *ret_certificate)
{
    struct cursor cursor = {.at = octets.data, .end = octets.data + octets.size};
    memset(ret_certificate, 0, sizeof(*ret_certificate));
    if (memcmp(take(&cursor, 5), "CSNC\1", 5) != 0) {
        return false;
    }
    size_t size = (size_t)number(&cursor, 4);
    const uint8_t *body = cursor.at;
    if (cursor.is_short || size > (size_t)(cursor.end - cursor.at)) {
        return false;
    }
    cursor.at += size;
    ret_certificate->body = csn_bytes(body, size);
    ret_certificate->vote_count = (unsigned)number(&cursor, 1);
    if (ret_certificate->vote_count > LAYOUT_VOTES_MAX) {
        return false;
    }
    for (unsigned i = 0; i < ret_certificate->vote_count; i++) {
        struct layout_vote *vote = &ret_certificate->votes[i];
        vote->site = (uint16_t)number(&cursor, 2);
        vote->incarnation = (uint32_t)number(&cursor, 4);
        vote->signature = take(&cursor, LAYOUT_SIGNATURE);
    }
    return !cursor.is_short && layout_held(ret_certificate->body, &ret_certificate->held) &&
           ret_certificate->held.size == size;
}

size_t layout_floor(struct csn_bytes octets, bool has_zone, struct layout_floor *ret_floor)
{
    struct cursor cursor = {.at = octets.data, .end = octets.data + octets.size};
    memset(ret_floor, 0, sizeof(*ret_floor));
    if (has_zone) {
        name(&cursor, ret_floor->zone);
    }
    copy(&cursor, ret_floor->round, LAYOUT_ROUND);
    ret_floor->has_serial = number(&cursor, 1) != 0;
    ret_floor->serial = (uint32_t)number(&cursor, 4);
    ret_floor->input_generation = (uint32_t)number(&cursor, 4);
    ret_floor->input_serial = (uint32_t)number(&cursor, 4);
    take(&cursor, LAYOUT_DIGEST); /* D(received) */
    take(&cursor, LAYOUT_DIGEST); /* D(prepared) */
    number(&cursor, 4);           /* removed */
    take(&cursor, LAYOUT_DIGEST);
    ret_floor->time_s = number(&cursor, 8);
    ret_floor->schedule_s = number(&cursor, 8);
    version(&cursor, &ret_floor->policy);
    version(&cursor, &ret_floor->keyset);
    return cursor.is_short ? 0 : (size_t)(cursor.at - octets.data);
}
