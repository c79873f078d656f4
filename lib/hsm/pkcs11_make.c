#include "hsm/pkcs11.h"

#include <stdio.h>
#include <string.h>

#define AES_SIZE 32
#define WRAPPED_MAX 8192

/* A template under construction; values are borrowed until the call. */
struct template
{
    CK_ATTRIBUTE attributes[16];
    CK_ULONG count;
};

static const CK_BBOOL yes = CK_TRUE;
static const CK_BBOOL no = CK_FALSE;

static void put(struct template *template, CK_ATTRIBUTE_TYPE type, const void *value, size_t size)
{
    INSIST(template->count < sizeof(template->attributes) / sizeof(template->attributes[0]));
    template->attributes[template->count++] = (CK_ATTRIBUTE){type, (void *)(uintptr_t)value, size};
}

static void put_flag(struct template *template, CK_ATTRIBUTE_TYPE type, bool is_set)
{
    put(template, type, is_set ? &yes : &no, sizeof(yes));
}

static void put_name(struct template *template, const struct csn_hsm_key *key)
{
    put_flag(template, CKA_TOKEN, true);
    put(template, CKA_LABEL, key->label, strlen(key->label));
    if (key->id.size > 0) {
        put(template, CKA_ID, key->id.data, key->id.size);
    }
}

static CK_RV destroy(struct csn_p11_session *session, CK_OBJECT_HANDLE object)
{
    return object != CK_INVALID_HANDLE
               ? session->token->api->C_DestroyObject(session->handle, object)
               : CKR_OK;
}

/* --- generation */

/* Neither label nor id may be taken: two keys under one name is how sites come to sign with
 * different ones. */
static int check_unused(struct csn_p11_session *session, const struct csn_hsm_key *key,
                        struct csn_reason *reason)
{
    const struct csn_hsm_key names[] = {{.label = key->label}, {.id = key->id}};
    const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};
    CK_OBJECT_HANDLE object;
    for (size_t i = 0; i < 4; i++) {
        if (i % 2 == 1 && key->id.size == 0) {
            continue;
        }
        int code = csn_p11_find(session, classes[i / 2], &names[i % 2], &object, reason);
        if (code == CSN_OK || code == CSN_EREFUSED) {
            return csn_reason_set(reason, CSN_EEXISTS,
                                  "the token has a key with this %s already (%s)",
                                  i % 2 ? "id" : "label", key->label);
        }
        if (code != CSN_ENOTFOUND) {
            return code;
        }
    }
    return CSN_OK;
}

struct recipe {
    CK_MECHANISM_TYPE mechanism;
    uint8_t curve; /* algorithm, for csn_p11_curve; 0: RSA */
    CK_ULONG bits;
    bool is_transport;
};

static const struct recipe recipes[] = {
    [CSN_HSM_KIND_P256] = {CKM_EC_KEY_PAIR_GEN, CSN_HSM_ECDSA_P256, 0, false},
    [CSN_HSM_KIND_P384] = {CKM_EC_KEY_PAIR_GEN, CSN_HSM_ECDSA_P384, 0, false},
    [CSN_HSM_KIND_ED25519] = {CKM_EC_EDWARDS_KEY_PAIR_GEN, CSN_HSM_ED25519, 0, false},
    [CSN_HSM_KIND_RSA2048] = {CKM_RSA_PKCS_KEY_PAIR_GEN, 0, 2048, false},
    [CSN_HSM_KIND_RSA3072] = {CKM_RSA_PKCS_KEY_PAIR_GEN, 0, 3072, false},
    [CSN_HSM_KIND_TRANSPORT] = {CKM_RSA_PKCS_KEY_PAIR_GEN, 0, 3072, true},
};

