/* random.h: the simulator's only source of chance: SplitMix64 from one 64-bit seed, so that a seed
 * is a whole run. */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_mix64(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline uint64_t sim_next(struct sim_random *random)
{
    return sim_mix64(random->state += UINT64_C(0x9e3779b97f4a7c15));
}

/* 0 .. count - 1. */
static inline uint64_t sim_below(struct sim_random *random, uint64_t count)
{
    return sim_next(random) % count;
}

/* least .. most, both included. */
static inline uint64_t sim_between(struct sim_random *random, uint64_t least, uint64_t most)
{
    return least + sim_below(random, most - least + 1);
}

static inline bool sim_chance(struct sim_random *random, uint32_t per_million)
{
    return per_million > 0 && sim_below(random, 1000000) < per_million;
}

#endif
