#include "ctl_render.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define COLUMNS_MAX 10
#define CELL_MAX 256
#define GAP 2
#define UNDER_ROW "      "

/* --- text */

static void put_clean(FILE *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
    }
}

void csn_ctl_put_wrapped(const struct csn_ctl_page *page, const char *lead, const char *text)
{
    FILE *out = page->out;
    size_t indent = strlen(lead);
    fputs(lead, out);
    for (size_t room = page->columns - indent; page->columns > indent && strlen(text) > room;) {
        size_t size = room;
        while (size > 0 && text[size] != ' ') {
            size--;
        }
        size = size > 0 ? size : room;
        put_clean(out, text, size);
        fprintf(out, "\n%*s", (int)indent, "");
        text += size + (text[size] == ' ');
    }
    put_clean(out, text, strlen(text));
    fputc('\n', out);
}

__attribute__((format(printf, 3, 4))) static void put_note(const struct csn_ctl_page *page,
                                                           const char *lead, const char *format, ...)
{
    char text[4 * CSN_REASON_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    csn_ctl_put_wrapped(page, lead, text);
}

/* --- tables */

struct table {
    size_t columns;
    size_t rows;
    char (*cells)[COLUMNS_MAX][CELL_MAX]; /* owns; row 0 is the heading */
};

static struct table new_table(const char *const *heading, size_t columns, size_t rows)
{
    struct table table = {.columns = columns, .rows = rows + 1};
    table.cells = csn_calloc(table.rows, sizeof(*table.cells));
    for (size_t i = 0; i < columns; i++) {
        snprintf(table.cells[0][i], CELL_MAX, "%s", heading[i]);
    }
    return table;
}

static int width_of(const struct table *table, size_t column)
{
    size_t width = 0;
    for (size_t row = 0; row < table->rows; row++) {
        size_t size = strlen(table->cells[row][column]);
        width = size > width ? size : width;
    }
    return (int)width;
}

static void put_row(FILE *out, const struct table *table, size_t row)
{
    for (size_t i = 0; i < table->columns; i++) {
        const char *cell = table->cells[row][i];
        put_clean(out, cell, strlen(cell));
        if (i + 1 < table->columns) {
            fprintf(out, "%*s", width_of(table, i) - (int)strlen(cell) + GAP, "");
        }
    }
    fputc('\n', out);
}

/* --- sites */

static const struct csn_status_zone *find_zone(const struct csn_status *status, const char *name)
{
    for (uint32_t i = 0; i < status->zone_count; i++) {
        if (strcmp(status->zones[i]->zone, name) == 0) {
            return status->zones[i];
        }
    }
    return NULL;
}

/* The zone that is shown where it is one alone; else NULL. */
static const struct csn_status_zone *only_zone(const struct csn_status *status)
{
    const struct csn_status_zone *only = NULL;
    for (uint32_t i = 0; i < status->zone_count; i++) {
        if (!status->zones[i]->is_hidden && only != NULL) {
            return NULL;
        }
        only = status->zones[i]->is_hidden ? only : status->zones[i];
    }
    return only;
}

/* What the site has of this zone. */
static void serial_text(const struct csn_status_site *site, const struct csn_status_zone *zone, char cell[CELL_MAX])
{
    snprintf(cell, CELL_MAX, "-");
    for (uint32_t i = 0; i < site->released_count; i++) {
        if (strcmp(site->released[i].zone, zone->zone) == 0) {
            snprintf(cell, CELL_MAX, "%" PRIu32, site->released[i].serial);
        }
    }
}

/* The serial where one zone is shown; else how many of its zones are at the newest release. */
static void released_text(const struct csn_status *status, const struct csn_status_site *site,
                          char cell[CELL_MAX])
{
    uint32_t newest = 0;
    const struct csn_status_zone *only = only_zone(status);
    if (only != NULL) {
        serial_text(site, only, cell);
        return;
    }
    for (uint32_t i = 0; i < site->released_count; i++) {
        const struct csn_status_zone *zone = find_zone(status, site->released[i].zone);
        newest += zone != NULL && zone->has_released && zone->released == site->released[i].serial;
    }
    if (site->released_count == 0) {
        snprintf(cell, CELL_MAX, "-");
    } else {
        snprintf(cell, CELL_MAX, "%" PRIu32 "/%" PRIu32 " zones", newest, status->zone_count);
    }
}

static void seen_text(const struct csn_status_site *site, char cell[CELL_MAX])
{
    if (!site->has_last_seen) {
        snprintf(cell, CELL_MAX, "never");
    } else if (site->last_seen_ms < 60000) {
        snprintf(cell, CELL_MAX, "%" PRIu64 ".%" PRIu64 "s", site->last_seen_ms / 1000,
                 site->last_seen_ms / 100 % 10);
    } else {
        csn_span_text(site->last_seen_ms / 1000, cell);
    }
}

/* Reports carry whole seconds, cut off: of one second's difference nothing is known. */
static void clock_text(const struct csn_status_site *site, char cell[CELL_MAX])
{
    int64_t offset_s = site->clock_offset_us / 1000000;
    if (!site->has_clock_offset) {
        snprintf(cell, CELL_MAX, "-");
    } else if (offset_s >= -1 && offset_s <= 1) {
        snprintf(cell, CELL_MAX, "<2s");
    } else {
        snprintf(cell, CELL_MAX, "%+" PRId64 "s", offset_s);
    }
}

/* A state other than ok is in capitals: it must show without colour too. */
static void state_text(const char *state, const char *plain, char cell[CELL_MAX])
{
    snprintf(cell, CELL_MAX, "%s", state);
    for (char *c = cell; strcmp(state, plain) != 0 && *c != '\0'; c++) {
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    }
}

/* A long reason does not fit into a column; it is said below the row. */
static bool is_short(const char *hsm)
{
    return strlen(hsm) <= 16;
}

static uint64_t span(uint64_t from_s, uint64_t to_s)
{
    return to_s > from_s ? to_s - from_s : 0;
}

/* Of its zones the one that ends first. */
static void serves_text(const struct csn_status *status, const struct csn_status_site *site,
                        char cell[CELL_MAX])
{
    uint64_t first_s = 0;
    for (uint32_t i = 0; i < status->zone_count; i++) {
        const struct csn_status_zone *zone = status->zones[i];
        for (uint32_t k = 0; k < zone->serving_count; k++) {
            uint64_t expiry_s = zone->serving[k].first_expiry_s;
            bool is_first = expiry_s != 0 && (first_s == 0 || expiry_s < first_s);
            first_s = is_first && strcmp(zone->serving[k].site, site->name) == 0 ? expiry_s : first_s;
        }
    }
    snprintf(cell, CELL_MAX, "-");
    if (first_s != 0) {
        csn_span_text(span(status->observed_at_s, first_s), cell);
    }
}

static void fill_site(const struct csn_status *status, const struct csn_status_site *site,
                      char (*cells)[CELL_MAX])
{
    snprintf(cells[0], CELL_MAX, "%s", site->name);
    snprintf(cells[1], CELL_MAX, "%s%s", site->role, site->leads ? " *" : "");
    bool is_coordinator = strcmp(site->role, "coordinator") == 0; /* each of its states is a good one */
    state_text(site->state, is_coordinator ? site->state : "ok", cells[2]);
    if (site->is_in_maintenance) {
        size_t size = strlen(cells[2]);
        snprintf(cells[2] + size, CELL_MAX - size, " (maintenance)");
    }
    seen_text(site, cells[3]);
    clock_text(site, cells[4]);
    snprintf(cells[5], CELL_MAX, "%s",
             site->hsm == NULL     ? "-"
             : is_short(site->hsm) ? site->hsm
                                   : "see below");
    released_text(status, site, cells[6]);
    serves_text(status, site, cells[7]);
}

/* A coordinator does not know. */
static bool has_serving(const struct csn_status *status)
{
    for (uint32_t i = 0; i < status->zone_count; i++) {
        if (status->zones[i]->serving_count > 0) {
            return true;
        }
    }
    return false;
}

static void put_sites(const struct csn_ctl_page *page, const struct csn_status *status)
{
    static const char *const heading[] = {"SITE",  "ROLE", "STATE",   "SEEN",
                                          "CLOCK", "HSM",  "RELEASED", "SERVES FOR"};
    struct table table =
        new_table(heading, has_serving(status) ? 8 : 7, status->site_count);
    for (uint32_t i = 0; i < status->site_count; i++) {
        fill_site(status, status->sites[i], table.cells[i + 1]);
    }
    put_row(page->out, &table, 0);
    for (uint32_t i = 0; i < status->site_count; i++) {
        const struct csn_status_site *site = status->sites[i];
        put_row(page->out, &table, i + 1);
        if (site->error != NULL) {
            put_note(page, UNDER_ROW, "error: %s", site->error);
        }
        if (site->hsm != NULL && !is_short(site->hsm)) {
            put_note(page, UNDER_ROW, "HSM: %s", site->hsm);
        }
    }
    free(table.cells);
}

/* --- zones */

static void expiry_text(const struct csn_status *status, const struct csn_status_zone *zone,
                        char cell[CELL_MAX])
{
    if (!zone->has_released) {
        snprintf(cell, CELL_MAX, "-");
    } else if (zone->first_expiry_s <= status->observed_at_s) {
        snprintf(cell, CELL_MAX, "EXPIRED");
    } else {
        csn_span_text(span(status->observed_at_s, zone->first_expiry_s), cell);
    }
}

static void prefix_text(const struct csn_digest *digest, char cell[CELL_MAX])
{
    csn_hex_encode(csn_bytes(digest->octets, 4), cell);
}

/* The serial of a file; with its generation where an operator has raised it. */
static void input_text(const struct csn_status_input *input, const char *lead, char cell[CELL_MAX])
{
    if (input->generation > 1) {
        snprintf(cell, CELL_MAX, "%s%" PRIu32 ":%" PRIu32, lead, input->generation, input->serial);
    } else {
        snprintf(cell, CELL_MAX, "%s%" PRIu32, lead, input->serial);
    }
}

static void fill_zone(const struct csn_status *status, const struct csn_status_zone *zone,
                      char (*cells)[CELL_MAX])
{
    snprintf(cells[0], CELL_MAX, "%s", zone->zone);
    state_text(zone->state, "released", cells[1]);
    for (size_t i = 2; i < 10; i++) {
        snprintf(cells[i], CELL_MAX, "-");
    }
    if (zone->has_pending) {
        snprintf(cells[6], CELL_MAX, "%" PRIu32, zone->pending);
    } else if (zone->has_pending_input) {
        input_text(&zone->pending_input, "input ", cells[6]);
    }
    expiry_text(status, zone, cells[9]);
    if (zone->has_released) {
        snprintf(cells[2], CELL_MAX, "%" PRIu32, zone->released);
        input_text(&zone->input, "", cells[3]);
        snprintf(cells[4], CELL_MAX, "%u/%u%s", zone->votes, zone->voters,
                 zone->diverged_count > 0 ? " x" : "");
        csn_span_text(span(zone->released_at_s, status->observed_at_s), cells[5]);
        prefix_text(&zone->content, cells[7]);
        prefix_text(&zone->full, cells[8]);
    }
}

/* NULL: it is over with being done. */
static const char *order_word(const struct csn_status_order *row)
{
    bool is_lead = strcmp(row->order, CSN_STATUS_AUTHORITY) == 0 && row->site != NULL;
    return strcmp(row->order, CSN_STATUS_HOLD) == 0          ? "HELD"
           : strcmp(row->order, CSN_STATUS_MAINTENANCE) == 0 ? "MAINTENANCE"
           : is_lead                                         ? "AUTHORITY"
                                                             : NULL;
}

static const char *force_word(const struct csn_status *status, const struct csn_status_zone *zone,
                              const struct csn_status_order *row)
{
    return zone->orders_known >= csn_status_needed(status, row->order) ? "in force"
                                                                       : "not in force yet";
}

/* What operators have ordered until they take it back. */
static void put_orders(const struct csn_ctl_page *page, const struct csn_status *status,
                       const struct csn_status_zone *zone)
{
    char since[CSN_TIME_TEXT_SIZE];
    for (uint32_t i = 0; i < zone->order_count; i++) {
        const struct csn_status_order *row = &zone->orders[i];
        const char *word = order_word(row);
        csn_time_text(row->number / 1000000, since);
        if (strcmp(row->order, CSN_STATUS_REJECT) == 0 && row->has_serial) {
            put_note(page, UNDER_ROW, "input %" PRIu32 " REJECTED by %s since %s: %s; consignctl zone approve takes it all the same",
                     row->serial, row->operator, since, row->reason);
        }
        if (strcmp(row->order, CSN_STATUS_SERIAL) == 0 && row->has_serial) {
            put_note(page, UNDER_ROW, "serial %" PRIu32 " APPROVED by %s since %s: %s (known at %u of %u sites, %s); consignctl zone reject-serial ends it",
                     row->serial, row->operator, since, row->reason, zone->orders_known, status->members,
                     force_word(status, zone, row));
        }
        if (strcmp(row->order, CSN_STATUS_ANNOUNCED) == 0 && row->has_serial) {
            put_note(page, UNDER_ROW, "serial %" PRIu32 " announced by %s since %s: %s (known at %u of %u sites) and not approved; "
                     "consignctl zone approve-serial again, or reject-serial",
                     row->serial, row->operator, since, row->reason, zone->orders_known, status->members);
        }
        if (word == NULL) {
            continue;
        }
        put_note(page, UNDER_ROW, "%s%s%s by %s since %s: %s (known at %u of %u sites, %s)",
                 word, row->site != NULL ? " of " : "",
                 row->site != NULL ? row->site : "", row->operator, since, row->reason,
                 zone->orders_known, status->members, force_word(status, zone, row));
    }
}

static bool is_same(const struct csn_status_documents *a, const struct csn_status_documents *b)
{
    return a->policy == b->policy && a->policy_head == b->policy_head && a->keyset == b->keyset &&
           a->keyset_head == b->keyset_head;
}

/* Whether another site has this version of either document with other content. */
static bool is_ambiguous(const struct csn_status_zone *zone, const struct csn_status_documents *row)
{
    for (uint32_t i = 0; i < zone->documents_count; i++) {
        const struct csn_status_documents *other = &zone->documents[i];
        if ((other->policy == row->policy && other->policy_head != row->policy_head) ||
            (other->keyset == row->keyset && other->keyset_head != row->keyset_head)) {
            return true;
        }
    }
    return false;
}

/* The versions of row `first`, and all sites that have them; by an earlier row: nothing. */
static void put_version(FILE *text, const struct csn_status_zone *zone, uint32_t first)
{
    const struct csn_status_documents *row = &zone->documents[first];
    for (uint32_t i = 0; i < first; i++) {
        if (is_same(row, &zone->documents[i])) {
            return;
        }
    }
    fprintf(text, "%spolicy %" PRIu32 ", key set %" PRIu32, first > 0 ? "; " : "", row->policy, row->keyset);
    if (is_ambiguous(zone, row)) {
        fprintf(text, " (contents %08" PRIx32 ", %08" PRIx32 ")", row->policy_head, row->keyset_head);
    }
    const char *lead = " at ";
    for (uint32_t i = first; i < zone->documents_count; i++) {
        if (is_same(row, &zone->documents[i])) {
            fprintf(text, "%s%s", lead, zone->documents[i].site);
            lead = ", ";
        }
    }
}

/* A roll-out goes site by site, so that differing is no fault. */
static void put_documents(const struct csn_ctl_page *page, const struct csn_status_zone *zone)
{
    char *line = NULL;
    size_t size;
    FILE *text = open_memstream(&line, &size);
    if (text == NULL) {
        return;
    }
    for (uint32_t i = 0; i < zone->documents_count; i++) {
        put_version(text, zone, i);
    }
    if (fclose(text) == 0 && size > 0) {
        csn_ctl_put_wrapped(page, UNDER_ROW, line);
    }
    free(line);
}

/* What keeps the zone from its next release, under its row; last, which documents are in use. */
static void put_zone_notes(const struct csn_ctl_page *page, const struct csn_status *status,
                           const struct csn_status_zone *zone)
{
    char since[CSN_STATUS_SINCE_SIZE], serial[32];
    put_orders(page, status, zone);
    if (zone->waiting_for != NULL) {
        put_note(page, UNDER_ROW, "pending: %s", zone->waiting_for);
    }
    for (uint32_t i = 0; i < zone->diverged_count; i++) {
        const struct csn_status_diverged *row = &zone->diverged[i];
        csn_status_since(row->since_s, since);
        put_note(page, UNDER_ROW, "%s DIVERGED%s in serial %" PRIu32 ", class %s%s%s",
                 row->site, since, row->serial, row->classes, row->detail != NULL ? ": " : "",
                 row->detail != NULL ? row->detail : "");
    }
    for (uint32_t i = 0; i < zone->parked_count; i++) {
        const struct csn_status_parked *row = &zone->parked[i];
        csn_status_since(row->since_s, since);
        snprintf(serial, sizeof(serial), "%" PRIu32 " ", row->serial);
        put_note(page, UNDER_ROW, "input %sPARKED at %s%s: %s", row->has_serial ? serial : "",
                 row->site, since, row->reason);
    }
    put_documents(page, zone);
}

static void put_zones(const struct csn_ctl_page *page, const struct csn_status *status)
{
    static const char *const heading[] = {"ZONE", "STATE",   "RELEASED", "INPUT",  "VOTES",
                                          "AGE",  "PENDING", "CONTENT",  "SIGNED", "FIRST EXPIRY"};
    struct table table =
        new_table(heading, sizeof(heading) / sizeof(heading[0]), status->zone_count);
    uint32_t shown = 0;
    for (uint32_t i = 0; i < status->zone_count; i++) {
        if (!status->zones[i]->is_hidden) {
            fill_zone(status, status->zones[i], table.cells[++shown]);
        }
    }
    table.rows = shown + 1;
    put_row(page->out, &table, 0);
    shown = 0;
    for (uint32_t i = 0; i < status->zone_count; i++) {
        if (!status->zones[i]->is_hidden) {
            put_row(page->out, &table, ++shown);
            put_zone_notes(page, status, status->zones[i]);
        }
    }
    if (shown < status->zone_count) {
        put_note(page, "", "%" PRIu32 " of %" PRIu32 " zones", shown, status->zone_count);
    }
    free(table.cells);
}

/* --- the verdict */

static uint32_t count_voters(const struct csn_status *status)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < status->site_count; i++) {
        count +=
            strcmp(status->sites[i]->role, "coordinator") != 0 && status->sites[i]->error == NULL;
    }
    return count;
}

