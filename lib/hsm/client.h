/* client.h: the HSM as the loop sees it. The client starts a consign-hsm process, the only one that
 * loads PKCS#11, and talks to it over a socket pair.
 *
 * Promises: every call is answered exactly once, by its callback, from the loop and never from
 * inside the call itself; a worker that owes an answer for longer than the deadline is killed and
 * another one started, with a back-off of 100 ms to 5 s, and the loop never waits for either. A
 * refused PIN is not tried again (tokens lock): the client stays down until it is made anew.
 *
 * Loop thread only. Arguments are borrowed for the call; what a callback gets is borrowed for the
 * callback.
 *
 * Codes: CSN_OK; CSN_EHSM the HSM or its worker is down; CSN_ETIMEOUT this call's deadline passed,
 * the worker was killed; CSN_ENOTFOUND no such key; CSN_EPERMISSION PIN refused or PIN file unsafe;
 * CSN_EREFUSED mechanism not offered, or several objects match, or an attribute forbids it;
 * CSN_EEXISTS; CSN_EFORMAT what is to be unwrapped; CSN_ELIMIT an input above 512 KiB; CSN_ESIGNATURE a canary that does not verify;
 * CSN_ECLOSED the client was freed. */
#ifndef CSN_HSM_CLIENT_H
#define CSN_HSM_CLIENT_H

#include <stdbool.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "hsm/key.h"

struct csn_hsm_settings { /* borrows: copied by csn_hsm_new */
    const char *worker;   /* path of the program consign-hsm */
    const char *module;   /* path of the PKCS#11 module; unused with software: */
    const char *token;    /* RFC 7512 URI of the token, or software:FOLDER */
    const char *pin_file; /* mode 0600, read by the worker alone */
    unsigned sessions;    /* threads, one session each; 1 .. CSN_HSM_SESSIONS_MAX */
    unsigned deadline_ms; /* for a message of at most 256 signatures that is next in line */
    /* NAME=VALUE …, NULL at the end; added to the process's own; may be NULL */
    const char *const *environment;
    const char *folder; /* working directory of the worker; may be NULL */
    const struct csn_log *log;
};

enum csn_hsm_link {
    CSN_HSM_STARTING,
    CSN_HSM_UP,
    CSN_HSM_DOWN,    /* the next start is due within 5 s; calls are answered CSN_EHSM at once */
    CSN_HSM_REFUSED, /* the PIN was refused; for good */
};

struct csn_hsm_status {
    enum csn_hsm_link state;
    struct csn_reason reason; /* of the last failure; empty while up */
    uint64_t signatures;      /* made */
    uint64_t restarts;        /* workers started after the first */
    uint64_t timeouts;        /* workers killed at a deadline */
};

struct csn_hsm;

/* Starts the first worker at once, and makes the process ignore SIGPIPE if that was left to its
 * default. Never fails: what is wrong shows in the state and in the answers. */
struct csn_hsm *csn_hsm_new(uv_loop_t *loop, const struct csn_hsm_settings *settings);
/* Kills the worker and answers pending calls CSN_ECLOSED before it returns; the memory goes when
 * the loop has run the close callbacks, so run the loop until it is empty. */
void csn_hsm_free(struct csn_hsm *take_hsm);
void csn_hsm_status_get(const struct csn_hsm *hsm, struct csn_hsm_status *ret_status);
const char *csn_hsm_state_text(enum csn_hsm_link state);

/* `public_key`: the public-key field of a DNSKEY (compare with csn_hsm_public_matches);
 * `algorithm`: 13, 14, 15, or 8 for any RSA key. Both empty unless CSN_OK. */
typedef void csn_hsm_public_fn(void *arg, int code, struct csn_bytes public_key, uint8_t algorithm,
                               const struct csn_reason *reason);
void csn_hsm_public_key(struct csn_hsm *hsm, const struct csn_hsm_key *key, csn_hsm_public_fn *fn,
                        void *arg);

/* Signs `count` inputs, each made by csn_hsm_digest. Signatures come in their order and in DNSSEC
 * form: r|s (RFC 6605), 64 octets (RFC 8080), or as long as the modulus; all of them or, with a
 * code, none. They are not verified here. */
typedef void csn_hsm_sign_fn(void *arg, int code, const struct csn_bytes *signatures, size_t count,
                             const struct csn_reason *reason);
void csn_hsm_sign(struct csn_hsm *hsm, const struct csn_hsm_key *key, uint8_t algorithm,
                  const struct csn_bytes *inputs, size_t count, csn_hsm_sign_fn *fn, void *arg);

/* Signs the fixed canary input with the key and verifies the signature with this DNSKEY RDATA:
 * CSN_ESIGNATURE when the token's key is not the published one or its signatures are wrong. */
typedef void csn_hsm_done_fn(void *arg, int code, const struct csn_reason *reason);
void csn_hsm_canary(struct csn_hsm *hsm, const struct csn_hsm_key *key, struct csn_bytes dnskey,
                    csn_hsm_done_fn *fn, void *arg);

/* --- ceremonies only */

/* Makes a key pair under a label and an id that no key has yet (CSN_EEXISTS). Exportable:
 * CKA_EXTRACTABLE until sealed. */
void csn_hsm_generate(struct csn_hsm *hsm, const struct csn_hsm_key *key, enum csn_hsm_kind kind,
                      bool is_exportable, csn_hsm_public_fn *fn, void *arg);

/* Which of the wrapping mechanisms this token has, best first. */
typedef void csn_hsm_mechanisms_fn(void *arg, int code, const uint32_t *mechanisms, size_t count,
                                   const struct csn_reason *reason);
void csn_hsm_mechanisms(struct csn_hsm *hsm, csn_hsm_mechanisms_fn *fn, void *arg);

/* Wraps the keys for the receiver's transport key (`public_key` in the form of RFC 3110), with the
 * first of `mechanisms` that this token has too. The AES key lives in the token for the call only.
 */
typedef void csn_hsm_wrap_fn(void *arg, int code, const struct csn_hsm_wrapped *wrapped,
                             const struct csn_reason *reason);
void csn_hsm_wrap(struct csn_hsm *hsm, struct csn_bytes public_key, const uint32_t *mechanisms,
                  size_t mechanism_count, const struct csn_hsm_key *keys, size_t count,
                  csn_hsm_wrap_fn *fn, void *arg);

/* Unwraps with the transport key of this token. Each key becomes a token object with
 * CKA_EXTRACTABLE false and CKA_SENSITIVE true, and its public key beside it, only after a
 * signature made with it verified with that public key (CSN_ESIGNATURE). All keys, or none. With
 * the last key in, the transport pair is destroyed; where the token does not do that: CSN_EREFUSED,
 * and the keys are in. */
void csn_hsm_unwrap(struct csn_hsm *hsm, const struct csn_hsm_key *transport,
                    const struct csn_hsm_wrapped *wrapped, csn_hsm_done_fn *fn, void *arg);

/* Sets CKA_EXTRACTABLE false for good. */
void csn_hsm_seal(struct csn_hsm *hsm, const struct csn_hsm_key *key, csn_hsm_done_fn *fn,
                  void *arg);

#endif
