#include "hsm/requests.h"

#include <stdio.h>
#include <string.h>

#include "base/pack.h"

static int key_of(const Csn__Hsm__Key *key, struct csn_hsm_key *ret_key, struct csn_reason *reason)
{
    *ret_key = (struct csn_hsm_key){.label = key->label};
    if (key->has_id) {
        ret_key->id = csn_bytes(key->id.data, key->id.len);
    }
    bool has_label = key->label != NULL && key->label[0] != '\0';
    if ((!has_label && ret_key->id.size == 0) ||
        (key->label != NULL && strlen(key->label) > CSN_HSM_LABEL_MAX) ||
        ret_key->id.size > CSN_HSM_ID_MAX) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "a key is named by a label of 1 to %d or an id of 1 to %d octets",
                              CSN_HSM_LABEL_MAX, CSN_HSM_ID_MAX);
    }
    return CSN_OK;
}

/* For keys that are to be made here. */
static int new_key_of(const Csn__Hsm__Key *key, struct csn_hsm_key *ret_key,
                      struct csn_reason *reason)
{
    int code = key_of(key, ret_key, reason);
    if (code == CSN_OK && (key->label == NULL || !csn_hsm_label_is_good(key->label))) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "a key's label is 1 to %d of A-Z a-z 0-9 . _ - with no dot in front",
                              CSN_HSM_LABEL_MAX);
    }
    return code;
}

static int answer_public(const struct csn_hsm_door *door, const struct csn_hsm_key *key,
                         struct csn_hsm_reply *reply, struct csn_reason *reason)
{
    uint8_t algorithm = 0;
    int code =
        door->backend->public_key(door->session, key, &reply->public_key, &algorithm, reason);
    reply->answer.has_algorithm = reply->answer.has_public_key = code == CSN_OK;
    reply->answer.algorithm = algorithm;
    reply->answer.public_key = csn_pack_bytes(csn_buf_view(&reply->public_key));
    return code;
}

static int do_public(const struct csn_hsm_door *door, const Csn__Hsm__PublicKey *request,
                     struct csn_hsm_reply *reply, struct csn_reason *reason)
{
    struct csn_hsm_key key;
    int code = key_of(request->key, &key, reason);
    return code == CSN_OK ? answer_public(door, &key, reply, reason) : code;
}

static int do_generate(const struct csn_hsm_door *door, const Csn__Hsm__Generate *request,
                       struct csn_hsm_reply *reply, struct csn_reason *reason)
{
    struct csn_hsm_key key;
    int code = new_key_of(request->key, &key, reason);
    if (code == CSN_OK && request->kind > CSN_HSM_KIND_TRANSPORT) {
        code = csn_reason_set(reason, CSN_EREFUSED, "unknown kind of key");
    }
    if (code == CSN_OK) {
        code = door->backend->generate(door->session, &key, (enum csn_hsm_kind)request->kind,
                                       request->is_exportable, reason);
    }
    return code == CSN_OK ? answer_public(door, &key, reply, reason) : code;
}

/* --- key transport */

static int no_transport(struct csn_reason *reason)
{
    return csn_reason_set(reason, CSN_EREFUSED,
                          "software keys are files: there is nothing to wrap");
}

static int do_mechanisms(const struct csn_hsm_door *door, struct csn_hsm_reply *reply,
                         struct csn_reason *reason)
{
    if (door->backend->mechanisms == NULL) {
        return no_transport(reason);
    }
    reply->answer.mechanisms = reply->mechanisms;
    return door->backend->mechanisms(door->session, reply->mechanisms, &reply->answer.n_mechanisms,
                                     reason);
}

