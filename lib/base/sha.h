/* sha.h: SHA-384 and SHA-256 by OpenSSL. One hasher a thread: it keeps the fetched methods and one context. */
#ifndef CSN_BASE_SHA_H
#define CSN_BASE_SHA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define CSN_DIGEST_SIZE 48
#define CSN_SHA256_SIZE 32

/* A SHA-384 value: document digests, leaves, roots. */
struct csn_digest {
    uint8_t octets[CSN_DIGEST_SIZE];
};

bool csn_digest_equal(const struct csn_digest *a, const struct csn_digest *b);
bool csn_digest_is_zero(const struct csn_digest *digest);

struct csn_hasher; /* not thread-safe */

struct csn_hasher *csn_hasher_new(void);
void csn_hasher_free(struct csn_hasher *take_hasher);
void csn_hasher_sha384(struct csn_hasher *hasher, struct csn_bytes data, struct csn_digest *ret_digest);
void csn_hasher_sha256(struct csn_hasher *hasher, struct csn_bytes data, uint8_t ret_digest[CSN_SHA256_SIZE]);
/* Streaming SHA-384: start, add…, end. One stream at a time a hasher. */
void csn_hasher_start(struct csn_hasher *hasher);
void csn_hasher_add(struct csn_hasher *hasher, struct csn_bytes data);
void csn_hasher_end(struct csn_hasher *hasher, struct csn_digest *ret_digest);

/* One-shot forms for places that are not hot. */
void csn_sha384(struct csn_bytes data, struct csn_digest *ret_digest);
void csn_sha256(struct csn_bytes data, uint8_t ret_digest[CSN_SHA256_SIZE]);

#endif
