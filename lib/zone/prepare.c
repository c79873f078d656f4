#include "zone/prepare.h"

#include <stdlib.h>
#include <string.h>

#include "dns/rdata.h"
#include "zone/owners.h"

#define TTL_MAX UINT32_C(0x7fffffff) /* RFC 2181 8 */
#define RRSET_RECORDS_MAX 65535      /* the count in a leaf has 16 bits; more is refused */

/* A record in canonical form. */
struct kept {
    const uint8_t *owner; /* borrows from the arena */
    uint32_t ttl;
    uint32_t line;
    uint16_t type;
    uint16_t size;
    uint8_t rdata[];
};

/* What is sorted: most comparisons are decided by the first octets of the owner's key below the
 * apex. */
struct item {
    uint64_t prefix;
    const struct kept *kept; /* borrows from the arena */
};

/* A name that an NS record names. */
struct target {
    uint64_t prefix;
    const uint8_t *name; /* borrows from the zone */
};

struct csn_prepare {
    uint8_t apex[CSN_NAME_MAX];
    size_t apex_key_size; /* of the octets all keys of the zone begin with */
    const uint8_t **drop; /* owns; names in drop_arena, ascending */
    size_t drop_count;
    struct csn_arena arena; /* owns owners and records */
    struct csn_arena drop_arena;
    struct item *items; /* owns */
    size_t count, count_max;
    struct csn_zone *zone;  /* owns a reference, after grouping */
    uint32_t *lines;        /* owns; of the first record of each RRset of `zone` */
    struct target *targets; /* owns; in-zone targets of all NS, ascending */
    size_t target_count, target_count_max;
    struct csn_rrset *removed; /* owns; borrows from the zone's arena */
    size_t removed_count;
    uint32_t ttl_warnings, unnamed_addresses;
};

static uint64_t prefix_of(const struct csn_prepare *prepare, const uint8_t *name)
{
    uint8_t key[CSN_KEY_MAX + sizeof(uint64_t)];
    size_t size = csn_key_encode(name, 0, key);
    memset(key + size, 0, sizeof(uint64_t));
    return csn_get_u64(key + prepare->apex_key_size);
}

static int compare_names(const void *a, const void *b)
{
    return csn_name_compare(*(const uint8_t *const *)a, *(const uint8_t *const *)b);
}

struct csn_prepare *csn_prepare_new(const uint8_t *apex, const uint8_t *const *drop,
                                    size_t drop_count)
{
    struct csn_prepare *prepare = csn_calloc(1, sizeof(*prepare));
    uint8_t key[CSN_KEY_MAX];
    memcpy(prepare->apex, apex, csn_name_size(apex));
    csn_name_lower(prepare->apex);
    prepare->apex_key_size =
        csn_key_encode(prepare->apex, 0, key) - 3; /* without the name's end and the type */
    prepare->drop = csn_calloc(drop_count, sizeof(*prepare->drop));
    for (prepare->drop_count = 0; prepare->drop_count < drop_count; prepare->drop_count++) {
        const uint8_t *name = drop[prepare->drop_count];
        prepare->drop[prepare->drop_count] =
            csn_arena_copy(&prepare->drop_arena, name, csn_name_size(name));
    }
    qsort(prepare->drop, drop_count, sizeof(*prepare->drop), compare_names);
    return prepare;
}

/* What only the collected records need. */
static void free_records(struct csn_prepare *prepare)
{
    csn_arena_fini(&prepare->arena);
    free(prepare->items);
    prepare->items = NULL;
    prepare->count = prepare->count_max = 0;
}

void csn_prepare_free(struct csn_prepare *take_prepare)
{
    if (take_prepare == NULL) {
        return;
    }
    free_records(take_prepare);
    csn_arena_fini(&take_prepare->drop_arena);
    csn_zone_unref(take_prepare->zone);
    free(take_prepare->drop);
    free(take_prepare->lines);
    free(take_prepare->targets);
    free(take_prepare->removed);
    free(take_prepare);
}

/* --- add: the syntax of each record, lower case, TTL, stripping */

static int refuse_record(const uint8_t *owner, const char *code, const char *text,
                         struct csn_reason *reason)
{
    char name[CSN_NAME_TEXT_MAX];
    csn_name_text(owner, name);
    return csn_reason_set(reason, CSN_EREFUSED, "%s: %s %s", code, name, text);
}

static int refuse_rdata(const uint8_t *owner, const struct csn_reason *inner,
                        struct csn_reason *reason)
{
    char name[CSN_NAME_TEXT_MAX];
    csn_name_text(owner, name);
    return csn_reason_set(reason, CSN_EREFUSED, "%s, owner %s", inner->text, name);
}