static int choose_mechanism(const struct csn_hsm_door *door, const Csn__Hsm__Wrap *request,
                            uint32_t *ret_mechanism, struct csn_reason *reason)
{
    uint32_t ours[2];
    size_t count = 0;
    int code = door->backend->mechanisms(door->session, ours, &count, reason);
    for (size_t i = 0; code == CSN_OK && i < count; i++) {
        for (size_t j = 0; j < request->n_mechanisms; j++) {
            if (ours[i] == request->mechanisms[j]) {
                *ret_mechanism = ours[i];
                return CSN_OK;
            }
        }
    }
    return code != CSN_OK
               ? code
               : csn_reason_set(reason, CSN_EREFUSED,
                                "the two tokens have no mechanism in common that wraps a key");
}

static void put_wrapped(struct csn_hsm_reply *reply)
{
    struct csn_hsm_wrapped *wrapped = &reply->wrapped;
    csn__hsm__wrapped__init(&reply->message);
    reply->message.mechanism = wrapped->mechanism;
    reply->message.aes_key = csn_pack_bytes(wrapped->aes_key);
    reply->message.n_keys = wrapped->count;
    reply->message.keys = reply->pointers;
    for (size_t i = 0; i < wrapped->count; i++) {
        Csn__Hsm__WrappedKey *key = reply->pointers[i] = &reply->keys[i];
        csn__hsm__wrapped_key__init(key);
        key->label = wrapped->keys[i].label;
        key->id = csn_pack_bytes(wrapped->keys[i].id);
        key->algorithm = wrapped->keys[i].algorithm;
        key->public_key = csn_pack_bytes(wrapped->keys[i].public_key);
        key->wrapped = csn_pack_bytes(wrapped->keys[i].wrapped);
    }
    reply->answer.wrapped = &reply->message;
}

static int do_wrap(const struct csn_hsm_door *door, const Csn__Hsm__Wrap *request,
                   struct csn_hsm_reply *reply, struct csn_reason *reason)
{
    struct csn_hsm_key keys[CSN_HSM_WRAP_MAX];
    uint32_t mechanism = 0;
    if (door->backend->wrap == NULL) {
        return no_transport(reason);
    }
    if (request->n_keys == 0 || request->n_keys > CSN_HSM_WRAP_MAX) {
        return csn_reason_set(reason, CSN_EREFUSED, "1 to %d keys travel together",
                              CSN_HSM_WRAP_MAX);
    }
    int code = choose_mechanism(door, request, &mechanism, reason);
    for (size_t i = 0; code == CSN_OK && i < request->n_keys; i++) {
        code = new_key_of(request->keys[i], &keys[i], reason);
    }
    if (code == CSN_OK) {
        code = door->backend->wrap(
            door->session, csn_bytes(request->public_key.data, request->public_key.len),
            mechanism, keys, request->n_keys, &reply->arena, &reply->wrapped, reason);
    }
    if (code == CSN_OK) {
        put_wrapped(reply);
    }
    return code;
}

static int wrapped_key_of(const Csn__Hsm__WrappedKey *from, struct csn_hsm_wrapped_key *ret_key,
                          struct csn_reason *reason)
{
    bool good = csn_hsm_label_is_good(from->label) && from->id.len <= CSN_HSM_ID_MAX &&
                (from->algorithm == CSN_HSM_RSASHA256 || from->algorithm == CSN_HSM_ECDSA_P256 ||
                 from->algorithm == CSN_HSM_ECDSA_P384 || from->algorithm == CSN_HSM_ED25519);
    if (!good) {
        return csn_reason_set(reason, CSN_EFORMAT,
                              "a transported key's label, id or algorithm is not in order");
    }
    snprintf(ret_key->label, sizeof(ret_key->label), "%s", from->label);
    ret_key->id = csn_bytes(from->id.data, from->id.len);
    ret_key->algorithm = (uint8_t)from->algorithm;
    ret_key->public_key = csn_bytes(from->public_key.data, from->public_key.len);
    ret_key->wrapped = csn_bytes(from->wrapped.data, from->wrapped.len);
    return CSN_OK;
}

