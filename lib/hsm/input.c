#include "hsm/input.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "base/error.h"
#include "hsm/key.h"

#define DNSKEY_HEAD 4 /* flags, protocol, algorithm (RFC 4034 2.1) */
#define DNSKEY_ALGORITHM 3

/* DER of DigestInfo up to the digest (RFC 8017 9.2 note 1). */
static const uint8_t info_sha256[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                      0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
static const uint8_t info_sha512[] = {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                      0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40};

static int put_sha512(struct csn_bytes data, struct csn_buf *buf)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (!EVP_Q_digest(NULL, "SHA512", NULL, data.data, data.size, digest, NULL)) {
        return CSN_ECRYPTO;
    }
    csn_buf_put(buf, info_sha512, sizeof(info_sha512));
    csn_buf_put(buf, digest, 64);
    return CSN_OK;
}

int csn_hsm_digest(struct csn_hasher *hasher, uint8_t algorithm, struct csn_bytes data,
                   struct csn_buf *buf)
{
    struct csn_digest sha384;
    uint8_t sha256[CSN_SHA256_SIZE];
    switch (algorithm) {
    case CSN_HSM_ED25519:
        csn_buf_put_bytes(buf, data);
        return CSN_OK;
    case CSN_HSM_ECDSA_P384:
        csn_hasher_sha384(hasher, data, &sha384);
        csn_buf_put(buf, sha384.octets, sizeof(sha384.octets));
        return CSN_OK;
    case CSN_HSM_RSASHA256:
        csn_buf_put(buf, info_sha256, sizeof(info_sha256));
        /* fall through */
    case CSN_HSM_ECDSA_P256:
        csn_hasher_sha256(hasher, data, sha256);
        csn_buf_put(buf, sha256, sizeof(sha256));
        return CSN_OK;
    case CSN_HSM_RSASHA512:
        return put_sha512(data, buf);
    default:
        return CSN_EREFUSED;
    }
}

bool csn_hsm_signature_fits(uint8_t algorithm, size_t size)
{
    switch (algorithm) {
    case CSN_HSM_ECDSA_P256:
    case CSN_HSM_ED25519:
        return size == 64;
    case CSN_HSM_ECDSA_P384:
        return size == 96;
    case CSN_HSM_RSASHA256:
    case CSN_HSM_RSASHA512:
        return size >= 64 && size <= CSN_HSM_SIGNATURE_MAX;
    default:
        return false;
    }
}

static struct csn_bytes without_zeros(struct csn_bytes number)
{
    while (number.size > 0 && number.data[0] == 0) {
        number = csn_bytes(number.data + 1, number.size - 1);
    }
    return number;
}

void csn_hsm_rsa_public(struct csn_bytes exponent, struct csn_bytes modulus, struct csn_buf *buf)
{
    exponent = without_zeros(exponent);
    modulus = without_zeros(modulus);
    if (exponent.size < 256) {
        csn_buf_put_u8(buf, (uint8_t)exponent.size);
    } else {
        csn_buf_put_u8(buf, 0);
        csn_buf_put_u16(buf, (uint16_t)exponent.size);
    }
    csn_buf_put_bytes(buf, exponent);
    csn_buf_put_bytes(buf, modulus);
}

int csn_hsm_rsa_parse(struct csn_bytes public_key, struct csn_bytes *ret_exponent,
                      struct csn_bytes *ret_modulus)
{
    struct csn_reader reader = csn_reader(public_key);
    size_t size = csn_read_u8(&reader);
    if (size == 0) {
        size = csn_read_u16(&reader);
    }
    struct csn_bytes exponent = without_zeros(csn_read_bytes(&reader, size));
    struct csn_bytes modulus = without_zeros(csn_read_bytes(&reader, csn_reader_left(&reader)));
    if (reader.failed || exponent.size == 0 || modulus.size < 64 ||
        modulus.size > CSN_HSM_SIGNATURE_MAX) {
        return CSN_EFORMAT;
    }
    *ret_exponent = exponent;
    *ret_modulus = modulus;
    return CSN_OK;
}

static bool is_rsa(uint8_t algorithm)
{
    return algorithm == CSN_HSM_RSASHA256 || algorithm == CSN_HSM_RSASHA512;
}

bool csn_hsm_public_matches(struct csn_bytes public_key, struct csn_bytes dnskey)
{
    if (dnskey.size <= DNSKEY_HEAD) {
        return false;
    }
    struct csn_bytes wanted = csn_bytes(dnskey.data + DNSKEY_HEAD, dnskey.size - DNSKEY_HEAD);
    if (!is_rsa(dnskey.data[DNSKEY_ALGORITHM])) {
        return csn_bytes_equal(public_key, wanted);
    }
    struct csn_bytes exponent, modulus, wanted_exponent, wanted_modulus;
    return csn_hsm_rsa_parse(public_key, &exponent, &modulus) == CSN_OK &&
           csn_hsm_rsa_parse(wanted, &wanted_exponent, &wanted_modulus) == CSN_OK &&
           csn_bytes_equal(exponent, wanted_exponent) && csn_bytes_equal(modulus, wanted_modulus);
}

