/* Goal: a certificate passes only whole, with a quorum of good signatures of members in their
 * incarnation. Method: one is made with OpenSSL from fixed seeds; it must be the golden octets
 * (they are public: a change of layout must be seen); then each way to spoil it must be refused. */
#include "round/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/fs.h"
#include "base/text.h"

static void make_key(uint8_t seed, EVP_PKEY **ret_key, uint8_t ret_public[CSN_ED25519_SIZE])
{
    uint8_t octets[32];
    size_t size = CSN_ED25519_SIZE;
    memset(octets, seed, sizeof(octets));
    *ret_key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, octets, sizeof(octets));
    assert_int_equal(EVP_PKEY_get_raw_public_key(*ret_key, ret_public, &size), 1);
}

/* Three members with seeds 1, 2, 3; q = 2. */
static void make_cluster(struct csn_cluster *cluster)
{
    memset(cluster, 0, sizeof(*cluster));
    memset(cluster->id, 0xc1, sizeof(cluster->id));
    cluster->environment = 1;
    cluster->epoch = 1;
    memset(&cluster->digest, 0xd0, sizeof(cluster->digest));
    cluster->quorum = 2;
    cluster->member_count = 3;
    for (uint8_t i = 0; i < 3; i++) {
        EVP_PKEY *key;
        make_key((uint8_t)(i + 1), &key, cluster->members[i].key);
        EVP_PKEY_free(key);
        cluster->members[i].number = (uint16_t)(i + 1);
        cluster->members[i].incarnation = 1;
    }
}

static void make_held(const struct csn_cluster *cluster, struct csn_body_held *held)
{
    struct csn_proposal *proposal = &held->proposal;
    memset(held, 0, sizeof(*held));
    memcpy(proposal->cluster, cluster->id, sizeof(proposal->cluster));
    proposal->environment = cluster->environment;
    proposal->epoch = cluster->epoch;
    proposal->epoch_digest = cluster->digest;
    assert_int_equal(csn_name_parse("example.", proposal->zone), CSN_OK);
    proposal->round = (struct csn_round){.term = {.counter = 4, .coordinator = 1}, .seq = 17};
    proposal->serial = 1795000000;
    proposal->input = (struct csn_input_id){.generation = 1, .serial = 2026112100, .removed = 2};
    memset(&proposal->input.received, 0x11, CSN_DIGEST_SIZE);
    memset(&proposal->input.prepared, 0x12, CSN_DIGEST_SIZE);
    memset(&proposal->input.removed_hash, 0x13, CSN_DIGEST_SIZE);
    proposal->time_s = proposal->schedule_s = 1795000000;
    proposal->semantics = CSN_SEMANTICS;
    proposal->policy.number = 1;
    memset(&proposal->policy.digest, 0x14, CSN_DIGEST_SIZE);
    proposal->keyset.number = 2;
    memset(&proposal->keyset.digest, 0x15, CSN_DIGEST_SIZE);
    proposal->author_count = 2;
    proposal->authors[0] = 1;
    proposal->authors[1] = 3;
    memset(&held->roots.d, 0x21, CSN_DIGEST_SIZE);
    memset(&held->roots.k, 0x22, CSN_DIGEST_SIZE);
    memset(&held->roots.n, 0x23, CSN_DIGEST_SIZE);
    memset(&held->roots.r, 0x24, CSN_DIGEST_SIZE);
    memset(&held->b, 0x25, CSN_DIGEST_SIZE);
    memset(&held->full_root, 0x26, CSN_DIGEST_SIZE);
    held->records = 1234;
    held->signatures = 567;
    held->earliest_expiry_s = 1796000000;
}

