#include "mesh/mesh.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mesh/envelope.h"
#include "mesh/guard.h"
#include "mesh/links.h"
#include "mesh/net.h"
#include "mesh/outbox.h"

#define TICK_MS 100
#define SLOW_TICKS 10 /* once a second: failed handshakes are counted, nng's reaper and the clock are watched */
#define STEP_MS 10000 /* the wall clock set back by more: begin again; by less, nng is late by less */
/* An empty envelope after this long without one, so that the link is not silent. */
#define HELLO_MS 2000
/* At most 8 envelopes at a time leave, half of what a link holds before the BUS drops; the rest
 * waits for the next time. */
#define BURST_MAX 8
#define BURST_MS 20

/* A request of ours. `is_waiting` ends with the callback, the slot of the net only with an answer.
 */
struct call {
    csn_mesh_reply_fn *reply;
    void *arg;
    uint64_t id;
    uint64_t asked_ms;
    uint64_t deadline_ms;
    size_t peer;
    bool is_waiting;
};

struct csn_mesh_asked {
    struct csn_mesh *mesh; /* borrows */
    size_t slot;
    uint64_t id;
};

struct bulk_link {
    bool is_up;
    uint32_t link;
    uint64_t heard_ms;
};

struct csn_mesh {
    struct csn_mesh_settings settings; /* what it points to is borrowed */
    struct csn_sender sender;          /* this process, with its proof */
    struct csn_guard *guard;           /* owns */
    struct csn_net *net;               /* owns */
    struct csn_links links;
    struct csn_outbox outbox; /* owns */
    struct csn_buf packed;    /* owns: an envelope, ask or answer on its way out */
    uint32_t told[CSN_MEMBERS_MAX]; /* by each site, of the coordinators that it hears */
    bool owes_hello;
    uint64_t sent_ms;
    uint64_t burst_ms;
    unsigned burst_left;
    struct call calls[CSN_NET_SLOTS_MAX];
    struct bulk_link bulks[CSN_NET_PEERS_MAX];
    uint64_t last_id;
    struct csn_mesh_asked asked[CSN_MESH_SERVED_MAX];
    uint64_t refused;
    unsigned ticks;
    bool is_stuck;
    int64_t wall_ahead_ms; /* of time that only passes */
    uv_async_t woken;
    uv_prepare_t prepare;
    uv_timer_t tick, burst;
    unsigned handles_open;
    void (*on_freed)(void *arg);
    void *on_freed_arg;
};

static uint64_t now_of(const struct csn_mesh *mesh)
{
    return uv_now(mesh->settings.loop);
}

/* --- sending */

static void burst_over(uv_timer_t *timer)
{
    (void)timer; /* the loop turns, and `flush` runs */
}

/* Coordinators have no links to each other: sites tell each which of the others are there. */
static uint32_t heard_coordinators(const struct csn_mesh *mesh)
{
    uint32_t heard = 0;
    for (size_t i = 0; i < mesh->settings.cluster->coordinator_count; i++) {
        const struct csn_links_peer *peer = &mesh->links.peers[CSN_MEMBERS_MAX + i];
        bool is_heard = peer->was_heard && now_of(mesh) - peer->heard_ms <= CSN_MESH_SILENT_MS;
        heard |= is_heard ? UINT32_C(1) << i : 0;
    }
    return heard;
}

static void send_envelope(struct csn_mesh *mesh)
{
    mesh->sender.heard = heard_coordinators(mesh);
    csn_buf_clear(&mesh->packed);
    csn_outbox_pack(&mesh->outbox, &mesh->sender, &mesh->packed);
    if (!csn_net_publish(mesh->net, csn_buf_view(&mesh->packed))) {
        csn_guard_drop(mesh->guard, CSN_MESH_DROP_BACKLOG, mesh->settings.self,
                       "nng takes no more");
    }
    mesh->owes_hello = false;
    mesh->sent_ms = now_of(mesh);
}

