/* prepare.h: records as received -> the prepared zone, or a refusal (signing.md 1). Pure; one
 * thread. */
#ifndef CSN_ZONE_PREPARE_H
#define CSN_ZONE_PREPARE_H

#include "zone/input.h"

/* A record as read, before anything is done to it. */
struct csn_record {
    struct csn_bytes owner; /* borrows; wire form, any case */
    struct csn_bytes rdata; /* borrows; uncompressed */
    uint32_t ttl;
    uint16_t class;
    uint16_t type;
    uint32_t line; /* of the file, for refusals; 0: none */
};

/* `drop`: owners (lower-case wire form, count of them) whose address records policy drops where no
 * NS names them. `apex` is lower-cased. Refusals give CSN_EREFUSED and a reason that begins with a
 * code and a colon, then names the owner: class, out-of-zone, meta-type, rdata, name-length and
 * owner (no name) from add; soa, no-apex-ns, cname-other, cname-many, dname-many, ds-apex,
 * ds-no-ns, dnskey-below, ns-wildcard, dname-ns, below-dname and rrset-size (over 65535 records)
 * from finish, with the line of the RRset's first record where records have one. */
struct csn_prepare;
struct csn_prepare *csn_prepare_new(const uint8_t *apex, const uint8_t *const *drop,
                                    size_t drop_count);
int csn_prepare_add(struct csn_prepare *prepare, const struct csn_record *record,
                    struct csn_reason *reason);
/* Once; after it only free. */
int csn_prepare_finish(struct csn_prepare *prepare, struct csn_input **ret_input,
                       struct csn_reason *reason);
void csn_prepare_free(struct csn_prepare *take_prepare);

#endif
