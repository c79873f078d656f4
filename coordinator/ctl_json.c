#include "ctl_render.h"

#include <stdlib.h>

#include <jansson.h>

#include "base/text.h"

/* jansson refuses what is no UTF-8: anything but printable ASCII is shown as `?`. NULL is null. */
static json_t *text(const char *from)
{
    if (from == NULL) {
        return json_null();
    }
    char *clean = csn_strdup(from);
    for (char *c = clean; *c != '\0'; c++) {
        *c = *c < 0x20 || *c > 0x7e ? '?' : *c;
    }
    json_t *json = json_string(clean);
    free(clean);
    return json;
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *number_if(bool is_known, uint64_t value)
{
    return is_known ? number(value) : json_null();
}

static json_t *time_at(uint64_t unix_s)
{
    char time[CSN_TIME_TEXT_SIZE];
    csn_time_text(unix_s, time);
    return json_string(time);
}

static json_t *time_if(bool is_known, uint64_t unix_s)
{
    return is_known ? time_at(unix_s) : json_null();
}

static json_t *hex(struct csn_bytes octets)
{
    char *digits = csn_alloc(2 * octets.size + 1);
    csn_hex_encode(octets, digits);
    json_t *json = json_string(digits);
    free(digits);
    return json;
}

static json_t *digest(const struct csn_digest *value)
{
    return hex(csn_bytes(value->octets, CSN_DIGEST_SIZE));
}

static json_t *health(enum csn_health level, const char *const *reasons, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, text(reasons[i]));
    }
    return json_pack("{s:i, s:s, s:o}", "level", (int)level, "verdict", csn_health_text(level),
                     "reasons", list);
}

static json_t *document(json_t *observed_from, uint64_t observed_at_s, json_t *take_health)
{
    return json_pack("{s:i, s:o, s:o, s:o}", "schema", CSN_CTL_SCHEMA, "observed_at",
                     time_at(observed_at_s), "observed_from", observed_from, "health", take_health);
}

static json_t *status_document(const struct csn_status *status)
{
    return document(text(status->observed_from), status->observed_at_s,
                    health(status->level, status->reasons, status->reason_count));
}

static void put(FILE *out, json_t *take_json)
{
    json_dumpf(take_json, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(take_json);
}

static json_t *site(const struct csn_status_site *row)
{
    json_t *released = json_object();
    for (uint32_t i = 0; i < row->released_count; i++) {
        json_object_set_new(released, row->released[i].zone, number(row->released[i].serial));
    }
    return json_pack("{s:i, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "number",
                     row->number, "name", text(row->name), "role", text(row->role), "state",
                     text(row->state), "leads", row->leads, "last_seen_ms",
                     number_if(row->has_last_seen, row->last_seen_ms), "rtt_us",
                     json_null() /* not measured */, "clock_offset_us",
                     row->has_clock_offset ? json_integer(row->clock_offset_us) : json_null(),
                     "hsm", text(row->hsm), "released", released, "error", text(row->error),
                     "maintenance", row->is_in_maintenance);
}

static json_t *input(bool is_known, const struct csn_status_input *value)
{
    return is_known ? json_pack("{s:o, s:o}", "generation", number(value->generation), "serial",
                                number(value->serial))
                    : json_null();
}

static json_t *parked(const struct csn_status_zone *zone)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < zone->parked_count; i++) {
        const struct csn_status_parked *row = &zone->parked[i];
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "reason",
                                        text(row->reason), "serial",
                                        number_if(row->has_serial, row->serial), "since",
                                        time_if(row->since_s != 0, row->since_s), "site", text(row->site), "gate",
                                        text(row->gate), "received",
                                        row->has_received ? digest(&row->received) : json_null()));
    }
    return list;
}

