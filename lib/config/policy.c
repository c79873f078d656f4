#include "config/policy.h"

#include "config/schema.h"
#include "dns/name.h"

#define EVENTS_MAX 256
#define DROP_MAX 10000
#define DAY UINT64_C(86400)

/* What comes into force when: a single span is in force from the beginning. */
static const struct csn_schema_field timed_fields[] = {
    {.key = "from",
     .type = CSN_SCHEMA_TIME,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_timed, at_s)},
    {.key = "window",
     .type = CSN_SCHEMA_SPAN,
     CSN_SCHEMA_MEMBER(struct csn_timed, window_s),
     .most = 366 * DAY},
    {.key = "value",
     .type = CSN_SCHEMA_SPAN,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_timed, value_s),
     .least = 1,
     .most = 366 * DAY},
};
static const struct csn_schema timed_schema = CSN_SCHEMA_OF("an event", timed_fields);
static const struct csn_schema_list timed_events = {
    .item = {.type = CSN_SCHEMA_MAP, .size = sizeof(struct csn_timed), .map = &timed_schema},
    CSN_SCHEMA_COUNT(struct csn_timed_list, count),
    .least = 1,
    .most = EVENTS_MAX,
};
static const struct csn_schema_field timed_list = {.type = CSN_SCHEMA_LIST,
                                                   CSN_SCHEMA_MEMBER(struct csn_timed_list, events),
                                                   .list = &timed_events};
static const struct csn_schema_field timed_single = {
    .type = CSN_SCHEMA_SPAN,
    CSN_SCHEMA_MEMBER(struct csn_timed, value_s),
    .least = 1,
    .most = 366 * DAY,
    .meant = "a span such as 21d, or a list of {from, window, value}"};

static int read_timed(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                      void *member)
{
    struct csn_timed_list *list = member;
    if (node->kind == CSN_YAML_LIST) {
        return csn_schema_read_value(reader, node, &timed_list, list);
    }
    struct csn_timed timed = {0};
    int code = csn_schema_read_value(reader, node, &timed_single, &timed);
    if (code == CSN_OK) {
        struct csn_timed *event =
            csn_arena_alloc(reader->arena, sizeof(timed), _Alignof(struct csn_timed));
        *event = timed;
        *list = (struct csn_timed_list){.events = event, .count = 1};
    }
    return code;
}

/* A name to the arena; the member points at it. */
static int read_owner(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                      void *member)
{
    static const struct csn_schema_field field = {
        .key = "drop-addresses", .type = CSN_SCHEMA_NAME, .size = CSN_NAME_MAX};
    uint8_t name[CSN_NAME_MAX];
    int code = csn_schema_read_value(reader, node, &field, name);
    if (code == CSN_OK) {
        *(const uint8_t **)member = csn_arena_copy(reader->arena, name, csn_name_size(name));
    }
    return code;
}

static const struct csn_schema_list drop_list = {
    .item = {.type = CSN_SCHEMA_OTHER, .size = sizeof(const uint8_t *), .read = read_owner},
    CSN_SCHEMA_COUNT(struct csn_policy, drop_addresses_count),
    .most = DROP_MAX,
};

static const struct csn_schema_word denials[] = {{"nsec", CSN_DENIAL_NSEC}, {NULL, 0}};
static const struct csn_schema_word serial_rules[] = {{"unixtime", CSN_SERIAL_UNIXTIME},
                                                      {"counter", CSN_SERIAL_COUNTER},
                                                      {"date", CSN_SERIAL_DATE},
                                                      {NULL, 0}};

static const struct csn_schema_field gate_fields[] = {
    {.key = "shrink-percent",
     .type = CSN_SCHEMA_NUMBER,
     .size = sizeof(unsigned),
     .most = 100,
     .fallback = "10"},
};
static const struct csn_schema gate_schema = CSN_SCHEMA_OF("gates", gate_fields);

