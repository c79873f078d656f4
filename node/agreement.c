#include "agreement.h"

#include <inttypes.h>
#include <stdio.h>

#include "zone/input.h"

#define NAMES_MAX 160

const struct csn_input_id *csn_agreement_newest(const struct csn_row *row)
{
    const struct csn_input_id *newest = NULL;
    for (uint8_t i = 0; row != NULL && i < row->input_count; i++) {
        if (newest == NULL || csn_input_compare(&row->inputs[i], newest) == 1) {
            newest = &row->inputs[i];
        }
    }
    return newest;
}

static bool confirms(const struct csn_row *row, const struct csn_input_id *input)
{
    for (uint8_t i = 0; row != NULL && i < row->input_count; i++) {
        if (csn_input_equal(&row->inputs[i], input)) {
            return true;
        }
    }
    return false;
}

uint8_t csn_agreement_count(const struct csn_agreement *sites, const struct csn_input_id *input)
{
    uint8_t count = 0;
    for (uint8_t i = 0; i < sites->count; i++) {
        count += confirms(sites->rows[i], input);
    }
    return count;
}

/* Sites whose newest input has one (generation, serial). */
struct group {
    const struct csn_agreement *sites;
    const struct csn_input_id *inputs[CSN_MEMBERS_MAX]; /* NULL: of another group */
    const struct csn_input_id *agreed;                  /* by a quorum; NULL: none */
    bool differs;
};

static struct group group_of(const struct csn_agreement *sites, const struct csn_input_id *first,
                             const struct csn_input_id *released)
{
    struct group group = {.sites = sites};
    if (released != NULL && csn_input_compare(first, released) == 0) {
        group.agreed = released;
        group.differs = !csn_input_equal(first, released);
    }
    for (uint8_t i = 0; i < sites->count; i++) {
        const struct csn_input_id *input = csn_agreement_newest(sites->rows[i]);
        if (input == NULL || csn_input_compare(input, first) != 0) {
            continue;
        }
        group.inputs[i] = input;
        group.differs |= !csn_input_equal(input, first);
        if (group.agreed == NULL && csn_agreement_count(sites, input) >= sites->quorum) {
            group.agreed = input;
        }
    }
    return group;
}

/* Names of the group's sites; where a quorum agrees: of those that do not, and are not shown as
 * diverged. */
static void put_names(const struct group *group, char ret_text[NAMES_MAX])
{
    size_t used = 0;
    ret_text[0] = '\0';
    for (uint8_t i = 0; i < group->sites->count; i++) {
        const struct csn_input_id *input = group->inputs[i];
        bool is_odd =
            input != NULL && (group->agreed == NULL || (!csn_input_equal(input, group->agreed) &&
                                                        group->sites->rows[i]->diverged == 0));
        if (is_odd && used < NAMES_MAX) {
            used += (size_t)snprintf(ret_text + used, NAMES_MAX - used, "%s%s",
                                     used > 0 ? ", " : "", group->sites->names[i]);
        }
    }
}

static void blame(const struct group *group, const char *zone, uint32_t serial,
                  struct csn_status *status)
{
    char names[NAMES_MAX];
    put_names(group, names);
    if (group->agreed == NULL) {
        csn_status_blame(status, CSN_HEALTH_CRITICAL,
                         "zone %s: input serial %" PRIu32
                         " is not the same file at %s, and no %u sites agree: nothing new is "
                         "released; put the same file with a higher serial at all sites",
                         zone, serial, names, group->sites->quorum);
    } else if (names[0] != '\0') {
        csn_status_blame(status, CSN_HEALTH_DEGRADED,
                         "zone %s: input serial %" PRIu32
                         " at %s is not the file on which the others agree; put the same file with "
                         "a higher serial at all sites",
                         zone, serial, names);
    }
}

/* Whether an earlier site has an input of this (generation, serial): its group is judged. */
static bool is_judged(const struct csn_agreement *sites, uint8_t site)
{
    const struct csn_input_id *input = csn_agreement_newest(sites->rows[site]);
    for (uint8_t i = 0; i < site; i++) {
        const struct csn_input_id *other = csn_agreement_newest(sites->rows[i]);
        if (other != NULL && csn_input_compare(other, input) == 0) {
            return true;
        }
    }
    return false;
}

