/* Goal: a zone as received becomes the prepared zone of signing.md 1, or is refused with the right
 * code; the gates park what they should. Method: the oracle's vectors (refusals; D, D(received) and
 * what was removed of every case), and tables of small zone texts, with the prepared zone written
 * as "owner ttl type count" a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/text.h"
#include "dns/zonefile.h"
#include "zone/prepare.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define ORACLE CONSIGN_TESTS "/data/oracle/"
#define FILE_MAX (4u << 20)

static const uint8_t example[] = "\7example";

struct drop {
    uint8_t names[8][CSN_NAME_MAX];
    const uint8_t *list[8];
    size_t count;
};

static void drop_add(struct drop *drop, const char *text)
{
    assert_int_equal(csn_name_parse(text, drop->names[drop->count]), CSN_OK);
    drop->list[drop->count] = drop->names[drop->count];
    drop->count++;
}

static int add(void *arg, const struct csn_record *record, struct csn_reason *reason)
{
    return csn_prepare_add(arg, record, reason);
}

static int prepare(struct csn_bytes text, const uint8_t *apex, const struct drop *drop,
                   struct csn_input **ret_input, struct csn_reason *reason)
{
    struct csn_prepare *work =
        csn_prepare_new(apex, drop ? drop->list : NULL, drop ? drop->count : 0);
    int code = csn_zonefile_read(text, "in", apex, add, work, reason);
    if (code == CSN_OK) {
        code = csn_prepare_finish(work, ret_input, reason);
    }
    csn_prepare_free(work);
    return code;
}

static int prepare_text(const char *text, const struct drop *drop, struct csn_input **ret_input,
                        struct csn_reason *reason)
{
    return prepare(csn_bytes(text, strlen(text)), example, drop, ret_input, reason);
}

static struct csn_input *prepare_good(const char *text)
{
    struct csn_input *input = NULL;
    struct csn_reason reason = {{0}};
    if (prepare_text(text, NULL, &input, &reason) != CSN_OK) {
        fail_msg("refused: %s", reason.text);
    }
    return input;
}

/* The code of a refusal, behind "in:line: " where a line of the file is at fault. */
static bool has_code(const char *reason, const char *code)
{
    if (strncmp(reason, "in:", 3) == 0) {
        reason = strchr(reason + 3, ' ') + 1;
    }
    size_t size = strlen(code);
    return strncmp(reason, code, size) == 0 && reason[size] == ':';
}

/* --- the oracle's vectors */

static struct csn_buf read_file(const char *folder, const char *name)
{
    char path[512];
    struct csn_buf buf = {0};
    struct csn_reason reason = {{0}};
    snprintf(path, sizeof(path), ORACLE "%s/%s", folder, name);
    if (csn_fs_read(path, FILE_MAX, &buf, &reason) != CSN_OK) {
        fail_msg("%s", reason.text);
    }
    return buf;
}

static void check_refusal(const char *file, const char *code)
{
    struct csn_buf text = read_file("refused", file);
    struct csn_input *input = NULL;
    struct csn_reason reason = {{0}};
    int result = prepare(csn_buf_view(&text), example, NULL, &input, &reason);
    if (code == NULL ? result != CSN_OK : result == CSN_OK || !has_code(reason.text, code)) {
        fail_msg("%s: '%s' instead of '%s'", file, reason.text, code ? code : "accepted");
    }
    csn_input_unref(input);
    csn_buf_fini(&text);
}

