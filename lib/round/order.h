/* order.h: what operators order. An order is a statement signed by an operator's key of the cluster
 * document; every node checks it itself, keeps it in its votes and hands it on as it came. Orders of
 * a zone that answer the same question - do we vote, is it in maintenance - share a register, in
 * which the greatest number stands: an order that is said again later, or by a stranger who kept it,
 * changes nothing. Pure. */
#ifndef CSN_ROUND_ORDER_H
#define CSN_ROUND_ORDER_H

#include "round/statement.h"

/* X(name, number, word, register). Numbers travel. */
#define CSN_ORDERS(X)                                                                              \
    X(HOLD, 1, "hold", VOTES)                      /* no votes in this zone */                     \
    X(RESUME, 2, "resume", VOTES)                                                                  \
    X(MAINTENANCE_ON, 3, "maintenance on", MAINTENANCE) /* of the zone, or of one site in it */    \
    X(MAINTENANCE_OFF, 4, "maintenance off", MAINTENANCE)                                          \
    X(APPROVE, 5, "approve", INPUT)                /* this input passes the gates */               \
    X(REJECT, 6, "reject", INPUT)                  /* this parked input is not asked about again */\
    X(GENERATION, 7, "generation", GENERATION)     /* of inputs read from now on */                \
    X(AUTHORITY, 8, "authority", AUTHORITY)        /* this site is to be the lead, if it is fit */ \
    X(APPROVE_SERIAL, 9, "approve-serial", SERIAL) /* R4: the zone may go to this serial, however  \
                                                      far it is */                                 \
    X(REJECT_SERIAL, 10, "reject-serial", SERIAL)  /* what was approved is approved no more */     \
    X(ANNOUNCE_SERIAL, 11, "announce-serial", SERIAL) /* R8: it is to be approved, when all know */

enum csn_order_register {
    CSN_REGISTER_VOTES = 1,
    CSN_REGISTER_MAINTENANCE,
    CSN_REGISTER_INPUT,
    CSN_REGISTER_GENERATION,
    CSN_REGISTER_AUTHORITY,
    CSN_REGISTER_SERIAL,
};
enum csn_order_kind {
#define CSN_ORDER_ENUM(name, number, word, place) CSN_ORDER_##name = (number),
    CSN_ORDERS(CSN_ORDER_ENUM)
#undef CSN_ORDER_ENUM
};
/* NULL for a number that is none. */
const char *csn_order_text(unsigned kind);
enum csn_order_register csn_order_register(enum csn_order_kind kind);
/* Whether each site of a zone has this register of its own, or the zone has one. */
bool csn_order_is_of_site(enum csn_order_register place);
/* Whether it names a serial, and from where to go there. */
bool csn_order_has_serial(enum csn_order_kind kind);

#define CSN_ORDER_REASON_MAX 200

/* Beyond the serial that is approved: rounds that failed may have spent it, and some after it. */
#define CSN_SERIALS_SPENT_MAX 1024
/* The farthest from the certificate named: what comes soon after is after it too (RFC 1982), for sites
 * and secondaries that were away; and an emergency can go on beyond it (R8). */
#define CSN_APPROVED_STEP_MAX (UINT32_C(0x80000000) - UINT32_C(0x400000)) /* 2^31 - 2^22 */

/* ANNOUNCE_SERIAL, APPROVE_SERIAL: from the newest certificate to one serial. */
struct csn_serial_approval {
    uint32_t epoch;         /* in which it counts */
    struct csn_round round; /* of the certificate; not none */
    uint32_t from, to;      /* its serial, and the one approved: 1 to CSN_APPROVED_STEP_MAX after it */
};
void csn_serial_approval_put(struct csn_buf *buf, const struct csn_serial_approval *approval);
void csn_serial_approval_read(struct csn_reader *reader, struct csn_serial_approval *ret_approval);

struct csn_order {
    uint8_t cluster[16];
    uint8_t environment;
    enum csn_order_kind kind;
    uint8_t zone[CSN_NAME_MAX];
    /* MAINTENANCE: the site, 0: the whole zone. AUTHORITY: the site, 0: whoever is fit. Else 0 */
    uint16_t site;
    uint64_t number;            /* microseconds since 1970 when it was given; above the last one's */
    struct csn_digest received; /* APPROVE, REJECT: D(received) of the input; else zeros */
    uint32_t generation;        /* GENERATION, at least 2; else 0 */
    struct csn_serial_approval serial; /* ANNOUNCE_SERIAL, APPROVE_SERIAL; else zeros */
    char reason[CSN_ORDER_REASON_MAX + 1]; /* printable ASCII, not empty */
};
void csn_order_encode(const struct csn_order *order, struct csn_buf *buf);
/* CSN_EFORMAT: anything that encode does not write, a field that is not this kind's too. */
int csn_order_decode(struct csn_bytes octets, struct csn_order *ret_order);

/* An order as it was signed. */
struct csn_signed_order {
    struct csn_order order;
    uint16_t operator_number; /* 1..: place in the cluster document */
    uint8_t signature[CSN_SIGNATURE_SIZE];
};

#endif
