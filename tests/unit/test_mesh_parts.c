/* Goal: the mesh's parts without sockets: guard, links, outbox, envelopes, identity. Method:
 * tables. */
#include "unit/mesh_world.h"

#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/fs.h"
#include "mesh/envelope.h"
#include "mesh/guard.h"
#include "mesh/links.h"
#include "mesh/outbox.h"

static void test_guard_verifies_once_and_lets_repeats_through(void **state)
{
    struct world *world = *state;
    struct csn_guard *guard = csn_guard_new(&world->cluster, &world->log);
    struct csn_mesh_statement statement = {
        .kind = CSN_STATEMENT_HELD, .signer = id_of(1), .body = csn_bytes("held", 4)};
    sign(world, 1, &statement);
    assert_true(csn_guard_admits(guard, &statement, 1000));
    assert_false(csn_guard_admits(guard, &statement, 1000 + CSN_GUARD_REPEAT_MS - 1));
    assert_true(csn_guard_admits(guard, &statement, 1000 + CSN_GUARD_REPEAT_MS));
    assert_int_equal(csn_guard_dropped(guard, CSN_MESH_DROP_DUPLICATE), 1);
    /* The same words under another signature were never verified. */
    statement.signature[63] ^= 1;
    assert_false(csn_guard_admits(guard, &statement, 5000));
    assert_int_equal(csn_guard_dropped(guard, CSN_MESH_DROP_SIGNATURE), 1);
    csn_guard_free(guard);
}

static void test_guard_forgets_and_verifies_again(void **state)
{
    struct world *world = *state;
    struct csn_guard *guard = csn_guard_new(&world->cluster, &world->log);
    for (uint32_t i = 0; i < 2 * CSN_GUARD_SEEN_MAX; i++) {
        uint8_t body[4];
        struct csn_mesh_statement statement = {
            .kind = CSN_STATEMENT_COMPUTED, .signer = id_of(i % SITES), .body = csn_bytes(body, 4)};
        csn_set_u32(body, i);
        sign(world, i % SITES, &statement);
        assert_true(csn_guard_admits(guard, &statement, i));
    }
    csn_guard_free(guard);
}

static void test_links_know_who_is_there(void **state)
{
    struct world *world = *state;
    struct csn_links *links = csn_alloc(sizeof(*links));
    csn_links_init(links, &world->cluster);
    size_t zrh = csn_links_peer(links, id_of(0)), c1 = csn_links_peer(links, id_of(COORDINATOR));
    assert_true(zrh != c1 && zrh != CSN_LINKS_NOBODY && c1 != CSN_LINKS_NOBODY);
    assert_true(csn_links_peer(links, (struct csn_mesh_peer){.number = 1, .incarnation = 1}) ==
                CSN_LINKS_NOBODY);
    assert_true(csn_links_peer(links, (struct csn_mesh_peer){0}) == CSN_LINKS_NOBODY);
    for (uint32_t id = 1; id <= CSN_LINKS_MAX; id++) {
        assert_non_null(csn_links_add(links, id, 100));
    }
    assert_null(csn_links_add(links, 999, 100));
    assert_true(csn_links_bind(links, csn_links_find(links, 1), zrh));
    assert_false(csn_links_bind(links, csn_links_find(links, 2), zrh));
    for (uint64_t now_ms = 100; now_ms < 100 + CSN_MESH_SILENT_MS; now_ms += CSN_LINKS_STALL_MS) {
        assert_null(csn_links_silent(links, now_ms));
    }
    assert_null(csn_links_silent(links, 100 + CSN_MESH_SILENT_MS - 1));
    for (uint32_t id = 3; id <= CSN_LINKS_MAX; id++) {
        assert_non_null(csn_links_silent(links, 100 + CSN_MESH_SILENT_MS));
        assert_true(csn_links_remove(links, id) == CSN_LINKS_NOBODY);
    }
    csn_links_heard(links, csn_links_find(links, 2), 500);
    assert_int_equal(csn_links_silent(links, 100 + CSN_MESH_SILENT_MS)->id, 1);
    /* After standing still itself, the process may not blame others. */
    assert_null(csn_links_silent(links, 1000000));
    assert_true(csn_links_remove(links, 1) == CSN_LINKS_NOBODY);
    assert_true(csn_links_remove(links, 2) == zrh);
    assert_true(csn_links_remove(links, 2) == CSN_LINKS_NOBODY);
    free(links);
}

static void test_links_of_who_has_the_most_make_room(void **state)
{
    struct world *world = *state;
    struct csn_links *links = csn_alloc(sizeof(*links));
    csn_links_init(links, &world->cluster);
    size_t zrh = csn_links_peer(links, id_of(0)), sjc = csn_links_peer(links, id_of(1));
    for (uint32_t id = 1; id <= CSN_LINKS_MAX; id++) {
        assert_null(csn_links_crowding(links));
        csn_links_add(links, id, 1000 - id);
    }
    /* One of zrh, 31 of sjc, 32 of nobody: the last of these was heard first. */
    csn_links_bind(links, csn_links_find(links, 1), zrh);
    for (uint32_t id = 2; id <= 32; id++) {
        csn_links_bind(links, csn_links_find(links, id), sjc);
    }
    assert_int_equal(csn_links_crowding(links)->id, CSN_LINKS_MAX);
    csn_links_bind(links, csn_links_find(links, 33), sjc);
    csn_links_bind(links, csn_links_find(links, 34), sjc);
    csn_links_heard(links, csn_links_find(links, 34), 2000);
    assert_int_equal(csn_links_crowding(links)->id, 33);
    csn_links_remove(links, 33);
    assert_null(csn_links_crowding(links));
    free(links);
}

