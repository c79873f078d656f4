#include "round_world_own.h"

#include <stdlib.h>

struct world_blob *world_map_find(struct world_map *map, struct csn_bytes key)
{
    for (size_t i = 0; i < map->count; i++) {
        if (csn_bytes_equal(csn_buf_view(&map->items[i].key), key)) {
            return &map->items[i];
        }
    }
    return NULL;
}

void world_map_put(struct world_map *map, struct csn_bytes key, struct csn_bytes value)
{
    struct world_blob *blob = world_map_find(map, key);
    if (blob == NULL) {
        map->items = csn_realloc(map->items, map->count + 1, sizeof(*map->items));
        blob = &map->items[map->count++];
        *blob = (struct world_blob){0};
        csn_buf_put_bytes(&blob->key, key);
    }
    csn_buf_clear(&blob->value);
    csn_buf_put_bytes(&blob->value, value);
}

void world_map_delete(struct world_map *map, struct csn_bytes key)
{
    struct world_blob *blob = world_map_find(map, key);
    if (blob != NULL) {
        csn_buf_fini(&blob->key);
        csn_buf_fini(&blob->value);
        *blob = map->items[--map->count];
    }
}

void world_map_fini(struct world_map *map)
{
    for (size_t i = 0; i < map->count; i++) {
        csn_buf_fini(&map->items[i].key);
        csn_buf_fini(&map->items[i].value);
    }
    free(map->items);
    *map = (struct world_map){0};
}