static json_t *orders(const struct csn_status *status, const struct csn_status_zone *zone)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < zone->order_count; i++) {
        const struct csn_status_order *row = &zone->orders[i];
        bool is_in_force = zone->orders_known >= csn_status_needed(status, row->order);
        bool has_received = !csn_digest_is_zero(&row->received);
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:b}", "order",
                            text(row->order), "site", text(row->site), "operator",
                            text(row->operator), "reason", text(row->reason), "since",
                            time_at(row->number / 1000000), "number", number(row->number),
                            "received", has_received ? digest(&row->received) : json_null(),
                            "generation", number_if(row->generation != 0, row->generation),
                            "serial", number_if(row->has_serial, row->serial),
                            "known", zone->orders_known, "in_force", is_in_force));
    }
    return list;
}

static json_t *stale(const struct csn_status_zone *zone)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < zone->stale_count; i++) {
        json_array_append_new(list, text(zone->stale[i]));
    }
    return list;
}

static json_t *diverged(const struct csn_status_zone *zone)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < zone->diverged_count; i++) {
        const struct csn_status_diverged *row = &zone->diverged[i];
        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:o}", "site", text(row->site),
                                              "classes", text(row->classes), "serial",
                                              number(row->serial), "since", time_if(row->since_s != 0, row->since_s),
                                              "detail", text(row->detail)));
    }
    return list;
}

static json_t *version(uint32_t number_, uint32_t head)
{
    char digits[9];
    snprintf(digits, sizeof(digits), "%08x", (unsigned)head);
    return json_pack("{s:o, s:s}", "version", number(number_), "digest", digits);
}

static json_t *documents(const struct csn_status_zone *zone)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < zone->documents_count; i++) {
        const struct csn_status_documents *row = &zone->documents[i];
        json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "site", text(row->site), "policy",
                                              version(row->policy, row->policy_head), "keyset",
                                              version(row->keyset, row->keyset_head)));
    }
    return list;
}

static uint64_t left(uint64_t now_s, uint64_t until_s)
{
    return until_s > now_s ? until_s - now_s : 0;
}

static json_t *serving(const struct csn_status *status, const struct csn_status_zone *zone)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < zone->serving_count; i++) {
        const struct csn_status_serving *row = &zone->serving[i];
        bool is_known = row->first_expiry_s != 0;
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o, s:o}", "site", text(row->site), "serial",
                            number(row->serial), "first_expiry", time_if(is_known, row->first_expiry_s),
                            "left_s", number_if(is_known, left(status->observed_at_s, row->first_expiry_s)),
                            "fence", time_if(row->fence_s != 0, row->fence_s)));
    }
    return list;
}

static json_t *zone(const struct csn_status *status, const struct csn_status_zone *row)
{
    bool is_out = row->has_released;
    uint64_t age_s =
        status->observed_at_s > row->released_at_s ? status->observed_at_s - row->released_at_s : 0;
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o}",
        "zone", text(row->zone), "state", text(row->state), "released", number_if(is_out, row->released),
        "votes", number_if(is_out, row->votes), "voters", row->voters, "released_at",
        is_out ? time_at(row->released_at_s) : json_null(), "age_s", number_if(is_out, age_s),
        "content_root", is_out ? digest(&row->content) : json_null(), "full_root",
        is_out ? digest(&row->full) : json_null(), "first_expiry",
        is_out ? time_at(row->first_expiry_s) : json_null(), "pending",
        number_if(row->has_pending, row->pending), "waiting_for", text(row->waiting_for), "parked",
        parked(row), "diverged", diverged(row), "input", input(is_out, &row->input),
        "pending_input", input(row->has_pending_input, &row->pending_input), "orders",
        orders(status, row), "documents", documents(row), "lead", text(row->lead),
        "serving", serving(status, row), "soa_expire_s", number_if(row->soa_expire_s != 0, row->soa_expire_s),
        "level", (int)row->level, "stale", stale(row));
}

static json_t *coordinators(const struct csn_status *status)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < status->coordinator_count; i++) {
        const struct csn_status_coordinator *row = &status->coordinators[i];
        json_array_append_new(list, json_pack("{s:o, s:b, s:b, s:o}", "name", text(row->name), "leads", row->leads, "missing",
                                              row->is_missing, "last_seen_ms", number_if(row->has_last_seen, row->last_seen_ms)));
    }
    return list;
}

