#include "config/coordinator.h"

#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "config/site.h"
#include "config/zone_list.h"
#include "dns/name_map.h"

#define PATH_FIELD(type_, key_, member)                                                            \
    {                                                                                              \
        .key = (key_), .type = CSN_SCHEMA_PATH, .is_required = true,                               \
        CSN_SCHEMA_MEMBER(type_, member)                                                           \
    }

static const struct csn_schema_field zone_fields[] = {
    {.key = "zone",
     .type = CSN_SCHEMA_NAME,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_coordinator_zone, zone)},
    PATH_FIELD(struct csn_coordinator_zone, "policy", policy_path),
    PATH_FIELD(struct csn_coordinator_zone, "keys", keyset_path),
};
static const struct csn_schema zone_schema = CSN_SCHEMA_OF("a zone", zone_fields);
static const struct csn_schema_list zone_list = {
    .item = {.type = CSN_SCHEMA_MAP,
             .size = sizeof(struct csn_coordinator_zone),
             .map = &zone_schema},
    CSN_SCHEMA_COUNT(struct csn_coordinator_config, zone_count),
    .most = CSN_ZONES_MAX,
};

static const struct csn_schema_field zone_list_fields[] = {
    PATH_FIELD(struct csn_zone_list_config, "names", path),
    PATH_FIELD(struct csn_zone_list_config, "policy", policy_path),
    PATH_FIELD(struct csn_zone_list_config, "keys", keyset_path),
};
static const struct csn_schema zone_list_schema =
    CSN_SCHEMA_OF("a listing of zones", zone_list_fields);
static const struct csn_schema_list zone_list_list = {
    .item = {.type = CSN_SCHEMA_MAP,
             .size = sizeof(struct csn_zone_list_config),
             .map = &zone_list_schema},
    CSN_SCHEMA_COUNT(struct csn_coordinator_config, zone_list_count),
    .most = CSN_ZONE_LISTS_MAX,
};

static const struct csn_schema_field coordinator_fields[] = {
    {.key = "name",
     .type = CSN_SCHEMA_OTHER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_coordinator_config, name),
     .read = csn_schema_read_site_name},
    PATH_FIELD(struct csn_coordinator_config, "cluster", cluster_path),
    {.key = "identity",
     .type = CSN_SCHEMA_MAP,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_coordinator_config, identity),
     .map = &csn_schema_identity},
    PATH_FIELD(struct csn_coordinator_config, "control", control),
    {.key = "zones",
     .type = CSN_SCHEMA_LIST,
     CSN_SCHEMA_MEMBER(struct csn_coordinator_config, zones),
     .list = &zone_list},
    {.key = "zone-lists",
     .type = CSN_SCHEMA_LIST,
     CSN_SCHEMA_MEMBER(struct csn_coordinator_config, zone_lists),
     .list = &zone_list_list},
    {.key = "log",
     .type = CSN_SCHEMA_MAP,
     CSN_SCHEMA_MEMBER(struct csn_coordinator_config, log_level),
     .map = &csn_schema_log,
     .fallback = "{}"},
};
static const struct csn_schema coordinator_schema =
    CSN_SCHEMA_OF("the coordinator's configuration", coordinator_fields);

static int load_cluster(struct csn_coordinator_config *config,
                        const struct csn_schema_reader *reader, const struct csn_yaml_node *root)
{
    int code =
        csn_config_load_cluster(reader, csn_config_place(root, "cluster"), config->cluster_path,
                                &config->cluster_document, &config->cluster);
    if (code != CSN_OK) {
        return code;
    }
    config->self = csn_cluster_coordinator_named(&config->cluster, config->name);
    if (config->self == NULL) {
        return csn_yaml_refuse(reader->yaml, csn_config_place(root, "name"), reader->reason,
                               CSN_EREFUSED, "name: '%s' is not a coordinator in %s", config->name,
                               config->cluster_path);
    }
    return CSN_OK;
}

static int load_zone(struct csn_coordinator_zone *zone, const struct csn_schema_reader *reader,
                     const struct csn_yaml_node *node)
{
    int code = csn_config_load_policy(reader, csn_yaml_find(node, "policy"), zone->policy_path,
                                      &zone->policy_document, &zone->policy);
    if (code != CSN_OK) {
        return code;
    }
    return csn_config_load_keyset(reader, csn_yaml_find(node, "keys"), zone->keyset_path,
                                  zone->zone, &zone->policy, &zone->policy_document,
                                  zone->policy_path, &zone->keyset_document, &zone->keyset);
}

static int add_zone(struct csn_name_map *names, const struct csn_schema_reader *reader,
                    const struct csn_yaml_node *node, struct csn_coordinator_zone *zone)
{
    if (!csn_name_map_add(names, zone->zone)) {
        char name[CSN_NAME_TEXT_MAX];
        csn_name_text(zone->zone, name);
        return csn_yaml_refuse(reader->yaml, csn_config_place(node, "zone"), reader->reason,
                               CSN_EREFUSED, "zone: %s stands twice", name);
    }
    return load_zone(zone, reader, node);
}

