/* The zones of a node: their documents, alone and together, and the listings that name more of them. */
#include "config/node_own.h"

#include <string.h>

#include "config/zone_list.h"

/* Names of token keys to indexes of the key set. */
static int resolve_token_keys(struct csn_node_loader *loader, const struct csn_yaml_node *node,
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

static int refuse_ds(const struct csn_node_loader *loader, const struct csn_yaml_node *node,
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
static int check_ds(const struct csn_node_loader *loader, const struct csn_yaml_node *node,
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

static int load_zone(struct csn_node_loader *loader, const struct csn_yaml_node *node,
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

static int add_zone(struct csn_node_loader *loader, const struct csn_yaml_node *node,
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

/* Each zone's own, to be resolved in its own key set. */
static const struct csn_token_key *copy_token_keys(struct csn_arena *arena, const struct csn_zone_list_config *list)
{
    size_t size = list->token_key_count * sizeof(*list->token_keys);
    struct csn_token_key *keys = csn_arena_alloc(arena, size, _Alignof(struct csn_token_key));
    if (size > 0) {
        memcpy(keys, list->token_keys, size);
    }
    return keys;
}

/* As if the zone stood in `zones` with the paths of the listing. */
static void fill_listed(struct csn_node_loader *loader, const struct csn_zone_list_config *list,
                        const uint8_t *name, struct csn_zone_config *zone)
{
    struct csn_arena *arena = &loader->config->arena;
    memcpy(zone->zone, name, sizeof(zone->zone));
    zone->input = csn_zone_list_path(arena, list->input, name);
    zone->policy_path = csn_zone_list_path(arena, list->policy_path, name);
    zone->keyset_path = csn_zone_list_path(arena, list->keyset_path, name);
    zone->token_key_count = list->token_key_count;
    zone->token_keys = copy_token_keys(arena, list);
}

/* Room for the listed zones after the others: addresses stay, the map of names borrows them. */
static int read_lists(struct csn_node_loader *loader, struct csn_zone_list *ret_lists)
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

static int load_listed(struct csn_node_loader *loader, const struct csn_zone_list *lists)
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

int csn_node_config_load_zones(struct csn_node_loader *loader)
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
