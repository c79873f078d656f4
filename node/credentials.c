#include "credentials.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/fs.h"
#include "base/text.h"
#include "mesh/identity.h"

#define PEM_MAX ((size_t)64 * 1024) /* as the mesh reads it */

static int check_site_key(const char *path, const char *name, const uint8_t key[CSN_ED25519_SIZE],
                          struct csn_reason *reason)
{
    struct csn_site_key *own = NULL;
    char has[2 * CSN_ED25519_SIZE + 1], needs[2 * CSN_ED25519_SIZE + 1];
    int code = csn_identity_load(path, &own, reason);
    if (code == CSN_OK && memcmp(csn_identity_key(own), key, CSN_ED25519_SIZE) != 0) {
        csn_hex_encode(csn_bytes(csn_identity_key(own), CSN_ED25519_SIZE), has);
        csn_hex_encode(csn_bytes(key, CSN_ED25519_SIZE), needs);
        code = csn_reason_set(reason, CSN_EMISMATCH,
                              "%s: not the key of %s: its public half is %s, the cluster document "
                              "lists %s",
                              path, name, has, needs);
    }
    csn_identity_free(own);
    return code;
}

/* A daemon has nobody to ask for a passphrase. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf, (void)size, (void)rwflag, (void)arg;
    return -1;
}

static int check_certificate(const char *path, const char *name, X509 *certificate, EVP_PKEY *key,
                             struct csn_reason *reason)
{
    if (certificate == NULL || key == NULL) {
        return csn_reason_set(reason, CSN_EFORMAT,
                              "%s: expected a certificate and its unencrypted private key, in PEM",
                              path);
    }
    if (X509_check_private_key(certificate, key) != 1) {
        return csn_reason_set(reason, CSN_EMISMATCH,
                              "%s: the private key in it is not the certificate's", path);
    }
    if (name != NULL && X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                                        NULL) != 1) {
        return csn_reason_set(reason, CSN_EMISMATCH,
                              "%s: the certificate is not for %s: the site's name must stand in it "
                              "as subjectAltName DNS:%s",
                              path, name, name);
    }
    return CSN_OK;
}

static int check_tls(const char *path, const char *name, struct csn_reason *reason)
{
    struct csn_buf pem = {0};
    int code = csn_fs_read_secret(path, PEM_MAX, &pem, reason);
    if (code == CSN_OK) {
        BIO *first = BIO_new_mem_buf(pem.data, (int)pem.size);
        BIO *second = BIO_new_mem_buf(pem.data, (int)pem.size);
        INSIST(first != NULL && second != NULL);
        X509 *certificate = PEM_read_bio_X509(first, NULL, no_passphrase, NULL);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(second, NULL, no_passphrase, NULL);
        code = check_certificate(path, name, certificate, key, reason);
        ERR_clear_error();
        EVP_PKEY_free(key);
        X509_free(certificate);
        BIO_free(first);
        BIO_free(second);
    }
    if (pem.data != NULL) {
        csn_wipe(pem.data, pem.size);
    }
    csn_buf_fini(&pem);
    return code;
}

int csn_credentials_check(const struct csn_identity *identity, const char *name,
                          const uint8_t key[CSN_ED25519_SIZE], bool is_site,
                          struct csn_reason *reason)
{
    int code = check_site_key(identity->key, name, key, reason);
    return code == CSN_OK ? check_tls(identity->tls, is_site ? name : NULL, reason) : code;
}
