/* node.h: consign-node's own configuration with every document it names: one call gives the daemon
 * all it needs, or the first error as "file:line:col: what, and what was meant". Reads files; any
 * thread; the result is immutable. */
#ifndef CSN_CONFIG_NODE_H
#define CSN_CONFIG_NODE_H

#include <sys/types.h>

#include "base/log.h"
#include "config/document.h"
#include "config/schema.h"
#include "dns/name.h"
#include "keys/keyset.h"
#include "keys/policy.h"
#include "round/cluster.h"

#define CSN_ZONES_MAX 16384
#define CSN_ZONE_LISTS_MAX 64
#define CSN_TSIG_KEYS_MAX 64
#define CSN_ADDRESSES_MAX 64
#define CSN_NODE_SESSIONS_MAX 64
#define CSN_INDEX_NONE SIZE_MAX
#define CSN_LIVE_SERIAL_NONE (UINT64_C(1) << 32)

/* Files with this process's identity; all paths absolute or relative to the working folder, ready
 * to open. */
struct csn_identity {
    const char *tls; /* certificate and P-256 key, PEM */
    const char *ca;  /* the cluster's CA, PEM */
    const char *key; /* Ed25519, PKCS#8 PEM, 0600 */
    const char *tls_at, *ca_at, *key_at; /* "file:line:col" where each is named */
};

struct csn_hsm_config {
    bool is_present;      /* a verifier may have none */
    const char *worker;   /* program; beside the running program by default */
    const char *module;   /* PKCS#11 library */
    const char *token;    /* RFC 7512 URI, no PIN in it */
    const char *pin_file; /* 0600; only the worker opens it */
    unsigned sessions;
    uint32_t deadline_ms;
    const char *const *environment; /* NAME=value of the worker, for the vendor's module */
    size_t environment_count;
    const char *folder; /* the worker's working folder; NULL: the node's */
};

/* Which object of the token is a key of the key set. */
struct csn_token_key {
    char name[64];       /* in the key set */
    size_t key;          /* its index there */
    const char *label;   /* CKA_LABEL */
    struct csn_bytes id; /* CKA_ID; empty: not compared */
};

struct csn_zone_config {
    uint8_t zone[CSN_NAME_MAX];
    const char *input; /* zone file; need not be there yet, its folder must */
    uint64_t live_serial; /* served before Consign: the first serial comes after it; CSN_LIVE_SERIAL_NONE */
    const char *policy_path, *keyset_path;
    struct csn_document policy_document, keyset_document; /* own */
    struct csn_policy policy;                             /* owns */
    struct csn_keyset keyset;                             /* owns */
    const struct csn_token_key *token_keys; /* a key that is not here is not in this site's token */
    size_t token_key_count;
    struct csn_bytes *ds; /* RDATA of the DS at the parent; may be none */
    size_t ds_count;
};

/* Zones of one listing; see zone_list.h. Paths with "{zone}" in them. */
struct csn_zone_list_config {
    const char *path; /* of the listing */
    const char *input, *policy_path, *keyset_path;
    const struct csn_token_key *token_keys; /* the same objects for every zone */
    size_t token_key_count;
};

enum csn_tsig_algorithm { CSN_TSIG_SHA256, CSN_TSIG_SHA384, CSN_TSIG_SHA512 };
struct csn_tsig_config {
    uint8_t name[CSN_NAME_MAX];
    enum csn_tsig_algorithm algorithm;
    const char *secret_file;
    struct csn_buf secret; /* owns; wiped */
};

/* Who may transfer: the address lies in the prefix and, where a key is named, the request is signed
 * with it. */
struct csn_allow_config {
    struct csn_prefix prefix;
    const char *key_name; /* NULL: no key asked */
    size_t key;           /* index in tsig, or CSN_INDEX_NONE */
};

struct csn_notify_config {
    struct csn_endpoint to;
    const char *key_name;
    size_t key; /* index in tsig, or CSN_INDEX_NONE */
};

struct csn_transfer_config {
    const struct csn_endpoint *listen;
    size_t listen_count;
    struct csn_tsig_config *tsig;
    size_t tsig_count;
    struct csn_allow_config *allow;
    size_t allow_count;
    struct csn_notify_config *notify;
    size_t notify_count;
};

struct csn_node_config {
    char site[CSN_SITE_NAME_MAX];
    const struct csn_member *member; /* this site, in `cluster` */
    const char *cluster_path;
    struct csn_document cluster_document; /* owns */
    struct csn_cluster cluster;
    const char *store;               /* folder */
    uint64_t votes_size, zones_size; /* map sizes, octets */
    const char *second_copy;         /* file of the last own hold, outside the store */
    struct csn_identity identity;
    const char *control; /* socket */
    struct csn_hsm_config hsm;
    struct csn_zone_config *zones; /* those of the listings too, after the others */
    size_t zone_count;
    struct csn_zone_list_config *zone_lists;
    size_t zone_list_count;
    struct csn_transfer_config transfer;
    enum csn_level log_level;
    struct csn_arena arena; /* owns the rest */
};

/* Reads the file and all that it names, and checks it all (--check is this call): documents parse
 * and pass their own checks, the site is a member, each key set is its zone's, files are there,
 * secrets have mode 0600. The first error: CSN_EFORMAT, CSN_EREFUSED, CSN_ENOTFOUND,
 * CSN_EPERMISSION, CSN_EIO, CSN_ELIMIT. */
int csn_node_config_load(const char *path, struct csn_node_config **ret_config,
                         struct csn_reason *reason);
/* Wipes secrets. NULL is allowed. */
void csn_node_config_free(struct csn_node_config *take_config);

#endif
