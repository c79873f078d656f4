#include "keyring.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hsm/input.h"

#define GOOD_MS 60000 /* between two checks of a good token */
#define BAD_MS 3000   /* of another */

struct csn_keyring {
    uv_loop_t *loop;                    /* borrows */
    const struct csn_log *log;          /* borrows */
    const struct csn_zone_config *zone; /* borrows */
    struct csn_hsm *hsm;                /* borrows */
    struct csn_tokens *tokens;          /* borrows */
    csn_keyring_fn *fn;
    void *arg; /* borrows */
    uv_timer_t timer;
    char name[CSN_NAME_TEXT_MAX];
    struct csn_reason reason;
    bool is_good, is_wrong_key, is_checking, was_told;
    size_t at; /* token key being checked */
};

/* --- checks */

static void check_next(struct csn_keyring *keyring);
static void on_timer(uv_timer_t *timer);

static const struct csn_key *key_of(const struct csn_keyring *keyring, size_t token_key)
{
    return &keyring->zone->keyset.keys[keyring->zone->token_keys[token_key].key];
}

static struct csn_hsm_key object_of(const struct csn_keyring *keyring, size_t token_key)
{
    const struct csn_token_key *key = &keyring->zone->token_keys[token_key];
    return (struct csn_hsm_key){.label = key->label, .id = key->id};
}

static void end_check(struct csn_keyring *keyring, int code, bool is_wrong_key, const char *text)
{
    bool is_good = code == CSN_OK;
    bool is_news = !keyring->was_told || is_good != keyring->is_good || strcmp(keyring->reason.text, text) != 0;
    keyring->is_checking = false;
    keyring->is_good = is_good;
    keyring->is_wrong_key = is_wrong_key;
    keyring->was_told = true;
    csn_reason_set(&keyring->reason, code, "%s", text);
    uv_timer_start(&keyring->timer, on_timer, is_good ? GOOD_MS : BAD_MS, 0);
    if (is_news && is_good) {
        csn_log(keyring->log, CSN_INFO, "hsm.keys", "zone %s: every key of this site is the published one and signs", keyring->name);
    } else if (is_news) {
        csn_log(keyring->log, CSN_ERROR, is_wrong_key ? "hsm.wrong-key" : "hsm.keys", "zone %s: %s; this site authors nothing",
                keyring->name, text);
    }
    keyring->fn(keyring->arg, is_good);
}

static void fail_key(struct csn_keyring *keyring, int code, const char *why, const struct csn_reason *reason)
{
    const struct csn_key *key = key_of(keyring, keyring->at);
    struct csn_reason text;
    bool is_wrong_key = code == CSN_ESIGNATURE;
    csn_reason_set(&text, code, "key %s (tag %u, object \"%s\"): %s%s%s%s", key->name, key->tag,
                   keyring->zone->token_keys[keyring->at].label, why, reason->text[0] ? ": " : "", reason->text,
                   code == CSN_ENOTFOUND ? "; bring it from another site (consign-ceremony transport), or, if the token has it by now, "
                                           "restart this node"
                                         : "");
    end_check(keyring, code, is_wrong_key, text.text);
}

static void on_checked(void *arg, int code, const char *why, const struct csn_reason *reason)
{
    struct csn_keyring *keyring = arg;
    if (code != CSN_OK) {
        fail_key(keyring, code, why, reason);
        return;
    }
    keyring->at++;
    check_next(keyring);
}

static bool is_in_token(const struct csn_keyring *keyring, uint16_t key)
{
    for (size_t i = 0; i < keyring->zone->token_key_count; i++) {
        if (keyring->zone->token_keys[i].key == key) {
            return true;
        }
    }
    return false;
}

/* Keys that sign now or will, and that the configuration does not place in the token. */
static const struct csn_key *first_missing(const struct csn_keyring *keyring)
{
    const struct csn_keyset *keyset = &keyring->zone->keyset;
    uint64_t now_s = (uint64_t)time(NULL);
    for (uint16_t i = 0; i < keyset->key_count; i++) {
        if (csn_keyset_signs(keyset, i, now_s) && !is_in_token(keyring, i)) {
            return &keyset->keys[i];
        }
    }
    return NULL;
}

static void check_next(struct csn_keyring *keyring)
{
    if (keyring->at == keyring->zone->token_key_count) {
        end_check(keyring, CSN_OK, false, "");
        return;
    }
    struct csn_hsm_key object = object_of(keyring, keyring->at);
    csn_tokens_check(keyring->tokens, &object, key_of(keyring, keyring->at)->dnskey, on_checked, keyring);
}

