/* control_wire.h: the messages of proto/control.proto to and from the plain structs of status.h.
 * Used by control.c only. Encoders append one message to `buf`; CSN_ELIMIT above
 * CSN_CONTROL_FRAME_MAX. Decoders refuse what is malformed or missing a field that has no meaning
 * when absent (CSN_EFORMAT), and copy all that they keep. */
#ifndef CSN_OPS_CONTROL_WIRE_H
#define CSN_OPS_CONTROL_WIRE_H

#include "ops/control.h"

#define CSN_CONTROL_FRAME_MAX ((size_t)1024 * 1024)
/* Memory for one decoded message: a full reply's rows take a few times its octets. */
#define CSN_CONTROL_DECODED_MAX (8 * CSN_CONTROL_FRAME_MAX)
#define CSN_CONTROL_TEXT_PAGE ((size_t)512 * 1024) /* octets of a longer text in one answer */
#define CSN_CONTROL_ZONE_MAX 1024 /* a zone's name as text */

#define CSN_CONTROL_ORDER_MAX 1024 /* octets of an order's body */

#define CSN_CONTROL_SITE_MAX 64   /* a site's name */
#define CSN_CONTROL_REPORT_MAX 256 /* a report's */

enum csn_control_what {
    CSN_CONTROL_STATUS,
    CSN_CONTROL_CERT_SHOW,
    CSN_CONTROL_ORDER,
    CSN_CONTROL_DIFF,
    CSN_CONTROL_REPORTS,
    CSN_CONTROL_PROPOSE,
    CSN_CONTROL_MEMBERSHIP,
    CSN_CONTROL_EXPLAIN
};

struct csn_control_request {
    enum csn_control_what what;
    char zone[CSN_CONTROL_ZONE_MAX]; /* cert show, diff, reports, explain */
    struct csn_control_explain explain; /* its names lie in `zone` and `first` of the decoded request */
    struct csn_control_diff diff;    /* its names lie in `zone` and below of the decoded request */
    char first[CSN_CONTROL_SITE_MAX], second[CSN_CONTROL_SITE_MAX];
    char report[CSN_CONTROL_REPORT_MAX]; /* reports: the name; empty: all names */
    struct csn_control_order order;  /* its body lies in `body` of the decoded request */
    struct csn_bytes document;       /* propose; the same */
    bool is_anyway;                  /* propose */
    bool wants_chain;                /* membership */
    uint64_t from;                   /* membership: octet of the text */
    bool is_paged;                   /* membership: who asks will ask for the rest */
    uint32_t first_zone;             /* status */
    uint8_t body[CSN_CONTROL_DOCUMENT_MAX];
};

int csn_control_request_encode(const struct csn_control_request *request, struct csn_buf *buf);
int csn_control_request_decode(struct csn_bytes message, struct csn_control_request *ret_request);

int csn_control_status_encode(const struct csn_status *status, struct csn_buf *buf);
int csn_control_cert_encode(const struct csn_cert_view *view, struct csn_buf *buf);
int csn_control_explain_encode(const struct csn_explanation *explanation, struct csn_buf *buf);
int csn_control_membership_encode(const struct csn_membership *membership, struct csn_buf *buf);
void csn_control_order_encode(struct csn_buf *buf);
int csn_control_text_encode(struct csn_bytes text, struct csn_buf *buf);
/* A page of a text, from this octet. */
void csn_control_text_page_encode(struct csn_bytes text, uint64_t from, struct csn_buf *buf);
/* An answer that is only a code and its reason. */
void csn_control_error_encode(int code, const struct csn_reason *reason, struct csn_buf *buf);

/* The code that the daemon answered, with its reason, or CSN_EFORMAT when the reply is not one. A status is of zeros, or has
 * pages already: then the next one is added. */
int csn_control_status_decode(struct csn_bytes message, struct csn_status *ret_status,
                              struct csn_reason *reason);
int csn_control_cert_decode(struct csn_bytes message, struct csn_cert_view *ret_view,
                            struct csn_reason *reason);
int csn_control_explain_decode(struct csn_bytes message, struct csn_explanation *ret_explanation,
                               struct csn_reason *reason);
int csn_control_membership_decode(struct csn_bytes message, struct csn_membership *ret_membership, struct csn_reason *reason);
int csn_control_order_decode(struct csn_bytes message, struct csn_reason *reason);
/* Appended. `ret_all_size`: octets of the whole text; 0: this is all. */
int csn_control_text_decode(struct csn_bytes message, struct csn_buf *ret_text, uint64_t *ret_all_size,
                            struct csn_reason *reason);

#endif
