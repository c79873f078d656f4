#include "base/sha.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/error.h"

struct csn_hasher {
    EVP_MD *sha384;  /* owns */
    EVP_MD *sha256;  /* owns */
    EVP_MD_CTX *ctx; /* owns */
};

bool csn_digest_equal(const struct csn_digest *a, const struct csn_digest *b)
{
    return memcmp(a->octets, b->octets, sizeof(a->octets)) == 0;
}

bool csn_digest_is_zero(const struct csn_digest *digest)
{
    static const struct csn_digest zero;
    return csn_digest_equal(digest, &zero);
}

struct csn_hasher *csn_hasher_new(void)
{
    struct csn_hasher *hasher = csn_alloc(sizeof(*hasher));
    hasher->sha384 = EVP_MD_fetch(NULL, "SHA2-384", NULL);
    hasher->sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    hasher->ctx = EVP_MD_CTX_new();
    INSIST(hasher->sha384 != NULL && hasher->sha256 != NULL && hasher->ctx != NULL);
    return hasher;
}

void csn_hasher_free(struct csn_hasher *take_hasher)
{
    if (take_hasher == NULL) {
        return;
    }
    EVP_MD_CTX_free(take_hasher->ctx);
    EVP_MD_free(take_hasher->sha384);
    EVP_MD_free(take_hasher->sha256);
    free(take_hasher);
}

static void hash(struct csn_hasher *hasher, const EVP_MD *method, struct csn_bytes data, uint8_t *ret)
{
    INSIST(EVP_DigestInit_ex2(hasher->ctx, method, NULL) == 1);
    INSIST(EVP_DigestUpdate(hasher->ctx, data.data, data.size) == 1);
    INSIST(EVP_DigestFinal_ex(hasher->ctx, ret, NULL) == 1);
}

void csn_hasher_sha384(struct csn_hasher *hasher, struct csn_bytes data, struct csn_digest *ret_digest)
{
    hash(hasher, hasher->sha384, data, ret_digest->octets);
}

void csn_hasher_sha256(struct csn_hasher *hasher, struct csn_bytes data, uint8_t ret_digest[CSN_SHA256_SIZE])
{
    hash(hasher, hasher->sha256, data, ret_digest);
}

void csn_hasher_start(struct csn_hasher *hasher)
{
    INSIST(EVP_DigestInit_ex2(hasher->ctx, hasher->sha384, NULL) == 1);
}

void csn_hasher_add(struct csn_hasher *hasher, struct csn_bytes data)
{
    INSIST(EVP_DigestUpdate(hasher->ctx, data.data, data.size) == 1);
}

void csn_hasher_end(struct csn_hasher *hasher, struct csn_digest *ret_digest)
{
    INSIST(EVP_DigestFinal_ex(hasher->ctx, ret_digest->octets, NULL) == 1);
}

void csn_sha384(struct csn_bytes data, struct csn_digest *ret_digest)
{
    INSIST(EVP_Digest(data.data, data.size, ret_digest->octets, NULL, EVP_sha384(), NULL) == 1);
}

void csn_sha256(struct csn_bytes data, uint8_t ret_digest[CSN_SHA256_SIZE])
{
    INSIST(EVP_Digest(data.data, data.size, ret_digest, NULL, EVP_sha256(), NULL) == 1);
}
