/* Goal: one call gives a daemon its whole configuration, or the first error with its place. Method:
 * the sample files of deploy/samples, laid out in a private folder, with one thing changed at a
 * time. */
#include "config_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "config/check.h"
#include "config/coordinator.h"
#include "config/node.h"
#include "config/yaml.h"

/* DS by BIND's dnssec-dsfromkey: of the KSK and the first ZSK in the samples, and of the KSK if the
 * zone were xd. */
#define DS_KSK "26487 13 2 75fc304ea9e1e98cf1fac5eccdc20a37983c07386859621719f96a6971dd188a"
#define DS_ZSK "30957 13 2 1fa19abf8b1646973306797d185d720aeae55ad318a4ef9f0416d85175d0dcf1"
#define DS_OTHER "26487 13 2 7c3edc1004eb9e2c83f8a9f1dc16fe70e3f200f1166c799de80d328ac86ac884"

/* The samples in a private folder, with the folders they name inside it. */
struct site {
    char folder[64];
};

static void put_file(const struct site *site, const char *name, const char *text, mode_t mode)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", site->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* Every `from` in the sample becomes `to`; the caller frees. */
static char *replace(const char *text, const char *from, const char *to)
{
    struct csn_buf buf = {0};
    const char *at;
    while ((at = strstr(text, from)) != NULL) {
        csn_buf_put(&buf, text, (size_t)(at - text));
        csn_buf_put(&buf, to, strlen(to));
        text = at + strlen(from);
    }
    csn_buf_put(&buf, text, strlen(text) + 1);
    return (char *)buf.data;
}

static char *read_sample(const struct site *site, const char *name)
{
    char path[512];
    struct csn_buf buf = {0};
    snprintf(path, sizeof(path), "%s/../deploy/samples/%s", CONSIGN_TESTS, name);
    assert_int_equal(csn_fs_read(path, CSN_YAML_SIZE_MAX, &buf, NULL), CSN_OK);
    csn_buf_put_u8(&buf, '\0');
    static const char *const places[] = {"/etc/consign", "/var/lib/consign", "/run/consign",
                                         "/usr/lib/softhsm"};
    char *text = (char *)buf.data;
    for (size_t i = 0; i < COUNT(places); i++) {
        char *next = replace(text, places[i], site->folder);
        free(text);
        text = next;
    }
    return text;
}

static int set_up_site(void **state)
{
    static const char *const samples[] = {"cluster.yaml", "policy.yaml", "keyset.yaml", "node.yaml",
                                          "coordinator.yaml"};
    struct site *site = csn_calloc(1, sizeof(*site));
    char path[256];
    snprintf(site->folder, sizeof(site->folder), "/tmp/test_config.XXXXXX");
    assert_non_null(mkdtemp(site->folder));
    snprintf(path, sizeof(path), "%s/in", site->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/second", site->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < COUNT(samples); i++) {
        char *text = read_sample(site, samples[i]);
        put_file(site, samples[i], text, 0644);
        free(text);
    }
    put_file(site, "tls.pem", "x", 0600);
    put_file(site, "ca.pem", "x", 0644);
    put_file(site, "site.key", "x", 0600);
    put_file(site, "pin", "x", 0600);
    put_file(site, "empty", "", 0600);
    put_file(site, "libsofthsm2.so", "\177ELF and so on", 0644);
    put_file(site, "worker", "x", 0755);
    put_file(site, "secondaries.secret", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0600);
    put_file(site, "short.secret", "AAECAwQFBgcICQoLDA0O\n", 0600);
    *state = site;
    return 0;
}

static int tear_down_site(void **state)
{
    struct site *site = *state;
    static const char *const names[] = {"cluster.yaml",   "policy.yaml", "keyset.yaml",
                                        "node.yaml",      "tls.pem",     "coordinator.yaml",
                                        "ca.pem",         "site.key",    "pin",
                                        "libsofthsm2.so", "worker",      "secondaries.secret",
                                        "short.secret",   "empty",       "names",
                                        "aa.example.yaml", "bb.example.yaml"};
    char path[256];
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", site->folder, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/in", site->folder);
    rmdir(path);
    snprintf(path, sizeof(path), "%s/second", site->folder);
    rmdir(path);
    assert_int_equal(rmdir(site->folder), 0);
    free(site);
    return 0;
}

