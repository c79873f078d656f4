#include "zone/denial.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "zone/owners.h"

#define WINDOW_SIZE 32

void csn_bitmap_put(struct csn_buf *buf, const uint16_t *types, size_t count)
{
    for (size_t from = 0, to; from < count; from = to) {
        uint8_t window[WINDOW_SIZE] = {0}, size = 0;
        for (to = from; to < count && types[to] >> 8 == types[from] >> 8; to++) {
            unsigned low = types[to] & 0xff;
            window[low / 8] |= (uint8_t)(0x80 >> low % 8);
            size = (uint8_t)(low / 8 + 1);
        }
        csn_buf_put_u8(buf, (uint8_t)(types[from] >> 8));
        csn_buf_put_u8(buf, size);
        csn_buf_put(buf, window, size);
    }
}

/* A growing ascending set of types. */
struct types {
    uint16_t *types; /* owns */
    size_t count, count_max;
};

static void types_add(struct types *set, uint16_t type)
{
    if (set->count == set->count_max) {
        set->count_max = set->count_max > 0 ? set->count_max * 2 : 32;
        set->types = csn_realloc(set->types, set->count_max, sizeof(*set->types));
    }
    size_t at = set->count;
    while (at > 0 && set->types[at - 1] > type) {
        at--;
    }
    if (at > 0 && set->types[at - 1] == type) {
        return;
    }
    memmove(set->types + at + 1, set->types + at, (set->count - at) * sizeof(*set->types));
    set->types[at] = type;
    set->count++;
}

struct chain {
    struct csn_zone *out;
    uint32_t ttl;
    const uint8_t *owner;  /* of the NSEC that waits for its next name; NULL at first */
    struct csn_buf bitmap; /* owns; of that NSEC */
    struct csn_buf rdata;  /* owns */
    struct types types;    /* owns */
};

/* Writes the waiting NSEC, now that its next name is known: RFC 4034 4.1. */
static void chain_link(struct chain *chain, const uint8_t *next)
{
    size_t size = csn_name_size(next);
    csn_buf_clear(&chain->rdata);
    csn_buf_put_u16(&chain->rdata, (uint16_t)(size + chain->bitmap.size));
    csn_buf_put(&chain->rdata, next, size);
    csn_buf_put_bytes(&chain->rdata, csn_buf_view(&chain->bitmap));
    const void *rdatas = csn_arena_copy(&chain->out->arena, chain->rdata.data, chain->rdata.size);
    const struct csn_rrset nsec = {.owner = chain->owner,
                                   .rdatas = csn_bytes(rdatas, chain->rdata.size),
                                   .ttl = chain->ttl,
                                   .type = CSN_TYPE_NSEC,
                                   .count = 1};
    csn_zone_add_borrowed(chain->out, &nsec);
}

/* The types of one owner: at a cut NS and DS only (RFC 4035 2.3), else all; RRSIG and NSEC are everywhere. */
static void chain_types(struct chain *chain, const struct csn_rrset *rrsets, size_t count, bool is_cut)
{
    chain->types.count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_cut || rrsets[i].type == CSN_TYPE_NS || rrsets[i].type == CSN_TYPE_DS) {
            types_add(&chain->types, rrsets[i].type);
        }
    }
    types_add(&chain->types, CSN_TYPE_RRSIG);
    types_add(&chain->types, CSN_TYPE_NSEC);
}

static uint32_t denial_ttl(const struct csn_zone *zone)
{
    const struct csn_rrset *soa = csn_zone_find(zone, zone->apex, CSN_TYPE_SOA);
    REQUIRE(soa != NULL);
    struct csn_soa fields;
    csn_soa_fields(soa->rdatas, &fields);
    return soa->ttl < fields.minimum ? soa->ttl : fields.minimum; /* RFC 9077 */
}

void csn_nsec_chain(const struct csn_zone *zone, const uint16_t *apex_types, size_t apex_types_count, struct csn_zone *out)
{
    struct chain chain = {.out = out, .ttl = denial_ttl(zone)};
    struct csn_owners owners = csn_owners_first(zone);
    while (csn_owners_next(&owners)) {
        if (owners.place != CSN_PLACE_AUTHORITATIVE && owners.place != CSN_PLACE_CUT) {
            continue;
        }
        const uint8_t *owner = owners.rrsets->owner;
        chain_types(&chain, owners.rrsets, owners.count, owners.place == CSN_PLACE_CUT);
        if (chain.owner == NULL) { /* the apex is the first name of its zone */
            for (size_t i = 0; i < apex_types_count; i++) {
                types_add(&chain.types, apex_types[i]);
            }
        } else {
            chain_link(&chain, owner);
        }
        chain.owner = owner;
        csn_buf_clear(&chain.bitmap);
        csn_bitmap_put(&chain.bitmap, chain.types.types, chain.types.count);
    }
    INSIST(chain.owner != NULL);
    chain_link(&chain, zone->apex); /* the last NSEC closes the ring: RFC 4034 4.1.1 */
    csn_buf_fini(&chain.bitmap);
    csn_buf_fini(&chain.rdata);
    free(chain.types.types);
}
