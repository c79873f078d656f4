#include "keys/keyset.h"

#include <string.h>

#include "base/text.h"

#define DNSKEY_FIXED 4 /* flags, protocol, algorithm: RFC 4034 2.1 */
#define FLAG_ZONE 0x0100
#define FLAG_SEP 0x0001
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

static int check_keys(const struct csn_keyset *keyset, struct csn_fault *fault)
{
    for (size_t i = 0; i < keyset->key_count; i++) {
        const struct csn_key *a = &keyset->keys[i];
        if ((a->flags & FLAG_ZONE) == 0) {
            return csn_reason_set(csn_fault_at(fault, true, "keys.%zu.dnskey", i), CSN_EREFUSED,
                                  "key %s: not a zone key (flags %u; RFC 4034 2.1.1)", a->name, a->flags);
        }
        for (size_t j = 0; j < i; j++) {
            const struct csn_key *b = &keyset->keys[j];
            if (keys_collide(a, b)) {
                return csn_reason_set(csn_fault_at(fault, true, "keys.%zu.dnskey", i), CSN_EREFUSED,
                                      "keys %s and %s: algorithm %u and key tag %u collide (a revoked form counts); make another key",
                                      b->name, a->name, a->algorithm, a->tag);
            }
        }
    }
    return CSN_OK;
}

static const char *role_text(enum csn_role role)
{
    return role == CSN_ROLE_KSK ? "KSK" : "ZSK";
}

static bool has_role(const struct csn_keyset *keyset, uint16_t key, enum csn_role role)
{
    for (size_t i = 0; i < keyset->list_count; i++) {
        const struct csn_key_list *list = &keyset->lists[i];
        for (size_t j = 0; list->role == role && j < list->count; j++) {
            if (list->events[j].key == key) {
                return true;
            }
        }
    }
    return false;
}

/* The flag SEP changes nothing in validation, but tells people and tools which key the parent's DS names (RFC 4034 2.1.1): a
 * key in the other role's list is the wrong key. A CSK stands in both lists, with either flag. */
static int check_flags(const struct csn_keyset *keyset, enum csn_role role, uint16_t key, struct csn_reason *reason)
{
    enum csn_role other = role == CSN_ROLE_KSK ? CSN_ROLE_ZSK : CSN_ROLE_KSK;
    bool is_sep = (keyset->keys[key].flags & FLAG_SEP) != 0;
    if (is_sep == (role == CSN_ROLE_KSK) || has_role(keyset, key, other)) {
        return CSN_OK;
    }
    return csn_reason_set(reason, CSN_EREFUSED, "%s events: key %s has flags %u, a %s's; a key that is both stands in both lists",
                          role_text(role), keyset->keys[key].name, keyset->keys[key].flags, role_text(other));
}

static int check_event(const struct csn_keyset *keyset, size_t list_index, size_t index, struct csn_fault *fault)
{
    const struct csn_key_list *list = &keyset->lists[list_index];
    const struct csn_key_event *event = &list->events[index];
    const char *role = role_text(list->role);
    if (event->at_s > AT_MAX || event->window_s > WINDOW_MAX) {
        return csn_reason_set(csn_fault_at(fault, true, "events.%zu.list.%zu", list_index, index), CSN_EREFUSED,
                              "%s events: time or window is out of range", role);
    }
    if (list->role == CSN_ROLE_KSK && event->window_s != 0) {
        return csn_reason_set(csn_fault_at(fault, true, "events.%zu.list.%zu.window", list_index, index), CSN_EREFUSED,
                              "KSK events: the window is always 0");
    }
    struct csn_reason *reason = csn_fault_at(fault, true, "events.%zu.list.%zu.key", list_index, index);
    if (event->key == CSN_KEY_NONE) {
        return list->role == CSN_ROLE_ZSK
                   ? CSN_OK
                   : csn_reason_set(reason, CSN_EREFUSED, "KSK events: 'none' ends nothing; a KSK ends by 'retired: true'");
    }
    if (event->key >= keyset->key_count) {
        return csn_reason_set(reason, CSN_EREFUSED, "%s events: no such key", role);
    }
    const struct csn_key *key = &keyset->keys[event->key];
    if (key->algorithm != list->algorithm) {
        return csn_reason_set(reason, CSN_EREFUSED, "%s events of algorithm %u: key %s has algorithm %u", role, list->algorithm,
                              key->name, key->algorithm);
    }
    return check_flags(keyset, list->role, event->key, reason);
}

/* Whether event j takes back what event i, before it in the list, had planned: a key from before, at once (signing.md 3). */
static bool is_abort(const struct csn_key_list *list, size_t i, size_t j)
{
    for (size_t k = 0; k < i && list->events[j].window_s == 0; k++) {
        if (list->events[k].key == list->events[j].key) {
            return true;
        }
    }
    return false;
}

/* Whether event i can never take effect because of event j behind it. Of ZSKs the last that has come counts, so that one which
 * has switched everywhere when i begins hides it; unless it is meant to. Of KSKs all count, each from its own last event. */