/* The sample with `from` replaced; the worker is one that is there. */
static int load_node(const struct site *site, const char *from, const char *to,
                     struct csn_node_config **ret_config, struct csn_reason *reason)
{
    char path[256];
    char *sample = read_sample(site, "node.yaml");
    assert_non_null(strstr(sample, from));
    char *changed = replace(sample, from, to);
    char *text = replace(changed, "  # worker: /usr/bin/consign-hsm", "  worker: worker");
    put_file(site, "node.yaml", text, 0644);
    free(text);
    free(changed);
    free(sample);
    snprintf(path, sizeof(path), "%s/node.yaml", site->folder);
    return csn_node_config_load(path, ret_config, reason);
}

static void test_node_sample_gives_the_daemon_everything(void **state)
{
    const struct site *site = *state;
    struct csn_node_config *config = NULL;
    struct csn_reason reason = {.text = ""};
    char expected[256];
    if (load_node(site, "site: zrh", "site: zrh", &config, &reason) != CSN_OK) {
        fail_msg("%s", reason.text);
    }
    assert_string_equal(config->site, "zrh");
    assert_int_equal(config->member->number, 1);
    assert_int_equal(config->cluster.member_count, 3);
    assert_true(csn_digest_equal(&config->cluster.digest, &config->cluster_document.digest));
    snprintf(expected, sizeof(expected), "%s/store", site->folder);
    assert_string_equal(config->store, expected);
    assert_true(config->votes_size == UINT64_C(1) << 30 && config->zones_size == UINT64_C(64)
                                                                                     << 30);
    snprintf(expected, sizeof(expected), "%s/site.key", site->folder);
    assert_string_equal(config->identity.key, expected);
    assert_true(config->hsm.is_present);
    assert_string_equal(config->hsm.token, "pkcs11:token=zrh");
    assert_int_equal(config->hsm.sessions, 2);
    assert_int_equal(config->hsm.deadline_ms, 10000);
    assert_int_equal(config->hsm.environment_count, 1);
    snprintf(expected, sizeof(expected), "SOFTHSM2_CONF=%s/softhsm2.conf", site->folder);
    assert_string_equal(config->hsm.environment[0], expected);
    assert_int_equal(config->zone_count, 1);
    const struct csn_zone_config *zone = &config->zones[0];
    assert_memory_equal(zone->zone, "\2xc", 4);
    assert_int_equal(zone->keyset.key_count, 3);
    assert_int_equal(zone->policy.version.number, 1);
    assert_true(csn_digest_equal(&zone->keyset.version.digest, &zone->keyset_document.digest));
    assert_true(csn_digest_equal(&zone->policy.version.digest, &zone->policy_document.digest));
    assert_int_equal(zone->token_key_count, 3);
    assert_int_equal(zone->token_keys[1].key, 1);
    assert_string_equal(zone->token_keys[1].label, "xc-zsk-2026-11");
    assert_int_equal(zone->token_keys[1].id.size, 2);
    assert_int_equal(zone->token_keys[0].id.size, 0);
    assert_int_equal(zone->ds_count, 0);
    assert_true(zone->live_serial > UINT32_MAX); /* none */
    assert_int_equal(config->transfer.listen_count, 2);
    assert_int_equal(config->transfer.tsig_count, 1);
    assert_int_equal(config->transfer.tsig[0].algorithm, CSN_TSIG_SHA256);
    assert_int_equal(config->transfer.tsig[0].secret.size, 32);
    assert_int_equal(config->transfer.tsig[0].secret.data[31], 31);
    assert_int_equal(config->transfer.allow_count, 2);
    assert_int_equal(config->transfer.allow[1].key, 0);
    assert_int_equal(config->transfer.notify_count, 1);
    assert_int_equal(config->transfer.notify[0].key, 0);
    assert_int_equal(config->log_level, CSN_INFO);
    csn_node_config_free(config);
}

