/* Goal: no site keeps a fetch for itself: one that drips, sends without end, or more than a certificate says, is followed by the
 * next; and one that is only slow, or has a zone that has grown, gives what it has in the end. Method: fetch.c with sites that are
 * functions, and a clock that goes on by as much as each answer takes. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bulk.pb-c.h"
#include "difference.h"
#include "fetch.h"
#include "forward.h"
#include "kept/share.h"
#include "kept/version.h"
#include "progress.h"
#include "reply.h"
#include "unit/store_fixture.h"
#include "zone/rows.h"

#define SITES 3
#define ASKED_MAX 2000 /* requests to one site; without the rules there is no end */

/* A site that is asked. */
struct peer {
    size_t size;       /* of the object; 0: it is not here */
    size_t piece;      /* octets, or rows of a version, in each answer */
    uint32_t piece_ms; /* that an answer takes; more than the deadline: none comes in time */
    size_t asked, begun; /* requests; those for the first piece */
    size_t first;        /* that one, counted from 1 */
    size_t answers;      /* in time; the next comes too late, and then it is not here any more; 0: all do */
    uint32_t round;      /* seq of the one certificate that it gives */
};

/* The request under way: one at a time. */
struct call {
    bool is_waiting;
    uint16_t site;
    struct csn_buf request;
    uint32_t deadline_ms;
    csn_mesh_reply_fn *reply;
    void *arg;
};

struct bench {
    struct csn_daemon daemon; /* first, so that one leads to the other */
    struct csn_node_config config;
    struct csn_zone_config zone_config;
    struct csn_zone_shell zone;
    struct peer peers[SITES + 1]; /* by number; this site is 1 */
    struct call call;
    uint64_t now_ms;
    int forward_code; /* what a fetch of differences by the history ends with; CSN_OK: there is none */
    unsigned forwards, differences, patience; /* how often, and with how much patience the last time */
    unsigned fetched;
    int code;
    uint32_t certified; /* highest seq of a certificate that was told */
    uint64_t corr;      /* of what was fetched last */
};

static struct bench *bench_of(const struct csn_daemon *daemon)
{
    return (struct bench *)(uintptr_t)daemon;
}

/* --- what fetch.c asks for */

struct csn_now csn_daemon_now(const struct csn_daemon *daemon)
{
    return (struct csn_now){.mono_ms = bench_of(daemon)->now_ms};
}

void csn_daemon_event(struct csn_daemon *daemon, struct csn_event *event)
{
    struct bench *bench = bench_of(daemon);
    if (event->kind == CSN_EVENT_CERTIFICATE) {
        uint32_t seq = event->certificate.certificate->held.proposal.round.seq;
        bench->certified = seq > bench->certified ? seq : bench->certified;
        return;
    }
    assert_int_equal(event->kind, CSN_EVENT_FETCHED);
    bench->fetched++;
    bench->code = event->code;
    bench->corr = event->corr;
}

void csn_daemon_die(struct csn_daemon *daemon, int code, const char *what)
{
    (void)daemon;
    fail_msg("%s: %s", what, csn_error_text(code));
    abort();
}

int csn_epochs_check(const struct csn_daemon *daemon, const struct csn_certificate *certificate, struct csn_reason *reason)
{
    (void)daemon, (void)certificate, (void)reason;
    return CSN_OK;
}

void csn_shell_run(struct csn_zone_shell *zone, unsigned parts, csn_job_part_fn *work, csn_job_done_fn *done, void *arg)
{
    (void)zone;
    work(arg, 0, parts);
    done(arg);
}

void csn_job_later(uv_loop_t *loop, uint64_t delay_ms, csn_job_done_fn *fn, void *arg)
{
    (void)loop, (void)delay_ms;
    fn(arg);
}

void csn_forward_fetch(struct csn_zone_shell *zone, uint16_t site, const struct csn_digest *full_root, unsigned patience,
                       csn_difference_fn *done, void *arg)
{
    (void)site, (void)full_root;
    struct bench *bench = bench_of(zone->daemon);
    bench->forwards++;
    bench->patience = patience;
    done(arg, bench->forward_code != CSN_OK ? bench->forward_code : CSN_ENOTFOUND, "nothing is served yet");
}

void csn_difference_fetch(struct csn_zone_shell *zone, uint16_t site, const struct csn_digest *full_root, unsigned patience,
                          csn_difference_fn *done, void *arg)
{
    (void)site, (void)full_root, (void)patience;
    bench_of(zone->daemon)->differences++;
    done(arg, CSN_ELIMIT, "nothing is served yet");
}

