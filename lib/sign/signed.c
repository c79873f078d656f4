#include "sign/signed.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_MAX UINT16_MAX

/* A record; an RRSIG stands under the type it covers. */
struct item {
    const uint8_t *owner; /* borrows from the arena */
    struct csn_bytes rdata;
    uint32_t ttl;
    uint16_t type;
    bool is_rrsig;
};

struct csn_signed_work {
    uint8_t apex[CSN_NAME_MAX];
    struct item *items; /* owns */
    size_t count, count_max;
    struct csn_arena arena; /* owns owners and RDATA */
};

struct csn_signed *csn_signed_new(const uint8_t *apex)
{
    struct csn_signed *zone = csn_calloc(1, sizeof(*zone));
    zone->work = csn_calloc(1, sizeof(*zone->work));
    memcpy(zone->work->apex, apex, csn_name_size(apex));
    return zone;
}

static int refuse(struct csn_reason *reason, int code, const uint8_t *owner, uint16_t type, const char *cause)
{
    char name[CSN_NAME_TEXT_MAX], type_text[16];
    csn_name_text(owner, name);
    csn_type_text(type, type_text);
    return csn_reason_set(reason, code, "%s %s: %s", name, type_text, cause);
}

/* The lower-case owner in the arena; the one before where it is the same, as it mostly is. */
static const uint8_t *keep_owner(struct csn_signed_work *work, const uint8_t *owner)
{
    if (work->count > 0 && csn_name_equal(work->items[work->count - 1].owner, owner)) {
        return work->items[work->count - 1].owner;
    }
    return csn_arena_copy(&work->arena, owner, csn_name_size(owner));
}

int csn_signed_add(struct csn_signed *zone, const struct csn_record *record, struct csn_reason *reason)
{
    struct csn_signed_work *work = zone->work;
    uint8_t owner[CSN_NAME_MAX];
    if (csn_name_check(record->owner) != record->owner.size || record->owner.size == 0) {
        return csn_reason_set(reason, CSN_EFORMAT, "an owner is no name");
    }
    memcpy(owner, record->owner.data, record->owner.size);
    csn_name_lower(owner);
    if (record->class != CSN_CLASS_IN) {
        return refuse(reason, CSN_EREFUSED, owner, record->type, "another class than IN");
    }
    if (!csn_name_is_under(owner, work->apex)) {
        return refuse(reason, CSN_EREFUSED, owner, record->type, "out of zone");
    }
    bool is_rrsig = record->type == CSN_TYPE_RRSIG;
    if (record->rdata.size > UINT16_MAX || (is_rrsig && record->rdata.size < 2)) {
        return refuse(reason, CSN_EFORMAT, owner, record->type, "RDATA of an impossible size");
    }
    if (work->count == work->count_max) {
        work->count_max = work->count_max > 0 ? work->count_max * 2 : 256;
        work->items = csn_realloc(work->items, work->count_max, sizeof(*work->items));
    }
    const uint8_t *rdata = csn_arena_copy(&work->arena, record->rdata.data, record->rdata.size);
    const uint8_t *kept = keep_owner(work, owner);
    work->items[work->count++] = (struct item){.owner = kept,
                                               .rdata = csn_bytes(rdata, record->rdata.size),
                                               .ttl = record->ttl,
                                               .type = is_rrsig ? csn_get_u16(rdata) : record->type,
                                               .is_rrsig = is_rrsig};
    return CSN_OK;
}

/* Owner, type (covered), RRset before its RRSIGs. */
static int compare_places(const struct item *a, const struct item *b)
{
    int order = a->owner == b->owner ? 0 : csn_name_compare(a->owner, b->owner);
    if (order == 0) {
        order = a->type - b->type;
    }
    return order != 0 ? order : a->is_rrsig - b->is_rrsig;
}

static int compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = compare_places(x, y);
    return order != 0 ? order : csn_bytes_compare(x->rdata, y->rdata);
}

/* Packs the run of items of one place that begins at *at, and moves *at behind it. */
static int pack_run(struct csn_signed_work *work, size_t *at, struct csn_buf *buf, struct csn_rrset *ret_rrset,
                    struct csn_reason *reason)
{
    const struct item *first = &work->items[*at], *last = NULL;
    uint16_t count = 0;
    csn_buf_clear(buf);
    for (; *at < work->count && compare_places(first, &work->items[*at]) == 0; ++*at) {
        const struct item *item = &work->items[*at];
        if (item->ttl != first->ttl) {
            return refuse(reason, CSN_EFORMAT, first->owner, first->type, "unequal TTLs in one RRset");
        }
        if (last != NULL && csn_bytes_equal(last->rdata, item->rdata)) {
            continue;
        }
        if (count == COUNT_MAX) {
            return refuse(reason, CSN_ELIMIT, first->owner, first->type, "more than 65535 records in one RRset");
        }
        last = item;
        count++;
        csn_buf_put_u16(buf, (uint16_t)item->rdata.size);
        csn_buf_put_bytes(buf, item->rdata);
    }
    *ret_rrset = (struct csn_rrset){.owner = first->owner,
                                    .rdatas = csn_bytes(csn_arena_copy(&work->arena, buf->data, buf->size), buf->size),
                                    .ttl = first->ttl,
                                    .type = first->is_rrsig ? CSN_TYPE_RRSIG : first->type,
                                    .count = count};
    return CSN_OK;
}

/* The RRset that begins at *at, and the RRSIGs that cover it. */
static int next_entry(struct csn_signed_work *work, size_t *at, struct csn_buf *buf, struct csn_entry *ret_entry,
                      struct csn_reason *reason)
{
    const struct item first = work->items[*at];
    if (first.is_rrsig) {
        return refuse(reason, CSN_EFORMAT, first.owner, first.type, "signatures without records");
    }
    memset(ret_entry, 0, sizeof(*ret_entry));
    int code = pack_run(work, at, buf, &ret_entry->rrset, reason);
    if (code != CSN_OK || *at == work->count) {
        return code;
    }
    const struct item *next = &work->items[*at];
    if (next->is_rrsig && next->type == first.type && csn_name_equal(next->owner, first.owner)) {
        code = pack_run(work, at, buf, &ret_entry->rrsigs, reason);
    }
    return code;
}

int csn_signed_finish(struct csn_signed *zone, struct csn_reason *reason)
{
    struct csn_signed_work *work = zone->work;
    struct csn_buf buf = {0};
    size_t count_max = 0;
    int code = CSN_OK;
    if (work->count > 0) {
        qsort(work->items, work->count, sizeof(*work->items), compare_items);
    }
    for (size_t at = 0; code == CSN_OK && at < work->count;) {
        if (zone->count == count_max) {
            count_max = count_max > 0 ? count_max * 2 : 256;
            zone->entries = csn_realloc(zone->entries, count_max, sizeof(*zone->entries));
        }
        code = next_entry(work, &at, &buf, &zone->entries[zone->count], reason);
        zone->count += code == CSN_OK;
    }
    csn_buf_fini(&buf);
    free(work->items);
    work->items = NULL;
    work->count = work->count_max = 0;
    return code;
}

void csn_signed_free(struct csn_signed *take_zone)
{
    if (take_zone == NULL) {
        return;
    }
    free(take_zone->work->items);
    csn_arena_fini(&take_zone->work->arena);
    free(take_zone->work);
    free(take_zone->entries);
    free(take_zone);
}