static void fill_public(const struct recipe *recipe, const struct csn_hsm_key *key,
                        struct template *ret_template)
{
    static const uint8_t exponent[] = {1, 0, 1};
    *ret_template = (struct template){0};
    put_name(ret_template, key);
    put_flag(ret_template, CKA_VERIFY, !recipe->is_transport);
    put_flag(ret_template, CKA_ENCRYPT, false);
    put_flag(ret_template, CKA_WRAP, recipe->is_transport);
    if (recipe->curve != 0) {
        const struct csn_p11_curve *curve = csn_p11_curve(recipe->curve);
        put(ret_template, CKA_EC_PARAMS, curve->oid, curve->oid_size);
    } else {
        put(ret_template, CKA_MODULUS_BITS, &recipe->bits, sizeof(recipe->bits));
        put(ret_template, CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent));
    }
}

static void fill_private(const struct recipe *recipe, const struct csn_hsm_key *key,
                         bool is_exportable, struct template *ret_template)
{
    *ret_template = (struct template){0};
    put_name(ret_template, key);
    put_flag(ret_template, CKA_PRIVATE, true);
    put_flag(ret_template, CKA_SENSITIVE, true);
    put_flag(ret_template, CKA_EXTRACTABLE, is_exportable);
    put_flag(ret_template, CKA_SIGN, !recipe->is_transport);
    put_flag(ret_template, CKA_DECRYPT, false);
    put_flag(ret_template, CKA_UNWRAP, recipe->is_transport);
}

static int try_generate(struct csn_p11_session *session, const struct csn_hsm_key *key,
                        const struct recipe *recipe, bool is_exportable, struct csn_reason *reason)
{
    int code = csn_p11_ready(session, reason);
    if (code == CSN_OK) {
        code = check_unused(session, key, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    struct template public_template, private_template;
    CK_MECHANISM mechanism = {.mechanism = recipe->mechanism};
    CK_OBJECT_HANDLE public_key, private_key;
    fill_public(recipe, key, &public_template);
    fill_private(recipe, key, is_exportable, &private_template);
    CK_RV rv = session->token->api->C_GenerateKeyPair(
        session->handle, &mechanism, public_template.attributes, public_template.count,
        private_template.attributes, private_template.count, &public_key, &private_key);
    return rv == CKR_OK ? CSN_OK : csn_p11_fail(session, rv, "C_GenerateKeyPair", reason);
}

int csn_p11_generate(void *arg, const struct csn_hsm_key *key, enum csn_hsm_kind kind,
                     bool is_exportable, struct csn_reason *reason)
{
    unsigned tries = 0;
    int code;
    do {
        code = try_generate(arg, key, &recipes[kind], is_exportable, reason);
    } while (csn_p11_again(arg, code, &tries));
    return code;
}

/* --- wrapping */

int csn_p11_mechanisms(void *arg, uint32_t ret_mechanisms[2], size_t *ret_count,
                       struct csn_reason *reason)
{
    static const uint32_t known[] = {CSN_HSM_WRAP_KWP, CSN_HSM_WRAP_PAD};
    struct csn_p11_session *session = arg;
    CK_MECHANISM_INFO info;
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        if (session->token->api->C_GetMechanismInfo(session->token->slot, known[i], &info) ==
                CKR_OK &&
            (info.flags & CKF_WRAP) != 0 && (info.flags & CKF_UNWRAP) != 0) {
            ret_mechanisms[count++] = known[i];
        }
    }
    *ret_count = count;
    return count > 0 ? CSN_OK
                     : csn_reason_set(
                           reason, CSN_EREFUSED,
                           "the token wraps by neither AES_KEY_WRAP_KWP nor AES_KEY_WRAP_PAD: move "
                           "its keys with the vendor's own tools");
}

static CK_MECHANISM oaep_mechanism(void)
{
    static CK_RSA_PKCS_OAEP_PARAMS params = {
        .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED};
    return (CK_MECHANISM){CKM_RSA_PKCS_OAEP, &params, sizeof(params)};
}

/* The receiver's public key as an object of this session. */
static int import_receiver(struct csn_p11_session *session, struct csn_bytes public_key,
                           CK_OBJECT_HANDLE *ret_object, struct csn_reason *reason)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_KEY_TYPE type = CKK_RSA;
    struct csn_bytes exponent, modulus;
    if (csn_hsm_rsa_parse(public_key, &exponent, &modulus) != CSN_OK || modulus.size < 256) {
        return csn_reason_set(reason, CSN_EFORMAT,
                              "the receiver's transport key is no RSA key of 2048 bits or more");
    }
    struct template template = {0};
    put(&template, CKA_CLASS, &class, sizeof(class));
    put(&template, CKA_KEY_TYPE, &type, sizeof(type));
    put_flag(&template, CKA_TOKEN, false);
    put_flag(&template, CKA_PRIVATE, false);
    put_flag(&template, CKA_WRAP, true);
    put(&template, CKA_MODULUS, modulus.data, modulus.size);
    put(&template, CKA_PUBLIC_EXPONENT, exponent.data, exponent.size);
    CK_RV rv = session->token->api->C_CreateObject(session->handle, template.attributes,
                                                   template.count, ret_object);
    return rv == CKR_OK ? CSN_OK
                        : csn_p11_fail(session, rv, "C_CreateObject (transport key)", reason);
}

