#include "zone/owners.h"

struct csn_owners csn_owners_first(const struct csn_zone *zone)
{
    return (struct csn_owners){.rrsets = zone->rrsets,
                               .end = zone->rrsets + zone->count,
                               .placer = {.apex = zone->apex}};
}

bool csn_owners_next(struct csn_owners *owners)
{
    const struct csn_rrset *first = owners->rrsets + owners->count;
    if (first == owners->end) {
        return false;
    }
    bool has_ns = false, has_dname = false;
    size_t count = 0;
    for (; first + count < owners->end; count++) {
        const struct csn_rrset *rrset = &first[count];
        if (rrset->owner != first->owner && !csn_name_equal(rrset->owner, first->owner)) {
            break;
        }
        has_ns = has_ns || rrset->type == CSN_TYPE_NS;
        has_dname = has_dname || rrset->type == CSN_TYPE_DNAME;
    }
    owners->rrsets = first;
    owners->count = count;
    owners->place = csn_placer_next(&owners->placer, first->owner, has_ns, has_dname);
    return true;
}

bool csn_owners_is_signed(enum csn_place place, uint16_t type)
{
    if (place == CSN_PLACE_CUT) {
        return type == CSN_TYPE_DS || type == CSN_TYPE_NSEC;
    }
    return place == CSN_PLACE_AUTHORITATIVE;
}
