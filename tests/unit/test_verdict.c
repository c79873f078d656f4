/* Goal: consign-verify says good for exactly the certified zone, and names what differs in any
 * other. Method: a golden vector's signed zone and its roots, computed by another implementation; a
 * certificate over them by three keys from fixed seeds; then one change a row, through the library
 * and through the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/fs.h"
#include "base/text.h"
#include "config/chain.h"
#include "config/cluster.h"
#include "verdict.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define VECTOR CONSIGN_TESTS "/data/oracle/05-delegations-nsec/"
#define SERIAL 2026112100u
#define TIME_S 1795262400u
#define RECORDS 48
#define SIGNATURES 14
#define PREVIOUS /* 96 hex digits */                                                                                              \
    "d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1"

struct fixture {
    char *cluster_text; /* owns */
    struct csn_cluster cluster;
    struct csn_certificate certificate;
    char *zone; /* owns; text */
};

static EVP_PKEY *key_of(uint16_t site)
{
    uint8_t seed[32];
    memset(seed, site, sizeof(seed));
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
}

static char *make_cluster_text(void)
{
    static const char head[] =
        "id: c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1\nenvironment: test\nepoch: 1\nquorum: 2\nmembers:\n";
    static const char *const names[] = {"zrh", "sjc", "sin"};
    char *text = csn_alloc(4096);
    size_t used = (size_t)snprintf(text, 4096, "%s", head);
    for (uint16_t site = 1; site <= 4; site++) {
        EVP_PKEY *key = key_of(site);
        uint8_t public[CSN_ED25519_SIZE];
        char hex[2 * CSN_ED25519_SIZE + 1];
        size_t size = sizeof(public);
        assert_int_equal(EVP_PKEY_get_raw_public_key(key, public, &size), 1);
        csn_hex_encode(csn_bytes(public, sizeof(public)), hex);
        EVP_PKEY_free(key);
        used += (size_t)snprintf(text + used, 4096 - used,
                                 site < 4 ? "  - {number: %u, name: %s, key: %s, mesh: "
                                            "'tls+tcp://h:%u1', bulk: 'tls+tcp://h:%u2'}\n"
                                          : "coordinators: [{number: %u, name: %s, key: %s}]\n",
                                 site, site < 4 ? names[site - 1] : "lead", hex, site, site);
    }
    return text;
}

static char *read_text(const char *path)
{
    struct csn_buf buf = {0};
    assert_int_equal(csn_fs_read(path, SIZE_MAX, &buf, NULL), CSN_OK);
    csn_buf_put_u8(&buf, '\0');
    return (char *)buf.data;
}

/* The 96 hex digits behind `"name": "` in the vector's roots. */
static void golden_root(const char *roots, const char *name, struct csn_digest *ret_digest)
{
    char quoted[32], hex[2 * CSN_DIGEST_SIZE + 1];
    snprintf(quoted, sizeof(quoted), "\"%s\": \"", name);
    const char *at = strstr(roots, quoted);
    assert_non_null(at);
    memcpy(hex, at + strlen(quoted), sizeof(hex) - 1);
    hex[sizeof(hex) - 1] = '\0';
    assert_int_equal(csn_hex_decode(hex, ret_digest->octets, CSN_DIGEST_SIZE), CSN_OK);
}

static void make_held(const struct csn_cluster *cluster, struct csn_body_held *held)
{
    struct csn_proposal *proposal = &held->proposal;
    char *roots = read_text(VECTOR "roots.json");
    memcpy(proposal->cluster, cluster->id, sizeof(proposal->cluster));
    proposal->environment = cluster->environment;
    proposal->epoch = cluster->epoch;
    proposal->epoch_digest = cluster->digest;
    assert_int_equal(csn_name_parse("example.", proposal->zone), CSN_OK);
    proposal->round = (struct csn_round){.term = {.counter = 4, .coordinator = 1}, .seq = 17};
    proposal->serial = SERIAL;
    proposal->input = (struct csn_input_id){.generation = 1, .serial = 7};
    proposal->time_s = proposal->schedule_s = TIME_S;
    proposal->semantics = CSN_SEMANTICS;
    proposal->policy.number = proposal->keyset.number = 1;
    proposal->author_count = 1;
    proposal->authors[0] = 1;
    golden_root(roots, "D", &held->roots.d);
    golden_root(roots, "K", &held->roots.k);
    golden_root(roots, "N", &held->roots.n);
    golden_root(roots, "R", &held->roots.r);
    golden_root(roots, "B", &held->b);
    golden_root(roots, "full_root", &held->full_root);
    held->records = RECORDS;
    held->signatures = SIGNATURES;
    assert_int_equal(csn_time_parse("2026-12-03T16:30:54Z", &held->earliest_expiry_s), CSN_OK);
    free(roots);
}

