#include "ops/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

const char *csn_health_text(enum csn_health level)
{
    static const char *const texts[] = {"ok", "degraded", "critical", "unknown"};
    return texts[level];
}

void csn_status_fini(struct csn_status *status)
{
    csn_arena_fini(&status->arena);
    *status = (struct csn_status){0};
}

void csn_cert_view_fini(struct csn_cert_view *view)
{
    csn_arena_fini(&view->arena);
    *view = (struct csn_cert_view){0};
}

static const char *keep_text(struct csn_arena *arena, const char *format, va_list args)
{
    char text[CSN_REASON_MAX];
    vsnprintf(text, sizeof(text), format, args);
    return csn_arena_copy(arena, text, strlen(text) + 1);
}

const char *csn_status_text(struct csn_status *status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = keep_text(&status->arena, format, args);
    va_end(args);
    return text;
}

static void *new_row(struct csn_status *status, size_t size)
{
    void *row = csn_arena_alloc(&status->arena, size, _Alignof(max_align_t));
    memset(row, 0, size);
    return row;
}

struct csn_status_site *csn_status_add_site(struct csn_status *status)
{
    if (status->site_count == CSN_STATUS_SITES_MAX) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED,
                         "more than %d sites: the others are not shown", CSN_STATUS_SITES_MAX);
        return NULL;
    }
    struct csn_status_site *site = new_row(status, sizeof(*site));
    site->name = site->role = site->state = "";
    status->sites[status->site_count++] = site;
    return site;
}

/* Rows of rows grow by doubling into the arena: the old copy is wasted, not freed. */
static const void *grow(struct csn_status *status, const void *rows, uint32_t *count, size_t size,
                        const void *row)
{
    uint8_t *at = (uint8_t *)(uintptr_t)rows;
    if ((*count & (*count - 1)) == 0) {
        at = csn_arena_alloc(&status->arena, (*count > 0 ? 2 * *count : 1) * size,
                             _Alignof(max_align_t));
        if (*count > 0) {
            memcpy(at, rows, *count * size);
        }
    }
    memcpy(at + *count * size, row, size);
    (*count)++;
    return at;
}

bool csn_status_is_shown(const struct csn_status *status, size_t place)
{
    return place >= status->first_zone && place - status->first_zone < CSN_STATUS_PAGE;
}

struct csn_status_zone *csn_status_add_zone(struct csn_status *status)
{
    struct csn_status_zone *zone = new_row(status, sizeof(*zone));
    zone->zone = zone->state = "";
    status->zones = (struct csn_status_zone **)(uintptr_t)grow(status, status->zones, &status->zone_count,
                                                               sizeof(zone), &zone);
    return zone;
}

void csn_status_add_released(struct csn_status *status, struct csn_status_site *site,
                             const char *zone, uint32_t serial)
{
    struct csn_status_released row = {.zone = zone, .serial = serial};
    site->released = grow(status, site->released, &site->released_count, sizeof(row), &row);
}

bool csn_status_add_coordinator(struct csn_status *status, const struct csn_status_coordinator *row)
{
    if (status->coordinator_count == CSN_STATUS_SITES_MAX) {
        return false;
    }
    status->coordinators = grow(status, status->coordinators, &status->coordinator_count, sizeof(*row), row);
    return true;
}

bool csn_status_add_counter(struct csn_status *status, const char *name, uint64_t value)
{
    struct csn_status_counter row = {.name = name, .value = value};
    if (status->counter_count == CSN_STATUS_COUNTERS_MAX) {
        return false;
    }
    status->counters = grow(status, status->counters, &status->counter_count, sizeof(row), &row);
    return true;
}

bool csn_status_add_parked(struct csn_status *status, struct csn_status_zone *zone,
                           const struct csn_status_parked *row)
{
    if (zone->parked_count == CSN_STATUS_ROWS_MAX) {
        return false;
    }
    zone->parked = grow(status, zone->parked, &zone->parked_count, sizeof(*row), row);
    return true;
}

bool csn_status_add_diverged(struct csn_status *status, struct csn_status_zone *zone,
                             const struct csn_status_diverged *row)
{
    if (zone->diverged_count == CSN_STATUS_ROWS_MAX) {
        return false;
    }
    zone->diverged = grow(status, zone->diverged, &zone->diverged_count, sizeof(*row), row);
    return true;
}

