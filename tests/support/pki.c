#include "support/pki.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/bytes.h"
#include "base/error.h"

#define PATH_MAX_SIZE 512
#define A_DAY_S (24L * 3600)

struct pki_ca {
    EVP_PKEY *key;
    X509 *certificate;
    long serial;
};

char *pki_folder_new(void)
{
    const char *base = getenv("TMPDIR");
    char path[PATH_MAX_SIZE];
    snprintf(path, sizeof(path), "%s/consign-test-XXXXXX", base != NULL ? base : "/tmp");
    INSIST(mkdtemp(path) != NULL);
    return csn_strdup(path);
}

void pki_folder_free(char *take_folder)
{
    DIR *dir = opendir(take_folder);
    INSIST(dir != NULL);
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    closedir(dir);
    rmdir(take_folder);
    free(take_folder);
}

static FILE *create(const char *folder, const char *file)
{
    char path[PATH_MAX_SIZE];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    FILE *stream = fd >= 0 ? fdopen(fd, "w") : NULL;
    INSIST(stream != NULL);
    return stream;
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    INSIST(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

static X509 *new_certificate(const char *name, long serial, EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    INSIST(certificate != NULL && X509_set_version(certificate, 2) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -A_DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(certificate), A_DAY_S);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    INSIST(X509_set_pubkey(certificate, key) == 1);
    return certificate;
}

struct pki_ca *pki_ca_new(const char *folder, const char *file)
{
    struct pki_ca *ca = csn_calloc(1, sizeof(*ca));
    ca->key = EVP_EC_gen("P-256");
    INSIST(ca->key != NULL);
    ca->certificate = new_certificate(file, 1, ca->key);
    X509_set_issuer_name(ca->certificate, X509_get_subject_name(ca->certificate));
    add_extension(ca->certificate, ca->certificate, NID_basic_constraints, "critical,CA:TRUE");
    INSIST(X509_sign(ca->certificate, ca->key, EVP_sha256()) > 0);
    ca->serial = 1;
    FILE *stream = create(folder, file);
    PEM_write_X509(stream, ca->certificate);
    fclose(stream);
    return ca;
}

void pki_ca_free(struct pki_ca *take_ca)
{
    EVP_PKEY_free(take_ca->key);
    X509_free(take_ca->certificate);
    free(take_ca);
}

static void issue(struct pki_ca *ca, long from_s, long to_s, const char *name, const char *folder,
                  const char *file)
{
    char san[PATH_MAX_SIZE];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    INSIST(key != NULL);
    X509 *certificate = new_certificate(name, ++ca->serial, key);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_set_issuer_name(certificate, X509_get_subject_name(ca->certificate));
    snprintf(san, sizeof(san), "DNS:%s", name);
    add_extension(certificate, ca->certificate, NID_subject_alt_name, san);
    INSIST(X509_sign(certificate, ca->key, EVP_sha256()) > 0);
    FILE *stream = create(folder, file);
    PEM_write_X509(stream, certificate);
    PEM_write_PKCS8PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL);
    fclose(stream);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void pki_issue(struct pki_ca *ca, const char *name, const char *folder, const char *file)
{
    issue(ca, -A_DAY_S, A_DAY_S, name, folder, file);
}

void pki_issue_from(struct pki_ca *ca, long from_s, const char *name, const char *folder,
                    const char *file)
{
    issue(ca, from_s, from_s + A_DAY_S, name, folder, file);
}

void pki_site_key(const char *folder, const char *file, uint8_t ret_public[32])
{
    size_t size = 32;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    INSIST(key != NULL && EVP_PKEY_get_raw_public_key(key, ret_public, &size) == 1);
    FILE *stream = create(folder, file);
    PEM_write_PKCS8PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL);
    fclose(stream);
    EVP_PKEY_free(key);
}

/* Below the ports of system tests, of deploy/demo.sh and of those who dial: a site of theirs may be down for a moment and want
 * its own again. Each process starts somewhere else. */
#define PORT_FIRST 3000u
#define PORT_COUNT 8000u

unsigned pki_free_port(void)
{
    static unsigned given;
    for (;;) {
        unsigned port = PORT_FIRST + ((unsigned)getpid() * 211 + given++) % PORT_COUNT;
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port),
                                      .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        INSIST(fd >= 0);
        int result = bind(fd, (struct sockaddr *)&address, sizeof(address));
        close(fd);
        if (result == 0) {
            return port;
        }
    }
}
