/* Goal: the client answers every call once and rightly, whatever the HSM does. Method: the real
 * consign-hsm against real SoftHSM2 tokens in a private folder, some of them behind a module that
 * misbehaves on demand, and against software keys; signatures are verified with OpenSSL. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "hsm.pb-c.h"
#include "hsm/client.h"
#include "hsm/input.h"
#include "support/token.h"

#define LONG 5000 /* signatures: messages enough that the last is far off */
/* Beyond what a loaded machine may take for an RSA key (20 s were too few); tests of the deadline itself make it short, but not
 * so short that a worker that gets no processor is taken for one that hangs. */
#define DEADLINE_MS 240000
#define SHORT_MS 8000

static const struct csn_log quiet = {.program = "test_hsm", .least = CSN_ERROR + 1};

/* What a test has: a loop, one client, and what its last call was answered. */
struct bench {
    struct token_box box;
    uv_loop_t loop;
    struct csn_hsm *hsm;
    char control[PATH_MAX], trace[PATH_MAX];
    char control_environment[PATH_MAX + 32], trace_environment[PATH_MAX + 32];
    bool is_answered;
    int code;
    struct csn_reason reason;
    uint8_t algorithm;
    struct csn_buf public_key;
    struct csn_buf signatures; /* size u16 | octets, in order */
    size_t count;
    struct csn_hsm_wrapped wrapped; /* in the buffers below */
    struct csn_buf copies[3 * CSN_HSM_WRAP_MAX + 1];
};

static void answered(struct bench *bench, int code, const struct csn_reason *reason)
{
    assert_false(bench->is_answered);
    bench->is_answered = true;
    uv_stop(&bench->loop);
    bench->code = code;
    bench->reason = *reason;
}

static void on_public(void *arg, int code, struct csn_bytes public_key, uint8_t algorithm,
                      const struct csn_reason *reason)
{
    struct bench *bench = arg;
    answered(bench, code, reason);
    bench->algorithm = algorithm;
    csn_buf_clear(&bench->public_key);
    csn_buf_put_bytes(&bench->public_key, public_key);
}

static void on_sign(void *arg, int code, const struct csn_bytes *signatures, size_t count,
                    const struct csn_reason *reason)
{
    struct bench *bench = arg;
    answered(bench, code, reason);
    bench->count = count;
    csn_buf_clear(&bench->signatures);
    for (size_t i = 0; i < count; i++) {
        csn_buf_put_u16(&bench->signatures, (uint16_t)signatures[i].size);
        csn_buf_put_bytes(&bench->signatures, signatures[i]);
    }
}

static void on_done(void *arg, int code, const struct csn_reason *reason)
{
    answered(arg, code, reason);
}

static void on_mechanisms(void *arg, int code, const uint32_t *mechanisms, size_t count,
                          const struct csn_reason *reason)
{
    struct bench *bench = arg;
    answered(bench, code, reason);
    bench->count = count;
    bench->wrapped.mechanism = count > 0 ? mechanisms[0] : 0;
}

static struct csn_bytes kept(struct bench *bench, size_t slot, struct csn_bytes bytes)
{
    csn_buf_clear(&bench->copies[slot]);
    csn_buf_put_bytes(&bench->copies[slot], bytes);
    return csn_buf_view(&bench->copies[slot]);
}

static void on_wrap(void *arg, int code, const struct csn_hsm_wrapped *wrapped,
                    const struct csn_reason *reason)
{
    struct bench *bench = arg;
    answered(bench, code, reason);
    if (code != CSN_OK) {
        return;
    }
    bench->wrapped = *wrapped;
    bench->wrapped.aes_key = kept(bench, 0, wrapped->aes_key);
    for (size_t i = 0; i < wrapped->count; i++) {
        struct csn_hsm_wrapped_key *key = &bench->wrapped.keys[i];
        key->id = kept(bench, 3 * i + 1, key->id);
        key->public_key = kept(bench, 3 * i + 2, key->public_key);
        key->wrapped = kept(bench, 3 * i + 3, key->wrapped);
    }
}

static int wait_answer(struct bench *bench)
{
    if (!bench->is_answered) {
        uv_run(&bench->loop, UV_RUN_DEFAULT);
    }
    assert_true(bench->is_answered);
    bench->is_answered = false;
    return bench->code;
}

static struct csn_hsm_key by_label(const char *label)
{
    return (struct csn_hsm_key){.label = label};
}

static int generate(struct bench *bench, const char *label, enum csn_hsm_kind kind)
{
    struct csn_hsm_key key = by_label(label);
    csn_hsm_generate(bench->hsm, &key, kind, true, on_public, bench);
    return wait_answer(bench);
}

static int public_key(struct bench *bench, const char *label)
{
    struct csn_hsm_key key = by_label(label);
    csn_hsm_public_key(bench->hsm, &key, on_public, bench);
    return wait_answer(bench);
}

static struct csn_bytes dnskey_of(struct bench *bench, uint8_t algorithm, struct csn_buf *buf)
{
    const uint8_t head[] = {1, 0, 3, algorithm};
    csn_buf_clear(buf);
    csn_buf_put(buf, head, sizeof(head));
    csn_buf_put_bytes(buf, csn_buf_view(&bench->public_key));
    return csn_buf_view(buf);
}