bool csn_status_add_stale(struct csn_status *status, struct csn_status_zone *zone, const char *site)
{
    if (zone->stale_count == CSN_STATUS_ROWS_MAX) {
        return false;
    }
    zone->stale = grow(status, zone->stale, &zone->stale_count, sizeof(site), &site);
    return true;
}

bool csn_status_add_order(struct csn_status *status, struct csn_status_zone *zone,
                          const struct csn_status_order *row)
{
    if (zone->order_count == CSN_STATUS_ORDERS_MAX) {
        return false;
    }
    zone->orders = grow(status, zone->orders, &zone->order_count, sizeof(*row), row);
    return true;
}

bool csn_status_add_serving(struct csn_status *status, struct csn_status_zone *zone,
                            const struct csn_status_serving *row)
{
    if (zone->serving_count == CSN_STATUS_SITES_MAX) {
        return false;
    }
    zone->serving = grow(status, zone->serving, &zone->serving_count, sizeof(*row), row);
    return true;
}

bool csn_status_add_documents(struct csn_status *status, struct csn_status_zone *zone,
                              const struct csn_status_documents *row)
{
    if (zone->documents_count == CSN_STATUS_SITES_MAX) {
        return false;
    }
    zone->documents = grow(status, zone->documents, &zone->documents_count, sizeof(*row), row);
    return true;
}

/* Where a reason of this level goes: behind all that are as bad. */
static uint32_t place_of(const struct csn_status *status, enum csn_health level)
{
    uint32_t at = status->reason_count;
    while (at > 0 && status->reason_levels[at - 1] < level) {
        at--;
    }
    return at;
}

static bool is_told(const struct csn_status *status, const char *reason)
{
    for (uint32_t i = 0; i < status->reason_count; i++) {
        if (strcmp(status->reasons[i], reason) == 0) {
            return true;
        }
    }
    return false;
}

void csn_status_blame(struct csn_status *status, enum csn_health level, const char *format, ...)
{
    uint32_t at = place_of(status, level);
    va_list args;
    if (level > status->level) {
        status->level = level;
    }
    if (status->about != NULL && level > status->about->level) {
        status->about->level = level;
    }
    if (at == CSN_STATUS_ROWS_MAX) {
        return; /* the level counts; sixteen causes are enough to act on */
    }
    va_start(args, format);
    const char *reason = keep_text(&status->arena, format, args);
    va_end(args);
    if (is_told(status, reason)) {
        return;
    }
    if (status->reason_count < CSN_STATUS_ROWS_MAX) {
        status->reason_count++;
    }
    for (uint32_t i = status->reason_count - 1; i > at; i--) {
        status->reasons[i] = status->reasons[i - 1];
        status->reason_levels[i] = status->reason_levels[i - 1];
    }
    status->reasons[at] = reason;
    status->reason_levels[at] = level;
}

static bool is_voter(const struct csn_status_site *site)
{
    return strcmp(site->role, "coordinator") != 0;
}

/* Of this site, with the same cause: at the level it deserves. */
static bool is_blamed(const struct csn_status *status, const struct csn_status_site *site)
{
    for (uint32_t i = 0; i < status->reason_count; i++) {
        const char *reason = status->reasons[i];
        size_t size = strlen(site->name);
        if (strncmp(reason, site->name, size) == 0 && reason[size] == ':' &&
            strstr(reason + size, site->error) != NULL) {
            return true;
        }
    }
    return false;
}

static void judge_emergency(struct csn_status *status)
{
    char time[CSN_TIME_TEXT_SIZE];
    if (status->emergency_until_s == 0) {
        return;
    }
    csn_time_text(status->emergency_until_s, time);
    if (status->observed_at_s < status->emergency_until_s) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED,
                         "EMERGENCY until %s: refreshes only, new files wait", time);
    } else {
        csn_status_blame(status, CSN_HEALTH_CRITICAL,
                         "the EMERGENCY ended %s: nothing is signed any more; the officers' next "
                         "document is needed",
                         time);
    }
}

/* Each is enough to lead, so that nobody else misses one until it is needed. */
static void judge_coordinators(struct csn_status *status)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < status->coordinator_count; i++) {
        missing += status->coordinators[i].is_missing;
    }
    if (status->leader == NULL && missing == status->coordinator_count) {
        return; /* that none leads names them all */
    }
    for (uint32_t i = 0; i < status->coordinator_count; i++) {
        const struct csn_status_coordinator *row = &status->coordinators[i];
        char since[CSN_TIME_TEXT_SIZE];
        csn_time_text(status->observed_at_s - row->last_seen_ms / 1000, since);
        if (row->is_missing) {
            csn_status_blame(status, CSN_HEALTH_DEGRADED, "coordinator %s not heard %s%s: start it", row->name,
                             row->has_last_seen ? "since " : "yet", row->has_last_seen ? since : "");
        }
    }
}