static void test_zone_may_come_with_a_live_serial(void **state)
{
    const struct site *site = *state;
    struct csn_node_config *config = NULL;
    struct csn_reason reason = {.text = ""};
    if (load_node(site, "# live-serial: 2026110100", "live-serial: 4294967295", &config, &reason) !=
        CSN_OK) {
        fail_msg("%s", reason.text);
    }
    assert_true(config->zones[0].live_serial == UINT32_MAX);
    csn_node_config_free(config);
}

static void test_node_is_refused_with_the_place(void **state)
{
    const struct site *site = *state;
    static const struct {
        const char *from, *to;
        int code;
        const char *place, *word;
    } rows[] = {
        {"site: zrh ", "site: ams ", CSN_EREFUSED, "node.yaml:4:7: ", "not a member"},
        {"cluster: cluster.yaml", "cluster: none.yaml", CSN_ENOTFOUND,
         "node.yaml:5:10: ", "none.yaml: cannot be read: No such file"},
        {"cluster: cluster.yaml", "cluster: policy.yaml", CSN_EFORMAT,
         "policy.yaml:4:1: ", "known are id"},
        {"second/last-hold", "store/last-hold", CSN_ENOTFOUND, "node.yaml:9:14: ", "No such file"},
        {"/second/last-hold", "/in/../store", CSN_EREFUSED, "node.yaml:9:14: ", "inside the store"},
        {"tls: tls.pem", "tls: ca.pem", CSN_EPERMISSION, "node.yaml:12:8: ", "mode 0600"},
        {"ca: ca.pem", "ca: in", CSN_EREFUSED, "node.yaml:13:7: ", "not a file"},
        {"/store ", "/ca.pem ", CSN_EREFUSED, "node.yaml:6:8: ", "is a file; name a folder"},
        {"/store ", "/no/store ", CSN_ENOTFOUND, "node.yaml:6:8: ", "No such file"},
        {"/store ", "/ca.pem/store ", CSN_EREFUSED, "node.yaml:6:8: ", "not a folder"},
        {"/last-hold", "", CSN_EREFUSED, "node.yaml:9:14: ", "is a folder; name a file in it"},
        {"votes-size: 1GiB", "votes-size: 32TiB", CSN_EFORMAT, "node.yaml:7:13: ", "to 16777216 MiB"},
        {"site-key: site.key", "site-key: no.key", CSN_ENOTFOUND,
         "node.yaml:14:13: ", "No such file"},
        {"control.sock",
         "a-very-long-name-a-very-long-name-a-very-long-name-a-very-long-name-a-very-long-name-a-"
         "very-long-name.sock",
         CSN_ELIMIT, "node.yaml:16:10: ", "at most 107"},
        {"libsofthsm2.so", "ca.pem", CSN_EREFUSED, "node.yaml:20:11: ", "is no shared library (ELF)"},
        {"libsofthsm2.so", "in", CSN_EREFUSED, "node.yaml:20:11: ", "not a file"},
        {"libsofthsm2.so", "no.so", CSN_ENOTFOUND, "node.yaml:20:11: ", "No such file"},
        {"  # folder: ", "  folder: ca.pem #", CSN_EREFUSED,
         "node.yaml:27:11: ", "is a file; name a folder"},
        {"  # folder: ", "  folder: ", CSN_ENOTFOUND, "node.yaml:27:11: ", "No such file"},
        {"# live-serial: 2026110100", "live-serial: 4294967296", CSN_EFORMAT,
         "node.yaml:32:18: ", "live-serial: expected a number from 0 to 4294967295"},
        {"/control.sock", "/in", CSN_EREFUSED, "node.yaml:16:10: ", "is there, and no socket"},
        {"  # worker: /usr/bin/consign-hsm", "  worker: ca.pem #", CSN_EPERMISSION,
         "node.yaml:19:11: ", "cannot be run as a program"},
        {"pkcs11:token=zrh ", "token=zrh ", CSN_EFORMAT, "node.yaml:21:10: ", "RFC 7512"},
        {"pkcs11:token=zrh ", "pkcs11:token=zrh?pin-value=1 ", CSN_EREFUSED,
         "node.yaml:21:10: ", "'pin-file'"},
        {"pin-file: pin", "pin-file: ca.pem", CSN_EPERMISSION, "node.yaml:22:13: ", "mode 0600"},
        {"sessions: 2 ", "sessions: 65 ", CSN_EFORMAT, "node.yaml:23:13: ", "from 1 to 64"},
        {"    SOFTHSM2_CONF:", "    SOFT HSM:", CSN_EFORMAT, "node.yaml:26:15: ", "environment"},
        {"hsm: ", "HSM: ", CSN_EFORMAT, "node.yaml:18:1: ", "unknown key 'HSM'"},
        {"zone: xc.", "zone: xd.", CSN_EREFUSED, "node.yaml:34:11: ", "is the key set of xc."},
        {"in/xc.zone", "out/xc.zone", CSN_ENOTFOUND, "node.yaml:31:12: ", "No such file"},
        {"policy: policy.yaml", "policy: no.yaml", CSN_ENOTFOUND, "node.yaml:33:13: ", "policy: "},
        {"{key: ksk-2026,", "{key: ksk-2027,", CSN_EREFUSED,
         "node.yaml:36:15: ", "no key 'ksk-2027'"},
        {"{key: zsk-2026-12,", "{key: zsk-2026-11,", CSN_EREFUSED, "node.yaml:38:15: ", "twice"},
        {"# ds: [\"12345 13 2 <hex>\"]", "ds: [\"12345 13 2 zz\"]", CSN_EFORMAT,
         "node.yaml:39:10: ", "12345 13 2 hex"},
        {"# ds: [\"12345 13 2 <hex>\"]", "ds: [" DS_KSK ", " DS_OTHER "]", CSN_EREFUSED,
         "node.yaml:39:87: ", "keyset.yaml has this DS (tag "},
        {"# ds: [\"12345 13 2 <hex>\"]", "ds: [" DS_ZSK "]", CSN_EREFUSED,
         "node.yaml:39:10: ", "key 'zsk-2026-11', which it names, is no KSK"},
        {"# ds: [\"12345 13 2 <hex>\"]", "ds: [12345 13 2 aa]", CSN_EREFUSED,
         "node.yaml:39:10: ", "(tag 12345, algorithm 13); copy the parent's"},
        {"# ds: [\"12345 13 2 <hex>\"]", "ds: [65536 13 2 aa]", CSN_EFORMAT,
         "node.yaml:39:10: ", "12345 13 2 hex"},
        {"192.0.2.53@53", "192.0.2.53", CSN_EFORMAT, "node.yaml:42:12: ", "an address and a port"},
        {"hmac-sha256", "hmac-md5", CSN_EFORMAT, "node.yaml:44:41: ", "one of hmac-sha256, "},
        {"secondaries.secret", "pin", CSN_EFORMAT, "node.yaml:44:67: ", "base64 of at least 16"},
        {"secondaries.secret", "short.secret", CSN_EFORMAT,
         "node.yaml:44:67: ", "base64 of at least 16"},
        {"192.0.2.0/24, key: secondaries.xc", "192.0.2.0/24, key: others.xc", CSN_EREFUSED,
         "node.yaml:46:36: ", "no key 'others.xc'"},
        {"192.0.2.10@53, key: secondaries.xc", "192.0.2.10@53, key: others.xc", CSN_EREFUSED,
         "node.yaml:49:32: ", "no key 'others.xc'"},
        {"level: info", "level: loud", CSN_EFORMAT, "node.yaml:52:10: ", "one of debug, "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_node_config *config = NULL;
        struct csn_reason reason = {.text = ""};
        char place[128];
        assert_int_equal(load_node(site, rows[i].from, rows[i].to, &config, &reason), rows[i].code);
        snprintf(place, sizeof(place), "%s/%s", site->folder, rows[i].place);
        assert_reason(&reason, place, rows[i].word);
    }
}

/* One change to keyset.yaml. */
static void change_keyset(const struct site *site, const char *from, const char *to)
{
    char path[256];
    struct csn_buf buf = {0};
    snprintf(path, sizeof(path), "%s/keyset.yaml", site->folder);
    assert_int_equal(csn_fs_read(path, CSN_YAML_SIZE_MAX, &buf, NULL), CSN_OK);
    csn_buf_put_u8(&buf, '\0');
    assert_non_null(strstr((char *)buf.data, from));
    char *text = replace((char *)buf.data, from, to);
    put_file(site, "keyset.yaml", text, 0644);
    free(text);
    csn_buf_fini(&buf);
}

static void test_ds_must_name_a_published_ksk(void **state)
{
    const struct site *site = *state;
    struct csn_node_config *config = NULL;
    struct csn_reason reason = {.text = ""};
    static const char from[] = "# ds: [\"12345 13 2 <hex>\"]";
    change_keyset(site, "      - {key: ksk-2026,",
                  "      - {key: zsk-2026-11, at: 1}\n      - {key: ksk-2026,");
    assert_int_equal(load_node(site, from, "ds: [" DS_KSK "]", &config, &reason), CSN_OK);
    csn_node_config_free(config);
    /* Its DS comes first, as RFC 6781 4.1.2 has it for a KSK: another must hold the zone. */
    change_keyset(site, "  - name: zsk-2026-11\n",
                  "    published: false\n  - name: zsk-2026-11\n");
    assert_int_equal(load_node(site, from, "ds: [" DS_KSK ", " DS_ZSK "]", &config, &reason),
                     CSN_OK);
    csn_node_config_free(config);
    assert_int_equal(load_node(site, from, "ds: [" DS_KSK "]", &config, &reason), CSN_EREFUSED);
    assert_non_null(strstr(reason.text, "node.yaml:39:10: ds: no DS of algorithm 13 names a key "));
}

#define NOVEMBER UINT64_C(1793491200) /* 2026-11-01 */
#define DECEMBER (NOVEMBER + 30 * UINT64_C(86400))

/* What depends on the hour, or on files that others bring. */
static void test_check_asks_more_than_a_start(void **state)
{
    const struct site *site = *state;
    static const struct {
        const char *from, *to; /* in node.yaml */
        bool is_unpublished;   /* zsk-2026-12 */
        uint64_t now_s;
        const char *place, *word; /* NULL: nothing found */
    } rows[] = {
        {"site: zrh", "site: zrh", false, NOVEMBER, NULL, NULL},
        {"/in/xc.zone", "/in", false, NOVEMBER,
         "node.yaml:31:12: ", "is a folder; name a file in it"},
        {"      - {key: zsk-2026-12, label: xc-zsk-2026-12}\n", "", false, NOVEMBER,
         "node.yaml:36:7: ", "token-keys: key 'zsk-2026-12' signs now or will, by "},
        {"      - {key: zsk-2026-11, label: xc-zsk-2026-11, id: \"a11c\"}\n", "", false, NOVEMBER,
         "node.yaml:36:7: ", "token-keys: key 'zsk-2026-11'"},
        {"      - {key: zsk-2026-11, label: xc-zsk-2026-11, id: \"a11c\"}\n", "", false,
         DECEMBER + 86400, NULL, NULL}, /* it has left */
        {"      - {key: ksk-2026, label: xc-ksk-2026}\n", "", false, NOVEMBER,
         "node.yaml:36:7: ", "token-keys: key 'ksk-2026'"},
        {"pin-file: pin", "pin-file: empty", false, NOVEMBER,
         "node.yaml:22:13: ", "pin-file: "},
        {"site: zrh", "site: zrh", false, NOVEMBER - 1,
         "keyset.yaml:23:29: ", "nothing signs the zone's DNSKEY at 2026-10-31T23:59:59Z"},
        {"site: zrh", "site: zrh", true, DECEMBER - 8 * 86400, NULL, NULL},
        {"site: zrh", "site: zrh", true, DECEMBER - 7 * 86400,
         "keyset.yaml:14:16: ", "before, by 2026-11-24T00:00:00Z"},
    };
    char path[256], place[128];
    snprintf(path, sizeof(path), "%s/node.yaml", site->folder);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_node_config *config = NULL;
        struct csn_reason reason = {.text = ""};
        if (rows[i].is_unpublished) {
            change_keyset(site, "published: true", "published: false");
        }
        if (load_node(site, rows[i].from, rows[i].to, &config, &reason) != CSN_OK) {
            fail_msg("row %zu: %s", i, reason.text);
        }
        int code = csn_check_node(path, config, rows[i].now_s, &reason);
        if (rows[i].word == NULL) {
            assert_string_equal(reason.text, "");
        } else {
            snprintf(place, sizeof(place), "%s/%s", site->folder, rows[i].place);
            assert_reason(&reason, place, rows[i].word);
        }
        assert_int_equal(code, rows[i].word == NULL ? CSN_OK : CSN_EREFUSED);
        csn_node_config_free(config);
        if (rows[i].is_unpublished) {
            change_keyset(site, "published: false", "published: true");
        }
    }
}