int csn_mesh_request(struct csn_mesh *mesh, uint16_t site, struct csn_bytes request, uint32_t deadline_ms, csn_mesh_reply_fn *reply,
                     void *arg)
{
    struct call *call = &((struct bench *)(void *)mesh)->call;
    assert_false(call->is_waiting);
    csn_buf_clear(&call->request);
    csn_buf_put_bytes(&call->request, request);
    call->is_waiting = true;
    call->site = site;
    call->deadline_ms = deadline_ms;
    call->reply = reply;
    call->arg = arg;
    return CSN_OK;
}

/* --- sites */

/* nNNNNNN.example. TXT "x" */
static void put_row(uint32_t number, struct csn_buf *buf)
{
    static const uint8_t text[] = {0, 2, 1, 'x'};
    uint8_t owner[32];
    struct csn_entry entry = {.rrset = {.owner = owner, .type = 16, .ttl = 60, .count = 1, .rdatas = csn_bytes(text, sizeof(text))}};
    owner[0] = 7;
    snprintf((char *)owner + 1, sizeof(owner) - 1, "n%06" PRIu32, number);
    memcpy(owner + 8, apex, sizeof(apex));
    csn_rows_put(buf, &entry);
}

/* Rows without end, `piece` at a time; which is the next is counted here, not read from the request. */
static void give_rows(struct peer *peer, struct csn_buf *octets, struct csn_buf *meta)
{
    for (size_t i = 0; i < peer->piece; i++) {
        put_row((uint32_t)((peer->asked - peer->first) * peer->piece + i), octets);
    }
    if (peer->asked == peer->first) {
        csn_version_meta_encode(&(struct csn_version_meta){.time_s = 1, .serial = 1}, meta);
    }
}

static void put_certificate(uint32_t seq, struct csn_buf *buf)
{
    struct csn_certificate *certificate = csn_calloc(1, sizeof(*certificate));
    struct csn_proposal *proposal = &certificate->held.proposal;
    memcpy(proposal->zone, apex, sizeof(apex));
    proposal->round = (struct csn_round){.term = {.counter = 1, .coordinator = 1}, .seq = seq};
    proposal->author_count = 1;
    proposal->authors[0] = 1;
    certificate->vote_count = 1;
    certificate->votes[0] = (struct csn_certificate_vote){.site = 1, .incarnation = 1};
    csn_certificate_encode(certificate, buf);
    free(certificate);
}

static void give(struct peer *peer, const Consign__BulkRequest *request, struct csn_buf *packed)
{
    Consign__BulkReply reply = CONSIGN__BULK_REPLY__INIT;
    struct csn_buf octets = {0}, meta = {0}, one = {0};
    ProtobufCBinaryData certificate;
    size_t left = peer->size > request->offset ? peer->size - (size_t)request->offset : 0;
    size_t size = left < peer->piece ? left : peer->piece;
    bool is_here = peer->size > 0 && (peer->answers == 0 || peer->asked <= peer->answers);
    reply.status = is_here ? CONSIGN__BULK_STATUS__BULK_OK : CONSIGN__BULK_STATUS__BULK_NOT_HERE;
    reply.digest = request->digest;
    reply.after = request->after;
    reply.offset = request->offset;
    if (request->kind == CONSIGN__BULK_KIND__BULK_CERTIFICATES) {
        put_certificate(peer->round, &one);
        certificate = (ProtobufCBinaryData){.len = one.size, .data = one.data};
        reply.certificates = &certificate;
        reply.n_certificates = 1;
    } else if (request->kind == CONSIGN__BULK_KIND__BULK_VERSION) {
        give_rows(peer, &octets, &meta);
    } else {
        memset(csn_buf_reserve(&octets, size + 1), 'x', size);
        octets.size = size;
        reply.is_last = size == left;
    }
    reply.octets = (ProtobufCBinaryData){.len = octets.size, .data = octets.data};
    reply.meta = (ProtobufCBinaryData){.len = meta.size, .data = meta.data};
    csn_reply_pack(&reply, false, packed);
    csn_buf_fini(&octets);
    csn_buf_fini(&meta);
    csn_buf_fini(&one);
}