static int generate_aes(struct csn_p11_session *session, CK_OBJECT_HANDLE *ret_object,
                        struct csn_reason *reason)
{
    CK_ULONG size = AES_SIZE;
    CK_MECHANISM mechanism = {.mechanism = CKM_AES_KEY_GEN};
    struct template template = {0};
    put(&template, CKA_VALUE_LEN, &size, sizeof(size));
    put_flag(&template, CKA_TOKEN, false);
    put_flag(&template, CKA_PRIVATE, true);
    put_flag(&template, CKA_SENSITIVE, true);
    put_flag(&template, CKA_EXTRACTABLE, true); /* or it could not be wrapped for the receiver */
    put_flag(&template, CKA_WRAP, true);
    CK_RV rv = session->token->api->C_GenerateKey(session->handle, &mechanism, template.attributes,
                                                  template.count, ret_object);
    return rv == CKR_OK ? CSN_OK : csn_p11_fail(session, rv, "C_GenerateKey (AES)", reason);
}

static int wrap_object(struct csn_p11_session *session, CK_MECHANISM *mechanism,
                       CK_OBJECT_HANDLE under, CK_OBJECT_HANDLE object, const char *name,
                       struct csn_arena *arena, struct csn_bytes *ret_wrapped,
                       struct csn_reason *reason)
{
    char what[CSN_HSM_LABEL_MAX + 16];
    uint8_t wrapped[WRAPPED_MAX];
    CK_ULONG size = sizeof(wrapped);
    CK_RV rv =
        session->token->api->C_WrapKey(session->handle, mechanism, under, object, wrapped, &size);
    if (rv != CKR_OK) {
        snprintf(what, sizeof(what), "C_WrapKey of %s", name);
        return csn_p11_fail(session, rv, what, reason);
    }
    *ret_wrapped = csn_bytes(csn_arena_copy(arena, wrapped, size), size);
    return CSN_OK;
}

/* The id travels with the key, so that all sites have it under the same one. */
static int read_id(struct csn_p11_session *session, CK_OBJECT_HANDLE object,
                   struct csn_arena *arena, struct csn_bytes *ret_id, struct csn_reason *reason)
{
    uint8_t id[CSN_HSM_ID_MAX];
    CK_ATTRIBUTE attribute = {CKA_ID, id, sizeof(id)};
    CK_RV rv = session->token->api->C_GetAttributeValue(session->handle, object, &attribute, 1);
    if (rv != CKR_OK || attribute.ulValueLen > sizeof(id)) {
        return csn_p11_fail(session, rv != CKR_OK ? rv : CKR_GENERAL_ERROR,
                            "C_GetAttributeValue (CKA_ID)", reason);
    }
    *ret_id = csn_bytes(csn_arena_copy(arena, id, attribute.ulValueLen), attribute.ulValueLen);
    return CSN_OK;
}