/* Sends `count` inputs made from their numbers; the answer is awaited by the caller. */
static void start_sign(struct bench *bench, const char *label, uint8_t algorithm, size_t count)
{
    struct csn_hasher *hasher = csn_hasher_new();
    struct csn_bytes *inputs = csn_calloc(count, sizeof(*inputs));
    struct csn_buf *bufs = csn_calloc(count, sizeof(*bufs));
    struct csn_hsm_key key = by_label(label);
    for (size_t i = 0; i < count; i++) {
        char text[32];
        int size = snprintf(text, sizeof(text), "input %zu", i);
        assert_int_equal(csn_hsm_digest(hasher, algorithm, csn_bytes(text, (size_t)size), &bufs[i]),
                         CSN_OK);
        inputs[i] = csn_buf_view(&bufs[i]);
    }
    csn_hsm_sign(bench->hsm, &key, algorithm, inputs, count, on_sign, bench);
    for (size_t i = 0; i < count; i++) {
        csn_buf_fini(&bufs[i]);
    }
    free(inputs);
    free(bufs);
    csn_hasher_free(hasher);
}

static int sign(struct bench *bench, const char *label, uint8_t algorithm, size_t count)
{
    start_sign(bench, label, algorithm, count);
    return wait_answer(bench);
}

/* Every signature of the last answer verifies with the last public key, in order. */
static void check_signatures(struct bench *bench, uint8_t algorithm, size_t count)
{
    struct csn_buf buf = {0};
    struct csn_bytes dnskey = dnskey_of(bench, algorithm, &buf);
    struct csn_reader reader = csn_reader(csn_buf_view(&bench->signatures));
    assert_int_equal(bench->count, count);
    for (size_t i = 0; i < count; i++) {
        char text[32];
        int size = snprintf(text, sizeof(text), "input %zu", i);
        struct csn_bytes signature = csn_read_bytes(&reader, csn_read_u16(&reader));
        assert_int_equal(csn_hsm_verify(dnskey, csn_bytes(text, (size_t)size), signature), CSN_OK);
        assert_int_equal(csn_hsm_verify(dnskey, csn_bytes(text, (size_t)size - 1), signature),
                         CSN_ESIGNATURE);
    }
    assert_true(csn_reader_done(&reader));
    csn_buf_fini(&buf);
}

static struct csn_hsm_status status_of(const struct bench *bench)
{
    struct csn_hsm_status status;
    csn_hsm_status_get(bench->hsm, &status);
    return status;
}

/* Asks for the public key until the worker is there again; each refusal in between must say that it
 * is down. */
static void wait_until_up(struct bench *bench, const char *label)
{
    for (int code = public_key(bench, label); code != CSN_OK; code = public_key(bench, label)) {
        assert_int_equal(code, CSN_EHSM);
        uv_run(&bench->loop, UV_RUN_ONCE);
    }
}

static void fault(struct bench *bench, const char *text)
{
    token_write(&bench->box, "control", text, 0600, bench->control);
}

/* --- set-up */

static struct bench *bench_new(void)
{
    struct bench *bench = csn_calloc(1, sizeof(*bench));
    token_box_init(&bench->box);
    fault(bench, "");
    snprintf(bench->trace, sizeof(bench->trace), "%s/trace", bench->box.folder);
    snprintf(bench->control_environment, sizeof(bench->control_environment), "P11WRAP_CONTROL=%s",
             bench->control);
    snprintf(bench->trace_environment, sizeof(bench->trace_environment), "P11WRAP_TRACE=%s",
             bench->trace);
    uv_loop_init(&bench->loop);
    return bench;
}

static void open_with(struct bench *bench, const char *module, const char *token,
                      const char *pin_file, unsigned sessions, unsigned deadline_ms)
{
    const char *const environment[] = {bench->box.environment, "P11WRAP_MODULE=" TOKEN_MODULE,
                                       bench->control_environment, bench->trace_environment, NULL};
    struct csn_hsm_settings settings = {
        .worker = CONSIGN_HSM,
        .module = module,
        .token = token,
        .pin_file = pin_file,
        .sessions = sessions,
        .deadline_ms = deadline_ms,
        .environment = environment,
        .folder = bench->box.folder,
        .log = &quiet,
    };
    bench->hsm = csn_hsm_new(&bench->loop, &settings);
}

static void open_token(struct bench *bench, const char *label, unsigned sessions,
                       unsigned deadline_ms)
{
    char token[64];
    snprintf(token, sizeof(token), "pkcs11:token=%s", label);
    open_with(bench, P11WRAP, token, bench->box.pin_file, sessions, deadline_ms);
}

static void run_empty(struct bench *bench)
{
    uv_run(&bench->loop, UV_RUN_DEFAULT); /* a stop may be pending */
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
}

static void close_client(struct bench *bench)
{
    csn_hsm_free(bench->hsm);
    run_empty(bench);
    bench->hsm = NULL;
}

static void bench_free(struct bench *bench)
{
    if (bench->hsm != NULL) {
        close_client(bench);
    }
    assert_int_equal(uv_loop_close(&bench->loop), 0);
    token_box_fini(&bench->box);
    csn_buf_fini(&bench->public_key);
    csn_buf_fini(&bench->signatures);
    for (size_t i = 0; i < sizeof(bench->copies) / sizeof(bench->copies[0]); i++) {
        csn_buf_fini(&bench->copies[i]);
    }
    free(bench);
}