static void answer(struct bench *bench)
{
    struct call call = bench->call;
    struct peer *peer = &bench->peers[call.site];
    struct csn_buf packed = {0};
    bool is_late = peer->piece_ms > call.deadline_ms || (peer->answers > 0 && peer->asked == peer->answers);
    Consign__BulkRequest *request = consign__bulk_request__unpack(NULL, call.request.size, call.request.data);
    assert_non_null(request);
    peer->asked++;
    if (request->offset == 0 && request->after.len == 0) {
        peer->begun++;
        peer->first = peer->asked;
    }
    assert_true(peer->asked <= ASKED_MAX);
    give(peer, request, &packed);
    consign__bulk_request__free_unpacked(request, NULL);
    bench->now_ms += is_late ? call.deadline_ms : peer->piece_ms;
    bench->call.is_waiting = false;
    call.reply(call.arg, is_late ? CSN_ETIMEOUT : CSN_OK, is_late ? csn_bytes(NULL, 0) : csn_buf_view(&packed));
    csn_buf_fini(&packed);
}

/* --- a fetch */

static const struct csn_log log_all = {.program = "test_fetch", .least = CSN_DEBUG};

static struct bench *bench_new(const char *folder)
{
    struct bench *bench = csn_calloc(1, sizeof(*bench));
    bench->config.cluster.member_count = SITES;
    for (unsigned i = 0; i < SITES; i++) {
        bench->config.cluster.members[i].number = (uint16_t)(i + 1);
    }
    bench->daemon.config = &bench->config;
    bench->daemon.log = log_all;
    bench->daemon.store = open_store(folder);
    bench->daemon.mesh = (struct csn_mesh *)(void *)bench;
    memcpy(bench->zone_config.zone, apex, sizeof(apex));
    bench->zone = (struct csn_zone_shell){.daemon = &bench->daemon, .config = &bench->zone_config, .name = "example."};
    csn_fetch_start(&bench->daemon);
    return bench;
}

static void bench_free(struct bench *bench)
{
    csn_store_close(bench->daemon.store);
    free(bench->daemon.fetches);
    free(bench->daemon.input_fetches);
    csn_buf_fini(&bench->call.request);
    free(bench);
}

static void fetch(struct bench *bench, enum csn_object_kind object, const struct csn_certificate *certificate)
{
    struct csn_effect effect = {.kind = CSN_EFFECT_FETCH, .corr = 1};
    effect.fetch.object = object;
    effect.fetch.digest = name_of(7);
    effect.fetch.author = 2;
    effect.fetch.above = (struct csn_round){.term = {.counter = 1, .coordinator = 1}, .seq = 5};
    effect.fetch.certificate = certificate;
    effect.fetch.sites[effect.fetch.site_count++] = 2;
    effect.fetch.sites[effect.fetch.site_count++] = 3;
    csn_fetch(&bench->zone, &effect);
    while (bench->call.is_waiting) {
        answer(bench);
    }
    assert_int_equal(bench->fetched, 1);
}

static size_t share_size(struct bench *bench)
{
    struct csn_digest digest = name_of(7);
    struct csn_buf key = {0}, share = {0};
    csn_share_key(apex, &digest, 2, &key);
    assert_int_equal(csn_store_get_blob(bench->daemon.store, csn_buf_view(&key), &share), CSN_OK);
    size_t size = share.size;
    csn_buf_fini(&key);
    csn_buf_fini(&share);
    return size;
}

static void test_who_drips_is_followed_by_the_next(void **state)
{
    static const size_t pieces[] = {1, 10000};
    for (size_t i = 0; i < 2; i++) {
        struct bench *bench = bench_new(*state);
        bench->peers[2] = (struct peer){.size = 40 * MIB, .piece = pieces[i], .piece_ms = 1000};
        bench->peers[3] = (struct peer){.size = 40 * MIB, .piece = MIB, .piece_ms = 1000};
        fetch(bench, CSN_OBJECT_SHARE, NULL);
        assert_int_equal(bench->code, CSN_OK);
        assert_int_equal(share_size(bench), 40 * MIB);
        assert_in_range(bench->peers[2].asked, 60, 70);
        assert_int_equal(bench->peers[3].asked, 40);
        bench_free(bench);
    }
}

