/* yaml.h: a YAML document as a tree that remembers where everything stood, read with libyaml's
 * events. It takes less than YAML offers, so that a document has one meaning: one document a file,
 * no anchors, aliases or tags, at most 1 MiB, at most CSN_YAML_DEPTH_MAX deep, keys are plain
 * words. Any bytes may be given. Any thread; the tree lives in its own arena. */
#ifndef CSN_CONFIG_YAML_H
#define CSN_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

#define CSN_YAML_SIZE_MAX (1u << 20)
#define CSN_YAML_DEPTH_MAX 16

enum csn_yaml_kind { CSN_YAML_SCALAR, CSN_YAML_LIST, CSN_YAML_MAP };

struct csn_yaml_node {
    enum csn_yaml_kind kind;
    uint32_t line, column;         /* from 1 */
    const char *key;               /* in a mapping: its key; else NULL */
    uint32_t key_line, key_column; /* where the key stands */
    const char
        *text;     /* of a scalar: NUL-terminated, no other control octets than tab and newline */
    bool is_plain; /* a scalar without quotes */
    size_t count;  /* children of a list or mapping */
    const struct csn_yaml_node *first, *next;
};

struct csn_yaml {
    const char *file; /* for messages and relative paths; in the arena */
    const struct csn_yaml_node *root;
    struct csn_arena arena; /* owns all of the above */
};

/* `file` is copied. CSN_EFORMAT or CSN_ELIMIT with "file:line:col: …". */
int csn_yaml_parse(struct csn_bytes text, const char *file, struct csn_yaml *ret_yaml,
                   struct csn_reason *reason);
void csn_yaml_fini(struct csn_yaml *yaml);

/* The child with this key, or NULL. */
const struct csn_yaml_node *csn_yaml_find(const struct csn_yaml_node *map, const char *key);
/* The i-th child of a list, or NULL. */
const struct csn_yaml_node *csn_yaml_item(const struct csn_yaml_node *list, size_t index);

/* Writes "file:line:col: …" with the node's place and returns `code`. */
int csn_yaml_refuse(const struct csn_yaml *yaml, const struct csn_yaml_node *node,
                    struct csn_reason *reason, int code, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