static void test_coordinator_is_checked_for_publication(void **state)
{
    const struct site *site = *state;
    struct csn_coordinator_config *config = NULL;
    struct csn_reason reason = {.text = ""};
    char path[256];
    change_keyset(site, "published: true", "published: false");
    snprintf(path, sizeof(path), "%s/coordinator.yaml", site->folder);
    assert_int_equal(csn_coordinator_config_load(path, &config, &reason), CSN_OK);
    assert_int_equal(csn_check_coordinator(config, NOVEMBER, &reason), CSN_OK);
    assert_int_equal(csn_check_coordinator(config, DECEMBER, &reason), CSN_EREFUSED);
    assert_non_null(strstr(reason.text, "keyset.yaml:14:16: key zsk-2026-12: not published, but "));
    assert_int_equal(csn_check_coordinator(config, NOVEMBER - 1, &reason), CSN_EREFUSED);
    assert_non_null(strstr(reason.text, "keyset.yaml:23:29: nothing signs "));
    csn_coordinator_config_free(config);
}

static void test_node_without_hsm_must_be_a_verifier(void **state)
{
    const struct site *site = *state;
    struct csn_node_config *config = NULL;
    struct csn_reason reason = {.text = ""};
    char *sample = read_sample(site, "node.yaml"), path[256], place[128];
    char *hsm = strstr(sample, "\nhsm:"), *zones = strstr(sample, "\nzones:");
    memmove(hsm, zones, strlen(zones) + 1);
    put_file(site, "node.yaml", sample, 0644);
    free(sample);
    snprintf(path, sizeof(path), "%s/node.yaml", site->folder);
    assert_int_equal(csn_node_config_load(path, &config, &reason), CSN_EREFUSED);
    snprintf(place, sizeof(place), "%s/node.yaml:4:1: ", site->folder);
    assert_reason(&reason, place, "zrh is a signer");
    sample = read_sample(site, "cluster.yaml");
    char *changed = replace(sample, "role: signer", "role: verifier");
    put_file(site, "cluster.yaml", changed, 0644);
    free(changed);
    free(sample);
    assert_int_equal(csn_node_config_load(path, &config, &reason), CSN_OK);
    assert_false(config->hsm.is_present);
    csn_node_config_free(config);
}

