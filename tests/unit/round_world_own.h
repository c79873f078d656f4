/* round_world_own.h: what the files of the small world share: round_world.c has the clock, what is under way and the sites,
 * round_world_effects.c does what the machines ask for, round_world_map.c keeps what is durable. */
#ifndef CSN_TESTS_ROUND_WORLD_OWN_H
#define CSN_TESTS_ROUND_WORLD_OWN_H

#include "round_world.h"

struct world_item {
    uint64_t due_ms;
    unsigned target, boot;
    struct csn_event event;
    struct csn_buf octets; /* body or certificate */
    uint8_t signature[CSN_SIGNATURE_SIZE];
    struct csn_certificate certificate;
    struct world_map writes; /* PERSISTED: applied when due; value empty: delete */
    struct world_map second;
};

/* --- round_world_map.c */
/* NULL: none. */
struct world_blob *world_map_find(struct world_map *map, struct csn_bytes key);
void world_map_put(struct world_map *map, struct csn_bytes key, struct csn_bytes value);
void world_map_delete(struct world_map *map, struct csn_bytes key);
void world_map_fini(struct world_map *map);

/* --- round_world.c */
/* Under way to the target; the caller fills in the event. */
struct world_item *world_post(struct world *world, unsigned target, enum csn_event_kind kind,
                        uint64_t delay_ms);
/* The document that the target lives in. */
const struct csn_cluster *world_cluster(const struct world *world, unsigned target);

/* --- round_world_effects.c */
void world_hash(char letter, struct csn_bytes a, struct csn_bytes b, struct csn_digest *ret_digest);
void world_execute(struct world *world, unsigned from, const struct csn_effect *effect);

#endif