/* In the order of signing.md 1; `owner` is lower case. */
static int check_record(const struct csn_prepare *prepare, const struct csn_record *record,
                        const uint8_t *owner, struct csn_reason *reason)
{
    if (record->class != CSN_CLASS_IN) {
        return refuse_record(owner, "class", "is of another class; only IN is signed", reason);
    }
    if (!csn_name_is_under(owner, prepare->apex)) {
        return refuse_record(owner, "out-of-zone", "is not in the zone", reason);
    }
    if (csn_type_is_meta(record->type)) {
        return refuse_record(owner, "meta-type", "has a type that no zone may hold", reason);
    }
    if (record->rdata.size > UINT16_MAX) {
        return refuse_record(owner, "rdata", "has over 65535 octets of RDATA", reason);
    }
    struct csn_reason inner;
    int code = csn_rdata_check(record->type, record->rdata, &inner);
    return code == CSN_OK ? CSN_OK : refuse_rdata(owner, &inner, reason);
}

/* DNSSEC records are made here; those that come in are not ours, and keys come from the key set
 * alone. */
static bool is_stripped(const struct csn_prepare *prepare, const uint8_t *owner, uint16_t type)
{
    switch (type) {
    case CSN_TYPE_RRSIG:
    case CSN_TYPE_NSEC:
    case CSN_TYPE_NSEC3:
    case CSN_TYPE_NSEC3PARAM:
    case CSN_TYPE_ZONEMD:
        return true;
    case CSN_TYPE_DNSKEY:
    case CSN_TYPE_CDS:
    case CSN_TYPE_CDNSKEY:
        return csn_name_equal(owner, prepare->apex);
    default:
        return false;
    }
}

static struct item *add_item(struct csn_prepare *prepare)
{
    if (prepare->count == prepare->count_max) {
        prepare->count_max = prepare->count_max ? prepare->count_max * 2 : 256;
        prepare->items = csn_realloc(prepare->items, prepare->count_max, sizeof(*prepare->items));
    }
    return &prepare->items[prepare->count++];
}

static void keep_record(struct csn_prepare *prepare, const struct csn_record *record,
                        const uint8_t *owner)
{
    const struct item *last = prepare->count > 0 ? &prepare->items[prepare->count - 1] : NULL;
    struct kept *kept =
        csn_arena_alloc(&prepare->arena, sizeof(*kept) + record->rdata.size, _Alignof(struct kept));
    struct item item = {.kept = kept};
    if (last != NULL && csn_name_equal(last->kept->owner, owner)) {
        kept->owner = last->kept->owner;
        item.prefix = last->prefix;
    } else {
        kept->owner = csn_arena_copy(&prepare->arena, owner, csn_name_size(owner));
        item.prefix = prefix_of(prepare, owner);
    }
    kept->ttl = record->ttl > TTL_MAX ? 0 : record->ttl;
    kept->line = record->line;
    kept->type = record->type;
    kept->size = (uint16_t)record->rdata.size;
    if (kept->size > 0) {
        memcpy(kept->rdata, record->rdata.data, kept->size);
    }
    csn_rdata_lower(kept->type, kept->rdata, kept->size);
    *add_item(prepare) = item;
}

int csn_prepare_add(struct csn_prepare *prepare, const struct csn_record *record,
                    struct csn_reason *reason)
{
    uint8_t owner[CSN_NAME_MAX];
    size_t size = csn_name_check(record->owner);
    if (size == 0 || size != record->owner.size) {
        return csn_reason_set(reason, CSN_EREFUSED, "owner: not a name of at most 255 octets");
    }
    memcpy(owner, record->owner.data, size);
    csn_name_lower(owner);
    int code = check_record(prepare, record, owner, reason);
    if (code == CSN_OK && !is_stripped(prepare, owner, record->type)) {
        keep_record(prepare, record, owner);
    }
    return code;
}

/* --- finish, first: records to RRsets */

static bool has_same_owner(const struct item *a, const struct item *b)
{
    return a->prefix == b->prefix &&
           (a->kept->owner == b->kept->owner || csn_name_equal(a->kept->owner, b->kept->owner));
}

static struct csn_bytes rdata_of(const struct item *item)
{
    return csn_bytes(item->kept->rdata, item->kept->size);
}

static int compare_items(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    if (a->prefix != b->prefix) {
        return a->prefix < b->prefix ? -1 : 1;
    }
    int order =
        a->kept->owner == b->kept->owner ? 0 : csn_name_compare(a->kept->owner, b->kept->owner);
    if (order == 0) {
        order = a->kept->type - b->kept->type;
    }
    return order != 0 ? order : csn_bytes_compare(rdata_of(a), rdata_of(b));
}