static uint32_t count_coordinators(const struct csn_status *status)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < status->coordinator_count; i++) {
        count += !status->coordinators[i].is_missing;
    }
    return count;
}

static uint32_t count_diverged(const struct csn_status *status)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < status->zone_count; i++) {
        count += status->zones[i]->diverged_count;
    }
    return count;
}

static uint32_t count_stale(const struct csn_status *status)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < status->zone_count; i++) {
        count += status->zones[i]->stale_count;
    }
    return count;
}

static uint32_t count_parked(const struct csn_status *status)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < status->zone_count; i++) {
        count += status->zones[i]->parked_count;
    }
    return count;
}

/* 0: nothing is released. */
static uint64_t first_expiry(const struct csn_status *status)
{
    uint64_t first_s = 0;
    for (uint32_t i = 0; i < status->zone_count; i++) {
        const struct csn_status_zone *zone = status->zones[i];
        if (zone->has_released && (first_s == 0 || zone->first_expiry_s < first_s)) {
            first_s = zone->first_expiry_s;
        }
    }
    return first_s;
}

/* "quorum 3/3, no divergence, first signature expires … (in …)" */
static void summary(const struct csn_status *status, char *ret_text, size_t size)
{
    char time[CSN_TIME_TEXT_SIZE], left[CSN_SPAN_TEXT_SIZE];
    uint64_t first_s = first_expiry(status);
    int used =
        snprintf(ret_text, size, "quorum %" PRIu32 "/%u, %s", count_voters(status), status->members,
                 count_diverged(status) == 0 ? "no divergence" : "DIVERGENCE");
    if (first_s > 0 && used > 0 && (size_t)used < size) {
        csn_time_text(first_s, time);
        csn_span_text(span(status->observed_at_s, first_s), left);
        snprintf(ret_text + used, size - (size_t)used, ", first signature %s %s (%s%s)",
                 first_s > status->observed_at_s ? "expires" : "EXPIRED", time,
                 first_s > status->observed_at_s ? "in " : "over since ", left);
    }
}

