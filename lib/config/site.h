/* site.h: what the documents and both daemons' configurations read alike. Private to lib/config. */
#ifndef CSN_CONFIG_SITE_H
#define CSN_CONFIG_SITE_H

#include "config/node.h"

/* A name of a site, a coordinator, an operator: char[CSN_SITE_NAME_MAX]; it becomes a word in log
 * lines and file names. */
csn_schema_fn csn_schema_read_site_name;

extern const struct csn_schema csn_schema_identity; /* struct csn_identity */
extern const struct csn_schema csn_schema_log;      /* enum csn_level */

/* A configuration file while it is read. */
struct csn_config_file {
    struct csn_document document; /* owns */
    struct csn_yaml yaml;         /* owns */
    struct csn_schema_reader reader;
};
int csn_config_file_open(const char *path, struct csn_arena *arena,
                         struct csn_config_file *ret_file, struct csn_reason *reason);
void csn_config_file_close(struct csn_config_file *file);

/* The node at a dotted path of keys below `map`, or `map` itself where a key is missing: the place
 * for a message. */
const struct csn_yaml_node *csn_config_place(const struct csn_yaml_node *map, const char *keys);

/* As csn_config_place with numbers of list items, from 0, between the keys: the deepest node of the
 * path that is there. */
const struct csn_yaml_node *csn_config_deepest(const struct csn_yaml_node *map, const char *keys);

/* A regular file that can be read; with `is_secret` also of mode 0600 and ours. */
int csn_config_check_file(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                          const char *path, bool is_secret);
/* The folder in which `path` lies is there. */
int csn_config_check_folder_of(const struct csn_schema_reader *reader,
                               const struct csn_yaml_node *node, const char *path);
/* A folder; with `is_made` it need not be there, but the one in which it lies. */
int csn_config_check_folder(const struct csn_schema_reader *reader,
                            const struct csn_yaml_node *node, const char *path, bool is_made);
/* A file, or nothing yet; the folder in which it lies is there. */
int csn_config_check_file_to_be(const struct csn_schema_reader *reader,
                                const struct csn_yaml_node *node, const char *path);
int csn_config_check_program(const struct csn_schema_reader *reader,
                             const struct csn_yaml_node *node, const char *path);
/* A file that the loader may take for a shared library; it is not loaded. */
int csn_config_check_library(const struct csn_schema_reader *reader,
                             const struct csn_yaml_node *node, const char *path);
/* A path short enough for a Unix socket, or one that is there, in a folder that is. */
int csn_config_check_socket(const struct csn_schema_reader *reader,
                            const struct csn_yaml_node *node, const char *path);
/* Files and modes; notes the places. */
int csn_config_check_identity(const struct csn_schema_reader *reader,
                              const struct csn_yaml_node *root, struct csn_identity *identity);

/* The document that `node` names, read and parsed. Where the file itself cannot be read the reason
 * has the place of `node`; else the place in the document. What was written to the outputs is the
 * caller's to end, on failure too. */
int csn_config_load_cluster(const struct csn_schema_reader *reader,
                            const struct csn_yaml_node *node, const char *path,
                            struct csn_document *ret_document, struct csn_cluster *ret_cluster);
int csn_config_load_policy(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                           const char *path, struct csn_document *ret_document,
                           struct csn_policy *ret_policy);
/* Checks key set and policy, alone and together, and that the key set is the zone's. */
int csn_config_load_keyset(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                           const char *path, const uint8_t *zone, const struct csn_policy *policy,
                           const struct csn_document *policy_document, const char *policy_path,
                           struct csn_document *ret_document, struct csn_keyset *ret_keyset);

/* What a check found in a document, with the place there. */
int csn_config_refuse_fault(const struct csn_document *document, const char *path,
                            const struct csn_fault *fault, struct csn_reason *reason);

#endif
