#include "hsm/pkcs11.h"

#include <dlfcn.h>
#include <p11-kit/uri.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"

#define PIN_MAX 1024
#define SLOTS_MAX 1024
#define ATTRIBUTE_MAX 8192

/* --- errors: one list of what each return value means to the client */

static int code_of(CK_RV rv)
{
    switch (rv) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_EXPIRED:
    case CKR_PIN_LOCKED:
    case CKR_USER_PIN_NOT_INITIALIZED:
        return CSN_EPERMISSION;
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
    case CKR_FUNCTION_NOT_SUPPORTED:
    case CKR_KEY_TYPE_INCONSISTENT:
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
    case CKR_KEY_SIZE_RANGE:
    case CKR_KEY_UNEXTRACTABLE:
    case CKR_KEY_NOT_WRAPPABLE:
    case CKR_WRAPPING_KEY_SIZE_RANGE:
    case CKR_WRAPPING_KEY_TYPE_INCONSISTENT:
    case CKR_UNWRAPPING_KEY_SIZE_RANGE:
    case CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT:
    case CKR_ATTRIBUTE_READ_ONLY:
    case CKR_ATTRIBUTE_SENSITIVE:
    case CKR_ATTRIBUTE_TYPE_INVALID:
    case CKR_ATTRIBUTE_VALUE_INVALID:
    case CKR_TEMPLATE_INCOMPLETE:
    case CKR_TEMPLATE_INCONSISTENT:
    case CKR_DOMAIN_PARAMS_INVALID:
    case CKR_DATA_LEN_RANGE:
    case CKR_DATA_INVALID:
    case CKR_TOKEN_WRITE_PROTECTED:
    case CKR_SESSION_COUNT:
        return CSN_EREFUSED;
    case CKR_WRAPPED_KEY_INVALID:
    case CKR_WRAPPED_KEY_LEN_RANGE:
    case CKR_ENCRYPTED_DATA_INVALID:
    case CKR_ENCRYPTED_DATA_LEN_RANGE:
        return CSN_EFORMAT;
    default:
        return CSN_EHSM;
    }
}

/* What a reset of the HSM or of its connection leaves behind. */
static bool is_lost(CK_RV rv)
{
    switch (rv) {
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_OBJECT_HANDLE_INVALID:
    case CKR_KEY_HANDLE_INVALID:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_DEVICE_ERROR:
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_OPERATION_ACTIVE:
        return true;
    default:
        return false;
    }
}

int csn_p11_fail(struct csn_p11_session *session, CK_RV rv, const char *what,
                 struct csn_reason *reason)
{
    session->last = rv;
    return csn_reason_set(reason, code_of(rv), "%s: %s (CKR 0x%lx)", what, p11_kit_strerror(rv),
                          rv);
}

/* --- module and token */

static int load_module(const char *path, CK_FUNCTION_LIST_PTR *ret_api, struct csn_reason *reason)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) {
        return csn_reason_set(reason, CSN_EHSM, "PKCS#11 module: %s", dlerror());
    }
    CK_C_GetFunctionList get;
    *(void **)&get = dlsym(module, "C_GetFunctionList");
    CK_FUNCTION_LIST_PTR api = NULL;
    if (get == NULL || get(&api) != CKR_OK || api == NULL) {
        return csn_reason_set(reason, CSN_EHSM, "%s: not a PKCS#11 module (no C_GetFunctionList)",
                              path);
    }
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_RV rv = api->C_Initialize(&args);
    if (rv != CKR_OK) {
        return csn_reason_set(reason, CSN_EHSM, "%s: C_Initialize: %s (CKR 0x%lx)", path,
                              p11_kit_strerror(rv), rv);
    }
    *ret_api = api;
    return CSN_OK;
}

/* A token URI names a token: an object would be ignored, and a PIN has no place in a configuration
 * file. */
static int parse_uri(const char *text, P11KitUri *uri, struct csn_reason *reason)
{
    int bad = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri);
    if (bad != P11_KIT_URI_OK) {
        return csn_reason_set(reason, CSN_EREFUSED, "token URI %s: %s", text,
                              p11_kit_uri_message(bad));
    }
    if (p11_kit_uri_get_pin_value(uri) != NULL || p11_kit_uri_get_pin_source(uri) != NULL) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "the token URI holds a PIN or its source; put the PIN in pin-file");
    }
    CK_ULONG count = 0;
    p11_kit_uri_get_attributes(uri, &count);
    if (count > 0 || p11_kit_uri_any_unrecognized(uri)) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "token URI %s: only attributes of a token or a slot", text);
    }
    return CSN_OK;
}

