/* pki.h: certificates, site keys and free ports for tests that run the mesh. Files go to a private
 * folder of the test. */
#ifndef CSN_TESTS_PKI_H
#define CSN_TESTS_PKI_H

#include <stdint.h>

struct pki_ca;

/* A folder under TMPDIR that pki_folder_free removes with its plain files. */
char *pki_folder_new(void);
void pki_folder_free(char *take_folder);

/* A CA with a P-256 key; its certificate in PEM at `folder`/`file`. */
struct pki_ca *pki_ca_new(const char *folder, const char *file);
void pki_ca_free(struct pki_ca *take_ca);
/* Certificate (SAN dNSName and CN `name`) and P-256 key in one PEM file, mode 0600. */
void pki_issue(struct pki_ca *ca, const char *name, const char *folder, const char *file);
/* As pki_issue, valid for the day that begins `from_s` seconds from now. */
void pki_issue_from(struct pki_ca *ca, long from_s, const char *name, const char *folder,
                    const char *file);
/* An Ed25519 key, PKCS#8 PEM, mode 0600; its public half. */
void pki_site_key(const char *folder, const char *file, uint8_t ret_public[32]);

/* A TCP port of 127.0.0.1 that was free a moment ago; another one each time. One thread. */
unsigned pki_free_port(void);

#endif
