/* identity.h: the Ed25519 key of a site, a coordinator, an operator or an officer, by which what it
 * says is known to be its own, and the check of others'.
 *
 * The key file is PKCS#8 PEM with mode 0600. A loaded key never changes: any thread may use it,
 * several at once. */
#ifndef CSN_MESH_IDENTITY_H
#define CSN_MESH_IDENTITY_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define CSN_IDENTITY_KEY_SIZE 32
#define CSN_IDENTITY_SIGNATURE_SIZE 64

struct csn_site_key;

/* CSN_ENOTFOUND, CSN_EPERMISSION (others may read it), CSN_EFORMAT (not an unencrypted Ed25519
 * private key). */
int csn_identity_load(const char *path, struct csn_site_key **ret_key, struct csn_reason *reason);
/* Makes a key and its file, mode 0600. CSN_EEXISTS: a file is there; it is never written over. */
int csn_identity_make(const char *path, struct csn_site_key **ret_key, struct csn_reason *reason);
void csn_identity_free(struct csn_site_key *take_key);

/* The public key, 32 octets, as the cluster document lists it. Borrowed. */
const uint8_t *csn_identity_key(const struct csn_site_key *key);

/* CSN_ECRYPTO when OpenSSL fails. */
int csn_identity_sign(const struct csn_site_key *key, struct csn_bytes data,
                      uint8_t ret_signature[CSN_IDENTITY_SIGNATURE_SIZE]);

/* CSN_OK, CSN_ESIGNATURE (also for octets that are no key), CSN_ECRYPTO. */
int csn_identity_verify(const uint8_t key[CSN_IDENTITY_KEY_SIZE], struct csn_bytes data,
                        const uint8_t signature[CSN_IDENTITY_SIGNATURE_SIZE]);

#endif
