#include "hsm/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "hsm/input.h"

#define WORDS_MAX 5
#define OCTETS_MAX 8192 /* of one hex value */

/* --- writing */

static void put_text(struct csn_buf *buf, const char *text)
{
    csn_buf_put(buf, text, strlen(text));
}

static void put_hex(struct csn_buf *buf, struct csn_bytes octets)
{
    if (octets.size == 0) {
        put_text(buf, "-");
        return;
    }
    char *text = csn_alloc(2 * octets.size + 1);
    csn_hex_encode(octets, text);
    put_text(buf, text);
    free(text);
}

static void put_line_hex(struct csn_buf *buf, const char *name, struct csn_bytes octets)
{
    put_text(buf, name);
    put_text(buf, ": ");
    put_hex(buf, octets);
    put_text(buf, "\n");
}

static void put_line_text(struct csn_buf *buf, const char *name, const char *text)
{
    put_text(buf, name);
    put_text(buf, ": ");
    put_text(buf, text);
    put_text(buf, "\n");
}

static void put_mechanism(struct csn_buf *buf, uint32_t mechanism)
{
    char text[16];
    snprintf(text, sizeof(text), "%04x", mechanism);
    put_line_text(buf, "mechanism", text);
}

/* `from`: where this file begins in the buffer. */
static void put_digest(struct csn_buf *buf, size_t from, uint8_t ret_digest[CSN_SHA256_SIZE])
{
    csn_sha256(csn_bytes(buf->data + from, buf->size - from), ret_digest);
    put_line_hex(buf, "sha256", csn_bytes(ret_digest, CSN_SHA256_SIZE));
}

void csn_transport_request_encode(struct csn_transport_request *request, struct csn_buf *buf)
{
    size_t from = buf->size;
    put_line_text(buf, "consign-transport-request", "1");
    put_line_text(buf, "transport-label", request->label);
    put_line_hex(buf, "transport-id", request->id);
    put_line_hex(buf, "public-key", request->public_key);
    for (size_t i = 0; i < request->mechanism_count; i++) {
        put_mechanism(buf, request->mechanisms[i]);
    }
    put_digest(buf, from, request->digest);
}

static void put_key(struct csn_buf *buf, const struct csn_hsm_wrapped_key *key)
{
    char algorithm[16];
    snprintf(algorithm, sizeof(algorithm), " %u ", key->algorithm);
    put_text(buf, "key: ");
    put_text(buf, key->label);
    put_text(buf, " ");
    put_hex(buf, key->id);
    put_text(buf, algorithm);
    put_hex(buf, key->public_key);
    put_text(buf, " ");
    put_hex(buf, key->wrapped);
    put_text(buf, "\n");
}

void csn_transport_keys_encode(struct csn_transport_keys *keys, struct csn_buf *buf)
{
    size_t from = buf->size;
    put_line_text(buf, "consign-transport-keys", "1");
    put_line_hex(buf, "request", csn_bytes(keys->request, CSN_SHA256_SIZE));
    put_line_text(buf, "transport-label", keys->label);
    put_line_hex(buf, "transport-id", keys->id);
    put_mechanism(buf, keys->wrapped.mechanism);
    put_line_hex(buf, "aes-key", keys->wrapped.aes_key);
    for (size_t i = 0; i < keys->wrapped.count; i++) {
        put_key(buf, &keys->wrapped.keys[i]);
    }
    put_digest(buf, from, keys->digest);
}

/* --- reading */

struct parser {
    char *text; /* in the arena; lines are cut out of it in place */
    char *at;
    unsigned line;
    struct csn_arena *arena;
    struct csn_reason *reason;
    char *words[WORDS_MAX];
};

static int fail(const struct parser *parser, const char *what)
{
    return csn_reason_set(parser->reason, CSN_EFORMAT, "line %u: %s", parser->line, what);
}