static void sign(struct csn_certificate *certificate, unsigned i, uint16_t site)
{
    struct csn_buf body = {0}, message = {0};
    struct csn_certificate_vote *vote = &certificate->votes[i];
    EVP_PKEY *key = key_of(site);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = CSN_SIGNATURE_SIZE;
    vote->site = site;
    vote->incarnation = 1;
    csn_body_held_encode(&certificate->held, &body);
    csn_statement_signed(CSN_STATEMENT_HELD, site, 1, csn_buf_view(&body), &message);
    assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, vote->signature, &size, message.data, message.size),
                     1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    csn_buf_fini(&body);
    csn_buf_fini(&message);
}

static void sign_all(struct csn_certificate *certificate)
{
    certificate->vote_count = 2;
    sign(certificate, 0, 1);
    sign(certificate, 1, 3);
}

static int set_up(void **state)
{
    struct fixture *fixture = csn_calloc(1, sizeof(*fixture));
    struct csn_reason reason = {.text = ""};
    fixture->cluster_text = make_cluster_text();
    struct csn_bytes text = csn_bytes(fixture->cluster_text, strlen(fixture->cluster_text));
    if (csn_cluster_parse(text, "cluster.yaml", &fixture->cluster, &reason) != CSN_OK) {
        fail_msg("%s", reason.text);
    }
    make_held(&fixture->cluster, &fixture->certificate.held);
    sign_all(&fixture->certificate);
    fixture->zone = read_text(VECTOR "signed.zone");
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    free(fixture->cluster_text);
    free(fixture->zone);
    free(fixture);
    return 0;
}

static int reach(const struct fixture *fixture, const char *zone, struct csn_verdict *ret_verdict,
                 struct csn_reason *reason)
{
    return csn_verdict_reach(&fixture->cluster, &fixture->certificate,
                             csn_bytes(zone, strlen(zone)), "in.zone", ret_verdict, reason);
}

