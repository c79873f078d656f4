/* cluster.h: the cluster document as typed values: who may speak, who votes, how many must agree. Pure. */
#ifndef CSN_ROUND_CLUSTER_H
#define CSN_ROUND_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sha.h"
#include "dns/name.h"

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

struct csn_officer_id {
    char name[CSN_SITE_NAME_MAX];
    uint8_t key[CSN_ED25519_SIZE];
};

/* Who lets the members change: `needed` of `count` sign the next document, more than half. */
struct csn_officers {
    uint8_t needed;
    struct csn_officer_id keys[CSN_MEMBERS_MAX];
    uint8_t count; /* 0: nobody; then the members cannot change */
};

/* A certified release that the document names: where an emergency begins. */
struct csn_emergency_base {
    uint8_t zone[CSN_NAME_MAX];
    uint8_t round[14]; /* as csn_round_encode */
    struct csn_digest full_root;
};

#define CSN_EMERGENCY_TEXT_MAX 200
#define CSN_EMERGENCY_MAX_S 259200    /* 72 h */
/* 2^21: two steps that are not far (CSN_SERIAL_FAR), so that those who are left out do not come there by themselves. */
#define CSN_EMERGENCY_SERIAL_STEP 0x200000u
#define CSN_EMERGENCY_SERIAL_MAX 0x20000000u /* 2^29 */
#define CSN_EMERGENCY_BASES_MAX 64

/* Fewer members than can agree by themselves go on, because officers say so: refreshes only. */
struct csn_emergency {
    char reason[CSN_EMERGENCY_TEXT_MAX + 1];
    char fenced[CSN_EMERGENCY_TEXT_MAX + 1]; /* how the lost sites are kept from voting */
    uint64_t issued_s, not_after_s;          /* Unix */
    uint32_t serial_offset; /* added to the floors' serials; a multiple of 2^21 of its own */
    struct csn_emergency_base bases[CSN_EMERGENCY_BASES_MAX];
    uint8_t base_count;
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
    struct csn_officers officers;
    struct csn_digest previous; /* of the document of epoch - 1; zeros in epoch 1 */
    bool is_emergency;
    struct csn_emergency emergency; /* zeros unless is_emergency */
    struct csn_digest merges; /* the last document before the emergency, whose branch comes back; zeros: none */
};

/* What binds the votes of this epoch beyond R4; NULL: none. Borrowed, as all below. */
static inline const struct csn_emergency *csn_cluster_emergency(const struct csn_cluster *cluster)
{
    return cluster->is_emergency ? &cluster->emergency : NULL;
}

/* NULL: nobody. */
const struct csn_member *csn_cluster_member(const struct csn_cluster *cluster, uint16_t number);
/* Operators have no numbers but their places in the document, from 1. */
const struct csn_operator_id *csn_cluster_operator(const struct csn_cluster *cluster, uint16_t number);
const struct csn_coordinator_id *csn_cluster_coordinator(const struct csn_cluster *cluster, uint16_t number);

#endif