static struct bench *bench_with_key(unsigned sessions, unsigned deadline_ms)
{
    struct bench *bench = bench_new();
    token_make(&bench->box, "zrh");
    open_token(bench, "zrh", sessions, deadline_ms);
    assert_int_equal(generate(bench, "zsk", CSN_HSM_KIND_P256), CSN_OK);
    return bench;
}

/* --- signing */

static const struct {
    enum csn_hsm_kind kind;
    const char *label;
    uint8_t algorithm, found;
    size_t public_size, signature_size;
} kinds[] = {
    {CSN_HSM_KIND_P256, "p256", 13, 13, 64, 64},
    {CSN_HSM_KIND_P384, "p384", 14, 14, 96, 96},
    {CSN_HSM_KIND_ED25519, "ed25519", 15, 15, 32, 64},
    {CSN_HSM_KIND_RSA2048, "rsa2048", 8, 8, 260, 256},
    {CSN_HSM_KIND_RSA3072, "rsa3072", 10, 8, 388, 384},
};

static void check_all_kinds(struct bench *bench)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct csn_buf buf = {0};
        assert_int_equal(generate(bench, kinds[i].label, kinds[i].kind), CSN_OK);
        struct csn_buf generated = {0};
        csn_buf_put_bytes(&generated, csn_buf_view(&bench->public_key));
        assert_int_equal(public_key(bench, kinds[i].label), CSN_OK);
        assert_true(csn_bytes_equal(csn_buf_view(&generated), csn_buf_view(&bench->public_key)));
        assert_int_equal(bench->algorithm, kinds[i].found);
        assert_int_equal(bench->public_key.size, kinds[i].public_size);
        assert_true(csn_hsm_public_matches(csn_buf_view(&generated),
                                           dnskey_of(bench, kinds[i].algorithm, &buf)));
        assert_int_equal(sign(bench, kinds[i].label, kinds[i].algorithm, 5), CSN_OK);
        assert_int_equal(bench->signatures.size, 5 * (2 + kinds[i].signature_size));
        check_signatures(bench, kinds[i].algorithm, 5);
        assert_int_equal(generate(bench, kinds[i].label, kinds[i].kind), CSN_EEXISTS);
        csn_buf_fini(&generated);
        csn_buf_fini(&buf);
    }
    assert_int_equal(sign(bench, "p256", 14, 1), CSN_EREFUSED);
    assert_int_equal(sign(bench, "p256", 8, 1), CSN_EREFUSED);
    assert_int_equal(sign(bench, "rsa2048", 13, 1), CSN_EREFUSED);
}

static void test_softhsm_signs_with_every_algorithm(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    token_make(&bench->box, "zrh");
    open_token(bench, "zrh", 2, DEADLINE_MS);
    check_all_kinds(bench);
    bench_free(bench);
}

static void test_software_signs_with_every_algorithm(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    char token[128];
    snprintf(token, sizeof(token), "software:%s", bench->box.folder);
    open_with(bench, NULL, token, NULL, 2, DEADLINE_MS);
    check_all_kinds(bench);
    assert_int_equal(public_key(bench, "absent"), CSN_ENOTFOUND);
    assert_int_equal(public_key(bench, "../etc/passwd"), CSN_EREFUSED);
    csn_hsm_mechanisms(bench->hsm, on_mechanisms, bench);
    assert_int_equal(wait_answer(bench), CSN_EREFUSED);
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/p256.pem", bench->box.folder);
    assert_int_equal(chmod(path, 0644), 0);
    close_client(bench);
    open_with(bench, NULL, token, NULL, 1, DEADLINE_MS);
    assert_int_equal(sign(bench, "p256", 13, 1), CSN_EREFUSED);
    bench_free(bench);
}

static void test_large_job_comes_back_in_order(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(3, DEADLINE_MS);
    assert_int_equal(sign(bench, "zsk", 13, 2000), CSN_OK);
    check_signatures(bench, 13, 2000);
    assert_int_equal(status_of(bench).signatures, 2000);
    assert_int_equal(status_of(bench).restarts, 0);
    bench_free(bench);
}

/* A zone with very many signatures to make holds up neither the checks nor the rounds of the others. */
static void test_short_call_overtakes_a_long_one(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    struct csn_hsm_key key = by_label("zsk");
    start_sign(bench, "zsk", 13, LONG);
    uv_run(&bench->loop, UV_RUN_NOWAIT); /* its first messages are at the worker */
    csn_hsm_public_key(bench->hsm, &key, on_public, bench);
    assert_int_equal(wait_answer(bench), CSN_OK);
    assert_int_equal(bench->count, 0); /* the other is not done */
    assert_int_equal(wait_answer(bench), CSN_OK);
    check_signatures(bench, 13, LONG);
    bench_free(bench);
}