static void test_oracle_refusals(void **state)
{
    (void)state;
    struct csn_buf json = read_file("refused", "expected.json");
    csn_buf_put_u8(&json, 0);
    unsigned rows = 0, lines = 0;
    for (char *line = strtok((char *)json.data, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char file[128], code[64];
        lines += line[0] == '{';
        if (sscanf(line, "{\"zone\": \"%127[^\"]\", \"refused\": \"%63[^\"]\"", file, code) == 2) {
            check_refusal(file, code);
            rows++;
        } else if (sscanf(line, "{\"zone\": \"%127[^\"]\", \"refused\": nul%1[l]", file, code) ==
                   2) {
            check_refusal(file, NULL);
            rows++;
        }
    }
    assert_true(rows > 0 && rows == lines);
    csn_buf_fini(&json);
}

/* The text or number behind `"key": ` from `json` on. */
static const char *json_value(const char *json, const char *key, char *ret_value, size_t size)
{
    char quoted[64];
    snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
    const char *at = strstr(json, quoted);
    assert_non_null(at);
    at += strlen(quoted);
    at += *at == '"';
    size_t length = strcspn(at, "\",\n");
    assert_true(length < size);
    memcpy(ret_value, at, length);
    ret_value[length] = '\0';
    return at;
}

static void read_drop(const char *plan, struct drop *drop)
{
    const char *at = strstr(plan, "\"drop_addresses\": [");
    if (at == NULL) {
        return;
    }
    const char *end = strchr(at, ']');
    for (at = strchr(at, '['); (at = strchr(at, '"')) != NULL && at < end;
         at = strchr(at + 1, '"') + 1) {
        char name[256];
        size_t size = strcspn(at + 1, "\"");
        assert_true(size < sizeof(name));
        memcpy(name, at + 1, size);
        name[size] = '\0';
        drop_add(drop, name);
    }
}

static void check_digest(const char *folder, const char *what, const struct csn_digest *digest,
                         const char *expected)
{
    char text[2 * CSN_DIGEST_SIZE + 1];
    csn_hex_encode(csn_bytes(digest->octets, sizeof(digest->octets)), text);
    if (strcmp(text, expected) != 0) {
        fail_msg("%s: %s is %s, not %s", folder, what, text, expected);
    }
}

static void check_from_prepared(struct csn_input *input)
{
    struct csn_input *again = NULL;
    struct csn_digest other = input->prepared;
    assert_int_equal(csn_input_from_prepared(input->zone, &input->received, input->removed,
                                             &input->removed_hash, &input->prepared, &again),
                     CSN_OK);
    assert_true(csn_digest_equal(&again->prepared, &input->prepared) &&
                csn_digest_equal(&again->received, &input->received));
    assert_true(again->records == input->records && again->delegations == input->delegations &&
                again->ttl_max == input->ttl_max && again->serial == input->serial &&
                again->removed == input->removed);
    csn_input_unref(again);
    other.octets[0] ^= 1;
    assert_int_equal(csn_input_from_prepared(input->zone, &input->received, 0, &input->removed_hash,
                                             &other, &again),
                     CSN_EMISMATCH);
}

static void check_roots(const char *folder, const char *roots, const struct csn_input *input)
{
    char value[128];
    json_value(strstr(roots, "\"class_roots\""), "D", value, sizeof(value));
    check_digest(folder, "D(prepared)", &input->prepared, value);
    json_value(roots, "received_D", value, sizeof(value));
    check_digest(folder, "D(received)", &input->received, value);
    json_value(strstr(roots, "\"removed\""), "hash", value, sizeof(value));
    check_digest(folder, "removed", &input->removed_hash, value);
    json_value(strstr(roots, "\"removed\""), "records", value, sizeof(value));
    assert_int_equal(input->removed, strtoul(value, NULL, 10));
}

static void check_case(const char *folder)
{
    struct csn_buf zone = read_file(folder, "zone.zone"), plan = read_file(folder, "plan.json"),
                   roots = read_file(folder, "roots.json");
    struct drop drop = {.count = 0};
    char origin[256];
    uint8_t apex[CSN_NAME_MAX];
    struct csn_input *input = NULL;
    struct csn_reason reason = {{0}};
    csn_buf_put_u8(&plan, 0);
    csn_buf_put_u8(&roots, 0);
    json_value((const char *)plan.data, "zone", origin, sizeof(origin));
    assert_int_equal(csn_name_parse(origin, apex), CSN_OK);
    read_drop((const char *)plan.data, &drop);
    if (prepare(csn_buf_view(&zone), apex, &drop, &input, &reason) != CSN_OK) {
        fail_msg("%s: %s", folder, reason.text);
    }
    check_roots(folder, (const char *)roots.data, input);
    check_from_prepared(input);
    csn_input_unref(input);
    csn_buf_fini(&zone);
    csn_buf_fini(&plan);
    csn_buf_fini(&roots);
}

static void test_oracle_roots_of_the_data(void **state)
{
    (void)state;
    unsigned cases = 0;
    DIR *folder = opendir(ORACLE);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[512];
        snprintf(path, sizeof(path), ORACLE "%.200s/zone.zone", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            fclose(file);
            check_case(entry->d_name);
            cases++;
        }
    }
    closedir(folder);
    assert_true(cases >= 30); /* all but the two big ones, whose zones are not in the tree */
}