static void test_who_never_ends_is_followed_by_the_next(void **state)
{
    struct bench *bench = bench_new(*state);
    bench->zone.history.zone_size = MIB;
    bench->peers[2] = (struct peer){.size = SIZE_MAX, .piece = MIB, .piece_ms = 1};
    bench->peers[3] = (struct peer){.size = MIB, .piece = MIB, .piece_ms = 1};
    fetch(bench, CSN_OBJECT_SHARE, NULL);
    assert_int_equal(bench->code, CSN_OK);
    assert_int_equal(share_size(bench), MIB);
    assert_int_equal(bench->peers[2].asked, 67); /* 2 x 1 + 64 MiB, and the one too many */
    bench_free(bench);
}

/* At the only site that has it; 10 s a MiB is 100 kB/s. */
static void test_a_slow_link_brings_it_in_the_end(void **state)
{
    static const struct {
        uint32_t piece_ms;
        size_t begun;
    } links[] = {{1000, 1}, {10000, 3}, {14900, 3}};
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        struct bench *bench = bench_new(*state);
        bench->peers[2] = (struct peer){.size = 200 * MIB, .piece = MIB, .piece_ms = links[i].piece_ms};
        fetch(bench, CSN_OBJECT_SHARE, NULL);
        assert_int_equal(bench->code, CSN_OK);
        assert_int_equal(share_size(bench), 200 * MIB);
        assert_int_equal(bench->peers[2].begun, links[i].begun);
        /* What was in vain costs little. */
        assert_true(bench->now_ms < 200 * links[i].piece_ms + 600000u);
        assert_int_equal(bench->peers[3].asked, links[i].begun > 1 ? links[i].begun : 0);
        bench_free(bench);
    }
}

static void test_a_zone_that_has_grown_comes_through(void **state)
{
    struct bench *bench = bench_new(*state);
    bench->zone.history.zone_size = 1000;
    bench->peers[2] = (struct peer){.size = 100 * MIB, .piece = MIB, .piece_ms = 1};
    bench->peers[3] = (struct peer){.size = 100 * MIB, .piece = MIB, .piece_ms = 1};
    fetch(bench, CSN_OBJECT_SHARE, NULL);
    assert_int_equal(bench->code, CSN_OK);
    assert_int_equal(share_size(bench), 100 * MIB);
    assert_int_equal(bench->peers[2].begun, 2);
    assert_int_equal(bench->peers[3].begun, 1);
    bench_free(bench);
}

static void test_a_liar_alone_has_an_end(void **state)
{
    struct bench *bench = bench_new(*state);
    bench->peers[2] = (struct peer){.size = SIZE_MAX, .piece = 1, .piece_ms = 1000};
    fetch(bench, CSN_OBJECT_SHARE, NULL);
    assert_int_equal(bench->code, CSN_ESLOW);
    assert_int_equal(bench->peers[3].asked, CSN_PROGRESS_PATIENCE_MAX + 1);
    assert_int_equal(bench->peers[2].begun, CSN_PROGRESS_PATIENCE_MAX + 1);
    bench_free(bench);
}

/* Who stopped in the middle is asked once more; where it says then that it is not here, nobody is asked for ever. */
static void test_the_last_time_decides_whether_there_is_another(void **state)
{
    struct bench *bench = bench_new(*state);
    bench->peers[2] = (struct peer){.size = 40 * MIB, .piece = MIB, .piece_ms = 1, .answers = 3};
    fetch(bench, CSN_OBJECT_SHARE, NULL);
    assert_int_equal(bench->code, CSN_ENOTFOUND);
    assert_int_equal(bench->peers[2].begun, 2);
    assert_int_equal(bench->peers[3].asked, 2);
    bench_free(bench);
}

static void test_who_is_silent_is_not_asked_again(void **state)
{
    struct bench *bench = bench_new(*state);
    bench->peers[2] = (struct peer){.size = MIB, .piece = MIB, .piece_ms = 20000};
    fetch(bench, CSN_OBJECT_SHARE, NULL);
    assert_int_equal(bench->code, CSN_ENOTFOUND);
    assert_int_equal(bench->peers[2].asked, 1);
    assert_int_equal(bench->now_ms, 15000);
    bench_free(bench);
}

static void test_more_records_than_the_certificate_says_are_refused(void **state)
{
    struct bench *bench = bench_new(*state);
    struct csn_certificate *certificate = csn_calloc(1, sizeof(*certificate));
    certificate->held.records = 1000;
    bench->peers[2] = (struct peer){.size = SIZE_MAX, .piece = 100, .piece_ms = 1};
    fetch(bench, CSN_OBJECT_VERSION, certificate);
    assert_int_equal(bench->code, CSN_ENOTFOUND);
    assert_int_equal(bench->peers[2].asked, 11);
    assert_int_equal(bench->peers[2].begun, 1);
    free(certificate);
    bench_free(bench);
}

