#include "xfr/answer.h"

#include <stdlib.h>
#include <string.h>

#include <libknot/descriptor.h>
#include <libknot/errcode.h>
#include <libknot/packet/pkt.h>
#include <libknot/rrtype/soa.h>

#include "dns/name.h"
#include "dns/serial.h"

#define UDP_SIZE_MIN 512 /* RFC 1035 4.2.1 */
#define EDNS_VERSION 0
#define TXT_MAX 255

/* One question and the answer being made. */
struct exchange {
    const struct csn_answerer *answerer; /* borrows */
    knot_pkt_t *query;                   /* owns */
    bool is_tcp;
    struct csn_message message;
    struct csn_edns edns;
    struct csn_xfr_zone zone;
    struct csn_answer *answer; /* borrows */
    bool is_whole;             /* the message is finished and signed, as a transfer's are */
};

bool csn_answer_knows(const struct csn_answerer *answerer, const struct sockaddr *from)
{
    for (size_t i = 0; i < answerer->config->allow_count; i++) {
        if (csn_prefix_holds(&answerer->config->allow[i].prefix, from)) {
            return true;
        }
    }
    return false;
}

/* One rule must hold with all it asks for. */
static bool is_allowed(const struct csn_answerer *answerer, const struct sockaddr *from,
                       const struct csn_tsig *tsig)
{
    for (size_t i = 0; i < answerer->config->allow_count; i++) {
        const struct csn_allow_config *rule = &answerer->config->allow[i];
        bool has_key =
            rule->key == CSN_INDEX_NONE || tsig->key == &answerer->config->tsig[rule->key];
        if (has_key && csn_prefix_holds(&rule->prefix, from)) {
            return true;
        }
    }
    return false;
}

static struct csn_bytes question_of(const struct exchange *exchange)
{
    return csn_bytes(exchange->query->wire + CSN_DNS_HEADER_SIZE,
                     knot_pkt_question_size(exchange->query));
}

static void begin(struct exchange *exchange, struct csn_buf *buf)
{
    const knot_pkt_t *query = exchange->query;
    struct csn_answer *answer = exchange->answer;
    csn_message_begin(&exchange->message, buf, query->wire);
    if (question_of(exchange).size == 0) {
        return;
    }
    memcpy(answer->name, knot_pkt_qname(query), knot_dname_size(knot_pkt_qname(query)));
    answer->type = knot_pkt_qtype(query);
    csn_message_put_question(&exchange->message, question_of(exchange), answer->name);
}

/* No data: a code, and why (RFC 8914). */
static void refuse(struct exchange *exchange, uint16_t rcode, int error, const char *why)
{
    exchange->answer->rcode = rcode;
    exchange->answer->why = why;
    exchange->edns.rcode = rcode;
    exchange->edns.error = error;
    exchange->edns.error_text = why;
    csn_message_set_rcode(&exchange->message, rcode);
}

/* --- data */

static size_t udp_size(const struct exchange *exchange)
{
    size_t size = UDP_SIZE_MIN;
    if (knot_pkt_has_edns(exchange->query) &&
        knot_edns_get_payload(exchange->query->opt_rr) > UDP_SIZE_MIN) {
        size = knot_edns_get_payload(exchange->query->opt_rr);
    }
    return size < CSN_DNS_EDNS_UDP_SIZE ? size : CSN_DNS_EDNS_UDP_SIZE;
}

static size_t size_max(const struct exchange *exchange)
{
    size_t size = exchange->is_tcp ? CSN_DNS_MESSAGE_MAX : udp_size(exchange);
    return size - csn_message_edns_size(&exchange->edns) - csn_tsig_size(&exchange->answer->tsig);
}

static bool put_rrset(struct exchange *exchange, const struct csn_rrset *rrset)
{
    struct csn_rrset apex = *rrset;
    struct csn_reader rdatas = csn_rdata_first(rrset);
    struct csn_bytes rdata;
    apex.owner = exchange->answer->name; /* outlives the reader */
    while (csn_rdata_next(&rdatas, &rdata)) {
        if (!csn_message_put(&exchange->message, &apex, rdata, size_max(exchange))) {
            return false;
        }
    }
    return true;
}

