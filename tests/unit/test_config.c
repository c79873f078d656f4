/* Goal: a document that says what was meant is read to the values meant; any other is refused with
 * the place, what stands there and what was expected. Method: tables of documents, each with its
 * values or with the start of its refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/text.h"
#include "config/cluster.h"
#include "config/keyset.h"
#include "config/policy.h"
#include "config/rdata.h"
#include "config/schema.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct csn_bytes text_bytes(const char *text)
{
    return csn_bytes(text, strlen(text));
}

/* The reason begins with `place` and holds `word`. */
static void assert_reason(const struct csn_reason *reason, const char *place, const char *word)
{
    if (strncmp(reason->text, place, strlen(place)) != 0 || strstr(reason->text, word) == NULL) {
        fail_msg("'%s' instead of '%s … %s'", reason->text, place, word);
    }
}

static void test_yaml_is_refused_where_it_could_mean_two_things(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place, *word;
    } rows[] = {
        {"", "in.yaml:1:1: ", "empty"},
        {"# only this\n", "in.yaml:1:1: ", "empty"},
        {"a: 1\nb: [1, 2\nc: 3\n", "in.yaml:3:2: ", "not YAML"},
        {"a: 1\n\tb: 2\n", "in.yaml:2:1: ", "not YAML"},
        {"a: \"open\n", "in.yaml:2:1: ", "not YAML"},
        {"a: &x 1\nb: *x\n", "in.yaml:1:4: ", "anchor"},
        {"a: *x\n", "in.yaml:1:4: ", "alias"},
        {"a: !!str 1\n", "in.yaml:1:4: ", "tag"},
        {"a: &x [1]\n", "in.yaml:1:4: ", "anchor"},
        {"a: !x {b: 1}\n", "in.yaml:1:4: ", "tag"},
        {"---\na: 1\n---\nb: 1\n", "in.yaml:3:1: ", "second document"},
        {"? [a, b]\n: 1\n", "in.yaml:1:3: ", "as a key"},
        {"a:\n  b: \"x\\0y\"\n", "in.yaml:2:6: ", "control character"},
        {"a: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n", "in.yaml:1:19: ", "deeper than 16"},
        {"a: 1\xff\n", "in.yaml:1:", "not YAML"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_yaml yaml;
        struct csn_reason reason = {.text = ""};
        assert_true(csn_yaml_parse(text_bytes(rows[i].text), "in.yaml", &yaml, &reason) < 0);
        assert_reason(&reason, rows[i].place, rows[i].word);
    }
}

static void test_yaml_above_a_mebibyte_is_refused(void **state)
{
    (void)state;
    struct csn_yaml yaml;
    struct csn_reason reason = {.text = ""};
    size_t size = CSN_YAML_SIZE_MAX + 1;
    char *text = csn_alloc(size);
    memset(text, ' ', size);
    memcpy(text, "a: 1\n", 5);
    text[size - 1] = '\n';
    assert_int_equal(csn_yaml_parse(csn_bytes(text, size), "in.yaml", &yaml, &reason), CSN_ELIMIT);
    assert_reason(&reason, "in.yaml:1:1: ", "1 MiB");
    text[size - 2] = '\n';
    assert_int_equal(csn_yaml_parse(csn_bytes(text, size - 1), "in.yaml", &yaml, &reason), CSN_OK);
    csn_yaml_fini(&yaml);
    free(text);
}

/* A table with a member of every type. */
enum colour { RED, GREEN };
struct inner {
    uint16_t count;
};
struct all {
    const char *text;
    char name[8];
    bool is_on;
    uint8_t small;
    uint32_t span_s, span_ms;
    uint64_t time_s, size;
    uint8_t hex[4];
    struct csn_bytes octets;
    uint8_t zone[CSN_NAME_MAX];
    const char *path;
    struct csn_endpoint endpoint;
    struct csn_prefix prefix;
    enum colour colour;
    struct inner inner;
    struct inner *list;
    size_t list_count;
    struct inner array[2];
    uint8_t array_count;
};

