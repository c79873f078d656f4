#include "config/keyset.h"

#include <stdlib.h>
#include <string.h>

#include "config/rdata.h"
#include "config/schema.h"

#define EVENTS_MAX 4096
#define RECORDS_MAX 64
#define TTL_MAX INT32_MAX /* RFC 2181 8 */
#define YEAR (UINT64_C(366) * 86400)

/* The document as written; names of keys not yet resolved. */
struct key_doc {
    char name[64];
    struct csn_bytes dnskey;
    bool is_published, is_retired;
};
struct event_doc {
    char key[64];
    uint64_t at_s, window_s;
    const char *why;
};
struct list_doc {
    enum csn_role role;
    uint8_t algorithm;
    struct event_doc *events;
    size_t count;
};
struct records_doc {
    uint32_t ttl;
    struct csn_bytes *records;
    size_t count;
};
struct keyset_doc {
    uint8_t zone[CSN_NAME_MAX];
    uint32_t version, dnskey_ttl;
    struct key_doc *keys;
    size_t key_count;
    struct list_doc *lists;
    size_t list_count;
    struct records_doc cds, cdnskey;
};

static int read_rdata(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                      int (*parse)(const char *, struct csn_buf *), const char *meant, void *member)
{
    struct csn_buf buf = {0};
    if (node->kind != CSN_YAML_SCALAR || parse(node->text, &buf) != CSN_OK ||
        buf.size > UINT16_MAX) {
        csn_buf_fini(&buf);
        return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT, "expected %s",
                               meant);
    }
    *(struct csn_bytes *)member =
        csn_bytes(csn_arena_copy(reader->arena, buf.data, buf.size), buf.size);
    csn_buf_fini(&buf);
    return CSN_OK;
}

static int read_dnskey(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                       void *member)
{
    int code = read_rdata(reader, node, csn_rdata_parse_key,
                          "a DNSKEY's RDATA such as \"257 3 13 base64\"", member);
    const struct csn_bytes *dnskey = member;
    if (code == CSN_OK && !csn_rdata_key_fits(*dnskey)) {
        return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT,
                               "%zu octets are no public key of algorithm %u; is it cut, or the "
                               "algorithm another?",
                               dnskey->size - 4, dnskey->data[3]);
    }
    return code;
}

static int read_ds(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                   void *member)
{
    return read_rdata(reader, node, csn_rdata_parse_ds, "a DS's RDATA such as \"12345 13 2 hex\"",
                      member);
}

static const struct csn_schema_field key_fields[] = {
    {.key = "name",
     .type = CSN_SCHEMA_INLINE,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct key_doc, name),
     .least = 1},
    {.key = "dnskey",
     .type = CSN_SCHEMA_OTHER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct key_doc, dnskey),
     .read = read_dnskey},
    {.key = "published",
     .type = CSN_SCHEMA_BOOL,
     CSN_SCHEMA_MEMBER(struct key_doc, is_published),
     .fallback = "true"},
    {.key = "retired",
     .type = CSN_SCHEMA_BOOL,
     CSN_SCHEMA_MEMBER(struct key_doc, is_retired),
     .fallback = "false"},
};
static const struct csn_schema key_schema = CSN_SCHEMA_OF("a key", key_fields);
static const struct csn_schema_list key_list = {
    .item = {.type = CSN_SCHEMA_MAP, .size = sizeof(struct key_doc), .map = &key_schema},
    CSN_SCHEMA_COUNT(struct keyset_doc, key_count),
    .least = 1,
    .most = CSN_KEYS_MAX,
};