/* RFC 7314: until then a secondary may answer from this copy; never longer than the signatures
 * last, nor than the SOA says. */
static void note_expire(struct exchange *exchange)
{
    exchange->edns.has_expire =
        exchange->zone.left_s > 0 &&
        knot_pkt_edns_option(exchange->query, KNOT_EDNS_OPTION_EXPIRE) != NULL;
    exchange->edns.expire_s = exchange->zone.left_s;
}

static void limit_expire(struct exchange *exchange, const struct csn_rrset *soa)
{
    struct csn_reader rdatas = csn_rdata_first(soa);
    struct csn_bytes rdata;
    struct csn_soa fields;
    if (csn_rdata_next(&rdatas, &rdata)) {
        csn_soa_fields(rdata, &fields);
        exchange->edns.expire_s =
            fields.expire < exchange->edns.expire_s ? fields.expire : exchange->edns.expire_s;
    }
}

/* The RRset of the apex, with its RRSIGs where DO asks for them. */
static int put_apex(struct exchange *exchange, uint16_t type)
{
    const struct csn_xfr_source *source = exchange->answerer->source;
    struct csn_entry entry;
    void *reader;
    int code = source->open(source->arg, exchange->answer->name, &reader);
    if (code != CSN_OK) {
        return code;
    }
    code = csn_apex_entry(source, reader, exchange->answer->name, type, &entry);
    if (code == CSN_OK) {
        if (type == CSN_TYPE_SOA) {
            note_expire(exchange);
            limit_expire(exchange, &entry.rrset);
        }
        if (!put_rrset(exchange, &entry.rrset) ||
            (exchange->edns.is_dnssec && !put_rrset(exchange, &entry.rrsigs))) {
            code = CSN_ELIMIT;
        }
    }
    source->close(reader);
    return code;
}

static void answer_apex(struct exchange *exchange, uint16_t type)
{
    switch (put_apex(exchange, type)) {
    case CSN_OK:
        csn_message_set_authoritative(&exchange->message);
        break;
    case CSN_ELIMIT:
        csn_message_set_authoritative(&exchange->message);
        csn_message_drop_answers(&exchange->message, question_of(exchange).size);
        csn_message_set_truncated(&exchange->message);
        break;
    default: /* found before any record was put */
        refuse(exchange, KNOT_RCODE_SERVFAIL, KNOT_EDNS_EDE_INV_DATA, "the zone cannot be read");
        break;
    }
}

/* --- transfers */

static int start_transfer(struct exchange *exchange, const uint32_t *from_serial)
{
    note_expire(exchange);
    struct csn_transfer_request request = {.is_changes = from_serial != NULL,
                                           .from_serial = from_serial != NULL ? *from_serial : 0,
                                           .source = exchange->answerer->source,
                                           .zone = exchange->answer->name,
                                           .question = question_of(exchange),
                                           .edns = exchange->edns,
                                           .tsig = exchange->answer->tsig};
    memcpy(request.header, exchange->query->wire, sizeof request.header);
    return csn_transfer_new(&request, &exchange->answer->transfer);
}

static void answer_transfer(struct exchange *exchange)
{
    if (!exchange->is_tcp) {
        /* RFC 5936 4.2 leaves AXFR over UDP undefined. */
        refuse(exchange, KNOT_RCODE_FORMERR, KNOT_EDNS_EDE_NOTSUP, "AXFR needs TCP");
    } else if (start_transfer(exchange, NULL) == CSN_OK) {
        exchange->answer->kind = CSN_ANSWER_TRANSFER;
    } else {
        refuse(exchange, KNOT_RCODE_SERVFAIL, KNOT_EDNS_EDE_INV_DATA, "the zone cannot be read");
    }
}

