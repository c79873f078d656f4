/* plan_json.h: the oracle's plan.json -> policy, key set and content parameters. For tests: a file that is not understood ends
 * the program with a message. */
#ifndef CSN_TESTS_SUPPORT_PLAN_JSON_H
#define CSN_TESTS_SUPPORT_PLAN_JSON_H

#include "sign/content.h"

#define CSN_SEED_SIZE 32

struct csn_plan {
    struct csn_policy policy;
    struct csn_keyset keyset;
    struct csn_content_params params;
    uint8_t seeds[CSN_KEYS_MAX][CSN_SEED_SIZE]; /* Ed25519, by index in the key set */
    bool has_seed[CSN_KEYS_MAX];
};

/* The denial in force must be NSEC; no SKR, no ZONEMD. The caller frees. */
struct csn_plan *csn_plan_load(const char *path);
void csn_plan_free(struct csn_plan *take_plan);

/* Whether every key that signs is Ed25519 with a seed. */
bool csn_plan_can_sign(const struct csn_plan *plan);

#endif
