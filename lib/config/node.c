#include "config/node.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/cluster.h"
#include "config/node_own.h"

static const struct csn_yaml_node *place(const struct csn_node_loader *loader, const char *keys)
{
    return csn_config_place(loader->root, keys);
}

static int load_cluster(struct csn_node_loader *loader)
{
    struct csn_node_config *config = loader->config;
    int code =
        csn_config_load_cluster(loader->reader, place(loader, "cluster"), config->cluster_path,
                                &config->cluster_document, &config->cluster);
    if (code != CSN_OK) {
        return code;
    }
    config->member = csn_cluster_member_named(&config->cluster, config->site);
    if (config->member == NULL) {
        return csn_yaml_refuse(loader->reader->yaml, place(loader, "site"), loader->reader->reason,
                               CSN_EREFUSED, "site: '%s' is not a member in %s", config->site,
                               config->cluster_path);
    }
    return CSN_OK;
}

/* Removes "." and "x/.." from a path, as text: the folders need not be there yet. */
static void normalise(const char *path, char ret_path[PATH_MAX])
{
    char copy[PATH_MAX], *rest = copy, *part;
    size_t used = 0;
    snprintf(copy, sizeof(copy), "%s", path);
    ret_path[0] = '\0';
    while ((part = strsep(&rest, "/")) != NULL) {
        if (*part == '\0' || strcmp(part, ".") == 0) {
            continue;
        }
        char *last = strrchr(ret_path, '/');
        if (strcmp(part, "..") == 0 && last != NULL && strcmp(last, "/..") != 0) {
            *last = '\0';
            used = (size_t)(last - ret_path);
        } else {
            used += (size_t)snprintf(ret_path + used, PATH_MAX - used, "/%.*s",
                                     (int)(PATH_MAX - 2 - used), part);
        }
    }
}

/* The second copy stands for the votes when the store is lost or restored: inside the store it
 * would go with it. */
static int check_store(struct csn_node_loader *loader)
{
    const struct csn_node_config *config = loader->config;
    char store[PATH_MAX], copy[PATH_MAX];
    int code =
        csn_config_check_folder(loader->reader, place(loader, "store"), config->store, true);
    if (code == CSN_OK) {
        code = csn_config_check_file_to_be(loader->reader, place(loader, "second-copy"),
                                           config->second_copy);
    }
    if (code != CSN_OK) {
        return code;
    }
    normalise(config->store, store);
    normalise(config->second_copy, copy);
    size_t size = strlen(store);
    if (strncmp(copy, store, size) == 0 && (copy[size] == '/' || copy[size] == '\0')) {
        return csn_yaml_refuse(
            loader->reader->yaml, place(loader, "second-copy"), loader->reader->reason,
            CSN_EREFUSED,
            "second-copy: lies inside the store; it must survive the loss of the store");
    }
    return CSN_OK;
}

/* consign-hsm beside the running program. */
static const char *default_worker(struct csn_arena *arena)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - sizeof("consign-hsm"));
    char *slash = NULL;
    if (size > 0) {
        path[size] = '\0';
        slash = strrchr(path, '/');
    }
    memcpy(slash != NULL ? slash + 1 : path, "consign-hsm", sizeof("consign-hsm"));
    return csn_arena_copy(arena, path, strlen(path) + 1);
}

static int check_hsm(struct csn_node_loader *loader)
{
    struct csn_node_config *config = loader->config;
    struct csn_hsm_config *hsm = &config->hsm;
    hsm->is_present = csn_yaml_find(loader->root, "hsm") != NULL;
    if (!hsm->is_present) {
        return config->member->role == CSN_MEMBER_VERIFIER
                   ? CSN_OK
                   : csn_yaml_refuse(
                         loader->reader->yaml, loader->root, loader->reader->reason, CSN_EREFUSED,
                         "no 'hsm', but %s is a signer in the cluster document", config->site);
    }
    while (hsm->environment != NULL && hsm->environment[hsm->environment_count] != NULL) {
        hsm->environment_count++;
    }
    if (hsm->worker == NULL) {
        hsm->worker = default_worker(&config->arena);
    }
    int code = csn_config_check_program(loader->reader, place(loader, "hsm.worker"), hsm->worker);
    if (code == CSN_OK) {
        code = csn_config_check_library(loader->reader, place(loader, "hsm.module"), hsm->module);
    }
    if (code == CSN_OK && hsm->folder != NULL) {
        code = csn_config_check_folder(loader->reader, place(loader, "hsm.folder"), hsm->folder,
                                       false);
    }
    return code == CSN_OK ? csn_config_check_file(loader->reader, place(loader, "hsm.pin-file"),
                                                  hsm->pin_file, true)
                          : code;
}

static int load(struct csn_node_loader *loader)
{
    struct csn_node_config *config = loader->config;
    int code = csn_schema_read(loader->reader, loader->root, &csn_node_config_schema, config);
    if (code == CSN_OK) {
        code = load_cluster(loader);
    }
    if (code == CSN_OK) {
        code = csn_config_check_identity(loader->reader, loader->root, &config->identity);
    }
    if (code == CSN_OK) {
        code = check_store(loader);
    }
    if (code == CSN_OK) {
        code = csn_config_check_socket(loader->reader, place(loader, "control"), config->control);
    }
    if (code == CSN_OK) {
        code = check_hsm(loader);
    }
    if (code == CSN_OK) {
        code = csn_node_config_load_zones(loader);
    }
    return code == CSN_OK ? csn_node_config_load_transfer(loader) : code;
}

int csn_node_config_load(const char *path, struct csn_node_config **ret_config,
                         struct csn_reason *reason)
{
    struct csn_node_config *config = csn_calloc(1, sizeof(*config));
    struct csn_config_file file;
    int code = csn_config_file_open(path, &config->arena, &file, reason);
    if (code == CSN_OK) {
        struct csn_node_loader loader = {.config = config, .reader = &file.reader, .root = file.yaml.root};
        code = load(&loader);
        csn_name_map_fini(&loader.names);
        csn_config_file_close(&file);
    }
    if (code != CSN_OK) {
        csn_node_config_free(config);
        return code;
    }
    *ret_config = config;
    return CSN_OK;
}

void csn_node_config_free(struct csn_node_config *take_config)
{
    if (take_config == NULL) {
        return;
    }
    for (size_t i = 0; i < take_config->zone_count; i++) {
        struct csn_zone_config *zone = &take_config->zones[i];
        csn_document_fini(&zone->policy_document);
        csn_document_fini(&zone->keyset_document);
        csn_policy_fini(&zone->policy);
        csn_keyset_fini(&zone->keyset);
    }
    for (size_t i = 0; i < take_config->transfer.tsig_count; i++) {
        struct csn_buf *secret = &take_config->transfer.tsig[i].secret;
        csn_wipe(secret->data, secret->size_max);
        csn_buf_fini(secret);
    }
    csn_document_fini(&take_config->cluster_document);
    csn_arena_fini(&take_config->arena);
    free(take_config);
}