static void test_outbox_packs_in_order_and_within_the_limit(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 4, 100, 1000, CSN_STATEMENT_MAX};
    struct csn_outbox outbox = {0};
    struct csn_sender sender = {.environment = 1, .heard = 5};
    static uint8_t body[CSN_STATEMENT_MAX], certificate[CSN_CERTIFICATE_MAX];
    size_t put = 0, got = 0, certificates = 0;
    for (; put < CSN_MESH_OUT_MAX - 10; put++) {
        struct csn_mesh_statement statement = {
            .kind = CSN_STATEMENT_OFFER,
            .signer = {.number = (uint16_t)put, .incarnation = UINT32_MAX},
            .body = csn_bytes(body, sizes[put % (sizeof(sizes) / sizeof(sizes[0]))])};
        assert_true(csn_outbox_put(&outbox, &statement));
    }
    for (; put < CSN_MESH_OUT_MAX; put++) {
        assert_true(
            csn_outbox_put_certificate(&outbox, csn_bytes(certificate, sizeof(certificate))));
    }
    assert_false(csn_outbox_put_certificate(&outbox, csn_bytes(certificate, sizeof(certificate))));
    while (outbox.count > 0) {
        struct csn_buf octets = {0};
        struct csn_envelope envelope;
        csn_outbox_pack(&outbox, &sender, &octets);
        assert_true(octets.size <= CSN_ENVELOPE_MAX);
        assert_int_equal(csn_envelope_decode(csn_buf_view(&octets), &envelope), CSN_OK);
        assert_true(envelope.statement_count + envelope.certificate_count > 0);
        assert_int_equal(envelope.sender.heard, 5);
        for (size_t i = 0; i < envelope.statement_count; i++, got++) {
            assert_int_equal(envelope.statements[i].signer.number, got);
            assert_int_equal(envelope.statements[i].body.size,
                             sizes[got % (sizeof(sizes) / sizeof(sizes[0]))]);
        }
        certificates += envelope.certificate_count;
        csn_envelope_fini(&envelope);
        csn_buf_fini(&octets);
    }
    assert_int_equal(got + certificates, CSN_MESH_OUT_MAX);
    csn_outbox_fini(&outbox);
}

static void test_identity_signs_what_rfc_8032_says(void **state)
{
    struct world *world = *state;
    /* RFC 8032, 7.1, TEST 2. */
    static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
                              "-----END PRIVATE KEY-----\n";
    static const uint8_t expected[] = {
        0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f,
        0x64, 0x25, 0x40, 0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76,
        0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda, 0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99,
        0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c, 0x38, 0x7b, 0x2e, 0xae,
        0xb4, 0x30, 0x2a, 0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00};
    char path[PATH_SIZE];
    struct csn_site_key *key;
    uint8_t signature[CSN_IDENTITY_SIGNATURE_SIZE];
    in_folder(world, "rfc.key", path);
    assert_int_equal(csn_fs_write(path, csn_bytes(pem, sizeof(pem) - 1), 0600, NULL), CSN_OK);
    assert_int_equal(csn_identity_load(path, &key, NULL), CSN_OK);
    assert_int_equal(csn_identity_sign(key, csn_bytes("\x72", 1), signature), CSN_OK);
    assert_memory_equal(signature, expected, sizeof(expected));
    assert_int_equal(csn_identity_verify(csn_identity_key(key), csn_bytes("\x72", 1), signature),
                     CSN_OK);
    assert_int_equal(csn_identity_verify(csn_identity_key(key), csn_bytes("\x73", 1), signature),
                     CSN_ESIGNATURE);
    csn_identity_free(key);
}

static void write_x25519(const char *path)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    FILE *file = fopen(path, "w");
    assert_true(key != NULL && file != NULL);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    EVP_PKEY_free(key);
}

static void test_identity_refuses_what_is_no_key(void **state)
{
    struct world *world = *state;
    struct csn_site_key *key = NULL;
    struct csn_reason reason;
    char path[PATH_SIZE];
    assert_int_equal(csn_identity_load(in_folder(world, "absent", path), &key, &reason),
                     CSN_ENOTFOUND);
    /* A P-256 key. */
    assert_int_equal(csn_identity_load(in_folder(world, "zrh.tls.pem", path), &key, &reason),
                     CSN_EFORMAT);
    assert_non_null(strstr(reason.text, "zrh.tls.pem"));
    write_x25519(in_folder(world, "x25519.key", path));
    assert_int_equal(csn_identity_load(path, &key, &reason), CSN_EFORMAT);
    assert_int_equal(csn_fs_write(in_folder(world, "x", path), csn_bytes("rubbish", 7), 0600, NULL),
                     CSN_OK);
    assert_int_equal(csn_identity_load(path, &key, &reason), CSN_EFORMAT);
    assert_int_equal(chmod(in_folder(world, "sjc.key", path), 0640), 0);
    assert_int_equal(csn_identity_load(path, &key, &reason), CSN_EPERMISSION);
    assert_null(key);
}

static const struct CMUnitTest tests[] = {
    WITH_WORLD(test_guard_verifies_once_and_lets_repeats_through),
    WITH_WORLD(test_guard_forgets_and_verifies_again),
    WITH_WORLD(test_links_know_who_is_there),
    WITH_WORLD(test_links_of_who_has_the_most_make_room),
    cmocka_unit_test(test_outbox_packs_in_order_and_within_the_limit),
    WITH_WORLD(test_identity_signs_what_rfc_8032_says),
    WITH_WORLD(test_identity_refuses_what_is_no_key),
};

/* test_mesh_parts [TEST] */
int main(int argc, char **argv)
{
    return run_each_alone(tests, sizeof tests / sizeof tests[0], argc < 2 ? NULL : argv[1]);
}
