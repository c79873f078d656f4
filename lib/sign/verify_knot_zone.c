/* The owners in their order: what is authoritative, signed and in the chain of NSEC; and what the
 * apex must have. */
#include "sign/verify_knot_own.h"

enum place { AUTHORITATIVE, CUT, BELOW_CUT };

/* Entries of one owner, and where it stands. */
struct group {
    const struct csn_entry *entries; /* borrows */
    size_t count;
    enum place place;
};

/* What the walk over the owners keeps between two. */
struct walk {
    const uint8_t *cut;           /* borrows; the last cut, or NULL */
    const uint8_t *dname;         /* borrows; the last authoritative DNAME's owner, or NULL */
    const struct csn_rrset *nsec; /* borrows; the last NSEC, or NULL */
    const uint8_t *next;          /* borrows; the name in it */
    uint32_t nsec_ttl;
};

static const struct csn_rrset *find(const struct group *group, uint16_t type)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->entries[i].rrset.type == type) {
            return &group->entries[i].rrset;
        }
    }
    return NULL;
}

/* The only record of an RRset. */
static bool single_rdata(const struct csn_rrset *rrset, struct csn_bytes *ret_rdata)
{
    struct csn_reader reader = csn_reader(rrset->rdatas);
    return csn_knot_next_rdata(&reader, ret_rdata) && csn_reader_done(&reader);
}

static bool is_below(const uint8_t *owner, const uint8_t *ancestor)
{
    return ancestor != NULL && knot_dname_in_bailiwick(owner, ancestor) > 0;
}

/* RFC 4034 6.1, and names as the whole system keeps them: inside the zone, lower case. */
static int check_owner(const struct csn_knot_check *check, size_t index)
{
    const struct csn_rrset *rrset = &check->job->entries[index].rrset;
    if (csn_knot_has_upper_case(rrset->owner, knot_dname_size(rrset->owner))) {
        return csn_knot_refuse(check, rrset, "owner is not in lower case");
    }
    if (knot_dname_in_bailiwick(rrset->owner, check->job->apex) < 0) {
        return csn_knot_refuse(check, rrset, "owner is outside the zone");
    }
    if (index == 0) {
        return CSN_OK;
    }
    const struct csn_rrset *last = &check->job->entries[index - 1].rrset;
    int order = knot_dname_cmp(last->owner, rrset->owner);
    if (order > 0 || (order == 0 && last->type >= rrset->type)) {
        return csn_knot_refuse(check, rrset, "not in canonical order");
    }
    return CSN_OK;
}

/* The entries of one owner, from `first`, each checked as an owner. */
static int take_group(const struct csn_knot_check *check, size_t first, struct group *ret_group)
{
    const struct csn_entry *entries = check->job->entries + first;
    size_t count = 0;
    do {
        int rc = check_owner(check, first + count);
        if (rc != CSN_OK) {
            return rc;
        }
        count++;
    } while (first + count < check->job->count &&
             knot_dname_is_equal(entries[count].rrset.owner, entries->rrset.owner));
    *ret_group = (struct group){.entries = entries, .count = count};
    return CSN_OK;
}

/* Cuts, and what they occlude (signing.md 1). */
static int place_group(const struct csn_knot_check *check, struct walk *walk, struct group *group)
{
    const uint8_t *owner = group->entries->rrset.owner;
    if (is_below(owner, walk->dname)) {
        return csn_knot_refuse(check, &group->entries->rrset, "below a DNAME"); /* RFC 6672 2.4 */
    }
    if (is_below(owner, walk->cut)) {
        group->place = BELOW_CUT;
        return CSN_OK;
    }
    if (find(group, KNOT_RRTYPE_NS) != NULL && !knot_dname_is_equal(owner, check->job->apex)) {
        group->place = CUT;
        walk->cut = owner;
        return CSN_OK;
    }
    group->place = AUTHORITATIVE;
    if (find(group, KNOT_RRTYPE_DNAME) != NULL) {
        walk->dname = owner;
    }
    return CSN_OK;
}

