/* mesh_world.h: three sites and a coordinator over TLS on loopback in one loop, for the mesh's
 * tests. Every wait is for a condition, with a deadline. Each test runs in a process of its own
 * that ends without closing sockets, as daemons do: nng 1.5.2 may hang in closing them. Sites that
 * are to die are processes too. */
#ifndef CSN_TESTS_MESH_WORLD_H
#define CSN_TESTS_MESH_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/mesh.h"
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
    const struct csn_cluster *cluster; /* borrows; its document where it is not the world's */
    struct csn_mesh_peer former;       /* was a member there; number 0: nobody */
    uint8_t former_key[CSN_IDENTITY_KEY_SIZE];
    size_t former_count; /* what it asked */
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
    bool is_alone; /* one node only runs in this process */
    struct node nodes[NODES];
};

struct reply {
    int code;
    size_t size;
    uint8_t last;
    size_t calls;
};

extern const char *const names[NODES];

char *in_folder(const struct world *world, const char *file, char path[PATH_SIZE]);

struct csn_mesh_peer id_of(size_t index);

int start_node(struct world *world, size_t index, struct csn_reason *reason);

/* A world without meshes: folder, keys, certificates, cluster document. */
int make_world(void **state);

int end_world(void **state);

/* A link that falls at the wrong moment hangs nng 1.5.2 for good; a daemon says so and begins again
 * (docs/adr/0016), this process cannot. What was to be shown cannot be shown then. */
void give_up_if_stuck(const struct world *world);

bool is_full_mesh(const struct world *world, size_t first, size_t end);

/* All but `absent` (NODES: all); the mesh is full when whoever is absent runs elsewhere. */
void start_others(struct world *world, size_t absent);

void start_all(struct world *world);

void say(struct world *world, size_t index, enum csn_statement_kind kind, uint32_t tag,
         size_t size);

uint64_t dropped(const struct node *node, enum csn_mesh_drop reason);

/* A child that starts site `index` when told to, says REPORT `tag` once everyone is linked, and
 * serves until it is killed. */
struct remote make_remote(struct world *world, size_t index, uint32_t tag, bool keeps);

void start_remote(const struct remote *remote);

void kill_remote(const struct remote *remote);

void sign(const struct world *world, size_t index, struct csn_mesh_statement *statement);

void on_reply(void *arg, int code, struct csn_bytes octets);

/* Asks as soon as the link stands. */
int ask(struct world *world, size_t from, uint16_t site, const char *request, uint32_t deadline_ms,
        struct reply *reply);

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

#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, end_world)

/* Runs all, or the one named `only`; returns main's exit code. */
int run_each_alone(const struct CMUnitTest *tests, size_t count, const char *only);

#endif
