#include "support/plan_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/text.h"
#include "config/rdata.h"

static _Noreturn void give_up(const char *what, const char *detail)
{
    fprintf(stderr, "plan.json: %s: %s\n", what, detail);
    exit(1);
}

static uint64_t number_of(const json_t *object, const char *name, uint64_t otherwise)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : otherwise;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text == NULL) {
        give_up("no text", name);
    }
    return text;
}

/* The events that carry `field`, as a list of that value. */
static struct csn_timed_list read_values(struct csn_arena *arena, const json_t *events, const char *field)
{
    struct csn_timed *list = csn_arena_alloc(arena, json_array_size(events) * sizeof(*list), _Alignof(struct csn_timed));
    size_t count = 0, i;
    json_t *event;
    json_array_foreach(events, i, event)
    {
        if (json_object_get(event, field) != NULL) {
            list[count++] = (struct csn_timed){.at_s = number_of(event, "A", 0),
                                               .window_s = number_of(event, "W", 0),
                                               .value_s = number_of(event, field, 0)};
        }
    }
    return (struct csn_timed_list){list, count};
}

static void read_drop_list(struct csn_policy *policy, const json_t *names)
{
    const uint8_t **list = csn_arena_alloc(&policy->arena, (json_array_size(names) + 1) * sizeof(*list), _Alignof(uint8_t *));
    size_t i;
    json_t *name;
    json_array_foreach(names, i, name)
    {
        uint8_t wire[CSN_NAME_MAX];
        if (csn_name_parse(json_string_value(name), wire) != CSN_OK) {
            give_up("drop_addresses", json_string_value(name));
        }
        list[i] = csn_arena_copy(&policy->arena, wire, csn_name_size(wire));
    }
    policy->drop_addresses = list;
    policy->drop_addresses_count = json_array_size(names);
}

static void read_policy(struct csn_policy *policy, const json_t *plan)
{
    const json_t *events = json_object_get(plan, "policy");
    policy->validity = read_values(&policy->arena, events, "V");
    policy->refresh = read_values(&policy->arena, events, "R");
    policy->offset = read_values(&policy->arena, events, "O");
    policy->denial = CSN_DENIAL_NSEC;
    read_drop_list(policy, json_object_get(plan, "drop_addresses"));
}

static void read_serial(struct csn_plan *plan, const json_t *serial)
{
    static const char *const names[] = {
        [CSN_SERIAL_UNIXTIME] = "unixtime", [CSN_SERIAL_COUNTER] = "counter", [CSN_SERIAL_DATE] = "date"};
    if (json_is_integer(serial)) {
        plan->params.serial = (uint32_t)json_integer_value(serial);
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], text_of(serial, "policy")) == 0) {
            plan->params.serial = csn_serial_next((enum csn_serial_rule)i, plan->params.time_s,
                                                  (uint32_t)number_of(serial, "last", 0));
            return;
        }
    }
    give_up("serial policy", text_of(serial, "policy"));
}

static void read_key(struct csn_plan *plan, const json_t *row)
{
    size_t at = plan->keyset.key_count++;
    struct csn_key *key = &plan->keyset.keys[at];
    struct csn_buf buf = {0};
    if (csn_rdata_parse_key(text_of(row, "dnskey"), &buf) != CSN_OK ||
        csn_key_derive(key, csn_bytes(csn_arena_copy(&plan->keyset.arena, buf.data, buf.size), buf.size)) != CSN_OK) {
        give_up("dnskey", text_of(row, "dnskey"));
    }
    csn_buf_fini(&buf);
    snprintf(key->name, sizeof(key->name), "%s", text_of(row, "name"));
    key->is_published = !json_is_false(json_object_get(row, "published"));
    key->is_retired = json_is_true(json_object_get(row, "retired"));
    if (json_object_get(row, "seed") != NULL) {
        plan->has_seed[at] = true;
        if (csn_hex_decode(text_of(row, "seed"), plan->seeds[at], CSN_SEED_SIZE) != CSN_OK) {
            give_up("seed", text_of(row, "seed"));
        }
    }
}

static uint16_t find_key(const struct csn_keyset *keyset, const json_t *name)
{
    if (!json_is_string(name)) {
        return CSN_KEY_NONE;
    }
    for (uint16_t i = 0; i < keyset->key_count; i++) {
        if (strcmp(keyset->keys[i].name, json_string_value(name)) == 0) {
            return i;
        }
    }
    give_up("no such key", json_string_value(name));
}