static void test_empty_and_oversized_jobs_are_answered_here(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    struct csn_hsm_key key = by_label("zsk");
    uint8_t *long_input = csn_calloc(1, 600000);
    struct csn_bytes input = csn_bytes(long_input, 600000);
    csn_hsm_sign(bench->hsm, &key, 13, NULL, 0, on_sign, bench);
    assert_false(bench->is_answered); /* never from inside the call */
    assert_int_equal(wait_answer(bench), CSN_OK);
    assert_int_equal(bench->count, 0);
    csn_hsm_sign(bench->hsm, &key, 15, &input, 1, on_sign, bench);
    assert_int_equal(wait_answer(bench), CSN_ELIMIT);
    free(long_input);
    bench_free(bench);
}

/* --- keys */

static void test_key_that_is_missing_or_ambiguous_is_said(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    char token[128], pem[PATH_MAX];
    snprintf(token, sizeof(token), "software:%s", bench->box.folder);
    open_with(bench, NULL, token, NULL, 1, DEADLINE_MS);
    assert_int_equal(generate(bench, "a", CSN_HSM_KIND_P256), CSN_OK);
    close_client(bench);
    token_make(&bench->box, "zrh");
    snprintf(pem, sizeof(pem), "%s/a.pem", bench->box.folder);
    token_import(&bench->box, "zrh", pem, "twice", "01");
    token_import(&bench->box, "zrh", pem, "twice", "02");
    open_token(bench, "zrh", 1, DEADLINE_MS);
    assert_int_equal(sign(bench, "absent", 13, 1), CSN_ENOTFOUND);
    assert_non_null(strstr(bench->reason.text, "absent"));
    assert_int_equal(sign(bench, "twice", 13, 1), CSN_EREFUSED);
    assert_non_null(strstr(bench->reason.text, "several"));
    struct csn_hsm_key exact = {.label = "twice", .id = csn_bytes("\x02", 1)};
    csn_hsm_public_key(bench->hsm, &exact, on_public, bench);
    assert_int_equal(wait_answer(bench), CSN_OK);
    struct csn_hsm_key by_id = {.id = csn_bytes("\x01", 1)};
    csn_hsm_public_key(bench->hsm, &by_id, on_public, bench);
    assert_int_equal(wait_answer(bench), CSN_OK);
    assert_int_equal(generate(bench, "twice", CSN_HSM_KIND_P256), CSN_EEXISTS);
    assert_int_equal(generate(bench, "no/slash", CSN_HSM_KIND_P256), CSN_EREFUSED);
    bench_free(bench);
}

/* The .de 2026 fault: the token holds another key under the same label. */
static void test_canary_finds_a_key_that_is_another(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    struct csn_buf buf = {0};
    struct csn_hsm_key zsk = by_label("zsk"), other = by_label("other");
    struct csn_bytes dnskey = dnskey_of(bench, 13, &buf);
    csn_hsm_canary(bench->hsm, &zsk, dnskey, on_done, bench);
    assert_int_equal(wait_answer(bench), CSN_OK);
    assert_int_equal(generate(bench, "other", CSN_HSM_KIND_P256), CSN_OK);
    csn_hsm_canary(bench->hsm, &other, dnskey, on_done, bench);
    assert_int_equal(wait_answer(bench), CSN_ESIGNATURE);
    assert_false(csn_hsm_public_matches(csn_buf_view(&bench->public_key), dnskey));
    csn_hsm_canary(bench->hsm, &zsk, csn_bytes(dnskey.data, 4), on_done, bench);
    assert_int_equal(wait_answer(bench), CSN_EREFUSED);
    csn_buf_fini(&buf);
    bench_free(bench);
}

/* --- PIN and settings */

static size_t logins(const struct bench *bench)
{
    struct csn_buf buf = {0};
    size_t count = 0;
    if (csn_fs_read(bench->trace, 65536, &buf, NULL) == CSN_OK) {
        count = buf.size / strlen("login\n");
    }
    csn_buf_fini(&buf);
    return count;
}

static void test_wrong_pin_is_tried_once(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    char pin_file[PATH_MAX];
    token_make(&bench->box, "zrh");
    token_write(&bench->box, "wrong-pin", "999999\n", 0600, pin_file);
    open_with(bench, P11WRAP, "pkcs11:token=zrh", pin_file, 4, DEADLINE_MS);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(public_key(bench, "zsk"), CSN_EPERMISSION);
        assert_non_null(strstr(bench->reason.text, "PIN"));
        assert_null(strstr(bench->reason.text, "999999"));
    }
    assert_int_equal(status_of(bench).state, CSN_HSM_REFUSED);
    assert_int_equal(logins(bench), 1);
    bench_free(bench);
}

static void test_pin_file_that_others_may_read_is_refused(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    char pin_file[PATH_MAX];
    token_make(&bench->box, "zrh");
    token_write(&bench->box, "open-pin", TOKEN_PIN, 0644, pin_file);
    open_with(bench, P11WRAP, "pkcs11:token=zrh", pin_file, 1, DEADLINE_MS);
    assert_int_equal(public_key(bench, "zsk"), CSN_EPERMISSION);
    assert_non_null(strstr(bench->reason.text, "chmod 600"));
    assert_int_equal(logins(bench), 0);
    bench_free(bench);
}

