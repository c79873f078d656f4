#include "round/node_state.h"

#include <string.h>

/* --- rows */

static bool is_newer_input(const struct csn_node_zone *zone, const struct csn_input_id *input)
{
    return zone->certificate_count == 0 ||
           csn_input_compare(
               input,
               &zone->certificates[zone->certificate_count - 1].certificate.held.proposal.input) ==
               1;
}

/* No work due, no new serial (signing.md 3): not before the refresh interval has passed, nor before
 * the schedule changes a signature of the newest version. */
static uint64_t refresh_due_s(const struct csn_node *node, const struct csn_node_zone *zone)
{
    if (zone->certificate_count == 0) {
        return UINT64_MAX;
    }
    const struct csn_body_held *newest =
        &zone->certificates[zone->certificate_count - 1].certificate.held;
    const struct csn_round_zone *config = csn_node_config(node, zone);
    uint64_t interval = newest->proposal.time_s + config->refresh_interval_s;
    uint64_t slot = newest->earliest_expiry_s > config->refresh_s
                        ? newest->earliest_expiry_s - config->refresh_s
                        : 0; /* until the shell has told */
    uint64_t due = csn_digest_equal(&zone->due_root, &newest->full_root) ? zone->due_s : slot;
    /* A later round lets it rejoin; but not while its own file is another than the one that was released. */
    bool is_quiet = zone->diverged == 0 || csn_zone_conflicts(zone, &newest->proposal.input);
    return is_quiet && due > interval ? due : interval;
}

/* The newest certificate calls for another: its refresh, an input or a document it does not have. */
static bool is_due(const struct csn_node *node, const struct csn_node_zone *zone)
{
    bool is_due = refresh_due_s(node, zone) <= node->now.wall_s;
    if (zone->certificate_count > 0) {
        const struct csn_proposal *newest =
            &zone->certificates[zone->certificate_count - 1].certificate.held.proposal;
        is_due = is_due || zone->policies[0].number > newest->policy.number ||
                 zone->keysets[0].number > newest->keyset.number;
    }
    for (size_t i = 0; i < zone->input_count && !is_due; i++) {
        const struct csn_known_input *input = &zone->inputs[i];
        is_due = input->is_confirmed && is_newer_input(zone, &input->id);
    }
    return is_due;
}

static bool has_later_peer(const struct csn_node *node, const struct csn_node_zone *zone)
{
    for (unsigned i = 0; i < node->cluster.member_count; i++) {
        const struct csn_row *row = csn_peers_row(&node->peers, i, zone->index);
        if (i != node->member && row != NULL &&
            csn_round_compare(row->released.round, zone->released.round) > 0 &&
            csn_peers_is_fresh(&node->peers, i, node->now, CSN_SILENT_MS)) {
            return true;
        }
    }
    return false;
}

/* "Who answers": a newer certificate is known for longer than behind_max, or the first signature is
 * inside the fence of R/4 while another site has released something later. Never for the expiry
 * alone: an old answer is better than none. */
bool csn_zone_is_behind(const struct csn_node *node, const struct csn_node_zone *zone)
{
    const struct csn_round_zone *config = csn_node_config(node, zone);
    const struct csn_known_certificate *released = csn_zone_certificate(zone, zone->released.round);
    uint64_t max_ms = 1000 * (uint64_t)config->behind_max_s;
    bool is_too_late = zone->is_late && node->now.mono_ms - zone->late_ms > max_ms;
    bool is_fenced = zone->is_serving && released != NULL &&
                     released->certificate.held.earliest_expiry_s <=
                         node->now.wall_s + config->refresh_s / 4;
    bool has_later = node->halt == CSN_HALT_REMOVED || has_later_peer(node, zone); /* the others go on without it */
    return is_too_late || (is_fenced && has_later);
}

/* The newest from the own source that are not below the floor. */
static void fill_inputs(const struct csn_node_zone *zone, struct csn_row *row)
{
    for (size_t i = zone->input_count; i > 0 && row->input_count < CSN_ROW_INPUTS_MAX; i--) {
        const struct csn_known_input *input = &zone->inputs[i - 1];
        int order = csn_input_compare(&input->id, &zone->floor.input);
        if (input->is_confirmed && order >= 0 && order != CSN_INPUT_UNORDERED) {
            row->inputs[row->input_count++] = input->id;
        }
    }
}

