#include "credentials.h"

#include <string.h>
#include <time.h>

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

/* What tls.pem and ca.pem hold. */
struct chain {
    STACK_OF(X509) *own; /* owns; the certificate, then those between it and the CA */
    STACK_OF(X509) *ca;  /* owns */
    EVP_PKEY *key;       /* owns; may be NULL */
};

static STACK_OF(X509) *read_certificates(const struct csn_buf *pem)
{
    STACK_OF(X509) *certificates = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->size);
    X509 *certificate;
    INSIST(bio != NULL && certificates != NULL);
    while ((certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        INSIST(sk_X509_push(certificates, certificate) > 0);
    }
    BIO_free(bio);
    ERR_clear_error();
    return certificates;
}

static int read_own(const char *path, struct chain *chain, struct csn_reason *reason)
{
    struct csn_buf pem = {0};
    int code = csn_fs_read_secret(path, PEM_MAX, &pem, reason);
    if (code == CSN_OK) {
        BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
        INSIST(bio != NULL);
        chain->own = read_certificates(&pem);
        chain->key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
        BIO_free(bio);
        ERR_clear_error();
    }
    if (pem.data != NULL) {
        csn_wipe(pem.data, pem.size);
    }
    csn_buf_fini(&pem);
    return code;
}

static int read_ca(const char *path, struct chain *chain, struct csn_reason *reason)
{
    struct csn_buf pem = {0};
    int code = csn_fs_read(path, PEM_MAX, &pem, reason);
    if (code == CSN_OK) {
        chain->ca = read_certificates(&pem);
        if (sk_X509_num(chain->ca) == 0) {
            code = csn_reason_set(reason, CSN_EFORMAT,
                                  "%s: expected the certificate of the cluster's CA, in PEM", path);
        }
    }
    csn_buf_fini(&pem);
    return code;
}

/* Anything that ca.pem lists is trusted, as the mesh does; OpenSSL's first error or X509_V_OK, and
 * the certificate it is about. */
static int verify(const struct chain *chain, uint64_t now_s, X509 **ret_at)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    INSIST(store != NULL && context != NULL);
    for (int i = 0; i < sk_X509_num(chain->ca); i++) {
        INSIST(X509_STORE_add_cert(store, sk_X509_value(chain->ca, i)) == 1);
    }
    INSIST(X509_STORE_CTX_init(context, store, sk_X509_value(chain->own, 0), chain->own) == 1);
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_PARTIAL_CHAIN);
    X509_STORE_CTX_set_time(context, 0, (time_t)now_s);
    int error = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    *ret_at = X509_STORE_CTX_get_current_cert(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return error;
}

static void time_text(const ASN1_TIME *time, char ret_text[CSN_TIME_TEXT_SIZE])
{
    struct tm tm;
    ret_text[0] = '\0';
    if (ASN1_TIME_to_tm(time, &tm) == 1) {
        csn_time_text((uint64_t)timegm(&tm), ret_text);
    }
}

/* "ca: " or "tls: " is the key of the configuration by which the one at fault is named. */
static int refuse_at(const struct csn_identity *identity, bool is_ca, struct csn_reason *reason,
                     const char *what, const char *detail)
{
    return csn_reason_set(reason, CSN_EMISMATCH, "%s: %s: %s: %s%s",
                          is_ca ? identity->ca_at : identity->tls_at, is_ca ? "ca" : "tls",
                          is_ca ? identity->ca : identity->tls, what, detail);
}

/* A site's certificate in ca.pem would be trusted for that site alone. */
static int check_cas(const struct csn_identity *identity, const struct chain *chain, struct csn_reason *reason)
{
    for (int i = 0; i < sk_X509_num(chain->ca); i++) {
        if (X509_check_ca(sk_X509_value(chain->ca, i)) != 1) {
            char *subject = X509_NAME_oneline(X509_get_subject_name(sk_X509_value(chain->ca, i)), NULL, 0);
            int code = refuse_at(identity, true, reason, "holds no CA's certificate (basicConstraints CA:TRUE), but that of ",
                                 subject != NULL ? subject : "another");
            OPENSSL_free(subject);
            return code;
        }
    }
    return CSN_OK;
}

static int check_chain(const struct csn_identity *identity, const struct chain *chain,
                       uint64_t now_s, struct csn_reason *reason)
{
    X509 *at;
    char when[CSN_TIME_TEXT_SIZE];
    int error = verify(chain, now_s, &at);
    bool is_ca = at != NULL && X509_cmp(at, sk_X509_value(chain->own, 0)) != 0;
    switch (error) {
    case X509_V_OK:
        return CSN_OK;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        time_text(X509_get0_notAfter(at), when);
        return refuse_at(identity, is_ca, reason, "the certificate expired at ", when);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        time_text(X509_get0_notBefore(at), when);
        return refuse_at(identity, is_ca, reason, "the certificate is not valid before ", when);
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_PURPOSE:
        return refuse_at(identity, true, reason, "holds no CA's certificate (basicConstraints CA:TRUE): ",
                         X509_verify_cert_error_string(error));
    default:
        return csn_reason_set(reason, CSN_EMISMATCH,
                              "%s: ca: %s: this CA has not signed the certificate in %s: %s",
                              identity->ca_at, identity->ca, identity->tls,
                              X509_verify_cert_error_string(error));
    }
}

/* Puts "place: key: " before what a check of a file said. */
static int at_place(struct csn_reason *reason, int code, const char *place, const char *key,
                    const struct csn_reason *cause)
{
    return code == CSN_OK ? CSN_OK
                          : csn_reason_set(reason, code, "%s: %s: %s", place, key, cause->text);
}

static int check_tls(const struct csn_identity *identity, const char *name, uint64_t now_s,
                     struct csn_reason *reason)
{
    struct chain chain = {0};
    struct csn_reason cause = {.text = ""};
    int code = read_own(identity->tls, &chain, &cause);
    if (code == CSN_OK) {
        code = check_certificate(identity->tls, name, sk_X509_value(chain.own, 0), chain.key, &cause);
    }
    code = at_place(reason, code, identity->tls_at, "tls", &cause);
    if (code == CSN_OK) {
        code = at_place(reason, read_ca(identity->ca, &chain, &cause), identity->ca_at, "ca", &cause);
    }
    if (code == CSN_OK) {
        code = check_cas(identity, &chain, reason);
    }
    if (code == CSN_OK) {
        code = check_chain(identity, &chain, now_s, reason);
    }
    sk_X509_pop_free(chain.own, X509_free);
    sk_X509_pop_free(chain.ca, X509_free);
    EVP_PKEY_free(chain.key);
    return code;
}

int csn_credentials_check(const struct csn_identity *identity, const char *name,
                          const uint8_t key[CSN_ED25519_SIZE], bool is_site, uint64_t now_s,
                          struct csn_reason *reason)
{
    struct csn_reason cause = {.text = ""};
    int code = at_place(reason, check_site_key(identity->key, name, key, &cause), identity->key_at,
                        "site-key", &cause);
    return code == CSN_OK ? check_tls(identity, is_site ? name : NULL, now_s, reason) : code;
}
