#include "sign/content.h"

#include <stdlib.h>
#include <string.h>

#include "sign/work.h"
#include "zone/denial.h"
#include "zone/owners.h"

#define SOA_FIXED 20 /* serial refresh retry expire minimum */
#define RDATA_MIN_SOA (2 + SOA_FIXED)

/* Adds the RRset to `base`; its RDATA are copied into the arena of `out`, its owner is the apex. */
static void add_at_apex(struct csn_zone *base, struct csn_zone *out, const struct csn_rrset *rrset)
{
    struct csn_rrset copy = *rrset;
    copy.owner = out->apex;
    copy.rdatas.data = csn_arena_copy(&out->arena, rrset->rdatas.data, rrset->rdatas.size);
    csn_zone_add_borrowed(base, &copy);
}

static void add_key_rrsets(struct csn_zone *base, struct csn_zone *out, const struct csn_keyset *keyset)
{
    struct csn_buf buf = {0};
    struct csn_rrset dnskey;
    csn_keyset_dnskey(keyset, &buf, &dnskey);
    if (dnskey.count > 0) {
        add_at_apex(base, out, &dnskey);
    }
    if (keyset->cds.count > 0) {
        add_at_apex(base, out, &keyset->cds);
    }
    if (keyset->cdnskey.count > 0) {
        add_at_apex(base, out, &keyset->cdnskey);
    }
    csn_buf_fini(&buf);
}

static void add_soa(struct csn_zone *base, struct csn_zone *out, const struct csn_rrset *soa, uint32_t serial)
{
    uint8_t *rdatas = csn_arena_copy(&out->arena, soa->rdatas.data, soa->rdatas.size);
    csn_set_u32(rdatas + soa->rdatas.size - SOA_FIXED, serial);
    struct csn_rrset copy = *soa;
    copy.rdatas.data = rdatas;
    csn_zone_add_borrowed(base, &copy);
}

/* The zone but denial: prepared data with the round's serial, and the key set's RRsets. Made ones live in the arena of `out`. */
static struct csn_zone *assemble_base(const struct csn_zone *prepared, const struct csn_keyset *keyset, uint32_t serial,
                                      struct csn_zone *out)
{
    struct csn_zone *base = csn_zone_new(prepared->apex);
    add_key_rrsets(base, out, keyset);
    for (size_t i = 0; i < prepared->count; i++) {
        const struct csn_rrset *rrset = &prepared->rrsets[i];
        if (csn_class_of(prepared->apex, rrset) != CSN_CLASS_D) {
            continue; /* preparation leaves none; a zone that came from a peer may hold any, and fails at D(prepared) */
        }
        if (rrset->type == CSN_TYPE_SOA && csn_name_equal(rrset->owner, prepared->apex)) {
            add_soa(base, out, rrset, serial);
        } else {
            csn_zone_add_borrowed(base, rrset);
        }
    }
    csn_zone_seal(base);
    return base;
}

static struct csn_zone *assemble(const struct csn_zone *prepared, const struct csn_keyset *keyset, uint32_t serial)
{
    struct csn_zone *out = csn_zone_new(prepared->apex);
    struct csn_zone *base = assemble_base(prepared, keyset, serial, out);
    for (size_t i = 0; i < base->count; i++) {
        csn_zone_add_borrowed(out, &base->rrsets[i]);
    }
    csn_nsec_chain(base, NULL, 0, out);
    csn_zone_seal(out);
    csn_zone_unref(base);
    return out;
}

static bool *mark_signed(const struct csn_zone *zone)
{
    bool *is_signed = csn_calloc(zone->count, sizeof(*is_signed));
    struct csn_owners owners = csn_owners_first(zone);
    while (csn_owners_next(&owners)) {
        size_t at = (size_t)(owners.rrsets - zone->rrsets);
        for (size_t i = 0; i < owners.count; i++) {
            is_signed[at + i] = csn_owners_is_signed(owners.place, owners.rrsets[i].type);
        }
    }
    return is_signed;
}