static const char *level_word(enum csn_health level)
{
    static const char *const words[] = {"OK", "DEGRADED", "CRITICAL", "UNKNOWN"};
    return words[level];
}

static void put_verdict(const struct csn_ctl_page *page, const struct csn_status *status)
{
    static const char *const colours[] = {"\033[32m", "\033[33m", "\033[31m", "\033[35m"};
    char text[CSN_REASON_MAX];
    for (uint32_t i = 0; i < status->reason_count; i++) {
        put_note(page, "! ", "%s", status->reasons[i]);
    }
    summary(status, text, sizeof(text));
    fprintf(page->out, "%s%s%s  %s\n", page->has_colour ? colours[status->level] : "",
            level_word(status->level), page->has_colour ? "\033[0m" : "", text);
}

int csn_ctl_exit(int code, bool is_order)
{
    bool is_there = code != CSN_ECLOSED && code != CSN_ETIMEOUT && code != CSN_EPERMISSION;
    return code == CSN_OK                       ? CSN_CTL_DONE
           : !is_there                          ? CSN_CTL_UNREACHABLE
           : is_order && code == CSN_EREFUSED ? CSN_CTL_REFUSED
                                                : CSN_CTL_FAILED;
}

void csn_ctl_doubt(struct csn_status *status, uint64_t now_s)
{
    uint64_t age_s = now_s > status->observed_at_s ? now_s - status->observed_at_s
                                                   : status->observed_at_s - now_s;
    if (age_s > CSN_CTL_STALE_S) {
        csn_status_blame(status, CSN_HEALTH_UNKNOWN,
                         "the daemon's picture is %" PRIu64 " s off: it hangs, or the clock jumped",
                         age_s);
    }
}