static void begin_check(void *arg)
{
    struct csn_keyring *keyring = arg;
    const struct csn_key *missing = first_missing(keyring);
    keyring->at = 0;
    if (missing != NULL) {
        struct csn_reason text;
        csn_reason_set(&text, CSN_ENOTFOUND, "key %s (tag %u) signs by the key set, but token-keys does not say where it is",
                       missing->name, missing->tag);
        end_check(keyring, CSN_ENOTFOUND, false, text.text);
        return;
    }
    check_next(keyring);
}

void csn_keyring_check(struct csn_keyring *keyring)
{
    if (!keyring->is_checking) {
        keyring->is_checking = true;
        csn_job_later(keyring->loop, 0, begin_check, keyring);
    }
}

static void on_timer(uv_timer_t *timer)
{
    csn_keyring_check(timer->data);
}

struct csn_keyring *csn_keyring_new(uv_loop_t *loop, const struct csn_log *log, const struct csn_zone_config *zone,
                                    struct csn_hsm *hsm, struct csn_tokens *tokens, csn_keyring_fn *fn, void *arg)
{
    struct csn_keyring *keyring = csn_calloc(1, sizeof(*keyring));
    keyring->loop = loop;
    keyring->log = log;
    keyring->zone = zone;
    keyring->hsm = hsm;
    keyring->tokens = tokens;
    keyring->fn = fn;
    keyring->arg = arg;
    csn_name_text(zone->zone, keyring->name);
    csn_reason_set(&keyring->reason, CSN_OK, "checking");
    uv_timer_init(loop, &keyring->timer);
    keyring->timer.data = keyring;
    uv_timer_start(&keyring->timer, on_timer, 0, 0);
    return keyring;
}

const char *csn_keyring_reason(const struct csn_keyring *keyring)
{
    return keyring->reason.text;
}

bool csn_keyring_is_wrong_key(const struct csn_keyring *keyring)
{
    return keyring->is_wrong_key;
}

/* --- signing */

struct input {
    uint32_t signature; /* index in the content */
    struct csn_bytes octets; /* borrows from a part's buffer */
    size_t offset, size;
};

/* The inputs that one worker thread made. */
struct made {
    struct csn_buf octets; /* owns */
};

struct batch {
    struct csn_keyring *keyring; /* borrows */
    struct csn_content *content; /* borrows */
    struct input *inputs;        /* owns */
    struct made *made;           /* owns; one a part */
    size_t count;
    unsigned parts;
    unsigned calls; /* to the HSM under way */
    bool is_proof;
    struct csn_outcome outcome;
    csn_keyring_signed_fn *fn;
    void *arg; /* borrows */
};

/* One call to the HSM: the inputs of one key. */
struct call {
    struct batch *batch;   /* borrows */
    size_t *which;         /* owns; indices in the batch's inputs */
    size_t count;
};

static void end_batch(struct batch *batch)
{
    batch->fn(batch->arg, batch->outcome.code, &batch->outcome.reason);
    for (unsigned i = 0; i < batch->parts; i++) {
        csn_buf_fini(&batch->made[i].octets);
    }
    csn_outcome_fini(&batch->outcome);
    free(batch->made);
    free(batch->inputs);
    free(batch);
}

static void make_inputs(void *arg, unsigned part, unsigned parts)
{
    struct batch *batch = arg;
    struct csn_hasher *hasher = csn_hasher_new();
    struct csn_buf *out = &batch->made[part].octets, data = {0};
    size_t from, to;
    csn_job_range(batch->count, part, parts, &from, &to);
    for (size_t i = from; i < to; i++) {
        struct input *input = &batch->inputs[i];
        const struct csn_signature *signature = &batch->content->signatures[input->signature];
        csn_buf_clear(&data);
        csn_signature_input(batch->content, signature, &data);
        input->offset = out->size;
        int code = csn_hsm_digest(hasher, batch->content->keyset->keys[signature->key].algorithm, csn_buf_view(&data), out);
        input->size = out->size - input->offset;
        struct csn_reason reason;
        csn_reason_set(&reason, code, "an algorithm of the key set is not supported");
        csn_outcome_add(&batch->outcome, code, &reason);
    }
    for (size_t i = from; i < to; i++) {
        batch->inputs[i].octets = csn_bytes(out->data + batch->inputs[i].offset, batch->inputs[i].size);
    }
    csn_buf_fini(&data);
    csn_hasher_free(hasher);
}

