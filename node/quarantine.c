#include "quarantine.h"

#include "dns/name.h"

#define TRIES_MAX 2

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

int csn_quarantine_enter(struct csn_store *store, enum csn_risk risk, const uint8_t *zone, const struct csn_digest *digest,
                         struct csn_reason *reason)
{
    struct csn_buf key = {0};
    uint8_t tries;
    put_key(risk, zone, &key);
    int code = read_tries(store, csn_buf_view(&key), digest, &tries);
    if (code == CSN_OK && tries >= TRIES_MAX) {
        code = csn_reason_set(reason, CSN_EREFUSED,
                              "quarantined: this node ended %u times while it worked on this input; bring another one", tries);
    } else if (code == CSN_OK) {
        code = mark(store, csn_buf_view(&key), digest, (uint8_t)(tries + 1));
        csn_reason_set(code == CSN_OK ? NULL : reason, code, "store: %s", csn_error_text(code));
    }
    csn_buf_fini(&key);
    return code;
}

int csn_quarantine_leave(struct csn_store *store, enum csn_risk risk, const uint8_t *zone, const struct csn_digest *digest)
{
    struct csn_buf key = {0};
    uint8_t tries;
    put_key(risk, zone, &key);
    int code = read_tries(store, csn_buf_view(&key), digest, &tries);
    if (code == CSN_OK && tries > 0) {
        code = csn_store_del_blob(store, csn_buf_view(&key));
    }
    csn_buf_fini(&key);
    return code;
}
