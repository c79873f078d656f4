#include "zone/delta.h"

#include "dns/name.h"
#include "zone/rows.h"

#define MAGIC "CSND"
#define MAGIC_SIZE 4u
#define VERSION 1

/* --- making */

static void put_row(struct csn_buf *rows, const struct csn_rrset *rrset)
{
    struct csn_entry row = {.rrset = *rrset};
    csn_rows_put(rows, &row);
}

static struct csn_rrset rrsigs_of(const struct csn_entry *entry)
{
    struct csn_rrset rrsigs = entry->rrsigs;
    rrsigs.owner = entry->rrset.owner;
    rrsigs.type = CSN_TYPE_RRSIG;
    return rrsigs;
}

static void differ(struct csn_delta_maker *maker, const struct csn_rrset *from, const struct csn_rrset *to)
{
    bool is_from = from->count > 0, is_to = to->count > 0;
    if (is_from && is_to && csn_rrset_equal(from, to)) {
        return;
    }
    if (is_from) {
        put_row(&maker->gone, from);
    }
    if (is_to) {
        put_row(&maker->added, to);
    }
}

void csn_delta_differ(struct csn_delta_maker *maker, const struct csn_entry *from, const struct csn_entry *to)
{
    static const struct csn_entry none;
    from = from != NULL ? from : &none;
    to = to != NULL ? to : &none;
    struct csn_rrset from_rrsigs = rrsigs_of(from), to_rrsigs = rrsigs_of(to);
    differ(maker, &from->rrset, &to->rrset);
    differ(maker, &from_rrsigs, &to_rrsigs);
}

static void put_end(struct csn_buf *buf, const struct csn_delta_end *end)
{
    csn_buf_put_u32(buf, end->serial);
    csn_buf_put_u64(buf, end->time_s);
    csn_buf_put(buf, end->full_root.octets, CSN_DIGEST_SIZE);
}

int csn_delta_finish(struct csn_delta_maker *maker, const struct csn_delta_end *from, const struct csn_delta_end *to,
                     struct csn_buf *buf)
{
    int code = maker->gone.size > UINT32_MAX || maker->added.size > UINT32_MAX ? CSN_ELIMIT : CSN_OK;
    if (code == CSN_OK) {
        csn_buf_put(buf, MAGIC, MAGIC_SIZE);
        csn_buf_put_u8(buf, VERSION);
        put_end(buf, from);
        put_end(buf, to);
        csn_buf_put_u32(buf, (uint32_t)maker->gone.size);
        csn_buf_put_bytes(buf, csn_buf_view(&maker->gone));
        csn_buf_put_u32(buf, (uint32_t)maker->added.size);
        csn_buf_put_bytes(buf, csn_buf_view(&maker->added));
    }
    csn_buf_fini(&maker->gone);
    csn_buf_fini(&maker->added);
    return code;
}

/* --- reading */

int csn_delta_row(struct csn_reader *rows, struct csn_rrset *ret_rrset)
{
    struct csn_entry entry;
    int code = csn_rows_next(rows, &entry);
    if (code == CSN_OK && entry.rrsigs.count > 0) {
        code = CSN_EFORMAT;
    }
    if (code == CSN_OK) {
        *ret_rrset = entry.rrset;
    }
    return code;
}

/* The type that all RRSIGs of a row cover; 0: they do not. */
static uint16_t covered_type(const struct csn_rrset *rrset)
{
    struct csn_reader reader = csn_rdata_first(rrset);
    struct csn_bytes rdata;
    uint16_t covered = 0;
    while (csn_rdata_next(&reader, &rdata)) {
        uint16_t type = rdata.size >= 2 ? csn_get_u16(rdata.data) : 0;
        if (type == 0 || (covered != 0 && covered != type)) {
            return 0;
        }
        covered = type;
    }
    return covered;
}

static bool is_rrsigs(const struct csn_rrset *rrset)
{
    return rrset->type == CSN_TYPE_RRSIG;
}