static int check_params(const struct csn_input *input, const struct csn_keyset *keyset, const struct csn_content_params *params,
                        struct csn_reason *reason)
{
    const struct csn_rrset *soa = csn_zone_find(input->zone, input->zone->apex, CSN_TYPE_SOA);
    if (!csn_name_equal(input->zone->apex, keyset->zone)) {
        return csn_reason_set(reason, CSN_EREFUSED, "the key set is of another zone than the input");
    }
    if (soa == NULL || soa->count != 1 || soa->rdatas.size < RDATA_MIN_SOA) {
        return csn_reason_set(reason, CSN_EREFUSED, "the input has no SOA");
    }
    if (params->schedule_s > params->time_s) {
        return csn_reason_set(reason, CSN_EREFUSED, "the schedule time is after the signing time");
    }
    if (input->zone->count > UINT32_MAX / 2) {
        return csn_reason_set(reason, CSN_ELIMIT, "more than 2^31 RRsets");
    }
    return CSN_OK;
}

int csn_content_new(const struct csn_input *input, const struct csn_policy *policy, const struct csn_keyset *keyset,
                    const struct csn_content_params *params, struct csn_content **ret_content, struct csn_reason *reason)
{
    int code = check_params(input, keyset, params, reason);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_content *content = csn_calloc(1, sizeof(*content));
    content->work = csn_calloc(1, sizeof(*content->work));
    content->zone = assemble(input->zone, keyset, params->serial);
    content->keyset = keyset;
    content->params = *params;
    content->work->policy = policy;
    content->work->source = csn_zone_ref(input->zone);
    content->work->prepared = input->prepared;
    content->work->is_signed = mark_signed(content->zone);
    content->work->slot_hashes = csn_alloc(content->zone->count * sizeof(uint64_t));
    *ret_content = content;
    return CSN_OK;
}

/* What a call of csn_content_plan carries from RRset to RRset. */
struct planner {
    struct csn_content *content;
    struct csn_schedule schedule;
    struct csn_hasher *hasher;       /* owns */
    struct csn_content_range *range; /* owns until it is pushed */
    struct csn_buf buf;              /* owns */
};

static void add_signature(struct planner *planner, size_t i, const struct csn_planned *planned)
{
    struct csn_content_range *range = planner->range;
    const struct csn_rrset *rrset = &planner->content->zone->rrsets[i];
    if (range->signature_count == range->signature_count_max) {
        range->signature_count_max = range->signature_count_max > 0 ? range->signature_count_max * 2 : 64;
        range->signatures = csn_realloc(range->signatures, range->signature_count_max, sizeof(*range->signatures));
    }
    csn_buf_clear(&planner->buf);
    csn_rrsig_head(planner->content->keyset, planned, rrset->owner, rrset->type, rrset->ttl, &planner->buf);
    const void *head = csn_arena_copy(&range->arena, planner->buf.data, planner->buf.size);
    range->signatures[range->signature_count++] = (struct csn_signature){.rrset = (uint32_t)i,
                                                                         .head = csn_bytes(head, planner->buf.size),
                                                                         .expiration_s = planned->expiration_s,
                                                                         .key = planned->key};
}

static int plan_signatures(struct planner *planner, size_t i, struct csn_reason *reason)
{
    struct csn_content_range *range = planner->range;
    const struct csn_rrset *rrset = &planner->content->zone->rrsets[i];
    struct csn_planned planned[CSN_SIGNATURES_MAX];
    const struct csn_signature *signatures[CSN_SIGNATURES_MAX];
    struct csn_rrset rrsigs;
    struct csn_digest leaf;
    size_t count = 0, first = range->signature_count;
    int code = csn_schedule_rrset(&planner->schedule, planner->hasher, rrset->owner, rrset->type, planned, &count, reason);
    if (code != CSN_OK) {
        return code;
    }
    for (size_t j = 0; j < count; j++) {
        add_signature(planner, i, &planned[j]);
    }
    for (size_t j = 0; j < count; j++) {
        signatures[j] = &range->signatures[first + j];
    }
    planner->content->work->slot_hashes[i] = planned[0].slot_hash;
    csn_rrsigs_pack(rrset, signatures, count, CSN_RRSIG_HEADS, &planner->buf, &rrsigs);
    csn_leaf(planner->hasher, &rrsigs, &leaf);
    csn_leaves_add(&range->r, &leaf);
    return CSN_OK;
}