static void fill_holds(const struct csn_node *node, const struct csn_node_zone *zone, struct csn_row *row)
{
    size_t kept = csn_zone_holds_kept(zone);
    size_t count = kept < CSN_ROW_HOLDS_MAX ? kept : CSN_ROW_HOLDS_MAX;
    for (size_t i = zone->hold_count - count; i < zone->hold_count; i++) {
        const struct csn_hold *hold = &zone->holds[i];
        if (hold->held.proposal.epoch != node->cluster.epoch) {
            continue; /* dead: nobody votes in that epoch any more */
        }
        row->holds[row->hold_count++] = (struct csn_row_hold){
            .version = {.round = hold->held.proposal.round, .full_root = hold->held.full_root},
            .hash = hold->hash};
    }
}

void csn_zone_fill_row(const struct csn_node *node, const struct csn_node_zone *zone,
                       struct csn_row *ret_row)
{
    const struct csn_known_certificate *released = csn_zone_certificate(zone, zone->released.round);
    *ret_row = (struct csn_row){
        .is_held = csn_zone_is_held(zone),
        .maintenance = csn_zone_maintenance(zone, node->site),
        .order_sum = zone->durable_order_sum,
        .authority = csn_zone_authority(zone),
        .approved = csn_zone_approved_serial(node, zone),
        .hsm = (uint8_t)zone->hsm,
        .diverged = zone->diverged,
        .is_behind = csn_zone_is_behind(node, zone),
        .gate = zone->gate,
        .floor = zone->floor,
        .newest = csn_zone_newest(zone),
        .policy = zone->policies[0],
        .keyset = zone->keysets[0],
        .due_s = refresh_due_s(node, zone),
    };
    memcpy(ret_row->zone, csn_node_zone_name(node, zone), CSN_NAME_MAX);
    if (zone->is_serving && released != NULL) {
        ret_row->released = zone->released;
        ret_row->released_serial = released->certificate.held.proposal.serial;
    }
    if (zone->work.state != CSN_WORK_IDLE) {
        ret_row->work = zone->work.hash;
    }
    fill_inputs(zone, ret_row);
    fill_holds(node, zone, ret_row);
}

bool csn_zone_is_pending(const struct csn_node *node, const struct csn_node_zone *zone)
{
    return zone->pending.is_set || zone->work.state != CSN_WORK_IDLE ||
           zone->adopt.state != CSN_ADOPT_CURRENT || csn_zone_holds_kept(zone) > 0 ||
           is_due(node, zone);
}

/* --- the table */

#define ROW_TIMES 3 /* a row that changed is said so often: a BUS loses messages */
static const uint64_t row_pause_ms[ROW_TIMES] = {4000, 1000, 0}; /* by the times left */

/* A row that may have changed: if it did, it is news. */
static void look_at_row(struct csn_node *node, struct csn_node_zone *zone)
{
    struct csn_row row;
    struct csn_buf octets = {0};
    struct csn_digest digest;
    csn_zone_fill_row(node, zone, &row);
    csn_row_encode(&row, &octets);
    csn_sha384(csn_buf_view(&octets), &digest);
    csn_buf_fini(&octets);
    zone->is_row_stale = false;
    if (!csn_digest_equal(&digest, &zone->row_digest)) {
        zone->row_digest = digest;
        zone->row_left = ROW_TIMES;
        zone->row_ms = node->now.mono_ms;
        node->is_table_stale = true;
    }
}

static void look_at_rows(struct csn_node *node)
{
    for (size_t i = 0; i < node->zone_count; i++) {
        if (node->zones[i].is_row_stale) {
            look_at_row(node, &node->zones[i]);
        }
    }
    if (!node->is_table_stale) {
        return;
    }
    struct csn_buf all = {0};
    for (size_t i = 0; i < node->zone_count; i++) {
        csn_buf_put(&all, node->zones[i].row_digest.octets, CSN_DIGEST_SIZE);
    }
    csn_sha384(csn_buf_view(&all), &node->table_digest);
    csn_buf_fini(&all);
    node->is_table_stale = false;
}

void csn_node_tell_all(struct csn_node *node)
{
    for (size_t i = 0; i < node->zone_count; i++) {
        struct csn_node_zone *zone = &node->zones[i];
        zone->row_left = zone->row_left > 1 ? zone->row_left : 1;
        zone->row_ms = node->now.mono_ms;
    }
}

/* --- reports */

#define REPORT_HEAD_MAX 192    /* octets of a report before its rows */
#define REPORTS_MAX 64         /* at a time: what more there is to tell waits for the next time */
#define TURNS_ALL 4            /* so many zones are said in every report anyway */
#define TURNS_SHARE 100        /* of more, this part: all within 200 reports */

