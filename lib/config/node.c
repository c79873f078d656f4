#include "config/node.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "config/cluster.h"
#include "config/rdata.h"
#include "config/site.h"
#include "config/zone_list.h"
#include "dns/name_map.h"

#define ENVIRONMENT_MAX 64
#define DS_MAX 32
#define SECRET_FILE_MAX 4096
#define SECRET_SIZE_MIN                                                                            \
    16 /* octets; below half of SHA-256's output a key can be searched (RFC 8945 8) */
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
static const struct csn_schema node_schema = CSN_SCHEMA_OF("the node's configuration", node_fields);

/* A configuration while it is checked. */
struct loader {
    struct csn_node_config *config;
    const struct csn_schema_reader *reader;
    const struct csn_yaml_node *root;
    struct csn_name_map names; /* owns; of the zones, to find doubles */
};

static const struct csn_yaml_node *place(const struct loader *loader, const char *keys)
{
    return csn_config_place(loader->root, keys);
}

static int load_cluster(struct loader *loader)
{
    struct csn_node_config *config = loader->config;
    int code =
        csn_config_load_cluster(loader->reader, place(loader, "cluster"), config->cluster_path,
                                &config->cluster_document, &config->cluster);
    if (code != CSN_OK) {
        return code;
    }
    config->member = csn_cluster_member_named(&config->cluster, config->site);
    if (config->member == NULL) {
        return csn_yaml_refuse(loader->reader->yaml, place(loader, "site"), loader->reader->reason,
                               CSN_EREFUSED, "site: '%s' is not a member in %s", config->site,
                               config->cluster_path);
    }
    return CSN_OK;
}

/* Removes "." and "x/.." from a path, as text: the folders need not be there yet. */
static void normalise(const char *path, char ret_path[PATH_MAX])
{
    char copy[PATH_MAX], *rest = copy, *part;
    size_t used = 0;
    snprintf(copy, sizeof(copy), "%s", path);
    ret_path[0] = '\0';
    while ((part = strsep(&rest, "/")) != NULL) {
        if (*part == '\0' || strcmp(part, ".") == 0) {
            continue;
        }
        char *last = strrchr(ret_path, '/');
        if (strcmp(part, "..") == 0 && last != NULL && strcmp(last, "/..") != 0) {
            *last = '\0';
            used = (size_t)(last - ret_path);
        } else {
            used += (size_t)snprintf(ret_path + used, PATH_MAX - used, "/%.*s",
                                     (int)(PATH_MAX - 2 - used), part);
        }
    }
}

/* The second copy stands for the votes when the store is lost or restored: inside the store it
 * would go with it. */
static int check_store(struct loader *loader)
{
    const struct csn_node_config *config = loader->config;
    char store[PATH_MAX], copy[PATH_MAX];
    int code =
        csn_config_check_folder(loader->reader, place(loader, "store"), config->store, true);
    if (code == CSN_OK) {
        code = csn_config_check_file_to_be(loader->reader, place(loader, "second-copy"),
                                           config->second_copy);
    }
    if (code != CSN_OK) {
        return code;
    }
    normalise(config->store, store);
    normalise(config->second_copy, copy);
    size_t size = strlen(store);
    if (strncmp(copy, store, size) == 0 && (copy[size] == '/' || copy[size] == '\0')) {
        return csn_yaml_refuse(
            loader->reader->yaml, place(loader, "second-copy"), loader->reader->reason,
            CSN_EREFUSED,
            "second-copy: lies inside the store; it must survive the loss of the store");
    }
    return CSN_OK;
}

/* consign-hsm beside the running program. */
static const char *default_worker(struct csn_arena *arena)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - sizeof("consign-hsm"));
    char *slash = NULL;
    if (size > 0) {
        path[size] = '\0';
        slash = strrchr(path, '/');
    }
    memcpy(slash != NULL ? slash + 1 : path, "consign-hsm", sizeof("consign-hsm"));
    return csn_arena_copy(arena, path, strlen(path) + 1);
}