/* Nothing where nothing changes: every cluster has an epoch. */
static void put_epoch(const struct csn_ctl_page *page, const struct csn_status *status)
{
    char time[CSN_TIME_TEXT_SIZE];
    if (status->next_epoch != 0 || status->is_sealed) {
        put_note(page, "", "epoch %" PRIu32 ": the document of epoch %" PRIu32 " is here and has not begun%s",
                 status->epoch, status->next_epoch != 0 ? status->next_epoch : status->epoch + 1,
                 status->is_sealed ? "; sealed: this site votes again when it has" : "");
    }
    if (status->emergency_until_s != 0) {
        csn_time_text(status->emergency_until_s, time);
        put_note(page, "", "epoch %" PRIu32 ": EMERGENCY until %s, refreshes only", status->epoch, time);
    }
}

/* The one that leads and those that stand by, as this site hears them. */
static void put_coordinators(const struct csn_ctl_page *page, const struct csn_status *status)
{
    char *line = NULL;
    size_t size;
    FILE *text = open_memstream(&line, &size);
    if (text == NULL) {
        return;
    }
    for (uint32_t i = 0; i < status->coordinator_count; i++) {
        const struct csn_status_coordinator *row = &status->coordinators[i];
        char ago[CSN_SPAN_TEXT_SIZE];
        csn_span_text(row->last_seen_ms / 1000, ago);
        fprintf(text, "%s%s %s", i > 0 ? ", " : "", row->name,
                row->is_missing      ? row->has_last_seen ? "NOT HEARD for " : "NOT HEARD yet"
                : row->leads         ? "leads"
                : row->has_last_seen ? "heard"
                                     : "awaited");
        fputs(row->is_missing && row->has_last_seen ? ago : "", text);
    }
    if (fclose(text) == 0 && size > 0) {
        csn_ctl_put_wrapped(page, "coordinators ", line);
    }
    free(line);
}

