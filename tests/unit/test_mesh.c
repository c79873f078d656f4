/* Goal: members hear each other's signed words exactly once and fetch in bulk from each other.
 * Method: whole meshes over TLS on loopback in one loop. */
#include "unit/mesh_world.h"

#include <sys/stat.h>

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>

#include "base/fs.h"

/* --- whole meshes */

static void test_everyone_hears_everyone_exactly_once(void **state)
{
    struct world *world = *state;
    start_all(world);
    for (size_t i = 0; i < NODES; i++) {
        enum csn_statement_kind kind = i == COORDINATOR ? CSN_STATEMENT_LEAD : CSN_STATEMENT_REPORT;
        say(world, i, kind, 100 + (uint32_t)i, 40);
    }
    for (size_t i = 0; i < NODES; i++) {
        wait_for(world, world->nodes[i].heard_count >= NODES - 1);
    }
    /* A second copy would come over the same links at once: say something after it and wait for
     * that. */
    for (size_t i = 0; i < SITES; i++) {
        say(world, i, CSN_STATEMENT_COMPUTED, 200 + (uint32_t)i, 40);
    }
    for (size_t i = 0; i < SITES; i++) {
        wait_for(world, world->nodes[i].heard_count >= NODES - 1 + SITES - 1);
        assert_int_equal(dropped(&world->nodes[i], CSN_MESH_DROP_DUPLICATE), 0);
    }
    for (size_t i = 0; i < SITES; i++) {
        const struct node *node = &world->nodes[i];
        assert_int_equal(node->heard_count, NODES - 1 + SITES - 1);
        assert_int_equal(node->ups, NODES - 1);
        for (size_t a = 0; a < node->heard_count; a++) {
            for (size_t b = a + 1; b < node->heard_count; b++) {
                assert_int_not_equal(node->heard[a].tag, node->heard[b].tag);
            }
        }
    }
    uint64_t ago_ms;
    assert_true(csn_mesh_heard(world->nodes[0].mesh, id_of(COORDINATOR), &ago_ms));
}

static void test_coordinators_word_is_forwarded_with_its_own_signature(void **state)
{
    struct world *world = *state;
    struct csn_mesh_statement statement;
    start_all(world);
    assert_int_equal(
        csn_mesh_sign(world->nodes[0].mesh, CSN_STATEMENT_HELD, csn_bytes("abcd", 4), &statement),
        CSN_OK);
    csn_mesh_send(world->nodes[1].mesh, &statement);
    wait_for(world, world->nodes[2].heard_count == 1 && world->nodes[COORDINATOR].heard_count == 1);
    assert_int_equal(world->nodes[2].heard[0].signer.number, 1);
    /* Its own word comes back to the signer too: rule "anyone who shows a HELD of this site". */
    wait_for(world, world->nodes[0].heard_count == 1);
}

static void test_certificates_reach_all(void **state)
{
    struct world *world = *state;
    uint8_t octets[5000] = {0};
    start_all(world);
    for (size_t i = 0; i < 20; i++) {
        csn_mesh_send_certificate(world->nodes[COORDINATOR].mesh,
                                  csn_bytes(octets, sizeof(octets)));
    }
    for (size_t i = 0; i < SITES; i++) {
        wait_for(world, world->nodes[i].certificate_count == 20);
    }
}

#define BURST 500u /* the bus holds 16 each way */

static bool has_heard(const struct node *node, uint32_t tag)
{
    bool has = false;
    for (size_t i = 0; i < node->heard_count && !has; i++) {
        has = node->heard[i].tag == tag;
    }
    return has;
}

static bool have_all_heard(const struct world *world, uint32_t tag)
{
    return has_heard(&world->nodes[1], tag) && has_heard(&world->nodes[2], tag);
}

/* On a busy machine nng's threads may be late and the bus full for a moment: little is lost, and said again as the protocol
 * does. */
