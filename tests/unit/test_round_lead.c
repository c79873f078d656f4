/* Goal: each zone has one lead, the first fit site or the one that operators ordered; moves are damped;
 * nodes know what the leader named, and keep it without one. Method: a leader alone, fed with reports of
 * three sites made by hand, of a few zones and of many; and a node that hears what it says. */
#include "round/leader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "round/node.h"
#include "round_world.h"

#define ZONES_MAX 200 /* with names of 70 octets */
#define FEW 3

struct hand {
    struct world world; /* cluster only */
    struct csn_round_zone zones[ZONES_MAX];
    size_t zone_count;
    struct csn_leader *leader;
    struct csn_node *node; /* of site 1 */
    struct csn_effects effects;
    uint64_t now_ms, report_seq;
    struct csn_row rows[WORLD_SITES][ZONES_MAX];
    struct csn_term promised; /* of all */
    bool is_silent[WORLD_SITES];
    bool is_deaf; /* the node */
    unsigned statements; /* LEADS that the node heard */
};

static struct csn_event event_of(const struct hand *hand, enum csn_event_kind kind)
{
    return (struct csn_event){
        .kind = kind,
        .now = {.wall_s = WORLD_START_S + hand->now_ms / 1000, .mono_ms = hand->now_ms}};
}

/* What the leader said since: the first lead of a term is promised to by all, the node too. */
static void hear(struct hand *hand)
{
    static const uint8_t signature[CSN_SIGNATURE_SIZE];
    struct csn_effects said = hand->effects;
    hand->effects = (struct csn_effects){0};
    for (size_t i = 0; i < said.count; i++) {
        const struct csn_effect *effect = said.items[i];
        struct csn_body_lead body;
        if (effect->kind != CSN_EFFECT_SEND || effect->send.kind != CSN_STATEMENT_LEAD) {
            continue;
        }
        assert_true(effect->send.body.size <= CSN_STATEMENT_MAX);
        assert_int_equal(csn_body_lead_decode(effect->send.body, &body), CSN_OK);
        hand->promised = body.term;
        hand->statements += body.state == CSN_LEAD_LEADS && !hand->is_deaf;
        struct csn_event event = event_of(hand, CSN_EVENT_STATEMENT);
        event.statement.kind = CSN_STATEMENT_LEAD;
        event.statement.signer = 1;
        event.statement.body = effect->send.body;
        event.statement.signature = signature;
        struct csn_effects effects = {0};
        if (!hand->is_deaf) {
            csn_node_step(hand->node, &event, &effects);
        }
        for (size_t k = 0; k < effects.count; k++) {
            if (effects.items[k]->kind == CSN_EFFECT_PERSIST) {
                struct csn_effects more = {0};
                struct csn_event persisted = event_of(hand, CSN_EVENT_PERSISTED);
                persisted.persist_id = effects.items[k]->persist.id;
                csn_node_step(hand->node, &persisted, &more);
                csn_effects_fini(&more);
            }
        }
        csn_effects_fini(&effects);
    }
    csn_effects_fini(&said);
}

static void report_zone(struct hand *hand, unsigned site, size_t zone)
{
    static const uint8_t signature[CSN_SIGNATURE_SIZE];
    struct csn_buf rows = {0}, octets = {0};
    csn_row_encode(&hand->rows[site][zone], &rows);
    struct csn_body_report body = {.boot = 1,
                                   .seq = ++hand->report_seq,
                                   .clock_s = WORLD_START_S + hand->now_ms / 1000,
                                   .promised = hand->promised,
                                   .state = CSN_NODE_OK,
                                   .hsm = CSN_HSM_GOOD,
                                   .epoch = 1,
                                   .table_count = (uint32_t)hand->zone_count,
                                   .row_count = 1,
                                   .rows = csn_buf_view(&rows)};
    csn_body_report_encode(&body, &octets);
    struct csn_event event = event_of(hand, CSN_EVENT_STATEMENT);
    event.statement.kind = CSN_STATEMENT_REPORT;
    event.statement.signer = (uint16_t)(site + 1);
    event.statement.incarnation = 1;
    event.statement.body = csn_buf_view(&octets);
    event.statement.signature = signature;
    csn_leader_step(hand->leader, &event, &hand->effects);
    csn_buf_fini(&rows);
    csn_buf_fini(&octets);
}

