#include "hsm/backend.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/fs.h"

#define PEM_MAX 16384
#define KEYS_MAX 32

struct store {
    const char *folder; /* borrows from the settings */
};

struct loaded {
    char label[CSN_HSM_LABEL_MAX + 1];
    EVP_PKEY *pkey;        /* owns */
    EVP_PKEY_CTX *context; /* owns; ready to sign; NULL for Ed25519 */
};

struct session {
    const struct store *store; /* borrows */
    struct loaded keys[KEYS_MAX];
    size_t count;
};

static int store_open(const struct csn_backend_settings *settings, void **ret_store,
                      struct csn_reason *reason)
{
    (void)reason;
    struct store *store = csn_calloc(1, sizeof(*store));
    store->folder = strchr(settings->token, ':') + 1;
    *ret_store = store;
    return CSN_OK;
}

static int session_open(void *store, void **ret_session, struct csn_reason *reason)
{
    (void)reason;
    struct session *session = csn_calloc(1, sizeof(*session));
    session->store = store;
    *ret_session = session;
    return CSN_OK;
}

static int path_of(const struct session *session, const struct csn_hsm_key *key,
                   char ret_path[PATH_MAX], struct csn_reason *reason)
{
    if (key->label == NULL || !csn_hsm_label_is_good(key->label)) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "software keys are files named by their label: A-Z a-z 0-9 . _ -");
    }
    if (snprintf(ret_path, PATH_MAX, "%s/%s.pem", session->store->folder, key->label) >= PATH_MAX) {
        return csn_reason_set(reason, CSN_ELIMIT, "%s: path too long", session->store->folder);
    }
    return CSN_OK;
}

static int load(const struct session *session, const struct csn_hsm_key *key, EVP_PKEY **ret_pkey,
                struct csn_reason *reason)
{
    char path[PATH_MAX];
    struct csn_buf pem = {0};
    int code = path_of(session, key, path, reason);
    if (code == CSN_OK) {
        code = csn_fs_read_secret(path, PEM_MAX, &pem, reason);
        code =
            code == CSN_EPERMISSION ? CSN_EREFUSED : code; /* CSN_EPERMISSION speaks of the PIN */
    }
    if (code == CSN_OK) {
        BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
        *ret_pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        BIO_free(bio);
        code = *ret_pkey != NULL
                   ? CSN_OK
                   : csn_reason_set(reason, CSN_EREFUSED, "%s: no PEM private key", path);
    }
    if (pem.data != NULL) {
        csn_wipe(pem.data, pem.size_max);
    }
    csn_buf_fini(&pem);
    return code;
}

static int prepare(struct loaded *loaded)
{
    if (EVP_PKEY_get_id(loaded->pkey) == EVP_PKEY_ED25519) {
        return CSN_OK;
    }
    loaded->context = EVP_PKEY_CTX_new(loaded->pkey, NULL);
    if (EVP_PKEY_sign_init(loaded->context) != 1) {
        return CSN_ECRYPTO;
    }
    bool is_rsa = EVP_PKEY_get_id(loaded->pkey) == EVP_PKEY_RSA;
    return !is_rsa || EVP_PKEY_CTX_set_rsa_padding(loaded->context, RSA_PKCS1_PADDING) == 1
               ? CSN_OK
               : CSN_ECRYPTO;
}

static int find(struct session *session, const struct csn_hsm_key *key, struct loaded **ret_loaded,
                struct csn_reason *reason)
{
    for (size_t i = 0; key->label != NULL && i < session->count; i++) {
        if (strcmp(session->keys[i].label, key->label) == 0) {
            *ret_loaded = &session->keys[i];
            return CSN_OK;
        }
    }
    if (session->count == KEYS_MAX) {
        return csn_reason_set(reason, CSN_ELIMIT, "more than %d software keys in use", KEYS_MAX);
    }
    struct loaded loaded = {0};
    int code = load(session, key, &loaded.pkey, reason);
    if (code == CSN_OK) {
        code = prepare(&loaded);
    }
    if (code != CSN_OK) {
        EVP_PKEY_CTX_free(loaded.context);
        EVP_PKEY_free(loaded.pkey);
        return code;
    }
    snprintf(loaded.label, sizeof(loaded.label), "%s", key->label);
    session->keys[session->count] = loaded;
    *ret_loaded = &session->keys[session->count++];
    return CSN_OK;
}

