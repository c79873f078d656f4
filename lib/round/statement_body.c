#include "round/statement.h"

#include <string.h>

#include "round/fields.h"

/* Nothing longer than a statement may be is even read. */
static struct csn_reader body_reader(struct csn_bytes octets)
{
    struct csn_reader reader = csn_reader(octets);
    reader.failed = octets.size > CSN_STATEMENT_MAX;
    return reader;
}

static int verdict(const struct csn_reader *reader)
{
    return csn_reader_done(reader) ? CSN_OK : CSN_EFORMAT;
}

void csn_proposal_encode(const struct csn_proposal *proposal, struct csn_buf *buf)
{
    csn_put_proposal(buf, proposal);
}

void csn_body_proposal_encode(const struct csn_body_proposal *body, struct csn_buf *buf)
{
    csn_put_term(buf, body->term);
    csn_buf_put_u32(buf, body->seq);
    csn_put_proposal(buf, &body->proposal);
}

int csn_body_proposal_decode(struct csn_bytes octets, struct csn_body_proposal *ret_body)
{
    struct csn_reader reader = body_reader(octets);
    struct csn_body_proposal body = {.term = csn_read_term(&reader)};
    body.seq = csn_read_u32(&reader);
    csn_read_proposal(&reader, &body.proposal);
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_body = body;
    return CSN_OK;
}

void csn_body_computed_encode(const struct csn_body_computed *body, struct csn_buf *buf)
{
    csn_put_digest(buf, &body->hash);
    csn_put_roots(buf, &body->roots);
}

int csn_body_computed_decode(struct csn_bytes octets, struct csn_body_computed *ret_body)
{
    struct csn_reader reader = body_reader(octets);
    struct csn_body_computed body;
    csn_read_digest(&reader, &body.hash);
    csn_read_roots(&reader, &body.roots);
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_body = body;
    return CSN_OK;
}

void csn_body_offer_encode(const struct csn_body_offer *body, struct csn_buf *buf)
{
    csn_put_digest(buf, &body->hash);
    csn_put_digest(buf, &body->b);
    csn_buf_put_u64(buf, body->count);
}

int csn_body_offer_decode(struct csn_bytes octets, struct csn_body_offer *ret_body)
{
    struct csn_reader reader = body_reader(octets);
    struct csn_body_offer body;
    csn_read_digest(&reader, &body.hash);
    csn_read_digest(&reader, &body.b);
    body.count = csn_read_u64(&reader);
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_body = body;
    return CSN_OK;
}

void csn_body_held_encode(const struct csn_body_held *body, struct csn_buf *buf)
{
    csn_put_held(buf, body);
}

int csn_body_held_decode(struct csn_bytes octets, struct csn_body_held *ret_body)
{
    struct csn_reader reader = body_reader(octets);
    struct csn_body_held body;
    csn_read_held(&reader, &body);
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_body = body;
    return CSN_OK;
}

static void put_value(struct csn_buf *buf, const struct csn_value *value)
{
    REQUIRE(value->size <= CSN_VALUE_MAX);
    csn_buf_put_u8(buf, value->size);
    csn_buf_put(buf, value->octets, value->size);
}

static void read_value(struct csn_reader *reader, struct csn_value *ret_value)
{
    memset(ret_value, 0, sizeof(*ret_value));
    ret_value->size = csn_read_range(reader, 0, CSN_VALUE_MAX);
    csn_read_copy(reader, ret_value->octets, ret_value->size);
}

void csn_body_refused_encode(const struct csn_body_refused *body, struct csn_buf *buf)
{
    csn_put_digest(buf, &body->hash);
    csn_buf_put_u8(buf, body->rule);
    csn_buf_put_u8(buf, body->test);
    put_value(buf, &body->want);
    put_value(buf, &body->is);
    csn_put_floor(buf, &body->floor);
    csn_put_release(buf, &body->newest);
}

int csn_body_refused_decode(struct csn_bytes octets, struct csn_body_refused *ret_body)
{
    struct csn_reader reader = body_reader(octets);
    struct csn_body_refused body;
    csn_read_digest(&reader, &body.hash);
    body.rule = csn_read_u8(&reader);
    body.test = csn_read_u8(&reader);
    read_value(&reader, &body.want);
    read_value(&reader, &body.is);
    csn_read_floor(&reader, &body.floor);
    csn_read_release(&reader, &body.newest);
    if (!csn_reader_done(&reader)) {
        return CSN_EFORMAT;
    }
    *ret_body = body;
    return CSN_OK;
}

