#include "hsm/ceremony.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "base/fs.h"
#include "base/text.h"
#include "hsm/input.h"
#include "hsm/transport.h"

#define ID_SIZE 16

struct csn_ceremony {
    uv_loop_t loop;
    struct csn_hsm *hsm; /* owns */
    FILE *out, *notes;   /* borrows */
    struct csn_arena arena;
    /* The answer to the one call under way. */
    int code;
    struct csn_reason reason;
    struct csn_bytes public_key; /* in the arena, like all octets below */
    uint8_t algorithm;
    struct csn_transport_request request;
    struct csn_transport_keys keys;
};

/* --- one call at a time */

static void answered(struct csn_ceremony *ceremony, int code, const struct csn_reason *reason)
{
    ceremony->code = code;
    ceremony->reason = *reason;
    uv_stop(&ceremony->loop);
}

static int wait_answer(struct csn_ceremony *ceremony, struct csn_reason *reason)
{
    uv_run(&ceremony->loop, UV_RUN_DEFAULT);
    if (ceremony->code != CSN_OK) {
        *reason = ceremony->reason;
    }
    return ceremony->code;
}

static struct csn_bytes keep(struct csn_ceremony *ceremony, struct csn_bytes octets)
{
    return csn_bytes(octets.size > 0 ? csn_arena_copy(&ceremony->arena, octets.data, octets.size)
                                     : NULL,
                     octets.size);
}

static void on_public(void *arg, int code, struct csn_bytes public_key, uint8_t algorithm,
                      const struct csn_reason *reason)
{
    struct csn_ceremony *ceremony = arg;
    ceremony->public_key = keep(ceremony, public_key);
    ceremony->algorithm = algorithm;
    answered(ceremony, code, reason);
}

static void on_done(void *arg, int code, const struct csn_reason *reason)
{
    answered(arg, code, reason);
}

static void on_mechanisms(void *arg, int code, const uint32_t *mechanisms, size_t count,
                          const struct csn_reason *reason)
{
    struct csn_ceremony *ceremony = arg;
    size_t fit = count < CSN_TRANSPORT_MECHANISMS_MAX ? count : CSN_TRANSPORT_MECHANISMS_MAX;
    for (size_t i = 0; i < fit; i++) {
        ceremony->request.mechanisms[i] = mechanisms[i];
    }
    ceremony->request.mechanism_count = fit;
    answered(ceremony, code, reason);
}

static void on_wrap(void *arg, int code, const struct csn_hsm_wrapped *wrapped,
                    const struct csn_reason *reason)
{
    struct csn_ceremony *ceremony = arg;
    struct csn_hsm_wrapped *to = &ceremony->keys.wrapped;
    if (code == CSN_OK) {
        *to = *wrapped;
        to->aes_key = keep(ceremony, wrapped->aes_key);
        for (size_t i = 0; i < to->count; i++) {
            to->keys[i].id = keep(ceremony, wrapped->keys[i].id);
            to->keys[i].public_key = keep(ceremony, wrapped->keys[i].public_key);
            to->keys[i].wrapped = keep(ceremony, wrapped->keys[i].wrapped);
        }
    }
    answered(ceremony, code, reason);
}

struct csn_ceremony *csn_ceremony_new(const struct csn_hsm_settings *settings, FILE *out,
                                      FILE *notes)
{
    struct csn_ceremony *ceremony = csn_calloc(1, sizeof(*ceremony));
    int bad = uv_loop_init(&ceremony->loop);
    INSIST(bad == 0);
    ceremony->out = out;
    ceremony->notes = notes;
    ceremony->hsm = csn_hsm_new(&ceremony->loop, settings);
    return ceremony;
}

void csn_ceremony_free(struct csn_ceremony *take_ceremony)
{
    csn_hsm_free(take_ceremony->hsm);
    while (uv_run(&take_ceremony->loop, UV_RUN_DEFAULT) != 0) {
    }
    uv_loop_close(&take_ceremony->loop);
    csn_arena_fini(&take_ceremony->arena);
    free(take_ceremony);
}

/* --- keys */