static void test_a_burst_larger_than_the_bus_holds_arrives(void **state)
{
    struct world *world = *state;
    const struct node *nodes = world->nodes;
    start_all(world);
    for (uint32_t i = 0; i < BURST; i++) {
        say(world, 0, CSN_STATEMENT_COMPUTED, i, CSN_STATEMENT_MAX);
    }
    wait_for(world, nodes[1].heard_count > BURST / 2 && nodes[2].heard_count > BURST / 2);
    for (uint32_t i = 0; i < BURST; i++) {
        while (!have_all_heard(world, i)) {
            size_t heard = nodes[1].heard_count + nodes[2].heard_count;
            say(world, 0, CSN_STATEMENT_COMPUTED, i, CSN_STATEMENT_MAX);
            wait_for(world, nodes[1].heard_count + nodes[2].heard_count > heard || have_all_heard(world, i));
        }
    }
}

static void test_a_node_that_returns_is_heard_again(void **state)
{
    struct world *world = *state;
    struct remote first = make_remote(world, 1, 77, false),
                  second = make_remote(world, 1, 78, false);
    start_remote(&first);
    start_others(world, 1);
    wait_for(world, world->nodes[0].heard_count == 1 && world->nodes[2].heard_count == 1);
    kill_remote(&first);
    wait_for(world, !csn_mesh_is_up(world->nodes[0].mesh, id_of(1)) &&
                        !csn_mesh_is_up(world->nodes[2].mesh, id_of(1)));
    assert_true(world->nodes[0].downs >= 1);
    start_remote(&second);
    wait_for(world, is_full_mesh(world, 0, NODES));
    wait_for(world, world->nodes[0].heard_count == 2 && world->nodes[2].heard_count == 2);
    kill_remote(&second);
}

static void on_freed(void *arg)
{
    *(bool *)arg = true;
}

static void test_a_mesh_ends_when_asked(void **state)
{
    struct world *world = *state;
    bool is_freed = false;
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    say(world, 0, CSN_STATEMENT_REPORT, 1, 40);
    uv_run(&world->loop, UV_RUN_ONCE);
    say(world, 0, CSN_STATEMENT_REPORT, 2, 40);
    csn_mesh_free(world->nodes[0].mesh, on_freed, &is_freed);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_true(is_freed);
    assert_int_equal(uv_loop_close(&world->loop), 0);
}

/* --- bulk */

static void test_bulk_requests_are_answered(void **state)
{
    struct world *world = *state;
    struct reply echo = {0}, big = {0}, no = {0}, none = {0};
    start_all(world);
    assert_int_equal(ask(world, COORDINATOR, 2, "hello", WAIT_MS, &echo), CSN_OK);
    assert_int_equal(ask(world, 2, 1, "big", WAIT_MS, &big), CSN_OK);
    assert_int_equal(ask(world, 0, 3, "no", WAIT_MS, &no), CSN_OK);
    wait_for(world, echo.calls && big.calls && no.calls);
    assert_int_equal(echo.code, CSN_OK);
    assert_int_equal(echo.size, 5);
    assert_int_equal(big.code, CSN_OK);
    assert_int_equal(big.size, CSN_MESH_REPLY_MAX);
    assert_int_equal(big.last, 7);
    assert_int_equal(no.code, CSN_ENOTFOUND);
    assert_int_equal(
        csn_mesh_request(world->nodes[0].mesh, 9, csn_bytes("x", 1), 1, on_reply, &none),
        CSN_ENOTFOUND);
    assert_int_equal(
        csn_mesh_request(world->nodes[0].mesh, 1, csn_bytes("x", 1), 1, on_reply, &none),
        CSN_ENOTFOUND);
    uint8_t large[CSN_MESH_REQUEST_MAX + 1] = {0};
    assert_int_equal(csn_mesh_request(world->nodes[0].mesh, 2, csn_bytes(large, sizeof(large)), 1,
                                      on_reply, &none),
                     CSN_ELIMIT);
    assert_int_equal(none.calls, 0);
}