static const struct csn_schema_field inner_fields[] = {
    {.key = "count",
     .type = CSN_SCHEMA_NUMBER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct inner, count)},
};
static const struct csn_schema inner_schema = CSN_SCHEMA_OF("an inner", inner_fields);
static const struct csn_schema_list list_list = {
    .item = {.type = CSN_SCHEMA_MAP, .size = sizeof(struct inner), .map = &inner_schema},
    CSN_SCHEMA_COUNT(struct all, list_count),
    .least = 1,
    .most = 3,
};
static const struct csn_schema_list array_list = {
    .item = {.type = CSN_SCHEMA_MAP, .size = sizeof(struct inner), .map = &inner_schema},
    CSN_SCHEMA_COUNT(struct all, array_count),
    .most = 2,
    .is_inline = true,
};
static const struct csn_schema_word colours[] = {{"red", RED}, {"green", GREEN}, {NULL, 0}};
static const struct csn_schema_field all_fields[] = {
    {.key = "text",
     .type = CSN_SCHEMA_TEXT,
     CSN_SCHEMA_MEMBER(struct all, text),
     .least = 2,
     .most = 5},
    {.key = "name",
     .type = CSN_SCHEMA_INLINE,
     CSN_SCHEMA_MEMBER(struct all, name),
     .least = 1,
     .fallback = "anon"},
    {.key = "on", .type = CSN_SCHEMA_BOOL, CSN_SCHEMA_MEMBER(struct all, is_on)},
    {.key = "small",
     .type = CSN_SCHEMA_NUMBER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct all, small),
     .least = 3},
    {.key = "span",
     .type = CSN_SCHEMA_SPAN,
     CSN_SCHEMA_MEMBER(struct all, span_s),
     .least = 60,
     .most = 7200},
    {.key = "span-ms", .type = CSN_SCHEMA_SPAN_MS, CSN_SCHEMA_MEMBER(struct all, span_ms)},
    {.key = "time", .type = CSN_SCHEMA_TIME, CSN_SCHEMA_MEMBER(struct all, time_s)},
    {.key = "size", .type = CSN_SCHEMA_SIZE, CSN_SCHEMA_MEMBER(struct all, size), .least = 1 << 20},
    {.key = "hex", .type = CSN_SCHEMA_HEX, CSN_SCHEMA_MEMBER(struct all, hex)},
    {.key = "octets",
     .type = CSN_SCHEMA_OCTETS,
     CSN_SCHEMA_MEMBER(struct all, octets),
     .least = 1,
     .most = 3},
    {.key = "zone", .type = CSN_SCHEMA_NAME, CSN_SCHEMA_MEMBER(struct all, zone)},
    {.key = "path", .type = CSN_SCHEMA_PATH, CSN_SCHEMA_MEMBER(struct all, path)},
    {.key = "endpoint", .type = CSN_SCHEMA_ENDPOINT, CSN_SCHEMA_MEMBER(struct all, endpoint)},
    {.key = "prefix", .type = CSN_SCHEMA_PREFIX, CSN_SCHEMA_MEMBER(struct all, prefix)},
    {.key = "colour",
     .type = CSN_SCHEMA_WORD,
     CSN_SCHEMA_MEMBER(struct all, colour),
     .words = colours,
     .fallback = "green"},
    {.key = "inner",
     .type = CSN_SCHEMA_MAP,
     CSN_SCHEMA_MEMBER(struct all, inner),
     .map = &inner_schema},
    {.key = "list",
     .type = CSN_SCHEMA_LIST,
     CSN_SCHEMA_MEMBER(struct all, list),
     .list = &list_list},
    {.key = "array",
     .type = CSN_SCHEMA_LIST,
     CSN_SCHEMA_MEMBER(struct all, array),
     .list = &array_list},
};
static const struct csn_schema all_schema = CSN_SCHEMA_OF("the test", all_fields);

static int read_all(const char *text, struct csn_yaml *ret_yaml, struct all *ret_all,
                    struct csn_reason *reason)
{
    int code = csn_yaml_parse(text_bytes(text), "etc/in.yaml", ret_yaml, reason);
    assert_int_equal(code, CSN_OK);
    struct csn_schema_reader reader = {
        .yaml = ret_yaml, .arena = &ret_yaml->arena, .reason = reason};
    memset(ret_all, 0, sizeof(*ret_all));
    return csn_schema_read(&reader, ret_yaml->root, &all_schema, ret_all);
}

static void test_schema_reads_every_type(void **state)
{
    (void)state;
    struct csn_yaml yaml;
    struct all all;
    struct csn_reason reason = {.text = ""};
    assert_int_equal(
        read_all(
            "text: \"a b\"\non: true\nsmall: 255\nspan: 90s\nspan-ms: 2m\ntime: "
            "2026-11-21T12:00:00Z\n"
            "size: 64GiB\nhex: DEADbeef\noctets: 'a11c'\nzone: Example\npath: a/b\n"
            "endpoint: 2001:db8::1@5353\nprefix: 10.0.0.0/7\ncolour: red\ninner: {count: 65535}\n"
            "list: [{count: 1}, {count: 2}]\narray:\n  - count: 3\n  - {count: 4}\n",
            &yaml, &all, &reason),
        CSN_OK);
    assert_string_equal(all.text, "a b");
    assert_string_equal(all.name, "anon");
    assert_true(all.is_on);
    assert_int_equal(all.small, 255);
    assert_int_equal(all.span_s, 90);
    assert_int_equal(all.span_ms, 120000);
    assert_int_equal(all.time_s, 1795262400);
    assert_true(all.size == UINT64_C(64) << 30);
    assert_memory_equal(all.hex, "\xde\xad\xbe\xef", 4);
    assert_int_equal(all.octets.size, 2);
    assert_memory_equal(all.octets.data, "\xa1\x1c", 2);
    assert_memory_equal(all.zone, "\7example", 9);
    assert_string_equal(all.path, "etc/a/b");
    assert_string_equal(all.endpoint.text, "2001:db8::1@5353");
    assert_int_equal(all.endpoint.address.ss_family, AF_INET6);
    assert_int_equal(((struct sockaddr_in6 *)&all.endpoint.address)->sin6_port, htons(5353));
    assert_int_equal(all.prefix.bits, 7);
    assert_int_equal(all.colour, RED);
    assert_int_equal(all.inner.count, 65535);
    assert_int_equal(all.list_count, 2);
    assert_int_equal(all.list[1].count, 2);
    assert_int_equal(all.array_count, 2);
    assert_int_equal(all.array[1].count, 4);
    csn_yaml_fini(&yaml);
    assert_int_equal(read_all("small: 3\ntime: 7\npath: /x\n", &yaml, &all, &reason), CSN_OK);
    assert_int_equal(all.colour, GREEN);
    assert_int_equal(all.time_s, 7);
    assert_string_equal(all.path, "/x");
    csn_yaml_fini(&yaml);
}

