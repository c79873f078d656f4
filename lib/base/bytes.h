/* bytes.h: octet strings. A view (csn_bytes) borrows; a buffer (csn_buf) owns and grows; a reader walks a view and can never
 * leave it. All integers are big-endian. Running out of memory ends the process (docs/adr/0002): callers test nothing. */
#ifndef CSN_BASE_BYTES_H
#define CSN_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct csn_bytes {
    const uint8_t *data; /* borrows */
    size_t size;
};

struct csn_buf {
    uint8_t *data; /* owns; NULL while empty */
    size_t size;
    size_t size_max; /* allocated */
};

/* Sticky: after the first read past the end `failed` is set, and every later read gives zeros. */
struct csn_reader {
    const uint8_t *at; /* borrows */
    const uint8_t *end;
    bool failed;
};

/* Allocate or end the process; alloc and realloc leave new octets undefined, calloc zeroes. Release with free(). */
void *csn_alloc(size_t size);
void *csn_calloc(size_t count, size_t size);
void *csn_realloc(void *take_old, size_t count, size_t size);
char *csn_strdup(const char *text);

/* Overwrites secrets in a way the compiler keeps. */
void csn_wipe(void *secret, size_t size);

static inline struct csn_bytes csn_bytes(const void *data, size_t size)
{
    return (struct csn_bytes){.data = (const uint8_t *)data, .size = size};
}
bool csn_bytes_equal(struct csn_bytes a, struct csn_bytes b);
/* memcmp order, a proper prefix first. */
int csn_bytes_compare(struct csn_bytes a, struct csn_bytes b);

static inline uint16_t csn_get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}
static inline uint32_t csn_get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}
static inline uint64_t csn_get_u64(const uint8_t *at)
{
    return (uint64_t)csn_get_u32(at) << 32 | csn_get_u32(at + 4);
}
void csn_set_u16(uint8_t *at, uint16_t value);
void csn_set_u32(uint8_t *at, uint32_t value);
void csn_set_u64(uint8_t *at, uint64_t value);

void csn_buf_put(struct csn_buf *buf, const void *data, size_t size);
void csn_buf_put_bytes(struct csn_buf *buf, struct csn_bytes bytes);
void csn_buf_put_u8(struct csn_buf *buf, uint8_t value);
void csn_buf_put_u16(struct csn_buf *buf, uint16_t value);
void csn_buf_put_u32(struct csn_buf *buf, uint32_t value);
void csn_buf_put_u64(struct csn_buf *buf, uint64_t value);
/* Room for `size` more octets at the end; `size` is not advanced. The pointer lives until the next call. */
uint8_t *csn_buf_reserve(struct csn_buf *buf, size_t size);
/* Drops the octets, keeps the memory. */
void csn_buf_clear(struct csn_buf *buf);
void csn_buf_fini(struct csn_buf *buf);
static inline struct csn_bytes csn_buf_view(const struct csn_buf *buf)
{
    return csn_bytes(buf->data, buf->size);
}

static inline struct csn_reader csn_reader(struct csn_bytes bytes)
{
    return (struct csn_reader){.at = bytes.data, .end = bytes.size ? bytes.data + bytes.size : bytes.data};
}
static inline size_t csn_reader_left(const struct csn_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}
uint8_t csn_read_u8(struct csn_reader *reader);
uint16_t csn_read_u16(struct csn_reader *reader);
uint32_t csn_read_u32(struct csn_reader *reader);
uint64_t csn_read_u64(struct csn_reader *reader);
/* A borrowed view of the next `size` octets; empty when they are not there. */
struct csn_bytes csn_read_bytes(struct csn_reader *reader, size_t size);
/* Copies `size` octets, or zeros when they are not there. */
void csn_read_copy(struct csn_reader *reader, void *ret_data, size_t size);
/* True when nothing failed and nothing is left. */
bool csn_reader_done(const struct csn_reader *reader);

#endif