static void read_key_list(struct csn_keyset *keyset, const json_t *row)
{
    const json_t *rows = json_object_get(row, "list");
    struct csn_key_event *events = csn_arena_alloc(&keyset->arena, json_array_size(rows) * sizeof(*events),
                                                   _Alignof(struct csn_key_event));
    size_t i;
    json_t *event;
    json_array_foreach(rows, i, event)
    {
        events[i] = (struct csn_key_event){.key = find_key(keyset, json_object_get(event, "key")),
                                           .at_s = number_of(event, "A", 0),
                                           .window_s = number_of(event, "W", 0)};
    }
    keyset->lists[keyset->list_count++] = (struct csn_key_list){
        .role = strcmp(text_of(row, "role"), "KSK") == 0 ? CSN_ROLE_KSK : CSN_ROLE_ZSK,
        .algorithm = (uint8_t)number_of(row, "algorithm", 0),
        .events = events,
        .count = json_array_size(rows)};
}

/* CDS and CDNSKEY: one record each is all that the vectors have. */
static void read_child_rrset(struct csn_keyset *keyset, const json_t *given, uint16_t type, struct csn_rrset *ret_rrset)
{
    const json_t *records = json_object_get(given, "records");
    struct csn_buf rdata = {0}, packed = {0};
    if (given == NULL) {
        return;
    }
    const char *text = json_string_value(json_array_get(records, 0));
    int code = type == CSN_TYPE_CDS ? csn_rdata_parse_ds(text, &rdata) : csn_rdata_parse_key(text, &rdata);
    if (code != CSN_OK || json_array_size(records) != 1) {
        give_up("cds or cdnskey", text);
    }
    csn_buf_put_u16(&packed, (uint16_t)rdata.size);
    csn_buf_put_bytes(&packed, csn_buf_view(&rdata));
    *ret_rrset = (struct csn_rrset){.owner = keyset->zone,
                                    .rdatas = csn_bytes(csn_arena_copy(&keyset->arena, packed.data, packed.size), packed.size),
                                    .ttl = (uint32_t)number_of(given, "ttl", keyset->dnskey_ttl),
                                    .type = type,
                                    .count = 1};
    csn_buf_fini(&rdata);
    csn_buf_fini(&packed);
}

static void read_keyset(struct csn_plan *plan, const json_t *json)
{
    struct csn_keyset *keyset = &plan->keyset;
    size_t i;
    json_t *row;
    if (csn_name_parse(text_of(json, "zone"), keyset->zone) != CSN_OK) {
        give_up("zone", text_of(json, "zone"));
    }
    keyset->dnskey_ttl = (uint32_t)number_of(json, "dnskey_ttl", 3600);
    json_array_foreach(json_object_get(json, "keys"), i, row)
    {
        read_key(plan, row);
    }
    json_array_foreach(json_object_get(json, "events"), i, row)
    {
        read_key_list(keyset, row);
    }
    read_child_rrset(keyset, json_object_get(json, "cds"), CSN_TYPE_CDS, &keyset->cds);
    read_child_rrset(keyset, json_object_get(json, "cdnskey"), CSN_TYPE_CDNSKEY, &keyset->cdnskey);
}

struct csn_plan *csn_plan_load(const char *path)
{
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    if (json == NULL) {
        give_up(path, error.text);
    }
    const json_t *denial = json_object_get(json, "denial");
    if (denial != NULL && strcmp(text_of(denial, "type"), "nsec") != 0) {
        give_up(path, "denial is not nsec");
    }
    struct csn_plan *plan = csn_calloc(1, sizeof(*plan));
    plan->params.time_s = number_of(json, "T", 0);
    plan->params.schedule_s = number_of(json, "S", plan->params.time_s);
    read_serial(plan, json_object_get(json, "serial"));
    read_policy(&plan->policy, json);
    read_keyset(plan, json);
    json_decref(json);
    return plan;
}

void csn_plan_free(struct csn_plan *take_plan)
{
    csn_policy_fini(&take_plan->policy);
    csn_keyset_fini(&take_plan->keyset);
    free(take_plan);
}

bool csn_plan_can_sign(const struct csn_plan *plan)
{
    for (size_t i = 0; i < plan->keyset.key_count; i++) {
        if (!plan->has_seed[i]) {
            return false;
        }
    }
    return true;
}
