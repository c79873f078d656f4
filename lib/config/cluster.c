#include "config/cluster.h"

#include <string.h>

#include "base/text.h"
#include "config/site.h"

struct loader {
    const struct csn_yaml *yaml;
    struct csn_reason *reason;
    const struct csn_cluster *cluster;
};

/* tls+tcp://host:port; the host may be a name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_mesh_address(const char *text)
{
    static const char scheme[] = "tls+tcp://";
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]";
    uint64_t port;
    if (strncmp(text, scheme, strlen(scheme)) != 0) {
        return false;
    }
    const char *host = text + strlen(scheme), *colon = strrchr(host, ':');
    return colon != NULL && colon > host && strspn(host, allowed) == strlen(host) &&
           csn_number_parse(colon + 1, UINT16_MAX, &port) == CSN_OK && port > 0;
}

static int read_mesh_address(const struct csn_schema_reader *reader,
                             const struct csn_yaml_node *node, void *member)
{
    if (node->kind != CSN_YAML_SCALAR || strlen(node->text) >= CSN_ADDRESS_MAX ||
        !is_mesh_address(node->text)) {
        return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT,
                               "%s: expected an address such as tls+tcp://zrh.example.net:5301, "
                               "not '%s'",
                               node->key, node->kind == CSN_YAML_SCALAR ? node->text : "a list or mapping");
    }
    memcpy(member, node->text, strlen(node->text) + 1);
    return CSN_OK;
}

#define NUMBER_FIELD(type_)                                                                        \
    {                                                                                              \
        .key = "number", .type = CSN_SCHEMA_NUMBER, .is_required = true,                           \
        CSN_SCHEMA_MEMBER(type_, number), .least = 1                                               \
    }
#define NAME_FIELD(type_)                                                                          \
    {                                                                                              \
        .key = "name", .type = CSN_SCHEMA_OTHER, .is_required = true,                              \
        CSN_SCHEMA_MEMBER(type_, name), .read = csn_schema_read_site_name                          \
    }
#define KEY_FIELD(type_)                                                                           \
    {                                                                                              \
        .key = "key", .type = CSN_SCHEMA_HEX, .is_required = true, CSN_SCHEMA_MEMBER(type_, key),  \
        .meant = "hex digits of an Ed25519 public key"                                             \
    }

static const struct csn_schema_word roles[] = {
    {"signer", CSN_MEMBER_SIGNER}, {"verifier", CSN_MEMBER_VERIFIER}, {NULL, 0}};
static const struct csn_schema_field member_fields[] = {
    NUMBER_FIELD(struct csn_member),
    NAME_FIELD(struct csn_member),
    {.key = "role",
     .type = CSN_SCHEMA_WORD,
     CSN_SCHEMA_MEMBER(struct csn_member, role),
     .words = roles,
     .fallback = "signer"},
    {.key = "incarnation",
     .type = CSN_SCHEMA_NUMBER,
     CSN_SCHEMA_MEMBER(struct csn_member, incarnation),
     .least = 1,
     .fallback = "1"},
    KEY_FIELD(struct csn_member),
    {.key = "mesh",
     .type = CSN_SCHEMA_OTHER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_member, mesh),
     .read = read_mesh_address},
    {.key = "bulk",
     .type = CSN_SCHEMA_OTHER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_member, bulk),
     .read = read_mesh_address},
};
static const struct csn_schema member_schema = CSN_SCHEMA_OF("a member", member_fields);

static const struct csn_schema_field coordinator_fields[] = {
    NUMBER_FIELD(struct csn_coordinator_id),
    NAME_FIELD(struct csn_coordinator_id),
    KEY_FIELD(struct csn_coordinator_id),
};
static const struct csn_schema coordinator_schema =
    CSN_SCHEMA_OF("a coordinator", coordinator_fields);

static const struct csn_schema_field operator_fields[] = {
    NAME_FIELD(struct csn_operator_id),
    KEY_FIELD(struct csn_operator_id),
};
static const struct csn_schema operator_schema = CSN_SCHEMA_OF("an operator", operator_fields);

static const struct csn_schema_field officer_fields[] = {
    NAME_FIELD(struct csn_officer_id),
    KEY_FIELD(struct csn_officer_id),
};
static const struct csn_schema officer_schema = CSN_SCHEMA_OF("an officer", officer_fields);

static const struct csn_schema_field base_fields[] = {
    {.key = "zone",
     .type = CSN_SCHEMA_NAME,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_emergency_base, zone)},
    {.key = "round",
     .type = CSN_SCHEMA_HEX,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_emergency_base, round)},
    {.key = "full-root",
     .type = CSN_SCHEMA_HEX,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_emergency_base, full_root)},
};
static const struct csn_schema base_schema = CSN_SCHEMA_OF("a base", base_fields);

#define LIST_OF(variable, type_, schema, enclosing, count_member, least_, most_)                   \
    static const struct csn_schema_list variable = {                                               \
        .item = {.type = CSN_SCHEMA_MAP, .size = sizeof(type_), .map = &(schema)},                 \
        CSN_SCHEMA_COUNT(enclosing, count_member),                                                 \
        .least = (least_),                                                                         \
        .most = (most_),                                                                           \
        .is_inline = true,                                                                         \
    }
LIST_OF(member_list, struct csn_member, member_schema, struct csn_cluster, member_count, 1,
        CSN_MEMBERS_MAX);
LIST_OF(coordinator_list, struct csn_coordinator_id, coordinator_schema, struct csn_cluster,
        coordinator_count, 1, CSN_MEMBERS_MAX);
LIST_OF(operator_list, struct csn_operator_id, operator_schema, struct csn_cluster, operator_count,
        0, CSN_MEMBERS_MAX);
LIST_OF(officer_list, struct csn_officer_id, officer_schema, struct csn_officers, count, 1,
        CSN_MEMBERS_MAX);
LIST_OF(base_list, struct csn_emergency_base, base_schema, struct csn_emergency, base_count, 1,
        CSN_EMERGENCY_BASES_MAX);

static const struct csn_schema_field officers_fields[] = {
    {.key = "needed",
     .type = CSN_SCHEMA_NUMBER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_officers, needed),
     .least = 1,
     .most = CSN_MEMBERS_MAX},
    {.key = "keys",
     .type = CSN_SCHEMA_LIST,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_officers, keys),
     .list = &officer_list},
};
static const struct csn_schema officers_schema = CSN_SCHEMA_OF("officers", officers_fields);

static const struct csn_schema_field emergency_fields[] = {
    {.key = "reason",
     .type = CSN_SCHEMA_INLINE,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_emergency, reason),
     .least = 1},
    {.key = "fenced",
     .type = CSN_SCHEMA_INLINE,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_emergency, fenced),
     .least = 1,
     .meant = "how the lost sites are kept from voting"},
    {.key = "issued",
     .type = CSN_SCHEMA_TIME,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_emergency, issued_s)},
    {.key = "not-after",
     .type = CSN_SCHEMA_TIME,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_emergency, not_after_s)},
    {.key = "serial-offset",
     .type = CSN_SCHEMA_NUMBER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_emergency, serial_offset),
     .least = CSN_EMERGENCY_SERIAL_STEP,
     .most = CSN_EMERGENCY_SERIAL_MAX},
    {.key = "base",
     .type = CSN_SCHEMA_LIST,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_emergency, bases),
     .list = &base_list},
};
static const struct csn_schema emergency_schema = CSN_SCHEMA_OF("emergency", emergency_fields);

static const struct csn_schema_word environments[] = {{"production", 0}, {"test", 1}, {NULL, 0}};
static const struct csn_schema_field cluster_fields[] = {
    {.key = "id",
     .type = CSN_SCHEMA_HEX,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_cluster, id)},
    {.key = "environment",
     .type = CSN_SCHEMA_WORD,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_cluster, environment),
     .words = environments},
    {.key = "epoch",
     .type = CSN_SCHEMA_NUMBER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_cluster, epoch),
     .least = 1},
    {.key = "quorum",
     .type = CSN_SCHEMA_NUMBER,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_cluster, quorum),
     .least = 1,
     .most = CSN_MEMBERS_MAX},
    {.key = "faults",
     .type = CSN_SCHEMA_NUMBER,
     CSN_SCHEMA_MEMBER(struct csn_cluster, faults),
     .most = CSN_MEMBERS_MAX,
     .fallback = "0"},
    {.key = "members",
     .type = CSN_SCHEMA_LIST,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_cluster, members),
     .list = &member_list},
    {.key = "coordinators",
     .type = CSN_SCHEMA_LIST,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_cluster, coordinators),
     .list = &coordinator_list},
    {.key = "operators",
     .type = CSN_SCHEMA_LIST,
     CSN_SCHEMA_MEMBER(struct csn_cluster, operators),
     .list = &operator_list},
    {.key = "officers",
     .type = CSN_SCHEMA_MAP,
     CSN_SCHEMA_MEMBER(struct csn_cluster, officers),
     .map = &officers_schema},
    {.key = "previous",
     .type = CSN_SCHEMA_HEX,
     CSN_SCHEMA_MEMBER(struct csn_cluster, previous),
     .meant = "the SHA-384 of the document of the epoch before, in hex digits"},
    {.key = "emergency",
     .type = CSN_SCHEMA_MAP,
     CSN_SCHEMA_MEMBER(struct csn_cluster, emergency),
     .map = &emergency_schema},
    {.key = "merges",
     .type = CSN_SCHEMA_HEX,
     CSN_SCHEMA_MEMBER(struct csn_cluster, merges),
     .meant = "the SHA-384 of the emergency document whose releases come back, in hex digits"},
};
static const struct csn_schema cluster_schema =
    CSN_SCHEMA_OF("the cluster document", cluster_fields);

/* Place of a value in the i-th item of a list. */
static const struct csn_yaml_node *item_place(const struct loader *loader, const char *list,
                                              size_t i, const char *key)
{
    return csn_config_place(csn_yaml_item(csn_config_place(loader->yaml->root, list), i), key);
}