static void test_schema_names_place_and_what_was_meant(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place, *word;
    } rows[] = {
        {"[1]", "etc/in.yaml:1:1: ", "expected a mapping, not a list"},
        {"small: 3\nsmal: 4\n", "etc/in.yaml:2:1: ", "did you mean 'small'"},
        {"small: 3\nsmlal: 4\n", "etc/in.yaml:2:1: ", "did you mean 'small'"},
        {"small: 3\nspan_ms: 4\n", "etc/in.yaml:2:1: ", "did you mean 'span-ms'"},
        {"small: 3\ncompletely-else: 4\n", "etc/in.yaml:2:1: ", "known are text, name, on"},
        {"small: 3\ninner: {count: 1, weight: 2}\n",
         "etc/in.yaml:2:19: ", "unknown key 'weight' in an inner"},
        {"small: 3\non: true\nsmall: 4\n", "etc/in.yaml:3:1: ", "stands in line 1 already"},
        {"on: true\n", "etc/in.yaml:1:1: ", "the test has no 'small'"},
        {"small: 3\nlist:\n  - count: 1\n  - {}\n", "etc/in.yaml:4:5: ", "an inner has no 'count'"},
        {"small: 2\n", "etc/in.yaml:1:8: ", "a number from 3 to 255, not '2'"},
        {"small: 256\n", "etc/in.yaml:1:8: ", "a number from 3 to 255, not '256'"},
        {"small: -3\n", "etc/in.yaml:1:8: ", "a number from 3 to 255, not '-3'"},
        {"small:\n", "etc/in.yaml:1:", "a number from 3 to 255, not nothing"},
        {"small: [3]\n", "etc/in.yaml:1:8: ", "a number from 3 to 255, not a list"},
        {"small: 3\ntext: a\n", "etc/in.yaml:2:7: ", "of 2 to 5 octets"},
        {"small: 3\ntext: abcdef\n", "etc/in.yaml:2:7: ", "of 2 to 5 octets"},
        {"small: 3\ntext: \"a\\nb\"\n", "etc/in.yaml:2:7: ", "on one line"},
        {"small: 3\nname: abcdefgh\n", "etc/in.yaml:2:7: ", "of 1 to 7 octets"},
        {"small: 3\nname: ''\n", "etc/in.yaml:2:7: ", "of 1 to 7 octets"},
        {"small: 3\non: yes\n", "etc/in.yaml:2:5: ", "true or false, not 'yes'"},
        {"small: 3\nspan: 59s\n", "etc/in.yaml:2:7: ", "from 1m 00s to 2h 00m, not '59s'"},
        {"small: 3\nspan: 3h\n", "etc/in.yaml:2:7: ", "from 1m 00s to 2h 00m, not '3h'"},
        {"small: 3\nspan: 5y\n", "etc/in.yaml:2:7: ", "a span such as"},
        {"small: 3\nspan-ms: 8w\n", "etc/in.yaml:2:10: ", "a span such as"},
        {"small: 3\ntime: 2026-11-21\n", "etc/in.yaml:2:7: ", "a time such as"},
        {"small: 3\ntime: 2026-02-30T00:00:00Z\n", "etc/in.yaml:2:7: ", "on a day of the calendar"},
        {"small: 3\ntime: 253402300800\n",
         "etc/in.yaml:2:7: ", "at most 9999-12-31T23:59:59Z, not '253402300800'"},
        {"small: 3\nsize: 64GB\n", "etc/in.yaml:2:7: ", "a size such as"},
        {"small: 3\nsize: 1KiB\n", "etc/in.yaml:2:7: ", "from 1 MiB"},
        {"small: 3\nsize: 99999999999TiB\n", "etc/in.yaml:2:7: ", "a size such as"},
        {"small: 3\nhex: deadbe\n", "etc/in.yaml:2:6: ", "8 hex digits"},
        {"small: 3\noctets: abc\n", "etc/in.yaml:2:9: ", "two for each octet"},
        {"small: 3\noctets: abcdabcd\n", "etc/in.yaml:2:9: ", "two for each octet"},
        {"small: 3\nzone: a..b\n", "etc/in.yaml:2:7: ", "a domain name"},
        {"small: 3\npath: ''\n", "etc/in.yaml:2:7: ", "a path"},
        {"small: 3\nendpoint: 192.0.2.1:53\n", "etc/in.yaml:2:11: ", "192.0.2.1@53"},
        {"small: 3\nendpoint: 192.0.2.1@0\n", "etc/in.yaml:2:11: ", "192.0.2.1@53"},
        {"small: 3\nendpoint: host@53\n", "etc/in.yaml:2:11: ", "192.0.2.1@53"},
        {"small: 3\nprefix: 192.0.2.1/24\n", "etc/in.yaml:2:9: ", "without host bits"},
        {"small: 3\nprefix: 192.0.2.0/33\n", "etc/in.yaml:2:9: ", "without host bits"},
        {"small: 3\ncolour: blue\n", "etc/in.yaml:2:9: ", "one of red, green, not 'blue'"},
        {"small: 3\ninner: 5\n",
         "etc/in.yaml:2:8: ", "inner: expected a mapping, not a single value"},
        {"small: 3\nlist: 5\n", "etc/in.yaml:2:7: ", "list: expected a list, not a single value"},
        {"small: 3\nlist: []\n", "etc/in.yaml:2:7: ", "a list of 1 to 3, not of 0"},
        {"small: 3\nlist: [5]\n", "etc/in.yaml:2:8: ", "list: expected a mapping"},
        {"small: 3\narray: [{count: 1}, {count: 2}, {count: 3}]\n",
         "etc/in.yaml:2:8: ", "a list of 0 to 2, not of 3"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_yaml yaml;
        struct all all;
        struct csn_reason reason = {.text = ""};
        assert_int_equal(read_all(rows[i].text, &yaml, &all, &reason), CSN_EFORMAT);
        assert_reason(&reason, rows[i].place, rows[i].word);
        csn_yaml_fini(&yaml);
    }
}

