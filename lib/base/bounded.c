#include "base/bounded.h"

#include <stdlib.h>

#include "base/bytes.h"

static void *bounded_alloc(void *arg, size_t size)
{
    struct csn_bounded *bounded = arg;
    if (size > bounded->left) {
        return NULL;
    }
    bounded->left -= size;
    return csn_alloc(size > 0 ? size : 1);
}

static void bounded_free(void *arg, void *memory)
{
    (void)arg;
    free(memory);
}

void csn_bounded_init(struct csn_bounded *bounded, size_t size_max)
{
    bounded->allocator = (ProtobufCAllocator){
        .alloc = bounded_alloc, .free = bounded_free, .allocator_data = bounded};
    bounded->left = size_max;
}
