/* Goal: who only claims to have links or a document does not keep the others from being asked. Method: epochs_fetch.c alone, with
 * sites that report as often as they like, and a clock that is moved by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bulk.pb-c.h"
#include "daemon.h"
#include "epochs.h"
#include "job.h"
#include "reply.h"

#define SITES 3
#define TRUE_SITE 2
#define FALSE_SITE 3
#define SPAN_MS 60000

struct bench {
    struct csn_daemon daemon; /* first, so that one leads to the other */
    struct csn_node_config config;
    struct csn_chain_epoch epoch, *epochs[1];
    uint64_t now_ms;
    uint64_t seq;
    /* the request under way */
    bool is_waiting;
    uint16_t site;
    uint64_t asked_ms;
    uint32_t deadline_ms;
    csn_mesh_reply_fn *reply;
    void *arg;
    bool is_closed; /* no bulk link to FALSE_SITE */
    unsigned asked[SITES + 1];
};

static struct bench *bench_of(const struct csn_daemon *daemon)
{
    return (struct bench *)(uintptr_t)daemon;
}

/* --- what epochs_fetch.c asks for */

struct csn_now csn_daemon_now(const struct csn_daemon *daemon)
{
    return (struct csn_now){.mono_ms = bench_of(daemon)->now_ms};
}

void csn_daemon_event(struct csn_daemon *daemon, struct csn_event *event)
{
    (void)daemon, (void)event;
}

void csn_job_later(uv_loop_t *loop, uint64_t delay_ms, csn_job_done_fn *fn, void *arg)
{
    (void)loop, (void)delay_ms, (void)fn, (void)arg;
}

bool csn_epochs_is_unconfirmed(const struct csn_daemon *daemon)
{
    (void)daemon;
    return false;
}

int csn_epochs_take_links(struct csn_daemon *daemon, struct csn_bytes first, const struct csn_bytes *links, size_t count,
                          struct csn_reason *reason)
{
    (void)daemon, (void)first, (void)links, (void)count, (void)reason;
    return CSN_OK; /* there was none */
}

int csn_epochs_take_next(struct csn_daemon *daemon, struct csn_bytes document, const char *from, struct csn_reason *reason)
{
    (void)daemon, (void)document, (void)from;
    return csn_reason_set(reason, CSN_EFORMAT, "no document");
}

bool csn_mesh_is_up(const struct csn_mesh *mesh, struct csn_mesh_peer peer)
{
    (void)mesh, (void)peer;
    return true;
}

bool csn_mesh_heard(const struct csn_mesh *mesh, struct csn_mesh_peer peer, uint64_t *ret_ago_ms)
{
    (void)mesh, (void)peer;
    *ret_ago_ms = 0;
    return true;
}

int csn_mesh_request(struct csn_mesh *mesh, uint16_t site, struct csn_bytes request, uint32_t deadline_ms, csn_mesh_reply_fn *reply,
                     void *arg)
{
    struct bench *bench = (struct bench *)(void *)mesh;
    (void)request;
    assert_false(bench->is_waiting);
    if (bench->is_closed && site == FALSE_SITE) {
        return CSN_ECLOSED;
    }
    bench->asked[site]++;
    bench->is_waiting = true;
    bench->site = site;
    bench->asked_ms = bench->now_ms;
    bench->deadline_ms = deadline_ms;
    bench->reply = reply;
    bench->arg = arg;
    return CSN_OK;
}

/* --- sites */

static struct bench *bench_new(void)
{
    struct bench *bench = csn_calloc(1, sizeof(*bench));
    bench->config.cluster = (struct csn_cluster){.epoch = 1, .member_count = SITES, .quorum = 2};
    for (unsigned i = 0; i < SITES; i++) {
        bench->config.cluster.members[i].number = (uint16_t)(i + 1);
    }
    bench->config.member = &bench->config.cluster.members[0];
    bench->epoch.cluster = bench->config.cluster;
    bench->epochs[0] = &bench->epoch;
    bench->daemon.config = &bench->config;
    bench->daemon.mesh = (struct csn_mesh *)(void *)bench;
    bench->daemon.log.least = CSN_ERROR;
    bench->daemon.epochs.chain.epochs = bench->epochs;
    bench->daemon.epochs.chain.count = 1;
    bench->now_ms = 1000000;
    return bench;
}

static void report(struct bench *bench, uint16_t site)
{
    struct csn_buf octets = {0};
    struct csn_body_report body = {.boot = 1, .seq = ++bench->seq, .state = CSN_NODE_OK, .epoch = 2};
    csn_body_report_encode(&body, &octets);
    csn_epochs_heard(&bench->daemon, site, csn_buf_view(&octets));
    csn_buf_fini(&octets);
}

static void answer(struct bench *bench, int code)
{
    struct csn_buf packed = {0};
    Consign__BulkReply reply = CONSIGN__BULK_REPLY__INIT;
    reply.status = CONSIGN__BULK_STATUS__BULK_OK;
    csn_reply_pack(&reply, false, &packed);
    bench->is_waiting = false;
    bench->reply(bench->arg, code, code == CSN_OK ? csn_buf_view(&packed) : csn_bytes(NULL, 0));
    csn_buf_fini(&packed);
}

/* The false one reports every millisecond, and answers nothing (or nothing of use); the true one every quarter of a second. */
static void run_until_true_is_asked(struct bench *bench, int false_code)
{
    for (uint64_t end_ms = bench->now_ms + SPAN_MS; bench->now_ms < end_ms && bench->asked[TRUE_SITE] == 0; bench->now_ms++) {
        bool is_late = bench->now_ms - bench->asked_ms >= bench->deadline_ms;
        if (bench->is_waiting && bench->site == FALSE_SITE && (false_code == CSN_OK || is_late)) {
            answer(bench, false_code);
        }
        report(bench, FALSE_SITE);
        if (bench->now_ms % 250 == 0) {
            report(bench, TRUE_SITE);
        }
    }
    assert_int_equal(bench->asked[TRUE_SITE], 1);
    answer(bench, CSN_ETIMEOUT); /* gives back the call */
    free(bench);
}

static void test_who_answers_nothing_is_followed_by_another(void **state)
{
    (void)state;
    run_until_true_is_asked(bench_new(), CSN_ETIMEOUT);
}

static void test_who_gives_no_links_is_followed_by_another(void **state)
{
    (void)state;
    run_until_true_is_asked(bench_new(), CSN_OK);
}

static void test_who_cannot_be_asked_is_followed_by_another(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    bench->is_closed = true;
    run_until_true_is_asked(bench, CSN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_answers_nothing_is_followed_by_another),
        cmocka_unit_test(test_who_gives_no_links_is_followed_by_another),
        cmocka_unit_test(test_who_cannot_be_asked_is_followed_by_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
