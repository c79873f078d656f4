/* Goal: the client answers every call once and rightly: signatures, keys, settings. Method: the real
 * consign-hsm against real SoftHSM2 tokens in a private folder and against software keys; signatures
 * are verified with OpenSSL. */
#include "hsm_bench.h"

#include <sys/stat.h>

#define LONG 5000 /* signatures: messages enough that the last is far off */

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
