/* rooter.c: the roots of a signed zone from its entries alone. The entries may be a peer's or a stranger's: every length is
 * checked, and what no class would hold is refused, so that the roots cover all that is there. */
#include "sign/content.h"

#include <stdlib.h>
#include <string.h>

#define RRSIG_FIXED 18
#define RRSIG_EXPIRATION_AT 8
#define SOA_FIXED 20

struct csn_rooter {
    uint8_t apex[CSN_NAME_MAX];
    uint64_t time_s;
    struct csn_hasher *hasher; /* owns */
    struct csn_leaves d, k, n, r, b; /* own */
    struct csn_buf heads; /* owns */
    uint64_t records, signatures, earliest_expiry_s;
    bool has_soa;
    uint32_t serial; /* of the SOA */
};

struct csn_rooter *csn_rooter_new(const uint8_t *apex, uint64_t time_s)
{
    struct csn_rooter *rooter = csn_calloc(1, sizeof(*rooter));
    memcpy(rooter->apex, apex, csn_name_size(apex));
    rooter->time_s = time_s;
    rooter->hasher = csn_hasher_new();
    return rooter;
}

static int refuse(const struct csn_entry *entry, struct csn_reason *reason, int code, const char *cause)
{
    char owner[CSN_NAME_TEXT_MAX], type[16];
    csn_name_text(entry->rrset.owner, owner);
    csn_type_text(entry->rrset.type, type);
    return csn_reason_set(reason, code, "%s %s: %s", owner, type, cause);
}

static int check_rrset(const struct csn_rooter *rooter, const struct csn_entry *entry, struct csn_reason *reason)
{
    bool is_apex = csn_name_equal(entry->rrset.owner, rooter->apex);
    if (entry->rrset.count == 0) {
        return refuse(entry, reason, CSN_EFORMAT, "signatures without records");
    }
    switch (entry->rrset.type) {
    case CSN_TYPE_RRSIG:
        return refuse(entry, reason, CSN_EFORMAT, "an RRSIG stands where an RRset should");
    case CSN_TYPE_SOA:
        if (!is_apex || rooter->has_soa || entry->rrset.count != 1 || entry->rrset.rdatas.size < 2 + SOA_FIXED) {
            return refuse(entry, reason, CSN_EFORMAT, "a zone has one SOA, at its apex");
        }
        return CSN_OK;
    case CSN_TYPE_NSEC3PARAM:
    case CSN_TYPE_ZONEMD:
        return is_apex ? CSN_OK : refuse(entry, reason, CSN_EFORMAT, "may stand at the apex only");
    default:
        return CSN_OK;
    }
}

static void add_rrset(struct csn_rooter *rooter, const struct csn_rrset *rrset)
{
    struct csn_digest leaf;
    enum csn_class class = csn_class_of(rooter->apex, rrset);
    if (class == CSN_CLASS_D) {
        csn_leaf_data(rooter->hasher, rrset, &leaf);
    } else {
        csn_leaf(rooter->hasher, rrset, &leaf);
    }
    csn_leaves_add(class == CSN_CLASS_K   ? &rooter->k
                   : class == CSN_CLASS_N ? &rooter->n
                   : class == CSN_CLASS_B ? &rooter->b
                                          : &rooter->d,
                   &leaf);
    if (rrset->type == CSN_TYPE_SOA) {
        rooter->has_soa = true;
        rooter->serial = csn_get_u32(rrset->rdatas.data + rrset->rdatas.size - SOA_FIXED);
    }
    rooter->records += rrset->count;
}

/* The octets of RRSIG RDATA before the signature field; 0: malformed. */
static size_t head_size(struct csn_bytes rdata)
{
    if (rdata.size <= RRSIG_FIXED) {
        return 0;
    }
    size_t name_size = csn_name_check(csn_bytes(rdata.data + RRSIG_FIXED, rdata.size - RRSIG_FIXED));
    return name_size > 0 && rdata.size > RRSIG_FIXED + name_size ? RRSIG_FIXED + name_size : 0;
}

/* Fills `heads` with the RDATA cut before their signatures. Whole RDATA are ascending and their heads differ (two signatures
 * of one key over one RRset are refused), so the heads are ascending too. */
