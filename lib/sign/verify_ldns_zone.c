/* The owners in their order: what is authoritative, signed and in the chain of NSEC; and what the
 * apex must have. */
#include "sign/verify_ldns_own.h"

#include <stdlib.h>

/* Where the walk stands. Entries [first, last) are one owner's. */
struct walk {
    size_t first, last;
    ldns_rdf owner; /* borrows its octets */
    bool is_apex;
    bool is_cut;
    bool is_below_cut;
    ldns_rdf cut;   /* the last cut; no data: none */
    ldns_rdf dname; /* the last authoritative DNAME; no data: none */
    ldns_rr *nsec;  /* owns; the last NSEC */
    uint32_t nsec_ttl;
};

static bool is_lower(const ldns_rdf *name)
{
    const uint8_t *octets = ldns_rdf_data(name);
    /* A label's length is below 'A'. */
    for (size_t i = 0; i < ldns_rdf_size(name); i++) {
        if (octets[i] >= 'A' && octets[i] <= 'Z') {
            return false;
        }
    }
    return true;
}

static bool is_below(const ldns_rdf *name, const ldns_rdf *ancestor)
{
    return ldns_rdf_data(ancestor) != NULL && ldns_dname_is_subdomain(name, ancestor);
}

static const struct csn_rrset *find(const struct csn_ldns_check *check, const struct walk *walk,
                                    unsigned type)
{
    for (size_t i = walk->first; i < walk->last; i++) {
        if (check->job->entries[i].rrset.type == type) {
            return &check->job->entries[i].rrset;
        }
    }
    return NULL;
}

/* The only record of `rrset` as ldns reads it, or NULL. */
static ldns_rr *single_rr(const struct csn_ldns_check *check, const struct walk *walk,
                          const struct csn_rrset *rrset)
{
    struct csn_bytes rdata;
    size_t at = 0;
    if (!csn_ldns_next_record(rrset, &at, &rdata) || at != rrset->rdatas.size) {
        return NULL;
    }
    return csn_ldns_make_rr(check, &walk->owner, rrset->type, rrset->ttl, rdata);
}

/* Moves on to the next owner: canonical order (RFC 4034 6.1), inside the zone, lower case. */
static int next_owner(const struct csn_ldns_check *check, struct walk *walk)
{
    const struct csn_entry *entries = check->job->entries;
    ldns_rdf last = walk->owner;
    walk->first = walk->last++;
    walk->owner = csn_ldns_borrow_name(entries[walk->first].rrset.owner);
    if (!is_lower(&walk->owner)) {
        return csn_ldns_refuse(check, &walk->owner, entries[walk->first].rrset.type,
                               "owner is not in lower case");
    }
    walk->is_apex = ldns_dname_compare(&walk->owner, &check->apex) == 0;
    if (!walk->is_apex && !ldns_dname_is_subdomain(&walk->owner, &check->apex)) {
        return csn_ldns_refuse(check, &walk->owner, entries[walk->first].rrset.type,
                               "owner is outside the zone");
    }
    if (walk->first > 0 && ldns_dname_compare(&last, &walk->owner) >= 0) {
        return csn_ldns_refuse(check, &walk->owner, entries[walk->first].rrset.type,
                               "not in canonical order");
    }
    for (; walk->last < check->job->count; walk->last++) {
        ldns_rdf name = csn_ldns_borrow_name(entries[walk->last].rrset.owner);
        if (ldns_dname_compare(&name, &walk->owner) != 0) {
            break;
        }
        if (!is_lower(&name) ||
            entries[walk->last].rrset.type <= entries[walk->last - 1].rrset.type) {
            return csn_ldns_refuse(check, &walk->owner, entries[walk->last].rrset.type,
                                   "not in canonical order");
        }
    }
    return CSN_OK;
}

/* Authoritative, a cut, or below one (signing.md 1). */
static int place_owner(const struct csn_ldns_check *check, struct walk *walk)
{
    if (is_below(&walk->owner, &walk->dname)) { /* RFC 6672 2.4 */
        return csn_ldns_refuse(check, &walk->owner, check->job->entries[walk->first].rrset.type,
                               "below a DNAME");
    }
    walk->is_below_cut = is_below(&walk->owner, &walk->cut);
    walk->is_cut =
        !walk->is_below_cut && !walk->is_apex && find(check, walk, LDNS_RR_TYPE_NS) != NULL;
    if (walk->is_cut) {
        walk->cut = walk->owner;
    } else if (!walk->is_below_cut && find(check, walk, LDNS_RR_TYPE_DNAME) != NULL) {
        walk->dname = walk->owner;
    }
    return CSN_OK;
}

