/* signatures.c: the octets of a content's signatures: carried from the parent, set one by one, exchanged as shares; and the
 * roots and entries of the signed zone. */
#include "sign/content.h"

#include <string.h>

#include "sign/work.h"

/* No signature algorithm of the registry comes near: RSA with 8192 bits. */
#define OCTETS_MAX 1024

static int compare_signatures(const struct csn_signature *a, const struct csn_signature *b)
{
    int order = csn_bytes_compare(a->head, b->head);
    return order != 0 ? order : csn_bytes_compare(a->octets, b->octets);
}

void csn_rrsigs_pack(const struct csn_rrset *covered, const struct csn_signature *const *signatures, size_t count,
                     enum csn_rrsig_form form, struct csn_buf *buf, struct csn_rrset *ret_rrset)
{
    const struct csn_signature *sorted[CSN_SIGNATURES_MAX];
    REQUIRE(count <= CSN_SIGNATURES_MAX);
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && compare_signatures(sorted[at - 1], signatures[i]) > 0; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = signatures[i];
    }
    csn_buf_clear(buf);
    for (size_t i = 0; i < count; i++) {
        size_t octets_size = form == CSN_RRSIG_WHOLE ? sorted[i]->octets.size : 0;
        csn_buf_put_u16(buf, (uint16_t)(sorted[i]->head.size + octets_size));
        csn_buf_put_bytes(buf, sorted[i]->head);
        csn_buf_put(buf, sorted[i]->octets.data, octets_size);
    }
    *ret_rrset = (struct csn_rrset){.owner = covered->owner,
                                    .rdatas = csn_buf_view(buf),
                                    .ttl = covered->ttl,
                                    .type = CSN_TYPE_RRSIG,
                                    .count = (uint16_t)count};
}

/* Octets of `head` in the parent's RRSIGs; empty: it has no such signature. */
static struct csn_bytes find_octets(const struct csn_rrset *rrsigs, struct csn_bytes head)
{
    struct csn_reader reader = csn_rdata_first(rrsigs);
    struct csn_bytes rdata;
    while (csn_rdata_next(&reader, &rdata)) {
        if (rdata.size > head.size && memcmp(rdata.data, head.data, head.size) == 0) {
            return csn_bytes(rdata.data + head.size, rdata.size - head.size);
        }
    }
    return (struct csn_bytes){0};
}

void csn_content_carry(struct csn_content *content, const struct csn_entry *parent_entry)
{
    const struct csn_zone *zone = content->zone;
    size_t *at = &content->work->carry_at;
    while (*at < zone->count && csn_rrset_compare(&zone->rrsets[*at], &parent_entry->rrset) < 0) {
        ++*at;
    }
    if (*at == zone->count || !csn_rrset_equal(&zone->rrsets[*at], &parent_entry->rrset)) {
        return;
    }
    for (uint32_t i = content->work->firsts[*at]; i < content->work->firsts[*at + 1]; i++) {
        struct csn_bytes octets = find_octets(&parent_entry->rrsigs, content->signatures[i].head);
        if (octets.size > 0) {
            csn_signature_set(content, &content->signatures[i], octets);
            content->signatures[i].is_carried = true;
        }
    }
}

void csn_content_authors(struct csn_content *content, size_t author_count)
{
    REQUIRE(author_count > 0 && author_count <= UINT16_MAX);
    for (size_t i = 0; i < content->signature_count; i++) {
        struct csn_signature *signature = &content->signatures[i];
        signature->author = (uint16_t)(content->work->slot_hashes[signature->rrset] % author_count);
    }
}

void csn_signature_input(const struct csn_content *content, const struct csn_signature *signature, struct csn_buf *buf)
{
    /* A wildcard's name is the owner as it stands, `*` and all: RFC 4034 3.1.8.1. */
    const struct csn_rrset *rrset = &content->zone->rrsets[signature->rrset];
    struct csn_reader reader = csn_rdata_first(rrset);
    struct csn_bytes rdata;
    size_t owner_size = csn_name_size(rrset->owner);
    csn_buf_put_bytes(buf, signature->head);
    while (csn_rdata_next(&reader, &rdata)) {
        csn_buf_put(buf, rrset->owner, owner_size);
        csn_buf_put_u16(buf, rrset->type);
        csn_buf_put_u16(buf, CSN_CLASS_IN);
        csn_buf_put_u32(buf, rrset->ttl);
        csn_buf_put_u16(buf, (uint16_t)rdata.size);
        csn_buf_put_bytes(buf, rdata);
    }
}

void csn_signature_set(struct csn_content *content, struct csn_signature *signature, struct csn_bytes octets)
{
    signature->octets = csn_bytes(csn_arena_copy(&content->work->octets, octets.data, octets.size), octets.size);
}

static bool is_in_share(const struct csn_signature *signature, uint16_t author)
{
    return signature->author == author && !signature->is_carried;
}

void csn_share_encode(const struct csn_content *content, uint16_t author, struct csn_buf *buf)
{
    for (size_t i = 0; i < content->signature_count; i++) {
        const struct csn_signature *signature = &content->signatures[i];
        if (!is_in_share(signature, author)) {
            continue;
        }
        REQUIRE(signature->octets.size > 0 && signature->octets.size <= OCTETS_MAX);
        csn_buf_put_u32(buf, (uint32_t)i);
        csn_buf_put_u16(buf, (uint16_t)signature->octets.size);
        csn_buf_put_bytes(buf, signature->octets);
    }
}