static bool slot_matches(CK_FUNCTION_LIST_PTR api, CK_SLOT_ID slot, P11KitUri *uri)
{
    CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(uri);
    CK_TOKEN_INFO token;
    CK_SLOT_INFO info;
    return (wanted == (CK_SLOT_ID)-1 || wanted == slot) &&
           api->C_GetTokenInfo(slot, &token) == CKR_OK &&
           p11_kit_uri_match_token_info(uri, &token) &&
           (token.flags & CKF_TOKEN_INITIALIZED) != 0 &&
           api->C_GetSlotInfo(slot, &info) == CKR_OK && p11_kit_uri_match_slot_info(uri, &info);
}

static int find_slot(CK_FUNCTION_LIST_PTR api, const char *text, P11KitUri *uri,
                     CK_SLOT_ID *ret_slot, struct csn_reason *reason)
{
    CK_SLOT_ID *slots = csn_calloc(SLOTS_MAX, sizeof(*slots));
    CK_ULONG count = SLOTS_MAX, found = 0;
    CK_SLOT_ID slot = 0;
    CK_RV rv = api->C_GetSlotList(CK_TRUE, slots, &count);
    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
        if (slot_matches(api, slots[i], uri)) {
            slot = slots[i];
            found++;
        }
    }
    free(slots);
    if (rv != CKR_OK) {
        return csn_reason_set(reason, CSN_EHSM, "C_GetSlotList: %s (CKR 0x%lx)",
                              p11_kit_strerror(rv), rv);
    }
    if (found == 0) {
        return csn_reason_set(reason, CSN_EHSM, "%s: no token of that name among the %lu present", text, count);
    }
    if (found != 1) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "%s matches %lu of %lu tokens present, not one", text, found, count);
    }
    *ret_slot = slot;
    return CSN_OK;
}

static int token_open(const struct csn_backend_settings *settings, void **ret_store,
                      struct csn_reason *reason)
{
    struct csn_p11_token *token = csn_calloc(1, sizeof(*token));
    P11KitUri *uri = p11_kit_uri_new();
    int code = parse_uri(settings->token, uri, reason);
    if (code == CSN_OK) {
        code = load_module(settings->module, &token->api, reason);
    }
    if (code == CSN_OK) {
        code = find_slot(token->api, settings->token, uri, &token->slot, reason);
    }
    p11_kit_uri_free(uri);
    if (code != CSN_OK) {
        free(token);
        return code;
    }
    token->pin_file = settings->pin_file;
    pthread_mutex_init(&token->login, NULL);
    *ret_store = token;
    return CSN_OK;
}

/* --- login: the PIN is read for each login and wiped at once; a refused one is never tried twice,
 * or the token locks */

static int read_pin(const char *path, struct csn_buf *pin, struct csn_reason *reason)
{
    int code = csn_fs_read_secret(path, PIN_MAX, pin, reason);
    while (code == CSN_OK && pin->size > 0 &&
           (pin->data[pin->size - 1] == '\n' || pin->data[pin->size - 1] == '\r')) {
        pin->size--;
    }
    if (code == CSN_OK && pin->size == 0) {
        return csn_reason_set(reason, CSN_EPERMISSION, "%s: holds no PIN", path);
    }
    return code == CSN_OK || code == CSN_EPERMISSION ? code : CSN_EHSM;
}

static int login_with_pin(struct csn_p11_session *session, struct csn_reason *reason)
{
    struct csn_p11_token *token = session->token;
    struct csn_buf pin = {0};
    CK_RV rv = CKR_OK;
    int code = read_pin(token->pin_file, &pin, reason);
    if (code == CSN_OK) {
        rv = token->api->C_Login(session->handle, CKU_USER, pin.data, pin.size);
        if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN) {
            code = csn_p11_fail(session, rv, "C_Login", reason);
        }
    }
    if (pin.data != NULL) {
        csn_wipe(pin.data, pin.size_max);
    }
    csn_buf_fini(&pin);
    if (code == CSN_EPERMISSION && rv != CKR_OK) {
        token->is_pin_refused = true;
        csn_reason_set(reason, code,
                       "the token refuses the PIN in %s: %s; it is not tried again, lest the token "
                       "lock: mend the "
                       "file, then start this program anew",
                       token->pin_file, p11_kit_strerror(rv));
    }
    return code;
}