/* Before the loop waits: all that this turn said leaves in as few envelopes as hold it. */
static void flush(uv_prepare_t *prepare)
{
    struct csn_mesh *mesh = prepare->data;
    uint64_t now_ms = now_of(mesh);
    if (now_ms >= mesh->burst_ms + BURST_MS) {
        mesh->burst_ms = now_ms;
        mesh->burst_left = BURST_MAX;
    }
    while ((mesh->outbox.count > 0 || mesh->owes_hello) && mesh->burst_left > 0) {
        send_envelope(mesh);
        mesh->burst_left--;
    }
    if ((mesh->outbox.count > 0 || mesh->owes_hello) &&
        !uv_is_active((uv_handle_t *)&mesh->burst)) {
        uv_timer_start(&mesh->burst, burst_over, BURST_MS, 0);
    }
}

struct csn_event csn_mesh_event(const struct csn_mesh_statement *statement)
{
    return (struct csn_event){.kind = CSN_EVENT_STATEMENT,
                              .statement = {.kind = statement->kind,
                                            .signer = statement->signer.number,
                                            .incarnation = statement->signer.incarnation,
                                            .body = statement->body,
                                            .signature = statement->signature}};
}

int csn_mesh_sign(const struct csn_mesh *mesh, enum csn_statement_kind kind, struct csn_bytes body,
                  struct csn_mesh_statement *ret_statement)
{
    struct csn_mesh_statement statement = {
        .kind = kind, .signer = mesh->settings.self, .body = body};
    struct csn_buf octets = {0};
    if (body.size > CSN_STATEMENT_MAX) {
        return CSN_ELIMIT;
    }
    csn_statement_signed(kind, statement.signer.number, statement.signer.incarnation, body,
                         &octets);
    int code = csn_identity_sign(mesh->settings.key, csn_buf_view(&octets), statement.signature);
    csn_buf_fini(&octets);
    if (code == CSN_OK) {
        *ret_statement = statement;
    }
    return code;
}

void csn_mesh_send(struct csn_mesh *mesh, const struct csn_mesh_statement *statement)
{
    if (!csn_outbox_put(&mesh->outbox, statement)) {
        csn_guard_drop(mesh->guard, CSN_MESH_DROP_BACKLOG, mesh->settings.self,
                       "%d statements wait", CSN_MESH_OUT_MAX);
    }
}

void csn_mesh_send_certificate(struct csn_mesh *mesh, struct csn_bytes certificate)
{
    if (!csn_outbox_put_certificate(&mesh->outbox, certificate)) {
        csn_guard_drop(mesh->guard, CSN_MESH_DROP_BACKLOG, mesh->settings.self,
                       "%d statements wait", CSN_MESH_OUT_MAX);
    }
}

/* --- links */

static void tell_peer(struct csn_mesh *mesh, size_t peer, bool is_up)
{
    if (mesh->settings.callbacks.on_peer != NULL) {
        mesh->settings.callbacks.on_peer(mesh->settings.callbacks.arg, mesh->links.peers[peer].id,
                                         is_up);
    }
}

static void link_down(struct csn_mesh *mesh, uint32_t id)
{
    size_t peer = csn_links_remove(&mesh->links, id);
    if (peer != CSN_LINKS_NOBODY) {
        tell_peer(mesh, peer, false);
    }
}

static void close_link(struct csn_mesh *mesh, uint32_t id)
{
    csn_net_link_close(mesh->net, id);
    link_down(mesh, id);
}

static struct csn_link *link_up(struct csn_mesh *mesh, uint32_t id)
{
    struct csn_link *link = csn_links_find(&mesh->links, id);
    if (link == NULL) {
        const struct csn_link *crowding = csn_links_crowding(&mesh->links);
        if (crowding != NULL) {
            close_link(mesh, crowding->id);
        }
        link = csn_links_add(&mesh->links, id, now_of(mesh));
        mesh->owes_hello = true;
    }
    return link;
}

static void close_silent_links(struct csn_mesh *mesh)
{
    const struct csn_link *link;
    while ((link = csn_links_silent(&mesh->links, now_of(mesh))) != NULL) {
        close_link(mesh, link->id);
    }
}

/* --- hearing */

/* The sender proves who it is; from then on the link is known to be its. */
static bool knows_sender(struct csn_mesh *mesh, struct csn_link *link,
                         const struct csn_sender *sender)
{
    if (!csn_guard_admits_sender(mesh->guard, sender, now_of(mesh))) {
        return false;
    }
    size_t peer = csn_links_peer(&mesh->links, sender->peer);
    INSIST(peer != CSN_LINKS_NOBODY);
    if (link->peer == CSN_LINKS_NOBODY && csn_links_bind(&mesh->links, link, peer)) {
        tell_peer(mesh, peer, true);
    }
    if (link->peer == peer) {
        csn_links_heard(&mesh->links, link, now_of(mesh));
    }
    if (peer < CSN_MEMBERS_MAX) {
        mesh->told[peer] = sender->heard;
    }
    return true;
}

