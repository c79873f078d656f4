#include "keys/keyset.h"

#include <stdlib.h>
#include <string.h>

#define DNSKEY_FIXED 4 /* flags, protocol, algorithm: RFC 4034 2.1 */
#define FLAG_ZONE 0x0100
#define FLAG_REVOKE 0x0080 /* RFC 5011 7 */
/* Bounds on what a document may say, so that no sum of times wraps. */
#define AT_MAX ((uint64_t)1 << 40)
#define WINDOW_MAX ((uint64_t)1 << 31)

void csn_keyset_fini(struct csn_keyset *keyset)
{
    csn_arena_fini(&keyset->arena);
    *keyset = (struct csn_keyset){0};
}

/* The tag of the RDATA if its flags were `flags`: RFC 4034 appendix B. */
static uint16_t tag_with_flags(struct csn_bytes dnskey, uint16_t flags)
{
    uint32_t sum = flags;
    for (size_t i = 2; i < dnskey.size; i++) {
        sum += i & 1 ? dnskey.data[i] : (uint32_t)dnskey.data[i] << 8;
    }
    sum += sum >> 16;
    return (uint16_t)sum;
}

uint16_t csn_key_tag(struct csn_bytes dnskey)
{
    return dnskey.size < 2 ? 0 : tag_with_flags(dnskey, csn_get_u16(dnskey.data));
}

int csn_key_derive(struct csn_key *key, struct csn_bytes dnskey)
{
    if (dnskey.size <= DNSKEY_FIXED || dnskey.size > UINT16_MAX || dnskey.data[2] != 3) {
        return CSN_EFORMAT;
    }
    key->dnskey = dnskey;
    key->flags = csn_get_u16(dnskey.data);
    key->algorithm = dnskey.data[3];
    key->tag = csn_key_tag(dnskey);
    csn_sha256(dnskey, key->id);
    return CSN_OK;
}

static struct csn_bytes public_part(const struct csn_key *key)
{
    return csn_bytes(key->dnskey.data + 2, key->dnskey.size - 2);
}

/* One algorithm, and a tag in common, with or without REVOKE. The two forms of one key do not count against each other. */
static bool keys_collide(const struct csn_key *a, const struct csn_key *b)
{
    if (a->algorithm != b->algorithm) {
        return false;
    }
    if (csn_bytes_equal(public_part(a), public_part(b))) {
        return a->flags == b->flags;
    }
    uint16_t a_tags[2] = {tag_with_flags(a->dnskey, (uint16_t)(a->flags & ~FLAG_REVOKE)),
                          tag_with_flags(a->dnskey, a->flags | FLAG_REVOKE)};
    uint16_t b_tags[2] = {tag_with_flags(b->dnskey, (uint16_t)(b->flags & ~FLAG_REVOKE)),
                          tag_with_flags(b->dnskey, b->flags | FLAG_REVOKE)};
    return a_tags[0] == b_tags[0] || a_tags[0] == b_tags[1] || a_tags[1] == b_tags[0] || a_tags[1] == b_tags[1];
}

static int check_keys(const struct csn_keyset *keyset, struct csn_reason *reason)
{
    for (size_t i = 0; i < keyset->key_count; i++) {
        const struct csn_key *a = &keyset->keys[i];
        if ((a->flags & FLAG_ZONE) == 0) {
            return csn_reason_set(reason, CSN_EREFUSED, "key %s: not a zone key (flags %u; RFC 4034 2.1.1)", a->name, a->flags);
        }
        for (size_t j = 0; j < i; j++) {
            const struct csn_key *b = &keyset->keys[j];
            if (keys_collide(a, b)) {
                return csn_reason_set(reason, CSN_EREFUSED,
                                      "keys %s and %s: algorithm %u and key tag %u collide (a revoked form counts); make another key",
                                      b->name, a->name, a->algorithm, a->tag);
            }
        }
    }
    return CSN_OK;
}

