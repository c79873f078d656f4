/* Goal: a reply to a bulk request comes out as it went in, much smaller where the peer takes it compressed, and no reply makes its
 * receiver unpack more than it may. Method: replies packed both ways, cut, changed, nested, and a frame of zeros without end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zstd.h>

#include "mesh/mesh.h"
#include "reply.h"

#define SIZE 100000

/* A reply with so many octets that repeat after 1000. */
static void pack(size_t size, bool takes_zstd, struct csn_buf *buf)
{
    Consign__BulkReply reply = CONSIGN__BULK_REPLY__INIT;
    uint8_t *octets = csn_alloc(size + 1);
    for (size_t i = 0; i < size; i++) {
        octets[i] = (uint8_t)(i % 1000 * i % 1000 >> 2);
    }
    reply.octets = (ProtobufCBinaryData){.len = size, .data = octets};
    reply.is_last = 1;
    csn_reply_pack(&reply, takes_zstd, buf);
    free(octets);
}

/* As csn_reply_pack wraps it. */
static void wrap(struct csn_bytes zstd, struct csn_buf *buf)
{
    Consign__BulkReply outer = CONSIGN__BULK_REPLY__INIT;
    outer.zstd = (ProtobufCBinaryData){.len = zstd.size, .data = (uint8_t *)(uintptr_t)zstd.data};
    size_t size = consign__bulk_reply__get_packed_size(&outer);
    consign__bulk_reply__pack(&outer, csn_buf_reserve(buf, size));
    buf->size += size;
}

static void compress(struct csn_bytes octets, struct csn_buf *buf)
{
    size_t size_max = ZSTD_compressBound(octets.size);
    uint8_t *frame = csn_alloc(size_max);
    size_t size = ZSTD_compress(frame, size_max, octets.data, octets.size, 1);
    assert_false(ZSTD_isError(size));
    wrap(csn_bytes(frame, size), buf);
    free(frame);
}

static void assert_comes_out(struct csn_bytes packed, size_t size)
{
    Consign__BulkReply *reply = csn_reply_unpack(packed);
    assert_non_null(reply);
    assert_int_equal(reply->octets.len, size);
    assert_true(reply->is_last);
    assert_int_equal(reply->zstd.len, 0);
    consign__bulk_reply__free_unpacked(reply, NULL);
}

static void test_a_reply_comes_out_as_it_went_in(void **state)
{
    static const size_t sizes[] = {0, 100, 5000, SIZE, CSN_MESH_PIECE_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct csn_buf plain = {0}, compressed = {0};
        pack(sizes[i], false, &plain);
        pack(sizes[i], true, &compressed);
        assert_comes_out(csn_buf_view(&plain), sizes[i]);
        assert_comes_out(csn_buf_view(&compressed), sizes[i]);
        assert_true(plain.size >= sizes[i]);
        assert_true(sizes[i] < 5000 ? compressed.size == plain.size : compressed.size < plain.size / 3);
        csn_buf_fini(&plain);
        csn_buf_fini(&compressed);
    }
}

static void test_what_does_not_get_less_goes_as_it_is(void **state)
{
    (void)state;
    Consign__BulkReply reply = CONSIGN__BULK_REPLY__INIT;
    struct csn_buf buf = {0};
    uint8_t octets[5000];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof(octets); i++) {
        random = random * 1664525u + 1013904223u;
        octets[i] = (uint8_t)(random >> 24);
    }
    reply.octets = (ProtobufCBinaryData){.len = sizeof(octets), .data = octets};
    reply.is_last = 1;
    csn_reply_pack(&reply, true, &buf);
    assert_int_equal(buf.size, consign__bulk_reply__get_packed_size(&reply));
    assert_comes_out(csn_buf_view(&buf), sizeof(octets));
    csn_buf_fini(&buf);
}

/* Whatever is changed or cut, it ends, and what comes out is no frame again. */
static void test_a_damaged_reply_is_refused_or_read(void **state)
{
    (void)state;
    struct csn_buf buf = {0};
    unsigned refused = 0;
    pack(SIZE, true, &buf);
    for (size_t i = 0; i < 2 * buf.size; i++) {
        bool is_cut = i >= buf.size;
        buf.data[i % buf.size] ^= (uint8_t)(is_cut ? 0 : 1 << i % 8);
        Consign__BulkReply *reply = csn_reply_unpack(csn_bytes(buf.data, is_cut ? i - buf.size : buf.size));
        refused += reply == NULL;
        if (reply != NULL) {
            assert_int_equal(reply->zstd.len, 0);
            consign__bulk_reply__free_unpacked(reply, NULL);
        }
        buf.data[i % buf.size] ^= (uint8_t)(is_cut ? 0 : 1 << i % 8);
    }
    assert_true(refused > buf.size); /* every cut, and more */
    csn_buf_fini(&buf);
}

static void test_a_frame_in_a_frame_is_refused(void **state)
{
    (void)state;
    struct csn_buf once = {0}, twice = {0};
    pack(SIZE, true, &once);
    compress(csn_buf_view(&once), &twice);
    assert_null(csn_reply_unpack(csn_buf_view(&twice)));
    csn_buf_fini(&once);
    csn_buf_fini(&twice);
}

static void test_a_frame_of_more_than_a_reply_is_refused(void **state)
{
    (void)state;
    struct csn_buf packed = {0}, buf = {0};
    pack(CSN_MESH_REPLY_MAX + 1, false, &packed);
    compress(csn_buf_view(&packed), &buf);
    assert_true(buf.size < CSN_MESH_PIECE_MAX / 10);
    assert_null(csn_reply_unpack(csn_buf_view(&buf)));
    csn_buf_fini(&packed);
    csn_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reply_comes_out_as_it_went_in),
        cmocka_unit_test(test_what_does_not_get_less_goes_as_it_is),
        cmocka_unit_test(test_a_damaged_reply_is_refused_or_read),
        cmocka_unit_test(test_a_frame_in_a_frame_is_refused),
        cmocka_unit_test(test_a_frame_of_more_than_a_reply_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
