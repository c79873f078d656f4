/* Goal: what a signature costs on this machine at the least, and what our verifiers add to that. Method: raw calls on one thread,
 * no I/O: C_SignInit + C_Sign of SoftHSM2 (h), EVP_PKEY_verify of OpenSSL (v1), gnutls_pubkey_verify_hash2 of GnuTLS (v2), all
 * P-256 with cached keys over 32-octet digests; and csn_verify_ldns, csn_verify_knot over a whole signed zone. They take turns in
 * slices; the median slice counts. Time is CPU time, so that other work on the machine does not make the floor look higher.
 *
 *   floor MODULE [SIGNED-ZONE-FILE ORIGIN]   prints `h`, `v1`, `v2`, `ldns`, `knot`: signatures a second */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "sign/verify.h"
#include "support/zones.h"
#include "token.h"

#define SLICES 7
#define SLICE_S 0.4 /* at the least; 7 x 0.4 s a gauge */
#define SAMPLES 64

struct sample {
    uint8_t digest[32];
    uint8_t signature[80]; /* DER */
    size_t size;
};

struct bench {
    struct bench_token token;
    struct sample samples[SAMPLES];
    EVP_PKEY *key;           /* owns */
    EVP_PKEY_CTX *verifier;  /* owns */
    gnutls_pubkey_t pubkey;  /* owns */
    struct csn_signed *zone; /* owns; NULL: none given */
    struct csn_verify_job job;
    struct csn_bytes dnskeys[CSN_KEYS_MAX]; /* borrow from the zone */
    size_t signatures;                      /* in the zone */
    uint8_t apex[CSN_NAME_MAX];
};

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

/* --- steps: each does some work and says how many signatures it was */

static size_t step_h(struct bench *bench)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        bench_token_sign(&bench->token, bench->samples[i].digest);
    }
    return SAMPLES;
}

static size_t step_v1(struct bench *bench)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        const struct sample *sample = &bench->samples[i];
        if (EVP_PKEY_verify(bench->verifier, sample->signature, sample->size, sample->digest, sizeof(sample->digest)) != 1) {
            give_up("OpenSSL refuses a good signature");
        }
    }
    return SAMPLES;
}

static size_t step_v2(struct bench *bench)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        struct sample *sample = &bench->samples[i];
        gnutls_datum_t digest = {sample->digest, sizeof(sample->digest)};
        gnutls_datum_t signature = {sample->signature, (unsigned)sample->size};
        if (gnutls_pubkey_verify_hash2(bench->pubkey, GNUTLS_SIGN_ECDSA_SHA256, 0, &digest, &signature) < 0) {
            give_up("GnuTLS refuses a good signature");
        }
    }
    return SAMPLES;
}

static size_t step_ldns(struct bench *bench)
{
    struct csn_reason reason = {""};
    if (csn_verify_ldns(&bench->job, &reason) != CSN_OK) {
        give_up(reason.text);
    }
    return bench->signatures;
}

static size_t step_knot(struct bench *bench)
{
    struct csn_reason reason = {""};
    if (csn_verify_knot(&bench->job, &reason) != CSN_OK) {
        give_up(reason.text);
    }
    return bench->signatures;
}

static const struct gauge {
    const char *name;
    size_t (*step)(struct bench *bench);
    bool needs_zone;
} gauges[] = {
    {"h", step_h, false},       {"v1", step_v1, false},     {"v2", step_v2, false},
    {"ldns", step_ldns, true}, {"knot", step_knot, true},
};
#define GAUGES (sizeof(gauges) / sizeof(gauges[0]))

/* --- set-up */

static void make_samples(struct bench *bench)
{
    bench->key = EVP_EC_gen("P-256");
    EVP_PKEY_CTX *signer = EVP_PKEY_CTX_new(bench->key, NULL);
    if (signer == NULL || EVP_PKEY_sign_init(signer) != 1) {
        give_up("no P-256 key");
    }
    for (size_t i = 0; i < SAMPLES; i++) {
        struct sample *sample = &bench->samples[i];
        sample->size = sizeof(sample->signature);
        if (RAND_bytes(sample->digest, sizeof(sample->digest)) != 1 ||
            EVP_PKEY_sign(signer, sample->signature, &sample->size, sample->digest, sizeof(sample->digest)) != 1) {
            give_up("OpenSSL does not sign");
        }
    }
    EVP_PKEY_CTX_free(signer);
    bench->verifier = EVP_PKEY_CTX_new(bench->key, NULL);
    if (bench->verifier == NULL || EVP_PKEY_verify_init(bench->verifier) != 1) {
        give_up("OpenSSL does not verify");
    }
}

