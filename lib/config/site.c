#include "config/site.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "config/cluster.h"
#include "config/keyset.h"
#include "config/policy.h"

bool csn_site_name_is_good(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    size_t size = strlen(name);
    return size > 0 && size < CSN_SITE_NAME_MAX && strspn(name, allowed) == size && name[0] != '-';
}

int csn_schema_read_site_name(const struct csn_schema_reader *reader,
                              const struct csn_yaml_node *node, void *member)
{
    if (node->kind != CSN_YAML_SCALAR || !csn_site_name_is_good(node->text)) {
        return csn_yaml_refuse(
            reader->yaml, node, reader->reason, CSN_EFORMAT,
            "%s: expected a name of lower-case letters, digits and hyphens, at most %d long",
            node->key, CSN_SITE_NAME_MAX - 1);
    }
    memcpy(member, node->text, strlen(node->text) + 1);
    return CSN_OK;
}

static const struct csn_schema_field identity_fields[] = {
    {.key = "tls",
     .type = CSN_SCHEMA_PATH,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_identity, tls)},
    {.key = "ca",
     .type = CSN_SCHEMA_PATH,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_identity, ca)},
    {.key = "site-key",
     .type = CSN_SCHEMA_PATH,
     .is_required = true,
     CSN_SCHEMA_MEMBER(struct csn_identity, key)},
};
const struct csn_schema csn_schema_identity = CSN_SCHEMA_OF("identity", identity_fields);

static const struct csn_schema_word levels[] = {{"debug", CSN_DEBUG},
                                                {"info", CSN_INFO},
                                                {"warning", CSN_WARNING},
                                                {"error", CSN_ERROR},
                                                {NULL, 0}};
static const struct csn_schema_field log_fields[] = {
    {.key = "level",
     .type = CSN_SCHEMA_WORD,
     .size = sizeof(enum csn_level),
     .words = levels,
     .fallback = "info"},
};
const struct csn_schema csn_schema_log = CSN_SCHEMA_OF("log", log_fields);

int csn_config_file_open(const char *path, struct csn_arena *arena,
                         struct csn_config_file *ret_file, struct csn_reason *reason)
{
    struct csn_config_file file = {0};
    int code = csn_document_load(path, &file.document, reason);
    if (code == CSN_OK) {
        code = csn_yaml_parse(csn_buf_view(&file.document.octets), path, &file.yaml, reason);
    }
    if (code != CSN_OK) {
        csn_document_fini(&file.document);
        return code;
    }
    *ret_file = file;
    ret_file->reader =
        (struct csn_schema_reader){.yaml = &ret_file->yaml, .arena = arena, .reason = reason};
    return CSN_OK;
}

void csn_config_file_close(struct csn_config_file *file)
{
    csn_yaml_fini(&file->yaml);
    csn_document_fini(&file->document);
}

const struct csn_yaml_node *csn_config_place(const struct csn_yaml_node *map, const char *keys)
{
    char copy[64], *rest = copy, *key;
    const struct csn_yaml_node *node = map;
    snprintf(copy, sizeof(copy), "%s", keys);
    while (node != NULL && (key = strsep(&rest, ".")) != NULL) {
        node = csn_yaml_find(node, key);
    }
    return node != NULL ? node : map;
}

const struct csn_yaml_node *csn_config_deepest(const struct csn_yaml_node *map, const char *keys)
{
    char copy[64], *rest = copy, *key;
    const struct csn_yaml_node *node = map, *next;
    snprintf(copy, sizeof(copy), "%s", keys);
    while ((key = strsep(&rest, ".")) != NULL) {
        uint64_t index;
        if (node->kind == CSN_YAML_LIST) {
            next = csn_number_parse(key, node->count, &index) == CSN_OK ? csn_yaml_item(node, index)
                                                                        : NULL;
        } else {
            next = node->kind == CSN_YAML_MAP ? csn_yaml_find(node, key) : NULL;
        }
        if (next == NULL) {
            break;
        }
        node = next;
    }
    return node;
}

static int refuse_path(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                       int code, const char *path, const char *what)
{
    return csn_yaml_refuse(reader->yaml, node, reader->reason, code, "%s: %s: %s",
                           node->key != NULL ? node->key : "path", path, what);
}