/* The text with its first `from` replaced; the caller frees. */
static char *replace(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    size_t size = strlen(text) + strlen(to) + 1;
    char *changed = csn_alloc(size);
    snprintf(changed, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return changed;
}

static void test_the_certified_zone_is_good_in_any_order(void **state)
{
    const struct fixture *fixture = *state;
    struct csn_verdict verdict;
    struct csn_reason reason = {.text = ""};
    if (reach(fixture, fixture->zone, &verdict, &reason) != CSN_OK) {
        fail_msg("%s", reason.text);
    }
    assert_string_equal(verdict.differ, "");
    assert_true(csn_digest_equal(&verdict.found.full, &fixture->certificate.held.full_root));
    /* The last line first, and the SOA once more at the end, as a transfer has it. */
    char *text = fixture->zone, *last = text + strlen(text) - 1;
    while (last > text && last[-1] != '\n') {
        last--;
    }
    size_t size = 2 * strlen(text) + 2, soa = (size_t)(strchr(text, '\n') - text) + 1;
    char *turned = csn_alloc(size);
    snprintf(turned, size, "%s%.*s%.*s", last, (int)(last - text), text, (int)soa, text);
    assert_int_equal(reach(fixture, turned, &verdict, &reason), CSN_OK);
    free(turned);
}

static void test_another_zone_is_refused_with_its_classes(void **state)
{
    const struct fixture *fixture = *state;
    static const struct {
        const char *from, *to;
        int code;
        const char *differ, *word;
    } rows[] = {
        {"192.0.2.20", "192.0.2.21", CSN_EMISMATCH, "D", "D (data)"},
        {"ns.hosting.example. 3600 IN A", "ns.hosting.example. 3601 IN A", CSN_EMISMATCH, "D",
         "D (data)"},
        {"DNSKEY 257", "DNSKEY 256", CSN_EMISMATCH, "K", "K (keys)"},
        {"NSEC hosting.example.", "NSEC in-bailiwick.example.", CSN_EMISMATCH, "N", "N (denial)"},
        {"3600 20261206142741", "3600 20261206142742", CSN_EMISMATCH, "RB",
         "R (signature fields), B (signature octets)"},
        {"lg/krv67", "lg/krv68", CSN_EMISMATCH, "B", "B (signature octets)"},
        {"2026112100 3600", "2026112101 3600", CSN_EMISMATCH, "",
         "in.zone: the SOA's serial is 2026112101"},
        {" 3600 900 1209600 86400\n", " 3600 900 1209600 86400\nx.example. 3600 IN A 192.0.2.1\n",
         CSN_EMISMATCH, "D", "D (data)"},
        {" 3600 900 1209600 86400\n", " 3600 900 1209600 86400\nx.test. 3600 IN A 192.0.2.1\n",
         CSN_EFORMAT, NULL, "in.zone:2: "},
        {" IN SOA ", " IN SOAP ", CSN_EFORMAT, NULL, "in.zone:1: "},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct csn_verdict verdict = {.differ = "-"};
        struct csn_reason reason = {.text = ""};
        char *zone = replace(fixture->zone, rows[i].from, rows[i].to);
        assert_int_equal(reach(fixture, zone, &verdict, &reason), rows[i].code);
        assert_string_equal(verdict.differ, rows[i].differ != NULL ? rows[i].differ : "-");
        if (strstr(reason.text, rows[i].word) == NULL) {
            fail_msg("'%s' without '%s'", reason.text, rows[i].word);
        }
        free(zone);
    }
    struct csn_verdict verdict;
    struct csn_reason reason = {.text = ""};
    assert_int_equal(reach(fixture, "example. 3600 IN NS ns.example.\n", &verdict, &reason), CSN_EFORMAT);
    assert_non_null(strstr(reason.text, "in.zone: no SOA: "));
}

static void test_a_certificate_that_does_not_hold_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const struct csn_certificate good = fixture->certificate;
    struct csn_certificate *bad = &fixture->certificate;
    struct csn_verdict verdict;
    struct csn_reason reason;

    bad->votes[1].signature[0] ^= 1;
    assert_int_equal(reach(fixture, fixture->zone, &verdict, &reason), CSN_ESIGNATURE);
    *bad = good;
    bad->vote_count = 1;
    assert_int_equal(reach(fixture, fixture->zone, &verdict, &reason), CSN_EREFUSED);
    *bad = good;
    bad->held.proposal.epoch_digest.octets[0] ^= 1;
    sign_all(bad);
    assert_int_equal(reach(fixture, fixture->zone, &verdict, &reason), CSN_EREFUSED);
    assert_non_null(strstr(reason.text, "certificate of another cluster document of epoch 1: "));
    *bad = good;
    bad->held.proposal.epoch++;
    sign_all(bad);
    assert_int_equal(reach(fixture, fixture->zone, &verdict, &reason), CSN_EREFUSED);
    assert_non_null(strstr(reason.text, "certificate of epoch 2, the cluster document given is of epoch 1"));
    *bad = good;
    bad->held.full_root.octets[0] ^= 1;
    sign_all(bad);
    assert_int_equal(reach(fixture, fixture->zone, &verdict, &reason), CSN_EMISMATCH);
    assert_non_null(strstr(reason.text, "does not follow"));
    *bad = good;
    bad->held.earliest_expiry_s++;
    sign_all(bad);
    assert_int_equal(reach(fixture, fixture->zone, &verdict, &reason), CSN_EMISMATCH);
    assert_non_null(strstr(reason.text, "first expiry"));
}

static void test_a_certificate_is_read_as_octets_or_hex(void **state)
{
    const struct fixture *fixture = *state;
    struct csn_certificate read;
    struct csn_buf octets = {0}, file = {0};
    struct csn_reason reason = {.text = ""};
    csn_certificate_encode(&fixture->certificate, &octets);
    assert_int_equal(csn_certificate_read(csn_buf_view(&octets), &read, &reason), CSN_OK);
    assert_int_equal(read.held.proposal.serial, SERIAL);
    char *hex = csn_alloc(2 * octets.size + 1);
    csn_hex_encode(csn_buf_view(&octets), hex);
    csn_buf_put(&file, hex, 64);
    csn_buf_put(&file, "\n", 1);
    csn_buf_put(&file, hex + 64, strlen(hex) - 64);
    csn_buf_put(&file, "\r\n", 2);
    assert_int_equal(csn_certificate_read(csn_buf_view(&file), &read, &reason), CSN_OK);
    assert_int_equal(read.votes[1].site, 3);
    file.data[0] = 'x';
    assert_int_equal(csn_certificate_read(csn_buf_view(&file), &read, &reason), CSN_EFORMAT);
    assert_int_equal(csn_certificate_read(csn_bytes(hex, strlen(hex) - 1), &read, &reason),
                     CSN_EFORMAT);
    assert_int_equal(csn_certificate_read(csn_bytes(hex, 0), &read, &reason), CSN_EFORMAT);
    csn_buf_clear(&file);
    for (size_t i = 0; i < 3 * (size_t)CSN_CERTIFICATE_MAX; i++) {
        csn_buf_put_u8(&file, 'a');
    }
    assert_int_equal(csn_certificate_read(csn_buf_view(&file), &read, &reason), CSN_EFORMAT);
    free(hex);
    csn_buf_fini(&octets);
    csn_buf_fini(&file);
}