static json_t *counters(const struct csn_status *status)
{
    json_t *list = json_object();
    for (uint32_t i = 0; i < status->counter_count; i++) {
        json_t *name = text(status->counters[i].name);
        json_object_set_new(list, json_string_value(name), number(status->counters[i].value));
        json_decref(name);
    }
    return list;
}

static json_t *store(const struct csn_status *status)
{
    return status->store_limit > 0
               ? json_pack("{s:o, s:o}", "used", number(status->store_used), "limit", number(status->store_limit))
               : json_null();
}

void csn_ctl_json_status(FILE *out, const struct csn_status *status)
{
    json_t *sites = json_array(), *zones = json_array();
    for (uint32_t i = 0; i < status->site_count; i++) {
        json_array_append_new(sites, site(status->sites[i]));
    }
    for (uint32_t i = 0; i < status->zone_count; i++) {
        if (!status->zones[i]->is_hidden) {
            json_array_append_new(zones, zone(status, status->zones[i]));
        }
    }
    json_t *json = status_document(status);
    json_object_set_new(json, "cluster",
                        json_pack("{s:o, s:o, s:o, s:o, s:b, s:o, s:i, s:i}", "name",
                                  text(status->cluster), "id",
                                  hex(csn_bytes(status->cluster_id, sizeof(status->cluster_id))),
                                  "epoch", number(status->epoch), "next_epoch",
                                  number_if(status->next_epoch != 0, status->next_epoch),
                                  "sealed", status->is_sealed, "emergency_until",
                                  status->emergency_until_s != 0 ? time_at(status->emergency_until_s)
                                                                 : json_null(),
                                  "quorum", status->quorum, "members", status->members));
    json_object_set_new(json, "term", number(status->term));
    json_object_set_new(json, "leader", text(status->leader));
    json_object_set_new(json, "coordinators", coordinators(status));
    json_object_set_new(json, "counters", counters(status));
    json_object_set_new(json, "store", store(status));
    json_object_set_new(json, "sites", sites);
    json_object_set_new(json, "zones", zones);
    json_object_set_new(json, "all_zones", number(status->zone_count));
    put(out, json);
}

void csn_ctl_json_health(FILE *out, const struct csn_status *status)
{
    put(out, status_document(status));
}

void csn_ctl_json_unknown(FILE *out, const char *reason, uint64_t now_s)
{
    put(out, document(json_null(), now_s, health(CSN_HEALTH_UNKNOWN, &reason, 1)));
}

void csn_ctl_json_given(FILE *out, const struct csn_ctl_given *given, size_t count, uint64_t now_s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct csn_ctl_given *row = &given[i];
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o, s:i, s:i, s:i, s:b}", "zone", text(row->zone),
                            "order", text(row->order), "site", text(row->site), "number",
                            number(row->number), "known", (int)row->known, "needed",
                            (int)row->needed, "sites", (int)row->sites, "in_force",
                            row->known >= row->needed));
    }
    put(out, json_pack("{s:i, s:o, s:o}", "schema", CSN_CTL_SCHEMA, "observed_at", time_at(now_s),
                       "orders", list));
}