static bool is_ours(uint8_t algorithm)
{
    return is_rsa(algorithm) || algorithm == CSN_HSM_ECDSA_P256 ||
           algorithm == CSN_HSM_ECDSA_P384 || algorithm == CSN_HSM_ED25519;
}

static EVP_PKEY *key_from_params(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params != NULL && context != NULL && EVP_PKEY_fromdata_init(context) == 1) {
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params);
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *ec_key(const char *group, size_t size, struct csn_bytes public_key)
{
    uint8_t point[97] = {POINT_CONVERSION_UNCOMPRESSED};
    if (public_key.size != size) {
        return NULL;
    }
    memcpy(point + 1, public_key.data, size);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, size + 1);
    EVP_PKEY *key = key_from_params("EC", build);
    OSSL_PARAM_BLD_free(build);
    return key;
}

static EVP_PKEY *rsa_key(struct csn_bytes public_key)
{
    struct csn_bytes exponent, modulus;
    if (csn_hsm_rsa_parse(public_key, &exponent, &modulus) != CSN_OK || exponent.size > 8) {
        return NULL;
    }
    BIGNUM *n = BN_bin2bn(modulus.data, (int)modulus.size, NULL);
    BIGNUM *e = BN_bin2bn(exponent.data, (int)exponent.size, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
    EVP_PKEY *key = key_from_params("RSA", build);
    OSSL_PARAM_BLD_free(build);
    BN_free(n);
    BN_free(e);
    return key;
}

static EVP_PKEY *public_key_open(uint8_t algorithm, struct csn_bytes public_key)
{
    switch (algorithm) {
    case CSN_HSM_ECDSA_P256:
        return ec_key("P-256", 64, public_key);
    case CSN_HSM_ECDSA_P384:
        return ec_key("P-384", 96, public_key);
    case CSN_HSM_ED25519:
        return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key.data,
                                           public_key.size);
    default:
        return rsa_key(public_key);
    }
}

/* r|s to the DER that OpenSSL verifies; anything else unchanged. Appended to `buf`. */
static int put_openssl_signature(uint8_t algorithm, struct csn_bytes signature, struct csn_buf *buf)
{
    if (algorithm != CSN_HSM_ECDSA_P256 && algorithm != CSN_HSM_ECDSA_P384) {
        csn_buf_put_bytes(buf, signature);
        return CSN_OK;
    }
    int half = (int)(signature.size / 2);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.data, half, NULL);
    BIGNUM *s = BN_bin2bn(signature.data + half, half, NULL);
    uint8_t *der = NULL;
    ECDSA_SIG_set0(pair, r, s);
    int size = i2d_ECDSA_SIG(pair, &der);
    if (size > 0) {
        csn_buf_put(buf, der, (size_t)size);
    }
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
    return size > 0 ? CSN_OK : CSN_ECRYPTO;
}

static const char *hash_of(uint8_t algorithm)
{
    switch (algorithm) {
    case CSN_HSM_ED25519:
        return NULL;
    case CSN_HSM_ECDSA_P384:
        return "SHA384";
    case CSN_HSM_RSASHA512:
        return "SHA512";
    default:
        return "SHA256";
    }
}

int csn_hsm_verify(struct csn_bytes dnskey, struct csn_bytes data, struct csn_bytes signature)
{
    if (dnskey.size <= DNSKEY_HEAD) {
        return CSN_EFORMAT;
    }
    uint8_t algorithm = dnskey.data[DNSKEY_ALGORITHM];
    if (!csn_hsm_signature_fits(algorithm, signature.size)) {
        return is_ours(algorithm) ? CSN_ESIGNATURE : CSN_EREFUSED;
    }
    EVP_PKEY *key =
        public_key_open(algorithm, csn_bytes(dnskey.data + DNSKEY_HEAD, dnskey.size - DNSKEY_HEAD));
    if (key == NULL) {
        return CSN_EFORMAT;
    }
    struct csn_buf wire = {0};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int code = put_openssl_signature(algorithm, signature, &wire);
    if (code == CSN_OK &&
        EVP_DigestVerifyInit_ex(context, NULL, hash_of(algorithm), NULL, NULL, key, NULL) != 1) {
        code = CSN_ECRYPTO;
    }
    if (code == CSN_OK &&
        EVP_DigestVerify(context, wire.data, wire.size, data.data, data.size) != 1) {
        code = CSN_ESIGNATURE;
    }
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    csn_buf_fini(&wire);
    return code;
}

bool csn_hsm_label_is_good(const char *label)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = strlen(label);
    return size > 0 && size <= CSN_HSM_LABEL_MAX && label[0] != '.' && strspn(label, good) == size;
}

struct csn_bytes csn_hsm_canary_data(void)
{
    static const char data[] = "consign canary: these octets are no RRset";
    return csn_bytes(data, sizeof(data) - 1);
}