static int login(struct csn_p11_session *session, struct csn_reason *reason)
{
    struct csn_p11_token *token = session->token;
    CK_SESSION_INFO info;
    int code = CSN_OK;
    pthread_mutex_lock(&token->login);
    CK_RV rv = token->api->C_GetSessionInfo(session->handle, &info);
    if (rv != CKR_OK) {
        code = csn_p11_fail(session, rv, "C_GetSessionInfo", reason);
    } else if (info.state != CKS_RO_USER_FUNCTIONS && info.state != CKS_RW_USER_FUNCTIONS) {
        code = token->is_pin_refused
                   ? csn_reason_set(reason, CSN_EPERMISSION, "the token refused the PIN before")
                   : login_with_pin(session, reason);
    }
    pthread_mutex_unlock(&token->login);
    return code;
}

/* --- sessions */

static void session_drop(struct csn_p11_session *session)
{
    if (session->is_open) {
        session->token->api->C_CloseSession(session->handle);
    }
    session->is_open = false;
    session->handle_count = 0;
}

int csn_p11_ready(struct csn_p11_session *session, struct csn_reason *reason)
{
    if (session->is_open) {
        return CSN_OK;
    }
    struct csn_p11_token *token = session->token;
    CK_RV rv = token->api->C_OpenSession(token->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
                                         NULL, &session->handle);
    if (rv != CKR_OK) {
        return csn_p11_fail(session, rv, "C_OpenSession", reason);
    }
    session->is_open = true;
    int code = login(session, reason);
    if (code != CSN_OK) {
        session_drop(session);
    }
    return code;
}

bool csn_p11_again(struct csn_p11_session *session, int code, unsigned *tries)
{
    if (code != CSN_EHSM || !is_lost(session->last) || (*tries)++ > 0) {
        return false;
    }
    session_drop(session);
    return true;
}

static int session_open(void *store, void **ret_session, struct csn_reason *reason)
{
    struct csn_p11_session *session = csn_calloc(1, sizeof(*session));
    session->token = store;
    int code = csn_p11_ready(session, reason);
    if (code != CSN_OK) {
        free(session);
        return code;
    }
    *ret_session = session;
    return CSN_OK;
}

/* --- objects */

static const char *class_text(CK_OBJECT_CLASS class)
{
    return class == CKO_PRIVATE_KEY ? "private key" : "public key";
}

static void key_text(const struct csn_hsm_key *key, char *ret_text, size_t size)
{
    int used = snprintf(ret_text, size, "%s%s", key->label != NULL ? "label " : "",
                        key->label != NULL ? key->label : "");
    for (size_t i = 0; i < key->id.size && (size_t)used + 8 < size; i++) {
        used += snprintf(ret_text + used, size - (size_t)used, "%s%02x",
                         i > 0      ? ""
                         : used > 0 ? " id "
                                    : "id ",
                         key->id.data[i]);
    }
}

int csn_p11_find(struct csn_p11_session *session, CK_OBJECT_CLASS class,
                 const struct csn_hsm_key *key, CK_OBJECT_HANDLE *ret_object,
                 struct csn_reason *reason)
{
    CK_FUNCTION_LIST_PTR api = session->token->api;
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE wanted[4] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_TOKEN, &yes, sizeof(yes)}};
    CK_ULONG count = 2, found = 0;
    CK_OBJECT_HANDLE objects[2];
    char text[256];
    key_text(key, text, sizeof(text));
    if (key->label != NULL) {
        wanted[count++] =
            (CK_ATTRIBUTE){CKA_LABEL, (void *)(uintptr_t)key->label, strlen(key->label)};
    }
    if (key->id.size > 0) {
        wanted[count++] = (CK_ATTRIBUTE){CKA_ID, (void *)(uintptr_t)key->id.data, key->id.size};
    }
    CK_RV rv = api->C_FindObjectsInit(session->handle, wanted, count);
    if (rv == CKR_OK) {
        rv = api->C_FindObjects(session->handle, objects, 2, &found);
        CK_RV final = api->C_FindObjectsFinal(session->handle);
        rv = rv == CKR_OK ? final : rv;
    }
    if (rv != CKR_OK) {
        return csn_p11_fail(session, rv, "C_FindObjects", reason);
    }
    if (found == 0) {
        return csn_reason_set(reason, CSN_ENOTFOUND, "the token has no %s with %s",
                              class_text(class), text);
    }
    if (found > 1) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "the token has several %ss with %s: name the key by its id as well",
                              class_text(class), text);
    }
    *ret_object = objects[0];
    return CSN_OK;
}