/* Room for the listed zones after the others: addresses stay, the map of names borrows them. */
static int read_lists(struct csn_coordinator_config *config, const struct csn_schema_reader *reader,
                      const struct csn_yaml_node *root, struct csn_zone_list *ret_lists)
{
    const struct csn_yaml_node *lists = csn_yaml_find(root, "zone-lists");
    size_t count = config->zone_count;
    for (size_t i = 0; i < config->zone_list_count; i++) {
        int code = csn_zone_list_read(reader, csn_config_place(csn_yaml_item(lists, i), "names"),
                                      config->zone_lists[i].path, CSN_ZONES_MAX - count,
                                      &ret_lists[i]);
        if (code != CSN_OK) {
            return code;
        }
        count += ret_lists[i].count;
    }
    if (count == 0) {
        return csn_yaml_refuse(reader->yaml, root, reader->reason, CSN_EFORMAT,
                               "no zone in 'zones' or 'zone-lists'");
    }
    struct csn_coordinator_zone *zones = csn_arena_alloc(
        &config->arena, count * sizeof(*zones), _Alignof(struct csn_coordinator_zone));
    memset(zones, 0, count * sizeof(*zones));
    if (config->zone_count > 0) {
        memcpy(zones, config->zones, config->zone_count * sizeof(*zones));
    }
    config->zones = zones;
    return CSN_OK;
}

static int load_listed(struct csn_coordinator_config *config, struct csn_name_map *names,
                       const struct csn_schema_reader *reader, const struct csn_yaml_node *root,
                       const struct csn_zone_list *lists)
{
    const struct csn_yaml_node *nodes = csn_yaml_find(root, "zone-lists");
    int code = CSN_OK;
    for (size_t i = 0; i < config->zone_list_count; i++) {
        const struct csn_zone_list_config *list = &config->zone_lists[i];
        for (size_t k = 0; code == CSN_OK && k < lists[i].count; k++) {
            struct csn_coordinator_zone *zone = &config->zones[config->zone_count++];
            memcpy(zone->zone, lists[i].zones[k], sizeof(zone->zone));
            zone->policy_path = csn_zone_list_path(&config->arena, list->policy_path, zone->zone);
            zone->keyset_path = csn_zone_list_path(&config->arena, list->keyset_path, zone->zone);
            code = add_zone(names, reader, csn_yaml_item(nodes, i), zone);
        }
    }
    return code;
}

static int load_zones(struct csn_coordinator_config *config, const struct csn_schema_reader *reader,
                      const struct csn_yaml_node *root)
{
    struct csn_name_map names = {0};
    struct csn_zone_list lists[CSN_ZONE_LISTS_MAX];
    int code = read_lists(config, reader, root, lists);
    const struct csn_yaml_node *zones = csn_yaml_find(root, "zones");
    const struct csn_yaml_node *node = zones != NULL ? zones->first : NULL;
    for (size_t i = 0; code == CSN_OK && i < config->zone_count; i++, node = node->next) {
        code = add_zone(&names, reader, node, &config->zones[i]);
    }
    if (code == CSN_OK) {
        code = load_listed(config, &names, reader, root, lists);
    }
    csn_name_map_fini(&names);
    return code;
}

static int load(struct csn_coordinator_config *config, const struct csn_schema_reader *reader)
{
    const struct csn_yaml_node *root = reader->yaml->root;
    int code = csn_schema_read(reader, root, &coordinator_schema, config);
    if (code == CSN_OK) {
        code = load_cluster(config, reader, root);
    }
    if (code == CSN_OK) {
        code = csn_config_check_identity(reader, root, &config->identity);
    }
    if (code == CSN_OK) {
        code = csn_config_check_socket(reader, csn_config_place(root, "control"), config->control);
    }
    return code == CSN_OK ? load_zones(config, reader, root) : code;
}

int csn_coordinator_config_load(const char *path, struct csn_coordinator_config **ret_config,
                                struct csn_reason *reason)
{
    struct csn_coordinator_config *config = csn_calloc(1, sizeof(*config));
    struct csn_config_file file;
    int code = csn_config_file_open(path, &config->arena, &file, reason);
    if (code == CSN_OK) {
        code = load(config, &file.reader);
        csn_config_file_close(&file);
    }
    if (code != CSN_OK) {
        csn_coordinator_config_free(config);
        return code;
    }
    *ret_config = config;
    return CSN_OK;
}

void csn_coordinator_config_free(struct csn_coordinator_config *take_config)
{
    if (take_config == NULL) {
        return;
    }
    for (size_t i = 0; i < take_config->zone_count; i++) {
        struct csn_coordinator_zone *zone = &take_config->zones[i];
        csn_document_fini(&zone->policy_document);
        csn_document_fini(&zone->keyset_document);
        csn_policy_fini(&zone->policy);
        csn_keyset_fini(&zone->keyset);
    }
    csn_document_fini(&take_config->cluster_document);
    csn_arena_fini(&take_config->arena);
    free(take_config);
}