static bool is_to_be_signed(const struct group *group, uint16_t type)
{
    switch (group->place) {
    case AUTHORITATIVE:
        return true;
    case CUT:
        return type == KNOT_RRTYPE_DS || type == KNOT_RRTYPE_NSEC; /* RFC 4035 2.2 */
    default:
        return false;
    }
}

static int check_type(const struct csn_knot_check *check, const struct csn_rrset *rrset)
{
    bool is_apex = knot_dname_is_equal(rrset->owner, check->job->apex);
    switch (rrset->type) {
    case KNOT_RRTYPE_NSEC3:
    case KNOT_RRTYPE_NSEC3PARAM:
        return csn_knot_refuse(check, rrset, "NSEC3 is not verified by this version");
    case KNOT_RRTYPE_SOA:
    case KNOT_RRTYPE_DNSKEY:
        return is_apex ? CSN_OK : csn_knot_refuse(check, rrset, "only the apex may have this type");
    case KNOT_RRTYPE_RRSIG:
        return csn_knot_refuse(check, rrset, "RRSIG that covers no RRset of the zone");
    default:
        return knot_rrtype_is_metatype(rrset->type)
                   ? csn_knot_refuse(check, rrset, "not a type of zone data")
                   : CSN_OK;
    }
}

/* None missing, none over what is not ours to sign. */
static int check_signed(const struct csn_knot_check *check, const struct group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct csn_entry *entry = &group->entries[i];
        bool is_due = is_to_be_signed(group, entry->rrset.type);
        int rc = check_type(check, &entry->rrset);
        if (rc != CSN_OK) {
            return rc;
        }
        if (is_due && entry->rrsigs.count == 0) {
            return csn_knot_refuse(check, &entry->rrset, "RRSIG is missing");
        }
        if (!is_due && (entry->rrsigs.count != 0 || entry->rrsigs.rdatas.size != 0)) {
            return csn_knot_refuse(check, &entry->rrset, "RRSIG over %s",
                                   group->place == CUT ? "data of a cut" : "data below a cut");
        }
    }
    return CSN_OK;
}

/* RFC 4035 2.3: at a cut NS, DS, RRSIG, NSEC; elsewhere all that is there. */
static int check_bitmap(struct csn_knot_check *check, const struct group *group,
                        const struct csn_rrset *nsec, struct csn_bytes bitmap)
{
    dnssec_nsec_bitmap_clear(check->bitmap);
    dnssec_nsec_bitmap_add(check->bitmap, KNOT_RRTYPE_RRSIG);
    for (size_t i = 0; i < group->count; i++) {
        uint16_t type = group->entries[i].rrset.type;
        if (group->place == AUTHORITATIVE || type == KNOT_RRTYPE_NS ||
            is_to_be_signed(group, type)) {
            dnssec_nsec_bitmap_add(check->bitmap, type);
        }
    }
    size_t size = dnssec_nsec_bitmap_size(check->bitmap);
    csn_buf_clear(&check->types);
    dnssec_nsec_bitmap_write(check->bitmap, csn_buf_reserve(&check->types, size));
    if (!csn_bytes_equal(bitmap, csn_bytes(check->types.data, size))) {
        return csn_knot_refuse(check, nsec, "type bitmap is not that of the owner");
    }
    return CSN_OK;
}

static int check_next(const struct csn_knot_check *check, const struct walk *walk,
                      const struct csn_rrset *here, const uint8_t *owner)
{
    if (walk->nsec == NULL || knot_dname_is_equal(walk->next, owner)) {
        return CSN_OK;
    }
    char text[KNOT_DNAME_TXT_MAXLEN + 1] = "";
    knot_dname_to_str(text, owner, sizeof text);
    return csn_knot_refuse(check, here, "the chain is broken: the next name should be %s", text);
}

