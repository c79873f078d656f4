/* zone_list.h: zones that share a policy and lie side by side: a file with one name a line, and paths in which "{zone}" stands
 * for the name. So 10,000 zones are a few lines of configuration, and a zone more is a line in the listing. Reads files; any
 * thread. */
#ifndef CSN_CONFIG_ZONE_LIST_H
#define CSN_CONFIG_ZONE_LIST_H

#include "config/schema.h"
#include "dns/name.h"

struct csn_zone_list {
    uint8_t (*zones)[CSN_NAME_MAX]; /* in the arena */
    size_t count;
};

/* Names, one a line; what follows a '#' is no name. `node`: where the configuration names the file. The root, and names with
 * other octets than letters, digits, '-', '_' and '.', can only be configured one by one. CSN_EFORMAT, CSN_ELIMIT above
 * `most`, or why it cannot be read. */
int csn_zone_list_read(const struct csn_schema_reader *reader, const struct csn_yaml_node *node, const char *path, size_t most,
                       struct csn_zone_list *ret_list);

/* The path with each "{zone}" replaced by the name without its final dot; in the arena. */
const char *csn_zone_list_path(struct csn_arena *arena, const char *pattern, const uint8_t *zone);

#endif