/* What policy and key set refuse of each other has the place of the value. */
static void test_node_refuses_impossible_timings_and_keys(void **state)
{
    const struct site *site = *state;
    static const struct {
        const char *file, *from, *to, *place, *word;
    } rows[] = {
        {"policy.yaml", "# inception-offset: 90m", "inception-offset: 30m",
         "policy.yaml:9:19: ", "inception-offset is 30m 00s, must be at least 1h 00m"},
        {"policy.yaml", "# validity: 21d", "validity: 10d", "policy.yaml:7:11: ",
         "validity is 10d 0h, must be more than 10d 0h = refresh"},
        {"policy.yaml", "# validity: 21d",
         "validity:\n  - {from: 0, value: 21d}\n  - {from: 9, value: 9d}",
         "policy.yaml:9:22: ", "validity is 9d 0h, must be more than 10d 0h = refresh"},
        {"policy.yaml", "# validity: 21d",
         "validity: [{from: 9, value: 21d}, {from: 8, value: 22d}]",
         "policy.yaml:7:42: ", "value 1 of the list would never come into force"},
        {"policy.yaml", "# refresh: 10d", "refresh: 21d", "policy.yaml:4:1: ",
         "must be more than 21d 0h = refresh (it does not stand in the document: that is the"},
        {"policy.yaml", "# pre-publication: 7d", "pre-publication: 13h", "policy.yaml:26:18: ",
         "must be at least 14h 00m = DNSKEY TTL + propagation + hold budget"},
        {"keyset.yaml", "window: 24h", "window: 11d", "keyset.yaml:28:62: ",
         "must be more than 11d 0h = a roll window"},
        {"keyset.yaml", "at: 2026-12-01", "at: 2025-12-01", "keyset.yaml:28:32: ",
         "event 1 of the list (2026-11-01T00:00:00Z) would never take effect"},
        {"keyset.yaml", "{key: zsk-2026-12", "{key: ksk-2026", "", NULL}, /* a CSK from then on */
        {"keyset.yaml", "\"256 3 13 E+L", "\"257 3 13 E+L", "keyset.yaml:28:15: ",
         "key zsk-2026-12 has flags 257, a KSK's"},
        {"keyset.yaml", "\"257 3 13 CnI", "\"256 3 13 CnI", "keyset.yaml:23:15: ",
         "key ksk-2026 has flags 256, a ZSK's"},
        {"keyset.yaml", "\"257 3 13 CnI", "\"1 3 13 CnI", "keyset.yaml:9:13: ", "not a zone key"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_node_config *config = NULL;
        struct csn_reason reason = {.text = ""};
        char place[128];
        char *sample = read_sample(site, rows[i].file);
        assert_non_null(strstr(sample, rows[i].from));
        char *text = replace(sample, rows[i].from, rows[i].to);
        put_file(site, rows[i].file, text, 0644);
        int code = load_node(site, "site: zrh", "site: zrh", &config, &reason);
        snprintf(place, sizeof(place), "%s/%s", site->folder, rows[i].place);
        if (rows[i].word != NULL) {
            assert_int_equal(code, CSN_EREFUSED);
            assert_reason(&reason, place, rows[i].word);
        } else {
            assert_int_equal(code, CSN_OK);
            csn_node_config_free(config);
        }
        put_file(site, rows[i].file, sample, 0644);
        free(text);
        free(sample);
    }
}

/* A listing beside a zone: names with comments and blanks, paths with the name in them; what is wrong names the line. */
static void test_listed_zones_stand_beside_the_others(void **state)
{
    const struct site *site = *state;
    static const char lists[] = "zone-lists:\n  - {names: names, input: \"{zone}.txt\", policy: policy.yaml, keys: \"{zone}.yaml\"}\n"
                                "zones:\n";
    static const struct {
        const char *names, *word;
    } rows[] = {{"# ours\n\n  Aa.example.  # the first\nbb.example\n", NULL},
                {"aa.example\nxc\n", "zone: xc. stands twice"},
                {"aa.example\naa.example.\n", "zone: aa.example. stands twice"},
                {"aa.example\na/b\n", "names:2: expected the name of a zone"},
                {".\n", "names:1: expected the name of a zone"},
                {"cc.example\n", "cc.example.yaml"}};
    char *keyset = read_sample(site, "keyset.yaml");
    char *first = replace(keyset, "zone: xc.", "zone: aa.example."), *second = replace(keyset, "zone: xc.", "zone: bb.example.");
    put_file(site, "aa.example.yaml", first, 0644);
    put_file(site, "bb.example.yaml", second, 0644);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_node_config *config = NULL;
        struct csn_reason reason = {.text = ""};
        char expected[256];
        put_file(site, "names", rows[i].names, 0644);
        int code = load_node(site, "zones:\n", lists, &config, &reason);
        if (rows[i].word != NULL) {
            assert_int_not_equal(code, CSN_OK);
            assert_non_null(strstr(reason.text, rows[i].word));
            continue;
        }
        assert_string_equal(reason.text, "");
        assert_int_equal(code, CSN_OK);
        assert_int_equal(config->zone_count, 3);
        assert_memory_equal(config->zones[1].zone, "\2aa\7example", 12);
        snprintf(expected, sizeof(expected), "%s/aa.example.txt", site->folder);
        assert_string_equal(config->zones[1].input, expected);
        assert_memory_equal(config->zones[2].keyset.zone, "\2bb\7example", 12);
        csn_node_config_free(config);
    }
    free(keyset);
    free(first);
    free(second);
}

