/* Goal: a document counts only with enough good signatures of the officers before it, each over its
 * own place and these octets. Method: one is signed with OpenSSL by two of three officers; then each
 * way to spoil it must be refused. */
#include "round/signed_document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

static const char text[] = "epoch: 2\n";

static EVP_PKEY *make_key(uint8_t seed, uint8_t ret_public[CSN_ED25519_SIZE])
{
    uint8_t octets[32];
    size_t size = CSN_ED25519_SIZE;
    memset(octets, seed, sizeof(octets));
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, octets, sizeof(octets));
    assert_int_equal(EVP_PKEY_get_raw_public_key(key, ret_public, &size), 1);
    return key;
}

/* Three officers with seeds 1, 2, 3; two are needed. */
static struct csn_officers make_officers(void)
{
    struct csn_officers officers = {.needed = 2, .count = 3};
    for (uint8_t i = 0; i < 3; i++) {
        EVP_PKEY_free(make_key((uint8_t)(i + 1), officers.keys[i].key));
        officers.keys[i].name[0] = (char)('a' + i);
    }
    return officers;
}

static void sign(struct csn_signed_document *document, uint16_t officer)
{
    struct csn_officer_signature *signature = &document->signatures[document->count++];
    struct csn_buf message = {0};
    uint8_t public[CSN_ED25519_SIZE];
    size_t size = CSN_SIGNATURE_SIZE;
    EVP_PKEY *key = make_key((uint8_t)officer, public);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    signature->officer = officer;
    csn_document_signed(officer, document->document, &message);
    assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, key), 1);
    assert_int_equal(
        EVP_DigestSign(context, signature->signature, &size, message.data, message.size), 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    csn_buf_fini(&message);
}

static struct csn_signed_document make(uint16_t first, uint16_t second)
{
    struct csn_signed_document document = {.document = csn_bytes(text, strlen(text))};
    sign(&document, first);
    if (second > 0) {
        sign(&document, second);
    }
    return document;
}

static void assert_refused(const struct csn_signed_document *document,
                           const struct csn_officers *officers, int expected, const char *word)
{
    struct csn_reason reason = {{0}};
    assert_int_equal(csn_signed_document_check(document, officers, csn_ed25519_verify, NULL, &reason),
                     expected);
    assert_non_null(strstr(reason.text, word));
}

static void test_document_passes_with_enough_officers(void **state)
{
    (void)state;
    struct csn_officers officers = make_officers();
    struct csn_signed_document document = make(1, 3), again;
    struct csn_buf octets = {0};
    csn_signed_document_encode(&document, &octets);
    assert_int_equal(csn_signed_document_decode(csn_buf_view(&octets), &again), CSN_OK);
    assert_int_equal(again.count, 2);
    assert_true(csn_bytes_equal(again.document, document.document));
    assert_int_equal(csn_signed_document_check(&again, &officers, csn_ed25519_verify, NULL, NULL),
                     CSN_OK);
    csn_buf_fini(&octets);
}

static void test_document_is_refused_with_too_few_or_strange_officers(void **state)
{
    (void)state;
    struct csn_officers officers = make_officers(), nobody = {0};
    struct csn_signed_document lone = make(1, 0), stranger = make(1, 4), good = make(1, 2);
    assert_refused(&lone, &officers, CSN_EREFUSED, "2 of 3 are needed");
    assert_refused(&stranger, &officers, CSN_EREFUSED, "officer 4");
    assert_refused(&good, &nobody, CSN_EREFUSED, "no officers");
    good.signatures[1].signature[7] ^= 1;
    assert_refused(&good, &officers, CSN_ESIGNATURE, "officer b");
}

/* A signature holds for its officer's place and for the octets it was made over. */
static void test_document_is_refused_with_a_signature_of_other_octets_or_place(void **state)
{
    (void)state;
    static const char other[] = "epoch: 3\n";
    struct csn_officers officers = make_officers();
    struct csn_signed_document document = make(1, 2);
    document.document = csn_bytes(other, strlen(other));
    assert_refused(&document, &officers, CSN_ESIGNATURE, "officer a");
    document = make(1, 2);
    document.signatures[1].officer = 3;
    assert_refused(&document, &officers, CSN_ESIGNATURE, "officer c");
}

static void test_document_is_refused_in_another_form(void **state)
{
    (void)state;
    struct csn_signed_document document = make(1, 2), ignored;
    struct csn_buf octets = {0};
    csn_signed_document_encode(&document, &octets);
    assert_int_equal(
        csn_signed_document_decode(csn_bytes(octets.data, octets.size - 1), &ignored), CSN_EFORMAT);
    csn_buf_put_u8(&octets, 0);
    assert_int_equal(csn_signed_document_decode(csn_buf_view(&octets), &ignored), CSN_EFORMAT);
    csn_buf_clear(&octets);
    document.signatures[1].officer = 1; /* twice is not two */
    csn_signed_document_encode(&document, &octets);
    assert_int_equal(csn_signed_document_decode(csn_buf_view(&octets), &ignored), CSN_EFORMAT);
    csn_buf_fini(&octets);
}

static void test_link_comes_back(void **state)
{
    (void)state;
    struct csn_link link = {csn_bytes("document", 8), csn_bytes("certificate", 11)}, again;
    struct csn_buf octets = {0};
    csn_link_encode(&link, &octets);
    assert_int_equal(csn_link_decode(csn_buf_view(&octets), &again), CSN_OK);
    assert_true(csn_bytes_equal(again.document, link.document));
    assert_true(csn_bytes_equal(again.certificate, link.certificate));
    csn_buf_put_u8(&octets, 0);
    assert_int_equal(csn_link_decode(csn_buf_view(&octets), &again), CSN_EFORMAT);
    csn_buf_fini(&octets);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document_passes_with_enough_officers),
        cmocka_unit_test(test_document_is_refused_with_too_few_or_strange_officers),
        cmocka_unit_test(test_document_is_refused_with_a_signature_of_other_octets_or_place),
        cmocka_unit_test(test_document_is_refused_in_another_form),
        cmocka_unit_test(test_link_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