static bool is_authoritative(const struct walk *walk, unsigned type)
{
    if (walk->is_cut) {
        return type == LDNS_RR_TYPE_DS || type == LDNS_RR_TYPE_NSEC; /* RFC 4035 2.2 */
    }
    return !walk->is_below_cut;
}

/* Types that have no place in the zone, or not here. 0, 41 and 128 to 255 are meta-types (RFC
 * 6895 3.1). */
static int check_type(const struct csn_ldns_check *check, const struct walk *walk, unsigned type)
{
    if (type == LDNS_RR_TYPE_NSEC3 || type == LDNS_RR_TYPE_NSEC3PARAM) {
        return csn_ldns_refuse(check, &walk->owner, type, "NSEC3 is not verified by this version");
    }
    if (type == LDNS_RR_TYPE_RRSIG) {
        return csn_ldns_refuse(check, &walk->owner, type, "RRSIG that covers no RRset of the zone");
    }
    if (type == 0 || type == LDNS_RR_TYPE_OPT || (type >= 128 && type <= 255)) {
        return csn_ldns_refuse(check, &walk->owner, type, "not a type of zone data");
    }
    if ((type == LDNS_RR_TYPE_SOA || type == LDNS_RR_TYPE_DNSKEY) && !walk->is_apex) {
        return csn_ldns_refuse(check, &walk->owner, type, "only the apex may have this type");
    }
    return CSN_OK;
}

static int check_types(const struct csn_ldns_check *check, const struct walk *walk)
{
    int rc = CSN_OK;
    for (size_t i = walk->first; i < walk->last && rc == CSN_OK; i++) {
        const struct csn_entry *entry = &check->job->entries[i];
        bool is_signed = entry->rrsigs.count > 0 || entry->rrsigs.rdatas.size > 0;
        unsigned type = entry->rrset.type;
        rc = check_type(check, walk, type);
        if (rc == CSN_OK && is_authoritative(walk, type) && !is_signed) {
            rc = csn_ldns_refuse(check, &walk->owner, type, "RRSIG is missing");
        } else if (rc == CSN_OK && !is_authoritative(walk, type) && is_signed) {
            rc = csn_ldns_refuse(check, &walk->owner, type, "RRSIG over %s",
                                 walk->is_cut ? "data of a cut" : "data below a cut");
        }
    }
    return rc;
}

/* --- the chain */

/* The bitmap that the owner should have, by ldns; NULL without memory. The caller frees it. RFC
 * 4035 2.3. */
static ldns_rdf *make_bitmap(struct csn_ldns_check *check, const struct walk *walk)
{
    size_t count = 0, count_max = walk->last - walk->first + 1;
    if (count_max > check->types_max) {
        check->types = csn_realloc(check->types, count_max, sizeof *check->types);
        check->types_max = count_max;
    }
    check->types[count++] = LDNS_RR_TYPE_RRSIG;
    for (size_t i = walk->first; i < walk->last; i++) {
        unsigned type = check->job->entries[i].rrset.type;
        if (is_authoritative(walk, type) || type == LDNS_RR_TYPE_NS) {
            check->types[count++] = (ldns_rr_type)type;
        }
    }
    return ldns_dnssec_create_nsec_bitmap(check->types, count, LDNS_RR_TYPE_NSEC);
}

static int check_bitmap(struct csn_ldns_check *check, const struct walk *walk, const ldns_rr *nsec)
{
    ldns_rdf *due = make_bitmap(check, walk);
    const ldns_rdf *bitmap = ldns_nsec_get_bitmap(nsec);
    bool is_equal = due != NULL && bitmap != NULL && ldns_rdf_compare(due, bitmap) == 0;
    ldns_rdf_deep_free(due);
    return is_equal ? CSN_OK
                    : csn_ldns_refuse(check, &walk->owner, LDNS_RR_TYPE_NSEC,
                                      "type bitmap is not that of the owner");
}

/* The last NSEC names `next`. */
static int check_link(const struct csn_ldns_check *check, const struct walk *walk,
                      const ldns_rdf *next)
{
    if (walk->nsec == NULL) {
        return CSN_OK;
    }
    const ldns_rdf *named = ldns_rr_rdf(walk->nsec, 0);
    if (is_lower(named) && ldns_dname_compare(named, next) == 0) {
        return CSN_OK;
    }
    char *text = ldns_rdf2str(next);
    int rc = csn_ldns_refuse(check, ldns_rr_owner(walk->nsec), LDNS_RR_TYPE_NSEC,
                             "the chain is broken: the next name should be %s",
                             text != NULL ? text : "?");
    free(text);
    return rc;
}