static void hear_envelope(struct csn_mesh *mesh, const struct csn_envelope *envelope)
{
    const struct csn_mesh_callbacks *callbacks = &mesh->settings.callbacks;
    for (size_t i = 0; i < envelope->statement_count; i++) {
        if (csn_guard_admits(mesh->guard, &envelope->statements[i], now_of(mesh))) {
            callbacks->on_statement(callbacks->arg, &envelope->statements[i]);
        }
    }
    for (size_t i = 0; i < envelope->certificate_count; i++) {
        if (envelope->certificates[i].size > CSN_CERTIFICATE_MAX) {
            csn_guard_drop(mesh->guard, CSN_MESH_DROP_OVERSIZED, envelope->sender.peer,
                           "certificate of %zu octets", envelope->certificates[i].size);
        } else if (callbacks->on_certificate != NULL) {
            callbacks->on_certificate(callbacks->arg, envelope->certificates[i]);
        }
    }
}

/* Who is at the other end of a link, as far as it is known. */
static struct csn_mesh_peer peer_at(const struct csn_mesh *mesh, const struct csn_link *link)
{
    return link->peer != CSN_LINKS_NOBODY ? mesh->links.peers[link->peer].id
                                          : (struct csn_mesh_peer){0};
}

static void hear_message(struct csn_mesh *mesh, const struct csn_net_event *event)
{
    struct csn_envelope envelope;
    struct csn_link *link = link_up(mesh, event->link);
    int code = csn_envelope_decode(event->octets, &envelope);
    if (code == CSN_EFORMAT) {
        csn_guard_drop(mesh->guard, CSN_MESH_DROP_MALFORMED, peer_at(mesh, link),
                       "envelope of %zu octets", event->octets.size);
    } else if (code == CSN_ELIMIT) {
        csn_guard_drop(mesh->guard, CSN_MESH_DROP_OVERSIZED, envelope.sender.peer,
                       "envelope of %zu octets", event->octets.size);
    } else {
        if (knows_sender(mesh, link, &envelope.sender)) {
            hear_envelope(mesh, &envelope);
        }
        csn_envelope_fini(&envelope);
    }
}

/* --- asking */

static void finish_call(struct call *call, int code, struct csn_bytes reply)
{
    if (call->is_waiting) {
        call->is_waiting = false;
        call->reply(call->arg, code, reply);
    }
}

int csn_mesh_request(struct csn_mesh *mesh, uint16_t site, struct csn_bytes request,
                     uint32_t deadline_ms, csn_mesh_reply_fn *reply, void *arg)
{
    const struct csn_member *member = csn_cluster_member(mesh->settings.cluster, site);
    if (member == NULL ||
        (site == mesh->settings.self.number && mesh->settings.self.incarnation != 0)) {
        return CSN_ENOTFOUND;
    }
    size_t peer = (size_t)(member - mesh->settings.cluster->members);
    if (request.size > CSN_MESH_REQUEST_MAX) {
        return CSN_ELIMIT;
    }
    if (!mesh->bulks[peer].is_up) {
        return CSN_ECLOSED;
    }
    struct csn_ask ask = {.sender = mesh->sender, .id = mesh->last_id + 1, .request = request};
    size_t slot;
    csn_buf_clear(&mesh->packed);
    csn_ask_encode(&ask, &mesh->packed);
    int code = csn_net_ask(mesh->net, peer, csn_buf_view(&mesh->packed), &slot);
    if (code != CSN_OK) {
        return code;
    }
    mesh->last_id = ask.id;
    mesh->calls[slot] = (struct call){.reply = reply,
                                      .arg = arg,
                                      .id = ask.id,
                                      .asked_ms = now_of(mesh),
                                      .deadline_ms = now_of(mesh) + deadline_ms,
                                      .peer = peer,
                                      .is_waiting = true};
    return CSN_OK;
}