static void test_a_late_answer_is_ignored_and_its_slot_used_again(void **state)
{
    struct world *world = *state;
    struct reply late = {0}, busy = {0}, next = {0};
    start_all(world);
    world->nodes[1].keeps = true;
    assert_int_equal(ask(world, 0, 2, "late", 1, &late), CSN_OK);
    wait_for(world, late.calls > 0 && world->nodes[1].kept != NULL);
    assert_int_equal(late.code, CSN_ETIMEOUT);
    world->nodes[1].keeps = false;
    csn_mesh_respond(world->nodes[1].kept, CSN_OK, csn_bytes("late", 4));
    /* All slots work again once the late answer, or the one to the repeated request, came. */
    assert_int_equal(ask(world, 0, 2, "next", WAIT_MS, &next), CSN_OK);
    wait_for(world, next.calls > 0);
    int code;
    for (size_t i = 0; i < CSN_MESH_CALLS_MAX; i++) {
        wait_for(world, (code = ask(world, 0, 2, "busy", WAIT_MS, &busy)) != CSN_EBUSY);
        assert_int_equal(code, CSN_OK);
    }
    wait_for(world, busy.calls == CSN_MESH_CALLS_MAX);
    assert_int_equal(late.calls, 1);
}

#define CHAINS 4
#define CHAIN_LENGTH 200

/* Asks again in every answer. */
struct chain {
    struct world *world; /* borrows */
    uint8_t count;
    bool is_over;
};

static void ask_next(struct chain *chain);

static void on_chain_reply(void *arg, int code, struct csn_bytes octets)
{
    struct chain *chain = arg;
    assert_int_equal(code, CSN_OK);
    assert_true(csn_bytes_equal(octets, csn_bytes(&chain->count, 1)));
    if (++chain->count == CHAIN_LENGTH) {
        chain->is_over = true;
    } else {
        ask_next(chain);
    }
}

static void ask_next(struct chain *chain)
{
    assert_int_equal(csn_mesh_request(chain->world->nodes[0].mesh, 2, csn_bytes(&chain->count, 1),
                                      WAIT_MS, on_chain_reply, chain),
                     CSN_OK);
}

static void test_an_answer_waits_for_its_asker_while_others_ask(void **state)
{
    struct world *world = *state;
    struct chain chains[CHAINS];
    struct reply reply = {0};
    start_all(world);
    assert_int_equal(ask(world, 0, 2, "x", WAIT_MS, &reply), CSN_OK);
    wait_for(world, reply.calls > 0);
    for (size_t i = 0; i < CHAINS; i++) {
        chains[i] = (struct chain){.world = world};
        ask_next(&chains[i]);
    }
    for (size_t i = 0; i < CHAINS; i++) {
        wait_for(world, chains[i].is_over);
    }
}

static void test_requests_above_the_maximum_are_busy(void **state)
{
    struct world *world = *state;
    struct reply reply = {0};
    start_all(world);
    for (size_t i = 0; i < CSN_MESH_CALLS_MAX; i++) {
        assert_int_equal(ask(world, 0, 2, "x", WAIT_MS, &reply), CSN_OK);
    }
    assert_int_equal(ask(world, 0, 2, "x", WAIT_MS, &reply), CSN_EBUSY);
    wait_for(world, reply.calls == CSN_MESH_CALLS_MAX);
    assert_int_equal(world->nodes[1].asked_count, CSN_MESH_CALLS_MAX);
}

/* Its disk may hang: the places of what it leaves without an answer are free again when its link was closed. */
static void test_a_site_that_answers_nothing_can_be_asked_again(void **state)
{
    struct world *world = *state;
    struct reply mute = {0}, more = {0};
    int code;
    start_all(world);
    world->nodes[1].keeps = true;
    for (size_t i = 0; i < CSN_MESH_CALLS_MAX; i++) {
        assert_int_equal(ask(world, 0, 2, "x", 1, &mute), CSN_OK);
    }
    wait_for(world, mute.calls == CSN_MESH_CALLS_MAX);
    wait_for(world, (code = ask(world, 0, 2, "x", WAIT_MS, &more)) != CSN_EBUSY);
    assert_int_equal(code, CSN_OK);
}