/* One that listens to nobody, or is no member yet, has nothing to say of the others. */
static bool is_to_blame(const struct csn_status *status, const struct csn_status_site *site)
{
    bool is_known = (status->deaf_why == NULL && status->waits_why == NULL) || strcmp(site->name, status->observed_from) == 0;
    return site->error != NULL && is_known && !site->is_in_maintenance && !is_blamed(status, site);
}

/* With a quorum of voters; without it none can lead: that is said, and another one would not help. */
static void judge_leader(struct csn_status *status)
{
    if (status->leader == NULL && !status->is_electing && status->stray_why != NULL) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED, "%s follows no coordinator: it %s", status->observed_from, status->stray_why);
    } else if (status->leader == NULL && !status->is_electing) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED,
                         "no coordinator leads: nothing new is released; start one%s%s",
                         status->may_lead != NULL ? " of " : "",
                         status->may_lead != NULL ? status->may_lead : "");
    }
    judge_coordinators(status);
}

static void judge_sites(struct csn_status *status)
{
    uint32_t voters = 0;
    for (uint32_t i = 0; i < status->site_count; i++) {
        const struct csn_status_site *site = status->sites[i];
        voters += is_voter(site) && site->error == NULL;
        if (is_to_blame(status, site)) {
            csn_status_blame(status, CSN_HEALTH_DEGRADED, "%s: %s", site->name, site->error);
        }
    }
    if (status->deaf_why != NULL) {
        csn_status_blame(status, CSN_HEALTH_CRITICAL,
                         "%s follows no coordinator and hears nobody: it %s; whether the others go on, they know: ask another site",
                         status->observed_from, status->deaf_why);
    } else if (status->waits_why != NULL) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED, "%s %s", status->observed_from, status->waits_why);
    } else if (voters < status->quorum) {
        csn_status_blame(status, CSN_HEALTH_CRITICAL,
                         "no quorum: %u of %u sites answer, %u are needed; zones stay served, "
                         "nothing new is released until they do",
                         voters, status->members, status->quorum);
    } else {
        judge_leader(status);
    }
}

static void judge_expiry(struct csn_status *status, const struct csn_status_zone *zone)
{
    uint64_t now = status->observed_at_s;
    uint64_t left = zone->first_expiry_s > now ? zone->first_expiry_s - now : 0;
    char time[CSN_TIME_TEXT_SIZE];
    csn_time_text(zone->first_expiry_s, time);
    if (left < zone->expiry_critical_s) {
        csn_status_blame(status, CSN_HEALTH_CRITICAL, "%s first signature expires %s", zone->zone,
                         time);
    } else if (left < zone->expiry_warning_s) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED, "%s first signature expires %s", zone->zone,
                         time);
    }
}

/* Voters that are heard whose clocks let a vote for this T pass. */
static uint32_t clocks_at(const struct csn_status *status, uint64_t time_s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < status->site_count; i++) {
        const struct csn_status_site *site = status->sites[i];
        bool is_own = strcmp(site->name, status->observed_from) == 0;
        int64_t off_s = is_own ? 0 : site->clock_offset_us / 1000000;
        bool is_known = is_voter(site) && (is_own || site->has_clock_offset);
        count += is_known && (int64_t)status->observed_at_s + off_s + CSN_STATUS_CLOCK_AHEAD_S >= (int64_t)time_s;
    }
    return count;
}

/* No T goes back (I2), so clocks of a quorum that were wrong ahead together hold a zone up after they are mended. */
static void judge_ahead(struct csn_status *status, const struct csn_status_zone *zone)
{
    uint64_t ahead_s = zone->released_at_s > status->observed_at_s ? zone->released_at_s - status->observed_at_s : 0;
    char span[CSN_SPAN_TEXT_SIZE], until[CSN_TIME_TEXT_SIZE];
    if (ahead_s <= CSN_STATUS_CLOCK_AHEAD_S || clocks_at(status, zone->released_at_s) >= status->quorum) {
        return;
    }
    csn_span_text(ahead_s, span);
    csn_time_text(zone->released_at_s - CSN_STATUS_CLOCK_AHEAD_S, until);
    csn_status_blame(status, ahead_s >= CSN_STATUS_NOT_YET_S ? CSN_HEALTH_CRITICAL : CSN_HEALTH_DEGRADED,
                     "%s release %" PRIu32 " was signed %s ahead of the clocks: nothing newer is released before %s%s", zone->zone,
                     zone->released, span, until,
                     ahead_s >= CSN_STATUS_NOT_YET_S ? ", and to validators its signatures are not valid yet; OPERATING.md, Signed ahead "
                                                       "of the clocks"
                                                     : "");
}