static struct csn_bytes dnskey_of(struct csn_ceremony *ceremony, uint16_t flags, uint8_t algorithm,
                                  struct csn_bytes public_key)
{
    uint8_t *rdata = csn_arena_alloc(&ceremony->arena, 4 + public_key.size, 1);
    csn_set_u16(rdata, flags);
    rdata[2] = 3; /* RFC 4034 2.1.2 */
    rdata[3] = algorithm;
    memcpy(rdata + 4, public_key.data, public_key.size);
    return csn_bytes(rdata, 4 + public_key.size);
}

static void print_dnskey(struct csn_ceremony *ceremony, struct csn_bytes dnskey)
{
    unsigned char *text = csn_alloc(4 * (dnskey.size / 3 + 2));
    EVP_EncodeBlock(text, dnskey.data + 4, (int)(dnskey.size - 4));
    fprintf(ceremony->out, "%u 3 %u %s\n", csn_get_u16(dnskey.data), dnskey.data[3], text);
    free(text);
}

/* Two groups of 32 digits in words of four: easy to read aloud, hard to mistake. */
static void print_digest(struct csn_ceremony *ceremony, const char *path,
                         const uint8_t digest[CSN_SHA256_SIZE])
{
    char hex[2 * CSN_SHA256_SIZE + 1];
    csn_hex_encode(csn_bytes(digest, CSN_SHA256_SIZE), hex);
    fprintf(ceremony->notes, "%s\n  sha256", path);
    for (size_t i = 0; i < sizeof(hex) - 1; i += 4) {
        fprintf(ceremony->notes, "%s%.4s", i == sizeof(hex) / 2 ? "\n         " : " ", hex + i);
    }
    fputc('\n', ceremony->notes);
}

static void print_id(struct csn_ceremony *ceremony, const char *what, const char *label,
                     struct csn_bytes id)
{
    char hex[2 * CSN_HSM_ID_MAX + 1];
    csn_hex_encode(id, hex);
    fprintf(ceremony->notes, "%s %s, id %s\n", what, label, hex);
}

static int canary(struct csn_ceremony *ceremony, const struct csn_hsm_key *key,
                  struct csn_bytes dnskey, struct csn_reason *reason)
{
    csn_hsm_canary(ceremony->hsm, key, dnskey, on_done, ceremony);
    return wait_answer(ceremony, reason);
}

static int kind_of(uint8_t algorithm, unsigned bits, enum csn_hsm_kind *ret_kind,
                   struct csn_reason *reason)
{
    switch (algorithm) {
    case CSN_HSM_RSASHA256:
    case CSN_HSM_RSASHA512:
        *ret_kind = bits == 3072 ? CSN_HSM_KIND_RSA3072 : CSN_HSM_KIND_RSA2048;
        return CSN_OK;
    case CSN_HSM_ECDSA_P256:
        *ret_kind = CSN_HSM_KIND_P256;
        return CSN_OK;
    case CSN_HSM_ECDSA_P384:
        *ret_kind = CSN_HSM_KIND_P384;
        return CSN_OK;
    case CSN_HSM_ED25519:
        *ret_kind = CSN_HSM_KIND_ED25519;
        return CSN_OK;
    default:
        return csn_reason_set(reason, CSN_EREFUSED, "algorithm %u: one of 8, 10, 13, 14, 15",
                              algorithm);
    }
}

static int random_id(struct csn_ceremony *ceremony, struct csn_bytes *ret_id,
                     struct csn_reason *reason)
{
    uint8_t id[ID_SIZE];
    if (RAND_bytes(id, sizeof(id)) != 1) {
        return csn_reason_set(reason, CSN_ECRYPTO, "no random octets for an id");
    }
    *ret_id = keep(ceremony, csn_bytes(id, sizeof(id)));
    return CSN_OK;
}

