/* Goal: keys come into another token whole and under their names, or not at all. Method: SoftHSM2
 * tokens side by side; wrapped keys that are swapped, damaged, or for a key that is no transport key. */
#include "hsm_bench.h"

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
        cmocka_unit_test(test_keys_travel_between_two_tokens),
        cmocka_unit_test(test_key_under_the_wrong_name_does_not_come_in),
        cmocka_unit_test(test_transport_key_that_stays_is_said),
        cmocka_unit_test(test_key_that_signs_is_no_transport_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