static void test_prefix_holds_its_addresses_only(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *address;
        bool is_held;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.200", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "192.0.2.1", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"2001:db8::1", "2001:db8::2", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[128];
        struct csn_yaml yaml;
        struct all all;
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        const struct sockaddr *address = (const struct sockaddr *)&v4;
        if (inet_pton(AF_INET, rows[i].address, &v4.sin_addr) != 1) {
            assert_int_equal(inet_pton(AF_INET6, rows[i].address, &v6.sin6_addr), 1);
            address = (const struct sockaddr *)&v6;
        }
        snprintf(text, sizeof(text), "small: 3\nprefix: '%s'\n", rows[i].prefix);
        assert_int_equal(read_all(text, &yaml, &all, NULL), CSN_OK);
        assert_int_equal(csn_prefix_holds(&all.prefix, address), rows[i].is_held);
        csn_yaml_fini(&yaml);
    }
}

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

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define KEY_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define KEY_D "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define KEY_E "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
#define KEY_F "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0f"
#define CLUSTER_HEAD "id: 000102030405060708090a0b0c0d0e0f\nenvironment: test\nepoch: 1\n"
#define MEMBER(number, name, key, port)                                                            \
    "  - {number: " number ", name: " name ", key: " key ", mesh: 'tls+tcp://[::1]:" port          \
    "1', bulk: 'tls+tcp://h:" port "2'}\n"
#define LEAD "coordinators:\n  - {number: 1, name: lead, key: " KEY_D "}\n"
#define MEMBERS                                                                                    \
    "members:\n" MEMBER("1", "zrh", KEY_A, "1") MEMBER("2", "sjc", KEY_B, "2")                     \
        MEMBER("3", "sin", KEY_C, "3")

static void test_cluster_is_read(void **state)
{
    (void)state;
    static const char text[] = CLUSTER_HEAD "quorum: 2\n" MEMBERS LEAD;
    struct csn_cluster cluster;
    struct csn_digest digest;
    assert_int_equal(csn_cluster_parse(text_bytes(text), "c.yaml", &cluster, NULL), CSN_OK);
    csn_sha384(text_bytes(text), &digest);
    assert_true(csn_digest_equal(&cluster.digest, &digest));
    assert_int_equal(cluster.id[15], 15);
    assert_int_equal(cluster.environment, 1);
    assert_int_equal(cluster.quorum, 2);
    assert_int_equal(cluster.faults, 0);
    assert_int_equal(cluster.member_count, 3);
    assert_int_equal(cluster.members[2].number, 3);
    assert_int_equal(cluster.members[2].role, CSN_MEMBER_SIGNER);
    assert_int_equal(cluster.members[2].incarnation, 1);
    assert_int_equal(cluster.members[2].key[31], 0xcc);
    assert_string_equal(cluster.members[2].mesh, "tls+tcp://[::1]:31");
    assert_int_equal(cluster.coordinator_count, 1);
    assert_int_equal(cluster.operator_count, 0);
    assert_ptr_equal(csn_cluster_member_named(&cluster, "sjc"), &cluster.members[1]);
    assert_null(csn_cluster_member_named(&cluster, "lead"));
    assert_ptr_equal(csn_cluster_coordinator_named(&cluster, "lead"), &cluster.coordinators[0]);
}

