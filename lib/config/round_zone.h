/* round_zone.h: what the round knows of a zone, from its documents. */
#ifndef CSN_CONFIG_ROUND_ZONE_H
#define CSN_CONFIG_ROUND_ZONE_H

#include "keys/keyset.h"
#include "keys/policy.h"
#include "round/step.h"

/* At this time, for R changes with it; without a live serial. */
struct csn_round_zone csn_round_zone_of(const uint8_t *zone, const struct csn_policy *policy,
                                        const struct csn_keyset *keyset, uint64_t now_s);

#endif
