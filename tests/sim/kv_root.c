#include "sim/kv_root.h"

#include <stdlib.h>
#include <string.h>

#include "sim/symbol.h"

#define RRSIG_FIXED 18
#define SOA_NUMBERS 20

/* --- roots */

struct set {
    uint8_t (*leaves)[CSN_DIGEST_SIZE]; /* owns */
    size_t count;
};

static size_t name_size(const uint8_t *name)
{
    size_t size = 0;
    while (name[size] != 0) {
        size += 1u + name[size];
    }
    return size + 1;
}

static void add_leaf(struct set *set, const struct csn_rrset *rrset, uint16_t type, unsigned count, struct csn_bytes rdatas)
{
    struct csn_buf buf = {0};
    struct csn_digest leaf;
    csn_buf_put(&buf, rrset->owner, name_size(rrset->owner));
    csn_buf_put_u16(&buf, type);
    csn_buf_put_u16(&buf, 1);
    csn_buf_put_u32(&buf, rrset->ttl);
    csn_buf_put_u16(&buf, (uint16_t)count);
    csn_buf_put_bytes(&buf, rdatas);
    csn_sha384(csn_buf_view(&buf), &leaf);
    set->leaves = csn_realloc(set->leaves, set->count + 1, CSN_DIGEST_SIZE);
    memcpy(set->leaves[set->count++], leaf.octets, CSN_DIGEST_SIZE);
    csn_buf_fini(&buf);
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, CSN_DIGEST_SIZE);
}

static void put_digest(struct csn_buf *buf, struct csn_bytes octets)
{
    struct csn_digest digest;
    csn_sha384(octets, &digest);
    csn_buf_put(buf, digest.octets, CSN_DIGEST_SIZE);
}

/* A node at `depth` over leaves that share so many first octets; frees nothing. */
static void put_node(struct csn_buf *buf, uint8_t (*leaves)[CSN_DIGEST_SIZE], size_t count, unsigned depth)
{
    if (depth == 2) {
        put_digest(buf, csn_bytes(leaves, count * CSN_DIGEST_SIZE));
        return;
    }
    struct csn_buf children = {0};
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from; to < count && leaves[to][depth] == leaves[from][depth]; to++) {
        }
        put_node(&children, leaves + from, to - from, depth + 1);
    }
    put_digest(buf, csn_buf_view(&children));
    csn_buf_fini(&children);
}

static void put_class(struct csn_buf *buf, char letter, struct set *set)
{
    static const uint8_t zeros[CSN_DIGEST_SIZE];
    struct csn_buf top = {0};
    csn_buf_put_u8(&top, 1);
    csn_buf_put_u8(&top, (uint8_t)letter);
    csn_buf_put_u64(&top, set->count);
    if (set->count == 0) {
        csn_buf_put(&top, zeros, sizeof(zeros));
    } else {
        qsort(set->leaves, set->count, CSN_DIGEST_SIZE, compare);
        put_node(&top, set->leaves, set->count, 0);
    }
    put_digest(buf, csn_buf_view(&top));
    csn_buf_fini(&top);
}

enum place { D, K, N, R, B, PLACES };

static enum place place_of(const uint8_t *apex, const struct csn_rrset *rrset)
{
    size_t size = name_size(rrset->owner);
    bool is_apex = size == name_size(apex) && memcmp(apex, rrset->owner, size) == 0;
    switch (rrset->type) {
    case 48:
    case 59:
    case 60:
    case 51:
        return is_apex ? K : D;
    case 47:
    case 50:
        return N;
    case 63:
        return B;
    default:
        return D;
    }
}

/* The octets before the signature; 0: none. */
static size_t head_of(struct csn_bytes rdata)
{
    size_t at = RRSIG_FIXED;
    while (at < rdata.size && rdata.data[at] != 0) {
        at += 1u + rdata.data[at];
    }
    return at < rdata.size ? at + 1 : 0;
}

static bool add_rrsigs(struct set sets[PLACES], const struct csn_entry *entry)
{
    struct csn_reader reader = csn_reader(entry->rrsigs.rdatas);
    struct csn_buf heads = {0};
    bool is_good = true;
    for (unsigned i = 0; i < entry->rrsigs.count; i++) {
        struct csn_bytes rdata = csn_read_bytes(&reader, csn_read_u16(&reader));
        size_t head = head_of(rdata);
        is_good = is_good && !reader.failed && head > 0;
        csn_buf_put_u16(&heads, (uint16_t)head);
        csn_buf_put(&heads, rdata.data, head);
    }
    if (is_good && entry->rrsigs.count > 0) {
        add_leaf(&sets[R], &entry->rrsigs, 46, entry->rrsigs.count, csn_buf_view(&heads));
        add_leaf(&sets[B], &entry->rrsigs, 46, entry->rrsigs.count, entry->rrsigs.rdatas);
    }
    csn_buf_fini(&heads);
    return is_good;
}

/* The SOA's leaf has zeros for its serial. */
static bool add_soa(struct set sets[PLACES], const struct csn_rrset *rrset, uint32_t serial)
{
    struct csn_buf rdatas = {0};
    csn_buf_put_bytes(&rdatas, rrset->rdatas);
    bool is_good = rdatas.size > SOA_NUMBERS && csn_get_u32(rdatas.data + rdatas.size - SOA_NUMBERS) == serial;
    if (is_good) {
        csn_set_u32(rdatas.data + rdatas.size - SOA_NUMBERS, 0);
        add_leaf(&sets[D], rrset, rrset->type, rrset->count, csn_buf_view(&rdatas));
    }
    csn_buf_fini(&rdatas);
    return is_good;
}