static int verify_proof(const struct call *call, const struct csn_bytes *signatures)
{
    const struct csn_content *content = call->batch->content;
    struct csn_buf data = {0};
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < call->count; i++) {
        const struct csn_signature *signature = &content->signatures[call->batch->inputs[call->which[i]].signature];
        csn_buf_clear(&data);
        csn_signature_input(content, signature, &data);
        code = csn_hsm_verify(content->keyset->keys[signature->key].dnskey, csn_buf_view(&data), signatures[i]);
    }
    csn_buf_fini(&data);
    return code;
}

static void on_signed(void *arg, int code, const struct csn_bytes *signatures, size_t count, const struct csn_reason *reason)
{
    struct call *call = arg;
    struct batch *batch = call->batch;
    csn_outcome_add(&batch->outcome, code, reason);
    if (code == CSN_OK && batch->is_proof) {
        struct csn_reason text;
        csn_reason_set(&text, CSN_ESIGNATURE, "signatures of the HSM do not verify with the published keys");
        csn_outcome_add(&batch->outcome, verify_proof(call, signatures), &text);
    } else if (code == CSN_OK) {
        for (size_t i = 0; i < count; i++) {
            csn_signature_set(batch->content, &batch->content->signatures[batch->inputs[call->which[i]].signature], signatures[i]);
        }
    }
    free(call->which);
    free(call);
    if (--batch->calls == 0) {
        end_batch(batch);
    }
}

static const struct csn_token_key *token_key(const struct csn_keyring *keyring, uint16_t key)
{
    for (size_t i = 0; i < keyring->zone->token_key_count; i++) {
        if (keyring->zone->token_keys[i].key == key) {
            return &keyring->zone->token_keys[i];
        }
    }
    return NULL;
}

/* Hands the HSM all inputs of one key; nothing when there are none. */
static void sign_with(struct batch *batch, uint16_t key)
{
    struct call *call = csn_calloc(1, sizeof(*call));
    call->batch = batch;
    call->which = csn_calloc(batch->count, sizeof(call->which[0]));
    struct csn_bytes *octets = csn_calloc(batch->count, sizeof(octets[0]));
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->content->signatures[batch->inputs[i].signature].key == key) {
            octets[call->count] = batch->inputs[i].octets;
            call->which[call->count++] = i;
        }
    }
    const struct csn_token_key *object = token_key(batch->keyring, key);
    if (call->count > 0 && object != NULL) {
        struct csn_hsm_key name = {.label = object->label, .id = object->id};
        batch->calls++;
        csn_hsm_sign(batch->keyring->hsm, &name, batch->content->keyset->keys[key].algorithm, octets, call->count, on_signed, call);
    } else {
        struct csn_reason reason;
        csn_reason_set(&reason, CSN_ENOTFOUND, "key %s is not among this site's token-keys", batch->content->keyset->keys[key].name);
        csn_outcome_add(&batch->outcome, call->count > 0 ? CSN_ENOTFOUND : CSN_OK, &reason);
        free(call->which);
        free(call);
    }
    free(octets);
}

static void on_inputs(void *arg)
{
    struct batch *batch = arg;
    for (uint16_t key = 0; batch->outcome.code == CSN_OK && key < batch->content->keyset->key_count; key++) {
        sign_with(batch, key);
    }
    if (batch->calls == 0) {
        end_batch(batch);
    }
}

static void start_batch(struct csn_keyring *keyring, struct csn_content *content, const uint32_t *indices, size_t count,
                        struct csn_lane *lane, unsigned parts, bool is_proof, csn_keyring_signed_fn *fn, void *arg)
{
    struct batch *batch = csn_calloc(1, sizeof(*batch));
    *batch = (struct batch){
        .keyring = keyring, .content = content, .count = count, .parts = parts, .is_proof = is_proof, .fn = fn, .arg = arg};
    csn_outcome_init(&batch->outcome);
    batch->inputs = csn_calloc(count, sizeof(batch->inputs[0]));
    batch->made = csn_calloc(parts, sizeof(batch->made[0]));
    for (size_t i = 0; i < count; i++) {
        batch->inputs[i].signature = indices[i];
    }
    csn_job_run_in(lane, keyring->loop, parts, make_inputs, on_inputs, batch);
}

void csn_keyring_sign(struct csn_keyring *keyring, struct csn_content *content, const uint32_t *indices, size_t count,
                      struct csn_lane *lane, unsigned parts, csn_keyring_signed_fn *fn, void *arg)
{
    start_batch(keyring, content, indices, count, lane, parts, false, fn, arg);
}

void csn_keyring_prove(struct csn_keyring *keyring, struct csn_content *content, const uint32_t *indices, size_t count,
                       csn_keyring_signed_fn *fn, void *arg)
{
    start_batch(keyring, content, indices, count, NULL, 1, true, fn, arg);
}