static const knot_rrset_t *asked_soa(const struct exchange *exchange)
{
    const knot_pktsection_t *authority = knot_pkt_section(exchange->query, KNOT_AUTHORITY);
    const knot_rrset_t *rrset = authority->count > 0 ? knot_pkt_rr(authority, 0) : NULL;
    return rrset != NULL && rrset->type == KNOT_RRTYPE_SOA && rrset->rrs.count == 1 ? rrset : NULL;
}

static bool is_newer(const struct exchange *exchange, uint32_t serial)
{
    const struct csn_xfr_source *source = exchange->answerer->source;
    struct csn_entry entry;
    struct csn_bytes rdata;
    void *reader;
    bool is_newer = false;
    if (source->open(source->arg, exchange->answer->name, &reader) != CSN_OK) {
        return true; /* the transfer will say what is wrong */
    }
    if (csn_apex_entry(source, reader, exchange->answer->name, CSN_TYPE_SOA, &entry) == CSN_OK) {
        struct csn_reader rdatas = csn_rdata_first(&entry.rrset);
        struct csn_soa fields;
        if (csn_rdata_next(&rdatas, &rdata)) {
            csn_soa_fields(rdata, &fields);
            is_newer = csn_serial_is_after(fields.serial, serial);
        }
    }
    source->close(reader);
    return is_newer;
}

static void answer_with_soa(struct exchange *exchange)
{
    exchange->edns.is_dnssec = false;
    answer_apex(exchange, CSN_TYPE_SOA);
}

/* RFC 1995 2: all of it in one message, or the SOA alone, and the client comes again by TCP. */
static void answer_ixfr_by_udp(struct exchange *exchange, uint32_t serial)
{
    struct csn_transfer *transfer;
    struct csn_buf *buf = exchange->message.buf;
    size_t start = exchange->message.start;
    if (start_transfer(exchange, &serial) == CSN_OK) {
        transfer = exchange->answer->transfer;
        exchange->answer->transfer = NULL;
        buf->size = start;
        if (csn_transfer_whole(transfer, udp_size(exchange), buf) == CSN_OK) {
            exchange->is_whole = true;
            exchange->answer->sent = csn_transfer_progress(transfer);
            exchange->answer->sent.zone = exchange->answer->name;
        } else {
            begin(exchange, buf);
        }
        csn_transfer_free(transfer);
    }
    if (!exchange->is_whole) {
        answer_with_soa(exchange);
    }
}

/* RFC 1995 2 and 4: the SOA alone where the client has this serial or a newer one; else what changed
 * since, or the zone as in AXFR where that is not known or more. */
static void answer_ixfr(struct exchange *exchange)
{
    const knot_rrset_t *soa = asked_soa(exchange);
    uint32_t serial = soa != NULL ? knot_soa_serial(soa->rrs.rdata) : 0;
    if (soa == NULL) {
        refuse(exchange, KNOT_RCODE_FORMERR, KNOT_EDNS_EDE_OTHER, "IXFR without the client's SOA");
    } else if (!is_newer(exchange, serial)) {
        answer_with_soa(exchange);
    } else if (!exchange->is_tcp) {
        answer_ixfr_by_udp(exchange, serial);
    } else if (start_transfer(exchange, &serial) == CSN_OK) {
        exchange->answer->kind = CSN_ANSWER_TRANSFER;
    } else {
        answer_transfer(exchange);
    }
}

/* --- zones */

/* The zone itself, or the one that would hold the name: a name in a zone of ours is refused as such
 * and never denied. */
static bool find_zone(struct exchange *exchange)
{
    const struct csn_xfr_source *source = exchange->answerer->source;
    const uint8_t *name = exchange->answer->name;
    for (; name != NULL; name = csn_name_parent(name)) {
        exchange->zone = (struct csn_xfr_zone){.state = CSN_XFR_UNKNOWN};
        source->find(source->arg, name, &exchange->zone);
        if (exchange->zone.state != CSN_XFR_UNKNOWN) {
            return name == exchange->answer->name;
        }
    }
    return true;
}

