#include "hsm/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/bounded.h"
#include "base/pack.h"
#include "hsm/client_own.h"
#include "hsm/process.h"

#define IN_FLIGHT_MAX 4 /* messages at the worker: it never idles, and its clock stays honest */
#define GRACE_MS 2
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define DECODED_MAX (16u * CSN_HSM_MESSAGE_MAX)
#define TIMERS 3

struct queue {
    struct csn_message *first, **end;
};

struct csn_hsm {
    uv_loop_t *loop;                  /* borrows */
    struct csn_hsm_settings settings; /* owns its texts */
    struct csn_hsm_process *process;  /* owns; NULL while down */
    uv_timer_t deadline, restart, pump;
    unsigned timers; /* open ones; the client is freed with the last */
    bool is_closing, is_overdue;
    /* Waiting to be sent. What one message says does not wait until thousands of signatures are made: it takes turns with the
     * messages of long calls. */
    struct queue quick, slow;
    bool is_slow_next;
    struct csn_message *in_flight[IN_FLIGHT_MAX];
    size_t in_flight_count;
    uint64_t next_id;
    unsigned failures; /* in a row, for the back-off */
    struct csn_hasher *hasher;
    struct csn_hsm_status status;
    struct csn_reason logged;
};

static void arm_pump(struct csn_hsm *hsm);
static void fail_worker(struct csn_hsm *hsm, int first_code, const char *why);

/* --- messages and calls on their way out */

static void call_unref(struct csn_call *call)
{
    if (call != NULL && --call->messages == 0) {
        free(call->signatures);
        csn_buf_fini(&call->dnskey);
        csn_arena_fini(&call->arena);
        free(call);
    }
}

static void message_free(struct csn_message *take_message)
{
    call_unref(take_message->call);
    free((void *)(uintptr_t)take_message->frame.data);
    free(take_message);
}

static void fail_message(struct csn_message *take_message, int code,
                         const struct csn_reason *reason)
{
    if (take_message->call != NULL) {
        csn_call_answer(take_message->call, code, NULL, reason);
    }
    message_free(take_message);
}

static void queue_init(struct queue *queue)
{
    *queue = (struct queue){.end = &queue->first};
}

static struct csn_message *take_all(struct queue *queue)
{
    struct csn_message *first = queue->first;
    queue_init(queue);
    return first;
}

static void fail_messages(struct csn_message *message, int code, const struct csn_reason *reason)
{
    while (message != NULL) {
        struct csn_message *next = message->next;
        fail_message(message, code, reason);
        message = next;
    }
}

static void fail_waiting(struct csn_hsm *hsm, int code, const struct csn_reason *reason)
{
    struct csn_message *quick = take_all(&hsm->quick), *slow = take_all(&hsm->slow);
    fail_messages(quick, code, reason);
    fail_messages(slow, code, reason);
}

static void fail_in_flight(struct csn_hsm *hsm, int first_code, int code,
                           const struct csn_reason *reason)
{
    struct csn_message *messages[IN_FLIGHT_MAX];
    size_t count = hsm->in_flight_count;
    memcpy(messages, hsm->in_flight, sizeof(messages));
    hsm->in_flight_count = 0;
    uv_timer_stop(&hsm->deadline);
    for (size_t i = 0; i < count; i++) {
        fail_message(messages[i], i == 0 ? first_code : code, reason);
    }
}

/* --- messages to the worker */

struct csn_bytes csn_hsm_encode(const Csn__Hsm__Request *request)
{
    size_t size = csn__hsm__request__get_packed_size(request);
    uint8_t *frame = csn_alloc(4 + size);
    csn_set_u32(frame, (uint32_t)size);
    csn__hsm__request__pack(request, frame + 4);
    return csn_bytes(frame, 4 + size);
}

struct csn_message *csn_hsm_message_new(struct csn_hsm *hsm, struct csn_call *call)
{
    struct csn_message *message = csn_calloc(1, sizeof(*message));
    message->id = ++hsm->next_id;
    message->call = call;
    if (call != NULL) {
        call->messages++;
    }
    return message;
}

void csn_hsm_send(struct csn_hsm *hsm, struct csn_message *take_message)
{
    const struct csn_call *call = take_message->call;
    bool is_slow = call->kind == CALL_SIGN && call->count > CSN_HSM_BATCH_MAX;
    struct queue *queue = is_slow ? &hsm->slow : &hsm->quick;
    *queue->end = take_message;
    queue->end = &take_message->next;
    arm_pump(hsm);
}

/* After the deadline the loop looks at the stream once more: had the loop itself been busy, the
 * answer may lie there. */