static int check_hsm(struct loader *loader)
{
    struct csn_node_config *config = loader->config;
    struct csn_hsm_config *hsm = &config->hsm;
    hsm->is_present = csn_yaml_find(loader->root, "hsm") != NULL;
    if (!hsm->is_present) {
        return config->member->role == CSN_MEMBER_VERIFIER
                   ? CSN_OK
                   : csn_yaml_refuse(
                         loader->reader->yaml, loader->root, loader->reader->reason, CSN_EREFUSED,
                         "no 'hsm', but %s is a signer in the cluster document", config->site);
    }
    while (hsm->environment != NULL && hsm->environment[hsm->environment_count] != NULL) {
        hsm->environment_count++;
    }
    if (hsm->worker == NULL) {
        hsm->worker = default_worker(&config->arena);
    }
    int code = csn_config_check_program(loader->reader, place(loader, "hsm.worker"), hsm->worker);
    if (code == CSN_OK) {
        code = csn_config_check_library(loader->reader, place(loader, "hsm.module"), hsm->module);
    }
    if (code == CSN_OK && hsm->folder != NULL) {
        code = csn_config_check_folder(loader->reader, place(loader, "hsm.folder"), hsm->folder,
                                       false);
    }
    return code == CSN_OK ? csn_config_check_file(loader->reader, place(loader, "hsm.pin-file"),
                                                  hsm->pin_file, true)
                          : code;
}

/* Names of token keys to indexes of the key set. */
static int resolve_token_keys(struct loader *loader, const struct csn_yaml_node *node,
                              struct csn_zone_config *zone)
{
    struct csn_token_key *keys =
        (struct csn_token_key *)(uintptr_t)zone->token_keys; /* ours until the load returns */
    const struct csn_yaml_node *list = csn_yaml_find(node, "token-keys");
    for (size_t i = 0; i < zone->token_key_count; i++) {
        const struct csn_yaml_node *at = csn_config_place(csn_yaml_item(list, i), "key");
        keys[i].key = CSN_INDEX_NONE;
        for (size_t j = 0; j < zone->keyset.key_count; j++) {
            if (strcmp(zone->keyset.keys[j].name, keys[i].name) == 0) {
                keys[i].key = j;
            }
        }
        for (size_t j = 0; j < i; j++) {
            if (keys[j].key == keys[i].key) {
                return csn_yaml_refuse(
                    loader->reader->yaml, at, loader->reader->reason, CSN_EREFUSED,
                    "key: '%s' twice; a key is one object of the token", keys[i].name);
            }
        }
        if (keys[i].key == CSN_INDEX_NONE) {
            return csn_yaml_refuse(loader->reader->yaml, at, loader->reader->reason, CSN_EREFUSED,
                                   "key: no key '%s' in %s", keys[i].name, zone->keyset_path);
        }
    }
    return CSN_OK;
}

static bool is_ksk(const struct csn_keyset *keyset, uint16_t key)
{
    for (size_t i = 0; i < keyset->list_count; i++) {
        const struct csn_key_list *list = &keyset->lists[i];
        for (size_t j = 0; list->role == CSN_ROLE_KSK && j < list->count; j++) {
            if (list->events[j].key == key) {
                return true;
            }
        }
    }
    return false;
}

/* The key that a DS names, or CSN_KEY_NONE. */
static uint16_t key_of_ds(const struct csn_keyset *keyset, struct csn_bytes ds)
{
    for (uint16_t i = 0; i < keyset->key_count; i++) {
        if (csn_key_is_ds(&keyset->keys[i], keyset->zone, ds)) {
            return i;
        }
    }
    return CSN_KEY_NONE;
}

static int refuse_ds(const struct loader *loader, const struct csn_yaml_node *node,
                     const struct csn_zone_config *zone, struct csn_bytes ds, uint16_t key)
{
    if (key != CSN_KEY_NONE) {
        return csn_yaml_refuse(loader->reader->yaml, node, loader->reader->reason, CSN_EREFUSED,
                               "ds: key '%s', which it names, is no KSK in %s: no KSK event names "
                               "it",
                               zone->keyset.keys[key].name, zone->keyset_path);
    }
    return csn_yaml_refuse(loader->reader->yaml, node, loader->reader->reason, CSN_EREFUSED,
                           "ds: no key in %s has this DS (tag %u, algorithm %u); copy the parent's, "
                           "with digest type 2 or 4",
                           zone->keyset_path, csn_get_u16(ds.data), ds.data[2]);
}