void csn_ctl_table_status(const struct csn_ctl_page *page, const struct csn_status *status)
{
    char time[CSN_TIME_TEXT_SIZE];
    csn_time_text(status->observed_at_s, time);
    put_note(page, "",
             "cluster %s   term %" PRIu64
             "   leader %s   release policy %u of %u   observed from %s %s",
             status->cluster, status->term, status->leader != NULL ? status->leader : "none",
             status->quorum, status->members, status->observed_from, time);
    put_coordinators(page, status);
    put_epoch(page, status);
    fputc('\n', page->out);
    put_sites(page, status);
    fputc('\n', page->out);
    put_zones(page, status);
    fputc('\n', page->out);
    put_verdict(page, status);
}

/* Plug-ins take what stands behind a bar for numbers, so a reason may hold none. */
static void put_plain(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        put_clean(out, *text == '|' ? "/" : text, 1);
    }
}

void csn_ctl_line_health(FILE *out, const struct csn_status *status)
{
    char text[CSN_REASON_MAX];
    summary(status, text, sizeof(text));
    fprintf(out, "CONSIGN %s - ", level_word(status->level));
    for (uint32_t i = 0; i < status->reason_count; i++) {
        put_plain(out, status->reasons[i]);
        fputs("; ", out);
    }
    put_plain(out, text);
    fprintf(out, " | sites=%" PRIu32 " quorum=%u diverged=%" PRIu32 " parked=%" PRIu32 " stale=%" PRIu32, count_voters(status),
            status->quorum, count_diverged(status), count_parked(status), count_stale(status));
    if (status->coordinator_count > 0) {
        fprintf(out, " coordinators=%" PRIu32, count_coordinators(status));
    }
    if (status->store_limit > 0) {
        fprintf(out, " store=%.0f%%", 100.0 * (double)status->store_used / (double)status->store_limit);
    }
    if (first_expiry(status) > 0) {
        fprintf(out, " expiry=%" PRIu64 "s", span(status->observed_at_s, first_expiry(status)));
    }
    fputc('\n', out);
}