static void test_cluster_is_refused_when_it_could_split(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place, *word;
    } rows[] = {
        {CLUSTER_HEAD "quorum: 1\n" MEMBERS LEAD, "c.yaml:4:9: ", "at least 2"},
        {CLUSTER_HEAD "quorum: 4\n" MEMBERS LEAD, "c.yaml:4:9: ", "at most 3"},
        {CLUSTER_HEAD "quorum: 2\nfaults: 1\n" MEMBERS LEAD, "c.yaml:4:9: ", "at least 3"},
        {CLUSTER_HEAD "quorum: 17\n" MEMBERS LEAD, "c.yaml:4:9: ", "from 1 to 16"},
        {CLUSTER_HEAD "quorum: 2\nmembers: []\n" LEAD, "c.yaml:5:10: ", "1 to 16, not of 0"},
        {CLUSTER_HEAD "quorum: 2\nmembers:\n" MEMBER("2", "a", KEY_A, "1")
             MEMBER("2", "b", KEY_B, "2") LEAD,
         "c.yaml:7:14: ", "ascending"},
        {CLUSTER_HEAD "quorum: 2\nmembers:\n" MEMBER("0", "a", KEY_A, "1") LEAD,
         "c.yaml:6:14: ", "from 1 to 65535"},
        {CLUSTER_HEAD "quorum: 2\nmembers:\n" MEMBER("1", "a", KEY_A, "1")
             MEMBER("2", "a", KEY_B, "2") LEAD,
         "c.yaml:7:23: ", "twice"},
        {CLUSTER_HEAD "quorum: 2\nmembers:\n" MEMBER("1", "a", KEY_A, "1")
             MEMBER("2", "b", KEY_A, "2") LEAD,
         "c.yaml:7:31: ", "a of members has it"},
        {CLUSTER_HEAD "quorum: 1\nmembers:\n" MEMBER("1", "a", KEY_D, "1") LEAD,
         "c.yaml:8:34: ", "a of members has it"},
        {CLUSTER_HEAD "quorum: 2\nmembers:\n" MEMBER("1", "a", KEY_A, "1")
             MEMBER("2", "b", KEY_B, "1") LEAD,
         "c.yaml:7:103: ", "a has this address"},
        {CLUSTER_HEAD "quorum: 1\nmembers:\n" MEMBER("1", "Zrh", KEY_A, "1") LEAD,
         "c.yaml:6:23: ", "lower-case"},
        {CLUSTER_HEAD "quorum: 1\nmembers:\n" MEMBER("1", "a", KEY_A, "77777") LEAD,
         "c.yaml:6:103: ", "such as tls+tcp://zrh.example.net:5301, not 'tls+tcp://[::1]:777771'"},
        {CLUSTER_HEAD "quorum: 1\nmembers:\n" MEMBER("1", "a", "ab", "7") LEAD,
         "c.yaml:6:31: ", "64 hex digits"},
        {CLUSTER_HEAD "quorum: 2\n" MEMBERS, "c.yaml:1:1: ", "no 'coordinators'"},
        {CLUSTER_HEAD "qorum: 2\n" MEMBERS LEAD, "c.yaml:4:1: ", "did you mean 'quorum'"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_cluster cluster;
        struct csn_reason reason = {.text = ""};
        assert_true(csn_cluster_parse(text_bytes(rows[i].text), "c.yaml", &cluster, &reason) < 0);
        assert_reason(&reason, rows[i].place, rows[i].word);
    }
}

#define PREVIOUS                                                                                   \
    "previous: 1111111111111111111111111111111111111111111111111111111111111111"                   \
    "11111111111111111111111111111111\n"
#define OFFICERS(needed)                                                                           \
    "officers:\n  needed: " needed "\n  keys:\n    - {name: a, key: " KEY_E "}\n    - {name: b, key: " \
    KEY_F "}\n"
#define HEAD_2                                                                                     \
    "id: 000102030405060708090a0b0c0d0e0f\nenvironment: test\nepoch: 2\nquorum: 2\n" MEMBERS LEAD
#define EMERGENCY(not_after, offset)                                                               \
    "emergency:\n  reason: flood\n  fenced: power is off\n  issued: 2026-11-22T00:00:00Z\n"        \
    "  not-after: " not_after "\n  serial-offset: " offset "\n"                                    \
    "  base:\n    - {zone: xc, round: 0000000000000004000100000011, full-root: "                    \
    "2222222222222222222222222222222222222222222222222222222222222222"                             \
    "22222222222222222222222222222222}\n"

static void test_cluster_names_officers_and_what_was_before(void **state)
{
    (void)state;
    static const char text[] =
        HEAD_2 PREVIOUS OFFICERS("2") EMERGENCY("2026-11-24T00:00:00Z", "2097152");
    struct csn_cluster cluster;
    assert_int_equal(csn_cluster_parse(text_bytes(text), "c.yaml", &cluster, NULL), CSN_OK);
    assert_int_equal(cluster.previous.octets[47], 0x11);
    assert_int_equal(cluster.officers.needed, 2);
    assert_int_equal(cluster.officers.count, 2);
    assert_string_equal(cluster.officers.keys[1].name, "b");
    assert_true(cluster.is_emergency);
    assert_string_equal(cluster.emergency.reason, "flood");
    assert_string_equal(cluster.emergency.fenced, "power is off");
    assert_int_equal(cluster.emergency.not_after_s - cluster.emergency.issued_s, 2 * 86400);
    assert_int_equal(cluster.emergency.serial_offset, 2097152);
    assert_int_equal(cluster.emergency.base_count, 1);
    assert_int_equal(cluster.emergency.bases[0].round[7], 4);
    assert_int_equal(cluster.emergency.bases[0].full_root.octets[0], 0x22);
    assert_true(csn_digest_is_zero(&cluster.merges));
}