static int code_of_errno(int number)
{
    return number == ENOENT || number == ENOTDIR ? CSN_ENOTFOUND
           : number == EACCES                    ? CSN_EPERMISSION
                                                 : CSN_EIO;
}

int csn_config_check_file(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                          const char *path, bool is_secret)
{
    struct stat st;
    if (stat(path, &st) != 0 || access(path, R_OK) != 0) {
        return refuse_path(reader, node, code_of_errno(errno), path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return refuse_path(reader, node, CSN_EREFUSED, path, "not a file");
    }
    if (is_secret && ((st.st_mode & 077) != 0 || (st.st_uid != geteuid() && st.st_uid != 0))) {
        return refuse_path(reader, node, CSN_EPERMISSION, path,
                           "must be a file of this user with mode 0600; run chmod 600 on it");
    }
    return CSN_OK;
}

int csn_config_check_folder_of(const struct csn_schema_reader *reader,
                               const struct csn_yaml_node *node, const char *path)
{
    char copy[PATH_MAX];
    struct stat st;
    snprintf(copy, sizeof(copy), "%s", path);
    const char *folder = dirname(copy);
    if (stat(folder, &st) != 0) {
        return refuse_path(reader, node, code_of_errno(errno), folder, strerror(errno));
    }
    return S_ISDIR(st.st_mode) ? CSN_OK
                               : refuse_path(reader, node, CSN_EREFUSED, folder, "not a folder");
}

int csn_config_check_folder(const struct csn_schema_reader *reader,
                            const struct csn_yaml_node *node, const char *path, bool is_made)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return is_made && (errno == ENOENT || errno == ENOTDIR)
                   ? csn_config_check_folder_of(reader, node, path)
                   : refuse_path(reader, node, code_of_errno(errno), path, strerror(errno));
    }
    return S_ISDIR(st.st_mode)
               ? CSN_OK
               : refuse_path(reader, node, CSN_EREFUSED, path, "is a file; name a folder");
}

int csn_config_check_file_to_be(const struct csn_schema_reader *reader,
                                const struct csn_yaml_node *node, const char *path)
{
    struct stat st;
    int code = csn_config_check_folder_of(reader, node, path);
    if (code != CSN_OK) {
        return code;
    }
    return stat(path, &st) != 0 || S_ISREG(st.st_mode)
               ? CSN_OK
               : refuse_path(reader, node, CSN_EREFUSED, path,
                             S_ISDIR(st.st_mode) ? "is a folder; name a file in it"
                                                 : "is no regular file");
}

int csn_config_check_program(const struct csn_schema_reader *reader,
                             const struct csn_yaml_node *node, const char *path)
{
    int code = csn_config_check_file(reader, node, path, false);
    return code != CSN_OK || access(path, X_OK) == 0
               ? code
               : refuse_path(reader, node, code_of_errno(errno), path, "cannot be run as a program");
}

int csn_config_check_library(const struct csn_schema_reader *reader,
                             const struct csn_yaml_node *node, const char *path)
{
    static const char magic[] = {0x7f, 'E', 'L', 'F'};
    char head[sizeof(magic)] = {0};
    int code = csn_config_check_file(reader, node, path, false);
    if (code != CSN_OK) {
        return code;
    }
    FILE *file = fopen(path, "re");
    size_t size = file != NULL ? fread(head, 1, sizeof(head), file) : 0;
    if (file != NULL) {
        fclose(file);
    }
    return size == sizeof(magic) && memcmp(head, magic, sizeof(magic)) == 0
               ? CSN_OK
               : refuse_path(reader, node, CSN_EREFUSED, path,
                             "is no shared library (ELF); name the vendor's PKCS#11 module");
}

int csn_config_check_socket(const struct csn_schema_reader *reader,
                            const struct csn_yaml_node *node, const char *path)
{
    if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        return refuse_path(reader, node, CSN_ELIMIT, path,
                           "too long for a Unix socket; take a path of at most 107 octets");
    }
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        return refuse_path(reader, node, CSN_EREFUSED, path, "is there, and no socket");
    }
    return csn_config_check_folder_of(reader, node, path);
}

/* "file:line:col" of a node, for checks after the document is gone. */
static const char *place_text(const struct csn_schema_reader *reader,
                              const struct csn_yaml_node *node)
{
    char text[PATH_MAX + 32];
    int size = snprintf(text, sizeof(text), "%s:%u:%u", reader->yaml->file, node->line, node->column);
    return csn_arena_copy(reader->arena, text, (size_t)size + 1);
}