static int refuse(const struct loader *loader, const struct csn_yaml_node *node, const char *what)
{
    return csn_yaml_refuse(loader->yaml, node, loader->reason, CSN_EREFUSED, "%s", what);
}

/* Two votes of one quorum each must meet in a member that tells the truth: 2q > n + f (protocol.md,
 * "What is guaranteed"). */
static int check_quorum(const struct loader *loader)
{
    const struct csn_cluster *cluster = loader->cluster;
    unsigned n = cluster->member_count, q = cluster->quorum, f = cluster->faults;
    const struct csn_yaml_node *place = csn_config_place(loader->yaml->root, "quorum");
    if (q > n) {
        return csn_yaml_refuse(loader->yaml, place, loader->reason, CSN_EREFUSED,
                               "quorum: %u of %u members can never agree; it is at most %u", q, n,
                               n);
    }
    if (2 * q <= n + f) {
        return csn_yaml_refuse(loader->yaml, place, loader->reason, CSN_EREFUSED,
                               "quorum: %u of %u members with %u that may lie: two quorums could "
                               "disagree; it is at least %u",
                               q, n, f, (n + f) / 2 + 1);
    }
    return CSN_OK;
}

static int check_numbers(const struct loader *loader)
{
    const struct csn_cluster *cluster = loader->cluster;
    for (size_t i = 1; i < cluster->member_count; i++) {
        if (cluster->members[i].number <= cluster->members[i - 1].number) {
            return refuse(loader, item_place(loader, "members", i, "number"),
                          "number: members stand in ascending order");
        }
    }
    for (size_t i = 1; i < cluster->coordinator_count; i++) {
        if (cluster->coordinators[i].number <= cluster->coordinators[i - 1].number) {
            return refuse(loader, item_place(loader, "coordinators", i, "number"),
                          "number: coordinators stand in ascending order");
        }
    }
    return CSN_OK;
}

