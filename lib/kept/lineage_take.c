#include "kept/lineage_take.h"

#include <stdlib.h>
#include <string.h>

#include "kept/version.h"
#include "zone/leafset.h"
#include "zone/walk.h"

/* --- what one must be */

static bool is_certified(const struct csn_lineage_checker *checker, const struct csn_certificate *certificate)
{
    struct csn_reason reason;
    for (size_t i = 0; i < checker->cluster_count; i++) {
        if (checker->clusters[i].epoch == certificate->held.proposal.epoch) {
            return csn_certificate_check(certificate, &checker->clusters[i], checker->verify, checker->arg, &reason) == CSN_OK;
        }
    }
    return false;
}

static bool is_end(const struct csn_delta_end *end, const struct csn_body_held *held)
{
    return end->serial == held->proposal.serial && end->time_s == held->proposal.time_s &&
           csn_digest_equal(&end->full_root, &held->full_root);
}

/* CSN_ESIGNATURE; CSN_EMISMATCH: not a delta to `to`, or not from its parent. */
static int check_record(const struct csn_lineage_checker *checker, const struct csn_digest *to,
                        const struct csn_stored_delta *stored, struct csn_delta *ret_delta)
{
    struct csn_certificate certificate;
    const struct csn_body_held *held = &certificate.held;
    struct csn_delta delta;
    if (csn_certificate_decode(stored->certificate, &certificate) != CSN_OK || !is_certified(checker, &certificate)) {
        return CSN_ESIGNATURE;
    }
    if (!csn_name_equal(held->proposal.zone, checker->zone) || !csn_digest_equal(&held->full_root, to) ||
        csn_delta_decode(checker->zone, stored->octets, &delta) != CSN_OK || !is_end(&delta.to, held) ||
        !csn_digest_equal(&delta.from.full_root, &held->proposal.parent.full_root)) {
        return CSN_EMISMATCH;
    }
    *ret_delta = delta;
    return CSN_OK;
}

/* The leaves of a version that is complete here. */
static int read_leaves(const struct csn_lineage_checker *checker, const struct csn_digest *root, struct csn_leafset **ret_leaves)
{
    struct csn_table_reader *reader;
    struct csn_entry entry;
    int code = csn_table_open(checker->store, CSN_TABLE_VERSION, checker->zone, root, &reader);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_leafset *leaves = csn_leafset_new(checker->zone);
    while (code == CSN_OK && (code = csn_table_next(reader, &entry)) == CSN_OK) {
        code = csn_leafset_add(leaves, &entry);
    }
    csn_table_close(reader);
    if (code != CSN_ENOTFOUND) {
        csn_leafset_free(leaves);
        return code;
    }
    *ret_leaves = leaves;
    return CSN_OK;
}

/* --- forward */

/* A row of one of the deltas: what becomes of an RRset, or of the RRSIGs of one. */
struct change {
    struct csn_rrset row;
    size_t order; /* of its delta; twice, and one more where it is new */
};

struct forward {
    const struct csn_lineage_checker *checker; /* borrows */
    struct csn_digest from, to;
    struct csn_bytes records;        /* borrows */
    struct csn_stored_delta *deltas; /* owns; newest first; borrow from `records` */
    struct csn_delta *decoded;       /* owns; the same */
    size_t count;
    struct csn_digest at;      /* the delta to this one is the next */
    struct csn_lineage *found; /* borrows */
};

/* The records, newest first, down to what is served. */
static int read_records(struct forward *forward)
{
    struct csn_reader reader = csn_reader(forward->records);
    int code = CSN_OK;
    forward->at = forward->to;
    while (code == CSN_OK && csn_reader_left(&reader) > 0 && !csn_digest_equal(&forward->at, &forward->from)) {
        forward->deltas = csn_realloc(forward->deltas, forward->count + 1, sizeof(forward->deltas[0]));
        forward->decoded = csn_realloc(forward->decoded, forward->count + 1, sizeof(forward->decoded[0]));
        struct csn_stored_delta *stored = &forward->deltas[forward->count];
        struct csn_delta *delta = &forward->decoded[forward->count];
        stored->certificate = csn_read_bytes(&reader, csn_read_u16(&reader));
        stored->octets = csn_read_bytes(&reader, csn_read_u32(&reader));
        code = reader.failed ? CSN_EFORMAT : check_record(forward->checker, &forward->at, stored, delta);
        if (code == CSN_OK) {
            stored->name = (struct csn_delta_name){.from = delta->from.full_root, .to = delta->to.full_root};
            forward->at = delta->from.full_root;
            forward->count++;
        }
    }
    return code == CSN_OK && !csn_digest_equal(&forward->at, &forward->from) ? CSN_EMISMATCH : code;
}