void csn_body_lead_encode(const struct csn_body_lead *body, struct csn_buf *buf)
{
    csn_buf_put_u32(buf, body->epoch);
    csn_put_term(buf, body->term);
    csn_buf_put_u32(buf, body->seq);
    csn_buf_put_u8(buf, (uint8_t)body->state);
    csn_buf_put_u16(buf, body->site);
    csn_buf_put_u8(buf, body->is_whole);
    csn_buf_put_u16(buf, body->zone_count);
    csn_buf_put_bytes(buf, body->zones);
}

void csn_lead_put(struct csn_buf *zones, const uint8_t *zone, uint16_t site)
{
    csn_put_name(zones, zone);
    csn_buf_put_u16(zones, site);
}

bool csn_lead_next(struct csn_reader *zones, uint8_t ret_zone[CSN_NAME_MAX], uint16_t *ret_site)
{
    if (csn_reader_left(zones) == 0) {
        return false;
    }
    csn_read_name(zones, ret_zone);
    *ret_site = csn_read_u16(zones);
    zones->failed = zones->failed || *ret_site == 0;
    return !zones->failed;
}

int csn_body_lead_decode(struct csn_bytes octets, struct csn_body_lead *ret_body)
{
    struct csn_reader reader = body_reader(octets);
    struct csn_body_lead body = {.epoch = csn_read_u32(&reader)};
    body.term = csn_read_term(&reader);
    body.seq = csn_read_u32(&reader);
    body.state = (enum csn_lead_state)csn_read_range(&reader, CSN_LEAD_ASKS, CSN_LEAD_RESIGNED);
    body.site = csn_read_u16(&reader);
    body.is_whole = csn_read_bool(&reader);
    body.zone_count = csn_read_u16(&reader);
    body.zones = csn_bytes(reader.at, csn_reader_left(&reader));
    uint8_t zone[CSN_NAME_MAX];
    uint16_t site;
    unsigned zones = 0;
    while (!reader.failed && csn_lead_next(&reader, zone, &site)) {
        zones++;
    }
    if (!csn_reader_done(&reader) || zones != body.zone_count) {
        return CSN_EFORMAT;
    }
    *ret_body = body;
    return CSN_OK;
}

void csn_row_encode(const struct csn_row *row, struct csn_buf *buf)
{
    REQUIRE(row->input_count <= CSN_ROW_INPUTS_MAX && row->hold_count <= CSN_ROW_HOLDS_MAX);
    csn_put_name(buf, row->zone);
    csn_buf_put_u8(buf, row->is_held);
    csn_buf_put_u8(buf, row->maintenance);
    csn_buf_put_u64(buf, row->order_sum);
    csn_buf_put_u16(buf, row->authority);
    csn_buf_put_u8(buf, row->approved.is_set);
    csn_buf_put_u32(buf, row->approved.serial);
    csn_buf_put_u8(buf, row->hsm);
    csn_buf_put_u8(buf, row->diverged);
    csn_buf_put_u8(buf, row->is_behind);
    csn_buf_put_u8(buf, row->gate);
    csn_put_floor(buf, &row->floor);
    csn_put_release(buf, &row->released);
    csn_buf_put_u32(buf, row->released_serial);
    csn_put_release(buf, &row->newest);
    csn_put_version(buf, &row->policy);
    csn_put_version(buf, &row->keyset);
    csn_buf_put_u64(buf, row->due_s);
    csn_put_digest(buf, &row->work);
    csn_buf_put_u8(buf, row->input_count);
    for (unsigned i = 0; i < row->input_count; i++) {
        csn_put_input(buf, &row->inputs[i]);
    }
    csn_buf_put_u8(buf, row->hold_count);
    for (unsigned i = 0; i < row->hold_count; i++) {
        csn_put_release(buf, &row->holds[i].version);
        csn_put_digest(buf, &row->holds[i].hash);
    }
}