int csn_delta_compare_rows(const struct csn_rrset *a, const struct csn_rrset *b)
{
    struct csn_rrset x = *a, y = *b;
    x.type = is_rrsigs(a) ? covered_type(a) : a->type;
    y.type = is_rrsigs(b) ? covered_type(b) : b->type;
    int order = csn_rrset_compare(&x, &y);
    return order != 0 ? order : (int)is_rrsigs(a) - (int)is_rrsigs(b);
}

static bool read_end(struct csn_reader *reader, struct csn_delta_end *end)
{
    end->serial = csn_read_u32(reader);
    end->time_s = csn_read_u64(reader);
    csn_read_copy(reader, end->full_root.octets, CSN_DIGEST_SIZE);
    return !reader->failed;
}

static bool read_header(struct csn_reader *reader, struct csn_delta_end *ret_from, struct csn_delta_end *ret_to)
{
    struct csn_bytes magic = csn_read_bytes(reader, MAGIC_SIZE);
    return csn_bytes_equal(magic, csn_bytes(MAGIC, MAGIC_SIZE)) && csn_read_u8(reader) == VERSION &&
           read_end(reader, ret_from) && read_end(reader, ret_to);
}

int csn_delta_decode_ends(struct csn_bytes octets, struct csn_delta_end *ret_from, struct csn_delta_end *ret_to)
{
    struct csn_reader reader = csn_reader(octets);
    return read_header(&reader, ret_from, ret_to) ? CSN_OK : CSN_EFORMAT;
}

static bool has_serial(const struct csn_rrset *soa, uint32_t serial)
{
    struct csn_reader reader = csn_rdata_first(soa);
    struct csn_bytes rdata;
    struct csn_soa fields;
    if (soa->count != 1 || !csn_rdata_next(&reader, &rdata) || rdata.size < 22) { /* two names and five numbers */
        return false;
    }
    csn_soa_fields(rdata, &fields);
    return fields.serial == serial;
}

static bool is_row_in_zone(const uint8_t *apex, const struct csn_rrset *row)
{
    return csn_name_is_under(row->owner, apex) && (!is_rrsigs(row) || covered_type(row) != 0);
}

/* One list: in the zone, ascending, one SOA with this serial. */
static int check_rows(const uint8_t *apex, struct csn_bytes rows, uint32_t serial, struct csn_rrset *ret_soa)
{
    struct csn_reader reader = csn_reader(rows);
    struct csn_rrset row, last = {0};
    bool has_soa = false;
    int code;
    while ((code = csn_delta_row(&reader, &row)) == CSN_OK) {
        if (!is_row_in_zone(apex, &row) || (last.owner != NULL && csn_delta_compare_rows(&last, &row) >= 0)) {
            return CSN_EFORMAT;
        }
        if (row.type == CSN_TYPE_SOA) {
            if (!csn_name_equal(row.owner, apex) || !has_serial(&row, serial)) {
                return CSN_EFORMAT;
            }
            *ret_soa = row;
            has_soa = true;
        }
        last = row;
    }
    return code != CSN_ENOTFOUND ? code : has_soa ? CSN_OK : CSN_EFORMAT;
}

/* What is the same in both lists did not change. Both are well-formed. */
static bool has_common_row(const struct csn_delta *delta)
{
    struct csn_reader gone = csn_reader(delta->gone), added = csn_reader(delta->added);
    struct csn_rrset a, b;
    int code_a = csn_delta_row(&gone, &a), code_b = csn_delta_row(&added, &b);
    while (code_a == CSN_OK && code_b == CSN_OK) {
        int order = csn_delta_compare_rows(&a, &b);
        if (order == 0 && csn_rrset_equal(&a, &b)) {
            return true;
        }
        code_a = order <= 0 ? csn_delta_row(&gone, &a) : code_a;
        code_b = order >= 0 ? csn_delta_row(&added, &b) : code_b;
    }
    return false;
}