static void sort_items(struct csn_prepare *prepare)
{
    for (size_t i = 1; i < prepare->count; i++) {
        if (compare_items(&prepare->items[i - 1], &prepare->items[i]) > 0) {
            qsort(prepare->items, prepare->count, sizeof(*prepare->items), compare_items);
            return;
        }
    }
}

/* `line` 0 is left out. */
static int refuse_rrset(const uint8_t *owner, uint16_t type, uint32_t line, const char *code,
                        const char *text, struct csn_reason *reason)
{
    char name[CSN_NAME_TEXT_MAX], type_name[16];
    csn_name_text(owner, name);
    csn_type_text(type, type_name);
    if (line == 0) {
        return csn_reason_set(reason, CSN_EREFUSED, "%s: %s %s: %s", code, name, type_name, text);
    }
    return csn_reason_set(reason, CSN_EREFUSED, "%s: %s %s, line %u: %s", code, name, type_name,
                          line, text);
}

/* The line to name when an RRset is refused: its first, but of two SOAs that of the second, since the
 * zone's own as a rule stands first. */
static uint32_t line_of(const struct item *items, size_t count)
{
    const struct item *first = &items[0], *second = NULL;
    for (size_t i = 1; i < count; i++) {
        first = items[i].kept->line < first->kept->line ? &items[i] : first;
    }
    for (size_t i = 0; first->kept->type == CSN_TYPE_SOA && i < count; i++) {
        if (!csn_bytes_equal(rdata_of(&items[i]), rdata_of(first)) &&
            (second == NULL || items[i].kept->line < second->kept->line)) {
            second = &items[i];
        }
    }
    return second != NULL ? second->kept->line : first->kept->line;
}

/* The RRset of items[0..count), of one owner and type in the order of RDATA: the lowest TTL, each
 * RDATA once. */
static int add_rrset(struct csn_prepare *prepare, const struct item *items, size_t count,
                     struct csn_buf *buf, struct csn_reason *reason)
{
    const struct kept *first = items[0].kept;
    uint32_t ttl = first->ttl, line = line_of(items, count), records = 0;
    bool has_unequal_ttls = false;
    csn_buf_clear(buf);
    for (size_t i = 0; i < count; i++) {
        const struct kept *kept = items[i].kept;
        has_unequal_ttls |= kept->ttl != ttl;
        ttl = kept->ttl < ttl ? kept->ttl : ttl;
        if (i == 0 || !csn_bytes_equal(rdata_of(&items[i - 1]), rdata_of(&items[i]))) {
            csn_buf_put_u16(buf, kept->size);
            csn_buf_put(buf, kept->rdata, kept->size);
            records++;
        }
    }
    if (records > RRSET_RECORDS_MAX) {
        return refuse_rrset(first->owner, first->type, line, "rrset-size", "over 65535 records",
                            reason);
    }
    prepare->ttl_warnings += has_unequal_ttls;
    prepare->lines[prepare->zone->count] = line;
    csn_zone_add(prepare->zone, &(struct csn_rrset){.owner = first->owner,
                                                    .rdatas = csn_buf_view(buf),
                                                    .ttl = ttl,
                                                    .type = first->type,
                                                    .count = (uint16_t)records});
    return CSN_OK;
}

static int group(struct csn_prepare *prepare, struct csn_reason *reason)
{
    struct csn_buf buf = {0};
    int code = CSN_OK;
    prepare->zone = csn_zone_new(prepare->apex);
    prepare->lines = csn_calloc(prepare->count, sizeof(*prepare->lines));
    for (size_t from = 0, to; from < prepare->count && code == CSN_OK; from = to) {
        const struct item *first = &prepare->items[from];
        for (to = from + 1;
             to < prepare->count && prepare->items[to].kept->type == first->kept->type &&
             has_same_owner(first, &prepare->items[to]);
             to++) {
        }
        code = add_rrset(prepare, first, to - from, &buf, reason);
    }
    csn_buf_fini(&buf);
    csn_zone_seal(prepare->zone);
    free_records(prepare);
    return code;
}

/* --- second: the structural refusals, on all names, occluded ones too */

/* What the checks of an owner's RRsets ask. */
struct facts {
    bool is_apex, is_wildcard, is_below_dname, is_alone;
    bool has_ns, has_dname;
};

struct refusal {
    const char *code, *text;
};