static void sign_vote(const struct csn_body_held *held, uint16_t site,
                      struct csn_certificate_vote *vote)
{
    struct csn_buf body = {0}, message = {0};
    EVP_PKEY *key;
    uint8_t public[CSN_ED25519_SIZE];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = CSN_SIGNATURE_SIZE;
    make_key((uint8_t)site, &key, public);
    vote->site = site;
    vote->incarnation = 1;
    csn_body_held_encode(held, &body);
    csn_statement_signed(CSN_STATEMENT_HELD, site, 1, csn_buf_view(&body), &message);
    assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, vote->signature, &size, message.data, message.size),
                     1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    csn_buf_fini(&body);
    csn_buf_fini(&message);
}

static struct csn_cluster cluster;
static struct csn_certificate good;

static int setup(void **state)
{
    (void)state;
    make_cluster(&cluster);
    memset(&good, 0, sizeof(good));
    make_held(&cluster, &good.held);
    good.vote_count = 2;
    sign_vote(&good.held, 1, &good.votes[0]);
    sign_vote(&good.held, 3, &good.votes[1]);
    return 0;
}

static int check(const struct csn_certificate *certificate)
{
    struct csn_reason reason;
    return csn_certificate_check(certificate, &cluster, csn_ed25519_verify, NULL, &reason);
}

/* Hex of the file without its line ends. */
static void read_golden(struct csn_buf *hex)
{
    struct csn_buf file = {0};
    assert_int_equal(csn_fs_read(CONSIGN_TESTS "/data/round/certificate.hex", 65536, &file, NULL),
                     CSN_OK);
    for (size_t i = 0; i < file.size; i++) {
        if (file.data[i] != '\n') {
            csn_buf_put_u8(hex, file.data[i]);
        }
    }
    csn_buf_put_u8(hex, 0);
    csn_buf_fini(&file);
}

static void test_certificate_is_the_golden_octets(void **state)
{
    (void)state;
    struct csn_buf buf = {0}, golden = {0};
    csn_certificate_encode(&good, &buf);
    assert_true(buf.size <= CSN_CERTIFICATE_MAX);
    char *hex = csn_alloc(2 * buf.size + 1);
    csn_hex_encode(csn_buf_view(&buf), hex);
    read_golden(&golden);
    assert_string_equal(hex, (const char *)golden.data);
    free(hex);
    csn_buf_fini(&golden);
    csn_buf_fini(&buf);
}

static void test_certificate_comes_back_and_verifies(void **state)
{
    (void)state;
    struct csn_buf buf = {0}, again = {0};
    struct csn_certificate out;
    csn_certificate_encode(&good, &buf);
    assert_int_equal(csn_certificate_decode(csn_buf_view(&buf), &out), CSN_OK);
    csn_certificate_encode(&out, &again);
    assert_true(csn_bytes_equal(csn_buf_view(&buf), csn_buf_view(&again)));
    assert_int_equal(check(&out), CSN_OK);
    csn_buf_fini(&buf);
    csn_buf_fini(&again);
}