/* --- small zones */

#define SOA "example. 3600 IN SOA ns1.example. hostmaster.example. 7 3600 900 1209600 300\n"
#define NS "example. 3600 IN NS ns1.example.\n"
#define APEX SOA NS "ns1.example. 3600 IN A 192.0.2.1\n"
#define APEX_OUT "example. 3600 NS 1\nexample. 3600 SOA 1\n"
#define NS1_OUT "ns1.example. 3600 A 1\n"

static void write_zone(const struct csn_zone *zone, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < zone->count; i++) {
        char owner[CSN_NAME_TEXT_MAX], type[16];
        size_t at = strlen(text);
        csn_name_text(zone->rrsets[i].owner, owner);
        csn_type_text(zone->rrsets[i].type, type);
        snprintf(text + at, size - at, "%s %u %s %u\n", owner, zone->rrsets[i].ttl, type,
                 zone->rrsets[i].count);
    }
}

static void test_preparation(void **state)
{
    (void)state;
    static const struct {
        const char *text, *prepared;
        unsigned removed, ttl_warnings, unnamed, delegations, ttl_max;
    } rows[] = {
        {APEX, APEX_OUT NS1_OUT, 0, 0, 0, 0, 3600},
        /* order and case do not matter, nor do duplicates */
        {"NS1.EXAMPLE. 3600 IN A 192.0.2.1\n" NS "Example. 3600 IN NS NS1.Example.\n" SOA SOA,
         APEX_OUT NS1_OUT, 0, 0, 0, 0, 3600},
        /* the lowest TTL; over 2^31 - 1 counts as 0 */
        {APEX "a.example. 60 IN TXT \"x\"\na.example. 30 IN TXT \"y\"\n",
         APEX_OUT "a.example. 30 TXT 2\n" NS1_OUT, 0, 1, 0, 0, 3600},
        {APEX "a.example. 60 IN TXT \"x\"\na.example. 30 IN TXT \"x\"\n",
         APEX_OUT "a.example. 30 TXT 1\n" NS1_OUT, 0, 1, 0, 0, 3600},
        {APEX "a.example. 2147483647 IN TXT \"x\"\n",
         APEX_OUT "a.example. 2147483647 TXT 1\n" NS1_OUT, 0, 0, 0, 0, 2147483647},
        {APEX "a.example. 2147483648 IN TXT \"x\"\na.example. 9 IN TXT \"y\"\n",
         APEX_OUT "a.example. 0 TXT 2\n" NS1_OUT, 0, 1, 0, 0, 3600},
        /* DNSSEC records go; CDS and TYPE60 below the apex are data */
        {APEX "example. 1 IN DNSKEY 256 3 15 AAAA\nexample. 1 IN CDS 1 13 2 AA\nexample. 1 IN NSEC "
              "a.example. A\n"
              "example. 1 IN NSEC3PARAM 1 0 0 -\nexample. 1 IN ZONEMD 7 1 1 AABB\na.example. 1 IN "
              "CDS 1 13 2 AA\n",
         APEX_OUT "a.example. 1 CDS 1\n" NS1_OUT, 0, 0, 0, 0, 3600},
        /* orphan glue goes; sibling glue, and what an occluded or the apex NS names, stays; TTLs of
           glue are not signed */
        {APEX "a.example. 60 IN NS ns.a.example.\nns.a.example. 86400 IN A "
              "192.0.2.2\nold.a.example. 60 IN A 192.0.2.3\n"
              "a.example. 60 IN AAAA 2001:db8::1\n",
         APEX_OUT "a.example. 60 NS 1\nns.a.example. 86400 A 1\n" NS1_OUT, 2, 0, 0, 1, 3600},
        {APEX "a.example. 60 IN NS ns.b.example.\nb.example. 60 IN NS ns.test.\nns.b.example. 60 "
              "IN A 192.0.2.2\n",
         APEX_OUT "a.example. 60 NS 1\nb.example. 60 NS 1\nns.b.example. 60 A 1\n" NS1_OUT, 0, 0, 0,
         2, 3600},
        {APEX "a.example. 60 IN NS ns.test.\nb.a.example. 60 IN NS "
              "ns.c.a.example.\nns.c.a.example. 60 IN A 192.0.2.2\n",
         APEX_OUT "a.example. 60 NS 1\nb.a.example. 60 NS 1\nns.c.a.example. 60 A 1\n" NS1_OUT, 0,
         0, 0, 1, 3600},
        {SOA "example. 3600 IN NS ns.a.example.\na.example. 60 IN NS ns.test.\nns.a.example. 60 IN "
             "A 192.0.2.2\n",
         APEX_OUT "a.example. 60 NS 1\nns.a.example. 60 A 1\n", 0, 0, 0, 1, 3600},
        /* other occluded data stays */
        {APEX "a.example. 60 IN NS ns.test.\na.example. 60 IN TXT \"x\"\nt.a.example. 9999 IN TXT "
              "\"x\"\n",
         APEX_OUT "a.example. 60 NS 1\na.example. 60 TXT 1\nt.a.example. 9999 TXT 1\n" NS1_OUT, 0,
         0, 0, 1, 3600},
        /* DS at a cut is signed */
        {APEX "a.example. 60 IN NS ns.test.\na.example. 7200 IN DS 1 13 2 AA\n",
         APEX_OUT "a.example. 60 NS 1\na.example. 7200 DS 1\n" NS1_OUT, 0, 0, 0, 1, 7200},
        /* addresses that nothing names are counted */
        {APEX "www.example. 60 IN A 192.0.2.2\nwww.example. 60 IN A 192.0.2.3\nwww.example. 60 IN "
              "TXT \"x\"\n",
         APEX_OUT NS1_OUT "www.example. 60 A 2\nwww.example. 60 TXT 1\n", 0, 0, 2, 0, 3600},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[2048];
        struct csn_input *input = prepare_good(rows[i].text);
        write_zone(input->zone, text, sizeof(text));
        assert_string_equal(text, rows[i].prepared);
        assert_int_equal(input->removed, rows[i].removed);
        assert_int_equal(input->ttl_warnings, rows[i].ttl_warnings);
        assert_int_equal(input->unnamed_addresses, rows[i].unnamed);
        assert_int_equal(input->delegations, rows[i].delegations);
        assert_int_equal(input->ttl_max, rows[i].ttl_max);
        assert_int_equal(input->serial, 7);
        assert_int_equal(input->soa.minimum, 300);
        check_from_prepared(input);
        csn_input_unref(input);
    }
}