static int wrap_key(struct csn_p11_session *session, const struct csn_hsm_key *key,
                    uint32_t mechanism_number, CK_OBJECT_HANDLE aes, struct csn_arena *arena,
                    struct csn_hsm_wrapped_key *ret_key, struct csn_reason *reason)
{
    CK_MECHANISM mechanism = {.mechanism = mechanism_number};
    CK_OBJECT_HANDLE private_key, public_key;
    struct csn_buf buf = {0};
    int code = csn_p11_find(session, CKO_PRIVATE_KEY, key, &private_key, reason);
    if (code == CSN_OK) {
        code = csn_p11_find(session, CKO_PUBLIC_KEY, key, &public_key, reason);
    }
    if (code == CSN_OK) {
        code = csn_p11_read_public(session, public_key, &buf, &ret_key->algorithm, reason);
    }
    if (code == CSN_OK) {
        code = read_id(session, private_key, arena, &ret_key->id, reason);
    }
    if (code == CSN_OK) {
        code = wrap_object(session, &mechanism, aes, private_key, key->label, arena,
                           &ret_key->wrapped, reason);
    }
    if (code == CSN_OK) {
        ret_key->public_key = csn_bytes(csn_arena_copy(arena, buf.data, buf.size), buf.size);
        snprintf(ret_key->label, sizeof(ret_key->label), "%s", key->label);
    }
    csn_buf_fini(&buf);
    return code;
}

static int try_wrap(struct csn_p11_session *session, struct csn_bytes public_key,
                    uint32_t mechanism, const struct csn_hsm_key *keys, size_t count,
                    struct csn_arena *arena, struct csn_hsm_wrapped *ret_wrapped,
                    struct csn_reason *reason)
{
    CK_MECHANISM oaep = oaep_mechanism();
    CK_OBJECT_HANDLE receiver = CK_INVALID_HANDLE, aes = CK_INVALID_HANDLE;
    int code = csn_p11_ready(session, reason);
    if (code == CSN_OK) {
        code = import_receiver(session, public_key, &receiver, reason);
    }
    if (code == CSN_OK) {
        code = generate_aes(session, &aes, reason);
    }
    if (code == CSN_OK) {
        code = wrap_object(session, &oaep, receiver, aes, "the AES key", arena,
                           &ret_wrapped->aes_key, reason);
    }
    for (size_t i = 0; code == CSN_OK && i < count; i++) {
        code = wrap_key(session, &keys[i], mechanism, aes, arena, &ret_wrapped->keys[i], reason);
    }
    ret_wrapped->mechanism = mechanism;
    ret_wrapped->count = count;
    destroy(session, aes);
    destroy(session, receiver);
    return code;
}

int csn_p11_wrap(void *arg, struct csn_bytes public_key, uint32_t mechanism,
                 const struct csn_hsm_key *keys, size_t count, struct csn_arena *arena,
                 struct csn_hsm_wrapped *ret_wrapped, struct csn_reason *reason)
{
    unsigned tries = 0;
    int code;
    do {
        code = try_wrap(arg, public_key, mechanism, keys, count, arena, ret_wrapped, reason);
    } while (csn_p11_again(arg, code, &tries));
    return code;
}

/* --- unwrapping */

struct pair {
    CK_OBJECT_HANDLE private_key, public_key;
};

/* The transport pair is destroyed in the end, and the name of it comes from a file: so it must be a
 * key that cannot sign, as ours are made. */