#define SPAN_FIELD(key_, member, least_, most_, fallback_)                                         \
    {                                                                                              \
        .key = (key_), .type = CSN_SCHEMA_SPAN, CSN_SCHEMA_MEMBER(struct csn_policy, member),      \
        .least = (least_), .most = (most_), .fallback = (fallback_)                                \
    }
#define TIMED_FIELD(key_, member, fallback_)                                                       \
    {                                                                                              \
        .key = (key_), .type = CSN_SCHEMA_OTHER, CSN_SCHEMA_MEMBER(struct csn_policy, member),     \
        .read = read_timed, .fallback = (fallback_)                                                \
    }

static const struct csn_schema_field policy_fields[] = {
    {.key = "name",
     .type = CSN_SCHEMA_INLINE,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_policy, name),
     .least = 1},
    {.key = "version",
     .type = CSN_SCHEMA_NUMBER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_policy, version.number),
     .least = 1},
    TIMED_FIELD("validity", validity, "21d"),
    TIMED_FIELD("refresh", refresh, "10d"),
    TIMED_FIELD("inception-offset", offset, "90m"),
    {.key = "denial",
     .type = CSN_SCHEMA_WORD,
     CSN_SCHEMA_MEMBER(struct csn_policy, denial),
     .words = denials,
     .fallback = "nsec"},
    {.key = "serial",
     .type = CSN_SCHEMA_WORD,
     CSN_SCHEMA_MEMBER(struct csn_policy, serial_rule),
     .words = serial_rules,
     .fallback = "unixtime"},
    {.key = "drop-addresses",
     .type = CSN_SCHEMA_LIST,
     CSN_SCHEMA_MEMBER(struct csn_policy, drop_addresses),
     .list = &drop_list},
    {.key = "gates",
     .type = CSN_SCHEMA_MAP,
     CSN_SCHEMA_MEMBER(struct csn_policy, shrink_percent),
     .map = &gate_schema,
     .fallback = "{}"},
    SPAN_FIELD("refresh-interval", refresh_interval_s, 1, 30 * DAY, "1h"),
    SPAN_FIELD("propagation", propagation_s, 0, 30 * DAY, "1h"),
    SPAN_FIELD("hold-budget", hold_budget_s, 0, 30 * DAY, "12h"),
    SPAN_FIELD("pre-publication", prepublication_s, 0, 366 * DAY, "7d"),
    SPAN_FIELD("post-publication", postpublication_s, 0, 366 * DAY, "7d"),
    {.key = "round-deadline",
     .type = CSN_SCHEMA_SPAN_MS,
     CSN_SCHEMA_MEMBER(struct csn_policy, round_deadline_ms),
     .least = 1,
     .most = DAY,
     .fallback = "120s"},
    SPAN_FIELD("max-round-age", max_round_age_s, 1, DAY, "30m"),
    SPAN_FIELD("behind-max", behind_max_s, 1, DAY, "5m"),
    {.key = "proof",
     .type = CSN_SCHEMA_NUMBER,
     CSN_SCHEMA_MEMBER(struct csn_policy, proof_count),
     .most = 1000000,
     .fallback = "64"},
    {.key = "accept-risk",
     .type = CSN_SCHEMA_INLINE,
     CSN_SCHEMA_MEMBER(struct csn_policy, accept_risk),
     .least = 1},
};
static const struct csn_schema policy_schema = CSN_SCHEMA_OF("the policy", policy_fields);

int csn_policy_parse(struct csn_bytes text, const char *file, struct csn_policy *ret_policy,
                     struct csn_reason *reason)
{
    struct csn_yaml yaml;
    struct csn_policy policy = {0};
    int code = csn_yaml_parse(text, file, &yaml, reason);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_schema_reader reader = {.yaml = &yaml, .arena = &policy.arena, .reason = reason};
    code = csn_schema_read(&reader, yaml.root, &policy_schema, &policy);
    csn_yaml_fini(&yaml);
    if (code != CSN_OK) {
        csn_arena_fini(&policy.arena);
        return code;
    }
    csn_sha384(text, &policy.version.digest);
    *ret_policy = policy;
    return CSN_OK;
}