/* Of one site; what the next gives is counted anew. */
static void test_records_of_one_site_are_not_counted_for_the_next(void **state)
{
    struct bench *bench = bench_new(*state);
    struct csn_certificate *certificate = csn_calloc(1, sizeof(*certificate));
    certificate->held.records = 1000;
    bench->peers[2] = (struct peer){.size = SIZE_MAX, .piece = 100, .piece_ms = 1, .answers = 6};
    bench->peers[3] = (struct peer){.size = SIZE_MAX, .piece = 100, .piece_ms = 1};
    fetch(bench, CSN_OBJECT_VERSION, certificate);
    assert_int_equal(bench->peers[3].begun, 2);
    assert_int_equal(bench->peers[3].asked, 2 * 11);
    free(certificate);
    bench_free(bench);
}

/* Each is asked as often as there is patience, and for nothing larger: that would take longer still. */
static void test_who_is_slow_with_differences_is_not_asked_for_the_whole(void **state)
{
    struct bench *bench = bench_new(*state);
    struct csn_certificate *certificate = csn_calloc(1, sizeof(*certificate));
    struct csn_effect effect = {.kind = CSN_EFFECT_FETCH, .corr = 1};
    effect.fetch.object = CSN_OBJECT_VERSION;
    effect.fetch.digest = name_of(7);
    effect.fetch.certificate = certificate;
    for (uint16_t site = 2; site <= CSN_MEMBERS_MAX; site++) { /* as many as there may be */
        effect.fetch.sites[effect.fetch.site_count++] = site;
    }
    bench->forward_code = CSN_ESLOW;
    csn_fetch(&bench->zone, &effect);
    assert_int_equal(bench->fetched, 1);
    assert_int_equal(bench->code, CSN_ESLOW);
    assert_int_equal(bench->forwards, (CSN_MEMBERS_MAX - 1) * (CSN_PROGRESS_PATIENCE_MAX + 1));
    assert_int_equal(bench->patience, CSN_PROGRESS_PATIENCE_MAX);
    assert_int_equal(bench->differences, 0);
    free(certificate);
    bench_free(bench);
}

/* It verifies, but brings nothing that is not here. */
static void test_who_gives_an_old_certificate_is_followed_by_the_next(void **state)
{
    struct bench *bench = bench_new(*state);
    bench->peers[2] = (struct peer){.size = 1, .round = 5};
    bench->peers[3] = (struct peer){.size = 1, .round = 6};
    fetch(bench, CSN_OBJECT_CERTIFICATES, NULL);
    assert_int_equal(bench->code, CSN_OK);
    assert_int_equal(bench->certified, 6);
    bench_free(bench);
}

/* One request at a time is all that this bench lets through. */
static void test_an_input_that_is_under_way_is_not_fetched_beside(void **state)
{
    struct bench *bench = bench_new(*state);
    struct csn_effect effect = {.kind = CSN_EFFECT_FETCH};
    effect.fetch.object = CSN_OBJECT_INPUT;
    effect.fetch.digest = name_of(7);
    effect.fetch.sites[effect.fetch.site_count++] = 2;
    for (effect.corr = 1; effect.corr <= 100; effect.corr++) {
        csn_fetch(&bench->zone, &effect);
    }
    answer(bench); /* not here */
    assert_int_equal(bench->fetched, 1);
    assert_int_equal(bench->corr, 100);
    csn_fetch(&bench->zone, &effect);
    answer(bench);
    assert_int_equal(bench->fetched, 2);
    assert_int_equal(bench->corr, 101);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_drips_is_followed_by_the_next, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_who_never_ends_is_followed_by_the_next, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_slow_link_brings_it_in_the_end, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_zone_that_has_grown_comes_through, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_liar_alone_has_an_end, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_the_last_time_decides_whether_there_is_another, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_who_is_silent_is_not_asked_again, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_records_of_one_site_are_not_counted_for_the_next, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_who_is_slow_with_differences_is_not_asked_for_the_whole, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_more_records_than_the_certificate_says_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_an_input_that_is_under_way_is_not_fetched_beside, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_who_gives_an_old_certificate_is_followed_by_the_next, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
