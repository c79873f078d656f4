/* Goal: --check refuses a site key or a certificate that is another's. Method: keys and
 * certificates made here, each put in another's place, through the real programs. */
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/text.h"
#include "support/pki.h"

struct desk {
    char *folder;
    struct csn_buf said;
};

static void path_of(const struct desk *desk, const char *name, char ret_path[256])
{
    snprintf(ret_path, 256, "%s/%s", desk->folder, name);
}

static void put_file(const struct desk *desk, const char *name, const char *text)
{
    char path[256];
    path_of(desk, name, path);
    assert_int_equal(csn_fs_write(path, csn_bytes(text, strlen(text)), 0600, NULL), CSN_OK);
}

static void copy_file(const struct desk *desk, const char *from, const char *to)
{
    char path[256];
    struct csn_buf buf = {0};
    path_of(desk, from, path);
    assert_int_equal(csn_fs_read(path, 65536, &buf, NULL), CSN_OK);
    path_of(desk, to, path);
    assert_int_equal(csn_fs_write(path, csn_buf_view(&buf), 0600, NULL), CSN_OK);
    csn_buf_fini(&buf);
}

static void put_configuration(const struct desk *desk, const char *site, const char *lead)
{
    char text[2048];
    put_file(desk, "policy.yaml", "name: d\nversion: 1\n");
    put_file(desk, "keyset.yaml",
             "zone: example.\nversion: 1\ndnskey-ttl: 3600\nkeys:\n"
             "  - {name: k, dnskey: 257 3 15 ig4UnO7rnQjt85OpJy/ZzTbY2wdqeBbNGWhXPAFi6vg=}\n"
             "  - {name: z, dnskey: 256 3 15 yPPMR9yJiL5WDA5rjJ4Bj2H0tP0UJ2JiaNg/2Mghoyc=}\n"
             "events:\n  - {role: ksk, algorithm: 15, list: [{key: k, at: 0}]}\n"
             "  - {role: zsk, algorithm: 15, list: [{key: z, at: 0}]}\n");
    put_file(desk, "node.yaml",
             "site: zrh\ncluster: cluster.yaml\nstore: store\nsecond-copy: second\n"
             "identity: {tls: tls.pem, ca: ca.pem, site-key: site.key}\ncontrol: node.sock\n"
             "zones:\n  - {zone: example., input: in.zone, policy: policy.yaml, keys: keyset.yaml}\n");
    put_file(desk, "coordinator.yaml",
             "name: lead\ncluster: cluster.yaml\n"
             "identity: {tls: lead.pem, ca: ca.pem, site-key: lead.key}\ncontrol: lead.sock\n"
             "zones:\n  - {zone: example., policy: policy.yaml, keys: keyset.yaml}\n");
    snprintf(text, sizeof(text),
             "id: 000102030405060708090a0b0c0d0e0f\nenvironment: test\nepoch: 1\nquorum: 1\n"
             "members:\n  - {number: 1, name: zrh, role: verifier, key: %s, mesh: 'tls+tcp://h:1', "
             "bulk: 'tls+tcp://h:2'}\n"
             "coordinators:\n  - {number: 1, name: lead, key: %s}\n",
             site, lead);
    put_file(desk, "cluster.yaml", text);
}

static int set_up(void **state)
{
    struct desk *desk = csn_calloc(1, sizeof(*desk));
    uint8_t key[32];
    char site[65], lead[65];
    desk->folder = pki_folder_new();
    struct pki_ca *ca = pki_ca_new(desk->folder, "ca.pem");
    pki_issue(ca, "zrh", desk->folder, "zrh.pem");
    pki_issue(ca, "sjc", desk->folder, "sjc.pem");
    pki_issue(ca, "any", desk->folder, "lead.pem");
    pki_issue_from(ca, -2 * 86400, "zrh", desk->folder, "old.pem");
    pki_issue_from(ca, 86400, "zrh", desk->folder, "early.pem");
    pki_ca_free(pki_ca_new(desk->folder, "other-ca.pem"));
    pki_ca_free(ca);
    pki_site_key(desk->folder, "sjc.key", key);
    pki_site_key(desk->folder, "zrh.key", key);
    csn_hex_encode(csn_bytes(key, sizeof(key)), site);
    pki_site_key(desk->folder, "lead.key", key);
    csn_hex_encode(csn_bytes(key, sizeof(key)), lead);
    put_configuration(desk, site, lead);
    copy_file(desk, "zrh.key", "site.key");
    copy_file(desk, "zrh.pem", "tls.pem");
    *state = desk;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *desk = *state;
    pki_folder_free(desk->folder);
    csn_buf_fini(&desk->said);
    free(desk);
    return 0;
}