static void test_cluster_is_refused_when_its_epoch_does_not_hold(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place, *word;
    } rows[] = {
        {HEAD_2, "c.yaml:3:8: ", "SHA-384 of the document before"},
        {CLUSTER_HEAD "quorum: 2\n" MEMBERS LEAD PREVIOUS, "c.yaml:11:11: ", "before epoch 1"},
        {HEAD_2 PREVIOUS OFFICERS("1"), "c.yaml:13:11: ", "more than half"},
        {HEAD_2 PREVIOUS OFFICERS("3"), "c.yaml:13:11: ", "at most all"},
        {HEAD_2 PREVIOUS "officers:\n  needed: 1\n  keys:\n    - {name: a, key: " KEY_D "}\n",
         "c.yaml:15:22: ", "lead of coordinators has it"},
        {HEAD_2 PREVIOUS EMERGENCY("2026-11-25T00:00:01Z", "1048576"), "c.yaml:16:14: ", "72 hours"},
        {HEAD_2 PREVIOUS EMERGENCY("2026-11-22T00:00:00Z", "1048576"), "c.yaml:16:14: ", "after 'issued'"},
        {HEAD_2 PREVIOUS EMERGENCY("2026-11-23T00:00:00Z", "1048577"), "c.yaml:17:18: ", "multiple"},
        {HEAD_2 PREVIOUS "emergency:\n  reason: flood\n", "c.yaml:13:3: ", "no 'fenced'"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_cluster cluster;
        struct csn_reason reason = {.text = ""};
        assert_true(csn_cluster_parse(text_bytes(rows[i].text), "c.yaml", &cluster, &reason) < 0);
        assert_reason(&reason, rows[i].place, rows[i].word);
    }
}

/* A forgotten key, and others for which a signature needs no secret. */
static void test_cluster_is_refused_with_a_key_anybody_signs_for(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p - 2: none */
    };
    static const struct {
        const char *before, *after, *place;
    } rows[] = {
        {CLUSTER_HEAD "quorum: 1\nmembers:\n  - {number: 1, name: a, key: ",
         ", mesh: 'tls+tcp://h:1', bulk: 'tls+tcp://h:2'}\n" LEAD, "c.yaml:6:31: "},
        {CLUSTER_HEAD "quorum: 2\n" MEMBERS "coordinators:\n  - {number: 1, name: l, key: ", "}\n",
         "c.yaml:10:31: "},
        {CLUSTER_HEAD "quorum: 2\n" MEMBERS LEAD "operators:\n  - {name: duty, key: ", "}\n",
         "c.yaml:12:23: "},
    };
    for (size_t i = 0; i < COUNT(rows) * COUNT(keys); i++) {
        size_t row = i / COUNT(keys), key = i % COUNT(keys);
        struct csn_cluster cluster;
        struct csn_reason reason = {.text = ""};
        char text[2048];
        snprintf(text, sizeof(text), "%s%s%s", rows[row].before, keys[key], rows[row].after);
        int code = csn_cluster_parse(text_bytes(text), "c.yaml", &cluster, &reason);
        assert_int_equal(code, key + 1 == COUNT(keys) ? CSN_OK : CSN_EREFUSED);
        if (code != CSN_OK) {
            assert_reason(&reason, rows[row].place, "small order");
        }
    }
}

static void test_policy_has_defaults(void **state)
{
    (void)state;
    struct csn_policy policy;
    assert_int_equal(csn_policy_parse(text_bytes("name: d\nversion: 7\n"), "p.yaml", &policy, NULL),
                     CSN_OK);
    assert_string_equal(policy.name, "d");
    assert_int_equal(policy.version.number, 7);
    assert_int_equal(policy.validity.count, 1);
    assert_int_equal(policy.validity.events[0].at_s, 0);
    assert_int_equal(policy.validity.events[0].window_s, 0);
    assert_int_equal(policy.validity.events[0].value_s, 21 * 86400);
    assert_int_equal(policy.refresh.events[0].value_s, 10 * 86400);
    assert_int_equal(policy.offset.events[0].value_s, 5400);
    assert_int_equal(policy.denial, CSN_DENIAL_NSEC);
    assert_int_equal(policy.serial_rule, CSN_SERIAL_UNIXTIME);
    assert_int_equal(policy.drop_addresses_count, 0);
    assert_int_equal(policy.shrink_percent, 10);
    assert_int_equal(policy.refresh_interval_s, 3600);
    assert_int_equal(policy.propagation_s, 3600);
    assert_int_equal(policy.hold_budget_s, 43200);
    assert_int_equal(policy.prepublication_s, 7 * 86400);
    assert_int_equal(policy.postpublication_s, 7 * 86400);
    assert_int_equal(policy.round_deadline_ms, 120000);
    assert_int_equal(policy.max_round_age_s, 1800);
    assert_int_equal(policy.behind_max_s, 300);
    assert_int_equal(policy.proof_count, 64);
    assert_string_equal(policy.accept_risk, "");
    assert_int_equal(csn_policy_check(&policy, NULL, NULL), CSN_OK);
    csn_policy_fini(&policy);
}

