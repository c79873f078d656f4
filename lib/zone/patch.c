#include "zone/patch.h"

#include <stdlib.h>
#include <string.h>

#include "dns/name.h"

#define SOA_FIXED 20 /* the serial is the first of its five numbers */

/* What becomes of one RRset, or of the RRSIGs of one. */
struct change {
    struct csn_rrset at; /* owner and type; of RRSIGs the type that they cover */
    bool is_rrsigs;
    const struct csn_rrset *rrset; /* borrows; NULL: it is gone */
};

struct csn_patch {
    uint8_t apex[CSN_NAME_MAX];
    uint32_t serial;
    struct change *changes; /* owns; ascending */
    size_t count, next;
    struct csn_buf soa; /* owns */
    csn_patch_fn *fn;
    void *arg;
};

static int compare_changes(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    int order = csn_rrset_compare(&x->at, &y->at);
    return order != 0 ? order : (int)x->is_rrsigs - (int)y->is_rrsigs;
}

static struct change change_of(const struct csn_walk_difference *difference)
{
    const struct csn_rrset *any = difference->sides[difference->sides[1] == NULL ? 0 : 1];
    struct change change = {.at = *any, .is_rrsigs = any->type == CSN_TYPE_RRSIG, .rrset = difference->sides[1]};
    if (change.is_rrsigs) {
        change.at.type = any->rdatas.size >= 4 ? csn_get_u16(any->rdatas.data + 2) : 0; /* RFC 4034 3.1: type covered */
    }
    return change;
}

struct csn_patch *csn_patch_new(const uint8_t *apex, uint32_t serial, const struct csn_walk_difference *differences, size_t count,
                                csn_patch_fn *fn, void *arg)
{
    struct csn_patch *patch = csn_calloc(1, sizeof(*patch));
    memcpy(patch->apex, apex, csn_name_size(apex));
    patch->serial = serial;
    patch->fn = fn;
    patch->arg = arg;
    patch->changes = csn_calloc(count + 1, sizeof(patch->changes[0]));
    for (size_t i = 0; i < count; i++) {
        if (differences[i].class != CSN_CLASS_R) { /* B has the same whole */
            patch->changes[patch->count++] = change_of(&differences[i]);
        }
    }
    qsort(patch->changes, patch->count, sizeof(patch->changes[0]), compare_changes);
    return patch;
}

void csn_patch_free(struct csn_patch *take_patch)
{
    if (take_patch != NULL) {
        csn_buf_fini(&take_patch->soa);
        free(take_patch->changes);
        free(take_patch);
    }
}

static void set_serial(struct csn_patch *patch, struct csn_rrset *soa)
{
    if (soa->type == CSN_TYPE_SOA && csn_name_equal(soa->owner, patch->apex) && soa->rdatas.size >= SOA_FIXED) {
        csn_buf_clear(&patch->soa);
        csn_buf_put_bytes(&patch->soa, soa->rdatas);
        csn_set_u32(patch->soa.data + patch->soa.size - SOA_FIXED, patch->serial);
        soa->rdatas = csn_buf_view(&patch->soa);
    }
}

static int give(struct csn_patch *patch, struct csn_entry *entry)
{
    struct csn_rrset *rrset = &entry->rrset, *rrsigs = &entry->rrsigs;
    if (rrset->count == 0) {
        return rrsigs->count == 0 ? CSN_OK : CSN_EFORMAT;
    }
    if (rrsigs->count > 0 && rrsigs->ttl != rrset->ttl) {
        return CSN_EFORMAT;
    }
    rrsigs->owner = rrset->owner;
    rrsigs->type = CSN_TYPE_RRSIG;
    rrsigs->ttl = rrset->ttl;
    set_serial(patch, rrset);
    return patch->fn(patch->arg, entry);
}

/* All changes at the place of the next one, done to `entry`. */
static void apply(struct csn_patch *patch, struct csn_entry *entry)
{
    static const struct csn_rrset none;
    struct csn_rrset at = patch->changes[patch->next].at;
    for (; patch->next < patch->count && csn_rrset_compare(&patch->changes[patch->next].at, &at) == 0; patch->next++) {
        const struct change *change = &patch->changes[patch->next];
        *(change->is_rrsigs ? &entry->rrsigs : &entry->rrset) = change->rrset != NULL ? *change->rrset : none;
    }
}

int csn_patch_add(struct csn_patch *patch, const struct csn_entry *entry)
{
    int code = CSN_OK, order = -1;
    while (code == CSN_OK && patch->next < patch->count) {
        order = entry == NULL ? -1 : csn_rrset_compare(&patch->changes[patch->next].at, &entry->rrset);
        if (order >= 0) {
            break;
        }
        struct csn_entry added = {.rrset.count = 0};
        apply(patch, &added);
        code = give(patch, &added);
    }
    if (code == CSN_OK && entry != NULL) {
        struct csn_entry kept = *entry;
        if (patch->next < patch->count && order == 0) {
            apply(patch, &kept);
        }
        code = give(patch, &kept);
    }
    return code;
}
