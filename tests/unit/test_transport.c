/* Goal: a transport file is read as it was written, and nothing else is. Method: round trips; each
 * cut and each changed octet is refused; with the digest mended, what is not exactly the form is
 * refused with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "hsm/input.h"
#include "hsm/transport.h"

#define DIGEST_LINE 73 /* "sha256: " 64 digits, newline */

static uint8_t octets[300];

static struct csn_bytes rsa_key(struct csn_buf *buf)
{
    csn_hsm_rsa_public(csn_bytes("\1\0\1", 3), csn_bytes(octets + 1, 256), buf);
    return csn_buf_view(buf);
}

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(octets); i++) {
        octets[i] = (uint8_t)i;
    }
    return 0;
}

static void make_request(struct csn_buf *ret_text, struct csn_transport_request *ret_request,
                         struct csn_buf *rsa)
{
    *ret_request = (struct csn_transport_request){
        .label = "sjc-transport",
        .id = csn_bytes("\1\2", 2),
        .public_key = rsa_key(rsa),
        .mechanisms = {CSN_HSM_WRAP_KWP, CSN_HSM_WRAP_PAD},
        .mechanism_count = 2,
    };
    csn_transport_request_encode(ret_request, ret_text);
}

static void make_keys(struct csn_buf *ret_text, struct csn_transport_keys *ret_keys)
{
    *ret_keys = (struct csn_transport_keys){
        .label = "sjc-transport",
        .wrapped = {.mechanism = CSN_HSM_WRAP_PAD, .aes_key = csn_bytes(octets, 256), .count = 2},
    };
    ret_keys->wrapped.keys[0] = (struct csn_hsm_wrapped_key){.label = "ksk",
                                                             .id = csn_bytes("\7", 1),
                                                             .algorithm = 13,
                                                             .public_key = csn_bytes(octets, 64),
                                                             .wrapped = csn_bytes(octets, 150)};
    ret_keys->wrapped.keys[1] = (struct csn_hsm_wrapped_key){.label = "zsk",
                                                             .algorithm = 15,
                                                             .public_key = csn_bytes(octets, 32),
                                                             .wrapped = csn_bytes(octets + 3, 80)};
    csn_transport_keys_encode(ret_keys, ret_text);
}

static int decode_request(struct csn_bytes text, struct csn_reason *reason)
{
    struct csn_arena arena = {0};
    struct csn_transport_request request;
    int code = csn_transport_request_decode(text, &arena, &request, reason);
    csn_arena_fini(&arena);
    return code;
}

static int decode_keys(struct csn_bytes text, struct csn_reason *reason)
{
    struct csn_arena arena = {0};
    struct csn_transport_keys keys;
    int code = csn_transport_keys_decode(text, &arena, &keys, reason);
    csn_arena_fini(&arena);
    return code;
}

static void test_request_comes_back_as_written(void **state)
{
    (void)state;
    struct csn_buf text = {0}, rsa = {0};
    struct csn_arena arena = {0};
    struct csn_transport_request from, to;
    struct csn_reason reason;
    make_request(&text, &from, &rsa);
    assert_int_equal(csn_transport_request_decode(csn_buf_view(&text), &arena, &to, &reason),
                     CSN_OK);
    assert_string_equal(to.label, from.label);
    assert_true(csn_bytes_equal(to.id, from.id));
    assert_true(csn_bytes_equal(to.public_key, from.public_key));
    assert_int_equal(to.mechanism_count, 2);
    assert_memory_equal(to.mechanisms, from.mechanisms, sizeof(to.mechanisms));
    assert_memory_equal(to.digest, from.digest, sizeof(to.digest));
    csn_arena_fini(&arena);
    csn_buf_fini(&rsa);
    csn_buf_fini(&text);
}

static void test_keys_come_back_as_written(void **state)
{
    (void)state;
    struct csn_buf text = {0};
    struct csn_arena arena = {0};
    struct csn_transport_keys from, to;
    struct csn_reason reason;
    make_keys(&text, &from);
    assert_int_equal(csn_transport_keys_decode(csn_buf_view(&text), &arena, &to, &reason), CSN_OK);
    assert_string_equal(to.label, from.label);
    assert_int_equal(to.id.size, 0);
    assert_int_equal(to.wrapped.mechanism, from.wrapped.mechanism);
    assert_int_equal(to.wrapped.count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct csn_hsm_wrapped_key *a = &from.wrapped.keys[i], *b = &to.wrapped.keys[i];
        assert_string_equal(a->label, b->label);
        assert_int_equal(a->algorithm, b->algorithm);
        assert_true(csn_bytes_equal(a->id, b->id));
        assert_true(csn_bytes_equal(a->public_key, b->public_key));
        assert_true(csn_bytes_equal(a->wrapped, b->wrapped));
    }
    csn_arena_fini(&arena);
    csn_buf_fini(&text);
}