/* Everyone with a key, as one list. */
#define PARTIES_MAX (4 * CSN_MEMBERS_MAX)
struct party {
    const char *list;
    size_t index;
    const char *name;
    const uint8_t *key;
};

static size_t parties_of(const struct csn_cluster *cluster,
                         struct party ret_parties[PARTIES_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < cluster->member_count; i++) {
        ret_parties[count++] =
            (struct party){"members", i, cluster->members[i].name, cluster->members[i].key};
    }
    for (size_t i = 0; i < cluster->coordinator_count; i++) {
        ret_parties[count++] = (struct party){"coordinators", i, cluster->coordinators[i].name,
                                              cluster->coordinators[i].key};
    }
    for (size_t i = 0; i < cluster->operator_count; i++) {
        ret_parties[count++] =
            (struct party){"operators", i, cluster->operators[i].name, cluster->operators[i].key};
    }
    for (size_t i = 0; i < cluster->officers.count; i++) {
        ret_parties[count++] = (struct party){"officers.keys", i, cluster->officers.keys[i].name,
                                              cluster->officers.keys[i].key};
    }
    return count;
}

/* A point of small order: a signature that verifies with it is made without any secret. All
 * encodings of the eight there are, the sign of x left out; the first is also what a key that was
 * never filled in looks like. */
