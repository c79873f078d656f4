#include "sign/schedule.h"

#include <string.h>

/* An RRset while its signatures are planned; both hashes are taken once, the second only where a window asks for it. */
struct subject {
    const struct csn_schedule *schedule;
    struct csn_hasher *hasher;
    const uint8_t *owner;
    uint16_t type;
    bool has_window_hash;
    uint64_t window_hash; /* w(r) */
};

/* When an event of a list, of a key or of a value, comes into force. */
struct event {
    uint64_t at_s, window_s;
};

static uint64_t tagged_hash(struct csn_hasher *hasher, const char *tag, const uint8_t *zone, const uint8_t *owner, uint16_t type)
{
    uint8_t data[16 + 2 * CSN_NAME_MAX + 2], digest[CSN_SHA256_SIZE];
    size_t tag_size = strlen(tag), zone_size = csn_name_size(zone), owner_size = csn_name_size(owner);
    uint8_t *at = data;
    *at++ = (uint8_t)tag_size;
    at = (uint8_t *)memcpy(at, tag, tag_size) + tag_size;
    at = (uint8_t *)memcpy(at, zone, zone_size) + zone_size;
    at = (uint8_t *)memcpy(at, owner, owner_size) + owner_size;
    csn_set_u16(at, type);
    csn_hasher_sha256(hasher, csn_bytes(data, (size_t)(at + 2 - data)), digest);
    return csn_get_u64(digest);
}

uint64_t csn_slot_hash(struct csn_hasher *hasher, const uint8_t *zone, const uint8_t *owner, uint16_t type)
{
    return tagged_hash(hasher, "consign slot", zone, owner, type);
}

/* When the RRset takes the event: A + (w(r) mod W). */
static uint64_t switch_time(struct subject *subject, struct event event)
{
    if (event.window_s == 0) {
        return event.at_s;
    }
    if (!subject->has_window_hash) {
        subject->window_hash = tagged_hash(subject->hasher, "consign window", subject->schedule->keyset->zone, subject->owner,
                                           subject->type);
        subject->has_window_hash = true;
    }
    return event.at_s + subject->window_hash % event.window_s;
}

/* The event in force is the last in the list whose switch time is <= S. */
static bool is_in_force(struct subject *subject, struct event event)
{
    uint64_t now_s = subject->schedule->schedule_s;
    if (event.at_s > now_s) {
        return false;
    }
    return now_s - event.at_s >= event.window_s || switch_time(subject, event) <= now_s;
}

static bool value_in_force(struct subject *subject, const struct csn_timed_list *list, uint64_t *ret_value_s)
{
    for (size_t i = list->count; i-- > 0;) {
        if (is_in_force(subject, (struct event){list->events[i].at_s, list->events[i].window_s})) {
            *ret_value_s = list->events[i].value_s;
            return true;
        }
    }
    return false;
}

/* A key that signs the RRset, and its event; the switch time is asked for only where it can matter. */
struct signer {
    uint16_t key;
    struct event event;
};

struct signers {
    struct signer signers[CSN_SIGNATURES_MAX];
    size_t count;
};

static bool is_before(const struct csn_key *a, const struct csn_key *b)
{
    if (a->algorithm != b->algorithm) {
        return a->algorithm < b->algorithm;
    }
    if (a->tag != b->tag) {
        return a->tag < b->tag;
    }
    return memcmp(a->id, b->id, sizeof(a->id)) < 0;
}

/* Keeps the order by algorithm, tag, id. A key is named once: by its last event. */
static void signers_add(struct signers *signers, const struct csn_keyset *keyset, struct signer signer)
{
    for (size_t i = 0; i < signers->count; i++) {
        if (signers->signers[i].key == signer.key) {
            signers->signers[i] = signer;
            return;
        }
    }
    size_t at = signers->count++;
    for (; at > 0 && is_before(&keyset->keys[signer.key], &keyset->keys[signers->signers[at - 1].key]); at--) {
        signers->signers[at] = signers->signers[at - 1];
    }
    signers->signers[at] = signer;
}