static int put_rsa_public(EVP_PKEY *pkey, struct csn_buf *buf)
{
    uint8_t exponent[512], modulus[512];
    BIGNUM *e = NULL, *n = NULL;
    int code = CSN_ECRYPTO;
    if (EVP_PKEY_get_bn_param(pkey, "e", &e) == 1 && EVP_PKEY_get_bn_param(pkey, "n", &n) == 1 &&
        BN_num_bytes(n) <= 512) {
        csn_hsm_rsa_public(csn_bytes(exponent, (size_t)BN_bn2bin(e, exponent)),
                           csn_bytes(modulus, (size_t)BN_bn2bin(n, modulus)), buf);
        code = CSN_OK;
    }
    BN_free(e);
    BN_free(n);
    return code;
}

static int put_public(EVP_PKEY *pkey, struct csn_buf *buf, uint8_t *ret_algorithm)
{
    uint8_t point[97];
    size_t size = sizeof(point);
    switch (EVP_PKEY_get_id(pkey)) {
    case EVP_PKEY_RSA:
        *ret_algorithm = CSN_HSM_RSASHA256;
        return put_rsa_public(pkey, buf);
    case EVP_PKEY_ED25519:
        *ret_algorithm = CSN_HSM_ED25519;
        if (EVP_PKEY_get_raw_public_key(pkey, point, &size) != 1) {
            return CSN_ECRYPTO;
        }
        csn_buf_put(buf, point, size);
        return CSN_OK;
    default:
        if (EVP_PKEY_get_octet_string_param(pkey, "pub", point, sizeof(point), &size) != 1 ||
            (size != 65 && size != 97)) {
            return CSN_EREFUSED;
        }
        *ret_algorithm = size == 65 ? CSN_HSM_ECDSA_P256 : CSN_HSM_ECDSA_P384;
        csn_buf_put(buf, point + 1,
                    size - 1); /* without the 04 of an uncompressed point (RFC 6605 4) */
        return CSN_OK;
    }
}

static int software_public(void *arg, const struct csn_hsm_key *key, struct csn_buf *buf,
                           uint8_t *ret_algorithm, struct csn_reason *reason)
{
    struct loaded *loaded;
    int code = find(arg, key, &loaded, reason);
    if (code == CSN_OK) {
        code = put_public(loaded->pkey, buf, ret_algorithm);
    }
    return code == CSN_ECRYPTO
               ? csn_reason_set(reason, code, "%s: public key not readable", key->label)
               : code;
}

/* DER to r|s (RFC 6605 4). */
static int raw_ecdsa(const uint8_t *der, size_t size, size_t half,
                     struct csn_backend_signature *ret_signature)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)size);
    if (pair == NULL) {
        return CSN_ECRYPTO;
    }
    int width = (int)half;
    bool good = BN_bn2binpad(ECDSA_SIG_get0_r(pair), ret_signature->octets, width) == width &&
                BN_bn2binpad(ECDSA_SIG_get0_s(pair), ret_signature->octets + half, width) == width;
    ECDSA_SIG_free(pair);
    ret_signature->size = 2 * half;
    return good ? CSN_OK : CSN_ECRYPTO;
}

static int sign_ed25519(EVP_PKEY *pkey, struct csn_bytes input,
                        struct csn_backend_signature *ret_signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = sizeof(ret_signature->octets);
    bool good = EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1 &&
                EVP_DigestSign(context, ret_signature->octets, &size, input.data, input.size) == 1;
    EVP_MD_CTX_free(context);
    ret_signature->size = size;
    return good ? CSN_OK : CSN_ECRYPTO;
}