static int find_transport(struct csn_p11_session *session, const struct csn_hsm_key *transport,
                          struct pair *ret_pair, struct csn_reason *reason)
{
    CK_BBOOL can_sign = CK_TRUE;
    CK_ATTRIBUTE attribute = {CKA_SIGN, &can_sign, sizeof(can_sign)};
    int code = csn_p11_find(session, CKO_PRIVATE_KEY, transport, &ret_pair->private_key, reason);
    if (code == CSN_OK) {
        code = csn_p11_find(session, CKO_PUBLIC_KEY, transport, &ret_pair->public_key, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    CK_RV rv = session->token->api->C_GetAttributeValue(session->handle, ret_pair->private_key,
                                                        &attribute, 1);
    if (rv != CKR_OK) {
        return csn_p11_fail(session, rv, "C_GetAttributeValue (CKA_SIGN)", reason);
    }
    return can_sign ? csn_reason_set(reason, CSN_EREFUSED,
                                     "the key that the file names for the transport can sign: it "
                                     "was not made by a transport request")
                    : CSN_OK;
}

/* Its work is done, and whoever has a copy of the file could have the keys with it. Never
 * CSN_EHSM: the keys are in, it must not all be done again. */
static int destroy_transport(struct csn_p11_session *session, const struct pair *transport,
                             struct csn_reason *reason)
{
    CK_RV rv = destroy(session, transport->private_key);
    CK_RV public_rv = destroy(session, transport->public_key);
    rv = rv == CKR_OK ? public_rv : rv;
    return rv == CKR_OK
               ? CSN_OK
               : csn_reason_set(reason, CSN_EREFUSED,
                                "all keys are in and verified, but the transport key is still "
                                "there (C_DestroyObject: %s, CKR 0x%lx): destroy its private and "
                                "public half with the token's own tool",
                                p11_kit_strerror(rv), rv);
}

static int unwrap_aes(struct csn_p11_session *session, CK_OBJECT_HANDLE rsa,
                      struct csn_bytes wrapped, CK_OBJECT_HANDLE *ret_object,
                      struct csn_reason *reason)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_MECHANISM oaep = oaep_mechanism();
    struct template template = {0};
    put(&template, CKA_CLASS, &class, sizeof(class));
    put(&template, CKA_KEY_TYPE, &type, sizeof(type));
    put_flag(&template, CKA_TOKEN, false);
    put_flag(&template, CKA_PRIVATE, true);
    put_flag(&template, CKA_SENSITIVE, true);
    put_flag(&template, CKA_EXTRACTABLE, false);
    put_flag(&template, CKA_UNWRAP, true);
    CK_RV rv = session->token->api->C_UnwrapKey(session->handle, &oaep, rsa,
                                                (CK_BYTE_PTR)(uintptr_t)wrapped.data, wrapped.size,
                                                template.attributes, template.count, ret_object);
    if (rv != CKR_OK) {
        return csn_p11_fail(session, rv, "C_UnwrapKey (AES; is the file for this transport key?)",
                            reason);
    }
    return CSN_OK;
}

static CK_KEY_TYPE type_of(uint8_t algorithm)
{
    const struct csn_p11_curve *curve = csn_p11_curve(algorithm);
    return curve == NULL ? CKK_RSA : algorithm == CSN_HSM_ED25519 ? CKK_EC_EDWARDS : CKK_EC;
}

static int unwrap_private(struct csn_p11_session *session, const struct csn_hsm_wrapped_key *key,
                          uint32_t mechanism_number, CK_OBJECT_HANDLE aes,
                          CK_OBJECT_HANDLE *ret_object, struct csn_reason *reason)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_KEY_TYPE type = type_of(key->algorithm);
    CK_MECHANISM mechanism = {.mechanism = mechanism_number};
    struct template template = {0};
    put(&template, CKA_CLASS, &class, sizeof(class));
    put(&template, CKA_KEY_TYPE, &type, sizeof(type));
    put_name(&template, &(struct csn_hsm_key){.label = key->label, .id = key->id});
    put_flag(&template, CKA_PRIVATE, true);
    put_flag(&template, CKA_SENSITIVE, true);
    put_flag(&template, CKA_EXTRACTABLE, false);
    put_flag(&template, CKA_SIGN, true);
    CK_RV rv = session->token->api->C_UnwrapKey(
        session->handle, &mechanism, aes, (CK_BYTE_PTR)(uintptr_t)key->wrapped.data,
        key->wrapped.size, template.attributes, template.count, ret_object);
    return rv == CKR_OK ? CSN_OK : csn_p11_fail(session, rv, "C_UnwrapKey", reason);
}