static void answer_ready(struct exchange *exchange)
{
    switch (exchange->answer->type) {
    case CSN_TYPE_SOA:
    case CSN_TYPE_NS:
    case CSN_TYPE_DNSKEY:
        answer_apex(exchange, exchange->answer->type);
        break;
    case KNOT_RRTYPE_AXFR:
        answer_transfer(exchange);
        break;
    case KNOT_RRTYPE_IXFR:
        answer_ixfr(exchange);
        break;
    default:
        refuse(exchange, KNOT_RCODE_REFUSED, KNOT_EDNS_EDE_NOTSUP,
               "this server answers SOA, NS, DNSKEY, AXFR and IXFR of a zone");
    }
}

static void answer_zone(struct exchange *exchange)
{
    bool is_apex = find_zone(exchange);
    switch (exchange->zone.state) {
    case CSN_XFR_UNKNOWN:
        refuse(exchange, KNOT_RCODE_REFUSED, KNOT_EDNS_EDE_NOTAUTH, "no zone of this server");
        return;
    case CSN_XFR_HELD:
        exchange->answerer->counters->not_ready++;
        memcpy(exchange->answer->text, exchange->zone.text, sizeof exchange->answer->text);
        exchange->answer->text[sizeof exchange->answer->text - 1] = '\0';
        refuse(exchange, KNOT_RCODE_SERVFAIL, KNOT_EDNS_EDE_NOT_READY, exchange->answer->text);
        return;
    case CSN_XFR_READY:
        break;
    }
    if (is_apex) {
        answer_ready(exchange);
    } else {
        refuse(exchange, KNOT_RCODE_REFUSED, KNOT_EDNS_EDE_NOTSUP,
               "this server answers for the zone's own name only");
    }
}

/* RFC 4892: which site is this? */
static void answer_chaos(struct exchange *exchange)
{
    static const uint8_t id_server[] = "\x02id\x06server", hostname_bind[] = "\x08hostname\x04"
                                                                             "bind";
    const uint8_t *name = exchange->answer->name;
    uint8_t rdata[1 + TXT_MAX];
    size_t size = strlen(exchange->answerer->site);
    bool is_known = csn_name_equal(name, id_server) || csn_name_equal(name, hostname_bind);
    if (!is_known || exchange->answer->type != CSN_TYPE_TXT || size > TXT_MAX) {
        refuse(exchange, KNOT_RCODE_REFUSED, KNOT_EDNS_EDE_NOTSUP,
               "only id.server and hostname.bind");
        return;
    }
    rdata[0] = (uint8_t)size;
    memcpy(rdata + 1, exchange->answerer->site, size);
    struct csn_rrset rrset = {.owner = name, .type = CSN_TYPE_TXT, .count = 1};
    csn_message_set_authoritative(&exchange->message);
    csn_message_put_class(&exchange->message, &rrset, KNOT_CLASS_CH, csn_bytes(rdata, 1 + size),
                          size_max(exchange));
}

static void answer_question(struct exchange *exchange)
{
    switch (knot_pkt_qclass(exchange->query)) {
    case KNOT_CLASS_IN:
        answer_zone(exchange);
        break;
    case KNOT_CLASS_CH:
        answer_chaos(exchange);
        break;
    default:
        refuse(exchange, KNOT_RCODE_REFUSED, KNOT_EDNS_EDE_NOTSUP, "class IN only");
    }
}

/* --- the request */

static void read_edns(struct exchange *exchange)
{
    const knot_pkt_t *query = exchange->query;
    exchange->edns = (struct csn_edns){.error = KNOT_EDNS_EDE_NONE};
    if (!knot_pkt_has_edns(query)) {
        return;
    }
    exchange->edns.is_present = true;
    exchange->edns.is_dnssec = knot_edns_do(query->opt_rr);
    if (knot_pkt_edns_option(query, KNOT_EDNS_OPTION_NSID) != NULL) {
        exchange->edns.nsid = exchange->answerer->site;
    }
}

