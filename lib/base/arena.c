#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

#define BLOCK_SIZE ((size_t)256 * 1024)

struct csn_arena_block {
    struct csn_arena_block *next; /* owns */
    size_t used;
    size_t size;
    max_align_t data[];
};

static struct csn_arena_block *block_new(struct csn_arena *arena, size_t least)
{
    size_t size = least > BLOCK_SIZE ? least : BLOCK_SIZE;
    struct csn_arena_block *block = csn_alloc(sizeof(*block) + size);
    block->next = arena->blocks;
    block->used = 0;
    block->size = size;
    arena->blocks = block;
    return block;
}

void *csn_arena_alloc(struct csn_arena *arena, size_t size, size_t align)
{
    REQUIRE(align > 0 && align <= _Alignof(max_align_t) && (align & (align - 1)) == 0);
    struct csn_arena_block *block = arena->blocks;
    size_t at = block ? (block->used + align - 1) & ~(align - 1) : 0;
    if (block == NULL || at > block->size || block->size - at < size) {
        block = block_new(arena, size);
        at = 0;
    }
    block->used = at + size;
    arena->used += size;
    return (uint8_t *)block->data + at;
}

void *csn_arena_copy(struct csn_arena *arena, const void *data, size_t size)
{
    void *copy = csn_arena_alloc(arena, size, 1);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

void csn_arena_fini(struct csn_arena *arena)
{
    while (arena->blocks != NULL) {
        struct csn_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
    arena->used = 0;
}