static void test_wrong_settings_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *module, *token, *said;
    } cases[] = {
        {"/nowhere/module.so", "pkcs11:token=zrh", "/nowhere/module.so"},
        {TOKEN_MODULE, "pkcs11:token=nowhere", "pkcs11:token=nowhere: no token of that name among the "},
        {TOKEN_MODULE, "pkcs11:", "not one"},
        {TOKEN_MODULE, "zrh", "token URI zrh"},
        {TOKEN_MODULE, "pkcs11:token=zrh;object=zsk", "only attributes of a token"},
        {TOKEN_MODULE, "pkcs11:token=zrh?pin-value=1", "PIN"},
    };
    struct bench *bench = bench_new();
    token_make(&bench->box, "zrh");
    token_make(&bench->box, "sjc");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_with(bench, cases[i].module, cases[i].token, bench->box.pin_file, 1, DEADLINE_MS);
        assert_int_equal(public_key(bench, "zsk"), CSN_EHSM);
        assert_non_null(strstr(bench->reason.text, cases[i].said));
        assert_int_equal(status_of(bench).state, CSN_HSM_DOWN);
        close_client(bench);
    }
    bench_free(bench);
}

static void test_program_that_is_missing_is_said(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct csn_hsm_settings settings = {.worker = "/nowhere/consign-hsm",
                                        .token = "pkcs11:token=zrh",
                                        .sessions = 1,
                                        .deadline_ms = DEADLINE_MS,
                                        .log = &quiet};
    bench->hsm = csn_hsm_new(&bench->loop, &settings);
    assert_int_equal(public_key(bench, "zsk"), CSN_EHSM);
    assert_non_null(strstr(bench->reason.text, "/nowhere/consign-hsm"));
    bench_free(bench);
}

/* --- faults */

static void test_hanging_hsm_is_killed_and_comes_back(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(2, DEADLINE_MS);
    close_client(bench);
    open_token(bench, "zrh", 2, SHORT_MS);
    assert_int_equal(public_key(bench, "zsk"), CSN_OK);
    fault(bench, "hang");
    uint64_t start_ms = uv_hrtime() / 1000000;
    assert_int_equal(sign(bench, "zsk", 13, 1000), CSN_ETIMEOUT);
    assert_true(uv_hrtime() / 1000000 - start_ms >= SHORT_MS - 100);
    assert_int_equal(status_of(bench).state, CSN_HSM_DOWN);
    assert_int_equal(status_of(bench).timeouts, 1);
    fault(bench, "");
    wait_until_up(bench, "zsk");
    assert_int_equal(sign(bench, "zsk", 13, 20), CSN_OK);
    check_signatures(bench, 13, 20);
    assert_int_equal(status_of(bench).restarts, 1);
    bench_free(bench);
}

static void test_lost_session_is_found_again(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    assert_int_equal(sign(bench, "zsk", 13, 1), CSN_OK);
    size_t before = logins(bench);
    fault(bench, "session-lost");
    assert_int_equal(sign(bench, "zsk", 13, 300), CSN_OK);
    check_signatures(bench, 13, 300);
    assert_int_equal(status_of(bench).restarts, 0);
    assert_int_equal(logins(bench), before + 1);
    bench_free(bench);
}

static void test_dead_worker_is_started_again(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(2, DEADLINE_MS);
    fault(bench, "die");
    assert_int_equal(sign(bench, "zsk", 13, 1000), CSN_EHSM);
    assert_non_null(strstr(bench->reason.text, "HSM down"));
    fault(bench, "");
    wait_until_up(bench, "zsk");
    assert_int_equal(sign(bench, "zsk", 13, 10), CSN_OK);
    check_signatures(bench, 13, 10);
    bench_free(bench);
}

static void test_device_error_brings_the_hsm_down(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    fault(bench, "device-error");
    assert_int_equal(sign(bench, "zsk", 13, 3), CSN_EHSM);
    assert_non_null(strstr(bench->reason.text, "C_Sign"));
    assert_int_equal(status_of(bench).state, CSN_HSM_DOWN);
    fault(bench, "");
    wait_until_up(bench, "zsk");
    bench_free(bench);
}

static void test_wrong_signatures_are_seen_by_the_canary(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    struct csn_buf buf = {0};
    struct csn_hsm_key zsk = by_label("zsk");
    fault(bench, "wrong-signature");
    csn_hsm_canary(bench->hsm, &zsk, dnskey_of(bench, 13, &buf), on_done, bench);
    assert_int_equal(wait_answer(bench), CSN_ESIGNATURE);
    csn_buf_fini(&buf);
    bench_free(bench);
}

#define MESSAGES 9

struct counted {
    uv_loop_t *loop; /* borrows */
    unsigned left, good;
};

static void on_counted(void *arg, int code, const struct csn_bytes *signatures, size_t count,
                       const struct csn_reason *reason)
{
    struct counted *counted = arg;
    (void)signatures;
    (void)reason;
    counted->good += code == CSN_OK && count == 1;
    if (--counted->left == 0) {
        uv_stop(counted->loop);
    }
}

/* One signature a message and a second: more seconds than the deadline in all, and far less each. Many signatures a message
 * would each wait for the processor. */
