/* Goal: nobody but the members is heard by a mesh, nor keeps members out. Method: raw nng sockets
 * that speak the mesh's messages, idle and half-open connections. */
#include "unit/mesh_world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>

#include <nng/nng.h>
#include <nng/protocol/bus0/bus.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/supplemental/util/platform.h>

#include "mesh/envelope.h"
#include "mesh/guard.h"
#include "mesh/links.h"
#include "mesh/net.h"
#include "mesh/outbox.h"
#include "mesh/strangers.h"

struct raw {
    nng_socket socket;
    size_t ups, downs; /* written by nng's threads, as `last` */
    int last;          /* id of the pipe that came last */
};

static void raw_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct raw *raw = arg;
    if (event == NNG_PIPE_EV_ADD_POST) {
        __atomic_store_n(&raw->last, nng_pipe_id(pipe), __ATOMIC_SEQ_CST);
    }
    __atomic_add_fetch(event == NNG_PIPE_EV_ADD_POST ? &raw->ups : &raw->downs, 1,
                       __ATOMIC_SEQ_CST);
}

static size_t raw_count(const size_t *count)
{
    return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

/* Dials a site with whatever certificate; `tls` NULL: none. */
static void raw_dial_at(struct raw *raw, const struct world *world, const char *tls, size_t site, const char *address)
{
    char path[PATH_SIZE];
    nng_tls_config *config;
    nng_dialer dialer;
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
    assert_int_equal(nng_dialer_create(&dialer, raw->socket, address), 0);
    assert_int_equal(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config), 0);
    assert_int_equal(nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, 50), 0);
    assert_int_equal(nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, 50), 0);
    assert_int_equal(nng_dialer_start(dialer, NNG_FLAG_NONBLOCK), 0);
    nng_tls_config_free(config);
}

/* Its BUS address. */
static void raw_dial(struct raw *raw, const struct world *world, const char *tls, size_t site)
{
    assert_int_equal(nng_bus0_open(&raw->socket), 0);
    raw_dial_at(raw, world, tls, site, world->cluster.members[site].mesh);
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
    /* How much of it the BUS dropped is the machine's affair; it may also have no room yet. */
    for (uint32_t tag = 1500; node->heard_count <= CSN_NET_QUEUED_MAX; tag++) {
        size_t heard = node->heard_count;
        raw_say(&raw, world, tag, spoil_nothing);
        wait_for(world, node->heard_count > heard);
    }
    wait_for(world, (raw_say(&raw, world, 9999, spoil_nothing), node->heard[node->heard_count - 1].tag == 9999));
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
    /* A link that falls within a message can hang nng for good, this end's or the other's, which
     * live in one process here: that is said, and a daemon begins again (docs/adr/0016). */
    wait_for(world, raw_count(&raw.ups) == 2 || node->stuck_count == 1);
    assert_int_equal(node->heard_count, 1);
    assert_int_equal(dropped(node, CSN_MESH_DROP_MALFORMED), 0); /* nobody unpacked it */
}

static void test_strangers_fail_at_the_handshake(void **state)
{
    struct world *world = *state;
    struct raw without = {0}, other = {0};
    struct pki_ca *other_ca = pki_ca_new(world->folder, "other-ca.pem");
    pki_issue(other_ca, "sin", world->folder, "other.tls.pem");
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    assert_int_equal(start_node(world, 1, NULL), CSN_OK);
    raw_dial(&without, world, NULL, 0);
    raw_dial(&other, world, "other.tls.pem", 1);
    for (size_t i = 0; i < 2; i++) {
        wait_for(world, dropped(&world->nodes[i], CSN_MESH_DROP_HANDSHAKE) > 2); /* dialled again and again */
    }
    assert_int_equal(raw_count(&without.ups) + raw_count(&other.ups), 0);
    wait_for(world, is_full_mesh(world, 0, 2));
    assert_int_equal(world->nodes[0].ups + world->nodes[1].ups, 2); /* each other's */
    pki_ca_free(other_ca);
}

/* Connections that say nothing, or half of what a TLS client says first. */
#define IDLE_MAX 100
#define HANG_UPS 30

