/* cluster.h: the cluster document as typed values: who may speak, who votes, how many must agree. Pure. */
#ifndef CSN_ROUND_CLUSTER_H
#define CSN_ROUND_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sha.h"

#define CSN_MEMBERS_MAX 16
#define CSN_ADDRESS_MAX 128
#define CSN_ED25519_SIZE 32
#define CSN_SITE_NAME_MAX 32

enum csn_member_role { CSN_MEMBER_SIGNER, CSN_MEMBER_VERIFIER };

struct csn_member {
    uint16_t number; /* 1..; ascending in the document; 0 is nobody */
    char name[CSN_SITE_NAME_MAX];
    enum csn_member_role role;
    uint32_t incarnation; /* 1 at first */
    uint8_t key[CSN_ED25519_SIZE];
    char mesh[CSN_ADDRESS_MAX]; /* statements: tls+tcp://host:port */
    char bulk[CSN_ADDRESS_MAX]; /* bulk requests */
};

struct csn_coordinator_id {
    uint16_t number; /* 1.. */
    char name[CSN_SITE_NAME_MAX];
    uint8_t key[CSN_ED25519_SIZE];
};

struct csn_operator_id {
    char name[CSN_SITE_NAME_MAX];
    uint8_t key[CSN_ED25519_SIZE];
};

struct csn_cluster {
    uint8_t id[16];
    uint8_t environment; /* 0 production, 1 test */
    uint32_t epoch;
    struct csn_digest digest; /* of the document's octets */
    uint8_t quorum;           /* q */
    uint8_t faults;           /* f */
    struct csn_member members[CSN_MEMBERS_MAX];
    uint8_t member_count; /* n */
    struct csn_coordinator_id coordinators[CSN_MEMBERS_MAX];
    uint8_t coordinator_count;
    struct csn_operator_id operators[CSN_MEMBERS_MAX];
    uint8_t operator_count;
};

/* Borrowed, or NULL. */
const struct csn_member *csn_cluster_member(const struct csn_cluster *cluster, uint16_t number);
/* Operators have no numbers but their places in the document, from 1. */
const struct csn_operator_id *csn_cluster_operator(const struct csn_cluster *cluster, uint16_t number);
const struct csn_coordinator_id *csn_cluster_coordinator(const struct csn_cluster *cluster, uint16_t number);

#endif
