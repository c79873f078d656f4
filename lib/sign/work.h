/* work.h: what the files of the content share among themselves. Private to lib/sign. */
#ifndef CSN_SIGN_WORK_H
#define CSN_SIGN_WORK_H

#include "sign/content.h"

/* What one call of csn_content_plan made. */
struct csn_content_range {
    struct csn_content_range *next; /* owns */
    size_t from, to;                /* RRsets */
    struct csn_signature *signatures; /* owns */
    size_t signature_count, signature_count_max;
    struct csn_leaves d, k, n, r; /* own */
    struct csn_arena arena;       /* owns the heads of the signatures */
};

struct csn_content_work {
    const struct csn_policy *policy;  /* borrows */
    struct csn_zone *source;          /* owns a reference: the input's zone, which the content's borrows from */
    struct csn_digest prepared;       /* D(prepared) of the input */
    bool *is_signed;                  /* owns; per RRset */
    struct csn_content_range *ranges; /* owns; pushed by any thread, atomically */
    uint32_t *firsts;                 /* owns; RRset i has the signatures [firsts[i], firsts[i + 1]); after finish */
    uint64_t *slot_hashes;            /* owns; h(r) per RRset that is signed */
    struct csn_arena octets;          /* owns the signatures' octets */
    size_t carry_at;                  /* the RRset csn_content_carry compares next */
};

/* The RRSIG RRset of signatures of one RRset, packed into `buf`: RDATA ascending, whole or cut before the signature. */
enum csn_rrsig_form { CSN_RRSIG_HEADS, CSN_RRSIG_WHOLE };
void csn_rrsigs_pack(const struct csn_rrset *covered, const struct csn_signature *const *signatures, size_t count,
                     enum csn_rrsig_form form, struct csn_buf *buf, struct csn_rrset *ret_rrset);

#endif
