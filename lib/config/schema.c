#include "config/schema.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "dns/name.h"

#define SHOWN_MAX 48

/* Reads the text of a scalar to the member; false: it is not of the type. */
typedef bool scalar_fn(const struct csn_schema_reader *reader, const struct csn_schema_field *field,
                       const char *text, void *member);

static void put_unsigned(void *member, size_t size, uint64_t value)
{
    switch (size) {
    case 1:
        *(uint8_t *)member = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)member = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)member = (uint32_t)value;
        break;
    default:
        INSIST(size == 8);
        *(uint64_t *)member = value;
    }
}

static uint64_t most_of(const struct csn_schema_field *field)
{
    if (field->type == CSN_SCHEMA_TIME) {
        return field->most != 0 ? field->most : CSN_SCHEMA_TIME_MAX;
    }
    uint64_t fits = field->size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * field->size)) - 1;
    if (field->type == CSN_SCHEMA_SPAN_MS) {
        fits /= 1000;
    }
    return field->most != 0 && field->most < fits ? field->most : fits;
}

static bool put_in_range(const struct csn_schema_field *field, uint64_t value, uint64_t factor,
                         void *member)
{
    if (value < field->least || value > most_of(field)) {
        return false;
    }
    put_unsigned(member, field->size, value * factor);
    return true;
}

static bool read_text(const struct csn_schema_reader *reader, const struct csn_schema_field *field,
                      const char *text, void *member)
{
    size_t size = strlen(text);
    if (size < field->least || (field->most != 0 && size > field->most) ||
        strchr(text, '\n') != NULL) {
        return false;
    }
    *(const char **)member = csn_arena_copy(reader->arena, text, size + 1);
    return true;
}

static bool read_inline(const struct csn_schema_reader *reader,
                        const struct csn_schema_field *field, const char *text, void *member)
{
    (void)reader;
    size_t size = strlen(text);
    if (size < field->least || size >= field->size || strchr(text, '\n') != NULL) {
        return false;
    }
    memcpy(member, text, size + 1);
    return true;
}

static bool read_bool(const struct csn_schema_reader *reader, const struct csn_schema_field *field,
                      const char *text, void *member)
{
    (void)reader, (void)field;
    bool is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0) {
        return false;
    }
    *(bool *)member = is_true;
    return true;
}

static bool read_number(const struct csn_schema_reader *reader,
                        const struct csn_schema_field *field, const char *text, void *member)
{
    (void)reader;
    uint64_t value;
    return csn_number_parse(text, most_of(field), &value) == CSN_OK &&
           put_in_range(field, value, 1, member);
}

static bool read_span(const struct csn_schema_reader *reader, const struct csn_schema_field *field,
                      const char *text, void *member)
{
    (void)reader;
    uint64_t value;
    return csn_span_parse(text, &value) == CSN_OK &&
           put_in_range(field, value, field->type == CSN_SCHEMA_SPAN_MS ? 1000 : 1, member);
}

static bool read_time(const struct csn_schema_reader *reader, const struct csn_schema_field *field,
                      const char *text, void *member)
{
    (void)reader;
    uint64_t value;
    if (csn_time_parse(text, &value) != CSN_OK &&
        csn_number_parse(text, INT64_MAX, &value) != CSN_OK) {
        return false;
    }
    return put_in_range(field, value, 1, member);
}

static bool read_size(const struct csn_schema_reader *reader, const struct csn_schema_field *field,
                      const char *text, void *member)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    (void)reader;
    char number[24];
    size_t size = strlen(text);
    if (size < 4 || size - 3 >= sizeof(number)) {
        return false;
    }
    memcpy(number, text, size - 3);
    number[size - 3] = '\0';
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        uint64_t value;
        if (strcmp(text + size - 3, units[i].unit) == 0) {
            return csn_number_parse(number, UINT64_MAX >> units[i].shift, &value) == CSN_OK &&
                   put_in_range(field, value << units[i].shift, 1, member);
        }
    }
    return false;
}

static bool read_hex(const struct csn_schema_reader *reader, const struct csn_schema_field *field,
                     const char *text, void *member)
{
    (void)reader;
    return csn_hex_decode(text, member, field->size) == CSN_OK;
}

