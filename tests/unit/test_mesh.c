/* Goal: members hear each other's signed words exactly once and fetch in bulk from each other;
 * nobody else is heard. Method: whole meshes over TLS on loopback in one loop; strangers by raw nng
 * sockets that speak the mesh's messages; the parts without sockets (guard, links, outbox,
 * identity) on tables. Every wait is for a condition, with a deadline. Each test runs in a process
 * of its own that ends without closing sockets, as daemons do: nng 1.5.2 may hang in closing them.
 * Sites that are to die are processes too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cmocka.h>

#include <nng/nng.h>
#include <nng/protocol/bus0/bus.h>
#include <nng/supplemental/util/platform.h>
#include <nng/supplemental/tls/tls.h>

#include "base/fs.h"
#include "mesh/envelope.h"
#include "mesh/guard.h"
#include "mesh/links.h"
#include "mesh/mesh.h"
#include "mesh/outbox.h"
#include "mesh/strangers.h"
#include "support/pki.h"

#define SITES 3
#define NODES 4 /* the sites and one coordinator */
#define COORDINATOR 3
#define WAIT_MS 20000
#define PATH_SIZE 600
#define HEARD_MAX 4096

struct heard {
    struct csn_mesh_peer signer;
    enum csn_statement_kind kind;
    uint32_t tag; /* the body's first four octets */
};

struct node {
    struct csn_mesh *mesh;
    struct csn_site_key *key;
    struct heard heard[HEARD_MAX];
    size_t heard_count;
    size_t certificate_count;
    size_t ups, downs;
    size_t stuck_count;
    size_t asked_count;
    struct csn_mesh_asked *kept; /* a request that the test answers itself */
    bool keeps;
};

/* A site in a process of its own: made before this process has threads, it starts when told to. */
struct remote {
    pid_t pid;
    int go;
};

struct world {
    char *folder;
    struct pki_ca *ca;
    struct csn_log log;
    struct csn_cluster cluster;
    uv_loop_t loop;
    struct node nodes[NODES];
};

static const char *const names[NODES] = {"zrh", "sjc", "sin", "c1"};

static char *in_folder(const struct world *world, const char *file, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s", world->folder, file);
    return path;
}

static struct csn_mesh_peer id_of(size_t index)
{
    return index == COORDINATOR
               ? (struct csn_mesh_peer){.number = 1, .incarnation = 0}
               : (struct csn_mesh_peer){.number = (uint16_t)(index + 1), .incarnation = 2};
}

static void on_statement(void *arg, const struct csn_mesh_statement *statement)
{
    struct node *node = arg;
    assert_true(node->heard_count < HEARD_MAX);
    node->heard[node->heard_count++] =
        (struct heard){.signer = statement->signer,
                       .kind = statement->kind,
                       .tag = statement->body.size >= 4 ? csn_get_u32(statement->body.data) : 0};
}

static void on_certificate(void *arg, struct csn_bytes certificate)
{
    struct node *node = arg;
    assert_int_equal(certificate.size, 5000);
    node->certificate_count++;
}

static void on_peer(void *arg, struct csn_mesh_peer peer, bool is_up)
{
    struct node *node = arg;
    (void)peer;
    *(is_up ? &node->ups : &node->downs) += 1;
}

static void on_stuck(void *arg)
{
    struct node *node = arg;
    node->stuck_count++;
}

/* Echoes the request; "big" gets the largest reply, "no" a refusal. */
static void on_request(void *arg, struct csn_mesh_peer from, struct csn_bytes request,
                       struct csn_mesh_asked *asked)
{
    struct node *node = arg;
    (void)from;
    node->asked_count++;
    if (node->keeps) {
        node->kept = asked;
    } else if (csn_bytes_equal(request, csn_bytes("big", 3))) {
        uint8_t *big = csn_calloc(1, CSN_MESH_REPLY_MAX);
        big[CSN_MESH_REPLY_MAX - 1] = 7;
        csn_mesh_respond(asked, CSN_OK, csn_bytes(big, CSN_MESH_REPLY_MAX));
        free(big);
    } else if (csn_bytes_equal(request, csn_bytes("no", 2))) {
        csn_mesh_respond(asked, CSN_ENOTFOUND, csn_bytes(NULL, 0));
    } else {
        csn_mesh_respond(asked, CSN_OK, request);
    }
}

static int start_node(struct world *world, size_t index, struct csn_reason *reason)
{
    struct node *node = &world->nodes[index];
    char tls[PATH_SIZE], ca[PATH_SIZE], file[64];
    snprintf(file, sizeof(file), "%s.tls.pem", names[index]);
    bool is_site = index != COORDINATOR;
    struct csn_mesh_settings settings = {
        .loop = &world->loop,
        .log = &world->log,
        .cluster = &world->cluster,
        .key = node->key,
        .self = id_of(index),
        .listen_mesh = is_site ? world->cluster.members[index].mesh : NULL,
        .listen_bulk = is_site ? world->cluster.members[index].bulk : NULL,
        .tls_path = in_folder(world, file, tls),
        .ca_path = in_folder(world, "ca.pem", ca),
        .callbacks = {.arg = node,
                      .on_statement = on_statement,
                      .on_certificate = on_certificate,
                      .on_request = on_request,
                      .on_peer = on_peer,
                      .on_stuck = on_stuck}};
    return csn_mesh_new(&settings, &node->mesh, reason);
}

