/* Goal: the transfer server's answers: a whole zone in the right order to whom the rules allow, a
 * refusal that says why to all others. Method: requests straight into the answerer, transfers
 * message by message. */
#include "unit/xfr_world.h"

#include <arpa/inet.h>

/* Asks, and parses the reply; `ret_answer` says what was answered. The caller frees the packet. */
static knot_pkt_t *ask(struct setup *setup, const struct asked *asked, struct csn_buf *buf,
                       struct csn_answer *ret_answer)
{
    uint8_t octets[4096], mac[64];
    size_t mac_size;
    struct sockaddr_in from = {.sin_family = AF_INET};
    inet_pton(AF_INET, asked->from != NULL ? asked->from : "127.0.0.1", &from.sin_addr);
    size_t size = make_query(asked, octets, mac, &mac_size);
    csn_buf_clear(buf);
    csn_answer_query(&setup->answerer, (struct sockaddr *)&from, asked->is_tcp,
                     csn_bytes(octets, size), buf, ret_answer);
    if (ret_answer->kind != CSN_ANSWER_REPLY) {
        return NULL;
    }
    knot_pkt_t *pkt = knot_pkt_new(buf->data, (uint16_t)buf->size, NULL);
    assert_int_equal(knot_pkt_parse(pkt, 0), KNOT_EOK);
    assert_int_equal(knot_wire_get_id(pkt->wire), 0x1234);
    assert_true(knot_wire_get_qr(pkt->wire));
    if (asked->is_signed && ret_answer->tsig.error == 0) {
        assert_int_equal(knot_tsig_client_check(pkt->tsig_rr, pkt->wire, pkt->size, mac, mac_size,
                                                asked->key != NULL ? asked->key : &transfer_key, 0),
                         KNOT_EOK);
    }
    return pkt;
}

static int extended_error(const knot_pkt_t *pkt)
{
    uint8_t *option = knot_pkt_edns_option(pkt, KNOT_EDNS_OPTION_EDE);
    return option == NULL ? -1 : knot_wire_read_u16(knot_edns_opt_get_data(option));
}