static bool is_hidden(const struct csn_key_list *list, size_t i, size_t j)
{
    const struct csn_key_event *late = &list->events[i], *early = &list->events[j];
    if (early->at_s + early->window_s > late->at_s) {
        return false;
    }
    return list->role == CSN_ROLE_KSK ? late->key == early->key : !is_abort(list, i, j);
}

static int check_order(const struct csn_keyset *keyset, size_t list_index, struct csn_fault *fault)
{
    const struct csn_key_list *list = &keyset->lists[list_index];
    for (size_t j = 1; j < list->count; j++) {
        for (size_t i = 0; i < j; i++) {
            if (is_hidden(list, i, j)) {
                char late[CSN_TIME_TEXT_SIZE];
                csn_time_text(list->events[i].at_s, late);
                return csn_reason_set(csn_fault_at(fault, true, "events.%zu.list.%zu.at", list_index, j), CSN_EREFUSED,
                                      "%s events: event %zu of the list (%s) would never take effect, since this one, behind it, "
                                      "is in force everywhere by then; events stand in order of time%s",
                                      role_text(list->role), i + 1, late,
                                      list->role == CSN_ROLE_KSK ? "" : ", but for a key from before with window 0, which aborts");
            }
        }
    }
    return CSN_OK;
}

static int check_lists(const struct csn_keyset *keyset, struct csn_fault *fault)
{
    for (size_t i = 0; i < keyset->list_count; i++) {
        const struct csn_key_list *list = &keyset->lists[i];
        for (size_t j = 0; j < i; j++) {
            if (keyset->lists[j].role == list->role && keyset->lists[j].algorithm == list->algorithm) {
                return csn_reason_set(csn_fault_at(fault, true, "events.%zu", i), CSN_EREFUSED,
                                      "two event lists for one role and algorithm %u: join them", list->algorithm);
            }
        }
        for (size_t j = 0; j < list->count; j++) {
            int code = check_event(keyset, i, j, fault);
            if (code != CSN_OK) {
                return code;
            }
        }
        int code = check_order(keyset, i, fault);
        if (code != CSN_OK) {
            return code;
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

int csn_keyset_check(const struct csn_keyset *keyset, struct csn_fault *fault)
{
    int code = check_keys(keyset, fault);
    if (code == CSN_OK) {
        code = check_lists(keyset, fault);
    }
    if (code != CSN_OK) {
        return code;
    }
    if (!role_has_key(keyset, CSN_ROLE_KSK)) {
        return csn_reason_set(csn_fault_at(fault, true, "events"), CSN_EREFUSED,
                              "no KSK event names a published key: nothing would sign DNSKEY");
    }
    if (!role_has_key(keyset, CSN_ROLE_ZSK)) {
        return csn_reason_set(csn_fault_at(fault, true, "events"), CSN_EREFUSED,
                              "no ZSK event names a key: nothing would sign the zone");
    }
    return CSN_OK;
}

/* Whether an event is in force for some RRset at `now_s` or later. A KSK signs from its own last event on, so that all of that
 * role count; of ZSKs one is over when another behind it has switched everywhere. */
static bool counts(const struct csn_key_list *list, size_t index, uint64_t now_s)
{
    uint64_t begin_s = list->events[index].at_s > now_s ? list->events[index].at_s : now_s;
    for (size_t i = index + 1; list->role == CSN_ROLE_ZSK && i < list->count; i++) {
        if (list->events[i].at_s + list->events[i].window_s <= begin_s) {
            return false;
        }
    }
    return true;
}

bool csn_keyset_signs(const struct csn_keyset *keyset, uint16_t key, uint64_t now_s)
{
    bool is_published = keyset->keys[key].is_published;
    for (size_t i = 0; i < keyset->list_count && !keyset->keys[key].is_retired; i++) {
        const struct csn_key_list *list = &keyset->lists[i];
        for (size_t j = 0; (is_published || list->role == CSN_ROLE_ZSK) && j < list->count; j++) {
            if (list->events[j].key == key && counts(list, j, now_s)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_algorithm_published(const struct csn_keyset *keyset, uint8_t algorithm)
{
    for (size_t i = 0; i < keyset->key_count; i++) {
        if (keyset->keys[i].algorithm == algorithm && keyset->keys[i].is_published) {
            return true;
        }
    }
    return false;
}

static int refuse_unpublished(uint16_t index, const struct csn_key *key, uint64_t at_s, uint64_t prepublication_s,
                              struct csn_fault *fault)
{
    char at[CSN_TIME_TEXT_SIZE], by[CSN_TIME_TEXT_SIZE], span[CSN_SPAN_TEXT_SIZE];
    csn_time_text(at_s, at);
    csn_time_text(at_s > prepublication_s ? at_s - prepublication_s : 0, by);
    csn_span_text(prepublication_s, span);
    return csn_reason_set(csn_fault_at(fault, true, "keys.%u.published", index), CSN_EREFUSED,
                          "key %s: not published, but signs from %s; resolvers must have it by then: publish it pre-publication = "
                          "%s before, by %s, or let it sign later",
                          key->name, at, span, by);
}

int csn_keyset_check_publication(const struct csn_keyset *keyset, const struct csn_policy *policy, uint64_t now_s,
                                 struct csn_fault *fault)
{
    for (size_t i = 0; i < keyset->list_count; i++) {
        const struct csn_key_list *list = &keyset->lists[i];
        if (list->role != CSN_ROLE_ZSK || !is_algorithm_published(keyset, list->algorithm)) {
            continue;
        }
        for (size_t j = 0; j < list->count; j++) {
            const struct csn_key_event *event = &list->events[j];
            if (event->key != CSN_KEY_NONE && !keyset->keys[event->key].is_published &&
                event->at_s <= now_s + policy->prepublication_s && counts(list, j, now_s)) {
                return refuse_unpublished(event->key, &keyset->keys[event->key], event->at_s, policy->prepublication_s, fault);
            }
        }
    }
    return CSN_OK;
}

/* Whether event `index` has come for every RRset, and no end of the algorithm has since. */
static bool is_in_force(const struct csn_keyset *keyset, const struct csn_key_list *list, size_t index, uint64_t now_s)
{
    const struct csn_key_event *event = &list->events[index];
    if (event->key == CSN_KEY_NONE || event->at_s + event->window_s > now_s) {
        return false;
    }
    const struct csn_key *key = &keyset->keys[event->key];
    if (list->role == CSN_ROLE_KSK) {
        return key->is_published && !key->is_retired;
    }
    for (size_t i = index + 1; i < list->count; i++) {
        if (list->events[i].key == CSN_KEY_NONE && list->events[i].at_s + list->events[i].window_s <= now_s) {
            return false;
        }
    }
    return true;
}

static int refuse_unsigned(const struct csn_keyset *keyset, enum csn_role role, size_t list_index, uint64_t now_s,
                           struct csn_fault *fault)
{
    const struct csn_key_event *first = &keyset->lists[list_index].events[0];
    uint64_t all_s = first->at_s + first->window_s;
    char now[CSN_TIME_TEXT_SIZE], all[CSN_TIME_TEXT_SIZE];
    csn_time_text(now_s, now);
    csn_time_text(all_s, all);
    const char *what = role == CSN_ROLE_KSK ? "the zone's DNSKEY" : "the zone's data";
    struct csn_reason *reason = csn_fault_at(fault, true, "events.%zu.list.0.at", list_index);
    if (all_s > now_s) {
        return csn_reason_set(reason, CSN_EREFUSED,
                              "nothing signs %s at %s: the first %s event is in force everywhere only by %s; let it "
                              "begin earlier",
                              what, now, role_text(role), all);
    }
    return csn_reason_set(reason, CSN_EREFUSED, "nothing signs %s at %s: no %s event whose time has come names a key that %s; "
                          "append one", what, now, role_text(role),
                          role == CSN_ROLE_KSK ? "is published and not retired" : "no later one ended");
}

static int check_role_in_force(const struct csn_keyset *keyset, enum csn_role role, uint64_t now_s, struct csn_fault *fault)
{
    size_t first = keyset->list_count;
    for (size_t i = 0; i < keyset->list_count; i++) {
        const struct csn_key_list *list = &keyset->lists[i];
        for (size_t j = 0; list->role == role && j < list->count; j++) {
            first = first == keyset->list_count ? i : first;
            if (is_in_force(keyset, list, j, now_s)) {
                return CSN_OK;
            }
        }
    }
    return first == keyset->list_count ? CSN_OK : refuse_unsigned(keyset, role, first, now_s, fault);
}

int csn_keyset_check_in_force(const struct csn_keyset *keyset, uint64_t now_s, struct csn_fault *fault)
{
    int code = check_role_in_force(keyset, CSN_ROLE_KSK, now_s, fault);
    return code == CSN_OK ? check_role_in_force(keyset, CSN_ROLE_ZSK, now_s, fault) : code;
}

bool csn_key_is_ds(const struct csn_key *key, const uint8_t *zone, struct csn_bytes ds)
{
    enum { FIXED = 4, SHA1 = 1, SHA256 = 2, SHA384 = 4 };
    struct csn_digest digest; /* of the owner, then the RDATA; SHA-256 fills the first part */
    struct csn_buf buf = {0};
    if (ds.size <= FIXED || csn_get_u16(ds.data) != key->tag || ds.data[2] != key->algorithm) {
        return false;
    }
    csn_buf_put(&buf, zone, csn_name_size(zone));
    csn_buf_put_bytes(&buf, key->dnskey);
    if (ds.data[3] == SHA384) {
        csn_sha384(csn_buf_view(&buf), &digest);
    } else {
        csn_sha256(csn_buf_view(&buf), digest.octets);
    }
    csn_buf_fini(&buf);
    size_t size = ds.data[3] == SHA384 ? CSN_DIGEST_SIZE : CSN_SHA256_SIZE;
    return ds.data[3] == SHA1 || ((ds.data[3] == SHA256 || ds.data[3] == SHA384) && ds.size == FIXED + size &&
                                  memcmp(ds.data + FIXED, digest.octets, size) == 0);
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
