/* name_map.h: from names to the places at which they were added, in constant time: thousands of
 * zones, one look-up for each statement. Pure. Borrows the names, which must not move. */
#ifndef CSN_DNS_NAME_MAP_H
#define CSN_DNS_NAME_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CSN_NAME_MAP_NONE SIZE_MAX

/* Of zeros it is empty and ready. */
struct csn_name_map {
    const uint8_t **names; /* owns the array; by place */
    uint32_t *slots;       /* owns; place + 1, 0: free */
    size_t count, name_max, slot_count;
};

void csn_name_map_fini(struct csn_name_map *map);
/* Adds a name at the next place, from 0: true. False when it is there already. */
bool csn_name_map_add(struct csn_name_map *map, const uint8_t *name);
/* The place of a name in lower case, or CSN_NAME_MAP_NONE. */
size_t csn_name_map_find(const struct csn_name_map *map, const uint8_t *name);

#endif
