/* Goal: YAML that could mean two things is refused, and a schema reads what was meant or names the place, what stands there and
 * what was expected. Method: tables of documents, each with its values or with the start of its refusal. */
#include "config_fixture.h"

#include <arpa/inet.h>

#include "config/schema.h"
#include "dns/name.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml_is_refused_where_it_could_mean_two_things),
        cmocka_unit_test(test_yaml_above_a_mebibyte_is_refused),
        cmocka_unit_test(test_schema_reads_every_type),
        cmocka_unit_test(test_schema_names_place_and_what_was_meant),
        cmocka_unit_test(test_prefix_holds_its_addresses_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
