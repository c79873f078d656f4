#include "hsm/client_own.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/pack.h"

/* Octets of inputs in one message; a single longer input is refused. */
#define BATCH_SIZE_MAX (512u * 1024u)

/* --- answers to the caller */

static void answer_sign(struct csn_call *call, int code, const struct csn_reason *reason)
{
    bool good = code == CSN_OK;
    call->fn.sign(call->arg, code, good ? call->signatures : NULL, good ? call->count : 0, reason);
}

static void fill_wrapped(const Csn__Hsm__Wrapped *from, struct csn_hsm_wrapped *ret_wrapped)
{
    ret_wrapped->mechanism = from->mechanism;
    ret_wrapped->aes_key = csn_bytes(from->aes_key.data, from->aes_key.len);
    ret_wrapped->count = from->n_keys < CSN_HSM_WRAP_MAX ? from->n_keys : CSN_HSM_WRAP_MAX;
    for (size_t i = 0; i < ret_wrapped->count; i++) {
        const Csn__Hsm__WrappedKey *key = from->keys[i];
        struct csn_hsm_wrapped_key *to = &ret_wrapped->keys[i];
        snprintf(to->label, sizeof(to->label), "%s", key->label);
        to->id = csn_bytes(key->id.data, key->id.len);
        to->algorithm = (uint8_t)key->algorithm;
        to->public_key = csn_bytes(key->public_key.data, key->public_key.len);
        to->wrapped = csn_bytes(key->wrapped.data, key->wrapped.len);
    }
}

static void answer_wrap(struct csn_call *call, int code, const Csn__Hsm__Answer *answer,
                        const struct csn_reason *reason)
{
    struct csn_hsm_wrapped *wrapped = csn_calloc(1, sizeof(*wrapped));
    if (code == CSN_OK) {
        fill_wrapped(answer->wrapped, wrapped);
    }
    call->fn.wrap(call->arg, code, code == CSN_OK ? wrapped : NULL, reason);
    free(wrapped);
}

void csn_call_answer(struct csn_call *call, int code, const Csn__Hsm__Answer *answer,
                     const struct csn_reason *reason)
{
    if (call->is_answered) {
        return;
    }
    bool good = code == CSN_OK && answer != NULL;
    call->is_answered = true;
    switch (call->kind) {
    case CALL_PUBLIC:
        call->fn.public_key(call->arg, code,
                            good ? csn_bytes(answer->public_key.data, answer->public_key.len)
                                 : csn_bytes(NULL, 0),
                            good ? (uint8_t)answer->algorithm : 0, reason);
        break;
    case CALL_SIGN:
        answer_sign(call, code, reason);
        break;
    case CALL_CANARY:
    case CALL_DONE:
        call->fn.done(call->arg, code, reason);
        break;
    case CALL_MECHANISMS:
        call->fn.mechanisms(call->arg, code, good ? answer->mechanisms : NULL,
                            good ? answer->n_mechanisms : 0, reason);
        break;
    case CALL_WRAP:
        answer_wrap(call, code, answer, reason);
        break;
    }
}

/* --- calls */

static struct csn_call *call_new(enum csn_call_kind kind, void *arg)
{
    struct csn_call *call = csn_calloc(1, sizeof(*call));
    call->kind = kind;
    call->arg = arg;
    return call;
}

static Csn__Hsm__Key key_message(const struct csn_hsm_key *key)
{
    Csn__Hsm__Key message = CSN__HSM__KEY__INIT;
    message.label = csn_pack_text(key->label);
    message.has_id = key->id.size > 0;
    message.id = csn_pack_bytes(key->id);
    return message;
}

static void enqueue_request(struct csn_hsm *hsm, struct csn_call *call, Csn__Hsm__Request *request)
{
    struct csn_message *message = csn_hsm_message_new(hsm, call);
    request->id = message->id;
    message->frame = csn_hsm_encode(request);
    if (message->frame.size > 4 + CSN_HSM_MESSAGE_MAX) {
        free((void *)(uintptr_t)message->frame.data);
        message->frame = csn_bytes(NULL, 0);
        message->code = CSN_ELIMIT;
    }
    csn_hsm_send(hsm, message);
}

/* An answer that needs no worker, given from the loop like the others. */
static void enqueue_code(struct csn_hsm *hsm, struct csn_call *call, int code)
{
    struct csn_message *message = csn_hsm_message_new(hsm, call);
    message->code = code;
    csn_hsm_send(hsm, message);
}

