/* backend.h: what the worker asks of a place that keeps keys. Two exist: a PKCS#11 token and, for
 * tests and benches at full speed, a folder of PEM files. Everything blocks; a session belongs to
 * one thread at a time, a store is shared by all sessions.
 *
 * Codes as in client.h. CSN_EPERMISSION is said for the PIN alone and is final: the back end itself
 * never tries it again. */
#ifndef CSN_HSM_BACKEND_H
#define CSN_HSM_BACKEND_H

#include "base/arena.h"
#include "base/error.h"
#include "hsm/input.h"
#include "hsm/key.h"

struct csn_backend_settings { /* borrows; outlives the store */
    const char *module, *token, *pin_file;
};

struct csn_backend_signature {
    uint8_t octets[CSN_HSM_SIGNATURE_MAX];
    size_t size;
};

struct csn_backend {
    int (*open)(const struct csn_backend_settings *settings, void **ret_store,
                struct csn_reason *reason);
    /* Logs in. */
    int (*session)(void *store, void **ret_session, struct csn_reason *reason);

    int (*public_key)(void *session, const struct csn_hsm_key *key, struct csn_buf *buf,
                      uint8_t *ret_algorithm, struct csn_reason *reason);
    int (*sign)(void *session, const struct csn_hsm_key *key, uint8_t algorithm,
                struct csn_bytes input, struct csn_backend_signature *ret_signature,
                struct csn_reason *reason);
    int (*generate)(void *session, const struct csn_hsm_key *key, enum csn_hsm_kind kind,
                    bool is_exportable, struct csn_reason *reason);

    /* Key transport; NULL where the keys are files. What `ret_wrapped` holds borrows from the
     * arena. */
    int (*mechanisms)(void *session, uint32_t ret_mechanisms[2], size_t *ret_count,
                      struct csn_reason *reason);
    int (*wrap)(void *session, struct csn_bytes public_key, uint32_t mechanism,
                const struct csn_hsm_key *keys, size_t count, struct csn_arena *arena,
                struct csn_hsm_wrapped *ret_wrapped, struct csn_reason *reason);
    int (*unwrap)(void *session, const struct csn_hsm_key *transport,
                  const struct csn_hsm_wrapped *wrapped, struct csn_reason *reason);
    int (*seal)(void *session, const struct csn_hsm_key *key, struct csn_reason *reason);
};

extern const struct csn_backend csn_backend_pkcs11;
extern const struct csn_backend csn_backend_software;

#endif