static int check_event(const struct csn_keyset *keyset, const struct csn_key_list *list, const struct csn_key_event *event,
                       struct csn_reason *reason)
{
    const char *role = list->role == CSN_ROLE_KSK ? "KSK" : "ZSK";
    if (event->key != CSN_KEY_NONE && event->key >= keyset->key_count) {
        return csn_reason_set(reason, CSN_EREFUSED, "%s events: no such key", role);
    }
    if (event->key != CSN_KEY_NONE && keyset->keys[event->key].algorithm != list->algorithm) {
        return csn_reason_set(reason, CSN_EREFUSED, "%s events of algorithm %u: key %s has algorithm %u", role, list->algorithm,
                              keyset->keys[event->key].name, keyset->keys[event->key].algorithm);
    }
    if (list->role == CSN_ROLE_KSK && event->window_s != 0) {
        return csn_reason_set(reason, CSN_EREFUSED, "KSK events: the window is always 0");
    }
    if (event->at_s > AT_MAX || event->window_s > WINDOW_MAX) {
        return csn_reason_set(reason, CSN_EREFUSED, "%s events: time or window is out of range", role);
    }
    return CSN_OK;
}

static int check_lists(const struct csn_keyset *keyset, struct csn_reason *reason)
{
    for (size_t i = 0; i < keyset->list_count; i++) {
        const struct csn_key_list *list = &keyset->lists[i];
        for (size_t j = 0; j < i; j++) {
            if (keyset->lists[j].role == list->role && keyset->lists[j].algorithm == list->algorithm) {
                return csn_reason_set(reason, CSN_EREFUSED, "two event lists for one role and algorithm %u: join them",
                                      list->algorithm);
            }
        }
        for (size_t j = 0; j < list->count; j++) {
            int code = check_event(keyset, list, &list->events[j], reason);
            if (code != CSN_OK) {
                return code;
            }
        }
    }
    return CSN_OK;
}

/* Some event of the role names a key that may sign: a KSK only while it is published. */
static bool role_has_key(const struct csn_keyset *keyset, enum csn_role role)
{
    for (size_t i = 0; i < keyset->list_count; i++) {
        const struct csn_key_list *list = &keyset->lists[i];
        for (size_t j = 0; list->role == role && j < list->count; j++) {
            uint16_t index = list->events[j].key;
            if (index == CSN_KEY_NONE) {
                continue;
            }
            const struct csn_key *key = &keyset->keys[index];
            if (role == CSN_ROLE_ZSK || (key->is_published && !key->is_retired)) {
                return true;
            }
        }
    }
    return false;
}

int csn_keyset_check(const struct csn_keyset *keyset, struct csn_reason *reason)
{
    int code = check_keys(keyset, reason);
    if (code == CSN_OK) {
        code = check_lists(keyset, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    if (!role_has_key(keyset, CSN_ROLE_KSK)) {
        return csn_reason_set(reason, CSN_EREFUSED, "no KSK event names a published key: nothing would sign DNSKEY");
    }
    if (!role_has_key(keyset, CSN_ROLE_ZSK)) {
        return csn_reason_set(reason, CSN_EREFUSED, "no ZSK event names a key: nothing would sign the zone");
    }
    return CSN_OK;
}

void csn_keyset_dnskey(const struct csn_keyset *keyset, struct csn_buf *buf, struct csn_rrset *ret_rrset)
{
    const struct csn_key *sorted[CSN_KEYS_MAX];
    uint16_t count = 0;
    for (size_t i = 0; i < keyset->key_count; i++) {
        const struct csn_key *key = &keyset->keys[i];
        if (!key->is_published) {
            continue;
        }
        uint16_t at = count++;
        for (; at > 0 && csn_bytes_compare(sorted[at - 1]->dnskey, key->dnskey) > 0; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = key;
    }
    csn_buf_clear(buf);
    for (uint16_t i = 0; i < count; i++) {
        csn_buf_put_u16(buf, (uint16_t)sorted[i]->dnskey.size);
        csn_buf_put_bytes(buf, sorted[i]->dnskey);
    }
    *ret_rrset = (struct csn_rrset){.owner = keyset->zone,
                                    .rdatas = csn_buf_view(buf),
                                    .ttl = keyset->dnskey_ttl,
                                    .type = CSN_TYPE_DNSKEY,
                                    .count = count};
}

size_t csn_keyset_rdatas(const struct csn_keyset *keyset, bool is_published, struct csn_bytes ret_rdatas[CSN_KEYS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < keyset->key_count; i++) {
        if (keyset->keys[i].is_published == is_published) {
            ret_rdatas[count++] = keyset->keys[i].dnskey;
        }
    }
    return count;
}
