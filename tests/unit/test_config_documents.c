/* Goal: policies and key sets are read to the values meant, or refused with the place, what stands there and what was expected.
 * Method: tables of documents, each with its values or with the start of its refusal. */
#include "config_fixture.h"

#include "config/keyset.h"
#include "config/policy.h"
#include "config/round_zone.h"

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

static void test_the_round_knows_what_the_documents_say(void **state)
{
    (void)state;
    static const struct csn_timed refresh[] = {{.at_s = 0, .value_s = 14}, {.at_s = 1000, .value_s = 9}};
    const struct csn_policy policy = {.version = {.number = 3},
                                      .refresh = {refresh, COUNT(refresh)},
                                      .serial_rule = CSN_SERIAL_COUNTER,
                                      .refresh_interval_s = 21,
                                      .round_deadline_ms = 22,
                                      .max_round_age_s = 23,
                                      .behind_max_s = 24};
    const struct csn_keyset keyset = {.version = {.number = 5}};
    const uint8_t name[] = "\2xd";
    struct csn_round_zone before = csn_round_zone_of(name, &policy, &keyset, 999);
    struct csn_round_zone after = csn_round_zone_of(name, &policy, &keyset, 1000);
    assert_int_equal(before.refresh_s, 14);
    assert_int_equal(after.refresh_s, 9);
    assert_memory_equal(after.zone, name, sizeof(name));
    assert_int_equal(after.serial_rule, CSN_SERIAL_COUNTER);
    assert_int_equal(after.refresh_interval_s, 21);
    assert_int_equal(after.round_deadline_ms, 22);
    assert_int_equal(after.max_round_age_s, 23);
    assert_int_equal(after.behind_max_s, 24);
    assert_int_equal(after.policy.number, 3);
    assert_int_equal(after.keyset.number, 5);
    assert_false(after.has_live_serial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_has_defaults),
        cmocka_unit_test(test_policy_values_may_change_in_time),
        cmocka_unit_test(test_policy_is_refused_with_its_place),
        cmocka_unit_test(test_keyset_is_read),
        cmocka_unit_test(test_keyset_is_refused_with_its_place),
        cmocka_unit_test(test_the_round_knows_what_the_documents_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
