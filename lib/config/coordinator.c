#include "config/coordinator.h"

#include <stdlib.h>

#include "config/cluster.h"
#include "config/site.h"

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
    .least = 1,
    .most = CSN_ZONES_MAX,
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
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_coordinator_config, zones),
     .list = &zone_list},
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

static int load_zones(struct csn_coordinator_config *config, const struct csn_schema_reader *reader,
                      const struct csn_yaml_node *root)
{
    const struct csn_yaml_node *node = csn_yaml_find(root, "zones")->first;
    for (size_t i = 0; i < config->zone_count; i++, node = node->next) {
        for (size_t j = 0; j < i; j++) {
            if (csn_name_equal(config->zones[i].zone, config->zones[j].zone)) {
                return csn_yaml_refuse(reader->yaml, csn_yaml_find(node, "zone"), reader->reason,
                                       CSN_EREFUSED, "zone: stands twice in zones");
            }
        }
        int code = load_zone(&config->zones[i], reader, node);
        if (code != CSN_OK) {
            return code;
        }
    }
    return CSN_OK;
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
