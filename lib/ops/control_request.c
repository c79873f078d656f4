/* Requests, to and from the wire: see control_wire.h. */
#include "ops/control_wire.h"

#include <string.h>

#include "base/bounded.h"
#include "base/pack.h"
#include "control.pb-c.h"

#define VERSION 1
static void put_order_request(const struct csn_control_order *order,
                              Csn__Control__OrderRequest *message)
{
    message->has_signer = message->has_body = message->has_signature = true;
    message->signer = order->signer;
    message->body = csn_pack_bytes(order->body);
    message->signature = csn_pack_bytes(csn_bytes(order->signature, sizeof(order->signature)));
}

static void put_diff_request(const struct csn_control_diff *diff,
                             Csn__Control__DiffRequest *message)
{
    message->zone = csn_pack_text(diff->zone);
    message->has_serial = true;
    message->serial = diff->serial;
    message->first = csn_pack_text(diff->first);
    message->second = csn_pack_text(diff->second);
}

int csn_control_request_encode(const struct csn_control_request *request, struct csn_buf *buf)
{
    Csn__Control__Request message = CSN__CONTROL__REQUEST__INIT;
    Csn__Control__StatusRequest status = CSN__CONTROL__STATUS_REQUEST__INIT;
    Csn__Control__CertShowRequest cert = CSN__CONTROL__CERT_SHOW_REQUEST__INIT;
    Csn__Control__OrderRequest order = CSN__CONTROL__ORDER_REQUEST__INIT;
    Csn__Control__DiffRequest diff = CSN__CONTROL__DIFF_REQUEST__INIT;
    Csn__Control__ReportsRequest reports = CSN__CONTROL__REPORTS_REQUEST__INIT;
    Csn__Control__ProposeRequest propose = CSN__CONTROL__PROPOSE_REQUEST__INIT;
    Csn__Control__MembershipRequest membership = CSN__CONTROL__MEMBERSHIP_REQUEST__INIT;
    Csn__Control__ExplainRequest explain = CSN__CONTROL__EXPLAIN_REQUEST__INIT;
    message.has_version = true;
    message.version = VERSION;
    if (request->what == CSN_CONTROL_STATUS) {
        status.has_first_zone = true;
        status.first_zone = request->first_zone;
        message.what_case = CSN__CONTROL__REQUEST__WHAT_STATUS;
        message.status = &status;
    } else if (request->what == CSN_CONTROL_ORDER) {
        put_order_request(&request->order, &order);
        message.what_case = CSN__CONTROL__REQUEST__WHAT_ORDER;
        message.order = &order;
    } else if (request->what == CSN_CONTROL_DIFF) {
        put_diff_request(&request->diff, &diff);
        message.what_case = CSN__CONTROL__REQUEST__WHAT_DIFF;
        message.diff = &diff;
    } else if (request->what == CSN_CONTROL_EXPLAIN) {
        explain.zone = csn_pack_text(request->explain.zone);
        explain.site = csn_pack_text(request->explain.site);
        explain.has_all = true;
        explain.all = request->explain.is_all;
        message.what_case = CSN__CONTROL__REQUEST__WHAT_EXPLAIN;
        message.explain = &explain;
    } else if (request->what == CSN_CONTROL_REPORTS) {
        reports.zone = csn_pack_text(request->zone);
        reports.name = request->report[0] != '\0' ? csn_pack_text(request->report) : NULL;
        message.what_case = CSN__CONTROL__REQUEST__WHAT_REPORTS;
        message.reports = &reports;
    } else if (request->what == CSN_CONTROL_PROPOSE) {
        propose.has_document = true;
        propose.document = csn_pack_bytes(request->document);
        propose.has_anyway = true;
        propose.anyway = request->is_anyway;
        message.what_case = CSN__CONTROL__REQUEST__WHAT_PROPOSE;
        message.propose = &propose;
    } else if (request->what == CSN_CONTROL_MEMBERSHIP) {
        membership.has_chain = true;
        membership.chain = request->wants_chain;
        membership.has_from = request->is_paged;
        membership.from = request->from;
        message.what_case = CSN__CONTROL__REQUEST__WHAT_MEMBERSHIP;
        message.membership = &membership;
    } else {
        cert.zone = csn_pack_text(request->zone);
        message.what_case = CSN__CONTROL__REQUEST__WHAT_CERT_SHOW;
        message.cert_show = &cert;
    }
    return csn_pack_within(&message.base, CSN_CONTROL_FRAME_MAX, buf);
}

static int read_order(const Csn__Control__OrderRequest *message,
                      struct csn_control_request *ret_request)
{
    struct csn_control_order *order = &ret_request->order;
    if (!message->has_signer || message->signer > UINT16_MAX || message->body.len == 0 ||
        message->body.len > CSN_CONTROL_ORDER_MAX ||
        message->signature.len != sizeof(order->signature)) {
        return CSN_EFORMAT;
    }
    *ret_request = (struct csn_control_request){.what = CSN_CONTROL_ORDER};
    order->signer = (uint16_t)message->signer;
    memcpy(ret_request->body, message->body.data, message->body.len);
    order->body = csn_bytes(ret_request->body, message->body.len);
    memcpy(order->signature, message->signature.data, sizeof(order->signature));
    return CSN_OK;
}