static void test_requests_to_a_site_that_goes_are_closed(void **state)
{
    struct world *world = *state;
    struct reply reply = {0}, again = {0};
    struct remote first = make_remote(world, 1, 77, true),
                  second = make_remote(world, 1, 78, false);
    start_remote(&first);
    start_others(world, 1);
    assert_int_equal(ask(world, 0, 2, "x", WAIT_MS, &reply), CSN_OK);
    kill_remote(&first);
    wait_for(world, reply.calls > 0);
    assert_int_equal(reply.code, CSN_ECLOSED);
    wait_for(world, csn_mesh_request(world->nodes[0].mesh, 2, csn_bytes("x", 1), 1, on_reply,
                                     &again) == CSN_ECLOSED);
    again.calls = 0;
    start_remote(&second);
    assert_int_equal(ask(world, 0, 2, "y", WAIT_MS, &again), CSN_OK);
    wait_for(world, again.calls > 0);
    assert_int_equal(again.code, CSN_OK);
    assert_int_equal(reply.calls, 1);
    kill_remote(&second);
}

static void test_a_mesh_with_false_settings_is_refused(void **state)
{
    struct world *world = *state;
    struct csn_reason reason;
    uint8_t key = world->cluster.members[0].key[0];
    world->cluster.members[0].key[0] ^= 1;
    assert_int_equal(start_node(world, 0, &reason), CSN_EMISMATCH);
    assert_non_null(strstr(reason.text, "zrh"));
    world->cluster.members[0].key[0] = key;
    world->cluster.members[0].incarnation = 3;
    assert_int_equal(start_node(world, 0, &reason), CSN_EMISMATCH);
    world->cluster.members[0].incarnation = 2;
    world->cluster.coordinator_count = 0;
    assert_int_equal(start_node(world, COORDINATOR, &reason), CSN_EMISMATCH);
    world->cluster.coordinator_count = 1;
    snprintf(world->cluster.members[0].mesh, CSN_ADDRESS_MAX, "tls+tcp://192.0.2.1:1");
    assert_int_equal(start_node(world, 0, &reason), CSN_EIO);
    assert_non_null(strstr(reason.text, "192.0.2.1"));
    char path[PATH_SIZE];
    assert_int_equal(chmod(in_folder(world, "sjc.tls.pem", path), 0644), 0);
    assert_int_equal(start_node(world, 1, &reason), CSN_EPERMISSION);
    assert_int_equal(
        csn_fs_write(in_folder(world, "sin.tls.pem", path), csn_bytes("x", 1), 0600, NULL), CSN_OK);
    assert_int_equal(start_node(world, 2, &reason), CSN_EIO);
}

static const struct CMUnitTest tests[] = {
    WITH_WORLD(test_everyone_hears_everyone_exactly_once),
    WITH_WORLD(test_coordinators_word_is_forwarded_with_its_own_signature),
    WITH_WORLD(test_certificates_reach_all),
    WITH_WORLD(test_a_burst_larger_than_the_bus_holds_arrives),
    WITH_WORLD(test_a_node_that_returns_is_heard_again),
    WITH_WORLD(test_a_mesh_ends_when_asked),
    WITH_WORLD(test_bulk_requests_are_answered),
    WITH_WORLD(test_a_late_answer_is_ignored_and_its_slot_used_again),
    WITH_WORLD(test_an_answer_waits_for_its_asker_while_others_ask),
    WITH_WORLD(test_requests_above_the_maximum_are_busy),
    WITH_WORLD(test_a_site_that_answers_nothing_can_be_asked_again),
    WITH_WORLD(test_requests_to_a_site_that_goes_are_closed),
    WITH_WORLD(test_a_mesh_with_false_settings_is_refused),
};

/* test_mesh [TEST] */
int main(int argc, char **argv)
{
    return run_each_alone(tests, sizeof tests / sizeof tests[0], argc < 2 ? NULL : argv[1]);
}
