#include "keys/policy.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "keys/keyset.h"

#define HOUR 3600
/* Bounds on what a document may say, so that no sum of times wraps; V + O stays where RFC 1982 orders the ends of a signature
 * (RFC 4034 3.1.5). */
#define AT_MAX ((uint64_t)1 << 40)
#define SPAN_MAX ((uint64_t)1 << 30)

void csn_policy_fini(struct csn_policy *policy)
{
    csn_arena_fini(&policy->arena);
    *policy = (struct csn_policy){0};
}

struct csn_reason *csn_fault_at(struct csn_fault *fault, bool is_in_keyset, const char *format, ...)
{
    if (fault == NULL) {
        return NULL;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->at, sizeof(fault->at), format, arguments);
    va_end(arguments);
    fault->is_in_keyset = is_in_keyset;
    return &fault->reason;
}

/* `relation`: "at least" or "more than". */
static int refuse_span(struct csn_reason *reason, const char *less, uint64_t has_s, const char *relation, uint64_t bound_s,
                       const char *bound_is)
{
    char has[CSN_SPAN_TEXT_SIZE], bound[CSN_SPAN_TEXT_SIZE];
    csn_span_text(has_s, has);
    csn_span_text(bound_s, bound);
    if (has_s != bound_s && strcmp(has, bound) == 0) { /* they differ below what the text shows */
        snprintf(has, sizeof(has), "%" PRIu64 "s", has_s);
        snprintf(bound, sizeof(bound), "%" PRIu64 "s", bound_s);
    }
    return csn_reason_set(reason, CSN_EREFUSED, "%s is %s, must be %s %s = %s", less, has, relation, bound, bound_is);
}

/* Whether event j takes back what event i, before it in the list, had planned: an earlier value, at once. */
static bool is_taken_back(const struct csn_timed_list *list, size_t i, size_t j)
{
    for (size_t k = 0; k < i && list->events[j].window_s == 0; k++) {
        if (list->events[k].value_s == list->events[j].value_s) {
            return true;
        }
    }
    return false;
}

/* The last event in the list counts: one that has switched everywhere before an earlier one begins leaves that one without
 * effect. As a rule its year is wrong. */
static int check_order(const struct csn_timed_list *list, const char *name, struct csn_fault *fault)
{
    for (size_t j = 1; j < list->count; j++) {
        for (size_t i = 0; i < j; i++) {
            const struct csn_timed *early = &list->events[j], *late = &list->events[i];
            if (early->at_s + early->window_s <= late->at_s && !is_taken_back(list, i, j)) {
                return csn_reason_set(csn_fault_at(fault, false, "%s.%zu.from", name, j), CSN_EREFUSED,
                                      "%s: value %zu of the list would never come into force, since this one, behind it, is "
                                      "in force everywhere by then; they stand in order of time",
                                      name, i + 1);
            }
        }
    }
    return CSN_OK;
}

static int check_list(const struct csn_timed_list *list, const char *name, struct csn_fault *fault)
{
    if (list->count == 0) {
        return csn_reason_set(csn_fault_at(fault, false, "%s", name), CSN_EREFUSED, "%s: no value", name);
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct csn_timed *event = &list->events[i];
        if (event->at_s > AT_MAX || event->window_s > SPAN_MAX || event->value_s > SPAN_MAX) {
            return csn_reason_set(csn_fault_at(fault, false, "%s.%zu", name, i), CSN_EREFUSED,
                                  "%s: value, time or window of event %zu is out of range", name, i + 1);
        }
    }
    return check_order(list, name, fault);
}

/* The time from which event i is in force for no RRset: each has switched to a later one of the list. */
static uint64_t end_of(const struct csn_timed_list *list, size_t i)
{
    uint64_t end = UINT64_MAX;
    for (size_t j = i + 1; j < list->count; j++) {
        uint64_t switched = list->events[j].at_s + list->events[j].window_s;
        end = switched < end ? switched : end;
    }
    return end;
}

static bool has_same_switch(const struct csn_timed_list *list, size_t from, const struct csn_timed *event)
{
    for (size_t i = from; i < list->count; i++) {
        if (list->events[i].at_s == event->at_s && list->events[i].window_s == event->window_s) {
            return true;
        }
    }
    return false;
}

/* Whether event i of `a` and event j of `b` can be in force together for some RRset. With equal A and W an RRset takes both
 * new values in one moment, so the old one of a list never meets the new one of the other. */
static bool can_meet(const struct csn_timed_list *a, size_t i, const struct csn_timed_list *b, size_t j)
{
    return a->events[i].at_s < end_of(b, j) && b->events[j].at_s < end_of(a, i) &&
           !has_same_switch(a, i + 1, &b->events[j]) && !has_same_switch(b, j + 1, &a->events[i]);
}

/* The shortest resign period P = V - R; refuses V <= R. */
static int shortest_period(const struct csn_policy *policy, uint64_t *ret_period_s, struct csn_fault *fault)
{
    uint64_t shortest = UINT64_MAX;
    for (size_t i = 0; i < policy->validity.count; i++) {
        for (size_t j = 0; j < policy->refresh.count; j++) {
            uint64_t validity_s = policy->validity.events[i].value_s, refresh_s = policy->refresh.events[j].value_s;
            if (!can_meet(&policy->validity, i, &policy->refresh, j)) {
                continue;
            }
            if (validity_s <= refresh_s) {
                return refuse_span(csn_fault_at(fault, false, "validity.%zu.value", i), "validity", validity_s, "more than", refresh_s,
                                   "refresh");
            }
            shortest = validity_s - refresh_s < shortest ? validity_s - refresh_s : shortest;
        }
    }
    *ret_period_s = shortest;
    return CSN_OK;
}