/* False: absent, or longer than there is room for. */
static bool read_text(const char *text, char *ret_text, size_t size)
{
    bool fits = text != NULL && strlen(text) < size;
    if (fits) {
        memcpy(ret_text, text, strlen(text) + 1);
    }
    return fits;
}

static int read_diff(const Csn__Control__DiffRequest *message,
                     struct csn_control_request *ret_request)
{
    struct csn_control_request *to = ret_request;
    *to = (struct csn_control_request){.what = CSN_CONTROL_DIFF};
    to->diff = (struct csn_control_diff){
        .zone = to->zone, .first = to->first, .second = to->second, .serial = message->serial};
    bool is_whole = message->has_serial && read_text(message->zone, to->zone, sizeof(to->zone)) &&
                    read_text(message->first, to->first, sizeof(to->first)) &&
                    read_text(message->second, to->second, sizeof(to->second));
    return is_whole ? CSN_OK : CSN_EFORMAT;
}

static int read_reports(const Csn__Control__ReportsRequest *message,
                        struct csn_control_request *ret_request)
{
    *ret_request = (struct csn_control_request){.what = CSN_CONTROL_REPORTS};
    bool is_whole = read_text(message->zone, ret_request->zone, sizeof(ret_request->zone)) &&
                    (message->name == NULL || read_text(message->name, ret_request->report, sizeof(ret_request->report)));
    return is_whole ? CSN_OK : CSN_EFORMAT;
}

static int read_propose(const Csn__Control__ProposeRequest *message,
                        struct csn_control_request *ret_request)
{
    if (message->document.len == 0 || message->document.len > sizeof(ret_request->body)) {
        return CSN_EFORMAT;
    }
    *ret_request = (struct csn_control_request){.what = CSN_CONTROL_PROPOSE, .is_anyway = message->anyway};
    memcpy(ret_request->body, message->document.data, message->document.len);
    ret_request->document = csn_bytes(ret_request->body, message->document.len);
    return CSN_OK;
}

static int read_explain(const Csn__Control__ExplainRequest *message,
                        struct csn_control_request *ret_request)
{
    struct csn_control_request *to = ret_request;
    *to = (struct csn_control_request){.what = CSN_CONTROL_EXPLAIN};
    to->explain = (struct csn_control_explain){.zone = to->zone,
                                               .site = message->site != NULL ? to->first : NULL,
                                               .is_all = message->all};
    bool is_whole = read_text(message->zone, to->zone, sizeof(to->zone)) &&
                    (message->site == NULL || read_text(message->site, to->first, sizeof(to->first)));
    return is_whole ? CSN_OK : CSN_EFORMAT;
}

static int read_request(const Csn__Control__Request *message,
                        struct csn_control_request *ret_request)
{
    if (!message->has_version || message->version != VERSION) {
        return CSN_EFORMAT;
    }
    if (message->what_case == CSN__CONTROL__REQUEST__WHAT_STATUS) {
        *ret_request = (struct csn_control_request){.what = CSN_CONTROL_STATUS, .first_zone = message->status->first_zone};
        return CSN_OK;
    }
    if (message->what_case == CSN__CONTROL__REQUEST__WHAT_ORDER) {
        return read_order(message->order, ret_request);
    }
    if (message->what_case == CSN__CONTROL__REQUEST__WHAT_DIFF) {
        return read_diff(message->diff, ret_request);
    }
    if (message->what_case == CSN__CONTROL__REQUEST__WHAT_EXPLAIN) {
        return read_explain(message->explain, ret_request);
    }
    if (message->what_case == CSN__CONTROL__REQUEST__WHAT_REPORTS) {
        return read_reports(message->reports, ret_request);
    }
    if (message->what_case == CSN__CONTROL__REQUEST__WHAT_PROPOSE) {
        return read_propose(message->propose, ret_request);
    }
    if (message->what_case == CSN__CONTROL__REQUEST__WHAT_MEMBERSHIP) {
        *ret_request = (struct csn_control_request){.what = CSN_CONTROL_MEMBERSHIP,
                                                    .wants_chain = message->membership->chain,
                                                    .from = message->membership->from,
                                                    .is_paged = message->membership->has_from};
        return CSN_OK;
    }
    if (message->what_case != CSN__CONTROL__REQUEST__WHAT_CERT_SHOW ||
        message->cert_show->zone == NULL ||
        strlen(message->cert_show->zone) >= CSN_CONTROL_ZONE_MAX) {
        return CSN_EFORMAT;
    }
    *ret_request = (struct csn_control_request){.what = CSN_CONTROL_CERT_SHOW};
    memcpy(ret_request->zone, message->cert_show->zone, strlen(message->cert_show->zone) + 1);
    return CSN_OK;
}

int csn_control_request_decode(struct csn_bytes bytes, struct csn_control_request *ret_request)
{
    struct csn_bounded bounded;
    csn_bounded_init(&bounded, CSN_CONTROL_DECODED_MAX);
    Csn__Control__Request *message =
        csn__control__request__unpack(&bounded.allocator, bytes.size, bytes.data);
    if (message == NULL) {
        return CSN_EFORMAT;
    }
    int code = read_request(message, ret_request);
    csn__control__request__free_unpacked(message, &bounded.allocator);
    return code;
}