static void test_refusals_say_why(void **state)
{
    (void)state;
    static const knot_tsig_key_t unknown = {.algorithm = DNSSEC_TSIG_HMAC_SHA256,
                                            .name = (uint8_t *)"\x07unknown\x03key",
                                            .secret = {.size = 32, .data = (uint8_t *)SECRET}};
    static const knot_tsig_key_t wrong = {
        .algorithm = DNSSEC_TSIG_HMAC_SHA256,
        .name = (uint8_t *)"\x08transfer\x03key",
        .secret = {.size = 32, .data = (uint8_t *)"x123456789abcdef0123456789abcdef"}};
    static const knot_tsig_key_t md5 = {.algorithm = DNSSEC_TSIG_HMAC_MD5,
                                        .name = (uint8_t *)"\x08transfer\x03key",
                                        .secret = {.size = 32, .data = (uint8_t *)SECRET}};
    static const knot_tsig_key_t other = {.algorithm = DNSSEC_TSIG_HMAC_SHA256,
                                          .name = (uint8_t *)"\x05other\x03key",
                                          .secret = {.size = 32, .data = (uint8_t *)SECRET}};
    static const struct {
        const char *what;
        struct asked asked;
        uint16_t rcode;
        int error;
        uint16_t tsig_error;
    } cases[] = {
        {"no key",
         {.name = "example.", .type = KNOT_RRTYPE_AXFR, .is_tcp = true},
         KNOT_RCODE_REFUSED,
         18,
         0},
        {"another key",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .key = &other},
         KNOT_RCODE_REFUSED,
         18,
         0},
        {"unknown key",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .key = &unknown},
         KNOT_RCODE_NOTAUTH,
         18,
         17},
        {"wrong secret",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .key = &wrong},
         KNOT_RCODE_NOTAUTH,
         18,
         16},
        {"MD5",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .key = &md5},
         KNOT_RCODE_NOTAUTH,
         18,
         17},
        {"old",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .time_signed = 1000},
         KNOT_RCODE_NOTAUTH,
         18,
         18},
        {"wrong address",
         {.name = "example.", .from = "127.0.0.3", .type = KNOT_RRTYPE_SOA, .is_signed = true},
         KNOT_RCODE_REFUSED,
         18,
         0},
        {"held",
         {.name = "held.", .type = KNOT_RRTYPE_SOA, .is_signed = true},
         KNOT_RCODE_SERVFAIL,
         14,
         0},
        {"held, AXFR",
         {.name = "held.", .type = KNOT_RRTYPE_AXFR, .is_tcp = true, .is_signed = true},
         KNOT_RCODE_SERVFAIL,
         14,
         0},
        {"name in a held zone",
         {.name = "www.held.", .type = KNOT_RRTYPE_A, .is_signed = true},
         KNOT_RCODE_SERVFAIL,
         14,
         0},
        {"unknown zone",
         {.name = "unknown.", .type = KNOT_RRTYPE_SOA, .is_signed = true},
         KNOT_RCODE_REFUSED,
         20,
         0},
        {"root",
         {.name = ".", .type = KNOT_RRTYPE_SOA, .is_signed = true},
         KNOT_RCODE_REFUSED,
         20,
         0},
        {"name in a zone",
         {.name = "nowhere.example.", .type = KNOT_RRTYPE_A, .is_signed = true},
         KNOT_RCODE_REFUSED,
         21,
         0},
        {"SOA of a name",
         {.name = "nowhere.example.", .type = KNOT_RRTYPE_SOA, .is_signed = true},
         KNOT_RCODE_REFUSED,
         21,
         0},
        {"type",
         {.name = "example.", .type = KNOT_RRTYPE_A, .is_signed = true},
         KNOT_RCODE_REFUSED,
         21,
         0},
        {"ANY",
         {.name = "example.", .type = KNOT_RRTYPE_ANY, .is_signed = true},
         KNOT_RCODE_REFUSED,
         21,
         0},
        {"AXFR by UDP",
         {.name = "example.", .type = KNOT_RRTYPE_AXFR, .is_signed = true},
         KNOT_RCODE_FORMERR,
         21,
         0},
        {"IXFR without SOA",
         {.name = "example.", .type = KNOT_RRTYPE_IXFR, .is_signed = true},
         KNOT_RCODE_FORMERR,
         0,
         0},
        {"class",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .class = KNOT_CLASS_ANY, .is_signed = true},
         KNOT_RCODE_REFUSED,
         21,
         0},
        {"no question",
         {.name = ".", .has_no_question = true, .is_signed = true},
         KNOT_RCODE_FORMERR,
         0,
         0},
        {"EDNS version",
         {.name = "example.", .type = KNOT_RRTYPE_SOA, .is_signed = true, .edns_version = 1},
         KNOT_RCODE_BADVERS,
         -1,
         0},
    };
    struct setup setup;
    struct csn_buf buf = {0};
    setup_init(&setup);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct csn_answer answer;
        struct asked asked = cases[i].asked;
        for (unsigned edns = 0; edns < 2; edns++) {
            asked.has_edns = edns > 0 || asked.edns_version > 0;
            asked.payload = 1232;
            knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
            if (pkt == NULL || answer.rcode != cases[i].rcode ||
                answer.tsig.error != cases[i].tsig_error) {
                fail_msg("%s: kind %d rcode %u TSIG %u", cases[i].what, answer.kind, answer.rcode,
                         answer.tsig.error);
            }
            assert_true(strlen(answer.why) > 0);
            assert_int_equal(knot_pkt_has_edns(pkt) ? knot_edns_get_ext_rcode(pkt->opt_rr) : 0,
                             cases[i].rcode >> 4);
            /* TSIG errors stand above the header's in knot_pkt_ext_rcode. */
            assert_int_equal(knot_wire_get_rcode(pkt->wire), cases[i].rcode & 0xf);
            assert_int_equal(knot_wire_get_ancount(pkt->wire), 0);
            assert_int_equal(extended_error(pkt), asked.has_edns ? cases[i].error : -1);
            if (cases[i].tsig_error != 0) {
                assert_int_equal(knot_tsig_rdata_error(pkt->tsig_rr), cases[i].tsig_error);
                /* BADTIME alone is signed, and brings the server's time. */
                bool is_badtime = cases[i].tsig_error == KNOT_RCODE_BADTIME;
                assert_int_equal(knot_tsig_rdata_mac_length(pkt->tsig_rr), is_badtime ? 32 : 0);
                assert_int_equal(knot_tsig_rdata_other_data_length(pkt->tsig_rr),
                                 is_badtime ? 6 : 0);
            }
            knot_pkt_free(pkt);
        }
    }
    assert_int_equal(setup.counters.queries, 2 * sizeof cases / sizeof cases[0]);
    assert_int_equal(setup.counters.tsig_failed, 2 * 4);
    assert_int_equal(setup.counters.refused, 2 * 3);
    assert_int_equal(setup.counters.not_ready, 2 * 3);
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

