#include "quarantine.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "dns/name.h"

#define TRIES_MAX 2

/* What this process is at. */
struct stay {
    enum csn_risk risk;
    uint8_t zone[CSN_NAME_MAX];
    struct csn_digest digest;
    uint8_t tries; /* of the processes before */
    unsigned depth; /* how often it was entered and not left */
};

struct csn_quarantine {
    struct csn_store *store; /* borrows */
    uv_mutex_t mutex;        /* of all below; held over no write but the last ones */
    struct stay *stays;      /* owns; as many as there are rounds at work and files being read */
    size_t count;
    bool is_ended;
};

/* Key of a mark's blob: "q" | risk u8 | zone. Its value: digest | tries u8. */
static void put_key(enum csn_risk risk, const uint8_t *zone, struct csn_buf *key)
{
    csn_buf_put_u8(key, 'q');
    csn_buf_put_u8(key, (uint8_t)risk);
    csn_buf_put(key, zone, csn_name_size(zone));
}

/* How often work on this input was begun and not ended. */
static int read_tries(struct csn_store *store, struct csn_bytes key, const struct csn_digest *digest, uint8_t *ret_tries)
{
    struct csn_buf value = {0};
    int code = csn_store_get_blob(store, key, &value);
    struct csn_reader reader = csn_reader(csn_buf_view(&value));
    struct csn_digest found;
    csn_read_copy(&reader, found.octets, sizeof(found.octets));
    uint8_t tries = csn_read_u8(&reader);
    bool is_it = code == CSN_OK && csn_reader_done(&reader) && csn_digest_equal(&found, digest);
    *ret_tries = is_it ? tries : 0;
    csn_buf_fini(&value);
    return code == CSN_ENOTFOUND ? CSN_OK : code;
}

static int mark(struct csn_store *store, struct csn_bytes key, const struct csn_digest *digest, uint8_t tries)
{
    struct csn_buf value = {0};
    csn_buf_put(&value, digest->octets, sizeof(digest->octets));
    csn_buf_put_u8(&value, tries);
    int code = csn_store_put_blob(store, key, csn_buf_view(&value));
    csn_buf_fini(&value);
    return code;
}

struct csn_quarantine *csn_quarantine_new(struct csn_store *store)
{
    struct csn_quarantine *quarantine = csn_calloc(1, sizeof(*quarantine));
    quarantine->store = store;
    INSIST(uv_mutex_init(&quarantine->mutex) == 0);
    return quarantine;
}

void csn_quarantine_free(struct csn_quarantine *take_quarantine)
{
    uv_mutex_destroy(&take_quarantine->mutex);
    free(take_quarantine->stays);
    free(take_quarantine);
}

static struct stay *find(struct csn_quarantine *quarantine, enum csn_risk risk, const uint8_t *zone,
                         const struct csn_digest *digest)
{
    for (size_t i = 0; i < quarantine->count; i++) {
        struct stay *stay = &quarantine->stays[i];
        if (stay->risk == risk && csn_digest_equal(&stay->digest, digest) && csn_name_equal(stay->zone, zone)) {
            return stay;
        }
    }
    return NULL;
}

static struct stay *add(struct csn_quarantine *quarantine, enum csn_risk risk, const uint8_t *zone,
                        const struct csn_digest *digest, uint8_t tries)
{
    quarantine->stays = csn_realloc(quarantine->stays, quarantine->count + 1, sizeof(quarantine->stays[0]));
    struct stay *stay = &quarantine->stays[quarantine->count++];
    *stay = (struct stay){.risk = risk, .digest = *digest, .tries = tries};
    memcpy(stay->zone, zone, csn_name_size(zone));
    return stay;
}

/* True: this process is at it no more. */
static bool depart(struct csn_quarantine *quarantine, enum csn_risk risk, const uint8_t *zone, const struct csn_digest *digest)
{
    uv_mutex_lock(&quarantine->mutex);
    struct stay *stay = find(quarantine, risk, zone, digest);
    bool is_last = stay != NULL && --stay->depth == 0;
    if (is_last) {
        *stay = quarantine->stays[--quarantine->count];
    }
    uv_mutex_unlock(&quarantine->mutex);
    return is_last;
}

/* How many processes before this one ended at it. */
static int arrive(struct csn_quarantine *quarantine, enum csn_risk risk, const uint8_t *zone, const struct csn_digest *digest,
                  struct csn_bytes key, uint8_t *ret_tries)
{
    uv_mutex_lock(&quarantine->mutex);
    struct stay *stay = find(quarantine, risk, zone, digest);
    int code = CSN_OK;
    *ret_tries = stay != NULL ? stay->tries : 0;
    if (quarantine->is_ended) {
        code = CSN_ECLOSED;
    } else if (stay == NULL) {
        code = read_tries(quarantine->store, key, digest, ret_tries);
    }
    if (code == CSN_OK && *ret_tries < TRIES_MAX) {
        stay = stay != NULL ? stay : add(quarantine, risk, zone, digest, *ret_tries);
        stay->depth++;
    }
    uv_mutex_unlock(&quarantine->mutex);
    return code;
}

int csn_quarantine_enter(struct csn_quarantine *quarantine, enum csn_risk risk, const uint8_t *zone,
                         const struct csn_digest *digest, struct csn_reason *reason)
{
    struct csn_buf key = {0};
    uint8_t tries;
    put_key(risk, zone, &key);
    int code = arrive(quarantine, risk, zone, digest, csn_buf_view(&key), &tries);
    if (code == CSN_OK && tries >= TRIES_MAX) {
        code = csn_reason_set(reason, CSN_EREFUSED,
                              "quarantined: this node ended %u times while it worked on this input; bring another one", tries);
    } else if (code == CSN_OK) {
        code = mark(quarantine->store, csn_buf_view(&key), digest, (uint8_t)(tries + 1));
        csn_reason_set(code == CSN_OK ? NULL : reason, code, "store: %s", csn_error_text(code));
        if (code != CSN_OK) {
            depart(quarantine, risk, zone, digest);
        }
    }
    csn_buf_fini(&key);
    return code;
}

/* As it was before this process: erased, or what others counted. */
static int take_back(struct csn_store *store, enum csn_risk risk, const uint8_t *zone, const struct csn_digest *digest,
                     uint8_t before)
{
    struct csn_buf key = {0};
    uint8_t tries;
    put_key(risk, zone, &key);
    int code = read_tries(store, csn_buf_view(&key), digest, &tries);
    if (code == CSN_OK && tries > 0) {
        code = before > 0 ? mark(store, csn_buf_view(&key), digest, before) : csn_store_del_blob(store, csn_buf_view(&key));
    }
    csn_buf_fini(&key);
    return code;
}

int csn_quarantine_leave(struct csn_quarantine *quarantine, enum csn_risk risk, const uint8_t *zone,
                         const struct csn_digest *digest)
{
    return depart(quarantine, risk, zone, digest) ? take_back(quarantine->store, risk, zone, digest, 0) : CSN_OK;
}

void csn_quarantine_end(struct csn_quarantine *quarantine)
{
    int code = CSN_OK;
    uv_mutex_lock(&quarantine->mutex);
    quarantine->is_ended = true;
    for (size_t i = 0; code == CSN_OK && i < quarantine->count; i++) {
        const struct stay *stay = &quarantine->stays[i];
        code = take_back(quarantine->store, stay->risk, stay->zone, &stay->digest, stay->tries);
    }
    uv_mutex_unlock(&quarantine->mutex);
}