/* An answer to a request that was given up is late, and ignored; it frees the slot all the same. */
static void hear_answer(struct csn_mesh *mesh, const struct csn_net_event *event)
{
    struct call *call = &mesh->calls[event->slot];
    struct csn_answer answer;
    csn_net_answered(mesh->net, event->slot);
    if (event->failed) {
        finish_call(call, CSN_ECLOSED, csn_bytes(NULL, 0));
        return;
    }
    mesh->bulks[call->peer].heard_ms = now_of(mesh);
    if (csn_answer_decode(event->octets, &answer) != CSN_OK) {
        csn_guard_drop(mesh->guard, CSN_MESH_DROP_MALFORMED, mesh->links.peers[call->peer].id,
                       "answer of %zu octets", event->octets.size);
        finish_call(call, CSN_EFORMAT, csn_bytes(NULL, 0));
        return;
    }
    finish_call(call, answer.id == call->id ? answer.code : CSN_EFORMAT, answer.reply);
    csn_answer_fini(&answer);
}

static void bulk_down(struct csn_mesh *mesh, const struct csn_net_event *event)
{
    struct bulk_link *bulk = &mesh->bulks[event->peer];
    if (!bulk->is_up || bulk->link != event->link) {
        return;
    }
    bulk->is_up = false;
    for (size_t i = 0; i < CSN_NET_SLOTS_MAX; i++) {
        if (mesh->calls[i].is_waiting && mesh->calls[i].peer == event->peer) {
            finish_call(&mesh->calls[i], CSN_ECLOSED, csn_bytes(NULL, 0));
        }
    }
}

/* A site that answered nothing since a request whose deadline passed may hang, or its link may be
 * half open (nng sends no keep-alive there): the link is dialled again, and what else was asked
 * over it fails. */
static void end_late_calls(struct csn_mesh *mesh)
{
    for (size_t i = 0; i < CSN_NET_SLOTS_MAX; i++) {
        struct call *call = &mesh->calls[i];
        if (call->is_waiting && now_of(mesh) >= call->deadline_ms) {
            const struct bulk_link *bulk = &mesh->bulks[call->peer];
            if (bulk->is_up && bulk->heard_ms <= call->asked_ms) {
                csn_net_link_close(mesh->net, bulk->link);
            }
            finish_call(call, CSN_ETIMEOUT, csn_bytes(NULL, 0));
        }
    }
}

/* --- serving */

void csn_mesh_respond(struct csn_mesh_asked *take_asked, int code, struct csn_bytes reply)
{
    struct csn_mesh *mesh = take_asked->mesh;
    REQUIRE(mesh != NULL && code <= 0 && reply.size <= CSN_MESH_REPLY_MAX);
    struct csn_answer answer = {.id = take_asked->id, .code = code, .reply = reply};
    take_asked->mesh = NULL;
    csn_buf_clear(&mesh->packed);
    csn_answer_encode(&answer, &mesh->packed);
    csn_net_answer(mesh->net, take_asked->slot, csn_buf_view(&mesh->packed));
}

/* NULL: it is a member, or never was one. */
static const uint8_t *former_key(const struct csn_mesh *mesh, struct csn_mesh_peer peer)
{
    const struct csn_mesh_callbacks *callbacks = &mesh->settings.callbacks;
    const struct csn_member *member = csn_cluster_member(mesh->settings.cluster, peer.number);
    bool is_present = peer.incarnation == 0 || (member != NULL && member->incarnation == peer.incarnation);
    return is_present || callbacks->former_key == NULL ? NULL : callbacks->former_key(callbacks->arg, peer);
}

static int admit_ask(struct csn_mesh *mesh, const struct csn_ask *ask, const uint8_t *former)
{
    bool is_admitted = former == NULL ? csn_guard_admits_sender(mesh->guard, &ask->sender, now_of(mesh))
                                      : csn_guard_admits_former(mesh->guard, &ask->sender, former, now_of(mesh));
    if (!is_admitted) {
        return CSN_EPERMISSION;
    }
    if (ask->request.size > CSN_MESH_REQUEST_MAX) {
        csn_guard_drop(mesh->guard, CSN_MESH_DROP_OVERSIZED, ask->sender.peer,
                       "request of %zu octets", ask->request.size);
        return CSN_ELIMIT;
    }
    return mesh->settings.callbacks.on_request != NULL ? CSN_OK : CSN_EREFUSED;
}

