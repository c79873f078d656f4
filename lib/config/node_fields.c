/* The keys of a node's configuration: a table a mapping, and the values that no table reads. */
#include "config/node_own.h"

#include <stdio.h>
#include <string.h>

#include "config/rdata.h"

#define ENVIRONMENT_MAX 64
#define DS_MAX 32
#define MIB (UINT64_C(1) << 20)

static const char environment_name[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

/* NAME: value, any names: to NAME=value texts. */
static int read_environment(const struct csn_schema_reader *reader,
                            const struct csn_yaml_node *node, void *member)
{
    const char *const **environment = member;
    if (node->kind != CSN_YAML_MAP || node->count > ENVIRONMENT_MAX) {
        return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT,
                               "environment: expected a mapping of at most %d names to values",
                               ENVIRONMENT_MAX);
    }
    char **list =
        csn_arena_alloc(reader->arena, (node->count + 1) * sizeof(*list), _Alignof(char *));
    size_t count = 0;
    for (const struct csn_yaml_node *child = node->first; child != NULL; child = child->next) {
        size_t name_size = strlen(child->key);
        if (child->kind != CSN_YAML_SCALAR || name_size == 0 ||
            strspn(child->key, environment_name) != name_size ||
            csn_yaml_find(node, child->key) != child) {
            return csn_yaml_refuse(
                reader->yaml, child, reader->reason, CSN_EFORMAT,
                "environment: expected each name once, with a single value, not '%.40s'",
                child->key);
        }
        size_t size = name_size + strlen(child->text) + 2;
        list[count] = csn_arena_alloc(reader->arena, size, 1);
        snprintf(list[count++], size, "%s=%s", child->key, child->text);
    }
    list[count] = NULL;
    *environment = (const char *const *)list;
    return CSN_OK;
}

/* The token, never the PIN: arguments and configurations are read by too many. */
static int read_token_uri(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                          void *member)
{
    static const char scheme[] = "pkcs11:";
    if (node->kind != CSN_YAML_SCALAR || strncmp(node->text, scheme, strlen(scheme)) != 0) {
        return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT,
                               "token: expected a PKCS#11 URI such as pkcs11:token=zrh (RFC 7512)");
    }
    if (strstr(node->text, "pin-value=") != NULL || strstr(node->text, "pin-source=") != NULL) {
        return csn_yaml_refuse(
            reader->yaml, node, reader->reason, CSN_EREFUSED,
            "token: a PIN does not belong into the URI; name its file in 'pin-file'");
    }
    *(const char **)member = csn_arena_copy(reader->arena, node->text, strlen(node->text) + 1);
    return CSN_OK;
}

static int read_ds(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                   void *member)
{
    struct csn_buf buf = {0};
    if (node->kind != CSN_YAML_SCALAR || csn_rdata_parse_ds(node->text, &buf) != CSN_OK) {
        csn_buf_fini(&buf);
        return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT,
                               "ds: expected a DS's RDATA such as \"12345 13 2 hex\"");
    }
    *(struct csn_bytes *)member =
        csn_bytes(csn_arena_copy(reader->arena, buf.data, buf.size), buf.size);
    csn_buf_fini(&buf);
    return CSN_OK;
}

#define PATH_FIELD(type_, key_, member, required)                                                  \
    {                                                                                              \
        .key = (key_), .type = CSN_SCHEMA_PATH, .is_required = (required),                         \
        CSN_SCHEMA_MEMBER(type_, member)                                                           \
    }
#define STRUCTS(variable, type_, schema, enclosing, count_member, most_)                           \
    static const struct csn_schema_list variable = {                                               \
        .item = {.type = CSN_SCHEMA_MAP, .size = sizeof(type_), .map = &(schema)},                 \
        CSN_SCHEMA_COUNT(enclosing, count_member),                                                 \
        .most = (most_),                                                                           \
    }

static const struct csn_schema_field hsm_fields[] = {
    PATH_FIELD(struct csn_hsm_config, "worker", worker, false),
    PATH_FIELD(struct csn_hsm_config, "module", module, true),
    {.key = "token",
     .type = CSN_SCHEMA_OTHER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_hsm_config, token),
     .read = read_token_uri},
    PATH_FIELD(struct csn_hsm_config, "pin-file", pin_file, true),
    {.key = "sessions",
     .type = CSN_SCHEMA_NUMBER,
     CSN_SCHEMA_MEMBER(struct csn_hsm_config, sessions),
     .least = 1,
     .most = CSN_NODE_SESSIONS_MAX,
     .fallback = "2"},
    {.key = "deadline",
     .type = CSN_SCHEMA_SPAN_MS,
     CSN_SCHEMA_MEMBER(struct csn_hsm_config, deadline_ms),
     .least = 1,
     .most = 3600,
     .fallback = "10s"},
    {.key = "environment",
     .type = CSN_SCHEMA_OTHER,
     CSN_SCHEMA_MEMBER(struct csn_hsm_config, environment),
     .read = read_environment},
    PATH_FIELD(struct csn_hsm_config, "folder", folder, false),
};
static const struct csn_schema hsm_schema = CSN_SCHEMA_OF("hsm", hsm_fields);

