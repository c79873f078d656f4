#include "token.h"

#include <stdlib.h>
#include <string.h>

#include "hsm/input.h"

#define BUCKETS 4096 /* of keys, by the published one: a site may have one for each of thousands of zones */

struct asker {
    struct asker *next; /* owns */
    csn_token_fn *fn;
    void *arg; /* borrows */
};

struct token {
    struct token *next; /* owns; in its bucket */
    struct csn_tokens *tokens; /* borrows */
    struct csn_hsm_key object; /* borrows its texts */
    struct csn_bytes dnskey;   /* borrows */
    struct asker *askers;      /* own; while it is looked at, or about to be answered */
    bool is_busy;
};

struct csn_tokens {
    struct csn_hsm *hsm; /* borrows */
    struct token *buckets[BUCKETS]; /* own */
};

struct csn_tokens *csn_tokens_new(struct csn_hsm *hsm)
{
    struct csn_tokens *tokens = csn_calloc(1, sizeof(*tokens));
    tokens->hsm = hsm;
    return tokens;
}

void csn_tokens_free(struct csn_tokens *take_tokens)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        while (take_tokens->buckets[i] != NULL) {
            struct token *token = take_tokens->buckets[i];
            take_tokens->buckets[i] = token->next;
            free(token);
        }
    }
    free(take_tokens);
}

static bool is_same(const struct token *token, const struct csn_hsm_key *object, struct csn_bytes dnskey)
{
    return csn_bytes_equal(token->dnskey, dnskey) && strcmp(token->object.label, object->label) == 0 &&
           csn_bytes_equal(token->object.id, object->id);
}

/* FNV-1a. */
static uint32_t hash_of(struct csn_bytes octets)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < octets.size; i++) {
        hash = (hash ^ octets.data[i]) * 16777619u;
    }
    return hash;
}

static struct token *find(struct csn_tokens *tokens, const struct csn_hsm_key *object, struct csn_bytes dnskey)
{
    struct token **at = &tokens->buckets[hash_of(dnskey) % BUCKETS];
    while (*at != NULL && !is_same(*at, object, dnskey)) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        *at = csn_calloc(1, sizeof(**at));
        **at = (struct token){.tokens = tokens, .object = *object, .dnskey = dnskey};
    }
    return *at;
}

/* Who asks anew from inside an answer is of the next look. */
static void answer(struct token *token, int code, const char *why, const struct csn_reason *reason)
{
    struct asker *asker = token->askers;
    token->askers = NULL;
    token->is_busy = false;
    while (asker != NULL) {
        struct asker *next = asker->next;
        asker->fn(asker->arg, code, why, reason);
        free(asker);
        asker = next;
    }
}

static void on_canary(void *arg, int code, const struct csn_reason *reason)
{
    struct token *token = arg;
    if (code != CSN_OK) {
        answer(token, code, code == CSN_ESIGNATURE ? "its signatures do not verify with the published key" : "canary failed", reason);
        return;
    }
    static const struct csn_reason none;
    answer(token, CSN_OK, "", &none);
}

static void on_public(void *arg, int code, struct csn_bytes public_key, uint8_t algorithm, const struct csn_reason *reason)
{
    struct token *token = arg;
    (void)algorithm;
    if (code != CSN_OK) {
        answer(token, code, "cannot be read from the token", reason);
    } else if (!csn_hsm_public_matches(public_key, token->dnskey)) {
        static const struct csn_reason none;
        answer(token, CSN_ESIGNATURE,
             "the token holds another key than the key set publishes; import the right one (consign-ceremony transport)", &none);
    } else {
        csn_hsm_canary(token->tokens->hsm, &token->object, token->dnskey, on_canary, token);
    }
}

void csn_tokens_check(struct csn_tokens *tokens, const struct csn_hsm_key *object, struct csn_bytes dnskey, csn_token_fn *fn,
                      void *arg)
{
    struct token *token = find(tokens, object, dnskey);
    struct asker *asker = csn_calloc(1, sizeof(*asker));
    *asker = (struct asker){.next = token->askers, .fn = fn, .arg = arg};
    token->askers = asker;
    if (token->is_busy) {
        return;
    }
    token->is_busy = true;
    csn_hsm_public_key(tokens->hsm, &token->object, on_public, token);
}