static void test_a_vote_is_of_a_member_and_its_incarnation(void **state)
{
    (void)state;
    const struct csn_certificate_vote *vote = &good.votes[1];
    static const struct {
        int site, incarnation;
        bool has;
    } rows[] = {{0, 0, true}, {0, 1, false}, {100, 0, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct csn_member member = {.number = (uint16_t)(vote->site + rows[i].site),
                                    .incarnation = vote->incarnation + (uint32_t)rows[i].incarnation};
        assert_int_equal(csn_certificate_has_vote(&good, &member), rows[i].has);
    }
}

static void test_cut_or_longer_certificate_is_refused(void **state)
{
    (void)state;
    struct csn_buf buf = {0};
    struct csn_certificate out;
    csn_certificate_encode(&good, &buf);
    for (size_t size = 0; size < buf.size; size++) {
        uint8_t *copy = csn_alloc(size);
        memcpy(copy, buf.data, size);
        assert_int_equal(csn_certificate_decode(csn_bytes(copy, size), &out), CSN_EFORMAT);
        free(copy);
    }
    csn_buf_put_u8(&buf, 0);
    assert_int_equal(csn_certificate_decode(csn_buf_view(&buf), &out), CSN_EFORMAT);
    csn_buf_fini(&buf);
}

/* Any octet changed anywhere: not this form, or not these signatures. */
static void test_changed_octet_is_refused(void **state)
{
    (void)state;
    struct csn_buf buf = {0};
    struct csn_certificate out;
    csn_certificate_encode(&good, &buf);
    for (size_t at = 0; at < buf.size; at++) {
        buf.data[at] ^= 0x01;
        int code = csn_certificate_decode(csn_buf_view(&buf), &out);
        assert_true(code != CSN_OK || check(&out) != CSN_OK);
        buf.data[at] ^= 0x01;
    }
    csn_buf_fini(&buf);
}

static void expect_form_refused(const struct csn_certificate *bad)
{
    struct csn_buf buf = {0};
    struct csn_certificate out;
    csn_certificate_encode(bad, &buf);
    assert_int_equal(csn_certificate_decode(csn_buf_view(&buf), &out), CSN_EFORMAT);
    csn_buf_fini(&buf);
}

static void test_votes_doubled_or_descending_are_refused(void **state)
{
    (void)state;
    struct csn_certificate bad = good;
    bad.votes[1] = bad.votes[0];
    expect_form_refused(&bad);
    bad.votes[0] = good.votes[1];
    bad.votes[1] = good.votes[0];
    expect_form_refused(&bad);
    bad = good;
    bad.vote_count = 0;
    expect_form_refused(&bad);
}

static void test_too_few_or_too_many_votes_are_refused(void **state)
{
    (void)state;
    struct csn_certificate bad = good;
    bad.vote_count = 1;
    assert_int_equal(check(&bad), CSN_EREFUSED);
    bad = good;
    bad.vote_count = 3;
    bad.votes[2] = bad.votes[1];
    sign_vote(&bad.held, 2, &bad.votes[1]);
    assert_int_equal(check(&bad), CSN_EREFUSED);
}

static void test_votes_of_strangers_are_refused(void **state)
{
    (void)state;
    struct csn_certificate bad = good;
    sign_vote(&bad.held, 4, &bad.votes[1]);
    assert_int_equal(check(&bad), CSN_EREFUSED);
    bad = good;
    bad.votes[1].incarnation = 2;
    assert_int_equal(check(&bad), CSN_EREFUSED);
    bad = good;
    bad.votes[1].site = 2; /* the signature is site 3's */
    assert_int_equal(check(&bad), CSN_ESIGNATURE);
}

static void test_other_cluster_or_epoch_is_refused(void **state)
{
    (void)state;
    struct csn_certificate bad = good;
    bad.held.proposal.cluster[0] ^= 1;
    assert_int_equal(check(&bad), CSN_EREFUSED);
    bad = good;
    bad.held.proposal.environment = 0;
    assert_int_equal(check(&bad), CSN_EREFUSED);
    bad = good;
    bad.held.proposal.epoch++;
    assert_int_equal(check(&bad), CSN_EREFUSED);
    bad = good;
    bad.held.proposal.epoch_digest.octets[0] ^= 1;
    assert_int_equal(check(&bad), CSN_EREFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificate_is_the_golden_octets),
        cmocka_unit_test(test_certificate_comes_back_and_verifies),
        cmocka_unit_test(test_a_vote_is_of_a_member_and_its_incarnation),
        cmocka_unit_test(test_cut_or_longer_certificate_is_refused),
        cmocka_unit_test(test_changed_octet_is_refused),
        cmocka_unit_test(test_votes_doubled_or_descending_are_refused),
        cmocka_unit_test(test_too_few_or_too_many_votes_are_refused),
        cmocka_unit_test(test_votes_of_strangers_are_refused),
        cmocka_unit_test(test_other_cluster_or_epoch_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
