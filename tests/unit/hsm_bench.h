/* hsm_bench.h: one client of the real consign-hsm in one loop, for the tests of lib/hsm. Its tokens are SoftHSM2's in a private
 * folder, behind a module that misbehaves on demand, or software keys. Inputs to be signed are made from their numbers. */
#ifndef CSN_TESTS_HSM_BENCH_H
#define CSN_TESTS_HSM_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hsm/client.h"
#include "hsm/input.h"
#include "support/token.h"

/* Beyond what a loaded machine may take for an RSA key (20 s were too few); tests of the deadline itself make it short, but not
 * so short that a worker that gets no processor is taken for one that hangs. */
#define DEADLINE_MS 240000
#define SHORT_MS 8000

extern const struct csn_log quiet;

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

/* Handlers of the calls; their `arg` is the bench. */
void on_public(void *arg, int code, struct csn_bytes public_key, uint8_t algorithm,
               const struct csn_reason *reason);
void on_sign(void *arg, int code, const struct csn_bytes *signatures, size_t count,
             const struct csn_reason *reason);
void on_done(void *arg, int code, const struct csn_reason *reason);
void on_mechanisms(void *arg, int code, const uint32_t *mechanisms, size_t count,
                   const struct csn_reason *reason);
void on_wrap(void *arg, int code, const struct csn_hsm_wrapped *wrapped,
             const struct csn_reason *reason);

/* Until the call that is out is answered; its code. What else it said is in the bench. */
int wait_answer(struct bench *bench);

/* Calls, each answered before it returns. */
int generate(struct bench *bench, const char *label, enum csn_hsm_kind kind);
int public_key(struct bench *bench, const char *label);
int sign(struct bench *bench, const char *label, uint8_t algorithm, size_t count);
/* `count` inputs; the caller awaits the answer. */
void start_sign(struct bench *bench, const char *label, uint8_t algorithm, size_t count);
/* Every signature of the last answer verifies with the last public key, in order. */
void check_signatures(struct bench *bench, uint8_t algorithm, size_t count);

struct csn_hsm_key by_label(const char *label);
/* The last public key as the rdata of a DNSKEY, in `buf`. */
struct csn_bytes dnskey_of(struct bench *bench, uint8_t algorithm, struct csn_buf *buf);
struct csn_hsm_status status_of(const struct bench *bench);
/* Asks for the public key until the worker is there again; each refusal in between must say that it
 * is down. */
void wait_until_up(struct bench *bench, const char *label);
/* What the module does from now on (tests/support/p11wrap.c); "": nothing wrong. */
void fault(struct bench *bench, const char *text);
/* Logins that the module has seen. */
size_t logins(const struct bench *bench);

/* A folder, and no client yet. */
struct bench *bench_new(void);
void bench_free(struct bench *bench);
/* The client; `module` and `pin_file` may be NULL where the token is in software. */
void open_with(struct bench *bench, const char *module, const char *token, const char *pin_file,
               unsigned sessions, unsigned deadline_ms);
/* The token of this label, through the module. */
void open_token(struct bench *bench, const char *label, unsigned sessions, unsigned deadline_ms);
void close_client(struct bench *bench);
/* Until nothing is left to do. */
void run_empty(struct bench *bench);
/* With a token "zrh" that has the P-256 key "zsk". */
struct bench *bench_with_key(unsigned sessions, unsigned deadline_ms);

#endif