static const struct refusal *check_rrset(const struct facts *facts, const struct csn_rrset *rrset)
{
    static const struct refusal soa = {"soa", "a second SOA, or one below the apex"};
    static const struct refusal cname_other = {"cname-other", "a CNAME beside other data"};
    static const struct refusal cname_many = {"cname-many", "more than one CNAME"};
    static const struct refusal dname_many = {"dname-many", "more than one DNAME"};
    static const struct refusal dname_ns = {"dname-ns", "a DNAME beside NS below the apex"};
    static const struct refusal ds_apex = {"ds-apex", "DS belongs to the parent"};
    static const struct refusal ds_no_ns = {"ds-no-ns", "DS without NS"};
    static const struct refusal dnskey_below = {"dnskey-below", "DNSKEY below the apex"};
    static const struct refusal ns_wildcard = {"ns-wildcard", "NS at a wildcard"};
    static const struct refusal below_dname = {"below-dname",
                                               "a record below a DNAME (RFC 6672 2.4)"};
    switch (rrset->type) {
    case CSN_TYPE_SOA:
        if (!facts->is_apex || rrset->count > 1) {
            return &soa;
        }
        break;
    case CSN_TYPE_CNAME:
        if (!facts->is_alone || rrset->count > 1) {
            return facts->is_alone ? &cname_many : &cname_other;
        }
        break;
    case CSN_TYPE_DNAME:
        if (rrset->count > 1 || (facts->has_ns && !facts->is_apex)) {
            return rrset->count > 1 ? &dname_many : &dname_ns;
        }
        break;
    case CSN_TYPE_DS:
        if (facts->is_apex || !facts->has_ns) {
            return facts->is_apex ? &ds_apex : &ds_no_ns;
        }
        break;
    case CSN_TYPE_DNSKEY: /* at the apex it was stripped */
        return &dnskey_below;
    case CSN_TYPE_NS:
        if (facts->is_wildcard) {
            return &ns_wildcard;
        }
        break;
    default:
        break;
    }
    return facts->is_below_dname ? &below_dname : NULL;
}

static struct facts facts_of(const struct csn_prepare *prepare, const struct csn_owners *owners,
                             const uint8_t *dname)
{
    const uint8_t *owner = owners->rrsets[0].owner;
    struct facts facts = {.is_apex = csn_name_equal(owner, prepare->apex),
                          .is_wildcard = owner[0] == 1 && owner[1] == '*',
                          .is_alone = owners->count == 1};
    for (size_t i = 0; i < owners->count; i++) {
        facts.has_ns |= owners->rrsets[i].type == CSN_TYPE_NS;
        facts.has_dname |= owners->rrsets[i].type == CSN_TYPE_DNAME;
    }
    facts.is_below_dname = dname != NULL && csn_name_is_under(owner, dname);
    return facts;
}

static int check_apex(const struct csn_prepare *prepare, struct csn_reason *reason)
{
    if (csn_zone_find(prepare->zone, prepare->apex, CSN_TYPE_SOA) == NULL) {
        return refuse_record(prepare->apex, "soa", "has no SOA", reason);
    }
    if (csn_zone_find(prepare->zone, prepare->apex, CSN_TYPE_NS) == NULL) {
        return refuse_record(prepare->apex, "no-apex-ns", "has no NS", reason);
    }
    return CSN_OK;
}

static int check_structure(const struct csn_prepare *prepare, struct csn_reason *reason)
{
    const uint8_t *dname = NULL; /* the owner before, if it has a DNAME: the first name below would
                                    follow it at once */
    struct csn_owners owners = csn_owners_first(prepare->zone);
    while (csn_owners_next(&owners)) {
        struct facts facts = facts_of(prepare, &owners, dname);
        for (size_t i = 0; i < owners.count; i++) {
            const struct csn_rrset *rrset = &owners.rrsets[i];
            const struct refusal *refusal = check_rrset(&facts, rrset);
            if (refusal != NULL) {
                return refuse_rrset(rrset->owner, rrset->type,
                                    prepare->lines[rrset - prepare->zone->rrsets], refusal->code,
                                    refusal->text, reason);
            }
        }
        dname = facts.has_dname ? owners.rrsets[0].owner : NULL;
    }
    return check_apex(prepare, reason);
}

/* --- third: orphan glue and addresses that nothing names */

static int compare_targets(const void *left, const void *right)
{
    const struct target *a = left, *b = right;
    if (a->prefix != b->prefix) {
        return a->prefix < b->prefix ? -1 : 1;
    }
    return csn_name_compare(a->name, b->name);
}