/* Both verifiers ask that for each algorithm of the DS a key with such a DS has signed: one that
 * cannot would hold every release back. */
static int check_ds(const struct loader *loader, const struct csn_yaml_node *node,
                    const struct csn_zone_config *zone)
{
    bool is_met[UINT8_MAX + 1] = {false};
    const struct csn_yaml_node *list = csn_yaml_find(node, "ds");
    for (size_t i = 0; i < zone->ds_count; i++) {
        uint16_t key = key_of_ds(&zone->keyset, zone->ds[i]);
        if (key == CSN_KEY_NONE || !is_ksk(&zone->keyset, key)) {
            return refuse_ds(loader, csn_yaml_item(list, i), zone, zone->ds[i], key);
        }
        is_met[zone->ds[i].data[2]] |=
            zone->keyset.keys[key].is_published && !zone->keyset.keys[key].is_retired;
    }
    for (size_t i = 0; i < zone->ds_count; i++) {
        if (!is_met[zone->ds[i].data[2]]) {
            return csn_yaml_refuse(loader->reader->yaml, csn_yaml_item(list, i),
                                   loader->reader->reason, CSN_EREFUSED,
                                   "ds: no DS of algorithm %u names a key that is published and "
                                   "not retired: nobody could validate the zone",
                                   zone->ds[i].data[2]);
        }
    }
    return CSN_OK;
}

static int load_zone(struct loader *loader, const struct csn_yaml_node *node,
                     struct csn_zone_config *zone)
{
    if (csn_yaml_find(node, "live-serial") == NULL) {
        zone->live_serial = CSN_LIVE_SERIAL_NONE;
    }
    int code =
        csn_config_check_folder_of(loader->reader, csn_yaml_find(node, "input"), zone->input);
    if (code == CSN_OK) {
        code = csn_config_load_policy(loader->reader, csn_yaml_find(node, "policy"),
                                      zone->policy_path, &zone->policy_document, &zone->policy);
    }
    if (code == CSN_OK) {
        code = csn_config_load_keyset(loader->reader, csn_yaml_find(node, "keys"),
                                      zone->keyset_path, zone->zone, &zone->policy,
                                      &zone->policy_document, zone->policy_path,
                                      &zone->keyset_document, &zone->keyset);
    }
    if (code == CSN_OK) {
        code = check_ds(loader, node, zone);
    }
    return code == CSN_OK ? resolve_token_keys(loader, node, zone) : code;
}

static int add_zone(struct loader *loader, const struct csn_yaml_node *node,
                    struct csn_zone_config *zone)
{
    if (!csn_name_map_add(&loader->names, zone->zone)) {
        char name[CSN_NAME_TEXT_MAX];
        csn_name_text(zone->zone, name);
        return csn_yaml_refuse(loader->reader->yaml, csn_config_place(node, "zone"),
                               loader->reader->reason, CSN_EREFUSED, "zone: %s stands twice", name);
    }
    return load_zone(loader, node, zone);
}

/* As if the zone stood in `zones` with the paths of the listing. */
static void fill_listed(struct loader *loader, const struct csn_zone_list_config *list,
                        const uint8_t *name, struct csn_zone_config *zone)
{
    struct csn_arena *arena = &loader->config->arena;
    memcpy(zone->zone, name, sizeof(zone->zone));
    zone->input = csn_zone_list_path(arena, list->input, name);
    zone->policy_path = csn_zone_list_path(arena, list->policy_path, name);
    zone->keyset_path = csn_zone_list_path(arena, list->keyset_path, name);
    zone->token_key_count = list->token_key_count;
    zone->token_keys =
        csn_arena_copy(arena, list->token_keys, list->token_key_count * sizeof(*list->token_keys));
}