static void make_identities(struct world *world)
{
    char file[64], path[PATH_SIZE];
    for (size_t i = 0; i < NODES; i++) {
        uint8_t key[CSN_ED25519_SIZE];
        snprintf(file, sizeof(file), "%s.tls.pem", names[i]);
        pki_issue(world->ca, names[i], world->folder, file);
        snprintf(file, sizeof(file), "%s.key", names[i]);
        pki_site_key(world->folder, file, key);
        assert_int_equal(
            csn_identity_load(in_folder(world, file, path), &world->nodes[i].key, NULL), CSN_OK);
        if (i == COORDINATOR) {
            world->cluster.coordinators[0].number = 1;
            memcpy(world->cluster.coordinators[0].key, key, sizeof(key));
            continue;
        }
        struct csn_member *member = &world->cluster.members[i];
        member->number = (uint16_t)(i + 1);
        member->incarnation = 2;
        snprintf(member->name, sizeof(member->name), "%s", names[i]);
        memcpy(member->key, key, sizeof(key));
        snprintf(member->mesh, sizeof(member->mesh), "tls+tcp://127.0.0.1:%u", pki_free_port());
        snprintf(member->bulk, sizeof(member->bulk), "tls+tcp://127.0.0.1:%u", pki_free_port());
    }
}

/* A world without meshes: folder, keys, certificates, cluster document. */
static int make_world(void **state)
{
    struct world *world = csn_calloc(1, sizeof(*world));
    world->folder = pki_folder_new();
    world->ca = pki_ca_new(world->folder, "ca.pem");
    world->log = (struct csn_log){.program = "test_mesh", .least = CSN_ERROR};
    world->cluster.environment = 1;
    world->cluster.member_count = SITES;
    world->cluster.coordinator_count = 1;
    memset(world->cluster.id, 0xc5, sizeof(world->cluster.id));
    uv_loop_init(&world->loop);
    make_identities(world);
    *state = world;
    return 0;
}

static int end_world(void **state)
{
    struct world *world = *state;
    pki_folder_free(world->folder);
    return 0;
}

/* A link that falls at the wrong moment hangs nng 1.5.2 for good; a daemon says so and begins again
 * (docs/adr/0016), this process cannot. What was to be shown cannot be shown then. */
static void give_up_if_stuck(const struct world *world)
{
    for (size_t i = 0; i < NODES; i++) {
        if (world->nodes[i].stuck_count > 0) {
            fprintf(stderr, "SKIP test_mesh: nng hung in closing a link (docs/adr/0016)\n");
            _exit(0);
        }
    }
}

/* Runs the loop until the condition holds; fails after WAIT_MS. The mesh's own tick keeps the loop
 * turning. */
#define wait_for(world, condition)                                                                 \
    do {                                                                                           \
        uv_update_time(&(world)->loop);                                                            \
        uint64_t until_ms = uv_now(&(world)->loop) + WAIT_MS;                                      \
        while (!(condition)) {                                                                     \
            if (uv_now(&(world)->loop) >= until_ms) {                                              \
                give_up_if_stuck(world);                                                           \
                fail_msg("what was waited for did not come: %s", #condition);                      \
            }                                                                                      \
            uv_run(&(world)->loop, UV_RUN_ONCE);                                                   \
        }                                                                                          \
    } while (0)

static bool is_full_mesh(const struct world *world, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        for (size_t j = first; j < end; j++) {
            if (i != j && world->nodes[i].mesh != NULL &&
                !csn_mesh_is_up(world->nodes[i].mesh, id_of(j))) {
                return false;
            }
        }
    }
    return true;
}

/* All but `absent` (NODES: all); the mesh is full when whoever is absent runs elsewhere. */
static void start_others(struct world *world, size_t absent)
{
    struct csn_reason reason = {{0}};
    for (size_t i = 0; i < NODES; i++) {
        if (i == absent) {
            continue;
        }
        int code = start_node(world, i, &reason);
        assert_string_equal(reason.text, "");
        assert_int_equal(code, CSN_OK);
    }
    wait_for(world, is_full_mesh(world, 0, NODES));
}

static void start_all(struct world *world)
{
    start_others(world, NODES);
}

static void say(struct world *world, size_t index, enum csn_statement_kind kind, uint32_t tag,
                size_t size)
{
    struct csn_mesh_statement statement;
    uint8_t *body = csn_calloc(1, size);
    csn_set_u32(body, tag);
    assert_int_equal(
        csn_mesh_sign(world->nodes[index].mesh, kind, csn_bytes(body, size), &statement), CSN_OK);
    csn_mesh_send(world->nodes[index].mesh, &statement);
    free(body);
}

static uint64_t dropped(const struct node *node, enum csn_mesh_drop reason)
{
    return csn_mesh_dropped(node->mesh, reason);
}

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

static void test_a_burst_larger_than_the_bus_holds_arrives(void **state)
{
    struct world *world = *state;
    start_all(world);
    for (uint32_t i = 0; i < 500; i++) {
        say(world, 0, CSN_STATEMENT_COMPUTED, i, CSN_STATEMENT_MAX);
    }
    wait_for(world, world->nodes[1].heard_count == 500 && world->nodes[2].heard_count == 500);
    for (uint32_t i = 0; i < 500; i++) {
        assert_int_equal(world->nodes[1].heard[i].tag, i);
    }
}

/* The child: starts the site when told to, says REPORT `tag` once everyone is linked, serves until it
 * is killed. Each life needs a tag of its own: what an earlier one said a moment ago is a duplicate. */
static void run_remote(struct world *world, size_t index, uint32_t tag, int go)
{
    char octet;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
    if (read(go, &octet, 1) != 1) {
        _exit(1);
    }
    assert_int_equal(start_node(world, index, NULL), CSN_OK);
    for (bool has_said = false;; uv_run(&world->loop, UV_RUN_ONCE)) {
        if (!has_said && is_full_mesh(world, 0, NODES)) {
            say(world, index, CSN_STATEMENT_REPORT, tag, 40);
            has_said = true;
        }
    }
}