static bool read_octets(const struct csn_schema_reader *reader,
                        const struct csn_schema_field *field, const char *text, void *member)
{
    size_t size = strlen(text) / 2;
    if (size < field->least || (field->most != 0 && size > field->most)) {
        return false;
    }
    uint8_t *octets = csn_arena_alloc(reader->arena, size + 1, 1);
    if (csn_hex_decode(text, octets, size) != CSN_OK) {
        return false;
    }
    *(struct csn_bytes *)member = csn_bytes(octets, size);
    return true;
}

static bool read_name(const struct csn_schema_reader *reader, const struct csn_schema_field *field,
                      const char *text, void *member)
{
    (void)reader, (void)field;
    char full[CSN_NAME_TEXT_MAX + 1];
    size_t size = strlen(text);
    if (size == 0 || size + 2 > sizeof(full)) {
        return false;
    }
    memcpy(full, text, size + 1);
    if (full[size - 1] != '.') {
        memcpy(full + size, ".", 2);
    }
    return csn_name_parse(full, member) == CSN_OK;
}

static bool read_path(const struct csn_schema_reader *reader, const struct csn_schema_field *field,
                      const char *text, void *member)
{
    (void)field;
    const char *file = reader->yaml->file, *slash = strrchr(file, '/');
    size_t size = strlen(text),
           folder_size = text[0] == '/' || slash == NULL ? 0 : (size_t)(slash - file) + 1;
    if (size == 0 || size + folder_size >= PATH_MAX || strchr(text, '\n') != NULL) {
        return false;
    }
    char *path = csn_arena_alloc(reader->arena, folder_size + size + 1, 1);
    memcpy(path, file, folder_size);
    memcpy(path + folder_size, text, size + 1);
    *(const char **)member = path;
    return true;
}

/* Cuts `text` at `mark`; the part before it goes to `ret_before`, the rest is returned, NULL
 * without a mark. */
static const char *cut(const char *text, char mark, char *ret_before, size_t size)
{
    const char *at = strrchr(text, mark);
    size_t before = at != NULL ? (size_t)(at - text) : strlen(text);
    if (before >= size) {
        before = 0;
    }
    memcpy(ret_before, text, before);
    ret_before[before] = '\0';
    return at != NULL ? at + 1 : NULL;
}

static bool read_endpoint(const struct csn_schema_reader *reader,
                          const struct csn_schema_field *field, const char *text, void *member)
{
    (void)reader, (void)field;
    struct csn_endpoint endpoint = {0};
    char host[INET6_ADDRSTRLEN];
    uint64_t port;
    const char *port_text = cut(text, '@', host, sizeof(host));
    if (port_text == NULL || csn_number_parse(port_text, UINT16_MAX, &port) != CSN_OK ||
        port == 0 || strlen(text) >= sizeof(endpoint.text)) {
        return false;
    }
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(&endpoint.address, &v4, sizeof(v4));
    } else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(&endpoint.address, &v6, sizeof(v6));
    } else {
        return false;
    }
    memcpy(endpoint.text, text, strlen(text) + 1);
    memcpy(member, &endpoint, sizeof(endpoint));
    return true;
}

static bool has_host_bits(const struct csn_prefix *prefix)
{
    for (unsigned bit = prefix->bits; bit < (prefix->is_ipv6 ? 128u : 32u); bit++) {
        if ((prefix->octets[bit / 8] & (0x80u >> bit % 8)) != 0) {
            return true;
        }
    }
    return false;
}

static bool read_prefix(const struct csn_schema_reader *reader,
                        const struct csn_schema_field *field, const char *text, void *member)
{
    (void)reader, (void)field;
    struct csn_prefix prefix = {0};
    char host[INET6_ADDRSTRLEN];
    const char *bits_text = cut(text, '/', host, sizeof(host));
    if (inet_pton(AF_INET6, host, prefix.octets) == 1) {
        prefix.is_ipv6 = true;
    } else if (inet_pton(AF_INET, host, prefix.octets) != 1) {
        return false;
    }
    uint64_t bits = prefix.is_ipv6 ? 128 : 32;
    if (bits_text != NULL && csn_number_parse(bits_text, bits, &bits) != CSN_OK) {
        return false;
    }
    prefix.bits = (uint8_t)bits;
    if (has_host_bits(&prefix)) {
        return false;
    }
    memcpy(member, &prefix, sizeof(prefix));
    return true;
}