void csn_ctl_json_cert(FILE *out, const struct csn_cert_view *view, uint64_t now_s)
{
    json_t *signers = json_array();
    for (uint32_t i = 0; i < view->signer_count; i++) {
        const struct csn_cert_signer *signer = &view->signers[i];
        json_array_append_new(signers, json_pack("{s:i, s:o, s:o}", "number", signer->number,
                                                 "name", text(signer->name), "incarnation",
                                                 number(signer->incarnation)));
    }
    json_t *json = json_pack("{s:i, s:o, s:o, s:o, s:o}", "schema", CSN_CTL_SCHEMA, "observed_at",
                             time_at(now_s), "zone", text(view->zone), "serial",
                             number(view->serial), "epoch", number(view->epoch));
    json_object_set_new(json, "round",
                        json_pack("{s:o, s:i, s:o}", "counter", number(view->round_counter),
                                  "coordinator", view->round_coordinator, "seq",
                                  number(view->round_seq)));
    json_object_set_new(json, "input", input(true, &view->input));
    json_object_set_new(json, "policy", number(view->policy));
    json_object_set_new(json, "keyset", number(view->keyset));
    json_object_set_new(json, "time", time_at(view->time_s));
    json_object_set_new(json, "schedule", time_at(view->schedule_s));
    json_object_set_new(json, "first_expiry", time_at(view->first_expiry_s));
    json_object_set_new(json, "records", number(view->records));
    json_object_set_new(json, "signatures", number(view->signatures));
    json_object_set_new(json, "content_root", digest(&view->content));
    json_object_set_new(json, "full_root", digest(&view->full));
    json_object_set_new(json, "signers", signers);
    json_object_set_new(json, "certificate", hex(view->certificate));
    put(out, json);
}

/* --- why a zone is as it is */

static json_t *votes(const struct csn_explanation *explanation)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < explanation->vote_count; i++) {
        const struct csn_explained_vote *row = &explanation->votes[i];
        bool is_known = row->first_expiry_s != 0;
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "site", text(row->site), "vote",
                            text(row->vote), "why", text(row->why), "released",
                            number_if(row->has_released, row->released), "first_expiry",
                            time_if(is_known, row->first_expiry_s), "left_s",
                            number_if(is_known, left(explanation->observed_at_s, row->first_expiry_s)),
                            "fence", time_if(row->fence_s != 0, row->fence_s)));
    }
    return list;
}

static json_t *steps(const struct csn_explained_step *rows, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "text", text(rows[i].text), "at",
                                              time_if(rows[i].at_s != 0, rows[i].at_s), "command",
                                              text(rows[i].command)));
    }
    return list;
}

static json_t *refusals(const struct csn_explanation *explanation)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < explanation->refusal_count; i++) {
        const struct csn_explained_refusal *row = &explanation->refusals[i];
        json_t *json = json_pack("{s:o, s:i, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "site", text(row->site), "rule",
                                 row->rule, "test", row->test, "question", text(row->question), "want",
                                 text(row->want), "is", text(row->is), "next", text(row->next), "round",
                                 text(row->round), "proposal", digest(&row->hash));
        json_object_set_new(json, "count", number(row->count));
        json_object_set_new(json, "first", time_at(row->first_s));
        json_object_set_new(json, "last", time_at(row->last_s));
        json_object_set_new(json, "incarnation", number(row->incarnation));
        json_object_set_new(json, "statement", row->body.size > 0 ? hex(row->body) : json_null());
        json_object_set_new(json, "signature", row->body.size > 0 ? hex(row->signature) : json_null());
        json_array_append_new(list, json);
    }
    return list;
}

static json_t *explained(const struct csn_explanation *explanation)
{
    return json_pack("{s:i, s:o, s:o, s:o}", "schema", CSN_CTL_SCHEMA, "observed_at",
                     time_at(explanation->observed_at_s), "observed_from",
                     text(explanation->observed_from), "zone", text(explanation->zone));
}

void csn_ctl_json_refusals(FILE *out, const struct csn_explanation *explanation)
{
    json_t *json = explained(explanation);
    json_object_set_new(json, "refusals", refusals(explanation));
    json_object_set_new(json, "has_more", json_boolean(explanation->has_more));
    put(out, json);
}

void csn_ctl_json_explanation(FILE *out, const struct csn_explanation *explanation)
{
    json_t *json = explained(explanation);
    json_object_set_new(json, "state", text(explanation->state));
    json_object_set_new(json, "text", text(explanation->text));
    json_object_set_new(json, "sites", votes(explanation));
    json_object_set_new(json, "refusals", refusals(explanation));
    json_object_set_new(json, "next", steps(explanation->next, explanation->next_count));
    json_object_set_new(json, "may", steps(explanation->may, explanation->may_count));
    put(out, json);
}