/* The rows of a report while they are collected. */
struct rows {
    uint64_t seq;          /* of the report */
    struct csn_buf octets; /* owns */
    uint16_t count;
};

/* False when it does not fit any more. */
static bool put_row(struct csn_node *node, struct csn_node_zone *zone, struct rows *rows)
{
    struct csn_row row;
    size_t before = rows->octets.size;
    if (zone->row_seq == rows->seq) {
        return true; /* is in it already */
    }
    csn_zone_fill_row(node, zone, &row);
    csn_row_encode(&row, &rows->octets);
    if (rows->octets.size > CSN_STATEMENT_MAX - REPORT_HEAD_MAX) {
        rows->octets.size = before;
        return false;
    }
    rows->count++;
    zone->row_seq = rows->seq;
    if (zone->row_left > 0) {
        zone->row_left--;
        zone->row_ms = node->now.mono_ms + row_pause_ms[zone->row_left];
    }
    return true;
}

/* News from where the last report came to; true when there may be more. */
static bool put_news(struct csn_node *node, size_t *scanned, struct rows *rows)
{
    for (; *scanned < node->zone_count; (*scanned)++) {
        struct csn_node_zone *zone = &node->zones[node->news_cursor % node->zone_count];
        bool is_news = zone->row_left > 0 && zone->row_ms <= node->now.mono_ms;
        if (is_news && !put_row(node, zone, rows)) {
            return true;
        }
        node->news_cursor++;
    }
    return false;
}

/* Rows that may be no news to anybody take turns: who missed one, or came later, hears it in time. */
static void put_turns(struct csn_node *node, struct rows *rows)
{
    size_t share = node->zone_count / TURNS_SHARE > 0 ? node->zone_count / TURNS_SHARE : 1;
    size_t turns = node->zone_count <= TURNS_ALL ? node->zone_count : share;
    for (size_t i = 0; i < turns; i++) {
        if (!put_row(node, &node->zones[node->row_cursor % node->zone_count], rows)) {
            return;
        }
        node->row_cursor++;
    }
}

static enum csn_hsm_state worst_hsm(const struct csn_node *node)
{
    enum csn_hsm_state worst = CSN_HSM_BAD;
    while (worst > CSN_HSM_ABSENT && node->hsm_counts[worst] == 0) {
        worst--;
    }
    return worst;
}

static void send_report(struct csn_node *node, enum csn_statement_kind kind, const struct rows *rows)
{
    struct csn_buf octets = {0};
    struct csn_body_report body = {
        .boot = node->boot,
        .seq = rows->seq,
        .clock_s = node->now.wall_s,
        .promised = node->promised_durable,
        .state = csn_node_said_state(node),
        .hsm = worst_hsm(node),
        .epoch = node->cluster.epoch,
        .next = node->epochs.has_next ? csn_epoch_version(&node->epochs.next)
                                      : (struct csn_version_id){0},
        .table_count = (uint32_t)node->zone_count,
        .table_digest = node->table_digest,
        .row_count = rows->count,
        .rows = csn_buf_view(&rows->octets),
    };
    csn_body_report_encode(&body, &octets);
    csn_node_send(node, kind, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

/* At least one report; at most `most`. */
static void report(struct csn_node *node, enum csn_statement_kind kind, unsigned most)
{
    size_t scanned = 0;
    look_at_rows(node);
    node->has_more_news = true;
    for (unsigned i = 0; i < most && node->has_more_news; i++) {
        struct rows rows = {.seq = ++node->report_seq};
        node->has_more_news = put_news(node, &scanned, &rows);
        if (i == 0) {
            put_turns(node, &rows);
        }
        if (i == 0 || rows.count > 0) {
            send_report(node, kind, &rows);
        }
        csn_buf_fini(&rows.octets);
    }
    node->report_ms = node->now.mono_ms;
}

void csn_node_report(struct csn_node *node, enum csn_statement_kind kind)
{
    report(node, kind, 1);
}

void csn_node_reports(struct csn_node *node)
{
    bool is_hurried = node->busy_count > 0 || node->has_more_news;
    uint64_t pause_ms = is_hurried ? CSN_REPORT_PENDING_MS : CSN_REPORT_IDLE_MS;
    if (node->now.mono_ms - node->report_ms >= pause_ms) {
        report(node, CSN_STATEMENT_REPORT, REPORTS_MAX);
    }
}
