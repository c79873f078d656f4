#include "kept/lineage.h"

#include <stdlib.h>
#include <string.h>

#include "kept/version.h"
#include "zone/delta.h"

#define ROW_FIXED 18 /* of a row: type, TTL, two counts, two sizes */

/* --- what is known */

void csn_lineage_fini(struct csn_lineage *lineage)
{
    free(lineage->deltas);
    *lineage = (struct csn_lineage){0};
}

static int compare_names(const struct csn_delta_name *a, const struct csn_delta_name *b)
{
    int order = memcmp(a->to.octets, b->to.octets, CSN_DIGEST_SIZE);
    return order != 0 ? order : memcmp(a->from.octets, b->from.octets, CSN_DIGEST_SIZE);
}

/* The place of the first at or after the name. */
static size_t place_of(const struct csn_lineage *lineage, const struct csn_delta_name *name)
{
    size_t low = 0, high = lineage->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_names(&lineage->deltas[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The places of those that lead to `to`. */
static size_t first_to(const struct csn_lineage *lineage, const struct csn_digest *to, size_t *ret_end)
{
    struct csn_delta_name lowest = {.to = *to};
    size_t first = place_of(lineage, &lowest), end = first;
    while (end < lineage->count && csn_digest_equal(&lineage->deltas[end].name.to, to)) {
        end++;
    }
    *ret_end = end;
    return first;
}

const struct csn_lineage_delta *csn_lineage_to(const struct csn_lineage *lineage, const struct csn_digest *to)
{
    size_t end;
    for (size_t i = first_to(lineage, to, &end); i < end; i++) {
        if (lineage->deltas[i].is_parent) {
            return &lineage->deltas[i];
        }
    }
    return NULL;
}

bool csn_lineage_has(const struct csn_lineage *lineage, const struct csn_delta_name *name)
{
    size_t at = place_of(lineage, name);
    return at < lineage->count && compare_names(&lineage->deltas[at].name, name) == 0;
}

static void add(struct csn_lineage *lineage, const struct csn_lineage_delta *delta)
{
    if (csn_lineage_has(lineage, &delta->name)) {
        return;
    }
    if (lineage->count == lineage->count_max) {
        lineage->count_max = lineage->count_max > 0 ? lineage->count_max * 2 : 64;
        lineage->deltas = csn_realloc(lineage->deltas, lineage->count_max, sizeof(lineage->deltas[0]));
    }
    size_t at = place_of(lineage, &delta->name);
    memmove(lineage->deltas + at + 1, lineage->deltas + at, (lineage->count - at) * sizeof(lineage->deltas[0]));
    lineage->deltas[at] = *delta;
    lineage->count++;
}

/* Of a stored delta. CSN_EDAMAGED: not its name's, or beside another certificate. */
static int describe(const struct csn_stored_delta *stored, struct csn_lineage_delta *ret_delta)
{
    struct csn_delta_end from, to;
    struct csn_certificate certificate;
    if (csn_delta_decode_ends(stored->octets, &from, &to) != CSN_OK ||
        csn_certificate_decode(stored->certificate, &certificate) != CSN_OK ||
        !csn_digest_equal(&from.full_root, &stored->name.from) || !csn_digest_equal(&to.full_root, &stored->name.to) ||
        !csn_digest_equal(&certificate.held.full_root, &stored->name.to)) {
        return CSN_EDAMAGED;
    }
    *ret_delta = (struct csn_lineage_delta){
        .name = stored->name,
        .from_serial = from.serial,
        .size = stored->octets.size - CSN_DELTA_HEADER_SIZE,
        .is_parent = csn_digest_equal(&certificate.held.proposal.parent.full_root, &stored->name.from)};
    return CSN_OK;
}

int csn_lineage_note(struct csn_lineage *lineage, const struct csn_stored_delta *stored)
{
    struct csn_lineage_delta delta;
    int code = describe(stored, &delta);
    if (code == CSN_OK) {
        add(lineage, &delta);
    }
    return code;
}

void csn_lineage_join(struct csn_lineage *lineage, const struct csn_lineage *more)
{
    for (size_t i = 0; i < more->count; i++) {
        add(lineage, &more->deltas[i]);
    }
}

size_t csn_lineage_back(const struct csn_lineage *lineage, const struct csn_digest *to, struct csn_delta_name **ret_names)
{
    struct csn_delta_name *names = csn_calloc(lineage->count + 1, sizeof(names[0]));
    const struct csn_lineage_delta *delta = csn_lineage_to(lineage, to);
    size_t count = 0;
    for (; delta != NULL && count < lineage->count; delta = csn_lineage_to(lineage, &delta->name.from)) {
        names[count++] = delta->name;
    }
    *ret_names = names;
    return count;
}

void csn_lineage_record_put(const struct csn_stored_delta *delta, struct csn_buf *buf)
{
    csn_buf_put_u16(buf, (uint16_t)delta->certificate.size);
    csn_buf_put_bytes(buf, delta->certificate);
    csn_buf_put_u32(buf, (uint32_t)delta->octets.size);
    csn_buf_put_bytes(buf, delta->octets);
}

/* Parents back from the version served, until the way is larger than the zone; ret_kept marks those on it, and what leads from
 * beside onto it. */
static void mark_kept(const struct csn_lineage *lineage, const struct csn_digest *served, uint64_t zone_size, bool *ret_kept)
{
    struct csn_digest at = *served;
    uint64_t size = 0;
    const struct csn_lineage_delta *delta = csn_lineage_to(lineage, &at);
    for (size_t count = 0; count <= CSN_LINEAGE_COUNT_MAX; count++) {
        size_t end;
        for (size_t i = first_to(lineage, &at, &end); i < end; i++) {
            ret_kept[i] = !lineage->deltas[i].is_parent;
        }
        size += delta != NULL ? delta->size : 0;
        if (delta == NULL || count == CSN_LINEAGE_COUNT_MAX || (zone_size > 0 && size > zone_size)) {
            return;
        }
        ret_kept[delta - lineage->deltas] = true;
        at = delta->name.from;
        delta = csn_lineage_to(lineage, &at);
    }
}

size_t csn_lineage_prune(struct csn_lineage *lineage, const struct csn_digest *served, uint64_t zone_size,
                         struct csn_delta_name **ret_names)
{
    bool *is_kept = csn_calloc(lineage->count + 1, sizeof(is_kept[0]));
    struct csn_delta_name *names = csn_calloc(lineage->count + 1, sizeof(names[0]));
    size_t kept = 0, gone = 0;
    mark_kept(lineage, served, zone_size, is_kept);
    for (size_t i = 0; i < lineage->count; i++) {
        if (is_kept[i]) {
            lineage->deltas[kept++] = lineage->deltas[i];
        } else {
            names[gone++] = lineage->deltas[i].name;
        }
    }
    lineage->count = kept;
    free(is_kept);
    *ret_names = names;
    return gone;
}

/* The way back to a serial, newest first: over parents, or with `beside` as its oldest step. 0: none. */
static size_t find_way(const struct csn_lineage *lineage, const struct csn_digest *served, uint64_t zone_size, uint32_t serial,
                       const struct csn_lineage_delta *beside, struct csn_delta_name *ret_names)
{
    struct csn_digest at = *served;
    const struct csn_lineage_delta *delta = NULL;
    size_t count = 0;
    uint64_t size = 0;
    while ((delta == NULL || delta->from_serial != serial) && count < lineage->count) {
        delta = beside != NULL && csn_digest_equal(&beside->name.to, &at) ? beside : csn_lineage_to(lineage, &at);
        if (delta == NULL) {
            return 0;
        }
        ret_names[count++] = delta->name;
        size += delta->size;
        at = delta->name.from;
    }
    bool is_found = delta != NULL && delta->from_serial == serial;
    return is_found && size < zone_size ? count : 0; /* RFC 1995 4: more than the zone is no use */
}

static const struct csn_lineage_delta *find_beside(const struct csn_lineage *lineage, uint32_t serial)
{
    for (size_t i = 0; i < lineage->count; i++) {
        if (!lineage->deltas[i].is_parent && lineage->deltas[i].from_serial == serial) {
            return &lineage->deltas[i];
        }
    }
    return NULL;
}

int csn_lineage_find(const struct csn_lineage *lineage, const struct csn_digest *served, uint64_t zone_size, uint32_t serial,
                     struct csn_delta_name **ret_names, size_t *ret_count)
{
    struct csn_delta_name *names = csn_calloc(lineage->count + 1, sizeof(names[0]));
    size_t count = find_way(lineage, served, zone_size, serial, NULL, names); /* as every other site answers */
    const struct csn_lineage_delta *beside = count == 0 ? find_beside(lineage, serial) : NULL;
    if (beside != NULL) {
        count = find_way(lineage, served, zone_size, serial, beside, names);
    }
    if (count == 0) {
        free(names);
        return CSN_ENOTFOUND;
    }
    for (size_t i = 0; i < count / 2; i++) {
        struct csn_delta_name last = names[count - 1 - i];
        names[count - 1 - i] = names[i];
        names[i] = last;
    }
    *ret_names = names;
    *ret_count = count;
    return CSN_OK;
}

/* --- making one */

static uint64_t row_size(const struct csn_entry *entry)
{
    return csn_name_size(entry->rrset.owner) + ROW_FIXED + entry->rrset.rdatas.size + entry->rrsigs.rdatas.size;
}

/* Two versions side by side, in canonical order. `from` is hashed on the way: what rotted here must not go into a delta. */
struct merge {
    struct csn_table_reader *from, *to; /* own */
    struct csn_version_meta from_meta, to_meta;
    struct csn_rooter *rooter; /* owns; of `from` */
    struct csn_delta_maker maker;
    uint64_t zone_size;
};

static int open_version(struct csn_store *store, const uint8_t *apex, const struct csn_digest *root,
                        struct csn_table_reader **ret_reader, struct csn_version_meta *ret_meta)
{
    int code = csn_table_open(store, CSN_TABLE_VERSION, apex, root, ret_reader);
    return code == CSN_OK ? csn_version_meta_decode(csn_table_meta(*ret_reader), ret_meta) : code;
}

static int next_from(struct merge *merge, struct csn_entry *entry, bool *ret_has)
{
    int code = csn_table_next(merge->from, entry);
    *ret_has = code == CSN_OK;
    return code == CSN_OK ? csn_rooter_add(merge->rooter, entry, NULL) : code == CSN_ENOTFOUND ? CSN_OK : code;
}

static int next_to(struct merge *merge, struct csn_entry *entry, bool *ret_has)
{
    int code = csn_table_next(merge->to, entry);
    *ret_has = code == CSN_OK;
    merge->zone_size += code == CSN_OK ? row_size(entry) : 0;
    return code == CSN_ENOTFOUND ? CSN_OK : code;
}

static int run_merge(struct merge *merge)
{
    struct csn_entry a, b;
    bool has_a, has_b;
    int code = next_from(merge, &a, &has_a);
    code = code == CSN_OK ? next_to(merge, &b, &has_b) : code;
    while (code == CSN_OK && (has_a || has_b)) {
        int order = !has_a ? 1 : !has_b ? -1 : csn_rrset_compare(&a.rrset, &b.rrset);
        csn_delta_differ(&merge->maker, order <= 0 ? &a : NULL, order >= 0 ? &b : NULL);
        if (order <= 0) {
            code = next_from(merge, &a, &has_a);
        }
        if (order >= 0 && code == CSN_OK) {
            code = next_to(merge, &b, &has_b);
        }
    }
    return code;
}

static int finish_merge(struct merge *merge, const struct csn_digest *from, const struct csn_digest *to, struct csn_buf *octets)
{
    struct csn_zone_roots roots;
    struct csn_delta_end ends[2] = {
        {.serial = merge->from_meta.serial, .time_s = merge->from_meta.time_s, .full_root = *from},
        {.serial = merge->to_meta.serial, .time_s = merge->to_meta.time_s, .full_root = *to}};
    int code = csn_rooter_finish(merge->rooter, merge->from_meta.serial, &roots, NULL);
    if (code == CSN_OK && !csn_digest_equal(&roots.full, from)) {
        code = CSN_EDAMAGED;
    }
    return code == CSN_OK ? csn_delta_finish(&merge->maker, &ends[0], &ends[1], octets) : code;
}

static void merge_fini(struct merge *merge)
{
    csn_table_close(merge->from);
    csn_table_close(merge->to);
    csn_rooter_free(merge->rooter);
    csn_buf_fini(&merge->maker.gone);
    csn_buf_fini(&merge->maker.added);
}

static int compare_versions(struct csn_store *store, const uint8_t *apex, const struct csn_delta_name *name, struct csn_buf *octets,
                            uint64_t *ret_zone_size)
{
    struct merge merge = {0};
    int code = open_version(store, apex, &name->from, &merge.from, &merge.from_meta);
    code = code == CSN_OK ? open_version(store, apex, &name->to, &merge.to, &merge.to_meta) : code;
    if (code == CSN_OK) {
        merge.rooter = csn_rooter_new(apex, merge.from_meta.time_s);
        code = run_merge(&merge);
        *ret_zone_size = code == CSN_OK ? merge.zone_size : 0;
        code = code == CSN_OK ? finish_merge(&merge, &name->from, &name->to, octets) : code;
    }
    merge_fini(&merge);
    return code;
}

int csn_lineage_make(struct csn_store *store, const uint8_t *apex, const struct csn_delta_name *name, struct csn_bytes certificate,
                     struct csn_lineage *lineage, uint64_t *ret_zone_size)
{
    struct csn_buf octets = {0};
    uint64_t zone_size = 0;
    int code = compare_versions(store, apex, name, &octets, &zone_size);
    if (code == CSN_OK && octets.size - CSN_DELTA_HEADER_SIZE <= zone_size) { /* else never asked for */
        struct csn_stored_delta stored = {.name = *name, .certificate = certificate, .octets = csn_buf_view(&octets)};
        struct csn_lineage_delta delta;
        code = describe(&stored, &delta);
        code = code == CSN_OK ? csn_store_put_deltas(store, apex, &stored, 1) : code;
        if (code == CSN_OK) {
            add(lineage, &delta);
        }
    }
    if (zone_size > 0) {
        *ret_zone_size = zone_size;
    }
    csn_buf_fini(&octets);
    return code;
}

uint64_t csn_lineage_zone_size(struct csn_store *store, const uint8_t *apex, const struct csn_digest *root)
{
    struct csn_table_reader *reader;
    struct csn_entry entry;
    uint64_t size = 0;
    if (csn_table_open(store, CSN_TABLE_VERSION, apex, root, &reader) != CSN_OK) {
        return 0;
    }
    while (csn_table_next(reader, &entry) == CSN_OK) {
        size += row_size(&entry);
    }
    csn_table_close(reader);
    return size;
}
