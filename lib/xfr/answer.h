/* answer.h: a request's octets to a reply's, or to a transfer: what the server says, without its
 * sockets. The only clock is libknot's, for TSIG. Loop thread; private to lib/xfr. */
#ifndef CSN_XFR_ANSWER_H
#define CSN_XFR_ANSWER_H

#include <sys/socket.h>

#include "xfr/counters.h"
#include "xfr/transfer.h"

struct csn_answerer {
    const struct csn_transfer_config *config; /* borrows, as all here */
    const char *site;
    const struct csn_xfr_source *source;
    struct csn_xfr_counters *counters;
};

enum csn_answer_kind {
    CSN_ANSWER_NONE, /* nothing is said */
    CSN_ANSWER_REPLY,
    CSN_ANSWER_TRANSFER
};

/* What was done, also for the log. */
struct csn_answer {
    enum csn_answer_kind kind;
    struct csn_transfer *transfer; /* owns; TRANSFER alone */
    uint8_t name[CSN_NAME_MAX];    /* asked for; the root where none was read */
    uint16_t type;
    uint16_t rcode;
    const char *why; /* of a refusal; static or the source's text below */
    char text[CSN_XFR_TEXT_MAX];
    struct csn_tsig tsig;
    struct csn_transfer_progress sent; /* REPLY: changes that it holds whole; else no messages */
};

/* True when a rule names this address, with or without a key. */
bool csn_answer_knows(const struct csn_answerer *answerer, const struct sockaddr *from);

/* REPLY: one message is appended to `buf`. */
void csn_answer_query(const struct csn_answerer *answerer, const struct sockaddr *from, bool is_tcp,
                      struct csn_bytes query, struct csn_buf *buf, struct csn_answer *ret_answer);

#endif