static void test_soa_is_answered_with_authority(void **state)
{
    (void)state;
    static const uint16_t types[] = {KNOT_RRTYPE_SOA, KNOT_RRTYPE_NS, KNOT_RRTYPE_DNSKEY};
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    for (size_t i = 0; i < 6; i++) {
        struct asked asked = {.name = "eXAMPLe.",
                              .type = types[i / 2],
                              .is_signed = true,
                              .has_edns = true,
                              .payload = 4096};
        asked.is_dnssec = i % 2 == 1;
        knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
        const knot_pktsection_t *section = knot_pkt_section(pkt, KNOT_ANSWER);
        assert_int_equal(knot_wire_get_rcode(pkt->wire), 0);
        assert_true(knot_wire_get_aa(pkt->wire));
        assert_int_equal(section->count, asked.is_dnssec ? 2 : 1);
        assert_int_equal(knot_pkt_rr(section, 0)->type, types[i / 2]);
        assert_int_equal(knot_pkt_has_dnssec(pkt), asked.is_dnssec);
        assert_memory_equal(knot_pkt_wire_qname(pkt),
                            "\x07"
                            "eXAMPLe",
                            9); /* as asked */
        uint8_t *nsid = knot_pkt_edns_option(pkt, KNOT_EDNS_OPTION_NSID);
        assert_memory_equal(knot_edns_opt_get_data(nsid), "zrh", 3);
        uint8_t *expire = knot_pkt_edns_option(pkt, KNOT_EDNS_OPTION_EXPIRE);
        assert_int_equal(expire != NULL, types[i / 2] == KNOT_RRTYPE_SOA);
        knot_pkt_free(pkt);
    }
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

static void test_udp_answer_that_does_not_fit_is_truncated(void **state)
{
    (void)state;
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    /* Three keys of 500 octets; 1232 is the most by UDP whatever the client offers. */
    static const uint8_t octets[500];
    struct csn_entry *entry = &setup.source->zones[0].entries[2];
    entry->rrset = make_rrset(&setup.source->zones[0], entry->rrset.owner, CSN_TYPE_DNSKEY, octets,
                              sizeof octets, 3);
    struct asked asked = {.name = "example.",
                          .type = KNOT_RRTYPE_DNSKEY,
                          .is_signed = true,
                          .has_edns = true,
                          .payload = 65000};
    knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
    assert_true(knot_wire_get_tc(pkt->wire));
    assert_int_equal(knot_wire_get_ancount(pkt->wire), 0);
    knot_pkt_free(pkt);
    asked.is_tcp = true;
    pkt = ask(&setup, &asked, &buf, &answer);
    assert_false(knot_wire_get_tc(pkt->wire));
    assert_int_equal(knot_wire_get_ancount(pkt->wire), 3);
    knot_pkt_free(pkt);
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

/* By UDP: 512 without EDNS, what the client offers up to 1232 with it. */
static void test_udp_answer_keeps_to_the_clients_size(void **state)
{
    (void)state;
    static const struct {
        uint16_t payload; /* 0: no EDNS */
        size_t size;      /* of one key */
        bool is_truncated;
    } cases[] = {{0, 300, false},   {0, 500, true},   {100, 500, true},
                 {900, 500, false}, {900, 900, true}, {1232, 1000, false}};
    static const uint8_t octets[1000];
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    struct csn_entry *entry = &setup.source->zones[0].entries[2];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        entry->rrset = make_rrset(&setup.source->zones[0], entry->rrset.owner, CSN_TYPE_DNSKEY,
                                  octets, cases[i].size, 1);
        struct asked asked = {.name = "example.", .type = KNOT_RRTYPE_DNSKEY, .is_signed = true};
        asked.has_edns = cases[i].payload != 0;
        asked.payload = cases[i].payload;
        knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
        assert_int_equal(knot_wire_get_tc(pkt->wire) != 0, cases[i].is_truncated);
        assert_true(buf.size <= (cases[i].payload > 512 ? cases[i].payload : 512));
        knot_pkt_free(pkt);
    }
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

#define LONG_LABEL "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."

/* The longest question signed by the longest key: the texts of the OPT record give way. */
static void test_refusal_with_long_names_fits_into_512(void **state)
{
    (void)state;
    static uint8_t name[CSN_NAME_MAX];
    knot_tsig_key_t key = {
        .algorithm = DNSSEC_TSIG_HMAC_SHA256, .name = name, .secret = transfer_key.secret};
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    assert_int_equal(csn_name_parse(LONG_LABEL LONG_LABEL, name), CSN_OK);
    memcpy(setup.tsig[1].name, name, csn_name_size(name));
    setup.allow[1].key = 1;
    struct asked asked = {.name = LONG_LABEL LONG_LABEL LONG_LABEL "example.",
                          .from = "127.0.0.2",
                          .type = KNOT_RRTYPE_SOA,
                          .is_signed = true,
                          .key = &key,
                          .has_edns = true,
                          .payload = 512};
    knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
    assert_int_equal(answer.rcode, KNOT_RCODE_REFUSED);
    assert_int_equal(extended_error(pkt), 21);
    assert_true(buf.size <= 512);
    knot_pkt_free(pkt);
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

static void test_what_cannot_be_read_is_no_query(void **state)
{
    (void)state;
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    struct sockaddr_in from = {.sin_family = AF_INET};
    uint8_t octets[4096], mac[64];
    size_t mac_size;
    setup_init(&setup);
    inet_pton(AF_INET, "127.0.0.1", &from.sin_addr);
    struct asked asked = {.name = "example.",
                          .type = KNOT_RRTYPE_SOA,
                          .is_signed = true,
                          .has_edns = true,
                          .payload = 1232};
    size_t size = make_query(&asked, octets, mac, &mac_size);
    for (size_t cut = 0; cut < size; cut++) {
        csn_buf_clear(&buf);
        csn_answer_query(&setup.answerer, (struct sockaddr *)&from, false, csn_bytes(octets, cut),
                         &buf, &answer);
        assert_int_equal(answer.kind, cut < 12 ? CSN_ANSWER_NONE : CSN_ANSWER_REPLY);
        assert_int_equal(answer.rcode, cut < 12 ? 0 : KNOT_RCODE_FORMERR);
        assert_int_equal(buf.size, cut < 12 ? 0 : 12);
    }
    octets[2] |= 0x80; /* a reply: answering it could go on for ever */
    csn_buf_clear(&buf);
    csn_answer_query(&setup.answerer, (struct sockaddr *)&from, false, csn_bytes(octets, size),
                     &buf, &answer);
    assert_int_equal(answer.kind, CSN_ANSWER_NONE);
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

/* --- transfers, message by message */

static void test_transfer_gives_the_zone_in_order(void **state)
{
    (void)state;
    static const char *const spellings[] = {"example.", "EXAMPLE."};
    struct setup setup;
    struct csn_buf buf = {0};
    uint64_t octets[2];
    setup_init(&setup);
    for (size_t i = 0; i < 2; i++) {
        struct csn_answer answer;
        struct seen seen = {0};
        struct asked asked = {
            .name = spellings[i], .from = "127.0.0.2", .type = KNOT_RRTYPE_AXFR, .is_tcp = true};
        assert_null(ask(&setup, &asked, &buf, &answer));
        assert_int_equal(answer.kind, CSN_ANSWER_TRANSFER);
        int code;
        while (csn_buf_clear(&buf), (code = csn_transfer_next(answer.transfer, &buf)) == CSN_OK) {
            see_message(&seen, buf.data, buf.size);
        }
        assert_int_equal(code, CSN_ENOTFOUND);
        /* Filled, but for the one record that is larger than a full message. */
        assert_in_range(seen.largest, LARGE, LARGE + 100);
        assert_int_equal(csn_transfer_progress(answer.transfer).records, seen.records);
        octets[i] = csn_transfer_progress(answer.transfer).octets;
        assert_true(octets[i] < seen.octets.size);
        assert_seen(&seen, &setup.source->zones[0]);
        csn_transfer_free(answer.transfer);
    }
    assert_true(octets[0] < octets[1]); /* names point to a question that is spelled as ours */
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

/* RFC 7314: as long as the signatures last, and the SOA allows. */
static void test_expire_is_the_least_of_soa_and_signatures(void **state)
{
    (void)state;
    static const uint32_t left[] = {1000000, 2000000, 0}, expected[] = {1000000, 1209600, 0};
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    for (size_t i = 0; i < 6; i++) {
        struct asked asked = {.name = "example.",
                              .from = "127.0.0.2",
                              .is_tcp = true,
                              .has_edns = true,
                              .payload = 1232};
        asked.type = i < 3 ? KNOT_RRTYPE_SOA : KNOT_RRTYPE_AXFR;
        setup.source->left_s = left[i % 3];
        knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
        if (pkt == NULL) {
            assert_int_equal(csn_transfer_next(answer.transfer, &buf), CSN_OK);
            csn_transfer_free(answer.transfer);
            pkt = knot_pkt_new(buf.data, (uint16_t)buf.size, NULL);
            assert_int_equal(knot_pkt_parse(pkt, 0), KNOT_EOK);
        }
        uint8_t *expire = knot_pkt_edns_option(pkt, KNOT_EDNS_OPTION_EXPIRE);
        assert_int_equal(expire != NULL, expected[i % 3] != 0);
        if (expire != NULL) {
            assert_int_equal(knot_wire_read_u32(knot_edns_opt_get_data(expire)), expected[i % 3]);
        }
        knot_pkt_free(pkt);
    }
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

static void test_transfer_of_damaged_data_does_not_end_as_if_whole(void **state)
{
    (void)state;
    struct setup setup;
    struct csn_buf buf = {0};
    struct csn_answer answer;
    setup_init(&setup);
    struct asked asked = {
        .name = "broken.", .from = "127.0.0.2", .type = KNOT_RRTYPE_AXFR, .is_tcp = true};
    assert_null(ask(&setup, &asked, &buf, &answer));
    int code;
    while ((code = csn_transfer_next(answer.transfer, &buf)) == CSN_OK) {
    }
    assert_int_equal(code, CSN_EDAMAGED);
    csn_transfer_free(answer.transfer);
    setup.source->zones[3].count = 1; /* no SOA */
    for (unsigned i = 0; i < 2; i++) {
        asked.type = i == 0 ? KNOT_RRTYPE_AXFR : KNOT_RRTYPE_SOA;
        knot_pkt_t *pkt = ask(&setup, &asked, &buf, &answer);
        assert_int_equal(answer.rcode, KNOT_RCODE_SERVFAIL);
        assert_int_equal(knot_wire_get_rcode(pkt->wire), KNOT_RCODE_SERVFAIL);
        knot_pkt_free(pkt);
    }
    csn_buf_fini(&buf);
    setup_fini(&setup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_soa_is_answered_with_authority),
        cmocka_unit_test(test_udp_answer_that_does_not_fit_is_truncated),
        cmocka_unit_test(test_udp_answer_keeps_to_the_clients_size),
        cmocka_unit_test(test_refusal_with_long_names_fits_into_512),
        cmocka_unit_test(test_what_cannot_be_read_is_no_query),
        cmocka_unit_test(test_transfer_gives_the_zone_in_order),
        cmocka_unit_test(test_expire_is_the_least_of_soa_and_signatures),
        cmocka_unit_test(test_transfer_of_damaged_data_does_not_end_as_if_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
