#include "refusals.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha.h"

#define MAGIC "CSNF"
#define FORMAT 1

/* What one site refused of one zone; the newest last. */
struct shelf {
    uint8_t zone[CSN_NAME_MAX];
    uint16_t site;
    struct csn_kept_refusal **entries; /* owns, and each */
    size_t count;
};

struct csn_refusals {
    struct shelf *shelves; /* owns; in order of arrival, never empty ones */
    size_t shelf_count;
    size_t count; /* entries of all */
};

struct csn_refusals *csn_refusals_new(void)
{
    return csn_calloc(1, sizeof(struct csn_refusals));
}

static void entry_free(struct csn_kept_refusal *take_entry)
{
    csn_buf_fini(&take_entry->body);
    free(take_entry);
}

static void clear(struct csn_refusals *refusals)
{
    for (size_t i = 0; i < refusals->shelf_count; i++) {
        for (size_t k = 0; k < refusals->shelves[i].count; k++) {
            entry_free(refusals->shelves[i].entries[k]);
        }
        free(refusals->shelves[i].entries);
    }
    free(refusals->shelves);
    *refusals = (struct csn_refusals){0};
}

void csn_refusals_free(struct csn_refusals *take_refusals)
{
    if (take_refusals != NULL) {
        clear(take_refusals);
        free(take_refusals);
    }
}

static struct shelf *find_shelf(const struct csn_refusals *refusals, const uint8_t *zone, uint16_t site)
{
    for (size_t i = refusals->shelf_count; i > 0; i--) { /* a file names those of a shelf in a row */
        struct shelf *shelf = &refusals->shelves[i - 1];
        if (shelf->site == site && csn_name_equal(shelf->zone, zone)) {
            return shelf;
        }
    }
    return NULL;
}

static struct shelf *make_shelf(struct csn_refusals *refusals, const uint8_t *zone, uint16_t site)
{
    refusals->shelves = csn_realloc(refusals->shelves, refusals->shelf_count + 1, sizeof(*refusals->shelves));
    struct shelf *shelf = &refusals->shelves[refusals->shelf_count++];
    *shelf = (struct shelf){.site = site};
    memcpy(shelf->zone, zone, csn_name_size(zone));
    return shelf;
}

/* Out of its shelf; the caller owns it. */
static struct csn_kept_refusal *take_out(struct csn_refusals *refusals, struct shelf *shelf, size_t at)
{
    struct csn_kept_refusal *entry = shelf->entries[at];
    memmove(&shelf->entries[at], &shelf->entries[at + 1], (shelf->count - at - 1) * sizeof(entry));
    shelf->count--;
    refusals->count--;
    return entry;
}

static void drop_shelf(struct csn_refusals *refusals, struct shelf *shelf)
{
    size_t at = (size_t)(shelf - refusals->shelves);
    free(shelf->entries);
    memmove(shelf, shelf + 1, (refusals->shelf_count - at - 1) * sizeof(*shelf));
    refusals->shelf_count--;
}

/* Each shelf has its oldest first. */
static void drop_oldest(struct csn_refusals *refusals)
{
    struct shelf *oldest = &refusals->shelves[0];
    for (size_t i = 1; i < refusals->shelf_count; i++) {
        struct shelf *shelf = &refusals->shelves[i];
        oldest = shelf->entries[0]->last_s < oldest->entries[0]->last_s ? shelf : oldest;
    }
    entry_free(take_out(refusals, oldest, 0));
    if (oldest->count == 0) {
        drop_shelf(refusals, oldest);
    }
}

/* At the new end of its shelf. */
static void put(struct csn_refusals *refusals, const uint8_t *zone, struct csn_kept_refusal *take_entry)
{
    struct shelf *shelf = find_shelf(refusals, zone, take_entry->site);
    if (shelf != NULL && shelf->count == CSN_REFUSALS_MAX) {
        entry_free(take_out(refusals, shelf, 0));
    } else if (refusals->count == CSN_REFUSALS_TOTAL) {
        drop_oldest(refusals);
        shelf = find_shelf(refusals, zone, take_entry->site);
    }
    shelf = shelf != NULL ? shelf : make_shelf(refusals, zone, take_entry->site);
    shelf->entries = csn_realloc(shelf->entries, shelf->count + 1, sizeof(take_entry));
    shelf->entries[shelf->count++] = take_entry;
    refusals->count++;
}

static bool is_value_equal(const struct csn_value *a, const struct csn_value *b)
{
    return a->size == b->size && memcmp(a->octets, b->octets, a->size) == 0;
}

static bool is_same_reason(const struct csn_body_refused *a, const struct csn_body_refused *b)
{
    return a->rule == b->rule && a->test == b->test && is_value_equal(&a->want, &b->want) &&
           is_value_equal(&a->is, &b->is);
}

/* The one of this shelf with the same reason, taken out; NULL: none. */
static struct csn_kept_refusal *take_alike(struct csn_refusals *refusals, struct shelf *shelf,
                                           const struct csn_body_refused *body, bool *ret_is_again)
{
    struct csn_body_refused known;
    for (size_t i = shelf != NULL ? shelf->count : 0; i > 0; i--) {
        int code = csn_body_refused_decode(csn_buf_view(&shelf->entries[i - 1]->body), &known);
        if (code == CSN_OK && is_same_reason(&known, body)) {
            *ret_is_again = csn_digest_equal(&known.hash, &body->hash);
            return take_out(refusals, shelf, i - 1);
        }
    }
    return NULL;
}

