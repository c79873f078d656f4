#include "config/round_zone.h"

#include <string.h>

struct csn_round_zone csn_round_zone_of(const uint8_t *zone, const struct csn_policy *policy,
                                        const struct csn_keyset *keyset, uint64_t now_s)
{
    struct csn_round_zone to = {.serial_rule = policy->serial_rule,
                                .refresh_interval_s = policy->refresh_interval_s,
                                .round_deadline_ms = policy->round_deadline_ms,
                                .max_round_age_s = policy->max_round_age_s,
                                .behind_max_s = policy->behind_max_s,
                                .refresh_s = csn_policy_refresh_at(policy, now_s),
                                .policy = policy->version,
                                .keyset = keyset->version};
    memcpy(to.zone, zone, csn_name_size(zone));
    return to;
}
