/* Goal: whatever a worker says, in whatever order, the client answers each call once, with a code that client.h names and, where that
 * is CSN_OK, with what fits the call. Method: a worker made by hand in place of the process, which reads each request as a real one
 * does. Pieces of the octets (how u8, size u16, octets) are what it says: with bit 7 as they are, with bit 6 it ends; else, where they
 * are an answer, for one of the requests that it owes one. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "fuzz/replay.h"
#include "hsm.pb-c.h"
#include "hsm/client.h"
#include "hsm/input.h"
#include "hsm/process.h"
#include "hsm/worker.h"

const char csn_fuzz_name[] = "hsm_answers";

#define CALLS 8
#define IS_BARE 0x80
#define IS_END 0x40
#define OWED_MAX 64

/* --- the worker */

struct csn_hsm_process {
    struct csn_hsm_process_handler handler;
};

static struct {
    struct csn_hsm_process *process; /* NULL: none runs */
    uint64_t owed[OWED_MAX];
    size_t owed_count;
} worker;

struct csn_hsm_process *csn_hsm_process_new(uv_loop_t *loop, const struct csn_hsm_settings *settings,
                                            const struct csn_hsm_process_handler *handler, struct csn_reason *reason)
{
    (void)loop, (void)settings, (void)reason;
    INSIST(worker.process == NULL);
    worker.process = csn_calloc(1, sizeof(*worker.process));
    worker.process->handler = *handler;
    worker.owed_count = 0;
    return worker.process;
}

void csn_hsm_process_send(struct csn_hsm_process *process, struct csn_bytes take_frame)
{
    INSIST(process == worker.process && take_frame.size > 4);
    INSIST(csn_get_u32(take_frame.data) == take_frame.size - 4 && take_frame.size - 4 <= CSN_HSM_MESSAGE_MAX);
    Csn__Hsm__Request *request = csn__hsm__request__unpack(NULL, take_frame.size - 4, take_frame.data + 4);
    INSIST(request != NULL && request->what_case != CSN__HSM__REQUEST__WHAT__NOT_SET && worker.owed_count < OWED_MAX);
    worker.owed[worker.owed_count++] = request->id;
    csn__hsm__request__free_unpacked(request, NULL);
    free((void *)(uintptr_t)take_frame.data);
}

void csn_hsm_process_kill(struct csn_hsm_process *take_process)
{
    INSIST(take_process == worker.process);
    free(worker.process);
    worker.process = NULL;
}

static void say_frame(struct csn_bytes frame)
{
    worker.process->handler.frame(worker.process->handler.arg, frame);
}

/* As an answer for a request that waits for one. */
static bool say_answer(unsigned which, struct csn_bytes octets)
{
    Csn__Hsm__Answer *answer = csn__hsm__answer__unpack(NULL, octets.size, octets.data);
    if (answer == NULL || worker.owed_count == 0) {
        csn__hsm__answer__free_unpacked(answer, NULL);
        return false;
    }
    size_t place = which % worker.owed_count;
    answer->id = worker.owed[place];
    worker.owed_count--;
    memmove(&worker.owed[place], &worker.owed[place + 1], (worker.owed_count - place) * sizeof(worker.owed[0]));
    size_t size = csn__hsm__answer__get_packed_size(answer);
    uint8_t *frame = csn_alloc(size);
    csn__hsm__answer__pack(answer, frame);
    csn__hsm__answer__free_unpacked(answer, NULL);
    say_frame(csn_bytes(frame, size));
    free(frame);
    return true;
}

/* --- the calls */

static const uint8_t dnskey[4 + 32] = {1, 0, 3, CSN_HSM_ED25519};
static const uint8_t algorithm = CSN_HSM_ECDSA_P256;

static void count(void *arg, int code, const struct csn_reason *reason)
{
    unsigned *answered = arg;
    ++*answered;
    switch (code) {
    case CSN_OK:
    case CSN_EHSM:
    case CSN_ETIMEOUT:
    case CSN_ENOTFOUND:
    case CSN_EPERMISSION:
    case CSN_EREFUSED:
    case CSN_EEXISTS:
    case CSN_EFORMAT:
    case CSN_ELIMIT:
    case CSN_ESIGNATURE:
    case CSN_ECLOSED:
        INSIST(memchr(reason->text, 0, sizeof(reason->text)) != NULL);
        break;
    default:
        INSIST(false);
    }
}

