#include "hsm/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bounded.h"
#include "hsm.pb-c.h"
#include "hsm/input.h"
#include "hsm/process.h"
#include "hsm/worker.h"

#define BATCH_SIZE_MAX (512u * 1024u) /* octets of inputs in one message; a single longer input is refused */
#define IN_FLIGHT_MAX 4               /* messages at the worker: it never idles, and its clock stays honest */
#define GRACE_MS 2
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define DECODED_MAX (16u * CSN_HSM_MESSAGE_MAX)
#define TIMERS 3

enum kind { CALL_PUBLIC, CALL_SIGN, CALL_CANARY, CALL_DONE, CALL_MECHANISMS, CALL_WRAP };

struct call {
    enum kind kind;
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

struct message {
    struct message *next;
    struct call *call; /* NULL: Configure */
    uint64_t id;
    size_t first, count;    /* the part of the call's inputs that is in it */
    struct csn_bytes frame; /* owns; empty: nothing to send, answered with `code` */
    int code;
};

struct csn_hsm {
    uv_loop_t *loop; /* borrows */
    struct csn_hsm_settings settings; /* owns its texts */
    struct csn_hsm_process *process; /* owns; NULL while down */
    uv_timer_t deadline, restart, pump;
    unsigned timers; /* open ones; the client is freed with the last */
    bool is_closing, is_overdue;
    struct message *first, **last; /* waiting to be sent */
    struct message *in_flight[IN_FLIGHT_MAX];
    size_t in_flight_count;
    uint64_t next_id;
    unsigned failures; /* in a row, for the back-off */
    struct csn_hasher *hasher;
    struct csn_hsm_status status;
    struct csn_reason logged;
};

static void arm_pump(struct csn_hsm *hsm);
static void fail_worker(struct csn_hsm *hsm, int first_code, const char *why);

/* --- answers to the caller */

static void answer_sign(struct call *call, int code, const struct csn_reason *reason)
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

static void answer_wrap(struct call *call, int code, const Csn__Hsm__Answer *answer, const struct csn_reason *reason)
{
    struct csn_hsm_wrapped *wrapped = csn_calloc(1, sizeof(*wrapped));
    if (code == CSN_OK) {
        fill_wrapped(answer->wrapped, wrapped);
    }
    call->fn.wrap(call->arg, code, code == CSN_OK ? wrapped : NULL, reason);
    free(wrapped);
}

/* `answer` is NULL when there is none. Answers once; what comes later for the same call is dropped. */
static void answer_call(struct call *call, int code, const Csn__Hsm__Answer *answer, const struct csn_reason *reason)
{
    if (call->is_answered) {
        return;
    }
    bool good = code == CSN_OK && answer != NULL;
    call->is_answered = true;
    switch (call->kind) {
    case CALL_PUBLIC:
        call->fn.public_key(call->arg, code, good ? csn_bytes(answer->public_key.data, answer->public_key.len) : csn_bytes(NULL, 0),
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
        call->fn.mechanisms(call->arg, code, good ? answer->mechanisms : NULL, good ? answer->n_mechanisms : 0, reason);
        break;
    case CALL_WRAP:
        answer_wrap(call, code, answer, reason);
        break;
    }
}

static void call_unref(struct call *call)
{
    if (call != NULL && --call->messages == 0) {
        free(call->signatures);
        csn_buf_fini(&call->dnskey);
        csn_arena_fini(&call->arena);
        free(call);
    }
}

static void message_free(struct message *take_message)
{
    call_unref(take_message->call);
    free((void *)(uintptr_t)take_message->frame.data);
    free(take_message);
}

static void fail_message(struct message *take_message, int code, const struct csn_reason *reason)
{
    if (take_message->call != NULL) {
        answer_call(take_message->call, code, NULL, reason);
    }
    message_free(take_message);
}

static void fail_waiting(struct csn_hsm *hsm, int code, const struct csn_reason *reason)
{
    struct message *message = hsm->first;
    hsm->first = NULL;
    hsm->last = &hsm->first;
    while (message != NULL) {
        struct message *next = message->next;
        fail_message(message, code, reason);
        message = next;
    }
}

static void fail_in_flight(struct csn_hsm *hsm, int first_code, int code, const struct csn_reason *reason)
{
    struct message *messages[IN_FLIGHT_MAX];
    size_t count = hsm->in_flight_count;
    memcpy(messages, hsm->in_flight, sizeof(messages));
    hsm->in_flight_count = 0;
    uv_timer_stop(&hsm->deadline);
    for (size_t i = 0; i < count; i++) {
        fail_message(messages[i], i == 0 ? first_code : code, reason);
    }
}

/* --- messages to the worker */

static struct csn_bytes encode(const Csn__Hsm__Request *request)
{
    size_t size = csn__hsm__request__get_packed_size(request);
    uint8_t *frame = csn_alloc(4 + size);
    csn_set_u32(frame, (uint32_t)size);
    csn__hsm__request__pack(request, frame + 4);
    return csn_bytes(frame, 4 + size);
}

static struct message *message_new(struct csn_hsm *hsm, struct call *call)
{
    struct message *message = csn_calloc(1, sizeof(*message));
    message->id = ++hsm->next_id;
    message->call = call;
    if (call != NULL) {
        call->messages++;
    }
    return message;
}

static void enqueue(struct csn_hsm *hsm, struct message *take_message)
{
    *hsm->last = take_message;
    hsm->last = &take_message->next;
    arm_pump(hsm);
}

static void enqueue_request(struct csn_hsm *hsm, struct call *call, Csn__Hsm__Request *request)
{
    struct message *message = message_new(hsm, call);
    request->id = message->id;
    message->frame = encode(request);
    if (message->frame.size > 4 + CSN_HSM_MESSAGE_MAX) {
        free((void *)(uintptr_t)message->frame.data);
        message->frame = csn_bytes(NULL, 0);
        message->code = CSN_ELIMIT;
    }
    enqueue(hsm, message);
}

/* An answer that needs no worker, given from the loop like the others. */
static void enqueue_code(struct csn_hsm *hsm, struct call *call, int code)
{
    struct message *message = message_new(hsm, call);
    message->code = code;
    enqueue(hsm, message);
}

/* After the deadline the loop looks at the stream once more: had the loop itself been busy, the answer may lie there. */
static void on_deadline(uv_timer_t *timer)
{
    struct csn_hsm *hsm = timer->data;
    struct csn_reason why;
    if (!hsm->is_overdue) {
        hsm->is_overdue = true;
        uv_timer_start(&hsm->deadline, on_deadline, GRACE_MS, 0);
        return;
    }
    csn_reason_set(&why, CSN_ETIMEOUT, "no answer within %u ms; the worker was killed", hsm->settings.deadline_ms);
    hsm->status.timeouts++;
    fail_worker(hsm, CSN_ETIMEOUT, why.text);
}

/* The clock is that of the message next in line: it starts when the message is sent with none before it, or when the one before
 * it is answered. So no message waits longer than its place in line allows, and a stuck session is found though others work. */
static void start_deadline(struct csn_hsm *hsm)
{
    hsm->is_overdue = false;
    if (hsm->in_flight_count > 0) {
        uv_timer_start(&hsm->deadline, on_deadline, hsm->settings.deadline_ms, 0);
    } else {
        uv_timer_stop(&hsm->deadline);
    }
}

static void transmit(struct csn_hsm *hsm, struct message *message)
{
    hsm->in_flight[hsm->in_flight_count++] = message;
    if (hsm->in_flight_count == 1) {
        start_deadline(hsm);
    }
    csn_hsm_process_send(hsm->process, message->frame);
    message->frame = csn_bytes(NULL, 0);
}

static struct message *pop(struct csn_hsm *hsm)
{
    struct message *message = hsm->first;
    hsm->first = message->next;
    hsm->last = hsm->first == NULL ? &hsm->first : hsm->last;
    return message;
}

static void answer_here(struct message *take_message)
{
    struct csn_reason reason = {{0}};
    if (take_message->code != CSN_OK) {
        csn_reason_set(&reason, take_message->code, "not sent to the HSM: %s", csn_error_text(take_message->code));
    }
    fail_message(take_message, take_message->code, &reason);
}

static void on_pump(uv_timer_t *timer)
{
    struct csn_hsm *hsm = timer->data;
    if (hsm->status.state == CSN_HSM_DOWN || hsm->status.state == CSN_HSM_REFUSED) {
        fail_waiting(hsm, hsm->status.state == CSN_HSM_DOWN ? CSN_EHSM : CSN_EPERMISSION, &hsm->status.reason);
    }
    while (hsm->status.state == CSN_HSM_UP && hsm->first != NULL && hsm->in_flight_count < IN_FLIGHT_MAX) {
        struct message *message = pop(hsm);
        if (message->call->is_answered) {
            message_free(message);
        } else if (message->frame.data == NULL) {
            answer_here(message);
        } else {
            transmit(hsm, message);
        }
    }
}

static void arm_pump(struct csn_hsm *hsm)
{
    if (!hsm->is_closing && !uv_is_active((uv_handle_t *)&hsm->pump)) {
        uv_timer_start(&hsm->pump, on_pump, 0, 0);
    }
}

/* --- answers from the worker */

static bool put_signatures(struct call *call, const struct message *message, const Csn__Hsm__Answer *answer)
{
    if (answer->n_signatures != message->count) {
        return false;
    }
    for (size_t i = 0; i < message->count; i++) {
        const ProtobufCBinaryData *from = &answer->signatures[i];
        if (!csn_hsm_signature_fits(call->algorithm, from->len)) {
            return false;
        }
        call->signatures[message->first + i] = csn_bytes(csn_arena_copy(&call->arena, from->data, from->len), from->len);
    }
    return true;
}

static int check_canary(const struct call *call, struct csn_reason *reason)
{
    int code = csn_hsm_verify(csn_buf_view(&call->dnskey), csn_hsm_canary_data(), call->signatures[0]);
    return code == CSN_OK ? code
                          : csn_reason_set(reason, code, "the canary does not verify with the published key: the token's key is "
                                           "another one, or its signatures are wrong");
}

/* False when the worker did not answer what was asked. */
static bool deliver(struct csn_hsm *hsm, struct message *message, const Csn__Hsm__Answer *answer)
{
    struct call *call = message->call;
    struct csn_reason reason = {{0}};
    int code = CSN_OK;
    if (call->kind == CALL_SIGN || call->kind == CALL_CANARY) {
        if (!put_signatures(call, message, answer)) {
            return false;
        }
        hsm->status.signatures += message->count;
        if (call->messages > 1) {
            return true; /* more parts to come */
        }
        if (call->kind == CALL_CANARY) {
            code = check_canary(call, &reason);
        }
    }
    if ((call->kind == CALL_PUBLIC && !answer->has_public_key) || (call->kind == CALL_WRAP && answer->wrapped == NULL)) {
        return false;
    }
    answer_call(call, code, answer, &reason);
    return true;
}

static void take_from_flight(struct csn_hsm *hsm, size_t i)
{
    hsm->in_flight_count--;
    memmove(hsm->in_flight + i, hsm->in_flight + i + 1, (hsm->in_flight_count - i) * sizeof(hsm->in_flight[0]));
    if (i == 0) {
        start_deadline(hsm);
    }
}

static void refuse_pin(struct csn_hsm *hsm, const struct csn_reason *reason)
{
    csn_log(hsm->settings.log, CSN_ERROR, "hsm.pin", "%s: %s", hsm->settings.token, reason->text);
    hsm->status.state = CSN_HSM_REFUSED;
    hsm->status.reason = *reason;
    csn_hsm_process_kill(hsm->process);
    hsm->process = NULL;
    fail_in_flight(hsm, CSN_EPERMISSION, CSN_EPERMISSION, &hsm->status.reason);
    arm_pump(hsm);
}

static void on_up(struct csn_hsm *hsm)
{
    hsm->status.state = CSN_HSM_UP;
    hsm->status.reason.text[0] = hsm->logged.text[0] = '\0';
    csn_log(hsm->settings.log, CSN_INFO, "hsm.up", "%s: %u sessions open", hsm->settings.token, hsm->settings.sessions);
}

static void on_answer(struct csn_hsm *hsm, struct message *take_message, const Csn__Hsm__Answer *answer)
{
    struct csn_reason reason = {{0}};
    csn_reason_set(&reason, answer->code, "%s", answer->reason != NULL ? answer->reason : "");
    if (answer->code == CSN_EPERMISSION) {
        refuse_pin(hsm, &reason);
        fail_message(take_message, CSN_EPERMISSION, &reason);
    } else if (answer->code == CSN_EHSM || (take_message->call == NULL && answer->code != CSN_OK)) {
        fail_worker(hsm, CSN_EHSM, reason.text);
        fail_message(take_message, CSN_EHSM, &reason);
    } else if (take_message->call == NULL) {
        on_up(hsm);
        message_free(take_message);
    } else {
        hsm->failures = 0;
        if (answer->code != CSN_OK) {
            answer_call(take_message->call, answer->code, NULL, &reason);
        } else if (!deliver(hsm, take_message, answer)) {
            fail_worker(hsm, CSN_EHSM, "consign-hsm answered something else than it was asked");
            answer_call(take_message->call, CSN_EHSM, NULL, &hsm->status.reason);
        }
        message_free(take_message);
    }
    arm_pump(hsm);
}

static void on_frame(void *arg, struct csn_bytes frame)
{
    struct csn_hsm *hsm = arg;
    struct csn_bounded memory;
    csn_bounded_init(&memory, DECODED_MAX);
    Csn__Hsm__Answer *answer = csn__hsm__answer__unpack(&memory.allocator, frame.size, frame.data);
    for (size_t i = 0; answer != NULL && i < hsm->in_flight_count; i++) {
        struct message *message = hsm->in_flight[i];
        if (message->id == answer->id) {
            take_from_flight(hsm, i);
            on_answer(hsm, message, answer);
            csn__hsm__answer__free_unpacked(answer, &memory.allocator);
            return;
        }
    }
    if (answer != NULL) {
        csn__hsm__answer__free_unpacked(answer, &memory.allocator);
    }
    fail_worker(hsm, CSN_EHSM, "consign-hsm sent an answer that nobody asked for, or that cannot be read");
}

static void on_end(void *arg, const char *why)
{
    fail_worker(arg, CSN_EHSM, why);
}

/* --- the worker's life */

static void send_configure(struct csn_hsm *hsm)
{
    Csn__Hsm__Configure configure = CSN__HSM__CONFIGURE__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    struct message *message = message_new(hsm, NULL);
    configure.module = (char *)(uintptr_t)hsm->settings.module;
    configure.token = (char *)(uintptr_t)hsm->settings.token;
    configure.pin_file = (char *)(uintptr_t)hsm->settings.pin_file;
    configure.sessions = hsm->settings.sessions;
    request.id = message->id;
    request.what_case = CSN__HSM__REQUEST__WHAT_CONFIGURE;
    request.configure = &configure;
    message->frame = encode(&request);
    transmit(hsm, message);
}

static void start_worker(struct csn_hsm *hsm)
{
    struct csn_reason reason;
    struct csn_hsm_process_handler handler = {.frame = on_frame, .end = on_end, .arg = hsm};
    hsm->status.state = CSN_HSM_STARTING;
    hsm->process = csn_hsm_process_new(hsm->loop, &hsm->settings, &handler, &reason);
    if (hsm->process == NULL) {
        fail_worker(hsm, CSN_EHSM, reason.text);
        return;
    }
    send_configure(hsm);
}

static void on_restart(uv_timer_t *timer)
{
    struct csn_hsm *hsm = timer->data;
    hsm->status.restarts++;
    start_worker(hsm);
}

/* The HSM's one way down: the worker is killed, all it owed and all that waits is answered, the next start is set. Said once in
 * the log for one cause. */
static void fail_worker(struct csn_hsm *hsm, int first_code, const char *why)
{
    struct csn_reason reason;
    uint64_t wait_ms = hsm->failures >= 6 ? BACKOFF_MAX_MS : (uint64_t)BACKOFF_MIN_MS << hsm->failures;
    csn_reason_set(&reason, CSN_EHSM, "HSM down: %s", why);
    if (strcmp(reason.text, hsm->logged.text) != 0) {
        csn_log(hsm->settings.log, CSN_ERROR, "hsm.down", "%s: %s; it is started again until it answers", hsm->settings.token, why);
        hsm->logged = reason;
    }
    hsm->failures++;
    hsm->status.state = CSN_HSM_DOWN;
    hsm->status.reason = reason;
    if (hsm->process != NULL) {
        csn_hsm_process_kill(hsm->process);
        hsm->process = NULL;
    }
    uv_timer_start(&hsm->restart, on_restart, wait_ms < BACKOFF_MAX_MS ? wait_ms : BACKOFF_MAX_MS, 0);
    fail_in_flight(hsm, first_code, CSN_EHSM, &reason);
    arm_pump(hsm);
}

static void copy_settings(const struct csn_hsm_settings *from, struct csn_hsm_settings *ret_settings)
{
    size_t count = 0;
    while (from->environment != NULL && from->environment[count] != NULL) {
        count++;
    }
    char **environment = csn_calloc(count + 1, sizeof(*environment));
    for (size_t i = 0; i < count; i++) {
        environment[i] = csn_strdup(from->environment[i]);
    }
    *ret_settings = *from;
    ret_settings->worker = csn_strdup(from->worker);
    ret_settings->module = csn_strdup(from->module != NULL ? from->module : "");
    ret_settings->token = csn_strdup(from->token);
    ret_settings->pin_file = csn_strdup(from->pin_file != NULL ? from->pin_file : "");
    ret_settings->environment = (const char *const *)environment;
    ret_settings->folder = from->folder != NULL ? csn_strdup(from->folder) : NULL;
}

static void free_settings(struct csn_hsm_settings *settings)
{
    for (size_t i = 0; settings->environment[i] != NULL; i++) {
        free((void *)(uintptr_t)settings->environment[i]);
    }
    free((void *)(uintptr_t)settings->environment);
    free((void *)(uintptr_t)settings->worker);
    free((void *)(uintptr_t)settings->module);
    free((void *)(uintptr_t)settings->token);
    free((void *)(uintptr_t)settings->pin_file);
    free((void *)(uintptr_t)settings->folder);
}

struct csn_hsm *csn_hsm_new(uv_loop_t *loop, const struct csn_hsm_settings *settings)
{
    REQUIRE(settings->sessions >= 1 && settings->sessions <= CSN_HSM_SESSIONS_MAX && settings->deadline_ms > 0);
    struct csn_hsm *hsm = csn_calloc(1, sizeof(*hsm));
    uv_timer_t *timers[TIMERS] = {&hsm->deadline, &hsm->restart, &hsm->pump};
    hsm->loop = loop;
    hsm->last = &hsm->first;
    hsm->hasher = csn_hasher_new();
    copy_settings(settings, &hsm->settings);
    for (size_t i = 0; i < TIMERS; i++) {
        uv_timer_init(loop, timers[i]);
        timers[i]->data = hsm;
    }
    hsm->timers = TIMERS;
    start_worker(hsm);
    return hsm;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct csn_hsm *hsm = handle->data;
    if (--hsm->timers == 0) {
        csn_hasher_free(hsm->hasher);
        free_settings(&hsm->settings);
        free(hsm);
    }
}

void csn_hsm_free(struct csn_hsm *take_hsm)
{
    struct csn_hsm *hsm = take_hsm;
    struct csn_reason reason;
    csn_reason_set(&reason, CSN_ECLOSED, "the HSM's client is closing");
    hsm->is_closing = true;
    hsm->status.state = CSN_HSM_DOWN;
    if (hsm->process != NULL) {
        csn_hsm_process_kill(hsm->process);
        hsm->process = NULL;
    }
    fail_in_flight(hsm, CSN_ECLOSED, CSN_ECLOSED, &reason);
    while (hsm->first != NULL) {
        fail_waiting(hsm, CSN_ECLOSED, &reason); /* a callback may have asked anew */
    }
    uv_close((uv_handle_t *)&hsm->deadline, on_timer_closed);
    uv_close((uv_handle_t *)&hsm->restart, on_timer_closed);
    uv_close((uv_handle_t *)&hsm->pump, on_timer_closed);
}

void csn_hsm_status_get(const struct csn_hsm *hsm, struct csn_hsm_status *ret_status)
{
    *ret_status = hsm->status;
}

const char *csn_hsm_state_text(enum csn_hsm_link state)
{
    static const char *const texts[] = {
        [CSN_HSM_STARTING] = "starting", [CSN_HSM_UP] = "up", [CSN_HSM_DOWN] = "down", [CSN_HSM_REFUSED] = "PIN refused"};
    return texts[state];
}

/* --- calls */

static struct call *call_new(enum kind kind, void *arg)
{
    struct call *call = csn_calloc(1, sizeof(*call));
    call->kind = kind;
    call->arg = arg;
    return call;
}

static Csn__Hsm__Key key_message(const struct csn_hsm_key *key)
{
    Csn__Hsm__Key message = CSN__HSM__KEY__INIT;
    message.label = (char *)(uintptr_t)key->label;
    message.has_id = key->id.size > 0;
    message.id = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)key->id.data, .len = key->id.size};
    return message;
}