static struct remote make_remote(struct world *world, size_t index, uint32_t tag, bool keeps)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[1]);
        uv_loop_fork(&world->loop);
        world->nodes[index].keeps = keeps;
        run_remote(world, index, tag, ends[0]);
    }
    close(ends[0]);
    return (struct remote){.pid = pid, .go = ends[1]};
}

static void start_remote(const struct remote *remote)
{
    assert_int_equal(write(remote->go, "x", 1), 1);
}

static void kill_remote(const struct remote *remote)
{
    close(remote->go);
    kill(remote->pid, SIGKILL);
    assert_int_equal(waitpid(remote->pid, NULL, 0), remote->pid);
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

struct reply {
    int code;
    size_t size;
    uint8_t last;
    size_t calls;
};

static void on_reply(void *arg, int code, struct csn_bytes octets)
{
    struct reply *reply = arg;
    reply->code = code;
    reply->size = octets.size;
    reply->last = octets.size > 0 ? octets.data[octets.size - 1] : 0;
    reply->calls++;
}

/* Asks as soon as the link stands. */
static int ask(struct world *world, size_t from, uint16_t site, const char *request,
               uint32_t deadline_ms, struct reply *reply)
{
    int code;
    wait_for(world, (code = csn_mesh_request(world->nodes[from].mesh, site,
                                             csn_bytes(request, strlen(request)), deadline_ms,
                                             on_reply, reply)) != CSN_ECLOSED);
    return code;
}

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

/* --- strangers */

struct raw {
    nng_socket socket;
    size_t ups, downs; /* written by nng's threads */
};

static void raw_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct raw *raw = arg;
    (void)pipe;
    __atomic_add_fetch(event == NNG_PIPE_EV_ADD_POST ? &raw->ups : &raw->downs, 1,
                       __ATOMIC_SEQ_CST);
}

static size_t raw_count(const size_t *count)
{
    return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

/* Dials a site's BUS address with whatever certificate; `tls` NULL: none. */
static void raw_dial(struct raw *raw, const struct world *world, const char *tls, size_t site)
{
    char path[PATH_SIZE];
    nng_tls_config *config;
    nng_dialer dialer;
    assert_int_equal(nng_bus0_open(&raw->socket), 0);
    /* Nobody reads: room for the hellos, or the link would not notice its end. */
    assert_int_equal(nng_socket_set_int(raw->socket, NNG_OPT_RECVBUF, 1000), 0);
    assert_int_equal(nng_pipe_notify(raw->socket, NNG_PIPE_EV_ADD_POST, raw_changed, raw), 0);
    assert_int_equal(nng_pipe_notify(raw->socket, NNG_PIPE_EV_REM_POST, raw_changed, raw), 0);
    assert_int_equal(nng_tls_config_alloc(&config, NNG_TLS_MODE_CLIENT), 0);
    assert_int_equal(nng_tls_config_ca_file(config, in_folder(world, "ca.pem", path)), 0);
    assert_int_equal(nng_tls_config_server_name(config, names[site]), 0);
    if (tls != NULL) {
        assert_int_equal(nng_tls_config_cert_key_file(config, in_folder(world, tls, path), NULL),
                         0);
    }
    assert_int_equal(nng_dialer_create(&dialer, raw->socket, world->cluster.members[site].mesh), 0);
    assert_int_equal(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config), 0);
    assert_int_equal(nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, 50), 0);
    assert_int_equal(nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, 50), 0);
    assert_int_equal(nng_dialer_start(dialer, NNG_FLAG_NONBLOCK), 0);
    nng_tls_config_free(config);
}

static void raw_send(const struct raw *raw, struct csn_bytes octets)
{
    nng_msg *message;
    assert_int_equal(nng_msg_alloc(&message, octets.size), 0);
    memcpy(nng_msg_body(message), octets.data, octets.size);
    assert_int_equal(nng_sendmsg(raw->socket, message, 0), 0);
}

/* As site `index` would sign it, with the cluster id and numbers that `sender` already has. */
static void prove(const struct world *world, size_t index, struct csn_sender *sender)
{
    struct csn_buf octets = {0};
    csn_guard_proof_octets(sender, &octets);
    assert_int_equal(
        csn_identity_sign(world->nodes[index].key, csn_buf_view(&octets), sender->proof), CSN_OK);
    csn_buf_fini(&octets);
}

static void sign(const struct world *world, size_t index, struct csn_mesh_statement *statement)
{
    struct csn_buf octets = {0};
    csn_statement_signed(statement->kind, statement->signer.number, statement->signer.incarnation,
                         statement->body, &octets);
    assert_int_equal(
        csn_identity_sign(world->nodes[index].key, csn_buf_view(&octets), statement->signature),
        CSN_OK);
    csn_buf_fini(&octets);
}

static uint8_t body_of_4097[CSN_STATEMENT_MAX + 1];