static int check_windows(const struct csn_timed_list *list, const char *name, uint64_t period_s, struct csn_fault *fault)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->events[i].window_s >= period_s) {
            return refuse_span(csn_fault_at(fault, false, "%s.%zu.window", name, i), "resign period (validity - refresh)", period_s,
                               "more than", list->events[i].window_s, "a window");
        }
    }
    return CSN_OK;
}

static int check_key_windows(const struct csn_keyset *keyset, uint64_t period_s, struct csn_fault *fault)
{
    for (size_t i = 0; i < keyset->list_count; i++) {
        for (size_t j = 0; j < keyset->lists[i].count; j++) {
            uint64_t window_s = keyset->lists[i].events[j].window_s;
            if (window_s >= period_s) {
                return refuse_span(csn_fault_at(fault, true, "events.%zu.list.%zu.window", i, j), "resign period (validity - refresh)",
                                   period_s, "more than", window_s, "a roll window");
            }
        }
    }
    return CSN_OK;
}

static int check_values(const struct csn_policy *policy, struct csn_fault *fault)
{
    for (size_t i = 0; i < policy->offset.count; i++) {
        if (policy->offset.events[i].value_s < HOUR) {
            return refuse_span(csn_fault_at(fault, false, "inception-offset.%zu.value", i), "inception-offset",
                               policy->offset.events[i].value_s, "at least", HOUR, "a clock an hour off");
        }
    }
    for (size_t i = 0; i < policy->refresh.count; i++) {
        /* The margin of a vote is R/2 - max_round_age; none left, no vote. */
        uint64_t refresh_s = policy->refresh.events[i].value_s, age_s = policy->max_round_age_s;
        if (refresh_s <= 2 * age_s) {
            return refuse_span(csn_fault_at(fault, false, "refresh.%zu.value", i), "refresh", refresh_s, "more than", 2 * age_s,
                               "twice max-round-age");
        }
    }
    return CSN_OK;
}

/* An older round is refused, so that a longer deadline gives nothing. */
static int check_deadline(const struct csn_policy *policy, struct csn_fault *fault)
{
    uint64_t deadline_s = (policy->round_deadline_ms + 999) / 1000;
    if (deadline_s > policy->max_round_age_s) {
        return refuse_span(csn_fault_at(fault, false, "round-deadline"), "round-deadline", deadline_s, "at most",
                           policy->max_round_age_s, "max-round-age");
    }
    return CSN_OK;
}

static int check_prepublication(const struct csn_policy *policy, const struct csn_keyset *keyset, struct csn_fault *fault)
{
    uint64_t needs_s = (uint64_t)keyset->dnskey_ttl + policy->propagation_s + policy->hold_budget_s;
    if (policy->prepublication_s < needs_s) {
        return refuse_span(csn_fault_at(fault, false, "pre-publication"), "pre-publication", policy->prepublication_s, "at least",
                           needs_s, "DNSKEY TTL + propagation + hold budget");
    }
    return CSN_OK;
}

int csn_policy_check(const struct csn_policy *policy, const struct csn_keyset *keyset, struct csn_fault *fault)
{
    const struct {
        const struct csn_timed_list *list;
        const char *name;
    } lists[] = {{&policy->validity, "validity"}, {&policy->refresh, "refresh"}, {&policy->offset, "inception-offset"}};
    uint64_t period_s = 0;
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < 3; i++) {
        code = check_list(lists[i].list, lists[i].name, fault);
    }
    if (code == CSN_OK) {
        code = check_values(policy, fault);
    }
    if (code == CSN_OK) {
        code = check_deadline(policy, fault);
    }
    if (code == CSN_OK) {
        code = shortest_period(policy, &period_s, fault);
    }
    for (size_t i = 0; code == CSN_OK && i < 3; i++) {
        code = check_windows(lists[i].list, lists[i].name, period_s, fault);
    }
    if (code == CSN_OK && keyset != NULL) {
        code = check_key_windows(keyset, period_s, fault);
    }
    if (code == CSN_OK && keyset != NULL) {
        code = check_prepublication(policy, keyset, fault);
    }
    return code;
}

int csn_policy_check_input(const struct csn_policy *policy, uint64_t schedule_s, uint32_t soa_expire_s, uint32_t ttl_max_s,
                           struct csn_reason *reason)
{
    uint64_t needs_s = (uint64_t)soa_expire_s + ttl_max_s + policy->refresh_interval_s;
    for (size_t i = 0; policy->accept_risk[0] == '\0' && i < policy->refresh.count; i++) {
        uint64_t refresh_s = policy->refresh.events[i].value_s;
        if (end_of(&policy->refresh, i) > schedule_s && refresh_s < needs_s) {
            return refuse_span(reason, "refresh", refresh_s, "at least", needs_s,
                               "SOA EXPIRE + greatest TTL + refresh interval (raise it, or state accept-risk: reason)");
        }
    }
    needs_s = (uint64_t)ttl_max_s + policy->propagation_s + policy->hold_budget_s;
    if (policy->postpublication_s < needs_s) {
        return refuse_span(reason, "post-publication", policy->postpublication_s, "at least", needs_s,
                           "greatest TTL + propagation + hold budget");
    }
    return CSN_OK;
}

uint64_t csn_policy_refresh_at(const struct csn_policy *policy, uint64_t schedule_s)
{
    uint64_t lowest = 0;
    for (size_t i = policy->refresh.count; i > 0; i--) {
        const struct csn_timed *event = &policy->refresh.events[i - 1];
        if (event->at_s > schedule_s) {
            continue;
        }
        lowest = lowest == 0 || event->value_s < lowest ? event->value_s : lowest;
        if (event->at_s + event->window_s <= schedule_s) {
            break; /* switched everywhere: nothing before it is in force */
        }
    }
    return lowest;
}