int csn_ceremony_show(struct csn_ceremony *ceremony, const struct csn_hsm_key *key, uint16_t flags,
                      uint8_t algorithm, struct csn_reason *reason)
{
    csn_hsm_public_key(ceremony->hsm, key, on_public, ceremony);
    int code = wait_answer(ceremony, reason);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_bytes dnskey = dnskey_of(ceremony, flags, algorithm, ceremony->public_key);
    bool is_rsa = algorithm == CSN_HSM_RSASHA256 || algorithm == CSN_HSM_RSASHA512;
    if (ceremony->algorithm != (is_rsa ? CSN_HSM_RSASHA256 : algorithm)) {
        return csn_reason_set(reason, CSN_EMISMATCH,
                              "the key in the token is not one of algorithm %u", algorithm);
    }
    code = canary(ceremony, key, dnskey, reason);
    if (code == CSN_OK) {
        print_dnskey(ceremony, dnskey);
    }
    return code;
}

int csn_ceremony_generate(struct csn_ceremony *ceremony, const struct csn_hsm_key *key,
                          uint16_t flags, uint8_t algorithm, unsigned bits, bool is_exportable,
                          struct csn_reason *reason)
{
    enum csn_hsm_kind kind = CSN_HSM_KIND_P256;
    struct csn_hsm_key named = *key;
    int code = kind_of(algorithm, bits, &kind, reason);
    if (code == CSN_OK && named.id.size == 0) {
        code = random_id(ceremony, &named.id, reason);
    }
    if (code == CSN_OK) {
        csn_hsm_generate(ceremony->hsm, &named, kind, is_exportable, on_public, ceremony);
        code = wait_answer(ceremony, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    print_id(ceremony, is_exportable ? "made, exportable until sealed:" : "made, not exportable:",
             named.label, named.id);
    return csn_ceremony_show(ceremony, &named, flags, algorithm, reason);
}

/* --- transport */

static int check_absent(const char *path, struct csn_reason *reason)
{
    return access(path, F_OK) == 0
               ? csn_reason_set(reason, CSN_EEXISTS,
                                "%s exists already; nothing is written over it", path)
               : CSN_OK;
}

int csn_ceremony_request(struct csn_ceremony *ceremony, const char *path, const char *label,
                         struct csn_reason *reason)
{
    struct csn_transport_request *request = &ceremony->request;
    struct csn_buf buf = {0};
    int code = check_absent(path, reason);
    if (code == CSN_OK) {
        csn_hsm_mechanisms(ceremony->hsm, on_mechanisms, ceremony);
        code = wait_answer(ceremony, reason);
    }
    if (code == CSN_OK) {
        code = random_id(ceremony, &request->id, reason);
    }
    if (code == CSN_OK) {
        struct csn_hsm_key key = {.label = label, .id = request->id};
        csn_hsm_generate(ceremony->hsm, &key, CSN_HSM_KIND_TRANSPORT, false, on_public, ceremony);
        code = wait_answer(ceremony, reason);
    }
    if (code == CSN_EEXISTS && request->id.size > 0) {
        csn_reason_set(reason, code,
                       "the token has a key %s already; if it is left over from a transport that "
                       "was broken off, destroy its private and public half with the token's own "
                       "tool, or take another name with --transport-label",
                       label);
    }
    if (code == CSN_OK) {
        snprintf(request->label, sizeof(request->label), "%s", label);
        request->public_key = ceremony->public_key;
        csn_transport_request_encode(request, &buf);
        code = csn_fs_write(path, csn_buf_view(&buf), 0644, reason);
    }
    if (code == CSN_OK) {
        print_id(ceremony, "made the transport key", label, request->id);
        print_digest(ceremony, path, request->digest);
    }
    csn_buf_fini(&buf);
    return code;
}

/* A reason from a file's text gets the file's name in front. */
static int named(const char *path, int code, struct csn_reason *reason)
{
    struct csn_reason plain = *reason;
    return code == CSN_OK ? code : csn_reason_set(reason, code, "%s: %.300s", path, plain.text);
}

static int load_request(struct csn_ceremony *ceremony, const char *path, struct csn_reason *reason)
{
    struct csn_buf buf = {0};
    int code = csn_fs_read(path, CSN_TRANSPORT_FILE_MAX, &buf, reason);
    if (code == CSN_OK) {
        code = named(path,
                     csn_transport_request_decode(csn_buf_view(&buf), &ceremony->arena,
                                                  &ceremony->request, reason),
                     reason);
    }
    csn_buf_fini(&buf);
    return code;
}

static int write_keys(struct csn_ceremony *ceremony, const char *path, struct csn_reason *reason)
{
    struct csn_transport_keys *keys = &ceremony->keys;
    struct csn_buf buf = {0};
    memcpy(keys->request, ceremony->request.digest, sizeof(keys->request));
    snprintf(keys->label, sizeof(keys->label), "%s", ceremony->request.label);
    keys->id = ceremony->request.id;
    csn_transport_keys_encode(keys, &buf);
    int code = csn_fs_write(path, csn_buf_view(&buf), 0600, reason);
    csn_buf_fini(&buf);
    return code;
}

int csn_ceremony_export(struct csn_ceremony *ceremony, const char *path, const char *request_path,
                        const struct csn_hsm_key *keys, size_t count, struct csn_reason *reason)
{
    struct csn_transport_request *request = &ceremony->request;
    int code = check_absent(path, reason);
    if (code == CSN_OK) {
        code = load_request(ceremony, request_path, reason);
    }
    if (code == CSN_OK) {
        print_digest(ceremony, request_path, request->digest);
        csn_hsm_wrap(ceremony->hsm, request->public_key, request->mechanisms,
                     request->mechanism_count, keys, count, on_wrap, ceremony);
        code = wait_answer(ceremony, reason);
    }
    if (code == CSN_OK) {
        code = write_keys(ceremony, path, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    for (size_t i = 0; i < count; i++) {
        print_id(ceremony, "wrapped", ceremony->keys.wrapped.keys[i].label,
                 ceremony->keys.wrapped.keys[i].id);
    }
    print_digest(ceremony, path, ceremony->keys.digest);
    return CSN_OK;
}

static int load_keys(struct csn_ceremony *ceremony, const char *path, struct csn_reason *reason)
{
    struct csn_buf buf = {0};
    int code = csn_fs_read(path, CSN_TRANSPORT_FILE_MAX, &buf, reason);
    if (code == CSN_OK) {
        code = named(path,
                     csn_transport_keys_decode(csn_buf_view(&buf), &ceremony->arena,
                                               &ceremony->keys, reason),
                     reason);
    }
    csn_buf_fini(&buf);
    return code;
}

int csn_ceremony_import(struct csn_ceremony *ceremony, const char *path, struct csn_reason *reason)
{
    struct csn_transport_keys *keys = &ceremony->keys;
    int code = load_keys(ceremony, path, reason);
    if (code == CSN_OK) {
        print_digest(ceremony, path, keys->digest);
        struct csn_hsm_key transport = {.label = keys->label, .id = keys->id};
        csn_hsm_unwrap(ceremony->hsm, &transport, &keys->wrapped, on_done, ceremony);
        code = wait_answer(ceremony, reason);
    }
    if (code == CSN_OK) {
        print_id(ceremony, "destroyed the transport key", keys->label, keys->id);
    }
    for (size_t i = 0; code == CSN_OK && i < keys->wrapped.count; i++) {
        const struct csn_hsm_wrapped_key *key = &keys->wrapped.keys[i];
        struct csn_hsm_key name = {.label = key->label, .id = key->id};
        code =
            canary(ceremony, &name,
                   dnskey_of(ceremony, CSN_CEREMONY_ZSK, key->algorithm, key->public_key), reason);
        if (code == CSN_OK) {
            print_id(ceremony,
                     "ok, its signature verifies with the original public key:", key->label,
                     key->id);
        }
    }
    return code;
}

int csn_ceremony_seal(struct csn_ceremony *ceremony, const struct csn_hsm_key *keys, size_t count,
                      struct csn_reason *reason)
{
    int code = CSN_OK;
    for (size_t i = 0; code == CSN_OK && i < count; i++) {
        csn_hsm_seal(ceremony->hsm, &keys[i], on_done, ceremony);
        code = wait_answer(ceremony, reason);
        if (code == CSN_OK) {
            fprintf(ceremony->notes, "sealed: %s leaves this token no more\n", keys[i].label);
        }
    }
    return code;
}