static bool read_word(const struct csn_schema_reader *reader, const struct csn_schema_field *field,
                      const char *text, void *member)
{
    (void)reader;
    for (const struct csn_schema_word *word = field->words; word->word != NULL; word++) {
        if (strcmp(word->word, text) == 0) {
            put_unsigned(member, field->size, word->value);
            return true;
        }
    }
    return false;
}

static const struct {
    scalar_fn *read;
    const char *meant;
} scalars[] = {
    [CSN_SCHEMA_TEXT] = {read_text, "a text"},
    [CSN_SCHEMA_INLINE] = {read_inline, "a text"},
    [CSN_SCHEMA_BOOL] = {read_bool, "true or false"},
    [CSN_SCHEMA_NUMBER] = {read_number, "a number"},
    [CSN_SCHEMA_SPAN] = {read_span, "a span such as 90s, 15m, 2h or 21d"},
    [CSN_SCHEMA_SPAN_MS] = {read_span, "a span such as 90s, 15m, 2h or 21d"},
    [CSN_SCHEMA_TIME] = {read_time, "a time such as 2026-11-21T12:00:00Z, on a day of the calendar, or Unix seconds"},
    [CSN_SCHEMA_SIZE] = {read_size, "a size such as 512MiB or 64GiB"},
    [CSN_SCHEMA_HEX] = {read_hex, "hex digits"},
    [CSN_SCHEMA_OCTETS] = {read_octets, "hex digits, two for each octet"},
    [CSN_SCHEMA_NAME] = {read_name, "a domain name"},
    [CSN_SCHEMA_PATH] = {read_path, "a path"},
    [CSN_SCHEMA_ENDPOINT] = {read_endpoint,
                             "an address and a port such as 192.0.2.1@53 or 2001:db8::1@53"},
    [CSN_SCHEMA_PREFIX] =
        {read_prefix,
         "an address or a prefix without host bits, such as 192.0.2.0/24 or 2001:db8::/32"},
    [CSN_SCHEMA_WORD] = {read_word, NULL},
};

static void describe_words(const struct csn_schema_word *words, char *ret_text, size_t size)
{
    size_t used =
        (size_t)snprintf(ret_text, size, "%s", words[1].word != NULL ? "one of" : "the word");
    for (; words->word != NULL && used < size; words++) {
        used += (size_t)snprintf(ret_text + used, size - used, " %s%s", words->word,
                                 words[1].word != NULL ? "," : "");
    }
}

/* What a scalar field takes, with its bounds: "a number from 1 to 16". */
static void describe(const struct csn_schema_field *field, char *ret_text, size_t size)
{
    const char *meant = field->meant != NULL ? field->meant : scalars[field->type].meant;
    char least[CSN_SPAN_TEXT_SIZE], most[CSN_SPAN_TEXT_SIZE], most_time[CSN_TIME_TEXT_SIZE];
    switch (field->type) {
    case CSN_SCHEMA_TEXT:
        snprintf(ret_text, size, "%s of %" PRIu64 " to %" PRIu64 " octets on one line", meant,
                 field->least, field->most != 0 ? field->most : CSN_YAML_SIZE_MAX);
        break;
    case CSN_SCHEMA_INLINE:
        snprintf(ret_text, size, "%s of %" PRIu64 " to %zu octets on one line", meant, field->least,
                 field->size - 1);
        break;
    case CSN_SCHEMA_NUMBER:
        snprintf(ret_text, size, "%s from %" PRIu64 " to %" PRIu64, meant, field->least,
                 most_of(field));
        break;
    case CSN_SCHEMA_SPAN:
    case CSN_SCHEMA_SPAN_MS:
        csn_span_text(field->least, least);
        csn_span_text(most_of(field), most);
        snprintf(ret_text, size, "%s, from %s to %s", meant, least, most);
        break;
    case CSN_SCHEMA_TIME:
        csn_time_text(most_of(field), most_time);
        snprintf(ret_text, size, "%s, at most %s", meant, most_time);
        break;
    case CSN_SCHEMA_SIZE:
        snprintf(ret_text, size, "%s, from %" PRIu64 " MiB to %" PRIu64 " MiB", meant,
                 field->least >> 20, most_of(field) >> 20);
        break;
    case CSN_SCHEMA_HEX:
        snprintf(ret_text, size, "%zu %s", 2 * field->size, meant);
        break;
    case CSN_SCHEMA_WORD:
        describe_words(field->words, ret_text, size);
        break;
    default:
        snprintf(ret_text, size, "%s", meant);
    }
}