/* Every one of them from root to root, oldest first. */
static int check_roots(struct forward *forward)
{
    struct csn_leafset *leaves;
    int code = read_leaves(forward->checker, &forward->from, &leaves);
    for (size_t i = forward->count; code == CSN_OK && i > 0; i--) {
        code = csn_leafset_take(leaves, &forward->decoded[i - 1]);
    }
    csn_leafset_free(leaves);
    return code;
}

static int compare_changes(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    int order = csn_delta_compare_rows(&x->row, &y->row);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static void add_rows(struct change **changes, size_t *count, struct csn_bytes rows, size_t order)
{
    struct csn_reader reader = csn_reader(rows);
    struct csn_rrset row;
    while (csn_delta_row(&reader, &row) == CSN_OK) {
        if ((*count & (*count - 1)) == 0) { /* full at each power of two */
            *changes = csn_realloc(*changes, *count > 0 ? 2 * *count : 1, sizeof((*changes)[0]));
        }
        (*changes)[(*count)++] = (struct change){.row = row, .order = order};
    }
}

/* What all of them come to: the last word on each RRset. */
struct sum {
    struct csn_rrset *rows;                  /* owns */
    struct csn_walk_difference *differences; /* owns; side 0 is the older version's, which only its place is taken from */
    size_t count;
};

static void sum_up(const struct forward *forward, struct sum *ret_sum)
{
    struct change *changes = NULL;
    size_t count = 0;
    for (size_t i = 0; i < forward->count; i++) {
        const struct csn_delta *delta = &forward->decoded[forward->count - 1 - i];
        add_rows(&changes, &count, delta->gone, 2 * i);
        add_rows(&changes, &count, delta->added, 2 * i + 1);
    }
    if (count > 0) {
        qsort(changes, count, sizeof(changes[0]), compare_changes);
    }
    struct sum sum = {.rows = csn_calloc(count + 1, sizeof(sum.rows[0])),
                      .differences = csn_calloc(count + 1, sizeof(sum.differences[0]))};
    for (size_t i = 0; i < count; i++) {
        if (i + 1 == count || csn_delta_compare_rows(&changes[i].row, &changes[i + 1].row) != 0) {
            struct csn_rrset *row = &sum.rows[sum.count];
            *row = changes[i].row;
            sum.differences[sum.count++] =
                (struct csn_walk_difference){.class = CSN_CLASS_D, .sides = {row, changes[i].order % 2 != 0 ? row : NULL}};
        }
    }
    free(changes);
    *ret_sum = sum;
}

static int keep_forward(struct forward *forward)
{
    int code = csn_store_put_deltas(forward->checker->store, forward->checker->zone, forward->deltas, forward->count);
    for (size_t i = 0; code == CSN_OK && i < forward->count; i++) {
        code = csn_lineage_note(forward->found, &forward->deltas[i]);
    }
    return code;
}

static int write_version(struct forward *forward)
{
    struct sum sum;
    struct csn_version_meta meta = {.serial = forward->decoded[0].to.serial, .time_s = forward->decoded[0].to.time_s};
    sum_up(forward, &sum);
    int code = csn_version_patch(forward->checker->store, forward->checker->zone, &forward->from, &forward->to, &meta,
                                 sum.differences, sum.count);
    free(sum.rows);
    free(sum.differences);
    return code;
}

int csn_lineage_forward(const struct csn_lineage_checker *checker, const struct csn_digest *from, const struct csn_digest *to,
                        struct csn_bytes records, struct csn_lineage *found, size_t *ret_count, uint32_t *ret_serial)
{
    struct forward forward = {.checker = checker, .from = *from, .to = *to, .records = records, .found = found};
    int code = csn_digest_equal(from, to) ? CSN_EMISMATCH : read_records(&forward);
    code = code == CSN_OK ? check_roots(&forward) : code;
    code = code == CSN_OK ? write_version(&forward) : code;
    code = code == CSN_OK ? keep_forward(&forward) : code;
    if (code == CSN_OK) {
        *ret_count = forward.count;
        *ret_serial = forward.decoded[0].to.serial;
    }
    free(forward.deltas);
    free(forward.decoded);
    return code;
}

/* --- back */

void csn_past_begin(struct csn_past *past, const struct csn_lineage *lineage)
{
    csn_leafset_free(past->leaves);
    past->leaves = NULL;
    free(past->known);
    csn_buf_clear(&past->record);
    past->known_count = csn_lineage_back(lineage, &past->served, &past->known);
    past->at = past->known_count > 0 ? past->known[past->known_count - 1].from : past->served;
    past->size = 0;
    for (size_t i = 0; i < past->known_count; i++) {
        past->size += csn_lineage_to(lineage, &past->known[i].to)->size;
    }
}

void csn_past_fini(struct csn_past *past)
{
    csn_leafset_free(past->leaves);
    free(past->known);
    csn_buf_fini(&past->record);
    free(past->taken);
    csn_lineage_fini(&past->found);
    *past = (struct csn_past){0};
}

/* The leaves of the oldest version that is known here. */
static int take_known(const struct csn_lineage_checker *checker, struct csn_past *past)
{
    struct csn_deltas_reader *reader;
    struct csn_stored_delta stored;
    struct csn_delta delta;
    int code = csn_deltas_open(checker->store, &reader);
    if (code != CSN_OK) {
        return code;
    }
    for (size_t i = 0; code == CSN_OK && i < past->known_count; i++) {
        code = csn_deltas_get(reader, checker->zone, &past->known[i], &stored);
        code = code == CSN_OK ? csn_delta_decode(checker->zone, stored.octets, &delta) : code;
        code = code == CSN_OK ? csn_leafset_take_back(past->leaves, &delta) : code;
    }
    csn_deltas_close(reader);
    return code;
}

static int take_record(const struct csn_lineage_checker *checker, struct csn_past *past, struct csn_stored_delta *stored)
{
    struct csn_delta delta;
    int code = check_record(checker, &past->at, stored, &delta);
    code = code == CSN_OK ? csn_leafset_take_back(past->leaves, &delta) : code;
    if (code == CSN_OK) {
        stored->name = (struct csn_delta_name){.from = delta.from.full_root, .to = delta.to.full_root};
        past->taken = csn_realloc(past->taken, past->taken_count + 1, sizeof(past->taken[0]));
        past->taken[past->taken_count++] = *stored;
        past->at = delta.from.full_root;
        past->size += delta.gone.size + delta.added.size;
    }
    return code;
}

bool csn_past_is_enough(const struct csn_past *past)
{
    return past->size > past->zone_size || past->known_count + past->count + past->taken_count >= CSN_LINEAGE_COUNT_MAX;
}

/* Every record that is whole; ret_used octets of them. What was good before a bad one stays good. */
static int take_records(const struct csn_lineage_checker *checker, struct csn_past *past, size_t *ret_used)
{
    struct csn_reader reader = csn_reader(csn_buf_view(&past->record));
    int code = CSN_OK;
    while (code == CSN_OK && !csn_past_is_enough(past)) {
        struct csn_stored_delta stored;
        stored.certificate = csn_read_bytes(&reader, csn_read_u16(&reader));
        stored.octets = csn_read_bytes(&reader, csn_read_u32(&reader));
        if (reader.failed) {
            break;
        }
        code = take_record(checker, past, &stored);
        *ret_used = (size_t)(reader.at - past->record.data);
    }
    return code == CSN_OK && past->record.size - *ret_used > past->zone_size + CSN_LINEAGE_RECORD_EXTRA ? CSN_ELIMIT : code;
}

/* One transaction; then what they borrow from may go. */
static int keep_past(const struct csn_lineage_checker *checker, struct csn_past *past)
{
    int code = CSN_OK;
    if (past->taken_count > 0) {
        code = csn_store_put_deltas(checker->store, checker->zone, past->taken, past->taken_count);
    }
    for (size_t i = 0; code == CSN_OK && i < past->taken_count; i++) {
        code = csn_lineage_note(&past->found, &past->taken[i]);
    }
    past->count += code == CSN_OK ? past->taken_count : 0;
    past->taken_count = 0;
    return code;
}

static void keep_rest(struct csn_past *past, size_t used)
{
    if (used == 0) {
        return;
    }
    memmove(past->record.data, past->record.data + used, past->record.size - used);
    past->record.size -= used;
}

int csn_past_take(const struct csn_lineage_checker *checker, struct csn_past *past, struct csn_bytes piece)
{
    size_t used = 0;
    int code = CSN_OK;
    if (past->leaves == NULL) {
        code = read_leaves(checker, &past->served, &past->leaves);
        code = code == CSN_OK ? take_known(checker, past) : code;
    }
    if (code == CSN_OK) {
        csn_buf_put_bytes(&past->record, piece);
        code = take_records(checker, past, &used);
    }
    int kept = keep_past(checker, past);
    keep_rest(past, used);
    return kept != CSN_OK ? kept : code;
}