static const struct csn_schema_field token_key_fields[] = {
    {.key = "key",
     .type = CSN_SCHEMA_INLINE,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_token_key, name),
     .least = 1},
    {.key = "label",
     .type = CSN_SCHEMA_TEXT,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_token_key, label),
     .least = 1,
     .most = 255},
    {.key = "id",
     .type = CSN_SCHEMA_OCTETS,
     CSN_SCHEMA_MEMBER(struct csn_token_key, id),
     .least = 1,
     .most = 255},
};
static const struct csn_schema token_key_schema = CSN_SCHEMA_OF("a token key", token_key_fields);
STRUCTS(token_key_list, struct csn_token_key, token_key_schema, struct csn_zone_config,
        token_key_count, CSN_KEYS_MAX);

static const struct csn_schema_list ds_list = {
    .item = {.type = CSN_SCHEMA_OTHER, .size = sizeof(struct csn_bytes), .read = read_ds},
    CSN_SCHEMA_COUNT(struct csn_zone_config, ds_count),
    .most = DS_MAX,
};
static const struct csn_schema_field zone_fields[] = {
    {.key = "zone",
     .type = CSN_SCHEMA_NAME,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_zone_config, zone)},
    PATH_FIELD(struct csn_zone_config, "input", input, true),
    {.key = "live-serial",
     .type = CSN_SCHEMA_NUMBER,
     CSN_SCHEMA_MEMBER(struct csn_zone_config, live_serial),
     .most = UINT32_MAX},
    PATH_FIELD(struct csn_zone_config, "policy", policy_path, true),
    PATH_FIELD(struct csn_zone_config, "keys", keyset_path, true),
    {.key = "token-keys",
     .type = CSN_SCHEMA_LIST,
     CSN_SCHEMA_MEMBER(struct csn_zone_config, token_keys),
     .list = &token_key_list},
    {.key = "ds",
     .type = CSN_SCHEMA_LIST,
     CSN_SCHEMA_MEMBER(struct csn_zone_config, ds),
     .list = &ds_list},
};
static const struct csn_schema zone_schema = CSN_SCHEMA_OF("a zone", zone_fields);
static const struct csn_schema_list zone_list = {
    .item = {.type = CSN_SCHEMA_MAP, .size = sizeof(struct csn_zone_config), .map = &zone_schema},
    CSN_SCHEMA_COUNT(struct csn_node_config, zone_count),
    .most = CSN_ZONES_MAX,
};

STRUCTS(list_token_key_list, struct csn_token_key, token_key_schema, struct csn_zone_list_config,
        token_key_count, CSN_KEYS_MAX);
static const struct csn_schema_field zone_list_fields[] = {
    PATH_FIELD(struct csn_zone_list_config, "names", path, true),
    PATH_FIELD(struct csn_zone_list_config, "input", input, true),
    PATH_FIELD(struct csn_zone_list_config, "policy", policy_path, true),
    PATH_FIELD(struct csn_zone_list_config, "keys", keyset_path, true),
    {.key = "token-keys",
     .type = CSN_SCHEMA_LIST,
     CSN_SCHEMA_MEMBER(struct csn_zone_list_config, token_keys),
     .list = &list_token_key_list},
};
static const struct csn_schema zone_list_schema =
    CSN_SCHEMA_OF("a listing of zones", zone_list_fields);
STRUCTS(zone_list_list, struct csn_zone_list_config, zone_list_schema, struct csn_node_config,
        zone_list_count, CSN_ZONE_LISTS_MAX);

static const struct csn_schema_list listen_list = {
    .item = {.type = CSN_SCHEMA_ENDPOINT, .size = sizeof(struct csn_endpoint)},
    CSN_SCHEMA_COUNT(struct csn_transfer_config, listen_count),
    .least = 1,
    .most = CSN_ADDRESSES_MAX,
};

static const struct csn_schema_word algorithms[] = {{"hmac-sha256", CSN_TSIG_SHA256},
                                                    {"hmac-sha384", CSN_TSIG_SHA384},
                                                    {"hmac-sha512", CSN_TSIG_SHA512},
                                                    {NULL, 0}};
