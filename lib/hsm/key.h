/* key.h: how keys in a token are named, made and moved: the words that client and worker share. */
#ifndef CSN_HSM_KEY_H
#define CSN_HSM_KEY_H

#include <stdbool.h>

#include "base/bytes.h"

#define CSN_HSM_LABEL_MAX 64 /* octets of a CKA_LABEL */
#define CSN_HSM_ID_MAX 64    /* octets of a CKA_ID */
#define CSN_HSM_SESSIONS_MAX 128
#define CSN_HSM_WRAP_MAX 32 /* keys of one transport */

/* A key in the token: by label, by id, or by both. Exactly one private key must match. */
struct csn_hsm_key {
    const char *label;   /* may be NULL */
    struct csn_bytes id; /* may be empty */
};

/* True for a label that may name a new key: 1 to CSN_HSM_LABEL_MAX of A-Z a-z 0-9 . _ - and no dot
 * in front, so that it is a safe file name and a word in a transport file too. */
bool csn_hsm_label_is_good(const char *label);

/* What to generate. */
enum csn_hsm_kind {
    CSN_HSM_KIND_P256,
    CSN_HSM_KIND_P384,
    CSN_HSM_KIND_ED25519,
    CSN_HSM_KIND_RSA2048,
    CSN_HSM_KIND_RSA3072,
    CSN_HSM_KIND_TRANSPORT, /* an RSA-3072 pair that can only unwrap */
};

/* Mechanisms that wrap a private key under an AES key, best first: CKM_AES_KEY_WRAP_KWP, then
 * CKM_AES_KEY_WRAP_PAD. */
#define CSN_HSM_WRAP_KWP 0x210b
#define CSN_HSM_WRAP_PAD 0x210a

struct csn_hsm_wrapped_key {
    char label[CSN_HSM_LABEL_MAX + 1];
    struct csn_bytes id;
    uint8_t algorithm;           /* 13, 14, 15, or 8 for any RSA key */
    struct csn_bytes public_key; /* public-key field of a DNSKEY */
    struct csn_bytes wrapped;    /* PKCS#8 under the AES key */
};

struct csn_hsm_wrapped {
    uint32_t mechanism;       /* CSN_HSM_WRAP_* */
    struct csn_bytes aes_key; /* AES-256 under the receiver's RSA key: OAEP with SHA-1, the hash
                                 that every token takes there */
    struct csn_hsm_wrapped_key keys[CSN_HSM_WRAP_MAX];
    size_t count;
};

#endif
