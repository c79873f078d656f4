#include "token.h"

#include <dlfcn.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PIN "271828"
#define SO_PIN "314159"

static void need(CK_RV rv, const char *what)
{
    if (rv != CKR_OK) {
        fprintf(stderr, "floor: %s: PKCS#11 error %#lx\n", what, rv);
        exit(1);
    }
}

static void make_folder(struct bench_token *token)
{
    char path[128];
    snprintf(token->folder, sizeof(token->folder), "/tmp/consign-floor-XXXXXX");
    if (mkdtemp(token->folder) == NULL) {
        perror("floor: mkdtemp");
        exit(1);
    }
    snprintf(path, sizeof(path), "%s/tokens", token->folder);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/softhsm2.conf", token->folder);
    FILE *file = fopen(path, "w");
    if (file == NULL || fprintf(file, "directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n",
                                token->folder) < 0 || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    setenv("SOFTHSM2_CONF", path, 1);
}

static void load(struct bench_token *token, const char *module)
{
    token->library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    if (token->library != NULL) {
        *(void **)&get = dlsym(token->library, "C_GetFunctionList");
    }
    if (get == NULL) {
        fprintf(stderr, "floor: %s\n", dlerror());
        exit(1);
    }
    need(get(&token->calls), "C_GetFunctionList");
    need(token->calls->C_Initialize(NULL), "C_Initialize");
}

static CK_SLOT_ID first_slot(const struct bench_token *token, CK_BBOOL is_initialized)
{
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;
    need(token->calls->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        need(token->calls->C_GetTokenInfo(slots[i], &info), "C_GetTokenInfo");
        if (((info.flags & CKF_TOKEN_INITIALIZED) != 0) == is_initialized) {
            return slots[i];
        }
    }
    fprintf(stderr, "floor: the module shows no slot\n");
    exit(1);
}

static void make_token(struct bench_token *token)
{
    CK_UTF8CHAR label[32];
    memset(label, ' ', sizeof(label));
    memcpy(label, "floor", 5);
    need(token->calls->C_InitToken(first_slot(token, CK_FALSE), (CK_UTF8CHAR_PTR)SO_PIN, strlen(SO_PIN), label), "C_InitToken");
    need(token->calls->C_OpenSession(first_slot(token, CK_TRUE), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &token->session),
         "C_OpenSession");
    need(token->calls->C_Login(token->session, CKU_SO, (CK_UTF8CHAR_PTR)SO_PIN, strlen(SO_PIN)), "C_Login");
    need(token->calls->C_InitPIN(token->session, (CK_UTF8CHAR_PTR)PIN, strlen(PIN)), "C_InitPIN");
    need(token->calls->C_Logout(token->session), "C_Logout");
    need(token->calls->C_Login(token->session, CKU_USER, (CK_UTF8CHAR_PTR)PIN, strlen(PIN)), "C_Login");
}

/* A token object, private and sensitive, as the keys of a signer are. */
static void make_key(struct bench_token *token)
{
    static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_BBOOL yes = CK_TRUE;
    CK_MECHANISM mechanism = {.mechanism = CKM_EC_KEY_PAIR_GEN};
    CK_ATTRIBUTE public_key[] = {{CKA_EC_PARAMS, p256, sizeof(p256)}, {CKA_TOKEN, &yes, sizeof(yes)},
                                 {CKA_VERIFY, &yes, sizeof(yes)}};
    CK_ATTRIBUTE private_key[] = {{CKA_TOKEN, &yes, sizeof(yes)}, {CKA_PRIVATE, &yes, sizeof(yes)},
                                  {CKA_SENSITIVE, &yes, sizeof(yes)}, {CKA_SIGN, &yes, sizeof(yes)}};
    CK_OBJECT_HANDLE verifier;
    need(token->calls->C_GenerateKeyPair(token->session, &mechanism, public_key, 3, private_key, 4, &verifier, &token->key),
         "C_GenerateKeyPair");
}

void bench_token_make(struct bench_token *ret_token, const char *module)
{
    make_folder(ret_token);
    load(ret_token, module);
    make_token(ret_token);
    make_key(ret_token);
}

void bench_token_sign(const struct bench_token *token, const unsigned char digest[32])
{
    CK_BYTE input[32], signature[64];
    CK_ULONG size = sizeof(signature);
    CK_MECHANISM mechanism = {.mechanism = CKM_ECDSA};
    memcpy(input, digest, sizeof(input));
    need(token->calls->C_SignInit(token->session, &mechanism, token->key), "C_SignInit");
    need(token->calls->C_Sign(token->session, input, sizeof(input), signature, &size), "C_Sign");
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

void bench_token_fini(struct bench_token *token)
{
    token->calls->C_Finalize(NULL);
    dlclose(token->library);
    nftw(token->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
