#include "sim/plan.h"

#include "sim/emergency.h"
#include "sim/liars.h"
#include "sim/seam.h"
#include "sim/serials.h"

#define SETTLE_US (900 * SIM_S)

static void plan_zone(struct sim_random *random, unsigned index, struct csn_round_zone *ret_zone)
{
    static const uint32_t serials[] = {1, 2026112100, UINT32_C(0xfffffff0), UINT32_C(0x7ffffff8),
                                       1799999990};
    struct csn_round_zone *zone = ret_zone;
    *zone = (struct csn_round_zone){.serial_rule = (enum csn_serial_rule)sim_below(random, 3)};
    zone->zone[0] = 2;
    zone->zone[1] = 'z';
    zone->zone[2] = (uint8_t)('0' + index);
    zone->refresh_interval_s = (uint32_t)sim_between(random, 2, 20);
    zone->round_deadline_ms = (uint32_t)sim_between(random, 2000, 6000);
    zone->max_round_age_s = (uint32_t)sim_between(random, 30, 120);
    zone->behind_max_s = 300;
    zone->refresh_s = 864000;
    zone->has_live_serial = sim_chance(random, 500000);
    zone->live_serial = serials[sim_below(random, sizeof(serials) / sizeof(serials[0]))];
    zone->policy = sim_policy_id(index, 1);
    zone->keyset = sim_keyset_id(index, 1);
}

static void plan_base(struct sim_random *random, uint64_t seed, struct sim_options *ret_options)
{
    *ret_options = (struct sim_options){.seed = seed,
                                        .sites = 3,
                                        .coordinators = 1,
                                        .zones = 1,
                                        .quorum = 2,
                                        .settle_us = SETTLE_US,
                                        .latency_us = 90 * SIM_MS,
                                        .compute_us = 100 * SIM_MS,
                                        .sign_us = 200 * SIM_MS,
                                        .stage_us = 100 * SIM_MS,
                                        .disk_us = 10 * SIM_MS};
    for (unsigned zone = 0; zone < SIM_ZONES_MAX; zone++) {
        plan_zone(random, zone, &ret_options->zone[zone]);
    }
}

void sim_plan_calm(uint64_t seed, struct sim_options *ret_options)
{
    struct sim_random random = {sim_mix64(seed)};
    plan_base(&random, seed, ret_options);
    for (unsigned zone = 0; zone < SIM_ZONES_MAX; zone++) {
        ret_options->zone[zone].serial_rule = CSN_SERIAL_COUNTER;
        ret_options->zone[zone].has_live_serial = false;
        ret_options->zone[zone].refresh_interval_s = 3600;
        ret_options->zone[zone].round_deadline_ms = 5000;
        ret_options->zone[zone].max_round_age_s = 60;
    }
}

/* How often a fault of one operation strikes, per million, at most. Episodes are on or off. */
static const uint32_t chance_most[SIM_FAULT_COUNT] = {
    [SIM_LOSS] = 300000,          [SIM_LOSS_OF_KIND] = 900000,   [SIM_DUPLICATE] = 200000,
    [SIM_REORDER] = 200000,       [SIM_GARBLE] = 20000,          [SIM_CRASH_INSIDE] = 3000,
    [SIM_CRASH_DISK] = 150000,    [SIM_COMPUTE_FAILED] = 50000,  [SIM_STAGE_FAILED] = 50000,
    [SIM_ROT] = 100000,           [SIM_FETCH_FAILED] = 300000,   [SIM_INPUT_LATE] = 400000,
    [SIM_INPUT_MISSING] = 200000, [SIM_INPUT_CONFLICT] = 100000, [SIM_DOCUMENT_LATE] = 500000,
    [SIM_ROGUE] = 300000,         [SIM_INPUT_GARBAGE] = 200000,  [SIM_INPUT_RETRACTED] = 300000,
    [SIM_INPUT_PARKED] = 200000,
};

/* In a part of the seeds; drawn apart, so that the others stay what they were. */
static void plan_changes(uint64_t seed, struct sim_options *options)
{
    struct sim_random random = {sim_mix64(seed ^ UINT64_C(0x65706f6368))};
    if (sim_chance(&random, 300000)) {
        options->change_us = sim_between(&random, 5, 40) * SIM_S;
        options->spare = options->sites < SIM_SITES_MAX;
        options->sites += options->spare;
        options->quorum = (options->sites - options->spare) / 2 + 1;
    }
}

/* A site that is behind for so long answers no more. */
static void plan_behind(uint64_t seed, struct sim_options *options)
{
    struct sim_random random = {sim_mix64(seed ^ UINT64_C(0x626568696e64))};
    bool is_short = sim_chance(&random, 500000);
    for (unsigned zone = 0; zone < SIM_ZONES_MAX && is_short; zone++) {
        options->zone[zone].behind_max_s = (uint32_t)sim_between(&random, 2, 60);
    }
}

void sim_plan(uint64_t seed, struct sim_options *ret_options)
{
    struct sim_random random = {sim_mix64(seed)};
    plan_base(&random, seed, ret_options);
    ret_options->zones =
        sim_chance(&random, 700000) ? 1 : (unsigned)sim_between(&random, 2, SIM_ZONES_MAX);
    ret_options->sites =
        sim_chance(&random, 800000) ? 3 : (unsigned)sim_between(&random, 4, SIM_SITES_MAX);
    ret_options->quorum = ret_options->sites / 2 + 1;
    ret_options->coordinators = (unsigned)sim_between(&random, 1, SIM_COORDINATORS_MAX);
    ret_options->duration_us = sim_between(&random, 80, 240) * SIM_S;
    ret_options->episode_us = sim_between(&random, 1, 10) * SIM_S;
    ret_options->input_us = sim_between(&random, 2, 15) * SIM_S;
    ret_options->document_us = sim_between(&random, 10, 60) * SIM_S;
    ret_options->quiet_s = (uint32_t)sim_between(&random, 0, 60);
    ret_options->latency_us = sim_between(&random, 1, 150) * SIM_MS;
    ret_options->compute_us = sim_between(&random, 1, 500) * SIM_MS;
    ret_options->sign_us = sim_between(&random, 1, 800) * SIM_MS;
    ret_options->stage_us = sim_between(&random, 1, 400) * SIM_MS;
    ret_options->disk_us = sim_between(&random, 1, 60) * SIM_MS;
    ret_options->lossy_kind =
        sim_chance(&random, 500000)
            ? CSN_STATEMENT_HELD
            : (enum csn_statement_kind)sim_below(&random, CSN_STATEMENT_PROMISE + 1);
    /* Few kinds at a time find more than all at once. */
    for (unsigned fault = 0; fault < SIM_FAULT_COUNT; fault++) {
        bool is_on = sim_chance(&random, 400000);
        uint32_t most = chance_most[fault] > 0 ? chance_most[fault] : 1000000;
        uint32_t least = chance_most[fault] > 0 ? most / 20 + 1 : most;
        ret_options->chance[fault] = is_on ? (uint32_t)sim_between(&random, least, most) : 0;
    }
    if (ret_options->lossy_kind == CSN_STATEMENT_HELD && sim_chance(&random, 150000)) {
        ret_options->chance[SIM_LOSS_OF_KIND] = 1000000; /* lone votes pile up */
    }
    plan_behind(seed, ret_options);
    plan_changes(seed, ret_options);
    sim_plan_emergency(seed, ret_options);
    sim_plan_serials(seed, ret_options);
    sim_plan_four(seed, ret_options);
    sim_seam_plan(ret_options);
}
