#include "zone/digest.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "dns/name.h"

#define BRANCHES 256
#define SOA_FIXED 20 /* serial refresh retry expire minimum */

enum csn_class csn_class_of(const uint8_t *apex, const struct csn_rrset *rrset)
{
    switch (rrset->type) {
    case CSN_TYPE_DNSKEY:
    case CSN_TYPE_CDS:
    case CSN_TYPE_CDNSKEY: /* below the apex these are ordinary data */
        return csn_name_equal(rrset->owner, apex) ? CSN_CLASS_K : CSN_CLASS_D;
    case CSN_TYPE_NSEC3PARAM:
        return CSN_CLASS_K;
    case CSN_TYPE_NSEC:
    case CSN_TYPE_NSEC3:
        return CSN_CLASS_N;
    case CSN_TYPE_ZONEMD:
        return CSN_CLASS_B;
    default:
        return CSN_CLASS_D;
    }
}

void csn_leaves_add(struct csn_leaves *leaves, const struct csn_digest *leaf)
{
    if (leaves->count == leaves->count_max) {
        leaves->count_max = leaves->count_max > 0 ? leaves->count_max * 2 : 256;
        leaves->leaves = csn_realloc(leaves->leaves, leaves->count_max, sizeof(*leaves->leaves));
    }
    leaves->leaves[leaves->count++] = *leaf;
}

void csn_leaves_fini(struct csn_leaves *leaves)
{
    free(leaves->leaves);
    *leaves = (struct csn_leaves){0};
}

/* Owner, type, class, TTL, count: what a leaf begins with. */
static void hash_prefix(struct csn_hasher *hasher, const struct csn_rrset *rrset)
{
    uint8_t prefix[CSN_NAME_MAX + 10];
    size_t size = csn_name_size(rrset->owner);
    memcpy(prefix, rrset->owner, size);
    csn_set_u16(prefix + size, rrset->type);
    csn_set_u16(prefix + size + 2, CSN_CLASS_IN);
    csn_set_u32(prefix + size + 4, rrset->ttl);
    csn_set_u16(prefix + size + 8, rrset->count);
    csn_hasher_start(hasher);
    csn_hasher_add(hasher, csn_bytes(prefix, size + 10));
}

void csn_leaf(struct csn_hasher *hasher, const struct csn_rrset *rrset, struct csn_digest *ret_leaf)
{
    hash_prefix(hasher, rrset);
    csn_hasher_add(hasher, rrset->rdatas);
    csn_hasher_end(hasher, ret_leaf);
}

void csn_leaf_data(struct csn_hasher *hasher, const struct csn_rrset *rrset, struct csn_digest *ret_leaf)
{
    static const uint8_t zeros[4];
    struct csn_bytes all = rrset->rdatas;
    if (rrset->type != CSN_TYPE_SOA || all.size < 2 + SOA_FIXED) {
        csn_leaf(hasher, rrset, ret_leaf);
        return;
    }
    /* One SOA record (others are refused): its last 20 octets are numbers, the serial first. */
    size_t serial_at = all.size - SOA_FIXED;
    hash_prefix(hasher, rrset);
    csn_hasher_add(hasher, csn_bytes(all.data, serial_at));
    csn_hasher_add(hasher, csn_bytes(zeros, sizeof(zeros)));
    csn_hasher_add(hasher, csn_bytes(all.data + serial_at + 4, SOA_FIXED - 4));
    csn_hasher_end(hasher, ret_leaf);
}

static int compare_leaves(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct csn_digest));
}

/* Sorts by spreading over the 256 branches first; ret_starts[i] is where branch i begins. */
static void sort_leaves(struct csn_leaves *leaves, size_t ret_starts[BRANCHES + 1])
{
    size_t next[BRANCHES] = {0};
    for (size_t i = 0; i < leaves->count; i++) {
        next[leaves->leaves[i].octets[0]]++;
    }
    size_t at = 0;
    for (unsigned i = 0; i < BRANCHES; i++) {
        ret_starts[i] = at;
        at += next[i];
        next[i] = ret_starts[i];
    }
    ret_starts[BRANCHES] = at;
    struct csn_digest *sorted = csn_alloc(leaves->count * sizeof(*sorted));
    for (size_t i = 0; i < leaves->count; i++) {
        sorted[next[leaves->leaves[i].octets[0]]++] = leaves->leaves[i];
    }
    for (unsigned i = 0; i < BRANCHES; i++) {
        qsort(sorted + ret_starts[i], ret_starts[i + 1] - ret_starts[i], sizeof(*sorted), compare_leaves);
    }
    free(leaves->leaves);
    leaves->leaves = sorted;
    leaves->count_max = leaves->count;
}

