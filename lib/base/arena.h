/* arena.h: many small allocations that die together. Not thread-safe; one owner. */
#ifndef CSN_BASE_ARENA_H
#define CSN_BASE_ARENA_H

#include <stddef.h>

struct csn_arena_block;

struct csn_arena {
    struct csn_arena_block *blocks; /* owns */
    size_t used;                    /* octets handed out, for size estimates */
};

/* `align` is a power of two; memory is undefined and lives until fini. An arena of zeros is empty and ready. */
void *csn_arena_alloc(struct csn_arena *arena, size_t size, size_t align);
void *csn_arena_copy(struct csn_arena *arena, const void *data, size_t size);
void csn_arena_fini(struct csn_arena *arena);

#endif