static bool handle_is(const struct csn_p11_handle *handle, const struct csn_hsm_key *key)
{
    return strcmp(handle->label, key->label != NULL ? key->label : "") == 0 &&
           csn_bytes_equal(csn_bytes(handle->id, handle->id_size), key->id);
}

/* Some modules sign whatever they are given with whatever key: so the type is kept and compared. */
static int read_type(struct csn_p11_session *session, CK_OBJECT_HANDLE object,
                     CK_KEY_TYPE *ret_type, struct csn_reason *reason)
{
    CK_ATTRIBUTE attribute = {CKA_KEY_TYPE, ret_type, sizeof(*ret_type)};
    CK_RV rv = session->token->api->C_GetAttributeValue(session->handle, object, &attribute, 1);
    return rv == CKR_OK ? CSN_OK
                        : csn_p11_fail(session, rv, "C_GetAttributeValue (CKA_KEY_TYPE)", reason);
}

static int private_key(struct csn_p11_session *session, const struct csn_hsm_key *key,
                       const struct csn_p11_handle **ret_handle, struct csn_reason *reason)
{
    for (size_t i = 0; i < session->handle_count; i++) {
        if (handle_is(&session->handles[i], key)) {
            *ret_handle = &session->handles[i];
            return CSN_OK;
        }
    }
    CK_OBJECT_HANDLE object;
    CK_KEY_TYPE type = 0;
    int code = csn_p11_find(session, CKO_PRIVATE_KEY, key, &object, reason);
    if (code == CSN_OK) {
        code = read_type(session, object, &type, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    if (session->handle_count == CSN_P11_HANDLES_MAX) {
        session->handle_count--;
        memmove(session->handles, session->handles + 1,
                session->handle_count * sizeof(session->handles[0]));
    }
    struct csn_p11_handle *handle = &session->handles[session->handle_count++];
    *handle = (struct csn_p11_handle){.id_size = key->id.size, .object = object, .type = type};
    snprintf(handle->label, sizeof(handle->label), "%s", key->label != NULL ? key->label : "");
    if (key->id.size > 0) {
        memcpy(handle->id, key->id.data, key->id.size);
    }
    *ret_handle = handle;
    return CSN_OK;
}

/* --- public keys */

static const struct csn_p11_curve curves[] = {
    {CSN_HSM_ECDSA_P256, 65, 10, {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}},
    {CSN_HSM_ECDSA_P384, 97, 7, {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22}},
    {CSN_HSM_ED25519, 32, 5, {0x06, 0x03, 0x2b, 0x65, 0x70}},
};

const struct csn_p11_curve *csn_p11_curve(uint8_t algorithm)
{
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (curves[i].algorithm == algorithm) {
            return &curves[i];
        }
    }
    return NULL;
}

/* Tokens name Ed25519 by its object identifier or, as PKCS#11 3.0 also allows, by the
 * PrintableString "edwards25519". */
static const struct csn_p11_curve *curve_of(struct csn_bytes params)
{
    static const char edwards[] = "\x13\x0c"
                                  "edwards25519";
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (csn_bytes_equal(params, csn_bytes(curves[i].oid, curves[i].oid_size))) {
            return &curves[i];
        }
    }
    return csn_bytes_equal(params, csn_bytes(edwards, sizeof(edwards) - 1))
               ? csn_p11_curve(CSN_HSM_ED25519)
               : NULL;
}