void csn_hsm_public_key(struct csn_hsm *hsm, const struct csn_hsm_key *key, csn_hsm_public_fn *fn,
                        void *arg)
{
    struct csn_call *call = call_new(CALL_PUBLIC, arg);
    call->fn.public_key = fn;
    Csn__Hsm__Key name = key_message(key);
    Csn__Hsm__PublicKey body = CSN__HSM__PUBLIC_KEY__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    body.key = &name;
    request.what_case = CSN__HSM__REQUEST__WHAT_PUBLIC_KEY;
    request.public_key = &body;
    enqueue_request(hsm, call, &request);
}

static void enqueue_batch(struct csn_hsm *hsm, struct csn_call *call, const struct csn_hsm_key *key,
                          const struct csn_bytes *inputs, size_t first, size_t count)
{
    ProtobufCBinaryData batch[CSN_HSM_BATCH_MAX];
    Csn__Hsm__Key name = key_message(key);
    Csn__Hsm__Sign body = CSN__HSM__SIGN__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    struct csn_message *message = csn_hsm_message_new(hsm, call);
    for (size_t i = 0; i < count; i++) {
        batch[i] = csn_pack_bytes(inputs[first + i]);
    }
    body.key = &name;
    body.algorithm = call->algorithm;
    body.inputs = batch;
    body.n_inputs = count;
    request.id = message->id;
    request.what_case = CSN__HSM__REQUEST__WHAT_SIGN;
    request.sign = &body;
    message->first = first;
    message->count = count;
    message->frame = csn_hsm_encode(&request);
    csn_hsm_send(hsm, message);
}

static void enqueue_inputs(struct csn_hsm *hsm, struct csn_call *call,
                           const struct csn_hsm_key *key, const struct csn_bytes *inputs)
{
    size_t first = 0, size = 0;
    for (size_t i = 0; i < call->count; i++) {
        if (i > first &&
            (i - first == CSN_HSM_BATCH_MAX || size + inputs[i].size > BATCH_SIZE_MAX)) {
            enqueue_batch(hsm, call, key, inputs, first, i - first);
            first = i;
            size = 0;
        }
        size += inputs[i].size;
    }
    enqueue_batch(hsm, call, key, inputs, first, call->count - first);
}

static void start_sign(struct csn_hsm *hsm, struct csn_call *call, const struct csn_hsm_key *key,
                       const struct csn_bytes *inputs, size_t count)
{
    call->count = count;
    call->signatures = csn_calloc(count, sizeof(*call->signatures));
    for (size_t i = 0; i < count; i++) {
        if (inputs[i].size > BATCH_SIZE_MAX) {
            enqueue_code(hsm, call, CSN_ELIMIT);
            return;
        }
    }
    if (count == 0) {
        enqueue_code(hsm, call, CSN_OK);
        return;
    }
    enqueue_inputs(hsm, call, key, inputs);
}

void csn_hsm_sign(struct csn_hsm *hsm, const struct csn_hsm_key *key, uint8_t algorithm,
                  const struct csn_bytes *inputs, size_t count, csn_hsm_sign_fn *fn, void *arg)
{
    struct csn_call *call = call_new(CALL_SIGN, arg);
    call->fn.sign = fn;
    call->algorithm = algorithm;
    start_sign(hsm, call, key, inputs, count);
}

void csn_hsm_canary(struct csn_hsm *hsm, const struct csn_hsm_key *key, struct csn_bytes dnskey,
                    csn_hsm_done_fn *fn, void *arg)
{
    struct csn_call *call = call_new(CALL_CANARY, arg);
    struct csn_buf input = {0};
    call->fn.done = fn;
    call->algorithm = dnskey.size > 4 ? dnskey.data[3] : 0; /* RFC 4034 2.1 */
    csn_buf_put_bytes(&call->dnskey, dnskey);
    if (csn_hsm_digest(csn_hsm_hasher(hsm), call->algorithm, csn_hsm_canary_data(), &input) ==
        CSN_OK) {
        struct csn_bytes view = csn_buf_view(&input);
        start_sign(hsm, call, key, &view, 1);
    } else {
        enqueue_code(hsm, call, CSN_EREFUSED);
    }
    csn_buf_fini(&input);
}