uint32_t csn_agreement_stale(const struct csn_agreement *sites, const struct csn_input_id *released)
{
    uint32_t stale = 0;
    for (uint8_t i = 0; released != NULL && i < sites->count; i++) {
        const struct csn_row *row = sites->rows[i];
        const struct csn_input_id *input = csn_agreement_newest(row);
        bool is_stale = row != NULL && row->gate == 0 && (row->maintenance & CSN_MAINTENANCE_SITE) == 0 &&
                        (input == NULL || csn_input_compare(input, released) < 0);
        stale |= is_stale ? UINT32_C(1) << i : 0;
    }
    return stale;
}

void csn_agreement_tick_stale(const struct csn_agreement *sites, const struct csn_input_id *released, uint64_t now_s,
                              struct csn_stale *stale)
{
    uint32_t are_stale = csn_agreement_stale(sites, released);
    for (uint8_t i = 0; i < sites->count; i++) {
        uint64_t *since_s = &stale->since_s[i];
        *since_s = (are_stale & UINT32_C(1) << i) == 0 ? 0 : *since_s == 0 ? now_s : *since_s;
    }
}

void csn_agreement_blame_stale(const struct csn_agreement *sites, const struct csn_stale *stale, uint64_t patience_s,
                               const struct csn_input_id *released, struct csn_status *status, struct csn_status_zone *zone)
{
    uint32_t are_stale = csn_agreement_stale(sites, released);
    for (uint8_t i = 0; i < sites->count; i++) {
        bool is_long = stale->since_s[i] != 0 && status->observed_at_s > stale->since_s[i] + patience_s;
        if (is_long && (are_stale & UINT32_C(1) << i) != 0) {
            csn_status_add_stale(status, zone, csn_status_text(status, "%s", sites->names[i]));
            csn_status_blame(status, CSN_HEALTH_DEGRADED,
                             "zone %s: the newest file at %s is older than the release's (input serial %" PRIu32
                             "); does its feed still come?",
                             zone->zone, sites->names[i], released->serial);
        }
    }
}

void csn_since_tick(struct csn_since *since, uint8_t says, uint64_t now_s)
{
    if (since->is_heard && says == since->said) {
        return;
    }
    since->since_s = since->is_heard && says != 0 ? now_s : 0;
    since->is_heard = true;
    since->said = says;
}

bool csn_agreement_judge(const struct csn_agreement *sites, const char *zone,
                         const struct csn_input_id *released, struct csn_status *status)
{
    bool differs = false;
    for (uint8_t i = 0; i < sites->count; i++) {
        const struct csn_input_id *input = csn_agreement_newest(sites->rows[i]);
        bool is_over =
            input == NULL || (released != NULL && csn_input_compare(input, released) < 0);
        if (is_over || is_judged(sites, i)) {
            continue;
        }
        struct group group = group_of(sites, input, released);
        if (group.differs) {
            blame(&group, zone, input->serial, status);
            differs = true;
        }
    }
    return differs;
}

const char *csn_agreement_gate_text(uint8_t gate)
{
    static const char *const texts[] = {
        [CSN_GATE_SERIAL_BACK] = "its serial goes back (ask that site for the reason)",
        [CSN_GATE_SERIAL_SAME] =
            "other content under the same serial (ask that site for the reason)",
        [CSN_GATE_APEX_NS] = "another apex NS set (ask that site for the reason)",
        [CSN_GATE_SHRINK_RECORDS] = "fewer records (ask that site for the reason)",
        [CSN_GATE_SHRINK_DELEGATIONS] = "fewer delegations (ask that site for the reason)",
        [CSN_GATE_REFUSED] =
            "not a zone, or not with this policy's times (ask that site for the reason)",
        [CSN_GATE_UNREAD] = "its file is gone or cannot be read (ask that site for the reason)",
        [CSN_GATE_QUARANTINED] = "its file ended the node twice (ask that site for the reason)"};
    bool is_known = gate < sizeof(texts) / sizeof(texts[0]) && texts[gate] != NULL;
    return is_known ? texts[gate] : "kept back (ask that site for the reason)";
}
