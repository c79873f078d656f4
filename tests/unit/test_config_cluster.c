/* Goal: a cluster's document that could split it, or that does not follow from the one before, is refused with its place. Method:
 * tables of documents, each with its values or with the start of its refusal. */
#include "config_fixture.h"

#include "config/cluster.h"

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
        {HEAD_2 PREVIOUS EMERGENCY("2026-11-25T00:00:01Z", "2097152"), "c.yaml:16:14: ", "72 hours"},
        {HEAD_2 PREVIOUS EMERGENCY("2026-11-22T00:00:00Z", "2097152"), "c.yaml:16:14: ", "after 'issued'"},
        {HEAD_2 PREVIOUS EMERGENCY("2026-11-23T00:00:00Z", "2097153"), "c.yaml:17:18: ", "multiple"},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_is_read),
        cmocka_unit_test(test_cluster_is_refused_when_it_could_split),
        cmocka_unit_test(test_cluster_is_refused_with_a_key_anybody_signs_for),
        cmocka_unit_test(test_cluster_names_officers_and_what_was_before),
        cmocka_unit_test(test_cluster_is_refused_when_its_epoch_does_not_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
