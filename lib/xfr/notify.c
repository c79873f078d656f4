#include "xfr/notify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <libknot/codes.h>
#include <libknot/packet/pkt.h>

#include "dns/name.h"
#include "xfr/message.h"
#include "xfr/tsig.h"

#define DATAGRAM_MAX 4096
#define OPCODE_NOTIFY_AA 0x24 /* third octet of the header: opcode 4, AA (RFC 1996 3.2) */
#define SOCKET_COUNT 2        /* one for each address family */

/* One target that has to learn of one zone's serial. */
struct errand {
    struct errand *next;
    const struct csn_notify_config *target; /* borrows */
    uint8_t zone[CSN_NAME_MAX];
    struct csn_buf soa_rdatas; /* owns */
    struct csn_rrset soa;
    uint32_t serial;
    uint16_t id;
    struct csn_tsig tsig; /* of the last request */
    unsigned attempts;
    bool is_sent;    /* once at least: an answer may come */
    uint64_t due_ms; /* of the next attempt, or of giving up */
};

struct csn_notify {
    uv_loop_t *loop;                          /* borrows */
    const struct csn_transfer_config *config; /* borrows */
    const struct csn_log *log;                /* borrows */
    uv_udp_t sockets[SOCKET_COUNT];
    bool is_open[SOCKET_COUNT];
    uv_timer_t timer;
    unsigned handles_open;
    struct errand *errands; /* own */
    struct csn_notify_counters counters;
    struct csn_buf message; /* owns */
    char datagram[DATAGRAM_MAX];
};

static const struct sockaddr *address_of(const struct csn_notify_config *target)
{
    return (const struct sockaddr *)&target->to.address;
}

static bool is_ipv6(const struct sockaddr *address)
{
    return address->sa_family == AF_INET6;
}

/* --- errands */

static void drop_errand(struct csn_notify *notify, struct errand **at)
{
    struct errand *errand = *at;
    *at = errand->next;
    notify->counters.pending--;
    csn_buf_fini(&errand->soa_rdatas);
    free(errand);
}

static void schedule(struct csn_notify *notify);

static void log_errand(const struct csn_notify *notify, enum csn_level level, const char *event,
                       const struct errand *errand, const char *what)
{
    char name[CSN_NAME_TEXT_MAX];
    csn_name_text(errand->zone, name);
    csn_log(notify->log, level, event, "zone %s serial %" PRIu32 " to %s, attempt %u: %s", name,
            errand->serial, errand->target->to.text, errand->attempts, what);
}

static int make_message(struct csn_notify *notify, struct errand *errand)
{
    uint8_t header[CSN_DNS_HEADER_SIZE] = {0}, question[CSN_NAME_MAX + 4];
    size_t name_size = csn_name_size(errand->zone);
    struct csn_reader rdatas = csn_rdata_first(&errand->soa);
    struct csn_message message;
    struct csn_bytes rdata;
    size_t key = errand->target->key;
    memcpy(question, errand->zone, name_size);
    csn_set_u16(question + name_size, CSN_TYPE_SOA);
    csn_set_u16(question + name_size + 2, CSN_CLASS_IN);
    csn_set_u16(header, errand->id);
    csn_buf_clear(&notify->message);
    csn_message_begin(&message, &notify->message, header);
    csn_message_put_question(&message, csn_bytes(question, name_size + 4), errand->zone);
    while (csn_rdata_next(&rdatas, &rdata)) {
        csn_message_put(&message, &errand->soa, rdata, CSN_DNS_EDNS_UDP_SIZE);
    }
    notify->message.data[2] = OPCODE_NOTIFY_AA; /* a request */
    return csn_tsig_sign_request(
        &errand->tsig, key == CSN_INDEX_NONE ? NULL : &notify->config->tsig[key], &notify->message);
}

static void send_errand(struct csn_notify *notify, struct errand *errand)
{
    const struct sockaddr *to = address_of(errand->target);
    errand->due_ms = uv_now(notify->loop) + ((uint64_t)CSN_NOTIFY_FIRST_MS << errand->attempts);
    errand->attempts++;
    if (make_message(notify, errand) != CSN_OK) {
        log_errand(notify, CSN_ERROR, "notify.failed", errand, "TSIG cannot be made");
        return;
    }
    uv_buf_t octets = uv_buf_init((char *)notify->message.data, (unsigned)notify->message.size);
    int code = uv_udp_try_send(&notify->sockets[is_ipv6(to)], &octets, 1, to);
    if (code < 0) {
        log_errand(notify, CSN_WARNING, "notify.failed", errand, uv_strerror(code));
        return;
    }
    errand->is_sent = true;
    notify->counters.sent++;
}