static void test_cut_or_changed_file_is_refused(void **state)
{
    (void)state;
    struct csn_buf text = {0};
    struct csn_transport_keys keys;
    struct csn_reason reason;
    make_keys(&text, &keys);
    for (size_t size = 0; size < text.size; size++) {
        assert_int_not_equal(decode_keys(csn_bytes(text.data, size), &reason), CSN_OK);
    }
    for (size_t i = 0; i < text.size; i++) {
        text.data[i] ^= 1;
        assert_int_not_equal(decode_keys(csn_buf_view(&text), &reason), CSN_OK);
        text.data[i] ^= 1;
    }
    assert_int_equal(decode_keys(csn_buf_view(&text), &reason), CSN_OK);
    csn_buf_fini(&text);
}

/* `body` closed by its digest, as an attacker would. */
static void close_text(struct csn_bytes body, struct csn_buf *ret_text)
{
    uint8_t digest[CSN_SHA256_SIZE];
    char hex[2 * CSN_SHA256_SIZE + 1];
    csn_sha256(body, digest);
    csn_hex_encode(csn_bytes(digest, sizeof(digest)), hex);
    csn_buf_clear(ret_text);
    csn_buf_put_bytes(ret_text, body);
    csn_buf_put(ret_text, "sha256: ", 8);
    csn_buf_put(ret_text, hex, 2 * CSN_SHA256_SIZE);
    csn_buf_put_u8(ret_text, '\n');
}

static void test_other_forms_are_refused_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *body, *said;
    } cases[] = {
        {"", "line 1"},
        {"consign-transport-keys: 1\n", "line 1"},
        {"consign-transport-request: 2\n", "version 1"},
        {"consign-transport-request: 1 1\n", "too many"},
        {"consign-transport-request: 1\ntransport-label: a/b\n", "line 2: not a label"},
        {"consign-transport-request: 1\ntransport-label: .hidden\n", "line 2: not a label"},
        {"consign-transport-request: 1\ntransport-label: a\ntransport-id: 0\n", "line 3: not hex"},
        {"consign-transport-request: 1\ntransport-label: a\ntransport-id: xy\n", "line 3: not hex"},
        {"consign-transport-request: 1\ntransport-label: a\ntransport-id: -\npublic-key: 0304\n",
         "line 4: not an RSA"},
        {"consign-transport-request: 1\n\ntransport-label: a\n", "line 2"},
    };
    struct csn_buf text = {0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct csn_reason reason = {{0}};
        close_text(csn_bytes(cases[i].body, strlen(cases[i].body)), &text);
        assert_int_equal(decode_request(csn_buf_view(&text), &reason), CSN_EFORMAT);
        assert_non_null(strstr(reason.text, cases[i].said));
    }
    csn_buf_fini(&text);
}

static void test_good_file_with_more_or_other_lines_is_refused(void **state)
{
    (void)state;
    static const char *const tails[] = {"mechanism: 210a\n", "more: 1\n", "\n"};
    struct csn_buf good = {0}, rsa = {0}, body = {0}, text = {0};
    struct csn_transport_request request;
    make_request(&good, &request, &rsa);
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        struct csn_reason reason;
        csn_buf_clear(&body);
        csn_buf_put(&body, good.data, good.size - DIGEST_LINE);
        csn_buf_put(&body, tails[i], strlen(tails[i]));
        close_text(csn_buf_view(&body), &text);
        assert_int_equal(decode_request(csn_buf_view(&text), &reason), CSN_EFORMAT);
    }
    csn_buf_fini(&good);
    csn_buf_fini(&rsa);
    csn_buf_fini(&body);
    csn_buf_fini(&text);
}

/* Whatever octet is changed under a mended digest, the decoder answers and stays within the text.
 */
static void test_changed_octets_under_a_good_digest_do_no_harm(void **state)
{
    (void)state;
    static const uint8_t others[] = {'\n', ' ', ':', '-', '0', 'g', 0, 0xff};
    struct csn_buf good = {0}, text = {0};
    struct csn_transport_keys keys;
    make_keys(&good, &keys);
    size_t size = good.size - DIGEST_LINE;
    for (size_t i = 0; i < size; i++) {
        for (size_t j = 0; j < sizeof(others); j++) {
            struct csn_reason reason;
            uint8_t before = good.data[i];
            good.data[i] = others[j];
            close_text(csn_bytes(good.data, size), &text);
            good.data[i] = before;
            int code = decode_keys(csn_buf_view(&text), &reason);
            assert_true(code == CSN_OK || code == CSN_EFORMAT);
        }
    }
    csn_buf_fini(&good);
    csn_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_comes_back_as_written),
        cmocka_unit_test(test_keys_come_back_as_written),
        cmocka_unit_test(test_cut_or_changed_file_is_refused),
        cmocka_unit_test(test_other_forms_are_refused_with_their_line),
        cmocka_unit_test(test_good_file_with_more_or_other_lines_is_refused),
        cmocka_unit_test(test_changed_octets_under_a_good_digest_do_no_harm),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