/* --- a certificate */

static void put_digest(FILE *out, const char *name, const struct csn_digest *digest)
{
    char hex[2 * CSN_DIGEST_SIZE + 1];
    csn_hex_encode(csn_bytes(digest->octets, CSN_DIGEST_SIZE), hex);
    fprintf(out, "%-14s%s\n", name, hex);
}

static void put_time(FILE *out, const char *name, uint64_t unix_s)
{
    char time[CSN_TIME_TEXT_SIZE];
    csn_time_text(unix_s, time);
    fprintf(out, "%-14s%s\n", name, time);
}

void csn_ctl_table_cert(FILE *out, const struct csn_cert_view *view)
{
    fprintf(out, "%-14s", "zone");
    put_clean(out, view->zone, strlen(view->zone));
    fprintf(out, "\n%-14s%" PRIu32 "\n", "serial", view->serial);
    fprintf(out, "%-14sgeneration %" PRIu32 " serial %" PRIu32 "\n", "input",
            view->input.generation, view->input.serial);
    fprintf(out, "%-14s%" PRIu32 "\n", "epoch", view->epoch);
    fprintf(out, "%-14s%" PRIu64 ".%u.%" PRIu32 "\n", "round", view->round_counter,
            view->round_coordinator, view->round_seq);
    fprintf(out, "%-14sversion %" PRIu32 "\n%-14sversion %" PRIu32 "\n", "policy", view->policy, "key set",
            view->keyset);
    put_time(out, "signed at", view->time_s);
    put_time(out, "schedule", view->schedule_s);
    put_time(out, "first expiry", view->first_expiry_s);
    fprintf(out, "%-14s%" PRIu64 "\n%-14s%" PRIu64 "\n", "records", view->records, "signatures",
            view->signatures);
    put_digest(out, "content root", &view->content);
    put_digest(out, "full root", &view->full);
    for (uint32_t i = 0; i < view->signer_count; i++) {
        const struct csn_cert_signer *signer = &view->signers[i];
        fprintf(out, "%-14s%u ", i == 0 ? "held by" : "", signer->number);
        put_clean(out, signer->name, strlen(signer->name));
        fprintf(out, " (incarnation %" PRIu32 ")\n", signer->incarnation);
    }
    fprintf(out, "%-14s%zu octets; -o json has them\n", "certificate", view->certificate.size);
}
