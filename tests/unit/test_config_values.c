/* Goal: base64, public keys and rdata are read from their text in one spelling only. Method: tables of texts, each with
 * its octets or refused. */
#include "config_fixture.h"

#include "base/text.h"
#include "config/keyset.h"
#include "config/rdata.h"

static void test_base64_has_one_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *text, *octets; /* NULL: refused */
    } rows[] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm 9v\nYmE=\n", "fooba"},
        {"Zg=", NULL},
        {"Zg", NULL},
        {"Zg===", NULL},
        {"Zh==", NULL},
        {"Z===", NULL},
        {"====", NULL},
        {"Zg==Zg==", NULL},
        {"Zm9=v", NULL},
        {"Zm9v!", NULL},
        {"Zm-_", NULL},
        {"Zg=A", NULL},
        {"Zg==AAAA", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_buf buf = {0};
        int code = csn_base64_decode(rows[i].text, &buf);
        assert_int_equal(code, rows[i].octets != NULL ? CSN_OK : CSN_EFORMAT);
        assert_int_equal(buf.size, rows[i].octets != NULL ? strlen(rows[i].octets) : 0);
        if (buf.size > 0) {
            assert_memory_equal(buf.data, rows[i].octets, buf.size);
        }
        csn_buf_fini(&buf);
    }
}

/* Lengths per algorithm; RSA in the form of RFC 3110 2. */
static void test_key_is_as_long_as_its_algorithm_says(void **state)
{
    (void)state;
    static const struct {
        uint8_t algorithm, head[4];
        size_t head_size, rest; /* then `rest` octets 0x81 */
        bool fits;
    } rows[] = {
        {13, {0}, 0, 64, true},
        {13, {0}, 0, 63, false},
        {13, {0}, 0, 65, false},
        {14, {0}, 0, 96, true},
        {14, {0}, 0, 64, false},
        {15, {0}, 0, 32, true},
        {15, {0}, 0, 33, false},
        {16, {0}, 0, 57, true},
        {16, {0}, 0, 56, false},
        {8, {3, 1, 0, 1}, 4, 256, true},
        {8, {1, 3}, 2, 128, true},
        {8, {1, 3}, 2, 127, false},
        {10, {1, 3}, 2, 512, true},
        {10, {1, 3}, 2, 513, false},
        {10, {0, 0, 1, 3}, 4, 256, true}, /* length in two octets */
        {10, {0, 0, 0}, 3, 256, false},   /* no exponent */
        {10, {0, 1, 0}, 3, 256, false},   /* no modulus behind it */
        {8, {1, 0}, 2, 256, false},       /* a leading zero: exponent */
        {8, {1, 3, 0}, 3, 255, false},    /* modulus */
        {8, {0}, 1, 0, false},
        {8, {0, 1}, 2, 0, false},
        {0, {0}, 1, 0, true},
        {253, {7}, 1, 5, true},
        {253, {7}, 0, 0, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t *rdata = csn_alloc(4 + rows[i].head_size + rows[i].rest); /* ends where it ends */
        const uint8_t fixed[] = {1, 1, 3, rows[i].algorithm};
        memcpy(rdata, fixed, 4);
        memcpy(rdata + 4, rows[i].head, rows[i].head_size);
        memset(rdata + 4 + rows[i].head_size, 0x81, rows[i].rest);
        if (csn_rdata_key_fits(csn_bytes(rdata, 4 + rows[i].head_size + rows[i].rest)) !=
            rows[i].fits) {
            fail_msg("row %zu", i);
        }
        free(rdata);
    }
}

static void test_rdata_is_read_from_its_text(void **state)
{
    (void)state;
    static const struct {
        int (*parse)(const char *, struct csn_buf *);
        const char *text, *hex; /* NULL: refused */
    } rows[] = {
        {csn_rdata_parse_key, "257 3 13 Zm9v YmFy", "0101030d666f6f626172"},
        {csn_rdata_parse_key, "0 3 0 AA==", "0000030000"},
        {csn_rdata_parse_key, "257 3 13", NULL},
        {csn_rdata_parse_key, "65536 3 13 Zm9v", NULL},
        {csn_rdata_parse_key, "257 3 256 Zm9v", NULL},
        {csn_rdata_parse_key, "257 3 ECDSA Zm9v", NULL},
        {csn_rdata_parse_key, "", NULL},
        {csn_rdata_parse_ds, "12345 13 2 AB cd\n01", "30390d02abcd01"},
        {csn_rdata_parse_ds, "0 0 0 00", "0000000000"},
        {csn_rdata_parse_ds, "1 2 3 abc", NULL},
        {csn_rdata_parse_ds, "1 2 3 xy", NULL},
        {csn_rdata_parse_ds, "1 2 3", NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_buf buf = {0};
        char hex[64] = "";
        assert_int_equal(rows[i].parse(rows[i].text, &buf),
                         rows[i].hex != NULL ? CSN_OK : CSN_EFORMAT);
        csn_hex_encode(csn_buf_view(&buf), hex);
        assert_string_equal(hex, rows[i].hex != NULL ? rows[i].hex : "");
        csn_buf_fini(&buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_has_one_spelling),
        cmocka_unit_test(test_rdata_is_read_from_its_text),
        cmocka_unit_test(test_key_is_as_long_as_its_algorithm_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