static void test_policy_drops_only_listed_addresses_that_nothing_names(void **state)
{
    (void)state;
    struct drop drop = {.count = 0};
    drop_add(&drop, "www.example.");
    drop_add(&drop, "ns1.example.");
    drop_add(&drop, "a.example.");
    struct csn_input *input = NULL;
    char text[1024];
    assert_int_equal(prepare_text(APEX
                                  "a.example. 60 IN TXT \"x\"\na.example. 60 IN AAAA 2001:db8::1\n"
                                  "b.example. 60 IN A 192.0.2.2\nwww.example. 60 IN A 192.0.2.2\n"
                                  "www.example. 60 IN A 192.0.2.3\n",
                                  &drop, &input, NULL),
                     CSN_OK);
    write_zone(input->zone, text, sizeof(text));
    assert_string_equal(text, APEX_OUT "a.example. 60 TXT 1\nb.example. 60 A 1\n" NS1_OUT);
    assert_int_equal(input->removed, 3);
    assert_int_equal(input->unnamed_addresses, 4);
    assert_false(csn_digest_equal(&input->received, &input->prepared));
    csn_input_unref(input);
}

static void test_refusals_name_owner_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"; nothing\n", "soa: example. has no SOA"},
        {NS, "soa: example. has no SOA"},
        {SOA, "no-apex-ns: example. has no NS"},
        {SOA NS "example. 3600 IN SOA ns1 h 8 1 1 1 1\n",
         "soa: example. SOA, line 3: a second SOA"},
        /* twice the same is one; the second stands behind both and sorts before them */
        {SOA SOA NS "example. 3600 IN SOA a h 8 1 1 1 1\nexample. 3600 IN SOA b h 8 1 1 1 1\n",
         "soa: example. SOA, line 4: a second SOA"},
        {APEX "www.net. 60 IN A 192.0.2.1\n", "in:4: out-of-zone: www.net. is not in the zone"},
        {APEX "www 60 IN CNAME a\nwww 60 IN TXT \"x\"\nwww 60 IN MX 1 a\n",
         "cname-other: www.example. CNAME, line 4: "},
        {APEX "www 60 IN TXT \"x\"\nwww 60 IN CNAME a\nwww 60 IN CNAME b\n",
         "cname-other: www.example. CNAME, line 5: "},
        {APEX "a 60 IN DNAME b\nx.a 60 IN TXT \"x\"\n", "below-dname: x.a.example. TXT, line 5: "},
        {APEX "a 60 IN NS ns.test.\nb.a 60 IN DNAME b\nx.y.b.a 60 IN A 192.0.2.1\n",
         "below-dname: x.y.b.a.example. A, line 6: "},
        {APEX "@ 60 IN DNAME b.test.\n", "below-dname: ns1.example. A, line 3: "},
        {APEX "a 60 IN TYPE128 \\# 0\n", "in:4: meta-type: a.example. "},
        {APEX "a 60 IN MX \\# 4 000AC000\n", "in:4: rdata: a compression pointer"},
        {APEX "a 60 IN TXT \\# 3 05AABB\n", "in:4: rdata: cut short, type TXT, owner a.example."},
        {APEX "*.a 60 IN NS ns.test.\n", "ns-wildcard: *.a.example. NS, line 4: "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_input *input = NULL;
        struct csn_reason reason = {{0}};
        assert_int_equal(prepare_text(rows[i].text, NULL, &input, &reason), CSN_EREFUSED);
        if (strncmp(reason.text, rows[i].reason, strlen(rows[i].reason)) != 0) {
            fail_msg("'%s' instead of '%s'", reason.text, rows[i].reason);
        }
    }
}

