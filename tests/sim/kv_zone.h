/* kv_zone.h: the zones and documents of worlds over the key-value seam: about 50 records that numbers name, read and prepared
 * by the production code, and a policy and key set for each version. */
#ifndef SIM_KV_ZONE_H
#define SIM_KV_ZONE_H

#include "keys/keyset.h"
#include "round/step.h"
#include "zone/input.h"

#define KV_REFRESH_S 7200 /* R; slots come round every V - R = 10 minutes, so that a run re-signs by the schedule too */
#define KV_VALIDITY_S 7800

/* Serial s has a delegation other than s - 1; `variant` 0 is what all sites should have. */
struct csn_input *kv_input(unsigned zone, uint32_t generation, uint32_t serial, unsigned variant);
struct csn_input_id kv_input_id(const struct csn_input *input, uint32_t generation);
/* The input with this identity again; NULL: it is none of this zone's. */
struct csn_input *kv_input_again(unsigned zone, const struct csn_input_id *id);
void kv_apex(unsigned zone, uint8_t ret_apex[4]);

/* Points into itself. */
struct kv_documents {
    struct csn_timed validity, refresh, offset;
    struct csn_policy policy;
    uint8_t rdata[2][36];
    struct csn_key_event events[2];
    struct csn_keyset keyset;
};
/* `diverged`: of a site whose software computes otherwise; 0: as all do. */
struct kv_documents *kv_documents_new(const struct csn_round_zone *config, unsigned zone, uint32_t policy, uint32_t keyset,
                                      unsigned diverged);

#endif