static int refuse_kind(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                       const char *label, const char *expected)
{
    static const char *const kinds[] = {[CSN_YAML_SCALAR] = "a single value",
                                        [CSN_YAML_LIST] = "a list",
                                        [CSN_YAML_MAP] = "a mapping"};
    return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT,
                           "%s: expected %s, not %s", label, expected, kinds[node->kind]);
}

static int read_scalar(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                       const struct csn_schema_field *field, const char *label, void *member)
{
    char expected[192];
    describe(field, expected, sizeof(expected));
    if (node->kind != CSN_YAML_SCALAR) {
        return refuse_kind(reader, node, label, expected);
    }
    bool is_nothing = node->is_plain && node->text[0] == '\0';
    if (!is_nothing && scalars[field->type].read(reader, field, node->text, member)) {
        return CSN_OK;
    }
    size_t size = strlen(node->text);
    return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT,
                           "%s: expected %s, not %s%.*s%s%s", label, expected,
                           is_nothing ? "nothing" : "'", SHOWN_MAX, node->text,
                           size > SHOWN_MAX ? "..." : "", is_nothing ? "" : "'");
}

static int read_any(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                    const struct csn_schema_field *field, const char *label, void *enclosing);

static int read_list(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                     const struct csn_schema_field *field, const char *label, uint8_t *enclosing)
{
    const struct csn_schema_list *list = field->list;
    if (node->kind != CSN_YAML_LIST) {
        return refuse_kind(reader, node, label, "a list");
    }
    if (node->count < list->least || node->count > list->most) {
        return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT,
                               "%s: expected a list of %zu to %zu, not of %zu", label, list->least,
                               list->most, node->count);
    }
    uint8_t *items = enclosing + field->offset;
    if (!list->is_inline) {
        items = csn_arena_alloc(reader->arena, node->count * list->item.size + 1,
                                _Alignof(max_align_t));
        memset(items, 0, node->count * list->item.size);
        memcpy(enclosing + field->offset, &items, sizeof(items));
    }
    const struct csn_yaml_node *child = node->first;
    for (size_t i = 0; child != NULL; i++, child = child->next) {
        int code = read_any(reader, child, &list->item, label, items + i * list->item.size);
        if (code != CSN_OK) {
            return code;
        }
    }
    put_unsigned(enclosing + list->count_offset, list->count_size, node->count);
    return CSN_OK;
}

static int read_map(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                    const struct csn_schema *schema, const char *label, uint8_t *value);

static int read_any(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                    const struct csn_schema_field *field, const char *label, void *enclosing)
{
    uint8_t *member = (uint8_t *)enclosing + field->offset;
    switch (field->type) {
    case CSN_SCHEMA_MAP:
        return read_map(reader, node, field->map, label, member);
    case CSN_SCHEMA_LIST:
        return read_list(reader, node, field, label, enclosing);
    case CSN_SCHEMA_OTHER:
        return field->read(reader, node, member);
    default:
        return read_scalar(reader, node, field, label, member);
    }
}

int csn_schema_read_value(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                          const struct csn_schema_field *field, void *ret_struct)
{
    const char *label = node->key != NULL ? node->key : field->key != NULL ? field->key : "value";
    return read_any(reader, node, field, label, ret_struct);
}

/* Edit distance (Levenshtein); `most` + 1 for words too long to be meant. */
static size_t distance(const char *a, const char *b, size_t most)
{
    enum { LENGTH_MAX = 40 };
    size_t row[LENGTH_MAX + 1];
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > LENGTH_MAX || b_size > LENGTH_MAX) {
        return most + 1;
    }
    for (size_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_size];
}