/* A good envelope of site 3 with one report; each case breaks one thing. */
static void spoil_nothing(const struct world *world, struct csn_envelope *envelope)
{
    (void)world;
    (void)envelope;
}
static void spoil_sender_number(const struct world *world, struct csn_envelope *envelope)
{
    envelope->sender.peer.number = 9;
    prove(world, 2, &envelope->sender);
}
static void spoil_sender_key(const struct world *world, struct csn_envelope *envelope)
{
    prove(world, 1, &envelope->sender);
}
static void spoil_sender_incarnation(const struct world *world, struct csn_envelope *envelope)
{
    envelope->sender.peer.incarnation = 1;
    prove(world, 2, &envelope->sender);
}
static void spoil_cluster(const struct world *world, struct csn_envelope *envelope)
{
    envelope->sender.cluster_id[0] ^= 1;
    prove(world, 2, &envelope->sender);
}
static void spoil_environment(const struct world *world, struct csn_envelope *envelope)
{
    envelope->sender.environment = 0;
    prove(world, 2, &envelope->sender);
}
static void spoil_signature(const struct world *world, struct csn_envelope *envelope)
{
    (void)world;
    envelope->statements[0].signature[0] ^= 1;
}
static void spoil_signer(const struct world *world, struct csn_envelope *envelope)
{
    envelope->statements[0].signer.number = 8;
    sign(world, 2, &envelope->statements[0]);
}
static void spoil_signers_incarnation(const struct world *world, struct csn_envelope *envelope)
{
    envelope->statements[0].signer.incarnation = 1;
    sign(world, 2, &envelope->statements[0]);
}
static void spoil_kind(const struct world *world, struct csn_envelope *envelope)
{
    (void)world;
    envelope->statements[0].kind = (enum csn_statement_kind)99;
}
static void spoil_role(const struct world *world, struct csn_envelope *envelope)
{
    envelope->statements[0].kind = CSN_STATEMENT_PROPOSAL;
    sign(world, 2, &envelope->statements[0]);
}
static void spoil_size(const struct world *world, struct csn_envelope *envelope)
{
    envelope->statements[0].body = csn_bytes(body_of_4097, sizeof(body_of_4097));
    sign(world, 2, &envelope->statements[0]);
}
static void spoil_certificate(const struct world *world, struct csn_envelope *envelope)
{
    static uint8_t large[CSN_CERTIFICATE_MAX + 1];
    (void)world;
    envelope->statement_count = 0;
    envelope->certificates[0] = csn_bytes(large, sizeof(large));
    envelope->certificate_count = 1;
}
static void spoil_envelope(const struct world *world, struct csn_envelope *envelope)
{
    static uint8_t large[CSN_ENVELOPE_MAX];
    (void)world;
    envelope->certificates[0] = csn_bytes(large, sizeof(large));
    envelope->certificate_count = 1;
}

static void make_envelope(const struct world *world, uint32_t tag, uint8_t body[4],
                          struct csn_envelope *envelope)
{
    csn_set_u32(body, tag);
    *envelope =
        (struct csn_envelope){.sender = {.environment = 1, .peer = id_of(2)}, .statement_count = 1};
    memcpy(envelope->sender.cluster_id, world->cluster.id, sizeof(world->cluster.id));
    prove(world, 2, &envelope->sender);
    envelope->statements[0] = (struct csn_mesh_statement){
        .kind = CSN_STATEMENT_REPORT, .signer = id_of(2), .body = csn_bytes(body, 4)};
    sign(world, 2, &envelope->statements[0]);
}

