/* Deltas, among the blobs:
 *
 *     'd' | zone | to 48 | from 48  -> sealed: certificate size u16 | certificate | delta
 */
#include "zone/store.h"

#include <stdlib.h>
#include <string.h>

#include "zone/store_own.h"

#define PREFIX 'd'
#define KEY_MAX (1 + CSN_NAME_MAX + 2 * CSN_DIGEST_SIZE)

struct delta_key {
    uint8_t octets[KEY_MAX];
    size_t prefix_size, size;
};

struct csn_deltas_reader {
    struct csn_kv_txn *txn;    /* owns */
    struct csn_hasher *hasher; /* owns */
};

static void key_make(const uint8_t *zone, const struct csn_delta_name *name, struct delta_key *ret_key)
{
    size_t zone_size = csn_name_size(zone);
    ret_key->octets[0] = PREFIX;
    memcpy(ret_key->octets + 1, zone, zone_size);
    ret_key->prefix_size = 1 + zone_size;
    memcpy(ret_key->octets + ret_key->prefix_size, name->to.octets, CSN_DIGEST_SIZE);
    memcpy(ret_key->octets + ret_key->prefix_size + CSN_DIGEST_SIZE, name->from.octets, CSN_DIGEST_SIZE);
    ret_key->size = ret_key->prefix_size + 2 * CSN_DIGEST_SIZE;
}

static int value_parse(struct csn_bytes value, struct csn_stored_delta *ret_delta)
{
    struct csn_reader reader = csn_reader(value);
    ret_delta->certificate = csn_read_bytes(&reader, csn_read_u16(&reader));
    ret_delta->octets = csn_read_bytes(&reader, csn_reader_left(&reader));
    return reader.failed ? CSN_EDAMAGED : CSN_OK;
}

static int put(struct csn_kv_txn *txn, struct csn_hasher *hasher, const uint8_t *zone, const struct csn_stored_delta *delta)
{
    struct delta_key key;
    struct csn_buf value = {0};
    if (delta->certificate.size > UINT16_MAX) {
        return CSN_ELIMIT;
    }
    key_make(zone, &delta->name, &key);
    csn_buf_put_u16(&value, (uint16_t)delta->certificate.size);
    csn_buf_put_bytes(&value, delta->certificate);
    csn_buf_put_bytes(&value, delta->octets);
    int code = csn_sealed_put(txn, CSN_ZONES_BLOBS, hasher, csn_bytes(key.octets, key.size), csn_buf_view(&value));
    csn_buf_fini(&value);
    return code;
}

int csn_store_put_deltas(struct csn_store *store, const uint8_t *zone, const struct csn_stored_delta *deltas, size_t count)
{
    struct csn_kv_txn *txn;
    int code = csn_kv_begin(store->zones, true, &txn);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_hasher *hasher = csn_hasher_new();
    for (size_t i = 0; code == CSN_OK && i < count; i++) {
        code = put(txn, hasher, zone, &deltas[i]);
    }
    csn_hasher_free(hasher);
    return csn_store_finish(txn, code);
}

int csn_store_del_deltas(struct csn_store *store, const uint8_t *zone, const struct csn_delta_name *names, size_t count)
{
    struct csn_kv_txn *txn;
    struct delta_key key;
    int code = csn_kv_begin(store->zones, true, &txn);
    if (code != CSN_OK) {
        return code;
    }
    for (size_t i = 0; code == CSN_OK && i < count; i++) {
        key_make(zone, &names[i], &key);
        code = csn_kv_del(txn, CSN_ZONES_BLOBS, csn_bytes(key.octets, key.size));
        code = code == CSN_ENOTFOUND ? CSN_OK : code;
    }
    return csn_store_finish(txn, code);
}

/* --- reading */

int csn_deltas_open(struct csn_store *store, struct csn_deltas_reader **ret_reader)
{
    struct csn_kv_txn *txn;
    int code = csn_kv_begin(store->zones, false, &txn);
    if (code == CSN_OK) {
        struct csn_deltas_reader *reader = csn_calloc(1, sizeof(*reader));
        reader->txn = txn;
        reader->hasher = csn_hasher_new();
        *ret_reader = reader;
    }
    return code;
}

int csn_deltas_get(struct csn_deltas_reader *reader, const uint8_t *zone, const struct csn_delta_name *name,
                   struct csn_stored_delta *ret_delta)
{
    struct delta_key key;
    struct csn_bytes value;
    struct csn_stored_delta delta = {.name = *name};
    key_make(zone, name, &key);
    int code = csn_sealed_get(reader->txn, CSN_ZONES_BLOBS, reader->hasher, csn_bytes(key.octets, key.size), &value);
    code = code == CSN_OK ? value_parse(value, &delta) : code;
    if (code == CSN_OK) {
        *ret_delta = delta;
    }
    return code;
}

void csn_deltas_close(struct csn_deltas_reader *take_reader)
{
    if (take_reader != NULL) {
        csn_kv_abort(take_reader->txn);
        csn_hasher_free(take_reader->hasher);
        free(take_reader);
    }
}

/* One pair under the cursor; CSN_ENOTFOUND behind the zone's last. */
static int give(struct csn_hasher *hasher, const struct delta_key *first, struct csn_bytes key, struct csn_bytes sealed,
                csn_delta_fn *fn, void *arg)
{
    struct csn_stored_delta delta = {0};
    struct csn_bytes value;
    if (!csn_has_prefix(key, csn_bytes(first->octets, first->prefix_size))) {
        return CSN_ENOTFOUND;
    }
    if (key.size != first->size) {
        return CSN_EDAMAGED;
    }
    memcpy(delta.name.to.octets, key.data + first->prefix_size, CSN_DIGEST_SIZE);
    memcpy(delta.name.from.octets, key.data + first->prefix_size + CSN_DIGEST_SIZE, CSN_DIGEST_SIZE);
    int code = csn_sealed_open(hasher, key, sealed, &value);
    code = code == CSN_OK ? value_parse(value, &delta) : code;
    return fn(arg, code, &delta);
}

int csn_store_list_deltas(struct csn_store *store, const uint8_t *zone, csn_delta_fn *fn, void *arg)
{
    static const struct csn_delta_name lowest;
    struct delta_key first;
    struct csn_deltas_reader *reader;
    struct csn_kv_cursor *cursor = NULL;
    struct csn_bytes key, sealed;
    key_make(zone, &lowest, &first);
    int code = csn_deltas_open(store, &reader);
    if (code != CSN_OK) {
        return code;
    }
    code = csn_kv_cursor_open(reader->txn, CSN_ZONES_BLOBS, &cursor);
    if (code == CSN_OK) {
        code = csn_kv_cursor_seek(cursor, csn_bytes(first.octets, first.size), &key, &sealed);
    }
    while (code == CSN_OK) {
        code = give(reader->hasher, &first, key, sealed, fn, arg);
        code = code == CSN_OK ? csn_kv_cursor_next(cursor, &key, &sealed) : code;
    }
    csn_kv_cursor_close(cursor);
    csn_deltas_close(reader);
    return code == CSN_ENOTFOUND ? CSN_OK : code;
}
