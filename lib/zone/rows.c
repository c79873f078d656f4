#include "zone/rows.h"

#include <string.h>

static void put_rdatas(struct csn_buf *buf, const struct csn_rrset *rrset)
{
    csn_buf_put_u16(buf, rrset->count);
    csn_buf_put_u32(buf, (uint32_t)rrset->rdatas.size);
    csn_buf_put_bytes(buf, rrset->rdatas);
}

void csn_rows_put(struct csn_buf *buf, const struct csn_entry *entry)
{
    csn_buf_put(buf, entry->rrset.owner, csn_name_size(entry->rrset.owner));
    csn_buf_put_u16(buf, entry->rrset.type);
    csn_buf_put_u32(buf, entry->rrset.ttl);
    put_rdatas(buf, &entry->rrset);
    put_rdatas(buf, &entry->rrsigs);
}

/* RFC 4034 6.3: ascending, no two equal; and exactly `count`. */
static bool is_packed_well(struct csn_bytes rdatas, uint16_t count)
{
    struct csn_reader reader = csn_reader(rdatas);
    struct csn_bytes last = {0};
    for (uint16_t i = 0; i < count; i++) {
        struct csn_bytes rdata = csn_read_bytes(&reader, csn_read_u16(&reader));
        if (reader.failed || (i > 0 && csn_bytes_compare(last, rdata) >= 0)) {
            return false;
        }
        last = rdata;
    }
    return csn_reader_done(&reader);
}

static bool read_rdatas(struct csn_reader *rows, struct csn_rrset *rrset)
{
    rrset->count = csn_read_u16(rows);
    rrset->rdatas = csn_read_bytes(rows, csn_read_u32(rows));
    return !rows->failed && is_packed_well(rrset->rdatas, rrset->count);
}

static bool is_lower(const uint8_t *name, size_t size)
{
    uint8_t copy[CSN_NAME_MAX];
    memcpy(copy, name, size);
    csn_name_lower(copy);
    return memcmp(copy, name, size) == 0;
}

int csn_rows_next(struct csn_reader *rows, struct csn_entry *ret_entry)
{
    if (!rows->failed && rows->at == rows->end) {
        return CSN_ENOTFOUND;
    }
    size_t size = csn_name_check(csn_bytes(rows->at, csn_reader_left(rows)));
    if (size == 0 || !is_lower(rows->at, size)) {
        return CSN_EFORMAT;
    }
    struct csn_entry entry = {.rrset.owner = csn_read_bytes(rows, size).data};
    entry.rrset.type = csn_read_u16(rows);
    entry.rrset.ttl = csn_read_u32(rows);
    entry.rrsigs.owner = entry.rrset.owner;
    entry.rrsigs.type = CSN_TYPE_RRSIG;
    entry.rrsigs.ttl = entry.rrset.ttl;
    if (!read_rdatas(rows, &entry.rrset) || !read_rdatas(rows, &entry.rrsigs) || entry.rrset.count == 0) {
        return CSN_EFORMAT;
    }
    *ret_entry = entry;
    return CSN_OK;
}