/* However long the paths are that stand before them. */
static void test_token_keys_of_listed_zones_are_where_a_key_may_be(void **state)
{
    const struct site *site = *state;
    char *keyset = read_sample(site, "keyset.yaml"), *own = replace(keyset, "zone: xc.", "zone: aa.example.");
    put_file(site, "aa.example.yaml", own, 0644);
    put_file(site, "names", "aa.example\n", 0644);
    for (int i = 0; i < 8; i++) {
        struct csn_node_config *config = NULL;
        struct csn_reason reason = {.text = ""};
        char lists[256];
        snprintf(lists, sizeof(lists),
                 "zone-lists:\n  - {names: names, input: \"%.*s{zone}\", policy: policy.yaml, keys: \"{zone}.yaml\",\n"
                 "     token-keys: [{key: zsk-2026-11, label: zsk}]}\nzones:\n",
                 i, "xxxxxxxx");
        assert_int_equal(load_node(site, "zones:\n", lists, &config, &reason), CSN_OK);
        assert_int_equal((uintptr_t)config->zones[1].token_keys % _Alignof(struct csn_token_key), 0);
        assert_int_equal(config->zones[1].token_keys[0].key, 1);
        csn_node_config_free(config);
    }
    free(keyset);
    free(own);
}

static void test_missing_configuration_says_so(void **state)
{
    (void)state;
    struct csn_node_config *node = NULL;
    struct csn_reason reason = {.text = ""};
    assert_int_equal(csn_node_config_load("/nonexistent/node.yaml", &node, &reason), CSN_ENOTFOUND);
    assert_string_equal(reason.text,
                        "/nonexistent/node.yaml: cannot be read: No such file or directory");
}

