/* Goal: a key that many zones share is looked at once for all that ask meanwhile, each is told, and what was bad is looked
 * at again. Method: the HSM's client is a few functions here that count calls and answer from the loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hsm/input.h"
#include "job.h"
#include "token.h"

#define ASKERS 1000

struct csn_hsm {
    uv_loop_t loop;
    unsigned publics, canaries; /* calls */
    int canary_code;
};

struct call {
    struct csn_hsm *hsm;
    csn_hsm_public_fn *public_key;
    csn_hsm_done_fn *done;
    void *arg;
};

static const struct csn_reason none;

static void answer(void *arg)
{
    struct call *call = arg;
    if (call->public_key != NULL) {
        call->public_key(call->arg, CSN_OK, csn_bytes("key", 3), 13, &none);
    } else {
        call->done(call->arg, call->hsm->canary_code, &none);
    }
    free(call);
}

static void answer_later(struct csn_hsm *hsm, struct call call)
{
    struct call *copy = csn_calloc(1, sizeof(*copy));
    *copy = call;
    copy->hsm = hsm;
    csn_job_later(&hsm->loop, 0, answer, copy);
}

void csn_hsm_public_key(struct csn_hsm *hsm, const struct csn_hsm_key *key, csn_hsm_public_fn *fn, void *arg)
{
    (void)key;
    hsm->publics++;
    answer_later(hsm, (struct call){.public_key = fn, .arg = arg});
}

void csn_hsm_canary(struct csn_hsm *hsm, const struct csn_hsm_key *key, struct csn_bytes dnskey, csn_hsm_done_fn *fn, void *arg)
{
    (void)key;
    (void)dnskey;
    hsm->canaries++;
    answer_later(hsm, (struct call){.done = fn, .arg = arg});
}

static bool holds_another; /* key than the published one */

bool csn_hsm_public_matches(struct csn_bytes public_key, struct csn_bytes dnskey)
{
    (void)public_key;
    (void)dnskey;
    return !holds_another;
}

struct tally {
    unsigned good, bad;
};

static void count(void *arg, int code, const char *why, const struct csn_reason *reason)
{
    struct tally *tally = arg;
    (void)reason;
    tally->good += code == CSN_OK;
    tally->bad += code != CSN_OK && why[0] != '\0';
}

static const struct csn_hsm_key zsk = {.label = "zsk"};

static struct csn_tokens *open_tokens(struct csn_hsm *hsm)
{
    *hsm = (struct csn_hsm){.canary_code = CSN_OK};
    holds_another = false;
    uv_loop_init(&hsm->loop);
    return csn_tokens_new(hsm);
}

static void ask(struct csn_tokens *tokens, const char *dnskey, unsigned times, struct tally *tally)
{
    for (unsigned i = 0; i < times; i++) {
        csn_tokens_check(tokens, &zsk, csn_bytes(dnskey, strlen(dnskey)), count, tally);
    }
}

static void test_many_that_ask_at_once_cost_one_look(void **state)
{
    (void)state;
    struct csn_hsm hsm;
    struct csn_tokens *tokens = open_tokens(&hsm);
    struct tally tally = {0};
    ask(tokens, "one", ASKERS, &tally);
    ask(tokens, "two", 1, &tally);
    assert_int_equal(tally.good, 0); /* nobody is told from inside the call */
    uv_run(&hsm.loop, UV_RUN_DEFAULT);
    assert_int_equal(tally.good, ASKERS + 1);
    assert_int_equal(hsm.publics, 2);
    assert_int_equal(hsm.canaries, 2);
    csn_tokens_free(tokens);
    assert_int_equal(uv_loop_close(&hsm.loop), 0);
}

static void test_a_bad_key_is_told_to_all_and_looked_at_again(void **state)
{
    (void)state;
    struct csn_hsm hsm;
    struct csn_tokens *tokens = open_tokens(&hsm);
    struct tally tally = {0};
    holds_another = true;
    ask(tokens, "one", 3, &tally);
    uv_run(&hsm.loop, UV_RUN_DEFAULT);
    assert_int_equal(tally.bad, 3);
    assert_int_equal(hsm.canaries, 0);
    holds_another = false;
    hsm.canary_code = CSN_ESIGNATURE;
    ask(tokens, "one", 2, &tally);
    uv_run(&hsm.loop, UV_RUN_DEFAULT);
    assert_int_equal(tally.bad, 5);
    hsm.canary_code = CSN_OK;
    ask(tokens, "one", 1, &tally);
    uv_run(&hsm.loop, UV_RUN_DEFAULT);
    assert_int_equal(tally.good, 1);
    assert_int_equal(hsm.publics, 3);
    csn_tokens_free(tokens);
    assert_int_equal(uv_loop_close(&hsm.loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_that_ask_at_once_cost_one_look),
        cmocka_unit_test(test_a_bad_key_is_told_to_all_and_looked_at_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