static int read_attribute(struct csn_p11_session *session, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE_TYPE type, struct csn_buf *buf, struct csn_reason *reason)
{
    CK_ATTRIBUTE attribute = {type, csn_buf_reserve(buf, ATTRIBUTE_MAX), ATTRIBUTE_MAX};
    CK_RV rv = session->token->api->C_GetAttributeValue(session->handle, object, &attribute, 1);
    if (rv != CKR_OK || attribute.ulValueLen > ATTRIBUTE_MAX) {
        return csn_p11_fail(session, rv != CKR_OK ? rv : CKR_GENERAL_ERROR, "C_GetAttributeValue",
                            reason);
    }
    buf->size += attribute.ulValueLen;
    return CSN_OK;
}

/* CKA_EC_POINT is an OCTET STRING around the point; some modules give the point alone. An EC point
 * begins with 04, uncompressed; DNSSEC drops that octet (RFC 6605 4). */
static int put_point(const struct csn_p11_curve *curve, struct csn_bytes point, struct csn_buf *buf)
{
    if (point.size == (size_t)curve->point_size + 2 && point.data[0] == 0x04 &&
        point.data[1] == curve->point_size) {
        point = csn_bytes(point.data + 2, point.size - 2);
    }
    if (point.size != curve->point_size) {
        return CSN_EFORMAT;
    }
    if (curve->algorithm == CSN_HSM_ED25519) {
        csn_buf_put_bytes(buf, point);
        return CSN_OK;
    }
    if (point.data[0] != 0x04) {
        return CSN_EFORMAT;
    }
    csn_buf_put(buf, point.data + 1, point.size - 1);
    return CSN_OK;
}

static int read_curve_key(struct csn_p11_session *session, CK_OBJECT_HANDLE object,
                          struct csn_buf *buf, uint8_t *ret_algorithm, struct csn_reason *reason)
{
    struct csn_buf params = {0}, point = {0};
    const struct csn_p11_curve *curve = NULL;
    int code = read_attribute(session, object, CKA_EC_PARAMS, &params, reason);
    if (code == CSN_OK) {
        code = read_attribute(session, object, CKA_EC_POINT, &point, reason);
    }
    if (code == CSN_OK) {
        curve = curve_of(csn_buf_view(&params));
        if (curve == NULL || put_point(curve, csn_buf_view(&point), buf) != CSN_OK) {
            code = csn_reason_set(
                reason, CSN_EREFUSED,
                "the public key is on no curve that DNSSEC knows here (P-256, P-384, "
                "Ed25519)");
        } else {
            *ret_algorithm = curve->algorithm;
        }
    }
    csn_buf_fini(&params);
    csn_buf_fini(&point);
    return code;
}

static int read_rsa_key(struct csn_p11_session *session, CK_OBJECT_HANDLE object,
                        struct csn_buf *buf, uint8_t *ret_algorithm, struct csn_reason *reason)
{
    struct csn_buf exponent = {0}, modulus = {0};
    int code = read_attribute(session, object, CKA_PUBLIC_EXPONENT, &exponent, reason);
    if (code == CSN_OK) {
        code = read_attribute(session, object, CKA_MODULUS, &modulus, reason);
    }
    if (code == CSN_OK) {
        csn_hsm_rsa_public(csn_buf_view(&exponent), csn_buf_view(&modulus), buf);
        *ret_algorithm = CSN_HSM_RSASHA256;
    }
    csn_buf_fini(&exponent);
    csn_buf_fini(&modulus);
    return code;
}

int csn_p11_read_public(struct csn_p11_session *session, CK_OBJECT_HANDLE object,
                        struct csn_buf *buf, uint8_t *ret_algorithm, struct csn_reason *reason)
{
    CK_KEY_TYPE type = 0;
    int code = read_type(session, object, &type, reason);
    if (code != CSN_OK) {
        return code;
    }
    switch (type) {
    case CKK_RSA:
        return read_rsa_key(session, object, buf, ret_algorithm, reason);
    case CKK_EC:
    case CKK_EC_EDWARDS:
        return read_curve_key(session, object, buf, ret_algorithm, reason);
    default:
        return csn_reason_set(reason, CSN_EREFUSED,
                              "the key has type 0x%lx; DNSSEC here takes RSA, EC and Ed25519",
                              type);
    }
}