static void test_policy_values_may_change_in_time(void **state)
{
    (void)state;
    static const char text[] =
        "name: d\nversion: 1\nvalidity:\n  - {from: 0, value: 21d}\n"
        "  - {from: 2027-03-01T00:00:00Z, window: 24h, value: 28d}\n"
        "drop-addresses: [Old.Example, b.example.]\ngates: {shrink-percent: 5}\nserial: date\n"
        "accept-risk: because\n";
    struct csn_policy policy;
    assert_int_equal(csn_policy_parse(text_bytes(text), "p.yaml", &policy, NULL), CSN_OK);
    assert_int_equal(policy.validity.count, 2);
    assert_int_equal(policy.validity.events[1].at_s, 1803859200);
    assert_int_equal(policy.validity.events[1].window_s, 86400);
    assert_int_equal(policy.validity.events[1].value_s, 28 * 86400);
    assert_int_equal(policy.drop_addresses_count, 2);
    assert_memory_equal(policy.drop_addresses[0], "\3old\7example", 13);
    assert_memory_equal(policy.drop_addresses[1], "\1b\7example", 11);
    assert_int_equal(policy.shrink_percent, 5);
    assert_int_equal(policy.serial_rule, CSN_SERIAL_DATE);
    assert_string_equal(policy.accept_risk, "because");
    csn_policy_fini(&policy);
}

static void test_policy_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place, *word;
    } rows[] = {
        {"version: 1\n", "p.yaml:1:1: ", "no 'name'"},
        {"name: d\nversion: 0\n", "p.yaml:2:10: ", "a number from 1"},
        {"name: d\nversion: 1\nvalidity: soon\n",
         "p.yaml:3:11: ", "or a list of {from, window, value}"},
        {"name: d\nversion: 1\nvalidity: {value: 1d}\n",
         "p.yaml:3:11: ", "or a list of {from, window, value}"},
        {"name: d\nversion: 1\nvalidity: []\n", "p.yaml:3:11: ", "not of 0"},
        {"name: d\nversion: 1\nvalidity:\n  - {value: 1d}\n",
         "p.yaml:4:5: ", "an event has no 'from'"},
        {"name: d\nversion: 1\ndenial: nsec4\n", "p.yaml:3:9: ", "the word nsec"},
        {"name: d\nversion: 1\nserial: unix\n", "p.yaml:3:9: ", "one of unixtime, counter, date"},
        {"name: d\nversion: 1\ngates: {shrink-percent: 101}\n", "p.yaml:3:25: ", "from 0 to 100"},
        {"name: d\nversion: 1\ndrop-addresses: [a..b]\n",
         "p.yaml:3:18: ", "drop-addresses: expected a domain name"},
        {"name: d\nversion: 1\nprepublication: 7d\n",
         "p.yaml:3:1: ", "did you mean 'pre-publication'"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_policy policy;
        struct csn_reason reason = {.text = ""};
        assert_int_equal(csn_policy_parse(text_bytes(rows[i].text), "p.yaml", &policy, &reason),
                         CSN_EFORMAT);
        assert_reason(&reason, rows[i].place, rows[i].word);
    }
}

#define KEYSET_HEAD "zone: Example.\nversion: 3\ndnskey-ttl: 3600\nkeys:\n"
#define KSK "  - {name: k, dnskey: 257 3 15 ig4UnO7rnQjt85OpJy/ZzTbY2wdqeBbNGWhXPAFi6vg=}\n"
#define ZSK                                                                                        \
    "  - {name: z, dnskey: 256 3 15 yPPMR9yJiL5WDA5rjJ4Bj2H0tP0UJ2JiaNg/2Mghoyc=, published: "     \
    "false, retired: true}\n"
#define EVENTS "events:\n  - {role: ksk, algorithm: 15, list: [{key: k, at: 100}]}\n"

static void test_keyset_is_read(void **state)
{
    (void)state;
    static const char text[] =
        KEYSET_HEAD KSK ZSK EVENTS "  - role: zsk\n    algorithm: 15\n    list:\n      - {key: z, "
                                   "at: 1970-01-01T00:03:20Z, window: 5m, reason: roll}\n"
                                   "      - {key: none, at: 400}\n"
                                   "cds: {ttl: 60, records: [2 15 2 bb, 1 15 2 aa]}\ncdnskey: "
                                   "{ttl: 1m, records: [0 3 0 AA==]}\n";
    struct csn_keyset keyset;
    struct csn_reason reason = {.text = ""};
    assert_int_equal(csn_keyset_parse(text_bytes(text), "k.yaml", &keyset, &reason), CSN_OK);
    assert_memory_equal(keyset.zone, "\7example", 9);
    assert_int_equal(keyset.version.number, 3);
    assert_false(csn_digest_is_zero(&keyset.version.digest));
    assert_int_equal(keyset.dnskey_ttl, 3600);
    assert_int_equal(keyset.key_count, 2);
    assert_string_equal(keyset.keys[1].name, "z");
    assert_int_equal(keyset.keys[0].flags, 257);
    assert_int_equal(keyset.keys[0].algorithm, 15);
    assert_int_equal(keyset.keys[0].dnskey.size, 36);
    assert_true(keyset.keys[0].is_published && !keyset.keys[0].is_retired);
    assert_true(!keyset.keys[1].is_published && keyset.keys[1].is_retired);
    assert_int_equal(keyset.list_count, 2);
    assert_int_equal(keyset.lists[0].role, CSN_ROLE_KSK);
    assert_int_equal(keyset.lists[1].role, CSN_ROLE_ZSK);
    assert_int_equal(keyset.lists[1].count, 2);
    assert_int_equal(keyset.lists[1].events[0].key, 1);
    assert_int_equal(keyset.lists[1].events[0].at_s, 200);
    assert_int_equal(keyset.lists[1].events[0].window_s, 300);
    assert_int_equal(keyset.lists[1].events[1].key, CSN_KEY_NONE);
    assert_int_equal(keyset.cds.count, 2);
    assert_int_equal(keyset.cds.ttl, 60);
    assert_int_equal(keyset.cds.type, CSN_TYPE_CDS);
    assert_int_equal(keyset.cds.rdatas.size, 14);
    assert_memory_equal(keyset.cds.rdatas.data, "\0\5\0\1\x0f\2\xaa\0\5\0\2\x0f\2\xbb", 14);
    assert_memory_equal(keyset.cds.owner, "\7example", 9);
    assert_int_equal(keyset.cdnskey.count, 1);
    assert_int_equal(keyset.cdnskey.type, CSN_TYPE_CDNSKEY);
    csn_keyset_fini(&keyset);
}

