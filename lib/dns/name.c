#include "dns/name.h"

#include <string.h>

size_t csn_name_check(struct csn_bytes data)
{
    size_t at = 0;
    while (at < data.size && data.data[at] != 0) {
        if (data.data[at] > CSN_LABEL_MAX) {
            return 0;
        }
        at += 1u + data.data[at];
    }
    return at < data.size && at < CSN_NAME_MAX ? at + 1 : 0;
}

size_t csn_name_size(const uint8_t *name)
{
    size_t at = 0;
    while (name[at] != 0) {
        at += 1u + name[at];
    }
    return at + 1;
}

unsigned csn_name_labels(const uint8_t *name)
{
    unsigned count = 0;
    for (; *name != 0; name += 1 + *name) {
        count++;
    }
    return count;
}

uint8_t csn_name_rrsig_labels(const uint8_t *name)
{
    bool is_wildcard = name[0] == 1 && name[1] == '*';
    return (uint8_t)(csn_name_labels(name) - is_wildcard);
}

static uint8_t lower(uint8_t octet)
{
    return octet >= 'A' && octet <= 'Z' ? (uint8_t)(octet + ('a' - 'A')) : octet;
}

void csn_name_lower(uint8_t *name)
{
    while (*name != 0) {
        uint8_t *end = name + 1 + *name;
        for (name++; name < end; name++) {
            *name = lower(*name);
        }
    }
}

bool csn_name_equal(const uint8_t *a, const uint8_t *b)
{
    size_t size = csn_name_size(a);
    return size == csn_name_size(b) && memcmp(a, b, size) == 0;
}

bool csn_name_is_under(const uint8_t *name, const uint8_t *ancestor)
{
    size_t size = csn_name_size(name);
    size_t ancestor_size = csn_name_size(ancestor);
    while (size > ancestor_size) {
        size -= 1u + *name;
        name += 1 + *name;
    }
    return size == ancestor_size && memcmp(name, ancestor, size) == 0;
}

const uint8_t *csn_name_parent(const uint8_t *name)
{
    return *name == 0 ? NULL : name + 1 + *name;
}

/* Where each label begins; their count. */
static unsigned split(const uint8_t *name, uint8_t ret_starts[CSN_LABELS_MAX])
{
    unsigned count = 0;
    for (unsigned at = 0; name[at] != 0; at += 1u + name[at]) {
        ret_starts[count++] = (uint8_t)at;
    }
    return count;
}

int csn_name_compare(const uint8_t *a, const uint8_t *b)
{
    uint8_t starts_a[CSN_LABELS_MAX], starts_b[CSN_LABELS_MAX];
    unsigned left_a = split(a, starts_a), left_b = split(b, starts_b);
    while (left_a > 0 && left_b > 0) {
        const uint8_t *label_a = a + starts_a[--left_a], *label_b = b + starts_b[--left_b];
        int order = memcmp(label_a + 1, label_b + 1, *label_a < *label_b ? *label_a : *label_b);
        if (order == 0) {
            order = *label_a - *label_b;
        }
        if (order != 0) {
            return order;
        }
    }
    return (left_a > 0) - (left_b > 0);
}

/* RFC 1035 5.1, and the octets that BIND and the zone scanners escape as well. */
static char *text_octet(char *to, uint8_t octet)
{
    if (octet < 0x21 || octet > 0x7e) {
        *to++ = '\\';
        *to++ = (char)('0' + octet / 100);
        *to++ = (char)('0' + octet / 10 % 10);
        *to++ = (char)('0' + octet % 10);
        return to;
    }
    if (strchr("\"$().;@\\", octet) != NULL) {
        *to++ = '\\';
    }
    *to++ = (char)octet;
    return to;
}