/* A signature of the new private key must verify with the public key that came beside it. */
static int check_pair(struct csn_p11_session *session, CK_OBJECT_HANDLE private_key,
                      const struct csn_hsm_wrapped_key *key, struct csn_reason *reason)
{
    struct csn_hasher *hasher = csn_hasher_new();
    struct csn_buf input = {0}, dnskey = {0};
    struct csn_backend_signature signature;
    const uint8_t head[] = {0, 0, 3, key->algorithm};
    csn_buf_put(&dnskey, head, sizeof(head));
    csn_buf_put_bytes(&dnskey, key->public_key);
    int code = csn_hsm_digest(hasher, key->algorithm, csn_hsm_canary_data(), &input);
    if (code == CSN_OK) {
        code = csn_p11_sign(session, private_key, key->algorithm, csn_buf_view(&input), &signature,
                            reason);
    }
    if (code == CSN_OK && csn_hsm_verify(csn_buf_view(&dnskey), csn_hsm_canary_data(),
                                         csn_bytes(signature.octets, signature.size)) != CSN_OK) {
        code = csn_reason_set(
            reason, CSN_ESIGNATURE,
            "the unwrapped key %s is not the private half of the public key beside it", key->label);
    }
    csn_buf_fini(&input);
    csn_buf_fini(&dnskey);
    csn_hasher_free(hasher);
    return code;
}

/* DER OCTET STRING around the point, 04 in front of an EC one. */
static size_t fill_point(const struct csn_p11_curve *curve, struct csn_bytes public_key,
                         uint8_t ret_point[100])
{
    size_t size = 0;
    ret_point[size++] = 0x04;
    ret_point[size++] = curve->point_size;
    if (curve->algorithm != CSN_HSM_ED25519) {
        ret_point[size++] = 0x04;
    }
    memcpy(ret_point + size, public_key.data, public_key.size);
    return size + public_key.size;
}

static int create_public(struct csn_p11_session *session, const struct csn_hsm_wrapped_key *key,
                         CK_OBJECT_HANDLE *ret_object, struct csn_reason *reason)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_KEY_TYPE type = type_of(key->algorithm);
    const struct csn_p11_curve *curve = csn_p11_curve(key->algorithm);
    struct csn_bytes exponent, modulus;
    uint8_t point[100];
    struct template template = {0};
    put(&template, CKA_CLASS, &class, sizeof(class));
    put(&template, CKA_KEY_TYPE, &type, sizeof(type));
    put_name(&template, &(struct csn_hsm_key){.label = key->label, .id = key->id});
    put_flag(&template, CKA_VERIFY, true);
    if (curve != NULL) {
        put(&template, CKA_EC_PARAMS, curve->oid, curve->oid_size);
        put(&template, CKA_EC_POINT, point, fill_point(curve, key->public_key, point));
    } else {
        int code = csn_hsm_rsa_parse(key->public_key, &exponent, &modulus);
        INSIST(code == CSN_OK); /* check_pair verified with it */
        put(&template, CKA_PUBLIC_EXPONENT, exponent.data, exponent.size);
        put(&template, CKA_MODULUS, modulus.data, modulus.size);
    }
    CK_RV rv = session->token->api->C_CreateObject(session->handle, template.attributes,
                                                   template.count, ret_object);
    return rv == CKR_OK ? CSN_OK : csn_p11_fail(session, rv, "C_CreateObject (public key)", reason);
}