static void test_slow_hsm_keeps_its_deadline_message_by_message(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    struct counted counted = {.loop = &bench->loop, .left = MESSAGES};
    struct csn_hsm_key key = by_label("zsk");
    uint8_t digest[32] = {0};
    struct csn_bytes input = csn_bytes(digest, sizeof(digest));
    close_client(bench);
    open_token(bench, "zrh", 1, SHORT_MS);
    fault(bench, "slow:1");
    for (unsigned i = 0; i < MESSAGES; i++) {
        csn_hsm_sign(bench->hsm, &key, 13, &input, 1, on_counted, &counted);
    }
    uint64_t start_ms = uv_hrtime() / 1000000;
    uv_run(&bench->loop, UV_RUN_DEFAULT);
    assert_int_equal(counted.left, 0);
    assert_int_equal(counted.good, MESSAGES);
    assert_true(uv_hrtime() / 1000000 - start_ms > SHORT_MS - 1000);
    assert_int_equal(status_of(bench).timeouts, 0);
    bench_free(bench);
}

static void test_freed_client_answers_what_is_pending(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    fault(bench, "hang");
    start_sign(bench, "zsk", 13, 2000);
    uv_run(&bench->loop, UV_RUN_NOWAIT);
    csn_hsm_free(bench->hsm);
    assert_true(bench->is_answered);
    assert_int_equal(bench->code, CSN_ECLOSED);
    bench->is_answered = false;
    bench->hsm = NULL;
    run_empty(bench);
    bench_free(bench);
}

/* libuv's writes to a worker that died a moment ago would otherwise end the node. */
static void test_client_makes_the_process_ignore_sigpipe(void **state)
{
    (void)state;
    struct sigaction now;
    signal(SIGPIPE, SIG_DFL);
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    assert_int_equal(sigaction(SIGPIPE, NULL, &now), 0);
    assert_true(now.sa_handler == SIG_IGN);
    bench_free(bench);
}

/* --- the worker alone */

struct lone_worker {
    pid_t pid;
    int door;
};

static struct lone_worker start_worker(const void *octets, size_t size)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    pid_t child = fork();
    if (child == 0) {
        if (pair[1] != 3) {
            dup2(pair[1], 3);
        }
        close(2);
        execl(CONSIGN_HSM, CONSIGN_HSM, NULL);
        _exit(99);
    }
    close(pair[1]);
    assert_int_equal(write(pair[0], octets, size), (ssize_t)size);
    return (struct lone_worker){child, pair[0]};
}