static const struct csn_schema_field event_fields[] = {
    {.key = "key",
     .type = CSN_SCHEMA_INLINE,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct event_doc, key),
     .least = 1},
    {.key = "at",
     .type = CSN_SCHEMA_TIME,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct event_doc, at_s)},
    {.key = "window",
     .type = CSN_SCHEMA_SPAN,
     CSN_SCHEMA_MEMBER(struct event_doc, window_s),
     .most = YEAR},
    {.key = "reason",
     .type = CSN_SCHEMA_TEXT,
     CSN_SCHEMA_MEMBER(struct event_doc, why),
     .least = 1,
     .most = 256},
};
static const struct csn_schema event_schema = CSN_SCHEMA_OF("an event", event_fields);
static const struct csn_schema_list event_list = {
    .item = {.type = CSN_SCHEMA_MAP, .size = sizeof(struct event_doc), .map = &event_schema},
    CSN_SCHEMA_COUNT(struct list_doc, count),
    .least = 1,
    .most = EVENTS_MAX,
};

static const struct csn_schema_word roles[] = {
    {"ksk", CSN_ROLE_KSK}, {"zsk", CSN_ROLE_ZSK}, {NULL, 0}};
static const struct csn_schema_field list_fields[] = {
    {.key = "role",
     .type = CSN_SCHEMA_WORD,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct list_doc, role),
     .words = roles},
    {.key = "algorithm",
     .type = CSN_SCHEMA_NUMBER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct list_doc, algorithm),
     .least = 1},
    {.key = "list",
     .type = CSN_SCHEMA_LIST,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct list_doc, events),
     .list = &event_list},
};
static const struct csn_schema list_schema =
    CSN_SCHEMA_OF("the events of a role and algorithm", list_fields);
static const struct csn_schema_list list_list = {
    .item = {.type = CSN_SCHEMA_MAP, .size = sizeof(struct list_doc), .map = &list_schema},
    CSN_SCHEMA_COUNT(struct keyset_doc, list_count),
    .least = 1,
    .most = CSN_KEY_LISTS_MAX,
};

#define RECORDS_LIST(variable, reader)                                                             \
    static const struct csn_schema_list variable = {                                               \
        .item = {.type = CSN_SCHEMA_OTHER, .size = sizeof(struct csn_bytes), .read = (reader)},    \
        CSN_SCHEMA_COUNT(struct records_doc, count),                                               \
        .least = 1,                                                                                \
        .most = RECORDS_MAX,                                                                       \
    }
RECORDS_LIST(cds_list, read_ds);
RECORDS_LIST(cdnskey_list, read_dnskey);

#define RECORDS_FIELDS(variable, list_)                                                            \
    static const struct csn_schema_field variable[] = {                                            \
        {.key = "ttl",                                                                             \
         .type = CSN_SCHEMA_SPAN,                                                                  \
         .is_required = true,                                                                      \
         CSN_SCHEMA_MEMBER(struct records_doc, ttl),                                               \
         .most = TTL_MAX},                                                                         \
        {.key = "records",                                                                         \
         .type = CSN_SCHEMA_LIST,                                                                  \
         .is_required = true,                                                                      \
         CSN_SCHEMA_MEMBER(struct records_doc, records),                                           \
         .list = &(list_)},                                                                        \
    }
RECORDS_FIELDS(cds_fields, cds_list);
RECORDS_FIELDS(cdnskey_fields, cdnskey_list);
static const struct csn_schema cds_schema = CSN_SCHEMA_OF("cds", cds_fields);
static const struct csn_schema cdnskey_schema = CSN_SCHEMA_OF("cdnskey", cdnskey_fields);

static const struct csn_schema_field keyset_fields[] = {
    {.key = "zone",
     .type = CSN_SCHEMA_NAME,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct keyset_doc, zone)},
    {.key = "version",
     .type = CSN_SCHEMA_NUMBER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct keyset_doc, version),
     .least = 1},
    {.key = "dnskey-ttl",
     .type = CSN_SCHEMA_SPAN,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct keyset_doc, dnskey_ttl),
     .most = TTL_MAX},
    {.key = "keys",
     .type = CSN_SCHEMA_LIST,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct keyset_doc, keys),
     .list = &key_list},
    {.key = "events",
     .type = CSN_SCHEMA_LIST,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct keyset_doc, lists),
     .list = &list_list},
    {.key = "cds",
     .type = CSN_SCHEMA_MAP,
     CSN_SCHEMA_MEMBER(struct keyset_doc, cds),
     .map = &cds_schema},
    {.key = "cdnskey",
     .type = CSN_SCHEMA_MAP,
     CSN_SCHEMA_MEMBER(struct keyset_doc, cdnskey),
     .map = &cdnskey_schema},
};
static const struct csn_schema keyset_schema = CSN_SCHEMA_OF("the key set", keyset_fields);