/* KSKs: every active one. Active: from the A of the key's last event <= S, while published and not retired. */
static void add_ksks(struct subject *subject, const struct csn_key_list *list, struct signers *signers)
{
    const struct csn_keyset *keyset = subject->schedule->keyset;
    for (size_t i = 0; i < list->count; i++) {
        const struct csn_key_event *event = &list->events[i];
        if (event->key == CSN_KEY_NONE || event->at_s > subject->schedule->schedule_s ||
            !keyset->keys[event->key].is_published || keyset->keys[event->key].is_retired) {
            continue;
        }
        signers_add(signers, keyset, (struct signer){event->key, {event->at_s, 0}});
    }
}

/* ZSKs: the one in force; an event without a key ends the algorithm for the RRset. */
static void add_zsk(struct subject *subject, const struct csn_key_list *list, struct signers *signers)
{
    for (size_t i = list->count; i-- > 0;) {
        struct event event = {list->events[i].at_s, list->events[i].window_s};
        if (!is_in_force(subject, event)) {
            continue;
        }
        if (list->events[i].key != CSN_KEY_NONE) {
            signers_add(signers, subject->schedule->keyset, (struct signer){list->events[i].key, event});
        }
        return;
    }
}

static enum csn_role role_of(const struct subject *subject)
{
    bool is_key_rrset = subject->type == CSN_TYPE_DNSKEY || subject->type == CSN_TYPE_CDS || subject->type == CSN_TYPE_CDNSKEY;
    return is_key_rrset && csn_name_equal(subject->owner, subject->schedule->keyset->zone) ? CSN_ROLE_KSK : CSN_ROLE_ZSK;
}

static void find_signers(struct subject *subject, struct signers *signers)
{
    const struct csn_keyset *keyset = subject->schedule->keyset;
    enum csn_role role = role_of(subject);
    signers->count = 0;
    for (size_t i = 0; i < keyset->list_count; i++) {
        if (keyset->lists[i].role != role) {
            continue;
        }
        if (role == CSN_ROLE_KSK) {
            add_ksks(subject, &keyset->lists[i], signers);
        } else {
            add_zsk(subject, &keyset->lists[i], signers);
        }
    }
}

static int refuse(const struct subject *subject, struct csn_reason *reason, const char *cause)
{
    char owner[CSN_NAME_TEXT_MAX], type[16];
    csn_name_text(subject->owner, owner);
    csn_type_text(subject->type, type);
    return csn_reason_set(reason, CSN_EREFUSED, "%s %s: %s", owner, type, cause);
}

struct values {
    uint64_t validity_s, refresh_s, offset_s;
};

static int find_values(struct subject *subject, struct values *ret_values, struct csn_reason *reason)
{
    const struct csn_policy *policy = subject->schedule->policy;
    if (!value_in_force(subject, &policy->validity, &ret_values->validity_s) ||
        !value_in_force(subject, &policy->refresh, &ret_values->refresh_s) ||
        !value_in_force(subject, &policy->offset, &ret_values->offset_s)) {
        return refuse(subject, reason, "the policy has no validity, refresh or offset in force at S");
    }
    if (ret_values->validity_s <= ret_values->refresh_s) {
        return refuse(subject, reason, "the policy's validity is not above its refresh");
    }
    return CSN_OK;
}

/* The largest (h(r) mod P) + kP <= S. */
static int slot_base(const struct subject *subject, uint64_t hash, uint64_t period_s, uint64_t *ret_base_s,
                     struct csn_reason *reason)
{
    uint64_t now_s = subject->schedule->schedule_s, first_s = hash % period_s;
    if (first_s > now_s) {
        return refuse(subject, reason, "S is before the first slot");
    }
    *ret_base_s = now_s - (now_s - first_s) % period_s;
    return CSN_OK;
}

/* Base: the later of the slot and the key event's switch time; a policy event's does not enter. */
static uint64_t base_of(struct subject *subject, const struct signer *signer, uint64_t slot_s)
{
    if (slot_s >= signer->event.at_s && slot_s - signer->event.at_s >= signer->event.window_s) {
        return slot_s; /* at or after the window's end: no need for w(r) */
    }
    uint64_t switched_s = switch_time(subject, signer->event);
    return switched_s > slot_s ? switched_s : slot_s;
}

/* Never less than R/2 left at T. */
static bool has_enough_left(uint64_t expiration_s, uint64_t time_s, uint64_t refresh_s)
{
    return expiration_s >= time_s && expiration_s - time_s >= refresh_s - refresh_s / 2;
}