static void on_deadline(uv_timer_t *timer)
{
    struct csn_hsm *hsm = timer->data;
    struct csn_reason why;
    if (!hsm->is_overdue) {
        hsm->is_overdue = true;
        uv_timer_start(&hsm->deadline, on_deadline, GRACE_MS, 0);
        return;
    }
    csn_reason_set(&why, CSN_ETIMEOUT, "no answer within %u ms; the worker was killed",
                   hsm->settings.deadline_ms);
    hsm->status.timeouts++;
    fail_worker(hsm, CSN_ETIMEOUT, why.text);
}

/* The clock is that of the message next in line: it starts when the message is sent with none
 * before it, or when the one before it is answered. So no message waits longer than its place in
 * line allows, and a stuck session is found though others work. */
static void start_deadline(struct csn_hsm *hsm)
{
    hsm->is_overdue = false;
    if (hsm->in_flight_count > 0) {
        uv_timer_start(&hsm->deadline, on_deadline, hsm->settings.deadline_ms, 0);
    } else {
        uv_timer_stop(&hsm->deadline);
    }
}

static void transmit(struct csn_hsm *hsm, struct csn_message *message)
{
    hsm->in_flight[hsm->in_flight_count++] = message;
    if (hsm->in_flight_count == 1) {
        start_deadline(hsm);
    }
    csn_hsm_process_send(hsm->process, message->frame);
    message->frame = csn_bytes(NULL, 0);
}

static bool is_waiting(const struct csn_hsm *hsm)
{
    return hsm->quick.first != NULL || hsm->slow.first != NULL;
}

static struct csn_message *pop(struct csn_hsm *hsm)
{
    bool is_slow = hsm->quick.first == NULL || (hsm->is_slow_next && hsm->slow.first != NULL);
    struct queue *queue = is_slow ? &hsm->slow : &hsm->quick;
    struct csn_message *message = queue->first;
    queue->first = message->next;
    queue->end = queue->first == NULL ? &queue->first : queue->end;
    hsm->is_slow_next = !is_slow;
    return message;
}

static void answer_here(struct csn_message *take_message)
{
    struct csn_reason reason = {{0}};
    if (take_message->code != CSN_OK) {
        csn_reason_set(&reason, take_message->code, "not sent to the HSM: %s",
                       csn_error_text(take_message->code));
    }
    fail_message(take_message, take_message->code, &reason);
}