static int check_nsec(struct csn_ldns_check *check, struct walk *walk)
{
    const struct csn_rrset *rrset = find(check, walk, LDNS_RR_TYPE_NSEC);
    if (walk->is_below_cut) {
        return rrset == NULL
                   ? CSN_OK
                   : csn_ldns_refuse(check, &walk->owner, LDNS_RR_TYPE_NSEC, "NSEC below a cut");
    }
    if (rrset == NULL) {
        return csn_ldns_refuse(check, &walk->owner, check->job->entries[walk->first].rrset.type,
                               "the owner has no NSEC");
    }
    int rc = check_link(check, walk, &walk->owner);
    if (rc != CSN_OK) {
        return rc;
    }
    if (rrset->ttl != walk->nsec_ttl) { /* RFC 9077 */
        return csn_ldns_refuse(check, &walk->owner, LDNS_RR_TYPE_NSEC, "TTL is %u, not %u",
                               rrset->ttl, walk->nsec_ttl);
    }
    ldns_rr_free(walk->nsec);
    walk->nsec = single_rr(check, walk, rrset);
    if (walk->nsec == NULL || ldns_rr_rd_count(walk->nsec) != 2) {
        return csn_ldns_refuse(check, &walk->owner, LDNS_RR_TYPE_NSEC,
                               "not exactly one well-formed NSEC");
    }
    return check_bitmap(check, walk, walk->nsec);
}

/* --- the apex */

static bool is_in_key_set(const struct csn_ldns_check *check, struct csn_bytes rdata)
{
    for (size_t i = 0; i < check->job->dnskey_count; i++) {
        if (csn_bytes_equal(check->job->dnskeys[i], rdata)) {
            return true;
        }
    }
    return false;
}

/* As many as the key set has, each one of them; csn_ldns_check_entry sees that no two are equal. */
static int check_dnskeys(const struct csn_ldns_check *check, const struct csn_rrset *rrset)
{
    struct csn_bytes rdata;
    size_t at = 0, count = 0;
    for (; csn_ldns_next_record(rrset, &at, &rdata); count++) {
        if (!is_in_key_set(check, rdata)) {
            return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                                   "a key that is not in the key set");
        }
    }
    if (count != check->job->dnskey_count) {
        return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_DNSKEY,
                               "%zu keys, %zu in the key set", count, check->job->dnskey_count);
    }
    return CSN_OK;
}

static int check_apex(const struct csn_ldns_check *check, struct walk *walk)
{
    const struct csn_rrset *soa = find(check, walk, LDNS_RR_TYPE_SOA);
    const struct csn_rrset *dnskey = find(check, walk, LDNS_RR_TYPE_DNSKEY);
    if (!walk->is_apex || soa == NULL || dnskey == NULL ||
        find(check, walk, LDNS_RR_TYPE_NS) == NULL) {
        return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_SOA,
                               "the apex lacks SOA, NS or DNSKEY");
    }
    ldns_rr *rr = single_rr(check, walk, soa);
    if (rr == NULL) {
        return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_SOA,
                               "not exactly one well-formed SOA");
    }
    uint32_t minimum = ldns_rdf2native_int32(ldns_rr_rdf(rr, 6));
    ldns_rr_free(rr);
    walk->nsec_ttl = minimum < soa->ttl ? minimum : soa->ttl;
    return check_dnskeys(check, dnskey);
}

static int check_owner(struct csn_ldns_check *check, struct walk *walk)
{
    int rc = next_owner(check, walk);
    if (rc == CSN_OK && walk->first == 0) {
        rc = check_apex(check, walk);
    }
    if (rc == CSN_OK) {
        rc = place_owner(check, walk);
    }
    if (rc == CSN_OK) {
        rc = check_types(check, walk);
    }
    if (rc == CSN_OK) {
        rc = check_nsec(check, walk);
    }
    return rc;
}

int csn_ldns_check_zone(struct csn_ldns_check *check)
{
    struct walk walk = {0};
    int rc = CSN_OK;
    if (check->job->count == 0) {
        return csn_ldns_refuse(check, &check->apex, LDNS_RR_TYPE_SOA, "the zone is empty");
    }
    while (rc == CSN_OK && walk.last < check->job->count) {
        rc = check_owner(check, &walk);
    }
    if (rc == CSN_OK) {
        rc = check_link(check, &walk, &check->apex);
    }
    ldns_rr_free(walk.nsec);
    return rc;
}