static void add_target(struct csn_prepare *prepare, const uint8_t *name)
{
    if (!csn_name_is_under(name, prepare->apex)) {
        return;
    }
    if (prepare->target_count == prepare->target_count_max) {
        prepare->target_count_max = prepare->target_count_max ? prepare->target_count_max * 2 : 64;
        prepare->targets =
            csn_realloc(prepare->targets, prepare->target_count_max, sizeof(*prepare->targets));
    }
    prepare->targets[prepare->target_count++] = (struct target){prefix_of(prepare, name), name};
}

/* The targets of every NS RRset count, the apex's and occluded ones too. Sorted rather than hashed:
 * registrants choose the names, and the walk that asks for them goes in the same order. */
static void collect_targets(struct csn_prepare *prepare)
{
    for (size_t i = 0; i < prepare->zone->count; i++) {
        const struct csn_rrset *rrset = &prepare->zone->rrsets[i];
        struct csn_reader reader = csn_rdata_first(rrset);
        struct csn_bytes rdata;
        while (rrset->type == CSN_TYPE_NS && csn_rdata_next(&reader, &rdata)) {
            add_target(prepare, rdata.data);
        }
    }
    if (prepare->target_count > 0) {
        qsort(prepare->targets, prepare->target_count, sizeof(*prepare->targets), compare_targets);
    }
}

/* Whether an NS names `owner`. Owners ascend from call to call; *at is the walk's place in the
 * targets. */
static bool is_target(const struct csn_prepare *prepare, const uint8_t *owner, size_t *at)
{
    const struct target wanted = {prefix_of(prepare, owner), owner};
    int order = 1;
    while (*at < prepare->target_count &&
           (order = compare_targets(&wanted, &prepare->targets[*at])) > 0) {
        ++*at;
    }
    return *at < prepare->target_count && order == 0;
}

static bool is_listed(const struct csn_prepare *prepare, const uint8_t *owner)
{
    return prepare->drop_count > 0 && bsearch(&owner, prepare->drop, prepare->drop_count,
                                              sizeof(*prepare->drop), compare_names) != NULL;
}

static bool is_address(uint16_t type)
{
    return type == CSN_TYPE_A || type == CSN_TYPE_AAAA;
}

static bool has_address(const struct csn_owners *owners)
{
    bool found = false;
    for (size_t i = 0; i < owners->count; i++) {
        found |= is_address(owners->rrsets[i].type);
    }
    return found;
}

/* Whether the addresses of an owner that no NS names go: orphan glue does, elsewhere what policy
 * lists. */
static bool is_dropped(struct csn_prepare *prepare, const struct csn_owners *owners)
{
    if (owners->place == CSN_PLACE_CUT || owners->place == CSN_PLACE_BELOW_CUT) {
        return true;
    }
    for (size_t i = 0; i < owners->count; i++) {
        prepare->unnamed_addresses +=
            is_address(owners->rrsets[i].type) ? owners->rrsets[i].count : 0;
    }
    return is_listed(prepare, owners->rrsets[0].owner);
}

/* In one pass: what is dropped changes neither cuts nor targets. */
static void drop_addresses(struct csn_prepare *prepare)
{
    struct csn_zone *zone = prepare->zone;
    size_t target = 0, kept = 0;
    struct csn_owners owners = csn_owners_first(zone);
    collect_targets(prepare);
    prepare->removed = csn_calloc(zone->count, sizeof(*prepare->removed));
    while (csn_owners_next(&owners)) {
        bool drops = has_address(&owners) && !is_target(prepare, owners.rrsets[0].owner, &target) &&
                     is_dropped(prepare, &owners);
        for (size_t i = 0; i < owners.count; i++) {
            struct csn_rrset rrset = owners.rrsets[i];
            if (drops && is_address(rrset.type)) {
                prepare->removed[prepare->removed_count++] = rrset;
            } else {
                zone->rrsets[kept++] = rrset; /* at or before where the walk is */
            }
        }
    }
    zone->count = kept;
}

int csn_prepare_finish(struct csn_prepare *prepare, struct csn_input **ret_input,
                       struct csn_reason *reason)
{
    REQUIRE(prepare->zone == NULL);
    sort_items(prepare);
    int code = group(prepare, reason);
    if (code == CSN_OK) {
        code = check_structure(prepare, reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    drop_addresses(prepare);
    struct csn_input *input = NULL;
    code = csn_input_new(prepare->zone, prepare->removed, prepare->removed_count, &input);
    INSIST(code == CSN_OK); /* the SOA was checked */
    input->ttl_warnings = prepare->ttl_warnings;
    input->unnamed_addresses = prepare->unnamed_addresses;
    *ret_input = input;
    return CSN_OK;
}
