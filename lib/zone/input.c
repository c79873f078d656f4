#include "zone/input.h"

#include <stdlib.h>

#include "dns/rdata.h"
#include "dns/serial.h"
#include "zone/digest.h"
#include "zone/owners.h"

struct csn_input *csn_input_ref(struct csn_input *input)
{
    __atomic_add_fetch(&input->refs, 1, __ATOMIC_RELAXED);
    return input;
}

void csn_input_unref(struct csn_input *take_input)
{
    if (take_input == NULL || __atomic_sub_fetch(&take_input->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    csn_zone_unref(take_input->zone);
    free(take_input);
}

static int read_soa(const struct csn_zone *zone, struct csn_soa *ret_soa)
{
    const struct csn_rrset *rrset = csn_zone_find(zone, zone->apex, CSN_TYPE_SOA);
    struct csn_bytes rdata;
    if (rrset == NULL || rrset->count != 1) {
        return CSN_EFORMAT;
    }
    struct csn_reader reader = csn_rdata_first(rrset);
    if (!csn_rdata_next(&reader, &rdata) || csn_rdata_check(CSN_TYPE_SOA, rdata, NULL) != CSN_OK) {
        return CSN_EFORMAT;
    }
    csn_soa_fields(rdata, ret_soa);
    return CSN_OK;
}

static void count_contents(struct csn_input *input)
{
    struct csn_owners owners = csn_owners_first(input->zone);
    while (csn_owners_next(&owners)) {
        input->delegations += owners.place == CSN_PLACE_CUT;
        for (size_t i = 0; i < owners.count; i++) {
            const struct csn_rrset *rrset = &owners.rrsets[i];
            input->records += rrset->count;
            if (csn_owners_is_signed(owners.place, rrset->type) && rrset->ttl > input->ttl_max) {
                input->ttl_max = rrset->ttl;
            }
        }
    }
}

static void add_leaves(struct csn_hasher *hasher, const struct csn_rrset *rrsets, size_t count,
                       struct csn_leaves *leaves)
{
    for (size_t i = 0; i < count; i++) {
        struct csn_digest leaf;
        csn_leaf_data(hasher, &rrsets[i], &leaf);
        csn_leaves_add(leaves, &leaf);
    }
}

/* D(prepared), and from it with what was removed D(received) (signing.md 4). */
static void digest_contents(struct csn_input *input, const struct csn_rrset *removed,
                            size_t removed_count)
{
    struct csn_hasher *hasher = csn_hasher_new();
    struct csn_leaves data = {0}, dropped = {0};
    add_leaves(hasher, input->zone->rrsets, input->zone->count, &data);
    add_leaves(hasher, removed, removed_count, &dropped);
    csn_class_root(hasher, CSN_CLASS_D, &data, &input->prepared);
    csn_class_root(hasher, CSN_CLASS_X, &dropped, &input->removed_hash);
    input->received = input->prepared;
    for (size_t i = 0; i < removed_count; i++) {
        csn_leaves_add(&data, &dropped.leaves[i]);
        input->removed += removed[i].count;
    }
    if (removed_count > 0) {
        csn_class_root(hasher, CSN_CLASS_D, &data, &input->received);
    }
    csn_leaves_fini(&data);
    csn_leaves_fini(&dropped);
    csn_hasher_free(hasher);
}

int csn_input_new(struct csn_zone *zone, const struct csn_rrset *removed, size_t removed_count,
                  struct csn_input **ret_input)
{
    struct csn_soa soa;
    if (read_soa(zone, &soa) != CSN_OK) {
        return CSN_EFORMAT;
    }
    struct csn_input *input = csn_calloc(1, sizeof(*input));
    input->zone = csn_zone_ref(zone);
    input->refs = 1;
    input->soa = soa;
    input->serial = soa.serial;
    count_contents(input);
    digest_contents(input, removed, removed_count);
    *ret_input = input;
    return CSN_OK;
}

int csn_input_from_prepared(struct csn_zone *zone, const struct csn_digest *received,
                            uint32_t removed, const struct csn_digest *removed_hash,
                            const struct csn_digest *prepared, struct csn_input **ret_input)
{
    struct csn_input *input = NULL;
    if (csn_input_new(zone, NULL, 0, &input) != CSN_OK) {
        return CSN_EMISMATCH;
    }
    if (!csn_digest_equal(&input->prepared, prepared)) {
        csn_input_unref(input);
        return CSN_EMISMATCH;
    }
    input->received = *received;
    input->removed = removed;
    input->removed_hash = *removed_hash;
    *ret_input = input;
    return CSN_OK;
}

static bool is_shrunk(uint64_t new, uint64_t old, unsigned shrink_percent)
{
    return new < old && (old - new) * 100 > (uint64_t)shrink_percent * old;
}

static bool has_same_apex_ns(const struct csn_input *new, const struct csn_input *old)
{
    const struct csn_rrset *a = csn_zone_find(new->zone, new->zone->apex, CSN_TYPE_NS);
    const struct csn_rrset *b = csn_zone_find(old->zone, old->zone->apex, CSN_TYPE_NS);
    return a != NULL && b != NULL && csn_bytes_equal(a->rdatas, b->rdatas);
}

const char *csn_gate_text(unsigned gate)
{
    switch (gate) {
#define CSN_GATE_TEXT(name, number, text)                                                          \
    case number:                                                                                   \
        return text;
        CSN_GATES(CSN_GATE_TEXT)
#undef CSN_GATE_TEXT
    }
    return NULL;
}

static enum csn_gate serial_gate(const struct csn_input *new, const struct csn_input *old,
                                 struct csn_reason *reason)
{
    if (new->serial == old->serial && !csn_digest_equal(&new->received, &old->received)) {
        csn_reason_set(reason, CSN_EREFUSED,
                       "serial-same: serial %u again with other content; raise the serial, or "
                       "order a new generation",
                       new->serial);
        return CSN_GATE_SERIAL_SAME;
    }
    if (new->serial != old->serial && !csn_serial_is_after(new->serial, old->serial)) {
        csn_reason_set(reason, CSN_EREFUSED,
                       "serial-back: serial %u is not after %u; raise the serial, or order a new "
                       "generation",
                       new->serial, old->serial);
        return CSN_GATE_SERIAL_BACK;
    }
    return CSN_GATE_NONE;
}

static enum csn_gate shrink_gate(const struct csn_input *new, const struct csn_input *old,
                                 unsigned percent, struct csn_reason *reason)
{
    if (is_shrunk(new->records, old->records, percent)) {
        csn_reason_set(reason, CSN_EREFUSED,
                       "shrink-records: %u records after %u, more than %u %% fewer; was it cut?",
                       new->records, old->records, percent);
        return CSN_GATE_SHRINK_RECORDS;
    }
    if (is_shrunk(new->delegations, old->delegations, percent)) {
        csn_reason_set(
            reason, CSN_EREFUSED,
            "shrink-delegations: %u delegations after %u, more than %u %% fewer; was it cut?",
            new->delegations, old->delegations, percent);
        return CSN_GATE_SHRINK_DELEGATIONS;
    }
    return CSN_GATE_NONE;
}

enum csn_gate csn_input_gate(const struct csn_input *new, const struct csn_input *old,
                             const struct csn_gates *gates, struct csn_reason *reason)
{
    enum csn_gate gate = CSN_GATE_NONE;
    if (old == NULL) {
        return CSN_GATE_NONE;
    }
    if (!gates->is_other_generation) {
        gate = serial_gate(new, old, reason);
    }
    if (gate != CSN_GATE_NONE || gates->is_approved) {
        return gate;
    }
    if (!has_same_apex_ns(new, old)) {
        csn_reason_set(reason, CSN_EREFUSED,
                       "apex-ns: the NS records at the apex changed; restore or approve them");
        return CSN_GATE_APEX_NS;
    }
    return shrink_gate(new, old, gates->shrink_percent, reason);
}