static void on_timer(uv_timer_t *timer)
{
    struct csn_notify *notify = timer->data;
    struct errand **at = &notify->errands;
    while (*at != NULL) {
        struct errand *errand = *at;
        if (errand->due_ms > uv_now(notify->loop)) {
            at = &errand->next;
        } else if (errand->attempts < CSN_NOTIFY_ATTEMPTS_MAX) {
            send_errand(notify, errand);
            at = &errand->next;
        } else {
            log_errand(notify, CSN_WARNING, "notify.given_up", errand,
                       "no good answer; it will learn the serial by its own refresh: look at its "
                       "address, key and allow-notify");
            notify->counters.given_up++;
            drop_errand(notify, at);
        }
    }
    schedule(notify);
}

/* The timer stands at the earliest errand. */
static void schedule(struct csn_notify *notify)
{
    uint64_t now = uv_now(notify->loop), due = UINT64_MAX;
    for (const struct errand *errand = notify->errands; errand != NULL; errand = errand->next) {
        due = errand->due_ms < due ? errand->due_ms : due;
    }
    if (due == UINT64_MAX) {
        uv_timer_stop(&notify->timer);
    } else {
        uv_timer_start(&notify->timer, on_timer, due > now ? due - now : 0, 0);
    }
}

static uint16_t new_id(void)
{
    uint16_t id = 0;
    /* Guessing it would only stop our retries; a short read leaves 0, which serves. */
    if (getrandom(&id, sizeof id, GRND_NONBLOCK) != sizeof id) {
        id = 0;
    }
    return id;
}

static void add_errand(struct csn_notify *notify, const struct csn_notify_config *target,
                       const uint8_t *zone, const struct csn_rrset *soa)
{
    struct errand *errand = csn_calloc(1, sizeof *errand);
    struct csn_reader rdatas = csn_rdata_first(soa);
    struct csn_bytes rdata;
    struct csn_soa fields = {0};
    if (csn_rdata_next(&rdatas, &rdata)) {
        csn_soa_fields(rdata, &fields);
    }
    errand->target = target;
    errand->serial = fields.serial;
    errand->id = new_id();
    memcpy(errand->zone, zone, csn_name_size(zone));
    csn_buf_put_bytes(&errand->soa_rdatas, soa->rdatas);
    errand->soa = *soa;
    errand->soa.owner = errand->zone;
    errand->soa.rdatas = csn_buf_view(&errand->soa_rdatas);
    errand->due_ms = uv_now(notify->loop);
    errand->next = notify->errands;
    notify->errands = errand;
    notify->counters.pending++;
}

void csn_notify_zone(struct csn_notify *notify, const uint8_t *zone, const struct csn_rrset *soa)
{
    for (struct errand **at = &notify->errands; *at != NULL;) {
        if (csn_name_equal((*at)->zone, zone)) {
            drop_errand(notify, at);
        } else {
            at = &(*at)->next;
        }
    }
    for (size_t i = 0; i < notify->config->notify_count; i++) {
        add_errand(notify, &notify->config->notify[i], zone, soa);
    }
    schedule(notify);
}

/* --- answers */

static bool is_from(const struct sockaddr *from, const struct sockaddr *target)
{
    if (from->sa_family != target->sa_family) {
        return false;
    }
    if (is_ipv6(from)) {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)(const void *)from;
        const struct sockaddr_in6 *b = (const struct sockaddr_in6 *)(const void *)target;
        return a->sin6_port == b->sin6_port &&
               memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0;
    }
    const struct sockaddr_in *a = (const struct sockaddr_in *)(const void *)from;
    const struct sockaddr_in *b = (const struct sockaddr_in *)(const void *)target;
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

static bool is_answer_to(const struct errand *errand, const knot_pkt_t *answer,
                         const struct sockaddr *from)
{
    const uint8_t *name = knot_pkt_qname(answer);
    return errand->is_sent && is_from(from, address_of(errand->target)) &&
           knot_wire_get_qr(answer->wire) &&
           knot_wire_get_opcode(answer->wire) == KNOT_OPCODE_NOTIFY &&
           knot_wire_get_id(answer->wire) == errand->id &&
           (name == NULL || csn_name_equal(name, errand->zone)) &&
           csn_tsig_check_answer(&errand->tsig, answer) == CSN_OK;
}