static int refuse_unknown(const struct csn_schema_reader *reader,
                          const struct csn_yaml_node *at_key, const struct csn_schema *schema)
{
    enum { NEAR_MAX = 3 };
    const char *nearest = NULL;
    size_t least = NEAR_MAX + 1;
    char known[320];
    size_t used = 0;
    for (size_t i = 0; i < schema->count; i++) {
        size_t far = distance(at_key->key, schema->fields[i].key, NEAR_MAX);
        if (far < least && far < strlen(schema->fields[i].key)) {
            least = far;
            nearest = schema->fields[i].key;
        }
        if (used < sizeof(known)) {
            used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "",
                                     schema->fields[i].key);
        }
    }
    if (nearest != NULL) {
        return csn_yaml_refuse(reader->yaml, at_key, reader->reason, CSN_EFORMAT,
                               "unknown key '%.*s' in %s; did you mean '%s'?", SHOWN_MAX,
                               at_key->key, schema->what, nearest);
    }
    return csn_yaml_refuse(reader->yaml, at_key, reader->reason, CSN_EFORMAT,
                           "unknown key '%.*s' in %s; known are %s", SHOWN_MAX, at_key->key,
                           schema->what, known);
}

/* Reads the keys that are there; `ret_lines` has the line of each. */
static int read_given(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                      const struct csn_schema *schema, uint8_t *value, uint32_t *ret_lines)
{
    for (const struct csn_yaml_node *child = node->first; child != NULL; child = child->next) {
        struct csn_yaml_node at_key = *child;
        at_key.line = child->key_line;
        at_key.column = child->key_column;
        size_t i = 0;
        while (i < schema->count && strcmp(schema->fields[i].key, child->key) != 0) {
            i++;
        }
        if (i == schema->count) {
            return refuse_unknown(reader, &at_key, schema);
        }
        if (ret_lines[i] != 0) {
            return csn_yaml_refuse(reader->yaml, &at_key, reader->reason, CSN_EFORMAT,
                                   "key '%s' twice; it stands in line %u already", child->key,
                                   ret_lines[i]);
        }
        ret_lines[i] = child->key_line;
        int code = read_any(reader, child, &schema->fields[i], child->key, value);
        if (code != CSN_OK) {
            return code;
        }
    }
    return CSN_OK;
}

/* A missing key's default is read as if it stood in the document, at the place of the mapping. */
static int read_fallback(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                         const struct csn_schema_field *field, uint8_t *value)
{
    struct csn_yaml_node given = {.kind = field->type == CSN_SCHEMA_MAP ? CSN_YAML_MAP
                                                                        : CSN_YAML_SCALAR,
                                  .line = node->line,
                                  .column = node->column,
                                  .key = field->key,
                                  .text = field->fallback};
    return read_any(reader, &given, field, field->key, value);
}

static int read_map(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                    const struct csn_schema *schema, const char *label, uint8_t *value)
{
    uint32_t lines[64] = {0};
    REQUIRE(schema->count <= sizeof(lines) / sizeof(lines[0]));
    if (node->kind != CSN_YAML_MAP) {
        return refuse_kind(reader, node, label, "a mapping");
    }
    int code = read_given(reader, node, schema, value, lines);
    for (size_t i = 0; code == CSN_OK && i < schema->count; i++) {
        const struct csn_schema_field *field = &schema->fields[i];
        if (lines[i] != 0) {
            continue;
        }
        if (field->is_required) {
            return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EFORMAT,
                                   "%s has no '%s'", schema->what, field->key);
        }
        if (field->fallback != NULL) {
            code = read_fallback(reader, node, field, value);
        }
    }
    return code;
}

int csn_schema_read(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                    const struct csn_schema *schema, void *ret_value)
{
    return read_map(reader, node, schema, schema->what, ret_value);
}

bool csn_prefix_holds(const struct csn_prefix *prefix, const struct sockaddr *address)
{
    uint8_t octets[16] = {0};
    bool is_ipv6 = address->sa_family == AF_INET6;
    if (is_ipv6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        memcpy(octets, &v6.sin6_addr, 16);
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
            memmove(octets, octets + 12, 4);
            is_ipv6 = false;
        }
    } else if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        memcpy(octets, &v4.sin_addr, 4);
    } else {
        return false;
    }
    unsigned whole = prefix->bits / 8u, rest = prefix->bits % 8u;
    return is_ipv6 == prefix->is_ipv6 && memcmp(octets, prefix->octets, whole) == 0 &&
           (rest == 0 ||
            ((octets[whole] ^ prefix->octets[whole]) & (0xff00u >> rest) & 0xffu) == 0);
}