static void on_public(void *arg, int code, struct csn_bytes public_key, uint8_t key_algorithm, const struct csn_reason *reason)
{
    INSIST(code == CSN_OK || (public_key.size == 0 && key_algorithm == 0));
    count(arg, code, reason);
}

static void on_sign(void *arg, int code, const struct csn_bytes *signatures, size_t signature_count, const struct csn_reason *reason)
{
    INSIST(code == CSN_OK ? signature_count == 3 : signatures == NULL && signature_count == 0);
    for (size_t i = 0; i < signature_count; i++) {
        INSIST(csn_hsm_signature_fits(algorithm, signatures[i].size));
    }
    count(arg, code, reason);
}

static void on_mechanisms(void *arg, int code, const uint32_t *mechanisms, size_t mechanism_count, const struct csn_reason *reason)
{
    INSIST(code == CSN_OK || (mechanisms == NULL && mechanism_count == 0));
    count(arg, code, reason);
}

static void on_wrap(void *arg, int code, const struct csn_hsm_wrapped *wrapped, const struct csn_reason *reason)
{
    INSIST((wrapped != NULL) == (code == CSN_OK));
    for (size_t i = 0; wrapped != NULL && i < wrapped->count; i++) {
        INSIST(i < CSN_HSM_WRAP_MAX && memchr(wrapped->keys[i].label, 0, sizeof(wrapped->keys[i].label)) != NULL);
    }
    count(arg, code, reason);
}

static void call_all(struct csn_hsm *hsm, unsigned *answered)
{
    static const uint8_t digest[32];
    struct csn_hsm_key key = {.label = "zsk"};
    struct csn_bytes inputs[3] = {csn_bytes(digest, 32), csn_bytes(digest, 32), csn_bytes(digest, 32)};
    uint32_t mechanism = CSN_HSM_WRAP_KWP;
    static const struct csn_hsm_wrapped wrapped = {.mechanism = CSN_HSM_WRAP_KWP, .keys = {{.label = "a"}}, .count = 1};
    csn_hsm_public_key(hsm, &key, on_public, answered);
    csn_hsm_sign(hsm, &key, algorithm, inputs, 3, on_sign, answered);
    csn_hsm_canary(hsm, &key, csn_bytes(dnskey, sizeof(dnskey)), count, answered);
    csn_hsm_mechanisms(hsm, on_mechanisms, answered);
    csn_hsm_wrap(hsm, csn_bytes(digest, 32), &mechanism, 1, &key, 1, on_wrap, answered);
    csn_hsm_generate(hsm, &key, CSN_HSM_KIND_P256, true, on_public, answered);
    csn_hsm_unwrap(hsm, &key, &wrapped, count, answered);
    csn_hsm_seal(hsm, &key, count, answered);
}

static void say(uint8_t how, struct csn_bytes octets)
{
    if ((how & IS_BARE) == 0 && (how & IS_END) != 0) {
        worker.process->handler.end(worker.process->handler.arg, "it ended");
    } else if ((how & IS_BARE) != 0 || !say_answer(how & 0x3f, octets)) {
        say_frame(octets);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct csn_log quiet = {.program = "fuzz", .least = CSN_ERROR + 1};
    struct csn_reader reader = csn_reader(csn_bytes(data, size));
    struct csn_hsm_settings settings = {
        .worker = "w", .module = "m", .token = "t", .pin_file = "p", .sessions = 1, .deadline_ms = 60000, .log = &quiet};
    uv_loop_t loop;
    unsigned answered = 0;
    uv_loop_init(&loop);
    struct csn_hsm *hsm = csn_hsm_new(&loop, &settings);
    call_all(hsm, &answered);
    while (worker.process != NULL && csn_reader_left(&reader) > 0) {
        uint8_t how = csn_read_u8(&reader);
        uint16_t piece = csn_read_u16(&reader);
        piece = piece < csn_reader_left(&reader) ? piece : (uint16_t)csn_reader_left(&reader);
        say(how, csn_read_bytes(&reader, piece));
        uv_run(&loop, UV_RUN_NOWAIT); /* what waits is sent */
    }
    csn_hsm_free(hsm);
    INSIST(answered == CALLS);
    uv_run(&loop, UV_RUN_DEFAULT);
    INSIST(uv_loop_close(&loop) == 0);
    return 0;
}
