/* token.h: a SoftHSM2 token of its own in a temporary folder, with one P-256 key, called without anything between. What fails
 * ends the program with a message. One thread. */
#ifndef CSN_BENCH_TOKEN_H
#define CSN_BENCH_TOKEN_H

#include <p11-kit/pkcs11.h>

struct bench_token {
    char folder[64];
    void *library; /* owns */
    CK_FUNCTION_LIST_PTR calls;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key; /* private */
};

void bench_token_make(struct bench_token *ret_token, const char *module);
/* C_SignInit and C_Sign (CKM_ECDSA) of a digest of 32 octets. */
void bench_token_sign(const struct bench_token *token, const unsigned char digest[32]);
/* Removes the folder too. */
void bench_token_fini(struct bench_token *token);

#endif
