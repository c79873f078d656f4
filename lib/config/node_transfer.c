/* Transfers: the secrets of their TSIG keys, and the keys that rules name. */
#include "config/node_own.h"

#include <string.h>

#include "base/fs.h"
#include "config/rdata.h"

#define SECRET_FILE_MAX 4096
#define SECRET_SIZE_MIN                                                                            \
    16 /* octets; below half of SHA-256's output a key can be searched (RFC 8945 8) */

static int load_secret(struct csn_node_loader *loader, const struct csn_yaml_node *node,
                       struct csn_tsig_config *tsig)
{
    struct csn_buf text = {0};
    const struct csn_yaml_node *at = csn_yaml_find(node, "secret-file");
    int code = csn_config_check_file(loader->reader, at, tsig->secret_file, true);
    if (code == CSN_OK) {
        code =
            csn_fs_read_secret(tsig->secret_file, SECRET_FILE_MAX, &text, loader->reader->reason);
    }
    if (code == CSN_OK) {
        csn_buf_put_u8(&text, '\0');
        if (strlen((const char *)text.data) + 1 != text.size ||
            csn_base64_decode((const char *)text.data, &tsig->secret) != CSN_OK ||
            tsig->secret.size < SECRET_SIZE_MIN) {
            code = csn_yaml_refuse(
                loader->reader->yaml, at, loader->reader->reason, CSN_EFORMAT,
                "secret-file: %s: expected base64 of at least %d octets and nothing else",
                tsig->secret_file, SECRET_SIZE_MIN);
        }
    }
    csn_wipe(text.data, text.size_max);
    csn_buf_fini(&text);
    return code;
}

static int load_tsig(struct csn_node_loader *loader)
{
    struct csn_transfer_config *transfer = &loader->config->transfer;
    const struct csn_yaml_node *node = csn_config_place(loader->root, "transfer.tsig")->first;
    for (size_t i = 0; i < transfer->tsig_count; i++, node = node->next) {
        for (size_t j = 0; j < i; j++) {
            if (csn_name_equal(transfer->tsig[i].name, transfer->tsig[j].name)) {
                return csn_yaml_refuse(loader->reader->yaml, csn_yaml_find(node, "name"),
                                       loader->reader->reason, CSN_EREFUSED,
                                       "name: stands twice in tsig");
            }
        }
        int code = load_secret(loader, node, &transfer->tsig[i]);
        if (code != CSN_OK) {
            return code;
        }
    }
    return CSN_OK;
}

/* A key's name in a rule to its index in tsig; NULL is no key. */
static int resolve_tsig(struct csn_node_loader *loader, const struct csn_yaml_node *node, const char *name,
                        size_t *ret_index)
{
    const struct csn_transfer_config *transfer = &loader->config->transfer;
    static const struct csn_schema_field field = {
        .key = "key", .type = CSN_SCHEMA_NAME, .size = CSN_NAME_MAX};
    uint8_t wire[CSN_NAME_MAX];
    *ret_index = CSN_INDEX_NONE;
    if (name == NULL) {
        return CSN_OK;
    }
    const struct csn_yaml_node *at = csn_yaml_find(node, "key");
    int code = csn_schema_read_value(loader->reader, at, &field, wire);
    if (code != CSN_OK) {
        return code;
    }
    for (size_t i = 0; i < transfer->tsig_count; i++) {
        if (csn_name_equal(transfer->tsig[i].name, wire)) {
            *ret_index = i;
            return CSN_OK;
        }
    }
    return csn_yaml_refuse(loader->reader->yaml, at, loader->reader->reason, CSN_EREFUSED,
                           "key: no key '%s' in transfer.tsig", name);
}

int csn_node_config_load_transfer(struct csn_node_loader *loader)
{
    struct csn_transfer_config *transfer = &loader->config->transfer;
    int code = load_tsig(loader);
    const struct csn_yaml_node *node = csn_config_place(loader->root, "transfer.allow")->first;
    for (size_t i = 0; code == CSN_OK && i < transfer->allow_count; i++, node = node->next) {
        code = resolve_tsig(loader, node, transfer->allow[i].key_name, &transfer->allow[i].key);
    }
    node = csn_config_place(loader->root, "transfer.notify")->first;
    for (size_t i = 0; code == CSN_OK && i < transfer->notify_count; i++, node = node->next) {
        code = resolve_tsig(loader, node, transfer->notify[i].key_name, &transfer->notify[i].key);
    }
    return code;
}