int csn_config_check_identity(const struct csn_schema_reader *reader,
                              const struct csn_yaml_node *root, struct csn_identity *identity)
{
    const struct csn_yaml_node *tls = csn_config_place(root, "identity.tls"),
                               *ca = csn_config_place(root, "identity.ca"),
                               *key = csn_config_place(root, "identity.site-key");
    identity->tls_at = place_text(reader, tls);
    identity->ca_at = place_text(reader, ca);
    identity->key_at = place_text(reader, key);
    int code = csn_config_check_file(reader, tls, identity->tls, true);
    if (code == CSN_OK) {
        code = csn_config_check_file(reader, ca, identity->ca, false);
    }
    return code == CSN_OK ? csn_config_check_file(reader, key, identity->key, true) : code;
}

static int load_document(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                         const char *path, struct csn_document *ret_document)
{
    struct csn_reason cause;
    int code = csn_document_load(path, ret_document, &cause);
    if (code != CSN_OK) {
        csn_yaml_refuse(reader->yaml, node, reader->reason, code, "%s: %s",
                        node->key != NULL ? node->key : "path", cause.text);
    }
    return code;
}

int csn_config_load_cluster(const struct csn_schema_reader *reader,
                            const struct csn_yaml_node *node, const char *path,
                            struct csn_document *ret_document, struct csn_cluster *ret_cluster)
{
    int code = load_document(reader, node, path, ret_document);
    if (code != CSN_OK) {
        return code;
    }
    return csn_cluster_parse(csn_buf_view(&ret_document->octets), path, ret_cluster,
                             reader->reason);
}

int csn_config_load_policy(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                           const char *path, struct csn_document *ret_document,
                           struct csn_policy *ret_policy)
{
    int code = load_document(reader, node, path, ret_document);
    if (code != CSN_OK) {
        return code;
    }
    return csn_policy_parse(csn_buf_view(&ret_document->octets), path, ret_policy, reader->reason);
}

int csn_config_load_keyset(const struct csn_schema_reader *reader, const struct csn_yaml_node *node,
                           const char *path, const uint8_t *zone, const struct csn_policy *policy,
                           const struct csn_document *policy_document, const char *policy_path,
                           struct csn_document *ret_document, struct csn_keyset *ret_keyset)
{
    struct csn_fault fault = {.at = ""};
    int code = load_document(reader, node, path, ret_document);
    if (code == CSN_OK) {
        code =
            csn_keyset_parse(csn_buf_view(&ret_document->octets), path, ret_keyset, reader->reason);
    }
    if (code != CSN_OK) {
        return code;
    }
    if (!csn_name_equal(ret_keyset->zone, zone)) {
        char name[CSN_NAME_TEXT_MAX];
        csn_name_text(ret_keyset->zone, name);
        return csn_yaml_refuse(reader->yaml, node, reader->reason, CSN_EREFUSED,
                               "%s: %s is the key set of %s", node->key, path, name);
    }
    code = csn_keyset_check(ret_keyset, &fault);
    if (code == CSN_OK) {
        code = csn_policy_check(policy, ret_keyset, &fault);
    }
    if (code == CSN_OK) {
        return CSN_OK;
    }
    return fault.is_in_keyset
               ? csn_config_refuse_fault(ret_document, path, &fault, reader->reason)
               : csn_config_refuse_fault(policy_document, policy_path, &fault, reader->reason);
}

int csn_config_refuse_fault(const struct csn_document *document, const char *path,
                            const struct csn_fault *fault, struct csn_reason *reason)
{
    struct csn_yaml yaml;
    int code = csn_yaml_parse(csn_buf_view(&document->octets), path, &yaml, reason);
    if (code != CSN_OK) {
        return code;
    }
    const struct csn_yaml_node *node = csn_config_deepest(yaml.root, fault->at);
    csn_yaml_refuse(&yaml, node, reason, CSN_EREFUSED, "%s%s", fault->reason.text,
                    node == yaml.root ? " (it does not stand in the document: that is the default)"
                                      : "");
    csn_yaml_fini(&yaml);
    return CSN_EREFUSED;
}