static void put_roots(const uint8_t *apex, struct set sets[PLACES], uint32_t serial, uint64_t time_s, struct csn_digest *ret_root)
{
    static const char letters[] = "DKNR";
    struct csn_buf content = {0}, full = {0};
    csn_buf_put(&content, "\x0f" "consign content", 16);
    csn_buf_put(&content, apex, name_size(apex));
    csn_buf_put_u32(&content, serial);
    csn_buf_put_u64(&content, time_s);
    for (unsigned i = D; i < B; i++) {
        put_class(&content, letters[i], &sets[i]);
    }
    csn_buf_put(&full, "\x0c" "consign full", 13);
    put_digest(&full, csn_buf_view(&content));
    put_class(&full, 'B', &sets[B]);
    csn_sha384(csn_buf_view(&full), ret_root);
    csn_buf_fini(&content);
    csn_buf_fini(&full);
}

bool kv_root(const uint8_t *apex, const struct csn_entry *entries, size_t count, uint32_t serial, uint64_t time_s,
             struct csn_digest *ret_root)
{
    struct set sets[PLACES] = {{0}};
    unsigned soas = 0;
    bool is_good = true;
    for (size_t i = 0; i < count && is_good; i++) {
        const struct csn_rrset *rrset = &entries[i].rrset;
        if (rrset->type == CSN_TYPE_SOA) {
            soas++;
            is_good = add_soa(sets, rrset, serial);
        } else {
            add_leaf(&sets[place_of(apex, rrset)], rrset, rrset->type, rrset->count, rrset->rdatas);
        }
        is_good = is_good && add_rrsigs(sets, &entries[i]);
    }
    if (is_good && soas == 1) {
        put_roots(apex, sets, serial, time_s, ret_root);
    }
    for (unsigned i = 0; i < PLACES; i++) {
        free(sets[i].leaves);
    }
    return is_good && soas == 1;
}

/* --- signatures */

void kv_sign(struct csn_bytes dnskey, struct csn_bytes data, uint64_t nonce, uint8_t ret_octets[KV_SIGNATURE_SIZE])
{
    struct sim_mixer mixer = sim_mixer("signature");
    sim_mix(&mixer, dnskey.data, dnskey.size);
    sim_mix_u64(&mixer, nonce);
    sim_mix(&mixer, data.data, data.size);
    struct csn_digest mac = sim_mixed(&mixer);
    memset(ret_octets, 0, KV_SIGNATURE_SIZE);
    csn_set_u64(ret_octets, nonce);
    memcpy(ret_octets + 8, mac.octets, CSN_DIGEST_SIZE);
}

bool kv_verify(struct csn_bytes dnskey, struct csn_bytes data, struct csn_bytes octets)
{
    uint8_t wanted[KV_SIGNATURE_SIZE];
    if (octets.size != KV_SIGNATURE_SIZE) {
        return false;
    }
    kv_sign(dnskey, data, csn_get_u64(octets.data), wanted);
    return memcmp(wanted, octets.data, sizeof(wanted)) == 0;
}

/* RFC 4034 3.1.8.1. No owner here is a wildcard. */
static void put_signed(struct csn_buf *buf, struct csn_bytes head, const struct csn_rrset *rrset)
{
    struct csn_reader reader = csn_reader(rrset->rdatas);
    csn_buf_put_bytes(buf, head);
    for (unsigned i = 0; i < rrset->count; i++) {
        struct csn_bytes rdata = csn_read_bytes(&reader, csn_read_u16(&reader));
        csn_buf_put(buf, rrset->owner, name_size(rrset->owner));
        csn_buf_put_u16(buf, rrset->type);
        csn_buf_put_u16(buf, 1);
        csn_buf_put_u32(buf, csn_get_u32(head.data + 4));
        csn_buf_put_u16(buf, (uint16_t)rdata.size);
        csn_buf_put_bytes(buf, rdata);
    }
}

static bool one_verifies(const struct csn_rrset *rrset, struct csn_bytes rrsig, const struct csn_rrset *dnskeys)
{
    size_t head = head_of(rrsig);
    struct csn_reader reader = csn_reader(dnskeys->rdatas);
    struct csn_buf data = {0};
    bool is_good = false;
    if (head == 0) {
        return false;
    }
    put_signed(&data, csn_bytes(rrsig.data, head), rrset);
    for (unsigned i = 0; i < dnskeys->count && !is_good; i++) {
        struct csn_bytes key = csn_read_bytes(&reader, csn_read_u16(&reader));
        is_good = kv_verify(key, csn_buf_view(&data), csn_bytes(rrsig.data + head, rrsig.size - head));
    }
    csn_buf_fini(&data);
    return is_good;
}

bool kv_entry_verifies(const struct csn_entry *entry, const struct csn_rrset *dnskeys)
{
    struct csn_reader reader = csn_reader(entry->rrsigs.rdatas);
    bool is_good = true;
    for (unsigned i = 0; i < entry->rrsigs.count && is_good; i++) {
        is_good = one_verifies(&entry->rrset, csn_read_bytes(&reader, csn_read_u16(&reader)), dnskeys) && !reader.failed;
    }
    return is_good;
}