static int close_door(struct lone_worker worker)
{
    int status = -1;
    shutdown(worker.door, SHUT_WR);
    assert_int_equal(waitpid(worker.pid, &status, 0), worker.pid);
    close(worker.door);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int worker_status_after(const void *octets, size_t size)
{
    return close_door(start_worker(octets, size));
}

static void test_worker_leaves_when_its_door_closes(void **state)
{
    (void)state;
    assert_int_equal(worker_status_after("", 0), 0);
    assert_int_equal(worker_status_after("\0\0", 2), 0);
}

/* A token in files is lost when its process ends in the middle of a login, which rewrites one. */
static void test_worker_leaves_after_a_login_under_way(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    Csn__Hsm__Configure configure = {PROTOBUF_C_MESSAGE_INIT(&csn__hsm__configure__descriptor),
                                     .module = P11WRAP,
                                     .token = "pkcs11:token=zrh",
                                     .pin_file = bench->box.pin_file,
                                     .sessions = 1};
    Csn__Hsm__Request request = {PROTOBUF_C_MESSAGE_INIT(&csn__hsm__request__descriptor),
                                 .id = 1,
                                 .what_case = CSN__HSM__REQUEST__WHAT_CONFIGURE,
                                 .configure = &configure};
    uint8_t frame[4 + 3 * PATH_MAX];
    size_t size = csn__hsm__request__get_packed_size(&request), before = logins(bench);
    assert_true(size <= sizeof(frame) - 4);
    csn_set_u32(frame, (uint32_t)size);
    csn__hsm__request__pack(&request, frame + 4);
    fault(bench, "slow-login");
    putenv(bench->box.environment);
    putenv(bench->control_environment);
    putenv(bench->trace_environment);
    setenv("P11WRAP_MODULE", TOKEN_MODULE, 1);
    struct lone_worker worker = start_worker(frame, 4 + size);
    while (logins(bench) == before) {
        usleep(1000); /* the login has begun, and ends half a second later */
    }
    assert_int_equal(close_door(worker), 0);
    assert_int_equal(logins(bench), before + 2);
    unsetenv("P11WRAP_MODULE");
    unsetenv("P11WRAP_TRACE");
    unsetenv("P11WRAP_CONTROL");
    unsetenv("SOFTHSM2_CONF");
    bench_free(bench);
}

static void test_worker_leaves_on_malformed_requests(void **state)
{
    (void)state;
    static const uint8_t too_long[] = {0, 0x10, 0, 1};
    static const uint8_t nonsense[] = {0, 0, 0, 3, 0xff, 0xff, 0xff};
    static const uint8_t not_configure[] = {0, 0, 0, 4, 8, 1, 0x32, 0}; /* Mechanisms first */
    assert_int_equal(worker_status_after(too_long, sizeof(too_long)), 1);
    assert_int_equal(worker_status_after(nonsense, sizeof(nonsense)), 1);
    assert_int_equal(worker_status_after(not_configure, sizeof(not_configure)), 1);
}

/* --- transport */

static int wrap_for(struct bench *bench, struct csn_bytes receiver, const char *const *labels,
                    size_t count)
{
    static const uint32_t mechanisms[] = {CSN_HSM_WRAP_KWP, CSN_HSM_WRAP_PAD};
    struct csn_hsm_key keys[CSN_HSM_WRAP_MAX];
    for (size_t i = 0; i < count; i++) {
        keys[i] = by_label(labels[i]);
    }
    csn_hsm_wrap(bench->hsm, receiver, mechanisms, 2, keys, count, on_wrap, bench);
    return wait_answer(bench);
}

static int unwrap(struct bench *bench, const struct csn_hsm_wrapped *wrapped)
{
    struct csn_hsm_key transport = by_label("transport");
    csn_hsm_unwrap(bench->hsm, &transport, wrapped, on_done, bench);
    return wait_answer(bench);
}

static void swap_wrapped(struct csn_hsm_wrapped *wrapped)
{
    struct csn_bytes first = wrapped->keys[0].wrapped;
    wrapped->keys[0].wrapped = wrapped->keys[1].wrapped;
    wrapped->keys[1].wrapped = first;
}

static void test_keys_travel_between_two_tokens(void **state)
{
    (void)state;
    static const char *const labels[] = {"ksk", "zsk", "rsa"};
    struct bench *bench = bench_new();
    struct csn_buf receiver = {0}, ksk = {0};
    token_make(&bench->box, "zrh");
    token_make(&bench->box, "sjc");

    open_token(bench, "sjc", 1, DEADLINE_MS);
    csn_hsm_mechanisms(bench->hsm, on_mechanisms, bench);
    assert_int_equal(wait_answer(bench), CSN_OK);
    assert_int_equal(bench->wrapped.mechanism, CSN_HSM_WRAP_PAD);
    assert_int_equal(generate(bench, "transport", CSN_HSM_KIND_TRANSPORT), CSN_OK);
    csn_buf_put_bytes(&receiver, csn_buf_view(&bench->public_key));
    assert_int_equal(sign(bench, "transport", 8, 1), CSN_EREFUSED); /* it can only unwrap */
    close_client(bench);

    open_token(bench, "zrh", 1, DEADLINE_MS);
    assert_int_equal(generate(bench, "zsk", CSN_HSM_KIND_P384), CSN_OK);
    assert_int_equal(generate(bench, "rsa", CSN_HSM_KIND_RSA2048), CSN_OK);
    assert_int_equal(generate(bench, "ksk", CSN_HSM_KIND_P256), CSN_OK);
    csn_buf_put_bytes(&ksk, csn_buf_view(&bench->public_key));
    assert_int_equal(wrap_for(bench, csn_bytes("\3\1\0\1tiny", 8), labels, 3), CSN_EFORMAT);
    assert_int_equal(wrap_for(bench, csn_buf_view(&receiver), labels, 3), CSN_OK);
    assert_int_equal(bench->wrapped.mechanism, CSN_HSM_WRAP_PAD);
    struct csn_hsm_key sealed = by_label("ksk");
    csn_hsm_seal(bench->hsm, &sealed, on_done, bench);
    assert_int_equal(wait_answer(bench), CSN_OK);
    struct csn_hsm_wrapped wrapped = bench->wrapped;
    assert_int_equal(wrap_for(bench, csn_buf_view(&receiver), labels, 3), CSN_EREFUSED);
    close_client(bench);

    open_token(bench, "sjc", 1, DEADLINE_MS);
    assert_int_equal(unwrap(bench, &wrapped), CSN_OK);
    assert_int_equal(public_key(bench, "transport"), CSN_ENOTFOUND); /* destroyed */
    assert_int_equal(public_key(bench, "ksk"), CSN_OK);
    assert_true(csn_bytes_equal(csn_buf_view(&ksk), csn_buf_view(&bench->public_key)));
    assert_int_equal(sign(bench, "ksk", 13, 3), CSN_OK);
    check_signatures(bench, 13, 3);
    assert_int_equal(wrap_for(bench, csn_buf_view(&receiver), labels, 3),
                     CSN_EREFUSED); /* not extractable here */
    assert_int_equal(unwrap(bench, &wrapped), CSN_ENOTFOUND);
    assert_int_equal(generate(bench, "transport", CSN_HSM_KIND_TRANSPORT), CSN_OK); /* both halves went */
    csn_buf_fini(&receiver);
    csn_buf_fini(&ksk);
    bench_free(bench);
}

static void test_key_under_the_wrong_name_does_not_come_in(void **state)
{
    (void)state;
    static const char *const labels[] = {"ksk", "zsk"};
    struct bench *bench = bench_new();
    token_make(&bench->box, "zrh");
    open_token(bench, "zrh", 1, DEADLINE_MS);
    assert_int_equal(generate(bench, "transport", CSN_HSM_KIND_TRANSPORT), CSN_OK);
    struct csn_buf receiver = {0};
    csn_buf_put_bytes(&receiver, csn_buf_view(&bench->public_key));
    assert_int_equal(generate(bench, "ksk", CSN_HSM_KIND_P256), CSN_OK);
    assert_int_equal(generate(bench, "zsk", CSN_HSM_KIND_P256), CSN_OK);
    assert_int_equal(wrap_for(bench, csn_buf_view(&receiver), labels, 2), CSN_OK);
    struct csn_hsm_wrapped wrapped = bench->wrapped;
    assert_int_equal(unwrap(bench, &wrapped), CSN_EEXISTS);
    snprintf(wrapped.keys[0].label, sizeof(wrapped.keys[0].label), "ksk-2");
    snprintf(wrapped.keys[1].label, sizeof(wrapped.keys[1].label), "zsk-2");
    swap_wrapped(&wrapped);
    assert_int_equal(unwrap(bench, &wrapped), CSN_ESIGNATURE);
    assert_int_equal(public_key(bench, "ksk-2"), CSN_ENOTFOUND);
    swap_wrapped(&wrapped);
    wrapped.keys[1].wrapped = csn_bytes("damaged", 7);
    assert_int_equal(unwrap(bench, &wrapped), CSN_EFORMAT);
    assert_int_equal(sign(bench, "ksk-2", 13, 1),
                     CSN_ENOTFOUND); /* the first of them came in and went again */
    assert_int_equal(public_key(bench, "transport"), CSN_OK); /* it is needed still */
    csn_buf_fini(&receiver);
    bench_free(bench);
}

/* From a token to itself, under another name. */
static void test_transport_key_that_stays_is_said(void **state)
{
    (void)state;
    static const char *const labels[] = {"ksk"};
    struct bench *bench = bench_new();
    token_make(&bench->box, "zrh");
    open_token(bench, "zrh", 1, DEADLINE_MS);
    assert_int_equal(generate(bench, "ksk", CSN_HSM_KIND_P256), CSN_OK);
    assert_int_equal(generate(bench, "transport", CSN_HSM_KIND_TRANSPORT), CSN_OK);
    assert_int_equal(wrap_for(bench, csn_buf_view(&bench->public_key), labels, 1), CSN_OK);
    struct csn_hsm_wrapped wrapped = bench->wrapped;
    snprintf(wrapped.keys[0].label, sizeof(wrapped.keys[0].label), "ksk-2");
    wrapped.keys[0].id = csn_bytes("\2", 1);
    fault(bench, "keep");
    assert_int_equal(unwrap(bench, &wrapped), CSN_EREFUSED);
    assert_non_null(strstr(bench->reason.text, "all keys are in and verified, but"));
    assert_int_equal(sign(bench, "ksk-2", 13, 1), CSN_OK);
    assert_int_equal(public_key(bench, "transport"), CSN_OK);
    bench_free(bench);
}

/* A file may name any key for the transport: one that signs is not destroyed. */
static void test_key_that_signs_is_no_transport_key(void **state)
{
    (void)state;
    struct bench *bench = bench_with_key(1, DEADLINE_MS);
    assert_int_equal(generate(bench, "transport", CSN_HSM_KIND_RSA3072), CSN_OK);
    struct csn_hsm_wrapped wrapped = {
        .mechanism = CSN_HSM_WRAP_PAD, .aes_key = csn_bytes("x", 1), .count = 1};
    wrapped.keys[0] = (struct csn_hsm_wrapped_key){
        .label = "new", .algorithm = 13, .id = csn_bytes("\2", 1)};
    assert_int_equal(unwrap(bench, &wrapped), CSN_EREFUSED);
    assert_non_null(strstr(bench->reason.text, "can sign"));
    assert_int_equal(public_key(bench, "transport"), CSN_OK);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softhsm_signs_with_every_algorithm),
        cmocka_unit_test(test_software_signs_with_every_algorithm),
        cmocka_unit_test(test_large_job_comes_back_in_order),
        cmocka_unit_test(test_short_call_overtakes_a_long_one),
        cmocka_unit_test(test_empty_and_oversized_jobs_are_answered_here),
        cmocka_unit_test(test_key_that_is_missing_or_ambiguous_is_said),
        cmocka_unit_test(test_canary_finds_a_key_that_is_another),
        cmocka_unit_test(test_wrong_pin_is_tried_once),
        cmocka_unit_test(test_pin_file_that_others_may_read_is_refused),
        cmocka_unit_test(test_wrong_settings_are_named),
        cmocka_unit_test(test_program_that_is_missing_is_said),
        cmocka_unit_test(test_hanging_hsm_is_killed_and_comes_back),
        cmocka_unit_test(test_lost_session_is_found_again),
        cmocka_unit_test(test_dead_worker_is_started_again),
        cmocka_unit_test(test_device_error_brings_the_hsm_down),
        cmocka_unit_test(test_wrong_signatures_are_seen_by_the_canary),
        cmocka_unit_test(test_slow_hsm_keeps_its_deadline_message_by_message),
        cmocka_unit_test(test_freed_client_answers_what_is_pending),
        cmocka_unit_test(test_client_makes_the_process_ignore_sigpipe),
        cmocka_unit_test(test_worker_leaves_when_its_door_closes),
        cmocka_unit_test(test_worker_leaves_after_a_login_under_way),
        cmocka_unit_test(test_worker_leaves_on_malformed_requests),
        cmocka_unit_test(test_keys_travel_between_two_tokens),
        cmocka_unit_test(test_key_under_the_wrong_name_does_not_come_in),
        cmocka_unit_test(test_transport_key_that_stays_is_said),
        cmocka_unit_test(test_key_that_signs_is_no_transport_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