void csn_name_text(const uint8_t *name, char ret_text[CSN_NAME_TEXT_MAX])
{
    char *to = ret_text;
    if (*name == 0) {
        *to++ = '.';
    }
    while (*name != 0) {
        const uint8_t *end = name + 1 + *name;
        for (name++; name < end; name++) {
            to = text_octet(to, *name);
        }
        *to++ = '.';
    }
    *to = '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The octet after a backslash, as \DDD or \X; the place behind it, or NULL. */
static const char *parse_escape(const char *text, uint8_t *ret_octet)
{
    if (!is_digit(text[0])) {
        *ret_octet = (uint8_t)text[0];
        return text[0] == '\0' ? NULL : text + 1;
    }
    if (!is_digit(text[1]) || !is_digit(text[2])) {
        return NULL;
    }
    int octet = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    *ret_octet = (uint8_t)octet;
    return octet > 255 ? NULL : text + 3;
}

/* One label with its dot into `label` (length octet and at most 63 more); the place behind it, or
 * NULL. */
static const char *parse_label(const char *text, uint8_t label[1 + CSN_LABEL_MAX])
{
    uint8_t size = 0;
    while (*text != '.') {
        uint8_t octet = (uint8_t)*text;
        if (octet == '\0' || size == CSN_LABEL_MAX) {
            return NULL;
        }
        text++;
        if (octet == '\\') {
            text = parse_escape(text, &octet);
            if (text == NULL) {
                return NULL;
            }
        }
        label[++size] = lower(octet);
    }
    label[0] = size;
    return size == 0 ? NULL : text + 1;
}

int csn_name_parse(const char *text, uint8_t ret_name[CSN_NAME_MAX])
{
    uint8_t name[CSN_NAME_MAX], label[1 + CSN_LABEL_MAX];
    size_t size = 0;
    const char *at = strcmp(text, ".") == 0 ? text + 1 : text;
    if (*text == '\0') {
        return CSN_EFORMAT;
    }
    while (*at != '\0') {
        at = parse_label(at, label);
        if (at == NULL || size + 1 + label[0] + 1 > CSN_NAME_MAX) {
            return CSN_EFORMAT;
        }
        memcpy(name + size, label, 1u + label[0]);
        size += 1u + label[0];
    }
    name[size] = 0;
    memcpy(ret_name, name, size + 1);
    return CSN_OK;
}

static size_t key_put_label(uint8_t *key, const uint8_t *label)
{
    size_t size = 0;
    for (unsigned i = 1; i <= *label; i++) {
        if (label[i] <= 1) {
            key[size++] = 1;
            key[size++] = (uint8_t)(label[i] + 1);
        } else {
            key[size++] = label[i];
        }
    }
    key[size++] = 0;
    return size;
}

size_t csn_key_encode(const uint8_t *owner, uint16_t type, uint8_t ret_key[CSN_KEY_MAX])
{
    uint8_t starts[CSN_LABELS_MAX];
    size_t size = 0;
    for (unsigned left = split(owner, starts); left > 0; left--) {
        size += key_put_label(ret_key + size, owner + starts[left - 1]);
    }
    ret_key[size++] = 0;
    csn_set_u16(ret_key + size, type);
    return size + 2;
}

/* Reads one label (or, when it is empty, the end of the name) from a key. */
static int key_get_label(struct csn_reader *reader, uint8_t label[1 + CSN_LABEL_MAX])
{
    uint8_t size = 0;
    for (uint8_t octet = csn_read_u8(reader); octet != 0; octet = csn_read_u8(reader)) {
        if (octet == 1) {
            octet = (uint8_t)(csn_read_u8(reader) - 1);
            if (octet > 1) {
                return CSN_EDAMAGED;
            }
        }
        if (size == CSN_LABEL_MAX) {
            return CSN_EDAMAGED;
        }
        label[++size] = octet;
    }
    label[0] = size;
    return reader->failed ? CSN_EDAMAGED : CSN_OK;
}

int csn_key_decode(struct csn_bytes key, uint8_t ret_owner[CSN_NAME_MAX], uint16_t *ret_type)
{
    struct csn_reader reader = csn_reader(key);
    uint8_t name[CSN_NAME_MAX], label[1 + CSN_LABEL_MAX];
    size_t at = sizeof(name) - 1; /* the name grows from its root label to the front */
    name[at] = 0;
    for (;;) {
        if (key_get_label(&reader, label) != CSN_OK) {
            return CSN_EDAMAGED;
        }
        if (label[0] == 0) {
            break;
        }
        if (at < 1u + label[0]) {
            return CSN_EDAMAGED;
        }
        at -= 1u + label[0];
        memcpy(name + at, label, 1u + label[0]);
    }
    uint16_t type = csn_read_u16(&reader);
    if (!csn_reader_done(&reader)) {
        return CSN_EDAMAGED;
    }
    memcpy(ret_owner, name + at, sizeof(name) - at);
    *ret_type = type;
    return CSN_OK;
}
