/* rrset.h: record types and the packed RRset. Pure; any thread. */
#ifndef CSN_DNS_RRSET_H
#define CSN_DNS_RRSET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define CSN_CLASS_IN 1

/* Types with a meaning to Consign; others are octets. IANA's numbers. */
enum csn_type {
    CSN_TYPE_A = 1,
    CSN_TYPE_NS = 2,
    CSN_TYPE_CNAME = 5,
    CSN_TYPE_SOA = 6,
    CSN_TYPE_TXT = 16,
    CSN_TYPE_AAAA = 28,
    CSN_TYPE_DNAME = 39,
    CSN_TYPE_OPT = 41,
    CSN_TYPE_DS = 43,
    CSN_TYPE_RRSIG = 46,
    CSN_TYPE_NSEC = 47,
    CSN_TYPE_DNSKEY = 48,
    CSN_TYPE_NSEC3 = 50,
    CSN_TYPE_NSEC3PARAM = 51,
    CSN_TYPE_CDS = 59,
    CSN_TYPE_CDNSKEY = 60,
    CSN_TYPE_ZONEMD = 63,
    CSN_TYPE_TSIG = 250
};

/* Records with one owner and type, class IN. `rdatas` is count x (length u16 | RDATA), ascending by RDATA, no two equal
 * (RFC 4034 6.3): as leaves are hashed, as the store keeps them, as signatures see them. */
struct csn_rrset {
    const uint8_t *owner; /* borrows; lower-case wire form */
    struct csn_bytes rdatas; /* borrows */
    uint32_t ttl;
    uint16_t type;
    uint16_t count;
};

/* What a zone holds at one (owner, type): the RRset and the RRSIGs that cover it (count 0: unsigned). */
struct csn_entry {
    struct csn_rrset rrset;
    struct csn_rrset rrsigs; /* type RRSIG, same owner and TTL */
};

/* Walks packed RDATA: false at the end. The packing is trusted (our own memory or a checked store). */
bool csn_rdata_next(struct csn_reader *rdatas, struct csn_bytes *ret_rdata);
static inline struct csn_reader csn_rdata_first(const struct csn_rrset *rrset)
{
    return csn_reader(rrset->rdatas);
}

/* (owner, type), canonical. */
int csn_rrset_compare(const struct csn_rrset *a, const struct csn_rrset *b);
/* Owner, type, TTL and records equal. */
bool csn_rrset_equal(const struct csn_rrset *a, const struct csn_rrset *b);

/* Fields of a SOA's RDATA (checked at intake). */
struct csn_soa {
    uint32_t serial, refresh, retry, expire, minimum;
};
void csn_soa_fields(struct csn_bytes rdata, struct csn_soa *ret_soa);

/* The name of a type ("NSEC3", "TYPE65280"); `ret_text` holds 16 octets. */
void csn_type_text(uint16_t type, char ret_text[16]);

#endif