/* What stands before any data, in this order: the signature, the rules, the kind of request. */
static void answer_request(struct exchange *exchange, const struct sockaddr *from)
{
    struct csn_answer *answer = exchange->answer;
    if (answer->tsig.error != 0) {
        exchange->answerer->counters->tsig_failed++;
        refuse(exchange, KNOT_RCODE_NOTAUTH, KNOT_EDNS_EDE_PROHIBITED, "TSIG");
    } else if (!is_allowed(exchange->answerer, from, &answer->tsig)) {
        exchange->answerer->counters->refused++;
        refuse(exchange, KNOT_RCODE_REFUSED, KNOT_EDNS_EDE_PROHIBITED,
               "no rule allows this address and key");
    } else if (exchange->edns.is_present &&
               knot_edns_get_version(exchange->query->opt_rr) != EDNS_VERSION) {
        refuse(exchange, KNOT_RCODE_BADVERS, KNOT_EDNS_EDE_NONE, "EDNS version");
    } else if (knot_wire_get_opcode(exchange->query->wire) != KNOT_OPCODE_QUERY) {
        refuse(exchange, KNOT_RCODE_NOTIMPL, KNOT_EDNS_EDE_NOTSUP, "queries only");
    } else if (question_of(exchange).size == 0) {
        refuse(exchange, KNOT_RCODE_FORMERR, KNOT_EDNS_EDE_OTHER, "no question");
    } else {
        answer_question(exchange);
    }
}

static void finish(struct exchange *exchange, struct csn_buf *buf)
{
    struct csn_answer *answer = exchange->answer;
    size_t start = exchange->message.start;
    if (answer->kind == CSN_ANSWER_TRANSFER) {
        buf->size = start;
        return;
    }
    if (exchange->is_whole) {
        return;
    }
    if (csn_message_size(&exchange->message) > size_max(exchange)) {
        /* A long name and a long TSIG: the texts give way. */
        exchange->edns.nsid = NULL;
        exchange->edns.error_text = "";
    }
    csn_message_put_edns(&exchange->message, &exchange->edns);
    if (csn_tsig_sign(&answer->tsig, exchange->query->tsig_rr, buf, start) != CSN_OK) {
        buf->size = start;
        answer->kind = CSN_ANSWER_NONE;
    }
}

/* A request that cannot be read: its id is all that is answered to. */
static void answer_malformed(struct csn_bytes query, struct csn_buf *buf, struct csn_answer *answer)
{
    struct csn_message message;
    csn_message_begin(&message, buf, query.data);
    csn_message_set_rcode(&message, KNOT_RCODE_FORMERR);
    answer->rcode = KNOT_RCODE_FORMERR;
    answer->why = "malformed";
}

void csn_answer_query(const struct csn_answerer *answerer, const struct sockaddr *from, bool is_tcp,
                      struct csn_bytes query, struct csn_buf *buf, struct csn_answer *ret_answer)
{
    *ret_answer = (struct csn_answer){.kind = CSN_ANSWER_NONE, .why = ""};
    if (query.size < CSN_DNS_HEADER_SIZE || query.size > CSN_DNS_MESSAGE_MAX ||
        knot_wire_get_qr(query.data)) {
        answerer->counters->dropped++;
        return;
    }
    uint8_t *wire = csn_alloc(query.size); /* parsing takes the TSIG record out */
    memcpy(wire, query.data, query.size);
    struct exchange exchange = {.answerer = answerer, .is_tcp = is_tcp, .answer = ret_answer};
    exchange.query = knot_pkt_new(wire, (uint16_t)query.size, NULL);
    answerer->counters->queries++;
    ret_answer->kind = CSN_ANSWER_REPLY;
    if (exchange.query == NULL || knot_pkt_parse(exchange.query, 0) != KNOT_EOK) {
        answer_malformed(query, buf, ret_answer);
    } else {
        csn_tsig_check(answerer->config, exchange.query, &ret_answer->tsig);
        read_edns(&exchange);
        begin(&exchange, buf);
        answer_request(&exchange, from);
        finish(&exchange, buf);
    }
    knot_pkt_free(exchange.query);
    free(wire);
}