static bool is_small_order(const uint8_t key[CSN_ED25519_SIZE])
{
    static const uint8_t points[][CSN_ED25519_SIZE] = {
        {0},
        {1},
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
         0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
         0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
         0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
         0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
    };
    uint8_t plain[CSN_ED25519_SIZE];
    memcpy(plain, key, sizeof(plain));
    plain[31] &= 0x7f;
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        if (memcmp(plain, points[i], sizeof(plain)) == 0) {
            return true;
        }
    }
    /* y = p - 1, and p and p + 1, which are 0 and 1 written otherwise; p = 2^255 - 19. */
    bool is_last = plain[0] >= 0xec && plain[0] <= 0xee && plain[31] == 0x7f;
    for (size_t i = 1; is_last && i < 31; i++) {
        is_last = plain[i] == 0xff;
    }
    return is_last;
}

static int check_keys(const struct loader *loader)
{
    struct party parties[PARTIES_MAX];
    size_t count = parties_of(loader->cluster, parties);
    for (size_t i = 0; i < count; i++) {
        if (is_small_order(parties[i].key)) {
            return csn_yaml_refuse(
                loader->yaml, item_place(loader, parties[i].list, parties[i].index, "key"),
                loader->reason, CSN_EREFUSED,
                "key: a point of small order, for which anybody can sign; put the public key of %s",
                parties[i].name);
        }
    }
    return CSN_OK;
}

/* A key speaks for one party only: a site key that could sign a proposal would let a voter lead. */
static int check_parties(const struct loader *loader)
{
    struct party parties[PARTIES_MAX];
    size_t count = parties_of(loader->cluster, parties);
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (memcmp(parties[i].key, parties[j].key, CSN_ED25519_SIZE) == 0) {
                return csn_yaml_refuse(
                    loader->yaml, item_place(loader, parties[i].list, parties[i].index, "key"),
                    loader->reason, CSN_EREFUSED, "key: %s of %s has it already; each has its own",
                    parties[j].name, parties[j].list);
            }
            if (parties[i].list == parties[j].list &&
                strcmp(parties[i].name, parties[j].name) == 0) {
                return csn_yaml_refuse(
                    loader->yaml, item_place(loader, parties[i].list, parties[i].index, "name"),
                    loader->reason, CSN_EREFUSED, "name: '%s' stands twice in %s", parties[i].name,
                    parties[i].list);
            }
        }
    }
    return CSN_OK;
}

/* The 2n addresses, statements' and bulk's, are all different. */
static int check_addresses(const struct loader *loader)
{
    const struct csn_cluster *cluster = loader->cluster;
    for (size_t i = 0; i < 2u * cluster->member_count; i++) {
        const struct csn_member *a = &cluster->members[i / 2];
        for (size_t j = 0; j < i; j++) {
            const struct csn_member *b = &cluster->members[j / 2];
            if (strcmp(i % 2 ? a->bulk : a->mesh, j % 2 ? b->bulk : b->mesh) == 0) {
                const char *key = i % 2 ? "bulk" : "mesh";
                return csn_yaml_refuse(loader->yaml, item_place(loader, "members", i / 2, key),
                                       loader->reason, CSN_EREFUSED,
                                       "%s: %s has this address already", key, b->name);
            }
        }
    }
    return CSN_OK;
}

/* Two sets of officers, each enough, have one in common. */
static int check_officers(const struct loader *loader)
{
    unsigned needed = loader->cluster->officers.needed, count = loader->cluster->officers.count;
    if (count > 0 && (needed > count || 2 * needed <= count)) {
        return csn_yaml_refuse(
            loader->yaml, csn_config_place(loader->yaml->root, "officers.needed"), loader->reason,
            CSN_EREFUSED, "needed: %u of %u officers; it is more than half of them and at most all",
            needed, count);
    }
    return CSN_OK;
}

