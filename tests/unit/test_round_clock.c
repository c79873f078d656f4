/* Goal: sites whose wall clocks leap forward while they run vote no more until the clocks are back, so that a quorum's that leap
 * together certify no T of the future; a clock that nobody agreed with before may be put right. Method: a cluster in one
 * process whose sites' wall clocks are set beside the time that passes. */
#include "round/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "round_world.h"

#define YEAR_S (INT64_C(365) * 86400)

static struct world *make_released(void)
{
    struct world *world = csn_calloc(1, sizeof(*world));
    world_init(world);
    world_start_all(world);
    world_give_all(world, 1);
    assert_true(world_run_until(world, 1, 20000));
    return world;
}

static void drop(struct world *world)
{
    world_fini(world);
    free(world);
}

static struct csn_node_status status_of(const struct world *world, unsigned site)
{
    struct csn_node_status status;
    csn_node_get_status(world->sites[site].node, world_now(world, site), &status);
    return status;
}

static enum csn_halt halt_of(const struct world *world, unsigned site)
{
    return status_of(world, site).halt;
}

static void test_a_quorum_that_leaps_together_certifies_nothing_until_it_is_back(void **state)
{
    (void)state;
    struct world *world = make_released();
    world->sites[0].clock_ahead_s = world->sites[1].clock_ahead_s = YEAR_S;
    world_give_all(world, 2);
    world_run(world, 60000);
    assert_int_equal(world->certified_count, 1);
    for (unsigned site = 0; site < 2; site++) {
        assert_int_equal(halt_of(world, site), CSN_HALT_CLOCK);
        assert_int_equal(status_of(world, site).state, CSN_NODE_HALTED);
    }
    assert_int_equal(halt_of(world, 2), CSN_HALT_NONE);
    assert_int_equal(world->traces[CSN_TRACE_HALTED], 2); /* said once */
    world->sites[0].clock_ahead_s = world->sites[1].clock_ahead_s = 0;
    assert_true(world_run_until(world, 2, 130000));
    assert_true(world->proposal.time_s <= WORLD_START_S + world->now_ms / 1000);
    assert_int_equal(halt_of(world, 0), CSN_HALT_NONE);
    drop(world);
}

static void test_one_that_leaps_is_done_without(void **state)
{
    (void)state;
    struct world *world = make_released();
    world->sites[0].clock_ahead_s = YEAR_S;
    world_give_all(world, 2);
    assert_true(world_run_until(world, 2, 60000)); /* at all sites: it adopts */
    assert_int_equal(halt_of(world, 0), CSN_HALT_CLOCK);
    drop(world);
}

static void test_what_is_a_leap_and_what_is_not(void **state)
{
    (void)state;
    static const struct {
        int64_t before_s, after_s;
        bool is_alone; /* the others have been silent for long */
        enum csn_halt halt;
    } rows[] = {
        {0, 3660, false, CSN_HALT_CLOCK},
        {0, 3540, false, CSN_HALT_NONE},
        {0, 1, false, CSN_HALT_NONE}, /* a leap second */
        {0, -YEAR_S, false, CSN_HALT_NONE},
        {0, YEAR_S, true, CSN_HALT_CLOCK}, /* it was right when they were heard */
        {-YEAR_S, 0, false, CSN_HALT_NONE}, /* nobody agreed with it, and now it is mended */
        {-YEAR_S, YEAR_S, false, CSN_HALT_NONE},
        {-50, 3600, false, CSN_HALT_CLOCK},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct world *world = make_released();
        world->sites[0].clock_ahead_s = rows[i].before_s;
        world_run(world, 10000);
        if (rows[i].is_alone) {
            world_stop_site(world, 1);
            world_stop_site(world, 2);
            world_run(world, 60000);
        }
        assert_int_equal(halt_of(world, 0), CSN_HALT_NONE);
        world->sites[0].clock_ahead_s = rows[i].after_s;
        world_run(world, 10000);
        if (halt_of(world, 0) != rows[i].halt) {
            fail_msg("row %zu: halt %d", i, (int)halt_of(world, 0));
        }
        drop(world);
    }
}

/* What was set back is no clock that anybody agreed with, though none may be left to say so. */
static void test_a_clock_may_go_back_and_forward_again(void **state)
{
    (void)state;
    for (unsigned is_alone = 0; is_alone < 2; is_alone++) {
        struct world *world = make_released();
        world_run(world, 10000);
        if (is_alone == 1) {
            world_stop_site(world, 1);
            world_stop_site(world, 2);
            world_run(world, 60000);
        }
        world->sites[0].clock_ahead_s = -YEAR_S;
        world_run(world, 300);
        if (is_alone == 0) { /* what they said before the step is fresh yet */
            world_stop_site(world, 1);
            world_stop_site(world, 2);
        }
        world_run(world, 60000);
        world->sites[0].clock_ahead_s = 0;
        world_run(world, 10000);
        assert_int_equal(halt_of(world, 0), CSN_HALT_NONE);
        drop(world);
    }
}

/* The first step of NTP may come before anybody is heard. */
static void test_a_clock_may_be_put_right_after_a_start(void **state)
{
    (void)state;
    struct world *world = csn_calloc(1, sizeof(*world));
    world_init(world);
    world->sites[0].clock_ahead_s = -YEAR_S;
    world_start_site(world, 0);
    world_run(world, 10000);
    world->sites[0].clock_ahead_s = 0;
    world_run(world, 10000);
    assert_int_equal(halt_of(world, 0), CSN_HALT_NONE);
    drop(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_quorum_that_leaps_together_certifies_nothing_until_it_is_back),
        cmocka_unit_test(test_one_that_leaps_is_done_without),
        cmocka_unit_test(test_what_is_a_leap_and_what_is_not),
        cmocka_unit_test(test_a_clock_may_go_back_and_forward_again),
        cmocka_unit_test(test_a_clock_may_be_put_right_after_a_start),
    };
    return cmocka_run_group_tests_name("round clock", tests, NULL, NULL);
}
