/* What numbers and digests name over the key-value seam, and what its seeds do not draw. */
#include "sim/kv_store.h"

void sim_seam_plan(struct sim_options *options)
{
    options->zones = options->zones > 2 ? 2 : options->zones;
    options->serial_zone = options->serial_zone < options->zones ? options->serial_zone : 0;
    options->chance[SIM_LIE_OFFER] = 0; /* its shares are real ones */
    for (unsigned zone = 0; zone < options->zones; zone++) {
        options->zone[zone].refresh_s = KV_REFRESH_S;
    }
}

struct csn_input_id sim_input_id(unsigned zone, uint32_t generation, uint32_t serial, unsigned variant)
{
    struct csn_input *input = kv_input(zone, generation, serial, variant);
    struct csn_input_id id = kv_input_id(input, generation);
    csn_input_unref(input);
    return id;
}

struct csn_version_id sim_policy_id(unsigned zone, uint32_t number)
{
    return (struct csn_version_id){.number = number, .digest = sim_symbol("policy", zone, number, 0)};
}

struct csn_version_id sim_keyset_id(unsigned zone, uint32_t number)
{
    return (struct csn_version_id){.number = number, .digest = sim_symbol("keyset", zone, number, 0)};
}