/* Room for the listed zones after the others: addresses stay, the map of names borrows them. */
static int read_lists(struct loader *loader, struct csn_zone_list *ret_lists)
{
    struct csn_node_config *config = loader->config;
    const struct csn_yaml_node *lists = csn_yaml_find(loader->root, "zone-lists");
    size_t count = config->zone_count;
    for (size_t i = 0; i < config->zone_list_count; i++) {
        int code = csn_zone_list_read(
            loader->reader, csn_config_place(csn_yaml_item(lists, i), "names"),
            config->zone_lists[i].path, CSN_ZONES_MAX - count, &ret_lists[i]);
        if (code != CSN_OK) {
            return code;
        }
        count += ret_lists[i].count;
    }
    if (count == 0) {
        return csn_yaml_refuse(loader->reader->yaml, loader->root, loader->reader->reason,
                               CSN_EFORMAT, "no zone in 'zones' or 'zone-lists'");
    }
    struct csn_zone_config *zones = csn_arena_alloc(&config->arena, count * sizeof(*zones),
                                                    _Alignof(struct csn_zone_config));
    memset(zones, 0, count * sizeof(*zones));
    if (config->zone_count > 0) {
        memcpy(zones, config->zones, config->zone_count * sizeof(*zones));
    }
    config->zones = zones;
    return CSN_OK;
}

static int load_listed(struct loader *loader, const struct csn_zone_list *lists)
{
    struct csn_node_config *config = loader->config;
    const struct csn_yaml_node *nodes = csn_yaml_find(loader->root, "zone-lists");
    int code = CSN_OK;
    for (size_t i = 0; i < config->zone_list_count; i++) {
        for (size_t k = 0; code == CSN_OK && k < lists[i].count; k++) {
            struct csn_zone_config *zone = &config->zones[config->zone_count++];
            fill_listed(loader, &config->zone_lists[i], lists[i].zones[k], zone);
            code = add_zone(loader, csn_yaml_item(nodes, i), zone);
        }
    }
    return code;
}

static int load_zones(struct loader *loader)
{
    struct csn_node_config *config = loader->config;
    struct csn_zone_list lists[CSN_ZONE_LISTS_MAX];
    int code = read_lists(loader, lists);
    const struct csn_yaml_node *zones = csn_yaml_find(loader->root, "zones");
    const struct csn_yaml_node *node = zones != NULL ? zones->first : NULL;
    for (size_t i = 0; code == CSN_OK && i < config->zone_count; i++, node = node->next) {
        code = add_zone(loader, node, &config->zones[i]);
    }
    return code == CSN_OK ? load_listed(loader, lists) : code;
}

static int load_secret(struct loader *loader, const struct csn_yaml_node *node,
                       struct csn_tsig_config *tsig)
{
    struct csn_buf text = {0};
    const struct csn_yaml_node *at = csn_yaml_find(node, "secret-file");
    int code = csn_config_check_file(loader->reader, at, tsig->secret_file, true);
    if (code == CSN_OK) {
        code =
            csn_fs_read_secret(tsig->secret_file, SECRET_FILE_MAX, &text, loader->reader->reason);
    }
    if (code == CSN_OK) {
        csn_buf_put_u8(&text, '\0');
        if (strlen((const char *)text.data) + 1 != text.size ||
            csn_base64_decode((const char *)text.data, &tsig->secret) != CSN_OK ||
            tsig->secret.size < SECRET_SIZE_MIN) {
            code = csn_yaml_refuse(
                loader->reader->yaml, at, loader->reader->reason, CSN_EFORMAT,
                "secret-file: %s: expected base64 of at least %d octets and nothing else",
                tsig->secret_file, SECRET_SIZE_MIN);
        }
    }
    csn_wipe(text.data, text.size_max);
    csn_buf_fini(&text);
    return code;
}

static int load_tsig(struct loader *loader)
{
    struct csn_transfer_config *transfer = &loader->config->transfer;
    const struct csn_yaml_node *node = csn_config_place(loader->root, "transfer.tsig")->first;
    for (size_t i = 0; i < transfer->tsig_count; i++, node = node->next) {
        for (size_t j = 0; j < i; j++) {
            if (csn_name_equal(transfer->tsig[i].name, transfer->tsig[j].name)) {
                return csn_yaml_refuse(loader->reader->yaml, csn_yaml_find(node, "name"),
                                       loader->reader->reason, CSN_EREFUSED,
                                       "name: stands twice in tsig");
            }
        }
        int code = load_secret(loader, node, &transfer->tsig[i]);
        if (code != CSN_OK) {
            return code;
        }
    }
    return CSN_OK;
}

