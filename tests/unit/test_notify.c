/* Goal: NOTIFY is sent until a secondary has answered it, and only an answer with the right
 * signature counts. Method: secondaries as sockets on the notifier's loop. */
#include "unit/xfr_world.h"

#include "xfr/notify.h"

/* A secondary: answers the n-th request with the n-th code; 255: stays silent. */
struct secondary {
    uv_udp_t udp;
    const uint8_t *codes;
    unsigned heard;
    bool is_forger; /* signs with another key */
    uint32_t serial;
    char datagram[4096];
};

static void on_secondary_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void)suggested;
    struct secondary *secondary = handle->data;
    *ret_buf = uv_buf_init(secondary->datagram, sizeof secondary->datagram);
}

static void on_notify(uv_udp_t *udp, ssize_t size, const uv_buf_t *buf, const struct sockaddr *from,
                      unsigned flags)
{
    (void)flags;
    struct secondary *secondary = udp->data;
    uint8_t mac[64], octets[4096];
    size_t mac_size = sizeof mac;
    if (from == NULL) {
        return;
    }
    knot_pkt_t *pkt = knot_pkt_new(buf->base, (uint16_t)size, NULL);
    assert_int_equal(knot_pkt_parse(pkt, 0), KNOT_EOK);
    assert_int_equal(knot_wire_get_opcode(pkt->wire), KNOT_OPCODE_NOTIFY);
    assert_false(knot_wire_get_qr(pkt->wire));
    assert_int_equal(knot_pkt_qtype(pkt), KNOT_RRTYPE_SOA);
    assert_int_equal(knot_tsig_server_check(pkt->tsig_rr, pkt->wire, pkt->size, &transfer_key),
                     KNOT_EOK);
    const knot_pktsection_t *section = knot_pkt_section(pkt, KNOT_ANSWER);
    assert_int_equal(section->count, 1);
    secondary->serial = knot_soa_serial(knot_pkt_rr(section, 0)->rrs.rdata);
    uint8_t code = secondary->codes[secondary->heard++];
    if (code != 255) {
        size_t answer_size = 12 + knot_pkt_question_size(pkt);
        memcpy(octets, pkt->wire, answer_size);
        knot_wire_set_qr(octets);
        knot_wire_set_rcode(octets, code);
        knot_wire_set_ancount(octets, 0);
        knot_wire_set_arcount(octets, 0);
        memcpy(mac, knot_tsig_rdata_mac(pkt->tsig_rr), 32);
        knot_tsig_key_t key = transfer_key;
        key.secret.size -= secondary->is_forger;
        assert_int_equal(knot_tsig_sign(octets, &answer_size, sizeof octets, mac, 32, mac,
                                        &mac_size, &key, 0, 0),
                         KNOT_EOK);
        uv_buf_t reply = uv_buf_init((char *)octets, (unsigned)answer_size);
        assert_true(uv_udp_try_send(udp, &reply, 1, from) > 0);
    }
    knot_pkt_free(pkt);
}

static void start_secondary(struct bench *bench, struct secondary *secondary, const uint8_t *codes)
{
    struct csn_notify_config *target = &bench->setup.notify[bench->setup.config.notify_count++];
    *secondary = (struct secondary){.codes = codes};
    target->key = 0;
    set_address(&target->to, "127.0.0.1", free_port());
    uv_udp_init(&bench->loop, &secondary->udp);
    secondary->udp.data = secondary;
    assert_int_equal(uv_udp_bind(&secondary->udp, (const struct sockaddr *)&target->to.address, 0),
                     0);
    assert_int_equal(uv_udp_recv_start(&secondary->udp, on_secondary_alloc, on_notify), 0);
}

static struct csn_notify_counters notify_counters(const struct csn_notify *notify)
{
    struct csn_notify_counters counters;
    csn_notify_counters(notify, &counters);
    return counters;
}

static void test_notify_is_sent_until_answered(void **state)
{
    (void)state;
    static struct bench bench;
    static struct secondary first, second;
    struct csn_notify *notify;
    struct csn_reason reason;
    bench_init(&bench);
    start_secondary(&bench, &first, (const uint8_t[]){0, 255, 0});
    start_secondary(&bench, &second, (const uint8_t[]){255, KNOT_RCODE_REFUSED, 0});
    assert_int_equal(
        csn_notify_new(&bench.loop, &bench.setup.config, &bench.setup.log, &notify, &reason),
        CSN_OK);
    const struct fake_zone *zone = &bench.setup.source->zones[0];
    csn_notify_zone(notify, zone->name, &zone->entries[1].rrset);
    while (notify_counters(notify).pending > 0) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    struct csn_notify_counters counters = notify_counters(notify);
    assert_int_equal(first.heard, 1);
    assert_int_equal(second.heard, 3);
    assert_int_equal(first.serial, SERIAL);
    assert_int_equal(second.serial, SERIAL);
    assert_int_equal(counters.sent, 4);
    assert_int_equal(counters.answered, 2);
    assert_int_equal(counters.refused, 1);
    assert_int_equal(counters.given_up, 0);
    csn_notify_free(notify);
    uv_close((uv_handle_t *)&first.udp, NULL);
    uv_close((uv_handle_t *)&second.udp, NULL);
    bench_fini(&bench);
}

static void test_answers_with_a_wrong_signature_are_ignored(void **state)
{
    (void)state;
    static struct bench bench;
    static struct secondary forger;
    struct csn_notify *notify;
    struct csn_reason reason;
    bench_init(&bench);
    start_secondary(&bench, &forger, (const uint8_t[]){0, 0, 0, 0, 0, 0, 0});
    forger.is_forger = true;
    assert_int_equal(
        csn_notify_new(&bench.loop, &bench.setup.config, &bench.setup.log, &notify, &reason),
        CSN_OK);
    const struct fake_zone *zone = &bench.setup.source->zones[0];
    csn_notify_zone(notify, zone->name, &zone->entries[1].rrset);
    while (notify_counters(notify).ignored == 0) {
        uv_run(&bench.loop, UV_RUN_ONCE);
    }
    assert_int_equal(notify_counters(notify).answered, 0);
    assert_int_equal(notify_counters(notify).pending, 1);
    /* A newer release takes the older one's place. */
    csn_notify_zone(notify, zone->name, &zone->entries[1].rrset);
    assert_int_equal(notify_counters(notify).pending, 1);
    csn_notify_free(notify);
    uv_close((uv_handle_t *)&forger.udp, NULL);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notify_is_sent_until_answered),
        cmocka_unit_test(test_answers_with_a_wrong_signature_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