int csn_schedule_rrset(const struct csn_schedule *schedule, struct csn_hasher *hasher, const uint8_t *owner, uint16_t type,
                       struct csn_planned ret_planned[CSN_SIGNATURES_MAX], size_t *ret_count, struct csn_reason *reason)
{
    struct subject subject = {.schedule = schedule, .hasher = hasher, .owner = owner, .type = type};
    struct values values;
    struct signers signers;
    uint64_t slot_s = 0, hash = csn_slot_hash(hasher, schedule->keyset->zone, owner, type);
    int code = find_values(&subject, &values, reason);
    if (code == CSN_OK) {
        code = slot_base(&subject, hash, values.validity_s - values.refresh_s, &slot_s, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    find_signers(&subject, &signers);
    if (signers.count == 0) {
        return refuse(&subject, reason, "no key signs it at S");
    }
    for (size_t i = 0; i < signers.count; i++) {
        uint64_t base_s = base_of(&subject, &signers.signers[i], slot_s);
        ret_planned[i] = (struct csn_planned){.inception_s = base_s - values.offset_s,
                                              .expiration_s = base_s + values.validity_s,
                                              .slot_hash = hash,
                                              .key = signers.signers[i].key};
        if (!has_enough_left(ret_planned[i].expiration_s, schedule->time_s, values.refresh_s)) {
            return refuse(&subject, reason, "less than half of the refresh period would be left at T");
        }
    }
    *ret_count = signers.count;
    return CSN_OK;
}

/* When an event begins to change signatures, S itself while its window is open. */
static uint64_t next_event(uint64_t at_s, uint64_t window_s, uint64_t schedule_s)
{
    if (at_s > schedule_s) {
        return at_s;
    }
    return schedule_s - at_s < window_s ? schedule_s : UINT64_MAX;
}

static uint64_t next_value(const struct csn_timed_list *list, uint64_t schedule_s, uint64_t next_s)
{
    for (size_t i = 0; i < list->count; i++) {
        uint64_t at_s = next_event(list->events[i].at_s, list->events[i].window_s, schedule_s);
        next_s = at_s < next_s ? at_s : next_s;
    }
    return next_s;
}

static uint64_t next_key(const struct csn_key_list *list, uint64_t schedule_s, uint64_t next_s)
{
    for (size_t i = 0; i < list->count; i++) {
        uint64_t at_s = next_event(list->events[i].at_s, list->events[i].window_s, schedule_s);
        next_s = at_s < next_s ? at_s : next_s;
    }
    return next_s;
}

uint64_t csn_schedule_due(const struct csn_schedule *schedule, uint64_t earliest_expiry_s)
{
    const struct csn_policy *policy = schedule->policy;
    uint64_t refresh_s = csn_policy_refresh_at(policy, schedule->schedule_s), next_s = UINT64_MAX;
    next_s = next_value(&policy->validity, schedule->schedule_s, next_s);
    next_s = next_value(&policy->refresh, schedule->schedule_s, next_s);
    next_s = next_value(&policy->offset, schedule->schedule_s, next_s);
    for (size_t i = 0; i < schedule->keyset->list_count; i++) {
        next_s = next_key(&schedule->keyset->lists[i], schedule->schedule_s, next_s);
    }
    uint64_t slot_s = earliest_expiry_s > refresh_s ? earliest_expiry_s - refresh_s : 0;
    return slot_s < next_s ? slot_s : next_s;
}

void csn_rrsig_head(const struct csn_keyset *keyset, const struct csn_planned *planned, const uint8_t *owner, uint16_t type,
                    uint32_t ttl, struct csn_buf *buf)
{
    const struct csn_key *key = &keyset->keys[planned->key];
    size_t zone_size = csn_name_size(keyset->zone);
    uint8_t *at = csn_buf_reserve(buf, 18 + zone_size);
    csn_set_u16(at, type);
    at[2] = key->algorithm;
    at[3] = csn_name_rrsig_labels(owner);
    csn_set_u32(at + 4, ttl);
    csn_set_u32(at + 8, (uint32_t)planned->expiration_s);
    csn_set_u32(at + 12, (uint32_t)planned->inception_s);
    csn_set_u16(at + 16, key->tag);
    memcpy(at + 18, keyset->zone, zone_size);
    buf->size += 18 + zone_size;
}