/* Ticks of 250 ms, and before each a report of each site that is not silent. */
static void run(struct hand *hand, uint64_t span_ms)
{
    for (uint64_t end_ms = hand->now_ms + span_ms; hand->now_ms < end_ms; hand->now_ms += 250) {
        for (unsigned site = 0; site < WORLD_SITES; site++) {
            for (size_t i = 0; i < hand->zone_count && !hand->is_silent[site]; i++) {
                report_zone(hand, site, i);
            }
        }
        struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
        csn_leader_step(hand->leader, &tick, &hand->effects);
        hear(hand);
    }
}

static void start_node(struct hand *hand)
{
    struct csn_effects effects = {0};
    struct csn_event start = event_of(hand, CSN_EVENT_START);
    hand->node = csn_node_new(&hand->world.cluster, 1, hand->zones, hand->zone_count);
    csn_node_step(hand->node, &start, &effects);
    struct csn_event persisted = event_of(hand, CSN_EVENT_PERSISTED);
    for (size_t i = 0; i < effects.count; i++) {
        if (effects.items[i]->kind == CSN_EFFECT_PERSIST) {
            struct csn_effects more = {0};
            persisted.persist_id = effects.items[i]->persist.id;
            csn_node_step(hand->node, &persisted, &more);
            csn_effects_fini(&more);
        }
    }
    csn_effects_fini(&effects);
}

/* Leading, with the first leads named. */
static struct hand *make(size_t zone_count)
{
    struct hand *hand = csn_calloc(1, sizeof(*hand));
    world_init(&hand->world);
    hand->now_ms = 100000;
    hand->zone_count = zone_count;
    for (size_t i = 0; i < zone_count; i++) {
        char name[96];
        snprintf(name, sizeof(name), "z%zu.%060d.", i, 0);
        hand->zones[i] = hand->world.zone;
        memset(hand->zones[i].zone, 0, CSN_NAME_MAX);
        assert_int_equal(csn_name_parse(name, hand->zones[i].zone), CSN_OK);
        for (unsigned site = 0; site < WORLD_SITES; site++) {
            struct csn_row *row = &hand->rows[site][i];
            memcpy(row->zone, hand->zones[i].zone, CSN_NAME_MAX);
            row->due_s = UINT64_MAX;
            row->policy = hand->zones[i].policy;
            row->keyset = hand->zones[i].keyset;
        }
    }
    hand->leader = csn_leader_new(&hand->world.cluster, 1, hand->zones, zone_count);
    start_node(hand);
    hand->now_ms += 5000;
    assert_int_equal(csn_node_zone_lead(hand->node, 0), 0); /* one that starts knows none */
    run(hand, 3000);
    return hand;
}

static void drop(struct hand *hand)
{
    csn_effects_fini(&hand->effects);
    csn_leader_free(hand->leader);
    csn_node_free(hand->node);
    world_fini(&hand->world);
    free(hand);
}

static void assert_leads(const struct hand *hand, uint16_t first, uint16_t second, uint16_t third)
{
    const uint16_t wanted[FEW] = {first, second, third};
    for (size_t i = 0; i < FEW; i++) {
        struct csn_leader_zone_status zone;
        csn_leader_get_zone(hand->leader, i, &zone);
        assert_int_equal(zone.lead_site, wanted[i]);
        if (!hand->is_deaf) {
            assert_int_equal(csn_node_zone_lead(hand->node, i), wanted[i]);
        }
    }
}

/* What q sites know as ordered for a zone. */
static void order(struct hand *hand, size_t zone, unsigned sites, uint16_t site)
{
    for (unsigned i = 0; i < sites; i++) {
        hand->rows[i][zone].authority = site;
    }
}

static void test_each_zone_has_the_first_site_that_is_fit_for_it(void **state)
{
    (void)state;
    struct hand *hand = make(FEW);
    assert_leads(hand, 1, 1, 1);
    hand->rows[0][0].diverged = CSN_CLASS_BIT_D;
    hand->rows[0][1].is_behind = true;
    hand->rows[1][1].maintenance = CSN_MAINTENANCE_SITE;
    run(hand, 2500);
    assert_leads(hand, 1, 1, 1); /* moves are damped */
    run(hand, 1500);
    assert_leads(hand, 2, 3, 1);
    hand->rows[0][0].diverged = 0;
    hand->rows[0][1].is_behind = false;
    hand->rows[1][1].maintenance = CSN_MAINTENANCE_ZONE; /* shown, and nothing else */
    run(hand, 20000);
    assert_leads(hand, 2, 3, 1); /* and not back without need */
    hand->is_silent[0] = true;
    run(hand, 10000);
    assert_leads(hand, 2, 3, 2);
    drop(hand);
}