/* The documents are a chain: each names the one before by its digest. */
static int check_previous(const struct loader *loader)
{
    const struct csn_cluster *cluster = loader->cluster;
    bool has_previous = csn_yaml_find(loader->yaml->root, "previous") != NULL;
    if (cluster->epoch > 1 && csn_digest_is_zero(&cluster->previous)) {
        return refuse(loader, csn_config_place(loader->yaml->root, has_previous ? "previous" : "epoch"),
                      "epoch: after the first, 'previous' is the SHA-384 of the document before, "
                      "in hex digits");
    }
    if (cluster->epoch == 1 && has_previous) {
        return refuse(loader, csn_config_place(loader->yaml->root, "previous"),
                      "previous: nothing is before epoch 1");
    }
    return CSN_OK;
}

static int check_emergency(const struct loader *loader)
{
    const struct csn_emergency *emergency = &loader->cluster->emergency;
    const struct csn_yaml_node *root = loader->yaml->root;
    if (csn_yaml_find(root, "emergency") == NULL) {
        return CSN_OK;
    }
    if (emergency->not_after_s <= emergency->issued_s ||
        emergency->not_after_s - emergency->issued_s > CSN_EMERGENCY_MAX_S) {
        return refuse(loader, csn_config_place(root, "emergency.not-after"),
                      "not-after: it is after 'issued', by 72 hours at most");
    }
    if (emergency->serial_offset % CSN_EMERGENCY_SERIAL_STEP != 0) {
        return refuse(loader, csn_config_place(root, "emergency.serial-offset"),
                      "serial-offset: a multiple of 2097152 (2^21), another for each emergency");
    }
    return loader->cluster->epoch > 1
               ? CSN_OK
               : refuse(loader, csn_yaml_find(root, "emergency"),
                        "emergency: a cluster does not begin with one");
}

static int check(const struct loader *loader)
{
    int code = check_numbers(loader);
    if (code == CSN_OK) {
        code = check_keys(loader);
    }
    if (code == CSN_OK) {
        code = check_parties(loader);
    }
    if (code == CSN_OK) {
        code = check_addresses(loader);
    }
    if (code == CSN_OK) {
        code = check_officers(loader);
    }
    if (code == CSN_OK) {
        code = check_previous(loader);
    }
    if (code == CSN_OK) {
        code = check_emergency(loader);
    }
    return code == CSN_OK ? check_quorum(loader) : code;
}

int csn_cluster_parse(struct csn_bytes text, const char *file, struct csn_cluster *ret_cluster,
                      struct csn_reason *reason)
{
    struct csn_yaml yaml;
    struct csn_cluster cluster = {0};
    int code = csn_yaml_parse(text, file, &yaml, reason);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_schema_reader reader = {.yaml = &yaml, .arena = &yaml.arena, .reason = reason};
    code = csn_schema_read(&reader, yaml.root, &cluster_schema, &cluster);
    if (code == CSN_OK) {
        struct loader loader = {.yaml = &yaml, .reason = reason, .cluster = &cluster};
        code = check(&loader);
        cluster.is_emergency = csn_yaml_find(yaml.root, "emergency") != NULL;
    }
    csn_yaml_fini(&yaml);
    if (code == CSN_OK) {
        csn_sha384(text, &cluster.digest);
        *ret_cluster = cluster;
    }
    return code;
}

const struct csn_member *csn_cluster_member_named(const struct csn_cluster *cluster,
                                                  const char *name)
{
    for (size_t i = 0; i < cluster->member_count; i++) {
        if (strcmp(cluster->members[i].name, name) == 0) {
            return &cluster->members[i];
        }
    }
    return NULL;
}

const struct csn_coordinator_id *csn_cluster_coordinator_named(const struct csn_cluster *cluster,
                                                               const char *name)
{
    for (size_t i = 0; i < cluster->coordinator_count; i++) {
        if (strcmp(cluster->coordinators[i].name, name) == 0) {
            return &cluster->coordinators[i];
        }
    }
    return NULL;
}
