/* schema.h: tables that say which keys a mapping has, of which type, and where the values go. A
 * mapping is read into a struct by its table; every error names file, line, column, what stands
 * there and what was meant. Any thread.
 *
 * Values that do not fit into the struct itself (texts, lists) go to the arena of the one who
 * reads. Checks across keys are the caller's, with csn_yaml_refuse. */
#ifndef CSN_CONFIG_SCHEMA_H
#define CSN_CONFIG_SCHEMA_H

#include <sys/socket.h>

#include "base/sha.h"
#include "config/yaml.h"

enum csn_schema_type {
    CSN_SCHEMA_TEXT,    /* const char *, in the arena; least..most octets */
    CSN_SCHEMA_INLINE,  /* char[size], NUL-terminated; least octets at least */
    CSN_SCHEMA_BOOL,    /* bool: true or false */
    CSN_SCHEMA_NUMBER,  /* unsigned of 1, 2, 4 or 8 octets; least..most */
    CSN_SCHEMA_SPAN,    /* as NUMBER, in seconds: 90s 15m 2h 21d 4w */
    CSN_SCHEMA_SPAN_MS, /* the same, kept in milliseconds; least..most in seconds */
    CSN_SCHEMA_TIME,    /* uint64_t Unix seconds; RFC 3339 in UTC, or the number; ..most */
    CSN_SCHEMA_SIZE,    /* uint64_t octets: 512KiB 64MiB 1GiB 2TiB; least..most in octets */
    CSN_SCHEMA_HEX,     /* uint8_t[size] */
    CSN_SCHEMA_OCTETS,  /* struct csn_bytes, in the arena, from hex; least..most octets */
    CSN_SCHEMA_NAME,    /* uint8_t[CSN_NAME_MAX], lower-case wire form; a final dot is not needed */
    CSN_SCHEMA_PATH,    /* const char *, in the arena; relative to the document's folder */
    CSN_SCHEMA_ENDPOINT, /* struct csn_endpoint: 192.0.2.1@53, 2001:db8::1@53 */
    CSN_SCHEMA_PREFIX,   /* struct csn_prefix: 192.0.2.0/24, 2001:db8::/32, one address */
    CSN_SCHEMA_WORD,     /* an enum (int-sized) or uint8_t; one of `words` */
    CSN_SCHEMA_MAP,      /* a struct, by `map` */
    CSN_SCHEMA_LIST,     /* by `list` */
    CSN_SCHEMA_OTHER     /* by `read`; `meant` says what it takes */
};

/* An address and a port. */
struct csn_endpoint {
    struct sockaddr_storage address; /* AF_INET or AF_INET6, port set */
    char text[64];                   /* as written */
};

/* Addresses whose first `bits` are these. */
struct csn_prefix {
    uint8_t octets[16]; /* the first 4 for IPv4; host bits are zero */
    uint8_t bits;
    bool is_ipv6;
};

/* Where a document is read from and to. */
struct csn_schema_reader {
    const struct csn_yaml *yaml;
    struct csn_arena *arena; /* for texts and lists of the result */
    struct csn_reason *reason;
};

struct csn_schema;
struct csn_schema_word {
    const char *word;
    unsigned value;
};
/* Reads `node` to `member`; refuses with csn_yaml_refuse. */
typedef int csn_schema_fn(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                          void *member);

struct csn_schema_field {
    const char *key;
    enum csn_schema_type type;
    bool is_required;
    size_t offset, size;  /* of the member */
    uint64_t least, most; /* bounds, as the type says; most 0: the type's own */
    const char *fallback; /* read in place of a missing key; NULL: the member stays zero */
    const struct csn_schema_word *words; /* ends with a NULL word */
    const struct csn_schema *map;
    const struct csn_schema_list *list;
    csn_schema_fn *read;
    const char *meant;
};

struct csn_schema {
    const char *what; /* "a zone": for messages */
    const struct csn_schema_field *fields;
    size_t count; /* at most 64 */
};

/* Items of `item` (offset 0, no key). The member is an array of the struct (`is_inline`) or a
 * pointer to one in the arena; the count, of `count_size` octets, lies at `count_offset` of the
 * enclosing struct. */
struct csn_schema_list {
    struct csn_schema_field item;
    size_t count_offset, count_size;
    size_t least, most;
    bool is_inline;
};

/* Most of a time: the last that RFC 3339 can write. No sum of times wraps. */
#define CSN_SCHEMA_TIME_MAX UINT64_C(253402300799)

#define CSN_SCHEMA_MEMBER(type, member)                                                            \
    .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define CSN_SCHEMA_COUNT(type, member)                                                             \
    .count_offset = offsetof(type, member), .count_size = sizeof(((type *)0)->member)
#define CSN_SCHEMA_OF(what_, fields_)                                                              \
    {                                                                                              \
        .what = (what_), .fields = (fields_), .count = sizeof(fields_) / sizeof((fields_)[0])      \
    }

/* Reads a mapping into `ret_value`, which the caller has zeroed. Unknown, doubled and missing keys,
 * types and ranges: CSN_EFORMAT. On failure `ret_value` is half filled: the caller drops it. */
int csn_schema_read(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                    const struct csn_schema *schema, void *ret_value);
/* One value that is not a member of a table. */
int csn_schema_read_value(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                          const struct csn_schema_field *field, void *ret_struct);

/* True when the address lies in the prefix; an IPv4-mapped IPv6 address is its IPv4 address. */
bool csn_prefix_holds(const struct csn_prefix *prefix, const struct sockaddr *address);

#endif