/* Records of a transfer have no line, and anything may be in them. */
static void test_records_from_elsewhere_are_checked_too(void **state)
{
    (void)state;
    static const struct {
        const char *owner;
        size_t owner_size;
        uint16_t class, type;
        size_t rdata_size;
        const char *reason;
    } rows[] = {
        {"\1a\7example", 11, 1, 65280, 0, ""},
        {"\1a\7example", 10, 1, 1, 4, "owner: "},
        {"\1a\7example\0x", 12, 1, 1, 4, "owner: "},
        {"\1a\300\0", 4, 1, 1, 4, "owner: "},
        {"", 0, 1, 1, 4, "owner: "},
        {"\1a\7example", 11, 3, 1, 4, "class: a.example. "},
        {"\1a\7examplf", 11, 1, 1, 4, "out-of-zone: a.examplf. "},
        {"\1a\7example", 11, 1, 41, 4, "meta-type: a.example. "},
        {"\1a\7example", 11, 1, 1, 5, "rdata: "},
        {"\1a\7example", 11, 1, 65280, 65536, "rdata: a.example. has over 65535 octets"},
    };
    uint8_t *rdata = csn_calloc(65536, 1);
    struct csn_prepare *work = csn_prepare_new((const uint8_t *)"\7EXAMPLE", NULL, 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_reason reason = {{0}};
        const struct csn_record record = {.owner = csn_bytes(rows[i].owner, rows[i].owner_size),
                                          .rdata = csn_bytes(rdata, rows[i].rdata_size),
                                          .class = rows[i].class,
                                          .type = rows[i].type};
        assert_int_equal(csn_prepare_add(work, &record, &reason),
                         rows[i].reason[0] ? CSN_EREFUSED : CSN_OK);
        if (strncmp(reason.text, rows[i].reason, strlen(rows[i].reason)) != 0) {
            fail_msg("'%s' instead of '%s'", reason.text, rows[i].reason);
        }
    }
    csn_prepare_free(work);
    free(rdata);
}