/* The hash of a branch: over the hashes of its buckets, octet 1 ascending. `leaves` are sorted and at least one. */
static void hash_branch(struct csn_hasher *hasher, const struct csn_digest *leaves, size_t count, struct csn_digest *ret)
{
    struct csn_digest buckets[BRANCHES];
    size_t bucket_count = 0;
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && leaves[to].octets[1] == leaves[from].octets[1]; to++) {
        }
        csn_hasher_sha384(hasher, csn_bytes(leaves + from, (to - from) * sizeof(*leaves)), &buckets[bucket_count++]);
    }
    csn_hasher_sha384(hasher, csn_bytes(buckets, bucket_count * sizeof(*buckets)), ret);
}

/* The top node: over the hashes of the branches that exist; 48 zero octets for an empty class. */
static void hash_tree(struct csn_hasher *hasher, struct csn_leaves *leaves, struct csn_digest *ret_top)
{
    size_t starts[BRANCHES + 1];
    struct csn_digest branches[BRANCHES];
    size_t branch_count = 0;
    sort_leaves(leaves, starts);
    for (unsigned i = 0; i < BRANCHES; i++) {
        if (starts[i + 1] > starts[i]) {
            hash_branch(hasher, leaves->leaves + starts[i], starts[i + 1] - starts[i], &branches[branch_count++]);
        }
    }
    csn_hasher_sha384(hasher, csn_bytes(branches, branch_count * sizeof(*branches)), ret_top);
}

void csn_class_node_root(struct csn_hasher *hasher, enum csn_class class, uint64_t leaves, const struct csn_digest *top,
                         struct csn_digest *ret_root)
{
    uint8_t data[10 + CSN_DIGEST_SIZE] = {1, (uint8_t)class};
    csn_set_u64(data + 2, leaves);
    memcpy(data + 10, top->octets, sizeof(top->octets));
    csn_hasher_sha384(hasher, csn_bytes(data, sizeof(data)), ret_root);
}

void csn_class_root(struct csn_hasher *hasher, enum csn_class class, struct csn_leaves *leaves, struct csn_digest *ret_root)
{
    struct csn_digest top = {{0}};
    if (leaves->count > 0) {
        hash_tree(hasher, leaves, &top);
    }
    csn_class_node_root(hasher, class, leaves->count, &top, ret_root);
}

/* A length octet and the text, so that no two uses of the hash share an input. */
static void put_tag(struct csn_buf *buf, const char *tag)
{
    csn_buf_put_u8(buf, (uint8_t)strlen(tag));
    csn_buf_put(buf, tag, strlen(tag));
}

void csn_content_root(const uint8_t *zone, uint32_t serial, uint64_t time_s, const struct csn_roots *roots,
                      struct csn_digest *ret_root)
{
    struct csn_buf buf = {0};
    put_tag(&buf, "consign content");
    csn_buf_put(&buf, zone, csn_name_size(zone));
    csn_buf_put_u32(&buf, serial);
    csn_buf_put_u64(&buf, time_s);
    csn_buf_put(&buf, roots->d.octets, CSN_DIGEST_SIZE);
    csn_buf_put(&buf, roots->k.octets, CSN_DIGEST_SIZE);
    csn_buf_put(&buf, roots->n.octets, CSN_DIGEST_SIZE);
    csn_buf_put(&buf, roots->r.octets, CSN_DIGEST_SIZE);
    csn_sha384(csn_buf_view(&buf), ret_root);
    csn_buf_fini(&buf);
}

void csn_full_root(const struct csn_digest *content, const struct csn_digest *b, struct csn_digest *ret_root)
{
    struct csn_buf buf = {0};
    put_tag(&buf, "consign full");
    csn_buf_put(&buf, content->octets, CSN_DIGEST_SIZE);
    csn_buf_put(&buf, b->octets, CSN_DIGEST_SIZE);
    csn_sha384(csn_buf_view(&buf), ret_root);
    csn_buf_fini(&buf);
}
