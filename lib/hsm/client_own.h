/* client_own.h: what the two halves of the client share: calls.c turns calls into messages and
 * answers into callbacks, client.c carries the messages and keeps the worker alive. */
#ifndef CSN_HSM_CLIENT_OWN_H
#define CSN_HSM_CLIENT_OWN_H

#include "base/arena.h"
#include "hsm.pb-c.h"
#include "hsm/client.h"
#include "hsm/input.h"
#include "hsm/worker.h"

enum csn_call_kind { CALL_PUBLIC, CALL_SIGN, CALL_CANARY, CALL_DONE, CALL_MECHANISMS, CALL_WRAP };

struct csn_call {
    enum csn_call_kind kind;
    union {
        csn_hsm_public_fn *public_key;
        csn_hsm_sign_fn *sign;
        csn_hsm_done_fn *done;
        csn_hsm_mechanisms_fn *mechanisms;
        csn_hsm_wrap_fn *wrap;
    } fn;
    void *arg;
    bool is_answered;
    size_t messages;              /* not yet answered or dropped; the call is freed with the last */
    uint8_t algorithm;            /* CALL_SIGN, CALL_CANARY */
    size_t count;                 /* CALL_SIGN */
    struct csn_bytes *signatures; /* owns; octets in the arena */
    struct csn_buf dnskey;        /* CALL_CANARY */
    struct csn_arena arena;
};

struct csn_message {
    struct csn_message *next;
    struct csn_call *call; /* NULL: Configure */
    uint64_t id;
    size_t first, count;    /* the part of the call's inputs that is in it */
    struct csn_bytes frame; /* owns; empty: nothing to send, answered with `code` */
    int code;
};

/* `answer` is NULL when there is none. Answers once; what comes later for the same call is dropped.
 */
void csn_call_answer(struct csn_call *call, int code, const Csn__Hsm__Answer *answer,
                     const struct csn_reason *reason);

/* A message of this call, or of none; encode its frame with the id that it got, then send it. */
struct csn_message *csn_hsm_message_new(struct csn_hsm *hsm, struct csn_call *call);
struct csn_bytes csn_hsm_encode(const Csn__Hsm__Request *request);
void csn_hsm_send(struct csn_hsm *hsm, struct csn_message *take_message);
/* Borrows. */
struct csn_hasher *csn_hsm_hasher(const struct csn_hsm *hsm);

#endif