int csn_delta_decode(const uint8_t *apex, struct csn_bytes octets, struct csn_delta *ret_delta)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_delta delta = {0};
    if (!read_header(&reader, &delta.from, &delta.to)) {
        return CSN_EFORMAT;
    }
    delta.gone = csn_read_bytes(&reader, csn_read_u32(&reader));
    delta.added = csn_read_bytes(&reader, csn_read_u32(&reader));
    if (!csn_reader_done(&reader) || check_rows(apex, delta.gone, delta.from.serial, &delta.from_soa) != CSN_OK ||
        check_rows(apex, delta.added, delta.to.serial, &delta.to_soa) != CSN_OK || has_common_row(&delta)) {
        return CSN_EFORMAT;
    }
    *ret_delta = delta;
    return CSN_OK;
}

/* --- records */

enum { OLD_SOA, GONE, NEW_SOA, ADDED, END };

static void next_other(struct csn_delta_records *records)
{
    records->has_other = csn_delta_row(&records->others, &records->other) == CSN_OK;
}

static void begin_list(struct csn_delta_records *records, struct csn_bytes rows, struct csn_bytes others)
{
    records->rows = csn_reader(rows);
    records->others = csn_reader(others);
    next_other(records);
}

void csn_delta_records_begin(struct csn_delta_records *records, const struct csn_delta *delta)
{
    records->delta = delta;
    records->phase = OLD_SOA;
}

void csn_delta_records_fini(struct csn_delta_records *records)
{
    csn_buf_fini(&records->kept);
    *records = (struct csn_delta_records){0};
}

/* The RDATA of `row` that `other` has not; both are ascending. */
static void leave_out(struct csn_buf *kept, struct csn_rrset *row, const struct csn_rrset *other)
{
    struct csn_reader mine = csn_rdata_first(row), others = csn_rdata_first(other);
    struct csn_bytes rdata, theirs;
    bool has_theirs = csn_rdata_next(&others, &theirs);
    row->count = 0;
    csn_buf_clear(kept);
    while (csn_rdata_next(&mine, &rdata)) {
        while (has_theirs && csn_bytes_compare(theirs, rdata) < 0) {
            has_theirs = csn_rdata_next(&others, &theirs);
        }
        if (!has_theirs || !csn_bytes_equal(theirs, rdata)) {
            csn_buf_put_u16(kept, (uint16_t)rdata.size);
            csn_buf_put_bytes(kept, rdata);
            row->count++;
        }
    }
    row->rdatas = csn_buf_view(kept);
}

/* The next row of this list with a record that the other list has not: of the SOAs none, they stand before the lists. */
static int next_row(struct csn_delta_records *records, struct csn_rrset *ret_rrset)
{
    struct csn_rrset row;
    int code;
    while ((code = csn_delta_row(&records->rows, &row)) == CSN_OK) {
        while (records->has_other && csn_delta_compare_rows(&records->other, &row) < 0) {
            next_other(records);
        }
        if (records->has_other && csn_delta_compare_rows(&records->other, &row) == 0 && records->other.ttl == row.ttl) {
            leave_out(&records->kept, &row, &records->other);
        }
        if (row.type != CSN_TYPE_SOA && row.count > 0) {
            *ret_rrset = row;
            return CSN_OK;
        }
    }
    return code;
}

int csn_delta_records_next(struct csn_delta_records *records, struct csn_rrset *ret_rrset)
{
    const struct csn_delta *delta = records->delta;
    int code = CSN_ENOTFOUND;
    while (code == CSN_ENOTFOUND && records->phase != END) {
        switch (records->phase) {
        case OLD_SOA:
            *ret_rrset = delta->from_soa;
            begin_list(records, delta->gone, delta->added);
            code = CSN_OK;
            break;
        case NEW_SOA:
            *ret_rrset = delta->to_soa;
            begin_list(records, delta->added, delta->gone);
            code = CSN_OK;
            break;
        default:
            code = next_row(records, ret_rrset);
            if (code != CSN_ENOTFOUND) {
                return code;
            }
            break;
        }
        records->phase++;
    }
    return code;
}