/* Checks size, characters and the digest in the last line, which it cuts off. */
static int parser_init(struct parser *parser, struct csn_bytes text, struct csn_arena *arena,
                       uint8_t ret_digest[CSN_SHA256_SIZE], struct csn_reason *reason)
{
    static const char name[] = "sha256: ";
    const size_t last = sizeof(name) - 1 + 2 * CSN_SHA256_SIZE + 1;
    uint8_t said[CSN_SHA256_SIZE];
    char hex[2 * CSN_SHA256_SIZE + 1] = {0};
    *parser = (struct parser){.arena = arena, .reason = reason};
    if (text.size > CSN_TRANSPORT_FILE_MAX || text.size < last ||
        memchr(text.data, 0, text.size) != NULL) {
        return csn_reason_set(reason, CSN_EFORMAT, "not a transport file");
    }
    size_t size = text.size - last;
    const char *line = (const char *)text.data + size;
    memcpy(hex, line + sizeof(name) - 1, 2 * CSN_SHA256_SIZE);
    if (memcmp(line, name, sizeof(name) - 1) != 0 ||
        csn_hex_decode(hex, said, sizeof(said)) != CSN_OK || line[last - 1] != '\n' ||
        (size > 0 && line[-1] != '\n')) {
        return csn_reason_set(
            reason, CSN_EFORMAT,
            "the last line is not `sha256:` with 64 hex digits: is the file whole?");
    }
    csn_sha256(csn_bytes(text.data, size), ret_digest);
    if (memcmp(ret_digest, said, sizeof(said)) != 0) {
        return csn_reason_set(
            reason, CSN_EMISMATCH,
            "the file is not the one its last line speaks of: it was changed or damaged");
    }
    parser->text = parser->at = csn_arena_alloc(arena, size + 1, 1);
    memcpy(parser->text, text.data, size);
    parser->text[size] = '\0';
    return CSN_OK;
}

static bool next_is(const struct parser *parser, const char *name)
{
    size_t size = strlen(name);
    return strncmp(parser->at, name, size) == 0 && strncmp(parser->at + size, ": ", 2) == 0;
}

/* The next line must be `name` with exactly `count` words, which are then in parser->words. */
static int take(struct parser *parser, const char *name, size_t count)
{
    parser->line++;
    if (!next_is(parser, name)) {
        csn_reason_set(parser->reason, CSN_EFORMAT, "line %u: `%s:` must stand here", parser->line,
                       name);
        return CSN_EFORMAT;
    }
    char *at = parser->at + strlen(name) + 2;
    char *end = strchr(at, '\n'); /* there is one: parser_init saw to it */
    *end = '\0';
    parser->at = end + 1;
    for (size_t i = 0; i < count; i++) {
        parser->words[i] = at;
        at += strcspn(at, " ");
        if (at == parser->words[i] || (*at == ' ') != (i + 1 < count)) {
            return fail(parser, "too few words, or too many");
        }
        *at++ = '\0';
    }
    return CSN_OK;
}

static int word_octets(struct parser *parser, size_t word, size_t size_max,
                       struct csn_bytes *ret_octets)
{
    const char *text = parser->words[word];
    size_t digits = strlen(text);
    if (strcmp(text, "-") == 0) {
        *ret_octets = csn_bytes(NULL, 0);
        return CSN_OK;
    }
    uint8_t *octets = csn_arena_alloc(parser->arena, digits / 2 + 1, 1);
    if (digits % 2 != 0 || digits / 2 > size_max ||
        csn_hex_decode(text, octets, digits / 2) != CSN_OK) {
        return fail(parser, "not hex, or too long");
    }
    *ret_octets = csn_bytes(octets, digits / 2);
    return CSN_OK;
}

static int take_octets(struct parser *parser, const char *name, size_t size_max,
                       struct csn_bytes *ret_octets)
{
    int code = take(parser, name, 1);
    return code == CSN_OK ? word_octets(parser, 0, size_max, ret_octets) : code;
}

static int word_label(struct parser *parser, size_t word, char ret_label[CSN_HSM_LABEL_MAX + 1])
{
    if (!csn_hsm_label_is_good(parser->words[word])) {
        return fail(parser, "not a label");
    }
    snprintf(ret_label, CSN_HSM_LABEL_MAX + 1, "%s", parser->words[word]);
    return CSN_OK;
}

static int take_version(struct parser *parser, const char *name)
{
    int code = take(parser, name, 1);
    return code == CSN_OK && strcmp(parser->words[0], "1") != 0
               ? fail(parser, "version 1 is the one known here")
               : code;
}

static int take_transport(struct parser *parser, char ret_label[CSN_HSM_LABEL_MAX + 1],
                          struct csn_bytes *ret_id)
{
    int code = take(parser, "transport-label", 1);
    if (code == CSN_OK) {
        code = word_label(parser, 0, ret_label);
    }
    return code == CSN_OK ? take_octets(parser, "transport-id", CSN_HSM_ID_MAX, ret_id) : code;
}

static int take_mechanism(struct parser *parser, uint32_t *ret_mechanism)
{
    int code = take(parser, "mechanism", 1);
    if (code != CSN_OK) {
        return code;
    }
    if (strcmp(parser->words[0], "210b") == 0) {
        *ret_mechanism = CSN_HSM_WRAP_KWP;
    } else if (strcmp(parser->words[0], "210a") == 0) {
        *ret_mechanism = CSN_HSM_WRAP_PAD;
    } else {
        return fail(parser, "mechanism 210b or 210a");
    }
    return CSN_OK;
}

