/* pkcs11.h: inside the PKCS#11 back end: the token, its sessions, and finding objects. pkcs11.c
 * signs; pkcs11_make.c makes and moves keys. consign-hsm only. What the module refuses gives the
 * code of csn_p11_fail, mostly CSN_EHSM. */
#ifndef CSN_HSM_PKCS11_H
#define CSN_HSM_PKCS11_H

#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>

#include "hsm/backend.h"

#define CSN_P11_HANDLES_MAX                                                                        \
    32 /* found keys a session remembers; the oldest is forgotten, and found again when needed */

struct csn_p11_token {
    CK_FUNCTION_LIST_PTR api; /* borrows from the module, which stays loaded */
    CK_SLOT_ID slot;
    const char *pin_file; /* borrows from the settings */
    pthread_mutex_t login;
    bool is_pin_refused; /* under `login`: never try again */
};

struct csn_p11_handle {
    char label[CSN_HSM_LABEL_MAX + 1];
    uint8_t id[CSN_HSM_ID_MAX];
    size_t id_size;
    CK_OBJECT_HANDLE object;
    CK_KEY_TYPE type;
};

struct csn_p11_session {
    struct csn_p11_token *token; /* borrows */
    bool is_open;
    CK_SESSION_HANDLE handle;
    CK_RV last; /* what made the last CSN_EHSM */
    struct csn_p11_handle handles[CSN_P11_HANDLES_MAX];
    size_t handle_count;
};

/* The code for a refused call, with a reason that names call and cause. Writes session->last. */
int csn_p11_fail(struct csn_p11_session *session, CK_RV rv, const char *what,
                 struct csn_reason *reason);

/* Opens the session and logs in where that is due. */
int csn_p11_ready(struct csn_p11_session *session, struct csn_reason *reason);

/* True, once, when the session or its handles were lost: they are dropped and the caller does it
 * all again. */
bool csn_p11_again(struct csn_p11_session *session, int code, unsigned *tries);

/* The one token object of this class that the key names; CSN_ENOTFOUND, or CSN_EREFUSED when
 * several match. */
int csn_p11_find(struct csn_p11_session *session, CK_OBJECT_CLASS class,
                 const struct csn_hsm_key *key, CK_OBJECT_HANDLE *ret_object,
                 struct csn_reason *reason);

/* Public-key field of a DNSKEY from a public-key object, appended to `buf`. */
int csn_p11_read_public(struct csn_p11_session *session, CK_OBJECT_HANDLE object,
                        struct csn_buf *buf, uint8_t *ret_algorithm, struct csn_reason *reason);

/* One C_SignInit and C_Sign. CSN_EREFUSED: what came is no signature of this algorithm. */
int csn_p11_sign(struct csn_p11_session *session, CK_OBJECT_HANDLE object, uint8_t algorithm,
                 struct csn_bytes input, struct csn_backend_signature *ret_signature,
                 struct csn_reason *reason);

/* The curves we know: 13, 14, 15. NULL for others. */
struct csn_p11_curve {
    uint8_t algorithm;
    uint8_t point_size; /* as in CKA_EC_POINT, without the OCTET STRING around it */
    uint8_t oid_size;
    uint8_t oid[10]; /* CKA_EC_PARAMS: DER */
};
const struct csn_p11_curve *csn_p11_curve(uint8_t algorithm);

int csn_p11_generate(void *session, const struct csn_hsm_key *key, enum csn_hsm_kind kind,
                     bool is_exportable, struct csn_reason *reason);
int csn_p11_mechanisms(void *session, uint32_t ret_mechanisms[2], size_t *ret_count,
                       struct csn_reason *reason);
int csn_p11_wrap(void *session, struct csn_bytes public_key, uint32_t mechanism,
                 const struct csn_hsm_key *keys, size_t count, struct csn_arena *arena,
                 struct csn_hsm_wrapped *ret_wrapped, struct csn_reason *reason);
int csn_p11_unwrap(void *session, const struct csn_hsm_key *transport,
                   const struct csn_hsm_wrapped *wrapped, struct csn_reason *reason);
int csn_p11_seal(void *session, const struct csn_hsm_key *key, struct csn_reason *reason);

#endif