int csn_refusals_add(struct csn_refusals *refusals, const uint8_t *zone, uint16_t site, uint32_t incarnation,
                     struct csn_bytes body, const uint8_t *signature, struct csn_round round, uint64_t now_s)
{
    struct csn_body_refused refused;
    bool is_again = false;
    if (csn_body_refused_decode(body, &refused) != CSN_OK) {
        return CSN_EFORMAT;
    }
    struct shelf *shelf = find_shelf(refusals, zone, site);
    struct csn_kept_refusal *entry = take_alike(refusals, shelf, &refused, &is_again);
    if (shelf != NULL && shelf->count == 0) {
        drop_shelf(refusals, shelf);
    }
    if (entry == NULL) {
        entry = csn_calloc(1, sizeof(*entry));
        entry->first_s = now_s;
    }
    entry->site = site;
    entry->incarnation = incarnation;
    entry->round = round;
    entry->count += !is_again && entry->count < UINT32_MAX;
    entry->last_s = now_s;
    csn_buf_clear(&entry->body);
    csn_buf_put_bytes(&entry->body, body);
    memcpy(entry->signature, signature, sizeof(entry->signature));
    put(refusals, zone, entry);
    return CSN_OK;
}

const struct csn_kept_refusal *csn_refusals_get(const struct csn_refusals *refusals, const uint8_t *zone, uint16_t site,
                                                size_t i)
{
    const struct shelf *shelf = find_shelf(refusals, zone, site);
    return shelf != NULL && i < shelf->count ? shelf->entries[shelf->count - 1 - i] : NULL;
}

size_t csn_refusals_count(const struct csn_refusals *refusals)
{
    return refusals->count;
}

/* --- the file */

static void put_entry(const struct shelf *shelf, const struct csn_kept_refusal *entry, struct csn_buf *buf)
{
    uint8_t round[CSN_ROUND_SIZE];
    csn_round_encode(entry->round, round);
    csn_buf_put(buf, shelf->zone, csn_name_size(shelf->zone));
    csn_buf_put_u16(buf, entry->site);
    csn_buf_put_u32(buf, entry->incarnation);
    csn_buf_put(buf, entry->signature, sizeof(entry->signature));
    csn_buf_put(buf, round, sizeof(round));
    csn_buf_put_u32(buf, entry->count);
    csn_buf_put_u64(buf, entry->first_s);
    csn_buf_put_u64(buf, entry->last_s);
    csn_buf_put_u16(buf, (uint16_t)entry->body.size);
    csn_buf_put_bytes(buf, csn_buf_view(&entry->body));
}

void csn_refusals_encode(const struct csn_refusals *refusals, struct csn_buf *buf)
{
    struct csn_digest digest;
    size_t before = buf->size;
    csn_buf_put(buf, MAGIC, strlen(MAGIC));
    csn_buf_put_u8(buf, FORMAT);
    for (size_t i = 0; i < refusals->shelf_count; i++) {
        for (size_t k = 0; k < refusals->shelves[i].count; k++) {
            put_entry(&refusals->shelves[i], refusals->shelves[i].entries[k], buf);
        }
    }
    csn_sha384(csn_bytes(buf->data + before, buf->size - before), &digest);
    csn_buf_put(buf, digest.octets, sizeof(digest.octets));
}

/* False: no well-formed name. */
static bool read_zone(struct csn_reader *reader, uint8_t ret_zone[CSN_NAME_MAX])
{
    size_t size = csn_name_check(csn_bytes(reader->at, csn_reader_left(reader)));
    csn_read_copy(reader, ret_zone, size);
    return size > 0;
}

static bool read_entry(struct csn_reader *reader, struct csn_refusals *refusals)
{
    uint8_t zone[CSN_NAME_MAX] = {0}, round[CSN_ROUND_SIZE];
    struct csn_body_refused refused;
    struct csn_kept_refusal *entry = csn_calloc(1, sizeof(*entry));
    bool is_named = read_zone(reader, zone);
    entry->site = csn_read_u16(reader);
    entry->incarnation = csn_read_u32(reader);
    csn_read_copy(reader, entry->signature, sizeof(entry->signature));
    csn_read_copy(reader, round, sizeof(round));
    entry->round = csn_round_decode(round);
    entry->count = csn_read_u32(reader);
    entry->first_s = csn_read_u64(reader);
    entry->last_s = csn_read_u64(reader);
    struct csn_bytes body = csn_read_bytes(reader, csn_read_u16(reader));
    bool is_good = is_named && !reader->failed && csn_body_refused_decode(body, &refused) == CSN_OK;
    csn_buf_put_bytes(&entry->body, body);
    if (is_good) {
        put(refusals, zone, entry);
    } else {
        entry_free(entry);
    }
    return is_good;
}

static bool is_whole(struct csn_bytes octets)
{
    size_t head = strlen(MAGIC) + 1;
    struct csn_digest digest;
    if (octets.size < head + CSN_DIGEST_SIZE || memcmp(octets.data, MAGIC, strlen(MAGIC)) != 0 ||
        octets.data[head - 1] != FORMAT) {
        return false;
    }
    csn_sha384(csn_bytes(octets.data, octets.size - CSN_DIGEST_SIZE), &digest);
    return memcmp(digest.octets, octets.data + octets.size - CSN_DIGEST_SIZE, CSN_DIGEST_SIZE) == 0;
}

int csn_refusals_decode(struct csn_bytes octets, struct csn_refusals *refusals)
{
    REQUIRE(refusals->count == 0);
    if (!is_whole(octets)) {
        return CSN_EFORMAT;
    }
    size_t head = strlen(MAGIC) + 1;
    struct csn_reader reader =
        csn_reader(csn_bytes(octets.data + head, octets.size - head - CSN_DIGEST_SIZE));
    while (csn_reader_left(&reader) > 0) {
        if (!read_entry(&reader, refusals)) {
            clear(refusals);
            return CSN_EFORMAT;
        }
    }
    return CSN_OK;
}