static const struct csn_schema_field tsig_fields[] = {
    {.key = "name",
     .type = CSN_SCHEMA_NAME,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_tsig_config, name)},
    {.key = "algorithm",
     .type = CSN_SCHEMA_WORD,
     CSN_SCHEMA_MEMBER(struct csn_tsig_config, algorithm),
     .words = algorithms,
     .fallback = "hmac-sha256"},
    PATH_FIELD(struct csn_tsig_config, "secret-file", secret_file, true),
};
static const struct csn_schema tsig_schema = CSN_SCHEMA_OF("a TSIG key", tsig_fields);
STRUCTS(tsig_list, struct csn_tsig_config, tsig_schema, struct csn_transfer_config, tsig_count,
        CSN_TSIG_KEYS_MAX);

static const struct csn_schema_field allow_fields[] = {
    {.key = "address",
     .type = CSN_SCHEMA_PREFIX,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_allow_config, prefix)},
    {.key = "key",
     .type = CSN_SCHEMA_TEXT,
     CSN_SCHEMA_MEMBER(struct csn_allow_config, key_name),
     .least = 1,
     .most = 255},
};
static const struct csn_schema allow_schema = CSN_SCHEMA_OF("an allow rule", allow_fields);
STRUCTS(allow_list, struct csn_allow_config, allow_schema, struct csn_transfer_config, allow_count,
        CSN_ADDRESSES_MAX);

static const struct csn_schema_field notify_fields[] = {
    {.key = "to",
     .type = CSN_SCHEMA_ENDPOINT,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_notify_config, to)},
    {.key = "key",
     .type = CSN_SCHEMA_TEXT,
     CSN_SCHEMA_MEMBER(struct csn_notify_config, key_name),
     .least = 1,
     .most = 255},
};
static const struct csn_schema notify_schema = CSN_SCHEMA_OF("a notify target", notify_fields);
STRUCTS(notify_list, struct csn_notify_config, notify_schema, struct csn_transfer_config,
        notify_count, CSN_ADDRESSES_MAX);

#define TRANSFER_LIST(key_, member, list_)                                                         \
    {                                                                                              \
        .key = (key_), .type = CSN_SCHEMA_LIST,                                                    \
        CSN_SCHEMA_MEMBER(struct csn_transfer_config, member), .list = &(list_)                    \
    }
static const struct csn_schema_field transfer_fields[] = {
    TRANSFER_LIST("listen", listen, listen_list),
    TRANSFER_LIST("tsig", tsig, tsig_list),
    TRANSFER_LIST("allow", allow, allow_list),
    TRANSFER_LIST("notify", notify, notify_list),
};
static const struct csn_schema transfer_schema = CSN_SCHEMA_OF("transfer", transfer_fields);

#define SIZE_FIELD(key_, member, fallback_)                                                        \
    {                                                                                              \
        .key = (key_), .type = CSN_SCHEMA_SIZE, CSN_SCHEMA_MEMBER(struct csn_node_config, member), \
        .least = MIB, .most = MIB << 24, .fallback = (fallback_)                                   \
    }
static const struct csn_schema_field node_fields[] = {
    {.key = "site",
     .type = CSN_SCHEMA_OTHER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_node_config, site),
     .read = csn_schema_read_site_name},
    PATH_FIELD(struct csn_node_config, "cluster", cluster_path, true),
    PATH_FIELD(struct csn_node_config, "store", store, true),
    SIZE_FIELD("votes-size", votes_size, "1GiB"),
    SIZE_FIELD("zones-size", zones_size, "64GiB"),
    PATH_FIELD(struct csn_node_config, "second-copy", second_copy, true),
    {.key = "identity",
     .type = CSN_SCHEMA_MAP,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_node_config, identity),
     .map = &csn_schema_identity},
    PATH_FIELD(struct csn_node_config, "control", control, true),
    {.key = "hsm",
     .type = CSN_SCHEMA_MAP,
     CSN_SCHEMA_MEMBER(struct csn_node_config, hsm),
     .map = &hsm_schema},
    {.key = "zones",
     .type = CSN_SCHEMA_LIST,
     CSN_SCHEMA_MEMBER(struct csn_node_config, zones),
     .list = &zone_list},
    {.key = "zone-lists",
     .type = CSN_SCHEMA_LIST,
     CSN_SCHEMA_MEMBER(struct csn_node_config, zone_lists),
     .list = &zone_list_list},
    {.key = "transfer",
     .type = CSN_SCHEMA_MAP,
     CSN_SCHEMA_MEMBER(struct csn_node_config, transfer),
     .map = &transfer_schema},
    {.key = "log",
     .type = CSN_SCHEMA_MAP,
     CSN_SCHEMA_MEMBER(struct csn_node_config, log_level),
     .map = &csn_schema_log,
     .fallback = "{}"},
};
const struct csn_schema csn_node_config_schema =
    CSN_SCHEMA_OF("the node's configuration", node_fields);
