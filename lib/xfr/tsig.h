/* tsig.h: TSIG (RFC 8945) by libknot, for one request and the messages that answer it. Keys and
 * algorithms are those configured; HMAC-MD5 is none of them. A MAC cut short is refused. Private to
 * lib/xfr. */
#ifndef CSN_XFR_TSIG_H
#define CSN_XFR_TSIG_H

#include <libknot/packet/pkt.h>

#include "config/node.h"

#define CSN_TSIG_MAC_MAX 64
/* Octets a TSIG record takes at most: two names, fixed fields, MAC, time. */
#define CSN_TSIG_SIZE_MAX (2 * CSN_NAME_MAX + 26 + CSN_TSIG_MAC_MAX + 6)

struct csn_tsig {
    const struct csn_tsig_config *key; /* borrows; NULL: no TSIG, or of a key we do not have */
    uint16_t error;                    /* 0, or BADSIG, BADKEY, BADTIME, BADTRUNC */
    uint64_t time_signed;              /* the request's, for the log */
    uint8_t mac[CSN_TSIG_MAC_MAX];     /* the last: of the request, then of each message */
    size_t mac_size;
    unsigned signed_count;
};

/* Judges the TSIG of a parsed request. */
void csn_tsig_check(const struct csn_transfer_config *config, const knot_pkt_t *query,
                    struct csn_tsig *ret_tsig);
/* Room to leave for csn_tsig_sign. */
size_t csn_tsig_size(const struct csn_tsig *tsig);
/* Appends the TSIG record to the message at `start` in `buf`, the first or a later one of the
 * answer. Where the request had none: nothing. Where the request's was bad: what RFC 8945 5.2 asks
 * for. CSN_ECRYPTO. */
int csn_tsig_sign(struct csn_tsig *tsig, const knot_rrset_t *query_tsig, struct csn_buf *buf,
                  size_t start);

/* For the asking side (NOTIFY): signs a request, keeps its MAC; checks the answer. CSN_ECRYPTO;
 * CSN_ESIGNATURE. */
int csn_tsig_sign_request(struct csn_tsig *tsig, const struct csn_tsig_config *key,
                          struct csn_buf *buf);
int csn_tsig_check_answer(const struct csn_tsig *tsig, const knot_pkt_t *answer);

#endif