static void test_rrset_over_65535_records_is_refused(void **state)
{
    (void)state;
    struct csn_prepare *work = csn_prepare_new(example, NULL, 0);
    struct csn_reason reason = {{0}};
    struct csn_input *input = NULL;
    for (uint32_t i = 0; i <= 65535; i++) {
        uint8_t rdata[4];
        csn_set_u32(rdata, i);
        const struct csn_record record = {.owner = csn_bytes(example, sizeof(example)),
                                          .rdata = csn_bytes(rdata, 4),
                                          .class = 1,
                                          .type = 1};
        assert_int_equal(csn_prepare_add(work, &record, &reason), CSN_OK);
    }
    assert_int_equal(csn_prepare_finish(work, &input, &reason), CSN_EREFUSED);
    assert_true(has_code(reason.text, "rrset-size"));
    csn_prepare_free(work);
}

/* --- gates */

#define ZONE(serial, ns, rest)                                                                     \
    "example. 60 IN SOA ns1 h " serial " 1 1 1 1\nexample. 60 IN NS " ns "\n" rest
#define TEN "a 60 IN NS n.\n" NINE
#define NINE                                                                                       \
    "b 60 IN NS n.\nc 60 IN NS n.\nd 60 IN NS n.\ne 60 IN NS n.\nf 60 IN NS n.\ng 60 IN NS n.\n"   \
    "h 60 IN NS n.\ni 60 IN NS n.\nj 60 IN NS n.\n"