struct builder {
    const struct csn_yaml *yaml;
    const struct keyset_doc *doc;
    struct csn_keyset *keyset;
    struct csn_reason *reason;
};

static uint16_t key_index(const struct csn_keyset *keyset, const char *name)
{
    for (size_t i = 0; i < keyset->key_count; i++) {
        if (strcmp(keyset->keys[i].name, name) == 0) {
            return (uint16_t)i;
        }
    }
    return CSN_KEY_NONE;
}

static int build_keys(const struct builder *builder)
{
    struct csn_keyset *keyset = builder->keyset;
    const struct csn_yaml_node *node = csn_yaml_find(builder->yaml->root, "keys")->first;
    for (size_t i = 0; i < builder->doc->key_count; i++, node = node->next) {
        const struct key_doc *doc = &builder->doc->keys[i];
        struct csn_key *key = &keyset->keys[i];
        if (strcmp(doc->name, "none") == 0 || key_index(keyset, doc->name) != CSN_KEY_NONE) {
            return csn_yaml_refuse(builder->yaml, csn_yaml_find(node, "name"), builder->reason,
                                   CSN_EREFUSED, "name: '%s' is taken; each key has its own name",
                                   doc->name);
        }
        memcpy(key->name, doc->name, sizeof(key->name));
        if (csn_key_derive(key, doc->dnskey) != CSN_OK) {
            return csn_yaml_refuse(
                builder->yaml, csn_yaml_find(node, "dnskey"), builder->reason, CSN_EFORMAT,
                "dnskey: not the RDATA of a DNSKEY; the second number is 3 (RFC 4034 2.1.2)");
        }
        key->dnskey = doc->dnskey;
        key->is_published = doc->is_published;
        key->is_retired = doc->is_retired;
        keyset->key_count = i + 1;
    }
    return CSN_OK;
}

static int build_events(const struct builder *builder, const struct list_doc *doc,
                        const struct csn_yaml_node *node, struct csn_key_event *events)
{
    const struct csn_yaml_node *item = csn_yaml_find(node, "list")->first;
    for (size_t i = 0; i < doc->count; i++, item = item->next) {
        bool is_end = strcmp(doc->events[i].key, "none") == 0;
        events[i] = (struct csn_key_event){.key = key_index(builder->keyset, doc->events[i].key),
                                           .at_s = doc->events[i].at_s,
                                           .window_s = doc->events[i].window_s};
        if (!is_end && events[i].key == CSN_KEY_NONE) {
            return csn_yaml_refuse(builder->yaml, csn_yaml_find(item, "key"), builder->reason,
                                   CSN_EREFUSED,
                                   "key: no key '%s' in this document; a name from 'keys', or none",
                                   doc->events[i].key);
        }
    }
    return CSN_OK;
}

