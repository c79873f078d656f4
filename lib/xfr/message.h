/* message.h: writes one DNS message behind what a buffer holds already. Names are written whole but
 * for two pointers that any reader follows: to the owner of the record before, and to the zone's
 * name in the question. So the octets depend on the question's spelling and on nothing else. Pure;
 * private to lib/xfr. */
#ifndef CSN_XFR_MESSAGE_H
#define CSN_XFR_MESSAGE_H

#include <stdbool.h>

#include "dns/rrset.h"

#define CSN_DNS_HEADER_SIZE 12
#define CSN_DNS_MESSAGE_MAX 65535
#define CSN_DNS_EDNS_UDP_SIZE                                                                      \
    1232 /* offered and at most used by UDP: no fragments (DNS flag day 2020) */

struct csn_message {
    struct csn_buf *buf;  /* borrows */
    size_t start;         /* of the message in `buf` */
    const uint8_t *apex;  /* borrows; NULL until a question that spells the zone's name as we do */
    const uint8_t *owner; /* borrows; of the last record, or NULL */
    size_t owner_at;      /* in the message */
};

/* What goes into an OPT record (RFC 6891). */
struct csn_edns {
    bool is_present, is_dnssec;
    uint16_t rcode;   /* all 12 bits; the lower 4 go into the header */
    const char *nsid; /* RFC 5001; NULL: none */
    int error;        /* RFC 8914 info code, negative: none */
    const char *error_text;
    bool has_expire; /* RFC 7314 */
    uint32_t expire_s;
};

/* Header fields of a reply to `query` (a whole header): its id, opcode and RD; QR; the rest zero.
 */
void csn_message_begin(struct csn_message *message, struct csn_buf *buf, const uint8_t *query);
void csn_message_set_rcode(struct csn_message *message, uint16_t rcode);
void csn_message_set_authoritative(struct csn_message *message);
void csn_message_set_truncated(struct csn_message *message);
/* The question as asked: name, type, class. `apex` may be NULL. */
void csn_message_put_question(struct csn_message *message, struct csn_bytes question,
                              const uint8_t *apex);
/* One record of the answer section; `owner` must live until the message is done. False, and nothing
 * is written, where the message would grow beyond `size_max` octets. */
bool csn_message_put(struct csn_message *message, const struct csn_rrset *rrset,
                     struct csn_bytes rdata, size_t size_max);
/* The same in another class. */
bool csn_message_put_class(struct csn_message *message, const struct csn_rrset *rrset,
                           uint16_t class, struct csn_bytes rdata, size_t size_max);
/* Octets that csn_message_put_edns will take. */
size_t csn_message_edns_size(const struct csn_edns *edns);
void csn_message_put_edns(struct csn_message *message, const struct csn_edns *edns);
size_t csn_message_size(const struct csn_message *message);
/* Drops the answers, keeps header and question. */
void csn_message_drop_answers(struct csn_message *message, size_t question_size);

#endif