static int sign_with_context(const struct loaded *loaded, uint8_t algorithm, struct csn_bytes input,
                             struct csn_backend_signature *ret_signature)
{
    uint8_t octets[CSN_HSM_SIGNATURE_MAX];
    size_t size = sizeof(octets);
    if (EVP_PKEY_sign(loaded->context, octets, &size, input.data, input.size) != 1) {
        return CSN_ECRYPTO;
    }
    if (algorithm == CSN_HSM_ECDSA_P256 || algorithm == CSN_HSM_ECDSA_P384) {
        return raw_ecdsa(octets, size, algorithm == CSN_HSM_ECDSA_P256 ? 32 : 48, ret_signature);
    }
    memcpy(ret_signature->octets, octets, size);
    ret_signature->size = size;
    return CSN_OK;
}

static bool key_fits(EVP_PKEY *pkey, uint8_t algorithm)
{
    switch (EVP_PKEY_get_id(pkey)) {
    case EVP_PKEY_RSA:
        return (algorithm == CSN_HSM_RSASHA256 || algorithm == CSN_HSM_RSASHA512) &&
               EVP_PKEY_get_size(pkey) <= CSN_HSM_SIGNATURE_MAX;
    case EVP_PKEY_ED25519:
        return algorithm == CSN_HSM_ED25519;
    case EVP_PKEY_EC:
        return algorithm ==
               (EVP_PKEY_get_bits(pkey) == 256 ? CSN_HSM_ECDSA_P256 : CSN_HSM_ECDSA_P384);
    default:
        return false;
    }
}

static int software_sign(void *arg, const struct csn_hsm_key *key, uint8_t algorithm,
                         struct csn_bytes input, struct csn_backend_signature *ret_signature,
                         struct csn_reason *reason)
{
    struct loaded *loaded;
    int code = find(arg, key, &loaded, reason);
    if (code != CSN_OK) {
        return code;
    }
    if (!key_fits(loaded->pkey, algorithm)) {
        return csn_reason_set(reason, CSN_EREFUSED, "%s: not a key of algorithm %u", key->label,
                              algorithm);
    }
    code = loaded->context == NULL ? sign_ed25519(loaded->pkey, input, ret_signature)
                                   : sign_with_context(loaded, algorithm, input, ret_signature);
    return code == CSN_OK
               ? code
               : csn_reason_set(reason, CSN_EHSM, "%s: OpenSSL does not sign", key->label);
}

static EVP_PKEY *make(enum csn_hsm_kind kind)
{
    switch (kind) {
    case CSN_HSM_KIND_P256:
        return EVP_EC_gen("P-256");
    case CSN_HSM_KIND_P384:
        return EVP_EC_gen("P-384");
    case CSN_HSM_KIND_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    case CSN_HSM_KIND_RSA2048:
        return EVP_RSA_gen(2048);
    case CSN_HSM_KIND_RSA3072:
        return EVP_RSA_gen(3072);
    default:
        return NULL; /* no transport of files */
    }
}

static int software_generate(void *arg, const struct csn_hsm_key *key, enum csn_hsm_kind kind,
                             bool is_exportable, struct csn_reason *reason)
{
    (void)is_exportable;
    char path[PATH_MAX];
    struct csn_buf there = {0};
    int code = path_of(arg, key, path, reason);
    if (code != CSN_OK) {
        return code;
    }
    code = csn_fs_read(path, PEM_MAX, &there, reason);
    csn_buf_fini(&there);
    if (code != CSN_ENOTFOUND) {
        return csn_reason_set(reason, CSN_EEXISTS, "%s exists already", path);
    }
    EVP_PKEY *pkey = make(kind);
    if (pkey == NULL) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "the software back end does not make this kind of key");
    }
    BIO *bio = BIO_new(BIO_s_secmem());
    char *pem = NULL;
    code = PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1 ? CSN_OK
                                                                                    : CSN_ECRYPTO;
    long size = BIO_get_mem_data(bio, &pem);
    if (code == CSN_OK) {
        code = csn_fs_write(path, csn_bytes(pem, (size_t)size), 0600, reason);
    }
    BIO_free(bio); /* wipes */
    EVP_PKEY_free(pkey);
    return code;
}

const struct csn_backend csn_backend_software = {
    .open = store_open,
    .session = session_open,
    .public_key = software_public,
    .sign = software_sign,
    .generate = software_generate,
};