static void test_keyset_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place, *word;
    } rows[] = {
        {KEYSET_HEAD "  - {name: k, dnskey: 257 3 15}\n" EVENTS,
         "k.yaml:5:23: ", "257 3 13 base64"},
        {KEYSET_HEAD "  - {name: k, dnskey: 257 4 5 AAAA}\n" EVENTS,
         "k.yaml:5:23: ", "RFC 4034 2.1.2"},
        {KEYSET_HEAD "  - {name: k, dnskey: 257 3 13 AAAAAA==}\n" EVENTS,
         "k.yaml:5:23: ", "4 octets are no public key of algorithm 13"},
        {KEYSET_HEAD KSK EVENTS "cdnskey: {ttl: 1, records: [0 3 0 AA==, 257 3 15 AAAA]}\n",
         "k.yaml:8:41: ", "3 octets are no public key of algorithm 15"},
        {KEYSET_HEAD KSK KSK EVENTS, "k.yaml:6:12: ", "'k' is taken"},
        {KEYSET_HEAD "  - {name: none, dnskey: 257 3 5 AAAA}\n" EVENTS,
         "k.yaml:5:12: ", "'none' is taken"},
        {KEYSET_HEAD ZSK EVENTS, "k.yaml:7:45: ", "no key 'k'"},
        {KEYSET_HEAD KSK EVENTS "  - {role: ksk, algorithm: 15, list: [{key: k, at: 1}]}\n",
         "k.yaml:8:5: ", "second list"},
        {KEYSET_HEAD KSK "events:\n  - {role: csk, algorithm: 15, list: [{key: k, at: 1}]}\n",
         "k.yaml:7:12: ", "ksk, zsk"},
        {KEYSET_HEAD KSK EVENTS "cds: {ttl: 1, records: [1 2 3 aa, 1 2 3 AA]}\n",
         "k.yaml:8:6: ", "same record twice"},
        {KEYSET_HEAD KSK EVENTS "cds: {ttl: 1, records: [1 2 3 a]}\n",
         "k.yaml:8:25: ", "12345 13 2 hex"},
        {KEYSET_HEAD KSK EVENTS "cds: {ttl: 2147483648, records: [1 2 3 aa]}\n",
         "k.yaml:8:12: ", "ttl: expected a span"},
        {KEYSET_HEAD KSK "events:\n  - {role: ksk, algorithm: 256, list: [{key: k, at: 1}]}\n",
         "k.yaml:7:28: ", "from 1 to 255"},
        {KEYSET_HEAD KSK "events:\n  - {role: ksk, algorithm: 15, list: [{key: k, at: -1}]}\n",
         "k.yaml:7:52: ", "a time such as"},
        {"zone: a\nversion: 4294967296\n", "k.yaml:2:10: ", "from 1 to 4294967295"},
        {KEYSET_HEAD KSK, "k.yaml:1:1: ", "no 'events'"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_keyset keyset;
        struct csn_reason reason = {.text = ""};
        assert_true(csn_keyset_parse(text_bytes(rows[i].text), "k.yaml", &keyset, &reason) < 0);
        assert_reason(&reason, rows[i].place, rows[i].word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml_is_refused_where_it_could_mean_two_things),
        cmocka_unit_test(test_yaml_above_a_mebibyte_is_refused),
        cmocka_unit_test(test_schema_reads_every_type),
        cmocka_unit_test(test_schema_names_place_and_what_was_meant),
        cmocka_unit_test(test_prefix_holds_its_addresses_only),
        cmocka_unit_test(test_base64_has_one_spelling),
        cmocka_unit_test(test_rdata_is_read_from_its_text),
        cmocka_unit_test(test_key_is_as_long_as_its_algorithm_says),
        cmocka_unit_test(test_cluster_is_read),
        cmocka_unit_test(test_cluster_is_refused_when_it_could_split),
        cmocka_unit_test(test_cluster_is_refused_with_a_key_anybody_signs_for),
        cmocka_unit_test(test_cluster_names_officers_and_what_was_before),
        cmocka_unit_test(test_cluster_is_refused_when_its_epoch_does_not_hold),
        cmocka_unit_test(test_policy_has_defaults),
        cmocka_unit_test(test_policy_values_may_change_in_time),
        cmocka_unit_test(test_policy_is_refused_with_its_place),
        cmocka_unit_test(test_keyset_is_read),
        cmocka_unit_test(test_keyset_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