static void test_coordinator_sample_is_read(void **state)
{
    const struct site *site = *state;
    struct csn_coordinator_config *config = NULL;
    struct csn_reason reason = {.text = ""};
    char path[256];
    snprintf(path, sizeof(path), "%s/coordinator.yaml", site->folder);
    if (csn_coordinator_config_load(path, &config, &reason) != CSN_OK) {
        fail_msg("%s", reason.text);
    }
    assert_string_equal(config->name, "zrh-lead");
    assert_int_equal(config->self->number, 1);
    assert_int_equal(config->zone_count, 1);
    assert_int_equal(config->zones[0].keyset.key_count, 3);
    csn_coordinator_config_free(config);
    char *sample = read_sample(site, "coordinator.yaml"),
         *changed = replace(sample, "name: zrh-lead", "name: other");
    put_file(site, "coordinator.yaml", changed, 0644);
    free(changed);
    free(sample);
    assert_int_equal(csn_coordinator_config_load(path, &config, &reason), CSN_EREFUSED);
    assert_non_null(
        strstr(reason.text, "coordinator.yaml:3:7: name: 'other' is not a coordinator"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_node_sample_gives_the_daemon_everything, set_up_site,
                                        tear_down_site),
        cmocka_unit_test_setup_teardown(test_zone_may_come_with_a_live_serial, set_up_site,
                                        tear_down_site),
        cmocka_unit_test_setup_teardown(test_node_is_refused_with_the_place, set_up_site,
                                        tear_down_site),
        cmocka_unit_test_setup_teardown(test_node_without_hsm_must_be_a_verifier, set_up_site,
                                        tear_down_site),
        cmocka_unit_test_setup_teardown(test_node_refuses_impossible_timings_and_keys, set_up_site,
                                        tear_down_site),
        cmocka_unit_test_setup_teardown(test_ds_must_name_a_published_ksk, set_up_site,
                                        tear_down_site),
        cmocka_unit_test_setup_teardown(test_check_asks_more_than_a_start, set_up_site,
                                        tear_down_site),
        cmocka_unit_test_setup_teardown(test_coordinator_is_checked_for_publication, set_up_site,
                                        tear_down_site),
        cmocka_unit_test_setup_teardown(test_token_keys_of_listed_zones_are_where_a_key_may_be, set_up_site, tear_down_site),
        cmocka_unit_test_setup_teardown(test_listed_zones_stand_beside_the_others, set_up_site,
                                        tear_down_site),
        cmocka_unit_test(test_missing_configuration_says_so),
        cmocka_unit_test_setup_teardown(test_coordinator_sample_is_read, set_up_site,
                                        tear_down_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