static int do_unwrap(const struct csn_hsm_door *door, const Csn__Hsm__Unwrap *request,
                     struct csn_hsm_reply *reply, struct csn_reason *reason)
{
    struct csn_hsm_key key;
    struct csn_hsm_wrapped *wrapped = &reply->wrapped;
    const Csn__Hsm__Wrapped *from = request->wrapped;
    if (door->backend->unwrap == NULL) {
        return no_transport(reason);
    }
    if (from->n_keys == 0 || from->n_keys > CSN_HSM_WRAP_MAX ||
        (from->mechanism != CSN_HSM_WRAP_KWP && from->mechanism != CSN_HSM_WRAP_PAD)) {
        return csn_reason_set(reason, CSN_EFORMAT,
                              "number of keys or mechanism of the transport not in order");
    }
    wrapped->mechanism = from->mechanism;
    wrapped->aes_key = csn_bytes(from->aes_key.data, from->aes_key.len);
    int code = key_of(request->transport, &key, reason);
    for (size_t i = 0; code == CSN_OK && i < from->n_keys; i++) {
        code = wrapped_key_of(from->keys[i], &wrapped->keys[i], reason);
        wrapped->count = i + 1;
    }
    return code == CSN_OK ? door->backend->unwrap(door->session, &key, wrapped, reason) : code;
}

static int do_seal(const struct csn_hsm_door *door, const Csn__Hsm__Seal *request,
                   struct csn_reason *reason)
{
    struct csn_hsm_key key;
    if (door->backend->seal == NULL) {
        return no_transport(reason);
    }
    int code = key_of(request->key, &key, reason);
    return code == CSN_OK ? door->backend->seal(door->session, &key, reason) : code;
}

/* --- one request */

int csn_hsm_request_do(const struct csn_hsm_door *door, const Csn__Hsm__Request *request,
                       struct csn_hsm_reply *reply, struct csn_reason *reason)
{
    switch (request->what_case) {
    case CSN__HSM__REQUEST__WHAT_PUBLIC_KEY:
        return do_public(door, request->public_key, reply, reason);
    case CSN__HSM__REQUEST__WHAT_GENERATE:
        return do_generate(door, request->generate, reply, reason);
    case CSN__HSM__REQUEST__WHAT_MECHANISMS:
        return do_mechanisms(door, reply, reason);
    case CSN__HSM__REQUEST__WHAT_WRAP:
        return do_wrap(door, request->wrap, reply, reason);
    case CSN__HSM__REQUEST__WHAT_UNWRAP:
        return do_unwrap(door, request->unwrap, reply, reason);
    case CSN__HSM__REQUEST__WHAT_SEAL:
        return do_seal(door, request->seal, reason);
    default:
        return csn_reason_set(reason, CSN_EREFUSED, "a request of a kind that is not known");
    }
}

int csn_hsm_request_sign(const struct csn_hsm_door *door, const Csn__Hsm__Sign *sign, size_t item,
                         struct csn_backend_signature *ret_signature, struct csn_reason *reason)
{
    struct csn_hsm_key key;
    int code = key_of(sign->key, &key, reason);
    if (code == CSN_OK && sign->algorithm > UINT8_MAX) {
        code = csn_reason_set(reason, CSN_EREFUSED, "no such algorithm");
    }
    return code == CSN_OK
               ? door->backend->sign(door->session, &key, (uint8_t)sign->algorithm,
                                     csn_bytes(sign->inputs[item].data, sign->inputs[item].len),
                                     ret_signature, reason)
               : code;
}

void csn_hsm_reply_init(struct csn_hsm_reply *reply)
{
    memset(reply, 0, sizeof(*reply));
    csn__hsm__answer__init(&reply->answer);
}

void csn_hsm_reply_fini(struct csn_hsm_reply *reply)
{
    csn_buf_fini(&reply->public_key);
    csn_arena_fini(&reply->arena);
}