static int try_public(struct csn_p11_session *session, const struct csn_hsm_key *key,
                      struct csn_buf *buf, uint8_t *ret_algorithm, struct csn_reason *reason)
{
    CK_OBJECT_HANDLE object;
    int code = csn_p11_ready(session, reason);
    if (code == CSN_OK) {
        code = csn_p11_find(session, CKO_PRIVATE_KEY, key, &object, reason);
    }
    if (code == CSN_OK) {
        code = csn_p11_find(session, CKO_PUBLIC_KEY, key, &object, reason);
    }
    return code == CSN_OK ? csn_p11_read_public(session, object, buf, ret_algorithm, reason) : code;
}

static int backend_public(void *arg, const struct csn_hsm_key *key, struct csn_buf *buf,
                          uint8_t *ret_algorithm, struct csn_reason *reason)
{
    unsigned tries = 0;
    int code;
    do {
        code = try_public(arg, key, buf, ret_algorithm, reason);
    } while (csn_p11_again(arg, code, &tries));
    return code;
}

/* --- signing */

static CK_MECHANISM_TYPE mechanism_of(uint8_t algorithm)
{
    switch (algorithm) {
    case CSN_HSM_RSASHA256:
    case CSN_HSM_RSASHA512:
        return CKM_RSA_PKCS;
    case CSN_HSM_ED25519:
        return CKM_EDDSA;
    default:
        return CKM_ECDSA;
    }
}

static bool type_fits(CK_KEY_TYPE type, uint8_t algorithm)
{
    switch (mechanism_of(algorithm)) {
    case CKM_RSA_PKCS:
        return type == CKK_RSA;
    case CKM_EDDSA:
        return type == CKK_EC_EDWARDS;
    default:
        return type == CKK_EC;
    }
}

int csn_p11_sign(struct csn_p11_session *session, CK_OBJECT_HANDLE object, uint8_t algorithm,
                 struct csn_bytes input, struct csn_backend_signature *ret_signature,
                 struct csn_reason *reason)
{
    CK_FUNCTION_LIST_PTR api = session->token->api;
    CK_MECHANISM mechanism = {.mechanism = mechanism_of(algorithm)};
    CK_ULONG size = sizeof(ret_signature->octets);
    CK_RV rv = api->C_SignInit(session->handle, &mechanism, object);
    if (rv != CKR_OK) {
        return csn_p11_fail(session, rv, "C_SignInit", reason);
    }
    rv = api->C_Sign(session->handle, (CK_BYTE_PTR)(uintptr_t)input.data, input.size,
                     ret_signature->octets, &size);
    if (rv != CKR_OK) {
        return csn_p11_fail(session, rv, "C_Sign", reason);
    }
    if (!csn_hsm_signature_fits(algorithm, size)) {
        return csn_reason_set(
            reason, CSN_EREFUSED,
            "a signature of %lu octets is none of algorithm %u: is the key of another?", size,
            algorithm);
    }
    ret_signature->size = size;
    return CSN_OK;
}

static int try_sign(struct csn_p11_session *session, const struct csn_hsm_key *key,
                    uint8_t algorithm, struct csn_bytes input,
                    struct csn_backend_signature *ret_signature, struct csn_reason *reason)
{
    const struct csn_p11_handle *handle;
    int code = csn_p11_ready(session, reason);
    if (code == CSN_OK) {
        code = private_key(session, key, &handle, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    if (!type_fits(handle->type, algorithm)) {
        return csn_reason_set(reason, CSN_EREFUSED, "the key %s is not one of algorithm %u",
                              handle->label, algorithm);
    }
    return csn_p11_sign(session, handle->object, algorithm, input, ret_signature, reason);
}

static int backend_sign(void *arg, const struct csn_hsm_key *key, uint8_t algorithm,
                        struct csn_bytes input, struct csn_backend_signature *ret_signature,
                        struct csn_reason *reason)
{
    unsigned tries = 0;
    int code;
    do {
        code = try_sign(arg, key, algorithm, input, ret_signature, reason);
    } while (csn_p11_again(arg, code, &tries));
    return code;
}

const struct csn_backend csn_backend_pkcs11 = {
    .open = token_open,
    .session = session_open,
    .public_key = backend_public,
    .sign = backend_sign,
    .generate = csn_p11_generate,
    .mechanisms = csn_p11_mechanisms,
    .wrap = csn_p11_wrap,
    .unwrap = csn_p11_unwrap,
    .seal = csn_p11_seal,
};
