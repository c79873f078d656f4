/* Goal: no request makes the transfer server crash, say more than its rules allow, or answer with
 * something that is no DNS message. Method: the first octet chooses who asks and how, the rest is
 * the request; every answer is parsed. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "fuzz/replay.h"
#include "xfr/answer.h"

const char csn_fuzz_name[] = "xfr_query";

#define FROM_STRANGER 1
#define BY_TCP 2

static const uint8_t soa_rdata[] = {0,  27, 2, 'n', 's', 0,    1, 'h',  0,    0, 0, 0, 7, 0, 0,
                                    14, 16, 0, 0,   3,   0x84, 0, 0x12, 0x75, 0, 0, 0, 1, 44};
static const uint8_t ns_rdata[] = {0, 4, 2, 'n', 's', 0};
static const uint8_t zone_name[] = "\x07"
                                   "example";

static struct csn_rrset make_rrset(uint16_t type, const uint8_t *rdatas, size_t size)
{
    return (struct csn_rrset){.owner = zone_name,
                              .rdatas = csn_bytes(rdatas, size),
                              .ttl = 3600,
                              .type = type,
                              .count = 1};
}

static void find_zone(void *arg, const uint8_t *zone, struct csn_xfr_zone *ret_zone)
{
    (void)arg;
    if (csn_name_equal(zone, zone_name)) {
        ret_zone->state = CSN_XFR_READY;
        ret_zone->left_s = 1000;
    } else if (csn_name_equal(zone, (const uint8_t *)"\x04held")) {
        ret_zone->state = CSN_XFR_HELD;
        memset(ret_zone->text, 'x', sizeof ret_zone->text); /* not even a NUL */
    }
}

static int open_zone(void *arg, const uint8_t *zone, void **ret_reader)
{
    (void)arg;
    (void)zone;
    *ret_reader = csn_calloc(1, sizeof(int));
    return CSN_OK;
}

static int next_entry(void *reader, struct csn_entry *ret_entry)
{
    int *at = reader;
    if (*at == 2) {
        return CSN_ENOTFOUND;
    }
    *ret_entry = (struct csn_entry){
        .rrset = *at == 0 ? make_rrset(CSN_TYPE_NS, ns_rdata, sizeof ns_rdata)
                          : make_rrset(CSN_TYPE_SOA, soa_rdata, sizeof soa_rdata)};
    (*at)++;
    return CSN_OK;
}

/* One difference: the SOA twice. */
static int open_changes(void *arg, const uint8_t *zone, uint32_t serial, void **ret_changes)
{
    return serial % 2 == 0 ? CSN_ENOTFOUND : open_zone(arg, zone, ret_changes);
}

static int next_change(void *changes, struct csn_rrset *ret_rrset)
{
    int *at = changes;
    *ret_rrset = make_rrset(CSN_TYPE_SOA, soa_rdata, sizeof soa_rdata);
    return (*at)++ < 2 ? CSN_OK : CSN_ENOTFOUND;
}

static void check_message(struct csn_bytes query, struct csn_bytes reply, bool is_tcp)
{
    uint8_t *wire = csn_alloc(reply.size);
    memcpy(wire, reply.data, reply.size);
    knot_pkt_t *pkt = knot_pkt_new(wire, (uint16_t)reply.size, NULL);
    INSIST(knot_pkt_parse(pkt, 0) == KNOT_EOK);
    INSIST(knot_wire_get_id(reply.data) == knot_wire_get_id(query.data) &&
           knot_wire_get_qr(reply.data));
    INSIST(knot_wire_get_rcode(reply.data) != KNOT_RCODE_NXDOMAIN);
    INSIST(is_tcp || reply.size <= CSN_DNS_EDNS_UDP_SIZE);
    knot_pkt_free(pkt);
    free(wire);
}

static void drain(struct csn_transfer *transfer, struct csn_bytes query)
{
    struct csn_buf message = {0};
    int code = CSN_OK;
    while (code == CSN_OK) {
        csn_buf_clear(&message);
        code = csn_transfer_next(transfer, &message);
        if (code == CSN_OK) {
            check_message(query, csn_buf_view(&message), true);
        }
    }
    INSIST(code == CSN_ENOTFOUND);
    csn_transfer_free(transfer);
    csn_buf_fini(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t secret[32];
    struct csn_tsig_config key = {.name = "\x03key",
                                  .secret = {.data = secret, .size = sizeof secret}};
    struct csn_allow_config allow = {.prefix = {.octets = {127, 0, 0, 2}, .bits = 32},
                                     .key = CSN_INDEX_NONE};
    struct csn_transfer_config config = {
        .tsig = &key, .tsig_count = 1, .allow = &allow, .allow_count = 1};
    struct csn_xfr_source source = {NULL, find_zone, open_zone, next_entry, free,
                                    open_changes, next_change, free};
    struct csn_xfr_counters counters = {0};
    struct csn_answerer answerer = {&config, "zrh", &source, &counters};
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct csn_buf reply = {0};
    struct csn_answer answer;
    if (size < 1) {
        return 0;
    }
    bool is_tcp = (data[0] & BY_TCP) != 0, is_stranger = (data[0] & FROM_STRANGER) != 0;
    from.sin_addr.s_addr = htonl(is_stranger ? 0x7f000003 : 0x7f000002);
    struct csn_bytes query = csn_bytes(data + 1, size - 1);
    csn_answer_query(&answerer, (const struct sockaddr *)&from, is_tcp, query, &reply, &answer);
    if (answer.kind == CSN_ANSWER_TRANSFER) {
        INSIST(is_tcp && !is_stranger && reply.size == 0);
        drain(answer.transfer, query);
    } else if (answer.kind == CSN_ANSWER_REPLY) {
        check_message(query, csn_buf_view(&reply), is_tcp);
        INSIST(!is_stranger || knot_wire_get_ancount(reply.data) == 0);
    } else {
        INSIST(reply.size == 0);
    }
    csn_buf_fini(&reply);
    return 0;
}