static void on_pump(uv_timer_t *timer)
{
    struct csn_hsm *hsm = timer->data;
    if (hsm->status.state == CSN_HSM_DOWN || hsm->status.state == CSN_HSM_REFUSED) {
        fail_waiting(hsm, hsm->status.state == CSN_HSM_DOWN ? CSN_EHSM : CSN_EPERMISSION,
                     &hsm->status.reason);
    }
    while (hsm->status.state == CSN_HSM_UP && is_waiting(hsm) &&
           hsm->in_flight_count < IN_FLIGHT_MAX) {
        struct csn_message *message = pop(hsm);
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

static bool put_signatures(struct csn_call *call, const struct csn_message *message,
                           const Csn__Hsm__Answer *answer)
{
    if (answer->n_signatures != message->count) {
        return false;
    }
    for (size_t i = 0; i < message->count; i++) {
        const ProtobufCBinaryData *from = &answer->signatures[i];
        if (!csn_hsm_signature_fits(call->algorithm, from->len)) {
            return false;
        }
        call->signatures[message->first + i] =
            csn_bytes(csn_arena_copy(&call->arena, from->data, from->len), from->len);
    }
    return true;
}

static int check_canary(const struct csn_call *call, struct csn_reason *reason)
{
    int code =
        csn_hsm_verify(csn_buf_view(&call->dnskey), csn_hsm_canary_data(), call->signatures[0]);
    return code == CSN_OK
               ? code
               : csn_reason_set(
                     reason, code,
                     "the canary does not verify with the published key: the token's key is "
                     "another one, or its signatures are wrong");
}

/* False when the worker did not answer what was asked. */
static bool deliver(struct csn_hsm *hsm, struct csn_message *message,
                    const Csn__Hsm__Answer *answer)
{
    struct csn_call *call = message->call;
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
    if ((call->kind == CALL_PUBLIC && !answer->has_public_key) ||
        (call->kind == CALL_WRAP && answer->wrapped == NULL)) {
        return false;
    }
    csn_call_answer(call, code, answer, &reason);
    return true;
}

static void take_from_flight(struct csn_hsm *hsm, size_t i)
{
    hsm->in_flight_count--;
    memmove(hsm->in_flight + i, hsm->in_flight + i + 1,
            (hsm->in_flight_count - i) * sizeof(hsm->in_flight[0]));
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
    csn_log(hsm->settings.log, CSN_INFO, "hsm.up", "%s: %u sessions open", hsm->settings.token,
            hsm->settings.sessions);
}

/* What a call may fail with. Any other word of a worker is a fault of the HSM: whoever calls takes an
 * input or output error for one of its own disks. */
static int code_of_call(int code)
{
    switch (code) {
    case CSN_OK:
    case CSN_EFORMAT:
    case CSN_ENOTFOUND:
    case CSN_EEXISTS:
    case CSN_EREFUSED:
    case CSN_ELIMIT:
    case CSN_ESIGNATURE:
        return code;
    default:
        return CSN_EHSM;
    }
}

static void on_answer(struct csn_hsm *hsm, struct csn_message *take_message,
                      const Csn__Hsm__Answer *answer)
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
            csn_call_answer(take_message->call, code_of_call(answer->code), NULL, &reason);
        } else if (!deliver(hsm, take_message, answer)) {
            fail_worker(hsm, CSN_EHSM, "consign-hsm answered something else than it was asked");
            csn_call_answer(take_message->call, CSN_EHSM, NULL, &hsm->status.reason);
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
        struct csn_message *message = hsm->in_flight[i];
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
    fail_worker(hsm, CSN_EHSM,
                "consign-hsm sent an answer that nobody asked for, or that cannot be read");
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
    struct csn_message *message = csn_hsm_message_new(hsm, NULL);
    configure.module = csn_pack_text(hsm->settings.module);
    configure.token = csn_pack_text(hsm->settings.token);
    configure.pin_file = csn_pack_text(hsm->settings.pin_file);
    configure.sessions = hsm->settings.sessions;
    request.id = message->id;
    request.what_case = CSN__HSM__REQUEST__WHAT_CONFIGURE;
    request.configure = &configure;
    message->frame = csn_hsm_encode(&request);
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

/* The HSM's one way down: the worker is killed, all it owed and all that waits is answered, the
 * next start is set. Said once in the log for one cause. */
static void fail_worker(struct csn_hsm *hsm, int first_code, const char *why)
{
    struct csn_reason reason;
    uint64_t wait_ms =
        hsm->failures >= 6 ? BACKOFF_MAX_MS : (uint64_t)BACKOFF_MIN_MS << hsm->failures;
    csn_reason_set(&reason, CSN_EHSM, "HSM down: %s", why);
    if (strcmp(reason.text, hsm->logged.text) != 0) {
        csn_log(hsm->settings.log, CSN_ERROR, "hsm.down",
                "%s: %s; it is started again until it answers", hsm->settings.token, why);
        hsm->logged = reason;
    }
    hsm->failures++;
    hsm->status.state = CSN_HSM_DOWN;
    hsm->status.reason = reason;
    if (hsm->process != NULL) {
        csn_hsm_process_kill(hsm->process);
        hsm->process = NULL;
    }
    uv_timer_start(&hsm->restart, on_restart, wait_ms < BACKOFF_MAX_MS ? wait_ms : BACKOFF_MAX_MS,
                   0);
    fail_in_flight(hsm, first_code, CSN_EHSM, &reason);
    arm_pump(hsm);
}

static void copy_settings(const struct csn_hsm_settings *from,
                          struct csn_hsm_settings *ret_settings)
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
    REQUIRE(settings->sessions >= 1 && settings->sessions <= CSN_HSM_SESSIONS_MAX &&
            settings->deadline_ms > 0);
    struct csn_hsm *hsm = csn_calloc(1, sizeof(*hsm));
    uv_timer_t *timers[TIMERS] = {&hsm->deadline, &hsm->restart, &hsm->pump};
    hsm->loop = loop;
    queue_init(&hsm->quick);
    queue_init(&hsm->slow);
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
    while (is_waiting(hsm)) {
        fail_waiting(hsm, CSN_ECLOSED, &reason); /* a callback may have asked anew */
    }
    uv_close((uv_handle_t *)&hsm->deadline, on_timer_closed);
    uv_close((uv_handle_t *)&hsm->restart, on_timer_closed);
    uv_close((uv_handle_t *)&hsm->pump, on_timer_closed);
}

struct csn_hasher *csn_hsm_hasher(const struct csn_hsm *hsm)
{
    return hsm->hasher;
}

void csn_hsm_status_get(const struct csn_hsm *hsm, struct csn_hsm_status *ret_status)
{
    *ret_status = hsm->status;
}

const char *csn_hsm_state_text(enum csn_hsm_link state)
{
    static const char *const texts[] = {[CSN_HSM_STARTING] = "starting",
                                        [CSN_HSM_UP] = "up",
                                        [CSN_HSM_DOWN] = "down",
                                        [CSN_HSM_REFUSED] = "PIN refused"};
    return texts[state];
}