static int check_end(const struct parser *parser)
{
    return *parser->at == '\0'
               ? CSN_OK
               : csn_reason_set(parser->reason, CSN_EFORMAT, "line %u: no more lines belong here",
                                parser->line + 1);
}

int csn_transport_request_decode(struct csn_bytes text, struct csn_arena *arena,
                                 struct csn_transport_request *ret_request,
                                 struct csn_reason *reason)
{
    struct csn_transport_request request = {0};
    struct parser parser;
    struct csn_bytes exponent, modulus;
    int code = parser_init(&parser, text, arena, request.digest, reason);
    if (code == CSN_OK) {
        code = take_version(&parser, "consign-transport-request");
    }
    if (code == CSN_OK) {
        code = take_transport(&parser, request.label, &request.id);
    }
    if (code == CSN_OK) {
        code = take_octets(&parser, "public-key", OCTETS_MAX, &request.public_key);
    }
    if (code == CSN_OK && csn_hsm_rsa_parse(request.public_key, &exponent, &modulus) != CSN_OK) {
        code = fail(&parser, "not an RSA public key");
    }
    do {
        if (code == CSN_OK) {
            code = take_mechanism(&parser, &request.mechanisms[request.mechanism_count++]);
        }
    } while (code == CSN_OK && next_is(&parser, "mechanism") &&
             request.mechanism_count < CSN_TRANSPORT_MECHANISMS_MAX);
    if (code == CSN_OK) {
        code = check_end(&parser);
    }
    if (code == CSN_OK) {
        *ret_request = request;
    }
    return code;
}

static int take_key(struct parser *parser, struct csn_hsm_wrapped_key *ret_key)
{
    uint64_t algorithm = 0;
    int code = take(parser, "key", 5);
    if (code == CSN_OK) {
        code = word_label(parser, 0, ret_key->label);
    }
    if (code == CSN_OK) {
        code = word_octets(parser, 1, CSN_HSM_ID_MAX, &ret_key->id);
    }
    if (code == CSN_OK && csn_number_parse(parser->words[2], UINT8_MAX, &algorithm) != CSN_OK) {
        code = fail(parser, "not an algorithm");
    }
    if (code == CSN_OK) {
        code = word_octets(parser, 3, OCTETS_MAX, &ret_key->public_key);
    }
    if (code == CSN_OK) {
        code = word_octets(parser, 4, OCTETS_MAX, &ret_key->wrapped);
    }
    ret_key->algorithm = (uint8_t)algorithm;
    return code;
}

static int take_keys(struct parser *parser, struct csn_hsm_wrapped *wrapped)
{
    int code;
    do {
        if (wrapped->count == CSN_HSM_WRAP_MAX) {
            return fail(parser, "too many keys");
        }
        code = take_key(parser, &wrapped->keys[wrapped->count++]);
    } while (code == CSN_OK && next_is(parser, "key"));
    return code;
}

int csn_transport_keys_decode(struct csn_bytes text, struct csn_arena *arena,
                              struct csn_transport_keys *ret_keys, struct csn_reason *reason)
{
    struct csn_transport_keys *keys =
        csn_arena_alloc(arena, sizeof(*keys), _Alignof(struct csn_transport_keys));
    struct parser parser;
    struct csn_bytes request = {0};
    memset(keys, 0, sizeof(*keys));
    int code = parser_init(&parser, text, arena, keys->digest, reason);
    if (code == CSN_OK) {
        code = take_version(&parser, "consign-transport-keys");
    }
    if (code == CSN_OK) {
        code = take_octets(&parser, "request", CSN_SHA256_SIZE, &request);
    }
    if (code == CSN_OK && request.size != CSN_SHA256_SIZE) {
        code = fail(&parser, "not a SHA-256");
    }
    if (code == CSN_OK) {
        memcpy(keys->request, request.data, CSN_SHA256_SIZE);
        code = take_transport(&parser, keys->label, &keys->id);
    }
    if (code == CSN_OK) {
        code = take_mechanism(&parser, &keys->wrapped.mechanism);
    }
    if (code == CSN_OK) {
        code = take_octets(&parser, "aes-key", OCTETS_MAX, &keys->wrapped.aes_key);
    }
    if (code == CSN_OK) {
        code = take_keys(&parser, &keys->wrapped);
    }
    if (code == CSN_OK) {
        code = check_end(&parser);
    }
    if (code == CSN_OK) {
        *ret_keys = *keys;
    }
    return code;
}