static int build_lists(const struct builder *builder)
{
    struct csn_keyset *keyset = builder->keyset;
    const struct csn_yaml_node *node = csn_yaml_find(builder->yaml->root, "events")->first;
    for (size_t i = 0; i < builder->doc->list_count; i++, node = node->next) {
        const struct list_doc *doc = &builder->doc->lists[i];
        for (size_t j = 0; j < i; j++) {
            if (keyset->lists[j].role == doc->role &&
                keyset->lists[j].algorithm == doc->algorithm) {
                return csn_yaml_refuse(
                    builder->yaml, node, builder->reason, CSN_EREFUSED,
                    "a second list for this role and algorithm; there is one, in order");
            }
        }
        struct csn_key_event *events = csn_arena_alloc(&keyset->arena, doc->count * sizeof(*events),
                                                       _Alignof(struct csn_key_event));
        int code = build_events(builder, doc, node, events);
        if (code != CSN_OK) {
            return code;
        }
        keyset->lists[i] = (struct csn_key_list){
            .role = doc->role, .algorithm = doc->algorithm, .events = events, .count = doc->count};
        keyset->list_count = i + 1;
    }
    return CSN_OK;
}

static int compare_records(const void *a, const void *b)
{
    return csn_bytes_compare(*(const struct csn_bytes *)a, *(const struct csn_bytes *)b);
}

/* RDATA ascending, as RRsets are packed (dns/rrset.h). */
static int build_records(const struct builder *builder, const char *key, uint16_t type,
                         const struct records_doc *doc, struct csn_rrset *ret_rrset)
{
    struct csn_arena *arena = &builder->keyset->arena;
    struct csn_buf packed = {0};
    if (doc->count > 1) {
        qsort(doc->records, doc->count, sizeof(*doc->records), compare_records);
    }
    for (size_t i = 0; i < doc->count; i++) {
        if (i > 0 && csn_bytes_equal(doc->records[i - 1], doc->records[i])) {
            csn_buf_fini(&packed);
            return csn_yaml_refuse(builder->yaml, csn_yaml_find(builder->yaml->root, key),
                                   builder->reason, CSN_EREFUSED, "%s: the same record twice", key);
        }
        csn_buf_put_u16(&packed, (uint16_t)doc->records[i].size);
        csn_buf_put_bytes(&packed, doc->records[i]);
    }
    const uint8_t *zone = builder->keyset->zone;
    *ret_rrset = (struct csn_rrset){
        .owner = csn_arena_copy(arena, zone, csn_name_size(zone)),
        .rdatas = csn_bytes(csn_arena_copy(arena, packed.data, packed.size), packed.size),
        .ttl = doc->ttl,
        .type = type,
        .count = (uint16_t)doc->count,
    };
    csn_buf_fini(&packed);
    return CSN_OK;
}

static int build(const struct builder *builder)
{
    int code = build_keys(builder);
    if (code == CSN_OK) {
        code = build_lists(builder);
    }
    if (code == CSN_OK) {
        code =
            build_records(builder, "cds", CSN_TYPE_CDS, &builder->doc->cds, &builder->keyset->cds);
    }
    if (code == CSN_OK) {
        code = build_records(builder, "cdnskey", CSN_TYPE_CDNSKEY, &builder->doc->cdnskey,
                             &builder->keyset->cdnskey);
    }
    return code;
}

int csn_keyset_parse(struct csn_bytes text, const char *file, struct csn_keyset *ret_keyset,
                     struct csn_reason *reason)
{
    struct csn_yaml yaml;
    struct csn_keyset keyset = {0};
    struct keyset_doc doc = {0};
    int code = csn_yaml_parse(text, file, &yaml, reason);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_schema_reader reader = {.yaml = &yaml, .arena = &keyset.arena, .reason = reason};
    code = csn_schema_read(&reader, yaml.root, &keyset_schema, &doc);
    if (code == CSN_OK) {
        memcpy(keyset.zone, doc.zone, sizeof(keyset.zone));
        keyset.version.number = doc.version;
        keyset.dnskey_ttl = doc.dnskey_ttl;
        struct builder builder = {.yaml = &yaml, .doc = &doc, .keyset = &keyset, .reason = reason};
        code = build(&builder);
    }
    csn_yaml_fini(&yaml);
    if (code != CSN_OK) {
        csn_arena_fini(&keyset.arena);
        return code;
    }
    csn_sha384(text, &keyset.version.digest);
    *ret_keyset = keyset;
    return CSN_OK;
}