static int cut_heads(struct csn_rooter *rooter, const struct csn_entry *entry, struct csn_reason *reason)
{
    struct csn_reader reader = csn_rdata_first(&entry->rrsigs);
    struct csn_bytes rdata, last = {0};
    csn_buf_clear(&rooter->heads);
    while (csn_rdata_next(&reader, &rdata)) {
        size_t size = head_size(rdata);
        if (size == 0 || csn_get_u16(rdata.data) != entry->rrset.type) {
            return refuse(entry, reason, CSN_EFORMAT, "an RRSIG is malformed or covers another type");
        }
        struct csn_bytes head = csn_bytes(rdata.data, size);
        if (last.size > 0 && csn_bytes_compare(last, head) >= 0) {
            return refuse(entry, reason, CSN_EFORMAT, "RRSIGs with equal fields, or not in order");
        }
        last = head;
        csn_buf_put_u16(&rooter->heads, (uint16_t)size);
        csn_buf_put_bytes(&rooter->heads, head);
        uint64_t expiry_s = csn_time_near(csn_get_u32(rdata.data + RRSIG_EXPIRATION_AT), rooter->time_s);
        if (rooter->earliest_expiry_s == 0 || expiry_s < rooter->earliest_expiry_s) {
            rooter->earliest_expiry_s = expiry_s;
        }
    }
    return CSN_OK;
}

static int add_rrsigs(struct csn_rooter *rooter, const struct csn_entry *entry, struct csn_reason *reason)
{
    struct csn_digest leaf;
    int code = cut_heads(rooter, entry, reason);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_rrset rrsigs = entry->rrsigs;
    rrsigs.owner = entry->rrset.owner;
    rrsigs.type = CSN_TYPE_RRSIG;
    csn_leaf(rooter->hasher, &rrsigs, &leaf);
    csn_leaves_add(&rooter->b, &leaf);
    rrsigs.rdatas = csn_buf_view(&rooter->heads);
    csn_leaf(rooter->hasher, &rrsigs, &leaf);
    csn_leaves_add(&rooter->r, &leaf);
    rooter->records += rrsigs.count;
    rooter->signatures += rrsigs.count;
    return CSN_OK;
}

int csn_rooter_add(struct csn_rooter *rooter, const struct csn_entry *entry, struct csn_reason *reason)
{
    int code = check_rrset(rooter, entry, reason);
    if (code == CSN_OK && entry->rrsigs.count > 0) {
        code = add_rrsigs(rooter, entry, reason);
    }
    if (code == CSN_OK) {
        add_rrset(rooter, &entry->rrset);
    }
    return code;
}

int csn_rooter_finish(struct csn_rooter *rooter, uint32_t serial, struct csn_zone_roots *ret_roots, struct csn_reason *reason)
{
    if (!rooter->has_soa || rooter->serial != serial) {
        return csn_reason_set(reason, CSN_EMISMATCH, "the SOA's serial is %u, not %u", rooter->serial, serial);
    }
    struct csn_roots *roots = &ret_roots->roots;
    csn_class_root(rooter->hasher, CSN_CLASS_D, &rooter->d, &roots->d);
    csn_class_root(rooter->hasher, CSN_CLASS_K, &rooter->k, &roots->k);
    csn_class_root(rooter->hasher, CSN_CLASS_N, &rooter->n, &roots->n);
    csn_class_root(rooter->hasher, CSN_CLASS_R, &rooter->r, &roots->r);
    csn_class_root(rooter->hasher, CSN_CLASS_B, &rooter->b, &ret_roots->b);
    csn_content_root(rooter->apex, serial, rooter->time_s, roots, &ret_roots->content);
    csn_full_root(&ret_roots->content, &ret_roots->b, &ret_roots->full);
    ret_roots->records = rooter->records;
    ret_roots->signatures = rooter->signatures;
    ret_roots->earliest_expiry_s = rooter->earliest_expiry_s;
    return CSN_OK;
}

void csn_rooter_free(struct csn_rooter *take_rooter)
{
    if (take_rooter == NULL) {
        return;
    }
    csn_leaves_fini(&take_rooter->d);
    csn_leaves_fini(&take_rooter->k);
    csn_leaves_fini(&take_rooter->n);
    csn_leaves_fini(&take_rooter->r);
    csn_leaves_fini(&take_rooter->b);
    csn_buf_fini(&take_rooter->heads);
    csn_hasher_free(take_rooter->hasher);
    free(take_rooter);
}
