#include "hsm_bench.h"

#include "base/fs.h"

const struct csn_log quiet = {.program = "test_hsm", .least = CSN_ERROR + 1};

static void answered(struct bench *bench, int code, const struct csn_reason *reason)
{
    assert_false(bench->is_answered);
    bench->is_answered = true;
    uv_stop(&bench->loop);
    bench->code = code;
    bench->reason = *reason;
}

void on_public(void *arg, int code, struct csn_bytes public_key, uint8_t algorithm,
               const struct csn_reason *reason)
{
    struct bench *bench = arg;
    answered(bench, code, reason);
    bench->algorithm = algorithm;
    csn_buf_clear(&bench->public_key);
    csn_buf_put_bytes(&bench->public_key, public_key);
}

void on_sign(void *arg, int code, const struct csn_bytes *signatures, size_t count,
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

void on_done(void *arg, int code, const struct csn_reason *reason)
{
    answered(arg, code, reason);
}

void on_mechanisms(void *arg, int code, const uint32_t *mechanisms, size_t count,
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

void on_wrap(void *arg, int code, const struct csn_hsm_wrapped *wrapped,
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

int wait_answer(struct bench *bench)
{
    if (!bench->is_answered) {
        uv_run(&bench->loop, UV_RUN_DEFAULT);
    }
    assert_true(bench->is_answered);
    bench->is_answered = false;
    return bench->code;
}

struct csn_hsm_key by_label(const char *label)
{
    return (struct csn_hsm_key){.label = label};
}

int generate(struct bench *bench, const char *label, enum csn_hsm_kind kind)
{
    struct csn_hsm_key key = by_label(label);
    csn_hsm_generate(bench->hsm, &key, kind, true, on_public, bench);
    return wait_answer(bench);
}

int public_key(struct bench *bench, const char *label)
{
    struct csn_hsm_key key = by_label(label);
    csn_hsm_public_key(bench->hsm, &key, on_public, bench);
    return wait_answer(bench);
}

struct csn_bytes dnskey_of(struct bench *bench, uint8_t algorithm, struct csn_buf *buf)
{
    const uint8_t head[] = {1, 0, 3, algorithm};
    csn_buf_clear(buf);
    csn_buf_put(buf, head, sizeof(head));
    csn_buf_put_bytes(buf, csn_buf_view(&bench->public_key));
    return csn_buf_view(buf);
}

void start_sign(struct bench *bench, const char *label, uint8_t algorithm, size_t count)
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

int sign(struct bench *bench, const char *label, uint8_t algorithm, size_t count)
{
    start_sign(bench, label, algorithm, count);
    return wait_answer(bench);
}

void check_signatures(struct bench *bench, uint8_t algorithm, size_t count)
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

struct csn_hsm_status status_of(const struct bench *bench)
{
    struct csn_hsm_status status;
    csn_hsm_status_get(bench->hsm, &status);
    return status;
}

void wait_until_up(struct bench *bench, const char *label)
{
    for (int code = public_key(bench, label); code != CSN_OK; code = public_key(bench, label)) {
        assert_int_equal(code, CSN_EHSM);
        uv_run(&bench->loop, UV_RUN_ONCE);
    }
}

void fault(struct bench *bench, const char *text)
{
    token_write(&bench->box, "control", text, 0600, bench->control);
}

size_t logins(const struct bench *bench)
{
    struct csn_buf buf = {0};
    size_t count = 0;
    if (csn_fs_read(bench->trace, 65536, &buf, NULL) == CSN_OK) {
        count = buf.size / strlen("login\n");
    }
    csn_buf_fini(&buf);
    return count;
}

/* --- set-up */

struct bench *bench_new(void)
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

void open_with(struct bench *bench, const char *module, const char *token, const char *pin_file,
               unsigned sessions, unsigned deadline_ms)
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

void open_token(struct bench *bench, const char *label, unsigned sessions, unsigned deadline_ms)
{
    char token[64];
    snprintf(token, sizeof(token), "pkcs11:token=%s", label);
    open_with(bench, P11WRAP, token, bench->box.pin_file, sessions, deadline_ms);
}

void run_empty(struct bench *bench)
{
    uv_run(&bench->loop, UV_RUN_DEFAULT); /* a stop may be pending */
    assert_int_equal(uv_run(&bench->loop, UV_RUN_DEFAULT), 0);
}

void close_client(struct bench *bench)
{
    csn_hsm_free(bench->hsm);
    run_empty(bench);
    bench->hsm = NULL;
}

void bench_free(struct bench *bench)
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

struct bench *bench_with_key(unsigned sessions, unsigned deadline_ms)
{
    struct bench *bench = bench_new();
    token_make(&bench->box, "zrh");
    open_token(bench, "zrh", sessions, deadline_ms);
    assert_int_equal(generate(bench, "zsk", CSN_HSM_KIND_P256), CSN_OK);
    return bench;
}
