/* delta.h: what changed from one released version of a zone to another, as octets: every RRset that is gone, every RRset that is
 * new; RRSIGs of one covered type are an RRset of their own. The octets follow from the two versions alone, so every site has
 * the same, and a secondary may go on at another site. A delta is believed when it leads from one full root to the other
 * (leafset.h). Pure; borrows from its octets.
 *
 *     "CSND" | u8 1 | from | to | size u32, rows that are gone | size u32, rows that are new
 *     from, to: serial u32, T u64, full root 48
 *
 * Rows are those of rows.h without RRSIGs beside them, strictly ascending by (owner, type or covered type, RRSIG last). */
#ifndef CSN_ZONE_DELTA_H
#define CSN_ZONE_DELTA_H

#include "base/error.h"
#include "base/sha.h"
#include "dns/rrset.h"

#define CSN_DELTA_HEADER_SIZE (5u + 2u * 60u)

struct csn_delta_end {
    uint32_t serial;
    uint64_t time_s; /* T */
    struct csn_digest full_root;
};

struct csn_delta {
    struct csn_delta_end from, to;
    struct csn_bytes gone, added;         /* rows; borrow */
    struct csn_rrset from_soa, to_soa; /* borrow; set by decode */
};

/* Both versions' entries at one (owner, type), ascending; NULL where a version has none. Zeros at first. */
struct csn_delta_maker {
    struct csn_buf gone, added; /* own */
};
void csn_delta_differ(struct csn_delta_maker *maker, const struct csn_entry *from, const struct csn_entry *to);
/* Appended to `buf`; the maker is empty again. CSN_ELIMIT: more than 4 GiB of rows. */
int csn_delta_finish(struct csn_delta_maker *maker, const struct csn_delta_end *from, const struct csn_delta_end *to,
                     struct csn_buf *buf);

/* The form, whole: rows well-formed, in the zone, ascending, none in both lists; one SOA in each, with the serials. CSN_EFORMAT
 * for anything else: what passes is what finish writes for some pair of zones. */
int csn_delta_decode(const uint8_t *apex, struct csn_bytes octets, struct csn_delta *ret_delta);
/* The two ends alone; nothing else is looked at. */
int csn_delta_decode_ends(struct csn_bytes octets, struct csn_delta_end *ret_from, struct csn_delta_end *ret_to);

/* The next row of `rows` of a decoded delta; CSN_ENOTFOUND at the end. */
int csn_delta_row(struct csn_reader *rows, struct csn_rrset *ret_rrset);

/* The order of rows: by (owner, type or covered type), an RRset before its RRSIGs. */
int csn_delta_compare_rows(const struct csn_rrset *a, const struct csn_rrset *b);

/* The records of a decoded delta as IXFR sends them (RFC 1995 4): the old SOA, what is gone, the new SOA, what is new; a record
 * that is in both lists is not sent. Zeros at first, and after fini. */
struct csn_delta_records {
    const struct csn_delta *delta; /* borrows */
    unsigned phase;
    struct csn_reader rows, others;
    struct csn_rrset other; /* the next of the other list */
    bool has_other;
    struct csn_buf kept; /* owns; RDATA of the RRset given last, where some were left out */
};
void csn_delta_records_begin(struct csn_delta_records *records, const struct csn_delta *delta);
/* Lives until the next call. CSN_ENOTFOUND at the end. */
int csn_delta_records_next(struct csn_delta_records *records, struct csn_rrset *ret_rrset);
void csn_delta_records_fini(struct csn_delta_records *records);

#endif
