/* Goal: no request makes the worker ask its back end for what is not in order: names, kinds, algorithms and numbers are within
 * their limits, and its answer can be read by a client. Method: the octets are one request, as in a frame; a back end that grants
 * everything and looks at what it is given. The first octet chooses one that transports keys, or one that does not. */
#include <stdlib.h>
#include <string.h>

#include "base/bounded.h"
#include "fuzz/replay.h"
#include "hsm/requests.h"
#include "hsm/worker.h"

const char csn_fuzz_name[] = "hsm_requests";

#define DECODED_MAX (16u * CSN_HSM_MESSAGE_MAX)

/* Every octet is there. */
static uint8_t sum(struct csn_bytes octets)
{
    uint8_t total = 0;
    for (size_t i = 0; i < octets.size; i++) {
        total = (uint8_t)(total + octets.data[i]);
    }
    return total;
}

static void check_key(const struct csn_hsm_key *key, bool is_new)
{
    bool has_label = key->label != NULL && key->label[0] != '\0';
    INSIST(has_label || key->id.size > 0);
    INSIST(key->id.size <= CSN_HSM_ID_MAX && (!has_label || strlen(key->label) <= CSN_HSM_LABEL_MAX));
    INSIST(!is_new || csn_hsm_label_is_good(key->label));
    sum(key->id);
}

static int give_public(void *session, const struct csn_hsm_key *key, struct csn_buf *buf, uint8_t *ret_algorithm,
                       struct csn_reason *reason)
{
    (void)session, (void)reason;
    static const uint8_t octets[64];
    check_key(key, false);
    csn_buf_put(buf, octets, sizeof(octets));
    *ret_algorithm = CSN_HSM_ECDSA_P256;
    return CSN_OK;
}

static int sign(void *session, const struct csn_hsm_key *key, uint8_t algorithm, struct csn_bytes input,
                struct csn_backend_signature *ret_signature, struct csn_reason *reason)
{
    (void)session, (void)algorithm, (void)reason;
    check_key(key, false);
    ret_signature->size = 64;
    memset(ret_signature->octets, sum(input), 64);
    return CSN_OK;
}

static int generate(void *session, const struct csn_hsm_key *key, enum csn_hsm_kind kind, bool is_exportable,
                    struct csn_reason *reason)
{
    (void)session, (void)is_exportable, (void)reason;
    check_key(key, true);
    INSIST(kind <= CSN_HSM_KIND_TRANSPORT);
    return CSN_OK;
}

static int give_mechanisms(void *session, uint32_t ret_mechanisms[2], size_t *ret_count, struct csn_reason *reason)
{
    (void)session, (void)reason;
    ret_mechanisms[0] = CSN_HSM_WRAP_KWP;
    ret_mechanisms[1] = CSN_HSM_WRAP_PAD;
    *ret_count = 2;
    return CSN_OK;
}

static int wrap(void *session, struct csn_bytes public_key, uint32_t mechanism, const struct csn_hsm_key *keys, size_t count,
                struct csn_arena *arena, struct csn_hsm_wrapped *ret_wrapped, struct csn_reason *reason)
{
    (void)session, (void)reason;
    INSIST(count >= 1 && count <= CSN_HSM_WRAP_MAX);
    INSIST(mechanism == CSN_HSM_WRAP_KWP || mechanism == CSN_HSM_WRAP_PAD);
    uint8_t total = sum(public_key);
    *ret_wrapped = (struct csn_hsm_wrapped){.mechanism = mechanism, .count = count};
    ret_wrapped->aes_key = csn_bytes(csn_arena_copy(arena, &total, 1), 1);
    for (size_t i = 0; i < count; i++) {
        check_key(&keys[i], true);
        memcpy(ret_wrapped->keys[i].label, keys[i].label, strlen(keys[i].label));
        ret_wrapped->keys[i].id = keys[i].id;
    }
    return CSN_OK;
}

static int unwrap(void *session, const struct csn_hsm_key *transport, const struct csn_hsm_wrapped *wrapped,
                  struct csn_reason *reason)
{
    (void)session, (void)reason;
    check_key(transport, false);
    INSIST(wrapped->count >= 1 && wrapped->count <= CSN_HSM_WRAP_MAX);
    INSIST(wrapped->mechanism == CSN_HSM_WRAP_KWP || wrapped->mechanism == CSN_HSM_WRAP_PAD);
    sum(wrapped->aes_key);
    for (size_t i = 0; i < wrapped->count; i++) {
        const struct csn_hsm_wrapped_key *key = &wrapped->keys[i];
        INSIST(csn_hsm_label_is_good(key->label) && key->id.size <= CSN_HSM_ID_MAX);
        sum(key->id);
        sum(key->public_key);
        sum(key->wrapped);
    }
    return CSN_OK;
}

static int seal(void *session, const struct csn_hsm_key *key, struct csn_reason *reason)
{
    (void)session, (void)reason;
    check_key(key, false);
    return CSN_OK;
}

static const struct csn_backend files = {.public_key = give_public, .sign = sign, .generate = generate};
static const struct csn_backend token = {.public_key = give_public,
                                         .sign = sign,
                                         .generate = generate,
                                         .mechanisms = give_mechanisms,
                                         .wrap = wrap,
                                         .unwrap = unwrap,
                                         .seal = seal};

static void sign_all(const struct csn_hsm_door *door, const Csn__Hsm__Sign *request)
{
    for (size_t i = 0; i < request->n_inputs && i < CSN_HSM_BATCH_MAX; i++) {
        struct csn_backend_signature signature;
        struct csn_reason reason = {""};
        int code = csn_hsm_request_sign(door, request, i, &signature, &reason);
        INSIST(code == CSN_OK ? signature.size == 64 : reason.text[0] != '\0');
    }
}

static void do_other(const struct csn_hsm_door *door, const Csn__Hsm__Request *request)
{
    struct csn_hsm_reply reply;
    struct csn_reason reason = {""};
    csn_hsm_reply_init(&reply);
    int code = csn_hsm_request_do(door, request, &reply, &reason);
    INSIST(code == CSN_OK || reason.text[0] != '\0');
    size_t size = csn__hsm__answer__get_packed_size(&reply.answer);
    uint8_t *octets = csn_alloc(size);
    csn__hsm__answer__pack(&reply.answer, octets);
    Csn__Hsm__Answer *back = csn__hsm__answer__unpack(NULL, size, octets);
    INSIST(back != NULL);
    csn__hsm__answer__free_unpacked(back, NULL);
    free(octets);
    csn_hsm_reply_fini(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct csn_bounded memory;
    csn_bounded_init(&memory, DECODED_MAX);
    Csn__Hsm__Request *request = size > 0 ? csn__hsm__request__unpack(&memory.allocator, size - 1, data + 1) : NULL;
    if (request == NULL) {
        return 0;
    }
    struct csn_hsm_door door = {.backend = data[0] % 2 == 0 ? &token : &files};
    if (request->what_case == CSN__HSM__REQUEST__WHAT_SIGN) {
        sign_all(&door, request->sign);
    } else {
        do_other(&door, request);
    }
    csn__hsm__request__free_unpacked(request, &memory.allocator);
    return 0;
}
