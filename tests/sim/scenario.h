/* scenario.h: a calm simulated cluster that a test breaks at the moment that matters, waits for,
 * mends and settles. A wait that is in vain fails the test. */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/checker.h"
#include "sim/seam.h"
#include "sim/workload.h"

#define LONG_US (120 * SIM_S)

/* Three sites, one coordinator; SIM_TRACE in the environment: traced. No faults but those of the test; `change` may be NULL. */
struct sim_world *make(void (*change)(struct sim_options *options));
/* And input 1 is served by all. */
struct sim_world *make_served(void (*change)(struct sim_options *options));
/* Mends all, asks for I7, and that nothing was violated on the way; frees the world. */
void end_well(struct sim_world *world);

typedef bool condition_fn(const struct sim_world *world, const void *what);
bool comes_within(struct sim_world *world, uint64_t within_us, condition_fn *condition,
                  const void *what);
void wait_for(struct sim_world *world, condition_fn *condition, const void *what);
/* Versions certified, of all zones. */
void wait_certified(struct sim_world *world, size_t count);
condition_fn is_served_by_all; /* const uint32_t *: the input's serial */
void wait_served(struct sim_world *world, uint32_t input);
void wait_work(struct sim_world *world, uint16_t site, enum csn_work_state state);
/* The site holds a vote for this input. */
void wait_voted(struct sim_world *world, uint16_t site, uint32_t input);
void wait_trace(struct sim_world *world, enum csn_trace_kind what);
void run_for(struct sim_world *world, uint64_t for_us);

/* At all sites, about now. */
void give_input(struct sim_world *world, uint32_t serial);
void give_input_at(struct sim_world *world, uint16_t site, uint32_t serial, unsigned variant);
struct csn_node_zone_status zone_of(const struct sim_world *world, uint16_t site);
/* Zeros: it is down. */
struct csn_node_status status_of(const struct sim_world *world, uint16_t site);
/* Puts an old store back at a site that is down, with its second copies or beside those that are there. */
void restore(struct sim_world *world, struct sim_actor *site, struct sim_disk *take_backup, bool is_second_too);

/* --- several coordinators, number k at site k */

/* Three of them, and ZRH-SJC 150 ms, ZRH-SIN 165 ms, SJC-SIN 175 ms there and back. */
void three_leaders(struct sim_options *options);
void set_distances(struct sim_world *world);
/* How many are up and lead; the last of them (0: none). */
unsigned leaders(const struct sim_world *world, uint16_t *ret_number);
uint16_t wait_leader(struct sim_world *world);
condition_fn has_another_leader; /* const uint16_t *: than this one */
/* Both ways, or back again. */
void part(struct sim_world *world, struct sim_actor *a, struct sim_actor *b, uint64_t for_us);

#endif
