#include "config/check.h"

#include <sys/stat.h>

#include "config/site.h"

static int check_keyset(const struct csn_keyset *keyset, const struct csn_policy *policy,
                        const struct csn_document *document, const char *path, uint64_t now_s,
                        struct csn_reason *reason)
{
    struct csn_fault fault = {.at = ""};
    int code = csn_keyset_check_in_force(keyset, now_s, &fault);
    if (code == CSN_OK) {
        code = csn_keyset_check_publication(keyset, policy, now_s, &fault);
    }
    return code == CSN_OK ? CSN_OK : csn_config_refuse_fault(document, path, &fault, reason);
}

static bool is_in_token(const struct csn_zone_config *zone, uint16_t key)
{
    for (size_t i = 0; i < zone->token_key_count; i++) {
        if (zone->token_keys[i].key == key) {
            return true;
        }
    }
    return false;
}

/* A site that lacks one of them authors nothing. */
static int check_token_keys(const struct csn_schema_reader *reader,
                            const struct csn_yaml_node *node, const struct csn_zone_config *zone,
                            uint64_t now_s)
{
    for (uint16_t i = 0; i < zone->keyset.key_count; i++) {
        if (csn_keyset_signs(&zone->keyset, i, now_s) && !is_in_token(zone, i)) {
            return csn_yaml_refuse(reader->yaml, csn_config_place(node, "token-keys"),
                                   reader->reason, CSN_EREFUSED,
                                   "token-keys: key '%s' signs now or will, by %s, and is not here; "
                                   "add {key: %s, label: its label in the token}",
                                   zone->keyset.keys[i].name, zone->keyset_path,
                                   zone->keyset.keys[i].name);
        }
    }
    return CSN_OK;
}

static int check_zone(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                      const struct csn_node_config *config, const struct csn_zone_config *zone,
                      uint64_t now_s)
{
    int code = csn_config_check_file_to_be(reader, csn_config_place(node, "input"), zone->input);
    if (code == CSN_OK && config->hsm.is_present) {
        code = check_token_keys(reader, node, zone, now_s);
    }
    return code == CSN_OK ? check_keyset(&zone->keyset, &zone->policy, &zone->keyset_document,
                                         zone->keyset_path, now_s, reader->reason)
                          : code;
}

static int check_pin(const struct csn_schema_reader *reader, const struct csn_yaml_node *root,
                     const struct csn_hsm_config *hsm)
{
    struct stat st;
    return hsm->is_present && stat(hsm->pin_file, &st) == 0 && st.st_size == 0
               ? csn_yaml_refuse(reader->yaml, csn_config_place(root, "hsm.pin-file"), reader->reason,
                                 CSN_EREFUSED, "pin-file: %s is empty; the token's PIN stands in it",
                                 hsm->pin_file)
               : CSN_OK;
}

int csn_check_node(const char *path, const struct csn_node_config *config, uint64_t now_s,
                   struct csn_reason *reason)
{
    struct csn_arena arena = {0};
    struct csn_config_file file;
    int code = csn_config_file_open(path, &arena, &file, reason);
    if (code != CSN_OK) {
        return code;
    }
    /* The file may be another than the one that was loaded. */
    const struct csn_yaml_node *zones = csn_config_place(file.yaml.root, "zones");
    code = check_pin(&file.reader, file.yaml.root, &config->hsm);
    for (size_t i = 0; code == CSN_OK && i < config->zone_count; i++) {
        const struct csn_yaml_node *node = csn_yaml_item(zones, i);
        code = check_zone(&file.reader, node != NULL ? node : zones, config, &config->zones[i],
                          now_s);
    }
    csn_config_file_close(&file);
    csn_arena_fini(&arena);
    return code;
}

int csn_check_coordinator(const struct csn_coordinator_config *config, uint64_t now_s,
                          struct csn_reason *reason)
{
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < config->zone_count; i++) {
        const struct csn_coordinator_zone *zone = &config->zones[i];
        code = check_keyset(&zone->keyset, &zone->policy, &zone->keyset_document,
                            zone->keyset_path, now_s, reason);
    }
    return code;
}