/* A key's name in a rule to its index in tsig; NULL is no key. */
static int resolve_tsig(struct loader *loader, const struct csn_yaml_node *node, const char *name,
                        size_t *ret_index)
{
    const struct csn_transfer_config *transfer = &loader->config->transfer;
    static const struct csn_schema_field field = {
        .key = "key", .type = CSN_SCHEMA_NAME, .size = CSN_NAME_MAX};
    uint8_t wire[CSN_NAME_MAX];
    *ret_index = CSN_INDEX_NONE;
    if (name == NULL) {
        return CSN_OK;
    }
    const struct csn_yaml_node *at = csn_yaml_find(node, "key");
    int code = csn_schema_read_value(loader->reader, at, &field, wire);
    if (code != CSN_OK) {
        return code;
    }
    for (size_t i = 0; i < transfer->tsig_count; i++) {
        if (csn_name_equal(transfer->tsig[i].name, wire)) {
            *ret_index = i;
            return CSN_OK;
        }
    }
    return csn_yaml_refuse(loader->reader->yaml, at, loader->reader->reason, CSN_EREFUSED,
                           "key: no key '%s' in transfer.tsig", name);
}

static int load_transfer(struct loader *loader)
{
    struct csn_transfer_config *transfer = &loader->config->transfer;
    int code = load_tsig(loader);
    const struct csn_yaml_node *node = csn_config_place(loader->root, "transfer.allow")->first;
    for (size_t i = 0; code == CSN_OK && i < transfer->allow_count; i++, node = node->next) {
        code = resolve_tsig(loader, node, transfer->allow[i].key_name, &transfer->allow[i].key);
    }
    node = csn_config_place(loader->root, "transfer.notify")->first;
    for (size_t i = 0; code == CSN_OK && i < transfer->notify_count; i++, node = node->next) {
        code = resolve_tsig(loader, node, transfer->notify[i].key_name, &transfer->notify[i].key);
    }
    return code;
}

static int load(struct loader *loader)
{
    struct csn_node_config *config = loader->config;
    int code = csn_schema_read(loader->reader, loader->root, &node_schema, config);
    if (code == CSN_OK) {
        code = load_cluster(loader);
    }
    if (code == CSN_OK) {
        code = csn_config_check_identity(loader->reader, loader->root, &config->identity);
    }
    if (code == CSN_OK) {
        code = check_store(loader);
    }
    if (code == CSN_OK) {
        code = csn_config_check_socket(loader->reader, place(loader, "control"), config->control);
    }
    if (code == CSN_OK) {
        code = check_hsm(loader);
    }
    if (code == CSN_OK) {
        code = load_zones(loader);
    }
    return code == CSN_OK ? load_transfer(loader) : code;
}

int csn_node_config_load(const char *path, struct csn_node_config **ret_config,
                         struct csn_reason *reason)
{
    struct csn_node_config *config = csn_calloc(1, sizeof(*config));
    struct csn_config_file file;
    int code = csn_config_file_open(path, &config->arena, &file, reason);
    if (code == CSN_OK) {
        struct loader loader = {.config = config, .reader = &file.reader, .root = file.yaml.root};
        code = load(&loader);
        csn_name_map_fini(&loader.names);
        csn_config_file_close(&file);
    }
    if (code != CSN_OK) {
        csn_node_config_free(config);
        return code;
    }
    *ret_config = config;
    return CSN_OK;
}

void csn_node_config_free(struct csn_node_config *take_config)
{
    if (take_config == NULL) {
        return;
    }
    for (size_t i = 0; i < take_config->zone_count; i++) {
        struct csn_zone_config *zone = &take_config->zones[i];
        csn_document_fini(&zone->policy_document);
        csn_document_fini(&zone->keyset_document);
        csn_policy_fini(&zone->policy);
        csn_keyset_fini(&zone->keyset);
    }
    for (size_t i = 0; i < take_config->transfer.tsig_count; i++) {
        struct csn_buf *secret = &take_config->transfer.tsig[i].secret;
        csn_wipe(secret->data, secret->size_max);
        csn_buf_fini(secret);
    }
    csn_document_fini(&take_config->cluster_document);
    csn_arena_fini(&take_config->arena);
    free(take_config);
}
