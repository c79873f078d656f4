#include "kept/share.h"

void csn_share_key(const uint8_t *zone, const struct csn_digest *hash, uint16_t site, struct csn_buf *buf)
{
    csn_buf_put_u8(buf, 's');
    csn_buf_put(buf, zone, csn_name_size(zone));
    csn_buf_put(buf, hash->octets, sizeof(hash->octets));
    csn_buf_put_u16(buf, site);
}

int csn_share_store(struct csn_store *store, const struct csn_share_name *name, const struct csn_content *content)
{
    struct csn_buf key = {0}, share = {0};
    csn_share_key(name->proposal->zone, name->hash, name->site, &key);
    csn_round_encode(name->proposal->round, csn_buf_reserve(&share, CSN_ROUND_SIZE));
    share.size = CSN_ROUND_SIZE;
    csn_share_encode(content, name->author, &share);
    int code = csn_store_put_blob(store, csn_buf_view(&key), csn_buf_view(&share));
    csn_buf_fini(&key);
    csn_buf_fini(&share);
    return code;
}

int csn_share_load(struct csn_store *store, const struct csn_share_name *name, struct csn_content *content)
{
    struct csn_buf key = {0}, share = {0};
    csn_share_key(name->proposal->zone, name->hash, name->site, &key);
    int code = csn_store_get_blob(store, csn_buf_view(&key), &share);
    if (code == CSN_OK && share.size < CSN_ROUND_SIZE) {
        code = CSN_EFORMAT;
    }
    if (code == CSN_OK) {
        code = csn_share_decode(content, name->author, csn_bytes(share.data + CSN_ROUND_SIZE, share.size - CSN_ROUND_SIZE));
    }
    csn_buf_fini(&key);
    csn_buf_fini(&share);
    return code;
}

struct prune {
    struct csn_store *store; /* borrows */
    struct csn_round round;
    struct csn_buf keys; /* owns; u16 size | key … of what goes */
};

static int find_old_share(void *arg, struct csn_bytes key, struct csn_bytes value)
{
    (void)value; /* keys only */
    struct prune *prune = arg;
    struct csn_buf share = {0};
    int code = csn_store_get_blob(prune->store, key, &share);
    if (code == CSN_OK &&
        (share.size < CSN_ROUND_SIZE || csn_round_compare(csn_round_decode(share.data), prune->round) < 0)) {
        csn_buf_put_u16(&prune->keys, (uint16_t)key.size);
        csn_buf_put_bytes(&prune->keys, key);
    }
    csn_buf_fini(&share);
    /* One that is damaged stays, for it may be this round's, and a second for one H(P) must not be made; it stops no other. */
    return code == CSN_ENOTFOUND || code == CSN_EDAMAGED ? CSN_OK : code;
}

int csn_share_prune(struct csn_store *store, const uint8_t *zone, struct csn_round round)
{
    struct prune prune = {.store = store, .round = round};
    struct csn_buf prefix = {0};
    csn_buf_put_u8(&prefix, 's');
    csn_buf_put(&prefix, zone, csn_name_size(zone));
    int code = csn_store_list_blobs(store, csn_buf_view(&prefix), find_old_share, &prune);
    struct csn_reader keys = csn_reader(csn_buf_view(&prune.keys));
    while (code == CSN_OK && csn_reader_left(&keys) > 0) {
        code = csn_store_del_blob(store, csn_read_bytes(&keys, csn_read_u16(&keys)));
    }
    csn_buf_fini(&prune.keys);
    csn_buf_fini(&prefix);
    return code;
}