static void make_pubkey(struct bench *bench)
{
    uint8_t point[65];
    size_t size;
    if (EVP_PKEY_get_octet_string_param(bench->key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &size) != 1 ||
        size != sizeof(point)) {
        give_up("the public key is no uncompressed point");
    }
    gnutls_datum_t x = {point + 1, 32}, y = {point + 33, 32};
    if (gnutls_pubkey_init(&bench->pubkey) < 0 ||
        gnutls_pubkey_import_ecc_raw(bench->pubkey, GNUTLS_ECC_CURVE_SECP256R1, &x, &y) < 0) {
        give_up("GnuTLS does not take the public key");
    }
}

/* The zone's keys are those in its own DNSKEY RRset. */
static void load_zone(struct bench *bench, const char *path, const char *origin)
{
    struct csn_buf text = {0};
    if (csn_name_parse(origin, bench->apex) != CSN_OK) {
        give_up("the origin is no name");
    }
    csn_test_read(path, &text);
    bench->zone = csn_test_signed(bench->apex, csn_buf_view(&text));
    csn_buf_fini(&text);
    bench->job = (struct csn_verify_job){.apex = bench->apex,
                                         .entries = bench->zone->entries,
                                         .count = bench->zone->count,
                                         .dnskeys = bench->dnskeys,
                                         .time_s = (uint64_t)time(NULL),
                                         .parts = 1};
    for (size_t i = 0; i < bench->zone->count; i++) {
        const struct csn_entry *entry = &bench->zone->entries[i];
        struct csn_reader reader = csn_rdata_first(&entry->rrset);
        bench->signatures += entry->rrsigs.count;
        while (entry->rrset.type == CSN_TYPE_DNSKEY && bench->job.dnskey_count < CSN_KEYS_MAX &&
               csn_rdata_next(&reader, &bench->dnskeys[bench->job.dnskey_count])) {
            bench->job.dnskey_count++;
        }
    }
}

/* --- measuring */

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double run_slice(struct bench *bench, const struct gauge *gauge)
{
    double start_s = cpu_s(), spent_s;
    size_t count = 0;
    do {
        count += gauge->step(bench);
        spent_s = cpu_s() - start_s;
    } while (spent_s < SLICE_S);
    return (double)count / spent_s;
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static void measure(struct bench *bench)
{
    double rates[GAUGES][SLICES];
    for (size_t slice = 0; slice < SLICES; slice++) {
        for (size_t i = 0; i < GAUGES; i++) {
            rates[i][slice] = gauges[i].needs_zone && bench->zone == NULL ? 0 : run_slice(bench, &gauges[i]);
        }
    }
    for (size_t i = 0; i < GAUGES; i++) {
        qsort(rates[i], SLICES, sizeof(rates[i][0]), compare);
        if (rates[i][SLICES / 2] > 0) {
            printf("%s %.1f\n", gauges[i].name, rates[i][SLICES / 2]);
        }
    }
}

int main(int argc, char **argv)
{
    static struct bench bench;
    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: %s MODULE [SIGNED-ZONE-FILE ORIGIN]\n", argv[0]);
        return 2;
    }
    bench_token_make(&bench.token, argv[1]);
    make_samples(&bench);
    make_pubkey(&bench);
    if (argc == 4) {
        load_zone(&bench, argv[2], argv[3]);
    }
    measure(&bench);
    if (bench.zone != NULL) {
        csn_signed_free(bench.zone);
    }
    gnutls_pubkey_deinit(bench.pubkey);
    EVP_PKEY_CTX_free(bench.verifier);
    EVP_PKEY_free(bench.key);
    bench_token_fini(&bench.token);
    return 0;
}