/* Runs PROGRAM --check; its exit status, and what it said. */
static int check(struct desk *desk, const char *program, const char *file)
{
    char config[256], out[256];
    path_of(desk, file, config);
    path_of(desk, "said", out);
    char *args[] = {(char *)(uintptr_t)program, (char[]){"--check"}, (char[]){"-c"}, config, NULL};
    char *const environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, out, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(posix_spawn(&child, args[0], &actions, NULL, args, environment), 0);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(waitpid(child, &status, 0), child);
    csn_buf_clear(&desk->said);
    assert_int_equal(csn_fs_read(out, 65536, &desk->said, NULL), CSN_OK);
    csn_buf_put_u8(&desk->said, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void assert_said(const struct desk *desk, const char *words)
{
    if (strstr((const char *)desk->said.data, words) == NULL) {
        fail_msg("'%s' instead of '%s'", (const char *)desk->said.data, words);
    }
}

static void test_own_credentials_pass(void **state)
{
    struct desk *desk = *state;
    int status = check(desk, CONSIGN_NODE, "node.yaml");
    assert_string_equal((const char *)desk->said.data, "");
    assert_int_equal(status, 0);
    status = check(desk, CONSIGN_COORDINATOR, "coordinator.yaml");
    assert_string_equal((const char *)desk->said.data, "");
    assert_int_equal(status, 0);
}

static void test_key_of_another_is_refused(void **state)
{
    struct desk *desk = *state;
    copy_file(desk, "sjc.key", "site.key");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "node.yaml:5:48: site-key: ");
    assert_said(desk, "site.key: not the key of zrh: its public half is ");
    copy_file(desk, "sjc.key", "lead.key");
    assert_int_equal(check(desk, CONSIGN_COORDINATOR, "coordinator.yaml"), 2);
    assert_said(desk, "lead.key: not the key of lead: ");
    put_file(desk, "site.key", "x");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "site.key: not an unencrypted Ed25519 private key");
}

/* The certificate of `first` before the private key of `second`. */
static void mix(const struct desk *desk, const char *first, const char *second)
{
    static const char mark[] = "-----BEGIN PRIVATE KEY";
    struct csn_buf a = {0}, b = {0};
    char path[256];
    path_of(desk, first, path);
    assert_int_equal(csn_fs_read(path, 65536, &a, NULL), CSN_OK);
    path_of(desk, second, path);
    assert_int_equal(csn_fs_read(path, 65536, &b, NULL), CSN_OK);
    csn_buf_put_u8(&a, 0);
    csn_buf_put_u8(&b, 0);
    a.size = (size_t)(strstr((char *)a.data, mark) - (char *)a.data);
    csn_buf_put_u8(&a, 0);
    char text[8192];
    snprintf(text, sizeof(text), "%s%s", (char *)a.data, strstr((char *)b.data, mark));
    put_file(desk, "tls.pem", text);
    csn_buf_fini(&a);
    csn_buf_fini(&b);
}

static void test_certificate_of_another_is_refused(void **state)
{
    struct desk *desk = *state;
    copy_file(desk, "sjc.pem", "tls.pem");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "tls.pem: the certificate is not for zrh");
    mix(desk, "zrh.pem", "sjc.pem");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "tls.pem: the private key in it is not the certificate's");
    copy_file(desk, "ca.pem", "tls.pem");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "tls.pem: expected a certificate and its unencrypted private key");
}

static void test_certificate_of_another_ca_is_refused(void **state)
{
    struct desk *desk = *state;
    copy_file(desk, "ca.pem", "right-ca.pem");
    copy_file(desk, "other-ca.pem", "ca.pem");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "node.yaml:5:30: ca: ");
    assert_said(desk, "this CA has not signed the certificate in ");
    assert_int_equal(check(desk, CONSIGN_COORDINATOR, "coordinator.yaml"), 2);
    assert_said(desk, "coordinator.yaml:3:31: ca: ");
    put_file(desk, "ca.pem", "x");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "expected the certificate of the cluster's CA");
    /* a site's certificate signs nothing */
    copy_file(desk, "sjc.pem", "ca.pem");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "holds no CA's certificate (basicConstraints CA:TRUE), but that of /CN=sjc");
    copy_file(desk, "tls.pem", "ca.pem");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "node.yaml:5:30: ca: ");
    assert_said(desk, "holds no CA's certificate");
    copy_file(desk, "right-ca.pem", "ca.pem");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 0);
}

static void test_certificate_out_of_its_time_is_refused(void **state)
{
    struct desk *desk = *state;
    copy_file(desk, "old.pem", "tls.pem");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "node.yaml:5:17: tls: ");
    assert_said(desk, "tls.pem: the certificate expired at 20");
    copy_file(desk, "early.pem", "tls.pem");
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "tls.pem: the certificate is not valid before 20");
}

/* The input is looked at by --check alone: a start goes on without. */
static void test_input_that_is_a_folder_is_refused(void **state)
{
    struct desk *desk = *state;
    char path[256], text[1024];
    struct csn_buf buf = {0};
    path_of(desk, "node.yaml", path);
    assert_int_equal(csn_fs_read(path, 65536, &buf, NULL), CSN_OK);
    csn_buf_put_u8(&buf, 0);
    const char *input = strstr((char *)buf.data, "in.zone");
    snprintf(text, sizeof(text), "%.*s../%s", (int)(input - (char *)buf.data), (char *)buf.data,
             input + strlen("in.zone"));
    put_file(desk, "node.yaml", text);
    assert_int_equal(check(desk, CONSIGN_NODE, "node.yaml"), 2);
    assert_said(desk, "node.yaml:8:29: input: ");
    assert_said(desk, "is a folder; name a file in it");
    csn_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_own_credentials_pass, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_key_of_another_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificate_of_another_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificate_of_another_ca_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificate_out_of_its_time_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_input_that_is_a_folder_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