void csn_hsm_generate(struct csn_hsm *hsm, const struct csn_hsm_key *key, enum csn_hsm_kind kind,
                      bool is_exportable, csn_hsm_public_fn *fn, void *arg)
{
    struct csn_call *call = call_new(CALL_PUBLIC, arg);
    call->fn.public_key = fn;
    Csn__Hsm__Key name = key_message(key);
    Csn__Hsm__Generate body = CSN__HSM__GENERATE__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    body.key = &name;
    body.kind = kind;
    body.is_exportable = is_exportable;
    request.what_case = CSN__HSM__REQUEST__WHAT_GENERATE;
    request.generate = &body;
    enqueue_request(hsm, call, &request);
}

void csn_hsm_mechanisms(struct csn_hsm *hsm, csn_hsm_mechanisms_fn *fn, void *arg)
{
    struct csn_call *call = call_new(CALL_MECHANISMS, arg);
    call->fn.mechanisms = fn;
    Csn__Hsm__Mechanisms body = CSN__HSM__MECHANISMS__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    request.what_case = CSN__HSM__REQUEST__WHAT_MECHANISMS;
    request.mechanisms = &body;
    enqueue_request(hsm, call, &request);
}

void csn_hsm_wrap(struct csn_hsm *hsm, struct csn_bytes public_key, const uint32_t *mechanisms,
                  size_t mechanism_count, const struct csn_hsm_key *keys, size_t count,
                  csn_hsm_wrap_fn *fn, void *arg)
{
    REQUIRE(count >= 1 && count <= CSN_HSM_WRAP_MAX);
    struct csn_call *call = call_new(CALL_WRAP, arg);
    call->fn.wrap = fn;
    Csn__Hsm__Key names[CSN_HSM_WRAP_MAX], *pointers[CSN_HSM_WRAP_MAX];
    Csn__Hsm__Wrap body = CSN__HSM__WRAP__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    for (size_t i = 0; i < count; i++) {
        names[i] = key_message(&keys[i]);
        pointers[i] = &names[i];
    }
    body.public_key = csn_pack_bytes(public_key);
    body.mechanisms = (uint32_t *)(uintptr_t)mechanisms;
    body.n_mechanisms = mechanism_count;
    body.keys = pointers;
    body.n_keys = count;
    request.what_case = CSN__HSM__REQUEST__WHAT_WRAP;
    request.wrap = &body;
    enqueue_request(hsm, call, &request);
}

void csn_hsm_unwrap(struct csn_hsm *hsm, const struct csn_hsm_key *transport,
                    const struct csn_hsm_wrapped *wrapped, csn_hsm_done_fn *fn, void *arg)
{
    REQUIRE(wrapped->count >= 1 && wrapped->count <= CSN_HSM_WRAP_MAX);
    struct csn_call *call = call_new(CALL_DONE, arg);
    call->fn.done = fn;
    Csn__Hsm__Key name = key_message(transport);
    Csn__Hsm__WrappedKey keys[CSN_HSM_WRAP_MAX], *pointers[CSN_HSM_WRAP_MAX];
    Csn__Hsm__Wrapped inner = CSN__HSM__WRAPPED__INIT;
    Csn__Hsm__Unwrap body = CSN__HSM__UNWRAP__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    for (size_t i = 0; i < wrapped->count; i++) {
        csn__hsm__wrapped_key__init(&keys[i]);
        keys[i].label = csn_pack_text(wrapped->keys[i].label);
        keys[i].id = csn_pack_bytes(wrapped->keys[i].id);
        keys[i].algorithm = wrapped->keys[i].algorithm;
        keys[i].public_key = csn_pack_bytes(wrapped->keys[i].public_key);
        keys[i].wrapped = csn_pack_bytes(wrapped->keys[i].wrapped);
        pointers[i] = &keys[i];
    }
    inner.mechanism = wrapped->mechanism;
    inner.aes_key = csn_pack_bytes(wrapped->aes_key);
    inner.keys = pointers;
    inner.n_keys = wrapped->count;
    body.transport = &name;
    body.wrapped = &inner;
    request.what_case = CSN__HSM__REQUEST__WHAT_UNWRAP;
    request.unwrap = &body;
    enqueue_request(hsm, call, &request);
}

void csn_hsm_seal(struct csn_hsm *hsm, const struct csn_hsm_key *key, csn_hsm_done_fn *fn,
                  void *arg)
{
    struct csn_call *call = call_new(CALL_DONE, arg);
    call->fn.done = fn;
    Csn__Hsm__Key name = key_message(key);
    Csn__Hsm__Seal body = CSN__HSM__SEAL__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    body.key = &name;
    request.what_case = CSN__HSM__REQUEST__WHAT_SEAL;
    request.seal = &body;
    enqueue_request(hsm, call, &request);
}
