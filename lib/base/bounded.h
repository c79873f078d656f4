/* bounded.h: an allocator for protobuf-c that stops at a limit, so that no message from outside,
 * however it is nested, takes more memory than its receiver allowed. Not thread-safe; one message
 * at a time. */
#ifndef CSN_BASE_BOUNDED_H
#define CSN_BASE_BOUNDED_H

#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct csn_bounded {
    ProtobufCAllocator allocator; /* hand &bounded.allocator to unpack and free_unpacked */
    size_t left;                  /* octets that may still be handed out; freeing gives none back */
};

/* Ready for one message of at most `size_max` octets of memory; protobuf-c answers NULL beyond. The
 * struct may not move between unpack and free. */
void csn_bounded_init(struct csn_bounded *bounded, size_t size_max);

#endif