static void hear_asked(struct csn_mesh *mesh, const struct csn_net_event *event)
{
    struct csn_mesh_asked *asked = &mesh->asked[event->slot];
    struct csn_ask ask;
    *asked = (struct csn_mesh_asked){.mesh = mesh, .slot = event->slot};
    if (csn_ask_decode(event->octets, &ask) != CSN_OK) {
        csn_guard_drop(mesh->guard, CSN_MESH_DROP_MALFORMED, (struct csn_mesh_peer){0},
                       "request of %zu octets", event->octets.size);
        csn_mesh_respond(asked, CSN_EFORMAT, csn_bytes(NULL, 0));
        return;
    }
    asked->id = ask.id;
    const uint8_t *former = former_key(mesh, ask.sender.peer);
    int code = admit_ask(mesh, &ask, former);
    if (code == CSN_OK && former != NULL) {
        mesh->settings.callbacks.on_former(mesh->settings.callbacks.arg, ask.request, asked);
    } else if (code == CSN_OK) {
        mesh->settings.callbacks.on_request(mesh->settings.callbacks.arg, ask.sender.peer,
                                            ask.request, asked);
    } else {
        csn_mesh_respond(asked, code, csn_bytes(NULL, 0));
    }
    csn_ask_fini(&ask);
}

/* --- the loop */

static void handle_event(struct csn_mesh *mesh, const struct csn_net_event *event)
{
    switch (event->what) {
    case CSN_NET_MESSAGE:
        hear_message(mesh, event);
        break;
    case CSN_NET_LINK_UP:
        link_up(mesh, event->link);
        break;
    case CSN_NET_LINK_DOWN:
        link_down(mesh, event->link);
        break;
    case CSN_NET_BULK_UP:
        mesh->bulks[event->peer] =
            (struct bulk_link){.is_up = true, .link = event->link, .heard_ms = now_of(mesh)};
        break;
    case CSN_NET_BULK_DOWN:
        bulk_down(mesh, event);
        break;
    case CSN_NET_ASKED:
        hear_asked(mesh, event);
        break;
    case CSN_NET_ANSWERED:
        hear_answer(mesh, event);
        break;
    }
}

static void woken(uv_async_t *async)
{
    struct csn_mesh *mesh = async->data;
    struct csn_net_event *event = csn_net_take(mesh->net);
    while (event != NULL) {
        struct csn_net_event *next = event->next;
        handle_event(mesh, event);
        csn_net_event_free(event);
        event = next;
    }
}

static void wake(void *arg)
{
    struct csn_mesh *mesh = arg;
    uv_async_send(&mesh->woken);
}

static void count_refused(struct csn_mesh *mesh)
{
    uint64_t refused = csn_net_refused(mesh->net);
    for (; mesh->refused < refused; mesh->refused++) {
        csn_guard_drop(
            mesh->guard, CSN_MESH_DROP_HANDSHAKE, (struct csn_mesh_peer){0},
            "its certificate is missing or of another CA; nng does not tell where it came from");
    }
}

static void count_cut(struct csn_mesh *mesh)
{
    char from[CSN_ENDPOINT_TEXT_MAX];
    for (size_t count = csn_net_cut(mesh->net, from); count > 0; count--) {
        csn_guard_drop(mesh->guard, CSN_MESH_DROP_HANDSHAKE, (struct csn_mesh_peer){0},
                       "from %s: not done within %d s, or too many at a time", from,
                       CSN_STRANGERS_WAIT_MS / 1000);
    }
}

static void begin_again(struct csn_mesh *mesh, const char *event, const char *why)
{
    mesh->is_stuck = true;
    csn_log(mesh->settings.log, CSN_ERROR, event, "%s; restart this process", why);
    if (mesh->settings.callbacks.on_stuck != NULL) {
        mesh->settings.callbacks.on_stuck(mesh->settings.callbacks.arg);
    }
}

static void watch_reaper(struct csn_mesh *mesh)
{
    if (!mesh->is_stuck && csn_net_is_stuck(mesh->net, now_of(mesh))) {
        begin_again(mesh, "mesh.stuck", "nng hangs in closing a link: what falls now is not dialled again");
    }
}