/* The octets of the next item, which must be those of signature `index`. */
static int share_next(struct csn_reader *reader, size_t index, struct csn_bytes *ret_octets)
{
    if (csn_reader_left(reader) == 0) {
        return CSN_EMISMATCH;
    }
    uint32_t found = csn_read_u32(reader);
    *ret_octets = csn_read_bytes(reader, csn_read_u16(reader));
    if (reader->failed || ret_octets->size == 0 || ret_octets->size > OCTETS_MAX) {
        return CSN_EFORMAT;
    }
    return found == index ? CSN_OK : CSN_EMISMATCH;
}

/* Walks the share beside the content's signatures; sets them where `is_setting`. */
static int share_walk(struct csn_content *content, uint16_t author, struct csn_bytes share, bool is_setting)
{
    struct csn_reader reader = csn_reader(share);
    for (size_t i = 0; i < content->signature_count; i++) {
        struct csn_bytes octets;
        if (!is_in_share(&content->signatures[i], author)) {
            continue;
        }
        int code = share_next(&reader, i, &octets);
        if (code != CSN_OK) {
            return code;
        }
        if (is_setting) {
            csn_signature_set(content, &content->signatures[i], octets);
        }
    }
    return csn_reader_left(&reader) == 0 ? CSN_OK : CSN_EMISMATCH;
}

int csn_share_decode(struct csn_content *content, uint16_t author, struct csn_bytes share)
{
    int code = share_walk(content, author, share, false);
    return code == CSN_OK ? share_walk(content, author, share, true) : code;
}

/* Which of an RRset's signatures a leaf of class B holds. */
struct selection {
    bool is_share; /* only those of `author` that are not carried */
    uint16_t author;
};

/* The RRSIG RRset of RRset i, of the selected signatures; false where there are none. */
static bool select_rrsigs(const struct csn_content *content, size_t i, const struct selection *selection, struct csn_buf *buf,
                          struct csn_rrset *ret_rrsigs)
{
    const struct csn_signature *signatures[CSN_SIGNATURES_MAX];
    size_t count = 0;
    for (uint32_t j = content->work->firsts[i]; j < content->work->firsts[i + 1]; j++) {
        if (!selection->is_share || is_in_share(&content->signatures[j], selection->author)) {
            signatures[count++] = &content->signatures[j];
        }
    }
    csn_rrsigs_pack(&content->zone->rrsets[i], signatures, count, CSN_RRSIG_WHOLE, buf, ret_rrsigs);
    return count > 0;
}

static void root_of_b(const struct csn_content *content, const struct selection *selection, struct csn_digest *ret_root,
                      uint64_t *ret_count)
{
    struct csn_leaves leaves = {0};
    struct csn_buf buf = {0};
    struct csn_hasher *hasher = csn_hasher_new();
    *ret_count = 0;
    for (size_t i = 0; i < content->zone->count; i++) {
        struct csn_rrset rrsigs;
        struct csn_digest leaf;
        if (select_rrsigs(content, i, selection, &buf, &rrsigs)) {
            csn_leaf(hasher, &rrsigs, &leaf);
            csn_leaves_add(&leaves, &leaf);
            *ret_count += rrsigs.count;
        }
    }
    csn_class_root(hasher, CSN_CLASS_B, &leaves, ret_root);
    csn_hasher_free(hasher);
    csn_buf_fini(&buf);
    csn_leaves_fini(&leaves);
}

void csn_share_root(const struct csn_content *content, uint16_t author, struct csn_digest *ret_root, uint64_t *ret_count)
{
    root_of_b(content, &(struct selection){.is_share = true, .author = author}, ret_root, ret_count);
}

void csn_content_full_root(const struct csn_content *content, struct csn_digest *ret_b, struct csn_digest *ret_full)
{
    uint64_t count;
    for (size_t i = 0; i < content->signature_count; i++) {
        REQUIRE(content->signatures[i].octets.size > 0);
    }
    root_of_b(content, &(struct selection){.is_share = false}, ret_b, &count);
    csn_full_root(&content->content_root, ret_b, ret_full);
}

void csn_content_entry(const struct csn_content *content, size_t i, struct csn_buf *buf, struct csn_entry *ret_entry)
{
    REQUIRE(i < content->zone->count);
    ret_entry->rrset = content->zone->rrsets[i];
    select_rrsigs(content, i, &(struct selection){.is_share = false}, buf, &ret_entry->rrsigs);
}

void csn_content_heads(const struct csn_content *content, size_t i, struct csn_buf *buf, struct csn_entry *ret_entry)
{
    REQUIRE(i < content->zone->count);
    const struct csn_signature *signatures[CSN_SIGNATURES_MAX];
    size_t count = 0;
    for (uint32_t j = content->work->firsts[i]; j < content->work->firsts[i + 1]; j++) {
        signatures[count++] = &content->signatures[j];
    }
    ret_entry->rrset = content->zone->rrsets[i];
    csn_rrsigs_pack(&content->zone->rrsets[i], signatures, count, CSN_RRSIG_HEADS, buf, &ret_entry->rrsigs);
}