static void hash_rrset(struct planner *planner, const struct csn_rrset *rrset)
{
    struct csn_digest leaf;
    switch (csn_class_of(planner->content->zone->apex, rrset)) {
    case CSN_CLASS_K:
        csn_leaf(planner->hasher, rrset, &leaf);
        csn_leaves_add(&planner->range->k, &leaf);
        break;
    case CSN_CLASS_N:
        csn_leaf(planner->hasher, rrset, &leaf);
        csn_leaves_add(&planner->range->n, &leaf);
        break;
    default:
        csn_leaf_data(planner->hasher, rrset, &leaf);
        csn_leaves_add(&planner->range->d, &leaf);
        break;
    }
}

static void range_free(struct csn_content_range *range)
{
    csn_leaves_fini(&range->d);
    csn_leaves_fini(&range->k);
    csn_leaves_fini(&range->n);
    csn_leaves_fini(&range->r);
    csn_arena_fini(&range->arena);
    free(range->signatures);
    free(range);
}

static void push_range(struct csn_content_work *work, struct csn_content_range *range)
{
    range->next = __atomic_load_n(&work->ranges, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&work->ranges, &range->next, range, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
}

int csn_content_plan(struct csn_content *content, size_t from, size_t to, struct csn_reason *reason)
{
    REQUIRE(from <= to && to <= content->zone->count);
    struct planner planner = {.content = content,
                              .schedule = {.policy = content->work->policy,
                                           .keyset = content->keyset,
                                           .time_s = content->params.time_s,
                                           .schedule_s = content->params.schedule_s},
                              .hasher = csn_hasher_new(),
                              .range = csn_calloc(1, sizeof(*planner.range))};
    planner.range->from = from;
    planner.range->to = to;
    int code = CSN_OK;
    for (size_t i = from; code == CSN_OK && i < to; i++) {
        hash_rrset(&planner, &content->zone->rrsets[i]);
        if (content->work->is_signed[i]) {
            code = plan_signatures(&planner, i, reason);
        }
    }
    if (code == CSN_OK) {
        push_range(content->work, planner.range);
    } else {
        range_free(planner.range);
    }
    csn_hasher_free(planner.hasher);
    csn_buf_fini(&planner.buf);
    return code;
}

static int compare_ranges(const void *a, const void *b)
{
    const struct csn_content_range *x = *(struct csn_content_range *const *)a, *y = *(struct csn_content_range *const *)b;
    if (x->from != y->from) {
        return x->from < y->from ? -1 : 1;
    }
    return (x->to > y->to) - (x->to < y->to);
}

/* The ranges in order; they must cover every RRset once: the caller's duty. */
static struct csn_content_range **sort_ranges(const struct csn_content *content, size_t *ret_count)
{
    size_t count = 0, at = 0;
    for (struct csn_content_range *range = content->work->ranges; range != NULL; range = range->next) {
        count++;
    }
    struct csn_content_range **ranges = csn_alloc(count * sizeof(struct csn_content_range *));
    for (struct csn_content_range *range = content->work->ranges; range != NULL; range = range->next) {
        ranges[at++] = range;
    }
    qsort(ranges, count, sizeof(struct csn_content_range *), compare_ranges);
    at = 0;
    for (size_t i = 0; i < count; i++) {
        REQUIRE(ranges[i]->from == at);
        at = ranges[i]->to;
    }
    REQUIRE(at == content->zone->count);
    *ret_count = count;
    return ranges;
}

static void join_signatures(struct csn_content *content, struct csn_content_range *const *ranges, size_t count)
{
    size_t total = 0, rrset = 0;
    for (size_t i = 0; i < count; i++) {
        total += ranges[i]->signature_count;
    }
    content->signatures = csn_alloc(total * sizeof(*content->signatures));
    for (size_t i = 0; i < count; i++) {
        if (ranges[i]->signature_count > 0) {
            memcpy(content->signatures + content->signature_count, ranges[i]->signatures,
                   ranges[i]->signature_count * sizeof(*content->signatures));
        }
        content->signature_count += ranges[i]->signature_count;
        free(ranges[i]->signatures);
        ranges[i]->signatures = NULL;
    }
    content->work->firsts = csn_alloc((content->zone->count + 1) * sizeof(uint32_t));
    for (size_t i = 0; i <= total; i++) {
        for (; rrset < content->zone->count && (i == total || rrset <= content->signatures[i].rrset); rrset++) {
            content->work->firsts[rrset] = (uint32_t)i;
        }
    }
    content->work->firsts[content->zone->count] = (uint32_t)total;
}

/* Appends the leaves of `more` to `all`. */
static void join_leaves(struct csn_leaves *all, struct csn_leaves *take_more)
{
    if (all->count == 0) {
        csn_leaves_fini(all);
        *all = *take_more;
        *take_more = (struct csn_leaves){0};
        return;
    }
    for (size_t i = 0; i < take_more->count; i++) {
        csn_leaves_add(all, &take_more->leaves[i]);
    }
    csn_leaves_fini(take_more);
}

static void compute_roots(struct csn_content *content, struct csn_content_range *const *ranges, size_t count)
{
    struct csn_leaves d = {0}, k = {0}, n = {0}, r = {0};
    for (size_t i = 0; i < count; i++) {
        join_leaves(&d, &ranges[i]->d);
        join_leaves(&k, &ranges[i]->k);
        join_leaves(&n, &ranges[i]->n);
        join_leaves(&r, &ranges[i]->r);
    }
    struct csn_hasher *hasher = csn_hasher_new();
    csn_class_root(hasher, CSN_CLASS_D, &d, &content->roots.d);
    csn_class_root(hasher, CSN_CLASS_K, &k, &content->roots.k);
    csn_class_root(hasher, CSN_CLASS_N, &n, &content->roots.n);
    csn_class_root(hasher, CSN_CLASS_R, &r, &content->roots.r);
    csn_hasher_free(hasher);
    csn_leaves_fini(&d);
    csn_leaves_fini(&k);
    csn_leaves_fini(&n);
    csn_leaves_fini(&r);
    csn_content_root(content->zone->apex, content->params.serial, content->params.time_s, &content->roots,
                     &content->content_root);
}

int csn_content_finish(struct csn_content *content, struct csn_reason *reason)
{
    size_t count;
    struct csn_content_range **ranges = sort_ranges(content, &count);
    join_signatures(content, ranges, count);
    compute_roots(content, ranges, count);
    free(ranges);
    if (!csn_digest_equal(&content->roots.d, &content->work->prepared)) {
        return csn_reason_set(reason, CSN_EMISMATCH, "class D of the staged content is not D(prepared) of the input");
    }
    return CSN_OK;
}

void csn_content_free(struct csn_content *take_content)
{
    if (take_content == NULL) {
        return;
    }
    struct csn_content_work *work = take_content->work;
    while (work->ranges != NULL) {
        struct csn_content_range *range = work->ranges;
        work->ranges = range->next;
        range_free(range);
    }
    csn_zone_unref(take_content->zone);
    csn_zone_unref(work->source);
    csn_arena_fini(&work->octets);
    free(work->is_signed);
    free(work->slot_hashes);
    free(work->firsts);
    free(work);
    free(take_content->signatures);
    free(take_content);
}
