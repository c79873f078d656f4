#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

static void *must(void *memory, size_t size)
{
    if (memory == NULL) {
        fprintf(stderr, "out of memory (%zu octets wanted)\n", size);
        abort();
    }
    return memory;
}

void *csn_alloc(size_t size)
{
    return must(malloc(size ? size : 1), size);
}

void *csn_calloc(size_t count, size_t size)
{
    return must(calloc(count ? count : 1, size ? size : 1), size);
}

void *csn_realloc(void *take_old, size_t count, size_t size)
{
    return must(reallocarray(take_old, count ? count : 1, size ? size : 1), size);
}

char *csn_strdup(const char *text)
{
    return must(strdup(text), strlen(text));
}

void csn_wipe(void *secret, size_t size)
{
    OPENSSL_cleanse(secret, size);
}

bool csn_bytes_equal(struct csn_bytes a, struct csn_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

int csn_bytes_compare(struct csn_bytes a, struct csn_bytes b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared ? memcmp(a.data, b.data, shared) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

void csn_set_u16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

void csn_set_u32(uint8_t *at, uint32_t value)
{
    csn_set_u16(at, (uint16_t)(value >> 16));
    csn_set_u16(at + 2, (uint16_t)value);
}

void csn_set_u64(uint8_t *at, uint64_t value)
{
    csn_set_u32(at, (uint32_t)(value >> 32));
    csn_set_u32(at + 4, (uint32_t)value);
}

uint8_t *csn_buf_reserve(struct csn_buf *buf, size_t size)
{
    if (buf->size_max - buf->size < size) {
        size_t wanted = buf->size_max ? buf->size_max * 2 : 64;
        while (wanted - buf->size < size) {
            wanted *= 2;
        }
        buf->data = csn_realloc(buf->data, wanted, 1);
        buf->size_max = wanted;
    }
    return buf->size > 0 ? buf->data + buf->size : buf->data; /* none reserved in an empty one: NULL */
}

void csn_buf_put(struct csn_buf *buf, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(csn_buf_reserve(buf, size), data, size);
        buf->size += size;
    }
}

void csn_buf_put_bytes(struct csn_buf *buf, struct csn_bytes bytes)
{
    csn_buf_put(buf, bytes.data, bytes.size);
}

void csn_buf_put_u8(struct csn_buf *buf, uint8_t value)
{
    csn_buf_put(buf, &value, 1);
}

void csn_buf_put_u16(struct csn_buf *buf, uint16_t value)
{
    csn_set_u16(csn_buf_reserve(buf, 2), value);
    buf->size += 2;
}

void csn_buf_put_u32(struct csn_buf *buf, uint32_t value)
{
    csn_set_u32(csn_buf_reserve(buf, 4), value);
    buf->size += 4;
}

void csn_buf_put_u64(struct csn_buf *buf, uint64_t value)
{
    csn_set_u64(csn_buf_reserve(buf, 8), value);
    buf->size += 8;
}

void csn_buf_clear(struct csn_buf *buf)
{
    buf->size = 0;
}

void csn_buf_fini(struct csn_buf *buf)
{
    free(buf->data);
    *buf = (struct csn_buf){0};
}

struct csn_bytes csn_read_bytes(struct csn_reader *reader, size_t size)
{
    if (reader->failed || csn_reader_left(reader) < size) {
        reader->failed = true;
        return csn_bytes(NULL, 0);
    }
    struct csn_bytes view = csn_bytes(reader->at, size);
    if (size > 0) { /* an empty view may hold NULL, to which C adds nothing, not even 0 */
        reader->at += size;
    }
    return view;
}

void csn_read_copy(struct csn_reader *reader, void *ret_data, size_t size)
{
    struct csn_bytes view = csn_read_bytes(reader, size);
    if (view.size == size && size > 0) {
        memcpy(ret_data, view.data, size);
    } else {
        memset(ret_data, 0, size);
    }
}

uint8_t csn_read_u8(struct csn_reader *reader)
{
    struct csn_bytes view = csn_read_bytes(reader, 1);
    return view.size ? view.data[0] : 0;
}

uint16_t csn_read_u16(struct csn_reader *reader)
{
    struct csn_bytes view = csn_read_bytes(reader, 2);
    return view.size ? csn_get_u16(view.data) : 0;
}

uint32_t csn_read_u32(struct csn_reader *reader)
{
    struct csn_bytes view = csn_read_bytes(reader, 4);
    return view.size ? csn_get_u32(view.data) : 0;
}

uint64_t csn_read_u64(struct csn_reader *reader)
{
    struct csn_bytes view = csn_read_bytes(reader, 8);
    return view.size ? csn_get_u64(view.data) : 0;
}

bool csn_reader_done(const struct csn_reader *reader)
{
    return !reader->failed && reader->at == reader->end;
}