static int unwrap_key(struct csn_p11_session *session, const struct csn_hsm_wrapped_key *key,
                      uint32_t mechanism, CK_OBJECT_HANDLE aes, struct pair *ret_made,
                      struct csn_reason *reason)
{
    int code =
        check_unused(session, &(struct csn_hsm_key){.label = key->label, .id = key->id}, reason);
    if (code == CSN_OK) {
        code = unwrap_private(session, key, mechanism, aes, &ret_made->private_key, reason);
    }
    if (code == CSN_OK) {
        code = check_pair(session, ret_made->private_key, key, reason);
    }
    if (code == CSN_OK) {
        code = create_public(session, key, &ret_made->public_key, reason);
    }
    return code;
}

static int try_unwrap(struct csn_p11_session *session, const struct csn_hsm_key *transport,
                      const struct csn_hsm_wrapped *wrapped, struct csn_reason *reason)
{
    struct pair made[CSN_HSM_WRAP_MAX] = {0}, pair = {0};
    CK_OBJECT_HANDLE aes = CK_INVALID_HANDLE;
    int code = csn_p11_ready(session, reason);
    if (code == CSN_OK) {
        code = find_transport(session, transport, &pair, reason);
    }
    if (code == CSN_OK) {
        code = unwrap_aes(session, pair.private_key, wrapped->aes_key, &aes, reason);
    }
    for (size_t i = 0; code == CSN_OK && i < wrapped->count; i++) {
        code = unwrap_key(session, &wrapped->keys[i], wrapped->mechanism, aes, &made[i], reason);
    }
    for (size_t i = 0; code != CSN_OK && i < wrapped->count; i++) {
        destroy(session, made[i].private_key);
        destroy(session, made[i].public_key);
    }
    destroy(session, aes);
    return code == CSN_OK ? destroy_transport(session, &pair, reason) : code;
}

int csn_p11_unwrap(void *arg, const struct csn_hsm_key *transport,
                   const struct csn_hsm_wrapped *wrapped, struct csn_reason *reason)
{
    unsigned tries = 0;
    int code;
    do {
        code = try_unwrap(arg, transport, wrapped, reason);
    } while (csn_p11_again(arg, code, &tries));
    return code;
}

/* --- sealing */

static int try_seal(struct csn_p11_session *session, const struct csn_hsm_key *key,
                    struct csn_reason *reason)
{
    CK_OBJECT_HANDLE object;
    CK_BBOOL is_extractable = CK_TRUE;
    CK_ATTRIBUTE attribute = {CKA_EXTRACTABLE, (void *)(uintptr_t)&no, sizeof(no)};
    CK_ATTRIBUTE back = {CKA_EXTRACTABLE, &is_extractable, sizeof(is_extractable)};
    int code = csn_p11_ready(session, reason);
    if (code == CSN_OK) {
        code = csn_p11_find(session, CKO_PRIVATE_KEY, key, &object, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    CK_RV rv = session->token->api->C_SetAttributeValue(session->handle, object, &attribute, 1);
    if (rv != CKR_OK) {
        return csn_p11_fail(session, rv, "C_SetAttributeValue (CKA_EXTRACTABLE)", reason);
    }
    rv = session->token->api->C_GetAttributeValue(session->handle, object, &back, 1);
    if (rv != CKR_OK || is_extractable) {
        return csn_reason_set(reason, CSN_EREFUSED, "the token did not take CKA_EXTRACTABLE false");
    }
    return CSN_OK;
}

int csn_p11_seal(void *arg, const struct csn_hsm_key *key, struct csn_reason *reason)
{
    unsigned tries = 0;
    int code;
    do {
        code = try_seal(arg, key, reason);
    } while (csn_p11_again(arg, code, &tries));
    return code;
}
