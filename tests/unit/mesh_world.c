#include "unit/mesh_world.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

const char *const names[NODES] = {"zrh", "sjc", "sin", "c1"};

char *in_folder(const struct world *world, const char *file, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s", world->folder, file);
    return path;
}

struct csn_mesh_peer id_of(size_t index)
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

static const uint8_t *former_key(void *arg, struct csn_mesh_peer peer)
{
    const struct node *node = arg;
    bool is_former = peer.number == node->former.number && peer.incarnation == node->former.incarnation;
    return is_former ? node->former_key : NULL;
}

static void on_former(void *arg, struct csn_bytes request, struct csn_mesh_asked *asked)
{
    struct node *node = arg;
    node->former_count++;
    csn_mesh_respond(asked, CSN_OK, request);
}

int start_node(struct world *world, size_t index, struct csn_reason *reason)
{
    struct node *node = &world->nodes[index];
    char tls[PATH_SIZE], ca[PATH_SIZE], file[64];
    snprintf(file, sizeof(file), "%s.tls.pem", names[index]);
    bool is_site = index != COORDINATOR;
    struct csn_mesh_settings settings = {
        .loop = &world->loop,
        .log = &world->log,
        .cluster = node->cluster != NULL ? node->cluster : &world->cluster,
        .key = node->key,
        .self = id_of(index),
        .listen_mesh = is_site ? world->cluster.members[index].mesh : NULL,
        .listen_bulk = is_site ? world->cluster.members[index].bulk : NULL,
        .tls_path = in_folder(world, file, tls),
        .ca_path = in_folder(world, "ca.pem", ca),
        .is_alone = world->is_alone,
        .callbacks = {.arg = node,
                      .on_statement = on_statement,
                      .on_certificate = on_certificate,
                      .on_request = on_request,
                      .former_key = former_key,
                      .on_former = on_former,
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

int make_world(void **state)
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

int end_world(void **state)
{
    struct world *world = *state;
    pki_folder_free(world->folder);
    return 0;
}

void give_up_if_stuck(const struct world *world)
{
    for (size_t i = 0; i < NODES; i++) {
        if (world->nodes[i].stuck_count > 0) {
            fprintf(stderr, "SKIP test_mesh: nng hung in closing a link (docs/adr/0016)\n");
            _exit(0);
        }
    }
}

bool is_full_mesh(const struct world *world, size_t first, size_t end)
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

void start_others(struct world *world, size_t absent)
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

void start_all(struct world *world)
{
    start_others(world, NODES);
}

void say(struct world *world, size_t index, enum csn_statement_kind kind, uint32_t tag, size_t size)
{
    struct csn_mesh_statement statement;
    uint8_t *body = csn_calloc(1, size);
    csn_set_u32(body, tag);
    assert_int_equal(
        csn_mesh_sign(world->nodes[index].mesh, kind, csn_bytes(body, size), &statement), CSN_OK);
    csn_mesh_send(world->nodes[index].mesh, &statement);
    free(body);
}

uint64_t dropped(const struct node *node, enum csn_mesh_drop reason)
{
    return csn_mesh_dropped(node->mesh, reason);
}

/* The child: starts the site when told to, says REPORT `tag` once everyone is linked, serves until
 * it is killed. Each life needs a tag of its own: what an earlier one said a moment ago is a
 * duplicate. */
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

struct remote make_remote(struct world *world, size_t index, uint32_t tag, bool keeps)
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

void start_remote(const struct remote *remote)
{
    assert_int_equal(write(remote->go, "x", 1), 1);
}

void kill_remote(const struct remote *remote)
{
    close(remote->go);
    kill(remote->pid, SIGKILL);
    assert_int_equal(waitpid(remote->pid, NULL, 0), remote->pid);
}

void sign(const struct world *world, size_t index, struct csn_mesh_statement *statement)
{
    struct csn_buf octets = {0};
    csn_statement_signed(statement->kind, statement->signer.number, statement->signer.incarnation,
                         statement->body, &octets);
    assert_int_equal(
        csn_identity_sign(world->nodes[index].key, csn_buf_view(&octets), statement->signature),
        CSN_OK);
    csn_buf_fini(&octets);
}

void on_reply(void *arg, int code, struct csn_bytes octets)
{
    struct reply *reply = arg;
    reply->code = code;
    reply->size = octets.size;
    reply->last = octets.size > 0 ? octets.data[octets.size - 1] : 0;
    reply->calls++;
}

int ask(struct world *world, size_t from, uint16_t site, const char *request, uint32_t deadline_ms,
        struct reply *reply)
{
    int code;
    wait_for(world, (code = csn_mesh_request(world->nodes[from].mesh, site,
                                             csn_bytes(request, strlen(request)), deadline_ms,
                                             on_reply, reply)) != CSN_ECLOSED);
    return code;
}

/* One test in a child; 0 when it passed. */
static int run_alone(const struct CMUnitTest *tests, size_t count, const struct CMUnitTest *test)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        cmocka_set_test_filter(test->name);
        int failures = _cmocka_run_group_tests("mesh", tests, count, NULL, NULL);
        fflush(NULL);
        _exit(failures == 0 ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        fprintf(stderr, "%s: died\n", test->name);
        return 1;
    }
    return WEXITSTATUS(status);
}

int run_each_alone(const struct CMUnitTest *tests, size_t count, const char *only)
{
    int failures = 0;
    for (size_t i = 0; i < count; i++) {
        if (only == NULL || strcmp(only, tests[i].name) == 0) {
            failures += run_alone(tests, count, &tests[i]);
        }
    }
    fprintf(stderr, "%d of %zu failed\n", failures, count);
    return failures == 0 ? 0 : 1;
}