static int check_nsec(struct csn_knot_check *check, struct walk *walk, const struct group *group)
{
    const struct csn_rrset *nsec = find(group, KNOT_RRTYPE_NSEC);
    struct csn_bytes rdata;
    if (group->place == BELOW_CUT) {
        return nsec == NULL ? CSN_OK : csn_knot_refuse(check, nsec, "NSEC below a cut");
    }
    if (nsec == NULL) {
        return csn_knot_refuse(check, &group->entries->rrset, "the owner has no NSEC");
    }
    int rc = check_next(check, walk, walk->nsec, nsec->owner);
    if (rc != CSN_OK) {
        return rc;
    }
    if (!single_rdata(nsec, &rdata)) {
        return csn_knot_refuse(check, nsec, "not exactly one NSEC");
    }
    if (nsec->ttl != walk->nsec_ttl) { /* RFC 9077 */
        return csn_knot_refuse(check, nsec, "TTL is %u, not %u", nsec->ttl, walk->nsec_ttl);
    }
    int size =
        rdata.size > 0 ? knot_dname_wire_check(rdata.data, rdata.data + rdata.size, NULL) : -1;
    if (size <= 0) {
        return csn_knot_refuse(check, nsec, "next name is malformed");
    }
    walk->nsec = nsec;
    walk->next = rdata.data;
    return check_bitmap(check, group, nsec,
                        csn_bytes(rdata.data + size, rdata.size - (size_t)size));
}

static bool has_record(const struct csn_rrset *rrset, struct csn_bytes wanted)
{
    struct csn_reader reader = csn_reader(rrset->rdatas);
    struct csn_bytes rdata;
    while (csn_knot_next_rdata(&reader, &rdata)) {
        if (csn_bytes_equal(rdata, wanted)) {
            return true;
        }
    }
    return false;
}

static int check_dnskeys(const struct csn_knot_check *check, const struct csn_rrset *dnskey)
{
    if (dnskey->count != check->job->dnskey_count) {
        return csn_knot_refuse(check, dnskey, "%u keys, %zu in the key set", dnskey->count,
                               check->job->dnskey_count);
    }
    for (size_t i = 0; i < check->job->dnskey_count; i++) {
        if (!has_record(dnskey, check->job->dnskeys[i])) {
            return csn_knot_refuse(check, dnskey, "key %u of the key set is missing",
                                   check->keys[i].tag);
        }
    }
    return CSN_OK;
}

/* SOA, NS and DNSKEY stand at the apex, which comes first. */
static int check_apex(const struct csn_knot_check *check, struct walk *walk,
                      const struct group *apex)
{
    const struct csn_rrset *soa = find(apex, KNOT_RRTYPE_SOA);
    const struct csn_rrset *dnskey = find(apex, KNOT_RRTYPE_DNSKEY);
    struct csn_bytes rdata;
    if (!knot_dname_is_equal(apex->entries->rrset.owner, check->job->apex) || soa == NULL ||
        find(apex, KNOT_RRTYPE_NS) == NULL || dnskey == NULL) {
        return csn_knot_refuse(check, &apex->entries->rrset, "the apex lacks SOA, NS or DNSKEY");
    }
    if (!single_rdata(soa, &rdata) || !csn_knot_is_rdata_canonical(KNOT_RRTYPE_SOA, rdata)) {
        return csn_knot_refuse(check, soa, "not exactly one well-formed SOA");
    }
    uint32_t minimum = csn_get_u32(rdata.data + rdata.size - 4);
    walk->nsec_ttl = minimum < soa->ttl ? minimum : soa->ttl;
    return check_dnskeys(check, dnskey);
}

int csn_knot_check_zone(struct csn_knot_check *check)
{
    struct walk walk = {0};
    if (check->job->count == 0) {
        return csn_reason_set(check->reason, CSN_ESIGNATURE, "the zone is empty");
    }
    for (size_t i = 0; i < check->job->count;) {
        struct group group;
        int rc = take_group(check, i, &group);
        if (rc == CSN_OK && i == 0) {
            rc = check_apex(check, &walk, &group);
        }
        if (rc == CSN_OK) {
            rc = place_group(check, &walk, &group);
        }
        if (rc == CSN_OK) {
            rc = check_signed(check, &group);
        }
        if (rc == CSN_OK) {
            rc = check_nsec(check, &walk, &group);
        }
        if (rc != CSN_OK) {
            return rc;
        }
        i += group.count;
    }
    return check_next(check, &walk, walk.nsec, check->job->apex);
}
