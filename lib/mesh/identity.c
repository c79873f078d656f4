#include "mesh/identity.h"

#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/fs.h"

#define FILE_MAX 4096

struct csn_site_key {
    EVP_PKEY *key; /* owns */
    uint8_t public_key[CSN_IDENTITY_KEY_SIZE];
};

/* A daemon has nobody to ask for a passphrase: an encrypted key is refused instead of prompting on
 * the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static EVP_PKEY *parse(struct csn_bytes pem)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    BIO_free(bio);
    return key;
}

int csn_identity_load(const char *path, struct csn_site_key **ret_key, struct csn_reason *reason)
{
    struct csn_buf pem = {0};
    int code = csn_fs_read_secret(path, FILE_MAX, &pem, reason);
    if (code != CSN_OK) {
        csn_buf_fini(&pem);
        return code;
    }
    EVP_PKEY *key = parse(csn_buf_view(&pem));
    csn_wipe(pem.data, pem.size);
    csn_buf_fini(&pem);
    struct csn_site_key *site = csn_calloc(1, sizeof(*site));
    site->key = key;
    size_t size = sizeof(site->public_key);
    if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(key, site->public_key, &size) != 1) {
        csn_identity_free(site);
        return csn_reason_set(reason, CSN_EFORMAT,
                              "%s: not an unencrypted Ed25519 private key in PEM; make one with "
                              "openssl genpkey -algorithm ed25519",
                              path);
    }
    *ret_key = site;
    return CSN_OK;
}

static EVP_PKEY *generate(void)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, NULL);
    if (context != NULL && EVP_PKEY_keygen_init(context) == 1) {
        EVP_PKEY_keygen(context, &key);
    }
    EVP_PKEY_CTX_free(context);
    return key;
}

static int write_key(const char *path, EVP_PKEY *key, struct csn_reason *reason)
{
    char *pem = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    bool good = bio != NULL && key != NULL &&
                PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    long size = good ? BIO_get_mem_data(bio, &pem) : 0;
    int code = good ? csn_fs_write(path, csn_bytes((uint8_t *)pem, (size_t)size), 0600, reason)
                    : csn_reason_set(reason, CSN_ECRYPTO, "%s: no key could be made", path);
    if (pem != NULL) {
        csn_wipe(pem, (size_t)size);
    }
    BIO_free(bio);
    return code;
}

int csn_identity_make(const char *path, struct csn_site_key **ret_key, struct csn_reason *reason)
{
    if (access(path, F_OK) == 0) {
        return csn_reason_set(reason, CSN_EEXISTS,
                              "%s: is there already, and a key is never written over", path);
    }
    EVP_PKEY *key = generate();
    int code = write_key(path, key, reason);
    EVP_PKEY_free(key);
    return code == CSN_OK ? csn_identity_load(path, ret_key, reason) : code;
}

void csn_identity_free(struct csn_site_key *take_key)
{
    if (take_key != NULL) {
        EVP_PKEY_free(take_key->key);
        free(take_key);
    }
}

const uint8_t *csn_identity_key(const struct csn_site_key *site)
{
    return site->public_key;
}

int csn_identity_sign(const struct csn_site_key *site, struct csn_bytes data,
                      uint8_t ret_signature[CSN_IDENTITY_SIGNATURE_SIZE])
{
    uint8_t signature[CSN_IDENTITY_SIGNATURE_SIZE];
    size_t size = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, site->key) == 1 &&
                EVP_DigestSign(context, signature, &size, data.data, data.size) == 1 &&
                size == sizeof(signature);
    EVP_MD_CTX_free(context);
    if (!good) {
        return CSN_ECRYPTO;
    }
    for (size_t i = 0; i < sizeof(signature); i++) {
        ret_signature[i] = signature[i];
    }
    return CSN_OK;
}

int csn_identity_verify(const uint8_t key[CSN_IDENTITY_KEY_SIZE], struct csn_bytes data,
                        const uint8_t signature[CSN_IDENTITY_SIGNATURE_SIZE])
{
    EVP_PKEY *public_key =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, CSN_IDENTITY_KEY_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int code = CSN_ECRYPTO;
    if (public_key != NULL && context != NULL &&
        EVP_DigestVerifyInit(context, NULL, NULL, NULL, public_key) == 1) {
        int good =
            EVP_DigestVerify(context, signature, CSN_IDENTITY_SIGNATURE_SIZE, data.data, data.size);
        code = good == 1 ? CSN_OK : CSN_ESIGNATURE;
    }
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public_key);
    return code;
}