static void take_answer(struct csn_notify *notify, const knot_pkt_t *answer,
                        const struct sockaddr *from)
{
    for (struct errand **at = &notify->errands; *at != NULL; at = &(*at)->next) {
        if (!is_answer_to(*at, answer, from)) {
            continue;
        }
        if (knot_wire_get_rcode(answer->wire) == KNOT_RCODE_NOERROR) {
            notify->counters.answered++;
            log_errand(notify, CSN_DEBUG, "notify.answered", *at, "taken");
            drop_errand(notify, at);
            schedule(notify);
        } else {
            char what[64];
            snprintf(what, sizeof what, "answered with rcode %u",
                     knot_wire_get_rcode(answer->wire));
            notify->counters.refused++;
            log_errand(notify, CSN_WARNING, "notify.refused", *at, what);
        }
        return;
    }
    notify->counters.ignored++;
}

static void on_datagram_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    (void)suggested;
    struct csn_notify *notify = handle->data;
    *ret_buf = uv_buf_init(notify->datagram, sizeof notify->datagram);
}

static void on_datagram(uv_udp_t *udp, ssize_t size, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    struct csn_notify *notify = udp->data;
    if (from == NULL) {
        return; /* nothing more to read */
    }
    if (size < CSN_DNS_HEADER_SIZE || (flags & UV_UDP_PARTIAL) != 0) {
        notify->counters.ignored++;
        return;
    }
    knot_pkt_t *answer = knot_pkt_new(buf->base, (uint16_t)size, NULL);
    if (answer != NULL && knot_pkt_parse(answer, 0) == KNOT_EOK) {
        take_answer(notify, answer, from);
    } else {
        notify->counters.ignored++;
    }
    knot_pkt_free(answer);
}

/* --- life */

static bool has_target(const struct csn_transfer_config *config, bool ipv6)
{
    for (size_t i = 0; i < config->notify_count; i++) {
        if (is_ipv6(address_of(&config->notify[i])) == ipv6) {
            return true;
        }
    }
    return false;
}

static int open_socket(struct csn_notify *notify, bool ipv6)
{
    struct sockaddr_storage any = {.ss_family = ipv6 ? AF_INET6 : AF_INET};
    uv_udp_t *udp = &notify->sockets[ipv6];
    uv_udp_init(notify->loop, udp);
    udp->data = notify;
    notify->is_open[ipv6] = true;
    notify->handles_open++;
    int code = uv_udp_bind(udp, (const struct sockaddr *)&any, ipv6 ? UV_UDP_IPV6ONLY : 0);
    return code == 0 ? uv_udp_recv_start(udp, on_datagram_alloc, on_datagram) : code;
}

int csn_notify_new(uv_loop_t *loop, const struct csn_transfer_config *config,
                   const struct csn_log *log, struct csn_notify **ret_notify,
                   struct csn_reason *reason)
{
    struct csn_notify *notify = csn_calloc(1, sizeof *notify);
    notify->loop = loop;
    notify->config = config;
    notify->log = log;
    uv_timer_init(loop, &notify->timer);
    notify->timer.data = notify;
    notify->handles_open = 1;
    for (unsigned ipv6 = 0; ipv6 < SOCKET_COUNT; ipv6++) {
        int code = has_target(config, ipv6) ? open_socket(notify, ipv6) : 0;
        if (code != 0) {
            csn_notify_free(notify);
            return csn_reason_set(reason, CSN_EIO, "cannot open a socket for NOTIFY: %s",
                                  uv_strerror(code));
        }
    }
    *ret_notify = notify;
    return CSN_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct csn_notify *notify = handle->data;
    if (--notify->handles_open == 0) {
        csn_buf_fini(&notify->message);
        free(notify);
    }
}

void csn_notify_free(struct csn_notify *take_notify)
{
    if (take_notify == NULL) {
        return;
    }
    while (take_notify->errands != NULL) {
        drop_errand(take_notify, &take_notify->errands);
    }
    for (unsigned i = 0; i < SOCKET_COUNT; i++) {
        if (take_notify->is_open[i]) {
            uv_close((uv_handle_t *)&take_notify->sockets[i], on_closed);
        }
    }
    uv_close((uv_handle_t *)&take_notify->timer, on_closed);
}

void csn_notify_counters(const struct csn_notify *notify, struct csn_notify_counters *ret_counters)
{
    *ret_counters = notify->counters;
}