static void read_row_lists(struct csn_reader *reader, struct csn_row *row)
{
    row->input_count = csn_read_range(reader, 0, CSN_ROW_INPUTS_MAX);
    for (unsigned i = 0; i < row->input_count; i++) {
        csn_read_input(reader, &row->inputs[i]);
    }
    row->hold_count = csn_read_range(reader, 0, CSN_ROW_HOLDS_MAX);
    for (unsigned i = 0; i < row->hold_count; i++) {
        csn_read_release(reader, &row->holds[i].version);
        csn_read_digest(reader, &row->holds[i].hash);
    }
}

static void read_row(struct csn_reader *reader, struct csn_row *ret_row)
{
    memset(ret_row, 0, sizeof(*ret_row));
    csn_read_name(reader, ret_row->zone);
    ret_row->is_held = csn_read_bool(reader);
    ret_row->maintenance = csn_read_range(reader, 0, CSN_MAINTENANCE_ZONE | CSN_MAINTENANCE_SITE);
    ret_row->order_sum = csn_read_u64(reader);
    ret_row->authority = csn_read_u16(reader);
    ret_row->approved.is_set = csn_read_bool(reader);
    ret_row->approved.serial = csn_read_u32(reader);
    reader->failed = reader->failed || (!ret_row->approved.is_set && ret_row->approved.serial != 0);
    ret_row->hsm = csn_read_range(reader, CSN_HSM_ABSENT, CSN_HSM_BAD);
    ret_row->diverged = csn_read_range(reader, 0, 15);
    ret_row->is_behind = csn_read_bool(reader);
    ret_row->gate = csn_read_u8(reader);
    csn_read_floor(reader, &ret_row->floor);
    csn_read_release(reader, &ret_row->released);
    ret_row->released_serial = csn_read_u32(reader);
    csn_read_release(reader, &ret_row->newest);
    csn_read_version(reader, &ret_row->policy);
    csn_read_version(reader, &ret_row->keyset);
    ret_row->due_s = csn_read_u64(reader);
    csn_read_digest(reader, &ret_row->work);
    read_row_lists(reader, ret_row);
}

bool csn_row_next(struct csn_reader *rows, struct csn_row *ret_row)
{
    if (csn_reader_left(rows) == 0) {
        return false;
    }
    read_row(rows, ret_row);
    return !rows->failed;
}

void csn_body_report_encode(const struct csn_body_report *body, struct csn_buf *buf)
{
    csn_buf_put_u32(buf, body->boot);
    csn_buf_put_u64(buf, body->seq);
    csn_buf_put_u64(buf, body->clock_s);
    csn_put_term(buf, body->promised);
    csn_buf_put_u8(buf, (uint8_t)body->state);
    csn_buf_put_u8(buf, (uint8_t)body->hsm);
    csn_buf_put_u32(buf, body->epoch);
    csn_put_version(buf, &body->next);
    csn_buf_put_u32(buf, body->table_count);
    csn_put_digest(buf, &body->table_digest);
    csn_buf_put_u16(buf, body->row_count);
    csn_buf_put_bytes(buf, body->rows);
}

static void read_report_head(struct csn_reader *reader, struct csn_body_report *body)
{
    body->boot = csn_read_u32(reader);
    body->seq = csn_read_u64(reader);
    body->clock_s = csn_read_u64(reader);
    body->promised = csn_read_term(reader);
    body->state = (enum csn_node_state)csn_read_range(reader, CSN_NODE_STARTING, CSN_NODE_HALTED);
    body->hsm = (enum csn_hsm_state)csn_read_range(reader, CSN_HSM_ABSENT, CSN_HSM_BAD);
    body->epoch = csn_read_u32(reader);
    csn_read_version(reader, &body->next);
    body->table_count = csn_read_u32(reader);
    csn_read_digest(reader, &body->table_digest);
    body->row_count = csn_read_u16(reader);
}

int csn_body_report_decode(struct csn_bytes octets, struct csn_body_report *ret_body)
{
    struct csn_reader reader = body_reader(octets);
    struct csn_body_report body;
    read_report_head(&reader, &body);
    body.rows = csn_bytes(reader.at, csn_reader_left(&reader));
    struct csn_row row;
    unsigned rows = 0;
    while (!reader.failed && csn_row_next(&reader, &row)) {
        rows++;
    }
    if (verdict(&reader) != CSN_OK || rows != body.row_count) {
        return CSN_EFORMAT;
    }
    *ret_body = body;
    return CSN_OK;
}