static int run(const char *folder, const char *arguments, char *ret_line, size_t size)
{
    char command[1024];
    snprintf(command, sizeof(command), "cd %s && %s %s 2>&1", folder, CONSIGN_VERIFY, arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    char rest[512];
    ret_line[0] = '\0';
    (void)!fgets(ret_line, (int)size, pipe);
    while (fgets(rest, sizeof(rest), pipe) != NULL) {
    }
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_the_program_says_it_with_its_exit_status(void **state)
{
    const struct fixture *fixture = *state;
    static const struct {
        const char *arguments;
        int status;
        const char *line;
    } rows[] = {
        {"--cluster c --cert e --zone z", 0,
         "good: example. serial 2026112100 is certified, octet for octet, by zrh, sin (quorum 2 of "
         "3)"},
        {"--cluster c --cert e --zone w", 1,
         "refused: w: not the certified zone: it differs in D (data)"},
        {"--cluster c --cert z --zone z", 1, "refused: z: not a certificate: neither"},
        {"--cluster d --cert e --zone z", 3,
         "cannot tell: e: certificate of epoch 1, d is of epoch 2; give the document of that epoch, or --chain too"},
        {"--cluster o --cert e --zone z", 1, "refused: certificate of another cluster"},
        {"--cluster c --chain h --cert e --zone z", 0, "good: example. serial 2026112100"},
        {"--cluster c --chain e --cert e --zone z", 1, "refused: e: "},
        {"--cluster c --chain no --cert e --zone z", 2, "no: No such file"},
        {"--cluster z --cert e --zone z", 2, "z:1:"},
        {"--cluster c --cert e --zone no", 2, "no: No such file"},
        {"--cluster c --cert e", 2, "consign-verify: missing: --zone"},
        {"--cluster c --cert e --zone z more", 2, "consign-verify: one word too many: more"},
        {"--help", 0, "usage: "},
    };
    char folder[] = "/tmp/test_verdict.XXXXXX", path[64], line[512];
    struct csn_buf octets = {0}, chain_octets = {0};
    struct csn_chain chain = {0};
    assert_non_null(mkdtemp(folder));
    char *wrong = replace(fixture->zone, "192.0.2.20", "192.0.2.21");
    char *next = replace(fixture->cluster_text, "epoch: 1", "epoch: 2\nprevious: " PREVIOUS);
    char *other = replace(next, "id: c1", "id: c2");
    struct csn_bytes document = csn_bytes(fixture->cluster_text, strlen(fixture->cluster_text));
    csn_certificate_encode(&fixture->certificate, &octets);
    assert_int_equal(csn_chain_open("none", &fixture->cluster, document, "c", &chain, NULL), CSN_OK);
    csn_chain_encode(&chain, &chain_octets);
    const struct {
        const char *name;
        struct csn_bytes octets;
    } files[] = {{"c", document},
                 {"d", csn_bytes(next, strlen(next))},
                 {"o", csn_bytes(other, strlen(other))},
                 {"h", csn_buf_view(&chain_octets)},
                 {"e", csn_buf_view(&octets)},
                 {"z", csn_bytes(fixture->zone, strlen(fixture->zone))},
                 {"w", csn_bytes(wrong, strlen(wrong))}};
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i].name);
        assert_int_equal(csn_fs_write(path, files[i].octets, 0600, NULL), CSN_OK);
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        int status = run(folder, rows[i].arguments, line, sizeof(line));
        if (status != rows[i].status || strncmp(line, rows[i].line, strlen(rows[i].line)) != 0) {
            fail_msg("%s: %d '%s'", rows[i].arguments, status, line);
        }
    }
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i].name);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
    free(wrong);
    free(next);
    free(other);
    csn_chain_fini(&chain);
    csn_buf_fini(&chain_octets);
    csn_buf_fini(&octets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_certified_zone_is_good_in_any_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_another_zone_is_refused_with_its_classes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_certificate_that_does_not_hold_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_certificate_is_read_as_octets_or_hex, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_program_says_it_with_its_exit_status, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