static ProtobufCBinaryData binary(struct csn_bytes bytes)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)bytes.data, .len = bytes.size};
}

void csn_hsm_public_key(struct csn_hsm *hsm, const struct csn_hsm_key *key, csn_hsm_public_fn *fn, void *arg)
{
    struct call *call = call_new(CALL_PUBLIC, arg);
    call->fn.public_key = fn;
    Csn__Hsm__Key name = key_message(key);
    Csn__Hsm__PublicKey body = CSN__HSM__PUBLIC_KEY__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    body.key = &name;
    request.what_case = CSN__HSM__REQUEST__WHAT_PUBLIC_KEY;
    request.public_key = &body;
    enqueue_request(hsm, call, &request);
}

static void enqueue_batch(struct csn_hsm *hsm, struct call *call, const struct csn_hsm_key *key, const struct csn_bytes *inputs,
                          size_t first, size_t count)
{
    ProtobufCBinaryData batch[CSN_HSM_BATCH_MAX];
    Csn__Hsm__Key name = key_message(key);
    Csn__Hsm__Sign body = CSN__HSM__SIGN__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    struct message *message = message_new(hsm, call);
    for (size_t i = 0; i < count; i++) {
        batch[i] = binary(inputs[first + i]);
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
    message->frame = encode(&request);
    enqueue(hsm, message);
}

static void enqueue_inputs(struct csn_hsm *hsm, struct call *call, const struct csn_hsm_key *key, const struct csn_bytes *inputs)
{
    size_t first = 0, size = 0;
    for (size_t i = 0; i < call->count; i++) {
        if (i > first && (i - first == CSN_HSM_BATCH_MAX || size + inputs[i].size > BATCH_SIZE_MAX)) {
            enqueue_batch(hsm, call, key, inputs, first, i - first);
            first = i;
            size = 0;
        }
        size += inputs[i].size;
    }
    enqueue_batch(hsm, call, key, inputs, first, call->count - first);
}

static void start_sign(struct csn_hsm *hsm, struct call *call, const struct csn_hsm_key *key, const struct csn_bytes *inputs,
                       size_t count)
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

void csn_hsm_sign(struct csn_hsm *hsm, const struct csn_hsm_key *key, uint8_t algorithm, const struct csn_bytes *inputs,
                  size_t count, csn_hsm_sign_fn *fn, void *arg)
{
    struct call *call = call_new(CALL_SIGN, arg);
    call->fn.sign = fn;
    call->algorithm = algorithm;
    start_sign(hsm, call, key, inputs, count);
}

void csn_hsm_canary(struct csn_hsm *hsm, const struct csn_hsm_key *key, struct csn_bytes dnskey, csn_hsm_done_fn *fn, void *arg)
{
    struct call *call = call_new(CALL_CANARY, arg);
    struct csn_buf input = {0};
    call->fn.done = fn;
    call->algorithm = dnskey.size > 4 ? dnskey.data[3] : 0; /* RFC 4034 2.1 */
    csn_buf_put_bytes(&call->dnskey, dnskey);
    if (csn_hsm_digest(hsm->hasher, call->algorithm, csn_hsm_canary_data(), &input) == CSN_OK) {
        struct csn_bytes view = csn_buf_view(&input);
        start_sign(hsm, call, key, &view, 1);
    } else {
        enqueue_code(hsm, call, CSN_EREFUSED);
    }
    csn_buf_fini(&input);
}

void csn_hsm_generate(struct csn_hsm *hsm, const struct csn_hsm_key *key, enum csn_hsm_kind kind, bool is_exportable,
                      csn_hsm_public_fn *fn, void *arg)
{
    struct call *call = call_new(CALL_PUBLIC, arg);
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
    struct call *call = call_new(CALL_MECHANISMS, arg);
    call->fn.mechanisms = fn;
    Csn__Hsm__Mechanisms body = CSN__HSM__MECHANISMS__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    request.what_case = CSN__HSM__REQUEST__WHAT_MECHANISMS;
    request.mechanisms = &body;
    enqueue_request(hsm, call, &request);
}

void csn_hsm_wrap(struct csn_hsm *hsm, struct csn_bytes public_key, const uint32_t *mechanisms, size_t mechanism_count,
                  const struct csn_hsm_key *keys, size_t count, csn_hsm_wrap_fn *fn, void *arg)
{
    REQUIRE(count >= 1 && count <= CSN_HSM_WRAP_MAX);
    struct call *call = call_new(CALL_WRAP, arg);
    call->fn.wrap = fn;
    Csn__Hsm__Key names[CSN_HSM_WRAP_MAX], *pointers[CSN_HSM_WRAP_MAX];
    Csn__Hsm__Wrap body = CSN__HSM__WRAP__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    for (size_t i = 0; i < count; i++) {
        names[i] = key_message(&keys[i]);
        pointers[i] = &names[i];
    }
    body.public_key = binary(public_key);
    body.mechanisms = (uint32_t *)(uintptr_t)mechanisms;
    body.n_mechanisms = mechanism_count;
    body.keys = pointers;
    body.n_keys = count;
    request.what_case = CSN__HSM__REQUEST__WHAT_WRAP;
    request.wrap = &body;
    enqueue_request(hsm, call, &request);
}

void csn_hsm_unwrap(struct csn_hsm *hsm, const struct csn_hsm_key *transport, const struct csn_hsm_wrapped *wrapped,
                    csn_hsm_done_fn *fn, void *arg)
{
    REQUIRE(wrapped->count >= 1 && wrapped->count <= CSN_HSM_WRAP_MAX);
    struct call *call = call_new(CALL_DONE, arg);
    call->fn.done = fn;
    Csn__Hsm__Key name = key_message(transport);
    Csn__Hsm__WrappedKey keys[CSN_HSM_WRAP_MAX], *pointers[CSN_HSM_WRAP_MAX];
    Csn__Hsm__Wrapped inner = CSN__HSM__WRAPPED__INIT;
    Csn__Hsm__Unwrap body = CSN__HSM__UNWRAP__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    for (size_t i = 0; i < wrapped->count; i++) {
        csn__hsm__wrapped_key__init(&keys[i]);
        keys[i].label = (char *)(uintptr_t)wrapped->keys[i].label;
        keys[i].id = binary(wrapped->keys[i].id);
        keys[i].algorithm = wrapped->keys[i].algorithm;
        keys[i].public_key = binary(wrapped->keys[i].public_key);
        keys[i].wrapped = binary(wrapped->keys[i].wrapped);
        pointers[i] = &keys[i];
    }
    inner.mechanism = wrapped->mechanism;
    inner.aes_key = binary(wrapped->aes_key);
    inner.keys = pointers;
    inner.n_keys = wrapped->count;
    body.transport = &name;
    body.wrapped = &inner;
    request.what_case = CSN__HSM__REQUEST__WHAT_UNWRAP;
    request.unwrap = &body;
    enqueue_request(hsm, call, &request);
}

void csn_hsm_seal(struct csn_hsm *hsm, const struct csn_hsm_key *key, csn_hsm_done_fn *fn, void *arg)
{
    struct call *call = call_new(CALL_DONE, arg);
    call->fn.done = fn;
    Csn__Hsm__Key name = key_message(key);
    Csn__Hsm__Seal body = CSN__HSM__SEAL__INIT;
    Csn__Hsm__Request request = CSN__HSM__REQUEST__INIT;
    body.key = &name;
    request.what_case = CSN__HSM__REQUEST__WHAT_SEAL;
    request.seal = &body;
    enqueue_request(hsm, call, &request);
}
