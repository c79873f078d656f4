#include "dns/name_map.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "dns/name.h"

#define SLOTS_LEAST 16

void csn_name_map_fini(struct csn_name_map *map)
{
    free(map->names);
    free(map->slots);
    *map = (struct csn_name_map){0};
}

/* FNV-1a: what is in the map was configured by an operator, so nobody chooses names that collide. */
static uint32_t hash(const uint8_t *name)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0, size = csn_name_size(name); i < size; i++) {
        hash = (hash ^ name[i]) * 16777619u;
    }
    return hash;
}

/* The slot with this name, or the free one where it belongs. */
static uint32_t *slot_of(const struct csn_name_map *map, const uint8_t *name)
{
    size_t at = hash(name) & (map->slot_count - 1);
    while (map->slots[at] != 0 && !csn_name_equal(map->names[map->slots[at] - 1], name)) {
        at = (at + 1) & (map->slot_count - 1);
    }
    return &map->slots[at];
}

static void grow(struct csn_name_map *map)
{
    free(map->slots);
    map->slot_count = map->slot_count == 0 ? SLOTS_LEAST : 2 * map->slot_count;
    map->slots = csn_calloc(map->slot_count, sizeof(map->slots[0]));
    for (size_t i = 0; i < map->count; i++) {
        *slot_of(map, map->names[i]) = (uint32_t)i + 1;
    }
}

bool csn_name_map_add(struct csn_name_map *map, const uint8_t *name)
{
    if (2 * map->count >= map->slot_count) {
        grow(map);
    }
    uint32_t *slot = slot_of(map, name);
    if (*slot != 0) {
        return false;
    }
    if (map->count == map->name_max) {
        map->name_max = map->slot_count;
        map->names = csn_realloc(map->names, map->name_max, sizeof(map->names[0]));
    }
    map->names[map->count++] = name;
    *slot = (uint32_t)map->count;
    return true;
}

size_t csn_name_map_find(const struct csn_name_map *map, const uint8_t *name)
{
    uint32_t slot = map->slot_count > 0 ? *slot_of(map, name) : 0;
    return slot > 0 ? slot - 1 : CSN_NAME_MAP_NONE;
}