static void raw_say(const struct raw *raw, const struct world *world, uint32_t tag,
                    void (*spoil)(const struct world *, struct csn_envelope *))
{
    uint8_t body[4];
    struct csn_envelope envelope;
    struct csn_buf octets = {0};
    make_envelope(world, tag, body, &envelope);
    spoil(world, &envelope);
    csn_envelope_encode(&envelope, &octets);
    raw_send(raw, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

/* One who has a certificate of our CA: every false word is dropped and counted once, and a good one
 * after it is heard. */
static void test_false_words_are_dropped_and_counted(void **state)
{
    struct world *world = *state;
    static const struct {
        void (*spoil)(const struct world *, struct csn_envelope *);
        enum csn_mesh_drop reason;
    } rows[] = {{spoil_sender_number, CSN_MESH_DROP_STRANGER},
                {spoil_sender_key, CSN_MESH_DROP_SIGNATURE},
                {spoil_sender_incarnation, CSN_MESH_DROP_INCARNATION},
                {spoil_cluster, CSN_MESH_DROP_CLUSTER},
                {spoil_environment, CSN_MESH_DROP_CLUSTER},
                {spoil_signature, CSN_MESH_DROP_SIGNATURE},
                {spoil_signer, CSN_MESH_DROP_STRANGER},
                {spoil_signers_incarnation, CSN_MESH_DROP_INCARNATION},
                {spoil_kind, CSN_MESH_DROP_MALFORMED},
                {spoil_role, CSN_MESH_DROP_ROLE},
                {spoil_size, CSN_MESH_DROP_OVERSIZED},
                {spoil_certificate, CSN_MESH_DROP_OVERSIZED},
                {spoil_envelope, CSN_MESH_DROP_OVERSIZED}};
    struct node *node = &world->nodes[0];
    struct raw raw = {0};
    uint64_t expected[CSN_MESH_DROP_COUNT] = {0};
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    raw_dial(&raw, world, "sin.tls.pem", 0);
    wait_for(world, raw_count(&raw.ups) == 1);
    raw_send(&raw, csn_bytes("\xff\xff\xff", 3));
    expected[CSN_MESH_DROP_MALFORMED]++;
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        raw_say(&raw, world, 1000 + i, rows[i].spoil);
        raw_say(&raw, world, i, spoil_nothing);
        wait_for(world, node->heard_count == i + 1);
        expected[rows[i].reason]++;
        assert_int_equal(node->heard[i].tag, i);
        for (size_t reason = 0; reason < CSN_MESH_DROP_COUNT; reason++) {
            assert_int_equal(dropped(node, (enum csn_mesh_drop)reason), expected[reason]);
        }
    }
    assert_int_equal(node->certificate_count, 0);
}

/* Far more than the queue between nng's threads and a loop that stands still. */
static void test_receiving_goes_on_after_a_flood(void **state)
{
    struct world *world = *state;
    struct node *node = &world->nodes[0];
    struct raw raw = {0};
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    raw_dial(&raw, world, "sin.tls.pem", 0);
    wait_for(world, raw_count(&raw.ups) == 1);
    for (uint32_t i = 0; i < 1500; i++) {
        raw_say(&raw, world, i, spoil_nothing);
        if (i % 8 == 7) {
            nng_msleep(1); /* the BUS drops what it cannot send at once */
        }
    }
    wait_for(world, node->heard_count > 300);
    size_t heard = node->heard_count;
    raw_say(&raw, world, 9999, spoil_nothing);
    wait_for(world, node->heard_count > heard && node->heard[node->heard_count - 1].tag == 9999);
}

static void test_a_message_above_the_wire_limit_costs_the_link(void **state)
{
    struct world *world = *state;
    struct node *node = &world->nodes[0];
    struct raw raw = {0};
    static uint8_t large[CSN_ENVELOPE_WIRE_MAX + 1];
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    raw_dial(&raw, world, "sin.tls.pem", 0);
    wait_for(world, raw_count(&raw.ups) == 1);
    raw_say(&raw, world, 1, spoil_nothing);
    wait_for(world, node->heard_count == 1 && csn_mesh_is_up(node->mesh, id_of(2)));
    raw_send(&raw, csn_bytes(large, sizeof(large)));
    wait_for(world, node->downs == 1);
    /* A link that falls within a message can hang nng for good, this end's or the other's, which live in
     * one process here: that is said, and a daemon begins again (docs/adr/0016). */
    wait_for(world, raw_count(&raw.ups) == 2 || node->stuck_count == 1);
    assert_int_equal(node->heard_count, 1);
    assert_int_equal(dropped(node, CSN_MESH_DROP_MALFORMED), 0); /* nobody unpacked it */
}

static void test_strangers_fail_at_the_handshake(void **state)
{
    struct world *world = *state;
    struct node *node = &world->nodes[0];
    struct raw without = {0}, other = {0};
    struct pki_ca *other_ca = pki_ca_new(world->folder, "other-ca.pem");
    pki_issue(other_ca, "sin", world->folder, "other.tls.pem");
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    raw_dial(&without, world, NULL, 0);
    wait_for(world, dropped(node, CSN_MESH_DROP_HANDSHAKE) > 0);
    nng_close(without.socket);
    uint64_t before = dropped(node, CSN_MESH_DROP_HANDSHAKE);
    raw_dial(&other, world, "other.tls.pem", 0);
    wait_for(world, dropped(node, CSN_MESH_DROP_HANDSHAKE) > before + 2);
    assert_int_equal(raw_count(&without.ups) + raw_count(&other.ups), 0);
    assert_int_equal(node->ups, 0);
    pki_ca_free(other_ca);
}

/* Connections that say nothing, or half of what a TLS client says first. */
#define IDLE_MAX 100

static int connect_idle(const char *url, bool is_talking)
{
    /* The head of a ClientHello of 512 octets, and no more. */
    static const uint8_t head[] = {22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3};
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (is_talking) {
        assert_int_equal(send(fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
    }
    return fd;
}

static bool has_ended(int fd)
{
    char octet;
    ssize_t got = recv(fd, &octet, 1, MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN);
}

static size_t count_files(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

/* Both ports, silent and talking: all are closed when their time is over, nng gives their files
 * back, and the links that stand never notice. */
static void test_handshakes_without_end_are_cut(void **state)
{
    struct world *world = *state;
    struct node *node = &world->nodes[2]; /* dialled by all */
    int idle[IDLE_MAX / 2];
    size_t count = sizeof(idle) / sizeof(idle[0]);
    struct reply reply = {0};
    start_all(world);
    wait_for(world, ask(world, 0, 3, "x", WAIT_MS, &reply) == CSN_OK);
    wait_for(world, reply.calls == 1);
    size_t before = count_files(), downs = node->downs;
    for (size_t i = 0; i < count; i++) {
        idle[i] = connect_idle(i % 2 == 0 ? world->cluster.members[2].mesh
                                          : world->cluster.members[2].bulk,
                               i % 4 >= 2);
    }
    uint64_t start_ms = uv_now(&world->loop);
    wait_for(world, dropped(node, CSN_MESH_DROP_HANDSHAKE) == count);
    assert_true(uv_now(&world->loop) >= start_ms + CSN_STRANGERS_WAIT_MS);
    for (size_t i = 0; i < count; i++) {
        wait_for(world, has_ended(idle[i]));
        close(idle[i]);
    }
    wait_for(world, count_files() <= before);
    assert_int_equal(node->downs, downs);
    assert_int_equal(ask(world, 0, 3, "y", WAIT_MS, &reply), CSN_OK);
    wait_for(world, reply.calls == 2);
    assert_int_equal(reply.code, CSN_OK);
    assert_int_equal(node->stuck_count, 0);
    assert_int_equal(dropped(node, CSN_MESH_DROP_HANDSHAKE), count); /* TLS counts none again */
}

/* More than may wait: the surplus is cut within about a second, and who has a certificate still
 * comes through. */
static void test_a_flood_of_handshakes_keeps_nobody_out(void **state)
{
    struct world *world = *state;
    struct node *node = &world->nodes[0];
    struct raw raw = {0};
    int idle[IDLE_MAX];
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    for (size_t i = 0; i < IDLE_MAX; i++) {
        idle[i] = connect_idle(world->cluster.members[0].mesh, i % 2 == 0);
    }
    uint64_t start_ms = uv_now(&world->loop);
    raw_dial(&raw, world, "sin.tls.pem", 0);
    wait_for(world, raw_count(&raw.ups) == 1);
    wait_for(world, dropped(node, CSN_MESH_DROP_HANDSHAKE) >= IDLE_MAX - CSN_STRANGERS_MAX);
    assert_true(uv_now(&world->loop) < start_ms + CSN_STRANGERS_WAIT_MS);
    for (uint32_t tag = 1; dropped(node, CSN_MESH_DROP_HANDSHAKE) < IDLE_MAX; tag++) {
        raw_say(&raw, world, tag, spoil_nothing); /* not silent */
        wait_for(world, node->heard_count == tag);
        start_ms = uv_now(&world->loop);
        wait_for(world, uv_now(&world->loop) >= start_ms + 100);
    }
    assert_int_equal(raw_count(&raw.ups), 1);
    assert_int_equal(raw_count(&raw.downs), 0);
    for (size_t i = 0; i < IDLE_MAX; i++) {
        assert_true(has_ended(idle[i]));
        close(idle[i]);
    }
}

/* A site whose certificate carries another name is not dialled through to: the server name is the
 * member's. */
static void test_a_site_with_anothers_certificate_is_not_reached(void **state)
{
    struct world *world = *state;
    pki_issue(world->ca, "sjc", world->folder, "sin.tls.pem");
    for (size_t i = 0; i < SITES; i++) {
        assert_int_equal(start_node(world, i, NULL), CSN_OK);
    }
    wait_for(world, is_full_mesh(world, 0, 2));
    say(world, 0, CSN_STATEMENT_REPORT, 5, 40);
    wait_for(world, world->nodes[1].heard_count == 1);
    assert_false(csn_mesh_is_up(world->nodes[0].mesh, id_of(2)));
    assert_int_equal(world->nodes[2].heard_count, 0);
}

/* Were both ends to dial, each word would come twice: it is delivered once all the same. */
static void test_a_word_that_comes_over_two_links_is_heard_once(void **state)
{
    struct world *world = *state;
    struct node *node = &world->nodes[0];
    struct raw one = {0}, two = {0};
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    raw_dial(&one, world, "sin.tls.pem", 0);
    raw_dial(&two, world, "sin.tls.pem", 0);
    wait_for(world, raw_count(&one.ups) == 1 && raw_count(&two.ups) == 1);
    raw_say(&one, world, 1, spoil_nothing);
    raw_say(&two, world, 1, spoil_nothing);
    wait_for(world, dropped(node, CSN_MESH_DROP_DUPLICATE) == 1);
    assert_int_equal(node->heard_count, 1);
    assert_int_equal(node->ups, 1);
    raw_say(&two, world, 2, spoil_nothing); /* (closing a link in this process can hang nng) */
    wait_for(world, node->heard_count == 2);
    assert_int_equal(node->downs, 0);
}

static void test_a_silent_link_is_closed(void **state)
{
    struct world *world = *state;
    struct raw raw = {0};
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    raw_dial(&raw, world, "sin.tls.pem", 0);
    wait_for(world, raw_count(&raw.ups) == 1);
    uint64_t start_ms = uv_now(&world->loop);
    raw_say(&raw, world, 1, spoil_nothing);
    wait_for(world, world->nodes[0].downs == 1);
    assert_true(uv_now(&world->loop) >= start_ms + CSN_MESH_SILENT_MS - 100);
    wait_for(world, raw_count(&raw.downs) == 1);
}

/* A callback that never returns keeps nng's reaper as its own fault would. */
static void block_reaper(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)pipe;
    (void)event;
    (void)arg;
    for (;;) {
        pause();
    }
}

static void test_a_stuck_reaper_is_noticed(void **state)
{
    struct world *world = *state;
    struct raw raw = {0};
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    raw_dial(&raw, world, "sin.tls.pem", 0);
    wait_for(world, raw_count(&raw.ups) == 1);
    uint64_t start_ms = uv_now(&world->loop);
    wait_for(world, uv_now(&world->loop) > start_ms + 3000);
    assert_int_equal(world->nodes[0].stuck_count, 0);
    assert_int_equal(nng_pipe_notify(raw.socket, NNG_PIPE_EV_REM_POST, block_reaper, NULL), 0);
    start_ms = uv_now(&world->loop);
    wait_for(world, world->nodes[0].stuck_count == 1); /* the silent link falls */
    assert_true(uv_now(&world->loop) >= start_ms + CSN_MESH_STUCK_MS);
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

/* --- parts without sockets */

static void test_guard_verifies_once_and_lets_repeats_through(void **state)
{
    struct world *world = *state;
    struct csn_guard *guard = csn_guard_new(&world->cluster, &world->log);
    struct csn_mesh_statement statement = {
        .kind = CSN_STATEMENT_HELD, .signer = id_of(1), .body = csn_bytes("held", 4)};
    sign(world, 1, &statement);
    assert_true(csn_guard_admits(guard, &statement, 1000));
    assert_false(csn_guard_admits(guard, &statement, 1000 + CSN_GUARD_REPEAT_MS - 1));
    assert_true(csn_guard_admits(guard, &statement, 1000 + CSN_GUARD_REPEAT_MS));
    assert_int_equal(csn_guard_dropped(guard, CSN_MESH_DROP_DUPLICATE), 1);
    /* The same words under another signature were never verified. */
    statement.signature[63] ^= 1;
    assert_false(csn_guard_admits(guard, &statement, 5000));
    assert_int_equal(csn_guard_dropped(guard, CSN_MESH_DROP_SIGNATURE), 1);
    csn_guard_free(guard);
}

static void test_guard_forgets_and_verifies_again(void **state)
{
    struct world *world = *state;
    struct csn_guard *guard = csn_guard_new(&world->cluster, &world->log);
    for (uint32_t i = 0; i < 2 * CSN_GUARD_SEEN_MAX; i++) {
        uint8_t body[4];
        struct csn_mesh_statement statement = {
            .kind = CSN_STATEMENT_COMPUTED, .signer = id_of(i % SITES), .body = csn_bytes(body, 4)};
        csn_set_u32(body, i);
        sign(world, i % SITES, &statement);
        assert_true(csn_guard_admits(guard, &statement, i));
    }
    csn_guard_free(guard);
}

static void test_links_know_who_is_there(void **state)
{
    struct world *world = *state;
    struct csn_links *links = csn_alloc(sizeof(*links));
    csn_links_init(links, &world->cluster);
    size_t zrh = csn_links_peer(links, id_of(0)), c1 = csn_links_peer(links, id_of(COORDINATOR));
    assert_true(zrh != c1 && zrh != CSN_LINKS_NOBODY && c1 != CSN_LINKS_NOBODY);
    assert_true(csn_links_peer(links, (struct csn_mesh_peer){.number = 1, .incarnation = 1}) ==
                CSN_LINKS_NOBODY);
    assert_true(csn_links_peer(links, (struct csn_mesh_peer){0}) == CSN_LINKS_NOBODY);
    for (uint32_t id = 1; id <= CSN_LINKS_MAX; id++) {
        assert_non_null(csn_links_add(links, id, 100));
    }
    assert_null(csn_links_add(links, 999, 100));
    assert_true(csn_links_bind(links, csn_links_find(links, 1), zrh));
    assert_false(csn_links_bind(links, csn_links_find(links, 2), zrh));
    for (uint64_t now_ms = 100; now_ms < 100 + CSN_MESH_SILENT_MS; now_ms += CSN_LINKS_STALL_MS) {
        assert_null(csn_links_silent(links, now_ms));
    }
    assert_null(csn_links_silent(links, 100 + CSN_MESH_SILENT_MS - 1));
    for (uint32_t id = 3; id <= CSN_LINKS_MAX; id++) {
        assert_non_null(csn_links_silent(links, 100 + CSN_MESH_SILENT_MS));
        assert_true(csn_links_remove(links, id) == CSN_LINKS_NOBODY);
    }
    csn_links_heard(links, csn_links_find(links, 2), 500);
    assert_int_equal(csn_links_silent(links, 100 + CSN_MESH_SILENT_MS)->id, 1);
    /* After standing still itself, the process may not blame others. */
    assert_null(csn_links_silent(links, 1000000));
    assert_true(csn_links_remove(links, 1) == CSN_LINKS_NOBODY);
    assert_true(csn_links_remove(links, 2) == zrh);
    assert_true(csn_links_remove(links, 2) == CSN_LINKS_NOBODY);
    free(links);
}

static void test_outbox_packs_in_order_and_within_the_limit(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 4, 100, 1000, CSN_STATEMENT_MAX};
    struct csn_outbox outbox = {0};
    struct csn_sender sender = {.environment = 1};
    static uint8_t body[CSN_STATEMENT_MAX], certificate[CSN_CERTIFICATE_MAX];
    size_t put = 0, got = 0, certificates = 0;
    for (; put < CSN_MESH_OUT_MAX - 10; put++) {
        struct csn_mesh_statement statement = {
            .kind = CSN_STATEMENT_OFFER,
            .signer = {.number = (uint16_t)put, .incarnation = UINT32_MAX},
            .body = csn_bytes(body, sizes[put % (sizeof(sizes) / sizeof(sizes[0]))])};
        assert_true(csn_outbox_put(&outbox, &statement));
    }
    for (; put < CSN_MESH_OUT_MAX; put++) {
        assert_true(
            csn_outbox_put_certificate(&outbox, csn_bytes(certificate, sizeof(certificate))));
    }
    assert_false(csn_outbox_put_certificate(&outbox, csn_bytes(certificate, sizeof(certificate))));
    while (outbox.count > 0) {
        struct csn_buf octets = {0};
        struct csn_envelope envelope;
        csn_outbox_pack(&outbox, &sender, &octets);
        assert_true(octets.size <= CSN_ENVELOPE_MAX);
        assert_int_equal(csn_envelope_decode(csn_buf_view(&octets), &envelope), CSN_OK);
        assert_true(envelope.statement_count + envelope.certificate_count > 0);
        for (size_t i = 0; i < envelope.statement_count; i++, got++) {
            assert_int_equal(envelope.statements[i].signer.number, got);
            assert_int_equal(envelope.statements[i].body.size,
                             sizes[got % (sizeof(sizes) / sizeof(sizes[0]))]);
        }
        certificates += envelope.certificate_count;
        csn_envelope_fini(&envelope);
        csn_buf_fini(&octets);
    }
    assert_int_equal(got + certificates, CSN_MESH_OUT_MAX);
    csn_outbox_fini(&outbox);
}

static void test_cut_messages_are_malformed(void **state)
{
    struct world *world = *state;
    uint8_t body[4];
    struct csn_envelope envelope, back;
    struct csn_buf octets = {0};
    make_envelope(world, 1, body, &envelope);
    csn_envelope_encode(&envelope, &octets);
    size_t whole = 0;
    for (size_t size = 0; size <= octets.size; size++) {
        if (csn_envelope_decode(csn_bytes(octets.data, size), &back) == CSN_OK) {
            whole++; /* cut behind the sender, it is an envelope without statements */
            csn_envelope_fini(&back);
        }
    }
    assert_int_equal(whole, 2);
    csn_buf_fini(&octets);
}

static void test_identity_signs_what_rfc_8032_says(void **state)
{
    struct world *world = *state;
    /* RFC 8032, 7.1, TEST 2. */
    static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIEzNCJso/5banbbDRuwRTg9bijGfNaumJNqM9u1PuKb7\n"
                              "-----END PRIVATE KEY-----\n";
    static const uint8_t expected[] = {
        0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f,
        0x64, 0x25, 0x40, 0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76,
        0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda, 0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99,
        0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c, 0x38, 0x7b, 0x2e, 0xae,
        0xb4, 0x30, 0x2a, 0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00};
    char path[PATH_SIZE];
    struct csn_site_key *key;
    uint8_t signature[CSN_IDENTITY_SIGNATURE_SIZE];
    in_folder(world, "rfc.key", path);
    assert_int_equal(csn_fs_write(path, csn_bytes(pem, sizeof(pem) - 1), 0600, NULL), CSN_OK);
    assert_int_equal(csn_identity_load(path, &key, NULL), CSN_OK);
    assert_int_equal(csn_identity_sign(key, csn_bytes("\x72", 1), signature), CSN_OK);
    assert_memory_equal(signature, expected, sizeof(expected));
    assert_int_equal(csn_identity_verify(csn_identity_key(key), csn_bytes("\x72", 1), signature),
                     CSN_OK);
    assert_int_equal(csn_identity_verify(csn_identity_key(key), csn_bytes("\x73", 1), signature),
                     CSN_ESIGNATURE);
    csn_identity_free(key);
}

static void write_x25519(const char *path)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    FILE *file = fopen(path, "w");
    assert_true(key != NULL && file != NULL);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    EVP_PKEY_free(key);
}

static void test_identity_refuses_what_is_no_key(void **state)
{
    struct world *world = *state;
    struct csn_site_key *key = NULL;
    struct csn_reason reason;
    char path[PATH_SIZE];
    assert_int_equal(csn_identity_load(in_folder(world, "absent", path), &key, &reason),
                     CSN_ENOTFOUND);
    /* A P-256 key. */
    assert_int_equal(csn_identity_load(in_folder(world, "zrh.tls.pem", path), &key, &reason),
                     CSN_EFORMAT);
    assert_non_null(strstr(reason.text, "zrh.tls.pem"));
    write_x25519(in_folder(world, "x25519.key", path));
    assert_int_equal(csn_identity_load(path, &key, &reason), CSN_EFORMAT);
    assert_int_equal(csn_fs_write(in_folder(world, "x", path), csn_bytes("rubbish", 7), 0600, NULL),
                     CSN_OK);
    assert_int_equal(csn_identity_load(path, &key, &reason), CSN_EFORMAT);
    assert_int_equal(chmod(in_folder(world, "sjc.key", path), 0640), 0);
    assert_int_equal(csn_identity_load(path, &key, &reason), CSN_EPERMISSION);
    assert_null(key);
}

static const struct CMUnitTest tests[] = {
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, end_world)
    WITH_WORLD(test_identity_signs_what_rfc_8032_says),
    WITH_WORLD(test_identity_refuses_what_is_no_key),
    WITH_WORLD(test_guard_verifies_once_and_lets_repeats_through),
    WITH_WORLD(test_guard_forgets_and_verifies_again),
    WITH_WORLD(test_links_know_who_is_there),
    cmocka_unit_test(test_outbox_packs_in_order_and_within_the_limit),
    WITH_WORLD(test_cut_messages_are_malformed),
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
    WITH_WORLD(test_requests_to_a_site_that_goes_are_closed),
    WITH_WORLD(test_false_words_are_dropped_and_counted),
    WITH_WORLD(test_receiving_goes_on_after_a_flood),
    WITH_WORLD(test_a_message_above_the_wire_limit_costs_the_link),
    WITH_WORLD(test_strangers_fail_at_the_handshake),
    WITH_WORLD(test_handshakes_without_end_are_cut),
    WITH_WORLD(test_a_flood_of_handshakes_keeps_nobody_out),
    WITH_WORLD(test_a_site_with_anothers_certificate_is_not_reached),
    WITH_WORLD(test_a_word_that_comes_over_two_links_is_heard_once),
    WITH_WORLD(test_a_silent_link_is_closed),
    WITH_WORLD(test_a_stuck_reaper_is_noticed),
    WITH_WORLD(test_a_mesh_with_false_settings_is_refused),
};
#define TEST_COUNT (sizeof(tests) / sizeof(tests[0]))

/* One test in a child; 0 when it passed. */
static int run_alone(const struct CMUnitTest *test)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        cmocka_set_test_filter(test->name);
        int failures = cmocka_run_group_tests(tests, NULL, NULL);
        fflush(NULL);
        _exit(failures == 0 ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        fprintf(stderr, "%s: died\n", test->name);
        return 1;
    }
    return WEXITSTATUS(status);
}

/* test_mesh [TEST] */
int main(int argc, char **argv)
{
    int failures = 0;
    for (size_t i = 0; i < TEST_COUNT; i++) {
        if (argc < 2 || strcmp(argv[1], tests[i].name) == 0) {
            failures += run_alone(&tests[i]);
        }
    }
    fprintf(stderr, "%d of %zu failed\n", failures, TEST_COUNT);
    return failures == 0 ? 0 : 1;
}
