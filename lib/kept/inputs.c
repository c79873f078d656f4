#include "kept/inputs.h"

#include "zone/rows.h"

static void put_meta(const struct csn_input *input, struct csn_buf *buf)
{
    csn_buf_put_u32(buf, input->serial);
    csn_buf_put(buf, input->received.octets, CSN_DIGEST_SIZE);
    csn_buf_put_u32(buf, input->removed);
    csn_buf_put(buf, input->removed_hash.octets, CSN_DIGEST_SIZE);
}

static int add_all(struct csn_table_writer *writer, const struct csn_zone *zone)
{
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < zone->count; i++) {
        struct csn_entry entry = {.rrset = zone->rrsets[i]};
        entry.rrsigs.owner = entry.rrset.owner;
        entry.rrsigs.type = CSN_TYPE_RRSIG;
        entry.rrsigs.ttl = entry.rrset.ttl;
        code = csn_table_add(writer, &entry);
    }
    return code;
}

int csn_input_store(struct csn_store *store, const struct csn_input *input)
{
    struct csn_table_writer *writer;
    int code = csn_table_begin(store, CSN_TABLE_INPUT, input->zone->apex, &input->prepared, &writer);
    if (code != CSN_OK) {
        return code == CSN_EEXISTS ? CSN_OK : code;
    }
    code = add_all(writer, input->zone);
    if (code != CSN_OK) {
        csn_table_abandon(writer);
    } else {
        struct csn_buf meta = {0};
        put_meta(input, &meta);
        code = csn_table_complete(writer, csn_buf_view(&meta));
        csn_buf_fini(&meta);
    }
    return code == CSN_EEXISTS ? CSN_OK : code; /* the same input from the file and from a peer at one time */
}

int csn_input_meta_decode(struct csn_bytes octets, struct csn_input_meta *ret_meta)
{
    struct csn_reader reader = csn_reader(octets);
    struct csn_input_meta meta = {.serial = csn_read_u32(&reader)};
    csn_read_copy(&reader, meta.received.octets, CSN_DIGEST_SIZE);
    meta.removed = csn_read_u32(&reader);
    csn_read_copy(&reader, meta.removed_hash.octets, CSN_DIGEST_SIZE);
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_meta = meta;
    return CSN_OK;
}

static int from_zone(struct csn_zone *zone, const struct csn_digest *prepared, struct csn_bytes octets, struct csn_input **ret_input)
{
    struct csn_input_meta meta;
    struct csn_input *input;
    int code = csn_input_meta_decode(octets, &meta);
    if (code == CSN_OK) {
        code = csn_input_from_prepared(zone, &meta.received, meta.removed, &meta.removed_hash, prepared, &input);
    }
    if (code == CSN_OK && input->serial != meta.serial) {
        csn_input_unref(input);
        code = CSN_EMISMATCH;
    }
    if (code == CSN_OK) {
        *ret_input = input;
    }
    return code;
}

int csn_input_load(struct csn_store *store, const uint8_t *apex, const struct csn_digest *prepared, struct csn_input **ret_input)
{
    struct csn_table_reader *reader;
    int code = csn_table_open(store, CSN_TABLE_INPUT, apex, prepared, &reader);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_zone *zone = csn_zone_new(apex);
    struct csn_entry entry;
    while ((code = csn_table_next(reader, &entry)) == CSN_OK) {
        csn_zone_add(zone, &entry.rrset);
    }
    if (code == CSN_ENOTFOUND) {
        csn_zone_seal(zone);
        code = from_zone(zone, prepared, csn_table_meta(reader), ret_input);
        code = code == CSN_EMISMATCH || code == CSN_EFORMAT ? CSN_EDAMAGED : code;
    }
    csn_zone_unref(zone);
    csn_table_close(reader);
    return code;
}

/* A zone is sealed only from rows in order: sealing expects no two equal. */
static int add_rows(struct csn_zone *zone, struct csn_bytes rows)
{
    struct csn_reader reader = csn_reader(rows);
    struct csn_entry entry;
    struct csn_rrset last = {0};
    int code;
    while ((code = csn_rows_next(&reader, &entry)) == CSN_OK) {
        if (entry.rrsigs.count != 0 || !csn_name_is_under(entry.rrset.owner, zone->apex) ||
            (last.owner != NULL && csn_rrset_compare(&last, &entry.rrset) >= 0)) {
            return CSN_EFORMAT;
        }
        csn_zone_add(zone, &entry.rrset);
        last = entry.rrset;
    }
    return code == CSN_ENOTFOUND ? CSN_OK : code;
}

int csn_input_from_rows(const uint8_t *apex, const struct csn_digest *prepared, struct csn_bytes meta, struct csn_bytes rows,
                        struct csn_input **ret_input)
{
    struct csn_zone *zone = csn_zone_new(apex);
    int code = add_rows(zone, rows);
    if (code == CSN_OK) {
        csn_zone_seal(zone);
        code = from_zone(zone, prepared, meta, ret_input);
    }
    csn_zone_unref(zone);
    return code;
}