static void test_gates_park_what_looks_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new, *code;
    } rows[] = {
        {NULL, ZONE("5", "n.", ""), NULL},
        {ZONE("5", "n.", TEN), ZONE("6", "n.", TEN), NULL},
        {ZONE("5", "n.", TEN), ZONE("5", "n.", TEN), NULL},
        {ZONE("5", "n.", TEN), ZONE("5", "n.", TEN "k 60 IN NS n.\n"), "serial-same"},
        {ZONE("5", "n.", TEN), ZONE("4", "n.", TEN), "serial-back"},
        {ZONE("4294967295", "n.", TEN), ZONE("0", "n.", TEN), NULL},
        {ZONE("0", "n.", TEN), ZONE("4294967295", "n.", TEN), "serial-back"},
        {ZONE("0", "n.", TEN), ZONE("2147483648", "n.", TEN), "serial-back"},
        {ZONE("5", "n.", TEN), ZONE("6", "m.", TEN), "apex-ns"},
        {ZONE("5", "n.", TEN), ZONE("6", "n.\n@ 60 IN NS m.", TEN), "apex-ns"},
        {ZONE("5", "n.\n@ 60 IN TXT x", TEN), ZONE("6", "n.\n@ 30 IN NS n.", TEN "l 1 IN TXT x\n"),
         NULL},
        /* 10 % fewer is not more than 10 % */
        {ZONE("5", "n.", TEN), ZONE("6", "n.", NINE "t 60 IN TXT x\n"), NULL},
        {ZONE("5", "n.",
              "t 60 IN TXT x\n" TEN "u 60 IN TXT x\nu 60 IN TXT y\nu 60 IN TXT z\nv 60 IN TXT x\n"
              "v 60 IN TXT y\nv 60 IN TXT z\nw 60 IN TXT x\n"),
         ZONE("6", "n.",
              TEN "u 60 IN TXT x\nu 60 IN TXT y\nu 60 IN TXT z\nv 60 IN TXT x\n"
                  "v 60 IN TXT y\nv 60 IN TXT z\n"),
         NULL},
        {ZONE("5", "n.", TEN "t 60 IN TXT x\nt 60 IN TXT y\nt 60 IN TXT z\n"), ZONE("6", "n.", TEN),
         "shrink-records"},
        {ZONE("5", "n.", TEN), ZONE("6", "n.", TEN "a 60 IN A 192.0.2.1\nb 60 IN TXT x\n"), NULL},
        {ZONE("5", "n.", TEN "k 60 IN NS n.\n"),
         ZONE("6", "n.",
              "a 60 IN NS n.\na 60 IN NS m.\na 60 IN NS l.\na 60 IN NS k.\n"
              "a 60 IN NS j.\na 60 IN NS i.\na 60 IN NS h.\na 60 IN NS g.\n"
              "a 60 IN NS f.\na 60 IN NS e.\na 60 IN NS d.\n"),
         "shrink-delegations"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_input *old = rows[i].old ? prepare_good(rows[i].old) : NULL,
                         *new = prepare_good(rows[i].new);
        struct csn_reason reason = {{0}};
        enum csn_gate gate =
            csn_input_gate(new, old, &(struct csn_gates){.shrink_percent = 10}, &reason);
        if (rows[i].code == NULL ? gate != CSN_GATE_NONE
                                 : !has_code(reason.text, rows[i].code) ||
                                       strcmp(csn_gate_text(gate), rows[i].code) != 0) {
            fail_msg("row %zu: %d %s", i, (int)gate, reason.text);
        }
        csn_input_unref(old);
        csn_input_unref(new);
    }
}

static void test_orders_open_some_gates_and_no_others(void **state)
{
    (void)state;
    const struct csn_gates other = {.shrink_percent = 10, .is_other_generation = true};
    const struct csn_gates approved = {.shrink_percent = 10, .is_approved = true};
    const struct {
        const struct csn_gates *gates;
        const char *new;
        enum csn_gate gate;
    } rows[] = {
        {&other, ZONE("4", "n.", TEN), CSN_GATE_NONE},
        {&other, ZONE("5", "n.", TEN "k 60 IN NS n.\n"), CSN_GATE_NONE},
        {&other, ZONE("4", "m.", TEN), CSN_GATE_APEX_NS},
        {&other, ZONE("4", "n.", "a 60 IN NS n.\n"), CSN_GATE_SHRINK_RECORDS},
        {&approved, ZONE("6", "m.", TEN), CSN_GATE_NONE},
        {&approved, ZONE("6", "n.", "a 60 IN NS n.\n"), CSN_GATE_NONE},
        {&approved, ZONE("4", "n.", TEN), CSN_GATE_SERIAL_BACK},
        {&approved, ZONE("5", "m.", TEN), CSN_GATE_SERIAL_SAME},
    };
    struct csn_input *old = prepare_good(ZONE("5", "n.", TEN));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_input *new = prepare_good(rows[i].new);
        struct csn_reason reason = {{0}};
        assert_int_equal(csn_input_gate(new, old, rows[i].gates, &reason), rows[i].gate);
        csn_input_unref(new);
    }
    csn_input_unref(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle_refusals),
        cmocka_unit_test(test_oracle_roots_of_the_data),
        cmocka_unit_test(test_preparation),
        cmocka_unit_test(test_policy_drops_only_listed_addresses_that_nothing_names),
        cmocka_unit_test(test_refusals_name_owner_and_line),
        cmocka_unit_test(test_records_from_elsewhere_are_checked_too),
        cmocka_unit_test(test_rrset_over_65535_records_is_refused),
        cmocka_unit_test(test_gates_park_what_looks_wrong),
        cmocka_unit_test(test_orders_open_some_gates_and_no_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