static void judge_orders(struct csn_status *status, const struct csn_status_zone *zone)
{
    for (uint32_t i = 0; i < zone->order_count; i++) {
        const struct csn_status_order *row = &zone->orders[i];
        char since[CSN_TIME_TEXT_SIZE];
        csn_time_text(row->number / 1000000, since);
        if (strcmp(row->order, CSN_STATUS_HOLD) == 0) {
            csn_status_blame(status, CSN_HEALTH_DEGRADED,
                             "%s held by %s since %s: %s; it stays served, nothing new is released; "
                             "consignctl zone resume %s",
                             zone->zone, row->operator, since, row->reason, zone->zone);
        }
    }
}

unsigned csn_status_needed(const struct csn_status *status, const char *order)
{
    bool is_allowing = strcmp(order, "resume") == 0 || strcmp(order, "approve") == 0 ||
                       strcmp(order, "generation") == 0 ||
                       strcmp(order, CSN_STATUS_AUTHORITY) == 0 ||
                       strcmp(order, CSN_STATUS_SERIAL) == 0;
    return is_allowing ? status->quorum : 1u + status->members - status->quorum;
}

/* One file that several sites keep back by one gate is one matter. */
static bool is_alike(const struct csn_status_parked *a, const struct csn_status_parked *b)
{
    return a->gate != NULL && b->gate != NULL && strcmp(a->gate, b->gate) == 0;
}

/* Row `first` and those alike behind it; one that is alike to an earlier row is told of already. */
static void blame_parked(struct csn_status *status, const struct csn_status_zone *zone, uint32_t first)
{
    const struct csn_status_parked *row = &zone->parked[first];
    const char *sites = row->site;
    for (uint32_t i = 0; i < first; i++) {
        if (is_alike(row, &zone->parked[i])) {
            return;
        }
    }
    for (uint32_t i = first + 1; i < zone->parked_count; i++) {
        if (is_alike(row, &zone->parked[i])) {
            sites = csn_status_text(status, "%s, %s", sites, zone->parked[i].site);
        }
    }
    csn_status_blame(status, CSN_HEALTH_DEGRADED, "%s input parked at %s: %s", zone->zone, sites, row->reason);
}

void csn_status_since(uint64_t since_s, char ret_text[CSN_STATUS_SINCE_SIZE])
{
    char time[CSN_TIME_TEXT_SIZE];
    csn_time_text(since_s, time);
    snprintf(ret_text, CSN_STATUS_SINCE_SIZE, "%s%s", since_s != 0 ? " since " : "", since_s != 0 ? time : "");
}

static void judge_zone(struct csn_status *status, const struct csn_status_zone *zone)
{
    for (uint32_t i = 0; i < zone->diverged_count; i++) {
        const struct csn_status_diverged *row = &zone->diverged[i];
        char since[CSN_STATUS_SINCE_SIZE];
        csn_status_since(row->since_s, since);
        csn_status_blame(status, CSN_HEALTH_CRITICAL,
                         "%s diverged at %s%s: class %s of serial %" PRIu32, zone->zone,
                         row->site, since, row->classes, row->serial);
    }
    for (uint32_t i = 0; i < zone->parked_count; i++) {
        blame_parked(status, zone, i);
    }
    judge_orders(status, zone);
    bool is_released = strcmp(zone->state, "released") == 0; /* by others' word */
    if (!zone->has_released && !is_released) {
        csn_status_blame(status, CSN_HEALTH_DEGRADED, "%s has no release yet", zone->zone);
    } else if (zone->has_released) {
        judge_ahead(status, zone);
        judge_expiry(status, zone);
    }
}

void csn_status_judge(struct csn_status *status)
{
    judge_emergency(status);
    judge_sites(status);
    for (uint32_t i = 0; i < status->zone_count; i++) {
        status->about = status->zones[i];
        judge_zone(status, status->zones[i]);
    }
    status->about = NULL;
}