static int connect_to(const char *url)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int connect_idle(const char *url, bool is_talking)
{
    /* The head of a ClientHello of 512 octets, and no more. */
    static const uint8_t head[] = {22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3};
    int fd = connect_to(url);
    if (is_talking) {
        assert_int_equal(send(fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
    }
    return fd;
}

/* A ClientHello that is answered, and soon the end of the stream and a reset: where both come between its reading and the
 * answer, that meets EPIPE. */
static void hang_up(const char *url, unsigned after_us)
{
    static const uint8_t hello[] = {
        22, 3, 1, 0, 77, 1, 0, 0, 73, 3, 3,                                /* record, ClientHello, TLS 1.2 */
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
        0, 0, 4, 0xc0, 0x2b, 0xc0, 0x2c, 1, 0,                             /* ECDHE-ECDSA with AES-GCM; no compression */
        0, 28, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0,                /* secp256r1, uncompressed points */
        0, 13, 0, 10, 0, 8, 4, 3, 5, 3, 4, 1, 5, 1};                       /* ECDSA and RSA with SHA-256 and SHA-384 */
    const struct linger at_once = {.l_onoff = 1};
    int fd = connect_to(url);
    assert_int_equal(send(fd, hello, sizeof(hello), MSG_NOSIGNAL), sizeof(hello));
    usleep(after_us);
    shutdown(fd, SHUT_WR);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
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

/* All links stand that will. */
static void link_all(struct world *world)
{
    struct reply reply = {0};
    size_t asked = 0;
    start_all(world);
    for (size_t from = 0; from < NODES; from++) {
        for (size_t site = 0; site < SITES; site++) {
            if (site != from) {
                assert_int_equal(ask(world, from, (uint16_t)(site + 1), "x", WAIT_MS, &reply), CSN_OK);
                asked++;
            }
        }
    }
    wait_for(world, reply.calls == asked);
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
    link_all(world);
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
    wait_for(world, reply.calls == 1);
    assert_int_equal(reply.code, CSN_OK);
    assert_int_equal(node->stuck_count, 0);
    assert_int_equal(dropped(node, CSN_MESH_DROP_HANDSHAKE), count); /* TLS counts none again */
}

static int listen_dumbly(const char *url)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

/* A peer behind a firewall that lost its state amid the handshake says nothing for ever: it is dialled again. */
static void test_a_dial_that_is_never_answered_is_made_again(void **state)
{
    struct world *world = *state;
    int listener = listen_dumbly(world->cluster.members[1].mesh), first, next;
    world->is_alone = true;
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    wait_for(world, (first = accept(listener, NULL, NULL)) >= 0);
    uint64_t start_ms = uv_now(&world->loop);
    wait_for(world, (next = accept(listener, NULL, NULL)) >= 0);
    assert_true(uv_now(&world->loop) >= start_ms + CSN_STRANGERS_DIAL_MS - 2 * CSN_STRANGERS_LOOK_MS);
    assert_int_equal(dropped(&world->nodes[0], CSN_MESH_DROP_HANDSHAKE), 0);
    close(first);
    close(next);
    close(listener);
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
    raw_dial(&raw, world, "sin.tls.pem", 0);
    wait_for(world, raw_count(&raw.ups) == 1);
    wait_for(world, dropped(node, CSN_MESH_DROP_HANDSHAKE) >= IDLE_MAX - CSN_STRANGERS_MAX);
    for (uint32_t tag = 1; dropped(node, CSN_MESH_DROP_HANDSHAKE) < IDLE_MAX; tag++) {
        raw_say(&raw, world, tag, spoil_nothing); /* not silent */
        wait_for(world, node->heard_count == tag);
        uint64_t said_ms = uv_now(&world->loop);
        wait_for(world, uv_now(&world->loop) >= said_ms + 100);
    }
    assert_int_equal(raw_count(&raw.ups), 1);
    assert_int_equal(raw_count(&raw.downs), 0);
    for (size_t i = 0; i < IDLE_MAX; i++) {
        wait_for(world, has_ended(idle[i]));
        close(idle[i]);
    }
}

/* Each time it takes what was dialled since: nng lets in nobody more after one of its listener's handshakes ended so. */
static void test_who_hangs_up_amid_the_handshake_keeps_nobody_out(void **state)
{
    struct world *world = *state;
    struct raw raws[HANG_UPS] = {0};
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    for (uint32_t i = 0; i < HANG_UPS; i++) {
        hang_up(world->cluster.members[0].mesh, 20 * (i % 10));
        raw_dial(&raws[i], world, "sin.tls.pem", 0);
        wait_for(world, raw_count(&raws[i].ups) > 0);
        raw_say(&raws[i], world, i, spoil_nothing);
        wait_for(world, world->nodes[0].heard_count == i + 1);
    }
}

static void test_nng_is_not_told_of_broken_pipes(void **state)
{
    (void)state;
    int ends[2];
    struct iovec octet = {.iov_base = "x", .iov_len = 1};
    const struct msghdr message = {.msg_iov = &octet, .msg_iovlen = 1};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(sendmsg(ends[0], &message, MSG_NOSIGNAL), 1);
    close(ends[1]);
    assert_int_equal(sendmsg(ends[0], &message, MSG_NOSIGNAL), -1);
    assert_int_equal(errno, ECONNRESET);
    close(ends[0]);
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
    /* Those that come more than CSN_GUARD_REPEAT_MS apart, on a busy machine, are two. */
    for (uint32_t tag = 0; dropped(node, CSN_MESH_DROP_DUPLICATE) == 0; tag++) {
        raw_say(&one, world, tag, spoil_nothing);
        raw_say(&two, world, tag, spoil_nothing);
        wait_for(world, node->heard_count + dropped(node, CSN_MESH_DROP_DUPLICATE) == 2 * (tag + 1));
    }
    assert_int_equal(node->ups, 1);
    assert_int_equal(node->downs, 0);
}

/* A member's certificate opens as many links as it likes; the others find room all the same. */
static void test_a_flood_of_links_keeps_nobody_out(void **state)
{
    struct world *world = *state;
    struct raw raws[CSN_LINKS_MAX] = {0};
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    for (size_t i = 0; i < CSN_LINKS_MAX; i++) {
        raw_dial(&raws[i], world, "sin.tls.pem", 0);
        wait_for(world, raw_count(&raws[i].ups) > 0);
        raw_say(&raws[i], world, (uint32_t)i, spoil_nothing);
    }
    wait_for(world, world->nodes[0].heard_count == CSN_LINKS_MAX);
    assert_int_equal(start_node(world, 1, NULL), CSN_OK);
    wait_for(world, is_full_mesh(world, 0, 2));
}

/* A member's certificate asks over as many links as it likes. */
static void test_a_flood_of_askers_is_turned_away(void **state)
{
    struct world *world = *state;
    static struct raw raws[CSN_NET_ASKERS_AT_MAX + 1];
    struct raw *last = &raws[CSN_NET_ASKERS_AT_MAX];
    struct reply reply = {0};
    start_all(world);
    assert_int_equal(ask(world, 1, 1, "x", WAIT_MS, &reply), CSN_OK);
    wait_for(world, reply.calls == 1);
    for (size_t i = 0; i <= CSN_NET_ASKERS_AT_MAX; i++) {
        assert_int_equal(nng_req0_open(&raws[i].socket), 0);
        raw_dial_at(&raws[i], world, "sin.tls.pem", 0, world->cluster.members[0].bulk);
        wait_for(world, raw_count(&raws[i].ups) > 0);
    }
    wait_for(world, raw_count(&last->downs) > 0);
    assert_int_equal(raw_count(&raws[0].downs), 0);
    assert_int_equal(ask(world, 1, 1, "x", WAIT_MS, &reply), CSN_OK);
    wait_for(world, reply.calls == 2);
    assert_int_equal(reply.code, CSN_OK);
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
    __atomic_store_n((bool *)arg, true, __ATOMIC_SEQ_CST);
    for (;;) {
        pause();
    }
}

static void test_a_stuck_reaper_is_noticed(void **state)
{
    struct world *world = *state;
    struct raw raw = {0};
    bool is_blocked = false;
    uint64_t start_ms = uv_now(&world->loop);
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    raw_dial(&raw, world, "sin.tls.pem", 0);
    wait_for(world, raw_count(&raw.ups) == 1);
    assert_int_equal(nng_pipe_notify(raw.socket, NNG_PIPE_EV_REM_POST, block_reaper, &is_blocked), 0);
    nng_pipe last = {.id = (uint32_t)__atomic_load_n(&raw.last, __ATOMIC_SEQ_CST)};
    assert_int_equal(nng_pipe_close(last), 0);
    wait_for(world, __atomic_load_n(&is_blocked, __ATOMIC_SEQ_CST));
    wait_for(world, world->nodes[0].stuck_count == 1);
    assert_true(uv_now(&world->loop) >= start_ms + CSN_MESH_STUCK_MS); /* it was no false alarm */
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

/* The code that site 1 answers site 3 with. */
static int ask_as_former(struct world *world)
{
    struct reply reply = {0};
    assert_int_equal(ask(world, 2, 1, "chain", WAIT_MS, &reply), CSN_OK);
    wait_for(world, reply.calls == 1);
    return reply.code;
}

/* Site 3 has the old document; at site 1 it was removed, or is back in another incarnation with another key. */
static void check_former(struct world *world, const struct csn_cluster *later)
{
    struct node *node = &world->nodes[0];
    node->cluster = later;
    assert_int_equal(start_node(world, 0, NULL), CSN_OK);
    assert_int_equal(start_node(world, 2, NULL), CSN_OK);
    /* Nobody knows it; then its number and incarnation had another key; then its own. */
    assert_int_equal(ask_as_former(world), CSN_EPERMISSION);
    uint64_t strangers = dropped(node, CSN_MESH_DROP_STRANGER) + dropped(node, CSN_MESH_DROP_INCARNATION);
    assert_true(strangers > 0);
    node->former = id_of(2);
    memcpy(node->former_key, world->cluster.members[1].key, sizeof(node->former_key));
    assert_int_equal(ask_as_former(world), CSN_EPERMISSION);
    assert_int_equal(dropped(node, CSN_MESH_DROP_SIGNATURE), 1);
    assert_int_equal(node->former_count, 0);
    memcpy(node->former_key, world->cluster.members[2].key, sizeof(node->former_key));
    assert_int_equal(ask_as_former(world), CSN_OK);
    assert_int_equal(node->former_count, 1);
    assert_int_equal(node->asked_count, 0); /* never as a member */
    /* What it says is a stranger's all the same. */
    struct raw raw = {0};
    raw_dial(&raw, world, "sin.tls.pem", 0);
    wait_for(world, raw_count(&raw.ups) == 1);
    raw_say(&raw, world, 7, spoil_nothing);
    wait_for(world, dropped(node, CSN_MESH_DROP_STRANGER) + dropped(node, CSN_MESH_DROP_INCARNATION) > strangers);
    assert_int_equal(node->heard_count, 0);
    assert_false(csn_mesh_is_up(node->mesh, id_of(2)));
}

static void test_a_former_member_is_answered_apart_and_not_heard(void **state)
{
    struct world *world = *state;
    struct csn_cluster *later = csn_alloc(sizeof(*later));
    *later = world->cluster;
    later->member_count = 2;
    check_former(world, later);
    free(later);
}

static void test_a_former_incarnation_is_answered_apart_and_not_heard(void **state)
{
    struct world *world = *state;
    struct csn_cluster *later = csn_alloc(sizeof(*later));
    *later = world->cluster;
    later->members[2].incarnation++;
    memcpy(later->members[2].key, later->members[1].key, sizeof(later->members[2].key));
    check_former(world, later);
    free(later);
}

static const struct CMUnitTest tests[] = {
    WITH_WORLD(test_false_words_are_dropped_and_counted),
    WITH_WORLD(test_receiving_goes_on_after_a_flood),
    WITH_WORLD(test_a_message_above_the_wire_limit_costs_the_link),
    WITH_WORLD(test_strangers_fail_at_the_handshake),
    WITH_WORLD(test_handshakes_without_end_are_cut),
    WITH_WORLD(test_a_dial_that_is_never_answered_is_made_again),
    WITH_WORLD(test_a_flood_of_handshakes_keeps_nobody_out),
    WITH_WORLD(test_who_hangs_up_amid_the_handshake_keeps_nobody_out),
    cmocka_unit_test(test_nng_is_not_told_of_broken_pipes),
    WITH_WORLD(test_a_site_with_anothers_certificate_is_not_reached),
    WITH_WORLD(test_a_word_that_comes_over_two_links_is_heard_once),
    WITH_WORLD(test_a_flood_of_links_keeps_nobody_out),
    WITH_WORLD(test_a_flood_of_askers_is_turned_away),
    WITH_WORLD(test_a_silent_link_is_closed),
    WITH_WORLD(test_a_stuck_reaper_is_noticed),
    WITH_WORLD(test_a_former_member_is_answered_apart_and_not_heard),
    WITH_WORLD(test_a_former_incarnation_is_answered_apart_and_not_heard),
    WITH_WORLD(test_cut_messages_are_malformed),
};

/* test_mesh_strangers [TEST] */
int main(int argc, char **argv)
{
    return run_each_alone(tests, sizeof tests / sizeof tests[0], argc < 2 ? NULL : argv[1]);
}
