#include "dns/rrset.h"

#include <libknot/descriptor.h>

#include "base/error.h"
#include "dns/name.h"

#define TYPE_TEXT_SIZE 16
#define SOA_FIELDS_SIZE 20

bool csn_rdata_next(struct csn_reader *rdatas, struct csn_bytes *ret_rdata)
{
    if (csn_reader_left(rdatas) == 0) {
        return false;
    }
    uint16_t size = csn_read_u16(rdatas);
    *ret_rdata = csn_read_bytes(rdatas, size);
    return !rdatas->failed;
}

int csn_rrset_compare(const struct csn_rrset *a, const struct csn_rrset *b)
{
    int order = a->owner == b->owner ? 0 : csn_name_compare(a->owner, b->owner);
    return order != 0 ? order : a->type - b->type;
}

bool csn_rrset_equal(const struct csn_rrset *a, const struct csn_rrset *b)
{
    return a->type == b->type && a->ttl == b->ttl && a->count == b->count &&
           csn_bytes_equal(a->rdatas, b->rdatas) && csn_name_equal(a->owner, b->owner);
}

void csn_soa_fields(struct csn_bytes rdata, struct csn_soa *ret_soa)
{
    REQUIRE(rdata.size >= SOA_FIELDS_SIZE);
    const uint8_t *at = rdata.data + rdata.size - SOA_FIELDS_SIZE;
    *ret_soa = (struct csn_soa){.serial = csn_get_u32(at),
                                .refresh = csn_get_u32(at + 4),
                                .retry = csn_get_u32(at + 8),
                                .expire = csn_get_u32(at + 12),
                                .minimum = csn_get_u32(at + 16)};
}

void csn_type_text(uint16_t type, char ret_text[16])
{
    int size = knot_rrtype_to_string(type, ret_text, TYPE_TEXT_SIZE);
    ENSURE(size > 0); /* the longest mnemonic has ten octets */
}
