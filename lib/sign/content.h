/* content.h: a round's content at this site, and its signatures. The data's way: input -> content (zone with keys and
 * denial, signatures planned, roots D K N R) -> carried signatures of the parent, own share, others' shares -> B and full root.
 *
 * Built in steps so that the shell can spread the middle over worker threads: new (one thread), plan on disjoint ranges (any
 * threads), finish (one thread). The result does not depend on the ranges. Pure. */
#ifndef CSN_SIGN_CONTENT_H
#define CSN_SIGN_CONTENT_H

#include "sign/schedule.h"
#include "zone/digest.h"
#include "zone/prepare.h"

struct csn_content_params {
    uint32_t serial;
    uint64_t time_s, schedule_s; /* T, S */
};

/* A signature of the round. `octets` is empty until carried or made. */
struct csn_signature {
    uint32_t rrset;          /* index in content->zone->rrsets */
    struct csn_bytes head;   /* RRSIG RDATA before the signature; borrows from the content */
    struct csn_bytes octets; /* borrows from the content's memory or `bytes` arena below */
    uint64_t expiration_s;
    uint16_t key;            /* index in the key set */
    uint16_t author;         /* index in the round's authors, set by csn_content_authors */
    bool is_carried;         /* the parent's bytes, byte for byte */
};

struct csn_content {
    struct csn_zone *zone; /* owns a reference: every RRset but RRSIGs, canonical order; lives no longer than the content, from
                              whose input it borrows */
    const struct csn_keyset *keyset; /* borrows; the caller keeps it alive */
    struct csn_content_params params;
    struct csn_signature *signatures; /* owns; ascending by rrset, then algorithm, tag, id */
    size_t signature_count;
    struct csn_roots roots;          /* after finish */
    struct csn_digest content_root;  /* after finish */
    struct csn_content_work *work;   /* owns; private to content.c */
};

/* Zone assembled: SOA serial set, key-set RRsets and the chain added. Policy and key set must outlive the content. CSN_EREFUSED:
 * key set and input are of two zones, the input has no SOA, or S is after T. CSN_ELIMIT: more RRsets than 31 bits count. */
int csn_content_new(const struct csn_input *input, const struct csn_policy *policy, const struct csn_keyset *keyset,
                    const struct csn_content_params *params, struct csn_content **ret_content, struct csn_reason *reason);
/* Plans signatures and hashes leaves of RRsets [from, to). Any thread, disjoint ranges. CSN_EREFUSED, the reason names the RRset:
 * no slot at or before S, no key in force, or less than R/2 left at T (signing.md 3). */
int csn_content_plan(struct csn_content *content, size_t from, size_t to, struct csn_reason *reason);
/* Joins the ranges: roots. Recomputes D from the staged content, which must equal the input's D(prepared) (CSN_EMISMATCH). */
int csn_content_finish(struct csn_content *content, struct csn_reason *reason);
void csn_content_free(struct csn_content *take_content);

/* Takes over the signatures of the parent whose RRset and head are the same: called with the parent's entries in canonical
 * order. */
void csn_content_carry(struct csn_content *content, const struct csn_entry *parent_entry);

/* Sets each signature's author: h(r) mod author_count. */
void csn_content_authors(struct csn_content *content, size_t author_count);

/* What is signed (RFC 4034 3.1.8.1): head | RRs in canonical form with the original TTL. Appended to `buf`. */
void csn_signature_input(const struct csn_content *content, const struct csn_signature *signature, struct csn_buf *buf);
/* Copies `octets` into the content. */
void csn_signature_set(struct csn_content *content, struct csn_signature *signature, struct csn_bytes octets);

/* A share: the signatures of one author that are not carried, in the content's order: count x (index u32 | size u16 |
 * octets). Encode needs them all set. Decode refuses (CSN_EFORMAT, CSN_EMISMATCH) what is not exactly this author's set, and
 * then sets none. */
void csn_share_encode(const struct csn_content *content, uint16_t author, struct csn_buf *buf);
int csn_share_decode(struct csn_content *content, uint16_t author, struct csn_bytes share);
/* Root of class B over the RRsets of a share (one leaf an (owner, covered type), of those with a signature in the share, over
 * the signatures that are in the share), and the count of its signatures. */
void csn_share_root(const struct csn_content *content, uint16_t author, struct csn_digest *ret_root, uint64_t *ret_count);

/* Every signature set: class B and full root. */
void csn_content_full_root(const struct csn_content *content, struct csn_digest *ret_b, struct csn_digest *ret_full);

/* Entry i of the signed zone in canonical order (RRSIGs sorted by RDATA, packed into `buf`, which is cleared first and which
 * the entry borrows). */
void csn_content_entry(const struct csn_content *content, size_t i, struct csn_buf *buf, struct csn_entry *ret_entry);

/* As csn_content_entry, but the RRSIGs are cut before their signatures, as class R hashes them. After finish; any thread, also
 * while signatures are set. */
void csn_content_heads(const struct csn_content *content, size_t i, struct csn_buf *buf, struct csn_entry *ret_entry);

/* Roots of a signed zone from its entries alone (a released version, a file): D K N R B, content and full root. Fed in any
 * order; T and serial as the certificate says; the SOA's serial must be that one (CSN_EMISMATCH). */
struct csn_zone_roots {
    struct csn_roots roots;
    struct csn_digest b, content, full;
    uint64_t records, signatures;
    uint64_t earliest_expiry_s; /* 0: no signatures */
};
struct csn_rooter;
/* `apex` is copied. */
struct csn_rooter *csn_rooter_new(const uint8_t *apex, uint64_t time_s);
int csn_rooter_add(struct csn_rooter *rooter, const struct csn_entry *entry, struct csn_reason *reason);
int csn_rooter_finish(struct csn_rooter *rooter, uint32_t serial, struct csn_zone_roots *ret_roots, struct csn_reason *reason);
void csn_rooter_free(struct csn_rooter *take_rooter);

#endif