static int64_t wall_ahead_ms(void)
{
    struct timespec wall;
    int64_t passed_ms = (int64_t)(uv_hrtime() / 1000000);
    clock_gettime(CLOCK_REALTIME, &wall);
    return (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 - passed_ms;
}

/* nng times by the wall clock: where that is set back by an hour, a dialler that would have dialled in a second waits for an
 * hour. A clock that is set forward only hurries it. */
static void watch_clock(struct csn_mesh *mesh)
{
    int64_t before_ms = mesh->wall_ahead_ms;
    mesh->wall_ahead_ms = wall_ahead_ms();
    if (!mesh->is_stuck && mesh->wall_ahead_ms < before_ms - STEP_MS) {
        begin_again(mesh, "mesh.clock", "the clock was set back: what is down now is dialled again only when it is as late as it was");
    }
}

static void tick(uv_timer_t *timer)
{
    struct csn_mesh *mesh = timer->data;
    close_silent_links(mesh);
    end_late_calls(mesh);
    if (now_of(mesh) >= mesh->sent_ms + HELLO_MS) {
        mesh->owes_hello = true;
    }
    if (++mesh->ticks % SLOW_TICKS == 0) {
        count_refused(mesh);
        count_cut(mesh);
        watch_reaper(mesh);
        watch_clock(mesh);
    }
}

/* --- life */

static int check_self(const struct csn_mesh_settings *settings, struct csn_reason *reason)
{
    const struct csn_member *member = csn_cluster_member(settings->cluster, settings->self.number);
    const struct csn_coordinator_id *coordinator =
        csn_cluster_coordinator(settings->cluster, settings->self.number);
    bool is_coordinator = settings->self.incarnation == 0;
    if (is_coordinator ? coordinator == NULL
                       : member == NULL || member->incarnation != settings->self.incarnation) {
        return csn_reason_set(reason, CSN_EMISMATCH,
                              "%s %d incarnation %u is not in the cluster document",
                              is_coordinator ? "coordinator" : "site", settings->self.number,
                              settings->self.incarnation);
    }
    const uint8_t *key = is_coordinator ? coordinator->key : member->key;
    if (memcmp(key, csn_identity_key(settings->key), CSN_IDENTITY_KEY_SIZE) != 0) {
        return csn_reason_set(
            reason, CSN_EMISMATCH,
            "the key file does not hold the key that the cluster document lists for %s",
            is_coordinator ? coordinator->name : member->name);
    }
    return CSN_OK;
}

static int prove_self(struct csn_mesh *mesh)
{
    struct csn_buf octets = {0};
    memcpy(mesh->sender.cluster_id, mesh->settings.cluster->id, sizeof(mesh->sender.cluster_id));
    mesh->sender.environment = mesh->settings.cluster->environment;
    mesh->sender.peer = mesh->settings.self;
    csn_guard_proof_octets(&mesh->sender, &octets);
    int code = csn_identity_sign(mesh->settings.key, csn_buf_view(&octets), mesh->sender.proof);
    csn_buf_fini(&octets);
    return code;
}

/* The lower site number dials the higher, coordinators dial all: of every pair exactly one, or each
 * message comes twice. */
static int open_net(struct csn_mesh *mesh, struct csn_reason *reason)
{
    const struct csn_cluster *cluster = mesh->settings.cluster;
    const struct csn_mesh_peer self = mesh->settings.self;
    struct csn_net_settings settings = {.listen_mesh = mesh->settings.listen_mesh,
                                        .listen_bulk = mesh->settings.listen_bulk,
                                        .tls_path = mesh->settings.tls_path,
                                        .ca_path = mesh->settings.ca_path,
                                        .is_alone = mesh->settings.is_alone,
                                        .peer_count = cluster->member_count,
                                        .wake = wake,
                                        .arg = mesh};
    for (size_t i = 0; i < cluster->member_count; i++) {
        const struct csn_member *member = &cluster->members[i];
        bool is_self = self.incarnation != 0 && member->number == self.number;
        bool dials = self.incarnation == 0 || self.number < member->number;
        settings.peers[i] = (struct csn_net_peer){.name = member->name,
                                                  .mesh = dials ? member->mesh : NULL,
                                                  .bulk = is_self ? NULL : member->bulk};
    }
    return csn_net_open(&settings, &mesh->net, reason);
}

static void start_handles(struct csn_mesh *mesh)
{
    uv_loop_t *loop = mesh->settings.loop;
    uv_async_init(loop, &mesh->woken, woken);
    uv_prepare_init(loop, &mesh->prepare);
    uv_timer_init(loop, &mesh->tick);
    uv_timer_init(loop, &mesh->burst);
    mesh->woken.data = mesh->prepare.data = mesh->tick.data = mesh->burst.data = mesh;
    mesh->handles_open = 4;
}

int csn_mesh_new(const struct csn_mesh_settings *settings, struct csn_mesh **ret_mesh,
                 struct csn_reason *reason)
{
    int code = check_self(settings, reason);
    if (code != CSN_OK) {
        return code;
    }
    struct csn_mesh *mesh = csn_calloc(1, sizeof(*mesh));
    mesh->settings = *settings;
    mesh->wall_ahead_ms = wall_ahead_ms();
    mesh->guard = csn_guard_new(settings->cluster, settings->log);
    csn_links_init(&mesh->links, settings->cluster);
    start_handles(mesh);
    code = prove_self(mesh);
    if (code == CSN_OK) {
        code = open_net(mesh, reason);
    } else {
        csn_reason_set(reason, code, "the site key cannot sign");
    }
    if (code != CSN_OK) {
        csn_mesh_free(mesh, NULL, NULL);
        return code;
    }
    uv_prepare_start(&mesh->prepare, flush);
    uv_timer_start(&mesh->tick, tick, TICK_MS, TICK_MS);
    *ret_mesh = mesh;
    return CSN_OK;
}

static void handle_closed(uv_handle_t *handle)
{
    struct csn_mesh *mesh = handle->data;
    if (--mesh->handles_open > 0) {
        return;
    }
    if (mesh->on_freed != NULL) {
        mesh->on_freed(mesh->on_freed_arg);
    }
    free(mesh);
}

void csn_mesh_free(struct csn_mesh *take_mesh, void (*on_freed)(void *arg), void *arg)
{
    struct csn_mesh *mesh = take_mesh;
    mesh->on_freed = on_freed;
    mesh->on_freed_arg = arg;
    if (mesh->net != NULL) {
        csn_net_close(mesh->net);
    }
    for (size_t i = 0; i < CSN_NET_PEERS_MAX; i++) {
        mesh->bulks[i].is_up = false; /* a callback that asks again gets CSN_ECLOSED */
    }
    for (size_t i = 0; i < CSN_NET_SLOTS_MAX; i++) {
        finish_call(&mesh->calls[i], CSN_ECLOSED, csn_bytes(NULL, 0));
    }
    csn_guard_free(mesh->guard);
    csn_outbox_fini(&mesh->outbox);
    csn_buf_fini(&mesh->packed);
    uv_close((uv_handle_t *)&mesh->woken, handle_closed);
    uv_close((uv_handle_t *)&mesh->prepare, handle_closed);
    uv_close((uv_handle_t *)&mesh->tick, handle_closed);
    uv_close((uv_handle_t *)&mesh->burst, handle_closed);
}

bool csn_mesh_heard(const struct csn_mesh *mesh, struct csn_mesh_peer peer, uint64_t *ret_ago_ms)
{
    size_t index = csn_links_peer(&mesh->links, peer);
    if (index == CSN_LINKS_NOBODY || !mesh->links.peers[index].was_heard) {
        return false;
    }
    *ret_ago_ms = now_of(mesh) - mesh->links.peers[index].heard_ms;
    return true;
}

uint32_t csn_mesh_heard_by(const struct csn_mesh *mesh, uint16_t site)
{
    const struct csn_member *member = csn_cluster_member(mesh->settings.cluster, site);
    return member != NULL ? mesh->told[member - mesh->settings.cluster->members] : 0;
}

bool csn_mesh_is_up(const struct csn_mesh *mesh, struct csn_mesh_peer peer)
{
    size_t index = csn_links_peer(&mesh->links, peer);
    return index != CSN_LINKS_NOBODY && mesh->links.peers[index].link_count > 0;
}

uint64_t csn_mesh_dropped(const struct csn_mesh *mesh, enum csn_mesh_drop reason)
{
    return csn_guard_dropped(mesh->guard, reason);
}