static void test_an_ordered_site_leads_while_it_is_fit(void **state)
{
    (void)state;
    struct hand *hand = make(FEW);
    order(hand, 0, 1, 3);
    run(hand, 6000);
    assert_leads(hand, 1, 1, 1); /* one site alone knows of it */
    order(hand, 0, 2, 3);
    run(hand, 4000);
    assert_leads(hand, 3, 1, 1);
    hand->rows[2][0].is_behind = true;
    run(hand, 4000);
    assert_leads(hand, 1, 1, 1); /* the next fit one */
    hand->rows[2][0].is_behind = false;
    run(hand, 2500);
    assert_leads(hand, 1, 1, 1);
    run(hand, 1500);
    assert_leads(hand, 3, 1, 1); /* and back: the order stands */
    order(hand, 0, 3, 0);
    run(hand, 20000);
    assert_leads(hand, 3, 1, 1); /* automatic again: it stays while it is fit */
    hand->is_silent[2] = true;
    run(hand, 10000);
    assert_leads(hand, 1, 1, 1);
    drop(hand);
}

static void test_an_ordered_site_that_comes_and_goes_does_not_lead(void **state)
{
    (void)state;
    struct hand *hand = make(FEW);
    order(hand, 1, 3, 2);
    for (unsigned i = 0; i < 10; i++) {
        hand->rows[1][1].is_behind = i % 2 == 0;
        run(hand, 2000);
        assert_leads(hand, 1, 1, 1);
    }
    drop(hand);
}

static void test_an_order_for_who_is_no_member_changes_nothing(void **state)
{
    (void)state;
    struct hand *hand = make(FEW);
    order(hand, 1, 3, 99);
    run(hand, 6000);
    assert_leads(hand, 1, 1, 1);
    drop(hand);
}

static void test_without_a_leader_the_last_named_remain(void **state)
{
    (void)state;
    struct hand *hand = make(FEW);
    order(hand, 2, 3, 3);
    run(hand, 4000);
    assert_leads(hand, 1, 1, 3);
    struct csn_effects effects = {0};
    for (unsigned i = 0; i < 100; i++) {
        hand->now_ms += 1000;
        struct csn_event tick = event_of(hand, CSN_EVENT_TICK);
        csn_node_step(hand->node, &tick, &effects);
        csn_effects_clear(&effects);
    }
    csn_effects_fini(&effects);
    assert_int_equal(csn_node_zone_lead(hand->node, 0), 1);
    assert_int_equal(csn_node_zone_lead(hand->node, 2), 3);
    drop(hand);
}

static size_t wrong_leads(const struct hand *hand)
{
    size_t wrong = 0;
    for (size_t i = 0; i < hand->zone_count; i++) {
        wrong += csn_node_zone_lead(hand->node, i) != 1 + i % 2;
    }
    return wrong;
}

/* More other leads than one statement takes: all are heard of in some turns, a later move at once. */
static void test_many_leads_are_said_in_turns(void **state)
{
    (void)state;
    struct hand *hand = make(ZONES_MAX);
    hand->is_deaf = true;
    for (size_t i = 1; i < ZONES_MAX; i += 2) {
        order(hand, i, 3, 2);
    }
    run(hand, 10000);
    assert_true(wrong_leads(hand) >= ZONES_MAX / 2);
    hand->is_deaf = false;
    hand->statements = 0;
    while (wrong_leads(hand) > 0 && hand->statements < 8) {
        run(hand, 250);
    }
    assert_int_equal(wrong_leads(hand), 0);
    assert_true(hand->statements > 1);
    order(hand, 77, 3, 3);
    struct csn_leader_zone_status zone;
    do {
        run(hand, 250);
        csn_leader_get_zone(hand->leader, 77, &zone);
    } while (zone.lead_site != 3);
    assert_int_equal(csn_node_zone_lead(hand->node, 77), 3);
    for (size_t i = 1; i < ZONES_MAX; i += 2) { /* few others again: nothing old is left */
        order(hand, i, 3, 1);
    }
    run(hand, 10000);
    assert_int_equal(wrong_leads(hand), ZONES_MAX / 2);
    drop(hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_zone_has_the_first_site_that_is_fit_for_it),
        cmocka_unit_test(test_an_ordered_site_leads_while_it_is_fit),
        cmocka_unit_test(test_an_ordered_site_that_comes_and_goes_does_not_lead),
        cmocka_unit_test(test_an_order_for_who_is_no_member_changes_nothing),
        cmocka_unit_test(test_without_a_leader_the_last_named_remain),
        cmocka_unit_test(test_many_leads_are_said_in_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
